"""What every route keeps to: problems, strict bodies, versions, idempotent writes, forged forms, headers, the log."""

import io
import json
import logging
import threading
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import func, select

from api.auth import COOKIE, form_token, roles
from api.conventions import idempotent
from courier.store.tables import Agency, IdempotencyKey
from tests.api.conftest import MORNING

API = "/api/v1"
AGENCIES = f"{API}/agencies"
NEW = {"code": "BHXH", "name": "Bảo hiểm xã hội"}


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "code", "detail", "errors"}
    assert (answer.json["status"], answer.json["code"]) == (status, code)
    return answer.json


def agencies(database, code="BHXH"):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Agency).where(Agency.code == code))


# ------------------------------------------------------------------------------------------------------- problems
def test_every_error_is_a_problem_of_the_same_shape(town, client):
    problem(client.get(AGENCIES), 401, "not-signed-in")
    problem(town.clerk.get(AGENCIES), 403, "forbidden")
    problem(client.get("/api/v1/nothing"), 404, "not-found")
    problem(town.admin.post(AGENCIES, json={}), 422, "invalid")
    problem(town.admin.post(AGENCIES, json=NEW | {"code": "PC08"}), 409, "code-taken")
    problem(town.admin.patch(f"{AGENCIES}/{town.here.agency_id}", json={}), 428, "precondition-required")


