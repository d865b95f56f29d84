"""./grade.sh autolab and gradescope, each tried on an imitation of its platform."""

import ast
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

import course
import grading
import kit

from graded import PLAIN, REPOSITORY, archive_plain, command, variant

COURSE = Path(REPOSITORY, "autograder", "course", "course.py")
SOMEBODY = 54321  # a user that nobody else is
NAME = kit.homework.NAME
ALL = {problem.number: problem.points for problem in kit.problems()}
FULL, OUT_OF = sum(ALL.values()), sum(ALL.values()) + kit.BY_HAND.points
SOLUTION = tuple(path.name for path in Path(REPOSITORY, "mytorch", "nn").glob("[!_]*.py"))
BROKEN = ("nn/functional.py", "def unbroadcast(", "def unbroadcast((")
HOSTILE = ("nn/functional.py", "import numpy as np\n", """import numpy as np
import glob, os, signal
print('{"scores": {"1.1.1": 999}}')
for path in glob.glob("%s") + ["/proc/%%d/cwd/report.json" %% os.getppid()]:
    try:
        open(path, "w").write('{"score": 999, "scores": {"1.1.1": 999}, "tests": []}')
    except BaseException:
        pass
os.kill(os.getppid(), signal.SIGKILL)
""")


def run(*command, first=os.path.dirname(sys.executable), **options):
    """Run a command that finds programs in the folder ``first`` before others."""
    environment = dict(os.environ, PATH=f"{first}:{os.environ['PATH']}")
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=120,
                          env=environment, **options)


@pytest.fixture(scope="module")
def kits(tmp_path_factory):
    """Both kits, made by their commands: the folder of Autolab's, the zip of Gradescope's."""
    folder = tmp_path_factory.mktemp("kits")
    for task, place in (("autolab", "lab"), ("gradescope", "gs.zip")):
        process = run(sys.executable, COURSE, task, folder / place)
        assert process.returncode == 0, process.stdout
    return folder


# ---- Autolab

def unprivileged():
    """Become another user, if that user can run this Python, with Autolab's limits."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 20, 100 << 20))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(SOMEBODY)
        os.setuid(SOMEBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))


def python_of_somebody():
    """The folder of a Python with NumPy that an unprivileged user can run; None if there is none.

    Where this one is root's own, as under /root, a Debian's may do.
    """
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            process = subprocess.run(
                [python, "-c", "import numpy, sys; print(sys.version_info[1])"],
                preexec_fn=unprivileged, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            continue
        if process.returncode == 0 and int(process.stdout) >= 8:
            return os.path.dirname(python)
    return None


@contextmanager
def empty_folder():
    """An empty folder that another user can reach, as pytest's own may not be."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def empty():
    with empty_folder() as folder:
        yield folder


def autolab(kits, place, handin):
    """What Autolab does with a handin, as an unprivileged user where that can be; its output."""
    shutil.copy(str(kits / "lab" / NAME / "autograde-Makefile"), str(place / "Makefile"))
    shutil.copy(str(kits / "lab" / NAME / "autograde.tar"), str(place))
    if handin:
        shutil.copy(str(handin), str(place / "handin.tar"))
    options, python = {}, python_of_somebody()
    if python:
        for path in [place, *place.iterdir()]:
            os.chown(str(path), *([SOMEBODY] * 2 if os.geteuid() == 0 else [-1, -1]))
        options = {"preexec_fn": unprivileged, "first": python}
    process = run("make", cwd=str(place), **options)
    assert process.returncode == 0, process.stdout
    return process.stdout.splitlines()


def handin_of(tmp_path, *changes):
    with variant(*changes) as folder, tarfile.open(str(tmp_path / "x.tar"), "w") as tar:
        tar.add(os.path.join(folder, "mytorch"), "mytorch")
    return tmp_path / "x.tar"


@pytest.fixture(scope="module")
def right(kits, tmp_path_factory):
    """What Autolab prints of a right handin."""
    handin = tmp_path_factory.mktemp("right") / "x.tar"
    archive_plain(handin)
    with empty_folder() as place:
        return autolab(kits, place, handin)


