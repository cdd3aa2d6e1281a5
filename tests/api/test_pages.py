"""The pages over HTTP: who gets in, forged forms, what a refused form keeps, and that every page is plain and in two languages."""

import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import parse_qs

import pytest
from uuid_utils.compat import uuid7

from api.auth import COOKIE, access_of
from api.web import texts
from api.web.postman import door_data
from courier.domain.errors import Invalid
from courier.domain.item import EventType, State
from courier.domain.people import Role
from courier.store import links
from courier.store.tables import Item
from tests.api.conftest import PASSWORD, Person, enlist

WEB = Path(texts.__file__).parent
ORIGIN = {"Origin": "http://localhost"}
HOMES = {"postman": "/p", "dispatcher": "/d", "cashier": "/c", "clerk": "/k", "admin": "/a", "agency": "/agency"}


class Browser:
    """A browser without scripts: keeps cookies, sends forms with their hidden fields."""

    def __init__(self, app, person: Person | None = None) -> None:
        self.client = app.test_client()
        if person is not None:
            self.client.set_cookie(COOKIE, person.token)

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def post(self, path: str, fields: dict[str, Any], **more: Any) -> Any:
        return self.client.post(path, data=fields, headers=ORIGIN, **more)

    def token(self, path: str) -> str:
        found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', self.get(path).text)
        assert found, f"no form with a token on {path}"
        return found.group(1)

    def send(self, page: str, path: str, fields: dict[str, Any]) -> Any:
        """A form of `page`, sent to `path`."""
        return self.post(path, {"csrf_token": self.token(page), **fields})


@pytest.fixture
def browser(app, town):
    """`browser("cashier")`: a browser in which that role is signed in."""
    return lambda role: Browser(app, town.of(role))


def pages(app) -> Iterator[tuple[str, frozenset[Role]]]:
    """Every page that needs no id in its address, and who may see it."""
    for rule in app.url_map.iter_rules():
        blueprint = rule.endpoint.partition(".")[0]
        if blueprint.endswith("_pages") and "GET" in rule.methods and not rule.arguments:
            access = access_of(app.view_functions[rule.endpoint])
            yield rule.rule, frozenset() if access.public else access.roles


# -------------------------------------------------------------------------------------------------------- who gets in
def test_nobody_is_led_to_the_sign_in_and_back(app):
    answer = app.test_client().get("/d/items?q=l%C3%AA")
    assert answer.status_code == 303
    path, _, query = answer.location.partition("?")
    assert path == "/sign-in"
    assert parse_qs(query) == {"next": ["/d/items?q=l%C3%AA"]}


def home(app, person: Person, base: str = "http://10.0.0.7") -> str:
    cookie = {"Cookie": f"{COOKIE}={person.token}"}
    return app.test_client(use_cookies=False).get("/", base_url=base, headers=cookie).location


@pytest.mark.parametrize("role", HOMES)
def test_the_way_home_of_each_role(app, town, browser, role):
    assert home(app, town.of(role)) == HOMES[role]
    assert browser(role).get(HOMES[role]).status_code == 200


