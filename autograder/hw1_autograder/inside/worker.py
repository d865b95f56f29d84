"""The submission's side of the grader: a process that carries out checks.

The grader starts it as ``python -c <this text>``, in bubblewrap if it can (``wall.py``), and
writes lines of JSON to its standard input.  The first holds settings; this process then gives up
what a check must not have (``confine.py``).  Each other is a request.  For it a child is forked,
which imports the submission, runs one scenario and writes what came of it into a pipe; this
process itself never imports it.

An answer holds arrays and plain facts and never a verdict: the grader judges.
"""

import sys

sys.path[:1] = []  # the current folder

import json
import os
import types

REQUESTS = os.fdopen(os.dup(0), "rb")
SETTINGS = json.loads(REQUESTS.readline().decode())


def module(name):
    """A module from its text: this process may not read the grader's files."""
    made = types.ModuleType(name)
    exec(compile(SETTINGS["modules"][name], f"<{name}>", "exec"), made.__dict__)
    return made


confine = module("confine")
MISSING = confine.give_up(SETTINGS)
sys.path += SETTINGS["sites"]

import base64
import copy  # what submissions import too: once for all checks
import random
import re
import resource
import select
import signal
import threading
import time
import typing
import warnings
from contextlib import suppress

import numpy as np
import numpy.random

imports, describe, helpers = module("imports"), module("describe"), module("helpers")

SCRATCH = SETTINGS["scratch"]
ROOT = ""  # in a child: the folder of its submission
OUTPUT_LIMIT = 4 << 20  # bytes that a check may print, write into a file, or answer
SHOWN = 2000  # bytes of what it printed
MOST_BYTES, MOST_FILES = 64 << 20, 10000  # that it may leave in its folder
LIMITS = {"AS": 2 << 30, "FSIZE": OUTPUT_LIMIT, "CORE": 0, "NOFILE": 256,
          "NPROC": 4096 if SETTINGS["user"] is None else 64}  # of all that the user runs
TICK = 0.05  # seconds after which it is looked whether a child has ended
TO_SAY_WHERE = 0.5  # seconds that a check has at its limit, to say where it was


# ---- this process: a child for each request

