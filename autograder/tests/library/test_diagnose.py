"""diagnose finds the first thing that is wrong in programs with one fault; in right ones nothing.

Each fault is a change of an engine: the plain one of the tests, that one with a topological sort or
with arrays as gradients, and this library's.
"""

import random
import time

import numpy as np
import pytest

from engines import ENGINE, NUMPY_GRADIENTS, TOPOLOGICAL_SORT, engine
from mytorch import Function, Tensor, no_grad
from mytorch.nn import functional
from mytorch.nn.activations import ReLU
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.tools import diagnose

F, TENSOR = "nn/functional.py", "tensor.py"
BATCHNORM, LINEAR, ACTIVATIONS = "nn/batchnorm.py", "nn/linear.py", "nn/activations.py"
ENGINES = {"plain": [], "sorted": TOPOLOGICAL_SORT, "arrays": NUMPY_GRADIENTS, "ours": None}


# ---- programs: each takes the function that imports and returns the tensor to differentiate

def leaf(load, *shape, low=1., high=2.):
    values = np.random.RandomState(sum(shape) + len(shape)).uniform(low, high, shape)
    return load("tensor").Tensor(values, requires_grad=True)


def constant(load, *shape):
    return load("tensor").Tensor(np.random.RandomState(9).uniform(1, 2, shape))


def elementwise(symbol):
    def program(load):
        a, b = leaf(load, 2, 3), leaf(load, 2, 3, low=2., high=3.)
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
                "/": lambda: a / b}[symbol]()
    return program


def broadcast(symbol, one=(2, 3), other=(3,)):
    def program(load):
        a, b = leaf(load, *one), leaf(load, *other, low=2., high=3.)
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
                "/": lambda: a / b}[symbol]()
    return program


def handout(load):
    tensor = load("tensor").Tensor
    a, b, c = tensor(1., requires_grad=True), tensor(2.), tensor(3., requires_grad=True)
    return (a * b + a + c) + tensor(3.)


def chain(load):
    """Every node's output goes on, and one is used twice."""
    a, b = leaf(load, 2, 2), leaf(load, 2, 2, low=2., high=3.)
    c = a * b
    return (c - a) * c / b


def two_products(load):
    a, b, c = leaf(load, 2), leaf(load, 2, low=2., high=3.), leaf(load, 2, low=3., high=4.)
    return a * b + b * c * c


def function(name, *args, low=1., high=2., shape=(2, 3)):
    def program(load):
        return getattr(load("nn.functional"), name).apply(
            leaf(load, *shape, low=low, high=high), *args)
    return program


def matrix_product(load):
    return leaf(load, 2, 3) @ leaf(load, 3, 4)


def relu(load):
    return load("nn.activations").ReLU()(leaf(load, 4, 3, low=-1., high=1.))


def linear(load):
    return load("nn.linear").Linear(3, 2)(constant(load, 4, 3))


def batchnorm(load):
    return load("nn.batchnorm").BatchNorm1d(3)(leaf(load, 4, 3)) * constant(load, 4, 3)


def evaluated_batchnorm(load):
    layer = load("nn.batchnorm").BatchNorm1d(3)
    layer.eval()
    return layer(leaf(load, 4, 3)) * constant(load, 4, 3)


def loss(load):
    labels = load("tensor").Tensor(np.array([0, 3, 1, 2]))
    return load("nn.loss").CrossEntropyLoss()(leaf(load, 4, 4), labels)


def network(load):
    nn = {name: getattr(load("nn." + module), name) for module, name in (
        ("linear", "Linear"), ("batchnorm", "BatchNorm1d"), ("activations", "ReLU"),
        ("sequential", "Sequential"), ("loss", "CrossEntropyLoss"))}
    np.random.seed(1)
    net = nn["Sequential"](nn["Linear"](5, 4), nn["BatchNorm1d"](4), nn["ReLU"](),
                           nn["Linear"](4, 3))
    return nn["CrossEntropyLoss"]()(net(constant(load, 6, 5)),
                                    load("tensor").Tensor(np.arange(6) % 3))


def accumulated(load):
    """A second pass: the leaf has a gradient already."""
    a = leaf(load, 2)
    a.grad = load("tensor").Tensor(np.array([10., 20.]))
    return a + a


def dropped(load):
    """An operation that draws random numbers, and one with a kink at its input."""
    base, tensor = load("autograd_engine").Function, load("tensor").Tensor

    class Dropout(base):
        @staticmethod
        def forward(ctx, a):
            ctx.mask = np.random.uniform(size=a.shape) < 0.5
            return tensor(a.data * ctx.mask)

        @staticmethod
        def backward(ctx, grad_output):
            return tensor(grad_output.data * ctx.mask)

    class Abs(base):
        @staticmethod
        def forward(ctx, a):
            ctx.sign = np.sign(a.data)
            return tensor(np.abs(a.data))

        @staticmethod
        def backward(ctx, grad_output):
            return tensor(grad_output.data * ctx.sign)

    x = tensor(np.array([0., 1., -2., 0., 3.]), requires_grad=True)
    return Abs.apply(x) + Dropout.apply(x)


RIGHT = {
    **{f"a {symbol} b": elementwise(symbol) for symbol in "+-*/"},
    **{f"(2, 3) {symbol} (3,)": broadcast(symbol) for symbol in "+-*/"},
    "(2, 1) * (1, 3)": broadcast("*", (2, 1), (1, 3)), "(2, 3) / ()": broadcast("/", (2, 3), ()),
    "(2, 2, 3) - (2, 1)": broadcast("-", (2, 2, 3), (2, 1)),
    "the handout's example": handout, "a chain": chain, "two products": two_products,
    "log": function("Log"), "exp": function("Exp"), "sqrt": function("Sqrt"),
    "transpose": function("Transpose"), "reshape": function("Reshape", (3, 2)),
    "matmul": matrix_product, "relu": relu, "relu at 0": function("ReLU", low=0., high=0.),
    "linear": linear, "batchnorm": batchnorm, "batchnorm in evaluation": evaluated_batchnorm,
    "loss": loss, "network": network, "a gradient that was there": accumulated,
    "a kink and random numbers": dropped,
    "small": function("Log", low=1e-4, high=1e-3), "large": function("Exp", low=20., high=30.),
    "a large array": lambda load: leaf(load, 120, 120) * leaf(load, 120, 120, low=2., high=3.),
    "float32": lambda load: (lambda tensor: tensor(
        np.array([1.5, 2.5], np.float32), requires_grad=True) * tensor(np.array(
            [3.5, 4.], np.float32), requires_grad=True))(load("tensor").Tensor),
}


