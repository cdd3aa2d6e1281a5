"""The checker: it accepts what is right, objects to every disturbance, and agrees with a naive second judge."""

import dataclasses
import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import (
    UNREACHABLE,
    Break,
    Costs,
    Crossing,
    Crossings,
    Job,
    Lock,
    Matrix,
    Problem,
    Reload,
    Shipment,
    ShipmentStop,
    Step,
    StepKind,
    Unassigned,
    Vehicle,
)  # fmt: skip
from routing.checking import check, summary_of
from routing.insertion import Insertion
from routing.problem import TaskKind
from routing.solving import assemble
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_problem, with_everything
from tests.routing.ticking import carried, late, longest, released, sails, too_long, ways

LINE = Matrix(
    seconds=[[0, 100, 200], [100, 0, 100], [200, 100, 0]], metres=[[0, 900, 1800], [900, 0, 900], [1800, 900, 0]]
)


def planned(problem, *routes):
    return assemble(problem, Timetable(problem), routes)


def codes(problem, solution) -> set[str]:
    return {violation.code for violation in check(problem, solution)}


def a_vehicle(**members) -> Vehicle:
    return Vehicle(**({"id": 5, "start": 0, "end": 0, "time_window": (0, 5000), "capacity": (4,)} | members))


def a_small_day(*, job=None, vehicle=None) -> Problem:
    first = {"id": 1, "location_index": 1, "service": 60, "delivery": (2,), "time_windows": ((0, 400), (900, 1200))}
    return Problem(
        jobs=(Job(**(first | (job or {}))), Job(id=2, location_index=2, pickup=(3,), service=30)),
        vehicles=(a_vehicle(**(vehicle or {})),),
        matrices={"car": LINE},
    )


def test_a_plan_made_by_hand_is_valid():
    """Depot at 0; door 1 from 100 to 160; door 2 from 260 to 290; back at 490. Travel is the cost: 400."""
    problem = a_small_day()
    solution = planned(problem, (0, 1))
    assert [(s.arrival, s.leaves, s.load) for s in solution.routes[0].steps] == [
        (0, 0, (2,)), (100, 160, (0,)), (260, 290, (3,)), (490, 490, (3,)),
    ]  # fmt: skip
    assert solution.cost == 400
    assert check(problem, solution) == []


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("delay", {"job": {"time_windows": ((0, 90),)}}),
        ("lead_time", {"job": {"time_windows": ((150, 4000),)}}),
        ("lead_time", {"vehicle": {"time_window": (50, 5000)}}),
        ("delay", {"vehicle": {"time_window": (0, 480)}}),
        ("load", {"vehicle": {"capacity": (2,)}}),
        ("load", {"job": {"delivery": (5,)}}),
        ("skills", {"job": {"skills": frozenset({3})}}),
        ("allowed_vehicles", {"job": {"allowed_vehicles": frozenset()}}),
        ("lead_time", {"job": {"lock": Lock.KEEP_TIME, "locked_vehicle": 5, "locked_time": 600, "time_windows": ()}}),
        ("max_tasks", {"vehicle": {"max_tasks": 1}}),
        ("max_travel_time", {"vehicle": {"max_travel_time": 399}}),
        ("max_distance", {"vehicle": {"max_distance": 3599}}),
        ("missing_break", {"vehicle": {"breaks": (Break(id=1, time_windows=((0, 100),)),)}}),
        ("timing", {"job": {"service": 61}}),
        ("timing", {"job": {"setup": 20}}),
        ("timing", {"vehicle": {"speed_factor": 0.9}}),
        ("cost", {"vehicle": {"costs": Costs(fixed=1)}}),
        ("cost", {"vehicle": {"costs": Costs(per_task_hour=3600)}}),
        ("cost", {"vehicle": {"costs": Costs(per_km=1000)}}),
        ("release", {"job": {"release": 1}}),
        ("max_duration", {"vehicle": {"max_duration": 489}}),
        ("max_duration", {"vehicle": {"overtime_after": 400, "max_overtime": 89}}),
        ("cost", {"vehicle": {"overtime_after": 400, "costs": Costs(per_overtime_hour=3600)}}),
        ("cost", {"vehicle": {"target_duration": 400, "costs": Costs(per_hour_over_target=3600)}}),
        ("cost", {"job": {"soft_window": (0, 99), "late_cost_per_hour": 1800}}),
        ("cost", {"job": {"soft_window": (101, 500), "early_cost_per_hour": 1800}}),
        ("cost", {"job": {"retry_value_per_hour": 18}}),
        ("unknown", {"job": {"location_index": 2}}),
        ("unknown", {"job": {"id": 77}}),
        ("unknown", {"vehicle": {"id": 6}}),
    ],
)
def test_a_rule_made_stricter_is_noticed(code, change):
    solution = planned(a_small_day(), (0, 1))
    assert code in codes(a_small_day(**change), solution)


