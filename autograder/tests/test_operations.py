"""Every operation against central differences; unbroadcast for every broadcast."""

import itertools

import numpy as np
import pytest

from mytorch import Function, Tensor
from mytorch.autograd_engine import backward
from mytorch.gradcheck import GradcheckError, gradcheck
from mytorch.nn import functional as F
from mytorch.nn.batchnorm import BatchNorm1d


def leaf(*shape):
    return Tensor(np.random.RandomState(sum(shape)).uniform(1, 2, shape), requires_grad=True)


LABELS = Tensor(np.array([0, 3, 1]))
CASES = {
    "add": (lambda a, b: a + b, leaf(2, 3), leaf(2, 3)),
    "sub": (lambda a, b: a - b, leaf(2, 3), leaf(2, 3)),
    "mul": (lambda a, b: a * b, leaf(2, 3), leaf(2, 3)),
    "div": (lambda a, b: a / b, leaf(2, 3), leaf(2, 3)),
    "pow": (lambda a, b: a ** b, leaf(2, 3), leaf(2, 3)),
    "pow of a number": (lambda a: a ** 3 + 2 ** a, leaf(2, 3)),
    "numbers": (lambda a: (2 - a) * 3 + 1 / a - 4, leaf(2, 3)),
    "neg": (lambda a: -a, leaf(3)),
    "log": (lambda a: a.log(), leaf(3)),
    "exp": (lambda a: a.exp(), leaf(3)),
    "sqrt": (lambda a: a.sqrt(), leaf(3)),
    "relu": (lambda a: F.ReLU.apply(a - 1.5), leaf(4, 5)),
    "transpose": (lambda a: a.T() * a.T(), leaf(2, 3)),
    "reshape": (lambda a: a.reshape(3, -1) * a.reshape(3, 2), leaf(2, 3)),
    "sum": (lambda a: a.sum() * a.sum(), leaf(2, 3)),
    "sum axes": (lambda a: a.sum((0, 2)) ** 2, leaf(2, 3, 2)),
    "sum keepdims": (lambda a: a.sum(-1, keepdims=True) * a, leaf(2, 3)),
    "mean": (lambda a: a.mean(0) * a.mean(), leaf(2, 3)),
    "linear": (F.Linear.apply, leaf(4, 3), leaf(2, 3), leaf(2)),
    "cross entropy": (lambda x: F.cross_entropy(x * 2, LABELS), leaf(3, 4)),
    "batchnorm": (lambda x, g, b: F.BatchNorm.apply(
        x, g, b, x.data.mean(0), x.data.var(0), 1e-5, True).exp(), leaf(4, 2), leaf(2), leaf(2)),
    "batchnorm evaluation": (lambda x, g, b: F.BatchNorm.apply(
        x, g, b, np.ones(2), np.ones(2), 0., False).exp(), leaf(4, 2), leaf(2), leaf(2)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_central_differences(name):
    function, *inputs = CASES[name]
    assert gradcheck(function, *inputs)


def arrays_in(value):
    """All arrays in a node's memory, or in a value that is kept there."""
    if isinstance(value, (tuple, list)):
        return [array for item in value for array in arrays_in(item)]
    array = getattr(value, "data", value)
    return [array] if isinstance(array, np.ndarray) else []


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_shares_memory_with_nothing_else(name):
    function, *inputs = CASES[name]
    inputs = [x.copy(requires_grad=True) for x in inputs]
    output = function(*inputs)
    seed = Tensor(np.ones(output.shape))
    others, nodes = [x.data for x in inputs] + [output.data, seed.data], [output.grad_fn]
    for node in nodes:
        if hasattr(node, "ctx"):
            others += arrays_in(list(vars(node.ctx).values()))
        nodes += [parent for parent in node.next_functions if parent is not None]
    for _ in range(2):  # the second time, gradients are added to those that are there
        backward(output.grad_fn, seed)
        grads = [x.grad.data for x in inputs]
        for index, grad in enumerate(grads):
            assert not any(np.shares_memory(grad, other)
                           for other in others + grads[:index])


SHAPES = [(), (1,), (4,), (1, 4), (3, 1), (3, 4), (2, 1, 4), (2, 3, 1), (1, 1, 1)]


@pytest.mark.parametrize("one, other", list(itertools.product(SHAPES, SHAPES)))
def test_broadcast_operands_get_gradients_of_their_own_shape(one, other):
    a, b = leaf(*one), leaf(*other)
    (a * b).backward()
    ones = np.ones(np.broadcast(a.data, b.data).shape)
    for x, y in ((a, b), (b, a)):
        wanted = F.unbroadcast(ones * y.data, x.shape)
        assert x.grad.shape == x.shape and np.allclose(x.grad.data, wanted)
        assert np.isclose(x.grad.data.sum(), (ones * y.data).sum())


@pytest.mark.parametrize("shapes", [((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)),
                                    ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
                                    ((5, 1, 2, 3), (4, 3, 2)), ((4, 2, 3), (3,))])
def test_matmul_of_vectors_matrices_and_stacks(shapes):
    assert gradcheck(lambda a, b: a @ b, leaf(*shapes[0]), leaf(*shapes[1]))


def test_unbroadcast_handles_empty_axes_and_scalars():
    assert F.unbroadcast(np.ones((0, 3)), (1, 3)).tolist() == [[0, 0, 0]]
    assert F.unbroadcast(np.ones((2, 3)), ()).shape == ()
    assert F.unbroadcast(np.ones((2, 3)), (2, 3)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(2,), (4, 3), (1, 2, 3), (3, 3)])
def test_unbroadcast_to_a_shape_that_does_not_fit_is_an_error(shape):
    with pytest.raises(ValueError, match="unbroadcast"):
        F.unbroadcast(np.ones((2, 3)), shape)


def test_pow_at_zero_is_as_in_pytorch():
    x = Tensor([0., 0., 2.], requires_grad=True)
    (x ** 2).backward()
    assert x.grad.data.tolist() == [0, 0, 4]
    zeroth, exponent = (Tensor(v, requires_grad=True) for v in ([0., 3.], [0., 2.]))
    (zeroth ** exponent).backward()
    assert zeroth.grad.data.tolist() == [0, 6]
    assert np.allclose(exponent.grad.data, [0, 9 * np.log(3)])


def test_relu_is_zero_at_zero_and_lets_nan_through():
    x = Tensor([-1., 0., 2., np.nan], requires_grad=True)
    y = F.ReLU.apply(x)
    y.backward()
    assert x.grad.data.tolist() == [0, 0, 1, 1] and np.isnan(y.data[3])  # as PyTorch


def test_an_infinite_gradient_stops_where_the_derivative_is_zero():
    x = Tensor([-1., 2.], requires_grad=True)
    F.ReLU.apply(x).log().sum().backward()
    assert x.grad.data.tolist() == [0, 0.5]
    x.grad = None
    (x ** 0. - 1.).log().sum().backward()
    assert x.grad.data.tolist() == [0, 0]


# ---- gradcheck itself

def test_gradcheck_leaves_gradients_alone_also_of_parameters_that_it_was_not_given():
    x, weight = leaf(2), leaf(2)
    weight.grad = Tensor(np.ones(2))
    assert gradcheck(lambda x: x * weight, x)
    assert x.grad is None and weight.grad.data.tolist() == [1, 1]


class Wrong(Function):
    @staticmethod
    def forward(ctx, a):
        return Tensor(a.data ** 2)

    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data * 3)


