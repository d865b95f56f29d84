"""How fast MyTorch is, as ratios measured side by side in one process.

    python3 autograder/benchmark.py [CASE...]

What is compared takes turns; a figure is the least processor time of one over that of the other,
on one thread and with memory that the process keeps (else page faults decide).  PyTorch's rows
appear when torch can be imported.
"""

import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_MMAP_THRESHOLD_": str(1 << 34)}
if __name__ == "__main__" and not SETTINGS.items() <= os.environ.items():
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})

import numpy as np  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "hw1_autograder")]

from hw1 import mnist  # noqa: E402
from mytorch import Tensor, no_grad  # noqa: E402
from mytorch.nn import functional as F  # noqa: E402
from mytorch.nn import BatchNorm1d, CrossEntropyLoss, Linear, ReLU, Sequential  # noqa: E402
from mytorch.optim.sgd import SGD  # noqa: E402
from test_mnist import load_mnist  # noqa: E402

try:
    import torch
except ImportError:
    torch = None


def take_turns(turns, **contestants):
    """Run functions in turn; the least processor time of each, in seconds."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(turns):
        for name, function in contestants.items():
            gc.collect()
            started = time.process_time()
            function()
            best[name] = min(best[name], time.process_time() - started)
    return best


def row(what, measured, reach):
    print(f"  {what:58s} {measured:<9} (reach {reach})", flush=True)


def against_torch(what, reach, turns, ours, theirs, unit="ms", per=1):
    """A row that compares a function of ours with PyTorch's, and both times below it."""
    best = take_turns(turns, MyTorch=ours, **({"PyTorch": theirs} if torch else {}))
    if torch:
        row(f"{what}, against PyTorch", f"{best['MyTorch'] / best['PyTorch']:.2f}", reach)
    absolute(best, unit, per)