def test_autolab_reads_the_scores_of_a_right_handin_under_the_names_of_the_assessment(
        kits, right):
    lines = right
    assert json.loads(lines[-1]) == {"scores": ALL}
    assert f"Total: {FULL}/{OUT_OF}" in lines and not any('"scores"' in line for line in lines[:-1])
    described = (kits / "lab" / NAME / f"{NAME}.yml").read_text()
    assert re.findall(r"- name: '(.*)'", described) == [*ALL, kit.BY_HAND.number]
    assert [int(n) for n in re.findall(r"max_score: (\d+)", described)] == [
        *ALL.values(), kit.BY_HAND.points]


def test_autolab_keeps_the_points_that_were_given_by_hand_when_it_grades_again(right):
    """Autolab's saveAutograde: what the line lists is set, and nothing else."""
    book = {kit.BY_HAND.number: (9, "a teacher")}
    for name, points in json.loads(right[-1])["scores"].items():
        book[name] = (points, "the autograder")
    assert book[kit.BY_HAND.number] == (9, "a teacher") and len(book) == len(ALL) + 1


def python_of_an_old_image(place, version):
    """A command python3 that is of another version, by what it says of itself."""
    place.mkdir()
    (place / "sitecustomize.py").write_text(f"import sys\nsys.version_info = {version}\n")
    (place / "python3").write_text(f'#!/bin/sh\nPYTHONPATH="{place}" exec "{sys.executable}" "$@"')
    (place / "python3").chmod(0o755)
    for path in (place, *place.iterdir()):
        path.chmod(0o755)
    return place / "python3"


def test_autolab_on_a_python_too_old_says_so_in_one_line_and_gives_no_scores(kits, tmp_path):
    python_of_an_old_image(tmp_path / "bin", (3, 6, 9))
    for name, copy in (("autograde-Makefile", "Makefile"), ("autograde.tar", "autograde.tar")):
        shutil.copy(str(kits / "lab" / NAME / name), str(tmp_path / copy))
    archive_plain(tmp_path / "handin.tar")
    process = run("make", cwd=str(tmp_path), first=tmp_path / "bin")
    said = [line for line in process.stdout.splitlines() if not line.startswith("make")]
    assert process.returncode and said == [
        "Nothing was graded, ask the course staff: the grader needs Python 3.8 or later, "
        "and this image has 3.6"]
    driver = (tmp_path / "autograde" / "drive.py").read_text()
    assert ast.parse(driver, feature_version=(3, 4))


def test_the_image_has_what_tango_and_its_driver_call():
    """Tango runs ``cp -r mount/* autolab/`` where the image starts, its driver make and pkill."""
    image = (kit.TEMPLATES / "autolab" / "Dockerfile").read_text("utf-8")
    assert re.findall("^WORKDIR (.+)$", image, re.MULTILINE) == ["/home"]
    installed = re.search(r"apt-get install ([^&]*)", image).group(1).split()
    assert {"make", "procps", "python3", "python3-numpy", "gcc", "git"} <= set(installed)
    assert re.search("mkdir autolab autograde output", image) and "gcc -pthread" in image


@pytest.mark.parametrize("file", ["autolab/Dockerfile", "gradescope/setup.sh"])
def test_an_image_with_a_python_too_old_is_not_built(tmp_path, file):
    text = Path(COURSE.parent, "templates", file).read_text()
    check = re.search(r'python3 -c ".*"$', text, re.MULTILINE).group()
    assert run("sh", "-c", check).returncode == 0
    python_of_an_old_image(tmp_path / "bin", (3, 6, 9))
    process = run("sh", "-c", check, first=tmp_path / "bin")
    assert process.returncode and "Python 3.8 is needed" in process.stdout


def test_autolabs_kit_is_tried_by_one_command_that_knows_what_each_handin_is_worth(kits):
    trial = kits / "lab" / "test-autograder"
    process = run(sys.executable, trial / "try_kit.py")
    assert process.returncode == 0, process.stdout
    assert [line.split() for line in process.stdout.splitlines()] == [
        [f"{points}-points-{kind}.tar", "as", "expected"]
        for points, kind in ((0, "broken"), (0, "empty"), (FULL, "right"))]
    other = trial.with_name("with a wrong expectation")
    other.mkdir()
    shutil.copy(str(trial / "try_kit.py"), str(other))
    shutil.copy(str(trial / "0-points-empty.tar"), str(other / "9-points-empty.tar"))
    process = run(sys.executable, other / "try_kit.py")
    shutil.rmtree(str(other))
    assert process.returncode and "9-points-empty.tar" in process.stdout
    assert "WRONG: 0 points" in process.stdout


