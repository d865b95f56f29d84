#!/usr/bin/env bash
# ./grade.sh 1     scores the problems
# ./grade.sh m     trains on MNIST and plots the validation accuracy
# ./grade.sh test  runs the project's own tests
# ./grade.sh starter | autolab | gradescope | class  are for course staff
# Works from any directory; written for bash 3.2, which macOS has.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # started as "sh grade.sh"
set -u

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)" || exit 2

[ -f "$here/requirements.txt" ] || {
    echo "grade.sh: no requirements.txt beside it; run the script itself, not a link to it" >&2
    exit 2
}
staff="$here/autograder/course"  # not in the starter handout
mark="made-by-grade.sh"  # in .venv: that it may be made anew, and what pip said

usage() {
    echo "usage: ./grade.sh 1 [OPTION...]     score the problems (--help lists the options)" >&2
    echo "       ./grade.sh m                 train on MNIST, plot the validation accuracy" >&2
    [ ! -d "$staff" ] || cat >&2 <<'STAFF'
       ./grade.sh test [OPTION...]  run the project's own tests (pytest's options)
For course staff:
       ./grade.sh starter DIR          write the handout for students
       ./grade.sh autolab DIR          write an assessment that Autolab imports
       ./grade.sh gradescope FILE.zip  write an autograder for Gradescope
       ./grade.sh class FOLDER         grade every submission in a folder (--help lists the options)
STAFF
    exit 2
}

fail() {
    echo "grade.sh: $*" >&2
    exit 2
}

# Whether a Python has what requirements.txt asks for.
complete() {
    "$1" - "$here/requirements.txt" >/dev/null 2>&1 <<'PYTHON'
import sys
sys.path[:1] = []  # the folder where this is called
import importlib.util
names = open(sys.argv[1]).read().split()
missing = [name for name in names if importlib.util.find_spec(name) is None]
sys.exit(bool(missing) or sys.version_info < (3, 8))
PYTHON
}

# Sets $python: the current Python if it is complete, else that of .venv, made once.
find_python() {
    local candidate
    for candidate in python3 python "$here/.venv/bin/python"; do
        if command -v "$candidate" >/dev/null 2>&1 && complete "$candidate"; then
            python="$candidate"
            return
        fi
    done
    command -v python3 >/dev/null 2>&1 || fail "there is no python3; install Python 3.8 or later"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' ||
        fail "python3 is $(python3 --version 2>&1); Python 3.8 or later is needed"
    echo "grade.sh: this Python lacks numpy, matplotlib or pytest; setting up .venv, once ..." >&2
    if [ -e "$here/.venv" ] && [ ! -f "$here/.venv/$mark" ]; then
        fail "$here/.venv lacks some of requirements.txt and was not made here; complete or remove it"
    fi
    rm -rf "$here/.venv"
    mkdir "$here/.venv" && : >"$here/.venv/$mark" || fail "cannot write to $here"
    python3 -I -m venv "$here/.venv" >/dev/null 2>&1 || {
        rm -rf "$here/.venv"
        fail "python3 -m venv failed; install the venv module (on Debian and Ubuntu: apt install python3-venv)"
    }
    "$here/.venv/bin/python" -I -m pip install --quiet --disable-pip-version-check \
        -r "$here/requirements.txt" >"$here/.venv/$mark" 2>&1 ||
        fail "pip could not install requirements.txt (no network?): $(tail -n 1 "$here/.venv/$mark")"
    python="$here/.venv/bin/python"
}

[ $# -ge 1 ] || usage
task="$1"
shift
case "$task" in
    1) ;;
    m) [ $# -eq 0 ] || usage ;;
    test | starter | autolab | gradescope | class) [ -d "$staff" ] || usage ;;
    *) usage ;;
esac

find_python
case "$task" in
    1) exec "$python" "$here/autograder/hw1_autograder/runner.py" "$@" ;;
    m) exec "$python" "$here/autograder/hw1_autograder/test_mnist.py" ;;
    starter | autolab | gradescope | class)
        exec "$python" "$staff/course.py" "$task" "$@" ;;
    test) cd "$here" || exit 2
        [ $# -gt 0 ] || exec "$python" autograder/tests/run_all.py
        exec "$python" -m pytest -q "$@" ;;
esac
