"""A plan for thousands of stops in the blink of an eye: every vehicle goes on to whomever it can begin with next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routing.alike import fleet_of
from routing.problem import (
    MAX_INSTANT,
    UNREACHABLE,
    Lock,
    Problem,
    TaskKind,
    Vehicle,
    Visits,
    frozen_visits,
    travel_seconds,
)

_ENDLESS = 8 * MAX_INSTANT
_SECTOR = 1_000


def greedy_plan(problem: Problem, places: NDArray[np.float64] | None = None) -> Visits:
    """Routes of jobs without a kept order, one trip each, that whoever uses them must verify; the rest is left out.

    With `places`, [stop][x, y], the stops are taken in sectors around the middle, so that no large table is needed.
    """
    routes = list(frozen_visits(problem))
    numbers = [
        n
        for n, task in enumerate(problem.tasks[: problem.stops])
        if task.kind is TaskKind.JOB and task.rank is None and task.lock is not Lock.FROZEN
    ]
    sectors = [numbers]
    if places is not None and numbers:
        around = places[numbers] - places.mean(axis=0)
        order = np.argsort(np.arctan2(around[:, 1], around[:, 0]), kind="stable")
        cut = np.array_split(order, -(-len(numbers) // _SECTOR))
        sectors = [[numbers[at] for at in sector.tolist()] for sector in cut]
    for sector in sectors:
        _Greedy(problem, sector).fill(routes)
    return tuple(routes)


class _Greedy:
    """The jobs as arrays, and which of them wait."""

    def __init__(self, problem: Problem, numbers: list[int]) -> None:
        self.problem = problem
        self.numbers = numbers
        tasks = problem.tasks
        jobs = [tasks[n] for n in self.numbers]
        ends = {place for v in problem.vehicles for place in (v.start, v.end) if place is not None}
        places = sorted({job.location_index for job in jobs} | ends)
        self.index_of = {place: at for at, place in enumerate(places)}
        self.blocks = {
            profile: problem.matrices[profile].block(places) for profile in {v.profile for v in problem.vehicles}
        }
        self.place = np.array([self.index_of[job.location_index] for job in jobs], dtype=np.intp)
        self.setup = np.array([job.setup for job in jobs], dtype=np.int64)
        self.service = np.array([job.service for job in jobs], dtype=np.int64)
        self.opens = np.array([min((a for a, _ in j.time_windows), default=0) for j in jobs], dtype=np.int64)
        self.closes = np.array([max((b for _, b in j.time_windows), default=_ENDLESS) for j in jobs], dtype=np.int64)
        self.release = np.array([job.release for job in jobs], dtype=np.int64)
        shape = (len(jobs), problem.dimensions)
        self.brings = np.array([job.delivery for job in jobs], dtype=np.int64).reshape(shape)
        self.takes = np.array([job.pickup for job in jobs], dtype=np.int64).reshape(shape)
        self.waits = np.ones(len(jobs), dtype=np.bool_)
        self._ways: dict[tuple[str, float], NDArray[np.int64]] = {}

    def fill(self, routes: list[tuple[int, ...]]) -> None:
        """One unused vehicle after the other, until nobody waits; of those alike none is tried after one in vain."""
        unused = [index for index, route in enumerate(routes) if not route]
        fleet = fleet_of(self.problem, tasks=self.numbers, vehicles=unused)
        pattern = np.array([fleet.pattern_of[n] for n in self.numbers], dtype=np.intp)
        for group in fleet.groups:
            may = np.array(group.may, dtype=np.bool_)[pattern] if self.numbers else np.zeros(0, dtype=np.bool_)
            for index in group.vehicles:
                if not self.waits.any():
                    break
                routes[index] = self._route(self.problem.vehicles[index], may)
                if not routes[index]:
                    break

    def _route(self, vehicle: Vehicle, may: NDArray[np.bool_]) -> tuple[int, ...]:
        key = (vehicle.profile, vehicle.speed_factor)
        if key not in self._ways:
            self._ways[key] = travel_seconds(self.blocks[vehicle.profile], vehicle.speed_factor)
        ways = self._ways[key]
        time, closes = vehicle.time_window or (0, _ENDLESS)
        closes -= sum(rest.service for rest in vehicle.breaks)
        if vehicle.longest_duration is not None:
            closes = min(closes, time + vehicle.longest_duration)
        capacity = np.array(vehicle.capacity, dtype=np.int64)
        brought, taken = np.zeros_like(capacity), np.zeros_like(capacity)
        home = np.zeros(len(ways), dtype=np.int64) if vehicle.end is None else ways[:, self.index_of[vehicle.end]]
        at = None if vehicle.start is None else self.index_of[vehicle.start]
        # Nobody is taken whose release would make the whole trip wait.
        able = self.waits & may & (self.release <= time) & (home[self.place] < UNREACHABLE)
        visits: list[int] = []
        while vehicle.max_tasks is None or len(visits) < vehicle.max_tasks:
            way = np.zeros(len(self.place), dtype=np.int64) if at is None else ways[at, self.place]
            begins = np.maximum(time + way, self.opens)
            done = begins + self.service + np.where(self.place == at, 0, self.setup)
            room = (brought + taken + self.brings + self.takes <= capacity).all(axis=1)
            fits = able & room & (way < UNREACHABLE) & (begins <= self.closes) & (done + home[self.place] <= closes)
            if not fits.any():
                break
            best = int(np.where(fits, begins, 2 * _ENDLESS).argmin())
            able[best] = self.waits[best] = False
            visits.append(self.numbers[best])
            time, at = int(done[best]), int(self.place[best])
            brought, taken = brought + self.brings[best], taken + self.takes[best]
        return tuple(visits)
