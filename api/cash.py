"""The cashier's evening: a postman's money, the hand-in, transfers, and what is owed to payees."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import Blueprint, Dong, Id, LocalDay, Name, Strict, Text, Whole, Word, desk, idempotent, now
from courier import cashdesk
from courier.domain.calendar import local_day

blueprint = Blueprint("cash", __name__, url_prefix="/api/v1")


class CashSchema(Strict):
    """One postman's money of one day. `expected_dong` is the notes alone; `difference_dong` is counted minus expected."""

    postman = Id(required=True)
    name = fields.String(required=True)
    date = LocalDay(required=True)
    expected_dong = fields.Integer(required=True)
    by_kind = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    by_method = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    remitted_dong = fields.Integer(required=True)
    difference_dong = fields.Integer(required=True)
    difference_reason = fields.String(required=True, allow_none=True)
    closed = fields.Boolean(required=True)
    in_bag = fields.Integer(required=True)
    open_incidents = fields.Integer(required=True)


class EveningSchema(Strict):
    """Every postman of the office."""

    data = fields.List(fields.Nested(CashSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class EveningQuery(Strict):
    """Which day; today when left out."""

    date = LocalDay(load_default=None)


class RemittanceSchema(Strict):
    """What was counted: number of notes by their worth. A difference needs a reason."""

    postman = Id(required=True)
    date = LocalDay(required=True)
    counted = fields.Dict(
        keys=Text(at_least=1, at_most=7, pattern=r"^[0-9]+$"),
        values=Whole(maximum=100_000),
        required=True,
        validate=validate.Length(max=20),
    )
    difference_reason = Text(at_most=500, load_default=None, allow_none=True)


class TransferSchema(Strict):
    """A bank transfer seen at a door that the bank has not confirmed."""

    event = Id(required=True)
    charge = Id(required=True)
    item = Id(required=True)
    barcode = fields.String(required=True)
    postman = Id(required=True)
    name = fields.String(required=True)
    date = LocalDay(required=True)
    amount_dong = Dong(required=True)


class TransfersSchema(Strict):
    """All of them, oldest first."""

    data = fields.List(fields.Nested(TransferSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class ConfirmSchema(Strict):
    """Which transfer stands on the bank's statement."""

    event = Id(required=True)
    charge = Id(required=True)


class PayableSchema(Strict):
    """What was taken for a payee and not yet handed on."""

    payee = fields.String(required=True)
    amount_dong = fields.Integer(required=True)


class PayablesSchema(Strict):
    """Every payee the office owes."""

    data = fields.List(fields.Nested(PayableSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class PayoutSchema(Strict):
    """Money handed on; the same `id` twice pays once."""

    id = Id(required=True)
    payee = Name(at_most=100, required=True)
    amount_dong = Dong(minimum=1, required=True)
    source = Word(("till", "bank"), required=True)
    reference = Name(at_most=100, required=True)


def _cash_body(day: cashdesk.CashDay) -> dict[str, Any]:
    return {
        "postman": day.postman_id,
        "name": day.name,
        "date": day.day,
        "expected_dong": day.expected_dong,
        "by_kind": dict(day.by_kind),
        "by_method": dict(day.by_method),
        "remitted_dong": day.remitted_dong,
        "difference_dong": day.difference_dong,
        "difference_reason": day.difference_reason,
        "closed": day.closed,
        "in_bag": day.in_bag,
        "open_incidents": day.open_incidents,
    }


@blueprint.route("/cash", methods=["GET"])
@roles("cashier")
@blueprint.arguments(EveningQuery, location="query")
@blueprint.response(200, EveningSchema)
def evening(query: Mapping[str, Any]) -> Any:
    """Every postman of the office on one day."""
    rows = cashdesk.evening(desk(), caller(), query["date"] or local_day(now()))
    return {"data": [_cash_body(row) for row in rows], "next": None}


@blueprint.route("/cash/<uuid:postman_id>/<day:day>", methods=["GET"])
@roles("postman", "cashier", "admin")
@blueprint.response(200, CashSchema)
def cash_day(postman_id: UUID, day: date) -> Any:
    """One postman's money of one day."""
    return _cash_body(cashdesk.cash_day(desk(), caller(), postman_id, day))


@blueprint.route("/remittances", methods=["POST"])
@roles("cashier")
@idempotent
@blueprint.arguments(RemittanceSchema)
@blueprint.response(201, CashSchema)
def remit(body: Mapping[str, Any]) -> Any:
    """Count a postman's cash and close his day."""
    return _cash_body(
        cashdesk.remit(
            desk(),
            caller(),
            body["postman"],
            body["date"],
            counted=body["counted"],
            difference_reason=body["difference_reason"],
            at=now(),
        )
    )


@blueprint.route("/transfers", methods=["GET"])
@roles("cashier")
@blueprint.response(200, TransfersSchema)
def transfers() -> Any:
    """Bank transfers seen at doors that the bank has not confirmed."""
    return {"data": [_transfer_body(claim) for claim in cashdesk.claims(desk(), caller())], "next": None}


def _transfer_body(claim: cashdesk.Claim) -> dict[str, Any]:
    return {
        "event": claim.event_id,
        "charge": claim.charge_id,
        "item": claim.item_id,
        "barcode": claim.barcode,
        "postman": claim.postman_id,
        "name": claim.postman,
        "date": claim.day,
        "amount_dong": claim.amount_dong,
    }


@blueprint.route("/transfers/confirmations", methods=["POST"])
@roles("cashier")
@idempotent
@blueprint.arguments(ConfirmSchema)
@blueprint.response(201, TransferSchema)
def confirm_transfer(body: Mapping[str, Any]) -> Any:
    """The transfer stands on the bank's statement."""
    claim = cashdesk.confirm_transfer(desk(), caller(), event_id=body["event"], charge_id=body["charge"], at=now())
    return _transfer_body(claim)


@blueprint.route("/payables", methods=["GET"])
@roles("cashier")
@blueprint.response(200, PayablesSchema)
def payables() -> Any:
    """What the office owes each agency, the treasury and the post."""
    return _payables_body(cashdesk.payables(desk(), caller()))


def _payables_body(owed: Mapping[str, int]) -> dict[str, Any]:
    return {"data": [{"payee": payee, "amount_dong": amount} for payee, amount in owed.items()], "next": None}


@blueprint.route("/payouts", methods=["POST"])
@roles("cashier")
@idempotent
@blueprint.arguments(PayoutSchema)
@blueprint.response(201, PayablesSchema)
def pay_out(body: Mapping[str, Any]) -> Any:
    """Hand money on to a payee; the answer is what is still owed."""
    left = cashdesk.pay_out(
        desk(),
        caller(),
        payee=body["payee"],
        amount=body["amount_dong"],
        source=body["source"],
        reference=body["reference"],
        key=body["id"],
        at=now(),
    )
    return _payables_body(left)
