"""The tables, one class each. Records are dumb; the rules live in `courier.domain`, the invariants also here as constraints.

Amounts are whole dong, moments are UTC, days are days in Asia/Ho_Chi_Minh. `version` counts the changes of a row that people edit.
"""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

import sqlalchemy
from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Float

from courier.domain import notices
from courier.domain.acts import ShiftType
from courier.domain.citizen_rights import Decision, Scope, Trouble, Wish
from courier.domain.duty import LEAVE_KINDS, Kind
from courier.domain.item import Custodian, Direction, EventType, State
from courier.domain.money import MOST_DONG, ChargeKind, Outcome
from courier.domain.people import Role
from courier.store.columns import Day, Flag, Id, Instant, Json

Key = Annotated[UUID, mapped_column(Id, primary_key=True)]
Amount = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]
Sealed = Annotated[bytes, mapped_column(LargeBinary)]

STEPS = ("receive", "appraise", "approve", "return")
MODES = ("motorbike", "boat", "foot")
SUBJECTS = ("adult", "minor")
PRECISIONS = ("doorstep", "handover", "pin", "plus_code", "landmark", "hamlet", "commune", "unknown")
PLAN_STATES = ("draft", "solved", "published", "superseded", "failed")
STAGES = ("headings", "checking", "checked", "committing", "committed", "failed")
LOCKS = ("free", "keep_postman", "keep_order", "keep_time", "frozen")
RELIEFS = ("shift", "window", "capacity", "cash_limit")
ENDPOINT_STATES = ("active", "disabled", "removed")
NOTICE_STATES = ("pending", "delivered", "dead")
EDITS = ("move", "unplan", "exchange", "split", "lock", "undo", "redo")
UNPLANNED_CODES = (
    "address_doubtful",
    "unreachable",
    "window",
    "capacity",
    "cash_limit",
    "skill",
    "shift",
    "held",
)


def one_of(column: str, values: Any) -> CheckConstraint:
    """A constraint that the column holds one of a few words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


class Table(DeclarativeBase):
    """Base of every table: STRICT on SQLite, types that mean the same on both databases, named constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Id,
        datetime: Instant,
        date: Day,
        bool: Flag,
        str: Text,
        int: Integer,
        float: Float(53).with_variant(REAL(), "sqlite"),
        dict[str, Any]: Json,
        list[Any]: Json,
    }
    __table_args__: Any = {"sqlite_strict": True}  # noqa: RUF012 (SQLAlchemy reads it from the class)


def plain(table: type[Table]) -> sqlalchemy.Table:
    """The table itself: many new rows go into it without the detour over objects."""
    return cast("sqlalchemy.Table", table.__table__)


# ------------------------------------------------------------------------------------------------ office and people
class Office(Table):
    """A post office (bưu cục) or a one-stop counter inside one."""

    __tablename__ = "office"
    __table_args__ = (one_of("kind", ("office", "counter")), {"sqlite_strict": True})
    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="office")
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"))
    commune_code: Mapped[str]
    lat: Mapped[float]
    lon: Mapped[float]
    communes: Mapped[list[Any]] = mapped_column(comment="codes of the communes whose items come here", default=list)
    source: Mapped[str] = mapped_column(default="")
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    rounds_learned: Mapped[dict[str, Any]] = mapped_column(
        comment="how far its rounds depart from their plans, and the day it was learned",
        default=dict,
        server_default="{}",
    )


