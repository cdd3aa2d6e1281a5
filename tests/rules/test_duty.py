"""Who works when: what a roster says of a day, what cannot be entered, and what the rules find against a walk day by day."""

import random
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from courier.domain.duty import Change, Hours, Kind, Roster, Usual

MONDAY = date(2026, 11, 30)
HOURS = Hours(begins=7 * 3600, ends=17 * 3600, rest_begins=11 * 3600, rest_seconds=3600)
AN, BINH = UUID(int=1), UUID(int=2)
BIKE, BOAT, SPARE = UUID(int=11), UUID(int=12), UUID(int=13)
USUAL = [
    Usual(postman_id=AN, name="An", vehicle_id=BIKE, hours=HOURS),
    Usual(postman_id=BINH, name="Bình", vehicle_id=BOAT, hours=HOURS),
]


def a_change(kind: Kind, first: int = 0, last: int | None = 0, **more) -> Change:
    """A change from Monday plus `first` days to Monday plus `last` days."""
    if kind in (Kind.LEAVE, Kind.HOURS, Kind.VEHICLE):
        more.setdefault("postman_id", AN)
    if kind is Kind.LEAVE:
        more.setdefault("leave_kind", "annual")
    if kind is Kind.WORKSHOP:
        more.setdefault("vehicle_id", BIKE)
    if kind is Kind.HOURS:
        more.setdefault("hours", Hours(begins=8 * 3600, ends=12 * 3600))
    more.setdefault("id", UUID(int=100 + random.Random(repr(more) + repr((kind, first, last))).getrandbits(60)))
    last_day = None if last is None else MONDAY + timedelta(days=last)
    return Change(kind=kind, first_day=MONDAY + timedelta(days=first), last_day=last_day, **more)


def faults(new: Change, *known: Change) -> list[tuple[str, str]]:
    return [(fault.field, fault.code) for fault in Roster(USUAL, known).faults(new)]


def test_nothing_differs_on_a_usual_day():
    duty = Roster(USUAL, []).duty(AN, MONDAY)
    assert (duty.hours, duty.vehicle_id, duty.at_work) == (HOURS, BIKE, True)


def test_who_is_on_leave_is_away_from_its_first_day_to_its_last():
    roster = Roster(USUAL, [a_change(Kind.LEAVE, 1, 2)])
    assert [roster.duty(AN, MONDAY + timedelta(days=n)).at_work for n in range(4)] == [True, False, False, True]
    assert roster.duty(BINH, MONDAY + timedelta(days=1)).at_work


def test_one_day_gives_way_to_nothing_and_a_weekday_pattern_gives_way_to_one_day():
    every_monday = a_change(Kind.HOURS, 0, None, weekdays=frozenset({0}))
    this_monday = a_change(Kind.HOURS, 7, 7, hours=Hours(begins=9 * 3600, ends=10 * 3600))
    for order in ([every_monday, this_monday], [this_monday, every_monday]):
        roster = Roster(USUAL, order)
        assert roster.duty(AN, MONDAY).hours.begins == 8 * 3600
        assert roster.duty(AN, MONDAY + timedelta(days=1)).hours == HOURS
        assert roster.duty(AN, MONDAY + timedelta(days=7)).hours.begins == 9 * 3600
        assert roster.duty(AN, MONDAY + timedelta(days=14)).hours.begins == 8 * 3600


def test_a_vehicle_in_the_workshop_keeps_its_postman_at_home_unless_he_has_another():
    workshop, spare = a_change(Kind.WORKSHOP), a_change(Kind.VEHICLE, vehicle_id=SPARE)
    assert not Roster(USUAL, [workshop]).duty(AN, MONDAY).at_work
    duty = Roster(USUAL, [workshop, spare]).duty(AN, MONDAY)
    assert duty.at_work
    assert duty.vehicle_id == SPARE


def test_nobody_works_on_a_day_on_which_the_office_is_closed():
    roster = Roster(USUAL, [a_change(Kind.CLOSED)])
    assert not any(roster.duty(who, MONDAY).at_work for who in (AN, BINH))


