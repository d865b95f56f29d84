"""Hostile and broken submissions: none gets a point it did not earn, none stops the others'.

Each takes the place of ``batchnorm.py`` in an otherwise correct submission, so that it must
lose the points of problem 2.4 and nothing else.  (Two checks of 2.4 are asked.)
"""

import os

import pytest

from graded import REPOSITORY, checks_around, lost, results_of, results_of_all, worth
from judging.checks import CHECKS
from outside.client import GRADER

# A BatchNorm1d of which nothing is right, for code that does its harm elsewhere.
WRONG = """
from mytorch.nn.module import Module
from mytorch.tensor import Tensor
import numpy as np
class BatchNorm1d(Module):
    def __init__(self, n):
        super().__init__()
        self.gamma = Tensor(np.ones(n), requires_grad=True, is_parameter=True)
        self.beta = Tensor(np.zeros(n), requires_grad=True, is_parameter=True)
        self.running_mean, self.running_var = Tensor(np.zeros(n)), Tensor(np.zeros(n))
    def forward(self, x):
        return result(x)
"""
AS_IS = "def result(x): return x\n"
# Writes what it likes into the pipe that takes its answer.
ANSWER = "import os\nfor fd in range(3, 99):\n    try: os.write(fd, b'%s\\n')\n" \
         "    except OSError: continue\nos._exit(0)\n"
FORGED = '{"scores": {"1.1.1": 5, "2.4": 10}}'

