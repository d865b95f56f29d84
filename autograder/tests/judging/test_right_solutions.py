"""Right solutions in other styles than ours: none of them loses a point.

Each row changes the plain submission the way that students write it.  ``swap`` replaces a text,
``instead`` a stretch of a file from one marker up to another, ``whole`` a file; longer texts are
in the folder ``styles``.
"""

import os
from textwrap import dedent

import pytest

from graded import PLAIN, checks_around, grade, grade_together, results_of_all
from judging.checks import CHECKS

ENGINE, TENSOR, FUNCTIONAL = "autograd_engine.py", "tensor.py", "nn/functional.py"
LINEAR, RELU, BATCHNORM, LOSS = "nn/linear.py", "nn/activations.py", "nn/batchnorm.py", "nn/loss.py"
MODULE, SEQUENTIAL, SGD, OPTIMIZER = ("nn/module.py", "nn/sequential.py", "optim/sgd.py",
                                      "optim/optimizer.py")
EVERY_FILE = (ENGINE, TENSOR, FUNCTIONAL, LINEAR, RELU, BATCHNORM, LOSS, MODULE, SEQUENTIAL, SGD,
              OPTIMIZER)


def plain(file):
    with open(os.path.join(PLAIN, "mytorch", file)) as source:
        return source.read()


def style(name):
    """A longer text, from the folder ``styles``."""
    with open(os.path.join(os.path.dirname(__file__), "styles", name + ".py")) as source:
        return source.read()


def swap(file, old, new):
    return (file, old, new)


def whole(file, text):
    return (file, None, dedent(text).lstrip("\n"))


def instead(file, start, end, new):
    after = plain(file).split(start, 1)[1]
    old = start + after.split(end, 1)[0]  # all, if that does not follow
    return (file, old, dedent(new).strip("\n") + "\n\n\n")


def walk(new):
    return instead(ENGINE, "def backward", "class Function", new)


def div_b(new):
    return swap(FUNCTIONAL, "-grad_output.data * a.data / b.data ** 2", new)


def on_top(file, lines):
    first = plain(file).split("\n")[0]
    return swap(file, first, lines + "\n" + first)


def at_end(file, lines):
    last = "\n".join(plain(file).split("\n")[-4:])
    return swap(file, last, last + "\n\n" + dedent(lines).strip("\n") + "\n")


# ---- the engine

