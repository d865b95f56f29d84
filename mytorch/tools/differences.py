"""Holds an operation's ``backward`` against central differences of its own ``forward``.

Both run as in a recorded Call, on copies of what it got.
"""

import copy
from functools import cached_property

import numpy as np

from mytorch.tensor import Tensor
from mytorch.tools.calls import APPLY
from mytorch.tools.values import copy_of, grads_in, is_same

MOST = 8  # elements of an argument that are compared one by one
SHOWN = 4  # elements of which all are shown
STEP = {True: (1e-5, 1e-4), False: (1e-2, 2e-2)}  # in float64, else: of a difference; rtol


class Gone(Exception):
    """What an operation got or does cannot be had again; the message says why."""


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
                argument.is_tensor and argument.array is None for argument in call.arguments):
            raise Gone("a large array is not there any more: keep its Tensor")
        if any(is_computed(argument.value) for argument in call.arguments
               if not argument.is_tensor):
            raise Gone("an argument is an array, which may depend on others")
        self.wanted = [place for place, argument in enumerate(call.arguments) if argument.needed]

    def given(self, arrays, with_graph=False):
        """Return what it gets: Tensors of these arrays, and copies of the rest."""
        return [Tensor(array.copy(), requires_grad=with_graph and argument.needed)
                if argument.is_tensor else copy.deepcopy(argument.value)
                for argument, array in zip(self.call.arguments, arrays)]

    def run(self, args, seed=0):
        """Return the Tensor that comes out, with the same random numbers each time."""
        np.random.seed(seed)
        return APPLY(self.call.operation, *args)

    def value(self, arrays, seed=0):
        with np.errstate(all="ignore"):
            return np.asarray(self.run(self.given(arrays), seed).data)

    @cached_property
    def again(self):
        """What comes out of the same arrays."""
        return self.value(self.arrays)

    def is_as_recorded(self):
        """Tell whether the same comes out again: not where forward draws random numbers."""
        recorded = np.asarray(self.call.result)
        return self.again.shape == recorded.shape and np.allclose(
            self.again, recorded, 1e-3, 1e-6, equal_nan=True)

    def is_repeatable(self, seed=0):
        """Tell whether forward makes the same again, with random numbers of this seed."""
        return is_same(self.again, self.value(self.arrays, seed))

    def changed(self):
        """Return the place of an argument that requires grad and is another after forward."""
        args = self.given(self.arrays, with_graph=True)
        before = {place: copy_of(args[place]) for place in self.wanted}
        self.run(args)
        return next((place for place in self.wanted
                     if not is_same(copy_of(args[place]), before[place])), None)

    def handed(self, gradient):
        """Return what a new node hands on for a gradient (Tensor or array), as ``copy_of``."""
        output = self.run(self.given(self.arrays, with_graph=True))
        return [copy_of(grad) for grad in grads_in(output.grad_fn.apply(gradient))]

    def first_off(self, received, handed):
        """Find the first argument whose gradient is not what differences say.

        Args:
            received (np.ndarray): the gradient of the output.
            handed (list): those of the arguments, arrays of their shapes.

        Returns:
            (place, index, expected, got) or None: the index in a larger argument, else ().
        """
        for place in self.wanted:
            grad = handed[place]
            if not isinstance(grad, np.ndarray) or grad.shape != self.arrays[place].shape:
                continue
            indices = (list(np.ndindex(grad.shape)) if grad.size <= MOST else
                       self.suspects(place, received, grad))
            slopes = [self.slopes(place, index, received) for index in indices]
            for index, slope in zip(indices, slopes):
                if slope.excludes(grad[index]):
                    if grad.size > SHOWN:
                        return place, index, np.array(slope.middle), np.array(grad[index])
                    middles = np.reshape([one.middle for one in slopes], grad.shape)
                    return place, (), middles, grad
        return None

    def slopes(self, place, index, received):
        """Find how sum(received * forward) changes with one element of an argument."""
        step, rtol = STEP[self.is_wide]
        step *= max(1, abs(self.arrays[place][index]))
        by = np.zeros(self.arrays[place].shape)
        by[index] = step
        left, right, rounding = self.differences(place, by, received)
        return Slopes(left / step, right / step, rtol, 10 * rounding / step)

    def differences(self, place, by, received):
        """Move an argument back and forth: (left, right, rounding) of sum(received * forward)."""
        def value(sign):
            arrays = list(self.arrays)
            arrays[place] = np.array(arrays[place] + sign * by)
            return self.value(arrays).astype(float) * received

        here, below, above = (self.again.astype(float) * received), value(-1), value(1)
        with np.errstate(all="ignore"):
            rounding = np.finfo(float if self.is_wide else np.float32).eps * np.abs(here).sum()
            return (here - below).sum(), (above - here).sum(), rounding

    def suspects(self, place, received, grad):
        """Return a list with the index of the element that is most likely wrong, or [].

        All elements are moved at once; if the change is not exactly what their gradients say,
        half of them, and half of that: of a million, one is found in 40 runs of forward.
        """
        if not np.isfinite(grad).all():
            return [tuple(np.argwhere(~np.isfinite(grad))[0].tolist())]
        step, rtol = STEP[self.is_wide]
        by = random_gradient(grad.shape) * step * np.maximum(1, abs(self.arrays[place]))

        def error(first, last):
            part = np.zeros(grad.size)
            part[first:last] = by.flat[first:last]
            part = part.reshape(grad.shape)
            left, right, rounding = self.differences(place, part, received)
            return ((left + right) / 2 - (grad * part).sum(),
                    rtol / 1000 * max(abs(left), abs(right)) + 10 * rounding)

        first, last = 0, grad.size
        off, tolerance = error(first, last)
        if not np.isfinite(off):
            raise Gone("differences are not finite")
        if abs(off) <= tolerance:
            return []
        while last - first > 1:
            middle = (first + last) // 2
            half, _ = error(first, middle)
            if abs(half) >= abs(off - half):
                last, off = middle, half
            else:
                first, off = middle, off - half
        return [tuple(map(int, np.unravel_index(first, grad.shape)))]

    @property
    def is_wide(self):
        """Whether forward computes in float64."""
        return self.again.dtype.itemsize >= 8


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
    """Return the array of an argument, in float64 if it holds floats or requires grad."""
    array = argument.array
    if array is None:
        return None
    array = np.asarray(array)
    return array.astype(np.float64) if argument.needed or array.dtype.kind == "f" else array


def random_gradient(shape):
    """Draw numbers of both signs, none near 0; always the same."""
    random = np.random.RandomState(1)
    return np.array(random.uniform(0.5, 2, shape) * random.choice([-1, 1], shape))
