"""Every mistake in the catalogue is caught where it is made, named, and costs what it should."""

import os
import sys

import numpy as np
import pytest

import runner
from graded import REPOSITORY, checks_around, lost, results_of, side_by_side, variant, worth
from judging.checks import CHECKS, FORMULAS
from judging.errors import words_of
from judging.explain import explain, known
from judging.keys import key_of
from judging.mistakes import MISTAKES
from judging.observed import Observed
from judging.result import Result
from outside.answers import Answer

FUNCTIONAL, ENGINE, TENSOR = "nn/functional.py", "autograd_engine.py", "tensor.py"
BATCHNORM, SGD, LINEAR, SEQUENTIAL = ("nn/batchnorm.py", "optim/sgd.py", "nn/linear.py",
                                      "nn/sequential.py")
FIXED_VAR = "var = Tensor(squares.data / count)"
FIXED_MEAN = "centred = x - Tensor(mean.data)"
MAKE_NODE = ("                if arg.is_leaf and arg.grad_fn is None:\n"
             "                    arg.grad_fn = AccumulateGrad(arg)\n")
TAKE_NODE = "                parent = arg.grad_fn\n"
LOSS_ENDS = "    loss = total / tensor.Tensor(-float(n))\n"

LOSS = """class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, predicted, target):
        x = predicted.data - predicted.data.max(axis=1, keepdims=True)
        log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        one_hot = np.eye(x.shape[1])[target.data]
        ctx.soft, ctx.gradient = np.exp(log_p) / len(x), (np.exp(log_p) - one_hot) / len(x)
        return tensor.Tensor(-(log_p * one_hot).sum() / len(x))

    @staticmethod
    def backward(ctx, g):
        return tensor.Tensor(ctx.gradient%s), None


def cross_entropy(predicted, target):
    return CrossEntropy.apply(predicted, target)


def without_autograd("""

