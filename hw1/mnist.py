"""Problem 3: train an MLP on MNIST.  Handout 3.1 to 3.3.

``./grade.sh m`` runs this on all of MNIST and plots the validation accuracy.
"""

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
        train_y, val_y (np.ndarray): digits, shape (n,), integers in [0, 10).

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
    model.train()
    for _ in range(num_epochs):
        for i, batch in enumerate(split(np.random.permutation(len(train_x)))):
            x = Tensor(train_x.take(batch, axis=0))  # quicker than train_x[batch]
            train_step(model, optimizer, criterion, x, Tensor(train_y[batch]))
            if i % VALIDATE_EVERY == 0:
                accuracies.append(validate(model, val_x, val_y))
                model.train()
    return accuracies


def train_step(model, optimizer, criterion, x, y):
    """Learn from one batch: x (N, features), y (N,).

    A function, so that the batch's graph is freed before the next one is built, which takes a
    twentieth off the time (benchmark: mnist).
    """
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()


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
                         f"shapes {x.shape} and {y.shape}")
    return x, y


def split(indices):
    """Cut indices into batches; a last batch of one joins the one before it.

    (One row has no variance: BatchNorm could not be trained on it.)
    """
    starts = list(range(BATCH_SIZE, len(indices), BATCH_SIZE))
    if starts and len(indices) - starts[-1] < min(2, BATCH_SIZE):
        starts.pop()
    return np.split(indices, starts)
