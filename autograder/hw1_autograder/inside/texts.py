"""The texts of ``mytorch/tools`` that find what is wrong with a graph, for ``observer.py``.

They are read where the library is or, in a kit that ships without it, beside this file.
"""

import marshal
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "tools" if (HERE / "tools").is_dir() else HERE.parents[2] / "mytorch" / "tools"
TOOLS = {name: (FOLDER / f"{name}.py").read_text("utf-8")
         for name in ("findings", "values", "calls", "graph", "recorder", "differences",
                      "diagnosis")}

_spec = spec_from_file_location("findings", str(FOLDER / "findings.py"))
findings = module_from_spec(_spec)  # which names nothing of the library
_spec.loader.exec_module(findings)
Finding, SENTENCES = findings.Finding, findings.SENTENCES


@lru_cache(maxsize=None)
def observing():
    """The source that stands before a scenario that is observed.

    It holds the observer and the tools as code, compiled once: that takes longer than a check.
    """
    texts = dict(TOOLS, observer=(HERE / "observer.py").read_text("utf-8"))
    tools = {name: marshal.dumps(compile(text, f"<{name}>", "exec"))
             for name, text in texts.items()}
    observer = tools.pop("observer")
    return f"import marshal\nTOOLS = {tools!r}\nexec(marshal.loads({observer!r}))"
