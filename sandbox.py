"""The sandbox: a place to try operations and autograd.  Handout 0.3.3.

    python3 sandbox.py             looks at small programs, then tells the handout's example
    python3 sandbox.py my_file.py  runs a file of your own with the same names at hand

Your own experiments go into the function ``experiment`` at the end.
"""

import runpy
import signal
import sys
import textwrap
from pathlib import Path

try:
    import numpy as np
except ImportError:
    sys.exit("sandbox.py: this Python has no numpy; after ./grade.sh m has made .venv, run\n"
             "    .venv/bin/python sandbox.py")

from mytorch.autograd_engine import ContextManager, Function, no_grad  # noqa: F401
from mytorch.nn import functional as F  # noqa: F401
from mytorch.nn.activations import ReLU
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD  # noqa: F401
from mytorch.tensor import Tensor
from mytorch.tools import animate, diagnose, draw, gradcheck, trace  # noqa: F401
from mytorch.tools.diagnosis import look_at
from mytorch.tools.places import fell_at

PICTURE = Path(__file__).resolve().parent / "sandbox_graph.png"
NOISE = np.random.RandomState(11785)


def leaf(*shape):
    """A gradient-enabled tensor of numbers between 1 and 2, where every operation is smooth."""
    return Tensor(NOISE.uniform(1, 2, shape), requires_grad=True)


def normalized(is_train):
    """What a BatchNorm1d makes of a batch, and the logarithm of it."""
    bn = BatchNorm1d(3)
    bn.beta.data = bn.beta.data + 5  # so that the logarithm exists
    if not is_train:
        bn.eval()
    return bn(leaf(4, 3)).log()


def network():
    """The loss of a small network."""
    net = Sequential(Linear(5, 4), BatchNorm1d(4), ReLU(), Linear(4, 3))
    return CrossEntropyLoss()(net(leaf(6, 5)), Tensor(np.arange(6) % 3))


PROGRAMS = {  # each makes a tensor, whose backward pass is then looked at
    "a + b": lambda: leaf(2, 3) + leaf(2, 3),
    "a - b": lambda: leaf(2, 3) - leaf(2, 3),
    "a * b": lambda: leaf(2, 3) * leaf(2, 3),
    "a / b": lambda: leaf(2, 3) / leaf(2, 3),
    "the handout's example": lambda: example()[0],
    "Linear": lambda: Linear(3, 2)(leaf(4, 3)),
    "ReLU": lambda: ReLU()(leaf(4, 3) + Tensor(-1.5)),
    "BatchNorm1d in training": lambda: normalized(True),
    "BatchNorm1d in evaluation": lambda: normalized(False),
    "CrossEntropyLoss": lambda: CrossEntropyLoss()(leaf(3, 4), Tensor(np.array([0, 3, 1]))),
    "a network": network,
}


def check(name, program):
    """Look at the backward pass of a program's tensor; prints a line and tells if it is right."""
    try:
        found, _ = look_at(program())
    except Exception as error:  # a half-finished operation may raise anything
        found = [told(error)]
    text = str(found[0]) if found else ""
    _, is_unwritten, missing = text.partition("NotImplementedError: ")  # in the starter handout
    if is_unwritten:
        print(f"  --    {name}: {missing}")
    else:
        print(f"  {'FAIL' if found else 'ok  '}  {name}")
        print(textwrap.indent(textwrap.fill(text, 80) + "\n" * bool(text), " " * 8), end="")
    return not found


def told(error):
    """Write an error with the place where it fell."""
    at = fell_at(error)
    return f"{type(error).__name__}: {error}" + (f" ({Path(at['file']).name}:{at['line']})"
                                                 if at else "")


def check_programs():
    """Look at the operators, broadcasting, the layers and the loss."""
    print("What backward() does, against differences of each operation's own forward:")
    passed = [check(name, program) for name, program in PROGRAMS.items()]
    passed.append(testbroadcast())
    print("(A forward that computes something else than you mean is not seen here, but by "
          "./grade.sh 1.)")
    return all(passed)


def testbroadcast():
    """Look at operands that NumPy broadcasts (handout 2.1)."""
    shapes = [((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((3, 4), ())]
    return all([check(f"broadcast {one} and {other}",
                      lambda: leaf(*one) * leaf(*other) + leaf(*one) / leaf(*other))
                for one, other in shapes])


def example():
    """The handout's example (0.1.4): its output, and names for its tensors."""
    a = Tensor(1., requires_grad=True)
    b = Tensor(2.)
    c = Tensor(3., requires_grad=True)
    d = a * b + a
    e = (d + c) + 3
    return e, {"a": a, "b": b, "c": c, "d": d, "e": e}


def worked_example():
    """The trace, the picture and the gradients of the handout's example."""
    e, names = example()
    print("\nThe handout's example, d = a * b + a and e = (d + c) + 3:\n")
    trace(e, names)
    a, b, c = grads = [names[name].grad for name in "abc"]
    print(f"\n  a.grad = {a} (should be 3), b.grad = {b} (should be None), c.grad = {c} "
          "(should be 1)")
    try:
        draw(e, PICTURE, names)
    except ImportError as error:  # matplotlib is for pictures alone
        print(f"  there is no picture of its graph: {error}")
    except OSError as error:
        print(f"  its graph cannot be written: {error}")
    return [getattr(grad, "data", None) for grad in grads] == [3, None, 1]


def experiment():
    """YOUR OWN EXPERIMENTS GO HERE.  For example:

        x = Tensor([1., 2.], requires_grad=True)
        y = (x * x).sum()
        diagnose(y, {"x": x, "y": y})                  the first thing that is wrong, if any
        trace(y, {"x": x, "y": y})                     what backward() does, step by step
        animate(y, "steps.html", {"x": x, "y": y})     the same, to step through in a browser
        draw(y, "graph.png", {"x": x, "y": y})
    """


def run_file(path):
    """Run a student's file as a program, with the names of this module at hand."""
    if not Path(path).is_file():
        print(f"sandbox.py: there is no file {path}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(Path(path).resolve().parent))
    runpy.run_path(path, dict(globals()), "__main__")
    return 0


def main():
    if len(sys.argv) > 2 or sys.argv[-1].startswith("-"):
        print("usage: python3 sandbox.py [FILE.py]", file=sys.stderr)
        return 2
    if len(sys.argv) == 2:
        return run_file(sys.argv[1])
    passed = check_programs()
    try:
        passed = worked_example() and passed
    except NotImplementedError as missing:  # in the starter handout
        print(f"\nThe handout's example needs more: {missing}")
        passed = False
    except Exception as error:
        print(f"\nThe handout's example ends with {told(error)}")
        passed = False
    experiment()
    return 0 if passed else 1


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # "| head" ends it without a traceback
    sys.exit(main())
