"""The operations: Add, Transpose, Reshape and Log are given, the others are yours to write."""

import numpy as np

from mytorch.autograd_engine import Function
from mytorch.tensor import Tensor


class Add(Function):
    """z = a + b;  dz/da = 1, dz/db = 1.  For tensors of one shape; problem 2.1 asks for more."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)  # as an example: backward does not need them here
        return Tensor(a.data + b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        grad_a = grad_output.data * np.ones(a.shape)  # dL/dz dz/da
        grad_b = grad_output.data * np.ones(b.shape)  # dL/dz dz/db
        return Tensor(grad_a), Tensor(grad_b)


class Transpose(Function):
    """z = a^T, of a matrix."""

    @staticmethod
    def forward(ctx, a):
        return Tensor(a.data.T)

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data.T)


class Reshape(Function):
    """The same elements in another shape, a tuple."""

    @staticmethod
    def forward(ctx, a, shape):
        ctx.shape = a.shape  # no Tensor, so an attribute of its own
        return Tensor(a.data.reshape(shape))

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data.reshape(ctx.shape)), None


class Log(Function):
    """z = log a;  dz/da = 1 / a."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return Tensor(np.log(a.data))

    @staticmethod
    def backward(ctx, grad_output):
        a, = ctx.saved_tensors
        return Tensor(grad_output.data / a.data)
