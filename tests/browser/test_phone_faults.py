"""Everything that goes wrong between a door and the office: each ends with one row per act, the right money and honest words."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server
from tests.browser.phone import (
    PATIENCE,
    Delivery,
    Phone,
    assert_once,
    deliver,
    effects,
    enrolled,
    network,
    papers,
    postman_of,
    recorded,
    rows,
    sent_events,
    with_route,
)
from tests.browser.proxy import Proxy
from tests.browser.walk import visit

SYNC = "/api/v1/sync"


@pytest.fixture
def proxy(server) -> Iterator[Proxy]:
    """The network between the phone and a server that stays as it is."""
    with network(server) as made:
        yield made


@pytest.fixture
def phone(contexts, server, proxy) -> Phone:
    """A phone with its route, ready to work."""
    return with_route(enrolled(contexts, server, proxy))


def send(phone: Phone, why: str = "user") -> int:
    """Ask the phone to send now; how many acts and pictures are left."""
    return int(phone.call("outbox", "flush", {"why": why})["left"])


# ------------------------------------------------------------------------------------------------ killed, cut, doubled
def test_browser_and_server_are_killed_after_an_act_was_saved_and_it_is_there_once(contexts, own_server, tmp_path):
    """Behaviour 2."""
    folder = tmp_path / "profile"
    with network(own_server) as proxy:
        phone = Phone(contexts.profile(folder), own_server, proxy, postman_of(own_server))
        phone.enrol()
        with_route(phone)
        phone.offline()
        own_server.kill()
        done = deliver(phone)
        contexts.kill(phone.context, folder)

        phone = Phone(contexts.profile(folder), own_server, proxy, phone.account)
        phone.reopen()
        phone.wait(pending=2)
        phone.says(phone.words("phone.core.unsent", count=2))
        own_server.start()
        phone.online()
        sign_in_if_asked(phone)
        phone.wait_pending(0)
        assert_once(own_server, done)


def sign_in_if_asked(phone: Phone) -> None:
    """A killed browser may have forgotten its cookie: the phone asks, and what was saved stays."""
    asked = phone.page.locator("a.notice[href='#/sign-in']")
    expect(asked.or_(phone.page.locator("body[data-pending='0']"))).to_be_visible(timeout=PATIENCE)
    if asked.is_visible():
        asked.click()
        phone.wait(screen="sign-in")
        phone.sign_in()


@pytest.mark.slow
def test_the_server_is_killed_while_it_writes_and_every_act_is_there_once(contexts, own_server):
    with network(own_server) as proxy:
        phone = with_route(enrolled(contexts, own_server, proxy))
        phone.offline()
        done = [deliver(phone, item) for item in papers(phone, 8)]
        begun, before = threading.Event(), []

        def is_first(seen: Any) -> bool:
            before.append(written(own_server))
            begun.set()
            return True

        proxy.fault(SYNC, method="POST", cut=True, times=1, when=is_first)
        phone.online()
        assert begun.wait(20)
        until = datetime.now(UTC) + timedelta(seconds=20)
        while written(own_server) == before[0]:
            assert datetime.now(UTC) < until, "nothing was written"
        own_server.kill()
        phone.wait(offline=1, flushing=0)
        assert phone.call("outbox", "status")["pending"] == 16
        own_server.start()
        assert send(phone) == 0
        assert_once(own_server, *done)
        phone.says(phone.words("phone.core.all_sent"))


def written(server: Server) -> list[int]:
    """When the files of the database were last written to."""
    return [file.stat().st_mtime_ns for file in sorted(server.var_dir.glob("courier.db*")) if file.suffix != ".db-shm"]


@pytest.mark.slow
def test_the_answer_is_lost_after_the_commit_and_the_act_is_there_once(phone, proxy, server):
    """Behaviour 3."""
    phone.offline()
    done = deliver(phone)
    proxy.start()
    proxy.fault(SYNC, method="POST", cut=True)
    assert send(phone) == 2
    assert [len(recorded(server, event)) for event in done.events] == [1, 1], "the server had written it down"
    phone.wait(pending=2, offline=1)
    phone.says(phone.words("phone.core.notice.offline"))
    proxy.mend()
    assert send(phone) == 0
    times = len(proxy.requests("POST", SYNC))
    assert times > 1
    assert sent_events(proxy) == done.events * times
    assert_once(server, done)
    assert {row["result"] for row in phone.store("outbox")} == {"duplicate"}


@pytest.mark.slow
def test_three_taps_are_one_act(phone, proxy, server):
    """Behaviour 4."""
    item = papers(phone)[0]["id"]
    event = phone.call("outbox", "newId")
    act = {"event_id": event, "type": "taken_out", "items": [item]}
    saved = phone.page.evaluate(
        """async ([address, act]) => {
            const { record } = await import(address);
            return Promise.all([record(act), record(act), record(act)]);
        }""",
        [phone.module("outbox"), act],
    )
    phone.wait_pending(0)
    assert [one["seq"] for one in saved] == [saved[0]["seq"]] * 3
    assert sent_events(proxy) == [event]
    assert (len(recorded(server, event)), effects(server, event)) == (1, 1)


@pytest.mark.slow
def test_two_tabs_send_an_act_in_one_request(phone, proxy, server):
    """Behaviour 5."""
    other = Phone(phone.context, server, proxy, phone.account)
    other.page = phone.context.new_page()
    other.reopen()
    phone.offline()
    done = deliver(phone)
    other.wait(pending=2)
    proxy.start()
    held = threading.Event()
    proxy.fault(SYNC, method="POST", hold=held, times=1)
    for tab in (other, phone):
        tab.page.evaluate("() => { dispatchEvent(new Event('online')); }")
    proxy.until(lambda: any(seen.path == "/api/v1/me" for seen in proxy.seen))
    held.set()
    for tab in (phone, other):
        tab.page.bring_to_front()
        tab.wait_pending(0)
    assert len(proxy.requests("POST", SYNC)) == 1
    assert_once(server, done)


@pytest.mark.slow
def test_a_tab_that_dies_while_it_sends_holds_up_nobody(phone, proxy, server):
    dying = Phone(phone.context, server, proxy, phone.account)
    dying.page = phone.context.new_page()
    dying.reopen()
    phone.offline()
    done = deliver(phone)
    proxy.start()
    held = proxy.fault(SYNC, method="POST", hold=threading.Event(), times=1)
    dying.page.evaluate("() => { dispatchEvent(new Event('online')); }")
    phone.wait(flushing=1)
    proxy.until(lambda: held.times == 0)
    dying.page.close()
    phone.wait(flushing=0)
    assert send(phone) == 0
    proxy.mend()
    assert_once(server, done)


# ---------------------------------------------------------------------------------------------- somebody else answers
@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "how", "notice"),
    [
        pytest.param("/api/", {"portal": True}, "portal", id="portal"),
        pytest.param(SYNC, {"portal": True}, "portal", id="portal-late"),
        pytest.param(SYNC, {"status": 500, "plain": True}, "busy", id="500"),
        pytest.param("/api/", {"status": 502, "plain": True}, "busy", id="502"),
        pytest.param(SYNC, {"status": 503, "code": "busy"}, "busy", id="503"),
        pytest.param(SYNC, {"status": 302, "headers": {"Location": "/login"}, "plain": True}, "portal", id="302"),
    ],
)
def test_whoever_else_answers_nothing_is_lost(phone, proxy, server, path, how, notice):
    """Behaviour 6."""
    phone.offline()
    done = deliver(phone)
    proxy.start()
    proxy.fault(path, **how)
    assert send(phone) == 2
    phone.wait_pending(2)
    assert not any(recorded(server, event) for event in done.events)
    expect(phone.page.locator("#head .notice")).to_have_text(words_of(phone, notice))
    proxy.mend()
    assert send(phone) == 0
    phone.wait_pending(0)
    expect(phone.page.locator("#head .notice")).to_have_count(0)
    assert_once(server, done)


def words_of(phone: Phone, notice: str) -> Any:
    """The sentence above every screen, as a pattern where it holds a time."""
    import re  # noqa: PLC0415

    before, _, after = phone.words(f"phone.core.notice.{notice}", time="\0").partition("\0")
    return re.compile(rf"^{re.escape(before)}(\d\d:\d\d{re.escape(after)})?$")


@pytest.mark.slow
def test_a_server_that_asks_for_patience_gets_it(phone, proxy, server):
    """Behaviour 6: 429 with Retry-After."""
    phone.offline()
    done = deliver(phone)
    proxy.start()
    proxy.fault(SYNC, method="POST", status=429, code="too-many-requests", headers={"Retry-After": "10"}, times=1)
    assert send(phone) == 2
    assert send(phone) == 2, "not even its bearer hurries it"
    assert len(proxy.requests("POST", SYNC)) == 1
    expect(phone.page.locator("#head .notice")).to_have_text(words_of(phone, "busy"))
    phone.wait_pending(0)
    assert len(proxy.requests("POST", SYNC)) == 2
    assert_once(server, done)


@pytest.mark.slow
def test_a_session_that_has_ended_keeps_everything_until_its_bearer_signs_in(phone, server):
    """Behaviour 6: 401."""
    phone.offline()
    done = deliver(phone)
    phone.context.clear_cookies()
    phone.online()
    notice = phone.page.locator("a.notice[href='#/sign-in']")
    expect(notice).to_have_text(phone.words("phone.core.notice.sign_in"), timeout=PATIENCE)
    assert phone.call("outbox", "status")["pending"] == 2
    assert phone.screen() == "list", "the day can still be read"
    notice.click()
    phone.wait(screen="sign-in")
    phone.sign_in()
    phone.wait(screen="list", pending=0)
    assert_once(server, done)


@pytest.mark.slow
@pytest.mark.parametrize("status", [409, 422])
def test_an_act_that_the_server_will_not_read_is_kept_and_shown_and_does_not_block_the_others(
    phone, proxy, server, status
):
    """Behaviour 7."""
    phone.offline()
    done = [deliver(phone, item) for item in papers(phone, 3)]
    bad = done[1].events[1]
    proxy.start()
    proxy.fault(SYNC, method="POST", status=status, code="odd", when=lambda seen: bad.encode() in seen.body)
    assert send(phone) == 0
    phone.wait(pending=0, review=1)
    assert_once(server, done[0], done[2])
    assert not recorded(server, bad)
    expect(phone.page.locator("#head a.review")).to_have_text(phone.words("phone.core.review", count=1))
    phone.go("/outbox")
    phone.wait(screen="acts")
    shown = phone.page.locator(f"[data-event='{bad}']")
    expect(shown).to_contain_text(phone.words("phone.core.outbox.refused", reason="odd"))
    proxy.mend()
    phone.page.click("#send-now")
    phone.wait(pending=0, review=0)
    assert_once(server, *done)


# ------------------------------------------------------------------------------------------------------- the phone fails
@pytest.mark.slow
def test_a_full_phone_never_says_saved(phone, proxy, server):
    """Behaviour 8."""
    item = papers(phone)[0]["id"]
    phone.page.evaluate(
        """() => {
            const { add } = IDBObjectStore.prototype;
            IDBObjectStore.prototype.add = () => { throw new DOMException("full", "QuotaExceededError"); };
            globalThis.mend = () => { IDBObjectStore.prototype.add = add; };
        }"""
    )
    fault = phone.page.evaluate(
        """async ([address, act]) => {
            const outbox = await import(address);
            try { await outbox.record({ ...act, event_id: outbox.newId() }); } catch (fault) { return [fault.name, fault.cause.name]; }
        }""",
        [phone.module("outbox"), {"type": "taken_out", "items": [item]}],
    )
    assert fault == ["NotSaved", "QuotaExceededError"]
    assert phone.store("outbox") == phone.store("acts") == []
    assert phone.call("db", "recall", "seq") is None, "a number that was not used is missed by nobody"
    phone.page.evaluate("mend()")
    event = phone.record("taken_out", [item])
    phone.wait_pending(0)
    assert sent_events(proxy) == [event]
    assert recorded(server, event)[0]["device_seq"] == 1


@pytest.mark.slow
def test_pictures_arrive_as_they_were_taken(phone, proxy, server, contexts):
    """Behaviour 9."""
    phone.offline()
    done = deliver(phone, pictures=2)
    taken = {row["sha256"] for row in phone.store("media")}
    proxy.start()
    proxy.fault("/api/v1/media/", method="PATCH", cut=True)
    assert send(phone) == 2
    phone.says(phone.words("phone.core.unsent_media", count=2))
    proxy.mend()
    assert send(phone) == 0
    assert phone.store("bytes") == []
    office = visit(contexts.new(), server)
    office.sign_in("dispatcher")
    for digest in taken:
        answer = office.page.request.get(f"{server.url}/api/v1/media/{digest}")
        assert sha256(answer.body()).hexdigest() == digest
    cited = rows(server, "SELECT sha256 FROM cited_media WHERE event_id = ?", done.events[1])
    assert {row["sha256"] for row in cited} == taken
    assert_once(server, done)


@pytest.mark.slow
def test_what_was_half_filled_in_is_there_after_a_reload(phone):
    """Behaviour 10."""
    phone.offline()
    draft = {"name": "Trần Thị Bé", "cash": 128_000, "strokes": [[1, 2, 3], [4, 5, 6]]}
    phone.page.evaluate(
        """([address, draft]) => import(address).then(({ drafts }) =>
            drafts.put("door|1", { ...draft, picture: new Blob(["a picture"], { type: "image/jpeg" }) }))""",
        [phone.module("outbox"), draft],
    )
    phone.reopen()
    again = phone.page.evaluate(
        """(address) => import(address).then(async ({ drafts }) => {
            const { picture, ...rest } = await drafts.get("door|1");
            return [rest, picture.type, await picture.text()];
        })""",
        phone.module("outbox"),
    )
    assert again == [draft, "image/jpeg", "a picture"]


# -------------------------------------------------------------------------------------------------- hours and clocks
@pytest.mark.slow
def test_a_hundred_acts_with_pictures_arrive_in_order_and_once_after_eight_hours_and_three_interruptions(
    contexts, own_server
):
    """Behaviour 11."""
    with network(own_server) as proxy:
        phone = with_route(enrolled(contexts, own_server, proxy))
        phone.offline()
        visited = papers(phone, 15)
        done = [deliver(phone, item, pictures=1) for item in visited[:8]]
        phone.page.clock.set_system_time(datetime.now(UTC) + timedelta(hours=8))
        done += [deliver(phone, item, pictures=1) for item in visited[8:]]
        others = [phone.record("noted", [visited[n % 15]["id"]], text=f"Ghi chú {n}") for n in range(70)]
        acts = [event for one in done for event in one.events] + others
        phone.wait(pending=115)

        proxy.start()
        proxy.fault(SYNC, method="POST", cut=True)
        assert send(phone) == 115
        proxy.mend()
        proxy.fault("/api/v1/media/", method="PATCH", cut=True, when=after(7))
        some = send(phone)
        assert 0 < some < 15, "the acts are there, some pictures wait"
        proxy.mend()
        proxy.fault("/api/v1/media/", method="PATCH", portal=True, when=after(4))
        assert 0 < send(phone) < some
        proxy.mend()
        assert send(phone) == 0

        assert_once(own_server, *done)
        noted = rows(own_server, "SELECT id, device_seq FROM shift_event ORDER BY device_seq")
        assert [row["id"] for row in noted] == others
        first = list(dict.fromkeys(sent_events(proxy)))
        assert first == acts, "in the order in which they happened"
        assert rows(own_server, "SELECT ack_through FROM device WHERE number IS NOT NULL") == [{"ack_through": 100}]
        assert len(rows(own_server, "SELECT sha256 FROM media")) == 15
        phone.wait_pending(0)
        phone.says(phone.words("phone.core.all_sent"))


def after(count: int) -> Any:
    """For the request that comes after so many others."""
    passed = []

    def comes(seen: Any) -> bool:
        passed.append(seen)
        return len(passed) > count

    return comes


@pytest.mark.slow
def test_a_phone_whose_clock_is_a_day_fast_is_believed_and_marked(phone, server):
    """Behaviour 12."""
    done = with_a_wrong_clock(phone, timedelta(days=1))
    for event in done.events:
        (row,) = recorded(server, event)
        assert row["clock_trusted"] == 0
        assert row["claimed_at"] - row["received_at"] > 20 * 3600 * 1_000_000
        assert row["occurred_at"] == row["received_at"], "nothing happens after it was heard of"
    assert_once(server, done)


@pytest.mark.slow
def test_a_phone_whose_clock_is_a_day_slow_knows_that_it_is_later_and_still_shows_the_day(phone, server):
    """Behaviour 12."""
    heard = phone.call("db", "recall", "heard_at")
    done = with_a_wrong_clock(phone, timedelta(days=-1))
    expect(phone.page.locator("a.stop").first).to_be_visible()
    for event in done.events:
        (row,) = recorded(server, event)
        assert row["clock_trusted"] == 0
        assert row["occurred_at"] == row["claimed_at"] >= moment(heard)
    assert_once(server, done)


def with_a_wrong_clock(phone: Phone, wrong: timedelta) -> Delivery:
    """A visit after a cold start without a network, on a phone that lost its time."""
    item = papers(phone)[0]
    phone.offline()
    phone.page.clock.set_system_time(datetime.now(UTC) + wrong)
    phone.reopen()
    done = deliver(phone, item)
    phone.online()
    phone.wait_pending(0)
    return done


def moment(text: str) -> int:
    """A moment as the database writes it: microseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.slow
