"""Writes values as JSON: a plain fact as it is, an array as its dtype, shape and bytes.

What is neither is unfit: of an array its dtype and shape are told, of anything else the class.
"""

import base64
import math

import numpy as np

MOST_BYTES = 1 << 20  # of an array


def encode(value):
    """Return what stands for a value in JSON."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, (float, np.ndarray, np.generic)):
        array = np.array(np.asarray(value), order="C", subok=False)
        array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype.kind not in "biuf" or array.nbytes > MOST_BYTES:
            return {"unfit": str(array.dtype), "shape": list(array.shape)}
        return {"dtype": array.dtype.str[1:], "shape": list(array.shape),
                "data": base64.b64encode(array.tobytes()).decode()}
    return {"unfit": type(value).__name__, "shape": None}
