"""Where a check fell, and the student's own line that began it: as data and as it is told."""

import pytest

from graded import results_of
from judging.checks import CHECKS
from judging.report import Printer, entry, first_to_fix

FUNCTIONAL, ENGINE, TENSOR = "nn/functional.py", "autograd_engine.py", "tensor.py"
RETURN_MASK = "return tensor.Tensor(grad_output.data * ctx.mask)"


def fallen(problem, *changes, seconds=5):
    """The Results of a problem's checks that gave no values."""
    checks = [check for check in CHECKS if check.problem == problem]
    results = results_of(*changes, checks=checks, seconds=seconds)
    return [result for result in results if result.answer.failure]


def failure_of(problem, *changes, seconds=5):
    """The first failure of a problem's checks."""
    return fallen(problem, *changes, seconds=seconds)[0].answer.failure


def test_the_line_that_began_it_stands_before_the_given_line_where_it_fell():
    failure = failure_of("2.2", (FUNCTIONAL, RETURN_MASK, "return grad_output * None"))
    assert failure.at.code == "return grad_output * None"
    assert failure.places[0].code == "return tensor.Tensor(a.data * b.data)"
    assert [line.strip().partition(" line")[0] for line in failure.lines[1:]] == [
        "mytorch/nn/functional.py,", "see also mytorch/tensor.py,",
        "see also mytorch/nn/functional.py,"]


LONG = "_and_a_name_that_is_long" * 4
WRONG = {  # slips, and the place that is told: file, line and what the line begins with
    "a name in an operation's forward": (
        "2.2", FUNCTIONAL, "ctx.mask = a.data > 0", f"ctx.mask = a.data > nobody{LONG}",
        "mytorch/nn/functional.py, line {}: ctx.mask = a.data >"),
    "a loop in an operation's forward": (
        "2.2", FUNCTIONAL, "ctx.mask = a.data > 0",
        "ctx.mask = a.data > 0\n        while True: ctx.mask",
        "mytorch/nn/functional.py, line {}: while True: ctx.mask"),
    "a loop around an operation": (
        "2.1", "nn/linear.py", "out = x @", "while True: x = x + x\n        out = x @",
        "mytorch/nn/linear.py, line {}: while True: x = x + x"),
    "a wrong type in an operation's forward": (
        "2.2", FUNCTIONAL, "ctx.mask = a.data > 0", "ctx.mask = a.data > [0, 'x']",
        "mytorch/nn/functional.py, line {}: ctx.mask = a.data > [0, 'x']"),
    "a name in a method of Tensor": (
        "1.1.2", TENSOR, "return F.Mul.apply(self, other)", "return F.Mul.apply(self, nobody)",
        "mytorch/tensor.py, line {}: return F.Mul.apply(self, nobody)"),
    "arrays handed to an operation": (
        "2.2", "nn/activations.py", "F.ReLU.apply(x)", "F.ReLU.apply([x])",
        "mytorch/nn/activations.py, line {}: return F.ReLU.apply([x])"),
    "a wrong argument of an operation": (
        "2.1", "nn/linear.py", "x @ self.weight.T()", f"x @ (None or {{}}.get('{LONG}'))",
        "mytorch/nn/linear.py, line {}: out = x @ (None or"),
}


@pytest.mark.parametrize("slip", WRONG)
def test_the_line_that_is_wrong_is_told_in_the_report_as_first_fix_and_in_the_json(slip, capsys):
    problem, file, old, new, place = WRONG[slip]
    results = fallen(problem, (file, old, new), seconds=0.3)
    Printer().show(results[0])
    said, first, told = capsys.readouterr().out, first_to_fix(results), entry(results[0])
    place = place.format(told["line"])
    assert place in said and place in first
    assert told["file"] == place.partition(",")[0]


def test_where_it_fell_is_told_below_the_line_that_gave_it_a_wrong_shape(capsys):
    results = fallen("2.1", ("nn/linear.py", "x @ self.weight.T()", "x.T() @ self.weight.T()"))
    Printer().show(results[0])
    said = [line.strip() for line in capsys.readouterr().out.split("\n")]
    at = next(i for i, line in enumerate(said) if line.startswith("mytorch/nn/linear.py, line "))
    assert said[at + 1].startswith("see also mytorch/tensor.py, line ")
    assert said[at + 2].startswith("see also mytorch/nn/functional.py, line ")
    assert "; see also mytorch/nn/functional.py, line " in first_to_fix(results)


def test_who_called_a_function_that_fell_on_its_argument_is_told_too():
    failure = failure_of("1.1.2", (FUNCTIONAL, "unbroadcast(mul_a, a.shape)",
                                   "unbroadcast(a.shape, mul_a)"))
    assert failure.at.code.startswith("while grad.ndim") and not failure.caller_first
    assert "unbroadcast(a.shape, mul_a)" in failure.lines[2]


