"""What the kits share: whole or nothing on disk, archives of the same bytes each time."""

import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from grading import GRADER  # with it, the grader's folder is on sys.path
import homework
from judging.tools import TOOLS

COURSE = Path(__file__).resolve().parent
REPOSITORY = COURSE.parent.parent
TEMPLATES = COURSE / "templates"
LICENSE = REPOSITORY / "mytorch" / "LICENSE"
RELEASED = 1599350400  # 6 September 2020, the date of every file in an archive


class CannotMake(Exception):
    """Why a kit cannot be made, in one line."""


@contextmanager
def new_folder(path):
    """Yield a folder that becomes ``path`` when all went well, and leaves nothing otherwise."""
    path = Path(path)
    exists = path.is_dir()
    if path.exists() and not (exists and not any(path.iterdir())):
        raise CannotMake(f"{path} exists{' and is not empty' if exists else ''}; give a new folder")
    if not path.parent.is_dir():
        raise CannotMake(f"there is no folder {path.parent}")
    if not exists:
        path.mkdir()
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=path))
    try:
        yield scratch
        for entry in sorted(scratch.iterdir()):
            entry.rename(path / entry.name)
        scratch.rmdir()
    except BaseException:
        shutil.rmtree(path if not exists else scratch)
        raise


def check_target(path, parent=None):
    """Raise CannotMake if a file cannot be put there; the folder ``parent`` will be made."""
    if path.is_dir():
        raise CannotMake(f"{path} is a folder; give a file")
    if path.parent != parent and not path.parent.is_dir():
        raise CannotMake(f"there is no folder {path.parent}")


@contextmanager
def new_file(path, replace=False):
    """Yield a file's path that becomes ``path`` when all went well."""
    path = Path(path)
    if path.exists() and not replace:
        raise CannotMake(f"{path} exists; give a new file")
    check_target(path)
    new = path.with_name(f".making-{path.name}")  # what a kill leaves, the next run replaces
    new.write_bytes(b"")  # it can be written, then
    try:
        yield new
        os.chmod(new, 0o644)
        os.replace(new, path)
    except BaseException:
        new.unlink()
        raise


def grader_files():
    """List the grader's own files, without its data."""
    return sorted(GRADER.rglob("*.py"))


def copy_file(top, path, folder):
    """Copy a file below ``top`` to the same place below ``folder``."""
    target = folder / path.relative_to(top)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def copy_grader(folder, *drivers):
    """Put the grader into a folder, and beside it what drives it on a platform."""
    for path in grader_files():
        if path.name != "test_mnist.py":  # people grade what comes of it
            copy_file(GRADER, path, folder / GRADER.name)
    for path in TOOLS:  # of the library, which stays here
        copy_file(path.parent, path, folder / GRADER.name / "tools")
    for path in (COURSE / "grading.py", LICENSE, *drivers):
        shutil.copyfile(path, folder / path.name)


def _inside(folder):
    """List what is in a folder, at any depth, in an order that is the same everywhere."""
    return sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())


def _mode(path):
    """Folders can be entered, and scripts be run: those whose first line says by what."""
    if path.is_dir():
        return 0o755
    with open(path, "rb") as file:
        return 0o755 if file.read(2) == b"#!" else 0o644


def pack_tar(folder, archive, top):
    """Pack a folder into a tar under the name ``top``, each folder ahead of what it holds."""
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in [folder, *_inside(folder)]:
            member = tarfile.TarInfo((Path(top) / path.relative_to(folder)).as_posix())
            member.mode, member.mtime = _mode(path), RELEASED
            if path.is_dir():
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = path.stat().st_size
                with open(path, "rb") as file:
                    tar.addfile(member, file)


def pack_zip(folder, archive):
    """Pack the files in a folder into a zip, uncompressed: no version of zlib changes the bytes."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in filter(Path.is_file, _inside(folder)):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2020, 9, 6, 0, 0, 0))
            member.create_system, member.external_attr = 3, (0o100000 | _mode(path)) << 16
            packed.writestr(member, path.read_bytes())


RULES = (
    ("NAME", "[a-z][a-z0-9_]*", "small letters, digits and _, first a letter, as in Ruby"),
    ("TITLE", ".+", "a line of text"), ("ABOUT", ".+", "a line of text"),
    ("SEED", r"\d+", "a number"), ("BY_HAND", r"\d+(\.\d+)*", "a problem, such as 3"),
    ("BY_HAND_TITLE", ".+", "a line of text"), ("BY_HAND_POINTS", r"\d+", "a number"),
    ("BY_HAND_HOW", ".+", "a line of text"), ("ISOLATION", "require|auto|none", ""),
    ("VISIBILITY", "visible|after_due_date|after_published|hidden", ""))


def check_homework():
    """Raise CannotMake if a constant in homework.py is not what it is made into."""
    for name, pattern, what in RULES:
        value = getattr(homework, name, None)
        if not re.fullmatch(pattern, str(value)):
            raise CannotMake(f"homework.py: {name} is {value!r}, but must be "
                             + (what or pattern.replace("|", " or ")))
    problems()  # none of which is graded by hand too, or this ends here


class Problem(NamedTuple):
    number: str
    title: str
    points: int


BY_HAND = Problem(homework.BY_HAND, homework.BY_HAND_TITLE, homework.BY_HAND_POINTS)


def problems():
    """List the problems that are graded here, in the order in which the questions have them."""
    from runner import CHECKS, TITLES

    points = {number: sum(check.points for check in CHECKS if check.problem == number)
              for number in TITLES}
    return [Problem(number, TITLES[number], points[number]) for number in TITLES if points[number]]
