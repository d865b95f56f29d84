"""The commands as a user calls them, in a copy of the project with a name that has a space."""

import os
import shutil
import subprocess
import sys
import tarfile

import pytest

import run_all
from graded import REPOSITORY, scores

SCRIPTS = ("grade.sh", "create_tarball.sh", "sandbox.py", "requirements.txt")
PYTHON_FIRST = os.path.dirname(sys.executable)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of what is handed out, without the tests and the data."""
    folder = tmp_path_factory.mktemp("a copy") / "my torch"
    ignore = shutil.ignore_patterns("__pycache__", "tests", "data", "*.png")
    for name in ("mytorch", "hw1", "autograder"):
        shutil.copytree(os.path.join(REPOSITORY, name), str(folder / name), ignore=ignore)
    for name in SCRIPTS:
        shutil.copy(os.path.join(REPOSITORY, name), str(folder / name))
    return folder


def run(*command, **options):
    environment = dict(os.environ, PATH=PYTHON_FIRST + os.pathsep + os.environ["PATH"])
    environment.update(options.pop("env", {}))
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
                          env=environment, **options)


@pytest.mark.parametrize("failing", range(len(run_all.PARTS)))
def test_the_tests_fail_where_one_of_their_parts_does(failing, monkeypatch, capfd):
    fails = run_all.PARTS[failing]
    program = f"import sys; print(*sys.argv[1:]); sys.exit(sys.argv[1:] == {fails})"
    monkeypatch.setattr(run_all, "PYTEST", [sys.executable, "-c", program])
    assert run_all.main() == 1
    said = capfd.readouterr().out.split("\nPart ")
    assert all(" ".join(part) in text for part, text in zip(run_all.PARTS, said))


@pytest.mark.parametrize("arguments", [[], ["2"], ["--help"], ["m", "extra"], ["M"]])
def test_grade_without_a_known_task_prints_the_usage_and_exits_with_two(project, arguments):
    process = run(project / "grade.sh", *arguments)
    assert process.returncode == 2 and "usage: ./grade.sh 1" in process.stderr


def test_grade_1_scores_from_any_directory_and_passes_options_on(project, tmp_path):
    process = run(project / "grade.sh", "1", "--problem", "2.2", cwd=str(tmp_path))
    assert process.returncode == 0
    assert process.stdout.splitlines()[-1] == scores("2.2")


def test_grade_m_without_data_is_one_clear_message(project):
    process = run(project / "grade.sh", "m")
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1 and "mnist.npz" in process.stderr


def test_a_python_without_packages_and_without_network_is_one_clear_message(project, tmp_path):
    """python3 here has no packages, and its venv's pip has no index to ask."""
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("python3", "python"):
        (fake / name).write_text(
            '#!/bin/sh\n[ "$1" = - ] && exit 1\n[ "$1" = -I ] && shift\n'
            '[ "$1" = -m ] && [ "$2" = venv ] && { mkdir -p "$3/bin"; '
            'printf "#!/bin/sh\\n[ \\"\\$1\\" = - ] && exit 1\\n'
            'echo no route to host >&2; exit 1\\n" > "$3/bin/python"; '
            'chmod +x "$3/bin/python"; exit 0; }\nexit 0\n')
        (fake / name).chmod(0o755)
    process = run(project / "grade.sh", "1",
                  env={"PATH": "%s:/usr/bin:/bin" % fake})
    shutil.rmtree(str(project / ".venv"), ignore_errors=True)
    assert process.returncode == 2
    assert "setting up .venv" in process.stderr
    assert process.stderr.count("grade.sh:") == 2 and "no route to host" in process.stderr


