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


def earliest_end(
    problem: Problem, vehicle_index: int, order: tuple[int, ...], *, leaves: int | None = None
) -> int | None:
    """When the vehicle can be done with these visits and its breaks, None when it cannot.

    Without `leaves` every second of the shift is tried as the departure, and only days within the longest duration
    count. A state is (visits done, part of the way, seconds left of that part, work left, breaks taken, rest left); part 0
    leads to a ferry's landing, part 1 to the door. Each second every state moves on in every way it may; the day is over
    in the first second in which some state has nothing left to do.
    """
    vehicle = problem.vehicles[vehicle_index]
    opens, closes = vehicle.time_window or (0, END_OF_TIME)
    if leaves is None:
        most = longest(vehicle)
        departures = range(opens, closes + 1) if most is not None else [max(opens, released(problem, order)[-1])]
        ends = [(earliest_end(problem, vehicle_index, order, leaves=s), s) for s in departures]
        return min((e for e, s in ends if e is not None and (most is None or e - s <= most)), default=None)
    if leaves < max(opens, released(problem, order)[-1]):
        return None
    legs = ways(problem, vehicle, order)
    if legs is None:
        return None
    loads = carried(problem, order)
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]
    work = [
        problem.tasks[n].service + (0 if places[at] == places[at + 1] else problem.tasks[n].setup)
        for at, n in enumerate(order)
    ]
    everything = frozenset(range(len(vehicle.breaks)))
    states = {(0, *first_part(legs[0]), 0, frozenset(), 0)}
    for now in range(leaves, closes + 1):
        states = _begun(problem, vehicle, order, work, legs, loads, states, now)
        if any((s[0], s[1], s[2], s[3], s[4], s[5]) == (len(order), 1, 0, 0, everything, 0) for s in states):
            return now
        states = {after for s in states for after in _passed(s, legs)}
    return None


def longest(vehicle) -> int | None:
    """The longest day that the vehicle may have."""
    limits = [] if vehicle.max_duration is None else [vehicle.max_duration]
    if vehicle.overtime_after is not None and vehicle.max_overtime is not None:
        limits.append(vehicle.overtime_after + vehicle.max_overtime)
    return min(limits, default=None)


def released(problem: Problem, order: tuple[int, ...]) -> dict[int, int]:
    """By the place of a reload that loads (-1 = the start) the instant before which it may not be left."""
    trips = {-1: 0}
    trip = -1
    for at, n in enumerate(order):
        task = problem.tasks[n]
        if task.kind is TaskKind.RELOAD and problem.reloads[task.index].empties is None:
            trip = at
            trips[trip] = 0
        elif task.kind is TaskKind.JOB:
            trips[trip] = max(trips[trip], problem.jobs[task.index].release)
    return trips


def ways(problem: Problem, vehicle, order: tuple[int, ...]) -> list[tuple] | None:
    """Each leg as (seconds,) or (seconds to the landing, ferry, seconds from its departure on); None if one is closed."""
    matrix = problem.matrices[vehicle.profile]
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]

    def paced(seconds: int) -> int:
        return int(Fraction(seconds) / Fraction(vehicle.speed_factor) + Fraction(1, 2))

    legs: list[tuple] = []
    for a, b in itertools.pairwise(places):
        if a is None or b is None:
            legs.append((0,))
            continue
        given = int(matrix.seconds[a, b])
        if given == UNREACHABLE:
            return None
        if matrix.crossings is None or matrix.crossings.crossing[a, b] < 0:
            legs.append((paced(given),))
            continue
        ferry = matrix.crossings.ferries[matrix.crossings.crossing[a, b]]
        landing = int(matrix.crossings.to_landing[a, b])
        rest = given - landing - ferry.headway // 2 - ferry.ride
        legs.append((paced(landing), ferry, ferry.ride + paced(rest)))
    return legs


def sails(ferry, now: int) -> bool:
    first = ferry.opens if ferry.first is None else ferry.first
    return ferry.opens <= now <= ferry.closes and (ferry.headway == 0 or (now - first) % ferry.headway == 0)


def first_part(leg: tuple) -> tuple[int, int]:
    return (1, leg[0]) if len(leg) == 1 else (0, leg[0])


