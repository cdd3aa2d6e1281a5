"""The sync: facts in any order, doubled, split, spoilt and by many phones at once come to the same state and the same money."""

import json
import random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError
from uuid_utils.compat import uuid7

from courier import handover
from courier.domain.errors import Forbidden
from courier.domain.money import Line, Posting
from courier.store import items, ledger
from courier.store.session import open_database
from courier.store.tables import (
    Device,
    EventOfItem,
    Incident,
    Item,
    ItemEvent,
    LedgerEntry,
    LedgerTx,
    QuarantinedEvent,
)
from tests.builders import DAY, Phone, a_house, clock, done_right, number, paying
from tests.examples import examples
from tests.faults import histories


@pytest.fixture
def house(database):
    return a_house(database)


@pytest.fixture
def phone(house):
    return Phone(house, house.postmen[0])


@pytest.fixture
def second(house):
    return Phone(house, house.postmen[1])


def delivery(phone: Phone, item: UUID, minutes: float = 10, **changed):
    """A handover in which every charge is paid in cash."""
    lines = paying(*((charge, charge.amount_dong) for charge in phone.house.charges(item)))
    return phone.event("handed_over", [item], minutes, **done_right(lines, **changed))


def aside(house) -> list[QuarantinedEvent]:
    with house.database.read() as session:
        return list(session.scalars(select(QuarantinedEvent).order_by(QuarantinedEvent.id)))


def stored(house) -> int:
    """How many events of phones are in the book."""
    with house.database.read() as session:
        return session.scalar(select(func.count()).select_from(ItemEvent).where(ItemEvent.device_id.is_not(None)))


def incidents(house, item=None, *, closed=False) -> list[str]:
    query = select(Incident.code).where(Incident.closed_at.is_not(None) if closed else Incident.closed_at.is_(None))
    query = query if item is None else query.where(Incident.item_id == item)
    with house.database.read() as session:
        return sorted(session.scalars(query))


@pytest.mark.parametrize(("subject", "expected"), [("minor", []), ("adult", ["receiver-not-allowed"])])
def test_a_father_receives_for_his_child_but_not_for_a_grown_up(house, phone, subject, expected):
    item = house.item(document_type="the_can_cuoc", subject=subject)
    father = {"name": "Người thử", "relation": "father", "id_check": "match", "id_last4": "0001"}
    phone.send(phone.event("taken_out", [item], 1), delivery(phone, item, receiver=father))
    assert incidents(house, item) == expected


# --------------------------------------------------------------------------------------------- the order of arrival
def test_a_plain_morning_is_applied_and_acknowledged(house, phone):
    item = house.item()
    answer = phone.send(phone.event("taken_out", [item], 1), delivery(phone, item))
    assert (answer.results, answer.ack_through) == (["applied", "applied"], 2)
    assert house.row(item).state == "delivered"
    assert incidents(house) == []


def test_the_handover_may_arrive_before_the_taking_out(house, phone):
    item = house.item()
    out, handed = phone.event("taken_out", [item], 1), delivery(phone, item)

    first = phone.send(handed)
    assert (first.results, first.ack_through) == (["accepted_with_conflict"], 0)
    assert house.row(item).state == "received"
    assert house.balances("suspense:") == {f"suspense:{house.office_id}": -165_000}

    assert phone.send(out).ack_through == 2
    assert house.row(item).state == "delivered"
    assert incidents(house) == []
    assert house.balances("suspense:") == {}
    assert house.balances("payable:") == {"payable:agency:PC08": -135_000, "payable:post": -30_000}


@pytest.mark.once
def test_twenty_phones_in_any_order_doubled_and_split_come_to_what_the_naive_story_says(database):
    """Two phones in each other's way at every item, sent by four threads: the database may refuse a request, never spoil it."""
    rng = random.Random(20)
    house = a_house(database, postmen=20)
    phones = [Phone(house, postman, rng=rng, id=histories._id(rng)) for postman in house.postmen]
    history = histories.invent(rng, house, phones, things=10, events=120)
    histories.deliver_all(rng, house, history, threads=4)
    wanted, got = histories.reference(house, history), histories.found(house)
    assert wanted == got, histories.explain(wanted, got)
    assert sum(got.accounts.values()) == 0
    histories.nothing_is_lost(house, history)


