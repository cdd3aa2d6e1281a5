"""Phones: enrolling and revoking them, the bag they work from, and events that come sealed."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from api.auth import form_token
from courier.store import links, sealing
from courier.store.envelopes import from_text, to_text
from courier.store.tables import ChangeRequest, Incident, Item, ItemEvent, QuarantinedEvent, ShiftEvent
from tests.api.conftest import Person, sign
from tests.api.phone import EnrolledPhone
from tests.api.test_role_matrix import belongings
from tests.builders import DAY, MORNING, done_right, paying


@pytest.fixture
def phone(town):
    return EnrolledPhone(town.postman, town.here)


def results(answer):
    return [(r["result"], r.get("code")) for r in answer.json["results"]]


def form_token_of(app, token):
    with app.app_context():
        return form_token(token)


def count(database, table):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


# ------------------------------------------------------------------------------------------------------ enrolment
def test_enrolling_a_phone_gives_it_a_number_and_the_keys_and_keeps_it_signed_in(town, phone):
    told = phone.enrolled
    assert told.status_code == 201
    assert (told.json["device_id"], told.json["number"]) == (str(phone.id), 1)
    assert told.json["staff"]["office"]["code"] == "UM"
    for key in ("sealing_key", "signing_key"):
        assert len(from_text(told.json[key]["public"])) == 65
    cookie = told.headers["Set-Cookie"]
    assert f"courier_session={town.postman.token}" in cookie
    assert "Max-Age=2592000" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_phone_keeps_its_number_and_the_next_one_gets_another(app, database, town, phone):
    again = EnrolledPhone(town.postman, town.here, device_id=phone.id)
    other = EnrolledPhone(Person(app, town.here.postmen[1], sign(database, town.here.postmen[1])), town.here)
    assert [p.enrolled.json["number"] for p in (phone, again, other)] == [1, 1, 2]


def test_a_phone_changes_hands_and_each_postman_sends_his_own_acts(app, database, town, phone):
    item, other = town.here.item(), town.here.item()
    second = Person(app, town.here.postmen[1], sign(database, town.here.postmen[1]))
    theirs = EnrolledPhone(second, town.here, device_id=phone.id)
    first_act = phone.event("taken_out", [item], 1)
    second_act = phone.event("taken_out", [other], 2)
    assert results(theirs.send(second_act)) == [("applied", None)]
    # The first one's session is still bound to the phone: what he had saved goes out in his name.
    assert results(phone.send(first_act)) == [("applied", None)]
    assert town.here.row(item).custody_holder == town.postman.caller.id
    assert town.here.row(other).custody_holder == second.caller.id


def test_the_dispatcher_sees_the_phones_of_his_office_only(town, phone):
    EnrolledPhone(town.other_postman, town.there)
    listed = town.dispatcher.get("/api/v1/devices").json["data"]
    assert [(p["device_id"], p["staff"]["id"], p["gaps"]) for p in listed] == [
        (str(phone.id), str(town.postman.caller.id), [])
    ]
    assert len(town.admin.get("/api/v1/devices").json["data"]) == 2


def test_numbers_that_are_missed_for_a_day_are_told(town, phone, clock):
    item = town.here.item()
    phone.outbox.seq = 1
    later = [phone.event("taken_out", [item], 1), phone.event("noted", [item], 2, text="Cổng xanh")]
    phone.outbox.seq += 2
    assert phone.send(*later, phone.event("noted", [item], 3, text="Gọi trước")).json["ack_through"] == 0
    assert town.dispatcher.get("/api/v1/devices").json["data"][0]["gaps"] == []
    clock.forward(hours=25)
    fresh = Person(
        town.dispatcher._client.application,
        town.dispatcher.caller,
        sign(town.here.database, town.dispatcher.caller, at=clock.now),
    )
    gaps = fresh.get("/api/v1/devices").json["data"][0]["gaps"]
    assert [(g["first"], g["last"]) for g in gaps] == [(1, 1), (4, 5)]


# ----------------------------------------------------------------------------------------------------- revocation
def test_a_revoked_phone_is_given_nothing_and_what_it_sends_is_kept_aside(town, phone, database):
    item = town.here.item()
    assert town.dispatcher.delete(f"/api/v1/devices/{phone.id}").status_code == 204
    for path in ("/api/v1/me/route", "/api/v1/sync/bag", "/api/v1/me", f"/api/v1/items/{item}"):
        answer = town.postman.get(path)
        assert (answer.status_code, answer.json["code"]) == (403, "device-revoked"), path
    again = town.postman.post("/api/v1/devices", json={"device_id": str(phone.id), "name": "x"})
    assert (again.status_code, again.json["code"]) == (403, "device-revoked")
    answer = phone.send(phone.sealed(phone.event("taken_out", [item], 1)))
    assert results(answer) == [("quarantined", "device-revoked")]
    with database.read() as session:
        kept = session.scalars(select(QuarantinedEvent)).one()
    assert kept.body["event"]["type"] == "taken_out", "opened, so that a person can read it"
    assert town.here.row(item).state == "received"


def test_a_revoked_phone_cannot_be_enrolled_in_a_new_session_either(app, database, town, phone):
    town.dispatcher.delete(f"/api/v1/devices/{phone.id}")
    fresh = Person(app, town.postman.caller, sign(database, town.postman.caller))
    assert fresh.get("/api/v1/me").status_code == 200, "the person is not locked out, the phone is"
    answer = fresh.post("/api/v1/devices", json={"device_id": str(phone.id), "name": "x"})
    assert (answer.status_code, answer.json["code"]) == (403, "device-revoked")


def test_the_bearer_of_a_revoked_phone_can_still_sign_out(town, phone):
    town.dispatcher.delete(f"/api/v1/devices/{phone.id}")
    assert town.postman.delete("/api/v1/sessions/current").status_code == 204


def test_revoking_twice_is_once(town, phone):
    for _ in range(2):
        assert town.dispatcher.delete(f"/api/v1/devices/{phone.id}").status_code == 204
    assert town.dispatcher.get("/api/v1/devices").json["data"][0]["revoked_at"] is not None


def test_a_session_speaks_for_its_own_phone_only(town, phone):
    item = town.here.item()
    answer = phone.send(phone.event("taken_out", [item], 1), device_id=uuid7())
    assert results(answer) == [("quarantined", "device-of-another")]
    assert town.here.row(item).state == "received"


# ------------------------------------------------------------------------------------------------------- the bag
def verify(answer, key, body=None):
    kid, _, text = answer.headers["X-Bag-Signature"].partition(":")
    assert kid == key["kid"]
    raw = from_text(text)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_text(key["public"]))
    public.verify(der, body or answer.data, ec.ECDSA(SHA256()))


def test_the_bag_is_the_whole_day_signed(town, phone, database):
    own = belongings(database, town.here, agency=town.agency)
    with database.write() as session:
        row = session.get_one(Item, UUID(own["item_id"]))
        row.deliver_by, row.note = DAY, "Nhà sau chợ"
        row.wanted_on, row.wanted_from, row.wanted_to = DAY, 9 * 3600, 11 * 3600
    answer = town.postman.get("/api/v1/sync/bag")
    bag = answer.json
    verify(answer, phone.enrolled.json["signing_key"])
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert (bag["date"], bag["device"], bag["office"]["code"]) == (DAY.isoformat(), {"number": 1}, "UM")
    assert bag["cash"] == {
        "limit_dong": 20_000_000,
        "carried_dong": 0,
        "by_kind": {},
        "by_method": {"cash": 0, "bank_qr": 0},
        "lines": [],
    }
    (stop,) = bag["stops"]
    (item,) = stop["items"]
    assert [why["code"] for why in stop["why"]] == ["window", "deadline"]
    assert stop["leg"]["metres"] > 1000
    assert bag["line"] == [[9.4, 104.97], [9.41, 104.98], [9.4, 104.97]]
    assert (item["id"], item["note"], item["in_my_bag"], item["last4"]) == (own["item_id"], "Nhà sau chợ", False, False)
    assert item["window"] == {"from": f"{DAY}T09:00:00+07:00", "to": f"{DAY}T11:00:00+07:00"}
    assert {c["payee_name"] for c in item["charges"]} == {"Cơ quan PC08", "Bưu điện"}
    assert bag["rules"][item["rule"]]["proofs"] == ["signature", "photo_place"]
    assert bag["document_types"]["giay_phep_lai_xe"] == {
        "vi": "Giấy phép lái xe",
        "en": "Driving licence",
        "sensitive": False,
        "papers": [],
    }
    absent = next(r for r in bag["reasons"] if r["code"] == "recipient_absent")
    assert absent["next_on"] > bag["next_days"][0] > bag["date"]
    assert bag["accounts"] == {}
    assert bag["extra"] == []


def test_the_bag_changes_its_tag_with_anything_that_the_phone_would_show(town, phone, database):
    own = belongings(database, town.here, agency=town.agency)
    first = town.postman.get("/api/v1/sync/bag")
    assert first.json["version"] == 0
    stray = town.here.item()
    phone.send(phone.sealed(phone.event("taken_out", [stray], 1)))
    second = town.postman.get("/api/v1/sync/bag")
    assert second.json["done"] == {"ack_through": 1}
    (extra,) = second.json["extra"]
    assert (extra["id"], extra["in_my_bag"], extra["phone"]) == (str(stray), True, "0599000001")
    tag = second.headers["ETag"]
    assert tag == f'"{DAY}-{second.json["version"]}"'
    unchanged = town.postman.get("/api/v1/sync/bag", headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    phone.send(phone.sealed(phone.event("noted", [own["item_id"]], 2, text="Chó dữ")))
    third = town.postman.get("/api/v1/sync/bag", headers={"If-None-Match": tag})
    assert third.status_code == 200
    assert third.json["stops"][0]["items"][0]["note"] == "Chó dữ"


def test_the_bag_knows_the_cash_that_is_carried(town, phone):
    item = town.here.item()
    fee, postage = town.here.charges(item)
    data = done_right(paying((fee, 135_000), (postage, 30_000, "bank_qr")))
    answer = phone.send(phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 5, **data))
    assert [r["result"] for r in answer.json["results"]] == ["applied", "applied"]
    cash = town.postman.get("/api/v1/sync/bag").json["cash"]
    assert (cash["carried_dong"], cash["by_method"]) == (135_000, {"cash": 135_000, "bank_qr": 30_000})
    assert cash["by_kind"] == {"postage": 30_000, "state_fee": 135_000}
    assert [[line[name] for name in ("kind", "payee_name", "method", "amount_dong")] for line in cash["lines"]] == [
        ["postage", "Bưu điện", "bank_qr", 30_000],
        ["state_fee", "Cơ quan PC08", "cash", 135_000],
    ]


def test_the_bag_comes_compressed_when_asked_for_and_signed_as_it_was_before(town, phone):
    plain = town.postman.get("/api/v1/sync/bag")
    zipped = town.postman.get("/api/v1/sync/bag", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in zipped.headers["Vary"]
    verify(zipped, phone.enrolled.json["signing_key"], gzip.decompress(zipped.data))


# ------------------------------------------------------------------------------------------------ sealed events
def test_a_sealed_event_counts_like_an_open_one_and_both_are_the_same_event(town, phone, database):
    item = town.here.item()
    event = phone.event("taken_out", [item], 1)
    answer = phone.send(phone.sealed(event))
    assert results(answer) == [("applied", None)]
    assert answer.json["ack_through"] == 1
    assert answer.json["server_time"].startswith(DAY.isoformat())
    assert results(phone.send(phone.sealed(event), event)) == [("duplicate", None)] * 2
    assert town.here.row(item).state == "out"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda phone, event: phone.sealed(event, label=f"event:{uuid7()}:1:{event['event_id']}"),
        lambda phone, event: phone.sealed(event) | {"device_seq": 2},
        lambda phone, event: phone.sealed(event) | {"event_id": str(uuid7())},
        lambda phone, event: (
            phone.sealed({**event, "device_seq": 9}, label=f"event:{phone.id}:1:{event['event_id']}")
            | {"device_seq": 1}
        ),
        lambda phone, event: phone.sealed(event) | {"sealed": None},
        lambda phone, event: phone.sealed(event) | {"sealed": {"v": 1}},
        lambda phone, event: (
            phone.sealed(event) | {"sealed": phone.sealed(event)["sealed"] | {"epk": to_text(b"\x04" + bytes(64))}}
        ),
        lambda phone, event: phone.sealed(event) | {"sealed": phone.sealed(event)["sealed"] | {"ct": "A" * 300_000}},
    ],
    ids=["another phone", "other number", "other id", "inside differs", "nothing", "parts", "no point", "oversized"],
)
def test_what_cannot_be_opened_is_kept_word_for_word_and_holds_nothing_up(town, phone, database, spoil):
    item = town.here.item()
    spoilt = spoil(phone, phone.event("taken_out", [item], 1))
    fine = phone.event("noted", [item], 2, text="Nhà có cổng xanh")
    answer = phone.send(spoilt, phone.sealed(fine))
    assert results(answer)[0] == ("quarantined", "unreadable-seal")
    assert results(answer)[1][0] in ("applied", "quarantined")
    with database.read() as session:
        kept = session.scalars(select(QuarantinedEvent).order_by(QuarantinedEvent.id)).first()
    assert kept.body["event"] == spoilt
    assert results(phone.send(spoilt))[0] == ("quarantined", "unreadable-seal")
    assert town.here.row(item).state == "received"


def test_an_item_of_another_office_inside_an_envelope_is_not_touched(town, phone, database):
    foreign = town.there.item()
    answer = phone.send(
        phone.sealed(phone.event("taken_out", [foreign], 1)),
        phone.sealed(phone.event("pinned", [foreign], 1, lat=9.4, lon=104.9, accuracy_m=5)),
    )
    assert results(answer) == [("quarantined", "unknown-item")] * 2
    assert town.there.row(foreign).state == "received"
    assert count(database, ShiftEvent) == 0


def test_a_sealed_bomb_of_lists_is_set_aside(phone):
    event = phone.event("taken_out", [uuid7()], 1)
    deep = orjson.loads("[" * 200 + "]" * 200)
    answer = phone.send(phone.sealed({**event, "data": {"x": deep}}))
    assert results(answer) == [("quarantined", "unreadable-event")]


@pytest.mark.parametrize("letter", ["\0", "\ud83d"], ids=["NUL", "half an emoji"])
def test_a_letter_that_no_database_holds_sets_its_event_aside_and_not_the_batch(town, phone, letter):
    """What a browser's JSON.stringify makes of a text that was cut in the middle of an emoji."""
    item = town.here.item()
    spoilt = phone.event("noted", [item], 1, text=f"Nhà có cổng {letter}")
    body = {"device_id": str(phone.id), "events": [spoilt, phone.event("taken_out", [item], 2)]}
    answer = phone.person.post("/api/v1/sync", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 200
    assert results(answer) == [("quarantined", "unreadable-data"), ("applied", None)]


def test_a_body_that_is_no_json_is_refused_with_half_an_emoji_and_without(phone):
    for body in (
        b'{"device_id": "\\ud83d", "events": [NaN]}',
        b'{"device_id": "\\ud83d"',
        b'["\\ud83d", ' + b"[" * 100_000,
    ):
        answer = phone.person.post("/api/v1/sync", data=body, content_type="application/json")
        assert (answer.status_code, answer.json["code"]) == (400, "invalid-json")


# --------------------------------------------------------------------------------------------- what is told of a way
def test_a_note_a_pin_an_order_and_a_breakdown_are_kept_beside_the_items_lives(town, phone, database):
    item = town.here.item()
    told = [
        phone.event("taken_out", [item], 1),
        phone.event("noted", [item], 2, text="Cổng xanh, gọi trước"),
        phone.event("pinned", [item], 3, lat=9.4123456, lon=104.98, accuracy_m=8),
        phone.event("reordered", [], 4, stops=[str(uuid7())], extra_seconds=240),
        phone.event("broke_down", [], 5, text="Thủng lốp ở đầu cầu", can_go_on=False),
    ]
    answer = phone.send(*map(phone.sealed, told))
    assert results(answer) == [("applied", None)] * 5
    assert answer.json["ack_through"] == 5
    assert results(phone.send(*map(phone.sealed, told))) == [("duplicate", None)] * 5
    row = town.here.row(item)
    assert (row.lat, row.lon, row.precision, row.state) == (9.4123456, 104.98, "doorstep", "out")
    assert (count(database, ShiftEvent), count(database, ItemEvent)) == (4, 2)
    with database.read() as session:
        incident = session.scalars(select(Incident)).one()
    assert (incident.code, incident.owner_role, incident.postman_id) == (
        "broke-down",
        "dispatcher",
        town.postman.caller.id,
    )
    assert "1 bưu gửi" in incident.sentence
    assert "không đi tiếp được" in incident.sentence


@pytest.mark.parametrize("made_first", ["early", "late"])
@pytest.mark.parametrize("sent_first", ["early", "late"])
def test_the_last_pin_counts_whatever_order_they_come_in(town, phone, clock, made_first, sent_first):
    clock.forward(hours=1)
    item = town.here.item()
    places = {"early": (3, 9.41), "late": (9, 9.42)}
    pins = {}
    for name in sorted(places, key=lambda name: name != made_first):
        minutes, lat = places[name]
        pins[name] = phone.event("pinned", [item], minutes, lat=lat, lon=104.98, accuracy_m=8)
    for name in sorted(pins, key=lambda name: name != sent_first):
        assert results(phone.send(pins[name])) == [("applied", None)]
    assert town.here.row(item).lat == 9.42


def test_a_pin_that_comes_while_an_item_counts_as_delivered_is_there_when_the_handover_is_corrected(town, phone, clock):
    clock.forward(hours=1)
    item = town.here.item()
    handed = phone.event("handed_over", [item], 5, **done_right())
    pin = phone.event("pinned", [item], 4, lat=9.41, lon=104.98, accuracy_m=8)
    corrected = phone.event("corrected", [item], 6, corrects=handed["event_id"], reason="nhầm nhà")
    phone.send(phone.event("taken_out", [item], 1), handed)
    phone.send(pin)
    phone.send(corrected)
    assert (town.here.row(item).state, town.here.row(item).lat) == ("out", 9.41)


@pytest.mark.parametrize(
    "pin",
    [{"lat": 9.41, "lon": 104.98, "accuracy_m": 900}, {"lat": 0, "lon": 0, "accuracy_m": 5}],
    ids=["vague", "far"],
)
def test_a_pin_that_cannot_be_believed_is_kept_and_teaches_nothing(town, phone, database, pin):
    item = town.here.item()
    assert results(phone.send(phone.event("pinned", [item], 3, **pin))) == [("applied", None)]
    assert town.here.row(item).lat is None
    assert count(database, ShiftEvent) == 1


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("noted", {"text": " "}, "unreadable-text"),
        ("noted", {"text": "x" * 501}, "unreadable-text"),
        ("pinned", {"lat": "9", "lon": 104, "accuracy_m": 1}, "unreadable-lat"),
        ("pinned", {"lat": 9, "lon": 999, "accuracy_m": 1}, "unreadable-lon"),
        ("reordered", {"stops": ["x"]}, "unreadable-stops"),
        ("broke_down", {"text": "x", "can_go_on": "no"}, "unreadable-can_go_on"),
    ],
)
def test_what_cannot_be_read_of_a_way_is_set_aside(town, phone, kind, data, code):
    items = [town.here.item()] if kind in ("noted", "pinned") else []
    assert results(phone.send(phone.event(kind, items, 1, **data))) == [("quarantined", code)]


