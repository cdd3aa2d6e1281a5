"""Enrolling a phone, and revoking it when it is lost."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from courier.desk import Desk
from courier.domain.errors import Forbidden
from courier.domain.people import Caller, Role
from courier.store import audit, devices, envelopes, people
from courier.store.devices import Phone
from courier.store.envelopes import Key
from courier.store.people import SignedIn
from courier.store.tables import Office

# A phone without a signal fills its gaps in the evening; after a day somebody must ask.
MISSED_AFTER: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a phone learns when it is enrolled."""

    device_id: UUID
    number: int
    office: Office
    sealing_key: Key
    signing_key: Key


def enrol(desk: Desk, found: SignedIn, device_id: UUID, *, name: str, at: datetime) -> Enrolled:
    """Bind the session to a phone. The phone may change hands: it goes with whoever enrolled it last.

    Raises:
        Forbidden: only a postman has a phone.
        Refused: `device-revoked`.
    """
    caller = found.caller
    if caller.role is not Role.POSTMAN or caller.office_id is None:
        raise Forbidden
    with desk.database.write() as session:
        row = devices.enrol(session, device_id, caller, name=name, session_id=found.session_id, at=at)
        audit.note(session, caller, "phone enrolled", f"device:{device_id}", at=at, number=row.number)
        office = people.office(session, caller.office_id)
        if row.number is None or office is None:
            raise LookupError(f"device {device_id} has no number or its bearer no office")
        secrets = desk.settings.secrets
        return Enrolled(device_id, row.number, office, envelopes.sealing_key(secrets), envelopes.signing_key(secrets))


def list_phones(desk: Desk, caller: Caller, *, at: datetime) -> list[Phone]:
    """The enrolled phones of the caller's office (all for an admin), by number, with what is missed of each."""
    office_id = None if caller.role is Role.ADMIN else caller.office_id
    with desk.database.read() as session:
        return devices.phones(session, office_id, missed_before=at - MISSED_AFTER)


def revoke(desk: Desk, caller: Caller, device_id: UUID, *, at: datetime) -> None:
    """A phone was lost or stolen: it is given nothing more, and what it sends is set aside.

    Raises:
        Missing: it is not there, or not of the caller's office.
    """
    office_id = None if caller.role is Role.ADMIN else caller.office_id
    with desk.database.write() as session:
        devices.revoke(session, office_id, device_id, at=at)
        audit.note(session, caller, "phone revoked", f"device:{device_id}", at=at)
