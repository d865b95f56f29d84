"""The starter's grader: this one with values in place of references, formulas and mistakes."""

import ast
import json
import shutil

import cutting
import kit
from kit import homework


def write(folder):
    """Put the grader and the training data into a starter."""
    place = folder / "autograder" / kit.GRADER.name
    for path in kit.grader_files() + sorted((kit.GRADER / "data").glob("[!.]*")):
        if path.name not in ("catalogue.py", "mistakes.py"):
            kit.copy_file(kit.GRADER, path, place)
    for name in (f"{question}.py" for question in homework.QUESTIONS):
        before = (kit.GRADER / name).read_text("utf-8")
        text = cutting.drop(before, _is_an_answer)
        unused = cutting.mentions(before) - cutting.mentions(text)
        (place / name).write_text(cutting.keep_imports(
            text, lambda module, imported: imported not in unused), "utf-8")
    shutil.copyfile(kit.TEMPLATES / "starter" / "grader" / "keys.py",
                    place / "judging" / "keys.py")
    (place / "keys.json").write_text(json.dumps(keys(), separators=(",", ":")))


def _is_an_answer(node):
    """References and formulas: what says how the expected values come about."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return getattr(node.value.func, "id", "") == "formulas"
    return isinstance(node, ast.FunctionDef) and (node.name == "reference" or any(
        isinstance(line, ast.Name) and line.id == "formula" for line in node.decorator_list))


def keys():
    """Make what judges each check at the default seed: inputs, expected values, known mistakes."""
    import runner

    found = {}
    for check in runner.CHECKS:
        inputs = runner.inputs_of(check, runner.SEED)
        key = runner.key_of(check, inputs)
        found[check.number] = {
            "inputs": packed(inputs), "expected": packed(key.expected),
            "mistakes": list(map(told, key.mistakes))}
    return found


def told(mistake):
    """Return a KnownMistake as JSON holds it."""
    return {"id": mistake.id, "message": mistake.message,
            "values": [packed(values) for values in mistake.values]}


def packed(values):
    """Return arrays as JSON holds them, facts as they are."""
    return {name: {"dtype": value.dtype.str, "shape": value.shape, "data": value.ravel().tolist()}
            if hasattr(value, "dtype") else value for name, value in values.items()}
