"""The wall around a submission, which bubblewrap (``bwrap``) builds from the system's own means.

Inside there is no network, no other process, no terminal, no /proc; to be read there are
Python, its packages less the toolboxes, and the submission; to be written, a folder in memory.
The worker keeps one right that it needs to give every check such walls of its own.
"""

import glob
import os
import shutil
import site
import sys

import numpy as np

from inside.imports import TOOLBOXES

ROOT, SCRATCH = "/submission", "/scratch"  # as seen from inside
HOW_TO_GET_IT = "install the package bubblewrap (apt install bubblewrap)"
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")


def sites():
    """The folders that packages are imported from."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    found = site.getsitepackages() + user + [os.path.dirname(os.path.dirname(np.__file__))]
    return [folder for folder in dict.fromkeys(found) if os.path.isdir(folder)]


def python():
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


def bubblewrap():
    return shutil.which("bwrap")


def command(root, repository):
    """What to put before a command so that it runs behind the wall."""
    arguments = [bubblewrap(), "--unshare-all", "--die-with-parent", "--new-session",
                 "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    for path in _libraries() + [repository] + sites():
        if path == repository:
            arguments += ["--tmpfs", path] if _seen(path, arguments) else []
        elif os.path.islink(path) and os.path.dirname(path) == "/":  # /lib to /usr/lib
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            arguments += ["--ro-bind", path, path]
    for path in _toolboxes():
        arguments += ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", os.devnull, path]
    for name in _of_the_submission(root):
        arguments += ["--ro-bind", os.path.join(root, name), os.path.join(ROOT, name)]
    for name in DEVICES:
        arguments += ["--dev-bind", name, name]
    return arguments + ["--tmpfs", SCRATCH, "--remount-ro", "/", "--chdir", SCRATCH]


def _libraries():
    home = os.path.dirname(os.path.dirname(python()))
    return (["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives",
             python(), os.path.join(home, "lib"), os.path.join(home, "lib64"),
             os.path.dirname(os.path.realpath(os.__file__))]
            + [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path])


def _seen(path, arguments):
    return any((path + os.sep).startswith(bound + os.sep) for bound in arguments)


def _toolboxes():
    """Where toolboxes are installed, in any folder that is to be seen."""
    folders = sites() + [found for path in _libraries() for found in glob.glob(
        os.path.join(path, "python*", "*-packages"))]
    folders = [os.path.realpath(folder) for folder in folders]
    names = TOOLBOXES + ("mytorch",)
    return [os.path.join(folder, name) for folder in dict.fromkeys(folders)
            for name in sorted(os.listdir(folder))
            if name.startswith(names) and not os.path.islink(os.path.join(folder, name))]


def _of_the_submission(root):
    """mytorch/, hw1/ and the Python files beside them; never what a link leads to."""
    return [entry.name for entry in os.scandir(root) if not entry.is_symlink()
            and (entry.is_dir() and entry.name in ("mytorch", "hw1")
                 or entry.is_file() and entry.name.endswith(".py"))][:100]
