"""The grader's command: options, exit codes, reports, archives, warnings."""

import ast
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

import homework
import runner
from graded import (FULL, OUT_OF, PLAIN, POINTS, REPOSITORY, TOTAL, archive_plain, checks_around,
                    command, grade, lost, results_of, side_by_side, variant)
from judging import checks, report
from judging.checks import CHECKS

RUNNER = os.path.join(REPOSITORY, "autograder", "hw1_autograder", "runner.py")


def run(*arguments, **options):
    """The grader's command; on the published seed, also where it would draw one."""
    seed = [] if {"--seed", "--again"} & set(arguments) else ["--seed", str(runner.SEED)]
    if not options and "--again" not in arguments:
        return command(*arguments, *seed)
    return subprocess.run([sys.executable, RUNNER, *arguments, *seed], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=120, **options)


def scores_of(process):
    return json.loads(process.stdout.splitlines()[-1])["scores"]


def points_below(number):
    return {name: points for name, points in POINTS.items()
            if name.startswith(f"{number}.") and points}


def test_the_project_scores_a_hundred_of_a_hundred_and_ten():
    process = run(cwd=REPOSITORY)
    assert process.returncode == 0 and process.stderr == ""
    assert sum(scores_of(process).values()) == FULL
    assert TOTAL in process.stdout and "\x1b" not in process.stdout
    assert list(scores_of(process)) == [*filter(POINTS.get, POINTS), homework.BY_HAND]


def test_another_working_directory_and_another_submission(tmp_path):
    process = run("--submission", os.path.relpath(PLAIN, str(tmp_path)), "--problem", "2.1",
                  cwd=str(tmp_path))
    assert scores_of(process) == {"2.1": POINTS["2.1"]}


@pytest.mark.parametrize("seed", [0, 7])
def test_correct_submissions_get_full_points_whatever_the_seed(seed):
    for root in (REPOSITORY, PLAIN):
        assert lost(grade(root, seed=seed)) == {}


def test_a_report_is_written_as_the_interface_says(tmp_path):
    path = tmp_path / "report.json"
    with variant(("optim/sgd.py", "param.data - self.lr", "param.data + self.lr")) as root:
        process = run("--submission", root, "--json", str(path))
    report = json.loads(path.read_text())
    assert set(report) == {"scores", "total", "out_of", "checks", "warnings", "seed", "isolation"}
    assert (report["total"], report["out_of"]) == (FULL - POINTS["2.3"], OUT_OF)
    assert report["scores"] == scores_of(process)
    failed = [c for c in report["checks"] if not c["passed"]]
    assert [c["problem"] for c in failed] == ["2.3", "2.3"]
    assert set(failed[0]) == {"problem", "number", "name", "points", "out_of", "passed", "message",
                              "mistake", "general", "hint", "code", "inputs"}
    assert failed[0]["code"].startswith("w, b = (Tensor(") and "lr = " in failed[0]["inputs"]
    assert failed[0]["mistake"] == "sgd-uphill" and "with a minus" in failed[0]["message"]
    assert "First fix: 2.3.1 SGD: two steps, with gradients set by hand: The" in process.stdout


def test_slow_answers_take_a_bounded_time_in_all():
    results = results_of(("autograd_engine.py", "class Function:",
                          "import time\ntime.sleep(0.1)\n\n\nclass Function:"), seconds=0.5)
    assert results[0].passed and not results[-1].passed and len(results) == len(CHECKS)
    assert "within 0.05 seconds" in results[-1].message


