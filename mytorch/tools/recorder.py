"""What a backward pass does: the graph behind a tensor, and each step through it.

Both are seen from outside, through what the handout names, so this works beside any engine that
was written to it.  ``Function.apply`` is wrapped when this file is imported, to remember what
operations got; the nodes' own ``apply`` only while a backward pass is recorded.
"""

import functools
import gc
import inspect
import sys
import textwrap
import threading
import weakref
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from mytorch import autograd_engine
from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.tensor import Tensor

MEMORY = "call_of_apply"  # the attribute of an operation's ctx that holds its Call
SMALL = 10000  # elements: smaller arrays are remembered as they are, larger ones weakly
APPLY = vars(Function)["apply"].__func__  # as the engine wrote it


# ---- what operations got

class Argument:
    """What an operation got at one place, as it was then.

    Attributes:
        is_tensor, needed (bool): whether it was a Tensor, and one that requires grad.
        node (node or None): the Tensor's node, if it had one.
        array (np.ndarray or None): the Tensor's array; a large one while somebody else holds it.
        value: the Tensor, or what it was; where it has a node or is large, while somebody else
            holds it, and then None.
    """

    def __init__(self, value):
        self.is_tensor = isinstance(value, Tensor)
        self.node = value.grad_fn if self.is_tensor else None
        self.needed = self.is_tensor and bool(value.requires_grad)
        array = value.data if self.is_tensor else value
        self._array = kept(array) if self.is_tensor else kept(None)
        self._value = kept(value, self.node is not None or np.size(array) > SMALL)

    @property
    def array(self):
        return self._array()

    @property
    def value(self):
        return self._value()


class Call:
    """One call of ``Function.apply``: what went in and, as a function, the array that came out."""

    def __init__(self, operation, args, output):
        self.operation = operation
        self.arguments = [Argument(arg) for arg in args]
        self.result = kept(output.data)
        self.output = kept(output, weakly=True)
        self.returns_argument = any(output is arg for arg in args)

    def name_of(self, argument):
        """What forward calls one of the arguments."""
        names = [name for name, one in inspect.signature(self.operation.forward).parameters.items()
                 if one.kind is not one.VAR_POSITIONAL][1:]
        place = self.arguments.index(argument)
        return names[place] if place < len(names) else f"argument {place + 1}"

    def arguments_of(self, number):
        """The Argument at each of as many entries of next_functions; None where not known."""
        tensors = [argument for argument in self.arguments if argument.is_tensor]
        for known in self.arguments, tensors:  # some engines have no entry for what is no Tensor
            if len(known) == number:
                return known
        return [None] * number


def kept(value, weakly=None):
    """A function that gives a value back; weakly, as long as somebody else holds it, then None."""
    if weakly is None:
        weakly = isinstance(value, np.ndarray) and value.size > SMALL
    try:
        return weakref.ref(value) if weakly else lambda: value
    except TypeError:  # a class with slots
        return lambda: None


def remembering(apply):
    """``Function.apply``, leaving a Call on the ctx of the node that it makes and, where the graph
    ends although it should not, on the output.
    """
    @functools.wraps(apply)
    def apply_and_remember(cls, *args, **options):
        output = apply(cls, *args, **options)
        if isinstance(output, Tensor):
            owners = [getattr(output.grad_fn, "ctx", None)]
            if (output.grad_fn is None or not output.requires_grad) and is_recording() and any(
                    isinstance(arg, Tensor) and arg.requires_grad for arg in args):
                owners.append(output)
            for owner in owners:
                if hasattr(owner, "__dict__"):
                    owner.__dict__[MEMORY] = Call(cls, args, output)
        return output
    return classmethod(apply_and_remember)


def is_recording():
    """Tell whether operations are put into a graph: always, if an engine has no ``no_grad``."""
    return getattr(autograd_engine, "is_recording", lambda: True)()


def call_of(owner):
    """The Call that a ctx or a Tensor remembers, or None."""
    return getattr(owner, "__dict__", {}).get(MEMORY)


Function.apply = remembering(APPLY)


# ---- the graph

