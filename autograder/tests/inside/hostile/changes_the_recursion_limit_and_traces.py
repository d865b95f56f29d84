import sys

from mytorch.nn.wrong import BatchNorm1d

sys.settrace(lambda *a: 1 / 0)
sys.setrecursionlimit(60)
