"""Holds each operation of a graph against differences of its own ``forward``, by itself."""

import copy
import random
from collections import defaultdict
from contextlib import contextmanager, suppress

import numpy as np

from mytorch.autograd_engine import ContextManager, Function
from mytorch.tensor import Tensor
from mytorch.tools.differences import Gone, Repeated, random_gradient
from mytorch.tools.findings import Finding
from mytorch.tools.places import place_of
from mytorch.tools.values import is_numeric, is_same

ALIKE = 20  # calls of one operation on the same shapes that are run again
VISITS = 3  # of a node that are looked at
TIMES = 50  # that a forward has to repeat itself before it is told: it may throw a coin


@contextmanager
def nothing_left_behind():
    """Put random numbers and what operations keep on their classes back afterwards."""
    state, other_state = np.random.get_state(), random.getstate()
    classes = [Function, ContextManager]
    for cls in classes:  # grows while it is walked
        classes += [sub for sub in cls.__subclasses__() if sub not in classes]
    before = [dict(vars(cls)) for cls in classes]
    contents = [(value, copy.copy(value)) for attributes in before
                for value in attributes.values() if type(value) in (list, dict, set, np.ndarray)]
    try:
        yield
    finally:
        np.random.set_state(state)
        random.setstate(other_state)
        for cls, attributes in zip(classes, before):
            for name in [name for name in vars(cls) if name not in attributes]:
                delattr(cls, name)
            for name, value in attributes.items():
                if vars(cls).get(name, cls) is not value:
                    setattr(cls, name, value)
        for value, content in contents:
            if isinstance(value, np.ndarray):
                if not is_same(value, content):
                    value[...] = content
            else:
                value.clear()
                (value.extend if isinstance(value, list) else value.update)(content)


