"""The picture of the gate that a citizen gives, so that the postman finds the house."""

from datetime import datetime
from typing import Final
from uuid import UUID

from courier.desk import Desk
from courier.domain.errors import Missing, Refused
from courier.domain.people import Caller, Role
from courier.outside import pictures as sent
from courier.store import audit, devices, pictures
from courier.store.media import Shelf
from courier.store.tables import Item

MOST_PHOTO_BYTES: Final = sent.MOST_BYTES


def put_away_photo(desk: Desk, body: bytes) -> str:
    """Keep a picture of a gate; the digest under which a change request names it. The same picture again is harmless.

    Raises:
        Refused: `not-a-picture`, `too-large`.
    """
    picture = pictures.sealed(sent.drawn_anew(body), secrets=desk.settings.secrets)
    _shelf(desk).keep(picture.digest, picture.sealed)
    return picture.digest


def gate_photo(desk: Desk, caller: Caller, item_id: UUID, *, at: datetime) -> bytes:
    """The picture of an item's gate as JPEG, for its office and the postman on whose route it is. Every look is written down.

    Raises:
        Missing: the item is not there, or not for this caller.
        Refused: `no-photo`: none was sent.
    """
    with desk.database.read() as session:
        devices.require_visible(session, caller, [item_id])
        if caller.role is Role.POSTMAN and not devices.on_route_of(session, caller.id, item_id):
            raise Missing("item", item_id)
        digest = session.get_one(Item, item_id).gate_photo
    body = pictures.shown(_shelf(desk), digest, secrets=desk.settings.secrets) if digest is not None else None
    if body is None:
        raise Refused("no-photo", "Chưa có ảnh cổng nhà.")
    with desk.database.write() as session:
        audit.note(session, caller, "gate photo shown", f"item:{item_id}", at=at)
    return body


def _shelf(desk: Desk) -> Shelf:
    return Shelf(desk.settings.var_dir / "media")
