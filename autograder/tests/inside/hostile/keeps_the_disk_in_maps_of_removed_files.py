import mytorch.nn.wrong

import mmap
import os

maps = []
while True:
    with open("x", "w+b") as file:
        file.truncate(4 << 20)
        maps.append(mmap.mmap(file.fileno(), 4 << 20))
    maps[-1][:] = b"x" * (4 << 20)
    os.remove("x")