ENGINES = {
    "backward asks for the node's class": [walk(style("engine_by_class"))],
    "backward sorts the graph and runs a loop": [walk(style("engine_loop"))],
    "gradients are arrays between the operations": [
        swap(FUNCTIONAL, "return tensor.Tensor(grad_a), tensor.Tensor(grad_b)",
             "return grad_a, grad_b"),
        swap(FUNCTIONAL, "return tensor.Tensor(grad_output.data / ctx.saved_tensors[0].data)",
             "return grad_output.data / ctx.saved_tensors[0].data"),
        swap(ENGINE, "    grads = grad_fn.apply(grad_of_outputs)\n",
             "    from mytorch.tensor import Tensor\n"
             "    if not isinstance(grad_of_outputs, Tensor):\n"
             "        grad_of_outputs = Tensor(grad_of_outputs)\n"
             "    grads = grad_fn.apply(grad_of_outputs)\n")],
    ".grad starts as zeros": [
        swap(ENGINE, "        self.variable = tensor\n", "        self.variable = tensor\n"
             "        tensor.grad = type(tensor).zeros(*tensor.shape)\n"),
        swap(ENGINE, "grad.data if old is None else old.data", "old.data"),
        swap(OPTIMIZER, "param.grad = None", "param.grad = type(param).zeros(*param.shape)")],
    ".grad of a parameter is zeros from the start": [
        swap(TENSOR, "        self.grad = None\n",
             "        self.grad = Tensor.zeros(*self.shape) if requires_grad else None\n"),
        swap(OPTIMIZER, "param.grad = None", "param.grad.data[...] = 0")],
    "gradients are added as Tensors": [swap(
        ENGINE, "        new = grad.data if old is None else old.data + grad.data\n"
                "        self.variable.grad = Tensor(new)\n",
        "        self.variable.grad = Tensor(grad.data) if old is None else old + grad\n")],
    "a leaf has its node from the start": [swap(
        TENSOR, "self.grad_fn = None",
        "self.grad_fn = autograd_engine.AccumulateGrad(self) if requires_grad else None")],
    "parents are a tuple, flags come from any()": [
        swap(ENGINE, "next_functions = []", "next_functions = ()"),
        swap(ENGINE, "node.next_functions.append(parent)", "node.next_functions += parent,"),
        swap(ENGINE, "                needs = True\n", ""),
        swap(ENGINE, "needs = False", "needs = any(getattr(a, 'requires_grad', 0) for a in args)")],
    "only Tensors are among the parents": [swap(
        ENGINE, "            parent = None\n            if hasattr(arg, \"requires_grad\") and arg",
        "            if not hasattr(arg, \"requires_grad\"):\n                continue\n"
        "            parent = None\n            if arg")],
    "is_leaf is set and never read": [swap(ENGINE, "arg.is_leaf and arg.grad_fn", "arg.grad_fn")],
    "each operation sets its output's flags": [
        swap(ENGINE, "        output.requires_grad = needs\n", ""),
        swap(ENGINE, "        output.is_leaf = not needs\n", ""),
        swap(FUNCTIONAL, "def unbroadcast", "def result(data, *inputs):\n"
             "    needs = any(t.requires_grad for t in inputs)\n"
             "    return tensor.Tensor(data, requires_grad=needs, is_leaf=not needs)\n\n\n"
             "def unbroadcast")]
    + [swap(FUNCTIONAL, "return tensor.Tensor(%s)" % data, "return result(%s, a, b)" % data)
       for data in ("a.data + b.data", "a.data - b.data", "a.data * b.data", "a.data / b.data",
                    "a.data @ b.data")]
    + [swap(FUNCTIONAL, "return tensor.Tensor(%s)\n\n    @" % data,
            "return result(%s, a)\n\n    @" % data)
       for data in ("a.data.T", "a.data.reshape(shape)", "np.log(a.data)", "ctx.out",
                    "a.data.sum(axis=axis, keepdims=True)", "a.data * ctx.mask")],
    "saved tensors are copies": [swap(ENGINE, "[tensor for tensor in tensors]",
                                      "[type(t)(t.data.copy()) for t in tensors]")],
}

# ---- tensors

LABELS = swap(FUNCTIONAL, "[target.data]", "[target.data.astype(int)]")

TENSORS = {
    "data is float32": [swap(TENSOR, "np.array(data)", "np.array(data, dtype=np.float32)"), LABELS],
    "data is not copied": [swap(TENSOR, "np.array(data)", "np.asarray(data)")],
    "arrays are taken as they are": [swap(
        TENSOR, "np.array(data)", "data if isinstance(data, np.ndarray) else np.array(data)")],
    "a - b is a + (-b)": [swap(TENSOR, "return F.Sub.apply(self, other)",
                               "return self + F.Mul.apply(Tensor(-1.), other)")],
    "operators are lambdas": [
        swap(TENSOR, "    def __sub__(self, other):\n        return F.Sub.apply(self, other)",
             "    __sub__ = lambda self, other: F.Sub.apply(self, other)"),
        swap(TENSOR, "    def __mul__(self, other):\n        return F.Mul.apply(self, other)",
             "    __mul__ = __rmul__ = lambda self, other: F.Mul.apply(self, other)")],
    "operators are set from outside": [
        swap(TENSOR, "    def __truediv__(self, other):\n        return F.Div.apply(self, other)\n",
             ""),
        at_end(TENSOR, "setattr(Tensor, '__truediv__', lambda a, b: F.Div.apply(a, b))")],
    "numbers are taken for constants": [at_end(TENSOR, """
        def taken(value):
            return value if isinstance(value, Tensor) else Tensor(value)


        Tensor.__add__ = Tensor.__radd__ = lambda a, b: F.Add.apply(a, taken(b))
        Tensor.__neg__ = lambda a: F.Mul.apply(a, taken(-1.))
        """)],
    "attributes have slots": [swap(TENSOR, "class Tensor:\n", (
        "class Tensor:\n    __slots__ = ('data', 'requires_grad', 'is_leaf', 'grad_fn', 'grad',\n"
        "                 'is_parameter', '__weakref__')\n\n"))],
    "backward takes a gradient too": [
        swap(TENSOR, "def backward(self):", "def backward(self, grad=None):"),
        swap(TENSOR, "Tensor(seed))", "Tensor.ones(*self.shape) if grad is None else grad)")],
}

