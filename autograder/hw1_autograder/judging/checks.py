"""Defines checks and answer keys, and compares values with those expected.

The checks themselves are in ``test_autograd.py`` and ``test_mlp.py``.
"""

import inspect
import sys
import textwrap
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Iterable, Optional

import numpy as np

import homework

ANY = object()  # of the values that a check rests on
CHECKS = []
TITLES = {}  # of the problems, in their order
FORMULAS = SimpleNamespace()  # the right ones; a mistake is a copy with some replaced

RTOL = 1e-4  # float32 submissions are welcome: these are wide enough for them and still
ATOL = 1e-5  # far narrower than what any mistake in the catalogue changes


@dataclass
class KnownMistake:
    """Holds a mistake that is known to lead to other values in some check, and those values."""
    id: str
    message: str
    values: list  # of dicts: there may be several ways to get it wrong


@dataclass
class AnswerKey:
    """Judges the answer to a check on given inputs; nothing else is needed for it."""
    expected: dict
    mistakes: Iterable[KnownMistake]  # looked at only when an answer is not as expected


class Check:
    """One scored question.

    Attributes:
        problem (str), number (str): the handout's number and this check's, as "2.4" and "2.4.1".
        name (str), points (int): what it asks and what it is worth.
        shares (dict): what each value is worth, some 0; empty if the points are for all together.
        shown (str): the scenario as the report shows it.
        source (str): the text that defines ``scenario`` for the submission's process.
        inputs (function): from a NumPy Generator to the scenario's arguments, a dict.
        reference (function): from formulas and those arguments to the values expected.
        advice (dict): for values that are not scored, what to say when one is not True.
        unscored (tuple): names of values that are not scored but tell mistakes apart.
        forward (tuple): names of values that no backward pass made.
        asks_for_facts (bool): whether its values are the very facts of the graph.
        after (dict): what this rests on, in order: the number of a problem or a check, and the
            names of the values there that lead to an error here if they are wrong; or ANY of them;
            or none, where only an exception does.
        operation (str): the operation that is asked, if it is one; who does not use it is not
            affected by it.
    """

    def __init__(self, problem, name, points, question, replacing, after, operation):
        self.problem = problem
        self.number = f"{problem}.{1 + sum(c.problem == problem for c in CHECKS)}"
        self.name = name
        self.shares = points if isinstance(points, dict) else {}
        self.points = sum(self.shares.values()) if self.shares else points
        self.inputs = question.inputs
        self.reference = getattr(question, "reference", None)  # the starter has keys instead
        self.advice = getattr(question, "advice", {})
        self.unscored = getattr(question, "unscored", ())
        self.forward = getattr(question, "forward", ("forward", "out", "loss", "y", "e"))
        self.asks_for_facts = getattr(question, "asks_for_facts", False)
        self.after = after
        self.operation = operation
        scenario = textwrap.dedent(inspect.getsource(question.scenario))
        for old, new in replacing.items():
            scenario = scenario.replace(old, new)
        self.source = scenario
        self.shown = textwrap.dedent(scenario.partition("\n")[2]).rstrip()

    def expected(self, inputs, formulas=FORMULAS):
        """Return the values that are right, arrays and Python's facts; True for advice."""
        with np.errstate(all="ignore"):
            values = self.reference(formulas, **inputs)
        return {**{name: value.item() if isinstance(value, np.bool_) else
                   np.asarray(value) if isinstance(value, (float, np.number)) else value
                   for name, value in values.items()}, **dict.fromkeys(self.advice, True)}

    def scored(self, expected):
        return [name for name in expected if name not in self.advice and name not in self.unscored]

    def advice_on(self, values):
        """Return what to say of values that are not scored; one that is a text is named in it."""
        return [text.format(values.get(name)) for name, text in self.advice.items()
                if values.get(name) is not True]

    def earned(self, expected, values):
        """Return the points for these values: a fact, zeros or ones, which can be guessed, earn
        nothing unless some other array is right.
        """
        wrong = wrong_values(self, expected, values)
        if not self.shares:
            return 0 if wrong else self.points
        numbers = {name for name, value in expected.items()
                   if isinstance(value, np.ndarray) and value.any() and (value != 1).any()}
        computed = not numbers or any(name in values and same(values[name], expected[name])
                                      for name in numbers)
        return sum(share for name, share in self.shares.items()
                   if name not in wrong and (computed or name in numbers))


def title(number, text):
    """Name a problem; they are asked in the order of these lines."""
    TITLES[number] = text


def check(problem, name, points, replacing=(), after=(), operation=""):
    """Make a check of a class with inputs, scenario and reference (a decorator).

    ``points`` is a number, or a dict from the names of values to what each is worth;
    ``replacing`` says what to write instead in the text of the scenario.
    """
    if problem == homework.BY_HAND:
        print(f"cannot grade here: homework.py: BY_HAND is {problem}, which has checks: {name}",
              file=sys.stderr)
        sys.exit(2)

    def add(question):
        CHECKS.append(Check(problem, name, points, question, dict(replacing), dict(after),
                            operation))
        return question
    return add


def formula(function):
    """Add a function to the formulas that references are made of (a decorator)."""
    setattr(FORMULAS, function.__name__, function)
    return function


def formulas(**functions):
    """Add short formulas, by name."""
    vars(FORMULAS).update(functions)


# ---- comparing

@dataclass(frozen=True)
class Unfit:
    """Stands for a value that came back and is no fact and no array of numbers.

    Attributes:
        type (str), shape (tuple or None): an array's dtype and shape, or the name of a class.
    """
    type: str
    shape: Optional[tuple] = None

    def __str__(self):
        return (f"a {self.type}" if self.shape is None else
                f"an array of dtype {self.type} and shape {self.shape}")


def wrong_values(check, expected, values):
    """Name the scored values that are not as expected."""
    return [name for name in check.scored(expected)
            if name not in values or not same(values[name], expected[name])]


def same(got, expected):
    """Compare a value that came back with the one expected: shape and numbers, or the fact."""
    if isinstance(expected, np.ndarray):
        got = np.asarray(got) if type(got) in (int, float) else got
        return (isinstance(got, np.ndarray) and got.shape == expected.shape
                and np.allclose(got, expected, RTOL, ATOL, equal_nan=True))
    got = got.item() if isinstance(got, np.ndarray) and not got.ndim else got
    return type(got) is type(expected) and got == expected


def alike(got, expected):
    """Compare as ``same`` does, but inf and NaN are alike: what overflows may be either."""
    if isinstance(got, np.ndarray) and isinstance(expected, np.ndarray):
        got, expected = (np.where(np.isfinite(a), a, np.nan) for a in (got, expected))
    return same(got, expected)


def difference(name, got, expected):
    """Say in a line how a value differs: its shape, or how many entries and the first of them."""
    if not isinstance(expected, np.ndarray):
        return f"{name}: expected {_fact(expected)}, got {_fact(got)}"
    if not isinstance(got, np.ndarray):
        return f"{name}: expected an array of shape {expected.shape}, got {_fact(got)}"
    if got.shape != expected.shape:
        return f"{name}: expected shape {expected.shape}, got shape {got.shape} ({got.dtype})"
    if expected.size == 1:
        return f"{name}: expected {expected.item():.6g}, got {got.item():.6g}"
    with np.errstate(all="ignore"):
        off = ~np.isclose(got, expected, RTOL, ATOL)
    first = tuple(int(i) for i in np.argwhere(off)[0])
    return (f"{name}: {off.sum()} of {off.size} differ, at {first}: expected "
            f"{expected[first]:.5g}, got {got[first]:.5g}")


def _fact(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return str(value)[:100]