@pytest.mark.parametrize(
    ("base", "trusted"),
    [
        ("http://localhost", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("https://buuta.example.vn", True),
        ("http://buuta.example.vn", False),
        ("http://localhost.example.vn", False),
        ("http://[::2]:8000", False),
        ("http://10.0.0.7", False),
    ],
)
def test_a_postman_is_led_to_the_app_only_where_a_browser_gives_it_its_offline_half(app, town, base, trusted):
    cookie = {"Cookie": f"{COOKIE}={town.postman.token}"}
    assert home(app, town.postman, base) == ("/phone" if trusted else "/p")
    answer = app.test_client(use_cookies=False).get("/p", base_url=base, headers=cookie)
    assert ('href="/phone"' in answer.text) is trusted
    assert ("HTTP thường" in answer.text) is not trusted


def test_a_page_of_another_role_is_a_readable_403_with_a_way_home(app, browser):
    seen = 0
    for path, allowed in pages(app):
        for role in HOMES:
            answer = browser(role).get(path)
            if not allowed or Role(role) in allowed:
                assert answer.status_code in (200, 303), (path, role)
                continue
            seen += 1
            assert answer.status_code == 403, (path, role)
            assert "Không có quyền" in answer.text
            assert 'href="/"' in answer.text
    assert seen > 50


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/p", "/p"),
        ("/d/items?q=a", "/d/items?q=a"),
        ("https://example.com/", "/"),
        ("//example.com/", "/"),
        ("/\\example.com", "/"),
        ("javascript:alert(1)", "/"),
        ("/p\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_only_within_this_house(app, database, wanted, reached):
    enlist(database, "chi.huong", Role.ADMIN)
    fields = {"login": "chi.huong", "password": PASSWORD, "next": wanted}
    answer = app.test_client().post("/sign-in", data=fields)
    assert answer.status_code == 303
    assert answer.location == reached
    assert "HttpOnly" in answer.headers["Set-Cookie"]


def test_a_wrong_password_says_so_and_keeps_the_login(app, database):
    enlist(database, "chi.huong", Role.ADMIN)
    answer = app.test_client().post("/sign-in", data={"login": "chi.huong", "password": "sai rồi nhé"})
    assert answer.status_code == 401
    assert 'value="chi.huong"' in answer.text
    assert "sai rồi nhé" not in answer.text


def test_a_one_time_password_is_changed_before_anything_else(app, database):
    caller = enlist(database, "nguoi.moi", Role.ADMIN, must_change_password=True)
    client = app.test_client()
    client.post("/sign-in", data={"login": "nguoi.moi", "password": PASSWORD})
    assert client.get("/a").location == "/password"
    assert "mật khẩu dùng một lần" in client.get("/password").text
    assert caller.role is Role.ADMIN


# ------------------------------------------------------------------------------------------------------- forged forms
def forms_of(app) -> list[str]:
    """Every address that a signed-in person's form is sent to, with ids of nothing."""
    found = []
    for rule in app.url_map.iter_rules():
        access = access_of(app.view_functions[rule.endpoint]) if rule.endpoint != "static" else None
        if rule.endpoint.partition(".")[0].endswith("_pages") and "POST" in rule.methods and not access.public:
            found.append(re.sub(r"<day:\w+>", "2026-11-25", re.sub(r"<uuid:\w+>", str(uuid7()), rule.rule)))
    return found


def test_no_form_is_taken_without_its_token(app, town):
    addresses = forms_of(app)
    assert len(addresses) > 25
    for path in addresses:
        for role in HOMES:
            answer = Browser(app, town.of(role)).post(path, {"csrf_token": "0" * 64})
            assert answer.status_code == 403, (path, role)


def test_no_form_of_another_site_is_taken(app, town):
    for path in forms_of(app):
        client = Browser(app, town.admin).client
        assert client.post(path, headers={"Origin": "https://example.com"}).status_code == 403, path


def test_an_id_of_another_office_is_nothing_here(app, town):
    theirs = town.there.item()
    desk = Browser(app, town.dispatcher)
    for path in (f"/items/{theirs}", f"/d/addresses/{theirs}", f"/items/{theirs}/pick-up"):
        answer = desk.get(path)
        assert answer.status_code == 404, path
        assert "Không tìm thấy" in answer.text


# ---------------------------------------------------------------------------------------------- what a refusal keeps
def test_a_closed_day_is_said_in_words(app, town):
    till = Browser(app, town.cashier)
    path = f"/c/{town.here.postmen[0].id}"
    day = texts_day(till, path)
    first = till.send(path, path, {"day": day})
    assert first.status_code == 303
    again = till.post(path, {"csrf_token": till.token("/c"), "day": day})
    assert again.status_code == 409
    assert "đã khóa sổ" in again.text


def texts_day(till: Browser, path: str) -> str:
    return re.search(r'name="day" value="([0-9-]+)"', till.get(path).text).group(1)


def test_a_number_that_is_none_stays_in_its_field_with_a_sentence(app, town):
    till = Browser(app, town.cashier)
    path = f"/c/{town.here.postmen[0].id}"
    answer = till.send(path, path, {"day": texts_day(till, path), "note_500000": "ba", "note_10000": "7"})
    assert answer.status_code == 422
    assert 'value="ba"' in answer.text
    assert 'value="7"' in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_the_same_form_twice_is_one_act(app, town):
    item_id = town.here.item()
    counter = Browser(app, town.clerk)
    fields = {"csrf_token": counter.token(f"/items/{item_id}"), "key": str(uuid7()), "act": "invited"}
    answers = [counter.post(f"/items/{item_id}/acts", fields) for _ in range(3)]
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, f"/items/{item_id}?done=recorded")}
    history = counter.get(f"/items/{item_id}").text
    assert history.count(texts.catalogue("vi")["event.invited"]) == 1


