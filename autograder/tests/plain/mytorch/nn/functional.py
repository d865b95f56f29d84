import numpy as np

import mytorch.tensor as tensor
from mytorch.autograd_engine import Function


def unbroadcast(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


class Add(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return tensor.Tensor(a.data + b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        grad_a = unbroadcast(grad_output.data, a.shape)
        grad_b = unbroadcast(grad_output.data, b.shape)
        return tensor.Tensor(grad_a), tensor.Tensor(grad_b)


class Sub(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return tensor.Tensor(a.data - b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        sub_a = grad_output.data
        sub_b = -grad_output.data
        return (tensor.Tensor(unbroadcast(sub_a, a.shape)),
                tensor.Tensor(unbroadcast(sub_b, b.shape)))


class Mul(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return tensor.Tensor(a.data * b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        mul_a = grad_output.data * b.data
        mul_b = grad_output.data * a.data
        return (tensor.Tensor(unbroadcast(mul_a, a.shape)),
                tensor.Tensor(unbroadcast(mul_b, b.shape)))


class Div(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return tensor.Tensor(a.data / b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        div_a = grad_output.data / b.data
        div_b = -grad_output.data * a.data / b.data ** 2
        return (tensor.Tensor(unbroadcast(div_a, a.shape)),
                tensor.Tensor(unbroadcast(div_b, b.shape)))


class Transpose(Function):
    @staticmethod
    def forward(ctx, a):
        return tensor.Tensor(a.data.T)

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data.T)


class Reshape(Function):
    @staticmethod
    def forward(ctx, a, shape):
        ctx.shape = a.shape
        return tensor.Tensor(a.data.reshape(shape))

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data.reshape(ctx.shape)), None


class Log(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return tensor.Tensor(np.log(a.data))

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data / ctx.saved_tensors[0].data)


class Exp(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.out = np.exp(a.data)
        return tensor.Tensor(ctx.out)

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data * ctx.out)


class Sqrt(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.out = np.sqrt(a.data)
        return tensor.Tensor(ctx.out)

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data / (2 * ctx.out))


class Sum(Function):
    @staticmethod
    def forward(ctx, a, axis):
        ctx.shape = a.shape
        return tensor.Tensor(a.data.sum(axis=axis, keepdims=True))

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data * np.ones(ctx.shape)), None


class MatMul(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return tensor.Tensor(a.data @ b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return (tensor.Tensor(grad_output.data @ b.data.T),
                tensor.Tensor(a.data.T @ grad_output.data))


class ReLU(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.mask = a.data > 0
        return tensor.Tensor(a.data * ctx.mask)

    @staticmethod
    def backward(ctx, grad_output):
        return tensor.Tensor(grad_output.data * ctx.mask)


def cross_entropy(predicted, target):
    n, classes = predicted.shape
    shift = predicted.data.max(axis=1, keepdims=True)
    shifted = predicted - tensor.Tensor(shift)
    axis = 1
    log_softmax = shifted - shifted.exp().sum(axis).log()
    mask = np.eye(classes)[target.data]
    picked = log_softmax * tensor.Tensor(mask)
    total = picked.reshape(n * classes).sum(0)
    loss = total / tensor.Tensor(-float(n))
    return loss
