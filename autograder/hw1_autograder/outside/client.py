"""The grader's side of the worker: decides how to start it, starts it, sends it scenarios."""

import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import suppress

from judging.failure import Failure
from outside import wall
from outside.answers import Answer, answer_of, encode, exactly, loads, short
from outside.submission import copy, empty, remove

HOMEWORK = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
INSIDE = os.path.join(HOMEWORK, "inside")
GRADER = os.path.dirname(HOMEWORK)  # the folder autograder/
REPOSITORY = os.path.dirname(GRADER)
LONGEST_REPLY = 32 << 20  # bytes
MOST_STAND_INS = 10
STARTING = 60  # seconds, to import packages
MOST_FOR_ALL = 25  # times the limit of one check: all of them may take no longer
GRACE = 10  # seconds that the worker may take beyond a check's limit
FIRST_USER, USERS = 61184, 4336  # the numbers that systemd too gives to users of a moment
LOST = (OSError, EOFError, ValueError, RecursionError)  # what a dead process shows itself by


class NoWall(OSError):
    """The kernel does not keep a submission from all that it must not do, but that is wanted."""


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
        self.missing = []  # what this system lacks of what confines a check, a sentence each
        self.folder = tempfile.mkdtemp(prefix="grading-")
        self.scratch = os.path.join(self.folder, "scratch")
        self.submission = os.path.join(self.folder, "given", "submission")
        trial = os.path.join(self.folder, "given", "trial", "mytorch")
        for path in (self.submission, trial, self.scratch):
            os.makedirs(path)
        with open(os.path.join(trial, "tensor.py"), "w") as file:
            file.write("WORKS = True\n")
        for path, _, files in os.walk(self.folder):  # a check may be another user's
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
        elif self.process.poll() is not None:  # it ends with the thread that started it
            self._start_again()
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
        self._send(request)
        reply = loads(self._line(time.monotonic() + seconds + GRACE))
        exactly(reply, end=str, answer=str, output=str, status=int, took=float)
        return reply

    def _send(self, content):
        self.process.stdin.write(json.dumps(content).encode() + b"\n")
        self.process.stdin.flush()

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
        for self.way in wall.ways(self.wanted, user):
            try:
                why_not = self._start()
            except OSError as error:
                reasons.append(str(error))
                continue
            if not why_not or self.wanted == "none":
                break
            works = works or self.way
            reasons.append(why_not)
        else:
            because = "; ".join(dict.fromkeys(reasons))
            if works is None:
                raise OSError(f"the checks' process does not start: {because}")
            if self.wanted == "require":
                raise NoWall(f"a wall is required, but {because}")
            self.way = works
            why_not = self._start()
        self._say(why_not, "; ".join(dict.fromkeys(reasons)))

    def _say(self, why_not, because):
        """Set what is in force, and the line on it."""
        if self.wanted == "none":
            self.isolation, self.notice = "none", "isolation: none, as was chosen"
        elif why_not:
            self.isolation, self.notice = "none", f"isolation: none, as {because}"
        else:
            self.isolation = "bubblewrap" if self.way.bubblewrap else "kernel"
            notes = self.missing[:]  # bubblewrap makes up for what the kernel lacks
            if self.way.user is None and not os.geteuid():
                notes.append(f"checks are root, without any right, as {because}")
            self.notice = f"isolation: {self.isolation}; {'; '.join(notes)}" if notes else ""

    def _start(self):
        """Start the worker in the chosen way; why a check is not kept there, or an empty text."""
        self._stop()
        with tempfile.TemporaryFile() as errors:
            try:
                os.chown(self.scratch, *2 * [os.geteuid() if self.way.user is None
                                             else self.way.user])
                self._popen(errors)
                self._send(self.settings)
                self.missing = loads(self._line(time.monotonic() + STARTING))
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
        return done and ("; ".join(self.missing) or f"a check can {done}")

    def _start_again(self):
        """Start the worker in the same way as before, or end the run."""
        why_not = self._start()
        if why_not and self.isolation != "none":
            raise NoWall(f"the wall is gone: {why_not}")

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
                                    for name in ("confine", "imports", "describe", "helpers")}
        one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                             "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")}
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        self.process = subprocess.Popen(
            self.way.command(self.folder, REPOSITORY)
            + [wall.python(), "-s", "-S", "-B", "-c", _text("worker.py")],
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
