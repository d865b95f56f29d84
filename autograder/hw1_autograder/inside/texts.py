"""The texts of ``mytorch/tools`` that find what is wrong with a graph, for ``observer.py``.

They are read where the library is or, in a kit that ships without it, beside this file.
"""

import marshal
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "tools" if (HERE / "tools").is_dir() else HERE.parents[2] / "mytorch" / "tools"
TOOLS = [FOLDER / f"{name}.py" for name in (
    "findings", "places", "values", "calls", "graph", "links", "recorder", "differences",
    "comparison", "diagnosis")]

_spec = spec_from_file_location("findings", str(FOLDER / "findings.py"))
findings = module_from_spec(_spec)  # which names nothing of the library
_spec.loader.exec_module(findings)
Finding, SENTENCES = findings.Finding, findings.SENTENCES


@lru_cache(maxsize=None)
def observing():
    """The source that stands before a scenario that is observed.

    It holds the observer and the tools as code, compiled once: that takes longer than a check.
    """
    tools = {path.stem: code_of(path) for path in TOOLS}
    observer = code_of(HERE / "observer.py")
    return f"import marshal\nTOOLS = {tools!r}\nexec(marshal.loads({observer!r}))"


def code_of(path):
    return marshal.dumps(compile(path.read_text("utf-8"), f"<{path.stem}>", "exec"))
