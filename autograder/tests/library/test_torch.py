"""MyTorch's numbers against PyTorch's, from the archive that make_torch_values.py makes."""

import os

import numpy as np
import pytest

from judging.checks import FORMULAS
from mytorch import Tensor
from mytorch.autograd_engine import backward
from mytorch.nn import functional as F
from mytorch.nn.activations import ReLU
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD

import test_autograd  # noqa: F401 (fills FORMULAS)
import test_mlp  # noqa: F401

VALUES = np.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_values.npz"))


def batchnorm(x, gamma, beta):
    layer = BatchNorm1d(x.shape[1])
    layer.float() if x.dtype == np.float32 else layer
    gamma.is_parameter = beta.is_parameter = True
    layer.gamma, layer.beta = gamma, beta
    return layer(x)


OPERATIONS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b, "pow": lambda a, b: a ** b, "neg": lambda a: -a,
    "log": lambda a: a.log(), "exp": lambda a: a.exp(), "sqrt": lambda a: a.sqrt(),
    "matmul": lambda a, b: a @ b, "transpose": lambda a: a.T(),
    "reshape": lambda a: a.reshape(2, 6), "sum": lambda a: a.sum(), "sum1": lambda a: a.sum(1),
    "mean": lambda a: a.mean(), "mean0": lambda a: a.mean(0, keepdims=True),
    "relu": lambda a: ReLU()(a - 1.5), "linear": F.Linear.apply, "batchnorm": batchnorm,
    "crossentropy": lambda x: F.cross_entropy(10 * x, Tensor(np.arange(6) % 4)),
}


def test_the_archive_holds_every_operation():
    assert {key.split("/")[0] for key in VALUES.files} - {"training"} == set(OPERATIONS)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_values_and_gradients_are_pytorchs(name, dtype, tolerance):
    values = {key.split("/")[2]: VALUES[key] for key in VALUES.files
              if key.startswith(f"{name}/{dtype}/")}
    inputs = [Tensor(values[f"input{i}"], requires_grad=True)
              for i in range(sum(key.startswith("input") for key in values))]
    output = OPERATIONS[name](*inputs)
    backward(output.grad_fn, Tensor(values["seed"]))
    assert output.dtype == dtype and output.shape == values["output"].shape
    assert np.allclose(output.data, values["output"], tolerance, tolerance)
    for i, tensor in enumerate(inputs):
        assert tensor.grad.dtype == dtype
        assert np.allclose(tensor.grad.data, values[f"grad{i}"], tolerance, tolerance)


def test_a_whole_training_run_ends_at_pytorchs_weights():
    net = Sequential(Linear(16, 20), BatchNorm1d(20), ReLU(), Linear(20, 10))
    names = {"0.weight": net[0].weight, "0.bias": net[0].bias, "1.weight": net[1].gamma,
             "1.bias": net[1].beta, "1.running_mean": net[1].running_mean,
             "1.running_var": net[1].running_var, "3.weight": net[3].weight, "3.bias": net[3].bias}
    for name, tensor in names.items():
        tensor.data = VALUES["training/before/" + name]
    optimizer, criterion = SGD(net.parameters(), lr=0.1, momentum=0.9), CrossEntropyLoss()
    x, y = VALUES["training/x"], VALUES["training/y"]
    for rows in VALUES["training/order"]:
        optimizer.zero_grad()
        loss = criterion(net(Tensor(x[rows])), Tensor(y[rows]))
        loss.backward()
        optimizer.step()
    assert abs(loss.item() - VALUES["training/loss"]) < 1e-8
    for name, tensor in names.items():
        assert np.abs(tensor.data - VALUES["training/after/" + name]).max() < 1e-8, name
    assert np.abs(net.eval()(Tensor(x)).data - VALUES["training/evaluated"]).max() < 1e-8


# ---- the grader's own formulas

def values_of(name):
    found = {key.split("/")[2]: VALUES[key] for key in VALUES.files
             if key.startswith(name + "/float64/")}
    return [found[f"input{i}"] for i in range(3) if f"input{i}" in found], found


def test_the_graders_formulas_for_layers_are_pytorchs():
    (x, weight, bias), found = values_of("linear")
    assert np.allclose(FORMULAS.linear(x, weight, bias), found["output"])
    gradients = FORMULAS.linear_gradients(x, weight, found["seed"])
    assert all(np.allclose(g, found[f"grad{i}"]) for i, g in enumerate(gradients))
    (x, gamma, beta), found = values_of("batchnorm")
    assert np.allclose(FORMULAS.batchnorm(x, gamma, beta), found["output"])
    gradients = FORMULAS.batchnorm_gradients(x, gamma, found["seed"])
    assert all(np.allclose(g, found[f"grad{i}"]) for i, g in enumerate(gradients))


def test_the_graders_formulas_for_the_loss_are_pytorchs():
    (x,), found = values_of("crossentropy")
    target = np.arange(6) % 4
    assert np.allclose(FORMULAS.cross_entropy(FORMULAS.log_softmax(10 * x), target),
                       found["output"])
    gradient = FORMULAS.cross_entropy_gradient(10 * x, target) * 10 * found["seed"]
    assert np.allclose(gradient, found["grad0"])


def differences(function, x, g, eps=1e-6):
    """Central differences of sum(g * function(x)) with respect to x."""
    out = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = eps
        out[index] = (g * (function(x + step) - function(x - step))).sum() / (2 * eps)
    return out


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_the_graders_formulas_for_operations_agree_with_differences(name):
    rng = np.random.RandomState(0)
    a, b, g = rng.uniform(1, 2, (3, 2, 3))
    function = getattr(FORMULAS, name)
    grad_a, grad_b = getattr(FORMULAS, name + "_gradients")(a, b, g)
    assert np.allclose(grad_a, differences(lambda a: function(a, b), a, g))
    assert np.allclose(grad_b, differences(lambda b: function(a, b), b, g))


def test_the_graders_formula_for_relu_agrees_with_differences():
    x, g = np.random.RandomState(0).normal(size=(2, 5, 3))
    assert np.allclose(FORMULAS.relu_gradient(x, g), differences(FORMULAS.relu, x, g))
