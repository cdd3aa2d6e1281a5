"""The first plan of a large day: the whole is searched for a while, by several processes that meet."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from routing.engines import beginning
from routing.engines.beginning import first_of_the_whole, share_of_the_whole
from routing.engines.crier import Crier
from routing.plane import Plane
from routing.problem import Costs, Job, Problem, Vehicle
from routing.timetable import Timetable


def day(stops=200, *, picky=False, capacity=30, seconds=(0, 40_000)):
    """Stops around an office; where the fleet is picky every stop may be served by every second vehicle only."""
    random = np.random.default_rng(5)
    places = np.vstack([[(5_000.0, 5_000.0)], random.random((stops, 2)) * 10_000])
    fleet = tuple(
        Vehicle(
            id=n, start=0, end=0, capacity=(capacity,), time_window=seconds, costs=Costs(per_hour=3600)
        )
        for n in range(2 * stops // capacity)
    )  # fmt: skip
    jobs = tuple(
        Job(
            id=n, location_index=n + 1, delivery=(1,), service=60,
            allowed_vehicles=frozenset(range(n % 2, len(fleet), 2)) if picky else None,
        )
        for n in range(stops)
    )  # fmt: skip
    return Problem(jobs=jobs, vehicles=fleet, matrices={"car": Plane(places, "round")})


def first(problem, *, seconds, processes=1, share=0.5):
    """Alone in so many seconds of work, which are the same on a busy machine; of company only the wall clock is shared."""
    crier = Crier(problem, lambda _: None, exact=True)
    clock = time.process_time if processes == 1 else time.monotonic
    until = clock() + seconds
    return first_of_the_whole(
        problem, until=until, seed=1, crier=crier, share=share, processes=processes, clock=clock
    )  # fmt: skip


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as listed:  # noqa: PTH123 - a kernel's file
        return {int(pid) for pid in listed.read().split()}


def served(plan):
    return sorted(number for route in plan for number in route)


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_first_plan_serves_everybody_and_leaves_no_process_behind(processes):
    problem = day()
    before = children()
    plan = first(problem, seconds=3.0, processes=processes)
    assert served(plan) == list(range(problem.stops))
    assert Timetable(problem).plan_cost(plan) is not None
    assert children() <= before


@pytest.mark.slow
def test_vehicles_that_may_serve_only_some_stops_serve_them_all():
    problem = day(picky=True)
    plan = first(problem, seconds=6.0)
    assert served(plan) == list(range(problem.stops))
    assert all(
        problem.may_serve(problem.vehicles[vehicle], problem.tasks[number])
        for vehicle, route in enumerate(plan)
        for number in route
    )


@pytest.mark.parametrize("blow", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGSTOP])
def test_a_process_that_dies_or_hangs_is_not_waited_for(blow, monkeypatch):
    """Each is asked once, at the first meeting, and has no longer to answer than a meeting takes; then it is gone."""
    problem = day()
    before = children()
    hit = []
    asked = []
    receive = beginning.receive_frame

    def noted(line):
        asked.append(line.gettimeout())
        return receive(line)

    def strike():
        while len(born := children() - before) < 2:
            nothing.wait(0.01)
        for pid in born:
            os.kill(pid, blow)
            hit.append(pid)

    nothing = threading.Event()
    monkeypatch.setattr(beginning, "receive_frame", noted)
    striker = threading.Thread(target=strike)
    striker.start()
    plan = first(problem, seconds=4.0, processes=3)
    striker.join()
    assert len(hit) == 2
    assert served(plan) == list(range(problem.stops))
    assert len(asked) == 2
    assert all(0 < patience <= beginning._PATIENCE for patience in asked)
    assert children() <= before


def test_what_cannot_be_finished_is_kept_as_far_as_it_holds():
    problem = day(seconds=(0, 12_000))  # some corners are further away than that
    plan = first(problem, seconds=1.0)
    timetable = Timetable(problem)
    assert 0 < len(served(plan)) < problem.stops
    assert all(timetable.route(vehicle, route) is not None for vehicle, route in enumerate(plan) if route)


def test_long_routes_are_searched_whole_for_longer_than_short_ones():
    problem = day()

    def plan_of(length):
        return tuple(tuple(range(at, min(at + length, 200))) for at in range(0, 200, length))

    assert share_of_the_whole(problem, plan_of(10)) == share_of_the_whole(problem, plan_of(20)) == 0.2
    assert 0.2 < share_of_the_whole(problem, plan_of(25)) < share_of_the_whole(problem, plan_of(40)) == 0.95
    windowed = replace(problem, jobs=(replace(problem.jobs[0], time_windows=((0, 9_000),)), *problem.jobs[1:]))
    assert share_of_the_whole(windowed, plan_of(20)) == 0.2
    assert 0.2 < share_of_the_whole(windowed, plan_of(25)) < share_of_the_whole(windowed, plan_of(40)) == 0.45
    larger = replace(problem.vehicles[0], capacity=(60,))
    mixed = replace(problem, vehicles=(larger, *problem.vehicles[1:]))
    assert share_of_the_whole(mixed, plan_of(10)) == 0.45
    fetched = replace(problem.jobs[0], delivery=(), pickup=problem.jobs[0].delivery)
    both_ways = replace(problem, jobs=(fetched, *problem.jobs[1:]))
    assert share_of_the_whole(both_ways, plan_of(10)) == 0.5
    assert 0.5 < share_of_the_whole(both_ways, plan_of(20)) < share_of_the_whole(both_ways, plan_of(30)) == 0.95
