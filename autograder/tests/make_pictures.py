"""Makes the README's pictures, in .pictures/, with mytorch/tools.

    python3 autograder/tests/make_pictures.py
"""

import os
import sys
import textwrap

import numpy as np

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [REPOSITORY, os.path.join(REPOSITORY, "autograder", "hw1_autograder")]

from mytorch import Function, Tensor  # noqa: E402
from mytorch.tools import animate, diagnose, draw, graph, pictures, recorder  # noqa: E402
from mytorch.nn.activations import ReLU  # noqa: E402
from mytorch.nn.batchnorm import BatchNorm1d  # noqa: E402
from mytorch.nn.linear import Linear  # noqa: E402
from mytorch.nn.loss import CrossEntropyLoss  # noqa: E402
from mytorch.nn.sequential import Sequential  # noqa: E402
from sandbox import example  # noqa: E402
from test_mnist import load_mnist  # noqa: E402

FOLDER = os.path.join(REPOSITORY, ".pictures")


def mnist_network():
    """The loss of the handout's network on MNIST's first batch, names, and the network."""
    np.random.seed(11785)
    net = Sequential(Linear(784, 20), BatchNorm1d(20), ReLU(), Linear(20, 10)).float()
    images, labels = (Tensor(array[:100]) for array in load_mnist()["train"])
    loss = CrossEntropyLoss()(net(images), labels)
    loss.backward()
    return loss, {"images": images, "labels": labels, "loss": loss}, net


class Product(Function):
    """a * b, with a mistake."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return Tensor(a.data * b.data)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return Tensor(grad_output.data * b.data), Tensor(grad_output.data * b.data)


def finding():
    """The picture of what diagnose finds in a product."""
    a, b = Tensor([3., 3.], requires_grad=True), Tensor([5., 3.], requires_grad=True)
    loss = (Product.apply(a, b) * Tensor([5., 3.])).sum()
    names = {"a": a, "b": b, "loss": loss}
    found = diagnose(loss, names)
    behind = graph.graph_of(loss, names)
    watched = recorder.Recorder(behind)
    watched.record(loss.backward)
    step = next(step for step in watched.steps
                if step.vertex and step.vertex.operation == found.operation)
    grads = {vertex: vertex.grad() for vertex in behind.values()}
    return pictures.picture(pictures.Layout(list(grads), grads), grads,
                            textwrap.fill(str(found), 80), step)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    output, names = example()
    animate(output, os.path.join(FOLDER, "worked_example.gif"), names)
    loss, names, net = mnist_network()  # the layers name their parameters, while they are there
    draw(loss, os.path.join(FOLDER, "mnist_network.png"), names)
    finding().savefig(os.path.join(FOLDER, "finding.png"), dpi=120)


if __name__ == "__main__":
    main()
