"""Confines this process by the kernel's own means, for good and without any privilege.

``landlock`` says which files can be opened: once in the worker, and so for every check after it.
``filter_calls`` refuses system calls: in each check, which then is one process, reaches no other,
and keeps nothing that outlives it.  What needs a privilege is refused by having none: ``drop``.
An OSError of these functions says what this system does not have.
"""

import ctypes
import errno
import functools
import os
import signal
import struct
import sys

# include/uapi/linux/landlock.h
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # on every architecture
READ_FILE, READ_DIR = 1 << 2, 1 << 3
EXECUTE, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1 << 0, 1 << 6, 1 << 9, 1 << 11
OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # the rights that a single file has
RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # by the version that brought them
TCP, SCOPES = {4: 3}, {6: 3}  # connections; abstract sockets and signals to others

# include/uapi/linux/prctl.h, capability.h, seccomp.h, audit.h, bpf_common.h
SET_PDEATHSIG, SET_DUMPABLE, GET_SECCOMP, SET_SECCOMP, SET_NO_NEW_PRIVS = 1, 4, 21, 22, 38
CAPABILITIES_3 = 0x20080522
FILTER, ALLOW, REFUSE, UNKNOWN, KILL = (
    2, 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 0x80000000)
ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}  # and column in CALLS
LINUX, MACHINE = sys.platform.startswith("linux"), os.uname().machine
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where these are in struct seccomp_data
CLONE_THREAD, F_SETOWN, F_SETOWN_EX = 0x10000, 8, 15

# From here on numbers are the same everywhere.  What is newer is unknown to a check, as on an
# older kernel, but for close_range, faccessat2, epoll_pwait2 and Landlock's own.
NEW, KNOWN = 424, (436, 439, 441, CREATE_RULESET, ADD_RULE, RESTRICT_SELF)
# Each call with its number on x86-64 and on aarch64, from the kernel's tables of system calls.
REFUSED = """
    socket 41 198      socketpair 53 199   ptrace 101 117        process_vm_readv 310 270
    fork 57 -          vfork 58 -          execve 59 221         process_vm_writev 311 271
    execveat 322 281   unshare 272 97      setns 308 268         kcmp 312 272
    add_key 248 217    request_key 249 218 keyctl 250 219        bpf 321 280
    shmget 29 194      shmat 30 196        shmctl 31 195         perf_event_open 298 241
    semget 64 190      semop 65 193        semctl 66 191         semtimedop 220 192
    msgget 68 186      msgsnd 69 189       msgrcv 70 188         msgctl 71 187
    mq_open 240 180    mq_unlink 241 181   memfd_create 319 279  userfaultfd 323 282
    mount 165 40       umount2 166 39      pivot_root 155 41     chroot 161 51
    chmod 90 -         fchmod 91 52        fchmodat 268 53       truncate 76 45
    chown 92 -         fchown 93 55        lchown 94 -           fchownat 260 54
    utime 132 -        utimes 235 -        futimesat 261 -       utimensat 280 88
    setxattr 188 5     lsetxattr 189 6     fsetxattr 190 7       name_to_handle_at 303 264
    removexattr 197 14 lremovexattr 198 15 fremovexattr 199 16   open_by_handle_at 304 265
    tkill 200 130      setpriority 141 140 ioprio_set 251 30     migrate_pages 256 238
    syslog 103 116     prctl 157 167       io_setup 206 0        move_pages 279 239
    inotify_init 253 - inotify_init1 294 26                      fanotify_init 300 262"""
OF_ITSELF = """
    kill 62 129  tgkill 234 131  rt_sigqueueinfo 129 138  rt_tgsigqueueinfo 297 240"""
OF_THE_CALLER = """
    prlimit64 302 261        sched_setaffinity 203 122  sched_setparam 142 118
    sched_setattr 314 274    sched_setscheduler 144 119"""
OTHERS = "clone 56 220  fcntl 72 25  open 2 -  openat 257 56"


def numbers(table):
    """The numbers on this machine of the calls in a table, by name; those that it has."""
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


def give_up(settings):
    """Give up all but what a check needs; what this system cannot keep, a sentence each.

    Args:
        settings (dict): "user", "confined", "read", "names", "write", as ``wall.py`` has them.
    """
    missing = []
    drop(settings["user"])
    if settings["confined"]:
        for part in (lambda: landlock(*(settings[name] for name in ("read", "names", "write"))),
                     most_rules):
            try:
                part()
            except OSError as error:
                missing.append(str(error))
    return missing


