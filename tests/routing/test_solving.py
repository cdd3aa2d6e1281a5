"""`solve`: valid plans, the optimum where it is known, the deadline whatever the engine does."""

import dataclasses
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing import (
    Break,
    InvalidProblem,
    Job,
    Lock,
    Matrix,
    NotSupported,
    PlannedStep,
    Problem,
    StepKind,
    Vehicle,
    children,
)
from routing.checking import CheckFailed, check
from routing.engines import ENGINES
from routing.engines.ortools import OrTools
from routing.solving import EngineFailed, solve
from tests.examples import examples
from tests.routing.bad_engines import BAD
from tests.routing.inventing import a_problem, a_tiny_problem, square
from tests.routing.ticking import best_by_trying_everything

# How much later than asked an answer may come on a machine that others use too.
LATE = 0.5


@pytest.fixture(scope="module", autouse=True)
def _warm():
    solve(a_plain_day(1, 1), seconds=60)  # few stops end early: this waits for the engines to be loaded, no longer


@pytest.fixture
def bad_engines(monkeypatch):
    children.close()
    monkeypatch.setattr(children, "_NURSERY", "tests.routing.bad_engines")
    for name, engine in BAD.items():
        monkeypatch.setitem(ENGINES, name, engine)
    yield
    children.close()


