"""./grade.sh class: a folder of submissions as platforms export them."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import classroom
import course
import grading
import kit
import summary
import uploads
from graded import PLAIN, REPOSITORY, archive_plain, command, variant
from judging.tools import Finding

COURSE = Path(REPOSITORY, "autograder", "course", "course.py")
FULL = str(sum(problem.points for problem in kit.problems()))
SIGN = ("nn/functional.py", "sub_b = -grad_output.data", "sub_b = grad_output.data")


# The same command with a grader that takes a moment and gives everybody all points.
QUICK = [sys.executable, "-c", f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(COURSE.parent)!r})
import course, grading
grading.RUNNER = Path(sys.argv.pop(1))
sys.exit(course.main())
"""]
QUICK_RUNNER = f"""
import json, sys, time
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(options["--json"] + " has begun", "w").close()
time.sleep(0.2)
print("isolation: " + options["--isolation"], file=sys.stderr)
with open(options["--json"], "w") as file:
    json.dump({{"scores": {{}}, "total": {FULL}, "out_of": 110, "checks": []}}, file)
"""


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A class of three, a, b and c, and that grader, here too; the command that runs it."""
    runner = tmp_path / "quick.py"
    runner.write_text(QUICK_RUNNER)
    monkeypatch.setattr(grading, "RUNNER", runner)
    (tmp_path / "hw").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "hw" / f"{name}.tar").write_text(name)
    return [*QUICK, str(runner), "class", str(tmp_path / "hw")]


def table_of(path):
    with open(str(path), newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def zip_plain(path):
    with zipfile.ZipFile(str(path), "w") as packed:
        for file in Path(PLAIN).rglob("*.py"):
            packed.write(str(file), file.relative_to(PLAIN).as_posix())


@pytest.fixture(scope="module")
def graded_class(tmp_path_factory):
    """A class, graded: the folder, what was printed, and the table."""
    folder = tmp_path_factory.mktemp("a term") / "hw 1"
    folder.mkdir()
    archive_plain(folder / "ann@school.edu_12_handin.tar")
    with variant(SIGN) as wrong:
        shutil.copytree(wrong, str(folder / "Bo Ek_77_assignsubmission_file_"))
    (folder / "Bo Ek_77_assignsubmission_onlinetext_").mkdir()
    shutil.copytree(os.path.join(PLAIN, "mytorch"), str(folder / "=cmd"))  # no folder mytorch
    (folder / "dan.tar").write_text("no archive")
    (folder / "eve").mkdir()
    (folder / "submission_5").mkdir()
    with variant(SIGN) as wrong:
        shutil.copytree(wrong, str(folder / "submission_5" / "my work"))
    (folder / "submission_metadata.yml").write_text(METADATA)
    zip_plain(folder / "leeann_12_345_handin.zip")
    shutil.copytree(os.path.join(PLAIN, "mytorch"), str(folder / "nil" / "mytorch"))
    (folder / "nil" / "mytorch" / "tensor.py").write_text("class Tensor\n")
    os.mkdir(os.fsencode(str(folder)) + b"/b\xffd")  # no UTF-8
    (folder / "link").symlink_to(folder / "=cmd")
    (folder / "grades.csv").write_text("a table of another run, written here with --csv")
    process = command("class", folder, "--jobs", "2", main=course.main)
    assert process.returncode == 0, process.stderr
    return folder, process, table_of(folder.parent / "hw 1-grades" / "grades.csv")


METADATA = """\
---
submission_5:
  :submitters:
  - :name: Fay Roe
    :sid: '0042'
    :email: fay@school.edu
  - :name: "Gus \\u00d8"
    :sid:
    :email: gus@school.edu
  :created_at: 2026-11-02 10:00:00.000000000 Z
  :history:
  - :id: 1
    :submitters:
    - :name: Old Mate
      :email: old@school.edu
  :results:
    :output: ":email: nobody@school.edu"
