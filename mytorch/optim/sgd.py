"""Stochastic gradient descent with momentum.  Handout 2.3 and 2.6."""

import numpy as np

from mytorch.autograd_engine import floating
from mytorch.optim.optimizer import Optimizer


class SGD(Optimizer):
    """W <- W + V with V <- momentum V - lr dL/dW.

    With momentum 0 this is W <- W - lr dL/dW.  Nothing is added to the graph; a parameter
    without a gradient is left alone.

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
                raise TypeError("lr and momentum are numbers, got %s" % type(value).__name__)
        if not lr >= 0 or not momentum >= 0:
            raise ValueError("lr and momentum must be at least 0, got lr=%s, momentum=%s"
                             % (lr, momentum))
        self.lr = lr
        self.momentum = momentum
        self.momentums = [np.zeros_like(param.data) for param in self.params]

    def step(self):
        lr, momentum = float(self.lr), float(self.momentum)  # a np.float64 would widen float32
        for index, param in enumerate(self.params):
            if param.grad is None:
                continue
            data, grad = param.data, param.grad.data
            if grad.shape != data.shape:
                raise ValueError("parameter %d has shape %s, but its gradient has %s"
                                 % (index, data.shape, grad.shape))
            new = np.asarray(grad * -lr, floating(data.dtype))  # the step
            if momentum:
                new += momentum * self.momentums[index]
                self.momentums[index] = new.copy()
            new += data
            param.data = new  # not in place: whoever holds the old array keeps the old values
