"""Who works when, on real databases: planning and the citizen's windows follow the roster, and nobody's change is lost."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from courier import dispatch, staffing
from courier.dispatch.standing import read_standing
from courier.domain.duty import Hours, Kind
from courier.domain.errors import Invalid, Missing, Stale
from courier.staffing import NewChange
from courier.store import plans
from courier.store.tables import AuditEntry, DutyChange, Office, Plan, Postman, Staff, Vehicle
from tests.builders import House
from tests.planning_office import DAY, MORNING, on_routes, open_office, place, planned, published, take_out

TOMORROW = DAY + timedelta(days=1)


@pytest.fixture
def house(database, tmp_path) -> Iterator[House]:
    made = open_office(database, tmp_path, postmen=2)
    yield made
    made.desk.jobs.stop()


@pytest.fixture
def other(database, tmp_path) -> Iterator[House]:
    made = open_office(database, tmp_path, code="CN")
    yield made
    made.desk.jobs.stop()


def enter(house, kind: Kind, *, who: int | None = None, first=DAY, **more):
    """The dispatcher enters a change: the change, and the codes of what it leaves to be looked after."""
    if who is not None:
        more["postman_id"] = house.postmen[who].id
    if kind is Kind.LEAVE:
        more.setdefault("leave_kind", "annual")
    change, warned = staffing.enter_change(
        house.desk, house.dispatcher, None, NewChange(kind=kind, first_day=first, **more), at=MORNING
    )
    return change, [one.code for one in warned]


def another_vehicle(house, mode: str = "boat"):
    with house.database.write() as session:
        row = Vehicle(id=uuid7(), office_id=house.office_id, name="Vỏ lãi 2", mode=mode, capacity_items=40)
        session.add(row)
    return row.id


def crew(house, day=DAY):
    with house.database.read() as session:
        return {member.postman_id: member for member in plans.crew(session, house.office_id, day, at=MORNING)}


def test_who_is_on_leave_is_not_planned_for(house):
    place(house)
    enter(house, Kind.LEAVE, who=0)
    assert set(on_routes(planned(house)).values()) == {house.postmen[1].id}


def test_other_hours_and_another_vehicle_hold_on_their_days_only(house):
    boat = another_vehicle(house)
    hours = Hours(begins=8 * 3600, ends=12 * 3600, rest_begins=10 * 3600, rest_seconds=600)
    enter(house, Kind.HOURS, who=0, hours=hours)
    enter(house, Kind.VEHICLE, who=0, vehicle_id=boat)
    today, later = crew(house)[house.postmen[0].id], crew(house, TOMORROW)[house.postmen[0].id]
    assert (today.shift, today.rest) == ((8 * 3600, 12 * 3600), (10 * 3600, 600))
    assert (today.vehicle_id, today.mode, today.capacity_items) == (boat, "boat", 40)
    assert (later.shift, later.mode) == ((27_000, 61_200), "motorbike")


def test_who_carries_items_is_planned_for_although_he_is_on_leave(house):
    """His bag cannot be planned away from him by an entry in a list."""
    item = place(house)
    take_out(house, house.postmen[0].id, [item], at=MORNING)
    enter(house, Kind.LEAVE, who=0, last_day=TOMORROW)
    assert house.postmen[0].id in crew(house)
    assert house.postmen[0].id not in crew(house, TOMORROW)


def test_nobody_plans_on_a_day_on_which_the_office_is_closed(house):
    place(house)
    enter(house, Kind.CLOSED, note="Chuyển trụ sở")
    assert crew(house) == {}
    view = planned(house)
    assert view.state == "failed"
    assert "không có bưu tá nào làm việc" in view.error


def test_a_citizen_is_offered_no_window_on_a_day_without_crew_and_none_when_the_office_is_closed(house):
    item = place(house)
    offered = sorted({slot.day for slot in dispatch.slots(house.desk, item, at=MORNING)})
    for who in (0, 1):
        enter(house, Kind.LEAVE, who=who, first=offered[0])
    enter(house, Kind.CLOSED, first=offered[2])
    left = {slot.day for slot in dispatch.slots(house.desk, item, at=MORNING)}
    assert left & set(offered) == set(offered) - {offered[0], offered[2]}


def test_a_closed_office_changes_no_legal_deadline(house):
    enter(house, Kind.CLOSED)
    with house.database.read() as session:
        calendar = plans.calendar(session, house.desk.facts.bylaws, house.office_id)
        others = plans.calendar(session, house.desk.facts.bylaws)
    assert (calendar.delivery(DAY), calendar.is_working(DAY)) == ("closed", others.is_working(DAY))


def test_leave_on_a_day_with_a_published_route_is_taken_and_said(house):
    place(house, km_east=3)
    view = published(house)
    who = next(n for n, one in enumerate(house.postmen) if view.routes[0].postman == one.id)
    _, warned = enter(house, Kind.LEAVE, who=who)
    assert warned == ["route-on-leave"]
    week = staffing.read_week(house.desk, house.dispatcher, None, first=DAY)
    assert [(one.code, one.postman_id) for one in week.warnings if one.code == "route-on-leave"] == [
        ("route-on-leave", house.postmen[who].id)
    ]


def test_a_plan_whose_people_are_all_away_still_shows_what_it_asked_of_whom(house):
    place(house, km_east=3)
    view = published(house)
    for who in (0, 1):
        enter(house, Kind.LEAVE, who=who)
    with house.database.read() as session:
        standing = read_standing(session, house.desk, session.get_one(Plan, view.id), at=MORNING)
    assert {member.postman_id for member in standing.crew} == {route.postman for route in view.routes if route.stops}


def test_overlaps_are_refused_and_nothing_is_stored(house):
    enter(house, Kind.LEAVE, who=0, last_day=TOMORROW)
    with pytest.raises(Invalid) as refused:
        enter(house, Kind.LEAVE, who=0, first=TOMORROW)
    assert [(error.field, error.code) for error in refused.value.errors] == [("first_day", "two-leave")]
    assert f"{TOMORROW:%d/%m/%Y}" in refused.value.errors[0].message
    with house.database.read() as session:
        assert len(session.scalars(select(DutyChange)).all()) == 1


def test_fields_that_are_missing_or_do_not_belong_are_named(house):
    with pytest.raises(Invalid) as refused:
        enter(house, Kind.WORKSHOP, who=0, leave_kind="sick", weekdays=frozenset({1}))
    found = {(error.field, error.code) for error in refused.value.errors}
    assert found == {
        ("postman", "not-allowed"),
        ("vehicle", "required"),
        ("leave_kind", "not-allowed"),
        ("weekdays", "not-allowed"),
    }


def test_a_stale_change_overwrites_nothing(house):
    change, _ = enter(house, Kind.LEAVE, who=0)
    longer = NewChange(
        kind=Kind.LEAVE, first_day=DAY, last_day=TOMORROW, postman_id=house.postmen[0].id, leave_kind="sick"
    )
    altered, _ = staffing.alter_change(house.desk, house.dispatcher, change.id, longer, version=1, at=MORNING)
    assert (altered.version, altered.last_day, altered.leave_kind) == (2, TOMORROW, "sick")
    with pytest.raises(Stale):
        staffing.alter_change(house.desk, house.dispatcher, change.id, longer, version=1, at=MORNING)
    with pytest.raises(Stale):
        staffing.withdraw_change(house.desk, house.dispatcher, change.id, version=1, at=MORNING)
    staffing.withdraw_change(house.desk, house.dispatcher, change.id, version=2, at=MORNING)
    assert house.postmen[0].id in crew(house)


def test_another_offices_roster_is_not_there(house, other):
    change, _ = enter(house, Kind.LEAVE, who=0)
    with pytest.raises(Missing):
        staffing.withdraw_change(house.desk, other.dispatcher, change.id, version=1, at=MORNING)
    with pytest.raises(Missing):
        staffing.read_week(house.desk, other.dispatcher, house.office_id, first=DAY)
    with pytest.raises(Invalid):
        enter(other, Kind.LEAVE, postman_id=house.postmen[0].id)
    with pytest.raises(Missing):
        staffing.assign_beat(house.desk, other.dispatcher, house.postmen[0].id, [], version=1, at=MORNING)


def test_communes_with_nobody_are_listed_and_so_are_days_without_who_knows_them(house):
    with house.database.write() as session:
        session.get_one(Office, house.office_id).communes = ["32044", "32059"]
    _, nobody = staffing.assign_beat(
        house.desk, house.dispatcher, house.postmen[0].id, ["32059", "32059"], version=1, at=MORNING
    )
    assert list(nobody) == ["32044"]
    enter(house, Kind.LEAVE, who=0)
    week = staffing.read_week(house.desk, house.dispatcher, None, first=DAY, days=2)
    assert list(week.without_beat) == ["32044"]
    assert [(one.code, one.day) for one in week.warnings if one.code == "beat-open"] == [("beat-open", DAY)]
    with house.database.read() as session:
        assert session.get_one(Postman, house.postmen[0].id).beat == ["32059"]
        assert session.get_one(Staff, house.postmen[0].id).version == 2
    with pytest.raises(Stale):
        staffing.assign_beat(house.desk, house.dispatcher, house.postmen[0].id, [], version=1, at=MORNING)
    with pytest.raises(Invalid):
        staffing.assign_beat(house.desk, house.dispatcher, house.postmen[0].id, ["00000"], version=2, at=MORNING)


def test_the_audit_says_who_changed_the_roster(house):
    change, _ = enter(house, Kind.LEAVE, who=0)
    staffing.withdraw_change(house.desk, house.dispatcher, change.id, version=1, at=MORNING)
    with house.database.read() as session:
        acts = session.scalars(select(AuditEntry.act).where(AuditEntry.thing == f"duty:{change.id}")).all()
    assert sorted(acts) == ["duty change entered", "duty change withdrawn"]


def test_the_database_itself_refuses_a_leave_without_its_kind(house):
    row = DutyChange(
        id=uuid7(), office_id=house.office_id, kind="leave", postman_id=house.postmen[0].id, first_day=DAY, last_day=DAY
    )
    with pytest.raises(IntegrityError), house.database.write() as session:
        session.add(row)
