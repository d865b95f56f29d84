import sys

from mytorch.nn.wrong import BatchNorm1d

for name in ("numpy", "json", "os", "base64"):
    sys.modules[name] = None
