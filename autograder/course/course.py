"""The commands for course staff; ./grade.sh starter, autolab, gradescope and class call it."""

import argparse
import os
import sys

import autolab
import classroom
import gradescope
import kit
import starter
from kit import homework
from outside import ending


class Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog.lstrip('./')}: {message} (--help lists what there is)\n")


def arguments():
    parser = Parser(prog="./grade.sh", description="For course staff.")
    tasks = parser.add_subparsers(dest="task", metavar="TASK")
    for name, module, place, text in (
            ("starter", starter, "DIR", "write the handout: the library with its parts emptied"),
            ("autolab", autolab, "DIR", "write an assessment that Autolab imports"),
            ("gradescope", gradescope, "FILE.zip", "write an autograder for Gradescope")):
        task = tasks.add_parser(name, help=text, description=text)
        task.add_argument("place", metavar=place)
        task.set_defaults(run=lambda options, write=module.write: write(options.place))
    task = tasks.add_parser("class", help="grade every submission in a folder",
                            description="grade every submission in a folder")
    task.add_argument("folder", metavar="FOLDER")
    task.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                      help="how many at a time (default: all cores, %(default)s here)")
    task.add_argument("--csv", metavar="FILE",
                      help="where the table goes (default: FOLDER-grades/grades.csv)")
    task.add_argument("--isolation", choices=("require", "auto", "none"),
                      default=homework.ISOLATION,
                      help="whether the kernel has to keep a submission in (default: %(default)s)")
    task.add_argument("--regrade", metavar="NAME", action="append", default=[],
                      help="grade this student again although nothing changed; may be given "
                           "several times")
    task.set_defaults(run=lambda options: classroom.grade_all(
        options.folder, options.jobs, options.csv, options.isolation, options.regrade))
    options = parser.parse_args()
    if options.task is None:
        parser.error("give a task: starter, autolab, gradescope or class")
    if "" in vars(options).values():
        parser.error("an argument is empty")
    if options.task == "class" and options.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {options.jobs}")
    return options


def main():
    if sys.stdout is None:  # closed
        sys.stdout = open(os.devnull, "w")
    options = arguments()
    ending.clean_up_first()
    sys.stdout.reconfigure(errors="replace")
    try:
        kit.check_homework()
        print(options.run(options))
        return 0
    except kit.CannotMake as error:
        message = str(error)
    except OSError as error:
        message = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    except KeyboardInterrupt as interrupt:
        print(f"\ninterrupted{': ' + str(interrupt) if str(interrupt) else ''}", file=sys.stderr)
        return 130
    print(f"grade.sh {options.task}: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
