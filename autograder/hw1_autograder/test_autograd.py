"""Problems 1.1 and 1.2: what is asked of the operations and of the autograd engine.

Each check has three parts.  ``inputs`` draws what it works on: few and short numbers, because
a report shows them.  ``scenario`` is the code that runs in the submission's process and that a
report shows; it returns Tensors, arrays and facts, by name (it runs in the module ``helpers.py``).
``reference`` says what those should be, in plain NumPy; ``f`` holds the formulas.  Nothing here
sees the submission's objects.
"""

import numpy as np

from judging.checks import ANY, check, formulas, title


def numbers(rng, *shape):
    """Draw distinct multiples of 0.1 between -3 and 3, without 0."""
    values = rng.permutation(np.delete(np.arange(-30, 31), 30))[:int(np.prod(shape))]
    return values.reshape(shape) / 10


def positive(rng, *shape):
    """Draw distinct multiples of 0.1 between 0.5 and 3, without 1 and 2."""
    values = rng.permutation(np.delete(np.arange(5, 31), [5, 15]))[:int(np.prod(shape))]
    return values.reshape(shape) / 10


# ---- 1.1 Basic operations: four times the same two checks

title("1.1.0", "Addition (given)")
title("1.1.1", "Element-wise subtraction")
title("1.1.2", "Element-wise multiplication")
title("1.1.3", "Element-wise division")


formulas(
    add=lambda a, b: a + b,
    add_gradients=lambda a, b, g: (g, g),
    sub=lambda a, b: a - b,
    sub_gradients=lambda a, b, g: (g, -g),
    mul=lambda a, b: a * b,
    mul_gradients=lambda a, b, g: (g * b, g * a),
    div=lambda a, b: a / b,
    div_gradients=lambda a, b, g: (g / b, -g * a / b ** 2),
    operands_kept=lambda a, b, g: (a, b),  # of backward, after another forward, of g[0] and g[0]
    summed=lambda grad: grad,  # to the shape of what is kept
    operator_calls=lambda name: name,  # the function that an operator of Tensors calls
    operator_hands=lambda a, b: (a, b),
    operator_is_in_the_graph=lambda: True)


def ask_of_operation(number, name, symbol, each):
    """Add the checks of one operation, where each value is worth ``each``."""
    replacing = {"Sub": name, "a - b": f"a {symbol} b"}
    ask_of_function(number, name, each, replacing)
    ask_of_operator(number, name, each, replacing)


def ask_of_function(number, name, each, replacing):
    forward, gradients = name.lower(), name.lower() + "_gradients"

    @check(number, f"F.{name}, forward and backward",
           {"forward": each, "gradient for a": each, "gradient for b": each}, replacing,
           operation=name)
    class Function:
        advice = {"the gradients are Tensors":
                  f"{name}.backward returns arrays; wrap each in Tensor(...), unless your engine "
                  "takes arrays (handout 0.2.2)",
                  "a, b and grad_output are as they were":
                  f"{name} changes an array that belongs to its caller, a.data, b.data or "
                  "grad_output.data: make a new one"}

        def inputs(rng):
            return {"a": numbers(rng, 2, 2), "b": positive(rng, 2, 2) * [[1, -1], [-1, 1]],
                    "g": numbers(rng, 2, 2)}

        def scenario(a, b, g):
            ctx, g0 = ContextManager(), Tensor(g.copy())
            a0, b0 = (Tensor(x.copy(), requires_grad=True) for x in (a, b))
            c = F.Sub.forward(ctx, a0, b0)
            F.Sub.forward(ContextManager(), Tensor(g[0]), Tensor(g[0]))
            grad_a, grad_b = F.Sub.backward(ctx, g0)
            return {"forward": c, "gradient for a": grad_a, "gradient for b": grad_b,
                    "the gradients are Tensors": are_tensors(grad_a, grad_b),
                    "a, b and grad_output are as they were":
                        holds(a0, a) and holds(b0, b) and holds(g0, g)}

        def reference(f, a, b, g):
            grad_a, grad_b = map(f.summed, getattr(f, gradients)(*f.operands_kept(a, b, g), g))
            return {"forward": getattr(f, forward)(a, b),
                    "gradient for a": grad_a, "gradient for b": grad_b}