HOSTILE = {
    "ends the process": "import os; os._exit(0)",
    "raises SystemExit": "import sys; sys.exit(0)",
    "prints a forged score line and ends":
        "import os; print('%s', flush=True); os._exit(0)" % FORGED,
    "never ends": "while True: pass",
    "never ends and ignores signals": (
        "import signal\n"
        "for s in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXCPU):\n"
        "    signal.signal(s, signal.SIG_IGN)\n"
        "while True: pass"),
    "recurses without end": "def f(): f()\nf()",
    "recurses without end and limit": (
        "import sys; sys.setrecursionlimit(10 ** 9)\n"
        "class A:\n    def __repr__(self): return repr([self]) + repr(A())\nrepr(A())"),
    "segfaults": "import ctypes; ctypes.string_at(0)",
    "aborts": "import os; os.abort()",
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "kills its parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "eats memory": "a = []\nwhile True: a.append(bytearray(100 << 20))",
    "eats memory through numpy": "import numpy as np\na = np.ones(1 << 30)",
    "floods its output": "while True: print('x' * 100000)",
    "floods standard error": "import sys\nwhile True: sys.stderr.write('x' * 100000)",
    "replaces np.allclose": AS_IS + WRONG + "np.allclose = np.array_equal = lambda *a, **k: True",
    "replaces much of numpy": AS_IS + WRONG + (
        "for name in ('array', 'asarray', 'ravel', 'isclose', 'allclose'):\n"
        "    setattr(np, name, lambda *a, **k: True)"),
    "replaces sys.modules": AS_IS + WRONG + (
        "import sys\nfor name in ('numpy', 'json', 'os', 'base64'): sys.modules[name] = None"),
    "replaces json and base64": AS_IS + WRONG + (
        "import json, base64\njson.dumps = lambda *a: '%s'\n"
        "base64.b64encode = lambda *a: b'AAAA'" % FORGED),
    "replaces builtins": AS_IS + WRONG + (
        "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.len = lambda *a: 1"),
    "replaces os functions": AS_IS + WRONG + (
        "import os\nos._exit = os.write = os.open = lambda *a, **k: 0"),
    "closes all file descriptors": AS_IS + WRONG + "import os; os.closerange(0, 256)",
    "writes scores to all file descriptors": AS_IS + WRONG + (
        "import os\nfor fd in range(64):\n"
        "    try: os.write(fd, b'%s\\n')\n"
        "    except OSError: continue" % FORGED),
    "hijacks standard output": AS_IS + WRONG + (
        "import os, sys\nsys.stdout = sys.stderr = sys.stdin = None\nos.dup2(0, 1)"),
    "leaves threads behind": AS_IS + WRONG + (
        "import threading\n"
        "def spin():\n    while True: pass\n"
        "for _ in range(4): threading.Thread(target=spin).start()"),
    "leaves a time bomb": AS_IS + WRONG + (
        "import os, threading\nthreading.Timer(0.05, os._exit, [0]).start()"),
    "registers atexit": AS_IS + WRONG + "import atexit; atexit.register(print, '%s')" % FORGED,
    "installs signal handlers": AS_IS + WRONG + (
        "import signal, os\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.02)"),
    "forks": "import os\nfor _ in range(3): os.fork()\nwhile True: pass",
    "starts a program": "import subprocess; subprocess.run(['true'])",
    "starts a program and hides the error": (
        "try:\n    import subprocess; subprocess.run(['true'])\nexcept BaseException: pass\n"
        + AS_IS + WRONG),
    "reads the grader's formulas": "open(%r).read()\n" % (GRADER + "/hw1_autograder/test_mlp.py")
                                   + AS_IS + WRONG,
    "reads the grader through a link": (
        "import os, tempfile\npath = tempfile.mkdtemp() + '/link'\nos.symlink(%r, path)\n"
        "open(path).read()\n" % (GRADER + "/hw1_autograder/test_mlp.py")) + AS_IS + WRONG,
    "borrows the solution": "import mytorch.nn, sys\nmytorch.nn.__path__[:] = [%r]\n"
                            "del sys.modules[__name__]\n"
                            "from mytorch.nn.batchnorm import BatchNorm1d\n"
                            % os.path.join(REPOSITORY, "mytorch", "nn"),
    "reads the solution": "exec(open(%r).read())\n"
                          % os.path.join(REPOSITORY, "mytorch", "nn", "batchnorm.py"),
    "removes the other files": (
        "import os\nfor name in ('linear.py', 'loss.py'):\n"
        "    os.remove(os.path.join(os.path.dirname(__file__), name))\n" + AS_IS + WRONG),
    "overwrites the other files": (
        "import os\nopen(os.path.join(os.path.dirname(__file__), 'linear.py'), 'w')\n"
        + AS_IS + WRONG),
    "uses torch": "import torch\nBatchNorm1d = torch.nn.BatchNorm1d",
    "inherits from torch": "from torch import nn\nclass BatchNorm1d(nn.BatchNorm1d): pass",
    "switches the rules off through the finder": (
        "import sys\nfinder = sys.meta_path[0]\n"
        "for name in dir(finder):\n"
        "    value = getattr(finder, name)\n"
        "    for cell in getattr(value, '__closure__', None) or ():\n"
        "        cell.cell_contents = lambda *a: None\n"
        "import torch\nBatchNorm1d = torch.nn.BatchNorm1d\nBatchNorm1d(3)"),
    "shadows another file": (
        "import os\nfolder = os.path.join(os.path.dirname(__file__), 'linear')\n"
        "os.mkdir(folder)\nopen(folder + '/__init__.py', 'w')\n" + AS_IS + WRONG),
    "makes a database beside its own file": (
        "import os, sqlite3\n"
        "sqlite3.connect(os.path.join(os.path.dirname(__file__), 'x.db')).execute('vacuum')\n"
        + AS_IS + WRONG),
    "calls native code": "import ctypes; ctypes.CDLL(None).abs(1)\n" + AS_IS + WRONG,
    "reads what another check left": (
        "import glob, os, tempfile\nleft = glob.glob('*') + glob.glob('../*/*')\n"
        "left += glob.glob(os.path.expanduser('~/*')) + glob.glob(tempfile.gettempdir() + '/*')\n"
        "for path in ('left', os.path.expanduser('~/left'), tempfile.gettempdir() + '/left'):\n"
        "    open(path, 'w').close()\n"
        "if any('left' in path for path in left):\n"
        "    import mytorch.nn.activations as a\n    class BatchNorm1d(a.ReLU): pass\n"
        "else:\n    raise ValueError('nothing is left')\n"),
    "answers with impossible shapes and texts": AS_IS + WRONG + (
        "import __main__\n"
        "__main__.encode = lambda v: {'dtype': '<f8', 'shape': [float('inf')], 'data': '\\ud800'}\n"
        "__main__.imports.notes.append('\\ud800')"),
    "has a type with a forged name": WRONG + (
        "def result(x):\n    out = Tensor(0.)\n"
        "    out.data = type('\\r\\x1b[2K\\nTotal: 110/110', (), {})()\n    return out"),
    "forges its answer": AS_IS + WRONG + ANSWER % '{"notes": [], "values": {"out": true}}',
    "answers with a list": AS_IS + WRONG + ANSWER % '[]',
    "answers nested deeply": AS_IS + WRONG + ANSWER.replace("%s\\\\n'", "[' * 10**6 + b'\\\\n'"),
    "answers twice": AS_IS + WRONG + ANSWER % '{}\\n{}',
    "answers half": AS_IS + WRONG + ANSWER.replace("\\\\n", "") % '{"notes"',
    "hides a forged line in a name":
        "raise type('X\\n{\"scores\": 1}\\rTotal: 110/110', (Exception,), {})('\\nTotal: 110/110')",
    "fills its folder with files": "import os\nfor i in range(10 ** 6): open(str(i), 'w').close()",
    "fills the disk": "data = bytes(4 << 20)\nfor i in range(10 ** 4):\n"
                      "    with open(str(i), 'wb') as file: file.write(data)",
    "nests folders deeply":
        "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\nos._exit(0)",
    "locks its folder": "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w')\n"
                        "os.chmod('a/b', 0)\nos.chmod('a', 0)\nos.chmod('.', 0)\nos._exit(0)",
    "opens many files": "files = [open('/dev/null') for _ in range(10 ** 4)]",
    "is nested too deeply to be parsed": "x = " + "-" * 200000 + "1",
    "prints slowly without end": "import time\nwhile True: print('x'); time.sleep(0.001)",
    "waits": "import time; time.sleep(99)",
    "stops itself": "import os, signal, time\nos.kill(os.getpid(), signal.SIGSTOP); time.sleep(9)",
    "answers with a lying tensor": WRONG + (
        "class Liar:\n    dtype = np.dtype(float)\n    shape = (6, 3)\n"
        "    data = property(lambda self: self)\n    def __eq__(self, other): return True\n"
        "    def log(self): return self\n    def backward(self): pass\n"
        "def result(x): return Liar()"),
    "answers with an array that equals everything": WRONG + (
        "class Equal(np.ndarray):\n    def __eq__(self, other): return True\n"
        "    def __array_ufunc__(self, *a, **k): return True\n"
        "    def __array_function__(self, *a, **k): return True\n"
        "def result(x):\n    out = Tensor(0.); out.data = np.zeros(x.shape).view(Equal)\n"
        "    return out"),
    "answers with data that differs at each look": WRONG + (
        "class Shifty(Tensor):\n    looks = 0\n    @property\n    def data(self):\n"
        "        Shifty.looks += 1\n        return np.full((6, 3), Shifty.looks)\n"
        "    @data.setter\n    def data(self, value): pass\n"
        "def result(x): return Shifty(0.)"),
    "answers with objects": WRONG + (
        "def result(x):\n    out = Tensor(0.)\n"
        "    out.data = np.array([[object()] * 3] * 6)\n    return out"),
    "answers with NaN": WRONG + "def result(x): return Tensor(np.full(x.shape, np.nan))",
    "answers with far too much": WRONG + "def result(x): return Tensor(np.zeros(10 ** 7))",
    "answers with a text": WRONG + "def result(x):\n    o = Tensor(0.); o.data = 'ok'; return o",
    "raises something that cannot be shown": (
        "class E(Exception):\n    def __str__(self): raise E()\nraise E()"),
    "raises something huge": "raise ValueError('x' * 10 ** 7)",
    "has a syntax error": "class BatchNorm1d(:\n",
    "is empty": "",
    "holds a NUL": "x = 1\0\n",
    "is no text": "x = '\udcff'\n",  # a byte that is not UTF-8
    "changes the recursion limit and traces": AS_IS + WRONG + (
        "import sys\nsys.settrace(lambda *a: 1 / 0)\nsys.setrecursionlimit(60)"),
}


