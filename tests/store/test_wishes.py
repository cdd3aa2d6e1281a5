"""What a citizen asks for and what becomes of it: at the door, at the counter, and where the postman was quicker."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import select
from uuid_utils.compat import uuid7

from courier import dispatch, handover, notices, tracking
from courier.domain.calendar import local_day
from courier.domain.errors import Forbidden, Invalid, Missing, Refused
from courier.domain.item import EventType
from courier.domain.people import Caller, Role
from courier.store import links
from courier.store.tables import EventOfItem, Incident, Item, Message, Office
from courier.tracking import Wish
from tests.builders import DAY, MORNING, House, Phone, _caller, _staff, clock, done_right, paying
from tests.planning_office import GAZETTEER, open_office, place, published, take_out

LICENCE, RECORD = "giay_phep_lai_xe", "phieu_ly_lich_tu_phap_2"  # to whom he authorised; to the owner alone
ASKED_AT = clock(180)  # 10:30


@pytest.fixture
def office(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path, postmen=1)
    yield house
    house.desk.jobs.stop()


def ask(house: House, item, wish: Wish, *, at=MORNING, by: Caller | None = None) -> tracking.Granted:
    return tracking.request_change(house.desk, item, wish, asked_by=by, at=at)


def seen(house: House, item, *, at=MORNING) -> tracking.PublicView:
    """What the link shows to anybody."""
    token = links.token_for(house.desk.settings.secrets, item, 1)
    with house.database.write() as session:
        session.get_one(Item, item).link_digest = links.digest(token)
    return tracking.by_link(house.desk, token, visitor=None, at=at)


# --------------------------------------------------------------------------------------------------------- at the door
def test_what_is_said_of_the_door_reaches_the_postman_in_one_sentence_each(office):
    item = place(office)
    row = office.row(item)
    box = GAZETTEER._communes[row.commune_code].box
    inside = (round((box[0] + box[2]) / 2, 5), round((box[1] + box[3]) / 2, 5))
    ask(office, item, Wish("instruct", text="nhà sau chợ", landmark="cạnh trạm y tế", call_first=True, point=inside))
    row = office.row(item)
    assert row.instructions == (
        f"Gọi điện trước khi đến. Mốc dễ thấy: cạnh trạm y tế. nhà sau chợ Vị trí nhà: {inside[0]:.5f}, {inside[1]:.5f}."
    )
    assert (row.lat, row.lon, row.precision) == (*inside, "pin")


def test_a_point_in_another_commune_is_no_door_of_this_address(office):
    item = place(office)
    before = office.row(item)
    with pytest.raises(Refused, match="pin-elsewhere"):
        ask(office, item, Wish("instruct", point=(10.77, 106.70)))
    after = office.row(item)
    assert (after.lat, after.lon, after.instructions) == (before.lat, before.lon, None)


def test_saying_nothing_is_no_wish(office):
    with pytest.raises(Invalid):
        ask(office, place(office), Wish("instruct"))


def a_photo(size=(4000, 3000), *, kind="JPEG") -> bytes:
    picture = Image.new("RGB", size, "green")
    exif = Image.Exif()
    exif[0x0110] = "Máy ảnh của tôi"
    exif.get_ifd(0x8825)[2] = (9.0, 10.0, 30.0)  # where it was taken
    body = io.BytesIO()
    picture.save(body, kind, exif=exif)
    return body.getvalue()


def test_a_picture_of_the_gate_is_kept_small_and_without_what_the_camera_wrote(office):
    item = place(office)
    assert b"M\xc3\xa1y" in a_photo() or Image.open(io.BytesIO(a_photo())).getexif()
    ask(office, item, Wish("instruct", text="cổng xanh"))
    ask(office, item, Wish("instruct", photo=tracking.put_away_photo(office.desk, a_photo())))
    body = tracking.gate_photo(office.desk, office.dispatcher, item, at=MORNING)
    picture = Image.open(io.BytesIO(body))
    assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (1280, 960), {})
    assert office.row(item).instructions == "cổng xanh"
    [kept] = [f for f in (office.desk.settings.var_dir / "media").rglob("*") if f.is_file()]
    assert b"JFIF" not in kept.read_bytes()
    ask(office, item, Wish("instruct", text="cổng đỏ"))
    assert tracking.gate_photo(office.desk, office.dispatcher, item, at=MORNING) == body


@pytest.mark.parametrize("body", [b"", b"GIF89a", b"<svg/>", a_photo((60, 60))[:200]])
def test_what_is_no_picture_is_refused(office, body):
    with pytest.raises(Refused, match="not-a-picture"):
        tracking.put_away_photo(office.desk, body)


def test_a_small_file_that_claims_to_be_a_huge_picture_is_refused(office):
    body = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(body, "PNG")
    assert len(body.getvalue()) < tracking.MOST_PHOTO_BYTES
    with pytest.raises(Refused, match="not-a-picture"):
        tracking.put_away_photo(office.desk, body.getvalue())


def test_the_picture_is_for_its_office_and_the_postman_of_the_round(office, tmp_path):
    item = place(office)
    ask(office, item, Wish("instruct", photo=tracking.put_away_photo(office.desk, a_photo((40, 40)))))
    stranger = Caller(id=office.dispatcher.id, role=Role.DISPATCHER, name="", office_id=office.postmen[0].id)
    for nobody in (stranger, office.postmen[0]):
        with pytest.raises(Missing):
            tracking.gate_photo(office.desk, nobody, item, at=MORNING)
    published(office)
    assert tracking.gate_photo(office.desk, office.postmen[0], item, at=MORNING)


# ------------------------------------------------------------------------------------------------- what the paper allows
def test_who_may_be_named_and_where_it_may_go_is_the_paper_s_own_rule(office):
    licence, record = place(office, document_type=LICENCE), place(office, document_type=RECORD)
    named = ask(office, licence, Wish("authorise", person="Trần Văn Thử"))
    assert named.needs
    with pytest.raises(Refused, match="owner-only"):
        ask(office, record, Wish("authorise", person="Trần Văn Thử"))
    with pytest.raises(Refused, match="in-person-only"):
        ask(office, record, Wish("redirect", address="ấp 3, xã U Minh, Cà Mau"))


def test_twenty_requests_a_day_are_enough(office):
    item = place(office)
    for number in range(20):
        ask(office, item, Wish("instruct", text=f"lời dặn {number}"), at=clock(number))
    with pytest.raises(Refused, match="too-many-requests"):
        ask(office, item, Wish("instruct", text="thêm"), at=clock(21))
    assert ask(office, item, Wish("instruct", text="mai"), at=clock(21) + timedelta(days=1))


# ----------------------------------------------------------------------------------------------------------- collecting
def another_office(house: House, number: int, **fields) -> Caller:
    """An office beside the house, and the clerk at its counter."""
    with house.database.write() as session:
        own = session.get_one(Office, house.office_id)
        place_of = {"commune_code": own.commune_code, "lat": own.lat, "lon": own.lon}
        row = Office(id=tracking_id(number), code=f"BC-{number}", name=f"Bưu cục số {number}", **place_of, **fields)
        session.add(row)
        session.flush()
        clerk = _staff(f"clerk-{number}", Role.CLERK, row.id)
        session.add(clerk)
        session.flush()
        return _caller(clerk)


def report(house: House, caller: Caller, kind: EventType, item, *, at) -> None:
    handover.report(house.desk, caller, kind, event_id=uuid7(), item_ids=[item], data={}, at=at)


def told_by_message(house: House, item) -> list[str]:
    """What the recipient would be told now of everything that was recorded."""
    with house.database.read() as session:
        events = session.scalars(select(EventOfItem.event_id).where(EventOfItem.item_id == item)).all()
    effect = notices.tell_job(house.desk, {"events": [str(event) for event in events]}, at=clock(300))
    with house.database.write() as session:
        effect(session)
        return list(session.scalars(select(Message.kind).where(Message.item_id == item)))


@pytest.mark.parametrize("kind", ["office", "counter"])
def test_a_paper_is_collected_at_any_office_with_a_counter_once_it_has_been_received_there(office, kind):
    there = another_office(office, 1, kind=kind, parent_id=office.office_id if kind == "counter" else None)
    nowhere = another_office(office, 2, active=False)
    item = place(office)
    assert [row.id for row in tracking.offices_to_collect_at(office.desk, item)] == [office.office_id, there.office_id]
    with pytest.raises(Refused, match="other-office"):
        ask(office, item, Wish("pick_up", office=nowhere.office_id))
    granted = ask(office, item, Wish("pick_up", office=there.office_id))
    assert (granted.view.state, granted.view.office.name) == ("to_forward", "Bưu cục số 1")
    assert granted.view.held_until is None, "no time runs yet"
    with pytest.raises(Missing):
        tracking.get_item(office.desk, there, item)

    report(office, office.clerk, EventType.SENT_ON, item, at=clock(60))
    assert tracking.get_item(office.desk, there, item).row.state == "forwarded"
    assert told_by_message(office, item) == []
    with pytest.raises(Forbidden):
        report(office, office.clerk, EventType.ARRIVED, item, at=clock(70))

    report(office, there, EventType.ARRIVED, item, at=clock(24 * 60))
    row = office.row(item)
    assert (row.state, row.collect_at) == ("awaiting_pickup", there.office_id)
    assert row.held_until == local_day(clock(24 * 60)) + timedelta(days=30), "from the day on which it can be collected"
    assert seen(office, item, at=clock(24 * 60)).office.name == "Bưu cục số 1"
    assert told_by_message(office, item) == ["ready_to_collect"]

    charges = office.charges(item)
    data = done_right(paying(*((charge, charge.amount_dong) for charge in charges)))
    handover.report(
        office.desk, there, EventType.PICKED_UP, event_id=uuid7(), item_ids=[item], data=data, at=clock(25 * 60)
    )
    assert office.row(item).state == "picked_up"
    assert not any(office.balances(f"receivable:{item}").values())
    assert incidents(office, item) == []


def test_what_has_arrived_before_anybody_said_that_it_was_sent_has_arrived(office):
    there = another_office(office, 1)
    item = place(office)
    ask(office, item, Wish("pick_up", office=there.office_id))
    admin = Caller(id=office.dispatcher.id, role=Role.ADMIN, name="")
    report(office, admin, EventType.ARRIVED, item, at=clock(60))
    report(office, office.clerk, EventType.SENT_ON, item, at=clock(61))
    assert office.row(item).state == "awaiting_pickup"
    assert incidents(office, item), "the mail's book and the counter's do not agree: somebody looks at it"


def test_who_waits_at_another_office_is_on_nobodys_route(office):
    there = another_office(office, 1)
    item = place(office)
    published(office)
    assert office.row(item).state == "planned"
    ask(office, item, Wish("pick_up", office=there.office_id))
    day = json.loads(handover.daily_list(office.desk, office.postmen[0], day=DAY))
    assert day["stops"] == []
    assert dispatch.slots(office.desk, item, at=MORNING) == []


def test_a_postman_who_had_met_the_recipient_is_believed_before_the_mail(office):
    there = another_office(office, 1)
    item = place(office)
    phone, taken_out = the_way(office, item)
    ask(office, item, Wish("pick_up", office=there.office_id), at=ASKED_AT)
    phone.send(taken_out, phone.event("handed_over", [item], at=clock(130), **done_right()), at=clock(270))
    view = seen(office, item, at=clock(271))
    assert (view.state, view.overtaken.kind) == ("delivered", "pick_up")


def tracking_id(number: int):
    from tests.builders import number as made  # noqa: PLC0415

    return made(900 + number)


# ------------------------------------------------------------------------------------------------ the postman was quicker
def the_way(house: House, item) -> tuple[Phone, object]:
    """A route with the item, which the postman has taken out without a network."""
    published(house)
    assert house.row(item).state == "planned"
    phone = Phone(house, house.postmen[0])
    return phone, phone.event("taken_out", [item], at=clock(10))


def incidents(house: House, item) -> list[str]:
    with house.database.read() as session:
        rows = session.scalars(select(Incident).where(Incident.item_id == item, Incident.closed_at.is_(None)))
        return [row.sentence for row in rows]


def wishes_of(house: House, item) -> list[Wish]:
    slot = dispatch.slots(house.desk, item, at=ASKED_AT)[-1]
    dispatch.hold_slot(house.desk, item, slot.id, at=ASKED_AT)
    return [
        Wish("reschedule", day=slot.day, from_=slot.from_, to=slot.to),
        Wish("pick_up"),
    ]


@pytest.mark.parametrize("which", [0, 1], ids=["reschedule", "pick_up"])
@pytest.mark.parametrize("minutes", [130, 200], ids=["before the request", "after it"])
def test_a_request_granted_while_the_postman_was_out_of_reach_ends_in_an_answer_to_both(office, which, minutes):
    """10:30 is asked and granted; at noon the phone tells that the door was open at 9:40, or at 10:50."""
    item = place(office)
    phone, taken_out = the_way(office, item)
    wish = wishes_of(office, item)[which]
    assert ask(office, item, wish, at=ASKED_AT).view.state in ("received", "awaiting_pickup")
    assert seen(office, item, at=ASKED_AT).overtaken is None
    handed_over = phone.event("handed_over", [item], at=clock(minutes), **done_right())
    answer = phone.send(taken_out, handed_over, at=clock(270))
    assert set(answer.results) <= {"applied", "accepted_with_conflict"}
    view = seen(office, item, at=clock(271))
    assert view.state == "delivered"
    assert view.promise is None
    told = view.overtaken
    assert (told.kind, told.asked_at, told.done_at) == (wish.kind, ASKED_AT, clock(minutes))
    sentences = [sentence for sentence in incidents(office, item) if "không còn hiệu lực" in sentence]
    assert sentences
    assert all("10:30" in sentence for sentence in sentences)
    assert office.row(item).wanted_on is None or minutes == 200


def test_a_request_that_the_visit_fulfilled_did_not_fall_away(office):
    item = place(office)
    published(office)
    phone = take_out(office, office.postmen[0].id, [item], at=clock(10))
    ask(office, item, Wish("instruct", text="cổng xanh"), at=clock(30))
    phone.send(phone.event("handed_over", [item], at=clock(60), **done_right()), at=clock(61))
    assert seen(office, item, at=clock(90)).overtaken is None
    assert not [sentence for sentence in incidents(office, item) if "hiệu lực" in sentence]
