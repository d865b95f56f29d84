"""Gradients as plain values: copied, compared and described."""

from collections.abc import Iterator

import numpy as np

from mytorch.tensor import Tensor


def array_of(grad):
    """Return the array in a Tensor; anything else as it is."""
    return grad.data if isinstance(grad, Tensor) else grad


def grads_in(returned):
    """Return what a ``backward`` returned, one gradient or several, as a list."""
    return list(returned) if isinstance(returned, (tuple, list, Iterator)) else [returned]


def copy_of(grad):
    """Copy a gradient as an array; None and what is no gradient stay what they are."""
    grad = array_of(grad)
    return np.array(grad) if isinstance(grad, (np.ndarray, np.number, float)) else grad


def class_of(grad):
    """Return the class of a gradient; that of an array also for NumPy's numbers."""
    for cls, alike in (Tensor, Tensor), (np.ndarray, (np.ndarray, np.generic)):
        if isinstance(grad, alike):
            return cls
    return type(grad)


def is_numeric(grad):
    """Tell whether a gradient, or a sum of them, is an array of real numbers."""
    return isinstance(grad, (np.ndarray, np.generic)) and grad.dtype.kind in "fiub"


def is_same(one, other):
    """Tell whether two gradients, as ``copy_of`` gives them, are equal; a NaN is one."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return one is other
    return one.shape == other.shape and bool(((one == other) | (one != one) & (other != other))
                                             .all())


def eps_of(array):
    """Return the relative rounding error of an array's dtype; 0 of integers."""
    return np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0


def is_sum(got, terms):
    """Tell of each element whether it is the sum of terms, added in whatever order."""
    expected = sum(terms)
    rounding = max(map(eps_of, [got, *terms])) * sum(abs(np.asarray(term, float)) for term in terms)
    return (got == expected) | (got != got) & (expected != expected) | (
        abs(got - expected) <= 16 * rounding)


def is_finite(arrays):
    """Tell whether arrays hold no inf and no NaN; what is no array of floats holds none."""
    return all(np.isfinite(array).all() for array in arrays
               if isinstance(array, np.ndarray) and array.dtype.kind == "f")


def describe(data):
    """Write a few numbers as one piece of text; more as their shape, mean and norm."""
    if not isinstance(data, np.ndarray):
        return [str(data)]
    if data.size <= 3:
        return [np.array2string(data, separator=", ", formatter={"float_kind": short}).replace(
            "\n", "")]
    with np.errstate(all="ignore"):
        mean, norm = data.mean(), np.linalg.norm(data)
        tiny = data.dtype.kind == "f" and abs(mean) < np.finfo(data.dtype).eps * norm
        return ["x".join(map(str, data.shape)), f"mean {0 if tiny else mean:.3g}",
                f"norm {norm:.3g}"]


def short(number):
    return f"{0 if abs(number) < 1e-15 else number:.4g}"  # 0.1 + 0.2 - 0.3 is 0


def text_of(data):
    return " ".join(describe(data))