@pytest.mark.once
def test_small_histories_one_after_another_add_up_to_the_dong(database):
    n = examples(12, of=24)
    ran = histories.run(database, n=n, seed=7, at_once=12)
    assert ran.histories == n
    assert ran.events > 2.5 * n


@settings(max_examples=examples(2, of=5), suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_small_history_comes_to_the_naive_story(new_sqlite, seed):
    database = open_database(new_sqlite())
    histories.run(database, n=4, seed=seed, at_once=4)
    database.close()


# ------------------------------------------------------------------------------------------------- two postmen, one item
@pytest.mark.parametrize("order", ["bearer first", "stranger first"])
def test_of_two_handovers_the_money_of_the_one_without_the_paper_waits_in_suspense(house, phone, second, order):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1))
    bearer, stranger = delivery(phone, item, 20), delivery(second, item, 10)
    both = [(phone, bearer), (second, stranger)]
    for which, told in both if order == "bearer first" else both[::-1]:
        assert which.send(told).results[0] in ("applied", "accepted_with_conflict")

    assert house.row(item).state == "delivered"
    assert incidents(house) == ["another-had-custody"]
    assert house.balances() == {
        f"cash:{phone.bearer.id}:2026-11-25": 165_000,
        f"cash:{second.bearer.id}:2026-11-25": 165_000,
        f"suspense:{house.office_id}": -165_000,
        "payable:agency:PC08": -135_000,
        "payable:post": -30_000,
    }


def test_a_handover_by_someone_without_the_paper_counts_and_is_looked_at(house, phone, second):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1))
    assert second.send(delivery(second, item)).answers[0].code == "not-in-custody"
    assert house.row(item).state == "delivered"
    assert incidents(house) == ["not-in-custody"]
    assert house.balances("suspense:") == {}


# ------------------------------------------------------------------------------------------------------ once and whole
def test_the_same_event_again_is_a_duplicate_and_changes_nothing(house, phone):
    item = house.item()
    out, handed = phone.event("taken_out", [item], 1), delivery(phone, item)
    phone.send(out, handed)
    before = house.balances()
    again = phone.send(handed, out, handed)
    assert (again.results, again.ack_through) == (["duplicate"] * 3, 2)
    assert house.balances() == before
    assert stored(house) == 2


def test_the_order_of_members_does_not_make_another_event(house, phone):
    item = house.item()
    out = phone.event("taken_out", [item], 1)
    phone.send(out)
    assert phone.send(dict(reversed(out.items()))).results == ["duplicate"]


def test_the_same_id_with_other_content_is_set_aside_and_nothing_is_overwritten(house, phone):
    item = house.item()
    out, handed = phone.event("taken_out", [item], 1), delivery(phone, item)
    phone.send(out, handed)
    before = house.balances()
    forged = json.loads(json.dumps(handed))
    forged["data"]["collections"][0]["amount_dong"] = 1
    answer = phone.send(forged)
    assert (answer.results, answer.answers[0].code) == (["quarantined"], "same-id-other-content")
    assert [(row.code, row.body["event"]) for row in aside(house)] == [("same-id-other-content", forged)]
    assert house.balances() == before


def test_a_number_used_twice_is_set_aside(house, phone):
    item = house.item()
    out, failed = (
        phone.event("taken_out", [item], 1),
        phone.event("attempt_failed", [item], 2, reason="recipient_absent"),
    )
    failed["device_seq"] = 1
    answer = phone.send(out, failed)
    assert answer.results == ["applied", "quarantined"]
    assert answer.answers[1].code == "sequence-reused"
    assert house.row(item).state == "out"


def test_two_phones_may_use_the_same_numbers(house, phone, second):
    one, other = house.item(), house.item()
    phone.send(phone.event("taken_out", [one], 1))
    assert second.send(second.event("taken_out", [other], 1)).results == ["applied"]


def test_an_item_that_nobody_knows_is_set_aside_and_taken_in_when_it_is_known(house, phone):
    unknown = uuid7()
    told = phone.event("taken_out", [unknown], 1)
    answer = phone.send(told)
    assert (answer.answers[0].code, answer.ack_through) == ("unknown-item", 1)
    house.item(id=unknown)
    assert phone.send(told).results == ["applied"]


