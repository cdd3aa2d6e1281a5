"""A province's evening: offices full of postmen with enrolled phones, their bags, and what each phone holds when the signal comes back.

Names, numbers and papers are made up. What must be in the books afterwards is added up here, from what the postmen did, with
nothing of the product's.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import insert
from uuid_utils.compat import uuid7

from courier.domain.money import Charge, ChargeKind, Dong, due_accepted
from courier.settings import Secrets
from courier.store import envelopes, ledger
from courier.store.items import raise_bags
from courier.store.session import Database
from courier.store.tables import (
    AccessToken,
    Agency,
    Device,
    Dossier,
    EventOfItem,
    Item,
    ItemCharge,
    ItemEvent,
    Office,
    Plan,
    Postman,
    Route,
    Staff,
    Stop,
    StopItem,
    Vehicle,
    plain,
)
from tests.builders import done_right, today

IN_AN_OFFICE = 50
FEE, POSTAGE = 135_000, 30_000


@dataclass
class Books:
    """What must be in the database: accounts to the dong (receivables in one sum), states of items, kinds of incidents."""

    accounts: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    incidents: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Books") -> None:
        """Those of another phone, too."""
        self.accounts.update(other.accounts)
        self.states.update(other.states)
        self.incidents.update(other.incidents)


@dataclass
class Evening:
    """One phone at the end of its day: who it is, and its events in the order of their numbers."""

    device_id: UUID
    postman_id: UUID
    office_id: UUID
    token: str
    events: list[dict[str, Any]] = field(default_factory=list)
    books: Books = field(default_factory=Books)


@dataclass
class _Door:
    """One call: the items there, each with its charges."""

    items: list[tuple[UUID, list[Charge]]]


class Province:
    """Makes offices and phones in a database, office by office."""

    def __init__(self, database: Database, *, at: datetime, seed: int) -> None:
        self.database = database
        self.at = at
        self.rng = random.Random(seed)
        self.agency_id = uuid7()
        self.phones = 0
        with database.write() as session:
            session.execute(insert(plain(Agency)), [{"id": self.agency_id, "code": "PC08", "name": "Cơ quan đo"}])

    def office(self, *, events: Sequence[int]) -> list[Evening]:
        """An office with a postman for each of these numbers of events, and their evenings."""
        office_id, clerk_id, vehicle_id, plan_id = (uuid7() for _ in range(4))
        evenings = [Evening(uuid7(), uuid7(), office_id, f"evening-{uuid7()}") for _ in events]
        day, morning = today(self.at), self.at - timedelta(hours=6)
        rows = _Rows()
        rows.add(
            Office,
            id=office_id,
            code=f"DO{self.phones:05d}",
            name="Bưu cục đo",
            commune_code="32044",
            lat=9.4,
            lon=104.9,
        )
        rows.add(Vehicle, id=vehicle_id, office_id=office_id, name="Xe máy", mode="motorbike")
        self._person(rows, clerk_id, office_id, "clerk")
        rows.add(
            Plan,
            id=plan_id,
            office_id=office_id,
            day=day,
            state="published",
            seconds=1.0,
            created_by=clerk_id,
            created_at=morning,
        )
        due: list[ledger.Fresh] = []
        for position, (evening, told) in enumerate(zip(evenings, events, strict=True)):
            self.phones += 1
            self._person(rows, evening.postman_id, office_id, "postman")
            rows.add(Postman, staff_id=evening.postman_id, vehicle_id=vehicle_id)
            rows.add(
                Device,
                id=evening.device_id,
                staff_id=evening.postman_id,
                first_seen_at=morning,
                last_seen_at=morning,
                number=self.phones,
                name="Điện thoại đo",
                enrolled_at=morning,
            )
            rows.add(
                AccessToken,
                id=uuid7(),
                token_hash=sha256(evening.token.encode()).hexdigest(),
                staff_id=evening.postman_id,
                created_at=morning,
                expires_at=self.at + timedelta(days=10),
                device_id=evening.device_id,
            )
            route_id = uuid7()
            rows.add(
                Route,
                id=route_id,
                plan_id=plan_id,
                postman_id=evening.postman_id,
                vehicle_id=vehicle_id,
                position=position,
            )
            doors = [self._door(rows, due, office_id, route_id, sequence, morning) for sequence in range(1, told - 1)]
            self._received(rows, clerk_id, office_id, doors, morning)
            self._told(evening, doors, morning)
        with self.database.write() as session:
            for table, made in rows.tables.items():
                session.execute(insert(plain(table)), made)
            ledger.post_fresh(session, due, at=morning)
            raise_bags(session, [(evening.postman_id, day) for evening in evenings])
        return evenings

    def _person(self, rows: "_Rows", person_id: UUID, office_id: UUID, role: str) -> None:
        rows.add(
            Staff,
            id=person_id,
            login=f"do-{person_id}",
            name="Người đo",
            role=role,
            office_id=office_id,
            password_hash="-",
            created_at=self.at - timedelta(days=30),
        )

    def _door(
        self, rows: "_Rows", due: list[ledger.Fresh], office_id: UUID, route_id: UUID, sequence: int, morning: datetime
    ) -> _Door:
        stop_id, found = uuid7(), []
        arrives = morning + timedelta(minutes=sequence)
        rows.add(
            Stop,
            id=stop_id,
            route_id=route_id,
            sequence=sequence,
            arrives_at=arrives,
            leaves_at=arrives,
            lat=9.4,
            lon=104.9,
        )
        for place in range(2 if self.rng.random() < 0.2 else 1):
            item_id, dossier_id = uuid7(), uuid7()
            rows.add(Dossier, id=dossier_id, agency_id=self.agency_id, code=f"H-{item_id}", code_key=f"h{item_id}")
            rows.add(
                Item,
                id=item_id,
                barcode=f"DO{item_id.hex}",
                dossier_id=dossier_id,
                agency_id=self.agency_id,
                office_id=office_id,
                document_type="giay_phep_lai_xe",
                state="received",
                custody="office",
                recipient_name="Nguyễn Văn Mẫu",
                recipient_phone="0599000001",
                address_raw="Ấp 11, xã Khánh An",
                commune_code="32059",
                lat=9.4,
                lon=104.9,
                precision="hamlet",
                search_text=item_id.hex,
                link_digest=item_id.hex,
                created_at=morning - timedelta(hours=20),
            )
            rows.add(StopItem, stop_id=stop_id, item_id=item_id, position=place)
            kinds = self.rng.choice(("both", "both", "both", "postage", "none"))
            charges = [Charge(uuid7(), ChargeKind.STATE_FEE, "agency:PC08", Dong(FEE))] if kinds == "both" else []
            charges += [Charge(uuid7(), ChargeKind.POSTAGE, "post", Dong(POSTAGE))] if kinds != "none" else []
            for charge in charges:
                rows.add(
                    ItemCharge,
                    id=charge.id,
                    item_id=item_id,
                    kind=charge.kind.value,
                    payee=charge.payee,
                    amount_dong=charge.amount_dong,
                )
            posting = due_accepted(item_id, charges, today(morning))
            if posting is not None:
                due.append(
                    ledger.Fresh(
                        posting=posting, key=f"accepted:{item_id}", office_id=office_id, item_id=item_id, by=None
                    )
                )
            found.append((item_id, charges))
        return _Door(found)

    def _received(self, rows: "_Rows", clerk_id: UUID, office_id: UUID, doors: list[_Door], morning: datetime) -> None:
        event_id, at = uuid7(), morning - timedelta(hours=12)
        rows.add(
            ItemEvent,
            id=event_id,
            type="received",
            actor_id=clerk_id,
            actor_role="clerk",
            office_id=office_id,
            occurred_at=at,
            claimed_at=at,
            received_at=at,
            clock_trusted=True,
            data={},
            payload_hash="",
            result="applied",
        )
        for door in doors:
            for item_id, _ in door.items:
                rows.add(EventOfItem, event_id=event_id, item_id=item_id)

    # ------------------------------------------------------------------------------------------------- the day told
    def _told(self, evening: Evening, doors: list[_Door], morning: datetime) -> None:
        bag = [item_id for door in doors for item_id, _ in door.items]
        books, failed = evening.books, []
        for _, charges in (pair for door in doors for pair in door.items):
            books.accounts["receivable"] += sum(charge.amount_dong for charge in charges)
            books.accounts.update({f"due:{charge.payee}": -charge.amount_dong for charge in charges})
        self._tell(evening, "taken_out", bag[:200], morning, {})
        for minute, door in enumerate(doors, 1):
            at = morning + timedelta(minutes=3 * minute)
            items = [item_id for item_id, _ in door.items]
            what = self.rng.random()
            if what < 0.76:
                self._hand_over(evening, door, at)
                books.states["delivered"] += len(items)
                continue
            books.states["out" if what >= 0.94 else "held"] += len(items)
            if what < 0.94:
                failed += items
                self._tell(evening, "attempt_failed", items, at, {"reason": "recipient_absent"})
            elif what < 0.97:
                self._tell(evening, "noted", items, at, {"text": "Chó dữ, gọi trước khi tới."})
            else:
                self._tell(evening, "pinned", items, at, {"lat": 9.401, "lon": 104.901, "accuracy_m": 8})
        at = morning + timedelta(minutes=3 * len(doors) + 5)
        if failed:
            self._tell(evening, "brought_back", failed, at, {})
        else:
            self._tell(evening, "reordered", [], at, {"stops": [], "extra_seconds": 0})

    def _hand_over(self, evening: Evening, door: _Door, at: datetime) -> None:
        by_transfer = self.rng.random() < 0.1
        lines, books = [], evening.books
        for _, charges in door.items:
            for charge in charges:
                amount = int(charge.amount_dong)
                lines.append(
                    {
                        "charge": str(charge.id),
                        "amount_dong": amount,
                        "method": "bank_qr" if by_transfer else "cash",
                    }
                )
                purse = "claimed" if by_transfer else "cash"
                books.accounts[f"{purse}:{evening.postman_id}:{today(at)}"] += amount
                books.accounts["receivable"] -= amount
                if not by_transfer:
                    books.accounts[f"due:{charge.payee}"] += amount
                    books.accounts[f"payable:{charge.payee}"] -= amount
            books.incidents["transfer-unconfirmed"] += bool(charges) and by_transfer
        self._tell(evening, "handed_over", [item_id for item_id, _ in door.items], at, done_right(lines))

    def _tell(self, evening: Evening, kind: str, items: list[UUID], at: datetime, data: dict[str, Any]) -> None:
        evening.events.append(
            {
                "event_id": str(uuid7()),
                "device_seq": len(evening.events) + 1,
                "type": kind,
                "items": [str(item_id) for item_id in items],
                "occurred_at": at.isoformat(),
                "clock": {
                    "boot_id": "boot-1",
                    "monotonic_ms": 1_000,
                    "anchor": {"server_time": at.isoformat(), "monotonic_ms": 1_000, "boot_id": "boot-1"},
                },
                "data": data,
            }
        )


class _Rows:
    """Rows by table, in the order in which tables were first named: whatever refers to others comes after them."""

    def __init__(self) -> None:
        order = (Office, Vehicle, Staff, Postman, Device, AccessToken, Plan, Route, Stop, Dossier, Item, StopItem)
        self.tables: dict[Any, list[dict[str, Any]]] = {
            table: [] for table in (*order, ItemCharge, ItemEvent, EventOfItem)
        }

    def add(self, table: Any, **values: Any) -> None:
        self.tables[table].append(values)


def sealed(event: dict[str, Any], device_id: UUID, secrets: Secrets) -> dict[str, Any]:
    """The event as a locked phone sends it."""
    label = envelopes.event_label(device_id, event["device_seq"], event["event_id"])
    public = envelopes.sealing_key(secrets).public
    envelope = envelopes.seal(orjson.dumps(event), public, bound_to=label)
    return {
        "event_id": event["event_id"],
        "device_seq": event["device_seq"],
        "sealed": envelope.to_json(),
    }


def upload(evening: Evening, events: list[dict[str, Any]]) -> bytes:
    """The body of one `POST /api/v1/sync`."""
    return orjson.dumps({"device_id": str(evening.device_id), "events": events})
