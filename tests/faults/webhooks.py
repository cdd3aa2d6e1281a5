"""Webhooks while processes are killed: none lost, none taken twice by a receiver that honours `webhook-id`, every item's in order.

    python -m tests.faults.webhooks --events 1000 --kills 20 --seed 1 [--postgres]

Real processes throughout: `courier serve` (and on PostgreSQL `courier worker` beside it) is ended by SIGKILL again and again while
postmen's phones send over HTTP and notices go to a receiver that is a process of its own, slow at times, refusing at times, and cutting
the line after it has taken a notice. What must have come is known beforehand; what came is read from the receiver's own file.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from courier import webhooks
from courier.desk import make_ready
from courier.domain.people import Caller, Role
from courier.settings import ROOT, load_secrets
from courier.store.session import Database, open_database
from courier.store.tables import WebhookNotice
from tests.api.conftest import desk_for, settings_for, sign
from tests.bench import serving
from tests.builders import Phone, a_house, done_right, number
from tests.receiver import Taken, fits

LIFE = (
    ("taken_out", "item.out"),
    ("attempt_failed", "item.attempt_failed"),
    ("brought_back", "item.held"),
    ("taken_out", "item.out"),
    ("handed_over", "item.delivered"),
)
DATA = {"attempt_failed": {"reason": "recipient_absent"}, "handed_over": done_right()}
PHONES = 4
PATIENCE = 300.0


# ------------------------------------------------------------------------------------------------------- the receiver
def receive(port: int, log: Path, secret: str, seed: int) -> None:
    """The receiver's process: every call is a line of the file before it is answered; a known id is answered and not taken."""
    chance, lock, known = random.Random(seed), threading.Lock(), set[str]()
    file = log.open("a", buffering=1)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = Taken(
                self.headers["webhook-id"], body, {name.lower(): value for name, value in self.headers.items()}
            )
            with lock:
                fate = chance.random()
                wait = chance.uniform(0, 0.04)
            time.sleep(wait)
            if not fits(secret, call):
                self._say(401)
                return
            if fate < 0.05:
                self._say(503)
                return
            with lock:
                first = call.id not in known
                known.add(call.id)
                said = call.said
                line = {"id": call.id, "first": first, "item": said["data"].get("item"), "type": said["type"]}
                file.write(json.dumps(line) + "\n")
            if fate < 0.10:
                # Taken, and the sender never hears of it.
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._say(204)

        def _say(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Whoever was killed in the middle of a call is no news here."""

    Server(("127.0.0.1", port), Handler).serve_forever()


# --------------------------------------------------------------------------------------------------- what is killed
# What an office sets for its own server is none of this one's.
_KEPT = {name: value for name, value in os.environ.items() if not name.startswith("COURIER_")}


@dataclass
class Killed:
    """A process of ours that is started again after every kill."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    port: int | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, env={**_KEPT, **self.environment}, stdout=out, stderr=out, start_new_session=True
            )

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 180
        while self.port is not None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("GET", "/livez")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise RuntimeError(self.log.read_text()[-3000:]) from None
                time.sleep(0.1)
            else:
                return
            finally:
                connection.close()

    def kill(self) -> None:
        """SIGKILL to it and all its children at once: nobody gets to say goodbye."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


# --------------------------------------------------------------------------------------------------------- the phones
@dataclass
class Gate:
    """Lets the phones go on only as far as the kills have come, so that these fall among the events and not after them."""

    total: int
    kills: int
    sent: int = 0
    killed: int = 0
    over: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def pass_through(self, count: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.over or self.sent * (self.kills + 1) <= self.total * (self.killed + 1))
            self.sent += count

    def kill_done(self) -> None:
        with self.changed:
            self.killed += 1
            self.changed.notify_all()

    def open(self) -> None:
        with self.changed:
            self.over = True
            self.changed.notify_all()


def send(port: int, token: str, device: UUID, events: list[dict[str, Any]]) -> list[str]:
    """Sync like a phone: the same upload again and again until somebody answers it."""
    body = json.dumps({"device_id": str(device), "events": events})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/api/v1/sync", body=body, headers=headers)
            answer = connection.getresponse()
            read = answer.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
            continue
        finally:
            connection.close()
        if answer.status == 200:
            return [result["result"] for result in json.loads(read)["results"]]
        if answer.status < 500:
            raise RuntimeError(f"{answer.status}: {read[:300]!r}")
        time.sleep(0.1)
    raise RuntimeError("nobody answered the phone")


# ----------------------------------------------------------------------------------------------------------- the run
@dataclass(frozen=True)
class Figures:
    """What came of a run."""

    database: str
    events: int
    kills: int
    calls: int
    taken: int
    repeated: int
    lost: int
    out_of_order: int
    unsettled: int
    seconds: float

    @property
    def holds(self) -> bool:
        return self.taken == self.events and not (self.lost or self.out_of_order or self.unsettled)

    def line(self) -> str:
        return (
            f"| {self.database} | {self.events:,} | {self.kills} | {self.calls:,} | {self.taken:,} | {self.repeated} | "
            f"{self.lost} | {self.out_of_order} | {self.unsettled} | {self.seconds:.0f} |"
        )


HEADING = (
    "| database | notices | kills | calls | taken | came again | lost | out of order | not settled | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def quick_facts(folder: Path) -> Path:
    """The fact files with waits that a test can wait for; everything else is as it ships."""
    data = folder / "data"
    shutil.copytree(ROOT / "data", data)
    figures = json.loads((data / "webhooks.json").read_text())
    figures |= {"retry_waits": [0.2] * 40, "rest_first": 0.05, "rest_most": 1}
    (data / "webhooks.json").write_text(json.dumps(figures))
    return data


@contextmanager
def a_receiver(folder: Path, secret: str, seed: int, port: int) -> Iterator[Path]:
    log = folder / "heard.jsonl"
    log.touch()
    command = [sys.executable, "-m", "tests.faults.webhooks", "--receive", str(port), str(log), str(seed)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT), "WEBHOOK_SECRET": secret})
    try:
        yield log
    finally:
        process.kill()
        process.wait()


def run(url: str, folder: Path, *, events: int, kills: int, seed: int) -> Figures:
    """One campaign on an empty database.

    Raises:
        RuntimeError: a phone was refused, or nobody answered for five minutes.
    """
    chance = random.Random(seed)
    var = folder / "var"
    var.mkdir()
    hook = serving._free_port()
    database = open_database(url)
    make_ready(database)
    secret, expected, uploads = _prepare(database, var, events=events, hook=hook)
    environment = {
        "COURIER_DATABASE_URL": url,
        "COURIER_VAR_DIR": str(var),
        "COURIER_DATA_DIR": str(quick_facts(folder)),
        "COURIER_WEBHOOKS_TO_LOOPBACK": "1",
        "PYTHONPATH": str(ROOT),
    }
    port = serving._free_port()
    courier = [sys.executable, "-m", "courier.cli"]
    victims = [Killed([*courier, "serve", "--port", str(port)], environment, folder / "serve.log", port)]
    if not database.is_sqlite:
        victims.append(Killed([*courier, "worker"], environment, folder / "worker.log"))
    gate = Gate(sum(len(events) for _, _, batches in uploads for events in batches), kills)
    begun = time.monotonic()
    with a_receiver(folder, secret, seed, hook) as log:
        for victim in victims:
            victim.start()
        try:
            victims[0].wait_until_up()
            faults = _under_fire(victims, uploads, gate, port=port, chance=chance)
            if faults:
                raise faults[0]
            unsettled = _settled(database, within=PATIENCE)
        finally:
            for victim in victims:
                victim.kill()
    heard = [json.loads(line) for line in log.read_text().splitlines()]
    database.close()
    first = [line for line in heard if line["first"]]
    came: dict[str, list[str]] = {}
    for line in first:
        came.setdefault(line["item"], []).append(line["type"])
    lost = sum(((Counter(types) - Counter(came.get(item, []))).total()) for item, types in expected.items())
    return Figures(
        database="SQLite" if database.is_sqlite else "PostgreSQL",
        events=sum(map(len, expected.values())),
        kills=gate.killed,
        calls=len(heard),
        taken=len(first),
        repeated=len(heard) - len(first),
        lost=lost,
        out_of_order=sum(came.get(item) != types for item, types in expected.items()) if not lost else -1,
        unsettled=unsettled,
        seconds=time.monotonic() - begun,
    )


def _prepare(database: Database, var: Path, *, events: int, hook: int) -> tuple[str, dict[str, list[str]], list[Any]]:
    """An office with items, an endpoint, and what each phone will send, batch by batch."""
    desk = desk_for(database, settings_for(database, var, secrets=load_secrets(var), loopback_webhooks=True))
    house = a_house(database, postmen=PHONES)
    now = datetime.now(UTC)
    agency = Caller(number(77), Role.AGENCY, "Hệ thống thử", agency_id=house.agency_id)
    _, secret = webhooks.register(desk, agency, url=f"http://127.0.0.1:{hook}/hook", at=now)
    expected: dict[str, list[str]] = {}
    uploads = []
    for bearer in house.postmen:
        phone, batches = Phone(house, bearer), []
        items = [house.item() for _ in range(events // PHONES // len(LIFE))]
        for part in (items[start : start + 5] for start in range(0, len(items), 5)):
            for step, (act, _) in enumerate(LIFE):
                data = DATA.get(act, {})
                batches.append([phone.event(act, [item], 10 + 60 * step, **data) for item in part])
            expected |= {str(item): [told for _, told in LIFE] for item in part}
        uploads.append((sign(database, bearer, at=now), phone.id, batches))
    return secret, expected, uploads


def _under_fire(
    victims: list[Killed], uploads: list[Any], gate: Gate, *, port: int, chance: random.Random
) -> list[BaseException]:
    """Let the phones send while processes are killed; gives what went wrong with a phone."""
    faults: list[BaseException] = []

    def talk(token: str, device: UUID, batches: list[list[dict[str, Any]]]) -> None:
        try:
            for batch in batches:
                gate.pass_through(len(batch))
                results = set(send(port, token, device, batch))
                # A killed server may have recorded what it never answered.
                if not results <= {"applied", "duplicate", "accepted_with_conflict"}:
                    raise RuntimeError(f"the phone heard {results}")
        except Exception as fault:  # noqa: BLE001 - told by the thread that waits
            faults.append(fault)
            gate.open()

    phones = [threading.Thread(target=talk, args=upload, daemon=True) for upload in uploads]
    for thread in phones:
        thread.start()
    for _ in range(gate.kills):
        if faults:
            break
        time.sleep(chance.uniform(0.3, 2.0))
        victim = chance.choice(victims)
        victim.kill()
        gate.kill_done()
        victim.start()
        victim.wait_until_up()
    gate.open()
    for thread in phones:
        thread.join(PATIENCE)
    return faults


def _settled(database: Database, *, within: float) -> int:
    """Wait until no notice is on its way; gives how many were not taken."""
    deadline = time.monotonic() + within
    while True:
        with database.read() as session:
            pending = session.query(WebhookNotice).filter(WebhookNotice.state == "pending").count()
            if not pending or time.monotonic() > deadline:
                return session.query(WebhookNotice).filter(WebhookNotice.state != "delivered").count()
        time.sleep(0.2)


def main() -> None:
    """Run it and print the figures as a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=1000)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--postgres", action="store_true", help="on PostgreSQL, with a worker beside the server")
    options.add_argument("--receive", nargs=3, metavar=("PORT", "LOG", "SEED"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.receive:
        port, log, seed = asked.receive
        receive(int(port), Path(log), os.environ["WEBHOOK_SECRET"], int(seed))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="buuta-hooks-")))
        url = stack.enter_context(serving.postgres()) if asked.postgres else f"sqlite:///{folder / 'courier.db'}"
        figures = run(url, folder, events=asked.events, kills=asked.kills, seed=asked.seed)
    print(HEADING)
    print(figures.line())
    if not figures.holds:
        raise SystemExit("a notice was lost, came twice or out of order")


if __name__ == "__main__":
    main()
