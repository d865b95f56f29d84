"""Explains a failed check: by what it rests on, a finding in the graph, a mistake or a relation.

Nothing is said of a check that is not begun, or that fell as one before it did.  Of any other the
first that fits is told:

1. a check that this one rests on (``after``) failed: fix that first, unless both are of one problem
   and the graph shows why;
2. an exception: what ``observer.py`` found when the scenario ran once more, or the words of the
   error itself;
3. wrong values: a finding with which no value can be right (DECISIVE); the one mistake of the
   catalogue whose values are exactly those that came; another finding; two mistakes, of which
   either fits; a relation of the values that came to those expected, such as "times -1";
4. a failed check of the same problem, which may be the cause;
5. a finding in numbers, of an operation against differences of its forward, or of what arrives:
   of values only where the forward ones are right; below 3, if that is no finding, as evidence.

A formula is needed for none of this, only the AnswerKey.
"""

import re
import textwrap
from dataclasses import dataclass, field, fields
from typing import Optional

import numpy as np

from inside.describe import SHAPES
from inside.texts import SENTENCES, Finding
from judging.checks import ANY, alike, same, wrong_values

OPERATORS = {"-": "Sub", "*": "Mul", "/": "Div"}
NOT_WRITTEN = "not written"  # the id of what is no mistake, but was not begun
OUTSIDE = re.compile(r"'NoneType' object has no attribute '(apply|next_functions)'|"
                     r"outside (the|any) graph")


@dataclass
class Explanation:
    id: str  # None: nothing is named
    message: str
    of: Optional[str] = None  # the operation that it is said of; None: it is of a problem
    finding: Optional[Finding] = None  # that it tells
    evidence: str = ""  # a finding in numbers
    knock_on: bool = False  # there is nothing to learn here before something else is mended
    brief: bool = False  # another check may be the cause, which shows more


def explain(check, inputs, key, answer, observed, failed):
    """The Explanation of a failed check, or None.

    Args:
        observed (Observed): what was seen when the scenario ran once more.
        failed (list of Result): the checks that failed before.
    """
    failure = answer.failure
    if failure and failure.kind == "not written":
        return None  # as the report says
    if failed_alike(failure, [result for result in failed if not result.is_knock_on]):
        return None
    first = what_failed_before(check, used_by(answer, observed), failed)
    if first:
        of_same = first.startswith(check.problem + ".")
        told = of_same and fact_of(FINDINGS, observed, failure)
        return told or Explanation(None, f"{first} fails: fix that first.", knock_on=True)
    before = [result.check for result in failed if result.check.problem == check.problem]
    found = (of_a_failure(failure, observed, before) if failure else
             of_values(check, inputs, key, answer.values, observed))
    if not found and before:
        return Explanation(None, f"{before[0].number} ({before[0].name}) fails too, which may be "
                           "the cause.", brief=True)
    if failure:
        return found or fact_of(NUMBERS, observed)
    if set(check.forward) & set(wrong_values(check, key.expected, answer.values)):
        return found or of_advice(check, answer.values)
    numbers = fact_of(NUMBERS, observed)
    if found and not found.finding and numbers:  # two findings would contradict each other
        found.evidence = numbers.message
    return found or numbers or of_advice(check, answer.values)


def of_advice(check, values):
    """The advice on a value that is not scored, but may be why the others are wrong."""
    changed = [text for name, text in check.advice.items() if values.get(name) is False]
    return Explanation(None, changed[0]) if changed else None


def what_failed_before(check, used, failed):
    """Find what failed before and leads to this failure: a number in the check's ``after``."""
    for number, values in check.after.items():
        for result in failed:
            asked = result.check
            if number in (asked.number, asked.problem) and asked is not check \
                    and (not asked.operation or asked.operation in used) \
                    and (result.answer.failure or values is ANY or set(values) & set(result.off)):
                return number
    return None


