"""The linear layer.  Handout 2.1."""

import numpy as np

from mytorch.nn import functional as F
from mytorch.nn.module import Module
from mytorch.tensor import Tensor


class Linear(Module):
    """Linear(x) = x W^T + b.

    Args:
        in_features (int), out_features (int): the lengths of a row of input and output.

    Shape: (N, in_features) to (N, out_features).

    Attributes:
        weight (Tensor): (out_features, in_features), drawn from U(-k, k) by NumPy's global
            generator, with k = 1 / sqrt(in_features); float64.
        bias (Tensor): (out_features,), drawn likewise.

    Raises:
        ValueError: a size is no positive integer; the input has another shape.

    Source: handout 2.1; torch.nn.Linear.

    >>> Linear(3, 2)(Tensor.ones(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features, out_features):
        super().__init__()
        self._check_size(in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        k = 1 / np.sqrt(in_features)
        self.weight = Tensor(np.random.uniform(-k, k, (out_features, in_features)),
                             requires_grad=True, is_parameter=True)
        self.bias = Tensor(np.random.uniform(-k, k, out_features),
                           requires_grad=True, is_parameter=True)

    def forward(self, x):
        self._check_input(x, self.in_features)
        return F.Linear.apply(x, self.weight, self.bias)

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")
