"""Rights over stored data: who looked, the two-day clock, and forgetting, judged by reading every column of every table."""

# ruff: noqa: S608 (the names of our own tables)

import io
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from courier import complaints, nightly, prepaying, privacy, ratings, tracking
from courier.domain.calendar import ZONE
from courier.domain.citizen_rights import Trouble, Wish
from courier.domain.errors import Invalid, Missing, Refused, Stale
from courier.domain.notices import Kind
from courier.domain.people import Role
from courier.settings import DEMO_ACCOUNT, Secrets
from courier.store import erasing, media, messages, sealing
from courier.store.media import Shelf
from courier.store.tables import (
    AuditEntry,
    DataRequest,
    Erasure,
    EventOfItem,
    ImportBatch,
    ImportRow,
    Incident,
    Item,
    ItemDigest,
    ItemEvent,
    Media,
    Message,
    ProvenVisitor,
    QuarantinedEvent,
    Table,
)
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, paying

SECRETS = Secrets(id_number_key=b"1" * 32, blind_index_key=b"2" * 32, link_key=b"3" * 32, form_key=b"4" * 32)
NAME, PHONE, ID_NUMBER = "Lê Thị Cần Quên", "0599000042", "096199000042"
ADDRESS, WORDS, RECEIVER = "Nhà số 7 cạnh cầu Kinh Xáng", "Cổng xanh, gọi chú Tư 0599000043", "Trần Văn Nhận Hộ"


class Asked(list):
    """What was asked of the job engine, instead of the engine: `run` does it now, as often as one likes."""

    def enqueue(self, _session, kind, payload, *, key):
        self.append((kind, payload, key))

    def run(self, desk, *, at):
        for payload in [payload for kind, payload, _ in self if kind == privacy.JOB]:
            effect = privacy.job(desk, payload, at=at)
            with desk.database.write() as session:
                effect(session)


@pytest.fixture
def house(database, tmp_path):
    house = a_house(database)
    house.desk = replace(
        house.desk, settings=SimpleNamespace(bank=DEMO_ACCOUNT, secrets=SECRETS, var_dir=tmp_path), jobs=Asked()
    )
    return house


@pytest.fixture
def admin(house):
    return replace(house.dispatcher, role=Role.ADMIN, office_id=None)


def ask(house, item, kind=Wish.ERASE, words="", *, at=MORNING):
    return privacy.ask(house.desk, item, kind=kind, words=words, at=at)


def decide(house, admin, asked, *, grant=True, reason="Theo yêu cầu.", version=1, at=None):
    return privacy.decide(
        house.desk, admin, asked.row.id, grant=grant, reason=reason, version=version, at=at or clock(700)
    )


def delivered(house, item, *, receiver=RECEIVER):
    phone = Phone(house, house.postmen[0])
    charges = [(charge, charge.amount_dong - charge.prepaid_dong) for charge in house.charges(item)]
    data = done_right(paying(*charges))
    data["receiver"] |= {"name": receiver}
    phone.send(
        phone.event("taken_out", [item], 5),
        phone.event("noted", [item], 6, text=WORDS),
        phone.event("pinned", [item], 7, lat=9.123456, lon=104.654321),
        phone.event("handed_over", [item], 10, **data),
        at=clock(15),
    )


