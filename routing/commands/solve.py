"""`solve FILE`: plan a VROOM problem and print VROOM's answer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routing.children import warm_up
from routing.commands import age, at_least_1, seconds_above_0, told
from routing.commands.progress import add_quiet, progress_line
from routing.engines import ENGINES
from routing.solving import AUTO, EngineFailed, solve
from routing.vroom import (
    is_told,
    read_problem,
    requested_seconds,
    solution_body,
    told_plan,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # it is generic for the type checker only

_WRITING_PER_STOP = 0.00004  # seconds that the answer takes to be written


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the command known."""
    parser = commands.add_parser("solve", help="plan a VROOM problem and print VROOM's answer")
    parser.add_argument("file", nargs="?", default="-", help="the problem, - for standard input")
    parser.add_argument("--time-limit", type=seconds_above_0, help="seconds from the start of the process (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=at_least_1, default=1)
    parser.add_argument("--engine", choices=[AUTO, *ENGINES], default=AUTO)
    parser.add_argument(
        "-c", action="store_true", help="search nothing: time the vehicles' own steps, and say what they break"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the routes; all places must be given")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit 0, or VROOM's error code."""
    warm_up()
    try:
        body = _read(arguments.file)
        seconds = arguments.time_limit or requested_seconds(body, most=float("inf"))
        problem = read_problem(body)
        if arguments.plot is not None:
            from routing.plotting import places_of  # noqa: PLC0415 - only who asks for a picture waits for it

            places_of(problem)
        loaded = age()
        if arguments.c or is_told(body):
            solution = told_plan(problem)
        else:
            left = max(seconds - age() - _WRITING_PER_STOP * problem.stops, 0.05)
            with progress_line(left, quiet=arguments.quiet) as on_progress:
                solution = solve(
                    problem, seconds=left, seed=arguments.seed, processes=arguments.processes, engine=arguments.engine,
                    on_progress=on_progress,
                )  # fmt: skip
    except (OSError, ValueError, EngineFailed) as error:
        return told(error)
    answer = solution_body(problem, solution, loading=loaded, solving=age() - loaded)
    print(json.dumps(answer, ensure_ascii=False))
    if arguments.plot is not None:
        from routing.plotting import solution_picture  # noqa: PLC0415 - see above

        arguments.plot.write_text(solution_picture(problem, solution), encoding="utf-8")
    return 0


def _read(name: str) -> Any:
    if name == "-":
        return json.load(sys.stdin)
    with Path(name).open(encoding="utf-8") as file:
        return json.load(file)