def a_day_of_two_trips(**changes) -> Problem:
    members = {
        "jobs": (Job(id=1, location_index=1, delivery=(3, 0), pickup=(0, 7)), Job(id=2, location_index=2, delivery=(2, 0), pickup=(2, 8), release=190)),
        "vehicles": (a_vehicle(capacity=(3, 10), reloads=(7,)),),
        "reloads": (Reload(id=7, location_index=0, service=40),),
        "dimension_names": ("items", "cash_dong"),
        "matrices": {"car": LINE},
    }  # fmt: skip
    return Problem(**(members | changes))


def test_a_plan_of_two_trips_is_judged_trip_by_trip():
    """Out with 3 and back at 200 with 7 in cash, which comes off; loads 2 until 240; door 2 from 440; back at 640."""
    problem = a_day_of_two_trips()
    solution = planned(problem, (0, 2, 1))
    steps = solution.routes[0].steps
    assert [(s.leaves, s.load) for s in steps] == [
        (0, (3, 0)), (100, (0, 7)), (240, (2, 0)), (440, (2, 8)), (640, (2, 8)),
    ]  # fmt: skip
    assert check(problem, solution) == []
    assert "load" in codes(problem, planned(problem, (0, 1, 2)))
    assert "reload" in codes(a_day_of_two_trips(vehicles=(a_vehicle(capacity=(3, 10)),)), solution)
    assert "reload" in codes(a_day_of_two_trips(vehicles=(a_vehicle(capacity=(3, 10), reloads=(7,), max_reloads=0),)), solution)  # fmt: skip
    late_goods = (problem.jobs[0], dataclasses.replace(problem.jobs[1], release=241))
    assert codes(a_day_of_two_trips(jobs=late_goods), solution) == {"release"}
    # a place that takes the cash only leaves the items of both trips on board from the start
    deposit = (dataclasses.replace(problem.reloads[0], empties=frozenset({"cash_dong"})),)
    assert "load" in codes(a_day_of_two_trips(reloads=deposit), solution)
    assert "order" in codes(problem, dataclasses.replace(solution, routes=(only_reloads(solution.routes[0]),)))


def only_reloads(route):
    return dataclasses.replace(route, steps=tuple(s for s in route.steps if s.kind is not StepKind.JOB))


def test_prizes_of_what_is_left_out_belong_to_the_plan():
    first, second = a_small_day().jobs
    problem = a_small_day().replace(jobs=(dataclasses.replace(first, prize=70), dataclasses.replace(second, prize=30)))
    solution = planned(problem, (0,))
    assert (solution.cost, solution.cost_lines.prizes, solution.routes[0].cost) == (230, 30, 200)
    assert check(problem, solution) == []
    assert "cost" in codes(problem.replace(jobs=(problem.jobs[0], second)), solution)


