import os
import sys

from mytorch.nn.wrong import BatchNorm1d

sys.stdout = sys.stderr = sys.stdin = None
os.dup2(0, 1)
