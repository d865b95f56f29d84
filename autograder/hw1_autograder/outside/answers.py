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

from judging.checks import Unfit
from judging.failure import OF_CODE, Failure, Place
from judging.observed import Observed
from judging.tools import SENTENCES, Finding

LONGEST_OUTPUT = 2000  # characters of what a check printed
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "f16")
FINDING = [str] * 4 + [int] + [str] * 3  # the types of a Finding's parts
WARNINGS = {
    "toolbox": "{} is imported; deep learning toolboxes are only allowed for testing, and using "
               "one fails the check (handout, Directions)",
    "missing": "{} is imported, which is not installed here; using it fails the check",
    "circle": "files import each other in a circle: {}, fails when mytorch is imported, as by "
              "./grade.sh m and sandbox.py; import the module there in place of a name from it, or "
              "in the function that needs it",
    "numpy": "{} worked in the handout's NumPy 1.18 but is gone from today's"}


def clean(text):
    """Make a submission's text safe to show: no control characters, nothing unprintable."""
    text = text.replace("\t", "    ")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def one_line(text):
    """Do the same, without line breaks."""
    return " ".join(clean(text).split())


def short(text, length):
    """Make one line of it, of a bounded length."""
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


def answer_of(reply, read):
    """Return the Answer in a worker's reply; ``read`` makes its values of what a scenario sent."""
    exactly(reply, end=str, status=int, answer=str, output=str)
    more = " ..." if len(reply["output"]) > LONGEST_OUTPUT else ""
    output = clean(reply["output"][:LONGEST_OUTPUT]) + more
    if reply["end"]:
        failure = Failure(reply["end"], ENDS[reply["end"]])
    elif reply["answer"]:
        return read_answer(reply["answer"], output, read)
    else:
        failure = _how_it_ended(reply["status"])
    return Answer(failure=failure, output=output)


def _how_it_ended(status):
    """Return the Failure of a check whose process gave no answer."""
    if status & 127:
        return Failure("died", f"its process died: {signal.strsignal(status & 127)}")
    return Failure("ended", f"its process ended without an answer (exit code {status >> 8})")


def read_values(content):
    """Return the arrays and facts of a scenario, by name."""
    return {short(name, 100): decode(value) for name, value in content.items()}


def read_answer(text, output, read=read_values):
    """Return an Answer from what a child wrote, which may be anything."""
    try:
        content = parse(text)
        kind = "error" if type(content) is dict and "error" in content else "values"
        exactly(content, **{kind: dict, "warnings": list})
        warnings = _warnings(content["warnings"])
        if kind == "error":
            return Answer(None, _failure(content["error"]), output, warnings)
        return Answer(read(content["values"]), None, output, warnings)
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


def read_facts(content):
    """Return what the observer saw, as Observed."""
    exactly(content, uses=list, found=list)
    return Observed(set(map(_plain, content["uses"])), list(map(_finding, content["found"])))


def _finding(parts):
    if type(parts) is not list or list(map(type, parts)) != FINDING or parts[0] not in SENTENCES:
        raise ValueError("no Finding")
    return Finding(*(_plain(part) if type(part) is str else part for part in parts))


def _plain(text):
    """Replace in a text what has no place in the sentence of a Finding."""
    if type(text) is not str:
        raise ValueError("no text")
    return re.sub(r"[^\w|(), ./'\[\]:+=-]", "?", short(text, 200))


def _warnings(items):
    found = []
    for item in items[:50]:
        if type(item) is not list or [type(part) for part in item] != [str, str]:
            raise ValueError("no warning")
        if item[0] in WARNINGS:
            found.append(WARNINGS[item[0]].format(short(item[1], 60)))
    return list(dict.fromkeys(found))[:20]


def _failure(error):
    """Return what went wrong, from what a child says of it."""
    exactly(error, kind=str, type=str, message=str, places=list, caller_first=bool)
    if error["kind"] not in OF_CODE:
        raise ValueError("no kind")
    return Failure(error["kind"], short(error["message"], 300),
                   re.sub(r"\W", "?", error["type"][:60]),  # a report's line begins with it
                   list(map(_place, error["places"][:4])), error["caller_first"])


def _place(parts):
    if type(parts) is not list or [type(part) for part in parts] != [str, int, str]:
        raise ValueError("no place")
    return Place(short(parts[0], 100), parts[1], short(parts[2], 100))


def decode(value):
    """Return an array, a fact, or an Unfit."""
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str:
        return short(value, 100)
    if type(value) is dict and "unfit" in value:
        shape = value.get("shape")
        exactly(value, unfit=str, shape=type(None) if shape is None else list)
        return Unfit(short(value["unfit"], 40), shape and tuple(map(_length, shape[:32])))
    exactly(value, dtype=str, shape=list, data=str)
    if value["dtype"] not in DTYPES or len(value["shape"]) > 32:
        raise ValueError("no dtype or shape")
    shape = tuple(map(_length, value["shape"]))
    data = base64.b64decode(value["data"], validate=True)
    dtype = np.dtype(value["dtype"])
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError("another size")
    array = np.frombuffer(data, "u1") != 0 if dtype.kind == "b" else np.frombuffer(data, dtype)
    return array.reshape(shape)


def _length(value):
    return value if type(value) is int and value >= 0 else _refuse(value)
