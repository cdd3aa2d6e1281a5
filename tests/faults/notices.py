"""Messages while everything is killed: `python -m tests.faults.notices --messages 1000 --kills 20 --seed 1`.

Postmen's acts go to a server by HTTP; every one of them has news for one phone. The processes that serve and that carry messages
are killed with SIGKILL at moments drawn from the seed and started again. At the end the provider, a process of its own that honours
the key, must have sent exactly one message to every phone.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from courier import staffing
from courier.desk import open_desk
from courier.domain.item import Direction
from courier.faults.line import Line, Unheard
from courier.faults.server import Server
from courier.settings import ROOT, Settings, load_secrets
from courier.store import faults as books
from courier.store.session import open_database
from courier.store.tables import Item, Message, Staff
from tests.builders import a_house, done_right

PASSWORD = "mat-khau-thu-nghiem-1"
PATIENCE = 600.0


@dataclass
class Outcome:
    messages: int
    database: str
    seed: int
    acts: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    provider: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_well(self) -> bool:
        return not self.lost and not self.twice and self.states == {"sent": self.messages}

    def table(self) -> str:
        rows = [
            ("database", self.database),
            ("seed", self.seed),
            ("acts recorded, each with news for one phone", self.acts),
            ("kill -9 of the web process", self.kills["web"]),
            ("kill -9 of the worker", self.kills["worker"]),
            ("calls the provider got", self.provider["asked"]),
            ("... refused with 503", self.provider["refused"]),
            ("... taken, and the line cut before the answer", self.provider["cut"]),
            ("... asked again with a key it knew, and not sent again", self.provider["again"]),
            ("messages lost", len(self.lost)),
            ("messages sent twice", len(self.twice)),
            ("messages by state at the end", ", ".join(f"{k} {v}" for k, v in sorted(self.states.items()))),
            ("seconds", round(self.seconds)),
        ]
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


class Worker:
    """`courier worker` beside the server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.server.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "courier.cli", "worker"],
                cwd=ROOT,
                env=self.server._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
            self.process = None


