"""Runs a check again in this process, where print() and a debugger work.

    ./grade.sh 1 --again 2.4.3

The scenario, its inputs and what is expected are those of the report, and so are the numbers.
"""

import _thread
import linecache
import os
import random
import signal
import sys
import threading
import time
import traceback

import numpy as np

from inside import describe, helpers, imports
from judging.checks import difference, same, wrong_values
from judging.report import shown_inputs

HERE = os.path.dirname(os.path.abspath(__file__))


def run_again(check, inputs, key, root, seconds):
    """Run the scenario of a check on the submission in the folder ``root``; print what comes.

    Returns whether that is as expected.  After ``seconds`` it is interrupted, unless a debugger is
    at work.
    """
    enter(root)
    print(f"\n{check.number} {check.name} (run here, with your own rights)")
    print("\n".join("    " + line for line in check.shown.split("\n")))
    print("with " + shown_inputs(inputs))
    ended, limit = threading.Event(), time.monotonic() + seconds
    threading.Thread(target=interrupt, args=[seconds, ended, root], daemon=True).start()
    try:
        values = values_of(check, inputs)
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # Ctrl-C shows an endless loop
        print_traceback(error, root)
        if isinstance(error, KeyboardInterrupt) and time.monotonic() < limit:
            raise
        return False
    finally:
        ended.set()
    print()
    compare(key.expected, values)
    return not wrong_values(check, key.expected, values)


def enter(root):
    """Treat imports and random numbers as the worker does."""
    if root not in sys.path:
        imports.load(**imports.look_through(root))
        imports.enter(root)
    np.random.seed(0)
    random.seed(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell


def interrupt(seconds, ended, root):
    """Interrupt a check that has not ended by then, unless a debugger is at work; end the process
    if that is caught.
    """
    if ended.wait(seconds) or "pdb" in sys.modules:
        return
    print(f"after {seconds:g} seconds it has not ended; it is interrupted here:", flush=True)
    _thread.interrupt_main()
    if not ended.wait(2):
        frame = sys._current_frames()[threading.main_thread().ident]
        print("".join(own_lines(traceback.extract_stack(frame), root).format()), flush=True)
        os._exit(1)


def print_traceback(error, root):
    """Print the traceback, without importlib's lines and the grader's own."""
    told = traceback.TracebackException.from_exception(error)
    told.stack[:] = own_lines(told.stack, root)
    print("".join(told.format()), end="", flush=True)  # before what follows on standard error
    if isinstance(error, RecursionError):
        print(describe.describe(error, root, {})["message"])


def own_lines(stack, root):
    """Return what is the submission's or the check's of a stack."""
    return traceback.StackSummary.from_list([
        frame for frame in stack if frame.filename.startswith((root + os.sep, "<check"))
        and not frame.filename.startswith(HERE)])


def compare(expected, values):
    for name, right in expected.items():
        if same(values[name], right):
            print(f"{name}: as expected")
        else:
            print(difference(name, values[name], right))
            print("    expected", np.array2string(np.asarray(right), prefix="    expected "))
            print("    got     ", np.array2string(np.asarray(values[name]), prefix="    expected "))


def values_of(check, inputs):
    """Run the scenario on copies; a debugger finds its lines as those of a file."""
    file = f"<check {check.number}>"
    linecache.cache[file] = (len(check.source), None, check.source.splitlines(True), file)
    helpers.define(check.source, file)
    copies = {name: np.copy(value) if isinstance(value, np.ndarray) else value
              for name, value in inputs.items()}
    return {name: helpers.array_of(value) for name, value in helpers.scenario(**copies).items()}