def test_the_ferry_that_is_really_caught_counts():
    """30 s to the landing, at 600 over in 60 s, 10 s on; nobody goes after 600."""
    water = Crossings(
        ferries=(Crossing(opens=600, closes=600, headway=600, ride=60),),
        crossing=[[-1, 0, -1], [-1, -1, -1], [-1, -1, -1]], to_landing=[[0, 30, 0], [0, 0, 0], [0, 0, 0]],
    )  # fmt: skip
    seconds = [[0, 400, 9], [500, 0, 9], [9, 9, 0]]
    vehicle = a_vehicle(capacity=(), breaks=(Break(id=4, time_windows=((0, 5000),), service=5),))
    problem = Problem(
        jobs=(Job(id=1, location_index=1),), vehicles=(vehicle,), matrices={"car": Matrix(seconds=seconds, crossings=water)}
    )  # fmt: skip
    solution = planned(problem, (0,))
    kinds = [s.kind for s in solution.routes[0].steps]
    door, rest = kinds.index(StepKind.JOB), kinds.index(StepKind.BREAK)
    assert check(problem, solution) == []
    assert solution.routes[0].steps[door].arrival == 670
    assert "timing" in codes(problem, with_step(solution, door, landing_wait=1))
    assert "timing" in codes(problem, with_step(solution, door, arrival=671))
    assert "timing" in codes(problem, with_step(solution, rest, duration=200))
    missed = Crossings(
        ferries=(Crossing(opens=0, closes=599, headway=600, ride=60),),
        crossing=water.crossing,
        to_landing=water.to_landing,
    )
    missing = problem.replace(matrices={"car": Matrix(seconds=seconds, crossings=missed)})
    assert "delay" in codes(missing, with_step(solution, 0, arrival=571))


def test_nobody_rests_in_the_middle_of_a_way_with_a_ferry():
    """As if one could cross at 600, rest until 675 with half the way done, and cross once more at 1200."""
    water = Crossings(
        ferries=(Crossing(opens=0, closes=2000, headway=600, ride=60),), crossing=[[-1, 0], [-1, -1]],
        to_landing=[[0, 30], [0, 0]],
    )  # fmt: skip
    vehicle = a_vehicle(capacity=(), breaks=(Break(id=4, time_windows=((0, 5000),), service=5),))
    problem = Problem(
        jobs=(Job(id=1, location_index=1),), vehicles=(vehicle,),
        matrices={"car": Matrix(seconds=[[0, 400], [500, 0]], crossings=water)},
    )  # fmt: skip
    solution = planned(problem, (0,))
    assert check(problem, solution) == []
    by_kind = {step.kind: step for step in solution.routes[0].steps}
    steps = (
        dataclasses.replace(by_kind[StepKind.START], arrival=570),
        dataclasses.replace(by_kind[StepKind.BREAK], arrival=670, waiting=0, duration=200),
        dataclasses.replace(by_kind[StepKind.JOB], arrival=1270, waiting=0, landing_wait=495),
        dataclasses.replace(by_kind[StepKind.END], arrival=1770, waiting=0),
    )
    resting = dataclasses.replace(solution, routes=(dataclasses.replace(solution.routes[0], steps=steps),))
    resting = dataclasses.replace(resting, summary=summary_of(problem, resting))
    assert codes(problem, resting) == {"timing"}


def test_a_way_that_was_closed_is_noticed():
    problem = a_small_day()
    closed = Matrix(seconds=[[0, 100, 200], [100, 0, UNREACHABLE], [200, 100, 0]], metres=LINE.metres)
    assert "unreachable" in codes(problem.replace(matrices={"car": closed}), planned(problem, (0, 1)))


def with_step(solution, at, **changes):
    route = solution.routes[0]
    steps = list(route.steps)
    steps[at] = dataclasses.replace(steps[at], **changes)
    return dataclasses.replace(solution, routes=(dataclasses.replace(route, steps=tuple(steps)),))