def a_plain_day(jobs: int = 40, vehicles: int = 3, seed: int = 1) -> Problem:
    rng = random.Random(seed)
    stops = tuple(Job(id=n, location_index=n, service=120, delivery=(1,)) for n in range(1, jobs + 1))
    fleet = tuple(
        Vehicle(id=n, start=0, end=0, capacity=(jobs // 2,), time_window=(0, 28_800)) for n in range(vehicles)
    )
    return Problem(jobs=stops, vehicles=fleet, matrices={"car": square(jobs + 1, rng)})


def visits(solution, vehicle: int) -> list[int]:
    return [s.id for r in solution.routes if r.vehicle == vehicle for s in r.visits]


# -- what a plan is


@settings(max_examples=examples(8, of=25), suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), jobs=st.integers(1, 9), vehicles=st.integers(1, 3), shipments=st.integers(0, 2))
def test_no_problem_yields_a_plan_that_the_checker_refuses(seed, jobs, vehicles, shipments):
    problem = a_problem(seed, jobs=jobs, vehicles=vehicles, shipments=shipments)
    try:
        solution = solve(problem, seconds=0.4)
    except InvalidProblem as refusal:
        assert refusal.code in ("lock", "not_supported")  # noqa: PT017
        return
    assert check(problem, solution) == []
    assert all(item.code is not None and item.sentence for item in solution.unassigned)


@pytest.mark.parametrize("seed", range(examples(6, of=14)))
def test_a_tiny_day_is_planned_as_well_as_by_trying_everything(seed):
    problem = a_tiny_problem(seed, jobs=4) if seed % 3 else a_tiny_problem(seed, jobs=2, shipments=1)
    solution = solve(problem, seconds=1.0)
    made = sum(len(route.visits) for route in solution.routes)
    assert (solution.summary.priority, made, solution.cost) == best_by_trying_everything(problem)


def test_a_better_plan_is_told_as_it_is_found_the_first_at_once():
    told = []
    called = time.monotonic()
    problem = a_plain_day(80, 4)
    solution = solve(problem, seconds=2.0, on_best=lambda plan: told.append((time.monotonic() - called, plan)))
    assert told[0][0] < 1.0
    costs = [plan.cost for _, plan in told]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == solution.cost
    assert all(check(problem, plan) == [] for _, plan in told[:3])
    assert solution.unassigned == ()


def test_several_processes_work_on_one_plan():
    solution = solve(a_plain_day(60, 3), seconds=1.5, processes=2, seed=5)
    assert solution.unassigned == ()


def test_what_cannot_be_served_is_left_out_lowest_priority_first():
    problem = a_plain_day(4, 1)
    jobs = tuple(
        dataclasses.replace(job, priority=priority) for job, priority in zip(problem.jobs, (0, 50, 10, 0), strict=True)
    )
    solution = solve(problem.replace(jobs=jobs), seconds=1.0)
    assert sorted(visits(solution, 0)) == [2, 3]
    assert {(item.id, item.code) for item in solution.unassigned} == {(1, "capacity"), (4, "capacity")}


def test_a_problem_without_jobs_has_an_empty_plan():
    problem = Problem(vehicles=(Vehicle(id=1, start=0),), matrices={"car": Matrix(seconds=[[0]])})
    assert solve(problem, seconds=1.0).routes == ()


def test_identifiers_may_be_any_whole_number():
    problem = a_plain_day(3, 1)
    jobs = tuple(dataclasses.replace(job, id=job.id - 2**200) for job in problem.jobs)
    fleet = (dataclasses.replace(problem.vehicles[0], id=10**40, capacity=(9,)),)
    solution = solve(problem.replace(jobs=jobs, vehicles=fleet), seconds=1.0)
    assert solution.unassigned == ()
    assert solution.routes[0].vehicle == 10**40


def test_an_earlier_plan_is_where_the_search_begins():
    problem = a_plain_day(60, 3)
    earlier = solve(problem, seconds=1.5)
    told = []
    again = solve(problem, seconds=0.5, start=earlier, on_best=told.append)
    assert told[0].cost == earlier.cost
    assert again.cost <= earlier.cost


def test_an_earlier_plan_of_another_day_helps_as_far_as_it_still_holds():
    problem = a_plain_day(20, 2)
    earlier = solve(problem, seconds=1.0)
    stops = (*problem.jobs[3:], Job(id=99, location_index=1, service=60))
    smaller = problem.replace(jobs=stops, vehicles=(dataclasses.replace(problem.vehicles[0], capacity=(17,)),))
    assert solve(smaller, seconds=1.0, start=earlier).unassigned == ()


def test_the_route_a_vehicle_already_has_is_a_start_too():
    problem = a_plain_day(6, 1)
    steps = tuple(PlannedStep(kind="job", id=n) for n in (6, 1, 5))
    told = []
    vehicle = dataclasses.replace(problem.vehicles[0], steps=steps, capacity=(9,))
    solve(problem.replace(vehicles=(vehicle,)), seconds=0.8, on_best=told.append)
    assert visits(told[0], 0) == [6, 1, 5]


# -- locks


def locked(job: Job, kind: Lock, vehicle: int, rank: int | None = None, **more) -> Job:
    return dataclasses.replace(job, lock=kind, locked_vehicle=vehicle, locked_rank=rank, **more)


def test_locks_keep_postman_order_and_time():
    problem = a_plain_day(12, 2)
    jobs = list(problem.jobs)
    jobs[0] = locked(jobs[0], Lock.KEEP_POSTMAN, 1)
    for rank, n in enumerate((7, 2, 9, 4)):
        jobs[n] = locked(jobs[n], Lock.KEEP_ORDER, 0, rank)
    jobs[10] = locked(jobs[10], Lock.KEEP_TIME, 1, locked_time=9000, lock_tolerance=60)
    solution = solve(problem.replace(jobs=tuple(jobs)), seconds=1.5)
    assert solution.unassigned == ()
    assert 1 in visits(solution, 1)
    assert [n for n in visits(solution, 0) if n in (8, 3, 10, 5)] == [8, 3, 10, 5]
    kept = next(s for r in solution.routes for s in r.steps if s.id == 11 and s.kind is StepKind.JOB)
    assert 8940 <= kept.begins <= 9060


def test_an_earlier_promise_comes_before_any_priority():
    problem = a_plain_day(4, 1)
    urgent = tuple(dataclasses.replace(job, priority=100) for job in problem.jobs[1:])
    promised = locked(problem.jobs[0], Lock.KEEP_POSTMAN, 0)
    solution = solve(problem.replace(jobs=(promised, *urgent)), seconds=1.0)
    assert len(visits(solution, 0)) == 2
    assert 1 in visits(solution, 0)


def test_what_is_frozen_opens_the_route_and_what_has_happened_keeps_its_time():
    problem = a_plain_day(12, 2)
    jobs = list(problem.jobs)
    for rank, (n, at) in enumerate(((5, 4000), (3, 4010), (8, None))):
        jobs[n] = locked(jobs[n], Lock.FROZEN, 1, rank, locked_time=at, time_windows=() if at is None else ((0, 10),))
    solution = solve(problem.replace(jobs=tuple(jobs)), seconds=1.5)
    assert solution.unassigned == ()
    assert visits(solution, 1)[:3] == [6, 4, 9]
    route = next(r for r in solution.routes if r.vehicle == 1)
    assert [s.begins for s in route.visits[:2]] == [4000, 4010]
    assert route.visits[2].begins >= 4010 + 120


def test_a_postman_who_is_late_already_gets_nothing_more_and_the_others_do():
    problem = a_plain_day(6, 2)
    jobs = list(problem.jobs)
    jobs[0] = locked(jobs[0], Lock.FROZEN, 0, 0, locked_time=30_000)
    fleet = tuple(dataclasses.replace(v, capacity=(6,)) for v in problem.vehicles)
    solution = solve(problem.replace(jobs=tuple(jobs), vehicles=fleet), seconds=1.0)
    assert visits(solution, 0) == [1]
    assert sorted(visits(solution, 1)) == [2, 3, 4, 5, 6]


def test_a_frozen_part_that_cannot_be_is_the_callers_error():
    problem = a_plain_day(3, 1)
    jobs = (*(locked(job, Lock.FROZEN, 0, rank) for rank, job in enumerate(problem.jobs)),)
    with pytest.raises(InvalidProblem, match=r"vehicles\[0\] = 0"):
        solve(problem.replace(jobs=jobs), seconds=1.0)


# -- limits and breaks that OR-Tools must hold in one plan


def test_cash_carried_is_limited_like_any_load():
    problem = a_plain_day(6, 3)
    jobs = tuple(dataclasses.replace(job, delivery=(1, 0), pickup=(0, 2_000_000)) for job in problem.jobs)
    fleet = tuple(dataclasses.replace(v, capacity=(10, 5_000_000)) for v in problem.vehicles)
    solution = solve(problem.replace(jobs=jobs, vehicles=fleet, dimension_names=("items", "cash_dong")), seconds=1.0)
    assert sorted(len(r.visits) for r in solution.routes) == [2, 2, 2]
    fewer = solve(problem.replace(jobs=jobs, vehicles=fleet[:2], dimension_names=("items", "cash_dong")), seconds=1.0)
    assert [item.code for item in fewer.unassigned] == ["cash_limit", "cash_limit"]


def test_everybody_gets_the_break():
    problem = a_plain_day(30, 2)
    rest = (Break(id=1, time_windows=((4000, 5000), (9000, 9500)), service=1800),)
    fleet = tuple(dataclasses.replace(v, breaks=rest, capacity=(20,), max_tasks=16) for v in problem.vehicles)
    solution = solve(problem.replace(vehicles=fleet), seconds=2.5)
    assert solution.unassigned == ()
    for route in solution.routes:
        assert len(route.visits) <= 16
        assert sum(s.kind is StepKind.BREAK for s in route.steps) == 1


def test_results_out_and_submissions_in_share_the_bag():
    problem = a_plain_day(24, 2)
    jobs = tuple(
        dataclasses.replace(job, delivery=(n % 2,), pickup=((n + 1) % 2,)) for n, job in enumerate(problem.jobs)
    )
    fleet = tuple(dataclasses.replace(v, capacity=(6,)) for v in problem.vehicles)
    solution = solve(problem.replace(jobs=jobs, vehicles=fleet), seconds=1.5)
    assert solution.unassigned == ()
    assert sorted(len(r.visits) for r in solution.routes) == [12, 12]


def test_a_problem_that_an_engine_cannot_express_is_refused(monkeypatch):
    monkeypatch.setattr(OrTools, "supports", lambda _, problem: [f"{len(problem.jobs)} jobs are too many"])
    with pytest.raises(NotSupported, match="3 jobs are too many"):
        solve(a_plain_day(3, 1), seconds=1.0, engine="ortools")


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": 0}, {"seconds": float("nan")}, {"seconds": 1, "processes": 0}, {"seconds": 1, "engine": "steam"}],
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(InvalidProblem):
        solve(a_plain_day(3, 1), **wrong)


# -- deadlines and accidents


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " not in stat.read_text(encoding="utf-8")


def is_gone(pid: int) -> bool:
    """Whether the process ends within three seconds: a killed one still needs its turn on a busy machine to die."""
    until = time.monotonic() + 3
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_the_deadline_is_kept_and_the_child_is_gone(seconds, monkeypatch):
    born = []
    kill = children.Child.kill

    def noted(child):
        born.append(child.pid)
        kill(child)

    monkeypatch.setattr(children.Child, "kill", noted)
    called = time.monotonic()
    solve(a_plain_day(150, 5), seconds=seconds)
    assert time.monotonic() - called <= seconds + LATE
    assert born
    assert all(is_gone(pid) for pid in born if pid is not None)


@pytest.mark.parametrize("engine", ["hanging", "silent", "chattering"])
def test_an_engine_that_never_returns_is_killed_and_the_best_so_far_returned(bad_engines, engine):
    called = time.monotonic()
    solution = solve(a_plain_day(40, 3), seconds=1.5, engine=engine)
    assert time.monotonic() - called <= 1.5 + LATE
    assert sum(len(route.visits) for route in solution.routes) > 0  # what is left is placed where it fits


def test_a_crash_costs_nothing_but_its_own_work(bad_engines):
    solution = solve(a_plain_day(10, 2), seconds=10.0, engine="crashing")
    assert solution.unassigned == ()


@pytest.mark.parametrize(
    ("engine", "words"), [("stillborn", "ended without an answer"), ("raising", "no memory left, says the engine")]
)
def test_an_engine_that_dies_without_a_plan_is_an_error_that_says_so(bad_engines, engine, words):
    with pytest.raises(EngineFailed, match=words):
        solve(a_plain_day(10, 2), seconds=10.0, engine=engine)


def test_a_plan_that_breaks_a_rule_never_leaves(bad_engines):
    with pytest.raises(CheckFailed, match="load"):
        solve(a_plain_day(10, 2), seconds=10.0, engine="lying")


def test_searches_may_run_side_by_side_from_threads():
    costs = []
    threads = [
        threading.Thread(target=lambda s=s: costs.append(solve(a_plain_day(12, 2, seed=s), seconds=1.0).cost))
        for s in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(costs) == 2


def test_a_process_that_was_forked_after_a_search_can_search_too():
    """A server forks its workers after loading; they must not share one nursery."""
    script = (
        "import os, sys\n"
        "from tests.routing.test_solving import a_plain_day\n"
        "from routing.solving import solve\n"
        "solve(a_plain_day(5, 1), seconds=1.5)\n"
        "pid = os.fork()\n"
        "solve(a_plain_day(6, 1), seconds=1.5)\n"
        "if pid == 0: os._exit(0)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_search_ends_with_the_process_that_asked_for_it():
    script = (
        "import os, signal\n"
        "from routing import children\n"
        "from tests.routing.test_solving import a_plain_day\n"
        "from routing.solving import solve\n"
        "def die(plan):\n"
        "    print(children._nursery[1].pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "solve(a_plain_day(40, 3), seconds=20, on_best=die)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
        cwd=Path.cwd(),
        env=os.environ,
    )
    assert is_gone(int(done.stdout))
