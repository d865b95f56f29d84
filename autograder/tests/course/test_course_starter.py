"""./grade.sh starter: what students get, and what comes of it when they solve it."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cutting
import graded
import kit
import starter
from asked import ASKED
from graded import PLAIN, REPOSITORY, grade, variant
from judging.checks import CHECKS

COURSE = Path(REPOSITORY, "autograder", "course", "course.py")
FUNCTIONAL, ENGINE, TENSOR = "nn/functional.py", "autograd_engine.py", "tensor.py"
SEQUENTIAL = "nn/sequential.py"

# What the plain submission has for a problem beside what is asked for by name.
OWN = {
    "1.2": {ENGINE: ["Function"]},
    "2.1": {FUNCTIONAL: ["Add", "Sub", "Mul", "Div", "MatMul"], TENSOR: ["Tensor.__matmul__"]},
    "2.2": {FUNCTIONAL: ["ReLU"]},
    "2.4": {FUNCTIONAL: ["Sum", "Sqrt"], TENSOR: ["Tensor.sum", "Tensor.sqrt"]},
    "2.5": {FUNCTIONAL: ["Exp", "Sum"], TENSOR: ["Tensor.exp", "Tensor.sum"]},
}
POINTS = {problem.number: problem.points for problem in kit.problems()}
FULL, OUT_OF = sum(POINTS.values()), sum(POINTS.values()) + kit.BY_HAND.points


def run(folder, *command):
    environment = dict(os.environ, PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
    return subprocess.run([str(part) for part in command], cwd=str(folder), env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=120)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "hand out"
    process = run(REPOSITORY, sys.executable, COURSE, "starter", folder)
    assert process.returncode == 0, process.stdout
    (folder.parent / "printed").write_text(process.stdout)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(str(made), str(tmp_path / "mine"),
                    ignore=shutil.ignore_patterns("data", "__pycache__"))
    return tmp_path / "mine"


def solve(folder, problem):
    """Write the plain submission's solution of a problem into a starter."""
    asked = [(file.replace("mytorch/", ""), name) for file, name, *_ in ASKED[problem]]
    own = [(file, name) for file, names in OWN.get(problem, {}).items() for name in names]
    for file, name in own + asked:
        path, solution = folder / "mytorch" / file, Path(PLAIN, "mytorch", file).read_text()
        if node_of(solution, name) is None:
            continue  # plain's Function.apply, say, is part of Function
        piece = piece_of(solution, name)
        if problem.startswith("1"):  # broadcasting comes with 2.1
            piece = [re.sub(r"unbroadcast\((\w+), \w+\.shape\)", r"\1", line) for line in piece]
        path.write_text(put(path.read_text(), name, piece))
    text = (folder / "mytorch" / FUNCTIONAL).read_text()
    if "\nimport mytorch.tensor as tensor\n" not in text:
        (folder / "mytorch" / FUNCTIONAL).write_text(text.replace(
            "\nimport numpy as np\n", "\nimport numpy as np\nimport mytorch.tensor as tensor\n"))


def node_of(text, name):
    found = ast.parse(text)
    for part in name.split("."):
        found = next((node for node in found.body if getattr(node, "name", None) == part), None)
        if found is None:
            return None
    return found


def piece_of(text, name):
    node = node_of(text, name)
    return text.splitlines()[node.lineno - 1 - len(node.decorator_list):node.end_lineno]


def put(text, name, piece):
    """The source with a definition replaced, or added to its class or to the end."""
    lines, node = text.splitlines(), node_of(text, name)
    if node is None:
        owner = node_of(text, name.rpartition(".")[0]) if "." in name else None
        end = owner.end_lineno if owner else len(lines)
        lines[end:end] = [""] + piece
    else:
        lines[node.lineno - 1 - len(node.decorator_list):node.end_lineno] = piece
    return "\n".join(lines) + "\n"


def points_of(folder, checks=CHECKS):
    scores = {}
    for result in grade(str(folder), checks):
        if result.points:
            scores[result.check.problem] = scores.get(result.check.problem, 0) + result.points
    return scores


# ---- what it holds