@pytest.mark.parametrize(
    ("code", "at", "changes"),
    [
        ("timing", 0, {"arrival": 1}),
        ("timing", 1, {"arrival": 99}),
        ("timing", 1, {"waiting": 1}),
        ("timing", 1, {"waiting": -1}),
        ("timing", 1, {"service": 59}),
        ("timing", 1, {"setup": 5}),
        ("timing", 2, {"duration": 201}),
        ("timing", 3, {"distance": 3601}),
        ("timing", 3, {"service": 1}),
        ("load", 2, {"load": (2,)}),
        ("unknown", 1, {"id": 3}),
        ("unknown", 1, {"index": 1}),
        ("unknown", 1, {"index": -1}),
        ("unknown", 2, {"location_index": 0}),
        ("order", 3, {"kind": StepKind.START}),
        ("order", 1, {"kind": StepKind.END}),
        ("unknown", 1, {"kind": StepKind.PICKUP}),
    ],
)
def test_a_figure_written_down_wrongly_is_noticed(code, at, changes):
    problem = a_small_day()
    assert code in codes(problem, with_step(planned(problem, (0, 1)), at, **changes))


def test_a_job_left_out_in_silence_served_twice_or_never_asked_for_is_noticed():
    problem = a_small_day()
    solution = planned(problem, (0, 1))
    route = solution.routes[0]
    assert "missing" in codes(problem, dataclasses.replace(planned(problem, (0,)), unassigned=()))
    assert "duplicate" in codes(problem, dataclasses.replace(solution, routes=(route, route)))
    both = dataclasses.replace(solution, unassigned=planned(problem, (0,)).unassigned)
    assert "duplicate" in codes(problem, both)
    stranger = Unassigned(kind=StepKind.JOB, id=99, index=0, location_index=1, code=None, sentence="")
    assert "unknown" in codes(problem, dataclasses.replace(solution, unassigned=(stranger,)))


def test_totals_that_do_not_add_up_are_noticed():
    problem = a_small_day()
    solution = planned(problem, (0, 1))
    for name in ("cost", "routes", "unassigned", "service", "duration", "waiting", "distance", "priority"):
        wrong = dataclasses.replace(solution.summary, **{name: getattr(solution.summary, name) + 1})
        assert codes(problem, dataclasses.replace(solution, summary=wrong)) & {"summary", "cost"}, name
    lines = dataclasses.replace(solution.cost_lines, fixed=1)
    assert "cost" in codes(problem, dataclasses.replace(solution, cost_lines=lines))


def test_a_break_must_be_taken_once_in_its_window_outside_visits():
    problem = a_small_day(vehicle={"breaks": (Break(id=1, time_windows=((500, 700),), service=60),)})
    solution = planned(problem, (0, 1))
    steps = solution.routes[0].steps
    at = next(i for i, s in enumerate(steps) if s.kind is StepKind.BREAK)
    assert check(problem, solution) == []
    assert "lead_time" in codes(problem, with_step(solution, at, arrival=steps[at].arrival - 300))
    assert codes(problem, with_step(solution, at, service=59)) >= {"unknown"}
    assert "timing" in codes(problem, with_step(solution, at, duration=steps[at].duration - 1))
    light = a_small_day(vehicle={"breaks": (Break(id=1, time_windows=((500, 700),), service=60, max_load=(0,)),)})
    heavy = with_step(solution, at, load=(3,))
    assert "max_load" in codes(light, heavy) or solution.routes[0].steps[at].load == (0,)


def test_shipments_are_fetched_before_they_are_brought_by_one_vehicle():
    ends = {"pickup": ShipmentStop(id=1, location_index=1), "delivery": ShipmentStop(id=1, location_index=2)}
    problem = Problem(
        shipments=(Shipment(**ends, amount=(1,)),), vehicles=(a_vehicle(), a_vehicle(id=6)), matrices={"car": LINE}
    )
    assert check(problem, planned(problem, (0, 1), ())) == []
    assert "precedence" in codes(problem, planned(problem, (1, 0), ()))
    assert "precedence" in codes(problem, planned(problem, (0,), (1,)))


def locked(kind: Lock, rank: int | None = None, **more) -> dict:
    return {"lock": kind, "locked_vehicle": 5, "locked_rank": rank, **more}


