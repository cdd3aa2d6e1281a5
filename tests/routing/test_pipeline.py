"""How engines and processes work together: what they tell each other, what a lost one costs, what the listener hears."""

import dataclasses
import os
import pickle
import signal
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing import Break, Job, Lock, Matrix, NotSupported, Problem, Vehicle, children, solving
from routing.checking import check
from routing.engines import ENGINES
from routing.engines.orders import Orders
from routing.engines.searching import Alone
from routing.problem import Reload
from routing.solving import Progress, solve
from tests.examples import examples
from tests.routing.bad_engines import BAD
from tests.routing.inventing import a_problem, a_tiny_problem
from tests.routing.test_solving import LATE, a_plain_day, is_gone, visits
from tests.routing.ticking import best_by_trying_everything


@pytest.fixture(scope="module", autouse=True)
def _warm():
    solve(a_plain_day(1, 1), seconds=60)


@pytest.fixture
def born(monkeypatch):
    """The children that search in a test, as they are made."""
    made = []

    class Noted(children.Child):
        def __init__(self, order):
            super().__init__(order)
            if pickle.loads(order)[0].engine != Orders.name:  # noqa: S301 - made by ourselves
                made.append(self)

    monkeypatch.setattr(solving, "Child", Noted)
    return made


@pytest.fixture
def bad_engines(monkeypatch):
    children.close()
    monkeypatch.setattr(children, "_NURSERY", "tests.routing.bad_engines")
    for name, engine in BAD.items():
        monkeypatch.setitem(ENGINES, name, engine)
    yield
    children.close()


def with_a_rest(problem: Problem) -> Problem:
    """What PyVRP has no words for."""
    rest = (Break(id=1, time_windows=((4000, 9000),), service=900),)
    return problem.replace(vehicles=tuple(dataclasses.replace(v, breaks=rest) for v in problem.vehicles))


# -- who searches


def test_pyvrp_searches_what_it_can_be_told_and_both_engines_what_it_cannot():
    assert solve(a_plain_day(20, 2), seconds=0.6).engine == "pyvrp"
    assert solve(with_a_rest(a_plain_day(20, 3)), seconds=0.6).engine == "both"


def test_pyvrp_alone_refuses_what_it_has_no_words_for():
    with pytest.raises(NotSupported, match="PyVRP has no words for breaks"):
        solve(with_a_rest(a_plain_day(5, 1)), seconds=0.5, engine="pyvrp")


@pytest.mark.parametrize("engine", ["pyvrp", "ortools", "both"])
def test_each_engine_can_be_asked_for(engine):
    problem = a_plain_day(30, 3)
    solution = solve(problem, seconds=1.5, engine=engine)
    assert solution.engine == engine
    assert solution.unassigned == ()
    assert check(problem, solution) == []


@settings(max_examples=examples(4, of=12), suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6), jobs=st.integers(1, 25), shipments=st.integers(0, 3),
    engine=st.sampled_from(["auto", "both"]), processes=st.integers(1, 2),
)  # fmt: skip
def test_whoever_searches_the_checker_agrees(seed, jobs, shipments, engine, processes):
    problem = a_problem(seed, jobs=jobs, vehicles=3, shipments=shipments)
    try:
        solution = solve(problem, seconds=0.5, engine=engine, processes=processes)
    except solving.InvalidProblem as refusal:
        assert refusal.code in ("lock", "not_supported")  # noqa: PT017
        return
    assert check(problem, solution) == []


def test_a_deposit_point_is_used_with_everything_else_on_board():
    """Both engines: PyVRP cannot say that only the cash comes off."""
    line = Matrix(seconds=[[abs(a - b) * 60 for b in range(6)] for a in range(6)])
    jobs = tuple(Job(id=n, location_index=n, delivery=(1, 0), pickup=(0, 5)) for n in range(1, 6))
    deposit = Reload(id=9, location_index=3, empties=frozenset({"cash"}))
    day = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, capacity=(5, 15), reloads=(9,)),), matrices={"car": line},
        reloads=(deposit,), dimension_names=("items", "cash"),
    )  # fmt: skip
    solution = solve(day, seconds=1.5)
    assert solution.unassigned == ()
    assert solution.cost == 600
    few = solve(day.replace(vehicles=(dataclasses.replace(day.vehicles[0], reloads=()),)), seconds=1.0)
    assert [item.code for item in few.unassigned] == ["cash_limit", "cash_limit"]


@pytest.mark.parametrize("seed", range(20, 20 + examples(3, of=8)))
def test_two_processes_plan_a_tiny_day_as_well_as_by_trying_everything(seed):
    problem = a_tiny_problem(seed, jobs=4)
    solution = solve(problem, seconds=1.0, processes=2)
    made = sum(len(route.visits) for route in solution.routes)
    assert (solution.summary.priority, made, solution.cost) == best_by_trying_everything(problem)


def test_the_same_seed_gives_the_same_plan_where_stops_are_few():
    problem = a_plain_day(14, 2)
    first, second = (solve(problem, seconds=30, seed=7) for _ in range(2))
    assert first.routes == second.routes


def test_a_plan_says_how_many_of_its_orders_are_proven(monkeypatch):
    problem = a_plain_day(12, 2)
    assert solve(problem, seconds=20).proofs == 1.0
    monkeypatch.setattr(solving, "_PROVEN_UP_TO", 0)
    assert solve(problem, seconds=0.5).proofs is None


