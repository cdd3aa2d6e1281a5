"""A picture with a complaint: who sees it, what is left of it, and what uploads do to the server that are none."""

import base64
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from courier import complaints, privacy
from courier.store import erasing
from courier.store.media import Shelf
from courier.store.tables import AuditEntry, Complaint
from tests.api.conftest import Person, sign
from tests.api.test_citizen import Visitor
from tests.builders import MORNING

V1 = "/api/v1"
SECRET = b"<script>alert(1)</script>"


def a_picture(kind="JPEG", size=(400, 300), *, where=False) -> bytes:
    body, exif = io.BytesIO(), Image.Exif()
    exif[0x0110] = "Máy ảnh của tôi"
    if where:
        exif.get_ifd(0x8825)[2] = (9.0, 10.0, 30.0)
    Image.new("RGB", size, "green").save(body, kind, exif=exif)
    return body.getvalue()


@pytest.fixture
def citizen(app, desk, town) -> Visitor:
    visitor = Visitor(app, desk, town)
    filed = visitor.post("complaints", kind="damaged", text="Bì thư rách")
    assert (filed.status_code, filed.json["has_photo"]) == (201, False)
    visitor.number = filed.json["number"]
    return visitor


def send(citizen: Visitor, body: bytes, number: str | None = None):
    return citizen.client.put(
        f"{citizen.path}/complaints/{number or citizen.number}/photo", data=body, content_type="image/jpeg"
    )


def row_of(desk) -> Complaint:
    with desk.database.read() as session:
        return session.query(Complaint).one()


def on_the_shelf(desk) -> list[Path]:
    return [place for place in (desk.settings.var_dir / "media").rglob("*") if place.is_file()]


# ------------------------------------------------------------------------------------------------------- who sees it
def test_who_handles_the_complaint_sees_the_picture_and_nothing_that_the_camera_wrote(desk, town, citizen):
    sent = a_picture(size=(3000, 2000), where=True)
    assert Image.open(io.BytesIO(sent)).getexif().get_ifd(0x8825), "the picture says where it was taken"
    assert send(citizen, sent).json["has_photo"] is True
    path = f"{V1}/complaints/{row_of(desk).id}/photo"
    answer = town.dispatcher.get(path)
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "image/jpeg", "no-store")
    shown = Image.open(io.BytesIO(answer.data))
    assert (shown.format, shown.size, dict(shown.getexif())) == ("JPEG", (1280, 853), {})
    assert "Máy ảnh".encode() not in answer.data
    for person in (town.postman, town.clerk, town.cashier, town.agency):
        assert person.get(path).status_code == 403
    with desk.database.read() as session:
        assert [entry.act for entry in session.query(AuditEntry) if "photo" in entry.act] == [complaints.PHOTO_SHOWN]
    assert any(look.role == "dispatcher" for look in privacy.looks(desk, citizen.item)), "and its author can read that"


def test_the_office_next_door_has_no_such_complaint(app, desk, town, citizen):
    send(citizen, a_picture())
    stranger = Person(app, town.there.dispatcher, sign(desk.database, town.there.dispatcher))
    assert stranger.get(f"{V1}/complaints/{row_of(desk).id}/photo").status_code == 404


def test_what_lies_on_the_disk_is_sealed_and_is_the_authors_own_copy_in_his_export(desk, citizen):
    send(citizen, a_picture())
    [kept] = on_the_shelf(desk)
    assert b"JFIF" not in kept.read_bytes()
    told = json.loads(citizen.client.get(f"{citizen.path}/data").data)["stored"]["complaints"][0]
    assert Image.open(io.BytesIO(base64.b64decode(told["photo_jpeg_base64"]))).size == (400, 300)


def test_an_erasure_takes_the_picture_along(desk, citizen):
    send(citizen, a_picture())
    with desk.database.write() as session:
        assert erasing.erase(
            session, citizen.item, shelf=Shelf(desk.settings.var_dir / "media"), why="request", at=MORNING
        )
    assert on_the_shelf(desk) == []
    assert row_of(desk).photo is None


def test_a_picture_that_another_complaint_shows_too_stays_with_that_one(app, desk, town, citizen):
    send(citizen, a_picture())
    other = Visitor(app, desk, town)
    number = other.post("complaints", kind="damaged", text="Cũng rách").json["number"]
    assert send(other, a_picture(), number).status_code == 200
    shelf = Shelf(desk.settings.var_dir / "media")
    with desk.database.write() as session:
        erasing.erase(session, citizen.item, shelf=shelf, why="request", at=MORNING)
    assert len(on_the_shelf(desk)) == 1


