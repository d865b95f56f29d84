"""The autograd engine: the nodes of the graph and the traversal that differentiates it.

It knows nodes and how to walk them and not one derivative; those live in
``mytorch/nn/functional.py``.  Handout: sections 0.1.4, 0.1.5 and Appendix A.

Every operation on a gradient-enabled tensor leaves a node behind.  For the handout's
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

The arrows are ``next_functions``: from a node to the nodes of its inputs, the way the
gradient travels.  There are three kinds (Appendix A.1):

* ``AccumulateGrad``    a leaf that wants its gradient; adds what arrives to ``.grad``.
* ``BackwardFunction``  the output of an operation; turns the gradient of its output
  into the gradients of its inputs and keeps nothing.
* ``None``              a constant; the gradient stops there.
"""

import sys
import threading
import weakref
from contextlib import contextmanager

import numpy as np


def backward(grad_fn, grad_of_outputs):
    """Send a gradient from a node through the graph: the recursive depth-first traversal.

    A node that several paths lead to hands its gradient on once, when the last path has
    arrived, so that the time is linear in the size of the graph (section 0.1.8: "autograd
    only computed that overlap once").  The recursion may be as deep as the graph: from
    Python 3.11 on, 100,000 operations in a row are no problem.

    Args:
        grad_fn (BackwardFunction or AccumulateGrad): the node to start from.
        grad_of_outputs (Tensor): the gradient of the final result with respect to that
            node's output, of the same shape.

    Raises:
        ValueError: ``grad_of_outputs`` has another shape.
        TypeError: an operation's ``backward`` returned something that is not a Tensor.
        RuntimeError: an operation returned gradients of the wrong number or shape.
        RecursionError: the graph is deeper than a Python before 3.11 recurses (about 1,000).

    Source: handout 0.1.5.
    """
    if not hasattr(grad_fn, "next_functions") or not hasattr(grad_of_outputs, "grad_fn"):
        raise TypeError("backward() takes a node and a gradient, a Tensor; got %s and %s"
                        % (type(grad_fn).__name__, type(grad_of_outputs).__name__))
    if getattr(grad_fn, "shape", None) not in (None, grad_of_outputs.data.shape):
        raise ValueError("backward() starts at a node whose output has shape %s; got a gradient of "
                         "shape %s" % (grad_fn.shape, grad_of_outputs.data.shape))
    paths = count_paths(grad_fn)
    depth = len(paths)
    _change_recursion_limit(depth)
    recording, watcher = _mode.recording, _mode.watcher
    _mode.recording, _mode.watcher = False, None  # what backward() computes is no graph
    try:
        with np.errstate(all="ignore"):  # an inf or NaN in a gradient is a value like any other
            _visit(grad_fn, grad_of_outputs, False, paths, {}, watcher)
    except RecursionError as error:
        raise RecursionError("backward() through a graph of %d nodes: %s%s"
                             % (depth, error, _DEPTH_HINT)) from error
    finally:
        _change_recursion_limit(-depth)
        _mode.recording, _mode.watcher = recording, watcher


def _visit(node, grad, fresh, paths, sums, watcher):
    """Take one path's gradient to ``node`` and, if it was the last path, go on from there.

    A gradient of None means that nothing flows along that path; ``fresh`` says that nothing
    else holds it.  ``paths`` holds, for every node, how many paths have yet to arrive;
    ``sums`` the sum of those that have.  ``watcher`` is told of everything, if there is one:
    see Recorder in mytorch/graph.py.
    """
    if watcher is not None:
        watcher.arrived(node, grad)
    if type(node) is AccumulateGrad:  # a leaf need not wait: += is all it does
        if grad is not None:
            node.apply(grad, fresh)
        if watcher is not None:
            watcher.kept(node)
        return

    if node in sums:
        grad = _add(sums.pop(node), grad)
    if paths[node] > 1:
        paths[node] -= 1
        sums[node] = grad
        return

    parents = node.next_functions
    grads = node.apply(grad) if grad is not None else (None,) * len(parents)
    if isinstance(grads, (tuple, list)):
        grads = list(grads)
    else:  # one Tensor is enough where only the first input needs one
        grads = [grads] + [None] * parents[1:].count(None)
    if len(grads) != len(parents):
        raise _wrong_number(node, grads)
    if watcher is not None:
        watcher.computed(node, grad, grads)
    parts_are_fresh = getattr(node.cls, "fresh_gradients", False)
    grad = None  # here and below: no gradient is held on to while its memory could be free
    while grads:  # from the last to the first, the order of the handout's walk-through
        parent = parents[len(grads) - 1]
        if parent is None:
            grads.pop()
            continue
        part = grads[-1]
        if part is not None and (not hasattr(part, "grad_fn")
                                 or parent.shape not in (None, part.data.shape)):
            raise _wrong_gradient(node, len(grads) - 1, part)
        part = None
        _visit(parent, grads.pop(), parts_are_fresh, paths, sums, watcher)


