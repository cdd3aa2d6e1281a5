"""What somebody with bad intentions tried on a running server, and what must come of it."""

import io
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from openpyxl import Workbook
from sqlalchemy import func, select, text
from uuid_utils.compat import uuid7

from api.serving import Worker
from courier import cashdesk, dispatch
from courier.dispatch import optimizing
from courier.domain.errors import Invalid, Refused
from courier.intake import HEADINGS
from courier.outside import spreadsheet
from courier.store import links
from courier.store.session import migrate, open_database
from courier.store.tables import IdempotencyKey, Item, LedgerTx, ProvenVisitor
from tests.api.conftest import PASSWORD, Town
from tests.builders import DAY, Phone, clock, done_right, paying

V1 = "/api/v1"


@pytest.fixture
def token(desk, town) -> str:
    """A citizen's link; the phone on the dossier ends in 0001."""
    return link_to(desk, town.here.item())


def link_to(desk, item_id) -> str:
    made = links.token_for(desk.settings.secrets, item_id, 1)
    with desk.database.write() as session:
        session.get_one(Item, item_id).link_digest = links.digest(made)
    return made


def at_once(act: Callable[[int], Any], times: int) -> list[Any]:
    """What comes of the same act by so many at the same moment; an exception is an answer too."""
    start = threading.Barrier(times)

    def one(number: int) -> Any:
        start.wait()
        try:
            return act(number)
        except Exception as fault:  # noqa: BLE001 - the test looks at what was raised
            return fault

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def count(database, table, *where) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where))


# -------------------------------------------------------------------------------------------------- the citizen's link
def test_guesses_sent_all_at_once_get_no_more_tries_than_guesses_in_a_row(app, desk, token):
    def guess(number: int) -> int:
        body = {"phone_last4": f"{9000 + number}"}
        return app.test_client().post(f"{V1}/public/items/{token}/verify", json=body).status_code

    statuses = at_once(guess, 12)
    assert sorted(statuses) == [409] * 5 + [429] * 7
    assert count(desk.database, ProvenVisitor) == 5


def test_before_the_proof_a_link_does_not_betray_which_papers_go_to_the_owner_alone(client, desk, town):
    tokens = [
        link_to(desk, town.here.item(document_type=kind)) for kind in ("giay_phep_lai_xe", "phieu_ly_lich_tu_phap_2")
    ]
    licence, record = (client.get(f"{V1}/public/items/{token}").json for token in tokens)
    assert licence == record


def test_an_answer_kept_for_the_citizen_is_not_given_to_a_visitor_without_the_proof(app, token):
    path, key = f"{V1}/public/items/{token}", {"Idempotency-Key": "1"}
    wish = {"kind": "instruct", "text": "cổng xanh"}
    citizen, stranger = app.test_client(), app.test_client()
    citizen.post(f"{path}/verify", json={"phone_last4": "0001"})
    assert citizen.post(f"{path}/change-requests", json=wish, headers=key).status_code == 201
    assert stranger.post(f"{path}/change-requests", json=wish, headers=key).json["code"] == "not-verified"


def test_nobody_can_fill_the_books_with_answers_to_links_that_do_not_exist(client, desk):
    for number in range(3):
        path = f"{V1}/public/items/khong-co-{number}/change-requests"
        answer = client.post(path, json={"kind": "instruct", "text": "x"}, headers={"Idempotency-Key": "1"})
        assert answer.status_code == 404
    assert count(desk.database, IdempotencyKey) == 0


# -------------------------------------------------------------------------------------------------------- at the door
def test_another_site_cannot_sign_a_browser_in(app, town):
    form = {"login": town.clerk.caller.name.rpartition(" ")[2], "password": PASSWORD}
    answer = app.test_client().post("/sign-in", data=form, headers={"Origin": "https://xau.example"})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("field", ["login", "password", "otp", "next"])
def test_nul_in_the_sign_in_form_is_a_wrong_sign_in(client, town, field):
    form = {"login": "a", "password": "b"} | {field: "x\0y"}
    assert client.post("/sign-in", data=form).status_code == 401


def test_a_forwarded_address_that_is_none_does_not_keep_anybody_out(app_with, town):
    answer = (
        app_with(trusted_proxies=1)
        .test_client()
        .post(
            f"{V1}/sessions",
            json={"login": "admin", "password": PASSWORD},
            headers={"X-Forwarded-For": "203.0.113.9:5511"},
        )
    )
    assert answer.status_code == 201


