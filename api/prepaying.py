"""Paying before the visit: what to transfer, by link; what stands on the bank's statement, by the cashier."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields

from api.auth import caller, roles
from api.conventions import Blueprint, Dong, Id, Instant, LocalDay, Strict, Text, Word, desk, idempotent, now, page_of
from api.public import proven, visitor
from courier import prepaying, tracking
from courier.domain.calendar import ZONE
from courier.domain.money import ChargeKind, Outcome
from courier.prepaying import Ahead, Noted, Shown

blueprint = Blueprint("prepaying", __name__, url_prefix="/api/v1")


class OrderSchema(Strict):
    """A transfer to make. `payload` is VietQR; the same stands beside it as text. Showing it pays nothing."""

    bank_bin = fields.String(required=True)
    account = fields.String(required=True)
    account_name = fields.String(required=True)
    amount_dong = fields.Integer(required=True)
    purpose = fields.String(required=True)
    payload = fields.String(required=True)


class OwedLineSchema(Strict):
    """A charge and what is owed of it."""

    kind = Word(list(ChargeKind), required=True)
    amount_dong = fields.Integer(required=True)


class PayeeDueSchema(Strict):
    """What one payee is owed; `order` when it was asked for."""

    payee = fields.String(required=True)
    amount_dong = fields.Integer(required=True)
    lines = fields.List(fields.Nested(OwedLineSchema), required=True)
    order = fields.Nested(OrderSchema, required=True, allow_none=True)


class ArrivedTransferSchema(Strict):
    """A transfer that arrived at the bank: it settles only when `outcome` is `paid`."""

    amount_dong = fields.Integer(required=True)
    booked_on = LocalDay(required=True)
    outcome = Word(list(Outcome), required=True)
    refunded_at = Instant(required=True, allow_none=True)


class PaymentSchema(Strict):
    """Everything about paying before the visit."""

    may_pay = fields.Boolean(required=True)
    paid_twice = fields.Boolean(required=True)
    dues = fields.List(fields.Nested(PayeeDueSchema), required=True)
    transfers = fields.List(fields.Nested(ArrivedTransferSchema), required=True)


class AskSchema(Strict):
    """For whom."""

    payee = Text(at_least=1, at_most=100, required=True)


class NewBankNoticeSchema(Strict):
    """A line of the bank's statement. `reference` is the bank's own number: the same twice is one transfer."""

    reference = Text(at_least=1, at_most=64, pattern=r"^[!-~]+$", required=True)
    amount_dong = Dong(minimum=1, required=True)
    purpose = Text(at_most=prepaying.MOST_PURPOSE, required=True)
    booked_on = LocalDay(required=True)


class BankNoticeSchema(Strict):
    """A transfer and what it settled; `sentence` says why it waits."""

    id = Id(required=True)
    reference = fields.String(required=True)
    amount_dong = fields.Integer(required=True)
    purpose = fields.String(required=True)
    booked_on = LocalDay(required=True)
    outcome = Word(list(Outcome), required=True)
    item = Id(required=True, allow_none=True)
    barcode = fields.String(required=True, allow_none=True)
    payee = fields.String(required=True, allow_none=True)
    sentence = fields.String(required=True, allow_none=True)
    refunded_at = Instant(required=True, allow_none=True)


def _order(shown: Shown | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    return {
        "bank_bin": shown.account.bin,
        "account": shown.account.account,
        "account_name": shown.account.name,
        "amount_dong": shown.amount_dong,
        "purpose": shown.purpose,
        "payload": shown.payload,
    }


def _told(found: Ahead) -> dict[str, Any]:
    return {
        "may_pay": found.may_pay,
        "paid_twice": found.paid_twice,
        "dues": [
            {
                "payee": due.payee,
                "amount_dong": due.amount_dong,
                "lines": [{"kind": charge.kind.value, "amount_dong": dong} for charge, dong in due.lines],
                "order": _order(due.order),
            }
            for due in found.dues
        ],
        "transfers": [
            {
                "amount_dong": row.amount_dong,
                "booked_on": row.booked_on,
                "outcome": row.outcome,
                "refunded_at": row.refunded_at.astimezone(ZONE) if row.refunded_at else None,
            }
            for row in found.notices
        ],
    }


def _notice(noted: Noted) -> dict[str, Any]:
    row = noted.row
    return {
        "id": row.id,
        "reference": row.reference,
        "amount_dong": row.amount_dong,
        "purpose": row.purpose,
        "booked_on": row.booked_on,
        "outcome": row.outcome,
        "item": row.item_id,
        "barcode": noted.barcode,
        "payee": noted.payee,
        "sentence": noted.sentence,
        "refunded_at": row.refunded_at.astimezone(ZONE) if row.refunded_at else None,
    }


@blueprint.route("/public/items/<string:token>/payment", methods=["GET"])
@proven
@blueprint.response(200, PaymentSchema)
@blueprint.alt_response(409, description="the phone was not proven")
def show(token: str) -> Any:
    """What can be paid before the visit, and what arrived at the bank."""
    return _told(prepaying.ahead(desk(), tracking.require_proven(desk(), token, visitor(), at=now())))


@blueprint.route("/public/items/<string:token>/payment/orders", methods=["POST"])
@proven
@idempotent
@blueprint.arguments(AskSchema)
@blueprint.response(201, OrderSchema)
def ask(body: Mapping[str, Any], token: str) -> Any:
    """What to transfer to one payee; the same order while the same is owed."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return _order(prepaying.ask(desk(), item_id, payee=body["payee"], at=now()))


@blueprint.route("/bank-notices", methods=["GET"])
@roles("cashier")
@blueprint.response(200, page_of(BankNoticeSchema))
def list_notices() -> Any:
    """The office's transfers before visits, those that wait first; at most 200."""
    return {"data": [_notice(one) for one in prepaying.noted(desk(), caller())], "next": None}


@blueprint.route("/bank-notices", methods=["POST"])
@roles("cashier")
@idempotent
@blueprint.arguments(NewBankNoticeSchema)
@blueprint.response(201, BankNoticeSchema)
def note(body: Mapping[str, Any]) -> Any:
    """Write down a line of the bank's statement: it settles what it was asked for, or waits in suspense."""
    return _notice(prepaying.note(desk(), caller(), **body, at=now()))


@blueprint.route("/bank-notices/<uuid:notice_id>/refund", methods=["POST"])
@roles("cashier")
@idempotent
@blueprint.response(200, BankNoticeSchema)
def refund(notice_id: UUID) -> Any:
    """The money was sent back at the bank: what it settled is owed again."""
    return _notice(prepaying.refund(desk(), caller(), notice_id, at=now()))