def test_the_starter_has_the_handouts_top_level_and_nothing_of_the_staff(made):
    assert sorted(path.name for path in made.iterdir()) == [
        "README.md", "autograder", "create_tarball.sh", "grade.sh", "hw1", "mytorch",
        "requirements.txt", "sandbox.py"]
    assert [path.name for path in (made / "autograder").iterdir()] == ["hw1_autograder"]
    assert os.access(str(made / "grade.sh"), os.X_OK)
    assert "Permission is hereby granted" in (made / "mytorch" / "LICENSE").read_text()
    for path in made.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")


def test_everything_asked_for_is_marked_with_its_problem_and_keeps_name_and_docstring(made):
    asked = {place[:2]: problem for problem, places in ASKED.items() for place in places}
    for (file, name), problem in asked.items():
        theirs = node_of((made / file).read_text(), name)
        ours = node_of(Path(REPOSITORY, file).read_text(), name)
        piece = "\n".join(piece_of((made / file).read_text(), name))
        assert f"# TODO {problem}\n" in piece or f"# TODO 2.3 and {problem}\n" in piece
        assert ast.dump(theirs.args) == ast.dump(ours.args)
        if not (starter.TEMPLATES / file).exists():
            assert ast.get_docstring(theirs) == ast.get_docstring(ours)
    assert {problem for problem in POINTS} < set(ASKED)


def test_the_starter_has_every_name_that_the_handout_gives(made):
    engine = (made / "mytorch" / ENGINE).read_text()
    for name in ("backward", "Function.forward", "Function.backward", "Function.apply",
                 "AccumulateGrad.apply", "BackwardFunction.apply",
                 "ContextManager.save_for_backward"):
        assert node_of(engine, name) is not None, name
    tensor = (made / "mytorch" / TENSOR).read_text()
    for name in ("zeros", "ones", "empty", "randn", "arange", "shape", "fill_", "copy", "backward",
                 "__add__", "__sub__", "__mul__", "__truediv__", "T", "reshape", "log"):
        assert node_of(tensor, "Tensor." + name) is not None, name


def test_no_line_of_the_solution_and_no_formula_goes_out(made):
    ours = {path.relative_to(REPOSITORY).as_posix(): path.read_text()
            for place in ("mytorch", "hw1", "autograder/hw1_autograder")
            for path in Path(REPOSITORY, place).rglob("*.py")}
    secret, given = set(), {line.strip() for path in starter.TEMPLATES.rglob("*.*")
                            for line in path.read_text().splitlines()}
    for name, text in ours.items():
        theirs = (made / name).read_text() if (made / name).exists() else ""
        if theirs == text:
            given |= {line.strip() for line in text.splitlines()}
        elif "test_" in name:
            answers = {True: [], False: []}
            for node in functions_of(text):
                answers[node.name == "reference" or any(
                    getattr(line, "id", "") == "formula" for line in node.decorator_list)
                ].append(node)
            assert len(answers[True]) > 10
            secret |= lines_of(text, answers[True])
            secret |= {line.strip() for line in text.splitlines()
                       if "=lambda " in line and len(line.strip()) > 24}  # of formulas(...)
            given |= lines_of(text, [node for node in answers[False] if node.name == "scenario"])
        elif "mytorch" in name or "hw1/" in name:
            asked = {function.rpartition(".")[2] for places in ASKED.values()
                     for file, function, *_ in places if file == name}
            kept = {node.name for node in functions_of(theirs)}
            secret |= lines_of(text, [node for node in functions_of(text)
                                      if node.name in asked or node.name not in kept])
    out = {line.strip() for path in made.rglob("*.py") for line in path.read_text().splitlines()}
    assert len(secret) > 300
    assert sorted(secret & out - given) == []
    operations = (made / "mytorch" / "nn" / "functional.py").read_text()
    assert '"""z = a / b."""' in operations and "b^2" not in operations


def functions_of(text):
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]


