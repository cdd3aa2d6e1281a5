"""VROOM 1.15's JSON, in and out, as a superset: a VROOM client's body works unchanged and gets VROOM's answer.

Beyond VROOM: `dimension_names` at the top; `allowed_vehicles`, `preferred_vehicles`, `preference_cost`, `lock`,
`locked_vehicle`, `locked_rank`, `locked_time`, `lock_tolerance` on jobs; null in a matrix = no way; in the answer
`unassigned[].code`, `.sentence` and `.reasons`, `cost_lines`, `travel`. Identifiers are any whole numbers. Members
that nobody knows are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from routing.checking import summary_of
from routing.problem import (
    UNREACHABLE,
    Break,
    Costs,
    InvalidProblem,
    Job,
    Lock,
    Matrix,
    PlannedStep,
    Problem,
    Shipment,
    ShipmentStop,
    Travel,
    Vehicle,
    Window,
)
from routing.solution import CostLines, Route, Solution, Step, StepKind, Summary, Unassigned
from routing.timetable import Timetable
from routing.travel import EstimatedTravel, TravelProvider

INTERNAL, INPUT, ROUTING = 1, 2, 3
_VROOM_UNREACHABLE: Final = 2**32 - 1
_VISITS: Final = ("job", "pickup", "delivery")


class TravelFailed(RuntimeError):
    """The source of travel times did not answer; VROOM's error 3."""


def error_body(error: Exception) -> dict[str, Any]:
    """VROOM's `{code, error}`: 2 for what the caller can mend, 3 for travel times, 1 for the rest."""
    if isinstance(error, InvalidProblem):
        return {"code": INPUT, "error": str(error)}
    if isinstance(error, TravelFailed):
        return {"code": ROUTING, "error": str(error)}
    return {"code": INTERNAL, "error": "internal error"}


def requested_seconds(body: Any, *, default: float = 5.0, most: float = 30.0) -> float:
    """`options.time_limit` in seconds, held to `most`. Raises `InvalidProblem` when it is not a number above 0."""
    options = body.get("options") if isinstance(body, Mapping) else None
    wanted = options.get("time_limit") if isinstance(options, Mapping) else None
    if wanted is None:
        return min(default, most)
    if type(wanted) not in (int, float) or not 0 < wanted < float("inf"):
        raise InvalidProblem("range", "options.time_limit", wanted, "expected seconds above 0")
    return min(float(wanted), most)


# -- in


def read_problem(body: Any, *, travel: TravelProvider | None = None) -> Problem:
    """The problem in a VROOM body (parsed JSON).

    Without `matrices` the locations' travel is taken from `travel`, by default the estimate. Raises `InvalidProblem`
    naming field and value.
    """
    top = _object("body", body)
    vehicles = _list("vehicles", top.get("vehicles"))
    jobs = _list("jobs", top.get("jobs"))
    shipments = _list("shipments", top.get("shipments"))
    if not vehicles:
        raise InvalidProblem("no_vehicles", "vehicles", vehicles, "expected at least one vehicle")
    if not jobs and not shipments:
        raise InvalidProblem("no_jobs", "jobs", jobs, "expected at least one job or shipment")
    places = _Places(given=top.get("matrices") is not None)
    read_vehicles = tuple(_vehicle(f"vehicles[{i}]", v, places) for i, v in enumerate(vehicles))
    read_jobs = tuple(_job(f"jobs[{i}]", j, places) for i, j in enumerate(jobs))
    read_shipments = tuple(_shipment(f"shipments[{i}]", s, places) for i, s in enumerate(shipments))
    if places.given:
        matrices = _matrices(top["matrices"])
        size = max((matrix.size for matrix in matrices.values()), default=0)
        locations = tuple(places.known.get(index) for index in range(size))
        provenance = Travel()
    else:
        provider = travel or EstimatedTravel()
        points = [point for _, point in sorted(places.known.items())]
        locations = tuple(points)
        matrices = {profile: provider.table(points, profile) for profile in {v.profile for v in read_vehicles}}
        provenance = provider.provenance()
    problem = Problem(
        jobs=read_jobs,
        shipments=read_shipments,
        vehicles=read_vehicles,
        matrices=matrices,
        locations=locations if places.known else None,
        dimension_names=tuple(
            _text("dimension_names", n) for n in _list("dimension_names", top.get("dimension_names"))
        ),
        travel=provenance,
    )
    _steps_exist(problem)
    return problem


