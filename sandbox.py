"""The sandbox: a place to try operations and autograd.  Handout 0.3.3.

    python3 sandbox.py             checks the operations, then the handout's example
    python3 sandbox.py my_file.py  runs a file of your own with the same names at hand

Your own experiments go into the function ``experiment`` at the end.
"""

import inspect
import runpy
import sys
from pathlib import Path

try:
    import numpy as np
except ImportError:
    sys.exit("sandbox.py: this Python has no numpy; after ./grade.sh m has made .venv, run\n"
             "    .venv/bin/python sandbox.py")

from mytorch.autograd_engine import ContextManager, Function, no_grad  # noqa: F401
from mytorch.nn import functional as F
from mytorch.nn.activations import ReLU  # noqa: F401
from mytorch.nn.batchnorm import BatchNorm1d  # noqa: F401
from mytorch.nn.linear import Linear  # noqa: F401
from mytorch.nn.loss import CrossEntropyLoss  # noqa: F401
from mytorch.nn.sequential import Sequential  # noqa: F401
from mytorch.optim.sgd import SGD  # noqa: F401
from mytorch.tensor import Tensor
from mytorch.tools import animate, draw, gradcheck, trace  # noqa: F401

PICTURE = Path(__file__).resolve().parent / "sandbox_graph.png"
NOISE = np.random.RandomState(11785)


def leaf(*shape):
    """A gradient-enabled tensor of numbers between 1 and 2, where every operation is smooth."""
    return Tensor(NOISE.uniform(1, 2, shape), requires_grad=True)


# What to call the operations with that do not simply take one or two tensors.
ARGUMENTS = {
    "Reshape": lambda: (leaf(2, 3), (3, 2)),
    "Sum": lambda: (leaf(2, 3), 0, False),
    "Mean": lambda: (leaf(2, 3), 1, True),
    "MatMul": lambda: (leaf(2, 3), leaf(3, 4)),
    "Linear": lambda: (leaf(4, 3), leaf(2, 3), leaf(2)),
    "CrossEntropy": lambda: (leaf(3, 4), Tensor(np.array([0, 3, 1]))),
}


def arguments_of(operation):
    """Inputs for an operation: one tensor or two, as its forward takes them; else None."""
    forward = inspect.signature(operation.forward)
    given = ARGUMENTS.get(operation.__name__)
    for inputs in [given()] if given else ([leaf(2, 3)], [leaf(2, 3), leaf(2, 3)]):
        try:
            forward.bind("ctx", *inputs)
            return inputs
        except TypeError:
            continue
    return None


def check(name, function, inputs):
    """Compare a function's gradients with central differences; prints one line."""
    try:
        gradcheck(function, *inputs)
    except Exception as reason:  # a half-finished operation may raise anything
        print(f"  FAIL  {name:32s} {type(reason).__name__}: {reason}")
        return False
    print(f"  ok    {name}")
    return True


def check_operations():
    """Check the operators, broadcasting, and every operation of functional.py."""
    print("Gradients against central differences:")
    passed = [check("a + b", lambda a, b: a + b, (leaf(2, 3), leaf(2, 3))),
              check("a - b", lambda a, b: a - b, (leaf(2, 3), leaf(2, 3))),
              check("a * b", lambda a, b: a * b, (leaf(2, 3), leaf(2, 3))),
              check("a / b", lambda a, b: a / b, (leaf(2, 3), leaf(2, 3)))]
    passed.append(testbroadcast())
    for name, operation in sorted(vars(F).items()):
        if isinstance(operation, type) and issubclass(operation, Function) \
                and operation is not Function:
            inputs = arguments_of(operation)
            if inputs is None:
                print(f"  --    {'F.' + name:32s} (takes other arguments)")
            else:
                passed.append(check("F." + name, operation.apply, inputs))
    bn = BatchNorm1d(3)
    bn.beta.data = bn.beta.data + 5  # so that the logarithm exists
    passed.append(check("BatchNorm1d in training", lambda x, gamma, beta: bn(x).log(),
                        (leaf(4, 3), bn.gamma, bn.beta)))
    passed.append(check("BatchNorm1d in evaluation", lambda x: bn.eval()(x), (leaf(4, 3),)))
    return all(passed)


def testbroadcast():
    """Check the gradients of operands that NumPy broadcasts (handout 2.1)."""
    shapes = [((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((3, 4), ())]
    return all([check(f"broadcast {one} and {other}", lambda a, b: a * b + a / b,
                      (leaf(*one), leaf(*other))) for one, other in shapes])


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
        print(f"  its graph: {PICTURE}")
    except OSError as error:
        print(f"  its graph cannot be written: {error}")
    return [getattr(grad, "data", None) for grad in grads] == [3, None, 1]


def experiment():
    """YOUR OWN EXPERIMENTS GO HERE.  For example:

        x = Tensor([1., 2.], requires_grad=True)
        y = (x * x).sum()
        trace(y, {"x": x, "y": y})
        draw(y, "my_graph.png", {"x": x, "y": y})
        gradcheck(lambda x: x.log(), x)
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
    passed = check_operations()
    try:
        passed = worked_example() and passed
    except NotImplementedError as missing:  # in the starter handout
        print(f"\nThe handout's example needs more: {missing}")
        passed = False
    experiment()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