def a_person_with_traces(house):
    """One item whose recipient has left a trace wherever people leave one."""
    item = house.item()
    with house.database.write() as session:
        row = session.get_one(Item, item)
        row.recipient_name, row.recipient_phone, row.address_raw, row.note = NAME, PHONE, ADDRESS, f"Hỏi {NAME}"
        row.search_text = f"{row.barcode} {PHONE} le thi can quen"
        row.lat, row.lon, row.precision = 9.123456, 104.654321, "pin"
        row.id_number_sealed = sealing.seal(ID_NUMBER, row=item, secrets=SECRETS)
        row.id_number_index = sealing.blind_index(ID_NUMBER, secrets=SECRETS)
        batch = ImportBatch(
            id=uuid7(), office_id=house.office_id, imported_by=house.dispatcher.id, filename="a.xlsx", sha256="0", at=MORNING,
            accepted=1, duplicates=0, doubtful=0, rejected=0,
        )  # fmt: skip
        session.add(batch)
        session.flush()
        session.add(
            ImportRow(
                batch_id=batch.id, row=2, outcome="accepted", item_id=item,
                errors=[{"field": "Họ tên", "code": "odd", "message": f"Tên lạ: {NAME}"}],
            )
        )  # fmt: skip
        draft = messages.Draft(
            kind=Kind.DELIVERED, phone=PHONE, dedupe_key="thu", not_before=MORNING, expires_at=clock(900), item_id=item,
            office_id=house.office_id, words={"name": NAME},
        )  # fmt: skip
        messages.post(session, SimpleNamespace(enqueue=lambda *_, **__: None), draft, secrets=SECRETS, at=MORNING)
        session.add(ItemDigest(item_id=item, kind="id_number", day=DAY, salt=b"s", rounds=1, digest=b"d"))
        session.add(ProvenVisitor(id=uuid7(), item_id=item, token_hash="x", at=MORNING, expires_at=MORNING))
        session.add(
            QuarantinedEvent(
                id=uuid7(), device_id=uuid7(), staff_id=house.postmen[0].id, office_id=house.office_id, event_id="?",
                device_seq=None, code="unreadable-x", body={"items": [str(item)], "data": {"receiver": NAME}}, body_hash="h",
                received_at=MORNING,
            )
        )  # fmt: skip
    photo = tracking.put_away_photo(house.desk, a_picture())
    door = {"text": WORDS, "landmark": "Quán Bà Tám Lạ", "photo": photo}
    for kind, said in (("instruct", door), ("authorise", {"person": RECEIVER})):
        wish = tracking.Wish(kind=kind, **said)
        tracking.request_change(house.desk, item, wish, asked_by=house.clerk, at=MORNING)
    order = prepaying.ask(house.desk, item, payee="post", at=MORNING)
    prepaying.note(
        house.desk, house.cashier, reference="FT1", amount_dong=order.amount_dong, purpose=f"{NAME} {order.purpose}",
        booked_on=DAY, at=MORNING,
    )  # fmt: skip
    delivered(house, item)
    ratings.rate(house.desk, item, stars=4, words=f"{RECEIVER} vui", at=clock(20))
    case = complaints.file(house.desk, item, kind=Trouble.LATE, words=f"Tôi là {NAME}", filed_by=None, at=clock(21))
    complaints.answer(
        house.desk, house.dispatcher, case.row.id, words=f"Gửi {NAME}", compensation_dong=None, version=1, at=clock(22)
    )
    with house.database.write() as session:
        session.add(
            Incident(
                id=uuid7(), office_id=house.office_id, code="thu", sentence=f"Gọi {NAME} số {PHONE}", item_id=item, day=DAY,
                owner_role="dispatcher", opened_at=MORNING, closed_at=MORNING, resolution=f"đã gặp {RECEIVER.upper()}",
            )
        )  # fmt: skip
    return item


def a_picture():
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(picture, "PNG")
    return picture.getvalue()


def everything(database):
    """Every value of every column of every table as text, ours and the job engine's: no model of ours is asked."""
    found = []
    with database.engine.connect() as connection:
        catalogue = inspect(connection)
        for schema in catalogue.get_schema_names():
            if schema in ("information_schema", "pg_catalog") or schema.startswith("pg_toast"):
                continue
            for name in catalogue.get_table_names(schema=schema):
                quoted = ".".join(f'"{part}"' for part in (schema, name))
                rows = connection.execute(text(f"SELECT * FROM {quoted}"))
                found += [(name, " ".join(_text(value) for value in row)) for row in rows]
        connection.rollback()
    return found


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)


NEEDLES = (
    NAME, PHONE, ID_NUMBER, ADDRESS, WORDS, RECEIVER, RECEIVER.upper(), "Cần Quên", "can quen", "0599000043", "chú Tư", "Kinh Xáng",
    "9.123456", "104.654321", "9.12346", "Bà Tám Lạ",
)  # fmt: skip


def traces(database, needles=NEEDLES):
    def stands(needle, line):
        # SQLite's JSON is text as it is; PostgreSQL's comes back as Python shows it.
        return needle in line or needle.encode("unicode_escape").decode() in line

    return sorted(
        {(table, needle) for table, line in everything(database) for needle in needles if stands(needle, line)}
    )


