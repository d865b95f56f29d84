"""Runs all tests in two processes side by side, and shows what both said.

    ./grade.sh test

Most of a test's time is waiting, for a process or a limit: on two cores it takes half as long.
"""

import os
import subprocess
import sys
import tempfile

PYTEST = [sys.executable, "-m", "pytest", "-q"]
TESTS = "autograder/tests"
COMMANDS = [f"{TESTS}/{part}" for part in ("course", "outside", "library/test_readme.py")]
PARTS = [f"--ignore={path}" for path in COMMANDS], COMMANDS
# NumPy's threads would wait for each other, busily, where both cores have work.
ONE_THREAD = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


def main():
    print("The tests take about two minutes on two cores, in two parts; what the second says is "
          "shown at its end.", file=sys.stderr)
    with tempfile.TemporaryFile() as shown, \
            subprocess.Popen(PYTEST + PARTS[1], stdout=shown, stderr=shown,
                             env=ONE_THREAD) as second:
        first = subprocess.call(PYTEST + PARTS[0], env=ONE_THREAD)
        print("\nPart 2:", flush=True)
        second.wait()
        shown.seek(0)
        sys.stdout.buffer.write(shown.read())
    failed = first or second.returncode
    print("\nSome tests fail." if failed else "\nAll tests pass.")
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # both parts got it too
        sys.exit(130)
