"""The submission's side of the grader: a process that carries out checks.

The grader starts it as ``python -c <this text> <settings> <the texts of imports.py and
describe.py>``, behind a wall if it can (``wall.py``).
It reads one request a line (JSON) from standard input.  For each
it forks a child, which imports the submission, runs one scenario and writes what came of it
into a pipe; this process itself never imports it.  Behind the wall every child has process
numbers, scratch and shared memory of its own, which go with it.

An answer holds arrays and plain facts and never a verdict: the grader judges.
"""

import sys

sys.path[:1] = []  # the current folder

import json  # noqa: E402

SETTINGS = json.loads(sys.argv[1])
sys.path += SETTINGS["sites"]

import base64  # noqa: E401,E402,F401
import builtins
import copy
import ctypes
import os
import random
import re
import resource
import select  # noqa: E401,E402,F401
import signal
import threading
import time
import types
import typing
import warnings
from contextlib import suppress  # noqa: E402

import numpy as np  # noqa: E402
import numpy.random  # noqa: E402,F401

imports, describe = types.ModuleType("imports"), types.ModuleType("describe")
exec(sys.argv[2], imports.__dict__)
exec(sys.argv[3], describe.__dict__)

ROOT = SETTINGS["root"]
SCRATCH = SETTINGS["scratch"]
WALLED, UID = SETTINGS["walled"], SETTINGS["uid"]
PRIVATE = SETTINGS["private"]  # the grader's folders
OUTPUT_LIMIT = 4 << 20  # bytes that a check may print, write into a file, or answer
SHOWN = 2000  # bytes of what it printed
LIMITS = {"AS": 2 << 30, "FSIZE": OUTPUT_LIMIT, "CORE": 0, "NOFILE": 256}
NEW_NAMESPACES = 0x20000 | 0x8000000 | 0x20000000  # CLONE_NEWNS, _NEWIPC, _NEWPID
NEW_NETWORK = 0x40000000
NOSUID_NODEV, PRIVATE_MOUNTS, READ_ONLY_MOUNT = 2 | 4, 0x4000 | 0x40000, 1 | 2 | 32 | 0x1000
BLIND = 71  # an exit code
TO_SAY_WHERE = 0.5  # seconds that a check has at its limit, to say where it was
PDEATHSIG, DUMPABLE, NO_NEW_PRIVS = 1, 4, 38


# ---- this process: a child for each request


