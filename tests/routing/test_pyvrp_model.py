"""What is said to PyVRP means the same there: two implementations of one model judge the same routes alike."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import UNREACHABLE, Break, Costs, Job, Lock, Matrix, Problem, Vehicle
from routing.engines.pyvrp_model import translate
from routing.engines.pyvrp_search import BRISK, INFEASIBLE, Searcher
from routing.insertion import Insertion
from routing.problem import Reload, Shipment, ShipmentStop
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_problem

LINE = [[0, 10, 20, 30], [10, 0, 10, 20], [20, 10, 0, 10], [30, 20, 10, 0]]


def a_line(*jobs: Job, shipments=(), reloads=(), matrix=None, **vehicle) -> Problem:
    """Four places, ten seconds apart on a road; the vehicle is at place 0 unless it says otherwise."""
    fleet = (Vehicle(**({"id": 1, "start": 0, "end": 0} | vehicle)),)
    matrices = {"car": Matrix(seconds=LINE, metres=LINE) if matrix is None else matrix}
    return Problem(jobs=jobs, shipments=shipments, vehicles=fleet, matrices=matrices, reloads=reloads)


def searched(translation, iterations=60, seed=1):
    searcher = Searcher(translation.data, seed=seed)
    left = iter(range(iterations))
    searcher.run(lambda: next(left, None) is None)
    return searcher


def planned(problem, **how):
    """PyVRP's best visits, None when it found none that keep its rules."""
    translation = translate(problem, **how)
    searcher = searched(translation)
    return translation.to_visits(searcher.routes) if searcher.best.is_feasible() else None


def cost_of(problem, visits) -> int:
    timetable = Timetable(problem)
    routes = zip(problem.vehicles, visits, strict=True)
    return sum(timetable.cost_lines(v, [problem.tasks[n] for n in route]).total for v, route in routes)


@settings(max_examples=examples(15, of=40))
@given(
    seed=st.integers(0, 10**6), jobs=st.integers(1, 12), shipments=st.integers(0, 2), rich=st.booleans(),
    compulsory=st.booleans(),
)  # fmt: skip
def test_what_pyvrp_finds_possible_is_possible_and_costs_the_same(seed, jobs, shipments, rich, compulsory):
    problem = a_problem(seed, jobs=jobs, vehicles=3, shipments=shipments, rich=rich)
    translation = translate(problem, compulsory=compulsory)
    searcher = searched(translation, seed=seed)
    visits = translation.to_visits(searcher.routes)
    assert translation.to_visits(translation.from_visits(visits)) == visits
    if not searcher.best.is_feasible() or translation.inexact:
        return
    insertion = Insertion(problem, Timetable(problem))
    for index, route in enumerate(visits):
        assert not route or insertion.fits(index, route)
        assert all(problem.may_serve(problem.vehicles[index], problem.tasks[number]) for number in route)
    found = searcher.best
    said = (found.distance_cost() + found.duration_cost() + found.fixed_vehicle_cost()) / translation.scale
    served_alike = {v.costs.per_task_hour for v in problem.vehicles} == {0} and not any(
        task.preferred_vehicles for task in problem.tasks
    )
    if served_alike:  # what serving costs on every vehicle alike is no business of PyVRP's
        legs = sum(len(route) + 1 for route in visits)
        assert cost_of(problem, visits) == pytest.approx(said, abs=1 + legs / translation.scale)


def test_the_first_at_a_door_pays_its_set_up_and_no_other():
    problem = a_line(*(Job(id=n, location_index=2, setup=100, service=5) for n in range(3)), time_window=(0, 155))
    assert sorted(planned(problem)[0]) == [0, 1, 2]
    assert planned(problem.replace(vehicles=(dataclasses.replace(problem.vehicles[0], time_window=(0, 154)),))) is None


def test_several_windows_are_alternatives():
    problem = a_line(
        Job(id=1, location_index=3, time_windows=((0, 5), (100, 110))), Job(id=2, location_index=1, service=30)
    )
    assert planned(problem)[0] in ((0, 1), (1, 0))
    assert planned(a_line(Job(id=1, location_index=3, time_windows=((0, 5), (12, 29))))) is None


def test_what_is_left_out_is_left_out_by_price_and_priority():
    low, high = Job(id=1, location_index=3, delivery=(1,)), Job(id=2, location_index=3, delivery=(1,), priority=9)
    assert planned(a_line(low, high, capacity=(1,)), compulsory=False) == ((1,),)
    assert planned(a_line(low, high, capacity=(1,))) is None
    assert planned(a_line(dataclasses.replace(low, prize=59), capacity=(1,))) == ((),)
    assert planned(a_line(dataclasses.replace(low, prize=61), capacity=(1,))) == ((0,),)