"""


def test_the_table_has_a_row_for_each_student_whatever_was_handed_in(graded_class):
    _, _, table = graded_class
    assert {name: row["id"] for name, row in table.items()} == {
        "ann@school.edu": "", "Bo Ek": "Participant 77", "'=cmd": "", "dan": "", "eve": "",
        "Fay Roe": "0042", "Gus \u00d8": "gus@school.edu", "leeann": "12", "nil": "", "link": "",
        "b?d": ""}
    for name in ("ann@school.edu", "'=cmd", "leeann"):
        assert table[name]["total"] == FULL, table[name]
    assert list(table["dan"])[:2] == ["name", "id"] and list(table["dan"])[-4:] == [
        "3", "total", "seconds", "first failure"]
    points = {problem.number: problem.points for problem in kit.problems()}
    assert 0 < int(table["Bo Ek"]["1.1.1"]) < points["1.1.1"]
    assert int(table["Bo Ek"]["1.1.2"]) == points["1.1.2"]
    assert table["Bo Ek"]["3"] == "" and table["Bo Ek"]["first failure"].startswith("1.1.1 ")
    assert float(table["ann@school.edu"]["seconds"]) > 0
    pair = [{key: value for key, value in table[name].items() if key not in ("name", "id")}
            for name in ("Fay Roe", "Gus \u00d8")]
    assert pair[0] == pair[1] and pair[0]["total"] not in ("", "0", FULL)


def test_a_submission_that_cannot_be_graded_is_a_row_that_says_why(graded_class):
    _, process, table = graded_class
    assert table["dan"]["total"] == "" and "no tar" in table["dan"]["first failure"]
    assert "no folder mytorch" in table["eve"]["first failure"]
    assert "is a link" in table["link"]["first failure"]
    assert "dan: " in process.stdout and "7 of 11 students graded" in process.stdout
    assert "no folder or archive, passed over: grades.csv\n" in process.stdout


def test_who_was_graded_and_has_0_points_is_listed_with_the_reason(graded_class):
    _, process, table = graded_class
    assert table["nil"]["total"] == "0"
    listed = process.stdout.partition("graded, but 0 points\n")[2].splitlines()
    assert listed[0].startswith("  nil: 1.1.1 ") and "SyntaxError" in listed[0] and not listed[1]


def test_each_upload_has_a_report_and_the_class_a_summary_and_a_picture(graded_class):
    folder, process, _ = graded_class
    place = folder.parent / "hw 1-grades"
    assert sorted(path.name for path in place.iterdir()) == [
        "grades.csv", "reports", "summary.png", "summary.txt"]
    pair = "Fay Roe_0042, Gus \u00d8_gus@school.edu"
    assert "First fix" in (place / "reports" / f"{pair}.txt").read_text()
    report = json.loads((place / "reports" / f"{pair}.json").read_text())
    assert report["scores"]["2.2"] and report["checks"]
    assert (place / "summary.txt").read_text() in process.stdout
    assert "3 of 7  1.1.1 Your gradient for b" in process.stdout
    assert (place / "summary.png").stat().st_size > 20000


def graded_anew(errors):
    """The students that a run did not find graded before, by what it says."""
    return sorted(line.split("  ")[1].partition(":")[0] for line in errors.splitlines()
                  if re.match(r"\d+/\d+  ", line) and "(as before)" not in line)


def test_only_what_changed_is_graded_again_and_all_where_the_isolation_did(
        quick, tmp_path, capsys):
    def anew(**options):
        text = classroom.grade_all(folder, 2, **options)
        assert "3 of 3 students graded" in text
        errors = capsys.readouterr().err
        assert errors.count("isolation: ") == 1  # a line, and not one of each student
        return graded_anew(errors)

    folder, table = tmp_path / "hw", tmp_path / "hw" / "grades.csv"
    assert anew() == ["a", "b", "c"]
    (folder / "b.tar").write_text("changed")
    assert anew(table=table) == ["b"] and set(table_of(table)) == {"a", "b", "c"}
    assert anew(regrade=["c", "a"]) == ["a", "c"]
    assert anew(isolation="none") == ["a", "b", "c"]
    with pytest.raises(kit.CannotMake, match="no submission of zoe"):
        classroom.grade_all(folder, 2, regrade=["zoe"])


def test_an_interrupted_run_leaves_whole_reports_and_goes_on_where_it_stopped(
        quick, tmp_path, capsys):
    process = subprocess.Popen([*quick, "--jobs", "1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, universal_newlines=True)
    assert process.stderr.readline().startswith("isolation: ")
    assert process.stderr.readline().startswith(f"1/3  a: {FULL} points")
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGQUIT)  # a second one does not disturb the clean-up
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "of 3 are graded; the same command goes on" in errors
    place = tmp_path / "hw-grades"
    assert [path.name for path in place.iterdir()] == ["reports"]
    kept = sorted(path.name for path in (place / "reports").iterdir())
    assert "a.json" in kept and "c.json" not in kept and not [n for n in kept if n[0] == "."]
    assert "3 of 3 students graded" in classroom.grade_all(tmp_path / "hw", 1)
    assert len(graded_anew(capsys.readouterr().err)) == 3 - sum(
        name.endswith(".json") for name in kept)


def test_what_a_killed_run_left_is_cleared_by_the_next_which_goes_on_there(
        quick, tmp_path, capsys):
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen([*quick, "--jobs", "1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               env=dict(os.environ, TMPDIR=str(tmp_path / "temporary")))
    assert process.stderr.readline() and process.stderr.readline()
    while not list((tmp_path / "temporary").rglob("* has begun")):  # with the next
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert list((tmp_path / "temporary").iterdir())
    (tmp_path / "hw-grades" / "reports" / ".making-x").write_text("")
    (tmp_path / ".making-table.csv").write_text("")
    classroom.grade_all(tmp_path / "hw", 1, table=tmp_path / "table.csv")
    assert "a" not in graded_anew(capsys.readouterr().err)
    assert list((tmp_path / "temporary").glob("class-*")) == []
    assert not list(tmp_path.rglob(".*"))


def test_two_runs_do_not_grade_one_class_at_a_time(tmp_path):
    archive_plain(tmp_path / "a.tar")
    with classroom.workplace(tmp_path / "hw-grades"):
        with pytest.raises(kit.CannotMake, match="another ./grade.sh class is at work"):
            with classroom.workplace(tmp_path / "hw-grades"):
                pass
    assert not (tmp_path / "hw-grades").exists()


def test_one_student_is_called_by_name_by_id_or_by_the_name_of_the_report(tmp_path):
    for name in ("leeann_12_345_handin.zip", "Bo Ek_77_assignsubmission_file_.zip", "=cmd.tar"):
        (tmp_path / name).write_text("")
    found, _ = uploads.find(tmp_path)
    for text, name in (("leeann", "leeann_12"), ("12", "leeann_12"), ("leeann_12", "leeann_12"),
                       ("Participant 77", "Bo Ek_Participant 77"), ("_cmd", "=cmd")):
        assert [upload.name for upload in classroom._called(text, found)] == [name]


def test_a_grader_that_does_not_run_here_is_said_once_and_of_no_student(tmp_path, monkeypatch):
    runner = tmp_path / "runner.py"
    runner.write_text("import sys\nsys.exit('cannot grade here: there is no wall')\n")
    monkeypatch.setattr(grading, "RUNNER", runner)
    archive_plain(tmp_path / "a.tar")
    with pytest.raises(kit.CannotMake, match="does not run here: .*there is no wall"):
        classroom.grade_all(tmp_path, 1, table=tmp_path / "x.csv")
    assert not list(tmp_path.parent.glob("*-grades"))


def found_in(folder):
    """The paths' names by the students' names and ids."""
    return {upload.name: upload.path.name for upload in uploads.find(folder)[0]}


def test_names_are_read_as_platforms_write_them_and_the_last_upload_counts(tmp_path):
    for name in ("a_b@x.edu_2_handin.tar", "a_b@x.edu_10_handin.tar", "plain.tar.gz", ".hidden",
                 "leeann_12_345_handin.tar", "leeann_LATE_12_1345_handin-1.tar",
                 "leeann_12_9999_notes.txt", "leeann_13_346_handin.zip",
                 "Cy_8_assignsubmission_file_handin.zip"):
        (tmp_path / name).write_text("")
    for name in ("Ann Lee_99_assignsubmission_file_", "Ann Lee_99_assignsubmission_onlinetext_",
                 "carl", "__MACOSX", "evil\x1b[2J", "hw1-grades"):
        (tmp_path / name).mkdir()
    assert found_in(tmp_path) == {
        "a_b@x.edu": "a_b@x.edu_10_handin.tar", "plain": "plain.tar.gz", "carl": "carl",
        "leeann_12": "leeann_LATE_12_1345_handin-1.tar", "leeann_13": "leeann_13_346_handin.zip",
        "Ann Lee_Participant 99": "Ann Lee_99_assignsubmission_file_",
        "Cy_Participant 8": "Cy_8_assignsubmission_file_handin.zip", "evil?[2J": "evil\x1b[2J"}


@pytest.mark.parametrize("line", ["  - :name: |-", "  - :name: &1 Ann", "  - nobody",
                                  '  - :name: "Ann'])
def test_a_submission_with_an_odd_line_of_metadata_goes_by_its_folder_and_the_rest_by_names(
        tmp_path, line):
    for number in (4, 5, 6):
        (tmp_path / f"submission_{number}").mkdir()
    (tmp_path / "submission_metadata.yml").write_text(
        "---\nsubmission_4:\n  :submitters:\n  - :name: Al\n"
        f"submission_5:\n  :submitters:\n{line}\n    :sid: '7'\n"
        'submission_6:\n  :submitters:\n  - :name: "Zo\\xEB \\"Z\\" \\u00d8"\n')
    found, notes = uploads.find(tmp_path)
    assert [upload.name for upload in found] == ["Al", "submission_5", 'Zo\u00eb "Z" \u00d8']
    assert notes == ["submission_metadata.yml is not as Gradescope writes it, so "
                     f"submission_5 goes by its folder: {line.strip()}"]


def test_a_student_with_two_submissions_is_a_row_that_names_both_and_the_rest_is_graded(
        quick, tmp_path):
    (tmp_path / "hw" / "a").mkdir()
    (tmp_path / "hw" / "B.tar").write_text("")  # of another student than b.tar
    text = classroom.grade_all(tmp_path / "hw", 2)
    assert "3 of 4 students graded" in text
    assert "  a: two submissions: a and a.tar; remove one" in text
    assert table_of(tmp_path / "hw-grades" / "grades.csv")["a"]["total"] == ""
    assert {path.name for path in (tmp_path / "hw-grades" / "reports").glob("*.json")} == {
        "B.json", "b (2).json", "c.json"}


def test_a_student_with_an_archive_that_is_not_unpacked_has_a_row_and_another_upload_counts(
        tmp_path):
    for name in ("ann.rar", "Bo_1_3_x.7z", "Bo_1_2_x.zip", "notes.txt"):
        (tmp_path / name).write_text("")
    found, notes = uploads.find(tmp_path)
    assert {upload.name: upload.path.name for upload in found} == {
        "ann": "ann.rar", "Bo_1": "Bo_1_2_x.zip"}
    assert notes == ["no folder or archive, passed over: notes.txt"]


def test_a_student_whose_folder_is_missing_has_a_row_that_says_so(tmp_path):
    (tmp_path / "submission_5").mkdir()
    (tmp_path / "submission_metadata.yml").write_text("".join(
        f"submission_{number}:\n  :submitters:\n  - :name: {name}\n"
        for number, name in ((5, "Al"), (6, "Bo"))))
    assert {upload.name: upload.problem for upload in uploads.find(tmp_path)[0]} == {
        "Al": "", "Bo": "its folder is missing"}


def test_a_student_in_two_groups_is_graded_in_neither(tmp_path):
    for number in (5, 6, 7):
        (tmp_path / f"submission_{number}").mkdir()
    (tmp_path / "submission_metadata.yml").write_text("".join(
        f"submission_{number}:\n  :submitters:\n  - :name: {name}\n  - :name: {other}\n"
        for number, name, other in ((5, "Al", "Bo"), (6, "Bo", "Bo"), (7, "Cy", "Cy"))))
    assert {upload.name: upload.problem for upload in uploads.find(tmp_path)[0]} == {
        "Al, Bo": "Bo is in two submissions: submission_5 and submission_6",
        "Bo": "Bo is in two submissions: submission_5 and submission_6", "Cy": ""}


@pytest.mark.parametrize("arguments, text", [
    (["{}/none"], "there is no folder"), (["{}"], "holds no submissions"),
    (["{}", "--jobs", "0"], "--jobs must be at least 1"),
    (["{}/full", "--csv", "{}/none/x.csv"], "there is no folder"),
    (["{}/full", "--csv", "{}"], "is a folder")])
def test_bad_input_is_one_clear_line_and_leaves_nothing(tmp_path, arguments, text):
    if "full" in arguments[0]:
        (tmp_path / "full" / "ann").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    process = command("class", *[argument.format(tmp_path) for argument in arguments],
                      main=course.main)
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
    def general(operation, line, got):
        return Finding("gradient's shape", operation, "b", "a.py", line, (2,), got).general

    assert general("Add", 3, (3, 2)) == general("Add", 4, (1, 4)) != general("MatMul", 3, (3, 2))


def test_a_mistake_that_many_checks_show_counts_once_at_the_first_of_them():
    rows = rows_of(2, "files in a circle")
    shown = [check for row in rows for check in row["checks"]]
    rows[1]["checks"] = [dict(shown[0], problem=problem) for problem in ("1.1.2", "2.4", "2.6")]
    assert summary.Summary(rows, kit.problems()).mistakes == [(1, "1.1.2 files in a circle")]


def rows_of(size, *hints):
    """A class in which every second student makes all of these mistakes."""
    scores = {problem.number: problem.points for problem in kit.problems()}
    checks = [{"problem": "1.2", "mistake": f"a-{hint}", "general": hint} for hint in hints]
    return [{"name": "x", "students": [uploads.Student("x")], "reason": "", "scores": scores,
             "total": sum(scores.values()), "checks": checks if number % 2 else []}
            for number in range(size)]


def assert_all_is_on_the_page(figure):
    FigureCanvasAgg(figure).draw()  # an older matplotlib measures texts only then
    page = figure.bbox
    texts = [text for axes in figure.axes for text in [*axes.texts, *axes.get_yticklabels()]]
    for text in [*figure.texts, *texts]:
        box = text.get_window_extent()
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1


def test_the_picture_shows_all_totals_and_scales_mistakes_to_the_class_within_the_page():
    hints = ["You forgot " + "what is long, and " * 20, "Your b: x.", "One.", "Another."]
    figure = summary.picture(rows_of(40, *hints), kit.problems())
    assert_all_is_on_the_page(figure)
    strip, _, mistakes = figure.axes
    assert sum(bar.get_height() for bar in strip.patches) == 40
    assert [text.get_text() for text in strip.texts] == ["40"]  # each column has its number
    assert [bar.get_width() for bar in mistakes.patches] == [20] * 4
    assert mistakes.get_xlim()[1] >= 40
    said = " ".join(label.get_text() for label in mistakes.get_yticklabels())
    assert "1.2 They forgot" in said and "1.2 Their b" in said and "You" not in said


@pytest.mark.parametrize("hints", [[], ["You forgot " + "what is long, and " * 20], ["A.", "B."]])
def test_a_class_with_few_known_mistakes_leaves_no_half_of_the_picture_empty(hints):
    figure = summary.picture(rows_of(3, *hints), kit.problems())
    assert_all_is_on_the_page(figure)
    assert len(figure.axes) == 2 and figure.axes[1].get_position().x1 > 0.9
    assert sum(text.get_text().startswith("1: 1.2 ") for text in figure.texts) == len(hints)


def test_the_strip_of_totals_sets_none_and_all_points_apart():
    rows = rows_of(5)
    for row, total in zip(rows, (0, 1, 4, 99, 100)):
        row["total"] = total
    strip = summary.picture(rows, [kit.Problem("1", "All of it", 100)]).axes[0]
    labels = [label.get_text() for label in strip.get_xticklabels()]
    assert labels[:3] + labels[-2:] == ["0", "1\u20134", "5\u20139", "95\u201399", "100"]
    assert {text.get_position()[0]: text.get_text() for text in strip.texts} == {
        0: "1", 1: "2", len(labels) - 2: "1", len(labels) - 1: "1"}
    assert not summary.picture([], kit.problems()).axes


@pytest.mark.parametrize("text, safe", [
    ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\t=x", "'=x"),
    ("a;=x", "a;'=x"), ('a; "=x', "a;' \"=x"), ("a\r\n=x", "a =x"), ("\uff1dx", "'\uff1dx"),
    ("a=1, b -1; c@d", "a=1, b -1; c@d")])
def test_no_cell_of_the_table_begins_a_formula_however_it_is_split(text, safe):
    assert summary.harmless(text) == safe
