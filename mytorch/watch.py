"""What runs: the graph behind a tensor, and each step of its backward pass.

Both are seen from outside, through the classes that the handout names, so this file works
beside any engine that was written to it.  ``Function.apply`` is wrapped when this file is
imported, to remember each operation's value and constants; the nodes' own ``apply`` only while
a backward pass is watched.
"""

import functools
import sys
import textwrap
import threading
import weakref
from collections import defaultdict, namedtuple
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.tensor import Tensor

DEEPEST_INDENT = 20

# An operation's node -> the array it computed, and its arguments that are constant Tensors (else
# None).  Neither refers to a node, so nothing here keeps a graph alive.
_remembered = weakref.WeakKeyDictionary()


def _remembering(apply):
    @functools.wraps(apply)
    def apply_and_remember(cls, *args, **options):
        output = apply(cls, *args, **options)
        node = getattr(output, "grad_fn", None)
        if node is not None:
            constants = [arg if isinstance(arg, Tensor) and not arg.requires_grad else None
                         for arg in args]
            try:
                _remembered[node] = output.data, constants
            except TypeError:  # nodes of a class without weak references: their boxes show less
                return output
        return output
    return classmethod(apply_and_remember)


Function.apply = _remembering(vars(Function)["apply"].__func__)


# ---- the graph

@dataclass(eq=False)
class Vertex:
    """A place in the graph.

    Attributes:
        kind (str): "leaf", "operation" or "constant".
        label (str): its name, its operation, or both; for a leaf without a name, its number.
        node (node or None), tensor (Tensor or None): what the engine has in this place.
        data (np.ndarray or None): its value, as far as it is known.
        parents (list of Vertex or None): for each argument, where it comes from, if known.
    """

    kind: str
    label: str
    node: object
    tensor: Tensor
    data: np.ndarray
    parents: list = None
    is_named: bool = True

    @property
    def title(self):
        """Its label for a sentence: a leaf without a name shows its shape."""
        return self.label if self.is_named else f"{self.label} ({shape_text(self.data)})"

    @property
    def inputs(self):
        return [parent for parent in self.parents or () if parent is not None]