@dataclass(eq=False)
class Vertex:
    """A place in the graph."""

    key: object
    kind: str  # "leaf", "operation" or "constant"
    node: object  # the engine's; None for a constant
    tensor: Tensor  # the leaf, the constant or the operation's output; None if it is not known
    name: str = ""
    parents: list = None  # for each argument, the Vertex that it comes from, or None

    @property
    def label(self):
        """Its name or operation or both."""
        if self.kind == "operation":
            return f"{self.name} = {self.operation}" if self.name else self.operation
        return self.name or self.kind

    @property
    def operation(self):
        return getattr(self.node, "function_name", None) or self.node.cls.__name__

    @property
    def call(self):
        """The Call of an operation, or None if it is not known."""
        return call_of(getattr(self.node, "ctx", None))

    def grad(self):
        """A copy of the gradient that a leaf has now."""
        return copy_of(getattr(self.tensor, "grad", None))

    def arguments(self):
        """The Argument at each entry of an operation's next_functions; None where not known."""
        number = len(self.node.next_functions)
        return self.call.arguments_of(number) if self.call else [None] * number

    def argument_names(self):
        """What forward calls each entry of an operation's next_functions; [] if not known."""
        arguments = self.arguments()
        return [] if None in arguments else [self.call.name_of(one) for one in arguments]


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
        key = object() if node is None and tensor is None else key_of(node, tensor)
        vertex = found.setdefault(key, Vertex(key, kind_of(node, tensor), node, tensor,
                                              names.get(key, "")))
        if vertex.tensor is None:
            vertex.tensor = tensor
        return vertex

    to_do = [vertex_of(output.grad_fn, output)]
    while to_do:  # depth first, without recursion
        vertex = to_do[-1]
        if vertex.parents is None:
            vertex.parents = [place and vertex_of(*place) for place in places_of(vertex)]
            to_do += [parent for parent in reversed(vertex.parents) if parent is not None]
        else:
            to_do.pop()
            graph[vertex.key] = vertex
    name_leaves(graph.values())
    return graph


def kind_of(node, tensor):
    if isinstance(node, AccumulateGrad) or node is None and getattr(tensor, "requires_grad", False):
        return "leaf"
    return "constant" if node is None else "operation"


def places_of(vertex):
    """The node and Tensor, as far as they are known, of each argument; None for what is neither."""
    if vertex.kind != "operation":
        return []
    places = []
    for node, argument in zip(vertex.node.next_functions, vertex.arguments()):
        if node is None:
            is_drawn = argument is not None and argument.is_tensor
            places.append((None, argument.value) if is_drawn else None)
        elif getattr(node, "variable", None) is not None:
            places.append((node, node.variable))
        else:
            array = argument and argument.array
            places.append((node, None if array is None else Tensor(array)))
    return places


def name_leaves(vertices):
    """Name what is an attribute of a layer as that, such as "Linear 1.weight"; other leaves get
    numbers.
    """
    places = {id(value): (layer, name) for layer in layers()
              for name, value in vars(layer).items() if isinstance(value, Tensor)}
    unnamed = [vertex for vertex in vertices if vertex.kind != "operation" and not vertex.name]
    owned = [vertex for vertex in unnamed if id(vertex.tensor) in places]
    owners = {}  # of each class the layers, in the order of the graph
    for vertex in owned:
        layer, _ = places[id(vertex.tensor)]
        owners.setdefault(type(layer), {})[id(layer)] = layer
    for vertex in owned:
        layer, name = places[id(vertex.tensor)]
        alike = list(owners[type(layer)])
        number = f" {1 + alike.index(id(layer))}" if len(alike) > 1 else ""
        vertex.name = f"{type(layer).__name__}{number}.{name}"
    leaves = [vertex for vertex in unnamed if vertex.kind == "leaf" and not vertex.name]
    for number, vertex in enumerate(leaves, 1):
        vertex.name = f"leaf {number}"


def layers():
    """All Modules that there are."""
    module = sys.modules.get("mytorch.nn.module")
    return [thing for thing in gc.get_objects()
            if module is not None and issubclass(type(thing), module.Module)]


# ---- the steps

def copy_of(grad):
    """A copy of a gradient as an array; None and what is no gradient stay what they are."""
    grad = grad.data if isinstance(grad, Tensor) else grad
    return np.array(grad) if isinstance(grad, (np.ndarray, np.number, float)) else grad


def class_of(grad):
    """The class of a gradient; that of an array also for NumPy's numbers."""
    for cls, alike in (Tensor, Tensor), (np.ndarray, (np.ndarray, np.generic)):
        if isinstance(grad, alike):
            return cls
    return type(grad)


