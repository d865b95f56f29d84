"""Seeing the graph: a trace of the backward pass, a picture of the graph, an animation.

``trace`` tells the recursive calls as the handout does in section 0.1.5, ``draw`` shows the
graph, ``animate`` the gradients as they travel through it.  What is shown is what the engine
did: a ``Recorder`` is told of every visit while ``backward()`` runs.

From the import of this module on, the nodes of every graph keep the inputs of their operations,
which are shown too.
"""

import os
from collections import namedtuple

import numpy as np

from mytorch import autograd_engine
from mytorch.autograd_engine import AccumulateGrad
from mytorch.tensor import Tensor



MOST_NODES = 200
MOST_FRAMES = 60
DEEPEST_INDENT = 20
ENDINGS = (".png", ".svg", ".pdf")


# ---- what is in the graph

class Vertex:
    """A place in the graph: a leaf, an operation or a constant.

    Attributes:
        kind (str): "leaf", "operation" or "constant".
        node (node or None): its node in the engine; None for a constant.
        tensor (Tensor or None): the tensor that it stands for.
        label (str): its name, or that of its operation.
        parents (list of Vertex): its inputs, in order.
    """

    def __init__(self, kind, node, tensor, label):
        self.kind = kind
        self.node = node
        self.tensor = tensor
        self.label = label
        self.parents = []


def vertices_of(output, names=None, most=MOST_NODES):
    """The graph behind a tensor, as Vertices; the inputs of each come before it.

    Returns:
        tuple: the list, and how many were left out of a graph of more than ``most``.

    Raises:
        TypeError, ValueError: no Tensor, one outside any graph, or a graph whose nodes did not
            keep their inputs.
    """
    if not isinstance(output, Tensor):
        raise TypeError("a graph belongs to a Tensor, got %s" % type(output).__name__)
    labels = _labels(names)
    root = autograd_engine.node_of(output) if output.requires_grad else None
    if root is None:
        raise ValueError("this tensor is outside any graph: nothing it was computed from requires "
                         "grad")
    found = {}  # id of a node or of a constant tensor -> its Vertex

    def vertex_of(node, tensor):
        key = id(tensor) if node is None else id(node)
        new = key not in found
        if new:
            kind = ("constant" if node is None else
                    "leaf" if isinstance(node, AccumulateGrad) else "operation")
            label = labels.get(id(tensor))
            if kind == "operation":
                label = node.function_name if label is None else "%s = %s" % (label,
                                                                             node.function_name)
            found[key] = Vertex(kind, node, tensor, label or kind)
        return found[key], new

    first, _ = vertex_of(root, output)
    queue = [first]
    for vertex in queue:  # breadth first, so that what is left out is farthest from the output
        for node, tensor in _inputs_of(vertex):
            parent, new = vertex_of(node, tensor)
            vertex.parents.append(parent)
            if new:
                queue.append(parent)
    shown = queue if most is None else queue[:most]
    ids = set(map(id, shown))
    for vertex in shown:
        vertex.parents = [parent for parent in vertex.parents if id(parent) in ids]
    return _inputs_first(shown), len(queue) - len(shown)


def _inputs_of(vertex):
    """The node (None: a constant) and the Tensor of every input of an operation."""
    if vertex.kind != "operation":
        return []
    if len(vertex.node.inputs) < len(vertex.node.next_functions):
        raise ValueError("the nodes of this graph did not keep their inputs: it was made by hand, "
                         "or before mytorch.graph was imported")
    return [(node, argument) for node, argument in zip(vertex.node.next_functions,
                                                       vertex.node.inputs)
            if isinstance(argument, Tensor)]


def _inputs_first(vertices):
    """The vertices in an order in which each comes after its parents."""
    waiting = {id(v): len(v.parents) for v in vertices}
    children = {id(v): [] for v in vertices}
    for vertex in vertices:
        for parent in vertex.parents:
            children[id(parent)].append(vertex)
    ordered = [v for v in reversed(vertices) if not v.parents]
    for vertex in ordered:
        for child in children[id(vertex)]:
            waiting[id(child)] -= 1
            if waiting[id(child)] == 0:
                ordered.append(child)
    return ordered


