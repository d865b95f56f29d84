"""Makes the grader's modules importable, the way they are when runner.py is started."""

import os
import sys

TESTS = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(TESTS))
for folder in (REPOSITORY, os.path.join(REPOSITORY, "autograder", "hw1_autograder"),
               os.path.join(REPOSITORY, "autograder", "course"), TESTS):
    if folder not in sys.path:
        sys.path.insert(0, folder)