def test_a_failure_in_a_line_of_its_own_names_that_line_alone():
    failure = failure_of("2.4", ("nn/batchnorm.py", "centred = x - mean", "centred = x - nobody"))
    assert (failure.type, failure.places[0].line) == ("NameError", 21)
    assert failure.places[0].file == "mytorch/nn/batchnorm.py"
    assert len(failure.places) == 1


def test_a_file_that_cannot_be_read_is_named_and_not_who_imports_it():
    failure = failure_of("1.1.1", ("nn/functional.py", "class Sub(", "class Sub(("))
    assert (failure.kind, failure.places[0].file) == ("syntax", "mytorch/nn/functional.py")
    assert len(failure.places) == 1


def test_a_layer_that_hands_on_a_wrong_shape_is_named_and_not_only_the_operation():
    failure = failure_of("2.1", ("nn/linear.py", "x @ self.weight.T()", "x.T() @ self.weight.T()"))
    assert failure.at.file == "mytorch/nn/linear.py"
    assert "a.data @ b.data" in failure.places[0].code


@pytest.mark.parametrize("change, code", [
    ((ENGINE, "    if not isinstance(grads, tuple):", "    while True:\n        pass\n"
              "    if not isinstance(grads, tuple):"), ("while True:", "pass")),
    ((FUNCTIONAL, "    while grad.ndim > len(shape):", "    while grad.ndim >= len(shape):\n"
                  "        shape = shape[:0]\n    while grad.ndim > len(shape) + 9 or True:"),
     ("while grad.ndim", "grad = grad.sum"))])
def test_an_endless_loop_has_the_line_where_it_was(change, code):
    failure = failure_of("1.2", change, seconds=0.3)
    assert failure.kind == "late" and failure.places[0].code.startswith(code)
    assert failure.lines[0].startswith("it did not end within 0.3 seconds")


def test_an_endless_loop_that_catches_everything_has_its_line_too():
    failure = failure_of("2.2", (FUNCTIONAL, "ctx.mask = a.data > 0",
                                 "ctx.mask = a.data > 0\n        while True:\n            try:\n"
                                 "                pass\n            except BaseException:\n"
                                 "                pass"), seconds=0.3)
    assert failure.kind == "late" and failure.places[0].file == "mytorch/nn/functional.py"


def test_recursion_names_the_lines_that_call_each_other():
    failure = failure_of("1.1.2", (TENSOR, "return F.Mul.apply(self, other)",
                                   "return other * self"))
    assert failure.type == "RecursionError" and failure.places[0].code == "return other * self"
    assert failure.message.endswith("(__mul__() calls itself)")
    failure = failure_of("1.1.2", (FUNCTIONAL, "return tensor.Tensor(a.data * b.data)",
                                   "return a * b"))
    assert "these call each other: mytorch/" in failure.message
    assert "tensor.py, line 39" in failure.message and failure.places[0].code == "return a * b"


def test_a_traversal_that_calls_itself_with_the_same_node_is_told_so():
    failure = failure_of("1.2", (ENGINE, "            backward(parent, grad)",
                                 "            backward(grad_fn, grad_of_outputs)"))
    assert failure.message.endswith("(backward() calls itself with the same grad_fn)")
    assert failure.places[0].code == "backward(grad_fn, grad_of_outputs)"


def test_a_method_that_calls_itself_with_the_same_argument_is_told_so():
    failure = failure_of("2.2", ("nn/activations.py", "F.ReLU.apply(x)", "self.forward(x)"))
    assert failure.message.endswith("(forward() calls itself with the same x)")


def test_kinds_say_what_happened():
    kinds = {
        "not written": ("nn/batchnorm.py", "m = x.shape[0]", "raise NotImplementedError('2.4')"),
        "syntax": ("nn/batchnorm.py", "m = x.shape[0]", "m = = 1"),
        "ended": ("nn/batchnorm.py", "m = x.shape[0]", "import os; os._exit(3)"),
        "died": ("nn/batchnorm.py", "m = x.shape[0]", "import ctypes; ctypes.string_at(0)"),
    }
    assert {kind: failure_of("2.4", change).kind for kind, change in kinds.items()} == {
        kind: kind for kind in kinds}


def test_apply_is_told_where_it_hands_something_else_to_forward():
    failure = failure_of("2.2", (ENGINE, "cls.forward(node.ctx, *args)",
                                 "cls.forward(node.ctx, args)"))
    assert failure.at.code == "output = cls.forward(node.ctx, args)"


def test_the_place_in_the_json_is_the_one_that_the_hint_names():
    checks = [check for check in CHECKS if check.number == "2.2.3"]
    result, = results_of((FUNCTIONAL, RETURN_MASK, "return grad_output.data * ctx.mask"),
                         checks=checks)
    told = entry(result)
    assert f"ReLU.backward (functional.py:{told['line']}) returns" in told["hint"]
    assert told["file"] == "mytorch/nn/functional.py"
