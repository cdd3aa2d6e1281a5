"""The evening at the cashier's: what a postman should hand in, what was counted, who owns the difference, who is paid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.money import (
    MOST_DONG,
    Charge,
    ChargeKind,
    Dong,
    Method,
    cash_account,
    claimed_account,
    confirmed_by_bank,
    paid_out,
    remitted,
)
from courier.domain.people import Caller, Role
from courier.store import items, ledger, webhooks
from courier.store.tables import (
    Incident,
    Item,
    ItemCharge,
    LedgerEntry,
    LedgerTx,
    Office,
    Remittance,
    Staff,
)

NOTES: Final = (500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500)
_MOST_NOTES = 100_000

# Who may have taken money: at doors, and over the counter.
_POCKETS: Final = frozenset({Role.POSTMAN, Role.CLERK, Role.DISPATCHER})

# A transfer that the bank has not confirmed yet is known and counted apart: it does not hold the evening up.
_NOT_BLOCKING: Final = ("transfer-unconfirmed",)


@dataclass(frozen=True, slots=True)
class CashDay:
    """One postman's money of one day. Amounts in whole dong; `difference_dong` is counted minus expected."""

    postman_id: UUID
    name: str
    day: date
    expected_dong: int
    by_kind: Mapping[str, int]
    by_method: Mapping[str, int]
    remitted_dong: int
    difference_dong: int
    difference_reason: str | None
    closed: bool
    in_bag: int
    open_incidents: int


def cash_day(desk: Desk, caller: Caller, postman_id: UUID, day: date) -> CashDay:
    """What a postman took on a day and what has become of it.

    Raises:
        Missing: he is no postman of the caller's office, or not the caller himself.
    """
    with desk.database.read() as session:
        return _cash_day(session, _postman(session, caller, postman_id), day)


def evening(desk: Desk, caller: Caller, day: date) -> list[CashDay]:
    """The same for every postman of the caller's office, and for whoever took money over its counter, by name."""
    with desk.database.read() as session:
        people = session.scalars(
            select(Staff)
            .where(Staff.office_id == caller.office_id, Staff.role.in_([role.value for role in _POCKETS]))
            .order_by(Staff.name)
        )
        rows = [(person, _cash_day(session, person, day)) for person in people]
        return [row for person, row in rows if person.role == Role.POSTMAN or row.by_kind or row.closed]


def _postman(session: Session, caller: Caller, postman_id: UUID) -> Staff:
    postman = session.get(Staff, postman_id)
    if postman is None or postman.role not in _POCKETS:
        raise Missing("postman", postman_id)
    if caller.role is Role.POSTMAN and caller.id != postman_id:
        raise Missing("postman", postman_id)
    if caller.role is not Role.ADMIN and postman.office_id != caller.office_id:
        raise Missing("postman", postman_id)
    return postman


def _cash_day(session: Session, postman: Staff, day: date) -> CashDay:
    taken = ledger.taken(session, cash_account(postman.id, day))
    claimed = ledger.taken(session, claimed_account(postman.id, day))
    closing = session.scalar(select(Remittance).where(Remittance.postman_id == postman.id, Remittance.day == day))
    expected = sum(taken.values())
    by_kind = {kind: taken.get(kind, 0) + claimed.get(kind, 0) for kind in {*taken, *claimed}}
    in_bag = session.scalar(select(func.count()).select_from(Item).where(Item.custody_holder == postman.id))
    blocking = session.scalar(_blocking(postman.id, day))
    return CashDay(
        postman_id=postman.id,
        name=postman.name,
        day=day,
        expected_dong=expected,
        by_kind={kind: by_kind[kind] for kind in sorted(by_kind) if by_kind[kind]},
        by_method={Method.CASH.value: expected, Method.BANK_QR.value: sum(claimed.values())},
        remitted_dong=closing.counted_dong if closing else 0,
        difference_dong=closing.counted_dong - closing.expected_dong if closing else 0,
        difference_reason=closing.difference_reason if closing else None,
        closed=closing is not None,
        in_bag=in_bag or 0,
        open_incidents=blocking or 0,
    )


