"""The wall by itself: what a check gets hold of, or changes, when no hook is in its way.

Each attack is a scenario's text that sets ``loot`` to what it gained; nothing is expected.
Where the wall cannot be built, the same is tried against the hooks, as far as they hold.
"""

import contextlib
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from graded import PLAIN, variant
from outside import client, wall
from outside.client import GRADER, REPOSITORY, Worker

SECRET = os.path.join(GRADER, "hw1_autograder", "test_mlp.py")  # holds the references
SOLUTION = os.path.join(REPOSITORY, "mytorch", "nn", "batchnorm.py")
LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"

READING = {
    "open": "loot = open(SECRET).read()",
    "the solution": "loot = open(SOLUTION).read()",
    "os.open": "import os\nloot = os.read(os.open(SECRET, os.O_RDONLY), 99)",
    "a symbolic link": "import os\nos.symlink(SECRET, 'link')\nloot = open('link').read()",
    "a hard link": "import os\nos.link(SECRET, 'link')\nloot = open('link').read()",
    "a rename": "import os\nos.rename(SECRET, 'mine')\nloot = open('mine').read()",
    "a copy": "import shutil\nshutil.copyfile(SECRET, 'mine')\nloot = open('mine').read()",
    "/proc/self/root": "loot = open('/proc/self/root' + SECRET).read()",
    "/proc/1/root": "loot = open('/proc/1/root' + SECRET).read()",
    "the parent's folder by /proc":
        "import os\nloot = os.listdir('/proc/%d/cwd/' % os.getppid())",
    "the worker's memory":
        "import os\nloot = open('/proc/%d/mem' % os.getppid(), 'rb').read(1) or True",
    "the worker's environment": "import os\nloot = open('/proc/%d/environ' % os.getppid()).read()",
    "the worker's descriptors": "import os\nloot = os.listdir('/proc/%d/fd' % os.getppid())",
    "command lines": "import glob\nloot = [n for n in glob.glob('/proc/[0-9]*/cmdline') "
                     "if b'runner' in open(n, 'rb').read() or b'pytest' in open(n, 'rb').read()]",
    "inherited descriptors":
        "import os\nloot = []\n"
        "for fd in range(4, 1024):\n"
        "    try: os.fstat(fd); loot.append(fd)\n"
        "    except OSError: continue",
    "descriptors upwards":
        "import os\nloot = None\n"
        "for fd in range(1024):\n"
        "    for up in range(12):\n"
        "        try: loot = os.open('../' * up + SECRET[1:], os.O_RDONLY, dir_fd=fd)\n"
        "        except OSError: continue",
    "a folder's descriptor": "import os\nfolder = os.open(os.path.dirname(SECRET), os.O_RDONLY)\n"
                             "loot = os.read(os.open('test_mlp.py', 0, dir_fd=folder), 9)",
    "a folder above": "import os\nfolder = os.open('/', os.O_RDONLY)\n"
                      "loot = os.read(os.open(SECRET[1:], 0, dir_fd=folder), 9)",
    "chdir": "import os\nos.chdir(os.path.dirname(SECRET))\nloot = open('test_mlp.py').read()",
    "np.fromfile": "loot = np.fromfile(SECRET, np.uint8).size",
    "np.loadtxt": "loot = np.loadtxt(SECRET, str, delimiter='\\0', comments=None).size",
    "np.genfromtxt": "loot = np.genfromtxt(SECRET, str, delimiter='\\0', comments=None).size",
    "np.memmap": "loot = np.memmap(SECRET, np.uint8, 'r').size",
    "mmap": "import mmap, os\nloot = mmap.mmap(os.open(SECRET, 0), 0, prot=mmap.PROT_READ)[:9]",
    "linecache": "import linecache\nloot = linecache.getline(SECRET, 1)",
    "tokenize": "import tokenize\nloot = tokenize.open(SECRET).read()",
    "fileinput": "import fileinput\nloot = list(fileinput.input(SECRET))",
    "io.open_code": "import io\nloot = io.open_code(SECRET).read()",
    "the loader": "import importlib.machinery\n"
                  "loot = importlib.machinery.SourceFileLoader('x', SECRET).get_data(SECRET)",
    "an import": "import sys\nsys.path.insert(0, SECRET.rpartition('/')[0])\n"
                 "import test_mlp\nloot = test_mlp.__file__",
    "runpy": "import runpy\nloot = runpy.run_path(SECRET)",
    "zipimport": "import zipimport\nloot = zipimport.zipimporter(SECRET.rpartition('/')[0])",
    "inspect": "import __main__, inspect\nloot = 'expected' in inspect.getsource(__main__)",
    "readline": "import readline\nreadline.read_history_file(SECRET)\n"
                "loot = readline.get_current_history_length()",
    "sqlite3": "import sqlite3\nsqlite3.connect('x').execute('attach ? as y', (SECRET,))\nloot = 1",
    "ctypes": LIBC + "loot = libc.open(SECRET.encode(), 0) >= 0",
    "a mount": LIBC + "import os\nos.mkdir('m')\nlibc.mount(SECRET.rpartition('/')[0].encode(), "
                      "b'm', None, 4096, None)\nloot = os.listdir('m')",
    "a namespace, then a mount": LIBC + (
        "import os\nlibc.unshare(0x10000000 | 0x20000)\nos.mkdir('m')\n"
        "for what in (b'proc', b'sysfs', b'devtmpfs'): libc.mount(what, b'm', what, 0, None)\n"
        "libc.umount2(b'/scratch', 2)\nloot = os.listdir('m') or os.path.exists(SECRET)"),
    "chroot": LIBC + "import os\nlibc.unshare(0x10000000)\nos.mkdir('c')\nos.chroot('c')\n"
                     "os.chdir('../' * 20)\nloot = os.path.exists(SECRET)",
    "another namespace": LIBC + (
        "import os\nloot = [libc.setns(os.open('/proc/1/ns/mnt', 0), 0) == 0]\nloot = any(loot)"),
    "stat": "import os\nloot = os.path.exists(SECRET)",
    "a handle": LIBC + ("handle = ctypes.create_string_buffer(b'\\x08\\0\\0\\0\\1\\0\\0\\0'"
                        "+ b'\\2\\0\\0\\0' + bytes(40))\n"
                        "loot = libc.open_by_handle_at(-100, handle, 0) >= 0"),
    "home": "import os, pwd\nloot = os.listdir(pwd.getpwuid(os.getuid()).pw_dir)",
    "other submissions": "import os\nloot = os.listdir(OUTSIDE)",
    "password files": "loot = open('/etc/shadow').read() or open('/etc/passwd').read()",
    "an installed toolbox": "import glob, sys\nloot = [found for path in sys.path for name in "
                            "('torch', 'jax', 'tensorflow') for found in "
                            "glob.glob(path + '/' + name + '/*')]",
}
PROGRAMS = {
    "a shell": "import subprocess\nloot = subprocess.run(['/bin/sh', '-c', 'echo hi']).args",
    "os.system": "import os\nloot = os.system('true') == 0",
    "posix_spawn": "import os\nloot = os.posix_spawn('/bin/true', ['true'], {})",
    "_posixsubprocess": (
        "import os\nfrom multiprocessing.util import spawnv_passfds\n"
        "loot = os.waitpid(spawnv_passfds(b'/bin/true', [b'true'], ()), 0)[1] == 0"),
    "execve": LIBC + "import os\npid = os.fork()\nif not pid: libc.execv(b'/bin/true', None); "
                     "os._exit(9)\nloot = os.waitpid(pid, 0)[1] == 0",
    "libc.system": LIBC + "loot = libc.system(b'true') == 0",
}
REACHING = {
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)\nloot = 1",
    "an abstract socket": "import socket\ns = socket.socket(socket.AF_UNIX)\n"
                          "s.connect('\\0' + SOCKET)\nloot = 1",
    "interfaces": "import socket\nloot = [n for _, n in socket.if_nameindex() if n != 'lo']",
    "a netlink socket": "import socket\nloot = len(socket.if_nameindex()) > 1",
    "a signal": "import os\nos.kill(VICTIM, 9)\nloot = 1",
    "a signal to all": "import os\nos.kill(-1, 9)\nloot = 0",
    "a signal to its group": "import os, signal\nsignal.signal(15, signal.SIG_IGN)\n"
                             "os.killpg(0, 15)\nloot = 0",
    "a signal to its parent": "import os\nos.kill(os.getppid() or 1, 9)\nloot = 0",
    "a limit": "import resource\nresource.prlimit(VICTIM, resource.RLIMIT_CPU, (1, 1))\nloot = 1",
    "a priority": "import os\nos.setpriority(os.PRIO_PROCESS, VICTIM, 19)\nloot = 1",
    "ptrace": LIBC + "loot = libc.ptrace(16, VICTIM, 0, 0) == 0",
    "ptrace of its parent": LIBC + "import os\nparent = os.getppid()\n"
                                   "loot = parent > 0 and libc.ptrace(16, parent, 0, 0) == 0",
    "memory": LIBC + "buffer = ctypes.create_string_buffer(8)\n"
                     "iov = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)\n"
                     "loot = libc.process_vm_readv(VICTIM, iov, 1, iov, 1, 0) > 0",
    "a pidfd": "import os\nloot = os.pidfd_open(VICTIM) >= 0",
    "the terminal": "import os\nloot = os.open('/dev/tty', os.O_RDWR) >= 0",
    "typing into the terminal": "import fcntl, termios\nloot = []\nfor fd in range(9):\n"
                                "    try: loot.append(fcntl.ioctl(fd, termios.TIOCSTI, b'x'))\n"
                                "    except OSError: continue",
    "the teacher's terminal": "import os\nterminal = os.open(TERMINAL, os.O_RDWR)\n"
                              "os.write(terminal, b'gotcha')\nloot = 1",
    "the clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, time.time())\nloot = 1",
    "the host's name": "import socket\nsocket.sethostname('x')\nloot = 0",
    "shared memory": LIBC + "loot = libc.shmget(KEY, 0, 0) >= 0",
    "more rights": "import os\nos.setuid(0)\nloot = open('/etc/shadow').read()",
    "the kernel's settings": "open('/proc/sys/kernel/core_pattern', 'w').write('|/x')\nloot = 1",
    "a device": "import os, stat\nos.mknod('d', 0o600 | stat.S_IFBLK, os.makedev(254, 0))\n"
                "loot = os.open('d', os.O_RDONLY) >= 0",
    "the kernel's log": LIBC + "loot = libc.klogctl(3, ctypes.create_string_buffer(99), 99) > 0",
}
WRITING = {
    "a file": "open(OUTSIDE + '/new', 'w').write('x')\nloot = 1",
    "/tmp": "open('/tmp/written-by-a-check', 'w').write('x')\nloot = 1",
    "the grader": "open(SECRET, 'a').write('#')\nloot = 1",
    "the submission": "import mytorch.tensor as t\nopen(t.__file__, 'a').write('#')\nloot = 1",
    "beside the submission": "import mytorch.tensor as t, os\n"
                             "os.mkdir(os.path.dirname(t.__file__) + '/new')\nloot = 1",
    "an installed package": "open(np.__file__, 'a').write('')\nloot = 1",
    "the interpreter": "import os, sys\nos.chmod(sys.executable or os.__file__, 0o777)\nloot = 1",
    "a mode": "import os\nos.chmod(OUTSIDE, 0)\nloot = 1",
    "a device's mode": "import os\nos.chmod('/dev/null', 0o600)\nloot = 1",
    "a device's time": "import os\nos.utime('/dev/null', (1, 1))\nloot = 1",
    "an owner": "import os\nos.chown(OUTSIDE, 1, 1)\nloot = 1",
    "a removal": "import shutil\nshutil.rmtree(OUTSIDE)\nloot = 1",
    "the wall's own root": "open('/new', 'w')\nloot = 1",
    "shared memory": "open('/dev/shm/written-by-a-check', 'w')\nloot = 1",
    "a link through scratch": "import os\nos.symlink(OUTSIDE, 'o')\nopen('o/new', 'w')\nloot = 1",
    "a remount": LIBC + "loot = libc.mount(None, b'/', None, 32, None) == 0",
    "a remount in a namespace": LIBC + "import mytorch.tensor as t\nlibc.unshare(0x10020000)\n"
        "libc.mount(None, b'/submission/mytorch', None, 32 | 4096, None)\n"
        "open(t.__file__, 'a')\nloot = 1",
}
# The first leaves something; what the second finds of it is loot.
CARRYING = {
    "scratch": ("open('left', 'w')", "import os\nloot = os.listdir('.')"),
    "home": ("import os\nopen(os.path.expanduser('~/left'), 'w')",
             "import os\nloot = os.path.exists(os.path.expanduser('~/left'))"),
    "the temporary folder": ("import tempfile\ntempfile.mkdtemp()",
                             "import os, tempfile\nloot = os.listdir(tempfile.gettempdir())"),
    "the folder around": ("open('../left', 'w')", "import os\nloot = os.path.exists('../left')"),
    "a module": ("np.left = 1", "loot = hasattr(np, 'left')"),
    "a variable": ("import os\nos.environ['LEFT'] = '1'", "import os\nloot = 'LEFT' in os.environ"),
    "a process": ("import os\nif not os.fork():\n    os.setsid()\n    import socket, time\n"
                  "    s = socket.socket(socket.AF_UNIX); s.bind('\\0left'); s.listen()\n"
                  "    time.sleep(60)\nimport time; time.sleep(0.2)",
                  "import socket\ns = socket.socket(socket.AF_UNIX)\n"
                  "s.connect('\\0left')\nloot = 1"),
    "shared memory": (LIBC + "libc.shmget(77, 99, 0o1666)",
                      LIBC + "loot = libc.shmget(77, 0, 0) >= 0"),
    "semaphores": (LIBC + "libc.semget(77, 1, 0o1666)", LIBC + "loot = libc.semget(77, 0, 0) >= 0"),
    "a message queue": (LIBC + "libc.msgget(77, 0o1666)", LIBC + "loot = libc.msgget(77, 0) >= 0"),
    "the worker's limits": ("import os, resource\n"
                            "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (99, 99))",
                            "import os, resource\nloot = os.getppid() and "
                            "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)[0] == 99"),
    "compiled files": ("import mytorch.tensor as t, os\n"
                       "os.mkdir(os.path.dirname(t.__file__) + '/__pycache__')",
                       "import mytorch.tensor as t, os\n"
                       "loot = os.path.exists(os.path.dirname(t.__file__) + '/__pycache__')"),
    "process numbers": ("import os\nfor _ in range(50):\n    if not os.fork(): os._exit(0)\n"
                        "    os.wait()", "import os\npid = os.fork()\nif not pid: os._exit(0)\n"
                        "loot = pid > 40 and os.getpid() == 1"),
}

