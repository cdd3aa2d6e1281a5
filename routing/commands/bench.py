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

_LEAST_COMMAND_SECONDS = 2.0
_PEERS = ("pyvrp", "vroom", "ortools")


def _several(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _counts(text: str) -> list[int]:
    return [at_least_1(word) for word in _several(text)]


def _counts_from_0(text: str) -> list[int]:
    counts = [int(word) for word in _several(text)]
    if min(counts, default=0) < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, not {min(counts)}")
    return counts


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
    parser.add_argument("--peer-seeds", type=at_least_1, metavar="N", help="runs of the peers, if not as many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=_counts, default=[1, 2], help="of ours, for example 1,2")
    parser.add_argument("--families", type=_several, default=[])
    parser.add_argument("--instances", type=_several, default=[])
    parser.add_argument("--cores", type=_cores, default=[0, 1], help="the cores to use, for example 0,1")
    parser.add_argument("--name", help="of the files written (default: vrplib or days)")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/routing"), metavar="DIR")
    parser.add_argument("--report-only", action="store_true", help="only write the tables from the rows that are there")
    parser.set_defaults(run=run)
    replan = commands.add_parser("bench-replan", help="measure re-planning of running days")
    _common(replan, days=10)
    replan.add_argument("--changes", type=_counts, default=[1, 2, 3, 4, 5, 6])
    replan.add_argument(
        "--breakdowns", type=_counts_from_0, default=[0, 3], help="changes beside which a postman's vehicle breaks down"
    )
    replan.add_argument("--price", type=int, default=120, help="of a stop that changes postman, in seconds of travel")
    replan.add_argument("--time-limit", type=seconds_above_0, default=1.0)
    replan.set_defaults(run=_run_replan)
    proofs = commands.add_parser("bench-proofs", help="measure how many routes' orders are proven optimal")
    _common(proofs, days=10)
    proofs.add_argument("--time-limit", type=seconds_above_0, default=1.0, help="for each route")
    proofs.set_defaults(run=_run_proofs)
    deadline = commands.add_parser(
        "bench-deadline", help="measure how limits are kept, also when a process dies or hangs"
    )
    _common(deadline, days=None)
    deadline.add_argument("--stops", type=_counts, default=[1, 10, 100, 400, 1000, 5000, 10_000])
    deadline.add_argument("--limits", type=_limits, default=[0.5, 1.0, 2.0, 5.0, 10.0, 60.0])
    deadline.add_argument("--processes", type=_counts, default=[1, 2])
    deadline.add_argument("--accidents", type=_several, default=["none", "killed", "hung"])
    deadline.set_defaults(run=_run_deadline)


def _common(parser: argparse.ArgumentParser, *, days: int | None) -> None:
    if days is not None:
        parser.add_argument("--days", type=at_least_1, default=days, metavar="N")
        parser.add_argument("--first-day", type=int, default=0, metavar="SEED", help="seed of the first day")
    parser.add_argument("--cores", type=_cores, default=[0, 1], help="the cores to use, for example 0,1")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/routing"), metavar="DIR")


def _limits(text: str) -> list[float]:
    return [seconds_above_0(word) for word in _several(text)]


def _run_replan(arguments: argparse.Namespace) -> int:
    days = range(arguments.first_day, arguments.first_day + arguments.days)
    trials = [
        {"day": day, "changes": changes, "seed": 0, "price": arguments.price, "seconds": arguments.time_limit}
        for day in days
        for changes in arguments.changes
    ]
    trials += [
        {
            "day": day, "changes": changes, "seed": 0, "price": arguments.price, "seconds": arguments.time_limit,
            "breakdown": True,
        }
        for day in days
        for changes in arguments.breakdowns
    ]  # fmt: skip
    return _try("replan", trials, arguments, seconds=120)


def _run_proofs(arguments: argparse.Namespace) -> int:
    days = range(arguments.first_day, arguments.first_day + arguments.days)
    trials = [{"day": day, "seed": 0, "seconds": arguments.time_limit} for day in days]
    return _try("proofs", trials, arguments, seconds=60 + 60 * arguments.time_limit)


def _run_deadline(arguments: argparse.Namespace) -> int:
    trials = [
        {"stops": stops, "seconds": limit, "processes": processes, "accident": accident, "how": "solve", "seed": 0}
        for limit in arguments.limits
        for stops in arguments.stops
        for processes in arguments.processes
        for accident in arguments.accidents
    ]
    trials += [
        {"stops": stops, "seconds": limit, "processes": processes, "accident": "none", "how": "command", "seed": 0}
        for limit in arguments.limits
        for stops in arguments.stops
        for processes in arguments.processes
        if limit >= _LEAST_COMMAND_SECONDS
    ]
    return _try("deadline", trials, arguments, seconds=max(arguments.limits) + 180)


def _try(kind: str, trials: list[dict[str, Any]], arguments: argparse.Namespace, *, seconds: float) -> int:
    from routing.bench import campaign, trial_reports  # noqa: PLC0415 - other commands need none of this
    from routing.bench.trials import Trials  # noqa: PLC0415 - see above

    arguments.output.mkdir(parents=True, exist_ok=True)
    file = arguments.output / f"{kind}-runs.csv"
    kept = Trials(kind, file, cores=arguments.cores, say=campaign.say_on_terminal)
    commands = _commands(arguments.output / f"{kind}-commands.txt", add=True)
    kept.carry_out(trials, seconds=seconds)
    table = arguments.output / f"{kind}.md"
    trial_reports.write_trials(kind, kept.rows(), table, commands=commands, machine=campaign.machine())
    return 0


def _commands(file: Path, *, add: bool, folder: Path | None = None) -> list[str]:
    """The commands that filled a table, this one included if it adds to it."""
    known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    # Where the instances lie is the machine's business.
    words = ["DIR" if folder is not None and Path(word) == folder else shlex.quote(word) for word in sys.argv[1:]]
    command = " ".join(["python -m routing", *words])
    if add and command not in known:
        known.append(command)
        file.write_text("\n".join(known) + "\n", encoding="utf-8")
    return known


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
        runs = plan.runs(
            cases, solvers=["ours", *arguments.peers], processes=arguments.processes, seconds=arguments.time_limit,
            seeds=seeds, peer_seeds=seeds[: arguments.peer_seeds],
        )  # fmt: skip
        _commands(arguments.output / f"{name}-commands.txt", add=True, folder=arguments.folder)
        plan.carry_out(runs)
    rows = campaign.read_rows(file)
    if not rows:
        sys.stderr.write(f"there is no run in {file}\n")
        return UNREADABLE
    title = "Public instances" if arguments.days is None else "Days like ours"
    commands = _commands(arguments.output / f"{name}-commands.txt", add=False)
    report.write_report(rows, arguments.output, name=name, title=title, commands=commands, machine=campaign.machine())
    return 0


def _cases(arguments: argparse.Namespace) -> list[Any]:
    from routing.bench import campaign  # noqa: PLC0415 - see run

    if arguments.days is None:
        return campaign.cases_of(arguments.folder, families=arguments.families, instances=arguments.instances)
    return [
        campaign.Case(family="day", name=f"day-{seed}", convention="none", best_known=None, day=seed)
        for seed in range(arguments.first_day, arguments.first_day + arguments.days)
    ]
