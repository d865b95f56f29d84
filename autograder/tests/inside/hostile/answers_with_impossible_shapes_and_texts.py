from mytorch.nn.wrong import BatchNorm1d

import __main__

__main__.values.encode = lambda value: {
    "dtype": "<f8", "shape": [float("inf")], "data": "\ud800"}
__main__.imports.notes.append("\ud800")