def test_locks_are_kept():
    def day(first: dict, second: dict) -> Problem:
        return Problem(
            jobs=(
                Job(id=1, location_index=1, **first),
                Job(id=2, location_index=2, **second),
                Job(id=3, location_index=1),
            ),
            vehicles=(a_vehicle(capacity=()), a_vehicle(id=6, capacity=())),
            matrices={"car": LINE},
        )

    kept = day(locked(Lock.KEEP_POSTMAN), {})
    assert check(kept, planned(kept, (0,), (1, 2))) == []
    assert "lock" in codes(kept, planned(kept, (1,), (0, 2)))
    ordered = day(locked(Lock.KEEP_ORDER, 1), locked(Lock.KEEP_ORDER, 2))
    assert check(ordered, planned(ordered, (0, 2, 1), ())) == []
    assert "lock" in codes(ordered, planned(ordered, (1, 2, 0), ()))
    frozen = day(locked(Lock.FROZEN, 1), locked(Lock.FROZEN, 2))
    assert check(frozen, planned(frozen, (0, 1, 2), ())) == []
    assert "lock" in codes(frozen, planned(frozen, (0, 2, 1), ()))
    assert "lock" in codes(frozen, planned(frozen, (0, 2), (1,)))
    assert "lock" in codes(frozen, planned(frozen, (0, 2), ()))
    past = day(locked(Lock.FROZEN, 1, locked_time=40), {})
    assert check(past, planned(past, (0, 1, 2), ())) == []
    assert "lock" in codes(past, with_step(planned(past, (0, 1, 2), ()), 1, arrival=41))


# -- a naive second judge


def naive_verdict(problem: Problem, solution) -> bool:
    """Whether the plan is right, judged by other means: occupied intervals, free time between them, sets of ids."""
    asked = [("job", j.id) for j in problem.jobs]
    asked += [(kind, getattr(s, kind).id) for s in problem.shipments for kind in ("pickup", "delivery")]
    answered = [(s.kind.value, s.id) for r in solution.routes for s in r.visits]
    answered += [(u.kind.value, u.id) for u in solution.unassigned]
    if sorted(asked) != sorted(answered) or len({r.vehicle for r in solution.routes}) != len(solution.routes):
        return False
    if summary_of(problem, solution) != solution.summary:
        return False
    return all(naive_route(problem, route) for route in solution.routes)


