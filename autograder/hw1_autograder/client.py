"""The grader's side of the worker: starts it, sends scenarios, enforces the time limit."""

import base64
import json
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
GRADER = os.path.dirname(HERE)  # the folder autograder/, out of bounds for submissions
LONGEST_OUTPUT = 2000  # characters of a check's output that are looked at
LONGEST_ANSWER = 4 << 20  # bytes
STARTING = 60  # seconds


def clean(text):
    """Text from a submission, safe to show: no control characters, nothing unprintable."""
    text = text.replace("\t", "    ")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def one_line(text):
    """The same, without line breaks."""
    return " ".join(clean(text).split())


class Answer:
    """What came of one scenario.

    Attributes:
        values (dict or None): arrays and facts by name, when the scenario ran to its end.
        problem (str): otherwise, what happened instead.
        output (str): what the submission printed, cut to size.
        warnings (list of str): what is worth saying but costs nothing, a sentence each.
    """

    def __init__(self, values=None, problem="", output="", warnings=()):
        self.values = values
        self.problem = clean(problem)
        self.output = clean(output)
        self.warnings = list(warnings)


class Worker:
    """A process that runs scenarios on a submission; started again when it dies.

    Attributes:
        seconds (float): the time limit of a scenario.
        endless (Answer or None): what comes of any scenario, once a check was late and so was
            importing the submission alone; then no more are run, since each would take its time.
    """

    def __init__(self, seconds):
        self.seconds = seconds
        self.folder = tempfile.TemporaryDirectory(prefix="grading-")
        self.process = None
        self.child = None
        self.count = 0
        self.root = self.cache = None
        self.late = False
        self.endless = None
        self.import_ends = False  # not known to

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._stop()
        self.folder.cleanup()

    def open(self, root):
        """From now on, run the submission in the folder ``root``."""
        self.root = os.path.realpath(root)
        self.cache = os.path.join(self.folder.name, "cache%d" % self.count)
        self.endless, self.import_ends = None, False
        self._ask({"task": "compile"})

    def run(self, source, inputs):
        """Run a scenario on inputs (a dict of arrays and numbers); returns an Answer."""
        if self.endless:
            return self.endless
        answer = self._ask({"task": "run", "source": source,
                            "inputs": {name: encode(value) for name, value in inputs.items()}})
        if self.late and not self.import_ends:
            self._ask({"task": "import"})
            self.import_ends = not self.late
            self.endless = answer if self.late else None
        return answer

    def _ask(self, request):
        self.count += 1
        answer = os.path.join(self.folder.name, "answer%d" % self.count)
        output = os.path.join(self.folder.name, "output%d" % self.count)
        request.update(root=self.root, cache=self.cache, answer=answer, output=output,
                       seconds=self.seconds)
        if self.process is None:
            self._start()
        problem = self._carry_out(request)
        return _read_answer(answer, _read_output(output), problem)

    def _carry_out(self, request):
        """Send a request and wait for its end; what went wrong, or an empty text."""
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            started = self._line(time.monotonic() + STARTING)  # a new process imports NumPy first
            deadline = time.monotonic() + self.seconds
            self.child = started and started["pid"]
            ended = self._line(deadline) if started else None
            self.late = started is not None and ended is None and self.process.poll() is None
            if self.late:
                _kill(self.child)
                ended = self._line(time.monotonic() + 5)
        except (OSError, ValueError):
            self.late, ended = False, None
        if ended is None:
            self._stop()
        self.child = None
        if self.late:
            return "it did not end within %g seconds (an endless loop?)" % self.seconds
        if ended is None:
            return "its process was lost"
        return _describe_status(ended["status"])

    def _line(self, deadline):
        """The worker's next line, or None if it does not come in time or at all."""
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                return None
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line.decode())

    def _start(self):
        with open(os.path.join(HERE, "worker.py")) as file:
            source = file.read()  # passed as text: no file of the grader's is on its path
        one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                             "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")}
        self.buffer = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, GRADER], cwd=self.folder.name,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONHASHSEED="0", MPLBACKEND="Agg", **one_thread))

    def _stop(self):
        if self.child is not None:
            _kill(self.child)
            self.child = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


def _kill(pid):
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
            return
        except OSError:
            continue


def _describe_status(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        names = {signal.SIGSEGV: "a segmentation fault", signal.SIGKILL: "it was killed",
                 signal.SIGXCPU: "it used too much processor time"}
        return "its process died: %s" % names.get(number, "signal %d" % number)
    if os.WEXITSTATUS(status):
        return "its process ended itself with exit code %d" % os.WEXITSTATUS(status)
    return ""


def _read(path, most):
    """The first bytes of a regular file; the submission may have put anything in its place."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("no regular file")
        return file.read(most)


def _read_output(path):
    try:
        text = _read(path, LONGEST_OUTPUT + 1).decode(errors="replace")
    except OSError:
        return ""
    return text[:LONGEST_OUTPUT] + " ..." if len(text) > LONGEST_OUTPUT else text


def _read_answer(path, output, problem):
    """Make sense of what a worker's child wrote; it may be anything."""
    if problem:
        return Answer(None, problem, output)
    try:
        content = _read(path, LONGEST_ANSWER + 1)
        if len(content) > LONGEST_ANSWER:
            return Answer(None, "its answer is too large", output)
        answer = json.loads(content.decode())
        imports = [one_line(str(name)[:40]) for name in answer["imports"]][:20]
        warnings = ["%s is imported; deep learning toolboxes are only allowed for testing, and "
                    "using one fails the check (handout, Directions)" % name for name in imports]
        if "violation" in answer:
            return Answer(None, "it breaks a rule: " + str(answer["violation"])[:200], output,
                          warnings)
        if "error" in answer:
            return Answer(None, _describe_error(answer["error"]), output, warnings)
        values = {str(name): decode(value) for name, value in answer["values"].items()}
        return Answer(values, "", output, warnings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError,
            RecursionError):
        return Answer(None, "its process ended without an answer", output)


def _describe_error(error):
    text = "%s: %s" % (str(error["type"])[:60], " ".join(str(error["message"]).split())[:300])
    if error["type"] == "MemoryError":
        text = "it needs more than 2 GB of memory (MemoryError)"
    if "file" in error:
        text += "\n%s, line %s: %s" % (str(error["file"])[:100], str(error["line"])[:10],
                                       str(error.get("text", ""))[:100])
    return text


# ---- arrays as JSON, see the same in worker.py

def encode(value):
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": list(value.shape),
                "data": base64.b64encode(value.tobytes()).decode()}
    return value


def decode(value):
    """An array or a fact; what is neither becomes a text that says so."""
    if not isinstance(value, dict):
        fact = isinstance(value, (bool, int, float, type(None)))
        return value if fact else one_line(str(value)[:100])
    if "unfit" in value:
        return one_line(str(value["unfit"])[:100])
    dtype = np.dtype(str(value["dtype"]))
    if dtype.kind not in "biuf":
        return "an array of dtype %s" % dtype
    array = np.frombuffer(base64.b64decode(value["data"]), dtype)
    return array.reshape([int(length) for length in value["shape"]])
