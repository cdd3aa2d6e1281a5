"""Why a job is left out: one code that is true, per vehicle and for the plan, found by really trying."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import UNREACHABLE, Break, Job, Lock, Matrix, Problem, Reload, Shipment, ShipmentStop, Vehicle
from routing.insertion import Insertion
from routing.problem import TaskKind, frozen_visits
from routing.reasons import Patience, clock, unassigned
from routing.refusals import Refusals
from routing.solving import assemble, solve
from routing.timetable import Timetable
from tests.routing.inventing import a_problem

FAR = 3
SECONDS = [
    [0, 600, 1200, UNREACHABLE],
    [600, 0, 600, UNREACHABLE],
    [1200, 600, 0, UNREACHABLE],
    [UNREACHABLE] * 3 + [0],
]
EIGHT, NOON = 8 * 3600, 12 * 3600


def a_morning(job: dict, *, others=(), visits=None, vehicle=None, second=None, names=("items", "cash_dong")):
    members = {"id": 1, "start": 0, "end": 0, "capacity": (10, 5_000_000), "time_window": (EIGHT, NOON)}
    fleet = (Vehicle(**(members | (vehicle or {}))),)
    if second is not None:
        fleet += (Vehicle(**(members | {"id": 2} | second)),)
    asked = Job(**({"id": 100, "location_index": 1, "service": 300} | job))
    problem = Problem(
        jobs=(asked, *others), vehicles=fleet, matrices={"car": Matrix(seconds=SECONDS)}, dimension_names=names
    )
    visits = visits or (tuple(range(1, len(others) + 1)), *((),) * (len(fleet) - 1))
    return unassigned(problem, Insertion(problem, Timetable(problem)), visits, 0)


def a_stop(number: int, **members) -> Job:
    return Job(**({"id": number, "location_index": 2, "service": 300} | members))


@pytest.mark.parametrize(
    ("code", "job", "vehicle", "words"),
    [
        ("skill", {"skills": frozenset({7})}, {}, "lacks skills [7]"),
        ("skill", {"allowed_vehicles": frozenset()}, {}, "not among"),
        ("unreachable", {"location_index": FAR}, {}, "no way"),
        ("capacity", {"delivery": (11, 0)}, {}, "10 of items, this needs 11"),
        ("cash_limit", {"pickup": (0, 5_000_001)}, {}, "5000000 of cash_dong, this needs 5000001"),
        ("window", {"time_windows": ((EIGHT, EIGHT + 599),)}, {}, "08:00-08:09"),
        ("window", {"time_windows": ((0, EIGHT - 1),)}, {}, "in its shift 08:00-12:00"),
        ("shift", {"service": 4 * 3600}, {}, "back at 12:20, its shift ends at 12:00"),
        ("shift", {}, {"max_tasks": 0}, "may make 0 visits"),
        ("shift", {}, {"max_travel_time": 1199}, "20 min of travel"),
        ("shift", {}, {"breaks": (Break(id=1, time_windows=((0, 60),)),)}, "1 breaks"),
    ],
)
def test_a_job_that_can_never_be_served_says_why(code, job, vehicle, words):
    left_out = a_morning(job, vehicle=vehicle)
    assert left_out.code == code
    assert words in left_out.sentence
    assert [(r.vehicle, r.code) for r in left_out.reasons] == [(1, code)]


@pytest.mark.parametrize(
    ("code", "job", "others", "vehicle"),
    [
        ("capacity", {"delivery": (2, 0)}, [a_stop(1, delivery=(9, 0))], {}),
        ("cash_limit", {"pickup": (0, 3_000_000)}, [a_stop(1, pickup=(0, 2_000_001))], {}),
        (
            "window",
            {"time_windows": ((EIGHT + 600, EIGHT + 1800),)},
            [a_stop(1, service=3600, time_windows=((EIGHT + 1200, EIGHT + 1300),))],
            {},
        ),
        ("shift", {}, [a_stop(1, service=11_701)], {}),
        ("shift", {}, [a_stop(1)], {"max_tasks": 1}),
    ],
)
def test_a_job_for_which_the_day_is_too_full_says_what_is_full(code, job, others, vehicle):
    assert a_morning(job, others=others, vehicle=vehicle).code == code


def test_the_vehicle_that_came_nearest_speaks_for_the_plan():
    left_out = a_morning(
        {"skills": frozenset({7}), "delivery": (2, 0)},
        others=[a_stop(1, delivery=(9, 0))],
        visits=((), (1,)),
        second={"skills": frozenset({7})},
    )
    assert [(r.vehicle, r.code) for r in left_out.reasons] == [(1, "skill"), (2, "capacity")]
    assert left_out.code == "capacity"


def test_a_locked_job_says_that_other_vehicles_are_shut_out():
    left_out = a_morning({"lock": Lock.KEEP_POSTMAN, "locked_vehicle": 1, "service": 5 * 3600}, second={})
    assert [(r.vehicle, r.code) for r in left_out.reasons] == [(1, "shift"), (2, "skill")]
    assert left_out.code == "shift"


def test_both_ends_of_a_shipment_give_a_reason():
    problem = Problem(
        shipments=(
            Shipment(
                pickup=ShipmentStop(id=5, location_index=1),
                delivery=ShipmentStop(id=6, location_index=FAR),
                amount=(1,),
            ),
        ),
        vehicles=(Vehicle(id=1, start=0, capacity=(1,)),),
        matrices={"car": Matrix(seconds=SECONDS)},
    )
    ends = [unassigned(problem, Insertion(problem, Timetable(problem)), ((),), number) for number in (0, 1)]
    assert [(e.kind.value, e.id, e.code) for e in ends] == [
        ("pickup", 5, "unreachable"),
        ("delivery", 6, "unreachable"),
    ]


def test_a_job_that_has_room_and_was_not_placed_in_time_says_so():
    left_out = a_morning({}, others=[a_stop(1, service=11_700)])
    assert (left_out.code, "time for planning ran out" in left_out.sentence) == ("shift", True)


def test_times_of_day_read_as_such():
    assert (clock(8 * 3600 + 65), clock(1_790_000_000)) == ("08:01", "1790000000")


@pytest.mark.parametrize(
    ("code", "words", "prize"),
    [
        ("prize", "costs vehicle 1 1200, leaving it out costs 1200", 1200),
        ("shift", "ran out", 1201),
        ("shift", "ran out", None),
    ],
)
def test_an_optional_stop_is_left_out_because_it_is_not_worth_its_way(code, words, prize):
    found = a_morning({"prize": prize})
    assert (found.code, words in found.sentence) == (code, True)


def test_a_stop_whose_goods_come_too_late_does_not_fit_the_shift():
    found = a_morning({"release": NOON - 1000})
    assert found.code == "shift"
    assert "its shift ends at 12:00" in found.sentence
    assert a_morning({"release": NOON - 1500}, visits=((),)).sentence.startswith("The time for planning ran out")


def test_a_stop_that_makes_the_day_too_long_does_not_fit_the_shift():
    found = a_morning({"location_index": 2}, vehicle={"max_duration": 2699})
    assert (found.code, "has no time left beside its 0 stops within 45 min in all" in found.sentence) == ("shift", True)


# ------------------------------------------------------------------------------------- when there is no time to try all
NO_TIME = 0.001  # seconds: over before the plan has been completed, let alone explained

LEFT_OUT = [
    ({"pickup": (0, 5_000_001)}, "cash_limit"),
    ({"pickup": (0, 1_000_001)}, "cash_limit"),
    ({"delivery": (2, 0)}, "capacity"),
    ({"pickup": (3, 0)}, "capacity"),
    ({"skills": frozenset({7})}, "skill"),
    ({"pickup": (0, 1_000_001), "priority": 1}, "cash_limit"),
    ({"delivery": (2, 0), "pickup": (0, 5_000_001)}, "cash_limit"),
]


def a_full_day(vehicles, left_out):
    """Each vehicle has a stop that takes 4 of its 5 million and one of its two items; the others are left out."""
    fleet = tuple(
        Vehicle(id=n, start=0, end=0, capacity=(2, 5_000_000), time_window=(EIGHT, NOON)) for n in range(vehicles)
    )
    jobs = (
        *(a_stop(n, delivery=(1, 0), pickup=(0, 4_000_000)) for n in range(vehicles)),
        *(a_stop(vehicles + n, **members) for n, members in enumerate(left_out)),
    )
    problem = Problem(
        jobs=jobs, vehicles=fleet, matrices={"car": Matrix(seconds=SECONDS)}, dimension_names=("items", "cash_dong")
    )
    return problem, tuple((n,) for n in range(vehicles))


def explained_in_no_time(problem, visits):
    solution = solve(problem, seconds=NO_TIME, start=assemble(problem, Timetable(problem), visits))
    assert [route.visits[0].id for route in solution.routes] == [v.id for v in problem.vehicles]
    return solution.unassigned


@pytest.mark.parametrize("vehicles", [1, 300])
def test_amounts_and_rights_are_to_blame_however_slow_the_machine_is(vehicles):
    """Of 300 vehicles only the first hundred or so are tried with a stop: what the others carry says the rest."""
    found = explained_in_no_time(*a_full_day(vehicles, [members for members, _ in LEFT_OUT]))
    assert [item.code for item in found] == [code for _, code in LEFT_OUT]
    assert not [item.sentence for item in found if "ran out" in item.sentence]


@pytest.mark.parametrize(
    ("code", "left_out"),
    [
        ("window", {"time_windows": ((0, EIGHT - 1),)}),
        ("unreachable", {"location_index": FAR}),
        ("shift", {"service": 3 * 3600 + 1200}),
    ],
)
def test_a_small_plan_is_explained_by_trying_however_slow_the_machine_is(code, left_out):
    [found] = explained_in_no_time(*a_full_day(3, [left_out]))
    assert found.code == code
    assert len(found.reasons) == 3
    assert "ran out" not in found.sentence


def test_what_nothing_but_trying_can_tell_is_not_blamed_on_amounts():
    problem, visits = a_full_day(300, [{"service": 3 * 3600 + 1200}])
    [found] = explained_in_no_time(problem, visits)
    assert (found.code, "ran out" in found.sentence) == ("shift", True)
    assert "its shift ends at 12:00" in found.reasons[0].sentence


@given(seed=st.integers(0, 10**6), shipments=st.integers(0, 2), reloads=st.booleans())
def test_whoever_refuses_without_trying_refuses_when_tried(seed, shipments, reloads):
    problem = a_problem(seed, jobs=12, vehicles=3, shipments=shipments)
    if reloads:
        places = (Reload(id=1, location_index=0),)
        fleet = (dataclasses.replace(problem.vehicles[0], reloads=(1,)), *problem.vehicles[1:])
        problem = problem.replace(vehicles=fleet, reloads=places)
    insertion = Insertion(problem, Timetable(problem))
    visits = routes_of_whatever_fits(problem, insertion)
    left_out = sorted(set(range(problem.stops)) - {number for route in visits for number in route})
    if not left_out:
        return
    refusals = Refusals(problem, visits, tasks=left_out, vehicles=range(3))
    for number in left_out:
        entry = number if problem.tasks[number].kind is not TaskKind.DELIVERY else problem.tasks[number].partner
        taken = [insertion.cheapest(index, visits[index], entry) for index in range(3)]
        without_time = unassigned(problem, insertion, visits, number, patience=Patience(0.0))
        if (nearest := refusals.nearest(number)) is None:
            assert "ran out" in without_time.sentence
        else:
            assert taken == [None] * 3
            assert "ran out" not in without_time.sentence
            alone = unassigned(problem, insertion, visits, number, patience=Patience(0.0), vehicles=[nearest])
            assert alone.code in {reason.code for reason in without_time.reasons}


def routes_of_whatever_fits(problem, insertion):
    """The first half of the jobs, each with the first vehicle that has a place for it."""
    routes = list(frozen_visits(problem))
    for number in range(0, len(problem.jobs), 2):
        for index, route in enumerate(routes):
            if number not in route and (found := insertion.cheapest(index, route, number)) is not None:
                routes[index] = found[1]
                break
    return tuple(routes)
