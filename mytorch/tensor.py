"""The Tensor: a NumPy array that remembers how it was computed.

Every operator here is one call of an operation in ``mytorch/nn/functional.py``, which puts
it into the graph.  Handout: sections 0.2.3 and 1.1, Appendix A.
"""

import copy
import operator

import numpy as np

from mytorch import autograd_engine
from mytorch.grad_mode import is_recording


def _comparison(compare, symbol):
    """A method that compares element by element and gives a Tensor of booleans, as in PyTorch."""
    def method(self, other):
        if not isinstance(other, _COMPARABLE):
            return NotImplemented
        a, b = self, self._operand(other, symbol)
        a.settle_data()
        b.settle_data()
        if "f" in a.dtype.kind + b.dtype.kind:  # integers are compared as they are
            a, b = F.operands(autograd_engine.ContextManager(), a, b)
        return Tensor(compare(a.data, b.data))
    return method


def _in_place(compute):
    """A method such as ``+=``, which gives this tensor new data or, in a graph, a new tensor."""
    def method(self, other):
        result = compute(self, other)
        if self.is_leaf and self.requires_grad and is_recording():
            raise RuntimeError("a leaf that requires grad cannot be changed in place while a graph "
                               "is recorded; for another tensor write x = x + other, to change "
                               "this one assign to its .data")
        if result.requires_grad:
            return result
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise ValueError(f"a tensor of shape {self.shape} and {self.dtype} cannot become one "
                             f"of shape {result.shape} and {result.dtype} in place")
        self.data = result.data.astype(self.dtype, copy=False)
        return self
    return method


