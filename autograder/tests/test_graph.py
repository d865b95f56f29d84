"""What trace, draw and animate show is what the engine did: this one, and a student's."""

import gc
import importlib
import shutil
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graded import REPOSITORY, variant
from mytorch import Tensor
from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.graph import animate, draw, trace
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


def repeated(operation, times):
    y = Tensor(1., requires_grad=True)
    for _ in range(times):
        y = operation(y)
    return y


def fan(times):
    x = Tensor(1., requires_grad=True)
    return repeated(lambda y: y + x, times)


GRAPHS = {
    "one leaf": lambda: Tensor(1., requires_grad=True),
    "one operation": lambda: Tensor([1., 2.], requires_grad=True) * 2,
    "worked example": lambda: worked_example()[0],
    "MNIST network": network_loss,
    "wide": lambda: sum(Tensor(float(i), requires_grad=True) for i in range(12)),
    "diamonds": lambda: repeated(lambda y: 0.5 * y + 0.5 * y, 10),
    "sixty nodes": lambda: repeated(lambda y: y * 1.5, 30),
    "a leaf used often": lambda: fan(40),
    "random": lambda: random_graph(2, 25)[0],
}

EXPECTED = """\
Step 1  backward() starts with the gradient of the output itself: 1
Step 2  e = Add received 1
        hands 1 to Add
        nothing for constant: a constant requires no gradient
Step 3    Add received 1
          hands 1 to d = Add
          hands 1 to c
Step 4      c received 1
            keeps it: .grad was None, is 1
Step 5      d = Add received 1
            hands 1 to Mul
            hands 1 to a
Step 6        a received 1
              keeps it: .grad was None, is 1
Step 7        Mul received 1
              hands 2 to a
              nothing for b: a constant requires no gradient
Step 8          a received 2
                keeps it: .grad was 1, is 3
"""


class Nested(Function):
    """Twice its input; its backward calls backward() on another graph, ``Nested.other``."""

    @staticmethod
    def forward(ctx, a):
        return Tensor(a.data * 2)

    @staticmethod
    def backward(ctx, grad_output):
        Nested.other.backward()
        return Tensor(grad_output.data * 2)


class Broken(Nested):
    @staticmethod
    def backward(ctx, grad_output):
        raise KeyError("mine")


# ---- the trace

def test_the_trace_tells_the_handouts_eight_steps(capsys):
    e, names = worked_example()
    steps = trace(e, names)
    assert capsys.readouterr().out == EXPECTED
    assert [step.number for step in steps] == list(range(1, 9))
    assert [step.depth for step in steps] == [0, 0, 1, 2, 2, 3, 3, 4]
    assert (steps[7].before.item(), steps[7].after.item()) == (1, 3)


def test_a_node_that_received_a_sum_says_of_what(capsys):
    t = Tensor(2., requires_grad=True) * 3
    trace(t * 5 + t * 7, {"t": t})
    said = capsys.readouterr().out
    assert "t = Mul received 12\n" in said
    assert "the sum of 2 gradients: 7, 5\n" in said or "the sum of 2 gradients: 5, 7\n" in said


def test_leaves_without_names_are_told_apart_by_order_and_shape(capsys):
    trace((Tensor(np.ones((2, 3)), requires_grad=True) * Tensor([1., 2, 3], requires_grad=True)))
    lines = capsys.readouterr().out
    assert "leaf 1 (2x3) received" in lines and "leaf 2 (3) received" in lines


def test_arrays_take_one_line_and_long_ones_are_summarised(capsys):
    trace(Tensor([[1.], [2.]], requires_grad=True) * 2)
    assert "received [[2], [2]]\n" in capsys.readouterr().out
    trace(Tensor(np.ones((3, 4)), requires_grad=True) * 2)
    assert "3x4 mean 1 norm 3.46" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(3))
def test_watching_changes_no_gradient_and_shows_the_leaves_own(seed):
    watched, leaves = random_graph(seed, 15)
    unwatched, others = random_graph(seed, 15)
    steps = trace(watched)
    unwatched.backward()
    for a, b in zip(leaves, others):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert np.array_equal(a.grad.data, b.grad.data)
            last = [s for s in steps if s.vertex is not None and s.vertex.tensor is a][-1]
            assert np.array_equal(last.after, a.grad.data)


def test_after_a_trace_the_nodes_apply_is_the_engines_own_also_after_an_error(capsys):
    before = AccumulateGrad.apply, BackwardFunction.apply
    with pytest.raises(KeyError, match="mine"):
        trace(Broken.apply(Tensor(1., requires_grad=True)) * 2)
    assert (AccumulateGrad.apply, BackwardFunction.apply) == before
    said = capsys.readouterr().out
    assert "Mul received 1" in said and "raised KeyError: 'mine'" in said


