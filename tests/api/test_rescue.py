"""The rescue file: what a phone could not send any more, brought by hand, once or twice, in the name of who wrote it."""

import io
import json
import re

import pytest
from sqlalchemy import select

from courier.store.envelopes import to_text
from courier.store.tables import AuditEntry, ItemEvent, QuarantinedEvent
from tests.api.conftest import Person, sign
from tests.api.phone import EnrolledPhone
from tests.api.test_media import a_picture, digest_of, sealed
from tests.api.test_phones import results
from tests.builders import MORNING, done_right


@pytest.fixture
def phone(town):
    return EnrolledPhone(town.postman, town.here)


@pytest.fixture
def item(town):
    return town.here.item(charges=())


def a_file(phone, *events, pictures=(), **changed):
    return {
        "format": "buuta-rescue",
        "v": 1,
        "device_id": str(phone.id),
        "staff_id": str(phone.person.caller.id),
        "number": 1,
        "made_at": MORNING.isoformat(),
        "events": [phone.sealed(event) for event in events],
        "media": [{"sha256": digest_of(picture), "envelope": to_text(sealed(phone, picture))} for picture in pictures],
        **changed,
    }


def a_day(phone, item, *pictures):
    proofs = [{"kind": "signature", "sha256": None}]
    proofs += [{"kind": "photo_place", "sha256": digest_of(picture)} for picture in pictures]
    return [phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 5, **done_right(proofs=proofs))]


def bring(person, file):
    return person.post("/api/v1/sync/rescue", json=file)


def test_the_dispatcher_brings_it_and_the_acts_are_the_postmans(town, phone, item, database):
    picture = a_picture()
    file = a_file(phone, *a_day(phone, item, picture), pictures=[picture])
    answer = bring(town.dispatcher, file)
    assert results(answer) == [("applied", None)] * 2
    assert answer.json["ack_through"] == 2
    assert answer.json["media"] == [{"sha256": digest_of(picture), "result": "stored"}]
    assert town.here.row(item).state == "delivered"
    assert town.dispatcher.get(f"/api/v1/media/{digest_of(picture)}").data == picture
    with database.read() as session:
        actors = set(session.scalars(select(ItemEvent.actor_id).where(ItemEvent.device_id == phone.id)))
        noted = session.scalars(select(AuditEntry).where(AuditEntry.act == "rescue file brought")).one()
    assert actors == {town.postman.caller.id}
    assert noted.actor_id == town.dispatcher.caller.id


def test_bringing_it_twice_or_sending_it_after_all_counts_once(town, phone, item):
    events = a_day(phone, item)
    file = a_file(phone, *events)
    bring(town.dispatcher, file)
    assert results(bring(town.dispatcher, file)) == [("duplicate", None)] * 2
    assert results(bring(town.postman, file)) == [("duplicate", None)] * 2
    assert results(phone.send(*file["events"])) == [("duplicate", None)] * 2


def test_a_postman_brings_the_file_of_his_old_phone_from_his_new_one(app, town, phone, item, database):
    file = a_file(phone, *a_day(phone, item))
    fresh = Person(app, town.postman.caller, sign(database, town.postman.caller))
    EnrolledPhone(fresh, town.here)
    assert results(bring(fresh, file)) == [("applied", None)] * 2


def test_the_file_of_a_phone_that_has_changed_hands_is_still_its_writers(app, town, phone, item, database):
    file = a_file(phone, *a_day(phone, item))
    colleague = Person(app, town.here.postmen[1], sign(database, town.here.postmen[1]))
    EnrolledPhone(colleague, town.here, device_id=phone.id)
    assert results(bring(town.dispatcher, file)) == [("applied", None)] * 2


def test_nobody_brings_a_colleagues_file_or_one_of_another_office(app, town, phone, item, database):
    file = a_file(phone, *a_day(phone, item))
    colleague = Person(app, town.here.postmen[1], sign(database, town.here.postmen[1]))
    stranger = Person(app, town.there.dispatcher, sign(database, town.there.dispatcher))
    assert bring(colleague, file).status_code == 404
    assert bring(stranger, file).status_code == 404
    assert bring(town.dispatcher, {**file, "staff_id": str(town.clerk.caller.id)}).status_code == 404
    for person in (town.cashier, town.clerk, town.admin, town.agency):
        assert bring(person, file).status_code == 403
    assert town.here.row(item).state == "received"


def test_acts_put_into_another_postmans_mouth_are_set_aside(town, phone, item, database):
    """He never bore this phone: its numbers and its acts are not his."""
    file = a_file(phone, *a_day(phone, item), staff_id=str(town.here.postmen[1].id))
    assert results(bring(town.dispatcher, file)) == [("quarantined", "device-of-another")] * 2


