"""What a plan costs at least: every stop is come to from somewhere, and nobody comes from the same stop twice.

Times, loads, limits and whether the ways hang together are left aside, so the bound is quick and true, and often far
below the best plan: it says how much could be gained at most, not how much can be.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.problem import UNREACHABLE, Problem, Task, Vehicle, travel_seconds

_MOST_STOPS: Final = 500
_UNIT: Final = 3_600_000
"""Cost is counted in parts of which this many are one unit, in which no rate per hour or kilometre leaves a rest."""
_LARGEST: Final = 2**52

_Amounts: TypeAlias = NDArray[np.float64]


def lower_bound(problem: Problem) -> int | None:
    """What no plan costs less than that serves every compulsory stop (those without a prize).

    The cheapest choice of a way into each of these stops, over all vehicles that may serve it, from the start of a
    vehicle, a reload, or another stop, each vehicle's start and each stop taken once; and of a way home, and its fixed
    cost, for one vehicle. Prizes and prices of time are 0 in it.

    None for more than 500 stops, for numbers too large to be added exactly, and where some stop has no way in.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - heavy, and only needed here

    tasks = problem.tasks
    due = [number for number in range(problem.stops) if tasks[number].prize is None]
    if not due:
        return 0
    if problem.stops > _MOST_STOPS:
        return None
    table = _ways(problem, due)
    finite = table[np.isfinite(table)]
    if len(finite) and float(finite.max()) * len(table) > _LARGEST:
        return None
    try:
        rows, columns = linear_sum_assignment(table)
    except ValueError:  # some stop, or the way home, has no way that is left for it
        return None
    paid = int(table[rows, columns].sum()) + _UNIT * min(vehicle.costs.fixed for vehicle in problem.vehicles)
    # Each route rounds its lines half up, so each loses less than half a unit.
    lost = sum(map(_rounded_lines, problem.vehicles)) * (_UNIT // 2)
    return max(0, -(-(paid - lost) // _UNIT))


def _rounded_lines(vehicle: Vehicle) -> int:
    """How many lines of the vehicle's cost may be rounded."""
    costs = vehicle.costs
    return (costs.per_hour % 3600 != 0) + (costs.per_km % 1000 != 0) + (costs.per_task_hour % 3600 != 0)


def _ways(problem: Problem, due: list[int]) -> _Amounts:
    """What each way costs that can end in a compulsory stop [row], and in the last row home.

    A column for each stop, one for each vehicle's start, and one for each row that stands for all reloads.
    """
    tasks, stops, fleet = problem.tasks, problem.stops, problem.vehicles
    rows = len(due) + 1
    table: _Amounts = np.full((rows, stops + len(fleet) + rows), np.inf)
    places = np.array([task.location_index for task in tasks], dtype=np.int64)
    to = places[due]
    prices = {}
    for index, vehicle in enumerate(fleet):
        kind = (vehicle.profile, vehicle.speed_factor, vehicle.costs)
        if kind not in prices:
            prices[kind] = _prices(problem, vehicle)
        price = prices[kind]
        works = np.array([tasks[n].service * vehicle.costs.per_task_hour * (_UNIT // 3600) for n in due])
        works += _UNIT * np.array([_strange(vehicle, tasks[n]) for n in due])
        setups = np.array([tasks[n].setup * vehicle.costs.per_task_hour * (_UNIT // 3600) for n in due])
        may = np.array([problem.may_serve(vehicle, tasks[n]) for n in due])
        works = np.where(may, works, np.inf)
        left = np.array([problem.may_serve(vehicle, task) for task in tasks])
        left[due] |= may
        come = price[places][:, to].T + works[:, None] + np.where(to[:, None] == places[None, :], 0, setups[:, None])
        come = np.where(left[None, :], come, np.inf)
        home = np.zeros(len(tasks)) if vehicle.end is None else price[places, vehicle.end]
        home = np.where(left, home, np.inf)
        table[:-1, :stops] = np.minimum(table[:-1, :stops], come[:, :stops])
        table[-1, :stops] = np.minimum(table[-1, :stops], home[:stops])
        if vehicle.start is None:
            table[:-1, stops + index] = works
        else:
            table[:-1, stops + index] = price[vehicle.start, to] + works + np.where(to == vehicle.start, 0, setups)
        if len(tasks) > stops:
            own = np.arange(stops + len(fleet), stops + len(fleet) + rows)
            again = np.concatenate([come[:, stops:].min(axis=1), [home[stops:].min()]])
            table[np.arange(rows), own] = np.minimum(table[np.arange(rows), own], again)
    # Nobody comes from where he goes to.
    table[np.arange(len(due)), due] = np.inf
    return table


def _prices(problem: Problem, vehicle: Vehicle) -> _Amounts:
    """[from][to] in parts of a unit; infinite where there is no way, but for what has happened all the same."""
    whole = problem.matrices[vehicle.profile].block(range(problem.size))
    seconds = travel_seconds(whole, vehicle.speed_factor)
    if whole.cost is not None:
        price = whole.cost.astype(np.float64) * _UNIT
    else:
        price = seconds.astype(np.float64) * (vehicle.costs.per_hour * (_UNIT // 3600))
        if whole.metres is not None:
            price = price + whole.metres * float(vehicle.costs.per_km * (_UNIT // 1000))
    happened = any(task.happened_at is not None for task in problem.tasks)
    return np.where(seconds >= UNREACHABLE, 0.0 if happened else np.inf, price)


def _strange(vehicle: Vehicle, task: Task) -> int:
    strange = task.preferred_vehicles and vehicle.id not in task.preferred_vehicles
    return task.preference_cost if strange else 0
