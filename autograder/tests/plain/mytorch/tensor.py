import numpy as np

import mytorch.autograd_engine as autograd_engine
import mytorch.nn.functional as F


class Tensor:
    def __init__(self, data, requires_grad=False, is_leaf=True, is_parameter=False):
        self.data = np.array(data)
        self.requires_grad = requires_grad
        self.is_leaf = is_leaf
        self.grad_fn = None
        self.grad = None
        self.is_parameter = is_parameter

    @property
    def shape(self):
        return self.data.shape

    @staticmethod
    def ones(*shape):
        return Tensor(np.ones(shape))

    @staticmethod
    def zeros(*shape):
        return Tensor(np.zeros(shape))

    def backward(self):
        seed = np.ones_like(self.data)
        autograd_engine.backward(self.grad_fn, Tensor(seed))

    def __add__(self, other):
        return F.Add.apply(self, other)

    def __sub__(self, other):
        return F.Sub.apply(self, other)

    def __mul__(self, other):
        return F.Mul.apply(self, other)

    def __truediv__(self, other):
        return F.Div.apply(self, other)

    def __matmul__(self, other):
        return F.MatMul.apply(self, other)

    def T(self):
        return F.Transpose.apply(self)

    def reshape(self, *shape):
        return F.Reshape.apply(self, shape)

    def log(self):
        return F.Log.apply(self)

    def exp(self):
        return F.Exp.apply(self)

    def sqrt(self):
        return F.Sqrt.apply(self)

    def sum(self, axis):
        return F.Sum.apply(self, axis)
