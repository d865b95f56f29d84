"""The submission's side of the autograder: a process that carries out scenarios.

The grader starts it as ``python -c <this file's text>`` with one argument: the grader's own
folder, which is out of bounds, as is the solution beside it.  It reads one request a line (JSON)
from standard input.  For each it forks a child, which imports the submission, runs one scenario
in an empty folder and writes what came of it to a file; so nothing that a submission does in
one check can reach another.  This process itself never imports it.

An answer holds arrays and plain facts and never a verdict: the grader judges.
"""

import base64
import builtins
import errno
import importlib.machinery
import json
import os
import resource
import shutil
import signal
import sys
import types
from contextlib import suppress

import numpy as np

# Loaded here once, so that not every check has to: what submissions are likely to import.
import abc, collections, copy, ctypes, functools, itertools, math  # noqa: E401,E402,F401
import random, re, subprocess, threading, typing  # noqa: E401,E402,F401
import numpy.random  # noqa: F401

GRADER = os.path.realpath(sys.argv[1])
FORBIDDEN = ("torch", "tensorflow", "keras", "jax", "autograd", "theano", "mxnet", "chainer",
             "paddle", "flax", "mindspore", "tinygrad", "mygrad", "micrograd")
STARTS_A_PROGRAM = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn",
                    "os.fork", "os.forkpty", "os.startfile", "pty.spawn")
CHANGES_FILES = ("os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "os.chown",
                 "os.link", "os.symlink", "os.mkdir", "os.utime", "shutil.rmtree")
OUTPUT_LIMIT = 4 << 20  # bytes that a check may print or write
MEMORY_LIMIT = 2 << 30  # bytes of address space


# ---- the parent: one fork for each request

def serve():
    """Carry out requests until standard input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run_child(request)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):  # usually nothing is left
            os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(scratch_of(request), ignore_errors=True)
        print(json.dumps({"status": status}), flush=True)


def scratch_of(request):
    """The folder that a check runs in, the only one where it may write."""
    return os.path.realpath(request["answer"]) + "-scratch"


# ---- the child: one scenario

def run_child(request):
    """Carry out one request, write the answer and end the process."""
    write = answer_writer(request["answer"])
    try:
        confine(request)
        do = {"compile": compile_submission, "import": import_submission, "run": run_scenario}
        answer = {"values": do[request["task"]](request, write)}
    except BaseException as error:  # whatever it is, it is the answer
        answer = {"error": describe(error, request["root"])}
    write(answer)


def answer_writer(path, open_=os.open, write=os.write, dumps=json.dumps, exit_=os._exit,
                  flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    """A function that writes the answer and ends the process, whatever was patched by then."""
    def finish(answer):
        answer["imports"] = list(forbidden_imports)
        data = memoryview(dumps(answer).encode())
        handle = open_(path, flags, 0o600)
        while data:
            data = data[write(handle, data):]
        exit_(0)
    return finish


def confine(request):
    """Give the child its own session, limits, standard streams and folder."""
    os.setsid()
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 256)
    sys.stdin = open(0)
    sys.stdout = open(1, "w", buffering=1)
    sys.stderr = open(2, "w", buffering=1)
    limit("RLIMIT_AS", MEMORY_LIMIT)
    limit("RLIMIT_FSIZE", OUTPUT_LIMIT)
    limit("RLIMIT_CORE", 0)
    limit("RLIMIT_CPU", int(request["seconds"]) + 2)
    os.mkdir(scratch_of(request))
    os.chdir(scratch_of(request))
    sys.pycache_prefix = request["cache"]
    sys.path[0] = request["root"]
    sys.argv = [os.path.join(request["root"], "submission")]


def limit(name, value):
    with suppress(AttributeError, ValueError, OSError):  # some systems lack some limits
        resource.setrlimit(getattr(resource, name), (value, value))


def compile_submission(request, write):
    """Compile every file once, so that the checks need not; broken files are met there."""
    import py_compile
    for folder, _, files in os.walk(os.path.join(request["root"], "mytorch")):
        for name in files:
            path = os.path.join(folder, name)
            if (name.endswith(".py") and os.path.isfile(path)
                    and os.path.realpath(path).startswith(request["root"] + os.sep)):
                py_compile.compile(path, importlib.util.cache_from_source(path), doraise=False,
                                   quiet=2)
    return {}


def import_submission(request, write):
    """Import what every scenario needs, to see whether that ends."""
    watch(write, request)
    import mytorch.tensor  # noqa: F401
    return {}


def run_scenario(request, write):
    watch(write, request)
    namespace = {"__builtins__": builtins, "__name__": "check"}
    exec(compile(request["source"], "<the check>", "exec"), namespace)
    inputs = {name: decode(value) for name, value in request["inputs"].items()}
    values = namespace["scenario"](**inputs)
    return {name: encode(value) for name, value in values.items()}


# ---- rules: what a submission must not do

forbidden_imports = []


def watch(write, request):
    """Stop the check as soon as the submission breaks a rule."""
    for name in ("readline", "_posixsubprocess"):  # these act without telling audit hooks
        sys.modules[name] = None
    for name in ("pidfd_open", "mkfifo", "mknod"):
        for module in (os, sys.modules["posix"]):
            vars(module).pop(name, None)
    sys.meta_path.insert(0, ForbiddenFinder(request["root"]))
    answer, cache = (os.path.realpath(request[name]) for name in ("answer", "cache"))
    sys.addaudithook(rule_keeper(lambda what: write({"violation": what}), request["root"] + os.sep,
                                 os.path.dirname(answer) + os.sep, answer, cache + os.sep,
                                 scratch_of(request) + os.sep))


def rule_keeper(violation, root, own, answer, cache, scratch, realpath=os.path.realpath,
                fsdecode=os.fsdecode, isdir=os.path.isdir, getpid=os.getpid,
                isinstance=isinstance, str=str, bytes=bytes, int=int, any=any, OSError=OSError,
                sep=os.sep, grader=GRADER + os.sep,
                solution=tuple(os.path.join(os.path.dirname(GRADER), name)
                               for name in ("mytorch" + os.sep, "hw1" + os.sep, "handin.tar")),
                forbidden=FORBIDDEN, changes=CHANGES_FILES, starts=STARTS_A_PROGRAM,
                writing=os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT):
    """An audit hook (PEP 578).

    What it needs is bound here: patching modules or builtins does not change what it does.
    """
    def may_not_change(path):
        return (path + sep).startswith((own, root, grader)) and not path.startswith(scratch)

    def opens(path, flags):
        if (path + sep).startswith(grader):
            violation("it opens a file of the autograder's own: " + path)
        if path.startswith(solution) and not path.startswith(root):
            violation("it opens the solution beside the grader: " + path)
        if path.startswith(own) and path != answer and not path.startswith((cache, scratch)):
            violation("it opens a file of another check: " + path)
        if path.startswith("/proc/") and path.split("/")[2] not in ("self", str(getpid())):
            violation("it looks into another process: " + path)
        if isinstance(flags, int) and flags & writing and path != answer and may_not_change(path):
            violation("it writes to a file that it must leave alone: " + path)
        if any(sep + "site-packages" + sep + name + sep in path for name in forbidden):
            violation("it reads the code of a forbidden package: " + path)
        if isdir(path):  # with which files could be opened by a relative path
            violation("it opens a folder: " + path)

    def hook(event, args):
        if event == "open" and isinstance(args[0], (str, bytes)):
            opens(realpath(fsdecode(args[0])), args[2])
        elif event in changes:
            for path in args:
                if isinstance(path, (str, bytes)) and may_not_change(realpath(fsdecode(path))):
                    violation("it changes or removes a file: " + fsdecode(path))
        elif event == "subprocess.Popen" and str(args[0]).endswith("fc-list"):
            raise OSError("no programs here")  # matplotlib, looking for fonts; it can do without
        elif event in starts:
            violation("it starts another program or process (%s)" % event)
        elif event in ("os.kill", "os.killpg") and args[0] != getpid():
            violation("it sends a signal to another process")
        elif event in ("ctypes.dlopen", "ctypes.dlsym"):
            violation("it calls native code through ctypes")
        elif event == "autograder.forbidden":
            violation("it uses %s (deep learning toolboxes are for testing only: handout, "
                      "Directions)" % args[0])
    return hook


class ForbiddenFinder:
    """Finds a stand-in for every forbidden package, installed or not.

    Importing one costs nothing; using one is a violation.
    """

    def __init__(self, root):
        self.root = root

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        own = os.path.join(self.root, top)  # the submission's own of that name
        if top not in FORBIDDEN or os.path.exists(own) or os.path.exists(own + ".py"):
            return None
        if top not in forbidden_imports:
            forbidden_imports.append(top)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        """There is nothing to run."""


class StandIn(types.ModuleType):
    """A module or an attribute of one; to call it, inherit from it or compute with it is use."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(self.__name__ + "." + name)

    def _use(self, *args, **kwargs):
        sys.audit("autograder.forbidden", self.__name__)

    __call__ = __mro_entries__ = __getitem__ = __iter__ = __enter__ = __instancecheck__ = _use
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = _use


