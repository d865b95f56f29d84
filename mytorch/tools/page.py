"""A page to step through a backward pass: the graph as SVG once, and a list of its steps."""

import json
import re
from html import escape
from pathlib import Path

from mytorch.tools.values import describe

TEMPLATE = Path(__file__).with_name("page.html")
PIXELS = 96  # an inch


def page(layout, steps, grads, styles, seconds):
    """Return the text of an HTML page that needs nothing else.

    Args:
        layout (Layout): where everything goes, in inches.
        steps (list of Step): what happens; ``grads`` (dict) holds the leaves' gradients before.
        styles (dict): of each kind of Vertex the colours and the words of the legend.
        seconds (float): how long a step stays while it plays.
    """
    numbers = {box.vertex: str(number) for number, box in enumerate(layout.boxes)}
    told = json.dumps([_step(step, numbers, dict(grads), steps) for step in steps])
    rules = "".join(f"  .{kind} rect {{ fill: {style['facecolor']}; stroke: {style['edgecolor']}; "
                    f"{'stroke-dasharray: 5 3; ' if kind == 'copy' else ''}}}\n"
                    for kind, style in styles.items())
    parts = {"GRAPH": _svg(layout, numbers, grads, styles), "STEPS": told.replace("</", "<\\/"),
             "SECONDS": str(seconds), "WIDTH": f"{layout.width * PIXELS:.0f}",
             "STYLES": rules.rstrip()}
    return re.sub("|".join(parts), lambda word: parts[word.group()], TEMPLATE.read_text("utf-8"))


def _step(step, numbers, grads, steps):
    """Return what the page shows at a step: its words, where, and what came and was kept."""
    grads.update((other.vertex, other.after) for other in steps[:step.number])
    return {"say": step.lines(), "at": numbers.get(step.vertex, ""),
            "came": {f"{numbers[vertex]}-{argument}": describe(grad)[-1]
                     for (vertex, argument), grad in step.came.items()},
            "grads": {numbers[vertex]: "grad " + describe(grad)[-1]
                      for vertex, grad in grads.items() if vertex in numbers}}


def _svg(layout, numbers, grads, styles):
    width, height = layout.width * PIXELS, layout.height * PIXELS
    parts = [f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="The operations '
             'from left to right, each right of its arguments">',
             '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="4" '
             'markerHeight="4" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" '
             'fill="#d9480f"/></marker></defs>']
    for box, edges in layout.boxes.items():
        parts += [_edge(edge, numbers) for edge in edges]
    parts += [_box(box, numbers[box.vertex], grads) for box in layout.boxes]
    x = 12.
    for kind, style in styles.items():
        parts.append(f'<g class="box {kind}"><rect x="{x:.0f}" y="{height - 24:.0f}" width="16" '
                     f'height="12"/></g><text x="{x + 22:.0f}" y="{height - 14:.0f}" '
                     f'style="text-anchor: start">{escape(style["label"])}</text>')
        x += 40 + 7 * len(style["label"])
    return "\n".join(parts + ["</svg>"])


def _edge(edge, numbers):
    """Write a curve, with places for a gradient and for the name of the argument."""
    points = [f"{x * PIXELS:.1f} {y * PIXELS:.1f}" for x, y in edge.curve()]
    path = f"M{points[0]}" + "".join(
        f"C{' '.join(points[i:i + 3])}" + (f"L{points[i + 3]}" if i + 3 < len(points) else "")
        for i in range(1, len(points), 4))
    x, y = (PIXELS * number for number in edge.label_at())
    end_x, end_y = (PIXELS * number for number in edge.curve()[-1])
    name = (f'<text class="name" x="{end_x - 9:.1f}" y="{end_y - 5:.1f}">{escape(edge.name)}</text>'
            if edge.name else "")
    return (f'<g class="edge" data-edge="{numbers[edge.route[-1].vertex]}-{edge.argument}">'
            f'<path d="{path}"/>{name}<text class="grad" x="{x:.1f}" y="{y + 4:.1f}"></text></g>')


def _box(box, number, grads):
    left, top = (box.x - box.width / 2) * PIXELS, (box.y - box.height / 2) * PIXELS
    line = box.height * PIXELS / (len(box.lines) + 0.8)
    texts = []
    for place, text in enumerate(box.lines):
        mark = f' data-grad="{number}"' if text.startswith("grad ") and box.vertex in grads else ""
        texts.append(f'<text x="{box.x * PIXELS:.1f}" y="{top + line * (place + 1.2):.1f}"{mark}>'
                     f"{escape(text)}</text>")
    kind = "copy" if box.is_copy else box.vertex.kind
    round_off = 0 if box.vertex.kind in ("leaf", "constant") else 12
    return (f'<g class="box {kind}" data-vertex="{number}"><rect x="{left:.1f}" y="{top:.1f}" '
            f'width="{box.width * PIXELS:.1f}" height="{box.height * PIXELS:.1f}" '
            f'rx="{round_off}"/>{"".join(texts)}</g>')
