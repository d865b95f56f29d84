"""Watches the graph while a scenario runs once more, and tells the grader plain facts about it.

Like ``helpers.py``, this is a text for the submission's process.  It wraps the names that every
submission has: ``apply`` of ``Function`` and of both kinds of node, ``Tensor``'s methods.  A fact
is a text such as "requires_grad lost|Mul": what ``explain.py`` has a sentence for.
"""

from contextlib import suppress

facts = {}
roots = []  # the nodes from which Tensor.backward() started
arguments = {}  # of each operation's node, by id; holding the node, so that ids stay unique


def note(*parts):
    facts.setdefault("|".join(str(part) for part in parts), True)


def observing(scenario):
    """The scenario, returning what was seen in place of its values."""
    def observe(**inputs):
        with suppress(Exception):
            watch()
        with suppress(Exception):
            scenario(**inputs)
        with suppress(Exception):
            look_for_shared_memory()
        return dict(list(facts.items())[:40])
    return observe


def watch():
    from mytorch.tensor import Tensor
    for operator, name in (("sub", "Sub"), ("mul", "Mul"), ("truediv", "Div")):
        wrap(Tensor, f"__{operator}__", lambda original, *args, name=name: (
            note("uses", name), original(*args))[1])
    wrap(Tensor, "backward", start)
    from mytorch.autograd_engine import BackwardFunction, Function
    original = Function.apply.__func__
    Function.apply = classmethod(lambda cls, *args: applied(original, cls, args))
    wrap(BackwardFunction, "apply", passed_back)
    with suppress(ImportError):
        from mytorch.autograd_engine import AccumulateGrad
        wrap(AccumulateGrad, "apply", arrived)
    with suppress(ImportError):
        from mytorch.optim.sgd import SGD
        wrap(SGD, "step", stepped)


def wrap(owner, name, wrapper):
    original = getattr(owner, name, None)
    if original is not None:
        setattr(owner, name, lambda *args: wrapper(original, *args))


def is_tensor(value):
    return hasattr(value, "requires_grad") and hasattr(value, "grad_fn")


def is_gradient(value):
    return value is None or is_tensor(value)


def start(original, tensor, *args):
    if tensor.grad_fn is None:
        note("no grad_fn")
    roots.append(tensor.grad_fn)
    return original(tensor, *args)


def stepped(original, optimizer, *args):
    before = list(optimizer.params)
    result = original(optimizer, *args)
    if any(one is not other for one, other in zip(before, optimizer.params)):
        note("parameter replaced")
    if any(is_tensor(param.data) for param in optimizer.params):
        note("param.data is a Tensor")
    return result


def applied(original, cls, args):
    """One call of Function.apply."""
    note("uses", cls.__name__)
    before = [np.array(arg.data) for arg in args if is_tensor(arg)]
    try:
        output = original(cls, *args)
    except RecursionError:
        raise  # looking once more would take as long again, at every level
    except Exception:
        look_at_forward(cls, args)
        raise
    if not is_tensor(output) and not look_at_forward(cls, args):
        note("apply returns", type(output).__name__)
    with suppress(Exception):
        look_at_output(cls.__name__, args, output)
        for arg, old in zip([arg for arg in args if is_tensor(arg)], before):
            if not ((arg.data == old) | (old != old)).all():
                note("input changed", cls.__name__)
    return output


def look_at_forward(cls, args):
    """Whether forward returns anything but a Tensor, which is then noted."""
    from mytorch.autograd_engine import ContextManager
    with suppress(Exception):
        output = cls.forward(ContextManager(), *args)
        if not is_tensor(output):
            note("forward returns", cls.__name__, type(output).__name__)
            return True
    return False


def look_at_output(name, args, output):
    if is_tensor(output.data):
        note("data is a Tensor", name)
    elif any(is_tensor(arg) and arg.requires_grad for arg in args):
        if not output.requires_grad:
            note("requires_grad lost", name)
        elif output.grad_fn is None:
            note("no node", name)
        else:
            arguments[id(output.grad_fn)] = output.grad_fn, name, args, np.shape(output.data)
            look_at_parents(name, args, output.grad_fn.next_functions)


def look_at_parents(name, args, parents):
    if len(parents) < sum(is_tensor(arg) for arg in args):
        note("parents missing", name, len(parents), sum(is_tensor(arg) for arg in args))
        return
    if len(parents) > len(args):
        note("too many parents", name, len(parents), len(args))
        return
    for arg, parent in zip(args, parents):
        if is_tensor(arg) and arg.requires_grad:
            if parent is None:
                note("parent is None", name)
            elif not arg.is_leaf and parent is not arg.grad_fn:
                note("parent is another", name, type(parent).__name__)


def passed_back(original, node, *grads):
    """One call of BackwardFunction.apply."""
    if not arrived_well(node, grads[0]):
        return original(node, *grads)
    result = original(node, *grads)
    with suppress(Exception):
        _, name, args, _ = arguments[id(node)]
        parts = result if isinstance(result, (tuple, list)) else [result]
        if result is not None and any(is_tensor(arg) for arg in args[len(parts):]):
            note("too few gradients", name, len(parts), len(args))
        for arg, part in zip(args, parts):
            if is_tensor(arg) and arg.requires_grad:
                if part is None:
                    note("gradient is None", name)
                elif not is_tensor(part):
                    note("gradient is no Tensor", name, type(part).__name__)
                elif np.shape(part.data) != np.shape(arg.data):
                    note("gradient's shape", name, np.shape(part.data), np.shape(arg.data))
    return result


def arrived(original, leaf, *grads):
    """One call of AccumulateGrad.apply."""
    if not is_gradient(grads[0]):
        note("no Tensor arrives", type(grads[0]).__name__, "a leaf")
    return original(leaf, *grads)


def arrived_well(node, grad):
    """Whether what arrives at an operation's node is a Tensor of its output's shape."""
    with suppress(Exception):
        _, name, _, shape = arguments[id(node)]
        start = any(node is root for root in roots)
        if not is_gradient(grad):
            kind = type(grad).__name__
            note(*("seed is no Tensor", kind) if start else ("no Tensor arrives", kind, name))
            return False
        got = np.shape(grad.data)
        if got != shape:
            note(*("seed's shape", got, shape) if start else
                 ("shape that arrives", got, name, shape))
            return False
    return True


def look_for_shared_memory():
    found = {id(arg): arg for _, _, args, _ in arguments.values() for arg in args
             if is_tensor(arg) and arg.is_leaf and arg.grad is not None}
    grads = [array_of(leaf.grad) for leaf in found.values()]
    for i, grad in enumerate(grads):
        if any(np.shares_memory(grad, other) for other in grads[:i]):
            note("gradients share memory")
