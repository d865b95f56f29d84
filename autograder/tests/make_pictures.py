"""Makes the README's pictures, in .pictures/, with mytorch/tools.

    python3 autograder/tests/make_pictures.py
"""

import os
import sys

import numpy as np

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [REPOSITORY, os.path.join(REPOSITORY, "autograder", "hw1_autograder")]

from mytorch import Tensor  # noqa: E402
from mytorch.tools import animate, draw  # noqa: E402
from mytorch.nn.activations import ReLU  # noqa: E402
from mytorch.nn.batchnorm import BatchNorm1d  # noqa: E402
from mytorch.nn.linear import Linear  # noqa: E402
from mytorch.nn.loss import CrossEntropyLoss  # noqa: E402
from mytorch.nn.sequential import Sequential  # noqa: E402
from sandbox import example  # noqa: E402
from test_mnist import load_mnist  # noqa: E402

FOLDER = os.path.join(REPOSITORY, ".pictures")


def mnist_network():
    """The loss of the handout's network on MNIST's first batch, and names for its tensors."""
    np.random.seed(11785)
    net = Sequential(Linear(784, 20), BatchNorm1d(20), ReLU(), Linear(20, 10)).float()
    images, labels = (Tensor(array[:100]) for array in load_mnist()["train"])
    loss = CrossEntropyLoss()(net(images), labels)
    loss.backward()
    return loss, {"images": images, "labels": labels, "loss": loss, "weight 1": net[0].weight,
                  "bias 1": net[0].bias, "gamma": net[1].gamma, "beta": net[1].beta,
                  "weight 2": net[3].weight, "bias 2": net[3].bias}


def main():
    os.makedirs(FOLDER, exist_ok=True)
    output, names = example()
    animate(output, os.path.join(FOLDER, "worked_example.gif"), names)
    draw(output, os.path.join(FOLDER, "worked_example.png"), names)
    loss, names = mnist_network()
    draw(loss, os.path.join(FOLDER, "mnist_network.png"), names)


if __name__ == "__main__":
    main()