class Graph:
    """The graph behind a tensor.  Its ``vertices`` are in an order of computation.

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
        self._number_leaves()

    def vertex_of(self, node, tensor=None):
        """The Vertex of a node, or of a tensor that has none."""
        place = _place(node, tensor)
        if id(place) not in self._found:
            self._found[id(place)] = self._new_vertex(node, place)
        return self._found[id(place)]

    def _new_vertex(self, node, place):
        name = self._names.get(id(place))
        if node is None or isinstance(node, AccumulateGrad):
            tensor = place if isinstance(place, Tensor) else None
            kind = "constant" if node is None and not tensor.requires_grad else "leaf"
            return Vertex(kind, name or kind, node, tensor, getattr(tensor, "data", None),
                          is_named=bool(name) or kind == "constant")
        operation = getattr(node, "function_name", None) or _operation_of(node).__name__
        label = f"{name} = {operation}" if name else operation
        data, _ = _remembered_of(node)
        return Vertex("operation", label, node, None, data)

    def _parents_of(self, vertex):
        parents = list(getattr(vertex.node, "next_functions", None) or ())
        _, constants = _remembered_of(vertex.node)
        known = constants if len(constants) == len(parents) else [None] * len(parents)
        return [None if node is None and constant is None else self.vertex_of(node, constant)
                for node, constant in zip(parents, known)]

    def _in_order(self, root):
        """All vertices, each after its inputs: a depth-first walk that needs no recursion."""
        ordered, to_do = {}, [root]
        while to_do:
            vertex = to_do[-1]
            if vertex.parents is None:
                vertex.parents = self._parents_of(vertex)
                to_do += [v for v in reversed(vertex.inputs) if v.parents is None]
            else:
                ordered[to_do.pop()] = True
        return list(ordered)

    def _number_leaves(self):
        unnamed = [v for v in self.vertices if not v.is_named]
        for number, vertex in enumerate(unnamed, 1):
            vertex.label = f"leaf {number}" if len(unnamed) > 1 else "leaf"


def _place(node, tensor):
    """What a place is known by: the tensor of a leaf or a constant, the node of an operation."""
    if isinstance(node, AccumulateGrad) and node.variable is not None:
        return node.variable
    return tensor if node is None else node


def _operation_of(node):
    return getattr(node, "cls", type(node))


def _remembered_of(node):
    try:
        return _remembered.get(node, (None, []))
    except TypeError:  # see _remembering
        return None, []


def _names_by_place(names):
    names = {} if names is None else names
    if not isinstance(names, dict) or not all(isinstance(t, Tensor) for t in names.values()):
        raise TypeError(f'names maps names to Tensors, such as {{"a": a}}; got {names!r}')
    labels = {}
    for name, tensor in names.items():
        labels.setdefault(id(_place(tensor.grad_fn, tensor)), []).append(" ".join(f"{name}".split()))
    return {place: ", ".join(several) for place, several in labels.items()}


# ---- numbers as text

def array_of(grad):
    """A copy of the array of a gradient, which may be a Tensor, an array or (then as it is)
    anything else that a backward returned."""
    grad = grad.data if isinstance(grad, Tensor) else grad
    return np.array(grad) if isinstance(grad, (np.ndarray, np.number, float, int)) else grad


def describe(data, digits=4):
    """A few numbers as they are; more as their shape, mean and norm; always one line."""
    if not isinstance(data, np.ndarray):
        return "nothing" if data is None else f"something that is no gradient, a {type(data).__name__}"
    if data.size <= 3:
        return np.array2string(data, separator=", ", formatter={
            "float_kind": lambda number: f"{number:.{digits}g}"}).replace("\n", "")
    with np.errstate(all="ignore"):
        return f"{shape_text(data)} mean {data.mean():.3g} norm {np.linalg.norm(data):.3g}"


def shape_text(data):
    return "x".join(map(str, np.shape(data))) or "scalar"


# ---- the backward pass

Handed = namedtuple("Handed", "giver position receiver grad")
Handed.__doc__ = """A gradient on its way: from the Vertex of an operation, for its argument at a
position, to that one's Vertex."""


@dataclass
class Step:
    """One gradient that a node received, and what came of it.

    Attributes:
        number, depth (int): which step, and how deep the engine's calls were nested.
        vertex (Vertex or None): where; None in the first step, the start.
        received (np.ndarray): the gradient.
        came (list of Handed): what it was made of, if its way was seen.
        handed (list of Handed): the gradients that an operation hands on.
        before, after (np.ndarray or None): a leaf's .grad.
        error (str or None): what was raised, if anything.
    """

    number: int
    depth: int
    vertex: Vertex
    received: np.ndarray
    came: list = field(default_factory=list)
    handed: list = field(default_factory=list)
    before: np.ndarray = None
    after: np.ndarray = None
    error: str = None

    def lines(self):
        """What there is to say of this step."""
        if self.vertex is None:
            return [f"backward() starts with the gradient of the output itself: "
                    f"{describe(self.received)}"]
        leaf = " (leaf)" if self.vertex.kind == "leaf" and self.vertex.is_named else ""
        lines = [f"{self.vertex.title}{leaf} received {describe(self.received)}"]
        if len(self.came) > 1:
            parts = textwrap.shorten(", ".join(describe(part.grad) for part in self.came), 60,
                                     placeholder=" ...")
            relation = "the sum of" if _is_sum(self.came, self.received) else "but was handed"
            lines.append(f"{relation} {len(self.came)} gradients: {parts}")
        if self.error is not None:
            return lines + [f"raised {self.error}"]
        if self.vertex.kind == "leaf":
            before = "None" if self.before is None else describe(self.before)
            after = "None" if self.after is None else describe(self.after)
            return lines + [f"keeps it: .grad was {before}, is {after}"]
        for part in self.handed:
            if part.receiver.kind == "constant":
                lines.append(f"nothing for {part.receiver.title}: a constant requires no gradient")
            else:
                lines.append(f"hands {describe(part.grad)} to {part.receiver.title}")
        return lines

    def __str__(self):
        head = f"Step {self.number:<3d}" + "  " * min(self.depth, DEEPEST_INDENT)
        return head + ("\n" + " " * len(head)).join(self.lines())