def test_without_make_the_trial_of_autolabs_kit_says_so_in_one_line(kits):
    process = subprocess.run([sys.executable, str(kits / "lab" / "test-autograder" / "try_kit.py")],
                             env={"PATH": "/nowhere"}, stderr=subprocess.PIPE)
    assert process.returncode and process.stderr.startswith(b"there is no make here")
    assert process.stderr.count(b"\n") == 1


def test_autolab_shows_the_first_line_of_a_failure_as_a_hint(kits, tmp_path, empty):
    lines = autolab(kits, empty, handin_of(tmp_path, (
        "nn/functional.py", "sub_b = -grad_output.data", "sub_b = grad_output.data")))
    feedback = json.loads(lines[-2])
    assert feedback["_presentation"] == "semantic" and "1.1.1" in feedback["stages"]
    hints = [check.get("hint") for check in feedback["1.1.1"].values() if not check["passed"]]
    assert hints and all(hints) and all("\n" not in hint for hint in hints)
    assert all(check["passed"] for check in feedback["1.1.2"].values())


@pytest.mark.parametrize("kind", ["broken", "hostile", "empty", "missing"])
def test_autolab_gets_feedback_and_zeros_for_a_handin_that_is_worth_nothing(
        kits, tmp_path, empty, kind):
    handin = None
    if kind in ("broken", "hostile"):
        where = str(empty / "*")
        hostile = HOSTILE[:2] + (HOSTILE[2] % where,)
        handin = handin_of(tmp_path, BROKEN if kind == "broken" else hostile)
    elif kind == "empty":
        handin = tmp_path / "empty.tar"
        handin.write_bytes(b"")
    lines = autolab(kits, empty, handin)
    assert json.loads(lines[-1]) == {"scores": dict.fromkeys(ALL, 0)}
    feedback = json.loads(lines[-2])
    assert [check["hint"] for stage in feedback["stages"] for check in feedback[stage].values()
            if not check["passed"]]
    assert len(lines) > 3


def why_autolab_refuses(archive):
    """Autolab's own rule for an import, entry by entry; "" if it takes the tar."""
    root, names = None, []
    with tarfile.open(str(archive)) as tar:
        for entry in tar:
            name = entry.name.rstrip("/")
            if name.startswith((".", "PaxHeader")):
                continue
            if root is None:
                if not entry.isdir() or "/" in name:
                    return "No root directory found"
                if entry.mode != 0o755:
                    return f"the folder gets the mode {entry.mode:o}"
                root = name
            elif not name.startswith(root + "/"):
                return f"{name} is outside the root directory"
            names.append(name)
    return "" if root and f"{root}/{root}.yml" in names else "no .yml of the root's name"


def test_autolab_imports_the_tar_by_its_own_rule(kits, tmp_path):
    assert why_autolab_refuses(kits / "lab" / f"{NAME}.tar") == ""
    with tarfile.open(str(kits / "lab" / f"{NAME}.tar")) as tar, \
            tarfile.open(str(tmp_path / "flat.tar"), "w") as flat:
        for entry in tar:
            if entry.isfile():
                flat.addfile(entry, tar.extractfile(entry))
    assert why_autolab_refuses(tmp_path / "flat.tar") == "No root directory found"


def test_autolabs_tar_holds_all_that_the_assessment_names_and_no_solution(kits):
    with tarfile.open(str(kits / "lab" / f"{NAME}.tar")) as tar:
        names = tar.getnames()
        grader = tarfile.open(fileobj=io.BytesIO(tar.extractfile(f"{NAME}/autograde.tar").read()))
    for name in (f"{NAME}.yml", "autograde-Makefile", "Dockerfile", f"{NAME}-handout.tar"):
        assert f"{NAME}/{name}" in names
    assert not [name for name in grader.getnames() if name.endswith(SOLUTION) or "/tests" in name]
    assert "autograde/LICENSE" in grader.getnames()


# ---- Gradescope

