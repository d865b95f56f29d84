"""What runs: the graph behind a tensor, and each step of its backward pass.

Both are seen from outside, through the classes that the handout names, so this file works beside
any engine that was written to it.  ``Function.apply`` is wrapped when this file is imported, to
remember values and constants; the nodes' own ``apply`` only while a backward pass is watched.
"""

import functools
import sys
import textwrap
import threading
import weakref
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.tensor import Tensor

DEEPEST_INDENT = 20

# Weak reference to an operation's node -> the array that it computed, and its arguments that are
# constant Tensors (else None).  Neither refers to a node, so nothing here keeps a graph alive.  A
# WeakKeyDictionary takes three times as long.
_memory = {}


def _remembering(apply):
    @functools.wraps(apply)
    def apply_and_remember(cls, *args, **options):
        output = apply(cls, *args, **options)
        node = getattr(output, "grad_fn", None)
        if node is not None and hasattr(node, "__weakref__"):
            _memory[weakref.ref(node, _memory.pop)] = output.data, [
                arg if isinstance(arg, Tensor) and not arg.requires_grad else None for arg in args]
        return output
    return classmethod(apply_and_remember)


Function.apply = _remembering(vars(Function)["apply"].__func__)


def _remembered(node):
    return _memory.get(hasattr(node, "__weakref__") and weakref.ref(node), (None, []))


# ---- the graph

@dataclass(eq=False)
class Vertex:
    """A place in the graph: its label (and the trace's, which holds the shape of a leaf without a
    name), the engine's node or Tensor there, its value if known, and for each argument the
    Vertex that it comes from, or None."""

    kind: str  # "leaf", "operation" or "constant"
    label: str
    title: str
    node: object
    tensor: Tensor
    data: np.ndarray
    parents: list = None

    @property
    def inputs(self):
        return [parent for parent in self.parents or () if parent is not None]


class Graph:
    """The graph behind a tensor; its ``vertices`` stand in an order of computation.

    Raises:
        TypeError: ``output`` is no Tensor; ``names`` is not a dict of Tensors.
        ValueError: ``output`` is outside any graph.
    """

    def __init__(self, output, names=None):
        if not isinstance(output, Tensor):
            raise TypeError(f"a graph belongs to a Tensor, got {type(output).__name__}")
        if not output.requires_grad:
            raise ValueError("this tensor is outside any graph: nothing it was computed from "
                             "requires grad")
        self._names = _names_by_place(names)
        self._found = {}
        root = self.vertex_of(output.grad_fn, output)
        root.data = output.data
        self.vertices = self._in_order(root)
        unnamed = [v for v in self.vertices if v.kind == "leaf" and v.label == "leaf"]
        for number, leaf in enumerate(unnamed, 1):
            leaf.label = f"leaf {number}" if len(unnamed) > 1 else "leaf"
            leaf.title = f"{leaf.label} ({shape_text(leaf.data)})"

    def vertex_of(self, node, tensor=None):
        """The Vertex of a node, or of a tensor that has none."""
        place = _place(node, tensor)
        if id(place) not in self._found:
            self._found[id(place)] = self._new_vertex(node, place)
        return self._found[id(place)]

    def _new_vertex(self, node, place):
        name = self._names.get(id(place))
        if node is None or isinstance(node, AccumulateGrad):
            tensor = place if isinstance(place, Tensor) else None  # None: it is gone
            is_leaf = node is not None or tensor.requires_grad
            kind = "leaf" if is_leaf else "constant"
            return Vertex(kind, name or kind, name or kind, node, tensor,
                          getattr(tensor, "data", None))
        operation = getattr(node, "function_name", getattr(node, "cls", type(node)).__name__)
        label = f"{name} = {operation}" if name else operation
        return Vertex("operation", label, label, node, None, _remembered(node)[0])

    def _parents_of(self, vertex):
        nodes = list(getattr(vertex.node, "next_functions", ()))
        constants = _remembered(vertex.node)[1]
        if len(constants) != len(nodes):
            constants = [None] * len(nodes)
        return [None if node is None and constant is None else self.vertex_of(node, constant)
                for node, constant in zip(nodes, constants)]

    def _in_order(self, root):
        """All vertices, each after its inputs: a depth-first walk without recursion."""
        ordered, to_do = {}, [root]
        while to_do:
            vertex = to_do[-1]
            if vertex.parents is None:
                vertex.parents = self._parents_of(vertex)
                to_do += [parent for parent in reversed(vertex.inputs) if parent.parents is None]
            else:
                ordered[to_do.pop()] = True
        return list(ordered)


