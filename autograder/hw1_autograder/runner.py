"""The local autograder: scores a submission on problems 1.1 to 2.6.

    python3 autograder/hw1_autograder/runner.py [--submission DIR_OR_TAR] [--problem N]...

The questions are in ``test_autograd.py`` and ``test_mlp.py``; this file asks them and reports.
The last line of its output is the scores as JSON, which is what Autolab reads.
"""

import argparse
import json
import os
import signal
import sys
import zlib

try:
    import numpy as np
except ImportError:
    print("runner.py: this Python has no numpy; ./grade.sh 1 sets one up", file=sys.stderr)
    sys.exit(2)

import test_autograd  # noqa: E402,F401 (its checks register themselves)
import test_mlp  # noqa: E402,F401
from checks import CHECKS, difference, wrong_values  # noqa: E402
from client import Worker, one_line  # noqa: E402
from mistakes import recognise  # noqa: E402
from submission import UnusableSubmission, opened  # noqa: E402

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TITLES = {"1.1.0": "Addition (given)", "1.1.1": "Element-wise subtraction",
          "1.1.2": "Element-wise multiplication", "1.1.3": "Element-wise division",
          "1.2": "Autograd", "2.1": "Linear layer", "2.2": "ReLU",
          "2.3": "Stochastic gradient descent", "2.4": "Batch normalization",
          "2.5": "Cross entropy loss", "2.6": "Momentum"}
MNIST_POINTS = 10
WRONG_SUMS = ("grad-overwritten", "first-path-only")


class Result:
    """What became of a check: whether it passed, what to tell the student, which mistake."""

    def __init__(self, check, lines=(), mistake=None, answer=None):
        self.check = check
        self.passed = not lines
        self.points = check.points if self.passed else 0
        self.lines = list(lines)
        self.mistake = mistake
        self.answer = answer


def grade(worker, root, checks, seed):
    """Put every check to the submission in the folder ``root``; yields Results."""
    autograd_is_wrong = False
    worker.open(root)
    for check in checks:
        # A check's inputs depend on the seed and its own name, not on what ran before it.
        rng = np.random.default_rng([seed, zlib.crc32((check.problem + check.name).encode())])
        inputs = check.inputs(rng)
        result = judge(check, inputs, worker.run(check.source, inputs))
        if autograd_is_wrong and check.problem.startswith("2"):
            result.mistake = None  # wrong gradients may look like somebody else's mistake
        autograd_is_wrong |= bool(result.mistake and result.mistake.id in WRONG_SUMS)
        yield result


def judge(check, inputs, answer):
    """Compare an answer with what was expected."""
    if answer.values is None:
        lines = answer.problem.split("\n")
        return Result(check, lines + _wrapped(check.when_it_raises), answer=answer)
    expected = check.expected(inputs)
    off = wrong_values(check, expected, answer.values)
    lines = [line for name in off[:2]
             for line in difference(name, answer.values.get(name), expected[name])]
    if len(off) > 2:
        lines.append("also off: " + ", ".join(off[2:])[:90])
    mistake = recognise(check, inputs, answer.values) if off else None
    return Result(check, lines, mistake, answer)


def warnings_of(results):
    """What is worth saying but costs nothing, each once."""
    found = []
    for result in results:
        if result.answer.values is not None:
            for name, advice in result.check.advice.items():
                if result.answer.values.get(name) is not True:
                    found.append(advice)
        found += result.answer.warnings
    return list(dict.fromkeys(found))


# ---- reporting

class Printer:
    """Prints for a person: in colour on a terminal, unless NO_COLOR is set."""

    def __init__(self):
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.problem = None
        self.last_error = None

    def paint(self, text, code):
        return "\x1b[%sm%s\x1b[0m" % (code, text) if self.colour else text

    def show(self, result):
        check = result.check
        if check.problem != self.problem:
            self.problem = check.problem
            print(self.paint("\n%s %s" % (check.problem, TITLES[check.problem]), "1"))
        mark = self.paint("ok  ", "32") if result.passed else self.paint("FAIL", "31")
        print("  %s  %-68s %s/%s" % (mark, check.name, result.points, check.points), flush=True)
        if not result.passed and check.points:
            self.explain(result)

    def explain(self, result):
        """What was run, what came of it, what it printed, which mistake it is."""
        check = result.check
        problem = result.answer.problem
        if "\n" in problem and problem == self.last_error:  # the same line of the same file
            self._block("what came of it:", ["the same as above: " + result.lines[0][:70]]
                        + _wrapped(check.when_it_raises))
            return
        self.last_error = problem
        self._block("in sandbox.py:", check.code.split("\n"))
        self._block("what came of it:", result.lines[:5])
        printed = result.answer.output.strip().split("\n") if result.answer.output.strip() else []
        if printed:
            more = ["..."] if len(printed) > 2 else []
            self._block("it printed:", ["| " + line[:90] for line in printed[:2]] + more)
        if result.mistake:
            self._block("the mistake:", _wrapped(result.mistake.message))
        print()

    def _block(self, title, lines):
        print("        " + self.paint(title, "36"))
        for line in lines:
            print("            " + line)


