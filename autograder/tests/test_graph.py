"""What trace, draw and animate show is what the engine did."""

import numpy as np
import pytest

from mytorch import Tensor, autograd_engine
from mytorch.graph import MOST_NODES, animate, draw, record, trace, vertices_of
from mytorch.nn.activations import ReLU
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from sandbox import example as worked_example


def network_loss():
    net = Sequential(Linear(784, 20), BatchNorm1d(20), ReLU(), Linear(20, 10))
    return CrossEntropyLoss()(net(Tensor.randn(100, 784)), Tensor(np.arange(100) % 10))


def random_graph(seed, size):
    rng = np.random.RandomState(seed)
    pool = [Tensor(rng.uniform(1, 2, (2, 2)), requires_grad=bool(i)) for i in range(4)]
    leaves = list(pool)
    for _ in range(size):
        a, b = (pool[i] for i in rng.randint(max(0, len(pool) - 6), len(pool), 2))
        pool.append([lambda: a + b, lambda: a * 0.5 - b, lambda: (a * a).mean() + b * 0.1][
            rng.randint(3)]())
    return sum(pool[-4:], Tensor(0.)).sum(), leaves


def chain(n):
    y = Tensor(1., requires_grad=True)
    for _ in range(n):
        y = y * 1.5
    return y


def wide():
    leaves = [Tensor(float(i), requires_grad=True) for i in range(12)]
    return sum(leaves[1:], leaves[0])


def diamonds():
    y = Tensor(1., requires_grad=True)
    for _ in range(10):
        y = 0.5 * y + 0.5 * y
    return y


GRAPHS = {
    "one leaf": lambda: Tensor(1., requires_grad=True),
    "one operation": lambda: Tensor([1., 2.], requires_grad=True) * 2,
    "worked example": lambda: worked_example()[0],
    "MNIST network": network_loss,
    "wide": wide,
    "diamonds": diamonds,
    "sixty nodes": lambda: chain(29),
    "random": lambda: random_graph(1, 20)[0],
    "random, larger": lambda: random_graph(2, 40)[0],
    "two hundred and more": lambda: chain(150),
}

