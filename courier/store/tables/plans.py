"""Plans of a day: routes, stops, what was left out, changes by hand."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.store.tables.base import Amount, Key, Table, one_of

PLAN_STATES = ("draft", "solved", "published", "superseded", "failed")
LOCKS = ("free", "keep_postman", "keep_order", "keep_time", "frozen")
RELIEFS = ("shift", "window", "capacity", "cash_limit")
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
