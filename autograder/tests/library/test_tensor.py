"""Tensors: construction, attributes, operators, dtypes, and clear errors."""

import operator

import numpy as np
import pytest

from mytorch import Tensor, no_grad

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


def leaf(data):
    return Tensor(data, requires_grad=True)


# ---- construction

def test_the_constructors_give_what_they_say():
    assert Tensor.zeros(2, 3).data.tolist() == [[0] * 3] * 2
    assert Tensor.ones((2,)).data.tolist() == [1, 1]
    assert Tensor.empty(2, 0).shape == (2, 0)
    assert Tensor.arange(1, 7, 2).data.tolist() == [1, 3, 5]
    np.random.seed(3)
    first = Tensor.randn(2, 2).data
    np.random.seed(3)
    assert np.array_equal(first, Tensor.randn(2, 2).data) and first.dtype == np.float64


@pytest.mark.parametrize("data", ["text", None, [1, "a"], {}, 1j, [object()]])
def test_data_that_are_no_numbers_are_an_error(data):
    with pytest.raises(TypeError):
        Tensor(data)


def test_rows_of_different_lengths_and_tensors_are_an_error():
    with pytest.raises((ValueError, TypeError)):
        Tensor([[1, 2], [3]])
    with pytest.raises(TypeError, match="copy"):
        Tensor(Tensor(1.))


@pytest.mark.parametrize("flags", [dict(requires_grad="yes"), dict(requires_grad=1),
                                   dict(requires_grad=None), dict(is_leaf=0)])
def test_flags_are_booleans(flags):
    with pytest.raises(TypeError, match=r"must be a boolean.*Tensor.zeros\(2, 3\)"):
        Tensor(2., **flags)
    with pytest.raises(TypeError, match="requires_grad must be a boolean, got 3"):
        Tensor(2, 3)
    assert Tensor(2., requires_grad=np.bool_(True)).requires_grad


def test_a_gradient_enabled_tensor_has_an_array_of_its_own():
    array = np.ones(2)
    one, other = leaf(array), leaf(array)
    assert not np.shares_memory(one.data, other.data) and not np.shares_memory(one.data, array)
    assert Tensor(array).data is array


# ---- outside the graph

def test_all_attributes_can_be_read_and_set_and_others_added():
    values = dict(data=np.zeros(3), grad=Tensor(1.), requires_grad=True, is_leaf=False,
                  grad_fn=(leaf(1.) * 2).grad_fn, is_parameter=True, anything="else")
    x = Tensor([1., 2.])
    for name, value in values.items():
        setattr(x, name, value)
    assert all(getattr(x, name) is value for name, value in values.items())
    assert (x.shape, x.dtype) == ((3,), np.float64)


def test_fill_changes_the_tensor_and_no_array():
    x = Tensor.zeros(2)
    data = x.data
    assert x.fill_(7) is x and x.data.tolist() == [7, 7] and data.tolist() == [0, 0]


@pytest.mark.parametrize("tensor", [lambda: leaf([1.]), lambda: leaf([1.]) * 2])
def test_fill_of_what_is_in_a_graph_is_an_error_while_recording(tensor):
    x = tensor()
    with pytest.raises(RuntimeError, match="no_grad"):
        x.fill_(0)
    with no_grad():
        assert x.fill_(0).item() == 0


def test_a_gradient_can_be_filled():
    x = leaf([1., 2.])
    x.backward()
    x.grad.fill_(0)
    assert x.grad.data.tolist() == [0, 0]


def test_fill_works_on_a_number_after_descent_by_hand():
    x = leaf(2.)
    (x * x).backward()
    x.data = x.data - 0.25 * x.grad.data  # which NumPy makes a scalar
    with no_grad():
        assert x.fill_(x.item() + 1) is x and x.item() == 2
    x.grad = None
    (x * x).backward()
    assert x.grad.item() == 4


def test_copy_is_a_leaf_with_memory_of_its_own():
    x = leaf([1., 2.])
    for y in (x.copy(), (x * 2).copy()):
        assert y.is_leaf and not y.requires_grad and y.grad_fn is None
        assert not np.shares_memory(y.data, x.data)
    assert x.copy(requires_grad=True, is_parameter=True).is_parameter


def test_a_tensor_of_one_element_is_a_number_and_has_a_truth():
    assert Tensor([[3.]]).item() == 3 and Tensor(1) and not Tensor([0.])
    for ask in (bool, Tensor.item):
        with pytest.raises(ValueError):
            ask(Tensor([1., 2.]))


