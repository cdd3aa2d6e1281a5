"""Plans carried out under chance: by hand, against the exact timetable when nothing departs, and against a clock that walks."""

import dataclasses
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import Break, Crossing, Crossings, Job, Matrix, Problem, Vehicle
from routing.insertion import Insertion
from routing.simulating import Chance, Draws, _departure, draw, play, simulate
from routing.solution import StepKind
from routing.solving import assemble
from routing.timetable import Timetable
from tests.routing.inventing import a_problem

ROUGH = Chance(
    travel_mean=1.2, service_mean=1.1, day=0.2, road=0.2, leg=0.4, pace=0.2, door=0.6, trouble=0.1, absent=0.2,
    start_seconds=200,
)  # fmt: skip


def a_line(*, jobs=(), rest=(), ferry=None, shift=(0, 50_000)):
    """Places a thousand seconds apart on a line, the office at the first; all jobs on one route in their order."""
    places = len(jobs) + 1
    seconds = np.array([[1000 * abs(a - b) for b in range(places)] for a in range(places)])
    water = None
    if ferry is not None:  # from place 1 to place 2 and back: 300 s to the landing
        crossing, landing = np.full(seconds.shape, -1), np.zeros(seconds.shape, dtype=int)
        crossing[1, 2] = crossing[2, 1] = 0
        landing[1, 2] = landing[2, 1] = 300
        seconds[1, 2] = seconds[2, 1] = 300 + ferry.headway // 2 + ferry.ride + 200
        water = Crossings(ferries=(ferry,), crossing=crossing, to_landing=landing)
    problem = Problem(
        jobs=tuple(Job(id=n, location_index=n + 1, **job) for n, job in enumerate(jobs)),
        vehicles=(Vehicle(id=0, start=0, end=0, time_window=shift, breaks=tuple(rest)),),
        matrices={"car": Matrix(seconds=seconds, crossings=water)},
    )
    return problem, assemble(problem, Timetable(problem), (tuple(range(len(jobs))),))


def drawn(solution, *, way=1.0, trouble=0.0, door=1.0, absent=False, start=0.0, absent_seconds=180.0):
    """One run in which everything departs by the same."""
    sizes = [(1, len(route.steps)) for route in solution.routes]
    return Draws(
        ways=tuple(np.full(size, way) for size in sizes),
        troubles=tuple(np.full(size, trouble) for size in sizes),
        doors=tuple(np.full(size, door) for size in sizes),
        absent=tuple(np.full(size, absent) for size in sizes),
        starts=tuple(np.full(1, start) for _ in sizes),
        absent_seconds=absent_seconds,
    )


def times(problem, solution, draws):
    """Arrival, begin and end at every step of the only route."""
    (route,) = play(problem, solution, draws).routes
    return [
        tuple(float(t[0, n]) for t in (route.arrives, route.begins, route.leaves))
        for n in range(len(route.route.steps))
    ]


def test_ways_doors_and_a_late_start_add_up():
    problem, solution = a_line(jobs=[{"setup": 60, "service": 100}, {"service": 200}])
    start = solution.routes[0].steps[0].arrival
    found = times(problem, solution, drawn(solution, way=1.5, door=2.0, trouble=10, start=50))
    first = start + 50 + 1510
    assert found[1] == (first, first, first + 320)
    second = first + 320 + 1510
    assert found[2] == (second, second, second + 400)
    assert found[3][0] == second + 400 + 3010


def test_where_nobody_opens_the_service_is_the_wait_and_the_house_still_had_to_be_found():
    problem, solution = a_line(jobs=[{"setup": 60, "service": 600}])
    arrives, _, leaves = times(problem, solution, drawn(solution, absent=True, door=2.0))[1]
    assert leaves - arrives == 120 + 180


@pytest.mark.parametrize(
    ("way", "begins", "met"),
    [(1.0, 3000, True), (3.5, 3500, True), (4.0, 4000, True), (4.5, 7000, True), (9.0, 9000, False)],
)
def test_who_comes_early_waits_for_the_next_window_and_who_comes_late_is_served_late(way, begins, met):
    problem, solution = a_line(jobs=[{"time_windows": ((3000, 4000), (7000, 8000))}], shift=(0, 20_000))
    moved = dataclasses.replace(
        drawn(solution, way=way), starts=(np.array([-solution.routes[0].steps[0].arrival + 0.0]),)
    )
    (route,) = play(problem, solution, moved).routes
    assert (route.begins[0, 1], bool(route.met[0, 1])) == (begins, met)


