"""The submission's side of the grader: a process that carries out checks.

The grader starts it from a copy of this folder (``client.py``) and writes lines of JSON to its
standard input.  The first holds settings; this process then gives up what a check must not have
(``confine.py``).  Each other is a request.  For it a child is forked, which looks through the
submission's files, or imports it and runs one scenario, and writes what came of that into a file;
this process itself never imports it.

An answer holds arrays and plain facts and never a verdict: the grader judges.
"""

import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from contextlib import suppress
from itertools import islice

from inside import confine

REQUESTS = os.fdopen(os.dup(0), "rb")
SETTINGS = json.loads(REQUESTS.readline().decode())
GIVEN, SCRATCH = SETTINGS["given"], SETTINGS["scratch"]

confine.drop(SETTINGS["user"])
confine.die_with_parent()
sys.path += SETTINGS["sites"]

import numpy as np
import numpy.random

from inside import describe, helpers, imports

del sys.path[0]  # the folder with this one
FILTER = confine.make_filter() if SETTINGS["rules"] else None
if FILTER:
    confine.landlock(confine.RIGHTS, *SETTINGS["rules"])

LIMITS = {"AS": 2 << 30, "FSIZE": 4 << 20, "CORE": 0, "NOFILE": 256}
MOST_FILES = 100  # that a check may leave in its folder
SHOWN = 8004  # bytes of what it printed: more than the 2,000 characters that are shown
TICK = 0.05  # seconds after which it is looked what a child does
TO_SAY_WHERE = 2  # seconds that a check has at its limit, to say where it was
LOOKS, BETWEEN = 5, 0.01  # how often it then looks where it is, and after how many seconds


# ---- this process: a child for each request

def serve():
    """Carry out requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb", 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # packages may print when they are imported
    replies.write(b"{}\n")
    for line in REQUESTS:
        request = json.loads(line.decode())
        reply = carry_out(request)
        if "source" not in request:
            imports.load(**found_in(reply.pop("answer")))
        replies.write(json.dumps(reply).encode() + b"\n")
    os._exit(0)


def carry_out(request):
    """Do in a child what a request asks for; how that ended, its answer and what it printed."""
    folder = tempfile.mkdtemp(dir=SCRATCH)  # a new one: not even its size is another check's
    with tempfile.TemporaryFile(dir=SCRATCH) as answer, \
            tempfile.TemporaryFile(dir=SCRATCH) as output:
        child = os.fork()
        if child == 0:
            run_child(request, folder, answer.fileno(), output.fileno())
        end, status = wait_for(child, time.monotonic() + request["seconds"] + TO_SAY_WHERE)
        answer.seek(0)
        output.seek(0)
        return {"end": end, "status": status, "answer": answer.read().decode(errors="replace"),
                "output": without_place(output.read(SHOWN).decode(errors="replace"))}


def found_in(answer):
    """Return what a child has found in the submission's files."""
    with suppress(ValueError, KeyError):  # it took too long, or killed Python's parser
        return json.loads(answer)["values"]
    return {}


def wait_for(child, deadline):
    """Wait until a child has ended, or end it; the reason for that, and its exit status."""
    end = ""

    def look(number, frame):
        nonlocal end
        if time.monotonic() > deadline:
            end = "late"
        elif is_full():
            end = "full"
        if end:
            end_group(child)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    status = os.waitpid(child, 0)[1]
    signal.setitimer(signal.ITIMER_REAL, 0)
    end_group(child)  # what it has started, where nothing kept it from that
    return end, status


def end_group(child):
    with suppress(OSError):  # it has ended, as has all that it started
        os.killpg(child, signal.SIGKILL)


def is_full():
    """Tell whether a check has made more files than it may, or hides some."""
    hidden = []
    folders = islice(os.walk(SCRATCH, onerror=hidden.append), MOST_FILES + 1)
    count = sum(len(names) + len(files) for _, names, files in folders)
    return count > MOST_FILES or not all(  # else that folder was just removed
        isinstance(error, FileNotFoundError) for error in hidden)


# ---- a child

def run_child(request, folder, answer, output):
    """Carry out one request, write the answer and end the process."""
    def send(reply, write=os.write, dumps=json.dumps, end=os._exit):  # whatever is patched later
        write(3, dumps(dict(reply, warnings=imports.warnings)).encode())
        end(0)

    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nothing is shared with other checks
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(answer, 3)
    os.closerange(4, 1024)
    try:
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", 1), open(2, "w", 1)
        limit(folder, FILTER and "source" in request)  # what packages do when imported is theirs
        signal.signal(signal.SIGALRM, at_the_limit(send))
        signal.setitimer(signal.ITIMER_REAL, request["seconds"], BETWEEN)
        reply = {"values": run_scenario(request["source"], request["inputs"])
                 if "source" in request else imports.look_through(GIVEN, SETTINGS["sites"])}
    except BaseException as error:  # whatever it is, it is the answer
        reply = {"error": failure(error)}
    send(reply)


def limit(folder, confined):
    """Give up, for good, what a check does not need."""
    confine.die_with_parent()
    os.chdir(folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
    for name, most in LIMITS.items():
        with suppress(AttributeError, ValueError, OSError):  # some systems lack some limits
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (most, most))
    if confined:
        confine.landlock(confine.WRITE, (confine.WRITE, [folder, os.devnull]))
        confine.filter_calls(FILTER)


def failure(error):
    """Return an exception as the grader reads it."""
    told = describe.describe(error, GIVEN, LIMITS)
    return dict(told, message=without_place(told["message"]))


def without_place(text):
    """Drop the folder where the submission lies from a text."""
    return text.replace(GIVEN + os.sep, "")


def at_the_limit(send):
    """Make a handler of signals that looks where this is, some times, and sends where it stays."""
    stacks = []

    def look(number, frame):
        stacks.append(describe.stack_from(frame, GIVEN))
        if len(stacks) == LOOKS:
            send({"error": dict(describe.places(describe.where_it_stays(stacks), GIVEN),
                                kind="late", type="", message="")})
    return look


def run_scenario(source, inputs):
    """Run a scenario on the submission; return what it returns, which is fit for JSON."""
    inputs = {name: np.array(value) if isinstance(value, list) else value
              for name, value in inputs.items()}
    np.random.seed(0)
    random.seed(0)
    sys.argv = [os.path.join(GIVEN, "submission")]
    imports.enter(GIVEN)
    helpers.define(source, "<the check>")
    return helpers.scenario(**inputs)


if __name__ == "__main__":
    serve()
