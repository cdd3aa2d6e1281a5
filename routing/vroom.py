"""VROOM 1.15's JSON, in and out, as a superset: a VROOM client's body works unchanged and gets VROOM's answer.

Beyond VROOM: at the top `dimension_names` and `reloads`; on jobs `allowed_vehicles`, `preferred_vehicles`,
`preference_cost`, `lock`, `locked_vehicle`, `locked_rank`, `locked_time`, `lock_tolerance`, `prize`, `release`,
`soft_window`, `early_cost_per_hour`, `late_cost_per_hour`, `retry_value_per_hour`; on shipments `prize` and who may
serve them; on vehicles `max_duration`, `overtime_after`, `max_overtime`, `target_duration`, `reloads`, `max_reloads`;
in costs `per_overtime_hour`, `per_hour_over_target`; in a matrix `crossings` and null for "no way"; in the answer
steps of type `reload`, `landing_wait`, `unassigned[].code`, `.sentence` and `.reasons`, `cost_lines`, `travel`.
Identifiers are any whole numbers. Members that nobody knows are ignored.

With `options.c` (VROOM's flag -c) nothing is searched: `told_plan` times the vehicles' own `steps` and says what rules
they break.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from routing.answers import read_solution, solution_body
from routing.bodies import a_list, a_text, a_whole, a_whole_or_none, a_window, an_object, ids, wholes, windows
from routing.plane import EstimatedPlane
from routing.problem import (
    UNREACHABLE,
    Break,
    Costs,
    Crossing,
    Crossings,
    InvalidProblem,
    Job,
    Lock,
    Matrix,
    PlannedStep,
    Problem,
    Reload,
    Shipment,
    ShipmentStop,
    Travel,
    TravelTable,
    Vehicle,
)
from routing.telling import told_plan
from routing.travel import EstimatedTravel, TravelProvider

__all__ = [
    "INPUT",
    "INTERNAL",
    "ROUTING",
    "TravelFailed",
    "error_body",
    "is_told",
    "read_problem",
    "read_solution",
    "requested_seconds",
    "solution_body",
    "told_plan",
]

INTERNAL, INPUT, ROUTING = 1, 2, 3
_VROOM_UNREACHABLE: Final = 2**32 - 1
_DENSE_UP_TO: Final = 2_500
"""Places up to which all ways are kept: 50 MB of them."""


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
    top = an_object("body", body)
    vehicles = a_list("vehicles", top.get("vehicles"))
    jobs = a_list("jobs", top.get("jobs"))
    shipments = a_list("shipments", top.get("shipments"))
    if not vehicles:
        raise InvalidProblem("no_vehicles", "vehicles", vehicles, "expected at least one vehicle")
    if not jobs and not shipments:
        raise InvalidProblem("no_jobs", "jobs", jobs, "expected at least one job or shipment")
    places = _Places(given=top.get("matrices") is not None)
    read_vehicles = tuple(_vehicle(f"vehicles[{i}]", v, places) for i, v in enumerate(vehicles))
    read_jobs = tuple(_job(f"jobs[{i}]", j, places) for i, j in enumerate(jobs))
    read_shipments = tuple(_shipment(f"shipments[{i}]", s, places) for i, s in enumerate(shipments))
    reloads = tuple(_reload(f"reloads[{i}]", r, places) for i, r in enumerate(a_list("reloads", top.get("reloads"))))
    matrices: dict[str, Any]  # tables of travel, lazy ones among them
    if places.given:
        matrices = _matrices(top["matrices"])
        size = max((matrix.size for matrix in matrices.values()), default=0)
        locations = tuple(places.known.get(index) for index in range(size))
        provenance = Travel()
    else:
        provider = travel or EstimatedTravel()
        points = [point for _, point in sorted(places.known.items())]
        locations = tuple(points)
        matrices = {profile: _travel(provider, points, profile) for profile in {v.profile for v in read_vehicles}}
        provenance = provider.provenance()
    problem = Problem(
        jobs=read_jobs,
        shipments=read_shipments,
        vehicles=read_vehicles,
        reloads=reloads,
        matrices=matrices,
        locations=locations if places.known else None,
        dimension_names=tuple(
            a_text("dimension_names", n) for n in a_list("dimension_names", top.get("dimension_names"))
        ),
        travel=provenance,
    )
    _steps_exist(problem)
    return problem


def _travel(
    provider: TravelProvider | EstimatedTravel, points: Sequence[tuple[float, float]], profile: str
) -> TravelTable:
    """The table of all ways; of the estimate for very many places only what is asked for, since all take gigabytes."""
    if isinstance(provider, EstimatedTravel) and len(points) > _DENSE_UP_TO:
        return EstimatedPlane(points, profile, provider)
    return provider.table(points, profile)


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
            number = a_whole(f"{path}.{name}_index", index)
            if point is not None:
                self.known[number] = point
            return number
        if point is None:
            raise InvalidProblem("location", f"{path}.{name}", None, "expected [lon, lat], as there are no matrices")
        number = self._numbers.setdefault(point, len(self._numbers))
        self.known[number] = point
        return number


def _point(path: str, value: Any) -> tuple[float, float]:
    pair = a_list(path, value)
    if len(pair) != 2 or any(type(x) not in (int, float) for x in pair):
        raise InvalidProblem("location", path, value, "expected [lon, lat]")
    lon, lat = pair
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidProblem("location", path, value, "expected lon within 180 and lat within 90 degrees")
    return float(lon), float(lat)


def _stop(path: str, value: Mapping[str, Any], places: _Places) -> dict[str, Any]:
    for name in ("setup_per_type", "service_per_type"):
        if value.get(name):
            raise InvalidProblem(
                "not_supported", f"{path}.{name}", value[name], "times by vehicle type are not supported"
            )
    return {
        "id": a_whole(f"{path}.id", value.get("id")),
        "location_index": places.index(path, value.get("location_index"), value.get("location")),
        "description": a_text(f"{path}.description", value.get("description")),
        "setup": a_whole(f"{path}.setup", value.get("setup", 0)),
        "service": a_whole(f"{path}.service", value.get("service", 0)),
        "time_windows": windows(f"{path}.time_windows", value.get("time_windows")),
    }


def _serving(path: str, value: Mapping[str, Any]) -> dict[str, Any]:
    allowed = value.get("allowed_vehicles")
    return {
        "skills": ids(f"{path}.skills", value.get("skills")),
        "priority": a_whole(f"{path}.priority", value.get("priority", 0)),
        "allowed_vehicles": None if allowed is None else ids(f"{path}.allowed_vehicles", allowed),
        "preferred_vehicles": ids(f"{path}.preferred_vehicles", value.get("preferred_vehicles")),
        "preference_cost": a_whole(f"{path}.preference_cost", value.get("preference_cost", 0)),
        "prize": a_whole_or_none(f"{path}.prize", value.get("prize")),
    }


def _job(path: str, value: Any, places: _Places) -> Job:
    job = an_object(path, value)
    lock = job.get("lock", "free")
    prices: dict[str, Any] = {name: a_whole(f"{path}.{name}", job[name]) for name in _PRICES_OF_TIME if name in job}
    if not isinstance(lock, str) or lock not in set(Lock):
        raise InvalidProblem("lock", f"{path}.lock", lock, f"expected one of {[str(x) for x in Lock]}")
    return Job(
        **_stop(path, job, places),
        **_serving(path, job),
        delivery=wholes(f"{path}.delivery", job.get("delivery")),
        pickup=wholes(f"{path}.pickup", job.get("pickup")),
        lock=Lock(lock),
        locked_vehicle=a_whole_or_none(f"{path}.locked_vehicle", job.get("locked_vehicle")),
        locked_rank=a_whole_or_none(f"{path}.locked_rank", job.get("locked_rank")),
        locked_time=a_whole_or_none(f"{path}.locked_time", job.get("locked_time")),
        lock_tolerance=a_whole(f"{path}.lock_tolerance", job.get("lock_tolerance", 300)),
        release=a_whole(f"{path}.release", job.get("release", 0)),
        soft_window=None if job.get("soft_window") is None else a_window(f"{path}.soft_window", job["soft_window"]),
        **prices,
    )


_PRICES_OF_TIME: Final = ("early_cost_per_hour", "late_cost_per_hour", "retry_value_per_hour")


def _reload(path: str, value: Any, places: _Places) -> Reload:
    place = an_object(path, value)
    empties, where = place.get("empties"), f"{path}.empties"
    return Reload(
        id=a_whole(f"{path}.id", place.get("id")),
        location_index=places.index(path, place.get("location_index"), place.get("location")),
        service=a_whole(f"{path}.service", place.get("service", 0)),
        time_windows=windows(f"{path}.time_windows", place.get("time_windows")),
        description=a_text(f"{path}.description", place.get("description")),
        empties=None if empties is None else frozenset(a_text(where, x) for x in a_list(where, empties)),
    )


def _shipment(path: str, value: Any, places: _Places) -> Shipment:
    shipment = an_object(path, value)
    fetch, bring = f"{path}.pickup", f"{path}.delivery"
    return Shipment(
        pickup=ShipmentStop(**_stop(fetch, an_object(fetch, shipment.get("pickup")), places)),
        delivery=ShipmentStop(**_stop(bring, an_object(bring, shipment.get("delivery")), places)),
        amount=wholes(f"{path}.amount", shipment.get("amount")),
        **_serving(path, shipment),
    )


def _vehicle(path: str, value: Any, places: _Places) -> Vehicle:
    vehicle = an_object(path, value)
    ends: dict[str, int | None] = {}
    for name in ("start", "end"):
        index, location = vehicle.get(f"{name}_index"), vehicle.get(name)
        absent = index is None if places.given else location is None
        if places.given and absent and location is not None:
            raise InvalidProblem("location_index", f"{path}.{name}_index", None, "expected an index of the matrices")
        ends[name] = None if absent else places.index(path, index, location, name=name)
    costs = an_object(f"{path}.costs", vehicle.get("costs", {}))
    window = vehicle.get("time_window")
    speed = vehicle.get("speed_factor", 1.0)
    if type(speed) not in (int, float):
        raise InvalidProblem("type", f"{path}.speed_factor", speed, "expected a number")
    return Vehicle(
        id=a_whole(f"{path}.id", vehicle.get("id")),
        start=ends["start"],
        end=ends["end"],
        profile=a_text(f"{path}.profile", vehicle.get("profile", "car")),
        name=a_text(f"{path}.name", vehicle.get("name")),
        description=a_text(f"{path}.description", vehicle.get("description")),
        time_window=None if window is None else a_window(f"{path}.time_window", window),
        breaks=tuple(
            _break(f"{path}.breaks[{i}]", b) for i, b in enumerate(a_list(f"{path}.breaks", vehicle.get("breaks")))
        ),
        capacity=wholes(f"{path}.capacity", vehicle.get("capacity")),
        skills=ids(f"{path}.skills", vehicle.get("skills")),
        speed_factor=float(speed),
        max_tasks=a_whole_or_none(f"{path}.max_tasks", vehicle.get("max_tasks")),
        max_travel_time=a_whole_or_none(f"{path}.max_travel_time", vehicle.get("max_travel_time")),
        max_distance=a_whole_or_none(f"{path}.max_distance", vehicle.get("max_distance")),
        **{name: a_whole_or_none(f"{path}.{name}", vehicle.get(name)) for name in _LIMITS},
        reloads=wholes(f"{path}.reloads", vehicle.get("reloads")),
        costs=Costs(**{name: a_whole(f"{path}.costs.{name}", costs[name]) for name in _RATES if name in costs}),
        steps=_planned(f"{path}.steps", vehicle.get("steps")),
    )


_LIMITS: Final = ("max_duration", "overtime_after", "max_overtime", "target_duration", "max_reloads")
_RATES: Final = ("fixed", "per_hour", "per_km", "per_task_hour", "per_overtime_hour", "per_hour_over_target")


def _break(path: str, value: Any) -> Break:
    rest = an_object(path, value)
    most = rest.get("max_load")
    return Break(
        id=a_whole(f"{path}.id", rest.get("id")),
        time_windows=windows(f"{path}.time_windows", rest.get("time_windows")),
        service=a_whole(f"{path}.service", rest.get("service", 0)),
        description=a_text(f"{path}.description", rest.get("description")),
        max_load=None if most is None else wholes(f"{path}.max_load", most),
    )


def _planned(path: str, value: Any) -> tuple[PlannedStep, ...]:
    steps = []
    for i, item in enumerate(a_list(path, value)):
        step = an_object(f"{path}[{i}]", item)
        kind = step.get("type")
        if kind not in _STEPS:
            raise InvalidProblem("step", f"{path}[{i}].type", kind, f"expected one of {list(_STEPS)}")
        times = {name: a_whole_or_none(f"{path}[{i}].{name}", step.get(name)) for name in _TIMES_OF_STEPS}
        if kind in ("start", "end"):
            if any(time is not None for time in times.values()):
                steps.append(PlannedStep(kind=kind, id=0, **times))
        else:
            steps.append(PlannedStep(kind=kind, id=a_whole(f"{path}[{i}].id", step.get("id")), **times))
    return tuple(steps)


_STEPS: Final = ("start", "job", "pickup", "delivery", "reload", "break", "end")
_TIMES_OF_STEPS: Final = ("service_at", "service_after", "service_before")


def _steps_exist(problem: Problem) -> None:
    known = {(task.kind.value, task.id) for task in problem.tasks}
    for index, vehicle in enumerate(problem.vehicles):
        rests = {("break", rest.id) for rest in vehicle.breaks}
        for place, step in enumerate(vehicle.steps):
            if step.kind not in ("start", "end") and (step.kind, step.id) not in known | rests:
                path = f"vehicles[{index}].steps[{place}].id"
                raise InvalidProblem("step", path, step.id, f"there is no {step.kind} with this id")


def _matrices(value: Any) -> dict[str, Matrix]:
    matrices = {}
    for profile, tables in an_object("matrices", value).items():
        path = f"matrices.{profile}"
        given = an_object(path, tables)
        if given.get("durations") is None:
            raise InvalidProblem("matrix", f"{path}.durations", None, "expected a table of seconds")
        names = {"seconds": "durations", "metres": "distances", "cost": "costs"}
        read = {
            ours: _table(f"{path}.{theirs}", given[theirs])
            for ours, theirs in names.items()
            if given.get(theirs) is not None
        }
        water = given.get("crossings")
        ferries = None if water is None else _crossings(f"{path}.crossings", water)
        try:
            matrices[profile] = Matrix(**read, crossings=ferries)  # type: ignore[arg-type]  # lists are welcome there
        except InvalidProblem as error:
            name, bracket, rest = error.field.partition("[")
            where = f"{path}.{names.get(name, name)}{bracket}{rest}"
            raise InvalidProblem(error.code, where, error.value, error.sentence) from error
    return matrices


def _table(path: str, value: Any) -> list[list[Any]]:
    """Rows with null, and VROOM's largest number, made our sign for "no way"."""
    rows = [a_list(f"{path}[{i}]", row) for i, row in enumerate(a_list(path, value))]
    return [
        [UNREACHABLE if x is None or (type(x) is int and UNREACHABLE < x <= _VROOM_UNREACHABLE) else x for x in row]
        for row in rows
    ]


def _crossings(path: str, value: Any) -> Crossings:
    water = an_object(path, value)
    ferries = []
    for i, item in enumerate(a_list(f"{path}.ferries", water.get("ferries"))):
        where = f"{path}.ferries[{i}]"
        ferry = an_object(where, item)
        named = {name: a_whole(f"{where}.{name}", ferry.get(name)) for name in ("opens", "closes", "headway", "ride")}
        ferries.append(Crossing(**named, first=a_whole_or_none(f"{where}.first", ferry.get("first"))))
    tables = {
        name: [wholes(f"{path}.{name}[{i}]", row) for i, row in enumerate(a_list(f"{path}.{name}", water.get(name)))]
        for name in ("crossing", "to_landing")
    }
    return Crossings(ferries=tuple(ferries), **tables)  # type: ignore[arg-type]  # lists are welcome there


def is_told(body: Any) -> bool:
    """Whether the caller asks for the times of the vehicles' own steps, not for a search."""
    options = body.get("options") if isinstance(body, Mapping) else None
    return isinstance(options, Mapping) and options.get("c") is True
