"""A running day planned anew: what has begun stays as it was, newcomers come in, few stops change hands."""

import dataclasses
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import Costs, InvalidProblem, Job, Lock, Matrix, NotSupported, Problem, Shipment, ShipmentStop, Vehicle
from routing.checking import check
from routing.replanning import broken_down, replan
from routing.solution import StepKind
from routing.solving import assemble, solve
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import square

LINE = Matrix(seconds=[[abs(a - b) * 100 for b in range(9)] for a in range(9)])


def a_day(*jobs: Job, vehicles: int = 2, **members) -> Problem:
    fleet = tuple(Vehicle(id=10 + n, start=0, end=0, time_window=(0, 9000), **members) for n in range(vehicles))
    return Problem(jobs=jobs, vehicles=fleet, matrices={"car": LINE})


def planned(problem: Problem, *visits):
    return assemble(problem, Timetable(problem), visits)


def places(solution, vehicle):
    return [step.id for route in solution.routes if route.vehicle == vehicle for step in route.visits]


def test_a_new_stop_finds_its_place_and_nobody_else_moves():
    jobs = [Job(id=n, location_index=n) for n in range(1, 5)]
    running = planned(a_day(*jobs), (0, 1), (2, 3))
    found = replan(a_day(*jobs, Job(id=5, location_index=5)), running, stability=1000, seconds=0.5)
    assert found.moved == ()
    assert found.solution.cost == 400 + 1000
    assert set(places(found.solution, 11)) == {3, 4, 5}


def test_a_change_of_postman_must_save_its_price():
    """By hand: one postman for all saves 400, the way to 2 and back, and moves two stops (or the two others)."""
    jobs = [Job(id=n, location_index=n) for n in range(1, 5)]
    running = planned(a_day(*jobs), (0, 1), (2, 3))
    dear = replan(a_day(*jobs), running, stability=201, seconds=0.5)
    assert (dear.moved, dear.solution.cost) == ((), 1200)
    cheap = replan(a_day(*jobs), running, stability=199, seconds=0.5)
    assert (len(cheap.moved), cheap.solution.cost) == (2, 800)
    assert cheap.solution.cost_lines.preference == 0


def test_a_preference_of_its_own_is_weighed_beside_the_price():
    """The stop lies on the way of both. Its beat's postman saves 500 of preference: less than 501, more than 499."""
    own = Job(id=1, location_index=2, preferred_vehicles=frozenset({10}), preference_cost=500)
    others = (Job(id=2, location_index=3), Job(id=3, location_index=4))
    problem = a_day(
        own,
        *(
            dataclasses.replace(job, lock=Lock.KEEP_POSTMAN, locked_vehicle=v)
            for job, v in zip(others, (10, 11), strict=True)
        ),
    )
    running = planned(problem, (1,), (0, 2))
    assert replan(problem, running, stability=501, seconds=0.5).moved == ()
    moved = replan(problem, running, stability=499, seconds=0.5)
    assert moved.moved == (1,)
    assert moved.solution.cost == running.cost - 500


def test_who_is_preferred_keeps_his_stop_unless_price_and_preference_are_saved_together():
    """By hand: with the other postman it would save 400 of travel and lose its preference of 500."""
    own = Job(id=1, location_index=4, preferred_vehicles=frozenset({10}), preference_cost=500)
    fixed = [
        Job(id=2, location_index=2, lock=Lock.KEEP_POSTMAN, locked_vehicle=10),
        Job(id=3, location_index=5, lock=Lock.KEEP_POSTMAN, locked_vehicle=11),
    ]
    problem = a_day(own, *fixed)
    found = replan(problem, planned(problem, (1, 0), (2,)), stability=10, seconds=0.5)
    assert (found.moved, found.solution.cost) == ((), 1800)


def test_what_has_begun_stays_at_its_time_and_the_next_stop_is_where_he_is_going():
    jobs = [Job(id=n, location_index=n, service=50) for n in range(1, 6)]
    problem = a_day(*jobs, vehicles=1)
    running = planned(problem, (0, 1, 2, 3, 4))
    # begins at 100, 250, 400, 550, 700; at 320 he has left 2 and is on his way to 3
    found = replan(
        problem.replace(jobs=(*jobs, Job(id=9, location_index=2))), running, stability=0, seconds=0.5, now=320
    )
    (route,) = found.solution.routes
    assert [(step.id, step.begins) for step in route.visits[:3]] == [(1, 100), (2, 250), (3, 400)]
    assert {job.id for job in found.problem.jobs if job.lock is Lock.FROZEN} == {1, 2, 3}
    assert all(step.begins >= 320 for step in route.visits[3:])
    assert check(found.problem, found.solution) == []


