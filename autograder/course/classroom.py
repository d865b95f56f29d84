"""Grades every submission in a folder, several at a time.

A report for each student is all the state there is: one that was made by this grader of this
submission is not made again, so an interrupted run goes on where it stopped.
"""

import hashlib
import json
import os
import re
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import grading
import kit
import summary

# What platforms make of a student's upload; "name" is the student, "version" counts uploads.
EXPORTED = (re.compile(r"(?P<name>[^@]+@[^_]+)_(?P<version>\d+)_.+"),  # Autolab
            re.compile(r"(?P<name>.+)_assignsubmission_file.*"))  # Moodle: Ann Lee_12345
METADATA = "submission_metadata.yml"  # Gradescope: who handed in submission_12345


def grade_all(folder, jobs, table=None):
    """Grade all submissions and write the table, a report each, and the summary."""
    folder = Path(folder)
    if not folder.is_dir():
        raise kit.CannotMake(f"there is no folder {folder}")
    uploads = submissions(folder, table)
    whole = folder.resolve()
    place = whole.parent / f"{whole.name}-grades"
    problems = kit.problems()
    if not table:
        place.mkdir(exist_ok=True)
        table = place / "grades.csv"
    with kit.new_file(table, replace=True) as new_table:
        (place / "reports").mkdir(parents=True, exist_ok=True)
        rows = Class(uploads, place / "reports").grade(jobs)
        summary.write_table(rows, list(problems), new_table)
    text = summary.as_text(rows, problems)
    for file, write in (("summary.txt", lambda path: path.write_text(text, "utf-8", "replace")),
                        ("summary.png", lambda path: summary.draw(rows, problems, path))):
        with kit.new_file(place / file, replace=True) as new:
            write(new)
    return f"{text}\n{table}\n{place / 'summary.png'}\n{place / 'reports'}{os.sep}"


def submissions(folder, table=None):
    """The submissions in a folder, without the table: a dict from the student's name to the upload.
    """
    people = _gradescope_names(folder / METADATA)
    found, versions, clashes = {}, {}, []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__MACOSX")) or entry.name == METADATA \
                or table and entry.resolve() == Path(table).resolve():
            continue
        name, version = people.get(entry.name), 0
        if name is None:
            name, version = _name_and_version(entry)
        if name in found and version == versions[name]:
            clashes.append(f"two submissions of {name}: {found[name].name} and {entry.name}")
        if version >= versions.get(name, 0):  # Autolab: the last one counts
            found[name], versions[name] = entry, version
    if not found:
        raise kit.CannotMake(f"{folder} holds no submissions (folders or archives, one a student)")
    files = {}
    for name in found:
        twin = files.setdefault(file_name(name).lower(), name)
        if twin != name:
            clashes.append(f"the names {twin} and {name} would share a report; rename "
                           f"{found[name].name}")
    if clashes:
        raise kit.CannotMake("; ".join(clashes))
    return found


def _name_and_version(entry):
    name = entry.name if entry.is_dir() else grading.ARCHIVE.sub("", entry.name)
    version = 0
    for pattern in EXPORTED:
        match = pattern.fullmatch(entry.name)
        if match:
            name, version = match.group("name"), int(match.groupdict().get("version", 0))
    return "".join(char if char.isprintable() else "?" for char in name), version


def _gradescope_names(path):
    """Who handed in what: a folder's name to e-mail addresses, from Gradescope's metadata."""
    people, folder = {}, None
    if path.is_file():
        for line in path.read_text("utf-8", "replace").splitlines():
            if re.match(r"\S+:\s*$", line):
                folder = line.strip().rstrip(":").strip("'\"")
            email = re.match(r"\s+:email:\s*(\S+)", line)
            if email and folder:
                people.setdefault(folder, []).append(email.group(1).strip("'\""))
    return {folder: ", ".join(emails) for folder, emails in people.items()}


def file_name(name):
    """A student's name as the name of a file."""
    return re.sub(r"[^\w@.,+ -]", "_", name)[:100]


def digest(path):
    """A number for what a file or a folder holds; another one as soon as anything changes."""
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


class Class:
    """The submissions to grade, and the processes that do it."""

    def __init__(self, uploads, reports):
        self.uploads = uploads
        self.reports = reports
        self.running = set()
        self.stopped = threading.Event()
        self.grader = hashlib.sha256(b"".join(
            path.read_bytes() for path in kit.grader_files())).hexdigest()

    def grade(self, jobs):
        """All rows, in the order of names."""
        progress = Progress(len(self.uploads))
        pool = ThreadPoolExecutor(jobs)
        futures = [pool.submit(self.row_of, name) for name in self.uploads]
        try:
            for future in as_completed(futures):
                progress.show(future.result())
        except BaseException as error:
            self.stopped.set()
            for future in futures:
                future.cancel()
            for process in list(self.running):
                process.terminate()
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"{progress.done} of {len(futures)} are graded; the same "
                                        "command goes on there") from None
            raise
        finally:
            pool.shutdown()
        return [future.result() for future in futures]

    def row_of(self, name):
        """A student's report: the one of before if nothing changed, else a new one."""
        path = self.reports / f"{file_name(name)}.json"
        try:
            key = f"{self.grader} {digest(self.uploads[name])}"
            row = self.graded_before(path, key)
            return row or self.grade_one(name, key, path)
        except (OSError, RecursionError) as error:  # also folders nested a thousand deep
            return {"student": name, "reason": f"cannot be read: {error}", "checks": [],
                    "scores": {}, "seconds": 0.0, "again": False}

    def graded_before(self, path, key):
        try:
            row = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return dict(row, again=True) if row.get("key") == key else None

    def grade_one(self, name, key, path):
        outcome = grading.grade(self.uploads[name], started=self.started)
        if self.stopped.is_set():
            return None
        row = {"student": name, "key": (not outcome.reason or outcome.unusable) and key,
               "seconds": round(outcome.seconds, 2), "reason": outcome.reason,
               "scores": {}, "checks": [], **(outcome.report or {})}
        for file, text in ((path.with_suffix(".txt"), outcome.text),
                           (path, json.dumps(row, indent=1))):  # last: it says that all is done
            with kit.new_file(file, replace=True) as new:
                new.write_text(text, "utf-8", "replace")
        return dict(row, again=False)

    def started(self, process):
        self.running = {other for other in self.running if other.poll() is None} | {process}
        if self.stopped.is_set():
            process.terminate()


class Progress:
    """How far grading has come: one line that is rewritten on a terminal, else a line each."""

    def __init__(self, total):
        self.total = total
        self.done = self.fresh = 0
        self.begin = time.monotonic()
        self.on_terminal = sys.stderr.isatty()

    def show(self, row):
        self.done += 1
        self.fresh += not row["again"]
        what = (row["reason"] or f"{row['total']} points") + "  (as before)" * row["again"]
        if not self.on_terminal:
            self.say(f"{self.done}/{self.total}  {row['student']}: {what}\n")
            return
        left = (time.monotonic() - self.begin) / max(self.fresh, 1) * (self.total - self.done)
        left = f"{left:.0f} seconds" if left < 90 else f"{left / 60:.0f} minutes"
        self.say(f"\r\x1b[K{self.done} of {self.total} graded, about {left} left, "
                 f"{row['student'][:30]}" + "\n" * (self.done == self.total))

    def say(self, text):
        sys.stderr.write(text)
        sys.stderr.flush()
