import numpy as np

from mytorch.nn.module import Module
from mytorch.tensor import Tensor


class Linear(Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        shape = (out_features, in_features)
        self.weight = Tensor(np.random.randn(*shape), requires_grad=True, is_parameter=True)
        self.bias = Tensor(np.zeros(out_features), requires_grad=True, is_parameter=True)

    def forward(self, x):
        out = x @ self.weight.T()
        return out + self.bias
