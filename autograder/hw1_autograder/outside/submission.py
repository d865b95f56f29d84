"""Finds the submission in a folder or an archive, which is unpacked where it can do no harm.

Unpacking is done by this file as a program of its own, with limits on time and memory.
"""

import lzma
import os
import re
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager, suppress
from functools import partial

MOST_BYTES = 100 << 20
MOST_FILES = 10000  # and folders
MOST_DEPTH = 50
MOST_PATH = 900
MOST_MEMORY = 1 << 30
MOST_SECONDS = 30
ARCHIVE = re.compile(r"\.(tar|tgz|tbz2|txz|tar\.\w+|zip)$", re.IGNORECASE)
ENGINE = "autograd_engine.py"  # a folder with this file is mytorch, whatever its name
TOO_DEEP = (f"its folders are nested more than {MOST_DEPTH} deep, or a path has more than "
            f"{MOST_PATH} characters")
NO_FILE = "it holds something that is no file or folder (a link or a device)"
TOO_LARGE = f"it holds more than {MOST_BYTES >> 20} MB or {MOST_FILES} files and folders"


class UnusableSubmission(Exception):
    """There is nothing to grade; the message says why."""


@contextmanager
def opened(path):
    """Yield the folder that holds the submission's ``mytorch``.

    Args:
        path (str): an archive or a folder; in it, or up to two folders deeper, is ``mytorch/``,
            else one archive more, else what is in ``mytorch``: the nearest counts.

    Raises:
        UnusableSubmission: there is none, or an archive is damaged, too large or unsafe.
    """
    if not (os.path.isdir(path) or os.path.isfile(path)):
        raise UnusableSubmission(f"there is no folder or archive {path}")
    scratch = tempfile.mkdtemp(prefix="submission-")
    try:
        yield _found(path, os.path.basename(os.path.abspath(path)), scratch)
    finally:
        remove(scratch)


def _found(path, name, scratch, nested=False):
    """Find the folder that holds ``mytorch``; ``name`` is what messages call the path."""
    top = path if os.path.isdir(path) else _unpacked(path, name, scratch)
    levels, folders = [], [top]
    for _ in range(3):
        levels.append([entry for folder in folders for entry in _inside(folder)])
        packages = [entry.path for entry in levels[-1] if _is_package(entry)]
        if packages:
            return os.path.dirname(_only(packages, top, name, "folders mytorch/"))
        folders = [entry.path for entry in levels[-1] if entry.is_dir(follow_symlinks=False)]
    archives = _nearest(levels, lambda entry: ARCHIVE.search(entry.name)
                        and entry.is_file(follow_symlinks=False))
    if archives and not nested:
        archive = _only(archives, top, name, "archives")
        return _found(archive, os.path.join(name, os.path.relpath(archive, top)), scratch, True)
    loose = _nearest(levels, lambda entry: entry.name == ENGINE)
    if loose:
        files = os.path.dirname(_only(loose, top, name, f"files {ENGINE}"))
        _write(_of_folder(files), os.path.join(scratch, "mytorch"))
        return scratch
    raise UnusableSubmission(f"{name} holds no folder mytorch/, nor does a folder in it")


def _nearest(levels, wanted):
    """Return the paths of what is wanted, on the first level that has any."""
    found = ([entry.path for entry in level if wanted(entry)] for level in levels)
    return next(filter(None, found), [])


def _is_package(entry):
    """Tell whether this is the folder mytorch, and not a repository of that name."""
    return entry.name == "mytorch" and entry.is_dir() and (
        os.path.isfile(os.path.join(entry.path, ENGINE))
        or not os.path.isdir(os.path.join(entry.path, "mytorch")))


def _only(paths, top, name, what):
    """Return the only one of the paths; refuse several."""
    if len(paths) > 1:
        names = " and ".join(os.path.relpath(path, top) for path in paths[:2])
        raise UnusableSubmission(f"{name} holds {len(paths)} {what}: {names}; hand in one")
    return paths[0]


def is_passed_over(name):
    """Tell whether a file or folder is no part of a submission: a cache, or what macOS adds."""
    return name in ("__pycache__", "__MACOSX") or name[:1] == "." and name not in (".", "..")


@contextmanager
def _reading():
    """Make what cannot be read the submission's fault."""
    try:
        yield
    except OSError as error:
        raise UnusableSubmission(f"{error.filename} cannot be read: {error.strerror}") from None


@_reading()
def _inside(folder):
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not is_passed_over(entry.name)),
                      key=lambda entry: entry.name)


# ---- writing what a folder or an archive holds

def copy(root, target):
    """Copy mytorch/, hw1/ and the Python files beside them, so that anybody can read the copy.

    Raises:
        UnusableSubmission: something cannot be read, or is refused.
    """
    _write(_of_folder(root, lambda name: name in ("mytorch", "hw1") or name.endswith(".py")),
           target)


