"""The autograd engine: its graph, its traversal, its promises, and operations by students."""

import copy
import gc
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pytest

from graded import REPOSITORY
from mytorch import Function, Tensor, no_grad
from mytorch.autograd_engine import AccumulateGrad, BackwardFunction, ContextManager, backward
from mytorch.nn import functional as F
from mytorch.nn.batchnorm import BatchNorm1d
from mytorch.nn.linear import Linear
from mytorch.nn.loss import CrossEntropyLoss
from mytorch.nn.sequential import Sequential
from mytorch.optim.sgd import SGD

deep = pytest.mark.skipif(sys.version_info < (3, 11), reason="recursion is only cheap from 3.11 on")


def leaf(data):
    return Tensor(data, requires_grad=True)


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


class Blocked(Double):
    """Lets no gradient through."""

    @staticmethod
    def backward(ctx, grad_output):
        return None


class Broken(Double):
    @staticmethod
    def backward(ctx, grad_output):
        raise KeyError("mine")


# ---- the graph: the handout's example and Appendix A

def test_the_worked_example_gives_the_handouts_gradients():
    a, b, c = leaf(1.), Tensor(2.), leaf(3.)
    e = (a * b + a + c) + 3
    e.backward()
    assert (e.item(), a.grad.item(), b.grad, c.grad.item()) == (9, 3, None, 1)


def test_nodes_are_of_the_three_kinds_of_appendix_a():
    a, b = leaf(1.), Tensor(2.)
    c = a * b
    assert isinstance(c.grad_fn, BackwardFunction) and c.grad_fn.function_name == "Mul"
    assert list(c.grad_fn.next_functions) == [a.grad_fn, None]
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
    nodes = leaf(np.ones((2, 3))).reshape(6).grad_fn.next_functions
    assert [node is None for node in nodes] == [False, True]


@pytest.mark.parametrize("flags", [
    dict(is_parameter=True), dict(requires_grad=True, is_leaf=False, is_parameter=True)])
def test_a_parameter_is_a_leaf_that_requires_grad(flags):
    with pytest.raises(ValueError, match="^a parameter is a leaf that requires grad: Tensor.data, "
                                         "requires_grad=True, is_parameter=True"):
        Tensor(1., **flags)


def test_a_constant_may_be_called_no_leaf_as_old_gradients_are():
    class Old(Double):
        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(2 * grad_output.data, requires_grad=False, is_leaf=False)

    a, constant = leaf(3.), Tensor(2., requires_grad=False, is_leaf=False)
    Old.apply(a * constant).backward()
    assert a.grad.item() == 4 and a.grad.is_leaf and constant.grad_fn is None
    assert not (constant * 2).requires_grad and repr(constant) == "Tensor(2.)"
    assert copy.deepcopy(constant).item() == pickle.loads(pickle.dumps(constant)).item() == 2
    with pytest.raises(RuntimeError, match="outside the graph"):
        constant.backward()


@pytest.mark.parametrize("returned", [
    lambda: Tensor(1.), lambda: leaf(1.), lambda: leaf(1.) * 2, lambda: Tensor(1.) * 2])
def test_apply_settles_the_place_in_the_graph_whatever_forward_made_of_it(returned):
    class Odd(Double):
        @staticmethod
        def forward(ctx, a):
            return returned()

    constant, output = Odd.apply(Tensor(1.)), Odd.apply(leaf(1.))
    assert (constant.requires_grad, constant.is_leaf, constant.grad_fn) == (False, True, None)
    assert (output.requires_grad, output.is_leaf) == (True, False)
    assert output.grad_fn.function_name == "Odd"


def test_a_graph_built_by_hand_from_the_handouts_classes_is_differentiated():
    a, b = leaf([2.]), leaf([3.])
    node = BackwardFunction(F.Mul)
    F.Mul.forward(node.ctx, a, b)
    node.next_functions = AccumulateGrad(a), AccumulateGrad(b)
    backward(node, Tensor([1.]))
    assert (a.grad.item(), b.grad.item()) == (3, 2)


# ---- the traversal: what arrives at the leaves

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


