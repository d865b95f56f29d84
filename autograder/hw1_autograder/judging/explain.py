"""Explains a failed check: by a known mistake, a fact of the graph, or a relation.

The first that fits is told, in this order:

1. a check that this one rests on (its ``after``) and that failed: fix that first;
2. a fact that ``observer.py`` saw when the scenario ran once more, if it breaks any graph;
3. the one mistake of the catalogue whose values are exactly those that came;
4. another fact;
5. what an error of Python's says; or two mistakes of which either fits; or a relation of the
   values that came to those expected, such as "times -1"; or two mistakes together;
6. a failed check of the same problem, which may be the cause;
7. the sandbox, where operations of the student's own are in the graph.

A formula is needed for none of this, only the AnswerKey.
"""

import re
from dataclasses import dataclass

import numpy as np

from judging.checks import ANY, alike, same, wrong_values

OPERATORS = {"-": "Sub", "*": "Mul", "/": "Div"}
GIVEN = ("Add", "Sub", "Mul", "Div", "Log", "Reshape", "Transpose")
NOT_WRITTEN = "not written"  # the id of what is no mistake, but was not begun
OUTSIDE = re.compile(r"'NoneType' object has no attribute '(apply|next_functions)'|"
                     r"outside (the|any) graph")
SHAPES = re.compile(r"shape|broadcast|dimension|mismatch|size", re.IGNORECASE)


@dataclass
class Explanation:
    id: str  # None: nothing is named
    message: str
    knock_on: bool = False  # there is nothing to learn here before something else is mended
    brief: bool = False  # another check may be the cause, which shows more


def explain(check, inputs, key, answer, facts, failed):
    """The Explanation of a failed check, or None.

    Args:
        facts (list of list of str): what was seen when the scenario ran once more.
        failed (list of Result): the checks that failed before.
    """
    failure = answer.failure
    if failure and failure.kind == "not written":
        return None  # as the report says
    if failed_alike(failure, [result for result in failed if not result.is_knock_on]):
        return None
    first = first_to_fix(check, used_by(answer, facts), failed)
    if first:
        told = fact_of(FACTS, facts, failure) if first.startswith(check.problem + ".") else None
        return told or Explanation(None, f"{first} fails: fix that first.", knock_on=True)
    before = [result.check for result in failed if result.check.problem == check.problem]
    found = (of_a_failure(failure, facts, before) if failure else
             of_values(check, inputs, key, answer.values, facts))
    if not found and before:
        found = Explanation(None, f"{before[0].number} ({before[0].name}) fails too, which may be "
                            "the cause.", brief=True)
    if not found and not failure:
        changed = [text for name, text in check.advice.items() if answer.values.get(name) is False]
        found = Explanation(None, changed[0]) if changed else look_into_the_sandbox(facts)
    return found


def first_to_fix(check, used, failed):
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


def used_by(answer, facts):
    """The operations that a scenario used, or wanted to."""
    wanted = re.match(r"unsupported operand type\(s\) for (\S+):",
                      answer.failure.message if answer.failure else "")
    return {fact[1] for fact in facts if fact[0] == "uses"} | {
        OPERATORS.get(wanted.group(1)) if wanted else None}


def of_a_failure(failure, facts, before):
    if failure.kind == "circular":
        return Explanation("circular import", f"{failure.file or 'A file'} imports what imports it "
                           "again: import the module instead of a name from it, or import it in "
                           "the function that needs it.")
    return fact_of(FACTS, facts, failure) or (None if before else error(failure))


def of_values(check, inputs, key, values, facts):
    off = wrong_values(check, key.expected, values)
    single, pairs = known(check, key, values)
    broken = None if check.asks_for_facts else fact_of(BREAK_ANY_GRAPH, facts)
    return (broken or only(single, 1) or fact_of(FACTS, facts) or only(single, 2)
            or relation(inputs, key, values, off)
            or (only(pairs, 2) if numbers_in(off, values) > 3 else None))


