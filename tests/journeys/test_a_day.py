"""A day in the life: a bag comes in, routes are planned, postmen go out, a citizen moves a visit, the money adds up.

Everything over real HTTP, on each database; every item and every dong is followed by the test's own books.
"""

import io
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from openpyxl import Workbook
from sqlalchemy import text
from uuid_utils.compat import uuid7
from werkzeug.serving import make_server

from api.app import create_app
from courier import staffing, worker
from courier.desk import Desk
from courier.facts import Facts
from courier.gazetteer import Gazetteer
from courier.settings import ROOT, Settings, load_secrets
from courier.store.jobs import Jobs
from courier.store.session import Database

DAY = date(2026, 11, 23)  # a Monday
MORNING = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)  # 06:00 in Viet Nam
VILLAGES = ("Khánh An", "Khánh Tiến", "Khánh Hòa", "Khánh Hội")  # old communes around U Minh that were not split


@dataclass
class Clock:
    """The office's clock, which the test moves."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Books:
    """What the test itself knows: written by hand from what was sent, never read back from the product."""

    due: dict[str, dict[str, int]] = field(default_factory=dict)  # barcode -> charge kind -> dong
    loaded: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    brought_back: set[str] = field(default_factory=set)
    cash: Counter = field(default_factory=Counter)  # postman -> dong
    transfers: Counter = field(default_factory=Counter)
    to_payee: Counter = field(default_factory=Counter)
    by_source: Counter = field(default_factory=Counter)  # (payee, till or bank) -> dong


@contextmanager
def serving(desk: Desk, clock: Clock) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_app(desk, clock=clock), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    settings = Settings(
        database_url=database.url.render_as_string(hide_password=False),
        var_dir=tmp_path,
        data_dir=ROOT / "data",
        base_url="http://127.0.0.1",
        demo=False,
        secure_cookies=False,
        trusted_proxies=0,
        solve_seconds=3.0,
        secrets=load_secrets(tmp_path),
    )
    gazetteer = Gazetteer.load(settings.data_dir / "gazetteer")
    desk = Desk(
        database=database,
        settings=settings,
        facts=Facts.load(settings.data_dir),
        gazetteer=gazetteer,
        jobs=Jobs(database),
    )
    desk.make_ready()
    worker.start(desk)
    yield desk
    desk.jobs.stop()


class Person:
    """Somebody with a token."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        session = self.ok(self.http.post("/sessions", json={"login": login, "password": password}), 201)
        self.http.headers["Authorization"] = f"Bearer {session['token']}"

    def ok(self, answer: httpx.Response, status: int = 200):
        assert answer.status_code == status, (answer.request.url.path, answer.status_code, answer.text[:2000])
        return answer.json() if answer.content else None

    def get(self, path: str, status: int = 200, **query):
        return self.ok(self.http.get(path, params=query), status)

    def post(self, path: str, body: dict, status: int = 201, **headers):
        return self.ok(self.http.post(path, json=body, headers=headers), status)


def signed_in_for_good(url: str, login: str, one_time: str) -> Person:
    """Sign in with the one-time password, choose an own one, sign in again."""
    own = "con-thuyen-qua-song-37"
    Person(url, login, one_time).post("/me/password", {"old_password": one_time, "new_password": own}, 204)
    return Person(url, login, own)


