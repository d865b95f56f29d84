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
        ValueError: no parameters, one without requires_grad, or one twice.

    Source: handout 2.3; torch.optim.Optimizer.
    """

    def __init__(self, params):
        try:
            self.params = list(params)
        except TypeError:
            raise TypeError("an optimizer takes an iterable of parameters, got %s"
                            % type(params).__name__) from None
        self.state = defaultdict(dict)
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter, got none")
        for index, param in enumerate(self.params):
            if not isinstance(param, Tensor):
                raise TypeError("parameter %d must be a Tensor, got %s"
                                % (index, type(param).__name__))
            if not param.requires_grad or not param.is_leaf:
                raise ValueError("parameter %d must be a leaf that requires grad" % index)
            if any(param is other for other in self.params[:index]):
                raise ValueError("parameter %d is in the list twice" % index)

    def step(self):
        """Update every parameter from its gradient."""
        raise NotImplementedError("%s needs a method step()" % type(self).__name__)

    def zero_grad(self):
        """Forget all gradients: sets every ``.grad`` to None."""
        for param in self.params:
            param.grad = None
