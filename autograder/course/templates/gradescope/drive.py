"""Grades a submission for Gradescope: writes results.json; the grader's own output is for staff."""

import json
import os
import sys
from pathlib import Path

import grading


def result_of(check):
    """A check as Gradescope shows it; one without points is information."""
    result = {"name": check["name"], "number": check["problem"],
              "status": "passed" if check["passed"] else "failed",
              "output": check["message"], "output_format": "text", "visibility": "visible"}
    if check["out_of"]:
        result.update(score=check["points"], max_score=check["out_of"])
    return result


def results(outcome):
    """What goes into results.json."""
    common = {"execution_time": round(outcome.seconds, 1), "visibility": "visible",
              "stdout_visibility": "hidden"}
    if outcome.report is None:
        return {"score": 0, "output": f"The submission could not be graded: {outcome.reason}\n"
                "Upload the handin.tar that ./create_tarball.sh makes.", **common}
    first = [f"First fix: {check['name']} (handout, section {check['problem']})"
             for check in grading.failures(outcome.report)[:1]]
    lines = [f"warning: {text}" for text in outcome.report["warnings"]] + first
    return {"output": "\n".join(lines + ["Problem 3, MNIST, is graded by hand."]),
            "tests": [result_of(check) for check in outcome.report["checks"]], **common}


def main():
    submission, folder = map(Path, sys.argv[1:])
    text = json.dumps(results(grading.grade(submission, lambda line: print(line, end=""))))
    scratch = folder / "results.json.new"
    scratch.write_text(text)
    os.replace(scratch, folder / "results.json")


main()
