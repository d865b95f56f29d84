"""Problems 1.1 and 1.2: what is asked of the operations and of the autograd engine.

Each check has three parts.  ``inputs`` draws what it works on.  ``scenario`` is the code that
runs in the submission's process; it imports what it needs and returns arrays and facts, by
name (``array_of``, ``grad_of`` and other helpers are in ``helpers.py``).
``reference`` says what those should be, in plain NumPy; ``f`` holds the formulas, the functions
marked ``@formula``.  Nothing here sees the submission's objects.
"""

import numpy as np

from checks import check, formula


def two_arrays(rng):
    """Two arrays and a gradient of one shape; b stays away from 0."""
    shape = (2, 3)
    return {"a": rng.normal(size=shape), "b": rng.uniform(1, 2, shape) * rng.choice([-1, 1], shape),
            "g": rng.normal(size=shape)}


# ---- 1.1 Basic operations

@formula
def add(a, b):
    return a + b


@formula
def add_gradients(a, b, g):
    return g, g


@check("1.1.0", "Addition (given)", 0, """
    a, b, ctx = Tensor.randn(2, 3), Tensor.randn(2, 3), ContextManager()
    print(F.Add.forward(ctx, a, b))
    print(F.Add.backward(ctx, Tensor.randn(2, 3)))
""")
class Addition:
    inputs = two_arrays

    def scenario(a, b, g):
        from mytorch.tensor import Tensor
        from mytorch.autograd_engine import ContextManager
        from mytorch.nn import functional as F
        ctx = ContextManager()
        c = F.Add.forward(ctx, Tensor(a, requires_grad=True), Tensor(b, requires_grad=True))
        grad_a, grad_b = F.Add.backward(ctx, Tensor(g))
        return {"a + b": array_of(c), "gradient for a": array_of(grad_a),
                "gradient for b": array_of(grad_b)}

    def reference(f, a, b, g):
        grad_a, grad_b = f.add_gradients(a, b, g)
        return {"a + b": f.add(a, b), "gradient for a": grad_a, "gradient for b": grad_b}


@formula
def sub(a, b):
    return a - b


@formula
def sub_gradients(a, b, g):
    return g, -g


@check("1.1.1", "Subtraction", 5, """
    a, b, ctx = Tensor.randn(2, 3), Tensor.randn(2, 3), ContextManager()
    print(F.Sub.forward(ctx, a, b))
    print(F.Sub.backward(ctx, Tensor.randn(2, 3)))
""")
class Subtraction:
    inputs = two_arrays
    advice = {"Tensor has __sub__":
              "Tensor.__sub__ is missing: the handout asks for the operator too (1.1.1)"}

    def scenario(a, b, g):
        from mytorch.tensor import Tensor
        from mytorch.autograd_engine import ContextManager
        from mytorch.nn import functional as F
        ctx = ContextManager()
        c = F.Sub.forward(ctx, Tensor(a, requires_grad=True), Tensor(b, requires_grad=True))
        grad_a, grad_b = F.Sub.backward(ctx, Tensor(g))
        return {"a - b": array_of(c), "gradient for a": array_of(grad_a),
                "gradient for b": array_of(grad_b),
                "Tensor has __sub__": hasattr(Tensor, "__sub__")}

    def reference(f, a, b, g):
        grad_a, grad_b = f.sub_gradients(a, b, g)
        return {"a - b": f.sub(a, b), "gradient for a": grad_a, "gradient for b": grad_b,
                "Tensor has __sub__": True}


@formula
def mul(a, b):
    return a * b


@formula
def mul_gradients(a, b, g):
    return g * b, g * a


