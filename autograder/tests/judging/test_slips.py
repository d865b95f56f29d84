"""What a student is told after a slip: in the check's explanation, as a warning, or as first fix.

Each row is a slip in the plain submission, the problems that are asked, and words of what has to
be told; none of them is about another slip.
"""

import numpy as np
import pytest

from graded import checks_around, grade, results_of_all, variant
from judging.checks import CHECKS, AnswerKey
from judging.relations import relation
from judging.report import Printer, conclude, first_to_fix, report, warnings_of
from runner import is_part

B = np.array([[1., 2., 4.], [5., -3., 0.5]])
F, ENGINE, TENSOR = "nn/functional.py", "autograd_engine.py", "tensor.py"
BN, SGD, LINEAR = "nn/batchnorm.py", "optim/sgd.py", "nn/linear.py"
MUL = ("        return (tensor.Tensor(unbroadcast(mul_a, a.shape)),\n"
       "                tensor.Tensor(unbroadcast(mul_b, b.shape)))")
RUNNING_MEAN = ("self.running_mean = Tensor((1 - alpha) * self.running_mean.data + "
                "alpha * mean.data)")
LOSS = """\
    class Loss(Function):
        @staticmethod
        def forward(ctx, logits):
            return tensor.Tensor(loss.data)

        @staticmethod
        def backward(ctx, g):
            soft = np.exp(log_softmax.data)
            soft%s
            return tensor.Tensor(g.data * soft / n)
    return Loss.apply(predicted)
"""
SLIPS = {
    "arrays from backward": (["1.1.2"], "Mul.backward returns arrays; wrap each in Tensor(...)",
                             (F, MUL, "        return unbroadcast(mul_a, a.shape), mul_b")),
    "state on the class": (["1.2"], "The second product's values are used for",
                           (F, "        ctx.save_for_backward(a, b)\n        return tensor.Tensor("
                            "a.data * b.data)",
                            "        Mul.a, Mul.b = a, b\n        return tensor.Tensor("
                            "a.data * b.data)"),
                           (F, "        a, b = ctx.saved_tensors\n        mul_a",
                            "        a, b = Mul.a, Mul.b\n        mul_a")),
    "state on the class of an operation": (
        ["1.1.3"], "The second operation's values are used for",
        (F, "        ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data / b.data)",
         "        Div.a, Div.b = a, b\n        return tensor.Tensor(a.data / b.data)"),
        (F, "        a, b = ctx.saved_tensors\n        div_a", "        a, b = Div.a, Div.b\n"
                                                               "        div_a")),
    "one array from backward": (["2.2.3"], "returns a value of type ndarray for a",
                                (F, "return tensor.Tensor(grad_output.data * ctx.mask)",
                                 "return grad_output.data * ctx.mask")),
    "no first gradient": (["1.2.2"], "A .grad is None until a gradient arrives",
                          (ENGINE, "        self.variable.grad = Tensor(new)", ""),
                          (ENGINE, "new = grad.data if old is None else old.data + grad.data",
                           "self.variable.grad += grad")),
    "all for any": (["1.2.1"], "does as soon as one of them does (any, not all",
                    (ENGINE, "        needs = False\n",
                     "        needs = all(getattr(a, 'requires_grad', True) for a in args)\n"),
                    (ENGINE, "                needs = True\n", "")),
    "state on the class of ReLU": (["2.2.2"], "The second ReLU's values are used for",
                                   (F, "ctx.mask", "ReLU.mask")),
    "state on the class of the loss": (["2.5.3"], "The second loss' values are used for",
                                       (F, "    return loss\n", LOSS.replace(
                                           "return tensor.Tensor(loss.data)",
                                           "Function.p = log_softmax\n            "
                                           "return tensor.Tensor(loss.data)").replace(
                                           "np.exp(log_softmax.data)", "np.exp(Function.p.data)")
                                        % "[np.arange(n), target.data] -= 1")),
    "parameters that are not found": (["2.3.2"], "The optimizer has no parameters",
                                      (LINEAR, "requires_grad=True, is_parameter=True)",
                                       "requires_grad=True)")),
    "parameters given twice": (["2.3.2"], "The optimizer has a parameter twice",
                               ("optim/optimizer.py", "list(params)", "2 * list(params)")),
    "gradients that stay": (["2.3.2"], "zero_grad() leaves a gradient",
                            ("optim/optimizer.py", "param.grad = None", "grad = None")),
    "gradients that become 0": (["2.3.2"], "zero_grad() leaves a gradient",
                                ("optim/optimizer.py", "param.grad = None", "param.grad = 0")),
    "a bias of one number": (["2.1.1"], "one number for each output",
                             (LINEAR, "np.zeros(out_features)", "np.zeros(1)")),
    "operands the wrong way round": (["1.1.1.2"], "What is computed is b - a, not a - b",
                                     (TENSOR, "F.Sub.apply(self, other)", "F.Sub.apply(other, self)"
                                      ),
                                     (ENGINE, "        needs = False\n        for arg in args:",
                                      "        return output\n        for arg in args:")),
    "the tensor for its node": (["1.2.2"], "Tensor.backward() starts it with self.grad_fn",
                                (TENSOR, "backward(self.grad_fn,", "backward(self,")),
    "one list for all contexts": (["1.1.1"], "This ctx holds more than is unpacked here",
                                  (ENGINE, "    def __init__(self):\n        self.saved_tensors = "
                                   "[]", "    saved_tensors = []"),
                                  (ENGINE, "self.saved_tensors = [tensor for tensor in tensors]",
                                   "self.saved_tensors.extend(tensors)")),
    "a list for a tuple": (["1.2.7"], "a backward returns several as a tuple",
                           (F, MUL, MUL.replace("return (", "return [")[:-1] + "]")),
    "a velocity over all": (["2.6.2"], "a list with one velocity for each parameter",
                            (SGD, "self.momentums[i] = velocity", "self.momentums = velocity")),
    "estimates on the class": (["2.4.3"], "The batch of another layer moves the running",
                               (BN, "self.running_", "BatchNorm1d.running_")),
    "the last input decides": (["1.2.1"], "only if one certain input does",
                               (ENGINE, "        output.requires_grad = needs\n        output.is_",
                                "        needs = bool(getattr(args[-1], 'requires_grad', needs))\n"
                                "        output.requires_grad = needs\n        output.is_")),
    "a forward in place": (["1.1.1"], "Sub changes an array that belongs to its caller",
                           (F, "return tensor.Tensor(a.data - b.data)",
                            "a.data -= b.data\n        return tensor.Tensor(a.data)")),
    "a product turned round": (["2.1"], "MatMul.backward (functional.py:147) returns a gradient",
                               (F, "a.data.T @ grad_output.data", "grad_output.data.T @ a.data")),
    "a backward in place": (["2.2.2"], "changes the array of the gradient that comes in",
                            (F, "return tensor.Tensor(grad_output.data * ctx.mask)",
                             "grad_output.data[~ctx.mask] = 0\n        return grad_output")),
    "a loss in place": (["2.5.1"], "the cross entropy changes the array of its input",
                        (F, "shifted = predicted - tensor.Tensor(shift)",
                         "predicted.data -= shift\n    shifted = predicted")),
    "a normalization in place": (["2.4.1"], "BatchNorm changes the array of its input",
                                 (BN, "m = x.shape[0]", "m = x.shape[0]\n        if m:\n"
                                      "            return self.in_place(x)"),
                                 (BN, "    def forward", """\
    def in_place(self, x):
        x.data -= x.data.mean(axis=0)
        root = np.sqrt((x.data ** 2).mean(axis=0) + self.eps.data)
        return Tensor(x.data / root * self.gamma.data + self.beta.data)

    def forward""")),
    "a step in place": (["2.3.1"], "step() changes the gradients that it uses",
                        (SGD, "self.lr * param.grad.data", "param.grad.data.__imul__(self.lr)")),
    "a step in place, of a Tensor that does not copy": (
        ["2.3.1"], "step() changes the gradients that it uses",
        (TENSOR, "np.array(data)", "np.asarray(data)"),
        (SGD, "self.lr * param.grad.data", "param.grad.data.__imul__(self.lr)")),
    "the weight turned round": (["2.1"], "Linear's forward changes its weight",
                                (LINEAR, "self.weight.T()", "self.turned()"),
                                (LINEAR, "    def forward",
                                 "    def turned(self):\n"
                                 "        self.weight.data = self.weight.data.T\n"
                                 "        return self.weight\n\n    def forward")),
    "mean and variance of rows": (["2.4.1"], "over the features of a row (axis 1)",
                                  (BN, "axis, count = 0, m", "axis, count = 1, x.shape[1]")),
    "sums divided by shape[1]": (["2.4.1"], "divided by the number of features (shape[1])",
                                 (BN, "axis, count = 0, m", "axis, count = 0, x.shape[1]")),
    "running estimates exchanged": (["2.4.3"], "running_mean and running_var are exchanged",
                                    (BN, "alpha * mean.data", "alpha * unbiased"),
                                    (BN, "running_var.data + alpha * unbiased",
                                     "running_var.data + alpha * mean.data")),
    "divided by m, then by m - 1": (["2.4.3"], "divided by m and by m - 1",
                                    (BN, "squares.data / (m - 1)", "var.data / (m - 1)")),
    "a running estimate as array": (["2.4.3"], "There is an array where a Tensor should be",
                                    (BN, RUNNING_MEAN, RUNNING_MEAN.replace("Tensor(", "(", 1))),
    "velocities appended": (["2.6.1"], "no append",
                            (SGD, "self.momentums[i] = velocity",
                             "self.momentums.append(velocity)")),
    "one velocity for all": (["2.6.1"], "All parameters share one velocity",
                             (SGD, "self.momentums[i] = velocity", "self.momentums[0] = velocity")),
    "running_mean in training": (["2.4.1"], "you normalise with the running estimates",
                                 (BN, "x_hat = centred / root",
                                  "x_hat = (x - self.running_mean) / root")),
    "a fixed alpha": (["2.4.3"], "the same whatever eps or momentum it is given",
                      (BN, "alpha = self.momentum", "alpha = 0.1")),
    "a fixed eps": (["2.4.3"], "the same whatever eps or momentum it is given",
                    (BN, "Tensor(eps)", "Tensor(1e-5)")),
    "another eps": (["2.4.1"], "eps is not 1e-5, which is the default in __init__",
                    (BN, "eps=1e-5", "eps=1e-3")),
    "squares summed over all": (["2.4.1"], "are taken over all entries, rows",
                                (BN, "(centred * centred).sum(axis)",
                                 "Tensor((centred.data ** 2).sum())")),
    "the maximum of the batch": (["2.5.1"], "The maximum that is subtracted is taken over the",
                                 (F, "max(axis=1", "max(axis=0")),
    "a fixed momentum": (["2.6.1"], "scaled by 0.9 whatever", (SGD, "self.momentum *", "0.9 *")),
    "a momentum that nobody asked for": (["2.3.1"], "There is momentum although none is asked for",
                                         (SGD, "if self.momentum == 0", "if False"),
                                         (SGD, "self.momentum *", "0.9 *")),
    "a bias that is no parameter": (["2.3.2"], "one.bias, two.bias: what was given, b1, b2, un",
                                    (LINEAR, "np.zeros(out_features), requires_grad=True, is_param"
                                     "eter=True", "np.zeros(out_features), requires_grad=True")),
    "a helper without return": (["1.1.2"], "made of something else than numbers, such as None",
                                (F, "    return grad\n", "    grad.copy()\n")),
    "a fixed number of rows": (["2.5.2"], "fixed in the code: divide by the batch size N",
                               (F, "-float(n)", "-3.")),
    "no eps in evaluation": (["2.4.4"], "In evaluation eps is missing, or added to the root",
                             (BN, "root = (self.running_var + self.eps).sqrt()",
                              "root = self.running_var.sqrt()")),
    "estimates exchanged in evaluation": (["2.4.4"], "In evaluation the two running estimates",
                                          (BN, "root = (self.running_var", "root = (self.running_me"
                                           "an"), (BN, "x - self.running_mean", "x - self.running_"
                                                   "var")),
    "a forward without ctx": (["1.1.3"], "forward takes ctx and what apply() got",
                              (F, "    def forward(ctx, a, b):\n        ctx.save_for_backward(a, b)"
                               "\n        return tensor.Tensor(a.data / b.data)",
                               "    def forward(a, b):\n        return tensor.Tensor(a.data / "
                               "b.data)")),
    "a fixed number of rows in BatchNorm": (["2.4.3"], "fixed in the code: m is x.shape[0]",
                                            (BN, "m = x.shape[0]", "m = 4")),
    "a fixed learning rate": (["2.3.1"], "fixed learning rate", (SGD, "self.lr *", "0.01 *")),
    "momentum not begun": (["2.6"], "self.momentum is not used", (SGD, "if self.momentum == 0",
                                                                   "if True"),
                           (SGD, "self.momentum *", "0 *")),
    "velocities that are not stored": (["2.6"], "all velocities in self.momentums stay 0",
                                       (SGD, "self.momentums[i] = velocity", "velocity += 0")),
    "@ for *": (["1.1.2.1"], "the matrix product a @ b",
                (F, "a.data * b.data)", "a.data @ b.data)")),
    "saved in another order": (["1.1.3"], "saved in another order than they are unpacked",
                               (F, "        ctx.save_for_backward(a, b)\n"
                                "        return tensor.Tensor(a.data / b.data)",
                                "        ctx.save_for_backward(b, a)\n"
                                "        return tensor.Tensor(a.data / b.data)")),
    "operands of - saved in another order": (
        ["2.4.2"], "Sub.backward (functional.py:37) takes the saved",
        (F, "        ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data - b.data)",
         "        ctx.save_for_backward(b, a)\n        return tensor.Tensor(a.data - b.data)")),
    "factors saved in another order": (
        ["2.1.2"], "MatMul.backward (functional.py:147) takes the",
        (F, "        ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data @ b.data)",
         "        ctx.save_for_backward(b, a)\n        return tensor.Tensor(a.data @ b.data)")),
    "gradients returned in another order": (
        ["1.2.6"], "Add.backward (functional.py:23) takes the saved",
        (F, "return tensor.Tensor(grad_a), tensor.Tensor(grad_b)",
         "return tensor.Tensor(grad_b), tensor.Tensor(grad_a)")),
    "state on the class of a matrix product": (
        ["2.1.3"], "MatMul.backward (functional.py:147) handed 7.",
        (F, "        ctx.save_for_backward(a, b)\n        return tensor.Tensor(a.data @ b.data)",
         "        MatMul.a, MatMul.b = a, b\n        return tensor.Tensor(a.data @ b.data)"),
        (F, "        a, b = ctx.saved_tensors\n        return (tensor.Tensor(grad_output.data @",
         "        a, b = MatMul.a, MatMul.b\n        return (tensor.Tensor(grad_output.data @")),
    "a shape on the class of a sum": (
        ["2.4.2"], "Sum.shape is set by each call of an operation", (
            F, "ctx.shape = a.shape\n        return tensor.Tensor(a.data.sum",
            "Sum.shape = a.shape\n        return tensor.Tensor(a.data.sum"),
        (F, "np.ones(ctx.shape)", "np.ones(Sum.shape)")),
    "a shape on the class of a sum, in a loss": (
        ["2.5.3"], "Sum.backward (functional.py:136) handed ",
        (F, "ctx.shape = a.shape\n        return tensor.Tensor(a.data.sum",
         "Sum.shape = a.shape\n        return tensor.Tensor(a.data.sum"),
        (F, "np.ones(ctx.shape)", "np.ones(Sum.shape)")),
    "a product in place": (
        ["2.4.1"], "This computes in place (+=, *= or out=), so the result has to fit",
        (F, "return tensor.Tensor(a.data * b.data)",
         "a.data *= b.data\n        return tensor.Tensor(a.data)")),
    "a product in place, asked alone": (
        ["1.1.2"], "Mul changes an array that belongs to its caller",
        (F, "return tensor.Tensor(a.data * b.data)",
         "a.data *= b.data\n        return tensor.Tensor(a.data)")),
    "estimates exchanged in evaluation, without a root": (
        ["2.4.4"], "In evaluation the two running estimates",
        (BN, "root = (self.running_var + self.eps).sqrt()\n            x_hat = (x - "
         "self.running_mean)", "root = self.running_mean + self.eps\n            x_hat = (x - "
         "self.running_var)")),
    "labels of another length": (
        ["2.5.1"], "The indices differ in length; to take one entry of each row",
        (F, "    mask = np.eye(classes)[target.data]\n",
         "    mask = np.zeros(predicted.shape)\n    mask[np.arange(classes), target.data] = 1\n")),
    "@ for * in a variance": (["2.4.1"], "The shapes of these two do not fit: print both",
                              (BN, "centred * centred", "centred @ centred.T()")),
    "a sum of what was not broadcast": (["1.1.2"], "is summed although the shapes are equal",
                                        (F, "while grad.ndim > len", "while grad.ndim >= len")),
    "an operation that is called": (["2.2.1"], "An operation is run by its apply()",
                                    ("nn/activations.py", "F.ReLU.apply(x)", "F.ReLU(x)")),
    "no self": (["2.2.1"], "a method has self as its first parameter",
                ("nn/activations.py", "def forward(self, x)", "def forward(x)")),
    "an engine that strips gradients": (["2.1.2"], "The first node gets a value of type ndarray",
                                        (ENGINE, "grad_fn.apply(grad_of_outputs)",
                                         "grad_fn.apply(grad_of_outputs.data)")),
    "the same node once": (["1.2.4"], "next_functions of Add has 1 entries for 2 Tensor(s)",
                           (ENGINE, "            node.next_functions.append(parent)",
                            "            if parent not in node.next_functions:\n"
                            "                node.next_functions.append(parent)")),
    "labels in place": (["2.5.1"], "the cross entropy changes the array of its input",
                        (F, "    return loss\n", "    target.data *= 0\n    return loss\n")),
    "whole columns": (["2.5.3"], "1 is subtracted in whole columns",
                      (F, "    return loss\n", LOSS % "[:, target.data] -= 1")),
    "1 added": (["2.5.3"], "1 is added at the right class",
                (F, "    return loss\n", LOSS % "[np.arange(n), target.data] += 1")),
    "a sum over all": (["2.5.1"], "sum of the exponentials runs over all entries",
                       (F, "    axis = 1\n", "    axis = None\n")),
    "an import of Tensor on top": (["1.1.1.1"], "Files import each other in a circle",
                                   (ENGINE, "def backward(", "from mytorch.tensor import Tensor\n\n"
                                    "\ndef backward("),
                                   (F, "import mytorch.tensor as tensor",
                                    "import mytorch.tensor as tensor\n"
                                    "from mytorch.tensor import Tensor")),
    "nothing that is known": (["2.2.2"], " differences of ReLU.forward say ",
                              (F, "grad_output.data * ctx.mask)", "np.tanh(grad_output.data) "
                               "* ctx.mask)")),
}
FIRST = {
    "no return in apply": ("Function.apply() (autograd_engine.py:14) returns a value of type None",
                           (ENGINE, "        return output\n", "")),
    "a name in apply": ("mytorch/autograd_engine.py, line 16: print(nobody) (NameError: name",
                        (ENGINE, "        output = cls", "        print(nobody)\n"
                                                         "        output = cls")),
    "a loop in apply": ("mytorch/autograd_engine.py, line 1",
                        (ENGINE, "        output = cls", "        while True:\n            pass\n"
                                                         "        output = cls")),
    "an import in a circle": ("mytorch/autograd_engine.py, line 1: from mytorch.tensor import",
                              SLIPS["an import of Tensor on top"][2]),
    "an import that fails elsewhere": ("mytorch/autograd_engine.py, line 1: from mytorch.nn.",
                                       (ENGINE, "def backward(", "from mytorch.nn.functional "
                                        "import Add\n\n\ndef backward(")),
    "a seed of another shape": ("Tensor.backward() (tensor.py:28) starts with a gradient of shape",
                                (TENSOR, "np.ones_like(self.data)", "np.ones(self.data.size)")),
    "an operation that is not written": (
        "1.1.1.1 F.Sub, forward and backward: not written yet: sub (handout, section 1.1.1)",
        (F, "return tensor.Tensor(a.data - b.data)", "raise NotImplementedError('sub')")),
    "a backward() that calls itself": ("mytorch/tensor.py, line 30: self.backward() (RecursionErro",
                                       (TENSOR, "autograd_engine.backward(self.grad_fn, "
                                        "Tensor(seed))", "self.backward()")),
    "all for any": ("1.2.1 The output of an operation: requires_grad and is_leaf: The output",
                    *SLIPS["all for any"][2:]),
    "an argument that is no Tensor": ("mytorch/autograd_engine.py, line 20: if arg.requires_grad:",
                                      (ENGINE, 'if hasattr(arg, "requires_grad") and arg', "if arg")
                                      ),
    "a transpose that is not called": ("mytorch/nn/linear.py, line 15: out = x @ self.weight.T",
                                       (LINEAR, "self.weight.T()", "self.weight.T")),
    "the same node again": ("mytorch/autograd_engine.py, line 9: backward(grad_fn, grad) (Recurs",
                            (ENGINE, "backward(parent, grad)", "backward(grad_fn, grad)")),
    "a velocity of another shape": ("2.3.1 SGD: two steps, with gradients set by hand: b: expected",
                                    (SGD, "            if self.momentum == 0:\n                "
                                     "param.data = param.data - self.lr * param.grad.data\n"
                                     "                continue\n", ""),
                                    (SGD, "self.momentums[i]", "self.momentums[0]")),
    "a name in an operation": ("mytorch/nn/functional.py, line 34: return a.data - nobody",
                               (F, "return tensor.Tensor(a.data - b.data)",
                                "return a.data - nobody")),
    "a sign in an operation": ("1.1.1.1 F.Sub, forward and backward: Your gradient for b is the",
                               (F, "sub_b = -grad_output.data", "sub_b = grad_output.data")),
}


