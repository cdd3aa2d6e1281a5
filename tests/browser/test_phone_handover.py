"""A handover on the phone: who received, what was shown and handed in, what was taken, and how it stands on the server."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import select
from uuid_utils.compat import uuid7

from courier.settings import load_secrets
from courier.store import digests, envelopes, items, links, sealing
from courier.store.session import open_database
from courier.store.tables import Item, Plan
from tests.browser.camera import a_photo, deny_camera, show_code, with_camera
from tests.browser.conftest import Server
from tests.browser.phone import OFFICE, Phone, pretty, rows
from tests.browser.test_phone_fit import FOUND
from tests.browser.walk import visit

SIGNATURE = [(0.2, 0.5), (0.3, 0.3), (0.4, 0.7), (0.5, 0.3), (0.6, 0.7), (0.8, 0.4)]


Fits = Callable[[dict[str, Any], list[dict[str, Any]]], bool]


@pytest.fixture
def enrol(contexts, own_server, proxy) -> Callable[..., Phone]:
    """`enrol(fits, **options)`: a phone with a camera and today's route, of the first postman who has such a stop."""

    def enrolled(fits: Fits | None = None, **options: Any) -> Phone:
        accounts = [row for row in own_server.sign_ins() if row["role"] == "postman" and row["office"] == OFFICE]
        for account in accounts:
            made = Phone(with_camera(contexts.new(phone=True, **options)), own_server, proxy, account)
            made.enrol()
            made.call("bag", "load")
            if fits is None or next(stops_of(made, fits), None):
                return made
        raise AssertionError(f"none of {len(accounts)} routes has such a stop")

    return enrolled


@pytest.fixture
def phone(enrol) -> Phone:
    """A phone that is ready to work."""
    return enrol(plain)


@pytest.fixture
def with_papers(own_server, monkeypatch) -> dict[str, Any]:
    """The worker has made the digests of today's routes, with fewer rounds. ID numbers and codes by item."""
    monkeypatch.setattr(digests, "ROUNDS", 2_000)
    secrets = load_secrets(own_server.var_dir)
    database = open_database(f"sqlite:///{own_server.var_dir / 'courier.db'}")
    with database.write() as session:
        numbers, codes = {}, {}
        for plan in session.scalars(select(Plan).where(Plan.state == "published")):
            made = [digests.make(wish, secrets) for wish in digests.wanted(session, plan.id, most=10_000)]
            digests.store(session, made)
            items.bump_bags(session, {one.item_id for one in made})
            codes |= {
                str(one.item_id): links.recipient_code(secrets, one.item_id, plan.day)
                for one in made
                if one.kind == digests.CODE
            }
        for item in session.scalars(select(Item).where(Item.id_number_sealed.is_not(None))):
            numbers[str(item.id)] = sealing.unseal(item.id_number_sealed, row=item.id, secrets=secrets)
    database.close()
    return {"numbers": numbers, "codes": codes}


# ------------------------------------------------------------------------------------------------------- at the door
def stops_of(phone: Phone, fits: Fits) -> Iterator[dict[str, Any]]:
    """The stops of the day whose one item, or whose items, are of the wanted kind: `fits(rule of the first, items)`."""
    day = phone.call("bag", "today")
    for stop in day["stops"]:
        results = [item for item in stop["items"] if item["direction"] == "result"]
        if results and len(results) == len(stop["items"]) and fits(day["rules"][results[0]["rule"]], results):
            yield stop


def a_stop(phone: Phone, fits: Fits) -> dict[str, Any]:
    """The first of them."""
    found = next(stops_of(phone, fits), None)
    assert found is not None, "no such stop on this route"
    return found