# --------------------------------------------------------------------------------------------------------- forgetting
def test_after_the_erasure_no_table_holds_the_person_and_the_money_is_as_it_was(house, admin, database):
    item, other = a_person_with_traces(house), house.item()
    left_traces = {table for table, _ in traces(database)}
    assert left_traces >= {
        "item", "event", "shift_event", "change_request", "complaint", "rating", "incident", "import_row", "quarantined_event",
        "bank_notice",
    }, "the oracle proves nothing where no trace was left"  # fmt: skip
    balances = house.balances()
    shelf = Shelf(house.desk.settings.var_dir / "media")
    gate = shelf.finished(house.row(item).gate_photo)
    assert gate.exists()
    decide(house, admin, ask(house, item, words=f"Tôi, {NAME}, muốn xóa", at=clock(30)))
    house.desk.jobs.run(house.desk, at=clock(800))
    assert traces(database) == []
    assert not gate.exists()
    assert house.balances() == balances
    row = house.row(item)
    assert (row.recipient_phone, row.id_number_sealed, row.id_number_index, row.lat, row.state) == (
        None, None, None, None, "delivered",
    )  # fmt: skip
    assert house.row(other).recipient_name == "Nguyễn Văn Mẫu"
    with database.read() as session:
        acts = session.scalars(select(ItemEvent).where(ItemEvent.type == "handed_over")).one()
        assert acts.data["collections"]
        assert acts.data["receiver"] == {
            "name": erasing.GONE, "relation": "owner", "id_check": "match", "id_last4": None,
        } | {k: v for k, v in acts.data["receiver"].items() if k not in ("name", "relation", "id_check", "id_last4")}  # fmt: skip
        for table in (ItemDigest, ProvenVisitor):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert session.scalars(select(DataRequest)).one().state == "done"
        message = session.scalars(select(Message)).one()
        assert (message.sealed, message.to_index, message.to_masked, message.state) == (None, "", "", "suppressed")


def test_doing_it_twice_changes_nothing_more(house, admin, database):
    item = a_person_with_traces(house)
    decide(house, admin, ask(house, item, at=clock(30)))
    house.desk.jobs.run(house.desk, at=clock(800))
    before = sorted(everything(database))
    house.desk.jobs.run(house.desk, at=clock(900))
    with database.write() as session:
        shelf = Shelf(house.desk.settings.var_dir / "media")
        assert erasing.erase(session, item, shelf=shelf, why="retention", at=clock(901)) is False
    assert sorted(everything(database)) == before


def test_two_of_one_household_are_not_taken_for_one_afterwards(house, admin):
    items = [house.item(charges=()) for _ in range(2)]
    for item in items:
        delivered(house, item)
        decide(house, admin, ask(house, item, at=clock(30)))
    house.desk.jobs.run(house.desk, at=clock(800))
    assert len({house.row(item).recipient_name for item in items}) == 2


def test_the_book_of_events_takes_no_other_change_and_none_of_items_that_were_not_forgotten(house, admin, database):
    erased, kept = house.item(charges=()), house.item(charges=())
    for item in (erased, kept):
        delivered(house, item)
    decide(house, admin, ask(house, erased, at=clock(30)))
    house.desk.jobs.run(house.desk, at=clock(800))

    def of(item):
        return f"(SELECT event_id FROM event_item WHERE item_id = '{item}')"

    for statement in (
        f"UPDATE event SET data = '{{}}' WHERE id IN {of(kept)}",
        f"UPDATE event SET type = 'lost' WHERE id IN {of(erased)}",
        f"UPDATE event SET occurred_at = received_at, payload_hash = 'x' WHERE id IN {of(erased)}",
        f"UPDATE event SET actor_id = NULL, data = '{{}}' WHERE id IN {of(erased)}",
        f"DELETE FROM event WHERE id IN {of(erased)}",
        "UPDATE erasure SET why = 'retention'",
        "DELETE FROM erasure",
    ):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
            session.execute(text(statement))


def test_every_table_that_speaks_of_items_is_treated_or_kept_for_a_reason():
    about = {
        name
        for name, table in Table.metadata.tables.items()
        if name != "item" and any(key.column.table.name == "item" for key in table.foreign_keys)
    }
    assert about == erasing.TREATED | set(erasing.KEPT), "say in courier/store/erasing.py what is forgotten there"
    assert not erasing.TREATED & set(erasing.KEPT)


