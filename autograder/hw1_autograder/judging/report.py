"""Reports: for a person, each failure in under twenty lines, of 80 columns but for the command
that runs it again; and as a dict.
"""

import os
import re
import shlex
import sys
import textwrap

import numpy as np

import homework
from judging.checks import TITLES

INDENT = " " * 4
MORE = "... "  # at the start of a line that goes on: a submission's words never begin one


class Printer:
    """Prints for a person: in colour on a terminal that has some, unless NO_COLOR is set.

    Args:
        options (list of str or None): the command's own, which the line that runs a check again
            repeats; None where the reader is not who gave the command.
    """

    def __init__(self, options=()):
        self.colour = (sys.stdout.isatty() and not os.environ.get("NO_COLOR")
                       and os.environ.get("TERM") != "dumb")
        lead = ("to run it alone, with print() and a debugger" if options is not None else
                "at home, on other numbers, with print() and a debugger")
        self.command = " ".join([f"{lead}: ./grade.sh 1", *map(shlex.quote, options or ()),
                                 "--again"])
        self.problem = None
        self.failures = []  # that were shown
        self.told = {}  # what was said of a failure, and the check where it was

    def paint(self, text, code):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def show(self, result):
        check = result.check
        if check.problem != self.problem:
            self.problem = check.problem
            print(self.paint(f"\n{check.problem} {TITLES[check.problem]}", "1"))
        mark = (self.paint("FAIL", "31") if not result.passed else
                self.paint("warn", "33") if result.advice else self.paint("ok  ", "32"))
        print(f"  {mark}  {check.number:8}{check.name:60}{result.points}/{check.points}",
              flush=True)
        if not result.passed:
            self.print_failure(result)

    def print_failure(self, result):
        """Print what ran, on what, what came of it, what it printed, and what went wrong."""
        failure, explanation = result.answer.failure, result.explanation
        if result.is_consequence:
            self._lines(["=> " + explanation.message])
            return
        if result.not_written:
            said = self._once(result.message, result, "not written yet, see {}")
            self._lines(_wrapped(said, most=3))
            return
        before = [other for other in self.failures if failure and failure.is_like(other)]
        if before:
            self._lines(_wrapped("the same as above: " + before[0].said, most=1))
            return
        self.failures.append(failure)
        brief = explanation and explanation.may_be_consequence
        if not (failure and failure.kind == "syntax" or brief):
            self._what_ran(result)
        self._lines(self.paint(row, "1") for row in _rows(result, brief))
        if explanation:
            self._lines(_wrapped(f"=> {self._once(explanation.message, result)}", most=5))
            if explanation.evidence:
                self._lines(_wrapped("   seen: " + explanation.evidence, most=3))
        self._lines([f"{self.command} {result.check.number}"])
        print()

    def _once(self, message, result, again="the same as said of {}."):
        """Return a message or, if it was told before, where."""
        before = self.told.setdefault(message, result.check.number)
        return message if before == result.check.number else again.format(before)

    def _what_ran(self, result):
        for line in result.check.shown.split("\n"):
            print(INDENT + self.paint("| " + line, "36"))
        self._lines(_wrapped(shown_inputs(result.inputs), most=4))
        printed = result.answer.output.strip()
        if printed:
            self._lines(_wrapped("it printed: " + " / ".join(printed.split("\n")), most=1))

    def _lines(self, lines):
        for line in lines:
            print(INDENT + line)


def shown_inputs(inputs):
    """Write the inputs as one does by hand: x = [[0.5, 1], [2, 3]]; lr = 0.1."""
    def shown(value):
        return re.sub(r"\s+", " ", np.array2string(
            np.asarray(value), separator=", ", threshold=40, max_line_width=10 ** 6,
            formatter={"float_kind": "{:.10g}".format}))
    return "; ".join(f"{name} = {shown(value)}" for name, value in inputs.items())


def _rows(result, brief):
    """Return what went wrong in rows: the error and its places, or how values differ."""
    failure = result.answer.failure
    lines = [failure.said, failure.at] if failure else result.lines[:2 if brief else None]
    rows = [row for i, line in enumerate(filter(None, lines))
            for row in _wrapped(str(line), MORE, 2 if i else 3)]
    also = failure.also if failure and not brief else []
    return rows + [row for place in also for row in _wrapped(f"see also {place}", "", 1, "  ")]


