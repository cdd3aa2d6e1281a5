"""Explanations held to the hand and to trying: what a stop costs, what binds it, what would let another in."""

import dataclasses
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import Costs, Job, Lock, Matrix, Problem, Shipment, ShipmentStop, Vehicle
from routing.__main__ import main
from routing.checking import CheckFailed, check
from routing.comparing import ChangeCode, diff, difference_body
from routing.explaining import BindingCode, explain, explanation_body
from routing.insertion import Insertion
from routing.problem import Break
from routing.relaxing import RelaxationKind, applied
from routing.solution import ReasonCode
from routing.solving import assemble, solve, visits_of
from routing.timetable import Timetable
from routing.vroom import solution_body
from tests.examples import examples
from tests.routing.inventing import a_problem, a_tiny_problem
from tests.routing.ticking import possible

LINE = Matrix(seconds=[[abs(a - b) * 100 for b in range(6)] for a in range(6)])


def a_day(*jobs: Job, shift=(0, 5000), **vehicle) -> Problem:
    return Problem(
        jobs=jobs, vehicles=(Vehicle(id=4, start=0, end=0, time_window=shift, **vehicle),), matrices={"car": LINE}
    )


def planned(problem: Problem, *visits):
    return assemble(problem, Timetable(problem), visits)


def codes(stop):
    return [binding.code for binding in stop.bindings]


def the_only(problem: Problem, *visits):
    """What is said of the one stop left out, but for which other stop could stay behind instead."""
    (left_out,) = explain(problem, planned(problem, *visits)).left_out
    rules = tuple(r for r in left_out.relaxations if r.kind is not RelaxationKind.EXCHANGE)
    return dataclasses.replace(left_out, relaxations=rules)


# -- what a stop costs


def test_a_stop_costs_what_its_route_saves_without_it():
    problem = a_day(
        Job(id=1, location_index=1), Job(id=2, location_index=2), Job(id=5, location_index=5), costs=Costs(fixed=7)
    )
    stops = explain(problem, planned(problem, (0, 1, 2))).routes[0].stops
    assert [(stop.id, stop.marginal_cost) for stop in stops] == [(1, 0), (2, 0), (5, 600)]
    alone = explain(problem.replace(jobs=problem.jobs[2:]), planned(problem.replace(jobs=problem.jobs[2:]), (0,)))
    assert alone.routes[0].stops[0].marginal_cost == 1000 + 7


def test_a_shipment_costs_what_both_its_ends_cost_together():
    shipment = Shipment(pickup=ShipmentStop(id=1, location_index=4), delivery=ShipmentStop(id=1, location_index=5))
    problem = Problem(
        jobs=(Job(id=7, location_index=2),),
        shipments=(shipment,),
        vehicles=(Vehicle(id=4, start=0, end=0),),
        matrices={"car": LINE},
    )
    job, pickup, delivery = explain(problem, planned(problem, (0, 1, 2))).routes[0].stops
    assert (job.marginal_cost, pickup.marginal_cost, delivery.marginal_cost) == (0, 600, 600)
    assert codes(delivery)[0] is BindingCode.PREDECESSOR
    assert delivery.bindings[0].stop == 1


def test_the_next_best_postman_is_named_with_what_he_costs_more():
    jobs = (Job(id=1, location_index=4), Job(id=2, location_index=1))
    vehicles = (Vehicle(id=4, start=0, end=0), Vehicle(id=9, start=5, end=5))
    problem = Problem(jobs=jobs, vehicles=vehicles, matrices={"car": LINE})
    stops = explain(problem, planned(problem, (0, 1), ())).routes[0].stops
    # by vehicle 9: 200 to 4 and back instead of 600 saved; 800 to 1 and back instead of nothing saved
    assert [(stop.elsewhere.vehicle, stop.elsewhere.extra_cost) for stop in stops] == [(9, 200 - 600), (9, 800)]


# -- what binds it


