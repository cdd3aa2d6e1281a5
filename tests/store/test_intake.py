"""A bag comes in: every row has its verdict, what is good is stored whole, what is wrong is stored nowhere."""

import io
import json
import random
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import event, select

from courier import intake
from courier.domain.errors import Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.item import EventType
from courier.domain.people import Role
from courier.outside import spreadsheet
from courier.settings import ROOT
from courier.store import items as item_books
from courier.store import ledger, links, sealing
from courier.store.tables import (
    AuditEntry,
    Dossier,
    DossierStep,
    ImportBatch,
    Item,
    ItemCharge,
    ItemEvent,
    LedgerTx,
    Office,
)
from tests.intake_office import NOW, VI, a_csv, a_row, a_sheet, open_house

SPLIT = "Ấp 14, xã Khánh Thuận, huyện U Minh, Cà Mau"  # went into two communes of today
ELSEWHERE = "Ấp Tân Đức A, xã Tân Đức, H.Đầm Dơi, T.Cà Mau"  # the office of Đầm Dơi brings it
HOPELESS = "gần cây cầu"


@pytest.fixture
def house(database, tmp_path):
    return open_house(database, tmp_path)


@pytest.fixture
def house_on_sqlite(sqlite_database, tmp_path):
    return open_house(sqlite_database, tmp_path)


def bring(house, rows, *, caller=None, at=NOW, **options):
    return intake.import_sheet(
        house.desk, caller or house.dispatcher, filename="bang-ke.xlsx", content=a_sheet(rows), at=at, **options
    )


def outcomes(result):
    return [(row.row, row.outcome) for row in result.rows]


def codes(result):
    return [[error.code for error in row.errors] for row in result.rows]


# ------------------------------------------------------------------------------------------------ the good bag
def test_a_good_row_becomes_an_item_with_everything_that_belongs_to_it(house):
    result = bring(house, [a_row(deliver_by="24/11/2026", appointment="sáng", note="gọi trước")])

    assert (result.accepted, result.duplicates, result.doubtful, result.rejected) == (1, 0, 0, 0)
    item = house.items()["BUUTA-000001"]
    assert result.rows[0].item == item.id
    assert (item.state, item.custody, item.custody_holder, item.direction) == ("received", "office", None, "result")
    assert (item.office_id, item.agency_id) == (house.office["U-MINH"], house.agency["PC08"])
    assert (item.commune_code, item.precision, item.candidates) == ("32059", "commune", [])
    assert house.desk.gazetteer.contains("32059", item.lat, item.lon)
    assert (item.recipient_name, item.recipient_phone, item.note) == ("Nguyễn Văn Mẫu", "0599000001", "gọi trước")
    assert (item.deliver_by, item.wanted_from, item.wanted_to, item.wanted_on) == (
        date(2026, 11, 24),
        27_000,
        41_400,
        None,
    )
    assert (item.attempts, item.moves, item.version, item.created_at) == (0, 0, 1, NOW)
    for sought in ("buuta-000001", "h12.11-261111-0001", "0599000001", "nguyen van mau"):
        assert sought in item.search_text
    assert item.link_digest == links.digest(links.token_for(house.desk.settings.secrets, item.id, 1))


def test_the_id_number_is_sealed_to_its_item_and_found_by_its_digest_alone(house):
    bring(house, [a_row(), a_row(2, id_number=None)])
    item, without = house.items()["BUUTA-000001"], house.items()["BUUTA-000002"]
    secrets = house.desk.settings.secrets
    assert sealing.unseal(item.id_number_sealed, row=item.id, secrets=secrets) == "096088000001"
    assert item.id_number_index == sealing.blind_index("096088000001", secrets=secrets)
    assert b"096088000001" not in item.id_number_sealed
    assert (without.id_number_sealed, without.id_number_index) == (None, None)
    assert "096088" not in item.search_text


def test_every_item_has_its_receipt_and_its_dossier_stands_at_the_last_step(house):
    result = bring(house, [a_row(1), a_row(2)])
    with house.desk.database.read() as session:
        events = item_books.events_of(session, [row.item for row in result.rows])
        for told in events.values():
            assert [(one.type, one.occurred_at, one.actor) for one in told] == [
                (EventType.RECEIVED, NOW, house.dispatcher.id)
            ]
        dossiers = session.scalars(select(Dossier).order_by(Dossier.code)).all()
        assert [(d.code, d.code_key, d.step) for d in dossiers] == [
            ("H12.11-261111-0001", "H12112611110001", "return"),
            ("H12.11-261111-0002", "H12112611110002", "return"),
        ]
        steps = session.scalars(select(DossierStep)).all()
        assert {(s.step, s.reached_at, s.recorded_by) for s in steps} == {("return", NOW, house.dispatcher.id)}
        assert len(steps) == 2


def test_a_dossier_that_was_taken_in_earlier_moves_on_to_its_last_step(house):
    with house.desk.database.write() as session:
        dossier = Dossier(
            id=house.office["MC-UM"],
            agency_id=house.agency["PC08"],
            code="h12 11 261111 0001",
            code_key="H12112611110001",
            step="receive",
        )
        session.add(dossier)
    result = bring(house, [a_row()])
    assert outcomes(result) == [(2, "accepted")]
    with house.desk.database.read() as session:
        assert [d.step for d in session.scalars(select(Dossier))] == ["return"]
        assert [s.step for s in session.scalars(select(DossierStep))] == ["return"]