def a_bag(rows: int) -> tuple[bytes, Books]:
    """A spreadsheet with `rows` good rows, two repeated, one refused and one without a findable place, and the test's books of it."""
    books = Books()
    sheet = Workbook()
    page = sheet.active
    page.append(
        ["Mã bưu gửi", "Mã hồ sơ", "Cơ quan", "Loại giấy tờ", "Họ tên", "Số điện thoại", "Số CCCD", "Địa chỉ",
         "Phí, lệ phí", "Tiền phạt", "Cước", "Hạn phát", "Giờ hẹn", "Ghi chú"]
    )  # fmt: skip
    lines = []
    for number in range(rows):
        fine = number % 9 == 5
        kind = "Giấy tờ tạm giữ (giấy phép lái xe)" if fine else "Giấy phép lái xe"
        money = {"state_fee": 0 if fine else 135_000, "fine": 750_000 + 1000 * number if fine else 0, "postage": 30_000}
        barcode = f"BUUTA-{number:06d}"
        books.due[barcode] = {kind: amount for kind, amount in money.items() if amount}
        lines.append(
            [barcode, f"H12.11-261120-{number:04d}", "PC08", "giay_to_tam_giu_gplx" if fine else kind,
             f"Nguyễn Văn Mẫu {number}", f"05990{number // 2:05d}", None,
             f"Ấp {number // 2 % 15 + 1}, xã {VILLAGES[number // 2 % len(VILLAGES)]}, huyện U Minh, tỉnh Cà Mau",
             money["state_fee"] or None, money["fine"] or None, money["postage"], "30/11/2026",
             "7:30-11:30" if number % 10 == 3 else None, None]
        )  # fmt: skip
    for line in [*lines, lines[0], lines[1]]:
        page.append(line)
    refused = [*lines[2]]
    refused[0], refused[1], refused[8] = "BUUTA-900001", "H12.11-261120-9001", -5000
    page.append(refused)
    hopeless = [*lines[3]]
    hopeless[0], hopeless[1], hopeless[7] = "BUUTA-900002", "H12.11-261120-9002", "gần cây me"
    page.append(hopeless)
    books.due["BUUTA-900002"] = {"state_fee": 135_000, "postage": 30_000}
    content = io.BytesIO()
    sheet.save(content)
    return content.getvalue(), books


class Phone:
    """A postman's phone: numbers its acts without gap and keeps every one of them."""

    def __init__(self, person: Person, clock: Clock) -> None:
        self.person, self.clock, self.device, self.acts = person, clock, str(uuid4()), []

    def act(self, kind: str, items: list[str], **data) -> None:
        self.clock.at += timedelta(minutes=1)
        self.acts.append(
            {
                "event_id": str(uuid7()),
                "device_seq": len(self.acts) + 1,
                "type": kind,
                "items": items,
                "occurred_at": self.clock.at.isoformat(),
                "data": data,
            }
        )

    def send(self, *acts: dict) -> list[dict]:
        answer = self.person.post("/sync", {"device_id": self.device, "events": list(acts)}, 200)
        return answer["results"]