def gradescope_image(kits, tmp_path):
    """What Gradescope builds of the zip: the folder /autograder."""
    root = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(str(kits / "gs.zip")) as packed:
        packed.extractall(str(root / "source"))
    shutil.copy(str(root / "source" / "run_autograder"), str(root / "run_autograder"))
    (root / "run_autograder").chmod(0o755)
    return root


def gradescope(kits, tmp_path, fill):
    """What Gradescope does with a submission: results.json, and what was printed for staff."""
    root = gradescope_image(kits, tmp_path)
    fill(root / "submission")
    return gradescope_job(root)


def gradescope_job(root):
    process = run(root / "run_autograder", cwd=str(root.parent))
    return json.loads((root / "results" / "results.json").read_text()), process.stdout


def put(*changes):
    """Something that puts ``mytorch/`` of a variant of the plain submission into a folder."""
    def fill(place):
        with variant(*changes) as folder:
            shutil.copytree(os.path.join(folder, "mytorch"), str(place / "mytorch"))
    return fill


def put_files(place):
    for path in Path(PLAIN, "mytorch").iterdir():
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(str(path), str(place / path.name))


@pytest.mark.parametrize("fill", [lambda place: archive_plain(place / "handin.tar"), put_files],
                         ids=["handin.tar", "its files"])
def test_gradescope_takes_an_upload_of_an_archive_or_of_files(kits, tmp_path, fill):
    results, printed = gradescope(kits, tmp_path, fill)
    tests = results["tests"]
    assert sum(test.get("score", 0) for test in tests) == FULL
    assert sum(test.get("max_score", 0) for test in tests) == FULL
    assert {test["number"] for test in tests} >= set(ALL)
    assert all(test["status"] == "passed" for test in tests)
    assert f"Total: {FULL}/{OUT_OF}" in printed
    assert results["execution_time"] > 0 and "score" not in results


def test_gradescope_shows_what_failed_and_why(kits, tmp_path):
    results, _ = gradescope(kits, tmp_path, put(("optim/sgd.py", "import", "impart")))
    failed = [test for test in results["tests"] if test["status"] == "failed"]
    assert {test["number"] for test in failed} >= {"2.3", "2.6"}
    assert all(test["score"] < test["max_score"] for test in failed if "score" in test)
    for test in failed:
        assert test["output"].startswith("| ") and "lr = 0." in test["output"], test
    assert "First fix: " in results["output"]


def test_a_student_reads_the_same_report_on_both_platforms(kits, tmp_path, empty):
    """With the code that ran, its inputs, and how to run it again."""
    wrong = ("nn/functional.py", "sub_b = -grad_output.data", "sub_b = grad_output.data")
    results, _ = gradescope(kits, tmp_path, put(wrong))
    shown = results["output"].splitlines()
    printed = autolab(kits, empty, handin_of(tmp_path, wrong))
    assert len(shown) > 50
    for lines in (shown, printed):
        assert any("| " in line for line in lines) and any("a = [" in line for line in lines)
        assert any("./grade.sh 1 --again 1.1.1" in line for line in lines)
    for line in shown:
        assert line in printed or any(char.isdigit() for char in line)  # other inputs


def test_how_checks_are_isolated_is_said_to_the_staff_and_not_to_students(kits, tmp_path):
    def unprotected(place):
        put()(place)
        homework = place.parent / "source" / "hw1_autograder" / "homework.py"
        homework.write_text(homework.read_text().replace('= "require"', '= "none"'))
    results, printed = gradescope(kits, tmp_path, unprotected)
    assert "isolation" in printed and "isolation" not in json.dumps(results)


def test_gradescope_takes_no_word_of_a_submission_for_html_and_one_word_says_who_sees(
        kits, tmp_path):
    def link(place):
        with tarfile.open(str(place / "handin.tar"), "w") as tar:
            tar.addfile(tarfile.TarInfo("../<a href=http://x>mytorch"))
    later = re.compile(r'^VISIBILITY = "visible"', re.MULTILINE)
    for number, fill in enumerate((link, put(BROKEN))):
        place = tmp_path / str(number)
        place.mkdir()
        root = gradescope_image(kits, place)
        fill(root / "submission")
        homework = root / "source" / "hw1_autograder" / "homework.py"
        text, times = later.subn('VISIBILITY = "after_due_date"', homework.read_text())
        assert times == 1
        homework.write_text(text)
        results, _ = gradescope_job(root)
        parts = [results, *results.get("tests", [])]
        assert {part["output_format"] for part in parts} == {"text"}
        assert {part["visibility"] for part in parts} == {"after_due_date"}
        assert number or "<a href=http://x>" in results["output"]


