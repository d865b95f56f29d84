"""The operations: what each computes and how its gradient flows back.

Every operation is a Function with its ``forward`` and ``backward`` side by side; g stands for
the gradient that arrives, dL/dz; N is the batch size, F a number of features, C of classes.
Handout: 0.2.1 and problems 1.1, 2.1, 2.2, 2.4, 2.5.
"""

import math

import numpy as np

from mytorch.autograd_engine import Function
from mytorch.nn.sums import sum_over, sum_rows
from mytorch.tensor import Tensor


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
    if grad.shape[1:] == shape:  # a bias: quicker than what follows (benchmark: chain)
        return sum_rows(grad).astype(grad.dtype, copy=False)
    old = (1,) * (grad.ndim - len(shape)) + shape  # broadcasting adds axes in front
    axes = tuple([axis for axis, length in enumerate(grad.shape) if length != old[axis]])
    if len(old) > grad.ndim or any(old[axis] != 1 for axis in axes):  # and stretches those of 1
        raise ValueError(f"unbroadcast: shape {shape} does not broadcast to {grad.shape}")
    return sum_over(grad, axes).reshape(shape).astype(grad.dtype, copy=False)


# ---- element-wise operations of two tensors, with broadcasting

def operands(ctx, a, b):
    """Two tensors as they are computed with: a single number (0-d) among elements takes their
    dtype, unless it is of a higher kind (integers above booleans, floats above integers), as in
    PyTorch.  Sets ``ctx.shapes``, theirs.
    """
    ctx.shapes = a.data.shape, b.data.shape
    if a.data.dtype is b.data.dtype or (a.ndim > 0) == (b.ndim > 0):
        return a, b
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    number, elements = (b, a) if a.ndim else (a, b)
    if rank[number.dtype.kind] <= rank[elements.dtype.kind]:
        number = Tensor(number.data.astype(elements.dtype))
    return (a, number) if a.ndim else (number, b)


def save_factors(ctx, a, b):
    """Save the factors of a product, each if the gradient of the other is wanted."""
    needs = ctx.needs_input_grad
    ctx.save_for_backward(a if needs[1] else None, b if needs[0] else None)


class Add(Function):
    """z = a + b;  dz/da = 1, dz/db = 1."""

    @staticmethod
    def forward(ctx, a, b):
        a, b = operands(ctx, a, b)
        return Tensor(a.data + b.data)

    @staticmethod
    def backward(ctx, grad_output):
        (shape_a, shape_b), g = ctx.shapes, grad_output.data
        return (Tensor(unbroadcast(g, shape_a)) if ctx.needs_input_grad[0] else None,
                Tensor(unbroadcast(g, shape_b)) if ctx.needs_input_grad[1] else None)


class Sub(Function):
    """z = a - b;  dz/da = 1, dz/db = -1."""

    @staticmethod
    def forward(ctx, a, b):
        a, b = operands(ctx, a, b)
        return Tensor(a.data - b.data)

    @staticmethod
    def backward(ctx, grad_output):
        (shape_a, shape_b), g = ctx.shapes, grad_output.data
        return (Tensor(unbroadcast(g, shape_a)) if ctx.needs_input_grad[0] else None,
                Tensor(unbroadcast(-g, shape_b)) if ctx.needs_input_grad[1] else None)


