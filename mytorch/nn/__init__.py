"""Neural network parts.  ``from mytorch import nn`` gives nn.Linear, nn.ReLU and the rest."""

import importlib

_FILES = {"Module": "module", "Linear": "linear", "ReLU": "activations",
          "BatchNorm1d": "batchnorm", "CrossEntropyLoss": "loss", "Sequential": "sequential"}
__all__ = list(_FILES)


def __getattr__(name):
    """Load a part when it is asked for, so that a mistake in one file stops no other."""
    if name not in _FILES:
        raise AttributeError(f"module 'mytorch.nn' has no attribute {name!r}")
    return getattr(importlib.import_module("mytorch.nn." + _FILES[name]), name)