def _add(first, second):
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _wrong_number(node, grads):
    return RuntimeError("%s.backward returned %d gradient(s), but %s.forward takes %d "
                        "argument(s); return one for each, None where there is none"
                        % (node.function_name, len(grads), node.function_name,
                           len(node.next_functions)))


def _wrong_gradient(node, index, part):
    if not hasattr(part, "grad_fn"):
        return TypeError("%s.backward returned a %s as the gradient of its input %d; it must be "
                         "a Tensor" % (node.function_name, type(part).__name__, index))
    return RuntimeError("%s.backward returned a gradient of shape %s for its input %d of shape "
                        "%s; if that input was broadcast, it needs unbroadcast()"
                        % (node.function_name, part.data.shape, index,
                           node.next_functions[index].shape))


def count_paths(root):
    """For every node that can be reached from ``root``: how many edges lead to it."""
    paths = {root: 1}
    to_do = [root]
    while to_do:
        for parent in to_do.pop().next_functions:
            if parent is None:
                continue
            if parent in paths:
                paths[parent] += 1
            else:
                paths[parent] = 1
                to_do.append(parent)
    return paths


# From 3.11 on, a Python function that calls another takes no C stack, and the recursion
# limit is only a number.  Before, a raised limit would let a deep graph crash the process.
_RECURSION_IS_CHEAP = sys.version_info >= (3, 11)
_DEPTH_HINT = "" if _RECURSION_IS_CHEAP else "; Python 3.11 and later have no such limit"
_recursion_limit_lock = threading.Lock()


def _change_recursion_limit(difference):
    """Make room for so many more (or fewer) nested calls.

    By a difference, so that threads that do it at the same time end where they began.
    """
    if _RECURSION_IS_CHEAP:
        with _recursion_limit_lock:
            sys.setrecursionlimit(sys.getrecursionlimit() + difference)


class _Mode(threading.local):
    recording = True  # whether operations are put into a graph
    watcher = None    # who is told of the next traversal's visits


_mode = _Mode()


@contextmanager
def watched_by(watcher):
    """Let an object be told of every visit of the traversal that is started inside the block."""
    _mode.watcher = watcher
    try:
        yield
    finally:
        _mode.watcher = None


@contextmanager
def no_grad():
    """Run a block of code without recording a graph, as ``torch.no_grad`` does.

    >>> from mytorch.tensor import Tensor
    >>> a = Tensor(2., requires_grad=True)
    >>> with no_grad():
    ...     b = a * a
    >>> b.requires_grad
    False
    """
    before = _mode.recording
    _mode.recording = False
    try:
        yield
    finally:
        _mode.recording = before


# Whether nodes keep all arguments of forward, which costs their memory.  mytorch/graph.py, whose
# pictures show them, switches it on.
keep_inputs = False