@pytest.mark.parametrize("name", ENGINES)
def test_nothing_is_found_in_right_programs(name, capsys):
    with engine(ENGINES[name]) as load:
        found = {title: load("tools").diagnose(program(load)) for title, program in RIGHT.items()}
    assert len(found) >= 30 and {title: str(one) for title, one in found.items() if one} == {}
    assert "the first" not in capsys.readouterr().out


# ---- programs with one fault: the engine, the program, what is found, and the change

MUL = "        mul_a = grad_output.data * b.data\n"
NODE = "                if arg.is_leaf and arg.grad_fn is None:\n" \
       "                    arg.grad_fn = AccumulateGrad(arg)\n"
TAKE = "                parent = arg.grad_fn\n"
SUM = "grad_output.data * np.ones(ctx.shape)), None"
ACCUMULATE = ("        new = grad.data if old is None else old.data + grad.data\n"
              "        self.variable.grad = Tensor(new)")
SORTED_SUM = "Tensor(sums[parent].data + grad.data) if parent in sums else grad"

FAULTS = [
    # operations: their numbers
    ("plain", elementwise("-"), "value Sub b", (F, "sub_b = -grad_output.data",
                                                   "sub_b = grad_output.data")),
    ("plain", elementwise("*"), "value Mul a", (F, "mul_a = grad_output.data * b.data",
                                                   "mul_a = grad_output.data * a.data")),
    ("plain", elementwise("*"), "factor Mul a", (F, "mul_a = grad_output.data * b.data",
                                                    "mul_a = b.data")),
    ("plain", elementwise("/"), "value Div b", (F, " / b.data ** 2", " / b.data")),
    ("plain", elementwise("/"), "value Div b", (F, "div_b = -grad_output", "div_b = grad_output")),
    ("plain", elementwise("/"), "factor Div a", (F, "div_a = grad_output.data / b.data",
                                                    "div_a = 1 / b.data")),
    ("plain", function("Log"), "value Log a", (F, "grad_output.data / ctx.saved_tensors[0].data",
                                                  "grad_output.data * ctx.saved_tensors[0].data")),
    ("plain", function("Exp"), "factor Exp a", (F, "Tensor(grad_output.data * ctx.out)",
                                                   "Tensor(ctx.out)")),
    ("plain", function("Sqrt"), "value Sqrt a", (F, "/ (2 * ctx.out)", "/ ctx.out")),
    ("plain", function("Sum", 0), "factor Sum a", (F, "Tensor(" + SUM,
                                                      "Tensor(np.ones(ctx.shape)), None")),
    ("plain", matrix_product, "value MatMul b", (F, "a.data.T @ grad_output.data",
                                                    "a.data.T @ grad_output.data / 2")),
    ("plain", relu, "value ReLU a", (F, "grad_output.data * ctx.mask", "grad_output.data")),
    ("plain", relu, "factor ReLU a", (F, "grad_output.data * ctx.mask", "ctx.mask * 1.")),
    ("plain", relu, "value ReLU a", (F, "grad_output.data * ctx.mask",
                                        "grad_output.data * ~ctx.mask")),
    ("plain", batchnorm, "value Sqrt a", (F, "(2 * ctx.out)", "(3 * ctx.out)")),
    ("plain", network, "value Exp a", (F, "Tensor(grad_output.data * ctx.out)",
                                          "Tensor(grad_output.data)")),
    ("plain", broadcast("*"), "value Mul b", (F, "grad = grad.sum(axis=0)",
                                                 "grad = grad.mean(axis=0)")),
    ("plain", broadcast("-"), "value Sub b", (F, "grad = grad.sum(axis=0)", "grad = grad[0]")),
    ("plain", broadcast("/", (2, 1), (1, 3)), "value Div a", (
        F, "grad.sum(axis=axis, keepdims=True)", "grad.max(axis=axis, keepdims=True)")),
    ("plain", two_products, "kept elsewhere Mul a", (  # on the class
        F, "        ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data * b.data)",
        "        Mul.a, Mul.b = a, b\n        return tensor.Tensor(a.data * b.data)"),
     (F, "        a, b = ctx.saved_tensors\n" + MUL, "        a, b = Mul.a, Mul.b\n" + MUL)),
    ("plain", chain, "kept elsewhere Mul a", (
        ENGINE, "        self.saved_tensors = []", "        pass"),
     (ENGINE, "        self.saved_tensors = [tensor for tensor in tensors]",
      "        ContextManager.saved_tensors = tensors")),

    # operations: what they return
    ("plain", elementwise("*"), "gradient is None Mul a", (F, MUL, "        if True:\n"
                                                              "            return None\n" + MUL)),
    ("plain", elementwise("*"), "gradient is None Mul b", (
        F, "tensor.Tensor(unbroadcast(mul_b, b.shape)))", "None)")),
    ("plain", elementwise("-"), "too few gradients Sub ", (
        F, "return (tensor.Tensor(unbroadcast(sub_a, a.shape)),\n                "
           "tensor.Tensor(unbroadcast(sub_b, b.shape)))",
        "return tensor.Tensor(unbroadcast(sub_a, a.shape))")),
    ("plain", handout, "gradient is no Tensor Mul a", (
        F, "return (tensor.Tensor(unbroadcast(mul_a, a.shape)),\n                "
           "tensor.Tensor(unbroadcast(mul_b, b.shape)))",
        "return mul_a.tolist(), mul_b.tolist()")),
    ("plain", handout, "gradient is no Tensor Mul a", (  # arrays, which a leaf takes
        F, "return (tensor.Tensor(unbroadcast(mul_a, a.shape)),\n                "
           "tensor.Tensor(unbroadcast(mul_b, b.shape)))", "return mul_a, mul_b")),
    ("plain", elementwise("/"), "value Div a", (  # in the wrong order
        F, "return (tensor.Tensor(unbroadcast(div_a, a.shape)),\n                "
           "tensor.Tensor(unbroadcast(div_b, b.shape)))",
        "return tensor.Tensor(div_b), tensor.Tensor(div_a)")),
    ("plain", elementwise("*"), "value Mul a", (  # saved in the wrong order
        F, "ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data * b.data)",
        "ctx.save_for_backward(b, a)\n        return tensor.Tensor(a.data * b.data)")),
    ("plain", batchnorm, "value Sqrt a", (F, "ctx.out = np.sqrt(a.data)\n        return",
                                          "ctx.out = a.data\n        ctx.out = ctx.out * 1.\n"
                                          "        return tensor.Tensor(np.sqrt(a.data))\n"
                                          "        return")),
    ("plain", broadcast("*"), "gradient not summed Mul b", (F, "unbroadcast(mul_b, b.shape)",
                                                            "mul_b")),
    ("plain", broadcast("+"), "gradient not summed Add b", (
        F, "grad_b = unbroadcast(grad_output.data, b.shape)", "grad_b = grad_output.data")),
    ("plain", function("Transpose"), "gradient's shape Transpose a", (
        F, "Tensor(grad_output.data.T)", "Tensor(grad_output.data)")),
    ("plain", relu, "changes its gradient ReLU ", (
        F, "return tensor.Tensor(grad_output.data * ctx.mask)",
        "grad_output.data *= ctx.mask\n        return grad_output")),
    ("plain", elementwise("*"), "error Mul ", (F, MUL, "        mul_a = grad_output.data * c\n")),
    ("plain", two_products, "error Mul ", (F, MUL, "        mul_a = grad_output * b.data @ 3\n")),

    # forward
    ("plain", chain, "input changed Sub a", (F, "return tensor.Tensor(a.data - b.data)",
                                                "a.data -= b.data\n        "
                                                "return tensor.Tensor(a.data)")),
    ("plain", chain, "input changed Mul b", (F, "return tensor.Tensor(a.data * b.data)",
                                                "b.data = b.data * a.data\n        "
                                                "return tensor.Tensor(b.data)")),
    ("plain", lambda load: function("Reshape", (2, 3))(load) * leaf(load, 2, 3),
     "returns its argument Reshape ", (F, "return tensor.Tensor(a.data.reshape(shape))",
                                         "return a")),

    # the graph
    ("plain", chain, "requires_grad lost Sub a", (ENGINE, "output.requires_grad = needs",
     "output.requires_grad = needs and cls.__name__ != 'Sub'"),
     (ENGINE, "node if needs else None", "node if output.requires_grad else None")),
    ("plain", chain, "requires_grad lost Mul a", (  # of each operation in turn
        ENGINE, "output.requires_grad = needs", "output.requires_grad = False")),
    ("plain", chain, "no node Mul a", (
        ENGINE, "node if needs else None", "None"), (ENGINE, "not needs", "False")),
    ("plain", lambda load: function("Log")(load) * leaf(load, 2, 3), "no node Log a", (
        ENGINE, "node if needs else None", "node if cls.__name__ != 'Log' else None")),
    ("plain", chain, "parents missing Div ", (
        ENGINE, "            node.next_functions.append(parent)\n",
        "            node.next_functions[:] = [parent]\n")),
    ("plain", handout, "parents missing Mul ", (
        ENGINE, "            node.next_functions.append(parent)\n",
        "            if parent is not None:\n"
        "                node.next_functions.append(parent)\n")),
    ("plain", chain, "shared list  ", (
        ENGINE, "        self.next_functions = []\n\n    def apply(self, *grads)",
        "\n    next_functions = []\n\n    def apply(self, *grads)")),
    ("plain", chain, "shared list  ", (
        ENGINE, "    def __init__(self, cls):\n", "    def __init__(self, cls, parents=[]):\n"),
     (ENGINE, "        self.next_functions = []\n\n    def apply(self, *grads)",
      "        self.next_functions = parents\n\n    def apply(self, *grads)")),
    ("plain", chain, "shared list  ", (
        ENGINE, "    def __init__(self):\n        self.saved_tensors = []\n",
        "    saved_tensors = []\n"),
     (ENGINE, "self.saved_tensors = [tensor for tensor in tensors]",
      "self.saved_tensors.extend(tensors)")),
    ("plain", handout, "too many parents Mul ", (
        ENGINE, "            parent = None\n            if", "            parent = None\n"
        "            node.next_functions += [] if getattr(arg, 'requires_grad', 0) else [None]\n"
        "            if")),
    ("plain", handout, "parents in another order Mul ", (
        ENGINE, "node.next_functions.append(parent)", "node.next_functions.insert(0, parent)")),
    ("plain", two_products, "kept elsewhere Mul a", (F, """\
        ctx.save_for_backward(a, b)
        return tensor.Tensor(a.data * b.data)""", """\
        global kept
        kept = a, b
        return tensor.Tensor(a.data * b.data)"""),
     (F, "        a, b = ctx.saved_tensors\n        mul_a", "        a, b = kept\n        mul_a")),
    ("plain", chain, "parent is None Mul a", (ENGINE, NODE + TAKE, TAKE + NODE)),
    ("plain", chain, "parent is another Div a", (
        ENGINE, NODE + TAKE, "                parent = AccumulateGrad(arg)\n")),
    ("plain", two_products, "parent is another Add a", (  # stored on the tensor, too
        ENGINE, "if arg.is_leaf and arg.grad_fn is None:", "if True:")),
    ("plain", chain, "parents in another order Mul ", (
        ENGINE, "node.next_functions.append(parent)", "node.next_functions.insert(0, parent)")),
    ("plain", chain, "parents missing Mul ", (
        ENGINE, "            node.next_functions.append(parent)\n",
        "            node.next_functions.append(parent)\n            break\n")),
    ("plain", chain, "no grad_fn  ", (TENSOR, "return F.Div.apply(self, other)",
                                              "return Tensor(self.data / other.data)")),
    ("plain", relu, "no grad_fn  ", (ACTIVATIONS, "F.ReLU.apply(x)",
                                               "x.__class__(x.data * (x.data > 0))")),

    # the start
    ("plain", chain, "seed's shape  ", (TENSOR, "np.ones_like(self.data)", "np.array(1.)")),
    ("plain", chain, "seed's values  ", (TENSOR, "np.ones_like(self.data)",
                                                 "np.zeros_like(self.data)")),
    ("plain", chain, "seed's values  ", (TENSOR, "np.ones_like(self.data)", "self.data")),
    ("plain", chain, "seed is no Tensor  ", (TENSOR, "Tensor(seed)", "seed")),
    ("plain", chain, "starts elsewhere  ", (
        TENSOR, "backward(self.grad_fn, Tensor(seed))",
        "backward(self.grad_fn.next_functions[0], Tensor(seed))")),
    ("plain", chain, "nothing starts  ", (
        TENSOR, "autograd_engine.backward(self.grad_fn, Tensor(seed))", "return seed")),

    # the engine
    ("plain", handout, "nothing arrives Add ", (
        ENGINE, "            backward(parent, grad)\n",
        "            if isinstance(parent, AccumulateGrad):\n"
        "                backward(parent, grad)\n")),
    ("plain", chain, "nothing arrives Mul ", (ENGINE, "        if parent is not None:\n",
     "        if parent is not None and parent is not grad_fn.next_functions[0]:\n")),
    ("plain", elementwise("-"), "another arrives leaf 2 ", (ENGINE, "backward(parent, grad)",
                                                               "backward(parent, grads[0])")),
    ("plain", handout, "another arrives Add ", (
        ENGINE, "        if parent is not None:\n            backward(parent, grad)",
        "        if parent is not None:\n            backward(parent, type(grad)(2 * grad.data))")),
    ("plain", chain, "visited too often Div ", (
        ENGINE, "    grads = grad_fn.apply(grad_of_outputs)\n",
        "    while True:\n        grads = grad_fn.apply(grad_of_outputs)\n")),
    ("plain", chain, "visited too often leaf 1", (  # every edge is walked twice
        ENGINE, "            backward(parent, grad)\n",
        "            backward(parent, grad)\n" * 2)),
    ("plain", chain, "error in the engine  ", (ENGINE, "backward(parent, grad)",
                                                     "backward(parent, grad[0])")),
    ("plain", chain, "error in the engine  ", (ENGINE, "        if parent is not None:\n",
                                                     "        if parent.is_there:\n")),
    ("plain", two_products, "one of several arrives leaf 3 ", (
        ENGINE, "def backward(grad_fn, grad_of_outputs):\n",
        "def backward(grad_fn, grad_of_outputs, seen=None):\n    seen = seen or {0}\n"
        "    if id(grad_fn) in seen:\n        return\n    seen.add(id(grad_fn))\n"),
     (ENGINE, "backward(parent, grad)", "backward(parent, grad, seen)")),

    ("plain", elementwise("*"), "apply hands another Mul a", (
        ENGINE, "        result = self.cls.backward(self.ctx, *grads)\n",
        "        result = self.cls.backward(self.ctx, *grads)[::-1]\n")),
    ("plain", elementwise("*"), "apply hands another Mul a", (
        ENGINE, "        result = self.cls.backward(self.ctx, *grads)\n",
        "        self.cls.backward(self.ctx, *grads)\n        return\n")),
    ("plain", chain, "apply hands another Mul a", (  # the same again for another gradient
        ENGINE, "        result = self.cls.backward(self.ctx, *grads)\n",
        "        self.kept = result = vars(self).get('kept') or self.cls.backward(\n"
        "            self.ctx, *grads)\n")),
    ("plain", elementwise("*"), "apply hands another Mul b", (
        ENGINE, "        result = self.cls.backward(self.ctx, *grads)\n",
        "        result = self.cls.backward(self.ctx, *grads)[:1]\n")),

    # leaves
    ("plain", elementwise("*"), "written elsewhere  leaf 1", (
        F, MUL, MUL + "        a.grad = tensor.Tensor(mul_a)\n"),
     (F, "ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data * b.data)",
      "ctx.saved_tensors = [a, b]\n        return tensor.Tensor(a.data * b.data)"),
     ),
    ("plain", chain, "grad is no Tensor  leaf 1", (ENGINE, "self.variable.grad = Tensor(new)",
                                                 "self.variable.grad = new"),
     (ENGINE, "old.data + grad.data", "old + grad.data")),
    ("plain", two_products, "not accumulated  leaf 2", (ENGINE, "old.data + grad.data",
                                                              "grad.data")),
    ("plain", accumulated, "not accumulated  leaf 1", (ENGINE, "if old is None else old.data + "
                                                               "grad.data", "+ 0")),
    ("plain", accumulated, "not accumulated  leaf 1", (ENGINE, "old.data + grad.data",
                                                             "old.data")),
    ("plain", chain, "not accumulated  leaf 1", (ENGINE, "Tensor(new)", "Tensor(-new)")),
    ("plain", handout, "a gradient too many  ", (
        ENGINE, "            if hasattr(arg, \"requires_grad\") and arg.requires_grad:\n",
        "            if hasattr(arg, \"requires_grad\"):\n")),
    ("plain", chain, "a gradient too many  ", (
        ENGINE, "            parent = None\n", "            parent = None\n"
        "            node.seen = getattr(node, 'seen', []) + [arg]\n"),
     (ENGINE, "        result = self.cls", "        for arg in self.seen:\n"
      "            arg.grad = arg.grad if arg.is_leaf else grads[0]\n        result = self.cls")),
    ("plain", lambda load: (lambda tensor: tensor(np.array([1.5], np.float32), requires_grad=True)
                            * tensor(np.array([3.5])))(load("tensor").Tensor),
     "leaf's dtype  leaf 1", (TENSOR, "def ones", "def ones")),
    ("plain", lambda load: leaf(load, 2, 2) + leaf(load, 2, 2), "gradients share memory  leaf 2", (
        ENGINE, ACCUMULATE, "        if old is None:\n            self.variable.grad = grad\n"
                            "        else:\n            old.data += grad.data"),
     (F, "return tensor.Tensor(grad_a), tensor.Tensor(grad_b)",
      "return grad_output, grad_output")),

    # the same on other engines
    ("sorted", elementwise("-"), "value Sub b", (F, "sub_b = -grad_output.data",
                                                    "sub_b = grad_output.data")),
    ("sorted", relu, "factor ReLU a", (F, "grad_output.data * ctx.mask", "ctx.mask * 1.")),
    ("sorted", two_products, "one of several arrives leaf 3 ", (ENGINE, SORTED_SUM, "grad")),
    ("sorted", chain, "visited too often leaf 2 ", (ENGINE, "    for node in reversed(order):\n",
                                               "    for node in order[::-1] * 50:\n"
                                               "        sums.setdefault(node, grad_of_outputs)\n")),
    ("sorted", chain, "parent is another Div a", (
        ENGINE, NODE + TAKE, "                parent = AccumulateGrad(arg)\n")),
    ("arrays", elementwise("/"), "value Div b", (F, " / b.data ** 2", " / b.data")),
    ("arrays", chain, "seed's values  ", (TENSOR, "np.ones_like(self.data)", "self.data")),
    ("arrays", elementwise("*"), "error Mul ", (F, MUL, "        raise KeyError('w')\n")),
    ("arrays", elementwise("*"), "apply hands another Mul a", (
        ENGINE, "result = result if isinstance(result, tuple) else (result,)\n",
        "result = tuple(result)[::-1]\n")),
    ("arrays", accumulated, "not accumulated  leaf 1", (ENGINE, "grad if old is None else old + "
                                                                "grad", "grad")),
    ("ours", function("Exp"), "value Exp a", (F, "Tensor(grad_output.data * z.data)",
                                                 "Tensor(grad_output.data)")),
    ("ours", network, "value Linear bias", (F, "Tensor(sum_rows(g)) if ctx.needs_input_grad[2]",
                                               "Tensor(g.mean(axis=0)) if True")),
    ("ours", chain, "one of several arrives ", (ENGINE, "type(grad)(before.data + grad.data)",
                                                "grad")),
]
NAMES = [f"{number} {kind.strip()} on {name}" for number, (name, _, kind, *_) in enumerate(FAULTS)]


