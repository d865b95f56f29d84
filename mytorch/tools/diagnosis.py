"""Finds the first thing that is wrong with a graph or its backward pass, in any program.

A recording of the pass (``recorder.py``) holds all that is needed: what each operation got, what
its ``backward`` received and handed on, and what arrived where.  Handout: 0.1.4 to 0.1.8.
"""

import os
from collections import defaultdict
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from itertools import zip_longest

import numpy as np

from mytorch import autograd_engine
from mytorch.autograd_engine import AccumulateGrad, BackwardFunction
from mytorch.tensor import Tensor
from mytorch.tools.calls import is_recording
from mytorch.tools.comparison import VISITS, Comparison, nothing_left_behind
from mytorch.tools.differences import SHOWN
from mytorch.tools.findings import HARMLESS_ALONE, Finding
from mytorch.tools.graph import graph_of
from mytorch.tools.links import graph_findings, lost
from mytorch.tools.places import fell_at, fell_in, place_of
from mytorch.tools.recorder import Endless, Recorder
from mytorch.tools.values import (array_of, class_of, copy_of, grads_in, is_finite, is_numeric,
                                  is_same, is_sum)


def diagnose(output, names=None):
    """Run ``output.backward()``, watched, and print the first thing that is wrong with it.

    Looked at are, in this order: the graph that forward left, where the pass starts, each
    operation by itself (what its ``backward`` hands on, against central differences of its own
    ``forward``), and whether what was handed on arrives, once, and is accumulated.  Nothing is
    left behind: gradients, random numbers and classes are as before.  A gradient that is meant to
    be another than that of its forward, such as a straight-through one, is reported; a loop
    that does not end is stopped by ``trace``, not here.

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
    if all(one.kind in HARMLESS_ALONE for one in found):
        return [], watched.summary()
    return found, ""


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
        number, right = len(self.operations), self.comparison.right
        several = "s hand on what their" if number != 1 else " hands on what its"
        operations = f"{number} operation{several}"
        if right < number:
            operations = f"{right} of {number} operations were compared and hand on what their"
        arrived = f"{len(self.steps)} gradients arrived where they belong"
        if len(self.steps) == 1:
            arrived = "1 gradient arrived where it belongs"
        unseen = "".join(f"; {', '.join(names)} could not be looked at ({reason})"
                         for reason, names in self.comparison.unseen.items())
        unfinite = next(self.not_finite(), "")
        return (f"{operations} forward implies, {arrived}{unseen}{unfinite}; a forward "
                "that computes something else than you mean cannot be seen this way.")

    def not_finite(self):
        """Yield operations that make inf or NaN of finite numbers."""
        for vertex in self.operations:
            if vertex.call and is_finite(argument.array for argument in vertex.call.arguments) \
                    and not is_finite([vertex.call.result]):
                yield f"; {vertex.operation}.forward makes inf or NaN of finite numbers"
        for step in self.steps:
            if is_finite([step.received]) and not is_finite(step.handed):
                yield f"; {step.vertex.operation}.backward makes inf or NaN of finite numbers"

    def findings(self):
        """Return all Findings, the first to be told first."""
        self.comparison = Comparison(self.operations, self.type)
        found = [*self.comparison.changed_inputs(), *self.of_graph, *self.of_the_start()]
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
        elif first.types[0] is not Tensor and (not isinstance(start, np.ndarray) or
                                               self.comparison.needs_tensors(self.root)):
            yield self.of_the_seed()
        elif start.shape != shape:
            yield Finding("seed's shape", expected=shape, got=start.shape, **at)
        elif (start != 1).any():
            yield Finding("seed's values", expected=np.ones(shape), got=start, **at)

    def of_the_seed(self):
        return Finding("seed is no Tensor", got=self.type.__name__,
                       **place_of(type(self.output).backward))

    def of_operation(self, vertex, steps):
        """Return what is wrong with what an operation receives and hands on."""
        found = [finding for step in steps[:VISITS] for finding in (
            list(self.of_arrival(step)) or list(self.of_step(step)))]
        found = found or self.comparison.findings(vertex, steps)
        if found and found[0].kind != "input changed":
            with suppress(Exception):  # backward does not run again
                found = list(of_apply(vertex, steps[:VISITS], self.comparison.as_gradient)) or found
        return found

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
                if self.is_right_exchanged(step):
                    yield Finding("in another order", vertex.operation, **at)
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
            array = self.comparison.array_at(arguments[place], vertex.parents[place])
            one = dict(at, operation=vertex.operation,
                       argument=vertex.call.name_of(arguments[place]))
            if grad is None:
                yield Finding("gradient is None", **one)
            elif types[place] is not self.type and self.goes_on_as_it_is(vertex.parents[place]):
                yield (Finding("gradient is no Tensor", got=types[place].__name__, **one)
                       if types[place] is not Tensor else self.of_the_seed())
            elif array is not None and np.shape(grad) != np.shape(array):
                yield self.of_shape(step, place, np.shape(array), np.shape(grad), one)
            elif not is_numeric(grad):
                yield Finding("gradient's dtype", got=getattr(grad, "dtype", types[place].__name__),
                              **one)

    def of_shape(self, step, place, expected, got, one):
        """Return why an operation hands a gradient of another shape to its argument at a place."""
        if self.is_right_exchanged(step):
            return Finding("in another order", **one)
        with suppress(Exception):  # it does not run again
            alone = self.comparison.repeated(step.vertex).handed(
                self.comparison.as_gradient(step.received))[place]
            if np.shape(alone) == expected:
                return Finding("kept elsewhere", expected=f"one of shape {expected}",
                               got=f"a gradient of shape {got}", **one)
        kind = "gradient not summed" if is_broadcast(expected, got) else "gradient's shape"
        return Finding(kind, expected=expected, got=got, **one)

    def is_right_exchanged(self, step):
        """Tell whether all gradients have the right shapes if what was saved comes reversed."""
        with suppress(Exception):  # it does not run, or saves nothing
            ctx, arguments = copy(step.vertex.node.ctx), step.vertex.call.arguments
            if len(ctx.saved_tensors) < 2:
                return False
            ctx.saved_tensors = ctx.saved_tensors[::-1]
            grads = grads_in(step.vertex.backward(ctx, self.comparison.as_gradient(step.received)))
            return all(np.shape(copy_of(grad)) == np.shape(argument.array)
                       for grad, argument in zip(grads, arguments) if grad is not None)
        return False

    def goes_on_as_it_is(self, parent):
        """Tell whether what was handed to a node is not made a Tensor on its way there."""
        return self.error is not None or any(
            step.vertex is parent and step.types[0] is not self.type for step in self.steps)

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
            if not arrived:
                yield Finding("nothing arrives", vertex.label, expected=sum(handed[vertex]), **at)
            else:
                terms = handed[vertex]
                off = first_different(sum(arrived), terms)
                is_one = len(terms) > 1 and any(is_same(sum(arrived), term) for term in terms)
                if off:
                    yield Finding("one of several arrives" if is_one else "another arrives",
                                  vertex.label, **off, **at)

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
                terms = arrived + [before] * is_numeric(before)
                yield from of_a_leaf(leaf, terms, after, at)
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


def is_by_apply_alone(steps, before, after):
    """Tell whether a leaf's gradient changed in its node's visits and at no other time."""
    for step in steps:
        if not is_same(step.before, before):
            return False
        before = step.after
    return is_same(after, before)


def of_a_leaf(leaf, terms, after, at):
    """Yield what is wrong with the gradient that a leaf has after the pass."""
    data = np.asarray(leaf.tensor.data)
    off = first_different(after, terms)
    if off:
        yield Finding("not accumulated", argument=leaf.label, **off, **at)
    elif np.shape(after) != data.shape:
        yield Finding("leaf's shape", argument=leaf.label, expected=data.shape,
                      got=np.shape(after), **at)
    elif data.dtype.kind == "f" and np.asarray(after).dtype.name != data.dtype.name:
        yield Finding("leaf's dtype", argument=leaf.label, expected=data.dtype,
                      got=np.asarray(after).dtype, **at)


def of_apply(vertex, steps, as_gradient):
    """Yield whether a node hands on something else than its operation's backward returns.

    If its apply does not do so any more, the operation keeps something elsewhere than in ctx.
    """
    for step in (step for step in steps if step.error is None):
        grads, again = (list(map(copy_of, grads_in(run(as_gradient(step.received)))))
                        for run in (partial(vertex.backward, vertex.node.ctx), vertex.node.apply))
        for place, (grad, got, later) in enumerate(zip_longest(grads, step.handed, again)):
            if is_numeric(grad) and vertex.parents[place] and not is_same(got, grad):
                is_by_apply = not is_same(grad, later)
                yield Finding("apply hands another" if is_by_apply else "kept elsewhere",
                              vertex.operation, vertex.call.name_of(vertex.arguments()[place]),
                              expected=grad, got=got, **place_of(
                                  BackwardFunction.apply if is_by_apply else vertex.backward))
                return


def first_different(got, terms):
    """Return, for a Finding, a gradient that is not the sum of terms; {} if it is.

    Of large ones it is the first element that differs.  A shape is looked at by itself.
    """
    expected = sum(terms)
    if is_numeric(got) and np.shape(got) != np.shape(expected):
        return {}
    is_right = is_numeric(got) and is_sum(got, terms)
    if np.all(is_right):
        return {}
    if not is_numeric(got) or np.size(got) <= SHOWN:
        return {"expected": expected, "got": got}
    index = tuple(np.argwhere(~is_right)[0].tolist())
    return {"expected": expected[index], "got": got[index], "index": index}


def is_broadcast(shape, other):
    """Tell whether one shape can be broadcast to the other."""
    return len(shape) <= len(other) and all(
        own in (1, wide) for own, wide in zip(shape[::-1], other[::-1]))


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
