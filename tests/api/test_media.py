"""Photos and signatures: sent by parts, taken up where they broke off, checked, kept sealed, shown to the office only."""

import io
import stat
import struct
import zlib
from hashlib import sha256

import pytest
from PIL import Image
from sqlalchemy import select

from courier.phones.media import MOST_BYTES, MOST_PIECE
from courier.store import envelopes, media
from courier.store.tables import AuditEntry, Incident, Media
from tests.api.conftest import Person, sign
from tests.api.phone import EnrolledPhone
from tests.builders import DAY, MORNING, done_right


def a_picture(kind="JPEG", size=(40, 30), colour=(200, 120, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def a_large_plain(width: int, height: int) -> bytes:
    """A real picture that is a few kilobytes packed and far more unpacked."""
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return out.getvalue()


def a_png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.fixture
def phone(town):
    return EnrolledPhone(town.postman, town.here)


def digest_of(picture: bytes) -> str:
    return sha256(picture).hexdigest()


def sealed(phone, picture: bytes, *, digest: str | None = None, label: str | None = None) -> bytes:
    label = label or envelopes.medium_label(digest or digest_of(picture))
    return envelopes.seal(picture, phone.key, bound_to=label).to_bytes()


def put(phone, digest, envelope, *, offset=0, length=None, piece=None, person=None, **more):
    headers = {
        "Upload-Offset": str(offset),
        "Upload-Length": str(length if length is not None else len(envelope)),
        "Content-Type": "application/offset+octet-stream",
        **more,
    }
    body = envelope[offset:] if piece is None else piece
    return (person or phone.person).patch(f"/api/v1/media/{digest}", headers=headers, data=body)


def head(phone, digest):
    return phone.person.ask("HEAD", f"/api/v1/media/{digest}")


# --------------------------------------------------------------------------------------------------------- upload
@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_picture_arrives_and_is_kept_sealed_for_its_owner_alone(phone, desk, database, kind, media_type):
    picture = a_picture(kind)
    digest, envelope = digest_of(picture), sealed(phone, picture)
    assert head(phone, digest).status_code == 404
    answer = put(phone, digest, envelope)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(len(envelope)))
    told = head(phone, digest).headers
    assert (told["Upload-Offset"], told["Upload-Length"], told["Upload-Complete"]) == (*[str(len(envelope))] * 2, "?1")
    place = desk.settings.var_dir / "media" / digest[:2] / digest
    assert place.read_bytes() == envelope, "as it came: without the keys the folder shows nothing"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list((desk.settings.var_dir / "media" / "unfinished").iterdir()) == []
    with database.read() as session:
        row = session.scalars(select(Media)).one()
    assert (row.sha256, row.media_type, row.size) == (digest, media_type, len(envelope))


def test_an_upload_goes_on_where_it_broke_off(phone, database):
    picture = a_picture(size=(200, 200))
    digest, envelope = digest_of(picture), sealed(phone, picture)
    half = len(envelope) // 2
    assert put(phone, digest, envelope, piece=envelope[:half]).headers["Upload-Offset"] == str(half)
    told = head(phone, digest).headers
    assert (told["Upload-Offset"], told["Upload-Length"], told["Upload-Complete"]) == (
        str(half),
        str(len(envelope)),
        "?0",
    )
    assert put(phone, digest, envelope, offset=half).status_code == 204
    assert head(phone, digest).headers["Upload-Complete"] == "?1"


@pytest.mark.parametrize("wrong", [0, 10, 90], ids=["from the start", "again", "a part left out"])
def test_a_part_that_does_not_follow_is_told_where_to_go_on(phone, wrong):
    picture = a_picture()
    digest, envelope = digest_of(picture), sealed(phone, picture)
    put(phone, digest, envelope, piece=envelope[:50])
    answer = put(phone, digest, envelope, offset=wrong, piece=envelope[wrong : wrong + 5])
    assert (answer.status_code, answer.json["code"], answer.headers["Upload-Offset"]) == (409, "wrong-offset", "50")
    assert put(phone, digest, envelope, offset=50).status_code == 204


def test_a_first_part_in_the_middle_is_told_to_begin_at_the_beginning(phone):
    picture = a_picture()
    answer = put(phone, digest_of(picture), sealed(phone, picture), offset=10)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, "0")


def test_replayed_parts_change_nothing(phone, desk):
    picture = a_picture()
    digest, envelope = digest_of(picture), sealed(phone, picture)
    for _ in range(3):
        assert put(phone, digest, envelope).status_code == 204
    assert put(phone, digest, envelope, offset=20).status_code == 204
    assert (desk.settings.var_dir / "media" / digest[:2] / digest).read_bytes() == envelope


