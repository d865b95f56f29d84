"""Stochastic gradient descent with momentum.  Handout 2.3 and 2.6."""

import numpy as np

from mytorch.optim.optimizer import Optimizer
from mytorch.tensor import Tensor  # noqa: F401


class SGD(Optimizer):
    """Moves every parameter a step against its gradient, outside the graph.

    Args:
        params (iterable of Tensor): the parameters.
        lr (float): the learning rate.
        momentum (float): how much of the last step is kept.

    Attributes:
        momentums (list of np.ndarray): for each parameter its last step, learning rate included,
            which handout 2.6 calls nabla W; zeros at first.
    """

    def __init__(self, params, lr=0.001, momentum=0.0):
        super().__init__(params)
        self.lr = lr
        self.momentum = momentum
        self.momentums = [np.zeros(param.shape) for param in self.params]
