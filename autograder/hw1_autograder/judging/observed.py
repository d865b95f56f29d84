"""What was to be seen when a scenario ran once more, as ``inside/observer.py`` tells it."""

import re
from dataclasses import dataclass, field

from inside.describe import SHAPES

OUTSIDE = re.compile(r"'NoneType' object has no attribute '(apply|next_functions)'|"
                     r"outside (the|any) graph")
DECISIVE = (  # nothing can be right with one of these; the first that was found is told
    "forward returns", "apply returns", "data is a Tensor", "requires_grad lost", "no node",
    "shared list", "parents missing", "too many parents", "parents in another order",
    "parent is another", "parent is None",
    "seed is no Tensor", "seed's shape", "no parameters", "parameter twice", "gradient kept")
OF_SHAPES = ("in another order", "gradient not summed", "gradient's shape")
FINDINGS = DECISIVE + (
    "param.data is a Tensor", "parameter replaced", "too few gradients", "gradient is None",
    "gradient is no Tensor", "gradient's dtype", "kept elsewhere", *OF_SHAPES,
    "no Tensor arrives", "shape that arrives", "no grad_fn", "gradients share memory",
    "input changed")
ENGINE = (  # whatever the numbers are
    "nothing starts", "starts elsewhere", "seed's values", "nothing arrives",
    "one of several arrives", "another arrives", "not accumulated", "a gradient too many")
NUMBERS = ("apply hands another", "value", "random", "factor", "written elsewhere",
           "changes its gradient", "cycle", "visited too often", "returns its argument",
           "too many gradients") + ENGINE


@dataclass
class Observed:
    """The operations that a scenario used, and what was found."""

    uses: set = field(default_factory=set)  # the names of operations
    found: list = field(default_factory=list)  # Findings

    def first(self, kinds, failure=None):
        """Return the first Finding, in the order of the kinds, that could lead to a failure."""
        for kind in kinds:
            for finding in self.found:
                unfit = failure and (
                    kind in OF_SHAPES and not speaks_of_shapes(failure)
                    or kind == "requires_grad lost" and not OUTSIDE.search(failure.message))
                if finding.kind == kind and not unfit:
                    return finding
        return None


def speaks_of_shapes(failure):
    return SHAPES.search(failure.message) or (
        failure.type == "AssertionError" and failure.message.startswith("("))
