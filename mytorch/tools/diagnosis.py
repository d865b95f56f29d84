"""Finds the first thing that is wrong with a graph or its backward pass, in any program.

A recording of the pass (``recorder.py``) holds all that is needed: what each operation got, what
its ``backward`` received and handed on, and what arrived where.  Handout: 0.1.4 to 0.1.8.
"""

import copy
import inspect
import linecache
import os
import traceback
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress

import numpy as np

from mytorch import autograd_engine
from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.tensor import Tensor
from mytorch.tools.calls import APPLY, call_of, is_recording
from mytorch.tools.differences import SHOWN, Gone, Repeated, random_gradient
from mytorch.tools.findings import HARMLESS_ALONE, Finding
from mytorch.tools.graph import graph_of
from mytorch.tools.recorder import Endless, Recorder
from mytorch.tools.values import array_of, class_of, copy_of, grads_in, is_numeric, is_same

ALIKE = 20  # calls of one operation on the same shapes that are run again
VISITS = 3  # of a node that are looked at


def diagnose(output, names=None):
    """Run ``output.backward()``, watched, and print the first thing that is wrong with it.

    Looked at are, in this order: the graph that forward left, where the pass starts, each
    operation by itself (what its ``backward`` hands on, against central differences of its own
    ``forward``), and whether what was handed on arrives, once, and is accumulated.  Nothing is
    left behind: gradients, random numbers and classes are as before.  A gradient that is meant to
    be another than that of its forward, such as a straight-through one, is reported; a loop in a
    ``backward`` that does not end is not stopped.

    Args:
        output (Tensor): the tensor to differentiate, such as a loss.
        names (dict): what to call tensors, such as {"a": a, "b": b}.

    Returns:
        Finding or None: the first that is wrong; None where nothing is found.

    Raises:
        TypeError: ``output`` or something with a name is no Tensor.
        RuntimeError: it is called under ``no_grad``.

    >>> a, b = Tensor([1., 2.], requires_grad=True), Tensor([3., 4.], requires_grad=True)
    >>> diagnose((a * b).sum())
    2 operations hand on what their forward implies, 4 gradients arrived where they belong; a \
forward that computes something else than you mean cannot be seen this way.
    """
    found, summary = look_at(output, names)
    print(found[0] if found else summary)
    return found[0] if found else None


def look_at(output, names=None):
    """Return all Findings, the first to be told first, and what to say where there is none."""
    if not is_recording():
        raise RuntimeError("diagnose() runs operations again, in a graph: call it outside of "
                           "no_grad()")
    with nothing_left_behind():
        try:
            graph = graph_of(output, names)
        except ValueError:  # outside any graph
            return lost(output) or [Finding("no grad_fn")], ""
        if lost(output):
            return lost(output), ""
        watched = Pass(output, graph)
        with grads_kept(watched.tensors()):
            watched.run(output.backward)
        with np.errstate(all="ignore"):  # the pass itself has warned
            found = watched.findings()
    return [] if all(one.kind in HARMLESS_ALONE for one in found) else found, watched.summary()


@contextmanager
def nothing_left_behind():
    """Put random numbers and what operations keep on their classes back afterwards."""
    state = np.random.get_state()
    classes = [Function]
    for cls in classes:  # grows while it is walked
        classes += [sub for sub in cls.__subclasses__() if sub not in classes]
    before = [dict(vars(cls)) for cls in classes]
    contents = [(value, copy.copy(value)) for attributes in before
                for value in attributes.values() if type(value) in (list, dict, set, np.ndarray)]
    try:
        yield
    finally:
        np.random.set_state(state)
        for cls, attributes in zip(classes, before):
            for name in [name for name in vars(cls) if name not in attributes]:
                delattr(cls, name)
            for name, value in attributes.items():
                if vars(cls)[name] is not value:
                    setattr(cls, name, value)
        for value, content in contents:
            if isinstance(value, np.ndarray):
                value[...] = content
                continue
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(content)


