"""Attempt rules and the two calendars, as tables of dates written out by hand with a wall calendar beside them."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from courier.domain.attempts import AttemptRules, Outlook, outlook
from courier.domain.calendar import CLOSED, DayOff, at_local, local_day
from courier.domain.item import Direction, life_of
from tests.builders import MORNING, an_event, number, the_facts, today

A = number(0xA)
BYLAWS = the_facts().bylaws
CALENDAR = BYLAWS.calendar
RULE = BYLAWS.attempts.rule(date(2026, 11, 25), agency="PC08", document_type="giay_phep_lai_xe")


def day(text: str) -> date:
    return date.fromisoformat(text)


def after(*failures: tuple[str, str] | tuple[str, str, str], commune_kind: str = "xa", then=()) -> Outlook:
    """The outlook of an item taken out every morning, with attempts failed at 10:00 for a reason."""
    events = [an_event("received", at=MORNING - timedelta(days=400))]
    for when, reason, *wished in failures:
        moment = datetime.combine(day(when), time(10), MORNING.tzinfo)
        data = {"reason": reason, **({"next_on": wished[0]} if wished else {})}
        events += [
            an_event("taken_out", at=moment - timedelta(hours=2), by=A),
            an_event("attempt_failed", at=moment, by=A, **data),
            an_event("brought_back", at=moment + timedelta(hours=7), by=A),
        ]
    life = life_of(Direction.RESULT, [*events, *then])
    assert life.conflicts == ()
    return outlook(life, RULE, BYLAWS.attempts, CALENDAR, commune_kind=commune_kind)


# ----------------------------------------------------------------------------------------------------- the calendar
DAYS = [
    # day, weekday as on the wall, counts in legal deadlines, postmen go out
    ("2026-11-23", "Mon", True, "full"),
    (
        "2026-11-24",
        "Tue",
        False,
        "closed",
    ),  # Ngày Văn hóa Việt Nam: not confirmed, but kept until a dispatcher opens it
    ("2026-11-25", "Wed", True, "full"),
    ("2026-11-27", "Fri", True, "full"),
    ("2026-11-28", "Sat", False, "half"),
    ("2026-11-29", "Sun", False, "closed"),
    ("2026-01-01", "Thu", False, "closed"),
    ("2026-01-02", "Fri", False, "closed"),  # bridge day of the government's notice
    ("2026-01-10", "Sat", True, "full"),  # worked for it
    ("2026-02-14", "Sat", False, "half"),
    ("2026-02-16", "Mon", False, "closed"),  # Tết Bính Ngọ, 16-20 February
    ("2026-02-20", "Fri", False, "closed"),
    ("2026-02-21", "Sat", False, "half"),
    ("2026-02-23", "Mon", True, "full"),
    ("2026-08-22", "Sat", True, "full"),  # worked for Monday 31 August
    ("2026-08-31", "Mon", False, "closed"),
    ("2026-09-02", "Wed", False, "closed"),
    ("2027-02-03", "Wed", True, "full"),
    ("2027-02-04", "Thu", False, "closed"),  # Tết Đinh Mùi, 4-10 February
    ("2027-02-10", "Wed", False, "closed"),
    ("2027-02-11", "Thu", True, "full"),
    ("2027-04-30", "Fri", False, "closed"),
    ("2027-05-01", "Sat", False, "closed"),
    ("2027-05-03", "Mon", False, "closed"),  # instead of the Saturday
]


@pytest.mark.parametrize(("when", "weekday", "working", "delivery"), DAYS)
def test_the_calendar_knows_which_days_count_and_which_days_postmen_go_out(when, weekday, working, delivery):
    assert f"{day(when):%a}" == weekday
    assert (CALENDAR.is_working(day(when)), CALENDAR.delivery(day(when))) == (working, delivery)


def test_postmen_are_at_doors_in_the_hours_of_the_kind_of_day():
    assert CALENDAR.hours(day("2026-11-25")) == ((27_000, 41_400), (46_800, 61_200))
    assert CALENDAR.hours(day("2026-11-28")) == ((27_000, 41_400),)
    assert CALENDAR.hours(day("2026-11-29")) == ()


def test_a_dispatcher_can_open_the_day_that_was_never_confirmed():
    opened = CALENDAR.with_days({day("2026-11-24"): DayOff(working=True, delivery="full", name="Làm việc")})
    assert opened.is_working(day("2026-11-24"))
    assert opened.add_working_days(day("2026-11-23"), 2) == day("2026-11-25")
    assert CALENDAR.delivery(day("2026-11-24")) == CLOSED, "the calendar of the others is as it was"


WORKING_DAYS = [
    # from, working days later, the day
    ("2026-11-16", 1, "2026-11-17"),
    ("2026-11-20", 1, "2026-11-23"),
    ("2026-11-20", 2, "2026-11-25"),  # over the weekend and 24 November
    ("2026-11-21", 1, "2026-11-23"),
    ("2026-01-01", 1, "2026-01-05"),
    ("2026-01-09", 1, "2026-01-10"),  # a worked Saturday
    ("2026-02-13", 2, "2026-02-24"),  # over Tết
    ("2027-02-03", 2, "2027-02-12"),
    ("2026-08-21", 1, "2026-08-22"),
    ("2026-11-25", 0, "2026-11-25"),
]


@pytest.mark.parametrize(("start", "count", "end"), WORKING_DAYS)
def test_working_days_are_counted_from_the_day_after(start, count, end):
    assert CALENDAR.add_working_days(day(start), count) == day(end)


def test_the_next_days_of_delivery_leave_out_sundays_and_feasts():
    found = CALENDAR.delivery_days(day("2026-11-22"), 6)
    assert [f"{d:%d/%m}" for d in found] == ["23/11", "25/11", "26/11", "27/11", "28/11", "30/11"]
    assert CALENDAR.next_delivery_day(day("2027-02-03")) == day("2027-02-11")


def test_a_calendar_that_never_opens_is_a_fault_in_the_data_and_not_a_loop():
    shut = CALENDAR.with_days(
        {day("2026-01-01") + timedelta(days=n): DayOff(working=False, delivery=CLOSED, name="") for n in range(1500)}
    )
    with pytest.raises(LookupError):
        shut.next_delivery_day(day("2026-01-01"))
    with pytest.raises(LookupError):
        shut.add_working_days(day("2026-01-01"), 1)


def test_a_day_before_the_calendar_begins_is_not_guessed():
    with pytest.raises(LookupError):
        CALENDAR.is_working(day("2025-06-30"))


# ------------------------------------------------------------------------------------------------ days in Viet Nam
@pytest.mark.parametrize(
    ("moment", "local"),
    [
        (datetime(2026, 11, 24, 16, 59, 59, tzinfo=UTC), "2026-11-24"),
        (datetime(2026, 11, 24, 17, 0, 0, tzinfo=UTC), "2026-11-25"),
        (datetime(2026, 11, 25, 0, 0, 0, tzinfo=UTC), "2026-11-25"),  # seven in the morning there, the same day
        (datetime(2026, 12, 31, 18, 0, 0, tzinfo=UTC), "2027-01-01"),
    ],
)
def test_the_day_is_the_day_in_viet_nam_and_not_the_day_of_utc(moment, local):
    assert local_day(moment) == day(local) == today(moment)


def test_the_morning_is_one_day_although_utc_midnight_lies_in_it():
    early, late = (at_local(day("2026-11-25"), seconds) for seconds in (6 * 3600 + 1800, 7 * 3600 + 1800))
    assert early.astimezone(UTC).date() != late.astimezone(UTC).date()
    assert local_day(early) == local_day(late) == day("2026-11-25")


# ------------------------------------------------------------------------------------------------------ next visit
NEXT_VISIT = [
    # failed on, reason, not before
    ("2026-11-16", "recipient_absent", "2026-11-18"),  # Monday to Wednesday: two working days apart
    ("2026-11-18", "recipient_absent", "2026-11-20"),
    ("2026-11-19", "recipient_absent", "2026-11-23"),  # Thursday: Friday, Monday
    ("2026-11-20", "recipient_absent", "2026-11-25"),  # Friday: Monday, not the 24th, Wednesday
    ("2026-11-21", "recipient_absent", "2026-11-25"),  # Saturday's half day
    ("2026-11-23", "recipient_absent", "2026-11-26"),
    ("2027-02-03", "no_contact", "2027-02-12"),  # over Tết
    ("2026-11-16", "access_blocked", "2026-11-17"),  # invited nobody: the next day of delivery
    ("2026-11-20", "access_blocked", "2026-11-21"),  # Saturday is one
    ("2026-11-21", "access_blocked", "2026-11-23"),
    ("2026-11-23", "access_blocked", "2026-11-25"),  # not on the 24th
    ("2027-02-03", "access_blocked", "2027-02-11"),
]


@pytest.mark.parametrize(("failed_on", "reason", "not_before"), NEXT_VISIT)
def test_the_next_visit_is_spaced_by_working_days_where_the_attempt_counts(failed_on, reason, not_before):
    assert after((failed_on, reason)).not_before == day(not_before)


@pytest.mark.parametrize(
    ("failed_on", "wished", "not_before"),
    [
        ("2026-11-16", "2026-11-17", "2026-11-17"),  # the citizen's own wish needs no spacing
        ("2026-11-16", "2026-12-01", "2026-12-01"),
        ("2026-11-16", "2026-11-10", "2026-11-17"),  # a wish for the past is a slip of the thumb
    ],
)
def test_the_day_agreed_at_the_door_is_the_day(failed_on, wished, not_before):
    assert after((failed_on, "rescheduled_at_door", wished)).not_before == day(not_before)


def test_two_invitations_lie_two_working_days_apart_when_the_plan_obeys():
    first = day("2026-11-20")
    second = after((first.isoformat(), "recipient_absent")).not_before
    apart = sum(CALENDAR.is_working(first + timedelta(days=n)) for n in range(1, (second - first).days + 1))
    assert apart == 2


# ------------------------------------------------------------------------------------------------ what then
ADVICE = [
    # attempts, how many count, what to do
    ([("2026-11-16", "recipient_absent")], 1, "try"),
    ([("2026-11-16", "recipient_absent"), ("2026-11-18", "recipient_absent")], 2, "invite"),
    ([("2026-11-16", "access_blocked"), ("2026-11-17", "access_blocked"), ("2026-11-18", "access_blocked")], 0, "try"),
    ([("2026-11-16", "access_blocked"), ("2026-11-17", "recipient_absent")], 1, "try"),
    ([("2026-11-16", "recipient_absent"), ("2026-11-18", "rescheduled_at_door")], 1, "try"),
    ([("2026-11-16", "address_wrong")], 1, "review_address"),
    ([("2026-11-16", "moved")], 1, "review_address"),
    ([("2026-11-16", "refused")], 0, "return_now"),
    ([("2026-11-16", "payment_refused")], 0, "return_now"),
    ([("2026-11-16", "recipient_deceased")], 0, "return_now"),
    ([("2026-11-16", "damaged")], 0, "incident"),
    ([("2026-11-16", "surrender_missing")], 1, "try"),
    ([("2026-11-16", "wrong_recipient"), ("2026-11-18", "wrong_recipient")], 2, "invite"),
    ([("2026-11-16", "a reason nobody knows")], 1, "incident"),
]


@pytest.mark.parametrize(("attempts", "counted", "advice"), ADVICE)
def test_the_reason_decides_what_counts_and_what_follows(attempts, counted, advice):
    view = after(*attempts)
    assert (view.attempts, view.advice) == (counted, advice)


HELD = [
    # attempts, kind of commune, kept until
    ([("2026-11-16", "recipient_absent")], "xa", "2026-12-16"),
    ([("2026-11-16", "recipient_absent")], "phuong", "2026-12-01"),
    (
        [("2026-11-16", "recipient_absent"), ("2026-11-18", "recipient_absent")],
        "phuong",
        "2026-12-01",
    ),  # from the first
    ([("2026-11-16", "access_blocked"), ("2026-11-18", "recipient_absent")], "phuong", "2026-12-03"),  # that invited
    ([("2027-01-25", "recipient_absent")], "xa", "2027-02-24"),  # calendar days, Tết among them
    ([("2026-11-16", "access_blocked")], "xa", None),
    ([], "xa", None),
]


@pytest.mark.parametrize(("attempts", "commune_kind", "until"), HELD)
def test_an_item_is_kept_15_days_in_town_and_30_in_the_country_from_its_first_invitation(attempts, commune_kind, until):
    assert after(*attempts, commune_kind=commune_kind).held_until == (until and day(until))


def test_an_invitation_from_the_desk_begins_the_days_too():
    invited = an_event("invited", at=datetime.combine(day("2026-11-17"), time(9), MORNING.tzinfo))
    view = after(("2026-11-16", "access_blocked"), then=[invited])
    assert view.held_until == day("2026-12-17")


def test_an_attempt_just_after_midnight_utc_counts_for_the_local_day():
    early = an_event("attempt_failed", at=datetime(2026, 11, 15, 23, 30, tzinfo=UTC), by=A, reason="recipient_absent")
    out = an_event("taken_out", at=early.occurred_at - timedelta(minutes=5), by=A)
    life = life_of(Direction.RESULT, [an_event("received", at=MORNING - timedelta(days=30)), out, early])
    view = outlook(life, RULE, BYLAWS.attempts, CALENDAR, commune_kind="phuong")
    assert (view.not_before, view.held_until) == (day("2026-11-18"), day("2026-12-01"))


def test_nothing_is_owed_to_an_item_that_was_never_tried():
    assert after() == Outlook(attempts=0, not_before=None, held_until=None, advice="try")


# ------------------------------------------------------------------------------------------------ rules over time
@pytest.mark.parametrize(
    ("visit", "until"),
    [("2026-11-25", "2026-11-24T17:00:00+07:00"), ("2026-12-01", "2026-11-30T17:00:00+07:00")],
)
def test_a_visit_can_be_moved_until_five_the_day_before(visit, until):
    assert RULE.cut_off(day(visit)) == datetime.fromisoformat(until)


def test_a_commune_nobody_knows_counts_as_countryside():
    assert BYLAWS.commune_kind("32044") == "xa"
    assert BYLAWS.commune_kind("99999") == BYLAWS.commune_kind(None) == "xa"
    towns = [code for code, kind in BYLAWS.commune_kinds.items() if kind == "phuong"]
    assert len(towns) == 9
    assert BYLAWS.commune_kind(towns[0]) == "phuong"


def test_no_rule_before_the_rules_began():
    with pytest.raises(LookupError):
        BYLAWS.attempts.rule(day("2025-06-30"), agency="PC08", document_type="giay_phep_lai_xe")


def test_an_agency_may_have_a_rule_of_its_own_for_a_time():
    own = replace(RULE, agency="VPDKDD", max_attempts=3, valid_from=day("2026-12-01"), valid_to=day("2026-12-31"))
    rules = AttemptRules(BYLAWS.attempts.reasons, (own, RULE))
    wanted = {
        ("VPDKDD", "2026-11-30"): 2,
        ("VPDKDD", "2026-12-01"): 3,
        ("VPDKDD", "2027-01-01"): 2,
        ("PC08", "2026-12-15"): 2,
    }
    found = {key: rules.rule(day(key[1]), agency=key[0], document_type="x").max_attempts for key in wanted}
    assert found == wanted
