"""A second opinion, as naive as can be: one postman's day is played second by second, every choice at once.

It shares nothing with the timetable or the checker but the problem itself, and is only fit for days of some hundred
seconds.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

from routing import UNREACHABLE, Problem
from routing.problem import Lock, TaskKind

END_OF_TIME = 400


def earliest_end(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> int | None:
    """When the vehicle can be done with these visits and its breaks, None when it cannot.

    A state is (visits done, travel left, work left, breaks taken, rest left). Each second every state moves on in every
    way it may; the day is over in the first second in which some state has nothing left to do.
    """
    vehicle = problem.vehicles[vehicle_index]
    opens, closes = vehicle.time_window or (0, END_OF_TIME)
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]
    legs = []
    for a, b in itertools.pairwise(places):
        if a is None or b is None:
            legs.append(0)
            continue
        given = int(problem.matrices[vehicle.profile].seconds[a, b])
        if given == UNREACHABLE:
            return None
        legs.append(int(Fraction(given) / Fraction(vehicle.speed_factor) + Fraction(1, 2)))
    work = [
        problem.tasks[n].service + (0 if places[at] == places[at + 1] else problem.tasks[n].setup)
        for at, n in enumerate(order)
    ]
    everything = frozenset(range(len(vehicle.breaks)))
    states = {(0, legs[0], 0, frozenset(), 0)}
    for now in range(opens, closes + 1):
        states = _begun(problem, vehicle, order, work, legs, states, now)
        if any(s == (len(order), 0, 0, everything, 0) for s in states):
            return now
        states = {_passed(s) for s in states}
    return None


def _begun(problem, vehicle, order, work, legs, states, now):
    """All states that can be chosen at this instant, without time passing."""
    seen, new = set(states), list(states)
    while new:
        done, travel, working, taken, resting = new.pop()
        options = []
        if resting == 0 and working == 0:
            options += [
                (done, travel, 0, taken | {b}, rest.service)
                for b, rest in enumerate(vehicle.breaks)
                if b not in taken and (not rest.time_windows or any(a <= now <= z for a, z in rest.time_windows))
            ]
            if travel == 0 and done < len(order):
                windows = problem.tasks[order[done]].time_windows
                if not windows or any(a <= now <= z for a, z in windows):
                    # -1 marks work that is over at once
                    options.append((done, 0, work[done] or -1, taken, 0))
        if working == -1:
            options.append((done + 1, legs[done + 1], 0, taken, 0))
        for option in options:
            if option not in seen:
                seen.add(option)
                new.append(option)
    return {s for s in seen if s[2] != -1}


def _passed(state):
    done, travel, working, taken, resting = state
    if resting:
        return (done, travel, working, taken, resting - 1)
    if working:
        return (done, travel, working - 1 or -1, taken, 0)
    return (done, max(0, travel - 1), 0, taken, 0)


def naive_cost(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> int:
    if not order:
        return 0
    vehicle = problem.vehicles[vehicle_index]
    matrix = problem.matrices[vehicle.profile]
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]
    legs = [(a, b) for a, b in itertools.pairwise(places) if a is not None and b is not None]
    seconds = sum(
        int(Fraction(int(matrix.seconds[leg])) / Fraction(vehicle.speed_factor) + Fraction(1, 2)) for leg in legs
    )
    metres = 0 if matrix.metres is None else sum(int(matrix.metres[leg]) for leg in legs)
    work = sum(
        problem.tasks[n].service + (0 if came == problem.tasks[n].location_index else problem.tasks[n].setup)
        for came, n in zip(places, order, strict=False)
    )
    half = Fraction(1, 2)
    return (
        vehicle.costs.fixed
        + int(Fraction(seconds * vehicle.costs.per_hour, 3600) + half)
        + int(Fraction(metres * vehicle.costs.per_km, 1000) + half)
        + int(Fraction(work * vehicle.costs.per_task_hour, 3600) + half)
        + sum(
            problem.tasks[n].preference_cost
            for n in order
            if problem.tasks[n].preferred_vehicles and vehicle.id not in problem.tasks[n].preferred_vehicles
        )
    )


def possible(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> bool:  # noqa: PLR0911 - rule by rule
    """Whether the vehicle may make these visits in this order, every rule but those of locks with times included."""
    vehicle = problem.vehicles[vehicle_index]
    tasks = [problem.tasks[n] for n in order]
    for dimension, most in enumerate(vehicle.capacity):
        on_board = [sum(t.delivery[dimension] for t in tasks if t.kind is TaskKind.JOB)]
        for task in tasks:
            on_board.append(on_board[-1] - task.delivery[dimension] + task.pickup[dimension])
        if max(on_board) > most:
            return False
    for task in tasks:
        if not task.skills <= vehicle.skills:
            return False
        if task.allowed_vehicles is not None and vehicle.id not in task.allowed_vehicles:
            return False
        if task.lock is not Lock.FREE and task.locked_vehicle != vehicle.id:
            return False
    ranks = [t.locked_rank for t in tasks if t.lock in (Lock.KEEP_ORDER, Lock.KEEP_TIME) and t.locked_rank is not None]
    if ranks != sorted(ranks):
        return False
    for at, n in enumerate(order):
        partner = problem.tasks[n].partner
        if partner is not None and (partner not in order or (partner < n and order.index(partner) > at)):
            return False
    if vehicle.max_tasks is not None and len(order) > vehicle.max_tasks:
        return False
    if not order:
        return True
    return earliest_end(problem, vehicle_index, order) is not None


def best_by_trying_everything(problem: Problem) -> tuple[int, int, int]:
    """(priorities served, visits made, cost): the best plan of a tiny problem, by trying every one."""
    vehicles = range(len(problem.vehicles))
    orders = [
        order
        for count in range(len(problem.tasks) + 1)
        for order in itertools.permutations(range(len(problem.tasks)), count)
    ]
    good = [{frozenset(o): min_cost for o, min_cost in _cheapest(problem, v, orders).items()} for v in vehicles]
    best = (0, 0, 0)
    for chosen in itertools.product(*(tuple(options) for options in good)):
        served = [n for part in chosen for n in part]
        if len(served) != len(set(served)):
            continue
        priority = sum(problem.tasks[n].priority for n in served if problem.tasks[n].kind is not TaskKind.DELIVERY)
        cost = sum(good[v][part] for v, part in zip(vehicles, chosen, strict=True))
        if (priority, len(served), -cost) > (best[0], best[1], -best[2]):
            best = (priority, len(served), cost)
    return best


def _cheapest(problem: Problem, vehicle_index: int, orders) -> dict[tuple[int, ...], int]:
    cheapest: dict[frozenset[int], tuple[int, tuple[int, ...]]] = {}
    for order in orders:
        cost = naive_cost_or_none(problem, vehicle_index, order)
        if cost is None:
            continue
        known = cheapest.get(frozenset(order))
        if (known is None or cost < known[0]) and possible(problem, vehicle_index, order):
            cheapest[frozenset(order)] = (cost, order)
    return {order: cost for cost, order in cheapest.values()}


def naive_cost_or_none(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> int | None:
    vehicle = problem.vehicles[vehicle_index]
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]
    seconds = problem.matrices[vehicle.profile].seconds
    if any(a is not None and b is not None and seconds[a, b] == UNREACHABLE for a, b in itertools.pairwise(places)):
        return None
    return naive_cost(problem, vehicle_index, order)