def test_backward_of_a_leaf_gives_ones_and_accumulates():
    a = leaf(np.zeros((2, 2)))
    a.backward()
    a.backward()
    assert a.grad.data.tolist() == [[2, 2], [2, 2]]


def test_backward_of_a_constant_is_an_error_that_shows_it_and_names_the_usual_causes():
    with pytest.raises(RuntimeError, match=r"outside the graph \(requires_grad=False, is_leaf=True,"
                       r" grad_fn=None\): .*requires grad, .*no_grad.*, .*list"):
        (Tensor(1.) + 1).backward()
    y = leaf(1.) * 2
    y.requires_grad = False
    with pytest.raises(RuntimeError, match="requires_grad=False, is_leaf=False, grad_fn=Mul"):
        y.backward()


def test_the_gradient_of_any_shape_starts_from_ones_of_its_own_dtype():
    class Spy(Double):
        @staticmethod
        def backward(ctx, grad_output):
            arrived.append(grad_output)
            return grad_output

    a, arrived = leaf(np.ones((2, 3), np.float32)), []
    Spy.apply(a).backward()
    assert arrived[0].data.tolist() == a.grad.data.tolist() == [[1] * 3] * 2
    assert arrived[0].dtype == np.float32


def test_no_gradient_along_any_path_leaves_grad_none():
    a, b = leaf(1.), leaf(1.)
    shared = a * 2
    (Blocked.apply(shared) + Blocked.apply(shared) + b).backward()
    assert a.grad is None and b.grad.item() == 1


@pytest.mark.parametrize("data", [[1., 2.], 1.])
@pytest.mark.parametrize("blocked_first", [True, False])
@pytest.mark.parametrize("factor", [3., 0.])
def test_a_path_without_gradient_does_not_hold_up_the_others(data, blocked_first, factor):
    a = leaf(data)
    shared = a * 2
    ways = Blocked.apply(shared), shared * factor
    (ways[0] + ways[1] if blocked_first else ways[1] + ways[0]).backward()
    assert np.array_equal(a.grad.data, np.full(a.shape, 2 * factor))


def test_a_gradient_is_a_constant_tensor_that_shares_no_memory():
    a, b, seed = leaf(np.ones(3)), leaf(np.ones(3)), Tensor(np.ones(3))
    y = a + b
    backward(y.grad_fn, seed)
    for one in (a, b):
        assert type(one.grad) is Tensor
        assert (one.grad.requires_grad, one.grad.grad_fn) == (False, None)
    arrays = [a.grad.data, b.grad.data, seed.data]
    assert not any(np.shares_memory(arrays[i], arrays[i - 1]) for i in range(3))
    assert y.grad is None


def test_a_first_gradient_of_another_shape_is_an_error():
    a = leaf([1., 2.])
    for node in ((a * 2).grad_fn, a.grad_fn):
        with pytest.raises(RuntimeError, match=r"starts with must have .* \(2,\), got \(3,\)$"):
            backward(node, Tensor.ones(3))


def test_backward_takes_a_node_and_a_tensor():
    with pytest.raises(TypeError, match="starts at a node, got Tensor"):
        backward(leaf(1.), Tensor(1.))
    for no_tensor in (np.ones(()), None):
        with pytest.raises(TypeError, match=f"a Tensor, got {type(no_tensor).__name__}"):
            backward((leaf(1.) * 2).grad_fn, no_tensor)


@pytest.mark.parametrize("shape", [(), (3, 2), (5,)])
def test_a_grad_of_another_shape_is_an_error(shape):
    a = leaf(np.ones(2))
    a.grad = Tensor(np.ones(shape))
    with pytest.raises(RuntimeError, match=r"the .grad of a leaf must have shape \(2,\)"):
        (a * 2).backward()


def test_a_leaf_that_was_frozen_after_forward_gets_no_gradient():
    a, b = leaf(2.), leaf(3.)
    y = a * b
    a.requires_grad = False
    y.backward()
    assert a.grad is None and b.grad.item() == 2


