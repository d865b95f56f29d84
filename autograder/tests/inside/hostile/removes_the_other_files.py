from mytorch.nn.wrong import BatchNorm1d

import os

for name in ("linear.py", "loss.py"):
    os.remove(os.path.join(os.path.dirname(__file__), name))
