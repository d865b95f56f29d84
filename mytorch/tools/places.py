"""Where the code of a function is, and where an error fell, as keywords for a Finding."""

import inspect
import linecache
import os
import traceback

import numpy as np


def place_of(function):
    """Return the file and line of a function, as keywords for a Finding."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return {}
    line = code.co_firstlineno
    while line < code.co_firstlineno + 9 and linecache.getline(
            code.co_filename, line).lstrip().startswith("@"):
        line += 1  # a decorator
    return {"file": code.co_filename, "line": line}


def frames_of(error):
    """Return the code and, as keywords for a Finding, the place of each frame on an error's way."""
    return [(frame.f_code, {"file": frame.f_code.co_filename, "line": line})
            for frame, line in traceback.walk_tb(error.__traceback__)]


def fell_in(error, function):
    """Return the place where a function raised an error or let it pass, or None."""
    return next((place for code, place in frames_of(error)
                 if code is getattr(function, "__code__", None)), None)


def fell_at(error):
    """Return the place where an error fell, outside of NumPy and these tools."""
    others = tuple(os.path.dirname(file) + os.sep for file in (np.__file__, __file__))
    own = [place for _, place in frames_of(error)
           if not place["file"].startswith(others + ("<",))]
    return own[-1] if own else {}