def test_a_postman_whose_position_is_known_goes_on_from_there_at_once():
    jobs = [Job(id=n, location_index=n, service=50) for n in range(1, 6)]
    problem = a_day(*jobs, vehicles=1)
    running = planned(problem, (0, 1, 2, 3, 4))
    found = replan(problem.replace(jobs=jobs[:2]), running, stability=0, seconds=0.5, now=330, positions={10: 2})
    (route,) = found.solution.routes
    assert [(step.id, step.begins) for step in route.visits] == [(1, 100), (2, 250), (found.positions[10], 330)]
    assert route.steps[-1].arrival == 330 + 200
    onward = replan(problem, running, stability=0, seconds=0.5, now=330, positions={10: 8})
    begins = {step.id: step.begins for step in onward.solution.routes[0].visits}
    assert begins[5] == 330 + 300  # from 8 back to 5 first


def test_whose_next_stop_was_cancelled_is_taken_to_be_at_his_last():
    jobs = [Job(id=n, location_index=n, service=50) for n in range(1, 6)]
    running = planned(a_day(*jobs, vehicles=1), (0, 1, 2, 3, 4))
    rest = a_day(*(job for job in jobs if job.id != 3), vehicles=1)
    found = replan(rest, running, stability=0, seconds=0.5, now=330)
    visits = found.solution.routes[0].visits
    assert [(step.id, step.begins) for step in visits[:3]] == [(1, 100), (2, 250), (found.positions[10], 330)]
    assert visits[3].begins == 330 + 200


def test_who_was_done_sets_out_again_from_home():
    done = Job(id=1, location_index=3)
    running = planned(a_day(done, vehicles=1), (0,))
    found = replan(a_day(done, Job(id=2, location_index=2), vehicles=1), running, stability=0, seconds=0.5, now=1000)
    visits = found.solution.routes[0].visits
    assert [(step.id, step.begins) for step in visits] == [(1, 300), (found.positions[10], 1000), (2, 1200)]
    assert found.solution.cost == 600 + 400


def test_what_a_broken_vehicle_was_still_to_do_is_done_by_others_who_keep_their_own():
    """At 330 it has done 1 and 2 and is on its way to 3: that one is not its any more either."""
    jobs = [Job(id=n, location_index=n, service=50) for n in range(1, 8)]
    running = planned(a_day(*jobs), (0, 1, 2, 3), (6, 5, 4))
    stranded = broken_down(a_day(*jobs), running, 10, now=330)
    assert (stranded.freed, stranded.positions) == ((3, 4), {10: 2})
    found = replan(
        stranded.problem, running, stability=1000, seconds=0.5, now=330, positions=stranded.positions
    )  # fmt: skip
    begins = {(route.vehicle, step.id): step.begins for route in found.solution.routes for step in route.visits}
    assert {key: at for key, at in begins.items() if key[0] == 10} == {
        (10, 1): 100, (10, 2): 250, (10, found.positions[10]): 330,
    }  # fmt: skip
    assert sorted(found.moved) == [3, 4]
    assert {number for vehicle, number in begins if vehicle == 11} == {3, 4, 5, 6, 7}
    broken = next(route for route in found.solution.routes if route.vehicle == 10)
    assert broken.steps[-1].arrival == 330


def test_a_vehicle_that_breaks_down_at_a_door_is_done_there_first():
    jobs = [Job(id=n, location_index=n, service=50, setup=10) for n in (1, 2, 3)]
    running = planned(a_day(*jobs), (0, 1, 2), ())
    stranded = broken_down(a_day(*jobs), running, 10, now=270)
    assert stranded.freed == (3,)
    found = replan(stranded.problem, running, stability=0, seconds=0.5, now=270, positions=stranded.positions)
    assert places(found.solution, 10) == [1, 2, found.positions[10]]
    assert places(found.solution, 11) == [3]
    assert found.solution.unassigned == ()


