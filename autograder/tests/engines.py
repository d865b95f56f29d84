"""Other engines of the handout's names, as changes of the plain submission in ``plain/``."""

import importlib
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from graded import REPOSITORY, change, variant

ENGINE = "autograd_engine.py"
PACKAGE = ("__init__.py", None, "")
NUMPY_GRADIENTS = [
    ("tensor.py", "Tensor(seed)", "seed"),
    (ENGINE, "new = grad.data if old is None else old.data + grad.data\n", "\n"),
    (ENGINE, "self.variable.grad = Tensor(new)",
     "self.variable.grad = grad if old is None else old + grad"),
    (ENGINE, "result = self.cls.backward(self.ctx, *grads)", """\
from mytorch.tensor import Tensor
        result = self.cls.backward(self.ctx, *[Tensor(grad) for grad in grads])
        result = result if isinstance(result, tuple) else (result,)
        result = tuple(None if grad is None else grad.data for grad in result)"""),
]
TOPOLOGICAL_SORT = [(ENGINE, "def backward(grad_fn, grad_of_outputs):\n", """\
def backward(grad_fn, grad_of_outputs):
    from mytorch.tensor import Tensor
    order, seen, to_do = [], set(), [(grad_fn, False)]
    while to_do:
        node, is_done = to_do.pop()
        if is_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            to_do.append((node, True))
            to_do += [(parent, False) for parent in node.next_functions if parent]
    sums = {grad_fn: grad_of_outputs}
    for node in reversed(order):
        grads = node.apply(sums.pop(node)) or ()
        grads = grads if isinstance(grads, tuple) else (grads,)
        for parent, grad in zip(node.next_functions, grads):
            if parent:
                sums[parent] = Tensor(sums[parent].data + grad.data) if parent in sums else grad


def recursive(grad_fn, grad_of_outputs):
""")]
SLOTS = [(ENGINE, "class BackwardFunction:\n", """\
class BackwardFunction:
    __slots__ = ("cls", "ctx", "next_functions")

"""), (ENGINE, "class ContextManager:\n", """\
class ContextManager:
    __slots__ = ("saved_tensors", "shape", "shapes", "axis")

""")]


@contextmanager
def engine(base, *changes):
    """An engine in place of this library: a function that imports its modules.

    Args:
        base (list or None): what makes it of the plain submission; None is this library's own.
        *changes: what is wrong with it.
    """
    with variant(PACKAGE, *(base or ())) as folder:
        place, library = Path(folder, "mytorch"), Path(REPOSITORY, "mytorch")
        if base is None:
            shutil.rmtree(str(place))
            shutil.copytree(str(library), str(place))
        else:
            shutil.copytree(str(library / "tools"), str(place / "tools"))
        for file, old, new in changes:
            change(str(place / file), old, new)
        ours = forget_mytorch()
        sys.path.insert(0, folder)
        try:
            yield lambda name: importlib.import_module("mytorch." + name)
        finally:
            sys.path.remove(folder)
            forget_mytorch()
            sys.modules.update(ours)


def forget_mytorch():
    return {name: sys.modules.pop(name) for name in list(sys.modules)
            if name.split(".")[0] == "mytorch"}
