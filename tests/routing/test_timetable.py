"""Exact times: hand-worked days, and a second-by-second player as the judge of random ones."""

import random

import pytest

from routing import Break, Costs, Job, Lock, Matrix, Problem, Shipment, ShipmentStop, StepKind, Vehicle
from routing.timetable import Timetable
from tests.routing.inventing import a_tiny_problem
from tests.routing.ticking import earliest_end, naive_cost

LINE = Matrix(
    seconds=[[0, 100, 200], [100, 0, 100], [200, 100, 0]], metres=[[0, 900, 1800], [900, 0, 900], [1800, 900, 0]]
)


def a_day(*jobs: Job, **vehicle) -> Timetable:
    members = {"id": 1, "start": 0, "end": 0, "time_window": (0, 10_000)} | vehicle
    return Timetable(Problem(jobs=jobs, vehicles=(Vehicle(**members),), matrices={"car": LINE}))


def begins(route) -> list[int]:
    return [step.begins for step in route.steps]


def test_a_stop_begins_when_its_window_opens_and_the_vehicle_leaves_late_enough_to_wait_nowhere():
    route = a_day(Job(id=1, location_index=1, service=60, time_windows=((1000, 1060),))).route(0, (0,))
    assert begins(route) == [900, 1000, 1160]
    assert sum(step.waiting for step in route.steps) == 0


def test_a_stop_missed_in_its_first_window_is_made_in_its_second():
    day = a_day(
        Job(id=1, location_index=1, service=500), Job(id=2, location_index=2, time_windows=((0, 300), (900, 950)))
    )
    route = day.route(0, (0, 1))
    assert begins(route) == [200, 300, 900, 1100]


def test_set_up_is_paid_once_at_a_door_and_begins_inside_the_window():
    """VROOM 1.15 gives the same times for this day: arrivals 900, 1000, 1180, 1340."""
    day = a_day(
        Job(id=1, location_index=1, setup=120, service=60, time_windows=((1000, 1060),)),
        Job(id=2, location_index=1, setup=120, service=60, time_windows=((1000, 2000),)),
    )
    route = day.route(0, (0, 1))
    assert [(s.arrival, s.setup, s.service) for s in route.steps] == [
        (900, 0, 0),
        (1000, 120, 60),
        (1180, 0, 60),
        (1340, 0, 0),
    ]


def test_a_break_interrupts_travel_but_no_visit():
    day = a_day(
        Job(id=1, location_index=1, service=50), Job(id=2, location_index=2, service=50),
        breaks=(Break(id=9, time_windows=((160, 180),), service=600),),
    )  # fmt: skip
    route = day.route(0, (0, 1))
    # leaves 0, at 100 for 50, ten of the hundred seconds of travel, the break from 160 to 760, the other ninety
    assert [(s.kind.value, s.begins, s.duration) for s in route.steps] == [
        ("start", 0, 0), ("job", 100, 100), ("break", 160, 110), ("job", 850, 200), ("end", 1100, 400),
    ]  # fmt: skip


def test_a_break_that_depends_on_the_load_waits_until_the_bag_is_light():
    day = a_day(
        Job(id=1, location_index=1, delivery=(5,)), Job(id=2, location_index=2, delivery=(1,)), capacity=(6,),
        breaks=(Break(id=9, time_windows=((0, 5000),), service=10, max_load=(1,)),),
    )  # fmt: skip
    kinds = [(s.kind.value, s.load) for s in day.route(0, (0, 1)).steps]
    assert kinds.index(("job", (1,))) < next(i for i, (kind, _) in enumerate(kinds) if kind == "break")


def test_a_route_without_start_begins_at_its_first_stop_and_pays_set_up_there():
    route = a_day(Job(id=1, location_index=2, setup=30), start=None).route(0, (0,))
    assert [(s.location_index, s.arrival, s.setup) for s in route.steps] == [(None, 0, 0), (2, 0, 30), (0, 230, 0)]


def test_a_day_that_ends_after_the_shift_has_no_schedule():
    assert a_day(Job(id=1, location_index=2, service=9601)).route(0, (0,)) is None
    assert a_day(Job(id=1, location_index=2, service=9600)).route(0, (0,)) is not None


def test_what_has_happened_stands_whatever_the_estimate_says():
    job = Job(
        id=1, location_index=2, setup=10, service=60, time_windows=((0, 10),), lock=Lock.FROZEN, locked_vehicle=1,
        locked_rank=0, locked_time=150,
    )  # fmt: skip
    route = a_day(job, Job(id=2, location_index=1)).route(0, (0, 1))
    assert [(s.arrival, s.leaves) for s in route.steps] == [(0, 0), (150, 220), (320, 320), (420, 420)]


def test_the_cost_lines_of_a_route_add_up_by_hand():
    problem = Problem(
        jobs=(
            Job(id=1, location_index=1, setup=30, service=60, preferred_vehicles=frozenset({2}), preference_cost=11),
            Job(id=2, location_index=2, service=90),
        ),
        vehicles=(
            Vehicle(id=1, start=0, end=0, costs=Costs(fixed=1000, per_hour=7200, per_km=50, per_task_hour=40)),
            Vehicle(id=2, start=0),
        ),
        matrices={"car": LINE},
    )
    lines = Timetable(problem).route(0, (0, 1)).cost_lines
    # 400 s at 2 a second; 3,600 m at 50 a kilometre; 180 s at 40 an hour; one stop with a postman not its own
    assert (lines.fixed, lines.travel_time, lines.distance, lines.tasks, lines.preference) == (1000, 800, 180, 2, 11)
    assert lines.total == 1993


def test_shipments_ride_between_their_two_doors():
    problem = Problem(
        shipments=(
            Shipment(
                pickup=ShipmentStop(id=1, location_index=1), delivery=ShipmentStop(id=1, location_index=2), amount=(3,)
            ),
        ),
        vehicles=(Vehicle(id=1, start=0, capacity=(3,)),),
        matrices={"car": LINE},
    )
    route = Timetable(problem).route(0, (0, 1))
    assert [(s.kind, s.load) for s in route.visits] == [(StepKind.PICKUP, (3,)), (StepKind.DELIVERY, (0,))]


@pytest.mark.parametrize("seed", range(60))
def test_times_and_costs_agree_with_a_day_played_second_by_second(seed):
    rng = random.Random(seed)
    problem = a_tiny_problem(seed, jobs=rng.randint(2, 5), shipments=rng.choice([0, 0, 1]))
    timetable = Timetable(problem)
    for _ in range(6):
        order = tuple(rng.sample(range(len(problem.tasks)), rng.randint(1, min(4, len(problem.tasks)))))
        for vehicle in range(2):
            end = earliest_end(problem, vehicle, order)
            assert timetable.returns(vehicle, order) == end
            route = timetable.route(vehicle, order)
            if end is None:
                assert route is None
            else:
                assert route.steps[-1].leaves == end
                assert route.cost == naive_cost(problem, vehicle, order)