def naive_route(problem: Problem, route) -> bool:  # noqa: C901, PLR0911, PLR0912 - a judge reads the law line by line
    vehicle = next(v for v in problem.vehicles if v.id == route.vehicle)
    matrix = problem.matrices[vehicle.profile]
    by_id = {(t.kind.value, t.id): (n, t) for n, t in enumerate(problem.tasks)}
    doors = [s for s in route.steps if s.kind is not StepKind.BREAK]
    rests = [s for s in route.steps if s.kind is StepKind.BREAK]
    order = tuple(by_id[s.kind.value, s.id][0] for s in doors[1:-1])
    tasks = [problem.tasks[n] for n in order]
    if [s.location_index for s in doors] != [vehicle.start, *(t.location_index for t in tasks), vehicle.end]:
        return False
    opens, closes = vehicle.time_window or (0, 10**12)
    if route.steps[0].arrival < opens or route.steps[-1].arrival > closes:
        return False
    if (most := longest(vehicle)) is not None and route.steps[-1].arrival - route.steps[0].arrival > most:
        return False
    # Nothing overlaps, and the order written down is the order in time.
    spans = [(s.begins, s.leaves) for s in route.steps]
    if any(earlier[1] > later[0] for earlier, later in itertools.pairwise(spans)):
        return False
    if any(s.waiting < 0 for s in route.steps) or any(s.setup or s.service for s in (doors[0], doors[-1])):
        return False
    legs = ways(problem, vehicle, order)
    if legs is None:
        return False
    travel = distance = 0
    for leg, (before, after) in zip(legs, itertools.pairwise(doors), strict=True):
        a, b = before.location_index, after.location_index
        between = route.steps[route.steps.index(before) + 1 : route.steps.index(after)]
        way = leg[0] if len(leg) == 1 else leg[0] + leg[1].headway // 2 + leg[2]
        if any(not travel <= s.duration <= travel + way for s in between):
            return False
        now, done, waited = before.leaves, travel, 0
        for s in (*between, after):
            if len(leg) == 1:
                now += s.duration - done
            elif s.duration not in (travel, travel + way):
                return False
            elif s.duration > done:
                sailing = next((t for t in range(now + leg[0], now + leg[0] + 90_000) if sails(leg[1], t)), None)
                if sailing is None:
                    return False
                now, waited = sailing + leg[2], sailing - now - leg[0]
            if s.arrival != now:
                return False
            now, done = s.leaves, s.duration
        if after.landing_wait != waited:
            return False
        travel += way
        distance += 0 if a is None or b is None or matrix.metres is None else int(matrix.metres[a, b])
        if after.duration != travel:
            return False
    if doors[-1].distance != distance:
        return False
    half = Fraction(1, 2)
    lateness = sum(int(late(problem, vehicle, n, s.begins) + half) for n, s in zip(order, doors[1:-1], strict=True))
    overtime, balance = (int(x + half) for x in too_long(vehicle, route.steps[-1].arrival - route.steps[0].arrival))
    lines = route.cost_lines
    if (lines.lateness, lines.overtime, lines.balance) != (lateness, overtime, balance):
        return False
    for place, ready in released(problem, order).items():
        if doors[place + 1].leaves < ready:
            return False
    used = [t.id for t in tasks if t.kind is TaskKind.RELOAD]
    if not set(used) <= set(vehicle.reloads) or len(used) > (
        99 if vehicle.max_reloads is None else vehicle.max_reloads
    ):
        return False
    if sorted(s.id for s in rests) != sorted(b.id for b in vehicle.breaks):
        return False
    for step in rests:
        rest = next(b for b in vehicle.breaks if b.id == step.id)
        if step.service != rest.service or step.setup or step.begins < opens:
            return False
        if rest.time_windows and not any(a <= step.begins <= b for a, b in rest.time_windows):
            return False
    place = vehicle.start
    for step, task in zip(doors[1:-1], tasks, strict=True):
        if (step.setup, step.service) != (task.setup * (place != task.location_index), task.service):
            return False
        if task.time_windows and not any(a <= step.begins <= b for a, b in task.time_windows):
            return False
        if not (task.skills <= vehicle.skills) or step.leaves > closes:
            return False
        if task.allowed_vehicles is not None and vehicle.id not in task.allowed_vehicles:
            return False
        if task.lock is not Lock.FREE and task.locked_vehicle != vehicle.id:
            return False
        place = task.location_index
    ranks = [t.locked_rank for t in tasks if t.lock in (Lock.KEEP_ORDER, Lock.KEEP_TIME) and t.locked_rank is not None]
    if ranks != sorted(ranks):
        return False
    seen: list[int] = []
    for task in tasks:
        number = by_id[task.kind.value, task.id][0]
        if task.kind is TaskKind.DELIVERY and task.partner not in seen:
            return False
        seen.append(number)
    if any(t.kind is TaskKind.PICKUP and t.partner not in seen for t in tasks):
        return False
    loads = carried(problem, order)
    if any(on > most for load in loads for on, most in zip(load, vehicle.capacity, strict=True)):
        return False
    if [s.load for s in doors] != [*loads, loads[-1]]:
        return False
    for rest in rests:
        light = next(b.max_load for b in vehicle.breaks if b.id == rest.id)
        on = loads[sum(door in route.steps[: route.steps.index(rest)] for door in doors[1:])]
        if rest.load != on or (light is not None and any(x > most for x, most in zip(on, light, strict=True))):
            return False
    if vehicle.max_tasks is not None and len(tasks) - len(used) > vehicle.max_tasks:
        return False
    if vehicle.max_travel_time is not None and travel > vehicle.max_travel_time:
        return False
    return vehicle.max_distance is None or distance <= vehicle.max_distance


