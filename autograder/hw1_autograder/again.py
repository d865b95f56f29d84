"""Runs one check again in this process, where print() and a debugger work.

    ./grade.sh 1 --again 2.4.3

The scenario, its inputs and what is expected are those of the report, and so are the numbers.
"""

import linecache
import os
import random
import sys
import traceback

import numpy as np

from inside import imports
from judging.checks import difference, same
from judging.report import shown_inputs

HERE = os.path.dirname(os.path.abspath(__file__))


def run_again(check, inputs, key, root):
    """Run the scenario of a check on the submission in the folder ``root``; print what comes."""
    imports.compiled.update(imports.look_through(root)["compiled"])  # as the worker does
    imports.install(root, [])
    np.random.seed(0)
    random.seed(0)
    sys.path.insert(0, root)
    print(f"{check.number} {check.name} (run as you, without a wall)")
    print("\n".join("    " + line for line in check.shown.split("\n")))
    print("with " + shown_inputs(inputs) + "\n")
    try:
        values = scenario_of(check)(**{name: np.copy(value) if isinstance(value, np.ndarray)
                                       else value for name, value in inputs.items()})
    except (Exception, KeyboardInterrupt) as error:  # Ctrl-C shows where an endless loop is
        told = traceback.TracebackException.from_exception(error)
        told.stack[:] = [frame for frame in told.stack  # not importlib's and the grader's own
                         if frame.filename.startswith((root + os.sep, "<check"))
                         and not frame.filename.startswith(HERE)]
        print("".join(told.format()), end="")
        return
    print()
    for name, expected in key.expected.items():
        if same(values[name], expected):
            print(f"{name}: as expected")
        else:
            print("\n".join(difference(name, values[name], expected)))
            print("    expected", np.array2string(np.asarray(expected), prefix="    expected "))
            print("    got     ", np.array2string(np.asarray(values[name]), prefix="    expected "))


def scenario_of(check):
    """The scenario as a function; a debugger finds its lines as those of a file."""
    file = f"<check {check.number}>"
    linecache.cache[file] = (len(check.source), None, check.source.splitlines(True), file)
    namespace = {"__name__": "check"}
    exec(compile(check.source, file, "exec"), namespace)
    return namespace["scenario"]
