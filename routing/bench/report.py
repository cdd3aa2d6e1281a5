"""Tables and pictures of a campaign: mean gaps per family, what was promised beside what was found, gap over time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Final, TypeAlias

from routing.bench.campaign import Row
from routing.bench.runner import OURS
from routing.plotting import curves_picture

Solver: TypeAlias = tuple[str, int]
"""Name and number of processes."""

_LEAST_GAP: Final = 0.01
_ROOM: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """One solver on one family: the mean over instances of the means over seeds; None where a run has no valid answer."""

    runs: int
    failed: int
    gap: float | None
    cost: float | None
    wall: float
    longest: float
    cpu: float
    memory_mb: float


def means(rows: Sequence[Row]) -> dict[str, dict[Solver, Mean]]:
    """Per family, in the order of first appearance, per solver."""
    found: dict[str, dict[Solver, Mean]] = {}
    for family in sorted({row.family for row in rows}, key=lambda f: (_size(f, rows), f)):
        of_family = [row for row in rows if row.family == family]
        for solver in sorted({(row.solver, row.processes) for row in of_family}, key=lambda s: (s[0] != OURS, s)):
            own = [row for row in of_family if (row.solver, row.processes) == solver]
            failed = sum(row.valid != "yes" for row in own)
            found.setdefault(family, {})[solver] = Mean(
                runs=len(own), failed=failed,
                gap=None if failed else _mean_of_means(own, lambda row: row.gap),
                cost=None if failed else _mean_of_means(own, lambda row: row.cost),
                wall=mean(row.wall for row in own), longest=max(row.wall for row in own), cpu=mean(row.cpu for row in own),
                memory_mb=max(row.peak_mb - row.base_mb for row in own),
            )  # fmt: skip
    return found


def _size(family: str, rows: Sequence[Row]) -> float:
    return mean(row.stops for row in rows if row.family == family)


def _mean_of_means(rows: Sequence[Row], value: Callable[[Row], float | None]) -> float | None:
    by_instance: dict[str, list[float]] = {}
    for row in rows:
        if (found := value(row)) is None:
            return None
        by_instance.setdefault(row.instance, []).append(found)
    return mean(mean(values) for values in by_instance.values())


def name_of(solver: Solver) -> str:
    """A solver as the tables call it."""
    return f"ours, {solver[1]} process{'es' if solver[1] > 1 else ''}" if solver[0] == OURS else solver[0]


def allowed_gap(processes: int, stops: float, of_pyvrp: float) -> float:
    """The mean gap that was promised beside PyVRP's in the same campaign."""
    if processes == 1:
        return (1.05 if stops < 450 else 0.7) * of_pyvrp + _ROOM
    return (0.6 if stops <= 220 else 0.85 if stops < 450 else 0.5) * of_pyvrp + _ROOM


def write_report(
    rows: Sequence[Row], folder: Path, *, name: str, title: str, commands: Sequence[str], machine: str
) -> None:
    """Write NAME.md, NAME-means.csv and one NAME-FAMILY.svg per family into the folder."""
    if len({row.limit for row in rows}) > 1:
        rows = [replace(row, family=f"{row.family} {row.limit:g}s") for row in rows]
    table = means(rows)
    solvers = sorted({solver for line in table.values() for solver in line}, key=lambda s: (s[0] != OURS, s))
    text = [f"# {title}", "", *(f"    {command}" for command in commands), ""]
    text += [f"{machine}. Limits: {', '.join(sorted({f'{row.limit:g} s' for row in rows}))}. ", ""]
    versions = sorted({f"{row.solver}: {row.version}" for row in rows if row.solver != OURS})
    text[-2] += (
        f"Versions: {'; '.join(versions)}. Ours searches with {next((r.version for r in rows if r.solver == OURS), '')}."
    )
    text += [
        "One-process runs are pinned to one core each and go side by side; the others have the machine to themselves. Every",
        "answer was recomputed by our checker and by a second, separate count. Clock and CPU seconds start when the instance",
        "and all libraries are loaded.",
        "",
    ]
    known = all(row.best_known is not None for row in rows)
    text += _gaps_table(table, rows, solvers) if known else _ratios_table(rows, solvers)
    text += [
        "",
        "Seconds of wall clock (mean / longest), CPU seconds, and memory (MB, peak less what was there when everything was loaded):",
        "",
        "| family | solver | runs | wall | CPU | MB |",
        "|---|---|---|---|---|---|",
    ]
    for family, line in table.items():
        for solver, m in line.items():
            wall = f"{m.wall:.2f} / {m.longest:.2f}"
            text.append(f"| {family} | {name_of(solver)} | {m.runs} | {wall} | {m.cpu:.1f} | {m.memory_mb:.0f} |")
    text += ["", "Gap over time:", ""]
    for family in table:
        picture = gap_over_time([row for row in rows if row.family == family], family)
        if picture:
            file = folder / f"{name}-{family}.svg"
            file.write_text(picture, encoding="utf-8")
            text.append(f"![{family}]({file.name})")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    _write_means(table, rows, folder / f"{name}-means.csv")


