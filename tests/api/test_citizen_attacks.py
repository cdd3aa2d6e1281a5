"""Attacks on the citizen's link: codes counted through, guessed at and asked for without end, old and foreign links and proofs."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from courier.store import links, messages
from courier.store.tables import ChangeRequest, Item, Message, OneTimeCode, VainTry
from tests.planning_office import place

V1 = "/api/v1"
KEY = "01a227d2-6b2e-7604-91d3-5ff2aaaaaaaa"


def link_to(desk, item_id, *, generation: int = 1) -> str:
    made = links.token_for(desk.settings.secrets, item_id, generation)
    with desk.database.write() as session:
        row = session.get_one(Item, item_id)
        row.link_digest, row.link_generation = links.digest(made), generation
    return f"{V1}/public/items/{made}"


def codes_sent(desk) -> list[str]:
    """The codes as they lie in the outbox, sealed until they are carried; the oldest first."""
    with desk.database.read() as session:
        rows = session.scalars(
            select(Message).where(Message.kind == "one_time_code").order_by(Message.created_at)
        ).all()
        opened = [messages.opened(row, secrets=desk.settings.secrets) for row in rows]
    return [str(inside.words["code"]) for inside in opened if inside is not None]


def count(desk, table, *where) -> int:
    with desk.database.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where))


@pytest.fixture
def demanding(app, desk, monkeypatch):
    """An application of an installation that demands codes."""
    desk.jobs.migrate()
    monkeypatch.setitem(app.extensions, "desk", replace(desk, settings=replace(desk.settings, one_time_codes=True)))
    return app


@pytest.fixture
def path(desk, town) -> str:
    """A link whose phone ends in 0001."""
    return link_to(desk, place(town.here, recipient_phone="0599000001"))


def with_digits(app, path: str):
    client = app.test_client()
    assert client.post(f"{path}/verify", json={"phone_last4": "0001"}).status_code == 200
    return client


# ---------------------------------------------------------------------------------------------- codes, as they should go
def test_where_codes_are_demanded_the_digits_alone_open_nothing(demanding, desk, path):
    client = demanding.test_client()
    halfway = client.post(f"{path}/verify", json={"phone_last4": "0001"}).json
    assert (halfway["code_needed"], halfway["item"]["details"]) == (True, None)
    wish = {"kind": "instruct", "text": "cổng xanh"}
    assert client.post(f"{path}/change-requests", json=wish).json["code"] == "code-needed"
    sent = client.post(f"{path}/codes")
    assert (sent.status_code, sent.json["to"]) == (201, "••••••••01")
    [code] = codes_sent(desk)
    proven = client.post(f"{path}/verify", json={"phone_last4": "0001", "code": code}).json
    assert proven["item"]["details"]["recipient"]
    assert client.post(f"{path}/change-requests", json=wish).status_code == 201


def test_where_no_message_goes_out_the_digits_are_enough_and_a_real_channel_changes_that(app, desk, path, monkeypatch):
    assert with_digits(app, path).get(path).json["details"]
    real = {channel: type("Real", (), {"dry_run": False})() for channel in desk.carriers}
    monkeypatch.setitem(app.extensions, "desk", replace(desk, carriers=real))
    assert with_digits(app, path).get(path).json["details"] is None


def test_a_code_is_good_once_and_for_five_minutes_and_the_next_one_ends_it(demanding, desk, path, clock):
    client = with_digits(demanding, path)
    client.post(f"{path}/codes")
    client.post(f"{path}/codes")
    first, second = codes_sent(desk)

    def answer(code: str) -> str:
        said = client.post(f"{path}/verify", json={"phone_last4": "0001", "code": code})
        return "in" if said.status_code == 200 else said.json["code"]

    if first != second:
        assert answer(first) == "wrong-code"
    assert answer(second) == "in"
    assert answer(second) == "code-over"
    client.post(f"{path}/codes")
    clock.forward(minutes=5)
    assert answer(codes_sent(desk)[2]) == "code-over"


def test_the_database_and_the_lists_hold_no_code(demanding, desk, path):
    client = with_digits(demanding, path)
    client.post(f"{path}/codes")
    [code] = codes_sent(desk)
    with desk.database.read() as session:
        row = session.scalars(select(OneTimeCode)).one()
        message = session.scalars(select(Message)).one()
    held = [getattr(one, column.name) for one in (row, message) for column in one.__table__.columns]
    assert not [value for value in held if isinstance(value, str) and re.fullmatch(rf".*\b{code}\b.*", value)]


# --------------------------------------------------------------------------------------------------- guessing and flooding
def test_a_code_is_dead_after_five_guesses_even_when_they_come_at_once(demanding, desk, path):
    client = with_digits(demanding, path)
    client.post(f"{path}/codes")
    [code] = codes_sent(desk)
    wrong = [f"{(int(code) + n + 1) % 10**6:06d}" for n in range(12)]
    start = threading.Barrier(12)

    def guess(one: str) -> str:
        start.wait()
        return demanding.test_client().post(f"{path}/verify", json={"phone_last4": "0001", "code": one}).json["code"]

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(guess, wrong))
    assert sorted(answers) == ["code-over"] * 7 + ["wrong-code"] * 5
    assert client.post(f"{path}/verify", json={"phone_last4": "0001", "code": code}).json["code"] == "code-over"


def test_nobody_is_sent_more_than_three_codes_in_a_quarter_of_an_hour(demanding, desk, path, clock):
    client = with_digits(demanding, path)
    statuses = [client.post(f"{path}/codes").status_code for _ in range(5)]
    assert statuses == [201] * 3 + [429] * 2
    refused = client.post(f"{path}/codes")
    assert (refused.json["code"], int(refused.headers["Retry-After"])) == ("too-many-codes", 900)
    assert len(codes_sent(desk)) == 3
    clock.forward(minutes=15)
    assert client.post(f"{path}/codes").status_code == 201


def test_a_phone_gets_no_more_than_ten_codes_a_day_however_many_papers_it_stands_on(demanding, desk, town, clock):
    sent = 0
    for _ in range(5):
        mine = link_to(desk, place(town.here, recipient_phone="0599000001"))
        client = with_digits(demanding, mine)
        sent += sum(client.post(f"{mine}/codes").status_code == 201 for _ in range(3))
        clock.forward(minutes=20)
    assert sent == len(codes_sent(desk)) == 10


def test_one_address_cannot_send_codes_to_everybody(demanding, desk, town):
    sent = 0
    for number in range(12):
        theirs = link_to(desk, place(town.here, recipient_phone=f"05990{number:05d}"))
        client = demanding.test_client()
        client.post(f"{theirs}/verify", json={"phone_last4": f"{number:05d}"[-4:]})
        sent += sum(client.post(f"{theirs}/codes").status_code == 201 for _ in range(3))
    assert sent == 30
    other = demanding.test_client()
    other.post(f"{theirs}/verify", json={"phone_last4": "0011"})
    elsewhere = other.post(f"{theirs}/codes", environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert elsewhere.status_code == 201


def test_a_stranger_without_the_digits_sends_nobody_a_code(demanding, desk, path):
    assert demanding.test_client().post(f"{path}/codes").json["code"] == "not-verified"
    assert codes_sent(desk) == []


# ------------------------------------------------------------------------------------------------------ counting through
def test_tracking_codes_cannot_be_counted_through_from_one_address(app, desk, town):
    client = app.test_client()
    real = town.here.row(place(town.here, barcode="EX999999999VN")).barcode
    statuses = [client.get(f"/tracking?code=EX{number:09d}VN").status_code for number in range(32)]
    assert statuses == [404] * 30 + [429] * 2
    refused = client.get(f"/tracking?code={real}")
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    assert count(desk, VainTry) == 30
    assert client.get(f"/tracking?code={real}", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 200


def test_the_neighbours_of_an_ipv6_address_share_its_patience(app, town):
    for number in range(30):
        app.test_client().get(
            f"/tracking?code=EX{number:09d}VN", environ_base={"REMOTE_ADDR": f"2001:db8:1:2::{number:x}"}
        )
    last = app.test_client().get("/tracking?code=EX1VN", environ_base={"REMOTE_ADDR": "2001:db8:1:2:ffff::1"})
    assert last.status_code == 429


def test_links_are_not_found_by_trying_and_real_ones_stay_open(app, desk, path):
    client = app.test_client()
    statuses = [client.get(f"{V1}/public/items/{'a' * 20}{number:04d}").status_code for number in range(33)]
    assert statuses == [404] * 30 + [429] * 3
    assert client.get(f"/t/{'b' * 24}").status_code == 429
    assert client.get(path).status_code == 200
    assert count(desk, VainTry) == 30


def test_when_it_is_enough_no_route_tells_a_link_that_exists_from_one_that_does_not_cheaper_than_another(app):
    """Every route with a token counts in the same place; what looks at a body first refuses the body."""
    client = app.test_client()
    for number in range(30):
        client.get(f"/t/{'c' * 20}{number:04d}")
    asked = []
    for rule in app.url_map.iter_rules():
        if "<string:token>" in rule.rule and rule.endpoint.partition(".")[0] in (
            "public",
            "citizen_pages",
            "complaints",
            "rights_pages",
        ):
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                path = rule.rule.replace("<string:token>", "d" * 24)
                status = client.open(path, method=method, headers={"X-Visitor": "x"}, data={"key": KEY}).status_code
                asked.append((method, rule.rule, status))
    assert len(asked) >= 12
    assert [one for one in asked if one[2] not in (429, 415, 422)] == []
    assert 'route="/t/<string:token>",status="429"' in client.get("/metrics").text


def test_wrong_digits_are_bounded_per_address_over_all_links(app, desk, town):
    statuses = []
    for _ in range(8):
        theirs = link_to(desk, place(town.here, recipient_phone="0599000001"))
        statuses += [
            app.test_client().post(f"{theirs}/verify", json={"phone_last4": "9999"}).status_code for _ in range(4)
        ]
    assert statuses == [409] * 30 + [429] * 2


# ----------------------------------------------------------------------------------------------- old and foreign keys
PROVEN_ROUTES = (
    ("POST", "slot-holds", {"slot": "20261126-0730-1130"}),
    ("POST", "change-requests", {"kind": "instruct", "text": "x"}),
    ("PUT", "gate-photo", None),
)


def test_a_link_that_was_ended_opens_nothing_not_even_for_who_had_proven_himself(app, desk, town):
    item = place(town.here, recipient_phone="0599000001")
    old = link_to(desk, item)
    client = app.test_client()
    secret = client.post(f"{old}/verify", json={"phone_last4": "0001"}).json["visitor"]
    new = link_to(desk, item, generation=2)
    for method, what, body in (
        ("GET", "", None),
        ("GET", "/slots", None),
        *((m, f"/{w}", b) for m, w, b in PROVEN_ROUTES),
    ):
        assert (
            client.open(f"{old}{what}", method=method, json=body, headers={"X-Visitor": secret}).status_code == 404
        ), what
    assert app.test_client().get(new).status_code == 200


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_token_with_one_letter_changed_is_no_link(app, path, where):
    base, token = path.rsplit("/", 1)
    at = {"first": 0, "middle": len(token) // 2, "last": len(token) - 1}[where]
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    assert app.test_client().get(f"{base}/{changed}").status_code == 404


def test_the_proof_for_one_paper_opens_no_other_on_any_route(app, desk, town):
    """Even of the same person with the same phone: papers are shown one by one."""
    mine, other = (link_to(desk, place(town.here, recipient_phone="0599000001")) for _ in range(2))
    secret = app.test_client().post(f"{mine}/verify", json={"phone_last4": "0001"}).json["visitor"]
    thief = app.test_client()
    headers = {"X-Visitor": secret}
    assert thief.get(other, headers=headers).json["details"] is None
    for method, what, body in PROVEN_ROUTES:
        refused = thief.open(f"{other}/{what}", method=method, json=body, headers=headers)
        assert (refused.status_code, refused.json["code"]) == (409, "not-verified"), what
    for rule in app.url_map.iter_rules():
        if "<string:token>" in rule.rule and "POST" in rule.methods and rule.rule.startswith("/t/"):
            sent = thief.post(
                rule.rule.replace("<string:token>", other.rsplit("/", 1)[1]),
                data={
                    "kind": "instruct",
                    "text": "x",
                    "form_token": "0" * 64,
                    "key": KEY,
                },
                headers=headers,
            )
            assert sent.status_code in (403, 404, 409, 422), rule.rule
    assert count(desk, ChangeRequest) == 0


def test_a_proof_ends_after_half_an_hour(app, path, clock):
    client = with_digits(app, path)
    clock.forward(minutes=29)
    assert client.get(path).json["details"]
    clock.forward(minutes=1)
    assert client.get(path).json["details"] is None


def test_a_picture_is_taken_from_nobody_without_the_proof(app, path, desk):
    stranger = app.test_client()
    assert (
        stranger.put(f"{path}/gate-photo", data=b"\xff\xd8", content_type="image/jpeg").json["code"] == "not-verified"
    )
    assert not (desk.settings.var_dir / "media").exists()
