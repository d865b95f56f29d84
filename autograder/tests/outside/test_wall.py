"""The wall: what a check gets hold of, or changes, in each way to start that this system has.

Each attack is a scenario's text that sets ``loot`` to what it gained; nothing is expected.
"""

import contextlib
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from graded import PLAIN, change, variant
from inside import confine
from outside import client, wall
from outside.client import HOMEWORK, REPOSITORY, Worker
from outside.submission import UnusableSubmission

SECRET = os.path.join(HOMEWORK, "test_mlp.py")  # holds the references
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
        "libc.umount2(b'/scratch', 2)\nloot = os.listdir('m')"),
    "chroot": LIBC + "import os\nlibc.unshare(0x10000000)\nos.mkdir('c')\nos.chroot('c')\n"
                     "os.chdir('../' * 20)\nloot = open(SECRET).read()",
    "another namespace": LIBC + (
        "import os\nloot = [libc.setns(os.open('/proc/1/ns/mnt', 0), 0) == 0]\nloot = any(loot)"),
    "a handle": LIBC + ("handle = ctypes.create_string_buffer(b'\\x08\\0\\0\\0\\1\\0\\0\\0'"
                        "+ b'\\2\\0\\0\\0' + bytes(40))\n"
                        "loot = libc.open_by_handle_at(-100, handle, 0) >= 0"),
    "home": "import os, pwd\nloot = os.listdir(pwd.getpwuid(os.getuid()).pw_dir)",
    "other submissions": "import os\nloot = os.listdir(OUTSIDE)",
    "password files": "loot = open('/etc/shadow').read() or open('/etc/passwd').read()",
    "an installed toolbox": "import glob, sys\nloot = [open(found).read() for path in sys.path for "
                            "name in ('torch', 'jax', 'tensorflow') for found in "
                            "glob.glob(path + '/' + name + '/*.py')]",
    "a classmate": "import glob\nloot = open(glob.glob(OUTSIDE + '/../*/mytorch/tensor.py')[0])",
    "the session's keyring": LIBC + "loot = libc.syscall(NUMBERS['keyctl'], 0, -3, 0) > 0",
    "what is done in a folder": LIBC + "loot = libc.inotify_add_watch(libc.inotify_init(), "
                                       "OUTSIDE.encode(), 4095) >= 0",
    "memory in place of a file": "import os\nloot = os.memfd_create('x') >= 0",
    "a newer way to open":
        LIBC + "loot = libc.syscall(437, -100, SECRET.encode(), bytes(24), 24) >= 0",
    "a call of x32": LIBC + "loot = libc.syscall(1 << 30 | 2, SECRET.encode(), 0) >= 0",
    "a call of 32 bits": "import ctypes, mmap\ncode = mmap.mmap(-1, 4096, prot=7)\n"
                         "code.write(bytes.fromhex('b814000000cd80c3'))\n"
                         "address = ctypes.addressof(ctypes.c_char.from_buffer(code))\n"
                         "loot = ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0",
    "a file by its handle, opened by path": "import os\nfd = os.open(SECRET, os.O_PATH)\n"
                                            "loot = open('/proc/self/fd/%d' % fd).read()",
    "its own memory as a file": "loot = open('/proc/self/mem', 'r+b') or True",
    "the files that the submission's side runs":
        "import os\nloot = open('../../inside/worker.py').read()",
    "its place by its number": "import os\nfolder = os.open('../..', os.O_PATH)\n"
                               "loot = os.listdir(folder)",
    "a module's own file": "import inside.worker as w\nloot = open(w.__file__).read()",
    "a module's loader": "import inside.values as v\nloot = v.__loader__.get_source(v.__name__)",
    "a reopened descriptor": "import os\nfd = os.open(SECRET, os.O_PATH)\n"
                             "loot = os.read(os.open('/dev/fd/%d' % fd, 0), 9)",
    "a directory's names by its descriptor":
        "import os\nloot = os.listdir(os.open(OUTSIDE, os.O_PATH))",
    "sendfile": "import os\nloot = os.sendfile(1, os.open(SECRET, os.O_PATH), 0, 9)",
    "io_uring": LIBC + "loot = libc.syscall(425, 8, ctypes.create_string_buffer(200)) >= 0",
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
    "a fork": "import os\nloot = os.fork() or os._exit(0)",
    "a fork by number": LIBC + "import os\nloot = libc.syscall(NUMBERS['clone'], 17, 0, 0, 0, 0)\n"
                               "if not loot: os._exit(0)\nloot = loot > 0",
    "clone3": LIBC + "import os\nargs = (ctypes.c_uint64 * 8)(0, 0, 0, 0, 17)\n"
                     "loot = libc.syscall(435, args, 64)\nif not loot: os._exit(0)\n"
                     "loot = loot > 0",
    "multiprocessing": "import multiprocessing as m\n"
                       "process = m.get_context('fork').Process()\n"
                       "process.start()\nloot = process.pid",
    "a program in memory": LIBC + "import os\nfd = os.open('x', os.O_CREAT | os.O_RDWR, 0o700)\n"
                                  "os.write(fd, b'#!/bin/sh')\nos.close(fd)\n"
                                  "loot = libc.execve(b'x', None, None) == 0",
    "a vfork and a shell, by ctypes": LIBC + "loot = libc.popen(b'true', b'r') != 0",
    "a pseudo-terminal": "import pty\nloot = pty.fork()[0] or __import__('os')._exit(0)",
    "a thread": "import threading\nthread = threading.Thread(target=print)\n"
                "thread.start()\nloot = True",
}
REACHING = {
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)\nloot = 1",
    "an abstract socket": "import socket\ns = socket.socket(socket.AF_UNIX)\n"
                          "s.connect('\\0' + SOCKET)\nloot = 1",
    "interfaces": "import socket\nloot = [n for _, n in socket.if_nameindex() if n != 'lo']",
    **{f"a socket of family {family}": f"import socket\nsocket.socket({family}, {kind})\nloot = 1"
       for family, kind in ((16, 3), (17, 3), (38, 5), (40, 1), (44, 3))},  # packets, AF_ALG, vsock
    "a timer that signals another": LIBC + (
        "event = (ctypes.c_int * 16)(0, 0, 9, 4, VICTIM)\n"
        "loot = libc.timer_create(1, event, ctypes.create_string_buffer(8)) == 0"),
    "a trace of itself": LIBC + "loot = libc.ptrace(0, 0, 0, 0) == 0",
    "a name that hides it": LIBC + "loot = libc.prctl(15, b'x', 0, 0, 0) == 0",
    "secret memory": LIBC + "loot = libc.syscall(447, 0) >= 0",
    "a full disk cache": LIBC + "loot = libc.syncfs(1) == 0",
    "memory of the session": "from multiprocessing import shared_memory\n"
                             "loot = shared_memory.SharedMemory('x', True, 9)",
    "the session of another": "import os\nos.setpgid(0, os.getpgid(VICTIM))\nloot = 1",
    "dnotify": "import fcntl, os\nfcntl.fcntl(os.open('/usr/lib', 0), 1026, 255)\nloot = 1",
    "a larger pipe": "import fcntl, os\nloot = fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)",
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
    "a signal by its number": LIBC + "loot = libc.syscall(NUMBERS['tkill'], VICTIM, 9) == 0",
    "a signal by its pipe": "import fcntl, os, signal\nr, w = os.pipe()\n"
                            "fcntl.fcntl(r, fcntl.F_SETOWN, VICTIM)\n"
                            "fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)\n"
                            "os.write(w, b'x')\nloot = 1",
    "a queued signal": LIBC + "loot = libc.sigqueue(VICTIM, 9, None) == 0",
    "its parent's scheduling": "import os\nos.sched_setaffinity(os.getppid() or 1, {0})\nloot = 1",
    "its own end with the worker": LIBC + "loot = libc.prctl(1, 0, 0, 0, 0) == 0",
    "a pair of sockets": "import socket\nloot = socket.socketpair()",
    "the cloud's metadata": "import urllib.request\n"
                            "loot = urllib.request.urlopen('http://169.254.169.254', timeout=1)",
    "performance counters": LIBC + "loot = libc.syscall(NUMBERS['perf_event_open'], "
                                   "ctypes.create_string_buffer(128), 0, -1, -1, 0) >= 0",
    "page faults": LIBC + "loot = libc.syscall(NUMBERS['userfaultfd'], 1) >= 0",
    "programs in the kernel": LIBC + "loot = libc.syscall(NUMBERS['bpf'], 0, "
                                     "ctypes.create_string_buffer(128), 128) >= 0",
    "a namespace of its own": LIBC + "loot = libc.unshare(0x10000000) == 0",
    "a pidfd": "import os\nloot = os.pidfd_open(VICTIM) >= 0",
    "a descriptor of another":
        LIBC + "loot = libc.syscall(438, libc.syscall(434, VICTIM, 0), 1, 0) >= 0",
    "a file system of its own": LIBC + "loot = libc.syscall(430, b'tmpfs', 0) >= 0",
    "a higher limit": "import resource as r\nr.setrlimit(r.RLIMIT_FSIZE, (-1, -1))\nloot = 1",
    "a file of a terabyte": "open('x', 'wb').truncate(1 << 40)\nloot = 1",
    "a terabyte of memory": "import mmap\nmmap.mmap(-1, 1 << 40, flags=0x4022)\nloot = 1",
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
    "by opening to read": "import mytorch.tensor as t, os\n"
                          "os.open(t.__file__, os.O_RDONLY | os.O_TRUNC)\nloot = 1",
    "by its path": "import mytorch.tensor as t, os\nos.truncate(t.__file__, 0)\nloot = 1",
    "a time": "import os\nos.utime(OUTSIDE, (1, 1))\nloot = 1",
    "an attribute": "import os\nos.setxattr(OUTSIDE, 'user.x', b'x')\nloot = 1",
    "an installed package": "open(np.__file__, 'a').write('')\nloot = 1",
    "the interpreter": "import os, sys\nos.chmod(sys.executable or os.__file__, 0o777)\nloot = 1",
    "a mode": "import os\nos.chmod(OUTSIDE, 0)\nloot = 1",
    "a file's flags": "import fcntl, mytorch.tensor as t\n"
                      "fcntl.ioctl(open(t.__file__), 0x40086602, bytes([64] + 7 * [0]))\nloot = 1",
    "a lease on a file": "import fcntl, mytorch.tensor as t\n"
                         "fcntl.fcntl(open(t.__file__), fcntl.F_SETLEASE, fcntl.F_RDLCK)\nloot = 1",
    "a lock on a file": "import fcntl, mytorch.tensor as t\n"
                        "fcntl.flock(open(t.__file__), fcntl.LOCK_EX)\nloot = 1",
    "a lock on a part of it": "import fcntl, mytorch.tensor as t\n"
                              "fcntl.lockf(open(t.__file__), fcntl.LOCK_SH)\nloot = 1",
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
    "memory of nobody": (
        LIBC + "libc.shmat.restype = ctypes.c_void_p\nfor i in range(8):\n"
               "    at = libc.shmat(libc.shmget(78 + i, 64 << 20, 0o1666), None, 0)\n"
               "    ctypes.memset(at, 1, 64 << 20)\n    libc.shmdt(ctypes.c_void_p(at))",
        LIBC + "loot = libc.shmget(78, 0, 0) >= 0"),
    "a named queue": (LIBC + "libc.mq_open(b'/left', 0o102, 0o666, None)",
                      LIBC + "loot = libc.mq_open(b'/left', 0) >= 0"),
    "a key": (LIBC + "libc.syscall(NUMBERS['add_key'], b'user', b'left', b'x', 1, -4)",
              LIBC + "loot = libc.syscall(NUMBERS['request_key'], b'user', b'left', None, -4) > 0"),
    "deep folders": ("import os\nfor _ in range(2000): os.mkdir('d', 0o700); os.chdir('d')",
                     "import os\nloot = os.listdir('.')"),
    "the size of its folder's entry": (
        "for i in range(90): open('x' * 250 + str(i), 'w')",
        "import os\nsize = os.stat('.').st_size\nos.mkdir('d')\n"
        "loot = size > os.stat('d').st_size"),
    "a closed folder": ("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w')\nos.mkdir('e', 0)",
                        "import os\nloot = os.listdir('.')"),
    "flags of its input": ("import os\nos.set_blocking(0, False)",
                           "import os\nloot = not os.get_blocking(0)"),
    "a link around its folder": ("import os\nos.symlink('.', '../left')",
                                 "import os\nloot = os.path.islink('../left')"),
    "its folder, moved": ("import os\nhere = os.getcwd()\nos.rename(here, here + 'x')",
                          "import os\nloot = len(os.listdir('..')) != 1"),
    "a timer": ("import os, signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
                "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.37)\nos._exit(0)",
                "import signal\nloot = signal.getitimer(signal.ITIMER_REAL)[1] > 0.36"),
    "its folder's flags": (
        "import fcntl, os\nfcntl.ioctl(os.open('.', 0), 0x40086602, bytes([64] + 7 * [0]))",
        "import fcntl, os\nloot = fcntl.ioctl(os.open('.', 0), 0x80086601, bytes(8))[0] & 64"),
    "compiled files": ("import mytorch.tensor as t, os\n"
                       "os.mkdir(os.path.dirname(t.__file__) + '/__pycache__')",
                       "import mytorch.tensor as t, os\n"
                       "loot = os.path.exists(os.path.dirname(t.__file__) + '/__pycache__')"),
}

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


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
                    TERMINAL=os.ttyname(self.slave), KEY=77,
                    NUMBERS=confine.numbers(confine.REFUSED + confine.IN_PART))

    def state(self):
        """What must be the same afterwards."""
        changed = []
        for path in (os.path.dirname(HOMEWORK), HOMEWORK, os.path.join(PLAIN, "mytorch"),
                     self.folder, "/dev/null"):
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
USER = 61184
WAYS = {f"{'bubblewrap' if program else 'a process'}, {'a' if user else 'the same'} user":
        wall.Isolation(program, user)
        for program in [wall.bubblewrap(), None][not wall.bubblewrap():]
        for user in ([None] if os.geteuid() else [USER, None])}


