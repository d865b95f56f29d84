"""Reads what comes back from the submission's process, as from an enemy.

It is exactly what it should be, or no answer.
"""

import base64
import json
import math
import re
import signal
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from judging.failure import Failure, Place, kind_of

LONGEST_OUTPUT = 2000  # characters of what a check printed
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "f16")
WARNINGS = {
    "toolbox": "{} is imported; deep learning toolboxes are only allowed for testing, and using "
               "one fails the check (handout, Directions)",
    "missing": "{} is imported, which is not installed here; using it fails the check",
    "circle": "files import each other in a circle: {}, fails when mytorch is imported, as by "
              "./grade.sh m and sandbox.py; import the module there in place of a name from it, or "
              "in the function that needs it",
    "numpy": "{} worked in the handout's NumPy 1.18 but is gone from today's"}


def clean(text):
    """Text from a submission, safe to show: no control characters, nothing unprintable."""
    text = text.replace("\t", "    ")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def one_line(text):
    """The same, without line breaks."""
    return " ".join(clean(text).split())


def short(text, length):
    """One line of a bounded length."""
    return one_line(text[:4 * length])[:length]


@dataclass
class Answer:
    """What came of one scenario.

    Attributes:
        values (dict or None): arrays and facts by name, when the scenario ran to its end.
        failure (Failure or None): otherwise, what happened instead.
        output (str): what the submission printed, cut to size.
        warnings (list of str): what is worth saying but costs nothing, a sentence each.
    """

    values: Optional[dict] = None
    failure: Optional[Failure] = None
    output: str = ""
    warnings: list = field(default_factory=list)


ENDS = {"late": "it did not end in time", "full": "it made more than 100 files, or hid some"}


def answer_of(reply):
    """The Answer in a worker's reply."""
    exactly(reply, end=str, status=int, answer=str, output=str)
    more = " ..." if len(reply["output"]) > LONGEST_OUTPUT else ""
    output = clean(reply["output"][:LONGEST_OUTPUT]) + more
    if reply["end"]:
        failure = Failure(reply["end"], ENDS[reply["end"]])
    elif reply["answer"]:
        return read_answer(reply["answer"], output)
    else:
        failure = _how_it_ended(reply["status"])
    return Answer(failure=failure, output=output)


def _how_it_ended(status):
    """The Failure of a check whose process gave no answer."""
    if status & 127:
        return Failure("died", f"its process died: {signal.strsignal(status & 127)}")
    return Failure("ended", f"its process ended without an answer (exit code {status >> 8})")


def read_answer(text, output):
    """An Answer from what a child wrote; it may be anything."""
    try:
        content = parse(text)
        kind = "error" if type(content) is dict and "error" in content else "values"
        exactly(content, **{kind: dict, "notes": list})
        warnings = _warnings(content["notes"])
        if kind == "error":
            return Answer(None, _failure(content["error"]), output, warnings)
        values = {short(name, 100): decode(value)
                  for name, value in content["values"].items()}
        return Answer(values, None, output, warnings)
    except (ValueError, RecursionError, MemoryError):
        return Answer(None, Failure("unreadable", "its answer is none that a check can give"),
                      output)


def parse(text):
    """Read JSON without numbers that would take long to read."""
    def integer(digits):
        return int(digits) if len(digits) <= 20 else _refuse(digits)
    return json.loads(text, parse_int=integer, parse_constant=_refuse)


def _refuse(what):
    raise ValueError(what)


def exactly(value, **kinds):
    """Refuse what is not a dict of exactly these keys, each of exactly its type."""
    if type(value) is not dict or set(value) != set(kinds):
        raise ValueError("other keys")
    for name, kind in kinds.items():
        if type(value[name]) is not kind:
            raise ValueError("another type")


def _warnings(notes):
    found = []
    for item in notes[:50]:
        if type(item) is not list or [type(part) for part in item] != [str, str]:
            raise ValueError("no note")
        if item[0] in WARNINGS:
            found.append(WARNINGS[item[0]].format(short(item[1], 60)))
    return list(dict.fromkeys(found))[:20]


def _failure(error):
    """What went wrong, from what a child says of it."""
    exactly(error, type=str, message=str, places=list, caller_first=bool, late=bool,
            circular=bool)
    kind = re.sub(r"\W", "?", error["type"][:60] or "?")  # a report's line begins with it
    return Failure("late" if error["late"] else kind_of(kind, error["circular"]),
                   short(error["message"], 300), "" if error["late"] else kind,
                   list(map(_place, error["places"][:4])), error["caller_first"])


def _place(parts):
    if type(parts) is not list or [type(part) for part in parts] != [str, int, str]:
        raise ValueError("no place")
    return Place(short(parts[0], 100), parts[1], short(parts[2], 100))


def decode(value):
    """Return an array or a fact; what ``values.encode`` called unfit is a text that says so."""
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str:
        return short(value, 100)
    if type(value) is dict and set(value) == {"unfit"}:
        return short(str(value["unfit"]), 100)
    exactly(value, dtype=str, shape=list, data=str)
    if value["dtype"] not in DTYPES or len(value["shape"]) > 32:
        raise ValueError("no dtype or shape")
    if any(type(length) is not int or length < 0 for length in value["shape"]):
        raise ValueError("no shape")
    data = base64.b64decode(value["data"], validate=True)
    dtype = np.dtype(value["dtype"])
    if len(data) != math.prod(value["shape"]) * dtype.itemsize:
        raise ValueError("another size")
    array = np.frombuffer(data, "u1") != 0 if dtype.kind == "b" else np.frombuffer(data, dtype)
    return array.reshape(value["shape"])
