from mytorch.nn import wrong

from mytorch.tensor import Tensor


class BatchNorm1d(wrong.BatchNorm1d):
    def forward(self, x):
        out = Tensor(0.)
        out.data = "ok"
        return out