class Campaign:
    def __init__(
        self,
        var_dir: Path,
        *,
        messages: int,
        kills: int,
        seed: int,
        database_url: str | None = None,
        trouble: float = 0.1,
        say=lambda _: None,
    ) -> None:
        self.var_dir, self.messages, self.kills, self.seed, self.say = var_dir, messages, kills, seed, say
        var_dir.mkdir(parents=True, exist_ok=True)
        self.url = database_url or f"sqlite:///{var_dir / 'courier.db'}"
        self.is_sqlite = self.url.startswith("sqlite")
        self.rng = random.Random(f"notices {seed}")
        self.provider = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.provider", str(seed), str(trouble)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.provider_url = f"http://127.0.0.1:{int(self.provider.stdout.readline())}/"
        self._connect()
        self.server = Server(var_dir, self.url)
        self.server._environment["COURIER_DATA_DIR"] = str(var_dir / "data")
        self.worker = None if self.is_sqlite else Worker(self.server)
        self.outcome = Outcome(messages, "SQLite" if self.is_sqlite else "PostgreSQL", seed)
        self._line = Line(self.server.port)
        self._serving = threading.Event()
        self._over = threading.Event()

    def _connect(self) -> None:
        """Messages go at any hour and failed calls soon again: the campaign does not wait for the morning."""
        shutil.copytree(ROOT / "data", self.var_dir / "data")
        path = self.var_dir / "data" / "messages.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        for kind in content["kinds"].values():
            kind["at_any_hour"] = True
        content["retries"] |= {"first_seconds": 0.5, "most_seconds": 5, "most_attempts": 30}
        path.write_text(json.dumps(content), encoding="utf-8")
        channels = self.var_dir / "channels.json"
        channels.touch(mode=0o600)
        channels.write_text(
            json.dumps(
                {
                    "sms": {
                        "url": self.provider_url,
                        "inside": True,
                        "body": {"to": "{phone}", "text": "{text}"},
                        "id_at": "id",
                    }
                }
            )
        )

    # -------------------------------------------------------------------------------------------------- beginning
    def prepare(self) -> None:
        desk = open_desk(
            Settings(
                database_url=self.url,
                var_dir=self.var_dir,
                data_dir=self.var_dir / "data",
                base_url="http://127.0.0.1",
                demo=False,
                secure_cookies=False,
                trusted_proxies=0,
                solve_seconds=1.0,
                secrets=load_secrets(self.var_dir),
            )
        )
        try:
            desk.make_ready()
            house = a_house(desk.database, postmen=1)
            now = datetime.now(UTC)
            self.items = [uuid7() for _ in range(self.messages)]
            with desk.database.write() as session:
                things = [books.NewThing(item, Direction.RESULT, ()) for item in self.items]
                books.enter(
                    session,
                    things,
                    document_type="giay_phep_lai_xe",
                    agency_id=house.agency_id,
                    clerk=house.clerk,
                    commune="32044",
                    secrets=desk.settings.secrets,
                    at=now - timedelta(days=1),
                )
                self.phones = [f"059{1_000_000 + n:07d}" for n in range(self.messages)]
                for item, phone in zip(self.items, self.phones, strict=True):
                    session.execute(update(Item).where(Item.id == item).values(recipient_phone=phone))
                session.execute(
                    update(Staff)
                    .where(Staff.id == house.postmen[0].id)
                    .values(password_hash=staffing.hash_password(PASSWORD))
                )
                self.login = session.scalar(select(Staff.login).where(Staff.id == house.postmen[0].id))
        finally:
            desk.close()

    def _event(self, kind: str, items: list[Any], at: datetime, **data: Any) -> dict[str, Any]:
        self._seq += 1
        return {
            "event_id": str(uuid7()),
            "device_seq": self._seq,
            "type": kind,
            "items": [str(item) for item in items],
            "occurred_at": at.isoformat(),
            "data": data,
        }

    # --------------------------------------------------------------------------------------------------- running
    def run(self) -> Outcome:
        began = time.monotonic()
        self.server.start()
        if self.worker is not None:
            self.worker.start()
        self._serving.set()
        reaper = threading.Thread(target=self._reap, daemon=True)
        reaper.start()
        try:
            self._upload()
            reaper.join(PATIENCE)
            self._wait_for_the_last()
        finally:
            self._over.set()
            self._line.hang_up()
            self.server.kill()
            if self.worker is not None:
                self.worker.kill()
        self.outcome.seconds = time.monotonic() - began
        return self._judge()

    def _upload(self) -> None:
        self._seq, self._device = 0, str(uuid7())
        self._token()
        morning = datetime.now(UTC) - timedelta(minutes=30)
        self._send([self._event("taken_out", self.items[n : n + 150], morning) for n in range(0, len(self.items), 150)])
        acts = []
        for n, item in enumerate(self.items):
            at = morning + timedelta(seconds=60 + n)
            if n % 2:
                acts.append(self._event("handed_over", [item], at, **done_right()))
            else:
                acts.append(self._event("attempt_failed", [item], at, reason="recipient_absent"))
        self.rng.shuffle(acts)
        while acts:
            size = self.rng.choice((1, 2, 5, 10, 10, 20))
            batch, acts = acts[:size], acts[size:]
            self._send(batch)
            self.outcome.acts += len(batch)

    def _token(self) -> None:
        answer = self._ask("POST", "/api/v1/sessions", {"login": self.login, "password": PASSWORD}, status=201)
        self._line.token = answer["token"]

    def _send(self, events: list[dict[str, Any]]) -> None:
        answer = self._ask("POST", "/api/v1/sync", {"device_id": self._device, "events": events}, status=200)
        wrong = [
            one for one in answer["results"] if one["result"] not in ("applied", "duplicate", "accepted_with_conflict")
        ]
        assert not wrong, wrong

    def _ask(self, method: str, path: str, body: Any, *, status: int) -> Any:
        """Until it is answered: what was not heard is sent again as it was."""
        until = time.monotonic() + PATIENCE
        while True:
            self._serving.wait(PATIENCE)
            try:
                answer = self._line.ask(method, path, orjson.dumps(body))
            except Unheard:
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.05)
                continue
            if answer.status in (500, 502, 503):
                time.sleep(0.1)
                continue
            assert answer.status == status, (answer.status, answer.body[:500])
            return answer.json()

    def _reap(self) -> None:
        """Kill whenever the provider has sent so many, a moment later; the last kills come when the last are on their way."""
        rng = random.Random(f"kills {self.seed}")
        marks = [self.messages * (n + rng.random()) / self.kills for n in range(self.kills)] if self.kills else []
        for mark in marks:
            while len(self._told()["sent"]) < min(mark, self.messages - 1):
                if self._over.wait(0.05):
                    return
            time.sleep(rng.uniform(0, 0.4))
            victim = "web" if self.worker is None or rng.random() < 0.4 else "worker"
            if victim == "web":
                self._serving.clear()
                self.server.kill()
                self.outcome.kills["web"] += 1
                self.server.start()
                self._serving.set()
            elif self.worker is not None:
                self.worker.kill()
                self.outcome.kills["worker"] += 1
                self.worker.start()
            self.say(f"killed the {victim} after {len(self._told()['sent'])} messages")

    def _told(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.provider_url, timeout=30) as answer:
            return orjson.loads(answer.read())

    def _states(self) -> dict[str, int]:
        database = open_database(self.url)
        try:
            with database.read() as session:
                return dict(session.execute(select(Message.state, func.count()).group_by(Message.state)).all())
        finally:
            database.close()

    def _wait_for_the_last(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            states = self._states()
            if sum(states.values()) >= self.messages and not states.get("queued"):
                return
            time.sleep(0.3)

    # --------------------------------------------------------------------------------------------------- judging
    def _judge(self) -> Outcome:
        told, outcome = self._told(), self.outcome
        per_phone = Counter(one["phone"] for one in told["sent"])
        outcome.provider = {name: told[name] for name in ("asked", "refused", "cut", "again")}
        outcome.lost = [phone for phone in self.phones if not per_phone[phone]]
        outcome.twice = [phone for phone, number in per_phone.items() if number > 1]
        outcome.states = self._states()
        return outcome

    def close(self) -> None:
        self.provider.stdin.close()
        self.provider.wait(30)
        self.provider.stdout.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="an empty PostgreSQL database; without it SQLite in a folder of its own")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="buu-ta-notices-") as folder:
        campaign = Campaign(
            Path(folder) / "var",
            messages=asked.messages,
            kills=asked.kills,
            seed=asked.seed,
            database_url=asked.database,
            say=lambda words: print(words, file=sys.stderr, flush=True),
        )
        try:
            campaign.prepare()
            outcome = campaign.run()
        finally:
            campaign.close()
        print(outcome.table())
        if not outcome.is_well:
            print(f"lost: {outcome.lost[:20]}\ntwice: {outcome.twice[:20]}", file=sys.stderr)
            print(campaign.server.log.read_text(errors="replace")[-4000:], file=sys.stderr)
        return 0 if outcome.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