@pytest.mark.once
def test_a_whole_day_adds_up_item_by_item_and_dong_by_dong(desk: Desk):
    clock = Clock(MORNING)
    office = staffing.known_office(desk, "U-MINH")
    first = staffing.init_office(desk, office, login="quantri", name="Quản trị", at=clock.at)
    with serving(desk, clock) as url:
        # --- people
        admin = signed_in_for_good(url, "quantri", first.password)
        u_minh = admin.get("/offices")["data"][0]
        people = {}
        for login, role in (("dieuphoi", "dispatcher"), ("thuquy", "cashier"), ("quay", "clerk"),
                            ("buuta1", "postman"), ("buuta2", "postman"), ("buuta3", "postman")):  # fmt: skip
            body = {"login": login, "name": f"Người {login}", "role": role, "office": u_minh["id"]}
            if role == "postman":
                body["postman"] = {"mode": "boat" if login == "buuta3" else "motorbike", "cash_limit_dong": 20_000_000}
            made = admin.post("/staff", body)
            people[login] = signed_in_for_good(url, login, made["one_time_password"])
            people[login].id = made["id"]
        dispatcher, cashier = people["dieuphoi"], people["thuquy"]

        # --- the bag comes in
        sheet, books = a_bag(40)
        answer = dispatcher.http.post("/imports", files={"file": ("tui.xlsx", sheet)})
        report = dispatcher.ok(answer, 201)
        assert (report["accepted"], report["duplicates"], report["doubtful"], report["rejected"]) == (40, 2, 1, 1)
        refused = next(row for row in report["rows"] if row["outcome"] == "rejected")
        assert [(e["field"], e["row"]) for e in refused["errors"]] == [("Phí, lệ phí", refused["row"])]
        again = dispatcher.ok(dispatcher.http.post("/imports", files={"file": ("tui.xlsx", sheet)}), 201)
        assert (again["accepted"], again["doubtful"]) == (0, 0)

        items = {}
        cursor = None
        while True:
            page = dispatcher.get("/items", limit=17, **({"after": cursor} if cursor else {}))
            items |= {item["barcode"]: item for item in page["data"]}
            cursor = page["next"]
            if cursor is None:
                break
        assert items.keys() == books.due.keys()
        for barcode, item in items.items():
            assert {c["kind"]: c["amount_dong"] for c in item["charges"]} == books.due[barcode]
            assert item["due_dong"] == sum(books.due[barcode].values())
        by_id = {item["id"]: barcode for barcode, item in items.items()}

        # --- the plan: every item on a route or listed with a reason
        plan = dispatcher.post("/plans", {"date": DAY.isoformat(), "seconds": 2}, 202)
        solved = _until_solved(dispatcher, plan["id"])
        unplanned = dispatcher.get(f"/plans/{plan['id']}/unplanned")
        routed = [item for route in solved["routes"] for stop in route["stops"] for item in stop["items"]]
        assert Counter(routed) + Counter(row["item"] for row in unplanned) == Counter(by_id.keys())
        assert {by_id[row["item"]]: row["code"] for row in unplanned}["BUUTA-900002"] == "address_doubtful"
        assert solved["unplanned_count"] == len(unplanned)
        assert solved["travel"]["source"] == "estimated"
        published = dispatcher.post(f"/plans/{plan['id']}/publish", {}, 200, **{"If-Match": f'"{solved["version"]}"'})
        assert published["state"] == "published"

        # --- a citizen moves a visit of another day: it leaves today's route
        moved = by_id[routed[0]]
        link = urlsplit(items[moved]["tracking_url"]).path.rpartition("/")[2]
        citizen = httpx.Client(base_url=url, timeout=60)
        shown = citizen.get(f"/public/items/{link}").json()
        assert shown["details"] is None
        phone = next(f"05990{n // 2:05d}" for n in range(40) if f"BUUTA-{n:06d}" == moved)
        assert citizen.post(f"/public/items/{link}/verify", json={"phone_last4": phone[-4:]}).status_code == 200
        slot = citizen.get(f"/public/items/{link}/slots").json()["slots"][-1]
        asked = citizen.post(f"/public/items/{link}/change-requests", json={"kind": "reschedule", "slot": slot["id"]})
        assert asked.status_code == 201, asked.text
        assert asked.json()["window"]["date"] == slot["date"] > DAY.isoformat()

        # --- postmen load, deliver, fail, come back; answers get lost and are asked for again
        clock.at = MORNING + timedelta(hours=1, minutes=30)
        owner = {}
        for login in ("buuta1", "buuta2", "buuta3"):
            _one_round(people[login], clock, books, by_id, owner, seed=login)
        assert moved not in books.loaded
        for barcode, item in items.items():
            now = dispatcher.get(f"/items/{item['id']}")
            if barcode in books.delivered:
                assert (now["state"], now["custody"], now["due_dong"]) == ("delivered", "recipient", 0), barcode
            elif barcode in books.brought_back:
                assert (now["state"], now["custody"]) == ("held", "office"), barcode
                assert now["due_dong"] == sum(books.due[barcode].values())
            else:
                assert now["state"] in ("received", "planned"), barcode
                assert now["custody"] == "office", barcode
        assert books.loaded == books.delivered | books.brought_back
        assert not books.delivered & books.brought_back

        # --- the evening: one counts to the dong, one is short and owns it
        clock.at = MORNING + timedelta(hours=11)
        short = 50_000
        counted_in_all = 0
        for login in ("buuta1", "buuta2", "buuta3"):
            person = people[login]
            expected = books.cash[login]
            cash = cashier.get(f"/cash/{person.id}/{DAY.isoformat()}")
            assert (cash["expected_dong"], cash["by_method"]["bank_qr"]) == (expected, books.transfers[login])
            assert sum(cash["by_kind"].values()) == expected + books.transfers[login]
            give = expected - short if login == "buuta1" else expected
            body = {"postman": person.id, "date": DAY.isoformat(), "counted": _in_notes(give)}
            if give != expected:
                refused = cashier.post("/remittances", body, 422)
                assert refused["errors"][0]["field"] == "difference_reason"
                body["difference_reason"] = "Thiếu một tờ 50.000, bưu tá nhận trách nhiệm."
            closed = cashier.post("/remittances", body)
            assert (closed["closed"], closed["remitted_dong"]) == (True, give)
            assert closed["difference_dong"] == give - expected
            assert cashier.post("/remittances", body, 409)["code"] == "already-closed"
            counted_in_all += give
        assert sum(books.cash.values()) == counted_in_all + short

        # --- transfers are confirmed, every payee gets his own
        claims = cashier.get("/transfers")["data"]
        assert sum(claim["amount_dong"] for claim in claims) == sum(books.transfers.values())
        for claim in claims:
            cashier.post("/transfers/confirmations", {"event": claim["event"], "charge": claim["charge"]})
        assert cashier.get("/transfers")["data"] == []
        owed = {row["payee"]: row["amount_dong"] for row in cashier.get("/payables")["data"]}
        assert owed == dict(books.to_payee)
        paid = Counter()
        for (payee, source), amount in sorted(books.by_source.items()):
            if payee == "post":
                continue
            order = {"id": str(uuid4()), "payee": payee, "amount_dong": amount, "source": source, "reference": "UNC-01"}
            cashier.post("/payouts", order)
            cashier.post("/payouts", order)  # sent twice, paid once
            paid[source] += amount
        left = {row["payee"]: row["amount_dong"] for row in cashier.get("/payables")["data"]}
        assert left == {payee: amount for payee, amount in owed.items() if payee == "post"}

        # --- nobody sees what is not theirs
        assert people["buuta1"].http.get(f"/cash/{people['buuta2'].id}/{DAY}").status_code == 404
        assert people["buuta1"].http.get("/plans").status_code == 403
    _books_balance(desk, books, office_id=u_minh["id"], short=short, paid=paid)


