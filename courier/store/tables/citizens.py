"""What citizens ask for, say and have a right to, and how they prove who they are."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.domain.acts import WISHES_AT_A_DOOR
from courier.domain.citizen_rights import Decision, Scope, Trouble, Wish
from courier.domain.money import MOST_DONG
from courier.store.tables.base import Amount, Key, Table, one_of


class ChangeRequest(Table):
    """What the citizen asked for and what became of it."""

    __tablename__ = "change_request"
    __table_args__ = (
        one_of("kind", ("reschedule", "redirect", "pick_up", "authorise", "instruct")),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    kind: Mapped[str]
    asked_by: Mapped[str] = mapped_column(comment="role of whoever filed it")
    asked_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"))


class SpokenWish(Table):
    """What a postman heard at a door, and what the office answered: a wish is kept as it was heard, and granted by the rules."""

    __tablename__ = "spoken_wish"
    __table_args__ = (
        one_of("kind", WISHES_AT_A_DOOR),
        one_of("outcome", ("waiting", "granted", "refused", "overtaken")),
        CheckConstraint("(outcome = 'waiting') = (answered_at IS NULL)", name="answered"),
        UniqueConstraint("event_id", "item_id"),
        Index(None, "item_id", "heard_at"),
        Index(None, "heard_by", "heard_at"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    event_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("shift_event.id"), comment="the act of a phone; none for what was told by form"
    )
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    heard_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    heard_at: Mapped[datetime]
    told_at: Mapped[datetime]
    outcome: Mapped[str]
    code: Mapped[str | None] = mapped_column(comment="why it was not granted")
    answered_at: Mapped[datetime | None]
    answer: Mapped[dict[str, Any]] = mapped_column(comment="the window that was given, or those that were free")
    request_id: Mapped[UUID | None] = mapped_column(ForeignKey("change_request.id"))


class SlotHold(Table):
    """A window that is kept for one item for a few minutes. It ends by itself: what has expired no longer counts."""

    __tablename__ = "slot_hold"
    __table_args__ = (
        Index(None, "office_id", "day"),
        CheckConstraint("from_seconds < to_seconds", name="window"),
        {"sqlite_strict": True},
    )
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    day: Mapped[date]
    from_seconds: Mapped[int] = mapped_column(comment="seconds from local midnight")
    to_seconds: Mapped[int]
    held_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class PlacesTaken(Table):
    """Counts the places that citizens took on an office's day: who counted the room before another took one counts again."""

    __tablename__ = "places_taken"
    __table_args__ = ({"sqlite_strict": True},)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    times: Mapped[int]


class ProvenVisitor(Table):
    """A citizen who showed the last digits of the phone: a short session for one item. Failures are counted here too."""

    __tablename__ = "proven_visitor"
    __table_args__ = (Index(None, "item_id", "at"), {"sqlite_strict": True})
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    token_hash: Mapped[str | None] = mapped_column(unique=True, comment="None for a wrong answer")
    proven_by: Mapped[str] = mapped_column(server_default="digits", comment="digits or code")
    at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Complaint(Table):
    """A complaint (khiếu nại) about an item, by number within its office and year; answered in words until the legal day."""

    __tablename__ = "complaint"
    __table_args__ = (
        one_of("kind", list(Trouble)),
        one_of("scope", list(Scope)),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint(f"compensation_dong BETWEEN 0 AND {MOST_DONG}", name="compensation"),
        CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name="answer_has_a_moment"),
        CheckConstraint("(answered_at IS NULL) = (answered_by IS NULL)", name="answer_has_a_hand"),
        CheckConstraint("compensation_dong IS NULL OR answered_at IS NOT NULL", name="compensation_is_an_answer"),
        UniqueConstraint("office_id", "year", "number"),
        Index(None, "item_id"),
        Index(None, "answered_at", "due_on"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    year: Mapped[int]
    number: Mapped[int]
    kind: Mapped[str]
    scope: Mapped[str]
    words: Mapped[str] = mapped_column(comment="of the citizen")
    photo: Mapped[str | None] = mapped_column(
        comment="the digest of a picture that came with it, drawn anew and sealed"
    )
    filed_at: Mapped[datetime]
    filed_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("staff.id"), comment="who wrote it for a citizen at a desk"
    )
    due_on: Mapped[date]
    answer: Mapped[str | None]
    compensation_dong: Mapped[Amount | None] = mapped_column(comment="what was decided; paid elsewhere")
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    escalated_at: Mapped[datetime | None] = mapped_column(comment="when the admin was told that it is overdue")
    version: Mapped[int] = mapped_column(default=1)


class Rating(Table):
    """What a citizen thought of a visit: one for each visit and item. It names nobody; the visit knows who came."""

    __tablename__ = "rating"
    __table_args__ = (
        UniqueConstraint("event_id", "item_id"),
        CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
        Index(None, "office_id", "visited_on"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), comment="the visit")
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    visited_on: Mapped[date]
    stars: Mapped[int]
    words: Mapped[str] = mapped_column(default="")
    rated_at: Mapped[datetime] = mapped_column(comment="the first time; it can be changed for a while")


class DataRequest(Table):
    """What a citizen asked about the data stored of him (quyền dữ liệu), what was decided, and when it was done."""

    __tablename__ = "data_request"
    __table_args__ = (
        one_of("kind", list(Wish)),
        one_of("state", list(Decision)),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("(decided_at IS NULL) = (decision IS NULL)", name="reason"),
        CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done"),
        Index(None, "state", "due_on"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    kind: Mapped[str]
    words: Mapped[str] = mapped_column(default="")
    asked_at: Mapped[datetime]
    due_on: Mapped[date]
    state: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    decision: Mapped[str | None]
    done_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class Erasure(Table):
    """An item whose people were forgotten. Only the events of such an item may lose their words; append-only itself."""

    __tablename__ = "erasure"
    __table_args__ = (one_of("why", ("request", "retention")), {"sqlite_strict": True})
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    at: Mapped[datetime]
    why: Mapped[str]


class OneTimeCode(Table):
    """A code that was sent to the phone on a dossier. The last one of an item counts; the database knows a keyed digest of it."""

    __tablename__ = "one_time_code"
    __table_args__ = (
        Index(None, "item_id", "asked_at"),
        Index(None, "phone_index", "asked_at"),
        Index(None, "address_digest", "asked_at"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    phone_index: Mapped[str] = mapped_column(comment="keyed digest of the phone")
    address_digest: Mapped[str] = mapped_column(comment="keyed digest of the network that asked")
    digest: Mapped[str] = mapped_column(comment="keyed digest of the code")
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    wrong: Mapped[int] = mapped_column(comment="wrong guesses")
    used_at: Mapped[datetime | None]


class VainTry(Table):
    """Something that somebody without an account tried in vain: a code or a link that does not exist, wrong digits."""

    __tablename__ = "vain_try"
    __table_args__ = (
        one_of("kind", ("unknown_code", "unknown_link", "wrong_digits")),
        Index(None, "kind", "address_digest", "at"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    kind: Mapped[str]
    address_digest: Mapped[str] = mapped_column(comment="keyed digest of the network that tried")
    at: Mapped[datetime]
