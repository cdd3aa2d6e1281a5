"""Pictures that citizens sent, drawn anew, kept sealed on the shelf of media under the digest of what they show."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from courier.settings import Secrets
from courier.store import envelopes
from courier.store.media import Shelf
from courier.store.tables import Complaint, Item


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is sealed, and lies on no shelf yet."""

    digest: str
    sealed: bytes


def sealed(picture: bytes, *, secrets: Secrets) -> Picture:
    """Seal a picture as it is to be kept."""
    digest = sha256(picture).hexdigest()
    label = envelopes.medium_label(digest)
    return Picture(digest, envelopes.seal(picture, envelopes.sealing_key(secrets).public, bound_to=label).to_bytes())


def shown(shelf: Shelf, digest: str, *, secrets: Secrets) -> bytes | None:
    """A picture as JPEG; None when it is not on the shelf any more."""
    if not shelf.finished(digest).exists():
        return None
    envelope = envelopes.Envelope.of_bytes(shelf.read(digest))
    return envelopes.unseal(envelope, envelopes.sealing_key(secrets), bound_to=envelopes.medium_label(digest))


def forget(session: Session, shelf: Shelf, digests: set[str]) -> None:
    """Take pictures off the shelf that no item and no complaint names any more."""
    session.flush()
    for digest in digests:
        named = (
            select(Item.id).where(Item.gate_photo == digest),
            select(Complaint.id).where(Complaint.photo == digest),
        )
        if not any(session.scalar(query.limit(1)) for query in named):
            shelf.finished(digest).unlink(missing_ok=True)
