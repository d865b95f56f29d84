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

from mytorch.blocks import is_recording, no_grad, quietly, room_to_recurse, traceback_without


# ---- the traversal

def backward(grad_fn, grad_of_outputs):
    """Send a gradient from a node through the graph: the recursive depth-first search.

    Args:
        grad_fn (BackwardFunction or AccumulateGrad): the node to start from.
        grad_of_outputs (Tensor): the gradient of the final result with respect to that
            node's output, of the same shape.

    Raises:
        ValueError: ``grad_of_outputs`` has another shape.
        TypeError, RuntimeError: an operation's ``backward`` returned what is no gradient.
        RecursionError: the graph is deeper than a Python before 3.11 recurses (about 1,000).

    Source: handout 0.1.5.
    """
    if not hasattr(grad_fn, "next_functions") or not _is_tensor(grad_of_outputs):
        raise TypeError("backward() takes a node and a gradient, a Tensor; got "
                        f"{type(grad_fn).__name__} and {type(grad_of_outputs).__name__}")
    if not _fits(grad_of_outputs, grad_fn):
        raise ValueError(f"backward() starts at a node whose output has shape {grad_fn.shape}; "
                         f"got a gradient of shape {grad_of_outputs.shape}")
    traversal = Traversal(grad_fn)
    with room_to_recurse(traversal.size), no_grad(), np.errstate(all="ignore"):
        try:
            traversal.visit(grad_fn, grad_of_outputs)
        except BaseException as error:
            raise error.with_traceback(traceback_without(Traversal.visit, error))


class Traversal:
    """One backward pass through the graph behind a node.

    A node to which several edges lead waits until a gradient has come along each of them and
    goes on with their sum, so that each operation's ``backward`` runs once (handout 0.1.8:
    the overlap of paths is computed only once).

    Attributes:
        size (int): the number of nodes.
        missing (dict): for every node that waits, how many gradients have yet to come.
        sums (dict): for every node that waits, the sum of those that have come.
    """

    def __init__(self, root):
        edges = count_edges(root)
        self.size = len(edges)
        self.missing = {node: count for node, count in edges.items()
                        if count > 1 and node.next_functions}  # a leaf need not wait to add
        self.sums = {}

    def visit(self, node, grad):
        """Bring a gradient (Tensor, or None: nothing flows) along one edge to a node."""
        if node in self.missing:
            grad = self.sums[node] = _sum(self.sums.get(node), grad)
            self.missing[node] -= 1
            if self.missing[node]:
                return
            del self.sums[node]
        grads = [None] * len(node.next_functions) if grad is None else node.apply(grad)
        # No frame holds a gradient while the search goes deeper: its memory is free by then.
        del grad
        for parent in reversed(node.next_functions):  # the last argument first, as in 0.1.5
            if parent is None:
                grads.pop()
                continue
            if not _fits(grads[-1], parent):
                raise _misfit(grads[-1], parent, node, len(grads) - 1)
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
    """The sum of two gradients, each a Tensor or None."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


# ---- what is checked of a gradient

def _is_tensor(value):
    return hasattr(value, "grad_fn")  # Tensor itself is built on this module


def _fits(grad, node):
    """Whether ``grad`` is None or a Tensor of the shape of a node's output, where it is known."""
    return grad is None or (hasattr(grad, "grad_fn") and node.shape in (None, grad.data.shape))


def _misfit(grad, parent, node, index):
    """The error for a gradient that ``node``'s operation returned for its input ``index``."""
    name = node.function_name
    if not _is_tensor(grad):
        return TypeError(f"{name}.backward returned a {type(grad).__name__} for its input {index}; "
                         "it must be a Tensor")
    return RuntimeError(f"{name}.backward returned a gradient of shape {grad.shape} for its input "
                        f"{index} of shape {parent.shape}; if that input was broadcast, it needs "
                        "unbroadcast()")


# ---- the operations

class Function:
    """Base class of every operation: a ``forward`` and its derivative, ``backward``.

    A subclass gives two static methods::

        class Double(Function):
            @staticmethod
            def forward(ctx, a):
                return Tensor(2 * a.data)

            @staticmethod
            def backward(ctx, grad_output):
                return Tensor(2 * grad_output.data)

    ``forward`` takes a ContextManager and the arguments and returns a Tensor.  ``backward``
    takes the same context and the gradient of the output, which it leaves as it is, and
    returns a Tensor, or a tuple or list with one element for each argument of forward (None:
    no gradient).

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
        """Run the operation and, if an input requires grad, link its node to the graph.

        Args:
            *args: Tensors, and whatever else ``forward`` takes (a shape, an axis).

        Returns:
            Tensor: the output.  ``requires_grad``, ``is_leaf`` and ``grad_fn`` are set here
            (Appendix A), whatever ``forward`` made of them.

        Raises:
            ValueError: the operation cannot take inputs of these shapes or values.
            TypeError: ``forward`` returned something that is no Tensor.
        """
        ctx, recording = ContextManager(), is_recording()
        ctx.next_functions = tuple([node_of(arg) if recording else None for arg in args])
        try:
            output = quietly(cls.forward, ctx, *args)
        except ValueError as error:
            raise _named(error, cls, args)
        if not _is_tensor(output):
            raise TypeError(f"{cls.__name__}.forward must return a Tensor, got "
                            f"{type(output).__name__}")
        for arg in args:
            if output is arg:  # the input keeps its own place in the graph
                output = type(output)(output.data)
        linked = ctx.next_functions.count(None) < len(args)
        output.requires_grad, output.is_leaf, output.grad_fn = linked, not linked, None
        if linked:
            output.grad_fn = BackwardFunction(cls, ctx, ctx.next_functions, output.data.shape)
            if AccumulateGrad in map(type, ctx.next_functions):
                output.grad_fn.leaves = [arg for arg, node in zip(args, ctx.next_functions)
                                         if type(node) is AccumulateGrad]
        return output


def _named(error, cls, args):
    """A ValueError of NumPy's with the operation and its shapes; any other class as it is."""
    if type(error) is not ValueError:
        return error
    shapes = " and ".join(f"a tensor of shape {arg.shape}" for arg in args if _is_tensor(arg))
    named = ValueError(f"{cls.__name__} of {shapes or 'no tensor'}: {error}")
    named.__cause__ = error
    return named