def _wrapped(text, more="", most=None, lead=""):
    return textwrap.wrap(text, 71, initial_indent=lead, subsequent_indent=lead + more,
                         max_lines=most, placeholder=" ...") or [""]


def warnings_of(results):
    """Collect what is worth saying but costs nothing, each text once."""
    found = []
    for result in results:
        found += result.advice + result.answer.warnings
    return list(dict.fromkeys(found))


def entry(result):
    """Return a check as the report has it."""
    check, explanation, failure = result.check, result.explanation, result.answer.failure
    made = {"problem": check.problem, "number": check.number, "name": check.name,
            "points": result.points, "out_of": check.points, "passed": result.passed,
            "message": result.message, "mistake": None,
            "hint": explanation.message if explanation else ""}
    if result.passed:
        return made
    made.update(code=check.shown, inputs=shown_inputs(result.inputs))
    if result.not_written:
        made["kind"] = "not written"
    elif failure:
        made["kind"] = failure.kind
    if explanation and explanation.id and not result.not_written:
        made.update(mistake=explanation.id, general=explanation.general)
    place = place_of(result)
    if place:
        made.update(file=place.file, line=place.line)
    return made


def place_of(result):
    """Return where to look first: the finding's place, or the failure's; None if it is unknown."""
    finding = result.explanation and result.explanation.finding
    return finding if finding and finding.file else (
        result.answer.failure and result.answer.failure.at)


def report(results, whole, seed, isolation):
    """Return the report as a dict, which goes into a JSON file."""
    scores = {}
    for result in results:
        problem = result.check.problem
        if result.check.points or problem in scores:
            scores[problem] = scores.get(problem, 0) + result.points
    out_of = sum(result.check.points for result in results)
    if whole:
        scores[homework.BY_HAND] = 0
        out_of += homework.BY_HAND_POINTS
    return {"scores": scores, "total": sum(scores.values()), "out_of": out_of,
            "checks": [entry(result) for result in results], "warnings": warnings_of(results),
            "seed": seed, "isolation": isolation}


def conclude(results, summary, printer):
    """Print the end of a run: warnings, what is graded by hand, the total, what to fix first."""
    for text in summary["warnings"]:
        print(printer.paint("\nwarning: ", "33") + "\n         ".join(_wrapped(text)))
    if homework.BY_HAND in summary["scores"]:
        print(printer.paint(f"\n{homework.BY_HAND} {homework.BY_HAND_TITLE}", "1"))
        points, out_of = homework.BY_HAND_POINTS, summary["out_of"]
        print(f"        not autograded: 0 of {points} here, so that {out_of - points}/{out_of} is "
              f"a full score;\n        {homework.BY_HAND_HOW}")
    print(printer.paint(f"\nTotal: {summary['total']}/{summary['out_of']}", "1"))
    failed = [result for result in results if not result.passed]
    if failed:
        print(textwrap.fill(f"First fix: {first_to_fix(failed)}", 80,
                            subsequent_indent="       " + MORE))
    print()


def first_to_fix(failed):
    """Name what makes the most problems fail, if that is one cause; else a failed check."""
    causes = {}
    for result in failed:
        key, text = cause_of(result)
        if key:
            causes.setdefault(key, (text, set()))[1].add(result.check.problem)
    text, problems = max(causes.values(), key=lambda cause: len(cause[1]), default=("", ()))
    if len(problems) > 1:
        return text
    first = next((result for result in failed if result.check.points), failed[0])
    said = cause_of(first)[1] or textwrap.shorten(first.lines[0], 250)
    return f"{first.check.number} {first.check.name}: {said}"


def cause_of(result):
    """Name why a check failed: a key that all with this cause share, and the words for it."""
    failure, explanation = result.answer.failure, result.explanation
    hint = textwrap.shorten(explanation.message, 250) if explanation else ""
    finding = explanation and explanation.finding
    if result.not_written:
        return None, f"{result.message} (handout, section {result.check.problem})"
    if finding and not result.is_consequence:
        return (finding.kind, finding.file, finding.line), hint
    if result.is_consequence or not failure or not failure.at:
        return None, hint
    if explanation and explanation.may_be_consequence:  # another check shows more
        return None, failure.said
    also = "".join(f"; see also {place.file}, line {place.line}" for place in failure.also[-1:])
    text = f"{failure.at} ({textwrap.shorten(failure.said, 250)}{also})"
    return failure.key, f"{text}: {hint}" if hint else text
