"""Describes an exception, or a running stack, as plain data: what went wrong and where."""

import errno
import inspect
import os
import re
from collections import Counter
from itertools import takewhile

REFUSED = (errno.EPERM, errno.EACCES, errno.EROFS)
ENGINE = os.sep + "autograd_engine.py"
HEIGHTS = {"autograd_engine.py": 0, "tensor.py": 1, "functional.py": 1, "module.py": 2}
CIRCLE = re.compile(r"partially initialized module '([\w.]+)'")  # in Python's words
OF_ARGUMENTS = (TypeError, ValueError, IndexError, AttributeError)
SHAPES = re.compile(r"shape|broadcast|dimension|mismatch|size", re.IGNORECASE)
RULE = ("a check reads the submission and Python's packages, writes only into a folder of its own, "
        "and starts no program, process or connection")


class Line:
    """A line on a stack: its file and number and, where a function runs, the frame."""

    def __init__(self, file, line, frame=None):
        self.file, self.line, self.frame = file, line, frame
        self.name = frame.f_code.co_name if frame else ""

    def text(self):
        try:
            with open(self.file, errors="replace") as lines:
                return list(lines)[self.line - 1].strip()[:100]
        except (OSError, IndexError, TypeError):
            return ""

    def arguments(self):
        """Return the function's arguments in order, as pairs: name and value now."""
        if not self.frame:
            return []
        names, rest, _, values = inspect.getargvalues(self.frame)
        return ([(name, values[name]) for name in names if name in values]
                + [(rest, value) for value in values.get(rest, ())])

    def types(self):
        """Name the types of what the function got, but for Tensors, which are always right."""
        found = {type(value).__name__ for name, value in self.arguments()
                 if name not in ("self", "cls", "ctx")} - {"Tensor", "type"}
        alike = {"ndarray": "memoryview", "method": "function"}  # in errors of what they hold
        return found.union(alike[name] for name in found & set(alike))

    def is_operation(self):
        """Tell whether this is ``Function.apply``, a class method, or a method of Tensor."""
        return (self.name == "apply" and any(isinstance(one, type) for _, one in
                                             self.arguments()[:1])
                or os.path.basename(self.file) == "tensor.py"
                and self.name not in ("backward", "<module>"))

    def is_of_engine(self):
        """Tell whether this walks the graph: what it hands on, it got from elsewhere."""
        return self.file.endswith(ENGINE) and not self.is_operation()


def describe(error, root, limits):
    """Return an exception as data: kind, type, message, and the places where it fell.

    Args:
        root (str): the submission's folder; only its lines are places.
        limits (dict): what a check may use at most, by the names that ``resource`` has.
    """
    frames, message, circle = stack_of(error, root), message_of(error, limits)[:400], []
    if isinstance(error, RecursionError) and frames:
        again = repeated(frames)
        message += f" ({told_of(again, frames, root)})"
        frames = ([line for line in again if not (line.is_operation() or line.name == "__call__")]
                  or again)[-1:]
    elif isinstance(error, (ImportError, AttributeError)):
        circle = circle_of(error, frames)
    if circle:
        message = f"{message.partition(' (most likely')[0]} (a circle: {listed(circle, root)})"
        frames = [to_blame(circle)]
    return {"kind": "circular" if circle else kind_of(error), "type": type(error).__name__,
            "message": message, **places(frames, root, error)}


def kind_of(error):
    if isinstance(error, NotImplementedError):  # as in the starter
        return "not written"
    return "syntax" if isinstance(error, SyntaxError) else "error"


