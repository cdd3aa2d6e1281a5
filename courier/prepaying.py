"""Paying before the visit (trả trước): what a citizen is shown to transfer, and what the bank's statement says became of it.

A code on a screen is no payment. A transfer settles what it was asked for to the dong, once, while it is owed; anything else
waits in suspense with the cashier as its owner, and goes back by a reversal.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain import vietqr
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import State
from courier.domain.money import (
    MOST_DONG,
    Charge,
    ChargeKind,
    Dong,
    Line,
    Outcome,
    Posting,
    outcome_of,
    prepaid,
    unplaced_transfer,
)
from courier.domain.people import Caller, Role
from courier.settings import BankAccount
from courier.store import items, ledger
from courier.store.tables import BankNotice, Incident, Item, ItemCharge, Office, PaymentOrder

MOST_ORDERS: Final = 20
MOST_PURPOSE: Final = 200
_REFERENCE: Final = re.compile(r"[!-~]{1,64}")
_MOST: Final = 200
# Whose bag an item is in, or who has received it, has settled the money otherwise.
_CAN_GO_BACK: Final = frozenset(
    {
        State.ANNOUNCED,
        State.RECEIVED,
        State.PLANNED,
        State.HELD,
        State.REQUESTED,
        State.TO_FORWARD,
        State.FORWARDED,
        State.AWAITING_PICKUP,
        State.RETURNING,
        State.RETURNED,
        State.CANCELLED,
    }
)
_WORDS: Final = {
    Outcome.OVER: "Chuyển khoản {found} nhiều hơn {asked} phải trả của bưu gửi {barcode}: đang chờ hoàn lại.",
    Outcome.UNDER: "Chuyển khoản {found} ít hơn {asked} phải trả của bưu gửi {barcode}: đang chờ hoàn lại.",
    Outcome.DUPLICATE: "Bưu gửi {barcode} đã trả trước rồi, lại có thêm {found}: đang chờ hoàn lại.",
    Outcome.LATE: "Chuyển khoản {found} đến khi bưu gửi {barcode} không còn nợ khoản này: đang chờ hoàn lại.",
    Outcome.UNKNOWN: "Chuyển khoản {found} không nhận ra của bưu gửi nào.",
}


# ------------------------------------------------------------------------------------------------------ by the citizen
@dataclass(frozen=True, slots=True)
class Due:
    """What one payee is still owed for an item, and the order that was made for exactly that, if one was."""

    payee: str
    lines: tuple[tuple[Charge, int], ...]
    amount_dong: int
    order: "Shown | None"


@dataclass(frozen=True, slots=True)
class Shown:
    """What to transfer: the same as text and as the payload of a QR code."""

    id: UUID
    account: BankAccount
    amount_dong: int
    purpose: str
    payload: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """Everything about paying before the visit. `notices` are the transfers that arrived, `paid_twice` cash taken all the same."""

    dues: Sequence[Due]
    notices: Sequence[BankNotice]
    paid_twice: bool
    may_pay: bool
    is_out: bool


def ahead(desk: Desk, item_id: UUID) -> Ahead:
    """What can be paid, what was asked for and what arrived; for whoever proved the phone."""
    with desk.database.read() as session:
        return _ahead(session, desk, session.get_one(Item, item_id))


def _ahead(session: Session, desk: Desk, row: Item) -> Ahead:
    bank = desk.settings.bank
    orders = list(session.scalars(select(PaymentOrder).where(PaymentOrder.item_id == row.id)))
    dues = [
        Due(
            payee,
            lines,
            sum(dong for _, dong in lines),
            _shown(bank, _fitting(session, orders, payee, lines), row.barcode),
        )
        for payee, lines in _owed(session, row).items()
    ]
    notices = select(BankNotice).where(BankNotice.item_id == row.id).order_by(BankNotice.noted_at, BankNotice.id)
    arrived = list(session.scalars(notices))
    settled = any(notice.outcome == Outcome.PAID and notice.refunded_at is None for notice in arrived)
    over = select(Incident.id).where(
        Incident.item_id == row.id, Incident.code == "overpaid", Incident.closed_at.is_(None)
    )
    return Ahead(
        dues=dues,
        notices=arrived,
        paid_twice=settled and session.scalar(over.limit(1)) is not None,
        may_pay=bank is not None,
        is_out=row.state in (State.OUT, State.ATTEMPTED),
    )


def _owed(session: Session, row: Item) -> dict[str, tuple[tuple[Charge, int], ...]]:
    """What is owed by payee: each is paid for itself, so that no fine is handed on as a fee."""
    owed = ledger.owed(session, [row.id])[row.id]
    found: dict[str, tuple[tuple[Charge, int], ...]] = {}
    for charge in session.scalars(
        select(ItemCharge)
        .where(ItemCharge.item_id == row.id)
        .order_by(ItemCharge.payee, ItemCharge.kind, ItemCharge.id)
    ):
        dong = owed.get(charge.id, Dong(0))
        if dong > 0:
            line = (Charge(charge.id, ChargeKind(charge.kind), charge.payee, Dong(charge.amount_dong)), int(dong))
            found[charge.payee] = (*found.get(charge.payee, ()), line)
    return found


def _as_json(lines: Sequence[tuple[Charge, int]]) -> list[dict[str, Any]]:
    return [{"charge": str(charge.id), "amount_dong": dong} for charge, dong in lines]


def _fitting(
    session: Session, orders: Sequence[PaymentOrder], payee: str, lines: Sequence[tuple[Charge, int]]
) -> PaymentOrder | None:
    """The order that asks for exactly this and has not been paid."""
    wanted = _as_json(lines)
    return next(
        (one for one in orders if one.payee == payee and one.lines == wanted and not _is_paid(session, one.id)), None
    )


def _is_paid(session: Session, order_id: UUID) -> bool:
    paid = select(BankNotice.id).where(
        BankNotice.order_id == order_id, BankNotice.outcome == Outcome.PAID, BankNotice.refunded_at.is_(None)
    )
    return session.scalar(paid) is not None


def _shown(bank: BankAccount | None, order: PaymentOrder | None, barcode: str) -> Shown | None:
    if bank is None or order is None:
        return None
    purpose = vietqr.purpose_of(order.code, barcode)
    qr = vietqr.payload(bin=bank.bin, account=bank.account, amount_dong=order.amount_dong, purpose=purpose)
    return Shown(order.id, bank, order.amount_dong, purpose, qr)


def ask(desk: Desk, item_id: UUID, *, payee: str, at: datetime) -> Shown:
    """What to transfer to one payee; asked again while the same is owed, it is the same order.

    Raises:
        Refused: `no-account` where the office has none, `nothing-due`, or `too-many-orders`.
    """
    bank = desk.settings.bank
    if bank is None:
        raise Refused("no-account", "Bưu cục chưa nhận chuyển khoản trước. Mời ông/bà trả khi nhận.")
    with desk.database.write() as session:
        row = items.lock(session, [item_id])[0]
        lines = _owed(session, row).get(payee)
        if not lines:
            raise Refused("nothing-due", "Khoản này không còn phải trả.")
        known = list(session.scalars(select(PaymentOrder).where(PaymentOrder.item_id == item_id)))
        order = _fitting(session, known, payee, lines)
        if order is None:
            if len(known) >= MOST_ORDERS:
                raise Refused("too-many-orders", "Đã tạo quá nhiều mã. Mời ông/bà trả khi nhận hoặc hỏi bưu cục.")
            order = PaymentOrder(
                id=uuid7(),
                item_id=item_id,
                office_id=row.office_id,
                payee=payee,
                amount_dong=sum(dong for _, dong in lines),
                lines=_as_json(lines),
                code="".join(secrets.choice(vietqr.ALPHABET) for _ in range(vietqr.CODE_LETTERS)),
                asked_at=at,
            )
            session.add(order)
            session.flush()
        shown = _shown(bank, order, row.barcode)
    if shown is None:
        raise RuntimeError("an order and an account make something to show")
    return shown


# ------------------------------------------------------------------------------------------------------ by the cashier
@dataclass(frozen=True, slots=True)
class Noted:
    """A transfer of the statement with what it is about; `sentence` says why it waits, where it does."""

    row: BankNotice
    barcode: str | None
    payee: str | None
    sentence: str | None
    can_go_back: bool


def note(
    desk: Desk, caller: Caller, *, reference: str, amount_dong: int, purpose: str, booked_on: date, at: datetime
) -> Noted:
    """Write down a transfer as it stands on the bank's statement; the bank's number makes a second time harmless.

    Raises:
        Invalid: a part makes no sense.
        Refused: `same-id-other-content` for a known number with another amount or text, `a-postmans-transfer` for one that
            is confirmed elsewhere, `other-office` for money of another office's item.
    """
    said = " ".join(purpose.split())
    _require_sense(reference, amount_dong, said, booked_on, today=local_day(at))
    if caller.office_id is None:
        raise Missing("office", None)
    with desk.database.write() as session:
        # Whoever writes down the same line at this moment waits, and finds it known.
        ledger.hold(session, f"notice:{reference}")
        known = session.scalar(select(BankNotice).where(BankNotice.reference == reference))
        if known is not None:
            if known.office_id != caller.office_id or (known.amount_dong, known.purpose) != (amount_dong, said):
                raise Refused("same-id-other-content", f"Số giao dịch {reference} đã ghi với nội dung khác.")
            return _noted(session, known)
        order = _order_in(session, said)
        if order is None and vietqr.is_a_postmans(said):
            raise Refused("a-postmans-transfer", "Chuyển khoản này do bưu tá nhận: xác nhận ở trang Chuyển khoản.")
        if order is not None and order.office_id != caller.office_id:
            name = session.get_one(Office, order.office_id).name
            raise Refused("other-office", f"Chuyển khoản này của {name}.")
        made = _written(session, desk, caller, order, reference, Dong(amount_dong), said, booked_on, at=at)
        return _noted(session, made)


def _require_sense(reference: str, amount_dong: int, purpose: str, booked_on: date, *, today: date) -> None:
    faults = []
    if _REFERENCE.fullmatch(reference) is None:
        faults.append(FieldError("reference", "invalid", "Số giao dịch gồm 1–64 chữ, số không dấu, không cách."))
    if not 0 < amount_dong <= MOST_DONG:
        faults.append(FieldError("amount_dong", "out-of-range", f"Số tiền phải lớn hơn 0, nhận {amount_dong}."))
    if len(purpose) > MOST_PURPOSE:
        faults.append(FieldError("purpose", "too-long", f"Tối đa {MOST_PURPOSE} chữ, nhận {len(purpose)}."))
    if booked_on > today:
        faults.append(FieldError("booked_on", "in-the-future", f"{booked_on:%d/%m/%Y} chưa tới."))
    if faults:
        raise Invalid(*faults)


def _order_in(session: Session, purpose: str) -> PaymentOrder | None:
    """The one order that a bank's text names; None where it names none, or more than one."""
    codes = list(vietqr.codes_in(purpose))
    found = list(session.scalars(select(PaymentOrder).where(PaymentOrder.code.in_(codes)))) if codes else []
    return found[0] if len(found) == 1 else None


