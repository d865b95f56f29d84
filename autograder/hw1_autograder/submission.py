"""Finds the submission: a folder, or a handin.tar that is unpacked where it can do no harm."""

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from contextlib import contextmanager

MOST_BYTES = 100 << 20
MOST_FILES = 10000
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open,  # by first bytes
           b"\xfd7zXZ": lzma.open, b"\x5d\0\0": lzma.open}


class UnusableSubmission(Exception):
    """There is nothing to grade; the message says why."""


@contextmanager
def opened(path):
    """Yield the folder that holds the submission's ``mytorch``.

    Raises:
        UnusableSubmission: there is none, or the archive is damaged, too large or unsafe.
    """
    folder = tempfile.mkdtemp(prefix="submission-")
    try:
        if os.path.isfile(path):
            _unpack(path, folder)
            root = folder
        elif os.path.isdir(path):
            root = path
        else:
            raise UnusableSubmission("there is no folder or archive %s" % path)
        yield _with_mytorch(root, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_mytorch(root, path):
    """``root``, or the only folder in it, whichever holds ``mytorch``."""
    inside = [os.path.join(root, name) for name in sorted(os.listdir(root))]
    for folder in [root] + [name for name in inside if os.path.isdir(name)]:
        if os.path.isdir(os.path.join(folder, "mytorch")):
            return folder
    raise UnusableSubmission("%s holds no folder mytorch/" % path)


def _unpack(path, folder):
    try:
        with _decompressed(path) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
            members = _safe_members(archive)
            if not members:
                raise UnusableSubmission("the archive %s is empty" % path)
            for member in members:
                _extract(archive, member, folder)
            _check_end(archive)
    except tarfile.ReadError:
        raise UnusableSubmission("%s is no tar archive, or it cannot be read to its end"
                                 % path) from None
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, MemoryError,
            RecursionError, lzma.LZMAError, zlib.error) as error:
        raise UnusableSubmission("%s cannot be unpacked: %s"
                                 % (path, getattr(error, "strerror", None) or error)) from None


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
            plain.write(block)
            if plain.tell() > MOST_BYTES:
                plain.close()
                raise _too_large()
    plain.seek(0)
    return plain


def _too_large():
    return UnusableSubmission("the archive unpacks to more than %d MB or %d files"
                              % (MOST_BYTES >> 20, MOST_FILES))


def _safe_members(archive):
    """The archive's folders and files, if it holds nothing else and is not too large."""
    members, total = [], 0
    for member in archive:
        total += max(member.size, 0)
        if total > MOST_BYTES or len(members) >= MOST_FILES:
            raise _too_large()
        if not (member.isfile() or member.isdir()):
            raise UnusableSubmission("the archive holds something that is no file or folder "
                                     "(a link or a device): %s" % member.name)
        parts = member.name.replace("\\", "/").split("/")
        if member.name.startswith("/") or ".." in parts:
            raise UnusableSubmission("the archive holds a path outside it: %s" % member.name)
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