def _write(entries, target):
    """Write files and folders without owners, modes or times from outside."""
    left, before = MOST_BYTES, os.umask(0o022)
    try:
        for parts, kind, opens in _allowed(entries):
            place = os.path.join(target, *parts)
            os.makedirs(place if kind == stat.S_IFDIR else os.path.dirname(place), exist_ok=True)
            if kind == stat.S_IFREG:
                with opens() as source:
                    content = source.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise UnusableSubmission(TOO_LARGE)
                with open(place, "wb") as new:
                    new.write(content)
    finally:
        os.umask(before)


def _allowed(entries):
    """Yield what is to be written; refuse links, devices, paths outside and too much.

    Args:
        entries (iterable): for each its path, its kind (as in ``stat``, 0 for what has none
            there) and a function that opens it.
    """
    names = set()
    for path, kind, opens in entries:
        parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
        if any(map(is_passed_over, parts)):
            continue
        if path.startswith("/") or ".." in parts:
            raise UnusableSubmission(f"it holds a path outside it: {path}")
        if len(parts) > MOST_DEPTH or len(path) > MOST_PATH:
            raise UnusableSubmission(TOO_DEEP)
        if kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise UnusableSubmission(f"{NO_FILE}: {path}")
        names.update(tuple(parts[:i + 1]) for i in range(len(parts)))
        if len(names) > MOST_FILES:
            raise UnusableSubmission(TOO_LARGE)
        yield parts, kind, opens
    if not names:
        raise UnusableSubmission("it is empty")


def _of_folder(root, wanted=lambda name: True):
    """Yield the entries of a folder; those at its top only if they are wanted."""
    with _reading():
        for folder, names, files, here in os.fwalk(root, onerror=_raise):
            top = folder == root
            names[:], files = ([name for name in some if not is_passed_over(name)
                                and (not top or wanted(name))] for some in (names, files))
            for name in names + files:
                mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
                yield (os.path.relpath(os.path.join(folder, name), root), stat.S_IFMT(mode),
                       partial(_open, name, here))


def _raise(error):
    raise error


@_reading()
def _open(name, folder):
    """Open a file in an open folder, and nothing that has taken its place."""
    return open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb")


def _of_archive(path):
    """Yield the entries of a zip, or of a tar whatever its compression."""
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        with zipfile.ZipFile(path) as packed:
            for info in packed.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16) or stat.S_IFREG  # none from Windows
                yield (info.filename, stat.S_IFDIR if info.is_dir() else kind,
                       partial(packed.open, info))
        return
    with tarfile.open(path) as packed:
        for member in packed:
            yield (member.name, stat.S_IFREG * member.isfile() + stat.S_IFDIR * member.isdir(),
                   partial(packed.extractfile, member))
        _check_end(packed)


def _check_end(archive):
    """After the last file there are zeros; tarfile takes a broken header, or none, for the end."""
    archive.fileobj.seek(archive.offset)
    rest = archive.fileobj.read()
    if len(rest) < tarfile.BLOCKSIZE or rest.strip(b"\0"):
        raise tarfile.ReadError("a damaged header, or the end is missing")


# ---- removing

def remove(folder):
    """Remove a folder, whatever is in it, if that is possible at all."""
    with suppress(OSError):
        empty(folder)
        os.rmdir(folder)


def empty(folder):
    """Remove what is in a folder, whatever its modes and however deep its folders are nested.

    The folders in a folder are moved up before it goes, so that no path gets long.
    """
    inside = list(os.scandir(folder))
    while inside:
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                for below in list(os.scandir(entry.path)):
                    if below.is_dir(follow_symlinks=False):
                        os.chmod(below.path, 0o700)
                        os.rename(below.path, tempfile.mkdtemp(dir=folder))
                    else:
                        os.unlink(below.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
        inside = list(os.scandir(folder))


# ---- the program that unpacks

def _unpacked(path, name, scratch):
    """Unpack an archive in a process that may take 1 GB and 30 s; returns the new folder."""
    folder = tempfile.mkdtemp(dir=scratch)
    try:
        done = subprocess.run([sys.executable, "-I", __file__, path, folder], timeout=MOST_SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise UnusableSubmission(f"{name} cannot be unpacked within {MOST_SECONDS} s") from None
    if done.returncode:
        reason = (done.stdout[-400:].decode(errors="replace")
                  or "its content takes more memory or time than it may")
        raise UnusableSubmission(f"{name} cannot be unpacked: {reason}")
    return folder


def main():
    import resource  # not to be had on Windows, where the grader says so
    for name, most in (("AS", MOST_MEMORY), ("CPU", MOST_SECONDS), ("FSIZE", MOST_BYTES)):
        with suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (most, most))
    sys.stdout.reconfigure(errors="replace")
    try:
        list(_allowed(_of_archive(sys.argv[1])))  # all is looked at before any is written
        _write(_of_archive(sys.argv[1]), sys.argv[2])
        return 0
    except (tarfile.ReadError, zipfile.BadZipFile):
        reason = "it is no tar or zip archive, or it cannot be read to its end"
    except MemoryError:
        reason = f"it takes more than {MOST_MEMORY >> 30} GB of memory"
    except (UnusableSubmission, tarfile.TarError, EOFError, OSError, ValueError,
            OverflowError, RuntimeError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
    print(reason[:300], end="", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
