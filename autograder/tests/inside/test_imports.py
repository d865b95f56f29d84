"""How a submission's imports are met: installed, not installed, circular, or out of date."""

import importlib.util
import os
import subprocess
import tempfile
import textwrap

import pytest

import runner
from graded import (PLAIN, POINTS, REPOSITORY, checks_around, grade, grade_together, lost,
                    results_of, scores, variant)
from judging.checks import CHECKS
from judging.report import warnings_of
from outside import wall
from outside.client import Worker


def with_imports(text, file="nn/linear.py", **options):
    """The results when a file starts with other imports."""
    return results_of((file, "import numpy as np\n", "import numpy as np\n" + text + "\n"),
                      **options)


def messages(results):
    return ["\n".join(result.lines) for result in results if not result.passed]


def ask(root, text, isolation="auto"):
    """The Answer of one scenario, given as the body of a function that has np."""
    with Worker(5, isolation) as worker:
        worker.open(root)
        return worker.run("import numpy as np\ndef scenario():\n"
                          + textwrap.indent(text, "    "), {})


# ---- packages

@pytest.mark.parametrize("package", ["matplotlib.pyplot", "scipy.stats"])
def test_what_is_imported_from_outside_is_loaded_before_the_checks(package):
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        pytest.skip(package + " is not installed")
    with variant(("nn/linear.py", "import numpy as np\n", "import numpy as np\ntry:\n"
                  f"    import {package}\nexcept ImportError:\n    pass\n")) as root:
        assert ask(root, f"import sys\nreturn {{'x': {package!r} in sys.modules}}").values == {
            "x": True}
    assert ask(PLAIN, f"import sys\nreturn {{'x': {package!r} in sys.modules}}").values == {
        "x": False}


@pytest.mark.parametrize("text", [
    "import not_installed", "import not_installed.part as p\nfrom not_installed import thing",
    "import not_one\nimport not_two\nfrom not_three import *",
    "def later():\n    import not_installed\nlater()",
    "try:\n    import not_installed\nexcept ImportError:\n    not_installed = None",
    "try:\n    import torch\nexcept ImportError:\n    torch = None\nif torch: torch.zeros(3)",
    "import torch.nn as nn\nfrom torch import Tensor as T\nimport tensorflow"])
def test_a_package_that_is_not_there_and_not_used_costs_nothing(text):
    results = with_imports(text, grade=grade_together)
    assert lost(results) == {}
    if "try" not in text or "torch" in text:
        assert any(" is imported" in warning for warning in warnings_of(results))


@pytest.mark.parametrize("package, reason", [("not_installed", "it is not installed here"),
                                             ("torch", "deep learning toolboxes are for testing")])
@pytest.mark.parametrize("use", ["{0}.zeros(3)", "{0}.nn.Linear(2, 3)", "{0}.x[1]", "{0}.x + 1"])
def test_using_what_is_not_there_fails_the_check_and_says_package_file_and_line(
        package, reason, use):
    use = use.format(package)
    results = results_of(
        ("nn/linear.py", "import numpy as np\n", f"import numpy as np\nimport {package}\n"),
        ("nn/linear.py", "def forward(self, x):", f"def forward(self, x):\n        {use}"),
        checks=[check for check in CHECKS if check.problem == "2.1"])
    assert lost(results) == {"2.1": POINTS["2.1"]}
    for message in messages(results):
        assert f"it uses {package}." in message and reason in message
        assert "mytorch/nn/linear.py, line " in message and message.count(use) == 1


def test_a_module_of_the_submission_that_is_missing_is_no_package():
    results = results_of(("nn/linear.py", "import numpy as np\n",
                          "import numpy as np\nfrom mytorch.nn.helpers import x\n"),
                         checks=[check for check in CHECKS if check.problem == "2.1"])
    assert lost(results)["2.1"] == POINTS["2.1"]
    assert "No module named 'mytorch.nn.helpers'" in messages(results)[0]


@pytest.fixture
def install(monkeypatch):
    """A function that installs a package of one file, for every user, and returns its name."""
    with tempfile.TemporaryDirectory(prefix="dist-packages-") as folder:
        def put(text):
            os.chmod(folder, 0o755)  # checks may run as another user
            with open(os.path.join(folder, "some_package.py"), "w") as file:
                file.write(text)
            return "some_package"

        sites = wall.sites()
        monkeypatch.setattr(wall, "sites", lambda: sites + [folder])
        yield put


