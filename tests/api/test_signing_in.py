"""Signing in and out: the answers are the same whoever asks, guessing is slow, and a session is worth its token only."""

import base64
import threading
import unicodedata

import pytest
from sqlalchemy import func, select

from courier.domain import one_time_code
from courier.domain.people import Role
from courier.store.tables import AccessToken, AuditEntry, SignInFailure, Staff
from tests.api.conftest import PASSWORD, WRONG, enlist

SESSIONS = "/api/v1/sessions"


@pytest.fixture
def binh(database):
    return enlist(database, "binh", Role.ADMIN)


def enter(client, login="binh", password=PASSWORD, *, address="10.0.0.1", **more):
    return client.post(
        SESSIONS, json={"login": login, "password": password, **more}, environ_overrides={"REMOTE_ADDR": address}
    )


def bearer(answer):
    return {"Authorization": f"Bearer {answer.json['token']}"}


def test_the_right_password_opens_a_session_of_exactly_this_shape(client, binh):
    answer = enter(client)
    assert answer.status_code == 201
    assert set(answer.json) == {"token", "role", "office", "expires_at"}
    assert answer.json["role"] == "admin"
    assert answer.json["office"] is None
    assert len(answer.json["token"]) >= 43  # 256 bits in base64
    me = client.get("/api/v1/me", headers=bearer(answer))
    assert (me.status_code, me.json["login"], me.json["role"]) == (200, "binh", "admin")


def test_the_database_knows_a_digest_of_the_token_only(client, binh, database):
    token = enter(client).json["token"]
    with database.read() as session:
        stored = session.scalars(select(AccessToken.token_hash)).one()
    assert token not in stored
    assert len(stored) == 64


def test_a_login_is_found_however_it_is_typed(client, binh):
    assert enter(client, login="  BINH ").status_code == 201


@pytest.mark.parametrize("login", ["binh", "nobody"])
def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(client, binh, login):
    answer = enter(client, login, WRONG)
    assert answer.status_code == 401
    assert answer.json["code"] == "wrong-sign-in"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["detail"] == "Tên đăng nhập, mật khẩu hoặc mã xác thực không đúng."


def test_a_deactivated_account_gets_that_answer_too(client, database):
    enlist(database, "gone", Role.ADMIN, active=False)
    assert enter(client, "gone").json["code"] == "wrong-sign-in"


def test_after_five_wrong_passwords_even_the_right_one_waits(client, binh, clock):
    assert [enter(client, password=WRONG).status_code for _ in range(5)] == [401] * 5
    clock.forward(minutes=5)
    answer = enter(client)
    assert answer.status_code == 429
    assert answer.json["code"] == "too-many-tries"
    assert 0 < int(answer.headers["Retry-After"]) <= 600
    clock.forward(seconds=int(answer.headers["Retry-After"]) + 1)
    assert enter(client).status_code == 201


def test_an_unknown_login_is_counted_like_a_known_one(client, binh):
    assert [enter(client, "nobody", WRONG).status_code for _ in range(6)] == [401] * 5 + [429]


def test_twenty_wrong_passwords_from_one_address_close_it_for_every_login(client, binh, clock):
    codes = [enter(client, f"guess{n % 7}", WRONG).status_code for n in range(20)]
    assert codes == [401] * 20
    assert enter(client).status_code == 429
    assert enter(client, address="10.0.0.2").status_code == 201


def test_the_addresses_of_one_ipv6_network_count_as_one(client, binh):
    for n in range(20):
        enter(client, f"guess{n % 7}", WRONG, address=f"2001:db8:0:1::{n:x}")
    assert enter(client, address="2001:db8:0:1:ffff::1").status_code == 429
    assert enter(client, address="2001:db8:0:2::1").status_code == 201


def test_the_right_password_clears_the_count_of_its_login(client, binh):
    for _ in range(4):
        enter(client, password=WRONG)
    assert enter(client).status_code == 201
    assert [enter(client, password=WRONG).status_code for _ in range(5)] == [401] * 5


