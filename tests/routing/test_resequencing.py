"""The exact order of one route: compared with every order there is, and never a proof that is none."""

import dataclasses
import itertools
import math
import random
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from routing import UNREACHABLE, Costs, Job, Lock, Matrix, Problem, Shipment, ShipmentStop, Vehicle
from routing.checking import check
from routing.engines import tours
from routing.engines.resequencing import resequence, shortened
from routing.problem import Crossing, Crossings, Reload
from routing.solving import assemble
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_tiny_problem, square
from tests.routing.ticking import naive_cost, naive_cost_or_none, possible

LINE = Matrix(seconds=[[abs(a - b) * 100 for b in range(6)] for a in range(6)])


def a_route(
    seed: int, stops: int, *, windows: float, width: int = 3000, day: int = 14_000, holes: bool = False
) -> Problem:
    """One vehicle with many stops; every window is open where some order passes, so that the order keeps all."""
    rng = random.Random(seed)
    matrix = square(stops + 1, rng, width=9000)
    now, place, jobs = 0, 0, []
    for number in range(1, stops + 1):
        now += int(matrix.seconds[place, number])
        opens = max(0, now - rng.randrange(width))
        closes = opens + width
        # where the order passes early enough, the window has a hole behind its passing
        hole = ((opens, now), (now + width // 3, closes)) if now + width // 3 < closes else ((opens, closes),)
        kept = hole if holes and rng.random() < 0.6 else ((opens, closes),)
        jobs.append(
            Job(id=number, location_index=number, service=100, time_windows=kept if rng.random() < windows else ())
        )
        now, place = max(now, opens) + 100, number
    return Problem(
        jobs=tuple(jobs),
        vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, max(day, now + 3000))),),
        matrices={"car": matrix},
    )


def every_order(problem: Problem, visits) -> dict[tuple[int, ...], int]:
    """What each order that keeps all rules costs, by the second opinion."""
    found = {}
    for order in itertools.permutations(visits):
        cost = naive_cost_or_none(problem, 0, order)
        if cost is not None and possible(problem, 0, order):
            found[order] = cost
    return found


def nearest_first(problem: Problem) -> tuple[int, ...]:
    seconds, order, left = problem.matrices["car"].seconds, [], set(range(problem.stops))
    while left:
        place = problem.jobs[order[-1]].location_index if order else 0
        order.append(min(left, key=lambda n: seconds[place, problem.jobs[n].location_index]))
        left.remove(order[-1])
    return tuple(order)


def test_the_way_there_and_back_along_a_line():
    problem = Problem(
        jobs=tuple(Job(id=n, location_index=n) for n in range(1, 6)),
        vehicles=(Vehicle(id=1, start=0, end=0),),
        matrices={"car": LINE},
    )
    found = resequence(problem, 0, (2, 0, 4, 1, 3))
    assert (found.cost, found.lower_bound, found.proven) == (1000, 1000, True)


def test_a_window_makes_the_postman_walk_the_line_twice():
    """By hand: out to 5 by 500 for its window, back to 3 for its own at 900, or 1,000 if 3 had none."""
    jobs = (
        Job(id=1, location_index=3, time_windows=((900, 950),)), Job(id=2, location_index=5, time_windows=((0, 500),)),
        Job(id=3, location_index=4, time_windows=((1200, 1300),)),
    )  # fmt: skip
    problem = Problem(jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0),), matrices={"car": LINE})
    found = resequence(problem, 0, (1, 0, 2))
    # 0 -> 5 -> 3 -> 4 -> 0: 500 + 200 + 100 + 400
    assert (found.visits, found.cost, found.proven) == ((1, 0, 2), 1200, True)


def test_the_set_up_of_a_door_is_paid_once_when_its_stops_stand_together():
    costs = Costs(per_hour=0, per_task_hour=3600)
    jobs = tuple(Job(id=n, location_index=where, setup=60, service=5) for n, where in enumerate((1, 2, 1, 2)))
    problem = Problem(jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, costs=costs),), matrices={"car": LINE})
    found = resequence(problem, 0, (0, 1, 2, 3))
    assert (found.cost, found.proven) == (2 * 60 + 4 * 5, True)


