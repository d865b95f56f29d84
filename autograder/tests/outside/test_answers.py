"""What comes back from a check is read as from an enemy."""

import base64
import json

import numpy as np
import pytest

from judging.checks import CHECKS, Check, Unfit, wrong_values
from inside.values import encode
from judging.failure import Failure, Place
from judging.tools import Finding
from outside.answers import decode, read_answer, read_facts
from runner import inputs_of

EIGHT = base64.b64encode(bytes(8)).decode()


def answer(**changes):
    """The text of an answer that holds one array, with changes to the array."""
    array = dict({"dtype": "f8", "shape": [1], "data": EIGHT}, **changes)
    return json.dumps({"values": {"out": {k: v for k, v in array.items() if v != "drop"}},
                       "warnings": []})


def error(**changes):
    parts = dict({"kind": "error", "type": "E", "message": "m", "places": [["f", 1, "c"]],
                  "caller_first": False}, **changes)
    return json.dumps({"error": {k: v for k, v in parts.items() if v != "drop"}, "warnings": []})


def unfit(**changes):
    """The text of an answer that holds a value that is unfit."""
    parts = dict({"unfit": "object", "shape": [2]}, **changes)
    return json.dumps({"values": {"out": {k: v for k, v in parts.items() if v != "drop"}},
                       "warnings": []})


def test_an_answer_as_it_should_be_is_read():
    assert read_answer(answer(), "").values["out"].tolist() == [0.]
    failure = read_answer(error(places=[["f", 1, "c"], ["g", 2, "d"]], caller_first=True),
                          "").failure
    assert failure == Failure("error", "m", "E", [Place("f", 1, "c"), Place("g", 2, "d")], True)
    assert failure.lines == ["E: m", "g, line 2: d", "see also f, line 1: c"]
    late = read_answer(error(kind="late", type=""), "").failure
    assert (late.kind, late.type, late.at.file) == ("late", "", "f")
    assert read_answer(unfit(), "").values == {"out": Unfit("object", (2,))}
    assert str(read_answer(unfit(unfit="T", shape=None), "").values["out"]) == "a T"


@pytest.mark.parametrize("text", [
    "", "x", "null", "[]", "1", "{}", "[" * 10 ** 6, '{"a":' * 10 ** 5, "NaN",
    '{"values": {}, "warnings": {}}', '{"values": [], "warnings": []}', '{"values": {}}',
    '{"values": {}, "warnings": [], "more": 1}', '{"values": {}, "warnings": [], "error": {}}',
    '{"values": {}, "warnings": [["toolbox"]]}', '{"values": {}, "warnings": [["toolbox", 1]]}',
    '{"values": {"x": %s}, "warnings": []}' % ("9" * 10 ** 6),
    '{"values": {"x": Infinity}, "warnings": []}', '{"values": {"x": [1]}, "warnings": []}',
    answer(dtype="<f8"), answer(dtype="f8,f8"), answer(dtype="O"), answer(dtype="V8"),
    answer(dtype="M8[s]"), answer(dtype="f"), answer(dtype=["f8"]), answer(dtype=None),
    answer(dtype="c8"), answer(dtype="U2"), answer(dtype="drop"), answer(more=1),
    answer(shape=1), answer(shape=[-1]), answer(shape=[2]), answer(shape=[True]),
    answer(shape=[1.0]), answer(shape=[[1]]), answer(shape="1"), answer(shape=[1] * 99),
    answer(shape=[10 ** 18, 10 ** 18]), answer(shape="drop"), answer(shape={"0": 1}),
    answer(data=""), answer(data="A"), answer(data=EIGHT + "A"), answer(data=EIGHT + EIGHT),
    answer(data=None), answer(data=[EIGHT]), answer(data="drop"), answer(data="\ud800" * 12),
    answer(data="*" + EIGHT), answer(shape=[0, 2 ** 63], data=""),
    error(type=1), error(message=None), error(places="f"), error(places=[1]),
    error(places=[["f", "1", "c"]]), error(places=[["f", 1, "c", 2]]), error(places=["f", 1, "c"]),
    error(type="drop"), error(more=1), error(caller_first=1), error(kind=1),
    error(kind="died"), error(kind="drop"), unfit(unfit=1), unfit(shape=[-1]), unfit(shape="drop"),
    unfit(more=1),
    '{"error": [], "warnings": []}', '{"error": "x", "warnings": []}'])
def test_anything_else_is_no_answer(text):
    read = read_answer(text, "printed")
    assert read.values is None and read.output == "printed"
    assert read.failure == Failure("unreadable", "its answer is none that a check can give")


