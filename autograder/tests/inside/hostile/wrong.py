"""A BatchNorm1d of which nothing is right, for programs that do their harm elsewhere.

In ``mytorch/nn/wrong.py`` of the submission; the test adds HOMEWORK, the grader's folder.
"""

import numpy as np

from mytorch.nn.module import Module
from mytorch.tensor import Tensor


class BatchNorm1d(Module):
    def __init__(self, n):
        super().__init__()
        self.gamma = Tensor(np.ones(n), requires_grad=True, is_parameter=True)
        self.beta = Tensor(np.zeros(n), requires_grad=True, is_parameter=True)
        self.running_mean, self.running_var = Tensor(np.zeros(n)), Tensor(np.zeros(n))

    def forward(self, x):
        return x
