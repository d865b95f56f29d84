"""Holds an operation's ``backward`` against central differences of its own ``forward``.

Both run as in a recorded Call, on copies of what it got.
"""

import copy
from functools import cached_property

import numpy as np

from mytorch.tensor import Tensor
from mytorch.tools.calls import APPLY
from mytorch.tools.values import copy_of, grads_in, is_same

MOST = 8  # elements of an argument that are compared
STEP = {True: (1e-5, 1e-4), False: (1e-2, 2e-2)}  # in float64, else: of a difference; rtol


class Gone(Exception):
    """What an operation got is not known any more."""


class Repeated:
    """A Call to be run again: its arrays, floating point where a gradient is wanted.

    Raises:
        Gone: a large array that it got is not there any more, or it got one outside a Tensor,
            which may have come from its other arguments.
    """

    def __init__(self, call):
        self.call = call
        self.arrays = [wide(argument) for argument in call.arguments]
        if call.result is None or any(
                argument.array is None if argument.is_tensor else is_computed(argument.value)
                for argument in call.arguments):
            raise Gone
        self.wanted = [place for place, argument in enumerate(call.arguments) if argument.needed]

    def given(self, arrays, with_graph=False):
        """What it gets: Tensors of these arrays, and copies of the rest."""
        return [Tensor(array.copy(), requires_grad=with_graph and argument.needed)
                if argument.is_tensor else copy.deepcopy(argument.value)
                for argument, array in zip(self.call.arguments, arrays)]

    def run(self, args):
        """The Tensor that comes out, with the same random numbers each time."""
        np.random.seed(0)
        return APPLY(self.call.operation, *args)

    def value(self, arrays):
        with np.errstate(all="ignore"):
            return np.asarray(self.run(self.given(arrays)).data)

    @cached_property
    def again(self):
        """What comes out of the same arrays."""
        return self.value(self.arrays)

    def is_as_recorded(self):
        """Tell whether the same comes out again: not where forward draws random numbers."""
        recorded = np.asarray(self.call.result)
        return self.again.shape == recorded.shape and np.allclose(
            self.again, recorded, 1e-3, 1e-6, equal_nan=True)

    def is_repeatable(self):
        """Tell whether forward makes the same again: not with random numbers of its own."""
        return is_same(self.again, self.value(self.arrays))

    def changed(self):
        """The place of an argument that requires grad and is another after forward, or None."""
        args = self.given(self.arrays, with_graph=True)
        before = {place: copy_of(args[place]) for place in self.wanted}
        self.run(args)
        return next((place for place in self.wanted
                     if not is_same(copy_of(args[place]), before[place])), None)

    def handed(self, gradient):
        """What a new node of it hands on for a gradient (Tensor or array), as ``copy_of``."""
        output = self.run(self.given(self.arrays, with_graph=True))
        return [copy_of(grad) for grad in grads_in(output.grad_fn.apply(gradient))]

    def first_off(self, received, handed):
        """The first argument whose gradient is not what differences say.

        Args:
            received (np.ndarray): the gradient of the output.
            handed (list): those of the arguments, arrays of their shapes.

        Returns:
            (place, index, expected, got) or None: the index in a large argument, else ().
        """
        for place in self.wanted:
            grad = handed[place]
            if not isinstance(grad, np.ndarray) or grad.shape != self.arrays[place].shape:
                continue
            indices = chosen(grad)
            slopes = [self.slopes(place, index, received) for index in indices]
            for index, slope in zip(indices, slopes):
                if slope.excludes(grad[index]):
                    if grad.size > len(indices):
                        return place, index, np.array(slope.middle), np.array(grad[index])
                    middles = np.reshape([one.middle for one in slopes], grad.shape)
                    return place, (), middles, grad
        return None

    def slopes(self, place, index, received):
        """How sum(received * forward) changes with one element of an argument."""
        is_wide = self.again.dtype.itemsize >= 8
        step, rtol = STEP[is_wide]
        step *= max(1, abs(self.arrays[place][index]))

        def moved(by):
            arrays = list(self.arrays)
            arrays[place] = arrays[place].copy()
            arrays[place][index] += by
            return self.value(arrays).astype(float) * received

        here = self.again.astype(float) * received
        below, above = moved(-step), moved(step)
        with np.errstate(all="ignore"):
            left, right = (here - below).sum(), (above - here).sum()
            rounding = np.finfo(float if is_wide else np.float32).eps * np.abs(here).sum()
        return Slopes(left / step, right / step, rtol, 10 * rounding / step)


class Slopes:
    """The slopes on both sides of a point: at a kink, all between them are right."""

    def __init__(self, left, right, rtol, atol):
        self.middle = (left + right) / 2
        margin = rtol * max(abs(left), abs(right)) + atol + 1e-7
        self.low, self.high = min(left, right) - margin, max(left, right) + margin

    def excludes(self, grad):
        return bool(np.isfinite([self.low, self.high]).all() and not
                    self.low <= grad <= self.high)


def is_computed(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def wide(argument):
    """The array of an argument, in float64 if it is one of floats or requires grad."""
    array = argument.array
    if array is None:
        return None
    array = np.asarray(array)
    return array.astype(np.float64) if argument.needed or array.dtype.kind == "f" else array


def chosen(grad):
    """The indices of all elements, or of a few: the largest, and some at random."""
    indices = list(np.ndindex(grad.shape))
    if len(indices) <= MOST:
        return indices
    drawn = np.random.RandomState(0).choice(len(indices), MOST - 1, replace=False)
    return [indices[number] for number in [np.nan_to_num(np.abs(grad)).argmax(), *drawn]]


def random_gradient(shape):
    """Numbers of both signs, none near 0."""
    random = np.random.RandomState(1)
    return np.array(random.uniform(0.5, 2, shape) * random.choice([-1, 1], shape))