def test_a_backward_inside_a_backward_is_not_recorded():
    Nested.other = Tensor(1., requires_grad=True) * 3
    x = Tensor(1., requires_grad=True)
    steps = trace(Nested.apply(x) * 2, {"x": x})
    assert [s.vertex.label for s in steps[1:]] == ["Mul", "Nested", "x"]


def test_the_backward_of_another_thread_is_not_recorded(capsys):
    other, is_over = Tensor(1., requires_grad=True) * 3, threading.Event()

    def go_back_again_and_again():
        while not is_over.is_set():
            other.backward()

    thread = threading.Thread(target=go_back_again_and_again)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        assert len(trace(repeated(lambda y: y + 1, 100))) == 102
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_the_trace_of_a_deep_graph_takes_linear_time_and_short_lines(capsys):
    x = Tensor(1., requires_grad=True)
    y = x
    for _ in range(2000):
        y = y + x
    start = time.process_time()
    assert len(trace(y, {"x": x})) == 4002
    assert time.process_time() - start < 3
    assert max(map(len, capsys.readouterr().out.splitlines())) < 120


def test_remembering_for_the_pictures_keeps_no_graph_alive():
    draw(fan(1))  # the first loads matplotlib
    gc.collect()
    gc.disable()
    try:
        x = Tensor(np.ones(3), requires_grad=True)
        y = (x * 2 + Tensor(1.)).sum()
        gone = [weakref.ref(y), weakref.ref(y.grad_fn), weakref.ref(y.data)]
        trace(y)
        draw(y)
        del y
        assert [what() for what in gone] == [None] * 3
    finally:
        gc.enable()


# ---- engines that somebody else wrote

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
        for parent, grad in zip(node.next_functions, grads):
            if parent:
                sums[parent] = Tensor(sums[parent].data + grad.data) if parent in sums else grad


def recursive(grad_fn, grad_of_outputs):
""")]
NO_WEAK_REFERENCES = [(ENGINE, "class BackwardFunction:\n", """\
class BackwardFunction:
    __slots__ = ("cls", "ctx", "next_functions")

