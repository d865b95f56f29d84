"""Remembers what operations got: importing this wraps ``Function.apply``.

Only what the handout names is used, so that it works beside any engine that was written to it.
"""

import functools
import inspect
import weakref

import numpy as np

from mytorch import autograd_engine
from mytorch.autograd_engine import Function
from mytorch.tensor import Tensor

MEMORY = "call_of_apply"  # the attribute of an operation's ctx that holds its Call
SMALL = 10000  # elements: smaller arrays are remembered as they are, larger ones weakly
APPLY = vars(Function)["apply"].__func__  # as the engine wrote it


class Argument:
    """What an operation got at one place, as it was then.

    Attributes:
        is_tensor, needed (bool): whether it was a Tensor, and one that gets a gradient.
        node (node or None): the Tensor's node, if it had one.
        array (np.ndarray or None): the Tensor's array; a large one while somebody else holds it.
        value: the Tensor, or what it was; where it has a node or is large, while somebody else
            holds it, and then None.
    """

    __slots__ = "is_tensor", "node", "needed", "_array", "_value"  # one object for an argument

    def __init__(self, value):
        self.is_tensor = isinstance(value, Tensor)
        self.node = value.grad_fn if self.is_tensor else None
        self.needed = self.is_tensor and bool(value.requires_grad) and not is_made_by_hand(value)
        array = value.data if self.is_tensor else value
        is_large = isinstance(array, np.ndarray) and array.size > SMALL
        self._array = kept(array, is_large) if self.is_tensor else None
        self._value = kept(value, is_large or self.node is not None)

    @property
    def hides(self):
        """Whether it was a list or tuple with Tensors that require grad, of which no node knows."""
        return isinstance(self.value, (list, tuple)) and any(
            isinstance(one, Tensor) and one.requires_grad for one in self.value)

    @property
    def array(self):
        return recalled(self._array)

    @property
    def value(self):
        return recalled(self._value)


class Call:
    """One call of ``Function.apply``: what went in and what came out.

    Attributes:
        operation (type), arguments (list of Argument): what ran, on what.
        result (np.ndarray or None), output (Tensor or None): the array that came out, a large one
            while somebody else holds it, and its Tensor, while somebody else holds that.
        returns_argument (bool): whether that was one of the arguments.
    """

    def __init__(self, operation, arguments, args, output):
        self.operation = operation
        self.arguments = arguments
        self._result = kept(output.data, getattr(output.data, "size", 0) > SMALL)
        self._output = kept(output, weakly=True)
        self.returns_argument = id(output) in map(id, args)

    @property
    def result(self):
        return recalled(self._result)

    @property
    def output(self):
        return recalled(self._output)

    @property
    def is_all_there(self):
        """Whether the arrays that went in and came out are."""
        return self.result is not None and all(
            argument.array is not None for argument in self.arguments if argument.is_tensor)

    def name_of(self, argument):
        """Return what forward calls one of the arguments."""
        names = [name for name, one in inspect.signature(self.operation.forward).parameters.items()
                 if one.kind is not one.VAR_POSITIONAL][1:]
        place = self.arguments.index(argument)
        return names[place] if place < len(names) else f"#{place + 1}"

    def arguments_of(self, number):
        """Return the Argument at each of so many entries of next_functions; None if not known."""
        tensors = [argument for argument in self.arguments if argument.is_tensor]
        for known in self.arguments, tensors:  # some engines have no entry for what is no Tensor
            if len(known) == number:
                return known
        return [None] * number


def is_made_by_hand(tensor):
    """Tell whether no operation made a Tensor that says it is no leaf: it is a constant."""
    return not tensor.is_leaf and tensor.grad_fn is None and call_of(tensor) is None


def kept(value, weakly):
    """Return a value, or a weak reference to it; None where its class allows none."""
    try:
        return weakref.ref(value) if weakly else value
    except TypeError:
        return None


def recalled(held):
    """Return a value that was kept; None if it was kept weakly and is gone."""
    return held() if isinstance(held, weakref.ref) else held


def remembering(apply):
    """Make ``Function.apply`` leave a Call on the ctx of the node that it makes and, from where
    the graph ends although it should not, on the outputs.
    """
    @functools.wraps(apply)
    def apply_and_remember(cls, *args, **options):
        arguments = [Argument(arg) for arg in args]  # before apply gives them other nodes
        output = apply(cls, *args, **options)
        if isinstance(output, Tensor):
            remember(getattr(output.grad_fn, "ctx", None), cls, arguments, args, output)
            if (output.grad_fn is None or not output.requires_grad) and is_lost(arguments):
                remember(output, cls, arguments, args, output)
        return output
    return classmethod(apply_and_remember)


def remember(owner, *call):
    if hasattr(owner, "__dict__"):
        owner.__dict__[MEMORY] = Call(*call)


def is_lost(arguments):
    """Tell whether an output without a node should have one."""
    return is_recording() and any(argument.needed or argument.hides or call_of(argument.value)
                                  for argument in arguments)


def is_recording():
    """Tell whether operations are put into a graph: always, if an engine has no ``no_grad``."""
    return getattr(autograd_engine, "is_recording", lambda: True)()


def call_of(owner):
    """Return the Call that a ctx or a Tensor remembers, or None."""
    return getattr(owner, "__dict__", {}).get(MEMORY)


Function.apply = remembering(APPLY)
