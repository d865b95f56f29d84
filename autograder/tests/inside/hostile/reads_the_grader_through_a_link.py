from mytorch.nn.wrong import HOMEWORK, BatchNorm1d

import os
import tempfile

path = tempfile.mkdtemp() + "/link"
os.symlink(HOMEWORK + "/test_mlp.py", path)
open(path).read()
