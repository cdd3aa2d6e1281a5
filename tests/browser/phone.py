"""A postman's phone in a real browser: enrolled, unlocked, without a network, killed.

`enrolled(contexts, server)` gives a `Phone` that is ready to work; everything it does goes through the screens, and whatever
it waits for stands on `<body data-…>`.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Contexts, Server
from tests.browser.proxy import Proxy, between

PIN = "246810"
OFFICE = "CAI-NUOC"
PATIENCE = 20_000


def postman_of(server: Server, number: int = 0, *, office: str = OFFICE) -> dict[str, Any]:
    """One of the demo's postmen."""
    fitting = [row for row in server.sign_ins() if row["role"] == "postman" and row["office"] == office]
    return fitting[number]


@dataclass
class Phone:
    """The app in one browser context, behind a network of its own."""

    context: BrowserContext
    server: Server
    proxy: Proxy
    account: dict[str, Any]
    pin: str = PIN
    page: Page = field(init=False)

    def __post_init__(self) -> None:
        self.page = self.context.pages[0] if self.context.pages else self.context.new_page()

    # ------------------------------------------------------------------------------------------------ what is shown
    def wait(self, **states: Any) -> None:
        """Until `<body data-…>` says so: `phone.wait(state="ready", pending=0)`."""
        wanted = "".join(f"[data-{name}='{value}']" for name, value in states.items())
        expect(self.page.locator(f"body{wanted}")).to_be_attached(timeout=PATIENCE)

    def wait_screen(self, name: str) -> None:
        self.wait(screen=name)

    def wait_pending(self, count: int) -> None:
        """Until so many acts and pictures are unsent and nothing is being sent: shown, and true of what was recorded just now."""
        until = time.monotonic() + PATIENCE / 1000
        while True:
            self.wait(pending=count, flushing=0)
            now = self.call("outbox", "status")
            if (now["pending"] + now["media_pending"], now["flushing"]) == (count, False):
                return
            assert time.monotonic() < until, now

    def screen(self) -> str:
        """Which screen is shown."""
        return str(self.page.locator("body").get_attribute("data-screen"))

    def says(self, words: str) -> None:
        """Until these words can be read."""
        expect(self.page.locator("body")).to_contain_text(words, timeout=PATIENCE)

    def words(self, key: str, language: str = "vi", **values: Any) -> str:
        """A text of the catalogue."""
        from api.web.texts import catalogue  # noqa: PLC0415 - nothing of the program but its words

        return catalogue(language)[key].format_map(values)

    def go(self, path: str) -> None:
        """To a screen by its path, as from a link: the page itself stays."""
        self.page.evaluate("(path) => { location.hash = path; }", path)
        expect(self.page.locator(f"body[data-path='#{path}']")).to_be_attached(timeout=PATIENCE)

    # --------------------------------------------------------------------------------------------- who is before it
    def open(self) -> None:
        """Open the app, or load it anew."""
        self.page.goto(f"{self.proxy.url}/phone")
        self.page.wait_for_selector("body:not([data-screen=''])")

    def sign_in(self, account: dict[str, Any] | None = None) -> None:
        """Sign in on the sign-in screen."""
        who = account or self.account
        self.page.fill("#login", who["login"])
        self.page.fill("#password", who["password"])
        self.page.click("main form .button.main")

    def choose_pin(self) -> None:
        self.wait(state="enrol", screen="enrol")
        self.page.fill("#pin", self.pin)
        self.page.fill("#again", self.pin)
        self.page.click("main form .button.main")
        self.wait(state="ready")

    def enrol(self) -> None:
        """From an empty browser to the list."""
        self.open()
        self.wait(state="sign-in")
        self.sign_in()
        self.choose_pin()
        self.wait_worker()

    def unlock(self) -> None:
        """Give the PIN."""
        self.wait(state="pin", screen="pin")
        self.page.fill("#pin", self.pin)  # the sixth digit opens
        self.wait(state="ready")

    def reopen(self) -> None:
        """Load the app anew and give the PIN."""
        self.open()
        self.unlock()

    def wait_worker(self) -> None:
        """Until the worker has the whole app and serves this page."""
        self.wait(worker=1)

    # -------------------------------------------------------------------------------------------------- the network
    def offline(self) -> None:
        """No network, for pages and worker: connections are refused."""
        self.proxy.stop()

    def online(self) -> None:
        """The network is back, and the browser says so."""
        self.proxy.start()
        self.page.evaluate("() => { dispatchEvent(new Event('online')); }")

    # ------------------------------------------------------------------------------------------------- what it knows
    def module(self, name: str) -> str:
        """Where the app's own module lies: importing another address would make a second one."""
        build = self.page.locator("body").get_attribute("data-build")
        return f"/phone/{build}/{name}.js"

    def call(self, module: str, function: str, *arguments: Any) -> Any:
        """Call an exported function of one of the app's modules; `drafts.get` names a member."""
        return self.page.evaluate(
            """async ([address, path, given]) => {
                let found = await import(address);
                let owner = null;
                for (const name of path.split(".")) [owner, found] = [found, found[name]];
                return await found.apply(owner, given);
            }""",
            [self.module(module), function, list(arguments)],
        )

    def record(
        self,
        kind: str,
        items: list[str],
        *,
        event_id: str | None = None,
        pictures: int = 0,
        local: dict[str, Any] | None = None,
        **data: Any,
    ) -> str:
        """Record an act as a screen does, `local` is what the phone itself remembers of it; the id of its event."""
        return str(
            self.page.evaluate(
                """async ([address, act, pictures]) => {
                    const outbox = await import(address);
                    const media = [];
                    for (let number = 0; number < pictures; number += 1) {
                        const canvas = document.createElement("canvas");
                        canvas.width = canvas.height = 640;
                        const brush = canvas.getContext("2d");
                        const noise = brush.createImageData(640, 640);
                        for (let at = 0; at < noise.data.length; at += 1) noise.data[at] = Math.random() * 256;
                        brush.putImageData(noise, 0, 0);
                        const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
                        media.push({ kind: "photo", blob });
                    }
                    const event_id = act.event_id ?? outbox.newId();
                    await outbox.record({ ...act, event_id, media });
                    return event_id;
                }""",
                [
                    self.module("outbox"),
                    {"type": kind, "items": items, "data": data, "event_id": event_id, "local": local or {}},
                    pictures,
                ],
            )
        )

    def store(self, name: str) -> list[Any]:
        """All rows of one of the phone's own stores."""
        rows: list[Any] = self.page.evaluate(
            """async ([address, name]) => {
                const { tx } = await import(address);
                return tx(name, "readonly", (store) => store(name).all());
            }""",
            [self.module("db"), name],
        )
        return rows

    def items(self) -> list[dict[str, Any]]:
        """The items of today's route, by the server's word."""
        stops = self.page.evaluate(
            "async () => (await (await fetch('/api/v1/me/route', {headers: {'X-Requested-With': 'test'}})).json()).stops"
        )
        return [item for stop in stops for item in stop["items"]]


