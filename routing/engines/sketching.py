"""A plan in milliseconds and a good one in a second: regret insertion, then strings of visits taken out and put back.

The search follows Christiaens and Vanden Berghe (Slack Induction by String Removals, 2020) on arrays: every gap of
every route is judged for all loose tasks at once. It is a sketch: shipments stay where they are, breaks only shorten
the shift. Whoever uses the plan verifies each route; the complete engine goes on from there.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.insertion import Insertion
from routing.problem import (
    MAX_INSTANT,
    MAX_PRIORITY,
    UNREACHABLE,
    Lock,
    Problem,
    Task,
    TaskKind,
    Vehicle,
    Visits,
    frozen_visits,
    travel_seconds,
)
from routing.timetable import Timetable, first_begin

Numbers: TypeAlias = NDArray[np.int64]

_FAR: Final = 4 * MAX_INSTANT
_NEVER: Final = 1e18
_LONGEST_STRING: Final = 10
_LOOSENED: Final = 10  # visits taken out at a time, on average
_PATIENCE_SECONDS: Final = 0.5
_BLINK: Final = 0.01  # now and then the best place is overlooked
_HOT, _COLD = 1.0, 0.01  # temperatures, as shares of what a visit costs on average


@dataclass(frozen=True, slots=True)
class _Sketched:
    """A route and its slack; gap g lies before the g-th visit, the last one before the end."""

    visits: tuple[int, ...]
    cost: float
    before: Numbers
    after: Numbers
    leaves: Numbers
    latest: Numbers
    bring_room: Numbers
    fetch_room: Numbers


class _Sketch:
    """The problem as arrays over its tasks, and one growing route per vehicle."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.timetable = Timetable(problem)
        tasks = problem.tasks
        self.place: Numbers = np.array([task.location_index for task in tasks], dtype=np.int64)
        self.setup: Numbers = np.array([task.setup for task in tasks], dtype=np.int64)
        self.service: Numbers = np.array([task.service for task in tasks], dtype=np.int64)
        self.opens: Numbers = np.array([min((a for a, _ in t.time_windows), default=0) for t in tasks], dtype=np.int64)
        self.closes: Numbers = np.array(
            [max((b for _, b in t.time_windows), default=_FAR) for t in tasks], dtype=np.int64
        )
        shape = (len(tasks), problem.dimensions)
        jobs_only = [t.delivery if t.kind is TaskKind.JOB else (0,) * problem.dimensions for t in tasks]
        self.brought: Numbers = np.array(jobs_only, dtype=np.int64).reshape(shape)
        self.delivery: Numbers = np.array([t.delivery for t in tasks], dtype=np.int64).reshape(shape)
        self.pickup: Numbers = np.array([t.pickup for t in tasks], dtype=np.int64).reshape(shape)
        self.seconds = [travel_seconds(problem.matrices[v.profile], v.speed_factor) for v in problem.vehicles]
        self.prices = [self._price(v) for v in range(len(problem.vehicles))]
        self.strange = np.array([[self._strange(v, t) for v in problem.vehicles] for t in tasks], dtype=np.float64)
        self.banned = np.array([[not problem.may_serve(v, t) for v in problem.vehicles] for t in tasks], dtype=np.bool_)
        self.rests = [sum(rest.service for rest in vehicle.breaks) for vehicle in problem.vehicles]
        self.frozen = [
            sum(t.lock is Lock.FROZEN and t.locked_vehicle == vehicle.id for t in tasks) for vehicle in problem.vehicles
        ]

    def _price(self, vehicle_index: int) -> NDArray[np.float64]:
        vehicle = self.problem.vehicles[vehicle_index]
        matrix = self.problem.matrices[vehicle.profile]
        if matrix.cost is not None:
            return matrix.cost.astype(np.float64)
        price = self.seconds[vehicle_index] * (vehicle.costs.per_hour / 3600)
        if matrix.metres is not None and vehicle.costs.per_km:
            price = price + matrix.metres * (vehicle.costs.per_km / 1000)
        return np.asarray(price, dtype=np.float64)

    def _strange(self, vehicle: Vehicle, task: Task) -> float:
        strange = task.preferred_vehicles and vehicle.id not in task.preferred_vehicles
        return float(task.preference_cost) if strange else 0.0

    def route(self, vehicle_index: int, visits: tuple[int, ...]) -> _Sketched | None:
        """The route with its slack, None when it breaks a window, the shift, a load or a limit."""
        vehicle, tasks = self.problem.vehicles[vehicle_index], self.problem.tasks
        seconds = self.timetable.seconds(vehicle)
        opens, closes = vehicle.time_window or (0, _FAR)
        if vehicle.max_tasks is not None and len(visits) > vehicle.max_tasks:
            return None
        leaves, actions, place, now, travel = [opens], [], vehicle.start, opens, 0
        for number in visits:
            task = tasks[number]
            to = task.location_index
            way = 0 if place is None else seconds[place][to]
            begins = first_begin(task.time_windows, now + way) if task.happened_at is None else task.happened_at
            if way == UNREACHABLE or begins is None:
                return None
            actions.append(task.service + (0 if place == to else task.setup))
            now = begins + actions[-1]
            travel += way
            leaves.append(now)
            place = to
        home = 0 if place is None or vehicle.end is None else seconds[place][vehicle.end]
        closes -= self.rests[vehicle_index]
        if visits and (home == UNREACHABLE or now + home > closes):
            return None
        if visits and vehicle.max_travel_time is not None and travel + home > vehicle.max_travel_time:
            return None
        latest, after = [closes], vehicle.end
        for number, action in zip(reversed(visits), reversed(actions), strict=True):
            task = tasks[number]
            bound = latest[-1] - action - (0 if after is None else seconds[task.location_index][after])
            fitting = [min(b, bound) for a, b in task.time_windows if a <= bound] if task.time_windows else [bound]
            latest.append(max(fitting, default=-1))
            after = task.location_index
        latest.reverse()
        chosen = np.array(visits, dtype=np.int64)
        rooms = self._rooms(vehicle.capacity, chosen)
        if rooms is None:
            return None
        doors = self.place[chosen]
        return _Sketched(
            visits=visits,
            cost=float(self.timetable.cost_lines(vehicle, [tasks[number] for number in visits]).total),
            before=np.concatenate([[vehicle.start or 0], doors]),
            after=np.concatenate([doors, [vehicle.end or 0]]),
            leaves=np.array(leaves, dtype=np.int64),
            latest=np.array(latest, dtype=np.int64),
            bring_room=rooms[0],
            fetch_room=rooms[1],
        )

    def _rooms(self, capacity: tuple[int, ...], chosen: Numbers) -> tuple[Numbers, Numbers] | None:
        """Per gap and dimension what more may be brought there, and fetched there; None when it is too much already."""
        most = np.array(capacity, dtype=np.int64)
        change = self.pickup[chosen] - self.delivery[chosen]
        load = self.brought[chosen].sum(axis=0) + np.vstack([np.zeros_like(most), np.cumsum(change, axis=0)])
        if (load > most).any():
            return None
        return most - np.maximum.accumulate(load, axis=0), most - np.maximum.accumulate(load[::-1], axis=0)[::-1]

    def places(self, vehicle_index: int, route: _Sketched, loose: Numbers) -> tuple[NDArray[np.float64], Numbers]:
        """For each loose task its cheapest gap in the route: extra cost (`_NEVER` where none is free) and gap."""
        vehicle = self.problem.vehicles[vehicle_index]
        seconds, prices = self.seconds[vehicle_index], self.prices[vehicle_index]
        before, after, place = route.before[:, None], route.after[:, None], self.place[loose]
        there, onward = seconds[before, place], seconds[place, after]
        price_there, price_onward = prices[before, place], prices[place, after]
        direct = prices[route.before, route.after]
        if vehicle.start is None:
            there[0] = price_there[0] = direct[0] = 0
        if vehicle.end is None:
            onward[-1] = price_onward[-1] = direct[-1] = 0
        if not route.visits:
            direct = direct * 0 - vehicle.costs.fixed
        begins = np.maximum(route.leaves[:, None] + there, self.opens[loose])
        done = begins + self.service[loose] + np.where(place == before, 0, self.setup[loose])
        fits = (begins <= self.closes[loose]) & (done + onward <= route.latest[:, None])
        fits &= (there != UNREACHABLE) & (onward != UNREACHABLE) & ~self.banned[loose, vehicle_index]
        for dimension in range(self.problem.dimensions):
            # What is brought lies in the bag up to the door, what is fetched from the door on.
            fits &= self.brought[loose, dimension] <= route.bring_room[:, None, dimension]
            fits &= self.pickup[loose, dimension] <= route.fetch_room[:, None, dimension]
        fits[: self.frozen[vehicle_index]] = False
        cost = np.where(fits, price_there + price_onward - direct[:, None] + self.strange[loose, vehicle_index], _NEVER)
        gap = cost.argmin(axis=0)
        return cost[gap, np.arange(len(loose))], gap


