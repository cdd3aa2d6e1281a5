"""A second opinion on VRPLIB solutions: it counts routes of nodes again from the instance's raw numbers.

It knows neither `Problem` nor the timetable nor `routing.checking`, so that an error in one of these is seen here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from routing.instances import Carrier, Instance
from routing.solution import Violation
from routing.vrplib import Routes

_ENDLESS = 2**60


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What routes cost, prizes of omitted clients included, and the rules they break; no violation means valid."""

    cost: int
    violations: tuple[Violation, ...]


def audit(instance: Instance, routes: Routes) -> Audit:
    """Count and judge the routes; route k (from 0) is vehicle k."""
    found: list[Violation] = []
    cost = 0
    for number, route in enumerate(routes):
        if not route:
            continue
        if number >= len(instance.carriers):
            sentence = f"there are {len(instance.carriers)} vehicles"
            found.append(Violation(code="unknown", sentence=sentence, vehicle=number + 1))
            continue
        if strange := [node for node in route if not 0 <= node < instance.size]:
            sentence = f"there is no node {strange[0]}"
            found.append(Violation(code="unknown", sentence=sentence, vehicle=number + 1, task=strange[0]))
            continue
        counted = _Route(instance, instance.carriers[number], number + 1, route)
        cost += counted.cost
        found += counted.violations()
    times = Counter(node for route in routes for node in route if node >= instance.depots)
    for node in instance.clients:
        if times[node] > 1:
            found.append(Violation(code="duplicate", sentence=f"client {node} is visited twice", task=node))
        elif not times[node] and instance.prize[node] == 0:
            found.append(Violation(code="missing", sentence=f"client {node} is not visited", task=node))
        elif not times[node]:
            cost += int(instance.prize[node])
    return Audit(cost=cost, violations=tuple(found))


class _Route:
    """One vehicle's nodes, cut into trips at the reloads."""

    def __init__(self, instance: Instance, carrier: Carrier, vehicle: int, nodes: Sequence[int]) -> None:
        self.instance = instance
        self.carrier = carrier
        self.vehicle = vehicle
        self.nodes = [carrier.depot, *nodes, carrier.depot]
        self.legs = [instance.distance(a, b) for a, b in zip(self.nodes, self.nodes[1:], strict=False)]
        self.length = sum(self.legs)
        self.cost = carrier.fixed + round(self.length * carrier.unit * 1000) // 1000
        self.trips: list[list[int]] = [[]]
        for node in nodes:
            if node < instance.depots:
                self.trips.append([])
            else:
                self.trips[-1].append(node)

    def _says(self, code: str, sentence: str, node: int | None = None) -> Violation:
        return Violation(code=code, sentence=sentence, vehicle=self.vehicle, task=node)

    def violations(self) -> Iterator[Violation]:
        yield from self._rights()
        for trip in self.trips:
            yield from self._load(trip)
            yield from self._order(trip)
        yield from self._times()
        most = self.carrier.max_distance
        if most is not None and self.length > most:
            yield self._says("max_distance", f"drives {self.length}, at most {most} is allowed")

    def _rights(self) -> Iterator[Violation]:
        stops = [node for trip in self.trips for node in trip]
        if not stops:
            yield self._says("order", "the route visits nobody")
        for node in stops:
            if self.carrier.allowed is not None and node not in self.carrier.allowed:
                yield self._says("allowed_vehicles", f"may not serve client {node}", node)
        reloads = [node for node in self.nodes[1:-1] if node < self.instance.depots]
        for node in reloads:
            if node not in self.carrier.reloads:
                yield self._says("reload", f"may not reload at depot {node}", node)
        most = self.carrier.max_reloads
        if most is not None and len(reloads) > most:
            yield self._says("max_reloads", f"reloads {len(reloads)} times, at most {most} is allowed")

    def _load(self, trip: Sequence[int]) -> Iterator[Violation]:
        paired = {node for pair in self.instance.pairs for node in pair}
        for dimension, most in enumerate(self.carrier.capacity[: self.instance.delivery.shape[1]]):
            bring, fetch = self.instance.delivery[:, dimension], self.instance.pickup[:, dimension]
            load = peak = sum(int(bring[node]) for node in trip if node not in paired)
            for node in trip:
                load += int(fetch[node]) - int(bring[node])
                peak = max(peak, load)
            if peak > most:
                yield self._says("load", f"carries {peak}, at most {most} is allowed")

    def _order(self, trip: Sequence[int]) -> Iterator[Violation]:
        if self.instance.backhauls_last:
            fetches = [bool((self.instance.pickup[node] > 0).any()) for node in trip]
            if fetches != sorted(fetches):
                yield self._says("order", "brings something after having fetched something")
            if fetches and fetches[0]:
                yield self._says("order", "only fetches")
        place = {node: at for at, node in enumerate(trip)}
        for origin, to in self.instance.pairs:
            if (origin in place or to in place) and place.get(origin, _ENDLESS) > place.get(to, -1):
                yield self._says("precedence", f"does not fetch at {origin} and then bring to {to}", to)

    def _times(self) -> Iterator[Violation]:
        windows = self.instance.windows
        opens, closes = (0, _ENDLESS) if windows is None else (int(x) for x in windows[self.carrier.depot])
        releases = [max((int(self.instance.release[node]) for node in trip), default=0) for trip in self.trips]
        # Each place of the route with the hours in which one may begin there, and the time spent there.
        places: list[tuple[int, int, int]] = [(max(opens, releases[0]), closes, 0)]
        trip = 0
        for node in self.nodes[1:-1]:
            if node < self.instance.depots:
                trip += 1
                places.append((releases[trip], _ENDLESS, 0))
            else:
                first, last = (0, _ENDLESS) if windows is None else (int(x) for x in windows[node])
                places.append((first, last, int(self.instance.service[node])))
        places.append((opens, closes, 0))
        now, late = places[0][0], False
        if now > closes:
            yield self._says("delay", f"can leave at {now} only, the depot closes at {closes}")
            late = True
        for (_, _, before), leg, (first, last, _), node in zip(
            places, self.legs, places[1:], self.nodes[1:], strict=False
        ):
            now = max(now + before + leg, first)
            if now > last:
                yield self._says("delay", f"begins at {now}, node {node} closes at {last}", node)
                late = True
        longest = self.carrier.max_duration
        if longest is None or late:
            return
        latest = places[-1][1]
        for (first, last, spent), leg in zip(reversed(places[:-1]), reversed(self.legs), strict=True):
            latest = min(last, latest - leg - spent)
            assert latest >= first  # noqa: S101 - the way forwards was in time
        worked = self.length + sum(spent for _, _, spent in places)
        shortest = max(worked, now - latest)
        if shortest > longest:
            yield self._says("max_duration", f"takes {shortest}, at most {longest} is allowed")