@check("1.1.2", "Multiplication", 5, """
    a, b, ctx = Tensor.randn(2, 3), Tensor.randn(2, 3), ContextManager()
    print(F.Mul.forward(ctx, a, b))
    print(F.Mul.backward(ctx, Tensor.randn(2, 3)))
""")
class Multiplication:
    inputs = two_arrays
    advice = {"Tensor has __mul__":
              "Tensor.__mul__ is missing: the handout asks for the operator too (1.1.2)"}

    def scenario(a, b, g):
        from mytorch.tensor import Tensor
        from mytorch.autograd_engine import ContextManager
        from mytorch.nn import functional as F
        ctx = ContextManager()
        c = F.Mul.forward(ctx, Tensor(a, requires_grad=True), Tensor(b, requires_grad=True))
        grad_a, grad_b = F.Mul.backward(ctx, Tensor(g))
        return {"a * b": array_of(c), "gradient for a": array_of(grad_a),
                "gradient for b": array_of(grad_b),
                "Tensor has __mul__": hasattr(Tensor, "__mul__")}

    def reference(f, a, b, g):
        grad_a, grad_b = f.mul_gradients(a, b, g)
        return {"a * b": f.mul(a, b), "gradient for a": grad_a, "gradient for b": grad_b,
                "Tensor has __mul__": True}


@formula
def div(a, b):
    return a / b


@formula
def div_gradients(a, b, g):
    return g / b, -g * a / b ** 2


@check("1.1.3", "Division", 5, """
    a, b, ctx = Tensor.randn(2, 3), Tensor.randn(2, 3), ContextManager()
    print(F.Div.forward(ctx, a, b))
    print(F.Div.backward(ctx, Tensor.randn(2, 3)))
""")
class Division:
    inputs = two_arrays
    advice = {"Tensor has __truediv__":
              "Tensor.__truediv__ is missing: the handout asks for the operator too (1.1.3)"}

    def scenario(a, b, g):
        from mytorch.tensor import Tensor
        from mytorch.autograd_engine import ContextManager
        from mytorch.nn import functional as F
        ctx = ContextManager()
        c = F.Div.forward(ctx, Tensor(a, requires_grad=True), Tensor(b, requires_grad=True))
        grad_a, grad_b = F.Div.backward(ctx, Tensor(g))
        return {"a / b": array_of(c), "gradient for a": array_of(grad_a),
                "gradient for b": array_of(grad_b),
                "Tensor has __truediv__": hasattr(Tensor, "__truediv__")}

    def reference(f, a, b, g):
        grad_a, grad_b = f.div_gradients(a, b, g)
        return {"a / b": f.div(a, b), "gradient for a": grad_a, "gradient for b": grad_b,
                "Tensor has __truediv__": True}


# ---- 1.2 Autograd.  Only given operations (Add, Log, Reshape, Transpose) are used, but for the
# ---- handout's own example.

def positive_arrays(rng):
    return {"a": rng.uniform(1, 3, (2, 3)), "b": rng.uniform(1, 3, (2, 3))}


@formula
def output_requires_grad(*inputs_require_grad):
    return any(inputs_require_grad)


@formula
def output_is_leaf(*inputs_require_grad):
    return not any(inputs_require_grad)


@check("1.2", "The output of an operation: leaf and node bookkeeping", 4, """
    a, b = Tensor.ones(2, 3), Tensor.ones(2, 3)
    a.requires_grad = True
    print((a + b).requires_grad, (a + b).is_leaf, (a + b).grad_fn, (b + b).is_leaf)
""")
class Bookkeeping:
    inputs = positive_arrays

    def scenario(a, b):
        from mytorch.tensor import Tensor
        a, b = Tensor(a, requires_grad=True), Tensor(b)
        mixed, constant = a + b, b + b
        return {"(a + b).requires_grad": bool(mixed.requires_grad),
                "(a + b).is_leaf": bool(mixed.is_leaf),
                "(a + b).grad_fn is a node": mixed.grad_fn is not None,
                "(b + b).requires_grad": bool(constant.requires_grad),
                "(b + b).is_leaf": bool(constant.is_leaf)}

    def reference(f, a, b):
        return {"(a + b).requires_grad": f.output_requires_grad(True, False),
                "(a + b).is_leaf": f.output_is_leaf(True, False),
                "(a + b).grad_fn is a node": True,
                "(b + b).requires_grad": f.output_requires_grad(False, False),
                "(b + b).is_leaf": f.output_is_leaf(False, False)}


