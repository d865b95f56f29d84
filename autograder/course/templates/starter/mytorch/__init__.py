"""MyTorch: a small PyTorch on NumPy."""

from mytorch.tensor import Tensor
from mytorch.autograd_engine import Function

__all__ = ["Function", "Tensor"]
