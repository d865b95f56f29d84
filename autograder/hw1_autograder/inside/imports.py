"""Meets a submission's imports, in the worker: fairly, and each at most once.

A package that is not installed, and that a file imports outright, is a stand-in: only using it
fails.  In a ``try`` the import itself fails, which a submission may handle.  Deep learning
toolboxes count as not installed.  What NumPy 1.18 allowed, which the handout pins, works with a
warning.

Each part is there for a row of ``test_right_solutions.py``: ``Absent`` for "packages that are not
here are imported" and "packages are used where they are found", ``can_be_loaded`` for "plots and
statistics are imported", ``Nicknames`` for "the folder mytorch is on the path",
``rename_conversions`` for "float() and int() of arrays with one element", ``OLD_NAMES`` for
"types and functions of NumPy 1.18", ``first_imports`` for "functional imports the class Tensor".
``compiled`` saves half of the time of the checks.
"""

import ast
import base64
import builtins
import importlib
import importlib.machinery
import importlib.util
import marshal
import os
import sys
import threading
import types
from contextlib import suppress

import numpy as np

from inside import describe

TOOLBOXES = ("torch", "tensorflow", "keras", "jax", "autograd", "theano", "mxnet", "chainer",
             "paddle", "flax", "mindspore", "tinygrad", "mygrad", "micrograd")
FIRST = ("mytorch.tensor", "mytorch.nn.functional")
OLD_NAMES = {name: getattr(builtins, name)
             for name in ("bool", "int", "float", "complex", "object", "str")}
OLD_NAMES.update(product=np.prod, cumproduct=np.cumprod, alltrue=np.all, sometrue=np.any,
                 float_=np.float64, Inf=np.inf, NaN=np.nan)
warnings = []  # what is worth one: [kind, name]
known = {"compiled": {}, "outright": ()}  # code by file, marshalled; what is imported in no ``try``


def warn(kind, name):
    if [kind, name] not in warnings:
        warnings.append([kind, name])


# ---- before the checks

def look_through(root, sites=()):
    """Compile every file and collect what it imports, without running any of it.

    What is imported from the folders ``sites`` is tried here, where it can do no harm.
    """
    codes, outright, at_once = {}, set(), set()
    for folder, folders, files in os.walk(os.path.join(root, "mytorch")):
        folders[:] = set(folders) - {"tools"}  # no check imports them
        for path in (os.path.join(folder, name) for name in files if name.endswith(".py")):
            try:
                with open(path, "rb") as file:
                    text = file.read()
                tree = ast.parse(text, path)
                outright.update(imported(tree, (ast.Try, ast.With)))
                at_once.update(imported(tree, (ast.FunctionDef, ast.AsyncFunctionDef)))
                if b"float(" in text or b"int(" in text:
                    rename_conversions(tree)
                code = compile(tree, path, "exec", dont_inherit=True)
                codes[path] = base64.b64encode(marshal.dumps(code)).decode()
            except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # the check that imports it will say what is wrong
    without = own_names(root).union(TOOLBOXES)
    return {"compiled": codes, "outright": sorted(outright),
            "loaded": [name for name in sorted(at_once) if can_be_loaded(
                name, sites, without)]}


def own_names(root):
    return {name.partition(".")[0] for name in os.listdir(root)}


def imported(tree, without):
    """Yield the modules that a file imports, but for what is inside statements of some kinds."""
    nodes = [tree]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, (ast.expr, *without)):
            nodes.extend(ast.iter_child_nodes(node))


def can_be_loaded(name, sites, without):
    """Import something that is installed in these folders; whether that went well."""
    top = name.partition(".")[0]
    if top in without or not importlib.machinery.PathFinder.find_spec(top, sites):
        return False
    try:
        importlib.import_module(name)
    except BaseException:  # it is no module; or the check that imports it will say what is wrong
        return False
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join(1)
    return threading.active_count() == 1  # else what is forked from here would lack a thread


def load(compiled=(), outright=(), loaded=()):
    """Keep what ``look_through`` found, and load what all checks would have to."""
    known.update(outright=outright, compiled={
        path: base64.b64decode(code) for path, code in dict(compiled).items()})
    for name in loaded:
        with suppress(Exception):  # the check that imports it will say what is wrong
            importlib.import_module(name)