def test_another_offices_item_is_as_unknown_as_one_that_does_not_exist(house, phone):
    elsewhere = a_house(house.database, code="CN")
    theirs, ours = elsewhere.item(), house.item()
    answer = phone.send(phone.event("taken_out", [theirs], 1), phone.event("taken_out", [ours, theirs], 2))
    assert [a.code for a in answer.answers] == ["unknown-item"] * 2
    assert house.row(theirs).state == house.row(ours).state == "received"


def test_a_gap_delays_nothing_and_holds_only_the_acknowledgement_back(house, phone):
    item = house.item()
    told = [phone.event("taken_out", [item], 1)]
    told += [phone.event("attempt_failed", [item], 2 + n, reason="recipient_absent") for n in range(5)]
    sent = [0, 2, 5, 1, 4, 3]  # the numbers 1, 3, 6, 2, 5, 4
    acknowledged = [phone.send(told[n]).ack_through for n in sent]
    assert acknowledged == [1, 1, 1, 3, 3, 6]
    assert house.row(item).attempts == 5


@pytest.mark.once
def test_set_aside_counts_as_received(house, phone):
    item = house.item()
    spoilt = phone.event("planned", [item], 1)
    assert phone.send(spoilt, phone.event("taken_out", [item], 2)).ack_through == 2


# --------------------------------------------------------------------------------------------------- spoilt events
POISON = {
    "no event at all": None,
    "a list": [1, 2],
    "a text": "handed_over",
    "empty": {},
    "an item that is no id": {"items": ["x"]},
    "a NUL in free data": {"data": {"note": "a\0b"}},
    "a NUL as a name": {"data": {"\0": 1}},
    "half a surrogate": {"data": {"note": "\ud83d"}},
    "half a surrogate as its id": {"event_id": "\ud83d"},
    "a NUL in its id": {"event_id": "\0"},
    "a number beyond 64 bits": {"data": {"n": 2**80}},
    "no number at all": {"data": {"n": float("nan")}},
    "a sequence number beyond the column": {"device_seq": 2**40},
    "a giant sequence number": {"device_seq": 2**90},
    "a place that is none": {"position": {"lat": "\0"}},
    "a corrected that names nothing": {"type": "corrected", "data": {}},
}


@pytest.mark.once
def test_a_spoilt_event_is_set_aside_once_and_stops_nothing(house, phone):
    for n, (what, spoil) in enumerate(POISON.items(), 1):
        item = house.item()
        out = phone.event("taken_out", [item], 1)
        spoilt = {**phone.event("taken_out", [item], 2), **spoil} if isinstance(spoil, dict) and spoil else spoil
        handed = delivery(phone, item)

        answer = phone.send(out, spoilt, handed)
        again = phone.send(spoilt)

        assert answer.results == ["applied", "quarantined", "applied"], what
        assert again.results == ["quarantined"], what
        assert house.row(item).state == "delivered", what
        assert len(aside(house)) == n, what


def test_an_event_nested_without_end_is_set_aside_wherever_it_is_nested(house, phone):
    deep = []
    for _ in range(50_000):
        deep = [deep]
    for where in ("data", "items", "event_id", "position", "clock"):
        item = house.item()
        spoilt = {
            **phone.event("taken_out", [item], 1),
            where: [deep] if where in ("items", "event_id") else {"x": deep},
        }
        answer = phone.send(spoilt, phone.event("taken_out", [item], 2))
        assert answer.results == ["quarantined", "applied"], where
        assert aside(house)[-1].body["event"]["device_seq"] == spoilt["device_seq"], where


def test_what_was_set_aside_is_kept_word_for_word(house, phone):
    plain = {**phone.event("taken_out", [number(5)], 1), "extra": [1, "đ", None]}
    strange = {**phone.event("taken_out", [number(6)], 2), "data": {"n": 2**80, "t": "\0\ud83d"}}
    phone.send(plain, strange)
    kept = [row.body for row in aside(house)]
    assert kept[0] == {"event": plain}
    assert json.loads(kept[1]["json"]) == strange


