"""Modules, layers and the loss."""

import copy
import pickle

import numpy as np
import pytest

import mytorch.nn as nn
import mytorch.optim as optim
from mytorch import Tensor
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.module import Module
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD


def parameter(data):
    return Tensor(data, requires_grad=True, is_parameter=True)


# ---- Module

class Pair(Module):
    def __init__(self, one, other):
        super().__init__()
        self.one = one
        self.other = other

    def forward(self, x):
        return self.other(self.one(x))


def test_parameters_come_depth_first_as_they_were_assigned():
    class Net(Pair):
        def __init__(self):
            super().__init__(Sequential(Linear(1, 2), BatchNorm1d(2)), Linear(2, 1))
            self.late = parameter(0.)

    net = Net()
    one, bn = net.one
    wanted = [net.late, one.weight, one.bias, bn.gamma, bn.beta, net.other.weight, net.other.bias]
    assert [id(p) for p in net.parameters()] == [id(p) for p in wanted]


def test_modules_are_given_once_also_when_shared_or_in_a_circle():
    inner = Sequential(nn.ReLU())
    net = Pair(inner, Sequential(inner))
    net.other.around = net
    assert list(net.modules()) == [net, inner, inner[0], net.other]


def test_parameters_are_given_once_also_when_shared():
    layer, tied = Linear(3, 3), Linear(3, 3)
    tied.weight = layer.weight
    net = Pair(layer, Sequential(layer, tied))
    assert [id(p) for p in net.parameters()] == [id(layer.weight), id(layer.bias), id(tied.bias)]


def test_reassigning_replaces_a_registration():
    net = Pair(Linear(3, 3), Linear(3, 3))
    net.one = Linear(3, 3)
    net.other = None
    assert [p is q for p, q in zip(net.parameters(), (net.one.weight, net.one.bias))] == [True] * 2
    net.one.weight = parameter(np.zeros((3, 3)))
    assert next(net.parameters()) is net.one.weight
    del net.one
    assert list(net.parameters()) == []


def test_train_and_eval_reach_every_module():
    net = Pair(Sequential(BatchNorm1d(3)), BatchNorm1d(3))
    assert net.eval() is net
    assert not any(m.is_train for m in (net, net.one, net.one[0], net.other))
    net.train()
    assert all(m.is_train for m in (net, net.one, net.one[0], net.other))


@pytest.mark.parametrize("value", [Tensor([1.]), np.ones(1), 1.])
def test_anything_but_a_parameter_or_none_over_a_parameter_is_an_error(value):
    layer = Linear(1, 1)
    weight = layer.weight
    with pytest.raises(TypeError, match=f"Linear.weight is.*{type(value).__name__}"):
        layer.weight = value
    assert layer.weight is weight
    layer.bias = None
    layer.weight = other = parameter([[2.]])
    assert list(layer.parameters()) == [other] and layer.bias is None


def test_pytorchs_name_for_the_mode_is_the_mode():
    layer = BatchNorm1d(1)
    layer.training = False
    assert layer.is_train is layer.training is False
    assert layer.train().training is True


@pytest.mark.parametrize("method", ["train", "eval", "parameters"])
def test_forgetting_super_init_is_an_error_also_without_parameters(method):
    class Forgetful(Module):
        def __init__(self):
            self.size = 3

    with pytest.raises(AttributeError, match=r"must call super\(\).__init__"):
        list(getattr(Forgetful(), method)())


@pytest.mark.parametrize("value", [Linear(1, 1), parameter([1.])])
def test_forgetting_super_init_is_an_error_that_says_so(value):
    class Forgetful(Module):
        def __init__(self):
            self.thing = value

    with pytest.raises(AttributeError, match=r"Forgetful.__init__ must call super\(\).__init__"):
        Forgetful()


def test_forgetting_super_init_without_parameters_is_noticed_too():
    class Forgetful(Module):
        def __init__(self):
            self.size = 3

    with pytest.raises(AttributeError, match=r"super\(\).__init__"):
        list(Forgetful().parameters())


