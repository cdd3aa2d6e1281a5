"""What a postman's daily list costs the server: CPU per request beside a bare Flask route, in the same run.

    python -m tests.bench.bench_daily_list [--stops 60] [--requests 1500] [--postgres]

Two gunicorn servers of the same make (gthread, one process, as `courier serve` starts it) answer over loopback: one with a bare
Flask route of a few bytes, one with the whole product (sign-in by bearer token, rights, office scoping). Figures are user and
system seconds of the worker process, so a busy machine changes them little; the ratio to the bare route is the result.
"""

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert

from courier.domain.calendar import at_local, local_day
from courier.domain.text import fold
from courier.facts import Facts
from courier.settings import ROOT
from courier.store.items import bump_bag
from courier.store.session import Database, migrate, open_database
from courier.store.tables import (
    AccessToken,
    Agency,
    Dossier,
    Item,
    ItemCharge,
    Office,
    Plan,
    Postman,
    Route,
    Staff,
    Stop,
    StopItem,
    Vehicle,
)

BARE = """
    from flask import Flask
    app = Flask("bare")

    @app.get("/bare")
    def bare():
        return b"xin chao ba", 200, {"Content-Type": "text/plain"}
"""


def a_day_of(database: Database, *, stops: int, token: str, at: datetime) -> tuple[object, object]:
    """A published day of `stops` doors with an item each; returns the postman's id and the day."""
    day = local_day(at)
    kinds = [kind for kind in Facts.load(ROOT / "data").bylaws.document_types.values() if kind.open_on(day)]
    office, agency, postman, vehicle, plan, route = (uuid4() for _ in range(6))
    with database.write() as session:
        session.add(
            Office(
                id=office, code="BENCH", name="Bưu cục đo", commune_code="32044", lat=9.4, lon=104.9, communes=["32044"]
            )
        )
        session.add(Agency(id=agency, code="PC08", name="Cơ quan đo"))
        session.flush()
        session.add(
            Staff(
                id=postman,
                login="bench",
                name="Bưu tá đo",
                role="postman",
                office_id=office,
                agency_id=None,
                phone=None,
                password_hash="-",
                totp_secret=None,
                created_at=at,
            )
        )
        session.add(Vehicle(id=vehicle, office_id=office, name="Xe máy", mode="motorbike"))
        session.flush()
        session.add(Postman(staff_id=postman, vehicle_id=vehicle, break_start=None))
        session.add(
            AccessToken(
                id=uuid4(),
                token_hash=sha256(token.encode()).hexdigest(),
                staff_id=postman,
                created_at=at,
                expires_at=at + timedelta(hours=12),
                revoked_at=None,
            )
        )
        session.add(
            Plan(
                id=plan,
                office_id=office,
                day=day,
                state="published",
                seconds=1,
                created_by=postman,
                created_at=at,
                cost=None,
                error=None,
                solved_at=at,
                published_at=at,
            )
        )
        session.flush()
        session.add(Route(id=route, plan_id=plan, postman_id=postman, vehicle_id=vehicle, position=0))
        session.flush()
        for number in range(stops):
            item, dossier, stop = uuid4(), uuid4(), uuid4()
            kind = kinds[number % len(kinds)]
            session.execute(
                insert(Dossier).values(id=dossier, agency_id=agency, code=f"D{number}", code_key=f"d{number}")
            )
            session.execute(
                insert(Item).values(
                    id=item,
                    barcode=f"BENCH{number:05d}",
                    dossier_id=dossier,
                    agency_id=agency,
                    office_id=office,
                    document_type=kind.code,
                    state="out",
                    custody="postman",
                    custody_holder=postman,
                    recipient_name=f"Nguyễn Thị Mẫu {number}",
                    recipient_phone=f"05990{number:05d}",
                    address_raw=f"Ấp {number % 20}, xã Nguyễn Phích, huyện U Minh, tỉnh Cà Mau",
                    commune_code="32044",
                    lat=9.4,
                    lon=104.9,
                    precision="handover",
                    search_text=fold(f"BENCH{number}"),
                    link_digest=uuid4().hex,
                    created_at=at,
                    wanted_from=27_000 if number % 3 == 0 else None,
                    wanted_to=41_400 if number % 3 == 0 else None,
                    wanted_on=day if number % 3 == 0 else None,
                )
            )
            for charge, amount in (("state_fee", 135_000), ("postage", 30_000)):
                session.execute(
                    insert(ItemCharge).values(
                        id=uuid4(), item_id=item, kind=charge, payee="post", amount_dong=amount, amount_verified=False
                    )
                )
            arrives = at_local(day, 27_000 + number * 400)
            session.execute(
                insert(Stop).values(
                    id=stop,
                    route_id=route,
                    sequence=number + 1,
                    arrives_at=arrives,
                    leaves_at=arrives,
                    lat=9.4,
                    lon=104.9,
                )
            )
            session.execute(insert(StopItem).values(stop_id=stop, item_id=item))
        bump_bag(session, postman, day)
    return postman, day