@contextlib.contextmanager
def in_one_way(way):
    """Workers that start in here have no choice."""
    plain, wall.isolations = wall.isolations, lambda isolation, user: [way]
    try:
        yield
    finally:
        wall.isolations = plain


@pytest.fixture(scope="module", params=WAYS)
def tried(request):
    """What came of all attacks in one way, whether anything outside changed, and what was typed."""
    with in_one_way(WAYS[request.param]), Outside() as outside, variant() as root, \
            Worker(3, "require") as worker:
        try:
            worker.open(root)
        except OSError as error:
            if WAYS[request.param] == wall.Isolation(None, None):  # nothing keeps it from working
                raise
            pytest.skip(str(error))
        found = {kind: attacks(worker, table, outside.constants())
                 for kind, table in TABLES.items()}
        unchanged = outside.state() == outside.before
        try:
            typed = os.read(outside.master, 99)
        except BlockingIOError:
            typed = b""
        left = (set() if worker.isolation.startswith("bubblewrap")
                else alive(descendants(worker.process.pid)))
    return found, unchanged, typed, left


def gained(found, kind, name):
    answer = found[kind][name]
    return answer.values is not None and answer.values["loot"]


@on_linux
@pytest.mark.parametrize("kind", TABLES)
def test_nothing_is_gained_in_any_way_to_start(tried, kind):
    assert [name for name in TABLES[kind] if gained(tried[0], kind, name)] == []


