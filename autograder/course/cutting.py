"""Cuts Python source by its syntax tree: empties definitions, and drops what nothing then needs."""

import ast
import re
from functools import lru_cache

parse = lru_cache(maxsize=None)(ast.parse)  # a source is looked at from many sides


def definitions(text):
    """Functions, classes, methods and assignments: their nodes by qualified name."""
    found = {}
    for node in parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        if isinstance(node, ast.ClassDef):
            found.update({f"{node.name}.{inner.name}": inner for inner in node.body
                          if isinstance(inner, ast.FunctionDef)})
    return found


def names(text):
    """Return the names that a module defines or imports."""
    return {*definitions(text), *(alias.asname or alias.name for node in ast.walk(parse(text))
                                  if isinstance(node, (ast.Import, ast.ImportFrom))
                                  for alias in node.names)}


def source_of(text, name):
    """Return the source of a definition, with its decorators."""
    node = definitions(text)[name]
    return "".join(text.splitlines(keepends=True)[_start(node) - 1:node.end_lineno])


def emptied(text, name, problem, hint=""):
    """Return a function's source with signature and docstring, the rest to be written."""
    node, lines = definitions(text)[name], text.splitlines(keepends=True)
    first = node.body[0]
    end = first.end_lineno if ast.get_docstring(node) is not None else first.lineno - 1
    indent, outer = " " * first.col_offset, " " * node.col_offset
    return "".join(
        [f"{outer}@{line.id}\n" for line in node.decorator_list if isinstance(line, ast.Name)]
        + lines[node.lineno - 1:end]
        + [f"{indent}# TODO {problem}\n"] + [f"{indent}# {line}\n" for line in hint.splitlines()]
        + [f'{indent}raise NotImplementedError("{problem}: {name} is to be written")\n'])


def replace(text, pieces):
    """Replace some definitions in a source, or drop those whose piece is None.

    Raises:
        LookupError: a name of ``pieces`` is not in the source.
    """
    there, lines = definitions(text), text.splitlines(keepends=True)
    if set(pieces) - set(there):
        raise LookupError(f"not in the source: {', '.join(sorted(set(pieces) - set(there)))}")
    for name in sorted(pieces, key=lambda name: -there[name].lineno):
        if pieces[name] is None:
            _remove(lines, there[name])
        else:
            lines[_start(there[name]) - 1:there[name].end_lineno] = [pieces[name]]
    return "".join(lines)


def drop(text, leaves):
    """Drop the definitions, at any depth, that ``leaves`` picks by their nodes."""
    lines = text.splitlines(keepends=True)
    for node in sorted(filter(leaves, ast.walk(parse(text))), key=_start, reverse=True):
        _remove(lines, node)
    return "".join(lines)


def tidied(text, before, stays):
    """Drop from a source what was mentioned before it was cut and no longer is, but for some."""
    while True:
        gone = mentions(before) - mentions(text)
        left = [name for name in definitions(text)
                if name not in stays and re.sub(r".*(?=\.)", "", name) in gone]
        if not left:
            return text
        text = replace(text, dict.fromkeys(left))


def mentions(text):
    """Return the names that a source uses, and with a dot those of attributes."""
    nodes = [node for node in ast.walk(parse(text))
             if isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load)]
    return {f".{node.attr}" if isinstance(node, ast.Attribute) else node.id for node in nodes}


def keep_imports(text, keep):
    """Keep the imported names that ``keep(module, name)`` picks; module may be None."""
    lines = text.splitlines(keepends=True)
    for node in reversed(parse(text).body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None)
            kept = [alias for alias in node.names if keep(module, alias.asname or alias.name)]
            if len(kept) < len(node.names):
                lines[node.lineno - 1:node.end_lineno] = [_import(module, kept)] if kept else []
    return re.sub(r"\n{3,}(?=import |from )", "\n\n", re.sub(r"\n{4,}", "\n\n\n", "".join(lines)))


def _import(module, names):
    texts = ", ".join(alias.name + (f" as {alias.asname}" if alias.asname else "")
                      for alias in names)
    return f"from {module} import {texts}\n" if module else f"import {texts}\n"


def _start(node):
    return min([node.lineno] + [line.lineno for line in getattr(node, "decorator_list", [])])


def _remove(lines, node):
    """Take a definition out, with the comments above it, which belong to it."""
    first = _start(node) - 1
    while first and (not lines[first - 1].strip() or lines[first - 1].lstrip()[0] == "#"):
        first -= 1
    lines[first:node.end_lineno] = []
