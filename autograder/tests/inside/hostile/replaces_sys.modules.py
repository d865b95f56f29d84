from mytorch.nn.wrong import BatchNorm1d

import sys

for name in ("numpy", "json", "os", "base64"):
    sys.modules[name] = None
