"""Makes torch_values.npz: what PyTorch computes, for test_torch.py to compare with.

    python3 autograder/tests/library/make_torch_values.py      (needs torch; made with torch 2.13.0)
"""

import os

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.RandomState(11785)

# Every operation that both have: how PyTorch writes it, and the shapes of its inputs.
OPERATIONS = {
    "add": (lambda a, b: a + b, (3, 4), (4,)), "sub": (lambda a, b: a - b, (3, 1), (1, 4)),
    "mul": (lambda a, b: a * b, (2, 3, 4), (3, 1)), "div": (lambda a, b: a / b, (3, 4), ()),
    "pow": (lambda a, b: a ** b, (3, 4), (4,)), "neg": (lambda a: -a, (3, 4)),
    "log": (lambda a: a.log(), (3, 4)), "exp": (lambda a: a.exp(), (3, 4)),
    "sqrt": (lambda a: a.sqrt(), (3, 4)), "matmul": (lambda a, b: a @ b, (3, 4), (4, 5)),
    "transpose": (lambda a: a.T, (3, 4)), "reshape": (lambda a: a.reshape(2, 6), (3, 4)),
    "sum": (lambda a: a.sum(), (3, 4)), "sum1": (lambda a: a.sum(1), (3, 4)),
    "mean": (lambda a: a.mean(), (3, 4)), "mean0": (lambda a: a.mean(0, keepdim=True), (3, 4)),
    "relu": (lambda a: torch.relu(a - 1.5), (3, 4)),
    "linear": (torch.nn.functional.linear, (6, 4), (3, 4), (3,)),
    "batchnorm": (lambda x, g, b: torch.nn.functional.batch_norm(
        x, None, None, g, b, training=True), (6, 4), (4,), (4,)),
    "crossentropy": (lambda x: torch.nn.functional.cross_entropy(
        10 * x, torch.arange(6) % 4), (6, 4)),
}


def operations(values):
    """Inputs, output, the gradient that comes in, and the gradients, in both precisions."""
    for name, (function, *shapes) in OPERATIONS.items():
        inputs = [RNG.uniform(1, 2, shape) for shape in shapes]
        for dtype in ("float64", "float32"):
            tensors = [torch.tensor(x.astype(dtype), requires_grad=True) for x in inputs]
            output = function(*tensors)
            seed = RNG.normal(size=output.shape).astype(dtype)
            output.backward(torch.tensor(seed))
            key = "%s/%s/" % (name, dtype)
            values[key + "seed"], values[key + "output"] = seed, output.detach().numpy()
            for i, tensor in enumerate(tensors):
                values[key + "input%d" % i] = tensor.detach().numpy()
                values[key + "grad%d" % i] = tensor.grad.numpy()


def training(values, steps=200, batch=20):
    """A whole run of the handout's architecture, with momentum; the weights at its end."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(16, 20), torch.nn.BatchNorm1d(20), torch.nn.ReLU(),
                              torch.nn.Linear(20, 10)).double()
    x = RNG.normal(size=(100, 16))
    y = RNG.randint(0, 10, 100)
    order = np.array([RNG.permutation(100)[:batch] for _ in range(steps)])
    values.update({"training/x": x, "training/y": y, "training/order": order.astype(np.uint8)})
    for name, tensor in net.state_dict().items():
        values["training/before/" + name] = tensor.numpy().copy()
    # The handout's velocity contains the learning rate; with a constant one it is the same.
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for rows in order:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(torch.tensor(x[rows])),
                                                 torch.tensor(y[rows]))
        loss.backward()
        optimizer.step()
    for name, tensor in net.state_dict().items():
        values["training/after/" + name] = tensor.numpy().copy()
    values["training/loss"] = loss.detach().numpy()
    values["training/evaluated"] = net.eval()(torch.tensor(x)).detach().numpy()


if __name__ == "__main__":
    archive = {}
    operations(archive)
    training(archive)
    np.savez_compressed(os.path.join(HERE, "torch_values.npz"), **archive)