def _labels(names):
    """From {"a": a}, or pairs of the same, to a name by the id of its tensor."""
    pairs = list(names.items() if isinstance(names, dict) else names or ())
    labels, used = {}, set()
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Tensor)):
            raise TypeError("names maps names to Tensors, such as {\"a\": a}; got %r" % (pair,))
        name, tensor = pair
        if name in used:
            raise ValueError("the name %r is given to two tensors" % name)
        if id(tensor) in labels:
            raise ValueError("one tensor is given two names, %r and %r"
                             % (labels[id(tensor)], name))
        used.add(name)
        labels[id(tensor)] = " ".join(str(name).split())
    return labels


def describe(data, digits=4):
    """A few numbers as they are; more as their shape, mean and norm."""
    if data is None:
        return "None"
    if data.size <= 3:
        return np.array2string(data, separator=", ", formatter={
            "float_kind": lambda number: "%.*g" % (digits, number)})
    with np.errstate(all="ignore"):
        return "%s mean %.3g norm %.3g" % (_shape(data), data.mean(), np.linalg.norm(data))


def _shape(data):
    return "x".join(str(n) for n in data.shape) or "scalar"


# ---- what the backward pass did

Hand = namedtuple("Hand", "to grad taken why")
Hand.__doc__ = """What a node hands to an input: to whom, the gradient, is it taken, why not."""


class Step:
    """One call of the traversal.

    Attributes:
        number (int), depth (int): which call it is, and how deep in the recursion.
        name (str), kind (str): of the node that is visited; kind "start" for the first step.
        node (node or None): that node; None in the first step.
        caller (node or None): the node that handed on the gradient.
        received (np.ndarray or None): the gradient that came along this path.
        total (np.ndarray or None): the sum over all paths, when the node went to work with it.
        hands (list of Hand): the gradients that it computed for its inputs.
        before, after (np.ndarray or None): a leaf's .grad.
        waits (bool): whether the node waits for another path.
    """

    def __init__(self, number, depth, name, kind, node, caller, received):
        self.number = number
        self.depth = depth
        self.name = name
        self.kind = kind
        self.node = node
        self.caller = caller
        self.received = received
        self.total = None
        self.hands = []
        self.before = self.after = None
        self.waits = kind == "operation"

    def __str__(self):
        return "\n".join(_lines(self))


class Recorder:
    """Listens to one traversal and keeps its steps."""

    def __init__(self, vertices, seed):
        self.names = {id(v.node): v.label for v in vertices if v.node is not None}
        self.constants = {id(v.tensor): v.label for v in vertices if v.kind == "constant"}
        self.steps = [Step(1, 0, "backward()", "start", None, None, seed)]
        self.callers = []  # [node, how many of its parents are still to be visited]

    def name_of(self, node):
        return self.names.get(id(node), node.function_name)

    def arrived(self, node, grad):
        while self.callers and self.callers[-1][1] == 0:
            self.callers.pop()
        caller = self.callers[-1][0] if self.callers else None
        depth = len(self.callers)
        if self.callers:
            self.callers[-1][1] -= 1
        is_leaf = isinstance(node, AccumulateGrad)
        step = Step(len(self.steps) + 1, depth, self.name_of(node),
                    "leaf" if is_leaf else "operation", node, caller, _copy(grad))
        if is_leaf and node.variable is not None:
            step.before = _copy(node.variable.grad)
        self.steps.append(step)

    def kept(self, node):
        if node.variable is not None:
            self.steps[-1].after = _copy(node.variable.grad)

    def computed(self, node, grad, grads):
        step = self.steps[-1]
        step.waits = False
        step.total = _copy(grad)
        for parent, argument, part in zip(node.next_functions, node.inputs, grads):
            if parent is not None:
                step.hands.append(Hand(self.name_of(parent), _copy(part), True, ""))
            elif isinstance(argument, Tensor):
                label = self.constants.get(id(argument), "constant")
                step.hands.append(Hand(label, None, False, "a constant requires no gradient"))
        self.callers.append([node, sum(parent is not None for parent in node.next_functions)])


def _copy(grad):
    return None if grad is None else grad.data.copy()


def record(output, names=None):
    """Run ``output.backward()`` and return the steps that it took."""
    vertices, _ = vertices_of(output, names, most=None)
    recorder = Recorder(vertices, np.ones(output.shape, output.dtype))
    with autograd_engine.watched_by(recorder):
        output.backward()
    return recorder.steps


