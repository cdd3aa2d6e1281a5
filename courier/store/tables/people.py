"""Offices, agencies, whoever signs in, and with what."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.domain.duty import LEAVE_KINDS, Kind
from courier.domain.money import MOST_DONG
from courier.domain.people import Role
from courier.store.columns import Json
from courier.store.tables.base import Amount, Key, Table, one_of

MODES = ("motorbike", "boat", "foot")


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
