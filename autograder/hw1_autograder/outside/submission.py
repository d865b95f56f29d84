"""Finds the submission: a folder, or a handin.tar that is unpacked where it can do no harm.

Unpacking is done by this file as a program of its own, with limits on time and memory.
"""

import bz2
import gzip
import lzma
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager

MOST_BYTES = 100 << 20
MOST_FILES = 10000
MOST_MEMORY = 1 << 30
MOST_SECONDS = 30
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open,  # by first bytes
           b"\xfd7zXZ": lzma.open, b"\x5d\0\0": lzma.open}
TOO_LARGE = f"it unpacks to more than {MOST_BYTES >> 20} MB or {MOST_FILES} files"


class UnusableSubmission(Exception):
    """There is nothing to grade; the message says why."""


@contextmanager
def opened(path):
    """Yield the folder that holds the submission's ``mytorch``.

    Raises:
        UnusableSubmission: there is none, or the archive is damaged, too large or unsafe.
    """
    if os.path.isdir(path):
        yield _with_mytorch(path, path)
        return
    if not os.path.isfile(path):
        raise UnusableSubmission(f"there is no folder or archive {path}")
    folder = tempfile.mkdtemp(prefix="submission-")
    try:
        os.chmod(folder, 0o755)  # checks may run as another user
        _unpack_apart(path, folder)
        yield _with_mytorch(folder, path)
    finally:
        remove(folder)


def remove(folder):
    """Remove a folder, whatever is in it, if that is possible at all."""
    for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["chattr", "-Rf", "-i"],
                    ["rm", "-rf"]):
        if os.path.lexists(folder):
            try:
                subprocess.run(command + [folder], stderr=subprocess.DEVNULL, timeout=60)
            except (OSError, subprocess.TimeoutExpired):
                continue  # some systems lack chattr


def _with_mytorch(root, path):
    """``root``, or the only folder in it, whichever holds ``mytorch``."""
    inside = [os.path.join(root, name) for name in sorted(os.listdir(root))]
    found = [folder for folder in [root] + [name for name in inside if os.path.isdir(name)]
             if os.path.isdir(os.path.join(folder, "mytorch"))]
    if not found:
        raise UnusableSubmission(f"{path} holds no folder mytorch/, nor does a folder in it")
    if len(found) > 1 and (root != path or found[0] != root):
        names = [os.path.relpath(os.path.join(folder, "mytorch"), root) for folder in found[:2]]
        raise UnusableSubmission(f"{path} holds two folders mytorch/: {' and '.join(names)}")
    if os.path.islink(os.path.join(found[0], "mytorch")):
        raise UnusableSubmission(f"mytorch in {found[0]} is a link; a folder is needed there")
    return found[0]


def _unpack_apart(path, folder):
    """Unpack in a process that may take 1 GB and 30 s."""
    try:
        done = subprocess.run([sys.executable, "-I", __file__, path, folder], timeout=MOST_SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise UnusableSubmission(f"{path} cannot be unpacked within {MOST_SECONDS} s") from None
    if done.returncode:
        reason = (done.stdout[-400:].decode(errors="replace")
                  or "its content takes more memory or time than it may")
        raise UnusableSubmission(f"the archive {path} cannot be unpacked: {reason}")


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
    """The archive's folders and files, if it holds nothing else and is not too large."""
    members, total = [], 0
    for member in archive:
        total += max(member.size, 0)
        if total > MOST_BYTES or len(members) >= MOST_FILES:
            raise UnusableSubmission(TOO_LARGE)
        if not (member.isfile() or member.isdir()):
            raise UnusableSubmission("it holds something that is no file or folder (a link or "
                                     f"a device): {member.name}")
        parts = member.name.replace("\\", "/").split("/")
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
