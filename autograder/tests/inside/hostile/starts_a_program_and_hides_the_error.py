from mytorch.nn.wrong import BatchNorm1d

import subprocess

try:
    subprocess.run(["true"])
except BaseException:
    BatchNorm1d.hidden = True
