"""The grader's side of the worker: starts it, sends scenarios, reads what comes back.

Whatever comes back is read as from an enemy: it is exactly what it should be, or no answer.
"""

import base64
import itertools
import json
import math
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from judging.failure import Failure, Place, kind_of
from outside import wall
from outside.submission import remove

HOMEWORK = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
INSIDE = os.path.join(HOMEWORK, "inside")
GRADER = os.path.dirname(HOMEWORK)  # the folder autograder/
REPOSITORY = os.path.dirname(GRADER)
LONGEST_OUTPUT = 2000  # characters of what a check printed
LONGEST_REPLY = 32 << 20  # bytes
MOST_STAND_INS = 10
STARTING = 60  # seconds, to import packages
MOST_FOR_ALL = 25  # times the limit of one check: all of them may take no longer
GRACE = 10  # seconds that the worker may take beyond a check's limit
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "f16")
WARNINGS = {
    "toolbox": "{} is imported; deep learning toolboxes are only allowed for testing, and using "
               "one fails the check (handout, Directions)",
    "missing": "{} is imported, which is not installed here; using it fails the check",
    "numpy": "{} worked in the handout's NumPy 1.18 but is gone from today's"}
SIGNALS = {"SIGSEGV": "a segmentation fault", "SIGKILL": "it was killed",
           "SIGXCPU": "it used too much processor time"}
_count = itertools.count()


def clean(text):
    """Text from a submission, safe to show: no control characters, nothing unprintable."""
    text = text.replace("\t", "    ")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def one_line(text):
    """The same, without line breaks."""
    return " ".join(clean(text).split())


def short(text, length):
    """One line of a bounded length."""
    return one_line(text[:4 * length])[:length]


@dataclass
class Answer:
    """What came of one scenario.

    Attributes:
        values (dict or None): arrays and facts by name, when the scenario ran to its end.
        failure (Failure or None): otherwise, what happened instead.
        output (str): what the submission printed, cut to size.
        warnings (list of str): what is worth saying but costs nothing, a sentence each.
    """

    values: Optional[dict] = None
    failure: Optional[Failure] = None
    output: str = ""
    warnings: list = field(default_factory=list)


class NoWall(OSError):
    """There is no wall, but one is required."""