def test_a_report_is_written_also_when_nobody_reads_the_output(tmp_path):
    path = tmp_path / "report.json"
    process = subprocess.Popen([sys.executable, RUNNER, "--problem", "1.1", "--json", str(path)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 0
    assert json.loads(path.read_text())["total"] == sum(points_below("1.1").values())


TO_EXPLAIN = [
    ("2.1", "nn/linear.py", "return out + self.bias", "print('x\\n' * 500)\n        return out"),
    ("1.2", "autograd_engine.py", "old.data + grad.data", "grad.data"),
    ("2.5", "nn/functional.py", "max(axis=1, keepdims=True)", "max(axis=1, keepdims=True) * 0"),
    ("2.4", "nn/batchnorm.py", "centred = x - mean", "centred = mean - x"),
    ("2.6", "optim/sgd.py", "param.data + velocity", "param.data - velocity"),
    ("1.1.2", "tensor.py", "return F.Mul.apply(self, other)", "return F.Mul.apply(self, self)"),
]


@pytest.mark.parametrize("problem, file, old, new", TO_EXPLAIN)
def test_a_failed_check_is_explained_in_under_twenty_lines_of_eighty_columns(
        problem, file, old, new):
    with variant((file, old, new)) as root:
        process = run("--submission", root, "--problem", problem)
    blocks = process.stdout.replace("\n  ok  ", "\n\n").split("  FAIL  ")[1:]
    blocks = [block.split("\n\n")[0].splitlines() for block in blocks]
    assert blocks and all(len(block) < 20 for block in blocks)
    commands = [line for block in blocks for line in block if "./grade.sh" in line]
    assert all(len(line) <= 80 for block in blocks for line in block if line not in commands)
    assert "at home" in commands[0] and root not in commands[0]  # it is somebody else's code
    assert any("| return {" in line for line in blocks[0])
    assert any("=> " in line for block in blocks for line in block)


@pytest.mark.parametrize("check", CHECKS, ids=[check.number for check in CHECKS])
def test_what_a_report_shows_of_a_check_is_short(check):
    if check.points:
        inputs = runner.inputs_of(check, 1)
        assert len(check.shown.splitlines()) <= 10
        assert max(len(line) for line in check.shown.splitlines()) <= 74
        shown = report.shown_inputs(inputs)
        assert len(shown) <= 4 * 71 and "e-" not in shown


def test_a_check_of_the_problem_that_is_graded_by_hand_is_refused_where_it_is_defined(capsys):
    before = list(CHECKS)
    with pytest.raises(SystemExit, match="2"):
        checks.check(homework.BY_HAND, "a check", 5)(object)
    assert capsys.readouterr().err.endswith(
        f"homework.py: BY_HAND is {homework.BY_HAND}, which has checks: a check\n")
    assert CHECKS == before


# ---- running a check again

def test_a_check_runs_again_with_the_reports_numbers():
    with variant(("nn/linear.py", "return out + self.bias", "return out")) as root:
        result = [r for r in grade(root, seed=3) if not r.passed][0]
        process = run("--submission", root, "--seed", "3", "--again", result.check.number)
    assert process.returncode == 0 and all(line in process.stdout for line in result.lines)
    assert result.check.number == "2.1.1" and "shapes of Linear(3, 5): as expected" in (
        process.stdout)


def test_print_and_a_debugger_work_when_a_check_runs_again():
    with variant(("nn/linear.py", "return out + self.bias",
                  "print('here', x.shape)\n        breakpoint()\n        return out")) as root:
        process = run("--submission", root, "--again", "2.1.1", input="p x.shape\nup\nup\nlist\n"
                                                                      "quit\n")
    assert "here (3, 2)" in process.stdout and "(Pdb) (3, 2)" in process.stdout
    assert "one(Tensor(x))," in process.stdout.split("(Pdb)")[4]  # the scenario's own line


def test_an_error_in_a_check_that_runs_again_has_its_traceback():
    with variant(("nn/linear.py", "return out + self.bias", "return out + nobody")) as root:
        process = run("--submission", root, "--again", "2.1.1")
    assert 'linear.py", line 16, in forward' in process.stdout
    assert '"one layer": one(Tensor(x)),' in process.stdout and "NameError" in process.stdout


def test_a_whole_problem_runs_again_and_a_problem_or_check_can_be_named_alone():
    process = run("--again", "2.2")
    assert [line.split()[0] for line in process.stdout.splitlines() if "(run here" in line] == [
        "2.2.1", "2.2.2", "2.2.3"]
    assert run("2.4.3", "2.2").stdout.count("  ok  ") == 4


def test_a_loop_that_catches_the_interruption_ends_where_it_is_when_a_check_runs_again():
    with variant(("nn/functional.py", "ctx.mask = a.data > 0",
                  "while True:\n            try:\n                while True:\n"
                  "                    try:\n                        a + a\n"
                  "                    except:\n                        pass\n"
                  "            except:\n                pass")) as root:
        process = subprocess.run([sys.executable, RUNNER, "--submission", root, "--again", "2.2.1",
                                  "--timeout", "0.3"], stdin=subprocess.DEVNULL, timeout=60,
                                 stdout=subprocess.PIPE, universal_newlines=True)
    shown = process.stdout.partition("it is interrupted here:")[2]
    assert process.returncode == 1 and "nn/functional.py" in shown and "runner.py" not in shown


def test_a_check_runs_again_where_there_is_no_fork_as_on_windows():
    """Without what the signal, os and resource modules lack there."""
    lacking = ("import os, runpy, signal, sys\nsys.modules['resource'] = None\ndel os.fork\n"
               "for name in ('SIGHUP', 'SIGQUIT', 'SIGKILL', 'SIGALRM', 'SIGXCPU'):\n"
               "    delattr(signal, name)\n"
               f"sys.argv = [{RUNNER!r}, '--again', '1.1.1.1']\n"
               f"runpy.run_path({RUNNER!r}, run_name='__main__')\n")
    process = subprocess.run([sys.executable, "-c", lacking], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True)
    assert process.returncode == 0 and process.stderr == ""
    assert "forward: as expected" in process.stdout


def test_an_endless_loop_is_interrupted_where_it_is_when_a_check_runs_again():
    with variant(("nn/functional.py", "        return tensor.Tensor(a.data - b.data)",
                  "        while True:\n            pass")) as root:
        process = run("--submission", root, "--again", "1.1.1.1", "--timeout", "0.3")
    assert "after 0.3 seconds it has not ended" in process.stdout
    assert "functional.py" in process.stdout and process.stdout.endswith("KeyboardInterrupt\n")


def test_ok_and_fail_have_a_colour_on_a_terminal_alone(monkeypatch, capsys):
    result = grade(PLAIN, [CHECKS[2]])[0]
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    report.Printer().show(result)
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    report.Printer().show(result)
    assert "\x1b[32mok  \x1b[0m" in capsys.readouterr().out
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            report.Printer().show(result)
        assert "\x1b" not in capsys.readouterr().out


def test_a_failed_check_has_its_place_and_kind_in_the_report(tmp_path):
    path = tmp_path / "report.json"
    with variant(("nn/batchnorm.py", "centred = x - mean", "centred = x - nobody")) as root:
        run("--submission", root, "--json", str(path), "2.4.1")
    entry, = json.loads(path.read_text())["checks"]
    assert (entry["kind"], entry["file"], entry["line"]) == (
        "error", "mytorch/nn/batchnorm.py", 21)


def test_a_foreign_submission_gets_a_drawn_seed_and_this_one_the_published():
    def seed_of(*arguments):
        return command("1.1.1", *arguments).stdout.partition("\n")[0]
    assert seed_of() == ""
    assert len({seed_of("--submission", PLAIN) for _ in range(3)} - {""}) > 1


def test_a_reference_may_return_numbers_of_numpys():
    check = checks.Check("0", "a check", 1, NumberOfNumPys, {}, {}, "")
    expected = check.expected({})
    assert not checks.wrong_values(check, expected, {"n": np.array(2.)})
    assert checks.difference("n", np.array(3.), expected["n"]) == "n: expected 2, got 3"


class NumberOfNumPys:
    inputs = dict

    def scenario():
        return {"n": 2.}

    def reference(f):
        return {"n": np.float64(2)}


def test_a_random_seed_is_printed_and_repeats():
    first = run("--seed", "random", "--problem", "1.1.1")
    seed = first.stdout.split()[1]
    assert first.stdout.startswith("seed %s\n" % seed) and int(seed) != runner.SEED
    assert run("--seed", seed, "--problem", "1.1.1").stdout == first.stdout
    assert "seed" not in run("--problem", "1.1.1").stdout


def test_a_seed_is_drawn_by_its_option_and_not_by_a_folders_name(tmp_path):
    shutil.copytree(PLAIN, str(tmp_path / "random"))
    shown = run("--submission", str(tmp_path / "random"), "--seed", "3", "1.1.1").stdout
    assert shown.startswith("seed 3\n")
    drawn = {command("--seed=random", "1.1.1").stdout.partition("\n")[0] for _ in range(3)}
    assert len(drawn) > 1 and all(line.startswith("seed ") for line in drawn)


def test_where_the_seed_was_drawn_a_check_runs_again_at_home():
    with variant(("nn/functional.py", "a.data - b.data", "b.data - a.data")) as root:
        shown = run("--submission", root, "--seed", "random", "--problem", "1.1.1").stdout
    assert "at home, on other numbers" in shown and root not in shown


def test_a_warning_of_numpys_is_shown_with_its_place():
    results = results_of(("nn/functional.py", "max(axis=1, keepdims=True)",
                          "max(axis=1, keepdims=True) * 0"), checks=checks_around({"2.5"}))
    printed = [line for result in results for line in result.answer.output.splitlines()]
    assert printed and all(re.match(r"mytorch/nn/functional.py:\d+: RuntimeWarning: \w+ .*", line)
                           for line in printed[::2])


@pytest.mark.parametrize("length", range(40, 60, 2))
def test_no_words_of_a_submission_begin_a_line(length, capsys):
    results = results_of(("nn/batchnorm.py", None, "raise SyntaxError(%r)" % (
        "x" * length + "\nTotal: 110/110")), checks=[c for c in CHECKS if c.problem == "2.4"])
    printer = runner.Printer()
    for result in results:
        printer.show(result)
    runner.conclude(results, runner.report(results, False, 1, "none"), printer)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("Total")] == [
        f"Total: {sum(r.points for r in results)}/{sum(r.check.points for r in results)}"]


@pytest.mark.parametrize("said, code", [("n", 2), ("", 2), ("y", 0)])
def test_at_a_terminal_it_is_asked_before_somebody_elses_code_runs_again(said, code, tmp_path):
    master, slave = pty.openpty()
    with variant(("tensor.py", "import numpy as np\n",
                  f"import numpy as np\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")) as root:
        os.write(master, f"{said}\n".encode())
        process = subprocess.run(
            [sys.executable, runner.__file__, "--submission", root, "--again", "1.1.1.1"],
            stdin=slave, stdout=subprocess.PIPE, timeout=60)
    os.close(master)
    os.close(slave)
    assert process.returncode == code and b"Go on?" in process.stdout
    assert (tmp_path / "ran").exists() == (said == "y")


@pytest.mark.parametrize("option", [
    ("--json", "report.json"), ("--isolation", "require"), ("2.4",)])
def test_what_again_cannot_give_is_refused(option):
    process = run("--again", "1.1.1.1", *option)
    assert process.returncode == 2 and "--again runs a check in this process" in process.stderr


def test_an_endless_loop_can_be_interrupted_where_it_is():
    with variant(("nn/functional.py", "        return tensor.Tensor(a.data - b.data)",
                  "        print('here', flush=True)\n        while True:\n"
                  "            pass")) as root:
        process = subprocess.Popen(
            [sys.executable, runner.__file__, "--submission", root, "--again", "1.1.1.1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in process.stdout:
            if line == b"here\n":
                process.send_signal(signal.SIGINT)
                break
        shown = process.communicate(timeout=30)[0].decode()
    assert "nn/functional.py" in shown and shown.endswith("KeyboardInterrupt\n\ninterrupted\n")
    assert process.returncode == 130


def test_a_check_that_is_not_there_is_refused_with_those_of_its_problem():
    process = run("2.4.9")
    assert process.returncode == 2 and "these are: 2.4.1, 2.4.2, 2.4.3, 2.4.4\n" in process.stderr


def test_a_run_can_be_limited_to_problems():
    process = run("--problem", "2.4", "--problem", "1.1")
    assert scores_of(process) == {**points_below("1.1"), "2.4": POINTS["2.4"]}


@pytest.mark.parametrize("arguments", [
    ["--problem", "7"], ["--problem", "3"], ["--timeout", "inf"], ["--nonsense"],
    ["--seed", "x"], ["--seed", "-1"], ["--timeout", "0"]])
def test_an_argument_that_makes_no_sense_is_a_usage_error(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["runner.py"] + arguments)
    with pytest.raises(SystemExit) as caught:
        runner.main()
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_who_asks_for_the_problem_that_is_graded_by_hand_is_told_how_it_is_done():
    process = run(homework.BY_HAND)
    assert process.returncode == 2
    assert f"{homework.BY_HAND} is graded by hand: ./grade.sh m makes the plot" in process.stderr


@pytest.mark.parametrize("arguments, text", [
    (["--submission", "/nowhere"], "cannot grade: "),
    (["--json", "/nowhere/report.json"], "usage: ")])
def test_what_cannot_be_graded_exits_with_two_and_says_why(arguments, text):
    process = run(*arguments)
    assert process.returncode == 2
    assert text in process.stderr and "/nowhere" in process.stderr


def test_an_archive_is_graded(tmp_path):
    path = str(tmp_path / "handin.tar")
    archive_plain(path)
    assert sum(scores_of(run("--submission", path)).values()) == FULL


def test_a_submissions_words_begin_no_line_of_the_report():
    """Type names and messages are wrapped; a line that goes on begins with a mark."""
    liar = ("class Liar:\n    pass\nLiar.__name__ = 'x ' * %d + 'Total: 110/110'\n"
            "class BatchNorm1d:\n    def __init__(self, *args):\n"
            "        raise type(Liar.__name__, (Exception,), {})(Liar.__name__)\n")
    for padding in range(0, 30, 5):
        with variant(("nn/batchnorm.py", None, liar % padding)) as root:
            process = run("--submission", root, "--problem", "2.4")
        lines = [line.strip() for line in process.stdout.splitlines()]
        none = f"Total: 0/{POINTS['2.4']}"
        assert [line for line in lines if line.startswith("Total:")] == [none]
        assert "Total: 110/110" in process.stdout


def test_a_name_in_an_archive_cannot_write_over_the_terminal(tmp_path):
    path = str(tmp_path / "handin.tar")
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("/bad\x1b]0;\nTotal: 110/110"))
    process = run("--submission", path)
    assert process.returncode == 2 and process.stderr.endswith(": /bad?]0; Total: 110/110\n")


def test_the_seed_decides_the_inputs_and_the_default_repeats():
    check = CHECKS[2]
    one, same, other = (grade(PLAIN, [check], seed)[0].answer.values["forward"]
                        for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


# ---- partial submissions

IN_A_GRAPH = next(check for check in CHECKS if check.number == "1.2.2")
PARTIAL = {
    "no batchnorm.py": ([("nn/batchnorm.py", "", None)], ["2.4"]),
    "a syntax error": ([("nn/batchnorm.py", "m = x.shape[0]", "m = = x.shape[0]")], ["2.4"]),
    "no ReLU": ([("nn/functional.py", "class ReLU(", "class Relu(")], ["2.2"]),
    "no momentum": ([("optim/sgd.py", "if self.momentum == 0:", "if True:")], ["2.6"]),
    "no SGD": ([("optim/sgd.py", "", None)], ["2.3", "2.6"]),
    "one slip in autograd": ([("autograd_engine.py", "Tensor(new)",
                               "Tensor(new, requires_grad=True)")],
                             {"1.2": IN_A_GRAPH.shares["a.grad is part of a graph"]}),
}


@pytest.fixture(scope="module")
def partial():
    results = side_by_side(lambda row: results_of(*row[0], checks=checks_around(row[1])),
                           PARTIAL.values())
    return dict(zip(PARTIAL, results))


@pytest.mark.parametrize("name", PARTIAL)
def test_what_is_missing_costs_its_own_points(partial, name):
    problems = PARTIAL[name][1]
    assert lost(partial[name]) == (problems if isinstance(problems, dict) else
                                   {problem: POINTS[problem] for problem in problems})


def test_a_syntax_error_is_located(partial):
    lines = [line for r in partial["a syntax error"] if not r.passed for line in r.lines]
    assert any("mytorch/nn/batchnorm.py, line 18: m = = x.shape[0]" in line for line in lines)


def test_the_projects_own_batchnorm_with_a_syntax_error_costs_ten_too(tmp_path):
    shutil.copytree(os.path.join(REPOSITORY, "mytorch"), str(tmp_path / "mytorch"))
    (tmp_path / "mytorch" / "nn" / "batchnorm.py").write_text("class BatchNorm1d(:\n")
    process = run("--submission", str(tmp_path))
    assert sum(scores_of(process).values()) == FULL - POINTS["2.4"]
    assert "mytorch/nn/batchnorm.py, line 1" in process.stdout


def test_an_import_of_matplotlib_that_looks_for_fonts_costs_nothing():
    results = results_of(("nn/functional.py", "import numpy as np\n",
                          "import numpy as np\nimport subprocess\n"
                          "try:\n    subprocess.check_output(['fc-list'])\n"
                          "except OSError:\n    pass\n"), checks=checks_around({"1.1.1"}))
    assert lost(results) == {}


def test_starter_code_that_imports_in_the_other_order_loses_nothing():
    results = results_of(("autograd_engine.py", "def backward(", "from mytorch import tensor\n\n\n"
                                                                "def backward("),
                         checks=checks_around({"1.1.1"}))
    assert lost(results) == {}


# ---- what costs nothing and is worth a word

def test_the_traversal_that_revisits_nodes_is_a_warning_for_the_plain_one_only():
    around = checks_around({"1.2"})
    assert any("once for each path" in w for w in report.warnings_of(results_of(checks=around)))
    assert report.warnings_of(grade(REPOSITORY, seed=1)) == []


def test_a_loop_over_the_batch_is_a_warning():
    results = results_of(("nn/functional.py", "    mask = np.eye(classes)[target.data]\n",
                          "    mask = np.zeros((n, classes))\n"
                          "    for i in range(n):\n        mask[i, target.data[i]] = 1\n"),
                         checks=checks_around({"2.5"}))
    assert lost(results) == {}
    assert any("whole arrays" in w for w in report.warnings_of(results))


def test_a_step_that_clears_its_gradients_is_a_warning():
    results = results_of(("optim/sgd.py", "                continue\n",
                          "                param.grad = None\n                continue\n"),
                         checks=checks_around({"2.3"}))
    assert lost(results) == {}
    assert any("what zero_grad() is for" in w for w in report.warnings_of(results))


def test_running_statistics_in_the_graph_are_a_warning():
    results = results_of(("nn/batchnorm.py", "Tensor((1 - alpha) * self.running_mean.data + "
                                             "alpha * mean.data)",
                          "self.running_mean * Tensor(1 - alpha) + mean * Tensor(alpha)"),
                         checks=checks_around({"2.4"}))
    assert lost(results) == {}
    assert any("part of the graph" in w for w in report.warnings_of(results))


def test_scenarios_never_see_the_formulas():
    for check in CHECKS:
        names = {n.id for n in ast.walk(ast.parse(check.source)) if isinstance(n, ast.Name)}
        assert not names & {"f", "FORMULAS", "reference", "check"}


def test_a_relu_that_overwrites_its_input_is_a_warning():
    results = results_of(("nn/functional.py", "        ctx.mask = a.data > 0\n",
                          "        ctx.mask = a.data > 0\n        a.data[~ctx.mask] = 0\n"),
                         checks=checks_around({"2.2"}))
    assert lost(results) == {}
    assert any("changes the array of its input" in text for text in report.warnings_of(results))


def test_what_is_not_written_yet_is_one_line():
    with variant(("nn/functional.py", "        return tensor.Tensor(a.data - b.data)",
                  "        raise NotImplementedError('Sub is to do')")) as root:
        lines = run("--submission", root, "--problem", "1.1.1").stdout.splitlines()
    assert [line.split() for line in lines[2:6:2]] == [
        ["FAIL", check.number, *check.name.split(), f"0/{check.points}"] for check in CHECKS
        if check.problem == "1.1.1"]
    assert lines[3].strip() == "not written yet: Sub is to do"
    assert lines[5].strip() == "not written yet, see 1.1.1.1"


def test_given_code_that_fails_is_explained_and_advice_is_marked():
    with variant(("nn/functional.py", "grad_a = unbroadcast(grad_output.data, a.shape)",
                  "grad_a = -unbroadcast(grad_output.data, a.shape)")) as root:
        shown = run("--submission", root, "--problem", "1.1.0", "--problem", "1.2").stdout
    assert re.search(r"FAIL  1.1.0.1 F.Add, .* 0/0\n +\| ", shown)
    assert re.search(r"warn  1.2.10  The time of backward\(\) .*0/0", shown)


def test_the_same_error_is_explained_once(tmp_path):
    with variant(("nn/functional.py", "import numpy as np\n",
                  "import numpy as np\n1 / 0\n")) as root:
        process = run("--submission", root)
    assert process.stdout.count("mytorch/nn/functional.py, line 2: 1 / 0") == 2
    assert "First fix: mytorch/nn/functional.py, line 2: 1 / 0 (ZeroDivisionError" in process.stdout
    again = process.stdout.count("the same as above: ZeroDivisionError")
    assert again > 5 and again + process.stdout.count("fails: fix that first.") > 20


def test_an_import_that_never_ends_is_not_waited_for_in_every_check():
    started = time.monotonic()
    results = results_of(("tensor.py", "import numpy as np\n", "while True: pass\n"), seconds=0.3)
    assert time.monotonic() - started < 5
    assert sum(result.points for result in results) == 0
    assert all("did not end within 0." in result.lines[0] for result in results)


def test_a_link_to_the_solution_is_refused():
    with variant(("nn/batchnorm.py", None, None)) as root:
        os.symlink(os.path.join(REPOSITORY, "mytorch", "nn", "batchnorm.py"),
                   os.path.join(root, "mytorch", "nn", "batchnorm.py"))
        process = run("--submission", root)
    assert process.returncode == 2 and process.stderr.endswith(
        "no file or folder (a link or a device): mytorch/nn/batchnorm.py\n")


def test_checks_do_not_share_a_working_folder():
    results = results_of(("tensor.py", "import numpy as np\n",
                          "import numpy as np, os\nos.mkdir('mine')\nopen('file', 'x').close()\n"),
                         checks=checks_around(set()))
    assert lost(results) == {}


def test_a_check_that_runs_again_has_what_the_checks_have():
    """The names that NumPy 1.18 had, and random numbers that are the same each time."""
    with variant(("nn/functional.py", "sub_b = -grad_output.data",
                  "sub_b = np.random.rand() + np.zeros((2, 2), dtype=np.float)")) as root:
        graded = run("--submission", root, "--problem", "1.1.1")
        again = run("--submission", root, "--again", "1.1.1.1")
    got = [line for line in graded.stdout.splitlines() if "at (0, 0): expected" in line]
    assert got and got[0].strip() in again.stdout


def test_a_closed_stdout_is_no_error():
    process = subprocess.run(f"'{sys.executable}' '{RUNNER}' --problem 2.2 >&-", shell=True,
                             stderr=subprocess.PIPE, timeout=60)
    assert process.returncode == 0 and process.stderr == b""
