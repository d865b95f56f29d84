"""Why a check gave no values, as data: from the submission's process to the report."""

from dataclasses import dataclass, field

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
            was ended by a signal; "ended", its process ended itself; "full", it made more files
            than it may, or hid some; "unreadable", its answer is none that a check can give.
        message (str): one clean line.
        type (str): the exception's class, if it was one.
        places (list of Place): where it fell, if that is known, and the lines that handed to it
            what it fell on, the nearest first.
        caller_first (bool): whether the last of these is to blame.
    """
    kind: str
    message: str
    type: str = ""
    places: list = field(default_factory=list)
    caller_first: bool = False

    @property
    def at(self):
        """Return the Place to look at first, or None."""
        return self.places[-self.caller_first] if self.places else None

    @property
    def key(self):
        """Return what failures by the same error at the same place share; None without a place."""
        if not self.places:
            return None
        fell = self.places[0]
        line = None if self.kind == "late" else fell.line  # which is any of the loop's
        return self.kind, self.type, fell.file, line

    def is_like(self, other):
        return bool(other and self.key) and self.key == other.key

    @property
    def lines(self):
        """Say what happened and where, the place to look at first."""
        said = f"{self.type}: {self.message}" if self.type else self.message
        places = self.places[::-1] if self.caller_first else self.places
        return [said, *map(str, places[:1]), *(f"  see also {place}" for place in places[1:])]


def kind_of(type, circular=False):
    """Return the kind of an exception, by the name of its class."""
    if type == "NotImplementedError":
        return "not written"
    if type in SYNTAX:
        return "syntax"
    return "circular" if circular else "error"
