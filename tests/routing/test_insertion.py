"""Places for tasks: the cheapest one really is, by trying every place and playing every day second by second."""

import random

import pytest

from routing import (
    Break,
    Costs,
    Crossing,
    Crossings,
    Job,
    Lock,
    Matrix,
    Problem,
    Reload,
    Shipment,
    ShipmentStop,
    Vehicle,
)
from routing.insertion import Insertion, Leniency
from routing.problem import TaskKind
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_problem, a_tiny_problem, with_everything
from tests.routing.ticking import naive_cost, naive_cost_or_none, possible

LINE = Matrix(seconds=[[0, 100, 200], [100, 0, 100], [200, 100, 0]])


def a_day(*jobs: Job, reloads: tuple[Reload, ...] = (), **vehicle) -> Insertion:
    members = {"id": 1, "start": 0, "end": 0, "time_window": (0, 5000), "reloads": tuple(r.id for r in reloads)}
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(**(members | vehicle)),), matrices={"car": LINE}, reloads=reloads,
        dimension_names=("items", "cash_dong")[: len(vehicle.get("capacity", ()))],
    )  # fmt: skip
    return Insertion(problem, Timetable(problem))


def test_a_job_that_does_not_fit_on_the_trip_brings_a_visit_to_the_office_with_it():
    jobs = (Job(id=1, location_index=1, delivery=(2,)), Job(id=2, location_index=2, delivery=(2,)))
    office = Reload(id=7, location_index=0)
    assert a_day(*jobs, capacity=(3,)).cheapest(0, (0,), 1) is None
    # alone 200 s; then 0 -> 1 -> 0 -> 2 -> 0 in either order
    extra, visits = a_day(*jobs, reloads=(office,), capacity=(3,)).cheapest(0, (0,), 1)
    assert (extra, visits in ((0, 2, 1), (1, 2, 0))) == (400, True)
    assert a_day(*jobs, reloads=(office,), capacity=(3,), max_reloads=0).cheapest(0, (0,), 1) is None
    assert a_day(*jobs, capacity=(3,)).cheapest(0, (0,), 1, Leniency(load=frozenset({0})))[0] == 200


def test_a_job_beyond_the_cash_limit_brings_a_deposit_with_it():
    jobs = (Job(id=1, location_index=2, pickup=(60,)), Job(id=2, location_index=2, pickup=(60,)))
    bank = Reload(id=7, location_index=1, empties=frozenset({"items"}))
    extra, visits = a_day(*jobs, reloads=(bank,), capacity=(100,)).cheapest(0, (0,), 1)
    assert (extra, visits in ((0, 2, 1), (1, 2, 0))) == (200, True)


def test_a_job_that_is_not_there_yet_gets_a_trip_of_its_own_when_the_first_cannot_wait():
    jobs = (Job(id=1, location_index=1, time_windows=((0, 150),)), Job(id=2, location_index=1, release=1000))
    assert a_day(*jobs).cheapest(0, (0,), 1) is None
    assert a_day(*jobs, reloads=(Reload(id=7, location_index=0),)).cheapest(0, (0,), 1) == (200, (0, 2, 1))


def test_prices_of_time_decide_between_places_that_cost_the_same_way():
    urgent = Job(id=1, location_index=1, soft_window=(0, 100), late_cost_per_hour=3600)
    calm = Job(id=2, location_index=1, service=500)
    day = a_day(urgent, calm)
    assert day.cheapest(0, (0,), 1) == (0, (0, 1))
    assert day.cheapest(0, (1,), 0) == (0, (0, 1))
    # the other way round everything is 500 s late
    assert day.timetable.cost(0, (1, 0)) - day.timetable.cost(0, (0, 1)) == 500


def test_a_longer_day_is_paid_for_and_has_an_end():
    jobs = (Job(id=1, location_index=1), Job(id=2, location_index=2, service=30))
    costs = Costs(per_overtime_hour=7200)
    assert a_day(*jobs, overtime_after=300, costs=costs).cheapest(0, (0,), 1)[0] == 200 + 2 * 130
    assert a_day(*jobs, max_duration=430).cheapest(0, (0,), 1)[0] == 200
    assert a_day(*jobs, max_duration=429).cheapest(0, (0,), 1) is None
    assert a_day(*jobs, max_duration=429).cheapest(0, (0,), 1, Leniency(shift=True))[0] == 200


def test_a_break_for_a_light_bag_comes_after_the_heavy_job_or_the_job_does_not_come():
    heavy, light = Job(id=1, location_index=1, delivery=(5,)), Job(id=2, location_index=2)
    early = Break(id=1, time_windows=((0, 150),), service=10, max_load=(1,))
    assert a_day(heavy, light, capacity=(9,), breaks=(early,)).cheapest(0, (1,), 0) == (0, (0, 1))
    first = Break(id=1, time_windows=((0, 99),), service=10, max_load=(1,))
    assert a_day(heavy, light, capacity=(9,), breaks=(first,)).cheapest(0, (1,), 0) is None


def test_the_set_up_that_a_place_saves_or_adds_at_the_next_door_is_priced():
    costs = Costs(per_task_hour=3600)
    jobs = (Job(id=1, location_index=1), Job(id=2, location_index=1, setup=120), Job(id=3, location_index=2))
    assert a_day(*jobs, costs=costs).cheapest(0, (1,), 0) == (-120, (0, 1))
    assert a_day(*jobs, costs=costs).cheapest(0, (0, 1), 2)[0] == 200
    kept = {"lock": Lock.KEEP_ORDER, "locked_vehicle": 1}
    ranked = (
        Job(id=1, location_index=1, **kept, locked_rank=0), Job(id=2, location_index=1, setup=120, **kept, locked_rank=2),
        Job(id=3, location_index=2, **kept, locked_rank=1),
    )  # fmt: skip
    assert a_day(*ranked, costs=costs).cheapest(0, (0, 1), 2) == (200 + 120, (0, 2, 1))