def told(results):
    return [result.explanation.message for result in results if result.explanation] + [
        text for result in results for text in result.advice]


@pytest.mark.parametrize("slip", SLIPS)
def test_what_is_told_of_a_slip(slip):
    numbers, words, *changes = SLIPS[slip]
    with variant(*changes) as root:
        results = grade(root, [check for check in CHECKS
                               if any(is_part(check, number) for number in numbers)])
    assert any(words in text for text in told(results)), told(results)
    others = {entry[1] for entry in SLIPS.values()} - {words}
    assert not any(other in text for other in others for text in told(results))


@pytest.fixture(scope="module")
def firsts():
    return results_of_all({name: changes for name, (_, *changes) in FIRST.items()}, seconds=0.3,
                          checks=checks_around({"1.1.1", "1.2", "2.3"}))


@pytest.mark.parametrize("name", FIRST)
def test_the_first_thing_to_fix_is_the_cause(firsts, name):
    assert first_to_fix([r for r in firsts[name] if not r.passed]).startswith(FIRST[name][0])


def test_a_check_without_points_that_fails_is_told_at_the_end_too(capsys):
    with variant((F, "np.eye(classes)", "np.eye(classes if n < 8 else nobody)")) as root:
        results = grade(root, [check for check in CHECKS if check.problem == "2.5"])
    failed = [result for result in results if not result.passed]
    assert [result.check.points for result in failed] == [0]
    conclude(results, report(results, False, 1, "none"), Printer())
    assert "First fix: 2.5.5 No Python loop over the batch: mytorch/nn/" in capsys.readouterr().out


