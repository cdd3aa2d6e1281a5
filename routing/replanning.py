"""Planning a running day anew: what has begun stays, newcomers find their place, and few stops change hands.

First everything is put where it fits with nobody else moved, then a short search goes on from there, in which every stop
that changes its postman has a price. Where that price does not keep their number within what was allowed, a second search
goes on with only as many stops free to change as may.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from routing.checking import CheckFailed, check
from routing.engines.resequencing import shortened
from routing.insertion import Insertion
from routing.problem import (
    MAX_INSTANT,
    InvalidProblem,
    Job,
    Lock,
    NotSupported,
    Problem,
    TaskKind,
    Vehicle,
    Visits,
    frozen_visits,
)
from routing.solution import Route, Solution, Step, StepKind
from routing.solving import AUTO, assemble, solve, visits_of
from routing.timetable import Timetable

_LEAST_SEARCH: Final = 0.1
_SHARE_OF_ORDERING: Final = 0.3
_SHARE_OF_FIRST_SEARCH: Final = 0.6
"""Of the time for searching, where a second search may have to follow."""
_END_PER_STOP: Final = 0.0005
"""Seconds kept for writing the plan down and judging it once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replanned:
    """The new plan. `problem` is the day as it was planned: yours, with what has begun frozen; `solution` is its.

    `moved` are the ids of the jobs that have another postman than in the running plan, `inserted` the plan that moves
    nobody but those who no longer fit. `positions` names by vehicle id the jobs that stand for where a postman is now:
    they are in `problem` and `solution` and not in yours.
    """

    problem: Problem
    solution: Solution
    moved: tuple[int, ...]
    inserted: Solution
    positions: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))


