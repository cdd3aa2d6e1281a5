"""Exact times: hand-worked days, and a second-by-second player as the judge of random ones."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import (
    UNREACHABLE,
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
    StepKind,
    Vehicle,
)
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_tiny_problem, with_everything
from tests.routing.ticking import best_departure, earliest_end, naive_cost

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


@pytest.mark.parametrize("seed", range(examples(24, of=60)))
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


# -- trips


def with_reloads(*jobs: Job, reloads: tuple[Reload, ...], **vehicle) -> Timetable:
    members = {"id": 1, "start": 0, "end": 0, "time_window": (0, 10_000), "reloads": tuple(r.id for r in reloads)}
    fleet = (Vehicle(**(members | vehicle)),)
    names = ("items", "cash_dong")[: len(fleet[0].capacity)]
    return Timetable(Problem(jobs=jobs, vehicles=fleet, matrices={"car": LINE}, reloads=reloads, dimension_names=names))


def test_a_vehicle_comes_back_for_the_next_trip_and_takes_each_trip_on_board_at_its_start():
    day = with_reloads(
        Job(id=1, location_index=1, delivery=(3,), pickup=(1,)), Job(id=2, location_index=2, delivery=(2,)),
        reloads=(Reload(id=7, location_index=0, service=40),), capacity=(3,),
    )  # fmt: skip
    route = day.route(0, (0, 2, 1))
    assert [(s.kind.value, s.begins, s.load) for s in route.steps] == [
        ("start", 0, (3,)), ("job", 100, (1,)), ("reload", 200, (2,)), ("job", 440, (0,)), ("end", 640, (0,)),
    ]  # fmt: skip
    assert (route.cost_lines.travel_time, [s.id for s in route.visits]) == (600, [1, 2])


def test_a_deposit_point_takes_the_cash_only_and_loads_nothing():
    day = with_reloads(
        Job(id=1, location_index=1, delivery=(1, 0), pickup=(1, 50)), Job(id=2, location_index=1, delivery=(1, 0), pickup=(0, 70)),
        reloads=(Reload(id=7, location_index=2, empties=frozenset({"cash_dong"})),), capacity=(9, 99),
    )  # fmt: skip
    assert [s.load for s in day.route(0, (0, 2, 1)).steps] == [(2, 0), (2, 50), (2, 0), (1, 70), (1, 70)]
    # what came off once does not come off again
    assert [s.load for s in day.route(0, (0, 2, 1, 2)).steps][3:] == [(1, 70), (1, 0), (1, 0)]


def test_what_rides_between_two_doors_stays_on_board_at_a_reload():
    problem = Problem(
        jobs=(Job(id=1, location_index=1, pickup=(5,)),),
        shipments=(Shipment(pickup=ShipmentStop(id=1, location_index=1), delivery=ShipmentStop(id=1, location_index=2), amount=(2,)),),
        vehicles=(Vehicle(id=1, start=0, capacity=(9,), reloads=(7,)),), reloads=(Reload(id=7, location_index=0),),
        matrices={"car": LINE},
    )  # fmt: skip
    assert [s.load for s in Timetable(problem).route(0, (0, 1, 3, 2)).steps] == [(0,), (5,), (7,), (2,), (0,), (0,)]


def test_a_trip_leaves_when_all_that_it_carries_is_there():
    jobs = (Job(id=1, location_index=1, release=500), Job(id=2, location_index=1, release=1000))
    reload = Reload(id=7, location_index=0, service=50)
    assert begins(with_reloads(*jobs, reloads=(reload,)).route(0, (0, 1))) == [1000, 1100, 1100, 1200]
    # two trips: the second is loaded from 950 to 1000, and the first is in no hurry
    assert begins(with_reloads(*jobs, reloads=(reload,)).route(0, (0, 2, 1))) == [750, 850, 950, 1100, 1200]
    assert with_reloads(*jobs, reloads=(reload,)).returns(0, (0, 2, 1)) == 1200
    # a place that closes before it could send the trip off in time is no use
    early = Reload(id=7, location_index=0, service=50, time_windows=((0, 900),))
    assert with_reloads(*jobs, reloads=(early,)).route(0, (0, 2, 1)) is None


def test_a_vehicle_that_has_left_carries_only_what_was_there_when_it_left():
    past = Job(id=1, location_index=1, lock=Lock.FROZEN, locked_vehicle=1, locked_rank=0, locked_time=150)
    assert a_day(past, Job(id=2, location_index=1, release=120)).route(0, (0, 1)).steps[0].arrival == 120
    assert a_day(past, Job(id=2, location_index=1, release=151)).route(0, (0, 1)) is None


# -- limits and prices of time


def test_a_longest_duration_makes_the_vehicle_leave_later_and_return_later():
    jobs = (Job(id=1, location_index=1, time_windows=((0, 300), (2000, 2400))), Job(id=2, location_index=2, time_windows=((2000, 3000),)))  # fmt: skip
    # door 1 in the morning and a long wait; or both in one go: leave at 1900
    assert begins(a_day(*jobs).route(0, (0, 1))) == [200, 300, 2000, 2200]
    day = a_day(*jobs, max_duration=1000)
    assert begins(day.route(0, (0, 1))) == [1900, 2000, 2100, 2300]
    assert day.returns(0, (0, 1)) == 2300
    assert day.returns(0, (0, 1), endless=True) == 2200
    assert a_day(*jobs, max_duration=399).route(0, (0, 1)) is None
    assert a_day(*jobs, overtime_after=300, max_overtime=99).route(0, (0, 1)) is None
    assert begins(a_day(*jobs, overtime_after=300, max_overtime=100).route(0, (0, 1))) == [1900, 2000, 2100, 2300]


def test_overtime_and_an_unbalanced_day_cost_by_the_hour_and_may_be_worth_a_later_return():
    jobs = (Job(id=1, location_index=1, time_windows=((0, 300), (2000, 2400))), Job(id=2, location_index=2, time_windows=((2000, 3000),)))  # fmt: skip
    day = a_day(
        *jobs, overtime_after=360, target_duration=300,
        costs=Costs(per_hour=0, per_overtime_hour=9000, per_hour_over_target=3600),
    )  # fmt: skip
    lines = day.route(0, (0, 1)).cost_lines
    # 400 s in all: 40 s of overtime at 2.5 a second, 100 s beyond the target at 1
    assert (lines.overtime, lines.balance, lines.total) == (100, 100, 200)
    assert day.cost(0, (0, 1)) == 200


def test_soft_windows_and_the_value_of_a_retry_choose_the_departure():
    def lines_and_start(**job):
        route = a_day(Job(id=1, location_index=1, time_windows=((50, 5000),), **job)).route(0, (0,))
        return route.cost_lines.lateness, route.steps[1].begins

    # nothing speaks against the earliest begin
    assert lines_and_start() == (0, 100)
    # 300 s early at 1 a second, unless the vehicle leaves later
    assert lines_and_start(soft_window=(400, 500), early_cost_per_hour=3600) == (0, 400)
    # early costs 1 a second, but every second after the shift's start costs 2
    assert lines_and_start(soft_window=(400, 500), early_cost_per_hour=3600, retry_value_per_hour=7200) == (500, 100)
    # 40 s late at 1.5 a second
    assert lines_and_start(soft_window=(0, 60), late_cost_per_hour=5400) == (60, 100)


def at_noon(number: int = 2) -> Job:
    return Job(id=number, location_index=2, time_windows=((2000, 3000),))


def test_the_departure_is_the_cheapest_of_all():
    """Door 1 at any time, door 2 from 2000 on: where between 0 and 1800 to leave is a question of prices."""

    def departure(job: dict, **vehicle) -> int:
        return a_day(Job(id=1, location_index=1, **job), at_noon(), **vehicle).route(0, (0, 1)).steps[0].arrival

    by_the_second = Costs(per_hour_over_target=3600)
    short_day = {"target_duration": 0, "costs": by_the_second}
    assert departure({}) == 1800
    # every second of the day costs 1, every second after 400 costs 3
    assert departure({"soft_window": (0, 400), "late_cost_per_hour": 10_800}, **short_day) == 300
    # every second after the shift's start costs 3, but the door opens at 500
    assert departure({"time_windows": ((500, 5000),), "retry_value_per_hour": 10_800}, **short_day) == 400
    # late from 100 on, but the day may take no more than 1000 s
    assert departure({"soft_window": (0, 100), "late_cost_per_hour": 3600}, max_duration=1000) == 1200


def test_a_price_that_rises_before_it_falls_is_seen_through():
    """Leaving at 0 costs 400 + 2500, at 300 it is 1600 + 2500, at 800 it is 3600 + 0."""
    first = Job(id=1, location_index=1, retry_value_per_hour=4 * 3600)
    second = Job(
        id=2, location_index=2, time_windows=((500, 5000),), soft_window=(1000, 2000), early_cost_per_hour=5 * 3600
    )
    route = a_day(first, second).route(0, (0, 1))
    assert (route.steps[0].arrival, route.cost_lines.lateness) == (0, 2900)


def test_a_break_before_a_door_makes_the_vehicle_leave_earlier_for_it():
    job = Job(id=1, location_index=1, time_windows=((0, 300),))
    rest = Break(id=9, time_windows=((50, 290),), service=100)
    # the break on the way would mean to leave by 100; after the door it is taken by 290
    assert begins(a_day(job, at_noon(), breaks=(rest,)).route(0, (0, 1))) == [190, 290, 290, 2000, 2200]
    early = Break(id=9, time_windows=((50, 190),), service=100)
    assert begins(a_day(job, at_noon(), breaks=(early,)).route(0, (0, 1))) == [100, 100, 300, 2000, 2200]


def test_nobody_waits_at_a_door_to_lower_a_price():
    first = Job(id=1, location_index=1, time_windows=((0, 100),))
    second = Job(id=2, location_index=2, soft_window=(1000, 2000), early_cost_per_hour=3600)
    route = a_day(first, second).route(0, (0, 1))
    assert (begins(route), route.cost_lines.lateness) == ([0, 100, 200, 400], 800)


def test_the_price_of_a_visit_is_rounded_once():
    job = Job(id=1, location_index=1, soft_window=(0, 99), late_cost_per_hour=1200, retry_value_per_hour=5)
    # 1 s late at 1200 an hour and 100 s after the start at 5: 1/3 + 5/36 = 0.47
    assert a_day(job).route(0, (0,)).cost_lines.lateness == 0
    assert (
        a_day(Job(id=1, location_index=1, soft_window=(0, 98), late_cost_per_hour=1200))
        .route(0, (0,))
        .cost_lines.lateness
        == 1
    )


# -- ferries


def over_the_river(**ferry) -> Matrix:
    """From 0 to 1 thirty seconds to the landing, a ferry, ten seconds beyond; back by a bridge."""
    crossing = Crossing(**({"opens": 0, "closes": 2000, "headway": 600, "ride": 60} | ferry))
    expected = 30 + crossing.headway // 2 + crossing.ride + 10
    return Matrix(
        seconds=[[0, expected], [500, 0]],
        crossings=Crossings(ferries=(crossing,), crossing=[[-1, 0], [-1, -1]], to_landing=[[0, 30], [0, 0]]),
    )


def river_day(job: dict | None = None, *, breaks=(), speed_factor: float = 1.0, **ferry) -> Timetable:
    vehicle = Vehicle(id=1, start=0, end=0, time_window=(0, 10_000), breaks=breaks, speed_factor=speed_factor)
    jobs = (Job(**({"id": 1, "location_index": 1} | (job or {}))),)
    return Timetable(Problem(jobs=jobs, vehicles=(vehicle,), matrices={"car": over_the_river(**ferry)}))


def test_a_ferry_is_waited_for_exactly_and_priced_by_what_was_to_be_expected():
    route = river_day({"time_windows": ((200, 9000),)}).route(0, (0,))
    # the ferry at 600: leave at 570, nobody waits; its expected way is 30 + 300 + 60 + 10 = 400 s
    assert [(s.arrival, s.landing_wait, s.duration) for s in route.steps] == [
        (570, 0, 0),
        (670, 0, 400),
        (1170, 0, 900),
    ]
    assert route.cost == 900
    # held at the office until 0 by another visit, it reaches the landing at 30 and waits there
    held = Job(id=1, location_index=0, time_windows=((0, 0),))
    vehicle = Vehicle(id=1, start=0, end=0, time_window=(0, 10_000))
    problem = Problem(jobs=(held, Job(id=2, location_index=1)), vehicles=(vehicle,), matrices={"car": over_the_river()})
    waits = [(s.arrival, s.landing_wait) for s in Timetable(problem).route(0, (0, 1)).steps]
    assert waits == [(0, 0), (0, 0), (670, 570), (1170, 0)]


def test_the_first_ferry_caught_at_or_after_the_landing_counts_and_the_last_one_is_the_last():
    def arrival(departs: int, **ferry) -> int | None:
        job = Job(id=1, location_index=1)
        vehicle = Vehicle(id=1, start=0, end=0, time_window=(departs, 99_999))
        back = Timetable(Problem(jobs=(job,), vehicles=(vehicle,), matrices={"car": over_the_river(**ferry)})).returns(
            0, (0,)
        )
        return None if back is None else back - 500 - 10 - 60

    assert arrival(0, first=100) == 100
    assert arrival(70, first=100) == 100
    assert arrival(71, first=100) == 700
    assert arrival(0, first=1300) == 100
    assert arrival(0, opens=150, first=100) == 700
    assert arrival(1770, closes=1800) == 1800
    assert arrival(1771, closes=1800) is None
    assert arrival(1000, headway=0) == 1030
    assert arrival(0, headway=0, opens=400) == 400
    assert arrival(2000, headway=0) is None


def test_a_faster_vehicle_does_not_make_the_ferry_faster():
    route = river_day({"time_windows": ((200, 9000),)}, speed_factor=2.0).route(0, (0,))
    # 15 s to the landing, the ferry at 600, 60 s aboard, 5 s beyond
    assert [(s.arrival, s.duration) for s in route.steps] == [(585, 0), (665, 15 + 300 + 60 + 5), (915, 630)]


def test_nobody_rests_on_a_way_with_a_ferry():
    rest = Break(id=9, time_windows=((20, 40),), service=100)
    route = river_day(breaks=(rest,)).route(0, (0,))
    assert [(s.kind.value, s.begins) for s in route.steps] == [
        ("start", 40),
        ("break", 40),
        ("job", 670),
        ("end", 1170),
    ]


def test_a_matrix_too_large_for_lists_is_asked_way_by_way():
    size = 4001

    class Straight:
        has_metres = True
        has_cost = False
        crossings = None

        def __init__(self) -> None:
            self.asked = 0

        @property
        def size(self) -> int:
            return size

        def pair(self, origin: int, to: int) -> tuple[int, int]:
            self.asked += 1
            return (UNREACHABLE, 0) if to == 5 else (abs(origin - to), 9 * abs(origin - to))

        def price(self, origin: int, to: int) -> int:
            raise AssertionError("it has no prices")

        def block(self, indices) -> Matrix:
            raise AssertionError("nobody needs all of it")

    ways = Straight()
    vehicle = Vehicle(id=1, start=0, end=0, speed_factor=0.5, max_distance=10**6)
    jobs = (Job(id=1, location_index=4000), Job(id=2, location_index=10), Job(id=3, location_index=5))
    timetable = Timetable(Problem(jobs=jobs, vehicles=(vehicle,), matrices={"car": ways}))
    assert timetable.returns(0, (0, 1)) == 2 * (4000 + 3990 + 10)
    assert timetable.route(0, (0, 1)).steps[-1].distance == 9 * 8000
    assert timetable.returns(0, (2,)) is None
    assert ways.asked < 50


# -- everything together


@settings(max_examples=examples(5, of=16))
@given(seed=st.integers(0, 10**6))
def test_days_of_every_kind_agree_with_days_played_second_by_second(seed):
    rng = random.Random(seed)
    tiny = a_tiny_problem(seed, jobs=rng.randint(2, 5), shipments=rng.choice([0, 0, 1]))
    problem = with_everything(tiny, seed, breaks=seed % 2 == 0)
    timetable = Timetable(problem)
    for _ in range(3):
        count = rng.randint(1, min(5, len(problem.tasks)))
        order = tuple(rng.sample(range(len(problem.tasks)), count))
        for vehicle in range(2):
            end = earliest_end(problem, vehicle, order)
            assert timetable.returns(vehicle, order) == end
            route = timetable.route(vehicle, order)
            if end is None:
                assert route is None
                continue
            assert timetable.cost(vehicle, order) == route.cost
            if problem.vehicles[vehicle].breaks:
                continue
            times = (route.steps[0].arrival, [s.begins for s in route.calls], route.steps[-1].leaves)
            assert times == best_departure(problem, vehicle, order)
            assert route.cost == naive_cost(problem, vehicle, order)


@pytest.mark.parametrize("seed", range(0, examples(8, of=24), 2))
def test_with_breaks_the_vehicle_leaves_as_late_as_the_same_return_allows(seed):
    rng = random.Random(seed)
    problem = with_everything(a_tiny_problem(seed, jobs=4), seed)
    free = tuple(vehicle for vehicle in problem.vehicles)
    jobs = tuple(Job(id=j.id, location_index=j.location_index, service=j.service, time_windows=j.time_windows, delivery=j.delivery) for j in problem.jobs)  # fmt: skip
    problem = problem.replace(jobs=jobs, vehicles=tuple(without_prices(vehicle) for vehicle in free))
    timetable = Timetable(problem)
    for vehicle, members in enumerate(problem.vehicles):
        order = tuple(rng.sample(range(4), 3))
        route = timetable.route(vehicle, order)
        if route is None:
            continue
        start, end = route.steps[0].arrival, route.steps[-1].leaves
        assert earliest_end(problem, vehicle, order, leaves=start) == end
        closes = members.time_window[1]
        assert all(earliest_end(problem, vehicle, order, leaves=s) != end for s in range(start + 1, closes + 1))


def without_prices(vehicle: Vehicle) -> Vehicle:
    return Vehicle(
        id=vehicle.id, start=vehicle.start, end=vehicle.end, time_window=vehicle.time_window, breaks=vehicle.breaks,
        capacity=vehicle.capacity, speed_factor=vehicle.speed_factor,
    )  # fmt: skip
