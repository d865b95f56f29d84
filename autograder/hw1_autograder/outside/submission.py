"""Finds the submission in a folder or an archive, which is unpacked where it can do no harm.

Unpacking is done by this file as a program of its own, with limits on time and memory.
"""

import bz2
import gzip
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager, suppress

MOST_BYTES = 100 << 20
MOST_FILES = 10000  # and folders
MOST_DEPTH = 50
MOST_MEMORY = 1 << 30
MOST_SECONDS = 30
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open,  # by first bytes
           b"\xfd7zXZ": lzma.open, b"\x5d\0\0": lzma.open}
ARCHIVE = re.compile(r"\.(tar|tgz|tbz2|txz|tar\.\w+|zip)$", re.IGNORECASE)
ENGINE = "autograd_engine.py"  # a folder with this file is mytorch, whatever its name
TOO_DEEP = f"its folders are nested more than {MOST_DEPTH} deep"
NO_FILE = "it holds something that is no file or folder (a link or a device)"
TOO_LARGE = f"it holds more than {MOST_BYTES >> 20} MB or {MOST_FILES} files and folders"


class UnusableSubmission(Exception):
    """There is nothing to grade; the message says why."""


@contextmanager
def opened(path):
    """Yield the folder that holds the submission's ``mytorch``.

    Args:
        path (str): an archive or a folder; in it, or up to two folders deeper, is ``mytorch/``,
            or what is in ``mytorch``, or one archive more.

    Raises:
        UnusableSubmission: there is none, or an archive is damaged, too large or unsafe.
    """
    scratch = tempfile.mkdtemp(prefix="submission-")
    try:
        yield _found(path, path, scratch)
    finally:
        remove(scratch)


def _found(path, name, scratch, nested=False):
    """The folder that holds ``mytorch``; ``name`` is what messages call the path."""
    packed = not os.path.isdir(path)
    if packed and not os.path.isfile(path):
        raise UnusableSubmission(f"there is no folder or archive {name}")
    top = tempfile.mkdtemp(dir=scratch) if packed else path
    if packed:
        _unpack_apart(path, top, name)
    elif _holds_mytorch(top):
        return top
    levels = _levels(top)
    folders = sum(levels, [])
    holders = [list(filter(_holds_mytorch, level)) for level in levels]
    found = sum(holders, []) if packed else next(filter(None, holders), [])
    if found:
        return _only(found, top, name, "folders mytorch/", "mytorch")
    archives = [entry.path for folder in folders for entry in _inside(folder)
                if ARCHIVE.search(entry.name) and entry.is_file(follow_symlinks=False)]
    if archives and not nested:
        archive = _only(archives, top, name, "archives")
        return _found(archive, os.path.join(name, os.path.relpath(archive, top)), scratch, True)
    files = next((folder for folder in folders if os.path.isfile(os.path.join(folder, ENGINE))), "")
    if not files:
        raise UnusableSubmission(f"{name} holds no folder mytorch/, nor does a folder in it")
    _copy(files, os.path.join(scratch, "mytorch"))
    return scratch


def _holds_mytorch(folder):
    """Tell whether a folder holds the package, and not a repository of the same name."""
    inside = os.path.join(folder, "mytorch")
    return os.path.isdir(inside) and (os.path.isfile(os.path.join(inside, ENGINE))
                                      or not os.path.isdir(os.path.join(inside, "mytorch")))


def _only(paths, top, name, what, *more):
    """The only one of the paths."""
    if len(paths) > 1:
        names = " and ".join(os.path.join(os.path.relpath(path, top), *more).replace("./", "")
                             for path in paths[:2])
        raise UnusableSubmission(f"{name} holds {len(paths)} {what}: {names}; hand in one")
    return paths[0]


def _levels(top):
    """A folder, those in it, and those in these: three lists."""
    levels = [[top]]
    for _ in range(2):
        levels.append([entry.path for folder in levels[-1] for entry in _inside(folder)
                       if entry.is_dir(follow_symlinks=False)])
    return levels


def _inside(folder):
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not is_passed_over(entry.name)),
                          key=lambda entry: entry.name)
    except OSError as error:
        raise UnusableSubmission(f"{folder} cannot be read: {error.strerror}") from None


