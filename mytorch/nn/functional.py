"""The operations: what each computes and how its gradient flows back.

Every operation is a Function with its ``forward`` and ``backward`` side by side; g stands
for the gradient that arrives, dL/dz.  Handout: 0.2.1 and problems 1.1, 2.1, 2.2, 2.4, 2.5.

Below, N is the batch size, F a number of features, C the number of classes.
"""

import math
from functools import lru_cache

import numpy as np

from mytorch.autograd_engine import Function
from mytorch.tensor import Tensor


# ---- broadcasting

def unbroadcast(grad, shape):
    """Sum a gradient over the axes along which NumPy had stretched its input.

    In A (3, 4) + B (4,), each entry of B is used three times, so that its gradient is the
    sum of three entries of the output's.

    Args:
        grad (np.ndarray): the gradient of the broadcast result.
        shape (tuple): the shape of the input before broadcasting.

    Returns:
        np.ndarray: of the shape asked for; ``grad`` itself where nothing was stretched.

    Raises:
        ValueError: ``shape`` does not broadcast to the shape of ``grad``.

    Source: handout 2.1; https://numpy.org/doc/stable/user/basics.broadcasting.html

    >>> unbroadcast(np.ones((3, 4)), (4,))
    array([3., 3., 3., 3.])
    """
    if grad.shape == shape:
        return grad
    shape = tuple(shape)
    new_axes = grad.ndim - len(shape)  # broadcasting adds axes in front ...
    stretched = [axis for axis, length in enumerate(shape, start=new_axes)
                 if length == 1 and axis >= 0 and grad.shape[axis] != 1]  # ... and stretches
    summed = grad.sum(axis=tuple(range(new_axes)) + tuple(stretched), keepdims=True)
    if new_axes < 0 or summed.shape[new_axes:] != shape:
        raise ValueError("unbroadcast: shape %s does not broadcast to %s" % (shape, grad.shape))
    return summed.reshape(shape)


# ---- sums as products with ones: a quarter of the time of array.sum(axis) on a small matrix.
#      (And dot() is half a microsecond faster than @; the layers use it for that.)

@lru_cache(maxsize=64)
def _ones(length, dtype):
    ones = np.ones(length, dtype)
    ones.flags.writeable = False
    return ones


def sum_over_rows(matrix):
    """(N, F) -> (F,), and (N,) -> a number"""
    return _ones(len(matrix), matrix.dtype).dot(matrix)


# ---- element-wise operations of two tensors, with broadcasting