class Mul(Function):
    """z = a * b;  dz/da = b, dz/db = a."""

    @staticmethod
    def forward(ctx, a, b):
        a, b = operands(ctx, a, b)
        save_factors(ctx, a, b)
        return Tensor(a.data * b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        (shape_a, shape_b), g = ctx.shapes, grad_output.data
        return (Tensor(unbroadcast(g * b.data, shape_a)) if ctx.needs_input_grad[0] else None,
                Tensor(unbroadcast(g * a.data, shape_b)) if ctx.needs_input_grad[1] else None)


class Div(Function):
    """z = a / b;  dz/da = 1 / b, dz/db = -a / b^2 = -z / b."""

    @staticmethod
    def forward(ctx, a, b):
        a, b = operands(ctx, a, b)
        z = Tensor(a.data / b.data)
        ctx.save_for_backward(b, z if ctx.needs_input_grad[1] else None)
        return z

    @staticmethod
    def backward(ctx, grad_output):
        b, z = ctx.saved_tensors
        (shape_a, shape_b), g = ctx.shapes, grad_output.data / b.data
        return (Tensor(unbroadcast(g, shape_a)) if ctx.needs_input_grad[0] else None,
                Tensor(unbroadcast(-g * z.data, shape_b)) if ctx.needs_input_grad[1] else None)


class Pow(Function):
    """z = a ^ b;  dz/da = b a^(b-1), dz/db = a^b log a.

    As in PyTorch, dz/da is 0 where b is 0, and dz/db is 0 where a is 0 and b is not negative.
    """

    @staticmethod
    def forward(ctx, a, b):
        a, b = operands(ctx, a, b)
        ctx.save_for_backward(a, b)
        return Tensor(power(a.data, b.data))

    @staticmethod
    def backward(ctx, grad_output):
        (a, b), g = ctx.saved_tensors, grad_output.data
        grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            constant = b.data == 0
            exponent = np.where(constant, 0, b.data - 1.).astype(g.dtype)  # 0 * 0 ** -1 is NaN
            slope = b.data * power(a.data, exponent)
            grad_a = Tensor(unbroadcast(product(g, slope, constant), a.shape))
        if ctx.needs_input_grad[1]:
            constant = (a.data == 0) & (b.data >= 0)
            slope = power(a.data, b.data) * np.log(np.where(constant, 1, a.data))
            grad_b = Tensor(unbroadcast(product(g, slope, constant), b.shape))
        return grad_a, grad_b


def product(g, slope, constant):
    """g * slope, and 0 where the operation is ``constant`` even if g is infinite there."""
    return np.where(constant, 0, g) * slope if np.any(constant) else g * slope


def power(a, b):
    """a ** b; with 2 or 3 for all, as products, in a twentieth of the time (benchmark: large)."""
    if b.ndim == 0 and b in (2, 3) and a.dtype.kind == "f" and a.dtype == np.result_type(
            a.dtype, b.dtype):
        return a * a if b == 2 else a * a * a
    return np.power(a, b)


# ---- element-wise operations of one tensor

def in_floats(a):
    """A tensor's array, integers as float64: NumPy takes roots of its small ones in float16."""
    return a.data if a.data.dtype.kind == "f" else a.data.astype(np.float64)


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
        ctx.save_for_backward(a)
        return Tensor(np.log(in_floats(a)))

    @staticmethod
    def backward(ctx, grad_output):
        a, = ctx.saved_tensors
        return Tensor(grad_output.data / a.data)


class Exp(Function):
    """z = e^a;  dz/da = z."""

    @staticmethod
    def forward(ctx, a):
        z = Tensor(np.exp(in_floats(a)))
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx, grad_output):
        z, = ctx.saved_tensors
        return Tensor(grad_output.data * z.data)


class Sqrt(Function):
    """z = sqrt(a);  dz/da = 1 / (2 z)."""

    @staticmethod
    def forward(ctx, a):
        z = Tensor(np.sqrt(in_floats(a)))
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
        ctx.mask = z != 0
        return Tensor(z)

    @staticmethod
    def backward(ctx, grad_output):
        g, mask = grad_output.data, ctx.mask
        if math.isfinite(np.vdot(g, g)):
            return Tensor(g * mask)
        return Tensor(np.where(mask, g, g.dtype.type(0)))  # inf * 0 is NaN; 15 times as slow


# ---- shapes and sums

class Transpose(Function):
    """The transpose of a matrix; the gradient is transposed back."""

    @staticmethod
    def forward(ctx, a):
        if a.ndim != 2:
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
        return Tensor(grad_output.data.reshape(ctx.shape)), None


