"""Holds an operation's ``backward`` against central differences of its own ``forward``.

Both run as in a recorded Call, on copies of what it got.
"""

import copy
import random
from functools import cached_property

import numpy as np

from mytorch.tensor import Tensor
from mytorch.tools.calls import APPLY
from mytorch.tools.values import copy_of, eps_of, grads_in, is_same

MOST = 8  # elements of an argument that are compared one by one
SHOWN = 4  # elements of which all are shown
STEP = {True: (1e-5, 1e-4), False: (1e-2, 2e-2)}  # in float64, else: of a difference; rtol


class Gone(Exception):
    """What an operation got or does cannot be had again; the message says why."""


class Repeated:
    """A Call to be run again.

    Args:
        arrays (list): what it got at each place, None for what is no Tensor.

    Raises:
        Gone: an array that it got is not there any more, or it got one outside a Tensor, which
            may have come from its other arguments.
    """

    def __init__(self, call, arrays):
        self.call, self.own = call, arrays
        if any(argument.is_tensor and array is None
               for argument, array in zip(call.arguments, arrays)):
            raise Gone("a large array is not there any more: keep its Tensor")
        if any(is_computed(argument.value) for argument in call.arguments
               if not argument.is_tensor):
            raise Gone("an argument is an array, which may depend on others")
        self.arrays = [wide(array, argument) for array, argument in zip(arrays, call.arguments)]
        self.rest = [None if argument.is_tensor else copy.deepcopy(argument.value)
                     for argument in call.arguments]
        self.wanted = [place for place, argument in enumerate(call.arguments) if argument.needed]

    def moved(self):
        """Return the same Call near by, on other arrays where a gradient is wanted."""
        drawn = np.random.RandomState(2)
        other = copy.copy(self)
        vars(other).pop("again", None)
        other.arrays = [array * drawn.uniform(0.999, 1.001, array.shape) if argument.needed
                        else array for argument, array in zip(self.call.arguments, self.arrays)]
        return other

    def given(self, arrays, with_graph=False):
        """Return what it gets: Tensors of these arrays, and copies of the rest."""
        return [Tensor(np.array(array), requires_grad=with_graph and argument.needed)
                if argument.is_tensor else other
                for argument, array, other in zip(self.call.arguments, arrays, self.rest)]

    def run(self, args, seed=0):
        """Return the Tensor that comes out, with the same random numbers each time."""
        np.random.seed(seed)
        random.seed(seed)
        return APPLY(self.call.operation, *args)

    def value(self, arrays, seed=0):
        with np.errstate(all="ignore"):
            return np.asarray(self.run(self.given(arrays), seed).data)

    @cached_property
    def again(self):
        """What comes out of the same arrays."""
        return self.value(self.arrays)

    @cached_property
    def as_it_was(self):
        """What comes out of the same arrays in their own dtype."""
        return self.value(self.own)

    def is_as_recorded(self):
        """Tell whether the same comes out again: not where forward draws random numbers."""
        recorded = np.asarray(self.call.result)
        return self.as_it_was.shape == recorded.shape and np.allclose(
            self.as_it_was, recorded, 1e-3, 1e-6, equal_nan=True)

    def is_repeatable(self, seed=0, times=1):
        """Tell whether forward makes the same again, with random numbers of this seed."""
        return all(is_same(self.again, self.value(self.arrays, seed)) for _ in range(times))

    def changed(self, gradient=None):
        """Return the place of an argument that requires grad and is another after forward, or, with
        a gradient (as ``handed``), after backward.

        What it got may have been changed already: it gets unsorted numbers of both signs.
        """
        for numbers in (-1., 3., 2.), (1., -3., -2.):
            args = self.given([
                np.resize(numbers, array.shape) if argument.needed else array
                for argument, array in zip(self.call.arguments, self.arrays)], with_graph=True)
            before = {place: copy_of(args[place]) for place in self.wanted}
            output = self.run(args)
            if gradient is not None:
                output.grad_fn.apply(gradient)
            for place in self.wanted:
                if not is_same(copy_of(args[place]), before[place]):
                    return place
        return None

    def handed(self, gradient, arrays=None):
        """Return what a new node of it hands on for a gradient, as ``copy_of``.

        Args:
            gradient (Tensor or np.ndarray): as the engine has them.
            arrays (list): what it gets, if not in float64.
        """
        node = self.run(self.given(arrays or self.arrays, with_graph=True)).grad_fn
        return [copy_of(grad) for grad in grads_in(node.apply(gradient))]

    def first_off(self, received, handed):
        """Find the first argument whose gradient is not what differences say.

        Args:
            received (np.ndarray): the gradient of the output.
            handed (list): those of the arguments, arrays of their shapes.

        Returns:
            (place, index, expected, got) or None: the index in a larger argument, else ().
        """
        for place in self.wanted:
            grad = handed[place] if place < len(handed) else None
            if not isinstance(grad, np.ndarray) or grad.shape != self.arrays[place].shape:
                continue
            indices = (list(np.ndindex(grad.shape)) if grad.size <= MOST else
                       self.suspects(place, received, grad))
            for index in indices:
                if self.is_off(place, index, received, grad):
                    if grad.size > SHOWN:
                        expected = self.slopes(place, index, received).middle
                        return place, index, np.array(expected), np.array(grad[index])
                    middles = [self.slopes(place, index, received).middle for index in indices]
                    return place, (), np.reshape(middles, grad.shape), grad
        return None

    def is_off(self, place, index, received, grad):
        """Tell whether an element's gradient is another than differences say.

        It is not where they say nothing: at a kink, where the slopes on both sides differ, and
        where a smaller step gives another slope, as at a jump or a pole.
        """
        slopes = self.slopes(place, index, received)
        if not slopes.excludes(grad[index], 100 * eps_of(grad) * abs(grad).max()):
            return False
        return not np.isfinite(grad[index]) or self.slopes(
            place, index, received, 0.1).confirms(slopes, grad[index])

    def slopes(self, place, index, received, times=1):
        """Find how sum(received * forward) changes with one element of an argument."""
        step, rtol = STEP[self.is_wide]
        at = self.arrays[place][index]
        step = at + step * times * max(1, abs(at)) ** 0.5 - at  # as it is when rounded
        by = np.zeros(self.arrays[place].shape)
        by[index] = step
        left, right, rounding = self.differences(place, by, received)
        return Slopes(left / step, right / step, rtol, 10 * rounding / step)

    def differences(self, place, by, received):
        """Move an argument back and forth: (left, right, rounding) of sum(received * forward)."""
        def value(sign):
            arrays = list(self.arrays)
            arrays[place] = arrays[place] + sign * by
            return self.value(arrays).astype(float) * received

        here, below, above = self.again.astype(float) * received, value(-1), value(1)
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
        at = self.arrays[place]
        by = random_gradient(grad.shape, seed=3) * step * np.maximum(1, abs(at)) ** 0.5
        by = at + by - at  # as it is when rounded

        def error(first, last):
            part = np.zeros(grad.size)
            part[first:last] = by.flat[first:last]
            part = part.reshape(grad.shape)
            left, right, rounding = self.differences(place, part, received)
            return ((left + right) / 2 - (grad * part).sum(),
                    rtol / 1000 * max(abs(left), abs(right)) + 10 * rounding)

        first, last = 0, grad.size
        off, tolerance = error(first, last)
        tolerance += eps_of(grad) * (abs(grad) * abs(by)).sum()
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
        self.middle, self.width = (left + right) / 2, abs(left - right)
        self.margin = rtol * max(abs(left), abs(right)) + atol + 1e-7

    def excludes(self, grad, atol=0):
        return bool(np.isfinite([self.middle, self.margin]).all() and not
                    abs(grad - self.middle) <= self.width / 2 + self.margin + atol)

    def confirms(self, wider, grad):
        """Tell whether these, with a smaller step, are the same slopes in a smooth place."""
        moved = abs(self.middle - wider.middle)
        return bool(moved <= 0.1 * abs(grad - self.middle)
                    and moved <= 0.1 * abs(self.middle) + self.margin
                    and self.width <= wider.width / 2 + self.margin)


def is_computed(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def wide(array, argument):
    """Return what an argument holds, in float64 if these are floats or it requires grad."""
    if array is None:
        return None
    array = np.asarray(array)
    return array.astype(np.float64) if argument.needed or array.dtype.kind == "f" else array


def random_gradient(shape, seed=1):
    """Draw numbers of both signs, none near 0; always the same."""
    drawn = np.random.RandomState(seed)
    return np.array(drawn.uniform(0.5, 2, shape) * drawn.choice([-1, 1], shape))