def test_who_breaks_down_before_setting_out_has_nothing_to_do_any_more():
    jobs = [Job(id=1, location_index=1), Job(id=2, location_index=2, lock=Lock.KEEP_POSTMAN, locked_vehicle=10)]
    late = [dataclasses.replace(job, time_windows=((5000, 6000),)) for job in jobs]
    running = planned(a_day(*late), (0, 1), ())
    stranded = broken_down(a_day(*late), running, 10, now=700)
    assert (stranded.freed, stranded.positions) == ((1, 2), {10: 0})
    found = replan(stranded.problem, running, stability=0, seconds=0.5, now=700, positions=stranded.positions)
    assert set(places(found.solution, 11)) == {1, 2}


def test_a_broken_vehicle_does_not_even_do_what_takes_no_time():
    jobs = [Job(id=1, location_index=2, service=50), Job(id=2, location_index=2)]
    running = planned(a_day(*jobs), (0, 1), ())
    stranded = broken_down(a_day(*jobs), running, 10, now=220)
    assert stranded.freed == (2,)
    found = replan(stranded.problem, running, stability=10_000, seconds=0.5, now=220, positions=stranded.positions)
    assert places(found.solution, 11) == [2]


def test_what_nobody_else_may_do_is_left_out_after_a_breakdown():
    own = Job(id=1, location_index=1, allowed_vehicles=frozenset({10}))
    problem = a_day(own, Job(id=2, location_index=2))
    running = planned(problem, (0,), (1,))
    stranded = broken_down(problem, running, 10, now=50)
    found = replan(stranded.problem, running, stability=0, seconds=0.5, now=50, positions=stranded.positions)
    assert [item.id for item in found.solution.unassigned] == [1]


@settings(max_examples=examples(10, of=60))
@given(seed=st.integers(0, 10**6), now=st.integers(0, 6000))
def test_whenever_a_vehicle_breaks_down_what_has_begun_stays_and_the_plan_is_valid(seed, now):
    rng = random.Random(seed)
    matrix = square(9, rng, holes=0)
    jobs = tuple(
        Job(id=n, location_index=rng.randrange(9), service=rng.choice([0, 60]), setup=rng.choice([0, 30]))
        for n in range(12)
    )
    fleet = tuple(Vehicle(id=10 + n, start=0, end=0, time_window=(0, 90_000)) for n in range(3))
    problem = Problem(jobs=jobs, vehicles=fleet, matrices={"car": matrix})
    running = planned(problem, (0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11))
    stranded = broken_down(problem, running, 11, now=now)
    found = replan(stranded.problem, running, stability=500, seconds=0.2, now=now, positions=stranded.positions)
    assert check(found.problem, found.solution) == []
    after = {step.id: (route.vehicle, step.begins) for route in found.solution.routes for step in route.visits}
    for route in running.routes:
        for step in route.visits:
            if step.begins <= now:
                assert after[step.id] == (route.vehicle, step.begins)
            elif route.vehicle == 11:
                assert after[step.id][0] != 11
    assert set(stranded.freed) <= set(found.moved)


def test_nobody_sets_out_before_now():
    jobs = [Job(id=1, location_index=1), Job(id=2, location_index=2, time_windows=((5000, 6000),))]
    problem = a_day(*jobs)
    running = planned(problem, (), (1,))
    found = replan(problem, running, stability=10_000, seconds=0.5, now=700)
    assert all(route.steps[0].arrival >= 700 for route in found.solution.routes)


def test_the_callers_own_facts_are_left_as_they_are():
    done = Job(id=1, location_index=1, lock=Lock.FROZEN, locked_vehicle=11, locked_rank=0, locked_time=120)
    planned_jobs = [Job(id=1, location_index=1), Job(id=2, location_index=2), Job(id=3, location_index=3)]
    running = planned(a_day(*planned_jobs), (0, 1), (2,))
    # the other postman really did it, at another time
    found = replan(a_day(done, *planned_jobs[1:]), running, stability=0, seconds=0.5, now=130)
    step = next(step for route in found.solution.routes for step in route.visits if step.id == 1)
    assert (places(found.solution, 11)[0], step.begins) == (1, 120)
    assert 1 in found.moved


def test_kept_ranks_go_on_behind_what_has_happened():
    kept = [Job(id=n, location_index=n, lock=Lock.KEEP_ORDER, locked_vehicle=10, locked_rank=9 - n) for n in (1, 2, 3)]
    problem = a_day(*kept, vehicles=1)
    running = planned(problem, (2, 1, 0))
    found = replan(
        problem.replace(jobs=(*kept, Job(id=7, location_index=1))), running, stability=0, seconds=0.5, now=300
    )
    order = [n for n in places(found.solution, 10) if n != 7]
    assert order == [3, 2, 1]
    assert found.solution.unassigned == ()