class Agency(Table):
    """An agency (cơ quan) whose results are delivered; its code is also its name as a payee: `agency:<code>`."""

    __tablename__ = "agency"
    id: Mapped[Key]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Staff(Table):
    """Somebody who signs in: staff of an office, an admin, or an agency's client system."""

    __tablename__ = "staff"
    __table_args__ = (
        one_of("role", [role.value for role in Role if role is not Role.CITIZEN]),
        CheckConstraint(
            "(role IN ('postman','dispatcher','cashier','clerk')) = (office_id IS NOT NULL)", name="office_of_role"
        ),
        CheckConstraint("(role = 'agency') = (agency_id IS NOT NULL)", name="agency_of_role"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"), index=True)
    agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    phone: Mapped[str | None]
    password_hash: Mapped[str]
    must_change_password: Mapped[bool] = mapped_column(default=False)
    totp_secret: Mapped[str | None] = mapped_column(comment="sealed with the row's id")
    totp_last_step: Mapped[int | None] = mapped_column(comment="the step of the last code: none works twice")
    demo: Mapped[bool] = mapped_column(default=False, comment="made by the demo; refused in production")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class Vehicle(Table):
    """A motorbike or boat of an office."""

    __tablename__ = "vehicle"
    __table_args__ = (one_of("mode", MODES), {"sqlite_strict": True})
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"), index=True)
    name: Mapped[str]
    mode: Mapped[str]
    capacity_items: Mapped[int] = mapped_column(default=80)
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class Postman(Table):
    """How a postman works: vehicle, shift, cash limit, beat. Seconds count from local midnight."""

    __tablename__ = "postman"
    __table_args__ = (
        CheckConstraint("0 <= shift_start AND shift_start < shift_end AND shift_end <= 86400", name="shift"),
        CheckConstraint(f"0 <= cash_limit_dong AND cash_limit_dong <= {MOST_DONG}", name="cash_limit"),
        {"sqlite_strict": True},
    )
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicle.id"))
    shift_start: Mapped[int] = mapped_column(default=27_000)
    shift_end: Mapped[int] = mapped_column(default=61_200)
    break_start: Mapped[int | None]
    break_seconds: Mapped[int] = mapped_column(default=0)
    cash_limit_dong: Mapped[Amount] = mapped_column(default=20_000_000)
    beat: Mapped[list[Any]] = mapped_column(default=list, comment="commune codes he knows best")


class DutyChange(Table):
    """What differs from the usual week: leave, hours, a vehicle taken or in the workshop, an office closed or open.

    `weekdays` has bit n for weekday n (Monday = 0); 0 is every day of the span.
    """

    __tablename__ = "duty_change"
    __table_args__ = (
        one_of("kind", list(Kind)),
        one_of("leave_kind", LEAVE_KINDS),
        CheckConstraint("(kind IN ('leave','hours','vehicle')) = (postman_id IS NOT NULL)", name="whose"),
        CheckConstraint("(kind IN ('vehicle','workshop')) = (vehicle_id IS NOT NULL)", name="which_vehicle"),
        CheckConstraint("(kind = 'leave') = (leave_kind IS NOT NULL)", name="why_leave"),
        CheckConstraint(
            "(kind = 'hours') = (shift_start IS NOT NULL) AND (kind = 'hours') = (shift_end IS NOT NULL)", name="hours"
        ),
        CheckConstraint("0 <= shift_start AND shift_start < shift_end AND shift_end <= 86400", name="shift"),
        CheckConstraint("last_day IS NOT NULL OR weekdays > 0", name="open_end"),
        CheckConstraint("first_day <= last_day", name="span"),
        CheckConstraint("weekdays BETWEEN 0 AND 127 AND (weekdays = 0 OR kind = 'hours')", name="weekdays"),
        Index(None, "office_id", "first_day"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    kind: Mapped[str]
    postman_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    vehicle_id: Mapped[UUID | None] = mapped_column(ForeignKey("vehicle.id"))
    first_day: Mapped[date]
    last_day: Mapped[date | None]
    weekdays: Mapped[int] = mapped_column(default=0)
    leave_kind: Mapped[str | None]
    shift_start: Mapped[int | None]
    shift_end: Mapped[int | None]
    break_start: Mapped[int | None]
    break_seconds: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)


class AccessToken(Table):
    """A signed-in session; the token itself is known to the bearer only."""

    __tablename__ = "access_token"
    id: Mapped[Key]
    token_hash: Mapped[str] = mapped_column(unique=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("device.id"), comment="the phone it was bound to")
    scopes: Mapped[list[Any] | None] = mapped_column(Json, comment="what an agency's client may do; None for people")


class SignInFailure(Table):
    """A wrong password, counted by digest of the login and of the address."""

    __tablename__ = "sign_in_failure"
    __table_args__ = (
        Index(None, "login_digest", "at"),
        Index(None, "address_digest", "at"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    login_digest: Mapped[str]
    address_digest: Mapped[str]
    at: Mapped[datetime]


class Device(Table):
    """A phone, by the id it made itself. Enrolled it has a number, which its receipts carry; it goes with who enrolled it last."""

    __tablename__ = "device"
    __table_args__ = (Index("uq_device_number", "number", unique=True), {"sqlite_strict": True})
    id: Mapped[Key]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ack_through: Mapped[int] = mapped_column(default=0, comment="every event up to this number is stored")
    revoked_at: Mapped[datetime | None]
    number: Mapped[int | None]
    name: Mapped[str | None]
    enrolled_at: Mapped[datetime | None]
    waiting_acts: Mapped[int | None] = mapped_column(comment="what it still had to send when it last sent anything")


# ------------------------------------------------------------------------------------------------ items
class ImportBatch(Table):
    """One spreadsheet or API batch, whatever became of its rows."""

    __tablename__ = "import_batch"
    id: Mapped[Key]
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"), index=True)
    imported_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    filename: Mapped[str]
    sha256: Mapped[str]
    at: Mapped[datetime]
    accepted: Mapped[int]
    duplicates: Mapped[int]
    doubtful: Mapped[int]
    rejected: Mapped[int]
    assumed: Mapped[list[Any] | None] = mapped_column(
        Json, comment="how letters were read that the file does not explain"
    )
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))


class ImportRow(Table):
    """The verdict on one row of a batch; `row` is the sheet's own number."""

    __tablename__ = "import_row"
    __table_args__ = (
        one_of("outcome", ("accepted", "duplicate", "doubtful", "rejected")),
        {"sqlite_strict": True},
    )
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("import_batch.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    errors: Mapped[list[Any]] = mapped_column(default=list)


class StagedList(Table):
    """A bag list on trial: its rows and their verdicts are there, its items are not. `columns` is how its headings are read."""

    __tablename__ = "staged_list"
    __table_args__ = (one_of("state", STAGES), {"sqlite_strict": True})
    id: Mapped[Key]
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"), index=True)
    staged_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    filename: Mapped[str]
    sha256: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[str]
    assumed: Mapped[list[Any]] = mapped_column(default=list)
    headings: Mapped[dict[str, Any]] = mapped_column(default=dict, comment="as written, by position")
    columns: Mapped[dict[str, Any]] = mapped_column(default=dict, comment="key of ours by position")
    size: Mapped[int] = mapped_column(comment="rows")
    done: Mapped[int] = mapped_column(default=0, comment="rows looked at so far")
    accepted: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    doubtful: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("import_batch.id"))
    version: Mapped[int] = mapped_column(default=1)


class StagedRow(Table):
    """A row of a list on trial. Its cells are sealed: an ID number may stand in any of them."""

    __tablename__ = "staged_row"
    __table_args__ = (
        one_of("outcome", ("accepted", "duplicate", "doubtful", "rejected")),
        Index(None, "list_id", "outcome", "row"),
        {"sqlite_strict": True},
    )
    list_id: Mapped[UUID] = mapped_column(ForeignKey("staged_list.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    cells: Mapped[Sealed | None] = mapped_column(comment="gone when the row became an item")
    outcome: Mapped[str | None]
    item_id: Mapped[UUID | None] = mapped_column(comment="the item that it repeats")
    errors: Mapped[list[Any]] = mapped_column(default=list)


class KnownHeadings(Table):
    """How an office or an agency read these headings the last time."""

    __tablename__ = "known_headings"
    owner_id: Mapped[UUID] = mapped_column(primary_key=True, comment="an office or an agency")
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    columns: Mapped[dict[str, Any]] = mapped_column(comment="key of ours by folded heading")
    used_at: Mapped[datetime]
    said_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))


class Dossier(Table):
    """A dossier (hồ sơ) at an agency, and which of the four steps of its procedure it has reached."""

    __tablename__ = "dossier"
    __table_args__ = (
        UniqueConstraint("agency_id", "code_key"),
        one_of("step", STEPS),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    code: Mapped[str] = mapped_column(comment="as written by the agency")
    code_key: Mapped[str] = mapped_column(comment="normalised, unique within the agency")
    step: Mapped[str] = mapped_column(default="return")


class DossierStep(Table):
    """When a dossier reached a step, append-only."""

    __tablename__ = "dossier_step"
    __table_args__ = (one_of("step", STEPS), {"sqlite_strict": True})
    dossier_id: Mapped[UUID] = mapped_column(ForeignKey("dossier.id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))


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


# ------------------------------------------------------------------------------------------------ plans
class Plan(Table):
    """The routes of one office for one day (phương án)."""

    __tablename__ = "plan"
    __table_args__ = (
        one_of("state", PLAN_STATES),
        Index(None, "office_id", "day"),
        Index(
            "uq_plan_published",
            "office_id",
            "day",
            unique=True,
            sqlite_where=text("state = 'published'"),
            postgresql_where=text("state = 'published'"),
        ),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    day: Mapped[date]
    state: Mapped[str] = mapped_column(default="draft")
    seconds: Mapped[float] = mapped_column(comment="time limit of the solver")
    seed: Mapped[int] = mapped_column(default=0)
    travel: Mapped[dict[str, Any]] = mapped_column(default=dict)
    cost: Mapped[Amount | None]
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    solved_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class Route(Table):
    """A postman's ordered day within a plan."""

    __tablename__ = "route"
    __table_args__ = (UniqueConstraint("plan_id", "postman_id"), {"sqlite_strict": True})
    id: Mapped[Key]
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"))
    postman_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicle.id"))
    position: Mapped[int]
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Stop(Table):
    """One call at one door (điểm phát)."""

    __tablename__ = "stop"
    __table_args__ = (
        UniqueConstraint("route_id", "sequence"),
        one_of("lock", LOCKS),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    route_id: Mapped[UUID] = mapped_column(ForeignKey("route.id"))
    sequence: Mapped[int]
    arrives_at: Mapped[datetime]
    leaves_at: Mapped[datetime]
    lock: Mapped[str] = mapped_column(default="free")
    kept_at: Mapped[datetime | None] = mapped_column(comment="the time that keep_time keeps")
    lat: Mapped[float]
    lon: Mapped[float]
    waits_seconds: Mapped[int] = mapped_column(comment="planned waiting for the window to open", server_default="0")
    rests_seconds: Mapped[int] = mapped_column(comment="planned rest since the stop before", server_default="0")


class StopItem(Table):
    """An item to hand over or fetch at a stop."""

    __tablename__ = "stop_item"
    __table_args__ = (Index(None, "item_id", "stop_id"), {"sqlite_strict": True})
    stop_id: Mapped[UUID] = mapped_column(ForeignKey("stop.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)


class UnplannedItem(Table):
    """An item left out of a plan, and why."""

    __tablename__ = "unplanned_item"
    __table_args__ = (one_of("code", UNPLANNED_CODES), {"sqlite_strict": True})
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    code: Mapped[str]
    sentence: Mapped[str]


class PlanRelief(Table):
    """A rule that gives way for one plan (nới): a longer shift, more in the bag or the pocket, a wider window.

    `amount` is in seconds (`shift`, and `window` on each side), items (`capacity`) or dong (`cash_limit`).
    """

    __tablename__ = "plan_relief"
    __table_args__ = (
        one_of("kind", RELIEFS),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(kind = 'window') = (item_id IS NOT NULL)", name="window_of_item"),
        CheckConstraint("(kind = 'window') = (postman_id IS NULL)", name="limit_of_postman"),
        Index(None, "plan_id"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"))
    kind: Mapped[str]
    postman_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    amount: Mapped[Amount]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), comment="who gave it")
    at: Mapped[datetime]


class PlanEdit(Table):
    """A change of a plan by hand. `data` has the routes that it touched, before and after."""

    __tablename__ = "plan_edit"
    __table_args__ = (one_of("kind", EDITS), {"sqlite_strict": True})
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, comment="of the plan, after it")
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    target: Mapped[int | None] = mapped_column(comment="version of the edit that was undone or done again")
    data: Mapped[dict[str, Any]]


class BagVersion(Table):
    """Counts the changes of what a postman sees on one day: the tag of his daily list."""

    __tablename__ = "bag_version"
    postman_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int]


# ------------------------------------------------------------------------------------------------ money
class LedgerEntry(Table):
    """One line of a posting. Written before its transaction, which seals it: no line can be added, changed or removed later."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount_dong <> 0", name="not_zero"),
        CheckConstraint(f"amount_dong BETWEEN -{MOST_DONG} AND {MOST_DONG}", name="amount"),
        CheckConstraint("line >= 1", name="line"),
        Index(None, "account"),
        Index(None, "charge_id"),
        {"sqlite_strict": True},
    )
    tx_id: Mapped[UUID] = mapped_column(
        ForeignKey("ledger_tx.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    line: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str]
    amount_dong: Mapped[Amount]
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge.id"))


class LedgerTx(Table):
    """A sealed, balanced posting; `key` makes a replay harmless, `reverses` may be used once."""

    __tablename__ = "ledger_tx"
    __table_args__ = (CheckConstraint("lines >= 2", name="lines"), {"sqlite_strict": True})
    id: Mapped[Key]
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    day: Mapped[date]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"), index=True)
    reverses: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_tx.id"), unique=True)
    lines: Mapped[int]
    posted_at: Mapped[datetime]
    posted_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))


class Remittance(Table):
    """A postman's evening (nộp tiền): what was expected, what was counted, who owns the difference. It closes his day."""

    __tablename__ = "remittance"
    __table_args__ = (
        UniqueConstraint("postman_id", "day"),
        CheckConstraint("counted_dong >= 0 AND expected_dong >= 0", name="amounts"),
        CheckConstraint(
            "counted_dong = expected_dong OR (difference_reason IS NOT NULL AND difference_reason <> '')",
            name="difference_has_an_owner",
        ),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    postman_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    day: Mapped[date]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"), index=True)
    expected_dong: Mapped[Amount]
    counted_dong: Mapped[Amount]
    counted: Mapped[dict[str, Any]]
    difference_reason: Mapped[str | None]
    tx_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_tx.id"))
    closed_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    closed_at: Mapped[datetime]


class PaymentOrder(Table):
    """What a citizen was shown to pay before the visit (lệnh trả trước), for one payee: a code on a screen is no payment."""

    __tablename__ = "payment_order"
    __table_args__ = (CheckConstraint("amount_dong > 0", name="amount"), {"sqlite_strict": True})
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    payee: Mapped[str]
    amount_dong: Mapped[Amount]
    lines: Mapped[list[Any]] = mapped_column(comment="[{charge, amount_dong}] as they were owed")
    code: Mapped[str] = mapped_column(unique=True, comment="by which a line of the bank's is known")
    asked_at: Mapped[datetime]


class BankNotice(Table):
    """A transfer as it stands on the bank's statement, and what it settled. What it does not settle waits in suspense."""

    __tablename__ = "bank_notice"
    __table_args__ = (
        one_of("outcome", list(Outcome)),
        CheckConstraint(f"0 < amount_dong AND amount_dong <= {MOST_DONG}", name="amount"),
        CheckConstraint("(outcome = 'unknown') = (order_id IS NULL)", name="order_of_outcome"),
        CheckConstraint("(refunded_at IS NULL) = (refund_tx_id IS NULL)", name="refund"),
        Index(None, "office_id", "noted_at"),
        Index(
            "uq_bank_notice_paid",
            "order_id",
            unique=True,
            sqlite_where=text("outcome = 'paid' AND refunded_at IS NULL"),
            postgresql_where=text("outcome = 'paid' AND refunded_at IS NULL"),
        ),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    reference: Mapped[str] = mapped_column(unique=True, comment="the bank's own number of the transfer")
    amount_dong: Mapped[Amount]
    purpose: Mapped[str]
    booked_on: Mapped[date]
    noted_at: Mapped[datetime]
    noted_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_order.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"), index=True)
    outcome: Mapped[str]
    tx_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_tx.id"))
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident.id"))
    refunded_at: Mapped[datetime | None]
    refund_tx_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_tx.id"))


# ------------------------------------------------------------------------------------------------ messages to citizens
class Message(Table):
    """A message (tin báo) on its way to a person's phone. Number and words are sealed with the row's id."""

    __tablename__ = "message"
    __table_args__ = (
        one_of("kind", list(notices.Kind)),
        one_of("state", list(notices.State)),
        one_of("channel", list(notices.Channel)),
        CheckConstraint("attempts >= 0 AND segments >= 0 AND cost_dong >= 0", name="counts"),
        Index(None, "item_id"),
        Index(None, "office_id", "created_at"),
        Index(None, "to_index"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"))
    to_index: Mapped[str] = mapped_column(comment="keyed digest of the phone")
    to_masked: Mapped[str]
    sealed: Mapped[Sealed | None] = mapped_column(comment="phone, language and words; gone when nothing needs them")
    state: Mapped[str]
    channel: Mapped[str | None] = mapped_column(comment="what carries it or carried it last")
    tried: Mapped[list[Any]] = mapped_column(default=list, comment="channels that came to nothing, with the code")
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, comment="calls to the channel in hand")
    reserved: Mapped[str | None] = mapped_column(comment="channel and day whose budget it was counted in")
    segments: Mapped[int] = mapped_column(default=0)
    cost_dong: Mapped[Amount] = mapped_column(default=0, comment="estimated, of all channels")
    dry_run: Mapped[bool] = mapped_column(default=False, comment="nobody was told: the channel is not connected")
    provider_id: Mapped[str | None]
    code: Mapped[str | None] = mapped_column(comment="why it is where it is")
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]


class MessageBudget(Table):
    """What a channel was used for on a day, counted before it is used."""

    __tablename__ = "message_budget"
    channel: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    dong: Mapped[Amount] = mapped_column(default=0)
    stopped_at: Mapped[datetime | None] = mapped_column(comment="when the first message was kept back")


class MessageReceipt(Table):
    """A provider's delivery receipt that was taken in: the same one again is a replay."""

    __tablename__ = "message_receipt"
    channel: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class MessageOptOut(Table):
    """A phone that wants no messages, by keyed digest."""

    __tablename__ = "message_opt_out"
    __table_args__ = (one_of("said_by", notices.OPTED_OUT_BY), {"sqlite_strict": True})
    to_index: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    said_by: Mapped[str]


# ------------------------------------------------------------------------------------------------ agencies' systems
class AgencyClient(Table):
    """A program of an agency that signs in with a secret: a row of `staff` that no password opens, and what it may do."""

    __tablename__ = "agency_client"
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    scopes: Mapped[list[Any]]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class AgencyClientSecret(Table):
    """A secret of a client, by its digest; while it is rotated two hold."""

    __tablename__ = "agency_client_secret"
    id: Mapped[Key]
    client_id: Mapped[UUID] = mapped_column(ForeignKey("agency_client.staff_id"), index=True)
    secret_hash: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class WebhookEndpoint(Table):
    """Where an agency's system hears what became of its items. The secrets are sealed with the row's id."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        one_of("state", ENDPOINT_STATES),
        CheckConstraint("(state = 'disabled') = (disabled_reason IS NOT NULL)", name="why_disabled"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), index=True)
    url: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    types: Mapped[list[Any]] = mapped_column(default=list, comment="which notices it asks for; empty is all")
    secret_sealed: Mapped[Sealed]
    old_secret_sealed: Mapped[Sealed | None]
    old_secret_until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(default="active")
    disabled_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0, comment="failed tries in a row")
    failing_since: Mapped[datetime | None]
    resting_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class WebhookNotice(Table):
    """A notice on its way to an endpoint, written with the fact that it tells. `position` is the order of the facts of an item."""

    __tablename__ = "webhook_notice"
    __table_args__ = (
        one_of("state", NOTICE_STATES),
        Index(
            "ix_webhook_notice_waiting",
            "endpoint_id",
            "item_id",
            "position",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_webhook_notice_due",
            "endpoint_id",
            "due_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(None, "endpoint_id", "position"),
        {"sqlite_strict": True},
    )
    position: Mapped[Amount] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    type: Mapped[str]
    body: Mapped[str] = mapped_column(comment="what is signed and sent, byte for byte")
    created_at: Mapped[datetime]
    state: Mapped[str]
    tries: Mapped[int]
    due_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(comment="HTTP status of the last answer")
    fault: Mapped[str | None] = mapped_column(comment="why there was no answer")
    settled_at: Mapped[datetime | None]


# ------------------------------------------------------------------------------------------------ the house's own books
class IdempotencyKey(Table):
    """The stored answer to a POST that carried an `Idempotency-Key`."""

    __tablename__ = "idempotency_key"
    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    status: Mapped[int | None] = mapped_column(comment="None while running")
    answer: Mapped[str | None]
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime]


class JobDone(Table):
    """A job whose effect is in the books. Written in the same transaction as the effect, so no job counts twice."""

    __tablename__ = "job_done"
    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class CalendarDay(Table):
    """A day that the office declares worked or off, over what the calendar says."""

    __tablename__ = "calendar_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    works: Mapped[bool]
    reason: Mapped[str]


class AuditEntry(Table):
    """Who did what to which thing, append-only. Never holds personal data."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "thing"), {"sqlite_strict": True})
    id: Mapped[Key]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str]
    act: Mapped[str]
    thing: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