@pytest.mark.parametrize("use", [lambda net: net(Tensor.ones(1, 1)), len,
                                 lambda net: net.training, lambda net: net.layers])
def test_forgetting_super_init_in_a_sequential_is_noticed_wherever_it_is_used(use):
    class Forgetful(Sequential):
        def __init__(self):
            self.size = 3

    with pytest.raises(AttributeError, match=r"Forgetful.__init__ must call super\(\).__init__"):
        use(Forgetful())


def test_registering_something_else_is_an_error():
    net = Module()
    with pytest.raises(TypeError):
        net.add_parameter("w", Tensor(1.))
    with pytest.raises(TypeError):
        net.add_module("m", "text")
    net.add_parameter("w", parameter(1.))
    net.add_module("m", Linear(1, 1))
    assert len(list(net.parameters())) == 3 and net.w.item() == 1


def test_a_missing_attribute_is_named():
    with pytest.raises(AttributeError, match="Linear has no attribute 'wieght'"):
        Linear(1, 1).wieght


def test_float_and_double_convert_parameters_and_running_statistics():
    net = Sequential(Linear(3, 2), BatchNorm1d(2)).float()
    criterion = CrossEntropyLoss()
    x, y = Tensor(np.ones((4, 3), np.float32)), Tensor(np.array([0, 1, 0, 1]))
    optimizer = SGD(net.parameters(), lr=np.float64(0.1), momentum=np.float64(0.9))
    for _ in range(3):
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    tensors = list(net.parameters()) + [net[1].running_mean, net[1].running_var, loss]
    assert {t.dtype for t in tensors} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in net.parameters()} == {np.dtype(np.float32)}
    assert net.eval()(x).dtype == np.float32
    assert {t.dtype for t in net.double().parameters()} == {np.dtype(np.float64)}


def test_networks_can_be_copied_and_pickled_after_training():
    net = Sequential(Linear(3, 2), BatchNorm1d(2))
    net(Tensor.randn(4, 3)).sum().backward()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        before = net[0].bias.grad.data.copy()
        twin(Tensor.randn(4, 3)).exp().sum().backward()
        assert np.array_equal(net[0].bias.grad.data, before)
        assert len(list(twin.parameters())) == 4


def test_a_frozen_parameter_stays_one_that_can_be_copied_and_pickled():
    net = Sequential(Linear(3, 2), BatchNorm1d(2))
    net[0].weight.requires_grad = False
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        frozen, *others = twin.parameters()
        assert frozen.is_parameter and not frozen.requires_grad and len(others) == 3
        assert all(p.is_parameter and p.requires_grad for p in others)
        twin(Tensor.randn(4, 3)).sum().backward()
        assert frozen.grad is None and all(p.grad is not None for p in others)


def test_the_packages_offer_their_parts():
    assert nn.Linear is Linear and nn.Sequential is Sequential and optim.SGD is SGD


def test_sequential_iterates_indexes_and_has_a_length():
    layers = [Linear(1, 2), nn.ReLU(), Linear(2, 1)]
    net = Sequential(*layers)
    assert list(net) == layers and net[1] is layers[1] and len(net) == 3
    assert Sequential()(5) == 5


def test_a_slice_of_a_sequential_is_one_that_shares_its_layers():
    net = Sequential(Linear(1, 2), nn.ReLU(), Linear(2, 1))
    part = net[:2]
    assert isinstance(part, Sequential) and list(part) == list(net)[:2]
    x = Tensor([[1.], [2.]])
    assert np.array_equal(net[2:](part(x)).data, net(x).data)


def test_train_takes_the_mode():
    net = Sequential(BatchNorm1d(3))
    assert net.train(False) is net and not net.is_train and not net[0].is_train
    assert net.train(True).is_train and net[0].is_train


def test_repr_shows_the_layers_as_pytorch_prints_them():
    net = Sequential(Linear(3, 2), Sequential(BatchNorm1d(2), nn.ReLU()))
    assert repr(net) == """Sequential(
  (0): Linear(in_features=3, out_features=2, bias=True)
  (1): Sequential(
    (0): BatchNorm1d(2, eps=1e-05, momentum=0.1)
    (1): ReLU()
  )
)"""