def test_a_bad_order_is_put_right_in_the_end():
    line = Matrix(seconds=[[abs(a - b) * 60 for b in range(16)] for a in range(16)])
    jobs = tuple(Job(id=n, location_index=(7 * n) % 15 + 1) for n in range(15))
    day = Problem(jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0),), matrices={"car": line})
    posted = []

    class Second(Alone):
        """The second of two, who has the second shortest route and every other after it."""

        number, size = 1, 2

        def post(self, message):
            posted.append(message)

    two = day.replace(vehicles=(day.vehicles[0], Vehicle(id=2, start=0, end=0)))
    plan = (tuple(range(1, 15)), (0,))
    Orders().solve_together(two, seconds=20, seed=0, start=plan, on_best=posted.append, company=Second())
    (found,) = posted
    assert (found.vehicle_index, sorted(found.visits), found.cost, found.proven) == (0, list(range(1, 15)), 1800, True)


def test_a_promise_is_kept_by_whoever_searches():
    problem = a_plain_day(12, 2)
    jobs = list(problem.jobs)
    for rank, n in enumerate((9, 1, 6)):
        jobs[n] = dataclasses.replace(jobs[n], lock=Lock.KEEP_ORDER, locked_vehicle=1, locked_rank=rank)
    solution = solve(with_a_rest(problem.replace(jobs=tuple(jobs))), seconds=1.5)
    assert [n for n in visits(solution, 1) if n in (10, 2, 7)] == [10, 2, 7]


def test_a_thousand_vehicles_that_are_all_alike_are_looked_at_once():
    problem = a_plain_day(60, 1)
    jobs = tuple(dataclasses.replace(job, delivery=(9,)) if job.id < 4 else job for job in problem.jobs)
    fleet = tuple(Vehicle(id=n, start=0, end=0, capacity=(8,)) for n in range(1000))
    called = time.monotonic()
    solution = solve(problem.replace(jobs=jobs, vehicles=fleet), seconds=3)
    assert time.monotonic() - called <= 3 + LATE
    assert {(item.id, item.code) for item in solution.unassigned} == {(n, "capacity") for n in (1, 2, 3)}


# -- what the listener hears


def test_the_listener_hears_how_far_the_search_is():
    heard: list[Progress] = []
    solution = solve(a_plain_day(60, 3), seconds=1.5, on_progress=heard.append)
    assert [one.seconds for one in heard] == sorted(one.seconds for one in heard)
    assert [one.cost for one in heard] == sorted((one.cost for one in heard), reverse=True)
    assert heard[-1].cost >= solution.cost
    assert heard[-1].plans >= 1
    assert heard[-1].seconds > 1.0
    assert len(heard) >= 4


# -- accidents


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_child_that_is_killed_or_stopped_costs_its_own_work_only(born, blow, processes):
    problem = a_plain_day(80, 4)
    struck = []

    def strike(plan):
        if not struck:
            struck.append(plan)
            os.kill(born[0].pid, blow)

    called = time.monotonic()
    solution = solve(problem, seconds=2.0, processes=processes, on_best=strike)
    assert time.monotonic() - called <= 2.0 + LATE
    assert check(problem, solution) == []
    assert solution.unassigned == ()
    assert solution.cost <= struck[0].cost
    assert len(born) == processes + (blow == signal.SIGKILL)  # somebody took the place of the dead
    assert all(is_gone(child.pid) for child in born if child.pid is not None)


def test_a_child_that_is_killed_before_it_has_a_plan_is_followed_by_another(born, monkeypatch):
    news = children.Child.news

    def killing(child):
        if child is born[0] and child.pid is not None and not child.ended:
            os.kill(child.pid, signal.SIGKILL)
        heard = news(child)
        return [one for one in heard if one[0] == "failed"] if child is born[0] else heard

    monkeypatch.setattr(children.Child, "news", killing)
    solution = solve(a_plain_day(80, 4), seconds=2.0)
    assert solution.unassigned == ()
    assert len(born) == 2


def test_a_child_that_is_stopped_before_it_takes_the_problem_holds_nobody_up(born, monkeypatch):
    problem = a_plain_day(80, 4)
    news = children.Child.news

    def stopping(child):
        heard = news(child)
        if child.pid is not None and child is born[0]:
            os.kill(child.pid, signal.SIGSTOP)
        return heard

    monkeypatch.setattr(children.Child, "news", stopping)
    called = time.monotonic()
    solution = solve(problem, seconds=1.5, processes=2)
    assert time.monotonic() - called <= 1.5 + LATE
    assert solution.unassigned == ()


def test_a_child_without_memory_is_an_error_that_says_so(bad_engines, monkeypatch):
    monkeypatch.setattr(solving, "_free_memory", lambda: 2**26)
    with pytest.raises(solving.EngineFailed, match="MemoryError"):
        solve(a_plain_day(10, 2), seconds=20.0, engine="hoarding")


def test_a_child_without_memory_costs_its_own_work_only(bad_engines, monkeypatch):
    monkeypatch.setattr(solving, "_free_memory", lambda: 2**26)
    assert solve(a_plain_day(10, 2), seconds=20.0, engine="hoarding after a plan").unassigned == ()


def test_a_child_that_reads_no_mail_blocks_nobody(bad_engines):
    called = time.monotonic()
    solution = solve(a_plain_day(10, 2), seconds=1.5, processes=2, engine="writing")
    assert time.monotonic() - called <= 1.5 + LATE
    assert solution.unassigned == ()
