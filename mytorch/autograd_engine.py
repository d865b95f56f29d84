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

from mytorch.checks import NAMED, check_gradient, checked_gradients, name_operation
from mytorch.grad_mode import is_recording, no_grad, room_to_recurse


# ---- the traversal

def backward(grad_fn, grad_of_outputs):
    """Send a gradient from a node through the graph: the recursive depth-first search of 0.1.5.

    Args:
        grad_fn (BackwardFunction or AccumulateGrad): the node to start from.
        grad_of_outputs (Tensor): the gradient with respect to that node's output.

    Raises:
        TypeError, RuntimeError: what should be a gradient is none of that shape.
        RecursionError: the graph is deeper than a Python before 3.11 recurses (about 1,000).
    """
    if not hasattr(grad_fn, "next_functions"):
        raise TypeError(f"backward() starts at a node, got {type(grad_fn).__name__}")
    check_gradient(grad_of_outputs, grad_fn.shape, "what backward() starts with")
    edges = count_edges(grad_fn)
    # Recording is off: gradients are in no graph, also if a backward computes them with leaves.
    with room_to_recurse(len(edges)), no_grad():
        Traversal(edges).visit(grad_fn, grad_of_outputs)


def count_edges(root):
    """For every node that can be reached from ``root``: how many edges lead to it."""
    edges, found = {root: 1}, [root]  # 1: the call that starts there
    for node in found:  # grows while it is walked
        for parent in node.next_functions:
            if parent in edges:
                edges[parent] += 1
            elif parent is not None:
                edges[parent] = 1
                found.append(parent)
    return edges


class Traversal:
    """One backward pass, in which an operation with several edges waits for all their gradients
    and goes on once, with the sum (handout 0.1.8).
    """

    def __init__(self, edges):
        # A leaf's node adds for itself, so only those of operations wait.
        self.missing = {node: n for node, n in edges.items() if n > 1 and node.next_functions}
        self.sums = {}  # of each node that waits: the sum of the gradients that came

    def visit(self, node, grad):
        """Bring a gradient (Tensor, or None where nothing flows) along one edge to a node."""
        if node in self.missing:
            grad = self.add(node, grad)
            if self.missing[node]:
                return
        grads = [None] * len(node.next_functions) if grad is None else node.apply(grad)
        del grad  # so that no frame holds a gradient while the search goes deeper
        for parent in reversed(node.next_functions):  # the last argument first, as in 0.1.5
            if parent is None:
                grads.pop()
            else:
                self.visit(parent, grads.pop())

    def add(self, node, grad):
        """Add a gradient to those that came to a node before; returns their sum.

        It is a call of its own, so that no frame keeps the two while the search goes deeper.
        """
        before = self.sums.pop(node, None)
        if before is not None:
            # type(grad) is Tensor, which is built on this file.
            grad = before if grad is None else type(grad)(before.data + grad.data)
        self.missing[node] -= 1
        if self.missing[node]:
            self.sums[node] = grad
        return grad


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
    returns a Tensor, or a tuple with one for each argument of forward (None: no gradient).
    Handout 0.1.4.
    """

    @classmethod
    def apply(cls, *args):
        """Run the operation and settle the output's place in the graph: ``requires_grad``,
        ``is_leaf`` and ``grad_fn`` (Appendix A), whatever ``forward`` made of them.
        """
        node = BackwardFunction(cls)
        recorded = node.link(args)
        try:
            output = cls.forward(node.ctx, *args)
        except NAMED as error:
            name_operation(error, cls, args)
            raise
        if not hasattr(output, "grad_fn"):
            raise TypeError(f"{cls.__name__}.forward must return a Tensor, got "
                            f"{type(output).__name__}")
        for arg in args:
            if output is arg:  # which keeps its own place in the graph
                output = output.detach()
        node.shape = output.data.shape
        output.requires_grad, output.is_leaf = recorded, not recorded
        output.grad_fn = node if recorded else None
        return output


# ---- the nodes

class AccumulateGrad:
    """The node of a gradient-enabled leaf: adds every gradient that arrives to ``.grad``.

    The leaf holds this node as its ``grad_fn``, so the node holds the leaf, ``variable``, weakly:
    a cycle would wait for the garbage collector.  Operations that use the leaf keep it alive;
    once nothing does, ``variable`` is None.  Handout 0.1.5 (steps 4 and 8) and 0.1.6.
    """

    next_functions = ()  # the search ends here
    function_name = "AccumulateGrad"
    adding = threading.Lock()  # threads may share a leaf

    def __init__(self, tensor):
        self._variable = weakref.ref(tensor)
        self.shape = tensor.data.shape

    @property
    def variable(self):
        return self._variable()

    def apply(self, grad):
        """Add ``grad`` (Tensor, of the leaf's shape) to the leaf's ``.grad``; returns []."""
        leaf, array = self._variable(), grad.data
        if leaf is None or not (leaf.requires_grad and leaf.is_leaf):  # frozen since
            return []
        with self.adding:
            if leaf.grad is None:
                total = array.astype(leaf.data.dtype)  # a copy: others may hold that array
            else:
                check_gradient(leaf.grad, array.shape, "the .grad of a leaf")
                total = (leaf.grad.data + array).astype(leaf.data.dtype, copy=False)
            leaf.grad = type(grad)(total)
        return []


class BackwardFunction:
    """The node of an operation's output: passes gradients on and stores none.

    Handout 0.1.5 (step 2).
    """

    # A fifth less time for a node among a million (benchmark: nodes, with and without).
    __slots__ = ("cls", "function_name", "ctx", "next_functions", "leaves", "shape", "__dict__",
                 "__weakref__")

    def __init__(self, cls):
        self.cls = cls
        self.function_name = cls.__name__
        self.ctx = ContextManager()
        self.next_functions = []  # for each argument of forward its node; None for a constant
        self.leaves = ()  # the arguments that are leaves, which this keeps alive
        self.shape = None  # of the output, once it is known

    def link(self, args):
        """Take the nodes of the arguments; returns whether any of them requires grad."""
        recording, leaves, needs = is_recording(), [], []
        for arg in args:
            node = None
            if hasattr(arg, "grad_fn"):  # a Tensor, which is built on this
                arg.settle_data()
                if arg.requires_grad and recording:
                    if arg.is_leaf:
                        arg.grad_fn = arg.grad_fn or AccumulateGrad(arg)
                        arg.grad_fn.shape = arg.data.shape  # its .data may be another by now
                        leaves.append(arg)
                    node = arg.grad_fn
            self.next_functions.append(node)
            needs.append(node is not None)
        self.leaves, self.ctx.needs_input_grad = tuple(leaves), needs
        return True in needs

    def apply(self, *grads):
        """The operation's ``backward``: a list with one gradient for each argument of forward."""
        return checked_gradients(self, self.cls.backward(self.ctx, *grads))


class ContextManager:
    """Carries what ``backward`` will need from ``forward``: the ``ctx`` of every operation.

    Tensors go through ``save_for_backward`` and are found in ``saved_tensors``; anything else is
    set as an attribute.  Handout 0.1.5 (step 7).
    """

    needs_input_grad = (True,) * 100  # where no apply ran, whatever the number of arguments
    saved_tensors = ()

    def save_for_backward(self, *tensors):
        """Keep the arrays that Tensors hold now; None stands for what no gradient needs."""
        try:
            self.saved_tensors += tuple([one if one is None else one.detach() for one in tensors])
        except AttributeError:
            got = ", ".join(type(tensor).__name__ for tensor in tensors)
            raise TypeError(f"save_for_backward takes Tensors, got {got}; other values are set as "
                            "attributes of ctx") from None
