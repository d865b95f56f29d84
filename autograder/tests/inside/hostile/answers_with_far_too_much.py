from mytorch.nn import wrong

import numpy as np

from mytorch.tensor import Tensor


class BatchNorm1d(wrong.BatchNorm1d):
    def forward(self, x):
        return Tensor(np.zeros(10 ** 7))
