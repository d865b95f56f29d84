"""Puts the grader to what a student uploaded, as a process of its own.

This file goes into the kits too: it needs Python and the grader's folder beside it, no more.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

HERE = Path(__file__).resolve().parent
GRADER = next(path.parent for folder in (HERE, HERE.parent)
              for path in folder.glob("*_autograder/runner.py"))
sys.path.insert(0, str(GRADER))
from homework import ISOLATION  # noqa: E402
RUNNER = GRADER / "runner.py"
LONGEST = 240  # seconds; the grader's own limits end far earlier
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


@dataclass
class Outcome:
    """What came of grading: the grader's report, or None and the reason.

    ``unusable`` is True where the handin is to blame that there is no report; else another try,
    or the course staff, may help.  ``text`` is what the student reads, ``notes`` what the grader
    says to the staff: how checks are isolated, or why it could not grade.
    """
    report: Optional[dict]
    reason: str
    unusable: bool
    text: str
    notes: str
    seconds: float


def grade(upload, show=None, started=None, isolation=ISOLATION, options=(), scratch=None):
    """Grade what a student uploaded; returns an Outcome.

    Args:
        upload (Path): an archive or a folder.
        show (function): gets each line of the grader's output as it comes, but for the scores.
        started (function): gets the process, so that the caller can end it.
        isolation (str): "require", "auto" or "none".
        options (sequence of str): more for the grader.
        scratch (str): where temporary files go, if not where they always do.
    """
    begin = time.monotonic()
    code, text, notes, content = 0, "", "", {}
    try:
        with tempfile.TemporaryDirectory(prefix="report-", dir=scratch) as folder:
            file = Path(folder, "report.json")
            code, text, notes = _run(
                ["--submission", upload, "--json", file, "--isolation", isolation, *options],
                show or (lambda line: None), started or (lambda process: None),
                scratch or tempfile.gettempdir())
            if file.exists() and file.stat().st_size:
                content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RuntimeError) as error:  # such as no more processes or threads
        content = {"reason": str(error), "unusable": False}
    seconds = time.monotonic() - begin
    if not code and "scores" in content:
        return Outcome(content, "", False, text, notes, seconds)
    last = ((text + notes).strip() or "no output").splitlines()[-1]
    reason = content.get("reason") or f"the grader ended with exit code {code}: {last}"
    return Outcome(None, reason, content.get("unusable", False), text, notes or f"{reason}\n",
                   seconds)


def _run(arguments, show, started, scratch):
    """Run the grader; its exit code, its output without the line of scores, and its errors."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            [sys.executable, "-u", str(RUNNER), *map(str, arguments)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", errors="replace",
            start_new_session=True,
            env={**os.environ, **ONE_THREAD, "TMPDIR": scratch, "PYTHONIOENCODING": "utf-8"})
        started(process)
        limit = threading.Timer(LONGEST, process.terminate)
        limit.start()
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                if len(lines) > 1:
                    show(lines[-2])
            code = process.wait()
            if code and lines:
                show(lines[-1])
            elif lines:
                lines.pop()  # the scores, which end a run that went well
        finally:
            limit.cancel()
            process.terminate()
            process.stdout.close()
            process.wait()
        errors.seek(0)
        return code, "".join(lines), errors.read()


def failures(report):
    """Return the failed checks that cost points."""
    return [check for check in report["checks"] if not check["passed"] and check["out_of"]]


def hint(check):
    """Return what to do about a failed check, or what its failure says first."""
    return check["hint"] or first_line(check)


def first_line(check):
    """Return what a failed check says first."""
    return (check["message"].splitlines() or ["failed"])[0]
