"""An agency's reports on both databases: against a tally that the test keeps by itself, and against the bare ledger."""

import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text, update

from courier import cashdesk, dossiers, handover
from courier.domain.errors import Forbidden, Invalid, Missing
from courier.domain.item import EventType
from courier.domain.people import Caller, Role
from courier.store.tables import Incident
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, number, paying

FEE, POSTAGE = ("state_fee", "agency:PC08", 135_000), ("postage", "post", 30_000)
FINE = ("fine", "treasury", 2_000_000)
EVER = (DAY - timedelta(days=5), DAY + timedelta(days=5))


def the_agency(house):
    return Caller(number(77), Role.AGENCY, "Hệ thống thử", agency_id=house.agency_id)


def in_notes(amount):
    counted = {}
    for note in cashdesk.NOTES:
        count, amount = divmod(amount, note)
        if count:
            counted[str(note)] = count
    assert amount == 0
    return counted


@pytest.mark.parametrize("seed", [1, 2])
def test_a_week_of_chance_is_told_as_the_test_counted_it_and_as_the_ledger_has_it(database, seed):  # noqa: C901, PLR0912 - a week is one long story
    """Cash, transfers, too much money, wrong houses taken back, returns, evenings that were handed in and one that was not."""
    rng = random.Random(seed)
    house, other = a_house(database), a_house(database, code="TB", agency_code="STP")
    postman = house.postmen[0]
    phone = Phone(house, postman)
    failed, reasons, delivered, returned = Counter(), Counter(), Counter(), Counter()
    paid, booked, remitted, received = Counter(), Counter(), Counter(), Counter()
    by_day_paid = Counter()
    states = {}
    for back in range(3, -1, -1):
        morning = MORNING - timedelta(days=back)
        day, cash, claims = morning.date(), 0, []
        for _ in range(8):
            item = house.item(
                charges=rng.choice([(FEE, POSTAGE), (FINE, POSTAGE), ()]), at=morning - timedelta(hours=2)
            )
            received[day] += 1
            charges = house.charges(item)
            phone.send(phone.event("taken_out", [item], at=morning))
            outcome = rng.choice(["cash", "cash", "bank", "over", "fail", "fail twice", "mistake", "back"])
            at = morning + timedelta(hours=2)
            if outcome in ("fail", "fail twice", "back"):
                for n in range(2 if outcome == "fail twice" else 1):
                    reason = rng.choice(["recipient_absent", "refused"]) if outcome == "back" else "recipient_absent"
                    phone.send(phone.event("attempt_failed", [item], at=at + timedelta(hours=n), reason=reason))
                    failed[day] += 1
                    reasons[day, reason] += 1
                phone.send(phone.event("brought_back", [item], at=at + timedelta(hours=4)))
                states[item] = "held"
                if outcome == "back":
                    desk_acts(house, item, ["given_back", "agency_signed"], at + timedelta(hours=5))
                    returned[day] += 1
                    states[item] = "returned"
                continue
            lines = []
            for charge in charges:
                extra = 5_000 if outcome == "over" else 0
                lines.append((charge, charge.amount_dong + extra, "bank_qr" if outcome == "bank" else "cash"))
            handed = phone.event("handed_over", [item], at=at, **done_right(paying(*lines)))
            phone.send(handed)
            if outcome == "mistake":
                phone.send(
                    phone.event(
                        "corrected", [item], at=at + timedelta(minutes=5), corrects=handed["event_id"], reason="nhầm"
                    )
                )
                phone.send(phone.event("brought_back", [item], at=at + timedelta(hours=4)))
                states[item] = "held"
                continue
            delivered[day] += 1
            states[item] = "delivered"
            for charge in charges:
                paid[item, charge.payee] += charge.amount_dong
                by_day_paid[day, charge.payee] += charge.amount_dong
                if outcome == "bank":
                    claims.append((handed["event_id"], charge, item))
                else:
                    booked[item, charge.payee] += charge.amount_dong
                    cash += charge.amount_dong + (5_000 if outcome == "over" else 0)
                    if back:
                        remitted[item, charge.payee] += charge.amount_dong
        for event_id, charge, item in claims:
            if rng.random() < 0.5:
                cashdesk.confirm_transfer(
                    house.desk,
                    house.cashier,
                    event_id=UUID(event_id),
                    charge_id=charge.id,
                    at=morning + timedelta(hours=9),
                )
                booked[item, charge.payee] += charge.amount_dong
                remitted[item, charge.payee] += charge.amount_dong
        if back:
            with database.write() as session:
                session.execute(update(Incident).where(Incident.closed_at.is_(None)).values(closed_at=morning))
            cashdesk.remit(
                house.desk,
                house.cashier,
                postman.id,
                day,
                counted=in_notes(cash),
                difference_reason=None,
                at=morning + timedelta(hours=10),
            )
    foreign = other.item()
    Phone(other, other.postmen[0]).send(Phone(other, other.postmen[0]).event("taken_out", [foreign], 5))

    rows = dossiers.by_dossier(house.desk, the_agency(house), *EVER, limit=500)
    assert {row.item: row.state for row in rows} == states
    told = {(row.item, money.payee): money for row in rows for money in row.money}
    assert {key: money.paid for key, money in told.items() if money.paid} == {k: v for k, v in paid.items() if v}
    assert {key: money.booked for key, money in told.items() if money.booked} == {k: v for k, v in booked.items() if v}
    assert {key: money.remitted for key, money in told.items() if money.remitted} == {
        k: v for k, v in remitted.items() if v
    }
    assert all(
        money.due == next(c.amount_dong for c in house.charges(item) if c.payee == payee)
        for (item, payee), money in told.items()
    )
    # What the ledger itself says, added up without any of the program's words.
    with database.read() as session:
        ledger = dict(
            session.execute(
                text(
                    "SELECT account, -SUM(amount_dong) FROM ledger_entry WHERE account LIKE 'payable:%' GROUP BY account"
                )
            ).all()
        )
    sums = Counter()
    for (_, payee), money in told.items():
        sums[f"payable:{payee}"] += money.booked
    assert {k: v for k, v in sums.items() if v} == {k: int(v) for k, v in ledger.items() if v}

    days = {row.day: row for row in dossiers.by_day(house.desk, the_agency(house), *EVER)}
    assert len(days) == 11
    for day, row in days.items():
        assert (row.received, row.delivered, row.failed, row.returned) == (
            received[day],
            delivered[day],
            failed[day],
            returned[day],
        )
        assert dict(row.reasons) == {reason: count for (when, reason), count in reasons.items() if when == day}
        assert {p: m.paid for p, m in row.money.items() if m.paid} == {
            p: v for (when, p), v in by_day_paid.items() if when == day and v
        }


