"""Where a check fell, and the student's own line that began it, as data."""

import pytest

from graded import results_of
from judging.checks import CHECKS

FUNCTIONAL, ENGINE, TENSOR = "nn/functional.py", "autograd_engine.py", "tensor.py"
RETURN_MASK = "return tensor.Tensor(grad_output.data * ctx.mask)"


def failure_of(problem, *changes, seconds=5):
    """The first failure of a problem's checks."""
    checks = [check for check in CHECKS if check.problem == problem]
    results = results_of(*changes, checks=checks, seconds=seconds)
    return next(result.answer.failure for result in results if result.answer.failure)


def test_the_line_that_began_it_stands_before_the_given_line_where_it_fell():
    failure = failure_of("2.2", (FUNCTIONAL, RETURN_MASK, "return grad_output * None"))
    assert failure.began.code == "return grad_output * None"
    assert failure.code == "return tensor.Tensor(a.data * b.data)" and failure.kind == "error"
    assert [line.strip().partition(" line")[0] for line in failure.lines[1:]] == [
        "mytorch/nn/functional.py,", "it fell at mytorch/nn/functional.py,"]


def test_a_failure_in_a_line_of_its_own_names_that_line_alone():
    failure = failure_of("2.4", ("nn/batchnorm.py", "centred = x - mean", "centred = x - nobody"))
    assert (failure.type, failure.line) == ("NameError", 21)
    assert failure.file == "mytorch/nn/batchnorm.py"
    assert failure.began is None


def test_a_file_that_cannot_be_read_is_named_and_not_who_imports_it():
    failure = failure_of("1.1.1", ("nn/functional.py", "class Sub(", "class Sub(("))
    assert (failure.kind, failure.file) == ("syntax", "mytorch/nn/functional.py")
    assert failure.began is None


def test_a_layer_that_hands_on_a_wrong_shape_is_named_and_not_only_the_operation():
    failure = failure_of("2.1", ("nn/linear.py", "x @ self.weight.T()", "x.T() @ self.weight.T()"))
    assert failure.began.file == "mytorch/nn/linear.py" and failure.code.count("a.data @ b.data")


@pytest.mark.parametrize("change, code", [
    ((ENGINE, "    if not isinstance(grads, tuple):", "    while True:\n        pass\n"
              "    if not isinstance(grads, tuple):"), ("while True:", "pass")),
    ((FUNCTIONAL, "    while grad.ndim > len(shape):", "    while grad.ndim >= len(shape):\n"
                  "        shape = shape[:0]\n    while grad.ndim > len(shape) + 9 or True:"),
     ("while grad.ndim", "grad = grad.sum"))])
def test_an_endless_loop_has_the_line_where_it_was(change, code):
    failure = failure_of("1.2", change, seconds=0.3)
    assert failure.kind == "late" and failure.code.startswith(code)
    assert failure.lines[0].startswith("it did not end within 0.3 seconds")


def test_an_endless_loop_that_catches_everything_has_its_line_too():
    failure = failure_of("2.2", (FUNCTIONAL, "ctx.mask = a.data > 0",
                                 "ctx.mask = a.data > 0\n        while True:\n            try:\n"
                                 "                pass\n            except BaseException:\n"
                                 "                pass"), seconds=0.3)
    assert failure.kind == "late" and failure.file == "mytorch/nn/functional.py"


def test_recursion_names_the_lines_that_call_each_other():
    failure = failure_of("1.1.2", (TENSOR, "return F.Mul.apply(self, other)",
                                   "return other * self"))
    assert failure.type == "RecursionError" and failure.code == "return other * self"
    assert failure.message.endswith("(__mul__() calls itself)")
    failure = failure_of("1.1.2", (FUNCTIONAL, "return tensor.Tensor(a.data * b.data)",
                                   "return a * b"))
    assert "these call each other: mytorch/" in failure.message
    assert "tensor.py, line 39" in failure.message and failure.code == "return a * b"


def test_a_traversal_that_calls_itself_with_the_same_node_is_told_so():
    failure = failure_of("1.2", (ENGINE, "            backward(parent, grad)",
                                 "            backward(grad_fn, grad_of_outputs)"))
    assert failure.message.endswith("(backward() calls itself with the same grad_fn)")
    assert failure.code == "backward(grad_fn, grad_of_outputs)"


def test_kinds_say_what_happened():
    kinds = {
        "not written": ("nn/batchnorm.py", "m = x.shape[0]", "raise NotImplementedError('2.4')"),
        "syntax": ("nn/batchnorm.py", "m = x.shape[0]", "m = = 1"),
        "ended": ("nn/batchnorm.py", "m = x.shape[0]", "import os; os._exit(3)"),
        "died": ("nn/batchnorm.py", "m = x.shape[0]", "import ctypes; ctypes.string_at(0)"),
    }
    assert {kind: failure_of("2.4", change).kind for kind, change in kinds.items()} == {
        kind: kind for kind in kinds}
