"""What the trials found, in tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Final, TypeAlias

Rows: TypeAlias = Sequence[Mapping[str, str]]

_LATE_SECONDS: Final = 0.3


def write_trials(kind: str, rows: Rows, file: Path, *, commands: Sequence[str], machine: str) -> None:
    """Write the table of one kind of trial as Markdown."""
    title, table = _TABLES[kind]
    head = [f"# {title}", "", *(f"    {command}" for command in commands), "", f"{machine}.", ""]
    file.write_text("\n".join([*head, *table(rows)]) + "\n", encoding="utf-8")


def _numbers(rows: Rows, name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def _replan(rows: Rows) -> list[str]:
    lines = [
        "150 stops, some of them behind us, 1-6 changes (new stops, cancelled ones, other hours). Cost of the plan made from the",
        "running one / cost of one made from nothing in the same time; share of the stops still to come that change postman.",
        "",
        "| changes | days | cost: mean, largest | dearer than cold | moved: mean, largest | moved by cold | longest, s | left out |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for changes in [*sorted({int(row["changes"]) for row in rows}), None]:
        own = [row for row in rows if changes is None or int(row["changes"]) == changes]
        ratios = [a / b for a, b in zip(_numbers(own, "warm_cost"), _numbers(own, "cold_cost"), strict=True)]
        coming = _numbers(own, "still_to_come")
        moved = [a / b for a, b in zip(_numbers(own, "moved"), coming, strict=True)]
        cold = [a / b for a, b in zip(_numbers(own, "moved_cold"), coming, strict=True)]
        left_out = sum(_numbers(own, "warm_left_out")) - sum(_numbers(own, "cold_left_out"))
        lines.append(
            f"| {'all' if changes is None else changes} | {len(own)} | {mean(ratios):.4f}, {max(ratios):.4f} | "
            f"{sum(ratio > 1 for ratio in ratios)} | {mean(moved):.2%}, {max(moved):.2%} | {mean(cold):.2%} | "
            f"{max(_numbers(own, 'wall')):.2f} | {left_out:+.0f} |"
        )
    return lines


def _proofs(rows: Rows) -> list[str]:
    lines = [
        "Routes of at most 40 stops of planned days, each with its own seconds for the proof.",
        "",
        "| windows | routes | proven | gap of the others, %: mean, largest | gained, s of travel | longest, s |",
        "|---|---|---|---|---|---|",
    ]
    for windows in ("False", "True"):
        own = [row for row in rows if row["windows"] == windows]
        if not own:
            continue
        proven = [row for row in own if row["proven"] == "True"]
        gaps = _numbers([row for row in own if row["proven"] != "True"], "gap")
        others = f"{mean(gaps):.2f}, {max(gaps):.2f}" if gaps else "-"
        lines.append(
            f"| {'three stops in ten' if windows == 'True' else 'none'} | {len(own)} | {len(proven) / len(own):.1%} | {others} | "
            f"{sum(_numbers(own, 'gained')):.0f} | {max(_numbers(own, 'wall')):.2f} |"
        )
    return lines


def _deadline(rows: Rows) -> list[str]:
    over = _numbers(rows, "over")
    late = sum(seconds > _LATE_SECONDS for seconds in over)
    lines = [
        f"{len(rows)} runs, {late} more than {_LATE_SECONDS} s over their limit; the latest was {max(over):.3f} s over.",
        "",
        "| how | accident | stops | limits, s | runs | longest over, s |",
        "|---|---|---|---|---|---|",
    ]
    for how, accident, stops in sorted({(row["how"], row["accident"], int(row["stops"])) for row in rows}):
        own = [r for r in rows if (r["how"], r["accident"], int(r["stops"])) == (how, accident, stops)]
        limits = ", ".join(f"{limit:g}" for limit in sorted(set(_numbers(own, "limit"))))
        lines.append(f"| {how} | {accident} | {stops} | {limits} | {len(own)} | {max(_numbers(own, 'over')):.3f} |")
    return lines


_TABLES: Final[Mapping[str, tuple[str, Callable[[Rows], list[str]]]]] = {
    "replan": ("Re-planning a running day", _replan),
    "proofs": ("Proofs of the order of a route", _proofs),
    "deadline": ("Deadlines", _deadline),
}
