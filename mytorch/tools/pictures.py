"""Pictures: ``draw`` of the graph behind a tensor, ``animate`` of its backward pass.

What they show comes from ``graph.py`` and ``recorder.py`` beside this file.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from numbers import Real
from pathlib import Path

import numpy as np

from mytorch.tools.graph import Vertex, graph_of
from mytorch.tools.page import page
from mytorch.tools.recorder import Recorder
from mytorch.tools.values import describe

MAX_NODES, MAX_FRAMES = 400, 60
COLUMNS, SWEEPS = 8, 8  # of operations in a row; to sort their boxes

# In inches; a character is that of the monospaced font below, with a little to spare.
CHARACTER, LINE, PADDING = 0.075, 0.165, 0.14
MARGIN, GAP_X, GAP_Y, ROW_GAP, HEAD, FOOT, MIN_WIDTH = 0.25, 0.6, 0.2, 0.25, 0.4, 0.4, 6.4

FONT = {"family": "DejaVu Sans Mono", "size": 8.5}
GREY, ORANGE, YELLOW = "#666666", "#d9480f", "#ffe680"
SQUARE, ROUND = "square,pad=0", "round,pad=0,rounding_size=0.15"
STYLES = {"leaf": {"facecolor": "#d8f0d0", "edgecolor": "#3b7d2a",
                   "boxstyle": SQUARE, "label": "leaf: keeps its gradient"},
          "operation": {"facecolor": "#d6e6fa", "edgecolor": "#2b5c9e",
                        "boxstyle": ROUND, "label": "operation: passes it on"},
          "constant": {"facecolor": "#eeeeee", "edgecolor": "#777777",
                       "boxstyle": SQUARE, "label": "constant: needs none"},
          "copy": {"facecolor": "white", "edgecolor": "#2b5c9e", "linestyle": "--",
                   "boxstyle": ROUND, "label": "the same as above"}}
ALIKE = ("Add", "Mul")  # operations whose arguments need not be told apart


# ---- where everything goes

@dataclass(eq=False)
class Edge:
    """The way along boxes to an operation, which takes what comes as one of its arguments."""

    route: list
    argument: int
    name: str  # of the argument, where it has to be told apart
    arrival: float = 0.0  # the height at which it arrives

    def curve(self):
        """Return points: a start; for each next box two that bend the line, and its two edges."""
        points = []
        for left, right in zip(self.route, self.route[1:]):
            x0, x1 = left.x + left.width / 2, right.x - right.width / 2
            y1 = self.arrival if right is self.route[-1] else right.y
            points += [(x0, left.y), ((x0 + x1) / 2, left.y), ((x0 + x1) / 2, y1), (x1, y1)]
        return points

    def label_at(self):
        """Return where a gradient is written: near the end of the last piece."""
        (x0, y0), _, _, (x1, y1) = self.curve()[-4:]
        return x0 + 0.7 * (x1 - x0), y0 + 0.84 * (y1 - y0)


@dataclass(eq=False)
class Box:
    """Where a vertex stands or, without one, where edges pass a column; y grows downwards."""

    column: int
    vertex: Vertex = None
    lines: list = ()
    is_copy: bool = False
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self):
        return len(self.lines) * LINE + PADDING


class Layout:
    """Rows of columns from left to right, each operation right of its inputs.

    A leaf, a constant and a copy of an operation of a row above stand left of their first use
    in every row that needs them.  An edge that spans several columns passes through each, and
    boxes are ordered by where their neighbours are (Sugiyama's method).
    """

    def __init__(self, vertices, grads, gap=GAP_X):
        self.boxes = {}  # and the edges that lead to each
        self.width, self.height = MIN_WIDTH, HEAD
        columns = {}
        for vertex in vertices:
            columns[vertex] = max((columns[parent] + (parent.kind == "operation")
                                   for parent in vertex.parents if parent in columns), default=0)
        operations = [v for v in vertices if v.kind == "operation"] or vertices
        operations.sort(key=columns.get)
        length = 1 + columns[operations[-1]]
        per_row = ceil(length / ceil(length / COLUMNS))
        for _, row in groupby(operations, lambda vertex: columns[vertex] // per_row):
            self._add_row(list(row), columns, grads, gap)
        self.height += FOOT

    def _add_row(self, operations, column_of, grads, gap):
        boxes = {v: Box(column_of[v], v, _lines(v, grads)) for v in operations}
        passes, edges_to = {}, defaultdict(list)
        before, after = defaultdict(list), defaultdict(list)  # the neighbours in these columns
        for vertex in operations:
            names = argument_names(vertex)
            for argument, parent in enumerate(vertex.parents):
                if parent in column_of:
                    start = boxes.setdefault(parent, Box(
                        column_of[vertex] - 1, parent, _lines(parent, grads),
                        is_copy=parent.kind == "operation"))
                    route = _route(start, boxes[vertex], passes)
                    edges_to[boxes[vertex]].append(Edge(route, argument, names[argument]))
                    for left, right in zip(route, route[1:]):
                        after[left].append(right)
                        before[right].append(left)
        in_order = sorted([*boxes.values(), *passes.values()], key=lambda box: box.column)
        columns = [list(column) for _, column in groupby(in_order, lambda box: box.column)]
        for _ in range(SWEEPS):
            for column in columns:
                _stack(column, before)
            for column in reversed(columns):
                _stack(column, after)
        self._place(columns, gap)
        for box in boxes.values():
            edges = self.boxes[box] = edges_to[box]
            for rank, edge in enumerate(sorted(edges, key=lambda edge: edge.route[-2].y)):
                edge.arrival = box.y + 0.7 * box.height * ((rank + 0.5) / len(edges) - 0.5)

    def _place(self, columns, gap):
        """Put a row's columns below what is placed."""
        height, x = max(map(_height, columns)), MARGIN
        for column in columns:
            width = (max(len(line) for box in column for line in box.lines) + 3) * CHARACTER
            for box in column:
                box.width, box.x = width, x + width / 2
                box.y += self.height + height / 2
            x += width + gap
        self.width = max(self.width, x - gap + MARGIN)
        self.height += height + ROW_GAP


def argument_names(vertex):
    """Return what to write at each edge to an operation: nothing where it is clear."""
    several = sum(parent is not None for parent in vertex.parents) > 1
    names = vertex.argument_names() if several and vertex.operation not in ALIKE else []
    return names or [""] * len(vertex.parents)


def _route(start, end, passes):
    """Lead from box to box, through one in each column between, which edges from there share."""
    return [start, *(passes.setdefault((start, column), Box(column))
                     for column in range(start.column + 1, end.column)), end]


def _height(column):
    return sum(box.height + GAP_Y for box in column)


def _stack(column, neighbours):
    """Put boxes below each other around 0, ordered by the mean height of their neighbours."""
    def mean_height(box):
        heights = [other.y for other in neighbours[box]] or [box.y]
        return sum(heights) / len(heights)

    column.sort(key=mean_height)
    y = -_height(column) / 2
    for box in column:
        box.y = y + (box.height + GAP_Y) / 2
        y += box.height + GAP_Y


# ---- drawing

def _lines(vertex, grads):
    """Return what stands in a box: the label, the value if it is known, and a leaf's gradient."""
    data = getattr(vertex.tensor, "data", None)
    lines = [vertex.label] + ([] if data is None else describe(np.asarray(data))[:2])
    return lines + (["grad " + describe(grads[vertex])[-1]] if vertex.kind == "leaf" else [])


def picture(layout, grads, title="", step=None):
    """Make a Figure of the graph, on which a step stands out; ``grads`` are of the leaves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch
    figure = Figure(figsize=(layout.width, layout.height), facecolor="white")
    FigureCanvasAgg(figure)  # needs no screen
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))
    axes.axis("off")
    for box, edges in layout.boxes.items():
        for edge in edges:
            _draw_edge(axes, edge, step)
        style = dict(STYLES["copy" if box.is_copy else box.vertex.kind], zorder=2)
        if step and box.vertex is step.vertex:
            style["facecolor"] = YELLOW
        axes.add_artist(FancyBboxPatch((box.x - box.width / 2, box.y - box.height / 2),
                                       box.width, box.height, **style))
        _write(axes, box.x, box.y, "\n".join(_lines(box.vertex, grads)), ha="center")
    _write(axes, MARGIN, MARGIN, title, color=ORANGE, weight="bold")
    axes.legend(handles=[FancyBboxPatch((0, 0), 1, 1, **style) for style in _legend(layout)],
                loc="lower left", ncol=len(STYLES), frameon=False, prop=FONT)
    return figure


def _legend(layout):
    """Return the styles to explain: of what there is."""
    kinds = {"copy" if box.is_copy else box.vertex.kind for box in layout.boxes}
    return [style for kind, style in STYLES.items() if kind in kinds]


def _write(axes, x, y, text, **style):
    axes.text(x, y, text.replace("$", r"\$"), va="center", zorder=3, **{**FONT, **style})


def _draw_edge(axes, edge, step):
    """Draw an arrow to the right or, if a gradient came along it in a step, one to the left."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve
    curve = edge.curve()
    codes = [Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4] * (len(edge.route) - 1)
    codes[0] = Curve.MOVETO
    style = {"arrowstyle": "-" if step else "-|>", "color": GREY, "linewidth": 1, "zorder": 1}
    if edge.name:
        x, y = curve[-1]
        _write(axes, x - 0.1, y - 0.08, edge.name, ha="right", color=GREY, size=7,
               bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    key = edge.route[-1].vertex, edge.argument
    if step and key in step.came:
        curve = curve[::-1]
        style = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 2.5, "zorder": 1.5}
        _write(axes, *edge.label_at(), describe(step.came[key])[-1], ha="center", color=ORANGE,
               weight="bold", bbox={"facecolor": "white", "edgecolor": ORANGE, "pad": 1.5})
    axes.add_artist(FancyArrowPatch(path=Curve(curve, codes), mutation_scale=9, shrinkA=0,
                                    shrinkB=0, **style))


def draw(output, path=None, names=None):
    """Draw the graph behind a tensor, from its inputs on the left to it on the right.

    Values and constants are known of operations that ran after this module was imported.  A
    long graph continues in the next row, where what it needs of the rows above is repeated.  Of
    a graph of more than 400 nodes, the last 400 are shown.

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
    vertices = list(graph_of(output, names).values())
    shown = vertices[-MAX_NODES:]
    title = f"the last {MAX_NODES} of {len(vertices)} nodes" if len(vertices) > MAX_NODES else ""
    grads = {vertex: vertex.grad() for vertex in shown}
    figure = picture(Layout(shown, grads), grads, title)
    if path is not None:
        figure.savefig(str(path), dpi=120)
        print(f"the graph: {Path(path).resolve()}")
    return figure


def _check_ending(path, *endings):
    if path is not None and Path(path).suffix.lower() not in endings:
        raise ValueError(f"the path must end in {' or '.join(endings)}, got {str(path)!r}")


# ---- the animation

def animate(output, path, names=None, seconds=1.5):
    """Run ``output.backward()`` and show its steps: as a page to step through, or as a GIF.

    In each step, the node at work is yellow, the gradient it received stands at the edge
    that it came along, and the leaves show what ``.grad`` holds by then.  The first 60 steps
    are shown; if the engine raises an error, those that led there.  The page is one file, for any
    browser; a GIF's last frame stays three times as long.

    Args:
        output (Tensor), names (dict): as for ``draw``.
        path (str): where to write it, ending in .html or .gif.
        seconds (float): how long each step stays, from 0.01 to 200.

    Returns:
        list of Step: the steps, as ``trace`` returns them.

    Raises:
        TypeError, ValueError: as for ``draw``; ``seconds`` that a GIF cannot say; a graph of
            more than 60 nodes.
        OSError: the path cannot be written; the gradients are then not touched.
    """
    _check_ending(path, ".gif", ".html")
    if not isinstance(seconds, Real):
        raise TypeError(f"animate: seconds must be a number, got {seconds!r}")
    if not 0.01 <= seconds <= 200:
        raise ValueError(f"animate: seconds must be from 0.01 to 200, got {seconds!r}")
    graph = graph_of(output, names)
    if len(graph) > MAX_FRAMES:
        raise ValueError(f"animate: this graph has {len(graph)} nodes, and at most {MAX_FRAMES} "
                         "can be shown; trace() prints the steps")
    open(path, "ab").close()  # fails, if it must, before backward() changes anything
    before = {vertex: vertex.grad() for vertex in graph.values()}
    recorder = Recorder(graph)
    try:
        recorder.record(output.backward)
    finally:
        layout = Layout(list(before), {v: v.grad() for v in before}, gap=2 * GAP_X)
        steps = recorder.steps[:MAX_FRAMES]
        if steps:
            write = _write_gif if Path(path).suffix.lower() == ".gif" else _write_page
            write(path, layout, steps, before, seconds)
            print(f"the steps: {Path(path).resolve()}")
        elif not Path(path).stat().st_size:
            Path(path).unlink()
    return recorder.steps


def _write_page(path, layout, steps, grads, seconds):
    styles = {kind: style for kind, style in STYLES.items() if style in _legend(layout)}
    Path(path).write_text(page(layout, steps, grads, styles, seconds), "utf-8")


def _write_gif(path, layout, steps, grads, seconds):
    frames = list(_frames(layout, steps, grads))
    stays = [round(seconds * 100) * 10] * len(frames)
    stays[-1] *= 3
    frames[0].save(str(path), save_all=True, append_images=frames[1:], loop=0, duration=stays)


def _frames(layout, steps, grads):
    """Make an image for each step; ``grads`` holds the leaves' gradients before the first."""
    from PIL import Image
    for step in steps:
        grads[step.vertex] = step.after
        title = f"Step {step.number} of {len(steps)}: {step.lines()[0]}"
        figure = picture(layout, grads, title, step)
        figure.set_dpi(160)
        figure.canvas.draw()
        yield Image.fromarray(np.array(figure.canvas.buffer_rgba())).convert("RGB")
