"""The constants of this homework; its questions are in test_autograd.py and test_mlp.py."""

NAME = "hw1p1"  # also the assessment's, on a platform
TITLE = "Homework 1 Part 1"
ABOUT = "Autograd, an MLP library and MNIST"
SEED = 11785  # of the inputs, where none is given
QUESTIONS = ("test_autograd", "test_mlp")  # files beside this one

# The problem that people grade: it has no checks, and 0 points here.
BY_HAND = "3"
BY_HAND_TITLE = "MNIST"
BY_HAND_POINTS = 10
BY_HAND_HOW = "./grade.sh m makes the plot that is looked at"

# On platforms and for a class.
ISOLATION = "require"  # grade only where the kernel keeps a submission in; "none": without that
VISIBILITY = "visible"  # of Gradescope's results: or "after_due_date", "after_published", "hidden"