def test_the_tarball_holds_the_right_files_and_warns_without_the_plot(project, tmp_path):
    (project / "mytorch" / "__pycache__").mkdir(exist_ok=True)
    (project / "mytorch" / "__pycache__" / "x.pyc").write_text("")
    (project / "mytorch" / ".hidden").write_text("")
    process = run(project / "create_tarball.sh", cwd=str(tmp_path))
    assert process.returncode == 0 and "warning" in process.stderr
    with tarfile.open(str(project / "handin.tar")) as tar:
        names = tar.getnames()
    assert "mytorch/nn/functional.py" in names and "hw1/mnist.py" in names
    assert not [n for n in names if "__pycache__" in n or "/." in n]
    assert all(n.split("/")[0] in ("mytorch", "hw1") for n in names)
    for name in names:
        assert not name.endswith(".py") or "  " + name in process.stdout.splitlines()

    (project / "hw1" / "validation_accuracy.png").write_text("")
    process = run(project / "create_tarball.sh")
    (project / "hw1" / "validation_accuracy.png").unlink()
    assert "warning" not in process.stderr and "validation_accuracy.png" in process.stdout
    scored = run(project / "grade.sh", "1", "--submission", project / "handin.tar",
                 "--problem", "2.1")
    assert scores("2.1") in scored.stdout


def test_the_sandbox_looks_at_programs_and_shows_the_eight_steps(project, tmp_path):
    process = run(sys.executable, project / "sandbox.py", cwd=str(tmp_path))
    assert process.returncode == 0 and "FAIL" not in process.stdout
    for text in ("a + b", "a network", "broadcast (3, 1) and (1, 4)", "BatchNorm1d in training",
                 "Step 8 ", "a.grad = Tensor(3.) (should be 3)"):
        assert text in process.stdout
    assert (project / "sandbox_graph.png").stat().st_size > 5000


def test_the_sandbox_names_a_wrong_operation_and_its_numbers(project, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(str(project), str(broken))
    path = broken / "mytorch" / "nn" / "functional.py"
    text = path.read_text()
    assert "unbroadcast(-g, shape_b)" in text
    path.write_text(text.replace("unbroadcast(-g, shape_b)", "unbroadcast(g, shape_b)"))
    process = run(sys.executable, broken / "sandbox.py")
    assert process.returncode == 1
    assert "FAIL  a - b\n        Sub.backward (functional.py:" in process.stdout
    assert "hands 1 to its argument b at (0, 0); differences" in " ".join(process.stdout.split())


def test_the_sandbox_judges_no_operation_by_its_name_and_needs_no_matplotlib(project, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(str(project), str(own))
    with open(str(own / "mytorch" / "nn" / "functional.py"), "a") as file:
        file.write("\n\nclass XELoss(Function):\n    @staticmethod\n"
                   "    def forward(ctx, a, axis, labels):\n        raise KeyError(axis)\n")
    (own / "matplotlib").mkdir()
    (own / "matplotlib" / "__init__.py").write_text("raise ImportError('no matplotlib')")
    process = run(sys.executable, own / "sandbox.py")
    assert process.returncode == 0 and "XELoss" not in process.stdout
    assert "there is no picture of its graph: no matplotlib" in process.stdout


def test_the_sandbox_runs_a_students_file_with_the_names_at_hand(project, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("x = Tensor([2.], requires_grad=True)\n(x * x).backward()\n"
                    "print(x.grad, gradcheck(lambda x: F.Log.apply(x), x))\n")
    process = run(sys.executable, project / "sandbox.py", mine)
    assert process.stdout == "Tensor([4.]) True\n"
    assert run(sys.executable, project / "sandbox.py", tmp_path / "no.py").returncode == 2
    assert run(sys.executable, project / "sandbox.py", "a", "b").returncode == 2


def test_the_scripts_are_written_for_bash_3_and_have_lf_endings():
    for name in ("grade.sh", "create_tarball.sh", os.path.join(".ci", "run")):
        with open(os.path.join(REPOSITORY, name), "rb") as file:
            text = file.read()
        assert b"\r" not in text
        for newer in (b"mapfile", b"readarray", b"declare -A", b"${@,", b"|&", b"&>>"):
            assert newer not in text
        assert os.access(os.path.join(REPOSITORY, name), os.X_OK)


def test_grade_sh_works_when_it_is_started_with_sh_and_refuses_to_be_a_link(project, tmp_path):
    process = run("sh", project / "grade.sh", "nonsense", cwd=str(tmp_path))
    assert process.returncode == 2 and process.stderr.startswith("usage: ./grade.sh 1")
    (tmp_path / "link").symlink_to(project / "grade.sh")
    process = run(tmp_path / "link", "1")
    assert process.returncode == 2 and "not a link to it" in process.stderr
    assert not (tmp_path / ".venv").exists()
