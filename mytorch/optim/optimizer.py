"""Optimizer: the base class of what updates parameters.  Handout 2.3."""

from collections import defaultdict

from mytorch.tensor import Tensor


class Optimizer:
    """Holds the parameters to update; a subclass defines ``step``.

    Args:
        params (iterable of Tensor): the parameters.

    Attributes:
        params (list of Tensor): the parameters.
        state (dict): for a subclass's own use.

    Raises:
        TypeError: something that is not an iterable of Tensors.
        ValueError: no parameters, one that cannot be learned, or one twice.

    Source: handout 2.3; torch.optim.Optimizer.
    """

    def __init__(self, params):
        self.params = list(params)
        self.state = defaultdict(dict)
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter, got none")
        for index, param in enumerate(self.params):
            if not isinstance(param, Tensor):
                raise TypeError(f"parameter {index} must be a Tensor, got {type(param).__name__}")
            if not param.is_leaf or not (param.requires_grad or param.is_parameter):
                raise ValueError(f"parameter {index} must be a leaf that requires grad")
        if len(set(self.params)) < len(self.params):
            raise ValueError("a parameter is in the list twice")

    def step(self):
        """Update every parameter from its gradient."""
        raise NotImplementedError(f"{type(self).__name__} needs a method step()")

    def zero_grad(self):
        """Forget all gradients: sets every ``.grad`` to None."""
        for param in self.params:
            param.grad = None
