"""The autograd engine: the nodes of the graph, and the traversal that differentiates it.

It knows nodes and how to walk them and not one derivative; those live in
``mytorch/nn/functional.py``.  Handout: sections 0.1.4, 0.1.5 and Appendix A.

Every operation that is recorded leaves a node behind.  For the handout's
example, with ``a`` and ``c`` gradient-enabled and ``b`` and ``3`` constants::

    d = a * b + a
    e = (d + c) + 3

    a ──[AccumulateGrad]◄─┬──────────────┐
                          │              │
    b ─── None ◄──── [Mul: a*b] ◄── [Add: d] ◄─┐
                                               │
    c ──[AccumulateGrad]◄──────────────── [Add: d+c] ◄─┐
                                                       │
    3 ─── None ◄──────────────────────────────── [Add: e]

The arrows are ``next_functions``, the way that a gradient travels: from the node of a result
to the nodes of what it was computed from.
"""

import threading
import weakref

import numpy as np

from mytorch.blocks import is_recording, no_grad, quiet, room_to_recurse, traceback_without


# ---- the traversal

def backward(grad_fn, grad_of_outputs):
    """Send a gradient from a node through the graph: the recursive depth-first search.

    Args:
        grad_fn (BackwardFunction or AccumulateGrad): the node to start from.
        grad_of_outputs (Tensor): the gradient with respect to that node's output.

    Raises:
        TypeError, RuntimeError: this, or what an operation's ``backward`` returned, is no
            gradient of a tensor of that shape.
        RecursionError: the graph is deeper than a Python before 3.11 recurses (about 1,000).

    Source: handout 0.1.5.
    """
    if not hasattr(grad_fn, "next_functions"):
        raise TypeError(f"backward() starts at a node, got {type(grad_fn).__name__}")
    if grad_of_outputs is None or not _is_gradient(grad_of_outputs, grad_fn):
        raise _gradient_error(grad_of_outputs, grad_fn, "the gradient that backward() starts with")
    traversal = Traversal(grad_fn)
    with room_to_recurse(len(traversal.expected)), no_grad(), quiet():
        try:
            traversal.visit(grad_fn, grad_of_outputs)
        except BaseException as error:
            raise error.with_traceback(traceback_without(Traversal.visit, error))


class Traversal:
    """One backward pass through the graph behind a node.

    An operation's node to which several edges lead waits until a gradient has come along each
    of them and goes on with their sum: each ``backward`` runs once (handout 0.1.8).
    """

    def __init__(self, root):
        self.expected = count_edges(root)  # for every node, how many gradients have yet to come
        self.arrived = {}  # for every node that waits, the sum of those that came (None: nothing)

    def visit(self, node, grad):
        """Bring a gradient (Tensor, or None: nothing flows) along one edge to a node."""
        if node in self.arrived:
            grad = _sum(self.arrived.pop(node), grad)
        if self.expected[node] > 1 and node.next_functions:  # a leaf need not wait to add
            self.expected[node] -= 1
            self.arrived[node] = grad
            return
        grads = [None] * len(node.next_functions) if grad is None else node.apply(grad)
        del grad  # no frame holds a gradient while the search goes deeper: here, and by pop()
        while grads:  # the last argument first, as in 0.1.5
            index = len(grads) - 1
            parent = node.next_functions[index]
            if parent is None:
                grads.pop()
                continue
            if not _is_gradient(grads[index], parent):
                raise _gradient_error(
                    grads[index], parent, f"{node.function_name}.backward: the gradient of input "
                    f"{index}", "; what was broadcast is summed by unbroadcast()")
            self.visit(parent, grads.pop())


def count_edges(root):
    """For every node that can be reached from ``root``: how many edges lead to it."""
    edges, found = {root: 1}, [root]
    for node in found:  # grows while it is walked
        for parent in node.next_functions:
            if parent in edges:
                edges[parent] += 1
            elif parent is not None:
                edges[parent] = 1
                found.append(parent)
    return edges