def test_a_clock_that_is_wrong_while_the_server_was_heard_does_no_harm(contexts, server, proxy):
    """Behaviour 12: the time of the act is the server's, plus what has passed since."""
    context = contexts.new(phone=True)
    page = context.new_page()
    page.clock.set_system_time(datetime.now(UTC) - timedelta(hours=2))
    phone = Phone(context, server, proxy, postman_of(server))
    phone.enrol()
    with_route(phone)
    event = phone.record("taken_out", [papers(phone)[0]["id"]])
    phone.wait_pending(0)
    (row,) = recorded(server, event)
    assert row["clock_trusted"] == 1
    assert 0 <= row["received_at"] - row["occurred_at"] < 60_000_000
    assert row["received_at"] - row["claimed_at"] > 3600 * 1_000_000


# -------------------------------------------------------------------------------------------------------- other ways
@pytest.mark.slow
def test_what_cannot_be_sent_is_brought_as_a_file_and_counts_once(phone, proxy, server, contexts, tmp_path):
    """Behaviour 13."""
    phone.offline()
    done = deliver(phone, pictures=1)
    phone.go("/outbox")
    phone.wait(screen="acts")
    phone.page.click("#rescue summary")
    with phone.page.expect_download() as download:
        phone.page.click("#save-rescue")
    file = tmp_path / "rescue.json"
    download.value.save_as(file)
    assert "Lê Văn Tí" not in file.read_text(encoding="utf-8"), "only the server can open it"
    assert phone.call("outbox", "status")["pending"] == 2, "nobody has confirmed anything to the phone"

    office = visit(contexts.new(), server)
    office.sign_in("dispatcher")
    bring(office, file)
    expect(office.page.locator("main")).to_contain_text(phone.words("devices.rescued"))
    assert_once(server, done)
    bring(office, file)
    assert_once(server, done)

    phone.online()
    phone.wait_pending(0)
    assert_once(server, done)
    assert {row["result"] for row in phone.store("outbox")} == {"duplicate"}


