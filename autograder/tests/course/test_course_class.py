"""./grade.sh class: a folder of submissions as platforms export them."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import classroom
import grading
import kit
import summary
from graded import PLAIN, REPOSITORY, archive_plain, variant

COURSE = Path(REPOSITORY, "autograder", "course", "course.py")
SIGN = ("nn/functional.py", "sub_b = -grad_output.data", "sub_b = grad_output.data")


def run(*arguments, **options):
    return subprocess.run([sys.executable, str(COURSE), *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=120, **options)


def table_of(path):
    with open(str(path), newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded_class(tmp_path_factory):
    """A class of six, graded: the folder, what was printed, and the table."""
    folder = tmp_path_factory.mktemp("a term") / "hw 1"
    folder.mkdir()
    archive_plain(folder / "ann@school.edu_12_handin.tar")
    with variant(SIGN) as wrong:
        shutil.copytree(wrong, str(folder / "Bo Ek_77_assignsubmission_file_"))
    shutil.copytree(os.path.join(PLAIN, "mytorch"), str(folder / "=cmd"))  # no folder mytorch
    (folder / "dan.tar").write_text("no archive")
    (folder / "eve").mkdir()
    (folder / "submission_5").mkdir()
    with variant(SIGN) as wrong:
        shutil.copytree(wrong, str(folder / "submission_5" / "my work"))
    (folder / "submission_metadata.yml").write_text(
        "---\nsubmission_5:\n  :submitters:\n  - :name: Fay\n    :email: fay@school.edu\n")
    process = run("class", folder, "--jobs", "2")
    assert process.returncode == 0, process.stderr
    return folder, process, table_of(folder.parent / "hw 1-grades" / "grades.csv")


def test_the_table_has_a_row_for_each_submission_whatever_it_is(graded_class):
    _, _, table = graded_class
    assert set(table) == {"ann@school.edu", "Bo Ek_77", "'=cmd", "dan", "eve", "fay@school.edu"}
    assert [table[name]["total"] for name in ("ann@school.edu", "'=cmd")] == ["100", "100"]
    assert list(table["dan"])[0] == "name" and list(table["dan"])[-3:] == [
        "total", "seconds", "first failure"]
    assert table["Bo Ek_77"]["1.1.1"] < "5" and table["Bo Ek_77"]["1.1.2"] == "5"
    assert table["Bo Ek_77"]["first failure"].startswith("1.1.1 ")
    assert float(table["ann@school.edu"]["seconds"]) > 0


def test_a_submission_that_cannot_be_graded_is_a_row_that_says_why(graded_class):
    _, process, table = graded_class
    assert table["dan"]["total"] == "" and "no tar archive" in table["dan"]["first failure"]
    assert "no folder mytorch" in table["eve"]["first failure"]
    assert "dan: " in process.stdout and "4 of 6 submissions graded" in process.stdout


def test_each_student_has_a_report_and_the_class_a_summary_and_a_picture(graded_class):
    folder, process, _ = graded_class
    place = folder.parent / "hw 1-grades"
    assert "First fix" in (place / "reports" / "fay@school.edu.txt").read_text()
    report = json.loads((place / "reports" / "fay@school.edu.json").read_text())
    assert report["scores"]["2.2"] == 5 and report["checks"]
    assert (place / "summary.txt").read_text() in process.stdout
    assert "2 of 4  1.1.1 Your gradient for b" in process.stdout
    assert (place / "summary.png").stat().st_size > 20000


def test_only_what_changed_is_graded_again(graded_class, tmp_path):
    folder, _, before = graded_class
    copy = tmp_path / "hw 1"
    shutil.copytree(str(folder), str(copy))
    shutil.copytree(str(folder) + "-grades", str(copy) + "-grades")
    shutil.rmtree(str(copy / "eve"))
    shutil.copytree(os.path.join(PLAIN, "mytorch"), str(copy / "eve" / "mytorch"))
    process = run("class", copy, "--csv", tmp_path / "mine.csv")
    assert process.stderr.count("(as before)") == 5
    after = table_of(tmp_path / "mine.csv")
    assert after["eve"]["total"] == "100"
    assert after["Bo Ek_77"] == before["Bo Ek_77"]


def test_an_interrupted_run_leaves_whole_reports_and_goes_on_where_it_stopped(tmp_path):
    folder = tmp_path / "hw"
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        archive_plain(folder / f"{name}.tar")
    process = subprocess.Popen([sys.executable, str(COURSE), "class", str(folder), "--jobs", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               universal_newlines=True)
    assert process.stderr.readline().startswith("1/4  a: 100 points")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "of 4 are graded; the same command goes on" in errors
    place = tmp_path / "hw-grades"
    assert [path.name for path in place.iterdir()] == ["reports"]
    kept = sorted(path.name for path in (place / "reports").iterdir())
    assert "a.json" in kept and "d.json" not in kept and not [n for n in kept if n[0] == "."]
    process = run("class", folder)
    assert process.stderr.count("(as before)") == sum(name.endswith(".json") for name in kept)
    assert process.returncode == 0 and "4 of 4 submissions graded" in process.stdout


def test_names_are_read_as_platforms_write_them_and_autolabs_last_version_counts(tmp_path):
    for name in ("a_b@x.edu_2_handin.tar", "a_b@x.edu_10_handin.tar", "plain.tar.gz", ".hidden"):
        (tmp_path / name).write_text("")
    for name in ("Ann Lee_99_assignsubmission_file_", "carl", "__MACOSX", "evil\x1b[2J"):
        (tmp_path / name).mkdir()
    found = classroom.submissions(tmp_path)
    assert {name: path.name for name, path in found.items()} == {
        "a_b@x.edu": "a_b@x.edu_10_handin.tar", "plain": "plain.tar.gz", "carl": "carl",
        "Ann Lee_99": "Ann Lee_99_assignsubmission_file_", "evil?[2J": "evil\x1b[2J"}


def test_two_submissions_of_one_name_are_an_error_that_names_both(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann.tar").write_text("")
    with pytest.raises(kit.CannotMake, match="two submissions of ann: ann and ann.tar"):
        classroom.submissions(tmp_path)
    (tmp_path / "ann.tar").rename(tmp_path / "Ann.tar")
    with pytest.raises(kit.CannotMake, match="share a report"):
        classroom.submissions(tmp_path)


@pytest.mark.parametrize("arguments, text", [
    (["{}/none"], "there is no folder"), (["{}"], "holds no submissions"),
    (["{}", "--jobs", "0"], "--jobs must be at least 1"),
    (["{}/full", "--csv", "{}/none/x.csv"], "there is no folder"),
    (["{}/full", "--csv", "{}"], "is a folder")])
def test_bad_input_is_one_clear_line_and_leaves_nothing(tmp_path, arguments, text):
    if "full" in arguments[0]:
        (tmp_path / "full" / "ann").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    process = run("class", *[argument.format(tmp_path) for argument in arguments])
    assert process.returncode == 2 and text in process.stderr.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_digest_sees_every_change_and_stops_at_nothing_odd(tmp_path):
    (tmp_path / "a").write_text("1")
    os.mkfifo(str(tmp_path / "pipe"))
    (tmp_path / "link").symlink_to("/dev/zero")
    first = classroom.digest(tmp_path)
    assert first == classroom.digest(tmp_path)
    (tmp_path / "a").write_text("2")
    second = classroom.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, classroom.digest(tmp_path)}) == 3


def test_mistakes_are_the_same_whatever_their_numbers_and_never_those_of_two_operations():
    def kind(mistake, message, problem="2.1"):
        return summary.kind_of({"problem": problem, "mistake": mistake, "message": message})

    shapes = "%s.backward returns a gradient of shape %s for a tensor of shape %s"
    graph = "graph: gradient's shape"
    assert (kind(graph, "off\n" + shapes % ("Add", (3, 2), (2,)))
            == kind(graph, shapes % ("Add", (4,), (1, 4)), "2.4"))
    assert kind(graph, shapes % ("Add", (3,), ())) != kind(graph, shapes % ("MatMul", (3,), ()))
    assert kind(graph, shapes % ("Add", 1, 2), "1.2") == kind(graph, shapes % ("Mul", 1, 2), "1.2")
    assert kind("times 0.01", "a", "2.3") == kind("times -1e-05", "b", "2.3")
    assert kind("gradient missing", "a", "2.1") != kind("gradient missing", "a", "2.2")
    assert kind("mul-swapped", "a") == kind("mul-swapped", "b", "1.1.2")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_of_the_table_is_a_formula(text):
    assert summary.harmless(text) == "'" + text and summary.harmless("a=1") == "a=1"


def test_the_handin_is_found_in_whatever_was_uploaded(tmp_path):
    def found(*paths):
        top = tmp_path / str(len(list(tmp_path.iterdir())))
        top.mkdir()
        for path in paths:
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text("")
        with grading.handin(top) as place:
            return place, str(place)[len(str(top)):], sorted(p.name for p in place.rglob("*"))

    assert found("mytorch/tensor.py")[1] == ""
    assert found("a/b/mytorch/tensor.py", "__MACOSX/mytorch/._tensor.py")[1] == "/a/b"
    assert found("handin.tar", "readme.txt")[1] == "/handin.tar"
    assert found("mine/handin.tar.gz")[1] == "/mine/handin.tar.gz"
    assert found("autograd_engine.py", "nn/linear.py")[2] == [
        "autograd_engine.py", "linear.py", "mytorch", "nn"]
    with pytest.raises(grading.UnusableUpload, match="several archives.*a.tar, b.tar"):
        found("a.tar", "b.tar")