def test_a_circle_of_imports_is_told_file_by_file(firsts):
    failure = firsts["an import that fails elsewhere"][0].answer.failure
    assert failure.message.endswith("(a circle: mytorch/autograd_engine.py, line 1; "
                                    "mytorch/nn/functional.py, line 4)")


def test_a_warning_of_what_a_check_rests_on_is_named_where_nothing_else_is_known():
    with variant((F, "return tensor.Tensor(a.data - b.data)",
                  "a.data = a.data - b.data\n        return tensor.Tensor(a.data)")) as root:
        results = grade(root, [check for check in CHECKS if check.number in ("1.1.1.1", "2.4.4")],
                        seed=1)
    assert results[0].passed and results[0].advice
    assert results[1].explanation.message.startswith(
        "1.1.1.1 (F.Sub, forward and backward) has a warning, which may be the cause")


@pytest.mark.parametrize("line", ["Sum.calls = getattr(Sum, 'calls', 0) + 1",
                                  "Function.last = Sum.__name__ + 'again'",
                                  "Sum.ones = getattr(Sum, 'ones', np.ones(1))"])
def test_what_a_class_keeps_and_no_backward_reads_anew_is_no_state_of_an_operation(line):
    changes = [(F, "        ctx.shape = a.shape\n        return tensor.Tensor(a.data.sum",
                f"        {line}\n        ctx.shape = a.shape\n        return tensor.Tensor("
                "a.data.sum"),
               (F, "np.ones(ctx.shape)", "np.ones(ctx.shape) * getattr(Sum, 'ones', 1)")]
    with variant(*changes) as root:
        result, = grade(root, [check for check in CHECKS if check.number == "2.4.2"])
    assert result.passed and result.advice == []