class Worker:
    """A process that runs scenarios on a submission; started again when it dies.

    It ends with the thread that opened it.

    Args:
        seconds (float): the time limit of a scenario.
        isolation (str): "auto" takes the best there is, "require" nothing but bubblewrap,
            "none" the hooks alone.

    Attributes:
        isolation (str): what is in force after ``open``: "bubblewrap", "user" or "hooks".
        notice (str): if it is not bubblewrap, a line that says so and why.
    """

    def __init__(self, seconds, isolation="auto"):
        self.seconds = seconds
        self.wanted = isolation
        self.isolation = self.notice = self.no_wall = ""
        self.folder = tempfile.mkdtemp(prefix="grading-")
        os.chmod(self.folder, 0o711)  # for a user of its own, whom no other process has
        self.uid = 200000 + os.getpid() % 100000 * 100 + next(_count) % 100
        self.process = self.root = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._stop()
        remove(self.folder)

    def open(self, root):
        """From now on, run the submission in the folder ``root``."""
        self.root = os.path.realpath(root)
        self.stand_ins = []
        self.late, self.longest, self.took = 0, 0., 0.
        self._stop()
        self._start()

    def run(self, source, inputs):
        """Run a scenario on inputs (a dict of arrays and numbers); returns an Answer."""
        request = {"source": source,
                   "inputs": {name: encode(value) for name, value in inputs.items()}}
        while True:
            answer, error = self._ask(request)
            package = error.get("missing")
            if not package or package in self.stand_ins or len(self.stand_ins) == MOST_STAND_INS:
                return answer
            self.stand_ins.append(package)

    def _ask(self, request):
        """The Answer to a request, and the error in it, as a dict."""
        seconds = self.seconds
        if self.took > MOST_FOR_ALL * seconds:
            return Answer(failure=Failure("not run", "it was not run: those before took too long, "
                                          f"{self.took:.0f} seconds together")), {}
        if self.late >= 2:  # enough was waited for
            seconds = min(seconds, max(seconds / 12, 4 * self.longest))
        request.update(seconds=seconds, stand_ins=self.stand_ins)
        if self.process is None:
            self._start()
        started = time.monotonic()
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            reply = _loads(self._line(time.monotonic() + seconds + GRACE))
            _exactly(reply, end=str, answer=str, output=str, status=int, took=float)
        except (OSError, EOFError, ValueError, RecursionError) as error:
            self._stop()
            reason = "it did not end" if isinstance(error, TimeoutError) else "it was lost"
            return Answer(failure=Failure(
                "lost", f"something happened to the checks' process: {reason}")), {}
        finally:
            self.took += time.monotonic() - started
        more = " ..." if len(reply["output"]) > LONGEST_OUTPUT else ""
        output = clean(reply["output"][:LONGEST_OUTPUT]) + more
        answer, error = Answer(failure=_how_it_ended(reply), output=output), {}
        if reply["end"] == "answered":
            answer, error = read_answer(reply["answer"], output)
        if answer.failure and answer.failure.kind == "late":
            self.late += 1
            answer.failure.message = self._how_long(seconds)
        elif reply["end"] == "answered":
            self.longest = max(self.longest, min(reply["took"], seconds))
        return answer, error

    def _how_long(self, seconds):
        text = f"it did not end within {seconds:.2g} seconds (an endless loop?)"
        if seconds < self.seconds:
            text += f"; {self.seconds:g} at first, but two checks before took too long"
        return text

    def _line(self, deadline):
        """The worker's next line."""
        received = bytearray()
        while not received.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            received += part
            if not part or len(received) > LONGEST_REPLY:
                raise EOFError("the worker ended") if not part else ValueError("a long reply")
        return received.decode()

    # ---- starting and stopping

    def _start(self):
        """Start the worker, as well shielded as can be."""
        because = "was chosen"
        if self.wanted != "none":
            because = self.no_wall = self.no_wall or self._start_as("bubblewrap")
            if not self.no_wall:
                return
            if self.wanted == "require":
                raise NoWall(f"a wall is required, but {self.no_wall}")
            if not os.geteuid():
                no_user = self._start_as("user")
                if not no_user:
                    self.notice = f"isolation: a user of its own and audit hooks, as {self.no_wall}"
                    return
                because = f"{self.no_wall}; {no_user}"
        self.notice = f"isolation: audit hooks only, as {because}"
        problem = self._start_as("hooks")
        if problem:
            raise OSError(f"the checks' process does not start: {problem}")

    def _start_as(self, isolation):
        """Start the worker in one of three ways; why it cannot be, or an empty text."""
        if isolation == "bubblewrap" and not wall.bubblewrap():
            return f"bubblewrap is not here: {wall.HOW_TO_GET_IT}"
        reason = ""
        for preload in (True, False):  # a package may crash, hang, or start threads
            with tempfile.TemporaryFile() as errors:
                try:
                    self._popen(isolation, preload, errors)
                    ready = _loads(self._line(time.monotonic() + STARTING))
                    _exactly(ready, works=bool, threads=int)
                except (OSError, ValueError, EOFError) as error:
                    errors.seek(0)
                    said = errors.read(4096).decode(errors="replace").strip() or str(error)
                    reason = short(said.split("\n")[-1], 200)
                    ready = {"works": False, "threads": 0}
            if ready["works"] and (ready["threads"] == 1 or not preload):
                self.isolation = isolation
                return ""
            self._stop()
        return f"{isolation} does not work here ({reason or 'no reason was given'})"

    def _popen(self, isolation, preload, errors):
        walled = isolation == "bubblewrap"
        settings = {
            "root": wall.ROOT if walled else self.root, "walled": walled, "preload": preload,
            "scratch": wall.SCRATCH if walled else os.path.join(self.folder, "scratch"),
            "uid": self.uid if isolation == "user" else 0,
            "sites": wall.sites(), "private": self._private()}
        worker, *texts = [_text(name) for name in ("worker.py", "imports.py", "describe.py")]
        one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                             "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")}
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        self.process = subprocess.Popen(
            (wall.command(self.root, REPOSITORY) if walled else [])
            + [wall.python(), "-s", "-S", "-B", "-c", worker, json.dumps(settings)] + texts,
            cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            start_new_session=True,
            env=dict(one_thread, **kept, PYTHONHASHSEED="0", MPLBACKEND="Agg",
                     PATH=os.defpath))

    def _private(self):
        """What a check has no business with: the grader, and the solution, if it is no other."""
        solution = [os.path.join(REPOSITORY, name) for name in ("mytorch", "hw1", "handin.tar")]
        return [GRADER] + [path for path in solution if self.root != REPOSITORY]

    def _stop(self):
        if self.process is not None:
            process, self.process = self.process, None
            try:
                process.stdin.close()
                process.wait(2)  # at the end of its input it ends, and all that it started
            except (OSError, subprocess.TimeoutExpired):
                process.kill()
                process.wait()
            process.stdout.close()


