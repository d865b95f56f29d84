"""What went wrong in a failed check: a known mistake, a fact of the graph, or a relation.

The first that fits is told, in this order:

1. a failed check of an earlier problem that must lead to this failure: fix that first;
2. a fact that ``observer.py`` saw when the scenario ran once more, if it breaks any graph;
3. a mistake of the catalogue whose values are exactly those that came;
4. a fact that may do harm or not;
5. a relation of the values that came to those expected, such as "times -1";
6. two mistakes of the catalogue together.

Where two mistakes fit, both are told; a formula is needed for none of this, only the Key.
"""

import re
from dataclasses import dataclass

import numpy as np

from checks import alike, same, wrong_values

OPERATIONS = {"Sub": ("1.1.1", "-"), "Mul": ("1.1.2", "*"), "Div": ("1.1.3", "/")}
SHAPES = re.compile(r"shape|broadcast|dimension|mismatch|size|AssertionError: \(", re.IGNORECASE)


@dataclass
class Explanation:
    id: str  # None: nothing is named
    message: str


def explain(check, inputs, key, answer, facts, failed):
    """The Explanation of a failed check, or None.

    Args:
        facts (list of list of str): what was seen when the scenario ran once more.
        failed (list of Result): the checks that failed before.
    """
    first = fix_first(check, answer, facts, failed)
    if first:
        return Explanation(None, "%s fails: fix that first." % first)
    found = fact_of(facts, CERTAIN, answer.problem)
    if not found and answer.values is None:
        found = fact_of(facts, LIKELY, answer.problem)
    elif not found:
        off = wrong_values(check, key.expected, answer.values)
        single, pairs = known(check, key, answer.values)
        found = (either(single) or fact_of(facts, LIKELY, "")
                 or relation(inputs, key, answer.values, off) or either(pairs))
    same_problem = [result.check for result in failed if result.check.problem == check.problem]
    if not found and same_problem:
        return Explanation(None, "%s (%s) fails too: fix that first."
                           % (same_problem[0].number, same_problem[0].name))
    return found


def either(mistakes):
    """One Explanation of one or two Knowns; more than two say nothing."""
    if len(mistakes) not in (1, 2):
        return None
    message = mistakes[0].message
    if len(mistakes) == 2:
        message = "Either: %s  Or: %s" % (message, mistakes[1].message)
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


def fits(check, wrong, values):
    return all(name in values and alike(values[name], wrong[name])
               for name in wrong if name not in check.advice)


# ---- what must fail because something else does

def fix_first(check, answer, facts, failed):
    """The problem that failed before and leads to this failure, or None."""
    used = {fact[1] for fact in facts if fact[0] == "uses"}
    failing = {result.check.problem for result in failed}
    for name, (problem, symbol) in OPERATIONS.items():
        operand = "unsupported operand type(s) for %s:" % symbol in answer.problem
        if problem in failing and problem != check.problem and (name in used or operand):
            return problem
    if not check.problem.startswith("2"):
        return None
    if any(leads_on(result, check) for result in failed if result.check.problem == "1.2"):
        return "1.2"
    if "2.1" in failing and check.problem != "2.1" and check.words & {"linear", "Sequential"}:
        return "2.1"
    return None


def leads_on(result, check):
    """Whether what failed in 1.2 must lead to a failure in a check of the layers."""
    raised = result.answer.values is None
    carries = result.check.carries
    if check.words & {"grad", "backward"} and any("is an array" in name for name in result.off):
        return True
    if "backward" in check.words:
        return bool(carries) and (raised or bool(set(carries) & set(result.off)))
    return "grad" not in check.words and bool(carries) and raised and "backward" not in result.check.words


# ---- facts of the graph

