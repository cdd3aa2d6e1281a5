"""Trouble with an owner (sự cố): who must look at it and until when, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.people import Caller, Role
from courier.domain.trouble import Kind, due_at, kind_of
from courier.store.tables import Incident, ItemEvent, QuarantinedEvent, ShiftEvent, Staff

_MOST: Final = 1000
_OWNERS: Final = (Role.DISPATCHER, Role.CASHIER, Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What an incident is about, as it was reported: which act, by whom, when it was and when we heard of it."""

    type: str
    by: str | None
    occurred_at: datetime
    received_at: datetime
    receiver: str | None
    relation: str | None
    cash_dong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An incident as a board shows it: its kind, until when somebody must act, who has taken it, and the fact behind it."""

    row: Incident
    kind: Kind
    due_at: datetime
    is_overdue: bool
    assignee: str | None
    fact: Fact | None


def board(desk: Desk, caller: Caller, *, kind: Kind | None = None, at: datetime) -> list[Trouble]:
    """The open incidents of the caller's office (all for an admin): whose time is up first, then by when it will be."""
    query = select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.id).limit(_MOST)
    if caller.role is not Role.ADMIN:
        query = query.where(Incident.office_id == caller.office_id)
    with desk.database.read() as session:
        rows = [row for row in session.scalars(query) if kind in (None, _kind(row))]
        names = dict(
            session.execute(
                select(Staff.id, Staff.name).where(Staff.id.in_({row.assigned_to for row in rows if row.assigned_to}))
            ).all()
        )
        facts = _facts(session, rows)
        found = [
            Trouble(
                row=row,
                kind=_kind(row),
                due_at=due_of(row),
                is_overdue=due_of(row) < at,
                assignee=names.get(row.assigned_to) if row.assigned_to else None,
                fact=facts.get(row.event_id) if row.event_id else None,
            )
            for row in rows
        ]
    return sorted(found, key=lambda one: (one.due_at, one.row.id))


def due_of(row: Incident) -> datetime:
    """Until when somebody must have acted on it."""
    return due_at(row.code, row.opened_at, about_money=row.about_money)


def _kind(row: Incident) -> Kind:
    return kind_of(row.code, about_money=row.about_money)


def _facts(session: Session, rows: list[Incident]) -> dict[UUID, Fact]:
    events = {row.event_id for row in rows if row.event_id}
    found: dict[UUID, Fact] = {}
    told: list[Any] = []
    for table in (ItemEvent, ShiftEvent):
        query = select(table, Staff.name).outerjoin(Staff, Staff.id == table.actor_id).where(table.id.in_(events))
        told += session.execute(query).all()
    for event, name in told:
        data: Mapping[str, Any] = event.data
        receiver = data.get("receiver") or {}
        found[event.id] = Fact(
            type=event.type,
            by=name,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            receiver=receiver.get("name"),
            relation=receiver.get("relation"),
            cash_dong=sum(line["amount_dong"] for line in data.get("collections") or ()),
        )
    return found


def people_for(desk: Desk, caller: Caller) -> list[Staff]:
    """Who of the caller's office can take an incident, by name."""
    query = select(Staff).where(Staff.active, Staff.role.in_([role.value for role in _OWNERS])).order_by(Staff.name)
    if caller.role is not Role.ADMIN:
        query = query.where(Staff.office_id == caller.office_id)
    with desk.database.read() as session:
        return list(session.scalars(query))


def assign(desk: Desk, caller: Caller, incident_id: UUID, *, to: UUID | None) -> Incident:
    """Give an incident to somebody of the office, or take it over (`to` None: the caller himself).

    Raises:
        Missing: it or the person is not there, or not for this caller.
        Refused: `already-closed`, or `for-the-cashier` where money is to go to somebody who may not settle it.
    """
    with desk.database.write() as session:
        incident = _open(session, caller, incident_id)
        person = session.get(Staff, to or caller.id)
        if (
            person is None
            or not person.active
            or Role(person.role) not in _OWNERS
            or person.office_id not in (None, incident.office_id)
        ):
            raise Missing("staff", to)
        if incident.about_money and Role(person.role) is Role.DISPATCHER:
            raise Refused("for-the-cashier", "Sự cố về tiền do thủ quỹ xử lý.")
        incident.assigned_to = person.id
        return incident


def _open(session: Session, caller: Caller, incident_id: UUID) -> Incident:
    incident = session.scalar(select(Incident).where(Incident.id == incident_id).with_for_update())
    if incident is None or (caller.role is not Role.ADMIN and incident.office_id != caller.office_id):
        raise Missing("incident", incident_id)
    if incident.closed_at is not None:
        raise Refused("already-closed", "Sự cố đã được khép lại.")
    return incident


def find_incidents(
    desk: Desk, caller: Caller, *, open_only: bool = True, after: UUID | None = None, limit: int = 50
) -> list[Incident]:
    """Incidents of the caller's office (all for an admin), newest first."""
    query = select(Incident).order_by(Incident.id.desc()).limit(limit)
    if caller.role is not Role.ADMIN:
        query = query.where(Incident.office_id == caller.office_id)
    if open_only:
        query = query.where(Incident.closed_at.is_(None))
    if after is not None:
        query = query.where(Incident.id < after)
    with desk.database.read() as session:
        return list(session.scalars(query))


def close_incident(desk: Desk, caller: Caller, incident_id: UUID, *, resolution: str, at: datetime) -> Incident:
    """Close an incident with what was decided. Money matters are closed by the cashier.

    Raises:
        Missing: it is not there, or not for this caller.
        Invalid: no resolution was written.
        Refused: `already-closed`, or `for-the-cashier`.
    """
    words = resolution.strip()
    if not words:
        raise Invalid(FieldError("resolution", "required", "Mời ghi cách xử lý."))
    with desk.database.write() as session:
        incident = _open(session, caller, incident_id)
        if incident.about_money and caller.role is Role.DISPATCHER:
            raise Refused("for-the-cashier", "Sự cố về tiền do thủ quỹ xử lý.")
        incident.closed_at, incident.closed_by, incident.resolution = at, caller.id, words
        return incident


def set_aside(desk: Desk, caller: Caller, *, limit: int = 50) -> list[QuarantinedEvent]:
    """What phones sent that could not be attached to anything, newest first."""
    query = select(QuarantinedEvent).order_by(QuarantinedEvent.id.desc()).limit(limit)
    if caller.role is not Role.ADMIN:
        query = query.where(QuarantinedEvent.office_id == caller.office_id)
    with desk.database.read() as session:
        return list(session.scalars(query))