# ------------------------------------------------------------------------------------------------------ a whole visit
@dataclass
class Delivery:
    """An item taken into the bag and handed over for what is due, as the phone recorded it."""

    item: str
    dong: int
    events: list[str]


def papers(phone: Phone, count: int = 1) -> list[dict[str, Any]]:
    """Items of today's route that nobody has touched, for which something is due."""
    stops = phone.call("bag", "today")["stops"]
    items = [item for stop in stops for item in stop["items"]]
    fresh = [item for item in items if item["direction"] == "result" and item["state"] == "planned" and item["charges"]]
    assert len(fresh) >= count, "the day has too few papers"
    return fresh[:count]


def deliver(phone: Phone, item: dict[str, Any] | None = None, *, pictures: int = 0) -> Delivery:
    """Record a whole visit: two acts, the second with money, both to the same item."""
    item = item or papers(phone)[0]
    taken = [{"charge": c["id"], "amount_dong": c["amount_dong"], "method": "cash"} for c in item["charges"]]
    receiver = {"name": "Lê Văn Tí", "relation": "owner", "id_check": "match", "id_last4": None}
    door = {"receiver": receiver, "collections": taken, "surrendered": [], "proofs": []}
    local = {"collections": [{**line, "kind": c["kind"]} for line, c in zip(taken, item["charges"], strict=True)]}
    events = [
        phone.record("taken_out", [item["id"]]),
        phone.record("handed_over", [item["id"]], local=local, pictures=pictures, **door),
    ]
    return Delivery(item["id"], sum(line["amount_dong"] for line in taken), events)


