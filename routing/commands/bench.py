"""`bench ...`: measure the optimiser beside its peers and write tables and pictures."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routing.commands import UNREADABLE, at_least_1, seconds_above_0

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # it is generic for the type checker only

_PEERS = ("pyvrp", "vroom", "ortools")


def _several(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _counts(text: str) -> list[int]:
    return [at_least_1(word) for word in _several(text)]


def _cores(text: str) -> list[int]:
    return [int(word) for word in _several(text)]


def _peers(text: str) -> list[str]:
    if strange := [name for name in _several(text) if name not in _PEERS]:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(_PEERS)}, not {strange[0]}")
    return _several(text)


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the command known."""
    parser = commands.add_parser("bench", help="measure the optimiser beside PyVRP, VROOM and OR-Tools")
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="instances, as its bks.csv lists them")
    parser.add_argument("--days", type=at_least_1, metavar="N", help="instead of DIR: N generated days like ours")
    parser.add_argument("--first-day", type=int, default=0, metavar="SEED", help="seed of the first day")
    parser.add_argument("--peers", type=_peers, default=list(_PEERS), help="of pyvrp,vroom,ortools")
    parser.add_argument("--time-limit", type=seconds_above_0, default=10.0)
    parser.add_argument(
        "--seeds", type=at_least_1, default=1, metavar="N", help="runs of every solver that takes a seed"
    )
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=_counts, default=[1, 2], help="of ours, for example 1,2")
    parser.add_argument("--families", type=_several, default=[])
    parser.add_argument("--instances", type=_several, default=[])
    parser.add_argument("--cores", type=_cores, default=[0, 1], help="the cores to use, for example 0,1")
    parser.add_argument("--name", help="of the files written (default: vrplib or days)")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/routing"), metavar="DIR")
    parser.add_argument("--report-only", action="store_true", help="only write the tables from the rows that are there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out what is not in the table yet, then write the report."""
    from routing.bench import campaign, report  # noqa: PLC0415 - other commands need none of this

    if (arguments.folder is None) == (arguments.days is None):
        sys.stderr.write("expected either DIR or --days N\n")
        return UNREADABLE
    name = arguments.name or ("vrplib" if arguments.days is None else "days")
    arguments.output.mkdir(parents=True, exist_ok=True)
    file = arguments.output / f"{name}-runs.csv"
    if not arguments.report_only:
        try:
            cases = _cases(arguments)
        except (OSError, KeyError, ValueError) as error:
            sys.stderr.write(f"cannot read {arguments.folder}: {error}\n")
            return UNREADABLE
        plan = campaign.Campaign(file, cores=arguments.cores, say=campaign.say_on_terminal)
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        solvers = ["ours", *arguments.peers]
        runs = plan.runs(
            cases, solvers=solvers, processes=arguments.processes, seconds=arguments.time_limit, seeds=seeds
        )
        plan.carry_out(runs)
    rows = campaign.read_rows(file)
    if not rows:
        sys.stderr.write(f"there is no run in {file}\n")
        return UNREADABLE
    command = "python -m routing " + " ".join(shlex.quote(word) for word in sys.argv[1:])
    title = "Public instances" if arguments.days is None else "Days like ours"
    report.write_report(rows, arguments.output, name=name, title=title, command=command, machine=campaign.machine())
    return 0


def _cases(arguments: argparse.Namespace) -> list[Any]:
    from routing.bench import campaign  # noqa: PLC0415 - see run

    if arguments.days is None:
        return campaign.cases_of(arguments.folder, families=arguments.families, instances=arguments.instances)
    return [
        campaign.Case(family="day", name=f"day-{seed}", convention="none", best_known=None, day=seed)
        for seed in range(arguments.first_day, arguments.first_day + arguments.days)
    ]