class Add(Function):
    """z = a + b;  dz/da = 1, dz/db = 1."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a_shape, ctx.b_shape = a.data.shape, b.data.shape
        return Tensor(a.data + b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g, wanted = grad_output.data, ctx.needs_input_grad
        grad_a = Tensor(unbroadcast(g, ctx.a_shape)) if wanted[0] else None
        grad_b = Tensor(unbroadcast(g, ctx.b_shape)) if wanted[1] else None
        return grad_a, grad_b


class Sub(Function):
    """z = a - b;  dz/da = 1, dz/db = -1."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a_shape, ctx.b_shape = a.data.shape, b.data.shape
        return Tensor(a.data - b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g, wanted = grad_output.data, ctx.needs_input_grad
        grad_a = Tensor(unbroadcast(g, ctx.a_shape)) if wanted[0] else None
        grad_b = Tensor(unbroadcast(-g, ctx.b_shape)) if wanted[1] else None
        return grad_a, grad_b


class Mul(Function):
    """z = a * b;  dz/da = b, dz/db = a."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a.data.copy(), b.data.copy()
        return Tensor(a.data * b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g, wanted = grad_output.data, ctx.needs_input_grad
        grad_a = Tensor(unbroadcast(g * ctx.b, ctx.a.shape)) if wanted[0] else None
        grad_b = Tensor(unbroadcast(g * ctx.a, ctx.b.shape)) if wanted[1] else None
        return grad_a, grad_b


class Div(Function):
    """z = a / b;  dz/da = 1 / b, dz/db = -a / b^2."""

    @staticmethod
    @np.errstate(divide="ignore", invalid="ignore")
    def forward(ctx, a, b):
        ctx.a, ctx.b = a.data.copy(), b.data.copy()
        return Tensor(a.data / b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g, a, b = grad_output.data, ctx.a, ctx.b
        wanted = ctx.needs_input_grad
        grad_a = Tensor(unbroadcast(g / b, a.shape)) if wanted[0] else None
        grad_b = Tensor(unbroadcast(-g * a / (b * b), b.shape)) if wanted[1] else None
        return grad_a, grad_b


class Pow(Function):
    """z = a ^ b;  dz/da = b a^(b-1), dz/db = a^b log a.

    As in PyTorch, dz/da is 0 where b is 0, and dz/db is 0 where a is 0 and b is not negative.
    """

    @staticmethod
    @np.errstate(divide="ignore", invalid="ignore", over="ignore")
    def forward(ctx, a, b):
        ctx.a, ctx.b = a.data.copy(), b.data.copy()
        return Tensor(a.data ** b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g, a, b = grad_output.data, ctx.a, ctx.b
        grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            slope = np.where(b == 0, np.zeros_like(a), g * b * a ** (b - 1.))
            grad_a = Tensor(unbroadcast(slope, a.shape))
        if ctx.needs_input_grad[1]:
            slope = np.where((a == 0) & (b >= 0), np.zeros_like(a), g * a ** b * np.log(a))
            grad_b = Tensor(unbroadcast(slope, b.shape))
        return grad_a, grad_b


# ---- element-wise operations of one tensor

class Neg(Function):
    """z = -a;  dz/da = -1."""

    @staticmethod
    def forward(ctx, a):
        return Tensor(-a.data)

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(-grad_output.data)


class Log(Function):
    """z = log a;  dz/da = 1 / a."""

    @staticmethod
    @np.errstate(divide="ignore", invalid="ignore")
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return Tensor(np.log(a.data))

    @staticmethod
    def backward(ctx, grad_output):
        a, = ctx.saved_tensors
        return Tensor(grad_output.data / a.data)


class Exp(Function):
    """z = e^a;  dz/da = z."""

    @staticmethod
    @np.errstate(over="ignore")
    def forward(ctx, a):
        z = Tensor(np.exp(a.data))
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx, grad_output):
        z, = ctx.saved_tensors
        return Tensor(grad_output.data * z.data)


class Sqrt(Function):
    """z = sqrt(a);  dz/da = 1 / (2 z)."""

    @staticmethod
    @np.errstate(invalid="ignore")
    def forward(ctx, a):
        z = Tensor(np.sqrt(a.data))
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx, grad_output):
        z, = ctx.saved_tensors
        return Tensor(grad_output.data / (z.data + z.data))


class ReLU(Function):
    """z = max(a, 0);  dz/da = 1 where a > 0, else 0 (at 0 too).  Handout 2.2.

    A NaN goes through, both ways, as in PyTorch.
    """

    @staticmethod
    def forward(ctx, a):
        z = np.maximum(a.data, 0)
        ctx.passes = z != 0  # where a > 0, and where it is NaN
        return Tensor(z)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data
        grad = g * ctx.passes  # a seventh of np.where's time, but inf * 0 is NaN
        if math.isnan(np.vdot(grad, grad)):
            grad = np.where(ctx.passes, g, g.dtype.type(0))
        return Tensor(grad)


# ---- shapes and sums

class Transpose(Function):
    """The transpose of a matrix; the gradient is transposed back."""

    @staticmethod
    def forward(ctx, a):
        if a.data.ndim != 2:
            raise ValueError("T() takes a 2-D tensor")
        return Tensor(a.data.T)

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data.T)


class Reshape(Function):
    """The same entries in another shape; the gradient gets the old shape back."""

    @staticmethod
    def forward(ctx, a, shape):
        ctx.shape = a.data.shape
        return Tensor(a.data.reshape(shape))

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data.reshape(ctx.shape))


class Sum(Function):
    """z = the sum of a over ``axis``; every entry that was summed gets the sum's gradient."""

    @staticmethod
    def forward(ctx, a, axis, keepdims):
        total = a.data.sum(axis=axis, keepdims=True)
        ctx.shape, ctx.kept = a.data.shape, total.shape
        return Tensor(total if keepdims else np.squeeze(total, axis=axis))

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(np.broadcast_to(grad_output.data.reshape(ctx.kept), ctx.shape))


class Mean(Function):
    """z = the mean of a over ``axis``; every entry gets its share of the mean's gradient."""

    @staticmethod
    def forward(ctx, a, axis, keepdims):
        z = Sum.forward(ctx, a, axis, keepdims)
        ctx.count = a.data.size / max(z.data.size, 1)
        return Tensor(_divide(z.data, ctx.count))

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(_divide(Sum.backward(ctx, grad_output).data, ctx.count))


@np.errstate(divide="ignore", invalid="ignore")
def _divide(array, number):
    """array / number in the array's dtype, which NumPy 1 does not keep for a single entry."""
    return array / (array.dtype.type(number) if array.dtype.kind == "f" else number)


# ---- layers

class MatMul(Function):
    """z = a @ b;  dL/da = g b^T, dL/db = a^T g.

    Vectors and stacks of matrices go by the rules of ``np.matmul``.
    """

    fresh_gradients = True

    @staticmethod
    def forward(ctx, a, b):
        if a.data.ndim and b.data.ndim and a.shape[-1] != b.shape[-2:][0]:
            raise ValueError("they cannot be multiplied, %d columns with %d rows"
                             % (a.shape[-1], b.shape[-2:][0]))
        ctx.save_for_backward(a, b)
        return Tensor(a.data @ b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        rows = a.data if a.data.ndim > 1 else a.data[None, :]      # (..., n, k)
        columns = b.data if b.data.ndim > 1 else b.data[:, None]   # (..., k, m)
        g = grad_output.data                                       # (..., n, m)
        if a.data.ndim == 1:
            g = np.expand_dims(g, -1 if b.data.ndim == 1 else -2)
        if b.data.ndim == 1:
            g = np.expand_dims(g, -1)
        grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            full = g @ np.swapaxes(columns, -1, -2)
            grad_a = Tensor(unbroadcast(full, rows.shape).reshape(a.shape))
        if ctx.needs_input_grad[1]:
            full = np.swapaxes(rows, -1, -2) @ g
            grad_b = Tensor(unbroadcast(full, columns.shape).reshape(b.shape))
        return grad_a, grad_b


class Linear(Function):
    """z = x W^T + b;  dL/dx = g W, dL/dW = g^T x, dL/db = the sum of g over the batch.

    One node where Transpose, MatMul and Add would be three.  Handout 2.1.
    """

    fresh_gradients = True

    @staticmethod
    def forward(ctx, x, weight, bias):
        # (N, in), (out, in), (out,) -> (N, out)
        ctx.x = x.data.copy() if ctx.needs_input_grad[1] else None
        ctx.weight = weight.data.copy() if ctx.needs_input_grad[0] else None
        z = x.data.dot(weight.data.T)
        z += bias.data
        return Tensor(z)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data
        return (Tensor(g.dot(ctx.weight)) if ctx.weight is not None else None,
                Tensor(g.T.dot(ctx.x)) if ctx.x is not None else None,
                Tensor(sum_over_rows(g)))


class BatchNorm(Function):
    """y = gamma x^ + beta with x^ = (x - mean) / sqrt(var + eps), feature by feature.

    Where mean and variance are the batch's own (in training), they depend on x too, and
    dL/dx = gamma / sqrt(var + eps) (g - mean(g) - x^ mean(g x^)), means over the batch.
    With given ones (in evaluation), only the first factor and g are left of it.

    Source: handout 2.4, equations 5 and 6; Ioffe and Szegedy 2015, section 3.
    """

    fresh_gradients = True

    @staticmethod
    def forward(ctx, x, gamma, beta, statistics):
        # Tensors: x (N, F), gamma and beta (F,).  statistics: the ndarrays x - mean, (N, F), and
        # 1 / sqrt(var + eps), (F,), which nobody else holds; and whether these are the batch's own.
        centred, ctx.inverse_std, ctx.of_this_batch = statistics
        ctx.x_hat = centred * ctx.inverse_std
        ctx.gamma = gamma.data.copy()
        y = ctx.x_hat * gamma.data
        y += beta.data
        return Tensor(y)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data
        grad_gamma = sum_over_rows(g * ctx.x_hat)
        grad_beta = sum_over_rows(g)
        grad_x = g
        if ctx.of_this_batch:
            n = len(g)
            grad_x = g - ctx.x_hat * (grad_gamma / n)
            grad_x -= grad_beta / n
        return (Tensor(grad_x * (ctx.gamma * ctx.inverse_std)),
                Tensor(grad_gamma), Tensor(grad_beta), None)


# ---- loss

class CrossEntropy(Function):
    """L = -1/N sum_n log softmax(x_n)[label_n];  dL/dx = (softmax(x) - one_hot(labels)) / N.

    The largest logit of each row is taken off first, so that no exponential overflows
    (log-sum-exp).  Handout 2.5, Appendix B.
    """

    @staticmethod
    def forward(ctx, logits, labels):
        # (N, C) floats and (N,) ints -> ().  It works on the transpose, where maxima and sums
        # over the classes run along contiguous memory: a fifth off the time.
        shifted = logits.data.T.copy()  # (C, N)
        shifted -= np.maximum.reduce(shifted, axis=0)
        softmax = np.exp(shifted)
        totals = sum_over_rows(softmax)  # (N,)
        softmax /= totals
        ctx.softmax, ctx.right = softmax, (labels.data.copy(), np.arange(len(totals)))
        losses = np.log(totals) - shifted[ctx.right]
        return Tensor(sum_over_rows(losses) / losses.dtype.type(len(losses)))

    @staticmethod
    def backward(ctx, grad_output):
        grad = ctx.softmax.copy()  # (C, N)
        grad[ctx.right] -= 1
        grad *= grad_output.data / grad.shape[1]
        return Tensor(grad.T), None


def cross_entropy(predicted, target):
    """The cross-entropy loss of logits, averaged over the batch.

    Args:
        predicted (Tensor): logits, shape (N, C), floating point.
        target (Tensor): the index of the right class, shape (N,), whole numbers in [0, C).

    Returns:
        Tensor: 0-d, of the dtype of ``predicted``.

    Raises:
        TypeError: one of the two is no Tensor; the labels are no whole numbers.
        ValueError: shapes that do not fit, an empty batch, a label out of range.

    Source: handout 2.5 and Appendix B; torch.nn.functional.cross_entropy.
    """
    if not isinstance(predicted, Tensor) or not isinstance(target, Tensor):
        raise TypeError("cross_entropy takes two Tensors, got %s and %s"
                        % (type(predicted).__name__, type(target).__name__))
    logits, labels = predicted.data, target.data
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not logits.size:
        raise ValueError("cross_entropy takes logits (N, C) and labels (N,), N and C at least 1; "
                         "got shapes %s and %s" % (logits.shape, labels.shape))
    if logits.dtype.kind != "f" or labels.dtype.kind not in "iu":
        raise TypeError("cross_entropy takes floating point logits and whole numbers as labels, "
                        "the indices of the classes; got %s and %s" % (logits.dtype, labels.dtype))
    if labels.astype(np.uintp).max() >= logits.shape[1]:  # a negative one wraps to a huge one
        raise ValueError("cross_entropy: labels for %d classes are 0 to %d, got %d to %d"
                         % (logits.shape[1], logits.shape[1] - 1, labels.min(), labels.max()))
    return CrossEntropy.apply(predicted, target)