def _is_close(one, other):
    return (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
            and one.shape == other.shape and np.allclose(one, other, equal_nan=True))


def _is_sum(parts, total):
    arrays = [part.grad for part in parts if isinstance(part.grad, np.ndarray)]
    if len({array.shape for array in arrays}) != 1:
        return False
    with np.errstate(all="ignore"):
        return _is_close(np.asarray(sum(arrays)), total)


class Recorder:
    """Turns every ``apply`` of the outermost traversal of one thread into a Step."""

    def __init__(self, graph, show):
        self.steps = []
        self._graph, self._show = graph, show
        self._thread, self._is_inside = threading.get_ident(), False
        self._waiting = defaultdict(list)  # Vertex -> gradients handed to it, as (object, Handed)
        self._levels = {None: 0}           # frame -> the number of calls that it is deep
        self._callers = []                 # those levels of the calls that led here

    def __call__(self, apply, node, *grads, **options):
        if self._is_inside or threading.get_ident() != self._thread:
            return apply(node, *grads, **options)
        step = self._start(node, grads[0] if grads else None, self._depth(sys._getframe(2)))
        self._is_inside = True
        try:
            result = apply(node, *grads, **options)
            self._finish(step, result)
            return result
        except BaseException as error:
            step.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._is_inside = False
            self._show(step)

    def forget_calls(self):
        """Let go of the engine's frames, which refer to what refers to them."""
        self._levels.clear()

    def _depth(self, frame):
        """How many of the calls of apply so far were made by calls that led to this one.

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
        level = len(self._levels)
        while self._callers and self._callers[-1] >= level:
            self._callers.pop()
        self._callers.append(level)
        return len(self._callers) - 1

    def _start(self, node, grad, depth):
        vertex, received = self._graph.vertex_of(node), array_of(grad)
        if not self.steps:
            self.steps.append(Step(1, 0, None, received))
            self._show(self.steps[0])
        step = Step(len(self.steps) + 1, depth, vertex, received,
                    self._arrived(vertex, grad, received))
        if vertex.tensor is not None:
            step.before = array_of(vertex.tensor.grad)
        self.steps.append(step)
        return step

    def _arrived(self, vertex, grad, received):
        """Which of the gradients that wait for a node this one is: one of them, or their sum."""
        waiting = self._waiting[vertex]
        equal = [pair for pair in waiting if _is_close(pair[1].grad, received)]
        same = [pair for pair in equal if pair[0] is grad]
        if same or equal and not _is_sum([handed for _, handed in waiting], received):
            pair = (same or equal)[0]
            self._waiting[vertex] = [other for other in waiting if other is not pair]
            return [pair[1]]
        return [handed for _, handed in self._waiting.pop(vertex)]

    def _finish(self, step, result):
        vertex = step.vertex
        if vertex.kind == "leaf":
            step.after = None if vertex.tensor is None else array_of(vertex.tensor.grad)
            return
        grads = list(result) if isinstance(result, (tuple, list)) else [result]
        grads += [None] * (len(vertex.parents) - len(grads))
        for position, (parent, grad) in enumerate(zip(vertex.parents, grads)):
            if parent is not None:
                handed = Handed(vertex, position, parent, array_of(grad))
                step.handed.append(handed)
                if parent.kind != "constant" and grad is not None:
                    self._waiting[parent].append((grad, handed))


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
                if apply is not None:
                    cls.apply = apply
                elif "apply" in vars(cls):  # it was inherited
                    del cls.apply


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
    Step 4      c (leaf) received 1
                keeps it: .grad was None, is 1
    Step 5      Add received 1
                hands 1 to Mul
                hands 1 to a
    Step 6        a (leaf) received 1
                  keeps it: .grad was None, is 1
    Step 7        Mul received 1
                  hands 2 to a
                  nothing for b: a constant requires no gradient
    Step 8          a (leaf) received 2
                    keeps it: .grad was 1, is 3
    """
    steps = []

    def show(step):
        steps.append(step)
        print(step)

    record(output, Graph(output, names), show)
    return steps