@pytest.mark.parametrize("train", [True, False])
def test_an_array_over_a_running_estimate_is_a_clear_error(train):
    bn = BatchNorm1d(1).train(train)
    bn.running_mean = np.zeros(1)
    with pytest.raises(TypeError, match="must be Tensors, got ndarray; assign to their .data"):
        bn(Tensor.ones(2, 1))
    bn.running_mean = Tensor.zeros(1)
    bn.running_mean.data = Tensor.zeros(1)
    with pytest.raises(TypeError, match="ndarray, got Tensor; use its .data"):
        bn(Tensor.ones(2, 1))


# ---- Linear and BatchNorm1d

def test_linear_is_drawn_from_the_global_generator_within_its_bounds():
    np.random.seed(1)
    one = Linear(25, 400)
    np.random.seed(1)
    assert np.array_equal(one.weight.data, Linear(25, 400).weight.data)
    assert one.weight.shape == (400, 25) and one.bias.shape == (400,)
    assert 0.19 < abs(one.weight.data).max() <= 0.2
    assert all(p.is_parameter and p.dtype == np.float64 for p in one.parameters())


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "3", None])
def test_a_size_that_is_no_positive_integer_is_named(size):
    for make in (lambda: Linear(size, 1), lambda: Linear(1, size), lambda: BatchNorm1d(size)):
        with pytest.raises(ValueError, match=f"_features must be an integer.*{size!r}"):
            make()


@pytest.mark.parametrize("layer", [Linear(3, 2), BatchNorm1d(3)])
@pytest.mark.parametrize("shape", [(5, 4), (3,), (2, 5, 3)])
def test_the_wrong_number_of_features_is_named(layer, shape):
    with pytest.raises(ValueError, match=rf"\(N, 3\), got \({shape[0]}"):
        layer(Tensor.ones(*shape))


def test_layers_take_tensors_only():
    with pytest.raises(TypeError, match="Linear takes a Tensor, got ndarray"):
        Linear(3, 2)(np.ones((5, 3)))


def test_batchnorm_refuses_to_train_on_a_batch_of_one_and_loses_nothing():
    bn = BatchNorm1d(3)
    with pytest.raises(ValueError, match="batch of 1"):
        bn(Tensor.ones(1, 3))
    assert bn.running_mean.data.tolist() == [0, 0, 0]
    assert bn.eval()(Tensor.ones(1, 3)).shape == (1, 3)


def test_running_estimates_follow_the_handouts_equations():
    bn, x = BatchNorm1d(2, momentum=0.3), np.array([[1., 10.], [3., 20.], [5., 60.]])
    bn(Tensor(x, requires_grad=True))
    assert np.allclose(bn.running_mean.data, 0.3 * x.mean(0))
    assert np.allclose(bn.running_var.data, 0.7 + 0.3 * x.var(0, ddof=1))
    assert not bn.running_mean.requires_grad and not bn.running_var.requires_grad
    before = bn.running_var.data.copy()
    bn.eval()(Tensor(x * 5))
    assert np.array_equal(bn.running_var.data, before)


def test_with_momentum_1_the_running_estimates_are_the_last_batchs_to_the_last_digit():
    bn = BatchNorm1d(1, momentum=1.)
    bn(Tensor([[1e-12], [3e-12]]))
    assert bn.running_mean.data.tolist() == [2e-12]
    assert np.allclose(bn.running_var.data, 2e-24, rtol=1e-12, atol=0)


def test_running_estimates_keep_their_dtype():
    bn = BatchNorm1d(2).float()
    bn(Tensor(np.eye(2)))
    assert bn.running_mean.dtype == bn.running_var.dtype == np.float32


def test_running_estimates_that_were_set_to_integers_go_on_as_floats():
    bn = BatchNorm1d(1)
    bn.running_mean.data = np.array([0])
    bn(Tensor([[1.], [2.]]))
    assert np.allclose(bn.running_mean.data, [0.15])