def test_three_columns_become_three_charges_with_three_payees_and_the_debt_is_in_the_ledger(house):
    bring(
        house, [a_row(document_type="giấy tờ tạm giữ GPLX", state_fee="10.000", fine="5.000.000 đ", postage=35_000.0)]
    )
    with house.desk.database.read() as session:
        charges = session.scalars(select(ItemCharge).order_by(ItemCharge.kind)).all()
        assert [(c.kind, c.payee, c.amount_dong) for c in charges] == [
            ("fine", "treasury", 5_000_000),
            ("postage", "post", 35_000),
            ("state_fee", "agency:PC08", 10_000),
        ]
        item_id = charges[0].item_id
        assert ledger.balance(session, f"receivable:{item_id}") == 5_045_000
        assert ledger.owed(session, [item_id])[item_id] == {c.id: c.amount_dong for c in charges}
        assert [(tx.key, tx.kind, tx.day) for tx in session.scalars(select(LedgerTx))] == [
            (f"accepted:{item_id}", "charges accepted", date(2026, 11, 23))
        ]
    assert house.ledger() == {
        "receivable": 5_045_000,
        "due:treasury": -5_000_000,
        "due:post": -35_000,
        "due:agency:PC08": -10_000,
    }


def test_only_an_amount_that_a_sure_tariff_confirms_is_verified(house):
    """The half fee of the ID card is verified until the end of 2026; the licence fee is not; 26,000 stands in no tariff."""
    bring(
        house,
        [
            a_row(1, document_type="Thẻ căn cước", agency="PC06", state_fee=25_000, postage=None),
            a_row(2, document_type="Thẻ căn cước", agency="PC06", state_fee=26_000, postage=None),
            a_row(3, postage=None),
        ],
    )
    with house.desk.database.read() as session:
        verified = dict(session.execute(select(ItemCharge.amount_dong, ItemCharge.amount_verified)).all())
    assert verified == {25_000: True, 26_000: False, 135_000: False}