# ---- the nodes

def node_of(value):
    """Where the gradient of an argument goes: its node, or None for a constant or no Tensor."""
    if not getattr(value, "requires_grad", False):
        return None
    if value.grad_fn is None:
        value.grad_fn = AccumulateGrad(value)
    return value.grad_fn


class AccumulateGrad:
    """The node of a gradient-enabled leaf: adds every gradient that arrives to ``.grad``.

    Attributes:
        variable (Tensor or None): the leaf.  Held weakly, because the leaf holds this node;
            None once nothing else holds the leaf.
        next_functions (tuple): empty, the search ends here.
        function_name (str): "AccumulateGrad".
        shape (tuple or None): the leaf's.

    Source: handout 0.1.5 (steps 4 and 8) and 0.1.6.
    """

    __slots__ = ("_variable", "__weakref__")
    next_functions = ()
    function_name = "AccumulateGrad"
    adding = threading.Lock()  # += is a read and a write, and threads may share a leaf

    def __init__(self, tensor):
        if tensor.data.dtype.kind != "f":  # requires_grad was set on integers
            tensor.data = tensor.data.astype(np.float64)
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
        with self.adding:
            for term in (grad,) if leaf.grad is None else (grad, leaf.grad):
                if not _fits(term, self):
                    shape = np.shape(getattr(term, "data", term))
                    raise RuntimeError(f"a {type(term).__name__} of shape {shape} cannot be the "
                                       f".grad of a tensor of shape {leaf.shape}; a Tensor of that "
                                       "shape can")
            array = grad.data.copy() if leaf.grad is None else leaf.grad.data + grad.data
            if array.dtype != leaf.data.dtype:
                array = array.astype(leaf.data.dtype)
            leaf.grad = type(grad)(array)
        return []


class BackwardFunction:
    """The node of an operation's output: passes gradients on and stores none.

    Attributes:
        ctx (ContextManager): what ``forward`` left for ``backward``.
        next_functions (sequence): for each argument of forward, its node, or None for a
            constant or something that is no Tensor.
        function_name (str): the operation's name, such as "Add".
        shape (tuple or None): the output's; None for a node made by hand.
        leaves (list of Tensor): the gradient-enabled leaves among the arguments, which the graph
            keeps alive.

    Source: handout 0.1.5 (step 2).
    """

    __slots__ = ("cls", "ctx", "next_functions", "shape", "leaves", "__weakref__")

    def __init__(self, cls, ctx=None, next_functions=(), shape=None):
        self.cls = cls
        self.ctx = ctx or ContextManager()
        self.next_functions = next_functions
        self.shape = shape
        self.leaves = []

    @property
    def function_name(self):
        return self.cls.__name__

    def apply(self, *grads):
        """The operation's ``backward``: a list, one gradient for each argument of forward."""
        returned = self.cls.backward(self.ctx, *grads)
        wanted = len(self.next_functions)
        if not isinstance(returned, (tuple, list)):  # one is enough if only the first needs one
            returned = [returned] + [None] * self.next_functions[1:].count(None)
        if len(returned) != wanted:
            name = self.function_name
            raise RuntimeError(f"{name}.backward returned {len(returned)} gradient(s), but {name}."
                               f"forward takes {wanted} argument(s); return one for each, None "
                               "where there is none")
        return list(returned)


class ContextManager:
    """Carries what ``backward`` will need from ``forward``: the ``ctx`` of every operation.

    Tensors go through ``save_for_backward``; anything else is set as an attribute.

    Attributes:
        saved_tensors (tuple of Tensor): as they were when they were saved.
        next_functions (tuple): as the node's; empty outside ``Function.apply``.

    Source: handout 0.1.5 (step 7).
    """

    saved_tensors = ()
    next_functions = ()

    def needs(self, index):
        """Whether argument ``index`` of forward wants a gradient; outside ``apply`` all do."""
        return not self.next_functions or self.next_functions[index] is not None

    def save_for_backward(self, *tensors):
        """Keep copies of tensors: what happens to them later does no harm.

        Raises:
            TypeError: for anything but a Tensor.
        """
        for tensor in tensors:
            if not _is_tensor(tensor):
                raise TypeError(f"save_for_backward takes Tensors, got {type(tensor).__name__}; "
                                "other values are set as attributes of ctx")
        self.saved_tensors += tuple([tensor.copy() for tensor in tensors])