def _until_solved(dispatcher: Person, plan_id: str) -> dict:
    waiting = threading.Event()
    for _ in range(600):
        plan = dispatcher.get(f"/plans/{plan_id}")
        if plan["state"] != "draft":
            assert plan["state"] == "solved", plan
            return plan
        waiting.wait(0.1)
    raise AssertionError("the plan was not solved within a minute")


def _one_round(person: Person, clock: Clock, books: Books, by_id: dict, owner: dict, *, seed: str) -> None:
    """A postman's day: every fifth door is closed, every fourth pays by bank QR, a third of the answers never arrive."""
    route = person.get("/me/route", date=DAY.isoformat())
    phone = Phone(person, clock)
    bag = [item for stop in route["stops"] for item in stop["items"]]
    if not bag:
        return
    assert [stop["sequence"] for stop in route["stops"]] == sorted(stop["sequence"] for stop in route["stops"])
    assert all(a["arrives_at"] <= b["arrives_at"] for a, b in pairwise(route["stops"]))
    phone.act("taken_out", [item["id"] for item in bag])
    books.loaded |= {item["barcode"] for item in bag}
    for item in bag:
        assert item["barcode"] not in owner, "an item lies in two bags"
        owner[item["barcode"]] = person
    for number, stop in enumerate(route["stops"]):
        if number % 5 == 4:
            phone.act("attempt_failed", [i["id"] for i in stop["items"]], reason="recipient_absent")
            continue
        method = "bank_qr" if number % 4 == 1 else "cash"
        lines = [
            {"charge": c["id"], "amount_dong": c["amount_dong"], "method": method}
            for i in stop["items"]
            for c in i["charges"]
        ]
        surrendered = [paper["code"] for i in stop["items"] for paper in i["release"]["surrender"]]
        phone.act(
            "handed_over",
            [i["id"] for i in stop["items"]],
            receiver={
                "name": stop["items"][0]["recipient"],
                "relation": "owner",
                "id_check": "match",
                "id_last4": "0001",
            },
            collections=lines,
            surrendered=surrendered,
            proofs=[{"kind": "signature", "sha256": "0" * 64}, {"kind": "photo_place", "sha256": "1" * 64}],
        )
        for i in stop["items"]:
            books.delivered.add(i["barcode"])
            for charge in i["charges"]:
                books.to_payee[charge["payee"]] += charge["amount_dong"]
                books.by_source[charge["payee"], "bank" if method == "bank_qr" else "till"] += charge["amount_dong"]
        taken = sum(line["amount_dong"] for line in lines)
        (books.transfers if method == "bank_qr" else books.cash)[seed] += taken
    back = [i for i in bag if i["barcode"] not in books.delivered]
    if back:
        phone.act("brought_back", [i["id"] for i in back])
        books.brought_back |= {i["barcode"] for i in back}

    # The later half arrives first, a third of the answers are lost and those acts come again, one act is malformed.
    half = len(phone.acts) // 2
    first_answers = phone.send(*phone.acts[half:])
    assert {a["result"] for a in first_answers} <= {"applied", "accepted_with_conflict"}
    assert all(answer["result"] == "applied" for answer in phone.send(*phone.acts[:half]))
    repeated = phone.acts[::3]
    assert [a["result"] for a in phone.send(*repeated)] == ["duplicate"] * len(repeated)
    other = {**phone.acts[0], "items": phone.acts[0]["items"][:1], "data": {"note": "khác"}}
    assert [(a["result"], a["code"]) for a in phone.send(other)] == [("quarantined", "same-id-other-content")]
    answer = person.post("/sync", {"device_id": phone.device, "events": []}, 200)
    assert answer["ack_through"] == len(phone.acts)