def test_a_stop_that_waits_for_its_window_is_bound_by_its_opening_and_then_by_what_comes_later():
    problem = a_day(
        Job(id=1, location_index=2, time_windows=((900, 2000),)), Job(id=2, location_index=3, time_windows=((0, 1100),)), shift=(0, 1400)
    )  # fmt: skip
    first, second = explain(problem, planned(problem, (0, 1))).routes[0].stops
    # 900 at 2, 1,000 at 3 with 100 to spare, home at 1,300 with 100 to spare: the nearer rule is named
    assert (first.begins, first.slack, second.slack) == (900, 100, 100)
    assert codes(second) == [BindingCode.WINDOW_CLOSES]
    assert codes(first) == [BindingCode.LATER_STOP]
    assert first.bindings[-1].stop == 2


def test_the_wait_for_a_window_is_said_when_the_vehicle_could_not_leave_later():
    problem = a_day(
        Job(id=1, location_index=1, time_windows=((100, 100),)), Job(id=2, location_index=2, time_windows=((500, 600),))
    )  # fmt: skip
    _, second = explain(problem, planned(problem, (0, 1))).routes[0].stops
    assert codes(second) == [BindingCode.WINDOW_OPENS, BindingCode.WINDOW_CLOSES]
    assert "5 min" in second.bindings[0].sentence


def test_a_wait_behind_a_stop_swallows_its_delay():
    problem = a_day(
        Job(id=1, location_index=1, time_windows=((100, 450),)), Job(id=2, location_index=2, time_windows=((500, 600),)),
        Job(id=3, location_index=1, time_windows=((0, 150),)),
    )  # fmt: skip
    third, first, second = explain(problem, planned(problem, (2, 0, 1))).routes[0].stops
    assert second.begins == 500
    assert (third.slack, first.slack, second.slack) == (150 - third.begins, 450 - first.begins, 100)


def test_the_end_of_the_shift_and_the_longest_day_bind_the_last_stop():
    late = a_day(Job(id=1, location_index=3), shift=(0, 600))
    stop = explain(late, planned(late, (0,))).routes[0].stops[0]
    assert (codes(stop), stop.slack) == ([BindingCode.SHIFT_END], 0)
    long = a_day(Job(id=1, location_index=3), max_duration=650)
    stop = explain(long, planned(long, (0,))).routes[0].stops[0]
    assert (codes(stop), stop.slack) == ([BindingCode.DURATION], 50)


def test_a_full_vehicle_a_lock_a_release_and_the_only_postman_are_said():
    jobs = (
        Job(id=1, location_index=1, delivery=(2,), release=300, lock=Lock.KEEP_POSTMAN, locked_vehicle=4),
        Job(id=2, location_index=2, delivery=(1,), skills=frozenset({8})),
        Job(id=3, location_index=3, lock=Lock.FREE),
    )
    vehicles = (
        Vehicle(id=4, start=0, end=0, capacity=(3,), skills=frozenset({8})),
        Vehicle(id=9, start=0, end=0, capacity=(3,)),
    )
    problem = Problem(jobs=jobs, vehicles=vehicles, matrices={"car": LINE}, dimension_names=("items",))
    one, two, three = explain(problem, planned(problem, (0, 1, 2), ())).routes[0].stops
    assert codes(one) == [BindingCode.LOCK, BindingCode.LOAD, BindingCode.RELEASE]
    assert codes(two) == [BindingCode.VEHICLE]
    assert codes(three) == []
    assert three.slack is None


def test_what_has_happened_is_a_fact():
    done = Job(id=1, location_index=5, lock=Lock.FROZEN, locked_vehicle=4, locked_rank=0, locked_time=900)
    problem = a_day(done, Job(id=2, location_index=4))
    stop = explain(problem, planned(problem, (0, 1))).routes[0].stops[0]
    assert codes(stop)[0] is BindingCode.FACT
    assert stop.slack == 0


