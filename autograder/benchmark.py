"""How fast MyTorch is, as ratios measured side by side in one process.

    python3 autograder/benchmark.py [CASE...]     cases: mnist chain mlp nodes job lines

What is compared takes turns, so that a machine whose speed drifts treats all alike; each figure
is the median over the turns.  PyTorch's column appears when torch can be imported.
"""

import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "hw1_autograder")]

from hw1 import mnist  # noqa: E402
from mytorch import Tensor  # noqa: E402
from mytorch.nn.activations import ReLU  # noqa: E402
from mytorch.nn.linear import Linear  # noqa: E402
from mytorch.nn.loss import CrossEntropyLoss  # noqa: E402
from mytorch.nn.sequential import Sequential  # noqa: E402
from mytorch.optim.sgd import SGD  # noqa: E402
from test_mnist import load_mnist  # noqa: E402

try:
    import torch
except ImportError:
    torch = None


def take_turns(turns, **contestants):
    """Time functions in turn; each one's seconds, turn by turn."""
    times = {name: [] for name in contestants}
    for _ in range(turns):
        for name, function in contestants.items():
            gc.collect()
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    return times


def ratio(times, one, other):
    """The median over the turns of one's time divided by the other's in the same turn."""
    return statistics.median(a / b for a, b in zip(times[one], times[other]))


def row(what, measured, reach):
    print(f"  {what:58s} {measured:<9} (reach {reach})", flush=True)


def absolute(times, unit=1.0, name="s", per=1):
    medians = {who: statistics.median(t) * unit / per for who, t in times.items()}
    print("    " + ", ".join(f"{who} {value:.3g} {name}" for who, value in medians.items()),
          flush=True)


# ---- the MNIST job

def by_hand(train_x, train_y, val_x, val_y, lr=np.float32(0.1)):
    """The same job as hw1/mnist.py, written out and fused in NumPy, without autograd."""
    w1, b1 = uniform(784, (20, 784)), uniform(784, 20)
    w2, b2 = uniform(20, (10, 20)), uniform(20, 10)
    gamma, beta = np.ones(20, np.float32), np.zeros(20, np.float32)
    running_mean, running_var = np.zeros(20, np.float32), np.ones(20, np.float32)
    eps, rows, accuracies = np.float32(1e-5), np.arange(100), []
    buffer = np.empty((100, 784), np.float32)
    for _ in range(3):
        order = np.random.permutation(len(train_x))
        for i in range(0, len(order), 100):
            batch = order[i:i + 100]
            x, y = np.take(train_x, batch, axis=0, out=buffer, mode="clip"), train_y[batch]
            z = x @ w1.T
            z += b1
            mean = z.sum(axis=0) / 100
            z -= mean
            squares = (z * z).sum(axis=0)
            running_mean = 0.9 * running_mean + 0.1 * mean
            running_var = 0.9 * running_var + 0.1 * (squares / 99)
            inverse_std = 1 / np.sqrt(squares / 100 + eps)
            z *= inverse_std
            h = z * gamma
            h += beta
            positive = h > 0
            h *= positive
            out = h @ w2.T
            out += b2
            out -= out.max(axis=1, keepdims=True)
            softmax = np.exp(out)
            totals = softmax.sum(axis=1)
            _ = (np.log(totals) - out[rows, y]).sum() / 100  # the loss
            softmax /= totals[:, None]
            softmax[rows, y] -= 1
            softmax /= 100
            grad_w2, grad_b2 = softmax.T @ h, softmax.sum(axis=0)
            g = softmax @ w2
            g *= positive
            grad_gamma, grad_beta = (g * z).sum(axis=0), g.sum(axis=0)
            g -= (grad_beta + z * grad_gamma) / 100
            g *= gamma * inverse_std
            w1 -= lr * (g.T @ x)
            b1 -= lr * g.sum(axis=0)
            w2 -= lr * grad_w2
            b2 -= lr * grad_b2
            gamma -= lr * grad_gamma
            beta -= lr * grad_beta
            if i % 10000 == 0:
                z = val_x @ w1.T
                z += b1
                z -= running_mean
                z *= gamma / np.sqrt(running_var + eps)
                z += beta
                np.maximum(z, 0, out=z)
                out = z @ w2.T
                out += b2
                accuracies.append((out.argmax(axis=1) == val_y).mean())
    return accuracies