def serve():
    """Look through the submission, then carry out requests until standard input ends."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", 0)
    if WALLED:  # root could change the modes of the system's devices through those in the wall
        for name in os.listdir("/dev"):
            linux("mount", None, os.fsencode("/dev/" + name), None, READ_ONLY_MOUNT, None)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # packages may print when they are imported
    linux("prctl", DUMPABLE, 0, 0, 0, 0)  # a check cannot look into this process
    os.environ.update(HOME=SCRATCH, TMPDIR=SCRATCH, MPLCONFIGDIR=SCRATCH)
    reply = carry_out(look_through, {"seconds": 10}, requests)
    found = json.loads(reply["answer"])["values"] if reply["end"] == "answered" else {}
    imports.compiled.update(found.get("compiled", {}))
    imports.preload(found.get("names", []) if SETTINGS["preload"] else [], SETTINGS["sites"])
    works = reply["end"] != "lost" and reply["status"] != BLIND << 8
    replies.write(json.dumps({"works": works,
                              "threads": threading.active_count()}).encode() + b"\n")
    for line in requests:
        reply = carry_out(run_scenario, json.loads(line.decode()), requests)
        replies.write(json.dumps(reply).encode() + b"\n")
    os._exit(0)


def carry_out(task, request, requests):
    """Do a task in a child; how that ended, what it answered and what it printed."""
    pipes = [os.pipe() for _ in range(3)]
    answer, output, report = (pipe[0] for pipe in pipes)
    if not WALLED:
        renew_scratch()
    keeper = os.fork()
    if keeper == 0:
        keep(task, request, *(pipe[1] for pipe in pipes))
    for _, end in pipes:
        os.close(end)
    child = int.from_bytes(os.read(report, 4), "little")
    started = time.monotonic()
    reply = {"end": "lost", "answer": "", "output": "", "status": 0, "took": 0.}
    if child:
        listen(reply, answer, output, report, requests, started + request["seconds"] + TO_SAY_WHERE)
    end_all(child, keeper)
    for handle, _ in pipes:
        os.close(handle)
    if reply["end"] == "grader gone":
        os._exit(0)
    reply["took"] = time.monotonic() - started
    return reply


def keep(task, request, answer, output, report):
    """Start the child in namespaces of its own, wait for its end and report it."""
    try:
        os.setsid()
        if WALLED:
            linux("unshare", NEW_NAMESPACES)
        elif UID:
            unshare_as_root()
        child = os.fork()
        if child == 0:
            os.close(report)
            run_child(task, request, answer, output)
        os.write(report, child.to_bytes(4, "little"))
        os.close(answer)
        os.close(output)
        os.write(report, os.waitpid(child, 0)[1].to_bytes(4, "little"))
    finally:
        os._exit(0)


def listen(reply, answer, output, report, requests, deadline):
    """Take in what a child writes, until it has answered, ended, or may not go on."""
    line, printed, size = b"", b"", 0
    poll = select.poll()
    for handle in (answer, output, report):
        poll.register(handle, select.POLLIN)
    poll.register(requests, 0)  # nothing is asked for now: only its end is of interest
    end = None
    while end is None:
        left = deadline - time.monotonic()
        ready = [handle for handle, _ in poll.poll(max(0, left) * 1000)]
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
        if requests.fileno() in ready:
            end = "grader gone"
        elif line.endswith(b"\n"):
            end = "answered"
        elif max(len(line), size) > OUTPUT_LIMIT:
            end = "flood" if size > OUTPUT_LIMIT else "large"
        elif ready == [report]:  # and nothing more to read
            end = "ended"
            reply["status"] = int.from_bytes(os.read(report, 4), "little")
        elif left <= 0:
            end = "late"
    os.set_blocking(output, False)
    with suppress(BlockingIOError):  # when all was read
        printed += os.read(output, 1 << 16)
    reply.update(end=end, answer=line.decode(errors="replace"),
                 output=printed[:SHOWN + 1].decode(errors="replace"))


def end_all(child, keeper):
    """End a child and what it started: its namespace's processes, its group's, its user's."""
    for kill, pid in ((os.kill, child), (os.killpg, keeper), (os.kill, keeper)):
        with suppress(OSError):  # it has ended
            if pid:
                kill(pid, signal.SIGKILL)
    os.waitpid(keeper, 0)
    if UID:
        helper = os.fork()
        if helper == 0:
            try:
                os.setuid(UID)  # or else it must not go on
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(helper, 0)


def renew_scratch():
    """An empty scratch folder, whatever the last check left there."""
    for command in (["chmod", "-R", "u+rwX", SCRATCH], ["rm", "-rf", SCRATCH]):
        try:
            os.rmdir(SCRATCH)
        except FileNotFoundError:
            break
        except OSError:
            os.waitpid(os.posix_spawnp(command[0], command, os.environ), 0)
    os.makedirs(SCRATCH, 0o700, exist_ok=True)
    if UID:
        os.chown(SCRATCH, UID, UID)


# ---- what the system keeps a child from

def linux(function, *arguments):
    """Call a function of Linux that Python has no name for."""
    if sys.platform.startswith("linux"):
        if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
            raise OSError(ctypes.get_errno(), function)


def unshare_as_root():
    """Without bubblewrap: what of the wall root can have here, which in a container is little."""
    with suppress(OSError):  # then the user of its own and the hooks remain
        linux("unshare", NEW_NAMESPACES | NEW_NETWORK)
        linux("mount", None, b"/", None, PRIVATE_MOUNTS, None)
        linux("mount", b"tmpfs", os.fsencode(SCRATCH), b"tmpfs", NOSUID_NODEV,
              b"size=64m,mode=700,uid=%d" % UID)
        linux("mount", None, b"/", None, READ_ONLY_MOUNT, None)
        for path in ["/dev/shm"] + PRIVATE:
            if os.path.isdir(path) and not ROOT.startswith(path + os.sep):
                linux("mount", b"tmpfs", os.fsencode(path), b"tmpfs", NOSUID_NODEV, b"mode=000")


def confine(seconds):
    """Give up, for good, what a check does not need."""
    if WALLED:
        linux("mount", b"tmpfs", os.fsencode(SCRATCH), b"tmpfs", NOSUID_NODEV,
              b"size=64m,nr_inodes=10000,mode=700")
        linux("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    elif UID:
        with suppress(OSError):  # it can only be had with process numbers of its own
            linux("mount", b"proc", b"/proc", b"proc", NOSUID_NODEV, None)
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)
        linux("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    linux("prctl", PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir(SCRATCH)
    limits = dict(LIMITS, CPU=int(seconds) + 2, **({"NPROC": 64} if WALLED or UID else {}))
    for name, most in limits.items():
        with suppress(AttributeError, ValueError, OSError):  # some systems lack some limits
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (most, most))