@settings(max_examples=examples(10, of=25))
@given(seed=st.integers(0, 10**6))
def test_the_slack_is_exact_and_the_limit_real(seed):
    """A stop made to begin at its slack can be kept, and a second later it cannot: tried with the window so narrowed."""
    rng = random.Random(seed)
    opens = sorted(rng.randrange(0, 1500) for _ in range(4))
    jobs = tuple(
        Job(
            id=n,
            location_index=rng.randrange(1, 6),
            service=rng.choice([0, 30]),
            time_windows=((a, a + rng.randrange(50, 900)),) if rng.random() < 0.7 else (),
        )
        for n, a in enumerate(opens)
    )
    problem = a_day(*jobs, shift=(0, 4000))
    order = tuple(range(4))
    if Timetable(problem).returns(0, order) is None:
        return
    for place, stop in enumerate(explain(problem, planned(problem, order)).routes[0].stops):
        for later, wanted in ((stop.slack, True), (stop.slack + 1, False)):
            begins = stop.begins + later
            windows = problem.jobs[place].time_windows or ((0, 4000),)
            inside = windows[0][0] <= begins <= windows[0][1]
            fixed = [
                dataclasses.replace(job, time_windows=((begins, begins),)) if at == place else job
                for at, job in enumerate(jobs)
            ]
            kept = inside and Timetable(problem.replace(jobs=tuple(fixed))).returns(0, order) is not None
            assert kept == wanted


def test_a_plan_that_breaks_a_rule_is_not_explained():
    problem = a_day(Job(id=1, location_index=1))
    good = planned(problem, (0,))
    with pytest.raises(CheckFailed):
        explain(problem, dataclasses.replace(good, summary=dataclasses.replace(good.summary, cost=1)))


@pytest.mark.parametrize("seed", range(8))
def test_any_day_can_be_explained_and_its_costs_add_up(seed):
    problem = a_problem(seed, jobs=8, vehicles=3, shipments=1)
    solution = solve(problem, seconds=0.6)
    told = explain(problem, solution)
    assert told.cost == told.cost_lines.total == sum(route.cost_lines.total for route in told.routes)
    assert {(s.kind, s.id) for r in told.routes for s in r.stops} == {
        (s.kind, s.id) for r in solution.routes for s in r.visits
    }
    json.dumps(explanation_body(told))


# -- what would let another in


def test_a_shift_that_is_too_short_is_named_with_the_seconds_it_lacks():
    problem = a_day(Job(id=1, location_index=5), Job(id=2, location_index=4, service=100), shift=(0, 1030))
    told = the_only(problem, (0,))
    assert [(r.kind, r.vehicle, r.amount, r.extra_cost) for r in told.relaxations] == [(RelaxationKind.SHIFT, 4, 70, 0)]
    assert told.code is ReasonCode.SHIFT
    assert "2 min" in told.relaxations[0].sentence


def test_a_window_is_widened_on_the_side_that_needs_it_by_whole_minutes():
    problem = a_day(
        Job(id=1, location_index=5, time_windows=((0, 500),)),
        Job(id=2, location_index=4, time_windows=((0, 399),), service=40),
    )
    told = the_only(problem, (0,))
    # on the way back from 5 it would be 600 at 4: 201 s late; before 5 nothing is late, but then 5 is
    (window,) = [r for r in told.relaxations if r.kind is RelaxationKind.WINDOW]
    assert (window.amount, window.extra_cost) == (240, 0)
    assert "until 00:10 instead of 00:06" in window.sentence
    early = a_day(
        Job(id=2, location_index=2, time_windows=((1000, 1100),)),
        Job(id=1, location_index=1, time_windows=((100, 100),)),
        max_duration=600,
    )
    (window,) = [r for r in the_only(early, (1,)).relaxations if r.kind is RelaxationKind.WINDOW]
    assert window.amount == 600  # at home by 600, so at 2 by 400, and its window opens at 1,000
    assert "from" in window.sentence


def test_capacity_cash_tasks_and_the_prize_are_named_by_how_much():
    jobs = (Job(id=1, location_index=1, delivery=(2, 0)), Job(id=2, location_index=2, delivery=(3, 0)))
    problem = a_day(*jobs, capacity=(4, 9)).replace(dimension_names=("items", "cash_dong"))
    (relaxed,) = the_only(problem, (0,)).relaxations
    assert (relaxed.kind, relaxed.amount, relaxed.dimension, relaxed.extra_cost) == (
        RelaxationKind.CAPACITY,
        1,
        "items",
        200,
    )
    cash = problem.replace(jobs=tuple(dataclasses.replace(job, delivery=(), pickup=(0, 7)) for job in jobs))
    (relaxed,) = the_only(cash, (0,)).relaxations
    assert (relaxed.kind, relaxed.amount, relaxed.dimension) == (RelaxationKind.CASH_LIMIT, 5, "cash_dong")
    few = a_day(Job(id=1, location_index=1), Job(id=2, location_index=2), max_tasks=1)
    assert [(r.kind, r.amount) for r in the_only(few, (0,)).relaxations] == [(RelaxationKind.MAX_TASKS, 1)]
    dear = a_day(Job(id=1, location_index=1), Job(id=2, location_index=5, prize=300))
    told = the_only(dear, (0,))
    assert [(r.kind, r.amount, r.extra_cost) for r in told.relaxations] == [(RelaxationKind.PRIZE, 500, 800)]
    assert told.code is None
    assert "prize of 300" in told.sentence