# ------------------------------------------------------------------------------------------------- what is not erased
def test_what_the_law_still_needs_is_not_erased(house, admin):
    item = house.item()
    under_way = ask(house, item, at=clock(1))
    with pytest.raises(Refused, match="still-under-way"):
        decide(house, admin, under_way)
    delivered(house, item)
    case = complaints.file(house.desk, item, kind=Trouble.OTHER, words="x", filed_by=None, at=clock(21))
    with pytest.raises(Refused, match="complaint-open"):
        decide(house, admin, under_way)
    complaints.answer(
        house.desk, house.dispatcher, case.row.id, words="x", compensation_dong=None, version=1, at=clock(22)
    )
    decide(house, admin, under_way)
    unpaid = house.item()
    phone = Phone(house, house.postmen[1])
    phone.send(phone.event("taken_out", [unpaid], 5), phone.event("handed_over", [unpaid], 6, **done_right()))
    with pytest.raises(Refused, match="money-open"):
        decide(house, admin, ask(house, unpaid, at=clock(30)))


def test_a_refusal_says_why_and_does_nothing(house, admin, database):
    item = house.item()
    refused = decide(house, admin, ask(house, item), grant=False, reason="Hồ sơ chưa phát xong.")
    assert (refused.row.state, refused.row.decision) == ("refused", "Hồ sơ chưa phát xong.")
    assert privacy.JOB not in {kind for kind, *_ in house.desk.jobs}
    assert house.row(item).recipient_name == "Nguyễn Văn Mẫu"
    with pytest.raises(Refused, match="already-decided"):
        decide(house, admin, refused, version=2)
    fresh = ask(house, item, at=clock(5))
    for wrong, fault in (({"version": 9}, Stale), ({"reason": " "}, Invalid), ({"reason": "x" * 1001}, Invalid)):
        with pytest.raises(fault):
            decide(house, admin, fresh, grant=False, **wrong)
    with pytest.raises(Missing):
        privacy.decide(house.desk, admin, UUID(int=1), grant=False, reason="x", version=1, at=MORNING)


def test_a_restricted_item_is_delivered_but_not_found_by_searching(house, admin, database):
    item = house.item()
    with database.write() as session:
        session.get_one(Item, item).search_text = "le thi can quen"
    desk = replace(house.desk, settings=SimpleNamespace(base_url="http://x", secrets=SECRETS))

    def found(who):
        return [view.row.id for view in tracking.find_items(desk, who, q="cần quên")]

    assert found(house.clerk) == [item]
    decide(house, admin, ask(house, item, Wish.RESTRICT))
    house.desk.jobs.run(house.desk, at=clock(800))
    assert (found(house.clerk), found(house.dispatcher), found(admin)) == ([], [], [item])
    assert tracking.get_item(desk, house.clerk, item).row.restricted_at == clock(800)
    delivered(house, item)
    assert house.row(item).state == "delivered"


# ---------------------------------------------------------------------------------------------------------- the clock
@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-11-25T08:00", "2026-11-27"),  # Wed -> Fri
        ("2026-11-26T23:59", "2026-11-30"),  # Thu -> Mon
        ("2026-11-21T10:00", "2026-11-25"),  # Sat: Mon, (Tue is a holiday), Wed
        ("2026-11-20T10:00", "2026-11-25"),
    ],
)
def test_a_request_is_answered_within_two_working_days(house, asked, due):
    at = datetime.fromisoformat(asked).replace(tzinfo=ZONE)
    assert ask(house, house.item(), at=at).row.due_on == date.fromisoformat(due)


def test_the_night_after_its_day_the_admin_is_told_once(house, admin, database):
    item = house.item()
    asked = ask(house, item)  # due on Friday the 27th
    nightly.run(house.desk, at=datetime(2026, 11, 27, 23, tzinfo=ZONE))
    assert privacy.queue(house.desk, at=MORNING)[0].is_overdue is False
    for _ in range(2):
        nightly.run(house.desk, at=datetime(2026, 11, 28, 2, tzinfo=ZONE))
    with database.read() as session:
        (told,) = session.scalars(select(Incident).where(Incident.code == privacy.OVERDUE))
    assert (told.owner_role, told.item_id) == ("admin", item)
    assert privacy.queue(house.desk, at=datetime(2026, 11, 28, 2, tzinfo=ZONE))[0].is_overdue is True
    decide(house, admin, asked, grant=False)
    with database.read() as session:
        assert session.scalars(select(Incident).where(Incident.code == privacy.OVERDUE)).one().closed_at is not None


def test_requests_are_bounded(house):
    item = house.item()
    for kind in Wish:
        ask(house, item, kind)
        with pytest.raises(Refused, match="already-asked"):
            ask(house, item, kind)
    with pytest.raises(Invalid):
        ask(house, house.item(), words="x" * 1001)