# Submissions with one mistake: its name, the problem it is made in, and what was written instead.
MADE = [
    ("sub-sign", "1.1.1", (FUNCTIONAL, "sub_b = -grad_output.data", "sub_b = grad_output.data")),
    ("mul-swapped", "1.1.2", (FUNCTIONAL, "return (tensor.Tensor(unbroadcast(mul_a, a.shape)),",
                              "mul_a, mul_b = mul_b, mul_a\n        "
                              "return (tensor.Tensor(unbroadcast(mul_a, a.shape)),")),
    ("upstream-forgotten", "1.1.1", (FUNCTIONAL, "        sub_a = grad_output.data\n",
                                     "        grad_output = tensor.Tensor.ones(*a.shape)\n"
                                     "        sub_a = grad_output.data\n")),
    ("upstream-forgotten", "1.1.2", (FUNCTIONAL, "mul_a = grad_output.data * b.data",
                                     "grad_output = tensor.Tensor.ones(*a.shape)\n"
                                     "        mul_a = grad_output.data * b.data")),
    ("upstream-forgotten", "1.1.3", (FUNCTIONAL, "div_a = grad_output.data / b.data",
                                     "grad_output = tensor.Tensor.ones(*a.shape)\n"
                                     "        div_a = grad_output.data / b.data")),
    ("div-sign", "1.1.3", (FUNCTIONAL, "div_b = -grad", "div_b = grad")),
    ("div-b-like-a", "1.1.3", (FUNCTIONAL, "div_b = -grad_output.data * a.data / b.data ** 2",
                               "div_b = grad_output.data / b.data")),
    ("div-b-not-squared", "1.1.3", (FUNCTIONAL, "b.data ** 2", "b.data")),
    ("div-swapped", "1.1.3", (FUNCTIONAL, "return (tensor.Tensor(unbroadcast(div_a, a.shape)),",
                              "div_a, div_b = div_b, div_a\n        "
                              "return (tensor.Tensor(unbroadcast(div_a, a.shape)),")),

    ("output-requires-grad", "1.2", (TENSOR, "    @property\n    def shape",
                                     "    @property\n    def requires_grad(self):\n"
                                     "        return self.wants if self.is_leaf else False\n\n"
                                     "    @requires_grad.setter\n"
                                     "    def requires_grad(self, value):\n"
                                     "        self.wants = value\n\n"
                                     "    @property\n    def shape")),
    ("output-is-leaf", "1.2", (ENGINE, "output.is_leaf = not needs", "output.is_leaf = True")),
    ("output-flags", "1.2", (ENGINE, "        output.requires_grad = needs\n"
                                     "        output.is_leaf = not needs\n", "")),
    ("not written", "1.2", (ENGINE, "        output.requires_grad = needs\n"
                                    "        output.is_leaf = not needs\n"
                                    "        output.grad_fn = node if needs else None\n", "")),
    ("graph: not accumulated", "1.2", (ENGINE, "grad.data if old is None else old.data + grad.data",
                                 "grad.data")),
    ("graph: nothing arrives", "1.2", (ENGINE, "            backward(parent, grad)\n",
                                "            backward(parent, grad)\n            break\n")),
    ("graph: a gradient too many", "1.2", (ENGINE, "        output.requires_grad = needs\n",
                                      "        output.requires_grad = needs\n"
                                      "        node.output = output\n"),
     (ENGINE, "        result = self.cls", "        self.output.grad = grads[0]\n"
                                           "        result = self.cls")),
    ("graph: a gradient too many", "1.2", (ENGINE, "            parent = None\n",
                                  "            parent = (AccumulateGrad(arg) "
                                  "if hasattr(arg, 'is_leaf') else None)\n")),
    ("graph: a gradient too many", "1.2", (ENGINE, "            parent = None\n",
                                   "            parent = (AccumulateGrad(arg) "
                                   "if hasattr(arg, 'is_leaf') else None)\n"),
     (ENGINE, "        output.requires_grad = needs\n",
      "        output.requires_grad = needs\n        node.output = output\n"),
     (ENGINE, "        result = self.cls", "        self.output.grad = grads[0]\n"
                                           "        result = self.cls")),
    ("graph: seed's values", "1.2", (TENSOR, "np.ones_like(self.data)",
                                     "np.zeros_like(self.data)")),
    ("graph: seed's values", "1.2", (TENSOR, "np.ones_like(self.data)", "self.data")),
    ("grad-is-array", "1.2", (ENGINE, "old.data + grad.data", "old + grad.data"),
     (ENGINE, "self.variable.grad = Tensor(new)", "self.variable.grad = new")),
    ("grad-in-graph", "1.2", (ENGINE, "Tensor(new)", "Tensor(new, requires_grad=True)")),

    ("weight-not-transposed", "2.1", (LINEAR, "(out_features, in_features)",
                                      "(in_features, out_features)"),
     (LINEAR, "self.weight.T()", "self.weight")),
    ("weight-not-transposed", "2.1", (LINEAR, "self.weight.T()", "self.weight")),
    ("bias-left-out", "2.1", (LINEAR, "return out + self.bias", "return out")),
    ("graph: gradient not summed", "2.1", (FUNCTIONAL,
                                           "grad_b = unbroadcast(grad_output.data, b.shape)",
                                           "grad_b = grad_output.data")),
    ("bias-gradient-averaged", "2.1", (FUNCTIONAL, "grad = grad.sum(axis=0)",
                                       "grad = grad.mean(axis=0)")),
    ("graph: gradient not summed", "2.1", (
        FUNCTIONAL, "    while grad.ndim > len(shape):\n        grad = grad.sum(axis=0)\n",
        "    if grad.ndim > len(shape):\n        grad = grad.sum(axis=0, keepdims=True)\n")),
    ("layers-skipped", "2.1", (SEQUENTIAL, "in self.layers:", "in self.layers[1:]:")),
    ("layers-skipped", "2.1", (SEQUENTIAL, "            x = layer(x)\n        return x",
                               "            out = layer(x)\n        return out")),
    ("layers-reversed", "2.1", (SEQUENTIAL, "in self.layers:", "in self.layers[::-1]:")),

    ("relu-one-at-zero", "2.2", (FUNCTIONAL, "a.data > 0", "a.data >= 0")),
    ("relu-passes-all", "2.2", (FUNCTIONAL, "grad_output.data * ctx.mask", "grad_output.data")),
    ("relu-sign-of-gradient", "2.2", (FUNCTIONAL, "grad_output.data * ctx.mask",
                                      "grad_output.data * (grad_output.data > 0)")),

    ("sgd-uphill", "2.3", (SGD, "param.data - self.lr", "param.data + self.lr")),
    ("sgd-lr-ignored", "2.3", (SGD, "param.data - self.lr *", "param.data -")),
    ("sgd-lr-squared", "2.3", (SGD, "param.data - self.lr *", "param.data - self.lr ** 2 *")),
    ("sgd-unchanged", "2.3", (SGD, "param.data = param.data - self.lr",
                              "copy = param.data - self.lr")),
    ("sgd-in-graph", "2.3", (SGD, "param.data = param.data - self.lr * param.grad.data",
                             "new = param - Tensor(self.lr) * param.grad\n"
                             "                param.data = new.data\n"
                             "                param.is_leaf = new.is_leaf")),

    ("bn-unbiased-normalise", "2.4", (BATCHNORM, "root = (var + self.eps)",
                                      "root = (var * Tensor(m / (m - 1)) + self.eps)")),
    ("bn-biased-running", "2.4", (BATCHNORM, "squares.data / (m - 1)", "squares.data / m")),
    ("bn-eps-outside", "2.4", (BATCHNORM, "(var + self.eps).sqrt()", "var.sqrt() + self.eps")),
    ("bn-mean-alone-divided", "2.4", (BATCHNORM, "x_hat = centred / root",
                                      "x_hat = x - mean / root")),
    ("bn-beta-scaled", "2.4", (BATCHNORM, "self.gamma * x_hat + self.beta",
                               "self.gamma * (x_hat + self.beta)")),
    ("bn-running-less-one", "2.4", (BATCHNORM, "squares.data / (m - 1)", "squares.data / m - 1")),
    ("bn-eps-missing", "2.4", (BATCHNORM, "(var + self.eps).sqrt()", "var.sqrt()")),
    ("bn-alpha-exchanged", "2.4", (BATCHNORM, "alpha = self.momentum",
                                   "alpha = 1 - self.momentum")),
    ("bn-running-not-updated", "2.4", (BATCHNORM, "alpha = self.momentum", "alpha = 0")),
    ("bn-running-updated-in-eval", "2.4", (
        BATCHNORM, "            x_hat = (x - self.running_mean) / root\n",
        "            x_hat = (x - self.running_mean) / root\n"
        "            self.running_mean = Tensor(0.9 * self.running_mean.data + 0.1 * mean.data)\n"
        "            self.running_var = Tensor(\n"
        "                0.9 * self.running_var.data + 0.1 * squares.data / (m - 1))\n")),
    ("bn-batch-statistics-in-eval", "2.4", (
        BATCHNORM, "            x_hat = (x - self.running_mean) / root\n",
        "            x_hat = centred / (var + self.eps).sqrt()\n")),
    ("bn-gamma-left-out", "2.4", (BATCHNORM, "self.gamma * x_hat", "x_hat")),
    ("bn-beta-left-out", "2.4", (BATCHNORM, "self.gamma * x_hat + self.beta",
                                 "self.gamma * x_hat")),
    ("bn-wrong-axis", "2.4", (BATCHNORM, "axis, count = 0, m", "axis, count = 1, x.shape[1]")),
    ("bn-mean-constant", "2.4", (BATCHNORM, "centred = x - mean", FIXED_MEAN)),
    ("bn-var-constant", "2.4", (BATCHNORM, "var = squares / Tensor(float(count))", FIXED_VAR)),
    ("bn-statistics-constant", "2.4", (BATCHNORM, "centred = x - mean", FIXED_MEAN),
     (BATCHNORM, "var = squares / Tensor(float(count))", FIXED_VAR)),
    ("bn-running-var-zero", "2.4", (BATCHNORM, "Tensor(np.ones((1, num_features)))",
                                    "Tensor(np.zeros((1, num_features)))")),

    ("xe-sum", "2.5", (FUNCTIONAL, "-float(n)", "-1.0")),
    ("xe-divided-by-classes", "2.5", (FUNCTIONAL, "-float(n)", "-float(classes)")),
    ("xe-gradient-not-averaged", "2.5", (
        FUNCTIONAL, LOSS_ENDS, "    loss = total / tensor.Tensor(-1.0)\n"
                               "    loss.data = loss.data / n\n")),
    ("xe-no-log-sum-exp", "2.5", (FUNCTIONAL, "max(axis=1, keepdims=True)",
                                  "max(axis=1, keepdims=True) * 0")),
    ("xe-wrong-axis", "2.5", (FUNCTIONAL, "    axis = 1\n", "    axis = 0\n"),
     (FUNCTIONAL, "max(axis=1,", "max(axis=0,")),
    ("xe-sign", "2.5", (FUNCTIONAL, "-float(n)", "float(n)")),
    ("xe-target-ignored", "2.5", (FUNCTIONAL, "np.eye(classes)[target.data]",
                                  "np.ones((n, classes))")),
    ("xe-softmax-alone", "2.5", (
        FUNCTIONAL, LOSS_ENDS, "    value = total.data / -n\n"
                               "    soft = tensor.Tensor(np.ones((n, classes)) / n)\n"
                               "    loss = (shifted.exp().sum(1).log() + tensor.Tensor(shift)\n"
                               "            ).reshape(n).sum(0) / tensor.Tensor(float(n))\n"
                               "    loss.data = value + 0 * loss.data\n")),

    ("not written", "2.6", (SGD, "if self.momentum == 0", "if True"),
     (SGD, "self.momentum *", "0 *")),
    ("momentum-not-stored", "2.6", (SGD, "self.momentums[i] = velocity", "velocity = velocity")),
    ("momentum-uphill", "2.6", (SGD, "self.momentums[i] - self.lr",
                                "self.momentums[i] + self.lr")),
    ("momentum-lr-ignored", "2.6", (SGD, "self.momentums[i] - self.lr * param.grad.data",
                                    "self.momentums[i] - param.grad.data")),
    ("momentum-not-scaled", "2.6", (SGD, "self.momentum * self.momentums[i]",
                                    "self.momentums[i]")),
    ("momentum-on-gradient", "2.6", (SGD, "self.momentum * self.momentums[i] - self.lr",
                                     "self.momentums[i] - self.momentum * self.lr")),
    ("momentum-nesterov", "2.6", (SGD, "param.data + velocity",
                                  "param.data + self.momentum * velocity "
                                  "- self.lr * param.grad.data")),
    ("momentum-shared", "2.6", (SGD, "[np.zeros(t.shape) for t in self.params]", "0.0"),
     (SGD, "self.momentums[i]", "self.momentums")),

    ("operator-calls-another", "1.1.1", (TENSOR, "return F.Sub.apply", "return F.Add.apply")),
    ("operator-hands-one-twice", "1.1.2", (TENSOR, "return F.Mul.apply(self, other)",
                                           "return F.Mul.apply(self, self)")),
    ("operator-outside-the-graph", "1.1.2", (TENSOR, "return F.Mul.apply(self, other)",
                                             "return Tensor(self.data * other.data)")),
    ("upstream-forgotten-once", "1.1.2", (FUNCTIONAL, "mul_a = grad_output.data * b.data",
                                          "mul_a = b.data")),
    ("graph: forward returns", "1.1.1", (FUNCTIONAL, "return tensor.Tensor(a.data - b.data)",
                                         "return a.data - b.data")),
    ("error: TypeError", "1.1.1", (TENSOR, "def __sub__", "def _sub")),
    ("error: ValueError", "1.1.2", (FUNCTIONAL, "        mul_a = ", "        a, b = type(ctx)()"
                                       ".saved_tensors\n        mul_a = ")),
    ("error: TypeError", "1.1.1", (FUNCTIONAL, "sub_b = -grad_output.data",
                                      "sub_b = (-grad_output).data")),
    ("None", "1.1.1", (FUNCTIONAL, "return tensor.Tensor(a.data - b.data)",
                          "tensor.Tensor(a.data - b.data)")),
    ("error: TypeError", "2.1", (LINEAR, "return out + self.bias", "out + self.bias")),
    ("graph: parents missing", "1.2", (
        ENGINE, "            node.next_functions.append(parent)\n", "            pass\n")),
    ("error: TypeError", "2.2", ("nn/activations.py", "F.ReLU.apply(x)", "F.ReLU(x)")),
    ("error: TypeError", "1.1.3", (
        FUNCTIONAL, "return (tensor.Tensor(unbroadcast(div_a, a.shape)),",
                                  "(tensor.Tensor(unbroadcast(div_a, a.shape)),")),

    ("output-always-requires-grad", "1.2", (ENGINE, "output.requires_grad = needs",
                                            "output.requires_grad = True")),
    ("output-never-leaf", "1.2", (
        ENGINE, "output.is_leaf = not needs", "output.is_leaf = False")),
    ("graph: one of several arrives", "1.2", (ENGINE, "grad_of_outputs):\n",
                              "grad_of_outputs, seen=None):\n    seen = seen or {0}\n"
                              "    if id(grad_fn) in seen:\n        return\n"
                              "    seen.add(id(grad_fn))\n"),
     (ENGINE, "backward(parent, grad)", "backward(parent, grad, seen)")),
    ("graph: not accumulated", "1.2", (ENGINE, "old.data + grad.data", "old.data")),
    ("graph: gradients share memory", "1.2", (
        ENGINE, "        new = grad.data if old is None else old.data + grad.data\n"
                "        self.variable.grad = Tensor(new)",
        "        if old is None:\n            self.variable.grad = grad\n"
        "        else:\n            old.data += grad.data"),
     (FUNCTIONAL, "return tensor.Tensor(grad_a), tensor.Tensor(grad_b)",
      "first = tensor.Tensor(grad_a)\n        return first, "
      "first if a.shape == b.shape else tensor.Tensor(grad_b)")),
    ("graph: nothing arrives", "1.2", (ENGINE, "            backward(parent, grad)\n",
                                "            parent.apply(grad)\n")),
    ("graph: nothing starts", "1.2", (
        TENSOR, "autograd_engine.backward(self.grad_fn, Tensor(seed))", "return seed")),
    ("graph: parents missing", "1.2", (
        ENGINE, "            node.next_functions.append(parent)\n",
                                       "            if parent is not None:\n"
                                       "                node.next_functions.append(parent)\n")),
    ("graph: seed's shape", "1.2", (TENSOR, "np.ones_like(self.data)", "np.array(1.)")),
    ("graph: seed is no Tensor", "1.2", (
        TENSOR, "backward(self.grad_fn, Tensor(seed))", "backward(self.grad_fn, seed)")),
    ("graph: another arrives", "1.2", (ENGINE, "backward(parent, grad)",
                                         "backward(parent, grads[0])")),
    ("graph: no Tensor arrives", "1.2", (ENGINE, "backward(parent, grad)",
                                             "backward(parent, grads)")),
    ("graph: shared list", "1.2", (ENGINE, "        self.next_functions = []\n\n    def "
                                            "apply(self, *grads)", "\n    next_functions = []\n\n"
                                            "    def apply(self, *grads)")),
    ("graph: parent is None", "1.2", (
        ENGINE, MAKE_NODE + TAKE_NODE, TAKE_NODE + MAKE_NODE)),
    ("graph: requires_grad lost", "1.1.1", (ENGINE, "        return output\n", "        if "
     "cls.__name__ == 'Sub':\n            output.requires_grad = False\n        return output\n")),
    ("graph: not accumulated", "1.2", (ENGINE, "new = grad.data if", "new = 2 * grad.data if")),
    ("graph: parent is another", "1.2", (
        ENGINE, MAKE_NODE + TAKE_NODE, "                parent = AccumulateGrad(arg)\n")),
    ("graph: apply returns", "1.2", (ENGINE, "        return output\n", "")),

    ("gradient missing", "2.1", (
        LINEAR, "x @ self.weight.T()", "x @ Tensor(self.weight.data.T)")),
    ("graph: gradient's shape", "2.1", (FUNCTIONAL, "grad = grad.sum(axis=0)",
                                        "grad = grad.sum(axis=-1)")),
    ("weight-gradient-averaged", "2.1", (FUNCTIONAL, "a.data.T @ grad_output.data",
                                         "a.data.T @ grad_output.data / len(a.data)")),
    ("error: ValueError", "2.1", (
        FUNCTIONAL, "grad_output.data @ b.data.T", "grad_output.data @ b.data")),
    ("relu-upstream-forgotten", "2.2", (FUNCTIONAL, "grad_output.data * ctx.mask",
                                        "ctx.mask * 1.")),
    ("relu-other-side", "2.2", (FUNCTIONAL, "ctx.mask = a.data > 0", "ctx.mask = a.data < 0")),
    ("graph: no grad_fn", "2.2", ("nn/activations.py", "F.ReLU.apply(x)",
                                  "x.__class__(x.data * (x.data > 0))")),
    ("only-first-parameter-moves", "2.3", (SGD, "                continue\n",
                                           "                return\n")),
    ("graph: parameter replaced", "2.3", (
        SGD, "param.data = param.data - self.lr * param.grad.data",
        "self.params[i] = Tensor(param.data - self.lr * param.grad.data, requires_grad=True)")),
    ("graph: param.data is a Tensor", "2.3", (
        SGD, "param.data = param.data - self.lr * param.grad.data",
                                 "param.data = param - Tensor(self.lr) * param.grad")),
    ("times a factor", "2.3", (SGD, "param.data - self.lr", "param.data - self.lr / 2")),
    ("sgd-no-weight", "2.3", (SGD, "param.data - self.lr", "-self.lr")),

    ("bn-no-root", "2.4", (BATCHNORM, "(var + self.eps).sqrt()", "(var + self.eps)")),
    ("bn-std-for-var", "2.4", (BATCHNORM, "(var + self.eps).sqrt()",
                               "(var.sqrt() + self.eps).sqrt()")),
    ("bn-statistics-of-all", "2.4", (BATCHNORM, "mean = x.sum(axis) / Tensor(float(count))",
                                     "mean = x.sum(axis) / Tensor(float(x.data.size))")),
    ("bn-mean-not-subtracted", "2.4", (BATCHNORM, "x_hat = centred / root", "x_hat = x / root")),
    ("bn-running-in-training", "2.4", (
        BATCHNORM, "if self.is_train:", "if not self.is_train:")),
    ("bn-eval-no-affine", "2.4", (BATCHNORM, "x_hat = (x - self.running_mean) / root",
                                  "return (x - self.running_mean) / root")),
    ("bn-running-no-decay", "2.4", (BATCHNORM, "(1 - alpha) * ", "")),
    ("bn-running-std", "2.4", (BATCHNORM, "alpha * unbiased", "alpha * np.sqrt(unbiased)")),
    ("bn-sign", "2.4", (BATCHNORM, "centred = x - mean", "centred = mean - x")),

    ("xe-maximum-not-added-back", "2.5", (FUNCTIONAL, "log_softmax = shifted -",
                                          "log_softmax = predicted -")),
    ("xe-exponentials-not-shifted", "2.5", (FUNCTIONAL, "shifted - shifted.exp()",
                                            "shifted - predicted.exp()")),
    ("xe-argmax", "2.5", (FUNCTIONAL, "[target.data]", "[predicted.data.argmax(axis=1)]")),
    ("xe-divided-by-all", "2.5", (FUNCTIONAL, "-float(n)", "-float(n * classes)")),
    ("xe-no-log", "2.5", (FUNCTIONAL, "shifted - shifted.exp().sum(axis).log()",
                          "shifted.exp() / shifted.exp().sum(axis)")),
    ("xe-no-log-sum-exp", "2.5", (FUNCTIONAL, "shifted - shifted.exp().sum(axis).log()",
                                  "(shifted.exp() / shifted.exp().sum(axis)).log()")),
    ("xe-small-constant-in-log", "2.5", (
        FUNCTIONAL, "shifted - shifted.exp().sum(axis).log()",
        "(shifted.exp() / shifted.exp().sum(axis) + tensor.Tensor(1e-8)).log()")),
    ("xe-upstream-forgotten", "2.5", (FUNCTIONAL, "def cross_entropy(", LOSS % "")),
    ("xe-one-hot-alone", "2.5", (FUNCTIONAL, "def cross_entropy(", LOSS % " * g.data - ctx.soft "
                                                                        "* g.data")),
    ("graph: no grad_fn", "2.5", (FUNCTIONAL, "return loss", "return tensor.Tensor(loss.data)")),

    ("momentum-forgotten", "2.6", (SGD, "param.data + velocity",
                                   "param.data - self.lr * param.grad.data")),
    ("momentum-unchanged", "2.6", (SGD, "param.data + velocity",
                                   "param.data + self.momentum * 0 * velocity")),
    ("momentum-one-step-late", "2.6", (
        SGD, "            self.momentums[i] = velocity\n            param.data = param.data + "
             "velocity", "            param.data = param.data + self.momentums[i]\n"
                         "            self.momentums[i] = velocity")),
    ("momentum-uphill", "2.6", (SGD, "param.data + velocity", "param.data - velocity")),
    ("momentum-last-step-only", "2.6", (SGD, "self.momentums[i] = velocity",
                                        "self.momentums[i] = -self.lr * param.grad.data")),
    ("momentum-lr-twice", "2.6", (
        SGD, "param.data + velocity", "param.data + self.lr * velocity")),
]