def _written(
    session: Session,
    desk: Desk,
    caller: Caller,
    order: PaymentOrder | None,
    reference: str,
    amount: Dong,
    purpose: str,
    booked_on: date,
    *,
    at: datetime,
) -> BankNotice:
    notice_id, today = uuid7(), local_day(at)
    office_id = order.office_id if order else caller.office_id
    if office_id is None:
        raise Missing("office", None)
    row = items.lock(session, [order.item_id])[0] if order else None
    outcome, lines = _outcome(session, order, row, amount)
    incident = None
    if outcome is Outcome.PAID and row is not None:
        for charge, dong in lines:
            session.get_one(ItemCharge, charge.id).prepaid_dong += dong
        session.flush()
        tx_id = items.settle_at_bank(
            session,
            row,
            prepaid(row.id, [(charge, Dong(dong)) for charge, dong in lines], office=office_id, day=today),
            key=f"prepaid:{notice_id}",
            by=caller.id,
            bylaws=desk.facts.bylaws,
            at=at,
            reverses=None,
        )
    else:
        tx_id = ledger.post(
            session,
            unplaced_transfer(amount, office=office_id, day=today),
            key=f"unplaced:{notice_id}",
            office_id=office_id,
            at=at,
            by=caller.id,
            item_id=None,
        )
        incident = _incident(office_id, row, order, outcome, amount, at=at)
        session.add(incident)
    made = BankNotice(
        id=notice_id,
        office_id=office_id,
        reference=reference,
        amount_dong=amount,
        purpose=purpose,
        booked_on=booked_on,
        noted_at=at,
        noted_by=caller.id,
        order_id=order.id if order else None,
        item_id=order.item_id if order else None,
        outcome=outcome.value,
        tx_id=tx_id,
        incident_id=None,
    )
    session.flush()
    session.add(made)
    if incident is not None:
        made.incident_id = incident.id
        if row is not None:
            session.flush()
            items.bump_bags(session, [row.id])
    session.flush()
    return made


