"""Photos and signatures from the doors: taken in by parts, looked at once, kept sealed, shown to the office only."""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from courier.desk import Desk
from courier.domain.errors import Missing, Refused
from courier.domain.people import Caller
from courier.outside import pictures
from courier.store import audit, envelopes, media
from courier.store.media import Shelf, TooMany, WrongOffset

__all__ = [
    "MOST_BYTES",
    "MOST_PIECE",
    "Medium",
    "Progress",
    "TooMany",
    "WrongOffset",
    "add",
    "progress",
    "show",
    "take_whole",
]

MOST_BYTES: Final = 4 * 1024 * 1024
MOST_PIECE: Final = 512 * 1024
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_PIXELS: Final = 24_000_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload has come."""

    offset: int
    length: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture as it was taken."""

    body: bytes
    media_type: str


def shelf_of(desk: Desk) -> Shelf:
    """The folder of this installation."""
    return Shelf(desk.settings.var_dir / "media")


def progress(desk: Desk, caller: Caller, digest: str, *, at: datetime) -> Progress:
    """How far this postman's upload has come.

    Raises:
        Missing: nothing has been heard of it, or nothing that could be kept.
    """
    _require_digest(digest)
    with desk.database.read() as session:
        found = media.find(session, digest)
    if found is not None and shelf_of(desk).finished(digest).exists():
        return Progress(found.size, found.size, complete=True)
    begun = shelf_of(desk).progress(digest, caller.id)
    if begun is None:
        raise Missing("medium", digest)
    if begun[0] >= begun[1]:
        # The server died between the last byte and the look at the picture: nobody sends more of what is there whole.
        try:
            return add(desk, caller, digest, offset=begun[0], length=begun[1], piece=b"", at=at)
        except (Refused, WrongOffset) as fault:
            raise Missing("medium", digest) from fault
    return Progress(*begun, complete=False)


def add(desk: Desk, caller: Caller, digest: str, *, offset: int, length: int, piece: bytes, at: datetime) -> Progress:
    """Take the next part of an envelope; the last one opens it, looks at the picture and puts it away. Again is harmless.

    Raises:
        Missing: the digest is none.
        WrongOffset, TooMany: as the shelf says.
        Refused: `unreadable-seal`, `wrong-digest`, `not-a-picture`; the upload is dropped.
    """
    _require_digest(digest)
    with desk.database.read() as session:
        found = media.find(session, digest)
    shelf = shelf_of(desk)
    if found is not None and shelf.finished(digest).exists():
        return Progress(length, length, complete=True)
    whole = shelf.append(digest, caller.id, offset=offset, length=length, piece=piece, at=at)
    if whole is None:
        return Progress(offset + len(piece), length, complete=False)
    try:
        take_whole(desk, caller, digest, whole, at=at)
    finally:
        shelf.drop(digest, caller.id)
    return Progress(length, length, complete=True)


def take_whole(desk: Desk, caller: Caller, digest: str, envelope: bytes, *, at: datetime) -> None:
    """Put a whole medium away after opening its envelope and looking at it.

    Raises:
        Missing: the digest is none.
        Refused: `unreadable-seal`, `wrong-digest`, `not-a-picture`.
    """
    _require_digest(digest)
    media_type = _looked_at(_opened(desk, digest, envelope), digest)
    shelf_of(desk).keep(digest, envelope)
    with desk.database.write() as session:
        media.note_arrival(session, digest, sender=caller.id, media_type=media_type, size=len(envelope), at=at)


def show(desk: Desk, caller: Caller, digest: str, *, at: datetime) -> Medium:
    """A picture, for the office of an act that names it. Every look is written down.

    Raises:
        Missing: it has not arrived, or no act of the caller's office names it.
    """
    _require_digest(digest)
    with desk.database.read() as session:
        found = media.find(session, digest) if media.is_cited(session, digest, caller.office_id) else None
    if found is None or not shelf_of(desk).finished(digest).exists():
        raise Missing("medium", digest)
    body = _opened(desk, digest, shelf_of(desk).read(digest))
    with desk.database.write() as session:
        audit.note(session, caller, "proof shown", f"media:{digest}", at=at)
    return Medium(body, found.media_type)


def _require_digest(digest: str) -> None:
    # It becomes the name of a file.
    if _DIGEST.fullmatch(digest) is None:
        raise Missing("medium", digest)


def _opened(desk: Desk, digest: str, envelope: bytes) -> bytes:
    try:
        return envelopes.unseal(
            envelopes.Envelope.of_bytes(envelope),
            envelopes.sealing_key(desk.settings.secrets),
            bound_to=envelopes.medium_label(digest),
        )
    except envelopes.Unopenable as fault:
        raise Refused("unreadable-seal", "Không mở được ảnh: ảnh không được niêm phong cho máy chủ này.") from fault


def _looked_at(body: bytes, digest: str) -> str:
    """The media type of what must be a picture of a sane size."""
    if sha256(body).hexdigest() != digest:
        raise Refused("wrong-digest", "Ảnh nhận được không phải là ảnh đã báo.")
    with pictures.opened(body, most_pixels=_MOST_PIXELS) as picture:
        picture.load()
        return pictures.MEDIA_TYPES[str(picture.format)]


def waited_for(desk: Desk, event_ids: list[UUID]) -> set[str]:
    """The digests that these acts name and that have not arrived yet."""
    with desk.database.read() as session:
        return media.waited_for(session, event_ids)