def look_into_the_sandbox(facts):
    own = sorted({fact[1] for fact in facts if fact[0] == "uses"} - set(GIVEN))
    if not own:
        return None
    return Explanation(None, f"Nothing known fits. python3 sandbox.py compares the gradients of "
                       f"each operation ({', '.join(own)[:60]}) with differences of its forward.")


def only(mistakes, most):
    """Make one Explanation of one or two KnownMistakes; of more than ``most``, none."""
    if not 1 <= len(mistakes) <= most:
        return None
    message = mistakes[0].message
    if len(mistakes) == 2:
        message = f"Either: {message}  Or: {mistakes[1].message}"
    return Explanation(" or ".join(mistake.id for mistake in mistakes), message)


def known(check, key, values):
    """The known mistakes that lead to these values: single ones, and if there are none, pairs."""
    single, pairs = [], []
    for mistake in key.mistakes:
        pair = "+" in mistake.id
        if pair and single:
            break
        if any(fits(check, wrong, values) for wrong in mistake.values):
            (pairs if pair else single).append(mistake)
    return single, pairs


def numbers_in(off, values):
    return sum(np.size(values.get(name)) for name in off)


def fits(check, wrong, values):
    return all(name in values and alike(values[name], wrong[name])
               for name in wrong if name not in check.advice)


# ---- facts of the graph

BREAK_ANY_GRAPH = {  # the first that was seen is told
    "forward returns": "%s.forward returns a value of type %s; it has to return a Tensor.",
    "apply returns": "Function.apply() returns a value of type %s; it has to return the output "
                     "Tensor.",
    "data is a Tensor": "The .data of %s's output is a Tensor; it has to be a NumPy array.",
    "requires_grad lost": "The output of %s does not require grad although an input does, so that "
                          "the graph ends there.",
    "no node": "The output of %s requires grad, but its grad_fn is None.",
    "parents missing": "next_functions of %s has %s entries for %s Tensors: each argument appends "
                       "its node, or None if it is a constant.",
    "too many parents": "next_functions of %s has %s entries for %s arguments: do all nodes share "
                        "one list (a class attribute, or a default argument)?",
    "parent is another": "next_functions of %s holds a new %s for an intermediate result; it has "
                         "to be that tensor's own grad_fn.",
    "parent is None": "next_functions of %s holds None for a tensor that requires grad.",
    "seed is no Tensor": "Tensor.backward() starts with a value of type %s; it has to hand a "
                         "Tensor of ones to autograd_engine.backward().",
    "seed's shape": "Tensor.backward() starts with a gradient of shape %s; it has to be ones of "
                    "the tensor's own shape, %s (section 0.1.5, step 1).",
    "no Tensor arrives": "A value of type %s arrives at %s in place of a Tensor: backward() gives "
                         "each parent its own one of the gradients that an operation returned.",
}
FACTS = {
    **BREAK_ANY_GRAPH,
    "param.data is a Tensor": "step() leaves a Tensor in param.data: compute with the arrays in "
                              "param.data and param.grad.data.",
    "parameter replaced": "step() puts a new Tensor into the list of parameters, and the layers "
                          "keep the old one: assign to param.data.",
    "too few gradients": "%s.backward returns %s gradient(s) for %s arguments.",
    "gradient is None": "%s.backward, or the apply() that calls it, returns None for a tensor that "
                        "requires grad (is a return missing?).",
    "gradient is no Tensor": "%s.backward returns a value of type %s; it has to return Tensors.",
    "shape that arrives": "A gradient of shape %s arrives at the output of %s, which has the shape "
                          "%s: what is computed from it hands on another shape, or backward() "
                          "gives a parent the gradient of another.",
    "gradient's shape": "%s.backward returns a gradient of shape %s for a tensor of shape %s",
    "no grad_fn": "backward() is called on a tensor without a grad_fn: its last operation was not "
                  "done through Function.apply (computed in NumPy, or from .data).",
    "gradients share memory": "The .grad of two tensors share one array, so that adding to one in "
                              "place changes the other: store a copy.",
    "input changed": "%s.forward changes the array of its input; make a new array.",
}