def test_an_error_of_the_engine_is_not_laid_at_the_operations_door(firsts):
    messages = [r.explanation.message for r in firsts["a name in apply"] if r.explanation]
    assert not [text for text in messages if text.startswith("1.1.")]


@pytest.fixture
def shown(capsys):
    """A function that grades a slip and returns what the report says, and the Results."""
    def show(slip, *numbers):
        with variant(*SLIPS[slip][2:]) as root:
            results = grade(root, [check for check in CHECKS
                                   if any(is_part(check, number) for number in numbers)])
        printer = Printer()
        for result in results:
            printer.show(result)
        return capsys.readouterr().out, results
    return show


def test_a_sum_over_paths_that_is_none_is_not_named_by_what_happens_to_fit():
    for wrong in ("(old.data + grad.data) / 2", "old.data * grad.data"):
        with variant((ENGINE, "old.data + grad.data", wrong)) as root:
            results = grade(root, [check for check in CHECKS if check.problem == "1.2"])
        assert not [text for text in told(results) if "only one is kept" in text]
        assert sum("1.2.4 fails: fix that first" in text for text in told(results)) >= 1


def test_an_array_that_a_tensor_converts_is_none_that_forward_changed():
    changes = [(TENSOR, "np.array(data)", "np.array(data, dtype=np.float32)"),
               (F, "a.data.T @ grad_output.data", "1.5 * a.data.T @ grad_output.data")]
    with variant(*changes) as root:
        results = grade(root, [check for check in CHECKS if check.number in ("2.1.2", "2.1.3")])
    assert len(told(results)) == 2 and all("times 1.5" in text for text in told(results))