def test_a_quick_look_gives_a_better_order_without_a_proof():
    problem = a_route(2, 30, windows=0.3, holes=True)
    start = tuple(range(30))
    timetable = Timetable(problem)
    quick = shortened(problem, 0, start, seconds=2, timetable=timetable)
    assert sorted(quick) == list(start)
    assert timetable.returns(0, quick) is not None
    assert timetable.cost(0, quick) < 0.9 * timetable.cost(0, start)


def test_what_is_frozen_stays_in_front_and_its_clock_counts():
    """By hand: free at 5 from 2,050 on, 4 then 3 then 1 would be at 1 by 2,500; 4 then 1 is there by 2,450."""
    jobs = (
        Job(id=1, location_index=5, lock=Lock.FROZEN, locked_vehicle=1, locked_rank=0, locked_time=2000, service=50),
        Job(id=2, location_index=1, time_windows=((0, 2460),)),
        Job(id=3, location_index=4),
        Job(id=4, location_index=3, service=50),
    )
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 9000)),), matrices={"car": LINE}
    )
    found = resequence(problem, 0, (0, 2, 1, 3))
    assert found.visits == (0, 2, 1, 3)
    assert (found.cost, found.proven) == (500 + 100 + 300 + 200 + 300, True)


def test_a_route_with_reloads_comes_back_with_the_reason():
    problem = Problem(
        jobs=(Job(id=1, location_index=1, delivery=(1,)), Job(id=2, location_index=2, delivery=(1,))), reloads=(Reload(id=5, location_index=0),),
        vehicles=(Vehicle(id=1, start=0, end=0, capacity=(1,), reloads=(5,)),), matrices={"car": LINE},
    )  # fmt: skip
    found = resequence(problem, 0, (0, 2, 1))
    assert (found.visits, found.proven) == ((0, 2, 1), False)
    assert "reload" in found.open_question


def test_an_order_that_breaks_a_rule_is_never_called_proven():
    job = Job(id=1, location_index=5, time_windows=((0, 499),))
    problem = Problem(jobs=(job,), vehicles=(Vehicle(id=1, start=0, end=0),), matrices={"car": LINE})
    assert not resequence(problem, 0, (0,)).proven


def test_a_limit_the_search_cannot_say_costs_the_proof_but_never_the_truth():
    """By hand: 3 first and 1 last costs 600, but waits for 1 until 2,000 and lasts 2,100 instead of 1,300."""
    jobs = (
        Job(id=1, location_index=1, time_windows=((2000, 9000),)),
        Job(id=2, location_index=2),
        Job(id=3, location_index=3, time_windows=((0, 300), (2200, 9000))),
    )
    vehicle = Vehicle(id=1, start=0, end=0, time_window=(0, 9000), max_duration=700)
    problem = Problem(jobs=jobs, vehicles=(vehicle,), matrices={"car": LINE})
    found = resequence(problem, 0, (0, 2, 1))
    assert (found.cost, found.proven) == (600, True)
    shorter = problem.replace(
        vehicles=(
            dataclasses.replace(
                vehicle, max_duration=None, costs=Costs(per_hour_over_target=3600), target_duration=500
            ),
        )
    )
    found = resequence(shorter, 0, (0, 2, 1))
    assert (found.cost, found.lower_bound, found.proven) == (700, 600, False)
    assert "price" in found.open_question


@settings(max_examples=examples(4, of=10))
@given(seed=st.integers(0, 10**6), shipments=st.integers(0, 1))
def test_no_order_is_cheaper_than_what_is_proven_and_none_is_below_the_bound(seed, shipments):
    problem = a_tiny_problem(seed, jobs=4 - shipments, vehicles=1, shipments=shipments)
    orders = every_order(problem, range(problem.stops))
    if not orders:
        return
    rng = random.Random(seed)
    found = resequence(problem, 0, rng.choice(sorted(orders)), seconds=5)
    assert found.visits in orders
    assert found.cost == orders[found.visits] == naive_cost(problem, 0, found.visits)
    assert found.lower_bound <= min(orders.values())
    if found.proven:
        # the price of work is rounded apart from that of travel: less than one unit each
        assert found.cost < min(orders.values()) + 2
    if not problem.vehicles[0].breaks:
        assert found.proven