def test_any_package_that_is_slow_to_import_is_loaded_once_for_all_checks(install):
    name = install("import time\ntime.sleep(0.4)\n")
    with variant(("tensor.py", "import numpy as np\n", f"import numpy as np\nimport {name}\n")
                 ) as root, Worker(0.3) as worker:
        assert lost(list(runner.grade(worker, root, CHECKS[:3], runner.SEED))) == {}


def test_a_package_that_crashes_when_imported_costs_only_those_who_import_it(install):
    name = install("import os\nos._exit(3)\n")
    with variant(("nn/batchnorm.py", "import numpy as np\n",
                  f"import numpy as np\nimport {name}\n")) as root, Worker(5) as worker:
        results = list(runner.grade(worker, root, CHECKS, runner.SEED))
    assert lost(results) == {"2.4": POINTS["2.4"]}


# ---- orders

CIRCLES = {
    "functional imported by star in tensor.py": [
        ("tensor.py", "import numpy as np\n",
         "import numpy as np\nfrom mytorch.nn.functional import *\n"),
        ("nn/functional.py", "import numpy as np\n",
         "import numpy as np\nfrom mytorch.tensor import Tensor as T\n")],
    "Tensor in functional.py": [
        ("nn/functional.py", "import numpy as np\n",
         "import numpy as np\nfrom mytorch.tensor import Tensor as T\n")],
    "layers imported by nn": [
        ("nn/__init__.py", None, "from mytorch.nn.linear import Linear\n"
                                 "from mytorch.nn.batchnorm import BatchNorm1d\n")],
}


@pytest.mark.parametrize("name", CIRCLES)
def test_imports_in_a_circle_that_work_in_one_order_work(name):
    assert lost(results_of(*CIRCLES[name], checks=checks_around(set()))) == {}


EAGER = {"nn/__init__.py": "from mytorch.nn.batchnorm import BatchNorm1d\n"
                           "from mytorch.nn.linear import Linear\n",
         "optim/__init__.py": "from mytorch.optim.sgd import SGD\n",
         "__init__.py": "from mytorch.tensor import Tensor\nfrom mytorch import nn, optim\n"}


@pytest.mark.parametrize("file, problems", [("nn/batchnorm.py", ["2.4"]),
                                            ("optim/sgd.py", ["2.3", "2.6"])])
@pytest.mark.parametrize("text", ["class (:\n", "from nowhere.at_all import x\nnobody\n"])
def test_a_broken_file_that_its_package_imports_costs_its_own_points(file, problems, text):
    changes = [(name, None, content) for name, content in EAGER.items()]
    results = results_of(*changes, (file, None, text))
    assert lost(results) == {problem: POINTS[problem] for problem in problems}
    assert any(f"mytorch/{file}, line " in message for message in messages(results))


def test_imports_that_work_in_no_order_say_where():
    results = results_of(("tensor.py", "import numpy as np\n",
                          "import numpy as np\nfrom mytorch.autograd_engine import nothing\n"),
                         ("autograd_engine.py", "", "from mytorch.tensor import Tensor\n"),
                         checks=CHECKS[:4])
    assert lost(results)["1.1.1"] == POINTS["1.1.1"]
    assert "mytorch/" in messages(results)[-1]


def test_a_package_that_cannot_be_imported_for_a_circle_is_a_warning():
    results = results_of(("nn/functional.py", "import numpy as np\n",
                          "import numpy as np\nfrom mytorch.tensor import Tensor as T\n"),
                         ("__init__.py", None, "from mytorch.tensor import Tensor\n"),
                         checks=CHECKS[2:4])
    assert lost(results) == {}
    assert sum("in a circle: mytorch/nn/functional.py, line 2, fails" in text
               for text in warnings_of(results)) == 1


@pytest.mark.parametrize("line", ["from mytorch.nn import functional as F",
                                  "import mytorch.nn.functional as F"])
def test_a_second_attempt_that_works_does_not_hide_that_the_first_fails(line):
    results = results_of(("autograd_engine.py", "def backward(", line + "\n\n\ndef backward("),
                         ("__init__.py", None, "from mytorch.tensor import Tensor\n"),
                         ("nn/__init__.py", None, ""), checks=CHECKS[2:4])
    assert lost(results) == {}
    assert [text for text in warnings_of(results)
            if "in a circle: mytorch/autograd_engine.py, line 1, fails" in text]


