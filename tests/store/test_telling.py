"""Who is told of what: facts from phones and desks, published plans, in the transaction of the fact and true when it is said."""

from datetime import datetime, timedelta

import pytest

from courier import dispatch, handover
from courier.domain.calendar import ZONE
from courier.domain.item import EventType
from courier.domain.notices import Kind
from courier.store import plans
from courier.store.messages import ANNOUNCE_JOB, TELL_JOB
from courier.store.plans import PlannedRoute, PlannedStop
from courier.store.tables import Item, Postman
from courier.tracking import link
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, number, paying
from tests.planning_office import place
from tests.post import Provider, carry, posted, with_providers, words

NOON = clock(270)


@pytest.fixture
def sms():
    return Provider()


@pytest.fixture
def house(database, sms):
    return with_providers(a_house(database), sms=sms)


@pytest.fixture
def phone(house):
    return Phone(house, house.postmen[0])


def told(house):
    return [(row.kind, row.state, row.item_id) for row in posted(house)]


def test_a_handover_is_told_with_its_hour_and_its_money(house, phone, sms):
    item = house.item()
    fee, postage = house.charges(item)
    taken = paying((fee, 135_000), (postage, 30_000))
    phone.send(
        phone.event("taken_out", [item], 5), phone.event("handed_over", [item], 60, **done_right(taken)), at=clock(61)
    )
    carry(house, at=clock(61))
    assert told(house) == [("delivered", "sent", item)]
    assert sms.asked[0].text.startswith("Buu dien Ca Mau: da phat buu gui cua Ong/Ba luc 08:30 ngay 25/11/2026.")
    assert words(house, posted(house)[0])["amount_dong"] == 165_000


def test_a_failed_attempt_is_told_with_the_next_day(house, phone, sms):
    item = house.item()
    phone.send(
        phone.event("taken_out", [item], 5),
        phone.event("attempt_failed", [item], 60, reason="recipient_absent"),
        at=clock(61),
    )
    carry(house, at=clock(61))
    assert told(house) == [("missed", "sent", item)]
    next_on = house.row(item).not_before
    assert next_on > DAY
    assert f"{next_on:%d/%m/%Y}" in sms.asked[0].text


@pytest.mark.parametrize("reason", ["deceased", "refused", "no such word"])
def test_of_a_death_and_a_refusal_no_machine_speaks(house, phone, sms, reason):
    item = house.item()
    phone.send(
        phone.event("taken_out", [item], 5), phone.event("attempt_failed", [item], 60, reason=reason), at=clock(61)
    )
    carry(house, at=clock(61))
    assert (told(house), sms.asked) == ([], [])


def test_two_papers_handed_over_at_one_door_are_one_message(house, phone, sms):
    items = [house.item(), house.item()]
    phone.send(phone.event("taken_out", items, 5), phone.event("handed_over", items, 60, **done_right()), at=clock(61))
    carry(house, at=clock(61))
    assert told(house) == [("delivered", "sent", min(items))]


def test_an_upload_of_a_whole_day_is_one_job_and_one_that_nobody_needs_to_hear_of_is_none(house, phone):
    items = [house.item() for _ in range(5)]
    phone.send(phone.event("taken_out", items, 5), at=clock(6))
    assert house.desk.jobs.kept == []
    phone.send(
        *(phone.event("handed_over", [one], 60 + n, **done_right()) for n, one in enumerate(items)), at=clock(99)
    )
    assert [job[0] for job in house.desk.jobs.kept] == [TELL_JOB]


def test_an_upload_sent_again_tells_nothing_again(house, phone, sms):
    item = house.item()
    acts = [phone.event("taken_out", [item], 5), phone.event("handed_over", [item], 60, **done_right())]
    phone.send(*acts, at=clock(61))
    carry(house, at=clock(61))
    phone.send(*acts, at=clock(62))
    assert house.desk.jobs.kept == []
    assert len(sms.asked) == 1


def test_what_is_heard_of_a_day_late_is_no_news(house, phone, sms):
    item = house.item()
    later = clock(60) + timedelta(hours=13)
    phone.send(phone.event("taken_out", [item], 5), phone.event("handed_over", [item], 60, **done_right()), at=later)
    carry(house, at=later)
    assert told(house) == []


def test_what_was_taken_back_before_it_was_told_is_not_told(house, phone, sms):
    item = house.item()
    wrong = phone.event("handed_over", [item], 60, **done_right())
    phone.send(phone.event("taken_out", [item], 5), wrong, at=clock(61))
    phone.send(phone.event("corrected", [item], 62, corrects=wrong["event_id"], reason="wrong door"), at=clock(62))
    carry(house, at=clock(63))
    assert told(house) == []


def test_a_message_that_waited_over_night_is_not_said_when_it_is_not_true_any_more(house, phone, sms):
    item = house.item()
    evening = datetime(2026, 11, 25, 21, 30, tzinfo=ZONE)
    morning = datetime(2026, 11, 26, 7, 0, tzinfo=ZONE)
    phone.send(
        phone.event("taken_out", [item], 5),
        phone.event("attempt_failed", [item], at=evening - timedelta(hours=1), reason="recipient_absent"),
        at=evening,
    )
    carry(house, at=evening)
    assert told(house) == [("missed", "queued", item)]
    # He met the recipient on his way home after all.
    phone.send(
        phone.event("handed_over", [item], at=evening + timedelta(minutes=5), **done_right()),
        at=evening + timedelta(minutes=6),
    )
    carry(house, at=morning)
    assert sorted(told(house)) == [("delivered", "sent", item), ("missed", "superseded", item)]
    assert [letter.kind for letter in sms.asked] == [Kind.DELIVERED]


