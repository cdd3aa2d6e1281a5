"""A rescue file: what a phone could not send any more, brought by hand. Whose acts they are is asked before they are taken in."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from courier.desk import Desk
from courier.domain.errors import Forbidden, Missing
from courier.domain.people import Caller, Role
from courier.store import audit, devices, people


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name the file's acts are taken in, and the phone for which he may speak (None: the rules of a stranger)."""

    caller: Caller
    bound_to: UUID | None


def sender_of(desk: Desk, caller: Caller, *, staff_id: UUID, device_id: UUID, at: datetime) -> Sender:
    """The postman whose phone wrote the file: the caller himself, or one of the dispatcher's office.

    Raises:
        Missing: he is none of those.
        Forbidden: neither a postman nor a dispatcher asks.
    """
    if caller.role not in (Role.POSTMAN, Role.DISPATCHER):
        raise Forbidden
    with desk.database.write() as session:
        found = people.person(session, staff_id)
        row = found.staff if found is not None else None
        if row is None or row.role != Role.POSTMAN or row.office_id != caller.office_id:
            raise Missing("postman", staff_id)
        if caller.role is Role.POSTMAN and caller.id != staff_id:
            raise Missing("postman", staff_id)
        audit.note(session, caller, "rescue file brought", f"device:{device_id}", at=at, postman=str(staff_id))
        bound_to = device_id if devices.was_enrolled_by(session, device_id, staff_id) else None
        return Sender(Caller(row.id, Role.POSTMAN, row.name, row.office_id), bound_to)