def failed_alike(failure, failed):
    """Tell whether a check before fell by the same error: neither is the other's cause."""
    return bool(failure) and any(failure.is_like(result.answer.failure) for result in failed)


def used_by(answer, observed):
    """The operations that a scenario used, or wanted to."""
    wanted = re.match(r"unsupported operand type\(s\) for (\S+):",
                      answer.failure.message if answer.failure else "")
    return observed.uses | {OPERATORS.get(wanted.group(1)) if wanted else None}


def of_a_failure(failure, observed, before):
    if failure.kind == "circular":
        return Explanation("circular import", "Files import each other in a circle. The engine "
                           "needs none of the others; elsewhere import the module in place of a "
                           "name from it, or import it in the function that needs it.")
    return fact_of(FINDINGS, observed, failure) or (None if before else error(failure))


def of_values(check, inputs, key, values, observed):
    off = wrong_values(check, key.expected, values)
    if not check.asks_for_facts and not set(off) <= set(check.forward):
        broken = fact_of(DECISIVE, observed)
        if broken:
            return broken
    fitting = known(check, key.mistakes, values)
    return (only(fitting, 1) or fact_of(FINDINGS + ENGINE, observed) or only(fitting, 2)
            or relation(inputs, key, values, off))


def only(mistakes, most):
    """Make one Explanation of one or two KnownMistakes; of more than ``most``, none."""
    if not 1 <= len(mistakes) <= most:
        return None
    message = mistakes[0].message
    if len(mistakes) == 2:
        message = f"Either: {message}  Or: {mistakes[1].message}"
    return Explanation(" or ".join(mistake.id for mistake in mistakes), message, of="")


def known(check, mistakes, values):
    """The known mistakes that lead to these values."""
    return [mistake for mistake in mistakes
            if any(fits(check, wrong, values) for wrong in mistake.values)]


def fits(check, wrong, values):
    return all(name in values and alike(values[name], wrong[name])
               for name in wrong if name not in check.advice)


# ---- what is found in the graph

DECISIVE = (  # nothing can be right with one of these; the first that was found is told
    "forward returns", "apply returns", "data is a Tensor", "requires_grad lost", "no node",
    "shared list", "parents missing", "too many parents", "parents in another order",
    "parent is another", "parent is None",
    "seed is no Tensor", "seed's shape", "no parameters", "parameter twice", "gradient kept")
OF_SHAPES = ("gradient not summed", "gradient's shape")
FINDINGS = DECISIVE + (
    "param.data is a Tensor", "parameter replaced", "too few gradients", "gradient is None",
    "gradient is no Tensor", "gradient's dtype", *OF_SHAPES, "no Tensor arrives",
    "shape that arrives", "no grad_fn", "gradients share memory", "input changed",
    "kept elsewhere")
ENGINE = (  # whatever the numbers are
    "nothing starts", "starts elsewhere", "seed's values", "nothing arrives",
    "one of several arrives", "another arrives", "not accumulated", "a gradient too many")
NUMBERS = ("apply hands another", "value", "random", "factor", "written elsewhere",
           "changes its gradient", "cycle", "visited too often", "returns its argument",
           "too many gradients") + ENGINE


@dataclass
class Observed:
    """What was to be seen when a scenario ran once more."""

    uses: set = field(default_factory=set)  # the names of operations
    found: list = field(default_factory=list)  # Findings

    def first(self, kinds, failure=None):
        """The first Finding, in the order of the kinds, that could lead to a failure."""
        for kind in kinds:
            for finding in self.found:
                unfit = failure and (
                    kind in OF_SHAPES and not speaks_of_shapes(failure)
                    or kind == "requires_grad lost" and not OUTSIDE.search(failure.message))
                if finding.kind == kind and not unfit:
                    return finding
        return None


def fact_of(kinds, observed, failure=None):
    finding = observed.first(kinds, failure)
    return finding and Explanation(f"graph: {finding.kind}", str(finding),
                                   of=finding.operation or None, finding=finding)