def _outcome(
    session: Session, order: PaymentOrder | None, row: Item | None, amount: int
) -> tuple[Outcome, list[tuple[Charge, int]]]:
    if order is None or row is None:
        return Outcome.UNKNOWN, []
    owed = dict(_owed(session, row)).get(order.payee, ())
    by_id = {str(charge.id): (charge, dong) for charge, dong in owed}
    asked = [(str(line["charge"]), int(line["amount_dong"])) for line in order.lines]
    is_owed = all(charge in by_id and by_id[charge][1] == dong for charge, dong in asked)
    outcome = outcome_of(amount, asked=order.amount_dong, is_owed=is_owed, paid_before=_is_paid(session, order.id))
    return outcome, [by_id[charge] for charge, _ in asked] if outcome is Outcome.PAID else []


def _incident(
    office_id: UUID, row: Item | None, order: PaymentOrder | None, outcome: Outcome, amount: int, *, at: datetime
) -> Incident:
    return Incident(
        id=uuid7(),
        office_id=office_id,
        code=f"transfer-{outcome.value}",
        sentence=_sentence(outcome, amount, order, row.barcode if row else None),
        item_id=row.id if row else None,
        event_id=None,
        postman_id=None,
        day=local_day(at),
        about_money=True,
        owner_role=Role.CASHIER.value,
        opened_at=at,
    )