def is_same(one, other):
    """Tell whether two gradients, as ``copy_of`` gives them, are equal; a NaN is one."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return one is other
    return one.shape == other.shape and bool(((one == other) | (one != one) & (other != other))
                                             .all())


def describe(data):
    """A few numbers as one piece of text; more as their shape, mean and norm."""
    if not isinstance(data, np.ndarray):
        return [str(data)]
    if data.size <= 3:
        return [np.array2string(data, separator=", ", formatter={"float_kind": short}).replace(
            "\n", "")]
    with np.errstate(all="ignore"):
        mean, norm = data.mean(), np.linalg.norm(data)
        tiny = data.dtype.kind == "f" and abs(mean) < np.finfo(data.dtype).eps * norm
        return ["x".join(map(str, data.shape)), f"mean {0 if tiny else mean:.3g}",
                f"norm {norm:.3g}"]


def short(number):
    return f"{0 if abs(number) < 1e-15 else number:.4g}"  # 0.1 + 0.2 - 0.3 is 0


def text_of(data):
    return " ".join(describe(data))


@dataclass(eq=False)
class Step:
    """One call of a node's ``apply``; the first step, the start, has no vertex.

    Attributes:
        received (np.ndarray), handed (list): copies of what it got and gave, an operation's
            gradients of its arguments.
        types (list): the classes of both, the first that of ``received``.
    """

    number: int
    depth: int  # how many calls this one is nested in
    vertex: Vertex
    received: np.ndarray
    types: list
    came: dict = field(default_factory=dict)  # what was received, by (Vertex, index of argument)
    handed: list = ()
    before: np.ndarray = None  # a leaf's .grad
    after: np.ndarray = None
    changed: bool = False  # whether the gradient that it received is another now
    error: Exception = None

    def lines(self):
        """What there is to say."""
        received = text_of(self.received)
        if self.vertex is None:
            return [f"backward() starts with the gradient of the output itself: {received}"]
        lines = [f"{self.vertex.label} received {received}"]
        if len(self.came) > 1:
            grads = textwrap.shorten(", ".join(map(text_of, self.came.values())), 60)
            lines.append(f"it was handed {len(self.came)} gradients: {grads}")
        if self.vertex.kind == "leaf":
            lines.append(f"keeps it: .grad was {text_of(self.before)}, is {text_of(self.after)}")
        for parent, grad in zip(self.vertex.parents, self.handed):
            if parent is not None and parent.kind == "constant":
                lines.append(f"nothing for {parent.label}: a constant requires no gradient")
            elif parent is not None:
                lines.append(f"hands {text_of(grad)} to {parent.label}")
        return lines

    def __str__(self):
        head = f"Step {self.number:<3d}" + "  " * min(self.depth, 20)
        return head + ("\n" + " " * len(head)).join(self.lines())


class Endless(RuntimeError):
    """A node was visited more often than there are paths to it."""


class Recorder:
    """Makes ``steps`` of one thread's outermost traversal, and shows each when it is done."""

    one_at_a_time = threading.RLock()

    def __init__(self, graph, show=lambda step: None):
        self.steps = []
        self._graph, self._show = graph, show
        self._thread, self._is_inside = threading.get_ident(), False
        self._waiting = defaultdict(dict)  # Vertex -> what it was handed, as in Step.came
        self._depths = {None: -1}  # of the calls that called apply and have not returned
        self._left = paths_to(graph)  # how often each Vertex may still be visited

    def record(self, backward):
        """Run a tensor's ``backward``."""
        classes = AccumulateGrad, BackwardFunction
        with self.one_at_a_time:
            originals = [cls.apply for cls in classes]
            try:
                for cls, apply in zip(classes, originals):
                    cls.apply = self._recording(apply)
                backward()
            finally:
                for cls, apply in zip(classes, originals):
                    cls.apply = apply
                self._depths.clear()  # its frames refer to this object

    def _recording(self, apply):
        def apply_and_record(node, *grads, **options):
            vertex = self._graph.get(key_of(node))
            if self._is_inside or threading.get_ident() != self._thread or vertex is None:
                return apply(node, *grads, **options)
            step = self._begin(vertex, [*grads, *options.values()][0], sys._getframe(1))
            self._is_inside = True
            try:
                result = apply(node, *grads, **options)
                self._hand_on(step, result)
                return result
            except Exception as error:
                step.error = error
                raise
            finally:
                self._is_inside = False
                step.after = vertex.grad()
                step.changed = not is_same(copy_of([*grads, *options.values()][0]), step.received)
                self._add(step)
        return apply_and_record

    def _begin(self, vertex, grad, caller):
        received = copy_of(grad)
        if not self.steps:
            self._add(Step(1, 0, None, received, [class_of(grad)]))
        self._left[vertex] -= 1
        if self._left[vertex] < 0:
            raise Endless(f"{vertex.label} is visited again and again, although there are not so "
                          "many paths to it")
        return Step(len(self.steps) + 1, self._depth(caller), vertex, received, [class_of(grad)],
                    self._way(vertex, received), before=vertex.grad())

    def _add(self, step):
        self.steps.append(step)
        self._show(step)

    def _way(self, vertex, received):
        """The latest of what a vertex was handed that is this gradient; if none, all: a sum."""
        waiting = self._waiting[vertex]
        for edge in reversed(waiting):
            if is_same(waiting[edge], received):
                return {edge: waiting.pop(edge)}
        return self._waiting.pop(vertex)

    def _hand_on(self, step, result):
        grads = list(result) if isinstance(result, (tuple, list)) else [result]
        step.handed = [copy_of(grad) for grad in grads]
        step.types += map(class_of, grads)
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


def paths_to(graph):
    """How many paths lead to each Vertex from the output, which is the graph's last."""
    paths = Counter(list(graph.values())[-1:])
    for vertex in reversed(list(graph.values())):
        for parent in filter(None, vertex.parents):
            paths[parent] = min(paths[parent] + paths[vertex], 10 ** 9)  # 2^n of them, for y + y
    return paths


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
        Endless: the engine visits a node without end.

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
    recorder.record(output.backward)
    return recorder.steps