def rename_conversions(tree):
    """``float(x)`` becomes ``old_float(x)``, which takes arrays that NumPy now refuses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("float", "int"):
            node.func.id = "old_" + node.func.id


# ---- in a check

def enter(root):
    """Make the submission in this folder the one that is imported."""
    sys.path.insert(0, root)
    install(root)
    first_imports(root)


def install(root):
    """Install the finders, the code that is compiled, and NumPy's old names."""
    own = own_names(root)
    outright = {name.partition(".")[0] for name in known["outright"]} - own
    sys.meta_path.insert(0, Absent("toolbox", set(TOOLBOXES) - own, outright))
    sys.meta_path += [Nicknames(), Absent("missing", outright, outright)]
    plain_code = importlib.machinery.SourceFileLoader.get_code

    def get_code(self, name):
        code = known["compiled"].get(self.path)
        if code:
            return marshal.loads(code)
        try:
            return plain_code(self, name)
        except (MemoryError, RecursionError):
            raise SyntaxError("nested too deeply for Python's parser",
                              (self.path, 0, 0, "")) from None

    importlib.machinery.SourceFileLoader.get_code = get_code
    builtins.old_float, builtins.old_int = old_conversion(float), old_conversion(int)
    plain_getattr = getattr(np, "__getattr__", None)

    def old_name(name):
        if name in OLD_NAMES:
            warn("numpy", "np." + name)
            return OLD_NAMES[name]
        if plain_getattr is None:
            raise AttributeError(f"module 'numpy' has no attribute {name!r}")
        return plain_getattr(name)

    np.__getattr__ = old_name


def old_conversion(kind):
    def convert(*values, **options):
        if values and isinstance(values[0], np.ndarray) and values[0].ndim and values[0].size == 1:
            warn("numpy", kind.__name__ + "() of an array that is not 0-d")
            values = (values[0].item(),) + values[1:]
        return kind(*values, **options)
    return convert


def first_imports(root):
    """Import what everything rests on, in one order everywhere.

    A package whose ``__init__`` fails, as it imports a broken file, goes on without it: a broken
    file costs the points of what is in it.  What imports in a circle may work from another module
    on, which is worth a warning; whoever needs what does not will meet its error again.
    """
    bare, circles = {}, []
    import_in_order(bare)
    for name in ("mytorch.nn", "mytorch.optim", "mytorch"):
        try:
            importlib.import_module(name)
        except Exception as error:
            circles.append(describe.circle_of(error, describe.stack_of(error, root)))
            bare[name] = types.ModuleType(name)
            bare[name].__path__ = [os.path.join(root, *name.split("."))]
            forget(bare)
            import_in_order(bare)
    for circle in filter(None, circles):
        if all(name in sys.modules for name in FIRST):
            warn("circle", describe.listed([describe.to_blame(circle)], root))


def import_in_order(bare):
    for name in FIRST:
        try:
            importlib.import_module(name)
        except Exception:
            forget(bare)


def forget(bare):
    """Forget the submission's modules, of which some are half imported, but for bare packages."""
    for name, module in list(sys.modules.items()):  # also under a nickname
        if "mytorch" in (name.partition(".")[0], getattr(module, "__name__", "").partition(".")[0]):
            del sys.modules[name]
    sys.modules.update(bare)


class Absent:
    """Finds stand-ins for what is imported outright; anything else is not installed."""

    def __init__(self, kind, names, outright):
        self.kind, self.names, self.outright = kind, names, outright

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in self.names or "." in name and not isinstance(sys.modules[top], StandIn):
            return None
        warn(self.kind, top)
        if top not in self.outright:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        """There is nothing to run."""


def place_of(frame):
    return frame.f_code.co_filename, frame.f_lineno


class StandIn(types.ModuleType):
    """A module or an attribute of one; to call it, inherit from it or compute with it is use."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        attribute = StandIn(self.__name__ + "." + name)
        attribute.__dict__["place"] = place_of(sys._getframe(1))
        return attribute

    def _use(self, *args, **kwargs):
        why = ("deep learning toolboxes are for testing only: handout, Directions"
               if self.__name__.partition(".")[0] in TOOLBOXES else
               "it is not installed here; is its name right?")
        error = ImportError(f"it uses {self.__name__} ({why})")
        error.place = self.__dict__.get("place")
        raise error

    __call__ = __mro_entries__ = __getitem__ = __iter__ = __enter__ = __instancecheck__ = _use
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = _use


class Nicknames:
    """After ``sys.path.append('./mytorch')``, ``tensor`` is ``mytorch.tensor``, not another."""

    def find_spec(self, name, path=None, target=None):
        if any(os.path.basename(os.path.normpath(entry)) == "mytorch" for entry in sys.path):
            try:
                if importlib.util.find_spec("mytorch." + name):
                    return importlib.machinery.ModuleSpec(name, self)
            except ModuleNotFoundError:
                return None

    def create_module(self, spec):
        return importlib.import_module("mytorch." + spec.name)

    def exec_module(self, module):
        """It has run."""
