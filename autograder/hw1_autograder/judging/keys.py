"""Makes the key to a check: the values expected, and those of each known mistake.

A starter has another file in place of this one, which knows the answers for one seed alone.
"""

import catalogue  # noqa: F401 (it adds the mistakes)
from judging.checks import AnswerKey, KnownMistake, wrong_values
from judging.mistakes import MISTAKES, formulas_with

ANY_SEED = True


def key_of(check, inputs):
    """Make the AnswerKey to a check on these inputs."""
    expected = check.expected(inputs)
    return AnswerKey(expected, known_mistakes(check, inputs, expected))


def known_mistakes(check, inputs, expected):
    """Yield a KnownMistake for each mistake that leads to other values."""
    for mistake in MISTAKES:
        if (check.problem + ".").startswith(mistake.problem + "."):
            values = values_of(check, inputs, expected, mistake.variants)
            if values:
                yield KnownMistake(mistake.id, mistake.message, values)


def values_of(check, inputs, expected, variants):
    """Compute the wrong values that each of these variants leads to in a check, if any."""
    found = []
    for variant in variants:
        try:
            values = check.expected(inputs, formulas_with(variant))
        except (ValueError, TypeError, IndexError):  # it does not get as far as an answer
            continue
        if wrong_values(check, expected, values):
            found.append(values)
    return found