def speaks_of_shapes(failure):
    return SHAPES.search(failure.message) or (
        failure.type == "AssertionError" and failure.message.startswith("("))


def read_facts(values):
    """What was observed, from what came back of the submission's process, which may be anything."""
    texts = {name: re.sub(r"[^\w|(), ./'\[\]:+=-]", "?", value) for name, value in values.items()
             if isinstance(value, str)}
    found = []
    for number in dict.fromkeys(name.partition(" ")[0] for name in texts):
        told = {one.name: texts[f"{number} {one.name}"] for one in fields(Finding)
                if f"{number} {one.name}" in texts}
        if told.get("kind") in SENTENCES:
            line = values.get(f"{number} line")
            found.append(Finding(**dict(told, line=line if type(line) is int else 0)))
    return Observed({text for name, text in texts.items() if name.startswith("uses ")}, found)


# ---- errors

ARRAY = ("There is an array where a Tensor should be, and the .data of an array is a memoryview: "
         "gradients, running estimates and what is saved are Tensors, Tensor(...).")
ENGINES = r"autograd_engine\.py|^the check$"  # where what a backward returned is taken apart
NO_GRADIENT = ("A .grad is None until a gradient arrives: AccumulateGrad stores the first and adds "
               "the others, and step() meets None where no gradient reached a parameter.")
