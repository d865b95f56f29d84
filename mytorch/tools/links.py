"""What is wrong with the graph that forward left, from what its operations got."""

from collections import Counter

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
    lists = Counter(id(vertex.node.next_functions) for vertex in vertices
                    if vertex.kind == "operation" and isinstance(vertex.node.next_functions, list))
    for vertex in vertices:
        if vertex.kind == "operation" and vertex.call:
            parents = vertex.node.next_functions
            yield from call_findings(vertex.call, parents, lists[id(parents)] > 1)
        if any(parent and order[parent] >= order[vertex] for parent in vertex.parents):
            yield Finding("cycle", vertex.operation, **place_of(APPLY))


def call_findings(call, parents, is_shared=False):
    """Yield what is wrong with the next_functions of an operation's node, from what it got."""
    for argument in call.arguments:
        yield from lost(argument.value) or hidden(call, argument)
    name = call.operation.__name__
    if call.returns_argument:
        yield Finding("returns its argument", name, **place_of(call.operation.forward))
    if isinstance(call.result, Tensor):
        yield Finding("data is a Tensor", name)
    tensors = sum(argument.is_tensor for argument in call.arguments)
    if len(parents) > len(call.arguments) or is_shared:
        yield Finding("too many parents", name, expected=len(call.arguments), got=len(parents),
                      **place_of(APPLY))
    elif len(parents) < tensors:
        yield Finding("parents missing", name, expected=tensors, got=len(parents),
                      **place_of(APPLY))
    else:
        wrong = [(parent, argument) for parent, argument
                 in zip(parents, call.arguments_of(len(parents)))
                 if argument is not None and argument.needed and not stands_for(parent, argument)]
        if wrong and all(any(stands_for(parent, argument) for parent, _ in wrong)
                         for _, argument in wrong):
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