def test_guesses_sent_all_at_once_get_no_more_tries_than_guesses_in_a_row(app, binh, database):
    codes = []

    def guess():
        codes.append(enter(app.test_client(), password=WRONG).status_code)

    threads = [threading.Thread(target=guess) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        counted = session.scalar(select(func.count()).select_from(SignInFailure))
    assert counted == 5
    assert sorted(codes) == [401] * 5 + [429] * 4


def test_what_is_counted_names_neither_login_nor_address(client, binh, database):
    enter(client, password=WRONG, address="10.9.8.7")
    with database.read() as session:
        row = session.scalars(select(SignInFailure)).one()
    assert "binh" not in row.login_digest
    assert "10.9.8.7" not in row.address_digest


def test_signing_out_ends_this_session_and_no_other(client, binh):
    one, two = enter(client), enter(client)
    assert client.delete(f"{SESSIONS}/current", headers=bearer(one)).status_code == 204
    assert client.get("/api/v1/me", headers=bearer(one)).status_code == 401
    assert client.get("/api/v1/me", headers=bearer(two)).status_code == 200


def test_a_session_lasts_twelve_hours_from_its_last_use(client, binh, clock):
    answer = enter(client)
    for _ in range(4):
        clock.forward(hours=11)
        assert client.get("/api/v1/me", headers=bearer(answer)).status_code == 200
    clock.forward(hours=12, minutes=1)
    ended = client.get("/api/v1/me", headers=bearer(answer))
    assert (ended.status_code, ended.json["code"]) == (401, "session-ended")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "Bearer x y", "Bearer \xff"])
def test_another_authorization_is_no_session(client, header):
    assert client.get("/api/v1/me", headers={"Authorization": header}).status_code == 401


def test_without_a_session_nothing_is_told(client):
    answer = client.get("/api/v1/me")
    assert (answer.status_code, answer.json["code"]) == (401, "not-signed-in")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_demo_account_cannot_enter_in_production(client, database, app_with):
    enlist(database, "demo", Role.ADMIN, demo=True)
    assert enter(client, "demo").json["code"] == "wrong-sign-in"
    showing = app_with(demo=True).test_client()
    opened = enter(showing, "demo")
    assert opened.status_code == 201
    # A session of the demo is worth nothing either once the same database serves for real.
    assert client.get("/api/v1/me", headers=bearer(opened)).status_code == 401


# ------------------------------------------------------------------------------------------------------- password
def test_a_password_that_must_be_changed_opens_nothing_else(client, database):
    enlist(database, "new", Role.ADMIN, must_change_password=True)
    session = bearer(enter(client, "new"))
    refused = client.get("/api/v1/staff", headers=session)
    assert (refused.status_code, refused.json["code"]) == (403, "password-change-required")
    assert client.get("/api/v1/me", headers=session).json["must_change_password"] is True
    changed = client.post(
        "/api/v1/me/password",
        json={"old_password": PASSWORD, "new_password": "một câu dài khác"},
        headers=session,
    )
    assert changed.status_code == 204
    assert client.get("/api/v1/staff", headers=session).status_code == 200


def test_changing_the_password_ends_the_other_sessions(client, binh, database):
    mine, other = enter(client), enter(client)
    body = {"old_password": PASSWORD, "new_password": "một câu dài khác"}
    assert client.post("/api/v1/me/password", json=body, headers=bearer(mine)).status_code == 204
    assert client.get("/api/v1/me", headers=bearer(mine)).status_code == 200
    assert client.get("/api/v1/me", headers=bearer(other)).status_code == 401
    assert enter(client).status_code == 401
    assert enter(client, password="một câu dài khác").status_code == 201
    with database.read() as session:
        assert session.scalars(select(AuditEntry.act)).all() == ["own password changed"]


