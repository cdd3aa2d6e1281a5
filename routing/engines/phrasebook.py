"""What PyVRP's words mean: a part of a problem as PyVRP has it, with the way from its routes to visits and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyvrp import ProblemData

from routing.engines.pyvrp_search import Line, Routes
from routing.problem import Problem, Vehicle, Visits


@dataclass(frozen=True, slots=True)
class Kind:
    """Vehicles that are all alike, and what is behind them already; times are PyVRP's."""

    vehicles: tuple[int, ...]
    sample: Vehicle
    prefix: tuple[int, ...]
    start: int
    end: int
    opens: int
    closes: int
    carried: tuple[int, ...]
    peak: tuple[int, ...]  # the most on board so far, per dimension, by what is behind alone
    may: tuple[bool, ...]  # per rights pattern


@dataclass(frozen=True, slots=True, eq=False)
class Translation:
    """PyVRP's `data`, what it leaves unsaid (`inexact`, one sentence each), and the way back.

    `left_aside` are task numbers that no vehicle here can serve, `scale` PyVRP's cost units per unit of ours.
    """

    data: ProblemData
    inexact: tuple[str, ...]
    left_aside: tuple[int, ...]
    scale: float
    problem: Problem = field(repr=False)
    kinds: tuple[Kind, ...] = field(repr=False)
    task_of: Mapping[str, int] = field(repr=False)
    words_of: Mapping[int, tuple[str, ...]] = field(repr=False)

    def to_visits(self, routes: Routes, *, like: Visits | None = None) -> Visits:
        """The routes as task numbers per vehicle of the whole problem; vehicles that are not part of it stay empty.

        Among vehicles that are all alike, each gets the route that shares most stops with its route in `like`.
        """
        visits: list[tuple[int, ...]] = [()] * len(self.problem.vehicles)
        of_kind: dict[int, list[tuple[int, ...]]] = {}
        for number, text in routes:
            route = tuple(self.task_of[word] for word in text.split() if word in self.task_of)
            of_kind.setdefault(number, []).append(route)
        for number, kind in enumerate(self.kinds):
            found = of_kind.get(number, [])
            for vehicle, route in _dealt(found, kind.vehicles, like):
                visits[vehicle] = kind.prefix + route
            for vehicle in kind.vehicles:
                visits[vehicle] = visits[vehicle] or kind.prefix
        return tuple(visits)

    def from_visits(self, visits: Visits) -> Routes:
        """The routes of these vehicles as PyVRP has them; tasks that are not part of the data are skipped."""
        lines: list[Line] = []
        for number, kind in enumerate(self.kinds):
            for vehicle in kind.vehicles:
                words = self._words(number, kind, visits[vehicle][len(kind.prefix) :])
                if words:
                    lines.append((number, " ".join(words)))
        return tuple(lines)

    def _words(self, number: int, kind: Kind, visits: Sequence[int]) -> list[str]:
        known = [visit for visit in visits if visit in self.words_of]
        if all(len(self.words_of[visit]) == 1 for visit in known):
            return [self.words_of[visit][0] for visit in known]
        data = self.data
        duration = data.duration_matrix(data.vehicle_type(number).profile)
        place, time = data.depot(data.vehicle_type(number).start_depot).location, kind.opens
        words = []
        for visit in known:
            options = [(self._stop(word), word) for word in self.words_of[visit]]
            reached = [time + int(duration[place, stop.location]) for stop, _ in options]
            late = [at > stop.tw_late for (stop, _), at in zip(options, reached, strict=True)]
            # The first window that is still open; where all are closed the last is the least late.
            chosen = late.index(False) if False in late else -1
            stop, word = options[chosen]
            words.append(word)
            place, time = stop.location, max(reached[chosen], stop.tw_early) + stop.service_duration
        return words

    def _stop(self, word: str) -> Any:
        index = int(word[1:])
        if word[0] == "C":
            return self.data.client(index)
        if word[0] == "D":
            return self.data.depot(index)
        shipment = self.data.shipment(index)
        return shipment.pickup if word[0] == "L" else shipment.delivery


def _dealt(
    routes: list[tuple[int, ...]], vehicles: tuple[int, ...], like: Visits | None
) -> Iterable[tuple[int, tuple[int, ...]]]:
    if like is None or len(vehicles) == 1:
        return zip(vehicles, routes, strict=False)
    owner = {visit: vehicle for vehicle in vehicles for visit in like[vehicle]}
    shared = [
        (-count, at, vehicle)
        for at, route in enumerate(routes)
        for vehicle, count in Counter(owner[visit] for visit in route if visit in owner).items()
    ]
    dealt: dict[int, int] = {}
    free = dict.fromkeys(vehicles)
    for _, at, vehicle in sorted(shared):
        if at not in dealt and vehicle in free:
            dealt[at] = vehicle
            del free[vehicle]
    rest = iter(free)
    return [(dealt[at] if at in dealt else next(rest), route) for at, route in enumerate(routes)]