def test_it_comes_with_the_form_too(desk, citizen):
    page = citizen.path.replace(f"{V1}/public/items", "/t") + "/complaint"
    text = citizen.client.get(page).text
    hidden = {name: text.split(f'name="{name}" value="')[1].split('"')[0] for name in ("form_token", "key")}
    fields = {**hidden, "kind": "late", "text": "Chậm", "photo": (io.BytesIO(a_picture()), "../../../etc/cron.d/x.jpg")}
    sent = citizen.client.post(page, data=fields, content_type="multipart/form-data")
    assert sent.status_code == 303, sent.text
    assert "Đã có ảnh kèm theo" in citizen.client.get(page).text
    [kept] = on_the_shelf(desk)
    assert kept.parent.parent == desk.settings.var_dir / "media", "the sender's name for it leads nowhere"
    assert "cron" not in str(kept)


# ----------------------------------------------------------------------------------------------------------- attacks
def a_bomb() -> bytes:
    """40,000 x 40,000 pixels in two megabytes of nothing."""
    body = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(body, "PNG")
    return body.getvalue()


def a_liar() -> bytes:
    """A PNG of sixty bytes whose head claims 2,000,000,000 x 2,000,000,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 2_000_000_000, 2_000_000_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def a_zip_bomb() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("anh.jpg", b"\0" * 50_000_000)
    return body.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"GIF89a" + b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html>" + SECRET,
        b"\xff\xd8\xff\xe0" + b"\0" * 400,
        a_picture()[:300],
        a_bomb(),
        a_liar(),
        a_zip_bomb(),
        b"%PDF-1.7 " + a_picture(),
    ],
    ids=["nothing", "gif", "svg", "html", "a-head-alone", "cut", "bomb", "liar", "zip-bomb", "pdf-first"],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing_behind(desk, citizen, body):
    answer = send(citizen, body)
    assert (answer.status_code, answer.json["code"]) == (409, "not-a-picture")
    assert row_of(desk).photo is None
    assert on_the_shelf(desk) == []


def test_more_than_eight_mebibytes_are_not_even_read(desk, citizen):
    assert send(citizen, b"\xff\xd8" + b"x" * complaints.MOST_PHOTO_BYTES).status_code == 413
    assert on_the_shelf(desk) == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_is_hidden_behind_or_inside_a_picture_does_not_come_along(desk, town, citizen, kind):
    """A file that is a picture and an archive and a page at once: only what it shows is kept."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("x.html", SECRET)
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    body = io.BytesIO()
    Image.new("RGB", (60, 60)).save(body, kind, exif=exif, **({"comment": SECRET} if kind == "JPEG" else {}))
    sent = body.getvalue() + archive.getvalue()
    assert SECRET in sent
    assert zipfile.is_zipfile(io.BytesIO(sent))
    assert send(citizen, sent).status_code == 200
    shown = town.dispatcher.get(f"{V1}/complaints/{row_of(desk).id}/photo").data
    assert SECRET not in shown
    assert not zipfile.is_zipfile(io.BytesIO(shown))
    assert shown.startswith(b"\xff\xd8\xff")


def test_a_second_picture_or_one_for_somebody_elses_complaint_is_refused(app, desk, town, citizen):
    assert send(citizen, a_picture()).status_code == 200
    assert send(citizen, a_picture()).status_code == 200, "the same again is harmless"
    again = send(citizen, a_picture(size=(50, 50)))
    assert (again.status_code, again.json["code"]) == (409, "photo-there")
    other = Visitor(app, desk, town)
    assert send(other, a_picture(), citizen.number).status_code == 404
    stranger = app.test_client().put(f"{citizen.path}/complaints/{citizen.number}/photo", data=a_picture())
    assert (stranger.status_code, stranger.json["code"]) == (409, "not-verified")
    assert len(on_the_shelf(desk)) == 1


def test_an_answered_complaint_takes_no_picture(desk, town, citizen):
    complaints.answer(
        desk, town.here.dispatcher, row_of(desk).id, words="Đã xem", compensation_dong=None, version=1, at=MORNING
    )
    assert send(citizen, a_picture()).json["code"] == "already-answered"
    assert on_the_shelf(desk) == []