@contextmanager
def grads_kept(tensors):
    """Let a pass add to copies of the gradients that Tensors have, and put these back."""
    kept = [tensor.grad for tensor in tensors]
    for tensor, grad in zip(tensors, kept):
        tensor.grad = Tensor(copy_of(grad)) if isinstance(grad, Tensor) else copy_of(grad)
    try:
        yield
    finally:
        for tensor, grad in zip(tensors, kept):
            tensor.grad = grad


# ---- where the code is

def place_of(function):
    """Return the file and line of a function, as keywords for a Finding."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return {}
    line = code.co_firstlineno
    while line < code.co_firstlineno + 9 and linecache.getline(
            code.co_filename, line).lstrip().startswith("@"):
        line += 1  # a decorator
    return {"file": code.co_filename, "line": line}


def frames_of(error):
    """Return the code and, as keywords for a Finding, the place of each frame on an error's way."""
    return [(frame.f_code, {"file": frame.f_code.co_filename, "line": line})
            for frame, line in traceback.walk_tb(error.__traceback__)]


def fell_in(error, function):
    """Return the place where a function raised an error or let it pass, or None."""
    return next((place for code, place in frames_of(error)
                 if code is getattr(function, "__code__", None)), None)


def fell_at(error):
    """Return the place where an error fell, outside of NumPy and these tools."""
    others = tuple(os.path.dirname(file) + os.sep for file in (np.__file__, __file__))
    own = [place for _, place in frames_of(error)
           if not place["file"].startswith(others + ("<",)) and place["file"] != __file__]
    return own[-1] if own else {}


# ---- the graph

def lost(tensor):
    """Return Findings where a Tensor has no node although what it came from requires grad."""
    call = call_of(tensor)
    if call is None:
        return []
    for argument in call.arguments:
        earlier = lost(argument.value) or hidden(call, argument)
        if earlier:
            return earlier
    names = [call.name_of(argument) for argument in call.arguments if argument.needed]
    kind = "no node" if tensor.requires_grad else "requires_grad lost"
    return [Finding(kind, call.operation.__name__, name, **place_of(APPLY)) for name in names[:1]]


def hidden(call, argument):
    """Return a Finding where Tensors that require grad come in a list or tuple."""
    return [Finding("hidden in a list", call.operation.__name__, call.name_of(argument),
                    got=type(argument.value).__name__)] * argument.hides


def graph_findings(vertices):
    """Yield what is wrong with the nodes that forward left, the first operation first."""
    order = {vertex: number for number, vertex in enumerate(vertices)}
    lists = Counter(id(vertex.node.next_functions) for vertex in vertices
                    if vertex.kind == "operation" and isinstance(vertex.node.next_functions, list))
    for vertex in vertices:
        if vertex.kind == "operation" and vertex.call:
            parents = vertex.node.next_functions
            yield from call_findings(vertex.call, parents, lists[id(parents)] > 1)
        if any(parent and order[parent] >= order[vertex] for parent in vertex.parents):
            yield Finding("cycle", vertex.operation, **place_of(APPLY))


def call_findings(call, parents, is_shared=False):
    """Yield what is wrong with the next_functions of an operation's node, from what it got."""
    for argument in call.arguments:
        yield from lost(argument.value) or hidden(call, argument)
    name = call.operation.__name__
    if call.returns_argument:
        yield Finding("returns its argument", name, **place_of(call.operation.forward))
    if isinstance(call.result, Tensor):
        yield Finding("data is a Tensor", name)
    tensors = sum(argument.is_tensor for argument in call.arguments)
    if len(parents) > len(call.arguments) or is_shared:
        yield Finding("too many parents", name, expected=len(call.arguments), got=len(parents),
                      **place_of(APPLY))
    elif len(parents) < tensors:
        yield Finding("parents missing", name, expected=tensors, got=len(parents),
                      **place_of(APPLY))
    else:
        wrong = [(parent, argument) for parent, argument
                 in zip(parents, call.arguments_of(len(parents)))
                 if argument is not None and argument.needed and not stands_for(parent, argument)]
        if wrong and all(any(stands_for(parent, argument) for parent, _ in wrong)
                         for _, argument in wrong):
            yield Finding("parents in another order", name, **place_of(APPLY))
            return
        for parent, argument in wrong:
            yield Finding("parent is None" if parent is None else "parent is another", name,
                          call.name_of(argument), got=type(parent).__name__, **place_of(APPLY))


