"""Problem 3: trains hw1/mnist.py on MNIST, plots its validation accuracy, prints the results.

    python3 autograder/hw1_autograder/test_mnist.py

Nothing is scored; the plot, hw1/validation_accuracy.png, is graded by hand (handout 3).
"""

import hashlib
import os
import sys
import time
import zipfile

try:
    import numpy as np
except ImportError:
    print("test_mnist.py: this Python has no numpy; ./grade.sh m sets one up", file=sys.stderr)
    sys.exit(2)

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
DATA = os.path.join(HERE, "data", "mnist.npz")
PLOT = os.path.join(REPOSITORY, "hw1", "validation_accuracy.png")
SUMS = {  # SHA-256 of each array's bytes, see data/README.md
    "train_data": "14c087820ce35955fe2c466e485cdadf68c2a19e93c80e5329ad2dece2681f03",
    "train_labels": "480f85fa3c4455a4cd1819493bed72a8c8092e1b83e53c36af2584b498812d7c",
    "val_data": "d28c706f7fb47d09d4d6e834642057f870543e0e217e373a5401ffbb9b596dc7",
    "val_labels": "ab3dba9059d2a4990e0fbbeb12680a356beeb98f0e3b583ffddf41576e8d5818",
    "test_data": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "test_labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


class UnusableData(Exception):
    """The data file is missing or damaged; the message says which and what to do."""


def load_mnist(path=DATA):
    """MNIST in the handout's split.

    Returns:
        dict: "train", "val" and "test", each a pair of images (n, 784), float32 in [0, 1], and
        labels (n,), int64; n is 55,000, 5,000 and 10,000.

    Raises:
        UnusableData: the file is missing, or not what it should be.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in SUMS}
    except OSError as error:
        raise UnusableData(f"cannot read the MNIST data: {error}") from None
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise UnusableData(f"{path} is damaged ({error}); git checkout brings it back") from None
    for name, array in arrays.items():
        if hashlib.sha256(array).hexdigest() != SUMS[name]:
            raise UnusableData(f"{path} is damaged (the checksum of {name} is off); git checkout "
                               "brings it back")
    return {part: (arrays[part + "_data"].astype(np.float32) / np.float32(255),
                   arrays[part + "_labels"].astype(np.int64)) for part in ("train", "val", "test")}


def say(text):
    """Print a line; if nobody can read it any more, the plot is still wanted."""
    try:
        print(text, flush=True)
    except OSError:  # a closed pipe, a full disk
        sys.stdout = open(os.devnull, "w")


def train_and_keep(module, data):
    """Run the submission's ``mnist()``, with a line for each of its validations.

    Returns:
        tuple: its accuracies, and the model that it handed to ``train`` (None if it has none).
    """
    kept = {"validations": 0}
    train, validate = module.train, module.validate

    def train_kept(model, *args, **kwargs):
        kept["model"] = model
        return train(model, *args, **kwargs)

    def validate_told(*args, **kwargs):
        accuracy = validate(*args, **kwargs)
        kept["validations"] += 1
        say(f"validation {kept['validations']:2d}: accuracy {accuracy!s:.6}")
        return accuracy

    module.train, module.validate = train_kept, validate_told
    try:
        accuracies = module.mnist(*data["train"], *data["val"])
    finally:
        module.train, module.validate = train, validate
    return accuracies, kept.get("model")


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
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main():
    if sys.argv[1:]:
        print("usage: python3 autograder/hw1_autograder/test_mnist.py (it takes no arguments)",
              file=sys.stderr)
        return 2
    sys.path.insert(0, REPOSITORY)
    try:
        data = load_mnist()
    except UnusableData as error:
        print(error, file=sys.stderr)
        return 2
    if not os.access(os.path.dirname(PLOT), os.W_OK):
        print(f"cannot write the plot: no permission to write to {os.path.dirname(PLOT)}",
              file=sys.stderr)
        return 2
    from hw1 import mnist

    started = time.perf_counter()
    try:
        accuracies, model = train_and_keep(mnist, data)
    except NotImplementedError as missing:  # in the starter handout
        print(f"{missing}; nothing was trained", file=sys.stderr)
        return 2
    seconds = time.perf_counter() - started
    if not accuracies or not all(0 <= accuracy <= 1 for accuracy in accuracies):
        print(f"mnist() has to return a list of accuracies between 0 and 1, got {accuracies!r:.60}",
              file=sys.stderr)
        return 2
    try:
        plot(accuracies)
    except OSError as error:
        print(f"cannot write the plot: {error}", file=sys.stderr)
        return 2
    say(f"validation accuracy  {accuracies[-1]:.4f} (the last of {len(accuracies)})")
    if model is not None:
        say(f"test accuracy        {mnist.validate(model, *data['test']):.4f}")
    say(f"time                 {seconds:.1f} s")
    say(f"plot                 {PLOT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
