"""Confines this process by the kernel's own means, for good and without any privilege.

``landlock`` says which files can be opened: in the worker, so for every check after it, and once
more in a check.  ``filter_calls`` refuses system calls: each check then is one process with one
thread, reaches no other, and keeps nothing that outlives it.  What needs a privilege is refused by
having none.
An OSError of these functions says what this system does not have.
"""

import ctypes
import errno
import os
import signal
import struct
import sys

# include/uapi/linux/landlock.h
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # on every architecture
OF_FILES, RIGHTS = (1 << 3) - 1, (1 << 13) - 1  # what a single file has; all of the first version
LIST, READ = 1 << 3, 1 << 3 | 1 << 2
EXECUTE, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1 << 0, 1 << 6, 1 << 9, 1 << 11
WRITE = RIGHTS & ~(READ | EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK)

# include/uapi/linux/prctl.h, capability.h, seccomp.h, audit.h, bpf_common.h
SET_PDEATHSIG, SET_DUMPABLE, SET_SECCOMP, SET_NO_NEW_PRIVS, CAPABILITIES_3 = (
    1, 4, 22, 38, 0x20080522)
FILTER, ALLOW, REFUSE, UNKNOWN, KILL = (
    2, 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 0x80000000)
ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}  # and column below
LINUX, MACHINE = sys.platform.startswith("linux"), os.uname().machine
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where these are in struct seccomp_data
F_GETLK, F_DUPFD_CLOEXEC = 5, 1030  # commands of fcntl from the first on reach files or processes

NEW = 424  # from here on numbers are the same everywhere; a check knows none, as on an old kernel
# Each call with its number on x86-64 and on aarch64, from the kernel's tables of system calls.
REFUSED = """
    clone 56 220       fork 57 -           vfork 58 -            process_vm_readv 310 270
    execve 59 221      execveat 322 281    unshare 272 97        process_vm_writev 311 271
    kill 62 129        tkill 200 130       tgkill 234 131        rt_sigqueueinfo 129 138
    ptrace 101 117     kcmp 312 272        prctl 157 167         rt_tgsigqueueinfo 297 240
    socket 41 198      socketpair 53 199   bpf 321 280           perf_event_open 298 241
    add_key 248 217    request_key 249 218 keyctl 250 219        memfd_create 319 279
    shmget 29 194      shmat 30 196        shmctl 31 195         userfaultfd 323 282
    semget 64 190      semop 65 193        semctl 66 191         semtimedop 220 192
    msgget 68 186      msgsnd 69 189       msgrcv 70 188         msgctl 71 187
    mq_open 240 180    mq_unlink 241 181   io_setup 206 0        truncate 76 45
    chmod 90 -         fchmod 91 52        fchmodat 268 53       fanotify_init 300 262
    chown 92 -         fchown 93 55        lchown 94 -           fchownat 260 54
    utime 132 -        utimes 235 -        futimesat 261 -       utimensat 280 88
    setxattr 188 5     lsetxattr 189 6     fsetxattr 190 7       inotify_init 253 -
    removexattr 197 14 lremovexattr 198 15 fremovexattr 199 16   inotify_init1 294 26
    setpriority 141 140    ioprio_set 251 30       migrate_pages 256 238  move_pages 279 239
    sched_setparam 142 118 sched_setaffinity 203 122 sched_setattr 314 274 syslog 103 116
    sched_setscheduler 144 119 ioctl 16 29         sync 162 81        syncfs 306 267
    flock 73 32"""
IN_PART = "prlimit64 302 261  fcntl 72 25  open 2 -  openat 257 56"


def numbers(table):
    """Return the numbers that the calls in a table have on this machine, by name."""
    words, column = table.split(), ARCHITECTURES[MACHINE][1]
    return {words[i]: int(words[i + column]) for i in range(0, len(words), 3)
            if words[i + column] != "-"}


def system(function, *arguments):
    """Call a function of the C library; an OSError if it fails."""
    arguments = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function)
    return result


# ---- who it is

def drop(user):
    """Become a user (None: stay who it is); give up every capability and the way to new ones."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if LINUX:
        system("prctl", SET_DUMPABLE, 0, 0, 0, 0)  # the system writes no core of it, wherever to
        system("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        system("capset", struct.pack("II", CAPABILITIES_3, 0), bytes(24))


def die_with_parent():
    if LINUX:
        system("prctl", SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


# ---- which files

def landlock(handled, *rules):
    """Give up these rights for good but where a rule gives them; on Linux alone.

    Args:
        handled (int): the rights.
        rules: pairs, of rights and the files and folders that have them, with all below them.
    """
    try:
        ruleset = system("syscall", CREATE_RULESET, struct.pack("Q", handled), 8, 0)
    except OSError:
        raise OSError("there is no Landlock here (Linux 5.13 or later has it)") from None
    for rights, path in [(rights, path) for rights, paths in rules for path in paths]:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there, or not for this user, needs no right
        rights &= RIGHTS if os.path.isdir(path) else OF_FILES
        system("syscall", ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, handle), 0)
        os.close(handle)
    system("syscall", RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


# ---- which system calls

def when(test, value, answer):
    """If the loaded number passes the test, that is the answer."""
    return [(test, 0, 1, value), (RETURN, 0, 0, answer)]


def load(offset):
    return [(LOAD, 0, 0, offset)]


def call_is(number, argument, *decisions):
    """Decide on a call by one of its arguments; else it is allowed."""
    body = sum(decisions, load(ARGUMENTS + 8 * argument)) + [(RETURN, 0, 0, ALLOW)]
    return [(EQUAL, 0, len(body), number)] + body


def make_filter():
    """Return the filter as the kernel reads it; raise OSError where it can have none."""
    if MACHINE not in ARCHITECTURES or not LINUX or sys.maxsize < 1 << 32:
        raise OSError(f"there is no filter of system calls for {os.uname().sysname} on {MACHINE}")
    part = numbers(IN_PART)
    code = load(ARCHITECTURE) + [(EQUAL, 1, 0, ARCHITECTURES[MACHINE][0]),
                                 (RETURN, 0, 0, KILL)] + load(NUMBER)
    code += when(AT_LEAST, NEW, UNKNOWN)
    for number in numbers(REFUSED).values():
        code += when(EQUAL, number, REFUSE)
    code += call_is(part["prlimit64"], 0, when(AT_LEAST, 1, REFUSE))  # 0 is the process itself
    code += call_is(part["fcntl"], 1, when(EQUAL, F_DUPFD_CLOEXEC, ALLOW),
                    when(AT_LEAST, F_GETLK, REFUSE))
    for name, flags in (("open", 1), ("openat", 2)):  # to read and to empty is to write
        if name in part:
            code += call_is(part[name], flags, when(ANY_BIT, os.O_WRONLY | os.O_RDWR, ALLOW),
                            when(ANY_BIT, os.O_TRUNC, REFUSE))
    code += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def filter_calls(code):
    """Refuse for good the calls that a check has no use for; ``drop`` has to come first."""
    kept = ctypes.create_string_buffer(code)
    system("prctl", SET_SECCOMP, FILTER,
           struct.pack("HP", len(code) // 8, ctypes.addressof(kept)), 0, 0)