@pytest.mark.own_app
def test_invented_methods_do_not_grow_the_metrics_without_end(client):
    for number in range(5):
        client.open("/livez", method=f"BIA{number}")
    told = client.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).text
    assert "BIA" not in told
    assert 'courier_requests_total{method="other",route="unknown",status="405"} 5.0' in told


# ------------------------------------------------------------------------------------------------------------- sheets
def a_sheet(*, rows: int = 1, more_sheets: int = 0, last: str | None = None) -> bytes:
    book = Workbook()
    for sheet in (book.active, *(book.create_sheet() for _ in range(more_sheets))):
        sheet.append([heading.vi for heading in HEADINGS])
        if sheet is book.active:
            for _ in range(rows):
                sheet.append(["x"])
        if last is not None:
            sheet[last] = "x"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def with_xml(sheet: bytes, xml: bytes) -> bytes:
    """The same workbook with something before the end of its first sheet."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheet)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            content = old.read(part)
            if part.endswith("sheet1.xml"):
                content = content.replace(b"</worksheet>", xml + b"</worksheet>")
            new.writestr(part, content)
    return made.getvalue()


def cpu(act: Callable[[], Any]) -> float:
    began = time.thread_time()
    with suppress(Invalid):
        act()
    return time.thread_time() - began


def test_a_comment_full_of_half_tags_costs_its_length_and_not_its_square():
    sheet = with_xml(a_sheet(), b"<!--" + b"<mergeCell " * 20_000 + b"-->")
    assert cpu(lambda: spreadsheet.read("a.xlsx", sheet)) < 3


def test_many_merged_ranges_are_not_looked_at_for_every_cell():
    ranges = b"".join(b'<mergeCell ref="A%d:B%d"/>' % (at, at) for at in range(90_000, 95_000))
    sheet = with_xml(a_sheet(rows=2_000), b"<mergeCells>" + ranges + b"</mergeCells>")
    assert cpu(lambda: spreadsheet.read("a.xlsx", sheet)) < 6


def test_a_workbook_of_a_thousand_hollow_sheets_is_refused_before_they_are_read():
    sheet = a_sheet(more_sheets=300, last="A99999")
    with pytest.raises(Invalid) as refused:
        spreadsheet.read("a.xlsx", sheet)
    assert [error.code for error in refused.value.errors] == ["too-many-sheets"]


@pytest.mark.parametrize("name", ["a\0b.csv", "../../etc/passwd.csv", "\ud800.csv", "=cmd|'/c calc'!A1.csv"])
def test_a_strange_file_name_is_only_a_name(town, name):
    sheet = (",".join(heading.vi for heading in HEADINGS) + "\nx" + "," * (len(HEADINGS) - 1)).encode()
    boundary = b"----b"
    head = b'Content-Disposition: form-data; name="file"; filename="%s"' % name.encode("utf-8", "surrogatepass")
    body = b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + sheet + b"\r\n--" + boundary + b"--\r\n"
    answer = town.dispatcher.post(
        f"{V1}/imports", data=body, content_type=f"multipart/form-data; boundary={boundary.decode()}"
    )
    assert answer.status_code in (201, 422), answer.text
    assert town.dispatcher.get(f"{V1}/imports").status_code == 200


# ------------------------------------------------------------------------------------------------------ the optimiser
def test_the_optimiser_leaves_threads_for_everybody_else(monkeypatch):
    finish = threading.Event()
    monkeypatch.setattr(optimizing, "solve", lambda *_, **__: finish.wait(20))
    monkeypatch.setattr(optimizing, "solution_body", lambda *_: {"code": 0})
    body = {"jobs": [{"id": 1, "location": [105, 9.4]}], "vehicles": [{"id": 1, "start": [105, 9.4]}]}
    with ThreadPoolExecutor(optimizing.MOST_AT_ONCE + 1) as threads:
        asked = [threads.submit(dispatch.optimize, body) for _ in range(optimizing.MOST_AT_ONCE + 1)]
        try:
            done, busy = wait(asked, timeout=10, return_when=FIRST_COMPLETED)
            refused = [one.exception() for one in done]
        finally:
            finish.set()
        assert [(fault.status, fault.body["code"]) for fault in refused] == [(500, 1)]
        assert [one.result() for one in busy] == [{"code": 0}] * optimizing.MOST_AT_ONCE
    assert dispatch.optimize(body) == {"code": 0}


# -------------------------------------------------------------------------------------------------------- the server
class Hasty(Worker):
    """`courier serve`'s worker, with less patience."""

    read_seconds = 1.0


