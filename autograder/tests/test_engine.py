"""The autograd engine: its graph, its traversal, and the promises it makes."""

import copy
import gc
import pickle
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from mytorch import Function, Tensor, no_grad
from mytorch.autograd_engine import (AccumulateGrad, BackwardFunction, ContextManager, backward,
                                     node_of)
from mytorch.nn import functional as F
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD


def leaf(data):
    return Tensor(data, requires_grad=True)


def test_a_graph_built_by_hand_from_the_handouts_classes_is_differentiated():
    a, b = leaf([2.]), leaf([3.])
    node = BackwardFunction(F.Mul)
    F.Mul.forward(node.ctx, a, b)
    node.next_functions = AccumulateGrad(a), AccumulateGrad(b)
    backward(node, Tensor([1.]))
    assert (a.grad.item(), b.grad.item()) == (3, 2)


def test_data_that_is_replaced_by_another_shape_after_forward_does_no_harm():
    a = leaf([1., 2.])
    h = a * 1
    y = h * h
    h.data = np.ones(3)
    y.backward()
    assert a.grad.data.tolist() == [2, 4]


@pytest.mark.parametrize("tensor", [leaf([1., 2.]), leaf([1., 2.]) * 2])
def test_a_first_gradient_of_another_shape_is_an_error(tensor):
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        backward(node_of(tensor), Tensor.ones(3))


class Double(Function):
    """As a student writes it; counts how often its backward runs."""

    calls = 0

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return Tensor(2 * a.data)

    @staticmethod
    def backward(ctx, grad_output):
        Double.calls += 1
        return Tensor(2 * grad_output.data)


# ---- the handout's example and Appendix A

def test_the_worked_example_gives_the_handouts_gradients():
    a, b, c = leaf(1.), Tensor(2.), leaf(3.)
    e = (a * b + a + c) + 3
    e.backward()
    assert (e.item(), a.grad.item(), b.grad, c.grad.item()) == (9, 3, None, 1)


def test_nodes_are_of_the_three_kinds_of_appendix_a():
    a, b = leaf(1.), Tensor(2.)
    c = a * b
    assert isinstance(c.grad_fn, BackwardFunction) and c.grad_fn.function_name == "Mul"
    assert c.grad_fn.next_functions == (a.grad_fn, None)
    assert isinstance(a.grad_fn, AccumulateGrad) and a.grad_fn.variable is a
    assert a.grad_fn.function_name == "AccumulateGrad" and len(a.grad_fn.next_functions) == 0
    assert (c.requires_grad, c.is_leaf, b.grad_fn) == (True, False, None)


def test_a_leaf_has_one_node_however_often_it_is_used():
    a = leaf(1.)
    assert (a + 1).grad_fn.next_functions[0] is (a * a).grad_fn.next_functions[1]


def test_an_operation_on_constants_records_nothing():
    c = Tensor(1.) + Tensor(2.)
    assert (c.requires_grad, c.is_leaf, c.grad_fn) == (False, True, None)


def test_arguments_that_are_no_tensors_have_no_node():
    assert [n is None for n in leaf(np.ones((2, 3))).reshape(6).grad_fn.next_functions] \
        == [False, True]


@pytest.mark.parametrize("flags", [
    dict(requires_grad=False, is_leaf=False), dict(is_parameter=True),
    dict(requires_grad=True, is_leaf=False, is_parameter=True)])
def test_flags_that_contradict_appendix_a_are_an_error(flags):
    with pytest.raises(ValueError):
        Tensor(1., **flags)


@pytest.mark.parametrize("flags", [
    {}, dict(requires_grad=True), dict(requires_grad=True, is_leaf=False)])
def test_apply_settles_the_flags_whatever_forward_set(flags):
    class Copy(Function):
        @staticmethod
        def forward(ctx, a):
            return Tensor(a.data.copy(), **flags)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output

    constant, output = Copy.apply(Tensor(1.)), Copy.apply(leaf(1.))
    assert (constant.requires_grad, constant.is_leaf, constant.grad_fn) == (False, True, None)
    assert (output.requires_grad, output.is_leaf) == (True, False)


# ---- gradients

def test_gradient_of_a_shared_subexpression_counts_every_path():
    a = leaf(2.)
    t = a * a
    u = t + t
    (u * t).backward()                      # 2 a^4
    assert a.grad.item() == 8 * 2 ** 3