def absolute(best, unit="s", per=1):
    factor = {"s": 1, "ms": 1e3, "us": 1e6}[unit] / per
    print("    " + ", ".join(f"{who} {value * factor:.3g} {unit}" for who, value in best.items()),
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
    best = take_turns(9, **contestants)
    row("MNIST job, against NumPy by hand", f"{best['MyTorch'] / best['by hand']:.2f}", "1.2")
    if torch:
        row("MNIST job, against PyTorch", f"{best['MyTorch'] / best['PyTorch']:.2f}", "0.6")
    alone = best["MyTorch"] / best["gathers and products alone"]
    row("MNIST job, against its gathers and products alone", f"{alone:.2f}", "2.5")
    absolute(best)
    row(f"final validation accuracy, median of {len(finals)} runs",
        f"{statistics.median(finals):.4f}", "0.955")


# ---- chains of small operations

def chain_of(leaf, start, other, wants, ones=(), n=400):
    """Forward and backward of a chain of n multiplications and additions, five times."""
    factor, summand = leaf(other, wants), leaf(other, wants)

    def run():
        for _ in range(5):
            y = leaf(start)
            for _ in range(n // 2):
                y = y * factor + summand
            y.backward(*ones)
    return run


def mytorch_leaf(value, requires_grad=True):
    return Tensor(value, requires_grad=requires_grad)


def torch_leaf(value, requires_grad=True):
    return torch.tensor(value, dtype=torch.float64, requires_grad=requires_grad)


def chain_case():
    """Chains of 400 operations: on a number, on a (4, 5) with a (5,)."""
    for what, value, other, wants, reach in (
            ("chain of 400 scalar operations", np.array(1.), np.array(0.9), False, "1.5"),
            ("chain of 400 on a (4, 5) with constants (5,)", np.ones((4, 5)), np.full(5, 0.9),
             False, "1.2"),
            ("chain of 400 on a (4, 5) with leaves (5,)", np.ones((4, 5)), np.full(5, 0.9), True,
             "1.2")):
        theirs = torch and chain_of(torch_leaf, value, other, wants,
                                    (torch.ones(value.shape, dtype=torch.float64),))
        against_torch(what, reach, 31, chain_of(mytorch_leaf, value, other, wants), theirs,
                      "us", 2000)


# ---- single operations on much data

def large_case():
    """Operations on a million elements, float32, forward and backward."""
    x = np.random.uniform(0.5, 1.5, 10 ** 6).astype(np.float32)
    signed, other = x - 1, x[::-1].copy()
    for what, function, arrays, reach in (
            ("x ** 3", lambda x: x ** 3, [x], "1.3"), ("sum", lambda x: x.sum(), [x], "1.3"),
            ("ReLU", lambda x: F.ReLU.apply(x) if isinstance(x, Tensor) else x.relu(), [signed],
             "1.2"),
            ("a * b + a", lambda a, b: a * b + a, [x, other], "1.1")):
        ours = there_and_back(function, [Tensor(a, requires_grad=True) for a in arrays])
        theirs = torch and there_and_back(
            function, [torch.tensor(a, requires_grad=True) for a in arrays],
            lambda y: (torch.ones_like(y),))
        against_torch(f"{what} of 10^6", reach, 31, ours, theirs)
    evaluation_row()
    loss_row()
    momentum_row()


def there_and_back(function, leaves, seed=lambda y: ()):
    def run():
        for leaf in leaves:
            leaf.grad = None
        y = function(*leaves)
        y.backward(*seed(y))
    return run


def evaluation_row():
    x = np.random.standard_normal((256, 1024)).astype(np.float32)
    ours, tensor = BatchNorm1d(1024).float().eval(), Tensor(x)
    theirs = torch and torch.nn.BatchNorm1d(1024).eval()

    def without_graph(layer, x, block):
        def run():
            with block():
                layer(x)
        return run
    against_torch("BatchNorm (256, 1024) in evaluation", "1.3", 101,
                  without_graph(ours, tensor, no_grad),
                  torch and without_graph(theirs, torch.from_numpy(x), torch.no_grad))


def loss_row():
    x, y = np.random.standard_normal((256, 1000)).astype(np.float32), np.arange(256) * 3
    ours, theirs = CrossEntropyLoss(), torch and torch.nn.CrossEntropyLoss()
    labels = Tensor(y), torch and torch.from_numpy(y)
    against_torch("cross entropy (256, 1000)", "1.3", 51,
                  there_and_back(lambda x: ours(x, labels[0]), [Tensor(x, requires_grad=True)]),
                  torch and there_and_back(lambda x: theirs(x, labels[1]),
                                           [torch.tensor(x, requires_grad=True)]))


def momentum_row():
    data = np.ones(10 ** 6, np.float32)
    ours = [Tensor(data, requires_grad=True, is_parameter=True) for _ in range(4)]
    theirs = [torch.tensor(data, requires_grad=True) for _ in range(4)] if torch else []
    for parameter in ours:
        parameter.grad = Tensor(data)
    for parameter in theirs:
        parameter.grad = torch.from_numpy(data.copy())
    against_torch("SGD with momentum, 4 of 10^6", "1.2", 31,
                  SGD(ours, lr=0.01, momentum=0.9).step,
                  torch and torch.optim.SGD(theirs, lr=0.01, momentum=0.9).step)


# ---- memory

GRAPH = """
import sys
library, operation = sys.argv[1:]
import numpy as np
if library == "torch":
    import torch
    new = lambda requires_grad: torch.ones(362, 362, dtype=torch.float64,
                                           requires_grad=requires_grad)
else:
    from mytorch import Tensor
    new = lambda requires_grad: Tensor(np.ones((362, 362)), requires_grad=requires_grad)
constant, leaf, y = new(False), new(True), new(True)
operation = {"scale": lambda y: y * 1.0001, "constant": lambda y: y * constant,
             "leaf": lambda y: y * leaf, "divide": lambda y: y / 1.0001,
             "exp": lambda y: y.exp()}[operation]
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
y, before = operation(y), resident()
for _ in range(200):
    y = operation(y)
print(resident() - before)
"""


def memory_case():
    """What 200 operations on 1 MB hold until the backward pass."""
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}

    def held(library, operation):
        return int(subprocess.run([sys.executable, "-c", GRAPH, library, operation], check=True,
                                  stdout=subprocess.PIPE, cwd=str(HERE.parent),
                                  env=environment).stdout)
    for operation in ("scale", "constant", "leaf", "divide", "exp"):
        ours = held("mytorch", operation) / 1e6
        if torch:
            theirs = held("torch", operation) / 1e6
            row(f"memory of 200 operations on 1 MB ({operation}), against PyTorch",
                f"{max(ours, 1) / max(theirs, 1):.2f}", "1.1")
            print(f"    MyTorch {ours:.0f} MB, PyTorch {theirs:.0f} MB")
        else:
            print(f"    memory of 200 operations on 1 MB ({operation}): {ours:.0f} MB")


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
    nn = torch and torch.nn
    against_torch("784-1024-1024-10 network, one step", "0.9", 15,
                  mlp_step(Linear, ReLU, Sequential, SGD, CrossEntropyLoss(), Tensor(x), Tensor(y)),
                  torch and mlp_step(nn.Linear, nn.ReLU, nn.Sequential, torch.optim.SGD,
                                     nn.CrossEntropyLoss(), torch.from_numpy(x),
                                     torch.from_numpy(y)), per=5)


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
            best = take_turns(2, run=lambda: [build(n) for _ in range(repeats)])["run"]
            costs[n] = best / n / repeats * 1e6
        row(f"{name}, largest by smallest cost of a node, 10^3 to 10^6",
            f"{max(costs.values()) / min(costs.values()):.2f}", "1.5")
        print("    " + ", ".join(f"{n}: {cost:.2f} us" for n, cost in costs.items()))
    gc.unfreeze()


def job_case():
    """./grade.sh m as a whole process."""
    script = str(HERE / "hw1_autograder" / "test_mnist.py")
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, script], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - started)
    row("./grade.sh m, seconds", f"{statistics.median(seconds):.1f}", "4")


def lines_case():
    """How much there is to read: the library without its tools."""
    library = HERE.parent / "mytorch"
    for what, files, reach in (
            ("autograd_engine.py", [library / "autograd_engine.py"], "220"),
            ("functional.py", [library / "nn" / "functional.py"], "400"),
            ("mytorch/ without tools/", [path for path in library.rglob("*.py")
                                         if "tools" not in path.parts], "1400")):
        row(f"lines of {what}",
            sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files), reach)


CASES = {"mnist": mnist_case, "chain": chain_case, "mlp": mlp_case, "large": large_case,
         "memory": memory_case, "nodes": nodes_case, "job": job_case, "lines": lines_case}


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
