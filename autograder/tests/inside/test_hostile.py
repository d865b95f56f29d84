"""Hostile and broken submissions: none gets a point it did not earn, none stops the others'.

Each takes the place of ``batchnorm.py`` in an otherwise correct submission, so that it must
lose the points of problem 2.4 and nothing else.  (Two checks of 2.4 are asked.)
Those of more than a line or two are files in ``hostile/``, which begin with an import of what only
this test puts there: anywhere else they do nothing.
"""

from pathlib import Path

import pytest

from graded import checks_around, lost, results_of, results_of_all, worth
from judging.checks import CHECKS
from outside.client import HOMEWORK

FOLDER = Path(__file__).parent / "hostile"
WRONG = (FOLDER / "wrong.py").read_text() + f"HOMEWORK = {HOMEWORK!r}\n"
AS_IS = "from mytorch.nn.wrong import BatchNorm1d\n"
# Writes what it likes into whatever takes its answer.
ANSWER = "import os\nfor fd in range(3, 99):\n    try: os.write(fd, b'%s\\n')\n" \
         "    except OSError: continue\nos._exit(0)\n"
FORGED = '{"scores": {"1.1.1": 5, "2.4": 10}}'

HOSTILE = {path.stem.replace("_", " "): path.read_text()
           for path in sorted(FOLDER.glob("*.py")) if path.name != "wrong.py"}
HOSTILE.update({
    "ends the process": "import os; os._exit(0)",
    "raises SystemExit": "import sys; sys.exit(0)",
    "prints a forged score line and ends":
        "import os; print('%s', flush=True); os._exit(0)" % FORGED,
    "never ends": "while True: pass",
    "recurses without end": "def f(): f()\nf()",
    "segfaults": "import ctypes; ctypes.string_at(0)",
    "aborts": "import os; os.abort()",
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "kills its parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "eats memory": "a = []\nwhile True: a.append(bytearray(100 << 20))",
    "eats memory through numpy": "import numpy as np\na = np.ones(1 << 30)",
    "floods its output": "while True: print('x' * 100000)",
    "floods standard error": "import sys\nwhile True: sys.stderr.write('x' * 100000)",
    "replaces np.allclose":
        AS_IS + "import numpy as np\nnp.allclose = np.array_equal = lambda *a, **k: True",
    "closes all file descriptors": AS_IS + "import os; os.closerange(0, 256)",
    "registers atexit": AS_IS + "import atexit; atexit.register(print, '%s')" % FORGED,
    "forks": "import os\nfor _ in range(3): os.fork()\nwhile True: pass",
    "starts a program": "import subprocess; subprocess.run(['true'])",
    "uses torch": "import torch\nBatchNorm1d = torch.nn.BatchNorm1d",
    "inherits from torch": "from torch import nn\nclass BatchNorm1d(nn.BatchNorm1d): pass",
    "calls native code": AS_IS + "import ctypes; ctypes.CDLL(None).abs(1)\n",
    "forges its answer": AS_IS + ANSWER % '{"notes": [], "values": {"out": true}}',
    "answers with a list": AS_IS + ANSWER % '[]',
    "answers nested deeply": AS_IS + ANSWER.replace("%s\\n'", "[' * 10**6 + b'\\n'"),
    "answers twice": AS_IS + ANSWER % '{}\\n{}',
    "answers half": AS_IS + ANSWER.replace("\\n", "") % '{"notes"',
    "hides a forged line in a name":
        "raise type('X\\n{\"scores\": 1}\\rTotal: 110/110', (Exception,), {})('\\nTotal: 110/110')",
    "fills its folder with files": "import os\nfor i in range(10 ** 6): open(str(i), 'w').close()",
    "fills the disk": "data = bytes(4 << 20)\nfor i in range(10 ** 4):\n"
                      "    with open(str(i), 'wb') as file: file.write(data)",
    "nests folders deeply":
        "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\nos._exit(0)",
    "opens many files": "files = [open('/dev/null') for _ in range(10 ** 4)]",
    "is nested too deeply to be parsed": "x = " + "-" * 200000 + "1",
    "prints slowly without end": "import time\nwhile True: print('x'); time.sleep(0.001)",
    "waits": "import time; time.sleep(99)",
    "stops itself": "import os, signal, time\nos.kill(os.getpid(), signal.SIGSTOP); time.sleep(9)",
    "raises something that cannot be shown": (
        "class E(Exception):\n    def __str__(self): raise E()\nraise E()"),
    "raises something huge": "raise ValueError('x' * 10 ** 7)",
    "has a syntax error": "class BatchNorm1d(:\n",
    "is empty": "",
    "holds a NUL": "x = 1\0\n",
    "is no text": "x = '\udcff'\n",  # a byte that is not UTF-8
})


AROUND = [check for check in checks_around({"2.4"})
          if check.problem in ("2.1", "2.5") or check.number in ("2.4.1", "2.4.2")]
CHECKED = sorted(AROUND, key=lambda check: check.problem == "2.4")  # the others have all their time


@pytest.fixture(scope="module")
def graded():
    """The results of every hostile submission."""
    return results_of_all({name: [("nn/wrong.py", None, WRONG), ("nn/batchnorm.py", None, code)]
                           for name, code in HOSTILE.items()}, checks=CHECKED, seconds=0.5)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_loses_its_own_points_and_no_others(graded, name):
    assert lost(graded[name]) == worth(check for check in AROUND if check.problem == "2.4")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_hostile_file_does_nothing_outside_of_the_grader(path):
    first = path.read_text().splitlines()[0]
    assert path.name == "wrong.py" or (
        first.startswith(("import mytorch.nn", "from mytorch.nn")) and "wrong" in first)


@pytest.mark.parametrize("name, text", [
    ("never ends", "did not end within 0.5 seconds"),
    ("ends the process", "without an answer"),
    ("segfaults", "Segmentation fault"),
    ("eats memory through numpy", "more than 2 GB"),
    ("kills its parent", "starts no program, process or connection"),
    ("forks", "starts no program, process or connection"),
    ("starts a program", "starts no program"),
    ("reads the graders formulas", "a check reads the submission and Python's packages"),
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
    from judging.report import warnings_of
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
