"""A new version of the app: it comes whole or not at all, waits for half-filled forms, and loses nothing that an older one saved."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, Server
from tests.browser.phone import Phone, assert_once, deliver, postman_of

# The stores as the first released version made them, with their keys. Never changed: a later version must still read them.
FIRST_STORES = {
    "meta": None,
    "bags": None,
    "drafts": None,
    "outbox": "event_id",
    "media": "sha256",
    "bytes": None,
    "acts": "event_id",
}


def release(server: Server, folder: Path) -> None:
    """Start the server anew with another build of the app: one of its files has changed."""
    server.stop()
    shutil.copytree(ROOT / "data", folder)
    with (folder / "gazetteer" / "map.json").open("a") as sketch:
        sketch.write("\n")
    server.settings["COURIER_DATA_DIR"] = str(folder)
    server.start()


def look_for_a_new_build(phone: Phone) -> None:
    """As whenever the app is taken up again."""
    phone.page.evaluate("() => { document.dispatchEvent(new Event('visibilitychange')); }")


def build_of(phone: Phone) -> str:
    return str(phone.page.locator("body").get_attribute("data-build"))


@pytest.mark.slow
def test_a_new_version_waits_for_a_half_filled_form_and_takes_nothing_away(phone, own_server, proxy, tmp_path):
    """Behaviours 15 and 38: also the new server takes what the old app saved."""
    old = build_of(phone)
    phone.offline()
    done = deliver(phone)
    phone.call("outbox", "drafts.put", "door|1", {"name": "Trần Thị Bé"})
    phone.go("/settings")
    phone.page.click("details summary")
    phone.page.fill("#old", "1357")
    release(own_server, tmp_path / "data")
    phone.online()
    phone.wait_pending(0)
    look_for_a_new_build(phone)
    phone.wait(update="waiting")
    assert_once(own_server, done)
    expect(phone.page.locator("#old")).to_have_value("1357")
    assert (phone.screen(), build_of(phone)) == ("settings", old)

    phone.go("/")
    phone.wait(screen="list")
    # A browser takes its time to let the old worker go.
    expect(phone.page.locator("body[data-update='ready']")).to_be_attached(timeout=60_000)
    assert build_of(phone) == old, "the page itself stays until its bearer says so"
    phone.page.click("button.notice")
    phone.unlock()
    assert build_of(phone) != old
    assert phone.call("outbox", "drafts.get", "door|1") == {"name": "Trần Thị Bé"}
    assert [row["state"] for row in phone.store("outbox")] == ["sent", "sent"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"portal": True}, {"status": 503, "plain": True}, {"cut": True}], ids=str)
def test_a_new_version_that_does_not_come_whole_is_not_taken(phone, own_server, proxy, tmp_path, how):
    """Behaviour 39."""
    old = build_of(phone)
    release(own_server, tmp_path / "data")
    proxy.fault("/phone/", when=lambda seen: seen.path.endswith("/list.js"), **how)
    became = phone.page.evaluate(
        """async () => {
            const registration = await navigator.serviceWorker.getRegistration();
            const ended = new Promise((done) => registration.addEventListener("updatefound", () => {
                const coming = registration.installing;
                coming.addEventListener("statechange", () => done(coming.state));
            }));
            registration.update().catch(() => {});
            return [await ended, registration.waiting, await caches.keys()];
        }"""
    )
    assert became == ["redundant", None, [f"phone-{old}"]]
    phone.offline()
    own_server.stop()
    phone.reopen()
    assert build_of(phone) == old
    expect(phone.page.locator("a.stop").first).to_be_visible()


@pytest.mark.slow
def test_a_full_outbox_that_the_first_version_left_is_read_and_sent(phone, own_server, proxy):
    """Behaviour 15."""
    phone.offline()
    done = deliver(phone, pictures=1)
    phone.call("outbox", "drafts.put", "door|1", {"name": "Trần Thị Bé"})
    proxy.start()
    phone.page.goto(f"{proxy.url}/static/icon.svg")
    moved = phone.page.evaluate(MAKE_ANEW, FIRST_STORES)
    assert moved["outbox"] == 2
    assert moved["bytes"] == moved["drafts"] == 1
    phone.reopen()
    phone.wait_pending(0)
    assert_once(own_server, done)
    assert phone.call("outbox", "drafts.get", "door|1") == {"name": "Trần Thị Bé"}


# Takes all rows out of the memory, makes it anew as the first version did, and puts them back. Counts them.
MAKE_ANEW = """async (stores) => {
    const ended = (request) => new Promise((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error);
    });
    const rows = {};
    const found = await ended(indexedDB.open("buuta"));
    for (const name of Object.keys(stores)) {
        const store = found.transaction(name).objectStore(name);
        const [keys, values] = [ended(store.getAllKeys()), ended(store.getAll())];
        rows[name] = [await keys, await values];
    }
    found.close();
    await ended(indexedDB.deleteDatabase("buuta"));
    const request = indexedDB.open("buuta", 1);
    request.onupgradeneeded = () => {
        for (const [name, keyPath] of Object.entries(stores)) request.result.createObjectStore(name, { keyPath });
    };
    const made = await ended(request);
    const writing = made.transaction(Object.keys(stores), "readwrite");
    for (const [name, [keys, values]] of Object.entries(rows)) {
        values.forEach((value, at) => writing.objectStore(name).put(value, stores[name] ? undefined : keys[at]));
    }
    await new Promise((done) => { writing.oncomplete = done; });
    made.close();
    return Object.fromEntries(Object.entries(rows).map(([name, [keys]]) => [name, keys.length]));
}"""


@pytest.mark.slow
def test_a_page_left_open_while_a_newer_version_took_the_memory_says_so_and_saves_nothing(phone, proxy):
    newer = phone.context.new_page()
    newer.goto(f"{proxy.url}/static/icon.svg")
    newer.evaluate(
        """() => new Promise((done, failed) => {
            const request = indexedDB.open("buuta", 1000);
            request.onsuccess = () => done();
            request.onerror = () => failed(request.error);
        })"""
    )
    phone.wait(update="outdated")
    phone.says(phone.words("phone.core.notice.outdated"))
    fault = phone.page.evaluate(
        """async (address) => {
            const { newId, record } = await import(address);
            try { await record({ event_id: newId(), type: "broke_down", items: [], data: {} }); } catch (fault) { return fault.name; }
        }""",
        phone.module("outbox"),
    )
    assert fault == "NotSaved"


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [{"status": 503, "plain": True}, {"portal": True}], ids=["a gateway", "a portal"])
def test_an_offline_half_that_did_not_come_at_first_comes_with_the_network(trouble, contexts, own_server, proxy):
    phone = Phone(contexts.new(phone=True), own_server, proxy, postman_of(own_server))
    proxy.fault("/phone/sw.js", **trouble)
    phone.open()
    phone.wait(state="sign-in", worker=0)
    proxy.until(lambda: bool(proxy.requests("GET", "/phone/sw.js")))
    phone.sign_in()
    phone.choose_pin()
    proxy.mend()
    look_for_a_new_build(phone)
    phone.wait_worker()
    phone.offline()
    phone.reopen()