def test_a_tensor_of_one_element_is_formatted_and_converted_as_a_number():
    loss = leaf([2.345678])
    assert (f"{loss:.3f}", float(loss), int(loss)) == ("2.346", 2.345678, 2)
    assert f"{loss}" == str(loss)
    with pytest.raises(ValueError):
        f"{Tensor([1., 2.]):.3f}"


def test_tensors_are_ordered_element_by_element():
    a, b = Tensor([1., 2., 3.]), Tensor([2., 2., 2.])
    assert [(a < b).data.tolist(), (a <= b).data.tolist()] == [[1, 0, 0], [1, 1, 0]]
    assert [(a > b).data.tolist(), (a >= 2).data.tolist()] == [[0, 0, 1], [0, 1, 1]]
    assert (2 < a).data.tolist() == (np.float64(2) < a).data.tolist() == [0, 0, 1]
    best = np.inf
    assert Tensor(1.) < best and not Tensor(1.) > 2


def test_ndim_and_size_are_the_arrays():
    assert (Tensor.ones(2, 3).ndim, Tensor.ones(2, 3).size) == (2, 6)


def test_detach_is_a_leaf_with_the_same_array():
    y = leaf([1., 2.]) * 2
    twin = y.detach()
    assert twin.data is y.data and twin.is_leaf and not twin.requires_grad


def test_numpys_functions_say_that_a_tensor_is_no_array():
    w = leaf([1., 2.])
    w.grad = Tensor([1., 1.])
    for use in (lambda: np.exp(w), lambda: np.add.reduce(w), lambda: np.subtract(w, 1.)):
        with pytest.raises(TypeError, match="takes arrays, got a Tensor; use its .data"):
            use()
    with pytest.raises(TypeError, match="subtract takes arrays, got a Tensor; use its .data"):
        w.data -= 0.1 * w.grad


def test_an_operand_that_does_not_fit_is_named_and_then_what_to_do():
    x = Tensor.ones(2, 2)
    for use in (lambda: x @ x.T, lambda: x.T @ x, lambda: x + x.T):
        with pytest.raises(TypeError, match=r"got method; is it to be called, as in T\(\)\?$"):
            use()
    for use in (lambda: x @ x.data, lambda: x.data @ x, lambda: x.data * x):
        with pytest.raises(TypeError, match=r"got ndarray; wrap it, .*leave out a \.data$"):
            use()


def test_a_tensor_is_no_array():
    with pytest.raises(TypeError, match=".data"):
        np.asarray(Tensor(1.))


def test_repr_shows_the_data_and_the_place_in_the_graph():
    x = leaf([1., 2.])
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert "grad_fn=<Mul>" in repr(x * 2)
    assert "float32" in repr(Tensor(np.float32(1)))


def test_tensors_are_compared_element_by_element():
    a, b = Tensor([0, 1, 2]), Tensor([0, 5, 2])
    assert (a == b).data.tolist() == [True, False, True]
    assert (a != b).data.tolist() == [False, True, False]
    assert (a == 1).data.tolist() == (1 == a).data.tolist() == [False, True, False]
    assert float((a == b).mean().data) == pytest.approx(2 / 3)
    assert not (a == b).requires_grad and len({a, b, a}) == 2
    assert not a == None and a != None and not a == "text"  # noqa: E711


def test_a_single_number_is_compared_in_the_dtype_of_the_elements_as_it_is_subtracted():
    x, number = Tensor(np.float32([0.1, 2])), Tensor(0.1)
    assert (x - number).data[0] == 0
    for equal in (x == number, number == x, x <= number, number >= x, x == 0.1):
        assert equal.data.tolist() == [True, False]
    assert (x > number).data.tolist() == (x != number).data.tolist() == [False, True]


def test_integers_are_compared_as_they_are():
    x = Tensor(np.array([255, 44], np.uint8))
    for other in (-1, 300, Tensor(-1), Tensor(300)):
        assert (x == other).data.tolist() == [False, False]


@pytest.mark.parametrize("compare", [lambda a, b: a == b, lambda a, b: b == a,
                                     lambda a, b: a != b, lambda a, b: b != a])
def test_a_tensor_compared_with_an_array_is_an_error_that_says_how(compare):
    with pytest.raises(TypeError, match="wrap it"):
        compare(Tensor([1., 2.]), np.array([1., 2.]))


# ---- operators

@pytest.mark.parametrize("op", ARITHMETIC)
@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(1.5), np.float32(0.5), np.int64(3)])
def test_a_number_on_either_side_is_a_constant(op, number):
    x = leaf([1., 2.])
    left, right = op(x, number), op(number, x)
    assert np.allclose(left.data, op(x.data, number))
    assert np.allclose(right.data, op(float(number), x.data))
    assert left.requires_grad and right.requires_grad
    (left + right).backward()
    assert x.grad.shape == (2,)


