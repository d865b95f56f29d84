"""The operations: gradients against differences, broadcasts, numbers at the edge, gradcheck."""

import itertools
import tracemalloc

import numpy as np
import pytest

from mytorch import Function, Tensor
from mytorch.autograd_engine import backward
from mytorch.tools import GradcheckError, gradcheck
from mytorch.nn import functional as F
from mytorch.nn.batchnorm import BatchNorm1d


# ---- gradients

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
    "cross entropy": (lambda x: F.cross_entropy(x, LABELS) * 2, leaf(3, 4)),
    "batchnorm": (lambda x, g, b: F.BatchNorm.apply(
        x, g, b, lambda x: (x.mean(0), x.var(0)), 1e-5, True).exp(), leaf(4, 2), leaf(2), leaf(2)),
    "batchnorm evaluation": (lambda x, g, b: F.BatchNorm.apply(
        x, g, b, lambda x: (np.array([1.]), np.array([4.])), 0., False).exp(),
                             leaf(4, 2), leaf(2), leaf(2)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_central_differences(name):
    function, *inputs = CASES[name]
    assert gradcheck(function, *inputs)


def test_the_gradient_of_batchnorm_through_the_module_agrees_with_central_differences():
    bn = BatchNorm1d(3)
    assert gradcheck(lambda x: bn(x).exp(), leaf(4, 3))


@pytest.mark.parametrize("name", CASES)
def test_nothing_that_an_operation_is_given_is_changed_and_a_second_backward_gives_the_same(name):
    function, *inputs = CASES[name]
    inputs = [Tensor(x.data + 0.25, requires_grad=True) for x in inputs]
    before = [x.data.copy() for x in inputs]
    output = function(*inputs)
    seed = Tensor(np.random.RandomState(1).uniform(1, 2, output.shape))
    given, result = seed.data.copy(), output.data.copy()
    backward(output.grad_fn, seed)
    once = [x.grad.data.copy() for x in inputs]
    backward(output.grad_fn, seed)
    assert all(np.array_equal(x.data, old) for x, old in zip(inputs, before))
    assert np.array_equal(seed.data, given) and np.array_equal(output.data, result)
    assert all(np.allclose(x.grad.data, 2 * grad, 1e-13) for x, grad in zip(inputs, once))


# ---- broadcasts and stacks

SHAPES = [(), (1,), (4,), (1, 4), (3, 1), (3, 4), (2, 1, 4), (2, 3, 1), (1, 1, 1)]


@pytest.mark.parametrize("one, other", list(itertools.combinations_with_replacement(SHAPES, 2)))
def test_broadcast_operands_get_gradients_of_their_own_shape(one, other):
    a, b = leaf(*one), leaf(*other)
    (a * b).backward()
    for x, y in ((a, b), (b, a)):
        wanted, stretched = np.zeros(x.shape), np.broadcast_arrays(x.data, y.data)
        places = np.broadcast_to(np.arange(x.data.size).reshape(x.shape), stretched[0].shape)
        np.add.at(wanted.reshape(-1), places.reshape(-1), stretched[1].reshape(-1))
        assert x.grad.shape == x.shape and np.allclose(x.grad.data, wanted)


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


# ---- numbers at the edge

def grads_of(function, *arrays):
    inputs = [Tensor(array, requires_grad=True) for array in arrays]
    function(*inputs).backward()
    return [x.grad.data for x in inputs]


def test_the_gradient_of_a_softmax_of_tiny_exponentials_is_pytorchs():
    def softmax(x):
        e = x.exp()
        return (e / e.sum(1, True) * Tensor(np.array([[1, 0]], np.float32))).sum()

    grad, = grads_of(softmax, np.array([[-60, -70]], np.float32))
    assert np.allclose(grad, [[4.5395806e-05, -4.5395806e-05]], rtol=0.01, atol=0)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_a_quotient_of_numbers_whose_squares_leave_the_range_has_gradients(size):
    grad_a, grad_b = grads_of(lambda a, b: a / b, np.array([size]), np.array([2 * size]))
    assert np.allclose(grad_a * size, 0.5) and np.allclose(grad_b * size, -0.25)


def test_pow_at_zero_is_as_in_pytorch():
    assert grads_of(lambda x: x ** 2, [0., 2.])[0].tolist() == [0, 4]
    base, exponent = grads_of(lambda a, b: a ** b, [0., 3.], [0., 2.])
    assert base.tolist() == [0, 6]
    assert np.allclose(exponent, [0, 9 * np.log(3)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_relu_is_zero_at_zero_and_lets_nan_through_both_ways(dtype):
    x = Tensor(np.array([-np.inf, -1., 0., 2., np.inf, np.nan], dtype), requires_grad=True)
    y = F.ReLU.apply(x)
    y.backward()
    assert y.dtype == dtype and np.array_equal(y.data[:5], [0, 0, 0, 2, np.inf])
    assert np.isnan(y.data[5]) and x.grad.data.tolist() == [0, 0, 0, 1, 1, 1]


def test_relu_takes_a_single_number_integers_and_any_layout():
    assert F.ReLU.apply(Tensor(-2.)).item() == 0 and F.ReLU.apply(Tensor(2.)).item() == 2
    x = Tensor(np.arange(-3, 3).reshape(2, 3)[:, ::2].T)
    assert F.ReLU.apply(x).data.tolist() == [[0, 0], [0, 2]] and x.dtype.kind == "i"


@pytest.mark.parametrize("function, wanted", [
    (F.ReLU.apply, [0, np.inf]), (lambda x: x ** 0., [0, 0])])
def test_an_infinite_gradient_stops_where_the_derivative_is_zero_without_a_warning(
        function, wanted):
    x = Tensor([-1., 2.], requires_grad=True)
    with np.errstate(all="raise"):
        backward(function(x).grad_fn, Tensor([np.inf, np.inf]))
    assert x.grad.data.tolist() == wanted


def test_batchnorm_computes_no_gradient_of_an_input_that_wants_none():
    x, gamma, beta = Tensor(np.eye(3)), leaf(3), leaf(3)
    y = F.BatchNorm.apply(x, gamma, beta, lambda x: (np.zeros(3), np.ones(3)), 0., True)
    assert [grad is None for grad in y.grad_fn.apply(Tensor(np.eye(3)))] == [True] + [False] * 2 + [
        True] * 3


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "int64"])
def test_exp_log_and_sqrt_of_integers_are_float64(dtype):
    x = np.array([1, 12]).astype(dtype)
    for name in ("exp", "log", "sqrt"):
        y = getattr(Tensor(x), name)()
        assert y.dtype == np.float64
        assert np.allclose(y.data, getattr(np, name)(x.astype(float)), rtol=1e-15)


@pytest.mark.filterwarnings("error")
def test_no_warning_where_nothing_is_wrong():
    """Inner results that no value depends on must not warn: 0 * log 0, 0 / 0 of what is masked."""
    for function in (lambda a, b: a ** b, lambda a, b: b ** a):
        grads_of(function, [0., 2., 3.], [2., 0., 1.])
    grads_of(lambda x: F.cross_entropy(x, Tensor([0, 1])), [[1e4, -1e4], [-1e4, 1e4]])


# ---- long sums

N = 10 ** 6
COLUMN = np.random.RandomState(0).uniform(0, 1, (N, 1)).astype(np.float32)
EXACT = COLUMN.sum(dtype=np.float64)


@pytest.mark.parametrize("name, function, wanted", [
    ("sum over rows", lambda x: x.sum(0), EXACT),
    ("mean over rows", lambda x: x.mean(0), EXACT / N),
    ("sum of all", lambda x: x.sum(), EXACT),
    ("sum over columns", lambda x: x.T().sum(1), EXACT)])
def test_sums_of_a_million_float32_keep_their_digits(name, function, wanted):
    got = function(Tensor(COLUMN))
    assert got.dtype == np.float32 and abs(got.data.item() / wanted - 1) < 1e-6


@pytest.mark.parametrize("layer", [
    lambda x, bias: x + bias, lambda x, bias: F.Linear.apply(x, Tensor(np.float32([[1]])), bias),
    lambda x, bias: F.BatchNorm.apply(x, bias, bias, lambda x: (np.float32([0]), np.float32([1])),
                                      0., False)])
def test_the_gradient_of_a_bias_over_a_million_rows_keeps_its_digits(layer):
    bias = Tensor(np.float32([1]), requires_grad=True)
    y = layer(Tensor(np.zeros_like(COLUMN)), bias)
    backward(y.grad_fn, Tensor(COLUMN))
    assert bias.grad.dtype == np.float32 and abs(bias.grad.item() / EXACT - 1) < 1e-6


def test_means_of_float16_do_not_overflow():
    x = Tensor(np.full((40, 1), 60000, np.float16), requires_grad=True)
    for mean in (x.mean(), x.mean(0)):
        assert mean.dtype == np.float16 and (mean.data == 60000).all()
    x.mean().backward()
    assert np.allclose(x.grad.data, 1 / 40, rtol=1e-3)


def test_batches_of_many_lengths_leave_nothing_behind():
    def step(n):
        x, bias = Tensor(np.ones((n, 1))), Tensor(np.zeros(1), requires_grad=True)
        F.Linear.apply(x, Tensor(np.ones((1, 1))), bias).backward()
        assert bias.grad.item() == n

    step(5)
    tracemalloc.start()
    try:
        for n in range(1, 20001, 400):
            step(n)
        assert tracemalloc.get_traced_memory()[0] < 300000
    finally:
        tracemalloc.stop()


def test_the_gradient_of_a_float16_mean_of_many_is_not_zero():
    x = Tensor(np.ones(100000, np.float16), requires_grad=True)
    x.mean().backward()
    assert x.grad.dtype == np.float16 and np.allclose(x.grad.data, 1e-5, rtol=0.01)


def test_of_no_axis_named_all_are_summed_as_in_pytorch():
    x = Tensor(np.arange(6.).reshape(2, 3), requires_grad=True)
    x.sum(()).backward()
    assert x.sum(()).item() == x.sum([]).item() == 15 and x.mean(()).item() == 2.5
    assert (x.grad.data == 1).all()


def test_layers_sum_float16_batches_in_float32_and_a_loss_keeps_its_dtype():
    x, bn = Tensor(np.full((100, 1), 6e4, np.float16), requires_grad=True), BatchNorm1d(1)
    for tensor in (bn.gamma, bn.beta, bn.running_mean, bn.running_var):
        tensor.data = tensor.data.astype(np.float16)
    y = bn(x)
    assert (y.data == 0).all() and y.dtype == np.float16
    assert bn.running_mean.data == np.float16(6e3)
    bn.gamma.data = np.array([1e5])
    assert bn(x).dtype == np.float64
    loss = F.cross_entropy(Tensor(np.full((5000, 2), 0, np.float16)), Tensor(np.zeros(5000, int)))
    assert loss.dtype == np.float16 and loss.data == np.float16(np.log(2))


@pytest.mark.parametrize("shape, axis", [((1000, 3), 0), ((2, 1000, 3), 1), ((2, 3, 1000), 2),
                                         ((300, 2, 300), (0, 2)), ((7, 5), (0, 1)), ((200,), 0)])
def test_sums_over_any_axes_agree_with_numpy(shape, axis):
    x = np.random.RandomState(0).uniform(-1, 1, shape)
    assert np.allclose(Tensor(x).sum(axis).data, x.sum(axis), rtol=1e-13)
    assert Tensor(x).mean(axis, keepdims=True).shape == x.mean(axis, keepdims=True).shape


@pytest.mark.parametrize("axis, text", [(2, "out of range"), (-3, "out of range"),
                                        ((1, 5), "out of range"), ((0, 0), "twice"),
                                        ([1, -1], "twice")])
def test_an_axis_that_is_not_there_or_named_twice_is_a_clear_error(axis, text):
    with pytest.raises(ValueError, match=rf"Sum of a tensor of shape \(2, 3\): axis .*{text}"):
        Tensor.ones(2, 3).sum(axis)


@pytest.mark.parametrize("axis", [True, 1., "0", (0, False), np.array([0, 1]), [[0]]])
def test_an_axis_that_is_no_integer_is_a_clear_error(axis):
    for method in (Tensor.sum, Tensor.mean):
        with pytest.raises(TypeError, match="axis is an integer or a tuple of some, got "):
            method(Tensor.ones(2, 3), axis)


def test_a_second_axis_is_not_taken_for_keepdims():
    for method in (Tensor.sum, Tensor.mean):
        with pytest.raises(TypeError, match=r"keepdims is a boolean, got 1; .*\(0, 1\)"):
            method(Tensor.ones(2, 3), 0, 1)


def test_numpys_integers_and_booleans_are_axes_and_flags():
    x = Tensor(np.arange(6.).reshape(2, 3))
    assert x.sum(np.int64(-1), np.bool_(True)).data.tolist() == [[3], [12]]
    assert x.sum((np.uint8(0), 1)).item() == 15


@pytest.mark.parametrize("exponent", [2, 3, 0, 1, -1, 0.5, 2.5])
def test_powers_with_one_exponent_for_all_have_the_right_gradient(exponent):
    x = Tensor([0.5, 1.5, 3.], requires_grad=True)
    y = x ** exponent
    y.backward()
    assert np.allclose(y.data, x.data ** float(exponent), rtol=1e-15)
    assert np.allclose(x.grad.data, exponent * x.data ** (exponent - 1.), rtol=1e-15)


# ---- gradcheck itself

def test_gradcheck_leaves_gradients_as_they_were_also_of_what_it_was_not_given():
    x, weight = leaf(2), leaf(2)
    x.grad, weight.grad = before = Tensor([5., 5.]), Tensor([1., 1.])
    assert gradcheck(lambda x: x * weight, x)
    assert (x.grad is before[0]) and (weight.grad is before[1])
    assert [grad.data.tolist() for grad in before] == [[5, 5], [1, 1]]


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
    (Wrong, r"input 0 at index \(1,\) \(of output element \(1,\)\) is 3, .*difference is 3.2"),
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


def test_gradcheck_takes_what_arithmetic_makes_of_a_0_d_array():
    x = Tensor(2., requires_grad=True)
    x.data = x.data * 1
    assert gradcheck(lambda x: x * x, x)


def test_gradcheck_refuses_what_it_cannot_check():
    with pytest.raises(ValueError, match="requires grad"):
        gradcheck(lambda x: x, Tensor(1.))
    with pytest.raises(ValueError, match="float64"):
        gradcheck(lambda x: x * 2, Tensor(np.ones(2, np.float32), requires_grad=True))