def test_a_wrong_method_says_which_ones_there_are(client):
    answer = client.put(f"{API}/sessions", json={})
    problem(answer, 405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_every_fault_is_told_with_its_field_and_what_was_found(town):
    answer = town.admin.post(AGENCIES, json={"code": "có dấu", "extra": 7})
    errors = {error["field"]: error for error in problem(answer, 422, "invalid")["errors"]}
    assert {field: error["code"] for field, error in errors.items()} == {
        "code": "invalid",
        "name": "required",
        "extra": "unknown",
    }
    assert "'có dấu'" in errors["code"]["message"]
    assert "7" in errors["extra"]["message"]


def test_a_secret_is_never_sent_back(client):
    body = {"login": "x", "password": ["mật khẩu trong danh sách"], "otp": "sáu số", "token": "bí mật"}
    answer = client.post(f"{API}/sessions", json=body)
    fields = {error["field"] for error in problem(answer, 422, "invalid")["errors"]}
    assert fields == {"password", "otp", "token"}
    for secret in ("mật khẩu", "sáu số", "bí mật"):
        assert secret not in answer.text


def test_a_long_value_is_sent_back_in_part(town):
    answer = town.admin.post(AGENCIES, json=NEW | {"name": "x" * 5000})
    assert len(answer.text) < 1000


@pytest.mark.parametrize("body", [b"{", b"nothing", b'{"code": NaN}', b'{"code": "\xff"}', b'"\\ud800"', b"\xff\xfe{}"])
def test_what_is_not_json_in_utf8_is_a_bad_request(town, body):
    problem(town.admin.post(AGENCIES, data=body, content_type="application/json"), 400, "invalid-json")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_json_that_is_no_object_is_told_so(town, body):
    answer = town.admin.post(AGENCIES, data=body, content_type="application/json")
    assert [error["field"] for error in problem(answer, 422, "invalid")["errors"]] == ["body"]


def test_a_deeply_nested_body_is_refused_not_followed(town):
    answer = town.admin.post(AGENCIES, data=b"[" * 100_000, content_type="application/json")
    problem(answer, 400, "invalid-json")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_another_kind_of_body_is_refused_as_such(town, kind):
    problem(town.admin.post(AGENCIES, data=json.dumps(NEW), content_type=kind), 415, "unsupported-media-type")


def test_a_text_with_a_nul_is_refused_before_the_database_sees_it(town):
    answer = town.admin.post(AGENCIES, json=NEW | {"name": "a\0b"})
    assert problem(answer, 422, "invalid")["errors"][0]["field"] == "name"
    problem(town.admin.get(f"{AGENCIES}?after=%00"), 400, "invalid-text")
    problem(town.admin.get(f"{API}/public/items/%00"), 400, "invalid-text")


def test_a_query_that_is_not_utf8_is_refused(town):
    problem(town.admin.get(f"{API}/staff?q=%ff"), 400, "invalid-text")


def test_a_body_that_is_too_large_is_refused_unread(town):
    answer = town.admin.post(AGENCIES, data=io.BytesIO(b"x" * (17 << 20)), content_type="application/json")
    problem(answer, 413, "too-large")


# ---------------------------------------------------------------------------------------------- idempotent writes
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def test_the_same_key_and_body_get_the_same_answer_and_one_effect(town, database):
    first = town.admin.post(AGENCIES, json=NEW, headers=KEY)
    again = town.admin.post(AGENCIES, json=NEW, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (first.headers.get("Idempotency-Replayed"), again.headers.get("Idempotency-Replayed")) == (None, "true")
    assert agencies(database) == 1


def test_another_body_with_the_same_key_is_refused(town, database):
    town.admin.post(AGENCIES, json=NEW, headers=KEY)
    answer = town.admin.post(AGENCIES, json=NEW | {"code": "KHAC"}, headers=KEY)
    problem(answer, 422, "idempotency-key-reused")
    assert agencies(database, "KHAC") == 0


def test_a_key_belongs_to_its_caller(town, database, app):
    town.admin.post(AGENCIES, json=NEW, headers=KEY)
    other = town.clerk.post(AGENCIES, json=NEW, headers=KEY)
    assert other.status_code == 403


def test_a_refusal_is_an_answer_too(town, database):
    taken = NEW | {"code": "PC08"}
    first = town.admin.post(AGENCIES, json=taken, headers=KEY)
    with database.write() as session:
        session.query(Agency).filter_by(code="PC08").one().code = "PC09"
    again = town.admin.post(AGENCIES, json=taken, headers=KEY)
    assert (first.status_code, again.status_code) == (409, 409)


@pytest.mark.parametrize("key", ["", "x" * 201, "có dấu", "a b"])
def test_a_key_is_plain_and_short(town, key):
    answer = town.admin.post(AGENCIES, json=NEW, headers={"Idempotency-Key": key.encode().decode("latin-1")})
    problem(answer, 400, "invalid-idempotency-key")


def test_keys_are_forgotten_after_a_day(town, clock, database, app):
    town.admin.post(AGENCIES, json=NEW, headers=KEY)
    clock.forward(hours=11)
    town.admin.get(f"{API}/me")  # keeps the session
    clock.forward(hours=11)
    town.admin.get(f"{API}/me")
    clock.forward(hours=3)
    problem(town.admin.post(AGENCIES, json=NEW, headers=KEY), 409, "code-taken")


def slow_route(app, started, go_on, *, fail=False):
    """A route that waits in the middle of its work."""

    @roles("admin")
    @idempotent
    def slow():
        started.set()
        assert go_on.wait(20)
        if fail:
            raise ZeroDivisionError
        return {"done": True}

    app.add_url_rule("/slow", view_func=slow, methods=["POST"])


@pytest.mark.own_app
def test_a_second_request_while_the_first_runs_is_told_to_wait(app, town):
    started, go_on, answers = threading.Event(), threading.Event(), []
    slow_route(app, started, go_on)
    first = threading.Thread(target=lambda: answers.append(town.admin.post("/slow", headers=KEY)))
    first.start()
    assert started.wait(20)
    waiting = town.admin.post("/slow", headers=KEY)
    go_on.set()
    first.join()
    problem(waiting, 409, "still-running")
    assert waiting.headers["Retry-After"] == "1"
    assert answers[0].json == {"done": True}
    assert town.admin.post("/slow", headers=KEY).json == {"done": True}


def test_the_same_request_sent_eight_times_at_once_has_one_effect(town, database):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(town.admin.post(AGENCIES, json=NEW, headers=KEY)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {201, 409}
    assert 201 in codes
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} <= {"still-running"}
    assert agencies(database) == 1


@pytest.mark.own_app
def test_after_a_fault_of_ours_the_same_key_may_be_tried_again(app, town):
    started, go_on = threading.Event(), threading.Event()
    go_on.set()
    slow_route(app, started, go_on, fail=True)
    assert [town.admin.post("/slow", headers=KEY).status_code for _ in range(2)] == [500, 500]


def test_a_key_whose_process_died_is_free_again_after_ten_minutes(town, database, clock):
    town.admin.post(AGENCIES, json=NEW, headers=KEY)
    with database.write() as session:
        row = session.scalars(select(IdempotencyKey)).one()
        row.status = row.answer = None
    problem(town.admin.post(AGENCIES, json=NEW, headers=KEY), 409, "still-running")
    clock.forward(minutes=11)
    problem(town.admin.post(AGENCIES, json=NEW, headers=KEY), 409, "code-taken")


@pytest.mark.own_app
def test_a_form_sent_again_with_another_boundary_is_the_same_request(app, town):
    @roles("admin")
    @idempotent
    def count():
        app.extensions["counted"] = app.extensions.get("counted", 0) + 1
        return {"count": app.extensions["counted"]}

    app.add_url_rule("/count", view_func=count, methods=["POST"])

    def send(content):
        return town.admin.post("/count", data={"a": "1", "file": (io.BytesIO(content), "a.xlsx")}, headers=KEY)

    assert send(b"one").json == {"count": 1}
    assert send(b"one").json == {"count": 1}
    assert send(b"two").status_code == 422


# ------------------------------------------------------------------------------------------------- cookie, forms
@pytest.fixture
def browser(app, town):
    """A browser in which the admin is signed in."""
    client = app.test_client()
    client.set_cookie(COOKIE, town.admin.token)
    return client


HERE = {"Origin": "http://localhost"}


def test_a_cookie_is_enough_to_read(browser):
    assert browser.get(AGENCIES).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "foreign-origin"),
        ({"X-Requested-With": "fetch"}, "foreign-origin"),
        ({"Origin": "null", "X-Requested-With": "fetch"}, "foreign-origin"),
        ({"Origin": "https://localhost", "X-Requested-With": "fetch"}, "foreign-origin"),
        ({"Origin": "http://localhost.evil.example", "X-Requested-With": "fetch"}, "foreign-origin"),
        ({"Referer": "http://localhost/", "X-Requested-With": "fetch"}, "foreign-origin"),
        (HERE, "forged-form"),
    ],
)
def test_a_write_by_cookie_alone_is_refused(browser, database, headers, code):
    problem(browser.post(AGENCIES, json=NEW, headers=headers), 403, code)
    assert agencies(database) == 0


