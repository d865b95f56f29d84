"""Grades a handin for Autolab: output as it comes, then formatted feedback, then the scores.

Any Python 3 can read this file, so that one that is too old says so itself.
"""

import json
import sys
from pathlib import Path

NOTHING = "Nothing was graded, ask the course staff: "
if sys.version_info < (3, 8):
    sys.exit(NOTHING + "the grader needs Python 3.8 or later, and this image has %d.%d"
             % sys.version_info[:2])
import grading  # noqa: E402


def show(line):
    print(line, end="", flush=True)


def feedback(outcome):
    """Autolab's table: a stage for each problem, in it the checks with a hint for each failure."""
    if outcome.report is None:
        return {"_presentation": "semantic", "stages": ["handin"], "handin": {
            "can be graded": {"passed": False, "hint": outcome.reason}}}
    stages = {}
    for check in outcome.report["checks"]:
        entry = {"passed": check["passed"]}
        if not check["passed"]:
            entry["hint"] = grading.hint(check)
        stages.setdefault(check["problem"], {})[check["name"]] = entry
    return {"_presentation": "semantic", "stages": list(stages), **stages}


def scores(outcome):
    """The points of what was graded here.

    Autolab sets each problem that is listed, again at each regrade: one that people grade is not.
    """
    problems = json.loads(Path(__file__).with_name("problems.json").read_text("utf-8"))
    earned = outcome.report["scores"] if outcome.report else dict.fromkeys(problems, 0)
    return {name: earned[name] for name in problems}


def main():
    sys.stdout.reconfigure(errors="replace")
    outcome = grading.grade(Path(sys.argv[1]), show)
    if outcome.report is None and not outcome.unusable:
        sys.exit(NOTHING + outcome.reason)
    if outcome.report is None:
        show("cannot grade: " + outcome.reason + "\nAll points are 0: the handin could not be "
             "graded.  Is it the handin.tar that ./create_tarball.sh makes?\n")
    print(json.dumps(feedback(outcome)))
    print(json.dumps({"scores": scores(outcome)}), flush=True)


main()
