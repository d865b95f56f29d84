"""What trace, draw and animate show is what the engine did: this one, and a student's."""

import _thread
import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from itertools import combinations
from unittest import mock

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.patches import ArrowStyle, FancyArrowPatch, FancyBboxPatch
from PIL import Image, ImageSequence

from engines import NUMPY_GRADIENTS, SLOTS, TOPOLOGICAL_SORT, engine
from graded import REPOSITORY
from mytorch import Tensor
from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, Function
from mytorch.tools import animate, draw, trace
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from sandbox import example as worked_example


ENGINE, F = "autograd_engine.py", "nn/functional.py"


def network_loss():
    net = Sequential(Linear(784, 20), BatchNorm1d(20), Linear(20, 10))
    return CrossEntropyLoss()(net(Tensor.randn(100, 784)), Tensor(np.arange(100) % 10))


def random_graph(seed):
    rng = np.random.RandomState(seed)
    pool = leaves = [Tensor(rng.uniform(1, 2, (2, 2)), requires_grad=True) for _ in range(4)]
    for _ in range(20):
        a, b = (pool[i] for i in rng.randint(len(pool) - 4, len(pool), 2))
        pool = pool + [[a + b, a * 0.5 - b, (a * a).mean() + b * 0.1][rng.randint(3)]]
    return sum(pool).sum(), leaves


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
    "worked example": lambda: worked_example()[0],
    "MNIST network": network_loss,
    "a leaf used often": lambda: fan(20),
    "random": lambda: random_graph(2)[0],
}


class Nested(Function):
    """Twice its input; its backward calls ``Nested.inner`` first."""

    @staticmethod
    def forward(ctx, a):
        return Tensor(a.data * 2)

    @staticmethod
    def backward(ctx, grad_output):
        Nested.inner()
        return Tensor(grad_output.data * 2)


def fail():
    raise KeyError("mine")


# ---- the trace

def test_the_trace_tells_the_handouts_eight_steps_and_prints_each_when_it_is_done(capsys):
    e, names = worked_example()
    steps = trace(e, names)  # what it prints is the example of its docstring
    assert capsys.readouterr().out == "".join(f"{step}\n" for step in steps)
    assert [step.number for step in steps] == list(range(1, 9))
    assert [step.depth for step in steps] == [0, 0, 1, 2, 2, 3, 3, 4]
    assert [step.lines()[0] for step in steps[1:]] == [
        "e = Add received 1", "Add received 1", "c received 1", "d = Add received 1",
        "a received 1", "Mul received 1", "a received 2"]
    assert (steps[7].before.item(), steps[7].after.item()) == (1, 3)


def test_a_node_that_received_a_sum_says_of_what(capsys):
    t = Tensor(2., requires_grad=True) * 3
    trace(t * 5 + t * 7, {"t": t})
    said = capsys.readouterr().out
    assert "t = Mul received 12\n" in said
    assert "it was handed 2 gradients: 7, 5\n" in said


def test_a_leaf_that_adds_each_gradient_received_one_at_a_time():
    x = Tensor(3., requires_grad=True)
    assert [list(step.came.values()) for step in trace(x * x)] == [[], [], [3], [3]]


def test_leaves_without_names_are_told_apart_by_order_and_shape_on_one_line(capsys):
    trace((Tensor(np.ones((2, 3)), requires_grad=True) * Tensor([[1.], [2.]], requires_grad=True)))
    lines = capsys.readouterr().out
    assert "leaf 1 received 2x3 mean 1.5 norm 3.87\n" in lines
    assert "leaf 2 received [[3], [3]]\n" in lines


def test_watching_changes_no_gradient_and_shows_the_leaves_own():
    watched, leaves = random_graph(0)
    unwatched, others = random_graph(0)
    last = {step.vertex and step.vertex.tensor: step.after for step in trace(watched)}
    unwatched.backward()
    for a, b in zip(leaves, others):
        assert np.array_equal(a.grad.data, b.grad.data) and np.array_equal(a.grad.data, last[a])


