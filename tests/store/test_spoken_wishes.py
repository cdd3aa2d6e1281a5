"""What somebody wishes at a door: the postman writes it down without a signal, the office answers when it hears of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from courier import dispatch, tracking, worker
from courier.domain.errors import Refused
from courier.domain.people import Caller
from courier.store import bag, wishes
from courier.store.jobs import JobState
from courier.store.tables import ChangeRequest, Incident, Item, ItemEvent, ShiftEvent, SpokenWish
from courier.tracking import Heard, Wish
from tests.builders import DAY, MORNING, House, Phone, clock, done_right
from tests.planning_office import adjust, open_office, place, published, scatter, take_out

RECORD = "phieu_ly_lich_tu_phap_2"  # goes to its owner alone
TOMORROW = DAY + timedelta(days=1)
HEARD, EVENING = clock(120), clock(600)  # 9:30 and 17:30 at the office


@pytest.fixture
def office(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path, postmen=1)
    yield house
    house.desk.jobs.stop()


def answer(house: House, *item_ids: UUID, at: datetime = EVENING) -> None:
    """The job, now."""
    effect = worker._answer_wishes(house.desk, {"items": [str(item_id) for item_id in item_ids]}, at=at)
    with house.database.write() as session:
        effect(session)


def the_answer(house: House, item_id: UUID) -> Heard:
    return tracking.heard(house.desk, item_id)[0]


def wished(
    house: House, phone: Phone, item: UUID, *, at: datetime = HEARD, sent_at: datetime = EVENING, **data: Any
) -> None:
    assert phone.send(phone.event("wished", [item], at=at, **data), at=sent_at).results == ["applied"]


def requests_of(house: House, item: UUID) -> list[ChangeRequest]:
    with house.database.read() as session:
        return list(session.scalars(select(ChangeRequest).where(ChangeRequest.item_id == item)))


# ------------------------------------------------------------------------------------------------------------ granted
def test_a_day_and_half_that_the_routes_can_keep_are_promised_in_the_postmans_name(office):
    item = place(office)
    phone = Phone(office, office.postmen[0])
    [slot] = [s for s in dispatch.slots(office.desk, item, at=EVENING) if s.opens_at.hour < 12][:1]
    wished(office, phone, item, kind="reschedule", day=slot.day.isoformat(), half="morning")
    assert the_answer(office, item).outcome == "waiting"
    assert office.row(item).wanted_on is None
    answer(office, item)
    told = the_answer(office, item)
    assert (told.outcome, told.window) == ("granted", (slot.opens_at, slot.closes_at))
    assert (told.by, told.heard_at, told.day, told.half) == (office.postmen[0].name, HEARD, slot.day, "morning")
    row = office.row(item)
    assert (row.wanted_on, row.wanted_from, row.wanted_to, row.moves) == (slot.day, slot.from_, slot.to, 1)
    [request] = requests_of(office, item)
    assert (request.kind, request.asked_by) == ("reschedule", "postman")


def test_a_wish_is_answered_by_the_worker_as_soon_as_it_is_heard(office):
    item = place(office)
    wished(office, Phone(office, office.postmen[0]), item, kind="instruct", landmark="cạnh trạm y tế", call_first=True)
    with office.database.read() as session:
        [event_id] = session.scalars(select(ShiftEvent.id).where(ShiftEvent.type == "wished"))
    assert office.desk.jobs.status(f"{wishes.ANSWER_JOB}:{event_id}") is JobState.QUEUED
    answer(office, item)
    assert the_answer(office, item).outcome == "granted"
    assert office.row(item).instructions == "Gọi điện trước khi đến. Mốc dễ thấy: cạnh trạm y tế."


def test_what_was_told_twice_is_one_wish_and_answered_once(office):
    item = place(office)
    phone = Phone(office, office.postmen[0])
    event = phone.event("wished", [item], at=HEARD, kind="authorise", person="Trần Thị Nhận Thay")
    assert phone.send(event, event, at=EVENING).results == ["applied", "duplicate"]
    assert phone.send(event, at=EVENING).results == ["duplicate"]
    answer(office, item)
    answer(office, item)
    assert len(tracking.heard(office.desk, item)) == len(requests_of(office, item)) == 1
    assert office.row(item).authorised_name == "Trần Thị Nhận Thay"


def test_a_window_that_stands_already_is_no_second_move(office):
    item = place(office)
    slot = dispatch.slots(office.desk, item, at=EVENING)[0]
    for minute in (0, 1):
        wished(
            office, Phone(office, office.postmen[0]), item, at=HEARD + timedelta(minutes=minute), kind="reschedule",
            day=slot.day.isoformat(),
        )  # fmt: skip
        answer(office, item)
    assert [told.outcome for told in tracking.heard(office.desk, item)] == ["granted", "granted"]
    assert office.row(item).moves == 1


# ------------------------------------------------------------------------------------------------------------ refused
def test_a_half_day_that_is_full_is_refused_with_the_next_ones(office):
    item = place(office, km_north=9)
    adjust(office, 0, shift_end=41_400)  # to 11:30
    wished(office, Phone(office, office.postmen[0]), item, kind="reschedule", day=TOMORROW.isoformat(), half="morning")
    scatter(office, 120, km=8, wanted_on=TOMORROW, wanted_from=27_000, wanted_to=41_400)
    free = dispatch.slots(office.desk, item, at=MORNING)
    assert TOMORROW not in {slot.day for slot in free}
    answer(office, item, at=MORNING)
    told = the_answer(office, item)
    assert (told.outcome, told.code) == ("refused", "slot-gone")
    assert told.offered == tuple((slot.opens_at, slot.closes_at) for slot in free[:3]) != ()
    assert office.row(item).wanted_on is None


def test_a_place_that_somebody_takes_while_the_answer_is_written_is_not_given_twice(office):
    item, other = place(office, km_north=9), place(office, km_north=-9)
    adjust(office, 0, shift_end=9 * 3600)  # time for one far door in a morning, and for no second one
    slot = dispatch.slots(office.desk, item, at=MORNING)[0]
    wished(office, Phone(office, office.postmen[0]), item, at=MORNING, kind="reschedule", day=slot.day.isoformat())
    effect = worker._answer_wishes(office.desk, {"items": [str(item)]}, at=MORNING)
    dispatch.hold_slot(office.desk, other, slot.id, at=MORNING)
    with office.database.write() as session:
        effect(session)
    told = the_answer(office, item)
    assert (told.outcome, told.code) == ("refused", "slot-gone")
    assert office.row(item).wanted_on is None


def test_a_paper_for_its_owner_alone_is_not_given_to_whom_he_sends(office):
    item = place(office, document_type=RECORD)
    wished(office, Phone(office, office.postmen[0]), item, kind="authorise", person="Trần Thị Nhận Thay")
    answer(office, item)
    told = the_answer(office, item)
    assert (told.outcome, told.code) == ("refused", "owner-only")
    assert office.row(item).authorised_name is None


# ------------------------------------------------------------------------------------------------- waiting for the paper
@pytest.mark.parametrize("kind", ["reschedule", "pick_up"])
def test_what_needs_the_paper_waits_until_it_is_back_from_the_bag(office, kind):
    item = place(office)
    published(office)
    phone = take_out(office, office.postmen[0].id, [item], at=clock(10))
    data = {"day": (DAY + timedelta(days=2)).isoformat()} if kind == "reschedule" else {}
    wished(office, phone, item, kind=kind, **data)
    answer(office, item)
    assert the_answer(office, item).outcome == "waiting"
    back = phone.event("brought_back", [item], at=clock(590))
    phone.send(back, at=EVENING)
    assert office.desk.jobs.status(f"{wishes.ANSWER_JOB}:{back['event_id']}") is JobState.QUEUED
    answer(office, item)
    assert the_answer(office, item).outcome == "granted"
    assert office.row(item).state == ("held" if kind == "reschedule" else "awaiting_pickup")


# ------------------------------------------------------------------------------------------------------- left behind
def test_a_wish_that_the_handover_has_left_behind_ends_in_an_answer_to_both(office):
    """No signal all day: at 9:30 he hears that tomorrow would be better, at 9:40 somebody opens after all."""
    item = place(office)
    published(office)
    phone = Phone(office, office.postmen[0])
    phone.send(
        phone.event("taken_out", [item], at=clock(10)),
        phone.event("wished", [item], at=HEARD, kind="reschedule", day=TOMORROW.isoformat()),
        phone.event("handed_over", [item], at=clock(130), **done_right()),
        at=EVENING,
    )
    answer(office, item)
    told = the_answer(office, item)
    assert (told.outcome, told.code, told.answered_at) == ("overtaken", "already-done", EVENING)
    assert office.row(item).state == "delivered"
    assert requests_of(office, item) == []
    with office.database.read() as session:
        content = bag.bag_of(
            session, office.desk.facts, office.postmen[0].id, DAY, device_id=phone.id, bank=None, at=EVENING
        )
        [shown] = [own["wishes"] for stop in content["stops"] for own in stop["items"] if own["id"] == item]
        view = tracking.link.public_view(session, office.desk, session.get_one(Item, item), proven=True, at=EVENING)
    assert [(wish["outcome"], wish["code"]) for wish in shown] == [("overtaken", "already-done")]
    assert [(heard.outcome, heard.code) for heard in view.heard] == [("overtaken", "already-done")]


def test_what_the_citizen_asked_for_later_counts_more_than_what_the_postman_heard_before(office):
    """Heard at 9:30 without a signal; at 10:30 the daughter moves the visit by the link; at 17:30 the phone tells."""
    item = place(office)
    later = dispatch.slots(office.desk, item, at=clock(180))[-1]
    dispatch.hold_slot(office.desk, item, later.id, at=clock(180))
    asked = Wish("reschedule", day=later.day, from_=later.from_, to=later.to)
    tracking.request_change(office.desk, item, asked, asked_by=None, at=clock(180))
    wished(office, Phone(office, office.postmen[0]), item, kind="reschedule", day=TOMORROW.isoformat())
    answer(office, item)
    told = the_answer(office, item)
    assert (told.outcome, told.code) == ("overtaken", "newer-request")
    assert office.row(item).wanted_on == later.day


def test_the_later_of_two_wishes_counts_whichever_phone_is_heard_first(office):
    item = place(office)
    first, second = Phone(office, office.postmen[0]), Phone(office, office.postmen[0])
    wished(office, second, item, at=HEARD + timedelta(minutes=5), kind="authorise", person="Người Thứ Hai")
    answer(office, item)
    wished(office, first, item, kind="authorise", person="Người Thứ Nhất")
    answer(office, item)
    assert [(told.outcome, told.code) for told in tracking.heard(office.desk, item)] == [
        ("granted", None),
        ("overtaken", "newer-request"),
    ]
    assert office.row(item).authorised_name == "Người Thứ Hai"


def test_two_answers_to_one_phone_are_both_kept_when_they_are_of_different_kinds(office):
    item = place(office)
    phone = Phone(office, office.postmen[0])
    wished(office, phone, item, kind="authorise", person="Trần Thị Nhận Thay")
    wished(office, phone, item, at=HEARD + timedelta(minutes=1), kind="instruct", text="nhà sau chợ")
    answer(office, item)
    assert [told.outcome for told in tracking.heard(office.desk, item)] == ["granted", "granted"]


# ------------------------------------------------------------------------------------------------------- what it is not
def test_a_wish_moves_nothing_by_itself(office):
    """State, custody, version and events of the item are what they were until the office answers."""
    item = place(office)
    before = office.row(item)
    wished(office, Phone(office, office.postmen[0]), item, kind="pick_up")
    after = office.row(item)
    assert (after.state, after.custody, after.version) == (before.state, before.custody, before.version)
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ItemEvent).where(ItemEvent.device_id.is_not(None))) == 0


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"kind": "redirect", "address": "Ấp 3"}, "kind"),
        ({"kind": "reschedule"}, "day"),
        ({"kind": "reschedule", "day": "mai"}, "day"),
        ({"kind": "reschedule", "day": "2026-12-02", "half": "night"}, "half"),
        ({"kind": "authorise", "person": "  "}, "person"),
        ({"kind": "instruct"}, "text"),
        ({"kind": "instruct", "text": "x" * 501}, "text"),
        ({"kind": "pick_up", "office": "?"}, "office"),
        ({}, "kind"),
    ],
)
def test_a_wish_that_says_nothing_is_set_aside(office, data, field):
    item = place(office)
    phone = Phone(office, office.postmen[0])
    answers = phone.send(phone.event("wished", [item], at=HEARD, **data), at=EVENING).answers
    assert [(one.result, one.code) for one in answers] == [("quarantined", f"unreadable-{field}")]


def test_only_what_belongs_to_a_wish_is_kept_of_it(office):
    item = place(office)
    wished(office, Phone(office, office.postmen[0]), item, kind="pick_up", person="x", id_number="096199000001")
    with office.database.read() as session:
        assert session.scalars(select(ShiftEvent.data)).all() == [{"kind": "pick_up"}]
        assert session.scalars(select(SpokenWish.body)).all() == [{}]


# ------------------------------------------------------------------------------------------------------------ by form
def test_a_wish_told_by_form_is_answered_in_the_same_way(office):
    item = place(office)
    tracking.hear_wish(office.desk, office.postmen[0], item, "pick_up", {}, at=HEARD)
    answer(office, item)
    assert the_answer(office, item).outcome == "granted"
    assert office.row(item).state == "awaiting_pickup"


def test_of_a_paper_that_was_handed_over_nothing_is_wished_by_form(office):
    item = place(office)
    published(office)
    phone = take_out(office, office.postmen[0].id, [item], at=clock(10))
    phone.send(phone.event("handed_over", [item], at=clock(60), **done_right()), at=clock(61))
    with pytest.raises(Refused, match="already-final"):
        tracking.hear_wish(office.desk, office.postmen[0], item, "pick_up", {}, at=HEARD)


# ------------------------------------------------------------------------------------------------------- our own fault
def test_wishes_that_our_own_fault_leaves_unanswered_are_the_dispatchers(office):
    item = place(office)
    wished(office, Phone(office, office.postmen[0]), item, kind="pick_up")
    with office.database.write() as session:
        tracking.give_up_answering(session, {"items": [str(item)]}, at=EVENING)
    told = the_answer(office, item)
    assert (told.outcome, told.code) == ("refused", "office-calls")
    with office.database.read() as session:
        [incident] = session.scalars(select(Incident).where(Incident.code == "wish-unanswered"))
    assert (incident.item_id, incident.postman_id, incident.owner_role) == (item, office.postmen[0].id, "dispatcher")


def test_the_bag_changes_its_version_when_the_office_has_answered(office):
    item = place(office)
    published(office)
    phone = take_out(office, office.postmen[0].id, [item], at=clock(10))
    wished(office, phone, item, at=clock(20), sent_at=clock(21), kind="instruct", text="nhà sau chợ")
    postman: Caller = office.postmen[0]

    def version() -> int:
        with office.database.read() as session:
            return bag.version_of(session, postman.id, DAY)

    before = version()
    answer(office, item, at=clock(22))
    assert version() > before
    # A wish that waits for the paper changes nothing that he would see.
    wished(office, phone, item, at=clock(30), sent_at=clock(31), kind="pick_up")
    before = version()
    answer(office, item, at=clock(32))
    assert version() == before