EXPECTED = """\
Step 1  backward() starts with the gradient of the output itself: 1
Step 2  e = Add received 1
        hands Add 1
        nothing for constant: a constant requires no gradient
Step 3    Add received 1
          hands d = Add 1
          hands c 1
Step 4      c (leaf) received 1
            keeps it: .grad was None, is 1
Step 5      d = Add received 1
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


def test_the_trace_tells_the_handouts_eight_steps(capsys):
    e, names = worked_example()
    steps = trace(e, names)
    assert capsys.readouterr().out == EXPECTED
    assert [s.number for s in steps] == list(range(1, 9))
    assert [s.depth for s in steps] == [0, 0, 1, 2, 2, 3, 3, 4]
    assert (steps[7].before.item(), steps[7].after.item()) == (1, 3)


def test_a_node_that_waits_says_so(capsys):
    a = Tensor(2., requires_grad=True)
    t = a * a
    steps = trace(t + t, {"a": a, "t": t})
    assert [s.waits for s in steps] == [False, False, True, False, False, False]
    assert steps[3].total.item() == 2
    assert "waits for another path" in capsys.readouterr().out


def test_long_arrays_are_summarised(capsys):
    trace(Tensor(np.ones((3, 4)), requires_grad=True) * 2)
    assert "3x4 mean 1 norm 3.46" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(5))
def test_watching_changes_no_gradient_and_records_the_engines_own(seed):
    watched, leaves = random_graph(seed, 15)
    unwatched, others = random_graph(seed, 15)
    steps = record(watched)
    unwatched.backward()
    for a, b in zip(leaves, others):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert np.array_equal(a.grad.data, b.grad.data)
            last = [s for s in steps if s.node is a.grad_fn][-1]
            assert np.array_equal(last.after, a.grad.data)
    assert autograd_engine._mode.watcher is None


def test_the_watcher_is_gone_after_an_error():
    class Broken(autograd_engine.Function):
        @staticmethod
        def forward(ctx, a):
            return Tensor(a.data * 2)

        @staticmethod
        def backward(ctx, grad_output):
            raise KeyError("mine")

    with pytest.raises(KeyError):
        trace(Broken.apply(Tensor(1., requires_grad=True)))
    assert autograd_engine._mode.watcher is None


def test_a_backward_inside_a_backward_is_not_recorded():
    inner = Tensor(1., requires_grad=True)
    tripled = inner * 3

    class Nested(autograd_engine.Function):
        @staticmethod
        def forward(ctx, a):
            return Tensor(a.data * 2)

        @staticmethod
        def backward(ctx, grad_output):
            tripled.backward()
            return grad_output * inner.grad

    x = Tensor(1., requires_grad=True)
    steps = record(Nested.apply(x) * 2, {"x": x})
    assert [s.name for s in steps] == ["backward()", "Mul", "Nested", "x"]
    assert x.grad.item() == 6


def test_names_are_kept_in_large_graphs_and_lines_stay_short(capsys):
    x = Tensor(1., requires_grad=True)
    y = x
    for _ in range(300):
        y = y + 1
    steps = trace(y, {"x": x})
    assert steps[-1].name == "x"
    assert max(map(len, capsys.readouterr().out.splitlines())) < 120


# ---- pictures

def boxes_of_texts(figure):
    renderer = figure.canvas.get_renderer()
    texts = [t for t in figure.axes[0].texts if t.get_text()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts]


@pytest.mark.parametrize("name", GRAPHS)
def test_no_texts_overlap_and_none_is_outside_the_picture(name):
    output = GRAPHS[name]()
    output.backward()
    figure = draw(output)
    texts = boxes_of_texts(figure)
    assert texts
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
    edges = np.array([[b.x0, b.x1, b.y0, b.y1] for _, b in texts])
    x0, x1, y0, y1 = edges.T
    apart = ((x1[:, None] <= x0) | (x1 <= x0[:, None]) | (y1[:, None] <= y0 + 1)
             | (y1 <= y0[:, None] + 1))
    overlapping = np.argwhere(~apart & ~np.eye(len(texts), dtype=bool))
    assert not len(overlapping), [texts[i][0] for i in overlapping[0]]


@pytest.mark.parametrize("name", ["worked example", "MNIST network", "diamonds", "random"])
def test_no_boxes_overlap(name):
    from mytorch.graph import Layout, _lines_of
    vertices, _ = vertices_of(GRAPHS[name]())
    boxes = list(Layout(vertices, _lines_of).boxes.values())
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert (abs(one.x - other.x) >= (one.width + other.width) / 2 - 1e-9
                    or abs(one.y - other.y) >= (one.height + other.height) / 2 - 1e-9)


def test_the_picture_holds_names_operations_values_and_gradients():
    e, names = worked_example()
    e.backward()
    texts = [text for text, _ in boxes_of_texts(draw(e, names=names))]
    for text in ("a", "b", "c", "d = Add", "e = Add", "Mul", "constant", "9", "grad 3",
                 "leaf: keeps its gradient"):
        assert text in texts


def test_operations_are_right_of_their_inputs():
    from mytorch.graph import Layout, _lines_of
    vertices, _ = vertices_of(random_graph(3, 30)[0])
    layout = Layout(vertices, _lines_of)
    assert all(layout.boxes[id(p)].x < layout.boxes[id(v)].x for v in vertices for p in v.parents)


def test_a_large_graph_shows_its_last_two_hundred_nodes_and_says_so():
    output = GRAPHS["two hundred and more"]()
    vertices, left_out = vertices_of(output)
    assert len(vertices) == MOST_NODES and left_out == 301 - MOST_NODES
    assert "the last 200 of 301 nodes" in [t for t, _ in boxes_of_texts(draw(output))]


@pytest.mark.parametrize("ending, start", [(".png", b"\x89PNG"), (".svg", b"<?xml"),
                                           (".pdf", b"%PDF")])
def test_pictures_are_written_in_the_format_of_their_ending(tmp_path, ending, start):
    path = tmp_path / ("graph" + ending)
    e, names = worked_example()
    draw(e, str(path), names)
    assert path.read_bytes().startswith(start) and path.stat().st_size > 3000


def test_a_leaf_whose_name_begins_with_grad_keeps_it_in_the_animation(tmp_path, monkeypatch):
    from mytorch import graph
    shown = []
    monkeypatch.setattr(graph, "_draw_box", lambda axes, box, lines, **style: shown.append(lines))
    x = Tensor(1., requires_grad=True)
    animate(x * 2, str(tmp_path / "graph.gif"), {"grade": x})
    assert ["grade", "1", "grad None"] in shown and ["grade", "1", "grad 2"] in shown


def test_the_animation_has_a_frame_for_each_of_the_eight_steps(tmp_path):
    from PIL import Image
    path = tmp_path / "graph.gif"
    e, names = worked_example()
    steps = animate(e, str(path), names)
    with Image.open(str(path)) as image:
        assert image.n_frames == len(steps) == 8
        frames = []
        for i in range(8):
            image.seek(i)
            frames.append(np.array(image.convert("RGB")))
    assert all((one != other).any() for one, other in zip(frames, frames[1:]))
    assert path.stat().st_size < 200000
    assert names["a"].grad.item() == 3


# ---- bad input

@pytest.mark.parametrize("function", [lambda t: trace(t), lambda t: draw(t),
                                      lambda t: animate(t, "x.gif")])
def test_a_tensor_outside_any_graph_is_a_clear_error(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="outside any graph"):
        function(Tensor(1.) + 2)
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_and_an_unwritable_path_are_clear_errors(tmp_path):
    e, names = worked_example()
    with pytest.raises(ValueError, match=r"\.png or \.svg or \.pdf.*graph\.jpeg"):
        draw(e, "graph.jpeg")
    with pytest.raises(ValueError, match=r"\.gif"):
        animate(e, "graph.png")
    with pytest.raises(OSError):
        draw(e, str(tmp_path / "missing" / "graph.png"))
    with pytest.raises(OSError):
        animate(e, str(tmp_path / "missing" / "graph.gif"))
    assert names["a"].grad is None


def test_names_must_be_clear():
    e, names = worked_example()
    with pytest.raises(ValueError, match="'a' is given to two tensors"):
        draw(e, names=[("a", names["a"]), ("a", names["b"])])
    with pytest.raises(ValueError, match="two names, 'a' and 'z'"):
        draw(e, names={"a": names["a"], "z": names["a"]})
    with pytest.raises(TypeError, match="names maps names to Tensors"):
        trace(e, names={"a": 5})


def test_a_graph_made_before_the_import_is_an_error_that_says_so(monkeypatch):
    a = Tensor(1., requires_grad=True)
    monkeypatch.setattr(autograd_engine, "keep_inputs", False)
    y = a * 2
    monkeypatch.undo()
    with pytest.raises(ValueError, match="before mytorch.graph was imported"):
        vertices_of(y)


def test_an_animation_that_cannot_be_shown_is_refused_before_backward(tmp_path):
    a = Tensor(1., requires_grad=True)
    path = tmp_path / "a.gif"
    with pytest.raises(ValueError, match="seconds must be above 0"):
        animate(a * 2, str(path), seconds=0)
    with pytest.raises(ValueError, match="trace"):
        animate(chain(60), str(path))
    assert a.grad is None and not path.exists()