def least(train_x, val_x):
    """The job's row gathers and matrix products alone, which it cannot do without."""
    w1, w2 = uniform(784, (20, 784)), uniform(20, (10, 20))
    g1, g2 = uniform(1, (100, 20)), uniform(1, (100, 10))
    for _ in range(3):
        order = np.random.permutation(len(train_x))
        for i in range(0, len(order), 100):
            x = train_x[order[i:i + 100]]
            h = x @ w1.T
            for factor, other in ((h, w2.T), (g2.T, h), (g2, w2), (g1.T, x)):
                factor @ other
            if i % 10000 == 0:
                val_x @ w1.T @ w2.T


def uniform(fan_in, shape):
    return np.random.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(fan_in))


def with_torch(train_x, train_y, val_x, val_y):
    """The same job in PyTorch, eager."""
    nn = torch.nn
    x, y, vx, vy = (torch.from_numpy(a) for a in (train_x, train_y, val_x, val_y))
    net = nn.Sequential(nn.Linear(784, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 10))
    optimizer, criterion = torch.optim.SGD(net.parameters(), lr=0.1), nn.CrossEntropyLoss()
    accuracies = []
    for _ in range(3):
        for i, batch in enumerate(torch.randperm(len(x)).split(100)):
            optimizer.zero_grad()
            criterion(net(x[batch]), y[batch]).backward()
            optimizer.step()
            if i % 100 == 0:
                net.eval()
                with torch.no_grad():
                    accuracies.append((net(vx).argmax(1) == vy).float().mean().item())
                net.train()
    return accuracies


def mnist_case():
    """Training and its 18 validations, float32."""
    data = load_mnist()
    arrays = data["train"] + data["val"]
    finals = []

    contestants = {"MyTorch": lambda: finals.append(mnist.mnist(*arrays)[-1]),
                   "by hand": lambda: by_hand(*arrays),
                   "gathers and products alone": lambda: least(arrays[0], arrays[2])}
    if torch:
        contestants["PyTorch"] = lambda: with_torch(*arrays)
    times = take_turns(9, **contestants)
    row("MNIST job, against NumPy by hand", f"{ratio(times, 'MyTorch', 'by hand'):.2f}", "1.2")
    if torch:
        row("MNIST job, against PyTorch", f"{ratio(times, 'MyTorch', 'PyTorch'):.2f}", "0.6")
    alone = ratio(times, "MyTorch", "gathers and products alone")
    row("MNIST job, against its gathers and products alone", f"{alone:.2f}", "2.5")
    absolute(times)
    row(f"final validation accuracy, median of {len(finals)} runs",
        f"{statistics.median(finals):.4f}", "0.955")


# ---- single operations

