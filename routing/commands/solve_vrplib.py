"""`solve-vrplib FILE`: plan a VRPLIB, Solomon or Li & Lim instance and print a VRPLIB solution."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from routing.auditing import audit
from routing.children import warm_up
from routing.commands import INVALID, VALID, age, at_least_1, seconds_above_0, told
from routing.commands.progress import add_quiet, progress_line
from routing.engines import ENGINES
from routing.instances import CONVENTIONS, read_instance
from routing.matrix import InvalidProblem
from routing.solving import AUTO, EngineFailed, solve
from routing.vrplib import problem_of, routes_of, solution_text

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # it is generic for the type checker only

# Seconds that the last count, the text and the end of the process take.
_WRITING, _WRITING_PER_STOP = 0.03, 0.00004
_NAMED = 5


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the command known."""
    parser = commands.add_parser("solve-vrplib", help="plan a VRPLIB, Solomon or Li & Lim instance")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument(
        "--time-limit", type=seconds_above_0, default=10.0, help="seconds from the start of the process"
    )
    parser.add_argument("--processes", type=at_least_1, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--round", choices=list(CONVENTIONS), default="round", help="how values become whole numbers")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the routes")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the solution there, not to standard output")
    parser.add_argument("--engine", choices=[AUTO, *ENGINES], default=AUTO)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 with a valid solution, 1 when clients that must be visited are left out, 2 for an unreadable instance."""
    warm_up()
    try:
        instance = read_instance(arguments.file, arguments.round)
        problem = problem_of(instance)
        for file in (arguments.output, arguments.plot):
            if file is not None and not file.parent.is_dir():
                raise InvalidProblem("folder", "output", str(file), "there is no such folder")  # better now than later
        left = max(arguments.time_limit - age() - _WRITING - _WRITING_PER_STOP * problem.stops, 0.05)
        with progress_line(left, quiet=arguments.quiet) as on_progress:
            solution = solve(
                problem, seconds=left, seed=arguments.seed, processes=arguments.processes, engine=arguments.engine,
                on_progress=on_progress,
            )  # fmt: skip
    except (OSError, ValueError, EngineFailed) as error:
        return told(error)
    routes = routes_of(problem, solution)
    counted = audit(instance, routes)
    text = solution_text(instance, routes, counted.cost)
    if arguments.output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        arguments.output.write_text(text, encoding="utf-8")
    if arguments.plot is not None:
        from routing.plotting import routes_picture  # noqa: PLC0415 - only who asks for a picture waits for it

        arguments.plot.write_text(routes_picture(instance, routes, cost=counted.cost), encoding="utf-8")
    for violation in counted.violations[:_NAMED]:
        print(f"{violation.code}: {violation.sentence}", file=sys.stderr)
    if len(counted.violations) > _NAMED:
        print(f"and {len(counted.violations) - _NAMED} more", file=sys.stderr)
    return INVALID if counted.violations else VALID
