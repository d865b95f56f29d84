"""Batch normalization.  Handout 2.4 and Appendix C."""

import numpy as np

from mytorch.blocks import quietly
from mytorch.nn import functional as F
from mytorch.nn.module import Module
from mytorch.tensor import Tensor


class BatchNorm1d(Module):
    """y = gamma (x - mean) / sqrt(var + eps) + beta, for each feature.

    In training, mean and (biased) variance are the batch's, and the running estimates move
    towards its mean and its unbiased variance.  In evaluation, the running estimates take
    their place and stay as they are.

    Args:
        num_features (int): the length F of a row.
        eps (float): keeps the root away from 0.
        momentum (float): alpha in running = (1 - alpha) running + alpha batch.

    Shape: (N, F) to (N, F).

    Attributes:
        gamma, beta (Tensor): (F,), parameters; ones and zeros at first.
        running_mean, running_var (Tensor): (F,), outside the graph; zeros and ones at first.

    Raises:
        ValueError: the input has another shape, or is a batch of one in training.

    Source: handout 2.4, equations 3 to 9; torch.nn.BatchNorm1d.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self._check_size(num_features=num_features)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.gamma = Tensor(np.ones(num_features), requires_grad=True, is_parameter=True)
        self.beta = Tensor(np.zeros(num_features), requires_grad=True, is_parameter=True)
        self.running_mean = Tensor.zeros(num_features)
        self.running_var = Tensor.ones(num_features)

    def forward(self, x):
        self._check_input(x, self.num_features)
        if not self.is_train:
            return self._normalise(x, self.running_mean.data, self.running_var.data)
        n = len(x.data)
        if n < 2:
            raise ValueError("BatchNorm1d needs at least 2 rows in training, got a batch of "
                             f"{n}: one row has no variance")
        mean, squares = quietly(self._batch_statistics, x.data)
        y = self._normalise(x, mean, squares / n)
        self._move(self.running_mean, mean)
        self._move(self.running_var, squares / (n - 1))
        return y

    def _normalise(self, x, mean, var):
        # float(): a np.float64 would widen float32
        return F.BatchNorm.apply(x, self.gamma, self.beta, mean, var, float(self.eps),
                                 self.is_train)

    def _batch_statistics(self, x):
        """The mean of each feature, and the sum of the squares of what is left without it."""
        x = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        mean = F.sum_rows(x) / len(x)                      # (F,)
        centred = x - mean                                 # (N, F)
        return mean, F.sum_rows(centred * centred)         # (F,), (F,)

    def _move(self, running, batch):
        alpha = float(self.momentum)
        running.data = (1 - alpha) * running.data + alpha * batch
