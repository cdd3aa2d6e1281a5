"""What the dispatcher's live board costs the server: CPU and wall time per look, beside a bare Flask route in the same run.

    python -m tests.bench.bench_live [--routes 30] [--stops 1000] [--looks 300] [--rounds 2]

The day has so many routes and doors, a third of them visited, each with an act in the books. Most looks find that nothing has
happened (304); one after an act makes the whole answer. Servers and figures are those of `bench_daily_list`.
"""

import argparse
import http.client
import tempfile
import textwrap
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import insert

from courier.domain.calendar import at_local, local_day
from courier.settings import ROOT
from courier.store.items import bump_bag
from courier.store.session import Database, migrate, open_database
from courier.store.tables import (
    AccessToken,
    Agency,
    Device,
    Dossier,
    EventOfItem,
    Item,
    ItemEvent,
    Office,
    Plan,
    Postman,
    Route,
    Staff,
    Stop,
    StopItem,
    Vehicle,
)
from tests.bench.bench_daily_list import BARE, gunicorn, measure
from tests.bench.serving import percentile


def a_running_day(database: Database, *, routes: int, stops: int, token: str, at: datetime) -> tuple[UUID, object]:
    """A published day of an office; returns one of its postmen and the day."""
    day = local_day(at)
    office, agency, vehicle, plan, dispatcher = (uuid4() for _ in range(5))
    people = [uuid4() for _ in range(routes)]
    with database.write() as session:
        session.execute(
            insert(Office).values(
                id=office, code="BENCH", name="Bưu cục đo", commune_code="32044", lat=9.4, lon=104.9, communes=["32044"]
            )
        )
        session.execute(insert(Agency).values(id=agency, code="PC08", name="Cơ quan đo"))
        for staff_id, role in ((dispatcher, "dispatcher"), *((one, "postman") for one in people)):
            session.execute(
                insert(Staff).values(
                    id=staff_id, login=staff_id.hex, name="Người đo", role=role, office_id=office, password_hash="-",
                    created_at=at,
                )
            )  # fmt: skip
        session.execute(
            insert(AccessToken).values(
                id=uuid4(), token_hash=sha256(token.encode()).hexdigest(), staff_id=dispatcher, created_at=at,
                expires_at=at + timedelta(hours=12),
            )
        )  # fmt: skip
        session.execute(insert(Vehicle).values(id=vehicle, office_id=office, name="Xe máy", mode="motorbike"))
        session.execute(
            insert(Plan).values(
                id=plan, office_id=office, day=day, state="published", seconds=1, created_by=dispatcher, created_at=at,
                solved_at=at, published_at=at,
            )
        )  # fmt: skip
        for number, postman in enumerate(people):
            route, device = uuid4(), uuid4()
            session.execute(insert(Postman).values(staff_id=postman, vehicle_id=vehicle, break_start=None))
            session.execute(
                insert(Device).values(id=device, staff_id=postman, first_seen_at=at, last_seen_at=at, ack_through=0)
            )
            session.execute(
                insert(Route).values(
                    id=route, plan_id=plan, postman_id=postman, vehicle_id=vehicle, position=number, summary={}
                )
            )
            for place in range(stops // routes):
                _a_door(session, day, route, place, office, agency, postman, visited=place % 3 == 0, at=at)
            bump_bag(session, postman, day)
    return people[0], day


def _a_door(session, day, route, place, office, agency, postman, *, visited: bool, at: datetime) -> None:
    item, dossier, stop = uuid4(), uuid4(), uuid4()
    arrives = at_local(day, 27_000 + place * 400)
    session.execute(insert(Dossier).values(id=dossier, agency_id=agency, code=item.hex, code_key=item.hex))
    session.execute(
        insert(Item).values(
            id=item, barcode=item.hex, dossier_id=dossier, agency_id=agency, office_id=office,
            document_type="giay_phep_lai_xe", state="attempted" if visited else "out", custody="postman",
            custody_holder=postman, recipient_name="Nguyễn Thị Mẫu", address_raw="Ấp 3, xã Nguyễn Phích",
            commune_code="32044", lat=9.4, lon=104.9, precision="handover", search_text="", link_digest=item.hex,
            created_at=at,
        )
    )  # fmt: skip
    session.execute(
        insert(Stop).values(
            id=stop, route_id=route, sequence=place + 1, arrives_at=arrives, leaves_at=arrives + timedelta(minutes=4),
            lat=9.4, lon=104.9,
        )
    )  # fmt: skip
    session.execute(insert(StopItem).values(stop_id=stop, item_id=item))
    if visited:
        event = uuid4()
        session.execute(
            insert(ItemEvent).values(
                id=event, type="attempt_failed", actor_id=postman, actor_role="postman", office_id=office,
                occurred_at=arrives, claimed_at=arrives, received_at=arrives, clock_trusted=True, data={},
                payload_hash="", result="applied",
            )
        )  # fmt: skip
        session.execute(insert(EventOfItem).values(event_id=event, item_id=item))


def looks(port: int, path: str, headers: dict[str, str], count: int) -> list[float]:
    """Milliseconds of wall time of so many looks, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    found = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        connection.getresponse().read()
        found.append((time.perf_counter() - began) * 1000)
    connection.close()
    return found


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", type=int, default=30)
    parser.add_argument("--stops", type=int, default=1000)
    parser.add_argument("--looks", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare_app.py").write_text(textwrap.dedent(BARE))
        url = f"sqlite:///{folder / 'bench.db'}"
        database = open_database(url)
        migrate(database)
        token, at = "bench-" + uuid4().hex, datetime.now(UTC)
        postman, day = a_running_day(database, routes=options.routes, stops=options.stops, token=token, at=at)
        environment = {"COURIER_DATABASE_URL": url, "COURIER_VAR_DIR": str(folder), "PYTHONPATH": str(ROOT)}
        signed_in = {"Authorization": f"Bearer {token}"}
        path = f"/api/v1/live?date={day}"

        def change() -> None:
            with database.write() as session:
                bump_bag(session, postman, day)

        rows: dict[str, list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            with gunicorn("bare_app:app", folder, environment, folder) as (port, pid):
                cost, _size = measure(port, pid, "/bare", {}, requests=options.looks, expect=200, before=None)
                rows.setdefault("bare Flask", []).append((cost, percentile(looks(port, "/bare", {}, 100), 0.5)))
            with gunicorn("wsgi:app", ROOT, environment, folder) as (port, pid):
                for title, before, number in (
                    ("look, nothing happened (304)", None, options.looks),
                    ("look, after an act (200)", change, options.looks // 10),
                ):
                    headers = (
                        signed_in | {"If-None-Match": f'"{_tag(port, path, signed_in)}"'}
                        if before is None
                        else signed_in
                    )
                    cost, _size = measure(
                        port, pid, path, headers, requests=number, expect=304 if before is None else 200, before=before
                    )
                    wall = percentile(looks(port, path, headers, 100 if before is None else 10), 0.5)
                    rows.setdefault(title, []).append((cost, wall))
        database.close()
    floor = min(cost for cost, _ in rows["bare Flask"])
    print(
        f"{options.routes} routes, {options.stops} doors, gunicorn gthread, one process, SQLite; best of {options.rounds}"
    )
    print("| request | CPU ms | times bare Flask | wall ms, median |")
    print("|---|---|---|---|")
    for title, found in rows.items():
        cost, wall = min(found)
        print(f"| {title} | {cost:.3f} | {cost / floor:.2f} | {wall:.1f} |")


def _tag(port: int, path: str, headers: dict[str, str]) -> str:
    # The tag holds the minute: begin in a fresh one, so that it lasts for the whole measurement.
    time.sleep(60 - time.time() % 60)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return (answer.headers["ETag"] or "").strip('"')


if __name__ == "__main__":
    main()
