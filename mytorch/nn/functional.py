"""The operations: what each computes and how its gradient flows back.

Every operation is a Function with its ``forward`` and ``backward`` side by side; g stands for
the gradient that arrives, dL/dz; N is the batch size, F a number of features, C of classes.
Handout: 0.2.1 and problems 1.1, 2.1, 2.2, 2.4, 2.5.
"""

import math
from functools import lru_cache

import numpy as np

from mytorch.autograd_engine import Function, returns_new_arrays
from mytorch.tensor import Tensor


# ---- sums

def unbroadcast(grad, shape):
    """Sum a gradient (np.ndarray) over the axes along which NumPy had stretched its input.

    In A (3, 4) + B (4,), each element of B is used three times; its gradient is the sum of
    three elements of the output's.

    Raises:
        ValueError: ``shape``, the input's, does not broadcast to that of ``grad``.

    Source: handout 2.1; https://numpy.org/doc/stable/user/basics.broadcasting.html

    >>> unbroadcast(np.ones((3, 4)), (4,))
    array([3., 3., 3., 3.])
    """
    if grad.shape == shape:
        return grad
    shape = tuple(shape)
    added = grad.ndim - len(shape)  # broadcasting adds axes in front ...
    stretched = [axis for axis, length in enumerate(shape, start=added)
                 if length == 1 and axis >= 0 and grad.shape[axis] != 1]  # ... and stretches
    summed = sum_in_float64(grad, tuple(range(added)) + tuple(stretched))
    if added < 0 or summed.shape[added:] != shape:
        raise ValueError(f"unbroadcast: shape {shape} does not broadcast to {grad.shape}")
    return summed.reshape(shape).astype(grad.dtype, copy=False)


def sum_in_float64(array, axis):
    """The sum over an axis or several, which stay with length 1; of floats in float64.

    NumPy adds the rows of a float32 array one after the other: over a million of them, the
    fifth digit is lost.
    """
    wide = np.result_type(array.dtype, np.float64) if array.dtype.kind == "f" else None
    return array.sum(axis=axis, keepdims=True, dtype=wide)


@lru_cache(maxsize=None)  # of at most 128 lengths
def _ones(length, dtype):
    ones = np.ones(length, np.result_type(dtype, np.float32))
    ones.flags.writeable = False
    return ones


