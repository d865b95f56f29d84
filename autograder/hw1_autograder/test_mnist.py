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
NEAR_CHANCE = 0.2
VALIDATIONS = 18


class Unusable(Exception):
    """There is nothing to plot: the data, the accuracies or the place; the message says which."""


def load_mnist(path=DATA):
    """MNIST in the handout's split.

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


def train_and_keep(module, data):
    """Run the submission's ``mnist()``, with a line for each of its validations.

    Returns:
        tuple: its accuracies, the model that it handed to ``train`` (None if it has none), and
        whether that was put into training mode again after a validation.

    Raises:
        Unusable: at the first validation that returns anything but a share, or at the end.
    """
    kept = {"validations": 0, "back to training": False}
    train, validate = module.train, module.validate

    def train_kept(model, *args, **kwargs):
        kept["model"] = model
        return train(model, *args, **kwargs)

    def validate_told(model, *args, **kwargs):
        kept["back to training"] |= kept["validations"] > 0 and getattr(model, "is_train", True)
        accuracy = validate(model, *args, **kwargs)
        kept["validations"] += 1
        say(f"validation {kept['validations']:2d}: accuracy {accuracy!s:.6}")
        if kept["validations"] == VALIDATIONS + 1:
            say(f"warning: more than {VALIDATIONS} validations; is there an endless loop?")
        if accuracy is None or not 0 <= accuracy <= 1:
            raise Unusable(f"validate() has to return the share of right answers, between 0 and 1, "
                           f"got {accuracy!s:.20}")
        return accuracy

    module.train, module.validate = train_kept, validate_told
    try:
        accuracies = module.mnist(*data["train"], *data["val"])
    finally:
        module.train, module.validate = train, validate
    if not accuracies or not all(0 <= accuracy <= 1 for accuracy in accuracies):
        raise Unusable("mnist() has to return a list of accuracies between 0 and 1, got "
                       f"{accuracies!r:.60}")
    return accuracies, kept.get("model"), kept["back to training"]


def look_at(accuracies, back_to_training=True):
    """Yield a sentence for each usual slip that the curve shows; nothing is scored."""
    best, last, count = max(accuracies), accuracies[-1], len(accuracies)
    if best < NEAR_CHANCE:
        yield ("The accuracy stays near chance, 0.1: is optimizer.step() called for each batch, "
               "are images and labels shuffled together, and is the learning rate far too large?")
    elif last < best / 2:
        yield ("The accuracy rises and falls again: is optimizer.zero_grad() called before each "
               "backward()?  Otherwise the gradients of all batches add up.")
    if count > 1 and not back_to_training:
        yield ("After the first validation the model stays in evaluation mode: call model.train() "
               "again, or batch normalization does not learn its estimates.")
    if count != VALIDATIONS:
        yield (f"There are {count} validations; three epochs of 550 batches with one after every "
               f"100th, counted from 0, have {VALIDATIONS}.")


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


def tell(error):
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
        tell(error)
        return 1


def train_and_report(data):
    """Train, plot and print."""
    from hw1 import mnist

    started = time.perf_counter()
    accuracies, model, back_to_training = train_and_keep(mnist, data)
    seconds = time.perf_counter() - started
    plot(accuracies)
    say(f"validation accuracy  {accuracies[-1]:.4f} (the last of {len(accuracies)})")
    if model is not None:
        say(f"test accuracy        {mnist.validate(model, *data['test']):.4f}")
    say(f"time                 {seconds:.1f} s")
    say(f"plot                 {PLOT}")
    for sentence in look_at(accuracies, back_to_training):
        say("\n" + textwrap.fill("warning: " + sentence, 80))


if __name__ == "__main__":
    sys.exit(main())