def _blocking(postman_id: UUID, day: date) -> Select[int]:
    return (
        select(func.count())
        .select_from(Incident)
        .where(
            Incident.postman_id == postman_id,
            Incident.day == day,
            Incident.about_money,
            Incident.closed_at.is_(None),
            Incident.code.not_in(_NOT_BLOCKING),
        )
    )


def remit(
    desk: Desk,
    caller: Caller,
    postman_id: UUID,
    day: date,
    *,
    counted: Mapping[str, int],
    difference_reason: str | None,
    at: datetime,
) -> CashDay:
    """Close a postman's day: the counted notes go to the till, a difference is owned by the reason given.

    Raises:
        Missing: he is no postman of the caller's office.
        Invalid: a note that does not exist, a difference without a reason, a day to come.
        Refused: `already-closed`, `earlier-day-open`, `bag-not-empty`, `money-incidents-open`, `amount-impossible`.
    """
    total = _count(counted)
    reason = (difference_reason or "").strip() or None
    if day > local_day(at):
        raise Invalid(FieldError("date", "in-the-future", f"{day:%d/%m/%Y} chưa tới."))
    with desk.database.write() as session:
        postman = _postman(session, caller, postman_id)
        # Two cashiers at one postman's desk: the row lock lets the second see the first one's closing.
        session.execute(select(Staff.id).where(Staff.id == postman_id).with_for_update())
        # And a phone that sends now is counted before the closing or learns of it.
        ledger.hold(session, cash_account(postman_id, day))
        standing = _cash_day(session, postman, day)
        if standing.closed:
            raise Refused("already-closed", f"Ngày {day:%d/%m/%Y} của {postman.name} đã khóa sổ.")
        # A phone says when money was taken: whatever it says, the money is missed at the next closing.
        earlier = _open_before(session, postman_id, day)
        if earlier is not None:
            when, amount = earlier
            words = f"{amount:,}".replace(",", ".")
            raise Refused("earlier-day-open", f"{postman.name} còn {words} đ của ngày {when:%d/%m/%Y} chưa nộp.")
        if standing.in_bag and day == local_day(at):
            raise Refused("bag-not-empty", f"{postman.name} còn giữ {standing.in_bag} bưu gửi chưa nộp lại.")
        if standing.open_incidents:
            raise Refused("money-incidents-open", f"Còn {standing.open_incidents} sự cố về tiền chưa xử lý.")
        expected = ledger.balance(session, cash_account(postman_id, day))
        if expected > MOST_DONG:
            raise Refused("amount-impossible", f"Không thể đã thu {expected} đ: hãy đính chính thao tác ghi sai trước.")
        if total != expected and reason is None:
            raise Invalid(
                FieldError(
                    "difference_reason",
                    "required",
                    f"Phải nộp {expected}, đếm được {total}: chênh {total - expected}. Mời ghi lý do.",
                )
            )
        posting = remitted(postman_id, day, _office_of(postman), expected=expected, counted=total)
        tx_id = None
        webhooks.enter_remitted(session, cash_account(postman_id, day), at=at)
        if posting is not None:
            tx_id = ledger.post(
                session,
                posting,
                key=f"remittance:{postman_id}:{day.isoformat()}",
                office_id=_office_of(postman),
                at=at,
                by=caller.id,
            )
        session.add(
            Remittance(
                id=uuid7(),
                postman_id=postman_id,
                day=day,
                office_id=_office_of(postman),
                expected_dong=expected,
                counted_dong=total,
                counted={str(note): number for note, number in counted.items()},
                difference_reason=reason if total != expected else None,
                tx_id=tx_id,
                closed_by=caller.id,
                closed_at=at,
            )
        )
        session.flush()
        # The phone shows what he still carries.
        for shown in {day, local_day(at)}:
            items.bump_bag(session, postman_id, shown)
        return _cash_day(session, postman, day)