def test_a_write_by_cookie_from_our_own_script_is_taken(browser):
    answer = browser.post(AGENCIES, json=NEW, headers=HERE | {"X-Requested-With": "fetch"})
    assert answer.status_code == 201


@pytest.mark.own_app
def test_a_form_carries_the_token_of_its_session(app, browser, town):
    @roles("admin")
    def form():
        return {"taken": True}

    app.add_url_rule("/form", view_func=form, methods=["POST"])
    with app.app_context():
        right, other = form_token(town.admin.token), form_token(town.clerk.token)
    assert browser.post("/form", data={"csrf_token": right}, headers=HERE).json == {"taken": True}
    for wrong in (other, "", right[:-1], "ß"):
        problem(browser.post("/form", data={"csrf_token": wrong}, headers=HERE), 403, "forged-form")
    problem(browser.post("/form", data={"csrf_token": right}), 403, "foreign-origin")


def test_a_bearer_token_needs_no_origin_even_beside_a_cookie(browser, town):
    answer = browser.post(AGENCIES, json=NEW, headers={"Authorization": f"Bearer {town.admin.token}"})
    assert answer.status_code == 201


def test_a_bad_bearer_token_is_not_rescued_by_the_cookie(browser):
    assert browser.get(AGENCIES, headers={"Authorization": "Bearer nothing"}).status_code == 401


