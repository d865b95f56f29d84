"""Writes the starter handout: this repository with what ``asked.py`` lists emptied."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cutting
import kit
import starter_grader
from asked import ASKED, NOT_GIVEN, STAYS
from kit import homework

TEMPLATES = kit.TEMPLATES / "starter"
WHOLE = ("grade.sh", "create_tarball.sh", "requirements.txt", "mytorch/LICENSE",
         "mytorch/tools/page.html")
SOURCES = ("sandbox.py", "mytorch/**/*.py", "hw1/*.py")


def write(path):
    """Write the handout into a new folder, and try it."""
    with kit.new_folder(path) as folder:
        fill(folder)
        result = certificate(folder)
    return f"{path}: the handout for students; its README.md says where to start\n{result}"


def fill(folder):
    """Put the handout's files into a folder."""
    for name, text in library().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    for name in WHOLE:
        shutil.copy(kit.REPOSITORY / name, folder / name)
    (folder / "README.md").write_text(readme(), "utf-8")
    starter_grader.write(folder)


def library():
    """Return the Python files that students get, by path."""
    names = {path.relative_to(kit.REPOSITORY).as_posix() for part in SOURCES
             for path in kit.REPOSITORY.glob(part)} - set(NOT_GIVEN)
    sources = {name: emptied(name) for name in sorted(names)}
    for name, text in sources.items():
        before = (kit.REPOSITORY / name).read_text("utf-8")
        unused = cutting.mentions(before) - cutting.mentions(text)
        sources[name] = cutting.keep_imports(
            text, lambda module, name: _is_given(module, name, sources, unused))
    return sources


def _is_given(module, name, sources, unused):
    """Tell whether an import stays: of what is there, and is used or will be needed."""
    if not (module or name).startswith("mytorch"):
        return name not in unused or (module or name).startswith(("np", "numpy"))
    file = f"{module.replace('.', '/')}.py"
    return name in cutting.names(sources[file]) if file in sources else file not in NOT_GIVEN


def emptied(name):
    """Return a file as students get it, with what is asked for in it to be written."""
    before = (kit.REPOSITORY / name).read_text("utf-8")
    template = TEMPLATES / name
    text = template.read_text("utf-8") if template.exists() else before
    there, asked = cutting.definitions(text), _asked_in(name)
    pieces = {function: cutting.emptied(before, function, " and ".join(problems), hint)
              for function, (problems, hint) in asked.items()
              if not (template.exists() and function in there)}
    if template.exists():
        return _with(text, before, pieces)
    owners = {function.rpartition(".")[0] for function in pieces}
    return cutting.tidied(cutting.replace(text, pieces), before, {*pieces, *owners, *STAYS})


def _asked_in(name):
    """Return what is asked for in a file: from a function to the problems and the hint."""
    found = {}
    for problem, places in ASKED.items():
        for file, function, *hint in places:
            if file == name:
                found.setdefault(function, ([], "\n".join(hint)))[0].append(problem)
    return found


def _with(text, before, pieces):
    """Add what is asked for to a template, at the end of its class or of the file."""
    for function in pieces:
        owner = function.rpartition(".")[0]
        there = cutting.definitions(text)
        if function in there:
            continue  # it came with its class
        if owner in there:
            lines = text.splitlines(keepends=True)
            lines.insert(there[owner].end_lineno, f"\n{pieces[function]}")
            text = "".join(lines)
        elif owner:  # a whole operation: its docstring does not give the derivative away
            methods = {name: piece for name, piece in pieces.items()
                       if name.startswith(f"{owner}.")}
            operation = cutting.source_of(cutting.replace(before, methods), owner)
            text += "\n\n" + re.sub(r'^(.*\n    """[^;"]*);[^"]*', r"\1.", operation)
        else:
            text += "\n\n" + pieces[function]
    return text


def readme():
    """Write the starter's README, with a row for each problem."""
    rows = []
    for problem in [*kit.problems(), kit.BY_HAND]:
        files = dict.fromkeys(f"`{file}`" for file, *_ in ASKED.get(problem.number, ()))
        points = f"{problem.points}{', by hand' * (problem == kit.BY_HAND)}"
        rows.append(f"| {problem.number} | {points} | {', '.join(files)} | {problem.title} |")
    text = (TEMPLATES / "README.md").read_text("utf-8")
    for word, value in (("TITLE", homework.TITLE), ("PROBLEMS", "\n".join(rows)),
                        ("BY_HAND", homework.BY_HAND)):
        text = text.replace(word, value)
    return text


def certificate(folder):
    """Say in a line what the starter's own grader makes of it and of the solution.

    Raises:
        CannotMake: it gives points to the untouched starter, or not all to the solution.
    """
    full = sum(problem.points for problem in kit.problems())
    for submission, expected in ((folder, 0), (kit.REPOSITORY, full)):
        report = _graded(folder, submission)
        if report["total"] != expected:
            failed = next((check for check in report["checks"]
                           if bool(check["points"]) != bool(expected) and check["out_of"]), None)
            raise kit.CannotMake(f"the starter's grader gives {report['total']} points where "
                                 f"{expected} are right" + (f"; see {failed['problem']}, "
                                                            f"{failed['name']}" if failed else ""))
    keys = json.loads(next(folder.glob("autograder/*/keys.json")).read_text("utf-8"))
    mistakes = {mistake["id"] for key in keys.values() for mistake in key["mistakes"]}
    return (f"certificate: untouched 0 of {report['out_of']}, the solution {full}, "
            f"{len(mistakes)} known mistakes told apart")


def _graded(folder, submission):
    """Return the report of the starter's own grader."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "report.json")
        done = subprocess.run(
            [sys.executable, next(folder.glob("autograder/*/runner.py")), "--submission",
             submission, "--seed", str(homework.SEED), "--isolation", "none", "--json", file],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        if done.returncode:
            raise kit.CannotMake(f"the starter's grader does not run: {done.stderr.strip()}")
        return json.loads(file.read_text("utf-8"))
