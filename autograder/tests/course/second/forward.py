"""Problem 1.1: the function."""

# ruff: noqa: F821 (scenarios run in the submission)

import numpy as np

from judging.checks import check, formula, title

title("1.1", "Softplus")


def numbers(rng):
    return {"a": rng.integers(1, 30, (2, 2)) / 10}


@formula
def softplus(a):
    return np.log(1 + np.exp(a))


@check("1.1", "F.Softplus, forward", 4)
class Forward:
    inputs = numbers

    def scenario(a):
        return {"forward": F.Softplus.forward(ContextManager(), Tensor(a))}

    def reference(f, a):
        return {"forward": f.softplus(a)}


@check("1.1", "a.softplus() on Tensors", 2)
class Method:
    inputs = numbers

    def scenario(a):
        return {"a.softplus()": Tensor(a).softplus()}

    def reference(f, a):
        return {"a.softplus()": f.softplus(a)}
