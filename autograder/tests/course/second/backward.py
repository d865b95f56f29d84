"""Problem 1.2: its derivative."""

# ruff: noqa: F821 (scenarios run in the submission)

import numpy as np

from judging.checks import check, formula, title

title("1.2", "Its derivative")


@formula
def softplus_gradient(a, g):
    return g / (1 + np.exp(-a))


@check("1.2", "F.Softplus in a graph", 6)
class Backward:
    def inputs(rng):
        return {"a": rng.integers(1, 30, (2, 2)) / 10}

    def scenario(a):
        a = Tensor(a, requires_grad=True)
        F.Softplus.apply(a).backward()
        return {"gradient": a.grad}

    def reference(f, a):
        return {"gradient": f.softplus_gradient(a, np.ones_like(a))}