def a_greedy_plan(problem: Problem, rng: random.Random):
    timetable = Timetable(problem)
    insertion = Insertion(problem, timetable)
    routes = [()] * len(problem.vehicles)
    numbers = [n for n, t in enumerate(problem.tasks) if t.kind is not TaskKind.DELIVERY]
    for number in rng.sample(numbers, len(numbers)):
        index = rng.randrange(len(routes))
        if number >= problem.stops and not routes[index]:
            continue  # nobody goes out to reload only
        found = insertion.cheapest(index, routes[index], number)
        if found is not None:
            routes[index] = found[1]
    return assemble(problem, timetable, tuple(routes))


def disturbed(solution, rng: random.Random):
    """The plan with one thing changed that may or may not break a rule."""
    with_routes = [i for i, r in enumerate(solution.routes) if r.visits]
    if not with_routes:
        return solution
    at = rng.choice(with_routes)
    route = solution.routes[at]
    steps = list(route.steps)
    kind = rng.choice(["figure", "shift", "swap", "drop", "load", "late"])
    if kind == "figure":
        where = rng.randrange(1, len(steps))
        name = rng.choice(["arrival", "waiting", "setup", "service", "duration", "landing_wait"])
        steps[where] = dataclasses.replace(
            steps[where], **{name: getattr(steps[where], name) + rng.choice([-60, -1, 1, 60])}
        )
    elif kind == "shift":
        by = rng.choice([-500, -1, 1, 500])
        steps = [dataclasses.replace(s, arrival=s.arrival + by) for s in steps]
    elif kind == "late":  # everything from some step on happens later, and is paid for as before
        where, by = rng.randrange(len(steps)), rng.choice([1, 30, 600])
        steps[where:] = [dataclasses.replace(s, arrival=s.arrival + by) for s in steps[where:]]
    elif kind == "swap" and len(steps) > 3:
        where = rng.randrange(1, len(steps) - 2)
        steps[where], steps[where + 1] = steps[where + 1], steps[where]
    elif kind == "drop" and len(route.visits) > 1:
        steps.pop(rng.randrange(1, len(steps) - 1))
    elif steps[0].load:
        where = rng.choice([i for i, s in enumerate(steps) if s.kind in (StepKind.START, StepKind.JOB)])
        steps[where] = dataclasses.replace(steps[where], load=tuple(x + 1 for x in steps[where].load))
    routes = list(solution.routes)
    routes[at] = dataclasses.replace(route, steps=tuple(steps))
    return dataclasses.replace(solution, routes=tuple(routes))


@settings(max_examples=examples(25, of=60))
@given(seed=st.integers(0, 10**6))
def test_the_checker_and_the_naive_judge_agree_on_disturbed_plans(seed):
    rng = random.Random(seed)
    problem = a_problem(seed, jobs=rng.randint(2, 10), vehicles=rng.randint(1, 3), shipments=rng.choice([0, 0, 2]))
    if seed % 3:
        problem = with_everything(problem, seed, hour=2000)
    solution = a_greedy_plan(problem, rng)
    assert check(problem, solution) == []
    assert naive_verdict(problem, solution)
    for _ in range(25):
        other = disturbed(solution, rng)
        other = dataclasses.replace(other, summary=summary_of(problem, other))
        assert (check(problem, other) == []) is naive_verdict(problem, other), check(problem, other)


def test_the_disturbances_break_and_keep_rules():
    """The test above would prove little if every disturbed plan were wrong, or none."""
    verdicts = []
    for seed in range(10):
        rng = random.Random(seed)
        problem = with_everything(a_problem(seed, jobs=8, vehicles=2), seed, hour=2000)
        solution = a_greedy_plan(problem, rng)
        others = [disturbed(solution, rng) for _ in range(20)]
        verdicts += [naive_verdict(problem, dataclasses.replace(o, summary=summary_of(problem, o))) for o in others]
    assert 10 < sum(verdicts) < len(verdicts) - 50


def test_steps_know_when_they_begin_and_end():
    step = Step(kind=StepKind.JOB, arrival=100, waiting=20, setup=5, service=30)
    assert (step.begins, step.leaves) == (120, 155)