def lines_of(text, functions):
    """The telling lines of some functions: no docstrings, no names of values."""
    found = set()
    for node in functions:
        first = node.body[1 if ast.get_docstring(node) else 0:]
        for line in text.splitlines()[first[0].lineno - 1:node.end_lineno] if first else ():
            if len(line.strip()) > 24 and line.strip()[0] != '"':
                found.add(line.strip())
    return found


# ---- what comes of it

def test_what_a_new_question_lacks_is_named_before_any_test_runs(monkeypatch):
    checks = [check for check in CHECKS if check.problem == "2.2"]
    assert graded.lacking(checks) == ""
    with variant(("nn/functional.py", "class ReLU", "class Relu")) as root:
        monkeypatch.setattr(graded, "PLAIN", root)
        assert graded.lacking(checks).startswith(
            "autograder/tests/plain/mytorch does not solve 2.2.1 ")
    monkeypatch.delitem(ASKED, "2.2")
    assert graded.lacking(checks) == "autograder/course/asked.py lacks a row for 2.2 ReLU"


def test_the_starter_scores_0_and_names_the_first_thing_to_do(copy):
    process = run(copy, "./grade.sh", "1", "--json", "report.json")
    assert process.returncode == 0, process.stdout
    assert f"Total: 0/{OUT_OF}" in process.stdout and "First fix: " in process.stdout
    assert "section 1.1.1" in process.stdout
    report = json.loads((copy / "report.json").read_text())
    for check in report["checks"]:
        if check["out_of"]:
            assert check["points"] == 0 and check["mistake"] is None
            assert check["message"].startswith("not written yet: ") \
                or "fails: fix that first" in check["message"], check


@pytest.mark.parametrize("problem", ["1.1.1", "1.1.2", "1.1.3"])
def test_a_problem_that_stands_alone_gives_exactly_its_points(copy, problem):
    solve(copy, problem)
    assert points_of(copy) == {problem: POINTS[problem]}


def test_problem_after_problem_each_gives_exactly_its_points_and_all_give_100(copy):
    problems = list(POINTS)
    for number, problem in enumerate(problems):
        solve(copy, problem)
        near = [check for check in CHECKS if check.problem in problems[number:number + 2]]
        assert points_of(copy, near) == {problem: POINTS[problem]}, problem
        if problem == "2.3":  # the plain submission has 2.6 in the same function
            problems.remove("2.6")
    assert sum(points_of(copy).values()) == FULL
    process = run(copy, sys.executable, "sandbox.py")
    assert "Step 8 " in process.stdout  # told of the student's own engine
    assert re.search(r"a.grad = \S+ \(should be 3\)", process.stdout)


def test_a_students_report_is_the_same_as_the_staffs(copy):
    for problem in POINTS:
        solve(copy, problem)
    for file, old, new in ((FUNCTIONAL, "sub_b = -grad_output.data", "sub_b = grad_output.data"),
                           (SEQUENTIAL, "        return ", "            return "),
                           ("nn/batchnorm.py", " + self.eps", " + 0"),
                           (FUNCTIONAL, "    loss = total", "    loss = tensor.Tensor(2.)*total")):
        path = copy / "mytorch" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    reports = []
    for runner in (copy, Path(REPOSITORY)):
        process = run(copy, sys.executable, runner / "autograder" / "hw1_autograder" / "runner.py",
                      "--submission", copy, "--seed", kit.homework.SEED, "--json", "report.json")
        assert process.returncode == 0, process.stdout
        reports.append(json.loads((copy / "report.json").read_text()))
    assert reports[0] == reports[1]
    assert {check["mistake"] for check in reports[0]["checks"]} >= {"sub-sign"}


def test_the_other_uses_say_what_is_missing(made, copy):
    process = run(made, "./grade.sh", "m")
    assert process.returncode == 2 and process.stdout.splitlines() == [
        "3: mnist is to be written; nothing was trained"]
    process = run(copy, sys.executable, "sandbox.py")
    assert process.returncode == 1 and "Traceback" not in process.stdout
    assert "The handout's example needs more: 1.1.2: " in process.stdout
    process = run(copy, "./create_tarball.sh")
    assert process.returncode == 0 and (copy / "handin.tar").exists()
    process = run(copy, "./grade.sh", "1", "--seed", "7")
    assert process.returncode == 2 and "leave out --seed" in process.stdout
    process = run(copy, "./grade.sh", "class", ".")
    assert process.returncode == 2 and "class" not in process.stdout