def _place(node, tensor):
    """What a place is known by: the tensor of a leaf or a constant, the node of an operation."""
    if isinstance(node, AccumulateGrad) and node.variable is not None:
        return node.variable
    return tensor if node is None else node


def _names_by_place(names):
    names = {} if names is None else names
    if not isinstance(names, dict) or not all(isinstance(t, Tensor) for t in names.values()):
        raise TypeError(f'names maps names to Tensors, such as {{"a": a}}; got {names!r}')
    return {id(_place(tensor.grad_fn, tensor)): " ".join(str(name).split())
            for name, tensor in names.items()}


# ---- numbers as text

def array_of(grad):
    """A copy of a gradient's array; what is neither a Tensor nor numbers stays what it is."""
    grad = grad.data if isinstance(grad, Tensor) else grad
    return np.array(grad) if isinstance(grad, (np.ndarray, np.number, float, int)) else grad


def describe(data, digits=4):
    """A few numbers as they are; more as their shape, mean and norm; always one line."""
    if not isinstance(data, np.ndarray):
        return "None" if data is None else f"no gradient but a {type(data).__name__}"
    if data.size <= 3:
        return np.array2string(data, separator=", ", formatter={
            "float_kind": lambda number: f"{number:.{digits}g}"}).replace("\n", "")
    with np.errstate(all="ignore"):
        return f"{shape_text(data)} mean {data.mean():.3g} norm {np.linalg.norm(data):.3g}"


def shape_text(data):
    return "x".join(map(str, np.shape(data))) or "scalar"


# ---- the backward pass

@dataclass(eq=False)
class Handed:
    """A gradient on its way from an operation, of its argument at a position, to that Vertex."""

    giver: Vertex
    position: int
    receiver: Vertex
    grad: np.ndarray
    original: object  # the engine's own object, by which it is recognised


@dataclass(eq=False)
class Step:
    """A gradient that a node received, and what came of it: an operation's ``handed``, a leaf's
    .grad ``before`` and ``after``, or an error.  ``depth`` tells how the engine's calls were
    nested.  The first step, the start, has no vertex."""

    number: int
    depth: int
    vertex: Vertex
    received: np.ndarray
    came: list = ()  # of Handed: the way of what was received, as far as it was seen
    handed: list = field(default_factory=list)
    before: np.ndarray = None
    after: np.ndarray = None
    error: str = None

    def lines(self):
        """What there is to say."""
        received = describe(self.received)
        if self.vertex is None:
            return [f"backward() starts with the gradient of the output itself: {received}"]
        lines = [f"{self.vertex.title} received {received}"]
        if len(self.came) > 1:
            parts = textwrap.shorten(", ".join(describe(part.grad) for part in self.came), 60,
                                     placeholder=" ...")
            relation = "the sum of" if _is_sum(self.came, self.received) else "but was handed"
            lines.append(f"{relation} {len(self.came)} gradients: {parts}")
        if self.error is not None:
            return lines + [f"raised {self.error}"]
        if self.vertex.kind == "leaf":
            return lines + [f"keeps it: .grad was {describe(self.before)}, "
                            f"is {describe(self.after)}"]
        return lines + [f"nothing for {part.receiver.title}: a constant requires no gradient"
                        if part.receiver.kind == "constant" else
                        f"hands {describe(part.grad)} to {part.receiver.title}"
                        for part in self.handed]

    def __str__(self):
        head = f"Step {self.number:<3d}" + "  " * min(self.depth, DEEPEST_INDENT)
        return head + ("\n" + " " * len(head)).join(self.lines())


def _is_close(one, other):
    return (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
            and one.shape == other.shape and np.allclose(one, other, equal_nan=True))


def _is_sum(parts, total):
    if any(np.shape(part.grad) != np.shape(total) for part in parts):
        return False
    with np.errstate(all="ignore"):
        return _is_close(np.asarray(sum(part.grad for part in parts)), total)


