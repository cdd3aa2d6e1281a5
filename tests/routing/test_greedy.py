"""The plan in the blink of an eye: possible, served as far as it is easy, and there at once."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from routing import Job, Matrix, Problem, Vehicle
from routing.checking import check
from routing.engines.greedy import greedy_plan
from routing.engines.sketching import Proof
from routing.solving import assemble
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_problem
from tests.routing.test_solving import a_plain_day


@settings(max_examples=examples(25, of=80))
@given(seed=st.integers(0, 10**6), jobs=st.integers(0, 12), shipments=st.integers(0, 2), rich=st.booleans())
def test_what_is_left_of_it_after_the_exact_rules_is_a_plan(seed, jobs, shipments, rich):
    problem = a_problem(seed, jobs=jobs, vehicles=3, shipments=shipments, rich=rich)
    plan = greedy_plan(problem)
    assert sum(map(len, plan)) == len({number for route in plan for number in route})
    # What is frozen may be impossible by itself, and then there is no plan at all; here nothing is.
    solution = assemble(problem, Timetable(problem), Proof(problem).verified(plan))
    assert check(problem, solution) == []


def test_he_goes_on_to_whomever_he_can_begin_with_next():
    line = Matrix(seconds=[[abs(a - b) * 10 for b in range(5)] for a in range(5)])
    jobs = (
        Job(id=1, location_index=4),
        Job(id=2, location_index=1),
        Job(id=3, location_index=2, time_windows=((100, 200),)),
        Job(id=4, location_index=3, time_windows=((0, 5),)),
    )
    day = Problem(jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0),), matrices={"car": line})
    assert greedy_plan(day) == ((1, 0, 2),)


def test_a_thousand_stops_take_a_blink():
    problem = a_plain_day(1000, 1).replace(
        vehicles=tuple(Vehicle(id=n, start=0, end=0, capacity=(30,)) for n in range(900))
    )
    began = time.process_time()
    plan = greedy_plan(problem)
    assert time.process_time() - began < 0.5
    assert sum(map(len, plan)) == 1000