class Missing(Wrong):
    @staticmethod
    def backward(ctx, grad_output):
        return None


class Misshapen(Wrong):
    @staticmethod
    def backward(ctx, grad_output):
        return Tensor(grad_output.data.sum())


@pytest.mark.parametrize("operation, text", [
    (Wrong, r"input 0 at index \(2,\).*is 3.*difference is 6"),
    (Missing, r"input 0 at index .* is 0, .*difference is"),
    (Misshapen, "shape")])
def test_gradcheck_finds_wrong_missing_and_misshapen_gradients(operation, text):
    x = Tensor([1.5, 1.6, 3.], requires_grad=True)
    with pytest.raises(GradcheckError, match=text):
        gradcheck(operation.apply, x)
    assert x.grad is None and x.data.tolist() == [1.5, 1.6, 3.]


def test_gradcheck_finds_a_graph_that_is_cut():
    with pytest.raises(GradcheckError, match="cut"):
        gradcheck(lambda x: Tensor(x.data * 2), leaf(2))


def test_gradcheck_refuses_what_it_cannot_check():
    with pytest.raises(ValueError, match="requires grad"):
        gradcheck(lambda x: x, Tensor(1.))
    with pytest.raises(ValueError, match="float64"):
        gradcheck(lambda x: x * 2, Tensor(np.ones(2, np.float32), requires_grad=True))


def test_gradcheck_leaves_gradients_as_they_were():
    x = leaf(2)
    (x * 2).backward()
    before = x.grad
    gradcheck(lambda x: x * x, x)
    assert x.grad is before


def test_batchnorm_through_the_module():
    bn = BatchNorm1d(3)
    assert gradcheck(lambda x: bn(x).exp(), leaf(4, 3))
