"""What a backward pass does: the graph behind a tensor, and each step through it.

Both are seen from outside, through what the handout names, so this works beside any engine that
was written to it.  ``Function.apply`` is wrapped when this file is imported, to remember
arguments; the nodes' own ``apply`` only while a backward pass is recorded.
"""

import functools
import sys
import textwrap
import threading
import weakref
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.tensor import Tensor

MEMORY = "arguments_of_apply"  # the attribute of an operation's ctx that holds them
FORGOTTEN = object()
SMALL = 10000  # elements: smaller arrays are remembered as they are, larger ones weakly


def _remembering(apply):
    @functools.wraps(apply)
    def apply_and_remember(cls, *args, **options):
        output = apply(cls, *args, **options)
        ctx = getattr(getattr(output, "grad_fn", None), "ctx", None)
        if hasattr(ctx, "__dict__"):
            ctx.__dict__[MEMORY] = [_kept(arg) for arg in args]
        return output
    return classmethod(apply_and_remember)


def _kept(arg):
    """What to remember of an argument: of what has a node its array, else itself; if that is
    large, only as long as somebody else holds it.
    """
    arg = arg if getattr(arg, "grad_fn", None) is None else arg.data
    array = arg.data if isinstance(arg, Tensor) else arg
    return weakref.ref(arg) if isinstance(array, np.ndarray) and array.size > SMALL else arg


Function.apply = _remembering(vars(Function)["apply"].__func__)


# ---- the graph

@dataclass(eq=False)
class Vertex:
    """A place in the graph."""

    kind: str  # "leaf", "operation" or "constant"
    label: str  # its name or operation or both
    node: object  # the engine's; None for a constant
    tensor: Tensor  # the leaf, the constant or the operation's output; None if it is not known
    parents: list = None  # for each argument, the Vertex that it comes from, or None

    def grad(self):
        """A copy of the gradient that a leaf has now."""
        return copy_of(getattr(self.tensor, "grad", None))


def key_of(node, tensor=None):
    """What identifies a place: a leaf or a constant itself, an operation's node."""
    place = tensor if node is None else getattr(node, "variable", None)
    return id(node if place is None else place)


def graph_of(output, names=None):
    """The graph behind a tensor: a dict from keys to Vertices, each after its parents.

    Raises:
        TypeError: ``output`` or something with a name is no Tensor.
        ValueError: ``output`` is outside any graph.
    """
    names = names or {}
    for tensor in [output, *names.values()]:
        if not isinstance(tensor, Tensor):
            raise TypeError('a graph and its names, such as {"a": a}, belong to Tensors; got '
                            f"{type(tensor).__name__}")
    if not output.requires_grad:
        raise ValueError("this tensor is outside any graph: nothing it was computed from "
                         "requires grad")
    names = {key_of(tensor.grad_fn, tensor): str(name) for name, tensor in names.items()}
    found, graph = {}, {}

    def vertex_of(node, tensor):
        if node is None and tensor is None:
            return None
        if tensor is FORGOTTEN:
            return Vertex("constant", "constant", None, None)
        key = key_of(node, tensor)
        if key not in found:
            found[key] = _new_vertex(node, tensor, names.get(key))
        elif found[key].tensor is None:
            found[key].tensor = tensor
        return found[key]

    to_do = [vertex_of(output.grad_fn, output)]
    while to_do:  # depth first, without recursion
        vertex = to_do[-1]
        if vertex.parents is None:
            vertex.parents = [vertex_of(node, arg) for node, arg in _arguments(vertex.node)]
            to_do += [parent for parent in reversed(vertex.parents) if parent is not None]
        else:
            known = vertex.node is not None or vertex.tensor is not None
            graph[key_of(vertex.node, vertex.tensor) if known else id(vertex)] = to_do.pop()
    for number, leaf in enumerate([v for v in graph.values() if v.label is None], 1):
        leaf.label = f"leaf {number}"
    return graph


def _new_vertex(node, tensor, name):
    if isinstance(node, AccumulateGrad):
        return Vertex("leaf", name, node, node.variable)
    if node is None and tensor.requires_grad:  # a leaf that went into no operation
        return Vertex("leaf", name, node, tensor)
    if node is None:
        return Vertex("constant", name or "constant", node, tensor)
    operation = getattr(node, "function_name", None) or node.cls.__name__
    return Vertex("operation", f"{name} = {operation}" if name else operation, node, tensor)


def _arguments(node):
    """The node of each argument of an operation, and a Tensor of its value if it is known."""
    nodes = list(getattr(node, "next_functions", ()))
    args = getattr(getattr(node, "ctx", None), MEMORY, ())
    args = args if len(args) == len(nodes) else [None] * len(nodes)
    args = [_recalled(node, arg) for node, arg in zip(nodes, args)]
    args = [Tensor(arg) if node is not None and isinstance(arg, (np.ndarray, np.number)) else arg
            for node, arg in zip(nodes, args)]
    return [(node, arg if isinstance(arg, Tensor) or arg is FORGOTTEN else None)
            for node, arg in zip(nodes, args)]


def _recalled(node, arg):
    """A remembered argument; of a large constant that is gone, that there was one."""
    if not isinstance(arg, weakref.ref):
        return arg
    alive = arg()
    return FORGOTTEN if alive is None and node is None else alive