def test_a_vehicle_reloads_where_it_may():
    jobs = [Job(id=n, location_index=3, delivery=(1,)) for n in (1, 2)]
    problem = a_line(*jobs, capacity=(1,), reloads=(Reload(id=7, location_index=1, service=4),), start=1, end=1)
    assert planned(problem) is None
    problem = problem.replace(vehicles=(dataclasses.replace(problem.vehicles[0], reloads=(7,), time_window=(0, 84)),))
    (route,) = planned(problem)
    assert sorted((route[0], route[2])) == [0, 1]
    assert route[1] == problem.stops
    late = problem.replace(vehicles=(dataclasses.replace(problem.vehicles[0], time_window=(0, 83)),))
    assert planned(late) is None


def test_a_deposit_point_takes_the_cash():
    jobs = [Job(id=n, location_index=3, pickup=(10,)) for n in (1, 2)]
    deposit = Reload(id=7, location_index=2, empties=frozenset({"cash"}))
    problem = Problem(
        jobs=tuple(jobs), vehicles=(Vehicle(id=1, start=0, end=0, capacity=(10,), reloads=(7,)),),
        matrices={"car": Matrix(seconds=LINE)}, reloads=(deposit,), dimension_names=("cash",),
    )  # fmt: skip
    assert translate(problem).inexact == ()
    assert problem.stops in planned(problem)[0]
    both = problem.replace(jobs=(dataclasses.replace(jobs[0], delivery=(1,)), jobs[1]))
    assert translate(both).inexact == ("deposits where only a part of the load comes off",)


def test_a_trip_waits_for_what_comes_late_to_the_office():
    problem = a_line(Job(id=1, location_index=1, release=50), time_window=(0, 70))
    assert planned(problem) == ((0,),)
    assert planned(problem.replace(vehicles=(dataclasses.replace(problem.vehicles[0], time_window=(0, 69)),))) is None


def test_overtime_costs_what_it_costs():
    far, near = Job(id=1, location_index=3, prize=70), Job(id=2, location_index=1)
    costs = Costs(per_overtime_hour=3600)
    problem = a_line(far, near, overtime_after=50, max_overtime=30, costs=costs)
    assert 0 not in planned(problem.replace(jobs=(dataclasses.replace(far, prize=49), near)))[0]
    assert 0 in planned(problem.replace(jobs=(dataclasses.replace(far, prize=51), near)))[0]
    assert planned(problem.replace(jobs=(dataclasses.replace(far, service=21, prize=None), near))) is None


@pytest.mark.parametrize(("start", "end", "cost"), [(None, 0, 30), (0, None, 30), (0, 0, 60)])
def test_an_open_end_costs_nothing(start, end, cost):
    problem = a_line(*(Job(id=n, location_index=n) for n in (1, 2, 3)), start=start, end=end)
    assert cost_of(problem, planned(problem)) == cost


def test_there_is_no_way_where_there_is_none():
    seconds = np.array(LINE)
    seconds[:, 3] = UNREACHABLE
    problem = a_line(Job(id=1, location_index=3), Job(id=2, location_index=1), matrix=Matrix(seconds=seconds))
    assert planned(problem) is None
    assert planned(problem, compulsory=False) == ((1,),)


def test_a_shipment_is_fetched_before_it_is_brought():
    move = Shipment(
        pickup=ShipmentStop(id=1, location_index=3), delivery=ShipmentStop(id=1, location_index=1), amount=(1,)
    )
    problem = a_line(Job(id=1, location_index=2), shipments=(move,), capacity=(1,))
    (route,) = planned(problem)
    assert route.index(1) < route.index(2)


def test_what_is_frozen_is_behind_the_vehicle():
    jobs = [
        Job(id=1, location_index=3, lock=Lock.FROZEN, locked_vehicle=1, locked_rank=0, locked_time=500, pickup=(1,)),
        Job(id=2, location_index=1, pickup=(1,)),
        Job(id=3, location_index=2, time_windows=((0, 100),)),
    ]
    problem = a_line(*jobs, capacity=(2,), time_window=(0, 530))
    assert planned(problem, compulsory=False) == ((0, 1),)  # job 3's window is over, and there are 30 s of way home
    assert planned(
        problem.replace(vehicles=(dataclasses.replace(problem.vehicles[0], capacity=(1,)),)), compulsory=False
    ) == ((0,),)