def test_a_ferry_that_leaves_at_once_is_not_ruled_out_by_the_wait_to_be_expected():
    ferry = Crossing(opens=0, closes=5000, headway=600, first=30, ride=60)
    water = Crossings(ferries=(ferry,), crossing=[[-1, 0], [-1, -1]], to_landing=[[0, 30], [0, 0]])
    jobs = tuple(Job(id=n, location_index=1, time_windows=((0, 150),)) for n in (1, 2))
    problem = Problem(
        jobs=jobs, vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 600)),),
        matrices={"car": Matrix(seconds=[[0, 400], [500, 0]], crossings=water)},
    )  # fmt: skip
    insertion = Insertion(problem, Timetable(problem))
    assert insertion.cheapest(0, (), 0) == (900, (0,))
    assert insertion.cheapest(0, (0,), 1)[0] == 0


def test_reloads_do_not_count_as_tasks():
    jobs = (Job(id=1, location_index=1, delivery=(2,)), Job(id=2, location_index=1, delivery=(2,)))
    day = a_day(*jobs, reloads=(Reload(id=7, location_index=0),), capacity=(2,), max_tasks=2)
    assert day.cheapest(0, (0,), 1) is not None


def every_place(problem: Problem, route: tuple[int, ...], number: int) -> set[tuple[int, ...]]:
    task = problem.tasks[number]
    if task.partner is not None:
        fetched = [(*route[:g], number, *route[g:]) for g in range(len(route) + 1)]
        return {
            (*visits[:h], task.partner, *visits[h:])
            for visits in fetched
            for h in range(visits.index(number) + 1, len(visits) + 1)
        }
    plain = {(*route[:g], number, *route[g:]) for g in range(len(route) + 1)}
    reloads = range(problem.stops, len(problem.tasks))
    return plain | {(*v[:g], r, *v[g:]) for v in plain for r in reloads for g in range(len(v) + 1)}


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6, 7][: examples(4, of=7)])
def test_the_cheapest_place_is_the_cheapest_of_all_that_are_possible(seed):
    rng = random.Random(seed)
    tiny = a_tiny_problem(seed, jobs=3, vehicles=2, shipments=rng.choice([0, 0, 1]))
    problem = with_everything(tiny, seed, breaks=False)
    insertion = Insertion(problem, Timetable(problem))
    for vehicle in range(2):
        route: tuple[int, ...] = ()
        for number in range(problem.stops):
            if problem.tasks[number].kind is TaskKind.DELIVERY or len(route) > 2:
                continue
            costs = [
                naive_cost(problem, vehicle, visits)
                for visits in every_place(problem, route, number)
                if naive_cost_or_none(problem, vehicle, visits) is not None and possible(problem, vehicle, visits)
            ]
            found = insertion.cheapest(vehicle, route, number)
            assert (None if found is None else found[0]) == (
                min(costs) - naive_cost(problem, vehicle, route) if costs else None
            )
            route = route if found is None else found[1]


@pytest.mark.parametrize("seed", range(12))
def test_the_price_of_a_place_is_what_the_route_costs_more_and_the_first_that_fits_is_the_cheapest(seed):
    rng = random.Random(seed)
    problem = a_problem(seed, jobs=9, vehicles=2, shipments=rng.choice([0, 2]))
    timetable = Timetable(problem)
    insertion = Insertion(problem, timetable)
    routes = [()] * 2
    for number, task in enumerate(problem.tasks[: problem.stops]):
        if task.kind is TaskKind.DELIVERY:
            continue
        vehicle = rng.randrange(2)
        found = insertion.cheapest(vehicle, routes[vehicle], number)
        fitting = [
            timetable.cost(vehicle, visits) - timetable.cost(vehicle, routes[vehicle])
            for visits in every_place(problem, routes[vehicle], number)
            if in_order(problem, visits)
            and problem.may_serve(problem.vehicles[vehicle], task)
            and timetable.returns(vehicle, visits) is not None
            and insertion.fits(vehicle, visits)
        ]
        assert (None if found is None else found[0]) == min(fitting, default=None)
        if found is not None:
            assert timetable.cost(vehicle, found[1]) - timetable.cost(vehicle, routes[vehicle]) == found[0]
            routes[vehicle] = found[1]


def in_order(problem: Problem, visits: tuple[int, ...]) -> bool:
    ranks = [problem.tasks[n].rank for n in visits if problem.tasks[n].rank is not None]
    return ranks == sorted(ranks)


def test_a_shipment_enters_with_both_ends():
    ends = {"pickup": ShipmentStop(id=1, location_index=2), "delivery": ShipmentStop(id=1, location_index=1)}
    problem = Problem(
        jobs=(Job(id=1, location_index=1),), shipments=(Shipment(**ends, amount=(1,)),),
        vehicles=(Vehicle(id=1, start=0, end=0, capacity=(1,)),), matrices={"car": LINE},
    )  # fmt: skip
    extra, visits = Insertion(problem, Timetable(problem)).cheapest(0, (0,), 1)
    assert (extra, visits in ((0, 1, 2), (1, 0, 2), (1, 2, 0))) == (200, True)