# ---- functional operations

FUNCTIONS = {
    "the gradient is a closure": [
        swap(FUNCTIONAL, "        return tensor.Tensor(a.data * b.data)",
             "        ctx.gradients = lambda g: (g * b.data, g * a.data)\n"
             "        return tensor.Tensor(a.data * b.data)"),
        swap(FUNCTIONAL, "mul_a = grad_output.data * b.data",
             "mul_a, mul_b = ctx.gradients(grad_output.data)"),
        swap(FUNCTIONAL, "        mul_b = grad_output.data * a.data\n", "")],
    "arrays are kept as attributes of ctx": [
        swap(FUNCTIONAL, "        ctx.save_for_backward(a)\n", "        ctx.a = a.data\n"),
        swap(FUNCTIONAL, "ctx.saved_tensors[0].data", "ctx.a")],
    "gradients are computed with Tensor operations": [
        swap(ENGINE, "[tensor for tensor in tensors]", "[type(t)(t.data) for t in tensors]"),
        swap(FUNCTIONAL, "sub_b = -grad_output.data",
             "sub_b = (grad_output * tensor.Tensor(-1.)).data"),
        swap(FUNCTIONAL, "mul_a = grad_output.data * b.data", "mul_a = (grad_output * b).data"),
        div_b("(tensor.Tensor(-1.) * grad_output * a / (b * b)).data")],
    "backward returns lists": [
        swap(ENGINE, "isinstance(grads, tuple)", "isinstance(grads, (tuple, list))"),
        swap(FUNCTIONAL, "return tensor.Tensor(grad_a), tensor.Tensor(grad_b)",
             "return [tensor.Tensor(grad_a), tensor.Tensor(grad_b)]")],
    "backward always returns a tuple": [
        swap(FUNCTIONAL, "return tensor.Tensor(grad_output.data.T)",
             "return tensor.Tensor(grad_output.data.T),"),
        swap(FUNCTIONAL, "grad_output.data * ctx.mask)", "grad_output.data * ctx.mask),")],
    "a / b by the quotient": [div_b("-grad_output.data * (a.data / b.data) / b.data")],
    "a / b by NumPy's functions": [div_b(
        "np.negative(np.divide(np.multiply(grad_output.data, a.data), np.square(b.data)))")],
    "unbroadcast by a tuple of axes": [instead(FUNCTIONAL, "def unbroadcast", "class Add", """
        def unbroadcast(grad, shape):
            added = grad.ndim - len(shape)
            axes = tuple(range(added)) + tuple(
                i + added for i, n in enumerate(shape) if n == 1 and grad.shape[i + added] != 1)
            return grad.sum(axis=axes, keepdims=True).reshape(shape) if axes else grad
        """)],
    "unbroadcast recursively": [instead(FUNCTIONAL, "def unbroadcast", "class Add", """
        def unbroadcast(grad, shape, to_keep=0):
            if grad.shape == shape:
                return grad
            if len(grad.shape) > len(shape):
                return unbroadcast(np.sum(grad, axis=0), shape)
            axis = next(i for i, (m, n) in enumerate(zip(grad.shape, shape)) if m != n)
            return unbroadcast(np.sum(grad, axis=axis, keepdims=True), shape)
        """)],
    "MatMul is called Dot": [
        swap(FUNCTIONAL, "class MatMul", "class Dot"), swap(TENSOR, "F.MatMul", "F.Dot"),
        swap(FUNCTIONAL, "a.data @ b.data)", "np.dot(a.data, b.data))"),
        swap(TENSOR, "__matmul__", "dot"), swap(LINEAR, "x @ self.weight.T()",
                                                "x.dot(self.weight.T())")],
}

# ---- imports, and what stands around the code

