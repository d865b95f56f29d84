"""Grades a handin for Autolab: output as it comes, then formatted feedback, then the scores."""

import json
import sys
from pathlib import Path

import grading


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


def main():
    sys.stdout.reconfigure(errors="replace")
    problems = json.loads(Path(__file__).with_name("problems.json").read_text("utf-8"))
    outcome = grading.grade(Path(sys.argv[1]), show)
    scores = dict.fromkeys(problems, 0)
    if outcome.report is None and not outcome.unusable:
        sys.exit(f"Nothing was graded, ask the course staff: {outcome.reason}")
    if outcome.report is None:
        show("\nAll points are 0: the handin could not be graded.  Is it the handin.tar that "
             "./create_tarball.sh makes?\n")
    else:
        scores.update(outcome.report["scores"])
    print(json.dumps(feedback(outcome)))
    print(json.dumps({"scores": scores}), flush=True)


main()
