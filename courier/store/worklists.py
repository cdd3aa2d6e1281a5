"""Read models: the postman's day, and the rows that pages and lists show. Core rows and plain dicts, because they are read often."""

from collections.abc import Mapping, Sequence
from datetime import date
from threading import Lock
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, and_, bindparam, select, type_coerce
from sqlalchemy.orm import Session

from courier.domain.calendar import ZONE, at_local
from courier.domain.item import State
from courier.facts import Facts
from courier.store import prepayments
from courier.store.columns import PlainId
from courier.store.session import Database
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

# Statements are made once: building one costs more than running it. Ids stay as the database gives them.
_VERSION = select(BagVersion.version).where(
    BagVersion.postman_id == bindparam("postman_id"), BagVersion.day == bindparam("day")
)
_OFF_THE_ROUTE = (
    State.ANNOUNCED,
    State.RECEIVED,
    State.REQUESTED,
    State.AWAITING_PICKUP,
    State.TO_FORWARD,
    State.FORWARDED,
    State.CANCELLED,
)
ON_ROUTE = (
    select()
    .select_from(Stop)
    .join(Route, Route.id == Stop.route_id)
    .join(Plan, Plan.id == Route.plan_id)
    .join(StopItem, StopItem.stop_id == Stop.id)
    .join(Item, Item.id == StopItem.item_id)
    .where(
        Route.postman_id == bindparam("postman_id"),
        Plan.day == bindparam("day"),
        Plan.state == "published",
        # Taken off the route since it was published: called off, collected at the office, or moved to another day.
        Item.state.not_in(_OFF_THE_ROUTE),
        ~and_(Item.state == State.HELD, Item.wanted_on.is_not(None), Item.wanted_on > Plan.day),
    )
)
_STOPS = (
    ON_ROUTE.add_columns(
        type_coerce(Stop.id, PlainId),
        Stop.sequence,
        Stop.arrives_at,
        Stop.lat,
        Stop.lon,
        type_coerce(Item.id, PlainId),
        Item.barcode,
        Item.document_type,
        Item.subject,
        Item.direction,
        Item.state,
        Item.recipient_name,
        Item.recipient_phone,
        Item.address_raw,
        Item.precision,
        Item.wanted_from,
        Item.wanted_to,
        Item.wanted_on == Plan.day,
        Item.note,
        Item.instructions,
        Item.authorised_name,
        Item.gate_photo,
        Agency.code,
    )
    .join(Agency, Agency.id == Item.agency_id)
    .order_by(Stop.sequence, StopItem.position, Item.id)
)
_CHARGES = (
    ON_ROUTE.add_columns(
        type_coerce(ItemCharge.item_id, PlainId),
        type_coerce(ItemCharge.id, PlainId),
        ItemCharge.kind,
        ItemCharge.payee,
        ItemCharge.amount_dong - ItemCharge.prepaid_dong,
    )
    .join(ItemCharge, ItemCharge.item_id == Item.id)
    .order_by(ItemCharge.kind, ItemCharge.id)
)


def daily_list(
    database: Database, facts: Facts, postman_id: UUID, day: date, *, known: int | None = None
) -> tuple[int, bytes | None]:
    """The postman's day as JSON bytes with its version, both of one moment; no bytes when `known` is that version.

    Version 0 is the day before there is a list.
    """
    which = {"postman_id": postman_id, "day": day}
    with database.glance_engine.connect() as connection:
        version = _version(connection, which)
    if version == known:
        return version, None
    key = (str(database.url), postman_id, day)
    body = _shelf.get(key, version)
    if body is None:
        with database.reading_engine.connect() as connection:
            version = _version(connection, which)
            body = orjson.dumps(_daily_list(connection, facts, which, version))
        _shelf.put(key, version, body)
    return version, body


def _version(connection: Connection, which: Mapping[str, Any]) -> int:
    return int(connection.execute(_VERSION, which).scalar_one_or_none() or 0)


def _daily_list(connection: Connection, facts: Facts, which: Mapping[str, Any], version: int) -> dict[str, Any]:
    day: date = which["day"]
    charges: dict[Any, list[dict[str, Any]]] = {}
    for item_id, charge_id, kind, payee, amount in connection.execute(_CHARGES, which).all():
        charges.setdefault(item_id, []).append({"id": charge_id, "kind": kind, "payee": payee, "amount_dong": amount})
    money = prepayments.notes(connection, charges)
    stops: dict[Any, dict[str, Any]] = {}
    for row in connection.execute(_STOPS, which).all():
        (stop_id, sequence, arrives_at, lat, lon, item_id, barcode, document_type, subject, direction, state, recipient, phone,
         address, precision, opens, closes, today, note, instructions, authorised, gate_photo, agency) = row  # fmt: skip
        stop = stops.get(stop_id)
        if stop is None:
            stop = stops[stop_id] = {
                "id": stop_id,
                "sequence": sequence,
                "arrives_at": arrives_at.astimezone(ZONE),
                "lat": lat,
                "lon": lon,
                "address": address,
                "precision": precision,
                "phone": phone,
                "items": [],
            }
        promised = today and opens is not None
        stop["items"].append(
            {
                "id": item_id,
                "barcode": barcode,
                "document_type": document_type,
                "direction": direction,
                "state": state,
                "recipient": recipient,
                "note": "\n".join(words for words in (note, *money.get(item_id, ())) if words),
                "instructions": instructions,
                "authorised": authorised,
                "gate_photo": gate_photo is not None,
                "window": {"from": at_local(day, opens), "to": at_local(day, closes)} if promised else None,
                "charges": charges.get(item_id, []),
                "release": release_of(facts, document_type, agency, day, subject=subject),
            }
        )
    return {"date": day, "version": version, "stops": list(stops.values())}


def release_of(facts: Facts, document_type: str, agency: str, day: date, *, subject: str) -> dict[str, Any]:
    """Who may receive, what is shown and handed in, which proofs: in words, for the postman's page."""
    kind = facts.bylaws.document_types.get(document_type)
    rule = kind.rule(day, agency=agency, subject=subject) if kind is not None else None
    return rule.in_words if rule is not None else _NO_RULE


_NO_RULE: dict[str, Any] = {"who": "Hỏi bưu cục", "show": {}, "surrender": [], "proofs": []}


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