def is_passed_over(name):
    """Tell whether a file or folder is no part of a submission: a cache, or what macOS adds."""
    return name in ("__pycache__", "__MACOSX") or name[:1] == "." and name not in (".", "..")


# ---- copies

def copy(root, target):
    """Copy mytorch/, hw1/ and the Python files beside them, so that anybody can read the copy.

    Raises:
        UnusableSubmission: something cannot be read or is no file or folder, or it is too large
            or too deep.
    """
    _copy(root, target, lambda name: name in ("mytorch", "hw1") or name.endswith(".py"))


def _copy(root, target, wanted=lambda name: True):
    """Copy what is wanted of a folder, and all that is in it."""
    os.makedirs(target, exist_ok=True)
    left = [MOST_BYTES, MOST_FILES]
    try:
        for folder, names, files, handle in os.fwalk(root, onerror=_refuse):
            inside = os.path.relpath(folder, root)
            if inside.count(os.sep) > MOST_DEPTH:
                raise UnusableSubmission(TOO_DEEP)
            names[:], files = ([name for name in some if not is_passed_over(name)
                                and (inside != "." or wanted(name))] for some in (names, files))
            for name in names + files:
                _copy_one(name, handle, os.path.normpath(os.path.join(inside, name)), target, left)
    except OSError as error:
        raise UnusableSubmission(f"{error.filename} cannot be read: {error.strerror}") from None


def _refuse(error):
    raise error


def _copy_one(name, handle, path, target, left):
    """Copy a file or an empty folder of the open folder ``handle``."""
    mode, target = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode, f"{target}/{path}"
    left[1] -= 1
    if stat.S_ISDIR(mode):
        os.mkdir(target)
        os.chmod(target, 0o755)
    elif stat.S_ISREG(mode):
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
        with open(source, "rb") as file, open(target, "wb") as new:
            new.write(file.read(left[0] + 1))
            left[0] -= new.tell()
        os.chmod(target, 0o644)
    else:
        raise UnusableSubmission(f"{NO_FILE}: {path}")
    if min(left) < 0:
        raise UnusableSubmission(TOO_LARGE)


def remove(folder):
    """Remove a folder, whatever is in it, if that is possible at all."""
    with suppress(OSError):
        empty(folder)
        os.rmdir(folder)


def empty(folder):
    """Remove what is in a folder, whatever its modes and however deep its folders are nested."""
    here = os.open(folder, os.O_RDONLY)
    try:
        levels = [_remove_files(here)]  # down to here: the folders that are still to be removed
        while levels:
            if levels[-1]:
                os.chmod(levels[-1][-1], 0o700, dir_fd=here)
                here = _move(here, levels[-1][-1])
                levels.append(_remove_files(here))
            else:
                levels.pop()
                if levels:
                    here = _move(here, "..")
                    os.rmdir(levels[-1].pop(), dir_fd=here)
    finally:
        os.close(here)


def _remove_files(here):
    """Remove what is no folder from an open folder; the names of the folders."""
    with os.scandir(here) as entries:
        inside = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in inside:
        if not is_folder:
            os.unlink(name, dir_fd=here)
    return [name for name, is_folder in inside if is_folder]


def _move(here, name):
    """Open a folder in an open one, which is closed."""
    there = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    os.close(here)
    return there


# ---- archives