REFUSED = {
    "ends before it begins": (a_change(Kind.LEAVE, 2, 1), (), ("last_day", "ends-before-it-begins")),
    "two leaves of one postman": (
        a_change(Kind.LEAVE, 0, 3),
        (a_change(Kind.LEAVE, 3, 5),),
        ("first_day", "two-leave"),
    ),
    "a shift that ends before it begins": (
        a_change(Kind.HOURS, hours=Hours(begins=17 * 3600, ends=8 * 3600)),
        (),
        ("shift_end", "ends-before-it-begins"),
    ),
    "a shift beyond midnight": (
        a_change(Kind.HOURS, hours=Hours(begins=17 * 3600, ends=90_000)),
        (),
        ("shift_end", "ends-before-it-begins"),
    ),
    "a rest that begins before the shift": (
        a_change(Kind.HOURS, hours=replace(HOURS, rest_begins=6 * 3600)),
        (),
        ("break_start", "outside-shift"),
    ),
    "a rest that ends after the shift": (
        a_change(Kind.HOURS, hours=replace(HOURS, rest_begins=16 * 3600, rest_seconds=2 * 3600)),
        (),
        ("break_start", "outside-shift"),
    ),
    "two patterns with a weekday in common": (
        a_change(Kind.HOURS, 0, None, weekdays=frozenset({0, 1})),
        (a_change(Kind.HOURS, -30, None, weekdays=frozenset({1, 2})),),
        ("first_day", "two-hours"),
    ),
    "a vehicle that another has": (a_change(Kind.VEHICLE, vehicle_id=BOAT), (), ("vehicle", "vehicle-in-use")),
    "a vehicle that another takes for the day": (
        a_change(Kind.VEHICLE, 0, 9, vehicle_id=SPARE),
        (a_change(Kind.VEHICLE, 8, 8, postman_id=BINH, vehicle_id=SPARE),),
        ("vehicle", "vehicle-in-use"),
    ),
    "a vehicle in the workshop": (
        a_change(Kind.VEHICLE, vehicle_id=SPARE),
        (a_change(Kind.WORKSHOP, vehicle_id=SPARE),),
        ("vehicle", "in-workshop"),
    ),
    "longer hours while another has the vehicle": (
        a_change(Kind.HOURS, hours=Hours(begins=7 * 3600, ends=14 * 3600)),
        (
            a_change(Kind.VEHICLE, postman_id=BINH, vehicle_id=BIKE),
            a_change(Kind.HOURS, postman_id=BINH, hours=Hours(begins=13 * 3600, ends=17 * 3600)),
            a_change(Kind.HOURS, -7, None, weekdays=frozenset({0}), hours=Hours(begins=7 * 3600, ends=12 * 3600)),
        ),
        ("shift_start", "vehicle-in-use"),
    ),
    "open and closed at once": (a_change(Kind.OPEN), (a_change(Kind.CLOSED, -2, 2),), ("first_day", "two-open")),
    "a weekday that does not come": (
        a_change(Kind.HOURS, 0, 2, weekdays=frozenset({5})),
        (),
        ("weekdays", "never"),
    ),
    "longer than a year": (a_change(Kind.LEAVE, 0, 400), (), ("last_day", "too-long")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_its_field(case):
    new, known, wanted = REFUSED[case]
    assert faults(new, *known) == [wanted]


TAKEN = {
    "two leaves that follow each other": (a_change(Kind.LEAVE, 0, 1), (a_change(Kind.LEAVE, 2, 3),)),
    "leave of another postman": (a_change(Kind.LEAVE), (a_change(Kind.LEAVE, postman_id=BINH),)),
    "one day against a pattern": (a_change(Kind.HOURS), (a_change(Kind.HOURS, 0, None, weekdays=frozenset({0})),)),
    "the vehicle of one on leave": (
        a_change(Kind.VEHICLE, vehicle_id=BOAT),
        (a_change(Kind.LEAVE, postman_id=BINH),),
    ),
    "the vehicle after the other's shift": (
        a_change(Kind.VEHICLE, vehicle_id=BOAT),
        (
            a_change(Kind.HOURS, postman_id=BINH, hours=Hours(begins=3600, ends=7 * 3600)),
        ),
    ),
    "a change in its own place": (a_change(Kind.LEAVE, 0, 3, id=UUID(int=9)), (a_change(Kind.LEAVE, 1, 2, id=UUID(int=9)),)),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_can_be_is_taken(case):
    new, known = TAKEN[case]
    assert faults(new, *known) == []


def test_a_clash_that_was_there_before_does_not_stop_another_change():
    """Two who share one motorbike by agreement may still change their hours."""
    sharing = [replace(USUAL[0], vehicle_id=BIKE), replace(USUAL[1], vehicle_id=BIKE)]
    assert Roster(sharing, []).faults(a_change(Kind.HOURS)) == []


def test_two_changes_meet_exactly_where_a_walk_day_by_day_finds_a_common_day():
    rng = random.Random(7)
    for _ in range(2000):
        one, other = (
            a_change(
                Kind.HOURS,
                first := rng.randrange(20),
                rng.choice([None, first + rng.randrange(20)]),
                weekdays=frozenset(day for day in range(7) if rng.random() < 0.25),
            )
            for _ in range(2)
        )
        walked = next(
            (day for n in range(60) if one.covers(day := MONDAY + timedelta(days=n)) and other.covers(day)), None
        )
        assert one.meets(other) == walked
