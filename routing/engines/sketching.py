"""A plan in milliseconds and a good one in a second: regret insertion, then strings of visits taken out and put back.

The search follows Christiaens and Vanden Berghe (Slack Induction by String Removals, 2020) on arrays: every gap of
a route is judged for all loose tasks at once. It is a sketch: shipments stay where they are, and places are looked for
with the average times of ferries. Whoever uses the plan verifies each route; the complete engine goes on from there.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from routing.engines.slack import NEVER, Numbers, Sketched, Slack, adds_nothing
from routing.insertion import Insertion
from routing.problem import MAX_PRIORITY, Lock, Problem, Task, TaskKind, Visits, frozen_visits
from routing.timetable import Timetable

_LONGEST_STRING: Final = 10
_LOOSENED: Final = 10  # visits taken out at a time, on average
_PATIENCE_SECONDS: Final = 0.5
_BLINK: Final = 0.01  # now and then the best place is overlooked
_HOT, _WARM, _COLD = 1.0, 0.1, 0.01  # temperatures, as shares of what a visit costs on average
_NEIGHBOURS: Final = 100
_CLOSE: Final = 12  # neighbours whose routes are tried
_WAITING: Final = 8  # left-out tasks that are tried again at a time
_TRIED: Final = 16  # places for a task with a new reload that are looked at
_SAVED: Final = 20  # lost visits for which another place is looked for
_SEATS: Final = 6  # tasks at a time for which a new trip is tried


class _Plan:
    """Routes under construction; copies share what they do not change."""

    def __init__(self, sketch: Slack, routes: list[Sketched]) -> None:
        self.sketch = sketch
        self.routes = routes

    @property
    def cost(self) -> float:
        return sum(route.cost for route in self.routes)

    @property
    def visits(self) -> Visits:
        return tuple(self._busy(index, route) for index, route in enumerate(self.routes))

    def _busy(self, vehicle_index: int, route: Sketched) -> tuple[int, ...]:
        def holds(visits: tuple[int, ...]) -> bool:
            fewer = self.sketch.route(vehicle_index, visits)
            return fewer is not None and fewer.cost <= route.cost

        return _busy(self.sketch.problem, route.visits, holds)

    def put(self, vehicle_index: int, gap: int, number: int) -> bool:
        route = self.routes[vehicle_index]
        visits = (*route.visits[:gap], number, *route.visits[gap:])
        grown = self.sketch.route(vehicle_index, visits, (route, gap))
        if grown is not None:
            self.routes[vehicle_index] = grown
        return grown is not None

    def open_trip(self, number: int, among: Iterable[int]) -> int | None:
        """Put the task with a new reload beside it, where that costs least; the vehicle, None where none was found."""
        sketch = self.sketch
        places: list[tuple[float, int, tuple[int, ...]]] = []
        for index in among:
            route = self.routes[index]
            if not route.visits or sketch.banned[number, index]:
                continue
            for reload in sketch.reloads[index]:
                for pair in ((reload, number), (number, reload)):
                    extra = sketch.detours(index, route, pair)
                    nearest = np.argsort(extra)[:_TRIED]
                    places += [
                        (float(extra[gap]), index, (*route.visits[:gap], *pair, *route.visits[gap:]))
                        for gap in nearest.tolist()
                        if extra[gap] < NEVER
                    ]
        places.sort(key=lambda place: place[0])
        for _, index, visits in places[:_TRIED]:
            grown = sketch.route(index, visits)
            if grown is not None:
                self.routes[index] = grown
                return index
        return None


def first_plan(
    problem: Problem, start: Visits | None = None, tell: Callable[[Visits], None] = lambda _: None
) -> Visits:
    """Routes for as many jobs as fit easily, those first that would regret waiting most.

    What takes long is told in parts, so that there is a plan whenever the time is up.
    """
    told = time.monotonic()
    sketch = Slack(problem)
    plan = _begun(sketch, start)
    loose = _loose(problem, plan)
    weight = np.array([_urgency(problem.tasks[number]) for number in loose.tolist()], dtype=np.float64)
    worth = np.array([_worth(problem.tasks[number]) for number in loose.tolist()], dtype=np.float64)
    cost = np.full((len(loose), len(problem.vehicles)), NEVER)
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
        lowest = np.where(lowest < worth, lowest, NEVER)
        keep = np.ones(len(loose), dtype=np.bool_)
        if (lowest >= NEVER).all():
            opened = _opened(plan, loose[np.argsort(-weight, kind="stable")[:_SEATS]].tolist())
            if opened is None:
                break
            number, vehicle_index = opened
            keep = loose != number
        else:
            others = cost.copy()
            others[rows, chosen] = NEVER
            regret = np.minimum(others.min(axis=1), 1e12) - lowest + 1e13 * weight
            row = int(np.where(lowest >= NEVER, -NEVER, regret).argmax())
            vehicle_index = int(chosen[row])
            if plan.put(vehicle_index, int(gap[row, vehicle_index]), int(loose[row])):
                keep[row] = False
            else:
                sketch.banned[loose[row], vehicle_index] = True
        stale = [vehicle_index]
        loose, weight, worth, cost, gap = loose[keep], weight[keep], worth[keep], cost[keep], gap[keep]
        if time.monotonic() > told + _PATIENCE_SECONDS:
            tell(plan.visits)
            told = time.monotonic()
    return plan.visits


def _opened(plan: _Plan, numbers: list[int]) -> tuple[int, int] | None:
    """The first of the tasks for which a new trip is possible, and its vehicle."""
    if not any(plan.sketch.reloads):
        return None
    for number in numbers:
        index = plan.open_trip(number, range(len(plan.routes)))
        if index is not None:
            return number, index
    return None


def improved_plan(problem: Problem, start: Visits, *, seconds: float, seed: int, good: bool = False) -> Visits:
    """The start after `seconds` of taking out strings of visits and putting them back, with a falling temperature.

    A start that is `good` already is not heated so much that nothing of it is left.
    """
    began = time.monotonic()
    chance = random.Random(seed)  # noqa: S311
    sketch = Slack(problem)
    plan = _begun(sketch, start)
    movable = [number for route in plan.routes for number in route.visits if _is_movable(problem.tasks[number])]
    out = _loose(problem, plan).tolist()
    if len(movable) < 2:
        return start
    chart = _Chart(sketch, movable + out)
    dear = 10 * plan.cost + 1e6
    loss = {
        n: dear * (1 + _urgency(problem.tasks[n])) if problem.tasks[n].prize is None else _worth(problem.tasks[n])
        for n in chart.everybody
    }
    value = plan.cost + sum(loss[n] for n in out)
    best, best_value = plan, value
    share = plan.cost / len(movable)
    hot = _WARM if good else _HOT
    while (passed := (time.monotonic() - began) / seconds) < 1:
        temperature = share * hot * (_COLD / hot) ** passed
        trial = _Plan(sketch, list(plan.routes))
        seat = chance.choice(chart.everybody)
        removed = _loosen(trial, chart, seat, chance)
        if removed is None:
            continue
        near = chart.rank_from(seat)
        waiting = sorted(out, key=lambda n: near.get(n, _NEIGHBOURS))[:_WAITING]
        left = _put_back(trial, chart, [*removed, *waiting], chance)
        resting = set(waiting)
        left += [n for n in out if n not in resting]
        new = trial.cost + sum(loss[n] for n in left)
        if new < value - temperature * math.log(1 - chance.random()):
            plan, value, out = trial, new, left
            if value < best_value:
                best, best_value = plan, value
    return best.visits


class _Chart:
    """Who lives near whom, and which vehicles may come at all."""

    def __init__(self, sketch: Slack, everybody: list[int]) -> None:
        self.everybody = everybody
        places = sketch.place[np.array(everybody)]
        distance = sketch.seconds[0][np.ix_(places, places)]
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :_NEIGHBOURS].tolist()
        self.near = {number: [everybody[i] for i in row] for number, row in zip(everybody, nearest, strict=True)}
        vehicles = np.arange(len(sketch.problem.vehicles))
        self.only = {
            number: vehicles[~sketch.banned[number]].tolist()
            for number in everybody
            if 2 * int(sketch.banned[number].sum()) > len(vehicles)
        }

    def rank_from(self, number: int) -> dict[int, int]:
        return {other: rank for rank, other in enumerate(self.near[number])}


def verified(problem: Problem, plan: Visits) -> Visits:
    """The plan without the visits that make a route impossible by the exact rules; its frozen part is possible."""
    return Proof(problem).verified(plan)


class Proof:
    """The exact rules applied to sketches and to engines' plans; a route once proven is not proven again."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.insertion = Insertion(problem, Timetable(problem))
        self.frozen = frozen_visits(problem)
        self.ferries = any(matrix.crossings is not None for matrix in problem.matrices.values())
        self._proven: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}

    def verified(self, plan: Visits) -> Visits:
        """The plan without the visits that make a route impossible."""
        return tuple(self._route(vehicle_index, visits) for vehicle_index, visits in enumerate(plan))

    def repaired(self, plan: Visits) -> Visits:
        """The plan with the visits that make a route impossible put elsewhere, as far as they fit.

        Where there are ferries, what was left out for their average time may fit as well.
        """
        kept = self.verified(plan)
        there = {number for route in kept for number in route}
        wanted = range(self.problem.stops) if self.ferries else (number for route in plan for number in route)
        lost = [n for n in wanted if n not in there and n < self.problem.stops]
        routes = [self._busy(index, route) for index, route in enumerate(kept)]
        for number in lost[:_SAVED]:
            if self.problem.tasks[number].kind is TaskKind.DELIVERY:
                continue
            places = [
                (found[0], index, found[1])
                for index in range(len(routes))
                if (found := self.insertion.cheapest(index, routes[index], number)) is not None
            ]
            if places:
                _, index, new = min(places)
                routes[index] = new
        return tuple(routes)

    def _busy(self, vehicle_index: int, visits: tuple[int, ...]) -> tuple[int, ...]:
        cost = self.insertion.timetable.cost(vehicle_index, visits)

        def holds(fewer: tuple[int, ...]) -> bool:
            new = self.insertion.timetable.cost(vehicle_index, fewer)
            return new is not None and (cost is None or new <= cost) and self.insertion.fits(vehicle_index, fewer)

        return _busy(self.problem, visits, holds)

    def _route(self, vehicle_index: int, visits: tuple[int, ...]) -> tuple[int, ...]:
        key = (vehicle_index, visits)
        if key not in self._proven:
            # A sketch is stricter than the rules where breaks and facts meet; what is frozen stays all the same.
            frozen = self.frozen[vehicle_index]
            kept = visits if visits[: len(frozen)] == frozen else frozen
            while len(kept) > len(frozen) and not self.insertion.fits(vehicle_index, kept):
                kept = _possible(self.problem, self.insertion, vehicle_index, kept, len(frozen))
                kept = self._busy(vehicle_index, kept)
            self._proven[key] = kept
        return self._proven[key]