def ask_of_operator(number, name, each, replacing):
    output = replacing["a - b"]
    in_graph = f"{output} is in the graph, as a + b is"

    @check(number, f"{output} on Tensors", {output: each, in_graph: each}, replacing,
           {f"{number}.1": ("forward",)}, operation=name)  # the operator shows what it does
    class Operator:
        unscored = ("given",)
        forward = (output,)

        def inputs(rng):
            return {"a": numbers(rng, 2, 2), "b": positive(rng, 2, 2)}

        def scenario(a, b):
            a, b, p, q = (Tensor(x, requires_grad=True) for x in (a, b, a, b))
            c, given = a - b, p + q
            return {"given": given, "a - b": c,
                    "a - b is in the graph, as a + b is":
                        len(leaves(c.grad_fn)) == len(leaves(given.grad_fn))
                        and bool(c.requires_grad) == bool(given.requires_grad)}

        def reference(f, a, b):
            called = getattr(f, f.operator_calls(name).lower())
            return {"given": f.add(a, b), output: called(*f.operator_hands(a, b)),
                    in_graph: f.operator_is_in_the_graph()}


ask_of_operation("1.1.0", "Add", "+", 0)
ask_of_operation("1.1.1", "Sub", "-", 1)
ask_of_operation("1.1.2", "Mul", "*", 1)
ask_of_operation("1.1.3", "Div", "/", 1)


# ---- 1.2 Autograd.  Only given operations (Add, Log, Reshape, Transpose) are used, but for the
# ---- handout's own example.

title("1.2", "Autograd")
REQUIRES_GRAD = {"1.2.1": ("(a + b).requires_grad",)}
GRAPH = {**REQUIRES_GRAD, "1.2.2": ("a.grad", "b.grad")}  # without this nothing works
PATHS = {**GRAPH, "1.2.4": ("a.grad",)}


def positive_arrays(rng):
    return {"a": positive(rng, 2, 2), "b": positive(rng, 2, 2)}


formulas(
    output_requires_grad=lambda *inputs: any(inputs),  # of each input, whether it does
    output_is_leaf=lambda *inputs: not any(inputs),
    output_has_node=lambda: True,
    grad_is_an_array=lambda: False,
    grad_is_in_a_graph=lambda: False,
    product_gradients=lambda a, b, c, d: (b, a))  # those of a * b + c * d, for a and b


@check("1.2", "The output of an operation: requires_grad and is_leaf",
       {"a + b": 0, "(a + b).requires_grad": 1, "(a + b).is_leaf": 1,
        "requires_grad of a + b and b + b differ": 1, "is_leaf of a + b and b + b differ": 1})
class Bookkeeping:
    inputs = positive_arrays
    unscored = ("a + b has a node", "a + a, b + a")
    asks_for_facts = True

    def scenario(a, b):
        a, b = Tensor(a, requires_grad=True), Tensor(b)
        mixed, constant = a + b, b + b
        return {"a + b": mixed, "a + b has a node": mixed.grad_fn is not None,
                "a + a, b + a": sum(bool((x + a).requires_grad) for x in (a, b)),
                "(a + b).requires_grad": bool(mixed.requires_grad),
                "(a + b).is_leaf": bool(mixed.is_leaf),
                "requires_grad of a + b and b + b differ":
                    bool(mixed.requires_grad) != bool(constant.requires_grad),
                "is_leaf of a + b and b + b differ":
                    bool(mixed.is_leaf) != bool(constant.is_leaf)}

    def reference(f, a, b):
        return {"a + b": a + b, "a + b has a node": f.output_has_node(),
                "a + a, b + a": sum(f.output_requires_grad(x, True) for x in (True, False)),
                "(a + b).requires_grad": f.output_requires_grad(True, False),
                "(a + b).is_leaf": f.output_is_leaf(True, False),
                "requires_grad of a + b and b + b differ":
                    f.output_requires_grad(True, False) != f.output_requires_grad(False, False),
                "is_leaf of a + b and b + b differ":
                    f.output_is_leaf(True, False) != f.output_is_leaf(False, False)}


@check("1.2", "backward() brings every leaf its gradient",
       {"a.grad": 2, "b.grad": 1, "a.grad is an array, no Tensor": 1,
        "a.grad is part of a graph": 1}, after=REQUIRES_GRAD)
class Leaves:
    inputs = positive_arrays

    def scenario(a, b):
        a, b = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        (a.log() + b).backward()
        return {"a.grad": a.grad, "b.grad": b.grad,
                "a.grad is an array, no Tensor": isinstance(a.grad, np.ndarray),
                "a.grad is part of a graph":
                    bool(getattr(a.grad, "requires_grad", False))}

    def reference(f, a, b):
        return {"a.grad": 1 / a, "b.grad": np.ones_like(b),
                "a.grad is an array, no Tensor": f.grad_is_an_array(),
                "a.grad is part of a graph": f.grad_is_in_a_graph()}