def fact_of(sentences, facts, failure=None):
    """The first fact, in the order of the sentences, that could lead to the failure."""
    for kind, sentence in sentences.items():
        for fact in facts:
            unfit = failure and (
                kind == "gradient's shape" and not speaks_of_shapes(failure)
                or kind == "requires_grad lost" and not OUTSIDE.search(failure.message))
            if fact[0] == kind and not unfit:
                more = _broadcast(fact[1]) if kind == "gradient's shape" else ""
                return Explanation(f"graph: {kind}", sentence % tuple(fact[1:]) + more)
    return None


def speaks_of_shapes(failure):
    return SHAPES.search(failure.message) or (
        failure.type == "AssertionError" and failure.message.startswith("("))


def read_facts(texts):
    """The facts in what came back from the submission's process, which may be anything."""
    parts = {"uses": 2, **{kind: 1 + sentence.count("%s") for kind, sentence in FACTS.items()}}
    facts = [re.sub(r"[^\w|(), .']", "?", text).split("|") for text in texts]
    return [fact for fact in facts if len(fact) == parts.get(fact[0])]


def _broadcast(name):
    if name in ("MatMul", "Transpose", "Reshape"):
        return "; each argument gets a gradient of its own shape."
    return (": what was broadcast has to be summed, in the axes where it was, see unbroadcast(), "
            "handout 2.1.")


# ---- errors

ARRAY = ("There is an array where a Tensor should be, and the .data of an array is a memoryview: "
         "gradients, running estimates and what is saved are Tensors, Tensor(...).")
ERRORS = [  # the exception's type and message, a word of the line where it fell, and what to say
    ("TypeError", r"unsupported operand type\(s\) for (\S+): 'Tensor' and 'Tensor'", "",
     "Tensors have no operator {0} yet: it is a method of Tensor (__sub__ for -, __mul__ for *, "
     "__truediv__ for /, __matmul__ for @)."),
    ("TypeError", r"cannot unpack non-iterable NoneType object$", "",
     "backward returns None (is a return missing?); it has to return a gradient for each input."),
    ("TypeError", r"cannot unpack non-iterable (\w+) object$", "",
     "backward returns a single {0}; it has to return a gradient for each input."),
    ("ValueError", r"not enough values to unpack \(expected \d, got \d\)", "saved_tensors",
     "Is this ctx.saved_tensors? It holds what forward gave to ctx.save_for_backward()."),
    ("AttributeError", r"'(?:list|tuple)' object has no attribute 'data'", "",
     "Is this ctx.saved_tensors? It is a sequence also of one: a, = ctx.saved_tensors."),
    ("AttributeError", r"'NoneType' object has no attribute '(?:apply|next_functions)'", "",
     "A node is None: next_functions holds None for a constant, which backward() has to skip, and "
     "so is grad_fn before the tensor has a node."),
    ("AttributeError", r"'NoneType' object", "",
     "There is None where a Tensor should be: is a return missing in what makes it?"),
    ("TypeError", r"unsupported operand .*'NoneType'", "",
     "There is None where a Tensor should be: is a return missing in what makes it?"),
    ("AttributeError", r"'memoryview' object", "", ARRAY),
    ("TypeError", r"(?:unsupported operand|bad operand) .*'memoryview'", "", ARRAY),
    ("TypeError", r"bad operand type for unary -: 'Tensor'", "",
     "Tensors have no minus sign in front: with Tensors write a - b; in an operation compute with "
     "arrays, such as -grad_output.data."),
    ("TypeError", r"operand 'Tensor' does not support ufuncs", "",
     "NumPy's functions take arrays: the one of a Tensor is its .data."),
    ("TypeError", r"(\w+)\(\) takes no arguments", "",
     "An operation is run by its apply(), as in F.{0}.apply(x); is {0} one?"),
    ("TypeError", r"'(Tensor|ndarray)' object is not iterable$", "",
     "A backward may return one {0}, or a tuple of several: backward() of the engine has to take "
     "both."),
    ("ValueError", r"matmul: .* mismatch|shapes .* not aligned", "",
     "The shapes do not fit in a matrix product, which needs (n, k) @ (k, m): forward is "
     "x @ weight^T, the gradients of a @ b are grad @ b^T and a^T @ grad."),
]