def test_a_leaf_of_another_shape_since_forward_gets_the_gradient_of_what_forward_saw():
    a = leaf([1., 2.])
    before = a * 3
    a.data = np.ones(3)
    before.backward()
    assert a.grad.data.tolist() == [3, 3]
    a.grad = None
    (a * 2).backward()
    assert a.grad.data.tolist() == [2, 2, 2]


def test_a_single_node_can_be_watched_by_hand():
    a = leaf(2.)
    b = a * a
    node, seen = b.grad_fn, []
    apply = node.apply
    node.apply = lambda grad: seen.append(grad.item()) or apply(grad)
    b.backward()
    assert seen == [1] and a.grad.item() == 4


def test_a_node_by_itself_sends_a_gradient_to_its_leaf():
    a = leaf([1., 2.])
    node = AccumulateGrad(a)
    node.apply(Tensor([3., 4.]))
    node.apply(Tensor([1., 1.]))
    assert a.grad.data.tolist() == [4, 5]
    with pytest.raises(RuntimeError, match="shape"):
        node.apply(Tensor([1.]))


# ---- promises: deep, wide, without leaks

def frames():
    """How deep the stack is here."""
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


@pytest.fixture
def recursion_limit():
    """Sets the limit to so many frames above the stack's depth; puts it back at the end."""
    before = sys.getrecursionlimit()
    yield lambda room: sys.setrecursionlimit(frames() + room)
    sys.setrecursionlimit(before)


@deep
def test_a_hundred_thousand_operations_go_through_whatever_the_recursion_limit(recursion_limit):
    recursion_limit(200)
    limit = sys.getrecursionlimit()
    y = x = leaf(1.)
    for _ in range(100000):
        y = y + 1
    y.backward()
    assert sys.getrecursionlimit() == limit and x.grad.item() == 1


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="goes through from 3.11 on")
def test_a_graph_too_deep_for_an_old_python_is_a_clear_error():
    y = leaf(1.)
    for _ in range(5000):
        y = y + 1
    with pytest.raises(RecursionError, match="3.11"):
        y.backward()


def test_backward_at_any_depth_of_the_stack_leaves_recording_and_limit_as_they_were(
        recursion_limit):
    y = leaf(1.) * 2 + 1

    def at(depth):
        if depth:
            return at(depth - 1)
        y.backward()

    recursion_limit(120)
    limit, struck = sys.getrecursionlimit(), 0
    for depth in range(120):
        try:
            at(depth)
        except RecursionError:
            struck += 1
        assert sys.getrecursionlimit() == limit
        assert (leaf(1.) + 1).requires_grad
    assert 0 < struck < 120


@deep
def test_an_error_deep_in_a_graph_leaves_limit_and_recording():
    y, limit = Broken.apply(leaf(1.)), sys.getrecursionlimit()
    for _ in range(5000):
        y = y + 1
    with pytest.raises(KeyError):
        y.backward()
    assert sys.getrecursionlimit() == limit and (leaf(1.) + 1).requires_grad