# What a broken part takes with it: the problems that cannot work without it.
# The points that some of them lose: those of what is wrong, and no others.
GOLDEN = {"sub-sign": 1, "div-swapped": 2, "grad-in-graph": 1, "bias-left-out": 10,
          "relu-passes-all": 4, "sgd-uphill": 10, "bn-eps-outside": 1, "xe-sum": 15,
          "xe-no-log-sum-exp": 2, "momentum-uphill": 10}
# What else may be told, where the values of one check leave more than one explanation.
ALSO = {"None": {"graph: forward returns"},
        "output-requires-grad": {"graph: requires_grad lost"},
        "output-flags": {"graph: requires_grad lost"},
        "not written": {"graph: requires_grad lost"},
        "bias-gradient-averaged": {"unbroadcast-takes-one-row"},
        "relu-passes-all": {"relu-sign-of-gradient"}, "relu-sign-of-gradient": {"relu-passes-all"},
        "graph: no grad_fn": {"gradient missing"}, "bn-gamma-left-out": {"bn-eval-no-affine"},
        "bn-beta-left-out": {"bn-eval-no-affine"},
        "bn-running-in-training": {"bn-batch-statistics-in-eval", "bn-running-not-updated"}}


def asked(problem, mistake):
    """The checks of a problem; for some mistakes, all that they must not affect too."""
    if mistake not in GOLDEN:
        return [check for check in CHECKS if check.problem == problem]
    resting = {check.problem for check in CHECKS
               if any((number + ".").startswith(problem + ".") for number in check.after)}
    return [check for check in checks_around({problem}) if check.problem not in resting - {problem}]


