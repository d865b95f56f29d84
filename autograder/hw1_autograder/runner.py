"""The local autograder: scores a submission on the problems of a homework.

    python3 autograder/hw1_autograder/runner.py [--submission DIR_OR_TAR] [--problem N]...

The questions are in the files that ``homework.py`` names; this one asks them and reports.  The
last line of its output is the scores as JSON.
"""

import argparse
import importlib
import json
import os
import random
import shlex
import sys
import zlib
from contextlib import suppress

try:
    import numpy as np
    import numpy.random  # noqa: F401 (else it comes late, and loses the exception of a signal)
except ImportError:
    print(f"runner.py: {sys.executable} has no numpy", file=sys.stderr)
    sys.exit(2)

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:  # as with python -I
    sys.path.insert(0, HERE)

import homework  # noqa: E402

for _name in homework.QUESTIONS:
    importlib.import_module(_name)  # its checks register themselves
from again import run_again  # noqa: E402
from judging.checks import CHECKS, TITLES  # noqa: E402
from judging.explain import explain  # noqa: E402
from judging.keys import ANY_SEED, key_of  # noqa: E402
from judging.observed import Observed  # noqa: E402
from judging.report import Printer, conclude, report  # noqa: E402
from judging.result import Result  # noqa: E402
from outside import ending  # noqa: E402
from outside.answers import one_line  # noqa: E402
from outside.client import Worker  # noqa: E402
from outside.submission import UnusableSubmission, opened  # noqa: E402

REPOSITORY = os.path.dirname(os.path.dirname(HERE))
SEED = homework.SEED


def inputs_of(check, seed):
    """Draw a check's inputs, by the seed and its own name, whatever ran before it."""
    key = zlib.crc32((check.problem + check.name).encode())
    inputs = check.inputs(np.random.default_rng([seed, key]))
    return {name: value.item() if isinstance(value, np.generic) else value
            for name, value in inputs.items()}


def grade(worker, root, checks, seed):
    """Put every check to the submission in the folder ``root``; yields Results."""
    failed = []
    worker.open(root)
    for check in checks:
        inputs = inputs_of(check, seed)
        result = Result(check, inputs, key_of(check, inputs), worker.run(check.source, inputs))
        alike = result.fell_like(failed)
        if alike:  # neither is the other's cause
            result.explanation = alike.explanation
        elif not result.passed:
            result.explanation = explain(result, observe(worker, result), failed)
        if not result.passed or result.advice:
            failed.append(result)
        yield result


def observe(worker, result):
    """Run a failed scenario once more and collect what is to be seen of its graph."""
    failure = result.answer.failure
    if failure and not failure.type:
        return Observed()  # it took too long, died or broke a rule
    return worker.observe(result.check.source, result.inputs)


def make_parser():
    parser = argparse.ArgumentParser(
        prog="./grade.sh 1",
        description=f"Score a submission on the problems of {homework.TITLE}.")
    parser.add_argument("numbers", nargs="*", metavar="N",
                        help="only this part, problem or check, such as 2, 2.4 or 2.4.3")
    parser.add_argument("--problem", action="append", default=[], metavar="N", help="the same as N")
    parser.add_argument("--submission", default=REPOSITORY, metavar="DIR_OR_TAR",
                        help="a folder that holds mytorch/, or a handin.tar (default: this one)")
    parser.add_argument("--again", metavar="N",
                        help="run only this check or problem, in this process, where print() and "
                             "a debugger work")
    parser.add_argument("--seed", help="what the random inputs are drawn from, a number or "
                        f"'random' (default: {SEED} for this folder, else random)"
                        if ANY_SEED else argparse.SUPPRESS)
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS",
                        help="time limit of a check (default: %(default)s)")
    parser.add_argument("--isolation", choices=("auto", "require", "none"), default="auto",
                        help="whether the kernel has to keep a submission from this machine: if "
                             "it can, without exception, or not at all (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write a full report there")
    return parser