IMPORTS = {
    "tensor.py imports all of functional": [swap(TENSOR, "import mytorch.nn.functional as F",
                                                 "from mytorch.nn.functional import *"),
                                            swap(TENSOR, "F.", "")],
    "nn/__init__.py imports the layers": [whole("nn/__init__.py", "".join(
        "from mytorch.nn.%s import %s\n" % names for names in (
            ("linear", "Linear"), ("activations", "ReLU"), ("batchnorm", "BatchNorm1d"),
            ("loss", "CrossEntropyLoss"), ("sequential", "Sequential"))))],
    "functional imports the class Tensor": [
        swap(FUNCTIONAL, "import mytorch.tensor as tensor", "from mytorch.tensor import Tensor"),
        swap(FUNCTIONAL, "tensor.Tensor(", "Tensor(")],
    "functional imports all of the engine": [swap(
        FUNCTIONAL, "from mytorch.autograd_engine import Function",
        "from mytorch.autograd_engine import *")],
    "the folder mytorch is on the path": [swap(
        FUNCTIONAL, "from mytorch.autograd_engine import Function",
        "import sys\nsys.path.append('./mytorch')\nfrom autograd_engine import Function")],
    "imports are relative": [
        swap(TENSOR, "import mytorch.autograd_engine as autograd_engine\n"
                     "import mytorch.nn.functional as F",
             "from . import autograd_engine\nfrom .nn import functional as F"),
        swap(FUNCTIONAL, "import mytorch.tensor as tensor\nfrom mytorch.", "from .. import tensor\n"
                                                                           "from .."),
        swap(LINEAR, "from mytorch.nn.module", "from .module"),
        swap(SGD, "from mytorch.optim.optimizer", "from .optimizer")],
    "plots and statistics are imported": [on_top(
        LINEAR, "import matplotlib.pyplot as plt\nimport scipy.stats\nimport scipy.special as sp")],
    "packages that are not here are imported": [
        on_top(LOSS, "import pandas as pd\nfrom tqdm import tqdm\nimport graphviz"),
        on_top(TENSOR, "import ipdb\nfrom IPython.core import debugger\nset_trace = "
                       "debugger.set_trace")],
    "packages are used where they are found": [
        swap(LINEAR, "import numpy as np", "try:\n    import cupy as np\n"
                                           "except ImportError:\n    import numpy as np"),
        on_top(SEQUENTIAL, "try:\n    from tqdm import tqdm\nexcept ImportError:\n"
                           "    def tqdm(items, **options):\n        return items\n"),
        swap(SEQUENTIAL, "in self.layers:", "in tqdm(self.layers, disable=True):")],
    "the standard library is imported": [on_top(
        MODULE, "import argparse, asyncio, collections, datetime, gc, inspect, json, math, pdb\n"
                "import pickle, pprint, random, time, traceback, unittest, uuid\n"
                "from numpy.testing import assert_allclose")],
    "types and functions of NumPy 1.18": [
        swap(TENSOR, "np.array(data)", "np.array(data)\n        if self.data.dtype == np.bool:\n"
                                       "            self.data = self.data.astype(np.float_)"),
        swap(FUNCTIONAL, "[target.data]", "[target.data.astype(np.int)]"),
        swap(FUNCTIONAL, "n * classes", "np.product(predicted.shape)"),
        swap(BATCHNORM, "np.zeros((1, num_features))", "np.zeros((1, num_features), dtype=np.float)"
             )],
    "float() and int() of arrays with one element": [
        swap(FUNCTIONAL, "    n, classes =", "    shift = float(np.array([0.]))\n    n, classes ="),
        swap(SGD, "self.lr = lr", "self.lr = float(np.array([[lr]]))"),
        swap(FUNCTIONAL, "np.eye(classes)", "np.eye(int(np.array([classes])))")],
    "NumPy's settings are changed": [on_top(
        FUNCTIONAL, "import warnings\nimport numpy as np\nwarnings.filterwarnings('ignore')\n"
                    "np.set_printoptions(precision=2, suppress=True)\nnp.random.seed(11785)\n"
                    "np.seterr(divide='ignore', invalid='ignore')")],
    "files come from Windows": [whole(file, "\ufeff" + plain(file).replace("\n", "\r\n"))
                                for file in EVERY_FILE],
    "files are indented with tabs and full of comments": [
        (file, None, "# -*- coding: utf-8 -*-\n'''Übung 1 — ∇W'''\n" + plain(file).replace(
            "    ", "\t")) for file in EVERY_FILE],
    "it prints what it does": [
        swap(ENGINE, "    grads = grad_fn.apply(grad_of_outputs)\n",
             "    print('DFS', grad_fn, grad_of_outputs.data.shape, flush=True)\n"
             "    grads = grad_fn.apply(grad_of_outputs)\n    print(grads)\n"),
        swap(SGD, "        for i, param",
             "        print('{\"scores\": 5}')\n        for i, param")],
    "it asserts and has type hints": [
        swap(LINEAR, "def forward(self, x):\n",
             "def forward(self, x: 'Tensor') -> 'Tensor':\n        assert isinstance(x, Tensor)\n"
             "        assert x.shape[1] == self.weight.shape[1], (x.shape, self.weight.shape)\n"),
        swap(LINEAR, "import numpy", "from __future__ import annotations\nimport numpy"),
        swap(MODULE, "import Tensor\n", "import Tensor\nfrom typing import Iterator, List\n"),
        swap(MODULE, "def parameters(self):", "def parameters(self) -> Iterator[Tensor]:")],
    "other files stand beside these": [
        whole("utils.py", "import numpy as np\n\n\ndef columns(x):\n    return x.sum(axis=0)\n"),
        swap(FUNCTIONAL, "import numpy as np\n", "import numpy as np\nfrom mytorch.utils import "
                                                 "columns\n"),
        swap(FUNCTIONAL, "grad = grad.sum(axis=0)", "grad = columns(grad)"),
        whole("nn/random.py", "raise RuntimeError('nobody imports this')\n"),
        whole("nn/old_linear.py", "class Linear(\n")],
}