class Recorder:
    """Makes a Step of each ``apply`` of one thread's outermost traversal, and shows it."""

    def __init__(self, graph, show):
        self._graph, self._show = graph, show
        self._count = 0
        self._thread, self._is_inside = threading.get_ident(), False
        self._waiting = defaultdict(list)  # Vertex -> what was handed to it
        self._levels = {None: 0}           # frame -> how many frames are below it
        self._callers = []                 # the levels of the calls of apply that led here

    def __call__(self, apply, node, *grads, **options):
        if self._is_inside or threading.get_ident() != self._thread:
            return apply(node, *grads, **options)
        step = self._start(self._graph.vertex_of(node), grads[0], self._depth(sys._getframe(2)))
        tensor = step.vertex.tensor
        step.before = None if tensor is None else array_of(tensor.grad)
        self._is_inside = True
        try:
            result = apply(node, *grads, **options)
            step.after = None if tensor is None else array_of(tensor.grad)
            self._hand_on(step, result)
            return result
        except BaseException as error:
            step.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._is_inside = False
            self._show(step)

    def _start(self, vertex, grad, depth):
        received = array_of(grad)
        if self._count == 0:
            self._count = 1
            self._show(Step(1, 0, None, received))
        self._count += 1
        return Step(self._count, depth, vertex, received, self._arrived(vertex, grad, received))

    def _arrived(self, vertex, grad, received):
        """What was handed to a vertex and is this gradient: one of what waits, or their sum."""
        waiting = self._waiting[vertex]
        equal = [one for one in waiting if _is_close(one.grad, received)]
        same = [one for one in equal if one.original is grad]
        if same or equal and not _is_sum(waiting, received):
            waiting.remove((same or equal)[0])
            return (same or equal)[:1]
        return self._waiting.pop(vertex)

    def _hand_on(self, step, result):
        grads = list(result) if isinstance(result, (tuple, list)) else [result]
        parents = step.vertex.parents or ()
        grads += [None] * (len(parents) - len(grads))
        for position, (parent, grad) in enumerate(zip(parents, grads)):
            if parent is not None:
                handed = Handed(step.vertex, position, parent, array_of(grad), grad)
                step.handed.append(handed)
                if parent.kind != "constant" and grad is not None:
                    self._waiting[parent].append(handed)

    def _depth(self, frame):
        """How many calls of apply were made by calls that led to this one.

        Only the frames since the last call are looked at: a deep recursion takes linear time.
        """
        new = []
        while frame not in self._levels:
            new.append(frame)
            frame = frame.f_back
        while len(self._levels) > self._levels[frame] + 1:
            self._levels.popitem()
        for frame in reversed(new):
            self._levels[frame] = len(self._levels)
        while self._callers and self._callers[-1] >= len(self._levels):
            self._callers.pop()
        self._callers.append(len(self._levels))
        return len(self._callers) - 1

    def forget_calls(self):
        """Let go of the engine's frames, which refer to what refers to them."""
        self._levels.clear()


_one_at_a_time = threading.RLock()


@contextmanager
def observed(observer):
    """For a while, ``observer(apply, node, *grads)`` stands for the apply of both node classes."""
    def wrapped(apply):
        return lambda node, *grads, **options: observer(apply, node, *grads, **options)

    with _one_at_a_time:
        originals = [(cls, vars(cls).get("apply")) for cls in (AccumulateGrad, BackwardFunction)]
        try:
            for cls, _ in originals:
                cls.apply = wrapped(cls.apply)
            yield
        finally:
            for cls, apply in originals:
                if apply is None:  # it was inherited
                    del cls.apply
                else:
                    cls.apply = apply


def record(output, graph, show):
    """Run ``output.backward()``; ``show`` is called with each Step when it is done."""
    recorder = Recorder(graph, show)
    try:
        with observed(recorder):
            output.backward()
    finally:
        recorder.forget_calls()


def trace(output, names=None):
    """Run ``output.backward()`` and print every step: what each node received and did.

    A deeper indentation is a deeper call: the recursion that is seen is the engine's own.  If
    the engine raises an error, the steps that led there are printed before.

    Args:
        output (Tensor): the tensor to differentiate.
        names (dict): what to call tensors, such as {"a": a, "b": b}.

    Returns:
        list of Step: the same as objects.

    Raises:
        TypeError, ValueError: as Graph does.

    Source: handout 0.1.5, whose eight steps are those of its example.

    >>> a, b, c = Tensor(1., requires_grad=True), Tensor(2.), Tensor(3., requires_grad=True)
    >>> e = (a * b + a + c) + 3
    >>> steps = trace(e, {"a": a, "b": b, "c": c, "e": e})
    Step 1  backward() starts with the gradient of the output itself: 1
    Step 2  e = Add received 1
            hands 1 to Add
            nothing for constant: a constant requires no gradient
    Step 3    Add received 1
              hands 1 to Add
              hands 1 to c
    Step 4      c received 1
                keeps it: .grad was None, is 1
    Step 5      Add received 1
                hands 1 to Mul
                hands 1 to a
    Step 6        a received 1
                  keeps it: .grad was None, is 1
    Step 7        Mul received 1
                  hands 2 to a
                  nothing for b: a constant requires no gradient
    Step 8          a received 2
                    keeps it: .grad was 1, is 3
    """
    steps = []

    def show(step):
        steps.append(step)
        print(step)

    record(output, Graph(output, names), show)
    return steps
