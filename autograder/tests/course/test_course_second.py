"""A second homework on the same grader: five files of its own, three checks, one operation."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graded import REPOSITORY

SECOND = Path(__file__).with_name("second")
PLACES = {"asked.py": "autograder/course"}  # the others lie beside the grader
FORWARD = """

class Softplus(Function):
    \"\"\"z = log(1 + e^a);  dz/da = 1 / (1 + e^-a).\"\"\"

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return Tensor(np.log(1 + np.exp(a.data)))

    @staticmethod
    def backward(ctx, grad_output):
        a, = ctx.saved_tensors
        return Tensor(grad_output.data / (1 + np.exp(-a.data)))
"""
METHOD = """\
    def softplus(self):
        return F.Softplus.apply(self)

    def log(self):
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A repository of the second homework: this one's files, but for five and the solution."""
    top = tmp_path_factory.mktemp("second") / "course"
    keep = shutil.ignore_patterns("__pycache__", "tests", "test_*.py", "catalogue.py", ".*")
    for name in ("mytorch", "hw1"):
        shutil.copytree(str(Path(REPOSITORY, name)), str(top / name), ignore=keep)
    for name in ("grade.sh", "create_tarball.sh", "requirements.txt", "sandbox.py"):
        shutil.copy(str(Path(REPOSITORY, name)), str(top / name))
    shutil.copytree(str(Path(REPOSITORY, "autograder/course")), str(top / "autograder/course"),
                    ignore=keep)
    shutil.copytree(str(Path(REPOSITORY, "autograder/hw1_autograder")),
                    str(top / "autograder/hw2_autograder"), ignore=keep)
    for path in SECOND.glob("*.py"):
        shutil.copy(str(path), str(top / PLACES.get(path.name, "autograder/hw2_autograder")))
    shutil.rmtree(str(top / "autograder/course/templates/starter/mytorch"))
    functional, tensor = top / "mytorch/nn/functional.py", top / "mytorch/tensor.py"
    functional.write_text(functional.read_text() + FORWARD)
    tensor.write_text(tensor.read_text().replace("    def log(self):\n", METHOD))
    return top


def run(course, *command):
    return subprocess.run([sys.executable, *map(str, command)], cwd=str(course),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=120)


def report_of(course, submission, tmp_path):
    process = run(course, "autograder/hw2_autograder/runner.py", "--submission", submission,
                  "--seed", "2", "--json", tmp_path / "report.json")
    assert process.returncode == 0, process.stdout
    return json.loads((tmp_path / "report.json").read_text())


def test_the_solution_of_a_second_homework_has_all_points_and_a_mistake_is_named(course, tmp_path):
    report = report_of(course, course, tmp_path)
    assert report["scores"] == {"1.1": 6, "1.2": 6, "2": 0} and report["out_of"] == 15
    shutil.copytree(str(course / "mytorch"), str(tmp_path / "mytorch"))
    functional = tmp_path / "mytorch/nn/functional.py"
    functional.write_text(functional.read_text().replace("np.exp(-a.data)", "np.exp(a.data)"))
    report = report_of(course, tmp_path, tmp_path)
    assert report["scores"]["1.2"] == 0
    assert "softplus-sign" in [check["mistake"] for check in report["checks"]]


def test_the_starter_and_the_kit_of_a_second_homework_are_made_of_its_files(course, tmp_path):
    process = run(course, "autograder/course/course.py", "autolab", tmp_path / "lab")
    assert process.returncode == 0, process.stdout
    yml = (tmp_path / "lab/hw2p1/hw2p1.yml").read_text()
    assert re.findall(r"name: '(.*)'\n  desc.*\n  max_score: (.*)", yml) == [
        ("1.1", "6.0"), ("1.2", "6.0"), ("2", "3.0")] and "Homework 2 Part 1" in yml
    process = run(course, "autograder/course/course.py", "starter", tmp_path / "starter")
    assert "untouched 0 of 15, the solution 12, 2 known mistakes told apart" in process.stdout
    functional = (tmp_path / "starter/mytorch/nn/functional.py").read_text()
    assert "# TODO 1.2\n        # The derivative is the logistic function." in functional
    assert "return Tensor(np.exp(a.data))" not in functional and "class Sub" in functional
