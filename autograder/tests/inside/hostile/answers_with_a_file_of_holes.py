import mytorch.nn.wrong

import os

os.ftruncate(3, 4 << 20)
os._exit(0)