@contextmanager
def gunicorn(app: str, folder: Path, environment: dict[str, str], folder_for_logs: Path) -> Iterator[tuple[int, int]]:
    """A server like the product's own; gives (port, pid of the worker)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "gunicorn", app, "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
        "--workers", "1", "--threads", "4", "--log-level", "error", "--chdir", str(folder),
    ]  # fmt: skip
    with (folder_for_logs / "server.log").open("ab") as log:
        server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", "/")
                connection.getresponse().read()
                break
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.05)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        yield port, int(children[0])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    port: int,
    pid: int,
    path: str,
    headers: dict[str, str],
    *,
    requests: int,
    expect: int,
    before: Callable[[], None] | None,
) -> tuple[float, int]:
    """CPU milliseconds per request and the size of the last body; `before` runs before each request, outside the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    size = 0
    for turn in range(requests + 50):
        if turn == 50:  # the first fifty warm caches and the bytecode
            begun = cpu_seconds(pid)
        if before is not None:
            before()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        if answer.status != expect:
            raise SystemExit(f"{path} answered {answer.status}, expected {expect}")
    connection.close()
    return (cpu_seconds(pid) - begun) / requests * 1000, size


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=60)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare_app.py").write_text(textwrap.dedent(BARE))
        url = f"sqlite:///{folder / 'bench.db'}"
        database = open_database(url)
        migrate(database)
        token, at = "bench-" + uuid4().hex, datetime.now(UTC)
        postman, day = a_day_of(database, stops=options.stops, token=token, at=at)
        environment = {"COURIER_DATABASE_URL": url, "COURIER_VAR_DIR": str(folder), "PYTHONPATH": str(ROOT)}
        signed_in = {"Authorization": f"Bearer {token}"}
        path = f"/api/v1/me/route?date={day.isoformat()}"

        def change() -> None:
            with database.write() as session:
                bump_bag(session, postman, day)

        rows: dict[str, list[float]] = {}
        sizes: dict[str, int] = {}
        for _ in range(options.rounds):
            with gunicorn("bare_app:app", folder, environment, folder) as (port, pid):
                cost, size = measure(port, pid, "/bare", {}, requests=options.requests, expect=200, before=None)
                rows.setdefault("bare Flask", []).append(cost)
                sizes["bare Flask"] = size
            with gunicorn("wsgi:app", ROOT, environment, folder) as (port, pid):
                for title, headers, expect, before, number in (
                    ("list, nothing changed", signed_in, 200, None, options.requests),
                    ("list, just after a change", signed_in, 200, change, options.requests // 3),
                    ("list, 304", signed_in | {"If-None-Match": "*"}, 304, None, options.requests),
                ):
                    wanted = headers
                    if expect == 304:
                        probe = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                        probe.request("GET", path, headers=signed_in)
                        answer = probe.getresponse()
                        answer.read()
                        wanted = signed_in | {"If-None-Match": answer.headers["ETag"]}
                    cost, size = measure(port, pid, path, wanted, requests=number, expect=expect, before=before)
                    rows.setdefault(title, []).append(cost)
                    sizes[title] = size
        database.close()
    floor = min(rows["bare Flask"])
    print(f"{options.stops} stops, gunicorn gthread, one process, SQLite; best of {options.rounds} rounds")
    print("| request | CPU ms | times bare Flask | bytes |")
    print("|---|---|---|---|")
    for title, costs in rows.items():
        print(f"| {title} | {min(costs):.3f} | {min(costs) / floor:.2f} | {sizes[title]} |")


if __name__ == "__main__":
    main()
