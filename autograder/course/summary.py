"""What came of grading a class: the table, the summary as text, and a picture for a slide."""

import bisect
import csv
import re
import statistics
import textwrap
from collections import Counter

import grading
from kit import homework

INK, GREY, BLUE, RED = "#1a202c", "#5a6472", "#2b6cb0", "#c05621"
MOST_SHOWN = 8  # mistakes in the picture; the text has them all
FEW = 3  # mistakes for which half of the picture would be empty


def write_table(rows, problems, path):
    """Write a line for each student; one who could not be graded has no points, but the reason.

    ``id`` is what the platform's gradebook is imported by, where the upload's name tells it.
    """
    with open(path, "w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "id", *(problem.number for problem in problems), homework.BY_HAND,
                         "total", "seconds", "first failure"])
        for row in rows:
            points = [row["scores"].get(problem.number, "") for problem in problems]
            for student in row["students"]:
                writer.writerow([harmless(student.name), harmless(student.id), *points, "",
                                 row.get("total", ""), row["seconds"],
                                 harmless(first_failure(row))])


def harmless(text):
    """Return text in which no spreadsheet finds a formula, at its start or in a column."""
    text = " ".join(text.split())
    return re.sub(r'(^|[;|])(["\s]*)(?=[=+@\-\uff1d\uff0b\uff20\uff0d])', r"\1'\2", text)


def first_failure(row):
    if row["reason"]:
        return f"cannot be graded: {row['reason']}"
    for check in grading.failures(row):
        return f"{check['problem']} {check['name']}: {grading.first_line(check)}"
    return ""


class Summary:
    """The figures of a class, in students: those who handed in together count each.

    Attributes:
        rows (list): of those who could be graded, one for each student.
        ungraded, without_points (list): the uploads that could not be graded, or have 0 points.
        problems (list): (number and title, points, share of the class with all points, mean).
        mistakes (list): (how many made it, what the grader says of it), the commonest first.
    """

    def __init__(self, rows, problems):
        self.size = sum(len(row["students"]) for row in rows)
        self.ungraded = [row for row in rows if row["reason"]]
        self.without_points = [row for row in rows if not row["reason"] and not row["total"]]
        self.rows = [row for row in rows for _ in row["students"] if not row["reason"]]
        self.totals = [row["total"] for row in self.rows]
        self.full = sum(problem.points for problem in problems)
        self.problems = [self._of(*problem) for problem in problems if self.rows]
        self.mistakes = self._mistakes()

    def _of(self, number, title, points):
        scores = [row["scores"].get(number, 0) for row in self.rows]
        share = sum(score == points for score in scores) / len(scores)
        return f"{number} {title}", points, share, statistics.mean(scores)

    def _mistakes(self):
        """Count how many made each mistake, at the first of each one's checks that shows it."""
        count, problems = Counter(), {}
        for row in self.rows:
            made = {check["general"]: check["problem"] for check in reversed(row["checks"])
                    if check["mistake"]}
            count.update(made.keys())
            problems = {**made, **problems}
        return [(number, f"{problems[said]} {said}") for said, number in sorted(
            count.items(), key=lambda item: (-item[1], problems[item[0]], item[0]))]


def as_text(rows, problems, notes=()):
    """Write the summary for a terminal, with notes at its end."""
    figures = Summary(rows, problems)
    graded = len(figures.rows)
    lines = [f"{graded} of {figures.size} students graded"]
    if figures.rows:
        lines += [f"total: mean {statistics.mean(figures.totals):.1f}, median "
                  f"{statistics.median(figures.totals):g} of {figures.full}", "",
                  f"{'problem':34}points  mean  have all"]
        lines += [f"{name:34}{most:6}  {mean:4.1f}  {share:8.0%}"
                  for name, most, share, mean in figures.problems]
    if figures.mistakes:
        lines += ["", "mistakes that were recognised"]
    for number, text in figures.mistakes:
        lines += textwrap.wrap(f"{number} of {graded}  {text}", 96,
                               initial_indent="  ", subsequent_indent="      ")
    for title, found in (("graded, but 0 points", figures.without_points),
                         ("could not be graded", figures.ungraded)):
        if found:
            lines += ["", title, *(f"  {row['name']}: {row['reason'] or first_failure(row)}"
                                   for row in found)]
    lines += [f"\n{note}" for note in notes]
    return "\n".join(lines) + "\n"


# ---- the picture

def draw(rows, problems, path):
    """Draw the same as a picture, for a slide."""
    picture(rows, problems).savefig(str(path), dpi=120, format="png", facecolor="white")