@pytest.mark.parametrize("asked", ["by asking how far it has come", "by an empty part"])
def test_an_upload_whose_last_part_was_stored_before_the_server_died_is_ended(phone, desk, database, asked):
    """The phone's program asks first; told that everything is there but not complete it would take the picture for sent."""
    picture = a_picture()
    digest, envelope = digest_of(picture), sealed(phone, picture)
    folder = desk.settings.var_dir / "media" / "unfinished"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{digest}-{phone.person.caller.id.hex}-{len(envelope)}").write_bytes(envelope)
    if asked == "by an empty part":
        assert put(phone, digest, envelope, offset=len(envelope)).status_code == 204
    told = head(phone, digest)
    assert (told.status_code, told.headers["Upload-Complete"]) == (200, "?1")
    with database.read() as session:
        assert media.find(session, digest).media_type == "image/jpeg"


def test_an_upload_that_ended_with_something_else_than_the_picture_begins_anew(phone, desk):
    picture = a_picture()
    digest, envelope = digest_of(picture), sealed(phone, picture)
    folder = desk.settings.var_dir / "media" / "unfinished"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{digest}-{phone.person.caller.id.hex}-{len(envelope)}").write_bytes(
        envelope[:-1] + bytes([envelope[-1] ^ 1])
    )
    assert head(phone, digest).status_code == 404
    assert list(folder.iterdir()) == []
    assert put(phone, digest, envelope).status_code == 204


def test_two_postmen_who_send_the_same_digest_do_not_mix_their_parts(app, town, phone, database):
    other = EnrolledPhone(Person(app, town.here.postmen[1], sign(database, town.here.postmen[1])), town.here)
    picture = a_picture()
    digest, one, two = digest_of(picture), sealed(phone, picture), sealed(phone, picture)
    put(phone, digest, one, piece=one[:40])
    put(other, digest, two, piece=two[:60])
    assert put(phone, digest, one, offset=40).status_code == 204
    assert put(other, digest, two, offset=60).status_code == 204


def test_another_envelope_of_another_length_begins_anew(phone):
    small, large = a_picture(), a_picture(size=(300, 300))
    digest = digest_of(large)
    put(phone, digest, sealed(phone, small), piece=b"\x01" * 30)
    assert put(phone, digest, sealed(phone, large)).status_code == 204


# -------------------------------------------------------------------------------------------------------- refusals
def refused(phone, digest, envelope, code):
    answer = put(phone, digest, envelope)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert head(phone, digest).status_code == 404, "dropped: it begins anew"


def test_another_picture_than_the_one_that_was_named_is_dropped(phone):
    named, sent = a_picture(), a_picture(colour=(0, 0, 0))
    refused(phone, digest_of(named), sealed(phone, sent, digest=digest_of(named)), "wrong-digest")


def test_an_envelope_of_another_medium_or_for_another_server_is_dropped(phone):
    picture = a_picture()
    digest = digest_of(picture)
    refused(phone, digest, sealed(phone, picture, label="media:" + "0" * 64), "unreadable-seal")
    refused(phone, digest, bytes(200), "unreadable-seal")
    refused(phone, digest, b"\x01", "unreadable-seal")
    whole = bytearray(sealed(phone, picture))
    whole[-1] ^= 1
    refused(phone, digest, bytes(whole), "unreadable-seal")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        a_png_that_claims(60_000, 60_000),
        a_large_plain(5_000, 5_000),
        a_picture("GIF"),
        a_picture("TIFF"),
        a_picture()[:200],
        b"PK\x03\x04" + bytes(200),
        b"%PDF-1.7",
    ],
    ids=["html", "empty", "bomb", "larger than a camera", "gif", "tiff", "cut", "zip", "pdf"],
)
def test_what_is_no_picture_of_a_sane_size_is_dropped(phone, body, database):
    refused(phone, digest_of(body), sealed(phone, body), "not-a-picture")
    with database.read() as session:
        assert session.scalars(select(Media)).all() == []


def test_an_upload_larger_than_a_picture_may_be_is_refused_before_its_first_byte(phone):
    digest = "a" * 64
    assert put(phone, digest, b"x", length=MOST_BYTES + 1).status_code == 422
    answer = put(phone, digest, b"x", length=MOST_BYTES, piece=bytes(MOST_PIECE + 1))
    assert (answer.status_code, answer.json["code"]) == (413, "too-large")
    answer = put(phone, digest, b"x", length=5, piece=bytes(6))
    assert (answer.status_code, answer.json["code"]) == (422, "too-long")
    assert head(phone, digest).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [{"Upload-Offset": "-1"}, {"Upload-Offset": "x"}, {"Upload-Length": "0"}, {"Upload-Length": "1e3"}],
    ids=["before the start", "no number", "nothing", "no whole number"],
)
def test_headers_that_say_nothing_are_refused(phone, headers):
    assert put(phone, "a" * 64, b"x", **headers).status_code == 422


