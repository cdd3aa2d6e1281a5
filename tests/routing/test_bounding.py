"""What a plan costs at least: compared with the best of all plans, and by hand."""

import dataclasses
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from routing import UNREACHABLE, Costs, Job, Matrix, Problem, Reload, Vehicle
from routing.bounding import lower_bound
from routing.days import day_instance
from routing.insertion import Insertion
from routing.problem import TaskKind
from routing.solving import solve
from routing.timetable import Timetable
from routing.vrplib import problem_of
from tests.routing.inventing import a_tiny_problem, with_everything

LINE = Matrix(seconds=[[abs(a - b) * 100 for b in range(6)] for a in range(6)])


def a_line(*jobs: Job, **members) -> Problem:
    vehicles = tuple(Vehicle(**({"id": n, "start": 0, "end": 0} | members)) for n in (1, 2))
    return Problem(jobs=jobs, vehicles=vehicles, matrices={"car": LINE})


def cheapest_that_serves_everybody(problem: Problem) -> int | None:
    """By trying every order of every set of stops on every vehicle, with each reload at most once."""
    timetable = Timetable(problem)
    insertion = Insertion(problem, timetable)
    tasks = problem.tasks
    by_set = []
    for index, vehicle in enumerate(problem.vehicles):
        able = [n for n, task in enumerate(tasks) if problem.may_serve(vehicle, task)]
        found = {frozenset(): 0}
        for order in (o for count in range(1, len(able) + 1) for o in itertools.permutations(able, count)):
            stops = frozenset(n for n in order if n < problem.stops)
            paired = all(tasks[n].partner is None or tasks[n].partner in stops for n in stops)
            first = all(
                tasks[n].kind is not TaskKind.DELIVERY or tasks[n].partner in order[:at] for at, n in enumerate(order)
            )
            if stops and paired and first and insertion.fits(index, order):
                cost = timetable.cost(index, order)
                if cost is not None:
                    found[stops] = min(found.get(stops, cost), cost)
        by_set.append(found)
    due = {n for n in range(problem.stops) if tasks[n].prize is None}
    costs = []
    for chosen in itertools.product(*by_set):
        served = [n for part in chosen for n in part]
        if len(served) == len(set(served)) and due <= set(served):
            lost = sum(tasks[n].prize or 0 for n in range(problem.stops) if n not in served)
            costs.append(lost + sum(found[part] for found, part in zip(by_set, chosen, strict=True)))
    return min(costs, default=None)


@settings(max_examples=40, deadline=None)
@given(rich=st.booleans(), seed=st.integers(0, 10**6), size=st.sampled_from([(3, 0, 2), (4, 0, 1), (2, 1, 2)]))
def test_no_plan_that_serves_everybody_costs_less(rich, seed, size):
    problem = a_tiny_problem(seed, jobs=size[0], shipments=size[1], vehicles=size[2])
    if rich:
        problem = with_everything(problem, seed)
    cost = cheapest_that_serves_everybody(problem)
    bound = lower_bound(problem)
    if cost is not None:
        assert bound is not None
        assert 0 <= bound <= cost


def test_a_line_is_driven_out_and_back():
    """By hand: to 1, 2 and 3 from the place before, 300, and from 3 no other way home is left than 300 - or from 1, for 100."""
    found = lower_bound(a_line(*(Job(id=n, location_index=n) for n in (1, 2, 3)), costs=Costs(fixed=50)))
    # into 1 from the office, into 2 from 3 or 1, into 3 from 2: 300 with one stop left to go home from, at best 1 for 100
    assert found == 50 + 400


def test_what_only_one_may_do_costs_what_he_takes():
    jobs = (Job(id=1, location_index=2, service=30, setup=6, skills=frozenset({4})),)
    dear = Vehicle(id=1, start=0, end=0, skills=frozenset({4}), costs=Costs(fixed=7, per_hour=7200, per_task_hour=3600))
    cheap = Vehicle(id=2, start=1, end=1)
    problem = Problem(jobs=jobs, vehicles=(dear, cheap), matrices={"car": LINE})
    # the cheaper vehicle's fixed cost counts, whoever drives; the way is the dear one's: 2 x 200 out and home
    assert lower_bound(problem) == 2 * 200 + 36 + 2 * 200


def test_optional_stops_cost_nothing_and_may_be_come_from():
    problem = a_line(Job(id=1, location_index=5), Job(id=2, location_index=4, prize=10))
    # the way into 1 comes from 2, so home is driven to from 1
    assert lower_bound(problem) == 100 + 500
    assert lower_bound(problem.replace(jobs=problem.jobs[1:])) == 0


def test_many_may_come_from_a_reload():
    jobs = (Job(id=1, location_index=2), Job(id=2, location_index=4))
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, reloads=(9,)),), matrices={"car": LINE},
        reloads=(Reload(id=9, location_index=3),),
    )  # fmt: skip
    assert lower_bound(problem) == 100 + 100 + 200


def test_rounding_never_lifts_the_bound():
    """By hand: 100 s at 17 an hour are 0.47, which a route's line rounds to 0."""
    problem = a_line(Job(id=1, location_index=1), end=None, costs=Costs(per_hour=17))
    assert lower_bound(problem) == 0


def test_nobody_knows_of_many_stops_nor_without_a_way():
    many = tuple(Job(id=n, location_index=1 + n % 5) for n in range(501))
    assert lower_bound(a_line(*many)) is None
    seconds = LINE.seconds.copy()
    seconds[:, 3] = UNREACHABLE
    seconds[3, 3] = 0
    alone = a_line(Job(id=1, location_index=3)).replace(matrices={"car": Matrix(seconds=seconds)})
    assert lower_bound(alone) is None


def test_the_bound_of_a_day_is_told_with_its_progress_once_everybody_is_served():
    problem = problem_of(day_instance(7, stops=60))
    heard = []
    solution = solve(problem, seconds=3, on_progress=heard.append)
    assert solution.unassigned == ()
    assert heard[-1].bound is not None
    assert 0.3 * solution.cost < heard[-1].bound <= solution.cost
    longest = tuple(dataclasses.replace(vehicle, max_tasks=3) for vehicle in problem.vehicles)
    short = []
    assert solve(problem.replace(vehicles=longest), seconds=3, on_progress=short.append).unassigned
    assert short[-1].bound is None
