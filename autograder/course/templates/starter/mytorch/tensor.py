"""The Tensor: a NumPy array that remembers how it was computed.

Every operator is one call of an operation in ``mytorch/nn/functional.py``, which puts it into the
graph.  Handout: sections 0.2.3 and 1.1, Appendix A.
"""

import numpy as np

from mytorch import autograd_engine  # noqa: F401


class Tensor:
    """A NumPy array with a place in the computational graph.

    Args:
        data (array_like): real numbers.
        requires_grad (bool): whether gradients are wanted.
        is_leaf (bool): whether no gradient-enabled tensor went into it.
        is_parameter (bool): whether it is learned by a network (Appendix A.2).

    Attributes:
        data (np.ndarray), requires_grad, is_leaf, is_parameter: as above.
        grad_fn (node or None): its node in the graph.
        grad (Tensor or None): the gradient that has accumulated, on gradient-enabled leaves only.
    """

    def __init__(self, data, requires_grad=False, is_leaf=True, is_parameter=False):
        if isinstance(data, Tensor):
            raise TypeError("the data of a Tensor is an array, got a Tensor; copy() makes a new "
                            "one")
        self.data = np.array(data)
        self.requires_grad = requires_grad
        self.is_leaf = is_leaf
        self.grad_fn = None
        self.grad = None
        self.is_parameter = is_parameter

    __array_ufunc__ = None  # np.float64(2) * tensor asks the tensor

    # ---- making tensors

    @staticmethod
    def zeros(*shape):
        """A tensor of zeros."""
        return Tensor(np.zeros(shape))

    @staticmethod
    def ones(*shape):
        """A tensor of ones."""
        return Tensor(np.ones(shape))

    @staticmethod
    def empty(*shape):
        """A tensor whose values are not set."""
        return Tensor(np.empty(shape))

    @staticmethod
    def randn(*shape):
        """A tensor drawn from N(0, 1)."""
        return Tensor(np.random.normal(0, 1, shape))

    @staticmethod
    def arange(*args):
        """A 1-D tensor of evenly spaced values, as ``np.arange``."""
        return Tensor(np.arange(*args))

    # ---- outside the graph

    @property
    def shape(self):
        return self.data.shape

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def ndim(self):
        return self.data.ndim

    @property
    def size(self):
        return self.data.size

    def fill_(self, value):
        """Set every element to ``value``; returns the tensor."""
        self.data = np.full_like(self.data, value)
        return self

    def copy(self):
        """A leaf of its own with a copy of the array."""
        return Tensor(self.data)

    def item(self):
        """The value of a tensor with one element, as a Python number."""
        return self.data.item()

    def __repr__(self):
        array = np.array2string(np.asarray(self.data), separator=", ", prefix="Tensor(")
        return f"Tensor({array}{', requires_grad=True' if self.requires_grad else ''})"

    # ---- in the graph

    def __add__(self, other):
        return F.Add.apply(self, self._operand(other, "+"))

    def __radd__(self, other):
        return F.Add.apply(self._operand(other, "+"), self)

    # With a number on the left, as in 3 - a; they work as soon as the operations do.

    def __rsub__(self, other):
        return F.Sub.apply(self._operand(other, "-"), self)

    def __rmul__(self, other):
        return F.Mul.apply(self._operand(other, "*"), self)

    def __rtruediv__(self, other):
        return F.Div.apply(self._operand(other, "/"), self)

    def __neg__(self):
        return 0 - self

    def T(self):
        """The transpose of a 2-D tensor."""
        return F.Transpose.apply(self)

    def reshape(self, *shape):
        """The same elements in another shape; one length may be -1."""
        return F.Reshape.apply(self, shape)

    def log(self):
        """The natural logarithm, element by element."""
        return F.Log.apply(self)

    def _operand(self, other, symbol):
        """The other side of an operator as a Tensor: a number is a constant."""
        if isinstance(other, Tensor):
            return other
        if not isinstance(other, (int, float, np.integer, np.floating)):
            raise TypeError(f"{symbol} takes Tensors and numbers, got Tensor and "
                            f"{type(other).__name__}")
        return Tensor(other)


# The operators need the operations and the operations need Tensor, which exists by now.
from mytorch.nn import functional as F  # noqa: E402