@formula
def seed(data):
    """What backward() starts with: the gradient of a tensor with respect to itself."""
    return np.ones_like(data)


@formula
def paths(*gradients):
    """What reaches a node along several paths."""
    return sum(gradients)


@formula
def grad_is_a():
    return "Tensor"


@formula
def grad_is_in_a_graph():
    return False


@check("1.2", "backward() brings every leaf its gradient", 4, """
    a, b = Tensor(np.full((2, 3), 2.), requires_grad=True), Tensor.ones(2, 3)
    b.requires_grad = True
    (a.log() + b).backward(); print(a.grad, b.grad)
""")
class Leaves:
    inputs = positive_arrays

    def scenario(a, b):
        from mytorch.tensor import Tensor
        a, b = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        (a.log() + b).backward()
        kind = "Tensor" if isinstance(a.grad, Tensor) else type(a.grad).__name__
        return {"a.grad": grad_of(a), "b.grad": grad_of(b), "a.grad is a": kind,
                "a.grad is part of a graph": bool(getattr(a.grad, "requires_grad", False))}

    def reference(f, a, b):
        g = f.seed(np.log(a) + b)
        return {"a.grad": g / a, "b.grad": g, "a.grad is a": f.grad_is_a(),
                "a.grad is part of a graph": f.grad_is_in_a_graph()}


@formula
def kept(kind, gradient):
    """Who keeps a gradient: leaves that require it."""
    return gradient if kind == "leaf" else None


@check("1.2", "Constants and intermediate results keep no gradient", 3, """
    a, b = Tensor(np.full((2, 3), 2.), requires_grad=True), Tensor.ones(2, 3)
    t = a.log(); y = t + b; y.backward()
    print(a.grad, b.grad, t.grad, y.grad)
""")
class Constants:
    inputs = positive_arrays

    def scenario(a, b):
        from mytorch.tensor import Tensor
        a, b = Tensor(a, requires_grad=True), Tensor(b)
        t = a.log()
        y = t + b
        y.backward()
        return {"a.grad": grad_of(a), "b.grad (a constant)": grad_of(b),
                "t.grad (intermediate)": grad_of(t), "y.grad (intermediate)": grad_of(y)}

    def reference(f, a, b):
        g = np.ones_like(a)
        return {"a.grad": f.kept("leaf", g / a), "b.grad (a constant)": f.kept("constant", g),
                "t.grad (intermediate)": f.kept("intermediate", g),
                "y.grad (intermediate)": f.kept("intermediate", g)}


@formula
def accumulate(earlier, new):
    """What ``.grad`` is after another call of backward()."""
    return earlier + new


@check("1.2", "Gradients add up over paths and over calls", 7, """
    a = Tensor(np.full((2, 3), 2.), requires_grad=True)
    (a.log() + a).backward(); print(a.grad)
    a.log().backward(); print(a.grad)
""")
class Accumulation:
    inputs = positive_arrays
    hints = ("log(a).requires_grad",)

    def scenario(a, b):
        from mytorch.tensor import Tensor
        a = Tensor(a, requires_grad=True)
        (a.log() + a).backward()
        first = np.array(grad_of(a))
        a.log().backward()
        return {"log(a).requires_grad": bool(a.log().requires_grad),
                "a.grad after (log(a) + a).backward()": first,
                "a.grad after log(a).backward(), too": grad_of(a)}

    def reference(f, a, b):
        first = f.paths(1 / a, np.ones_like(a))
        return {"log(a).requires_grad": f.output_requires_grad(True),
                "a.grad after (log(a) + a).backward()": first,
                "a.grad after log(a).backward(), too": f.accumulate(first, 1 / a)}


