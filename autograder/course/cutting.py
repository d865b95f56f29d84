"""Cuts Python source by its syntax tree: empties functions, and drops what nothing then needs."""

import ast
import re

_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def _never(name, node):
    return False


def empty(text, todo, given=None, stays=_never, goes=_never):
    """The source with some functions to be written, and without what only they used.

    Args:
        text (str): Python source.
        todo (dict): from the qualified name of a function to the problem that asks for it.
        given (dict): from the name of a top-level definition to other source for it, or to None
            if it stays as it is.
        stays, goes (function): whether a definition (qualified name, node) stays though nothing
            mentions it, or goes though something may.

    Raises:
        LookupError: a name of ``todo`` or ``given`` is not in the source.
    """
    given = given or {}
    there = {name: node for name, node in _definitions(ast.parse(text)).items()
             if name in todo or not goes(name, node)}
    missing = sorted({*todo, *given} - set(there))
    if missing:
        raise LookupError(f"not in the source: {', '.join(missing)}")
    edits = {name: _emptied(text, there[name], name, todo[name]) for name in todo}
    edits.update({name: source for name, source in given.items() if source is not None})
    wanted = {name for name, node in there.items() if name in todo or name in given
              or stays(name, node)}
    wanted |= {_owner(name) for name in wanted if "." in name}
    others = [node for node in ast.parse(text).body if not isinstance(node, _DEFINITIONS)
              and not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name))]
    while True:  # what is kept may mention more
        kept = [_tree(edits[name]) if name in edits else there[name] for name in wanted]
        mentioned = {word for node in others + kept for word in _words(node)}
        found = {name for name in there if _owner(name) in wanted | {""}
                 and (_short(name) in mentioned or "." in name and _short(name)[:2] == "__")}
        if found <= wanted:
            return _without_unused_imports(_apply(text, wanted, edits), text)
        wanted |= found


def _owner(name):
    return name.rpartition(".")[0]


def _short(name):
    return name.rpartition(".")[2]


def drop(text, leaves):
    """The source without the definitions, at any depth, that ``leaves`` picks by their nodes."""
    lines = text.splitlines(keepends=True)
    for node in sorted(filter(leaves, ast.walk(ast.parse(text))), key=_start, reverse=True):
        _remove(lines, node)
    return _without_unused_imports("".join(lines), text)


def keep_imports(text, defines):
    """The source without imports of names that a module does not define.

    Args:
        defines (function): from a module's name to the set of names in it, or None if all are.

    Raises:
        LookupError: the source uses such a name.
    """
    lines = text.splitlines(keepends=True)
    gone = set()
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.ImportFrom):
            there = defines(node.module)
            kept = [alias for alias in node.names if there is None or alias.name in there]
            if len(kept) < len(node.names):
                lines[node.lineno - 1:node.end_lineno] = [_import(node, kept)] if kept else []
                gone |= {alias.name for alias in node.names} - {alias.name for alias in kept}
    if gone & _used(text):
        raise LookupError(f"not given, but used: {', '.join(sorted(gone & _used(text)))}")
    text = "".join(lines)
    for name in gone:
        text = re.sub(rf'(^__all__ = .*?), "{name}"', r"\1", text, flags=re.MULTILINE)
    return text


def defined(text):
    """The names that a module defines or imports, also inside an if."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def source_of(text, name):
    """The source of one top-level definition."""
    node = _definitions(ast.parse(text))[name]
    return "".join(text.splitlines(keepends=True)[_start(node) - 1:node.end_lineno])


def names_in(text):
    """The qualified names of what can be emptied or dropped on its own."""
    return set(_definitions(ast.parse(text)))


def _definitions(tree):
    """Functions, classes, methods and assignments, by qualified name."""
    found = {}
    for node in tree.body:
        if isinstance(node, _DEFINITIONS):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        if isinstance(node, ast.ClassDef):
            found.update({f"{node.name}.{inner.name}": inner for inner in node.body
                          if isinstance(inner, ast.FunctionDef)})
    return found


def _start(node):
    return min([node.lineno] + [line.lineno for line in getattr(node, "decorator_list", [])])


def _tree(source):
    """The tree of a definition, which may be indented."""
    return ast.parse("if 1:\n" + source if source[0] == " " else source)


def _words(tree):
    """The names that a definition mentions; those of a class without its methods'."""
    names, to_do = set(), [tree]
    for node in to_do:  # grows while it is walked
        if isinstance(node, (ast.Name, ast.Attribute)):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
        to_do += [inner for inner in ast.iter_child_nodes(node) if not (
            isinstance(tree, ast.ClassDef) and isinstance(inner, ast.FunctionDef))]
    return names


def _emptied(text, node, name, problem):
    """A function with its signature and docstring, and the rest to be written."""
    lines = text.splitlines(keepends=True)
    decorators = [line for line in node.decorator_list
                  if isinstance(line, ast.Name)]  # staticmethod; not what is done for speed
    body = node.body
    documented = ast.get_docstring(node) is not None
    first = body[0].end_lineno + 1 if documented else body[0].lineno
    indent = " " * body[0].col_offset
    outer = " " * node.col_offset
    return ("".join(f"{outer}@{line.id}\n" for line in decorators)
            + "".join(lines[node.lineno - 1:first - 1])
            + f"{indent}# TODO {problem}\n"
            + f'{indent}raise NotImplementedError("{problem}: {name} is to be written")\n')


def _apply(text, wanted, edits):
    """The source with the edits, without the definitions that are not wanted."""
    lines = text.splitlines(keepends=True)
    definitions = _definitions(ast.parse(text))
    for name, node in sorted(definitions.items(), key=lambda item: -item[1].lineno):
        owner = _owner(name)
        if owner and (owner in edits or owner not in wanted):
            continue  # it goes with its class
        if name in edits:
            lines[_start(node) - 1:node.end_lineno] = [edits[name]]
        elif name not in wanted:
            _remove(lines, node)
    return "".join(lines)


def _remove(lines, node):
    """Take a definition out, with the comments above it, which belong to it."""
    first = _start(node) - 1
    while first and (not lines[first - 1].strip() or lines[first - 1].lstrip()[0] == "#"):
        first -= 1
    lines[first:node.end_lineno] = []


def _without_unused_imports(text, before):
    """The source without imports that nothing uses any more, but for those a student needs."""
    used, needed = _used(before), _used(text)
    lines = text.splitlines(keepends=True)
    for node in reversed(ast.parse(text).body):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not any(
                re.match(r"numpy|mytorch(?!\.blocks)", getattr(node, "module", "") or alias.name)
                for alias in node.names):
            kept = [alias for alias in node.names
                    if (alias.asname or alias.name) in needed or (alias.asname or alias.name)
                    not in used]
            lines[node.lineno - 1:node.end_lineno] = [_import(node, kept)] if kept else []
    text = re.sub(r"\n{3,}(?=import |from )", "\n\n", "".join(lines))
    return re.sub(r"\n{4,}", "\n\n\n", text)


def _used(text):
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _import(node, names):
    texts = ", ".join(alias.name + (f" as {alias.asname}" if alias.asname else "")
                      for alias in names)
    if isinstance(node, ast.Import):
        return f"import {texts}\n"
    return f"from {node.module} import {texts}\n"