@settings(max_examples=examples(12, of=40))
@given(seed=st.integers(0, 10**6), locks=st.booleans())
def test_every_way_to_a_proof_gives_the_same_price(seed, locks):
    """Labels and CP-SAT, each alone, against all orders of seven stops with windows."""
    rng = random.Random(seed)
    problem = a_route(seed, 7, windows=0.5, width=900, holes=True)
    if locks:
        kept = rng.sample(range(7), 3)
        jobs = [
            dataclasses.replace(job, lock=Lock.KEEP_ORDER, locked_vehicle=1, locked_rank=n) if n in kept else job
            for n, job in enumerate(problem.jobs)
        ]
        problem = problem.replace(jobs=tuple(jobs))
    start = tuple(range(7))
    timetable = Timetable(problem)
    costs = [
        timetable.cost_lines(problem.vehicles[0], [problem.tasks[n] for n in order]).total
        for order in itertools.permutations(start)
        if (not locks or [n for n in order if n in kept] == sorted(kept)) and timetable.returns(0, order) is not None
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tours, "descended", lambda _, order, __: order)
        labelled = resequence(problem, 0, start, seconds=5)
        patch.setattr(tours, "_MOST_BITS", 0)
        circuit = resequence(problem, 0, start, seconds=5)
    assert (labelled.cost, labelled.proven) == (min(costs), True)
    assert (circuit.cost, circuit.proven) == (min(costs), True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_hamlets_that_must_be_visited_twice_are_proven_as_well(seed):
    """Windows send the postman from one hamlet to the other and back: what the relaxed problem thinks is paid once."""
    rng = random.Random(seed)
    spots = [(0, 0), *((3000 * (n % 2) + rng.randrange(300), rng.randrange(300)) for n in range(7))]
    seconds = [[round(math.dist(a, b)) + rng.randrange(20) * (a != b) for b in spots] for a in spots]
    times = [(0, 6000), (5000, 9000), (8000, 16_000), (0, 30_000)]
    jobs = tuple(
        Job(id=n, location_index=n, service=100, time_windows=(rng.choice(times),) if rng.random() < 0.7 else ())
        for n in range(1, 8)
    )
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 30_000)),),
        matrices={"car": Matrix(seconds=seconds)},
    )  # fmt: skip
    timetable = Timetable(problem)
    orders = {o: timetable.cost(0, o) for o in itertools.permutations(range(7)) if timetable.returns(0, o) is not None}
    assume(len(set(orders.values())) > 1)
    second = min((order for order in orders if orders[order] > min(orders.values())), key=orders.get)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tours, "descended", lambda _, order, __: order)
        patch.setattr(tours, "_circuit", None)  # labels alone
        found = resequence(problem, 0, second, seconds=60)
    assert (found.cost, found.lower_bound, found.proven) == (min(orders.values()), min(orders.values()), True)


def test_a_dearer_way_that_is_earlier_is_not_forgotten():
    """By hand: 1, 2, 3 is cheaper than 2, 1, 3, but too slow to see 4 before the window of 5 closes."""
    seconds = [[0 if a == b else 10 for b in range(6)] for a in range(6)]
    prices = [[500 if {4, 5} & {a, b} or (a, b) == (3, 1) else 10 for b in range(6)] for a in range(6)]
    seconds[1][2], seconds[4][5], prices[2][1] = 200, 50, 50
    prices[3][4] = prices[4][5] = prices[5][0] = 10
    jobs = tuple(Job(id=n, location_index=n, time_windows=((0, 240),) if n == 5 else ()) for n in range(1, 6))
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 1000)),),
        matrices={"car": Matrix(seconds=seconds, cost=prices)},
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tours, "descended", lambda _, order, __: order)
        found = resequence(problem, 0, (4, 0, 1, 2, 3))
    assert (found.visits, found.cost, found.proven) == ((1, 0, 2, 3, 4), 10 + 50 + 10 + 10 + 10 + 10, True)