@pytest.mark.parametrize("changes", [
    [(ENGINE, "    for parent, grad in zip(grad_fn.next_functions, grads):",
      "    parents, grad_fn.next_functions, grad_fn.ctx = grad_fn.next_functions, [], None\n"
      "    for parent, grad in zip(parents, grads):")],
    [(F, "        return (tensor.Tensor(unbroadcast(mul_a, a.shape)),\n"
      "                tensor.Tensor(unbroadcast(mul_b, b.shape)))",
      "        return map(tensor.Tensor, (mul_a, mul_b))"),
     (ENGINE, "    if not isinstance(grads, tuple):", "    if not hasattr(grads, '__iter__'):")]],
    ids=["a graph that is freed", "gradients that come one by one"])
def test_nothing_is_found_in_right_programs_on_other_engines(changes, capsys):
    with engine(changes) as load:
        assert load("tools").diagnose(elementwise("*")(load)) is None, capsys.readouterr().out


@pytest.mark.parametrize("name, program, told, changes", [
    (name, program, told, changes) for name, program, told, *changes in FAULTS], ids=NAMES)
def test_one_fault_is_found_where_it_is(name, program, told, changes, capsys):
    with engine(ENGINES[name], *changes) as load:
        found = load("tools").diagnose(program(load))
        assert found is not None, capsys.readouterr().out
        assert capsys.readouterr().out == f"{found}\n"
    assert f"{found.kind} {found.operation} {found.argument}".startswith(told.rstrip()), found
    assert "mytorch" not in str(found) and len(str(found)) < 400


