"""Items, what happened to them, the proofs of it and the trouble with it."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.domain.acts import ShiftType
from courier.domain.item import Custodian, Direction, EventType, State
from courier.domain.money import MOST_DONG, ChargeKind
from courier.store.tables.base import Amount, Key, Sealed, Table, one_of

SUBJECTS = ("adult", "minor")
PRECISIONS = ("doorstep", "handover", "pin", "plus_code", "landmark", "hamlet", "commune", "unknown")


class Item(Table):
    """A sealed envelope (bưu gửi). State, custody and counters are the fold of its events, kept here to be searched."""

    __tablename__ = "item"
    __table_args__ = (
        one_of("direction", list(Direction)),
        one_of("state", list(State)),
        one_of("custody", list(Custodian)),
        one_of("precision", PRECISIONS),
        one_of("subject", SUBJECTS),
        CheckConstraint("(custody = 'postman') = (custody_holder IS NOT NULL)", name="holder_of_custody"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
        CheckConstraint("(wanted_from IS NULL) = (wanted_to IS NULL)", name="wanted_window"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point"),
        Index(None, "office_id", "state"),
        Index(None, "office_id", "created_at"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    barcode: Mapped[str] = mapped_column(unique=True)
    dossier_id: Mapped[UUID] = mapped_column(ForeignKey("dossier.id"), index=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), index=True)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("import_batch.id"), index=True)
    document_type: Mapped[str]
    direction: Mapped[str] = mapped_column(default=Direction.RESULT.value)
    state: Mapped[str]
    custody: Mapped[str]
    custody_holder: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    recipient_name: Mapped[str]
    recipient_phone: Mapped[str | None]
    id_number_sealed: Mapped[Sealed | None]
    id_number_index: Mapped[str | None] = mapped_column(index=True, comment="keyed digest of the ID number")
    subject: Mapped[str] = mapped_column(server_default="adult", comment="whose paper it is: the release rule asks")
    address_raw: Mapped[str]
    commune_code: Mapped[str | None]
    hamlet: Mapped[str | None]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    precision: Mapped[str] = mapped_column(default="unknown")
    candidates: Mapped[list[Any]] = mapped_column(default=list, comment="what a doubtful address might be")
    deliver_by: Mapped[date | None]
    wanted_on: Mapped[date | None] = mapped_column(comment="the day the citizen chose")
    wanted_from: Mapped[int | None] = mapped_column(comment="seconds from local midnight")
    wanted_to: Mapped[int | None]
    not_before: Mapped[date | None] = mapped_column(comment="first day of the next attempt, by the attempt rule")
    held_until: Mapped[date | None]
    priority: Mapped[int] = mapped_column(default=50)
    attempts: Mapped[int] = mapped_column(default=0, comment="failed attempts that count")
    moves: Mapped[int] = mapped_column(default=0, comment="times the citizen moved the visit")
    marks: Mapped[list[Any]] = mapped_column(default=list, comment="lost, damaged, recalled")
    note: Mapped[str] = mapped_column(default="")
    authorised_name: Mapped[str | None] = mapped_column(comment="whom the citizen named to receive")
    instructions: Mapped[str | None] = mapped_column(comment="how to find the door, in the citizen's words")
    gate_photo: Mapped[str | None] = mapped_column(comment="digest of the citizen's picture of the gate")
    collect_at: Mapped[UUID | None] = mapped_column(comment="the counter that the citizen chose to collect at")
    search_text: Mapped[str] = mapped_column(comment="folded barcode, dossier code, phone and name")
    link_digest: Mapped[str] = mapped_column(unique=True, comment="digest of the citizen's link token")
    link_generation: Mapped[int] = mapped_column(default=1)
    restricted_at: Mapped[datetime | None] = mapped_column(
        comment="since when its recipient wants it neither searched for nor messaged about"
    )
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class Paper(Table):
    """A paper inside an item, or one that a submission must contain."""

    __tablename__ = "paper"
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    original: Mapped[bool] = mapped_column(default=True)


class ItemCharge(Table):
    """A due line of an item: what, for whom, how much."""

    __tablename__ = "charge"
    __table_args__ = (
        one_of("kind", list(ChargeKind)),
        CheckConstraint(f"0 <= amount_dong AND amount_dong <= {MOST_DONG}", name="amount"),
        CheckConstraint("0 <= prepaid_dong AND prepaid_dong <= amount_dong", name="prepaid"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    kind: Mapped[str]
    payee: Mapped[str] = mapped_column(comment="agency:<code>, treasury or post")
    amount_dong: Mapped[Amount]
    amount_verified: Mapped[bool] = mapped_column(default=False)
    prepaid_dong: Mapped[Amount] = mapped_column(
        default=0,
        server_default="0",
        comment="of it, what the bank confirmed before the visit: not to be taken at the door",
    )


class ItemEvent(Table):
    """Something that happened, or an accepted wish. Append-only; `result` is what the sync answered."""

    __tablename__ = "event"
    __table_args__ = (
        one_of("type", list(EventType)),
        one_of("result", ("applied", "accepted_with_conflict")),
        UniqueConstraint("device_id", "device_seq"),
        Index(None, "office_id", "occurred_at"),
        Index(
            "ix_event_corrected",
            "office_id",
            sqlite_where=text("type = 'corrected'"),
            postgresql_where=text("type = 'corrected'"),
        ),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    type: Mapped[str]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"), index=True)
    actor_role: Mapped[str]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("device.id"))
    device_seq: Mapped[int | None]
    occurred_at: Mapped[datetime] = mapped_column(comment="best estimate of the moment of the act")
    claimed_at: Mapped[datetime] = mapped_column(comment="what the device said")
    received_at: Mapped[datetime]
    clock_trusted: Mapped[bool]
    position: Mapped[dict[str, Any] | None]
    data: Mapped[dict[str, Any]]
    payload_hash: Mapped[str]
    result: Mapped[str]
    code: Mapped[str | None]


class EventOfItem(Table):
    """Which items an event is about: one act at a door can be about several."""

    __tablename__ = "event_item"
    __table_args__ = (Index(None, "item_id", "event_id"), {"sqlite_strict": True})
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)


class QuarantinedEvent(Table):
    """A fact that could not be attached to anything; kept word for word until a person decides."""

    __tablename__ = "quarantined_event"
    __table_args__ = (UniqueConstraint("device_id", "body_hash"), {"sqlite_strict": True})
    id: Mapped[Key]
    device_id: Mapped[UUID]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"))
    event_id: Mapped[str]
    device_seq: Mapped[int | None] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"))
    code: Mapped[str]
    body: Mapped[dict[str, Any]]
    body_hash: Mapped[str]
    received_at: Mapped[datetime]


class ShiftEvent(Table):
    """What a postman tells of his way and not of an item's life: a note, a pin, another order, a breakdown. Append-only."""

    __tablename__ = "shift_event"
    __table_args__ = (
        one_of("type", list(ShiftType)),
        UniqueConstraint("device_id", "device_seq"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    type: Mapped[str]
    actor_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    device_seq: Mapped[int]
    occurred_at: Mapped[datetime]
    claimed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    clock_trusted: Mapped[bool]
    position: Mapped[dict[str, Any] | None]
    data: Mapped[dict[str, Any]]
    payload_hash: Mapped[str]


class ShiftEventOfItem(Table):
    """Which items such an event is about, if any."""

    __tablename__ = "shift_event_item"
    __table_args__ = (Index(None, "item_id", "event_id"), {"sqlite_strict": True})
    event_id: Mapped[UUID] = mapped_column(ForeignKey("shift_event.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)


class Media(Table):
    """A photo or signature that has arrived whole, by the digest of what it shows; the file itself lies sealed in a folder."""

    __tablename__ = "media"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(comment="bytes of the envelope")
    received_at: Mapped[datetime]


class CitedMedia(Table):
    """A proof that an event names by digest: until such a medium arrives, it is waited for."""

    __tablename__ = "cited_media"
    __table_args__ = (Index(None, "office_id", "cited_at"), {"sqlite_strict": True})
    sha256: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    cited_at: Mapped[datetime]


class ItemDigest(Table):
    """What a phone can match an ID number or the day's code against without knowing either; slow to try out on purpose."""

    __tablename__ = "item_digest"
    __table_args__ = (one_of("kind", ("id_number", "recipient_code")), {"sqlite_strict": True})
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[Sealed]
    rounds: Mapped[int]
    digest: Mapped[Sealed]


class Incident(Table):
    """Trouble with an owner (sự cố): a rule broken at a door, a conflict of sync, money nobody can place."""

    __tablename__ = "incident"
    __table_args__ = (
        UniqueConstraint("event_id", "item_id", "code"),
        Index(None, "office_id", "closed_at"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    code: Mapped[str]
    sentence: Mapped[str]
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"), index=True)
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"))
    postman_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    day: Mapped[date]
    about_money: Mapped[bool] = mapped_column(default=False)
    owner_role: Mapped[str]
    assigned_to: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"), comment="who of the owners has taken it")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    resolution: Mapped[str | None]
