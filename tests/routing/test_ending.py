"""What comes after the search of a large day: it has the time that it needs, and keeps to it."""

from __future__ import annotations

import time
from itertools import chain

import pytest

from routing.alike import fleet_of
from routing.bench.scale import problem_of
from routing.checking import check
from routing.engines.savings import savings_plan
from routing.engines.wholes import ProblemWhole
from routing.insertion import Insertion
from routing.problem import Problem, Visits
from routing.solving import _completed, _nearest_first, _Search, solve
from routing.timetable import Timetable


@pytest.fixture(scope="module")
def day() -> tuple[Problem, Visits]:
    problem = problem_of(3_000, 3)
    whole = ProblemWhole(problem)
    plan = savings_plan(problem, whole.places, whole.homes)
    assert plan is not None
    assert sorted(chain(*plan)) == list(range(3_000))
    return problem, plan


@pytest.mark.parametrize("listens", [False, True])
def test_the_last_plan_told_before_the_end_can_still_be_judged(day: tuple[Problem, Visits], *, listens: bool) -> None:
    problem, plan = day
    called = time.monotonic()
    heard: list[object] = []
    search = _Search(
        problem, "pyvrp", heard.append if listens else None, None, processes=1, called=called, deadline=called + 60
    )
    assert search.end() >= search.needed(plan)  # while there is no plan at all
    search.offer(plan)
    assert search.judging > 0
    assert search.end() >= search.needed(plan)
    assert search.end() < 60 * 0.4, "what is kept is no share of the time but what judging takes"


def test_a_left_out_stop_gets_the_cheapest_place_that_any_vehicle_has(day: tuple[Problem, Visits]) -> None:
    problem, plan = day
    number = plan[0][-1]
    rest = (plan[0][:-1], *plan[1:])
    insertion = Insertion(problem, Timetable(problem))
    places = [found for index in range(len(rest)) if (found := insertion.cheapest(index, rest[index], number))]
    completed = _completed(problem, insertion, rest, until=time.monotonic() + 60)
    assert sorted(chain(*completed)) == list(range(3_000))
    timetable = insertion.timetable
    cost, before = timetable.plan_cost(completed), timetable.plan_cost(rest)
    assert cost is not None
    assert before is not None
    assert cost - before == min(places)[0]


def test_the_nearest_vehicles_are_tried_first(day: tuple[Problem, Visits]) -> None:
    problem, plan = day
    number = plan[7][len(plan[7]) // 2]
    rest = tuple(tuple(stop for stop in route if stop != number) for route in plan)
    fleet = fleet_of(problem, tasks=[number], vehicles=range(len(rest)))
    assert 7 in _nearest_first(problem, Timetable(problem), number, fleet, rest)[:10]


def test_completing_ends_when_its_time_is_up(day: tuple[Problem, Visits]) -> None:
    problem, plan = day
    rest = tuple(route[:-2] for route in plan)
    insertion = Insertion(problem, Timetable(problem))
    began = time.thread_time()
    completed = _completed(problem, insertion, rest, until=time.monotonic() + 0.2)
    assert time.thread_time() - began < 0.4
    assert len(list(chain(*completed))) < 3_000


def test_a_small_day_is_served_when_its_time_is_up_before_it_begins() -> None:
    problem = problem_of(20, 2)
    solution = solve(problem, seconds=0.001)
    assert solution.unassigned == ()
    assert check(problem, solution) == []