# ---- what it leaves, says and takes

def operation(name, forward, backward):
    """A Function of arrays: forward(*arrays), backward(gradient, *arrays)."""
    def run(ctx, *args):
        ctx.args = [arg.data if isinstance(arg, Tensor) else arg for arg in args]
        return Tensor(forward(*ctx.args))

    def differentiate(ctx, grad_output):
        return Tensor(backward(grad_output.data, *ctx.args))
    return type(name, (Function,), {"forward": staticmethod(run),
                                    "backward": staticmethod(differentiate)})


def batch_norm_of_float32():
    x = np.random.RandomState(0).randn(64, 8).astype(np.float32) + 100
    return (BatchNorm1d(8).float()(Tensor(x, requires_grad=True))
            * Tensor(np.arange(8, dtype=np.float32))).sum()


def product_of_float32():
    x, w = (Tensor(np.random.RandomState(0).randn(*shape).astype(np.float32), requires_grad=True)
            for shape in ((16, 784), (784, 512)))
    return (x @ w).sum()


def difference_of_float32():
    x = Tensor(np.random.RandomState(0).randn(50, 4).astype(np.float32), requires_grad=True)
    return (x - x.mean(axis=0)).sum()


@pytest.mark.parametrize("program", [
    batch_norm_of_float32, product_of_float32, difference_of_float32], ids=lambda one: one.__name__)
