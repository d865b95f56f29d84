"""The autograd engine: the nodes of the graph and the search that differentiates it.

Handout: sections 0.1.4, 0.1.5, 0.2.2 and Appendix A.  Problem 1.2 asks for two things in this
file, ``backward`` and the rest of ``Function.apply``.  Read the other classes first.
"""

import numpy as np


def backward(grad_fn, grad_of_outputs):
    """The recursive depth-first search that brings gradients to the leaves.

    Args:
        grad_fn (BackwardFunction or AccumulateGrad): the node that the search has come to.
        grad_of_outputs (Tensor): the gradient of the final result with respect to its output.

    Source: handout 0.1.5.
    """
    # TODO 1.2
    # What does grad_fn.apply do on each kind of node?  Which nodes are visited next, and with
    # what?  Where does the recursion end?
    raise NotImplementedError("1.2: backward is to be written")


class Function:
    """Base class of every operation; a subclass gives ``forward`` and ``backward``.

    ``forward`` takes a ContextManager and the arguments and returns a Tensor.  ``backward``
    takes the same context and the gradient of the output, and returns the gradient of each
    argument: one Tensor, or a tuple (None where there is no gradient).
    """

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx, grad_output):
        raise NotImplementedError("a Function needs a static method backward(ctx, grad_output)")

    @classmethod
    def apply(cls, *args):
        """Run the operation and link its node to the graph: handout 0.1.4."""
        node = BackwardFunction(cls)
        output = cls.forward(node.ctx, *args)
        # TODO 1.2
        # 1. For each argument, put a node into node.next_functions, or None.  Which kind of node
        #    a Tensor gets is said in Appendix A.1; it may have one already.  Not every argument
        #    is a Tensor.
        # 2. Settle requires_grad, is_leaf and grad_fn of the output.
        return output


class AccumulateGrad:
    """The node of a gradient-enabled leaf: adds every gradient that arrives to ``.grad``."""

    function_name = "AccumulateGrad"

    def __init__(self, tensor):
        self.variable = tensor
        self.next_functions = []  # always empty: the search ends here

    def apply(self, grad):
        if not hasattr(grad, "grad_fn"):
            raise TypeError(f"a gradient is a Tensor, got {type(grad).__name__}; an operation's "
                            "backward returns one, Tensor(...), for each of its inputs")
        old = self.variable.grad
        total = grad.data if old is None else old.data + grad.data
        if total.shape != self.variable.shape:
            raise RuntimeError(f"a gradient of shape {total.shape} arrived at a tensor of shape "
                               f"{self.variable.shape}; if that was broadcast, the operation's "
                               "backward needs unbroadcast()")
        self.variable.grad = type(grad)(np.array(total))


class BackwardFunction:
    """The node of an operation's output: passes gradients on and stores none."""

    def __init__(self, cls):
        self.cls = cls
        self.ctx = ContextManager()
        self.next_functions = []  # a node, or None, for each argument of forward
        self.function_name = cls.__name__

    def apply(self, *grads):
        """The gradients of the operation's arguments, as its ``backward`` returns them."""
        return self.cls.backward(self.ctx, *grads)


class ContextManager:
    """Carries what ``backward`` needs from ``forward``: the argument ``ctx`` of both.

    Tensors go through ``save_for_backward``; anything else is set as an attribute.
    """

    def __init__(self):
        self.saved_tensors = []

    def save_for_backward(self, *tensors):
        for tensor in tensors:
            if not hasattr(tensor, "grad_fn"):
                raise TypeError(f"save_for_backward takes Tensors, got {type(tensor).__name__}; "
                                "other values are set as attributes of ctx")
            self.saved_tensors.append(tensor.copy())