def test_each_backward_runs_once_with_the_sum_over_all_paths():
    Double.calls = 0
    y = x = leaf(1.)
    for _ in range(60):
        y = Double.apply(y)
        y = y + y
    y.backward()
    assert Double.calls == 60
    assert x.grad.item() == 4. ** 60


def test_paths_of_different_lengths_wait_for_each_other():
    a = leaf(3.)
    b = a * 2
    long_way = ((b + 1) * 2 + 1) * 2
    (long_way + b).backward()
    assert a.grad.item() == 2 * 4 + 2


def test_backward_twice_accumulates_twice():
    a = leaf([1., 2.])
    y = a * a
    y.backward()
    y.backward()
    assert a.grad.data.tolist() == [4, 8]


def test_backward_of_a_leaf_gives_ones_and_accumulates():
    a = leaf(np.zeros((2, 2)))
    a.backward()
    a.backward()
    assert (a.grad.data == 2).all()


def test_backward_of_a_constant_is_an_error():
    with pytest.raises(RuntimeError, match="outside the graph"):
        (Tensor(1.) + 1).backward()


def test_the_gradient_of_any_shape_starts_from_ones():
    a = leaf(np.arange(6.).reshape(2, 3))
    (a * 3).backward()
    assert (a.grad.data == 3).all()


def test_a_gradient_is_a_constant_tensor_that_shares_no_memory():
    a, b = leaf(np.ones(3)), leaf(np.ones(3))
    y = a + b
    y.backward()
    for one in (a, b):
        assert type(one.grad) is Tensor
        assert (one.grad.requires_grad, one.grad.grad_fn) == (False, None)
    assert not np.shares_memory(a.grad.data, b.grad.data)
    assert y.grad is None


def test_a_subclass_of_an_operation_does_not_inherit_that_its_gradients_are_fresh():
    class Sum(F.MatMul):
        @staticmethod
        def forward(ctx, a, b):
            return Tensor(a.data + b.data)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output, grad_output

    a, b = leaf(np.ones(3)), leaf(np.ones(3))
    Sum.apply(a, b).backward()
    assert not np.shares_memory(a.grad.data, b.grad.data)


@pytest.mark.parametrize("shape", [(), (3, 2), (5,)])
def test_a_grad_of_another_shape_is_an_error(shape):
    a = leaf(np.ones(2))
    a.grad = Tensor(np.ones(shape))
    with pytest.raises(RuntimeError, match="in a tensor of shape"):
        (a * 2).backward()


def test_a_seed_is_not_shared_with_the_gradient():
    a, seed = leaf(np.ones(3)), Tensor(np.ones(3))
    backward((a + 1).grad_fn, seed)
    seed.data[:] = 7
    assert (a.grad.data == 1).all()


def test_no_gradient_along_any_path_leaves_grad_none():
    class Blocked(Double):
        @staticmethod
        def backward(ctx, grad_output):
            return None

    a, b = leaf(1.), leaf(1.)
    shared = a * 2
    (Blocked.apply(shared) + Blocked.apply(shared) + b).backward()
    assert a.grad is None and b.grad.item() == 1


def test_a_path_without_gradient_does_not_hold_up_the_others():
    class Blocked(Double):
        @staticmethod
        def backward(ctx, grad_output):
            return None

    a = leaf(1.)
    shared = a * 2
    (shared + Blocked.apply(shared)).backward()
    assert a.grad.item() == 2


# ---- linear, deep, without leaks

@pytest.mark.skipif(sys.version_info < (3, 11), reason="recursion is only cheap from 3.11 on")
@pytest.mark.parametrize("limit", [200])
def test_a_hundred_thousand_operations_go_through_whatever_the_recursion_limit(limit):
    before = sys.getrecursionlimit()
    frames = len(list(iter_frames()))
    sys.setrecursionlimit(frames + limit)
    try:
        y = x = leaf(1.)
        for _ in range(100000):
            y = y + 1
        y.backward()
        assert sys.getrecursionlimit() == frames + limit
    finally:
        sys.setrecursionlimit(before)
    assert x.grad.item() == 1


def iter_frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


@pytest.mark.skipif(sys.version_info < (3, 11), reason="recursion is only cheap from 3.11 on")
def test_a_chain_of_diamonds_goes_through():
    y = x = leaf(1.)
    for _ in range(10000):
        y = 0.5 * y + 0.5 * y
    y.backward()
    assert x.grad.item() == 1


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="goes through from 3.11 on")
def test_a_graph_too_deep_for_an_old_python_is_a_clear_error():
    y = leaf(1.)
    for _ in range(5000):
        y = y + 1
    with pytest.raises(RecursionError, match="3.11"):
        y.backward()