def test_what_was_loaded_for_what_is_behind_took_room_too():
    jobs = [
        Job(id=1, location_index=3, lock=Lock.FROZEN, locked_vehicle=1, locked_rank=0, delivery=(2,)),
        *(Job(id=n, location_index=2, delivery=(1,)) for n in (2, 3)),
    ]
    assert len(planned(a_line(*jobs, capacity=(3,)), compulsory=False)[0]) == 2
    assert len(planned(a_line(*jobs, capacity=(4,)), compulsory=False)[0]) == 3


def test_a_part_is_told_for_its_own_vehicles_and_said_back_for_all():
    rng = random.Random(1)
    problem = a_problem(rng.randrange(99), jobs=8, vehicles=3, rich=False)
    translation = translate(problem, tasks=(1, 4, 6), vehicles=(2,), compulsory=False)
    visits = translation.to_visits(searched(translation).routes)
    assert visits[:2] == ((), ())
    assert set(visits[2]) <= {1, 4, 6}


def test_identical_vehicles_are_one_kind_and_keep_their_postman():
    fleet = tuple(Vehicle(id=n, start=0, end=0, capacity=(1,)) for n in range(500))
    jobs = tuple(Job(id=n, location_index=n, delivery=(1,)) for n in (1, 2, 3))
    problem = Problem(jobs=jobs, vehicles=fleet, matrices={"car": Matrix(seconds=LINE)})
    translation = translate(problem)
    assert [kind.num_available for kind in translation.data.vehicle_types()] == [500]
    before = tuple({7: (2,), 300: (0,), 12: (1,)}.get(index, ()) for index in range(500))
    assert translation.to_visits(translation.from_visits(before)[::-1], like=before) == before


def test_what_pyvrp_has_no_words_for_is_named():
    jobs = [Job(id=n, location_index=1, lock=Lock.KEEP_ORDER, locked_vehicle=1, locked_rank=n) for n in (1, 2)]
    assert translate(a_line(*jobs)).inexact == ("a kept order",)
    assert translate(a_line(jobs[0], breaks=(Break(id=1, service=5),))).inexact == ("breaks",)
    soft = Job(id=1, location_index=1, soft_window=(0, 5), late_cost_per_hour=3600)
    assert translate(a_line(soft)).inexact == ("costs that depend on when a visit begins",)
    far = translate(a_line(Job(id=1, location_index=1), max_distance=5, costs=Costs(per_km=1)))
    assert far.inexact == ("a limit of travel that costs do not measure",)
    assert translate(a_line(Job(id=1, location_index=1), max_travel_time=19)).inexact == ()
    assert planned(a_line(Job(id=1, location_index=1), max_travel_time=19)) is None
    assert planned(a_line(Job(id=1, location_index=1), max_travel_time=20)) == ((0,),)


def test_a_wish_counts_as_a_rule_where_it_can():
    wish = Job(id=1, location_index=1, soft_window=(2, 5), late_cost_per_hour=3600)
    rule = Job(id=2, location_index=3, time_windows=((30, 30),))
    assert planned(a_line(wish, rule)) is None  # he cannot be there before 10
    assert planned(a_line(dataclasses.replace(wish, late_cost_per_hour=0), rule)) is not None
    early = dataclasses.replace(wish, soft_window=(40, 45), early_cost_per_hour=3600, late_cost_per_hour=0)
    assert planned(a_line(early, rule)) == ((1, 0),)
    never = dataclasses.replace(wish, soft_window=(0, 5), time_windows=((8, 20),))
    assert planned(a_line(never, rule)) == ((0, 1),)


def test_amounts_near_the_end_of_the_numbers_are_still_amounts():
    most = 2**47
    jobs = tuple(Job(id=n, location_index=1, delivery=(most,)) for n in range(3))
    assert len(planned(a_line(*jobs, capacity=(2 * 2**46,)), compulsory=False)[0]) == 1


@pytest.mark.parametrize("unit", [1, 1000])
def test_nobody_overloads_a_vehicle_to_save_another_however_dear_it_is(unit):
    rng = random.Random(5)
    size = 41
    table = [[0 if a == b else rng.randint(200_000, 1_500_000) for b in range(size)] for a in range(size)]
    jobs = tuple(Job(id=n, location_index=n, delivery=(unit * rng.randint(60, 100),)) for n in range(1, size))
    vehicles = tuple(
        Vehicle(id=n, start=0, end=0, capacity=(unit * (130, 185, 261)[n % 3],),
                costs=Costs(fixed=(132, 202, 308)[n % 3] * 10**6, per_hour=360_000))
        for n in range(90)
    )  # fmt: skip
    problem = Problem(jobs=jobs, vehicles=vehicles, matrices={"car": Matrix(seconds=table)})
    searcher = Searcher(translate(problem).data, seed=1, settings=BRISK)
    searcher.run(lambda: searcher.iterations >= 300)
    assert searcher.cost < INFEASIBLE
