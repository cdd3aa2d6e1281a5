"""Agencies' programs: secrets for tokens, scopes route by route, and what becomes of whoever guesses."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from api.auth import ANY_SCOPE, access_of
from courier.domain.people import Role, Scope
from courier.store.tables import AccessToken, AgencyClientSecret, AuditEntry
from tests.api.conftest import Person, enlist, sign
from tests.builders import MORNING

V1 = "/api/v1"
TOKEN = f"{V1}/token"
NOBODY = UUID("00000000-0000-7000-8000-000000000000")
SOME = {"day:": "2026-11-25", "int:": "1", "string:": "0" * 64}
ALL = [scope.value for scope in Scope]


@pytest.fixture
def program(town):
    """A program of the agency that may do everything: (what the admin was told, with the secret)."""
    return made(town)


def made(town, scopes=ALL, **more):
    path = f"{V1}/agencies/{town.agency.caller.agency_id}/clients"
    answer = town.admin.post(path, json={"name": "Cổng một cửa", "scopes": scopes, **more})
    assert answer.status_code == 201, answer.text
    return answer.json


def basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def ask(client, program, secret=None, **more):
    return client.post(
        TOKEN,
        data={"grant_type": "client_credentials", **more.pop("form", {})},
        headers=basic(program["client_id"], secret or program["client_secret"]),
        **more,
    )


def bearer(client, token, path, method="GET", **more):
    return client.open(f"{V1}{path}", method=method, headers={"Authorization": f"Bearer {token}"}, **more)


def test_a_secret_becomes_a_token_for_an_hour_and_no_longer(client, town, program, clock):
    answer = ask(client, program)
    assert (answer.status_code, answer.json["token_type"], answer.json["expires_in"]) == (200, "Bearer", 3600)
    assert answer.json["scope"].split() == sorted(ALL)
    assert answer.headers["Cache-Control"] == "no-store"
    token = answer.json["access_token"]
    for _ in range(3):
        # A person's session grows with use, a program's token does not.
        assert bearer(client, token, "/items").status_code == 200
        clock.forward(minutes=19)
    assert bearer(client, token, "/items").status_code == 200
    clock.forward(minutes=3)
    assert bearer(client, token, "/items").status_code == 401


def test_the_secret_comes_in_the_form_as_well_but_not_both_ways(client, program):
    form = {"client_id": program["client_id"], "client_secret": program["client_secret"]}
    assert client.post(TOKEN, data={"grant_type": "client_credentials", **form}).status_code == 200
    both = ask(client, program, form=form)
    assert (both.status_code, both.json["error"]) == (400, "invalid_request")


def test_what_the_standard_calls_wrong_is_called_by_its_names(client, program):
    head = basic(program["client_id"], program["client_secret"])
    cases = [
        ({}, head, 400, "invalid_request"),
        ({"grant_type": "password"}, head, 400, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, head, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "items:read world"}, head, 400, "invalid_scope"),
        ({"grant_type": "client_credentials"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic ???"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, basic(program["client_id"], "x" * 43), 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, basic("agency-nobody", "x" * 43), 401, "invalid_client"),
    ]
    for form, headers, status, error in cases:
        answer = client.post(TOKEN, data=form, headers=headers)
        assert (answer.status_code, answer.json["error"]) == (status, error), form
        assert set(answer.json) == {"error", "error_description"}
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_token_opens_what_its_scopes_say_route_by_route(app, client, town):
    """Every route an agency may call, with every scope alone: the mark of the view decides, and nothing is open by mistake."""
    tokens = {scope: ask(client, made(town, [scope])).json["access_token"] for scope in ALL}
    walked = 0
    for rule in app.url_map.iter_rules():
        access = access_of(app.view_functions[rule.endpoint]) if rule.endpoint != "static" else None
        if access is None or access.public:
            continue
        path = re.sub("<([a-z]+:)?[^>]*>", lambda found: SOME.get(found[1], str(NOBODY)), rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            for scope, token in tokens.items():
                if access.scope == ANY_SCOPE:
                    continue
                answer = client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, json={})
                walked += 1
                if Role.AGENCY not in access.roles:
                    assert answer.status_code == 403, (method, rule.rule)
                elif scope == access.scope:
                    assert answer.status_code not in (401, 403), (method, rule.rule, answer.text)
                    assert answer.status_code < 500, (method, rule.rule, answer.text)
                elif not path.startswith(V1):
                    assert answer.status_code == 403, (method, rule.rule)
                else:
                    assert (answer.status_code, answer.json["code"]) == (403, "insufficient-scope"), (method, rule.rule)
                    assert access.scope is None or access.scope in answer.headers["WWW-Authenticate"]
    assert walked > 300


def test_every_route_of_an_agency_has_a_scope_or_is_for_people(app):
    """A new route for agencies says which scope opens it."""
    for_people = {
        "/agency", f"{V1}/me/password", f"{V1}/me/authenticator", "/password", "/sign-out",
    }  # fmt: skip
    without = set()
    for rule in app.url_map.iter_rules():
        access = access_of(app.view_functions[rule.endpoint]) if rule.endpoint != "static" else None
        if access is not None and Role.AGENCY in access.roles and access.scope is None:
            without.add(rule.rule)
    assert {rule for rule in without if rule.startswith(V1)} <= for_people


def test_a_token_may_be_asked_with_fewer_rights(client, program):
    token = ask(client, program, form={"scope": "items:read"}).json
    assert token["scope"] == "items:read"
    refused = bearer(client, token["access_token"], "/imports", "POST", json={"rows": [{}]})
    assert (refused.status_code, refused.json["code"]) == (403, "insufficient-scope")
    assert "items:write" in refused.json["detail"]


def test_an_account_of_the_agency_signs_in_as_before_and_no_scope_bounds_it(town):
    for path in ("/items", "/imports", "/webhooks", "/me"):
        assert town.agency.get(f"{V1}{path}").status_code == 200


def test_while_a_secret_is_rotated_both_hold_and_after_a_week_only_the_new_one(client, town, program, clock):
    path = f"{V1}/clients/{program['id']}"
    new = town.admin.post(f"{path}/secret").json["client_secret"]
    assert ask(client, program).status_code == ask(client, program, new).status_code == 200
    clock.forward(days=7)
    town.admin.token = sign(town.here.database, town.admin.caller, at=clock())
    assert ask(client, program).status_code == 401
    assert ask(client, program, new).status_code == 200
    assert town.admin.get(path).json["last_used_at"] is not None


def test_a_revoked_program_is_shut_out_at_once_with_its_tokens(client, town, program):
    token = ask(client, program).json["access_token"]
    assert bearer(client, token, "/items").status_code == 200
    assert town.admin.delete(f"{V1}/clients/{program['id']}").json["active"] is False
    assert bearer(client, token, "/items").status_code == 401
    assert ask(client, program).status_code == 401
    assert town.admin.post(f"{V1}/clients/{program['id']}/secret").json["code"] == "client-revoked"


def test_a_program_ends_on_its_day(client, town, clock):
    soon = made(town, expires_at=(MORNING + timedelta(minutes=10)).isoformat())
    assert ask(client, soon).json["expires_in"] == 600
    clock.forward(minutes=10)
    assert ask(client, soon).status_code == 401
    path = f"{V1}/agencies/{town.agency.caller.agency_id}/clients"
    late = {"name": "Muộn", "scopes": ["items:read"], "expires_at": MORNING.isoformat()}
    assert town.admin.post(path, json=late).status_code == 422


def test_fewer_rights_hold_at_once(client, town, program):
    token = ask(client, program).json["access_token"]
    path = f"{V1}/clients/{program['id']}"
    changed = town.admin.patch(path, json={"scopes": ["items:read"]}, headers={"If-Match": '"1"'})
    assert changed.json["scopes"] == ["items:read"]
    assert bearer(client, token, "/webhooks").status_code == 401
    assert ask(client, program, form={"scope": "webhooks:manage"}).json["error"] == "invalid_scope"
    assert town.admin.patch(path, json={"name": "x"}, headers={"If-Match": '"1"'}).status_code == 412


def test_guesses_are_counted_and_nobody_elses_guesses_shut_a_program_out(client, program):
    attacker, owner = {"REMOTE_ADDR": "203.0.113.9"}, {"REMOTE_ADDR": "198.51.100.7"}
    tries = [ask(client, program, "x" * 43, environ_base=attacker) for _ in range(7)]
    assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
    assert 0 < int(tries[-1].headers["Retry-After"]) <= 900
    # Even with the right secret from there; the agency's own network is not bothered.
    assert ask(client, program, environ_base=attacker).status_code == 429
    assert ask(client, program, environ_base=owner).status_code == 200


def test_many_programs_are_guessed_twenty_times_from_one_network(client, town, clock):
    answers = [
        client.post(
            TOKEN, data={"grant_type": "client_credentials"}, headers=basic(f"agency-{n}", "x" * 43)
        ).status_code
        for n in range(25)
    ]
    assert answers == [401] * 20 + [429] * 5
    clock.forward(minutes=16)
    assert ask(client, made_again(town, clock)).status_code == 200


def made_again(town, clock):
    town.admin.token = sign(town.here.database, town.admin.caller, at=clock())
    return made(town)


def test_guesses_sent_all_at_once_get_no_more_tries(app, program):
    def guess(number):
        return ask(app.test_client(use_cookies=False), program, f"{number:043d}").status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(guess, range(16)))
    assert answers == [401] * 5 + [429] * 11


def test_a_tampered_token_opens_nothing(client, program):
    token = ask(client, program).json["access_token"]
    for other in (token[:-1], token + "A", token.swapcase(), token[::-1], "", " ", "A" * 4096, token[:-1] + "é"):
        assert bearer(client, other, "/items").status_code == 401


def test_neither_secret_nor_token_is_kept(town, client, program, database):
    token = ask(client, program).json["access_token"]
    assert program["client_secret"] not in town.admin.get(f"{V1}/clients/{program['id']}").text
    with database.read() as session:
        (secret,) = session.query(AgencyClientSecret).all()
        (kept,) = [row for row in session.query(AccessToken).all() if row.scopes is not None]
        told = [(row.act, row.detail) for row in session.query(AuditEntry).all()]
    assert secret.secret_hash == sha256(program["client_secret"].encode()).hexdigest()
    assert token not in kept.token_hash
    assert ("client created", {"scopes": sorted(ALL)}) in told


def test_a_program_has_no_password_and_stands_on_no_list_of_people(client, town, program):
    for password in ("!", "", program["client_secret"]):
        sent = client.post(f"{V1}/sessions", json={"login": program["client_id"], "password": password or "x"})
        assert sent.status_code == 401
    people = town.admin.get(f"{V1}/staff?limit=200").json["data"]
    assert program["client_id"] not in [one["login"] for one in people]
    assert town.admin.get(f"{V1}/staff/{program['id']}").status_code == 404
    reset = town.admin.post(f"{V1}/staff/{program['id']}/password", headers={"If-Match": '"1"'})
    assert reset.status_code == 404


def test_two_agencies_never_meet(app, client, town, program, database):
    """Whatever of the other agency a program names, it is not there."""
    other = Person(app, enlist(database, "agency-x", Role.AGENCY, agency_id=town.there.agency_id), "")
    other.token = sign(database, other.caller)
    item = str(town.there.item())
    hook = other.post(f"{V1}/webhooks", json={"url": "https://8.8.8.8/"}).json["id"]
    batch = other.post(f"{V1}/imports", json={"rows": [{"barcode": "x"}]}).json["id"]
    token = ask(client, program).json["access_token"]
    match = {"If-Match": '"1"', "Authorization": f"Bearer {token}"}
    for method, path, body in [
        ("GET", f"/items/{item}", None),
        ("GET", f"/items/{item}/events", None),
        ("POST", f"/items/{item}/events", {"type": "recalled"}),
        ("GET", f"/imports/{batch}", None),
        ("POST", f"/imports/{batch}/undo", None),
        ("GET", f"/webhooks/{hook}", None),
        ("PATCH", f"/webhooks/{hook}", {"active": False}),
        ("DELETE", f"/webhooks/{hook}", None),
        ("POST", f"/webhooks/{hook}/secret", None),
        ("POST", f"/webhooks/{hook}/ping", None),
        ("GET", f"/webhooks/{hook}/notices", None),
        ("POST", f"/webhooks/{hook}/replay", {"since": MORNING.isoformat()}),
    ]:
        answer = client.open(f"{V1}{path}", method=method, headers=match, json=body)
        assert answer.status_code == 404, (method, path, answer.text)
    for path in ("/items", "/imports", "/webhooks"):
        text = bearer(client, token, path).text
        assert not any(found in text for found in (item, hook, batch))