def trace(output, names=None):
    """Run ``output.backward()`` and print every call of the traversal.

    Args:
        output (Tensor): the tensor to differentiate.
        names (dict): what to call tensors, such as {"a": a, "b": b}.

    Returns:
        list of Step: the same as objects.

    Raises:
        ValueError: the tensor is outside any graph; a name is given twice.

    Source: handout 0.1.5, whose eight steps are those of its example.

    >>> a, b, c = Tensor(1., requires_grad=True), Tensor(2.), Tensor(3., requires_grad=True)
    >>> e = (a * b + a + c) + 3
    >>> steps = trace(e, {"a": a, "b": b, "c": c, "e": e})
    Step 1  backward() starts with the gradient of the output itself: 1
    Step 2  e = Add received 1
            hands Add 1
            nothing for constant: a constant requires no gradient
    Step 3    Add received 1
              hands Add 1
              hands c 1
    Step 4      c (leaf) received 1
                keeps it: .grad was None, is 1
    Step 5      Add received 1
                hands Mul 1
                hands a 1
    Step 6        a (leaf) received 1
                  keeps it: .grad was None, is 1
    Step 7        Mul received 1
                  hands a 2
                  nothing for b: a constant requires no gradient
    Step 8          a (leaf) received 2
                    keeps it: .grad was 1, is 3
    """
    steps = record(output, names)
    for step in steps:
        print(step)
    return steps


def _lines(step):
    head = "Step %-3d" % step.number + "  " * min(step.depth, DEEPEST_INDENT)
    rest = " " * len(head)
    if step.kind == "start":
        return [head + "backward() starts with the gradient of the output itself: "
                + describe(step.received)]
    lines = [head + "%s%s received %s" % (step.name, " (leaf)" if step.kind == "leaf" else "",
                                          describe(step.received))]
    if step.kind == "leaf":
        lines.append(rest + "keeps it: .grad was %s, is %s"
                     % (describe(step.before), describe(step.after)))
    elif step.waits:
        lines.append(rest + "waits for another path to arrive")
    elif step.total is not None and not np.array_equal(step.total, step.received):
        lines.append(rest + "has all its paths, their sum is " + describe(step.total))
    for hand in step.hands:
        if hand.taken:
            lines.append(rest + "hands %s %s" % (hand.to, describe(hand.grad)))
        else:
            lines.append(rest + "nothing for %s: %s" % (hand.to, hand.why))
    return lines


# ---- where everything goes, in inches

CHARACTER, LINE = 0.078, 0.165  # of the monospaced font below, with a little to spare
FONT = {"family": "DejaVu Sans Mono", "size": 8.5}
GAP_X, GAP_Y, MARGIN, LEGEND = 0.6, 0.22, 0.25, 0.5
COLOURS = {"leaf": "#d8f0d0", "operation": "#d6e6fa", "constant": "#eeeeee"}
EDGES = {"leaf": "#3b7d2a", "operation": "#2b5c9e", "constant": "#777777"}
ORANGE = "#d9480f"
MEANINGS = (("leaf", "leaf: keeps its gradient"), ("operation", "operation: passes it on"),
            ("constant", "constant: needs none"))


class Box:
    """A vertex on the page, or (without one) the place where an edge passes a column."""

    def __init__(self, vertex, column, lines):
        self.vertex = vertex
        self.column = column
        self.lines = lines
        self.width = (max(map(len, lines)) + 3) * CHARACTER if lines else 0.0
        self.height = len(lines) * LINE + 0.14 if lines else 0.1
        self.x = self.y = self.column_width = 0.0
        self.neighbours = []


def _offset(vertex, index):
    """How far to move an edge, so that those of an input that is used twice stay apart."""
    twins = [i for i, parent in enumerate(vertex.parents) if parent is vertex.parents[index]]
    return (twins.index(index) - (len(twins) - 1) / 2) * 0.14