def test_nothing_is_found_in_right_programs_of_float32(program):
    assert diagnose(program()) is None


def sorted_back(g, a):
    grad = np.zeros(a.shape)
    grad[np.argsort(a, kind="stable")] = g
    return grad


@pytest.mark.parametrize("name, forward, backward, at", [
    ("Sort", lambda a: np.sort(a, kind="stable"), sorted_back, [1., 1., 1., 1., 1.]),
    ("Second", lambda a: np.sort(a)[-2], lambda g, a: g * (np.arange(4) == np.argsort(a)[-2]),
     [3., 3., 3., 1.]),
    ("Sign", np.sign, lambda g, a: 0 * g, [0., 1.]),
    ("Inverse", lambda a: 1 / a, lambda g, a: -g / a ** 2, [1e-7, 1.]),
    ("Steep", lambda a: np.tanh(1e4 * a), lambda g, a: g * 1e4 / np.cosh(1e4 * a) ** 2, [0., 1e-4]),
    ("Fast", np.sin, lambda g, a: g * np.cos(a), [1e6, 2.]),
    ("Faster", lambda a: np.sin(5e7 * a), lambda g, a: g * 5e7 * np.cos(5e7 * a), [0.3, 0.7, 0.9]),
    ("Large", lambda a: a - 1e17, lambda g, a: g, [1e17, 3e17])])