def test_an_event_that_we_cannot_digest_is_set_aside_and_the_rest_is_taken_in(house, phone, monkeypatch):
    good, bad = house.item(), house.item()
    real = items.record

    def fails(session, new, bylaws):
        recorded = real(session, new, bylaws)
        if new.items == (bad,):
            raise KeyError("a fault of ours, after half the work")
        return recorded

    monkeypatch.setattr(items, "record", fails)
    answer = phone.send(phone.event("taken_out", [bad], 1), phone.event("taken_out", [good], 2))
    assert [(a.result, a.code) for a in answer.answers] == [("quarantined", "not-digested"), ("applied", None)]
    assert (house.row(bad).state, house.row(good).state) == ("received", "out")
    assert stored(house) == 1


def test_what_the_database_refuses_is_found_among_twenty_and_only_that_is_set_aside(house, phone):
    """A posting that the ledger does not take is noticed when all are written: the others are written all the same."""
    bag = [house.item() for _ in range(20)]
    told = [delivery(phone, item) for item in bag]
    refused = (3, 17)
    for place in refused:
        with house.database.write() as session:
            ledger.post(
                session,
                Posting("test", DAY, (Line("till:x", 5), Line("suspense:x", -5))),
                key=f"event:{told[place]['event_id']}:{bag[place]}:0",
                office_id=house.office_id,
                at=clock(1),
            )
    phone.send(phone.event("taken_out", bag, 1, at=clock(1)))
    answer = phone.send(*told)
    assert [n for n, result in enumerate(answer.results) if result != "applied"] == [*refused]
    assert {answer.answers[n].code for n in refused} == {"not-digested"}
    assert [house.row(item).state for item in bag] == ["out" if n in refused else "delivered" for n in range(20)]
    assert house.balances("cash:") == {f"cash:{phone.bearer.id}:{DAY}": 18 * 165_000}
    assert (stored(house), len(aside(house)), answer.ack_through) == (19, 2, 21)


def test_an_event_that_comes_twice_in_one_upload_is_recorded_once(house, phone):
    item = house.item()
    out, handed = phone.event("taken_out", [item], 1), delivery(phone, item)
    forged = {**handed, "occurred_at": clock(11).isoformat()}
    again = {**phone.event("attempt_failed", [item], 20, reason="recipient_absent"), "device_seq": 2}
    answer = phone.send(out, handed, handed, forged, again)
    assert answer.results == ["applied", "applied", "duplicate", "quarantined", "quarantined"]
    assert [a.code for a in answer.answers[3:]] == ["same-id-other-content", "sequence-reused"]
    assert house.balances("cash:") == {f"cash:{phone.bearer.id}:{DAY}": 165_000}


def test_when_the_database_fails_nothing_is_set_aside_and_the_phone_keeps_its_batch(house, phone, monkeypatch):
    """A deadlock or a full disk says nothing about the event."""
    item = house.item()
    out, handed = phone.event("taken_out", [item], 1), delivery(phone, item)
    real = items.record

    def fails(session, new, bylaws):
        if new.type == "handed_over":
            raise OperationalError("INSERT", {}, Exception("deadlock detected"))
        return real(session, new, bylaws)

    monkeypatch.setattr(items, "record", fails)
    with pytest.raises(OperationalError):
        phone.send(out, handed)
    monkeypatch.undo()
    assert (stored(house), aside(house), house.row(item).state) == (0, [], "received")
    assert phone.send(out, handed).results == ["applied", "applied"]


# ----------------------------------------------------------------------------------------------------- whose phone
def test_only_postmen_sync(house, phone):
    with pytest.raises(Forbidden):
        handover.sync(house.desk, house.dispatcher, device_id=phone.id, events=[], at=clock(600))


@pytest.mark.parametrize("trouble", ["revoked", "another's"])
def test_what_a_revoked_phone_or_anothers_phone_says_is_kept_aside(house, phone, second, trouble):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1))
    if trouble == "revoked":
        with house.database.write() as session:
            session.execute(update(Device).values(revoked_at=clock(5)))
        sender, code = phone, "device-revoked"
    else:
        sender, code = Phone(house, second.bearer, id=phone.id), "device-of-another"
        sender.seq = 1
    answer = sender.send(delivery(sender, item))
    assert (answer.results, answer.answers[0].code, answer.ack_through) == (["quarantined"], code, 1)
    assert house.row(item).state == "out"
    assert [row.code for row in aside(house)] == [code]


