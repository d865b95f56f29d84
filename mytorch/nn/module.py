"""Module: the base class of layers and networks.  Handout 2."""

import numpy as np

from mytorch.tensor import Tensor


class Module:
    """Keeps track of a network's parameters and of the modules inside it.

    A subclass calls ``super().__init__()`` first, assigns its parameters and modules as
    attributes and defines ``forward``.

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
        self._parameters = {}
        self._submodules = {}
        self.is_train = True

    def forward(self, *args):
        """What the module computes; every subclass defines it."""
        raise NotImplementedError("%s needs a method forward()" % type(self).__name__)

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def train(self):
        """Put this module and those inside it into training mode; returns the module."""
        return self._set_mode(True)

    def eval(self):
        """Put this module and those inside it into evaluation mode; returns the module."""
        return self._set_mode(False)

    def _set_mode(self, is_train):
        for module in self.modules():
            module.is_train = is_train
        return self

    def modules(self):
        """Yield this module and all those inside it, each once."""
        found = [self]
        for module in found:  # grows while it is walked
            yield module
            found += [m for m in module._submodules.values() if not any(m is f for f in found)]

    def parameters(self):
        """Yield all parameters, each once, also when modules share it."""
        seen = set()
        for module in self.modules():
            for parameter in module._parameters.values():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield parameter

    def float(self):
        """Convert parameters and running statistics to float32, in place; returns the module."""
        return self._convert(np.float32)

    def double(self):
        """Convert parameters and running statistics to float64, in place; returns the module."""
        return self._convert(np.float64)

    def _convert(self, dtype):
        for module in self.modules():
            for value in vars(module).values():
                if isinstance(value, Tensor) and value.data.dtype.kind == "f":
                    value.data = value.data.astype(dtype)
                    if value.grad is not None:
                        value.grad.data = value.grad.data.astype(dtype)
        return self

    def _check_input(self, x, features=None):
        """Raise a clear error unless ``x`` is a Tensor, and of shape (N, features) if given."""
        if not isinstance(x, Tensor):
            raise TypeError("%s takes a Tensor, got %s" % (type(self).__name__, type(x).__name__))
        if features is not None and (x.data.ndim != 2 or x.data.shape[1] != features):
            raise ValueError("%s takes a tensor of shape (N, %d), got %s"
                             % (type(self).__name__, features, x.shape))

    def _check_size(self, **sizes):
        """Raise a clear error unless every size is a whole number of at least 1."""
        for name, size in sizes.items():
            if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
                raise ValueError("%s: %s must be a whole number of at least 1, got %r"
                                 % (type(self).__name__, name, size))

    def add_parameter(self, name, value):
        """Register a parameter under a name, as assigning it to that attribute does."""
        if not isinstance(value, Tensor) or not value.is_parameter:
            raise TypeError("add_parameter takes a Tensor with is_parameter=True, got %r" % value)
        setattr(self, name, value)

    def add_module(self, name, module):
        """Register a module under a name, as assigning it to that attribute does."""
        if not isinstance(module, Module):
            raise TypeError("add_module takes a Module, got %r" % module)
        setattr(self, name, module)

    def __setattr__(self, name, value):
        if isinstance(value, Tensor) and value.is_parameter:
            self._register(self._parameters, name, value)
        elif isinstance(value, Module):
            self._register(self._submodules, name, value)
        elif "_submodules" in vars(self):
            self._forget(name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        self._forget(name)
        object.__delattr__(self, name)

    def _register(self, registry, name, value):
        if name not in registry:
            self._forget(name)
        registry[name] = value

    def _forget(self, name):
        self._parameters.pop(name, None)
        self._submodules.pop(name, None)

    def __getattr__(self, name):  # called only for what is not there
        if name in ("_parameters", "_submodules", "is_train"):
            raise AttributeError("%s.__init__ must call super().__init__() before anything else"
                                 % type(self).__name__)
        raise AttributeError("%s has no attribute %r" % (type(self).__name__, name))