class Comparison:
    """Runs the operations of a graph again, and finds those that hand on something wrong.

    Args:
        operations (list of Vertex): each after its parents.
        gradients (type): Tensor or np.ndarray, what this engine has as gradients.

    Attributes:
        right (int): how many were compared and are right.
        unseen (dict): why others could not be -> a dict whose keys are their names.
    """

    def __init__(self, operations, gradients):
        self.gradients = gradients
        self.compared = some_of_each(operations)
        self.right, self.unseen = 0, defaultdict(dict)
        self.recalled = {}  # Vertex -> array, where a large one was not there any more
        with nothing_left_behind():
            for vertex in operations:
                if vertex.call and vertex.call.result is None:
                    with suppress(Exception):  # then it is not known
                        self.recalled[vertex] = self.repeated(vertex).as_it_was

    def changed_inputs(self):
        """Return Findings of operations whose forward changes an argument that requires grad."""
        with nothing_left_behind():
            return [finding for vertex in self.compared for finding in self.of_changes(vertex)]

    def of_changes(self, vertex, in_backward=False):
        """Yield a Finding if forward, or backward, changes an argument that requires grad."""
        with suppress(Exception):  # it does not run again: then nothing is known
            repeated = self.repeated(vertex)
            place = repeated.changed(self.as_gradient(random_gradient(repeated.again.shape))
                                     if in_backward else None)
            if place is not None:
                name = "backward" if in_backward else "forward"
                yield Finding("input changed", vertex.operation, got=name,
                              argument=vertex.call.name_of(vertex.call.arguments[place]),
                              **place_of(getattr(vertex.call.operation, name)))

    def findings(self, vertex, steps):
        """Return what is wrong with the numbers that an operation hands on."""
        if vertex.call is None:
            self.is_unseen(vertex, "the node does not keep what it got")
        elif vertex in self.compared and not any(step.error for step in steps):
            try:
                with nothing_left_behind():  # on classes, where backward may read it
                    found = self.of_numbers(vertex, steps)
                return [found] if found else []
            except Gone as reason:
                self.is_unseen(vertex, str(reason))
            except Exception as error:  # forward does not run again, on copies
                self.is_unseen(vertex, f"run again, it raises {type(error).__name__}")
        return []

    def is_unseen(self, vertex, reason):
        """Note that an operation could not be compared, and why."""
        self.unseen[reason].setdefault(vertex.operation)

    def of_numbers(self, vertex, steps):
        """Return a Finding where gradients are not what differences of forward say, else None."""
        call, repeated = vertex.call, self.repeated(vertex)
        if not repeated.is_repeatable():
            raise Gone("forward gives something else each time")
        is_as_recorded = call.result is not None and repeated.is_as_recorded()
        found = self.compare(vertex, repeated, [
            step for step in steps[:VISITS] if is_as_recorded and step.handed
            and step.received is not None])
        if found and not repeated.is_repeatable(times=TIMES):
            raise Gone("forward gives something else each time")
        is_another = call.is_all_there and not is_as_recorded
        if found or is_another:
            found = next(self.of_changes(vertex, in_backward=True), found)
        if not found and is_another and repeated.is_repeatable(seed=1):
            raise Gone("run again, it gives something else than it gave: was an array written into "
                       "since?")
        self.right += not found
        return found

    def compare(self, vertex, repeated, steps):
        """Return what is wrong at the recorded place, or near by for a random gradient.

        What a new node hands on like the recorded one is the operation's own: where it is wrong,
        it is near by too, else it is at a tie.  Other gradients come of what is kept elsewhere.
        """
        another, near = random_gradient(repeated.again.shape), repeated.moved()
        near_off = near.first_off(another, near.handed(self.as_gradient(another)))
        for step in steps:
            handed, is_own = step.handed, self.is_handed_again(repeated, step)
            if is_own:
                handed = near_off and repeated.handed(self.as_gradient(step.received))  # in float64
            off = handed and repeated.first_off(step.received, handed)
            if off:
                return number_finding("value" if is_own or near_off else "kept elsewhere",
                                      vertex, off)
        if not near_off:
            return None
        place = near_off[0]
        again = repeated.handed(self.as_gradient(another))[place] if steps else None
        is_alike = any(is_same(step.handed[place], again) for step in steps)
        return number_finding("factor" if is_alike else "random", vertex, near_off)

    def is_handed_again(self, repeated, step):
        """Tell whether a new node hands on the same, on the arrays as they were."""
        handed = repeated.handed(self.as_gradient(step.received), repeated.own)
        return len(handed) == len(step.handed) and all(
            is_same(one, other) or is_numeric(one) and np.allclose(one, other, 1e-4)
            for one, other in zip(handed, step.handed))

    def as_gradient(self, array):
        """Return an array as this engine has its gradients."""
        return Tensor(array) if self.gradients is Tensor else array

    def repeated(self, vertex):
        """Return a vertex' call, to be run again."""
        arrays = {id(argument): self.array_at(argument, parent) for argument, parent
                  in zip(vertex.arguments(), vertex.parents)}
        return Repeated(vertex.call, [arrays.get(id(argument), argument.array)
                                      for argument in vertex.call.arguments])

    def array_at(self, argument, parent):
        """Return the array that an operation got from a parent."""
        return self.recalled.get(parent) if argument.array is None else argument.array

    def needs_tensors(self, vertex):
        """Tell whether an operation takes its gradient as a Tensor and not as an array."""
        def takes(kind):
            try:
                repeated = self.repeated(vertex)
                one = random_gradient(repeated.again.shape)
                return repeated.first_off(one, repeated.handed(kind(one))) is None
            except Exception:  # by what it says or because of another mistake
                return False
        return takes(Tensor) and not takes(np.array)


def some_of_each(operations):
    """Return the Vertices of known calls; of many alike, on the same shapes, some at each depth."""
    alike = defaultdict(list)
    for vertex in operations:
        if vertex.call:
            shapes = [np.shape(argument.array) for argument in vertex.call.arguments]
            alike[(vertex.call.operation, *shapes)].append(vertex)
    return dict.fromkeys(vertices[number] for vertices in alike.values() for number
                         in np.linspace(0, len(vertices) - 1, ALIKE).astype(int))


def number_finding(kind, vertex, off):
    """Return what Repeated.first_off found as a Finding."""
    place, index, expected, got = off
    return Finding(kind, vertex.operation, vertex.call.name_of(vertex.call.arguments[place]),
                   expected=expected, got=got, index=index, **place_of(vertex.backward))
