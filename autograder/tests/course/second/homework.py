"""A second homework on the same grader: two files of questions, mistakes, what is asked, this."""

NAME = "hw2p1"
TITLE = "Homework 2 Part 1"
ABOUT = "Softplus"
SEED = 2
QUESTIONS = ("forward", "backward")

BY_HAND = "2"
BY_HAND_TITLE = "An essay"
BY_HAND_POINTS = 3
BY_HAND_HOW = "hand in a page"

ISOLATION = "auto"
VISIBILITY = "after_due_date"
