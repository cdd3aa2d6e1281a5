"""A campaign: every solver on every instance with every seed, one row of a table each, never the same run twice.

Rows are appended as runs end, so a campaign can be killed at any time and started again. Runs on one core go side by
side, each pinned to its own; runs on several have the machine for themselves.
"""

from __future__ import annotations

import csv
import os
import platform
import selectors
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from routing.auditing import audit
from routing.bench import peers
from routing.bench.measuring import Keeper, Measured
from routing.bench.runner import OURS, Order
from routing.commands.check import verdict
from routing.instances import Instance
from routing.vrplib import Routes

_SEEDED: Final = (OURS, "pyvrp")
"""The others take no seed: they are run once."""
_READING_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An instance of a campaign with its best known cost, None where nobody knows one."""

    family: str
    name: str
    convention: str
    best_known: int | None
    file: str | None = None
    day: int | None = None

    def order(self, solver: str, seconds: float, seed: int, processes: int) -> Order:
        """The run of one solver."""
        return Order(
            solver=solver, seconds=seconds, seed=seed, processes=processes, file=self.file, convention=self.convention,
            day=self.day,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run in the table. `gap` in per cent of the best known, seconds, MB; `curve` is "seconds:cost ...".

    `valid` is "yes" when our checker and the audit both found nothing, else the first violation or what happened.
    """

    family: str
    instance: str
    stops: int
    solver: str
    version: str
    processes: int
    cores: str
    seed: int
    limit: float
    cost: int | None
    best_known: int | None
    gap: float | None
    valid: str
    wall: float
    cpu: float
    peak_mb: float
    base_mb: float
    curve: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two rows the same run."""
        return self.family, self.instance, self.solver, str(self.processes), str(self.seed), f"{self.limit:g}"


def cases_of(folder: Path, *, families: Sequence[str] = (), instances: Sequence[str] = ()) -> list[Case]:
    """The cases that a folder's bks.csv lists. Raises OSError or KeyError when it is not such a folder."""
    with (folder / "bks.csv").open(encoding="utf-8", newline="") as file:
        found = [
            Case(
                family=row["family"], name=row["instance"], convention=row["convention"], best_known=int(row["bks"]),
                file=str(folder / row["family"] / f"{row['instance']}.vrp"),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
    return [
        case
        for case in found
        if (not families or case.family in families) and (not instances or case.name in instances)
    ]


def read_rows(file: Path) -> list[Row]:
    """The rows of a table, none when there is no file. A line cut off by a kill is not read."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as source:
        found = [row for row in csv.DictReader(source) if row.get("curve") is not None]

    def number(text: str, kind: Callable[[str], Any]) -> Any:
        return kind(text) if text else None

    return [
        Row(
            family=r["family"], instance=r["instance"], stops=int(r["stops"]), solver=r["solver"], version=r["version"],
            processes=int(r["processes"]), cores=r["cores"], seed=int(r["seed"]), limit=float(r["limit"]),
            cost=number(r["cost"], int), best_known=number(r["best_known"], int), gap=number(r["gap"], float),
            valid=r["valid"], wall=float(r["wall"]), cpu=float(r["cpu"]), peak_mb=float(r["peak_mb"]),
            base_mb=float(r["base_mb"]), curve=r["curve"],
        )
        for r in found
    ]  # fmt: skip


def append_row(file: Path, row: Row) -> None:
    """Put one row at the table's end, on the disk before this returns."""
    names = [field.name for field in fields(Row)]
    new = not file.exists() or file.stat().st_size == 0
    cut = not new and not file.read_bytes().endswith(b"\n")
    with file.open("a", encoding="utf-8", newline="") as target:
        if cut:  # a kill in the middle of a line
            target.write("\n")
        writer = csv.writer(target, lineterminator="\n")
        if new:
            writer.writerow(names)
        writer.writerow(["" if (value := getattr(row, name)) is None else value for name in names])
        target.flush()
        os.fsync(target.fileno())


@dataclass(frozen=True, slots=True)
class _Run:
    case: Case
    order: Order

    @property
    def key(self) -> tuple[str, ...]:
        o = self.order
        return self.case.family, self.case.name, o.solver, str(o.processes), str(o.seed), f"{o.seconds:g}"


class Campaign:
    """Runs to be done, on `cores`; rows go to `file`."""

    def __init__(self, file: Path, *, cores: Sequence[int], say: Callable[[str], None]) -> None:
        self.file = file
        self.cores = tuple(cores)
        self.say = say
        self._instances: dict[tuple[str, str], Instance] = {}

    def runs(
        self, cases: Iterable[Case], *, solvers: Sequence[str], processes: Sequence[int], seconds: float,
        seeds: Sequence[int], peer_seeds: Sequence[int] | None = None,
    ) -> Iterator[_Run]:  # fmt: skip
        """All runs wished for: ours with each number of processes, peers with one, and with `peer_seeds` if given."""
        for case in cases:
            for solver in solvers:
                if solver != OURS and peers.cannot_express(solver, self._instance(case)):
                    continue
                wanted = seeds if solver == OURS or peer_seeds is None else peer_seeds
                for count in processes if solver == OURS else [1]:
                    for seed in wanted if solver in _SEEDED else [0]:
                        yield _Run(case, case.order(solver, seconds, seed, count))

    def _instance(self, case: Case) -> Instance:
        key = (case.family, case.name)
        if key not in self._instances:
            if len(self._instances) > 20:
                self._instances.clear()
            self._instances[key] = case.order(OURS, 1, 0, 1).instance()
        return self._instances[key]

    def carry_out(self, runs: Iterable[_Run]) -> int:
        """Do what is not in the table yet; how many runs that were."""
        done = {row.key for row in read_rows(self.file)}
        todo = [run for run in runs if run.key not in done]
        alone = [run for run in todo if run.order.processes > 1]
        # One seed of everything first: a campaign that is cut short still has a table.
        side_by_side = sorted((run for run in todo if run.order.processes == 1), key=lambda run: run.order.seed)
        seconds = sum(r.order.seconds + 2 for r in side_by_side) / len(self.cores)
        seconds += sum(r.order.seconds + 2 for r in alone)
        self.say(f"{len(todo)} runs to do, {len(done)} rows are there; about {seconds / 60:.0f} minutes")
        for seed in sorted({run.order.seed for run in todo}):
            self._side_by_side([run for run in side_by_side if run.order.seed == seed])
            for run in (run for run in alone if run.order.seed == seed):
                cores = self.cores[: run.order.processes]
                keeper = self._start(run, cores)
                try:
                    while (found := keeper.result()) is None:
                        pass
                except BaseException:
                    keeper.kill()
                    raise
                self._note(run, found, cores)
        return len(todo)

    def _start(self, run: _Run, cores: Sequence[int]) -> Keeper:
        most = 4 * run.order.seconds + 2 * _READING_SECONDS
        return Keeper(run.order.command(), cores=cores, seconds=most, environment={"OPENBLAS_NUM_THREADS": "1"})

    def _side_by_side(self, runs: Sequence[_Run]) -> None:
        waiting = list(reversed(runs))
        lanes: dict[int, tuple[Keeper, _Run]] = {}
        try:
            with selectors.DefaultSelector() as selector:
                while waiting or lanes:
                    for core in self.cores:
                        if core not in lanes and waiting:
                            run = waiting.pop()
                            keeper = self._start(run, [core])
                            lanes[core] = keeper, run
                            selector.register(keeper.descriptor, selectors.EVENT_READ, core)
                    for key, _ in selector.select():
                        keeper, run = lanes[key.data]
                        # Other keepers hold copies of this pipe: once it is closed here, it could not be forgotten.
                        selector.unregister(keeper.descriptor)
                        if (found := keeper.result()) is None:
                            selector.register(keeper.descriptor, selectors.EVENT_READ, key.data)
                            continue
                        del lanes[key.data]
                        self._note(run, found, [key.data])
        except BaseException:
            for keeper, _ in lanes.values():
                keeper.kill()
            raise

    def _note(self, run: _Run, found: Measured, cores: Sequence[int]) -> None:
        os.sched_setaffinity(0, cores)  # what this costs, it takes from nobody's run
        instance = self._instance(run.case)
        row = row_of(run.case, run.order, found, instance, cores)
        append_row(self.file, row)
        gap = "" if row.gap is None else f"{row.gap:6.2f} %"
        self.say(
            f"{row.family:14} {row.instance:16} {row.solver:8} x{row.processes} seed {row.seed} "
            f"{row.cost if row.cost is not None else '-':>12} {gap} wall {row.wall:.2f} CPU {row.cpu:.1f} {row.valid}"
        )


def row_of(case: Case, order: Order, found: Measured, instance: Instance, cores: Sequence[int]) -> Row:
    """The row of a run, its routes judged by our checker and by the audit."""
    end = found.said[-1] if found.said and isinstance(found.said[-1], dict) else None
    curve = [
        (seconds, cost) for kind, seconds, cost in (s for s in found.said if isinstance(s, list)) if kind == "best"
    ]
    cost, wall = None, found.wall
    if end is None:
        last = found.errors.strip().splitlines()[-1:] or ["nothing said"]
        valid = "killed after its time" if found.killed else f"exit {found.exit_code}: {last[0][:200]}"
    elif end["routes"] is None:
        valid, wall = "no solution", end["wall"]
    else:
        valid, cost, wall = *_judged(instance, tuple(tuple(route) for route in end["routes"])), end["wall"]
    if cost is not None and (not curve or curve[-1][1] != cost):
        curve.append((round(wall, 3), cost))
    known = case.best_known
    return Row(
        family=case.family, instance=case.name, stops=len(instance.clients), solver=order.solver,
        version=peers.version_of(order.solver) if order.solver != OURS else peers.versions_of_ours(),
        processes=order.processes, cores="+".join(map(str, cores)), seed=order.seed, limit=order.seconds, cost=cost,
        best_known=known, gap=None if cost is None or known is None else round(100 * (cost / known - 1), 4), valid=valid,
        wall=round(wall, 3), cpu=round(found.cpu, 2), peak_mb=round(found.peak / 2**20, 1),
        base_mb=round(found.base / 2**20, 1), curve=" ".join(f"{seconds:g}:{value}" for seconds, value in curve),
    )  # fmt: skip


def _judged(instance: Instance, routes: Routes) -> tuple[str, int | None]:
    counted = audit(instance, routes)
    if counted.violations:
        return f"{counted.violations[0].code}: {counted.violations[0].sentence}", None
    cost, violations = verdict(instance, routes)
    if violations:
        return f"{violations[0].code}: {violations[0].sentence}", None
    return "yes", cost


def machine() -> str:
    """The processor and Python, for the tables."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    model = names[0] if names else platform.machine()
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def say_on_terminal(text: str) -> None:
    """One line with the time of day."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()
