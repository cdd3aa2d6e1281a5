"""How cost, time and memory grow with the work: provinces of 2,000 to 100,000 stops, ours beside PyVRP as a whole.

`python -m routing.bench.scale FOLDER` measures what FOLDER/scale.csv does not hold yet, one run at a time, and writes
FOLDER/scale.md. It may be killed at any time and started again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from routing.bench.measuring import measure
from routing.plane import Plane

if TYPE_CHECKING:
    from routing.problem import Problem

SECONDS: Final = {1_000: 10.0, 2_000: 20.0, 5_000: 40.0, 10_000: 60.0, 100_000: 300.0}
"""Seconds given to a size; more than 10,000 stops are not tried as a whole."""

_LARGEST_WHOLE: Final = 10_000
_SLACK: Final = 0.3
_SHARE_OF_WHOLE: Final = {5_000: 0.95}
_MEGABYTES: Final = {5_000: 200.0, 100_000: 1_000.0}
_LONGEST: Final = 600.0
"""What is promised: seconds that an answer may be late, cost as a share of PyVRP's (otherwise 1), memory, wall time."""

_SIDE_M: Final = 100_000
_SPREAD_M: Final = 900
_STOPS_PER_CLUSTER: Final = 25
_CAPACITY: Final = 60
_SERVICE_SECONDS: Final = 240


