"""What an upload of twenty events costs the server: `POST /api/v1/sync` beside a bare Flask app that reads the same body.

    python -m tests.bench.bench_sync [--uploads 100] [--events 20] [--postgres]

Two servers answer over loopback in the same run, one after the other: the product as `courier serve` starts it (sign-in, rights,
one durable transaction per upload), and a bare Flask app behind the same gunicorn that parses the body and names each event in its
answer. One phone after the other sends, plain and sealed, each upload once. CPU is what all threads of the server ran, so a busy
machine changes it less than the times; with PostgreSQL it is the product's side alone.
"""

import argparse
import http.client
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from courier.settings import load_secrets
from courier.store.session import migrate, open_database
from tests.bench import serving
from tests.bench.evening import IN_AN_OFFICE, Province, sealed, upload

WARMING = 10


@dataclass(frozen=True)
class Measured:
    """One line of the table; milliseconds."""

    title: str
    wall: list[float]
    cpu: float
    bytes: int
    events: int

    def line(self, floor: "Measured") -> str:
        """As a row of Markdown."""
        seconds = sum(self.wall) / 1000
        return (
            f"| {self.title} | {len(self.wall) * self.events / seconds:,.0f} | {serving.percentile(self.wall, 0.5):.1f} | "
            f"{serving.percentile(self.wall, 0.99):.1f} | {self.cpu:.1f} | {self.cpu / floor.cpu:.1f} | {self.bytes / 1000:.1f} |"
        )


def measure(title: str, server: tuple[int, int], uploads: list[tuple[str, bytes]], *, events: int) -> Measured:
    """Send uploads (token, body) one after the other; the first few warm caches and do not count.

    Raises:
        SystemExit: an upload was not answered as it should be.
    """
    port, pid = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    wall: list[float] = []
    begun = 0.0
    for turn, (token, body) in enumerate(uploads):
        if turn == WARMING:
            begun = serving.cpu_seconds(pid)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        started = time.perf_counter()
        connection.request("POST", "/api/v1/sync", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if turn >= WARMING:
            wall.append((time.perf_counter() - started) * 1000)
        results = [each["result"] for each in orjson.loads(said)["results"]] if answer.status == 200 else []
        if results != ["applied"] * events:
            raise SystemExit(f"{title}: upload {turn} was answered {answer.status} {said[:300]!r}")
    connection.close()
    cpu = (serving.cpu_seconds(pid) - begun) / len(wall) * 1000
    size = sum(len(body) for _, body in uploads) // len(uploads)
    return Measured(title, wall, cpu, size, events)


@contextmanager
def database_at(*, on_postgres: bool, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if on_postgres:
        with serving.postgres() as url:
            yield url
    else:
        yield f"sqlite:///{folder / 'bench.db'}"


def run(*, uploads: int, events: int, on_postgres: bool) -> list[str]:
    """Measure and give the lines of the table."""
    with tempfile.TemporaryDirectory() as name, database_at(on_postgres=on_postgres, folder=Path(name)) as url:
        folder = Path(name)
        database = open_database(url)
        migrate(database)
        secrets = load_secrets(folder)
        province = Province(database, at=datetime.now(UTC), seed=1)
        wanted = 2 * (uploads + WARMING)
        evenings = [
            evening
            for start in range(0, wanted, IN_AN_OFFICE)
            for evening in province.office(events=[events] * min(IN_AN_OFFICE, wanted - start))
        ]
        database.close()
        plain = [(evening.token, upload(evening, evening.events)) for evening in evenings[: wanted // 2]]
        closed = [
            (evening.token, upload(evening, [sealed(event, evening.device_id, secrets) for event in evening.events]))
            for evening in evenings[wanted // 2 :]
        ]
        with serving.bare(folder) as server:
            floors = [
                measure("bare Flask, plain", server, plain, events=events),
                measure("bare Flask, sealed", server, closed, events=events),
            ]
        with serving.product(url, folder) as server:
            found = [
                measure("sync, plain", server, plain, events=events),
                measure("sync, sealed", server, closed, events=events),
            ]
    kind = "PostgreSQL 18" if on_postgres else "SQLite"
    lines = [
        f"{uploads} uploads of {events} events, {kind}, one process, one connection",
        "",
        "| upload | events/s | p50 ms | p99 ms | CPU ms | times bare Flask | kB |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [row.line(floor) for row, floor in zip(floors, floors, strict=True)]
    return lines + [row.line(floor) for row, floor in zip(found, floors, strict=True)]


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of its own instead of a SQLite file")
    options = parser.parse_args()
    print("\n".join(run(uploads=options.uploads, events=options.events, on_postgres=options.postgres)))


if __name__ == "__main__":
    main()
