"""How the grader tells a student which mistake it was; the catalogue is ``catalogue.py``.

A mistake is the right set of formulas, those of the questions, with one or a few replaced by
what students write instead.  It is recognised in a failed check when the
check's reference, made of those formulas, gives exactly what the submission gave.
"""

from dataclasses import dataclass
from itertools import combinations
from types import SimpleNamespace

from judging.checks import FORMULAS, AnswerKey, KnownMistake, wrong_values

MISTAKES = []
ANY_SEED = True  # the starter knows the answers for one seed alone


@dataclass
class Mistake:
    """A known mistake: its name in the report, the handout's problem, and what to say.

    Each of ``variants`` is a dict of formulas as one gets them wrong.
    """
    id: str
    problem: str
    message: str
    variants: list


def mistake(id, problem, message, *variants):
    """Add a mistake to the catalogue."""
    MISTAKES.append(Mistake(id, problem, message, list(variants)))


def key_of(check, inputs):
    """The AnswerKey to a check on these inputs."""
    expected = check.expected(inputs)
    return AnswerKey(expected, known_mistakes(check, inputs, expected))


def known_mistakes(check, inputs, expected):
    """Yield a KnownMistake for each mistake that leads to other values; then for each pair."""
    found, where = [], f" Handout {check.problem}."
    for mistake in MISTAKES:
        if (check.problem + ".").startswith(mistake.problem + "."):
            values = values_of(check, inputs, expected, mistake.variants)
            if values:
                found.append(mistake)
                yield KnownMistake(mistake.id, mistake.message + where, values)
    for one, other in combinations(found, 2):
        both = [dict(a, **b) for a in one.variants for b in other.variants if not a.keys() & b]
        values = values_of(check, inputs, expected, both)
        if values:
            yield KnownMistake(f"{one.id}+{other.id}",
                               f"Two mistakes: {one.message} {other.message}{where}", values)


def values_of(check, inputs, expected, variants):
    """The wrong values that each of these variants leads to in a check, if any."""
    found = []
    for wrong in variants:
        try:
            values = check.expected(inputs, SimpleNamespace(**dict(vars(FORMULAS), **wrong)))
        except (ValueError, TypeError, IndexError):  # it does not get as far as an answer
            continue
        if wrong_values(check, expected, values):
            found.append(values)
    return found


import catalogue  # noqa: E402,F401 (it fills the catalogue)