@pytest.mark.parametrize(
    ("way", "lands"),
    [
        (1.0, 1800 + 100 + 200),  # at the landing at 1300: the boat of 1800
        (1.4, 2400 + 100 + 280),  # at 1820: just missed
        (5.0, 86_400 + 600 + 100 + 1000),  # at 6500: the last boat was at 6000
    ],
)
def test_a_ferry_leaves_by_its_timetable_and_after_the_last_one_the_next_day(way, lands):
    ferry = Crossing(opens=600, closes=6000, headway=600, ride=100, first=0)
    problem, solution = a_line(jobs=[{}, {}], ferry=ferry)
    moved = dataclasses.replace(
        drawn(solution, way=way), starts=(np.array([-solution.routes[0].steps[0].arrival + 0.0]),)
    )
    assert times(problem, solution, moved)[2][0] == pytest.approx(lands)


def test_a_rest_interrupts_a_way_as_soon_as_it_may_begin():
    rest = Break(id=0, time_windows=((1500, 3000),), service=600)
    problem, solution = a_line(jobs=[{"time_windows": ((1000, 1000),)}, {}], rest=[rest])
    place = next(n for n, step in enumerate(solution.routes[0].steps) if step.kind is StepKind.BREAK)
    found = times(problem, solution, drawn(solution))
    assert place == 2
    assert found[place] == (1500, 1500, 2100)
    assert found[3][0] == 2600
    slow = times(problem, solution, drawn(solution, way=1.7))
    assert slow[place][0] == 1700  # it was already due when he left the door