def picture(rows, problems):
    """Make a matplotlib Figure, 16 by 9, which needs no screen."""
    from matplotlib.figure import Figure

    figures = Summary(rows, problems)
    figure = Figure(figsize=(13.33, 7.5))
    graded, missing = len(figures.rows), figures.size - len(figures.rows)
    title = f"{homework.TITLE}: {graded} student{'s' * (graded != 1)}"
    figure.text(0.04, 0.93, textwrap.shorten(title, 60, placeholder=" ..."), fontsize=26,
                weight="bold", color=INK)
    said = [f"median {statistics.median(figures.totals):g} of {figures.full} points"
            ] if figures.rows else []
    said += [f"{missing} more could not be graded"] if missing else []
    said += ["students by their points:"] if figures.rows else []
    figure.text(0.04, 0.875, "; ".join(said), fontsize=17, color=GREY)
    if figures.rows:
        _strip(figure.add_axes([0.04, 0.7, 0.92, 0.15]), figures.totals, figures.full)
        _halves(figure, figures, graded)
    return figure


def _halves(figure, figures, graded):
    """Draw the problems, and the commonest mistakes beside them or, if these are few, below."""
    few = len(figures.mistakes) <= FEW
    bottom = 0.1 + 0.055 * len(figures.mistakes) if few and figures.mistakes else 0.03
    means = [100 * mean / most for _, most, _, mean in figures.problems]
    figure.text(0.04, 0.6, "Points reached, in percent", fontsize=17, color=INK)
    _bars(figure.add_axes([0.265, bottom, 0.68 if few else 0.2, 0.58 - bottom]),
          [row[0] for row in figures.problems], means, [f"{mean:.0f}" for mean in means], 100, BLUE)
    if figures.mistakes:
        figure.text(*(0.04, bottom - 0.06) if few else (0.5, 0.6),
                    f"The commonest mistakes, by how many of {graded}", fontsize=17, color=INK)
    shown = [(number, _label(text)) for number, text in figures.mistakes[:MOST_SHOWN]]
    if not few:
        numbers, labels = zip(*shown)
        _bars(figure.add_axes([0.79, 0.03, 0.15, 0.55]), labels, numbers, numbers, graded, RED)
        return
    for place, (number, label) in enumerate(shown, 1):
        figure.text(0.04, bottom - 0.06 - 0.055 * place, textwrap.shorten(
            f"{number}: {label}", 105, placeholder=" ..."), fontsize=15, color=RED)


def _label(text):
    """Cut what the grader says to one student to a clause, and say it of several."""
    clause = re.match(r"\S+ (?:Either: )?.*?(?=[.;:](?:\s|$)|$)", text).group()
    return re.sub(r"\b([Yy])ou(r?)\b", lambda word: ("T" if word[1] == "Y" else "t") + "he" + (
        "ir" if word[2] else "y"), clause)


def _strip(axes, totals, full):
    """Draw all totals: a column for 0, for all points, and for each part between."""
    step = max(1, round(full / 20))
    lows = sorted({0, 1, *range(step, full, step), full})
    ends = [low - 1 for low in lows[1:]] + [full]
    count = Counter(bisect.bisect_right(lows, total) - 1 for total in totals)
    axes.bar(list(count), list(count.values()), width=0.8, color=BLUE)
    for place, number in count.items():
        axes.text(place, number, f"{number}", ha="center", va="bottom", fontsize=13, color=INK)
    axes.set_xlim(-0.6, len(lows) - 0.4)
    axes.set_ylim(0, max(count.values()) * 1.3)
    axes.set_xticks(range(len(lows)))
    axes.set_xticklabels([f"{low}" if low == end else f"{low}\u2013{end}"
                          for low, end in zip(lows, ends)])
    axes.set_yticks([])
    axes.tick_params(labelsize=11, labelcolor=INK, length=0)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)


def _bars(axes, labels, lengths, texts, longest, colour):
    """Horizontal bars with a text at the end of each, and no more ink than that."""
    axes.barh(range(len(lengths)), lengths, color=colour, height=0.66)
    for y, (length, text) in enumerate(zip(lengths, texts)):
        axes.text(length + longest * 0.02, y, text, va="center", fontsize=14, color=INK)
    axes.set_yticks(range(len(labels)))
    axes.set_yticklabels(["\n".join(textwrap.wrap(label, 34, max_lines=2, placeholder=" ..."))
                          for label in labels], fontsize=12, color=INK)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(0, longest * 1.1)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