def test_what_was_not_begun_is_no_mistake_in_the_report(shown):
    said, results = shown("momentum not begun", "2.6")
    assert said.count("not written yet: each step is - lr * gradient") == 1
    assert said.count("not written yet, see 2.6.1") == 1
    assert all(result.not_written for result in results)


def test_what_nothing_is_known_of_is_shown_with_what_ran(shown):
    said, _ = shown("nothing that is known", "2.2.2", "2.2.3")
    assert said.count("| out, at_zero = ReLU()(z)") == 1 and "2.2.2 (ReLU backward" in said


def test_numbers_of_the_backward_pass_stand_below_what_is_known_as_evidence(capsys):
    with variant((F, "grad_output.data * ctx.mask", "grad_output.data")) as root:
        results = grade(root, [check for check in CHECKS if check.number == "2.2.2"])
    Printer().show(results[0])
    told, seen = capsys.readouterr().out.split("   seen: ")
    assert "passes every gradient on" in told
    assert seen.startswith("ReLU.backward (functional.py:")
    assert ") hands 1.25 to its argument a\n" in seen
    assert results[0].explanation.evidence in results[0].message


def test_a_wrong_forward_is_not_held_against_its_backward():
    results = results_of_all({"": [(F, "a.data * ctx.mask", "np.tanh(a.data) * ctx.mask")]},
                             checks=[check for check in CHECKS if check.problem == "2.2"])[""]
    told = [result.message for result in results if not result.passed]
    assert told and not any("ReLU.backward" in text for text in told)


