import mytorch.nn.wrong

import os

os.mkdir("d", 0o300)
i = 0
while True:
    i += 1
    open(f"d/{i}", "w").close()