def _possible(
    problem: Problem, insertion: Insertion, vehicle_index: int, visits: tuple[int, ...], frozen: int
) -> tuple[int, ...]:
    """The visits that fit one after the other, without the other ends of those that do not."""
    kept, rest = visits[:frozen], visits[frozen:]
    while rest:
        fit, too_many = 0, len(rest) + 1
        while too_many - fit > 1:
            middle = (fit + too_many) // 2
            if insertion.fits(vehicle_index, kept + rest[:middle]):
                fit = middle
            else:
                too_many = middle
        kept, rest = kept + rest[:fit], rest[fit + 1 :]
    there = set(kept)
    kept = tuple(n for n in kept if problem.tasks[n].partner is None or problem.tasks[n].partner in there)
    return kept if len(kept) < len(visits) else visits[:frozen]


def _busy(problem: Problem, visits: tuple[int, ...], holds: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """The visits without the reloads that do nothing, as far as the route `holds` without them.

    Even a reload right at the start can be of use: who loads there waits there for what comes late, and not at home.
    """
    busy = _without_idle(problem, visits)
    if busy == visits or holds(busy):
        return busy
    for at in reversed(range(len(visits))):
        fewer = visits[:at] + visits[at + 1 :]
        if problem.tasks[visits[at]].kind is TaskKind.RELOAD and holds(fewer):
            visits = fewer
    return visits


def _without_idle(problem: Problem, visits: tuple[int, ...]) -> tuple[int, ...]:
    """The visits without reloads at either end, or beside a reload that does as much."""
    tasks = problem.tasks
    busy: list[int] = []
    for number in visits:
        if tasks[number].kind is not TaskKind.RELOAD:
            busy.append(number)
        elif busy and tasks[busy[-1]].kind is TaskKind.RELOAD:
            if adds_nothing(tasks[busy[-1]], tasks[number]):
                busy[-1] = number
            elif not adds_nothing(tasks[number], tasks[busy[-1]]):
                busy.append(number)
        elif busy:
            busy.append(number)
    while busy and tasks[busy[-1]].kind is TaskKind.RELOAD:
        busy.pop()
    return tuple(busy)


def _begun(sketch: Slack, start: Visits | None) -> _Plan:
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
        [n for n in range(problem.stops) if n not in placed and _is_movable(problem.tasks[n])], dtype=np.int64
    )


