"""Checks gradients against central differences, as torch.autograd.gradcheck does.

It needs of the engine only what the handout names: it checks a student's engine as well.
"""

import numpy as np

from mytorch.autograd_engine import AccumulateGrad, backward
from mytorch.tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient is missing, of the wrong shape, or not what the differences say."""


def gradcheck(function, *inputs, eps=1e-6, atol=1e-5, rtol=1e-3):
    """Compare the gradients of a function with (f(x + eps) - f(x - eps)) / (2 eps).

    Every element of the output is compared for every element of every input that requires grad.
    The inputs, and the ``.grad`` of every leaf, are left as they were.

    Args:
        function (callable): takes Tensors, returns a Tensor.
        *inputs: the function's arguments, float64 Tensors; those without requires_grad and
            anything that is no Tensor are held constant.
        eps (float): the step of the differences.
        atol, rtol (float): by how much the two may differ, as in ``np.allclose``.

    Returns:
        bool: True.

    Raises:
        GradcheckError: they differ; names the input, the index, and both values.
        ValueError: no input requires grad, or one that does is not float64.

    Source: torch.autograd.gradcheck.

    >>> gradcheck(lambda a, b: a * b, Tensor([1., 2.], requires_grad=True), Tensor(3.))
    True
    """
    for number, analytic, numeric in jacobians(function, inputs, eps):
        if analytic is None:
            if np.allclose(numeric, 0, rtol, atol):
                continue
            raise GradcheckError(f"no gradient arrived at input {number}, and the output depends "
                                 "on it")
        off = ~np.isclose(analytic, numeric, rtol, atol)
        if off.any():
            error = np.where(off, np.nan_to_num(np.abs(analytic - numeric), nan=np.inf), -1)
            index = np.unravel_index(error.argmax(), error.shape)
            ndim = inputs[number].data.ndim
            raise GradcheckError(
                f"the gradient for input {number} at index {_plain(index[:ndim])} (of output element "
                f"{_plain(index[ndim:])}) is {analytic[index]:.8g}, the central difference is "
                f"{numeric[index]:.8g}")
    return True


def jacobians(function, inputs, eps=1e-6):
    """For every input that requires grad: its number, and both Jacobians.

    A Jacobian has the shape of the input followed by that of the output; the one that
    backward() computes is None if it brings the input no gradient at all.
    """
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: no input is a Tensor that requires grad")
    for i in wanted:
        if inputs[i].data.dtype != np.float64:
            raise ValueError(f"gradcheck: input {i} is {inputs[i].dtype}; differences need float64")
        if not inputs[i].is_leaf:
            raise ValueError(f"gradcheck: input {i} is the output of an operation; give a leaf, "
                             "such as Tensor(x.data, requires_grad=True)")
    analytic = _analytic(function, inputs, wanted)
    return [(i, analytic[i], _numeric(function, inputs, i, eps)) for i in wanted]


def _analytic(function, inputs, wanted):
    """One backward pass for every element of the output."""
    output = function(*inputs)
    if not isinstance(output, Tensor):
        raise GradcheckError(f"the function returned a {type(output).__name__}, not a Tensor")
    if not output.requires_grad:
        raise GradcheckError("the function's output requires no grad: the graph is cut somewhere")
    root = output.grad_fn or AccumulateGrad(output)
    before = [(leaf, leaf.grad) for leaf in _leaves(root) + [inputs[i] for i in wanted]]
    jacobian = dict.fromkeys(wanted)
    try:
        for index in np.ndindex(output.shape):
            seed = np.zeros(output.shape)
            seed[index] = 1
            for i in wanted:
                inputs[i].grad = None
            backward(root, Tensor(seed))
            for i in wanted:
                if inputs[i].grad is not None:
                    if jacobian[i] is None:
                        jacobian[i] = np.zeros(inputs[i].shape + output.shape)
                    jacobian[i][(Ellipsis,) + index] = inputs[i].grad.data
    except (RuntimeError, TypeError) as error:
        raise GradcheckError(str(error)) from error
    finally:
        for leaf, grad in before:
            leaf.grad = grad
    return jacobian


def _leaves(root):
    """All gradient-enabled leaves behind a node."""
    nodes, seen = [root], {id(root)}
    for node in nodes:  # grows while it is walked
        for parent in node.next_functions:
            if parent is not None and id(parent) not in seen:
                seen.add(id(parent))
                nodes.append(parent)
    return [node.variable for node in nodes if isinstance(node, AccumulateGrad)]


def _numeric(function, inputs, i, eps):
    """Two evaluations for every element of the input."""
    x = inputs[i]
    data = x.data
    columns = []
    try:
        for index in np.ndindex(data.shape):
            ends = []
            for step in (eps, -eps):
                x.data = data.copy()
                x.data[index] += step
                ends.append(function(*inputs).data.copy())
            columns.append((ends[0] - ends[1]) / (2 * eps))
    finally:
        x.data = data
    shape = columns[0].shape if columns else function(*inputs).shape
    return np.reshape(columns, data.shape + shape)


def _plain(index):
    return tuple(int(i) for i in index)
