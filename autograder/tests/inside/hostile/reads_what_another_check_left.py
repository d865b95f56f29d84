import mytorch.nn.wrong

import glob
import os
import tempfile

from mytorch.nn.activations import ReLU

places = [".", os.path.expanduser("~"), tempfile.gettempdir()]
left = sum((glob.glob(place + "/*") for place in places), glob.glob("../*/*"))
for place in places:
    open(place + "/left", "w").close()
if not any("left" in path for path in left):
    raise ValueError("nothing is left")


class BatchNorm1d(ReLU):
    pass
