"""Files that a student gives to the sandbox run as they would alone."""

import subprocess
import sys
from pathlib import Path

import pytest

SANDBOX = Path(__file__).resolve().parents[3] / "sandbox.py"

PICKLES = """
import copy, pickle
from mytorch.nn.module import Module

class Net(Module):
    def __init__(self):
        super().__init__()
        self.layer = Linear(2, 1)

net = pickle.loads(pickle.dumps(Net()))
assert type(net) is Net and len(list(net.parameters())) == 2
print(__name__, "done")
"""


@pytest.mark.parametrize("name, text, encoding, wanted", [
    ("classes that can be pickled", PICKLES, "utf-8", "__main__ done"),
    ("a cookie", "# -*- coding: latin-1 -*-\nprint(len('\u00e9'), 'done')\n", "latin-1", "1 done"),
    ("a mark of the byte order", "print('done')\n", "utf-8-sig", "done")])
def test_a_file_runs_as_it_would_alone(tmp_path, name, text, encoding, wanted):
    mine = tmp_path / "mine.py"
    mine.write_text(text, encoding=encoding)
    process = subprocess.run([sys.executable, str(SANDBOX), str(mine)], cwd=str(tmp_path),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.decode().strip() == wanted


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_reader_who_goes_ends_it_without_a_traceback():
    process = subprocess.Popen([sys.executable, "-u", str(SANDBOX)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