def test_a_missing_skill_a_right_and_a_lock_are_named_where_they_alone_stand_in_the_way():
    vehicles = (Vehicle(id=4, start=0, end=0, time_window=(0, 100)), Vehicle(id=9, start=0, end=0))
    job = Job(id=1, location_index=1, skills=frozenset({3}))

    def day(job):
        return Problem(jobs=(job,), vehicles=vehicles, matrices={"car": LINE})

    (relaxed,) = the_only(day(job), (), ()).relaxations
    assert (relaxed.kind, relaxed.vehicle, relaxed.skills, relaxed.extra_cost) == (RelaxationKind.SKILL, 9, (3,), 200)
    relaxed = the_only(day(Job(id=1, location_index=1, allowed_vehicles=frozenset({4}))), (), ()).relaxations
    assert [(r.kind, r.vehicle, r.amount) for r in relaxed] == [
        (RelaxationKind.SHIFT, 4, 100),
        (RelaxationKind.ALLOWED_VEHICLES, 9, 0),
    ]
    relaxed = the_only(day(Job(id=1, location_index=1, lock=Lock.KEEP_POSTMAN, locked_vehicle=4)), (), ()).relaxations
    assert [(r.kind, r.vehicle) for r in relaxed] == [(RelaxationKind.SHIFT, 4), (RelaxationKind.LOCK, 9)]


def test_a_stop_that_has_room_is_said_to_have_it():
    told = the_only(a_day(Job(id=1, location_index=1), Job(id=2, location_index=2)), (0,))
    assert [(r.kind, r.vehicle, r.amount, r.extra_cost) for r in told.relaxations] == [(RelaxationKind.ROOM, 4, 0, 200)]


def test_where_one_rule_is_not_enough_the_fewest_are_named_together():
    jobs = (Job(id=1, location_index=1, delivery=(2,)), Job(id=2, location_index=4, delivery=(3,)))
    problem = a_day(*jobs, capacity=(4,), shift=(0, 700)).replace(dimension_names=("items",))
    (relaxed,) = the_only(problem, (0,)).relaxations
    assert (relaxed.kind, relaxed.vehicle, relaxed.amount, relaxed.extra_cost) == (RelaxationKind.SEVERAL, 4, 100, 600)
    assert {(part.kind, part.amount) for part in relaxed.parts} == {
        (RelaxationKind.CAPACITY, 1),
        (RelaxationKind.SHIFT, 100),
    }


def test_a_window_and_a_shift_may_have_to_give_way_together():
    job = Job(id=2, location_index=4, time_windows=((0, 340),))
    problem = a_day(Job(id=1, location_index=1, time_windows=((100, 100),)), job, shift=(0, 750))
    (relaxed,) = the_only(problem, (0,)).relaxations
    # 100 at 1, 400 at 4 (a minute late), home at 800
    assert {(part.kind, part.amount) for part in relaxed.parts} == {
        (RelaxationKind.WINDOW, 60),
        (RelaxationKind.SHIFT, 50),
    }


def test_the_least_urgent_stop_that_would_make_room_is_named_and_none_that_is_more_urgent():
    jobs = [Job(id=n, location_index=5, service=100, priority=n) for n in (1, 2, 3)]
    problem = a_day(*jobs, shift=(0, 1200))
    (left_out,) = explain(problem, planned(problem, (0, 2))).left_out
    (exchange,) = [r for r in left_out.relaxations if r.kind is RelaxationKind.EXCHANGE]
    assert (exchange.instead, exchange.vehicle, exchange.extra_cost) == (1, 4, 0)
    (left_out,) = explain(problem, planned(problem, (1, 2))).left_out
    assert [r.kind for r in left_out.relaxations] == [RelaxationKind.SHIFT]