def assert_once(server: Server, *deliveries: Delivery) -> None:
    """One row per act, one effect, the money to the dong, and nothing set aside."""
    for done in deliveries:
        for event in done.events:
            assert len(recorded(server, event)) == 1
            assert effects(server, event) == 1
        assert cash_of(server, done.events[1]) == done.dong > 0
        assert rows(server, "SELECT state FROM item WHERE id = ?", done.item) == [{"state": "delivered"}]
        assert not [kept for kept in set_aside(server) if kept["event_id"] in done.events]


def cash_of(server: Server, event_id: str) -> int:
    """What an act brought into the postman's pocket, in dong."""
    found = rows(
        server,
        "SELECT coalesce(sum(e.amount_dong), 0) AS dong FROM ledger_entry e JOIN ledger_tx t ON t.id = e.tx_id "
        "WHERE t.event_id = ? AND e.account LIKE 'cash:%'",
        event_id,
    )
    return int(found[0]["dong"])


# ---------------------------------------------------------------------------------------------- the server's own word
def rows(server: Server, sql: str, *values: Any) -> list[dict[str, Any]]:
    """Read the server's database."""
    with closing(sqlite3.connect(f"file:{server.var_dir / 'courier.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(sql, values)]


def recorded(server: Server, event_id: str) -> list[dict[str, Any]]:
    """The rows of an act that was taken in: one, never more. Set aside or of his way, it stands elsewhere."""
    both = (event_id, event_id.replace("-", ""))
    return rows(server, "SELECT * FROM event WHERE id IN (?, ?)", *both)


def effects(server: Server, event_id: str) -> int:
    """On how many items an act has its effect."""
    both = (event_id, event_id.replace("-", ""))
    return len(rows(server, "SELECT * FROM event_item WHERE event_id IN (?, ?)", *both))


def set_aside(server: Server) -> list[dict[str, Any]]:
    """What the server keeps word for word until a person decides."""
    return rows(server, "SELECT * FROM quarantined_event")


def sent_events(proxy: Proxy) -> list[str]:
    """The ids in all bodies of `POST /sync`, in the order they passed."""
    return [event["event_id"] for seen in proxy.requests("POST", "/api/v1/sync") for event in seen.json["events"]]


# ---------------------------------------------------------------------------------------------------------- making one
@contextmanager
def network(server: Server) -> Iterator[Proxy]:
    """A network to the server."""
    with between(server.port) as proxy:
        yield proxy


def enrolled(contexts: Contexts, server: Server, proxy: Proxy, *, number: int = 0, **options: Any) -> Phone:
    """A phone with today's route, ready to work: `phone = enrolled(contexts, own_server, proxy)`."""
    phone = Phone(contexts.new(phone=True, **options), server, proxy, postman_of(server, number))
    phone.enrol()
    return phone


def enrolled_for(
    contexts: Contexts, server: Server, proxy: Proxy, fits: Callable[[dict[str, Any]], bool]
) -> tuple[Phone, dict[str, Any]]:
    """The phone of the first postman with an open stop of results that fits, and the stop: routes depend on the day."""
    postmen = [row for row in server.sign_ins() if row["role"] == "postman" and row["office"] == OFFICE]
    for number in range(len(postmen)):
        phone = with_route(enrolled(contexts, server, proxy, number=number))
        for stop in phone.call("bag", "today")["stops"]:
            if stop["open"] and all(item["direction"] == "result" for item in stop["items"]) and fits(stop):
                return phone, stop
    raise AssertionError(f"none of {len(postmen)} routes has such a stop")


def with_a_number(stop: dict[str, Any]) -> bool:
    """Somebody who can be called."""
    return bool(stop["phone"])


def with_route(phone: Phone) -> Phone:
    """Wait until the day is there."""
    phone.page.locator("a.stop").first.wait_for()
    phone.wait(flushing=0)
    return phone


def pretty(value: Any) -> str:
    """For the message of an assertion."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