""")]
RECURSION, LOOP = [0, 0, 1, 2, 1, 2, 3], [0, 0, 0, 0, 0]  # how deep the steps below are
ENGINES = {"plain": ([], RECURSION), "NumPy gradients": (NUMPY_GRADIENTS, RECURSION),
           "topological sort": (TOPOLOGICAL_SORT, LOOP),
           "nodes without weak references": (NO_WEAK_REFERENCES, RECURSION)}


@contextmanager
def foreign(*changes):
    """A variant of the plain submission in place of MyTorch; yields an import of its modules."""
    def forget_mytorch():
        return {name: sys.modules.pop(name) for name in list(sys.modules)
                if name.split(".")[0] == "mytorch"}

    with variant(PACKAGE, *changes) as folder:
        for name in "graph.py", "watch.py":
            shutil.copy(str(Path(REPOSITORY, "mytorch", name)), str(Path(folder, "mytorch")))
        ours = forget_mytorch()
        sys.path.insert(0, folder)
        try:
            yield importlib.import_module
        finally:
            sys.path.remove(folder)
            forget_mytorch()
            sys.modules.update(ours)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_graph_of_another_engine_is_traced_drawn_and_animated(engine, tmp_path, capsys):
    changes, depths = ENGINES[engine]
    with foreign(*changes) as load:
        tensor = load("mytorch.tensor").Tensor
        a, b = tensor(1., requires_grad=True), tensor(2.)
        t = a * b  # before the import: neither its value nor b can be known
        graph = load("mytorch.graph")
        d = t + t * tensor(5.)
        names = {"a": a, "b": b, "t": t, "d": d}
        steps = graph.trace(d, names)
        assert [step.depth for step in steps] == depths
        said = capsys.readouterr().out
        assert "a received 12" in said or "keeps it: .grad was 2, is 12" in said
        assert ("the sum of 2 gradients: 1, 5" in said) == (depths is LOOP)
        texts = [text for text, _ in texts_of(graph.draw(d, names=names))]
        assert {"a", "1", "t = Mul", "Mul", "d = Add", "12", "grad 12"} <= set(texts)
        assert ("5" in texts) == (engine != "nodes without weak references") and "b" not in texts
        assert len(graph.animate(d, str(tmp_path / "a.gif"), names)) == len(depths)
        assert len(frames_of(tmp_path / "a.gif")) == len(depths)


def test_an_error_in_the_middle_goes_on_after_the_steps_that_led_there(tmp_path, capsys):
    with foreign(("nn/functional.py", "b.data ** 2", "b.date ** 2")) as load:
        tensor, graph = load("mytorch.tensor").Tensor, load("mytorch.graph")
        x = tensor(1., requires_grad=True)
        with pytest.raises(AttributeError, match="date"):
            graph.trace(x / tensor(3.) + x)
        said = capsys.readouterr().out
        assert "Step 3    Div received 1" in said and "raised AttributeError: " in said
        with pytest.raises(AttributeError, match="date"):
            graph.animate(x / tensor(3.) + x, str(tmp_path / "a.gif"))
        assert len(frames_of(tmp_path / "a.gif")) == 3


# ---- pictures

def texts_of(figure):
    renderer = figure.canvas.get_renderer()
    return [(t.get_text(), t.get_window_extent(renderer)) for t in figure.axes[0].texts]


def frames_of(path):
    with Image.open(str(path)) as image:
        return [np.array(seek(image, i).convert("RGB")) for i in range(image.n_frames)]


def seek(image, i):
    image.seek(i)
    return image


@pytest.mark.parametrize("name", GRAPHS)
def test_no_texts_overlap_and_none_is_outside_the_picture(name):
    output = GRAPHS[name]()
    output.backward()
    figure = draw(output)
    texts = texts_of(figure)
    x0, x1, y0, y1 = np.array([[b.x0, b.x1, b.y0, b.y1] for _, b in texts]).T
    assert min(x0.min(), y0.min()) >= 0
    assert x1.max() <= figure.bbox.width and y1.max() <= figure.bbox.height
    apart = ((x1[:, None] <= x0) | (x1 <= x0[:, None]) | (y1[:, None] <= y0 + 1)
             | (y1 <= y0[:, None] + 1))
    overlapping = np.argwhere(~apart & ~np.eye(len(texts), dtype=bool))
    assert not len(overlapping), [texts[i][0] for i in overlapping[0]]


def test_a_chain_of_sixty_nodes_fits_a_page():
    width, height = draw(GRAPHS["sixty nodes"]()).get_size_inches()
    assert width < 14 and height < 10  # 11 by 8 inches at 80 %


def test_a_graph_of_three_hundred_nodes_is_drawn_in_seconds(tmp_path):
    output = fan(299)
    draw(fan(1), tmp_path / "fan.png")  # the first loads matplotlib and its fonts
    start = time.process_time()
    figure = draw(output, tmp_path / "fan.png")
    assert time.process_time() - start < 4  # 2 on the machine that this was written on
    assert sum(text == "Add" for text, _ in texts_of(figure)) >= 299


def test_a_larger_graph_shows_its_last_nodes_and_says_so(monkeypatch):
    monkeypatch.setattr("mytorch.graph.MAX_NODES", 20)
    texts = [text for text, _ in texts_of(draw(repeated(lambda y: y * 1.5, 11)))]
    assert "the last 20 of 23 nodes" in texts and "leaf" not in texts


def test_the_picture_holds_names_operations_values_and_gradients():
    e, names = worked_example()
    e.backward()
    texts = {text for text, _ in texts_of(draw(e, names=names))}
    assert texts >= {"a", "b", "c", "d = Add", "e = Add", "Mul", "constant", "9", "grad 3",
                     "leaf: keeps its gradient"}


def test_operations_are_right_of_their_inputs_or_in_a_lower_row():
    centre = {text: ((box.x0 + box.x1) / 2, box.y0)
              for text, box in texts_of(draw(repeated(lambda y: y + 1, 20)))}
    for value in range(2, 20):
        (x, y), (next_x, next_y) = centre[str(value)], centre[str(value + 1)]
        assert next_x > x or next_y < y


def test_boxes_are_ordered_to_keep_edges_from_crossing():
    x = Tensor(1., requires_grad=True)
    names = {"x": x, "b": Tensor(2.), "c": Tensor(3.)}
    texts = texts_of(draw(x * names["b"] + x * names["c"], names=names))
    height = {text: box.y0 for text, box in texts if text in names}
    assert sorted(height, key=height.get)[1] == "x"


@pytest.mark.parametrize("ending, start", [(".png", b"\x89PNG"), (".svg", b"<?xml"),
                                           (".pdf", b"%PDF")])
def test_pictures_are_written_in_the_format_of_their_ending(tmp_path, ending, start):
    path = tmp_path / ("graph" + ending)
    e, names = worked_example()
    draw(e, str(path), names)
    assert path.read_bytes().startswith(start) and path.stat().st_size > 3000


# ---- the animation

def test_the_animation_has_a_frame_for_each_of_the_eight_steps(tmp_path):
    path = tmp_path / "graph.gif"
    e, names = worked_example()
    assert len(animate(e, path, names)) == 8
    frames = frames_of(path)
    assert len(frames) == 8 and path.stat().st_size < 200000
    assert all((one != other).any() for one, other in zip(frames, frames[1:]))
    assert names["a"].grad.item() == 3


def test_in_each_frame_the_leaves_show_the_gradient_they_have_by_then(tmp_path, monkeypatch):
    from matplotlib.axes import Axes
    shown, text = [], Axes.text
    monkeypatch.setattr(Axes, "text", lambda axes, x, y, string, **style: (
        shown.append(string), text(axes, x, y, string, **style)))
    e, names = worked_example()
    animate(e, tmp_path / "graph.gif", names)
    # c receives its 1 in step 4 of 8, a 1 in step 6 and 2 more in step 8.
    assert [shown.count(f"grad {grad}") for grad in (None, 1, 3)] == [3 + 5, 5 + 2, 1]


def test_only_an_edge_at_work_has_an_arrow_head_where_the_gradient_goes(tmp_path, monkeypatch):
    from matplotlib import patches
    styles = []

    class Spied(patches.FancyArrowPatch):
        def __init__(self, *args, **options):
            styles.append(options["arrowstyle"])
            super().__init__(*args, **options)

    monkeypatch.setattr(patches, "FancyArrowPatch", Spied)
    x = Tensor(1., requires_grad=True)
    animate(x * 2, tmp_path / "graph.gif", {"x": x})
    assert sorted(styles) == ["-"] * 5 + ["-|>"]  # two edges, three frames, one at work
    red, green, blue = frames_of(tmp_path / "graph.gif")[2].transpose(2, 0, 1).astype(int)
    orange = (abs(red - 0xd9) < 30) & (abs(green - 0x48) < 30) & (abs(blue - 0x0f) < 40)
    orange[:30] = False  # the title
    thickness = orange.sum(axis=0)[orange.any(axis=0)]
    assert thickness[:8].max() >= 5 and thickness[-4:].max() <= 4


@pytest.mark.parametrize("seconds", [0.01, 0.06, np.float32(1.5), 655.35])
def test_each_frame_stays_as_long_as_it_was_told_to(seconds, tmp_path):
    animate(Tensor(1., requires_grad=True) * 2, tmp_path / "a.gif", seconds=seconds)
    with Image.open(str(tmp_path / "a.gif")) as image:
        assert image.info["duration"] == pytest.approx(1000 * seconds)


@pytest.mark.parametrize("seconds, error", [
    (0, ValueError), (-1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError),
    (1e9, ValueError), (1e-3, ValueError), ("2", TypeError), (None, TypeError)])
def test_seconds_that_a_gif_cannot_hold_are_refused_before_backward(seconds, error, tmp_path):
    a = Tensor(1., requires_grad=True)
    with pytest.raises(error, match=f"seconds must be .*got {seconds!r}"):
        animate(a * 2, tmp_path / "a.gif", seconds=seconds)
    assert a.grad is None and not list(tmp_path.iterdir())


# ---- bad input

@pytest.mark.parametrize("function", [trace, draw, lambda t: animate(t, "x.gif")])
def test_a_tensor_outside_any_graph_is_a_clear_error(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="outside any graph"):
        function(Tensor(1.) + 2)
    with pytest.raises(TypeError, match="a graph belongs to a Tensor, got float"):
        function(1.)
    with pytest.raises(TypeError, match="names maps names to Tensors"):
        trace(Tensor(1., requires_grad=True) * 2, names={"a": 5})
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_and_an_unwritable_path_are_clear_errors(tmp_path):
    e, names = worked_example()
    with pytest.raises(ValueError, match=r"\.png or \.svg or \.pdf.*graph\.jpeg"):
        draw(e, "graph.jpeg")
    with pytest.raises(ValueError, match=r"\.gif"):
        animate(e, "graph.png")
    with pytest.raises(OSError):
        draw(e, tmp_path / "missing" / "graph.png")
    with pytest.raises(OSError):
        animate(e, tmp_path / "missing" / "graph.gif")
    assert names["a"].grad is None


def test_a_graph_too_large_for_an_animation_is_refused_before_backward(tmp_path):
    output, path = fan(100), tmp_path / "a.gif"
    with pytest.raises(ValueError, match="102 nodes.*trace"):
        animate(output, path)
    assert not path.exists()