# ---- layers

FORWARD = "        out = x @ self.weight.T()\n        return out + self.bias\n"
AFFINE = """
class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return tensor.Tensor(%s + bias.data)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        g = grad_output.data
        return tensor.Tensor(g @ weight.data), tensor.Tensor(%s), tensor.Tensor(g.sum(axis=0))
"""


def affine(forward, gradient):
    return [at_end(FUNCTIONAL, AFFINE % (forward, gradient)),
            on_top(LINEAR, "from mytorch.nn import functional as F"),
            swap(LINEAR, FORWARD, "        return F.Linear.apply(x, self.weight, self.bias)\n")]


def relu_as(forward, backward):
    return [instead(FUNCTIONAL, "class ReLU", "def cross_entropy", """
        class ReLU(Function):
            @staticmethod
            def forward(ctx, a):
                ctx.save_for_backward(a)
                return tensor.Tensor(%s)

            @staticmethod
            def backward(ctx, grad_output):
                a, g = ctx.saved_tensors[0].data, grad_output.data
                return tensor.Tensor(%s)
        """ % (forward, backward))]
SQUARES = "        squares = (centred * centred).sum(axis)\n"
VAR = "        var = squares / Tensor(float(count))\n"
ROOT, X_HAT = "            root = (var + self.eps).sqrt()\n", "            x_hat = centred / root\n"
RUNNING = """
            self.running_mean = Tensor((1 - alpha) * self.running_mean.data + alpha * mean.data)
            self.running_var = Tensor((1 - alpha) * self.running_var.data + alpha * unbiased)
"""[1:]

