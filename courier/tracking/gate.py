"""The picture of the gate that a citizen gives, so that the postman finds the house: looked at, made small, kept sealed.

What a camera writes beside the picture (place, time, device) is left behind: it is drawn anew.
"""

import io
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from PIL import Image, ImageOps

from courier.desk import Desk
from courier.domain.errors import Missing, Refused
from courier.domain.people import Caller, Role
from courier.outside import pictures
from courier.store import audit, devices, envelopes
from courier.store.media import Shelf
from courier.store.tables import Item

MOST_PHOTO_BYTES: Final = 8 * 1024 * 1024
# The largest camera of a phone.
_MOST_PIXELS: Final = 50_000_000
_LONGEST_SIDE: Final = 1280
_QUALITY: Final = 80


def put_away_photo(desk: Desk, body: bytes) -> str:
    """Keep a picture of a gate; the digest under which a change request names it. The same picture again is harmless.

    Raises:
        Refused: `not-a-picture`, `too-large`.
    """
    if len(body) > MOST_PHOTO_BYTES:
        raise Refused("too-large", f"Ảnh lớn hơn {MOST_PHOTO_BYTES // 1024 // 1024} MB. Mời Ông/Bà chọn ảnh nhỏ hơn.")
    drawn = _drawn_anew(body)
    digest = sha256(drawn).hexdigest()
    key = envelopes.sealing_key(desk.settings.secrets)
    sealed = envelopes.seal(drawn, key.public, bound_to=envelopes.medium_label(digest))
    _shelf(desk).keep(digest, sealed.to_bytes())
    return digest


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
    if digest is None or not _shelf(desk).finished(digest).exists():
        raise Refused("no-photo", "Chưa có ảnh cổng nhà.")
    envelope = envelopes.Envelope.of_bytes(_shelf(desk).read(digest))
    key = envelopes.sealing_key(desk.settings.secrets)
    body = envelopes.unseal(envelope, key, bound_to=envelopes.medium_label(digest))
    with desk.database.write() as session:
        audit.note(session, caller, "gate photo shown", f"item:{item_id}", at=at)
    return body


def _shelf(desk: Desk) -> Shelf:
    return Shelf(desk.settings.var_dir / "media")


def _drawn_anew(body: bytes) -> bytes:
    with pictures.opened(body, most_pixels=_MOST_PIXELS) as picture:
        picture.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        bare = Image.new("RGB", upright.size)
        bare.paste(upright)
        drawn = io.BytesIO()
        bare.save(drawn, "JPEG", quality=_QUALITY)
        return drawn.getvalue()