def test_the_nearer_the_deadline_the_higher_the_priority(house):
    days = ["23/11/2026", "25/11/2026", "30/11/2026", "31/12/2026", None]
    bring(house, [a_row(number, deliver_by=day) for number, day in enumerate(days, start=1)])
    items = house.items()
    found = [items[f"BUUTA-{number:06d}"].priority for number in range(1, 6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 100
    assert len(set(found)) == 5


def test_a_csv_brings_the_same_items_whatever_divides_it(house_on_sqlite):
    house = house_on_sqlite
    for number, (divider, encoding) in enumerate([(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")], start=1):
        content = a_csv(
            [a_row(number, name='Nguyễn "Út" Mẫu', address="Ấp 11;\nxã Khánh An, huyện U Minh")],
            divider=divider,
            encoding=encoding,
        )
        result = intake.import_sheet(house.desk, house.dispatcher, filename="bang-ke.CSV", content=content, at=NOW)
        assert outcomes(result) == [(2, "accepted")]
    assert {item.recipient_name for item in house.items().values()} == {'Nguyễn "Út" Mẫu'}
    assert house.ledger()["receivable"] == 3 * 165_000


def test_a_title_row_a_running_number_and_blank_rows_are_no_trouble_and_rows_keep_the_sheets_number(house_on_sqlite):
    house = house_on_sqlite

    def number_and_gap(sheet):
        sheet.insert_cols(1)
        sheet["A4"] = "STT"
        sheet["A5"] = 1
        sheet.merge_cells("A1:O1")
        sheet.insert_rows(6)

    content = a_sheet([a_row(1), a_row(2)], above=[["BẢNG KÊ BƯU GỬI"], [], []], change=number_and_gap)
    result = intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=content, at=NOW)
    assert outcomes(result) == [(5, "accepted"), (7, "accepted")]


def test_json_rows_count_from_one(house):
    rows = [a_row(1), {VI[key]: value for key, value in a_row(2).items()}, a_row(3, phone="12", barcode="BUUTA-000003")]
    result = intake.import_rows(house.desk, house.dispatcher, rows=rows, at=NOW)
    assert outcomes(result) == [(1, "accepted"), (2, "accepted"), (3, "rejected")]
    assert [(error.field, error.code, error.row) for error in result.rows[2].errors] == [("phone", "phone-form", 3)]


# ------------------------------------------------------------------------------------------------ verdicts
def test_a_rejected_row_tells_all_its_faults_and_never_hides_its_neighbours(house):
    bad = a_row(2, document_type="Giấy lạ", state_fee=-5, deliver_by="1/1/2020", name=None, id_number="096088")
    result = bring(house, [a_row(1), bad, a_row(3)])
    assert outcomes(result) == [(2, "accepted"), (3, "rejected"), (4, "accepted")]
    told = {error.field: (error.code, error.row) for error in result.rows[1].errors}
    assert told == {
        "Loại giấy tờ": ("unknown-document-type", 3),
        "Phí, lệ phí": ("negative-amount", 3),
        "Hạn phát": ("past-date", 3),
        "Họ tên": ("missing", 3),
        "Số CCCD": ("id-number-form", 3),
    }
    assert set(house.items()) == {"BUUTA-000001", "BUUTA-000003"}
    assert house.ledger()["receivable"] == 2 * 165_000


def test_a_kind_of_paper_that_is_closed_says_why(house_on_sqlite):
    result = bring(house_on_sqlite, [a_row(document_type="CMND")])
    (error,) = result.rows[0].errors
    assert error.code == "closed-document-type"
    assert "không còn được cấp" in error.message


def test_a_barcode_or_dossier_that_came_before_is_a_duplicate_and_says_where(house):
    result = bring(house, [a_row(1), a_row(1), a_row(2, barcode="BUUTA-000001"), a_row(1, barcode="BUUTA-000009")])
    assert outcomes(result) == [(2, "accepted"), (3, "duplicate"), (4, "duplicate"), (5, "duplicate")]
    assert codes(result) == [[], ["duplicate"], ["duplicate-different"], ["duplicate-different"]]
    assert [row.errors[0].field for row in result.rows[1:]] == ["Mã bưu gửi", "Mã bưu gửi", "Mã hồ sơ"]
    assert all("dòng 2" in row.errors[0].message for row in result.rows[1:])
    assert "Mã hồ sơ" in result.rows[2].errors[0].message
    assert len(house.items()) == 1


def test_a_rejected_row_does_not_make_the_next_one_a_duplicate(house):
    result = bring(house, [a_row(1, phone="12"), a_row(1)])
    assert outcomes(result) == [(2, "rejected"), (3, "accepted")]


def test_the_same_file_again_is_all_duplicates_and_changes_nothing(house):
    rows = [a_row(1), a_row(2, address=SPLIT), a_row(3, document_type="Thẻ căn cước", agency="PC06")]
    first = bring(house, rows)
    before = house.counts()
    again = bring(house, rows, at=NOW + timedelta(days=30))  # the deadlines are past by now, the items are still known
    assert [row.outcome for row in again.rows] == ["duplicate"] * 3
    assert [row.item for row in again.rows] == [row.item for row in first.rows]
    assert [row.errors[0].code for row in again.rows] == ["duplicate"] * 3
    after = house.counts()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "import_batch": 1,
        "import_row": 3,
    }


def test_a_duplicate_with_other_content_names_what_differs(house):
    bring(house, [a_row(1)])
    result = bring(house, [a_row(1, name="Trần Thị Thử", postage=31_000, id_number="096188000001")])
    (error,) = result.rows[0].errors
    assert error.code == "duplicate-different"
    for name in ("Họ tên", "Số tiền", "Số CCCD"):
        assert name in error.message
    assert house.items()["BUUTA-000001"].recipient_name == "Nguyễn Văn Mẫu"


def test_what_another_office_holds_is_a_duplicate_without_its_id(house):
    bring(house, [a_row(1)])
    other = house.caller(Role.DISPATCHER, office="DAM-DOI")
    result = bring(house, [a_row(1)], caller=other)
    assert [(row.outcome, row.item) for row in result.rows] == [("duplicate", None)]


def test_verdicts_add_up_to_the_rows_and_the_ledger_to_the_sheet(house):
    """Conservation, over a random sheet; the oracle adds up the amounts while it makes the rows."""
    chance = random.Random(7)
    rows, dong, expected = [], 0, {"accepted": 0, "duplicates": 0, "doubtful": 0, "rejected": 0}
    good = []
    for number in range(300):
        kind = chance.choice(["accepted"] * 6 + ["doubtful", "rejected", "duplicates"])
        if kind == "duplicates" and not good:
            kind = "accepted"
        fee, fine, post = (
            chance.choice([None, 135_000]),
            chance.choice([None, None, 750_000]),
            chance.choice([30_000, 35_000]),
        )
        row = a_row(number, state_fee=fee, fine=fine, postage=post)
        if kind == "doubtful":
            row["address"] = chance.choice([SPLIT, HOPELESS, ELSEWHERE])
        elif kind == "rejected":
            row |= chance.choice([{"postage": "-1"}, {"phone": "1"}, {"agency": "?"}, {"deliver_by": "1/1/2020"}])
        elif kind == "duplicates":
            row = dict(chance.choice(good))
        if kind in ("accepted", "doubtful"):
            good.append(row)
            dong += sum(amount or 0 for amount in (fee, fine, post))
        expected[kind] += 1
        rows.append(row)
    result = bring(house, rows)
    assert {name: getattr(result, name) for name in expected} == expected
    assert sum(expected.values()) == len(result.rows) == 300
    totals = house.ledger()
    assert totals.pop("receivable") == dong == -sum(totals.values())
    with house.desk.database.read() as session:
        assert sum(session.scalars(select(ItemCharge.amount_dong))) == dong
    assert len(house.items()) == expected["accepted"] + expected["doubtful"] == house.count(ItemEvent)


# ------------------------------------------------------------------------------------------------ doubtful addresses, routing
def test_an_address_that_is_not_clear_is_stored_and_asked_about(house):
    result = bring(house, [a_row(1, address=SPLIT), a_row(2, address=HOPELESS)])
    assert [row.outcome for row in result.rows] == ["doubtful", "doubtful"]
    split, hopeless = house.items()["BUUTA-000001"], house.items()["BUUTA-000002"]
    assert (split.precision, split.commune_code, split.lat) == ("unknown", None, None)
    assert {candidate["commune_code"] for candidate in split.candidates} == {"32044", "32047"}
    assert all(candidate["reason"] for candidate in split.candidates)
    assert hopeless.candidates == []
    assert (split.state, split.custody) == ("received", "office")
    (error,) = result.rows[0].errors
    assert error.field == "Địa chỉ"
    assert SPLIT in error.message


def test_an_office_keeps_what_lies_on_its_table_and_asks_about_what_is_not_its_own(house):
    result = bring(house, [a_row(1, address=ELSEWHERE), a_row(2, address="phường Bạc Liêu, tỉnh Cà Mau")])
    assert codes(result) == [["other-office"], ["not-served"]]
    item = house.items()["BUUTA-000001"]
    assert (item.office_id, item.precision) == (house.office["U-MINH"], "unknown")
    assert [candidate["commune_code"] for candidate in item.candidates] == ["32167"]
    assert "Bưu cục Đầm Dơi" in result.rows[0].errors[0].message


def test_the_list_of_an_agency_is_routed_to_the_offices_that_serve(house):
    agency = house.caller(Role.AGENCY, agency="PC08")
    rows = [
        a_row(1),
        a_row(2, address=ELSEWHERE),
        a_row(3, address="Ấp Rau Dừa, xã Hưng Mỹ, huyện Cái Nước, tỉnh Cà Mau"),
        a_row(4, address="Ấp Bến Bào, xã Quách Phẩm, huyện Đầm Dơi, Cà Mau"),
        a_row(5, address=SPLIT),  # both candidates belong to U Minh
        a_row(6, address=HOPELESS),  # nobody can tell: where most of the list goes
    ]
    result = bring(house, rows, caller=agency)
    assert [row.outcome for row in result.rows] == ["accepted"] * 4 + ["doubtful"] * 2
    by_office = {house.office[code]: code for code in ("U-MINH", "CAI-NUOC", "DAM-DOI")}
    items = house.items()
    found = [by_office[items[f"BUUTA-{number:06d}"].office_id] for number in range(1, 7)]
    assert found == ["U-MINH", "DAM-DOI", "CAI-NUOC", "DAM-DOI", "U-MINH", "DAM-DOI"]


def test_a_list_of_nothing_clear_and_no_office_is_rejected_not_guessed(house):
    agency = house.caller(Role.AGENCY, agency="PC08")
    result = bring(house, [a_row(1, address=HOPELESS)], caller=agency)
    assert codes(result) == [["no-office"]]
    assert (result.rejected, house.items()) == (1, {})


def test_an_agency_brings_its_own_dossiers_only(house):
    agency = house.caller(Role.AGENCY, agency="PC06")
    result = bring(house, [a_row(1, agency="PC06"), a_row(2, agency="PC08")], caller=agency)
    assert outcomes(result) == [(2, "accepted"), (3, "rejected")]
    assert codes(result)[1] == ["other-agency"]


def test_an_agency_learns_nothing_about_the_barcodes_of_others(house):
    bring(house, [a_row(1)])
    result = bring(house, [a_row(1)], caller=house.caller(Role.AGENCY, agency="PC06"))
    assert codes(result) == [["other-agency"]]
    assert result.rows[0].item is None


def test_what_a_counter_takes_in_goes_to_doors_through_its_office(house):
    result = bring(house, [a_row(1)], caller=house.caller(Role.CLERK, office="MC-UM"))
    assert result.accepted == 1
    assert house.items()["BUUTA-000001"].office_id == house.office["U-MINH"]
    assert intake.get_import(house.desk, house.caller(Role.CLERK, office="MC-UM"), result.id).rows == result.rows


def test_an_admin_may_bring_a_list_in_for_an_office_or_have_it_routed(house):
    admin = house.caller(Role.ADMIN)
    assert bring(house, [a_row(1, address=ELSEWHERE)], caller=admin, office_id=house.office["U-MINH"]).doubtful == 1
    assert bring(house, [a_row(2, address=ELSEWHERE)], caller=admin).accepted == 1
    with pytest.raises(Missing):
        bring(house, [a_row(3)], caller=admin, office_id=admin.id)


def test_an_office_cannot_bring_a_list_in_for_another(house):
    with pytest.raises(Missing):
        bring(house, [a_row(1)], office_id=house.office["DAM-DOI"])


@pytest.mark.parametrize("role", [Role.POSTMAN, Role.CASHIER])
def test_postmen_and_cashiers_bring_no_lists_in(house_on_sqlite, role):
    house = house_on_sqlite
    caller = house.caller(role, office="U-MINH")
    for attempt in (
        lambda: bring(house, [a_row(1)], caller=caller),
        lambda: intake.import_rows(house.desk, caller, rows=[a_row(1)], at=NOW),
        lambda: intake.list_imports(house.desk, caller),
        lambda: intake.get_import(house.desk, caller, caller.id),
    ):
        with pytest.raises(Forbidden):
            attempt()


# ------------------------------------------------------------------------------------------------ files that cannot be used
def repacked(content, **changed):
    """The .xlsx with some parts changed: a function of the old bytes, by the end of the part's name."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            data = old.read(part)
            for end, change in changed.items():
                if part.filename.endswith(end + ".xml"):
                    data = change(data)
            new.writestr(part.filename, data)
    return out.getvalue()


def without_address(sheet):
    sheet.delete_cols(list(VI).index("address") + 1)


def with_a_strange_column(sheet):
    sheet.cell(1, 15, "Màu sắc")


def two_lists(sheet):
    second = sheet.parent.create_sheet("Đợt 2")
    for row in sheet.iter_rows(values_only=True):
        second.append(row)


def encrypted_like_excel():
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def a_zip_bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml"):
            archive.writestr(name, b" " * 1000)
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (65 * 1024 * 1024))
    return out.getvalue()


def an_entity_bomb():
    doctype = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    return repacked(a_sheet([a_row()]), sheet1=lambda data: data.replace(b"<worksheet", doctype + b"<worksheet", 1))


def far_down():
    return repacked(a_sheet([a_row()]), sheet1=lambda data: data.replace(b'r="2"', b'r="99999999"', 1))


def a_zip_of_text():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("hello.txt", "hello")
    return out.getvalue()


FILES = {
    "a picture": ("bang-ke.png", lambda: b"\x89PNG\r\n", "unknown-file-type", "file", None),
    "nothing": ("bang-ke.xlsx", lambda: b"", "broken-spreadsheet", "file", None),
    "no workbook at all": ("bang-ke.xlsx", lambda: b"hello", "broken-spreadsheet", "file", None),
    "half a workbook": ("bang-ke.xlsx", lambda: a_sheet([a_row()])[:3000], "broken-spreadsheet", "file", None),
    "a zip of something else": ("bang-ke.xlsx", a_zip_of_text, "broken-spreadsheet", "file", None),
    "a workbook with damaged XML": ("bang-ke.xlsx", lambda: repacked(a_sheet([a_row()]), sheet1=lambda data: data[:400]), "broken-spreadsheet", "file", None),
    "an entity bomb": ("bang-ke.xlsx", an_entity_bomb, "broken-spreadsheet", "file", None),
    "an old or locked workbook": ("bang-ke.xls", encrypted_like_excel, "old-excel", "file", None),
    "50 MB": ("bang-ke.xlsx", lambda: bytes(50 * 1024 * 1024), "too-large", "file", None),
    "a zip bomb": ("bang-ke.xlsx", a_zip_bomb, "too-large-unpacked", "file", None),
    "a row far down": ("bang-ke.xlsx", far_down, "too-many-rows", "file", 100_001),
    "no headings": ("bang-ke.xlsx", lambda: a_plain_sheet([["a", "b"], [1, 2]]), "no-headings", "file", None),
    "a csv without headings": ("bang-ke.csv", lambda: b"a,b\n1,2\n", "no-headings", "file", None),
    "a required heading missing": ("bang-ke.xlsx", lambda: a_sheet([a_row()], change=without_address), "heading-missing", "Địa chỉ", 1),
    "an unknown heading": ("bang-ke.xlsx", lambda: a_sheet([a_row()], change=with_a_strange_column), "heading-unknown", "Màu sắc", 1),
    "headings and nothing below": ("bang-ke.xlsx", lambda: a_sheet([]), "no-rows", "file", None),
    "two lists in one file": ("bang-ke.xlsx", lambda: a_sheet([a_row()], change=two_lists), "several-sheets", "file", None),
    "invalid UTF-8": ("bang-ke.csv", lambda: a_csv([a_row(1), a_row(2)]).replace("Mẫu".encode(), b"M\xffu", 1), "invalid-utf-8", "file", 2),
    "an open quotation mark": ("bang-ke.csv", lambda: a_csv([a_row()]) + b'\r\n"open', "broken-csv", "file", None),
}  # fmt: skip


def a_plain_sheet(rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_used_is_refused_with_a_reason_and_leaves_no_trace(house_on_sqlite, case):
    house = house_on_sqlite
    name, make, code, field, row = FILES[case]
    caller, before = house.dispatcher, house.counts()
    with pytest.raises(Invalid) as refusal:
        intake.import_sheet(house.desk, caller, filename=name, content=make(), at=NOW)
    (error,) = refusal.value.errors
    assert (error.code, error.field, error.row) == (code, field, row)
    assert house.counts() == before


def test_invalid_utf8_names_row_and_byte(house_on_sqlite):
    content = a_csv([a_row(1), a_row(2)]).replace("Mẫu".encode(), b"M\xffu", 1)
    with pytest.raises(Invalid) as refusal:
        intake.import_sheet(house_on_sqlite.desk, house_on_sqlite.dispatcher, filename="x.csv", content=content, at=NOW)
    assert f"Dòng 2, byte thứ {content.index(0xFF) + 1} (0xFF)" in refusal.value.errors[0].message


def test_a_damaged_workbook_is_refused_and_never_crashes():
    """Random bytes overwritten, truncated or moved; whatever comes out is rows or a refusal."""
    chance = random.Random(3)
    whole = a_sheet([a_row(1), a_row(2)])
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        try:
            spreadsheet.read("x.xlsx", bytes(content))
        except Invalid:
            refused += 1
    assert refused > 200


def test_a_formula_gives_its_last_result_and_one_without_a_result_is_a_fault(house_on_sqlite):
    """openpyxl saves formulas without results, as exporting programs do; Excel adds `<v>`, which is put in here by hand."""
    house = house_on_sqlite
    content = a_sheet([a_row(1, postage="=10000*3"), a_row(2, state_fee="=1+1"), a_row(3)])
    content = repacked(
        content, sheet1=lambda data: re.sub(rb"<f>10000\*3</f><v ?/?>(</v>)?", b"<f>10000*3</f><v>30000</v>", data)
    )
    result = intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=content, at=NOW)
    assert outcomes(result) == [(2, "accepted"), (3, "rejected"), (4, "accepted")]
    assert [(error.field, error.code) for error in result.rows[1].errors] == [("Phí, lệ phí", "formula-without-value")]
    assert house.ledger()["receivable"] == 165_000 + 165_000


def test_a_formula_that_failed_is_a_fault(house_on_sqlite):
    house = house_on_sqlite
    content = a_sheet([a_row(1, note="#REF!"), a_row(2)])
    result = intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=content, at=NOW)
    assert outcomes(result) == [(2, "rejected"), (3, "accepted")]
    assert [(error.field, error.code) for error in result.rows[0].errors] == [("Ghi chú", "formula-error")]
    assert "N2" in result.rows[0].errors[0].message


def test_merged_cells_reject_the_rows_they_cover_because_nobody_knows_whose_value_it_is(house_on_sqlite):
    house = house_on_sqlite

    def merge(sheet):
        column = sheet.cell(1, list(VI).index("fine") + 1).column_letter
        sheet[f"{column}2"] = 750_000
        sheet.merge_cells(f"{column}2:{column}3")

    content = a_sheet([a_row(1), a_row(2), a_row(3)], change=merge)
    result = intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=content, at=NOW)
    assert outcomes(result) == [(2, "rejected"), (3, "rejected"), (4, "accepted")]
    assert {(error.field, error.code) for row in result.rows[:2] for error in row.errors} == {
        ("Tiền phạt", "merged-cell")
    }
    assert house.ledger()["receivable"] == 165_000


def test_something_written_where_no_heading_stands_is_a_fault_of_its_row(house_on_sqlite):
    house = house_on_sqlite
    content = a_sheet([a_row(1), a_row(2)], change=lambda sheet: sheet.cell(2, 17, "2 bản"))
    result = intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=content, at=NOW)
    assert outcomes(result) == [(2, "rejected"), (3, "accepted")]
    assert [(error.field, error.code) for error in result.rows[0].errors] == [("cột", "no-heading")]
    assert "Q2" in result.rows[0].errors[0].message


def test_more_rows_than_a_bag_can_hold_are_refused(house_on_sqlite, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 3)
    house = house_on_sqlite
    caller, before = house.dispatcher, house.counts()
    for attempt in (
        lambda: bring(house, [a_row(number) for number in range(5)]),
        lambda: intake.import_rows(house.desk, caller, rows=[a_row(number) for number in range(5)], at=NOW),
        lambda: intake.import_rows(house.desk, caller, rows=[], at=NOW),
    ):
        with pytest.raises(Invalid):
            attempt()
    assert house.counts() == before


# ------------------------------------------------------------------------------------------------ whole or not at all
def test_a_bag_is_stored_whole_or_not_at_all(house):
    """The process dies at the very last statement of the transaction."""
    assert house.dispatcher
    before = house.counts()

    class Died(BaseException):
        pass

    def die(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO import_row"):
            raise Died

    event.listen(house.desk.database.engine, "before_cursor_execute", die)
    try:
        with pytest.raises(Died):
            bring(house, [a_row(number) for number in range(20)])
    finally:
        event.remove(house.desk.database.engine, "before_cursor_execute", die)
    assert house.counts() == before
    assert bring(house, [a_row(number) for number in range(20)]).accepted == 20


def test_two_desks_that_bring_the_same_bag_at_once_make_one_item_of_each(house):
    rows = [a_row(number) for number in range(40)]
    caller = house.dispatcher
    with ThreadPoolExecutor(4) as desks:
        results = list(desks.map(lambda _: bring(house, rows, caller=caller), range(4)))
    assert sorted(result.accepted for result in results) == [0, 0, 0, 40]
    assert sorted(result.duplicates for result in results) == [0, 40, 40, 40]
    assert house.ledger()["receivable"] == 40 * 165_000


def test_a_list_of_any_length_takes_the_same_few_statements_per_five_hundred_rows(house_on_sqlite):
    house = house_on_sqlite
    caller = house.dispatcher
    counted = []
    event.listen(house.desk.database.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    bring(house, [a_row(number) for number in range(5)], caller=caller)
    few, _ = len(counted), counted.clear()
    bring(house, [a_row(number) for number in range(100, 550)], caller=caller)
    assert len(counted) <= few + 4


# ------------------------------------------------------------------------------------------------ looking back
def test_an_import_is_seen_by_its_office_its_agency_and_the_admin(house):
    agency = house.caller(Role.AGENCY, agency="PC08")
    of_office, of_agency = bring(house, [a_row(1)]), bring(house, [a_row(2)], caller=agency)
    seen = {
        "dispatcher": {i.id for i in intake.list_imports(house.desk, house.dispatcher)},
        "clerk": {i.id for i in intake.list_imports(house.desk, house.caller(Role.CLERK, office="U-MINH"))},
        "other office": {
            i.id for i in intake.list_imports(house.desk, house.caller(Role.DISPATCHER, office="DAM-DOI"))
        },
        "agency": {i.id for i in intake.list_imports(house.desk, agency)},
        "other agency": {i.id for i in intake.list_imports(house.desk, house.caller(Role.AGENCY, agency="PC06"))},
        "admin": {i.id for i in intake.list_imports(house.desk, house.caller(Role.ADMIN))},
    }
    assert seen == {
        "dispatcher": {of_office.id},
        "clerk": {of_office.id},
        "other office": set(),
        "agency": {of_agency.id},
        "other agency": set(),
        "admin": {of_office.id, of_agency.id},
    }
    assert intake.get_import(house.desk, house.dispatcher, of_office.id) == of_office
    with pytest.raises(Missing):
        intake.get_import(house.desk, house.dispatcher, of_agency.id)


def test_imports_are_listed_newest_first_page_by_page(house):
    made = [bring(house, [a_row(number)]).id for number in range(5)]
    first = intake.list_imports(house.desk, house.dispatcher, limit=2)
    rest = intake.list_imports(house.desk, house.dispatcher, limit=9, after=first[-1].id)
    assert [one.id for one in (*first, *rest)] == made[::-1]


# ------------------------------------------------------------------------------------------------ settling addresses
def settle(house, item, *, caller=None, version=1, **place):
    return intake.resolve_address(
        house.desk, caller or house.dispatcher, item.id, version=version, at=NOW, **({"commune_code": "32044"} | place)
    )


def test_a_person_settles_a_doubtful_address_and_is_named(house):
    bring(house, [a_row(1, address=SPLIT)])
    item = house.items()["BUUTA-000001"]
    assert settle(house, item, hamlet="Ấp 14", lat=9.4, lon=104.97) == (item.id,)
    item = house.items()["BUUTA-000001"]
    assert (item.commune_code, item.hamlet, item.lat, item.lon, item.precision) == (
        "32044",
        "Ấp 14",
        9.4,
        104.97,
        "pin",
    )
    assert (item.candidates, item.version, item.address_raw) == ([], 2, SPLIT)
    with house.desk.database.read() as session:
        (note,) = session.scalars(select(AuditEntry).where(AuditEntry.thing == f"item:{item.id}"))
    assert (note.actor_id, note.act) == (house.dispatcher.id, "address settled")
    assert "Khánh" not in str(note.detail)


def test_without_a_pin_the_point_of_the_commune_stands_in(house):
    bring(house, [a_row(1, address=SPLIT)])
    settle(house, house.items()["BUUTA-000001"])
    item = house.items()["BUUTA-000001"]
    commune = house.desk.gazetteer.commune("32044")
    assert (item.lat, item.lon, item.precision) == (commune.lat, commune.lon, "commune")


def test_the_other_items_with_the_same_words_may_be_settled_at_once(house):
    bring(house, [a_row(1, address=SPLIT), a_row(2, address=SPLIT.upper()), a_row(3, address=HOPELESS), a_row(4)])
    items = house.items()
    settled = settle(house, items["BUUTA-000001"], same_address=True)
    assert set(settled) == {items["BUUTA-000001"].id, items["BUUTA-000002"].id}
    assert settled[0] == items["BUUTA-000001"].id
    assert {barcode for barcode, item in house.items().items() if item.precision == "unknown"} == {"BUUTA-000003"}


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({"commune_code": "99999"}, "unknown-commune"),
        ({"lat": 9.4}, "missing"),
        ({"lat": 21.03, "lon": 105.85}, "point-outside-commune"),
    ],
)
def test_a_place_that_cannot_be_is_refused(house_on_sqlite, place, code):
    house = house_on_sqlite
    bring(house, [a_row(1, address=SPLIT)])
    with pytest.raises(Invalid) as refusal:
        settle(house, house.items()["BUUTA-000001"], **place)
    assert [error.code for error in refusal.value.errors] == [code]
    assert house.items()["BUUTA-000001"].version == 1


def test_settling_loses_against_a_change_that_came_first_and_against_strangers(house):
    bring(house, [a_row(1, address=SPLIT)])
    item = house.items()["BUUTA-000001"]
    settle(house, item)
    with pytest.raises(Stale):
        settle(house, item, version=1)
    with pytest.raises(Missing):
        settle(house, item, version=2, caller=house.caller(Role.DISPATCHER, office="DAM-DOI"))
    for role in (Role.POSTMAN, Role.CASHIER):
        with pytest.raises(Forbidden):
            settle(house, item, version=2, caller=house.caller(role, office="U-MINH"))


def test_an_item_whose_life_has_ended_keeps_its_address(house):
    bring(house, [a_row(1, address=SPLIT)])
    item = house.items()["BUUTA-000001"]
    with house.desk.database.write() as session:
        item_books.record_intent(
            session, EventType.CANCELLED, [item.id], caller=house.dispatcher, at=NOW, bylaws=house.desk.facts.bylaws
        )
    with pytest.raises(Refused) as refusal:
        settle(house, item, version=2)
    assert refusal.value.code == "already-final"


# ------------------------------------------------------------------------------------------------ the empty form
def test_the_form_has_the_headings_of_the_contract_and_its_example_is_accepted(house_on_sqlite):
    house = house_on_sqlite
    content = intake.template()
    book = load_workbook(io.BytesIO(content))
    written = [cell.value for cell in next(book.worksheets[0].iter_rows(max_row=1))]
    assert written == [
        "Mã bưu gửi*", "Mã hồ sơ*", "Cơ quan*", "Loại giấy tờ*", "Họ tên*", "Số điện thoại", "Số CCCD", "Địa chỉ*",
        "Phí, lệ phí", "Tiền phạt", "Cước", "Hạn phát", "Giờ hẹn", "Ghi chú",
    ]  # fmt: skip
    result = intake.import_sheet(house.desk, house.dispatcher, filename="form.xlsx", content=content, at=NOW)
    assert outcomes(result) == [(2, "accepted")]


def test_the_25_cases_of_the_doorstep_come_in_as_each_of_them_says(house):
    """What is paid beforehand or by somebody else is no amount to collect; `due_dong` of a case is the oracle for its ledger."""
    cases = json.loads((ROOT / "tests" / "data" / "samples.json").read_text(encoding="utf-8"))["items"]
    rows = []
    for case in cases:
        due = {
            charge["kind"]: charge["amount_dong"]
            for charge in case["charges"]
            if charge["payer"] == "recipient" and "prepaid" not in charge["methods"]
        }
        rows.append(
            {
                "barcode": case["barcode"],
                "dossier_code": case["dossier_code"],
                "agency": case["agency"],
                "document_type": case["document_type"],
                "name": case["recipient"]["full_name"],
                "phone": case["recipient"].get("phone"),
                "id_number": case["recipient"].get("id_number"),
                "address": case["address"]["raw"],
                "deliver_by": date.fromisoformat(case["deliver_by"]),
                **due,
            }
        )
    result = bring(house, rows, caller=house.caller(Role.ADMIN), at=datetime(2026, 11, 22, 1, tzinfo=UTC))
    items = house.items()
    for case, row in zip(cases, result.rows, strict=True):
        if case["expected"] == "rejected_at_import:document_type_closed":
            assert (row.outcome, [error.code for error in row.errors]) == ("rejected", ["closed-document-type"]), case[
                "case"
            ]
            assert case["barcode"] not in items
            continue
        assert items[case["barcode"]].subject == ("minor" if "minor" in case["scenario"] else "adult"), case["case"]
        asked = case["address"]["resolves"] == "asked"
        item = items[case["barcode"]]
        assert row.outcome == ("doubtful" if asked else "accepted"), case["case"]
        assert item.commune_code == (None if asked else case["address"]["commune"]), case["case"]
        with house.desk.database.read() as session:
            assert ledger.balance(session, f"receivable:{item.id}") == case["due_dong"], case["case"]
    assert (result.rejected, result.duplicates) == (1, 0)


def test_a_batch_remembers_what_was_sent(house):
    result = bring(house, [a_row(1)])
    with house.desk.database.read() as session:
        batch = session.get_one(ImportBatch, result.id)
        office = session.get_one(Office, batch.office_id)
    assert (batch.filename, batch.at, office.code) == ("bang-ke.xlsx", NOW, "U-MINH")
    assert re.fullmatch("[0-9a-f]{64}", batch.sha256)
    assert isinstance(batch.at, datetime)
    assert house.count(Item) == 1


# ------------------------------------------------------------------------------------------------ remembered doors
def test_a_door_that_was_found_before_takes_the_place_of_the_communes_point(house):
    bring(house, [a_row(1), a_row(2)])
    first, second = house.items()["BUUTA-000001"], house.items()["BUUTA-000002"]
    assert intake.remember_doors(house.desk, house.dispatcher, {first.id: (9.26, 105.02)}, at=NOW) == (first.id,)
    found = house.items()["BUUTA-000001"]
    assert (found.lat, found.lon, found.precision, found.commune_code, found.version) == (
        9.26,
        105.02,
        "handover",
        "32059",
        2,
    )
    assert house.items()["BUUTA-000002"].precision == second.precision == "commune"


def test_no_door_is_remembered_for_an_unclear_address_outside_the_commune_or_by_strangers(house):
    bring(house, [a_row(1, address=SPLIT), a_row(2)])
    doubtful, clear = house.items()["BUUTA-000001"], house.items()["BUUTA-000002"]
    with pytest.raises(Refused):
        intake.remember_doors(house.desk, house.dispatcher, {doubtful.id: (9.26, 105.02)}, at=NOW)
    with pytest.raises(Invalid):
        intake.remember_doors(house.desk, house.dispatcher, {clear.id: (21.03, 105.85)}, at=NOW)
    with pytest.raises(Missing):
        intake.remember_doors(
            house.desk, house.caller(Role.DISPATCHER, office="DAM-DOI"), {clear.id: (9.26, 105.02)}, at=NOW
        )
    with pytest.raises(Forbidden):
        intake.remember_doors(
            house.desk, house.caller(Role.POSTMAN, office="U-MINH"), {clear.id: (9.26, 105.02)}, at=NOW
        )
    assert {item.version for item in house.items().values()} == {1}
