"""What a problem must satisfy before anybody tries to plan it; every refusal names field and value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from routing.problem import (
    MAX_AMOUNT,
    MAX_BREAKS,
    MAX_DURATION,
    MAX_FIXED_COST,
    MAX_INSTANT,
    MAX_PRIORITY,
    MAX_RATE,
    MAX_SPEED_FACTOR,
    UNREACHABLE,
    Costs,
    InvalidProblem,
    Job,
    Lock,
    Problem,
    Shipment,
    ShipmentStop,
    TravelTable,
    Vehicle,
    Window,
    kept_windows,
)


def validate(problem: Problem) -> None:
    """Raise `InvalidProblem` for the first contradiction found."""
    if not problem.vehicles:
        raise InvalidProblem("no_vehicles", "vehicles", problem.vehicles, "expected at least one vehicle")
    size = _matrices(problem)
    if problem.locations is not None and len(problem.locations) != size:
        sentence = f"expected one location per row of the matrices, {size}"
        raise InvalidProblem("locations", "locations", len(problem.locations), sentence)
    for index, vehicle in enumerate(problem.vehicles):
        _vehicle(f"vehicles[{index}]", vehicle, problem, size)
    for index, job in enumerate(problem.jobs):
        _job(f"jobs[{index}]", job, problem, size)
    for index, shipment in enumerate(problem.shipments):
        _shipment(f"shipments[{index}]", shipment, problem, size)
    _reloads(problem, size)
    _unique("vehicles", "id", [v.id for v in problem.vehicles])
    _unique("jobs", "id", [j.id for j in problem.jobs])
    _unique("shipments", "pickup.id", [s.pickup.id for s in problem.shipments])
    _unique("shipments", "delivery.id", [s.delivery.id for s in problem.shipments])
    _locks(problem)


def _matrices(problem: Problem) -> int:
    if not problem.matrices:
        raise InvalidProblem("no_matrix", "matrices", {}, "expected a matrix for every profile in use")
    sizes = set()
    for profile, matrix in problem.matrices.items():
        if not isinstance(matrix, TravelTable):
            raise InvalidProblem("type", f"matrices.{profile}", matrix, "expected a Matrix")
        sizes.add(matrix.size)
    if len(sizes) > 1:
        raise InvalidProblem("matrix_shape", "matrices", sorted(sizes), "expected one size for all profiles")
    return sizes.pop()


def _whole(path: str, value: object, low: int, high: int) -> None:
    if type(value) is not int:
        raise InvalidProblem("type", path, value, "expected a whole number")
    if not low <= value <= high:
        raise InvalidProblem("range", path, value, f"expected a whole number from {low} to {high}")


def _identifier(path: str, value: object) -> None:
    if type(value) is not int:
        raise InvalidProblem("type", path, value, "expected a whole number")


def _text(path: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidProblem("type", path, value, "expected a text")


def _window(path: str, window: object) -> None:
    if not isinstance(window, tuple) or len(window) != 2:
        raise InvalidProblem("time_window", path, window, "expected a pair (opens, closes)")
    opens, closes = window
    _whole(f"{path}[0]", opens, 0, MAX_INSTANT)
    _whole(f"{path}[1]", closes, 0, MAX_INSTANT)
    if opens > closes:
        raise InvalidProblem("time_window", path, window, "it closes before it opens")


def _several(path: str, values: object) -> None:
    if not isinstance(values, tuple | list | frozenset | set):
        raise InvalidProblem("type", path, values, "expected several values")


def _windows(path: str, windows: Sequence[Window]) -> None:
    _several(path, windows)
    for index, window in enumerate(windows):
        _window(f"{path}[{index}]", window)
    ordered = sorted(windows)
    for earlier, later in pairwise(ordered):
        if later[0] <= earlier[1]:
            raise InvalidProblem("time_window", path, list(windows), f"{earlier} and {later} overlap")


def _amounts(path: str, amounts: Sequence[int], problem: Problem) -> None:
    _several(path, amounts)
    if amounts and len(amounts) != problem.dimensions:
        sentence = f"expected {problem.dimensions} entries, as many as the vehicles' capacity"
        raise InvalidProblem("dimensions", path, tuple(amounts), sentence)
    for index, amount in enumerate(amounts):
        _whole(f"{path}[{index}]", amount, 0, MAX_AMOUNT)


def _skills(path: str, skills: Iterable[int]) -> None:
    _several(path, skills)
    for skill in skills:
        _identifier(path, skill)


def _index(path: str, index: object, size: int) -> None:
    _identifier(path, index)
    if not isinstance(index, int) or not 0 <= index < size:
        raise InvalidProblem("location_index", path, index, f"the matrices know locations 0 to {size - 1}")


def _vehicle(path: str, vehicle: Vehicle, problem: Problem, size: int) -> None:
    _identifier(f"{path}.id", vehicle.id)
    _text(f"{path}.name", vehicle.name)
    _text(f"{path}.description", vehicle.description)
    if vehicle.start is None and vehicle.end is None:
        raise InvalidProblem("no_place", f"{path}.start", None, "expected a start or an end")
    for name in ("start", "end"):
        if (place := getattr(vehicle, name)) is not None:
            _index(f"{path}.{name}", place, size)
    if vehicle.profile not in problem.matrices:
        sentence = f"expected one of the profiles {sorted(problem.matrices)}"
        raise InvalidProblem("profile", f"{path}.profile", vehicle.profile, sentence)
    if vehicle.time_window is not None:
        _window(f"{path}.time_window", vehicle.time_window)
    if len(vehicle.capacity) != problem.dimensions:
        sentence = f"expected {problem.dimensions} entries, as every vehicle's"
        raise InvalidProblem("dimensions", f"{path}.capacity", vehicle.capacity, sentence)
    _amounts(f"{path}.capacity", vehicle.capacity, problem)
    _skills(f"{path}.skills", vehicle.skills)
    _pace_and_limits(path, vehicle, problem)
    known = {place.id for place in problem.reloads}
    _several(f"{path}.reloads", vehicle.reloads)
    for reload in vehicle.reloads:
        if reload not in known:
            raise InvalidProblem("unknown_reload", f"{path}.reloads", reload, "there is no such reload")
    _breaks(path, vehicle, problem)


def _pace_and_limits(path: str, vehicle: Vehicle, problem: Problem) -> None:
    factor: object = vehicle.speed_factor
    if type(factor) not in (int, float) or not math.isfinite(vehicle.speed_factor):
        raise InvalidProblem("type", f"{path}.speed_factor", factor, "expected a number")
    if not 0 < vehicle.speed_factor <= MAX_SPEED_FACTOR:
        sentence = f"expected more than 0 and at most {MAX_SPEED_FACTOR}"
        raise InvalidProblem("range", f"{path}.speed_factor", factor, sentence)
    limits = ("max_tasks", "max_travel_time", "max_distance", "max_duration", "overtime_after", "max_overtime")
    for name in (*limits, "target_duration", "max_reloads"):
        if (limit := getattr(vehicle, name)) is not None:
            _whole(f"{path}.{name}", limit, 0, MAX_INSTANT)
    _whole(f"{path}.costs.fixed", vehicle.costs.fixed, 0, MAX_FIXED_COST)
    for name in ("per_hour", "per_km", "per_task_hour", "per_overtime_hour", "per_hour_over_target"):
        _whole(f"{path}.costs.{name}", getattr(vehicle.costs, name), 0, MAX_RATE)
    for name, begins in (("per_overtime_hour", "overtime_after"), ("per_hour_over_target", "target_duration")):
        if (rate := getattr(vehicle.costs, name)) and getattr(vehicle, begins) is None:
            raise InvalidProblem("costs", f"{path}.costs.{name}", rate, f"the vehicle has no {begins}")
    if vehicle.max_overtime is not None and vehicle.overtime_after is None:
        sentence = "the vehicle has no overtime_after"
        raise InvalidProblem("costs", f"{path}.max_overtime", vehicle.max_overtime, sentence)
    priced_apart = vehicle.costs.per_hour != Costs().per_hour or vehicle.costs.per_km != 0
    if problem.matrices[vehicle.profile].has_cost and priced_apart:
        sentence = f"the matrix of profile {vehicle.profile} has its own costs, per_hour and per_km cannot be added"
        raise InvalidProblem("costs", f"{path}.costs", vehicle.costs, sentence)
    needs_metres = vehicle.max_distance is not None or vehicle.costs.per_km > 0
    if needs_metres and not problem.matrices[vehicle.profile].has_metres:
        sentence = f"the matrix of profile {vehicle.profile} has no distances"
        raise InvalidProblem("no_distances", path, vehicle.id, sentence)


def _breaks(path: str, vehicle: Vehicle, problem: Problem) -> None:
    if len(vehicle.breaks) > MAX_BREAKS:
        raise InvalidProblem("range", f"{path}.breaks", len(vehicle.breaks), f"expected at most {MAX_BREAKS} breaks")
    for index, rest in enumerate(vehicle.breaks):
        _identifier(f"{path}.breaks[{index}].id", rest.id)
        _windows(f"{path}.breaks[{index}].time_windows", rest.time_windows)
        _whole(f"{path}.breaks[{index}].service", rest.service, 0, MAX_DURATION)
        if rest.max_load is not None:
            if len(rest.max_load) != problem.dimensions:
                sentence = f"expected {problem.dimensions} entries, as many as the vehicles' capacity"
                raise InvalidProblem("dimensions", f"{path}.breaks[{index}].max_load", rest.max_load, sentence)
            _amounts(f"{path}.breaks[{index}].max_load", rest.max_load, problem)
    _unique(f"{path}.breaks", "id", [rest.id for rest in vehicle.breaks])


def _stop(path: str, stop: Job | ShipmentStop, size: int) -> None:
    _identifier(f"{path}.id", stop.id)
    _text(f"{path}.description", stop.description)
    _index(f"{path}.location_index", stop.location_index, size)
    _whole(f"{path}.setup", stop.setup, 0, MAX_DURATION)
    _whole(f"{path}.service", stop.service, 0, MAX_DURATION)
    _windows(f"{path}.time_windows", stop.time_windows)


def _serving(path: str, work: Job | Shipment, problem: Problem) -> None:
    _skills(f"{path}.skills", work.skills)
    _whole(f"{path}.priority", work.priority, 0, MAX_PRIORITY)
    _whole(f"{path}.preference_cost", work.preference_cost, 0, MAX_FIXED_COST)
    if work.prize is not None:
        _whole(f"{path}.prize", work.prize, 0, MAX_FIXED_COST)
    for name in ("allowed_vehicles", "preferred_vehicles"):
        if named := getattr(work, name):
            known = {v.id for v in problem.vehicles}
            for vehicle in named:
                if vehicle not in known:
                    raise InvalidProblem("unknown_vehicle", f"{path}.{name}", vehicle, "there is no such vehicle")


def _job(path: str, job: Job, problem: Problem, size: int) -> None:
    _stop(path, job, size)
    _amounts(f"{path}.delivery", job.delivery, problem)
    _amounts(f"{path}.pickup", job.pickup, problem)
    _serving(path, job, problem)
    _whole(f"{path}.release", job.release, 0, MAX_INSTANT)
    for name in ("early_cost_per_hour", "late_cost_per_hour", "retry_value_per_hour"):
        _whole(f"{path}.{name}", getattr(job, name), 0, MAX_RATE)
    if job.soft_window is not None:
        _window(f"{path}.soft_window", job.soft_window)
    for name in ("early_cost_per_hour", "late_cost_per_hour"):
        if job.soft_window is None and (rate := getattr(job, name)):
            raise InvalidProblem("costs", f"{path}.{name}", rate, "the job has no soft_window")


def _shipment(path: str, shipment: Shipment, problem: Problem, size: int) -> None:
    _stop(f"{path}.pickup", shipment.pickup, size)
    _stop(f"{path}.delivery", shipment.delivery, size)
    _amounts(f"{path}.amount", shipment.amount, problem)
    _serving(path, shipment, problem)


def _reloads(problem: Problem, size: int) -> None:
    names = {problem.dimension_name(dimension) for dimension in range(problem.dimensions)}
    for index, place in enumerate(problem.reloads):
        path = f"reloads[{index}]"
        _identifier(f"{path}.id", place.id)
        _text(f"{path}.description", place.description)
        _index(f"{path}.location_index", place.location_index, size)
        _whole(f"{path}.service", place.service, 0, MAX_DURATION)
        _windows(f"{path}.time_windows", place.time_windows)
        if place.empties is None:
            continue
        _several(f"{path}.empties", place.empties)
        for name in place.empties:
            if name not in names:
                raise InvalidProblem("dimensions", f"{path}.empties", name, f"expected some of {sorted(names)}")
    _unique("reloads", "id", [place.id for place in problem.reloads])


def _unique(path: str, name: str, identifiers: Sequence[int]) -> None:
    seen: set[int] = set()
    for index, identifier in enumerate(identifiers):
        if identifier in seen:
            raise InvalidProblem("duplicate_id", f"{path}[{index}].{name}", identifier, "this id is used twice")
        seen.add(identifier)


def _locks(problem: Problem) -> None:
    ranks: set[tuple[int, int]] = set()
    frozen: dict[int, list[tuple[int, int]]] = {}
    places = {vehicle.id: index for index, vehicle in enumerate(problem.vehicles)}
    for index, job in enumerate(problem.jobs):
        if job.lock is Lock.FREE:
            continue
        path = f"jobs[{index}]"
        if job.locked_vehicle is None or job.locked_vehicle not in places:
            raise InvalidProblem("lock", f"{path}.locked_vehicle", job.locked_vehicle, "there is no such vehicle")
        _lock_members(path, job)
        if job.locked_rank is not None:
            if (job.locked_vehicle, job.locked_rank) in ranks:
                raise InvalidProblem("lock", f"{path}.locked_rank", job.locked_rank, "this rank is given twice")
            ranks.add((job.locked_vehicle, job.locked_rank))
            if job.lock is Lock.FROZEN:
                frozen.setdefault(places[job.locked_vehicle], []).append((job.locked_rank, index))
    for vehicle, rank in ranks:
        last = max((rank for rank, _ in frozen.get(places[vehicle], ())), default=rank)
        if rank < last and all(rank != frozen_rank for frozen_rank, _ in frozen[places[vehicle]]):
            raise InvalidProblem("lock", "jobs.locked_rank", rank, f"frozen jobs of vehicle {vehicle} come later")
    for vehicle_index, prefix in frozen.items():
        _frozen_prefix(problem, problem.vehicles[vehicle_index], [index for _, index in sorted(prefix)])


def _lock_members(path: str, job: Job) -> None:
    if job.lock in (Lock.KEEP_ORDER, Lock.FROZEN) and job.locked_rank is None:
        raise InvalidProblem("lock", f"{path}.locked_rank", None, f"a {job.lock} job needs its rank")
    if job.lock is Lock.KEEP_TIME and job.locked_time is None:
        raise InvalidProblem("lock", f"{path}.locked_time", None, "a keep_time job needs its time")
    _whole(f"{path}.lock_tolerance", job.lock_tolerance, 0, MAX_DURATION)
    if job.locked_rank is not None:
        _whole(f"{path}.locked_rank", job.locked_rank, 0, MAX_INSTANT)
    if job.locked_time is not None:
        _whole(f"{path}.locked_time", job.locked_time, 0, MAX_INSTANT)
        if job.lock is Lock.KEEP_TIME and not kept_windows(job):
            sentence = f"no time window is within {job.lock_tolerance} seconds of it"
            raise InvalidProblem("lock", f"{path}.locked_time", job.locked_time, sentence)


def _frozen_prefix(problem: Problem, vehicle: Vehicle, prefix: list[int]) -> None:
    """What has happened comes first, on a way that exists, and what happened later has the later time."""
    travel = problem.matrices[vehicle.profile]
    earlier = 0
    place = vehicle.start
    timed = True
    for index in prefix:
        job, path = problem.jobs[index], f"jobs[{index}]"
        if not job.skills <= vehicle.skills or (
            job.allowed_vehicles is not None and vehicle.id not in job.allowed_vehicles
        ):
            raise InvalidProblem("lock", f"{path}.locked_vehicle", vehicle.id, "this vehicle may not serve the job")
        if place is not None and travel.pair(place, job.location_index)[0] == UNREACHABLE:
            raise InvalidProblem(
                "lock", f"{path}.location_index", job.location_index, f"no way leads there from {place}"
            )
        place = job.location_index
        if job.locked_time is None:
            timed = False
        elif not timed:
            raise InvalidProblem("lock", f"{path}.locked_time", job.locked_time, "a frozen job before it has no time")
        elif job.locked_time < earlier:
            raise InvalidProblem(
                "lock", f"{path}.locked_time", job.locked_time, f"the job before it began at {earlier}"
            )
        else:
            earlier = job.locked_time
