"""The evening rush: a province of phones come home to a signal within minutes, and everything they hold goes through one server.

    python -m tests.bench.evening_rush [--phones 1700] [--events 100000] [--processes 2] [--postgres] [--seed 1]

Every phone holds its day as sealed events and sends it in uploads of about twenty, as often as its answers are lost: some
uploads are sent twice, of some the connection is cut before the answer is read, some overtake others. The phones are played by
several processes against the server as `courier serve` starts it. At the end the database is asked, in SQL of its own, whether every
acknowledged event is there exactly once, and whether every account is what adding up the day by hand gives. Exit status 1 when
anything is lost, doubled or a dong off.
"""

import argparse
import http.client
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, text

from courier.settings import load_secrets
from courier.store.session import migrate, open_database
from tests.bench import serving
from tests.bench.bench_sync import database_at
from tests.bench.evening import IN_AN_OFFICE, Books, Evening, Province, sealed, upload

SIZES = (8, 16, 20, 20, 24, 32)
TWICE, CUT, OVERTAKES = 0.06, 0.04, 0.1
PATIENCE = 60
"""Times a phone tries an upload before it counts as lost here."""
AT_ONCE = 8
"""Connections of each process."""


@dataclass
class Upload:
    """What is sent in one request; `events` are the ids in it."""

    token: str
    body: bytes
    events: list[str]
    tries: int = 0


@dataclass
class Heard:
    """What the phones of one process were told."""

    milliseconds: list[float] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    cut: int = 0
    twice: int = 0
    retried: Counter[str] = field(default_factory=Counter)
    given_up: int = 0

    def add(self, other: "Heard") -> None:
        """Those of another process, too."""
        self.milliseconds += other.milliseconds
        self.results.update(other.results)
        self.acknowledged |= other.acknowledged
        self.cut += other.cut
        self.twice += other.twice
        self.retried.update(other.retried)
        self.given_up += other.given_up


