"""What came of a check: its answer, its points, and what is said of it."""

from judging.checks import difference, wrong_values
from judging.explain import NOT_WRITTEN

MOST_SHOWN = 3  # wrong values, a line for each


class Result:
    """A check with its answer, its points and what is said of it.

    Attributes:
        check (Check), inputs (dict), key (AnswerKey), answer (Answer): what was asked, what is
            right, and what came.
        wrong (list of str): the scored values that are not as expected.
        advice (list of str): what to say of values that are not scored, if the others are right.
        passed (bool), points (int): the verdict.
        explanation (Explanation or None): what went wrong, if that is known.
    """

    def __init__(self, check, inputs, key, answer):
        self.check, self.inputs, self.key, self.answer = check, inputs, key, answer
        self.explanation = None
        self.wrong, self.points, self.advice = [], 0, []
        if not answer.failure:
            self.wrong = wrong_values(check, key.expected, answer.values)
            self.points = check.earned(key.expected, answer.values)
        self.passed = not answer.failure and not self.wrong
        if self.passed:
            self.advice = check.advice_on(answer.values)

    @property
    def not_written(self):
        """Tell whether the student has not begun what is asked: nothing is wrong with it yet."""
        failure, explanation = self.answer.failure, self.explanation
        return bool(failure and failure.kind == "not written"
                    or explanation and explanation.id == NOT_WRITTEN)

    @property
    def is_consequence(self):
        return bool(self.explanation and self.explanation.is_consequence)

    def fell_like(self, failed):
        """Find a check that fell by the same error before, and not as a consequence of another."""
        failure = self.answer.failure
        return next((other for other in failed if failure and failure.is_like(other.answer.failure)
                     and not other.is_consequence), None)

    @property
    def lines(self):
        """Say what went wrong and where, or how values differ."""
        if self.answer.failure:
            return self.answer.failure.lines
        lines = [difference(name, self.answer.values.get(name), self.key.expected[name])
                 for name in self.wrong[:MOST_SHOWN]]
        others = ", ".join(self.wrong[MOST_SHOWN:])
        return lines + [f"also wrong: {others}"] * bool(others)

    @property
    def message(self):
        """Say all that is known of a failed check."""
        said = [self.explanation.message, self.explanation.evidence] if self.explanation else []
        if self.not_written:
            failure = self.answer.failure
            return f"not written yet: {said[0] if said else failure.message or failure.at}"
        return "\n".join(filter(None, self.lines + said))