def test_a_stop_in_a_bag_is_not_asked_to_stay_behind():
    held = Job(id=1, location_index=5, service=100, lock=Lock.KEEP_POSTMAN, locked_vehicle=4)
    problem = a_day(held, Job(id=2, location_index=5, service=100), shift=(0, 1100))
    (left_out,) = explain(problem, planned(problem, (0,))).left_out
    assert [r.kind for r in left_out.relaxations] == [RelaxationKind.SHIFT]


@pytest.mark.parametrize("seed", range(examples(12, of=40)))
def test_a_change_applied_to_the_problem_lets_the_stop_in_whatever_the_rule(seed):
    problem = a_problem(seed, jobs=8, vehicles=2, shipments=1)
    solution = solve(problem, seconds=0.3)
    visits = visits_of(problem, solution)
    for told in explain(problem, solution).left_out:
        number = numbers(problem)[told.kind.value, told.id]
        for relaxed in told.relaxations:
            changed = applied(problem, problem.tasks[number], relaxed)
            places = numbers(changed)
            kept = [
                [
                    places[problem.tasks[v].kind.value, problem.tasks[v].id]
                    for v in route
                    if (problem.tasks[v].kind.value, problem.tasks[v].id) != ("job", relaxed.instead)
                ]
                for route in visits
            ]
            index = changed.vehicle_index(relaxed.vehicle)
            found = Insertion(changed, Timetable(changed)).cheapest(
                index, kept[index], places[told.kind.value, told.id]
            )
            assert found is not None, relaxed
            kept[index] = list(found[1])
            plan = planned(changed, *(tuple(route) for route in kept))
            assert not check(changed, plan)


def numbers(problem: Problem):
    """The number of every task by its kind and id."""
    return {(task.kind.value, task.id): number for number, task in enumerate(problem.tasks)}


@settings(max_examples=examples(8, of=20))
@given(seed=st.integers(0, 10**6), shipments=st.integers(0, 1))
def test_a_relaxation_is_enough_and_a_little_less_is_not(seed, shipments):
    """Played second by second: with the change some place works, with a unit less none does in any place."""
    problem = a_tiny_problem(seed, jobs=4 - shipments, vehicles=1, shipments=shipments)
    kept = next((order for order in ((0, 1), (1, 0), (0,), (1,)) if possible(problem, 0, order)), ())
    vehicle = problem.vehicles[0]
    for told in explain(problem, planned(problem, kept)).left_out:
        number = next(
            n for n, task in enumerate(problem.tasks) if (task.kind.value, task.id) == (told.kind.value, told.id)
        )
        partner = problem.tasks[number].partner
        if partner is None:
            orders = [(*kept[:g], number, *kept[g:]) for g in range(len(kept) + 1)]
        else:
            orders = [
                (*kept[:a], number, *kept[a:b], partner, *kept[b:])
                for a in range(len(kept) + 1)
                for b in range(a, len(kept) + 1)
            ]
        if not told.relaxations:
            continue
        for relaxed in told.relaxations:
            if relaxed.kind not in (RelaxationKind.SHIFT, RelaxationKind.CAPACITY, RelaxationKind.MAX_TASKS):
                continue
            for amount, wanted in ((relaxed.amount, True), (relaxed.amount - 1, False)):
                more = {
                    RelaxationKind.SHIFT: {"time_window": (vehicle.time_window[0], vehicle.time_window[1] + amount)},
                    RelaxationKind.CAPACITY: {
                        "capacity": tuple(
                            c + (amount if problem.dimension_name(d) == relaxed.dimension else 0)
                            for d, c in enumerate(vehicle.capacity)
                        )
                    },
                    RelaxationKind.MAX_TASKS: {
                        "max_tasks": None if vehicle.max_tasks is None else vehicle.max_tasks + amount
                    },
                }[relaxed.kind]
                day = problem.replace(vehicles=(dataclasses.replace(vehicle, **more),))
                assert any(possible(day, 0, order) for order in orders) == wanted


# -- what changed


