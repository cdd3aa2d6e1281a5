"""VROOM's answer: a solution as its JSON, and that JSON, ours or VROOM's own, as a solution for the checker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from routing.bodies import a_list, a_text, a_whole, a_whole_or_none, an_object, wholes
from routing.checking import summary_of
from routing.problem import InvalidProblem, Problem
from routing.solution import CostLines, Route, Solution, Step, StepKind, Summary, Unassigned, Violation
from routing.timetable import Timetable

_VISITS: Final = ("job", "pickup", "delivery")


def solution_body(
    problem: Problem, solution: Solution, *, loading: float | None = None, solving: float | None = None
) -> dict[str, Any]:
    """VROOM's answer for the solution; `loading` and `solving` are the seconds that this took, where they are known."""
    seconds = {"loading": loading, "solving": solving}
    computing = {name: round(1000 * took) for name, took in seconds.items() if took is not None}
    s = solution.summary
    return {
        "code": 0,
        "summary": {
            "cost": s.cost, "routes": s.routes, "unassigned": s.unassigned, "delivery": list(s.delivery),
            "amount": list(s.delivery), "pickup": list(s.pickup), "setup": s.setup, "service": s.service,
            "duration": s.duration, "waiting_time": s.waiting, "priority": s.priority, "distance": s.distance,
            "violations": _causes(solution.violations), "cost_lines": asdict(solution.cost_lines),
            **({"computing_times": computing} if computing else {}),
        },
        "unassigned": [_unassigned(problem, item) for item in solution.unassigned],
        "routes": [
            _route(problem, route, [v for v in solution.violations if v.vehicle == route.vehicle])
            for route in solution.routes
        ],
        "travel": asdict(solution.travel) | {"warnings": list(solution.travel.warnings)},
        "engine": solution.engine,
    }  # fmt: skip


def _causes(violations: Sequence[Violation]) -> list[dict[str, Any]]:
    """VROOM's violations: each cause once, with the seconds in all where it is about time, and our sentences."""
    causes: dict[str, dict[str, Any]] = {}
    for violation in violations:
        cause = causes.setdefault(violation.code, {"cause": violation.code})
        if violation.seconds is not None:
            cause["duration"] = cause.get("duration", 0) + violation.seconds
        cause["sentence"] = f"{cause['sentence']}; {violation.sentence}" if "sentence" in cause else violation.sentence
    return list(causes.values())


def _where(problem: Problem, location_index: int | None) -> dict[str, Any]:
    if location_index is None:
        return {}
    point = None if problem.locations is None else problem.locations[location_index]
    return {"location_index": location_index} | ({} if point is None else {"location": list(point)})


def _unassigned(problem: Problem, item: Unassigned) -> dict[str, Any]:
    return {
        "id": item.id,
        "type": item.kind.value,
        **_where(problem, item.location_index),
        **({"description": item.description} if item.description else {}),
        "code": None if item.code is None else item.code.value,
        "sentence": item.sentence,
        "reasons": [{"vehicle": r.vehicle, "code": r.code.value, "sentence": r.sentence} for r in item.reasons],
    }


def _route(problem: Problem, route: Route, violations: Sequence[Violation]) -> dict[str, Any]:
    visits = route.visits
    vehicle = problem.vehicles[route.vehicle_index]
    jobs = [problem.jobs[s.index] for s in visits if s.kind is StepKind.JOB and s.index is not None]
    moved = [problem.shipments[s.index] for s in visits if s.kind is StepKind.PICKUP and s.index is not None]
    dimensions = range(problem.dimensions)
    shipped = [sum(m.amount[d] for m in moved if m.amount) for d in dimensions]
    return {
        "vehicle": route.vehicle,
        "cost": route.cost,
        "delivery": [sum(j.delivery[d] for j in jobs if j.delivery) + shipped[d] for d in dimensions],
        "pickup": [sum(j.pickup[d] for j in jobs if j.pickup) + shipped[d] for d in dimensions],
        "setup": sum(s.setup for s in route.steps),
        "service": sum(s.service for s in route.steps),
        "duration": route.steps[-1].duration,
        "waiting_time": sum(s.waiting for s in route.steps),
        "priority": sum(j.priority for j in jobs) + sum(m.priority for m in moved),
        "distance": route.steps[-1].distance,
        **({"description": vehicle.description} if vehicle.description else {}),
        "steps": [
            _step(problem, s, [v for v in violations if v.step == at])
            for at, s in enumerate(route.steps)
            if s.kind not in _ENDS or s.location_index is not None
        ],
        "violations": _causes(violations),
        "cost_lines": asdict(route.cost_lines),
    }


