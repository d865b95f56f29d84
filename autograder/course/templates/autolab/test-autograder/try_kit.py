#!/usr/bin/env python3
"""Tries the kit on three handins, as Autolab does: an empty folder, three files, "make".

In the image that will grade:
    docker run --rm -v "$PWD":/lab:ro mytorch_image python3 /lab/test-autograder/try_kit.py
A handin's name says how many points it is worth.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def points_of(handin):
    """The points of a handin, or None if the job ends without scores; and its output."""
    grader, = HERE.parent.glob("*/autograde.tar")
    makefile = grader.with_name("autograde-Makefile")
    with tempfile.TemporaryDirectory() as folder:
        for path, name in ((grader, grader.name), (makefile, "Makefile"), (handin, "handin.tar")):
            shutil.copy(str(path), str(Path(folder, name)))
        job = subprocess.run(["make", "-s"], cwd=folder, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
    try:
        return sum(json.loads(job.stdout.splitlines()[-1])["scores"].values()), job.stdout
    except (IndexError, ValueError, TypeError, KeyError):
        return None, job.stdout


def main():
    if not shutil.which("make"):
        sys.exit("there is no make here, which Autolab calls; the image of the Dockerfile has it")
    wrong = 0
    for handin in sorted(HERE.glob("*-points-*.tar")):
        expected = int(handin.name.partition("-")[0])
        points, output = points_of(handin)
        got = "no scores" if points is None else "%s points" % points
        print("%-28s %s" % (handin.name, "as expected" if points == expected else
                            "WRONG: %s\n%s" % (got, output)))
        wrong += points != expected
    sys.exit(bool(wrong))


main()