@pytest.fixture(scope="module")
def graded():
    """The results of every submission in MADE."""
    return side_by_side(lambda made: results_of(*made[2:], checks=asked(made[1], made[0])),
                        MADE)


@pytest.mark.parametrize("index", range(len(MADE)),
                         ids=["%s-%d" % (made[0], i) for i, made in enumerate(MADE)])
def test_a_submission_with_one_mistake_is_told_its_name_and_loses_what_its_row_says(graded, index):
    mistake, problem = MADE[index][:2]
    names = {name_of(r) for r in graded[index] if r.explanation} - {None}
    told = {part for name in names for part in name.split(" or ")}
    assert mistake in told and told - {mistake} <= ALSO.get(mistake, set())
    points = lost(graded[index])
    assert points == {problem: GOLDEN.get(mistake, points.get(problem))}


def name_of(result):
    """The id of the mistake that is told or, where an error's words are explained, its class."""
    failure, explanation = result.answer.failure, result.explanation
    if failure and failure.type and explanation.message == words_of(failure):
        return f"error: {failure.type}"
    return explanation.id


def output_of(arguments, path):
    """What the grader's command prints, run in a fork of this process: it has NumPy loaded."""
    pid = os.fork()
    if pid == 0:
        for name in [name for name in sys.modules if name.split(".")[0] == "mytorch"]:
            del sys.modules[name]
        sys.path.remove(REPOSITORY)
        sys.stdout, sys.argv = open(path, "w"), ["runner.py"] + arguments
        try:
            runner.main()
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.waitpid(pid, 0)
    with open(path) as file:
        return file.read()


