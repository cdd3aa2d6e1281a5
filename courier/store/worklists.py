"""Read models: the postman's day, and the rows that pages and lists show. Core rows and plain dicts, because they are read often."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from threading import Lock
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, and_, select
from sqlalchemy.orm import Session

from courier.domain.calendar import ZONE, at_local
from courier.domain.item import State
from courier.facts import Facts
from courier.store.tables import (
    Agency,
    BagVersion,
    Item,
    ItemCharge,
    Plan,
    Route,
    Stop,
    StopItem,
)

_KEPT_LISTS = 4096


class _Shelf:
    """The last bytes of each daily list; a list of another version is of no use and is overwritten."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, UUID, date], tuple[int, bytes]] = {}
        self._lock = Lock()

    def get(self, key: tuple[str, UUID, date], version: int) -> bytes | None:
        kept = self._lists.get(key)
        return kept[1] if kept is not None and kept[0] == version else None

    def put(self, key: tuple[str, UUID, date], version: int, body: bytes) -> None:
        with self._lock:
            if len(self._lists) >= _KEPT_LISTS:
                self._lists.clear()
            self._lists[key] = (version, body)


_shelf = _Shelf()

_VERSION = select(BagVersion.version)
_STOPS = (
    select(
        Stop.id,
        Stop.sequence,
        Stop.arrives_at,
        Stop.lat,
        Stop.lon,
        Item.id,
        Item.barcode,
        Item.document_type,
        Item.direction,
        Item.state,
        Item.recipient_name,
        Item.recipient_phone,
        Item.address_raw,
        Item.precision,
        Item.wanted_from,
        Item.wanted_to,
        Item.wanted_on,
        Item.note,
        Agency.code,
        Item.instructions,
        Item.authorised_name,
    )
    .join(Route, Route.id == Stop.route_id)
    .join(Plan, Plan.id == Route.plan_id)
    .join(StopItem, StopItem.stop_id == Stop.id)
    .join(Item, Item.id == StopItem.item_id)
    .join(Agency, Agency.id == Item.agency_id)
    .where(
        Plan.state == "published",
        # Taken off the route since it was published: called off, collected at the office, or moved to another day.
        Item.state.not_in((State.ANNOUNCED, State.RECEIVED, State.REQUESTED, State.AWAITING_PICKUP, State.CANCELLED)),
        ~and_(Item.state == State.HELD, Item.wanted_on.is_not(None), Item.wanted_on > Plan.day),
    )
    .order_by(Stop.sequence, StopItem.position, Item.id)
)


def version_of(connection: Connection, postman_id: UUID, day: date) -> int:
    """The version of a daily list; 0 before there is one."""
    found = connection.execute(
        _VERSION.where(BagVersion.postman_id == postman_id, BagVersion.day == day)
    ).scalar_one_or_none()
    return int(found or 0)


def daily_list(connection: Connection, facts: Facts, postman_id: UUID, day: date) -> tuple[int, bytes]:
    """The postman's day as JSON bytes, with its version, both of one moment."""
    version = version_of(connection, postman_id, day)
    key = (str(connection.engine.url), postman_id, day)
    body = _shelf.get(key, version)
    if body is None:
        body = orjson.dumps(_daily_list(connection, facts, postman_id, day, version), default=dict)
        _shelf.put(key, version, body)
    return version, body


def _daily_list(connection: Connection, facts: Facts, postman_id: UUID, day: date, version: int) -> dict[str, Any]:
    rows = connection.execute(_STOPS.where(Route.postman_id == postman_id, Plan.day == day)).all()
    charges = _charges(connection, [row[5] for row in rows])
    stops: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        stop = stops.get(row[0])
        if stop is None:
            stop = stops[row[0]] = {
                "id": row[0],
                "sequence": row[1],
                "arrives_at": at_zone(row[2]),
                "lat": row[3],
                "lon": row[4],
                "address": row[12],
                "precision": row[13],
                "phone": row[11],
                "items": [],
            }
        window = None
        if row[14] is not None and row[16] == day:
            window = {"from": at_local(day, row[14]), "to": at_local(day, row[15])}
        stop["items"].append(
            {
                "id": row[5],
                "barcode": row[6],
                "document_type": row[7],
                "direction": row[8],
                "state": row[9],
                "recipient": row[10],
                "note": row[17],
                "instructions": row[19],
                "authorised": row[20],
                "window": window,
                "charges": charges.get(row[5], []),
                "release": release_of(facts, row[7], row[18], day),
            }
        )
    return {"date": day, "version": version, "stops": list(stops.values())}


def at_zone(moment: datetime) -> datetime:
    """The same moment with the office's offset, as clients read it."""
    return moment.astimezone(ZONE)


def _charges(connection: Connection, item_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {}
    rows = connection.execute(
        select(ItemCharge.item_id, ItemCharge.id, ItemCharge.kind, ItemCharge.payee, ItemCharge.amount_dong)
        .where(ItemCharge.item_id.in_(item_ids))
        .order_by(ItemCharge.kind, ItemCharge.id)
    )
    for item_id, charge_id, kind, payee, amount in rows:
        found.setdefault(item_id, []).append({"id": charge_id, "kind": kind, "payee": payee, "amount_dong": amount})
    return found


def release_of(facts: Facts, document_type: str, agency: str, day: date) -> Mapping[str, Any]:
    """Who may receive, what is shown and handed in, which proofs: in words, for the postman's page."""
    kind = facts.bylaws.document_types.get(document_type)
    rule = kind.rule(day, agency=agency) if kind is not None else None
    return rule.in_words if rule is not None else _NO_RULE


_NO_RULE: Mapping[str, Any] = {"who": "Hỏi bưu cục", "show": {}, "surrender": [], "proofs": []}


# ------------------------------------------------------------------------------------------------------- items
def items_by_id(session: Session, item_ids: Sequence[UUID]) -> list[Item]:
    """Items in a stable order."""
    return list(session.scalars(select(Item).where(Item.id.in_(item_ids)).order_by(Item.id)))


def agency_code(session: Session, agency_id: UUID) -> str:
    """The code of an agency."""
    return session.get_one(Agency, agency_id).code


def to_take_out(session: Session, postman_id: UUID, day: date) -> list[UUID]:
    """What stands on the postman's published route and is not yet in his bag."""
    waiting = (State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED)
    rows = session.scalars(
        select(Item.id)
        .join(StopItem, StopItem.item_id == Item.id)
        .join(Stop, Stop.id == StopItem.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .join(Plan, and_(Plan.id == Route.plan_id, Plan.state == "published"))
        .where(Route.postman_id == postman_id, Plan.day == day, Item.state.in_(waiting))
        .order_by(Stop.sequence, StopItem.position)
    )
    return list(rows)
