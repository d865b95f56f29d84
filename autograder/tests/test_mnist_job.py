"""Problem 3: the training job, its data, its progress and its plot."""

import os
import shutil

import numpy as np
import pytest

import test_mnist as job
from hw1 import mnist
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD


def digits(n, dtype=np.float64):
    """Images that a network can tell apart: a bright stripe for each class."""
    y = np.arange(n) % 10
    x = np.random.RandomState(n).uniform(0, 0.3, (n, 784))
    x[np.arange(n)[:, None], y[:, None] * 78 + np.arange(78)] += 0.7
    return x.astype(dtype), y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_job_learns_and_returns_one_accuracy_per_hundred_batches(dtype):
    np.random.seed(0)
    accuracies = mnist.mnist(*digits(1000, dtype), *digits(200, dtype))
    assert len(accuracies) == 3 and accuracies[-1] > 0.9
    assert all(type(a) is float and 0 <= a <= 1 for a in accuracies)


@pytest.mark.parametrize("n", [2, 99, 101, 250, 1001])
def test_sizes_that_do_not_divide_work(n):
    assert len(mnist.mnist(*digits(n), *digits(37))) == 3


@pytest.mark.parametrize("n, sizes", [(1, [1]), (100, [100]), (101, [101]), (150, [100, 50]),
                                      (202, [100, 100, 2]), (201, [100, 101]), (0, [0])])
def test_batches_are_of_a_hundred_and_none_is_alone(n, sizes):
    batches = mnist.split(np.arange(n))
    assert [len(b) for b in batches] == sizes
    assert np.array_equal(np.concatenate(batches), np.arange(n))


def test_eighteen_accuracies_for_the_real_size():
    batches = mnist.split(np.arange(55000))
    assert len(batches) * 3 == 1650
    assert len([i for i in range(len(batches)) if i % mnist.VALIDATE_EVERY == 0]) * 3 == 18


def test_validate_counts_and_leaves_evaluation_mode_and_no_graph():
    model = Sequential(Linear(784, 10), BatchNorm1d(10))
    x, y = digits(2100)
    accuracy = mnist.validate(model, x, y)
    with_graph = model(job_tensor(x)).data.argmax(1)
    assert accuracy == np.mean(with_graph == y) and not model.is_train
    assert list(model.parameters())[0].grad_fn is not None  # from the line above, not before


def job_tensor(x):
    from mytorch import Tensor
    return Tensor(x)


def test_training_shuffles_and_leaves_the_data_alone():
    x, y = digits(300)
    before = x.copy()
    model = Sequential(Linear(784, 10))
    mnist.train(model, SGD(model.parameters(), lr=0.1), CrossEntropyLoss(), x, y, x, y, 1)
    assert np.array_equal(x, before)


def test_every_validation_is_told_in_a_line(capsys):
    job.train_and_keep(mnist, {"train": digits(300), "val": digits(50)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].startswith("validation  3: accuracy ")


# ---- the data

def test_the_data_are_mnist_in_the_handouts_split():
    data = job.load_mnist()
    assert [data[part][0].shape for part in ("train", "val", "test")] \
        == [(55000, 784), (5000, 784), (10000, 784)]
    x, y = data["val"]
    assert x.dtype == np.float32 and x.min() == 0 and x.max() == 1
    assert y.dtype == np.int64 and set(y) == set(range(10))


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(job.UnusableData, match="cannot read.*nowhere.npz"):
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
            arrays = {name: archive[name] for name in job.SUMS}
        arrays["val_labels"][7] += 1
        np.savez(path, **arrays)
    with pytest.raises(job.UnusableData, match="damaged"):
        job.load_mnist(path)


def test_the_plot_is_a_picture_with_labelled_axes(tmp_path):
    path = str(tmp_path / "plot.png")
    job.plot([0.2, 0.9, 0.95], path)
    with open(path, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert os.path.getsize(path) > 5000


def test_the_model_that_was_trained_is_kept():
    accuracies, model = job.train_and_keep(mnist, {"train": digits(300), "val": digits(50)})
    assert len(model) == 4 and len(accuracies) == 3