def tiny(environ: Any, start_response: Any) -> list[bytes]:
    """An application that reads what it is sent and says how long that was."""
    body = b"%d" % len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def port() -> Iterator[int]:
    """A server of two threads. Whoever comes before it is ready waits in the queue of its socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "tests.api.test_attacks:tiny", f"--bind=fd://{listening.fileno()}"]
        command += ["--threads=2", "--worker-class=tests.api.test_attacks.Hasty", "--no-control-socket"]
        server = subprocess.Popen(command, cwd=Path(__file__).parents[2], pass_fds=[listening.fileno()])
    try:
        # Its patience counts from when it works, so the visitors come after its first answer.
        assert httpx.post(f"http://127.0.0.1:{number}/", content=b"1", timeout=60).text == "1"
        yield number
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize(
    "beginning", [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", b"GET / HTTP/1.1\r\nHo"]
)
def test_visitors_who_fall_silent_in_the_middle_of_a_request_keep_nobody_out(port, beginning):
    with ExitStack() as open_ones:
        for _ in range(6):
            silent = open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
            silent.sendall(beginning)
        answer = httpx.post(f"http://127.0.0.1:{port}/", content=b"12345", timeout=30)
    assert answer.text == "5"


# -------------------------------------------------------------------------------------------------------------- money
def collected(town: Town, *, minutes: float, method: str = "cash", days_ago: int = 0) -> tuple[Phone, dict[str, Any]]:
    """Hand an item over for its whole charges; gives the phone and the event."""
    house = town.here
    item = house.item(at=clock(-60 * 24 * 9))
    phone = Phone(house, house.postmen[0])
    shift = -60 * 24 * days_ago + minutes
    lines = paying(*((charge, charge.amount_dong, method) for charge in house.charges(item)))
    out, handover = (
        phone.event("taken_out", [item], shift),
        phone.event("handed_over", [item], shift + 5, **done_right(lines)),
    )
    phone.send(out, handover)
    return phone, handover


def remit(town: Town, day=DAY, **counted: int):
    return town.cashier.post(
        f"{V1}/remittances",
        json={"postman": str(town.postman.caller.id), "date": day.isoformat(), "counted": counted},
    )


def test_money_dated_back_to_another_day_keeps_the_evening_open(town, app, clock):
    clock.forward(hours=11)
    collected(town, minutes=30, days_ago=2)
    refused = remit(town)
    assert refused.status_code == 409
    assert refused.json["code"] == "earlier-day-open"
    assert "165.000" in refused.json["detail"]
    assert "23/11/2026" in refused.json["detail"]
    earlier = DAY.replace(day=23)
    assert remit(town, earlier, **{"100000": 1, "50000": 1, "10000": 1, "5000": 1}).status_code == 201
    assert remit(town).status_code == 201


def test_two_cashiers_close_a_day_once(town):
    collected(town, minutes=30)
    answers = at_once(
        lambda _: cashdesk.remit(
            town.here.desk,
            town.here.cashier,
            town.postman.caller.id,
            DAY,
            counted={"100000": 1, "50000": 1, "10000": 1, "5000": 1},
            difference_reason=None,
            at=clock(600),
        ),
        4,
    )
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Refused] * 3
    assert town.here.balances("till:") == {f"till:{town.here.office_id}": 165_000}


def test_a_transfer_confirmed_by_two_at_once_is_confirmed_once(town):
    _, handover = collected(town, minutes=30, method="bank_qr")
    charge = handover["data"]["collections"][0]
    answers = at_once(
        lambda _: (
            town.cashier.post(
                f"{V1}/transfers/confirmations", json={"event": handover["event_id"], "charge": charge["charge"]}
            ).status_code
        ),
        4,
    )
    assert sorted(answers) == [201, 404, 404, 404]
    assert town.here.balances("bank:") == {f"bank:{town.here.office_id}": charge["amount_dong"]}


def test_a_transfer_is_not_confirmed_while_its_handover_is_being_taken_back(town):
    for _ in range(4):
        phone, handover = collected(town, minutes=30, method="bank_qr")
        item = handover["items"]
        charges = [line["charge"] for line in handover["data"]["collections"]]
        back = phone.event("corrected", item, 60, corrects=handover["event_id"], reason="nhầm người")

        def act(number: int, back=back, handover=handover, charges=charges, phone=phone) -> Any:
            if number == 2:
                return phone.send(back).results
            body = {"event": handover["event_id"], "charge": charges[number]}
            return town.cashier.post(f"{V1}/transfers/confirmations", json=body).status_code

        answers = at_once(act, 3)
        assert answers[2] == ["applied"]
        assert all(status in (201, 404) for status in answers[:2]), answers
        assert not [amount for amount in town.here.balances("claimed:").values() if amount < 0]


def paid(town: Town, amount: int, **more: Any):
    body = {"id": str(uuid7()), "payee": "post", "amount_dong": amount, "source": "till", "reference": "PC 1"} | more
    return town.cashier.post(f"{V1}/payouts", json=body)


def test_the_last_money_is_paid_out_once(town):
    collected(town, minutes=30)
    assert remit(town, **{"100000": 1, "50000": 1, "10000": 1, "5000": 1}).status_code == 201
    statuses = at_once(lambda _: paid(town, 30_000).status_code, 4)
    assert sorted(statuses) == [201, 409, 409, 409]
    assert town.here.balances("till:") == {f"till:{town.here.office_id}": 135_000}


def test_the_id_of_a_payout_does_not_stand_for_another_amount(town):
    collected(town, minutes=30)
    assert remit(town, **{"100000": 1, "50000": 1, "10000": 1, "5000": 1}).status_code == 201
    key = str(uuid7())
    assert paid(town, 10_000, id=key).status_code == 201
    assert paid(town, 10_000, id=key).status_code == 201
    for other in ({"amount_dong": 20_000}, {"payee": "agency:PC08"}):
        refused = paid(town, 10_000, id=key, **other)
        assert refused.status_code == 409
        assert refused.json["code"] == "same-id-other-content"
    assert count(town.here.database, LedgerTx, LedgerTx.kind == "payout") == 1


def test_money_beyond_all_measure_is_to_be_corrected_before_the_day_is_closed(town):
    house = town.here
    item = house.item()
    phone = Phone(house, house.postmen[0])
    charge = house.charges(item)[0]
    lines = paying((charge, 10**12), (charge, 10**12))
    phone.send(phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 5, **done_right(lines)))
    for incident in town.cashier.get(f"{V1}/incidents").json["data"]:
        town.cashier.post(f"{V1}/incidents/{incident['id']}/close", json={"resolution": "gõ nhầm"})
    body = {"postman": str(town.postman.caller.id), "date": DAY.isoformat(), "counted": {}, "difference_reason": "nhầm"}
    refused = town.cashier.post(f"{V1}/remittances", json=body)
    assert (refused.status_code, refused.json["code"]) == (409, "amount-impossible")


def test_what_a_clerk_takes_over_the_counter_is_expected_by_the_cashier(town):
    house = town.here
    item = house.item()
    lines = paying(*((charge, charge.amount_dong) for charge in house.charges(item)))
    assert town.clerk.post(f"{V1}/items/{item}/events", json={"type": "invited"}).status_code == 201
    event = {"type": "picked_up", "data": done_right(lines)}
    assert town.clerk.post(f"{V1}/items/{item}/events", json=event).status_code == 201
    rows = town.cashier.get(f"{V1}/cash?date={DAY}").json["data"]
    assert {row["postman"]: row["expected_dong"] for row in rows}[str(town.clerk.caller.id)] == 165_000
    body = {
        "postman": str(town.clerk.caller.id),
        "date": DAY.isoformat(),
        "counted": {"100000": 1, "50000": 1, "10000": 1, "5000": 1},
    }
    assert town.cashier.post(f"{V1}/remittances", json=body).status_code == 201
    assert house.balances("till:") == {f"till:{house.office_id}": 165_000}


def test_a_new_database_is_read_by_its_owner_alone(tmp_path):
    made = open_database(f"sqlite:///{tmp_path / 'courier.db'}")
    migrate(made)
    with made.write() as session:
        session.execute(text("CREATE TABLE something (x INTEGER)"))
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("courier.db*")}
    made.close()
    assert modes["courier.db"] == "0o600"
    assert set(modes.values()) == {"0o600"}


def test_visitors_who_send_a_byte_now_and_then_keep_nobody_out(port):
    """A slow body: every byte comes in time, and the whole of it never would."""
    begun, done = time.monotonic(), threading.Event()

    def drip() -> float:
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            while not done.wait(0.1):
                try:
                    slow.sendall(b"x")
                except OSError:
                    break
            return time.monotonic() - begun

    with ThreadPoolExecutor(6) as pool:
        dripping = [pool.submit(drip) for _ in range(6)]
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/", content=b"12345", timeout=30)
        finally:
            held = time.monotonic() - begun
            done.set()
        assert [one.result() >= 0 for one in dripping] == [True] * 6
    assert answer.text == "5"
    # Two threads, six visitors, one second each, looked at once a second.
    assert held < 15