def _urgency(task: Task) -> int:
    """Promises, then priorities, then all that must be served; what only has a prize comes last."""
    if task.prize is not None:
        return -1
    return MAX_PRIORITY + 1 if task.lock is not Lock.FREE else task.priority


def _worth(task: Task) -> float:
    """What serving the task may cost at most."""
    return NEVER if task.prize is None else float(task.prize)


def _loosen(plan: _Plan, chart: _Chart, seat: int, chance: random.Random) -> list[int] | None:
    """Take strings of neighbouring visits out of neighbouring routes; None when a route breaks by it."""
    where = {number: index for index, route in enumerate(plan.routes) for number in route.visits}
    average = max(1.0, len(where) / max(1, sum(bool(route.visits) for route in plan.routes)))
    longest = min(_LONGEST_STRING, average)
    strings = int(chance.random() * (4 * _LOOSENED / (1 + longest) - 1) + 1)
    removed: list[int] = []
    touched: set[int] = set()
    for number in chart.near[seat]:
        if len(touched) >= strings:
            break
        index = where.get(number)
        if index is None or index in touched:
            continue
        visits = plan.routes[index].visits
        length = int(chance.random() * min(len(visits), longest) + 1)
        at = visits.index(number)
        first = chance.randint(max(0, at - length + 1), min(at, len(visits) - length))
        string = [n for n in visits[first : first + length] if n in chart.near]
        if chance.random() < 0.5 and len(string) > 2:  # leave some of the string where it is
            kept = chance.randrange(1, len(string) - 1)
            spared = chance.randint(0, len(string) - kept)
            string = string[:spared] + string[spared + kept :]
        gone = set(string)
        shorter = _shortened(plan.sketch, index, tuple(n for n in visits if n not in gone))
        if shorter is None:
            return None
        plan.routes[index] = shorter
        touched.add(index)
        removed += string
    return removed


