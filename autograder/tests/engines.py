"""Other engines of the handout's names, as changes of the plain submission in ``plain/``."""

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