def test_a_mistake_shows_the_same_numbers_when_its_check_runs_again(graded, tmp_path):
    compared = 0
    for (mistake, _, *changes), results in zip(MADE, graded):
        if mistake not in GOLDEN:
            continue
        for result in [r for r in results if r.wrong][:1]:
            with variant(*changes) as root:
                shown = output_of(["--submission", root, "--again", result.check.number],
                                  str(tmp_path / "output"))
            numbers = [line for line in result.lines if not line.startswith("also wrong")]
            assert numbers and all(line in shown for line in numbers), mistake
            compared += 1
    assert compared >= len(GOLDEN)


def test_what_a_failure_in_the_engine_or_an_operation_must_lead_to_is_told_and_not_named():
    for change, first in (
            ((ENGINE, "old.data + grad.data", "grad.data"), "1.2.4 fails"),
            ((FUNCTIONAL, "sub_b = -grad_output.data", "sub_b = grad_output.data"), "1.1.1 fails"),
            ((TENSOR, "def __mul__", "def _mul"), "1.1.2 fails"),
            ((LINEAR, "return out + self.bias", "return out"), "2.1 fails")):
        later = [r for r in results_of(change) if not r.passed and r.check.points
                 and r.check.problem > "2.1"]
        assert later and all(r.explanation.message.startswith(first) for r in later)
        assert all(r.explanation.id is None for r in later)


