import mytorch.nn.wrong

import sys


class A:
    def __repr__(self):
        return repr([self]) + repr(A())


sys.setrecursionlimit(10 ** 9)
repr(A())