def test_nothing_is_found_at_ties_jumps_and_steep_places(name, forward, backward, at):
    x = Tensor(at, requires_grad=True)
    output = operation(name, forward, backward).apply(x)
    assert diagnose(output * Tensor(np.arange(1., 1 + output.data.size).reshape(output.shape))) \
        is None


@pytest.mark.parametrize("layer, name", [("ReLU", "ReLU"), ("BatchNorm", "BatchNorm")])
def test_a_fault_on_large_arrays_that_are_gone_is_found(layer, name, monkeypatch):
    right = getattr(functional, layer).backward

    def wrong(ctx, grad_output):
        grads = right(ctx, grad_output)
        first = grads[0] if isinstance(grads, tuple) else grads
        return (Tensor(3 * first.data), *grads[1:]) if isinstance(grads, tuple) else \
            Tensor(3 * first.data)
    monkeypatch.setattr(getattr(functional, layer), "backward", staticmethod(wrong))
    np.random.seed(0)
    net = Sequential(Linear(784, 512), BatchNorm1d(512), ReLU(), Linear(512, 10))
    x, y = np.random.rand(100, 784), np.random.randint(0, 10, 100)
    found = diagnose(CrossEntropyLoss()(net(Tensor(x)), Tensor(y)))
    assert found.operation == name and found.kind in ("value", "random")


@pytest.mark.parametrize("state", [
    lambda: np.random.RandomState(0), lambda: iter(range(10 ** 6)), lambda: [0]])
def test_a_state_that_moves_on_is_not_held_against_an_operation(state, capsys):
    def drawn(a, state):
        if isinstance(state, list):
            state[0] += 1
        factor = (state.rand() if hasattr(state, "rand") else state[0] if isinstance(state, list)
                  else next(state))
        last[:] = [factor]
        return a * factor
    last = []
    moving = operation("Moving", drawn, lambda g, a, state: g * last[0])
    moving.backward = staticmethod(lambda ctx, g: (Tensor(g.data * last[0]), None))
    assert diagnose(moving.apply(Tensor([1., 2.], requires_grad=True), state())) is None
    assert "Moving could not be looked at (" in capsys.readouterr().out


def coin_of_its_own():
    return np.random.default_rng(0).random


def coin_of_the_library():
    return random.random


@pytest.mark.parametrize("coin", [coin_of_its_own, coin_of_the_library])
def test_a_coin_that_an_operation_throws_is_not_held_against_it(coin):
    throw, keep = coin(), []
    drop_path = operation("DropPath", lambda a: (keep.append(throw() > 0.2), a * keep[-1])[1],
                          lambda g, a: g * keep[-1])
    for _ in range(20):
        assert diagnose(drop_path.apply(Tensor([1., 2., 3.], requires_grad=True))) is None


@pytest.mark.parametrize("change", [
    lambda a: np.maximum(a, 0, out=a), lambda a: (a.sort(), a)[1], lambda a: np.abs(a, out=a),
    lambda a: np.clip(a, -1, 1, out=a)])
def test_a_forward_that_changes_its_argument_is_told_though_once_more_changes_nothing(change):
    made = operation("Changing", lambda a: change(a).copy(), lambda g, a: g)
    found = diagnose(made.apply(Tensor([-1., 3., 2.], requires_grad=True)))
    assert (found.kind, found.argument) == ("input changed", "#1")


def test_values_on_classes_that_are_read_only_or_deleted_end_nothing():
    class Kept(Half):
        factor = np.broadcast_to(0.5, (2,))

        @staticmethod
        def forward(ctx, a):
            Kept.saved = a.data
            return Tensor(a.data * Kept.factor)

        @staticmethod
        def backward(ctx, grad_output):
            del Kept.saved
            return Tensor(grad_output.data * Kept.factor)

    assert diagnose(Kept.apply(Tensor([1., 2.], requires_grad=True))) is None
    assert Kept.saved.shape == (2,)


def test_a_constant_that_requires_grad_later_is_two():
    with engine([]) as load:
        tensor = load("tensor").Tensor
        a, b = tensor([2.]), tensor([3.], requires_grad=True)
        y = a * b
        a.requires_grad = True
        assert load("tools").diagnose(y + a * b) is None


def test_sums_that_cancel_in_float32_are_sums():
    with engine([]) as load:
        tensor = load("tensor").Tensor
        x, k = (tensor(np.array([number], np.float32), requires_grad=number == 1)
                for number in (1, 1e8))
        y = x * tensor(np.array([1], np.float32))
        assert load("tools").diagnose(y * k - y * k + y) is None


def test_an_operation_without_a_backward_is_an_error_of_its_own():
    class Begun(Function):
        @staticmethod
        def forward(ctx, a):
            return Tensor(a.data * 2)

    found = diagnose(Begun.apply(Tensor(1., requires_grad=True)))
    assert (found.kind, found.operation) == ("error", "Begun") and "backward" in found.got


@pytest.mark.parametrize("grad", [np.array([None, None]), np.array([1j, 2j])])
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_a_gradient_of_no_real_numbers_is_told(grad):
    made = operation("Odd", lambda a: a * 2, lambda g, a: g)

    def backward(ctx, grad_output):
        wrong = Tensor([0., 0.])
        wrong.data = grad
        return wrong
    made.backward = staticmethod(backward)
    found = diagnose(made.apply(Tensor([1., 2.], requires_grad=True)))
    assert found.operation == "Odd"


