"""Problem 3: train an MLP on MNIST.  Handout 3.1 to 3.3.

``./grade.sh m`` runs this on all of MNIST and plots the validation accuracy.
"""

import sys
import time

import numpy as np

from mytorch.autograd_engine import no_grad
from mytorch.nn.activations import ReLU
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD
from mytorch.tensor import Tensor

BATCH_SIZE = 100
VALIDATION_BATCH_SIZE = 1000
VALIDATE_EVERY = 100  # batches


def mnist(train_x, train_y, val_x, val_y):
    """Train the handout's network and return its validation accuracies.

    Args:
        train_x, val_x (np.ndarray): images, shape (n, 784), floats in [0, 1].  The network
            computes in the dtype of ``train_x``, float32 or float64.
        train_y, val_y (np.ndarray): digits, shape (n,), whole numbers in [0, 10).

    Returns:
        list of float: one accuracy in [0, 1] for every 100 batches.
    """
    model = Sequential(Linear(784, 20), BatchNorm1d(20), ReLU(), Linear(20, 10))
    if np.asarray(train_x).dtype == np.float32:
        model.float()
    optimizer = SGD(model.parameters(), lr=0.1)
    return train(model, optimizer, CrossEntropyLoss(), train_x, train_y, val_x, val_y)


def train(model, optimizer, criterion, train_x, train_y, val_x, val_y, num_epochs=3):
    """Train a model, validating it after the first of every 100 batches.

    Args:
        model (Module), optimizer (Optimizer), criterion (Module): what to train and how.
        train_x, train_y, val_x, val_y (np.ndarray): as for ``mnist``.
        num_epochs (int): how many times to go through the training data.

    Returns:
        list of float: the validation accuracies, in [0, 1].
    """
    train_x, train_y = as_data(train_x, train_y)
    accuracies = []
    progress = Progress(num_epochs, len(split(np.arange(len(train_x)))))
    model.train()
    for epoch in range(num_epochs):
        batches = split(np.random.permutation(len(train_x)))
        for i, batch in enumerate(batches):
            x = Tensor(train_x.take(batch, axis=0))  # faster than train_x[batch]
            loss = train_step(model, optimizer, criterion, x, Tensor(train_y.take(batch)))
            if i % VALIDATE_EVERY == 0:
                accuracies.append(validate(model, val_x, val_y))
                model.train()
                progress.validated(epoch, i, loss, accuracies[-1])
            progress.trained(epoch, i, loss)
    progress.finish()
    return accuracies


def train_step(model, optimizer, criterion, x, y):
    """Learn from one batch; returns its loss, a number, so that the graph is freed here."""
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def validate(model, val_x, val_y):
    """The share of the validation data that the model classifies correctly, in [0, 1].

    Leaves the model in evaluation mode.
    """
    val_x, val_y = as_data(val_x, val_y)
    model.eval()
    num_correct = 0
    with no_grad():
        for start in range(0, len(val_x), VALIDATION_BATCH_SIZE):
            batch = slice(start, start + VALIDATION_BATCH_SIZE)
            predictions = model(Tensor(val_x[batch])).data.argmax(axis=1)
            num_correct += int(np.count_nonzero(predictions == val_y[batch]))
    return num_correct / len(val_x)


def as_data(x, y):
    """Images and labels as arrays of the right shapes, or a clear error."""
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or y.shape != x.shape[:1] or not len(y):
        raise ValueError("images (n, features) and labels (n,) are needed, n at least 1; got "
                         "shapes %s and %s" % (x.shape, y.shape))
    return x, y


def split(indices):
    """Cut indices into batches of 100; the last may be short, but a lone one joins the rest.

    (A batch of one has no variance, so that BatchNorm could not be trained on it.)
    """
    starts = range(0, max(len(indices) - 1, 1), BATCH_SIZE)
    batches = [indices[start:start + BATCH_SIZE] for start in starts]
    if len(indices) > 1 and len(indices) % BATCH_SIZE == 1:
        batches[-1] = indices[starts[-1]:]
    return batches


class Progress:
    """Shows how far training has come.

    On a terminal one line that is rewritten in place, elsewhere one line per validation.
    """

    def __init__(self, num_epochs, num_batches):
        self.num_epochs = num_epochs
        self.num_batches = num_batches
        self.on_terminal = sys.stdout.isatty()
        self.started = time.perf_counter()
        self.last_shown = 0.0
        self.accuracy = 0.0

    def validated(self, epoch, i, loss, accuracy):
        self.accuracy = accuracy
        if not self.on_terminal:
            print(self._line(epoch, i, loss), flush=True)

    def trained(self, epoch, i, loss):
        if self.on_terminal and time.perf_counter() - self.last_shown > 0.1:
            self.last_shown = time.perf_counter()
            print("\r" + self._line(epoch, i, loss) + "\x1b[K", end="", flush=True)

    def finish(self):
        if self.on_terminal:
            print("\r\x1b[K", end="", flush=True)

    def _line(self, epoch, i, loss):
        done = epoch * self.num_batches + i + 1
        line = ("epoch %d/%d  batch %3d/%d  loss %.3f  validation accuracy %.4f"
                % (epoch + 1, self.num_epochs, i + 1, self.num_batches, loss, self.accuracy))
        if done == 1:  # one batch, and the first, tells nothing about the others
            return line
        elapsed = time.perf_counter() - self.started
        left = elapsed / done * (self.num_epochs * self.num_batches - done)
        return line + "  %3.0f s left" % left