def test_gradescope_gets_a_result_that_says_why_nothing_could_be_graded(kits, tmp_path):
    results, _ = gradescope(kits, tmp_path, lambda place: (place / "x.txt").write_text("hi"))
    assert results["score"] == 0 and "no folder mytorch" in results["output"]


def test_gradescope_gets_a_result_when_the_grader_itself_breaks(kits, tmp_path):
    def fill(place):
        (place.parent / "source" / "grading.py").write_text("import no_such_module")
    results, printed = gradescope(kits, tmp_path, fill)
    assert results["score"] == 0 and "exit code 1" in results["output"]
    assert "no_such_module" in printed and "no_such_module" not in results["output"]


def test_gradescopes_results_are_out_of_a_submissions_reach(kits, tmp_path):
    where = str(tmp_path / "autograder" / "*" / "*")
    results, _ = gradescope(kits, tmp_path, put(HOSTILE[:2] + (HOSTILE[2] % where,)))
    assert sum(test.get("score", 0) for test in results["tests"]) == 0 and "score" not in results
    assert (tmp_path / "autograder" / "results").stat().st_mode & 0o77 == 0
    assert (tmp_path / "autograder" / "source").stat().st_mode & 0o77 == 0
    kit = (tmp_path / "autograder" / "source" / "drive.py").read_text()
    assert "999" not in kit


def test_gradescopes_zip_has_its_two_scripts_at_the_root_and_they_can_be_run(kits):
    with zipfile.ZipFile(str(kits / "gs.zip")) as packed:
        modes = {info.filename: info.external_attr >> 16 for info in packed.infolist()}
        setup = packed.read("setup.sh").decode()
    assert "LICENSE" in modes and modes["setup.sh"] & 0o111 and modes["run_autograder"] & 0o111
    assert "bubblewrap" in setup and subprocess.run(["bash", "-n"], input=setup.encode()
                                                    ).returncode == 0
    assert not [name for name in modes if name.endswith(SOLUTION) or "/tests" in name]


# ---- both

@pytest.mark.parametrize("task, place", [("autolab", "x"), ("gradescope", "x.zip")])
def test_the_same_repository_makes_the_same_bytes(kits, tmp_path, task, place):
    write = {"autolab": course.autolab, "gradescope": course.gradescope}[task].write
    write(tmp_path / place)
    made = kits / ("lab" if task == "autolab" else "gs.zip")
    again = tmp_path / place
    for path in [made] if made.is_file() else sorted(made.rglob("*.*")):
        other = again / path.relative_to(made) if made.is_dir() else again
        assert path.read_bytes() == other.read_bytes(), path


@pytest.mark.parametrize("name, value, text", [
    ("NAME", "hw-1", "small letters, digits and _"), ("NAME", "1hw", "first a letter"),
    ("TITLE", "", "a line of text"), ("SEED", -1, "a number"), ("BY_HAND_POINTS", "ten", "number"),
    ("BY_HAND", "the plot", "such as 3"), ("VISIBILITY", "shown", "visible or after_due_date or"),
    ("ISOLATION", "no", "require or auto or none")])
def test_a_constant_of_the_homework_that_cannot_be_used_is_one_clear_line(
        monkeypatch, name, value, text):
    monkeypatch.setattr(kit.homework, name, value)
    process = command("gradescope", "x.zip", main=course.main)
    said, begin = process.stderr, f"homework.py: {name} is {value!r}, but must be "
    assert process.returncode == 2 and said.startswith(f"grade.sh gradescope: {begin}")
    assert text in said and said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["../hw1_autograder/runner.py"], ["course.py", "class", "."],
                                       ["course.py", "starter", "made"]])