# ---- values and errors, as JSON

def encode(value):
    """A plain fact as it is, an array as its dtype, shape and bytes; nothing else."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        value = np.float64(value)
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.array(np.asarray(value), order="C", subok=False)
        if array.dtype.kind not in "biuf" or array.nbytes > OUTPUT_LIMIT // 4:
            return {"unfit": "an array of dtype %s and shape %s" % (array.dtype, array.shape)}
        return {"dtype": array.dtype.str, "shape": list(array.shape),
                "data": base64.b64encode(array.tobytes()).decode()}
    return {"unfit": "a " + type(value).__name__}


def decode(value):
    if not isinstance(value, dict):
        return value
    array = np.frombuffer(base64.b64decode(value["data"]), np.dtype(value["dtype"]))
    return array.reshape(value["shape"]).copy()


def describe(error, root):
    """What went wrong and where in the submission: type, message, file, line, its text."""
    place = None
    if isinstance(error, SyntaxError) and error.filename:
        place = error.filename, error.lineno
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if (os.path.isabs(name) and os.path.realpath(name).startswith(root + os.sep)
                and not isinstance(error, SyntaxError)):
            place = name, trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        message = "it ends the process (%s)" % type(error).__name__
    elif type(error).__name__ == "BdbQuit":
        message = "a breakpoint is left in the code (pdb.set_trace())"
    elif isinstance(error, OSError) and error.errno == errno.EFBIG:
        message = "it printed or wrote more than %d MB" % (OUTPUT_LIMIT >> 20)
    else:
        try:
            message = str(error)
        except Exception:
            message = "(its text cannot be shown)"
    answer = {"type": type(error).__name__, "message": str(message)[:400]}
    if place is not None:
        answer["file"], answer["line"] = os.path.relpath(place[0], root), place[1]
        try:
            with open(place[0], errors="replace") as lines:
                answer["text"] = list(lines)[place[1] - 1].strip()[:100]
        except (OSError, IndexError, TypeError):
            answer["text"] = ""
    return answer


if __name__ == "__main__":
    import importlib.util
    sys.dont_write_bytecode = True
    serve()
