"""Explains a failed check: by what it rests on, a finding in the graph, a mistake or a relation.

Nothing is said of a check that met NotImplementedError.  Of any other the first that fits is told:

1. a check that this one rests on (``after``) failed: fix that first, unless both are of one
   problem, it is no known mistake there, and the graph shows why;
2. an exception: what ``observer.py`` found when the scenario ran once more, or the words of the
   error itself;
3. wrong values: a finding with which no value can be right (DECISIVE); the one mistake of the
   catalogue whose values are exactly those that came; another finding; two mistakes, of which
   either fits; an array of the caller's that changed; a relation of the values that came to those
   expected, such as "times -1";
4. a failed check of the same problem, or a warning of an operation, which may be the cause;
5. a finding in numbers, of an operation against differences of its forward, or of what arrives:
   of values only where the forward ones are right; below 3, if that is no finding, as evidence.

A formula is needed for none of this, only the AnswerKey.
"""

import re
from dataclasses import dataclass
from typing import Optional

from judging.checks import ANY, alike
from judging.errors import words_of
from judging.observed import DECISIVE, ENGINE, FINDINGS, NUMBERS
from judging.relations import relation
from judging.tools import Finding

OPERATORS = {"-": "Sub", "*": "Mul", "/": "Div"}
CIRCLE = ("Files import each other in a circle. The engine needs none of the others, and tensor.py "
          "no layer; elsewhere import the module in place of a name from it, or import it in the "
          "function that needs it.")
NOT_WRITTEN = "not written"  # the id of what is no mistake, but was not begun


@dataclass
class Explanation:
    """What is said of a failed check.

    Attributes:
        id (str or None): the name of the mistake; None where none is recognised.
        message (str), evidence (str): a sentence or a few; a finding in numbers that goes with it.
        general (str): what all have in common who make this mistake.
        finding (Finding or None): the finding that it tells.
        is_known (bool): whether it is a mistake of the catalogue.
        is_consequence (bool): whether something else fails that has to be mended first.
        may_be_consequence (bool): whether another check may be the cause, which shows more.
    """
    id: Optional[str]
    message: str
    general: str = ""
    finding: Optional[Finding] = None
    evidence: str = ""
    is_known: bool = False
    is_consequence: bool = False
    may_be_consequence: bool = False


def explain(result, observed, failed):
    """Return the Explanation of a failed check, or None.

    Args:
        observed (Observed): what was seen when the scenario ran once more.
        failed (list of Result): the checks before that failed, or that there are warnings of.
    """
    check, failure = result.check, result.answer.failure
    if failure and failure.kind == "not written":
        return None  # as the report says
    used = used_by(result.answer, observed)
    first, cause = what_failed_before(check, used, failed)
    if cause:
        told = (cause.check.problem == check.problem
                and not (cause.explanation and cause.explanation.is_known)
                and fact_of(FINDINGS, observed, failure))
        return told or Explanation(None, f"{first} fails: fix that first.", is_consequence=True)
    before = [other.check for other in failed if other.check.problem == check.problem
              and not other.passed]
    found = of_a_failure(failure, observed, before) if failure else of_values(result, observed)
    if not found and before:
        return Explanation(None, f"{before[0].number} ({before[0].name}) fails too, which may be "
                           "the cause.", may_be_consequence=True)
    warned = None if found else rests_on_warned(check, used, failed)
    if warned:
        return Explanation(None, f"{warned.number} ({warned.name}) has a warning, which may be the "
                           "cause.", may_be_consequence=True)
    if set(check.forward) & set(result.wrong) or failure and failure.type == "RecursionError":
        return found  # whose message says more than any number
    numbers = fact_of(NUMBERS, observed)
    if not failure and found and not found.finding and numbers:  # two findings would contradict
        found.evidence = numbers.message
    return found or numbers


def of_advice(check, values):
    """Explain by a value that is not scored, but may be why the others are wrong."""
    advice = check.advice_on(values)
    return Explanation(None, advice[0]) if advice else None


def what_failed_before(check, used, failed):
    """Find what failed before and leads to this failure: a number in ``after``, and its Result."""
    for number, values in check.after.items():
        for result in failed:
            asked = result.check
            if number in (asked.number, asked.problem) and asked is not check \
                    and not result.passed and (not asked.operation or asked.operation in used) \
                    and (result.answer.failure or values is ANY
                         or set(values) & set(result.wrong)):
                return number, result
    return None, None


def rests_on_warned(check, used, failed):
    """Find a check that this one rests on, that passed and that there is a warning of."""
    return next((other.check for other in failed if other.passed and other.check.operation in used
                 and {other.check.number, other.check.problem} & set(check.after)), None)


def used_by(answer, observed):
    """Return the operations that a scenario used, or wanted to."""
    wanted = re.match(r"unsupported operand type\(s\) for (\S+):",
                      answer.failure.message if answer.failure else "")
    return observed.uses | {OPERATORS.get(wanted.group(1)) if wanted else None}


def of_a_failure(failure, observed, before):
    if failure.kind == "circular":
        return Explanation("circular import", CIRCLE, CIRCLE)
    words = None if before else words_of(failure)
    return fact_of(FINDINGS, observed, failure) or words and Explanation(None, words)


def of_values(result, observed):
    check, values = result.check, result.answer.values
    if not check.asks_for_facts and not set(result.wrong) <= set(check.forward):
        broken = fact_of(DECISIVE, observed)
        if broken:
            return broken
    fitting = known(check, result.key.mistakes, values)
    told = (only(fitting, 1, check) or fact_of(FINDINGS + ENGINE, observed)
            or only(fitting, 2, check) or of_advice(check, values))
    related = None if told else relation(result.inputs, result.key, values, result.wrong)
    return told or related and Explanation(*related, f"{', '.join(result.wrong)}: {related[0]}")


def only(mistakes, most, check):
    """Make one Explanation of one or two KnownMistakes; of more than ``most``, none."""
    if not 1 <= len(mistakes) <= most:
        return None
    message = mistakes[0].message
    if len(mistakes) == 2:
        message = f"Either: {message}  Or: {mistakes[1].message}"
    where = "" if mistakes[0].id == NOT_WRITTEN else f" Handout {check.problem}."
    return Explanation(" or ".join(mistake.id for mistake in mistakes), message + where, message,
                       is_known=True)


def known(check, mistakes, values):
    """Return the known mistakes that lead to these values."""
    return [mistake for mistake in mistakes
            if any(fits(check, wrong, values) for wrong in mistake.values)]


def fits(check, wrong, values):
    return all(name in values and alike(values[name], wrong[name])
               for name in wrong if name not in check.advice)


def fact_of(kinds, observed, failure=None):
    finding = observed.first(kinds, failure)
    return finding and Explanation(f"graph: {finding.kind}", str(finding), finding.general, finding)