class Tensor:
    """A NumPy array with a place in the computational graph.

    Args:
        data (array_like): real numbers.  An ndarray is not copied, unless gradients are wanted.
        requires_grad (bool): whether gradients are wanted.  Integers then become float64,
            since a gradient is no integer.
        is_leaf (bool): whether no gradient-enabled tensor went into it.
        is_parameter (bool): whether it is learned by a network (Appendix A.2).

    Attributes:
        data (np.ndarray), requires_grad, is_leaf, is_parameter: as above.
        grad_fn (node or None): its node in the graph.
        grad (Tensor or None): the gradient that has accumulated; of the same shape and
            dtype, on gradient-enabled leaves only.

    No array is ever written into: what changes a tensor gives it a new ``.data``.  Dtypes combine
    as NumPy's do, but a single number (0-d) takes the dtype of what it is combined with, unless
    it is of a higher kind (a float with integers), as in PyTorch.

    Raises:
        TypeError: the data are no numbers, or a flag is no boolean.
        ValueError: a parameter is no leaf or requires no grad (Appendix A).

    >>> a = Tensor([1., 2.], requires_grad=True)
    >>> (a * a).sum().backward()
    >>> a.grad
    Tensor([2., 4.])
    """

    def __init__(self, data, requires_grad=False, is_leaf=True, is_parameter=False):
        if type(data) is not np.ndarray or data.dtype.kind not in "fiub":
            data = _as_array(data)
        if requires_grad is not False or is_leaf is not True or is_parameter is not False:
            _check_flags(requires_grad, is_leaf, is_parameter)
            if requires_grad:
                data = np.array(data, None if data.dtype.kind == "f" else np.float64)
        self.data = data
        self.requires_grad = requires_grad
        self.is_leaf = is_leaf
        self.grad_fn = None
        self.grad = None
        self.is_parameter = is_parameter

    # ---- making tensors

    @staticmethod
    def zeros(*shape):
        """A float64 tensor of zeros."""
        return Tensor(np.zeros(_as_shape(shape)))

    @staticmethod
    def ones(*shape):
        """A float64 tensor of ones."""
        return Tensor(np.ones(_as_shape(shape)))

    @staticmethod
    def empty(*shape):
        """A float64 tensor whose values are not set."""
        return Tensor(np.empty(_as_shape(shape)))

    @staticmethod
    def randn(*shape):
        """A float64 tensor drawn from N(0, 1) by NumPy's global generator (np.random.seed)."""
        return Tensor(np.random.standard_normal(_as_shape(shape)))

    @staticmethod
    def arange(*args):
        """A 1-D tensor of evenly spaced values, as ``np.arange``."""
        return Tensor(np.arange(*args))

    # ---- outside the graph

    shape = property(operator.attrgetter("data.shape"))
    dtype = property(operator.attrgetter("data.dtype"))
    ndim = property(operator.attrgetter("data.ndim"))
    size = property(operator.attrgetter("data.size"))

    def settle_data(self):
        """See to it that ``.data``, which anyone may have assigned, is an array; of floats, if
        gradients of a leaf are wanted.

        Raises:
            TypeError: it is neither an array nor one of NumPy's numbers.
        """
        if type(self.data) is not np.ndarray:  # arithmetic on 0-d arrays makes NumPy's numbers
            if not isinstance(self.data, (np.ndarray, np.generic)):
                hint = "; use its .data" if isinstance(self.data, Tensor) else ""
                raise TypeError(f".data must be an ndarray, got {type(self.data).__name__}{hint}")
            self.data = np.asarray(self.data)
        if self.requires_grad and self.data.dtype.kind != "f":
            self.data = self.data.astype(np.float64)

    def detach(self):
        """A leaf of its own with the same array, outside the graph."""
        twin = Tensor.__new__(Tensor)  # without the constructor's checks (benchmark: chain)
        twin.data, twin.requires_grad, twin.is_leaf = self.data, False, True
        twin.grad_fn, twin.grad, twin.is_parameter = None, None, False
        return twin

    def copy(self, **flags):
        """A leaf of its own with a copy of the array; ``flags`` as for the constructor."""
        self.settle_data()
        return Tensor(self.data.copy(), **flags)

    def fill_(self, value):
        """Set every element to ``value``, for every name that holds this tensor; returns it.

        Raises:
            RuntimeError: it is in a graph that is being recorded.
        """
        if self.requires_grad and is_recording():
            raise RuntimeError("fill_() on a tensor that requires grad, while a graph is recorded; "
                               "use it under no_grad()")
        self.settle_data()
        self.data = np.full_like(self.data, value)
        return self

    def item(self):
        """The value of a tensor with one element, as a Python number."""
        self.settle_data()
        return self.data.item()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        """The truth of a tensor with one element, as in NumPy and PyTorch."""
        return bool(self.data)

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        self.settle_data()
        array = np.array2string(self.data, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        place = ""
        if not self.is_leaf and self.grad_fn is not None:
            place = f", grad_fn=<{self.grad_fn.function_name}>"
        elif self.requires_grad:
            place = ", requires_grad=True"
        return f"Tensor({array}{dtype}{place})"

    def __array__(self, *args, **kwargs):
        raise TypeError("a Tensor is not an array; its .data is one")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        """NumPy asks this for ``np.float64(2) * tensor``; for all else a Tensor is no array."""
        reflected = _REFLECTED.get(ufunc.__name__)
        if out is not None or reflected is None or method != "__call__" or inputs[1] is not self:
            raise TypeError(f"NumPy's {ufunc.__name__} takes arrays, got a Tensor; use its .data")
        return getattr(self, reflected)(np.asarray(inputs[0])[()])

    def __getstate__(self):
        """For pickle and copy.deepcopy: a leaf travels with its gradient, without its node."""
        if not self.is_leaf and self.grad_fn is not None:
            raise RuntimeError("only leaves can be pickled or deep-copied, this is the output "
                               "of an operation; tensor.copy() gives a leaf")
        return {**vars(self), "grad_fn": None}

    def __copy__(self):
        return copy.deepcopy(self)  # so that no two tensors share a gradient

    __eq__, __ne__ = _comparison(np.equal, "=="), _comparison(np.not_equal, "!=")
    __lt__, __le__ = _comparison(np.less, "<"), _comparison(np.less_equal, "<=")
    __gt__, __ge__ = _comparison(np.greater, ">"), _comparison(np.greater_equal, ">=")
    __hash__ = object.__hash__  # as an object: two tensors of the same numbers are two keys

    # ---- in the graph

    def backward(self):
        """Add to every leaf's ``.grad`` the gradient of the sum of this tensor's elements.

        Raises:
            RuntimeError: the tensor is outside any graph.

        Source: handout 0.1.5 (step 1).
        """
        if not self.requires_grad or (self.grad_fn is None and not self.is_leaf):
            raise RuntimeError("backward() on a tensor outside the graph (requires_grad="
                               f"{self.requires_grad}, is_leaf={self.is_leaf}, grad_fn="
                               f"{getattr(self.grad_fn, 'function_name', None)}): nothing it was "
                               "computed from requires grad, no_grad was on, or the tensors were "
                               "in a list, into which apply does not look")
        self.settle_data()
        self.grad_fn = self.grad_fn or autograd_engine.AccumulateGrad(self)
        autograd_engine.backward(self.grad_fn, Tensor(np.ones_like(self.data)))

    def __add__(self, other):
        return F.Add.apply(self, self._operand(other, "+"))

    def __radd__(self, other):
        return F.Add.apply(self._operand(other, "+"), self)

    def __sub__(self, other):
        return F.Sub.apply(self, self._operand(other, "-"))

    def __rsub__(self, other):
        return F.Sub.apply(self._operand(other, "-"), self)

    def __mul__(self, other):
        return F.Mul.apply(self, self._operand(other, "*"))

    def __rmul__(self, other):
        return F.Mul.apply(self._operand(other, "*"), self)

    def __truediv__(self, other):
        return F.Div.apply(self, self._operand(other, "/"))

    def __rtruediv__(self, other):
        return F.Div.apply(self._operand(other, "/"), self)

    def __pow__(self, other):
        return F.Pow.apply(self, self._operand(other, "**"))

    def __rpow__(self, other):
        return F.Pow.apply(self._operand(other, "**"), self)

    __iadd__, __isub__ = _in_place(operator.add), _in_place(operator.sub)
    __imul__, __itruediv__ = _in_place(operator.mul), _in_place(operator.truediv)
    __ipow__ = _in_place(operator.pow)

    def __neg__(self):
        return F.Neg.apply(self)

    def __matmul__(self, other):
        if not isinstance(other, Tensor):
            raise TypeError(f"@ takes two Tensors, got {_describe(other)}")
        return F.MatMul.apply(self, other)

    def __rmatmul__(self, other):
        raise TypeError(f"@ takes two Tensors, got {_describe(other)}")

    def T(self):
        """The transpose of a 2-D tensor."""
        return F.Transpose.apply(self)

    def reshape(self, *shape):
        """The same elements in another shape; one length may be -1."""
        return F.Reshape.apply(self, _as_shape(shape))

    def log(self):
        """The natural logarithm, element by element."""
        return F.Log.apply(self)

    def exp(self):
        """e to the power of each element."""
        return F.Exp.apply(self)

    def sqrt(self):
        """The square root, element by element."""
        return F.Sqrt.apply(self)

    def sum(self, axis=None, keepdims=False):
        """The sum over all elements, or over an axis or several (a tuple or list)."""
        return F.Sum.apply(self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        """The mean over all elements, or over an axis or several (a tuple or list)."""
        return F.Mean.apply(self, axis, keepdims)

    def _operand(self, other, symbol):
        """The other side of an operator as a Tensor: a number is a constant."""
        if isinstance(other, Tensor):
            return other
        if not isinstance(other, _NUMBERS):
            raise TypeError(f"{symbol} takes Tensors and numbers, got {_describe(other)}")
        self.settle_data()
        return Tensor(np.array(other, self.dtype if self.dtype.kind == "f" else None))


_NUMBERS = (int, float, np.integer, np.floating, np.bool_)
_COMPARABLE = _NUMBERS + (Tensor, np.ndarray)  # an array gets the error of the other operators
_BOOLEANS = (bool, np.bool_)
_REFLECTED = {"add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__",
              "divide": "__rtruediv__", "true_divide": "__rtruediv__", "power": "__rpow__",
              "matmul": "__rmatmul__", "equal": "__eq__", "not_equal": "__ne__",
              "less": "__gt__", "less_equal": "__ge__", "greater": "__lt__",
              "greater_equal": "__le__"}


def _check_flags(requires_grad, is_leaf, is_parameter):
    for name, flag in (("requires_grad", requires_grad), ("is_leaf", is_leaf),
                       ("is_parameter", is_parameter)):
        if not isinstance(flag, _BOOLEANS):
            raise TypeError(f"{name} must be a boolean, got {flag!r}; a tensor of a shape is made "
                            "by Tensor.zeros(2, 3)")
    if is_parameter and not (requires_grad and is_leaf):
        raise ValueError("a parameter is a leaf that requires grad: Tensor(data, "
                         "requires_grad=True, is_parameter=True)")


def _as_array(data):
    if isinstance(data, Tensor):
        raise TypeError("the data of a Tensor is an array, got a Tensor; copy() makes a new one")
    try:
        array = np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"the data of a Tensor is a regular array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError("the data of a Tensor is real numbers, got "
                        f"{type(data).__name__} of dtype {array.dtype}")
    return array


def _as_shape(shape):
    """Both ``zeros(2, 3)`` and ``zeros((2, 3))``."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


def _describe(value):
    name = type(value).__name__
    if isinstance(value, (np.ndarray, list)):
        return name + "; wrap it, Tensor(...), or leave out a .data"
    return f"{name}; is it to be called, as in T()?" if callable(value) else name


# The operators need the operations and the operations need Tensor, which exists by now.
from mytorch.nn import functional as F  # noqa: E402