# ---------------------------------------------------------------------------------------------------------- who looked
def test_who_looked_is_told_by_role_and_office_never_by_name_and_a_page_turned_twice_is_one_look(house, database):
    item, other = house.item(), house.item()
    for who, minutes in ((house.clerk, 0), (house.clerk, 9), (house.clerk, 20), (house.dispatcher, 21)):
        privacy.note_look(house.desk, who, item, at=clock(minutes))
    assert [(look.role, look.office, look.at) for look in privacy.looks(house.desk, item)] == [
        ("dispatcher", "Bưu cục thử UM", clock(21)),
        ("clerk", "Bưu cục thử UM", clock(20)),
        ("clerk", "Bưu cục thử UM", clock(0)),
    ]
    assert privacy.looks(house.desk, other) == []
    assert house.clerk.name not in repr(privacy.looks(house.desk, item))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditEntry)) == 3


def test_what_is_stored_is_told_whole_and_of_the_id_number_four_digits(house):
    item = a_person_with_traces(house)
    told = privacy.stored(house.desk, item, at=clock(30))
    assert told["person"]["id_number"] == f"•••• {ID_NUMBER[-4:]}"
    words = repr(told)
    assert ID_NUMBER not in words
    for trace in (NAME, PHONE, ADDRESS, WORDS, RECEIVER, f"Gửi {NAME}"):
        assert trace in words
    assert house.postmen[0].name not in words
    assert str(house.postmen[0].id) not in words
    assert told["item"]["kept_until"] == str(DAY + timedelta(days=730))
    assert privacy.stored(house.desk, house.item(), at=MORNING)["item"]["kept_until"] is None


# ---------------------------------------------------------------------------------------------------------- retention
def test_at_night_who_was_kept_long_enough_is_forgotten_and_nobody_else(house, admin, database):
    done, under_way = house.item(charges=()), house.item(charges=())
    delivered(house, done)
    last = clock(15)
    for at, forgotten in ((last + timedelta(days=730), 0), (last + timedelta(days=730, seconds=1), 1)):
        assert nightly.run(house.desk, at=at)["recipients_forgotten"] == forgotten
    assert nightly.run(house.desk, at=last + timedelta(days=800))["recipients_forgotten"] == 0
    with database.read() as session:
        assert [(row.item_id, row.why) for row in session.scalars(select(Erasure))] == [(done, "retention")]
    assert house.row(under_way).recipient_name == "Nguyễn Văn Mẫu"


def test_proofs_of_what_was_forgotten_go_when_nobody_can_complain_any_more(house):
    """Six months after the act, by data/citizen_rights.json; what another act still names stays."""
    shelf = Shelf(house.desk.settings.var_dir / "media")
    mine, shared, late = "a" * 64, "b" * 64, "c" * 64
    gone, there = house.item(), house.item()
    phone = Phone(house, house.postmen[0])

    def proof(*digests):
        return [{"kind": "photo_place", "sha256": digest} for digest in digests]

    for item, digests, at in ((gone, (mine, shared), clock(10)), (there, (shared, late), clock(20))):
        data = done_right(paying(*((c, c.amount_dong) for c in house.charges(item))), proofs=proof(*digests))
        phone.send(phone.event("taken_out", [item], at=at), phone.event("handed_over", [item], at=at, **data), at=at)
    with house.database.write() as session:
        for digest in (mine, shared, late):
            shelf.keep(digest, b"sealed")
            media.note_arrival(
                session, digest, sender=house.postmen[0].id, media_type="image/jpeg", size=6, at=clock(30)
            )
        erasing.erase(session, gone, shelf=shelf, why="request", at=clock(40))
    half_a_year = clock(10) + timedelta(days=180)
    assert nightly.run(house.desk, at=half_a_year)["proofs_forgotten"] == 0
    assert all(shelf.finished(digest).exists() for digest in (mine, shared, late))
    after = clock(10) + timedelta(days=6 * 31, minutes=1)
    assert nightly.run(house.desk, at=after)["proofs_forgotten"] == 2
    assert [shelf.finished(digest).exists() for digest in (mine, shared, late)] == [False, True, True]
    with house.database.read() as session:
        assert {row.sha256 for row in session.scalars(select(Media))} == {shared, late}
        [act] = session.scalars(
            select(ItemEvent.id)
            .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
            .where(EventOfItem.item_id == gone, ItemEvent.type == "handed_over")
        )
        assert media.waited_for(session, [act]) == set(), "nobody waits for what was thrown away"
    assert nightly.run(house.desk, at=after)["proofs_forgotten"] == 0
