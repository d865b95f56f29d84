"""What wrong values have to do with the right ones, whatever the mistake."""

import textwrap

import numpy as np

from judging.checks import Unfit, same


def relation(inputs, key, values, wrong):
    """Find what the values with these names, which are wrong, have in common with those expected.

    Returns:
        tuple or None: a name and a sentence.
    """
    pairs = [(values.get(name), key.expected[name]) for name in wrong]
    right = [name for name in key.expected if name not in wrong]
    if any(got is None for got, _ in pairs):
        names = [name for name in wrong if values.get(name) is None]
        listed = textwrap.shorten(", ".join(names), 60)
        if not all("grad" in name for name in names):
            return "None", f"{listed}: None (is a return missing?)."
        if all(got is None or same(got, expected) for got, expected in pairs):
            also = "; the forward values are right" if "out" in right or "loss" in right else ""
            are = "is" if len(names) == 1 else "are"
            return "gradient missing", (
                f"{listed} {are} None{also}: what leads there was computed outside the graph (in "
                "NumPy, or from .data), it was made without requires_grad, or backward() does not "
                "reach it.")
        return None
    if any(isinstance(got, Unfit) and got.type == "object" for got, _ in pairs):
        return "no numbers", ("A Tensor was made of something else than numbers, such as None: is "
                              "a return missing in what makes it?")
    if not all(isinstance(a, np.ndarray) and isinstance(b, np.ndarray) for a, b in pairs):
        return None
    return _unchanged(inputs, pairs, wrong) or _of_arrays(inputs, pairs, wrong)


def _unchanged(inputs, pairs, wrong):
    """Tell what that came is what was given: all of it, or parameters that did not move."""
    found = {name: given for name, (got, _) in zip(wrong, pairs) for given, value in inputs.items()
             if same(got, np.asarray(value, float))}
    moving = "lr" in inputs
    if not found or len(found) < len(wrong) and not moving:
        return None
    question = ": is that among the parameters of the optimizer (is_parameter=True)?"
    return "unchanged", (f"{', '.join(found)}: what was given, {', '.join(found.values())}, "
                         f"unchanged{question if moving else '.'}")


def _of_arrays(inputs, pairs, wrong):
    if any(got.size != expected.size for got, expected in pairs):
        return None
    got, expected = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    if np.unique(np.abs(expected[np.abs(expected) > 1e-3]).round(4)).size < 3:
        return None  # too little to tell one relation from another
    names = textwrap.shorten(", ".join(wrong), 60)
    if not got.any():
        return "all zero", f"{names}: all zeros."
    if all(a.shape == b.T.shape and same(a, b.T) for a, b in pairs):
        return "transposed", f"{names}: transposed, the numbers are right."
    if same(got, expected):
        return "shape", f"{names}: the numbers are right, the shape is not."
    start = np.concatenate([np.ravel(inputs[name]) if name in inputs else np.zeros(pair[1].size)
                            for name, pair in zip(wrong, pairs)])  # where step() began
    if not np.isfinite(got).all():
        return None
    word = (_times(inputs, got - start, expected - start)
            or len(pairs) == 1 and _times_a_power(inputs, *pairs[0]))
    what = "the step" if start.any() else "what is expected"
    return ("times a factor", f"{names}: {what}, times {word}.") if word else None


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