def bring(office: Any, file: Path) -> None:
    """Give a rescue file to the dispatcher's page."""
    office.go("/d/phones")
    office.page.set_input_files("#f-file", file)
    office.page.click("form[enctype] button")
    office.page.wait_for_load_state()


@pytest.mark.slow
def test_with_no_page_open_the_worker_sends_when_the_network_is_back(phone, proxy, server):
    """Behaviour 14. The browser's wish to sync is given by hand: headless, it does not watch any network."""
    phone.offline()
    done = deliver(phone)
    tags = "navigator.serviceWorker.ready.then((registration) => registration.sync.getTags())"
    assert phone.page.evaluate(tags) == ["outbox"]
    watcher = phone.context.new_page()
    devtools = phone.context.new_cdp_session(watcher)
    found: list[str] = []
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: found.extend(one["registrationId"] for one in told["registrations"] if not one["isDeleted"]),
    )
    devtools.send("ServiceWorker.enable")
    phone.page.close()
    proxy.start()
    origin = proxy.url
    devtools.send(
        "ServiceWorker.dispatchSyncEvent",
        {"origin": origin, "registrationId": found[-1], "tag": "outbox", "lastChance": False},
    )
    proxy.until(lambda: any(seen.status == 200 for seen in proxy.requests("POST", SYNC)))
    assert_once(server, done)
    phone.page = watcher
    phone.reopen()
    phone.wait_pending(0)
    assert sent_events(proxy) == done.events