class _Plan:
    """Routes under construction; copies share what they do not change."""

    def __init__(self, sketch: _Sketch, routes: list[_Sketched]) -> None:
        self.sketch = sketch
        self.routes = routes

    @property
    def cost(self) -> float:
        return sum(route.cost for route in self.routes)

    def put(self, vehicle_index: int, gap: int, number: int) -> bool:
        visits = self.routes[vehicle_index].visits
        grown = self.sketch.route(vehicle_index, (*visits[:gap], number, *visits[gap:]))
        if grown is not None:
            self.routes[vehicle_index] = grown
        return grown is not None


def first_plan(
    problem: Problem, start: Visits | None = None, tell: Callable[[Visits], None] = lambda _: None
) -> Visits:
    """Routes for as many jobs as fit easily, those first that would regret waiting most.

    What takes long is told in parts, so that there is a plan whenever the time is up.
    """
    told = time.monotonic()
    sketch = _Sketch(problem)
    plan = _begun(sketch, start)
    loose = _loose(problem, plan)
    weight = np.array([_urgency(problem.tasks[number]) for number in loose.tolist()], dtype=np.float64)
    cost = np.full((len(loose), len(problem.vehicles)), _NEVER)
    gap = np.zeros(cost.shape, dtype=np.int64)
    stale = list(range(len(problem.vehicles)))
    while len(loose):
        for vehicle_index in stale:
            cost[:, vehicle_index], gap[:, vehicle_index] = sketch.places(
                vehicle_index, plan.routes[vehicle_index], loose
            )
        rows = np.arange(len(loose))
        chosen = cost.argmin(axis=1)
        lowest = cost[rows, chosen]
        if (lowest >= _NEVER).all():
            break
        others = cost.copy()
        others[rows, chosen] = _NEVER
        regret = np.minimum(others.min(axis=1), 1e12) - lowest + 1e13 * weight
        row = int(np.where(lowest >= _NEVER, -_NEVER, regret).argmax())
        vehicle_index = int(chosen[row])
        stale = [vehicle_index]
        if not plan.put(vehicle_index, int(gap[row, vehicle_index]), int(loose[row])):
            sketch.banned[loose[row], vehicle_index] = True
            continue
        if time.monotonic() > told + _PATIENCE_SECONDS:
            tell(tuple(route.visits for route in plan.routes))
            told = time.monotonic()
        keep = rows != row
        loose, weight, cost, gap = loose[keep], weight[keep], cost[keep], gap[keep]
    return tuple(route.visits for route in plan.routes)