def _unpack_apart(path, folder, name):
    """Unpack in a process that may take 1 GB and 30 s."""
    try:
        done = subprocess.run([sys.executable, "-I", __file__, path, folder], timeout=MOST_SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise UnusableSubmission(f"{name} cannot be unpacked within {MOST_SECONDS} s") from None
    if done.returncode:
        reason = (done.stdout[-400:].decode(errors="replace")
                  or "its content takes more memory or time than it may")
        raise UnusableSubmission(f"the archive {name} cannot be unpacked: {reason}")


# ---- the program

def main():
    import resource  # not to be had on Windows, where the grader says so
    for name, most in (("AS", MOST_MEMORY), ("CPU", MOST_SECONDS), ("FSIZE", MOST_BYTES)):
        try:
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (most, most))
        except (ValueError, OSError):
            continue  # macOS has no limit of memory
    sys.stdout.reconfigure(errors="replace")
    try:
        _unpack(*sys.argv[1:])
    except (tarfile.ReadError, zipfile.BadZipFile):
        sys.exit(_say("it is no tar or zip archive, or it cannot be read to its end"))
    except MemoryError:
        sys.exit(_say(f"it takes more than {MOST_MEMORY >> 30} GB of memory"))
    except (UnusableSubmission, tarfile.TarError, EOFError, OSError, ValueError,
            OverflowError, RuntimeError, lzma.LZMAError, zlib.error) as error:
        sys.exit(_say(getattr(error, "strerror", None) or str(error)))


def _say(reason):
    print(reason[:300], end="", flush=True)
    return 1


def _unpack(path, folder):
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        with zipfile.ZipFile(path) as packed:
            _write(_ZipAsTar(packed), folder)
        return
    with _decompressed(path) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
        _write(archive, folder)
        _check_end(archive)


class _ZipAsTar:
    """A zip with the methods of a tar that are used here, so that the same rules hold for it."""

    def __init__(self, packed):
        self.packed = packed

    def __iter__(self):
        for info in self.packed.infolist():
            member = tarfile.TarInfo(info.filename)
            member.size = info.file_size  # no more than this is read
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 from Windows
            member.type = (tarfile.DIRTYPE if info.is_dir() else tarfile.REGTYPE
                           if kind in (0, stat.S_IFREG) else tarfile.SYMTYPE)
            yield member

    def extractfile(self, member):
        return self.packed.open(member.name)


def _write(archive, folder):
    members = _safe_members(archive)
    if not members:
        raise UnusableSubmission("it is empty")
    for member in members:
        _extract(archive, member, folder)


def _decompressed(path):
    """The archive without its compression, as an open temporary file of a bounded size.

    tarfile believes a header that says how much to read; here it finds no more than this.
    """
    with open(path, "rb") as file:
        start = file.read(6)
    opener = next((OPENERS[magic] for magic in OPENERS if start.startswith(magic)), open)
    plain = tempfile.TemporaryFile()
    with opener(path, "rb") as source:
        for block in iter(lambda: source.read(1 << 20), b""):
            if plain.tell() + len(block) > MOST_BYTES:
                raise UnusableSubmission(TOO_LARGE)
            plain.write(block)
    plain.seek(0)
    return plain


def _safe_members(archive):
    """The archive's folders and files, if it holds nothing unsafe and is not too large."""
    members, folders, total = [], set(), 0
    for member in archive:
        parts = member.name.replace("\\", "/").split("/")
        if any(map(is_passed_over, parts)):
            continue
        if len(parts) > MOST_DEPTH + 3:
            raise UnusableSubmission(TOO_DEEP)
        folders.update(tuple(parts[:i]) for i in range(1, len(parts)))
        total += max(member.size, 0)
        if total > MOST_BYTES or len(members) + len(folders) >= MOST_FILES:
            raise UnusableSubmission(TOO_LARGE)
        if not (member.isfile() or member.isdir()):
            raise UnusableSubmission(f"{NO_FILE}: {member.name}")
        if member.name.startswith("/") or ".." in parts:
            raise UnusableSubmission(f"it holds a path outside it: {member.name}")
        members.append(member)
    return members


def _check_end(archive):
    """After the last file there are zeros; tarfile takes a broken header, or none, for the end."""
    archive.fileobj.seek(archive.offset)
    rest = archive.fileobj.read()
    if len(rest) < tarfile.BLOCKSIZE or rest.strip(b"\0"):
        raise tarfile.ReadError("a damaged header, or the end is missing")


def _extract(archive, member, folder):
    """Write one member with plain file operations: no owners, modes or times from outside."""
    target = os.path.join(folder, *[part for part in member.name.split("/") if part])
    if member.isdir():
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with archive.extractfile(member) as source, open(target, "wb") as copy:
        shutil.copyfileobj(source, copy)


if __name__ == "__main__":
    main()