# ---- a child

def run_child(task, request, answer, output):
    """Carry out one request, write the answer and end the process."""
    def send(reply, write=os.write, dumps=json.dumps, end=os._exit):  # whatever is patched later
        data = memoryview(dumps(dict(reply, notes=imports.notes)).encode() + b"\n")
        while data:
            data = data[write(3, data):]
        end(0)

    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(answer, 3)
    os.closerange(4, 1024)
    try:
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", 1), open(2, "w", 1)
        confine(request["seconds"])
        signal.signal(signal.SIGALRM, lambda number, frame: send({"error": late(frame)}))
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        reply = {"values": task(request)}
    except BaseException as error:  # whatever it is, it is the answer
        reply = {"error": failure(error)}
    send(reply)


def failure(error):
    """An exception as the grader reads it."""
    return dict(describe.describe(error, ROOT, LIMITS), late=False,
                missing=imports.missing(error) or "", circular=imports.circular(error))


def late(frame):
    """The same for the frame in which the time ran out."""
    return dict(describe.places(describe.stack_from(frame, ROOT), ROOT), type="", message="",
                late=True, missing="", circular=False)


def look_through(request):
    if not all(os.access(path, os.R_OK) for path in
               (os.__file__, np.__file__, os.path.join(ROOT, "mytorch"))):
        os._exit(BLIND)  # a user of its own that may not read what it needs
    return imports.look_through(ROOT)


def run_scenario(request):
    inputs = {name: decode(value) for name, value in request["inputs"].items()}
    np.random.seed(0)
    random.seed(0)
    warnings.formatwarning = format_warning
    sys.argv = [os.path.join(ROOT, "submission")]
    sys.addaudithook(rules())
    sys.path.insert(0, ROOT)
    imports.install(ROOT, request["stand_ins"])
    imports.first_imports(ROOT)
    namespace = {"__builtins__": builtins, "__name__": "check"}
    exec(compile(request["source"], "<the check>", "exec"), namespace)
    return {name: encode(value) for name, value in namespace["scenario"](**inputs).items()}


def rules(realpath=os.path.realpath, fsdecode=os.fsdecode, isinstance=isinstance, str=str,
          isdir=os.path.isdir, max=max, len=len, getpid=os.getpid, sep=os.sep):
    """An audit hook (PEP 578) that says clearly what the wall would refuse without a reason.

    Without a wall it is all there is, and whoever takes the interpreter apart gets past it.
    """
    starts = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
              "pty.")
    harmless = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.chdir", "os.putenv",
                "os.unsetenv", "os.getxattr", "os.listxattr")
    writing = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT
    scratch, nothing = realpath(SCRATCH) + sep, os.devnull + sep
    network = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")

    def refuse(what, which):
        raise PermissionError(f"a check may not {what}: {which}")

    def hook(event, args):
        if event.startswith(starts):
            refuse("start another program or process", event)
        elif event in ("ctypes.dlopen", "ctypes.dlsym"):
            refuse("call native code", event)
        elif event == "import" and str(args[1]).startswith(ROOT + sep):
            refuse("call native code", args[1])
        elif event in ("os.kill", "os.killpg", "resource.prlimit") and args[0] != getpid():
            refuse("reach for another process", event)
        elif event in network:
            refuse("use the network", event)
        elif (event in ("open", "sqlite3.connect")
              or event.startswith("os.") and event not in harmless):
            for path in args:
                if isinstance(path, (str, bytes)) and (event != "open" or path is args[0]):
                    touch(event, realpath(fsdecode(path)).rstrip(sep) + sep, event != "open" or (
                        isinstance(args[2], int) and args[2] & writing))

    def touch(event, path, write):
        around = [one for one in PRIVATE + [ROOT] if path.startswith(one + sep)]
        if around and max(around, key=len) != ROOT:
            refuse("open the grader's files or the solution", path[:-1])
        if path.startswith("/proc/") and path.split(sep)[2] not in ("self", str(getpid())):
            refuse("look into another process", path[:-1])
        if path.startswith(scratch) or (path, event) == (nothing, "open"):
            return
        if write:
            refuse("write or change anything but in its own folder", path[:-1])
        if isdir(path):  # from which files can be reached by relative paths
            refuse("open a folder", path[:-1])
    return hook


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
