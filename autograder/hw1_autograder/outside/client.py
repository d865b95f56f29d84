"""The grader's side of the worker: starts it, sends scenarios, reads what comes back.

Whatever comes back is read as from an enemy: it is exactly what it should be, or no answer.
"""

import base64
import json
import math
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from judging.failure import Failure, Place, kind_of
from outside import wall
from outside.submission import copy, empty, remove

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
FIRST_USER, USERS = 61184, 4336  # the numbers that systemd too gives to users of a moment
LOST = (OSError, EOFError, ValueError, RecursionError)  # what a dead process shows itself by


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
    """The kernel cannot keep a submission from all that it must not do, but that is required."""


class Worker:
    """A process that runs scenarios on a submission; started again when it dies.

    How it is started is decided once, by running a submission of the grader's own.

    Args:
        seconds (float): the time limit of a scenario.
        isolation (str): "auto" takes the best there is, "require" nothing that the kernel does
            not keep, "none" runs a submission like any program.

    Attributes:
        isolation (str): what is in force after ``open``: "bubblewrap", "kernel" or "none".
        notice (str): a line on what is not as it should be, or an empty text.
    """

    def __init__(self, seconds, isolation="auto"):
        self.seconds, self.wanted = seconds, isolation
        self.isolation = self.notice = ""
        self.way = self.process = None
        self.folder = tempfile.mkdtemp(prefix="grading-")
        self.submission, self.trial, self.scratch = (
            os.path.join(self.folder, name) for name in ("given/submission", "given/trial", "scratch"))
        for path in (self.submission, os.path.join(self.trial, "mytorch"), self.scratch):
            os.makedirs(path)
        with open(os.path.join(self.trial, "mytorch", "tensor.py"), "w") as file:
            file.write("WORKS = True\n")
        for path, folders, files in os.walk(self.folder):  # a check may be another user's
            os.chmod(path, 0o711 if path == self.folder else 0o755)
            for name in files:
                os.chmod(os.path.join(path, name), 0o644)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._stop()
        remove(self.folder)

    def open(self, root):
        """From now on, run the submission in the folder ``root``."""
        self.stand_ins = []
        self.late, self.longest, self.took = 0, 0., 0.
        if self.way is None:
            self._decide()
        empty(self.submission)
        copy(root, self.submission)
        self._load()

    def run(self, source, inputs):
        """Run a scenario on inputs (a dict of arrays and numbers); returns an Answer."""
        request = {"task": "check", "folder": "submission", "source": source,
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
        for _ in range(2):  # once more, if something else ended the process
            started = time.monotonic()
            try:
                reply = self._exchange(request, seconds)
                answer, error = answer_of(reply)
                if answer.failure and answer.failure.kind == "late":
                    self.late += 1
                    answer.failure.message = self._how_long(seconds)
                elif reply["end"] == "answered":
                    self.longest = max(self.longest, min(reply["took"], seconds))
                return answer, error
            except LOST as error:
                reason = short(str(error), 100)
                self._start_again()
                self._load()
            finally:
                self.took += time.monotonic() - started
        return Answer(failure=Failure(
            "lost", f"something happened to the checks' process: {reason}")), {}

    def _how_long(self, seconds):
        text = f"it did not end within {seconds:.2g} seconds (an endless loop?)"
        if seconds < self.seconds:
            text += f"; {self.seconds:g} at first, but two checks before took too long"
        return text

    def _exchange(self, request, seconds):
        """Send a request; the reply, as a dict."""
        empty(self.scratch)
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        reply = _loads(self._line(time.monotonic() + seconds + GRACE))
        _exactly(reply, end=str, answer=str, output=str, status=int, took=float)
        return reply

    def _line(self, deadline):
        """The worker's next line."""
        received = bytearray()
        while not received.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError("it did not answer in time")
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            received += part
            if not part or len(received) > LONGEST_REPLY:
                raise EOFError("it ended") if not part else ValueError("a long reply")
        return received.decode()

    # ---- starting and stopping

    def _decide(self):
        """Choose the way to start, before the submission is opened."""
        works, reasons = None, []
        user = FIRST_USER + os.getpid() % USERS
        for way in wall.ways(self.wanted, user):
            self.way = way
            try:
                done = self._start()
            except OSError as error:
                reasons.append(str(error))
                continue
            if not done or self.wanted == "none":
                break
            works = works or way
            reasons.append(f"a check can {done}")
        else:
            self.way = works
            if self.wanted == "require" or works is None:
                raise NoWall("; ".join(dict.fromkeys(reasons)))
            done = self._start()
        self._say(done, reasons)

    def _say(self, done, reasons):
        """Set what is in force, and the line on it."""
        because = "; ".join(dict.fromkeys(reasons))
        if self.wanted == "none":
            self.isolation, self.notice = "none", "isolation: none, as was chosen"
        elif done:
            self.isolation, self.notice = "none", f"isolation: none, as {because}"
        else:
            self.isolation = "bubblewrap" if self.way.bubblewrap else "kernel"
            if self.way.user is None and not os.geteuid():
                self.notice = f"isolation: checks are root, without any right; {because}"

    def _start(self):
        """Start the worker in the chosen way; what a check can do there but must not, in words."""
        self._stop()
        with tempfile.TemporaryFile() as errors:
            try:
                os.chown(self.scratch, *2 * [os.geteuid() if self.way.user is None
                                             else self.way.user])
                self._popen(errors)
                missing = _loads(self._line(time.monotonic() + STARTING))
                answer, _ = self._ask_trial()
                if answer.values is None or answer.values["works"] is not True:
                    raise OSError("; ".join(answer.failure.lines))
            except LOST as error:
                self._stop()
                errors.seek(0)
                said = errors.read(4096).decode(errors="replace").strip() or str(error)
                raise OSError(f"{self.way.name} does not work here "
                              f"({short(said.splitlines()[-1], 200)})") from None
        done = answer.values["done"]
        return f"{done} ({'; '.join(missing)})" if done and missing else done

    def _start_again(self):
        """Start the worker in the same way as before, or end the run."""
        done = self._start()
        if done and self.isolation != "none":
            raise NoWall(f"a check can, since the process was started again, {done}")

    def _ask_trial(self):
        inputs = {"secret": os.path.abspath(__file__), "beside": self.settings["given"]}
        request = {"task": "check", "folder": "trial", "source": _text("trial.py"),
                   "inputs": inputs, "stand_ins": [], "seconds": STARTING}
        return answer_of(self._exchange(request, STARTING))

    def _load(self):
        """Look through the submission and load the packages that it imports."""
        for preload in (True, False):  # a package may crash, hang, or start threads
            with suppress(*LOST):
                reply = self._exchange({"task": "load", "folder": "submission", "seconds": 10,
                                        "preload": preload}, STARTING)
                if reply["status"] == 1 or not preload:
                    return
            self._start_again()
        raise OSError("the checks' process was lost when it looked through the submission")

    def _popen(self, errors):
        self.settings = self.way.settings(self.folder, REPOSITORY)
        self.settings["modules"] = {name: _text(name + ".py")
                                    for name in ("confine", "imports", "describe")}
        one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                             "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")}
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        self.process = subprocess.Popen(
            self.way.command(self.folder, REPOSITORY)
            + [wall.python(), "-s", "-S", "-B", "-c", _text("worker.py"),
               json.dumps(self.settings)],
            cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            start_new_session=True,
            env=dict(one_thread, **kept, PYTHONHASHSEED="0", MPLBACKEND="Agg",
                     PATH=os.defpath))

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


def answer_of(reply):
    """The Answer in a worker's reply, and the error in it, as a dict."""
    more = " ..." if len(reply["output"]) > LONGEST_OUTPUT else ""
    output = clean(reply["output"][:LONGEST_OUTPUT]) + more
    if reply["end"] == "answered":
        return read_answer(reply["answer"], output)
    return Answer(failure=_how_it_ended(reply), output=output), {}


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
