"""Money: whole dong, charges, and the double-entry postings of the ledger.

Every posting is balanced by construction; the database checks it again. Debits are positive, credits negative. Accounts:

* `receivable:<item>`     what the recipient still owes for the item
* `due:<payee>`           contra of the receivables: asked for on a payee's behalf, not yet taken
* `cash:<postman>:<day>`  notes in a postman's pocket on one day
* `claimed:<postman>:<day>`  bank transfers seen at the door, not yet confirmed by the bank
* `till:<office>`, `bank:<office>`  the office's cash box and bank account
* `payable:<payee>`       taken and owed to an agency, the treasury or the post
* `suspense:<office>`     money nobody can place yet
* `over_short:<office>`   counted minus expected, owned by a person
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NewType
from uuid import UUID

Dong = NewType("Dong", int)

# One thousand billion: no single amount of this trade comes near, so a larger one is a typing error.
MOST_DONG = 10**12


class ChargeKind(StrEnum):
    """Three kinds of charge with three destinations; there is never one amount for all."""

    STATE_FEE = "state_fee"
    FINE = "fine"
    POSTAGE = "postage"


class Method(StrEnum):
    """How money was taken at the door."""

    CASH = "cash"
    BANK_QR = "bank_qr"


class Outcome(StrEnum):
    """What a transfer before the visit settled: everything it was asked for, or nothing yet."""

    PAID = "paid"
    OVER = "over"
    UNDER = "under"
    DUPLICATE = "duplicate"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """A due line of an item: what, for whom, how much."""

    id: UUID
    kind: ChargeKind
    payee: str
    amount_dong: Dong


@dataclass(frozen=True, slots=True)
class Collection:
    """Money taken for one charge at one door."""

    charge_id: UUID
    amount_dong: Dong
    method: Method


@dataclass(frozen=True, slots=True)
class Line:
    """One side of a posting: positive debits the account, negative credits it."""

    account: str
    amount_dong: int
    charge_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """A balanced set of lines with the day of business it belongs to."""

    kind: str
    day: date
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if any(type(line.amount_dong) is not int for line in self.lines):
            raise ValueError(f"amounts are whole dong, found {self.lines}")
        if len(self.lines) < 2 or sum(line.amount_dong for line in self.lines) != 0:
            raise ValueError(f"a posting has two lines or more and sums to zero, found {self.lines}")

    def reversed(self, day: date) -> "Posting":
        """The same lines with the signs turned, on another day."""
        lines = tuple(Line(line.account, -line.amount_dong, line.charge_id) for line in self.lines)
        return Posting(f"reversal of {self.kind}", day, lines)


def cash_account(postman: UUID, day: date) -> str:
    """The account of the notes a postman carries on one day."""
    return f"cash:{postman}:{day.isoformat()}"


def claimed_account(postman: UUID, day: date) -> str:
    """The account of bank transfers a postman saw on one day and nobody has confirmed."""
    return f"claimed:{postman}:{day.isoformat()}"


def due_accepted(item: UUID, charges: Iterable[Charge], day: date) -> Posting | None:
    """The recipient owes the charges of an accepted item; None when nothing is due."""
    lines: list[Line] = []
    for charge in charges:
        if charge.amount_dong:
            lines.append(Line(f"receivable:{item}", charge.amount_dong, charge.id))
            lines.append(Line(f"due:{charge.payee}", -charge.amount_dong, charge.id))
    return Posting("charges accepted", day, tuple(lines)) if lines else None


def due_forgiven(item: UUID, open_by_charge: Iterable[tuple[Charge, Dong]], day: date) -> Posting | None:
    """Nobody owes anything for an item that went back or was cancelled; None when nothing was open."""
    lines: list[Line] = []
    for charge, still_open in open_by_charge:
        if still_open:
            lines.append(Line(f"receivable:{item}", -still_open, charge.id))
            lines.append(Line(f"due:{charge.payee}", still_open, charge.id))
    return Posting("charges dropped", day, tuple(lines)) if lines else None


def collected(
    item: UUID,
    taken: Sequence[tuple[Charge, Collection, Dong]],
    stray: Iterable[Collection] = (),
    *,
    pocket: UUID,
    day: date,
    office: UUID,
) -> Posting | None:
    """Money taken at a door, line by line: (charge, collection, what was still open on the charge).

    What is taken beyond the open amount goes to suspense, and so does `stray`: money for no charge that is known. A bank
    transfer is only claimed: the payee is owed nothing until the bank's word is there.
    """
    lines: list[Line] = []
    for charge, collection, still_open in taken:
        amount = collection.amount_dong
        if not amount:
            continue
        for_charge = min(amount, still_open)
        by_cash = collection.method is Method.CASH
        source = cash_account(pocket, day) if by_cash else claimed_account(pocket, day)
        lines.append(Line(source, amount, charge.id))
        if for_charge:
            lines.append(Line(f"receivable:{item}", -for_charge, charge.id))
            if by_cash:
                lines.append(Line(f"due:{charge.payee}", for_charge, charge.id))
                lines.append(Line(f"payable:{charge.payee}", -for_charge, charge.id))
        if amount > for_charge:
            lines.append(Line(f"suspense:{office}", -(amount - for_charge), charge.id))
    lines += _unplaced(stray, pocket=pocket, day=day, office=office, known=False)
    return Posting("collection", day, tuple(lines)) if lines else None


def taken_in_conflict(
    collections: Iterable[Collection],
    stray: Iterable[Collection] = (),
    *,
    pocket: UUID,
    day: date,
    office: UUID,
) -> Posting | None:
    """Money from a handover that the item's life has no place for: it is in the pocket, and in suspense until a person decides."""
    lines = _unplaced(collections, pocket=pocket, day=day, office=office, known=True)
    lines += _unplaced(stray, pocket=pocket, day=day, office=office, known=False)
    return Posting("collection in conflict", day, tuple(lines)) if lines else None


