"""What is wrong with the graph that forward left, from what its operations got."""

from mytorch.autograd_engine import AccumulateGrad
from mytorch.tensor import Tensor
from mytorch.tools.calls import APPLY, call_of
from mytorch.tools.findings import Finding
from mytorch.tools.places import place_of


def lost(tensor):
    """Return Findings where a Tensor has no node although what it came from requires grad."""
    found = []
    while call_of(tensor) is not None:  # back to the first
        call = call_of(tensor)
        kind = "no node" if tensor.requires_grad else "requires_grad lost"
        own = [hidden(call, argument) or [
            Finding(kind, call.operation.__name__, call.name_of(argument), **place_of(APPLY))]
            for argument in call.arguments if argument.needed or argument.hides]
        found = own[0] if own else found
        tensor = next((argument.value for argument in call.arguments
                       if call_of(argument.value) is not None), None)
    return found


def hidden(call, argument):
    """Return a Finding where Tensors that require grad come in a list or tuple."""
    return [Finding("hidden in a list", call.operation.__name__, call.name_of(argument),
                    got=type(argument.value).__name__)] * argument.hides


def graph_findings(vertices):
    """Yield what is wrong with the nodes that forward left, the first operation first."""
    order = {vertex: number for number, vertex in enumerate(vertices)}
    yield from shared_lists([vertex.node for vertex in vertices if vertex.kind == "operation"])
    for vertex in vertices:
        if vertex.kind == "operation" and vertex.call:
            yield from call_findings(vertex.call, vertex.node.next_functions)
        if any(parent and order[parent] >= order[vertex] for parent in vertex.parents):
            yield Finding("cycle", vertex.operation, **place_of(APPLY))


def shared_lists(nodes):
    """Yield a Finding where several nodes have one list of parents, or of saved tensors."""
    for name, lists in (("next_functions", [node.next_functions for node in nodes]),
                        ("saved_tensors", [getattr(getattr(node, "ctx", None), "saved_tensors", ())
                                           for node in nodes])):
        found = [id(one) for one in lists if isinstance(one, list) and one]
        if len(set(found)) < len(found):
            yield Finding("shared list", got=name)


def call_findings(call, parents):
    """Yield what is wrong with the next_functions of an operation's node, from what it got."""
    for argument in call.arguments:
        yield from lost(argument.value) or hidden(call, argument)
    name = call.operation.__name__
    if call.returns_argument:
        yield Finding("returns its argument", name, **place_of(call.operation.forward))
    if isinstance(call.result, Tensor):
        yield Finding("data is a Tensor", name)
    tensors = sum(argument.is_tensor for argument in call.arguments)
    if len(parents) > len(call.arguments):
        yield Finding("too many parents", name, expected=len(call.arguments), got=len(parents),
                      **place_of(APPLY))
    elif len(parents) < tensors:
        yield Finding("parents missing", name, expected=tensors, got=len(parents),
                      **place_of(APPLY))
    else:
        wrong = [(parent, argument) for parent, argument
                 in zip(parents, call.arguments_of(len(parents)))
                 if argument is not None and argument.needed and not stands_for(parent, argument)]
        nodes = [parent for parent in parents if parent is not None]
        if wrong and len(nodes) == sum(argument.needed for argument in call.arguments) and all(
                any(stands_for(node, argument) for node in nodes) for _, argument in wrong):
            yield Finding("parents in another order", name, **place_of(APPLY))
            return
        for parent, argument in wrong:
            yield Finding("parent is None" if parent is None else "parent is another", name,
                          call.name_of(argument), got=type(parent).__name__, **place_of(APPLY))


def stands_for(node, argument):
    """Tell whether a node is that of an argument that requires grad."""
    if isinstance(argument.node, AccumulateGrad) or argument.node is None:  # a leaf
        leaf = getattr(node, "variable", argument.value)
        return node is not None and (leaf is argument.value or argument.value is None)
    return node is argument.node
