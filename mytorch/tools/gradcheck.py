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

    Every element of the output is compared for every element of the inputs.  These, and the
    ``.grad`` of every leaf, are left as they were.

    Args:
        function (callable): takes Tensors, returns a Tensor.
        *inputs: the function's arguments; float64 leaves that require grad are checked.
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
    wanted = {i: x for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad}
    if not wanted:
        raise ValueError("gradcheck: no input is a Tensor that requires grad")
    for i, x in wanted.items():
        if x.data.dtype != np.float64 or not x.is_leaf:
            raise ValueError(f"gradcheck: input {i} must be a float64 leaf, such as "
                             "Tensor(x.data, requires_grad=True)")
    output = function(*inputs)
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise GradcheckError("the function's output is no Tensor that requires grad: the graph is "
                             "cut somewhere")
    jacobians = {i: _numeric(function, inputs, x, eps) for i, x in wanted.items()}
    for element in np.ndindex(output.shape):
        for i, grad in _analytic(output, element, wanted).items():
            numeric = jacobians[i][(...,) + element]
            if grad.shape != numeric.shape:
                raise GradcheckError(f"the gradient for input {i} has shape {grad.shape}, the "
                                     f"input {numeric.shape}")
            off = np.argwhere(~np.isclose(grad, numeric, rtol, atol))
            if len(off):
                index = tuple(off[0].tolist())
                raise GradcheckError(f"the gradient for input {i} at index {index} (of output "
                                     f"element {element}) is {grad[index]:.8g}, the central "
                                     f"difference is {numeric[index]:.8g}")
    return True


def _analytic(output, element, wanted):
    """Run one backward pass from an element of the output; return the inputs' gradients."""
    seed = np.zeros(output.shape)
    seed[element] = 1
    root = output.grad_fn or AccumulateGrad(output)
    leaves = _leaves(root) + list(wanted.values())
    before = [leaf.grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = None
        backward(root, Tensor(seed))
        return {i: np.zeros(x.shape) if x.grad is None else x.grad.data for i, x in wanted.items()}
    except (RuntimeError, TypeError) as error:
        raise GradcheckError(str(error)) from error
    finally:
        for leaf, grad in zip(leaves, before):
            leaf.grad = grad


def _leaves(root):
    """Return all gradient-enabled leaves behind a node."""
    nodes = {root: None}  # in their order
    to_do = [root]
    for node in to_do:  # grows while it is walked
        new = [parent for parent in node.next_functions if parent is not None]
        to_do += [parent for parent in new if parent not in nodes]
        nodes.update(dict.fromkeys(new))
    return [node.variable for node in nodes if isinstance(node, AccumulateGrad)]


def _numeric(function, inputs, x, eps):
    """Evaluate twice for each element of an input; of (its shape) + (shape of the output)."""
    data, jacobian = x.data, np.zeros(x.shape + function(*inputs).shape)
    try:
        for index in np.ndindex(data.shape):
            for step in eps, -eps:
                x.data = np.array(data)
                x.data[index] += step
                jacobian[index] += function(*inputs).data / (2 * step)
    finally:
        x.data = data
    return jacobian
