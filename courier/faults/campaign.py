"""The fault campaign: many phones, a network that fails, a server that is killed, and books that must be right to the dong.

An office is made up in an empty database, its phones are enrolled over the API like any phone, and what they recorded in three
days goes out while the server dies again and again. At the end the books are compared with a reference that knows only the story.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import orjson

from courier import staffing
from courier.desk import Desk, open_desk
from courier.domain.calendar import at_local
from courier.domain.item import Direction
from courier.domain.people import Caller, Role
from courier.faults import checking
from courier.faults.checking import Claims, Difference
from courier.faults.inventing import ACCEPTED_ON, Device, Inventor, Story, uuid7_of
from courier.faults.line import Line
from courier.faults.phone import Broken, Flight, Phone, without_gap
from courier.faults.reference import Expected, tell
from courier.faults.server import Server
from courier.settings import ROOT, Settings, load_secrets
from courier.store import envelopes, links, people
from courier.store import faults as books
from courier.store.media import Shelf
from courier.store.session import Database, open_database

_COMMUNE: Final = "32044"
_AGENCY: Final = "PC08"
_NEAR: Final = (9.4388, 104.98417)
_CLOCKS_OFF: Final = (0, 0, 0, -95, 30, 60 * 24 * 40)
_FIRST_GUESS_SECONDS: Final = 0.1
_REMEMBERED: Final = 60
_LATE: Final = 1.3  # a kill comes up to so many times the usual time of an answer after the request was sent
_WAIT_SECONDS: Final = 60.0
_WAL_HEADER, _WAL_FRAME = 32, 24  # bytes

Say = Callable[[str], None]


class NotEmpty(Exception):
    """The database holds something: a campaign fills the database that it is given, and reads all of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How large a campaign: acts, phones, kills; the same seed tells the same story. After `minutes` nothing new is sent."""

    events: int
    phones: int
    kills: int
    seed: int
    minutes: float = float("inf")


@dataclass(slots=True)
class Deaths:
    """What the kills met."""

    count: int = 0
    writing: int = 0
    undone: int = 0
    unheard: int = 0
    torn: int = 0
    seconds_down: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What came of a campaign; it is well when there are no differences."""

    wanted: Wanted
    database: str
    story: Story
    expected: Expected
    differences: list[Difference]
    deaths: Deaths
    requests: int = 0
    events_sent: int = 0
    bytes_sent: int = 0
    sealed: int = 0
    forged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