def _gaps_table(table: dict[str, dict[Solver, Mean]], rows: Sequence[Row], solvers: Sequence[Solver]) -> list[str]:
    text = [
        "Mean gap to the best known cost in %, over instances and seeds (runs); `-` = cannot express the family, `!` = so",
        "many runs only gave a valid answer:",
        "",
        "| family | stops | " + " | ".join(name_of(s) for s in solvers) + " |",
        "|---|---|" + "---|" * len(solvers),
    ]
    for family, line in table.items():
        cells = [_gap_cell(line.get(solver)) for solver in solvers]
        text.append(f"| {family} | {_size(family, rows):.0f} | " + " | ".join(cells) + " |")
    heading = [
        "",
        "Promised and found:",
        "",
        "| family | processes | PyVRP | promised | found | |",
        "|---|---|---|---|---|---|",
    ]
    return [*text, *heading, *_promises(table, rows)]


def _ratios_table(rows: Sequence[Row], solvers: Sequence[Solver]) -> list[str]:
    """What the peers' plans cost, in costs of ours on the same instance (means over seeds)."""
    costs: dict[tuple[str, Solver], float] = {}
    for key in {(row.instance, (row.solver, row.processes)) for row in rows}:
        own = [row for row in rows if (row.instance, (row.solver, row.processes)) == key]
        if all(row.valid == "yes" for row in own):
            costs[key] = mean(row.cost for row in own if row.cost is not None)
    text = [
        "Cost of the other's plan / cost of ours, over instances: mean, smallest and largest; how often the other gave a valid plan:",
        "",
        "| ours | other | instances | mean | smallest | largest | valid |",
        "|---|---|---|---|---|---|---|",
    ]
    names = sorted({row.instance for row in rows})
    for ours in (solver for solver in solvers if solver[0] == OURS):
        for other in (solver for solver in solvers if solver != ours):
            both = [costs[n, other] / costs[n, ours] for n in names if (n, other) in costs and (n, ours) in costs]
            tried = len({row.instance for row in rows if (row.solver, row.processes) == other})
            valid = sum((n, other) in costs for n in names)
            figures = f"{mean(both):.4f} | {min(both):.4f} | {max(both):.4f}" if both else "- | - | -"
            text.append(f"| {name_of(ours)} | {name_of(other)} | {len(both)} | {figures} | {valid} of {tried} |")
    return text


def _gap_cell(m: Mean | None) -> str:
    if m is None:
        return "-"
    if m.gap is None:
        return f"! {m.runs - m.failed} of {m.runs}"
    return f"{m.gap:.2f} ({m.runs})"


def _promises(table: dict[str, dict[Solver, Mean]], rows: Sequence[Row]) -> list[str]:
    lines = []
    for family, line in table.items():
        other = line.get(("pyvrp", 1))
        if other is None or other.gap is None:
            continue
        for (name, processes), m in line.items():
            if name != OURS:
                continue
            allowed = allowed_gap(processes, _size(family, rows), other.gap)
            found = "!" if m.gap is None else f"{m.gap:.2f}"
            kept = m.gap is not None and m.gap <= allowed
            lines.append(
                f"| {family} | {processes} | {other.gap:.2f} | {allowed:.2f} | {found} | {'kept' if kept else 'missed'} |"
            )
    return lines


def _write_means(table: dict[str, dict[Solver, Mean]], rows: Sequence[Row], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(
            ["family", "stops", "solver", "processes", "runs", "failed", "gap", "cost", "wall", "cpu", "memory_mb"]
        )
        for family, line in table.items():
            for (solver, processes), m in line.items():
                gap = "" if m.gap is None else f"{m.gap:.4f}"
                cost = "" if m.cost is None else f"{m.cost:.1f}"
                writer.writerow(
                    [family, f"{_size(family, rows):.0f}", solver, processes, m.runs, m.failed, gap, cost, f"{m.wall:.3f}",
                     f"{m.cpu:.2f}", f"{m.memory_mb:.1f}"]
                )  # fmt: skip


def gap_over_time(rows: Sequence[Row], family: str) -> str:
    """A picture of each solver's mean gap over time, from when all its runs have an answer; empty without any."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for solver in sorted({(row.solver, row.processes) for row in rows}, key=lambda s: (s[0] != OURS, s)):
        own = [row for row in rows if (row.solver, row.processes) == solver and row.best_known]
        steps = [_gaps(row) for row in own]
        if not steps or not all(steps):
            continue
        begin = max(0.05, *(curve[0][0] for curve in steps)) if len(steps) > 1 else max(0.05, steps[0][0][0])
        times = sorted({begin} | {seconds for curve in steps for seconds, _ in curve if seconds > begin})
        curves[name_of(solver)] = [(t, max(_LEAST_GAP, mean(_at(curve, t) for curve in steps))) for t in times]
    if not curves:
        return ""
    return curves_picture(curves, title=f"{family}: mean gap over time", across="seconds", up="mean gap, %")


def _gaps(row: Row) -> list[tuple[float, float]]:
    pairs = [step.split(":") for step in row.curve.split()]
    assert row.best_known is not None  # noqa: S101 - the caller chose rows with one
    return [(float(seconds), 100 * (int(cost) / row.best_known - 1)) for seconds, cost in pairs]


def _at(curve: Sequence[tuple[float, float]], seconds: float) -> float:
    return [gap for when, gap in curve if when <= seconds][-1]
