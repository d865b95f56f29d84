"""Grades a submission for Gradescope: writes results.json; what it prints is for staff."""

import json
import os
import sys
from pathlib import Path

import grading
from homework import VISIBILITY


def told(check):
    """What a student reads of a check: of a failed one also the code that ran, and on what."""
    if check["passed"]:
        return check["message"]
    code = "\n".join(f"| {line}" for line in check["code"].splitlines())
    return f"{code}\n{check['inputs']}\n{check['message']}"


def result_of(check):
    """A check as Gradescope shows it; one without points is information."""
    result = {"name": check["name"], "number": check["problem"],
              "status": "passed" if check["passed"] else "failed",
              "output": told(check), "output_format": "text", "visibility": VISIBILITY}
    if check["out_of"]:
        result.update(score=check["points"], max_score=check["out_of"])
    return result


def results(outcome):
    """What goes into results.json: on top the report that the grader prints, as it is."""
    common = {"execution_time": round(outcome.seconds, 1), "output_format": "text",
              "visibility": VISIBILITY, "stdout_visibility": "hidden"}
    if outcome.report is None:
        who = ("Upload the handin.tar that ./create_tarball.sh makes." if outcome.unusable else
               "Nothing was graded; ask the course staff.")
        return {"score": 0, "output": f"It could not be graded: {outcome.reason}\n{who}", **common}
    return {"output": outcome.text, "tests": [result_of(check) for check in
                                              outcome.report["checks"]], **common}


def main():
    submission, folder = map(Path, sys.argv[1:])
    outcome = grading.grade(submission)
    print(outcome.text + outcome.notes, end="")
    scratch = folder / "results.json.new"
    scratch.write_text(json.dumps(results(outcome)))
    os.replace(scratch, folder / "results.json")


main()
