"""Seeing the graph: ``draw`` makes a picture of it, ``animate`` of its backward pass.

``trace``, which prints the same steps, and what is shown come from ``mytorch/watch.py``.
"""

from collections import defaultdict, namedtuple
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from numbers import Real
from pathlib import Path

import numpy as np

from mytorch.watch import Graph, array_of, describe, record, shape_text, trace  # noqa: F401

MAX_NODES = 400
MAX_FRAMES = 60
MAX_PIXELS = 6e6

# In inches.
CHARACTER, LINE = 0.078, 0.165  # of the monospaced font below, with a little to spare
GAP_X, GAP_Y, ROW_GAP, MARGIN, LEGEND = 0.6, 0.22, 0.3, 0.25, 0.5
COLUMNS = 8  # in a row

FONT = {"family": "DejaVu Sans Mono", "size": 8.5}
GREY, ORANGE, YELLOW = "#666666", "#d9480f", "#ffe680"
STYLES = {"leaf": {"facecolor": "#d8f0d0", "edgecolor": "#3b7d2a"},
          "operation": {"facecolor": "#d6e6fa", "edgecolor": "#2b5c9e"},
          "constant": {"facecolor": "#eeeeee", "edgecolor": "#777777", "linestyle": "--"},
          "again": {"facecolor": "#f4f8fe", "edgecolor": "#2b5c9e", "linestyle": "--"}}
MEANINGS = {"leaf": "leaf: keeps its gradient", "operation": "operation: passes it on",
            "constant": "constant: needs none", "again": "operation of a row above"}


# ---- where everything goes

@dataclass(eq=False)
class Box:
    """A vertex in a row of the page or, without one, the place where edges pass a column."""

    vertex: object = None
    kind: str = None
    column: int = 0
    lines: list = ()
    x: float = 0.0
    y: float = 0.0
    column_width: float = 0.0

    @property
    def width(self):
        return (max(map(len, self.lines)) + 3) * CHARACTER if self.lines else 0.0

    @property
    def height(self):
        return len(self.lines) * LINE + 0.14 if self.lines else 0.1


# From the box of an input, through places, to that of the operation whose argument at a position
# it is; the offset keeps the edges of an input that is used twice apart.
Edge = namedtuple("Edge", "route position offset")


class Row:
    """Operations in columns from left to right, each right of its inputs.

    An input that stands in no column of this row, a leaf, a constant or an operation of a row
    above, gets a box of its own here, left of its first use.  An edge that spans several
    columns has a place in each, shared by all edges from the same input; the order in a column
    follows the neighbours' (Sugiyama's method).
    """

    def __init__(self, operations, column_of, lines_of):
        self.boxes, self.edges, self._places = {}, [], {}
        self._lines_of = lines_of
        self._neighbours = defaultdict(list)
        for vertex in operations:
            self._add(vertex, vertex.kind, column_of[vertex])
        for vertex in sorted(operations, key=column_of.get):
            for parent in filter(column_of.__contains__, vertex.inputs):
                if parent not in self.boxes:
                    kind = "again" if parent.kind == "operation" else parent.kind
                    self._add(parent, kind, column_of[vertex] - 1)
        for vertex in operations:
            self._connect(vertex, column_of)
        boxes = [*self.boxes.values(), *self._places.values()]
        first = min(box.column for box in boxes)
        self.columns = [[] for _ in range(max(box.column for box in boxes) - first + 1)]
        for box in boxes:
            self.columns[box.column - first].append(box)
        for column in self.columns:
            _number(column)
        for _ in range(8):
            if self._crossings():
                self._sort_columns()
        self.height = max(sum(box.height + GAP_Y for box in column) for column in self.columns)

    def _add(self, vertex, kind, column):
        self.boxes[vertex] = Box(vertex, kind, column, self._lines_of(vertex))

    def _connect(self, vertex, column_of):
        """Lay the edges to an operation, with the places that they pass."""
        for position, parent in enumerate(vertex.parents or ()):
            if parent in column_of:
                start, end = self.boxes[parent], self.boxes[vertex]
                places = [self._places.setdefault((parent, column), Box(column=column))
                          for column in range(start.column + 1, end.column)]
                route = [start, *places, end]
                for left, right in zip(route, route[1:]):
                    self._neighbours[left].append(right)
                    self._neighbours[right].append(left)
                same = [i for i, other in enumerate(vertex.parents) if other is parent]
                offset = (same.index(position) - (len(same) - 1) / 2) * 0.14
                self.edges.append(Edge(route, position, offset))

    def _sort_columns(self):
        """Order each column by where its neighbours are, from left to right and back."""
        def middle(box):
            return np.mean([neighbour.y for neighbour in self._neighbours[box]])

        for column in self.columns + self.columns[-2::-1]:
            column.sort(key=middle)
            _number(column)

    def _crossings(self):
        edges = [{(box, other) for box in column for other in self._neighbours[box]
                  if other.column > box.column} for column in self.columns]
        return sum((start.y - other_start.y) * (end.y - other_end.y) < 0 for column in edges
                   for (start, end), (other_start, other_end) in combinations(column, 2))

    def place(self, top, gap):
        """Turn columns into inches, below ``top``; returns the right end."""
        x = MARGIN
        for column in self.columns:
            width = max(box.width for box in column)
            y = top - (self.height - sum(box.height + GAP_Y for box in column)) / 2
            for box in column:
                y -= (box.height + GAP_Y) / 2
                box.x, box.y, box.column_width = x + width / 2, y, width
                y -= (box.height + GAP_Y) / 2
            x += width + gap
        return x - gap + MARGIN


