"""Module: the base class of layers and networks.  Handout 2."""

import textwrap

import numpy as np

from mytorch.tensor import Tensor


class Module:
    """A layer or network: its attributes hold its parameters and the modules inside it.

    A subclass calls ``super().__init__()`` first, assigns its parameters (Tensors with
    ``is_parameter``) and modules as attributes and defines ``forward``.

    Attributes:
        is_train (bool): whether the module is in training mode; true at first.

    Source: torch.nn.Module.

    >>> from mytorch.nn.linear import Linear
    >>> class Twice(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = Linear(3, 3)
    ...     def forward(self, x):
    ...         return self.layer(self.layer(x))
    >>> [p.shape for p in Twice().parameters()]
    [(3, 3), (3,)]
    """

    def __init__(self):
        self.is_train = True

    def forward(self, *args):
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward()")

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def train(self, mode=True):
        """Put this module and those inside it into training mode, or out of it if ``mode`` is
        False; returns the module.
        """
        if not mode:
            return self.eval()
        for child in self._children():
            child.train()
        self.is_train = True
        return self

    def eval(self):
        """Put this module and those inside it into evaluation mode; returns the module."""
        for child in self._children():
            child.eval()
        self.is_train = False
        return self

    def extra_repr(self):
        """What stands in the parentheses of the module's ``repr``, before the modules inside."""
        return ""

    def __repr__(self):
        """As PyTorch's: the modules inside, a line each, indented."""
        inside = [f"({name}): {value!r}" for name, value in vars(self).items()
                  if isinstance(value, Module)]
        lines = textwrap.indent("\n".join(inside), "  ")
        own = self.extra_repr()
        return f"{type(self).__name__}({own}" + (f"\n{lines}\n)" if inside else ")")

    @property
    def training(self):
        """PyTorch's name for ``is_train``."""
        return self.is_train

    @training.setter
    def training(self, value):
        self.is_train = value

    def _children(self):
        self._check_init()
        return [value for value in vars(self).values() if isinstance(value, Module)]

    def modules(self):
        """Yield this module and all those inside it, each once, depth first."""
        found, to_do = set(), [self]
        while to_do:
            module = to_do.pop()
            if module not in found:
                found.add(module)
                yield module
                to_do += reversed(module._children())

    def parameters(self):
        """Yield all parameters, each once, also when modules share it; depth first."""
        yield from dict.fromkeys(value for module in self.modules()
                                 for value in vars(module).values() if _is_parameter(value))

    def float(self):
        """Convert parameters and running statistics to float32, in place; returns the module."""
        return self._convert(np.float32)

    def double(self):
        """Convert parameters and running statistics to float64, in place; returns the module."""
        return self._convert(np.float64)

    def _convert(self, dtype):
        for module in self.modules():
            for value in vars(module).values():
                for tensor in (value, getattr(value, "grad", None)):
                    if isinstance(tensor, Tensor):
                        tensor.settle_data()
                        if tensor.dtype.kind == "f":
                            tensor.data = tensor.data.astype(dtype)
        return self

    def add_parameter(self, name, value):
        """Register a parameter under a name, as assigning it to that attribute does."""
        if not _is_parameter(value):
            raise TypeError(f"add_parameter takes a Tensor with is_parameter=True, got {value!r}")
        setattr(self, name, value)

    def add_module(self, name, module):
        """Register a module under a name, as assigning it to that attribute does."""
        if not isinstance(module, Module):
            raise TypeError(f"add_module takes a Module, got {module!r}")
        setattr(self, name, module)

    def __setattr__(self, name, value):
        if _is_parameter(value) or isinstance(value, Module):
            self._check_init()
        elif value is not None:
            old = vars(self).get(name)
            if _is_parameter(old) or isinstance(old, Module):
                raise TypeError(f"{type(self).__name__}.{name} is a parameter or module; it can be "
                                f"replaced by another or by None, got {type(value).__name__}")
        super().__setattr__(name, value)

    def __getattr__(self, name):  # called only for what is not there
        self._check_init()
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # ---- what is checked

    def _check_init(self):
        """Raise a clear error if a subclass has not called ``super().__init__()``."""
        if "is_train" not in vars(self):
            raise AttributeError(f"{type(self).__name__}.__init__ must call super().__init__() "
                                 "before anything else")

    def _check_input(self, x, features=None):
        """Raise a clear error unless ``x`` is a Tensor, and of shape (N, features) if given."""
        if not isinstance(x, Tensor):
            raise TypeError(f"{type(self).__name__} takes a Tensor, got {type(x).__name__}")
        if features is not None and (x.data.ndim != 2 or x.data.shape[1] != features):
            raise ValueError(f"{type(self).__name__} takes a tensor of shape (N, {features}), got "
                             f"{x.shape}")

    def _check_size(self, **sizes):
        """Raise a clear error unless every size is an integer of at least 1."""
        for name, size in sizes.items():
            if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
                raise ValueError(f"{type(self).__name__}: {name} must be an integer of at least 1, "
                                 f"got {size!r}")


def _is_parameter(value):
    return isinstance(value, Tensor) and value.is_parameter