def test_another_media_type_is_refused(phone):
    assert put(phone, "a" * 64, b"x", **{"Content-Type": "image/jpeg"}).status_code == 415


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Fsecrets.json",
        "%2e%2e",
        "A" * 64,
        "a" * 63,
        "a" * 65,
        "ａ" * 64,
        "a" * 32 + "*" * 32,
        "a" * 63 + "%0a",
    ],
)
def test_a_digest_is_a_digest_and_no_path(phone, desk, name):
    assert put(phone, name, b"x").status_code in (404, 400)
    assert head(phone, name).status_code in (404, 400)
    assert not (desk.settings.var_dir / "media").exists()


def test_nobody_begins_uploads_without_end(phone, monkeypatch):
    monkeypatch.setattr(media, "MOST_UNFINISHED", 3)
    for n in range(3):
        assert put(phone, f"{n:064x}", b"xx", piece=b"x").status_code == 204
    answer = put(phone, f"{9:064x}", b"xx", piece=b"x")
    assert (answer.status_code, answer.json["code"]) == (429, "too-many-uploads")
    assert put(phone, f"{1:064x}", b"xx", offset=1, piece=b"").status_code == 204, "what has begun goes on"


# ---------------------------------------------------------------------------------------------------- who sees it
def handed_over(town, phone, *pictures):
    item = town.here.item(charges=())
    proofs = [{"kind": "photo_place", "sha256": digest_of(picture)} for picture in pictures]
    answer = phone.send(
        phone.event("taken_out", [item], 1),
        phone.event("handed_over", [item], 5, **done_right(proofs=[{"kind": "signature", "sha256": None}, *proofs])),
    )
    assert {r["result"] for r in answer.json["results"]} == {"applied"}
    return item


def test_the_office_of_the_act_sees_the_picture_and_nobody_else(app, town, phone, database):
    picture = a_picture()
    digest = digest_of(picture)
    path = f"/api/v1/media/{digest}"
    put(phone, digest, sealed(phone, picture))
    assert town.dispatcher.get(path).status_code == 404, "no act names it yet"
    handed_over(town, phone, picture)
    for person in (town.dispatcher, town.cashier):
        answer = person.get(path)
        assert (answer.status_code, answer.data, answer.mimetype) == (200, picture, "image/jpeg")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    stranger = Person(app, town.there.dispatcher, sign(database, town.there.dispatcher))
    assert stranger.get(path).status_code == 404
    for person in (town.postman, town.clerk, town.agency):
        assert person.get(path).status_code == 403
    with database.read() as session:
        looks = session.scalars(select(AuditEntry).where(AuditEntry.act == "proof shown")).all()
    assert {look.actor_id for look in looks} == {town.dispatcher.caller.id, town.cashier.caller.id}


def test_a_revoked_phone_still_sends_its_pictures(town, phone):
    picture = a_picture()
    town.dispatcher.delete(f"/api/v1/devices/{phone.id}")
    assert put(phone, digest_of(picture), sealed(phone, picture)).status_code == 204
    assert head(phone, digest_of(picture)).status_code == 200


def test_pictures_that_an_act_names_are_waited_for_and_missed_after_a_day(town, phone, database, clock):
    one, two = a_picture(), a_picture(colour=(1, 2, 3))
    item = handed_over(town, phone, one, two)
    put(phone, digest_of(one), sealed(phone, one))
    (act,) = [e for e in town.dispatcher.get(f"/api/v1/items/{item}/events").json["data"] if e["type"] == "handed_over"]
    assert act["waiting_media"] == [digest_of(two)]

    def miss(hours):
        with database.write() as session:
            clock.forward(hours=hours)
            return media.miss(
                session, town.here.office_id, before=clock.now.replace(day=clock.now.day - 1), at=clock.now
            )

    assert (miss(20), miss(5), miss(1)) == (0, 1, 0), "once, and only after a day"
    with database.read() as session:
        incident = session.scalars(select(Incident)).one()
    assert (incident.code, incident.postman_id, incident.day) == ("media-missing", town.postman.caller.id, DAY)
    # An act that comes later does not close it, the picture does.
    clock.now = MORNING
    phone.send(phone.event("noted", [item], 9, text="x"))
    with database.read() as session:
        assert session.scalars(select(Incident)).one().closed_at is None
    put(phone, digest_of(two), sealed(phone, two))
    with database.read() as session:
        assert session.scalars(select(Incident)).one().closed_at is not None
    (act,) = [e for e in town.dispatcher.get(f"/api/v1/items/{item}/events").json["data"] if e["type"] == "handed_over"]
    assert act["waiting_media"] == []
