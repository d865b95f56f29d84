import __main__

from mytorch.nn.wrong import BatchNorm1d

__main__.values.encode = lambda value: {
    "dtype": "<f8", "shape": [float("inf")], "data": "\ud800"}
__main__.imports.notes.append("\ud800")
