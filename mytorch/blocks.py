"""What holds for the time of a block or call: no recording, no warnings, room to recurse."""

import contextvars
import inspect
import sys
import threading
from contextlib import ContextDecorator

import numpy as np


class _Recording(threading.local):
    switched_off = 0  # by how many no_grad blocks that are open in this thread


_recording = _Recording()


def is_recording():
    """Whether operations are put into a graph."""
    return not _recording.switched_off


class _NotRecording(ContextDecorator):
    def __enter__(self):
        _recording.switched_off += 1

    def __exit__(self, *exception):
        _recording.switched_off = max(_recording.switched_off - 1, 0)  # entered in another thread

    def __call__(self, function):
        in_pieces = (inspect.isgeneratorfunction, inspect.iscoroutinefunction,
                     inspect.isasyncgenfunction)
        if any(test(function) for test in in_pieces):
            raise TypeError(f"no_grad cannot decorate {function}, which runs in pieces; put a "
                            "block \"with no_grad():\" into it")
        return super().__call__(function)


_not_recording = _NotRecording()


def no_grad(function=None):
    """Records no graph, in a block or in a function, as ``torch.no_grad`` does.

    >>> from mytorch.tensor import Tensor
    >>> a = Tensor(2., requires_grad=True)
    >>> with no_grad():
    ...     b = a * a
    >>> @no_grad
    ... def double(x):
    ...     return x + x
    >>> b.requires_grad, double(a).requires_grad
    (False, False)
    """
    return _not_recording if function is None else _not_recording(function)


def _find_variable():
    """The context variable in which NumPy 2 keeps its error handling, and its value "ignore"."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    [(variable, ignore)] = context.items()
    return variable, ignore


if int(np.__version__.split(".")[0]) >= 2:
    _handling, _IGNORE = _find_variable()

    class quiet:
        """No warnings of NumPy's in a block: inf and NaN are values like any other.

        As np.errstate(all="ignore") in a quarter of its time, which is a tenth of a small
        operation's (benchmark: chain).
        """

        __slots__ = "before"

        def __enter__(self):
            self.before = _handling.set(_IGNORE)

        def __exit__(self, *exception):
            _handling.reset(self.before)
else:
    def quiet():
        return np.errstate(all="ignore")


class room_to_recurse:
    """For the time of a block, let Python calls nest deeper by a number of calls.

    Before Python 3.11, all calls take C stack and a raised limit could crash the process: there
    it stays.  It is changed by differences, so that threads at a time leave it as it was.
    """

    lock = threading.Lock()

    def __init__(self, calls):
        self.calls = calls + 100 if sys.version_info >= (3, 11) else 0

    def __enter__(self):
        with self.lock:
            sys.setrecursionlimit(sys.getrecursionlimit() + self.calls)

    def __exit__(self, kind, error, traceback):
        with self.lock:
            sys.setrecursionlimit(sys.getrecursionlimit() - self.calls)
        if kind is RecursionError and not self.calls:
            raise RecursionError(f"{error}; before Python 3.11, backward() recurses only as deep "
                                 "as the recursion limit") from error


def traceback_without(function, error):
    """An error's traceback without a function's own frames, of which there may be a million."""
    kept = []
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is not function.__code__:
            kept.append(traceback)
        traceback = traceback.tb_next
    for one, following in zip(kept, kept[1:] + [None]):
        one.tb_next = following
    return kept[0]