@check("1.2", "Constants and intermediate results keep no gradient",
       {"y": 0, "b.grad (a constant)": 1, "t.grad (intermediate)": 1}, after=GRAPH)
class Constants:
    inputs = positive_arrays

    def scenario(a, b):
        a, b = Tensor(a, requires_grad=True), Tensor(b)
        t = a.log()
        y = t + b
        y.backward()
        return {"y": y, "b.grad (a constant)": kept(b),
                "t.grad (intermediate)": kept(t)}

    def reference(f, a, b):
        return {"y": np.log(a) + b, "b.grad (a constant)": None, "t.grad (intermediate)": None}


@check("1.2", "Gradients add up over paths", 3, after=GRAPH)
class Paths:
    def inputs(rng):
        return {"a": 0.5 + positive(rng, 2, 2)}

    def scenario(a):
        a = Tensor(a, requires_grad=True)
        t = a.log()
        (t + t + a).log().backward()
        return {"a.grad": a.grad}

    def reference(f, a):
        return {"a.grad": (2 / a + 1) / (2 * np.log(a) + a)}


@check("1.2", "Gradients add up over calls of backward()", {"a.grad": 2, "b.grad": 2},
       after=GRAPH)
class Calls:
    inputs = positive_arrays

    def scenario(a, b):
        a, b = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        (a + b).log().backward()
        (a.log() + b.log()).backward()
        return {"a.grad": a.grad, "b.grad": b.grad}

    def reference(f, a, b):
        return {"a.grad": 1 / (a + b) + 1 / a, "b.grad": 1 / (a + b) + 1 / b}


def three_numbers(rng):
    return dict(zip("abc", positive(rng, 3).reshape(3, 1)))


@check("1.2", "The handout's worked example, e = ((a * b + a) + c) + 3",
       {"a.grad": 1, "c.grad": 1}, after={"1.1.2": ANY, **PATHS})
class WorkedExample:
    inputs = three_numbers
    unscored = ("e",)

    def scenario(a, b, c):
        a, c = Tensor(a, requires_grad=True), Tensor(c, requires_grad=True)
        b = Tensor(b)
        e = ((a * b + a) + c) + Tensor(3.)
        e.backward()
        return {"e": e, "a.grad": a.grad, "c.grad": c.grad}

    def reference(f, a, b, c):
        return {"e": a * b + a + c + 3, "a.grad": b + 1, "c.grad": np.ones(1)}


@check("1.2", "Each operand gets its own gradient, also behind a constant",
       {"gradients of a * b": 1, "e.grad": 1}, after={"1.1.2": ANY, **GRAPH})
class Operands:
    def inputs(rng):
        return dict(zip("abcd", positive(rng, 4).reshape(4, 1)))

    def scenario(a, b, c, d):
        a, b, c, d, e = (Tensor(x, requires_grad=True) for x in (a, b, c, d, c))
        (a * b + c * d).backward()
        (Tensor(b.data) * e).backward()
        return {"gradients of a * b": joined(a.grad, b.grad), "e.grad": e.grad}

    def reference(f, a, b, c, d):
        grad_a, grad_b = f.product_gradients(a, b, c, d)
        return {"gradients of a * b": np.concatenate([grad_a, grad_b]),
                "e.grad": b}


@check("1.2", "Subexpressions that are used more than once", 2, after=PATHS)
class SharedSubexpressions:
    inputs = positive_arrays

    def scenario(a, b):
        a, b = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        t = a.log()
        u = t + b
        y = ((t + u) + u) + u
        y.backward()
        return {"a.grad": a.grad, "b.grad": b.grad}

    def reference(f, a, b):
        return {"a.grad": 4 / a, "b.grad": np.full_like(b, 3)}


@check("1.2", "Transpose, reshape and log through the graph", 1, after=GRAPH)
class Shapes:
    inputs = positive_arrays
    unscored = ("y",)

    def scenario(a, b):
        a, b = Tensor(a, requires_grad=True), Tensor(b)
        y = (a.T().log() + b).reshape(4)
        y.backward()
        return {"y": y, "a.grad": a.grad}

    def reference(f, a, b):
        return {"y": (np.log(a.T) + b).reshape(4), "a.grad": 1 / a}


@check("1.2", "The time of backward()", 0, after=GRAPH)
class LinearTime:
    advice = {"each node's backward ran once":
              "optional, it costs no points: backward() goes through a node once for each path to "
              "it, so that its time doubles with each y = y + y; to wait for all paths, and then "
              "go on once, makes it linear (handout 0.1.8)"}

    def inputs(rng):
        return {"depth": 10}

    def scenario(depth):
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
        return {}