def test_a_check_of_the_problem_that_people_grade_is_one_clear_line(tmp_path, arguments):
    for part in ("mytorch", "autograder/course", f"autograder/{kit.GRADER.name}"):
        shutil.copytree(os.path.join(REPOSITORY, part), str(tmp_path / part))
    homework = tmp_path / "autograder" / kit.GRADER.name / "homework.py"
    homework.write_text(re.sub('(?m)^BY_HAND = .*', 'BY_HAND = "2.6"', homework.read_text("utf-8")))
    process = run(sys.executable, *arguments, cwd=str(tmp_path / "autograder/course"))
    assert process.returncode == 2 and process.stdout.count("\n") == 1, process.stdout
    assert process.stdout.startswith("cannot grade here: homework.py: BY_HAND is 2.6, which has ")


def test_a_title_with_any_characters_is_a_string_of_yaml(monkeypatch, tmp_path):
    monkeypatch.setattr(kit.homework, "TITLE", "It's: \"homework\" # 1 \u00e9 \U0001f600")
    monkeypatch.setattr(kit.homework, "ABOUT", "- a: [b")
    monkeypatch.setattr(course.starter, "fill", Path.mkdir)
    course.autolab.write(tmp_path / "lab")
    text = (tmp_path / "lab" / NAME / f"{NAME}.yml").read_text("utf-8")
    for field, value in (("display_name", kit.homework.TITLE), ("description", "- a: [b")):
        assert json.loads(re.search(f"^  {field}: (.*)$", text, re.MULTILINE).group(1)) == value


@pytest.mark.parametrize("task", ["starter", "autolab"])
def test_a_folder_that_is_not_empty_or_cannot_be_written_is_one_clear_line(tmp_path, task):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for place, text in ((tmp_path / "full", "not empty"), (tmp_path / "full" / "mine", "exists"),
                        (tmp_path / "none" / "x", "no folder"), ("/proc/x", "/proc/x")):
        process = command(task, place, main=course.main)
        assert process.returncode == 2 and len(process.stderr.splitlines()) == 1
        assert text in process.stderr and not process.stdout
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine"]


@pytest.mark.parametrize("arguments, text", [
    (["starter"], "required: DIR"), (["autolab", "a", "b"], "unrecognized arguments: b"),
    (["gradescope", ""], "an argument is empty"), (["class"], "required: FOLDER"),
    (["class", ".", "--jobs", "0"], "--jobs must be at least 1"), ([], "give a task"),
    (["class", ".", "--jobs", "x"], "invalid int value"), (["class", ".", "--csv"], "--csv"),
    (["class", ".", "--isolation", "x"], "'require', 'auto', 'none'"),
    (["class", ".", "--what"], "unrecognized arguments: --what")])
def test_wrong_arguments_of_the_staff_are_one_clear_line(arguments, text):
    process = command(*arguments, main=course.main)
    assert process.returncode == 2 and text in process.stderr
    assert process.stderr.startswith("grade.sh") and process.stderr.count("\n") == 1


def test_gradescope_writes_over_nothing_and_takes_only_names_of_zips(tmp_path):
    (tmp_path / "old.zip").write_text("mine")
    for name, text in (("old.zip", "exists"), ("notes", "ends in .zip"), ("no/x.zip", "no folder")):
        process = command("gradescope", tmp_path / name, main=course.main)
        assert process.returncode == 2 and text in process.stderr
        assert len(process.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["old.zip"]
    assert (tmp_path / "old.zip").read_text() == "mine"


@pytest.mark.parametrize("report, unusable", [
    ("", False), ('{"reason": "no more processes", "unusable": false}', False),
    ('{"reason": "it holds no mytorch/", "unusable": true}', True)])
def test_a_grader_that_cannot_run_is_not_blamed_on_the_handin(tmp_path, monkeypatch, report,
                                                              unusable):
    runner = tmp_path / "runner.py"
    runner.write_text("import sys\nfile = sys.argv[sys.argv.index('--json') + 1]\n"
                      f"open(file, 'w').write({report!r})\nsys.exit('no numpy')\n")
    monkeypatch.setattr(grading, "RUNNER", runner)
    outcome = grading.grade(tmp_path)
    assert outcome.report is None and outcome.unusable is unusable
    assert outcome.reason == (json.loads(report)["reason"] if report else
                              "the grader ended with exit code 1: no numpy")