def test_numbers_and_ids_are_shared_by_acts_and_by_what_is_told(town, phone):
    item = town.here.item()
    act = phone.event("taken_out", [item], 1)
    note = phone.event("noted", [item], 2, text="Cổng xanh")
    assert results(phone.send(act, {**note, "device_seq": 1})) == [
        ("applied", None),
        ("quarantined", "sequence-reused"),
    ]
    assert results(phone.send(note)) == [("applied", None)]
    clash = {**phone.event("taken_out", [item], 3), "event_id": note["event_id"]}
    assert results(phone.send(clash)) == [("quarantined", "same-id-other-content")]
    again = {**phone.event("taken_out", [item], 3), "device_seq": note["device_seq"]}
    assert results(phone.send(again)) == [("quarantined", "sequence-reused")]


def test_a_session_that_ran_out_gets_no_bag(town, phone, clock):
    clock.forward(hours=13)
    assert town.postman.get("/api/v1/sync/bag").status_code == 401
    assert clock.now == MORNING + timedelta(hours=13)


# ------------------------------------------------------------------------------------------- what is checked again
def handing_over(town, phone, minutes=5, **changed):
    item = town.here.item(charges=())
    data = done_right(**changed) if "code" not in changed else None
    if data is None:
        code = changed.pop("code")(item)
        proofs = [{"kind": "signature", "sha256": None}, {"kind": "recipient_code", "value": code}]
        data = done_right(proofs=proofs, **changed)
    answer = phone.send(
        phone.event("taken_out", [item], 1), phone.sealed(phone.event("handed_over", [item], minutes, **data))
    )
    assert {r["result"] for r in answer.json["results"]} == {"applied"}
    incidents = town.dispatcher.get("/api/v1/incidents").json["data"]
    return item, sorted(i["code"] for i in incidents if i["item"] == str(item))


