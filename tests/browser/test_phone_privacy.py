"""What stands on a phone that changes hands, is lost or is read by somebody else; and that it speaks to nobody but the office."""

import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import expect

from tests.browser.phone import (
    Phone,
    assert_once,
    cash_of,
    deliver,
    enrolled,
    network,
    papers,
    postman_of,
    recorded,
    sent_events,
    set_aside,
    with_route,
)
from tests.browser.walk import visit

SYNC = "/api/v1/sync"
STORES = ("meta", "bags", "drafts", "outbox", "media", "bytes", "acts")


@pytest.fixture
def proxy(server):
    """The network between the phone and a server that stays as it is."""
    with network(server) as made:
        yield made


@pytest.fixture
def phone(contexts, server, proxy) -> Phone:
    """A phone with its route, ready to work."""
    return with_route(enrolled(contexts, server, proxy))


# -------------------------------------------------------------------------------------------------- what can be read
# Which of the words stand anywhere in the memory: as text, in bytes, or in bytes written as text.
FIND = """async ([stores, words]) => {
    const ended = (request) => new Promise((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error);
    });
    const kinds = ["utf-8", "latin1"].map((kind) => new TextDecoder(kind));
    const texts = [];
    const read = (value) => {
        if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) texts.push(...kinds.map((kind) => kind.decode(value)));
        else if (value !== null && typeof value === "object") Object.values(value).forEach(read);
        else {
            texts.push(String(value));
            if (/^[\\w-]{8,}$/.test(value)) {
                try {
                    read(Uint8Array.from(atob(value.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0)));
                } catch {
                    // No bytes written as text.
                }
            }
        }
    };
    const memory = await ended(indexedDB.open("buuta"));
    for (const name of stores) {
        read(await ended(memory.transaction(name).objectStore(name).getAll()));
        read(await ended(memory.transaction(name).objectStore(name).getAllKeys()));
    }
    memory.close();
    read(Object.entries(localStorage).flat());
    return words.filter((word) => texts.some((text) => text.includes(word)));
}"""


@pytest.mark.slow
def test_nothing_of_doors_and_people_can_be_read_from_the_phones_memory(phone):
    """Behaviour 41."""
    phone.offline()
    item = papers(phone)[0]
    stop = phone.call("bag", "today")["stops"][0]
    deliver(phone, item, pictures=1)
    phone.call("outbox", "drafts.put", "door|1", {"name": "Trần Thị Bé"})
    secrets = [
        "Lê Văn Tí",
        "Trần Thị Bé",
        item["id"],
        item["recipient"],
        item["barcode"],
        stop["address"],
        "JFIF",
        "handed_over",
    ]
    assert phone.page.evaluate(FIND, [STORES, secrets]) == []
    phone.page.evaluate(
        "([address, bytes]) => import(address).then(({ remember }) => remember('left', { deep: [new TextEncoder().encode(bytes)] }))",
        [phone.module("db"), "… Lê Văn Tí …"],
    )
    assert phone.page.evaluate(FIND, [STORES, secrets]) == ["Lê Văn Tí"], "it would have been found"


@pytest.mark.slow
def test_the_worker_keeps_the_app_and_no_answer_of_the_server(phone):
    """Behaviour 40."""
    deliver(phone, pictures=1)
    phone.wait_pending(0)
    kept = phone.page.evaluate(
        """async () => {
            const caught = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
            return caught.flat().map(({ url }) => new URL(url).pathname);
        }"""
    )
    build = phone.page.locator("body").get_attribute("data-build")
    assert f"/phone/{build}/outbox.js" in kept
    assert [path for path in kept if not path.startswith(("/phone", "/static/", "/sketch.json"))] == []


# ------------------------------------------------------------------------------------------------------- signing out
@pytest.mark.slow
def test_signing_out_is_refused_while_something_is_unsent_and_then_leaves_nothing(phone, proxy, server):
    """Behaviour 42."""
    name = phone.call("outbox", "me")["staff"]["name"]
    (cookie,) = phone.context.cookies()
    phone.offline()
    done = deliver(phone)
    phone.go("/settings")
    phone.page.click("#sign-out")
    expect(phone.page.locator("#told")).to_have_text(phone.words("phone.core.settings.unsent", count=2))
    phone.online()
    phone.wait_pending(0)
    phone.offline()
    phone.page.click("#sign-out")
    expect(phone.page.locator("#told")).to_have_text(phone.words("phone.core.settings.no_server"))
    assert phone.call("outbox", "me")["staff"]["name"] == name, "nothing is lost by trying"
    proxy.start()
    phone.page.click("#sign-out")
    phone.wait(state="sign-in", screen="sign-in")
    assert_once(server, done)
    assert [phone.store(store) for store in STORES] == [[]] * len(STORES)
    assert phone.context.cookies() == []
    assert phone.page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]") == []
    assert phone.page.evaluate(FIND, [STORES, [name]]) == []
    asked = urllib.request.Request(f"{server.url}/api/v1/me", headers={"Cookie": f"{cookie['name']}={cookie['value']}"})
    with pytest.raises(HTTPError, match="401"):
        urllib.request.urlopen(asked)