def test_threads_leave_the_recursion_limit_as_it_was():
    before = sys.getrecursionlimit()

    def work():
        for _ in range(30):
            y = x = leaf(1.)
            for _ in range(50):
                y = y + x
            y.backward()
            assert x.grad.item() == 51

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.getrecursionlimit() == before


def test_an_error_in_backward_leaves_limit_and_recording_as_they_were():
    class Broken(Double):
        @staticmethod
        def backward(ctx, grad_output):
            raise KeyError("mine")

    before = sys.getrecursionlimit()
    with pytest.raises(KeyError):
        (Broken.apply(leaf(1.)) + 1).backward()
    assert sys.getrecursionlimit() == before
    assert (leaf(1.) + 1).requires_grad


def test_tensors_that_no_gradient_needs_are_freed_while_the_graph_lives():
    a, kept = leaf(np.ones(3)), []
    y = a + 1
    for _ in range(3):
        kept.append(weakref.ref(y))
        y = y + Tensor(np.ones(3))
    assert [one() for one in kept] == [None] * 3
    y.backward()
    assert a.grad.data.tolist() == [1, 1, 1]


def test_a_graph_keeps_its_leaves_alive():
    y = leaf(2.) * Tensor(3.) + 1
    y.backward()
    assert y.grad_fn.next_functions[0].next_functions[0].variable.grad.item() == 3


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before, a caller holds its arguments")
def test_a_gradient_is_freed_as_soon_as_it_was_passed_on():
    y = leaf(np.ones(100000))  # 0.8 MB
    for _ in range(40):
        y = -y
    tracemalloc.start()
    try:
        y.backward()
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_a_thousand_training_steps_leave_memory_flat_without_the_collector():
    net = Sequential(Linear(4, 5), BatchNorm1d(5), Linear(5, 3))
    optimizer, criterion = SGD(net.parameters(), lr=0.1, momentum=0.9), CrossEntropyLoss()
    x, y = Tensor.randn(6, 4), Tensor(np.array([0, 1, 2, 0, 1, 2]))

    def step():
        optimizer.zero_grad()
        inputs = leaf(x.data)
        criterion(net(inputs), y).backward()
        optimizer.step()

    gc.collect()
    gc.disable()
    try:
        step()
        tracemalloc.start()
        step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        assert tracemalloc.get_traced_memory()[0] - before < 20000
    finally:
        tracemalloc.stop()
        gc.enable()


# ---- honest under mutation

def mutations():
    yield "augmented", lambda w: w.data.__isub__(1)
    yield "in place", lambda w: w.data.fill(0)
    yield "replaced", lambda w: setattr(w, "data", w.data * 5)
    yield "fill_", lambda w: w.fill_(9)


@pytest.mark.parametrize("name, mutate", list(mutations()))
@pytest.mark.parametrize("operation", [
    lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a ** b, lambda a, b: a @ b,
    lambda a, b: (a * b).exp(), lambda a, b: (a / b).log(), lambda a, b: F.ReLU.apply(a - b),
    lambda a, b: F.Linear.apply(a, b, Tensor(np.ones(2))), lambda a, b: (a + b).sqrt()])
def test_gradients_are_those_at_the_values_that_forward_saw(operation, name, mutate):
    def gradients(change):
        a = leaf(np.array([[1., 2.], [3., 4.]]))
        b = leaf(np.array([[2., 1.], [1., 3.]]))
        y = operation(a, b)
        if change:
            for tensor in (a, b, y):
                mutate(tensor)
        y.backward()
        return np.concatenate([a.grad.data, b.grad.data])
    assert np.array_equal(gradients(False), gradients(True))


def test_two_losses_on_a_shared_graph_with_a_step_between_them():
    def run(step_between):
        np.random.seed(0)
        net = Sequential(Linear(3, 4), BatchNorm1d(4), Linear(4, 2))
        h = net(Tensor.randn(5, 3))
        first, second = (h * h).sum(), (h * 2).exp().sum()
        optimizer = SGD(net.parameters(), lr=0.5)
        first.backward()
        if step_between:
            optimizer.step()
        optimizer.zero_grad()
        second.backward()
        return [p.grad.data for p in net.parameters()]
    assert all(np.array_equal(a, b) for a, b in zip(run(False), run(True)))