class _Places:
    """The locations met so far: by the caller's index, or numbered here, one per distinct point."""

    def __init__(self, *, given: bool) -> None:
        self.given = given
        self.known: dict[int, tuple[float, float]] = {}
        self._numbers: dict[tuple[float, float], int] = {}

    def index(self, path: str, index: Any, location: Any, *, name: str = "location") -> int:
        point = None if location is None else _point(f"{path}.{name}", location)
        if self.given:
            if index is None:
                raise InvalidProblem(
                    "location_index", f"{path}.{name}_index", None, "expected an index of the matrices"
                )
            number = _whole(f"{path}.{name}_index", index)
            if point is not None:
                self.known[number] = point
            return number
        if point is None:
            raise InvalidProblem("location", f"{path}.{name}", None, "expected [lon, lat], as there are no matrices")
        number = self._numbers.setdefault(point, len(self._numbers))
        self.known[number] = point
        return number


def _object(path: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidProblem("type", path, value, "expected an object")
    return value


def _list(path: str, value: Any) -> Sequence[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise InvalidProblem("type", path, value, "expected an array")
    return value


def _whole(path: str, value: Any) -> int:
    if type(value) is not int:
        raise InvalidProblem("type", path, value, "expected a whole number")
    return value


def _optional(path: str, value: Any) -> int | None:
    return None if value is None else _whole(path, value)


def _text(path: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidProblem("type", path, value, "expected a text")
    return value


def _point(path: str, value: Any) -> tuple[float, float]:
    pair = _list(path, value)
    if len(pair) != 2 or any(type(x) not in (int, float) for x in pair):
        raise InvalidProblem("location", path, value, "expected [lon, lat]")
    lon, lat = pair
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidProblem("location", path, value, "expected lon within 180 and lat within 90 degrees")
    return float(lon), float(lat)


def _wholes(path: str, value: Any) -> tuple[int, ...]:
    return tuple(_whole(f"{path}[{i}]", x) for i, x in enumerate(_list(path, value)))


def _ids(path: str, value: Any) -> frozenset[int]:
    return frozenset(_wholes(path, value))


def _window(path: str, value: Any) -> Window:
    pair = _wholes(path, value)
    if len(pair) != 2:
        raise InvalidProblem("time_window", path, value, "expected [opens, closes]")
    return pair[0], pair[1]


def _windows(path: str, value: Any) -> tuple[Window, ...]:
    if value is not None and not _list(path, value):
        raise InvalidProblem("time_window", path, value, "expected at least one window")
    return tuple(_window(f"{path}[{i}]", w) for i, w in enumerate(_list(path, value)))


def _stop(path: str, value: Mapping[str, Any], places: _Places) -> dict[str, Any]:
    for name in ("setup_per_type", "service_per_type"):
        if value.get(name):
            raise InvalidProblem(
                "not_supported", f"{path}.{name}", value[name], "times by vehicle type are not supported"
            )
    return {
        "id": _whole(f"{path}.id", value.get("id")),
        "location_index": places.index(path, value.get("location_index"), value.get("location")),
        "description": _text(f"{path}.description", value.get("description")),
        "setup": _whole(f"{path}.setup", value.get("setup", 0)),
        "service": _whole(f"{path}.service", value.get("service", 0)),
        "time_windows": _windows(f"{path}.time_windows", value.get("time_windows")),
    }


def _serving(path: str, value: Mapping[str, Any]) -> dict[str, Any]:
    allowed = value.get("allowed_vehicles")
    return {
        "skills": _ids(f"{path}.skills", value.get("skills")),
        "priority": _whole(f"{path}.priority", value.get("priority", 0)),
        "allowed_vehicles": None if allowed is None else _ids(f"{path}.allowed_vehicles", allowed),
        "preferred_vehicles": _ids(f"{path}.preferred_vehicles", value.get("preferred_vehicles")),
        "preference_cost": _whole(f"{path}.preference_cost", value.get("preference_cost", 0)),
    }


def _job(path: str, value: Any, places: _Places) -> Job:
    job = _object(path, value)
    lock = job.get("lock", "free")
    if not isinstance(lock, str) or lock not in set(Lock):
        raise InvalidProblem("lock", f"{path}.lock", lock, f"expected one of {[str(x) for x in Lock]}")
    return Job(
        **_stop(path, job, places),
        **_serving(path, job),
        delivery=_wholes(f"{path}.delivery", job.get("delivery")),
        pickup=_wholes(f"{path}.pickup", job.get("pickup")),
        lock=Lock(lock),
        locked_vehicle=_optional(f"{path}.locked_vehicle", job.get("locked_vehicle")),
        locked_rank=_optional(f"{path}.locked_rank", job.get("locked_rank")),
        locked_time=_optional(f"{path}.locked_time", job.get("locked_time")),
        lock_tolerance=_whole(f"{path}.lock_tolerance", job.get("lock_tolerance", 300)),
    )


def _shipment(path: str, value: Any, places: _Places) -> Shipment:
    shipment = _object(path, value)
    fetch, bring = f"{path}.pickup", f"{path}.delivery"
    return Shipment(
        pickup=ShipmentStop(**_stop(fetch, _object(fetch, shipment.get("pickup")), places)),
        delivery=ShipmentStop(**_stop(bring, _object(bring, shipment.get("delivery")), places)),
        amount=_wholes(f"{path}.amount", shipment.get("amount")),
        **_serving(path, shipment),
    )


def _vehicle(path: str, value: Any, places: _Places) -> Vehicle:
    vehicle = _object(path, value)
    ends: dict[str, int | None] = {}
    for name in ("start", "end"):
        index, location = vehicle.get(f"{name}_index"), vehicle.get(name)
        absent = index is None if places.given else location is None
        if places.given and absent and location is not None:
            raise InvalidProblem("location_index", f"{path}.{name}_index", None, "expected an index of the matrices")
        ends[name] = None if absent else places.index(path, index, location, name=name)
    costs = _object(f"{path}.costs", vehicle.get("costs", {}))
    window = vehicle.get("time_window")
    speed = vehicle.get("speed_factor", 1.0)
    if type(speed) not in (int, float):
        raise InvalidProblem("type", f"{path}.speed_factor", speed, "expected a number")
    return Vehicle(
        id=_whole(f"{path}.id", vehicle.get("id")),
        start=ends["start"],
        end=ends["end"],
        profile=_text(f"{path}.profile", vehicle.get("profile", "car")),
        name=_text(f"{path}.name", vehicle.get("name")),
        description=_text(f"{path}.description", vehicle.get("description")),
        time_window=None if window is None else _window(f"{path}.time_window", window),
        breaks=tuple(
            _break(f"{path}.breaks[{i}]", b) for i, b in enumerate(_list(f"{path}.breaks", vehicle.get("breaks")))
        ),
        capacity=_wholes(f"{path}.capacity", vehicle.get("capacity")),
        skills=_ids(f"{path}.skills", vehicle.get("skills")),
        speed_factor=float(speed),
        max_tasks=_optional(f"{path}.max_tasks", vehicle.get("max_tasks")),
        max_travel_time=_optional(f"{path}.max_travel_time", vehicle.get("max_travel_time")),
        max_distance=_optional(f"{path}.max_distance", vehicle.get("max_distance")),
        costs=Costs(
            **{
                name: _whole(f"{path}.costs.{name}", costs[name])
                for name in ("fixed", "per_hour", "per_km", "per_task_hour")
                if name in costs
            }
        ),
        steps=_planned(f"{path}.steps", vehicle.get("steps")),
    )


def _break(path: str, value: Any) -> Break:
    rest = _object(path, value)
    most = rest.get("max_load")
    return Break(
        id=_whole(f"{path}.id", rest.get("id")),
        time_windows=_windows(f"{path}.time_windows", rest.get("time_windows")),
        service=_whole(f"{path}.service", rest.get("service", 0)),
        description=_text(f"{path}.description", rest.get("description")),
        max_load=None if most is None else _wholes(f"{path}.max_load", most),
    )


def _planned(path: str, value: Any) -> tuple[PlannedStep, ...]:
    steps = []
    for i, item in enumerate(_list(path, value)):
        step = _object(f"{path}[{i}]", item)
        kind = step.get("type")
        if kind not in (*_VISITS, "start", "break", "end"):
            raise InvalidProblem(
                "step", f"{path}[{i}].type", kind, "expected start, job, pickup, delivery, break or end"
            )
        if kind in _VISITS:
            steps.append(PlannedStep(kind=kind, id=_whole(f"{path}[{i}].id", step.get("id"))))
    return tuple(steps)


def _steps_exist(problem: Problem) -> None:
    known = {(task.kind.value, task.id) for task in problem.tasks}
    for index, vehicle in enumerate(problem.vehicles):
        for place, step in enumerate(vehicle.steps):
            if (step.kind, step.id) not in known:
                path = f"vehicles[{index}].steps[{place}].id"
                raise InvalidProblem("step", path, step.id, f"there is no {step.kind} with this id")


def _matrices(value: Any) -> dict[str, Matrix]:
    matrices = {}
    for profile, tables in _object("matrices", value).items():
        path = f"matrices.{profile}"
        given = _object(path, tables)
        if given.get("durations") is None:
            raise InvalidProblem("matrix", f"{path}.durations", None, "expected a table of seconds")
        names = {"seconds": "durations", "metres": "distances", "cost": "costs"}
        read = {
            ours: _table(f"{path}.{theirs}", given[theirs])
            for ours, theirs in names.items()
            if given.get(theirs) is not None
        }
        try:
            matrices[profile] = Matrix(**read)  # type: ignore[arg-type]  # lists are welcome there
        except InvalidProblem as error:
            name, bracket, rest = error.field.partition("[")
            where = f"{path}.{names.get(name, name)}{bracket}{rest}"
            raise InvalidProblem(error.code, where, error.value, error.sentence) from error
    return matrices


def _table(path: str, value: Any) -> list[list[Any]]:
    """Rows with null, and VROOM's largest number, made our sign for "no way"."""
    rows = [_list(f"{path}[{i}]", row) for i, row in enumerate(_list(path, value))]
    return [
        [UNREACHABLE if x is None or (type(x) is int and UNREACHABLE < x <= _VROOM_UNREACHABLE) else x for x in row]
        for row in rows
    ]


# -- out


def solution_body(problem: Problem, solution: Solution) -> dict[str, Any]:
    """VROOM's answer for the solution."""
    s = solution.summary
    violations = [{"cause": v.code, "sentence": v.sentence} for v in solution.violations]
    return {
        "code": 0,
        "summary": {
            "cost": s.cost, "routes": s.routes, "unassigned": s.unassigned, "delivery": list(s.delivery),
            "amount": list(s.delivery), "pickup": list(s.pickup), "setup": s.setup, "service": s.service,
            "duration": s.duration, "waiting_time": s.waiting, "priority": s.priority, "distance": s.distance,
            "violations": violations, "cost_lines": asdict(solution.cost_lines),
        },
        "unassigned": [_unassigned(problem, item) for item in solution.unassigned],
        "routes": [_route(problem, route) for route in solution.routes],
        "travel": asdict(solution.travel) | {"warnings": list(solution.travel.warnings)},
        "engine": solution.engine,
    }  # fmt: skip


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


def _route(problem: Problem, route: Route) -> dict[str, Any]:
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
        "steps": [_step(problem, s) for s in route.steps if s.kind not in _ENDS or s.location_index is not None],
        "violations": [],
        "cost_lines": asdict(route.cost_lines),
    }


_ENDS = (StepKind.START, StepKind.END)


def _step(problem: Problem, step: Step) -> dict[str, Any]:
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
        "violations": [],
    }


# -- a solution back in, for the checker


def read_solution(body: Any, problem: Problem) -> Solution:
    """The solution in a VROOM answer, ours or VROOM's own; what VROOM does not write is filled in by computing it.

    Ids that the problem does not know are kept for the checker to object to. Raises `InvalidProblem` when the body is
    no solution at all.
    """
    top = _object("solution", body)
    numbers = {(task.kind.value, task.id): task.index for task in problem.tasks}
    places = {vehicle.id: index for index, vehicle in enumerate(problem.vehicles)}
    timetable = Timetable(problem)
    routes = tuple(
        _read_route(f"routes[{i}]", route, problem, numbers, places, timetable)
        for i, route in enumerate(_list("routes", top.get("routes")))
    )
    left_out = tuple(
        _read_unassigned(f"unassigned[{i}]", item, numbers)
        for i, item in enumerate(_list("unassigned", top.get("unassigned")))
    )
    draft = Solution(
        routes=routes,
        unassigned=left_out,
        summary=_nothing(),
        cost_lines=sum((route.cost_lines for route in routes), CostLines()),
    )
    computed = asdict(summary_of(problem, draft))
    stated = _object("summary", top.get("summary"))
    names = {"waiting": "waiting_time"}
    for name, value in computed.items():
        if (given := stated.get(names.get(name, name))) is not None:
            path = f"summary.{names.get(name, name)}"
            computed[name] = _wholes(path, given) if isinstance(value, tuple) else _whole(path, given)
    return Solution(
        routes=routes, unassigned=left_out, summary=Summary(**computed), cost_lines=draft.cost_lines,
        engine=_text("engine", top.get("engine")),
    )  # fmt: skip


def _nothing() -> Summary:
    return Summary(
        cost=0, routes=0, unassigned=0, setup=0, service=0, duration=0, waiting=0, distance=0, priority=0,
        delivery=(), pickup=(),
    )  # fmt: skip


def _read_unassigned(path: str, value: Any, numbers: Mapping[tuple[str, int], int]) -> Unassigned:
    item = _object(path, value)
    kind = item.get("type", "job")
    if kind not in _VISITS:
        raise InvalidProblem("step", f"{path}.type", kind, "expected job, pickup or delivery")
    identifier = _whole(f"{path}.id", item.get("id"))
    index = numbers.get((kind, identifier), -1)
    return Unassigned(
        kind=StepKind(kind), id=identifier, index=index, location_index=item.get("location_index", -1), code=None,
        sentence=_text(f"{path}.sentence", item.get("sentence")),
    )  # fmt: skip


def _read_route(
    path: str,
    value: Any,
    problem: Problem,
    numbers: Mapping[tuple[str, int], int],
    places: Mapping[int, int],
    timetable: Timetable,
) -> Route:
    route = _object(path, value)
    identifier = _whole(f"{path}.vehicle", route.get("vehicle"))
    index = places.get(identifier, -1)
    vehicle = problem.vehicles[index] if index >= 0 else None
    breaks = {} if vehicle is None else {rest.id: at for at, rest in enumerate(vehicle.breaks)}
    steps = [
        _read_step(f"{path}.steps[{i}]", s, problem, numbers, breaks)
        for i, s in enumerate(_list(f"{path}.steps", route.get("steps")))
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
    jobs = [problem.jobs[s.index] for s in steps if s.kind is StepKind.JOB and s.index is not None and s.index >= 0]
    return tuple(sum(job.delivery[d] for job in jobs if job.delivery) for d in range(problem.dimensions))


def _read_step(
    path: str, value: Any, problem: Problem, numbers: Mapping[tuple[str, int], int], breaks: Mapping[int, int]
) -> Step:
    step = _object(path, value)
    kind = step.get("type")
    if kind not in set(StepKind):
        raise InvalidProblem("step", f"{path}.type", kind, "expected start, job, pickup, delivery, break or end")
    identifier = None if kind in ("start", "end") else _whole(f"{path}.id", step.get("id", step.get("job")))
    index: int | None = None
    if identifier is not None:
        index = breaks.get(identifier, -1) if kind == "break" else numbers.get((kind, identifier), -1)
    load = _wholes(f"{path}.load", step.get("load"))
    return Step(
        kind=StepKind(kind),
        arrival=_whole(f"{path}.arrival", step.get("arrival")),
        id=identifier,
        index=index,
        location_index=_optional(f"{path}.location_index", step.get("location_index")),
        setup=_whole(f"{path}.setup", step.get("setup", 0)),
        service=_whole(f"{path}.service", step.get("service", 0)),
        waiting=_whole(f"{path}.waiting_time", step.get("waiting_time", 0)),
        load=load or (0,) * problem.dimensions,
        duration=_whole(f"{path}.duration", step.get("duration", 0)),
        distance=_whole(f"{path}.distance", step.get("distance", 0)),
    )


def _read_cost(
    path: str, route: Mapping[str, Any], problem: Problem, index: int, steps: Sequence[Step], timetable: Timetable
) -> CostLines:
    """The stated lines, or for VROOM's own answer the computed ones when they agree with its one number."""
    stated = _whole(f"{path}.cost", route.get("cost"))
    if (lines := route.get("cost_lines")) is not None:
        names = CostLines.__dataclass_fields__
        given = {name: _whole(f"{path}.cost_lines.{name}", _object(path, lines).get(name, 0)) for name in names}
        if sum(given.values()) != stated:
            raise InvalidProblem("cost", f"{path}.cost", stated, f"its lines add up to {sum(given.values())}")
        return CostLines(**given)
    numbers: dict[tuple[str, int | None], Any] = {(task.kind.value, task.index): task for task in problem.tasks}
    tasks = [numbers[s.kind.value, s.index] for s in steps if (s.kind.value, s.index) in numbers]
    computed = timetable.cost_lines(problem.vehicles[index], tasks) if index >= 0 else CostLines()
    return computed if computed.total == stated else CostLines(travel_time=stated)