# ------------------------------------------------------------------------------------------------------ corrections
def test_a_correction_takes_the_money_back_out_of_the_pocket(house, phone):
    item = house.item()
    handed = delivery(phone, item)
    phone.send(phone.event("taken_out", [item], 1), handed)
    answer = phone.send(phone.event("corrected", [item], 30, corrects=handed["event_id"], reason="nhầm nhà"))
    assert answer.results == ["applied"]
    assert house.row(item).state == "out"
    assert house.balances() == {
        f"receivable:{item}": 165_000,
        "due:agency:PC08": -135_000,
        "due:post": -30_000,
    }


@pytest.mark.parametrize(
    "order",
    [
        (0, 1, 2),
        (2, 1, 0),
        (2, 0, 1),
        *(pytest.param(order, marks=pytest.mark.slow) for order in ((1, 2, 0), (0, 2, 1), (1, 0, 2))),
    ],
)
def test_a_correction_of_two_items_that_names_one_corrects_both_whatever_comes_first(house, phone, order):
    one, other = house.item(), house.item()
    charges = [*house.charges(one), *house.charges(other)]
    handed = phone.event("handed_over", [one, other], 10, **done_right(paying(*((c, c.amount_dong) for c in charges))))
    told = [
        phone.event("taken_out", [one, other], 1),
        handed,
        phone.event("corrected", [one], 20, corrects=handed["event_id"], reason="nhầm"),
    ]
    for place in order:
        phone.send(told[place])
    assert [house.row(item).state for item in (one, other)] == ["out", "out"]
    assert house.balances("cash:") == house.balances("suspense:") == {}
    assert incidents(house) == []


@pytest.mark.parametrize("order", ["act first", "correction first"])
def test_a_postman_cannot_take_back_what_another_did_whatever_comes_first(house, phone, second, order):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1))
    handed = delivery(phone, item)
    meddling = second.event("corrected", [item], 30, corrects=handed["event_id"], reason="x")
    for which, told in (
        [(phone, handed), (second, meddling)] if order == "act first" else [(second, meddling), (phone, handed)]
    ):
        which.send(told)
    assert house.row(item).state == "delivered"
    assert incidents(house) == ["not-your-act"]


def test_a_correction_names_an_event_and_leaves_items_alone_that_have_nothing_to_do_with_it(house, phone):
    mine, other = house.item(), house.item()
    handed = delivery(phone, other)
    phone.send(phone.event("taken_out", [mine, other], 1), handed)
    phone.send(phone.event("corrected", [mine], 30, corrects=handed["event_id"], reason="nhầm bưu gửi"))
    assert [house.row(item).state for item in (mine, other)] == ["out", "delivered"]
    assert incidents(house) == ["nothing-to-correct"]
    with house.database.read() as session:
        about = session.scalars(
            select(EventOfItem.item_id)
            .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
            .where(ItemEvent.type == "corrected")
        ).all()
    assert about == [mine]


# ------------------------------------------------------------------------------------------------------ the cost
def statements(house, phone, *events) -> int:
    """How many statements one upload costs."""
    count = 0

    def seen(*_):
        nonlocal count
        count += 1

    sqlalchemy_event.listen(house.database.engine, "before_cursor_execute", seen)
    answer = phone.send(*events)
    sqlalchemy_event.remove(house.database.engine, "before_cursor_execute", seen)
    assert set(answer.results) == {"applied"}
    return count


def test_what_was_stored_before_makes_an_upload_no_dearer(house, phone):
    first = statements(house, phone, phone.event("taken_out", [house.item()], 1))
    for _ in range(5):
        phone.send(phone.event("taken_out", [house.item()], 1))
    assert statements(house, phone, phone.event("taken_out", [house.item()], 1)) <= first


