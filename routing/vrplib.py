"""Instances of the public benchmarks as our `Problem`, and VRPLIB solutions, in and out.

Metres and seconds are both the rounded distance and one unit of distance costs a whole number, so costs are exact.
Nodes are numbered from 0 with the depots first; a vehicle's id is the number of its route.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from routing.instances import Instance, number_of, refuse
from routing.matrix import UNREACHABLE, InvalidProblem, Matrix, TravelTable
from routing.plane import Plane
from routing.problem import Costs, Job, Problem, Reload, Shipment, ShipmentStop, TaskKind, Vehicle, Visits, Window
from routing.solution import Solution, StepKind

Routes: TypeAlias = tuple[tuple[int, ...], ...]
"""Per vehicle the nodes it visits, without the depot at both ends; a depot in between is a reload."""


def problem_of(instance: Instance) -> Problem:
    """The instance as a problem: job, pick-up and delivery ids are node numbers, vehicle ids 1, 2 ... as routes count.

    Raises `InvalidProblem` for what our model refuses.
    """
    windows = instance.windows
    hours: list[tuple[Window, ...]] = [()] * instance.size
    if windows is not None:
        hours = [((int(a), int(b)),) for a, b in windows]
    paired = {node for pair in instance.pairs for node in pair}
    limited = bool(instance.delivery.shape[1])
    picky = any(
        carrier.allowed is not None for carrier in instance.carriers
    )  # asked once: fleets may be as large as the day
    jobs = [
        Job(
            id=node, location_index=node, service=int(instance.service[node]), time_windows=hours[node],
            delivery=tuple(map(int, instance.delivery[node])) if limited else (),
            pickup=tuple(map(int, instance.pickup[node])) if limited else (),
            release=int(instance.release[node]), prize=int(instance.prize[node]) or None,
            allowed_vehicles=_allowed(instance, node) if picky else None,
        )
        for node in instance.clients
        if node not in paired
    ]  # fmt: skip

    def end(node: int) -> ShipmentStop:
        return ShipmentStop(id=node, location_index=node, service=int(instance.service[node]), time_windows=hours[node])

    shipments = [
        Shipment(
            pickup=end(origin), delivery=end(to), amount=tuple(map(int, instance.pickup[origin])) if limited else (),
            allowed_vehicles=_allowed(instance, origin) if picky else None,
        )
        for origin, to in instance.pairs
    ]  # fmt: skip
    vehicles = [
        Vehicle(
            id=number, start=carrier.depot, end=carrier.depot, capacity=carrier.capacity if limited else (),
            time_window=hours[carrier.depot][0] if hours[carrier.depot] else None, max_distance=carrier.max_distance,
            max_duration=carrier.max_duration, reloads=carrier.reloads, max_reloads=carrier.max_reloads,
            costs=Costs(fixed=carrier.fixed, per_hour=0, per_km=round(1000 * carrier.unit)),
        )
        for number, carrier in enumerate(instance.carriers, start=1)
    ]  # fmt: skip
    reloads = sorted({depot for carrier in instance.carriers for depot in carrier.reloads})
    matrices: dict[str, Any] = {"car": travel_of(instance)}
    return Problem(
        jobs=tuple(jobs), shipments=tuple(shipments), vehicles=tuple(vehicles), matrices=matrices,
        reloads=tuple(Reload(id=depot, location_index=depot) for depot in reloads),
    )  # fmt: skip


def _allowed(instance: Instance, node: int) -> frozenset[int]:
    return frozenset(
        number
        for number, carrier in enumerate(instance.carriers, start=1)
        if carrier.allowed is None or node in carrier.allowed
    )


def travel_of(instance: Instance) -> TravelTable:
    """Seconds and metres, both the distance; without a way where a backhaul may not follow."""
    if instance.distances is None and not instance.backhauls_last:
        assert instance.places is not None  # noqa: S101 - see Instance
        return Plane(instance.places, instance.convention)
    table = instance.block(range(instance.size), range(instance.size))
    if instance.backhauls_last:
        fetched = np.any(instance.pickup > 0, axis=1)
        brought = ~fetched & (np.arange(instance.size) >= instance.depots)
        table = table.copy()
        table[: instance.depots, fetched] = UNREACHABLE
        table[np.ix_(fetched, brought)] = UNREACHABLE
    return Matrix(seconds=table, metres=table)  # type: ignore[arg-type]  # whole numbers of any width are welcome


def routes_of(problem: Problem, solution: Solution) -> Routes:
    """The nodes that a solution of `problem_of` visits, per vehicle."""
    routes: list[tuple[int, ...]] = [()] * len(problem.vehicles)
    called = (StepKind.JOB, StepKind.PICKUP, StepKind.DELIVERY, StepKind.RELOAD)
    for route in solution.routes:
        nodes = [s.location_index for s in route.steps if s.kind in called and s.location_index is not None]
        routes[route.vehicle_index] = tuple(nodes)
    return tuple(routes)


def visits_of_routes(problem: Problem, routes: Routes) -> Visits | None:
    """The task numbers of routes of nodes; None when a node is nobody's or a vehicle does not exist."""
    tasks = {task.location_index: number for number, task in enumerate(problem.tasks) if task.kind != TaskKind.RELOAD}
    reloads = {task.location_index: number for number, task in enumerate(problem.tasks) if task.kind == TaskKind.RELOAD}
    numbers = tasks | reloads
    if len(routes) > len(problem.vehicles) or any(node not in numbers for route in routes for node in route):
        return None
    padded = (*routes, *((),) * (len(problem.vehicles) - len(routes)))
    return tuple(tuple(numbers[node] for node in route) for route in padded)


