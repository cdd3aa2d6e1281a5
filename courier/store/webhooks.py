"""Webhooks in the database: endpoints, and the notices that are written in the transaction of the fact they tell.

The notices of an item to an endpoint are taken in the order of their `position`: the first that is pending stands before all later
ones. Positions are given while the item is held, so their order is the order in which its facts were recorded.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import BindParameter, Row, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased
from uuid_utils.compat import uuid7

from courier.domain.item import Direction, Event, EventType, Life
from courier.domain.webhooks import PING, REMITTED, Money, Notice, body_of, type_of
from courier.store.session import Database
from courier.store.tables import (
    Agency,
    Dossier,
    Item,
    ItemCharge,
    LedgerEntry,
    LedgerTx,
    WebhookEndpoint,
    WebhookNotice,
    plain,
)

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
_AT_ONCE: Final = 1000


# ------------------------------------------------------------------------------------------------- with the fact
_LISTENING = select(WebhookEndpoint.id, WebhookEndpoint.agency_id, WebhookEndpoint.types).where(
    WebhookEndpoint.agency_id.in_(bindparam("agencies", expanding=True)), WebhookEndpoint.state != "removed"
)


def enter(session: Session, notices: Sequence[Notice], *, at: datetime) -> None:
    """Write what agencies are to be told, within the transaction of the facts: one question, and nothing where nobody listens."""
    if not notices:
        return
    listening = session.execute(_LISTENING, {"agencies": list({notice.agency_id for notice in notices})}).all()
    if not listening:
        return
    wanted = [
        (endpoint_id, notice)
        for notice in notices
        for endpoint_id, agency_id, types in listening
        if agency_id == notice.agency_id and (not types or notice.type in types)
    ]
    codes = _dossier_codes(session, {one.dossier_id for _, one in wanted if one.dossier_id is not None})
    rows = []
    for endpoint_id, one in wanted:
        code = one.dossier_code if one.dossier_id is None else codes[one.dossier_id]
        rows.append(_row(endpoint_id, one, body_of(one, dossier_code=code, at=at), at=at))
    if rows:
        session.execute(insert(plain(WebhookNotice)), rows)


def told(
    row: Item, event: Event, life: Life, *, was: str, reasons: Collection[str], money: Sequence[Money] = ()
) -> list[Notice]:
    """What an event that has just been entered says of an item to its agency; `was` is the item's state before it."""
    # Whoever did not have the paper by the books may have handed it over all the same.
    aside = any(c.event_id == event.event_id and c.code != "not-in-custody" for c in life.conflicts)
    kind = type_of(
        event.type,
        Direction(row.direction),
        conflict=aside or event.event_id in life.withdrawn,
        changed=row.state != was,
    )
    if kind is None:
        return []
    failed = event.type is EventType.ATTEMPT_FAILED
    reason, next_on = str(event.data.get("reason", "")), event.data.get("next_on")
    return [
        Notice(
            type=kind,
            agency_id=row.agency_id,
            item_id=row.id,
            dossier_id=row.dossier_id,
            barcode=row.barcode,
            direction=row.direction,
            state=row.state,
            attempts=row.attempts,
            occurred_at=event.occurred_at,
            event_id=event.event_id,
            # A phone may write any word here: only those of our list are passed on.
            reason=(reason if reason in reasons else "other") if failed else None,
            next_on=date.fromisoformat(str(next_on)) if failed and next_on else None,
            money=money,
        )
    ]


def money_in(lines: Iterable[tuple[str, int, UUID | None]], payees: Mapping[UUID, str]) -> list[Money]:
    """What the lines of a collection say was paid to whom; money beyond what was due is the post's to sort out and not told."""
    paid: dict[str, int] = {}
    cash: dict[str, int] = {}
    for account, amount, charge_id in lines:
        if charge_id is not None and charge_id in payees:
            payee = payees[charge_id]
            if account.startswith("receivable:"):
                paid[payee] = paid.get(payee, 0) - amount
            elif account.startswith("payable:"):
                cash[payee] = cash.get(payee, 0) - amount
    return [Money(payee, cash.get(payee, 0), dong - cash.get(payee, 0)) for payee, dong in sorted(paid.items()) if dong]


def _row(endpoint_id: UUID, told: Notice | None, body: dict[str, Any], *, at: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "endpoint_id": endpoint_id,
        "item_id": None if told is None else told.item_id,
        "type": body["type"],
        "body": orjson.dumps(body, option=orjson.OPT_UTC_Z).decode(),
        "created_at": at,
        "state": PENDING,
        "tries": 0,
        "due_at": at,
    }


