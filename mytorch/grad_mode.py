"""What holds for the time of a block: no graph is recorded, calls may nest deeper."""

import inspect
import sys
import threading
from contextlib import ContextDecorator


class _Recording(threading.local):
    switched_off = 0  # by how many no_grad blocks that are open in this thread


_recording = _Recording()


def is_recording():
    """Whether operations are put into a graph."""
    return not _recording.switched_off


def no_grad(function=None):
    """Records no graph, in a block or in a function, as ``torch.no_grad`` does.

    Raises:
        TypeError: it decorates a generator or a coroutine, which runs in pieces.

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
    return _NoGrad() if function is None else _NoGrad()(function)


class _NoGrad(ContextDecorator):
    """The block, or decorator, that ``no_grad`` gives; it can be nested and used again."""

    def __enter__(self):
        _recording.switched_off += 1

    def __exit__(self, *exception):
        _recording.switched_off = max(_recording.switched_off - 1, 0)  # entered in another thread

    def __call__(self, function):
        if (inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)
                or inspect.isasyncgenfunction(function)):
            raise TypeError(f"no_grad cannot decorate {function}, which runs in pieces; put a "
                            "block \"with no_grad():\" into it")
        return super().__call__(function)


class room_to_recurse:
    """Lets Python calls nest deeper by a number of calls, for the time of a block.

    Before Python 3.11 every call takes C stack, and a raised limit could crash the process: there
    it stays.  It is changed by differences, so that threads leave it as it was.
    """

    changing = threading.Lock()

    def __init__(self, calls):
        self.extra = calls + 100 if sys.version_info >= (3, 11) else 0

    def __enter__(self):
        with self.changing:
            sys.setrecursionlimit(sys.getrecursionlimit() + self.extra)

    def __exit__(self, kind, error, traceback):
        with self.changing:
            sys.setrecursionlimit(sys.getrecursionlimit() - self.extra)
        if kind is RecursionError and not self.extra:
            raise RecursionError(f"{error}; before Python 3.11, backward() recurses only as deep "
                                 "as the recursion limit") from error