@on_linux
def test_nothing_outside_is_changed_killed_typed_or_left_running(tried):
    assert tried[1:] == (True, b"", set())


@on_linux
@pytest.mark.parametrize("name", WAYS)
def test_a_check_works_as_ever_in_every_way_to_start(name):
    with in_one_way(WAYS[name]), Worker(5, "require") as worker:
        try:
            worker.open(PLAIN)
        except OSError as error:
            pytest.skip(str(error))
        answer = worker.run(ADDITION, {"a": 2., "b": 3.})
    assert answer.failure is None and answer.values["sum"] == 5


ADDITION = ("def scenario(a, b):\n    from mytorch.tensor import Tensor\n"
            "    open('new', 'w').close()\n    return {'sum': (Tensor(a) + Tensor(b)).data}\n")


@on_linux
@pytest.mark.parametrize("machine, header", [("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"),
                                             ("aarch64", "asm-generic/unistd.h")])
def test_the_numbers_of_system_calls_are_the_kernels(machine, header, monkeypatch):
    if not os.path.exists(f"/usr/include/{header}"):
        pytest.skip("the kernel's headers are not installed")
    with open(f"/usr/include/{header}") as file:
        theirs = {name: int(number) for name, number in re.findall(
            r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read())}
    monkeypatch.setattr(confine, "MACHINE", machine)
    for table in (confine.REFUSED, confine.IN_PART):
        ours = confine.numbers(table)
        assert ours == {name: theirs[name] for name in ours}
        assert set(table.split()[::3]) & set(theirs) == set(ours)  # none is said to be missing


