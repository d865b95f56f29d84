"""Writes the starter handout: this repository with what the problems ask for emptied."""

import ast
import re
import shutil

import cutting
import kit
import starter_grader

TEMPLATES = kit.TEMPLATES / "starter"
ENGINE, TENSOR = "mytorch/autograd_engine.py", "mytorch/tensor.py"
FUNCTIONAL, SGD = "mytorch/nn/functional.py", "mytorch/optim/sgd.py"
MNIST = "hw1/mnist.py"

# What each problem asks for; the engine's part is in templates/starter/autograd_engine.py.
ASKED = {
    "1.1.1": [(FUNCTIONAL, "Sub.forward"), (FUNCTIONAL, "Sub.backward"),
              (TENSOR, "Tensor.__sub__")],
    "1.1.2": [(FUNCTIONAL, "Mul.forward"), (FUNCTIONAL, "Mul.backward"),
              (TENSOR, "Tensor.__mul__")],
    "1.1.3": [(FUNCTIONAL, "Div.forward"), (FUNCTIONAL, "Div.backward"),
              (TENSOR, "Tensor.__truediv__")],
    "1.2": [(TENSOR, "Tensor.backward")],
    "2.1": [("mytorch/nn/sequential.py", "Sequential.forward"),
            ("mytorch/nn/linear.py", "Linear.forward"), (FUNCTIONAL, "unbroadcast")],
    "2.2": [("mytorch/nn/activations.py", "ReLU.forward")],
    "2.3 and 2.6": [(SGD, "SGD.step")],
    "2.4": [("mytorch/nn/batchnorm.py", "BatchNorm1d.forward")],
    "2.5": [(FUNCTIONAL, "cross_entropy")],
    "3": [(MNIST, "mnist"), (MNIST, "train"), (MNIST, "validate")],
}
GIVEN = ("Add", "Transpose", "Reshape", "Log")  # operations; in templates/starter/given.py
TOP = ("grade.sh", "create_tarball.sh", "sandbox.py", "requirements.txt")
PARTS = ("mytorch/**/__init__.py", "mytorch/nn/*.py", "mytorch/optim/*.py", ENGINE, TENSOR, MNIST)


def write(path):
    """Write the handout into a new folder."""
    with kit.new_folder(path) as folder:
        sources = library()
        for name, text in sources.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        for name in TOP:
            if name not in sources:
                shutil.copy(kit.REPOSITORY / name, folder / name)
        shutil.copyfile(TEMPLATES / "README.md", folder / "README.md")
        starter_grader.write(folder)
    return f"{path}: the handout for students; its README.md says where to start"


def library():
    """The sources of mytorch and hw1, emptied, and of the sandbox, by path."""
    sources = {path.relative_to(kit.REPOSITORY).as_posix(): None for part in PARTS
               for path in kit.REPOSITORY.glob(part)}
    sources = {name: emptied(name) for name in sorted({"sandbox.py", *sources})}
    handout = set(sources)
    while True:  # what they import comes along, such as gradcheck.py, as far as it is used
        imported = {}
        for text in sources.values():
            for file, name in _imports(text):
                imported.setdefault(file, set()).add(name)
        helpers = {file: _reduced(file, imported[file]) for file in set(imported) - handout}
        if all(sources.get(file) == text for file, text in helpers.items()):
            break
        sources.update(helpers)
    sources = {name: cutting.keep_imports(text, lambda module: _defined(module, sources))
               for name, text in sorted(sources.items())}
    for name, text in sources.items():
        _check_uses_of_the_engine(name, text, cutting.defined(sources[ENGINE]))
    return sources


def _check_uses_of_the_engine(name, text, there):
    """Raise an error if what is given calls something of the engine that is not."""
    used = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name) and node.value.id == "autograd_engine"}
    if used - there:
        raise LookupError(f"{name} uses of the engine, which lacks it: {', '.join(used - there)}")


def emptied(name):
    """A file of the library as students get it."""
    if name == ENGINE:
        return (TEMPLATES / "autograd_engine.py").read_text("utf-8")
    text = (kit.REPOSITORY / name).read_text("utf-8")
    todo = {function: problem for problem, places in ASKED.items()
            for file, function in places if file == name}
    if not todo:
        return text
    if name == TENSOR:
        return cutting.empty(text, todo, stays=lambda function, node: "." in function,
                             goes=_needs_more)
    for function in todo:
        owner, _, method = function.rpartition(".")
        if method == "backward":  # the derivative is asked for: out of the docstring
            text = re.sub(rf'(class {owner}\(.*\n    """[^;"]*);[^"]*', r"\1.", text)
    return cutting.empty(text, todo, _given(name))


def _given(name):
    if name == FUNCTIONAL:
        text = (TEMPLATES / "given.py").read_text("utf-8")
        return {operation: cutting.source_of(text, operation) for operation in GIVEN}
    return {"BATCH_SIZE": None} if name == MNIST else {}


def _needs_more(function, node):
    """Whether a method of Tensor calls an operation that the handout does not give."""
    return "." in function and any(
        isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)
        and part.value.id == "F" and part.attr not in GIVEN for part in ast.walk(node))


def _reduced(file, names):
    """A file that is none of the handout's, with the named definitions and what they need."""
    text = (kit.REPOSITORY / file).read_text("utf-8")
    if None in names:
        return text
    return cutting.empty(text, {}, dict.fromkeys(names & cutting.names_in(text)))


def _imports(text):
    """What a source imports from mytorch: pairs of a file and a name in it, None if it is all."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mytorch"):
            for alias in node.names:
                inner = _file_of(f"{node.module}.{alias.name}")
                if (kit.REPOSITORY / inner).is_file():
                    yield inner, None
                elif (kit.REPOSITORY / _file_of(node.module)).is_file():
                    yield _file_of(node.module), alias.name


def _file_of(module):
    return module.replace(".", "/") + ".py"


def _defined(module, sources):
    """The names in a module as students get it; None if it is none of the handout's."""
    text = sources.get(_file_of(module or ""))
    return None if text is None else cutting.defined(text)