def _open_before(session: Session, postman_id: UUID, day: date) -> tuple[date, int] | None:
    """The first day before this one whose money was never handed in, with the amount; None when there is none."""
    held = ledger.balances(session, f"cash:{postman_id}:")
    days = [(date.fromisoformat(account.rpartition(":")[2]), amount) for account, amount in held.items()]
    return min((found for found in days if found[0] < day), default=None)


def _office_of(postman: Staff) -> UUID:
    if postman.office_id is None:
        raise LookupError(f"postman {postman.id} has no office")
    return postman.office_id


def _count(counted: Mapping[str, int]) -> Dong:
    total = 0
    faults = []
    for note, number in counted.items():
        if not note.isdecimal() or int(note) not in NOTES:
            faults.append(FieldError(f"counted.{note}", "no-such-note", f"Không có tờ {note} đồng."))
        elif not 0 <= number <= _MOST_NOTES:
            faults.append(
                FieldError(f"counted.{note}", "out-of-range", f"Số tờ phải từ 0 đến {_MOST_NOTES}, nhận {number}.")
            )
        else:
            total += int(note) * number
    if faults:
        raise Invalid(*faults)
    return Dong(total)


# -------------------------------------------------------------------------------------------------------- transfers
@dataclass(frozen=True, slots=True)
class Claim:
    """A bank transfer seen at a door that the bank has not confirmed."""

    event_id: UUID
    charge_id: UUID
    item_id: UUID
    barcode: str
    postman_id: UUID
    postman: str
    day: date
    amount_dong: int


def claims(desk: Desk, caller: Caller) -> list[Claim]:
    """The office's unconfirmed transfers, oldest first."""
    with desk.database.read() as session:
        return _claims(session, caller)


def _claims(session: Session, caller: Caller) -> list[Claim]:
    if caller.office_id is None:
        return []
    reversed_ones = select(LedgerTx.reverses).where(LedgerTx.reverses.is_not(None))
    rows = session.execute(
        select(
            LedgerTx.event_id,
            LedgerEntry.charge_id,
            Item.id,
            Item.barcode,
            LedgerEntry.account,
            LedgerEntry.amount_dong,
        )
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .join(Item, Item.id == LedgerTx.item_id)
        .where(
            LedgerEntry.account.startswith("claimed:"),
            LedgerEntry.amount_dong > 0,
            LedgerTx.kind == "collection",
            LedgerTx.office_id == caller.office_id,
            LedgerTx.id.not_in(reversed_ones),
        )
        .order_by(LedgerTx.posted_at)
    ).all()
    confirmed = set(session.scalars(select(LedgerTx.key).where(LedgerTx.kind == "bank confirmed")))
    names = dict(session.execute(select(Staff.id, Staff.name).where(Staff.office_id == caller.office_id)).all())
    found = []
    for event_id, charge_id, item_id, barcode, account, amount in rows:
        if event_id is None or charge_id is None or f"bank:{event_id}:{charge_id}" in confirmed:
            continue
        _, postman, day = account.split(":")
        postman_id = UUID(postman)
        found.append(
            Claim(
                event_id,
                charge_id,
                item_id,
                barcode,
                postman_id,
                names.get(postman_id, ""),
                date.fromisoformat(day),
                amount,
            )
        )
    return found


