"""Grades every submission in a folder, several at a time.

A report for each upload is all the state there is: one that was made by this grader of this
submission is not made again, so an interrupted run goes on where it stopped.
"""

import hashlib
import json
import os
import stat
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import grading
import kit
import summary
import uploads
from kit import homework
from outside.submission import remove


def grade_all(folder, jobs, table=None, isolation=homework.ISOLATION, regrade=()):
    """Grade all submissions and write the table, a report each, and the summary.

    Args:
        folder (str): holds the submissions.
        jobs (int): how many are graded at a time.
        table (str): where the table goes, if not beside the folder with the rest.
        isolation (str): "require", "auto" or "none".
        regrade (sequence of str): students to grade again although nothing changed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise kit.CannotMake(f"there is no folder {folder}")
    found, notes = uploads.find(folder)
    again = [upload for text in regrade for upload in _called(text, found)]
    place = folder.resolve().parent / f"{folder.resolve().name}-grades"
    table = Path(table or place / "grades.csv")
    kit.check_target(table, parent=place)
    if table.exists() and not _is_table(table):
        raise kit.CannotMake(f"{table} would be written over; give another file for the table")
    with workplace(place) as scratch:
        _try_grader(isolation, scratch)
        rows = Class(found, place / "reports", again, isolation, scratch).grade(jobs)
        problems = kit.problems()
        text = summary.as_text(rows, problems, notes)
        for file, write in ((table, lambda path: summary.write_table(rows, problems, path)),
                            (place / "summary.txt",
                             lambda path: path.write_text(text, "utf-8", "replace")),
                            (place / "summary.png",
                             lambda path: summary.draw(rows, problems, path))):
            with kit.new_file(file, replace=True) as new:
                write(new)
    return f"{text}\n{table}\n{place / 'summary.png'}\n{place / 'reports'}{os.sep}"


def _is_table(path):
    """Tell whether a file is a table that was made before."""
    return path.is_file() and path.read_bytes().startswith(b"name,id,")


def _called(text, found):
    """Return the uploads of a student, called by name, by id, or by the report's name."""
    chosen = [upload for upload in found if text in (upload.name, upload.report) or any(
        text in (student.name, student.id) for student in upload.students)]
    if not chosen:
        raise kit.CannotMake(f"there is no submission of {text} to grade again")
    return chosen


def _try_grader(isolation, scratch):
    """Grade one problem of the solution here, so that what is amiss is said once and not of all."""
    outcome = grading.grade(kit.REPOSITORY, isolation=isolation, scratch=scratch,
                            options=["--problem", kit.problems()[0].number])
    if outcome.report is None:
        raise kit.CannotMake(f"the grader does not run here: {outcome.reason}")
    print(outcome.notes, end="", file=sys.stderr)


@contextmanager
def workplace(place):
    """Keep other runs out; yield a folder for temporary files.  The next run clears what a kill
    left.
    """
    import fcntl  # not to be had on Windows, where the grader does not run
    reports, note = place / "reports", place / ".running"
    reports.mkdir(parents=True, exist_ok=True)
    with open(note, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise kit.CannotMake(f"another ./grade.sh class is at work for {place}") from None
        file.seek(0)
        left = file.read()
        if Path(left).name.startswith("class-"):
            remove(left)
        for path in [*place.glob(".making-*"), *reports.glob(".making-*")]:
            path.unlink()
        scratch = tempfile.mkdtemp(prefix="class-")
        try:
            file.truncate(0)
            file.write(scratch)
            file.flush()
            os.chmod(scratch, 0o711)  # checks may run as another user
            yield scratch
        finally:
            remove(scratch)
            note.unlink()
            for folder in (reports, place):
                if not any(folder.iterdir()):
                    folder.rmdir()


def digest(path):
    """Hash what a file or a folder holds: its names, kinds and contents."""
    number = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        mode = file.lstat().st_mode
        number.update(f"{file.relative_to(path)}\0{stat.S_IFMT(mode)}\0".encode("utf-8", "replace"))
        if stat.S_ISLNK(mode):
            number.update(os.readlink(file).encode("utf-8", "replace"))
        elif stat.S_ISREG(mode):
            with open(file, "rb") as content:
                for block in iter(lambda: content.read(1 << 20), b""):
                    number.update(block)
    return number.hexdigest()


def nothing(reason):
    """Make a report without a grade."""
    return {"reason": reason, "scores": {}, "checks": [], "seconds": 0.0, "note": ""}


class Class:
    """The uploads to grade, and the processes that do it."""

    def __init__(self, found, reports, again, isolation, scratch):
        self.uploads = found
        self.reports = reports
        self.again = again
        self.isolation = isolation
        self.scratch = scratch
        self.running = set()
        self.stopped = threading.Event()
        self.grader = hashlib.sha256(b"".join(map(
            Path.read_bytes, [*kit.grader_files(), *kit.TOOLS]))).hexdigest()

    def grade(self, jobs):
        """Return all rows, in the order of names; print what comes of each at once."""
        done, pool = 0, ThreadPoolExecutor(jobs)
        futures = [pool.submit(self.row_of, upload) for upload in self.uploads]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                row = future.result()
                what = row["reason"] or f"{row['total']} points"
                print(f"{done}/{len(futures)}  {row['name']}: {what}{row['note']}", file=sys.stderr)
        except BaseException as error:
            self.stopped.set()
            for future in futures:
                future.cancel()
            for process in list(self.running):
                process.terminate()
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"{done} of {len(futures)} are graded; the same "
                                        "command goes on there") from None
            raise
        finally:
            pool.shutdown()
        return [future.result() for future in futures]

    def row_of(self, upload):
        """Return what came of an upload: its report, or why there is none."""
        try:
            report = nothing(upload.problem) if upload.problem else self.report_of(upload)
        except RecursionError:
            report = nothing("its folders are nested too deep")
        except OSError as error:
            report = nothing(f"cannot be read: {error}")
        return dict(report, name=upload.name, students=upload.students)

    def report_of(self, upload):
        """Return the report of before if nothing changed, else a new one."""
        path = self.reports / f"{upload.report}.json"
        key = f"{self.grader} {self.isolation} {digest(upload.path)}"
        before = None if upload in self.again else self.graded_before(path, key)
        return before or self.grade_one(upload, key, path)

    def graded_before(self, path, key):
        try:
            report = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return dict(report, note="  (as before)") if report.get("key") == key else None

    def grade_one(self, upload, key, path):
        outcome = grading.grade(upload.path, started=self.started, isolation=self.isolation,
                                scratch=self.scratch)
        if self.stopped.is_set():
            raise RuntimeError("stopped")
        report = {**nothing(outcome.reason), **(outcome.report or {}),
                  "key": (not outcome.reason or outcome.unusable) and key,
                  "seconds": round(outcome.seconds, 2)}
        for file, text in ((path.with_suffix(".txt"), outcome.text + outcome.notes),
                           (path, json.dumps(report, indent=1))):  # last: it says that all is done
            with kit.new_file(file, replace=True) as new:
                new.write_text(text, "utf-8", "replace")
        return report

    def started(self, process):
        self.running = {other for other in self.running if other.poll() is None} | {process}
        if self.stopped.is_set():
            process.terminate()
