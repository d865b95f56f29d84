"""What came of grading a class: the table, the summary as text, and a picture for a slide."""

import csv
import re
import statistics
import textwrap
from collections import Counter

import grading

INK, GREY, BLUE, RED = "#1a202c", "#5a6472", "#2b6cb0", "#c05621"
MOST_SHOWN = 8  # mistakes in the picture; the text has them all


def write_table(rows, problems, path):
    """A line for each student; one who could not be graded has no points, but the reason."""
    with open(path, "w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["name", *problems, "total", "seconds", "first failure"])
        for row in rows:
            points = [row["scores"].get(name, "") if name != "3" else ""  # by hand
                      for name in problems]
            writer.writerow([harmless(row["student"]), *points, row.get("total", ""),
                             row["seconds"], harmless(first_failure(row))])


def harmless(text):
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def first_failure(row):
    if row["reason"]:
        return f"cannot be graded: {row['reason']}"
    for check in grading.failures(row):
        return f"{check['problem']} {check['name']}: {grading.first_line(check)}"
    return ""


class Summary:
    """The figures of a class.

    Attributes:
        rows (list): of those who could be graded.
        problems (list): (name, points, share of the class with all points, mean).
        mistakes (list): (how many made it, what the grader says of it), the commonest first.
    """

    def __init__(self, rows, problems):
        self.size = len(rows)
        self.rows = [row for row in rows if not row["reason"]]
        self.ungraded = [row for row in rows if row["reason"]]
        self.totals = [row["total"] for row in self.rows]
        graded = {name: problem for name, problem in problems.items() if name != "3"}  # by hand
        self.full = sum(problem.points for problem in graded.values())
        self.problems = [self._of(name, *problem) for name, problem in graded.items() if self.rows]
        self.mistakes = self._mistakes()

    def _of(self, name, points, title):
        scores = [row["scores"].get(name, 0) for row in self.rows]
        share = sum(score == points for score in scores) / len(scores)
        return f"{name} {title}", points, share, statistics.mean(scores)

    def _mistakes(self):
        count, texts = Counter(), {}
        for row in self.rows:
            made = {kind_of(check): check for check in row["checks"]
                    if check["mistake"] and not check["mistake"].startswith("error:")}
            count.update(made.keys())
            for kind, check in made.items():
                texts.setdefault(kind, f"{check['problem']} {check['message'].splitlines()[-1]}")
        return [(number, texts[kind])
                for kind, number in sorted(count.items(), key=lambda item: (-item[1], item[0]))]


def kind_of(check):
    """What makes two students' mistakes the same one, whatever the numbers and shapes.

    An entry of the catalogue is; a fact of the graph is if the same is said of the same
    operation, or of any in the engine's own problem; anything else, such as "times 0.1" or a
    result that is outside the graph, if it was in the same problem.
    """
    mistake = re.sub(r"-?\d[\d.e-]*", "#", check["mistake"])
    if re.match("graph: (?!no grad_fn)", mistake) and check["problem"] != "1.2":
        return re.sub(r"\(?\d[\d, )]*", "#", check["message"].splitlines()[-1])
    return mistake if "-" in mistake else f"{mistake} in {check['problem']}"


def as_text(rows, problems):
    """The summary for a terminal."""
    figures = Summary(rows, problems)
    lines = [f"{len(figures.rows)} of {figures.size} submissions graded"]
    if figures.rows:
        lines += [f"total: mean {statistics.mean(figures.totals):.1f}, median "
                  f"{statistics.median(figures.totals):g} of {figures.full}", "",
                  f"{'problem':34}points  mean  have all"]
        lines += [f"{name:34}{most:6}  {mean:4.1f}  {share:8.0%}"
                  for name, most, share, mean in figures.problems]
    if figures.mistakes:
        lines += ["", "mistakes that were recognised"]
    for number, text in figures.mistakes:
        lines += textwrap.wrap(f"{number} of {len(figures.rows)}  {text}", 96,
                               initial_indent="  ", subsequent_indent="      ")
    if figures.ungraded:
        lines += ["", "could not be graded"]
        lines += [f"  {row['student']}: {row['reason']}" for row in figures.ungraded]
    return "\n".join(lines) + "\n"


def draw(rows, problems, path):
    """The same as a picture, 16 by 9, for a slide: needs no screen."""
    from matplotlib.figure import Figure

    figures = Summary(rows, problems)
    figure = Figure(figsize=(13.33, 7.5))
    figure.text(0.04, 0.93, f"Homework 1 part 1: {len(figures.rows)} submissions", fontsize=26,
                weight="bold", color=INK)
    if figures.rows:
        left = f"; {len(figures.ungraded)} more could not be graded" if figures.ungraded else ""
        figure.text(0.04, 0.875, f"median {statistics.median(figures.totals):g} of "
                    f"{figures.full} points{left}", fontsize=17, color=GREY)
        figure.text(0.04, 0.785, "Points reached, in percent", fontsize=17, color=INK)
        means = [100 * mean / most for _, most, _, mean in figures.problems]
        _bars(figure.add_axes([0.265, 0.05, 0.2, 0.7]), [row[0] for row in figures.problems],
              means, [f"{mean:.0f}" for mean in means], 100, BLUE)
    if figures.mistakes:
        figure.text(0.51, 0.785, "Mistakes made most often, by how many", fontsize=17, color=INK)
        shown = figures.mistakes[:MOST_SHOWN]
        numbers = [number for number, _ in shown]
        _bars(figure.add_axes([0.77, 0.05, 0.19, 0.7]), [_label(text) for _, text in shown],
              numbers, numbers, numbers[0], RED)
    figure.savefig(str(path), dpi=120, format="png", facecolor="white")


def _label(text):
    """The first clause of what the grader says, on two lines."""
    clause = re.match(r"\S+ (?:Either: |Two mistakes: )?.*?(?=[.;:](?:\s|$)|$)", text).group()
    return "\n".join(textwrap.wrap(clause, 38, max_lines=2, placeholder=" ..."))


def _bars(axes, labels, lengths, texts, longest, colour):
    """Horizontal bars with a text at the end of each, and no more ink than that."""
    axes.barh(range(len(lengths)), lengths, color=colour, height=0.66)
    for y, (length, text) in enumerate(zip(lengths, texts)):
        axes.text(length + longest * 0.02, y, text, va="center", fontsize=15, color=INK)
    axes.set_yticks(range(len(labels)))
    axes.set_yticklabels(labels, fontsize=13, color=INK)
    axes.set_ylim(max(len(labels), 4) - 0.5, -0.5)
    axes.set_xlim(0, longest * 1.1)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