def _dossier_codes(session: Session, dossier_ids: Collection[UUID]) -> dict[UUID, str]:
    ordered, found = sorted(dossier_ids), dict[UUID, str]()
    for start in range(0, len(ordered), _AT_ONCE):
        part = select(Dossier.id, Dossier.code).where(Dossier.id.in_(ordered[start : start + _AT_ONCE]))
        found |= dict(session.execute(part).all())
    return found


def enter_remitted(session: Session, account: str, *, at: datetime) -> None:
    """Tell agencies that the money in a pocket was handed in, item by item. Called while the pocket is held, before it is emptied."""
    rows = session.execute(
        select(Item, ItemCharge.payee, func.sum(LedgerEntry.amount_dong))
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .join(ItemCharge, ItemCharge.id == LedgerEntry.charge_id)
        .join(Item, Item.id == ItemCharge.item_id)
        .where(
            LedgerEntry.account == account,
            exists().where(WebhookEndpoint.agency_id == Item.agency_id, WebhookEndpoint.state != "removed"),
        )
        .group_by(Item.id, ItemCharge.payee)
        .order_by(Item.id, ItemCharge.payee)
    )
    money: dict[UUID, list[Money]] = {}
    items: dict[UUID, Item] = {}
    for item, payee, amount in rows:
        if amount:
            items[item.id] = item
            money.setdefault(item.id, []).append(Money(payee, int(amount), 0))
    enter(session, [_of_item(items[item_id], lines, at=at) for item_id, lines in money.items()], at=at)


def _of_item(row: Item, money: Sequence[Money], *, at: datetime) -> Notice:
    return Notice(
        type=REMITTED,
        agency_id=row.agency_id,
        item_id=row.id,
        dossier_id=row.dossier_id,
        barcode=row.barcode,
        direction=row.direction,
        state=row.state,
        attempts=row.attempts,
        occurred_at=at,
        money=money,
    )


def enter_ping(session: Session, endpoint: WebhookEndpoint, *, at: datetime) -> WebhookNotice:
    """A notice about nothing, to see whether anybody listens."""
    notice = WebhookNotice(**_row(endpoint.id, None, {"type": PING, "timestamp": at, "data": {}}, at=at))
    session.add(notice)
    session.flush()
    return notice


# ------------------------------------------------------------------------------------------------------- endpoints
def agency_exists(session: Session, agency_id: UUID) -> bool:
    """True for an agency that we know."""
    return session.get(Agency, agency_id) is not None


def endpoints_of(session: Session, agency_id: UUID) -> list[WebhookEndpoint]:
    """An agency's endpoints, oldest first; the agency is held so that two cannot both make the last one that is allowed."""
    session.execute(select(Agency.id).where(Agency.id == agency_id).with_for_update())
    return list_endpoints(session, agency_id)


def list_endpoints(session: Session, agency_id: UUID | None) -> list[WebhookEndpoint]:
    """The endpoints of an agency, without one of all, oldest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.state != "removed").order_by(WebhookEndpoint.id)
    if agency_id is not None:
        query = query.where(WebhookEndpoint.agency_id == agency_id)
    return list(session.scalars(query))


def endpoint(session: Session, endpoint_id: UUID, *, to_change: bool = False) -> WebhookEndpoint | None:
    """One endpoint, locked if it is to be changed; None for one that was removed or never was."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.state != "removed")
    # Its key stays what it is: whoever writes a notice for it meanwhile does not wait.
    return session.scalar(query.with_for_update(key_share=True) if to_change else query)


def give_up_all(session: Session, endpoint_id: UUID, *, at: datetime) -> None:
    """Nothing more is sent to an endpoint that is taken away."""
    session.execute(
        update(WebhookNotice)
        .where(WebhookNotice.endpoint_id == endpoint_id, WebhookNotice.state == PENDING)
        .values(state=DEAD, fault="endpoint-removed", settled_at=at)
    )