def decision(code, architecture, number, *arguments):
    """What the kernel answers to a call when it reads a filter."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    program, at, loaded = list(struct.iter_unpack("=HBBI", code)), 0, 0
    while program[at][0] != confine.RETURN:
        operation, if_so, if_not, value = program[at]
        if operation == confine.LOAD:
            loaded, = struct.unpack_from("=I", data, value)
        else:
            so = {confine.EQUAL: loaded == value, confine.AT_LEAST: loaded >= value,
                  confine.ANY_BIT: loaded & value}[operation]
            at += if_so if so else if_not
        at += 1
    return program[at][3]


@on_linux
@pytest.mark.parametrize("machine, read, another", [("x86_64", 0, 0x40000003),
                                                    ("aarch64", 63, 0x40000028)])
def test_the_filter_decides_the_same_on_every_machine(machine, read, another, monkeypatch):
    monkeypatch.setattr(confine, "MACHINE", machine)
    code, part = confine.make_filter(), confine.numbers(confine.IN_PART)

    def answer(number, *arguments):
        return decision(code, confine.ARCHITECTURES[machine][0], number, *arguments)

    refused = confine.numbers(confine.REFUSED).values()
    assert {answer(number) for number in refused} == {confine.REFUSE}
    assert answer(read) == answer(part["prlimit64"], 0) == confine.ALLOW
    assert answer(part["prlimit64"], 7) == confine.REFUSE
    assert answer(confine.NEW) == answer(1 << 30 | 2) == confine.UNKNOWN  # also x32's
    assert decision(code, another, read) == confine.KILL
    assert [answer(part["fcntl"], 3, command) for command in (3, 1030)] == [confine.ALLOW] * 2
    assert [answer(part["fcntl"], 3, command) for command in (5, 6, 7, 8, 10, 1024)] == [
        confine.REFUSE] * 6
    opened = {flags: answer(part["openat"], 3, 0, flags) for flags in (
        os.O_RDONLY, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC, os.O_TRUNC)}
    assert list(opened.values()) == [confine.ALLOW] * 3 + [confine.REFUSE]


# ---- one decision

@on_linux
@pytest.mark.parametrize("program", [None, "#!/bin/sh\necho no namespaces here >&2; exit 1\n",
                                     "#!/bin/sh\nexit 0\n", "no program"])
def test_without_a_bubblewrap_that_works_the_kernel_alone_keeps_it(monkeypatch, tmp_path, program):
    fake = tmp_path / "bwrap"
    fake.write_text(program or "")
    fake.chmod(0o755)
    monkeypatch.setattr(wall, "bubblewrap", lambda: program and str(fake))
    with Worker(5, "require") as worker:
        worker.open(PLAIN)
        assert worker.run(ADDITION, {"a": 2., "b": 3.}).values["sum"] == 5
        assert worker.isolation.partition(",")[0] == "kernel"


def change_inside(monkeypatch, folder, file, old, new):
    """Have the submission's side start with another text in one of its files."""
    shutil.copytree(client.INSIDE, str(folder / "inside"))
    change(str(folder / "inside" / file), old, new)
    monkeypatch.setattr(client, "INSIDE", str(folder / "inside"))


