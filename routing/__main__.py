"""The optimiser on the command line: `python -m routing solve | check`, in and out VROOM's JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from routing.checking import check
from routing.children import warm_up
from routing.engines import ENGINES
from routing.problem import InvalidProblem
from routing.solving import EngineFailed, solve
from routing.vroom import INPUT, INTERNAL, error_body, read_problem, read_solution, requested_seconds, solution_body

_LOADED = time.monotonic()
_UNREADABLE = 2


def _age() -> float:
    """Seconds since this process began, the interpreter's own start included where the system tells."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError):
        return time.monotonic() - _LOADED


def _read(name: str) -> Any:
    if name == "-":
        return json.load(sys.stdin)
    with Path(name).open(encoding="utf-8") as file:
        return json.load(file)


def _solve(arguments: argparse.Namespace) -> int:
    warm_up()
    try:
        body = _read(arguments.file)
        seconds = arguments.time_limit or requested_seconds(body, most=float("inf"))
        problem = read_problem(body)
        left = max(seconds - _age(), 0.05)
        solution = solve(
            problem, seconds=left, seed=arguments.seed, processes=arguments.processes, engine=arguments.engine
        )
    except (OSError, ValueError) as error:
        print(json.dumps(error_body(error) if isinstance(error, InvalidProblem) else _unreadable(error)))
        return INPUT
    except EngineFailed as error:
        print(error, file=sys.stderr)
        print(json.dumps(error_body(error)))
        return INTERNAL
    print(json.dumps(solution_body(problem, solution), ensure_ascii=False))
    return 0


def _unreadable(error: Exception) -> dict[str, Any]:
    return {"code": INPUT, "error": f"cannot read the input: {error}"}


def _check(arguments: argparse.Namespace) -> int:
    try:
        problem = read_problem(_read(arguments.problem))
        solution = read_solution(_read(arguments.solution), problem)
    except (OSError, ValueError) as error:
        print(json.dumps(error_body(error) if isinstance(error, InvalidProblem) else _unreadable(error)))
        return _UNREADABLE
    violations = check(problem, solution)
    print(json.dumps({"cost": solution.cost, "violations": [asdict(v) for v in violations]}, ensure_ascii=False))
    return 1 if violations else 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("expected seconds above 0")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, VROOM's error code (solve), or 1 invalid and 2 unreadable (check)."""
    parser = argparse.ArgumentParser(prog="python -m routing", description=__doc__)
    commands = parser.add_subparsers(required=True)
    solving = commands.add_parser("solve", help="plan a VROOM problem and print VROOM's answer")
    solving.add_argument("file", nargs="?", default="-", help="the problem, - for standard input")
    solving.add_argument("--time-limit", type=_seconds, help="seconds from the start of the process (default 5)")
    solving.add_argument("--seed", type=int, default=0)
    solving.add_argument("--processes", type=int, default=1)
    solving.add_argument("--engine", choices=sorted(ENGINES), default="ortools")
    solving.set_defaults(run=_solve)
    checking = commands.add_parser("check", help="recompute a solution; exit 0 valid, 1 invalid, 2 unreadable")
    checking.add_argument("problem")
    checking.add_argument("solution")
    checking.set_defaults(run=_check)
    chosen = parser.parse_args(arguments)
    code: int = chosen.run(chosen)
    return code


if __name__ == "__main__":
    sys.exit(main())