def test_steps_are_printed_as_they_happen_and_an_error_leaves_the_engine_as_it_was(capsys):
    before = AccumulateGrad.apply, BackwardFunction.apply
    said = []
    Nested.inner = lambda: (said.append(capsys.readouterr().out), fail())
    with pytest.raises(KeyError, match="mine"):
        trace(Nested.apply(Tensor(1., requires_grad=True)) * 2)
    assert (AccumulateGrad.apply, BackwardFunction.apply) == before
    assert "Mul received 1" in said[0] and "Nested" not in said[0].split("hands")[0]
    assert "Nested received 2" in capsys.readouterr().out


def test_a_backward_inside_a_backward_is_not_recorded():
    y = Tensor(1., requires_grad=True) * 3
    Nested.inner = y.backward
    assert [step.vertex.label for step in trace(Nested.apply(y))[1:]] == ["Nested", "Mul", "leaf 1"]


def test_the_backward_of_another_thread_is_not_recorded(monkeypatch):
    y = Tensor(1., requires_grad=True) * 3
    threads = [threading.Thread(target=y.backward)]

    def run_when_a_step_is_printed(step):
        if threads:
            thread = threads.pop()
            thread.start()
            thread.join()

    monkeypatch.setattr("builtins.print", run_when_a_step_is_printed)
    assert len(trace(y)) == 3


def test_the_trace_of_a_deep_graph_takes_linear_time_and_short_lines(capsys):
    start = time.process_time()
    depth = 1000 if sys.version_info >= (3, 11) else 200  # as deep as backward() goes
    assert len(trace(fan(depth))) == 2 * depth + 2
    assert time.process_time() - start < 1.5
    assert max(map(len, capsys.readouterr().out.splitlines())) < 120


@pytest.fixture
def heeding_interrupts():
    """Take SIGINT for what it is, also where a shell's background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_interrupts")
@pytest.mark.parametrize("file, old, loop, steps, line", [
    (ENGINE, "    grads = grad_fn.apply", "    while True:\n        pass\n", 0, "[23]"),
    (F, "        mul_a = grad", "        while True:\n            pass\n", 2, "5[34]")])
def test_the_trace_of_a_loop_that_calls_nothing_ends_and_says_where(
        file, old, loop, steps, line, monkeypatch, capsys):
    with engine([(file, old, loop + old)]) as load:
        monkeypatch.setattr(load("tools.recorder"), "PATIENCE", 0.1)
        monkeypatch.delitem(sys.modules, "pdb", raising=False)  # as if no debugger were at work
        tensor = load("tensor").Tensor
        with pytest.raises(RuntimeError, match=f"no step has ended .* at line {line} of "):
            load("tools").trace(tensor(1., requires_grad=True) * tensor(2.))
    assert capsys.readouterr().out.count("Step") == steps


@pytest.mark.usefixtures("heeding_interrupts")
def test_a_trace_that_somebody_interrupts_is_interrupted():
    def interrupt(self):
        _thread.interrupt_main()
        time.sleep(5)

    y = Tensor(1., requires_grad=True) * 2
    with mock.patch.object(Tensor, "backward", interrupt), pytest.raises(KeyboardInterrupt):
        trace(y)


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

RECURSION, LOOP = [0, 0, 1, 2, 1, 2, 3], [0, 0, 0, 0, 0]  # how deep the steps below are
ENGINES = {"plain": ([], RECURSION), "NumPy gradients": (NUMPY_GRADIENTS, RECURSION),
           "topological sort": (TOPOLOGICAL_SORT, LOOP), "slots": (SLOTS, RECURSION)}


@pytest.mark.parametrize("name", ENGINES)
def test_the_graph_of_another_engine_is_traced_drawn_and_animated(name, tmp_path, capsys):
    with engine(ENGINES[name][0]) as load:
        look_at(name, load, tmp_path, capsys)


def look_at(name, load, tmp_path, capsys):
    depths, knows = ENGINES[name][1], name != "slots"
    tensor = load("tensor").Tensor
    a, b = tensor(1., requires_grad=True), tensor(2.)
    t = a * b
    before = t + a  # before the import: neither t's value nor b can be known
    graph = load("tools")
    d = t + t * tensor(5.)
    names = {"a": a, "b": b, "t": t, "d": d}
    assert {"t = Mul", "a\n1\ngrad None"} <= set(texts_of(graph.draw(before, names=names)))
    assert [step.depth for step in graph.trace(d, names)] == depths
    said = capsys.readouterr().out
    assert "a received 12" in said or "keeps it: .grad was 2, is 12" in said
    assert ("was handed 2 gradients: 1, 5" in said) == (depths is LOOP)
    shown = texts_of(graph.draw(d, names=names))
    assert "a\n1\ngrad 12" in shown and ("t = Mul\n2" if knows else "t = Mul") in shown
    assert ("constant\n5" in shown) == knows and not any(text[0] == "b" for text in shown)
    assert len(graph.animate(d, str(tmp_path / "a.gif"), names)) == len(depths)
    assert len(frames_of(tmp_path / "a.gif")) == len(depths)


KEPT = """
import sys, tracemalloc
import numpy as np
from mytorch import Tensor
if sys.argv[1] == "watched":
    import mytorch.tools
