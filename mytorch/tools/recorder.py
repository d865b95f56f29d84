"""Records a backward pass: each call of a node's ``apply``, and what went in and out.

The nodes' classes are wrapped only while a pass is recorded.
"""

import _thread
import os
import sys
import textwrap
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mytorch.autograd_engine import AccumulateGrad, BackwardFunction
from mytorch.tools.graph import Vertex, graph_of, key_of
from mytorch.tools.places import fell_at
from mytorch.tools.values import class_of, copy_of, grads_in, is_same, text_of

PATIENCE = 5  # seconds that a single step may take


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
        """Return what there is to say."""
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
    """A node was visited more often than there are paths to it, or a step does not end."""


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
            grad = [*grads, *options.values()][0]
            step = self._begin(vertex, grad, sys._getframe(1))
            self._is_inside = True
            try:
                result = apply(node, *grads, **options)
                if isinstance(result, Iterator):  # it can be gone through once
                    result = tuple(result)
                self._hand_on(step, result)
                return result
            except Exception as error:
                step.error = error
                raise
            finally:
                self._is_inside = False
                step.after = vertex.grad()
                step.changed = not is_same(copy_of(grad), step.received)
                self._add(step)
        return apply_and_record

    def _begin(self, vertex, grad, caller):
        received = copy_of(grad)
        if not self.steps:
            self._add(Step(1, 0, None, received, [class_of(grad)]))
        self._left[vertex] -= 1
        if self._left[vertex] < 0:
            raise Endless(f"{vertex.label} is visited more often than there are paths to it")
        return Step(len(self.steps) + 1, self._depth(caller), vertex, received, [class_of(grad)],
                    self._way(vertex, received), before=vertex.grad())

    def _add(self, step):
        self.steps.append(step)
        self._show(step)

    def _way(self, vertex, received):
        """Return the latest of what a vertex was handed that is this; if none, all: a sum."""
        waiting = self._waiting[vertex]
        for edge in reversed(waiting):
            if is_same(waiting[edge], received):
                return {edge: waiting.pop(edge)}
        return self._waiting.pop(vertex)

    def _hand_on(self, step, result):
        grads = grads_in(result)
        step.handed = [copy_of(grad) for grad in grads]
        step.types += map(class_of, grads)
        for index, (parent, grad) in enumerate(zip(step.vertex.parents, step.handed)):
            if grad is not None:
                self._waiting[parent][step.vertex, index] = grad

    def _depth(self, caller):
        """Count the calls that led to the caller's and have called ``apply`` themselves."""
        frame = caller
        while frame not in self._depths:
            frame = frame.f_back
        while len(self._depths) > self._depths[frame] + 2:
            self._depths.popitem()  # it has returned
        return self._depths.setdefault(caller, len(self._depths) - 1)


def paths_to(graph):
    """Count the paths that lead to each Vertex from the output, which is the graph's last."""
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
        Endless: the engine visits a node without end, or a step takes seconds without end.

    Source: handout 0.1.5, whose eight steps are those of its example.

    >>> from mytorch.tensor import Tensor
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
    with impatient(recorder.steps):
        recorder.record(output.backward)
    return recorder.steps


@contextmanager
def impatient(steps):
    """Raise Endless where no further step comes, unless a debugger is at work."""
    ended, stopped = threading.Event(), threading.Event()

    def watch():
        known = -1
        while known < len(steps) or "pdb" in sys.modules:
            known = len(steps)
            if ended.wait(PATIENCE):
                return
        stopped.set()
        _thread.interrupt_main()

    if threading.current_thread() is threading.main_thread():  # no other can be interrupted
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except KeyboardInterrupt as error:
        if not stopped.is_set():
            raise
        at = fell_at(error)
        raise Endless(f"no step has ended for {PATIENCE} seconds, at line {at['line']} of "
                      f"{os.path.basename(at['file'])}").with_traceback(
                          error.__traceback__) from None
    finally:
        ended.set()