def error(failure):
    """Explain an error of Python's by its own words, if the table has them."""
    for kind, pattern, word, sentence in ERRORS:
        match = kind == failure.type and word in failure.code and re.match(pattern, failure.message)
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
        if not all("grad" in name for name in names):
            return Explanation("None", f"{', '.join(names)[:60]}: None (is a return missing?).")
        if all(got is None or same(got, expected) for got, expected in pairs):
            also = "; the forward values are right" if "out" in right or "loss" in right else ""
            are = "is" if len(names) == 1 else "are"
            return Explanation("gradient missing", f"{', '.join(names)[:60]} {are} None{also}: "
                               "what leads there was computed outside the graph (in NumPy, or from "
                               ".data), it was made without requires_grad, or backward() does not "
                               "reach it.")
        return None
    if any("a Tensor whose .data is a Tensor" == got for got, _ in pairs
           if isinstance(got, str)):
        return Explanation("data is a Tensor", "A tensor's .data became a Tensor: compute with "
                           "the arrays in .data, and assign an array to it.")
    if not all(isinstance(a, np.ndarray) and isinstance(b, np.ndarray) for a, b in pairs):
        return None
    return _of_arrays(inputs, pairs, off)


def _of_arrays(inputs, pairs, off):
    if any(got.size != expected.size for got, expected in pairs):
        return None
    got, expected = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    if np.unique(np.abs(expected[np.abs(expected) > 1e-3]).round(4)).size < 3:
        return None  # too little to tell one relation from another
    names = ", ".join(off)[:60]
    if not got.any():
        return Explanation("all zero", f"{names}: all zeros.")
    if all(a.shape == b.T.shape and same(a, b.T) for a, b in pairs):
        return Explanation("transposed", f"{names}: transposed, the numbers are right.")
    if same(got, expected):
        return Explanation("shape", f"{names}: the numbers are right, the shape is not.")
    start = np.concatenate([np.ravel(inputs[name]) if name in inputs else np.zeros(pair[1].size)
                            for name, pair in zip(off, pairs)])  # where step() began
    return _times(inputs, got - start, expected - start, names, "the step" if start.any() else
                  "what is expected")


def _times(inputs, got, expected, names, what):
    """Look for one factor between all numbers and those expected."""
    if not np.isfinite(got).all():
        return None
    factor = got @ expected / (expected @ expected)
    if not same(got, factor * expected) or abs(factor) < 1e-3:
        return None
    word = f"{factor:.4g}"
    for value, meaning in _factors(inputs):
        if np.isclose(factor, value, 1e-3):
            word += f" ({meaning})"
    return Explanation(f"times {factor:.4g}", f"{names}: {what}, times {word}.")


def _factors(inputs):
    yield -1, "a sign"
    yield 2, "does something count twice?"
    for name in ("x", "logits"):
        if np.ndim(inputs.get(name, 0)) == 2:
            yield len(inputs[name]), "the batch size N"
            yield 1 / len(inputs[name]), "one over the batch size N"
            yield 1 / inputs[name].size, "one over the number of entries"
    if "lr" in inputs:
        yield inputs["lr"], "lr"
        yield 1 / inputs["lr"], "1/lr"
