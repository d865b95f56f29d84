"""Makes the grader's modules importable, the way they are when runner.py is started."""

import os
import sys

TESTS = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(TESTS))
for folder in (REPOSITORY, os.path.join(REPOSITORY, "autograder", "hw1_autograder"),
               os.path.join(REPOSITORY, "autograder", "course"), TESTS):
    if folder not in sys.path:
        sys.path.insert(0, folder)

import pytest  # noqa: E402

from mytorch import autograd_engine  # noqa: E402


@pytest.fixture(autouse=True)
def inputs_are_kept_for_pictures_only(request, monkeypatch):
    """As in a program that does not import mytorch.graph, but for the tests of pictures."""
    of_pictures = request.module.__name__.endswith("test_graph")
    monkeypatch.setattr(autograd_engine, "keep_inputs", of_pictures)
