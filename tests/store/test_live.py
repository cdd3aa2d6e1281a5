"""The live board's figures from the books: acts on phones, what was taken off, silence, and a tag that tells of every change."""

from dataclasses import replace
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from courier import dispatch, handover
from courier.domain.errors import Missing
from courier.domain.item import EventType
from courier.domain.people import Role
from courier.domain.progress import Pace
from tests.builders import DAY, MORNING, a_house, done_right, paying
from tests.planning_office import open_office, published, scatter, take_out

EIGHT = MORNING + timedelta(hours=1)


@pytest.fixture
def office(database, tmp_path):
    """An office of one postman."""
    house = open_office(database, tmp_path, postmen=1)
    yield house
    house.desk.jobs.stop()


def seen(house, *, at):
    return dispatch.live(house.desk, house.dispatcher, office_id=None, day=DAY, at=at)


def tag(house, *, at=EIGHT):
    return dispatch.live_tag(house.desk, house.dispatcher, office_id=None, day=DAY, at=at)


def a_running_day(house, doors=4):
    """One postman with so many doors, all in his bag since six; his phone."""
    scatter(house, doors)
    view = published(house)
    stops = view.routes[0].stops
    phone = take_out(house, house.postmen[0].id, [i for s in stops for i in s.items], at=MORNING)
    return house, stops, phone


def test_every_act_moves_the_figures_and_the_rest_is_reckoned_from_it(office):
    house, stops, phone = a_running_day(office)
    (going,) = seen(house, at=stops[0].arrives_at).goings
    assert (going.calls, going.done, going.failed, going.round.in_bag, going.round.cash_dong) == (4, 0, 0, 4, 0)
    first, second = stops[0], stops[1]
    (item,) = first.items
    late = first.leaves_at + timedelta(minutes=10)
    act = phone.event(
        "handed_over", [item], at=late, **done_right(paying(*[(c, c.amount_dong) for c in house.charges(item)]))
    )
    failed = phone.event("attempt_failed", second.items, at=late + timedelta(minutes=20), reason="not_home")
    assert phone.send(act, failed, at=late + timedelta(minutes=20)).results == ["applied", "applied"]
    (going,) = seen(house, at=late + timedelta(minutes=20)).goings
    assert (going.calls, going.done, going.failed, going.round.in_bag, going.round.cash_dong) == (4, 1, 1, 3, 165_000)
    way = stops[2].arrives_at - second.leaves_at
    assert [stop.sequence for stop, _ in going.coming] == [3, 4]
    assert going.coming[0][1].at == late + timedelta(minutes=20) + way
    assert going.place is not None
    assert going.place.at == late + timedelta(minutes=20)


def test_a_place_is_told_to_about_a_hundred_metres_by_the_phone_or_by_the_door(office):
    house, stops, phone = a_running_day(office, doors=2)
    act = phone.event("attempt_failed", stops[0].items, at=stops[0].arrives_at, reason="not_home")
    phone.send(act | {"position": {"lat": 9.412345, "lon": 104.987654, "accuracy_m": 12}}, at=stops[0].leaves_at)
    found = seen(house, at=stops[0].leaves_at).goings[0].place
    assert (found.lat, found.lon) == (9.412, 104.988)
    phone.send(
        phone.event("attempt_failed", stops[1].items, at=stops[1].arrives_at, reason="not_home"), at=stops[1].leaves_at
    )
    found = seen(house, at=stops[1].leaves_at).goings[0].place
    assert (found.lat, found.lon) == (round(stops[1].lat, 3), round(stops[1].lon, 3))


def test_a_phone_that_is_not_heard_is_silent_with_what_it_still_had(office):
    house, stops, phone = a_running_day(office)
    at = stops[0].leaves_at

    handover.sync(
        house.desk, phone.bearer, device_id=phone.id, at=at, waiting_acts=9,
        events=[phone.event("attempt_failed", stops[0].items, at=at, reason="not_home")],
    )  # fmt: skip
    later = stops[1].arrives_at + timedelta(minutes=40)
    (going,) = seen(house, at=later).goings
    assert (going.outlook.pace, going.round.heard_at, going.round.waiting_acts) == (Pace.SILENT, at, 9)
    phone.send(phone.event("attempt_failed", stops[1].items, at=later, reason="not_home"), at=later)
    (going,) = seen(house, at=later).goings
    assert going.outlook.pace is Pace.LATE
    assert going.round.waiting_acts is None


def test_what_was_taken_off_is_no_call_any_more(office):
    house, stops, _ = a_running_day(office)

    handover.report(
        house.desk, house.dispatcher, EventType.BROUGHT_BACK, event_id=uuid7(), item_ids=list(stops[0].items), data={},
        at=EIGHT,
    )  # fmt: skip
    (going,) = seen(house, at=EIGHT).goings
    assert (going.calls, going.failed, going.round.in_bag) == (3, 0, 3)


def test_the_tag_changes_with_every_act_every_plan_every_incident_and_the_minute(office):
    house = office
    scatter(house, 3)
    seen_tags = [tag(house)]

    def changed() -> bool:
        seen_tags.append(tag(house))
        return len(set(seen_tags)) == len(seen_tags)

    view = published(house)
    assert changed()
    phone = take_out(house, house.postmen[0].id, list(view.routes[0].stops[0].items), at=MORNING)
    assert changed()
    phone.send(phone.event("attempt_failed", view.routes[0].stops[0].items, at=EIGHT, reason="not_home"), at=EIGHT)
    assert changed()
    phone.send(phone.event("broke_down", [], at=EIGHT, can_go_on=False, text="Thủng lốp"), at=EIGHT)
    assert changed()
    assert tag(house) == seen_tags[-1]
    assert tag(house, at=EIGHT + timedelta(minutes=1)) != seen_tags[-1]


def test_a_day_without_a_plan_has_no_rounds(office):
    house = office
    found = seen(house, at=EIGHT)
    assert (found.plan_id, found.goings) == (None, ())


def test_another_offices_board_is_missing(office, database):
    house = office
    other = a_house(database, code="TVT", agency_code="PC09")
    for ask in (dispatch.live, dispatch.live_tag):
        with pytest.raises(Missing):
            ask(house.desk, house.dispatcher, office_id=other.office_id, day=DAY, at=EIGHT)
    admin = replace(house.dispatcher, role=Role.ADMIN, office_id=None)
    assert dispatch.live(house.desk, admin, office_id=house.office_id, day=DAY, at=EIGHT).goings == ()
