"""The graph behind a tensor, as it is seen from outside an engine."""

import gc
import sys
from dataclasses import dataclass

from mytorch.autograd_engine import AccumulateGrad
from mytorch.tensor import Tensor
from mytorch.tools.calls import call_of
from mytorch.tools.values import copy_of


@dataclass(eq=False)
class Vertex:
    """A place in the graph."""

    key: object
    kind: str  # "leaf", "operation" or "constant"
    node: object  # the engine's; None for a constant
    tensor: Tensor  # the leaf, the constant or the operation's output; None if it is not known
    name: str = ""
    call: object = None  # the Call of an operation, if it is known
    parents: list = None  # for each argument, the Vertex that it comes from, or None

    @property
    def label(self):
        """Its name or operation or both."""
        if self.kind == "operation":
            return f"{self.name} = {self.operation}" if self.name else self.operation
        return self.name or self.kind

    @property
    def operation(self):
        return getattr(self.node, "function_name", None) or self.node.cls.__name__

    @property
    def backward(self):
        """The function that differentiates an operation, or None if it has none."""
        return getattr(self.node.cls, "backward", None)

    def grad(self):
        """Return a copy of the gradient that a leaf has now."""
        return copy_of(getattr(self.tensor, "grad", None))

    def arguments(self):
        """Return the Argument at each entry of an operation's next_functions; None if not known."""
        number = len(self.node.next_functions if self.parents is None else self.parents)
        return self.call.arguments_of(number) if self.call else [None] * number

    def argument_names(self):
        """Return what forward calls each entry of an operation's next_functions, or []."""
        arguments = self.arguments()
        return [] if None in arguments else [self.call.name_of(one) for one in arguments]


def key_of(node, tensor=None):
    """Return what identifies a place: a leaf or constant itself, an operation's node."""
    place = tensor if node is None else getattr(node, "variable", None)
    return id(node if place is None else place)


def graph_of(output, names=None):
    """Return the graph behind a tensor: a dict from keys to Vertices, each after its parents.

    Raises:
        TypeError: ``output`` or something with a name is no Tensor.
        ValueError: ``output`` is outside any graph.
    """
    names = {} if names is None else names
    if not isinstance(names, dict):
        raise TypeError(f'names are a dict, such as {{"a": a}}; got {type(names).__name__}')
    for tensor in [output, *names.values()]:
        if not isinstance(tensor, Tensor):
            raise TypeError('a graph and its names, such as {"a": a}, belong to Tensors; got '
                            f"{type(tensor).__name__}")
    if not output.requires_grad:
        raise ValueError("this tensor is outside any graph: nothing it was computed from "
                         "requires grad")
    names = {key_of(tensor.grad_fn, tensor): str(name) for name, tensor in names.items()}
    found, graph = {}, {}

    def vertex_of(node, tensor, is_constant=False):
        place = object() if node is None and tensor is None else key_of(node, tensor)
        kind = "constant" if is_constant else kind_of(node, tensor)
        key = (place, "constant") if is_constant else place  # it may be a leaf later
        vertex = found.setdefault(key, Vertex(key, kind, node, tensor, names.get(place, ""),
                                              call_of(getattr(node, "ctx", None))))
        if vertex.tensor is None:
            vertex.tensor = tensor
        return vertex

    to_do = [vertex_of(output.grad_fn, output)]
    while to_do:  # depth first, without recursion
        vertex = to_do[-1]
        if vertex.parents is None:
            vertex.parents = [place and vertex_of(*place) for place in places_of(vertex)]
            to_do += [parent for parent in reversed(vertex.parents) if parent is not None]
        else:
            to_do.pop()
            graph[vertex.key] = vertex
    name_leaves(graph.values())
    return graph


def kind_of(node, tensor):
    if isinstance(node, AccumulateGrad) or node is None and getattr(tensor, "requires_grad", False):
        return "leaf"
    return "constant" if node is None else "operation"


def places_of(vertex):
    """Return the node and Tensor, as far as known, of each argument; None for what is neither."""
    if vertex.kind != "operation":
        return []
    places = []
    for node, argument in zip(vertex.node.next_functions, vertex.arguments()):
        if node is None:
            is_drawn = argument is not None and argument.is_tensor
            places.append((None, argument.value, not argument.needed) if is_drawn else None)
        elif getattr(node, "variable", None) is not None:
            places.append((node, node.variable))
        else:
            array = argument and argument.array
            places.append((node, None if array is None else Tensor(array)))
    return places


def name_leaves(vertices):
    """Name what is an attribute of a layer as that, such as "Linear 1.weight"; other leaves get
    numbers.
    """
    unnamed = [vertex for vertex in vertices if vertex.kind != "operation" and not vertex.name]
    places = {id(value): (layer, name) for layer in (layers() if unnamed else ())
              for name, value in vars(layer).items() if isinstance(value, Tensor)}
    owned = [vertex for vertex in unnamed if id(vertex.tensor) in places]
    owners = {}  # of each class the layers, in the order of the graph
    for vertex in owned:
        layer, _ = places[id(vertex.tensor)]
        owners.setdefault(type(layer), {})[id(layer)] = layer
    for vertex in owned:
        layer, name = places[id(vertex.tensor)]
        alike = list(owners[type(layer)])
        number = f" {1 + alike.index(id(layer))}" if len(alike) > 1 else ""
        vertex.name = f"{type(layer).__name__}{number}.{name}"
    leaves = [vertex for vertex in unnamed if vertex.kind == "leaf" and not vertex.name]
    for number, vertex in enumerate(leaves, 1):
        vertex.name = f"leaf {number}"


def layers():
    """Return all Modules that there are."""
    module = sys.modules.get("mytorch.nn.module")
    return [thing for thing in gc.get_objects()
            if module is not None and issubclass(type(thing), module.Module)]
