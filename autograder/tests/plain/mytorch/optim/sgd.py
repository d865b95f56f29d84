import numpy as np

from mytorch.optim.optimizer import Optimizer
from mytorch.tensor import Tensor


class SGD(Optimizer):
    def __init__(self, params, lr=0.001, momentum=0.0):
        super().__init__(params)
        self.lr = lr
        self.momentum = momentum
        self.momentums = [np.zeros(t.shape) for t in self.params]

    def step(self):
        for i, param in enumerate(self.params):
            if self.momentum == 0:
                param.data = param.data - self.lr * param.grad.data
                continue
            velocity = self.momentum * self.momentums[i] - self.lr * param.grad.data
            self.momentums[i] = velocity
            param.data = param.data + velocity