def test_tensors_in_a_list_are_told():
    joined = operation("Joined", lambda tensors: np.concatenate([one.data for one in tensors]),
                       lambda g, tensors: g)
    a, b = Tensor([1.], requires_grad=True), Tensor([2.], requires_grad=True)
    found = diagnose(joined.apply([a, b]) * Tensor([1., 2.], requires_grad=True))
    assert (found.kind, found.operation, found.got) == ("hidden in a list", "Joined", "list")


def test_the_first_inf_of_finite_numbers_is_told(capsys):
    a = Tensor([0., 1.], requires_grad=True)
    with np.errstate(all="ignore"):
        assert diagnose((a.log() * a).sum()) is None
    assert "; Log.forward makes inf or NaN of finite numbers; a forward" in capsys.readouterr().out


class Half(Function):
    """Half its input; the backward is wrong, draws random numbers and keeps state on the class."""

    seen = 0

    @staticmethod
    def forward(ctx, a):
        Half.seen += 1
        return Tensor(a.data / 2)

    @staticmethod
    def backward(ctx, grad_output):
        Half.last = np.random.uniform()
        return Tensor(grad_output.data * 2)


def test_a_finding_holds_what_its_sentence_says(capsys):
    a = Tensor([2., 4.], requires_grad=True)
    found = diagnose(Half.apply(a) * 3, {"a": a})
    assert (found.kind, found.operation, found.argument) == ("value", "Half", "a")
    assert np.allclose(found.got, [6, 6]) and np.allclose(found.expected, [1.5, 1.5])
    with open(found.file) as source:
        assert "def backward(ctx" in source.read().split("\n")[found.line - 1]
    assert found.file == __file__
    assert str(found) == (f"Half.backward (test_diagnose.py:{found.line}) hands [6 6] to its "
                          "argument a; differences of Half.forward say [1.5 1.5].")
    assert capsys.readouterr().out == f"{found}\n"


def test_nothing_is_left_behind():
    a = Tensor([2., 4.], requires_grad=True)
    b = Tensor([1., 1.], requires_grad=True)
    a.grad = Tensor([7., 8.])
    grad, before, seen = a.grad, a.grad.data.copy(), Half.seen
    output = Half.apply(a) * b
    np.random.seed(3)
    expected = np.random.RandomState(3).uniform()
    first, second = diagnose(output), diagnose(output)
    assert str(first) == str(second)
    assert np.random.uniform() == expected
    assert a.grad is grad and (a.grad.data == before).all() and b.grad is None
    assert Half.seen == seen + 1 and not hasattr(Half, "last")


def test_running_estimates_stay_as_they_are():
    layer = BatchNorm1d(2)
    output = layer(Tensor(np.random.RandomState(0).randn(5, 2), requires_grad=True)).sum()
    before = layer.running_mean.data.copy(), layer.running_var.data.copy()
    diagnose(output)
    assert (layer.running_mean.data == before[0]).all()
    assert (layer.running_var.data == before[1]).all()


def test_a_network_of_the_handouts_size_takes_less_than_a_second():
    with engine(ENGINES["ours"]) as load:
        np.random.seed(0)
        net = load("nn.sequential").Sequential(
            load("nn.linear").Linear(784, 20), load("nn.batchnorm").BatchNorm1d(20),
            load("nn.activations").ReLU(), load("nn.linear").Linear(20, 10))
        tensor = load("tensor").Tensor
        output = load("nn.loss").CrossEntropyLoss()(
            net(tensor(np.random.randn(32, 784))), tensor(np.arange(32) % 10))
        start = time.process_time()
        assert load("tools").diagnose(output) is None
    assert time.process_time() - start < 1


def test_a_right_program_says_what_was_looked_at(capsys):
    a = Tensor([1., 2.], requires_grad=True)
    assert diagnose((a * a + 3).sum()) is None
    assert capsys.readouterr().out == (
        "3 operations hand on what their forward implies, 5 gradients arrived where they belong; a "
        "forward that computes something else than you mean cannot be seen this way.\n")