def test_who_is_invited_to_the_counter_is_told_until_when(house, phone, sms):
    item = house.item()
    phone.send(
        phone.event("taken_out", [item], 5),
        phone.event("attempt_failed", [item], 60, reason="recipient_absent"),
        phone.event("brought_back", [item], 70),
        at=clock(71),
    )
    carry(house, at=clock(71))
    handover.report(
        house.desk, house.clerk, EventType.INVITED, event_id=number(77), item_ids=[item], data={}, at=clock(90)
    )
    carry(house, at=clock(90))
    assert [row[0] for row in told(house)] == ["missed", "ready_to_collect"]
    until = house.row(item).held_until
    assert f"Han {until:%d/%m/%Y}." in sms.asked[-1].text


def test_a_landline_and_nobody_are_not_written_to(house, phone, sms):
    items = [house.item(), house.item()]
    with house.database.write() as session:
        session.get_one(Item, items[0]).recipient_phone = "02903831234"
        session.get_one(Item, items[1]).recipient_phone = None
    phone.send(
        phone.event("taken_out", items, 5),
        *(phone.event("handed_over", [one], 60, **done_right()) for one in items),
        at=clock(61),
    )
    carry(house, at=clock(61))
    assert told(house) == []


# --------------------------------------------------------------------------------------------------- who is coming
def a_plan(house, arrivals, *, at=MORNING, day=DAY):
    """Publish a plan whose first postman calls at these items at these moments."""
    with house.database.write() as session:
        plan = plans.begin_plan(
            session, office_id=house.office_id, day=day, seconds=1, by=house.dispatcher.id, at=at, solved=True
        )
        vehicle = session.get_one(Postman, house.postmen[0].id).vehicle_id
        stops = tuple(
            PlannedStop(items=items, lat=9.4, lon=104.97, arrives_at=when, leaves_at=when + timedelta(minutes=5))
            for items, when in arrivals
        )
        plans.write_routes(
            session,
            plan.id,
            [PlannedRoute(postman_id=house.postmen[0].id, vehicle_id=vehicle, stops=stops, summary={})],
        )
    return dispatch.publish(house.desk, house.dispatcher, plan.id, version=plan.version, at=at)


def test_a_published_plan_tells_everybody_on_it_in_the_morning_with_window_and_money(house, sms):
    first, second = place(house), place(house)
    eve = datetime(2026, 11, 24, 17, 0, tzinfo=ZONE)
    a_plan(house, [((first,), clock(60)), ((second,), clock(120))], at=eve)
    assert [job[0] for job in house.desk.jobs.kept if job[0] == ANNOUNCE_JOB] == [ANNOUNCE_JOB]
    carry(house, at=eve)
    assert sms.asked == []
    # What the citizen's page says of it at that moment.
    with house.database.read() as session:
        promise = link._promise(session, house.desk, session.get_one(Item, first), at=eve)
    opens, closes = promise.opens_at.astimezone(ZONE), promise.closes_at.astimezone(ZONE)
    carry(house, at=datetime(2026, 11, 25, 7, 0, tzinfo=ZONE))
    assert len(sms.asked) == 2
    about = {row.item_id: words(house, row) for row in posted(house)}
    assert about[first]["amount_dong"] == 165_000
    text = next(letter.text for letter in sms.asked if letter.phone == house.row(first).recipient_phone)
    assert f"khoang {opens:%H:%M}-{closes:%H:%M}" in text
    assert opens < clock(60) < closes


def test_two_papers_for_one_phone_at_one_stop_are_one_announcement(house, sms):
    items = (place(house, recipient_phone="0599000007"), place(house, recipient_phone="0599000007"))
    a_plan(house, [(items, clock(120))])
    carry(house)
    (row,) = posted(house)
    assert words(house, row)["amount_dong"] == 330_000


def test_a_window_that_moves_is_told_again_only_when_it_moved_far(house, sms):
    near, far = place(house), place(house)
    a_plan(house, [((near,), clock(120)), ((far,), clock(180))])
    carry(house)
    a_plan(house, [((near,), clock(150)), ((far,), clock(330))], at=clock(10))
    carry(house, at=clock(10))
    assert [row.item_id for row in posted(house)].count(near) == 1
    assert [row.item_id for row in posted(house)].count(far) == 2


def test_what_has_not_been_said_yet_gives_way_to_the_new_plan(house, sms):
    stays, leaves = place(house), place(house)
    eve = datetime(2026, 11, 24, 17, 0, tzinfo=ZONE)
    a_plan(house, [((stays,), clock(120)), ((leaves,), clock(180))], at=eve)
    carry(house, at=eve)
    a_plan(house, [((stays,), clock(130))], at=eve + timedelta(hours=1))
    carry(house, at=eve + timedelta(hours=1))
    states = sorted((row.item_id == stays, row.state) for row in posted(house))
    assert states == [(False, "superseded"), (True, "queued"), (True, "superseded")]
    carry(house, at=MORNING)
    assert [letter.phone for letter in sms.asked] == [house.row(stays).recipient_phone]


def test_nobody_is_announced_who_has_been_or_is_not_expected_any_more(house, sms):
    item = place(house)
    eve = datetime(2026, 11, 24, 17, 0, tzinfo=ZONE)
    a_plan(house, [((item,), clock(120))], at=eve)
    carry(house, at=eve)
    handover.report(
        house.desk, house.dispatcher, EventType.CANCELLED, event_id=number(78), item_ids=[item], data={}, at=eve
    )
    carry(house, at=MORNING)
    assert [(row.state, row.code) for row in posted(house)] == [("superseded", "overtaken")]
    assert sms.asked == []