# ------------------------------------------------------------------------------------------------------ honest words
@pytest.mark.slow
def test_what_is_unsent_and_when_was_last_sent_stands_above_every_screen(phone):
    """Behaviour 17."""
    phone.record("taken_out", [papers(phone)[0]["id"]])
    phone.wait_pending(0)
    stop = phone.page.locator("a.stop").first.get_attribute("href").removeprefix("#")
    phone.offline()
    deliver(phone)
    phone.page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=25))
    shown = [phone.words("phone.core.unsent", count=2), phone.words("phone.core.sent_minutes", minutes=25)]
    for path in ("/", stop, "/outbox", "/settings"):
        phone.go(path)
        for words in shown:
            expect(phone.page.locator("#sent")).to_contain_text(words)
    phone.call("vault", "lock")
    phone.wait(screen="pin")
    for words in shown:
        expect(phone.page.locator("#sent")).to_contain_text(words)


@pytest.mark.slow
def test_whether_there_is_a_network_is_told_by_requests_and_not_by_the_browser(contexts, server, proxy):
    """Behaviour 18."""
    context = contexts.new(phone=True)
    context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'onLine', { get: () => globalThis.claims ?? true });"
    )
    phone = Phone(context, server, proxy, postman_of(server))
    phone.enrol()
    with_route(phone)
    phone.page.evaluate("globalThis.claims = false; dispatchEvent(new Event('offline'))")
    phone.record("taken_out", [papers(phone)[0]["id"]])
    phone.wait(pending=0, offline=0, flushing=0)
    expect(phone.page.locator("#head .notice")).to_have_count(0)
    phone.page.evaluate("globalThis.claims = true; dispatchEvent(new Event('online'))")
    phone.offline()
    deliver(phone)
    phone.wait(pending=2, offline=1)
    expect(phone.page.locator("#head .notice")).to_have_text(phone.words("phone.core.notice.offline"))


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [False, True])
def test_the_position_is_told_where_it_may_be_and_blocks_nothing(contexts, server, proxy, allowed):
    """Behaviour 36."""
    given = {"permissions": ["geolocation"], "geolocation": {"latitude": 9.0, "longitude": 105.0, "accuracy": 20}}
    phone = with_route(enrolled(contexts, server, proxy, **(given if allowed else {})))
    if allowed:
        phone.page.wait_for_function(
            "(address) => import(address).then(({ lastFix }) => lastFix() !== null)", arg=phone.module("outbox")
        )
    done = deliver(phone)
    phone.wait_pending(0)
    assert_once(server, done)
    position = recorded(server, done.events[0])[0]["position"]
    assert ('"lat":9.0' in position.replace(" ", "").replace('"lat":9,', '"lat":9.0,')) if allowed else position is None