def stands_for(node, argument):
    """Tell whether a node is that of an argument that requires grad."""
    if isinstance(argument.node, AccumulateGrad) or argument.node is None:  # a leaf
        leaf = getattr(node, "variable", argument.value)
        return node is not None and (leaf is argument.value or argument.value is None)
    return node is argument.node


# ---- the pass

class Pass:
    """One backward pass, recorded, and what is wrong with it.

    Args:
        graph (dict): the graph behind ``output``, as ``graph_of`` gives it.
    """

    def __init__(self, output, graph):
        self.output, self.vertices = output, list(graph.values())
        self.root = self.vertices[-1]
        self.operations = [vertex for vertex in self.vertices if vertex.kind == "operation"]
        self.recorder = Recorder(graph)
        self.error = None
        self.compared = some_of_each(self.operations)
        self.recalled = {}  # Vertex -> array, where a large one is not there any more
        self.right = 0  # how many were compared
        self.unseen = defaultdict(dict)  # why others could not be -> their names
        self.of_graph = list(graph_findings(self.vertices))

    def tensors(self):
        """Return all Tensors of the graph that are still there, leaves and others."""
        found = [vertex.tensor for vertex in self.vertices if vertex.kind != "operation"]
        found += [vertex.call.output for vertex in self.operations if vertex.call]
        found += [self.output]
        return list({id(tensor): tensor for tensor in found if tensor is not None}.values())

    def run(self, backward):
        """Run the pass, keeping an error of its own."""
        tensors = self.tensors()
        before = [copy_of(tensor.grad) for tensor in tensors]
        try:
            self.recorder.record(backward)
        except Exception as error:
            self.error = error
        self.steps = self.recorder.steps[1:]
        self.type = self.steps[0].types[0] if self.steps else Tensor  # of all gradients
        self.grads = {id(tensor): (old, tensor.grad, copy_of(tensor.grad))
                      for tensor, old in zip(tensors, before)}

    def summary(self):
        """Say what was looked at and found right."""
        number = len(self.operations)
        several = "s hand on what their" if number != 1 else " hands on what its"
        operations = f"{number} operation{several}"
        if self.right < number:
            operations = f"{self.right} of {number} operations were compared and hand on what their"
        arrived = f"{len(self.steps)} gradients arrived where they belong"
        if len(self.steps) == 1:
            arrived = "1 gradient arrived where it belongs"
        unseen = "".join(f"; {', '.join(names)} could not be looked at ({reason})"
                         for reason, names in self.unseen.items())
        unfinite = "".join(f"; {what} inf or NaN of finite numbers"
                           for what in list(self.not_finite())[:1])
        return (f"{operations} forward implies, {arrived}{unseen}{unfinite}; a forward "
                "that computes something else than you mean cannot be seen this way.")

    def not_finite(self):
        """Yield operations that make inf or NaN of finite numbers."""
        for vertex in self.operations:
            if vertex.call and is_finite(argument.array for argument in vertex.call.arguments) \
                    and not is_finite([vertex.call.result]):
                yield f"{vertex.operation}.forward makes"
        for step in self.steps:
            if is_finite([step.received]) and not is_finite(step.handed):
                yield f"{step.vertex.operation}.backward makes"

    def findings(self):
        """Return all Findings, the first to be told first."""
        self.recall()
        found = [*self.changed_inputs(), *self.of_graph, *self.of_the_start()]
        visits = defaultdict(list)
        for step in self.steps:
            visits[step.vertex].append(step)
        for vertex in sorted(self.operations, key=lambda vertex: (
                visits[vertex][0].number if visits[vertex] else len(self.steps) + 2)):
            found += self.of_operation(vertex, visits[vertex])
        found += self.of_an_error()
        if self.error is None and any(step.vertex.kind == "operation" for step in self.steps):
            found += self.of_the_engine(visits)
        if self.error is None:
            found += self.of_the_gradients(visits)
        return found

    def changed_inputs(self):
        """Yield operations whose forward changes an argument that requires grad."""
        for vertex in self.compared:
            place = None
            try:
                place = self.repeated(vertex).changed()
            except Exception:  # it does not run again: then nothing is known
                continue
            if place is not None:
                call = vertex.call
                yield Finding("input changed", vertex.operation,
                              call.name_of(call.arguments[place]),
                              **place_of(call.operation.forward))

    def of_the_start(self):
        """Yield what is wrong with the first gradient, or where it goes."""
        at = place_of(type(self.output).backward)
        if not self.steps:
            if self.error is None:
                yield Finding("nothing starts", **place_of(autograd_engine.backward))
            return
        first, start = self.steps[0], self.steps[0].received
        shape = np.shape(self.output.data)
        if first.vertex is not self.root:
            yield Finding("starts elsewhere", expected=self.root.label, got=first.vertex.label,
                          **at)
        elif first.types[0] is not Tensor and (self.needs_tensors() or
                                               not isinstance(start, np.ndarray)):
            yield Finding("seed is no Tensor", got=first.types[0].__name__, **at)
        elif start.shape != shape:
            yield Finding("seed's shape", expected=shape, got=start.shape, **at)
        elif (start != 1).any():
            yield Finding("seed's values", expected=np.ones(shape), got=start, **at)

    def needs_tensors(self):
        """Tell whether the first operation takes its gradient as a Tensor, not as an array."""
        def takes(kind):
            try:
                repeated = self.repeated(self.root)
                one = random_gradient(repeated.again.shape)
                return repeated.first_off(one, repeated.handed(kind(one))) is None
            except Exception:  # by what it says or because of another mistake
                return False
        return takes(Tensor) and not takes(np.array)

    def of_operation(self, vertex, steps):
        """Return what is wrong with what an operation receives and hands on."""
        found = [finding for step in steps[:VISITS] for finding in (
            list(self.of_arrival(step)) or list(self.of_step(step)))]
        if vertex.call is None:
            self.is_unseen(vertex, "the node does not keep what it got")
        elif not found and vertex in self.compared and not any(step.error for step in steps):
            try:
                found = list(self.of_numbers(vertex, steps))
            except Gone as reason:
                self.is_unseen(vertex, str(reason))
            except Exception as error:  # forward does not run again, on copies
                self.is_unseen(vertex, f"run again, it raises {type(error).__name__}")
        if found:
            with suppress(Exception):  # backward does not run again
                found = list(self.of_apply(vertex)) or found
        return found

    def is_unseen(self, vertex, reason):
        self.unseen[reason].setdefault(vertex.operation)

    def of_apply(self, vertex):
        """Yield whether a node hands on something else than its operation's backward returns."""
        repeated = self.repeated(vertex)
        gradient = self.as_gradient(random_gradient(repeated.again.shape))
        handed = repeated.handed(gradient)
        returned = repeated.handed(Tensor(array_of(gradient)), directly=True)
        for place in repeated.wanted:
            got, expected = (grads[place] if place < len(grads) else None
                             for grads in (handed, returned))
            if expected is not None and not is_same(got, expected):
                yield Finding("apply hands another", vertex.operation,
                              vertex.call.name_of(vertex.call.arguments[place]),
                              expected=expected, got=got, **place_of(BackwardFunction.apply))
                return

    def of_arrival(self, step):
        """Yield what is wrong with the gradient that an operation receives."""
        vertex, received = step.vertex, step.received
        if vertex is self.root or received is None:
            return
        at = place_of(autograd_engine.backward)
        if step.types[0] is not self.type:
            yield Finding("no Tensor arrives", vertex.operation, got=step.types[0].__name__, **at)
            return
        result = vertex.call and vertex.call.result
        if result is not None and np.shape(received) != np.shape(result):
            yield Finding("shape that arrives", vertex.operation, expected=np.shape(result),
                          got=np.shape(received), **at)

    def of_step(self, step):
        """Yield what is wrong with what an operation hands on, but for the numbers."""
        vertex, backward = step.vertex, step.vertex.backward
        at, handed, types = place_of(backward), step.handed, step.types[1:]
        if step.error is not None and not isinstance(step.error, Endless):
            if backward is None or fell_in(step.error, backward):
                return
            try:  # what it returned before the engine refused it
                result = backward(vertex.node.ctx, Tensor(step.received))
            except Exception:
                return
            grads = grads_in(result)
            handed, types = [copy_of(grad) for grad in grads], [class_of(grad) for grad in grads]
        elif step.changed:
            yield Finding("changes its gradient", vertex.operation, **at)
        if step.received is None:
            return
        arguments = vertex.arguments()
        wanted = [place for place, (argument, parent) in enumerate(zip(arguments, vertex.parents))
                  if argument and argument.needed and parent]
        if wanted and len(handed) <= wanted[-1] and any(grad is not None for grad in handed):
            yield Finding("too few gradients", vertex.operation, expected=len(arguments),
                          got=len(handed), **at)
        elif any(grad is not None for grad in handed[len(arguments):]):
            yield Finding("too many gradients", vertex.operation, expected=len(arguments),
                          got=len(handed), **at)
        for place in wanted:
            grad = handed[place] if place < len(handed) else None
            array = self.array_at(arguments[place], vertex.parents[place])
            one = dict(at, operation=vertex.operation,
                       argument=vertex.call.name_of(arguments[place]))
            if grad is None:
                yield Finding("gradient is None", **one)
            elif types[place] is not self.type and self.goes_on_as_it_is(vertex.parents[place]):
                yield Finding("gradient is no Tensor", got=types[place].__name__, **one)
            elif array is not None and np.shape(grad) != np.shape(array):
                yield Finding("gradient's shape", expected=np.shape(array), got=np.shape(grad),
                              **one)
            elif not is_numeric(grad):
                yield Finding("gradient's dtype", got=getattr(grad, "dtype", types[place].__name__),
                              **one)

    def goes_on_as_it_is(self, parent):
        """Tell whether what was handed to a node is not made a Tensor on its way there."""
        return self.error is not None or any(
            step.vertex is parent and step.types[0] is not self.type for step in self.steps)

    def of_numbers(self, vertex, steps):
        """Yield where gradients are not what differences of forward say; the first of them."""
        call, repeated = vertex.call, self.repeated(vertex)
        if not repeated.is_repeatable():
            raise Gone("forward gives something else each time")
        seen = [step for step in steps[:VISITS] if step.handed and step.received is not None]
        is_as_recorded = call.result is not None and repeated.is_as_recorded()
        another, near = random_gradient(repeated.again.shape), repeated.moved()
        near_off = near.first_off(another, near.handed(self.as_gradient(another)))
        for step in seen if is_as_recorded else ():
            handed = step.handed
            if self.is_handed_again(repeated, step):  # by itself, it is looked at in float64
                handed = near_off and repeated.handed(self.as_gradient(step.received))
            off = handed and repeated.first_off(step.received, handed)
            if off:
                yield number_finding("value", vertex, off)
                return
        if near_off:
            place = near_off[0]
            again = repeated.handed(self.as_gradient(another))[place] if seen else None
            is_alike = any(is_same(step.handed[place], again) for step in seen)
            yield number_finding("factor" if is_alike else "random", vertex, near_off)
            return
        if not is_as_recorded and call.is_all_there and repeated.is_repeatable(seed=1):
            raise Gone("run again, it gives something else than it gave: was an array written into "
                       "since?")
        self.right += 1

    def is_handed_again(self, repeated, step):
        """Tell whether a new node hands on the same: not where classes keep what nodes should."""
        handed = repeated.handed(self.as_gradient(step.received), repeated.own)
        return len(handed) == len(step.handed) and all(
            one is other or is_close(one, other) for one, other in zip(handed, step.handed))

    def as_gradient(self, array):
        """Return an array as this engine has its gradients."""
        return Tensor(array) if self.type is Tensor else array

    def repeated(self, vertex):
        """Return a vertex' call, to be run again."""
        arrays = {id(argument): self.array_at(argument, parent) for argument, parent
                  in zip(vertex.arguments(), vertex.parents)}
        return Repeated(vertex.call, [arrays.get(id(argument), argument.array)
                                      for argument in vertex.call.arguments])

    def array_at(self, argument, parent):
        """Return the array that an operation got from a parent."""
        return self.recalled.get(parent) if argument.array is None else argument.array

    def recall(self):
        """Compute again what large arrays of the graph are not there any more."""
        for vertex in self.operations:
            if vertex.call and vertex.call.result is None:
                with suppress(Exception):  # then it is not known
                    self.recalled[vertex] = self.repeated(vertex).as_it_was

    def of_an_error(self):
        """Yield where the pass ended by an error, and by which."""
        if self.error is None:
            return
        last = self.steps[-1] if self.steps else None
        got = f"{type(self.error).__name__}: {self.error}"
        if isinstance(self.error, Endless):
            vertex = last.vertex if last else self.root
            yield Finding("visited too often", vertex.label, **place_of(autograd_engine.backward))
        elif last and last.error is self.error and last.vertex.kind == "operation":
            backward = last.vertex.backward
            fell = fell_at(self.error)
            at = fell_in(self.error, backward) or fell
            if at != fell and fell:
                got += f" ({os.path.basename(fell['file'])}:{fell['line']})"
            yield Finding("error", last.vertex.operation, got=f"{got}, in step {last.number}", **at)
        else:
            yield Finding("error in the engine", got=got, **fell_at(self.error))

    def of_the_engine(self, visits):
        """Yield each node where something else arrives than what was handed to it."""
        handed = defaultdict(list)
        for step in self.steps:
            for parent, grad in zip(step.vertex.parents, step.handed):
                if parent is not None and parent.kind != "constant" and is_numeric(grad):
                    handed[parent].append(grad)
        at = place_of(autograd_engine.backward)
        for vertex in reversed(self.vertices):
            arrived = [step.received for step in visits[vertex] if is_numeric(step.received)]
            if vertex is self.root or vertex.kind == "constant" or not handed[vertex]:
                continue
            expected = sum(handed[vertex])
            if not arrived:
                yield Finding("nothing arrives", vertex.label, expected=expected, **at)
            elif not is_close(sum(arrived), expected):
                yield Finding("another arrives", vertex.label,
                              **first_different(expected, sum(arrived)), **at)

    def of_the_gradients(self, visits):
        """Yield each leaf that does not keep what arrives, and what else keeps a gradient."""
        at = place_of(AccumulateGrad.apply)
        leaves = [vertex for vertex in self.vertices if vertex.kind == "leaf"
                  and vertex.tensor is not None and vertex.tensor.requires_grad]
        for number, leaf in enumerate(leaves):
            before, grad, after = self.grads[id(leaf.tensor)]
            arrived = [step.received for step in visits[leaf] if is_numeric(step.received)]
            shared = [other for other in leaves[:number]
                      if shares_memory(grad, self.grads[id(other.tensor)][1])]
            if shared and adds_in_place():
                yield Finding("gradients share memory", argument=leaf.label, got=shared[0].label,
                              **at)
            if not is_by_apply_alone(visits[leaf], before, after):
                yield Finding("written elsewhere", argument=leaf.label)
            elif arrived:
                expected = sum(arrived) + (0 if before is None else before)
                yield from of_a_leaf(leaf, expected, after, at)
            if class_of(grad) not in (Tensor, type(None), self.type):
                yield Finding("grad is no Tensor", argument=leaf.label, got=class_of(grad).__name__,
                              **at)
        known = {id(leaf.tensor) for leaf in leaves}
        for tensor in self.tensors():
            before, _, after = self.grads[id(tensor)]
            if id(tensor) not in known and not is_same(before, after) and np.any(after):
                name = next((vertex.label for vertex in self.vertices if vertex.tensor is tensor),
                            getattr(getattr(tensor, "grad_fn", None), "function_name", "a tensor"))
                what = "an intermediate result" if tensor.requires_grad else "a constant"
                yield Finding("a gradient too many", argument=name, got=what, **at)


