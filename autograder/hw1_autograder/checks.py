"""What a check is, and how an answer is compared with what was expected.

The checks themselves are in ``test_autograd.py`` and ``test_mlp.py``.
"""

import inspect
import textwrap
from types import SimpleNamespace

import numpy as np

import helpers

CHECKS = []
FORMULAS = SimpleNamespace()  # the right ones; a mistake is a copy with some replaced

RTOL = 1e-4  # float32 submissions are welcome: these are wide enough for them and still
ATOL = 1e-5  # far narrower than what any mistake in the catalogue changes


class Check:
    """One scored question.

    Attributes:
        problem (str): the handout's number, such as "2.4".
        name (str), points (int): what it asks and what it is worth.
        code (str): three lines that do the same in the sandbox.
        source (str): the text of the scenario, which runs in the submission's process.
        inputs (function): from a NumPy Generator to the scenario's arguments, a dict.
        reference (function): from formulas and those arguments to the values expected.
        advice (dict): for values that are not scored, what to say when one is off.
        when_it_raises (str): what to add when the scenario does not run to its end.
        hints (tuple): names of values that are not scored but help to tell mistakes apart.
    """

    def __init__(self, problem, name, points, code, plan):
        self.problem = problem
        self.name = name
        self.points = points
        self.code = textwrap.dedent(code).strip()
        self.source = inspect.getsource(helpers) + textwrap.dedent(
            inspect.getsource(plan.scenario))
        self.inputs = plan.inputs
        self.reference = plan.reference
        self.advice = getattr(plan, "advice", {})
        self.hints = getattr(plan, "hints", ())
        self.when_it_raises = getattr(plan, "when_it_raises", "")

    def expected(self, inputs, formulas=FORMULAS):
        with np.errstate(all="ignore"):
            return self.reference(formulas, **inputs)


def check(problem, name, points, code):
    """Class decorator: makes a check of a class with inputs, scenario and reference."""
    def add(plan):
        CHECKS.append(Check(problem, name, points, code, plan))
        return plan
    return add


def formula(function):
    """Decorator: adds a function to the formulas that references are made of."""
    setattr(FORMULAS, function.__name__, function)
    return function


# ---- comparing

def wrong_values(check, expected, values):
    """The names of the scored values that are not as expected."""
    return [name for name in expected if name not in check.advice and name not in check.hints
            and not same(values.get(name), expected[name])]


def same(got, expected):
    """Whether a value that came back is the one expected: shape and numbers, or the fact."""
    if isinstance(expected, np.ndarray):
        return (isinstance(got, np.ndarray) and got.shape == expected.shape
                and np.allclose(got, expected, RTOL, ATOL, equal_nan=True))
    return type(got) is type(expected) and got == expected


def alike(got, expected):
    """As ``same``, but all that is not finite counts as one: what overflows may be inf or NaN."""
    if isinstance(got, np.ndarray) and isinstance(expected, np.ndarray):
        got, expected = (np.where(np.isfinite(a), a, np.nan) for a in (got, expected))
    return same(got, expected)


def difference(name, got, expected):
    """Lines that say how a value differs: shapes, the first and the worst entry."""
    if not isinstance(expected, np.ndarray):
        return ["%s: expected %s, got %s" % (name, _fact(expected), _fact(got))]
    if not isinstance(got, np.ndarray):
        return ["%s: expected an array of shape %s, got %s" % (name, expected.shape, _fact(got))]
    if got.shape != expected.shape:
        return ["%s: expected shape %s, got shape %s (%s)"
                % (name, expected.shape, got.shape, got.dtype)]
    with np.errstate(all="ignore"):
        error = np.abs(got - expected)
        off = ~np.isclose(got, expected, RTOL, ATOL)
    first = tuple(int(i) for i in np.argwhere(off)[0])
    worst = tuple(int(i) for i in np.unravel_index(
        np.argmax(np.where(np.isnan(error), np.inf, error) * off), error.shape))
    lines = ["%s: shape %s and dtype %s, %d of %d entries differ"
             % (name, got.shape, got.dtype, off.sum(), off.size)]
    for title, index in (("first", first), ("worst", worst)):
        if title == "first" or index != first:
            lines.append("  %s at %s: expected %.6g, got %.6g"
                         % (title, index, expected[index], got[index]))
    return lines


def _fact(value):
    if isinstance(value, np.ndarray):
        return "an array of shape %s" % (value.shape,)
    return str(value)[:100]
