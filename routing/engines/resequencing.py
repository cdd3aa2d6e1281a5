"""The cheapest order of one vehicle's visits, with a proof where it is reached.

What the arrays of `routing.engines.tours` cannot say (breaks, limits on duration or travel, ferries' hours, prices of
time) is left out there, so that its bound stays valid, and judged afterwards: an order counts only if the whole
timetable accepts it, and a proof only if nothing that was left out costs anything.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from routing.engines.tours import FAR, Mask, Tour, Whole, cost_of, descended, load_libraries, prove
from routing.insertion import Insertion
from routing.problem import UNREACHABLE, Lock, Problem, Task, TaskKind
from routing.scheduling import NOBODY_LATE
from routing.timetable import Timetable

_LARGEST: Final = 2**44
"""Costs of a whole tour up to here leave room for every sum that a proof makes of them."""
_UNITS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resequenced:
    """The best order known of one vehicle's visits.

    `cost` is the route's; no order costs less than `lower_bound`. `proven`: no order costs less (where several cost
    lines are rounded, less before their rounding). `open_question` says why not, in a sentence, and is empty when
    proven.
    """

    visits: tuple[int, ...]
    cost: int
    lower_bound: int
    proven: bool
    open_question: str = ""


def resequence(
    problem: Problem, vehicle_index: int, visits: tuple[int, ...], *, seconds: float = 1.0,
    timetable: Timetable | None = None,
) -> Resequenced:  # fmt: skip
    """The cheapest order of these visits (task numbers) that the vehicle can keep, found within `seconds`.

    The first call of a process also loads the libraries, which is not counted (`tours.load_libraries`).
    The given order must keep all rules; what is frozen stays in front. Routes that return to reload, and orders that
    break a rule, come back as they are, unproven. Raises nothing for a route it cannot handle: it says so.
    """
    load_libraries()
    until = time.monotonic() + seconds
    timetable = timetable or Timetable(problem)
    insertion = Insertion(problem, timetable)
    given = timetable.cost(vehicle_index, visits) if visits else 0
    if given is None or (visits and not insertion.fits(vehicle_index, visits)):
        lines = timetable.cost_lines(problem.vehicles[vehicle_index], [problem.tasks[n] for n in visits])
        return _unproven(visits, lines.total, 0, "The given order breaks a rule.")
    if len(visits) <= 1:
        return Resequenced(visits=visits, cost=given, lower_bound=given, proven=True)
    if any(problem.tasks[n].kind is TaskKind.RELOAD for n in visits):
        return _unproven(visits, given, 0, "A route that returns to reload is not searched for another order.")
    day = _Day(problem, vehicle_index, visits, timetable)
    tour = day.tour()
    if tour is None:
        return _unproven(visits, given, 0, "Its costs are too large to be added up exactly.")
    proof = prove(tour, day.order_of(visits), until=until)
    best, cost, own = visits, given, cost_of(tour, day.order_of(visits))
    found = day.visits_of(proof.order)
    if found != visits and insertion.fits(vehicle_index, found):
        total = timetable.cost(vehicle_index, found)
        if total is not None and (total, proof.cost) < (cost, own):
            best, cost, own = found, total, proof.cost
    untimed = timetable.cost_lines(problem.vehicles[vehicle_index], [problem.tasks[n] for n in best]).total
    bound = min(cost, day.least_cost(proof.bound))
    if proof.bound >= own and cost == untimed:
        return Resequenced(visits=best, cost=cost, lower_bound=bound, proven=True)
    if proof.closed:
        why = "The cheapest order breaks a limit, a break or a ferry's hours, or its times have a price."
    else:
        why = f"The search ended at a bound of {bound}."
    return _unproven(best, cost, bound, why)


def shortened(
    problem: Problem, vehicle_index: int, visits: tuple[int, ...], *, seconds: float, timetable: Timetable
) -> tuple[int, ...]:
    """The visits in a better order if a quick look finds one, without proof and without loading a library.

    The same conditions hold as for `resequence`; what cannot be searched comes back as it is.
    """
    until = time.monotonic() + seconds
    if len(visits) <= 1 or any(problem.tasks[n].kind is TaskKind.RELOAD for n in visits):
        return visits
    insertion = Insertion(problem, timetable)
    day = _Day(problem, vehicle_index, visits, timetable)
    tour, before = day.tour(), timetable.cost(vehicle_index, visits)
    if tour is None or before is None or not insertion.fits(vehicle_index, visits):
        return visits
    found = day.visits_of(descended(tour, day.order_of(visits), until))
    if found == visits or not insertion.fits(vehicle_index, found):
        return visits
    after = timetable.cost(vehicle_index, found)
    return visits if after is None or after >= before else found


def _unproven(visits: tuple[int, ...], cost: int, bound: int, why: str) -> Resequenced:
    return Resequenced(visits=visits, cost=cost, lower_bound=bound, proven=False, open_question=why)


class _Day:
    """One vehicle's visits as a `Tour`: node 0 is where its free part begins and ends, node k the k-th free visit."""

    def __init__(self, problem: Problem, vehicle_index: int, visits: tuple[int, ...], timetable: Timetable) -> None:
        self.problem = problem
        self.vehicle = problem.vehicles[vehicle_index]
        self.timetable = timetable
        tasks = problem.tasks
        self.done = tuple(n for n in visits if tasks[n].lock is Lock.FROZEN)
        self.free = tuple(n for n in visits if tasks[n].lock is not Lock.FROZEN)
        self.visits = visits
        costs = self.vehicle.costs
        self.priced = timetable.prices(self.vehicle) is not None
        rates = (
            _UNITS if self.priced else costs.per_hour * 1000,
            0 if self.priced else costs.per_km * 3600,
            costs.per_task_hour * 1000,
        )
        divisor = math.gcd(_UNITS, *rates)
        self.unit = _UNITS // divisor
        self.rates = tuple(rate // divisor for rate in rates)

    def order_of(self, visits: tuple[int, ...]) -> tuple[int, ...]:
        """The nodes of the free visits, in their order."""
        node = {number: at + 1 for at, number in enumerate(self.free)}
        return tuple(node[number] for number in visits if number in node)

    def visits_of(self, order: tuple[int, ...]) -> tuple[int, ...]:
        """The whole route that visits the nodes in this order."""
        return (*self.done, *(self.free[node - 1] for node in order))

    def least_cost(self, bound: int) -> int:
        """The least that the route can cost when the tour's ways cost at least `bound`: each line is rounded."""
        before = [self.problem.tasks[n] for n in self.done]
        travel, metres, setups = self._sums(before)
        work = sum(self.problem.tasks[n].service for n in self.visits) + setups
        own = self.rates[0] * travel + self.rates[1] * metres + self.rates[2] * work + bound
        lines = self.timetable.cost_lines(self.vehicle, [self.problem.tasks[n] for n in self.visits])
        rounded = sum(rate % self.unit != 0 for rate in self.rates)
        # A rounded line is less than half a unit below what it stands for.
        least = -(-own // self.unit) if not rounded else (2 * own - rounded * self.unit) // (2 * self.unit) + 1
        return int(lines.fixed + lines.preference + least)

    def _sums(self, before: list[Task]) -> tuple[int, int, int]:
        """Travel (or its own price), metres and set-ups of what is frozen in front."""
        seconds, metres = self.timetable.seconds(self.vehicle), self.timetable.metres(self.vehicle)
        prices = self.timetable.prices(self.vehicle)
        place, travel, far, setups = self.vehicle.start, 0, 0, 0
        for task in before:
            to = task.location_index
            if place is not None:
                travel += (seconds if prices is None else prices)[place][to]
                far += 0 if metres is None else metres[place][to]
            setups += 0 if place == to else task.setup
            place = to
        return travel, far, setups

    def tour(self) -> Tour | None:
        """The arrays; None when their numbers are too large."""
        n = len(self.free) + 1
        tasks = [self.problem.tasks[number] for number in self.free]
        came = self.problem.tasks[self.done[-1]].location_index if self.done else self.vehicle.start
        origins = [came, *(task.location_index for task in tasks)]
        targets = [self.vehicle.end, *(task.location_index for task in tasks)]
        service = np.array([0, *(task.service for task in tasks)], dtype=np.int64)
        setup = np.zeros((n, n), dtype=np.int64)
        for j, task in enumerate(tasks, 1):
            setup[:, j] = [0 if origin == task.location_index else task.setup for origin in origins]
        travel, least, metres = self._travel(origins, targets)
        allowed = travel != UNREACHABLE
        travel = np.where(allowed, travel, 0)
        np.fill_diagonal(allowed, val=False)
        paid = self._block(origins, targets, "prices") if self.priced else travel
        weight = self.rates[0], self.rates[1], self.rates[2]
        largest = sum(int(table.max()) * rate for table, rate in zip((paid, metres, setup), weight, strict=True))
        if largest * n > _LARGEST:
            return None
        cost = weight[0] * paid + weight[1] * metres + weight[2] * setup
        lag = service[:, None] + np.where(allowed, least, 0)
        capacity, at_start, change = self._loads(tasks)
        departs = self._departs()
        closes = min(FAR, NOBODY_LATE if self.vehicle.time_window is None else self.vehicle.time_window[1])
        windows = [
            () if len(hours) == 1 and hours[0][0] <= departs and hours[0][1] >= closes else tuple(sorted(hours))
            for hours in (task.time_windows for task in tasks)
        ]
        return Tour(
            cost=np.where(allowed, cost, 0), lag=lag, setup=setup, service=service,
            windows=((), *windows), departs=departs, closes=closes,
            before=self._before(tasks), allowed=allowed, capacity=capacity, at_start=at_start, change=change,
        )  # fmt: skip

    def _travel(self, origins: list[int | None], targets: list[int | None]) -> tuple[Whole, Whole, Whole]:
        """Expected seconds, the least seconds (no wait for a ferry), metres."""
        expected, least, metres = (self._block(origins, targets, name) for name in ("seconds", "least", "metres"))
        return expected, least, metres

    def _block(self, origins: list[int | None], targets: list[int | None], name: str) -> Whole:
        table = getattr(self.timetable, name)(self.vehicle)
        values = np.zeros((len(origins), len(targets)), dtype=np.int64)
        if table is None:
            return values
        for row, origin in enumerate(origins):
            if origin is not None:
                from_here = table[origin]
                values[row] = [0 if target is None else from_here[target] for target in targets]
        return values

    def _departs(self) -> int:
        """When the free part can begin: the shift's start, the goods' release, or the end of what is frozen.

        What has happened began when it did; what is only frozen is taken as early as its own windows let it be.
        """
        tasks = [self.problem.tasks[number] for number in self.visits]
        released = max((task.release for task in tasks if task.happened_at is None), default=0)
        opens = 0 if self.vehicle.time_window is None else self.vehicle.time_window[0]
        ready = max(opens, released)
        place = self.vehicle.start
        for number in self.done:
            task = self.problem.tasks[number]
            action = task.service + (0 if place == task.location_index else task.setup)
            if task.happened_at is not None:
                ready = task.happened_at
            elif task.time_windows:
                ready = max(ready, min(a for a, _ in task.time_windows))
            ready += action
            place = task.location_index
        return ready

    def _before(self, tasks: list[Task]) -> Mask:
        n = len(tasks) + 1
        before = np.zeros((n, n), dtype=bool)
        node = {number: at + 1 for at, number in enumerate(self.free)}
        for i, task in enumerate(tasks, 1):
            if task.kind is TaskKind.PICKUP and task.partner in node:
                before[i, node[task.partner]] = True
            for j, other in enumerate(tasks, 1):
                if task.rank is not None and other.rank is not None and task.rank < other.rank:
                    before[i, j] = True
        return before

    def _loads(self, tasks: list[Task]) -> tuple[Whole | None, Whole | None, Whole | None]:
        """Capacity, load at the start of the free part and its change per node; None where no order overloads."""
        capacity = np.array(self.vehicle.capacity, dtype=np.int64)
        change = np.zeros((len(tasks) + 1, self.problem.dimensions), dtype=np.int64)
        for node, task in enumerate(tasks, 1):
            change[node] = np.array(task.pickup, dtype=np.int64) - np.array(task.delivery, dtype=np.int64)
        at_start = np.array(self.timetable.loads(self.visits)[len(self.done)], dtype=np.int64)
        if (at_start + np.maximum(change, 0).sum(axis=0) <= capacity).all():
            return None, None, None
        return capacity, at_start, change
