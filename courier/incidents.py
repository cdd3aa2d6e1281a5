"""Trouble with an owner (sự cố): who must look at it, and what was decided."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from courier.desk import Desk
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.people import Caller, Role
from courier.store.tables import Incident, QuarantinedEvent


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
        incident = session.scalar(select(Incident).where(Incident.id == incident_id).with_for_update())
        if incident is None or (caller.role is not Role.ADMIN and incident.office_id != caller.office_id):
            raise Missing("incident", incident_id)
        if incident.closed_at is not None:
            raise Refused("already-closed", "Sự cố đã được khép lại.")
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