def _sum(one, other):
    if one is None or other is None:
        return other if one is None else one
    return one + other


# ---- what a gradient must be

def _is_tensor(value):
    return hasattr(value, "grad_fn")  # Tensor itself is built on this module


def _is_gradient(value, node):
    """Whether it is a Tensor of the shape of a node's output, where that is known; or None."""
    return value is None or (_is_tensor(value)
                             and (value.data.shape == node.shape or node.shape is None))


def _gradient_error(value, node, name, of_shape=""):
    if not _is_tensor(value):
        return TypeError(f"{name} must be a Tensor, got {type(value).__name__}")
    return RuntimeError(f"{name} must have shape {node.shape}, got {value.data.shape}"
                        + of_shape)


# ---- the operations

class Function:
    """Base class of every operation, which gives two static methods::

        class Double(Function):
            @staticmethod
            def forward(ctx, a):
                return Tensor(2 * a.data)

            @staticmethod
            def backward(ctx, grad_output):
                return Tensor(2 * grad_output.data)

    ``forward`` takes a ContextManager and the arguments and returns a Tensor.  ``backward``
    takes the same context and the gradient of the output, which it leaves as it is, and
    returns a Tensor, or a tuple or list with one for each argument of forward (None: no
    gradient).

    Source: handout 0.1.4.
    """

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx, grad_output):
        raise NotImplementedError("a Function needs a static method backward(ctx, grad_output)")

    @classmethod
    def apply(cls, *args):
        """Run the operation on Tensors and other arguments and link its node to the graph.

        Returns:
            Tensor: the output.  ``requires_grad``, ``is_leaf`` and ``grad_fn`` are set here
            (Appendix A), whatever ``forward`` made of them.

        Raises:
            ValueError: the operation cannot take inputs of these shapes or values.
            TypeError: ``forward`` returned something that is no Tensor.
        """
        node = BackwardFunction(cls)
        linked = node.link(args)
        try:
            with quiet():
                output = cls.forward(node.ctx, *args)
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            tensors = [f"a tensor of shape {arg.shape}" for arg in args if _is_tensor(arg)]
            raise ValueError(f"{cls.__name__} of {' and '.join(tensors)}: {error}") from error
        if not _is_tensor(output):
            raise TypeError(f"{cls.__name__}.forward must return a Tensor, got "
                            f"{type(output).__name__}")
        for arg in args:
            if output is arg:  # the input keeps its own place in the graph
                output = type(output)(output.data)
        node.shape = output.data.shape
        output.requires_grad, output.is_leaf = linked, not linked
        output.grad_fn = node if linked else None
        return output


def returns_new_arrays(function):
    """Declares of a ``backward`` that nothing else holds what it returns, each array once.

    A leaf then takes it for its ``.grad`` instead of a copy (benchmark: mlp).
    """
    function.returns_new_arrays = True
    return function


# ---- the nodes

def node_of(tensor):
    """The node of a gradient-enabled tensor; a leaf gets its own on first use."""
    if tensor.is_leaf and tensor.data.dtype.kind != "f":  # integers came after the constructor
        tensor.data = tensor.data.astype(np.float64)
    if tensor.grad_fn is None:
        tensor.grad_fn = AccumulateGrad(tensor)
    return tensor.grad_fn