class Function:
    """Base class of every operation: a ``forward`` and the ``backward`` that undoes it.

    A subclass gives two static methods::

        class Double(Function):
            @staticmethod
            def forward(ctx, a):
                return Tensor(2 * a.data)

            @staticmethod
            def backward(ctx, grad_output):
                return Tensor(2 * grad_output.data)

    ``forward`` takes a ContextManager and the arguments and returns a Tensor that it made.
    ``backward`` takes the same context and the gradient of the output, which it leaves as it
    is (other operations may get it too), and returns a Tensor, or a tuple or list with one
    entry for each argument of forward (None: no gradient).

    Attributes:
        fresh_gradients (bool): whether the Tensors that ``backward`` returns are new, with
            arrays that nothing else holds.  A leaf then keeps the first as its ``.grad`` instead
            of a copy.  False unless the class itself says otherwise: it is not inherited.

    Source: handout 0.1.4.
    """

    fresh_gradients = False

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "fresh_gradients" not in vars(cls):  # its backward may be another
            cls.fresh_gradients = False

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
            TypeError: ``forward`` returned something that is not a Tensor.
        """
        parents = leaves = ()
        recording = _mode.recording
        for arg in args:
            if recording and getattr(arg, "requires_grad", False):
                parents += (arg.grad_fn or node_of(arg),)
                if arg.is_leaf:
                    leaves += (arg,)
            else:
                parents += (None,)
        ctx = ContextManager()
        ctx.needs_input_grad = parents  # where there is a node, a gradient is wanted
        try:
            output = cls.forward(ctx, *args)
        except ValueError as error:  # NumPy's do not say which operation they come from
            raise ValueError("%s%s: %s" % (cls.__name__, _shapes(args), error)) from error
        if not hasattr(output, "grad_fn"):
            raise TypeError("%s.forward must return a Tensor, got %s"
                            % (cls.__name__, type(output).__name__))
        for arg in args:
            if output is arg:  # the input keeps its own place in the graph
                output = type(arg)(arg.data)

        if any(parents):
            output.requires_grad, output.is_leaf = True, False
            inputs = args if keep_inputs else leaves
            output.grad_fn = BackwardFunction(cls, ctx, inputs, parents, output.data.shape)
        else:
            output.requires_grad, output.is_leaf, output.grad_fn = False, True, None
        return output


def _shapes(args):
    shapes = " and ".join("a tensor of shape %s" % (arg.shape,)
                          for arg in args if hasattr(arg, "grad_fn"))
    return shapes and " of " + shapes


def node_of(tensor):
    """The node of a gradient-enabled tensor; a leaf gets its own on first use."""
    if tensor.grad_fn is None:
        tensor.grad_fn = AccumulateGrad(tensor)
    return tensor.grad_fn


def floating(dtype):
    """The dtype of what is learned about data: theirs, or float64 where they are whole numbers."""
    return dtype if dtype.kind == "f" else np.float64


class AccumulateGrad:
    """The node of a gradient-enabled leaf: adds every gradient that arrives to ``.grad``.

    Source: handout 0.1.5 (steps 4 and 8) and 0.1.6.

    Attributes:
        variable (Tensor or None): the leaf.  Held weakly, because the leaf holds this node;
            None once nothing else holds the leaf.
        next_functions (tuple): empty, the traversal ends here.
        function_name (str): "AccumulateGrad".
        shape (tuple or None): the leaf's; None once nothing else holds the leaf.
    """

    __slots__ = ("_variable", "__weakref__")
    next_functions = ()
    function_name = "AccumulateGrad"

    def __init__(self, tensor):
        self._variable = weakref.ref(tensor)

    @property
    def variable(self):
        return self._variable()

    @property
    def shape(self):
        variable = self._variable()
        return None if variable is None else variable.data.shape

    def apply(self, grad, fresh=False):
        """Add ``grad`` (Tensor, of the variable's shape) to the variable's ``.grad``.

        ``fresh``: nothing else holds it, so that it need not be copied.
        """
        variable = self._variable()
        if variable is None or not (variable.requires_grad and variable.is_leaf):
            return
        data, total = variable.data, grad.data
        if total.shape != data.shape:
            raise RuntimeError("a gradient of shape %s arrived at a tensor of shape %s"
                               % (total.shape, data.shape))
        dtype = floating(data.dtype)  # the variable's, but never cut to whole numbers
        if variable.grad is not None:
            if variable.grad.data.shape != data.shape:
                raise RuntimeError("the .grad of a tensor of shape %s has shape %s"
                                   % (data.shape, variable.grad.data.shape))
            total = variable.grad.data + total
        elif fresh and total.dtype == dtype:
            variable.grad = grad
            return
        variable.grad = type(grad)(np.array(total, dtype))  # memory of its own


class BackwardFunction:
    """The node of an operation's output: passes gradients on and stores none.

    Attributes:
        ctx (ContextManager): what ``forward`` left for ``backward``.
        inputs (tuple): the arguments of forward if ``keep_inputs`` was set, else those of them
            that are gradient-enabled leaves: the graph keeps these alive.
        next_functions (tuple): for each argument of forward, its node, or None for a
            constant or something that is no Tensor.
        shape (tuple or None): the output's; None for a node made by hand.
        function_name (str): the operation's name, such as "Add".
    """

    __slots__ = ("cls", "ctx", "inputs", "next_functions", "shape", "__weakref__")

    def __init__(self, cls, ctx=None, inputs=(), next_functions=(), shape=None):
        self.cls = cls
        self.ctx = ctx or ContextManager()
        self.inputs = inputs
        self.next_functions = next_functions
        self.shape = shape

    @property
    def function_name(self):
        return self.cls.__name__

    def apply(self, *grads):
        """The operation's ``backward``: from the output's gradient to the inputs'."""
        return self.cls.backward(self.ctx, *grads)


class _EveryInput:
    def __getitem__(self, index):
        return True


class ContextManager:
    """Carries what ``backward`` will need from ``forward``: the ``ctx`` of every operation.

    Tensors go through ``save_for_backward``; anything else is set as an attribute.

    Attributes:
        saved_tensors (tuple of Tensors): as they were when they were saved.
        needs_input_grad: ``needs_input_grad[i]`` is true if argument i of forward wants a
            gradient.  Outside ``Function.apply`` every argument does.

    Source: handout 0.1.5 (step 7).
    """

    saved_tensors = ()
    needs_input_grad = _EveryInput()

    def save_for_backward(self, *tensors):
        """Keep copies of tensors, so that what happens to them later does no harm.

        Raises:
            TypeError: for anything but a Tensor.
        """
        for tensor in tensors:
            if not hasattr(tensor, "grad_fn"):
                raise TypeError("save_for_backward takes Tensors, got %s; other values are set "
                                "as attributes of ctx" % type(tensor).__name__)
        self.saved_tensors += tuple([tensor.copy() for tensor in tensors])