def test_a_stale_office_is_not_overwritten(app, town):
    admin = Browser(app, town.admin)
    fields = {"name": "Bưu cục Đổi Tên", "version": "1"}
    path = f"/a/offices/{town.here.office_id}"
    assert admin.send("/a/offices", path, fields).status_code == 303
    answer = admin.send("/a/offices", path, fields | {"name": "Bưu cục Khác"})
    assert answer.status_code == 412
    assert "Có người vừa sửa" in answer.text
    assert "Bưu cục Đổi Tên" in admin.get("/a/offices").text


def test_a_huge_upload_is_refused_with_a_page(app, town):
    desk = Browser(app, town.dispatcher)
    answer = desk.client.post(
        "/d/imports", data={"sheet": (io.BytesIO(bytes(17 * 1024 * 1024)), "to.xlsx")}, headers=ORIGIN
    )
    assert answer.status_code == 413
    assert "Tệp quá lớn" in answer.text


def test_an_unknown_address_is_a_page_for_people_and_a_problem_for_programs(app):
    assert "text/html" in app.test_client().get("/khong-co").content_type
    assert app.test_client().get("/api/v1/khong-co").content_type == "application/problem+json"


# ------------------------------------------------------------------------------------------------------- the citizen
@pytest.fixture
def link(desk, town) -> str:
    """The path of a citizen's link whose phone ends in 0001."""
    item_id = town.here.item()
    token = links.token_for(desk.settings.secrets, item_id, 1)
    with desk.database.write() as session:
        session.get_one(Item, item_id).link_digest = links.digest(token)
    return f"/t/{token}"


def test_a_link_page_tells_no_other_site_where_it_was(app, link):
    answer = app.test_client().get(link)
    assert answer.status_code == 200
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_five_wrong_answers_close_the_details_for_a_while(app, link):
    client = app.test_client()
    statuses = [client.post(f"{link}/verify", data={"phone_last4": "0000"}).status_code for _ in range(6)]
    assert statuses == [409] * 5 + [429]
    assert client.post(f"{link}/verify", data={"phone_last4": "0001"}).status_code == 429


def test_the_proof_is_a_cookie_for_this_link_alone(app, link):
    answer = app.test_client().post(f"{link}/verify", data={"phone_last4": "0001"})
    cookies = answer.headers.getlist("Set-Cookie")
    assert any(f"Path={link}" in cookie and "HttpOnly" in cookie for cookie in cookies)
    assert not any("Path=/;" in cookie for cookie in cookies)


def test_a_wish_needs_the_proof_and_the_form(app, link):
    stranger = app.test_client()
    answer = stranger.post(f"{link}/wishes", data={"kind": "instruct", "text": "nhà xanh", "key": str(uuid7())})
    assert answer.status_code == 409
    proven = app.test_client()
    proven.post(f"{link}/verify", data={"phone_last4": "0001"})
    fields = {"kind": "instruct", "text": "nhà xanh", "key": str(uuid7()), "form_token": "0" * 64}
    assert proven.post(f"{link}/wishes", data=fields).status_code == 409
    token = re.search(r'name="form_token" value="([0-9a-f]{64})"', proven.get(link).text).group(1)
    assert proven.post(f"{link}/wishes", data=fields | {"key": str(uuid7()), "form_token": token}).status_code == 303
    assert "nhà xanh" in proven.get(link).text