def _shortened(sketch: Slack, vehicle_index: int, visits: tuple[int, ...]) -> Sketched | None:
    """The route, without the reloads it can now do without."""
    route = sketch.route(vehicle_index, visits)
    at = 0
    while route is not None and at < len(visits):
        if visits[at] >= sketch.problem.stops:
            rest = (*visits[:at], *visits[at + 1 :])
            spared = sketch.route(vehicle_index, rest)
            if spared is not None and spared.cost <= route.cost:
                route, visits = spared, rest
                continue
        at += 1
    return route


def _put_back(plan: _Plan, chart: _Chart, loose: list[int], chance: random.Random) -> list[int]:
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
    among = _routes_near(plan, chart, loose, chance)
    cost = np.empty((len(loose), len(among)))
    gap = np.empty(cost.shape, dtype=np.int64)
    for column, index in enumerate(among):
        cost[:, column], gap[:, column] = sketch.places(index, plan.routes[index], numbers)
    left: list[int] = []
    for at, number in enumerate(loose):
        blinking = len(among) > 1 and chance.random() < _BLINK
        column = int(np.argpartition(cost[at], 1)[1]) if blinking else int(cost[at].argmin())
        index = among[column]
        if cost[at, column] >= _worth(sketch.problem.tasks[number]) or not plan.put(
            index, int(gap[at, column]), number
        ):
            opened = plan.open_trip(number, among) if len(left) < _SEATS and any(sketch.reloads) else None
            if opened is None:
                left.append(number)
                continue
            index = opened
            column = among.index(index)
        if at + 1 < len(loose):
            later = slice(at + 1, None)
            cost[later, column], gap[later, column] = sketch.places(index, plan.routes[index], numbers[later])
    return left


def _routes_near(plan: _Plan, chart: _Chart, loose: list[int], chance: random.Random) -> list[int]:
    """The routes worth trying: those of the tasks' neighbours, of who alone may serve them, and unused vehicles."""
    routes = plan.routes
    if len(routes) <= _CLOSE:
        return list(range(len(routes)))
    close = {other for number in loose for other in chart.near[number][:_CLOSE]}
    idle = [index for index, route in enumerate(routes) if not route.visits]
    among = {index for index, route in enumerate(routes) if not close.isdisjoint(route.visits)}
    among.update(chance.sample(idle, min(2, len(idle))))
    for number in loose:
        among.update(chart.only.get(number, ()))
    return sorted(among) or [0]