def _sentence(outcome: Outcome, amount: int, order: PaymentOrder | None, barcode: str | None) -> str:
    asked = _dong(order.amount_dong) if order else ""
    return _WORDS[outcome].format(found=_dong(amount), asked=asked, barcode=barcode or "")


def _dong(amount: int) -> str:
    return f"{amount:,}".replace(",", ".") + " đ"


def noted(desk: Desk, caller: Caller) -> list[Noted]:
    """The office's transfers, newest first; those that wait come before those that are settled."""
    query = (
        select(BankNotice, PaymentOrder, Item)
        .outerjoin(PaymentOrder, PaymentOrder.id == BankNotice.order_id)
        .outerjoin(Item, Item.id == BankNotice.item_id)
        .where(BankNotice.office_id == caller.office_id)
        .order_by(
            ((BankNotice.outcome == Outcome.PAID) | BankNotice.refunded_at.is_not(None)),
            BankNotice.noted_at.desc(),
            BankNotice.id.desc(),
        )
        .limit(_MOST)
    )
    with desk.database.read() as session:
        return [_told(*row) for row in session.execute(query)]


def _noted(session: Session, row: BankNotice) -> Noted:
    order = session.get(PaymentOrder, row.order_id) if row.order_id else None
    return _told(row, order, session.get(Item, row.item_id) if row.item_id else None)


def _told(row: BankNotice, order: PaymentOrder | None, item: Item | None) -> Noted:
    outcome = Outcome(row.outcome)
    waits = outcome is not Outcome.PAID
    barcode = item.barcode if item else None
    free = waits or (item is not None and State(item.state) in _CAN_GO_BACK)
    return Noted(
        row,
        barcode,
        order.payee if order else None,
        _sentence(outcome, row.amount_dong, order, barcode) if waits else None,
        can_go_back=row.refunded_at is None and free,
    )