def test_a_stop_that_no_longer_fits_its_postman_goes_to_another():
    jobs = [Job(id=n, location_index=n) for n in range(1, 5)]
    problem = a_day(*jobs)
    running = planned(problem, (0, 1, 2, 3), ())
    changed = problem.replace(
        jobs=(*jobs[:3], dataclasses.replace(jobs[3], time_windows=((400, 400),), allowed_vehicles=frozenset({11})))
    )
    found = replan(changed, running, stability=10_000, seconds=0.5)
    assert found.moved == (4,)
    assert found.solution.unassigned == ()


@pytest.mark.parametrize("most", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)])
def test_no_more_stops_change_hands_than_may_whatever_it_would_save(most):
    jobs = [Job(id=n, location_index=n) for n in range(1, 9)]
    problem = a_day(*jobs)
    running = planned(problem, (0, 2, 4, 6), (1, 3, 5, 7))
    free = replan(problem, running, stability=1, seconds=30)
    assert (len(free.moved), free.solution.cost) == (4, 1600)  # instead of 3000: one postman does everything
    found = replan(problem, running, stability=1, seconds=30, most_moved=most)
    assert len(found.moved) <= most
    assert changed_hands(running, found.solution) == set(found.moved)
    assert check(found.problem, found.solution) == []
    assert found.solution.unassigned == ()


def test_the_changes_that_may_be_are_those_that_save_most():
    """By hand: 8 is on nobody's way but its other postman's, who goes there anyway: 600 less. 3 and 1 save nothing."""
    jobs = [Job(id=1, location_index=1), Job(id=3, location_index=3), Job(id=8, location_index=8)]
    others = [
        Job(id=20, location_index=5, lock=Lock.KEEP_POSTMAN, locked_vehicle=10),
        Job(id=21, location_index=8, lock=Lock.KEEP_POSTMAN, locked_vehicle=11),
    ]
    problem = a_day(*jobs, *others)
    running = planned(problem, (0, 1, 3, 2), (4,))
    found = replan(problem, running, stability=0, seconds=30, most_moved=1)
    assert (found.moved, found.solution.cost) == ((8,), 1000 + 1600)


def test_what_has_to_change_hands_beyond_the_limit_is_left_out():
    jobs = [Job(id=n, location_index=n, priority=n) for n in range(1, 5)]
    running = planned(a_day(*jobs), (0, 1, 2, 3), ())
    strange = [dataclasses.replace(job, allowed_vehicles=frozenset({11})) for job in jobs[1:]]
    found = replan(a_day(jobs[0], *strange), running, stability=0, seconds=30, most_moved=2)
    assert found.moved == (3, 4)  # the most urgent two
    assert [left.id for left in found.solution.unassigned] == [2]
    assert check(found.problem, found.solution) == []


def test_what_does_not_count_may_change_hands_beside_the_limit():
    jobs = [Job(id=n, location_index=n) for n in range(1, 9)]
    running = planned(a_day(*jobs), (0, 2, 4, 6), (1, 3, 5, 7))
    stranded = broken_down(a_day(*jobs), running, 10, now=50)
    found = replan(
        stranded.problem, running, stability=0, seconds=0.8, now=50, positions=stranded.positions, most_moved=0,
        uncounted=stranded.freed,
    )  # fmt: skip
    assert set(found.moved) == {1, 3, 5, 7}
    assert found.solution.unassigned == ()


def changed_hands(running, plan) -> set[int]:
    """Read from the two plans alone."""
    after = {step.id: route.vehicle for route in plan.routes for step in route.visits}
    before = {step.id: route.vehicle for route in running.routes for step in route.visits}
    return {job for job, vehicle in before.items() if after.get(job, vehicle) != vehicle}