def sum_rows(matrix):
    """(N, F) -> (F,), and (N,) -> a number; of a float16 in float32.

    Blocks are summed as products with ones, which for a (100, 20) is four times as fast as
    ``sum(axis=0)`` (benchmark: mnist), and added pairwise, which keeps the digits of long sums.
    """
    n = len(matrix)
    if n > 128:
        return sum_rows(matrix[:n // 2]) + sum_rows(matrix[n // 2:])
    return _ones(n, matrix.dtype).dot(matrix)


# ---- what forward keeps and backward returns

def snapshot(array):
    """A copy, so that what happens to the array later cannot falsify a gradient.

    Of a 0-d array it is a NumPy scalar, with which NumPy computes six times as fast: a tenth of
    a small operation's time (benchmark: chain).
    """
    return array.copy() if array.ndim else array[()]


def grad_of(ctx, index, shape, formula):
    """The gradient of input ``index``, a Tensor of its shape; None if that wants no gradient.

    ``formula()`` gives it as an array, still of the shape that the input was broadcast to.
    """
    if not ctx.needs(index):
        return None
    grad = formula()
    return Tensor(grad if grad.shape == shape else unbroadcast(grad, shape))


# ---- element-wise operations of two tensors, with broadcasting

class Add(Function):
    """z = a + b;  dz/da = 1, dz/db = 1."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a_shape, ctx.b_shape = a.data.shape, b.data.shape
        return Tensor(a.data + b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data
        return grad_of(ctx, 0, ctx.a_shape, lambda: g), grad_of(ctx, 1, ctx.b_shape, lambda: g)


class Sub(Function):
    """z = a - b;  dz/da = 1, dz/db = -1."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a_shape, ctx.b_shape = a.data.shape, b.data.shape
        return Tensor(a.data - b.data)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data
        return grad_of(ctx, 0, ctx.a_shape, lambda: g), grad_of(ctx, 1, ctx.b_shape, lambda: -g)


class Mul(Function):
    """z = a * b;  dz/da = b, dz/db = a."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a, b = snapshot(a.data), snapshot(b.data)
        return Tensor(a * b)

    @staticmethod
    def backward(ctx, grad_output):
        g, a, b = grad_output.data[()], ctx.a, ctx.b  # [()]: a scalar if 0-d, as in snapshot
        return grad_of(ctx, 0, a.shape, lambda: g * b), grad_of(ctx, 1, b.shape, lambda: g * a)


class Div(Function):
    """z = a / b;  dz/da = 1 / b, dz/db = -a / b^2."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a, b = snapshot(a.data), snapshot(b.data)
        return Tensor(a / b)

    @staticmethod
    def backward(ctx, grad_output):
        g, a, b = grad_output.data[()], ctx.a, ctx.b
        return (grad_of(ctx, 0, a.shape, lambda: g / b),
                grad_of(ctx, 1, b.shape, lambda: -g * (a / b / b)))  # b * b may overflow


class Pow(Function):
    """z = a ^ b;  dz/da = b a^(b-1), dz/db = a^b log a.

    As in PyTorch, dz/da is 0 where b is 0, and dz/db is 0 where a is 0 and b is not negative.
    """

    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a, b = snapshot(a.data), snapshot(b.data)
        return Tensor(a ** b)

    @staticmethod
    def backward(ctx, grad_output):
        g, a, b = grad_output.data[()], ctx.a, ctx.b
        zero = g.dtype.type(0)
        return (grad_of(ctx, 0, a.shape, lambda: np.where(b == 0, zero, g * b * a ** (b - 1.))),
                grad_of(ctx, 1, b.shape, lambda: np.where((a == 0) & (b >= 0), zero,
                                                          g * a ** b * np.log(a))))


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
    def forward(ctx, a):
        ctx.a = snapshot(a.data)
        return Tensor(np.log(a.data))

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data / ctx.a)


class Exp(Function):
    """z = e^a;  dz/da = z."""

    @staticmethod
    def forward(ctx, a):
        ctx.z = np.exp(a.data)
        return Tensor(ctx.z.copy())

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data * ctx.z)


class Sqrt(Function):
    """z = sqrt(a);  dz/da = 1 / (2 z)."""

    @staticmethod
    def forward(ctx, a):
        ctx.z = np.sqrt(a.data)
        return Tensor(ctx.z.copy())

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data / (ctx.z + ctx.z))


class ReLU(Function):
    """z = max(a, 0);  dz/da = 1 where a > 0, else 0 (at 0 too).  Handout 2.2.

    A NaN goes through, both ways, as in PyTorch.
    """

    @staticmethod
    def forward(ctx, a):
        z = np.maximum(a.data, 0)
        ctx.mask = z != 0  # where a > 0, and where it is NaN
        return Tensor(z)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data
        grad = g * ctx.mask  # a tenth of np.where's time (benchmark: mlp); but inf * 0 is NaN
        if math.isnan(np.vdot(grad, grad)):
            grad = np.where(ctx.mask, g, g.dtype.type(0))
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
    """The same elements in another shape; the gradient gets the old shape back."""

    @staticmethod
    def forward(ctx, a, shape):
        ctx.shape = a.shape
        return Tensor(a.data.reshape(shape))

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data.reshape(ctx.shape))