def test_mixed_loads_decide_the_order_exactly():
    """By hand: the van is full until 3 or 5 has been served, so the way out cannot collect at 1 and 2: 30 + 20 + 30 + 10."""
    gives, takes = ((2,), (0,)), ((0,), (2,))
    doors = zip((3, 5, 1, 2), (gives, gives, takes, takes), strict=True)
    jobs = tuple(Job(id=n, location_index=n, delivery=delivery, pickup=pickup) for n, (delivery, pickup) in doors)
    steps = Matrix(seconds=[[abs(a - b) * 10 for b in range(6)] for a in range(6)])
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, capacity=(4,), time_window=(0, 200)),), matrices={"car": steps}
    )
    orders = every_order(problem, range(4))
    found = resequence(problem, 0, max(orders, key=orders.get))
    assert found.cost == min(orders.values()) == 90
    assert found.proven


@settings(max_examples=examples(5, of=12))
@given(seed=st.integers(0, 10**6))
def test_with_a_ferry_the_bound_holds_and_the_order_catches_its_boats(seed):
    """The search expects half a headway; what counts is the boat that is really caught, in every order there is."""
    rng = random.Random(seed)
    headway = 600
    seconds, crossing, landing = np.zeros((6, 6), int), np.full((6, 6), -1), np.zeros((6, 6), int)
    for a, b in itertools.permutations(range(6), 2):
        seconds[a, b] = rng.randrange(100, 500)
        if (a < 3) != (b < 3):
            landing[a, b], crossing[a, b] = seconds[a, b] // 2, 0
            seconds[a, b] += 200 + headway // 2
    ferry = Crossing(opens=0, closes=rng.choice([4000, 20_000]), headway=headway, ride=200)
    table = Matrix(seconds=seconds, crossings=Crossings(ferries=(ferry,), crossing=crossing, to_landing=landing))
    jobs = tuple(
        Job(
            id=n,
            location_index=n,
            service=60,
            time_windows=((0, rng.randrange(800, 4000)),) if rng.random() < 0.4 else (),
        )
        for n in range(1, 6)
    )
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 7000)),), matrices={"car": table}
    )
    timetable = Timetable(problem)
    costs = {
        order: timetable.cost(0, order)
        for order in itertools.permutations(range(5))
        if timetable.returns(0, order) is not None
    }
    if not costs:
        return
    found = resequence(problem, 0, rng.choice(sorted(costs)), seconds=5)
    assert found.cost == costs[found.visits]
    assert found.lower_bound <= min(costs.values())
    assert not found.proven or found.cost == min(costs.values())


def test_a_pickup_comes_before_its_delivery():
    shipment = Shipment(pickup=ShipmentStop(id=1, location_index=4), delivery=ShipmentStop(id=1, location_index=1))
    problem = Problem(
        jobs=(Job(id=7, location_index=2),),
        shipments=(shipment,),
        vehicles=(Vehicle(id=1, start=0, end=0),),
        matrices={"car": LINE},
    )
    found = resequence(problem, 0, (1, 2, 0))
    assert (found.cost, found.proven) == (800, True)
    assert found.visits.index(1) < found.visits.index(2)


def test_a_way_that_does_not_exist_is_not_taken():
    seconds = LINE.seconds.copy()
    seconds[1, 0] = UNREACHABLE
    problem = Problem(
        jobs=tuple(Job(id=n, location_index=n) for n in range(1, 4)),
        vehicles=(Vehicle(id=1, start=0, end=0),),
        matrices={"car": Matrix(seconds=seconds)},
    )
    found = resequence(problem, 0, (2, 0, 1))
    assert (found.cost, found.proven) == (600, True)
    assert found.visits[-1] != 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_forty_stops_without_windows_are_proven_within_a_second(seed):
    problem = a_route(seed, 40, windows=0)
    order = nearest_first(problem)
    resequence(problem, 0, order[:5], seconds=1)  # the libraries are loaded once
    began = time.process_time()
    found = resequence(problem, 0, order, seconds=10)
    assert found.proven
    assert time.process_time() - began < 2.5
    plan = assemble(problem, Timetable(problem), (found.visits,))
    assert check(problem, plan) == []
    assert plan.cost == found.cost == found.lower_bound


def test_the_time_is_kept_and_the_bound_is_honest_where_no_proof_is_found():
    problem = a_route(5, 60, windows=0.5, width=5000)
    began = time.monotonic()
    found = resequence(problem, 0, tuple(range(60)), seconds=1)
    assert time.monotonic() - began < 4
    assert 0 < found.lower_bound <= found.cost
    assert found.proven == (found.open_question == "")