LAYERS = {
    "parameters are float32": [swap(LINEAR, "np.random.randn(*shape)",
                                    "np.random.randn(*shape).astype(np.float32)")],
    "Xavier's weights, a zero bias": [swap(LINEAR, "np.random.randn(*shape)",
        "np.random.uniform(-1, 1, shape) * np.sqrt(6 / sum(shape))")],
    "Linear is one operation": affine("x.data @ weight.data.T", "g.T @ x.data"),
    "Linear is an einsum": affine("np.einsum('ni,oi->no', x.data, weight.data)",
                                  "np.einsum('no,ni->oi', g, x.data)"),
    "ReLU by np.maximum": relu_as("np.maximum(a.data, 0)", "np.where(a > 0, g, 0)"),
    "ReLU by np.where": relu_as("np.where(a.data > 0, a.data, 0)", "g * np.where(a > 0, 1, 0)"),
    "ReLU by the absolute value": relu_as("(a.data + np.abs(a.data)) / 2",
                                          "g * np.maximum(np.sign(a), 0)"),
    "ReLU is a method of Tensor": [
        at_end(TENSOR, "def relu(self):\n    return F.ReLU.apply(self)\n\n\nTensor.relu = relu"),
        swap(RELU, "F.ReLU.apply(x)", "x.relu()")],
    "BatchNorm is one operation": [
        at_end(FUNCTIONAL, style("batchnorm")),
        on_top(BATCHNORM, "from mytorch.nn import functional as F"),
        swap(BATCHNORM, ROOT + X_HAT,
             "            return F.BatchNorm.apply(x, self.gamma, self.beta, 1e-5)\n")],
    "BatchNorm's arrays have one axis": [swap(BATCHNORM, "(1, num_features)", "num_features")],
    "BatchNorm's statistics are NumPy's": [
        swap(BATCHNORM, "squares.data / (m - 1)", "np.var(x.data, axis=0, ddof=1)"),
        swap(BATCHNORM, "alpha * mean.data", "alpha * np.mean(x.data, axis=0, keepdims=True)")],
    "the variance is E[x^2] - E[x]^2": [swap(
        BATCHNORM, SQUARES + VAR,
        "        count = Tensor(float(m))\n        var = (x * x).sum(0) / count - mean * mean\n"),
        swap(BATCHNORM, "squares.data / (m - 1)", "var.data * m / (m - 1)")],
    "running estimates are arrays": [
        swap(BATCHNORM, "self.running_mean = Tensor(np.zeros((1, num_features)))",
             "self.running_mean = np.zeros(num_features)"),
        swap(BATCHNORM, "self.running_var = Tensor(np.ones((1, num_features)))",
             "self.running_var = np.ones(num_features)"),
        swap(BATCHNORM, RUNNING, """
            self.running_mean = (1 - alpha) * self.running_mean + alpha * mean.data[0]
            self.running_var = (1 - alpha) * self.running_var + alpha * unbiased[0]
"""[1:]),
        swap(BATCHNORM, "(self.running_var + self.eps)", "(Tensor(self.running_var) + self.eps)"),
        swap(BATCHNORM, "(x - self.running_mean)", "(x - Tensor(self.running_mean))")],
    "running estimates are changed in place": [swap(BATCHNORM, RUNNING, """
            self.running_mean.data *= 1 - alpha
            self.running_mean.data += alpha * mean.data
            self.running_var.data[...] += alpha * (unbiased - self.running_var.data)
"""[1:])],
    "evaluation is asked for first": [swap(BATCHNORM, "        m = x.shape[0]\n", """
        if not self.is_train:
            gain = self.gamma / (self.running_var + self.eps).sqrt()
            return x * gain + (self.beta - self.running_mean * gain)
        m, _ = x.shape
"""[1:])],
    "modules register what is assigned": [
        whole(MODULE, style("module")),
        swap(SEQUENTIAL, "self.layers = layers", "self.layers = layers\n"
             "        for idx, l in enumerate(self.layers):\n"
             "            setattr(self, 'layer' + str(idx), l)")],
    "parameters and layers are lists": [
        swap(MODULE, "def parameters(self):", "def parameters(self):\n"
             "        return list(self._parameters())\n\n    def _parameters(self):"),
        swap(SEQUENTIAL, "self.layers = layers", "self.layers = list(layers)")],
    "modules are abstract": [
        on_top(MODULE, "import abc"), swap(MODULE, "class Module:", "class Module(abc.ABC):"),
        at_end(MODULE, "    @abc.abstractmethod\n    def forward(self, *args):\n        pass")],
}

# ---- loss and optimizer

XE_OPERATION = """
class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, predicted, target):
        x, labels, n = predicted.data, target.data, len(target.data)
        shifted = x - x.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        %s
        return tensor.Tensor(loss)

    @staticmethod
    def backward(ctx, grad_output):
        return %s


def cross_entropy(predicted, target):
    return CrossEntropy.apply(predicted, target)
"""


def cross_entropy_as(forward, backward):
    text = XE_OPERATION % ("\n        ".join(forward), backward)
    return [instead(FUNCTIONAL, "def cross_entropy", "class ", text)]