def plain(rule: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """One item for its owner, with money to take and nothing to hand in."""
    return len(found) == 1 and bool(found[0]["charges"]) and not rule["surrender"] and "owner" in rule["persons"]


def with_digest(rule: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """As `plain`, and the phone can compare the owner's number."""
    return plain(rule, found) and "id" in found[0]["digests"]


def several(_rule: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """More than one item."""
    return len(found) > 1


def several_with_papers(rule: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """More than one item, with old papers to hand in."""
    return several(rule, found) and bool(rule["surrender"])


def one_with_a_paper(rule: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """One item that goes against an old paper only."""
    return len(found) == 1 and any(paper["when"] == "always" for paper in rule["surrender"])


def open_door(phone: Phone, stop: dict[str, Any]) -> None:
    """The screen of the handover."""
    phone.go(f"/handover/{stop['id']}")
    phone.wait(screen="handover")


def part(phone: Phone, name: str) -> Locator:
    """A part of the form by the id of its title."""
    return phone.page.locator(f"section[aria-labelledby='{name}-title']")


def look(phone: Phone, check: str) -> None:
    """Compare the paper by eye."""
    by_eye = part(phone, "id").locator(f"input[value='{check}']")
    if not by_eye.is_visible():
        part(phone, "id").locator("details summary").click()
    by_eye.check()


def sign(phone: Phone) -> None:
    """A finger on the glass."""
    sheet = phone.page.locator("canvas.pad")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(SIGNATURE):
        phone.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            phone.page.mouse.down()
    phone.page.mouse.up()
    expect(phone.page.locator(".sign")).to_have_attribute("data-sign", "signed")


def photograph(phone: Phone) -> None:
    """Take the photo."""
    picture = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": a_photo(2000, 1500)}
    phone.page.locator(".photo input").set_input_files(picture)
    expect(phone.page.locator(".photo")).to_have_attribute("data-photo", "taken")


def somebody_else(phone: Phone, relation: str, *, name: str, why: str = "") -> None:
    """Whoever receives for the owner."""
    others = phone.page.locator("#others")
    if others.get_attribute("open") is None:
        others.locator("summary").click()
    phone.page.check(f"input[name=relation][value={relation}]")
    phone.page.fill("#receiver", name)
    if why:
        phone.page.fill("#why", why)


def save(phone: Phone) -> None:
    """Save, and be back on the list."""
    phone.page.click("#save")
    phone.wait(screen="list")


def objections(phone: Phone) -> set[str]:
    """Try to save and read the codes of the rules that object."""
    phone.page.click("#save")
    expect(phone.page.locator("#record-anyway")).to_be_visible()
    return {str(line.get_attribute("data-code")) for line in phone.page.locator("li[data-code]").all()}


def kept(phone: Phone) -> None:
    """Until the draft is on the disk."""
    expect(phone.page.locator(".handover[data-draft='kept']")).to_be_attached()


# --------------------------------------------------------------------------------------------- the server's own word
def handovers(server: Server) -> list[dict[str, Any]]:
    """The handovers that the server knows."""
    return [
        row | {"data": json.loads(row["data"])}
        for row in rows(server, "SELECT * FROM event WHERE type = 'handed_over'")
    ]


def the_handover(phone: Phone) -> dict[str, Any]:
    """The one handover, after everything was sent."""
    phone.wait_pending(0)
    [row] = handovers(phone.server)
    return row


def incidents(server: Server) -> set[str]:
    """What the server objects to."""
    return {row["code"] for row in rows(server, "SELECT code FROM incident WHERE closed_at IS NULL")}


def cash(server: Server) -> int:
    """The notes in postmen's pockets, by the ledger."""
    [row] = rows(server, "SELECT COALESCE(SUM(amount_dong), 0) AS dong FROM ledger_entry WHERE account LIKE 'cash:%'")
    return int(row["dong"])


def picture(server: Server, digest: str) -> bytes:
    """A picture that the server has, opened with its key."""
    assert len(rows(server, "SELECT * FROM media WHERE sha256 = ?", digest)) == 1
    sealed = (server.var_dir / "media" / digest[:2] / digest).read_bytes()
    key = envelopes.sealing_key(load_secrets(server.var_dir))
    return envelopes.unseal(envelopes.Envelope.of_bytes(sealed), key, bound_to=envelopes.medium_label(digest))


# ---------------------------------------------------------------------------------------------------------- the tests
def test_the_ordinary_handover_takes_four_taps_and_a_signature(phone, own_server):
    """Behaviours 9, 24 and 35: the row, the sealed signature and the money stand on the server."""
    stop = a_stop(phone, plain)
    [item] = stop["items"]
    due = sum(charge["amount_dong"] for charge in item["charges"])
    before = cash(own_server)
    phone.page.evaluate(
        "() => { window.taps = 0; addEventListener('pointerdown', ({ target }) => { window.taps += !target.closest('canvas'); }, true); }"
    )
    phone.page.locator(f"a.stop[href='#/stop/{stop['id']}']").tap()
    phone.wait(screen="stop")
    phone.page.locator("#hand-over").tap()
    phone.wait(screen="handover")
    sign(phone)
    part(phone, "id").locator("label", has_text=phone.words("id_check.match")).tap()
    phone.page.locator("#save").tap()
    phone.wait(screen="list")
    assert phone.page.evaluate("window.taps") == 4
    expect(phone.page.locator("#saved-note")).to_contain_text(item["recipient"])

    row = the_handover(phone)
    data = row["data"]
    assert data["receiver"] == {"name": item["recipient"], "relation": "owner", "id_check": "match", "id_last4": None}
    assert {(line["charge"], line["amount_dong"], line["method"]) for line in data["collections"]} == {
        (charge["id"], charge["amount_dong"], "cash") for charge in item["charges"]
    }
    assert data["receipt"].startswith("BT-")
    assert row["result"] == "applied", incidents(own_server)
    [proof] = data["proofs"]
    assert proof["kind"] == "signature"
    signature = picture(own_server, proof["sha256"])
    assert sha256(signature).hexdigest() == proof["sha256"]
    assert signature.startswith(b"\x89PNG")
    assert cash(own_server) == before + due
    assert incidents(own_server) == set()
    assert len(rows(own_server, "SELECT * FROM event WHERE type = 'taken_out'")) == 1


@pytest.mark.slow
def test_a_handover_at_a_door_that_was_called_off_meanwhile_stands_and_the_office_sees_the_conflict(
    phone, own_server, contexts
):
    """Behaviour 21."""
    stop = a_stop(phone, plain)
    [item] = stop["items"]
    phone.offline()
    office = visit(contexts.new(), own_server)
    office.sign_in("dispatcher")
    called_off = office.page.request.post(
        f"{own_server.url}/api/v1/items/{item['id']}/events",
        data={"event_id": str(uuid7()), "type": "cancelled"},
        headers={"X-Requested-With": "fetch", "Origin": own_server.url},
    )
    assert called_off.status == 201, called_off.text()
    before = cash(own_server)
    open_door(phone, stop)
    sign(phone)
    look(phone, "match")
    save(phone)
    phone.online()
    the_handover(phone)
    assert rows(own_server, "SELECT state FROM item WHERE barcode = ?", item["barcode"]) == [{"state": "delivered"}]
    assert cash(own_server) - before == sum(charge["amount_dong"] for charge in item["charges"])
    office.go("/d/incidents")
    shown = office.page.locator("section.card", has_text=item["barcode"])
    expect(shown.first).to_contain_text(phone.words("incident.overtaken-by-fact"))


@pytest.mark.slow
def test_a_form_that_is_half_filled_survives_the_app_being_closed(phone, own_server):
    """Behaviours 10 and 35: name, cash, strokes and photo, without a network; and less than what is due needs a reason."""
    stop = a_stop(phone, plain)
    charge = stop["items"][0]["charges"][0]
    taken = charge["amount_dong"] - 5_000
    due = sum(line["amount_dong"] for line in stop["items"][0]["charges"])
    before = cash(own_server)
    phone.offline()
    open_door(phone, stop)
    somebody_else(phone, "authorised", name="Lê Thị Bé", why="đi biển")
    look(phone, "match")
    phone.page.fill("#id-last4", "4321")
    sign(phone)
    photograph(phone)
    amount = phone.page.locator(f"#amount-{charge['id']}")
    phone.page.locator("#pocket details", has=amount).locator("summary").click()
    amount.fill(str(taken))
    phone.page.click("#save")
    phone.says(phone.words("phone.money.reason_missing"))
    assert phone.screen() == "handover"
    phone.page.check("#money-reason-cannot_pay_all")
    kept(phone)
    phone.reopen()
    open_door(phone, stop)
    expect(phone.page.locator("#receiver")).to_have_value("Lê Thị Bé")
    expect(phone.page.locator("#why")).to_have_value("đi biển")
    expect(phone.page.locator(".sign")).to_have_attribute("data-sign", "signed")
    expect(phone.page.locator(".photo")).to_have_attribute("data-photo", "taken")
    expect(amount).to_have_value(f"{taken:,}".replace(",", "."))
    assert objections(phone) == {"underpaid"}
    phone.page.click("#record-anyway")
    phone.wait(screen="list")
    assert phone.store("drafts") == []
    phone.online()
    data = the_handover(phone)["data"]
    assert data["receiver"] == {"name": "Lê Thị Bé", "relation": "authorised", "id_check": "match", "id_last4": "4321"}
    assert data["why_another"] == "đi biển"
    found = {proof["kind"]: picture(own_server, proof["sha256"]) for proof in data["proofs"]}
    assert found["signature"].startswith(b"\x89PNG")
    assert found["photo_place"].startswith(b"\xff\xd8\xff")
    assert b"Camera of Nguyen" not in found["photo_place"]
    assert data["money_reason"] == "cannot_pay_all"
    assert cash(own_server) == before + due - 5_000
    assert incidents(own_server) == {"underpaid"}


@pytest.mark.slow
def test_three_taps_are_one_act(phone, own_server):
    """Behaviour 4."""
    stop = a_stop(phone, plain)
    open_door(phone, stop)
    look(phone, "match")
    sign(phone)
    phone.page.evaluate(
        "() => { const save = document.getElementById('save'); save.click(); save.click(); save.click(); }"
    )
    phone.wait(screen="list")
    expect(phone.page.locator("#saved-note")).to_contain_text("BT-")
    assert the_handover(phone)["result"] == "applied"
    assert len(phone.store("outbox")) == 2  # into the bag, and out of it


@pytest.mark.slow
@pytest.mark.parametrize("way", ["scanned", "typed"])
def test_the_owners_card_is_compared_here_and_only_four_digits_leave(way, phone, with_papers, own_server):
    """Behaviours 32 and 33: the same result by camera and by hand, and the number stays nowhere."""
    phone.call("bag", "load")
    stop = a_stop(phone, with_digest)
    [item] = stop["items"]
    number = with_papers["numbers"][item["id"]]
    open_door(phone, stop)
    ids = part(phone, "id")
    if way == "scanned":
        ids.locator(".scan button").first.click()
        show_code(phone.page, f"{number}|201234567|{item['recipient'].upper()}|01011980|Nam|Ấp 1, xã Cái Nước|01012022")
    else:
        deny_camera(phone.page)
        ids.locator(".scan button").first.click()
        expect(ids.locator(".scan")).to_contain_text(phone.words("phone.scan.denied"))
        phone.page.fill("#id-number", number[:11])
        ids.locator("form button").click()
        expect(ids).to_contain_text(phone.words("phone.handover.id_twelve"))
        phone.page.fill("#id-number", f"{number[:3]} {number[3:6]} {number[6:]}")
    expect(ids).to_have_attribute("data-check", "match")
    sign(phone)
    kept(phone)
    draft = phone.call("outbox", "drafts.get", f"handover|{stop['id']}")
    assert number not in json.dumps(draft)
    save(phone)
    row = the_handover(phone)
    assert row["data"]["receiver"]["id_check"] == "match"
    assert row["data"]["receiver"]["id_last4"] == number[-4:]
    assert row["data"]["id_checked_by"] == {"scanned": "scan", "typed": "typed"}[way]
    assert incidents(own_server) == set()
    assert number not in json.dumps(row["data"])
    assert number not in json.dumps(phone.call("outbox", "acts"))


@pytest.mark.slow
def test_a_card_of_somebody_else_leads_to_receiving_for_the_owner(phone, with_papers, own_server):
    """Behaviour 33: relation and reason."""
    phone.call("bag", "load")
    stop = a_stop(phone, with_digest)
    open_door(phone, stop)
    ids = part(phone, "id")
    ids.locator(".scan button").first.click()
    show_code(phone.page, "https://example.invalid/menu")
    expect(ids).to_contain_text(phone.words("phone.handover.no_card"))
    show_code(phone.page, "096199000011||PHAN THỊ THỬ|02021990|Nữ|Ấp 2")
    expect(ids).to_have_attribute("data-check", "mismatch")
    sign(phone)
    assert "id-mismatch" in objections(phone)
    phone.page.click("#correct")
    phone.page.click("#proxy")
    phone.page.check("input[name=relation][value=authorised]")
    ids.locator(".scan button").first.click()
    expect(phone.page.locator("#receiver")).to_have_value("PHAN THỊ THỬ")
    expect(phone.page.locator("#id-last4")).to_have_value("0011")
    look(phone, "match")
    assert objections(phone) == {"no-reason-for-another"}
    phone.page.click("#correct")
    phone.page.get_by_role("button", name=phone.words("phone.handover.why_not.away")).click()
    save(phone)
    data = the_handover(phone)["data"]
    assert data["receiver"] == {
        "name": "PHAN THỊ THỬ",
        "relation": "authorised",
        "id_check": "match",
        "id_last4": "0011",
    }
    assert data["why_another"] == phone.words("phone.handover.why_not.away")
    assert incidents(own_server) == set()


@pytest.mark.slow
def test_what_the_rules_say_before_is_what_the_server_says_after(enrol, own_server):
    """Which rule objects is said, nothing is recorded until it is decided, and the truth can be recorded anyway."""
    phone = enrol(one_with_a_paper)
    stop = a_stop(phone, one_with_a_paper)
    open_door(phone, stop)
    somebody_else(phone, "other", name="Người Lạ", why="hàng xóm")
    look(phone, "mismatch")
    found = objections(phone)
    assert found == {"receiver-not-allowed", "id-mismatch", "surrender-missing", "proof-missing"}
    expect(phone.page.locator("#failed")).to_have_attribute("href", f"#/failed/{stop['id']}")
    assert phone.store("outbox") == []
    phone.page.click("#correct")
    expect(phone.page.locator("#receiver")).to_have_value("Người Lạ")
    part(phone, "surrender").locator("input[value='giay_hen']").check()
    assert objections(phone) == found - {"surrender-missing"}
    phone.page.click("#record-anyway")
    phone.wait(screen="list")
    row = the_handover(phone)
    assert row["data"]["surrendered"] == ["giay_hen"]
    assert incidents(own_server) == found - {"surrender-missing"}


@pytest.mark.slow
def test_whoever_cannot_sign_is_explained_and_photographed(phone, own_server):
    stop = a_stop(phone, plain)
    open_door(phone, stop)
    look(phone, "match")
    part(phone, "proofs").locator("summary").click()
    phone.page.check("input[name=unable]")
    assert objections(phone) == {"proof-missing", "unable-unproven"}
    phone.page.click("#correct")
    phone.page.fill("#unable-why", "gãy tay, con gái làm chứng")
    photograph(phone)
    assert objections(phone) == {"proof-missing"}
    phone.page.click("#record-anyway")
    phone.wait(screen="list")
    data = the_handover(phone)["data"]
    assert data["unable_to_sign"] == "gãy tay, con gái làm chứng"
    [proof] = data["proofs"]
    assert proof["kind"] == "photo"
    assert sha256(picture(own_server, proof["sha256"])).hexdigest() == proof["sha256"]
    assert incidents(own_server) == {"proof-missing"}


@pytest.mark.slow
def test_a_signature_on_the_paper_slip_is_one(phone, own_server):
    stop = a_stop(phone, plain)
    open_door(phone, stop)
    look(phone, "match")
    part(phone, "proofs").locator("summary").click()
    phone.page.check("input[name=paper_slip]")
    save(phone)
    assert the_handover(phone)["data"]["proofs"] == [{"kind": "paper_signature", "sha256": None}]
    assert incidents(own_server) == set()


@pytest.mark.slow
def test_some_of_a_doors_items_are_handed_over_and_the_rest_stays_to_do(enrol, own_server):
    phone = enrol(several)
    stop = a_stop(phone, several)
    first, second = stop["items"][:2]
    open_door(phone, stop)
    for item in stop["items"]:
        phone.page.set_checked(f"input[name=items][value='{item['id']}']", item is second)
    look(phone, "match")
    sign(phone)
    for paper in part(phone, "surrender").locator("input").all():
        paper.check()
    save(phone)
    row = the_handover(phone)
    assert row["result"] == "applied", incidents(own_server)
    assert incidents(own_server) == set()
    about = rows(own_server, "SELECT item_id FROM event_item WHERE event_id = ?", row["id"])
    assert [UUID(one["item_id"]) for one in about] == [UUID(second["id"])]
    again = next(one for one in phone.call("bag", "today")["stops"] if one["id"] == stop["id"])
    assert {item["id"]: item["open"] for item in again["items"]}[first["id"]]
    assert again["open"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["scanned", "typed"])
def test_a_parcel_of_another_door_is_refused_loudly_and_nothing_is_recorded(way, phone, own_server):
    """Behaviours 31 and 32."""
    stop = a_stop(phone, plain)
    [item] = stop["items"]
    elsewhere = a_stop(phone, lambda _rule, found: found[0]["id"] != item["id"])["items"][0]
    open_door(phone, stop)
    look(phone, "match")
    sign(phone)
    codes = phone.page.locator("#codes")
    codes.locator("summary").click()
    if way == "scanned":
        codes.locator(".scan button").first.click()

    def read(code: str) -> None:
        if way == "scanned":
            show_code(phone.page, code)
        else:
            phone.page.fill("#code", code)
            phone.page.click("#check-code")

    read(elsewhere["barcode"])
    refusal = codes.locator("[role=alert].loud")
    expect(refusal).to_contain_text(elsewhere["barcode"])
    expect(refusal).to_contain_text(elsewhere["recipient"])
    phone.page.click("#save")
    phone.says(phone.words("phone.handover.missing.wrong_item", code=elsewhere["barcode"]))
    assert phone.store("outbox") == []
    assert phone.screen() == "handover"
    read(item["barcode"])
    expect(codes).to_contain_text(phone.words("phone.handover.right_item"))
    save(phone)
    assert the_handover(phone)["result"] == "applied"
    about = rows(
        own_server, "SELECT item_id FROM event_item JOIN event ON event.id = event_id WHERE type = 'handed_over'"
    )
    assert [UUID(one["item_id"]) for one in about] == [UUID(item["id"])]


@pytest.mark.slow
def test_the_recipients_code_is_known_here_and_checked_again_there(phone, with_papers, own_server):
    phone.call("bag", "load")
    stop = a_stop(phone, plain)
    [item] = stop["items"]
    right = with_papers["codes"][item["id"]]
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    open_door(phone, stop)
    look(phone, "match")
    sign(phone)
    code = phone.page.locator("#code-part")
    code.locator("summary").click()
    phone.page.fill("#recipient-code", wrong)
    expect(code).to_have_attribute("data-code", "wrong")
    assert objections(phone) == {"recipient-code-wrong"}
    phone.page.click("#correct")
    phone.page.fill("#recipient-code", right)
    expect(code).to_have_attribute("data-code", "right")
    save(phone)
    data = the_handover(phone)["data"]
    assert {"kind": "recipient_code", "sha256": None, "right": True} in data["proofs"]
    assert incidents(own_server) == set()


@pytest.mark.slow
def test_without_leave_to_know_the_place_the_handover_is_recorded(enrol):
    """Behaviour 36."""
    phone = enrol(permissions=[])
    state = phone.page.evaluate("async () => (await navigator.permissions.query({ name: 'geolocation' })).state")
    assert state in ("denied", "prompt")
    open_door(phone, a_stop(phone, plain))
    look(phone, "match")
    sign(phone)
    save(phone)
    assert the_handover(phone)["position"] in (None, "null")


@pytest.mark.slow
def test_what_could_not_be_written_down_is_said_and_nothing_is_lost(phone, own_server):
    """Behaviour 8: the form stays, and saving again is the same act."""
    open_door(phone, a_stop(phone, plain))
    look(phone, "match")
    sign(phone)
    kept(phone)
    phone.page.evaluate(
        """() => {
            window.whole = IDBObjectStore.prototype.add;
            let left = 1;  // into the bag it still goes
            IDBObjectStore.prototype.add = function (...row) {
                if (left-- > 0) return window.whole.apply(this, row);
                throw new DOMException("full", "QuotaExceededError");
            };
        }"""
    )
    phone.page.click("#save")
    phone.says(phone.words("phone.core.not_saved"))
    assert phone.screen() == "handover"
    phone.page.evaluate("() => { IDBObjectStore.prototype.add = window.whole; }")
    save(phone)
    assert the_handover(phone)["result"] == "applied"
    assert len(rows(own_server, "SELECT * FROM event WHERE type = 'taken_out'")) == 1
    assert phone.store("drafts") == []


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_form_is_fit_for_everybody_and_never_runs_sideways(language, enrol, with_papers):
    """Behaviours 25 to 28, with everything unfolded and everything said that can be said."""
    phone = enrol(several_with_papers)
    phone.call("dom", "speak", language)
    stop = a_stop(phone, several_with_papers)
    strange = a_stop(phone, lambda _rule, found: found[0]["id"] != stop["items"][0]["id"])["items"][0]["barcode"]
    open_door(phone, stop)
    page = phone.page
    faults = {}

    def look_at(name: str) -> None:
        # So high that nothing sticks over anything else, wherever the page was scrolled to.
        page.set_viewport_size({"width": 360, "height": 6000})
        for kind, find in FOUND.items():
            if found := find(phone):
                faults[f"{name}: {kind}"] = found

    look_at("as it opens")
    page.evaluate("() => { for (const folded of document.querySelectorAll('.handover details')) folded.open = true; }")
    page.fill("#code", strange)
    page.click("#check-code")
    page.fill("#recipient-code", "000000")
    expect(page.locator("#code-part")).to_have_attribute("data-code", "wrong")
    ids = part(phone, "id")
    if page.locator("#id-number").is_visible():
        page.fill("#id-number", "096199000011")
        expect(ids).to_have_attribute("data-check", "mismatch")
        look_at("another's card")
        page.click("#proxy")
    page.check("input[name=relation][value=other]")
    page.fill("#receiver", "Lê Văn Tí")
    page.check("input[name=unable]")
    page.check("input[name=paper_slip]")
    photograph(phone)
    sign(phone)
    look_at("unfolded")
    page.click("#put-away")
    assert objections(phone)
    look_at("objections")
    main = page.locator("#correct").bounding_box()
    assert main is not None
    assert main["y"] > 740 / 2
    assert main["height"] >= 56
    assert not faults, pretty(faults)
