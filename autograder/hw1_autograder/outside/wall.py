"""Decides what a submission may see of this machine, and how to start what sees no more.

The process confines itself (``inside/confine.py``), unless that is not possible and was not
required.  Where bubblewrap (``bwrap``) is installed and works, it also has a network and process
numbers of its own, and every file system is mounted so that it can only be read.
"""

import glob
import os
import shutil
import site
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from inside.confine import LIST, READ, WRITE
from inside.imports import TOOLBOXES

DEVICES = ["/dev/null", "/dev/zero", "/dev/urandom"]


@dataclass(frozen=True)
class Isolation:
    """How the process that runs checks is kept from this machine.

    Attributes:
        bubblewrap (str or None): the program, if it is used.
        user (int or None): whom the process becomes before all else; None: it stays who it is.
        confined (bool): whether it confines itself.
    """
    bubblewrap: Optional[str]
    user: Optional[int]
    confined: bool = True

    @property
    def name(self):
        if not self.confined:
            return "none"
        root = ", as root" if self.user is None and not os.geteuid() else ""  # without any right
        return ("bubblewrap" if self.bubblewrap else "kernel") + root

    def command(self, scratch):
        """Return what to put before a command so that it runs like this, writing to ``scratch``."""
        if not self.bubblewrap:
            return []
        users = (["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if self.user is not None
                 else ["--unshare-user"] if os.geteuid() else [])
        return [self.bubblewrap, "--die-with-parent", "--new-session", "--unshare-ipc",
                "--unshare-pid", "--unshare-net", "--unshare-uts", "--cap-drop", "ALL", *users,
                "--ro-bind", "/", "/", "--bind", scratch, scratch,
                *(word for name in DEVICES for word in ("--dev-bind", name, name))]


def isolations(wanted, user):
    """Return what to try, the best first.

    Args:
        wanted (str): with "none", checks are not confined; with "auto", rather so than not run.
        user (int): the number of a user that nobody else is: checks are never root if they need
            not be.
    """
    users = [user, None] if not os.geteuid() and is_open_to_all(python()) else [None]
    programs = [bubblewrap(), None] if bubblewrap() else [None]
    confined = [Isolation(program, user) for user in users for program in programs]
    return (confined * (wanted != "none")
            + [Isolation(None, user, confined=False) for user in users] * (wanted != "require"))


def is_open_to_all(path):
    """Tell whether every user may enter the folders above a file."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(path).parents)


def bubblewrap():
    return shutil.which("bwrap")


def python():
    """Return the interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


def sites():
    """Return the folders that packages are imported from."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    found = site.getsitepackages() + user + [os.path.dirname(os.path.dirname(np.__file__))]
    return [folder for folder in dict.fromkeys(found) if os.path.isdir(folder)]


def rules(given, scratch, hidden):
    """List what a check may do: pairs of rights and of files and folders, with all below them.

    It reads Python, its packages and the submission in the folder ``given``, but nothing of the
    folder ``hidden`` and no toolbox, and writes into ``scratch``.
    """
    home = os.path.dirname(os.path.dirname(python()))
    libraries = (["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", python(),
                  os.path.join(home, "lib"), os.path.join(home, "lib64"),
                  os.path.dirname(os.path.realpath(os.__file__))]
                 + [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path])
    packages = sites() + [found for path in libraries for found in glob.glob(
        os.path.join(path, "python*", "*-packages"))]
    toolboxes = [os.path.join(folder, name) for folder in set(map(os.path.realpath, packages))
                 for name in os.listdir(folder) if name.startswith((*TOOLBOXES, "mytorch"))]
    read, names = [given, *DEVICES], []
    for path in libraries + sites():
        _split(path, [hidden, *toolboxes], read, names)
    return [(READ, read), (LIST, names), (READ | WRITE, [scratch, os.devnull])]


def _split(path, hidden, read, names):
    """Add what is to be read of a path, and the folders whose names are, around what is hidden."""
    if path in hidden:  # also a link: what it leads to is not read by its way
        return
    path = os.path.realpath(path)
    if path in hidden or path in names:
        return
    if not any(one.startswith(path + os.sep) for one in hidden):
        read.append(path)
        return
    names.append(path)
    for name in os.listdir(path):
        _split(os.path.join(path, name), hidden, read, names)