def test_evaluation_uses_the_running_estimates():
    bn = BatchNorm1d(2)
    bn.running_mean.data, bn.running_var.data = np.array([1., 2.]), np.array([4., 9.])
    out = bn.eval()(Tensor([[3., 5.]]))
    assert np.allclose(out.data, [[2 / np.sqrt(4 + 1e-5), 3 / np.sqrt(9 + 1e-5)]])


def test_a_constant_feature_is_normalised_to_zero():
    assert (BatchNorm1d(1)(Tensor.ones(4, 1)).data == 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool])
def test_batchnorm_of_integers_does_not_overflow(dtype):
    x = np.array([[100, 1], [90, 0], [120, 1]]).astype(dtype)
    one, other = BatchNorm1d(2), BatchNorm1d(2)
    assert np.allclose(one(Tensor(x)).data, other(Tensor(x.astype(float))).data)
    assert np.allclose(one.running_mean.data, other.running_mean.data)


# ---- cross entropy

def labels(*values):
    return Tensor(np.array(values))


def test_cross_entropy_is_right_for_large_logits():
    x = Tensor([[1e4, -1e4, 0.], [-1e4, 1e4, 0.]], requires_grad=True)
    loss = CrossEntropyLoss()(x, labels(0, 0))
    loss.backward()
    assert loss.item() == 1e4 and loss.shape == ()
    assert np.allclose(x.grad.data, [[0, 0, 0], [-0.5, 0.5, 0]])


@pytest.mark.parametrize("target, error, text", [
    (labels(0, 3), ValueError, "0 to 2, got 0 to 3"),
    (labels(-1, 0), ValueError, "0 to 2, got -1 to 0"),
    (labels(0., 1.), TypeError, "float64"),
    (labels(0, 1, 2), ValueError, r"\(3,\)"),
    (Tensor([[0], [1]]), ValueError, r"\(2, 1\)"),
    (np.array([0, 1]), TypeError, "two Tensors, got Tensor and ndarray"),
])
def test_bad_labels_are_a_clear_error(target, error, text):
    with pytest.raises(error, match=text):
        CrossEntropyLoss()(Tensor.zeros(2, 3), target)


def test_bad_logits_are_a_clear_error():
    with pytest.raises(ValueError, match="N, C"):
        CrossEntropyLoss()(Tensor.zeros(3), labels(0, 1, 2))
    with pytest.raises(ValueError, match="at least 1"):
        CrossEntropyLoss()(Tensor.zeros(0, 3), Tensor(np.zeros(0, int)))


def test_integers_as_logits_are_an_error():
    with pytest.raises(TypeError, match="floating point logits"):
        CrossEntropyLoss()(Tensor([[1, 2]]), labels(0))


def test_unsigned_labels_are_fine():
    target = Tensor(np.array([0, 2], np.uint8))
    assert np.isclose(CrossEntropyLoss()(Tensor.zeros(2, 3), target).item(), np.log(3))


def test_nan_logits_give_a_nan_loss():
    assert np.isnan(CrossEntropyLoss()(Tensor([[np.nan, 1.]]), labels(0)).item())


@pytest.mark.parametrize("value", [5, Tensor([1.]), "text"])
def test_what_is_no_module_cannot_be_assigned_over_a_module(value):
    net = Module()
    net.layer = Linear(2, 2)
    with pytest.raises(TypeError, match="Module.layer is a parameter or module.*got "):
        net.layer = value
    net.layer = None
    assert list(net.parameters()) == []


def test_a_layers_own_train_is_called_by_the_network_it_is_in():
    class Frozen(BatchNorm1d):
        def train(self):
            return self.eval()

    net = Sequential(Linear(2, 2), Frozen(2)).train()
    assert net[0].is_train and not net[1].is_train


def test_a_linear_layer_without_its_bias_is_a_product():
    layer = Linear(3, 2)
    layer.bias = None
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    out = layer(x)
    out.backward()
    assert np.allclose(out.data, x.data @ layer.weight.data.T)
    assert layer.weight.grad.shape == (2, 3) and len(list(layer.parameters())) == 1
