"""Finds out who handed in what: a folder of submissions, named as platforms export them."""

import ast
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import kit
from outside.submission import ARCHIVE

# What platforms make of a student's upload: the name, what the platform knows the student by,
# and a number that grows with each upload.
EXPORTED = (
    re.compile(r"(?P<name>[^@]+@[^_]+)_(?P<version>\d+)_.+"),  # Autolab
    re.compile(r"(?P<name>.+)_(?P<participant>\d+)_assignsubmission_file_.*"),  # Moodle
    re.compile(r"(?P<name>[^_]+)(_LATE)?_(?P<id>\d+)_(?P<version>\d+)_.+"))  # Canvas
FOREIGN = re.compile(r"\.(rar|7z)$", re.IGNORECASE)  # archives that the grader does not unpack
NO_SUBMISSION = re.compile(r"\..*|__MACOSX.*|.*_onlinetext_.*|.*-grades")
METADATA = "submission_metadata.yml"  # Gradescope: who handed in submission_12345
SUBMITTERS = re.compile(r"^  :submitters:\s*\n((?:  - .*\n|    .*\n)*)", re.MULTILINE)
FIELD = re.compile(r"(?:  - |    ):(\w+):(?: (.*))?")


@dataclass(frozen=True)
class Student:
    """A student's name, and what the platform's gradebook is imported by, where that is known."""
    name: str
    id: str = ""

    def __str__(self):
        return "_".join(filter(None, [self.name, self.id]))


@dataclass
class Upload:
    """What one or several students handed in together."""
    path: Path
    students: list
    version: tuple = ()  # the highest counts
    problem: str = ""  # why it cannot be graded, if that is seen from outside
    report: str = ""  # the name of its report's file

    @property
    def name(self):
        return ", ".join(map(str, self.students))


def find(folder):
    """Find the uploads in a folder, one for each student or group, and notes on the rest.

    Raises:
        CannotMake: there are none.
    """
    submitters, notes = read_metadata(folder / METADATA)
    found, others, entries = {}, [], sorted(folder.iterdir())
    for entry in entries:
        if NO_SUBMISSION.fullmatch(entry.name) or entry.name == METADATA:
            continue
        upload = (Upload(entry, submitters[entry.name]) if entry.name in submitters else
                  _named(entry))
        if upload is None:
            others.append(printable(entry.name))
            continue
        other = found.setdefault(upload.name, upload)
        if upload.version > other.version:
            found[upload.name] = upload
        elif other is not upload and upload.version == other.version:
            other.problem = f"two submissions: {other.path.name} and {entry.name}; remove one"
    for name in sorted(submitters.keys() - {entry.name for entry in entries}):
        upload = Upload(folder / name, submitters[name], problem="its folder is missing")
        found.setdefault(upload.name, upload)
    if not found:
        raise kit.CannotMake(f"{folder} holds no submissions (folders or archives, one a student)")
    if others:
        notes.append(f"no folder or archive, passed over: {', '.join(others)}")
    _settle(list(found.values()))
    return list(found.values()), notes


def _settle(found):
    """See to it that no student is in two uploads, and that no two share a report."""
    owners, reports = {}, set()
    for upload in found:
        for student in upload.students:
            other = owners.setdefault(student, upload)
            if other is not upload:
                other.problem = upload.problem = (f"{student.name} is in two submissions: "
                                                  f"{other.path.name} and {upload.path.name}")
        plain = re.sub(r"[^\w@.,+ -]", "_", upload.name)
        plain = plain.encode("utf-8", "replace")[:200].decode("utf-8", "ignore")  # 255 are allowed
        number = next(number for number in itertools.count(1)
                      if (plain.lower(), number) not in reports)
        reports.add((plain.lower(), number))
        upload.report = plain if number == 1 else f"{plain} ({number})"


def _named(entry):
    """Return an upload as its name tells of it; None for a file that is nobody's."""
    is_link, is_folder = entry.is_symlink(), entry.is_dir()
    can_be_graded = is_folder or bool(ARCHIVE.search(entry.name))
    parts = next(filter(None, (pattern.fullmatch(entry.name) for pattern in EXPORTED)), None)
    if not (parts or can_be_graded or is_link or FOREIGN.search(entry.name)):
        return None
    parts = parts.groupdict() if parts else {
        "name": entry.name if is_folder else FOREIGN.sub("", ARCHIVE.sub("", entry.name))}
    participant = parts.get("participant")
    id = f"Participant {participant}" if participant else parts.get("id", "")
    return Upload(entry, [Student(printable(parts["name"]), id)],
                  (can_be_graded, int(parts.get("version", 0))),
                  "it is a link; a folder or an archive is needed" if is_link else "")


def printable(text):
    return "".join(char if char.isprintable() else "?" for char in text)


# ---- Gradescope's metadata: YAML as Ruby writes it, of which one list is read

def read_metadata(path):
    """Who handed in what: from a folder's name to its students; and what could not be read.

    A folder with a line that is not as Gradescope writes it goes by its own name.
    """
    found, odd = {}, []
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    for block in re.split(r"^(?=[^\s#-])", f"{text}\n", flags=re.MULTILINE):
        line = block.partition("\n")[0].strip()
        folder, people = line.strip("\"':"), []
        try:
            for line in (SUBMITTERS.search(block) or ["", ""])[1].splitlines():
                people += [{}] * line.startswith("  - ")
                key, value = FIELD.fullmatch(line).groups()
                people[-1] = {**people[-1], key: _value(value or "")}
        except (ValueError, SyntaxError, AttributeError):
            odd.append(f"{path.name} is not as Gradescope writes it, so {printable(folder)} goes "
                       f"by its folder: {printable(line.strip()[:60])}")
            continue
        if people:
            found[folder] = list(dict.fromkeys(
                Student(printable(one.get("name") or one.get("email") or folder),
                        printable(one.get("sid") or one.get("email") or "")) for one in people))
    return found, odd


def _value(text):
    """Read a scalar: plain, or in quotes."""
    text = text.strip()
    if text.startswith('"'):
        return str(ast.literal_eval(text))  # its escapes are Python's
    if text.startswith("'"):
        return re.fullmatch("'((?:[^']|'')*)'", text).group(1).replace("''", "'")
    if re.match(r"[&*|>!{\[]", text):
        raise ValueError(text)
    return text