def refund(desk: Desk, caller: Caller, notice_id: UUID, *, at: datetime) -> Noted:
    """The cashier sent the money back at the bank: the posting is reversed; what was settled by it is owed again.

    Raises:
        Missing: no such transfer in the caller's office.
        Refused: `already-refunded`; `already-used` for an item that is out or received; `already-paid-out` where the payee has
            the money; `not-enough` at the bank.
    """
    with desk.database.write() as session:
        found = session.scalar(select(BankNotice).where(BankNotice.id == notice_id))
        if found is None or found.office_id != caller.office_id:
            raise Missing("transfer", notice_id)
        # In the order of everybody: the item first, then the office's accounts.
        row = items.lock(session, [found.item_id])[0] if found.item_id else None
        session.execute(select(Office.id).where(Office.id == found.office_id).with_for_update())
        session.refresh(found)
        if found.refunded_at is not None:
            raise Refused("already-refunded", "Chuyển khoản này đã hoàn lại.")
        posting = _posting_of(session, found, day=local_day(at))
        if ledger.balance(session, f"bank:{found.office_id}") < found.amount_dong:
            raise Refused("not-enough", "Tài khoản ngân hàng của bưu cục không còn đủ tiền.")
        if found.outcome == Outcome.PAID and row is not None:
            found.refund_tx_id = _give_back(session, desk, caller, found, row, posting, at=at)
        else:
            found.refund_tx_id = ledger.post(
                session,
                posting,
                key=f"refund:{found.id}",
                office_id=found.office_id,
                at=at,
                by=caller.id,
                reverses=found.tx_id,
            )
        found.refunded_at = at
        incident = session.get(Incident, found.incident_id) if found.incident_id else None
        if incident is not None and incident.closed_at is None:
            incident.closed_at, incident.closed_by, incident.resolution = at, caller.id, "Đã hoàn lại tiền."
        session.flush()
        if row is not None:
            items.bump_bags(session, [row.id])
        return _noted(session, found)


def _posting_of(session: Session, notice: BankNotice, *, day: date) -> Posting:
    """The reversal of what was posted for a transfer."""
    kind = "prepaid" if notice.outcome == Outcome.PAID else "transfer unplaced"
    lines = tuple(Line(account, dong, charge) for account, dong, charge in ledger.lines_of(session, notice.tx_id))
    return Posting(kind, day, lines).reversed(day)


def _give_back(
    session: Session, desk: Desk, caller: Caller, notice: BankNotice, row: Item, posting: Posting, *, at: datetime
) -> UUID:
    if State(row.state) not in _CAN_GO_BACK:
        raise Refused("already-used", "Bưu gửi đang đi phát hoặc đã giao: tiền trả trước đã dùng.")
    by_payee: dict[str, int] = {}
    for line in posting.lines:
        if line.account.startswith("payable:"):
            payee = line.account.removeprefix("payable:")
            by_payee[payee] = by_payee.get(payee, 0) + line.amount_dong
    for payee, dong in by_payee.items():
        if ledger.payable(session, notice.office_id, payee) < dong:
            raise Refused("already-paid-out", "Tiền đã nộp cho nơi thụ hưởng, không hoàn từ bưu cục được.")
    for line in posting.lines:
        if line.account == f"receivable:{row.id}" and line.charge_id is not None:
            session.get_one(ItemCharge, line.charge_id).prepaid_dong -= line.amount_dong
    session.flush()
    return items.settle_at_bank(
        session,
        row,
        posting,
        key=f"refund:{notice.id}",
        by=caller.id,
        bylaws=desk.facts.bylaws,
        at=at,
        reverses=notice.tx_id,
    )


def waiting(desk: Desk, caller: Caller) -> Mapping[str, int]:
    """How many transfers of the office wait in suspense, and how much."""
    query = select(func.count(), func.coalesce(func.sum(BankNotice.amount_dong), 0)).where(
        BankNotice.office_id == caller.office_id, BankNotice.outcome != Outcome.PAID, BankNotice.refunded_at.is_(None)
    )
    with desk.database.read() as session:
        number, dong = session.execute(query).one()
    return {"count": number, "amount_dong": int(dong)}
