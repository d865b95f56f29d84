from mytorch.nn.wrong import BatchNorm1d

import os
import sqlite3

path = os.path.join(os.path.dirname(__file__), "x.db")
sqlite3.connect(path).execute("vacuum")