# ---- who it is

def drop(user):
    """Become a user (None: stay who it is); give up every capability and the way to new ones."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    die_with_parent()
    if LINUX:
        system("prctl", SET_DUMPABLE, 0, 0, 0, 0)  # nobody of the same user looks into it
        system("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        system("capset", (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)())


def die_with_parent():
    if LINUX:
        system("prctl", SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


# ---- which files

class Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class Below(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def landlock(read, names, write):
    """From now on, open nothing but what is in these files and folders.

    Args:
        read, write (list of str): files and folders with all below them.
        names (list of str): folders of which, with all below them, the names can be listed.
    """
    try:
        version = system("syscall", CREATE_RULESET, None, 0, 1) if LINUX else 0
    except OSError:
        version = 0
    if not version:
        raise OSError("there is no Landlock here (Linux 5.13 or later has it)")
    files, tcp, scopes = (sum(bits for since, bits in table.items() if since <= version)
                          for table in (RIGHTS, TCP, SCOPES))
    rules = Ruleset(files, tcp, scopes)
    ruleset = system("syscall", CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    writing = files & ~(EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK)
    for paths, rights in ((read, READ_FILE | READ_DIR), (names, READ_DIR), (write, writing)):
        for path in paths:
            try:
                handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # what is not there, or not for this user, needs no right
            rule = Below(rights if os.path.isdir(path) else rights & OF_FILES, handle)
            system("syscall", ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
            os.close(handle)
    system("syscall", RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


# ---- which system calls

class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def when(test, value, answer):
    """If the loaded number passes the test, that is the answer."""
    return [(test, 0, 1, value), (RETURN, 0, 0, answer)]


def load(offset):
    return [(LOAD, 0, 0, offset)]


def call_is(number, argument, *decisions, otherwise):
    """What to answer to a call, by one of its arguments."""
    body = sum(decisions, load(ARGUMENTS + 8 * argument)) + [(RETURN, 0, 0, otherwise)]
    return [(EQUAL, 0, len(body), number)] + body


@functools.lru_cache(1)  # made in the worker, so that not every check has to
def most_rules():
    """The part of the filter that is the same in every check; an OSError where there is none."""
    if MACHINE not in ARCHITECTURES or not LINUX or sys.maxsize < 1 << 32:
        raise OSError(f"there is no filter of system calls for {os.uname().sysname} on {MACHINE}")
    system("prctl", GET_SECCOMP, 0, 0, 0, 0)  # an error where the kernel was built without
    other = numbers(OTHERS)
    threads = CLONE_THREAD if os.getuid() else 0  # nothing limits how many root may have
    code = load(ARCHITECTURE) + [(EQUAL, 1, 0, ARCHITECTURES[MACHINE][0]),
                                 (RETURN, 0, 0, KILL)] + load(NUMBER)
    for number in KNOWN:
        code += when(EQUAL, number, ALLOW)
    code += when(AT_LEAST, NEW, UNKNOWN)
    for number in numbers(REFUSED).values():
        code += when(EQUAL, number, REFUSE)
    for number in numbers(OF_THE_CALLER).values():
        code += call_is(number, 0, when(EQUAL, 0, ALLOW), otherwise=REFUSE)
    code += call_is(other["clone"], 0, when(ANY_BIT, threads, ALLOW), otherwise=REFUSE)
    code += call_is(other["fcntl"], 1, when(EQUAL, F_SETOWN, REFUSE),
                    when(EQUAL, F_SETOWN_EX, REFUSE), otherwise=ALLOW)
    for name, flags in (("open", 1), ("openat", 2)):  # to read and to empty is to write
        if name in other:
            code += call_is(other[name], flags, when(ANY_BIT, os.O_WRONLY | os.O_RDWR, ALLOW),
                            when(ANY_BIT, os.O_TRUNC, REFUSE), otherwise=ALLOW)
    return packed(code)


def packed(code):
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def filter_calls():
    """From now on, refuse the calls that a check has no use for; ``drop`` has to come first."""
    code = most_rules()
    for number in numbers(OF_ITSELF).values():
        code += packed(call_is(number, 0, when(EQUAL, os.getpid(), ALLOW), otherwise=REFUSE))
    code += packed([(RETURN, 0, 0, ALLOW)])
    program = Program(len(code) // 8, code)
    system("prctl", SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0)
