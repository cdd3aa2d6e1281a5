"""`explain PROBLEM SOLUTION`: why a VROOM answer is as it is, or with --from what changed since another one."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routing.checking import CheckFailed
from routing.commands import INVALID, VALID, told
from routing.comparing import diff, difference_body
from routing.explaining import explain, explanation_body
from routing.vroom import read_problem, read_solution

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # it is generic for the type checker only


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the command known."""
    parser = commands.add_parser("explain", help="say why a plan is as it is; exit 0, 1 invalid plan, 2 unreadable")
    parser.add_argument("problem", metavar="PROBLEM", help="VROOM JSON")
    parser.add_argument("solution", metavar="SOLUTION", help="the answer to it")
    parser.add_argument("--from", dest="earlier", metavar="EARLIER", help="an earlier answer, to say what changed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation, and with an earlier answer the difference, as JSON."""
    try:
        problem = read_problem(_read(arguments.problem))
        solution = read_solution(_read(arguments.solution), problem)
        earlier = None if arguments.earlier is None else read_solution(_read(arguments.earlier), problem)
    except (OSError, ValueError) as error:
        return told(error)
    try:
        body = explanation_body(explain(problem, solution))
    except CheckFailed as error:
        print(json.dumps({"violations": [asdict(violation) for violation in error.violations]}, ensure_ascii=False))
        return INVALID
    if earlier is not None:
        body["difference"] = difference_body(diff(earlier, solution))
    print(json.dumps(body, ensure_ascii=False))
    return VALID


def _read(name: str) -> Any:
    with Path(name).open(encoding="utf-8") as file:
        return json.load(file)