def number_finding(kind, vertex, off):
    """Return what Repeated.first_off found as a Finding."""
    place, index, expected, got = off
    return Finding(kind, vertex.operation, vertex.call.name_of(vertex.call.arguments[place]),
                   expected=expected, got=got, index=index, **place_of(vertex.backward))


def is_by_apply_alone(steps, before, after):
    """Tell whether a leaf's gradient changed in its node's visits and at no other time."""
    for step in steps:
        if not is_same(step.before, before):
            return False
        before = step.after
    return is_same(after, before)


def some_of_each(operations):
    """Return the Vertices of known calls; of many alike, on the same shapes, some at each depth."""
    alike = defaultdict(list)
    for vertex in operations:
        if vertex.call:
            shapes = [np.shape(argument.array) for argument in vertex.call.arguments]
            alike[(vertex.call.operation, *shapes)].append(vertex)
    return [vertices[number] for vertices in alike.values() for number in sorted(
        set(np.linspace(0, len(vertices) - 1, ALIKE).astype(int)))]


def of_a_leaf(leaf, expected, after, at):
    """Yield what is wrong with the gradient that a leaf has after the pass."""
    data = np.asarray(leaf.tensor.data)
    if not is_close(after, expected):
        yield Finding("not accumulated", argument=leaf.label, **first_different(expected, after),
                      **at)
    elif np.shape(after) != data.shape:
        yield Finding("leaf's shape", argument=leaf.label, expected=data.shape,
                      got=np.shape(after), **at)
    elif data.dtype.kind == "f" and np.asarray(after).dtype != data.dtype:
        yield Finding("leaf's dtype", argument=leaf.label, expected=data.dtype,
                      got=np.asarray(after).dtype, **at)