def test_the_right_code_of_the_day_is_no_breach_and_is_not_kept(town, phone, desk):
    item, codes = handing_over(town, phone, code=lambda item: links.recipient_code(desk.settings.secrets, item, DAY))
    assert codes == []
    events = town.dispatcher.get(f"/api/v1/items/{item}/events").json["data"]
    proofs = next(e for e in events if e["type"] == "handed_over")["data"]["proofs"]
    assert {"kind": "recipient_code", "sha256": None, "right": True} in proofs


@pytest.mark.parametrize("days", [-1, 1])
def test_the_code_of_another_day_is_a_breach(town, phone, desk, days):
    day = DAY + timedelta(days=days)
    _, codes = handing_over(town, phone, code=lambda item: links.recipient_code(desk.settings.secrets, item, day))
    assert codes == ["recipient-code-wrong"]


def test_the_code_of_another_item_is_a_breach(town, phone, desk):
    other = town.here.item()
    _, codes = handing_over(town, phone, code=lambda _: links.recipient_code(desk.settings.secrets, other, DAY))
    assert codes == ["recipient-code-wrong"]


def test_last_digits_that_are_not_those_of_the_dossier_are_a_breach(town, phone, desk, database):
    def with_number(number):
        item = town.here.item(charges=())
        with database.write() as session:
            row = session.get_one(Item, item)
            row.id_number_sealed = sealing.seal(number, row=item, secrets=desk.settings.secrets)
        phone.send(phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 2, **done_right()))
        found = town.dispatcher.get("/api/v1/incidents").json["data"]
        return [i["code"] for i in found if i["item"] == str(item)]

    assert with_number("096080000001") == []
    assert with_number("096080000002") == ["id-mismatch"]