y = Tensor(np.zeros((300, 300)), requires_grad=True)
constant = Tensor(np.ones((300, 300)))
tracemalloc.start()
for _ in range(10):
    y = y + constant
print(tracemalloc.get_traced_memory()[0] / y.data.nbytes)
"""


@pytest.mark.parametrize("watched", ["watched", "alone"])
def test_importing_the_tools_makes_no_graph_keep_its_inputs(watched):
    held = subprocess.run([sys.executable, "-c", KEPT, watched], check=True, cwd=REPOSITORY,
                          stdout=subprocess.PIPE).stdout
    assert float(held) < 1.5


def test_a_large_constant_that_is_gone_is_still_drawn():
    x = Tensor(np.ones((120, 120)), requires_grad=True)
    y = (x + Tensor(np.ones((120, 120)))) * Tensor(np.ones((120, 120)))
    assert len(draw(y).axes[0].patches) - len(draw(x * 2 * 2).axes[0].patches) == 0


# ---- pictures

def texts_of(figure):
    """The text of each box, and where it is."""
    renderer = figure.canvas.get_renderer()
    return {t.get_text(): t.get_window_extent(renderer) for t in figure.axes[0].texts
            if t.get_text()}


def frames_of(path):
    with Image.open(str(path)) as image:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("name", GRAPHS)
def test_no_boxes_overlap_and_none_is_outside_the_picture(name):
    figure = draw(GRAPHS[name]())
    renderer = figure.canvas.get_renderer()
    boxes = [patch.get_window_extent(renderer) for patch in figure.axes[0].patches
             if isinstance(patch, FancyBboxPatch)]
    texts = [text.get_window_extent(renderer) for text in figure.axes[0].texts[:-1]
             if text.get_size() > 8]  # smaller are the names of arguments
    assert len(boxes) == len(texts) > 0
    for box, text in zip(boxes, texts):
        assert box.x0 < text.x0 and text.x1 < box.x1 and box.y0 < text.y0 and text.y1 < box.y1
        assert 0 <= box.x0 and box.x1 <= figure.bbox.width
        assert 0 <= box.y0 and box.y1 <= figure.bbox.height
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert figure.axes[0].get_legend().get_window_extent(renderer).x1 <= figure.bbox.width


def test_a_chain_of_sixty_nodes_fits_a_page():
    width, height = draw(repeated(lambda y: y * 1.5, 30)).get_size_inches()
    assert width < 14 and height < 10  # 11 by 8 inches at 80 %


def test_a_graph_of_three_hundred_nodes_is_drawn_in_seconds(tmp_path):
    output = fan(299)
    start = time.process_time()
    figure = draw(output, tmp_path / "fan.png")
    assert time.process_time() - start < 3
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len({text for text in texts if text.startswith("Add")}) == 299


def test_a_larger_graph_shows_its_last_nodes_and_says_so(monkeypatch):
    monkeypatch.setattr("mytorch.tools.pictures.MAX_NODES", 20)
    texts = texts_of(draw(repeated(lambda y: y * 1.5, 11)))
    assert "the last 20 of 23 nodes" in texts and not any(t.startswith("leaf") for t in texts)


def test_the_picture_holds_names_operations_values_and_gradients():
    e, names = worked_example()
    e.backward()
    assert set(texts_of(draw(e, names=names))) == {
        "a\n1\ngrad 3", "b\n2", "c\n3\ngrad 1", "d = Add\n3", "e = Add\n9", "Mul\n2", "Add\n6",
        "constant\n3"}
    loss = network_loss()
    loss.backward()
    assert any(text.startswith("Linear\n100x20\nmean ") for text in texts_of(draw(loss)))


def test_operations_are_right_of_their_inputs_or_in_a_lower_row():
    texts = texts_of(draw(repeated(lambda y: y + 1, 20)))
    for value in range(2, 20):
        here, after = texts[f"Add\n{value}"], texts[f"Add\n{value + 1}"]
        assert after.x0 > here.x1 or after.y1 < here.y0


def test_boxes_are_ordered_to_keep_edges_from_crossing():
    x = Tensor(1., requires_grad=True)
    names = {"x": x, "b": Tensor(2.), "c": Tensor(3.)}
    texts = texts_of(draw(x * names["b"] + x * names["c"], names=names))
    assert sorted(texts, key=lambda text: texts[text].y0 if text[0] in names else -1)[-2][0] == "x"


@pytest.mark.parametrize("ending, start", [(".png", b"\x89PNG"), (".svg", b"<?xml"),
                                           (".pdf", b"%PDF")])
def test_pictures_are_written_in_the_format_of_their_ending(tmp_path, ending, start):
    path = tmp_path / ("graph" + ending)
    e, names = worked_example()
    draw(e, str(path), names)
    assert path.read_bytes().startswith(start) and path.stat().st_size > 3000


# ---- the animation

def test_each_frame_shows_the_gradients_by_then_and_one_arrow_head(tmp_path, monkeypatch):
    figures = []
    figure = matplotlib.figure.Figure
    monkeypatch.setattr(matplotlib.figure, "Figure", lambda *args, **options: (
        figures.append(figure(*args, **options)), figures[-1])[1])
    e, names = worked_example()
    assert len(animate(e, tmp_path / "a.gif", names)) == 8
    frames = frames_of(tmp_path / "a.gif")
    assert len(frames) == len(figures) == 8
    assert all((one != other).any() for one, other in zip(frames, frames[1:]))
    shown = [texts_of(figure) for figure in figures]
    assert [sum(f"a\n1\ngrad {grad}" in texts for texts in shown)
            for grad in (None, 1, 3)] == [5, 2, 1]
    for figure, frame in zip(figures, range(1, 9)):
        heads = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)
                 and isinstance(patch.get_arrowstyle(), ArrowStyle.CurveFilledB)]
        assert len(heads) == (frame > 2)
        for patch in heads:
            line, *_, head, _ = patch.get_path().vertices
            assert line[0] > head[0]  # from right to left


@pytest.mark.parametrize("seconds", [0.06, np.float32(1.5)])
def test_each_frame_stays_as_long_as_was_said_and_the_last_three_times_that(seconds, tmp_path):
    animate(Tensor(1., requires_grad=True) * 2, tmp_path / "a.gif", seconds=seconds)
    with Image.open(str(tmp_path / "a.gif")) as image:
        stays = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert stays == pytest.approx([1000 * seconds, 1000 * seconds, 3000 * seconds])


def test_every_frame_says_which_of_how_many_it_is(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr("mytorch.tools.pictures._write", lambda axes, x, y, text, **style:
                        titles.append(text) if style.get("weight") == "bold" else None)
    animate(Tensor(1., requires_grad=True) * 2, tmp_path / "a.gif")
    assert [title.partition(":")[0] for title in titles if title.startswith("Step")] == [
        "Step 1 of 3", "Step 2 of 3", "Step 3 of 3"]


def test_where_a_picture_is_stands_in_the_output(tmp_path, capsys):
    draw(Tensor(1., requires_grad=True) * 2, tmp_path / "a.png")
    animate(Tensor(1., requires_grad=True) * 2, tmp_path / "a.html")
    assert capsys.readouterr().out == (f"the graph: {tmp_path / 'a.png'}\n"
                                       f"the steps: {tmp_path / 'a.html'}\n")


def test_arguments_that_are_not_alike_are_told_apart():
    a, b = Tensor([[1.]], requires_grad=True), Tensor([[2.]], requires_grad=True)
    for output, names in ((a - b, "ab"), (a / b, "ab"), (a @ b, "ab"), (a + b, ""), (a * b, "")):
        small = [text.get_text() for text in draw(output).axes[0].texts if text.get_size() < 8]
        assert sorted(small) == list(names)


def test_parameters_of_layers_have_their_names(capsys):
    one, two, last = Linear(2, 3), Linear(3, 1), BatchNorm1d(1)
    trace(last(two(one(Tensor.randn(4, 2)))))
    said = capsys.readouterr().out
    for name in ("Linear 1.weight", "Linear 2.bias", "BatchNorm1d.gamma"):
        assert f"to {name}\n" in said and f" {name} received " in said
    assert "leaf" not in said


def test_a_number_that_is_only_rounding_is_zero(capsys):
    trace(Tensor(np.linspace(-1, 1, 9), requires_grad=True) * Tensor(np.linspace(-1, 1, 9)))
    trace(Tensor(3., requires_grad=True) * (0.1 + 0.2 - 0.3))
    said = capsys.readouterr().out
    assert "mean 0 norm 1.94" in said and "hands 0 to leaf 1" in said and "e-17" not in said


def test_the_legend_explains_copies_where_there_are_some():
    def legend(output):
        return [text.get_text() for text in draw(output).axes[0].get_legend().get_texts()]

    x = Tensor(1., requires_grad=True)
    assert "the same as above" not in legend(x * 2)
    assert "the same as above" in legend(repeated(lambda y: y * 1.5, 20))


@pytest.mark.parametrize("seconds, error", [
    (0, ValueError), (float("nan"), ValueError), (201, ValueError), ("2", TypeError)])
def test_seconds_that_a_gif_cannot_hold_are_refused_before_backward(seconds, error, tmp_path):
    a = Tensor(1., requires_grad=True)
    with pytest.raises(error, match=f"seconds must be .*got {seconds!r}"):
        animate(a * 2, tmp_path / "a.gif", seconds=seconds)
    assert a.grad is None and not list(tmp_path.iterdir())


def test_an_error_leaves_the_frames_that_led_there_or_no_file(tmp_path, monkeypatch):
    Nested.inner = fail
    output, path = Nested.apply(Tensor(1., requires_grad=True)) * 2, tmp_path / "a.gif"
    with pytest.raises(KeyError, match="mine"):
        animate(output, path)
    assert len(frames_of(path)) == 3
    path.unlink()
    monkeypatch.setattr(Tensor, "backward", lambda tensor: fail())
    with pytest.raises(KeyError, match="mine"):
        animate(output, path)
    assert not path.exists()


# ---- bad input

@pytest.mark.parametrize("function", [trace, draw, lambda t: animate(t, "x.gif")])
def test_a_tensor_outside_any_graph_is_a_clear_error(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="outside any graph"):
        function(Tensor(1.) + 2)
    with pytest.raises(TypeError, match="belong to Tensors; got float"):
        function(1.)
    assert not list(tmp_path.iterdir())


def test_names_for_anything_but_tensors_are_a_clear_error():
    with pytest.raises(TypeError, match="belong to Tensors; got int"):
        trace(Tensor(1., requires_grad=True) * 2, names={"a": 5})


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