def test_an_operation_of_twenty_thousand_inputs_takes_no_time_to_speak_of():
    class Total(Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.number = len(tensors)
            return Tensor(sum(tensor.data for tensor in tensors))

        @staticmethod
        def backward(ctx, grad_output):
            return (grad_output,) * ctx.number

    leaves = [leaf(1.) for _ in range(20000)]
    started = time.process_time()
    y = Total.apply(*leaves)
    built = time.process_time() - started
    y.backward()
    assert built < 0.2 and all(one.grad.item() == 1 for one in leaves)
    assert time.process_time() - started < 1


def test_tensors_that_no_gradient_needs_are_freed_while_the_graph_lives():
    """In a process of its own: the tracing tool, once imported, remembers constants."""
    subprocess.run([sys.executable, "-c", textwrap.dedent("""
        import weakref
        from mytorch import Tensor
        a, constant = Tensor([1., 2.], requires_grad=True), Tensor([3., 4.])
        h = a + constant
        y = h + 1
        kept = [weakref.ref(h), weakref.ref(constant)]
        del h, constant
        assert [one() for one in kept] == [None] * 2
        y.backward()
        assert a.grad.data.tolist() == [1, 1]
    """)], check=True, cwd=REPOSITORY)


def test_a_graph_keeps_its_leaves_alive():
    y = leaf(2.) * Tensor(3.) + 1
    y.backward()
    assert y.grad_fn.next_functions[0].next_functions[0].variable.grad.item() == 3


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before, a caller holds its arguments")
@pytest.mark.parametrize("operation", [lambda y: -y, lambda y: y + y])
def test_a_gradient_is_freed_as_soon_as_it_was_passed_on(operation):
    y = leaf(np.ones(100000))  # 0.8 MB
    for _ in range(40):
        y = operation(y)
    tracemalloc.start()
    try:
        y.backward()
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_training_steps_leave_memory_flat_without_the_collector():
    net = Sequential(Linear(4, 5), BatchNorm1d(5), Linear(5, 3))
    optimizer, criterion = SGD(net.parameters(), lr=0.1, momentum=0.9), CrossEntropyLoss()
    x, y = Tensor.randn(6, 4), Tensor(np.array([0, 1, 2, 0, 1, 2]))

    def step():
        optimizer.zero_grad()
        criterion(net(leaf(x.data)), y).backward()
        optimizer.step()

    gc.collect()
    gc.disable()
    try:
        step()
        tracemalloc.start()
        step()
        memory, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        for _ in range(300):
            step()
        assert len(gc.get_objects()) - objects < 100
        assert tracemalloc.get_traced_memory()[0] - memory < 150000
    finally:
        tracemalloc.stop()
        gc.enable()


# ---- promises: threads

@pytest.fixture
def in_threads():
    """Runs a function in four threads at once that change hands as often as Python can."""
    def run(work):
        failures = []

        def guarded():
            try:
                work()
            except BaseException as error:  # pytest sees only its own thread
                failures.append(error)

        threads = [threading.Thread(target=guarded) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield run
    sys.setswitchinterval(interval)


def test_threads_whose_graphs_share_a_leaf_lose_no_gradient_and_leave_the_recursion_limit(
        in_threads):
    shared, before = leaf(np.zeros(5)), sys.getrecursionlimit()

    def work():
        for _ in range(3000):
            (shared + 1).backward()

    in_threads(work)
    assert shared.grad.data.tolist() == [12000] * 5
    assert sys.getrecursionlimit() == before


def test_no_grad_in_one_thread_is_none_of_the_others_business(in_threads):
    recording = []
    with no_grad():
        in_threads(lambda: recording.append((leaf(1.) + 1).requires_grad))
        assert not (leaf(1.) + 1).requires_grad
    assert recording == [True] * 4


# ---- promises: honest under mutation

def of_two(operation):
    """An operation's arguments and output."""
    a, b = leaf(np.array([[1., 2.], [3., 4.]])), leaf(np.array([[2., 1.], [1., 3.]]))
    return a, b, operation(a, b)


CHANGES = {
    "assignment": lambda tensor: setattr(tensor, "data", tensor.data * 5),
    "fill_": lambda tensor: tensor.fill_(7),
    "+=": lambda tensor: tensor.__iadd__(3),
    "a step": lambda tensor: (setattr(tensor, "grad", Tensor(np.ones(tensor.shape))),
                              tensor.is_leaf and SGD([tensor], lr=0.5).step(),
                              setattr(tensor, "grad", None)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("operation", [
    lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a ** b, lambda a, b: a @ b,
    lambda a, b: (a * b).exp(), lambda a, b: (a / b).log(), lambda a, b: F.ReLU.apply(a - b),
    lambda a, b: F.Linear.apply(a, b, Tensor(np.ones(2))), lambda a, b: (a + b).sqrt(),
    lambda a, b: a.exp() + b.sqrt() + b.log() + F.ReLU.apply(b),
    lambda a, b: F.BatchNorm.apply(a, b.sum(0), b.mean(0), lambda x: (np.zeros(2), np.ones(2)), 0.,
                                   False)])
def test_gradients_are_those_at_the_values_that_forward_saw(operation, change):
    def gradients(change):
        a, b, y = of_two(operation)
        with no_grad():
            for tensor in (a, b, y):
                change(tensor)
        backward(y.grad_fn, Tensor.ones(2, 2))
        return np.concatenate([a.grad.data, b.grad.data])
    assert np.array_equal(gradients(lambda tensor: None), gradients(CHANGES[change]))


def test_labels_that_change_after_forward_do_no_harm():
    def gradient(change):
        x, target = leaf([[1., 2., 3.], [1., 0., 1.]]), Tensor([0, 2])
        loss = F.cross_entropy(x, target)
        if change:
            target.fill_(1)
        loss.backward()
        return x.grad.data
    assert np.array_equal(gradient(False), gradient(True))


def test_the_library_writes_into_no_array_that_it_was_given():
    arrays = [np.ones(2), np.ones(2), np.full(2, 3.)]
    for array in arrays:
        array.flags.writeable = False
    weight = Tensor(arrays[0], requires_grad=True, is_parameter=True)
    weight.data = arrays[0]
    weight.grad, running = Tensor(arrays[1]), Tensor(arrays[2])
    SGD([weight], lr=0.5, momentum=0.9).step()
    weight.backward()
    running += 1
    running.fill_(4)
    assert [array.tolist() for array in arrays] == [[1, 1], [1, 1], [3, 3]]
    assert weight.grad.data.tolist() == [2, 2]


HELD = '''
import sys, tracemalloc
import numpy as np
from mytorch import Tensor
operation = {"scale": lambda y: y * 1.0001, "constant": lambda y: y * constant,
             "leaf": lambda y: y * leaf, "divide": lambda y: y / 1.0001,
             "matmul": lambda y: y @ matrix, "exp": lambda y: y.exp()}[sys.argv[1]]
constant, leaf = Tensor(np.ones((350, 350))), Tensor(np.ones((350, 350)), requires_grad=True)
matrix = Tensor(np.eye(350))
y = Tensor(np.zeros((350, 350)), requires_grad=True)
tracemalloc.start()
for _ in range(20):
    y = operation(y)
print(tracemalloc.get_traced_memory()[0] / y.data.nbytes)
'''


@pytest.mark.parametrize("operation, most", [("scale", 2), ("constant", 2), ("divide", 2),
                                             ("matmul", 2), ("leaf", 21), ("exp", 21)])
def test_an_operation_keeps_only_what_a_wanted_gradient_needs(operation, most):
    """In a process of its own, where no tool remembers arguments."""
    held = subprocess.run([sys.executable, "-c", HELD, operation], check=True, cwd=REPOSITORY,
                          stdout=subprocess.PIPE).stdout
    assert float(held) < most


# ---- operations as students write them

def test_forward_and_backward_work_outside_apply():
    a, b = Tensor([1., 2.]), Tensor([3., 4.])
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
    class Identity(Double):
        @staticmethod
        def forward(ctx, a):
            return a

    a = leaf([1., 2.])
    y = Identity.apply(a)
    y.backward()
    assert y is not a and a.is_leaf and a.grad.data.tolist() == [2, 2]


@pytest.mark.parametrize("returned, error, text", [
    (lambda g: g.data, TypeError, "gradient of input 0 must be a Tensor, got ndarray"),
    (lambda g: (g.data,), TypeError, "gradient of input 0 must be a Tensor, got ndarray"),
    (lambda g: (), RuntimeError, "0 gradient"),
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


def test_the_gradient_of_an_argument_left_to_its_default_may_be_returned_as_none():
    class Scale(Function):
        @staticmethod
        def forward(ctx, a, factor=3):
            ctx.factor = factor
            return Tensor(a.data * factor)

        @staticmethod
        def backward(ctx, grad_output):
            return Tensor(grad_output.data * ctx.factor), None

    a = leaf(1.)
    (Scale.apply(a) + Scale.apply(a, 2)).backward()
    assert a.grad.item() == 5


def test_an_operation_that_lacks_a_method_is_named_with_it():
    class Half(Function):
        pass

    class NoWayBack(Function):
        forward = Double.forward

    with pytest.raises(AttributeError, match="'Half' has no attribute 'forward'"):
        Half.apply(leaf(1.))
    with pytest.raises(AttributeError, match="'NoWayBack' has no attribute 'backward'"):
        NoWayBack.apply(leaf(1.)).backward()


@pytest.mark.parametrize("args, text", [
    ((3.,), "^Double: .*got float"),
    ((Tensor([1., 2.]), 3.), r"^Double of a tensor of shape \(2,\): .*argument")])
def test_an_error_about_arguments_names_the_operation_and_the_shapes_of_tensors(args, text):
    with pytest.raises((AttributeError, TypeError), match=text):
        Double.apply(*args)


def test_a_forward_with_a_self_is_told_what_it_lacks():
    class Half(Function):
        def forward(self, ctx, a):
            return Tensor(a.data / 2)

    with pytest.raises(TypeError, match=r"Half of a tensor of shape \(\): .*missing.*'a'"):
        Half.apply(leaf(1.))


def test_needs_input_grad_says_which_gradients_are_wanted():
    class Asks(Function):
        @staticmethod
        def forward(ctx, a, b, number):
            asked.append(ctx.needs_input_grad)
            return Tensor(a.data + b.data)

    asked = []
    Asks.apply(leaf(1.), Tensor(1.), 5)
    with no_grad():
        Asks.apply(leaf(1.), leaf(1.), 5)
    assert asked == [[True, False, False], [False] * 3]
    assert all(ContextManager().needs_input_grad[i] for i in range(3))
    assert all(ContextManager().needs_input_grad[1:3])


@pytest.mark.parametrize("value", [Tensor([1.]), [1.], 1.])
@pytest.mark.parametrize("use", [lambda x: x * x, lambda x: x + Tensor([2.]), repr, Tensor.item,
                                 lambda x: x * 2, lambda x: x == 1, lambda x: 1 < x,
                                 lambda x: Tensor([1.]) == x, Tensor.backward, Tensor.copy,
                                 lambda x: SGD([x]).step()])
def test_what_is_no_array_in_data_is_the_same_clear_error_everywhere(value, use):
    x = leaf([1.])
    x.grad, x.data = Tensor([1.]), value
    with pytest.raises(TypeError, match=f".data must be an ndarray, got {type(value).__name__}"
                       + ("; use its .data" if isinstance(value, Tensor) else "$")):
        use(x)


def test_an_output_that_is_an_input_of_a_subclass_becomes_a_plain_tensor():
    class Named(Tensor):
        def __init__(self, name, data):
            super().__init__(data, requires_grad=True, is_parameter=True)
            self.name = name

    class Identity(Double):
        @staticmethod
        def forward(ctx, a):
            return a

    a = Named("a", [1.])
    y = Identity.apply(a)
    y.backward()
    assert type(y) is Tensor and not y.is_parameter and a.grad.data.tolist() == [2]


def test_numpys_own_setting_finds_the_first_nan():
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        leaf([0.]).log()
    with np.errstate(all="ignore"):
        assert leaf([0.]).log().item() == -np.inf


def test_a_forward_that_returns_no_tensor_is_a_clear_error():
    class Odd(Double):
        @staticmethod
        def forward(ctx, a):
            return a.data

    with pytest.raises(TypeError, match="Odd.forward must return a Tensor, got ndarray"):
        Odd.apply(leaf(1.))


class TooHot(ValueError):
    """A student's own."""


@pytest.mark.parametrize("error", [np.linalg.LinAlgError("singular"), TooHot(3), KeyError("k"),
                                   UnicodeEncodeError("ascii", "x", 0, 1, "no")])
def test_an_error_of_a_class_of_its_own_passes_through_forward_unchanged(error):
    class Fails(Double):
        @staticmethod
        def forward(ctx, a):
            raise error

    with pytest.raises(type(error)) as caught:
        Fails.apply(leaf(1.))
    assert caught.value is error


@pytest.mark.parametrize("kind", [AttributeError, IndexError, TypeError, ValueError])
def test_a_plain_error_of_forward_is_the_same_error_with_the_operation_and_the_shapes(kind):
    class Fails(Double):
        @staticmethod
        def forward(ctx, a, b):
            raise error

    error = kind("too hot")
    with pytest.raises(kind, match=r"^Fails of a tensor of shape \(2,\): too hot$") as caught:
        Fails.apply(leaf([1., 2.]), 5)
    assert caught.value is error and error.__context__ is None  # one traceback


def test_save_for_backward_keeps_the_arrays_of_that_moment_and_takes_nothing_but_tensors():
    ctx, a = ContextManager(), Tensor([1.])
    ctx.anything = 5
    ctx.save_for_backward(a)
    before, a.data = a.data, np.array([7.])
    assert ctx.anything == 5 and ctx.saved_tensors[0].data is before
    with pytest.raises(TypeError, match="got Tensor, ndarray"):
        ctx.save_for_backward(a, np.ones(2))


def test_integers_that_are_assigned_to_a_leaf_in_use_become_floats():
    x = leaf([1., 2.])
    x.sum().backward()
    x.grad, x.data = None, np.array([1, 2])
    (x * 0.5).sum().backward()
    assert x.grad.data.tolist() == [0.5, 0.5] and x.dtype == np.float64


@pytest.mark.parametrize("base, others", [(Function, ()), (F.MatMul, (Tensor(np.eye(2)),))])
def test_what_a_students_backward_keeps_is_not_shared_with_the_leaf(base, others):
    class Keeps(base):
        @staticmethod
        def forward(ctx, a, *others):
            return Tensor(a.data.copy())

        @staticmethod
        def backward(ctx, grad_output):
            kept.append(grad_output)
            return (grad_output,) + (None,) * len(others)

    kept, a = [], leaf(np.ones((2, 2)))
    (Keeps.apply(a, *others) @ Tensor(np.eye(2))).backward()
    assert not np.shares_memory(kept[0].data, a.grad.data)


def test_backward_itself_records_no_graph():
    class Lazy(Double):
        @staticmethod
        def backward(ctx, grad_output):
            seen.append(leaf(1.) * 2)
            return grad_output * 2 + ctx.saved_tensors[0] * 0

    a, seen = leaf(1.), []
    Lazy.apply(a).backward()
    assert a.grad.item() == 2 and not seen[0].requires_grad


# ---- no_grad

def recorded():
    return (leaf(1.) * 2).requires_grad


def test_no_grad_records_nothing_and_ends():
    with no_grad():
        assert not recorded()
    with pytest.raises(KeyError):
        with no_grad():
            raise KeyError
    assert recorded()


def test_no_grad_can_be_nested_and_reused():
    block = no_grad()
    for _ in range(2):
        with block:
            with block, no_grad():
                assert not recorded()
            assert not recorded()
        assert recorded()


def test_a_block_that_was_entered_in_another_thread_can_end_in_this_one():
    def pieces():
        with no_grad():
            yield

    generator = pieces()
    thread = threading.Thread(target=next, args=(generator,))
    thread.start()
    thread.join()
    generator.close()
    assert recorded()


@pytest.mark.parametrize("decorator", [no_grad, no_grad()])
def test_no_grad_decorates_a_function_bare_and_called(decorator):
    @decorator
    def quiet(number, depth=2):
        """Doc."""
        assert not recorded()
        return quiet(number, depth=depth - 1) if depth else number

    assert quiet(5) == 5 and recorded()
    assert (quiet.__name__, quiet.__doc__) == ("quiet", "Doc.")


@pytest.mark.parametrize("decorator", [no_grad, no_grad()])
def test_no_grad_refuses_a_function_that_runs_in_pieces(decorator):
    def pieces():
        yield 1

    async def later():
        return 1

    for function in (pieces, later):
        with pytest.raises(TypeError, match=function.__name__):
            decorator(function)


# ---- copies

def test_a_leaf_can_be_copied_and_pickled_after_use():
    a = leaf([1., 2.])
    (a * a).backward()
    for twin in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert twin.grad.data.tolist() == [2, 4] and twin.grad_fn is None
        (twin * 5).backward()
        assert twin.grad.data.tolist() == [7, 9]
    assert a.grad.data.tolist() == [2, 4]


def test_a_result_cannot_be_pickled():
    with pytest.raises(RuntimeError, match="only leaves"):
        pickle.dumps(leaf(1.) * 2)
