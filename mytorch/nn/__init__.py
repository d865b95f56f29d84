"""Neural network parts.  ``from mytorch import nn`` gives nn.Linear, nn.ReLU and the rest."""

from mytorch.nn.activations import ReLU
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.module import Module
from mytorch.nn.sequential import Sequential

__all__ = ["BatchNorm1d", "CrossEntropyLoss", "Linear", "Module", "ReLU", "Sequential"]