# --------------------------------------------------------------------------------------------------- plain, bilingual
class Plain(HTMLParser):
    """Collects what a strict content security policy or a reader of labels would stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.faults += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in values and values.get("type") != "application/json":
            self.faults.append("inline script")
        if tag == "style":
            self.faults.append("inline style")
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "label" and values.get("for"):
            self.labelled.add(str(values["for"]))


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_page_is_free_of_inline_code_in_both_languages(app, town, language):
    town.here.item()
    seen = 0
    for path, allowed in pages(app):
        for role in [str(role) for role in allowed] or ["admin"]:
            browser = Browser(app, town.of(role))
            browser.client.set_cookie(texts.COOKIE, language)
            answer = browser.get(path)
            if answer.status_code != 200 or answer.mimetype != "text/html":
                continue
            found = Plain()
            found.feed(answer.text)
            assert not found.faults, (path, role)
            assert len(found.ids) == len(set(found.ids)), (path, role)
            # The app's frame is the same for everybody; its script chooses the language. The live board is asked for in parts.
            if path != "/d/live/board":
                assert f'<html lang="{"vi" if path == "/phone" else language}"' in answer.text
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            seen += 1
    assert seen > 20


def test_both_catalogues_have_the_same_keys_and_blanks():
    vi, en = texts.catalogue("vi"), texts.catalogue("en")
    assert set(vi) == set(en)
    for key in vi:
        blanks = [{name for _, name, _, _ in Formatter().parse(words[key]) if name} for words in (vi, en)]
        assert blanks[0] == blanks[1], key
        assert vi[key].strip() == vi[key] != "", key
        assert en[key].strip() == en[key] != "", key


def test_the_pages_ask_for_no_word_that_is_not_there():
    known = set(texts.catalogue("vi"))
    sources = [*WEB.rglob("*.html"), *WEB.glob("*.py")]
    asked = {key for file in sources for key in re.findall(r"""\bt\(['"]([a-z_0-9.-]+)['"][,)]""", file.read_text())}
    assert len(asked) > 300
    assert asked - known == set()


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("state", [str(state) for state in State]),
        ("event", [str(kind) for kind in EventType]),
        ("role", [str(r) for r in Role]),
    ],
)
def test_every_code_that_a_page_shows_has_a_word(group, codes):
    assert [code for code in codes if f"{group}.{code}" not in texts.catalogue("vi")] == []


def test_every_reason_of_a_failed_attempt_has_a_word(desk):
    codes = desk.facts.bylaws.attempts.reasons
    assert [code for code in codes if f"reason.{code}" not in texts.catalogue("vi")] == []


def test_scripts_hold_no_sentence_of_their_own():
    vietnamese = re.compile(r"[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
    for file in (WEB / "static" / "js").rglob("*.js"):
        without_sign = file.read_text().replace('" đ"', "")
        assert not vietnamese.search(without_sign), file.name


DOOR = {"receiver": "Nguyễn Văn Mẫu", "relation": "owner", "id_check": "match"}


def test_the_code_that_a_recipient_reads_out_goes_with_the_handover(app):
    with app.test_request_context(method="POST", data=DOOR | {"recipient_code": "012345"}):
        assert door_data([])["proofs"] == [{"kind": "recipient_code", "value": "012345"}]
    with app.test_request_context(method="POST", data=DOOR):
        assert door_data([])["proofs"] == []


@pytest.mark.parametrize("typed", ["12345", "12345a", "١٢٣٤٥٦"])
def test_a_code_of_another_shape_is_told_before_anything_is_recorded(app, typed):
    with app.test_request_context(method="POST", data=DOOR | {"recipient_code": typed}), pytest.raises(Invalid) as told:
        door_data([])
    assert [error.field for error in told.value.errors] == ["recipient_code"]


def test_amounts_days_and_times_are_written_as_here(app):
    with app.test_request_context():
        assert texts.dong(165_000) == "165.000 đ"
        assert texts.dong(-5_000) == "−5.000 đ"
        assert texts.day("2026-11-22") == "22/11/2026"
        assert texts.clock("2026-11-22T18:05:00+00:00") == "01:05"
        assert texts.about("2026-11-22T01:07:00+00:00") == "08:05"
        assert json.loads((WEB / "i18n" / "vi.json").read_text())["brand"] == "Bưu tá"