class Campaign:
    """A campaign in a folder and a database of its own: `prepare`, `upload`, `check`, in this order."""

    def __init__(
        self, wanted: Wanted, var_dir: Path, *, database_url: str | None = None, say: Say = lambda _: None
    ) -> None:
        self.wanted, self.var_dir, self.say = wanted, var_dir, say
        self.database_url = database_url or f"sqlite:///{var_dir / 'courier.db'}"
        self.is_sqlite = self.database_url.startswith("sqlite")
        self.server = Server(var_dir, self.database_url, workers=1 if self.is_sqlite else 2)
        self.deaths = Deaths()
        self.phones: list[Phone] = []
        self.half_done: list[Difference] = []
        self.seconds = 0.0
        self._rng = Random(f"campaign {wanted.seed}")
        self._password = staffing.one_time_password()

    # -------------------------------------------------------------------------------------------------- beginning
    def prepare(self) -> None:
        """Make the office, invent the story and put its items into the books.

        Raises:
            NotEmpty: the database holds something already.
        """
        self.var_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = open_database(self.database_url)
        try:
            if not books.is_empty(database):
                raise NotEmpty("This database is not empty: a campaign needs one of its own.")
        finally:
            database.close()
        desk = self._desk()
        try:
            desk.make_ready()
            office_id, agency_id, clerk, postmen = self._people(desk)
            self.office_id = office_id
            self.devices = self._devices(postmen)
            self.story = self._invent(desk)
            self._enter(desk, agency_id, clerk)
        finally:
            desk.close()
        self.expected = tell(self.story.things, self.story.told, office=office_id, near=_NEAR)

    def _desk(self) -> Desk:
        return open_desk(
            Settings(
                database_url=self.database_url,
                var_dir=self.var_dir,
                data_dir=ROOT / "data",
                base_url="http://127.0.0.1",
                demo=False,
                secure_cookies=False,
                trusted_proxies=0,
                solve_seconds=8.0,
                secrets=load_secrets(self.var_dir),
            )
        )

    def _people(self, desk: Desk) -> tuple[UUID, UUID, Caller, list[tuple[str, UUID]]]:
        """An office with a clerk and postmen, fewer than phones: somebody always has two."""
        hashed = staffing.hash_password(self._password)
        now = datetime.now(UTC)
        details = staffing.OfficeDetails(
            code="THU-LOI",
            name="Bưu cục thử lỗi",
            kind="office",
            commune_code=_COMMUNE,
            lat=_NEAR[0],
            lon=_NEAR[1],
            communes=(_COMMUNE,),
        )
        with desk.database.write() as session:
            office_id = staffing.enter_office(desk, session, details, source="courier faults").id
            people.enter_agencies(session, {_AGENCY: desk.facts.agencies[_AGENCY].name})

            def enter(login: str, role: Role) -> UUID:
                new = staffing.NewStaff(login=login, name=f"Người thử {login}", role=role, office_id=office_id)
                return staffing.enter_staff(
                    desk, session, new, password_hash=hashed, must_change_password=False, at=now
                )

            clerk = Caller(enter("giao-dich", Role.CLERK), Role.CLERK, "Người thử giao dịch", office_id)
            count = max(1, self.wanted.phones * 4 // 5)
            postmen = [(login, enter(login, Role.POSTMAN)) for login in (f"buu-ta-{n + 1}" for n in range(count))]
            session.flush()
            return office_id, books.agency_id(session, _AGENCY), clerk, postmen

    def _devices(self, postmen: Sequence[tuple[str, UUID]]) -> list[tuple[str, Device]]:
        rng, devices = self._rng, []
        for n in range(self.wanted.phones):
            login, postman = postmen[n % len(postmen)]
            off = timedelta(minutes=rng.choice(_CLOCKS_OFF))
            devices.append((login, Device(uuid7_of(rng, at_local(ACCEPTED_ON, 0)), postman, off)))
        return devices

    def _invent(self, desk: Desk) -> Story:
        secrets = desk.settings.secrets
        inventor = Inventor(
            self.wanted.seed,
            [device for _, device in self.devices],
            near=_NEAR,
            code_of=lambda item_id, day: links.recipient_code(secrets, item_id, day),
            now=datetime.now(UTC),
        )
        return inventor.invent(self.wanted.events)

    def _enter(self, desk: Desk, agency_id: UUID, clerk: Caller) -> None:
        things = [
            books.NewThing(t.id, Direction.SUBMISSION if t.submission else Direction.RESULT, t.charges)
            for t in self.story.things
        ]
        with desk.database.write() as session:
            books.enter(
                session,
                things,
                document_type="giay_phep_lai_xe",
                agency_id=agency_id,
                clerk=clerk,
                commune=_COMMUNE,
                secrets=desk.settings.secrets,
                at=at_local(ACCEPTED_ON, 30_000),
            )

    # -------------------------------------------------------------------------------------------------- uploading
    def upload(self) -> None:
        """Enrol the phones, and let all of them send at once while the server dies and comes back.

        Raises:
            Broken: the server answered what no phone may be answered.
            DidNotStart: it did not come back.
        """
        self.server.start()
        reaper = _Reaper(self)
        try:
            self.phones = [self._enrolled(n, reaper) for n in range(len(self.devices))]
            began = time.monotonic()
            reaper.until = began + self.wanted.minutes * 60
            with ThreadPoolExecutor(len(self.phones)) as pool:
                working = [pool.submit(phone.send_everything) for phone in self.phones]
                try:
                    for work in as_completed(working):
                        work.result()
                except BaseException:
                    # One phone cannot go on, or somebody wants to stop: nobody has to wait for the others.
                    reaper.stop()
                    raise
            self.seconds = time.monotonic() - began
            self.server.stop()
        finally:
            self.server.kill()
            for phone in self.phones:
                phone.line.hang_up()

    def _enrolled(self, n: int, reaper: "_Reaper") -> Phone:
        login, device = self.devices[n]
        line = Line(self.server.port)
        session = _created(line, "/api/v1/sessions", {"login": login, "password": self._password})
        line.token = session["token"]
        enrolled = _created(line, "/api/v1/devices", {"device_id": str(device.id), "name": f"Máy thử {n + 1}"})
        sent = [one for one in self.story.sent if one.device == n]
        named = {digest for one in sent for digest in one.named}
        return Phone(
            f"phone {n + 1}",
            device.id,
            line,
            sent=sent,
            pictures={digest: body for digest, body in self.story.pictures.items() if digest in named},
            sealing_key=envelopes.from_text(enrolled["sealing_key"]["public"]),
            reaper=reaper,
            seed=str(self.wanted.seed),
        )

    # --------------------------------------------------------------------------------------------------- checking
    def check(self) -> Outcome:
        """Compare the books with the reference, as far as the story was sent."""
        sent = {event_id for phone in self.phones for event_id in phone.acknowledged}
        if len(sent) < len(self.story.sent):
            self.story = self.story.of(sent)
            self.expected = tell(self.story.things, self.story.told, office=self.office_id, near=_NEAR)
        claims = Claims(
            numbers={one.told.id: (self.devices[one.device][1].id, one.seq) for one in self.story.sent},
            aside=Counter(
                [(self.devices[s.device][1].id, s.body["event_id"], s.aside) for s in self.story.sent if s.aside]
                + [(phone.id, event_id, code) for phone in self.phones for event_id, code in phone.forged]
            ),
            through={
                device.id: without_gap(s.seq for s in self.story.sent if s.device == n)
                for n, (_, device) in enumerate(self.devices)
            },
        )
        database = open_database(self.database_url)
        try:
            found = checking.differences(database, Shelf(self.var_dir / "media"), self.story, self.expected, claims)
        finally:
            database.close()
        told = [Difference("told", sentence) for phone in self.phones for sentence in phone.differences]
        outcome = Outcome(
            self.wanted,
            "SQLite" if self.is_sqlite else "PostgreSQL",
            self.story,
            self.expected,
            [*told, *self.half_done, *found],
            self.deaths,
            seconds=self.seconds,
        )
        for phone in self.phones:
            outcome.requests += phone.tally.requests
            outcome.events_sent += phone.tally.events
            outcome.bytes_sent += phone.tally.bytes
            outcome.sealed += phone.tally.sealed
            outcome.forged += len(phone.forged)
            outcome.faults += phone.tally.faults
            outcome.results += phone.tally.results
            outcome.refused += phone.tally.refused
        return outcome


def _created(line: Line, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = line.ask("POST", path, orjson.dumps(body))
    if answer.status != HTTPStatus.CREATED:
        raise Broken(f"POST {path} was answered with {answer.status}: {answer.body[:500]!r}")
    made: dict[str, Any] = answer.json()
    return made


class _Reaper:
    """Kills the server at even distances of acknowledged acts, each time a moment after somebody sent something whole."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._rng = Random(f"kills {campaign.wanted.seed}")
        self._one_at_a_time = threading.Lock()
        self._counting = threading.Lock()
        self._up = threading.Event()
        self._up.set()
        self._stopped = False
        self.until = float("inf")
        self._acts = self._said = 0
        self._usual: list[float] = []
        acts, kills = len(campaign.story.sent), campaign.wanted.kills
        self._marks = [acts * (n + 0.5) / kills for n in range(kills)]

    def due(self) -> bool:
        """True when the next request should be the server's last."""
        struck = self.campaign.deaths.count
        return struck < len(self._marks) and self._acts >= self._marks[struck]

    def stop(self) -> None:
        """Let every phone give up at its next request; those under way get no answer any more."""
        self._stopped = True
        self.campaign.server.kill()
        self._up.set()

    def wait(self) -> None:
        """Until the server is there.

        Raises:
            Broken: it does not come back, or the campaign was stopped.
        """
        # Longer than it may take to start: whoever starts it says why it did not.
        if not self._up.wait(3 * _WAIT_SECONDS):
            raise Broken("the server did not come back")
        if self._stopped:
            raise Broken("the campaign was stopped")

    def time_is_up(self) -> bool:
        """True when nothing new is to be sent any more."""
        return time.monotonic() > self.until

    def done(self, acts: int, seconds: float) -> None:
        """So many more acts are acknowledged, by an answer that took so long."""
        with self._counting:
            self._acts += acts
            self._usual = [*self._usual[-_REMEMBERED:], seconds]
            tenth = 10 * self._acts // max(1, len(self.campaign.story.sent))
            if tenth > self._said:
                self._said = tenth
                self.campaign.say(f"{self._acts} acts acknowledged, {self.campaign.deaths.count} kills")

    def strike(self) -> None:
        """Kill the server a moment from now, start it again and look at what the dead one left."""
        if not self._one_at_a_time.acquire(blocking=False):
            return  # it is being killed by somebody else
        try:
            if self.due():
                self._strike()
        finally:
            self._one_at_a_time.release()

    def _strike(self) -> None:
        campaign, deaths = self.campaign, self.campaign.deaths
        usual = sorted(self._usual)[len(self._usual) // 2] if self._usual else _FIRST_GUESS_SECONDS
        # The moment of a death is drawn, so that it falls anywhere in an upload: waiting for it is the experiment.
        time.sleep(usual * self._rng.uniform(0, _LATE))
        database = open_database(campaign.database_url)
        try:
            flights = [phone.flight for phone in campaign.phones if phone.flight is not None]
            deaths.writing += books.somebody_writes(database)
            self._up.clear()
            campaign.server.kill()
            deaths.count += 1
            deaths.torn += _unfinished_pages(campaign.var_dir / "courier.db-wal") > 0
            self._until_nobody_writes(database)
            deaths.seconds_down += campaign.server.start()
            self._look(database, flights)
        finally:
            database.close()
        self._up.set()

    def _until_nobody_writes(self, database: Database) -> None:
        """PostgreSQL may still be at the last statement of a client that is dead."""
        until = time.monotonic() + _WAIT_SECONDS
        while not database.is_sqlite and books.others_connected(database):
            if time.monotonic() > until:
                raise Broken("somebody else works in the campaign's database")
            time.sleep(0.01)  # PostgreSQL tells nobody when a client's last statement has ended

    def _look(self, database: Database, flights: list[Flight]) -> None:
        """What became of the uploads that were under way: nothing, everything, and never a part."""
        deaths = self.campaign.deaths
        with database.read() as session:
            stored = books.which_are_stored(session, [event for flight in flights for event in flight.fresh])
        for flight in flights:
            if flight.heard or not flight.fresh:
                continue
            there = [event_id for event_id in flight.fresh if event_id in stored]
            deaths.undone += not there
            deaths.unheard += len(there) == len(flight.fresh)
            if 0 < len(there) < len(flight.fresh):
                missing = next(event_id for event_id in flight.fresh if event_id not in stored)
                sentence = (
                    f"event {missing}: of an upload of {flight.phone} only a part was recorded ({len(there)} acts)"
                )
                self.campaign.half_done.append(Difference("lost", sentence))


def _unfinished_pages(wal: Path) -> int:
    """Pages at the end of SQLite's write-ahead file that no commit follows: the writer died while it was committing."""
    try:
        content = wal.read_bytes()
    except FileNotFoundError:
        return 0
    if len(content) < _WAL_HEADER:
        return 0
    page, salt = int.from_bytes(content[8:12], "big"), content[16:24]
    since_commit = 0
    for start in range(_WAL_HEADER, len(content) - page, page + _WAL_FRAME):
        frame = content[start : start + _WAL_FRAME]
        if frame[8:16] != salt:
            break  # left over from before the last checkpoint
        since_commit = 0 if int.from_bytes(frame[4:8], "big") else since_commit + 1
    return since_commit
