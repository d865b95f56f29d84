"""Writes an assessment for Autolab: a tar to import, the same as a folder, and a trial of it."""

import json
import shutil
import tempfile
from pathlib import Path

import kit
import starter
from kit import homework

TEMPLATES = kit.TEMPLATES / "autolab"
PROBLEM = """\
- name: '{name}'
  description: {title}
  max_score: {points}.0
  optional: false
"""


def write(path):
    """Write the assessment into a new folder."""
    name, problems = homework.NAME, kit.problems()
    with kit.new_folder(path) as folder:
        lab = folder / name
        lab.mkdir()
        for template in ("autograde-Makefile", "Dockerfile"):
            shutil.copyfile(TEMPLATES / template, lab / template)
        words = {"name": name, "module": name.capitalize(), "title": quoted(homework.TITLE),
                 "about": quoted(homework.ABOUT), "problems": "".join(
                     PROBLEM.format(name=number, title=quoted(title), points=points)
                     for number, title, points in [*problems, kit.BY_HAND])}
        for ending in ("yml", "rb"):
            template = (TEMPLATES / f"assessment.{ending}").read_text("utf-8")
            (lab / f"{name}.{ending}").write_text(template.format(**words), "utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            grader, handout = Path(scratch, "grader"), Path(scratch, "handout")
            kit.copy_grader(grader, TEMPLATES / "drive.py")
            (grader / "problems.json").write_text(json.dumps(
                [problem.number for problem in problems]))
            kit.pack_tar(grader, lab / "autograde.tar", "autograde")
            starter.fill(handout)
            kit.pack_tar(handout, lab / f"{name}-handout.tar", "handout")
        kit.pack_tar(lab, folder / f"{name}.tar", name)
        _write_trial(folder / "test-autograder", sum(problem.points for problem in problems))
    return (f"{path}: build the image from {name}/Dockerfile, try the kit in it with\n"
            f"test-autograder/try_kit.py, and import {name}.tar into Autolab")


def quoted(text):
    """Quote text for YAML, whatever is in it: a string of JSON is one of YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _write_trial(folder, full):
    """Write the program that tries the kit, and the handins: right, empty and broken."""
    shutil.copytree(TEMPLATES / "test-autograder", folder)
    with tempfile.TemporaryDirectory() as scratch:
        solution = Path(scratch, "mytorch")
        shutil.copytree(kit.REPOSITORY / "mytorch", solution,
                        ignore=shutil.ignore_patterns("__pycache__"))
        kit.pack_tar(solution, folder / f"{full}-points-right.tar", "mytorch")
        (solution / "tensor.py").write_text("class Tensor\n")
        kit.pack_tar(solution, folder / "0-points-broken.tar", "mytorch")
    (folder / "0-points-empty.tar").write_bytes(b"")