def is_close(got, expected):
    """Tell whether two gradients agree as sums in another order do; of other shapes, they may."""
    if not is_numeric(got):
        return False
    if np.shape(got) != np.shape(expected):
        return True  # a shape is looked at by itself
    return not is_off(got, expected).any()


def is_off(got, expected):
    """Tell of each element whether it is another, in another order of summation too."""
    finite = np.asarray(expected)[np.isfinite(expected)]
    return ~np.isclose(got, expected, 1e-4, 1e-6 * max(1, np.abs(finite).max(initial=0)),
                       equal_nan=True)


def first_different(expected, got):
    """Return two gradients, if they are large the first element that differs, for a Finding."""
    if np.size(expected) <= SHOWN or np.shape(got) != np.shape(expected):
        return {"expected": expected, "got": got}
    index = tuple(np.argwhere(is_off(got, expected))[0].tolist())
    return {"expected": expected[index], "got": got[index], "index": index}


def is_finite(arrays):
    """Tell whether arrays hold no inf and no NaN; what is no array of floats holds none."""
    return all(np.isfinite(array).all() for array in arrays
               if isinstance(array, np.ndarray) and array.dtype.kind == "f")


def shares_memory(one, other):
    """Tell whether two gradients, Tensors or arrays, share an array."""
    arrays = [array_of(one), array_of(other)]
    return all(isinstance(array, np.ndarray) for array in arrays) and np.shares_memory(*arrays)


def adds_in_place():
    """Tell whether AccumulateGrad adds to the very array that arrived first."""
    leaf, first = Tensor(np.zeros(2), requires_grad=True), Tensor(np.ones(2))
    node = AccumulateGrad(leaf)
    node.apply(first)
    node.apply(Tensor(np.ones(2)))
    return bool((np.asarray(first.data) != 1).any())
