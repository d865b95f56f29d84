"""Why a check gave no values, as data: from the submission's process to the report."""

from dataclasses import dataclass, field

OF_CODE = ("error", "not written", "syntax", "circular", "late")  # what a check says of itself


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
            other; "late", it did not end within its time; "died", its process was ended by a
            signal; "ended", its process ended itself; "full", it made more files than it may, or
            hid some; "unreadable", its answer is none that a check can give.
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
    def said(self):
        return f"{self.type}: {self.message}" if self.type else self.message

    @property
    def also(self):
        """Return the Places beside the one to look at first."""
        return self.places[-2::-1] if self.caller_first else self.places[1:]

    @property
    def lines(self):
        """Say what happened and where, the place to look at first."""
        return [self.said, *map(str, filter(None, [self.at])),
                *(f"see also {place}" for place in self.also)]
