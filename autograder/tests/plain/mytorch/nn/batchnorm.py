import numpy as np

from mytorch.nn.module import Module
from mytorch.tensor import Tensor


class BatchNorm1d(Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps = Tensor(eps)
        self.momentum = momentum
        self.gamma = Tensor(np.ones((1, num_features)), requires_grad=True, is_parameter=True)
        self.beta = Tensor(np.zeros((1, num_features)), requires_grad=True, is_parameter=True)
        self.running_mean = Tensor(np.zeros((1, num_features)))
        self.running_var = Tensor(np.ones((1, num_features)))

    def forward(self, x):
        m = x.shape[0]
        axis, count = 0, m
        mean = x.sum(axis) / Tensor(float(count))
        centred = x - mean
        squares = (centred * centred).sum(axis)
        var = squares / Tensor(float(count))
        if self.is_train:
            alpha = self.momentum
            unbiased = squares.data / (m - 1)
            self.running_mean = Tensor((1 - alpha) * self.running_mean.data + alpha * mean.data)
            self.running_var = Tensor((1 - alpha) * self.running_var.data + alpha * unbiased)
            root = (var + self.eps).sqrt()
            x_hat = centred / root
        else:
            root = (self.running_var + self.eps).sqrt()
            x_hat = (x - self.running_mean) / root
        return self.gamma * x_hat + self.beta
