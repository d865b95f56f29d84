"""Problem 3: trains hw1/mnist.py on MNIST, plots its validation accuracy, prints the results.

    python3 autograder/hw1_autograder/test_mnist.py

Nothing is scored; the plot, hw1/validation_accuracy.png, is graded by hand (handout 3).
"""

import hashlib
import io
import os
import sys
import textwrap
import time
import traceback
from contextlib import suppress

try:
    import numpy as np
except ImportError:
    print("test_mnist.py: this Python has no numpy; ./grade.sh m sets one up", file=sys.stderr)
    sys.exit(2)

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
DATA = os.path.join(HERE, "data", "mnist.npz")
PLOT = os.path.join(REPOSITORY, "hw1", "validation_accuracy.png")
SUM = "66a7095669e286dedf0bd8d15b5936ddbac4995beed5ac7b5ad569e393bf5e01"  # SHA-256 of the data
NEAR_CHANCE = 0.3  # of ten classes: a run that learns ends above 0.9
DROP = 0.2  # from the best accuracy to the last
VALIDATIONS = 18


class Unusable(Exception):
    """There is nothing to plot: the data, the accuracies or the place; the message says which."""


def load_mnist(path=DATA):
    """Load MNIST in the handout's split.

    Returns:
        dict: "train", "val" and "test", each a pair of images (n, 784), float32 in [0, 1], and
        labels (n,), int64; n is 55,000, 5,000 and 10,000.

    Raises:
        Unusable: the file is missing, or not what it should be.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise Unusable(f"cannot read the MNIST data: {error}") from None
    if hashlib.sha256(content).hexdigest() != SUM:
        raise Unusable(f"{path} is damaged (its checksum is off); git checkout brings it back")
    with np.load(io.BytesIO(content)) as arrays:
        return {part: (arrays[part + "_data"].astype(np.float32) / np.float32(255),
                       arrays[part + "_labels"].astype(np.int64))
                for part in ("train", "val", "test")}


def say(text):
    """Print a line; if nobody can read it any more, the plot is still wanted."""
    try:
        print(text, flush=True)
    except OSError:  # a closed pipe, a full disk
        sys.stdout = open(os.devnull, "w")


class Training:
    """One run of the submission's ``mnist()``, watched from outside.

    Attributes:
        accuracies (list of float): what it returned.
        model (Module or None): what it handed to ``train``, if it has one.
        validations, steps (int): how often ``validate`` and the optimizer's ``step`` were called.
        without (int): how many steps found no gradients.
        modes (set): pairs of booleans of the model's calls: in a validation, in training mode.
        adds_up (bool): whether ``backward`` ever began with the gradients of an earlier step.
    """

    def __init__(self):
        self.accuracies, self.model, self.optimizer = [], None, None
        self.validations = self.steps = self.without = 0
        self.modes, self.adds_up = set(), False
        self.validating = self.stepped = False

    def run(self, module, data):
        """Run ``mnist()`` with a line for each of its validations.

        Raises:
            Unusable: at the first validation that returns anything but a share, or at the end.
        """
        from mytorch.tensor import Tensor

        train, validate, backward = module.train, module.validate, Tensor.backward

        def train_watched(model, optimizer, *args, **kwargs):
            self.model, self.optimizer = model, optimizer
            watch(model, "forward", self.note_mode)
            watch(optimizer, "step", self.note_step)
            return train(model, optimizer, *args, **kwargs)

        def validate_watched(*args, **kwargs):
            self.validating = True
            accuracy = validate(*args, **kwargs)
            self.validating = False
            self.tell(accuracy)
            return accuracy

        module.train, module.validate = train_watched, validate_watched
        watch(Tensor, "backward", self.note_backward)
        try:
            self.accuracies = module.mnist(*data["train"], *data["val"])
        finally:
            module.train, module.validate, Tensor.backward = train, validate, backward
        if not self.accuracies or not all(0 <= accuracy <= 1 for accuracy in self.accuracies):
            raise Unusable("mnist() has to return a list of accuracies between 0 and 1, got "
                           f"{self.accuracies!r:.60}")

    def note_mode(self):
        if hasattr(self.model, "is_train"):
            self.modes.add((self.validating, bool(self.model.is_train)))

    def note_step(self):
        self.steps += 1
        self.stepped = True
        self.without += not self.gradients()

    def note_backward(self):
        """Look for gradients that are left from before the last step."""
        self.adds_up |= self.stepped and self.gradients()
        self.stepped = False

    def gradients(self):
        """Tell whether the optimizer's parameters have gradients, other than 0."""
        return any(np.any(getattr(param.grad, "data", 0))
                   for param in getattr(self.optimizer, "params", ()))

    def tell(self, accuracy):
        """Print a validation; what is no share ends the run."""
        self.validations += 1
        say(f"validation {self.validations:2d}: accuracy {accuracy!s:.6}")
        if self.validations == VALIDATIONS + 1:
            say(f"warning: more than {VALIDATIONS} validations; is there an endless loop?")
        if accuracy is None or not 0 <= accuracy <= 1:
            raise Unusable(f"validate() has to return the share of right answers, between 0 and 1, "
                           f"got {accuracy!s:.20}")

    def remarks(self):
        """Yield a sentence for each usual slip that was seen; nothing is scored."""
        best, last, count = max(self.accuracies), self.accuracies[-1], len(self.accuracies)
        if self.model is not None and not self.steps:
            yield "optimizer.step() is never called, so that nothing is learned."
        elif self.without > 1:
            yield ("optimizer.step() finds no gradients: the order is zero_grad(), backward(), "
                   "step().")
        elif self.adds_up:
            yield ("backward() begins with the gradients of the batch before: call "
                   "optimizer.zero_grad() first, or those of all batches add up.")
        elif best < NEAR_CHANCE:
            yield ("The accuracy stays near chance, 0.1: are images and labels shuffled together, "
                   "and is the learning rate far too large, or 0?")
        elif last < best - DROP:
            yield "The accuracy rises and falls again: is the learning rate too large?"
        if (True, True) in self.modes:
            yield ("validate() runs the model in training mode: call model.eval() first, so that "
                   "batch normalization takes its running estimates.")
        if (False, False) in self.modes:
            yield ("The model trains in evaluation mode: call model.train() first, and again after "
                   "each validation, or batch normalization does not learn its estimates.")
        if count != VALIDATIONS:
            yield (f"There are {count} validations; three epochs of 550 batches with one after "
                   f"every 100th, counted from 0, have {VALIDATIONS}.")