needs_the_wall = pytest.mark.skipif(
    not wall.bubblewrap() or not sys.platform.startswith("linux"),
    reason="bubblewrap is not installed: " + wall.HOW_TO_GET_IT)


@contextlib.contextmanager
def no_hooks():
    """Workers that start in here have no hooks in their checks; they must require the wall."""
    plain, client._text = client._text, lambda name: plain(name).replace(
        "sys.addaudithook(rules())", "sys.path")
    try:
        yield
    finally:
        client._text = plain


def attacks(worker, table, constants):
    """What each attack of a table gained, and what came of it."""
    start = "import numpy as np\n" + "".join(f"{k} = {v!r}\n" for k, v in constants.items())
    found = {}
    for name, texts in table.items():
        for text in texts if isinstance(texts, tuple) else (texts,):
            source = (start + "def scenario():\n    namespace = dict(globals())\n"
                      f"    exec({text!r}, namespace)\n"
                      "    return {'loot': bool(namespace.get('loot'))}\n")
            answer = worker.run(source, {})
        found[name] = answer
    return found


class Outside:
    """What is there to be lost: a folder, a process, a port, a socket, a terminal."""

    def __enter__(self):
        self.folder = os.path.realpath(subprocess.check_output(["mktemp", "-d"]).decode().strip())
        os.chmod(self.folder, 0o777)
        with open(os.path.join(self.folder, "secret"), "w") as file:
            file.write("x")
        self.victim = subprocess.Popen(["sleep", "600"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.socket = socket.socket(socket.AF_UNIX)
        self.name = "grader-test-%d" % os.getpid()
        if sys.platform.startswith("linux"):
            self.socket.bind("\0" + self.name)
            self.socket.listen()
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.before = self.state()
        return self

    def constants(self):
        return dict(SECRET=SECRET, SOLUTION=SOLUTION, OUTSIDE=self.folder, VICTIM=self.victim.pid,
                    PORT=self.listener.getsockname()[1], SOCKET=self.name,
                    TERMINAL=os.ttyname(self.slave), KEY=77)

    def state(self):
        """What must be the same afterwards."""
        changed = []
        for path in (GRADER, os.path.join(PLAIN, "mytorch"), self.folder, "/dev/null",
                     os.path.join(GRADER, "hw1_autograder")):
            changed.append((path, os.stat(path).st_mode, os.stat(path).st_uid))
            if os.path.isdir(path):
                changed += sorted((name, os.stat(os.path.join(path, name)).st_size)
                                  for name in os.listdir(path) if name != "__pycache__")
        return (changed, self.victim.poll(), os.path.exists("/tmp/written-by-a-check"),
                os.path.exists("/dev/shm/written-by-a-check"), socket.gethostname(),
                os.getpriority(os.PRIO_PROCESS, self.victim.pid))

    def __exit__(self, *exception):
        self.victim.kill()
        self.victim.wait()
        self.listener.close()
        self.socket.close()
        os.close(self.master)
        os.close(self.slave)
        shutil.rmtree(self.folder, ignore_errors=True)


TABLES = {"reading": READING, "programs": PROGRAMS, "reaching": REACHING, "writing": WRITING,
          "carrying": CARRYING}


def tried(isolation, tables=TABLES):
    """What came of all attacks, and whether anything outside changed."""
    with Outside() as outside, variant() as root, Worker(3, isolation) as worker:
        worker.open(root)
        assert worker.isolation == "bubblewrap" or tables is not TABLES  # some would do harm
        found = {kind: attacks(worker, table, outside.constants())
                 for kind, table in tables.items()}
        unchanged = outside.state() == outside.before
        try:
            typed = os.read(outside.master, 99)
        except BlockingIOError:
            typed = b""
    return found, unchanged, typed, worker.isolation


# ---- with the wall, and no hooks

@pytest.fixture(scope="module")
def behind_the_wall():
    with no_hooks():
        return tried("require")


def names(*kinds):
    return [(kind, name) for kind in kinds for name in TABLES[kind]]


def gained(found, kind, name):
    answer = found[kind][name]
    return answer.values is not None and answer.values["loot"]


@needs_the_wall
@pytest.mark.parametrize("kind, name", names(*TABLES))
def test_behind_the_wall_nothing_is_gained(behind_the_wall, kind, name):
    assert not gained(behind_the_wall[0], kind, name)


@needs_the_wall
def test_behind_the_wall_nothing_outside_is_changed_killed_or_typed(behind_the_wall):
    _, unchanged, typed, isolation = behind_the_wall
    assert isolation == "bubblewrap" and unchanged and typed == b""


@needs_the_wall
def test_behind_the_wall_a_check_works_as_ever():
    with Worker(5, "require") as worker:
        worker.open(PLAIN)
        answer = worker.run(ADDITION, {"a": 2., "b": 3.})
    assert answer.failure is None and answer.values["sum"] == 5 and worker.notice == ""


ADDITION = ("def scenario(a, b):\n    from mytorch.tensor import Tensor\n"
            "    open('new', 'w').close()\n    return {'sum': (Tensor(a) + Tensor(b)).data}\n")


# ---- without it, by the hooks alone

NEEDS_THE_WALL = {  # no audit event tells of these, or it tells too little
    ("reading", name) for name in (
        "readline", "stat", "home", "other submissions", "password files", "an installed toolbox",
        "the parent's folder by /proc", "the worker's descriptors", "command lines", "sqlite3")
} | {("programs", "_posixsubprocess")} | {
    ("reaching", name) for name in ("interfaces", "a netlink socket", "a priority", "a pidfd",
                                    "more rights", "a device")}
TOO_DANGEROUS = {  # to be tried where, if one hook were missing, they would do what they say
    ("reading", name) for name in ("a rename", "a hard link", "a mount", "chroot",
                                   "a namespace, then a mount")
} | {("reaching", name) for name in (
    "a signal to all", "a signal to its group", "a signal to its parent", "the clock",
    "the host's name", "the kernel's settings")
} | {("writing", name) for name in (
    "a device's mode", "a device's time", "the grader", "an installed package",
    "the interpreter", "a remount", "a remount in a namespace")}


@pytest.fixture(scope="module")
def behind_hooks():
    tables = {kind: {name: text for name, text in table.items()
                     if (kind, name) not in NEEDS_THE_WALL | TOO_DANGEROUS}
              for kind, table in TABLES.items()}
    return tried("none", tables)


@pytest.mark.parametrize("kind, name", [pair for pair in names(*TABLES)
                                        if pair not in NEEDS_THE_WALL | TOO_DANGEROUS])
def test_without_a_wall_the_hooks_stop_what_they_are_told_of(behind_hooks, kind, name):
    assert not gained(behind_hooks[0], kind, name)


def test_without_a_wall_the_hooks_keep_a_check_from_changing_files(behind_hooks):
    _, unchanged, typed, isolation = behind_hooks
    assert isolation == "hooks" and unchanged and typed == b""


def test_without_bubblewrap_a_line_says_so_and_how_to_get_it(monkeypatch):
    monkeypatch.setattr(wall, "bubblewrap", lambda: None)
    with Worker(5) as worker:
        worker.open(PLAIN)
        assert worker.run(ADDITION, {"a": 2., "b": 3.}).values["sum"] == 5
    assert "apt install bubblewrap" in worker.notice and "\n" not in worker.notice


@pytest.mark.parametrize("program", ["#!/bin/sh\necho no namespaces here >&2; exit 1\n",
                                     "#!/bin/sh\nexit 0\n", "no program"])
def test_a_bubblewrap_that_does_not_work_counts_as_none_and_the_line_says_why(
        monkeypatch, tmp_path, program):
    fake = tmp_path / "bwrap"
    fake.write_text(program)
    fake.chmod(0o755)
    monkeypatch.setattr(wall, "bubblewrap", lambda: str(fake))
    with Worker(5) as worker:
        worker.open(PLAIN)
        assert worker.run(ADDITION, {"a": 2., "b": 3.}).values["sum"] == 5
    assert "bubblewrap does not work here" in worker.notice
    with pytest.raises(client.NoWall), Worker(5, "require") as worker:
        worker.open(PLAIN)


# ---- what stays

def descendants(pid):
    """The processes below one, by number and start."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            parents[int(name), fields[19]] = int(fields[1])
    found, todo = set(), [pid]
    while todo:
        parent = todo.pop()
        children = [child for child in parents if parents[child] == parent]
        found.update(children)
        todo += [child for child, _ in children]
    return found


def alive(processes):
    left = set()
    for pid, start in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            if fields[19] == start and fields[0] != "Z":
                left.add(pid)
    return left


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("isolation", ["auto", "none"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM,
                                    signal.SIGINT])
def test_when_the_grader_is_ended_nothing_is_left_running(number, isolation, tmp_path):
    runner = os.path.join(GRADER, "hw1_autograder", "runner.py")
    with variant(("tensor.py", None, "while True: pass\n")) as root:
        process = subprocess.Popen([sys.executable, runner, "--submission", root, "--isolation",
                                    isolation, "--timeout", "60"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE,  # also if this runs under nohup
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
                                   env=dict(os.environ, TMPDIR=str(tmp_path)))
        deadline = time.monotonic() + 20
        started = set()
        while len(started) < (4 if isolation == "auto" and wall.bubblewrap() else 3):
            assert time.monotonic() < deadline
            time.sleep(0.05)
            started = descendants(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        while alive(started) and time.monotonic() < deadline + 5:
            time.sleep(0.05)
    assert not alive(started) and b"Traceback" not in errors
    assert number == signal.SIGKILL or list(tmp_path.iterdir()) == []