class Sum(Function):
    """z = the sum of a over ``axis``; every element that was summed gets the sum's gradient."""

    @staticmethod
    def forward(ctx, a, axis, keepdims):
        axes = settle_axes(ctx, a, axis, keepdims)
        return in_dtype_of(a, sum_over(a.data, axes), ctx.kept if keepdims else None)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data.reshape(ctx.kept)
        return Tensor(np.broadcast_to(g, ctx.shape)), None, None


class Mean(Function):
    """z = the mean of a over ``axis``, the sum / n; every element gets 1 / n of its gradient."""

    @staticmethod
    def forward(ctx, a, axis, keepdims):
        axes = settle_axes(ctx, a, axis, keepdims)
        ctx.n = np.prod([a.shape[axis] for axis in axes])
        return in_dtype_of(a, sum_over(a.data, axes) / ctx.n, ctx.kept if keepdims else None)

    @staticmethod
    def backward(ctx, grad_output):
        g = grad_output.data.reshape(ctx.kept)
        return Tensor(np.broadcast_to((g / ctx.n).astype(g.dtype), ctx.shape)), None, None


def settle_axes(ctx, a, axis, keepdims):
    """The axes that are named, ascending from 0; of none named, all, as in PyTorch.

    Sets ``ctx.shape``, the input's, and ``ctx.kept``, in which these axes have length 1.
    """
    if not isinstance(keepdims, (bool, np.bool_)):
        raise TypeError(f"keepdims is a boolean, got {keepdims!r}; two axes are a tuple, (0, 1)")
    named = axis if isinstance(axis, (tuple, list)) else () if axis is None else (axis,)
    if any(isinstance(one, bool) or not isinstance(one, (int, np.integer)) for one in named):
        raise TypeError(f"axis is an integer or a tuple of some, got {axis!r}")
    if not all(-a.ndim <= one < a.ndim for one in named):
        raise ValueError(f"axis {axis} is out of range for {a.ndim} axes")
    axes = tuple(sorted({one % a.ndim for one in named or range(a.ndim)}))
    if len(axes) < len(named):
        raise ValueError(f"axis {axis} names one axis twice")
    ctx.shape = a.shape
    ctx.kept = [1 if axis in axes else length for axis, length in enumerate(a.shape)]
    return axes


def in_dtype_of(tensor, z, shape=None):
    """A Tensor of ``z``, in the dtype of a floating point ``tensor``, and in a shape if given."""
    z = z.astype(tensor.dtype, copy=False) if tensor.dtype.kind == "f" else z
    return Tensor(z if shape is None else z.reshape(shape))


# ---- layers

