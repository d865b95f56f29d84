"""Holds what finds faults in a graph, ``mytorch/tools``: as text for the observer, and Findings.

It is read where the library is or, in a kit that ships without it, beside the grader's files.
"""

import marshal
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

GRADER = Path(__file__).resolve().parents[1]
FOLDER = next(folder / "tools" for folder in (GRADER, GRADER.parents[1] / "mytorch")
              if (folder / "tools").is_dir())
TOOLS = [FOLDER / f"{name}.py" for name in (
    "findings", "places", "values", "calls", "graph", "links", "recorder", "differences",
    "comparison", "diagnosis")]

_spec = spec_from_file_location("findings", str(FOLDER / "findings.py"))
findings = module_from_spec(_spec)  # which names nothing of the library
_spec.loader.exec_module(findings)
Finding, SENTENCES = findings.Finding, findings.SENTENCES


@lru_cache(maxsize=None)
def observer():
    """Return the source that stands before a scenario that is observed.

    It holds the observer and the tools as code, compiled once: that takes longer than a check.
    """
    tools = {path.stem: code_of(path) for path in TOOLS}
    observing = code_of(GRADER / "inside" / "observer.py")
    return f"import marshal\nTOOLS = {tools!r}\nexec(marshal.loads({observing!r}))"


def code_of(path):
    return marshal.dumps(compile(path.read_text("utf-8"), f"<{path.stem}>", "exec"))
