"""What follows from an item's events in the database: projection, money, incidents, and what a closed day changes."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from courier import cashdesk, handover, incidents
from courier.domain.errors import Forbidden, Invalid, Missing, Refused
from courier.domain.item import Direction, EventType
from courier.store import items
from courier.store.tables import Incident, ItemEvent, LedgerTx
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, paying, the_facts

EVENING = clock(660)
FEE, POSTAGE = 135_000, 30_000


@pytest.fixture
def house(database):
    return a_house(database)


@pytest.fixture
def phone(house):
    return Phone(house, house.postmen[0])


@pytest.fixture
def second(house):
    return Phone(house, house.postmen[1])


def delivery(phone: Phone, item: UUID, minutes: float = 10, *, short: int = 0, method: str = "cash", **changed):
    fee, postage = phone.house.charges(item)
    lines = paying((fee, fee.amount_dong - short, method), (postage, postage.amount_dong, method))
    return phone.event("handed_over", [item], minutes, **done_right(lines, **changed))


def correction(phone: Phone, item: UUID, told, minutes: float):
    return phone.event("corrected", [item], minutes, corrects=told["event_id"], reason="nhầm")


def desk(house, kind: str, item: UUID, *, at=None, **data) -> items.Recorded:
    return handover.report(
        house.desk, house.dispatcher, EventType(kind), event_id=uuid7(), item_ids=[item], data=data, at=at or clock(500)
    )


def close_the_day(house, phone: Phone, notes: dict[str, int], *, at=EVENING, reason: str | None = None) -> None:
    cashdesk.remit(house.desk, house.cashier, phone.bearer.id, DAY, counted=notes, difference_reason=reason, at=at)


def cash(phone: Phone, day: date = DAY) -> str:
    return f"cash:{phone.bearer.id}:{day}"


def open_incidents(house) -> list[Incident]:
    with house.database.read() as session:
        return list(session.scalars(select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.code)))


def codes(house) -> list[str]:
    return [incident.code for incident in open_incidents(house)]


def decided(house, incident: Incident, *, by) -> None:
    incidents.close_incident(house.desk, by, incident.id, resolution="Đã hỏi bưu tá.", at=clock(610))


OWED = {"payable:agency:PC08": -FEE, "payable:post": -POSTAGE}


# ---------------------------------------------------------------------------------------------------- the projection
def test_an_item_shows_what_its_events_amount_to(house, phone):
    item = house.item()
    before = house.row(item).version
    phone.send(phone.event("taken_out", [item], 1))
    out = house.row(item)
    assert (out.state, out.custody, out.custody_holder) == ("out", "postman", phone.bearer.id)
    assert out.version == before + 1

    phone.send(phone.event("attempt_failed", [item], 2, reason="recipient_absent"))
    tried = house.row(item)
    # Wednesday 25 November, in the countryside: two working days on is Friday, thirty days on is Christmas.
    assert (tried.state, tried.attempts) == ("attempted", 1)
    assert (tried.not_before, tried.held_until) == (date(2026, 11, 27), date(2026, 12, 25))

    phone.send(phone.event("brought_back", [item], 3))
    home = house.row(item)
    assert (home.state, home.custody, home.custody_holder) == ("held", "office", None)


def test_a_wish_for_a_day_is_spent_by_the_attempt_that_follows_it(house, phone):
    item = house.item()
    with house.database.write() as session:
        items.record_intent(
            session,
            EventType.RESCHEDULED,
            [item],
            caller=house.dispatcher,
            at=MORNING - timedelta(hours=1),
            bylaws=the_facts().bylaws,
            data={"on": "2026-11-25", "from": 27_000, "to": 30_600},
        )
    assert (house.row(item).wanted_on, house.row(item).wanted_from, house.row(item).moves) == (DAY, 27_000, 1)
    failed = phone.event("attempt_failed", [item], 2, reason="recipient_absent")
    phone.send(phone.event("taken_out", [item], 1), failed)
    assert (house.row(item).wanted_on, house.row(item).wanted_from) == (None, None)
    phone.send(correction(phone, item, failed, 3))
    assert house.row(item).wanted_on == DAY, "the attempt never was, so the wish still stands"


def test_a_fact_before_the_house_knew_any_rule_does_not_stop_the_item(house, phone):
    """A phone that woke up in 2010 reports from an unknown moment; its fact counts from when it was heard of."""
    item = house.item(direction=Direction.SUBMISSION)
    told = phone.event("taken_out", [item], 1)
    told |= {"occurred_at": "2010-01-01T07:12:00+07:00", "clock": None}
    assert phone.send(told).results == ["applied"]
    with house.database.read() as session:
        row = session.scalars(select(ItemEvent).where(ItemEvent.device_id.is_not(None))).one()
    assert (row.occurred_at, row.clock_trusted, row.claimed_at.year) == (clock(600), False, 2010)


# --------------------------------------------------------------------------------------------------------------- intents
def test_an_intent_is_refused_as_a_whole_when_one_item_does_not_allow_it(house, phone):
    waiting, out = house.item(), house.item()
    phone.send(phone.event("taken_out", [out], 1))
    with pytest.raises(Refused) as refusal, house.database.write() as session:
        items.record_intent(
            session,
            EventType.CANCELLED,
            [waiting, out],
            caller=house.dispatcher,
            at=clock(5),
            bylaws=the_facts().bylaws,
        )
    assert refusal.value.code == "wrong-state"
    assert [house.row(item).state for item in (waiting, out)] == ["received", "out"]


def test_an_intent_is_stamped_after_everything_that_is_known_of_the_item(house, phone):
    """The server may have believed a phone whose clock ran a little ahead."""
    item = house.item()
    phone.send(phone.event("taken_out", [item], 20), phone.event("brought_back", [item], 30))
    with house.database.write() as session:
        recorded = items.record_intent(
            session, EventType.INVITED, [item], caller=house.dispatcher, at=clock(10), bylaws=the_facts().bylaws
        )
    assert (recorded.result, house.row(item).state) == ("applied", "awaiting_pickup")


def test_a_fact_cannot_come_in_as_an_intent(house):
    with pytest.raises(ValueError, match="fact"), house.database.write() as session:
        items.record_intent(
            session, EventType.LOST, [house.item()], caller=None, at=clock(1), bylaws=the_facts().bylaws
        )


def test_an_offline_taking_out_beats_the_cancellation_and_the_debt_returns(house, phone):
    item = house.item()
    desk(house, "cancelled", item, at=clock(1))
    assert house.row(item).state == "cancelled"
    assert house.balances() == {}, "nobody owes for what was cancelled"

    phone.send(delivery(phone, item, 10))
    assert house.row(item).state == "cancelled"
    assert house.balances() == {cash(phone): FEE + POSTAGE, f"suspense:{house.office_id}": -FEE - POSTAGE}

    phone.send(phone.event("taken_out", [item], 5))
    assert house.row(item).state == "delivered"
    assert house.balances() == {cash(phone): FEE + POSTAGE, **OWED}
    assert codes(house) == ["overtaken-by-fact"]


# ----------------------------------------------------------------------------------------------------------------- money
def test_what_is_paid_short_stays_owed_and_what_is_paid_over_waits_in_suspense(house, phone):
    short, over = house.item(), house.item()
    phone.send(phone.event("taken_out", [short, over], 1))
    phone.send(delivery(phone, short, 5, short=35_000), delivery(phone, over, 6, short=-5_000))
    assert house.balances("receivable:") == {f"receivable:{short}": 35_000}
    assert house.balances("suspense:") == {f"suspense:{house.office_id}": -5_000}
    assert house.balances("cash:") == {cash(phone): 2 * (FEE + POSTAGE) - 30_000}
    assert codes(house) == ["overpaid", "underpaid"]
    assert {incident.owner_role for incident in open_incidents(house)} == {"cashier"}


def test_money_for_a_charge_that_is_on_no_item_of_the_act_is_counted_and_looked_at(house, phone):
    item, neighbour = house.item(), house.item()
    fee, postage = house.charges(item)
    lines = paying((fee, FEE), (postage, POSTAGE), (house.charges(neighbour)[0], 9_000), (uuid7(), 7_000))
    phone.send(phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 5, **done_right(lines)))
    assert house.balances("cash:") == {cash(phone): FEE + POSTAGE + 16_000}
    assert house.balances("suspense:") == {f"suspense:{house.office_id}": -16_000}
    assert house.balances("receivable:") == {f"receivable:{neighbour}": FEE + POSTAGE}
    assert codes(house) == ["unknown-charge"]


def test_one_act_at_a_door_pays_for_two_items_each_its_own(house, phone):
    one, other = house.item(), house.item(charges=[("fine", "treasury", 5_000_000)])
    lines = paying(*((charge, charge.amount_dong) for item in (one, other) for charge in house.charges(item)))
    phone.send(
        phone.event("taken_out", [one, other], 1), phone.event("handed_over", [one, other], 5, **done_right(lines))
    )
    assert house.balances() == {cash(phone): FEE + POSTAGE + 5_000_000, "payable:treasury": -5_000_000, **OWED}
    assert codes(house) == []


def test_a_transfer_shown_at_the_door_is_a_claim_until_the_bank_says_so(house, phone):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1), delivery(phone, item, method="bank_qr"))
    assert house.balances() == {
        f"claimed:{phone.bearer.id}:2026-11-25": FEE + POSTAGE,
        "due:agency:PC08": -FEE,
        "due:post": -POSTAGE,
    }
    assert codes(house) == ["transfer-unconfirmed"]


def test_a_handover_corrected_after_the_bank_confirmed_it_leaves_the_banks_money_in_suspense(house, phone):
    item = house.item()
    handed = delivery(phone, item, method="bank_qr")
    phone.send(phone.event("taken_out", [item], 1), handed)
    for charge in house.charges(item):
        cashdesk.confirm_transfer(
            house.desk, house.cashier, event_id=UUID(handed["event_id"]), charge_id=charge.id, at=clock(620)
        )
    assert house.balances() == {f"bank:{house.office_id}": FEE + POSTAGE, **OWED}

    phone.send(correction(phone, item, handed, 30), at=clock(630))

    assert house.balances("claimed:") == {}
    assert house.balances("suspense:") == {f"suspense:{house.office_id}": -FEE - POSTAGE}
    assert house.balances("bank:") == {f"bank:{house.office_id}": FEE + POSTAGE}


def test_what_goes_back_to_the_agency_is_owed_by_nobody(house, phone):
    item = house.item()
    phone.send(
        phone.event("taken_out", [item], 1),
        phone.event("attempt_failed", [item], 2, reason="refused"),
        phone.event("brought_back", [item], 3),
    )
    desk(house, "given_back", item)
    assert house.balances("receivable:") == {f"receivable:{item}": FEE + POSTAGE}
    desk(house, "agency_signed", item, at=clock(510))
    assert house.row(item).state == "returned"
    assert house.balances() == {}


def test_at_the_counter_the_clerk_takes_the_money_into_a_pocket_of_his_own(house, phone):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1), phone.event("brought_back", [item], 2))
    lines = paying(*((charge, charge.amount_dong) for charge in house.charges(item)))
    recorded = handover.report(
        house.desk,
        house.clerk,
        EventType.PICKED_UP,
        event_id=uuid7(),
        item_ids=[item],
        data=done_right(lines),
        at=clock(500),
    )
    assert (recorded.result, house.row(item).state) == ("applied", "picked_up")
    assert house.balances() == {f"cash:{house.clerk.id}:2026-11-25": FEE + POSTAGE, **OWED}


def test_a_dossier_is_fetched_with_its_fee_and_brought_in(house, phone):
    item = house.item(direction=Direction.SUBMISSION, charges=[("postage", "post", POSTAGE)])
    lines = paying((house.charges(item)[0], POSTAGE))
    phone.send(
        phone.event("taken_out", [item], 1),
        phone.event(
            "fetched", [item], 2, papers=[{"name": "Tờ khai", "original": True, "present": True}], collections=lines
        ),
        phone.event("brought_back", [item], 3),
    )
    row = house.row(item)
    assert (row.state, row.custody) == ("at_office", "office")
    assert house.balances() == {cash(phone): POSTAGE, "payable:post": -POSTAGE}
    desk(house, "agency_signed", item)
    assert (house.row(item).state, house.row(item).custody) == ("lodged", "agency")


# ------------------------------------------------------------------------------------------------------------ a closed day
def a_closed_day(house, phone, *, method="cash"):
    """One item handed over and paid, the notes counted, the day closed."""
    item = house.item()
    handed = delivery(phone, item, method=method)
    phone.send(phone.event("taken_out", [item], 1), handed)
    close_the_day(house, phone, {"100000": 1, "50000": 1, "10000": 1, "5000": 1})
    return item, handed


CLOSED = clock(700)
TOMORROW = DAY + timedelta(days=1)


def test_a_correction_after_the_day_was_closed_goes_to_suspense_and_no_pocket_falls_below_zero(house, phone):
    item, handed = a_closed_day(house, phone)
    assert house.balances() == {f"till:{house.office_id}": FEE + POSTAGE, **OWED}

    assert phone.send(correction(phone, item, handed, 30), at=CLOSED).results == ["applied"]

    assert house.row(item).state == "out"
    assert house.balances() == {
        f"till:{house.office_id}": FEE + POSTAGE,
        f"suspense:{house.office_id}": -FEE - POSTAGE,
        f"receivable:{item}": FEE + POSTAGE,
        "due:agency:PC08": -FEE,
        "due:post": -POSTAGE,
    }


def test_a_correction_of_that_correction_takes_the_money_out_of_suspense_and_asks_nobody_twice(house, phone):
    item, handed = a_closed_day(house, phone)
    first = correction(phone, item, handed, 30)
    phone.send(first, at=CLOSED)
    phone.send(correction(phone, item, first, 31), at=CLOSED)
    assert house.row(item).state == "delivered"
    assert house.balances() == {f"till:{house.office_id}": FEE + POSTAGE, **OWED}
    third = correction(phone, item, handed, 32)
    phone.send(third, at=CLOSED)
    assert house.balances("suspense:") == {f"suspense:{house.office_id}": -FEE - POSTAGE}
    assert house.balances("cash:") == {}


def test_a_second_handover_after_the_firsts_day_was_closed_is_in_suspense_once(house, phone, second):
    """The stranger's money was counted in the evening; then the bearer's phone comes in from the river."""
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1))
    second.send(delivery(second, item, 10))
    (found,) = open_incidents(house)
    decided(house, found, by=house.cashier)
    close_the_day(house, second, {"100000": 1, "50000": 1, "10000": 1, "5000": 1})

    phone.send(delivery(phone, item, 20), at=CLOSED)

    assert house.balances() == {
        f"till:{house.office_id}": FEE + POSTAGE,
        cash(phone): FEE + POSTAGE,
        f"suspense:{house.office_id}": -FEE - POSTAGE,
        **OWED,
    }


def test_money_heard_of_after_its_day_was_closed_is_due_on_the_first_open_day(house, phone):
    a_closed_day(house, phone)
    late = house.item()
    phone.send(phone.event("taken_out", [late], 2), delivery(phone, late, 20), at=clock(24 * 60))
    assert house.balances("cash:") == {cash(phone, TOMORROW): FEE + POSTAGE}
    with house.database.read() as session:
        days = session.scalars(select(LedgerTx.day).where(LedgerTx.kind == "collection").order_by(LedgerTx.day)).all()
    assert days == [DAY, TOMORROW]


def test_money_heard_of_the_same_evening_waits_for_the_next_morning(house, phone):
    """The first open day is never one that is closed already, also when today is."""
    a_closed_day(house, phone)
    late = house.item()
    phone.send(phone.event("taken_out", [late], 2), delivery(phone, late, 20), at=CLOSED)
    assert house.balances("cash:") == {cash(phone, TOMORROW): FEE + POSTAGE}


# ---------------------------------------------------------------------------------------------------------------- incidents
def test_an_incident_that_a_later_arrival_explains_closes_itself_and_opens_again_when_it_returns(house, phone):
    item = house.item()
    failed, out = (
        phone.event("attempt_failed", [item], 5, reason="recipient_absent"),
        phone.event("taken_out", [item], 1),
    )
    phone.send(failed)
    assert codes(house) == ["no-attempt_failed-when-received"]
    phone.send(out)
    assert codes(house) == []
    phone.send(correction(phone, item, out, 9))
    assert codes(house) == ["no-attempt_failed-when-received"]
    with house.database.read() as session:
        assert len(session.scalars(select(Incident)).all()) == 1, "the same incident, not a second one"


def test_what_a_person_closed_stays_closed(house, phone):
    item = house.item()
    phone.send(phone.event("attempt_failed", [item], 5, reason="recipient_absent"))
    (found,) = open_incidents(house)
    decided(house, found, by=house.dispatcher)
    phone.send(phone.event("attempt_failed", [item], 6, reason="recipient_absent"))
    (new,) = open_incidents(house)
    assert new.event_id != found.event_id


@pytest.mark.parametrize(
    ("kind", "data", "code", "owner"),
    [
        ("attempt_failed", {"reason": "damaged"}, "damaged", "dispatcher"),
        ("attempt_failed", {"reason": "con chó dữ"}, "unknown-reason", "dispatcher"),
        (
            "handed_over",
            done_right(receiver={"name": "A", "relation": "neighbour", "id_check": "match"}),
            "receiver-not-allowed",
            "dispatcher",
        ),
        (
            "handed_over",
            done_right(receiver={"name": "A", "relation": "owner", "id_check": "mismatch"}),
            "id-mismatch",
            "dispatcher",
        ),
        ("handed_over", done_right(receiver={"name": "A", "relation": "owner"}), "id-not-checked", "dispatcher"),
        ("handed_over", done_right(proofs=[]), "proof-missing", "dispatcher"),
    ],
)
def test_a_rule_broken_at_the_door_is_a_fact_with_an_incident(house, phone, kind, data, code, owner):
    item = house.item(charges=[])
    answer = phone.send(phone.event("taken_out", [item], 1), phone.event(kind, [item], 2, **data))
    assert answer.results == ["applied", "applied"], "what happened is never refused"
    (incident,) = open_incidents(house)
    assert (incident.code, incident.owner_role, incident.item_id, incident.day) == (code, owner, item, DAY)
    assert incident.postman_id == phone.bearer.id
    assert incident.sentence


def test_a_withdrawn_act_breaks_no_rule(house, phone):
    item = house.item(charges=[])
    handed = phone.event("handed_over", [item], 2, **done_right(proofs=[]))
    phone.send(phone.event("taken_out", [item], 1), handed, correction(phone, item, handed, 3))
    assert codes(house) == []


# ---------------------------------------------------------------------------------------------------- forms and desks
def test_the_page_asks_before_the_act_what_the_record_says_after_it(house, phone):
    item = house.item()
    phone.send(phone.event("taken_out", [item], 1))
    fee, postage = house.charges(item)
    data = done_right(
        paying((fee, FEE - 1), (postage, POSTAGE)), receiver={"name": "A", "relation": "neighbour", "id_check": "none"}
    )
    asked = {
        breach.code for breach in handover.check(house.desk, phone.bearer, item_ids=[item], data=data, at=clock(5))
    }
    assert house.row(item).state == "out", "asking changes nothing"
    phone.send(phone.event("handed_over", [item], 6, **data))
    assert asked == set(codes(house)) == {"receiver-not-allowed", "id-not-checked", "underpaid"}


def test_a_form_sent_twice_is_one_act_and_the_same_id_with_other_content_is_refused(house, phone):
    item = house.item()
    event_id = uuid7()

    def take_out(wanted):
        return handover.report(
            house.desk, phone.bearer, EventType.TAKEN_OUT, event_id=event_id, item_ids=[wanted], data={}, at=clock(5)
        )

    assert take_out(item).result == take_out(item).result == "applied"
    with pytest.raises(Refused) as refusal:
        take_out(house.item())
    assert refusal.value.code == "same-id-other-content"
    assert house.row(item).version == 2


def test_everybody_records_what_is_his_to_record(house, phone):
    item = house.item()

    def says(who, kind):
        handover.report(house.desk, who, EventType(kind), event_id=uuid7(), item_ids=[item], data={}, at=clock(5))

    for who, kind in [
        (house.cashier, "picked_up"),
        (phone.bearer, "lost"),
        (house.clerk, "taken_out"),
        (house.cashier, "corrected"),
    ]:
        with pytest.raises(Forbidden):
            says(who, kind)
    with pytest.raises(Missing):
        says(a_house(house.database, code="CN").dispatcher, "lost")
    with pytest.raises(Invalid):
        says(house.dispatcher, "corrected")
    says(house.dispatcher, "lost")
    assert house.row(item).marks == ["lost"]


# ------------------------------------------------------------------------------------------------------ wishes taken back
@pytest.mark.parametrize("heard_first", ["wish", "correction"])
@pytest.mark.parametrize(
    ("kind", "data", "column"),
    [
        ("authorised", {"name": "Trần Thị Mẫu"}, "authorised_name"),
        ("instructed", {"text": "Nhà sau cầu"}, "instructions"),
        ("rescheduled", {"on": "2026-11-27", "from": 27_000, "to": 30_600}, "wanted_on"),
    ],
)
def test_a_wish_that_was_taken_back_leaves_nothing_whatever_was_heard_first(house, kind, data, column, heard_first):
    item, wish = house.item(), uuid7()
    told = [
        told_of(house, item, wish, kind, 5, data),
        told_of(house, item, uuid7(), "corrected", 6, {"corrects": str(wish), "reason": "nhầm người"}),
    ]
    for event in told if heard_first == "wish" else told[::-1]:
        with house.database.write() as session:
            items.record(session, event, the_facts().bylaws)
    assert getattr(house.row(item), column) is None


def test_a_wish_that_turns_out_to_be_later_than_the_handover_leaves_nothing(house, phone):
    item = house.item()
    with house.database.write() as session:
        wish = told_of(house, item, uuid7(), "authorised", 50, {"name": "Trần Thị Mẫu"})
        items.record(session, wish, the_facts().bylaws)
    assert house.row(item).authorised_name == "Trần Thị Mẫu"
    phone.send(phone.event("taken_out", [item], 1), delivery(phone, item))
    assert house.row(item).authorised_name is None


def told_of(house, item, event_id, kind, minutes, data) -> items.NewEvent:
    return items.NewEvent(
        event_id=event_id,
        type=EventType(kind),
        items=(item,),
        occurred_at=clock(minutes),
        received_at=clock(500),
        actor=house.dispatcher,
        data=data,
    )