def province(stops: int, seed: int) -> tuple[Plane, int]:
    """Places, the office first, and how many vehicles there are: a fifth more than the stops fill.

    Stops lie in clusters of about 25, 900 m wide, scattered over a square of 100 km with the office in the middle; a
    vehicle carries 60 of them.
    """
    random = np.random.default_rng(seed)
    clusters = max(1, stops // _STOPS_PER_CLUSTER)
    middles = random.random((clusters, 2)) * _SIDE_M
    scattered = middles[random.integers(0, clusters, stops)] + random.normal(0, _SPREAD_M, (stops, 2))
    places = np.vstack([[(_SIDE_M / 2, _SIDE_M / 2)], np.round(scattered)])
    return Plane(places, "round"), -(-stops * 6 // (5 * _CAPACITY)) + 2


def problem_of(stops: int, seed: int) -> Problem:
    """The province as a `Problem`; its cost is metres."""
    from routing.problem import Costs, Job, Problem, Vehicle  # noqa: PLC0415 - a peer needs none of this

    found, vehicles = province(stops, seed)
    plane: Any = found  # a `TravelTable`
    return Problem(
        jobs=tuple(Job(id=n, location_index=n, delivery=(1,), service=_SERVICE_SECONDS) for n in range(1, stops + 1)),
        vehicles=tuple(
            Vehicle(id=n, start=0, end=0, capacity=(_CAPACITY,), costs=Costs(per_hour=0, per_km=1000))
            for n in range(vehicles)
        ),
        matrices={"car": plane},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run."""

    solver: str
    stops: int
    seed: int
    seconds: float
    processes: int


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _run(order: Order) -> None:
    """Inside the measurement: say "ready" when all is imported, then what came out."""
    routes = _ours(order) if order.solver == "ours" else _pyvrp(order)
    plane, vehicles = province(order.stops, order.seed)
    visited = [place for route in routes for place in route]
    sound = (
        sorted(visited) == list(range(1, order.stops + 1))
        and len(routes) <= vehicles
        and all(len(route) <= _CAPACITY for route in routes)
    )
    closed = [np.array([0, *route, 0], dtype=np.intp) for route in routes]
    metres = sum(int(plane.along(tour[:-1], tour[1:]).sum()) for tour in closed)
    _say(cost=metres if sound else None, served=len(set(visited)))


def _ours(order: Order) -> list[list[int]]:
    from routing.problem import Job, Matrix, Problem, Vehicle  # noqa: PLC0415 - as above
    from routing.solving import solve  # noqa: PLC0415 - as above

    # A plan for one stop, so that every process is there and has imported what it needs.
    one = Problem(
        jobs=(Job(id=1, location_index=1),), vehicles=(Vehicle(id=1, start=0, end=0),),
        matrices={"car": Matrix(seconds=np.array([[0, 1], [1, 0]], dtype=np.int32))},
    )  # fmt: skip
    solve(one, seconds=1.0, processes=order.processes)
    _say(ready=True)
    problem = problem_of(order.stops, order.seed)
    began = time.monotonic()
    first: list[float] = []
    solution = solve(
        problem,
        seconds=order.seconds,
        seed=order.seed,
        processes=order.processes,
        on_best=lambda best: None if first or best.unassigned else first.append(time.monotonic() - began),
    )
    _say(seconds=time.monotonic() - began, first=first[0] if first else None)
    return [
        [step.location_index for step in route.visits if step.location_index is not None] for route in solution.routes
    ]


def _pyvrp(order: Order) -> list[list[int]]:
    import pyvrp  # noqa: PLC0415 - ours must not pay for it twice

    _say(ready=True)
    began = time.monotonic()
    plane, vehicles = province(order.stops, order.seed)
    everywhere = np.arange(plane.size)
    table: Any = plane.distances(everywhere, everywhere)
    data = pyvrp.ProblemData(
        [pyvrp.Location(x, y) for x, y in plane.places.tolist()],
        [pyvrp.Client(n, [1], [0], _SERVICE_SECONDS) for n in range(1, order.stops + 1)],
        [pyvrp.Depot(0)],
        [pyvrp.VehicleType(vehicles, [_CAPACITY])],
        [table],
        [table],
    )
    left = order.seconds - (time.monotonic() - began)
    stop = pyvrp.stop.MaxRuntime(max(left, 0.0))
    found = pyvrp.solve(data, stop, seed=order.seed, collect_stats=False, display=False)
    _say(seconds=time.monotonic() - began, first=None)
    if not found.best.is_feasible():
        return []
    return [[1 + activity.idx for activity in route if activity.is_client()] for route in found.best.routes()]


# -- the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run in the table: cost in metres (None: no plan of all stops), seconds of wall and CPU, memory in MB."""

    stops: int
    solver: str
    processes: int
    seed: int
    limit: float
    cores: str
    cost: int | None
    per_stop: float | None
    first: float | None
    wall: float
    cpu: float
    peak_mb: float
    note: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two rows the same run."""
        return str(self.stops), self.solver, str(self.processes), str(self.seed), f"{self.limit:g}"


def measured(order: Order, cores: list[int]) -> Row:
    """Run it on these cores, by itself. Memory is what all its processes hold beyond what they hold right after import."""
    command = [sys.executable, "-m", "routing.bench.scale", "--order", json.dumps(asdict(order))]
    found = measure(command, cores=cores, seconds=3 * order.seconds + 120)
    said: dict[str, Any] = {}
    for line in found.said:
        if isinstance(line, dict):
            said |= line
    cost = said.get("cost")
    note = ""
    if cost is None:
        note = f"{said.get('served', 0)} stops served"
        if found.killed or found.exit_code:
            note = "too late" if found.killed else (found.errors.strip().splitlines() or ["failed"])[-1][:120]
    return Row(
        stops=order.stops, solver=order.solver, processes=order.processes, seed=order.seed, limit=order.seconds,
        cores=" ".join(map(str, cores)), cost=cost, per_stop=None if cost is None else round(cost / order.stops, 1),
        first=None if said.get("first") is None else round(said["first"], 2),
        wall=round(said.get("seconds", found.wall), 2), cpu=round(found.cpu, 1),
        peak_mb=round((found.peak - found.base) / 1e6, 1), note=note,
    )  # fmt: skip


def read_rows(file: Path) -> list[dict[str, str]]:
    """What the table holds; a line cut off by a kill is not read."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as source:
        return [row for row in csv.DictReader(source) if row.get("note") is not None]


def _append(file: Path, row: Row) -> None:
    names = [field.name for field in fields(Row)]
    new = not file.exists() or file.stat().st_size == 0
    cut = not new and not file.read_bytes().endswith(b"\n")
    with file.open("a", encoding="utf-8", newline="") as target:
        if cut:
            target.write("\n")
        writer = csv.writer(target, lineterminator="\n")
        if new:
            writer.writerow(names)
        writer.writerow(["" if (value := getattr(row, name)) is None else value for name in names])


def table_of(rows: list[dict[str, str]]) -> str:
    """The rows as Markdown, each of ours with its cost relative to PyVRP's on the same province."""
    whole = {(row["stops"], row["seed"]): int(row["cost"]) for row in rows if row["solver"] == "pyvrp" and row["cost"]}
    lines = [
        (
            "| stops | solver | processes | seed | limit s | cost km | m a stop | of PyVRP's | all served after s | wall s "
            "| CPU s | CPU ms a stop | peak MB | kB a stop | |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda r: (int(r["stops"]), r["seed"], r["solver"], r["processes"])):
        cost = int(row["cost"]) if row["cost"] else None
        against = whole.get((row["stops"], row["seed"])) if row["solver"] == "ours" else None
        ratio = f"{cost / against:.3f}" if cost and against else ""
        stops = int(row["stops"])
        each = f"{1000 * float(row['cpu']) / stops:.1f}", f"{1000 * float(row['peak_mb']) / stops:.1f}"
        shown = "none" if cost is None else f"{cost / 1000:,.0f}"
        lines.append(
            f"| {stops:,} | {row['solver']} | {row['processes']} | {row['seed']} | {float(row['limit']):g} | {shown} "
            f"| {row['per_stop']} | {ratio} | {row['first']} | {row['wall']} | {row['cpu']} "
            f"| {each[0]} | {row['peak_mb']} | {each[1]} | {row['note']} |"
        )
    return "\n".join(lines)


def promises_of(rows: list[dict[str, str]]) -> list[tuple[str, str, str, bool]]:
    """Each promise that the rows can judge: about which runs, what was promised, what was found, whether it was kept."""
    whole = {(row["stops"], row["seed"]): int(row["cost"]) for row in rows if row["solver"] == "pyvrp" and row["cost"]}
    judged = []
    for row in sorted(rows, key=lambda r: (int(r["stops"]), r["seed"], r["processes"])):
        if row["solver"] != "ours":
            continue
        stops, late = int(row["stops"]), float(row["wall"]) - float(row["limit"])
        run = f"{stops:,} stops, {row['processes']} processes, seed {row['seed']}"
        judged.append((run, "everybody is served", row["note"] or "yes", bool(row["cost"])))
        judged.append((run, f"at most {_SLACK} s late", f"{late:+.2f} s", late <= _SLACK))
        if (against := whole.get((row["stops"], row["seed"]))) is not None:
            share, found = _SHARE_OF_WHOLE.get(stops, 1.0), int(row["cost"] or 0) / against
            judged.append((run, f"cost <= {share:g} of PyVRP's", f"{found:.3f}", 0 < found <= share))
        if (most := _MEGABYTES.get(stops)) is not None:
            judged.append((run, f"at most {most:,.0f} MB", row["peak_mb"], float(row["peak_mb"]) <= most))
        if stops >= max(_MEGABYTES):
            judged.append((run, f"in {_LONGEST:g} s", row["wall"], float(row["wall"]) <= _LONGEST))
    return judged


def _report(folder: Path, rows: list[dict[str, str]]) -> None:
    text = (
        "# Scale\n\nProvinces of clusters (about 25 stops each, 900 m wide, in a square of 100 km, one office, 60 stops a vehicle); "
        "ours is `routing.solve`, PyVRP searches the whole with its own settings and ends when its iteration does. Seconds count "
        "from the call, and PyVRP's include its table of all ways. Memory is the largest sum over all processes "
        "(proportional set size) minus the same processes right after import.\n\n"
        f"`python -m routing.bench.scale {folder.name}`, PyVRP {version('pyvrp')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores.\n\n"
    )
    verdicts = ["| runs | promised | found | |", "|---|---|---|---|"]
    verdicts += [f"| {a} | {b} | {c} | {'kept' if kept else 'missed'} |" for a, b, c, kept in promises_of(rows)]
    text += table_of(rows) + "\n\nPromised and found:\n\n" + "\n".join(verdicts) + "\n"
    (folder / "scale.md").write_text(text, encoding="utf-8")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m routing.bench.scale", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--sizes", default="2000,5000,10000,100000", help="numbers of stops")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processes", default="1,2", help="how many processes ours may use")
    parser.add_argument("--solvers", default="ours,pyvrp")
    parser.add_argument("--seconds", type=float, help="instead of each size's own limit")
    parser.add_argument("--order", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.order is not None:
        _run(Order(**json.loads(chosen.order)))
        return 0
    if chosen.folder is None:
        parser.error("expected a folder")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    file = chosen.folder / "scale.csv"
    rows = read_rows(file)
    done = {(r["stops"], r["solver"], r["processes"], r["seed"], f"{float(r['limit']):g}") for r in rows}
    cores = sorted(os.sched_getaffinity(0))
    for order in _orders(chosen):
        key = (str(order.stops), order.solver, str(order.processes), str(order.seed), f"{order.seconds:g}")
        if key in done:
            continue
        row = measured(order, cores[-order.processes :])
        _append(file, row)
        rows = read_rows(file)
        _report(chosen.folder, rows)
        print(  # noqa: T201 - progress of a command
            f"{order.solver} {order.stops}: {row.per_stop} m a stop, {row.wall} s, {row.peak_mb} MB {row.note}",
            flush=True,
        )
    if rows:
        _report(chosen.folder, rows)
    return 0


def _orders(chosen: argparse.Namespace) -> list[Order]:
    orders = []
    for stops in map(int, chosen.sizes.split(",")):
        seconds = chosen.seconds or SECONDS.get(stops, max(10.0, stops * SECONDS[100_000] / 100_000))
        for seed in range(chosen.seeds):
            for solver in chosen.solvers.split(","):
                if solver == "pyvrp" and stops > _LARGEST_WHOLE:
                    continue
                counts = map(int, chosen.processes.split(",")) if solver == "ours" else [1]
                orders += [Order(solver=solver, stops=stops, seed=seed, seconds=seconds, processes=p) for p in counts]
    return orders


if __name__ == "__main__":
    sys.exit(main())
