"""Activation functions.  Handout 2.2."""

from mytorch.nn import functional as F
from mytorch.nn.module import Module


class ReLU(Module):
    """ReLU(x) = max(x, 0), element by element; the derivative at 0 is 0.

    Shape: any, kept.

    Source: handout 2.2; torch.nn.ReLU.
    """

    def forward(self, x):
        self._check_input(x)
        return F.ReLU.apply(x)