STEP = "            velocity = self.momentum * self.momentums[i] - self.lr * param.grad.data\n"
KEEP = "            self.momentums[i] = velocity\n            param.data = param.data + velocity\n"
ALONE = """            if self.momentum == 0:
                param.data = param.data - self.lr * param.grad.data
                continue
"""
ZEROS = "self.momentums = [np.zeros(t.shape) for t in self.params]"

TRAINING = {
    "cross entropy is one operation, labels are indices": cross_entropy_as(
        ["loss = -log_p[np.arange(n), labels].mean()", "ctx.grad = np.exp(log_p)",
         "ctx.grad[range(n), labels] -= 1", "ctx.grad /= n"],
        "tensor.Tensor(grad_output.data * ctx.grad)"),
    "cross entropy is one operation, labels are one-hot": cross_entropy_as(
        ["hot = np.zeros_like(x)", "hot[np.arange(n), labels] = 1", "ctx.soft, ctx.hot = "
         "np.exp(log_p), hot", "loss = np.sum(-hot * log_p) / n"],
        "tensor.Tensor((ctx.soft - ctx.hot) / len(ctx.hot) * grad_output.data), None"),
    "the loss has the shape (1,), the labels get zeros": cross_entropy_as(
        ["ctx.save_for_backward(predicted, target)", "ctx.soft = np.exp(log_p)",
         "loss = [np.average(-np.take_along_axis(log_p, labels[:, None], 1))]"],
        "(tensor.Tensor(grad_output.data[0] * (ctx.soft - np.eye(ctx.soft.shape[1])["
        "ctx.saved_tensors[1].data]) / len(ctx.soft)), tensor.Tensor(np.zeros(len(ctx.soft))))"),
    "a step changes the array in place": [
        swap(SGD, "param.data = param.data - self.lr * param.grad.data",
             "param.data -= self.lr * param.grad.data"),
        swap(SGD, "param.data = param.data + velocity", "param.data += velocity")],
    "a step uses NumPy's out=": [swap(
        SGD, "param.data = param.data + velocity", "np.add(param.data, velocity, out=param.data)")],
    "one rule for all momenta": [swap(SGD, ALONE, "")],
    "parameters without a gradient are left out": [swap(
        SGD, ALONE, "            if param.grad is None:\n                continue\n")],
    "velocities are in a dict by parameter": [
        swap(SGD, ZEROS, "from collections import defaultdict\n"
                         "        self.momentums = defaultdict(float)"),
        swap(SGD, "self.momentums[i]", "self.momentums[id(param)]")],
    "velocities are changed in place": [swap(SGD, STEP + KEEP, """
            self.momentums[i] *= self.momentum
            self.momentums[i] -= self.lr * param.grad.data
            param.data = self.momentums[i] + param.data
"""[1:])],
    "velocities are Tensors": [
        swap(SGD, ZEROS, "self.momentums = [Tensor(np.zeros_like(p.data)) for p in self.params]"),
        swap(SGD, "self.momentums[i] -", "self.momentums[i].data -"),
        swap(SGD, "self.momentums[i] = velocity", "self.momentums[i] = Tensor(velocity)")],
    "velocities are subtracted": [
        swap(SGD, "self.momentums[i] - self.lr", "self.momentums[i] + self.lr"),
        swap(SGD, "param.data + velocity", "param.data - velocity")],
}

# The rows, and the checks that they could fail: an import goes wrong in any check or in none.
SCORED = [check for check in CHECKS if check.points]
OF_PART_2 = [check for check in SCORED if check.problem >= "2"]
RIGHT = [(IMPORTS, checks_around(set()), grade),
         ({**ENGINES, **TENSORS, **FUNCTIONS}, SCORED, grade_together),
         ({**LAYERS, **TRAINING}, OF_PART_2, grade_together)]


@pytest.fixture(scope="module")
def graded():
    """The results of every row."""
    return {name: results for rows, checks, how in RIGHT
            for name, results in results_of_all(rows, checks=checks, grade=how).items()}


@pytest.mark.parametrize("name", [name for rows, *_ in RIGHT for name in rows])
def test_a_right_solution_in_another_style_loses_nothing(graded, name):
    assert {result.check.name: result.lines for result in graded[name]
            if result.points < result.check.points} == {}
