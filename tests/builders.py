"""Short ways to say what was: events and lives for the rules, an office with its people and items for the database."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import ZONE, local_day
from courier.domain.item import Direction, Event, EventType, State, first_state, life_of
from courier.domain.money import Charge, ChargeKind, Dong, due_accepted
from courier.domain.people import Caller, Role
from courier.facts import Facts
from courier.store import ledger
from courier.store.jobs import Jobs
from courier.store.session import Database
from courier.store.tables import (
    Agency,
    Dossier,
    EventOfItem,
    Item,
    ItemCharge,
    ItemEvent,
    Office,
    Postman,
    Staff,
    Vehicle,
)

DATA = Path(__file__).resolve().parents[1] / "data"

# A Wednesday in the working week of the samples, at the counter's opening.
MORNING = datetime(2026, 11, 25, 7, 30, tzinfo=ZONE)
DAY = local_day(MORNING)


@cache
def the_facts() -> Facts:
    """The fact files, read once."""
    return Facts.load(DATA)


def number(value: int) -> UUID:
    """A small number as an id, easy to recognise in a failure."""
    return UUID(int=value)


def clock(minutes: float, *, day: datetime = MORNING) -> datetime:
    """The moment so many minutes after the morning began."""
    return day + timedelta(minutes=minutes)


# ------------------------------------------------------------------------------------------------------------ rules
def an_event(
    kind: EventType | str,
    minutes: float = 0,
    *,
    by: UUID | None = None,
    role: Role | None = None,
    id: UUID | None = None,
    at: datetime | None = None,
    **data: Any,
) -> Event:
    """An event so many minutes after the morning, or at a moment."""
    moment = at or clock(minutes)
    return Event(id or uuid7(), EventType(kind), moment, moment, by, data, role)


_POSTMAN = number(0xB0)
_WAY = {
    (Direction.RESULT, State.ANNOUNCED): "",
    (Direction.RESULT, State.RECEIVED): "received",
    (Direction.RESULT, State.PLANNED): "received planned",
    (Direction.RESULT, State.OUT): "received taken_out",
    (Direction.RESULT, State.ATTEMPTED): "received taken_out attempt_failed",
    (Direction.RESULT, State.HELD): "received taken_out brought_back",
    (Direction.RESULT, State.TO_FORWARD): "received directed",
    (Direction.RESULT, State.FORWARDED): "received directed sent_on",
    (Direction.RESULT, State.AWAITING_PICKUP): "received taken_out brought_back invited",
    (Direction.RESULT, State.DELIVERED): "received taken_out handed_over",
    (Direction.RESULT, State.PICKED_UP): "received taken_out brought_back picked_up",
    (Direction.RESULT, State.RETURNING): "received taken_out brought_back given_back",
    (Direction.RESULT, State.RETURNED): "received taken_out brought_back given_back agency_signed",
    (Direction.RESULT, State.CANCELLED): "received cancelled",
    (Direction.SUBMISSION, State.REQUESTED): "",
    (Direction.SUBMISSION, State.PLANNED): "planned",
    (Direction.SUBMISSION, State.OUT): "set_out",
    (Direction.SUBMISSION, State.FETCHED): "set_out fetched",
    (Direction.SUBMISSION, State.AT_OFFICE): "set_out fetched brought_in",
    (Direction.SUBMISSION, State.LODGED): "set_out fetched brought_in agency_signed",
    (Direction.SUBMISSION, State.CANCELLED): "cancelled",
}


def reachable(direction: Direction) -> list[State]:
    """The states that an item of this direction can be in."""
    return [state for way, state in _WAY if way is direction]


def the_way_to(state: State, direction: Direction = Direction.RESULT, *, by: UUID = _POSTMAN) -> list[Event]:
    """A plain history that ends in a state, one event a minute, long before the morning."""
    start = MORNING - timedelta(days=1)
    kinds = _WAY[direction, state].split()
    return [an_event(kind, at=start + timedelta(minutes=n), by=by) for n, kind in enumerate(kinds)]


# --------------------------------------------------------------------------------------------------------- database
class Asked(Jobs):
    """The jobs of a database that nobody runs by himself: a test does them one by one."""

    def __init__(self, database: Any) -> None:
        super().__init__(database)
        self.kept: list[tuple[str, dict[str, Any], str, datetime | None]] = []

    def enqueue(self, session, kind, payload, *, key, not_before=None) -> None:
        if key not in [one[2] for one in self.kept]:
            self.kept.append((kind, dict(payload), key, not_before))


def a_desk(database: Database) -> Desk:
    """A desk for use cases that need the database and the facts only; what it asks for later is written down."""
    return Desk(database=database, settings=None, facts=the_facts(), gazetteer=None, jobs=Asked(database))


@dataclass
class House:
    """An office in the database, with the callers of its people."""

    database: Database
    office_id: UUID
    agency_id: UUID
    agency_code: str
    postmen: list[Caller]
    dispatcher: Caller
    cashier: Caller
    clerk: Caller
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = a_desk(self.database)

    def item(self, **wanted: Any) -> UUID:
        """Accept one item in a transaction of its own; see `an_item`."""
        with self.database.write() as session:
            return an_item(session, self, **wanted)

    def charges(self, item_id: UUID) -> list[ItemCharge]:
        """The due lines of an item, dearest first."""
        with self.database.read() as session:
            rows = session.query(ItemCharge).filter_by(item_id=item_id).all()
        return sorted(rows, key=lambda row: -row.amount_dong)

    def row(self, item_id: UUID) -> Item:
        """An item as it stands."""
        with self.database.read() as session:
            return session.get_one(Item, item_id)

    def balances(self, prefix: str = "") -> dict[str, int]:
        """All accounts that are not at zero."""
        with self.database.read() as session:
            return dict(ledger.balances(session, prefix))


def a_house(database: Database, *, postmen: int = 2, code: str = "UM", agency_code: str = "PC08") -> House:
    """An office with postmen, a dispatcher, a cashier, a clerk and one agency."""
    with database.write() as session:
        office = Office(id=uuid7(), code=code, name=f"Bưu cục thử {code}", commune_code="32044", lat=9.4, lon=104.97)
        session.add(office)
        agency = session.query(Agency).filter_by(code=agency_code).one_or_none()
        if agency is None:
            agency = Agency(id=uuid7(), code=agency_code, name=f"Cơ quan {agency_code}")
            session.add(agency)
        session.flush()
        vehicle = Vehicle(id=uuid7(), office_id=office.id, name="Xe 1", mode="motorbike")
        session.add(vehicle)
        people = [_staff(f"{code}-p{n}".lower(), Role.POSTMAN, office.id) for n in range(postmen)]
        desks = [
            _staff(f"{code}-{letter}".lower(), role, office.id)
            for letter, role in (("d", Role.DISPATCHER), ("c", Role.CASHIER), ("g", Role.CLERK))
        ]
        session.add_all([*people, *desks])
        session.flush()
        session.add_all([Postman(staff_id=postman.id, vehicle_id=vehicle.id) for postman in people])
        dispatcher, cashier, clerk = map(_caller, desks)
        return House(
            database=database,
            office_id=office.id,
            agency_id=agency.id,
            agency_code=agency_code,
            postmen=[_caller(postman) for postman in people],
            dispatcher=dispatcher,
            cashier=cashier,
            clerk=clerk,
        )


def _staff(login: str, role: Role, office_id: UUID) -> Staff:
    return Staff(
        id=uuid7(),
        login=login,
        name=f"Người thử {login}",
        role=role.value,
        office_id=office_id,
        agency_id=None,
        phone=None,
        password_hash="-",
        totp_secret=None,
        created_at=MORNING,
    )


def _caller(row: Staff) -> Caller:
    return Caller(row.id, Role(row.role), row.name, row.office_id)


def an_item(
    session: Session,
    house: House,
    *,
    id: UUID | None = None,
    direction: Direction = Direction.RESULT,
    document_type: str = "giay_phep_lai_xe",
    subject: str = "adult",
    charges: Sequence[tuple[str, str, int]] = (("state_fee", "agency:PC08", 135_000), ("postage", "post", 30_000)),
    charge_ids: Sequence[UUID] = (),
    received: bool = True,
    at: datetime = MORNING - timedelta(days=1),
) -> UUID:
    """An accepted item with its charges in the ledger; a result is received by the office unless said otherwise."""
    item_id = id or uuid7()
    dossier = Dossier(id=uuid7(), agency_id=house.agency_id, code=f"H-{item_id}", code_key=f"h{item_id}")
    session.add(dossier)
    receipt = [an_event("received", at=at, by=house.clerk.id)] if received and direction is Direction.RESULT else []
    life = life_of(direction, receipt)
    session.flush()
    session.add(
        Item(
            id=item_id,
            barcode=f"RE{item_id.int % 10**9:09d}{item_id.hex[-6:]}VN",
            dossier_id=dossier.id,
            agency_id=house.agency_id,
            office_id=house.office_id,
            batch_id=None,
            document_type=document_type,
            direction=direction.value,
            state=life.state.value if receipt else first_state(direction).value,
            custody=life.custody.kind.value,
            custody_holder=None,
            recipient_name="Nguyễn Văn Mẫu",
            recipient_phone="0599000001",
            subject=subject,
            address_raw="Ấp 11, xã Khánh An",
            commune_code="32059",
            search_text="",
            link_digest=str(item_id),
            created_at=at,
        )
    )
    session.flush()
    for event in receipt:
        session.add(
            ItemEvent(
                id=event.event_id,
                type=event.type.value,
                actor_id=event.actor,
                actor_role=Role.CLERK.value,
                office_id=house.office_id,
                occurred_at=at,
                claimed_at=at,
                received_at=at,
                clock_trusted=True,
                data={},
                payload_hash="",
                result="applied",
            )
        )
        session.flush()
        session.add(EventOfItem(event_id=event.event_id, item_id=item_id))
    due = [
        Charge(charge_ids[n] if charge_ids else uuid7(), ChargeKind(kind), payee, Dong(amount))
        for n, (kind, payee, amount) in enumerate(charges)
    ]
    for charge in due:
        session.add(
            ItemCharge(
                id=charge.id,
                item_id=item_id,
                kind=charge.kind.value,
                payee=charge.payee,
                amount_dong=charge.amount_dong,
            )
        )
    session.flush()
    posting = due_accepted(item_id, due, local_day(at))
    if posting is not None:
        ledger.post(
            session, posting, key=f"accepted:{item_id}", office_id=house.office_id, at=at, by=None, item_id=item_id
        )
    return item_id


# ------------------------------------------------------------------------------------------------------------ phone
class Phone:
    """What a postman's phone sends: events with ids, sequence numbers and an anchored clock."""

    def __init__(
        self, house: House, bearer: Caller, *, id: UUID | None = None, rng: random.Random | None = None
    ) -> None:
        self.house = house
        self.bearer = bearer
        self.id = id or uuid7()
        self.seq = 0
        self.rng = rng

    def event(
        self, kind: str, items: Sequence[UUID], /, minutes: float = 0, *, at: datetime | None = None, **data: Any
    ) -> dict[str, Any]:
        """One event as it stands in the outbox; the server's estimate of its moment is exactly the moment given."""
        self.seq += 1
        moment = at or clock(minutes)
        event_id = UUID(int=self.rng.getrandbits(128), version=4) if self.rng else uuid7()
        return {
            "event_id": str(event_id),
            "device_seq": self.seq,
            "type": kind,
            "items": [str(item) for item in items],
            "occurred_at": moment.isoformat(),
            "clock": {
                "boot_id": "boot-1",
                "monotonic_ms": 1_000,
                "anchor": {"server_time": moment.isoformat(), "monotonic_ms": 1_000, "boot_id": "boot-1"},
            },
            "data": data,
        }

    def send(self, *events: Any, at: datetime | None = None) -> SimpleNamespace:
        """Sync, and give the answers and the acknowledged number."""
        from courier import handover  # noqa: PLC0415 (the rules' tests use this file without the desks)

        answers, ack_through = handover.sync(
            self.house.desk, self.bearer, device_id=self.id, events=events, at=at or clock(600)
        )
        return SimpleNamespace(answers=answers, ack_through=ack_through, results=[a.result for a in answers])


def paying(*lines: tuple[ItemCharge | UUID, int] | tuple[ItemCharge | UUID, int, str]) -> list[dict[str, Any]]:
    """The `collections` of an event: (charge, amount) in cash, or with a method."""
    return [
        {
            "charge": str(getattr(line[0], "id", line[0])),
            "amount_dong": line[1],
            "method": line[2] if len(line) > 2 else "cash",
        }
        for line in lines
    ]


def done_right(collections: Sequence[Mapping[str, Any]] = (), **changed: Any) -> dict[str, Any]:
    """The data of a handover to the owner that breaks no rule."""
    data: dict[str, Any] = {
        "receiver": {"name": "Nguyễn Văn Mẫu", "relation": "owner", "id_check": "match", "id_last4": "0001"},
        "collections": list(collections),
        "surrendered": ["gplx_cu", "giay_hen"],
        "proofs": [{"kind": "signature", "sha256": None}],
    }
    return {**data, **changed}


def today(moment: datetime) -> date:
    """The local day of a moment, worked out without the calendar of the product: Viet Nam is seven hours ahead of UTC."""
    return (moment.astimezone(UTC) + timedelta(hours=7)).date()