@pytest.mark.parametrize("op", ARITHMETIC + [operator.matmul])
@pytest.mark.parametrize("other", ["text", None, [1, 2], np.ones(2), 1j, object()])
def test_an_operand_that_is_neither_tensor_nor_number_is_an_error(op, other):
    for operands in ((Tensor([1., 2.]), other), (other, Tensor([1., 2.]))):
        with pytest.raises(TypeError, match=type(other).__name__):
            op(*operands)


@pytest.mark.parametrize("op", ARITHMETIC)
def test_shapes_that_do_not_broadcast_are_named(op):
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(4,\)"):
        op(leaf(np.ones((2, 3))), leaf(np.ones(4)))


def test_shapes_that_do_not_multiply_are_named():
    with pytest.raises(ValueError, match=r"MatMul.*\(3, 4\).*\(5, 6\)"):
        Tensor.ones(3, 4) @ Tensor.ones(5, 6)


def test_other_operations_name_the_shapes_too():
    with pytest.raises(ValueError, match=r"Reshape.*\(2, 3\)"):
        Tensor.ones(2, 3).reshape(4)
    with pytest.raises(ValueError, match=r"Transpose.*\(2, 3, 4\).*2-D"):
        Tensor.ones(2, 3, 4).T()


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), [0, 1]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sum_and_mean_agree_with_numpy(axis, keepdims):
    x = leaf(np.arange(24.).reshape(2, 3, 4))
    given, axis = axis, tuple(axis) if isinstance(axis, list) else axis
    assert np.array_equal(x.sum(given, keepdims).data, x.data.sum(axis=axis, keepdims=keepdims))
    assert np.allclose(x.mean(given, keepdims).data, x.data.mean(axis=axis, keepdims=keepdims))
    x.mean(given, keepdims).backward()
    count = x.data.size / x.data.sum(axis=axis).size
    assert np.allclose(x.grad.data, 1 / count)


def test_the_shape_of_a_reshape_may_be_a_tuple_or_leave_one_length_open():
    x = leaf(np.arange(6.))
    for y in (x.reshape(2, 3), x.reshape((2, 3)), x.reshape([2, -1])):
        assert np.array_equal(y.data, x.data.reshape(2, 3))


# ---- dtypes

@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_is_kept_forward_and_backward(dtype):
    x = leaf(np.array([[1., 2.], [3., 4.]], dtype))
    results = [x + 1, 2 - x, x * np.float64(3), 1 / x, x ** 2, 2 ** x, -x, x @ x, x.T(),
               x.reshape(4), x.log(), x.exp(), x.sqrt(), x.sum(), x.sum(axis=0), x.mean(),
               x.mean(axis=1, keepdims=True), x * x]
    if dtype == np.float16:
        results.pop(7)  # a matmul of float16 is another matter
    for result in results:
        assert result.dtype == dtype
        x.grad = None
        result.backward()
        assert x.grad.dtype == dtype and x.grad.shape == x.shape


def test_a_gradient_has_the_dtype_of_its_leaf_also_where_dtypes_mix():
    x = leaf(np.ones(2, np.float32))
    for times in (1, 2):
        y = x * Tensor([2., 3.])
        y.backward()
        assert y.dtype == np.float64 and x.grad.dtype == np.float32
        assert x.grad.data.tolist() == [2 * times, 3 * times]


@pytest.mark.parametrize("data", [[1, 2], np.array([1, 2], np.uint8), [True, False], 3])
def test_integers_that_require_grad_become_float64(data):
    x = leaf(data)
    assert x.dtype == np.float64
    (x * 0.5).backward()
    assert (x.grad.data == 0.5).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_integers_whose_requires_grad_is_set_later_become_float64(dtype):
    x = Tensor(np.array([200, 1], dtype))
    x.requires_grad = True
    y = x * x
    (y * 0.5).backward()
    assert y.data.tolist() == [float(x.data[0]) ** 2, 1] and y.dtype == x.dtype == np.float64
    assert x.grad.data.tolist() == x.data.tolist()


def test_integers_without_gradient_stay_what_they_are():
    assert Tensor([1, 2]).dtype.kind == "i" and Tensor.arange(3).dtype.kind == "i"


KINDS = [("float32", "float64", "float32"), ("float16", "float32", "float16"),
         ("uint8", "int64", "uint8"), ("int32", "uint8", "int32"), ("float32", "int64", "float32"),
         ("int64", "float64", "float64")]