def test_the_citizen_reads_the_code_on_the_day_of_the_visit_only_after_the_proof(app, town, desk, database, clock):
    own = belongings(database, town.here, agency=town.agency)
    item, token = UUID(own["item_id"]), own["token"]
    client = app.test_client()
    code = links.recipient_code(desk.settings.secrets, item, DAY)
    path = f"/api/v1/public/items/{token}"
    assert client.get(path).json["details"] is None
    told = client.post(f"{path}/verify", json={"phone_last4": "0001"}).json["item"]
    assert told["details"]["recipient_code"] == code
    visit = app.test_client()
    assert code not in visit.get(f"/t/{token}").text
    visit.post(f"/t/{token}/verify", data={"phone_last4": "0001"})
    page = visit.get(f"/t/{token}").text
    assert f"<b>{code}</b>" in page
    with database.write() as session:
        session.get_one(Item, item).state = "received"
    assert code not in visit.get(f"/t/{token}").text


# -------------------------------------------------------------------------------------------------- closing the day
def close(town, counted):
    return town.cashier.post(
        "/api/v1/remittances",
        json={"postman": str(town.postman.caller.id), "date": DAY.isoformat(), "counted": counted},
    )


def test_trouble_without_money_does_not_hold_up_the_evening(town, phone, desk, clock):
    _, codes = handing_over(town, phone, code=lambda _: "000000", receiver={"name": "A", "relation": "hàng xóm"})
    phone.send(phone.event("broke_down", [], 9, text="Thủng lốp", can_go_on=True))
    assert "recipient-code-wrong" in codes
    assert "receiver-not-allowed" in codes
    answer = close(town, {})
    assert (answer.status_code, answer.json["closed"]) == (201, True)