# ---- the steps

def copy_of(grad):
    """A copy of a gradient as an array; None and what is no gradient stay what they are."""
    grad = grad.data if isinstance(grad, Tensor) else grad
    return np.array(grad) if isinstance(grad, (np.ndarray, np.number, float)) else grad


def describe(data):
    """A few numbers as one piece of text; more as their shape, mean and norm."""
    if not isinstance(data, np.ndarray):
        return [str(data)]
    if data.size <= 3:
        return [np.array2string(data, separator=", ", formatter={
            "float_kind": lambda number: f"{number:.4g}"}).replace("\n", "")]
    with np.errstate(all="ignore"):
        return ["x".join(map(str, data.shape)), f"mean {data.mean():.3g}",
                f"norm {np.linalg.norm(data):.3g}"]


def _text(data):
    return " ".join(describe(data))


@dataclass(eq=False)
class Step:
    """One call of a node's ``apply``; the first step, the start, has no vertex."""

    number: int
    depth: int  # how many calls this one is nested in
    vertex: Vertex
    received: np.ndarray
    came: dict = field(default_factory=dict)  # what was received, by (Vertex, index of argument)
    handed: list = ()  # an operation's gradients of its arguments
    before: np.ndarray = None  # a leaf's .grad
    after: np.ndarray = None

    def lines(self):
        """What there is to say."""
        received = _text(self.received)
        if self.vertex is None:
            return [f"backward() starts with the gradient of the output itself: {received}"]
        lines = [f"{self.vertex.label} received {received}"]
        if len(self.came) > 1:
            grads = textwrap.shorten(", ".join(map(_text, self.came.values())), 60)
            lines.append(f"it was handed {len(self.came)} gradients: {grads}")
        if self.vertex.kind == "leaf":
            lines.append(f"keeps it: .grad was {_text(self.before)}, is {_text(self.after)}")
        for parent, grad in zip(self.vertex.parents, self.handed):
            if parent is not None and parent.kind == "constant":
                lines.append(f"nothing for {parent.label}: a constant requires no gradient")
            elif parent is not None:
                lines.append(f"hands {_text(grad)} to {parent.label}")
        return lines

    def __str__(self):
        head = f"Step {self.number:<3d}" + "  " * min(self.depth, 20)
        return head + ("\n" + " " * len(head)).join(self.lines())


class Recorder:
    """Makes ``steps`` of one thread's outermost traversal, and shows each when it is done."""

    one_at_a_time = threading.RLock()

    def __init__(self, graph, show):
        self.steps = []
        self._graph, self._show = graph, show
        self._thread, self._is_inside = threading.get_ident(), False
        self._waiting = defaultdict(dict)  # Vertex -> what it was handed, as in Step.came
        self._depths = {None: -1}  # of the calls that called apply and have not returned

    def record(self, output):
        """Run ``output.backward()``."""
        classes = AccumulateGrad, BackwardFunction
        with self.one_at_a_time:
            originals = [cls.apply for cls in classes]
            try:
                for cls, apply in zip(classes, originals):
                    cls.apply = self._recording(apply)
                output.backward()
            finally:
                for cls, apply in zip(classes, originals):
                    cls.apply = apply
                self._depths.clear()  # its frames refer to this object

    def _recording(self, apply):
        def apply_and_record(node, *grads, **options):
            vertex = self._graph.get(key_of(node))
            if self._is_inside or threading.get_ident() != self._thread or vertex is None:
                return apply(node, *grads, **options)
            received = copy_of([*grads, *options.values()][0])
            if not self.steps:
                self._add(Step(1, 0, None, received))
            step = Step(len(self.steps) + 1, self._depth(sys._getframe(1)), vertex, received,
                        self._way(vertex, received), before=vertex.grad())
            self._is_inside = True
            try:
                result = apply(node, *grads, **options)
                self._hand_on(step, result)
                return result
            finally:
                self._is_inside = False
                step.after = vertex.grad()
                self._add(step)
        return apply_and_record

    def _add(self, step):
        self.steps.append(step)
        self._show(step)

    def _way(self, vertex, received):
        """The latest of what a vertex was handed that is this gradient; if none, all: a sum."""
        waiting = self._waiting[vertex]
        for edge in reversed(waiting):
            if np.array_equal(waiting[edge], received):
                return {edge: waiting.pop(edge)}
        return self._waiting.pop(vertex)

    def _hand_on(self, step, result):
        grads = result if isinstance(result, (tuple, list)) else [result]
        step.handed = [copy_of(grad) for grad in grads]
        for index, (parent, grad) in enumerate(zip(step.vertex.parents, step.handed)):
            if grad is not None:
                self._waiting[parent][step.vertex, index] = grad

    def _depth(self, caller):
        """How many of the calls that led to the caller's have called ``apply`` themselves."""
        frame = caller
        while frame not in self._depths:
            frame = frame.f_back
        while len(self._depths) > self._depths[frame] + 2:
            self._depths.popitem()  # it has returned
        return self._depths.setdefault(caller, len(self._depths) - 1)


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
        TypeError, ValueError: as ``graph_of``.

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
    recorder = Recorder(graph_of(output, names), print)
    recorder.record(output)
    return recorder.steps
