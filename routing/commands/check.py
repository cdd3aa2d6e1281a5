"""`check INSTANCE SOLUTION`: recompute a solution of a VROOM problem or of a VRPLIB, Solomon or Li & Lim instance."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routing.auditing import audit
from routing.checking import check
from routing.commands import INVALID, VALID, told
from routing.instances import CONVENTIONS, Instance, read_instance
from routing.solution import Violation
from routing.solving import assemble
from routing.timetable import Timetable
from routing.vroom import read_problem, read_solution
from routing.vrplib import Routes, problem_of, visits_of_routes
from routing.vrplib import read_solution as read_routes

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # it is generic for the type checker only

# Some files state their cost in the unit of their source: ours divided by one of these.
_SCALES = (10, 1000, 100_000)


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the command known."""
    parser = commands.add_parser("check", help="recompute a solution; exit 0 valid, 1 invalid, 2 unreadable")
    parser.add_argument("problem", metavar="INSTANCE", help="VROOM JSON, VRPLIB, Solomon or Li & Lim text")
    parser.add_argument("solution", metavar="SOLUTION", help="VROOM JSON or a VRPLIB solution")
    parser.add_argument("--round", choices=list(CONVENTIONS), default="round", help="VRPLIB's rounding (default round)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print {cost, violations}."""
    try:
        if _is_json(arguments.problem):
            problem = read_problem(_json(arguments.problem))
            solution = read_solution(_json(arguments.solution), problem)
            cost, violations = solution.cost, check(problem, solution)
        else:
            instance = read_instance(arguments.problem, arguments.round)
            routes, stated = read_routes(arguments.solution)
            cost, violations = verdict(instance, routes, stated)
    except (OSError, ValueError) as error:
        return told(error)
    print(json.dumps({"cost": cost, "violations": [asdict(v) for v in violations]}, ensure_ascii=False))
    return INVALID if violations else VALID


def verdict(instance: Instance, routes: Routes, stated: str | None = None) -> tuple[int, list[Violation]]:
    """What routes cost, and what both the audit and, where the routes have a timetable, our checker say against them.

    Raises `InvalidProblem` for an instance that makes no sense.
    """
    counted = audit(instance, routes)
    found = list(counted.violations)
    problem = problem_of(instance)
    visits = visits_of_routes(problem, routes)
    if visits is not None:
        timetable = Timetable(problem)
        late = [k for k, route in enumerate(visits) if route and timetable.route(k, route) is None]
        if late and not found:
            found.append(Violation(code="timing", sentence="the route has no timetable", vehicle=late[0] + 1))
        if not late:
            solution = assemble(problem, timetable, visits)
            known = {(v.code, v.vehicle, v.task) for v in found}
            found += [v for v in check(problem, solution) if (v.code, v.vehicle, v.task) not in known]
            if not found and solution.cost != counted.cost:
                sentence = f"one count says {counted.cost}, the other {solution.cost}"
                found.append(Violation(code="cost", sentence=sentence))
    if stated is not None and not found and not _agrees(counted.cost, stated):
        found.append(Violation(code="cost", sentence=f"the routes cost {counted.cost}, the file says {stated}"))
    return counted.cost, found


def _agrees(cost: int, stated: str) -> bool:
    """Whether the cost is the stated one: exactly in our unit, or in its source's as far as that is printed and sums."""
    value, decimals = float(stated), len(stated.partition(".")[2])
    others = [math.isclose(value * s, cost, rel_tol=1e-6, abs_tol=0.51 * s * 10**-decimals) for s in _SCALES]
    return value == cost or any(others)


def _is_json(name: str) -> bool:
    with Path(name).open(encoding="utf-8", errors="replace") as file:
        return file.read(4096).lstrip()[:1] in ("{", "[")


def _json(name: str) -> Any:
    with Path(name).open(encoding="utf-8") as file:
        return json.load(file)
