"""Why a check gave no values, as data: from the submission's process to the report."""

from dataclasses import dataclass
from typing import Optional

SYNTAX = ("SyntaxError", "IndentationError", "TabError")


@dataclass
class Place:
    """A line of the submission: its file, relative to the submission, number and text."""
    file: str
    line: int
    code: str

    def __str__(self):
        return f"{self.file}, line {self.line}: {self.code}"


@dataclass
class Failure:
    """Why a check gave no values.

    Attributes:
        kind (str): "error", an exception of Python's; "not written", NotImplementedError, as in the
            starter; "syntax", a file that Python cannot read; "circular", modules that import each
            other and work in no order; "late", it did not end within its time; "died", its process
            was ended by a signal; "ended", its process ended itself; "full", it wrote too much into
            its folder; "unreadable", its answer is none that a check can give.
        message (str): one clean line.
        type (str): the exception's class, if it was one.
        place (Place or None): where it fell, if that is known.
        began (Place or None): where an operation fell on what it got, the line that gave it that.
    """
    kind: str
    message: str
    type: str = ""
    place: Optional[Place] = None
    began: Optional[Place] = None

    @property
    def at(self):
        """Return the Place to look at first."""
        return self.began or self.place

    @property
    def key(self):
        """Return what failures by the same error at the same place share; None without a place."""
        if not self.place:
            return None
        line = None if self.kind == "late" else self.place.line  # which is any of the loop's
        return self.kind, self.type, self.place.file, line

    def is_like(self, other):
        return bool(other and self.key) and self.key == other.key

    @property
    def lines(self):
        """Say what happened, the line that began it, and where it fell."""
        said = [f"{self.type}: {self.message}" if self.type else self.message]
        if self.began:
            said += [str(self.began), f"  it fell at {self.place}"]
        elif self.place:
            said.append(str(self.place))
        return said


def kind_of(type, circular=False):
    """Return the kind of an exception, by the name of its class."""
    if type == "NotImplementedError":
        return "not written"
    if type in SYNTAX:
        return "syntax"
    return "circular" if circular else "error"