_ENDS = (StepKind.START, StepKind.END)


def _step(problem: Problem, step: Step, violations: Sequence[Violation]) -> dict[str, Any]:
    named = {} if step.id is None else {"id": step.id}
    return {
        "type": step.kind.value,
        **_where(problem, step.location_index),
        **named,
        **({"job": step.id} if step.kind is StepKind.JOB else {}),
        **({"description": step.description} if step.description else {}),
        "arrival": step.arrival,
        "setup": step.setup,
        "service": step.service,
        "waiting_time": step.waiting,
        "load": list(step.load),
        "duration": step.duration,
        "distance": step.distance,
        **({"landing_wait": step.landing_wait} if step.landing_wait else {}),
        "violations": _causes(violations),
    }


def read_solution(body: Any, problem: Problem) -> Solution:
    """The solution in a VROOM answer, ours or VROOM's own; what VROOM does not write is filled in by computing it.

    Ids that the problem does not know are kept for the checker to object to. Raises `InvalidProblem` when the body is
    no solution at all.
    """
    top = an_object("solution", body)
    numbers = {(task.kind.value, task.id): task.index for task in problem.tasks}
    places = {vehicle.id: index for index, vehicle in enumerate(problem.vehicles)}
    timetable = Timetable(problem)
    routes = tuple(
        _read_route(f"routes[{i}]", route, problem, numbers, places, timetable)
        for i, route in enumerate(a_list("routes", top.get("routes")))
    )
    left_out = tuple(
        _read_unassigned(f"unassigned[{i}]", item, numbers)
        for i, item in enumerate(a_list("unassigned", top.get("unassigned")))
    )
    draft = Solution(
        routes=routes,
        unassigned=left_out,
        summary=_nothing(),
        cost_lines=sum((route.cost_lines for route in routes), CostLines()),
    )
    computed = asdict(summary_of(problem, draft))
    stated = an_object("summary", top.get("summary"))
    prizes = computed["cost"] - sum(route.cost for route in routes)
    if (lines := stated.get("cost_lines")) is not None:
        prizes = a_whole("summary.cost_lines.prizes", an_object("summary.cost_lines", lines).get("prizes", 0))
    names = {"waiting": "waiting_time"}
    for name, value in computed.items():
        if (given := stated.get(names.get(name, name))) is not None:
            path = f"summary.{names.get(name, name)}"
            computed[name] = wholes(path, given) if isinstance(value, tuple) else a_whole(path, given)
    return Solution(
        routes=routes, unassigned=left_out, summary=Summary(**computed),
        cost_lines=draft.cost_lines + CostLines(prizes=prizes),
        engine=a_text("engine", top.get("engine")),
    )  # fmt: skip


def _nothing() -> Summary:
    return Summary(
        cost=0, routes=0, unassigned=0, setup=0, service=0, duration=0, waiting=0, distance=0, priority=0,
        delivery=(), pickup=(),
    )  # fmt: skip


def _read_unassigned(path: str, value: Any, numbers: Mapping[tuple[str, int], int]) -> Unassigned:
    item = an_object(path, value)
    kind = item.get("type", "job")
    if kind not in _VISITS:
        raise InvalidProblem("step", f"{path}.type", kind, "expected job, pickup or delivery")
    identifier = a_whole(f"{path}.id", item.get("id"))
    index = numbers.get((kind, identifier), -1)
    return Unassigned(
        kind=StepKind(kind), id=identifier, index=index, location_index=item.get("location_index", -1), code=None,
        sentence=a_text(f"{path}.sentence", item.get("sentence")),
    )  # fmt: skip


