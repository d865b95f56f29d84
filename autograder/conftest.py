"""What pytest leaves alone here: the grader asks questions of its own, the scripts make files."""

collect_ignore_glob = ["hw1_autograder/*", "course/*", "benchmark.py", "tests/*make_*.py",
                       "tests/run_all.py", "tests/plain/*", "tests/judging/styles/*"]