class AccumulateGrad:
    """The node of a gradient-enabled leaf: adds every gradient that arrives to ``.grad``.

    The leaf, ``variable``, is held weakly, because it holds this node.  Operations that use it
    keep it alive; once nothing does, ``variable`` and its ``shape`` are None.

    Source: handout 0.1.5 (steps 4 and 8) and 0.1.6.
    """

    next_functions = ()  # the search ends here
    function_name = "AccumulateGrad"
    adding = threading.Lock()  # += is a read and a write, and threads may share a leaf

    def __init__(self, tensor):
        self._variable = weakref.ref(tensor)

    @property
    def variable(self):
        return self._variable()

    @property
    def shape(self):
        leaf = self._variable()
        return None if leaf is None else leaf.data.shape

    def apply(self, grad):
        """Add ``grad`` (Tensor, of the leaf's shape) to the leaf's ``.grad``; returns []."""
        leaf = self._variable()
        if leaf is None or not (leaf.requires_grad and leaf.is_leaf):
            return []
        if grad.data.shape != leaf.data.shape:
            raise _gradient_error(grad, self, "the .grad of a tensor")
        with self.adding:
            if leaf.grad is None and hasattr(grad, "is_new"):
                del grad.is_new
                leaf.grad = grad
            elif leaf.grad is None:
                leaf.grad = grad.copy()
            elif _is_gradient(leaf.grad, self):
                leaf.grad = type(grad)(leaf.grad.data + grad.data)
            else:
                raise _gradient_error(leaf.grad, self, "the .grad of a tensor")
            if leaf.grad.data.dtype != leaf.data.dtype:
                leaf.grad.data = leaf.grad.data.astype(leaf.data.dtype)
        return []


class BackwardFunction:
    """The node of an operation's output: passes gradients on and stores none.

    Attributes:
        ctx (ContextManager): what ``forward`` left for ``backward``.
        next_functions (list): for each argument of forward its node; None for a constant.
        leaves (tuple of Tensor): the arguments with an AccumulateGrad, kept alive by this.
        shape (tuple or None): the output's, if it is known.

    Source: handout 0.1.5 (step 2).
    """

    # A tenth less time for a node among a million (benchmark: nodes).
    __slots__ = ("cls", "ctx", "next_functions", "leaves", "shape", "__dict__", "__weakref__")

    def __init__(self, cls):
        self.cls = cls
        self.ctx = ContextManager()
        self.next_functions = self.ctx.next_functions = []
        self.leaves = ()
        self.shape = None

    @property
    def function_name(self):
        return self.cls.__name__

    def link(self, args):
        """Take the nodes of the arguments; returns whether any of them has one."""
        recording, nodes, leaves = is_recording(), self.next_functions, []
        for arg in args:
            if recording and getattr(arg, "requires_grad", False):
                nodes.append(node_of(arg))
                if arg.is_leaf:
                    leaves.append(arg)
            else:
                nodes.append(None)
        self.leaves = tuple(leaves)
        return nodes.count(None) < len(nodes)

    def apply(self, *grads):
        """The operation's ``backward``: a list, one gradient for each argument of forward."""
        parents = self.next_functions
        returned = self.cls.backward(self.ctx, *grads)
        if not isinstance(returned, (tuple, list)):  # the first argument's; constants have none
            returned = [returned] + [None for parent in parents[1:] if parent is None]
        if len(returned) != len(parents):
            raise RuntimeError(f"{self.function_name}.backward returned {len(returned)} "
                               f"gradient(s), but forward takes {len(parents)} argument(s); return "
                               "one for each, None where there is none")
        if self.leaves and hasattr(self.cls.backward, "returns_new_arrays"):
            for parent, grad in zip(parents, returned):
                if isinstance(parent, AccumulateGrad) and grad is not None:
                    grad.is_new = True
        return list(returned)


class ContextManager:
    """Carries what ``backward`` will need from ``forward``: the ``ctx`` of every operation.

    Tensors go through ``save_for_backward``; anything else is set as an attribute.

    Source: handout 0.1.5 (step 7).
    """

    saved_tensors = ()   # as they were when they were saved
    next_functions = ()  # as the node's; empty outside Function.apply

    def needs(self, index):
        """Whether argument ``index`` of forward wants a gradient; outside ``apply`` all do."""
        return not self.next_functions or self.next_functions[index] is not None

    def save_for_backward(self, *tensors):
        """Keep copies of Tensors: what happens to them later does no harm."""
        for tensor in tensors:
            if not _is_tensor(tensor):
                raise TypeError(f"save_for_backward takes Tensors, got {type(tensor).__name__}; "
                                "other values are set as attributes of ctx")
        self.saved_tensors += tuple([tensor.copy() for tensor in tensors])