CERTAIN = {
    "apply returns": "Function.apply() returns None; it has to return the output Tensor.",
    "forward returns": "%s.forward returns a value of type %s; it has to return a Tensor.",
    "data is a Tensor": "The .data of %s's output is a Tensor; it has to be a NumPy array.",
    "requires_grad lost": "The output of %s does not require grad although an input does, so that "
                          "the graph ends there.",
    "no node": "The output of %s requires grad, but its grad_fn is None.",
    "parent is another": "next_functions of %s holds a new %s for an intermediate result; it has "
                         "to be that tensor's own grad_fn.",
    "parent is None": "next_functions of %s holds None for a tensor that requires grad.",
    "too few gradients": "%s.backward returns %s gradient(s) for %s arguments.",
    "gradient is None": "%s.backward returns None for a tensor that requires grad (is a return "
                        "missing?).",
}
LIKELY = {
    "parents missing": "next_functions of %s has %s entries for %s Tensors: a constant leaves None "
                       "there, so that parents and gradients stay in step.",
    "gradient is no Tensor": "%s.backward returns a value of type %s; it has to return Tensors.",
    "gradient's shape": "%s.backward returns a gradient of shape %s for a tensor of shape %s: what "
                        "was broadcast has to be summed, see unbroadcast(), handout 2.1.",
    "no grad_fn": "backward() is called on a tensor without a grad_fn: its last operation was not "
                  "done through Function.apply (computed in NumPy, or from .data).",
    "gradients share memory": "The .grad of two tensors share one array, so that adding to one in "
                              "place changes the other: store a copy.",
    "input changed": "%s.forward changes the array of its input; make a new array.",
}


def fact_of(facts, sentences, problem):
    """The first fact, in the order above, that could lead to the failure."""
    for kind, sentence in sentences.items():
        for fact in facts:
            unfit = kind == "gradient's shape" and problem and not SHAPES.search(problem)
            if fact[0] == kind and not unfit:
                details = tuple(fact[1:1 + sentence.count("%s")])
                return Explanation("graph: " + kind, sentence % details)
    return None


# ---- relations

def relation(inputs, key, values, off):
    """What all values that are off have in common with those expected, if anything."""
    pairs = [(values.get(name), key.expected[name]) for name in off]
    right = [name for name in key.expected if name not in off]
    if any(got is None for got, _ in pairs):
        if all(got is None or same(got, expected) for got, expected in pairs):
            names = [name for name in off if values.get(name) is None]
            also = "; the forward values are right" if "out" in right or "loss" in right else ""
            return Explanation("gradient missing", "%s None%s: what leads there was computed "
                               "outside the graph (in NumPy, or from .data), or backward() does "
                               "not reach it." % (", ".join(names)[:60] + (
                                   " is" if len(names) == 1 else " are"), also))
        return None
    if any("a Tensor whose .data is a Tensor" == got for got, _ in pairs
           if isinstance(got, str)):
        return Explanation("data is a Tensor", "A tensor's .data became a Tensor: compute with "
                           "the arrays in .data, and assign an array to it.")
    if not all(isinstance(a, np.ndarray) and isinstance(b, np.ndarray) for a, b in pairs):
        return None
    return _of_arrays(inputs, pairs, off)


def _of_arrays(inputs, pairs, off):
    numbers = np.concatenate([expected.ravel() for _, expected in pairs])
    if np.unique(np.abs(numbers[np.abs(numbers) > 1e-3]).round(4)).size < 2:
        return None  # too little to tell one relation from another
    names = ", ".join(off)[:60]
    if all(got.shape == expected.shape and not got.any() for got, expected in pairs):
        return Explanation("all zero", "%s: all zeros." % names)
    if all(got.shape == expected.T.shape and same(got, expected.T) for got, expected in pairs):
        return Explanation("transposed", "%s: transposed, the numbers are right." % names)
    if all(got.size == expected.size and same(got.ravel(), expected.ravel())
           for got, expected in pairs):
        return Explanation("shape", "%s: the numbers are right, the shape is not." % names)
    for factor, word in _factors(inputs):
        if all(got.shape == expected.shape and same(got, expected * factor)
               for got, expected in pairs):
            return Explanation("times " + word, "%s: what is expected, times %s." % (names, word))
    return None


def _factors(inputs):
    yield -1, "-1 (a sign)"
    rows = [len(inputs[name]) for name in ("x", "logits") if np.ndim(inputs.get(name, 0)) == 2]
    for n in rows:
        yield n, "%d, the batch size N (a mean is missing, or taken twice elsewhere)" % n
        yield 1 / n, "1/%d, one over the batch size N" % n
        yield -n, "-%d, minus the batch size N" % n
        yield -1 / n, "-1/%d, minus one over the batch size N" % n
    if "lr" in inputs:
        yield inputs["lr"], "lr"
        yield 1 / inputs["lr"], "1/lr"
    yield 2, "2 (does something count twice?)"
    yield 0.5, "1/2"