def _in_notes(amount: int) -> dict[str, int]:
    counted = {}
    for note in (500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000):
        counted[str(note)], amount = divmod(amount, note)
    assert amount == 0
    return counted


def _books_balance(desk: Desk, books: Books, *, office_id: str, short: int, paid: Counter) -> None:
    """The ledger as plain SQL adds it up, against the test's own books."""
    totals: dict[str, int] = defaultdict(int)
    with desk.database.read() as session:
        rows = session.execute(text("SELECT account, amount_dong FROM ledger_entry")).all()
    for account, amount in rows:
        totals[account.split(":")[0]] += amount
        totals[account] += amount
    assert sum(amount for _, amount in rows) == 0
    collected = sum(books.cash.values()) + sum(books.transfers.values())
    everything = sum(amount for due in books.due.values() for amount in due.values())
    assert totals["receivable"] == everything - collected
    assert totals["cash"] == totals["claimed"] == totals["suspense"] == 0
    assert totals[f"till:{office_id}"] == sum(books.cash.values()) - short - paid["till"]
    assert totals[f"over_short:{office_id}"] == short
    assert totals[f"bank:{office_id}"] == sum(books.transfers.values()) - paid["bank"]
    assert -totals["payable"] == sum(books.to_payee.values()) - paid.total()
    assert sum(books.cash.values()) + sum(books.transfers.values()) == sum(books.to_payee.values())
