"""Writes the starter handout: this repository with what the problems ask for emptied."""

import ast
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
            (folder / name).write_text(text)
        for name in TOP:
            if name not in sources:
                shutil.copy(kit.REPOSITORY / name, folder / name)
        shutil.copyfile(TEMPLATES / "README.md", folder / "README.md")
        starter_grader.write(folder)
    return f"{path}: the handout for students; its README.md says where to start"


def library():
    """The sources of mytorch and hw1, emptied, and of the sandbox, by path."""
    names = {path.relative_to(kit.REPOSITORY).as_posix() for part in PARTS
             for path in kit.REPOSITORY.glob(part)}
    sources, to_do = {}, ["sandbox.py", *sorted(names)]
    while to_do:  # what is imported comes along, such as gradcheck.py
        name = to_do.pop()
        if name not in sources:
            sources[name] = emptied(name)
            to_do += _imported(sources[name])
    sources = {name: cutting.keep_imports(text, lambda module: _defined(module, sources))
               for name, text in sources.items()}
    needed = {file for text in sources.values() for file in _imported(text)} | names
    return {name: sources[name] for name in sorted(sources)
            if name in needed or name == "sandbox.py"}


def emptied(name):
    """A file of the library as students get it."""
    if name == ENGINE:
        return (TEMPLATES / "autograd_engine.py").read_text()
    text = (kit.REPOSITORY / name).read_text()
    todo = {function: problem for problem, places in ASKED.items()
            for file, function in places if file == name}
    if not todo:
        return text
    if name == TENSOR:
        return cutting.empty(text, todo, stays=_only_uses_what_is_given)
    asked = {function.partition(".")[0] for function in todo}
    return cutting.empty(text, todo, _given(name), lambda function, node: (
        function.partition(".")[0] in asked and function.partition(".")[2].startswith("__")))


def _given(name):
    if name == FUNCTIONAL:
        text = (TEMPLATES / "given.py").read_text()
        return {operation: cutting.source_of(text, operation) for operation in GIVEN}
    return {"BATCH_SIZE": None} if name == MNIST else {}


def _only_uses_what_is_given(function, node):
    """Of Tensor: what calls no operation, or one of those that the handout gives."""
    return isinstance(node, ast.FunctionDef) and "." in function and not any(
        isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)
        and part.value.id == "F" and part.attr not in GIVEN for part in ast.walk(node))


def _imported(text):
    """The files of mytorch and hw1 that a source imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = [_file_of(name) for name in names if name.startswith("mytorch.")]
    return sorted(file for file in files if (kit.REPOSITORY / file).is_file())


def _file_of(module):
    return module.replace(".", "/") + ".py"


def _defined(module, sources):
    """The names in a module as students get it; None if it is none of the handout's."""
    text = sources.get(_file_of(module or ""))
    return None if text is None else cutting.defined(text)