# --------------------------------------------------------------------------------------------------------- notices
def notices(
    session: Session, endpoint_id: UUID, *, state: str | None, before: int | None, limit: int
) -> list[WebhookNotice]:
    """The notices of an endpoint, newest first."""
    query = select(WebhookNotice).where(WebhookNotice.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(WebhookNotice.state == state)
    if before is not None:
        query = query.where(WebhookNotice.position < before)
    return list(session.scalars(query.order_by(WebhookNotice.position.desc()).limit(limit)))


def counts(session: Session, endpoint_ids: Collection[UUID]) -> dict[tuple[UUID, str], int]:
    """How many notices each endpoint has in each state."""
    rows = session.execute(
        select(WebhookNotice.endpoint_id, WebhookNotice.state, func.count())
        .where(WebhookNotice.endpoint_id.in_(list(endpoint_ids)))
        .group_by(WebhookNotice.endpoint_id, WebhookNotice.state)
    )
    return {(endpoint_id, state): int(count) for endpoint_id, state, count in rows}


def replay(
    session: Session, endpoint_id: UUID, *, at: datetime, notice_id: UUID | None = None, since: datetime | None = None
) -> int:
    """Send settled notices again: one, or all that were written since a moment. Gives how many."""
    again = update(WebhookNotice).where(WebhookNotice.endpoint_id == endpoint_id, WebhookNotice.state != PENDING)
    if notice_id is not None:
        again = again.where(WebhookNotice.id == notice_id)
    if since is not None:
        again = again.where(WebhookNotice.created_at >= since)
    done = session.execute(again.values(state=PENDING, tries=0, due_at=at, settled_at=None))
    return int(done.rowcount)  # type: ignore[attr-defined]  # a statement that changes rows counts them


def notice(session: Session, endpoint_id: UUID, notice_id: UUID) -> WebhookNotice | None:
    """One notice of an endpoint."""
    return session.scalar(
        select(WebhookNotice).where(WebhookNotice.endpoint_id == endpoint_id, WebhookNotice.id == notice_id)
    )


# --------------------------------------------------------------------------------------------------------- sending
_DUE = aliased(WebhookNotice)
_EARLIER = aliased(WebhookNotice)
_NOW: BindParameter[datetime] = bindparam("now")
# Asked several times a second by everybody's server: building a statement costs more than running it.
_ENDPOINTS_DUE = select(WebhookEndpoint.id, WebhookEndpoint.failures).where(
    WebhookEndpoint.state == "active",
    or_(WebhookEndpoint.resting_until.is_(None), WebhookEndpoint.resting_until <= _NOW),
    exists().where(_DUE.endpoint_id == WebhookEndpoint.id, _DUE.state == PENDING, _DUE.due_at <= _NOW),
)


def endpoints_due(database: Database, *, at: datetime) -> list[Row[Any]]:
    """The endpoints that something can be sent to now: (id, failures)."""
    with database.glance_engine.connect() as connection:
        return list(connection.execute(_ENDPOINTS_DUE, {"now": at}))


def next_of(
    session: Session, endpoint_id: UUID, *, at: datetime, besides: Collection[UUID], limit: int
) -> list[WebhookNotice]:
    """The notices that may be sent to an endpoint now, oldest first: of every item the first that is pending, if it is due.

    `besides` are those on their way at this moment.
    """
    first = ~exists().where(
        _EARLIER.endpoint_id == WebhookNotice.endpoint_id,
        _EARLIER.item_id == WebhookNotice.item_id,
        _EARLIER.state == PENDING,
        _EARLIER.position < WebhookNotice.position,
    )
    return list(
        session.scalars(
            select(WebhookNotice)
            .where(
                WebhookNotice.endpoint_id == endpoint_id,
                WebhookNotice.state == PENDING,
                WebhookNotice.due_at <= at,
                WebhookNotice.id.not_in(list(besides)),
                or_(WebhookNotice.item_id.is_(None), first),
            )
            .order_by(WebhookNotice.position)
            .limit(limit)
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a try; `due_at` is None when the notice is settled."""

    notice_id: UUID
    state: str
    tries: int
    due_at: datetime | None
    status: int | None
    fault: str | None


def settle(session: Session, outcome: Outcome, *, at: datetime) -> bool:
    """Write down what came of a try; False when somebody else has written about this notice since it was taken."""
    values: dict[str, Any] = {
        "state": outcome.state,
        "tries": outcome.tries,
        "tried_at": at,
        "status": outcome.status,
        "fault": outcome.fault,
        "settled_at": None if outcome.state == PENDING else at,
    }
    if outcome.due_at is not None:
        values["due_at"] = outcome.due_at
    done = session.execute(
        update(WebhookNotice)
        .where(
            and_(
                WebhookNotice.id == outcome.notice_id,
                WebhookNotice.state == PENDING,
                WebhookNotice.tries == outcome.tries - 1,
            )
        )
        .values(values)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # a statement that changes rows counts them


def office_of(session: Session, item_id: UUID | None) -> UUID | None:
    """The office that answers for an item."""
    return session.scalar(select(Item.office_id).where(Item.id == item_id)) if item_id is not None else None


def forget(session: Session, *, before: datetime) -> int:
    """Remove notices that were settled long ago."""
    done = session.execute(
        delete(WebhookNotice).where(WebhookNotice.state != PENDING, WebhookNotice.settled_at < before)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # a statement that changes rows counts them