class Phones:
    """The phones of one process: threads take the next upload of any of them until all have been acknowledged."""

    def __init__(self, uploads: list[list[Upload]], port: int, rng: random.Random) -> None:
        self.port, self.rng, self.heard = port, rng, Heard()
        self.waiting: list[Upload] = []
        for of_phone in uploads:
            for place in range(1, len(of_phone)):
                if rng.random() < OVERTAKES:
                    of_phone[place - 1], of_phone[place] = of_phone[place], of_phone[place - 1]
            for each in of_phone:
                self.waiting += [each, each] if rng.random() < TWICE else [each]
        # The phones come home one by one, and none sends its whole day in one go.
        self.waiting = [self.waiting[place] for _, place in sorted(map(self._jitter, range(len(self.waiting))))]
        self.heard.twice = len(self.waiting) - sum(map(len, uploads))
        self.waiting.reverse()
        self.lock = threading.Lock()

    def _jitter(self, place: int) -> tuple[float, int]:
        return place + self.rng.uniform(0, 400), place

    def play(self) -> Heard:
        """Send everything."""
        threads = [threading.Thread(target=self._send_all) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.heard

    def _send_all(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while True:
            with self.lock:
                if not self.waiting:
                    break
                each = self.waiting.pop()
                cut = self.rng.random() < CUT
            fault = self._send(connection, each, cut=cut)
            with self.lock:
                if fault is None:
                    continue
                self.heard.retried[fault] += 1
                each.tries += 1
                if each.tries < PATIENCE:
                    self.waiting.insert(0 if fault == "answer cut" else len(self.waiting) // 2, each)
                else:
                    self.heard.given_up += 1
            connection.close()
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, each: Upload, *, cut: bool) -> str | None:
        """Send once; what went wrong, or None."""
        headers = {"Authorization": f"Bearer {each.token}", "Content-Type": "application/json"}
        started = time.perf_counter()
        try:
            connection.request("POST", "/api/v1/sync", each.body, headers)
            if cut:
                return "answer cut"
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            return type(fault).__name__
        if answer.status != 200:
            return f"answered {answer.status}"
        took = (time.perf_counter() - started) * 1000
        results = orjson.loads(said)["results"]
        with self.lock:
            self.heard.milliseconds.append(took)
            self.heard.results.update(result["result"] for result in results)
            self.heard.acknowledged |= {result["event_id"] for result in results}
        return None


def _play(uploads: list[list[Upload]], port: int, seed: int, answers: Any) -> None:
    answers.put(Phones(uploads, port, random.Random(seed)).play())


def cut_up(evening: Evening, rng: random.Random, secrets: Any) -> list[Upload]:
    """A phone's day in uploads."""
    left, found = list(evening.events), []
    while left:
        part, left = left[: (size := rng.choice(SIZES))], left[size:]
        body = upload(evening, [sealed(event, evening.device_id, secrets) for event in part])
        found.append(Upload(evening.token, body, [event["event_id"] for event in part]))
    return found


@dataclass(frozen=True)
class Report:
    """What became of an evening."""

    heading: str
    lines: list[str]
    wrong: list[str]


# ---------------------------------------------------------------------------------------------------------- judging
def judge(connection: Connection, evenings: Sequence[Evening], heard: Heard) -> list[str]:
    """Everything that is not as it must be, in words; asked in SQL, without the product's own code."""
    sent = {event["event_id"]: event for evening in evenings for event in evening.events}
    wanted = Books()
    for evening in evenings:
        wanted.add(evening.books)
    rows = connection.execute(
        text(
            "SELECT CAST(id AS TEXT), device_seq, CAST(device_id AS TEXT) FROM event WHERE device_id IS NOT NULL "
            "UNION ALL SELECT CAST(id AS TEXT), device_seq, CAST(device_id AS TEXT) FROM shift_event"
        )
    ).all()
    stored = Counter(row[0] for row in rows)
    by_number = Counter((row[2], row[1]) for row in rows)
    links = Counter(
        dict(
            connection.execute(text("SELECT CAST(event_id AS TEXT), count(*) FROM event_item GROUP BY event_id")).all()
        )
    ) + Counter(
        dict(
            connection.execute(
                text("SELECT CAST(event_id AS TEXT), count(*) FROM shift_event_item GROUP BY event_id")
            ).all()
        )
    )
    aside = connection.execute(text("SELECT count(*) FROM quarantined_event")).scalar_one()
    through = dict(connection.execute(text("SELECT CAST(id AS TEXT), ack_through FROM device")).all())
    wrong = _about_events(sent, heard, stored, by_number, links, aside)
    wrong += [
        f"phone {evening.device_id}: acknowledged through {through.get(str(evening.device_id))} of {len(evening.events)}"
        for evening in evenings
        if through.get(str(evening.device_id)) != len(evening.events)
    ]
    accounts: Counter[str] = Counter()
    for account, total in connection.execute(
        text("SELECT account, sum(amount_dong) FROM ledger_entry GROUP BY account")
    ):
        accounts["receivable" if account.startswith("receivable:") else account] += int(total)
    wrong += _differences("account", wanted.accounts, accounts)
    wrong += [f"the ledger sums to {sum(accounts.values())}"] if sum(accounts.values()) else []
    states = Counter(dict(connection.execute(text("SELECT state, count(*) FROM item GROUP BY state")).all()))
    wrong += _differences("items", wanted.states, states)
    opened = connection.execute(text("SELECT code, count(*) FROM incident WHERE closed_at IS NULL GROUP BY code")).all()
    return wrong + _differences("incidents", wanted.incidents, Counter(dict(opened)))


def _about_events(
    sent: dict[str, Any],
    heard: Heard,
    stored: Counter[str],
    by_number: Counter[Any],
    links: Counter[str],
    aside: int,
) -> list[str]:
    found = {
        "acknowledged and not stored": heard.acknowledged - stored.keys(),
        "sent and not acknowledged": sent.keys() - heard.acknowledged,
        "stored twice": {event_id for event_id, times in stored.items() if times > 1},
        "numbers used twice": {str(number) for number, times in by_number.items() if times > 1},
        "stored and never sent": stored.keys() - sent.keys(),
        "about other items": {i for i, event in sent.items() if i in stored and links[i] != len(event["items"])},
    }
    wrong = [f"{len(ids)} {what}, among them {min(ids)}" for what, ids in found.items() if ids]
    return wrong + ([f"{aside} set aside"] if aside else [])


def _differences(what: str, wanted: Counter[str], got: Counter[str]) -> list[str]:
    return [
        f"{what} {name}: {wanted[name]} by hand, {got[name]} in the database"
        for name in sorted({*wanted, *got})
        if wanted[name] != got[name]
    ]


# --------------------------------------------------------------------------------------------------------- command
def run(*, phones: int, events: int, processes: int, url: str, folder: Path, seed: int) -> Report:
    """Replay an evening and judge it. The database at `url` is empty; `folder` is the installation's own."""
    database = open_database(url)
    migrate(database)
    secrets = load_secrets(folder)
    rng = random.Random(seed)
    province = Province(database, at=datetime.now(UTC), seed=seed)
    evenings: list[Evening] = []
    while len(evenings) < phones:
        some = min(IN_AN_OFFICE, phones - len(evenings))
        # Their share of what is left, so that it comes out even.
        left = events - sum(len(evening.events) for evening in evenings)
        shares = [left // (phones - len(evenings)) + (n < left % (phones - len(evenings))) for n in range(some)]
        evenings += province.office(events=shares)
    uploads = [cut_up(evening, rng, secrets) for evening in evenings]
    database.close()
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    heard = Heard()
    with serving.product(url, folder) as (port, pid):
        before, began = serving.cpu_seconds(pid), time.monotonic()
        played = [
            fork.Process(target=_play, args=(uploads[n::processes], port, seed + n, answers)) for n in range(processes)
        ]
        for process in played:
            process.start()
        for _ in played:
            heard.add(answers.get())
        seconds, cpu = time.monotonic() - began, serving.cpu_seconds(pid) - before
        for process in played:
            process.join()
    database = open_database(url)
    with database.reading_engine.connect() as connection:
        wrong = judge(connection, evenings, heard)
    kind = "SQLite" if database.is_sqlite else "PostgreSQL 18"
    database.close()
    total = sum(len(evening.events) for evening in evenings)
    lost = len({event["event_id"] for evening in evenings for event in evening.events} - heard.acknowledged)
    retried = ", ".join(f"{what} {times:,}" for what, times in sorted(heard.retried.items())) or "none"
    results = ", ".join(f"{what} {times:,}" for what, times in sorted(heard.results.items()))
    took = heard.milliseconds
    lines = [
        f"| phones, offices | {phones:,}, {-(-phones // IN_AN_OFFICE):,} |",
        f"| events, uploads | {total:,}, {sum(map(len, uploads)):,} |",
        f"| seconds | {seconds:,.0f} |",
        f"| events/s | {total / seconds:,.0f} |",
        f"| upload p50, p99, worst | {serving.percentile(took, 0.5):,.0f}, {serving.percentile(took, 0.99):,.0f}, {max(took):,.0f} ms |",
        f"| CPU of the server | {cpu:,.0f} s, {cpu / total * 1000:.2f} ms an event |",
        f"| sent twice on purpose | {heard.twice:,} uploads |",
        f"| retried | {retried} |",
        f"| answers | {results} |",
        f"| given up, lost | {heard.given_up}, {lost} |",
        f"| differences found by the judge | {len(wrong)} |",
    ]
    heading = f"{kind}, {processes} processes with {AT_ONCE} connections each, seed {seed}"
    return Report(heading, lines, wrong)


def main() -> int:
    """Run, print the report; exit status 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phones", type=int, default=1700)
    parser.add_argument("--events", type=int, default=100_000, help="in all; each phone holds its share")
    parser.add_argument("--processes", type=int, default=2, help="processes that play the phones")
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of its own instead of a SQLite file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not 3 <= options.events // options.phones <= 120:
        parser.error("a phone holds between 3 and 120 events")
    with tempfile.TemporaryDirectory() as name, database_at(on_postgres=options.postgres, folder=Path(name)) as url:
        report = run(
            phones=options.phones,
            events=options.events,
            processes=options.processes,
            url=url,
            folder=Path(name),
            seed=options.seed,
        )
        print("\n".join([report.heading, "", "| | |", "|---|---|", *report.lines, *report.wrong]))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
