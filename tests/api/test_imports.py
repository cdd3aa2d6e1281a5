"""POST /imports and its neighbours over HTTP: shapes, rights, limits, and errors that name row and field."""

import io
import re

import pytest
from openpyxl import load_workbook

from courier.store.tables import Office
from tests.intake_office import a_csv, a_row, a_sheet

PATH = "/api/v1/imports"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def town(town, database):
    """The town, with the communes of U Minh served from here."""
    with database.write() as session:
        session.get_one(Office, town.here.office_id).communes = ["32044", "32047", "32059", "32062"]
    return town


def send(person, content, *, name="bang-ke.xlsx", path=PATH, **more):
    return person.post(path, data={"file": (io.BytesIO(content), name)}, content_type="multipart/form-data", **more)


def rows_of(number=2):
    return [a_row(one) for one in range(1, number + 1)]


def error(answer, status=422):
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json.keys() == {"type", "title", "status", "code", "detail", "errors"}
    return answer.json


def stored(town):
    return len(town.admin.get("/api/v1/items").json["data"])


def test_a_sheet_gets_an_answer_for_every_row(town):
    content = a_sheet([a_row(1), a_row(1), a_row(2, address="gần cây cầu"), a_row(3, phone="12", state_fee="-5")])
    answer = send(town.dispatcher, content)
    assert answer.status_code == 201, answer.text
    body = answer.json
    assert body.keys() == {"id", "receipt", "accepted", "duplicates", "doubtful", "rejected", "rows"}
    assert (body["accepted"], body["duplicates"], body["doubtful"], body["rejected"]) == (1, 1, 1, 1)
    assert [(row["row"], row["outcome"], "item" in row) for row in body["rows"]] == [
        (2, "accepted", True),
        (3, "duplicate", False),
        (4, "doubtful", True),
        (5, "rejected", False),
    ]
    assert body["rows"][0]["errors"] == []
    rejected = {(one["row"], one["field"], one["code"]) for one in body["rows"][3]["errors"]}
    assert rejected == {(5, "Số điện thoại", "phone-form"), (5, "Phí, lệ phí", "negative-amount")}
    assert "«12»" in next(one["message"] for one in body["rows"][3]["errors"] if one["code"] == "phone-form")


def test_a_hand_over_has_one_number_for_both_sides_and_says_what_is_due_to_whom(town):
    body = town.agency.post(PATH, json={"rows": [a_row(1), a_row(2, phone="12")]}).json
    assert re.fullmatch(r"BG-261125-[A-Z2-7]{8}", body["receipt"])
    assert body["rows"][0]["charges"] == [
        {"kind": "postage", "payee": "post", "amount_dong": 30_000},
        {"kind": "state_fee", "payee": "agency:PC08", "amount_dong": 135_000},
    ]
    assert "charges" not in body["rows"][1]
    assert town.agency.get(PATH).json["data"][0]["receipt"] == body["receipt"]
    assert town.admin.get(f"{PATH}/{body['id']}").json == body


def test_the_answer_can_be_read_again_and_stands_in_the_list(town):
    first = send(town.dispatcher, a_sheet(rows_of(2))).json
    second = send(town.dispatcher, a_csv(rows_of(3)), name="hôm nay.csv").json
    assert town.dispatcher.get(f"{PATH}/{first['id']}").json == first
    page = town.dispatcher.get(f"{PATH}?limit=1").json
    assert [(one["id"], one["filename"], one["duplicates"]) for one in page["data"]] == [
        (second["id"], "hôm nay.csv", 2)
    ]
    rest = town.dispatcher.get(f"{PATH}?after={page['next']}").json
    assert ([one["id"] for one in rest["data"]], rest["next"]) == ([first["id"]], None)


