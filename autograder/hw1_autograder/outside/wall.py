"""What a submission may see of this machine, and the ways to start a process that sees no more.

In each of them the process confines itself (``inside/confine.py``).  Where bubblewrap (``bwrap``)
is installed and works, it also has a file system, a network and process numbers of its own.
"""

import glob
import os
import shutil
import site
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from inside.imports import TOOLBOXES

GIVEN, SCRATCH = "/given", "/scratch"  # as seen from inside bubblewrap
DEVICES = ["/dev/null", "/dev/zero", "/dev/urandom"]


@dataclass(frozen=True)
class Way:
    """One way to start the process that runs checks.

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
        who = f"user {self.user}" if self.user is not None else "the same user"
        return f"{'bubblewrap' if self.bubblewrap else 'a process'} as {who}"

    def command(self, folder, hidden):
        """What to put before a command so that it runs in this way.

        Args:
            folder (str): holds ``given``, to be read, and ``scratch``, to be written.
            hidden (str): a folder that is not to be seen.
        """
        if not self.bubblewrap:
            return []
        arguments = [self.bubblewrap, "--die-with-parent", "--new-session", "--cap-drop", "ALL",
                     "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
                     "--unshare-cgroup-try"]
        if self.user is not None:
            arguments += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        elif os.geteuid():
            arguments += ["--unshare-user"]
        paths = _libraries() + [hidden] + sites()
        for above in _folders_above(paths + DEVICES):  # else they would be closed to other users
            arguments += ["--dir", above]
        for path in paths:
            if path == hidden:
                arguments += ["--tmpfs", path] if _seen(path, arguments) else []
            elif os.path.islink(path) and os.path.dirname(path) == "/":  # /lib to /usr/lib
                arguments += ["--symlink", os.readlink(path), path]
            elif os.path.exists(path):
                arguments += ["--ro-bind", path, path]
        for path in _toolboxes():
            arguments += (["--tmpfs", path] if os.path.isdir(path)
                          else ["--ro-bind", os.devnull, path])
        for name in DEVICES:
            arguments += ["--dev-bind", name, name]
        return arguments + ["--ro-bind", os.path.join(folder, "given"), GIVEN,
                            "--bind", os.path.join(folder, "scratch"), SCRATCH,
                            "--remount-ro", "/", "--chdir", SCRATCH]

    def settings(self, folder, hidden):
        """What the process has to know: who it is, and what it may read, list and write."""
        given, scratch = ((GIVEN, SCRATCH) if self.bubblewrap else
                          (os.path.join(folder, "given"), os.path.join(folder, "scratch")))
        read, names, hidden = [given] + DEVICES, [], _toolboxes() + [hidden]
        for path in _libraries() + sites():
            _split(path, hidden, read, names)
        return {"user": self.user, "confined": self.confined, "sites": sites(), "given": given,
                "scratch": scratch, "read": read, "names": names, "write": [scratch, os.devnull]}


def ways(isolation, user):
    """The ways to start, the best first.

    Args:
        isolation (str): with "none", checks are not confined.
        user (int): the number of a user that nobody else is: checks are never root if they need
            not be.
    """
    users = [None] if os.geteuid() else [user, None]  # another user may not be able to read Python
    if isolation == "none":
        return [Way(None, user, confined=False) for user in users]
    programs = [bubblewrap(), None] if bubblewrap() else [None]
    return [Way(program, user) for program in programs for user in users]


def bubblewrap():
    return shutil.which("bwrap")


def python():
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


def sites():
    """The folders that packages are imported from."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    found = site.getsitepackages() + user + [os.path.dirname(os.path.dirname(np.__file__))]
    return [folder for folder in dict.fromkeys(found) if os.path.isdir(folder)]


def _libraries():
    home = os.path.dirname(os.path.dirname(python()))
    return (["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives",
             python(), os.path.join(home, "lib"), os.path.join(home, "lib64"),
             os.path.dirname(os.path.realpath(os.__file__))]
            + [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path])


def _folders_above(paths):
    above = [str(folder) for path in paths for folder in list(Path(path).parents)[-2::-1]]
    return [folder for folder in dict.fromkeys(above) if os.path.realpath(folder) == folder]


def _seen(path, arguments):
    return any((path + os.sep).startswith(bound + os.sep)
               for flag, bound in zip(arguments, arguments[1:]) if flag != "--dir")


def _toolboxes():
    """Where toolboxes are installed, in any folder that is to be seen."""
    folders = sites() + [found for path in _libraries() for found in glob.glob(
        os.path.join(path, "python*", "*-packages"))]
    folders = [os.path.realpath(folder) for folder in folders]
    names = TOOLBOXES + ("mytorch",)
    return [os.path.join(folder, name) for folder in dict.fromkeys(folders)
            for name in sorted(os.listdir(folder))
            if name.startswith(names) and not os.path.islink(os.path.join(folder, name))]


def _split(path, hidden, read, names):
    """Add what is to be read of a path, and the folders whose names are, around what is hidden."""
    path = os.path.realpath(path)
    if path in hidden:
        return
    if not any(one.startswith(path + os.sep) for one in hidden):
        read.append(path)
        return
    names.append(path)
    for name in os.listdir(path):
        _split(os.path.join(path, name), hidden, read, names)
