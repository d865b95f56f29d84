"""Writes an autograder for Gradescope: a zip with setup.sh and run_autograder at its root."""

import shutil
import tempfile
from pathlib import Path

import kit

TEMPLATES = kit.TEMPLATES / "gradescope"


def write(path):
    """Write the zip, a new file."""
    if Path(path).suffix != ".zip":
        raise kit.CannotMake(f"{path} is no name of a zip; give one that ends in .zip")
    with tempfile.TemporaryDirectory() as scratch, kit.new_file(path) as packed:
        kit.copy_grader(Path(scratch), TEMPLATES / "drive.py")
        for script in ("setup.sh", "run_autograder"):
            shutil.copyfile(TEMPLATES / script, Path(scratch, script))
        kit.pack_zip(Path(scratch), packed)
    return f"{path}: upload it under Configure Autograder"