@pytest.mark.parametrize("op", ARITHMETIC[:3])
@pytest.mark.parametrize("elements, number, wanted", KINDS)
def test_a_single_number_does_not_widen_its_own_kind_or_a_higher_one(op, elements, number, wanted):
    a, b = Tensor(np.ones(2, elements)), Tensor(np.array(2, number))
    assert op(a, b).dtype == op(b, a).dtype == wanted


def test_a_single_number_that_is_a_leaf_gets_a_gradient_of_its_own_dtype():
    x, scale = leaf(np.ones(2, np.float32)), leaf(3.)
    (x * scale).backward()
    assert (x.grad.dtype, scale.grad.dtype, scale.grad.item()) == (np.float32, np.float64, 2)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_integers_and_a_python_number_combine_by_one_rule(dtype):
    x = Tensor(np.array([1, 2], dtype))
    assert (x + 1).dtype == (2 * x).dtype == dtype and (x * 0.5).dtype == np.float64


# ---- in place

STEPS = [lambda p: operator.isub(p, 0.5), lambda p: operator.iadd(p, 1),
         lambda p: operator.imul(p, 3.), lambda p: operator.itruediv(p, 2)]


@pytest.mark.parametrize("step, expected", list(zip(STEPS, [1.5, 3., 6., 1.])))
def test_a_leaf_is_changed_in_place_outside_the_graph_as_descent_by_hand_does(step, expected):
    p = leaf([2.])
    with no_grad():
        same = step(p)
    assert same is p and p.data.tolist() == [expected] and p.requires_grad and p.is_leaf


@pytest.mark.parametrize("step", STEPS)
def test_a_leaf_is_not_changed_in_place_while_a_graph_is_recorded(step):
    p = leaf([2.])
    with pytest.raises(RuntimeError, match="write x = x . other.* assign to its .data"):
        step(p)
    assert p.data.tolist() == [2.]


def test_a_result_that_is_added_to_stays_in_the_graph():
    p = leaf([2.])
    y = p * p
    y += p
    y.backward()
    assert p.grad.data.tolist() == [5.]


def test_a_leaf_that_is_changed_in_place_keeps_its_dtype_and_shape():
    p = leaf(np.ones(2, np.float32))
    with no_grad():
        p -= Tensor(np.full(2, 0.5))
        with pytest.raises(ValueError, match=r"\(2,\).*\(3, 2\).*in place"):
            p += Tensor.ones(3, 2)
    assert p.dtype == np.float32 and p.data.tolist() == [0.5, 0.5]


def test_every_name_of_a_constant_sees_what_is_done_in_place():
    x = leaf([3., 4.])
    x.backward()
    for g in [x.grad]:  # clipping
        before = g.data
        g *= 0.5
    average = [Tensor([1., 2.])]
    for a in average:
        a *= 0.5
        a += 0.5 * Tensor([3., 4.])
    assert x.grad.data.tolist() == [0.5, 0.5] and average[0].data.tolist() == [2, 3]
    assert before.tolist() == [1, 1]


def test_a_constant_that_a_graph_is_added_to_becomes_a_new_tensor():
    total, p = Tensor([0.]), leaf([2.])
    before = total
    total += p * p
    total.backward()
    assert total is not before and before.item() == 0 and p.grad.item() == 4


def test_what_would_change_its_shape_or_kind_is_not_changed_in_place():
    x = Tensor([1, 2])
    with pytest.raises(ValueError, match="int64 cannot become .*float64 in place"):
        x *= 0.5
    with pytest.raises(ValueError, match=r"\(2,\).*\(3, 2\).*in place"):
        x += Tensor.ones(3, 2)
    x **= 2
    assert x.data.tolist() == [1, 4]


def test_an_output_that_is_changed_in_place_under_no_grad_stays_in_its_graph():
    x = leaf([1.])
    y = x * 2
    same = y
    with no_grad():
        y += 1
    y.backward()
    assert y is same and y.item() == 3 and x.grad.item() == 2


@pytest.mark.parametrize("exponent", [2, 2., 3., 2.5])
@pytest.mark.parametrize("dtype", ["int8", "int64", "float32"])
def test_the_dtype_of_a_power_does_not_depend_on_the_exponents_value(dtype, exponent):
    x = Tensor(np.array([100, 3], dtype))
    wanted = dtype if type(exponent) is int or dtype == "float32" else "float64"
    assert (x ** exponent).dtype == wanted
    assert (Tensor(np.float32(1e30)) ** Tensor(2.)).dtype == np.float64