class MatMul(Function):
    """z = a @ b;  dL/da = g b^T, dL/db = a^T g.

    Vectors and stacks of matrices go by the rules of ``np.matmul``.
    """

    @staticmethod
    def forward(ctx, a, b):
        if a.ndim and b.ndim and a.shape[-1] != b.shape[-2:][0]:
            raise ValueError(f"they cannot be multiplied, {a.shape[-1]} columns with "
                             f"{b.shape[-2:][0]} rows")
        save_factors(ctx, a, b)
        ctx.shapes = a.shape, b.shape
        return Tensor(a.data @ b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        (shape_a, shape_b), g = ctx.shapes, grad_output.data
        # A vector is a matrix of one row (a) or of one column (b): (..., n, k) @ (..., k, m).
        rows = shape_a if len(shape_a) > 1 else (1,) + shape_a
        columns = shape_b if len(shape_b) > 1 else shape_b + (1,)
        if len(shape_b) == 1:
            g = g[..., None]
        if len(shape_a) == 1:
            g = g[..., None, :]
        grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            grad = g @ np.swapaxes(b.data.reshape(columns), -1, -2)
            grad_a = Tensor(unbroadcast(grad, rows).reshape(shape_a))
        if ctx.needs_input_grad[1]:
            grad = np.swapaxes(a.data.reshape(rows), -1, -2) @ g
            grad_b = Tensor(unbroadcast(grad, columns).reshape(shape_b))
        return grad_a, grad_b


class Linear(Function):
    """z = x W^T + b;  dL/dx = g W, dL/dW = g^T x, dL/db = the sum of g over the batch.

    One node where Transpose, MatMul and Add would be three.  Handout 2.1.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        # (N, in), (out, in), (out,) or None -> (N, out)
        save_factors(ctx, x, weight)
        z = x.data @ weight.data.T
        if bias is not None:
            z += bias.data
        return Tensor(z)

    @staticmethod
    def backward(ctx, grad_output):
        (x, weight), g = ctx.saved_tensors, grad_output.data
        return (Tensor(g @ weight.data) if ctx.needs_input_grad[0] else None,
                Tensor(g.T @ x.data) if ctx.needs_input_grad[1] else None,
                Tensor(sum_rows(g)) if ctx.needs_input_grad[2] else None)


class BatchNorm(Function):
    """y = gamma x_hat + beta with x_hat = (x - mean) / sqrt(var + eps), feature by feature.

    dL/dgamma = sum(g x_hat), dL/dbeta = sum(g).  Where mean and var are constants,
    dL/dx = gamma / sqrt(var + eps) g.  Where they are the batch's, they depend on x too:
    dL/dx = gamma / sqrt(var + eps) (g - mean(g) - x_hat mean(g x_hat)), means over the batch.

    Source: handout 2.4, equations 5 and 6; Ioffe and Szegedy 2015, section 3.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, statistics, eps, of_batch):
        # x (N, F), gamma and beta (F,): Tensors; statistics: gives mean and var (F,) of x's array,
        # a function because they move with x when this is run again for differences
        ctx.mean, var = statistics(x.data)
        ctx.std, ctx.of_batch = np.sqrt(var + eps), of_batch
        ctx.scale = gamma.data / ctx.std
        ctx.save_for_backward(x)
        y = (x.data - ctx.mean) * ctx.scale + beta.data
        dtype = np.result_type(x.dtype, gamma.dtype, beta.dtype)
        return Tensor(y.astype(dtype, copy=False))  # the sums of a float16 are in float32

    @staticmethod
    def backward(ctx, grad_output):
        (x,), g = ctx.saved_tensors, grad_output.data
        centred = x.data - ctx.mean
        grad_gamma, grad_beta = sum_rows(g * centred) / ctx.std, sum_rows(g)
        grad_x = None
        if ctx.needs_input_grad[0]:
            if ctx.of_batch:
                g = g - (grad_beta + centred * (grad_gamma / ctx.std)) / len(g)
            grad_x = Tensor(g * ctx.scale)
        return grad_x, Tensor(grad_gamma), Tensor(grad_beta), None, None, None


# ---- loss

class CrossEntropy(Function):
    """L = -1/N sum_n log softmax(x_n)[label_n];  dL/dx = (softmax(x) - one_hot(labels)) / N.

    The largest logit of each row is taken off first, so that no exponential overflows
    (log-sum-exp).  Handout 2.5, Appendix B.
    """

    @staticmethod
    def forward(ctx, logits, labels):
        # (N, C) floats and (N,) integers -> ()
        shifted = logits.data - logits.data.max(axis=1, keepdims=True)
        softmax = np.exp(shifted)
        sums = np.add.reduce(softmax, axis=1)
        softmax /= sums[:, None]
        ctx.softmax, ctx.picked = softmax, (np.arange(len(sums)), labels.data)
        losses = np.log(sums) - shifted[ctx.picked]
        return Tensor(shifted.dtype.type(sum_rows(losses) / len(losses)))

    @staticmethod
    def backward(ctx, grad_output):
        grad = ctx.softmax.copy()
        grad[ctx.picked] -= 1
        grad *= grad_output.data / len(grad)
        return Tensor(grad), None


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