class Sum(Function):
    """z = the sum of a over ``axis``; every element that was summed gets the sum's gradient."""

    @staticmethod
    def forward(ctx, a, axis, keepdims, is_mean=False):
        if isinstance(axis, (list, tuple)):
            axis = tuple(axis) or None  # as in PyTorch, of no axis named all are meant
        z = sum_in_float64(a.data, axis)
        ctx.shape, ctx.kept = a.data.shape, z.shape
        ctx.count = a.data.size / max(z.size, 1) if is_mean else 1
        z = z / ctx.count if is_mean else z
        z = z.astype(a.dtype, copy=False) if a.dtype.kind == "f" else z
        return Tensor(z if keepdims else np.squeeze(z, axis=axis))

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data.reshape(ctx.kept)
        if ctx.count != 1:  # may be more than a float16 can hold
            g = (g / np.float64(ctx.count)).astype(g.dtype)
        return Tensor(np.broadcast_to(g, ctx.shape))


class Mean(Sum):
    """z = the mean of a over ``axis``; every element gets its share of the mean's gradient."""

    @staticmethod
    def forward(ctx, a, axis, keepdims):
        return Sum.forward(ctx, a, axis, keepdims, is_mean=True)


# ---- layers

class MatMul(Function):
    """z = a @ b;  dL/da = g b^T, dL/db = a^T g.

    Vectors and stacks of matrices go by the rules of ``np.matmul``.
    """

    @staticmethod
    def forward(ctx, a, b):
        if a.data.ndim and b.data.ndim and a.shape[-1] != b.shape[-2:][0]:
            raise ValueError(f"they cannot be multiplied, {a.shape[-1]} columns with "
                             f"{b.shape[-2:][0]} rows")
        ctx.a, ctx.b = a.data.copy(), b.data.copy()
        return Tensor(a.data @ b.data)

    @staticmethod
    @returns_new_arrays
    def backward(ctx, grad_output):
        g, a, b = grad_output.data, ctx.a, ctx.b      # (..., n, m), (..., n, k), (..., k, m)
        if b.ndim == 1:
            g, b = g[..., None], b[:, None]
        if a.ndim == 1:
            g, a = g[..., None, :], a[None, :]

        def for_b():
            grad = np.swapaxes(a, -1, -2) @ g         # (..., k, m)
            return grad[..., 0] if ctx.b.ndim == 1 else grad
        return (grad_of(ctx, 0, ctx.a.shape, lambda: g @ np.swapaxes(b, -1, -2)),
                grad_of(ctx, 1, ctx.b.shape, for_b))


class Linear(Function):
    """z = x W^T + b;  dL/dx = g W, dL/dW = g^T x, dL/db = the sum of g over the batch.

    One node where Transpose, MatMul and Add would be three.  Handout 2.1.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        # (N, in), (out, in), (out,) or None -> (N, out)
        ctx.x = x.data.copy() if ctx.needs(1) else None
        ctx.weight = weight.data.copy() if ctx.needs(0) else None
        z = x.data.dot(weight.data.T)  # half a microsecond faster than @
        if bias is not None:
            z += bias.data
        return Tensor(z)

    @staticmethod
    @returns_new_arrays
    def backward(ctx, grad_output):
        g = grad_output.data
        return (None if ctx.weight is None else Tensor(g.dot(ctx.weight)),
                None if ctx.x is None else Tensor(g.T.dot(ctx.x)), Tensor(sum_rows(g)))


class BatchNorm(Function):
    """y = gamma x_hat + beta with x_hat = (x - mean) / sqrt(var + eps), feature by feature.

    In training, mean and var are the batch's and depend on x too:
    dL/dx = gamma / sqrt(var + eps) (g - mean(g) - x_hat mean(g x_hat)), means over the batch;
    and the running estimates move towards them by ``momentum``.  In evaluation, these are
    mean and var, and dL/dx = gamma / sqrt(var + eps) g.

    Source: handout 2.4, equations 3 to 9; Ioffe and Szegedy 2015, section 3.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, running, momentum, eps, is_train):
        # Tensors: x (N, F), gamma and beta (F,), running mean and variance (F,)
        running_mean, running_var = running
        ctx.is_train, ctx.gamma = is_train, gamma.data.copy()
        if is_train:
            n = len(x.data)
            mean = sum_rows(x.data) / n
            centred = x.data - mean
            squares = sum_rows(centred * centred)
            var = squares / n
            for estimate, batch in (running_mean, mean), (running_var, squares / (n - 1)):
                dtype = estimate.dtype if estimate.dtype.kind == "f" else None
                estimate.data = np.asarray((1 - momentum) * estimate.data + momentum * batch, dtype)
        else:
            centred, var = x.data - running_mean.data, running_var.data
        ctx.inverse_std = 1 / np.sqrt(var + eps)
        ctx.x_hat = centred * ctx.inverse_std
        y = ctx.x_hat * gamma.data
        y += beta.data
        if x.dtype == np.float16:  # it was summed in float32
            y = y.astype(np.result_type(x.dtype, gamma.dtype, beta.dtype))
        return Tensor(y)

    @staticmethod
    @returns_new_arrays
    def backward(ctx, grad_output):
        g = grad_output.data
        grad_gamma, grad_beta = sum_rows(g * ctx.x_hat), sum_rows(g)
        flow = g - (grad_beta + ctx.x_hat * grad_gamma) / len(g) if ctx.is_train else g
        grad_x = flow * (ctx.gamma * ctx.inverse_std)
        return (Tensor(grad_x), Tensor(grad_gamma), Tensor(grad_beta)) + (None,) * 4