def improved_plan(problem: Problem, start: Visits, *, seconds: float, seed: int) -> Visits:
    """The start after `seconds` of taking out strings of visits and putting them back, with a falling temperature."""
    began = time.monotonic()
    chance = random.Random(seed)  # noqa: S311
    sketch = _Sketch(problem)
    plan = _begun(sketch, start)
    movable = [number for route in plan.routes for number in route.visits if _is_movable(problem.tasks[number])]
    out = _loose(problem, plan).tolist()
    if len(movable) < 2:
        return start
    places = sketch.place[np.array(movable + out)]
    distance = sketch.seconds[0][np.ix_(places, places)]
    everybody = movable + out
    near = {number: [everybody[i] for i in np.argsort(distance[at])] for at, number in enumerate(everybody)}
    dear = 10 * plan.cost + 1e6
    value = plan.cost + sum(dear * (1 + _urgency(problem.tasks[n])) for n in out)
    best, best_value = list(plan.routes), value
    share = plan.cost / len(movable)
    while (passed := (time.monotonic() - began) / seconds) < 1:
        temperature = share * _HOT * (_COLD / _HOT) ** passed
        trial = _Plan(sketch, list(plan.routes))
        removed = _loosen(trial, near, everybody, chance)
        if removed is None:
            continue
        left = _put_back(trial, [*removed, *out], chance)
        new = trial.cost + sum(dear * (1 + _urgency(problem.tasks[n])) for n in left)
        if new < value - temperature * math.log(1 - chance.random()):
            plan, value, out = trial, new, left
            if value < best_value:
                best, best_value = list(plan.routes), value
    return tuple(route.visits for route in best)


def verified(problem: Problem, plan: Visits) -> Visits:
    """The plan without the visits that make a route impossible by the exact rules; its frozen part is possible."""
    insertion = Insertion(problem, Timetable(problem))
    routes = []
    for vehicle_index, (visits, frozen) in enumerate(zip(plan, frozen_visits(problem), strict=True)):
        # A sketch is stricter than the rules where breaks and facts meet; what is frozen stays all the same.
        kept = visits if visits[: len(frozen)] == frozen else frozen
        while kept and not insertion.fits(vehicle_index, kept):
            last = next(n for n in reversed(kept) if problem.tasks[n].lock is not Lock.FROZEN)
            kept = tuple(n for n in kept if n not in (last, problem.tasks[last].partner))
        routes.append(kept)
    return tuple(routes)