def _number(column):
    for index, box in enumerate(column):
        box.y = index - len(column) / 2


class Layout:
    """Places vertices in rows below each other."""

    def __init__(self, vertices, lines_of, gap=GAP_X, head=0.0):
        column_of = _columns_of(vertices)
        self.rows = [Row(operations, column_of, lines_of)
                     for operations in _rows_of(vertices, column_of)]
        self.kinds = {box.kind for row in self.rows for box in row.boxes.values()}
        self.height = sum(row.height + ROW_GAP for row in self.rows) + MARGIN + LEGEND + head
        self.width = sum((len(MEANINGS[kind]) + 6) * CHARACTER for kind in self.kinds) + 2 * MARGIN
        top = self.height - MARGIN - head
        for row in self.rows:
            self.width = max(self.width, row.place(top, gap))
            top -= row.height + ROW_GAP


def _columns_of(vertices):
    """The column of each vertex: right of its inputs; of a leaf or constant it does not count."""
    column_of = {}
    for vertex in vertices:
        before = [column_of[parent] + (parent.kind == "operation")
                  for parent in vertex.inputs if parent in column_of]
        column_of[vertex] = max(before, default=0)
    return column_of


def _rows_of(vertices, column_of):
    """Divide the operations into rows of the same number of columns."""
    operations = [v for v in vertices if v.kind == "operation"] or vertices
    length = 1 + max(map(column_of.get, operations))
    per_row = ceil(length / ceil(length / COLUMNS))
    rows = [[] for _ in range(0, length, per_row)]
    for vertex in operations:
        rows[column_of[vertex] // per_row].append(vertex)
    return rows


# ---- drawing

def _content(vertex):
    """What stands in a vertex's box but for a gradient: its label and, if known, its value."""
    if vertex.data is None:
        return [vertex.label]
    data = np.asarray(vertex.data)
    if data.size <= 3:
        return [vertex.label, describe(data)]
    with np.errstate(all="ignore"):
        return [vertex.label, shape_text(data), f"mean {data.mean():.3g}"]


def _gradient_line(grad):
    return f"grad {describe(grad, 3)}" if np.size(grad) <= 3 else (
        f"grad norm {np.linalg.norm(grad):.3g}")


def _content_with_grad(vertex):
    """The same, with the gradient of a leaf that has one."""
    grad = array_of(getattr(vertex.tensor, "grad", None))
    return _content(vertex) + ([] if grad is None else [_gradient_line(grad)])


class Page:
    """A picture whose units are inches."""

    def __init__(self, layout):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        self.layout = layout
        self.figure = Figure(figsize=(layout.width, layout.height), facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)  # needs no screen
        self.axes = self.figure.add_axes([0, 0, 1, 1])
        self.clear()

    def clear(self):
        self.axes.clear()
        self.axes.set_xlim(0, self.layout.width)
        self.axes.set_ylim(0, self.layout.height)
        self.axes.axis("off")

    def text(self, x, y, text, **style):
        style = {"va": "center", **FONT, **style}
        self.axes.text(x, y, text.replace("$", r"\$"), **style)

    def outline(self, kind, x, y, width, height, **style):
        """The shape of a kind: a rectangle, a pill, or a hexagon."""
        from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
        left, bottom = x - width / 2, y - height / 2
        style = {"linewidth": 1.2, "zorder": 2, **STYLES[kind], **style}
        if kind == "leaf":
            shape = Rectangle((left, bottom), width, height, **style)
        elif kind == "constant":
            slant = min(0.1, width / 4)
            shape = Polygon([(left, y), (left + slant, bottom), (left + width - slant, bottom),
                             (left + width, y), (left + width - slant, bottom + height),
                             (left + slant, bottom + height)], closed=True, **style)
        else:
            radius = min(width, height) * 0.45
            shape = FancyBboxPatch((left, bottom), width, height,
                                   boxstyle=f"round,pad=0,rounding_size={radius}", **style)
        self.axes.add_artist(shape)

    def box(self, box, lines, **style):
        self.outline(box.kind, box.x, box.y, box.width, box.height, **style)
        for index, line in enumerate(lines):
            self.text(box.x, box.y + ((len(lines) - 1) / 2 - index) * LINE, line, ha="center",
                      zorder=3, weight="normal" if index else "bold")

    def edge(self, edge, backwards=False, **style):
        """A smooth arrow along an edge: straight within a column, curved between two."""
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path as Curve
        start, end = edge.route[0], edge.route[-1]
        points = [(start.x + start.width / 2, start.y)]
        codes = [Curve.MOVETO]
        for left, right in zip(edge.route, edge.route[1:]):
            x0, x1 = left.x + left.column_width / 2, right.x - right.column_width / 2
            if left.width < left.column_width:
                points.append((x0, left.y))
                codes.append(Curve.LINETO)
            middle = (x0 + x1) / 2
            points += [(middle, left.y), (middle, right.y), (x1, right.y)]
            codes += [Curve.CURVE4] * 3
        if end.width < end.column_width:
            points.append((end.x - end.width / 2, end.y))
            codes.append(Curve.LINETO)
        points = [(x, y + edge.offset) for x, y in points]
        style = {"color": GREY, "linewidth": 1, "zorder": 1, "arrowstyle": "-|>", **style}
        self.axes.add_artist(FancyArrowPatch(
            path=Curve(points[::-1] if backwards else points,
                       codes[:1] + codes[:0:-1] if backwards else codes),
            mutation_scale=9, shrinkA=0, shrinkB=0, **style))

    def legend(self):
        x, y = MARGIN, LEGEND / 2
        for kind in filter(self.layout.kinds.__contains__, MEANINGS):
            self.outline(kind, x + 0.11, y, 0.22, 0.15)
            self.text(x + 0.3, y, MEANINGS[kind], color="#444444")
            x += (len(MEANINGS[kind]) + 6) * CHARACTER


def draw(output, path=None, names=None):
    """Draw the graph behind a tensor, from its inputs on the left to it on the right.

    Leaves are green rectangles, operations blue pills, constants grey hexagons; each with its
    name or operation, its value (or shape and mean) if that is known, and the gradient of a
    leaf that has one.  Values and constants are known of operations that ran after this module
    was imported.  A long graph continues in the next row.  Of a graph of more than 400 nodes,
    the last 400 are shown.

    Args:
        output (Tensor): the tensor whose graph to draw.
        path (str): where to write it, ending in .png, .svg or .pdf; nowhere if None.
        names (dict): what to call tensors, such as {"a": a, "b": b}.

    Returns:
        matplotlib.figure.Figure: the picture.

    Raises:
        TypeError, ValueError: no Tensor, or one outside any graph; an unknown ending.
        OSError: the path cannot be written.
    """
    _check_ending(path, ".png", ".svg", ".pdf")
    vertices = Graph(output, names).vertices
    layout = Layout(vertices[-MAX_NODES:], _content_with_grad)
    page = Page(layout)
    for row in layout.rows:
        for edge in row.edges:
            page.edge(edge)
        for box in row.boxes.values():
            page.box(box, box.lines)
    page.legend()
    if len(vertices) > MAX_NODES:
        page.text(layout.width - MARGIN, layout.height - MARGIN / 2, ha="right", color="#aa2222",
                  text=f"the last {MAX_NODES} of {len(vertices)} nodes")
    if path is not None:
        page.figure.savefig(str(path), 
                            dpi=min(150, (MAX_PIXELS / (layout.width * layout.height)) ** 0.5))
    return page.figure


def _check_ending(path, *endings):
    if path is not None and Path(path).suffix.lower() not in endings:
        raise ValueError(f"the path must end in {' or '.join(endings)}, got {str(path)!r}")


# ---- the animation

def animate(output, path, names=None, seconds=1.5):
    """Run ``output.backward()`` and show it as a GIF, one frame for each of its steps.

    In each frame, the node at work is yellow, the gradient it received stands at the edge
    that it came along, and the leaves show what ``.grad`` holds by then.  The first 60 steps
    are shown; if the engine raises an error, those that led there.

    Args:
        output (Tensor): the tensor to differentiate.
        path (str): where to write it, ending in .gif.
        names (dict): what to call tensors, such as {"a": a, "b": b}.
        seconds (float): how long each frame stays, from 0.01 to 655.35 (what a GIF can say).

    Returns:
        list of Step: the steps, as ``trace`` returns them.

    Raises:
        TypeError, ValueError: as for ``draw``; ``seconds`` that a GIF cannot say; a graph of
            more than 60 nodes.
        OSError: the path cannot be written; the gradients are then not touched.
    """
    _check_ending(path, ".gif")
    if not isinstance(seconds, Real):
        raise TypeError(f"animate: seconds must be a number, got {seconds!r}")
    if not 0.01 <= seconds <= 655.35:
        raise ValueError(f"animate: seconds must be from 0.01 to 655.35, got {seconds!r}")
    graph = Graph(output, names)
    if len(graph.vertices) > MAX_FRAMES:
        raise ValueError(f"animate: this graph has {len(graph.vertices)} nodes, and at most "
                         f"{MAX_FRAMES} can be shown; trace() prints the steps")
    open(path, "ab").close()  # fails, if it must, before backward() changes anything
    grads = {vertex: array_of(vertex.tensor.grad) for vertex in graph.vertices
             if vertex.kind == "leaf" and vertex.tensor is not None}
    steps = []
    try:
        record(output, graph, steps.append)
    finally:
        frames = _frames(graph, steps[:MAX_FRAMES], grads)
        if frames:
            frames[0].save(str(path), save_all=True, append_images=frames[1:], loop=0,
                           duration=round(seconds * 100) * 10)
    return steps


def _frames(graph, steps, grads):
    """One image for each step; ``grads`` holds the leaves' gradients before the first."""
    from PIL import Image
    # The boxes are laid out for what they hold in the end, when they are fullest.
    layout = Layout(graph.vertices, _content_with_grad, gap=2 * GAP_X, head=2 * LINE)
    layout.width = max([layout.width] + [len(_title(step)) * CHARACTER + 2 * MARGIN
                                         for step in steps])
    page = Page(layout)
    page.figure.set_dpi(80)
    frames = []
    for step in steps:
        if step.vertex in grads:
            grads[step.vertex] = step.after
        page.clear()
        _draw_step(page, step, grads)
        page.canvas.draw()
        frames.append(Image.fromarray(np.array(page.canvas.buffer_rgba())).convert("RGB"))
    return frames


def _title(step):
    said = [line for line in step.lines() if not line.startswith(("hands", "nothing"))]
    return f"Step {step.number}: {'; '.join(said)}"


def _draw_step(page, step, grads):
    """The graph after a step."""
    came = {(handed.giver, handed.position): handed.grad for handed in step.came}
    for row in page.layout.rows:
        for edge in row.edges:
            key = edge.route[-1].vertex, edge.position
            if key in came:
                page.edge(edge, backwards=True, color=ORANGE, linewidth=2.5, zorder=1.5)
                _draw_gradient(page, edge, came[key])
            else:
                page.edge(edge, arrowstyle="-")
        for box in row.boxes.values():
            lines = _content(box.vertex)
            if box.vertex in grads:
                grad = grads[box.vertex]
                lines.append("grad None" if grad is None else _gradient_line(grad))
            style = {"facecolor": YELLOW} if box.vertex is step.vertex else {}
            page.box(box, lines, **style)
    page.text(MARGIN, page.layout.height - LINE, _title(step), color=ORANGE, weight="bold")
    page.legend()


def _draw_gradient(page, edge, grad):
    """A gradient on its way: its value in the gap left of the node that it comes from.

    Those of parallel edges stand above each other.
    """
    text = describe(grad, 3) if np.size(grad) <= 1 else f"|g| {np.linalg.norm(grad):.2g}"
    left, right = edge.route[-2:]
    page.text((left.x + left.width / 2 + right.x - right.width / 2) / 2,
              (left.y + right.y) / 2 + 2 * edge.offset, text, ha="center", color=ORANGE,
              weight="bold", zorder=4,
              bbox={"facecolor": "white", "edgecolor": ORANGE, "pad": 2})
