"""What PyVRP has no words for. Its routes are good all the same, yet somebody has to make them right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from routing.problem import Problem, Reload, Task, Vehicle


def unsaid(problem: Problem) -> tuple[str, ...]:
    """What a translation of the whole problem would leave unsaid, a few words each."""
    return unsaid_of(problem, problem.tasks[: problem.stops], problem.vehicles)


def unsaid_of(problem: Problem, tasks: Sequence[Task], vehicles: Iterable[Vehicle]) -> tuple[str, ...]:
    """What a translation of these tasks and vehicles leaves unsaid."""
    vehicles = list({id(vehicle): vehicle for vehicle in vehicles}.values())
    reloads = {name for vehicle in vehicles for name in vehicle.reloads}
    used = [reload for reload in problem.reloads if reload.id in reloads]
    paired = any(task.partner is not None for task in tasks)
    ranked = Counter(task.locked_vehicle for task in tasks if task.rank is not None and task.happened_at is None)
    choosy = any(task.preference_cost and task.preferred_vehicles for task in tasks)
    found = {
        "breaks": any(vehicle.breaks for vehicle in vehicles),
        "a kept order": any(count > 1 for count in ranked.values()),
        "costs that depend on when a visit begins": any(
            task.soft_window is not None or task.retry_value_per_hour for task in tasks
        ),
        "crossings that have to be waited for": any(
            problem.matrices[profile].crossings is not None for profile in {vehicle.profile for vehicle in vehicles}
        ),
        "deposits where only a part of the load comes off": any(
            reload.empties is not None and not _nothing_else_rides(problem, tasks, reload) for reload in used
        ),
        "shipments beside reloads": paired and bool(used),
        "a limit of tasks beside reloads or shipments": (paired or bool(used))
        and any(vehicle.max_tasks is not None for vehicle in vehicles),
        "several windows at one end of a shipment": any(
            task.partner is not None and len(task.time_windows) > 1 for task in tasks
        ),
        "balance beside overtime": any(len(beyond(vehicle)) > 1 for vehicle in vehicles),
        "a limit of travel that costs do not measure": any(
            (limit is not None and (choosy or measure(problem, vehicle) != name))
            for vehicle in vehicles
            for name, limit in (("seconds", vehicle.max_travel_time), ("metres", vehicle.max_distance))
        ),
    }
    return tuple(what for what, there in found.items() if there)


def beyond(vehicle: Vehicle) -> list[tuple[int, int]]:
    """The durations beyond which an hour costs more, with the price of that hour."""
    marks = (
        (vehicle.overtime_after, vehicle.costs.per_overtime_hour),
        (vehicle.target_duration, vehicle.costs.per_hour_over_target),
    )
    return [(after, rate) for after, rate in marks if after is not None and rate]


def measure(problem: Problem, vehicle: Vehicle) -> Literal["seconds", "metres", "mixed"]:
    """What the vehicle's cost of travel is proportional to."""
    table, costs = problem.matrices[vehicle.profile], vehicle.costs
    if table.has_cost or costs.per_task_hour:
        return "mixed"
    if costs.per_km == 0 or not table.has_metres:
        return "seconds"
    return "metres" if costs.per_hour == 0 else "mixed"


def _nothing_else_rides(problem: Problem, tasks: Iterable[Task], reload: Reload) -> bool:
    """Whether only what comes off at the deposit is ever on board."""
    emptied = [problem.dimension_name(d) in (reload.empties or ()) for d in range(problem.dimensions)]
    return not any(
        task.release
        or any(task.delivery)
        or any(amount and not comes_off for amount, comes_off in zip(task.pickup, emptied, strict=True))
        for task in tasks
    )