def test_a_hint_is_told_once(shown):
    said, results = shown("velocities appended", "2.6")
    assert said.count("Momentum has no effect") == 1 and "the same as said of 2.6.1" in said
    assert warnings_of(results) == []


@pytest.mark.parametrize("change, words", [
    (np.transpose, "transposed, the numbers are right"), (np.atleast_3d, "the shape is not"),
    (np.zeros_like, "all zeros"), (np.negative, "what is expected, times -1 (a sign)"),
    (lambda right: -10 * right, "times -10 (minus 1/lr)"),
    (lambda right: -right / B ** 2, "times -1 / b^2")])
def test_what_wrong_numbers_have_to_do_with_right_ones_is_told(change, words):
    right = np.arange(6.).reshape(2, 3)
    told = relation({"b": B, "lr": 0.1}, AnswerKey({"x": right}, []), {"x": change(right)}, ["x"])
    assert told[1].startswith("x: ") and words in told[1]


@pytest.mark.parametrize("sign", [1, -1])
def test_every_factor_that_has_a_meaning_is_told_with_its_sign(sign):
    x = np.arange(6.).reshape(3, 2)
    for factor, meaning in ((2, "twice"), (3, "the batch size N"),
                            (1 / 3, "one over the batch size N"), (0.1, "lr"), (10, "1/lr"),
                            (1 / 6, "one over the number of entries")):
        told = relation({"x": x, "lr": 0.1}, AnswerKey({"y": B}, []), {"y": sign * factor * B},
                        ["y"])[1]
        assert told.endswith(f"({'minus ' * (sign < 0)}{meaning}).")