def test_trouble_about_money_does(town, phone):
    item = town.here.item()
    fee = town.here.charges(item)[0]
    phone.send(
        phone.event("taken_out", [item], 1),
        phone.event("handed_over", [item], 5, **done_right(paying((fee, 100_000)))),
    )
    answer = close(town, {"100000": 1})
    assert (answer.status_code, answer.json["code"]) == (409, "money-incidents-open")


def test_a_page_says_in_words_that_the_phone_was_revoked_and_lets_its_bearer_sign_out(app, town, phone):
    town.dispatcher.delete(f"/api/v1/devices/{phone.id}")
    client = app.test_client()
    client.set_cookie("courier_session", town.postman.token)
    answer = client.get("/p")
    assert answer.status_code == 403
    assert "đã bị thu hồi quyền sử dụng" in answer.text
    token = form_token_of(app, town.postman.token)
    left = client.post("/sign-out", data={"csrf_token": token}, headers={"Origin": "http://localhost"})
    assert left.status_code == 303
    assert town.postman.get("/api/v1/me").status_code == 401


def test_what_postmen_noted_stands_on_the_page_of_the_item(app, town, phone):
    item = town.here.item()
    phone.send(phone.event("noted", [item], 2, text="Cổng xanh <b>sau chợ</b>"))
    client = app.test_client()
    client.set_cookie("courier_session", town.dispatcher.token)
    page = client.get(f"/items/{item}").text
    assert "Cổng xanh &lt;b&gt;sau chợ&lt;/b&gt;" in page
    assert town.postman.caller.name in page


