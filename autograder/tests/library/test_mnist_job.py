"""Problem 3: the training job, its data, its progress and its plot."""

import inspect
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import test_mnist as job
from hw1 import mnist
from mytorch import Tensor
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.module import Module
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD


def digits(n, dtype=np.float64):
    """Images that a network can tell apart: a bright stripe for each class."""
    y = np.arange(n) % 10
    x = np.random.RandomState(n).uniform(0, 0.3, (n, 784))
    x[np.arange(n)[:, None], y[:, None] * 78 + np.arange(78)] += 0.7
    return x.astype(dtype), y


@pytest.mark.parametrize("accuracies", [None, [], [93.9], [float("nan")]])
def test_what_is_no_list_of_accuracies_is_not_plotted(accuracies, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(job, "load_mnist", lambda: {"train": (), "val": ()})
    monkeypatch.setattr(mnist, "mnist", lambda: accuracies)
    monkeypatch.setattr(job, "PLOT", str(tmp_path / "plot.png"))
    monkeypatch.setattr(sys, "argv", ["test_mnist.py"])
    assert job.main() == 2 and not list(tmp_path.iterdir())
    assert "accuracies between 0 and 1" in capsys.readouterr().err


class Witness(Module):
    """A linear layer that remembers what it was given, in which mode, and whether recorded."""

    def __init__(self):
        super().__init__()
        self.layer = Linear(784, 10)
        self.seen = []

    def forward(self, x):
        out = self.layer(x)
        self.seen.append((self.is_train, out.requires_grad, x.data[:, 0].astype(int).tolist()))
        return out


def numbered(n):
    """Images whose first pixel is their number."""
    x, y = digits(n)
    x[:, 0] = np.arange(n)
    return x, y


def train_witness(n, epochs=1):
    model, (x, y) = Witness().eval(), numbered(n)
    accuracies = mnist.train(model, SGD(model.parameters(), lr=1e-9), CrossEntropyLoss(), x, y,
                             x[:7], y[:7], epochs)
    return model.seen, accuracies


# ---- training and validation

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_job_learns_in_the_datas_dtype_and_returns_its_accuracies(dtype):
    np.random.seed(0)
    training = job.Training()
    training.run(mnist, {"train": digits(600, dtype), "val": digits(200, dtype)})
    accuracies, model = training.accuracies, training.model
    assert len(accuracies) == 3 and accuracies[0] < 0.5 and accuracies[-1] > 0.9
    assert all(type(a) is float and 0 <= a <= 1 for a in accuracies)
    assert {p.dtype for p in model.parameters()} == {np.dtype(dtype)}


@pytest.mark.parametrize("n", [2, 99, 101, 250])
def test_sizes_that_do_not_divide_work(n):
    assert len(mnist.mnist(*digits(n), *digits(37))) == 3


@pytest.mark.parametrize("size, n, sizes", [
    (100, 1, [1]), (100, 100, [100]), (100, 101, [101]), (100, 150, [100, 50]),
    (100, 202, [100, 100, 2]), (100, 201, [100, 101]), (100, 0, [0]),
    (1, 3, [1, 1, 1]), (2, 5, [2, 3]), (1, 1, [1])])
def test_batches_are_of_the_batch_size_and_none_is_alone(monkeypatch, size, n, sizes):
    monkeypatch.setattr(mnist, "BATCH_SIZE", size)
    batches = mnist.split(np.arange(n))
    assert [len(b) for b in batches] == sizes
    assert np.array_equal(np.concatenate(batches), np.arange(n))


def test_training_validates_after_the_first_of_every_hundred_batches_of_each_epoch(monkeypatch):
    monkeypatch.setattr(mnist, "BATCH_SIZE", 1)
    seen, accuracies = train_witness(201, epochs=2)
    assert [i for i, (is_train, *_) in enumerate(seen) if not is_train] \
        == [1, 102, 203, 205, 306, 407]
    assert len(accuracies) == 6


def test_all_of_mnist_is_550_batches_and_so_18_accuracies():
    assert len(mnist.split(np.arange(55000))) == 550 and mnist.VALIDATE_EVERY == 100


def test_every_epoch_goes_through_all_data_in_a_new_order_that_the_seed_governs():
    def orders():
        np.random.seed(5)
        seen = [numbers for is_train, _, numbers in train_witness(200, epochs=2)[0] if is_train]
        return seen[0] + seen[1], seen[2] + seen[3]

    first, second = orders()
    assert sorted(first) == sorted(second) == list(range(200))
    assert first != sorted(first) and first != second
    assert orders() == (first, second)


def test_training_records_in_training_mode_and_validation_does_neither():
    seen, _ = train_witness(300, epochs=2)
    assert {(is_train, recorded) for is_train, recorded, _ in seen} \
        == {(True, True), (False, False)}


def test_a_step_uses_the_gradient_of_its_own_batch_alone():
    x, y = digits(200)
    models = [Sequential(Linear(784, 10)) for _ in range(2)]
    for mine, its in zip(*(model.parameters() for model in models)):
        its.data = mine.data.copy()
    np.random.seed(1)
    mnist.train(models[1], SGD(models[1].parameters(), lr=0.1), CrossEntropyLoss(), x, y, x, y, 1)
    np.random.seed(1)
    for batch in np.random.permutation(200).reshape(2, 100):
        optimizer = SGD(models[0].parameters(), lr=0.1)
        optimizer.zero_grad()
        CrossEntropyLoss()(models[0](Tensor(x[batch])), Tensor(y[batch])).backward()
        optimizer.step()
    for mine, its in zip(*(model.parameters() for model in models)):
        assert np.allclose(mine.data, its.data, rtol=1e-12, atol=1e-14)


def test_training_and_validation_leave_the_data_alone():
    x, y = digits(300)
    before = x.copy(), y.copy()
    mnist.mnist(x, y, x, y)
    assert np.array_equal(x, before[0]) and np.array_equal(y, before[1])


def test_validate_counts_over_all_its_batches_in_evaluation_mode():
    model = Sequential(Linear(784, 10), BatchNorm1d(10))
    x, y = digits(2100)
    accuracy = mnist.validate(model, x, y)
    assert accuracy == np.mean(model.eval()(Tensor(x)).data.argmax(1) == y) and not model.is_train


@pytest.mark.parametrize("x, y", [(np.ones((3, 784)), np.ones(2, int)),
                                  (np.ones((0, 784)), np.ones(0, int)),
                                  (np.ones((3, 28, 28)), np.ones(3, int))])
def test_data_of_the_wrong_shape_are_a_clear_error(x, y):
    for arguments in ((x, y) + digits(3), digits(3) + (x, y)):
        with pytest.raises(ValueError, match=f"images .* got shapes .*{len(x)}"):
            mnist.mnist(*arguments)


# ---- what it prints

def test_every_validation_is_told_in_a_line(capsys):
    job.Training().run(mnist, {"train": digits(300), "val": digits(50)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].startswith("validation  3: accuracy ")


CHANCE = [0.1, 0.12, 0.205] * 6
RISING = [0.1 + 0.05 * i for i in range(18)]
WENT_WELL = dict(accuracies=RISING, model="one", steps=1650, modes={(False, True), (True, False)})


@pytest.mark.parametrize("seen, words", [
    (dict(accuracies=CHANCE, steps=0), "optimizer.step() is never called"),
    (dict(accuracies=CHANCE), "are images and labels shuffled together"),
    (dict(accuracies=RISING[:17] + [0.6]), "is the learning rate too large?"),
    (dict(adds_up=True), "call optimizer.zero_grad() first"),
    (dict(accuracies=CHANCE, adds_up=True), "call optimizer.zero_grad() first"),
    (dict(modes={(False, True), (True, True)}), "call model.eval() first"),
    (dict(modes={(False, True), (False, False), (True, False)}), "call model.train() first"),
    (dict(accuracies=RISING[:15]), "There are 15 validations")])
def test_a_usual_slip_is_told_in_one_sentence(seen, words):
    training = job.Training()
    vars(training).update(WENT_WELL, **seen)
    told = list(training.remarks())
    assert len(told) == 1 and words in told[0]


SHORT = "There are 3 validations"


@pytest.mark.parametrize("name, old, new, words", [
    ("train_step", "", "", []),
    ("train_step", "    optimizer.zero_grad()\n", "", ["call optimizer.zero_grad() first"]),
    ("train_step", "    optimizer.step()\n", "", ["optimizer.step() is never called"]),
    ("train_step", "    optimizer.step()\n", "    optimizer.zero_grad()\n    optimizer.step()\n",
     ["optimizer.step() finds no gradients"]),
    ("validate", "    model.eval()\n", "", ["call model.eval() first"]),
    ("train", "                model.train()\n", "", ["call model.train() first"])])
def test_what_a_training_leaves_out_is_seen(name, old, new, words, monkeypatch):
    source = inspect.getsource(getattr(mnist, name))
    assert old in source
    changed = {}
    exec(source.replace(old, new), vars(mnist), changed)
    monkeypatch.setattr(mnist, name, changed[name])
    training = job.Training()
    training.run(mnist, {"train": digits(300), "val": digits(50)})
    told = list(training.remarks())
    assert len(told) == len(words) + 1 and told[-1].startswith(SHORT)
    assert all(one in text for one, text in zip(words, told))


def test_of_a_model_without_modes_nothing_is_said():
    training = job.Training()
    training.model = object()
    training.note_mode()
    assert training.modes == set()


def test_what_was_watched_is_as_before():
    backward, train, validate = Tensor.backward, mnist.train, mnist.validate
    job.Training().run(mnist, {"train": digits(300), "val": digits(50)})
    assert (Tensor.backward, mnist.train, mnist.validate) == (backward, train, validate)


def test_a_share_above_one_ends_the_training_at_once(monkeypatch, capsys):
    monkeypatch.setattr(job, "load_mnist",
                        lambda: dict.fromkeys(("train", "val", "test"), digits(300)))
    monkeypatch.setattr(mnist, "validate", lambda model, x, y: 93.5)
    monkeypatch.setattr(sys, "argv", ["test_mnist.py"])
    assert job.main() == 2
    shown = capsys.readouterr()
    assert shown.out.count("validation") == 1 and "between 0 and 1, got 93.5" in shown.err


def test_a_traceback_holds_no_line_of_the_grader(monkeypatch, capsys):
    monkeypatch.setattr(job, "load_mnist",
                        lambda: dict.fromkeys(("train", "val", "test"), digits(300)))
    monkeypatch.setattr(mnist, "SGD", None)
    monkeypatch.setattr(sys, "argv", ["test_mnist.py"])
    assert job.main() == 1
    told = capsys.readouterr().err
    assert "mnist.py" in told and "test_mnist.py" not in told and "TypeError" in told


SMALL_JOB = """
import pathlib, sys
sys.path[:0] = {folders!r}
import numpy as np
import test_mnist as job
data = np.ones((4, 784)), np.arange(4)
job.load_mnist = lambda: dict(train=data, val=data, test=data)
job.plot = lambda accuracies: pathlib.Path({plot!r}).write_text(str(len(accuracies)))
sys.exit(job.main())
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
@pytest.mark.parametrize("where", ["| head -n 1", "> /dev/full", ">&-", "| true", "> /dev/null"])
def test_the_job_outlives_a_reader_that_has_gone(tmp_path, where):
    plot, script = tmp_path / "plot", tmp_path / "small_job.py"
    folders = [os.path.dirname(job.__file__), job.REPOSITORY]
    script.write_text(SMALL_JOB.format(folders=folders, plot=str(plot)))
    line = f'set -o pipefail; "{sys.executable}" "{script}" {where}'
    buffered = {key: text for key, text in os.environ.items() if key != "PYTHONUNBUFFERED"}
    process = subprocess.run(["bash", "-c", line], env=buffered, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    assert (process.returncode, process.stderr) == (0, b"")
    assert plot.read_text() == "3"


# ---- the data

def test_the_data_are_mnist_in_the_handouts_split():
    data = job.load_mnist()
    assert [data[part][0].shape for part in ("train", "val", "test")] \
        == [(55000, 784), (5000, 784), (10000, 784)]
    x, y = data["val"]
    assert x.dtype == np.float32 and x.min() == 0 and x.max() == 1
    assert y.dtype == np.int64 and set(y) == set(range(10))


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(job.Unusable, match="cannot read.*nowhere.npz"):
        job.load_mnist(str(tmp_path / "nowhere.npz"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other", "text"])
def test_a_damaged_file_is_a_clear_error(tmp_path, damage):
    path = str(tmp_path / "mnist.npz")
    shutil.copy(job.DATA, path)
    with open(path, "r+b") as file:
        if damage == "cut":
            file.truncate(10 ** 6)
        elif damage == "flipped":
            file.seek(5 * 10 ** 6)
            file.write(b"\xff" * 100)
        elif damage == "empty":
            file.truncate(0)
        elif damage == "text":
            file.truncate(0)
            file.write(b"version https://git-lfs")
    if damage == "other":
        with np.load(job.DATA) as archive:
            arrays = {name: archive[name] for name in archive.files}
        arrays["val_labels"][7] += 1
        np.savez(path, **arrays)
    with pytest.raises(job.Unusable, match="damaged"):
        job.load_mnist(path)


def test_the_plot_is_a_picture_with_labelled_axes(tmp_path):
    path = str(tmp_path / "plot.png")
    job.plot([0.2, 0.9, 0.95], path)
    with open(path, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert os.path.getsize(path) > 5000
