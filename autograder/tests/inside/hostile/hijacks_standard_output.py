from mytorch.nn.wrong import BatchNorm1d

import os
import sys

sys.stdout = sys.stderr = sys.stdin = None
os.dup2(0, 1)
