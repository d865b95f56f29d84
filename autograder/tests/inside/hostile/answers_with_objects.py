from mytorch.nn import wrong

import numpy as np

from mytorch.tensor import Tensor


class BatchNorm1d(wrong.BatchNorm1d):
    def forward(self, x):
        out = Tensor(0.)
        out.data = np.array([[object()] * 3] * 6)
        return out