def stack_of(error, root):
    """Return the submission's lines on the stack of an exception, the innermost last."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        lines.append(line_of(trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        lines.append(Line(error.filename, error.lineno))
    if getattr(error, "place", None):  # of a stand-in for a package
        lines.insert(0, Line(*error.place))
    return [line for line in lines if is_inside(line.file, root)]


def stack_from(frame, root):
    """Return the same of a frame that is running."""
    lines = []
    while frame is not None:
        lines.insert(0, line_of(frame, frame.f_lineno))
        frame = frame.f_back
    return [line for line in lines if is_inside(line.file, root)]


def line_of(frame, line):
    return Line(frame.f_code.co_filename, line, frame)


def where_it_stays(stacks):
    """Return the innermost line on the last of some stacks whose function runs in all of them."""
    shared = takewhile(lambda lines: all(line.frame is lines[0].frame for line in lines),
                       zip(*stacks))
    return [lines[-1] for lines in shared][-1:]


def is_inside(file, root):
    return str(file).startswith(root + os.sep)


def places(frames, root, error=None):
    """Find where an error fell and, if it fell on what was handed to it, the lines that did that.

    These are to blame where an operation was called; a layer may know what to do with an array.
    """
    fell = len(frames) - 1
    while fell > 0 and frames[fell].text().startswith("raise "):
        fell -= 1  # rather where something is called than where it is refused
    frames = frames[:fell + 1]
    first = who_handed_it_over(frames, error)
    callers = [line for line in frames[first:-1] if line.name != "__call__"
               and (line.name != "apply" or line is frames[first])]
    caller_first = bool(callers) and any(line.is_operation() for line in frames[first:])
    if not callers and isinstance(error, OF_ARGUMENTS):  # it may still be what was handed over
        callers = [line for line in frames[:-1] if not line.is_of_engine()
                   and line.name not in ("apply", "backward", "__call__")][-1:]
    told = frames[-1:] + callers[::-1][:3 if caller_first else 1]
    return {"places": [as_data(line, root) for line in told], "caller_first": caller_first}


def who_handed_it_over(frames, error):
    """Return the index of the function that an argument comes from whose type an error names.

    For an error of shapes it is that of who called the operation, but not where an array that is
    there takes no result of another shape.
    """
    words = set(re.findall(r"\w+", str(error)))
    of_shapes = (isinstance(error, ValueError) and SHAPES.search(str(error))
                 and "output operand" not in str(error))
    index = len(frames) - 1
    if frames and frames[-1].name == "apply":  # which takes any argument
        return index
    while index > 0 and not frames[index].is_of_engine() and (
            words & frames[index].types() or of_shapes and (
            frames[index].is_operation() or frames[index - 1].is_operation())):
        index -= 1
    return max(index, 0)


def repeated(frames):
    """Find the lines that call each other without end, in the order in which they do."""
    counts = Counter((line.file, line.line) for line in frames)
    most = max(counts.values())
    last = {}
    for line in frames:
        place = line.file, line.line
        if counts[place] > most // 2:
            last.pop(place, None)
            last[place] = line
    return list(last.values())


def circle_of(error, frames):
    """Find the lines of imports that lead from a module back to itself, if an error is of that."""
    module = CIRCLE.search(str(error))
    if not module:
        return []
    file = module.group(1).replace(".", os.sep) + ".py"
    starts = [i for i, line in enumerate(frames) if line.file.endswith(os.sep + file)]
    return frames[starts[-1]:] if starts else frames


def to_blame(circle):
    """Return the line that closes a circle: where what all rests on imports what rests on it."""
    heights = [HEIGHTS.get(os.path.basename(line.file), 3) for line in circle]
    lowest = min(heights)
    return circle[heights.index(lowest) if heights.count(lowest) == 1 else -1]


def listed(frames, root):
    return "; ".join(f"{os.path.relpath(line.file, root)}, line {line.line}" for line in frames)


def told_of(circle, frames, root):
    """Say which lines call each other; of one that calls itself, whether with the same argument."""
    if len(circle) > 1:
        return "these call each other: " + listed(circle[-4:], root)
    last = circle[0]
    calls = [line for line in frames if (line.file, line.line) == (last.file, last.line)][-2:]
    before, now = ([pair for pair in line.arguments() if pair[0] not in ("self", "cls")]
                   for line in calls)
    same = now and before[0][1] is now[0][1]
    return f"{last.name}() calls itself" + (f" with the same {now[0][0]}" if same else "")


def message_of(error, limits):
    """Give an exception's message, or what the exception means here."""
    kind = type(error).__name__
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return "it ends the process"
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
    """Tell whether the wall refused something."""
    return getattr(error, "errno", None) in REFUSED


def as_data(line, root):
    return [os.path.relpath(line.file, root), line.line or 0, line.text()]
