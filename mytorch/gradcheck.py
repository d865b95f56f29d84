"""Checks gradients against central differences, as torch.autograd.gradcheck does."""

import numpy as np

from mytorch import autograd_engine
from mytorch.tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient is missing, of the wrong shape, or not what the differences say."""


def gradcheck(function, *inputs, eps=1e-6, atol=1e-5, rtol=1e-3):
    """Compare the gradients of a function with (f(x + eps) - f(x - eps)) / (2 eps).

    Every entry of the output is compared for every entry of every input that requires grad.
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
            raise GradcheckError("no gradient arrived at input %d, and the output depends on it"
                                 % number)
        off = ~np.isclose(analytic, numeric, rtol, atol)
        if off.any():
            error = np.where(off, np.nan_to_num(np.abs(analytic - numeric), nan=np.inf), -1)
            index = np.unravel_index(error.argmax(), error.shape)
            split = inputs[number].data.ndim
            raise GradcheckError(
                "the gradient for input %d at index %s (of output entry %s) is %.8g, the central "
                "difference is %.8g" % (number, _plain(index[:split]), _plain(index[split:]),
                                        analytic[index], numeric[index]))
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
            raise ValueError("gradcheck: input %d is %s; differences need float64"
                             % (i, inputs[i].data.dtype))
        if not inputs[i].is_leaf:
            raise ValueError("gradcheck: input %d is the output of an operation; give a leaf, such "
                             "as Tensor(x.data, requires_grad=True)" % i)
    analytic = _analytic(function, inputs, wanted)
    return [(i, analytic[i], _numeric(function, inputs, i, eps)) for i in wanted]


def _analytic(function, inputs, wanted):
    """One backward pass for every entry of the output."""
    output = function(*inputs)
    if not isinstance(output, Tensor):
        raise GradcheckError("the function returned a %s, not a Tensor" % type(output).__name__)
    if not output.requires_grad:
        raise GradcheckError("the function's output requires no grad: the graph is cut somewhere")
    root = output.grad_fn or autograd_engine.AccumulateGrad(output)
    leaves = [node.variable for node in _nodes(root)
              if isinstance(node, autograd_engine.AccumulateGrad)]
    before = [(leaf, leaf.grad) for leaf in leaves + [inputs[i] for i in wanted]]
    jacobian = dict.fromkeys(wanted)
    try:
        for index in np.ndindex(output.shape):
            seed = np.zeros(output.shape)
            seed[index] = 1
            for i in wanted:
                inputs[i].grad = None
            autograd_engine.backward(root, Tensor(seed))
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


def _nodes(root):
    """Every node that can be reached from ``root``; of any engine, also a student's."""
    found = {root: None}
    to_do = [root]
    for node in to_do:  # grows while it is walked
        new = [parent for parent in node.next_functions
               if parent is not None and parent not in found]
        found.update(dict.fromkeys(new))
        to_do += dict.fromkeys(new)
    return list(found)


def _numeric(function, inputs, i, eps):
    """Two evaluations for every entry of the input."""
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