LACKING = {"Landlock": ("RESTRICT_SELF = 444", "RESTRICT_SELF = 1444", "there is no Landlock here"),
           "filter": ("if MACHINE not in ARCHITECTURES", "if MACHINE in ARCHITECTURES",
                      "there is no filter of system calls for")}


@on_linux
@pytest.mark.parametrize("program", ["bubblewrap", "no bubblewrap"])
@pytest.mark.parametrize("part", LACKING)
def test_what_the_kernel_lacks_is_said_and_counts_as_no_wall(monkeypatch, tmp_path, part, program):
    old, new, said = LACKING[part]
    change_inside(monkeypatch, tmp_path, "confine.py", old, new)
    if program == "no bubblewrap":
        monkeypatch.setattr(wall, "bubblewrap", lambda: None)
    with Worker(5) as worker:
        worker.open(PLAIN)
        assert worker.run(ADDITION, {"a": 2., "b": 3.}).values["sum"] == 5
    assert worker.isolation == "none" and "\n" not in worker.notice
    assert worker.notice.startswith("isolation: none, as ") and said in worker.notice
    with pytest.raises(OSError, match=f"isolation is required, but .*{said}"), \
            Worker(5, "require") as worker:
        worker.open(PLAIN)


@on_linux
def test_a_wall_with_a_hole_is_no_wall_and_the_hole_is_named(monkeypatch, tmp_path):
    change_inside(monkeypatch, tmp_path, "confine.py", "socket 41 198 ", "")
    with pytest.raises(OSError, match="isolation is required, but a check can use the network"), \
            Worker(5, "require") as worker:
        worker.open(PLAIN)