def test_the_given_accumulategrad_says_what_to_do_with_an_array(made):
    code = ("import numpy as np\nfrom mytorch.tensor import Tensor\n"
            "from mytorch.autograd_engine import AccumulateGrad\n"
            "AccumulateGrad(Tensor(1.)).apply(np.ones(1))\n")
    said = run(made, sys.executable, "-B", "-c", code).stdout
    assert "got ndarray; an operation's backward returns one, Tensor(...), for each" in said


# ---- the cutting

SOURCE = textwrap.dedent('''\
    """A module."""

    import math
    import numpy as np


    def asked(a,
              b):
        """What it does."""
        return _helper(a) + math.pi  # secret


    # of the helper
    def _helper(a):
        return a


    class Kept:
        @property
        def part(self):
            return shared()

        @np.errstate(all="ignore")
        def asked(self):
            return self._own()

        def _own(self):
            return 1


    def shared():
        return 2
    ''')


def test_an_emptied_function_has_its_signature_docstring_and_what_is_to_be_done():
    assert cutting.emptied(SOURCE, "asked", "1.1") == textwrap.dedent('''\
        def asked(a,
                  b):
            """What it does."""
            # TODO 1.1
            raise NotImplementedError("1.1: asked is to be written")
        ''')
    assert cutting.emptied(SOURCE, "Kept.asked", "1.2", "First\nthen") == (
        '    def asked(self):\n        # TODO 1.2\n        # First\n        # then\n'
        '        raise NotImplementedError("1.2: Kept.asked is to be written")\n')


def test_what_only_an_emptied_function_mentioned_goes_and_all_else_stays():
    pieces = {name: cutting.emptied(SOURCE, name, "1") for name in ("asked", "Kept.asked")}
    text = cutting.tidied(cutting.replace(SOURCE, pieces), SOURCE, {"asked"})
    assert set(cutting.definitions(text)) == {"asked", "Kept", "Kept.part", "Kept.asked", "shared"}
    assert "of the helper" not in text
    left = cutting.mentions(SOURCE) - cutting.mentions(text)
    assert left >= {"math", ".pi", "np", "_helper", "._own"} and "shared" not in left


def test_of_an_import_only_the_names_that_are_given_stay():
    source = "from mytorch.x import a, b as c\nfrom mytorch.y import d\n"
    assert cutting.keep_imports(source, lambda module, name: module == "mytorch.x") == (
        "from mytorch.x import a, b as c\n")
    assert cutting.keep_imports(source, lambda module, name: name in "ad") == (
        "from mytorch.x import a\nfrom mytorch.y import d\n")


def test_a_name_that_the_source_lacks_is_an_error_at_once():
    with pytest.raises(LookupError, match="Kept.gone, gone"):
        cutting.replace(SOURCE, {"asked": "", "gone": None, "Kept.gone": None})


def test_the_starter_certifies_itself_and_gives_no_points_away(made, tmp_path):
    printed = (made.parent / "printed").read_text().splitlines()
    assert re.fullmatch(f"certificate: untouched 0 of {OUT_OF}, the solution {FULL}, "
                        r"1\d\d known mistakes told apart", printed[-1])
    shutil.copytree(str(made), str(tmp_path / "given"))
    solve(tmp_path / "given", "1.1.1")
    given_away = f"gives {POINTS['1.1.1']} points where 0 are right; see 1.1.1"
    with pytest.raises(kit.CannotMake, match=given_away):
        starter.certificate(tmp_path / "given")


def test_the_readme_of_the_starter_names_each_problem_with_its_points_and_files(made):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in (made / "README.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert {row[0]: int(row[1].split(",")[0]) for row in rows} == {
        **POINTS, kit.BY_HAND.number: kit.BY_HAND.points}
    for row in rows:
        files = re.findall("`(.*?)`", row[2])
        assert files and all((made / file).is_file() for file in files)
