"""Every mistake in the catalogue is caught where it is made, and named."""

import pytest

from checks import CHECKS, FORMULAS, wrong_values
from graded import checks_around, lost, results_of, side_by_side
from mistakes import MISTAKES, recognise
from runner import WRONG_SUMS

import numpy as np

FUNCTIONAL, ENGINE, TENSOR = "nn/functional.py", "autograd_engine.py", "tensor.py"
BATCHNORM, SGD, LINEAR, SEQUENTIAL = ("nn/batchnorm.py", "optim/sgd.py", "nn/linear.py",
                                      "nn/sequential.py")
FIXED_VAR = "var = Tensor(squares.data / count)"
FIXED_MEAN = "centred = x - Tensor(mean.data)"
LOSS_ENDS = "    loss = total / tensor.Tensor(-float(n))\n"

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
    ("grad-overwritten", "1.2", (ENGINE, "grad.data if old is None else old.data + grad.data",
                                 "grad.data")),
    ("first-path-only", "1.2", (ENGINE, "            backward(parent, grad)\n",
                                "            backward(parent, grad)\n            break\n")),
    ("grad-on-intermediates", "1.2", (ENGINE, "        output.requires_grad = needs\n",
                                      "        output.requires_grad = needs\n"
                                      "        node.output = output\n"),
     (ENGINE, "        result = self.cls", "        self.output.grad = grads[0]\n"
                                           "        result = self.cls")),
    ("grad-on-constants", "1.2", (ENGINE, "            parent = None\n",
                                  "            parent = (AccumulateGrad(arg) "
                                  "if hasattr(arg, 'is_leaf') else None)\n")),
    ("grad-on-everything", "1.2", (ENGINE, "            parent = None\n",
                                   "            parent = (AccumulateGrad(arg) "
                                   "if hasattr(arg, 'is_leaf') else None)\n"),
     (ENGINE, "        output.requires_grad = needs\n",
      "        output.requires_grad = needs\n        node.output = output\n"),
     (ENGINE, "        result = self.cls", "        self.output.grad = grads[0]\n"
                                           "        result = self.cls")),
    ("seed-zeros", "1.2", (TENSOR, "np.ones_like(self.data)", "np.zeros_like(self.data)")),
    ("seed-data", "1.2", (TENSOR, "np.ones_like(self.data)", "self.data")),
    ("grad-is-array", "1.2", (ENGINE, "old.data + grad.data", "old + grad.data"),
     (ENGINE, "self.variable.grad = Tensor(new)", "self.variable.grad = new")),
    ("grad-in-graph", "1.2", (ENGINE, "Tensor(new)", "Tensor(new, requires_grad=True)")),

    ("weight-not-transposed", "2.1", (LINEAR, "(out_features, in_features)",
                                      "(in_features, out_features)"),
     (LINEAR, "self.weight.T()", "self.weight")),
    ("weight-not-transposed", "2.1", (LINEAR, "self.weight.T()", "self.weight")),
    ("bias-left-out", "2.1", (LINEAR, "return out + self.bias", "return out")),
    ("bias-gradient-not-summed", "2.1", (FUNCTIONAL,
                                         "grad_b = unbroadcast(grad_output.data, b.shape)",
                                         "grad_b = grad_output.data")),
    ("bias-gradient-averaged", "2.1", (FUNCTIONAL, "grad = grad.sum(axis=0)",
                                       "grad = grad.mean(axis=0)")),
    ("unbroadcast-keeps-dimension", "2.1", (
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
    ("sgd-clears-gradient", "2.3", (SGD, "                continue\n",
                                    "                param.grad = None\n"
                                    "                continue\n")),

    ("bn-unbiased-normalise", "2.4", (BATCHNORM, "root = (var + self.eps)",
                                      "root = (var * Tensor(m / (m - 1)) + self.eps)")),
    ("bn-biased-running", "2.4", (BATCHNORM, "squares.data / (m - 1)", "squares.data / m")),
    ("bn-eps-outside", "2.4", (BATCHNORM, "(var + self.eps).sqrt()", "var.sqrt() + self.eps")),
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

    ("momentum-forgotten", "2.6", (SGD, "self.momentums[i] = velocity", "velocity = velocity")),
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
]

# What a broken part takes with it: the problems that cannot work without it.
TAKES = {"1.1": {"1.2", "2.4", "2.5"}, "1.2": {"2.1", "2.2", "2.3", "2.4", "2.5", "2.6"},
         "2.1": {"2.2", "2.3", "2.4", "2.5", "2.6"}}


def grade_made(mistake, problem, *changes):
    """The results of the problem with the mistake, and of all that must not be affected."""
    return results_of(*changes, checks=[check for check in checks_around({problem})
                                        if check.problem not in TAKES.get(problem[:3], ())])


@pytest.fixture(scope="module")
def graded():
    """The results of every submission in MADE."""
    return side_by_side(lambda made: grade_made(*made), MADE)


@pytest.mark.parametrize("index", range(len(MADE)),
                         ids=["%s-%d" % (made[0], i) for i, made in enumerate(MADE)])
def test_a_submission_with_one_mistake_is_told_its_name_and_loses_no_other_points(graded, index):
    mistake, problem = MADE[index][:2]
    results = graded[index]
    assert {r.mistake.id for r in results if r.mistake and r.check.problem == problem} == {mistake}
    assert set(lost(results)) == {problem}


@pytest.mark.parametrize("mistake", WRONG_SUMS)
def test_wrong_gradients_are_not_taken_for_mistakes_in_the_parts_that_get_them(mistake):
    changes = next(made[2:] for made in MADE if made[0] == mistake)
    results = results_of(*changes)
    assert lost(results).keys() & {"2.1", "2.3", "2.4", "2.6"}
    assert {r.mistake.id for r in results if r.mistake} == {mistake}


def test_every_entry_of_the_catalogue_has_such_a_submission():
    assert {made[0] for made in MADE} == {mistake.id for mistake in MISTAKES}


@pytest.mark.parametrize("seed", range(2))
def test_no_entry_fires_on_a_correct_answer_or_is_taken_for_another(seed):
    for check in CHECKS:
        inputs = check.inputs(np.random.default_rng(seed))
        right = check.expected(inputs)
        for mistake in MISTAKES:
            if not check.problem.startswith(mistake.problem):
                continue
            for formulas in mistake.variants:
                try:
                    wrong = check.expected(inputs, formulas)
                except ValueError:
                    continue
                if _differ(check, wrong, right):
                    assert recognise(check, inputs, wrong) in (mistake, None), mistake.id


def _differ(check, wrong, right):
    return bool(wrong_values(check, right, wrong))


def test_the_formulas_of_the_catalogue_leave_the_right_ones_alone():
    assert all(callable(f) for f in vars(FORMULAS).values())
    assert FORMULAS.sub_gradients(1, 1, 2) == (2, -2)