@on_linux
def test_a_submission_that_python_cannot_look_through_in_time_is_graded_all_the_same(
        monkeypatch, tmp_path):
    change_inside(monkeypatch, tmp_path, "imports.py", "    codes, outright, at_once = ",
                  "    raise KeyError('slow')\n    codes, outright, at_once = ")
    with Worker(5) as worker:
        worker.open(PLAIN)
        assert worker.run(ADDITION, {"a": 2., "b": 3.}).values["sum"] == 5


def test_none_is_none_and_a_line_says_so():
    with Worker(5, "none") as worker:
        worker.open(PLAIN)
        assert worker.run(ADDITION, {"a": 2., "b": 3.}).values["sum"] == 5
    assert (worker.isolation, worker.notice) == ("none", "isolation: none, as was chosen")


@on_linux
@pytest.mark.parametrize("mode", [0o000, 0o700])
def test_a_submission_that_others_cannot_read_changes_nothing_about_the_wall(mode):
    with variant(("tensor.py", None, "")) as root, Worker(5) as worker, Worker(5) as other:
        other.open(PLAIN)
        folder = os.path.join(root, "mytorch")
        os.chmod(folder, mode)
        try:
            worker.open(root)
        except UnusableSubmission as error:
            assert os.geteuid() and "cannot be read" in str(error)
        else:
            assert worker.run(ADDITION, {"a": 2., "b": 3.}).failure.type == "AttributeError"
        finally:
            os.chmod(folder, 0o700)
        assert worker.isolation == other.isolation


@on_linux
def test_where_the_checks_process_is_lost_the_run_ends_and_says_so():
    with Worker(5) as worker:
        worker.open(PLAIN)
        worker.process.kill()
        with pytest.raises(OSError, match="the checks' process ended"):
            worker.run(ADDITION, {"a": 2., "b": 3.})


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


def is_running(pid):
    """Tell whether a process runs; one that has ended may wait for its parent."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


LEAVES_A_PROCESS = """
import os, time
def scenario():
    read, write = os.pipe()
    if not os.fork():
        os.write(write, b"%d" % os.getpid())
        time.sleep(60)
        os._exit(0)
    return {"pid": int(os.read(read, 9))}