def _wrapped(text, width=80):
    lines = [""] if text else []
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def report(results, whole):
    """The report as INTERFACE.md gives it: a dict that goes into a JSON file."""
    scores = {}
    for result in results:
        if result.check.problem != "1.1.0":
            problem = result.check.problem
            scores[problem] = scores.get(problem, 0) + result.points
    out_of = sum(result.check.points for result in results)
    if whole:
        scores["3"] = 0
        out_of += MNIST_POINTS
    return {"scores": scores, "total": sum(scores.values()), "out_of": out_of,
            "checks": [{"problem": r.check.problem, "name": r.check.name, "points": r.points,
                        "out_of": r.check.points, "passed": r.passed,
                        "message": "\n".join(r.lines + ([r.mistake.message] if r.mistake else [])),
                        "mistake": r.mistake.id if r.mistake else None} for r in results],
            "warnings": warnings_of(results)}


def conclude(results, summary, printer):
    """The end of a run: warnings, MNIST's note, the total and the first thing to fix."""
    for text in summary["warnings"]:
        print(printer.paint("\nwarning: ", "33") + "\n         ".join(_wrapped(text)))
    if "3" in summary["scores"]:
        print(printer.paint("\n3 MNIST", "1"))
        print("        not autograded: 0 of 10 here, so that 100/110 is a full score;")
        print("        ./grade.sh m makes the plot that is graded by hand")
    print(printer.paint("\nTotal: %d/%d" % (summary["total"], summary["out_of"]), "1"))
    failed = [r for r in results if not r.passed and r.check.points]
    if failed:
        print("First fix: %s (handout, section %s)" % (failed[0].check.name,
                                                       failed[0].check.problem))
    print()


def arguments():
    parser = argparse.ArgumentParser(
        description="Score a submission on problems 1.1 to 2.6 of homework 1 part 1.")
    parser.add_argument("--submission", default=REPOSITORY, metavar="DIR_OR_TAR",
                        help="a folder that holds mytorch/, or a handin.tar (default: this one)")
    parser.add_argument("--problem", action="append", default=[], metavar="N",
                        help="only this problem, such as 2.4; may be given several times")
    parser.add_argument("--seed", type=int, default=11785,
                        help="what the random inputs are drawn from (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS",
                        help="time limit of a check (default: %(default)s)")
    parser.add_argument("--isolation", choices=("none", "auto", "require"), default="auto",
                        help="whether to run checks behind bubblewrap's wall: never, if it is "
                             "there, or not at all without it (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write a full report there")
    options = parser.parse_args()
    if options.seed < 0 or not 0 < options.timeout <= 3600:
        parser.error("--seed must not be negative, --timeout must be above 0 and at most 3600")
    options.checks = [check for check in CHECKS if not options.problem or any(
        check.problem == n or check.problem.startswith(n + ".") for n in options.problem)]
    for n in options.problem:
        if not any(c.problem == n or c.problem.startswith(n + ".") for c in CHECKS):
            parser.error("problem %s is not scored here; these are: %s" % (n, ", ".join(TITLES)))
    return options


def silence():
    """Print to nowhere from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(options, printer):
    """Grade, print and report; the exit code."""
    results = []
    if options.json:
        open(options.json, "a").close()  # better to know now than after grading
    with opened(options.submission) as root, \
            Worker(options.timeout, options.isolation) as worker:  # the report comes before its end
        for result in grade(worker, root, options.checks, options.seed):
            results.append(result)
            try:
                if len(results) == 1 and worker.notice:
                    print(worker.notice)
                printer.show(result)
            except BrokenPipeError:
                if not options.json:
                    raise
                silence()  # the report is still wanted
        summary = report(results, whole=not options.problem)
        if options.json:
            with open(options.json, "w") as file:
                json.dump(summary, file, indent=1)
        conclude(results, summary, printer)
        print(json.dumps({"scores": summary["scores"]}), flush=True)
    return 0


def main():
    options = arguments()
    if not hasattr(os, "fork"):
        print("the autograder needs Linux, macOS or WSL", file=sys.stderr)
        return 2
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda number, _: sys.exit(128 + number))  # cleans up, then ends
    try:
        return run(options, Printer())
    except BrokenPipeError:  # as in "runner.py | head"
        silence()
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (UnusableSubmission, OSError) as error:
        print("cannot grade: %s" % one_line(str(error)), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