# ------------------------------------------------------------------------------------------------------ another bearer
@pytest.mark.slow
def test_a_second_bearer_neither_sees_nor_sends_what_the_first_one_saved(phone, proxy, server):
    """Behaviour 43."""
    first, second = phone.account, postman_of(server, 1)
    first_id = phone.call("outbox", "me")["staff"]["id"]
    phone.offline()
    done = deliver(phone)
    proxy.start()
    proxy.fault(SYNC, method="POST", status=503)
    phone.call("vault", "lock")
    take_the_phone(phone, second)
    phone.choose_pin()
    phone.says(phone.words("phone.core.notice.others", count=2))
    phone.wait(pending=0)
    phone.go("/outbox")
    phone.says(phone.words("phone.core.outbox.empty"))
    assert phone.call("outbox", "acts") == []

    proxy.mend()
    proxy.seen.clear()
    phone.go("/")
    with_route(phone)
    own = deliver(phone)
    assert phone.call("outbox", "flush", {"why": "user"}) == {"ok": True, "left": 0}
    assert sent_events(proxy) == own.events
    assert_once(server, own)
    assert not any(recorded(server, event) for event in done.events)
    phone.go("/settings")
    phone.page.click("#sign-out")
    phone.wait(state="sign-in", screen="sign-in")

    phone.sign_in(first)
    phone.unlock()
    phone.wait_pending(0)
    assert_once(server, done)
    assert {row["actor_id"] for event in done.events for row in recorded(server, event)} == {first_id}


def take_the_phone(phone: Phone, account: dict[str, Any]) -> None:
    """Sign in although somebody else's PIN is set."""
    phone.wait(screen="pin")
    phone.page.get_by_role("button", name=phone.words("phone.core.pin.other")).click()
    phone.wait(screen="sign-in")
    phone.sign_in(account)


@pytest.mark.slow
def test_who_signs_in_on_another_page_of_the_browser_sends_nothing_of_the_bearers(phone, proxy, server):
    """Behaviour 43."""
    phone.offline()
    done = deliver(phone)
    other = visit(phone.context, server)
    other.sign_in("postman", number=1)
    phone.page.bring_to_front()
    phone.online()
    notice = phone.page.locator("a.notice[href='#/sign-in']")
    notice.wait_for()
    assert sent_events(proxy) == []
    notice.click()
    phone.wait(screen="sign-in")
    phone.sign_in()
    phone.wait(screen="list", pending=0)
    assert_once(server, done)


@pytest.mark.slow
def test_a_revoked_phone_gives_up_the_route_and_what_it_still_knew_is_set_aside_once(contexts, own_server):
    with network(own_server) as proxy:
        phone = with_route(enrolled(contexts, own_server, proxy))
        device = phone.call("outbox", "me")["device_id"]
        phone.offline()
        done = deliver(phone, pictures=1)
        phone.call("outbox", "drafts.put", "door|1", {"name": "Trần Thị Bé"})
        office = visit(contexts.new(), own_server)
        office.sign_in("dispatcher")
        headers = {"Origin": own_server.url, "X-Requested-With": "test"}
        revoked = office.page.request.delete(f"{own_server.url}/api/v1/devices/{device}", headers=headers)
        assert revoked.status == 204

        lost = proxy.fault(SYNC, method="POST", cut=True, times=1)
        phone.online()
        phone.wait(screen="revoked")
        phone.says(phone.words("phone.core.notice.revoked"))
        phone.call("outbox", "flush", {"why": "user"})
        phone.wait_pending(0)
        assert lost.times == 0
        phone.says(phone.words("phone.core.revoked.sent"))
        kept = set_aside(own_server)
        assert sorted(row["event_id"] for row in kept) == sorted(done.events)
        assert {row["code"] for row in kept} == {"device-revoked"}
        assert [recorded(own_server, event) for event in done.events] == [[], []]
        assert cash_of(own_server, done.events[1]) == 0, "a person decides first"
        phone.go("/outbox")
        phone.says(phone.words("quarantine.device-revoked"))
        assert [phone.store(name) for name in ("bags", "drafts", "acts", "bytes")] == [[]] * 4
        phone.reopen()
        phone.wait(screen="revoked")


# ------------------------------------------------------------------------------------------------------ nobody else
@pytest.mark.slow
def test_the_app_speaks_to_the_office_alone_and_has_nothing_to_complain_of(contexts, server, proxy):
    """Behaviour 44."""
    context = contexts.new(phone=True)
    asked: list[str] = []
    errors: list[tuple[str, str]] = []
    policies: dict[str, str] = {}
    context.on("request", lambda request: asked.append(request.url))
    context.on(
        "console",
        lambda message: (
            errors.append((message.text, message.location["url"])) if message.type in ("error", "warning") else None
        ),
    )
    context.on(
        "response",
        lambda answer: (
            policies.update({answer.url: answer.headers["content-security-policy"]})
            if "content-security-policy" in answer.headers
            else None
        ),
    )
    phone = Phone(context, server, proxy, postman_of(server))
    phone.enrol()
    with_route(phone)
    deliver(phone, pictures=1)
    phone.wait_pending(0)
    stop = phone.page.locator("a.stop").first.get_attribute("href")
    for path in (stop.removeprefix("#"), "/outbox", "/settings", "/sign-in", "/"):
        phone.go(path)
    phone.reopen()
    assert {url.split("/")[2] for url in asked if not url.startswith(("blob:", "data:"))} == {proxy.url.split("/")[2]}
    [(text, url)] = errors
    assert ("401" in text, url) == (True, f"{proxy.url}/api/v1/me"), "before anybody signed in it asks who is there"
    assert f"{proxy.url}/phone" in policies
    assert "script-src 'self'" in policies[f"{proxy.url}/phone"]
    assert [url for url, policy in policies.items() if "unsafe" in policy or "*" in policy] == []