def watch(owner, name, note):
    """Have ``note`` called ahead of a method, if the owner has one and lets it be replaced."""
    def noted(*args, **kwargs):
        note()
        return method(*args, **kwargs)

    with suppress(AttributeError):
        method = getattr(owner, name)
        setattr(owner, name, noted)


def plot(accuracies, path=PLOT):
    """Draw the validation accuracies as a curve and write it to ``path``; needs no screen."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(range(1, len(accuracies) + 1), accuracies, marker="o", color="#2b6cb0")
    axes.annotate(f"{accuracies[-1]:.3f}", (len(accuracies), accuracies[-1]), xytext=(6, -18),
                  textcoords="offset points", ha="right", color="#2b6cb0")
    axes.set_xlabel("validation, one for every 100 batches")
    axes.set_ylabel("validation accuracy")
    axes.set_ylim(0, 1)
    axes.set_xlim(0.5, max(len(accuracies), 2) + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise Unusable(f"cannot write the plot: {error}") from None
    pyplot.close(figure)


def print_traceback(error):
    """Print an error's traceback, without the lines of this file."""
    told = traceback.TracebackException.from_exception(error)
    told.stack[:] = [frame for frame in told.stack if frame.filename != __file__]
    print("".join(told.format()), end="", file=sys.stderr)


def main():
    if sys.argv[1:]:
        print("usage: python3 autograder/hw1_autograder/test_mnist.py (it takes no arguments)",
              file=sys.stderr)
        return 2
    sys.path.insert(0, REPOSITORY)
    try:
        data = load_mnist()
        if not os.access(os.path.dirname(PLOT), os.W_OK):
            raise Unusable("cannot write the plot: no permission to write to "
                           + os.path.dirname(PLOT))
        train_and_report(data)
        return 0
    except NotImplementedError as missing:  # in the starter handout
        print(f"{missing}; nothing was trained", file=sys.stderr)
        return 2
    except Unusable as reason:
        print(reason, file=sys.stderr)
        return 2
    except Exception as error:
        print_traceback(error)
        return 1


def train_and_report(data):
    """Train, plot and print."""
    from hw1 import mnist

    started, training = time.perf_counter(), Training()
    training.run(mnist, data)
    seconds, remarks = time.perf_counter() - started, list(training.remarks())
    plot(training.accuracies)
    say(f"validation accuracy  {training.accuracies[-1]:.4f} "
        f"(the last of {len(training.accuracies)})")
    if training.model is not None:
        say(f"test accuracy        {mnist.validate(training.model, *data['test']):.4f}")
    say(f"time                 {seconds:.1f} s")
    say(f"plot                 {PLOT}")
    for sentence in remarks:
        say("\n" + textwrap.fill("warning: " + sentence, 80))


if __name__ == "__main__":
    sys.exit(main())