def carried(problem: Problem, order: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What is on board at the start and after each visit, dimension by dimension, trip by trip."""
    columns = []
    for d in range(problem.dimensions):
        name = problem.dimension_name(d)
        now = sum(delivery(problem, n, d) for n in until_reload(problem, order))
        column, to_drop = [now], 0
        for at, n in enumerate(order):
            task = problem.tasks[n]
            if task.kind is TaskKind.RELOAD:
                empties = problem.reloads[task.index].empties
                if empties is None or name in empties:
                    now, to_drop = now - to_drop, 0
                if empties is None:
                    now += sum(delivery(problem, m, d) for m in until_reload(problem, order[at + 1 :]))
            elif task.kind is TaskKind.JOB:
                fetched = task.pickup[d]
                now, to_drop = now + fetched - delivery(problem, n, d), to_drop + fetched
            else:
                now += task.pickup[d] - task.delivery[d]
            column.append(now)
        columns.append(column)
    return [tuple(column[at] for column in columns) for at in range(len(order) + 1)]


def delivery(problem: Problem, number: int, dimension: int) -> int:
    task = problem.tasks[number]
    return task.delivery[dimension] if task.kind is TaskKind.JOB else 0


def until_reload(problem: Problem, order: tuple[int, ...]):
    for n in order:
        task = problem.tasks[n]
        if task.kind is TaskKind.RELOAD and problem.reloads[task.index].empties is None:
            return
        yield n


def _begun(problem, vehicle, order, work, legs, loads, states, now):
    """All states that can be chosen at this instant, without time passing."""
    seen, new = set(states), list(states)
    trips = released(problem, order)
    while new:
        done, part, left, working, taken, resting = new.pop()
        leg = legs[done]
        options = []
        if resting == 0 and working == 0:
            # On a way with a ferry nobody rests but before leaving and after arriving.
            at_a_door = (part == 0 and left == leg[0]) or (part == 1 and left == 0)
            if len(leg) == 1 or at_a_door:
                options += [
                    (done, part, left, 0, taken | {b}, rest.service)
                    for b, rest in enumerate(vehicle.breaks)
                    if b not in taken
                    and (not rest.time_windows or any(a <= now <= z for a, z in rest.time_windows))
                    and (
                        rest.max_load is None or all(on <= m for on, m in zip(loads[done], rest.max_load, strict=True))
                    )
                ]
            if part == 0 and left == 0 and sails(leg[1], now):
                options.append((done, 1, leg[2], 0, taken, 0))
            if part == 1 and left == 0 and done < len(order):
                windows = problem.tasks[order[done]].time_windows
                loaded = now + work[done] >= trips.get(done, 0)
                if loaded and (not windows or any(a <= now <= z for a, z in windows)):
                    # -1 marks work that is over at once
                    options.append((done, 1, 0, work[done] or -1, taken, 0))
        if working == -1:
            options.append((done + 1, *first_part(legs[done + 1]), 0, taken, 0))
        for option in options:
            if option not in seen:
                seen.add(option)
                new.append(option)
    return {s for s in seen if s[3] != -1}


def _passed(state, legs):
    done, part, left, working, taken, resting = state
    if resting:
        return [(done, part, left, working, taken, resting - 1)]
    if working:
        return [(done, part, left, working - 1 or -1, taken, 0)]
    on = (done, part, max(0, left - 1), 0, taken, 0)
    # Whoever has not left for the ferry may stay for a rest.
    return [on, state] if part == 0 and left == legs[done][0] else [on]


def played(problem: Problem, vehicle_index: int, order: tuple[int, ...], leaves: int) -> tuple[list[int], int] | None:
    """When each visit begins and the day ends if nobody waits who could go on; for vehicles without breaks."""
    vehicle = problem.vehicles[vehicle_index]
    opens, closes = vehicle.time_window or (0, END_OF_TIME)
    trips = released(problem, order)
    legs = ways(problem, vehicle, order)
    if legs is None or leaves < max(opens, trips[-1]):
        return None
    place, now, begins = vehicle.start, leaves, []
    for at, leg in enumerate(legs):
        now += leg[0]
        if len(leg) > 1:
            while not sails(leg[1], now):
                now += 1
                if now > closes + 1:
                    return None
            now += leg[2]
        if at == len(order):
            break
        task = problem.tasks[order[at]]
        work = task.service + (0 if place == task.location_index else task.setup)
        place = task.location_index
        while now + work < trips.get(at, 0) or not (
            not task.time_windows or any(a <= now <= z for a, z in task.time_windows)
        ):
            now += 1
            if now > closes + 1:
                return None
        begins.append(now)
        now += work
        if now > closes:
            return None
    return (begins, now) if now <= closes else None


def best_departure(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> tuple[int, list[int], int] | None:
    """Departure, begins and end of the cheapest day by the prices of times, then the earliest end, then the latest start."""
    vehicle = problem.vehicles[vehicle_index]
    opens, closes = vehicle.time_window or (0, END_OF_TIME)
    most = longest(vehicle)
    days = []
    for leaves in range(opens, closes + 1):
        day = played(problem, vehicle_index, order, leaves)
        if day is not None and (most is None or day[1] - leaves <= most):
            visits = sum(late(problem, vehicle, n, begins) for n, begins in zip(order, day[0], strict=True))
            days.append((visits + sum(too_long(vehicle, day[1] - leaves)), day[1], -leaves, day[0]))
    if not days:
        return None
    _, end, leaves, begins = min(days)
    return -leaves, begins, end


def late(problem: Problem, vehicle, number: int, begins: int) -> Fraction:
    """The price of beginning a visit at that time."""
    task = problem.tasks[number]
    if task.kind is not TaskKind.JOB:
        return Fraction(0)
    job = problem.jobs[task.index]
    price = Fraction(0)
    if job.soft_window is not None:
        price += Fraction(max(0, job.soft_window[0] - begins), 3600) * job.early_cost_per_hour
        price += Fraction(max(0, begins - job.soft_window[1]), 3600) * job.late_cost_per_hour
    after = max(0, begins - (0 if vehicle.time_window is None else vehicle.time_window[0]))
    return price + Fraction(after, 3600) * job.retry_value_per_hour


def too_long(vehicle, duration: int) -> tuple[Fraction, Fraction]:
    """The prices of overtime and of what exceeds the target."""
    return tuple(
        Fraction(0) if limit is None else Fraction(max(0, duration - limit), 3600) * rate
        for limit, rate in (
            (vehicle.overtime_after, vehicle.costs.per_overtime_hour),
            (vehicle.target_duration, vehicle.costs.per_hour_over_target),
        )
    )


def naive_cost(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> int:
    """What a route costs; the prices of times only for a vehicle without breaks."""
    if not order:
        return 0
    half = Fraction(1, 2)
    vehicle = problem.vehicles[vehicle_index]
    matrix = problem.matrices[vehicle.profile]
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]
    legs = [(a, b) for a, b in itertools.pairwise(places) if a is not None and b is not None]
    seconds = sum(sum(w for w in way if isinstance(w, int)) for way in ways(problem, vehicle, order))
    seconds += sum(way[1].headway // 2 for way in ways(problem, vehicle, order) if len(way) > 1)
    metres = 0 if matrix.metres is None else sum(int(matrix.metres[leg]) for leg in legs)
    work = sum(
        problem.tasks[n].service + (0 if came == problem.tasks[n].location_index else problem.tasks[n].setup)
        for came, n in zip(places, order, strict=False)
    )
    of_times = 0
    if not vehicle.breaks and (day := best_departure(problem, vehicle_index, order)) is not None:
        leaves, begins, end = day
        of_times += sum(int(late(problem, vehicle, n, at) + half) for n, at in zip(order, begins, strict=True))
        of_times += sum(int(price + half) for price in too_long(vehicle, end - leaves))
    return (
        of_times
        + vehicle.costs.fixed
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
    if any(on > most for load in carried(problem, order) for on, most in zip(load, vehicle.capacity, strict=True)):
        return False
    reloads = [t for t in tasks if t.kind is TaskKind.RELOAD]
    if any(t.id not in vehicle.reloads for t in reloads):
        return False
    if vehicle.max_reloads is not None and len(reloads) > vehicle.max_reloads:
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
    if vehicle.max_tasks is not None and len(order) - len(reloads) > vehicle.max_tasks:
        return False
    if not order:
        return True
    if len(order) == len(reloads):
        return False
    return earliest_end(problem, vehicle_index, order) is not None


def best_by_trying_everything(problem: Problem) -> tuple[int, int, int]:
    """(priorities served, visits made, cost): the best plan of a tiny problem, by trying every one.

    A vehicle comes by each reload at most twice. Optional stops count by their prizes only, which are in the cost.
    """
    vehicles = range(len(problem.vehicles))
    numbers = [
        *range(problem.stops),
        *range(problem.stops, len(problem.tasks)),
        *range(problem.stops, len(problem.tasks)),
    ]
    orders = sorted({order for count in range(len(numbers) + 1) for order in itertools.permutations(numbers, count)})
    good = [_cheapest(problem, v, orders) for v in vehicles]
    prizes = {n: problem.tasks[n].prize for n in range(problem.stops) if problem.tasks[n].prize is not None}
    best = (0, 0, sum(prizes.values()))
    for chosen in itertools.product(*(tuple(options) for options in good)):
        served = [n for part in chosen for n in part]
        if len(served) != len(set(served)):
            continue
        due = [problem.tasks[n] for n in served if n not in prizes]
        priority = sum(task.priority for task in due if task.kind is not TaskKind.DELIVERY)
        cost = sum(good[v][part] for v, part in zip(vehicles, chosen, strict=True))
        cost += sum(prize for n, prize in prizes.items() if n not in served)
        if (priority, len(due), -cost) > (best[0], best[1], -best[2]):
            best = (priority, len(due), cost)
    return best


def _cheapest(problem: Problem, vehicle_index: int, orders) -> dict[frozenset[int], int]:
    """By the set of stops the cheapest cost of serving them."""
    cheapest: dict[frozenset[int], int] = {}
    for order in orders:
        cost = naive_cost_or_none(problem, vehicle_index, order)
        if cost is None:
            continue
        stops = frozenset(n for n in order if n < problem.stops)
        if (stops not in cheapest or cost < cheapest[stops]) and possible(problem, vehicle_index, order):
            cheapest[stops] = cost
    return cheapest


def naive_cost_or_none(problem: Problem, vehicle_index: int, order: tuple[int, ...]) -> int | None:
    vehicle = problem.vehicles[vehicle_index]
    places = [vehicle.start, *(problem.tasks[n].location_index for n in order), vehicle.end]
    seconds = problem.matrices[vehicle.profile].seconds
    if any(a is not None and b is not None and seconds[a, b] == UNREACHABLE for a, b in itertools.pairwise(places)):
        return None
    return naive_cost(problem, vehicle_index, order)
