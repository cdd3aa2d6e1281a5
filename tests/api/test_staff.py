"""The admin's desk over HTTP: people, offices, agencies, and the kinds of papers with their unverified marks."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from courier.domain.money import Dong, Line, Posting, cash_account
from courier.domain.people import Role
from courier.store import ledger
from courier.store.tables import AuditEntry, IdempotencyKey, Item, Postman, Staff, Vehicle
from tests.api.conftest import PASSWORD, Person, enlist, sign
from tests.builders import DAY, MORNING

API = "/api/v1"


def new_postman(town, **changes):
    return {
        "login": "moi",
        "name": "Lê Thị Mới",
        "role": "postman",
        "office": str(town.here.office_id),
        "phone": "0599 0000 09",
        "postman": {"mode": "boat", "shift_start": "06:30", "shift_end": "15:00", "beat": ["32044"]},
    } | changes


def version(answer):
    return {"If-Match": answer.headers["ETag"]}


# ---------------------------------------------------------------------------------------------------------- staff
def test_a_new_postman_gets_an_account_a_vehicle_a_profile_and_a_password_to_change(town, client, database):
    answer = town.admin.post(f"{API}/staff", json=new_postman(town))
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.json["postman"] == {
        "mode": "boat",
        "capacity_items": 80,
        "shift_start": "06:30",
        "shift_end": "15:00",
        "break_start": None,
        "break_minutes": 0,
        "cash_limit_dong": 20_000_000,
        "beat": ["32044"],
    }
    entered = client.post(f"{API}/sessions", json={"login": "moi", "password": answer.json["one_time_password"]})
    assert entered.status_code == 201
    assert entered.json["office"] == str(town.here.office_id)
    with database.read() as session:
        row = session.scalars(select(Staff).where(Staff.login == "moi")).one()
        profile = session.get_one(Postman, row.id)
        vehicle = session.get_one(Vehicle, profile.vehicle_id)
        assert (row.must_change_password, profile.shift_start, vehicle.mode) == (True, 23_400, "boat")
        assert vehicle.office_id == town.here.office_id


def test_the_password_is_told_once_and_stored_nowhere_readable(town, database):
    answer = town.admin.post(f"{API}/staff", json=new_postman(town), headers={"Idempotency-Key": "once"})
    told = answer.json["one_time_password"]
    shown = town.admin.get(f"{API}/staff/{answer.json['id']}")
    assert told not in shown.text
    with database.read() as session:
        kept = session.scalars(select(IdempotencyKey)).one()
        audits = session.scalars(select(AuditEntry)).all()
    assert told not in str(kept.answer)
    assert all(told not in str(entry.detail) and "Lê Thị Mới" not in str(entry.detail) for entry in audits)


FAULTS = [
    ({"login": "Có Dấu"}, "login"),
    ({"login": "a"}, "login"),
    ({"name": " hở"}, "name"),
    ({"name": ""}, "name"),
    ({"role": "citizen"}, "role"),
    ({"office": None}, "office"),
    ({"office": "8ed2a0e8-6f8b-4d0c-9b19-5d3a2f1f3f11"}, "office"),
    ({"office": "không"}, "office"),
    ({"role": "admin", "postman": None}, "office"),
    ({"role": "agency", "office": None, "postman": None}, "agency"),
    ({"role": "clerk"}, "postman"),
    ({"phone": "gọi tôi"}, "phone"),
    ({"postman": {"mode": "máy bay"}}, "postman.mode"),
    ({"postman": {"shift_start": "24:00"}}, "postman.shift_start"),
    ({"postman": {"shift_start": "15:00", "shift_end": "06:00"}}, "postman.shift_end"),
    ({"postman": {"break_start": "04:00"}}, "postman.break_start"),
    ({"postman": {"beat": ["99999"]}}, "postman.beat"),
    ({"postman": {"cash_limit_dong": -1}}, "postman.cash_limit_dong"),
    ({"postman": {"cash_limit_dong": "5"}}, "postman.cash_limit_dong"),
    ({"postman": {"cash_limit_dong": True}}, "postman.cash_limit_dong"),
    ({"postman": {"cash_limit_dong": 1.5}}, "postman.cash_limit_dong"),
    ({"demo": True}, "demo"),
]


def test_a_fault_in_an_account_names_its_field_and_leaves_nothing_behind(town, database):
    for changes, field in FAULTS:
        answer = town.admin.post(f"{API}/staff", json=new_postman(town, **changes))
        assert answer.status_code == 422, (changes, answer.text)
        assert field in [error["field"] for error in answer.json["errors"]], changes
    with database.read() as session:
        assert session.scalars(select(Staff).where(Staff.login == "moi")).all() == []
        assert session.scalars(select(Vehicle).where(Vehicle.name == "Lê Thị Mới")).all() == []


def test_a_whole_number_may_be_written_with_a_point(town):
    answer = town.admin.post(f"{API}/staff", json=new_postman(town, postman={"cash_limit_dong": 5_000_000.0}))
    assert answer.json["postman"]["cash_limit_dong"] == 5_000_000


def test_a_login_belongs_to_one_person(town):
    assert town.admin.post(f"{API}/staff", json=new_postman(town)).status_code == 201
    again = town.admin.post(f"{API}/staff", json=new_postman(town, name="Người Khác"))
    assert (again.status_code, again.json["code"]) == (409, "login-taken")


def test_a_list_is_read_in_pages_without_gap_or_repetition(town):
    seen, after = [], None
    while True:
        query = {"limit": 4} | ({"after": after} if after else {})
        answer = town.admin.get(f"{API}/staff", query_string=query).json
        assert len(answer["data"]) <= 4
        seen += [row["login"] for row in answer["data"]]
        if (after := answer["next"]) is None:
            break
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 12


@pytest.mark.parametrize("q", ["lê thị mới", "LE THI", "moi"])
def test_people_are_found_with_or_without_diacritics(town, q):
    town.admin.post(f"{API}/staff", json=new_postman(town))
    answer = town.admin.get(f"{API}/staff", query_string={"q": q})
    assert [row["login"] for row in answer.json["data"]] == ["moi"]


def test_a_search_is_paged_too(town):
    query = {"q": "nguoi thu", "limit": 5}
    first = town.admin.get(f"{API}/staff", query_string=query).json
    second = town.admin.get(f"{API}/staff", query_string=query | {"after": first["next"]}).json
    third = town.admin.get(f"{API}/staff", query_string=query | {"after": second["next"]}).json
    logins = [row["login"] for part in (first, second, third) for row in part["data"]]
    assert (len(logins), len(set(logins)), third["next"]) == (12, 12, None)


def test_a_query_that_means_nothing_is_refused(town):
    for query in ("limit=0", "limit=201", "limit=x", "limit=1.5", "after=x", "after=WzFd", "page=2"):
        answer = town.admin.get(f"{API}/staff?{query}")
        assert answer.status_code == 422, query
        assert answer.json["errors"][0]["field"] == query.partition("=")[0]


def test_a_change_needs_the_version_it_changes(town, database):
    path = f"{API}/staff/{town.clerk.caller.id}"
    assert town.admin.patch(path, json={"name": "Tên Mới"}).status_code == 428
    read = town.admin.get(path)
    changed = town.admin.patch(path, json={"name": "Tên Mới"}, headers=version(read))
    assert (changed.status_code, changed.json["name"], changed.headers["ETag"]) == (200, "Tên Mới", '"2"')
    late = town.admin.patch(path, json={"name": "Khác"}, headers=version(read))
    assert (late.status_code, late.json["code"], late.headers["ETag"]) == (412, "stale", '"2"')
    with database.read() as session:
        assert session.scalars(select(AuditEntry.act)).all() == ["staff changed"]


def test_only_a_plain_version_counts_as_one(town):
    path = f"{API}/staff/{town.clerk.caller.id}"
    for tag, status in (
        ("*", 428),
        ("", 428),
        ("1", 400),
        ('"1', 400),
        ('x"1"', 400),
        ('W/"1"', 412),
        ('"x"', 412),
        ('"1", "2"', 412),
        ('"²"', 412),
        ('"1"', 200),
    ):
        answer = town.admin.patch(path, json={"name": "Tên Mới"}, headers={"If-Match": tag})
        assert answer.status_code == status, tag


def test_deactivating_somebody_ends_the_sessions(town):
    assert town.clerk.get(f"{API}/me").status_code == 200
    path = f"{API}/staff/{town.clerk.caller.id}"
    assert town.admin.patch(path, json={"active": False}, headers={"If-Match": '"1"'}).status_code == 200
    assert town.clerk.get(f"{API}/me").status_code == 401


def test_the_last_admin_cannot_leave(town, database, app):
    path = f"{API}/staff/{town.admin.caller.id}"
    answer = town.admin.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json["code"]) == (409, "last-admin")
    other = enlist(database, "admin2", Role.ADMIN)
    assert (
        Person(app, other, sign(database, other))
        .patch(path, json={"active": False}, headers={"If-Match": '"1"'})
        .status_code
        == 200
    )
    assert town.admin.get(f"{API}/me").status_code == 401


def test_a_postman_leaves_with_an_empty_bag_and_an_empty_pocket_only(town, database):
    item = town.here.item()
    postman = town.postman.caller
    path = f"{API}/staff/{postman.id}"
    with database.write() as session:
        row = session.get_one(Item, item)
        row.custody, row.custody_holder = "postman", postman.id
    carrying = town.admin.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
    assert (carrying.status_code, carrying.json["code"]) == (409, "still-carries-items")
    with database.write() as session:
        row = session.get_one(Item, item)
        row.custody, row.custody_holder = "office", None
        lines = (Line(cash_account(postman.id, DAY), 50_000), Line(f"suspense:{town.here.office_id}", -50_000))
        ledger.post(
            session,
            Posting("collection", DAY, lines),
            key="pocket",
            office_id=town.here.office_id,
            at=MORNING,
        )
    assert ledger_of(database, postman) == Dong(50_000)
    paying = town.admin.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
    assert (paying.status_code, paying.json["code"]) == (409, "still-holds-cash")
    moving = town.admin.patch(path, json={"office": str(town.there.office_id)}, headers={"If-Match": '"1"'})
    assert moving.json["code"] == "still-holds-cash"


def ledger_of(database, postman):
    with database.read() as session:
        return ledger.balance(session, cash_account(postman.id, DAY))


def test_a_postman_who_moves_takes_the_vehicle_along(town, database):
    created = town.admin.post(f"{API}/staff", json=new_postman(town))
    path = f"{API}/staff/{created.json['id']}"
    moved = town.admin.patch(path, json={"office": str(town.there.office_id)}, headers=version(created))
    assert moved.json["office"] == str(town.there.office_id)
    with database.read() as session:
        vehicle = session.scalars(select(Vehicle).where(Vehicle.name == "Lê Thị Mới")).one()
    assert vehicle.office_id == town.there.office_id


def test_a_profile_is_replaced_as_a_whole(town):
    created = town.admin.post(f"{API}/staff", json=new_postman(town))
    work = {"mode": "motorbike", "break_start": "11:00", "break_minutes": 45}
    changed = town.admin.patch(
        f"{API}/staff/{created.json['id']}", json={"postman": work}, headers=version(created)
    ).json["postman"]
    assert (changed["mode"], changed["break_start"], changed["break_minutes"]) == ("motorbike", "11:00", 45)
    assert (changed["shift_start"], changed["beat"]) == ("07:30", [])


def test_a_clerk_has_no_profile_and_an_admin_no_office(town):
    clerk = town.admin.patch(
        f"{API}/staff/{town.clerk.caller.id}", json={"postman": {"mode": "boat"}}, headers={"If-Match": '"1"'}
    )
    admin = town.admin.patch(
        f"{API}/staff/{town.admin.caller.id}",
        json={"office": str(town.here.office_id)},
        headers={"If-Match": '"1"'},
    )
    assert [clerk.status_code, admin.status_code] == [422, 422]
    assert [clerk.json["errors"][0]["field"], admin.json["errors"][0]["field"]] == ["postman", "office"]


def test_a_reset_password_ends_the_old_one_and_its_sessions(town, client, database, app):
    caller = enlist(database, "quen", Role.ADMIN)
    forgetful = Person(app, caller, sign(database, caller))
    answer = town.admin.post(f"{API}/staff/{caller.id}/password", headers={"If-Match": '"1"'})
    assert answer.status_code == 200
    assert forgetful.get(f"{API}/me").status_code == 401
    old = client.post(f"{API}/sessions", json={"login": "quen", "password": PASSWORD})
    new = client.post(f"{API}/sessions", json={"login": "quen", "password": answer.json["one_time_password"]})
    assert [old.status_code, new.status_code] == [401, 201]
    assert town.admin.post(f"{API}/staff/{caller.id}/password").status_code == 428


@pytest.mark.parametrize("what", ["staff", "offices", "agencies"])
def test_what_is_not_there_is_not_found(town, what):
    for path in (f"{API}/{what}/{uuid4()}", f"{API}/{what}/1", f"{API}/{what}/not-an-id"):
        assert town.admin.get(path).status_code == 404
    assert town.admin.patch(f"{API}/{what}/{uuid4()}", json={}, headers={"If-Match": '"1"'}).status_code == 404


# ------------------------------------------------------------------------------------------- offices and agencies
NEW_OFFICE = {
    "code": "KHANH-AN",
    "name": "Bưu cục Khánh An",
    "commune": "32059",
    "lat": 9.34,
    "lon": 105,
    "communes": ["32059"],
}


def test_an_office_is_opened_changed_and_closed(town, database):
    opened = town.admin.post(f"{API}/offices", json=NEW_OFFICE)
    assert (opened.status_code, opened.json["kind"], opened.json["active"]) == (201, "office", True)
    path = f"{API}/offices/{opened.json['id']}"
    changed = town.admin.patch(path, json={"lat": 9.35, "communes": []}, headers=version(opened))
    assert (changed.json["lat"], changed.json["communes"], changed.json["version"]) == (9.35, [], 2)
    closed = town.admin.patch(path, json={"active": False}, headers=version(changed))
    assert closed.json["active"] is False
    refused = town.admin.post(f"{API}/staff", json=new_postman(town, office=opened.json["id"]))
    assert refused.json["errors"][0]["field"] == "office"
    with database.read() as session:
        acts = session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all()
    assert acts == ["office created", "office changed", "office changed"]


OFFICE_FAULTS = [
    ({"commune": "99999"}, "commune"),
    ({"communes": ["99999"]}, "communes"),
    ({"parent": str(uuid4())}, "parent"),
    ({"lat": 91}, "lat"),
    ({"lon": "105"}, "lon"),
    ({"lat": True}, "lat"),
    ({"code": "có dấu"}, "code"),
    ({"kind": "shop"}, "kind"),
]


def test_a_fault_in_an_office_names_its_field(town):
    for changes, field in OFFICE_FAULTS:
        answer = town.admin.post(f"{API}/offices", json=NEW_OFFICE | changes)
        assert answer.status_code == 422, changes
        assert answer.json["errors"][0]["field"].startswith(field), changes


def test_codes_of_offices_and_agencies_are_unique(town):
    office = town.admin.post(f"{API}/offices", json=NEW_OFFICE | {"code": "UM"})
    agency = town.admin.post(f"{API}/agencies", json={"code": "PC08", "name": "Cơ quan khác"})
    assert [(answer.status_code, answer.json["code"]) for answer in (office, agency)] == [(409, "code-taken")] * 2


def test_an_office_or_agency_with_people_cannot_be_closed(town):
    office = town.admin.patch(
        f"{API}/offices/{town.here.office_id}", json={"active": False}, headers={"If-Match": '"1"'}
    )
    agency = town.admin.patch(
        f"{API}/agencies/{town.here.agency_id}", json={"active": False}, headers={"If-Match": '"1"'}
    )
    assert [(answer.status_code, answer.json["code"]) for answer in (office, agency)] == [(409, "has-staff")] * 2


def test_an_agency_is_entered_and_its_client_signs_in_for_it(town):
    entered = town.admin.post(f"{API}/agencies", json={"code": "BHXH", "name": "Bảo hiểm xã hội"})
    assert entered.status_code == 201
    client = {"login": "bhxh", "name": "Hệ thống BHXH", "role": "agency", "agency": entered.json["id"]}
    assert town.admin.post(f"{API}/staff", json=client).json["agency"] == entered.json["id"]
    changed = town.admin.patch(f"{API}/agencies/{entered.json['id']}", json={"name": "BHXH"}, headers=version(entered))
    assert (changed.json["name"], changed.json["code"]) == ("BHXH", "BHXH")
    codes = [row["code"] for row in town.admin.get(f"{API}/agencies").json["data"]]
    assert codes == sorted(codes)
    assert "BHXH" in codes


# ---------------------------------------------------------------------------------------------------------- facts
def test_an_admin_sees_what_nobody_has_verified(town):
    answer = town.admin.get(f"{API}/document-types").json
    marks = [kind["verified"] for kind in answer["data"]]
    marks += [rule["verified"] for kind in answer["data"] for rule in kind["rules"]]
    marks += [tariff["verified"] for kind in answer["data"] for tariff in kind["tariffs"]]
    assert answer["unverified"] == marks.count(False) > 0
    assert all(row["source"] for kind in answer["data"] for row in (kind, *kind["rules"], *kind["tariffs"]))
