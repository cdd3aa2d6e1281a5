"""The first plan of thousands of stops: routes joined where that saves most."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from routing.engines.greedy import greedy_plan
from routing.engines.savings import savings_plan
from routing.engines.wholes import ProblemWhole
from routing.insertion import Insertion
from routing.plane import Plane
from routing.problem import Costs, Job, Lock, Problem, Vehicle, Visits
from routing.timetable import Timetable

METRES = Costs(per_hour=0, per_km=1000)


def scattered(stops: int, *, vehicles: int, seed: int = 1, homes: int = 1, **of_vehicles: object) -> Problem:
    """Stops at random in a square of 10 km around the first home; a stop weighs 1 to 3, a vehicle carries 20."""
    random = np.random.default_rng(seed)
    places = np.vstack([np.full((1, 2), 5_000), random.integers(0, 10_000, (homes - 1 + stops, 2))])
    plane: object = Plane(places.astype(float))
    usual = {"capacity": (20,), "costs": METRES} | of_vehicles
    return Problem(
        jobs=tuple(
            Job(id=n, location_index=homes - 1 + n, delivery=(int(random.integers(1, 4)),), service=60)
            for n in range(1, stops + 1)
        ),
        vehicles=tuple(Vehicle(id=n, start=n % homes, end=n % homes, **usual) for n in range(vehicles)),  # type: ignore[arg-type]
        matrices={"car": plane},  # type: ignore[dict-item]
    )


def saving(problem: Problem) -> Visits | None:
    whole = ProblemWhole(problem)
    return savings_plan(problem, whole.places, whole.homes)


def test_every_stop_is_served_once_and_no_vehicle_carries_too_much() -> None:
    problem = scattered(3_000, vehicles=400)
    plan = saving(problem)
    assert plan is not None
    assert sorted(chain(*plan)) == list(range(3_000))
    assert max(sum(problem.jobs[n].delivery[0] for n in route) for route in plan) <= 20


def test_stops_side_by_side_go_together() -> None:
    # Office in the middle, a pair of stops far off on each of four sides, two fit into a vehicle.
    places = [(0, 0), (0, 90), (3, 90), (90, 0), (90, 3), (0, -90), (3, -90), (-90, 0), (-90, 3)]
    plane: object = Plane([(float(x), float(y)) for x, y in places])
    problem = Problem(
        jobs=tuple(Job(id=n, location_index=n, delivery=(1,)) for n in range(1, 9)),
        vehicles=tuple(Vehicle(id=n, start=0, end=0, capacity=(2,)) for n in range(6)),
        matrices={"car": plane},  # type: ignore[dict-item]
    )
    plan = saving(problem)
    assert plan is not None
    assert {frozenset(route) for route in plan if route} == {frozenset({n, n + 1}) for n in (0, 2, 4, 6)}


def test_it_costs_less_than_going_on_to_the_nearest() -> None:
    problem = scattered(3_000, vehicles=400)
    plan, greedy, timetable = saving(problem), greedy_plan(problem, ProblemWhole(problem).places), Timetable(problem)
    assert plan is not None
    saved, spent = timetable.plan_cost(plan), timetable.plan_cost(greedy)
    assert saved is not None
    assert spent is not None
    assert saved < 0.97 * spent


@pytest.mark.parametrize(
    "limit",
    [
        {"max_tasks": 4},
        {"max_distance": 14_600},
        {"max_duration": 14_900},
        {"max_travel_time": 14_600},
        {"time_window": (3_600, 18_500)},
    ],
    ids=lambda limit: next(iter(limit)),
)
def test_limits_of_a_route_are_kept(limit: dict[str, object]) -> None:
    problem = scattered(600, vehicles=600, **limit)
    plan = saving(problem)
    assert plan is not None
    fits = Insertion(problem, Timetable(problem)).fits
    assert sorted(chain(*plan)) == list(range(600))
    assert all(fits(index, route) for index, route in enumerate(plan))
    assert max(map(len, plan)) >= 2
    freely = saving(scattered(600, vehicles=600))
    assert freely is not None
    assert not all(fits(index, route) for index, route in enumerate(freely)), "the limit limits nothing"


def test_each_home_serves_the_stops_around_it() -> None:
    problem = scattered(400, vehicles=90, homes=3)
    plan, whole = saving(problem), ProblemWhole(problem)
    assert plan is not None
    assert sorted(chain(*plan)) == list(range(400))
    for index, route in enumerate(plan):
        for stop in route:
            apart = np.hypot(*(whole.homes[:3] - whole.places[stop]).T)
            assert apart[index % 3] == apart.min()


def test_a_small_vehicle_gets_only_what_it_carries_and_the_rest_waits() -> None:
    problem = scattered(400, vehicles=30)
    small = tuple(replace(v, capacity=(6,)) if v.id % 3 == 0 else v for v in problem.vehicles)
    problem = replace(problem, vehicles=small)
    plan = saving(problem)
    assert plan is not None
    for vehicle, route in zip(problem.vehicles, plan, strict=True):
        assert sum(problem.jobs[n].delivery[0] for n in route) <= vehicle.capacity[0]
    visited = list(chain(*plan))
    assert len(visited) == len(set(visited)) < 400


@pytest.mark.parametrize(
    "job",
    [
        {"time_windows": ((0, 500),)},
        {"release": 60},
        {"lock": Lock.KEEP_POSTMAN, "locked_vehicle": 3},
        {"skills": frozenset({7})},
    ],
    ids=lambda job: next(iter(job)),
)
def test_what_savings_cannot_weigh_is_left_to_others(job: dict[str, object]) -> None:
    problem = scattered(20, vehicles=20)
    problem = replace(problem, jobs=(replace(problem.jobs[0], **job), *problem.jobs[1:]))
    assert saving(problem) is None
    open_ended = tuple(replace(vehicle, end=None) for vehicle in problem.vehicles)
    assert saving(replace(scattered(20, vehicles=20), vehicles=open_ended)) is None


def test_where_vehicles_are_few_the_plan_that_needs_fewest_is_taken() -> None:
    roomy, tight = scattered(1_000, vehicles=400), scattered(1_000, vehicles=100)
    short, thrifty = saving(roomy), saving(tight)
    assert short is not None
    assert thrifty is not None
    assert sum(map(bool, short)) > 100, "the shortest plan needs more than there are"
    assert sorted(chain(*thrifty)) == list(range(1_000))


def test_one_stop_is_a_plan() -> None:
    assert saving(scattered(1, vehicles=2)) == ((0,), ())
