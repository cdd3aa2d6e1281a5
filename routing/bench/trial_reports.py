"""What the trials found, in tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Final, TypeAlias

Rows: TypeAlias = Sequence[Mapping[str, str]]

_LATE_SECONDS: Final = 0.3
_MOST_MOVED: Final = 0.03
_ALL: Final = 10**9  # the line behind all numbers of changes


def write_trials(kind: str, rows: Rows, file: Path, *, commands: Sequence[str], machine: str) -> None:
    """Write the table of one kind of trial as Markdown."""
    title, table = _TABLES[kind]
    head = [f"# {title}", "", *(f"    {command}" for command in commands), "", f"{machine}.", ""]
    file.write_text("\n".join([*head, *table(rows)]) + "\n", encoding="utf-8")


def _numbers(rows: Rows, name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def _replan(rows: Rows) -> list[str]:
    lines = [
        "150 stops, some of them behind us, 1-6 changes (new stops, cancelled ones, other hours), planned anew by",
        "`routing.replanning.replan`. Cost of its plan / cost of one made from nothing in the same time (`higher`: days with more,",
        "or with more left out); share of the stops still to come that change postman (`above 3 %`: days), and how many of",
        "them no longer fitted where they were: these are `forced`, and moved by the plan that only puts in what must be too.",
        "`disturbed` are stops begun before that have another postman or another time in the new plan: there may be none. `work` are",
        "the CPU seconds of a trial, which plans the day for 10 s before: where they are far fewer, the machine was busy otherwise.",
        "",
        *_replan_table([row for row in rows if row["breakdown"] == "False"]),
    ]
    if stranded := [row for row in rows if row["breakdown"] == "True"]:
        freed = _numbers(stranded, "freed")
        lines += [
            "",
            "## A postman's vehicle breaks down",
            "",
            f"Beside the changes one vehicle ends its day where it is. The {min(freed):.0f}-{max(freed):.0f} stops that it was",
            "still to make (`routing.replanning.broken_down`), the one it was driving to among them, may go to anybody; the",
            "shares are of the stops of the others. The plan from nothing has the same stops and postmen.",
            "",
            *_replan_table(stranded),
        ]
    return lines


def _replan_table(rows: Rows) -> list[str]:
    columns = [
        "changes", "days", "cost: mean, most", "higher", "moved: mean, most", "above 3 %", "forced", "moved, cold", "disturbed",
        "limit, s", "wall, s: mean, most", "work, s", "left out; cold",
    ]  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    limits = {row["trial"]: float(json.loads(row["trial"])["seconds"]) for row in rows}
    groups = {
        (limit, changes) for limit in limits.values() for changes in (*(int(row["changes"]) for row in rows), _ALL)
    }
    for limit, changes in sorted(groups):
        own = [row for row in rows if limits[row["trial"]] == limit and changes in (_ALL, int(row["changes"]))]
        if not own:
            continue
        ratios = [a / b for a, b in zip(_numbers(own, "warm_cost"), _numbers(own, "cold_cost"), strict=True)]
        warm, cold = _numbers(own, "warm_left_out"), _numbers(own, "cold_left_out")
        higher = sum(a > b or (a == b and ratio > 1) for a, b, ratio in zip(warm, cold, ratios, strict=True))
        coming = _numbers(own, "still_to_come")
        moved = [a / b if b else 0.0 for a, b in zip(_numbers(own, "moved"), coming, strict=True)]
        anew = [a / b if b else 0.0 for a, b in zip(_numbers(own, "moved_cold"), coming, strict=True)]
        wall = _numbers(own, "wall")
        counted = all(row["disturbed"] for row in own)  # early runs did not look
        disturbed = f"{sum(_numbers(own, 'disturbed')):.0f}" if counted else "-"
        lines.append(
            f"| {'all' if changes == _ALL else changes} | {len(own)} | {mean(ratios):.4f}, {max(ratios):.4f} | {higher} | "
            f"{mean(moved):.2%}, {max(moved):.2%} | {sum(share > _MOST_MOVED for share in moved)} | "
            f"{sum(_numbers(own, 'forced')):.0f} | {mean(anew):.2%} | {disturbed} | "
            f"{limit:g} | {mean(wall):.2f}, {max(wall):.2f} | {mean(_numbers(own, 'cpu')):.1f} | {sum(warm):.0f}; {sum(cold):.0f} |"
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