ERRORS = [  # the exception's type and message, what is of the lines where it fell, what to say
    ("TypeError", r"unsupported operand type\(s\) for (\S+): 'Tensor' and 'Tensor'", "",
     "Tensors have no operator {0} yet: it is a method of Tensor (__sub__ for -, __mul__ for *, "
     "__truediv__ for /, __matmul__ for @)."),
    ("TypeError", r"cannot unpack non-iterable NoneType object$", ENGINES,
     "backward returns None (is a return missing?); it has to return a gradient for each input."),
    ("TypeError", r"cannot unpack non-iterable (\w+) object$", ENGINES,
     "backward returns a single {0}; it has to return a gradient for each input."),
    ("TypeError", r"cannot unpack non-iterable NoneType object$", "",
     "What is unpacked here is None: is a return missing in what makes it?"),
    ("TypeError", r"cannot unpack non-iterable (\w+) object$", "",
     "What is unpacked here, into several names, is a single {0}."),
    ("ValueError", r"not enough values to unpack \(expected \d, got 0\)", "saved_tensors",
     "This ctx holds nothing: forward has to save into the ctx that it gets, and Function.apply() "
     "has to give it the one of the node."),
    ("ValueError", r"too many values to unpack", "saved_tensors",
     "This ctx holds more than its forward saved: did another save into the same list, one of the "
     "class or a default argument? Each context makes its own, in __init__."),
    ("ValueError", r"not enough values to unpack \(expected \d, got \d\)", "saved_tensors",
     "Is this ctx.saved_tensors? It holds what forward gave to ctx.save_for_backward()."),
    ("AttributeError", r"'(?:list|tuple)' object has no attribute 'data'", ENGINES,
     "A gradient is a list or tuple here: a backward returns several as a tuple, and backward() of "
     "the engine gives each parent its own one."),
    ("AttributeError", r"'(?:list|tuple)' object has no attribute 'data'", "",
     "Is this ctx.saved_tensors? It is a sequence also of one: a, = ctx.saved_tensors."),
    ("AttributeError", r"'Tensor' object has no attribute '(?:apply|next_functions)'", "",
     "backward() of the engine goes from node to node: Tensor.backward() starts it with "
     "self.grad_fn, and next_functions holds nodes, not Tensors."),
    ("TypeError", r".* got (?:method|function)", "",
     "There is a function in place of what it returns: is it called, with parentheses ()?"),
    ("TypeError", r"(?:\w+\.)?(?:forward|backward)\(\) (?:missing|takes) ", "",
     "forward takes ctx and what apply() got, backward takes ctx and one gradient, and both are "
     "static methods."),
    ("AttributeError", r"'(\w+)' object has no attribute 'backward'", "",
     "There is a value of type {0} in place of a Tensor: what makes it has to return one."),
    ("IndexError", r".*out of (?:range|bounds)", "momentums",
     "self.momentums is a list with one velocity for each parameter: self.momentums[i] = ..."),
    ("AttributeError", r"'NoneType' object has no attribute '(?:apply|next_functions)'", "",
     "A node is None: next_functions holds None for a constant, which backward() has to skip, and "
     "so is grad_fn before the tensor has a node."),
    ("AttributeError", r"'NoneType' object has no attribute 'data'", ".grad", NO_GRADIENT),
    ("TypeError", r"unsupported operand .*'NoneType'", ".grad", NO_GRADIENT),
    ("AttributeError", r"'NoneType' object", "",
     "There is None where a Tensor should be: is a return missing in what makes it?"),
    ("TypeError", r"unsupported operand .*'NoneType'", "",
     "There is None where a Tensor should be: is a return missing in what makes it?"),
    ("AttributeError", r"'(?:method|function)' object has no attribute", "",
     "There is a function in place of what it returns: is it called, with parentheses ()?"),
    ("AttributeError", r"'memoryview' object", "", ARRAY),
    ("TypeError", r"(?:unsupported operand|bad operand) .*'memoryview'", "", ARRAY),
    ("TypeError", r"bad operand type for unary -: 'Tensor'", "",
     "Tensors have no minus sign in front: with Tensors write a - b; in an operation compute with "
     "arrays, such as -grad_output.data."),
    ("TypeError", r"operand 'Tensor' does not support ufuncs", "",
     "NumPy's functions take arrays: the one of a Tensor is its .data. Where the gradient has to "
     "go through, use an operation of the graph."),
    ("TypeError", r"(\w+)\(\) takes no arguments", "",
     "An operation is run by its apply(), as in F.{0}.apply(x); is {0} one?"),
    ("TypeError", r"'(Tensor|ndarray)' object is not iterable$", ENGINES,
     "A backward may return one {0}, or a tuple of several: backward() of the engine has to take "
     "both."),
    ("TypeError", r"'Tensor' object is not iterable$", "",
     "Nothing goes through a Tensor one by one, neither a loop nor Python's sum() and max(): "
     "compute with the whole array, its .data, or with operations of the graph."),
    ("ValueError", r"matmul: .* mismatch|shapes .* not aligned", "",
     "The shapes do not fit in a matrix product, which needs (n, k) @ (k, m): forward is "
     "x @ weight^T, the gradients of a @ b are grad @ b^T and a^T @ grad."),
]


def error(failure):
    """Explain an error of Python's by its own words, if the table has them."""
    where = "; ".join(map(str, failure.places)) or "the check"
    for kind, pattern, place, sentence in ERRORS:
        match = (kind == failure.type and re.search(place, where)
                 and re.match(pattern, failure.message))
        if match:
            return Explanation("error: " + failure.type, sentence.format(*match.groups()))
    return None


# ---- relations

def relation(inputs, key, values, off):
    """Find what all values that are off have in common with those expected."""
    pairs = [(values.get(name), key.expected[name]) for name in off]
    right = [name for name in key.expected if name not in off]
    if any(got is None for got, _ in pairs):
        names = [name for name in off if values.get(name) is None]
        listed = textwrap.shorten(", ".join(names), 60)
        if not all("grad" in name for name in names):
            return Explanation("None", f"{listed}: None (is a return missing?).")
        if all(got is None or same(got, expected) for got, expected in pairs):
            also = "; the forward values are right" if "out" in right or "loss" in right else ""
            are = "is" if len(names) == 1 else "are"
            return Explanation("gradient missing", f"{listed} {are} None{also}: "
                               "what leads there was computed outside the graph (in NumPy, or from "
                               ".data), it was made without requires_grad, or backward() does not "
                               "reach it.")
        return None
    if any(str(got).startswith("an array of dtype object") for got, _ in pairs):
        return Explanation("no numbers", "A Tensor was made of something else than numbers, such "
                           "as None: is a return missing in what makes it?")
    if not all(isinstance(a, np.ndarray) and isinstance(b, np.ndarray) for a, b in pairs):
        return None
    return _unchanged(inputs, pairs, off) or _of_arrays(inputs, pairs, off)


