"""Windows on offer: only those that can be kept, each with what it really costs."""

import dataclasses

import pytest

from routing import InvalidProblem, Job, Lock, Matrix, Problem, Vehicle
from routing.checking import check
from routing.slots import slots
from routing.solving import assemble, solve
from routing.timetable import Timetable
from tests.routing.inventing import a_problem

LINE = Matrix(seconds=[[0, 100, 200, 300], [100, 0, 100, 200], [200, 100, 0, 100], [300, 200, 100, 0]])


def a_day(*jobs: Job, closes: int = 2000) -> Problem:
    vehicles = (
        Vehicle(id=4, start=0, end=0, time_window=(0, closes)),
        Vehicle(id=9, start=0, end=0, time_window=(1000, 2000)),
    )
    return Problem(jobs=jobs, vehicles=vehicles, matrices={"car": LINE})


def planned(problem: Problem, *visits):
    return assemble(problem, Timetable(problem), visits)


def test_every_window_that_fits_is_offered_with_its_cheapest_postman():
    problem = a_day(Job(id=1, location_index=2, service=100, time_windows=((200, 300),)))
    asked = Job(id=2, location_index=1, service=10)
    found = slots(problem, planned(problem, (0,), ()), asked, [(0, 250), (310, 400), (1100, 1200), (1999, 3000)])
    # on the way out or home it costs nothing; at 1,100 the first is home again unless he waits, which costs nothing
    # either; after 1,900 nobody is home in time
    assert [(s.window, s.cost, s.vehicle_index) for s in found] == [
        ((0, 250), 0, 0),
        ((310, 400), 0, 0),
        ((1100, 1200), 0, 0),
    ]


def test_a_postman_who_cannot_wait_leaves_the_window_to_another_at_his_price():
    problem = a_day(Job(id=1, location_index=2, service=100, time_windows=((200, 300),)), closes=600)
    found = slots(problem, planned(problem, (0,), ()), Job(id=2, location_index=1), [(1100, 1200)])
    assert [(s.cost, s.vehicle_index) for s in found] == [(200, 1)]


def test_a_planned_job_leaves_its_place_first():
    problem = a_day(Job(id=1, location_index=2), Job(id=2, location_index=3, time_windows=((300, 310),)))
    solution = planned(problem, (0, 1), ())
    found = slots(problem, solution, problem.jobs[1], [(300, 310), (1400, 1500)])
    assert [(s.window, s.cost) for s in found] == [((300, 310), 200), ((1400, 1500), 200)]


def test_nothing_is_offered_that_would_break_another_promise():
    promised = Job(id=1, location_index=3, service=600, time_windows=((300, 310),))
    problem = Problem(
        jobs=(promised,), vehicles=(Vehicle(id=4, start=0, end=0, time_window=(0, 1210)),), matrices={"car": LINE}
    )
    assert slots(problem, planned(problem, (0,)), Job(id=2, location_index=1, service=30), [(250, 1000)]) == []
    assert len(slots(problem, planned(problem, (0,)), Job(id=2, location_index=1, service=10), [(0, 100)])) == 1


def test_a_window_that_is_none_and_a_job_whose_time_is_kept_are_refused():
    problem = a_day(Job(id=1, location_index=2))
    solution = planned(problem, (0,), ())
    with pytest.raises(InvalidProblem) as refusal:
        slots(problem, solution, Job(id=2, location_index=1), [(10, 5)])
    assert refusal.value.code == "time_window"
    kept = Job(id=2, location_index=1, lock=Lock.KEEP_TIME, locked_vehicle=4, locked_time=500)
    with pytest.raises(InvalidProblem) as refusal:
        slots(problem, solution, kept, [(0, 100)])
    assert refusal.value.code == "lock"


@pytest.mark.parametrize("seed", range(4))
def test_an_offered_window_can_be_booked_at_its_price(seed):
    """The oracle plans the day anew with the offer taken: the plan must be valid, and at most that much dearer."""
    problem = a_problem(seed, jobs=7, vehicles=2, rich=False)
    *others, asked = problem.jobs
    day = problem.replace(jobs=tuple(others))
    solution = solve(day, seconds=0.8)
    for slot in slots(day, solution, asked, [(0, 3000), (4000, 8000), (9000, 12_000)]):
        booked = Job(id=asked.id, location_index=asked.location_index, setup=asked.setup, service=asked.service,
                     delivery=asked.delivery, pickup=asked.pickup, time_windows=(slot.window,))  # fmt: skip
        full = day.replace(jobs=(*others, booked))
        timetable = Timetable(full)
        prices = []
        for vehicle_index, vehicle in enumerate(full.vehicles):
            route = next((r for r in solution.routes if r.vehicle == vehicle.id), None)
            visits = () if route is None else tuple(s.index for s in route.visits)
            for gap in range(len(visits) + 1):
                routes = [() if r is None else tuple(s.index for s in r.visits) for r in (
                    next((r for r in solution.routes if r.vehicle == v.id), None) for v in full.vehicles)]  # fmt: skip
                routes[vehicle_index] = (*visits[:gap], len(others), *visits[gap:])
                if timetable.route(vehicle_index, routes[vehicle_index]) is None:
                    continue
                plan = assemble(full, timetable, tuple(routes))
                if check(full, plan) == []:
                    prices.append((plan.cost - solution.cost, vehicle_index))
        assert slot.cost == min(prices)[0]
        assert slot.vehicle_index in {v for price, v in prices if price == slot.cost}


@pytest.mark.parametrize("seed", range(6))
def test_many_windows_asked_for_at_once_are_answered_as_one_by_one(seed):
    problem = a_problem(seed, jobs=8, vehicles=2)
    *others, asked = problem.jobs
    asked = dataclasses.replace(asked, lock=Lock.FREE, time_windows=())
    day = problem.replace(jobs=tuple(others))
    solution = solve(day, seconds=0.5)
    windows = [(a, a + 1500) for a in range(0, 12_000, 700)]
    together = slots(day, solution, asked, windows)
    assert together == [slot for window in windows for slot in slots(day, solution, asked, [window])]


def test_a_job_that_keeps_its_rank_is_offered_every_window_that_its_place_allows():
    first = Job(id=1, location_index=1, lock=Lock.KEEP_ORDER, locked_vehicle=4, locked_rank=1)
    last = Job(
        id=3, location_index=3, lock=Lock.KEEP_ORDER, locked_vehicle=4, locked_rank=9, time_windows=((300, 400),)
    )
    asked = Job(id=2, location_index=2, lock=Lock.KEEP_ORDER, locked_vehicle=4, locked_rank=5)
    problem = a_day(first, last)
    found = slots(problem, planned(problem, (0, 1), ()), asked, [(0, 250), (280, 390), (1000, 1100)])
    # the place is between the two: at 3 by 400 means gone from 2 by 300
    assert [(s.window, s.cost, s.vehicle_index) for s in found] == [((0, 250), 0, 0), ((280, 390), 0, 0)]


def test_an_unknown_job_in_the_solution_is_no_reason_to_confuse_it_with_the_one_asked_for():
    whole = a_day(Job(id=0, location_index=3), Job(id=1, location_index=2))
    solution = planned(whole, (0, 1), ())
    day = whole.replace(jobs=whole.jobs[1:])
    found = slots(day, solution, Job(id=7, location_index=1), [(0, 500)])
    assert [(s.cost, s.vehicle_index) for s in found] == [(0, 0)]
