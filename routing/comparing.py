"""What changed from one plan to another: stop by stop, and cost line by cost line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from routing.solution import CostLines, Solution, StepKind


class ChangeCode(StrEnum):
    """What happened to a stop: `gained` was left out before, `lost` is left out now, `added` and `removed` were not
    there at all before or are not now."""  # noqa: D205, D209

    ADDED = "added"
    REMOVED = "removed"
    GAINED = "gained"
    LOST = "lost"
    POSTMAN = "postman"
    ORDER = "order"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a stop stands in a plan: vehicle (id), its number among the vehicle's stops from 1, when it begins."""

    vehicle: int
    place: int
    begins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One stop that is not as it was; `before` or `after` is None where it is not planned."""

    kind: StepKind
    id: int
    codes: tuple[ChangeCode, ...]
    before: Spot | None
    after: Spot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """From plan a to plan b: the stops that changed (by kind and id), and b's cost lines less a's.

    `kept` counts the stops that both plans visit, `moved` those among them with another postman.
    """

    changes: tuple[Change, ...]
    cost: int
    cost_lines: CostLines
    kept: int
    moved: int


def diff(a: Solution, b: Solution, *, tolerance: int = 0) -> Difference:
    """What changed from `a` to `b`; times that differ by at most `tolerance` seconds count as the same.

    A stop has another order when, among the stops that its vehicle visits in both plans, it does not belong to the
    longest sequence that both have in common.
    """
    before, after = _spots(a), _spots(b)
    known, known_now = _all(a, before), _all(b, after)
    reordered = _reordered(before, after)
    changes = []
    for stop in sorted(known | known_now):
        was, now = before.get(stop), after.get(stop)
        codes = []
        if was is None and now is not None:
            codes.append(ChangeCode.GAINED if stop in known else ChangeCode.ADDED)
        elif now is None and was is not None:
            codes.append(ChangeCode.LOST if stop in known_now else ChangeCode.REMOVED)
        elif was is None or now is None:
            if stop not in known_now or stop not in known:
                codes.append(ChangeCode.ADDED if stop in known_now else ChangeCode.REMOVED)
        else:
            if was.vehicle != now.vehicle:
                codes.append(ChangeCode.POSTMAN)
            elif stop in reordered:
                codes.append(ChangeCode.ORDER)
            if abs(was.begins - now.begins) > tolerance:
                codes.append(ChangeCode.TIME)
        if codes:
            changes.append(Change(kind=StepKind(stop[0]), id=stop[1], codes=tuple(codes), before=was, after=now))
    both = before.keys() & after.keys()
    lines = {f.name: getattr(b.cost_lines, f.name) - getattr(a.cost_lines, f.name) for f in fields(CostLines)}
    return Difference(
        changes=tuple(changes), cost=b.cost - a.cost, cost_lines=CostLines(**lines), kept=len(both),
        moved=sum(before[stop].vehicle != after[stop].vehicle for stop in both),
    )  # fmt: skip


_Stop = tuple[str, int]


def _spots(plan: Solution) -> dict[_Stop, Spot]:
    return {
        (step.kind.value, step.id): Spot(vehicle=route.vehicle, place=place, begins=step.begins)
        for route in plan.routes
        for place, step in enumerate(route.visits, 1)
        if step.id is not None
    }


def _all(plan: Solution, visited: dict[_Stop, Spot]) -> set[_Stop]:
    return {*visited, *((item.kind.value, item.id) for item in plan.unassigned)}


def _reordered(before: dict[_Stop, Spot], after: dict[_Stop, Spot]) -> set[_Stop]:
    moved: set[_Stop] = set()
    for vehicle in {spot.vehicle for spot in before.values()}:
        stayed = [stop for stop, spot in before.items() if spot.vehicle == vehicle]
        stayed = [stop for stop in stayed if stop in after and after[stop].vehicle == vehicle]
        stayed.sort(key=lambda stop: before[stop].place)
        moved |= set(stayed) - _longest_rising(stayed, [after[stop].place for stop in stayed])
    return moved


def _longest_rising(stops: list[_Stop], places: list[int]) -> set[_Stop]:
    """A longest part of the stops whose places rise, by what ends best in each."""
    length, came = [1] * len(stops), [-1] * len(stops)
    for at in range(len(stops)):
        for earlier in range(at):
            if places[earlier] < places[at] and length[earlier] + 1 > length[at]:
                length[at], came[at] = length[earlier] + 1, earlier
    kept: set[_Stop] = set()
    at = max(range(len(stops)), key=lambda n: length[n], default=-1)
    while at >= 0:
        kept.add(stops[at])
        at = came[at]
    return kept


def difference_body(difference: Difference) -> dict[str, Any]:
    """The difference as JSON values."""
    return asdict(difference)