@pytest.mark.parametrize(
    ("new", "why"),
    [("ngắn", "ngắn"), ("aaaaaaaaaaaaaaaa", "một chữ"), ("binh binh binh 12", "tên đăng nhập"), (PASSWORD, "như cũ")],
)
def test_an_easy_password_is_refused_and_never_sent_back(client, binh, new, why):
    answer = client.post(
        "/api/v1/me/password", json={"old_password": PASSWORD, "new_password": new}, headers=bearer(enter(client))
    )
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "new_password"), why
    assert new not in answer.text


def test_wrong_old_passwords_are_counted_like_wrong_sign_ins(client, binh):
    session = bearer(enter(client))
    body = {"old_password": WRONG, "new_password": "một câu dài khác"}
    answers = [client.post("/api/v1/me/password", json=body, headers=session) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert WRONG not in answers[0].text


def test_the_same_letters_composed_or_not_are_the_same_password(client, database):
    enlist(database, "chi", Role.ADMIN)
    assert enter(client, "chi", unicodedata.normalize("NFD", PASSWORD)).status_code == 201


# ------------------------------------------------------------------------------------------------- authenticator
def code_for(secret, clock, *, steps=0):
    step = int(clock.now.timestamp()) // 30 + steps
    return one_time_code.code(base64.b32decode(secret), step)


@pytest.fixture
def enrolled(client, binh, clock):
    """Bình's authenticator is in use; gives its secret."""
    session = bearer(enter(client))
    offered = client.post("/api/v1/me/authenticator", json={"password": PASSWORD}, headers=session).json
    assert offered["uri"].startswith("otpauth://totp/")
    body = {"enrolment": offered["enrolment"], "otp": code_for(offered["secret"], clock)}
    assert client.put("/api/v1/me/authenticator", json=body, headers=session).status_code == 204
    clock.forward(minutes=2)
    return offered["secret"]


def test_with_an_authenticator_the_password_alone_is_not_enough(client, enrolled, clock):
    assert enter(client).json["code"] == "wrong-sign-in"
    assert enter(client, otp="000000").json["code"] == "wrong-sign-in"
    assert enter(client, otp=code_for(enrolled, clock)).status_code == 201


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 201), (0, 201), (1, 201), (2, 401)])
def test_a_clock_may_be_half_a_minute_off(client, enrolled, clock, steps, status):
    assert enter(client, otp=code_for(enrolled, clock, steps=steps)).status_code == status


def test_no_code_works_twice_nor_an_older_one_after_it(client, enrolled, clock):
    used = code_for(enrolled, clock)
    assert enter(client, otp=used).status_code == 201
    assert enter(client, otp=used).status_code == 401
    assert enter(client, otp=code_for(enrolled, clock, steps=-1)).status_code == 401
    clock.forward(seconds=30)
    assert enter(client, otp=code_for(enrolled, clock)).status_code == 201


def test_the_secret_of_an_authenticator_is_sealed_at_rest(enrolled, database):
    with database.read() as session:
        stored = session.scalars(select(Staff.totp_secret).where(Staff.login == "binh")).one()
    assert base64.b32decode(enrolled).hex() not in stored


def test_an_enrolment_of_somebody_else_or_of_yesterday_is_refused(client, binh, database, clock):
    enlist(database, "chi", Role.ADMIN)
    mine, hers = bearer(enter(client)), bearer(enter(client, "chi"))
    offered = client.post("/api/v1/me/authenticator", json={"password": PASSWORD}, headers=mine).json
    body = {"enrolment": offered["enrolment"], "otp": code_for(offered["secret"], clock)}
    assert client.put("/api/v1/me/authenticator", json=body, headers=hers).status_code == 422
    assert client.put("/api/v1/me/authenticator", json=body | {"enrolment": "x"}, headers=mine).status_code == 422
    clock.forward(minutes=16)
    late = body | {"otp": code_for(offered["secret"], clock)}
    assert client.put("/api/v1/me/authenticator", json=late, headers=mine).status_code == 422
