"""Who acts: the roles of the office and the caller of a use case."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a person or a client system may do; `citizen` comes by a signed link and has no account."""

    POSTMAN = "postman"
    DISPATCHER = "dispatcher"
    CASHIER = "cashier"
    CLERK = "clerk"
    ADMIN = "admin"
    AGENCY = "agency"
    CITIZEN = "citizen"


class Scope(StrEnum):
    """What a program of an agency may do, each by itself."""

    ITEMS_READ = "items:read"
    ITEMS_WRITE = "items:write"
    REPORTS_READ = "reports:read"
    WEBHOOKS_MANAGE = "webhooks:manage"
    OPTIMIZE = "optimize"


@dataclass(frozen=True, slots=True)
class Caller:
    """The signed-in person behind a use case. `office_id` is None for admins, agencies and citizens."""

    id: UUID
    role: Role
    name: str
    office_id: UUID | None = None
    agency_id: UUID | None = None