def a_plain_day(seed):
    """A day with windows, set-up, a rest and ferries, and its plan; what finds no place is left out."""
    rng = random.Random(seed)
    problem = a_problem(seed, jobs=rng.randint(1, 7), vehicles=2, rich=False)
    seconds = problem.matrices["car"].seconds
    if rng.random() < 0.6:
        crossing = np.where(np.array([[rng.random() < 0.3 for _ in row] for row in seconds]), 0, -1)
        np.fill_diagonal(crossing, -1)
        ferry = Crossing(
            opens=rng.randint(0, 2000),
            closes=15_000,
            headway=rng.choice([0, 300, 900]),
            ride=100,
            first=rng.randint(0, 900),
        )
        landing = np.where(crossing == 0, 60, 0)
        over = np.where(crossing == 0, 60 + ferry.headway // 2 + ferry.ride + 40, seconds)
        water = Crossings(ferries=(ferry,), crossing=crossing, to_landing=landing)
        problem = problem.replace(matrices={"car": Matrix(seconds=over, crossings=water)})
    insertion = Insertion(problem, Timetable(problem))
    visits = [(), ()]
    for stop in range(problem.stops):
        places = [
            (found[0], v, found[1]) for v in (0, 1) if (found := insertion.cheapest(v, visits[v], stop)) is not None
        ]
        if places:
            _, vehicle, visits[vehicle] = min(places)
    return problem, assemble(problem, insertion.timetable, tuple(tuple(v) for v in visits))


@given(seed=st.integers(0, 10_000))
def test_a_day_on_which_nothing_departs_goes_as_the_timetable_has_it(seed):
    problem, solution = a_plain_day(seed)
    played = simulate(problem, solution, Chance(), runs=2, seed=seed)
    for route, went in zip(solution.routes, played.routes, strict=True):
        for n, step in enumerate(route.steps):
            assert went.begins[:, n].tolist() == [step.begins] * 2, (n, step)
            assert went.leaves[:, n].tolist() == [step.leaves] * 2, (n, step)
            assert went.met[:, n].all()


def walked(problem, route, draws, number, run):
    """The same day by a clock that walks: one run, one event after the other; begins by step."""
    way, trouble, door = (rows[number][run] for rows in (draws.ways, draws.troubles, draws.doors))
    clock = route.steps[0].arrival + draws.starts[number][run]
    here, begins = route.steps[0].location_index, []
    matrix = problem.matrices["car"]
    for n, step in enumerate(route.steps):
        if step.location_index != here:
            ferry = matrix.crossings and matrix.crossings.crossing[here, step.location_index]
            if matrix.crossings and ferry >= 0:
                boat = matrix.crossings.ferries[ferry]
                clock += matrix.crossings.to_landing[here, step.location_index] * way[n] + trouble[n]
                day, boats = 0, []
                while not boats:
                    # Every departure there is, looked through one by one.
                    if boat.headway:
                        first = boat.first % boat.headway - boat.headway
                        all_boats = [t for t in range(first, boat.closes + 1, boat.headway) if t >= boat.opens]
                    else:
                        all_boats = [max(boat.opens, clock - day)] if clock - day <= boat.closes else []
                    boats = [day + t for t in all_boats if day + t >= clock]
                    day += 86_400
                rest = matrix.seconds[here, step.location_index] - 60 - boat.headway // 2 - boat.ride
                clock = boats[0] + boat.ride + rest * way[n]
            else:
                clock += matrix.seconds[here, step.location_index] * way[n] + trouble[n]
            here = step.location_index
        windows = problem.jobs[step.index].time_windows if step.kind is StepKind.JOB else ()
        ahead = [max(opens, clock) for opens, closes in windows if closes >= clock]
        clock = min(ahead, default=clock)
        begins.append(clock)
        clock += step.setup * door[n]
        if step.kind is StepKind.JOB and draws.absent[number][run, n]:
            clock += draws.absent_seconds
        else:
            clock += step.service * door[n]
    return begins


@given(seed=st.integers(0, 10_000))
def test_many_days_at_once_are_the_same_days_one_by_one(seed):
    problem, solution = a_plain_day(seed)
    draws = draw(problem, solution, ROUGH, runs=4, seed=seed)
    played = play(problem, solution, draws)
    for number, (route, went) in enumerate(zip(solution.routes, played.routes, strict=True)):
        for run in range(4):
            assert went.begins[run].tolist() == pytest.approx(walked(problem, route, draws, number, run))


@pytest.mark.parametrize(
    ("at_the_landing", "leaves"),
    [(0, 600), (601, 900), (3_601, 86_400 + 600), (86_400 + 700, 86_400 + 900), (86_400 + 3_700, 2 * 86_400 + 600)],
    ids=["before it opens", "in its hours", "after the last", "in the next day's hours", "after the next day's last"],
)
def test_who_misses_a_days_last_ferry_takes_the_next_that_leaves(at_the_landing, leaves):
    ferry = Crossing(opens=600, closes=3_600, headway=300, ride=100, first=0)
    assert _departure(ferry, np.array([float(at_the_landing)])).tolist() == [leaves]


def test_a_ferry_that_never_leaves_is_refused():
    with pytest.raises(ValueError, match="a ferry that never leaves between 600 and 700, with headway 900"):
        _departure(Crossing(opens=600, closes=700, headway=900, ride=100, first=0), np.array([0.0]))


def test_the_same_seed_gives_the_same_days_and_another_seed_others():
    problem, solution = a_plain_day(3)
    days = [simulate(problem, solution, ROUGH, runs=3, seed=seed).routes[0].begins for seed in (1, 1, 2)]
    assert np.array_equal(days[0], days[1])
    assert not np.array_equal(days[0], days[2])


def test_factors_have_the_means_and_spreads_that_were_asked_for_and_share_what_is_shared():
    """Ten thousand days: a leg's variance is that of day and leg together, and two legs share the day's."""
    problem, solution = a_line(jobs=[{}, {}])
    chance = Chance(travel_mean=1.2, day=0.2, leg=0.3)
    ways = draw(problem, solution, chance, runs=40_000, seed=5).ways[0]
    assert ways.mean() == pytest.approx(1.2, rel=0.01)
    spread2 = (1 + 0.2**2) * (1 + 0.3**2) - 1
    assert ways[:, 1].std() == pytest.approx(1.2 * math.sqrt(spread2), rel=0.05)
    correlation = np.corrcoef(ways[:, 1], ways[:, 2])[0, 1]
    assert correlation == pytest.approx(0.2**2 / spread2, abs=0.03)
    doors = draw(problem, solution, Chance(door=0.5, pace=0.3), runs=40_000, seed=6).doors[0]
    assert np.corrcoef(doors[:, 1], doors[:, 2])[0, 1] == pytest.approx(0.09 / ((1.09 * 1.25) - 1), abs=0.03)


def test_a_road_is_slow_for_everybody_who_is_on_it():
    """Two postmen in one village share its road; one far away has another."""
    matrix = Matrix(seconds=np.full((4, 4), 600) - 600 * np.eye(4, dtype=int))
    places = ((105.0, 9.0), (105.001, 9.001), (105.002, 9.001), (105.5, 9.5))
    problem = Problem(
        jobs=tuple(Job(id=n, location_index=n + 1) for n in range(3)),
        vehicles=tuple(Vehicle(id=n, start=n + 1) for n in range(3)),
        matrices={"car": matrix},
        locations=places,
    )
    solution = assemble(problem, Timetable(problem), ((0,), (1,), (2,)))
    ways = [rows[:, 1] for rows in draw(problem, solution, Chance(road=0.3), runs=2000, seed=1).ways]
    assert np.array_equal(ways[0], ways[1])
    assert abs(np.corrcoef(ways[0], ways[2])[0, 1]) < 0.1
