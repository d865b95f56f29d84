from mytorch.nn.wrong import BatchNorm1d

import sys

sys.settrace(lambda *a: 1 / 0)
sys.setrecursionlimit(60)
