"""Long sums that are fast and keep their digits: of a batch, and over any axes."""

import numpy as np


def sum_over(array, axes):
    """The sum over some axes (a tuple, ascending), which are dropped; of a float16 in float32.

    NumPy adds pairwise along the last axis and one by one along the others, which over a million
    float32 loses the fifth digit: long sums along those go through ``sum_rows``.
    """
    kept = tuple([axis for axis in range(array.ndim) if axis not in axes])
    if array.size < 4096 or axes == tuple(range(len(kept), array.ndim)):
        return np.add.reduce(array, axis=axes, dtype=_dtype_of_sums(array))
    shape = [array.shape[axis] for axis in kept]
    return sum_rows(array.transpose(axes + kept).reshape(-1, *shape))


def sum_rows(array):
    """The sum over the first axis, that of the batch; of a float16 in float32.

    128 rows and more are summed block by block, as products with ones, which keeps the digits.
    """
    n = len(array) // 128 * 128
    if n == 0 or array.dtype.kind != "f":
        return np.add.reduce(array, axis=0, dtype=_dtype_of_sums(array))
    ones = np.ones(128, np.result_type(array.dtype, np.float32))
    sums = ones @ array[:n].reshape(n // 128, 128, -1)
    rest = sum_rows(array[n:]).reshape(1, -1)
    return sum_rows(np.concatenate([sums, rest])).reshape(array.shape[1:])


def _dtype_of_sums(array):
    return np.float32 if array.dtype == np.float16 else None
