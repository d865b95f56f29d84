"""Describes an exception, or a running stack, as plain data: what went wrong and where."""

import errno
import os
import re
from collections import Counter

REFUSED = (errno.EPERM, errno.EACCES, errno.EROFS)
CIRCLE = re.compile(r"partially initialized module '([\w.]+)'")  # in Python's words
RULE = ("a check reads the submission and Python's packages, writes only into a folder of its own, "
        "and starts no program, process or connection")


class Line:
    """A line on a stack: its function, and the name and value of the first argument."""

    def __init__(self, file, line, name="", argument="", value=None):
        self.file, self.line, self.name = file, line, name
        self.argument, self.value = argument, value

    @classmethod
    def of(cls, frame, line):
        code = frame.f_code
        argument = code.co_varnames[0] if code.co_argcount else ""
        return cls(code.co_filename, line, code.co_name, argument, frame.f_locals.get(argument))

    def text(self):
        try:
            with open(self.file, errors="replace") as lines:
                return list(lines)[self.line - 1].strip()[:100]
        except (OSError, IndexError, TypeError):
            return ""

    def applies(self):
        """Tell whether this is ``Function.apply``, a class method, or a method of Tensor."""
        return (self.name == "apply" and isinstance(self.value, type)
                or os.path.basename(self.file) == "tensor.py"
                and self.name not in ("backward", "<module>"))

    def leads_on(self):
        """Tell whether this calls layers or nodes of the graph, whatever they are."""
        return self.name in ("__call__", "apply", "backward", "<module>")


def describe(error, root, limits):
    """Return an exception as data: type, message, where it fell, and the line that began it.

    Args:
        root (str): the submission's folder; only its lines are places.
        limits (dict): what a check may use at most, by the names that ``resource`` has.
    """
    frames, message, circle = stack_of(error, root), message_of(error, limits)[:400], []
    if isinstance(error, RecursionError) and frames:
        again = repeated(frames)
        message += f" ({told_of(again, root)})"
        frames = ([line for line in again if not line.applies()] or again)[-1:]
    elif isinstance(error, (ImportError, AttributeError)):
        circle = circle_of(error, frames)
    if circle:
        message = f"{message.partition(' (most likely')[0]} (a circle: {listed(circle, root)})"
        engine = [line for line in circle if line.file.endswith(os.sep + "autograd_engine.py")]
        frames = engine[-1:] or circle  # the engine needs none of the others
    return {"type": type(error).__name__, "message": message, "circular": bool(circle),
            **places(frames, root)}


def stack_of(error, root):
    """Return the submission's lines on the stack of an exception, the innermost last."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    lines = [Line.of(*pair) for pair in frames]
    if isinstance(error, SyntaxError):
        lines.append(Line(error.filename, error.lineno))
    if getattr(error, "place", None):  # of a stand-in for a package
        lines.insert(0, Line(*error.place))
    return [line for line in lines if is_inside(line.file, root)]


def stack_from(frame, root):
    """Return the same of a frame that is running."""
    lines = []
    while frame is not None:
        lines.insert(0, Line.of(frame, frame.f_lineno))
        frame = frame.f_back
    return [line for line in lines if is_inside(line.file, root)]


def is_inside(file, root):
    return str(file).startswith(root + os.sep)


def places(frames, root):
    """Find where it fell, and the line that called the operation in which it fell, if one did."""
    if not frames:
        return {"place": [], "began": []}
    fell = len(frames) - 1
    while fell and frames[fell].text().startswith("raise "):
        fell -= 1  # rather where something is called than where it is refused
    began, within = None, frames[fell].applies()
    for line in reversed(frames[:fell]):
        if line.applies():
            within = True
        elif within:
            began = line
            break
        elif line.leads_on():
            break
    return {"place": as_data(frames[fell], root), "began": as_data(began, root) if began else []}


def repeated(frames):
    """Find the lines that call each other without end, in the order in which they do."""
    counts = Counter((line.file, line.line) for line in frames)
    most = max(counts.values())
    often = {place for place, count in counts.items() if count > most // 2}
    last = {}
    for line in frames:
        if (line.file, line.line) in often:
            last.pop((line.file, line.line), None)
            last[line.file, line.line] = line
    same = [line for line in frames if (line.file, line.line) in often][-1 - len(last):]
    found = list(last.values())
    found[-1].same = len(same) > len(last) and same[0].value is found[-1].value
    return found


def circle_of(error, frames):
    """Find the lines of imports that lead from a module back to itself, if an error is of that."""
    module = CIRCLE.search(str(error))
    if not module:
        return []
    file = module.group(1).replace(".", os.sep) + ".py"
    starts = [i for i, line in enumerate(frames) if line.file.endswith(os.sep + file)]
    return frames[starts[-1]:] if starts else frames


def listed(frames, root):
    return "; ".join(f"{os.path.relpath(line.file, root)}, line {line.line}" for line in frames)


def told_of(frames, root):
    """Say which lines call each other."""
    last = frames[-1]
    if len(frames) > 1:
        return "these call each other: " + listed(frames[-4:], root)
    if last.same and last.argument and not isinstance(last.value, type):
        return f"{last.name}() calls itself with the same {last.argument}"
    return f"{last.name}() calls itself"


def message_of(error, limits):
    """Give an exception's message, or what the exception means here."""
    kind = type(error).__name__
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return f"it ends the process ({kind})"
    if kind == "BdbQuit":
        return "a breakpoint is left in the code (pdb.set_trace())"
    if isinstance(error, MemoryError):
        return f"it needs more than {limits['AS'] >> 30} GB of memory"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"it printed, or wrote into a file, more than {limits['FSIZE'] >> 20} MB"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return f"it has more than {limits['NOFILE']} files open at once"
    try:
        return str(error) + (f" ({RULE})" if is_refused(error) else "")
    except Exception:
        return "(its text cannot be shown)"


def is_refused(error):
    """Tell whether the wall refused something; outside it, nothing exists for bubblewrap."""
    number, file = getattr(error, "errno", None), getattr(error, "filename", None)
    return number in REFUSED or number == errno.ENOENT and str(file).startswith(os.sep)


def as_data(line, root):
    return [os.path.relpath(line.file, root), line.line or 0, line.text()]
