"""Where items go: those whose place nobody is sure of, places that are known from visits, and what a person settled."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.doors import is_one_household
from courier.domain.errors import Missing, Stale
from courier.domain.item import FINAL
from courier.domain.people import Caller, Role
from courier.domain.text import fold
from courier.store import items
from courier.store.intake import Place, portions
from courier.store.tables import AuditEntry, Item


def item_of(session: Session, caller: Caller, item_id: UUID, *, version: int) -> Item:
    """An item of the caller's office, locked for a change of what the caller read at `version`.

    Raises:
        Missing: no such item, or of another office.
        Stale: it has changed since.
    """
    (row,) = items.lock(session, [item_id])
    if caller.role is not Role.ADMIN and row.office_id != caller.office_id:
        raise Missing("item", item_id)
    if row.version != version:
        raise Stale("item", expected=version, found=row.version)
    return row


def doubtful_like(session: Session, item: Item, *, locked: bool = True) -> list[Item]:
    """Other items of the office that are still asked about and go to the same household; locked unless they are only shown."""
    rows = session.execute(
        select(Item.id, Item.address_raw, Item.recipient_phone).where(
            Item.office_id == item.office_id,
            Item.precision == "unknown",
            Item.id != item.id,
            Item.state.not_in([state.value for state in FINAL]),
        )
    )
    wanted = (item.address_raw, item.recipient_phone)
    ids = [item_id for item_id, address, phone in rows if is_one_household((address, phone), wanted)]
    return items.lock(session, ids) if locked else list(session.scalars(select(Item).where(Item.id.in_(ids))))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlace:
    """Where an earlier item of the same recipient was brought; `taught` by a handover, else set by a person at a desk.

    `by_phone`: found by the phone, else by the same name at the same address.
    """

    item_id: UUID
    commune_code: str
    hamlet: str | None
    lat: float
    lon: float
    taught: bool
    by_phone: bool
    name: str
    address: str
    since: datetime


_SURE: Final = ("doorstep", "handover", "pin", "plus_code")
_MOST_PLACES: Final = 5


def known_places(session: Session, wanted: Sequence[Item]) -> dict[UUID, list[KnownPlace]]:
    """The exact places of earlier items of the same recipients, by item: the surest first, then the newest."""
    found: dict[UUID, list[KnownPlace]] = {item.id: [] for item in wanted}
    for some in portions(wanted):
        rows = session.scalars(
            select(Item)
            .where(
                Item.office_id.in_({item.office_id for item in some}),
                Item.precision.in_(_SURE),
                Item.commune_code.is_not(None),
                or_(
                    Item.recipient_phone.in_({item.recipient_phone for item in some if item.recipient_phone}),
                    Item.address_raw.in_({item.address_raw for item in some}),
                ),
            )
            .order_by(Item.created_at.desc())
        ).all()
        for item in some:
            found[item.id] = _places_of(item, rows)
    return found


def _places_of(item: Item, rows: Sequence[Item]) -> list[KnownPlace]:
    places: dict[tuple[float, float], KnownPlace] = {}
    for row in sorted(rows, key=lambda row: _SURE.index(row.precision)):
        by_phone = row.recipient_phone is not None and row.recipient_phone == item.recipient_phone
        # Without a phone the name stands for the household: "ấp 3, xã U Minh" is many houses.
        by_name = row.address_raw == item.address_raw and fold(row.recipient_name) == fold(item.recipient_name)
        if row.id == item.id or row.office_id != item.office_id or not (by_phone or by_name):
            continue
        if row.lat is None or row.lon is None or row.commune_code is None:
            continue
        places.setdefault(
            (round(row.lat, 4), round(row.lon, 4)),
            KnownPlace(
                item_id=row.id,
                commune_code=row.commune_code,
                hamlet=row.hamlet,
                lat=row.lat,
                lon=row.lon,
                taught=row.precision in ("doorstep", "handover"),
                by_phone=by_phone,
                name=row.recipient_name,
                address=row.address_raw,
                since=row.created_at,
            ),
        )
    return list(places.values())[:_MOST_PLACES]


def items_seen(session: Session, caller: Caller, item_ids: Collection[UUID]) -> list[Item]:
    """Items of the caller's office, to be looked at.

    Raises:
        Missing: one of them does not exist or is another office's.
    """
    rows: list[Item] = []
    for some in portions(item_ids):
        rows += session.scalars(select(Item).where(Item.id.in_(some)))
    known = {row.id for row in rows if caller.role is Role.ADMIN or row.office_id == caller.office_id}
    for item_id in item_ids:
        if item_id not in known:
            raise Missing("item", item_id)
    return rows


def items_in(session: Session, caller: Caller, item_ids: Iterable[UUID]) -> list[Item]:
    """Items of the caller's office, locked.

    Raises:
        Missing: one of them does not exist or is another office's.
    """
    rows = items.lock(session, item_ids)
    for row in rows:
        if caller.role is not Role.ADMIN and row.office_id != caller.office_id:
            raise Missing("item", row.id)
    return rows


def settle_places(
    session: Session,
    places: Sequence[tuple[Item, Place]],
    *,
    caller: Caller,
    at: datetime,
    act: str = "address settled",
) -> None:
    """Write where items are to be brought, and who decided it."""
    for row, place in places:
        row.commune_code, row.hamlet = place.commune_code, place.hamlet
        row.lat, row.lon, row.precision = place.lat, place.lon, place.precision
        row.candidates = []
        row.version += 1
        session.add(
            AuditEntry(
                id=uuid7(),
                at=at,
                actor_id=caller.id,
                actor_role=caller.role.value,
                act=act,
                thing=f"item:{row.id}",
                detail={"commune": place.commune_code, "precision": place.precision},
            )
        )
    session.flush()
    items.bump_bags(session, [row.id for row, _ in places])