def confirm_transfer(desk: Desk, caller: Caller, *, event_id: UUID, charge_id: UUID, at: datetime) -> Claim:
    """The cashier saw the money on the bank's statement: the payee is owed from now on.

    Raises:
        Missing: no such unconfirmed transfer in the caller's office.
    """
    with desk.database.write() as session:
        claim = next((c for c in _claims(session, caller) if (c.event_id, c.charge_id) == (event_id, charge_id)), None)
        if claim is None or caller.office_id is None:
            raise Missing("transfer", event_id)
        # Whoever confirms or takes back the same act at this moment waits here, and what he did is seen.
        items.hold(session, [claim.item_id])
        if claim not in _claims(session, caller):
            raise Missing("transfer", event_id)
        row = session.get_one(ItemCharge, charge_id)
        charge = Charge(row.id, ChargeKind(row.kind), row.payee, Dong(row.amount_dong))
        amount = Dong(min(claim.amount_dong, charge.amount_dong))
        ledger.post(
            session,
            confirmed_by_bank(claim.postman_id, claim.day, charge, amount, office=caller.office_id, day=local_day(at)),
            key=f"bank:{event_id}:{charge_id}",
            office_id=caller.office_id,
            at=at,
            by=caller.id,
            item_id=claim.item_id,
        )
        for incident in session.scalars(
            select(Incident).where(
                Incident.event_id == event_id,
                Incident.item_id == claim.item_id,
                Incident.code == "transfer-unconfirmed",
                Incident.closed_at.is_(None),
            )
        ):
            if not any(c.event_id == event_id and c.item_id == claim.item_id for c in _claims(session, caller)):
                incident.closed_at, incident.closed_by = at, caller.id
                incident.resolution = "Ngân hàng đã xác nhận."
        return claim


# ---------------------------------------------------------------------------------------------------------- payouts
def payables(desk: Desk, caller: Caller) -> dict[str, int]:
    """What the office has taken for each payee and not yet handed on."""
    with desk.database.read() as session:
        return _payables(session, caller.office_id)


def _payables(session: Session, office_id: UUID | None) -> dict[str, int]:
    query = (
        select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .where(LedgerEntry.account.startswith("payable:"))
        .group_by(LedgerEntry.account)
        .order_by(LedgerEntry.account)
    )
    if office_id is not None:
        query = query.where(LedgerTx.office_id == office_id)
    return {account.removeprefix("payable:"): -int(total) for account, total in session.execute(query) if total}


def pay_out(
    desk: Desk, caller: Caller, *, payee: str, amount: int, source: str, reference: str, key: UUID, at: datetime
) -> dict[str, int]:
    """Hand money on to an agency, the treasury or the post, from the `till` or the `bank`; returns what is still owed.

    The same `key` twice pays once.

    Raises:
        Invalid: an amount that makes no sense or no reference.
        Refused: `same-id-other-content` for a key that paid something else, `more-than-owed`, or `not-enough` in the
            till or at the bank.
    """
    if not 0 < amount <= MOST_DONG:
        raise Invalid(FieldError("amount_dong", "out-of-range", f"Số tiền phải lớn hơn 0, nhận {amount}."))
    if not reference.strip():
        raise Invalid(FieldError("reference", "required", "Mời ghi số chứng từ."))
    with desk.database.write() as session:
        if caller.office_id is None:
            raise Missing("office", None)
        session.execute(select(Office.id).where(Office.id == caller.office_id).with_for_update())
        posting = paid_out(payee, Dong(amount), source=source, office=caller.office_id, day=local_day(at))
        known = session.scalar(select(LedgerTx.id).where(LedgerTx.key == f"payout:{key}"))
        if known is not None:
            paid = {(account, found) for account, found, _ in ledger.lines_of(session, known)}
            if paid != {(line.account, line.amount_dong) for line in posting.lines}:
                raise Refused("same-id-other-content", "Mã này đã dùng cho một lần nộp khác: hãy tải lại trang.")
        else:
            owed = _payables(session, caller.office_id).get(payee, 0)
            if amount > owed:
                raise Refused("more-than-owed", f"Chỉ còn phải nộp {owed} cho {payee}.")
            held = ledger.balance(session, f"{source}:{caller.office_id}")
            if amount > held:
                raise Refused("not-enough", f"Quỹ chỉ còn {held}.")
            ledger.post(
                session,
                posting,
                key=f"payout:{key}",
                office_id=caller.office_id,
                at=at,
                by=caller.id,
            )
        return _payables(session, caller.office_id)
