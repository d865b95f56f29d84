"""The grader's own submission, run before any other: the wall has to refuse what it tries."""

import os
import socket


def scenario(secret, beside):
    """Answer with what could be done, in words; an empty text if nothing could."""
    attempts = {
        "read the grader's files": lambda: open(secret).close(),
        "write outside its folder": lambda: open(os.path.join(beside, "written"), "w").close(),
        "start a process": start_a_process,
        "use the network": lambda: socket.socket().close(),
        "signal another process": lambda: os.kill(os.getppid(), 0)}
    return {"done": ", ".join(words for words in attempts if succeeds(attempts[words]))}


def start_a_process():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def succeeds(attempt):
    try:
        attempt()
        return True
    except OSError:
        return False
