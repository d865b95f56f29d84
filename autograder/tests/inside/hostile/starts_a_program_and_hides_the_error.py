import subprocess

from mytorch.nn.wrong import BatchNorm1d

try:
    subprocess.run(["true"])
except BaseException:
    BatchNorm1d.hidden = True