def _unchanged(inputs, pairs, off):
    """Tell what that came is what was given: all of it, or parameters that did not move."""
    found = {name: given for name, (got, _) in zip(off, pairs) for given, value in inputs.items()
             if same(got, np.asarray(value, float))}
    moving = "lr" in inputs
    if not found or len(found) < len(off) and not moving:
        return None
    question = ": is that among the parameters of the optimizer (is_parameter=True)?"
    return Explanation("unchanged", f"{', '.join(found)}: what was given, "
                       f"{', '.join(found.values())}, unchanged{question if moving else '.'}")


def _of_arrays(inputs, pairs, off):
    if any(got.size != expected.size for got, expected in pairs):
        return None
    got, expected = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    if np.unique(np.abs(expected[np.abs(expected) > 1e-3]).round(4)).size < 3:
        return None  # too little to tell one relation from another
    names = textwrap.shorten(", ".join(off), 60)
    if not got.any():
        return Explanation("all zero", f"{names}: all zeros.")
    if all(a.shape == b.T.shape and same(a, b.T) for a, b in pairs):
        return Explanation("transposed", f"{names}: transposed, the numbers are right.")
    if same(got, expected):
        return Explanation("shape", f"{names}: the numbers are right, the shape is not.")
    start = np.concatenate([np.ravel(inputs[name]) if name in inputs else np.zeros(pair[1].size)
                            for name, pair in zip(off, pairs)])  # where step() began
    if not np.isfinite(got).all():
        return None
    word = (_times(inputs, got - start, expected - start)
            or len(pairs) == 1 and _times_a_power(inputs, *pairs[0]))
    what = "the step" if start.any() else "what is expected"
    return Explanation("times a factor", f"{names}: {what}, times {word}.") if word else None


def _times(inputs, got, expected):
    """Look for one factor between all numbers and those expected, and name it."""
    factor = got @ expected / (expected @ expected)
    if not same(got, factor * expected) or abs(factor) < 1e-3:
        return None
    meanings = [f"minus {meaning}" if factor < 0 < value else meaning
                for value, meaning in _factors(inputs)
                if np.isclose(abs(factor), abs(value), 1e-3) and (value > 0 or factor < 0)]
    return f"{factor:.4g}" + "".join(f" ({meaning})" for meaning in meanings)


def _times_a_power(inputs, got, expected):
    """Look for an input of which a power, or its negative, is the factor, number by number."""
    for name, value in inputs.items():
        if np.shape(value) != expected.shape or not np.all(value):
            continue
        for power, word in ((1., "{}"), (-1., "1 / {}"), (2., "{}^2"), (-2., "1 / {}^2")):
            for sign, minus in ((1, ""), (-1, "-")):
                if same(got, sign * expected * value ** power):
                    return minus + word.format(name)
    return None


def _factors(inputs):
    yield -1, "a sign"
    yield 2, "twice"
    for name in ("x", "logits"):
        if np.ndim(inputs.get(name, 0)) == 2:
            yield len(inputs[name]), "the batch size N"
            yield 1 / len(inputs[name]), "one over the batch size N"
            yield 1 / inputs[name].size, "one over the number of entries"
    if "lr" in inputs:
        yield inputs["lr"], "lr"
        yield 1 / inputs["lr"], "1/lr"