def _text(name):
    with open(os.path.join(INSIDE, name), encoding="utf-8") as file:
        return file.read()


# ---- reading what came back

ENDS = {"late": "", "flood": "it printed more than 4 MB", "large": "its answer is too large",
        "lost": "its process could not be started"}


def _how_it_ended(reply):
    """The Failure of a check whose process gave no answer."""
    status = reply["status"]
    if reply["end"] != "ended":
        kind = reply["end"] if reply["end"] in ENDS else "lost"
        return Failure(kind, ENDS[kind])
    if status & 127:
        name = next((one.name for one in signal.Signals if one == status & 127),
                    f"signal {status & 127}")
        return Failure("died", f"its process died: {SIGNALS.get(name, name)}")
    return Failure("ended", f"its process ended without an answer (exit code {status >> 8})")


def read_answer(text, output):
    """An Answer from what a child wrote, and the error in it; it may be anything."""
    try:
        content = _loads(text)
        kind = "error" if type(content) is dict and "error" in content else "values"
        _exactly(content, **{kind: dict, "notes": list})
        warnings = _warnings(content["notes"])
        if kind == "error":
            error = content["error"]
            return Answer(None, _failure(error), output, warnings), error
        values = {short(name, 100): decode(value)
                  for name, value in content["values"].items()}
        return Answer(values, None, output, warnings), {}
    except (ValueError, RecursionError, MemoryError):
        return Answer(None, Failure("unreadable", "its answer is none that a check can give"),
                      output), {}


def _loads(text):
    def integer(digits):
        return int(digits) if len(digits) <= 20 else _refuse(digits)
    return json.loads(text, parse_int=integer, parse_constant=_refuse)


def _refuse(what):
    raise ValueError(what)


def _exactly(value, **kinds):
    """Refuse what is not a dict of exactly these keys, each of exactly its type."""
    if type(value) is not dict or set(value) != set(kinds):
        raise ValueError("other keys")
    for name, kind in kinds.items():
        if type(value[name]) is not kind:
            raise ValueError("another type")


def _warnings(notes):
    found = []
    for item in notes[:50]:
        if type(item) is not list or [type(part) for part in item] != [str, str]:
            raise ValueError("no note")
        if item[0] in WARNINGS:
            found.append(WARNINGS[item[0]].format(short(item[1], 60)))
    return list(dict.fromkeys(found))[:20]


def _failure(error):
    """What went wrong, from what a child says of it."""
    _exactly(error, type=str, message=str, place=list, began=list, late=bool, missing=str,
             circular=bool)
    place, began = _place(error["place"]), _place(error["began"])
    kind = re.sub(r"\W", "?", error["type"][:60] or "?")  # a report's line begins with it
    failure = Failure("late" if error["late"] else kind_of(kind, error["circular"]),
                      short(error["message"], 300), "" if error["late"] else kind, began=began)
    if place:
        failure.file, failure.line, failure.code = place.file, place.line, place.code
    return failure


def _place(parts):
    if not parts:
        return None
    if [type(part) for part in parts] != [str, int, str]:
        raise ValueError("no place")
    return Place(short(parts[0], 100), parts[1], short(parts[2], 100))


# ---- arrays as JSON, see the same in worker.py

def encode(value):
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str[1:], "shape": list(value.shape),
                "data": base64.b64encode(value.tobytes()).decode()}
    return value


def decode(value):
    """An array or a fact; what is neither becomes a text that says so."""
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str:
        return short(value, 100)
    if type(value) is dict and set(value) == {"unfit"}:
        return short(str(value["unfit"]), 100)
    _exactly(value, dtype=str, shape=list, data=str)
    if value["dtype"] not in DTYPES or len(value["shape"]) > 32:
        raise ValueError("no dtype or shape")
    if any(type(length) is not int or length < 0 for length in value["shape"]):
        raise ValueError("no shape")
    data = base64.b64decode(value["data"], validate=True)
    dtype = np.dtype(value["dtype"])
    if len(data) != math.prod(value["shape"]) * dtype.itemsize:
        raise ValueError("another size")
    array = np.frombuffer(data, "u1") != 0 if dtype == bool else np.frombuffer(data, dtype)
    return array.reshape(value["shape"])
