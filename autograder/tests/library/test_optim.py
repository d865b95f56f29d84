"""Optimizers: what SGD does to parameters, and what it refuses."""

import time

import numpy as np
import pytest

from mytorch import Tensor
from mytorch.optim.optimizer import Optimizer
from mytorch.optim.sgd import SGD


def parameter(data):
    return Tensor(data, requires_grad=True, is_parameter=True)


def test_sgd_and_momentum_follow_the_handouts_formula():
    w = parameter([1., 2.])
    optimizer = SGD([w], lr=0.1, momentum=0.5)
    expected, velocity = w.data.copy(), 0
    for g in ([1., -1.], [2., 3.], [0., 1.]):
        w.grad = Tensor(g)
        optimizer.step()
        velocity = 0.5 * velocity - 0.1 * np.array(g)
        expected = expected + velocity
        assert np.allclose(w.data, expected) and np.allclose(optimizer.momentums[0], velocity)
    assert w.is_leaf and w.requires_grad


def test_a_parameter_without_gradient_is_left_alone():
    used, unused = parameter([1.]), parameter([2.])
    optimizer = SGD([used, unused], lr=1.)
    used.backward()
    optimizer.step()
    assert (used.item(), unused.item()) == (0, 2)
    optimizer.zero_grad()
    assert used.grad is None


@pytest.mark.parametrize("momentum", [0., 0.9])
def test_a_parameter_that_was_set_to_integers_is_not_cut_to_them(momentum):
    w = parameter([1.])
    w.data = np.array([1])
    optimizer = SGD([w], lr=0.25, momentum=momentum)
    w.grad = Tensor([1.])
    optimizer.step()
    assert w.data.tolist() == [0.75]


def test_momentum_goes_on_after_it_is_switched_on():
    w = parameter([0.])
    optimizer = SGD([w], lr=1.)
    w.grad = Tensor([1.])
    optimizer.step()
    assert optimizer.momentums[0].tolist() == [-1]
    optimizer.momentum = 0.5
    optimizer.step()
    assert w.item() == -2.5


def test_a_single_number_stays_an_array_through_steps():
    w = parameter(1.)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    for _ in range(2):
        w.backward()
        optimizer.step()
    assert type(w.data) is np.ndarray and type(optimizer.momentums[0]) is np.ndarray


@pytest.mark.parametrize("momentum", [0., 0.9])
def test_a_step_keeps_the_dtype_and_leaves_the_old_arrays_as_they_are(momentum):
    w = parameter(np.ones(2, np.float32))
    optimizer = SGD([w], lr=np.float64(0.5), momentum=np.float64(momentum))
    before, w.grad = w.data, Tensor(np.ones(2, np.float32))
    optimizer.step()
    assert w.dtype == optimizer.momentums[0].dtype == np.float32
    assert before.tolist() == [1, 1] and w.data.tolist() == [0.5, 0.5]
    assert w.grad.data.tolist() == [1, 1]


@pytest.mark.parametrize("lr", [np.uint8(1), np.int64(1), 1, np.float32(1)])
def test_any_number_is_a_learning_rate_also_for_integer_data(lr):
    w = parameter(np.array([1.]))
    optimizer = SGD([w], lr=lr, momentum=0.5)
    w.data, w.grad = np.array([1]), Tensor(np.array([1]))
    for _ in range(2):
        optimizer.step()
    assert w.data.tolist() == [-1.5]


def test_a_gradient_of_fewer_digits_costs_the_parameter_none():
    w = parameter(np.array([1 + 1e-12]))
    w.grad = Tensor(np.ones(1, np.float32))
    SGD([w], lr=0.5).step()
    assert w.dtype == np.float64 and w.item() == pytest.approx(0.5 + 1e-12, abs=1e-15)


@pytest.mark.parametrize("momentum", [0., 0.9])
def test_a_frozen_parameter_is_taken_and_skipped(momentum):
    frozen, other = parameter([1.]), parameter([1.])
    frozen.grad = other.grad = Tensor([1.])
    frozen.requires_grad = False
    optimizer = SGD([frozen, other], lr=0.5, momentum=momentum)
    optimizer.step()
    assert (frozen.item(), other.item()) == (1, 0.5)
    optimizer.zero_grad()
    assert frozen.grad is None
    frozen.requires_grad, frozen.grad = True, Tensor([1.])
    optimizer.step()
    assert frozen.item() == 0.5


def test_a_gradient_of_another_shape_is_named():
    w = parameter([1., 2.])
    optimizer = SGD([w], lr=1.)
    w.grad = Tensor(1.)
    with pytest.raises(RuntimeError, match=r"gradient of parameter 0 .* shape \(2,\), got \(\)"):
        optimizer.step()


def test_an_array_in_place_of_a_gradient_is_named():
    w = parameter([1., 2.])
    w.grad = np.ones(2)
    with pytest.raises(TypeError, match="gradient of parameter 0 must be a Tensor, got ndarray"):
        SGD([w]).step()


def test_a_parameter_that_is_appended_later_moves_with_a_momentum_of_its_own():
    first, second = parameter([0.]), parameter([0., 0.])
    optimizer = SGD([first], lr=1., momentum=0.5)
    optimizer.params.append(second)
    for _ in range(2):
        first.grad, second.grad = Tensor([1.]), Tensor([1., 2.])
        optimizer.step()
    assert first.data.tolist() == [-2.5] and second.data.tolist() == [-2.5, -5]


def test_a_momentum_of_another_shape_is_named_and_not_broadcast():
    w = parameter([1.])
    optimizer = SGD([w], lr=1., momentum=0.5)
    w.data, w.grad = np.ones(2), Tensor.ones(2)
    with pytest.raises(ValueError, match=r"the momentum of parameter 0 .*\(2,\), got \(1,\)"):
        optimizer.step()


def test_eight_thousand_parameters_are_taken_in_no_time_to_speak_of():
    params = [parameter(0.) for _ in range(8000)]
    started = time.process_time()
    assert len(Optimizer(iter(params)).params) == 8000
    assert time.process_time() - started < 0.2


def test_the_base_class_has_no_step_of_its_own():
    optimizer = Optimizer([parameter(0.)])
    assert optimizer.state == {}
    with pytest.raises(NotImplementedError, match="Optimizer needs a method step"):
        optimizer.step()


@pytest.mark.parametrize("arguments, error, text", [
    (([],), ValueError, "at least one"), ((parameter([1.]),), TypeError, "iterable"),
    ((["text"],), TypeError, "parameter 0.*str"), (([Tensor(1.)],), ValueError, "requires grad"),
    (([parameter([1.])] * 2,), ValueError, "twice"),
    (([parameter([1.])], -0.1), ValueError, "lr=-0.1"),
    (([parameter([1.])], 0.1, -1), ValueError, "momentum=-1"),
    (([parameter([1.])], float("nan")), ValueError, "nan"),
    (([parameter([1.])], "fast"), TypeError, "str"),
    (([parameter([1.]) * 2],), ValueError, "leaf"),
])
def test_unusable_arguments_of_sgd_are_a_clear_error(arguments, error, text):
    with pytest.raises(error, match=text):
        SGD(*arguments)