def test_an_agency_sends_rows_as_json(town):
    rows = [a_row(1), {"Mã bưu gửi": "BUUTA-000002", "colour": "red"}]
    answer = town.agency.post(PATH, json={"rows": rows})
    assert answer.status_code == 201, answer.text
    assert [(row["row"], row["outcome"]) for row in answer.json["rows"]] == [(1, "accepted"), (2, "rejected")]
    told = {(one["field"], one["code"]) for one in answer.json["rows"][1]["errors"]}
    assert {("colour", "unknown-field"), ("Họ tên", "missing"), ("Địa chỉ", "missing")} <= told
    assert town.agency.get(f"{PATH}/{answer.json['id']}").status_code == 200


def test_a_value_that_is_a_list_however_deep_is_a_fault_of_its_field(town):
    deep = "[" * 900 + "]" * 900
    body = b'{"rows": [{"name": %s, "barcode": "BUUTA-000001"}]}' % deep.encode()
    answer = town.agency.post(PATH, data=body, content_type="application/json")
    assert answer.status_code == 201, answer.text
    assert ("name", "not-a-value") in {(one["field"], one["code"]) for one in answer.json["rows"][0]["errors"]}


def test_the_same_request_with_the_same_key_is_taken_once(town):
    headers = {"Idempotency-Key": "bag-2026-11-25"}
    first = town.agency.post(PATH, json={"rows": rows_of()}, headers=headers)
    again = town.agency.post(PATH, json={"rows": rows_of()}, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert first.json["accepted"] == 2


@pytest.mark.parametrize(
    ("role", "status"),
    [("postman", 403), ("cashier", 403), ("dispatcher", 201), ("clerk", 201), ("admin", 201), ("agency", 201)],
)
def test_who_may_send_a_list(town, role, status):
    assert send(town.of(role), a_sheet(rows_of(1))).status_code == status
    assert town.of(role).get(PATH).status_code == (403 if status == 403 else 200)
    assert town.of(role).get(f"{PATH}/template.xlsx").status_code == (403 if status == 403 else 200)


def test_another_offices_list_does_not_exist(town):
    sent = send(town.dispatcher, a_sheet(rows_of(1))).json["id"]
    mine = send(town.admin, a_sheet([a_row(9)]), path=f"{PATH}?office={town.there.office_id}").json["id"]
    assert error(town.dispatcher.get(f"{PATH}/{mine}"), 404)["code"] == "not-found"
    assert town.admin.get(f"{PATH}/{sent}").status_code == 200
    assert error(send(town.dispatcher, a_sheet(rows_of(1)), path=f"{PATH}?office={town.there.office_id}"), 404)


def test_nobody_signed_in_sends_nothing(client):
    assert client.post(PATH, json={"rows": rows_of()}).status_code == 401


BROKEN = {
    "a broken workbook": ("x.xlsx", lambda: a_sheet(rows_of())[:2000], ("file", "broken-spreadsheet", None)),
    "a wrong heading": ("x.xlsx", lambda: a_sheet(rows_of(), change=lambda sheet: sheet.cell(1, 8, "Địa chi nhà")), ("Địa chi nhà", "heading-unknown", 1)),
    "invalid UTF-8": ("x.csv", lambda: a_csv(rows_of()).replace("Mẫu".encode(), b"\xfe"), ("file", "invalid-utf-8", 2)),
    "neither": ("x.pdf", lambda: b"%PDF-1.7", ("file", "unknown-file-type", None)),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_used_is_a_422_that_names_the_place(town, case):
    name, make, expected = BROKEN[case]
    body = error(send(town.dispatcher, make(), name=name))
    assert body["code"] == "invalid"
    first = body["errors"][0]
    assert (first["field"], first["code"], first.get("row")) == expected
    assert first["message"]
    assert stored(town) == 0
    assert town.dispatcher.get(PATH).json["data"] == []


def test_too_large_is_too_large(town):
    """Between our limit and the server's, and far beyond both."""
    for size in (11 * 1024 * 1024, 50 * 1024 * 1024):
        assert error(send(town.dispatcher, bytes(size)), 413)["code"] == "too-large"
    assert stored(town) == 0


@pytest.mark.parametrize(
    ("body", "status", "field", "code"),
    [
        ({"json": {"rows": [], "more": 1}}, 422, "more", "unknown"),
        ({"json": {"rows": []}}, 422, "rows", "no-rows"),
        ({"json": {}}, 422, "rows", "required"),
        ({"json": {"rows": ["x"]}}, 422, "rows.0", "invalid"),
        ({"json": {"rows": [{"name": "a\0b"}]}}, 422, "rows.0.name", "invalid"),
        ({"json": [1]}, 422, None, None),
        ({"data": b"{", "content_type": "application/json"}, 400, None, None),
        ({"data": b"\xff", "content_type": "application/json"}, 400, None, None),
        ({"data": b"rows", "content_type": "text/plain"}, 415, None, None),
        ({}, 415, None, None),
        ({"data": {}, "content_type": "multipart/form-data"}, 422, "file", "required"),
        ({"data": {"file": "text"}, "content_type": "multipart/form-data"}, 422, "file", "unknown"),
    ],
    ids=repr,
)
def test_a_body_of_another_shape_is_refused(town, body, status, field, code):
    problem = error(town.agency.post(PATH, **body), status)
    if field is not None:
        assert (field, code) in {(one["field"], one["code"]) for one in problem["errors"]}
    assert stored(town) == 0


def test_an_unknown_form_field_and_a_second_file_are_refused(town):
    sheet = a_sheet(rows_of())
    extra = {"file": (io.BytesIO(sheet), "a.xlsx"), "day": "2026-11-25"}
    body = error(town.dispatcher.post(PATH, data=extra, content_type="multipart/form-data"))
    assert [(one["field"], one["code"]) for one in body["errors"]] == [("day", "unknown")]
    two = {"file": [(io.BytesIO(sheet), "a.xlsx"), (io.BytesIO(sheet), "b.xlsx")]}
    body = error(town.dispatcher.post(PATH, data=two, content_type="multipart/form-data"))
    assert [(one["field"], one["code"]) for one in body["errors"]] == [("file", "required")]
    assert stored(town) == 0


def test_a_cursor_that_is_not_ours_is_refused(town):
    assert error(town.dispatcher.get(f"{PATH}?after=abc"))["errors"][0]["field"] == "after"


def test_the_form_can_be_fetched_filled_and_sent(town):
    answer = town.dispatcher.get(f"{PATH}/template.xlsx")
    assert answer.mimetype == XLSX
    book = load_workbook(io.BytesIO(answer.data))
    assert book.worksheets[0]["A1"].value == "Mã bưu gửi*"
    result = send(town.dispatcher, answer.data)
    assert result.status_code == 201, result.text
    assert [row["row"] for row in result.json["rows"]] == [2]


def test_a_refusal_never_repeats_an_id_number(town):
    answer = send(town.dispatcher, a_sheet([a_row(1, id_number="0960880000019")]))
    assert answer.json["rejected"] == 1
    assert "0960880000019" not in answer.text


# ------------------------------------------------------------------------------------------------ on trial
STAGED = f"{PATH}/staged"


def version(number):
    return {"If-Match": f'"{number}"'}


def test_a_dry_run_answers_like_an_import_and_makes_nothing(town):
    content = a_sheet([a_row(1), a_row(1), a_row(2, address="gần cây cầu"), a_row(3, phone="12")])
    answer = send(town.dispatcher, content, path=STAGED)
    assert answer.status_code == 201, answer.text
    body = answer.json
    assert (body["state"], body["rows"], body["version"], answer.headers["ETag"]) == ("checked", 4, 1, '"1"')
    assert (body["accepted"], body["duplicates"], body["doubtful"], body["rejected"]) == (1, 1, 1, 1)
    page = town.dispatcher.get(f"{STAGED}/{body['id']}/rows?limit=3").json
    rest = town.dispatcher.get(f"{STAGED}/{body['id']}/rows?after={page['next']}").json
    assert [(row["row"], row["outcome"]) for row in (*page["data"], *rest["data"])] == [
        (2, "accepted"),
        (3, "duplicate"),
        (4, "doubtful"),
        (5, "rejected"),
    ]
    assert [one["code"] for one in rest["data"][0]["errors"]] == ["phone-form"]
    assert stored(town) == 0


def test_a_list_is_corrected_over_the_api_and_taken_in_once(town):
    rows = [a_row(1), a_row(2, phone="12")]
    listed = f"{STAGED}/{town.agency.post(STAGED, json={'rows': rows}).json['id']}"
    corrected = town.agency.patch(f"{listed}/rows", json={"rows": {"2": {"phone": "0599000002"}}}, headers=version(1))
    assert (corrected.status_code, corrected.json["accepted"], corrected.json["version"]) == (200, 2, 2)
    assert town.agency.get(listed, headers={"If-None-Match": '"2"'}).status_code == 304
    assert town.agency.post(f"{listed}/commit").status_code == 428
    assert error(town.agency.post(f"{listed}/commit", headers=version(1)), 412)
    taken_in = town.agency.post(f"{listed}/commit", headers=version(2)).json
    assert (taken_in["state"], taken_in["version"]) == ("committed", 3)
    assert town.agency.get(f"{PATH}/{taken_in['import']}").json["accepted"] == 2
    assert error(town.agency.post(f"{listed}/commit", headers=version(3)), 409)["code"] == "already-taken-in"
    assert stored(town) == 2


def test_headings_are_named_over_the_api(town):
    content = a_csv([a_row(1)]).replace("Họ tên".encode(), b"Khach")
    listed = send(town.dispatcher, content, path=STAGED, name="ho.csv").json
    assert listed["state"] == "headings"
    assert [(one["position"], one["sample"]) for one in listed["headings"] if one["key"] is None] == [
        (4, ["Nguyễn Văn Mẫu"])
    ]
    columns = {str(one["position"]): one["key"] or "name" for one in listed["headings"]}
    path = f"{STAGED}/{listed['id']}"
    wrong = town.dispatcher.put(f"{path}/columns", json={"columns": columns | {"4": "phone"}}, headers=version(1))
    assert {one["code"] for one in error(wrong)["errors"]} == {"heading-twice", "heading-missing"}
    named = town.dispatcher.put(f"{path}/columns", json={"columns": columns}, headers=version(1)).json
    assert (named["state"], named["accepted"]) == ("checked", 1)


def test_the_failed_rows_make_a_round_trip_over_the_api(town):
    listed = f"{STAGED}/{send(town.dispatcher, a_sheet([a_row(1), a_row(2, phone='12')]), path=STAGED).json['id']}"
    failed = town.dispatcher.get(f"{listed}/failed.xlsx")
    assert failed.mimetype == XLSX
    book = load_workbook(io.BytesIO(failed.data))
    headings = [cell.value for cell in book.active[1]]
    book.active.cell(2, headings.index("Số điện thoại") + 1, "0599000002")
    out = io.BytesIO()
    book.save(out)
    again = town.dispatcher.put(f"{listed}/failed.xlsx", data=out.getvalue(), content_type=XLSX, headers=version(1))
    assert (again.status_code, again.json["accepted"], again.json["rejected"]) == (200, 2, 0)
    assert town.dispatcher.delete(listed, headers=version(2)).status_code == 204
    assert town.dispatcher.get(listed).status_code == 404


def test_an_import_is_undone_over_the_api(town):
    sent = send(town.dispatcher, a_sheet(rows_of(2))).json
    undone = town.dispatcher.post(f"{PATH}/{sent['id']}/undo")
    assert (undone.status_code, undone.json["undone_at"] is not None) == (200, True)
    assert error(town.dispatcher.post(f"{PATH}/{sent['id']}/undo"), 409)["code"] == "already-undone"
    assert send(town.dispatcher, a_sheet(rows_of(2))).json["accepted"] == 2


def test_what_was_assumed_about_the_letters_is_said(town):
    answer = send(town.dispatcher, a_csv(rows_of(1), encoding="utf-16"), name="x.csv").json
    assert (answer["accepted"], answer["assumed"]) == (1, ["utf-16"])
    assert town.dispatcher.get(f"{PATH}/{answer['id']}").json == answer