def test_an_upload_of_twenty_events_about_forty_items_costs_the_statements_of_one_of_two(house, phone):
    def upload(doors: int):
        bag = [house.item() for _ in range(2 * doors)]
        money = {item: house.charges(item) for item in bag}
        told = [phone.event("taken_out", bag, 1)]
        for n in range(doors):
            pair = bag[2 * n : 2 * n + 2]
            lines = paying(*((charge, charge.amount_dong) for item in pair for charge in money[item]))
            told.append(phone.event("handed_over", pair, 2 + n, **done_right(lines)))
        return told

    phone.send()
    few = statements(house, phone, *upload(1))
    many = statements(house, phone, *upload(19))
    assert many == few
    assert many < 50


def test_an_upload_is_one_transaction(house, phone):
    bag, begun = [house.item() for _ in range(3)], 0
    told = [phone.event("taken_out", bag, 1), *(delivery(phone, item) for item in bag), None]

    def begins(_):
        nonlocal begun
        begun += 1

    sqlalchemy_event.listen(house.database.engine, "begin", begins)
    phone.send(*told)
    sqlalchemy_event.remove(house.database.engine, "begin", begins)
    assert begun == 1


@pytest.mark.once
def test_one_upload_leaves_what_the_same_events_one_by_one_leave(new_database):
    """Down to each posting and each incident that was closed again: nobody can tell how the phone had cut its day."""

    def books(cut: bool):
        database = open_database(new_database())
        rng = random.Random(11)
        house = a_house(database, postmen=2)
        phones = [Phone(house, postman, rng=rng, id=histories._id(rng)) for postman in house.postmen]
        history = histories.invent(rng, house, phones, things=5, events=40)
        answers = []
        for batch in histories.batches(random.Random(12), history):
            if batch.phone is None:
                histories.deliver(house, batch)
                continue
            bodies = [told.body for told in batch.told]
            uploads = [[body] for body in bodies] if cut else [bodies]
            answers += [a for upload in uploads for a in batch.phone.send(*upload).answers]
        known_as = {postman.id: f"postman {n}" for n, postman in enumerate(house.postmen)}
        known_as |= {house.office_id: "office", house.clerk.id: "clerk", house.dispatcher.id: "dispatcher"}
        found = written(house)
        database.close()
        return answers, sorted(_told_with(row, known_as) for row in found)

    def _told_with(row, names) -> str:
        text = repr(row)
        for known, name in names.items():
            text = text.replace(str(known), name)
        return text

    (said, one), (said_too, other) = books(cut=False), books(cut=True)
    assert said == said_too
    assert set(one) ^ set(other) == set()
    assert one == other


def written(house) -> list[tuple]:
    """Every row that follows from events, without the ids that the server made up."""
    with house.database.read() as session:
        lines = {}
        for entry in session.scalars(select(LedgerEntry).order_by(LedgerEntry.tx_id, LedgerEntry.line)):
            lines.setdefault(entry.tx_id, []).append((entry.account, entry.amount_dong, entry.charge_id))
        posted = [
            (tx.event_id, tx.item_id, tx.kind, tx.day, tx.posted_by, tx.reverses is None, lines[tx.id])
            for tx in session.scalars(select(LedgerTx))
        ]
        opened = [
            (i.event_id, i.item_id, i.code, i.sentence, i.postman_id, i.about_money, i.owner_role, i.closed_at)
            for i in session.scalars(select(Incident))
        ]
        events = [
            (e.id, e.actor_id, e.device_seq, e.result, e.code)
            for e in session.scalars(select(ItemEvent).where(ItemEvent.type != "received"))
        ]
        stand = [
            (i.id, i.state, i.custody, i.custody_holder, i.attempts, i.not_before, i.held_until, i.version)
            for i in session.scalars(select(Item))
        ]
    return [*posted, *opened, *events, *stand]


def test_the_answer_names_events_in_the_order_sent(house, phone):
    item = house.item()
    told = [phone.event("taken_out", [item], 1), phone.event("attempt_failed", [item], 2, reason="refused")]
    assert [a.event_id for a in phone.send(*told[::-1]).answers] == [told[1]["event_id"], told[0]["event_id"]]


def test_an_empty_batch_is_a_question_how_far_the_server_is(house, phone):
    assert phone.send().ack_through == 0
    phone.send(phone.event("taken_out", [house.item()], 1))
    assert phone.send().ack_through == 1
    with house.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM device")) == 1