# ---- Functions as students write them

def test_a_function_written_to_the_handouts_contract_works():
    a = leaf([1., 2.])
    (Double.apply(a) * 3).backward()
    assert a.grad.data.tolist() == [6, 6]


def test_forward_and_backward_work_outside_apply():
    ctx, a, b = ContextManager(), Tensor([1., 2.]), Tensor([3., 4.])
    for operation in (F.Add, F.Sub, F.Mul, F.Div, F.Pow):
        ctx = ContextManager()
        assert operation.forward(ctx, a, b).requires_grad is False
        grads = operation.backward(ctx, Tensor([1., 1.]))
        assert len(grads) == 2 and all(g.shape == (2,) for g in grads)
    ctx = ContextManager()
    F.Linear.forward(ctx, Tensor(np.ones((4, 3))), Tensor(np.ones((2, 3))), Tensor(np.ones(2)))
    assert [g.shape for g in F.Linear.backward(ctx, Tensor(np.ones((4, 2))))] \
        == [(4, 3), (2, 3), (2,)]


def test_a_function_may_return_its_input():
    class Identity(Function):
        @staticmethod
        def forward(ctx, a):
            return a

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output

    a = leaf([1., 2.])
    y = Identity.apply(a)
    (y * 3).backward()
    assert y is not a and a.is_leaf and a.grad.data.tolist() == [3, 3]


@pytest.mark.parametrize("returned, error, text", [
    (lambda g: g.data, TypeError, "must be a Tensor"),
    (lambda g: (g, g), RuntimeError, "2 gradient"),
    (lambda g: Tensor(g.data.sum()), RuntimeError, "unbroadcast"),
])
def test_a_backward_that_returns_nonsense_is_a_clear_error(returned, error, text):
    class Odd(Double):
        @staticmethod
        def backward(ctx, grad_output):
            return returned(grad_output)

    with pytest.raises(error, match="Odd.*" + text):
        Odd.apply(leaf([1., 2.])).backward()


def test_a_forward_that_returns_no_tensor_is_a_clear_error():
    class Odd(Double):
        @staticmethod
        def forward(ctx, a):
            return a.data

    with pytest.raises(TypeError, match="Odd.forward must return a Tensor, got ndarray"):
        Odd.apply(leaf(1.))


def test_save_for_backward_takes_tensors_only():
    with pytest.raises(TypeError, match="got ndarray"):
        ContextManager().save_for_backward(Tensor(1.), np.ones(2))


def test_other_values_are_set_on_the_context():
    ctx = ContextManager()
    ctx.anything = 5
    ctx.save_for_backward(Tensor(1.))
    assert ctx.anything == 5 and ctx.saved_tensors[0].item() == 1


def test_backward_itself_records_no_graph():
    class Lazy(Double):
        @staticmethod
        def backward(ctx, grad_output):
            a, = ctx.saved_tensors
            return grad_output * 2 + a * 0

    a = leaf(1.)
    Lazy.apply(a).backward()
    assert a.grad.item() == 2 and not a.grad.requires_grad


# ---- no_grad, copies

def test_no_grad_records_nothing_and_ends():
    a = leaf(1.)
    with no_grad():
        assert not (a * a).requires_grad
    with pytest.raises(KeyError):
        with no_grad():
            raise KeyError
    assert (a * a).requires_grad


def test_a_leaf_can_be_copied_and_pickled_after_use():
    a = leaf([1., 2.])
    (a * a).backward()
    for twin in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert twin.grad.data.tolist() == [2, 4] and twin.grad_fn is None
        (twin * 5).backward()
        assert twin.grad.data.tolist() == [7, 9]
    assert a.grad.data.tolist() == [2, 4]


def test_a_result_cannot_be_pickled():
    with pytest.raises(RuntimeError, match="only leaves"):
        pickle.dumps(leaf(1.) * 2)


def test_a_node_by_itself_sends_a_gradient_to_its_leaf():
    a = leaf([1., 2.])
    node = AccumulateGrad(a)
    node.apply(Tensor([3., 4.]))
    node.apply(Tensor([1., 1.]))
    assert a.grad.data.tolist() == [4, 5]
    with pytest.raises(RuntimeError, match="shape"):
        node.apply(Tensor([1.]))