def test_the_file_of_a_revoked_phone_is_kept_aside(town, phone, item, database):
    file = a_file(phone, *a_day(phone, item))
    town.dispatcher.delete(f"/api/v1/devices/{phone.id}")
    assert results(bring(town.postman, file)) == [("quarantined", "device-revoked")] * 2
    with database.read() as session:
        assert len(session.scalars(select(QuarantinedEvent)).all()) == 2


def test_what_is_broken_in_a_file_does_not_keep_the_rest_back(town, phone, item):
    good = a_picture()
    file = a_file(phone, *a_day(phone, item), pictures=[good])
    file["events"].insert(1, {"event_id": "x", "sealed": "y"})
    file["media"] += [
        {"sha256": "../../secrets.json", "envelope": "AAAA"},
        {"sha256": digest_of(good), "envelope": "không"},
        {"sha256": "a" * 64, "envelope": file["media"][0]["envelope"]},
    ]
    answer = bring(town.dispatcher, file)
    assert [r for r, _ in results(answer)] == ["applied", "quarantined", "applied"]
    told = [(m["result"], m.get("code")) for m in answer.json["media"]]
    assert told == [
        ("stored", None),
        ("refused", "wrong-digest"),
        ("refused", "unreadable-seal"),
        ("refused", "unreadable-seal"),
    ]


def test_a_whole_day_larger_than_other_requests_may_be_is_taken(town, phone):
    file = a_file(phone, *[phone.event("reordered", [], n, stops=[]) for n in range(600)], media=[])
    file["media"] = [{"sha256": f"{n:064x}", "envelope": "A" * 200_000} for n in range(90)]
    answer = bring(town.dispatcher, file)
    assert answer.status_code == 200
    assert len(answer.json["results"]) == 600
    assert answer.json["ack_through"] == 600
    assert town.dispatcher.post("/api/v1/imports", json=file).status_code == 413, "elsewhere it would be too large"


@pytest.mark.parametrize("change", [{"format": "other"}, {"v": 2}, {"events": "x"}, {"device_id": "x"}, {"more": 1}])
def test_what_is_no_rescue_file_is_refused(town, phone, change):
    assert bring(town.dispatcher, a_file(phone, **change)).status_code == 422


# ---------------------------------------------------------------------------------------------------------- pages
@pytest.fixture
def page(app, town, database):
    """The dispatcher's browser."""
    client = app.test_client()
    client.set_cookie("courier_session", sign(database, town.dispatcher.caller))
    return client


def post(page, path, **data):
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.get("/d/phones").text)[1]
    return page.post(
        path,
        data={"csrf_token": token, **data},
        headers={"Origin": "http://localhost"},
        content_type="multipart/form-data",
    )


def test_the_page_shows_the_phones_and_takes_a_file_twice(town, phone, item, page):
    assert "Máy thử" in page.get("/d/phones").text
    content = json.dumps(a_file(phone, *a_day(phone, item))).encode()
    answer = post(page, "/d/phones/rescue", file=(io.BytesIO(content), "cuu.json"))
    assert answer.status_code == 200
    assert "2 mới, 0 đã có" in answer.text
    assert "0 mới, 2 đã có" in post(page, "/d/phones/rescue", file=(io.BytesIO(content), "cuu.json")).text


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"PK\x03\x04", b"[" * 100_000])
def test_the_page_says_of_another_file_that_it_is_none(page, town, content):
    answer = post(page, "/d/phones/rescue", file=(io.BytesIO(content), "cuu.json"))
    assert (answer.status_code, "không phải tệp cứu dữ liệu" in answer.text) == (422, True)


def test_the_page_says_of_another_offices_file_that_it_is_not_for_here(page, town):
    theirs = EnrolledPhone(town.other_postman, town.there)
    content = json.dumps(a_file(theirs)).encode()
    answer = post(page, "/d/phones/rescue", file=(io.BytesIO(content), "cuu.json"))
    assert answer.status_code == 404
    assert "không phải của bưu tá thuộc bưu cục" in answer.text


def test_the_page_revokes_a_phone(page, town, phone):
    answer = post(page, f"/d/phones/{phone.id}/revoke")
    assert answer.headers["Location"].endswith("/d/phones?done=phone_revoked")
    text = page.get("/d/phones?done=phone_revoked").text
    assert "Đã thu hồi" in text
    assert "/revoke" not in text
    assert town.postman.get("/api/v1/sync/bag").status_code == 403


def test_the_page_tells_of_numbers_that_are_missed(app, page, town, phone, item, clock, database):
    phone.outbox.seq = 2
    phone.send(phone.event("noted", [item], 1, text="x"))
    clock.forward(hours=25)
    page.set_cookie("courier_session", sign(database, town.dispatcher.caller, at=clock.now))
    assert "Thiếu 2 thao tác" in page.get("/d/phones").text
    page.set_cookie("courier_language", "en")
    assert "2 acts missing since" in page.get("/d/phones").text
