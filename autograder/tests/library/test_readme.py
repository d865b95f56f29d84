"""Each command and each piece of Python in the README runs and does what is said."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graded import REPOSITORY, TOTAL, archive_plain, scores

README = (Path(REPOSITORY) / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?:^    |`)((?:\./|python3 )[^`\n]+?)(?:`|  |$)", re.MULTILINE)

# Every command of the README: what to write for its placeholders, and what it leaves or prints.
COMMANDS = {
    "./grade.sh m": ({}, "hw1/validation_accuracy.png"),
    "./grade.sh test": ({"test": "test mytorch/tools/gradcheck.py"}, "1 passed"),
    "./grade.sh test -k batchnorm": (
        {"-k": "autograder/tests/library/test_torch.py --collect-only -k"}, "tests collected"),
    "./grade.sh test autograder/tests/library/test_engine.py": (
        {".py": ".py --collect-only"}, "tests"),
    "./grade.sh 1": ({}, TOTAL),
    "./grade.sh 1 2.4": ({}, scores("2.4")),
    "./grade.sh 1 --submission ../other/handin.tar": ({}, TOTAL),
    "./grade.sh 1 --seed 7 --json report.json": ({"7": "7 2.2"}, "report.json"),
    "./grade.sh 1 --submission X --json report.json": ({"X": "../other/handin.tar 2.2"},
                                                       "report.json"),
    "./grade.sh 1 --submission handin.tar --seed N": (
        {"handin.tar": "../other/handin.tar 2.2", "N": "3"}, scores("2.2")),
    "./create_tarball.sh": ({}, "handin.tar"),
    "./grade.sh starter DIR": ({"DIR": "../starter"}, "../starter/README.md"),
    "./grade.sh autolab DIR": ({"DIR": "../autolab"}, "../autolab/hw1p1.tar"),
    "python3 DIR/test-autograder/try_kit.py": ({"DIR": "../autolab"}, "as expected"),
    "./grade.sh gradescope FILE.zip": ({"FILE": "../kit"}, "../kit.zip"),
    "./grade.sh class FOLDER": ({"FOLDER": "../other"}, "../other-grades/grades.csv"),
    "python3 sandbox.py": ({}, "a.grad = Tensor(3.)"),
    "python3 sandbox.py mine.py": ({}, "Tensor([4.])"),
    "python3 autograder/benchmark.py": ({"benchmark.py": "benchmark.py lines"}, "functional.py"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the repository, beside a folder with somebody else's handin."""
    folder = tmp_path_factory.mktemp("readme") / "mytorch"
    shutil.copytree(REPOSITORY, str(folder), ignore=shutil.ignore_patterns(
        "__pycache__", ".git", ".venv", ".pytest_cache", "validation_accuracy.png"))
    (folder.parent / "other").mkdir()
    archive_plain(folder.parent / "other" / "handin.tar")
    (folder / "mine.py").write_text("x = Tensor([2.], requires_grad=True)\n(x * x).backward()\n"
                                    "print(x.grad)\n")
    return folder


def test_the_table_has_every_command_of_the_readme():
    assert set(COMMAND.findall(README)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_does_what_is_said(project, command):
    replaced, wanted = COMMANDS[command]
    for old, new in replaced.items():
        command = command.replace(old, new)
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    process = subprocess.run(command.split(), cwd=str(project), env=dict(os.environ, PATH=path),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             universal_newlines=True, timeout=300)
    assert process.returncode == 0, process.stdout
    assert wanted in process.stdout or (project / wanted).exists(), process.stdout


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL)[:1]
                         + re.findall(r"```python\n(from.*?)```", README, re.DOTALL)[1:])
def test_the_python_of_the_readme_prints_what_its_comments_say(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue().split("\n")[:-1] == re.findall(r"print\(.*\)\s+# (.*)", code)
