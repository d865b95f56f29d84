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

    Every element of the output is compared for every element of every input that requires
    grad.  The inputs, and the ``.grad`` of every leaf, are left as they were.

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
        ValueError: no input requires grad, or one that does is not a float64 leaf.

    >>> gradcheck(lambda a, b: a * b, Tensor([1., 2.], requires_grad=True), Tensor(3.))
    True
    """
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: no input is a Tensor that requires grad")
    for i in wanted:
        if inputs[i].data.dtype != np.float64 or not inputs[i].is_leaf:
            raise ValueError(f"gradcheck: input {i} must be a float64 leaf, such as "
                             "Tensor(x.data, requires_grad=True)")
    analytic = _analytic(function, inputs, wanted)
    for i in wanted:
        numeric = _numeric(function, inputs, inputs[i], eps)
        off = ~np.isclose(analytic[i], numeric, rtol, atol)
        if off.any():
            error = np.nan_to_num(np.abs(analytic[i] - numeric), nan=np.inf)
            index = np.unravel_index(np.where(off, error, -1).argmax(), error.shape)
            place = tuple(map(int, index))
            ndim = inputs[i].data.ndim
            raise GradcheckError(f"the gradient for input {i} at index {place[:ndim]} (of output "
                                 f"element {place[ndim:]}) is {analytic[i][index]:.8g}, the "
                                 f"central difference is {numeric[index]:.8g}")
    return True


def _analytic(function, inputs, wanted):
    """By one backward pass for each element of the output: for each input, the Jacobian.

    It has the shape of the input followed by that of the output.
    """
    output = function(*inputs)
    if not isinstance(output, Tensor):
        raise GradcheckError(f"the function returned a {type(output).__name__}, not a Tensor")
    if not output.requires_grad:
        raise GradcheckError("the function's output requires no grad: the graph is cut somewhere")
    root = output.grad_fn or AccumulateGrad(output)
    leaves = _leaves(root) + [inputs[i] for i in wanted]
    before = [leaf.grad for leaf in leaves]
    jacobians = {i: np.zeros(inputs[i].shape + output.shape) for i in wanted}
    try:
        for index in np.ndindex(output.shape):
            for leaf in leaves:
                leaf.grad = None
            seed = np.zeros(output.shape)
            seed[index] = 1
            backward(root, Tensor(seed))
            for i in wanted:
                if inputs[i].grad is not None:
                    jacobians[i][(...,) + index] = inputs[i].grad.data
    except (RuntimeError, TypeError) as error:
        raise GradcheckError(str(error)) from error
    finally:
        for leaf, grad in zip(leaves, before):
            leaf.grad = grad
    return jacobians


def _leaves(root):
    """All gradient-enabled leaves behind a node."""
    nodes, seen = [root], {id(root)}
    for node in nodes:  # grows while it is walked
        for parent in node.next_functions:
            if parent is not None and id(parent) not in seen:
                seen.add(id(parent))
                nodes.append(parent)
    return [node.variable for node in nodes if isinstance(node, AccumulateGrad)]


def _numeric(function, inputs, x, eps):
    """By two evaluations for each element of the input ``x``: the same Jacobian."""
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
    return np.reshape(columns, data.shape + function(*inputs).shape)