# -------------------------------------------------------------------------------------------------------- headers
def test_every_answer_carries_the_protecting_headers(client, town):
    for answer in (client.get("/livez"), client.get("/nothing"), client.post("/livez"), town.admin.get(AGENCIES)):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers


def test_over_https_browsers_are_told_to_stay_there(client):
    answer = client.get("/livez", base_url="https://localhost")
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_a_proxy_is_believed_only_when_it_was_named(client, app_with):
    spoofed = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    assert "Strict-Transport-Security" not in client.get("/livez", headers=spoofed).headers
    assert (
        "Strict-Transport-Security" in app_with(trusted_proxies=1).test_client().get("/livez", headers=spoofed).headers
    )


def test_a_request_keeps_an_id_that_is_harmless_and_gets_one_otherwise(client):
    assert client.get("/livez", headers={"X-Request-Id": "abc-123"}).headers["X-Request-Id"] == "abc-123"
    for bad in ("", "x" * 65, "a\tb", "{${jndi}}", "a b"):
        given = client.get("/livez", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
        assert given != bad
        assert len(given) == 32


# ------------------------------------------------------------------------------------------------------------ log
def test_a_view_that_says_not_who_may_call_it_stops_the_start(app_with, monkeypatch):
    from api import staff  # noqa: PLC0415

    monkeypatch.delattr(staff.list_agencies, "access")
    with pytest.raises(RuntimeError, match="/api/v1/agencies"):
        app_with()


def test_the_log_names_routes_and_ids_but_no_token_path_or_person(town, client):
    with structlog.testing.capture_logs() as lines:
        client.get(f"{API}/public/items/TOKENOFACITIZEN")
        client.get("/t/TOKENOFACITIZEN")
        client.get("/anything/TOKENOFACITIZEN?phone=0599000001")
        client.post(f"{API}/sessions", json={"login": "somelogin", "password": "MATKHAU1234"})
        town.admin.get(f"{API}/staff?q=Nguyễn")
    told = json.dumps(lines, default=str, ensure_ascii=False)
    assert len(lines) == 5
    assert lines[0]["route"] == "/api/v1/public/items/<string:token>"
    assert lines[4]["actor"] == str(town.admin.caller.id)
    for secret in ("TOKENOFACITIZEN", "0599", "somelogin", "MATKHAU1234", "Nguy", town.admin.token):
        assert secret not in told


@pytest.mark.own_app
def test_a_crash_is_told_by_type_and_place_without_its_message(app, town):
    @roles("admin")
    def crash():
        raise ValueError("0599000001 Nguyễn Văn Mẫu")

    app.add_url_rule("/crash", view_func=crash)
    from courier.logs import told_without_message  # noqa: PLC0415

    with structlog.testing.capture_logs(processors=[told_without_message]) as lines:
        answer = town.admin.get("/crash")
    problem(answer, 500, "our-fault")
    told = json.dumps(lines, default=str, ensure_ascii=False)
    assert "builtins.ValueError" in told
    assert "test_conventions.py" in told
    assert "0599000001" not in told
    assert "0599000001" not in answer.text


def test_gunicorn_writes_no_path_whatever_it_is_told(capsys):
    from gunicorn.config import Config  # noqa: PLC0415

    from api.serving import Log  # noqa: PLC0415

    config = Config()
    config.set("accesslog", "-")
    config.set("loglevel", "debug")
    log = Log(config)
    log.access(None, None, {"RAW_URI": "/t/TOKENOFACITIZEN"}, timedelta(seconds=1))
    log.debug("%s %s", "GET", "/t/TOKENOFACITIZEN")
    try:
        raise ValueError("/t/TOKENOFACITIZEN")
    except ValueError:
        log.exception("Error handling request %s", "/t/TOKENOFACITIZEN")
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.flush()
    told = "".join(capsys.readouterr())
    assert "Error handling request" in told
    assert "TOKENOFACITIZEN" not in told


def test_the_clock_of_a_request_stands_still(app, clock):
    from api.conventions import now  # noqa: PLC0415

    with app.test_request_context("/livez"):
        first = now()
        clock.forward(minutes=1)
        assert now() == first == MORNING