def desk_acts(house, item, kinds, at):
    for n, kind in enumerate(kinds):
        handover.report(
            house.desk,
            house.clerk,
            EventType(kind),
            event_id=number(int(item) % 2**100 + n + 1),
            item_ids=[item],
            data={},
            at=at + timedelta(minutes=n),
        )


def test_a_correction_after_the_evening_changes_the_day_that_is_over(database):
    house = a_house(database)
    phone, item = Phone(house, house.postmen[0]), house.item()
    fee, postage = house.charges(item)
    phone.send(phone.event("taken_out", [item], 10))
    wrong = phone.event("handed_over", [item], 60, **done_right(paying((fee, 135_000), (postage, 30_000))))
    phone.send(wrong)
    cashdesk.remit(
        house.desk,
        house.cashier,
        house.postmen[0].id,
        DAY,
        counted=in_notes(165_000),
        difference_reason=None,
        at=clock(600),
    )
    (row,) = dossiers.by_dossier(house.desk, the_agency(house), *EVER, limit=9)
    assert all(money.is_remitted for money in row.money)
    phone.send(phone.event("corrected", [item], 620, corrects=wrong["event_id"], reason="nhầm"), at=clock(630))
    (row,) = dossiers.by_dossier(house.desk, the_agency(house), *EVER, limit=9)
    assert (row.state, row.ended_at) == ("out", None)
    assert [(m.paid, m.booked, m.remitted, m.is_remitted) for m in row.money] == [(0, 0, 0, False)] * 2
    day = next(one for one in dossiers.by_day(house.desk, the_agency(house), DAY, DAY))
    assert (day.delivered, [m.paid for m in day.money.values()]) == (0, [0, 0])


def test_pages_follow_each_other_without_gap_or_repeat_also_where_many_came_at_once(database):
    house = a_house(database)
    items = [house.item() for _ in range(23)]
    seen, after = [], None
    while True:
        page = dossiers.by_dossier(house.desk, the_agency(house), *EVER, after=after, limit=5)
        if not page:
            break
        seen += [row.item for row in page]
        after = (page[-1].handed_over_at, page[-1].item)
    assert sorted(seen) == sorted(items)
    assert len(seen) == 23


def test_a_page_costs_the_same_statements_for_one_and_for_many(database):
    house = a_house(database)

    def statements():
        seen = []
        watch = lambda *args: seen.append(args[2])  # noqa: E731
        listening.listen(database.reading_engine, "before_cursor_execute", watch)
        dossiers.by_dossier(house.desk, the_agency(house), *EVER, limit=200)
        listening.remove(database.reading_engine, "before_cursor_execute", watch)
        return len(seen)

    house.item()
    one = statements()
    for _ in range(20):
        house.item()
    assert statements() == one


def test_only_its_own_agency_and_admins_read_it(database):
    house, other = a_house(database), a_house(database, code="TB", agency_code="STP")
    item = house.item()
    foreign = the_agency(other)
    assert dossiers.by_dossier(house.desk, foreign, *EVER, limit=9) == []
    with pytest.raises(Missing):
        dossiers.by_dossier(house.desk, foreign, *EVER, agency_id=house.agency_id, limit=9)
    with pytest.raises(Forbidden):
        dossiers.by_dossier(house.desk, house.dispatcher, *EVER, agency_id=house.agency_id, limit=9)
    admin = Caller(number(78), Role.ADMIN, "Quản trị")
    assert [row.item for row in dossiers.by_dossier(house.desk, admin, *EVER, agency_id=house.agency_id, limit=9)] == [
        item
    ]
    with pytest.raises(Invalid):
        dossiers.by_dossier(house.desk, admin, *EVER, limit=9)


def test_a_span_is_bounded_and_runs_forward(database):
    house = a_house(database)
    for first, last in ((DAY, DAY - timedelta(days=1)), (DAY - timedelta(days=dossiers.MOST_DAYS), DAY)):
        with pytest.raises(Invalid):
            dossiers.by_day(house.desk, the_agency(house), first, last)