def _unplaced(collections: Iterable[Collection], *, pocket: UUID, day: date, office: UUID, known: bool) -> list[Line]:
    lines: list[Line] = []
    for collection in collections:
        if collection.amount_dong:
            by_cash = collection.method is Method.CASH
            source = cash_account(pocket, day) if by_cash else claimed_account(pocket, day)
            charge_id = collection.charge_id if known else None
            lines.append(Line(source, collection.amount_dong, charge_id))
            lines.append(Line(f"suspense:{office}", -collection.amount_dong, charge_id))
    return lines


def remitted(postman: UUID, day: date, office: UUID, *, expected: Dong, counted: Dong) -> Posting | None:
    """The evening: counted notes move to the till, the difference to over/short; None when there was no money at all."""
    lines = [
        Line(f"till:{office}", counted),
        Line(cash_account(postman, day), -expected),
        Line(f"over_short:{office}", expected - counted),
    ]
    lines = [line for line in lines if line.amount_dong]
    return Posting("remittance", day, tuple(lines)) if lines else None


def confirmed_by_bank(
    postman: UUID, taken_on: date, charge: Charge, amount: Dong, *, office: UUID, day: date
) -> Posting:
    """The bank confirmed a claimed transfer for one charge: the payee is owed from now on."""
    return Posting(
        "bank confirmed",
        day,
        (
            Line(f"bank:{office}", amount, charge.id),
            Line(claimed_account(postman, taken_on), -amount, charge.id),
            Line(f"due:{charge.payee}", amount, charge.id),
            Line(f"payable:{charge.payee}", -amount, charge.id),
        ),
    )


def outcome_of(amount: int, *, asked: int, is_owed: bool, paid_before: bool) -> Outcome:
    """What a transfer on an order comes to: it settles an amount to the dong, once, while it is owed as it was asked for."""
    if paid_before:
        return Outcome.DUPLICATE
    if not is_owed:
        return Outcome.LATE
    if amount == asked:
        return Outcome.PAID
    return Outcome.OVER if amount > asked else Outcome.UNDER


def prepaid(item: UUID, lines: Iterable[tuple[Charge, Dong]], *, office: UUID, day: date) -> Posting:
    """A transfer that the recipient made before the visit, seen on the bank's statement: the payees are owed from now on."""
    made: list[Line] = []
    for charge, amount in lines:
        made += [
            Line(f"bank:{office}", amount, charge.id),
            Line(f"receivable:{item}", -amount, charge.id),
            Line(f"due:{charge.payee}", amount, charge.id),
            Line(f"payable:{charge.payee}", -amount, charge.id),
        ]
    return Posting("prepaid", day, tuple(made))


def unplaced_transfer(amount: Dong, *, office: UUID, day: date) -> Posting:
    """A transfer at the bank that settles nothing as it is: in suspense until a person decides."""
    return Posting("transfer unplaced", day, (Line(f"bank:{office}", amount), Line(f"suspense:{office}", -amount)))


def paid_out(payee: str, amount: Dong, *, source: str, office: UUID, day: date) -> Posting:
    """Money handed on to an agency, the treasury or the post from the `till` or the `bank`."""
    return Posting("payout", day, (Line(f"payable:{payee}", amount), Line(f"{source}:{office}", -amount)))