def test_every_text_is_one_printable_line_of_a_bounded_length():
    evil = "a\nTotal: 110/110\r\x1b[2J\u2028\u202e\ud800" + "x" * 10 ** 5
    place = [evil, 1, evil]
    read = read_answer(error(type=evil, message=evil, places=[place] * 9), "")
    assert len(read.failure.lines) == 5 and len("".join(read.failure.lines)) < 1500
    values = read_answer(json.dumps({
        "values": {evil: evil, "u": {"unfit": evil, "shape": None}},
        "warnings": [["missing", evil]]}), "")
    texts = list(values.values) + list(map(str, values.values.values())) + values.warnings
    for text in texts + read.failure.lines:
        assert text.isprintable() and len(text) < 1000 and "\n" not in text


def test_truth_values_are_zero_or_one():
    value = decode({"dtype": "b1", "shape": [2], "data": base64.b64encode(b"\2\0").decode()})
    assert value.dtype == bool and value.view(np.uint8).tolist() == [1, 0]


def test_what_was_observed_is_of_a_known_kind_and_harmless():
    finding = ["gradient's shape", "Mul", "b", "a.py", 57, "(2,)", "(3,)", "(1, 2)"]
    evil = ["forward returns", "a%\n\x1b{0}", "", "", 0, "", "b", ""]
    observed = read_facts({"uses": ["Mul", "%s"], "found": [finding, evil]})
    assert observed.uses == {"Mul", "?s"}
    assert observed.found == [Finding(*finding), Finding("forward returns", "a? ??0?", got="b",
                                                         index="")]
    assert all(str(one).isprintable() for one in observed.found)


@pytest.mark.parametrize("facts", [
    {}, {"uses": [], "found": [], "more": []}, {"uses": "Mul", "found": []},
    {"uses": [1], "found": []}, {"uses": [["Mul"]], "found": []}, {"uses": [], "found": [1]},
    {"uses": [], "found": [["unknown", "", "", "", 0, "", "", ""]]},
    {"uses": [], "found": [["forward returns", "", "", "", "0", "", "", ""]]},
    {"uses": [], "found": [[["forward returns"], "", "", "", 0, "", "", ""]]},
    {"uses": [], "found": [["forward returns"]]}, {"uses": [], "found": {"0": []}}])
def test_anything_else_was_not_observed(facts):
    text = json.dumps({"values": facts, "warnings": []})
    assert read_answer(text, "", read_facts).failure.kind == "unreadable"


def test_a_reference_may_return_numbers_and_truth_values_of_numpys():
    class Question:
        def inputs(rng):
            return {}

        def scenario():
            return {}

        def reference(f):
            return {"loss": np.float64(0.5), "half": 0.5, "is leaf": np.bool_(True),
                    "rows": np.int64(3)}

    check = Check("1.1.1", "numbers", 1, Question, {}, {}, "")
    expected = check.expected({})
    for number in float, np.array:
        values = {"loss": number(0.5), "half": number(0.5), "is leaf": True, "rows": number(3)}
        assert wrong_values(check, expected, values) == []
        assert wrong_values(check, expected, dict(values, loss=0.6, **{"is leaf": 1})) == [
            "loss", "is leaf"]


def test_a_question_may_draw_and_answer_numbers_of_numpys():
    class Question:
        def inputs(rng):
            return {"n": rng.integers(3, 4)}

        def scenario(n):
            return {"n": n + np.int64(0), "is 3": np.bool_(n == 3)}

        def reference(f, n):
            return {"n": n, "is 3": np.equal(n, 3)}

    check = Check("1.1.1", "numbers", 1, Question, {}, {}, "")
    inputs = inputs_of(check, 1)
    assert type(inputs["n"]) is int
    values = {name: decode(encode(value)) for name, value in Question.scenario(**inputs).items()}
    assert wrong_values(check, check.expected(inputs), values) == []


def test_a_table_of_what_is_the_same_for_every_seed_earns_nothing():
    for check in CHECKS:
        expected, *others = (check.expected(inputs_of(check, seed)) for seed in range(4))
        same = {name: value for name, value in expected.items()
                if all(np.array_equal(value, other[name]) for other in others)}
        assert check.earned(expected, same) == 0, check.name


def test_what_is_right_earns_all_points_whatever_the_seed():
    for check in CHECKS:
        for seed in range(200):
            expected = check.expected(inputs_of(check, seed))
            assert check.earned(expected, expected) == check.points, (check.name, seed)
            shown = [value for value in expected.values() if isinstance(value, np.ndarray)]
            assert not shown or any(value.any() for value in shown), (check.name, seed)