def serve():
    """Carry out requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb", 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # packages may print when they are imported
    os.umask(0o077)
    os.environ.update(HOME=SCRATCH, TMPDIR=SCRATCH, MPLCONFIGDIR=SCRATCH)
    replies.write(json.dumps(MISSING).encode() + b"\n")
    for line in REQUESTS:
        request = json.loads(line.decode())
        carry = load if request["task"] == "load" else carry_out
        replies.write(json.dumps(carry(request)).encode() + b"\n")
    os._exit(0)


def load(request):
    """Look through the submission and load the packages that it imports."""
    reply = carry_out(request)
    found = {}  # where it takes too long, or kills Python's parser
    if reply["end"] == "answered":
        found = json.loads(reply["answer"]).get("values", {})
    imports.compiled.clear()
    imports.compiled.update(found.get("compiled", {}))
    imports.preload(found.get("names", []) if request["preload"] else [], SETTINGS["sites"])
    return dict(reply, answer="", status=threading.active_count())


def carry_out(request):
    """Do in a child what a request asks for; how that ended, its answer and what it printed."""
    (answer, to_answer), (output, to_output) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        run_child(request, to_answer, to_output)
    os.close(to_answer)
    os.close(to_output)
    started = time.monotonic()
    reply = listen(child, answer, output, started + request["seconds"] + TO_SAY_WHERE)
    os.close(answer)
    os.close(output)
    return dict(reply, took=time.monotonic() - started)


def listen(child, answer, output, deadline):
    """Take in what a child writes until it has answered, ended, or may not go on; then end it."""
    line, printed, size, end, status = b"", b"", 0, None, None
    poll = select.poll()
    for handle in (answer, output):
        poll.register(handle, select.POLLIN)
    poll.register(REQUESTS, 0)  # nothing is asked for now: only its end is of interest
    while end is None:
        left = deadline - time.monotonic()
        ready = [handle for handle, _ in poll.poll(max(0, min(left, TICK)) * 1000)]
        if answer in ready:
            part = os.read(answer, 1 << 16)
            line += part
            if not part:
                poll.unregister(answer)
        if output in ready:
            part = os.read(output, 1 << 16)
            printed, size = (printed + part)[:SHOWN + 1], size + len(part)
            if not part:
                poll.unregister(output)
        if REQUESTS.fileno() in ready:
            end = "grader gone"
        elif line.endswith(b"\n"):
            end = "answered"
        elif max(len(line), size) > OUTPUT_LIMIT:
            end = "flood" if size > OUTPUT_LIMIT else "large"
        elif not ready and status is not None:  # all that it wrote was read
            end = "ended"
        elif left <= 0:
            end = "late"
        elif is_full(SCRATCH):
            end = "full"
        elif status is None:
            status = status_of(child)
    stop(child, status)
    if end == "grader gone":
        os._exit(0)
    os.set_blocking(output, False)
    with suppress(BlockingIOError):  # when all was read
        printed += os.read(output, 1 << 16)
    return {"end": end, "answer": line.decode(errors="replace"), "status": status or 0,
            "output": printed[:SHOWN + 1].decode(errors="replace")}


def is_full(folder):
    """Whether there is more in the scratch folder than a check may write in all."""
    size, count = 0, 0
    try:
        for place, names, files in os.walk(folder, onerror=gone):
            count += len(names) + len(files)
            for name in files[:MOST_FILES]:
                with suppress(FileNotFoundError):  # removed meanwhile
                    size += os.lstat(os.path.join(place, name)).st_size
            if size > MOST_BYTES or count > MOST_FILES:
                return True
    except (OSError, RecursionError):  # nested too deeply to be counted
        return True
    return False


def gone(error):
    if not isinstance(error, FileNotFoundError):
        raise error


def status_of(child):
    """The status with which a child has ended, or None."""
    ended, status = os.waitpid(child, os.WNOHANG)
    return status if ended else None


def stop(child, status):
    """End a child, and where nothing kept it from starting processes, those of its group."""
    with suppress(ProcessLookupError, PermissionError):  # all have ended
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# ---- a child

def run_child(request, answer, output):
    """Carry out one request, write the answer and end the process."""
    def send(reply, write=os.write, dumps=json.dumps, end=os._exit):  # whatever is patched later
        data = memoryview(dumps(dict(reply, notes=imports.notes)).encode() + b"\n")
        while data:
            data = data[write(3, data):]
        end(0)

    global ROOT
    ROOT = os.path.join(SETTINGS["given"], request["folder"])
    task = look_through if request["task"] == "load" else run_scenario
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(answer, 3)
    os.closerange(4, 1024)
    try:
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", 1), open(2, "w", 1)
        limit(request["seconds"])
        signal.signal(signal.SIGALRM, lambda number, frame: send({"error": late(frame)}))
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        reply = {"values": task(request)}
    except BaseException as error:  # whatever it is, it is the answer
        reply = {"error": failure(error)}
    send(reply)


def limit(seconds):
    """Give up, for good, what a check does not need."""
    confine.die_with_parent()
    os.chdir(SCRATCH)
    for name, most in dict(LIMITS, CPU=int(seconds) + 2).items():
        with suppress(AttributeError, ValueError, OSError):  # some systems lack some limits
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (most, most))
    if SETTINGS["confined"]:
        try:
            confine.filter_calls()
        except OSError:
            if not MISSING:  # then the grader knows
                raise


def failure(error):
    """An exception as the grader reads it, without the folder where the submission lies."""
    told = describe.describe(error, ROOT, LIMITS)
    told["message"] = told["message"].replace(ROOT + os.sep, "")
    return dict(told, late=False, missing=imports.missing(error) or "",
                circular=imports.circular(error))


def late(frame):
    """The same for the frame in which the time ran out."""
    return dict(describe.places(describe.stack_from(frame, ROOT), ROOT), type="", message="",
                late=True, missing="", circular=False)


def look_through(request):
    return imports.look_through(ROOT)


def run_scenario(request):
    inputs = {name: decode(value) for name, value in request["inputs"].items()}
    np.random.seed(0)
    random.seed(0)
    warnings.formatwarning = format_warning
    sys.argv = [os.path.join(ROOT, "submission")]
    sys.path.insert(0, ROOT)
    imports.install(ROOT, request["stand_ins"])
    imports.first_imports(ROOT)
    exec(compile(request["source"], "<the check>", "exec"), vars(helpers))
    return {name: encode(value) for name, value in helpers.scenario(**inputs).items()}


# ---- values and errors, as JSON

def encode(value):
    """A plain fact as it is, an array as its dtype, shape and bytes; nothing else."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        value = np.float64(value)
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.array(np.asarray(value), order="C", subok=False)
        array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype.kind not in "biuf" or array.nbytes > OUTPUT_LIMIT // 4:
            return {"unfit": f"an array of dtype {array.dtype} and shape {array.shape}"}
        return {"dtype": array.dtype.str[1:], "shape": list(array.shape),
                "data": base64.b64encode(array.tobytes()).decode()}
    return {"unfit": "a " + type(value).__name__}


def decode(value):
    if not isinstance(value, dict):
        return value
    array = np.frombuffer(base64.b64decode(value["data"]), value["dtype"])
    return array.reshape(value["shape"]).copy()


def format_warning(message, category, file, line, text=None):
    """A warning in one line, without the wall's own folders."""
    return f"{category.__name__}: {message} ({os.path.relpath(file, ROOT)}, line {line})\n"


if __name__ == "__main__":
    serve()