@check("1.2", "The handout's worked example, e = ((a * b + a) + c) + 3", 3, """
    a, b, c = Tensor(1., requires_grad=True), Tensor(2.), Tensor(3., requires_grad=True)
    e = ((a * b + a) + c) + Tensor(3.)
    e.backward(); print(a.grad, b.grad, c.grad)
""")
class WorkedExample:
    def inputs(rng):
        return {name: np.array(rng.uniform(1, 3)) for name in "abc"}

    def scenario(a, b, c):
        from mytorch.tensor import Tensor
        a, b, c = Tensor(a, requires_grad=True), Tensor(b), Tensor(c, requires_grad=True)
        e = ((a * b + a) + c) + Tensor(3.)
        e.backward()
        x = Tensor(array_of(c), requires_grad=True)
        (b * x).backward()
        return {"e": array_of(e), "a.grad": grad_of(a), "b.grad": grad_of(b),
                "c.grad": grad_of(c), "x.grad of b * x, the constant first": grad_of(x)}

    def reference(f, a, b, c):
        one = np.array(1.)
        return {"e": np.array(a * b + a + c + 3), "a.grad": np.array(f.paths(b, one)),
                "b.grad": f.kept("constant", a), "c.grad": one,
                "x.grad of b * x, the constant first": b}


@check("1.2", "Subexpressions that are used more than once", 2, """
    a, b = Tensor(np.full((2, 3), 2.), requires_grad=True), Tensor.ones(2, 3)
    t = a.log(); u = t + b; y = (u + t) + u
    y.backward(); print(a.grad)
""")
class SharedSubexpressions:
    inputs = positive_arrays

    def scenario(a, b):
        from mytorch.tensor import Tensor
        a, b = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        t = a.log()
        u = t + b
        y = (u + t) + u
        y.backward()
        return {"a.grad": grad_of(a), "b.grad": grad_of(b)}

    def reference(f, a, b):
        through_u = f.paths(np.ones_like(a), np.ones_like(a))
        return {"a.grad": f.paths(through_u, np.ones_like(a)) / a, "b.grad": through_u}


@check("1.2", "Transpose, reshape and log through the graph", 2, """
    a, b = Tensor(np.full((2, 3), 2.), requires_grad=True), Tensor.ones(6)
    y = a.T().reshape(6).log() + b
    y.backward(); print(a.grad)
""")
class Shapes:
    inputs = positive_arrays

    def scenario(a, b):
        from mytorch.tensor import Tensor
        a, b = Tensor(a, requires_grad=True), Tensor(b.reshape(6))
        y = a.T().reshape(6).log() + b
        y.backward()
        return {"y": array_of(y), "a.grad": grad_of(a)}

    def reference(f, a, b):
        return {"y": np.log(a.T.reshape(6)) + b.reshape(6), "a.grad": 1 / a}


@check("1.2", "The time of backward()", 0, """
    y = Tensor(1., requires_grad=True)
    for _ in range(16): y = y + y
    y.backward()  # takes twice as long with each step?
""")
class LinearTime:
    advice = {"each node's backward ran once":
              "backward() goes through a node once for each path to it, so that its time doubles "
              "with each y = y + y; wait for all paths, then go on once (handout 0.1.8)"}

    def inputs(rng):
        return {"depth": 10}

    def scenario(depth):
        from mytorch.nn import functional as F
        from mytorch.tensor import Tensor
        calls, original = [], F.Add.backward

        def counted(*args):
            calls.append(1)
            return original(*args)

        F.Add.backward = staticmethod(counted)
        y = Tensor(np.array(1.), requires_grad=True)
        for _ in range(depth):
            y = y + y
        y.backward()
        return {"each node's backward ran once": len(calls) <= depth}

    def reference(f, depth):
        return {"each node's backward ran once": True}
