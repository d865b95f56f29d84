"""Stochastic gradient descent with momentum.  Handout 2.3 and 2.6."""

import numpy as np

from mytorch.checks import check_gradient
from mytorch.optim.optimizer import Optimizer


class SGD(Optimizer):
    """W <- W + V with V <- momentum V - lr dL/dW.

    With momentum 0 this is W <- W - lr dL/dW.  Nothing is added to the graph; a parameter
    without a gradient, or with requires_grad set to False, is left alone.

    Args:
        params (iterable of Tensor): the parameters.
        lr (float): the learning rate, not negative.
        momentum (float): how much of the last step is kept, not negative.

    Attributes:
        momentums (list of np.ndarray): the V of each parameter, by its place in params, so that
            one taken out shifts the others'; zeros before the first step.

    Raises:
        TypeError, ValueError: a negative lr or momentum, unusable params; in ``step``, a V that
            has not the shape of its parameter (of a gradient, TypeError or RuntimeError).

    Source: handout 2.3 and 2.6.  torch.optim.SGD scales V by lr only when it is applied,
    which is the same as long as lr does not change.
    """

    def __init__(self, params, lr=0.001, momentum=0.0):
        super().__init__(params)
        for value in (lr, momentum):
            if not isinstance(value, (int, float, np.integer, np.floating)):
                raise TypeError(f"lr and momentum are numbers, got {type(value).__name__}")
        if not lr >= 0 or not momentum >= 0:
            raise ValueError(f"lr and momentum must be at least 0, got lr={lr}, "
                             f"momentum={momentum}")
        self.lr = lr
        self.momentum = momentum
        self.momentums = []
        self._start_momentums()

    def _start_momentums(self):
        """Give zeros to every parameter that has no V yet: some may be appended later."""
        for param in self.params[len(self.momentums):]:
            param.settle_data()
            self.momentums.append(np.zeros_like(param.data))

    def step(self):
        self._start_momentums()
        lr, momentum = float(self.lr), float(self.momentum)
        for index, param in enumerate(self.params):
            if param.grad is None or not param.requires_grad:
                continue
            param.settle_data()
            check_gradient(param.grad, param.shape, f"the gradient of parameter {index}")
            velocity = np.asarray(-lr * param.grad.data, param.dtype)
            if momentum:
                if self.momentums[index].shape != param.shape:
                    raise ValueError(f"the momentum of parameter {index} must have its shape "
                                     f"{param.shape}, got {self.momentums[index].shape}")
                velocity += momentum * self.momentums[index]
            self.momentums[index] = velocity
            param.data = np.asarray(param.data + velocity)