def test_a_circle_that_fails_the_checks_is_told_there_alone():
    results = results_of(("tensor.py", "import numpy as np", "import numpy as np\n"
                          "from mytorch.nn.module import Module"),
                         ("nn/module.py", None, "from mytorch.tensor import Tensor\n"),
                         checks=CHECKS[2:4])
    assert str(results[0].answer.failure.at).startswith("mytorch/tensor.py, line 2")
    assert warnings_of(results) == []


def test_after_appending_mytorch_to_the_path_its_modules_are_the_same_ones():
    assert lost(with_imports("import sys\nsys.path.append('./mytorch')\n"
                             "from tensor import Tensor as T\nimport nn.functional as F2\n"
                             "import mytorch.tensor, mytorch.nn.functional\n"
                             "assert T is mytorch.tensor.Tensor\n"
                             "assert F2 is mytorch.nn.functional")) == {}


def test_a_nickname_of_a_half_imported_module_is_forgotten_with_it():
    assert lost(results_of(
        ("nn/functional.py", "import mytorch.tensor as tensor",
         "import sys\nsys.path.append('./mytorch')\nfrom tensor import Tensor as T\n"
         "import mytorch.tensor as tensor"),
        ("tensor.py", "import mytorch.nn.functional as", "from mytorch.nn import functional as"),
        checks=checks_around(set()))) == {}


# ---- the handout's NumPy

@pytest.mark.parametrize("use", [
    "np.zeros(3, np.float)", "np.zeros(3).astype(np.int)", "np.zeros(2, np.bool)",
    "np.array([None], np.object)", "float(np.ones(1))", "float(np.ones((1, 1)))",
    "int(np.ones((1, 1)))", "isinstance(1., float) and float('1') and int('7', 8)"])
def test_what_the_handouts_numpy_took_works(use):
    assert lost(with_imports(f"assert {use} is not None", grade=grade_together)) == {}


def test_old_names_are_worth_a_warning():
    warnings = warnings_of(with_imports("x = np.zeros(3, np.float)", checks=CHECKS[-9:]))
    old = not hasattr(__import__("numpy"), "float")
    assert any("np.float worked in the handout's NumPy" in text for text in warnings) or not old


def test_names_that_numpy_never_had_are_still_missing():
    results = with_imports("np.nothing", checks=[c for c in CHECKS if c.problem == "2.1"])
    assert "has no attribute 'nothing'" in messages(results)[0]


# ---- time

def test_after_three_checks_without_end_the_others_get_less_time():
    results = results_of(("autograd_engine.py", None, "while True: pass\n"), checks=CHECKS[:9],
                         seconds=0.4)
    late = [message for message in messages(results) if "did not end" in message]
    assert sum("within 0.4 seconds (an endless loop?)\n" in message for message in late) == 3
    assert len(late) == 9 and "within 0.04 seconds" in late[-1] and "0.4 at first" in late[-1]


def test_grading_leaves_the_submission_as_it_was():
    with variant() as root:
        before = sorted(os.walk(root))
        assert lost(grade(root)) == {}
        assert sorted(os.walk(root)) == before


def test_a_module_beside_mytorch_is_not_imported_before_the_rules():
    with variant() as root:
        for name in ("py_compile", "json", "os", "numpy", "sitecustomize", "usercustomize"):
            with open(os.path.join(root, name + ".py"), "w") as file:
                file.write("import sys\nsys.stderr.write('taken')\nraise SystemExit\n")
        answer = ask(root, "import json, os\nfrom mytorch.tensor import Tensor\n"
                           "return {'x': 1}")
    assert answer.values == {"x": 1} and answer.output == ""


def test_a_file_too_long_to_be_compiled_ahead_is_imported_whole():
    results = results_of(("nn/linear.py", "import numpy as np\n",
                          "import numpy as np\n" + ("# " + "x" * 97 + "\n") * 20000),
                         checks=[check for check in CHECKS if check.problem == "2.1"])
    assert lost(results) == {}


def test_grade_sh_imports_nothing_from_the_folder_where_it_is_called(tmp_path):
    for name in ("importlib", "json", "os", "venv", "pip", "numpy", "argparse", "site"):
        (tmp_path / (name + ".py")).write_text("open('taken', 'w')\nraise SystemExit(9)\n")
    process = subprocess.run([os.path.join(REPOSITORY, "grade.sh"), "1", "--problem", "1.1.1"],
                             cwd=str(tmp_path), stdout=subprocess.PIPE)
    assert process.returncode == 0 and scores("1.1.1").encode() in process.stdout
    assert not (tmp_path / "taken").exists()
