"""Photos and signatures: files in a folder of the installation, sealed as they came, and the rows that say which have arrived.

A file is for its owner alone and outside of everything that is served. What is not whole yet lies apart, by who sends it.
Where several servers share one PostgreSQL they share this folder too.
"""

import fcntl
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.calendar import local_day
from courier.domain.people import Role
from courier.store.book import Book
from courier.store.tables import CitedMedia, EventOfItem, Incident, Item, ItemEvent, Media

MISSING: Final = "media-missing"
# Nobody carries more pictures than this through a day; and what nobody went on with for so long is given up.
MOST_UNFINISHED: Final = 500
_GIVEN_UP_AFTER: Final = timedelta(days=30)


class WrongOffset(Exception):
    """The next part begins elsewhere: at `right`."""

    def __init__(self, right: int) -> None:
        super().__init__(f"the upload has come to byte {right}")
        self.right = right


class TooMany(Exception):
    """Somebody has begun more uploads than a day can have."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of an installation's media."""

    folder: Path

    def finished(self, digest: str) -> Path:
        """Where a whole medium lies."""
        return self.folder / digest[:2] / digest

    def _unfinished(self) -> Path:
        return self.folder / "unfinished"

    def progress(self, digest: str, sender: UUID) -> tuple[int, int] | None:
        """(bytes there, bytes in all) of an upload under way, None when there is none."""
        for part in self._parts(digest, sender):
            return part.stat().st_size, int(part.name.rpartition("-")[2])
        return None

    def _parts(self, digest: str, sender: UUID) -> list[Path]:
        return sorted(self._unfinished().glob(f"{digest}-{sender.hex}-*"))

    def append(
        self, digest: str, sender: UUID, *, offset: int, length: int, piece: bytes, at: datetime
    ) -> bytes | None:
        """Add the next piece; the whole when it was the last.

        Raises:
            WrongOffset: the piece does not follow what is there.
            TooMany: the sender has begun too many others.
        """
        place = self._unfinished() / f"{digest}-{sender.hex}-{length}"
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not place.exists():
            if offset:
                raise WrongOffset(0)
            for other in self._parts(digest, sender):
                other.unlink(missing_ok=True)  # begun with another length: another envelope
            self._require_room(sender, at=at)
        with os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            # Two tabs, or a request that was thought lost and still writes.
            fcntl.flock(file, fcntl.LOCK_EX)
            there = file.seek(0, os.SEEK_END)
            if offset != there:
                raise WrongOffset(there)
            file.write(piece)
            if there + len(piece) < length:
                return None
            file.seek(0)
            return file.read()

    def _require_room(self, sender: UUID, *, at: datetime) -> None:
        begun = list(self._unfinished().glob(f"*-{sender.hex}-*"))
        if len(begun) < MOST_UNFINISHED:
            return
        for part in begun:
            if at.timestamp() - part.stat().st_mtime > _GIVEN_UP_AFTER.total_seconds():
                part.unlink(missing_ok=True)
        if len(list(self._unfinished().glob(f"*-{sender.hex}-*"))) >= MOST_UNFINISHED:
            raise TooMany

    def drop(self, digest: str, sender: UUID) -> None:
        """Forget an upload that came to nothing, or that is finished."""
        for part in self._parts(digest, sender):
            part.unlink(missing_ok=True)

    def keep(self, digest: str, envelope: bytes) -> None:
        """Put a whole medium in its place; on the disk before this returns."""
        place = self.finished(digest)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = place.with_name(f".{digest}.{uuid7()}")
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(envelope)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(place)
        for folder in (place.parent, self.folder):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def read(self, digest: str) -> bytes:
        """The envelope of a whole medium.

        Raises:
            FileNotFoundError: the row is there and the file is not.
        """
        return self.finished(digest).read_bytes()


# ------------------------------------------------------------------------------------------------------------ rows
def find(session: Session, digest: str) -> Media | None:
    """A medium that has arrived."""
    return session.get(Media, digest)


def note_arrival(session: Session, digest: str, *, sender: UUID, media_type: str, size: int, at: datetime) -> None:
    """Write that a medium is whole; whoever was asked about it has his answer."""
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        once(Media)
        .values(sha256=digest, staff_id=sender, media_type=media_type, size=size, received_at=at)
        .on_conflict_do_nothing()
    )
    asked = session.scalars(
        select(Incident)
        .join(CitedMedia, CitedMedia.event_id == Incident.event_id)
        .where(CitedMedia.sha256 == digest, Incident.code == MISSING, Incident.closed_at.is_(None))
    )
    for incident in asked.all():
        if incident.event_id is not None and not waited_for(session, [incident.event_id]):
            incident.closed_at, incident.resolution = at, "Tự khép lại: ảnh, chữ ký đã về."


def cite(book: Book, event_id: UUID, office_id: UUID, data: Mapping[str, Any]) -> None:
    """Remember which media an event names, so that they are waited for and can be shown to its office."""
    digests = {proof["sha256"] for proof in data.get("proofs", ()) if proof.get("sha256")}
    book.add(
        CitedMedia,
        *(
            {"sha256": digest, "event_id": event_id, "office_id": office_id, "cited_at": book.at}
            for digest in sorted(digests)
        ),
    )


def is_cited(session: Session, digest: str, office_id: UUID | None) -> bool:
    """True when an event of the office names the medium."""
    return bool(session.scalar(select(exists().where(CitedMedia.sha256 == digest, CitedMedia.office_id == office_id))))


def waited_for(session: Session, event_ids: Iterable[UUID]) -> set[str]:
    """The media that these events name and that have not arrived."""
    return set(
        session.scalars(
            select(CitedMedia.sha256)
            .outerjoin(Media, Media.sha256 == CitedMedia.sha256)
            .where(CitedMedia.event_id.in_(list(event_ids)), Media.sha256.is_(None))
        )
    )


def miss(session: Session, office_id: UUID, *, before: datetime, at: datetime) -> int:
    """Open an incident for every act of the office whose media were named before a moment and have not come; how many."""
    asked = select(Incident.event_id).where(Incident.code == MISSING, Incident.event_id.is_not(None))
    rows = session.execute(
        select(ItemEvent.id, ItemEvent.actor_id, ItemEvent.occurred_at)
        .join(CitedMedia, CitedMedia.event_id == ItemEvent.id)
        .outerjoin(Media, Media.sha256 == CitedMedia.sha256)
        .where(
            CitedMedia.office_id == office_id,
            CitedMedia.cited_at < before,
            Media.sha256.is_(None),
            ItemEvent.id.not_in(asked),
        )
        .distinct()
    ).all()
    for event_id, actor_id, occurred_at in rows:
        codes = session.scalars(
            select(Item.barcode)
            .join(EventOfItem, EventOfItem.item_id == Item.id)
            .where(EventOfItem.event_id == event_id)
            .order_by(Item.barcode)
        )
        session.add(
            Incident(
                id=uuid7(),
                office_id=office_id,
                code=MISSING,
                sentence=f"Quá một ngày chưa nhận được ảnh, chữ ký của {', '.join(codes)}.",
                item_id=None,
                event_id=event_id,
                postman_id=actor_id,
                day=local_day(occurred_at),
                about_money=False,
                owner_role=Role.DISPATCHER.value,
                opened_at=at,
                closed_at=None,
                closed_by=None,
                resolution=None,
            )
        )
    return len(rows)