def arguments():
    """Read the command's arguments; what makes no sense ends it, and says why."""
    parser = make_parser()
    options = parser.parse_args()
    if not 0 < options.timeout <= 3600:
        parser.error("--timeout must be above 0 and at most 3600")
    wanted = options.numbers + options.problem
    options.whole = not wanted
    options.checks = [check for check in CHECKS if not wanted
                      or any(is_part(check, number) for number in wanted)]
    for number in wanted + [options.again] * bool(options.again):
        if not any(is_part(check, number) for check in CHECKS):
            if number == homework.BY_HAND:
                parser.error(f"{number} is graded by hand: {homework.BY_HAND_HOW}")
            there = [check.number for check in CHECKS if number.startswith(check.problem + ".")]
            parser.error(f"{number} is not scored here; these are: {', '.join(there or TITLES)}")
    if options.again and (wanted or options.json or options.isolation == "require"):
        parser.error("--again runs a check in this process: it takes no other number, no --json "
                     "and no isolation")
    settle_the_seed(options, parser.error)
    if options.json:
        try:
            open(options.json, "a").close()  # better to know now than after grading
        except OSError as error:
            parser.error(f"cannot write {options.json}: {error.strerror}")
    return options


def is_part(check, number):
    """Tell whether a check has this number, or belongs to the problem that has it."""
    return (check.number + ".").startswith(number + ".")


def settle_the_seed(options, refuse):
    """Draw the seed where that is wanted, and for any submission that is not in this folder."""
    options.own = os.path.realpath(options.submission) == os.path.realpath(REPOSITORY)
    published = options.own or options.again or not ANY_SEED
    wanted = options.seed or (str(SEED) if published else "random")
    options.drawn = wanted == "random"
    if not (options.drawn or wanted.isdecimal()):
        refuse(f"--seed must be a number from 0 on or 'random', not {wanted}")
    options.seed = random.SystemRandom().randrange(10 ** 6) if options.drawn else int(wanted)


def to_repeat(options):
    """Return the options without which a check would run on something else.

    None where the seed was drawn, or where the code is somebody else's: then a teacher or a
    platform grades, and who reads it has it all elsewhere.
    """
    if options.drawn or not options.own:
        return None
    return [] if options.seed == SEED else ["--seed", str(options.seed)]


def again(options):
    """Run a check again in this process, or all of a problem; return the exit code."""
    if not options.own and sys.stdin and sys.stdin.isatty():
        print(f"The code in {options.submission} will run as yours, with all that you may do.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            return 2
    with opened(options.submission) as root:
        for check in CHECKS:
            if is_part(check, options.again):
                inputs = inputs_of(check, options.seed)
                right = run_again(check, inputs, key_of(check, inputs), os.path.abspath(root),
                                  options.timeout)
                if not right and to_repeat(options) is not None:
                    print("what the grader makes of it:",
                          shlex.join(["./grade.sh", "1", *to_repeat(options), check.number]))
    return 0


def cannot_grade(options, what, reason):
    """Say why nothing is graded, also in the report; return the exit code."""
    print(f"{what}: {reason}", file=sys.stderr)
    if options.json:
        with suppress(OSError), open(options.json, "w") as file:
            json.dump({"reason": reason, "unusable": what == "cannot grade"}, file)
    return 2


def silence():
    """Print to nowhere from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def grade_and_report(options, printer):
    """Grade, print and report; return the exit code."""
    results = []
    with opened(options.submission) as root, \
            Worker(options.timeout, options.isolation) as worker:  # the report comes before its end
        if options.seed != SEED:
            print(f"seed {options.seed}")
        for result in grade(worker, root, options.checks, options.seed):
            results.append(result)
            try:
                if len(results) == 1 and worker.notice:
                    print(worker.notice, file=sys.stderr)
                printer.show(result)
            except BrokenPipeError:
                if not options.json:
                    raise
                silence()  # the report is still wanted
        summary = report(results, options.whole, options.seed, worker.isolation)
        if options.json:
            with open(options.json, "w") as file:
                json.dump(summary, file, indent=1)
        conclude(results, summary, printer)
        print(json.dumps({"scores": summary["scores"]}), flush=True)
    return 0


def main():
    if sys.stdout is None:  # closed
        sys.stdout = open(os.devnull, "w")
    options = arguments()
    if not hasattr(os, "fork") and not options.again:
        print("the autograder needs Linux, macOS or WSL; --again works here", file=sys.stderr)
        return 2
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        if options.again:
            return again(options)
        ending.clean_up_first()
        return grade_and_report(options, Printer(to_repeat(options)))
    except BrokenPipeError:  # as in "runner.py | head"
        silence()
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except UnusableSubmission as error:
        return cannot_grade(options, "cannot grade", one_line(str(error)))
    except OSError as error:  # nothing that a student could mend
        return cannot_grade(options, "cannot grade here", one_line(str(error)))


if __name__ == "__main__":
    sys.exit(main())
