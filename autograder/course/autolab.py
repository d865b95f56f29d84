"""Writes an assessment for Autolab: a folder ``hw1p1`` and the same as a tar to import."""

import json
import shutil
import tempfile
from pathlib import Path

import kit
import starter

NAME = "hw1p1"
TEMPLATES = kit.TEMPLATES / "autolab"
PROBLEM = """\
- name: '{name}'
  description: {title}
  max_score: {points}.0
  optional: false
"""


def write(path):
    """Write the assessment into a new folder."""
    with kit.new_folder(path) as folder:
        problems = kit.problems()
        lab = folder / NAME
        lab.mkdir()
        for template in ("autograde-Makefile", "Dockerfile"):
            shutil.copyfile(TEMPLATES / template, lab / template)
        listed = "".join(PROBLEM.format(name=name, title=json.dumps(problem.title),
                                        points=problem.points)
                         for name, problem in problems.items())
        assessment = (TEMPLATES / "assessment.yml").read_text("utf-8")
        (lab / f"{NAME}.yml").write_text(assessment.format(name=NAME, problems=listed))
        with tempfile.TemporaryDirectory() as scratch:
            grader, handout = Path(scratch, "grader"), Path(scratch, "handout")
            kit.copy_grader(grader, TEMPLATES / "drive.py")
            (grader / "problems.json").write_text(json.dumps(list(problems)))
            kit.pack_tar(grader, lab / "autograde.tar", "autograde")
            starter.write(handout)
            kit.pack_tar(handout, lab / f"{NAME}-handout.tar", "handout")
        kit.pack_tar(lab, folder / f"{NAME}.tar", NAME)
    return f"{path}: import {NAME}.tar into Autolab; build the image from {NAME}/Dockerfile"