class Layout:
    """Places the vertices in columns from left to right, each right of its inputs.

    Edges that span several columns get a place of their own in each, so that they pass
    between the boxes; the order in a column follows the neighbours' (Sugiyama's method).
    """

    def __init__(self, vertices, lines_of, gap=GAP_X):
        columns = self._columns_of(vertices)
        self.boxes = {id(v): Box(v, columns[id(v)], lines_of(v)) for v in vertices}
        self.columns = [[] for _ in range(max(columns.values()) + 1)]
        for vertex in vertices:
            self.columns[columns[id(vertex)]].append(self.boxes[id(vertex)])
        self.edges = [(parent, vertex, self._route(parent, vertex), _offset(vertex, index))
                      for vertex in vertices for index, parent in enumerate(vertex.parents)]
        for _ in range(8):
            self._sort_columns()
        self._place(gap)

    @staticmethod
    def _columns_of(vertices):
        """Operations as far left as their inputs allow, leaves next to their first use."""
        columns = {}
        for vertex in vertices:
            columns[id(vertex)] = 1 + max([columns[id(p)] for p in vertex.parents], default=-1)
        first_use = {}
        for vertex in vertices:
            for parent in vertex.parents:
                use = columns[id(vertex)] - 1
                first_use[id(parent)] = min(use, first_use.get(id(parent), use))
        for vertex in vertices:
            if not vertex.parents:
                columns[id(vertex)] = first_use.get(id(vertex), 0)
        return columns

    def _route(self, parent, vertex):
        """The boxes along an edge, with a new place in every column between its ends."""
        start, end = self.boxes[id(parent)], self.boxes[id(vertex)]
        route = [start]
        for column in range(start.column + 1, end.column):
            place = Box(None, column, [])
            self.columns[column].append(place)
            route.append(place)
        route.append(end)
        for left, right in zip(route, route[1:]):
            left.neighbours.append(right)
            right.neighbours.append(left)
        return route

    def _sort_columns(self):
        """Order each column by where its neighbours are, from left to right and back."""
        for column in self.columns:
            for row, box in enumerate(column):
                box.y = row - len(column) / 2
        for column in self.columns + self.columns[-2::-1]:
            column.sort(key=lambda box: np.mean([n.y for n in box.neighbours] or [box.y]))
            for row, box in enumerate(column):
                box.y = row - len(column) / 2

    def _place(self, gap):
        """Turn columns and rows into inches."""
        heights = [sum(box.height + GAP_Y for box in column) for column in self.columns]
        self.height = max(max(heights) + 2 * MARGIN + LEGEND, 1.2)
        legend_width = sum((len(text) + 6) * CHARACTER for _, text in MEANINGS) + 2 * MARGIN
        x = MARGIN
        for column, height in zip(self.columns, heights):
            width = max(box.width for box in column)
            y = LEGEND + (self.height - LEGEND + height) / 2
            for box in column:
                y -= (box.height + GAP_Y) / 2
                box.x, box.y, box.column_width = x + width / 2, y, width
                y -= (box.height + GAP_Y) / 2
            x += width + gap
        self.width = max(x - gap + MARGIN, legend_width)


# ---- drawing

def _content(vertex):
    """What stands in a vertex's box but for a gradient: its label and its value."""
    lines = [vertex.label]
    tensor = vertex.tensor
    if tensor is not None and tensor.data.size <= 3:
        lines.append(describe(tensor.data))
    elif tensor is not None:
        with np.errstate(all="ignore"):
            lines += [_shape(tensor.data), "mean %.3g" % tensor.data.mean()]
    return lines


def _gradient_line(grad):
    """A leaf's gradient, an ndarray or None, on one line."""
    if grad is None or grad.size <= 3:
        return "grad " + describe(grad, 3)
    return "grad norm %.3g" % np.linalg.norm(grad)


def _lines_of(vertex):
    """What stands in a vertex's box, with the gradient of a leaf that has one."""
    has_grad = vertex.kind == "leaf" and vertex.tensor.grad is not None
    return _content(vertex) + ([_gradient_line(vertex.tensor.grad.data)] if has_grad else [])