def test_a_difference_names_postman_order_and_time_and_what_came_and_went():
    jobs = tuple(Job(id=n, location_index=n) for n in range(1, 6))
    vehicles = (Vehicle(id=4, start=0, end=0), Vehicle(id=9, start=0, end=0))
    problem = Problem(jobs=jobs, vehicles=vehicles, matrices={"car": LINE})
    a = planned(problem, (0, 1, 2), (3,))
    b = planned(problem, (1, 2, 0), (4,))
    found = diff(a, b)
    assert {c.id: c.codes for c in found.changes} == {
        1: (ChangeCode.ORDER, ChangeCode.TIME), 4: (ChangeCode.LOST,), 5: (ChangeCode.GAINED,),
    }  # fmt: skip
    assert (found.kept, found.moved, found.cost, found.cost_lines.travel_time) == (3, 0, 200, 200)
    moved = diff(a, planned(problem, (0, 1), (2, 3)))
    assert {c.id: c.codes for c in moved.changes} == {3: (ChangeCode.POSTMAN,)}
    assert moved.moved == 1
    smaller = problem.replace(jobs=jobs[:4])
    assert {c.id: c.codes for c in diff(planned(smaller, (0, 1, 2), (3,)), a).changes} == {5: (ChangeCode.ADDED,)}
    assert {c.id: c.codes for c in diff(a, planned(smaller, (0, 1, 2), (3,))).changes} == {5: (ChangeCode.REMOVED,)}
    assert diff(a, a).changes == ()
    json.dumps(difference_body(found))


def test_times_within_the_tolerance_are_no_change():
    jobs = (Job(id=1, location_index=1), Job(id=2, location_index=2))
    problem = a_day(*jobs)
    slower = problem.replace(jobs=(dataclasses.replace(jobs[0], service=60), jobs[1]))
    a, b = planned(problem, (0, 1)), planned(slower, (0, 1))
    assert [(c.id, c.codes) for c in diff(a, b).changes] == [(2, (ChangeCode.TIME,))]
    assert diff(a, b, tolerance=60).changes == ()


def test_the_command_explains_a_plan_and_says_what_changed(tmp_path, capsys):
    body = {
        "jobs": [{"id": 1, "location_index": 1}, {"id": 2, "location_index": 5}],
        "vehicles": [{"id": 4, "start_index": 0, "end_index": 0, "time_window": [0, 900]}],
        "matrices": {"car": {"durations": LINE.seconds.tolist()}},
    }
    problem = Problem(
        jobs=(Job(id=1, location_index=1), Job(id=2, location_index=5)),
        vehicles=(Vehicle(id=4, start=0, end=0, time_window=(0, 900)),),
        matrices={"car": LINE},
    )
    plans = {"empty": planned(problem, ()), "one": planned(problem, (0,))}
    (tmp_path / "problem.json").write_text(json.dumps(body))
    for name, plan in plans.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(solution_body(problem, plan)))
    arguments = ["explain", str(tmp_path / "problem.json"), str(tmp_path / "one.json")]
    assert main([*arguments, "--from", str(tmp_path / "empty.json")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["routes"][0]["stops"][0]["marginal_cost"] == 200
    assert told["left_out"][0]["relaxations"][0]["kind"] == "shift"
    assert told["left_out"][0]["relaxations"][0]["amount"] == 100
    assert [(change["id"], change["codes"]) for change in told["difference"]["changes"]] == [(1, ["gained"])]
    wrong = json.loads((tmp_path / "one.json").read_text())
    wrong["routes"][0]["steps"][1]["arrival"] = 1
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    assert main([*arguments[:2], str(tmp_path / "wrong.json")]) == 1
    assert json.loads(capsys.readouterr().out)["violations"]
    assert main([*arguments[:2], str(tmp_path / "missing.json")]) == 2


def test_a_rest_between_two_stops_takes_its_part_in_the_slack():
    problem = a_day(
        Job(id=1, location_index=1), Job(id=2, location_index=2), shift=(0, 2000),
        breaks=(Break(id=1, time_windows=((150, 400),), service=300),),
    )  # fmt: skip
    first, _ = explain(problem, planned(problem, (0, 1))).routes[0].stops
    assert first.slack is not None
    assert first.slack <= 400 - 100
