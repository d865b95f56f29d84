"""Stochastic gradient descent with momentum.  Handout 2.3 and 2.6."""

import numpy as np

from mytorch.blocks import quiet
from mytorch.optim.optimizer import Optimizer
from mytorch.tensor import Tensor


class SGD(Optimizer):
    """W <- W + V with V <- momentum V - lr dL/dW.

    With momentum 0 this is W <- W - lr dL/dW.  Nothing is added to the graph; a parameter
    without a gradient, or with requires_grad set to False, is left alone.

    Args:
        params (iterable of Tensor): the parameters.
        lr (float): the learning rate, not negative.
        momentum (float): how much of the last step is kept, not negative.

    Attributes:
        momentums (list of np.ndarray): the V of each parameter; zeros at first.

    Raises:
        TypeError, ValueError: a negative lr or momentum, or unusable params.

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
        self.momentums = [np.zeros_like(param.data) for param in self.params]

    def step(self):
        lr, momentum = float(self.lr), float(self.momentum)  # whatever numbers they are
        with quiet():
            for index, param in enumerate(self.params):
                data, grad = param.data, param.grad
                if grad is None or not param.requires_grad:
                    continue
                if not isinstance(grad, Tensor) or grad.data.shape != data.shape:
                    raise ValueError(f"the gradient of parameter {index} must be a Tensor of "
                                     f"shape {data.shape}, got {grad!r:.60}")
                dtype = data.dtype if data.dtype.kind == "f" else None
                step = np.asarray(-lr * grad.data, dtype)
                if momentum:
                    step += momentum * self.momentums[index]
                    self.momentums[index] = step.copy()
                step += data  # in the step's memory (benchmark: mlp); the old array stays as it is
                param.data = step