def _figure(layout):
    """An empty page of the layout's size, whose units are inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(layout.width, layout.height), facecolor="white")
    FigureCanvasAgg(figure)  # needs no screen
    axes = figure.add_axes([0, 0, 1, 1])
    _clear(axes, layout)
    return figure, axes


def _clear(axes, layout):
    """An empty page, whose units are inches."""
    axes.clear()
    axes.set_xlim(0, layout.width)
    axes.set_ylim(0, layout.height)
    axes.axis("off")


def _outline(kind, x, y, width, height, **style):
    """The shape of a kind: a rectangle, a pill, or a dashed hexagon."""
    from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
    left, bottom = x - width / 2, y - height / 2
    style = dict(dict(facecolor=COLOURS[kind], edgecolor=EDGES[kind], linewidth=1.2, zorder=2),
                 **style)
    if kind == "leaf":
        return Rectangle((left, bottom), width, height, **style)
    if kind == "operation":
        round_by = min(width, height) * 0.45
        return FancyBboxPatch((left, bottom), width, height,
                              boxstyle="round,pad=0,rounding_size=%f" % round_by, **style)
    slant = min(0.1, width / 4)
    corners = [(left, y), (left + slant, bottom), (left + width - slant, bottom),
               (left + width, y), (left + width - slant, bottom + height),
               (left + slant, bottom + height)]
    return Polygon(corners, closed=True, linestyle="--", **style)


def _draw_edge(axes, route, offset=0.0, **style):
    """A smooth line through the places of a route, from box to box."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path
    curve = [(route[0].x + route[0].width / 2, route[0].y + offset)]
    codes = [Path.MOVETO]
    for left, right in zip(route, route[1:]):
        x0, y0 = left.x + left.column_width / 2, left.y + offset
        x1, y1 = right.x - right.column_width / 2, right.y + offset
        middle = (x0 + x1) / 2  # straight within a column, curved between two
        if left.width < left.column_width:  # else there is no straight part
            curve.append((x0, y0))
            codes.append(Path.LINETO)
        curve += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    if route[-1].width < route[-1].column_width:
        curve.append((route[-1].x - route[-1].width / 2, route[-1].y + offset))
        codes.append(Path.LINETO)
    style = dict(dict(color="#666666", linewidth=1, zorder=1, arrowstyle="-|>"), **style)
    axes.add_patch(FancyArrowPatch(path=Path(curve, codes), mutation_scale=9, shrinkA=0, shrinkB=0,
                                   **style))


def _draw_gradient(axes, route, grad):
    """A gradient on its way: its value in the gap left of the node that it comes from."""
    is_short = grad is None or grad.size <= 1
    text = describe(grad, 3) if is_short else "|g| %.2g" % np.linalg.norm(grad)
    start = (route[-2].x + route[-2].width / 2, route[-2].y)
    end = (route[-1].x - route[-1].width / 2, route[-1].y)
    axes.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, text, ha="center", va="center",
              color=ORANGE, weight="bold", zorder=4,
              bbox={"facecolor": "white", "edgecolor": ORANGE, "pad": 2}, **FONT)


def _draw_box(axes, box, lines, **style):
    axes.add_patch(_outline(box.vertex.kind, box.x, box.y, box.width, box.height, **style))
    for row, line in enumerate(lines):
        y = box.y + ((len(lines) - 1) / 2 - row) * LINE
        axes.text(box.x, y, line.replace("$", r"\$"), ha="center", va="center", zorder=3,
                  weight="bold" if row == 0 else "normal", **FONT)


def _draw_legend(axes, layout, left_out=0):
    x, y = MARGIN, LEGEND / 2
    for kind, text in MEANINGS:
        axes.add_patch(_outline(kind, x + 0.11, y, 0.22, 0.15))
        axes.text(x + 0.3, y, text, ha="left", va="center", color="#444444", **FONT)
        x += (len(text) + 6) * CHARACTER
    if left_out:
        axes.text(layout.width - MARGIN, layout.height - MARGIN / 2, "the last %d of %d nodes"
                  % (MOST_NODES, MOST_NODES + left_out), ha="right", va="center",
                  color="#aa2222", **FONT)