def test_trouble_without_an_item_is_shown_and_can_be_closed(app, town, phone):
    phone.send(phone.event("broke_down", [], 5, text="Thủng lốp", can_go_on=False))
    client = app.test_client()
    client.set_cookie("courier_session", town.dispatcher.token)
    page = client.get("/d/incidents").text
    assert "Bưu tá hỏng xe" in page
    assert "Thủng lốp" in page


def test_a_session_bound_to_a_phone_goes_on_for_twelve_hours_after_its_last_use(town, phone, clock):
    for _ in range(3):
        clock.forward(hours=8)
        assert town.postman.get("/api/v1/sync/bag").status_code == 200
    clock.forward(hours=13)
    assert phone.send(phone.event("reordered", [], 1, stops=[])).status_code == 401


def test_a_write_by_the_phones_cookie_needs_its_own_page(app, town, phone):
    client = app.test_client()
    client.set_cookie("courier_session", town.postman.token)
    body = {"device_id": str(phone.id), "events": []}
    own = {"Origin": "http://localhost", "X-Requested-With": "phone"}
    assert client.post("/api/v1/sync", json=body, headers=own).status_code == 200
    assert client.post("/api/v1/sync", json=body).status_code == 403
    assert client.post("/api/v1/sync", json=body, headers={**own, "Origin": "https://example.com"}).status_code == 403