def test_a_wrong_gradient_is_no_reason_for_what_only_goes_forward():
    results = results_of((FUNCTIONAL, "div_b = -grad", "div_b = grad"),
                         (BATCHNORM, "(var + self.eps).sqrt()", "(var.sqrt() + self.eps)"))
    told = {r.check.number: r.explanation for r in results if not r.passed}
    assert told["2.4.1"].id == "bn-eps-outside"
    assert told["2.4.2"].message == "1.1.3 fails: fix that first."


def test_large_mistakes_elsewhere_leave_what_is_asked_by_itself_alone():
    linear = results_of((LINEAR, "return out + self.bias", "return out"))
    assert lost(linear) == worth(check for check in CHECKS
                                 if "2.1" in (check.problem, *check.after) and check.points)


@pytest.mark.parametrize("seed", range(2))
def test_no_entry_of_the_catalogue_is_taken_for_another_in_every_check(seed):
    unique = set()
    for check in CHECKS:
        inputs = check.inputs(np.random.default_rng(seed))
        entries = list(key_of(check, inputs).mistakes)
        for entry in entries:
            for values in entry.values:
                told = [found.id for found in known(check, entries, values)]
                assert entry.id in told and len(told) <= 3
                if told == [entry.id]:
                    unique.add(entry.id)
    assert unique == {mistake.id for mistake in MISTAKES}


def test_the_formulas_of_the_catalogue_leave_the_right_ones_alone():
    assert all(callable(f) for f in vars(FORMULAS).values())
    assert FORMULAS.sub_gradients(1, 1, 2) == (2, -2)


def strange(value, rng):
    """Another value in the place of an expected one."""
    if not isinstance(value, np.ndarray):
        return rng.choice([None, True, 5, "text"])
    return [2 * value, -10 * value, value > 0, value.astype(np.float16), value.astype(np.int8),
            np.full_like(value, np.nan), value.T, value[None], None, "text", np.zeros(0),
            value.astype(np.longdouble) / 3, value][rng.randint(13)]


def test_whatever_a_submission_answers_it_is_judged_and_explained():
    rng = np.random.RandomState(0)
    for check in CHECKS:
        inputs = runner.inputs_of(check, 1)
        key = key_of(check, inputs)
        for _ in range(4):
            values = {name: strange(value, rng) for name, value in key.expected.items()}
            result = Result(check, inputs, key, Answer(values))
            if not result.passed:
                result.explanation = explain(result, Observed(), [])
            assert result.passed or result.message