# ---- loss

class CrossEntropy(Function):
    """L = -1/N sum_n log softmax(x_n)[label_n];  dL/dx = (softmax(x) - one_hot(labels)) / N.

    The largest logit of each row is taken off first, so that no exponential overflows
    (log-sum-exp).  Handout 2.5, Appendix B.
    """

    @staticmethod
    def forward(ctx, logits, labels):
        # (N, C) floats and (N,) integers -> ().  On the transpose, maxima and sums over the
        # classes run along contiguous memory (benchmark: mnist).
        shifted = logits.data.T.copy()  # (C, N)
        shifted -= shifted.max(axis=0)
        softmax = np.exp(shifted)
        sums = sum_rows(softmax)  # (N,)
        softmax /= sums
        ctx.softmax, ctx.index = softmax, (labels.data.copy(), np.arange(len(sums)))
        losses = np.log(sums) - shifted[ctx.index]
        return Tensor(shifted.dtype.type(sum_rows(losses) / len(losses)))

    @staticmethod
    def backward(ctx, grad_output):
        grad = ctx.softmax.copy()  # (C, N)
        grad[ctx.index] -= 1
        grad *= grad_output.data / grad.shape[1]
        return Tensor(grad.T), None


def cross_entropy(predicted, target):
    """The cross-entropy loss of logits, averaged over the batch.

    Args:
        predicted (Tensor): logits, shape (N, C), floating point.
        target (Tensor): the index of the right class, shape (N,), integers in [0, C).

    Returns:
        Tensor: 0-d, of the dtype of ``predicted``.

    Raises:
        TypeError: one of the two is no Tensor; the labels are no integers.
        ValueError: shapes that do not fit, an empty batch, a label out of range.

    Source: handout 2.5 and Appendix B; torch.nn.functional.cross_entropy.
    """
    if not isinstance(predicted, Tensor) or not isinstance(target, Tensor):
        raise TypeError("cross_entropy takes two Tensors, got "
                        f"{type(predicted).__name__} and {type(target).__name__}")
    logits, labels = predicted.data, target.data
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not logits.size:
        raise ValueError("cross_entropy takes logits (N, C) and labels (N,), N and C at least 1; "
                         f"got shapes {logits.shape} and {labels.shape}")
    if logits.dtype.kind != "f" or labels.dtype.kind not in "iu":
        raise TypeError("cross_entropy takes floating point logits and integers as labels, the "
                        f"indices of the classes; got {logits.dtype} and {labels.dtype}")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"cross_entropy: labels for {logits.shape[1]} classes are 0 to "
                         f"{logits.shape[1] - 1}, got {labels.min()} to {labels.max()}")
    return CrossEntropy.apply(predicted, target)