def test_a_redirect_after_a_pin_speaks_of_another_door(town, phone, database, clock):
    clock.forward(hours=1)
    item = town.here.item()
    asked = phone.outbox.house.dispatcher
    with database.write() as session:
        event_id = session.scalars(select(ItemEvent.id)).first()
        session.add(
            ChangeRequest(
                id=uuid7(),
                item_id=item,
                kind="redirect",
                asked_by=asked.role,
                asked_at=MORNING + timedelta(minutes=10),
                body={},
                event_id=event_id,
            )
        )
    phone.send(phone.event("pinned", [item], 5, lat=9.41, lon=104.98, accuracy_m=8))
    assert town.here.row(item).lat is None
    phone.send(phone.event("pinned", [item], 15, lat=9.42, lon=104.98, accuracy_m=8))
    assert town.here.row(item).lat == 9.42


def test_the_bag_hears_that_the_cash_was_handed_in(town, phone):
    item = town.here.item()
    fee, postage = town.here.charges(item)
    data = done_right(paying((fee, 135_000), (postage, 30_000)))
    phone.send(phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 5, **data))
    tag = town.postman.get("/api/v1/sync/bag").headers["ETag"]
    assert close(town, {"100000": 1, "50000": 1, "10000": 1, "5000": 1}).status_code == 201
    after = town.postman.get("/api/v1/sync/bag", headers={"If-None-Match": tag})
    assert after.json["cash"]["carried_dong"] == 0
    assert after.json["cash"]["by_method"]["cash"] == 165_000


def test_phones_that_are_enrolled_at_once_get_numbers_of_their_own(app, database, town):
    people = [Person(app, town.here.postmen[n % 2], sign(database, town.here.postmen[n % 2])) for n in range(8)]
    with ThreadPoolExecutor(8) as at_once:
        made = list(at_once.map(lambda person: EnrolledPhone(person, town.here), people))
    assert sorted(phone.enrolled.json["number"] for phone in made) == list(range(1, 9))