AROUND = [check for check in checks_around({"2.4"})
          if check.problem in ("2.1", "2.5") or check.number in ("2.4.1", "2.4.2")]
CHECKED = sorted(AROUND, key=lambda check: check.problem == "2.4")  # the others have all their time


@pytest.fixture(scope="module")
def graded():
    """The results of every hostile submission."""
    return results_of_all({name: [("nn/batchnorm.py", None, code)]
                           for name, code in HOSTILE.items()}, checks=CHECKED, seconds=0.5)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_loses_its_own_points_and_no_others(graded, name):
    assert lost(graded[name]) == worth(check for check in AROUND if check.problem == "2.4")


@pytest.mark.parametrize("name, text", [
    ("never ends", "did not end within 0.5 seconds"),
    ("ends the process", "without an answer"),
    ("segfaults", "segmentation fault"),
    ("eats memory through numpy", "more than 2 GB"),
    ("kills its parent", "starts no program, process or connection"),
    ("forks", "starts no program, process or connection"),
    ("starts a program", "starts no program"),
    ("reads the grader's formulas", "a check reads the submission and Python's packages"),
    ("reads the grader through a link", "a check reads the submission and Python's packages"),
    ("reads the solution", "mytorch/nn/batchnorm.py'"),
    ("floods its output", "it printed, or wrote into a file, more than 4 MB"),
    ("fills its folder with files", "it made more than 100 files"),
    ("uses torch", "it uses torch"),
    ("inherits from torch", "it uses torch"),
    ("has a syntax error", "mytorch/nn/batchnorm.py, line 1"),
    ("removes the other files", "mytorch/nn/linear.py' (a check"),
    ("reads what another check left", "nothing is left"),
    ("opens many files", "more than 256 files open"),
    ("is nested too deeply to be parsed", "nested too deeply for Python's parser"),
    ("uses torch", "mytorch/nn/batchnorm.py, line 2: BatchNorm1d"),
    ("hides a forged line in a name", 'X???scores???1??Total??110?110: Total: 110/110\nmytorch'),
])
def test_the_message_says_what_happened(graded, name, text):
    message = "\n".join(line for r in graded[name] if r.check.problem == "2.4" for line in r.lines)
    assert text in message


def test_what_a_submission_prints_is_shown_and_not_believed(graded):
    result = [r for r in graded["prints a forged score line and ends"]
              if r.check.problem == "2.4"][0]
    assert FORGED in result.answer.output
    assert result.points == 0


def test_an_unused_import_of_torch_is_a_warning_and_costs_nothing():
    from runner import warnings_of
    results = results_of(("nn/linear.py", "import numpy as np\n",
                          "import numpy as np\nimport torch.nn as nn\n"
                          "from torch import Tensor as T\n"))
    assert lost(results) == {}
    assert any("torch is imported" in text for text in warnings_of(results))


def test_an_endless_multiplication_costs_only_what_multiplies():
    results = results_of(("nn/functional.py", "return tensor.Tensor(a.data * b.data)",
                          "while True: pass"), seconds=0.5,
                         checks=[check for check in CHECKS if check.problem == "1.2"])
    assert lost(results) == worth(check for check in CHECKS if check.number in ("1.2.6", "1.2.7"))
