from mytorch.nn.wrong import HOMEWORK

import sys

import mytorch.nn

mytorch.nn.__path__[:] = [HOMEWORK + "/../../mytorch/nn"]
del sys.modules[__name__]
from mytorch.nn.batchnorm import BatchNorm1d