def _read_route(
    path: str,
    value: Any,
    problem: Problem,
    numbers: Mapping[tuple[str, int], int],
    places: Mapping[int, int],
    timetable: Timetable,
) -> Route:
    route = an_object(path, value)
    identifier = a_whole(f"{path}.vehicle", route.get("vehicle"))
    index = places.get(identifier, -1)
    vehicle = problem.vehicles[index] if index >= 0 else None
    breaks = {} if vehicle is None else {rest.id: at for at, rest in enumerate(vehicle.breaks)}
    steps = [
        _read_step(f"{path}.steps[{i}]", s, problem, numbers, breaks)
        for i, s in enumerate(a_list(f"{path}.steps", route.get("steps")))
    ]
    if not steps:
        raise InvalidProblem("step", f"{path}.steps", [], "expected at least one step")
    if steps[0].kind is not StepKind.START:
        first = steps[0]
        load = _at_start(problem, steps)
        steps.insert(0, Step(kind=StepKind.START, arrival=first.arrival, load=load))
    if steps[-1].kind is not StepKind.END:
        last = steps[-1]
        steps.append(
            Step(kind=StepKind.END, arrival=last.leaves, load=last.load, duration=last.duration, distance=last.distance)
        )
    cost_lines = _read_cost(path, route, problem, index, steps, timetable)
    return Route(vehicle=identifier, vehicle_index=index, steps=tuple(steps), cost_lines=cost_lines)


def _at_start(problem: Problem, steps: Sequence[Step]) -> tuple[int, ...]:
    """What the first trip delivers."""
    jobs = []
    for step in steps:
        if step.index is None or step.index < 0:
            continue
        if step.kind is StepKind.RELOAD and problem.reloads[step.index].empties is None:
            break
        if step.kind is StepKind.JOB:
            jobs.append(problem.jobs[step.index])
    return tuple(sum(job.delivery[d] for job in jobs if job.delivery) for d in range(problem.dimensions))


def _read_step(
    path: str, value: Any, problem: Problem, numbers: Mapping[tuple[str, int], int], breaks: Mapping[int, int]
) -> Step:
    step = an_object(path, value)
    kind = step.get("type")
    if kind not in set(StepKind):
        raise InvalidProblem("step", f"{path}.type", kind, f"expected one of {[str(x) for x in StepKind]}")
    identifier = None if kind in ("start", "end") else a_whole(f"{path}.id", step.get("id", step.get("job")))
    index: int | None = None
    if identifier is not None:
        index = breaks.get(identifier, -1) if kind == "break" else numbers.get((kind, identifier), -1)
    load = wholes(f"{path}.load", step.get("load"))
    return Step(
        kind=StepKind(kind),
        arrival=a_whole(f"{path}.arrival", step.get("arrival")),
        id=identifier,
        index=index,
        location_index=a_whole_or_none(f"{path}.location_index", step.get("location_index")),
        setup=a_whole(f"{path}.setup", step.get("setup", 0)),
        service=a_whole(f"{path}.service", step.get("service", 0)),
        waiting=a_whole(f"{path}.waiting_time", step.get("waiting_time", 0)),
        load=load or (0,) * problem.dimensions,
        duration=a_whole(f"{path}.duration", step.get("duration", 0)),
        distance=a_whole(f"{path}.distance", step.get("distance", 0)),
        landing_wait=a_whole(f"{path}.landing_wait", step.get("landing_wait", 0)),
        description=a_text(f"{path}.description", step.get("description")),
    )


def _read_cost(
    path: str, route: Mapping[str, Any], problem: Problem, index: int, steps: Sequence[Step], timetable: Timetable
) -> CostLines:
    """The stated lines, or for VROOM's own answer the computed ones when they agree with its one number."""
    stated = a_whole(f"{path}.cost", route.get("cost"))
    if (lines := route.get("cost_lines")) is not None:
        names = CostLines.__dataclass_fields__
        given = {name: a_whole(f"{path}.cost_lines.{name}", an_object(path, lines).get(name, 0)) for name in names}
        if sum(given.values()) != stated:
            raise InvalidProblem("cost", f"{path}.cost", stated, f"its lines add up to {sum(given.values())}")
        return CostLines(**given)
    numbers: dict[tuple[str, int | None], Any] = {(task.kind.value, task.index): task for task in problem.tasks}
    tasks = [numbers[s.kind.value, s.index] for s in steps if (s.kind.value, s.index) in numbers]
    computed = timetable.cost_lines(problem.vehicles[index], tasks) if index >= 0 else CostLines()
    return computed if computed.total == stated else CostLines(travel_time=stated)
