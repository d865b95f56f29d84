"""MyTorch: a small PyTorch on NumPy, with an autograd engine that can be read in one sitting."""

from mytorch.tensor import Tensor
from mytorch.autograd_engine import Function, no_grad

__all__ = ["Function", "Tensor", "no_grad"]