def draw(output, path=None, names=None):
    """Draw the graph behind a tensor, from its inputs on the left to it on the right.

    Leaves are green rectangles, operations blue pills, constants grey dashed hexagons; each
    with its name or operation, its value (or shape and mean), and the gradient of a leaf that
    has one.  Of a graph of more than 200 nodes, the 200 next to the output are shown.

    Args:
        output (Tensor): the tensor whose graph to draw.
        path (str): where to write it, ending in .png, .svg or .pdf; nowhere if None.
        names (dict): what to call tensors, such as {"a": a, "b": b}.

    Returns:
        matplotlib.figure.Figure: the picture.

    Raises:
        ValueError: the tensor is outside any graph; an unknown ending; a name given twice.
        OSError: the path cannot be written.
    """
    _check_ending(path, ENDINGS)
    vertices, left_out = vertices_of(output, names)
    layout = Layout(vertices, _lines_of)
    figure, axes = _figure(layout)
    for _, _, route, offset in layout.edges:
        _draw_edge(axes, route, offset)
    for box in layout.boxes.values():
        _draw_box(axes, box, box.lines)
    _draw_legend(axes, layout, left_out)
    if path is not None:
        figure.savefig(path, dpi=min(150, 60000 / max(layout.width, layout.height)))
    return figure


def _check_ending(path, endings):
    if path is not None and os.path.splitext(str(path))[1].lower() not in endings:
        raise ValueError("the path must end in %s, got %r" % (" or ".join(endings), str(path)))


def animate(output, path, names=None, seconds=1.5):
    """Run ``output.backward()`` and show it as a GIF, one frame for each of its steps.

    In each frame, the node at work is yellow, the gradient it received stands at the edge
    that it came along, and the leaves show what ``.grad`` holds by then.

    Args:
        output (Tensor): the tensor to differentiate.
        path (str): where to write it, ending in .gif.
        names (dict): what to call tensors, such as {"a": a, "b": b}.
        seconds (float): how long each frame stays, above 0.

    Returns:
        list of Step: the steps, as ``trace`` returns them.

    Raises:
        ValueError: as for ``draw``; more than 60 steps.
        OSError: the path cannot be written; the gradients are then not touched.
    """
    from matplotlib.animation import PillowWriter
    _check_ending(path, (".gif",))
    if not seconds > 0:
        raise ValueError("animate: seconds must be above 0, got %r" % (seconds,))
    vertices, _ = vertices_of(output, names, most=None)
    num_steps = 2 + sum(p.node is not None for vertex in vertices for p in vertex.parents)
    if num_steps > MOST_FRAMES:
        raise ValueError("animate: backward() takes %d steps through this graph, and at most %d "
                         "can be shown; trace() prints them" % (num_steps, MOST_FRAMES))
    open(path, "ab").close()  # fails, if it must, before backward() changes anything
    first = {id(v): None if v.tensor.grad is None else v.tensor.grad.data
             for v in vertices if v.kind == "leaf"}
    steps = record(output, names)
    # The boxes are laid out for what they hold in the end, when they are fullest.
    layout = Layout(vertices, _lines_of, gap=2 * GAP_X)
    layout.height += 2 * LINE
    figure, axes = _figure(layout)
    writer = PillowWriter(fps=1 / seconds)
    with writer.saving(figure, str(path), dpi=80):
        for step in steps:
            _clear(axes, layout)
            _draw_step(axes, layout, steps[:step.number], first)
            writer.grab_frame()
    return steps


def _draw_step(axes, layout, steps, first):
    """One frame: the state of things after the last of ``steps``."""
    now = steps[-1]
    grads = dict(first)
    for step in steps:
        if step.kind == "leaf":
            grads.update({key: step.after for key in grads
                          if layout.boxes[key].vertex.node is step.node})
    for parent, vertex, route, offset in layout.edges:
        travelled = (now.node is not None and parent.node is now.node
                     and vertex.node is now.caller)
        if travelled:
            _draw_edge(axes, route, offset, color=ORANGE, linewidth=2.5, arrowstyle="<|-",
                       zorder=1.5)
            _draw_gradient(axes, route, now.received)
        else:
            _draw_edge(axes, route, offset)
    for key, box in layout.boxes.items():
        lines = _content(box.vertex)
        if box.vertex.kind == "leaf":
            lines.append(_gradient_line(grads[key]))
        at_work = now.node is not None and box.vertex.node is now.node
        _draw_box(axes, box, lines, **({"facecolor": "#ffe680"} if at_work else {}))
    told = [line[8:].strip() for line in _lines(now)]
    sums = [line for line in told[1:] if line.startswith(("waits", "has all"))]
    title = "Step %d: %s" % (now.number, "; ".join(told[:1] + sums))
    axes.text(MARGIN, layout.height - LINE, title, ha="left", va="center", color=ORANGE,
              weight="bold", **FONT)
    _draw_legend(axes, layout)