def replan(
    problem: Problem,
    running: Solution,
    *,
    stability: int,
    seconds: float = 1.0,
    seed: int = 0,
    processes: int = 1,
    now: int | None = None,
    positions: Mapping[int, int] | None = None,
    most_moved: int | None = None,
    uncounted: Collection[int] = (),
    engine: str = AUTO,
) -> Replanned:
    """Plan the changed `problem` from the plan that is `running`, in `seconds` of wall time from the call.

    `problem` is the whole day as it is known by now: the jobs of the running plan without the cancelled ones, changed
    where they have changed, and the new ones. With `now` everything that the running plan has begun by then is frozen at
    its planned time, in front of what the problem itself has frozen (a fact of yours is left as it is). A postman is at
    his place in `positions` (vehicle id -> location index) at `now`; one without is on his way to the next stop of the
    running plan, which he then makes first; when that is cancelled he is at his last stop, and when he was done, at home.
    Nobody begins anything else before `now`.
    What a postman has loaded and can no longer give away is the caller's to lock (keep_postman).

    `stability` is what one job with another postman than before must save, in the problem's cost unit: it is weighed in
    the search and no part of the plan's cost. A job's own preference is weighed beside it.

    `most_moved` is how many jobs may have another postman than before, whatever that would save; what no longer fits with
    its own beyond that is left out. Facts do not count, nor do the jobs in `uncounted` (ids), such as those of a
    postman who has broken down.

    Raises what `solve` raises, `InvalidProblem` for a position that is none, and `NotSupported` where a shipment or a
    route with reloads has begun: these cannot be frozen.
    """
    called = time.monotonic()
    if stability < 0:
        raise InvalidProblem("range", "stability", stability, "expected 0 or more")
    if most_moved is not None and most_moved < 0:
        raise InvalidProblem("range", "most_moved", most_moved, "expected 0 or more")
    day = _Day(problem, running, now, dict(positions or {}))
    frozen = day.problem()
    before = _postmen(running)
    priced = frozen.replace(jobs=tuple(_priced(job, before.get(job.id), stability) for job in frozen.jobs))
    timetable = Timetable(frozen)
    quick = Timetable(priced, tables_of=timetable)
    cap = _Cap(priced, before, most_moved, frozenset(uncounted))
    known, visits = visits_of(priced, running), _inserted(priced, running, quick, cap)
    # A newcomer's route is soon put in order; the search then has little to do, however busy the machine is.
    visits = tuple(
        route if set(route) <= set(known[index]) else shortened(
            priced, index, route, seconds=_SHARE_OF_ORDERING * seconds / len(visits), timetable=quick
        )
        for index, route in enumerate(visits)
    )  # fmt: skip
    inserted = _judged(frozen, timetable, visits)
    until = called + seconds - _END_PER_STOP * frozen.stops
    left = until - time.monotonic()
    best = inserted
    if left > _LEAST_SEARCH:
        first = left if most_moved is None else _SHARE_OF_FIRST_SEARCH * left
        found = solve(priced, seconds=first, seed=seed, processes=processes, start=inserted, engine=engine)
        if cap.is_kept(found):
            best = _judged(frozen, timetable, visits_of(frozen, found), found)
        else:
            visits, free = _most_worth(priced, quick, cap, visits, visits_of(priced, found))
            best = _judged(frozen, timetable, visits)
            if (left := until - time.monotonic()) > _LEAST_SEARCH:
                bound = cap.bound(free)
                found = solve(bound, seconds=left, seed=seed, processes=processes, start=best, engine=engine)
                best = _judged(frozen, timetable, visits_of(frozen, found))
    after = _postmen(best)
    moved = tuple(job for job, vehicle in before.items() if after.get(job, vehicle) != vehicle)
    return Replanned(problem=frozen, solution=best, moved=moved, inserted=inserted, positions=day.stand_ins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """The day after a vehicle has broken down, for `replan`: `problem` and `positions` (vehicle id -> location index).

    `freed` are the ids of the jobs that it was still to do, in the order of its route: anybody may do them now.
    """

    problem: Problem
    positions: Mapping[int, int]
    freed: tuple[int, ...]


def broken_down(problem: Problem, running: Solution, vehicle: int, *, now: int) -> Stranded:
    """The day without the vehicle of this id from `now` on.

    Its shift ends once it is done with what it has begun, where it is; the stop that it was driving to and all behind
    are free. Jobs that nobody else may do stay left out. StopIteration when there is no such vehicle.
    """
    index = problem.vehicle_index(vehicle)
    broken = problem.vehicles[index]
    route = next((route for route in running.routes if route.vehicle == vehicle), None)
    visits = () if route is None else tuple(step for step in route.visits if step.kind is StepKind.JOB)
    jobs = {job.id: job for job in problem.jobs}
    begun = [
        (job.locked_time if _is_past(job, broken) and job.locked_time is not None else step.begins, job)
        for step in visits
        if step.id is not None and (job := jobs.get(step.id)) is not None
        and (_is_past(job, broken) or (step.begins <= now and job.lock is not Lock.FROZEN))
    ]  # fmt: skip
    done = {job.id for _, job in begun}
    freed = tuple(
        step.id for step in visits
        if step.id is not None and step.id not in done and step.id in jobs and jobs[step.id].lock is not Lock.FROZEN
    )  # fmt: skip
    for job in problem.jobs:
        if job.id in freed or (job.locked_vehicle == vehicle and job.id not in done and job.lock is not Lock.FROZEN):
            jobs[job.id] = dataclasses.replace(
                job, lock=Lock.FREE, locked_vehicle=None, locked_rank=None, locked_time=None
            )
    ends = max((at + job.setup + job.service for at, job in begun), default=now)
    opens = 0 if broken.time_window is None else broken.time_window[0]
    place = max(begun, key=lambda fact: fact[0])[1].location_index if begun else broken.start
    fleet = list(problem.vehicles)
    facts = done | {job.id for job in problem.jobs if _is_past(job, broken)}
    # It comes home some other way, and rests some other time; what costs no time it does not do either.
    fleet[index] = dataclasses.replace(
        broken, end=None, breaks=(), time_window=(min(opens, now), max(now, ends)),
        max_tasks=len(facts) + (place is not None),
    )  # fmt: skip
    changed = problem.replace(jobs=tuple(jobs.values()), vehicles=tuple(fleet))
    return Stranded(problem=changed, positions={} if place is None else {vehicle: place}, freed=freed)


def _postmen(plan: Solution) -> dict[int, int]:
    """Job id -> vehicle id."""
    return {
        step.id: route.vehicle
        for route in plan.routes
        for step in route.visits
        if step.kind is StepKind.JOB and step.id is not None
    }


def _judged(problem: Problem, timetable: Timetable, visits: Visits, told: Solution | None = None) -> Solution:
    plan = assemble(
        problem, timetable, visits, engine="" if told is None else told.engine,
        left_out=None if told is None else told.unassigned,
    )  # fmt: skip
    if violations := check(problem, plan):
        raise CheckFailed(violations)
    return plan


def _priced(job: Job, vehicle: int | None, stability: int) -> Job:
    """The job as the search sees it: dearer with another postman than before, its own preference weighed against that."""
    if vehicle is None or job.lock is not Lock.FREE:
        return job
    own = job.preference_cost if job.preferred_vehicles else 0
    if not own or vehicle in job.preferred_vehicles:
        return dataclasses.replace(job, preferred_vehicles=frozenset({vehicle}), preference_cost=stability + own)
    # He has it against its preference: whoever is preferred must still save what the change costs.
    if stability > own:
        return dataclasses.replace(job, preferred_vehicles=frozenset({vehicle}), preference_cost=stability - own)
    return dataclasses.replace(job, preference_cost=own - stability)


class _Cap:
    """How many jobs may have another postman than before: `most`, None for any number."""

    def __init__(
        self, problem: Problem, before: Mapping[int, int], most: int | None, uncounted: frozenset[int]
    ) -> None:
        self.problem = problem
        self.most = most
        self.before = {
            job.id: before[job.id]
            for job in problem.jobs
            if job.id in before and job.id not in uncounted and job.lock is not Lock.FROZEN
        }
        self.homes = {
            number: problem.vehicle_index(self.before[task.id])
            for number, task in enumerate(problem.tasks)
            if task.kind is TaskKind.JOB and task.id in self.before
        }
        """Task number -> index of the vehicle that had it, for the jobs that count."""

    def moved(self, visits: Visits) -> set[int]:
        """The numbers of the counted jobs that these visits give to another postman."""
        return {
            number for index, route in enumerate(visits) for number in route if self.homes.get(number, index) != index
        }

    def is_kept(self, solution: Solution) -> bool:
        """Whether the plan gives no more jobs to others than may be."""
        return self.most is None or len(self.moved(visits_of(self.problem, solution))) <= self.most

    def bound(self, free: Collection[int]) -> Problem:
        """The problem in which of all jobs that count only those of these numbers may be given to another postman."""
        staying = {self.problem.tasks[number].id for number in self.homes if number not in free}
        jobs = []
        for job in self.problem.jobs:
            if job.id in staying and job.lock is Lock.FREE:
                own = frozenset({self.before[job.id]})
                allowed = own if job.allowed_vehicles is None else own & job.allowed_vehicles
                jobs.append(dataclasses.replace(job, allowed_vehicles=allowed))
            else:
                jobs.append(job)
        return self.problem.replace(jobs=tuple(jobs))


@dataclass(frozen=True, slots=True)
class _Change:
    """A job given to another postman: what becomes of the routes, and the extra cost. It gains most that ranks lowest."""

    rank: tuple[bool, int]
    routes: Mapping[int, tuple[int, ...]]
    is_gain: bool


def _most_worth(
    problem: Problem, timetable: Timetable, cap: _Cap, visits: Visits, wanted: Visits
) -> tuple[Visits, set[int]]:
    """`visits` with as many jobs as may be given to whom `wanted` gives them, and the jobs that may change hands.

    One by one that which then saves most; what saves nothing alone stays, but may still change hands beside others.
    """
    insertion = Insertion(problem, timetable)
    routes = list(visits)
    takers = {number: index for index, route in enumerate(wanted) for number in route}
    free = cap.moved(visits)
    waiting = cap.moved(wanted) - free
    changes = {number: _change(problem, insertion, routes, number, takers[number]) for number in waiting}
    while waiting and len(free) < (cap.most or 0):
        number = min(waiting, key=lambda n: (changes[n].rank, n))
        waiting.remove(number)
        free.add(number)
        if changes[number].is_gain:
            touched = changes[number].routes
            for index, route in touched.items():
                routes[index] = route
            for other in waiting:
                if takers[other] in touched or any(other in routes[index] for index in touched):
                    changes[other] = _change(problem, insertion, routes, other, takers[other])
    return tuple(routes), free


def _change(
    problem: Problem, insertion: Insertion, routes: Sequence[tuple[int, ...]], number: int, taker: int
) -> _Change:
    giver = next((index for index, route in enumerate(routes) if number in route), None)
    left_out = giver is None
    rest = () if giver is None else tuple(n for n in routes[giver] if n != number)
    found = insertion.cheapest(taker, routes[taker], number)
    if found is None or (giver is not None and not insertion.fits(giver, rest)):
        return _Change((True, MAX_INSTANT), {}, is_gain=False)
    after = {taker: found[1]} if giver is None else {taker: found[1], giver: rest}
    extra = found[0]
    if giver is not None:
        costs = [insertion.timetable.cost(giver, route) or 0 for route in (rest, routes[giver])]
        extra += costs[0] - costs[1]
    prize = problem.tasks[number].prize
    if left_out and prize is not None:
        extra -= prize
    must = left_out and prize is None
    return _Change((not must, extra), after, is_gain=must or extra < 0)


def _inserted(problem: Problem, running: Solution, timetable: Timetable, cap: _Cap) -> Visits:
    """The running plan without what no longer fits, and everything else where it costs least, most urgent first."""
    insertion = Insertion(problem, timetable)
    routes = list(frozen_visits(problem))
    for index, route in enumerate(routes):
        if route and not insertion.fits(index, route):
            sentence = "what has happened breaks the vehicle's breaks, capacity or limits"
            raise InvalidProblem("lock", f"vehicles[{index}]", problem.vehicles[index].id, sentence)
    placed = {number for route in routes for number in route}
    for index, route in enumerate(visits_of(problem, running)):
        kept = [
            n for n in route
            if n not in placed and problem.may_serve(problem.vehicles[index], problem.tasks[n])
        ]  # fmt: skip
        routes[index] = _kept(problem, insertion, index, routes[index], kept)
        placed.update(routes[index])
    waiting = [n for n in range(problem.stops) if n not in placed and problem.tasks[n].kind is not TaskKind.DELIVERY]
    waiting.sort(key=lambda n: (problem.tasks[n].lock is Lock.FREE, -problem.tasks[n].priority, n))
    moved = 0
    for number in waiting:
        bound = number in cap.homes and cap.most is not None and moved >= cap.most
        places = [
            (found[0], index, found[1])
            for index in ([cap.homes[number]] if bound else range(len(routes)))
            if (found := insertion.cheapest(index, routes[index], number)) is not None
        ]
        if places:
            cost, index, new = min(places)
            prize = problem.tasks[number].prize
            if prize is None or cost <= prize:
                routes[index] = new
                moved += cap.homes.get(number, index) != index
    return tuple(routes)


def _kept(
    problem: Problem, insertion: Insertion, index: int, frozen: tuple[int, ...], wanted: list[int]
) -> tuple[int, ...]:
    """The frozen part and behind it as much of the rest, in its order, as still fits."""
    route = (*frozen, *wanted)
    if not wanted or (_whole(problem, route) and insertion.fits(index, route)):
        return route
    route = frozen
    for number in wanted:
        task = problem.tasks[number]
        if task.kind in (TaskKind.DELIVERY, TaskKind.RELOAD) and number not in route:
            if task.kind is TaskKind.RELOAD and insertion.fits(index, (*route, number)):
                route = (*route, number)
            continue
        if task.partner is None and insertion.fits(index, (*route, number)):
            route = (*route, number)
        elif (found := insertion.cheapest(index, route, number)) is not None:
            route = found[1]
    return route


def _whole(problem: Problem, route: tuple[int, ...]) -> bool:
    """Whether every shipment in the route has both its ends there, and kept ranks rise."""
    ranks = [rank for n in route if (rank := problem.tasks[n].rank) is not None]
    return ranks == sorted(ranks) and all(
        (partner := problem.tasks[n].partner) is None or partner in route for n in route
    )


class _Day:
    """The problem with what has begun by `now` frozen and every postman where he is."""

    def __init__(self, problem: Problem, running: Solution, now: int | None, positions: dict[int, int]) -> None:
        self.given = problem
        self.running = running
        self.now = now
        self.positions = positions
        self.stand_ins: dict[int, int] = {}
        vehicles = {vehicle.id for vehicle in problem.vehicles}
        for vehicle, place in positions.items():
            if now is None:
                raise InvalidProblem("position", "positions", vehicle, "a position needs the time it was taken: now")
            if vehicle not in vehicles:
                raise InvalidProblem("position", "positions", vehicle, "there is no such vehicle")
            if not 0 <= place < problem.size:
                raise InvalidProblem("position", f"positions[{vehicle}]", place, "there is no such location")

    def problem(self) -> Problem:
        """The day as it can still be planned."""
        if self.now is None:
            return self.given
        jobs = {job.id: job for job in self.given.jobs}
        routes = {route.vehicle: route for route in self.running.routes}
        vehicles = []
        for vehicle in self.given.vehicles:
            facts = list(self._facts(vehicle, routes.get(vehicle.id), jobs))
            _freeze(jobs, vehicle, facts)
            vehicles.append(vehicle if any(_is_past(job, vehicle) for job in jobs.values()) else self._later(vehicle))
        return self.given.replace(jobs=tuple(jobs.values()), vehicles=tuple(vehicles))

    def _later(self, vehicle: Vehicle) -> Vehicle:
        """Who has not set out does so from now on; whoever's shift is over does not any more."""
        now = self.now or 0
        opens, closes = vehicle.time_window or (0, MAX_INSTANT)
        return dataclasses.replace(vehicle, time_window=(max(opens, min(now, closes)), closes))

    def _facts(self, vehicle: Vehicle, route: Route | None, jobs: dict[int, Job]) -> Iterator[tuple[Job, int]]:
        """What the vehicle has begun, then where it is: jobs and when they began."""
        now = self.now or 0
        own = [job for job in jobs.values() if _is_past(job, vehicle)]
        begun = [] if route is None else [s for s in route.calls if s.begins <= now and not self._is_known(s, jobs)]
        known = {job.id for job in own}
        facts: list[tuple[Job, int]] = [(job, job.locked_time or 0) for job in own]
        for step in begun:
            if step.kind is not StepKind.JOB:
                raise NotSupported(
                    "not_supported", "running", step.id, f"a {step.kind} that has begun cannot be frozen"
                )
            if step.id in jobs and step.id not in known:
                facts.append((jobs[step.id], step.begins))
        left = max((began + job.setup + job.service for job, began in facts), default=None)
        if vehicle.id in self.positions:
            if left is not None or route is not None:
                facts.append((self._stand_in(vehicle, self.positions[vehicle.id], jobs), max(now, left or 0)))
        elif route is not None and (left is None or left < now) and route.steps[0].arrival <= now:
            coming = next((s for s in route.calls if s.begins > now), None)
            if coming is not None and coming.kind is StepKind.JOB and coming.id in jobs:
                if jobs[coming.id].lock is not Lock.FROZEN:
                    facts.append((jobs[coming.id], coming.begins))
            elif facts:
                is_home = coming is None and route.steps[-1].arrival <= now and vehicle.end is not None
                place = vehicle.end if is_home and vehicle.end is not None else facts[-1][0].location_index
                facts.append((self._stand_in(vehicle, place, jobs), now))
        facts.sort(key=lambda fact: fact[1])
        yield from facts

    def _is_known(self, step: Step, jobs: dict[int, Job]) -> bool:
        """Whether the caller has frozen the job itself, perhaps with another postman than planned."""
        return step.kind is StepKind.JOB and step.id in jobs and jobs[step.id].lock is Lock.FROZEN

    def _stand_in(self, vehicle: Vehicle, place: int, jobs: dict[int, Job]) -> Job:
        """A job that stands for being at a place now."""
        number = max(jobs, default=0) + 1
        self.stand_ins[vehicle.id] = number
        return Job(id=number, location_index=place, description="present position")


def _is_past(job: Job, vehicle: Vehicle) -> bool:
    return job.lock is Lock.FROZEN and job.locked_vehicle == vehicle.id


def _freeze(jobs: dict[int, Job], vehicle: Vehicle, facts: list[tuple[Job, int]]) -> None:
    """Put the facts in front of the vehicle's kept order."""
    done = {job.id for job, _ in facts}
    behind = [job for job in jobs.values() if job.locked_vehicle == vehicle.id and job.id not in done]
    behind = sorted((job for job in behind if job.locked_rank is not None), key=lambda job: job.locked_rank or 0)
    for rank, (job, began) in enumerate(facts):
        # It has happened: whoever may do it and when is no question any more.
        jobs[job.id] = dataclasses.replace(
            job, lock=Lock.FROZEN, locked_vehicle=vehicle.id, locked_rank=rank, locked_time=began, time_windows=(),
            skills=frozenset(), allowed_vehicles=None, prize=None,
        )  # fmt: skip
    for rank, job in enumerate(behind, len(facts)):
        jobs[job.id] = dataclasses.replace(job, locked_rank=rank)