"""


@on_linux
def test_without_a_wall_the_worker_ends_what_a_check_has_left_running():
    with Worker(5, "none") as worker:
        worker.open(PLAIN)
        left = worker.run(LEAVES_A_PROCESS, {}).values["pid"]
        deadline = time.monotonic() + 5
        while is_running(left) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_running(left) and worker.process.poll() is None


def heed_signals():
    """Ignore no signal, also if this runs in a background or under nohup."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@on_linux
@pytest.mark.parametrize("number, isolation", [
    (signal.SIGKILL, "none"), *[(number, "require") for number in (
        signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGINT)]])
def test_when_the_grader_is_ended_nothing_is_left_running(number, isolation, tmp_path):
    runner = os.path.join(HOMEWORK, "runner.py")
    with variant(("tensor.py", None, "while True: pass\n")) as root:
        process = subprocess.Popen([sys.executable, runner, "--submission", root, "--isolation",
                                    isolation, "--timeout", "60"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, preexec_fn=heed_signals,
                                   env=dict(os.environ, TMPDIR=str(tmp_path)))
        deadline = time.monotonic() + 20
        started, before = set(), None
        while len(started) < 2 or started != before:  # the worker and a check, and no more come
            assert time.monotonic() < deadline
            before = started
            time.sleep(0.15)
            started = descendants(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        while alive(started) and time.monotonic() < deadline + 5:
            time.sleep(0.05)
    assert not alive(started) and b"Traceback" not in errors
    assert number == signal.SIGKILL or list(tmp_path.iterdir()) == []


@on_linux
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 1)])
def test_a_signal_that_arrives_in_a_callback_of_pythons_own_ends_the_run_too(number, code):
    program = (f"import os, signal, sys, time, weakref\nsys.path.insert(0, {HOMEWORK!r})\n"
               f"from outside import ending\nending.clean_up_first()\n"
               f"def callback(_):\n    os.kill(os.getpid(), {int(number)})\n    time.sleep(0.1)\n"
               "class Thing:\n    pass\nthing = Thing()\nkept = weakref.ref(thing, callback)\n"
               "del thing\ntime.sleep(5)\nprint('not ended')\n")
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert "not ended" not in done.stdout and "ignored" not in done.stderr
    assert done.returncode in (code, -number)


def test_once_signals_are_heeded_nothing_more_is_imported():
    # An exception that a signal raises is lost where it meets C code that imports.
    program = (f"import sys\nsys.path.insert(0, {HOMEWORK!r})\nimport runner\n"
               "from outside import ending\nheed, before = ending.clean_up_first, []\n"
               "ending.clean_up_first = lambda: (heed(), before.extend(sys.modules))\n"
               "sys.argv[1:] = ['--submission', sys.argv[1], '2.4.1']\nrunner.main()\n"
               "assert before\nprint('late:', *sorted(set(sys.modules) - set(before)))")
    with variant(("nn/batchnorm.py", None, "layer = None\n")) as root:
        done = subprocess.run([sys.executable, "-c", program, root], stdout=subprocess.PIPE,
                              text=True)
    assert done.stdout.splitlines()[-1] == "late:"


def test_a_second_signal_does_not_keep_the_first_from_cleaning_up(tmp_path):
    slow = ("import sys, time\nsys.argv[1:] = ['--submission', %r, '--timeout', '60']\n"
            "sys.path.insert(0, %r)\nimport runner\nfrom outside import client\n"
            "remove = client.remove\n"
            "def slowly(folder):\n    print('cleaning', flush=True)\n    time.sleep(0.3)\n"
            "    remove(folder)\n"
            "client.remove = slowly\nprint('begun', flush=True)\nsys.exit(runner.main())\n")
    with variant(("tensor.py", None, "while True: pass\n")) as root:
        process = subprocess.Popen(
            [sys.executable, "-c", slow % (root, HOMEWORK)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, TMPDIR=str(tmp_path)))
        assert process.stdout.readline() == "begun\n"
        while not descendants(process.pid):
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        while process.stdout.readline() != "cleaning\n":
            assert process.poll() is None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM and list(tmp_path.iterdir()) == []