@settings(max_examples=examples(3, of=12))
@given(seed=st.integers(0, 10**6), most=st.integers(0, 3), breaks_down=st.booleans())
def test_the_limit_holds_on_any_day_that_is_better_reshuffled(seed, most, breaks_down):
    """The running plan is dealt out at random, so that nearly everything would gain by another postman."""
    rng, whole, known = a_running_day(seed, 6, 3)
    dealt = [[], [], []]
    for number, job in enumerate(known.jobs):
        if not job.time_windows:
            dealt[rng.randrange(3)].append(number)
    running = planned(known, *dealt)
    now = rng.randrange(0, 4000)
    changed, positions, freed = whole, {}, ()
    if breaks_down:
        stranded = broken_down(whole, running, 1, now=now)
        changed, positions, freed = stranded.problem, stranded.positions, stranded.freed
    found = replan(
        changed, running, stability=0, seconds=20, now=now, positions=positions, most_moved=most, uncounted=freed
    )
    assert check(found.problem, found.solution) == []
    assert len(changed_hands(running, found.solution) - set(freed)) <= most
    begun = {
        (route.vehicle, step.id, step.begins) for route in running.routes for step in route.visits if step.begins <= now
    }
    assert begun <= {(route.vehicle, step.id, step.begins) for route in found.solution.routes for step in route.visits}


def test_what_cannot_be_frozen_or_is_no_position_is_refused():
    shipment = Shipment(pickup=ShipmentStop(id=1, location_index=1), delivery=ShipmentStop(id=1, location_index=5))
    problem = Problem(shipments=(shipment,), vehicles=(Vehicle(id=10, start=0, end=0),), matrices={"car": LINE})
    running = planned(problem, (0, 1))
    with pytest.raises(NotSupported):
        replan(problem, running, stability=0, seconds=0.5, now=200)
    assert replan(problem, running, stability=0, seconds=0.5).solution.cost == 1000
    for positions, now in (({10: 99}, 5), ({77: 0}, 5), ({10: 0}, None)):
        with pytest.raises(InvalidProblem) as refusal:
            replan(problem, running, stability=0, seconds=0.5, now=now, positions=positions)
        assert refusal.value.code == "position"
    with pytest.raises(InvalidProblem):
        replan(problem, running, stability=-1, seconds=0.5)
    with pytest.raises(InvalidProblem):
        replan(problem, running, stability=0, seconds=0.5, most_moved=-1)


def a_running_day(seed: int, stops: int, vehicles: int):
    rng = random.Random(seed)
    matrix = square(stops + 7, rng, width=9000)
    opens = [rng.randrange(0, 9000) for _ in range(stops + 6)]
    jobs = tuple(
        Job(
            id=n + 1,
            location_index=n + 1,
            service=60,
            time_windows=((opens[n], opens[n] + 4000),) if rng.random() < 0.3 else (),
        )
        for n in range(stops + 6)
    )
    fleet = tuple(
        Vehicle(id=v, start=0, end=0, time_window=(0, 16_000), costs=Costs(fixed=100)) for v in range(vehicles)
    )
    whole = Problem(jobs=jobs, vehicles=fleet, matrices={"car": matrix})
    return rng, whole, whole.replace(jobs=jobs[:stops])


@settings(max_examples=examples(4, of=8))
@given(seed=st.integers(0, 10**6))
def test_any_moment_of_any_day_can_be_planned_anew(seed):
    rng, whole, known = a_running_day(seed, 14, 3)
    running = solve(known, seconds=0.4)
    now = rng.randrange(0, 12_000)
    cancelled = {rng.choice(known.jobs).id for _ in range(2)}
    changed = whole.replace(jobs=tuple(job for job in whole.jobs if job.id not in cancelled))
    found = replan(changed, running, stability=300, seconds=0.5, now=now)
    assert check(found.problem, found.solution) == []
    was = {step.id: (route.vehicle, step.begins) for route in running.routes for step in route.visits}
    new = {step.id: (route.vehicle, step.begins) for route in found.solution.routes for step in route.visits}
    for stop, (vehicle, begins) in was.items():
        if begins <= now and stop not in cancelled:
            assert new[stop] == (vehicle, begins)
    for stop, (vehicle, begins) in new.items():
        assert begins >= now or was.get(stop) == (vehicle, begins)
    assert set(found.moved) == {stop for stop in was if stop in new and was[stop][0] != new[stop][0]}


def test_a_day_of_sixty_stops_is_planned_anew_in_time_and_no_dearer_than_by_insertion():
    _, whole, known = a_running_day(3, 60, 3)
    running = solve(known, seconds=3)
    changed = whole.replace(jobs=(*known.jobs[3:], *whole.jobs[60:63]))
    began = time.monotonic()
    found = replan(changed, running, stability=200, seconds=1, now=2000)
    assert time.monotonic() - began < 3
    assert found.solution.unassigned == ()
    assert found.solution.cost + 200 * len(found.moved) <= found.inserted.cost
    assert not [s for s in found.solution.unassigned if s.kind is StepKind.JOB]
