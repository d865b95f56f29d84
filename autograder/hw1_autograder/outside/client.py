"""The grader's side of the worker: decides how to start it, starts it, sends it scenarios."""

import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager

import numpy as np

from judging.observed import Observed
from judging.tools import observer
from outside import wall
from outside.answers import answer_of, parse, read_facts, read_values, short
from outside.submission import copy, empty, remove

HOMEWORK = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
INSIDE = os.path.join(HOMEWORK, "inside")
REPOSITORY = os.path.dirname(os.path.dirname(HOMEWORK))
LONGEST_REPLY = 32 << 20  # bytes
STARTING = 60  # seconds, to import packages
GRACE = 30  # seconds that the worker may take beyond a check's limit
ENOUGH = 3  # after checks took this many limits together, each further one has a tenth of a limit
TRIAL = os.path.join(INSIDE, "trial")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                                     "VECLIB_MAXIMUM_THREADS")}
FIRST_USER, USERS = 61184, 4336  # the numbers that systemd too gives to users of a moment


class Worker(AbstractContextManager):
    """A process that runs scenarios on a submission.

    How it is started is decided once, by running a submission of the grader's own; where it is
    lost, so is the run, by an OSError.

    Args:
        seconds (float): the time limit of a scenario.
        isolation (str): "auto" takes the best there is, "require" nothing that the kernel does
            not keep, "none" runs a submission like any program.

    Attributes:
        isolation (str): what is in force after ``open``: "bubblewrap", "kernel", either of them
            with ", as root" where no other user can read this Python, or "none".
        notice (str): a line on what is not as it should be, or an empty text.
    """

    def __init__(self, seconds, isolation="auto"):
        self.seconds, self.wanted = seconds, isolation
        self.isolation = self.notice = ""
        self.process = None
        self.folder = tempfile.mkdtemp(prefix="grading-")
        inside, self.given, self.scratch = (os.path.join(self.folder, name)
                                            for name in ("inside", "given", "scratch"))
        for path, mode in ((self.folder, 0o711), (inside, 0o755), (self.given, 0o755),
                           (self.scratch, 0o700)):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)  # whatever the umask: a check may be another user's
        copy(INSIDE, inside)

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._stop()
        remove(self.folder)

    def open(self, root):
        """Take the submission in the folder ``root`` for what is run next."""
        self.took = 0.
        if self.process is None:
            self._decide()
        self._give(root)

    def run(self, source, inputs):
        """Run a scenario on inputs (a dict of arrays and numbers); return an Answer."""
        source = f"{source}\nscenario = answering(scenario)\n"
        return self._within_limits(source, inputs, read_values)

    def observe(self, source, inputs):
        """Run a scenario, return what was to be seen of its graph, as Observed."""
        source = f"{observer()}\n\n{source}\nscenario = observing(scenario)\n"
        return self._within_limits(source, inputs, read_facts).values or Observed()

    def _within_limits(self, source, inputs, read):
        """Run a scenario within the time that the checks before have left for it."""
        seconds = self.seconds / (10 if self.took > ENOUGH * self.seconds else 1)
        started = time.monotonic()
        answer = self._check(source, inputs, seconds, read)
        if answer.failure and answer.failure.kind == "late":
            said = (f"it did not end within {seconds:.2g} second{'s' * (seconds != 1)} (an endless "
                    "loop?)")
            if seconds < self.seconds:
                said += f"; {self.seconds:g} at first, but those before took too long together"
            answer.failure.message = said
        self.took += time.monotonic() - started
        return answer

    def _give(self, root):
        """Copy a submission to where it is read, and have it looked through."""
        empty(self.given)
        copy(root, self.given)
        self._exchange({"seconds": STARTING / 3}, STARTING)

    def _check(self, source, inputs, seconds, read):
        inputs = {name: np.asarray(value).tolist() for name, value in inputs.items()}
        return answer_of(self._exchange({"source": source, "inputs": inputs, "seconds": seconds},
                                        seconds + GRACE), read)

    def _exchange(self, content, seconds):
        """Send a line; returns the worker's, if it comes in time."""
        empty(self.scratch)
        try:
            self.process.stdin.write(json.dumps(content).encode() + b"\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                self.process.kill()
            return parse(self.process.stdout.readline(LONGEST_REPLY).decode())
        except (OSError, ValueError, RecursionError):
            raise OSError("the checks' process ended, or did not answer in time") from None

    # ---- starting and stopping

    def _decide(self):
        """Start in the best isolation there is, before the submission is opened."""
        reasons = {True: "was chosen"}  # why the last did not do, by whether it confines
        for isolation in wall.isolations(self.wanted, FIRST_USER + os.getpid() % USERS):
            try:
                self._start(isolation)
            except OSError as error:
                reasons[isolation.confined] = short(str(error), 200)
                continue
            self.isolation = isolation.name
            self.notice = "" if isolation.confined else f"isolation: none, as {reasons[True]}"
            return
        required = "isolation is required, but " * (self.wanted == "require")
        raise OSError(required + reasons.popitem()[1])

    def _start(self, isolation):
        """Start and run the grader's own submission; raise OSError if that does not do."""
        os.chown(self.scratch, os.geteuid() if isolation.user is None else isolation.user, -1)
        with tempfile.TemporaryFile() as errors:
            self.process = self._popen(isolation, errors)
            try:
                self._exchange(self._settings(isolation), STARTING)
                self._give(TRIAL)
                answer = self._check(
                    "from attempts import scenario",
                    {"secret": os.path.abspath(__file__), "beside": self.given}, STARTING, dict)
                if answer.failure or isolation.confined and answer.values["done"]:
                    raise OSError(answer.failure.lines[0] if answer.failure
                                  else f"a check can {answer.values['done']}")
            except OSError as error:
                self._stop()
                errors.seek(0)
                said = errors.read(4096).decode(errors="replace").strip() or str(error)
                raise OSError(said.splitlines()[-1].rpartition("Error: ")[2]) from None

    def _popen(self, isolation, errors):
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        return subprocess.Popen(
            [*isolation.command(self.scratch), wall.python(), "-s", "-S", "-B", "-m",
             "inside.worker"],
            cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            start_new_session=True,
            env=dict(kept, PYTHONHASHSEED="0", MPLBACKEND="Agg", PATH=os.defpath, HOME=self.scratch,
                     TMPDIR=self.scratch, MPLCONFIGDIR=self.scratch, **ONE_THREAD))

    def _settings(self, isolation):
        """Return what the process has to know: who it is, and what it may do with which files."""
        return {"user": isolation.user, "given": self.given, "scratch": self.scratch,
                "rules": isolation.confined and wall.rules(self.given, self.scratch, REPOSITORY),
                "sites": wall.sites()}

    def _stop(self):
        """End the process: at the end of its input it ends, and all that it started."""
        process, self.process = self.process, None
        if process is None:
            return
        try:
            process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