def _begun(sketch: _Sketch, start: Visits | None) -> _Plan:
    """The plan to build on: the given routes, or the visits whose order is kept, as far as they work."""
    problem = sketch.problem
    plan = _Plan(sketch, [])
    for vehicle_index, vehicle in enumerate(problem.vehicles):
        if start is not None:
            wanted = start[vehicle_index]
        else:
            ranked = [(t.rank, n) for n, t in enumerate(problem.tasks) if t.rank is not None]
            wanted = tuple(n for _, n in sorted(ranked) if problem.may_serve(vehicle, problem.tasks[n]))
        visits: tuple[int, ...] = ()
        whole = sketch.route(vehicle_index, wanted)
        if whole is None:
            for number in wanted:
                if sketch.route(vehicle_index, (*visits, number)) is not None:
                    visits = (*visits, number)
            whole = sketch.route(vehicle_index, visits)
        if whole is None:
            raise AssertionError("a vehicle that stays at home breaks no rule")
        plan.routes.append(whole)
    return plan


def _is_movable(task: Task) -> bool:
    return task.kind is TaskKind.JOB and task.rank is None


def _loose(problem: Problem, plan: _Plan) -> Numbers:
    placed = {number for route in plan.routes for number in route.visits}
    return np.array(
        [n for n, task in enumerate(problem.tasks) if n not in placed and _is_movable(task)], dtype=np.int64
    )


def _urgency(task: Task) -> int:
    return MAX_PRIORITY + 1 if task.lock is not Lock.FREE else task.priority


def _loosen(plan: _Plan, near: dict[int, list[int]], everybody: list[int], chance: random.Random) -> list[int] | None:
    """Take strings of neighbouring visits out of neighbouring routes; None when a route breaks by it."""
    where = {number: index for index, route in enumerate(plan.routes) for number in route.visits}
    average = max(1.0, len(where) / max(1, sum(bool(route.visits) for route in plan.routes)))
    longest = min(_LONGEST_STRING, average)
    strings = int(chance.random() * (4 * _LOOSENED / (1 + longest) - 1) + 1)
    removed: list[int] = []
    touched: set[int] = set()
    for number in near[chance.choice(everybody)]:
        if len(touched) >= strings:
            break
        index = where.get(number)
        if index is None or index in touched:
            continue
        visits = plan.routes[index].visits
        length = int(chance.random() * min(len(visits), longest) + 1)
        at = visits.index(number)
        first = chance.randint(max(0, at - length + 1), min(at, len(visits) - length))
        string = [n for n in visits[first : first + length] if n in near]
        if chance.random() < 0.5 and len(string) > 2:  # leave some of the string where it is
            kept = chance.randrange(1, len(string) - 1)
            spared = chance.randint(0, len(string) - kept)
            string = string[:spared] + string[spared + kept :]
        gone = set(string)
        shorter = plan.sketch.route(index, tuple(n for n in visits if n not in gone))
        if shorter is None:
            return None
        plan.routes[index] = shorter
        touched.add(index)
        removed += string
    return removed


def _put_back(plan: _Plan, loose: list[int], chance: random.Random) -> list[int]:
    """Put every loose task where it costs least, in one of several orders; returns those that found no place."""
    sketch = plan.sketch
    order = chance.choice(("any", "any", "far", "near", "tight"))
    chance.shuffle(loose)
    if order == "tight":
        loose.sort(key=lambda n: int(sketch.closes[n] - sketch.opens[n]))
    elif order != "any":
        depot = sketch.problem.vehicles[0].start or 0
        loose.sort(key=lambda n: int(sketch.seconds[0][depot, sketch.place[n]]), reverse=order == "far")
    numbers = np.array(loose, dtype=np.int64)
    cost = np.empty((len(loose), len(plan.routes)))
    gap = np.empty(cost.shape, dtype=np.int64)
    for index, route in enumerate(plan.routes):
        cost[:, index], gap[:, index] = sketch.places(index, route, numbers)
    left = []
    for at, number in enumerate(loose):
        blinking = cost.shape[1] > 1 and chance.random() < _BLINK
        index = int(np.argpartition(cost[at], 1)[1]) if blinking else int(cost[at].argmin())
        if cost[at, index] >= _NEVER or not plan.put(index, int(gap[at, index]), number):
            left.append(number)
            continue
        if at + 1 < len(loose):
            later = slice(at + 1, None)
            cost[later, index], gap[later, index] = sketch.places(index, plan.routes[index], numbers[later])
    return left
