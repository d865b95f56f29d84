"""Batch normalization.  Handout 2.4 and Appendix C."""

import numpy as np

from mytorch.nn import functional as F
from mytorch.nn.module import Module
from mytorch.nn.sums import sum_rows
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
        for running in (self.running_mean, self.running_var):
            if not isinstance(running, Tensor):
                raise TypeError("running_mean and running_var must be Tensors, got "
                                f"{type(running).__name__}; assign to their .data")
            running.settle_data()
        statistics = self._of_batch if self.is_train else self._running
        return F.BatchNorm.apply(x, self.gamma, self.beta, statistics, self.eps, self.is_train)

    def _running(self, x):
        """The running estimates, whatever the batch."""
        return self.running_mean.data, self.running_var.data

    def _of_batch(self, x):
        """Mean and variance of a batch (N, F), which also move the running estimates."""
        n = len(x)
        if n < 2:
            raise ValueError(f"BatchNorm1d needs at least 2 rows in training, got a batch of {n}, "
                             "which has no variance")
        mean = sum_rows(x) / n                                  # equation 3
        squares = sum_rows((x - mean) ** 2)
        var, unbiased_var = squares / n, squares / (n - 1)      # equations 4 and 7
        self._move(self.running_mean, mean)                     # equation 8
        self._move(self.running_var, unbiased_var)              # equation 9
        return mean, var

    def _move(self, running, of_batch):
        """running = (1 - alpha) running + alpha batch, in the dtype of ``running``."""
        alpha = float(self.momentum)
        data = (1 - alpha) * running.data + alpha * of_batch
        running.data = data.astype(running.dtype if running.dtype.kind == "f" else float)

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