def scalar_chain(leaf, n=400):
    """Forward and backward of a chain of n adds and multiplies of scalars."""
    a, b = leaf(0.9, False), leaf(0.1, False)

    def run():
        for _ in range(20):
            y = leaf(1.0, True)
            for _ in range(n // 2):
                y = y * a + b
            y.backward()
    return run


def mytorch_leaf(value, requires_grad):
    return Tensor(value, requires_grad=requires_grad)


def torch_leaf(value, requires_grad):
    return torch.tensor(value, dtype=torch.float64, requires_grad=requires_grad)


def chain_case():
    """A chain of 400 scalar operations."""
    contestants = {"MyTorch": scalar_chain(mytorch_leaf)}
    if torch:
        contestants["PyTorch"] = scalar_chain(torch_leaf)
    times = take_turns(31, **contestants)
    if torch:
        row("chain of 400 scalar operations, against PyTorch",
            f"{ratio(times, 'MyTorch', 'PyTorch'):.2f}", "1.15")
    absolute(times, 1e6, "us an operation", per=400 * 20)


# ---- a larger network

def mlp_step(linear, relu, sequential, optimizer_of, criterion, x, y):
    """One training step of a 784-1024-1024-10 network."""
    net = sequential(linear(784, 1024), relu(), linear(1024, 1024), relu(), linear(1024, 10))
    net.float()
    optimizer = optimizer_of(net.parameters(), lr=0.01)

    def run():
        for _ in range(5):
            optimizer.zero_grad()
            criterion(net(x), y).backward()
            optimizer.step()
    return run


def mlp_case():
    """One step of a 784-1024-1024-10 network on a batch of 256, float32."""
    x = np.random.standard_normal((256, 784)).astype(np.float32)
    y = np.random.randint(0, 10, 256)
    contestants = {"MyTorch": mlp_step(Linear, ReLU, Sequential, SGD, CrossEntropyLoss(),
                                       Tensor(x), Tensor(y))}
    if torch:
        nn = torch.nn
        contestants["PyTorch"] = mlp_step(
            nn.Linear, nn.ReLU, nn.Sequential, torch.optim.SGD, nn.CrossEntropyLoss(),
            torch.from_numpy(x), torch.from_numpy(y))
    times = take_turns(15, **contestants)
    if torch:
        row("784-1024-1024-10 network, one step, against PyTorch",
            f"{ratio(times, 'MyTorch', 'PyTorch'):.2f}", "0.95")
    absolute(times, 1e3, "ms a step", per=5)


# ---- scaling

def chain(n):
    y = Tensor(1., requires_grad=True)
    for _ in range(n):
        y = y + 1.
    y.backward()


def diamond(n):
    y = Tensor(1., requires_grad=True)
    for _ in range(n // 3):
        y = 0.5 * y + 0.5 * y
    y.backward()


def nodes_case():
    """The cost of a node in graphs of a thousand to a million nodes."""
    gc.freeze()  # else the collector goes through all that was imported, again and again
    for name, build in (("chain", chain), ("diamond", diamond)):
        costs = {}
        for n in (10 ** 3, 10 ** 4, 10 ** 5, 10 ** 6):
            repeats = max(1, 10 ** 5 // n)
            times = take_turns(2, run=lambda: [build(n) for _ in range(repeats)])["run"]
            costs[n] = min(times) / n / repeats * 1e6
        row(f"{name}, largest by smallest cost of a node, 10^3 to 10^6",
            f"{max(costs.values()) / min(costs.values()):.2f}", "1.5")
        print("    " + ", ".join(f"{n}: {cost:.2f} us" for n, cost in costs.items()))
    gc.unfreeze()


def job_case():
    """./grade.sh m as a whole process."""
    script = str(HERE / "hw1_autograder" / "test_mnist.py")
    times = take_turns(3, process=lambda: subprocess.run(
        [sys.executable, script], stdout=subprocess.DEVNULL, check=True))
    row("./grade.sh m, seconds", f"{statistics.median(times['process']):.1f}", "4")


def lines_case():
    """How much there is to read: the library without what only watches and draws."""
    tools = ("graph.py", "trace.py")
    files = [path for path in (HERE.parent / "mytorch").rglob("*.py") if path.name not in tools]
    row("lines of mytorch/ without graph.py and trace.py",
        sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files), "1500")


CASES = {"mnist": mnist_case, "chain": chain_case, "mlp": mlp_case, "nodes": nodes_case,
         "job": job_case, "lines": lines_case}


def main():
    names = sys.argv[1:] or list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        print(f"usage: python3 autograder/benchmark.py [{'|'.join(CASES)}]...", file=sys.stderr)
        return 2
    print(f"Python {sys.version.split()[0]}, numpy {np.__version__}, "
          f"torch {torch.__version__ if torch else 'not installed'}, {os.cpu_count()} processors")
    for name in names:
        CASES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
