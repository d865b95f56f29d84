"""Finds out who handed in what: a folder of submissions, named as platforms export them."""

import json
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
NO_SUBMISSION = re.compile(r"\..*|__MACOSX.*|.*_onlinetext_.*|.*-grades")
METADATA = "submission_metadata.yml"  # Gradescope: who handed in submission_12345


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

    @property
    def name(self):
        return ", ".join(map(str, self.students))

    @property
    def file_name(self):
        """The name as that of a file, at most 200 bytes long."""
        plain = re.sub(r"[^\w@.,+ -]", "_", self.name)
        return plain.encode("utf-8", "replace")[:200].decode("utf-8", "ignore")


def find(folder, table=None):
    """The uploads in a folder, one for each student or group, without the table.

    Raises:
        CannotMake: there are none, or it cannot be said which one counts.
    """
    submitters = read_metadata(folder / METADATA)
    found, clashes = {}, []
    for entry in sorted(folder.iterdir()):
        if NO_SUBMISSION.fullmatch(entry.name) or entry.name == METADATA \
                or table and entry.resolve() == Path(table).resolve():
            continue
        upload = (Upload(entry, submitters[entry.name]) if entry.name in submitters else
                  _named(entry))
        other = found.setdefault(upload.name, upload)
        if upload.version > other.version:
            found[upload.name] = upload
        elif other is not upload and upload.version == other.version:
            clashes.append(f"two submissions of {upload.name}: {other.path.name} and {entry.name}")
    if not found:
        raise kit.CannotMake(f"{folder} holds no submissions (folders or archives, one a student)")
    files = {}
    for upload in found.values():
        twin = files.setdefault(upload.file_name.lower(), upload)
        if twin is not upload:
            clashes.append(f"the names {twin.name} and {upload.name} would share a report; rename "
                           f"{upload.path.name}")
    if clashes:
        raise kit.CannotMake("; ".join(clashes))
    return list(found.values())


def _named(entry):
    """An upload as its name tells of it."""
    parts = next(filter(None, (pattern.fullmatch(entry.name) for pattern in EXPORTED)), None)
    parts = parts.groupdict() if parts else {"name": _without_ending(entry)}
    participant = parts.get("participant")
    id = f"Participant {participant}" if participant else parts.get("id", "")
    can_be_graded = entry.is_dir() or bool(ARCHIVE.search(entry.name))
    return Upload(entry, [Student(printable(parts["name"]), id)],
                  (can_be_graded, int(parts.get("version", 0))))


def _without_ending(entry):
    return entry.name if entry.is_dir() else ARCHIVE.sub("", entry.name)


def printable(text):
    return "".join(char if char.isprintable() else "?" for char in text)


# ---- Gradescope's metadata: YAML as Ruby writes it, of which one list is read

def read_metadata(path):
    """Who handed in what: from a folder's name to its students.

    Raises:
        CannotMake: the file is not as Gradescope writes it.
    """
    if not path.is_file():
        return {}
    found, entry, inside = {}, None, False
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        try:
            if re.match(r"[^\s#-]", line):
                entry = found.setdefault(_value(line.rstrip(": ")), [])
                inside = False
            elif line.rstrip() == "  :submitters:":
                inside = True
            elif inside and re.match("  - ", line):
                entry.append({})
                _read_field(entry, line[4:])
            elif inside and re.match("    ", line):
                _read_field(entry, line.strip())
            else:
                inside = False
        except (ValueError, IndexError, AttributeError):
            raise kit.CannotMake(f"{path}, line {number} is not as Gradescope writes it: "
                                 f"{printable(line.strip()[:60])}") from None
    return {folder: [Student(printable(one.get("name") or one.get("email") or folder),
                             printable(one.get("sid") or one.get("email") or ""))
                     for one in submitters]
            for folder, submitters in found.items() if submitters}


def _read_field(entry, text):
    key, value = re.fullmatch(r":(\w+):(?: (.*))?", text).groups()
    entry[-1][key] = _value(value or "")


def _value(text):
    """A scalar: plain, or in quotes."""
    text = text.strip()
    if text.startswith('"'):
        return str(json.loads(text))
    if text.startswith("'"):
        return re.fullmatch("'((?:[^']|'')*)'", text).group(1).replace("''", "'")
    if re.match(r"[&*|>!{\[]", text):
        raise ValueError(text)
    return text
