"""Explains a failed check: by what it rests on, a finding in the graph, a mistake or a relation.

Nothing is said of a check that met NotImplementedError, or that fell as one before it did.  Of any
other the first that fits is told:

1. a check that this one rests on (``after``) failed: fix that first, unless both are of one problem
   and the graph shows why;
2. an exception: what ``observer.py`` found when the scenario ran once more, or the words of the
   error itself;
3. wrong values: a finding with which no value can be right (DECISIVE); the one mistake of the
   catalogue whose values are exactly those that came; another finding; two mistakes, of which
   either fits; a relation of the values that came to those expected, such as "times -1";
4. a failed check of the same problem, which may be the cause;
5. a finding in numbers, of an operation against differences of its forward, or of what arrives:
   of values only where the forward ones are right; below 3, if that is no finding, as evidence.

A formula is needed for none of this, only the AnswerKey.
"""

import re
from dataclasses import dataclass
from typing import Optional

from inside.texts import Finding
from judging.checks import ANY, alike, wrong_values
from judging.errors import words_of
from judging.observed import DECISIVE, ENGINE, FINDINGS, NUMBERS
from judging.relations import relation

OPERATORS = {"-": "Sub", "*": "Mul", "/": "Div"}
NOT_WRITTEN = "not written"  # the id of what is no mistake, but was not begun


@dataclass
class Explanation:
    id: str  # None: nothing is named
    message: str
    of: Optional[str] = None  # the operation that it is said of; None: it is of a problem
    finding: Optional[Finding] = None  # that it tells
    evidence: str = ""  # a finding in numbers
    knock_on: bool = False  # there is nothing to learn here before something else is mended
    brief: bool = False  # another check may be the cause, which shows more


def explain(check, inputs, key, answer, observed, failed):
    """The Explanation of a failed check, or None.

    Args:
        observed (Observed): what was seen when the scenario ran once more.
        failed (list of Result): the checks that failed before.
    """
    failure = answer.failure
    if failure and failure.kind == "not written":
        return None  # as the report says
    if failed_alike(failure, [result for result in failed if not result.is_knock_on]):
        return None
    first = what_failed_before(check, used_by(answer, observed), failed)
    if first:
        of_same = first.startswith(check.problem + ".")
        told = of_same and fact_of(FINDINGS, observed, failure)
        return told or Explanation(None, f"{first} fails: fix that first.", knock_on=True)
    before = [result.check for result in failed if result.check.problem == check.problem]
    found = (of_a_failure(failure, observed, before) if failure else
             of_values(check, inputs, key, answer.values, observed))
    if not found and before:
        return Explanation(None, f"{before[0].number} ({before[0].name}) fails too, which may be "
                           "the cause.", brief=True)
    if failure:
        return found or fact_of(NUMBERS, observed)
    if set(check.forward) & set(wrong_values(check, key.expected, answer.values)):
        return found
    numbers = fact_of(NUMBERS, observed)
    if found and not found.finding and numbers:  # two findings would contradict each other
        found.evidence = numbers.message
    return found or numbers


def of_advice(check, values):
    """The advice on a value that is not scored, but may be why the others are wrong."""
    advice = check.advice_on(values)
    return Explanation(None, advice[0]) if advice else None


def what_failed_before(check, used, failed):
    """Find what failed before and leads to this failure: a number in the check's ``after``."""
    for number, values in check.after.items():
        for result in failed:
            asked = result.check
            if number in (asked.number, asked.problem) and asked is not check \
                    and (not asked.operation or asked.operation in used) \
                    and (result.answer.failure or values is ANY or set(values) & set(result.off)):
                return number
    return None


def failed_alike(failure, failed):
    """Tell whether a check before fell by the same error: neither is the other's cause."""
    return bool(failure) and any(failure.is_like(result.answer.failure) for result in failed)


def used_by(answer, observed):
    """The operations that a scenario used, or wanted to."""
    wanted = re.match(r"unsupported operand type\(s\) for (\S+):",
                      answer.failure.message if answer.failure else "")
    return observed.uses | {OPERATORS.get(wanted.group(1)) if wanted else None}


def of_a_failure(failure, observed, before):
    if failure.kind == "circular":
        return Explanation("circular import", "Files import each other in a circle. The engine "
                           "needs none of the others, and tensor.py no layer; elsewhere import "
                           "the module in place of a name from it, or import it in the function "
                           "that needs it.")
    words = None if before else words_of(failure)
    return fact_of(FINDINGS, observed, failure) or (
        words and Explanation("error: " + failure.type, words))


def of_values(check, inputs, key, values, observed):
    off = wrong_values(check, key.expected, values)
    if not check.asks_for_facts and not set(off) <= set(check.forward):
        broken = fact_of(DECISIVE, observed)
        if broken:
            return broken
    fitting = known(check, key.mistakes, values)
    told = only(fitting, 1) or fact_of(FINDINGS + ENGINE, observed) or only(fitting, 2)
    told = told or of_advice(check, values)
    related = None if told else relation(inputs, key, values, off)
    return told or related and Explanation(*related)


def only(mistakes, most):
    """Make one Explanation of one or two KnownMistakes; of more than ``most``, none."""
    if not 1 <= len(mistakes) <= most:
        return None
    message = mistakes[0].message
    if len(mistakes) == 2:
        message = f"Either: {message}  Or: {mistakes[1].message}"
    return Explanation(" or ".join(mistake.id for mistake in mistakes), message, of="")


def known(check, mistakes, values):
    """The known mistakes that lead to these values."""
    return [mistake for mistake in mistakes
            if any(fits(check, wrong, values) for wrong in mistake.values)]


def fits(check, wrong, values):
    return all(name in values and alike(values[name], wrong[name])
               for name in wrong if name not in check.advice)


def fact_of(kinds, observed, failure=None):
    finding = observed.first(kinds, failure)
    return finding and Explanation(f"graph: {finding.kind}", str(finding),
                                   of=finding.operation or None, finding=finding)
