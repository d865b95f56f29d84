from mytorch.nn.wrong import BatchNorm1d

import os

open(os.path.join(os.path.dirname(__file__), "linear.py"), "w")