# -- solutions as text


def solution_text(instance: Instance, routes: Routes, cost: int) -> str:
    """`Route #1: ...` and `Cost x`; route k is vehicle k, and empty ones are printed, where vehicles differ."""
    shown = routes if instance.carriers_differ else tuple(route for route in routes if route)
    lines = [f"Route #{k}: {' '.join(map(str, route))}".rstrip() for k, route in enumerate(shown, start=1)]
    return "\n".join([*lines, f"Cost {cost}", ""])


def read_solution(path: str | Path) -> tuple[Routes, str | None]:
    """The routes of a VRPLIB solution by their numbers, and the cost it states, as it is written.

    Raises OSError when there is no such file, and `InvalidProblem` naming line and value for what is no solution.
    """
    routes: dict[int, tuple[int, ...]] = {}
    cost = None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidProblem("encoding", "file", str(path), "expected a text in UTF-8") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.fullmatch(r"\s*Route\s*#?\s*(\S+?)\s*:(.*)", line):
            words = [match[1], *match[2].split()]
            if strange := [word for word in words if not re.fullmatch(r"-?\d{1,9}", word)]:
                refuse("number", f"line {number}", strange[0], "expected whole numbers")
            if int(match[1]) in routes or int(match[1]) < 1:
                refuse("route", f"line {number}", match[1], "expected every route once, numbered from 1")
            routes[int(match[1])] = tuple(map(int, words[1:]))
        elif match := re.fullmatch(r"\s*Cost\s*:?\s*(\S+)\s*", line, re.IGNORECASE):
            number_of(f"line {number}", match[1])
            cost = match[1]
        elif line.strip() and not re.match(r"\s*(#|[A-Za-z_ ]+[:\s])", line):
            refuse("format", f"line {number}", line[:60], "expected Route #k: ..., Cost x or NAME: value")
    if not routes:
        refuse("empty", "file", text[:40], "expected at least one line Route #k: ...")
    if max(routes) > 1_000_000:
        refuse("route", "file", max(routes), "expected routes numbered from 1")
    return tuple(routes.get(k, ()) for k in range(1, max(routes) + 1)), cost