def test_random_numbers_of_an_operations_own_are_not_held_against_it(capsys):
    drawn = np.random.default_rng(0)

    class Dropout(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.mask = drawn.uniform(size=a.shape) < 0.5
            return Tensor(a.data * ctx.mask)

        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(grad_output.data * ctx.mask)

    for _ in range(10):
        assert diagnose(Dropout.apply(Tensor(np.ones(9), requires_grad=True))) is None
    assert "Dropout could not be looked at" in capsys.readouterr().out


def test_the_first_of_thousands_of_operations_without_a_node_is_told():
    with engine([], (ENGINE, "output.requires_grad = needs", "output.requires_grad = False")) \
            as load:
        tools = load("tools")
        outputs = [leaf(load, 2) * constant(load, 2)]
        for _ in range(3000):
            outputs.append(outputs[-1] - constant(load, 2))
        found = tools.diagnose(outputs[-1])
    assert (found.kind, found.operation, found.argument) == ("requires_grad lost", "Mul", "a")


def test_a_backward_that_raises_is_not_run_again():
    runs = []

    class Raising(Function):
        @staticmethod
        def forward(ctx, a):
            return Tensor(a.data * 2)

        @staticmethod
        def backward(ctx, grad_output):
            runs.append(1)
            raise ValueError("mine")

    found = diagnose(Raising.apply(Tensor(2., requires_grad=True)) * 3)
    assert found.kind == "error" and "ValueError: mine, in step 3" in found.got
    assert runs == [1]


def test_of_many_alike_some_are_compared_and_that_is_said(capsys):
    y = Tensor(1., requires_grad=True)
    for _ in range(30):
        y = y * 1.5
    assert diagnose(y) is None
    assert capsys.readouterr().out.startswith("20 of 30 operations were compared and hand on")


class Once(Function):
    """The identity; its gradient is wrong where its input is about 5."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return Tensor(a.data * 1)

    @staticmethod
    def backward(ctx, grad_output):
        a, = ctx.saved_tensors
        return Tensor(grad_output.data * (1 + 2 * (abs(a.data - 5) < 0.5)))


def test_a_fault_in_the_depth_of_many_alike_is_found():
    y = Tensor(0., requires_grad=True)
    for _ in range(60):
        y = Once.apply(y) + 0.1
    assert diagnose(y).operation == "Once"


def test_one_wrong_element_of_a_large_array_is_found():
    x = np.arange(120 * 120.).reshape(120, 120) + 100
    x[70, 3] = 5
    found = diagnose(Once.apply(Tensor(x, requires_grad=True)))
    assert (found.kind, found.index, found.got) == ("value", (70, 3), 3)
    assert "argument a at (70, 3); differences of Once.forward say 1." in str(found)


def test_of_a_large_gradient_the_first_wrong_element_is_told():
    with engine([], (ENGINE, "old.data + grad.data", "grad.data")) as load:
        a = load("tensor").Tensor(np.arange(6.).reshape(2, 3), requires_grad=True)
        found = load("tools").diagnose(a * a + a, {"a": a})
    assert (found.kind, found.index) == ("not accumulated", (0, 1))
    assert "The .grad of a at (0, 1) is 1; what it had and what arrived make 3 (" in str(found)


def test_a_large_layer_takes_no_longer_than_120_of_its_forwards():
    x, w = (Tensor(np.random.RandomState(0).randn(*shape), requires_grad=True)
            for shape in ((256, 784), (784, 512)))
    output = functional.ReLU.apply(x @ w)
    begun = time.process_time()
    for _ in range(40):
        np.maximum(x.data @ w.data, 0)
    at_hand = time.process_time() - begun
    begun = time.process_time()
    assert diagnose(output) is None
    assert time.process_time() - begun < 3 * at_hand


@pytest.mark.parametrize("write", [
    lambda x: x.data.__setitem__(0, 9.), lambda x: np.multiply(x.data, 2, out=x.data)])
def test_an_array_that_was_written_into_since_is_told(write, capsys):
    x, y = Tensor([1., 2.], requires_grad=True), Tensor([3., 4.], requires_grad=True)
    output = x * y
    write(x)
    assert diagnose(output) is None
    assert ("Mul could not be looked at (run again, it gives something else than it gave: was an "
            "array written into since?)") in capsys.readouterr().out


def test_the_question_for_a_factor_is_asked_where_what_was_received_made_no_difference():
    class Squared(Half):
        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(grad_output.data ** 2 / 2)

    class Constant(Half):
        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(np.array([0.5, 0.5]))

    found = [diagnose(operation.apply(Tensor([1., 2.], requires_grad=True)))
             for operation in (Squared, Constant)]
    assert [one.kind for one in found] == ["random", "factor"]
    assert ["Is every gradient" in str(one) for one in found] == [False, True]


@pytest.mark.parametrize("shape, other, is_summed", [
    ((3,), (2, 3), True), ((2, 1), (2, 3), True), ((), (4,), True), ((2, 3), (3, 2), False),
    ((6,), (2, 3), False), ((2, 3), (3,), False)])
def test_the_advice_on_a_shape_is_by_the_shapes(shape, other, is_summed):
    class Reshaped(Half):
        @staticmethod
        def backward(ctx, g):
            return Tensor(np.ones(other))

    found = str(diagnose(Reshaped.apply(Tensor(np.ones(shape), requires_grad=True))))
    assert ("was broadcast has to be summed" in found) == is_summed


def test_a_backward_that_writes_into_an_argument_is_named():
    class Flip(Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return Tensor(x.data * w.data)

        @staticmethod
        def backward(ctx, grad_output):
            x, w = ctx.saved_tensors
            flipped = w.data
            flipped *= grad_output.data
            return Tensor(flipped), Tensor(x.data * grad_output.data)

    x, w = Tensor([3., 4.], requires_grad=True), Tensor([1., 2.], requires_grad=True)
    found = diagnose(Flip.apply(x, w) * 3)
    assert str(found).startswith("Flip.backward (test_diagnose.py:")
    assert str(found).endswith(") changes the array of its argument w; make a new array.")


def test_a_tensor_made_by_hand_as_no_leaf_is_a_constant():
    h = Tensor(np.zeros((1, 2)), requires_grad=True, is_leaf=False)
    assert diagnose((h @ Tensor(np.eye(2), requires_grad=True)).sum()) is None


def test_what_a_forward_does_to_lists_and_arrays_of_its_class_is_taken_back():
    class Listing(Half):
        seen, by_name, total = [], {}, np.zeros(1)

        @staticmethod
        def forward(ctx, a):
            Listing.seen.append(a)
            Listing.by_name[len(Listing.seen)] = a
            Listing.total += 1
            return Tensor(a.data / 2)

        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(grad_output.data / 2)

    held = Listing.seen
    output = Listing.apply(Tensor(1., requires_grad=True))
    assert diagnose(output) is None
    assert len(held) == len(Listing.seen) == len(Listing.by_name) == Listing.total == 1
    assert held is Listing.seen


def test_under_no_grad_it_says_that_it_belongs_outside():
    output = Tensor(1., requires_grad=True) * 2
    with no_grad(), pytest.raises(RuntimeError, match="outside of no_grad"):
        diagnose(output)


def test_why_an_operation_could_not_be_looked_at_is_said(capsys):
    class Scale(Function):
        @staticmethod
        def forward(ctx, a, scale):
            ctx.scale = scale
            return Tensor(a.data * scale)

        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(grad_output.data * ctx.scale), None

    assert diagnose(Scale.apply(Tensor([1., 2.], requires_grad=True), np.array([2., 3.]))) is None
    assert ("; Scale could not be looked at (an argument is an array, which may depend on others)"
            in capsys.readouterr().out)


def test_a_large_array_that_is_gone_is_said_to_be_unseen(capsys):
    x = Tensor(np.ones((120, 120)), requires_grad=True)
    output = (x + Tensor(np.ones((120, 120)))).sum()
    assert diagnose(output) is None
    assert ("; Sum, Add could not be looked at (a large array is not there any more: keep its "
            "Tensor); a") in capsys.readouterr().out


@pytest.mark.parametrize("output, names", [
    (1., None), (Tensor(1., requires_grad=True), {"a": 5}),
    (Tensor(1., requires_grad=True), ["a"])])
def test_anything_but_tensors_is_a_clear_error(output, names):
    with pytest.raises(TypeError, match="; got"):
        diagnose(output, names)
