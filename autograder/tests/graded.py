"""For the tests of the grader: variants of the small submission in ``plain/``, graded."""

import atexit
import io
import json
import os
import shutil
import signal
import sys
import tarfile
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import SimpleNamespace
from unittest import mock

import homework
import runner
from judging.checks import CHECKS, TITLES
from judging.keys import key_of
from judging.result import Result
from outside import ending
from outside.answers import Answer
from outside.client import Worker

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = os.path.join(HERE, "plain")
REPOSITORY = os.path.dirname(os.path.dirname(HERE))


def worth(checks):
    """The points of each problem for some checks."""
    points = {}
    for check in checks:
        points[check.problem] = points.get(check.problem, 0) + check.points
    return points


def scores(*problems):
    """The line of scores of a submission that is right in these problems, which were asked."""
    return json.dumps({"scores": {problem: POINTS[problem] for problem in problems}})


POINTS = worth(CHECKS)
FULL = sum(POINTS.values())
OUT_OF = FULL + homework.BY_HAND_POINTS
TOTAL = f"Total: {FULL}/{OUT_OF}"


@contextmanager
def variant(*changes):
    """A copy of the plain submission with changes: (file, old text, new text).

    An old text of None replaces the whole file; a new text of None removes it.
    """
    folder = tempfile.mkdtemp(prefix="variant-")
    try:
        shutil.copytree(os.path.join(PLAIN, "mytorch"), os.path.join(folder, "mytorch"),
                        ignore=shutil.ignore_patterns("__pycache__"))
        for file, old, new in changes:
            change(os.path.join(folder, "mytorch", file), old, new)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def change(path, old, new):
    if new is None:
        os.remove(path)
        return
    text = new
    if old is not None:
        with open(path) as file:
            before = file.read()
        assert old in before, "%s does not hold %r" % (path, old)
        text = before.replace(old, new)
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def archive_plain(path, compression="", folder="mytorch"):
    """Write the plain submission's ``mytorch`` into an archive, under the name ``folder``."""
    with tarfile.open(str(path), "w:" + compression) as tar:
        tar.add(os.path.join(PLAIN, "mytorch"), folder)


_idle = threading.local()  # starting a worker takes as long as a dozen checks


@contextmanager
def a_worker(seconds, isolation="auto"):
    """A worker that this thread used before, if it is idle: a worker ends with its thread."""
    worker = _idle.__dict__.pop("worker", None)
    if worker is None:
        worker = Worker(seconds)
        atexit.register(worker.close)
    worker.seconds = seconds
    yield worker
    _idle.worker = worker  # unless that failed: then it may be in the middle of something


def grade(root, checks=CHECKS, seed=homework.SEED, seconds=5):
    """The Results of the submission in a folder."""
    with a_worker(seconds) as worker:
        return list(runner.grade(worker, root, checks, seed))


TOGETHER = """
def scenario(**inputs):
    return {f"{number} {name}": value for number, one in scenarios.items() for name, value in
            one(**{name.partition(" ")[2]: value for name, value in inputs.items()
                   if name.startswith(number + " ")}).items()}
"""


def grade_together(root, checks=CHECKS, seed=homework.SEED, seconds=5):
    """The Results of checks in one process, in a tenth of the time; an error is that of all."""
    inputs = {check.number: runner.inputs_of(check, seed) for check in checks}
    parts = [f"{check.source}\nscenarios[{check.number!r}] = scenario\n" for check in checks]
    with a_worker(seconds) as worker:
        worker.open(root)
        answer = worker.run("".join(["scenarios = {}\n", *parts, TOGETHER]), {
            f"{number} {name}": value for number, given in inputs.items()
            for name, value in given.items()})
    return [Result(check, inputs[check.number], key_of(check, inputs[check.number]),
                   Answer(answer.values and {
                       name.partition(" ")[2]: value for name, value in answer.values.items()
                       if name.startswith(check.number + " ")},
                          answer.failure, answer.output, answer.warnings))
            for check in checks]


def command(*arguments, main=runner.main):
    """What a command, the grader's, does in this process: exit code and output, as of one."""
    signals = ending.signals()
    handlers = [signal.getsignal(number) for number in signals]
    out, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with mock.patch.object(sys, "argv", ["", *map(str, arguments)]), redirect_stdout(out), \
            redirect_stderr(errors), mock.patch.object(runner, "Worker", a_worker):
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
    for number, handler in zip(signals, handlers):
        signal.signal(number, handler)
    for file in (out, errors):
        file.seek(0)
    return SimpleNamespace(returncode=code, stdout=out.read(), stderr=errors.read())


def results_of(*changes, grade=grade, **options):
    """The Results of a variant of the plain submission."""
    with variant(*changes) as folder:
        return grade(folder, **options)


def lacking(checks=CHECKS):
    """What a question lacks, if one was added: the file and the question, or ""."""
    from asked import ASKED  # the course's; its folder is on the path in tests

    for problem in POINTS:
        if POINTS[problem] and problem not in ASKED:
            return f"autograder/course/asked.py lacks a row for {problem} {TITLES[problem]}"
    for place, root in (("mytorch", REPOSITORY), ("autograder/tests/plain/mytorch", PLAIN)):
        if all(result.passed for result in grade_together(root, checks)):
            continue
        for result in grade(root, checks):
            if not result.passed:
                return (f"{place} does not solve {result.check.number} {result.check.name}: "
                        f"{result.lines[0]}")
    return ""


def side_by_side(function, items):
    """What a function that grades returns for each item, a few at a time."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(function, items))


def results_of_all(variants, **options):
    """The Results of several variants, given by name."""
    results = side_by_side(lambda changes: results_of(*changes, **options), variants.values())
    return dict(zip(variants, results))


def checks_around(problems):
    """All checks of some problems and, of every other problem, the one that is worth most."""
    best = {}
    for check in CHECKS:
        if check.points > best.get(check.problem, check).points or check.problem not in best:
            best[check.problem] = check
    return [check for check in CHECKS if check.problem in problems or best[check.problem] is check]


def lost(results):
    """The points that each problem lost, where any were lost."""
    points = {}
    for result in results:
        missing = result.check.points - result.points
        if missing:
            points[result.check.problem] = points.get(result.check.problem, 0) + missing
    return points
