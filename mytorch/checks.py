"""What the engine refuses, and in which words: arguments and gradients that do not fit."""

# What forward raises of these is raised again with the operation's name.
NAMED = (AttributeError, IndexError, TypeError, ValueError)


def check_gradient(value, shape, name, hint=""):
    """Raise a clear error unless it is a Tensor of this shape; of any, where that is None."""
    if not hasattr(value, "grad_fn"):  # a Tensor, which is built on the engine
        raise TypeError(f"{name} must be a Tensor, got {type(value).__name__}")
    if shape is not None and value.data.shape != shape:
        raise RuntimeError(f"{name} must have shape {shape}, got {value.data.shape}{hint}")


def checked_gradients(node, returned):
    """What an operation's ``backward`` returned, as a list with a gradient for each argument of
    its ``forward``; an error where it is none.  A None at the end may be missing or too many.
    """
    grads = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    parents, number = node.next_functions, len(node.next_functions)
    if len(grads) != number:
        if any(one is not None for one in [*parents[len(grads):], *grads[number:]]):
            raise RuntimeError(f"{node.function_name}.backward returned {len(grads)} gradient(s), "
                               f"but forward takes {number} argument(s); return one for each, "
                               "None where there is none")
        grads = (grads + [None] * number)[:number]
    for index, grad in enumerate(grads):
        parent = parents[index]
        if parent is not None and grad is not None and not (
                hasattr(grad, "grad_fn") and grad.data.shape == parent.shape):
            check_gradient(grad, parent.shape, f"{node.function_name}.backward: the gradient of "
                           f"input {index}", "; what was broadcast is summed by unbroadcast()")
    return grads


def name_operation(error, operation, args):
    """Put the operation and the shapes of its Tensors before the text of an error of ``forward``;
    a subclass, whose arguments may be no text, stays as it is.
    """
    if type(error) in NAMED:
        tensors = [f"a tensor of shape {arg.shape}" for arg in args if hasattr(arg, "grad_fn")]
        got = " of " + ", ".join(tensors) if tensors else ""
        error.args = (f"{operation.__name__}{got}: {error}",)
