"""One row of a bag list: what is read, what is refused, all faults at once."""

import re
from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courier.domain.bag_list import HEADINGS, Unreadable, Vocabulary, cells_of, columns_of, key_of, read_row
from courier.domain.errors import Invalid
from courier.domain.money import MOST_DONG, ChargeKind

TODAY = date(2026, 11, 23)
WORDS = Vocabulary(
    day=TODAY,
    barcode_patterns=(re.compile(r"[A-Z0-9-]{5,30}"),),
    document_types={key_of("GPLX"): "giay_phep_lai_xe", key_of("Giấy phép lái xe"): "giay_phep_lai_xe"},
    closed_types={key_of("CMND"): "không còn được cấp."},
    agencies={key_of("PC08"): "PC08", key_of("Phòng Cảnh sát giao thông"): "PC08"},
    visits=(6 * 3600, 20 * 3600),
    parts_of_day={"sang": (27_000, 41_400), "chieu": (46_800, 61_200)},
)
GOOD = {
    "barcode": "BUUTA-000001",
    "dossier_code": "H12.11-261111-0001",
    "agency": "PC08",
    "document_type": "GPLX",
    "name": "Nguyễn Văn Mẫu",
    "address": "Ấp 11, xã Khánh An",
}


def excel(*day):
    """A date as a spreadsheet gives it: midnight without a zone."""
    return datetime.combine(date(*day), time())


def read(**changes):
    return read_row(7, GOOD | changes, WORDS)


def fault(**changes):
    """The only fault of an otherwise good row, as (field, code)."""
    faults = read(**changes).faults
    assert len(faults) == 1, faults
    assert faults[0].row == 7
    return faults[0].field, faults[0].code


def amount(cell):
    dues = read(state_fee=cell).entry.dues
    return dues[0].amount_dong if dues else None


def test_a_good_row_becomes_an_entry():
    entry = read(
        phone="0599000001", id_number="096088000001", fine=5_000_000, deliver_by="30/11/2026", appointment="sáng"
    ).entry
    assert (entry.agency, entry.document_type, entry.phone) == ("PC08", "giay_phep_lai_xe", "0599000001")
    assert [(due.kind, due.amount_dong) for due in entry.dues] == [(ChargeKind.FINE, 5_000_000)]
    assert (entry.deliver_by, entry.window) == (date(2026, 11, 30), (27_000, 41_400))
    assert entry.dossier == ("PC08", "H12112611110001")


def test_an_entry_never_shows_its_id_number():
    assert "096088000001" not in repr(read(id_number="096088000001"))


@pytest.mark.parametrize(
    ("cell", "dong"),
    [
        (135_000, 135_000),
        (135_000.0, 135_000),
        ("135000", 135_000),
        ("135.000", 135_000),
        ("135,000 đ", 135_000),
        ("135 000", 135_000),
        ("1.135.000 đồng", 1_135_000),
        ("135.000VNĐ", 135_000),
        ("0", None),
        (0, None),
        ("", None),
        (None, None),
        (MOST_DONG, MOST_DONG),
    ],
    ids=repr,
)
def test_an_amount_is_read_in_the_forms_people_write(cell, dong):
    assert amount(cell) == dong


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("-135.000", "negative-amount"),
        (-1, "negative-amount"),
        ("(135.000)", "negative-amount"),
        (0.5, "fraction-of-a-dong"),
        ("1,5", "fraction-of-a-dong"),
        ("135.000,5", "fraction-of-a-dong"),
        ("1.35", "fraction-of-a-dong"),
        ("12.34.567", "fraction-of-a-dong"),
        ("một trăm", "not-an-amount"),
        ("135k", "not-an-amount"),
        ("1e5", "not-an-amount"),
        ("１３５", "not-an-amount"),
        (True, "not-an-amount"),
        (float("nan"), "not-an-amount"),
        (float("inf"), "not-an-amount"),
        (excel(2026, 11, 23), "not-an-amount"),
        ([1], "not-an-amount"),
        (MOST_DONG + 1, "amount-too-large"),
        ("9" * 100, "amount-too-large"),
    ],
    ids=repr,
)
def test_what_is_no_amount_in_whole_dong_is_refused(cell, code):
    assert fault(state_fee=cell) == ("Phí, lệ phí", code)


@given(
    dong=st.integers(1, MOST_DONG),
    divider=st.sampled_from([".", ",", " "]),
    unit=st.sampled_from(["", " đ", " đồng", "đ", " VND"]),
)
def test_an_amount_with_its_thousands_divided_is_the_same_amount(dong, divider, unit):
    assert amount(f"{dong:,}".replace(",", divider) + unit) == dong


@pytest.mark.parametrize(
    "cell",
    [
        excel(2026, 11, 30),
        date(2026, 11, 30),
        "30/11/2026",
        "30-11-2026",
        "30.11.2026",
        "2026-11-30",
        " 30/11/2026 ",
    ],
    ids=repr,
)
def test_a_deadline_is_read_in_the_forms_people_write(cell):
    assert read(deliver_by=cell).entry.deliver_by == date(2026, 11, 30)


def test_today_is_not_past():
    assert read(deliver_by="23/11/2026").entry.deliver_by == TODAY


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("22/11/2026", "past-date"),
        (excel(2025, 1, 1), "past-date"),
        ("31/02/2027", "not-a-date"),
        ("11/30/2026", "not-a-date"),
        ("30/11/26", "not-a-date"),
        ("mai", "not-a-date"),
        (46_349, "not-a-date"),
        (time(7, 30), "not-a-date"),
    ],
    ids=repr,
)
def test_a_deadline_that_is_past_or_no_day_is_refused(cell, code):
    assert fault(deliver_by=cell) == ("Hạn phát", code)


@pytest.mark.parametrize(
    ("cell", "window"),
    [
        ("7:30-11:30", (27_000, 41_400)),
        ("7h30 - 11h30", (27_000, 41_400)),
        ("07:30–11:30", (27_000, 41_400)),
        ("từ 7h đến 11h", (25_200, 39_600)),
        ("7-11h", (25_200, 39_600)),
        ("Sáng", (27_000, 41_400)),
        ("CHIỀU", (46_800, 61_200)),
        ("sau 17h", (61_200, 72_000)),
        ("sau 17 giờ", (61_200, 72_000)),
        ("trước 9h30", (21_600, 34_200)),
        (None, None),
    ],
    ids=repr,
)
def test_an_appointment_becomes_a_window(cell, window):
    assert read(appointment=cell).entry.window == window


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("17h", "not-a-window"),
        ("khi nào rảnh", "not-a-window"),
        ("7:75-11:30", "not-a-window"),
        (time(17, 0), "not-a-window"),
        (7, "not-a-window"),
        ("11:30-7:30", "window-out-of-hours"),
        ("7:30-7:30", "window-out-of-hours"),
        ("1:30-4:30", "window-out-of-hours"),  # surely meant in the afternoon, but nobody wrote that
        ("sau 22h", "window-out-of-hours"),
    ],
    ids=repr,
)
def test_an_appointment_that_says_no_window_is_refused(cell, code):
    assert fault(appointment=cell) == ("Giờ hẹn", code)


def test_leading_zeros_that_a_number_column_lost_are_put_back_and_only_there():
    entry = read(phone=599000001, id_number=96088000001).entry
    assert (entry.phone, entry.id_number) == ("0599000001", "096088000001")
    assert fault(id_number="96088000001") == ("Số CCCD", "id-number-form")


def test_a_nine_digit_id_number_in_a_number_column_is_the_old_one():
    assert read(id_number=381234567).entry.id_number == "381234567"


def test_an_id_number_is_masked_in_its_own_fault():
    (only,) = read(id_number="0960880000019").faults
    assert "0960880000019" not in only.message
    assert "0019" in only.message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"document_type": "Giấy lạ"}, ("Loại giấy tờ", "unknown-document-type")),
        ({"document_type": "cmnd"}, ("Loại giấy tờ", "closed-document-type")),
        ({"agency": "XYZ"}, ("Cơ quan", "unknown-agency")),
        ({"name": "12345"}, ("Họ tên", "not-a-name")),
        ({"name": "Nguyễn\x00Mẫu"}, ("Họ tên", "not-text")),
        ({"name": "Nguyễn\ud800"}, ("Họ tên", "not-text")),
        ({"name": True}, ("Họ tên", "not-text")),
        ({"name": "a" * 121}, ("Họ tên", "too-long")),
        ({"address": "x" * 301}, ("Địa chỉ", "too-long")),
        ({"dossier_code": "1" * 51}, ("Mã hồ sơ", "too-long")),
        ({"dossier_code": "--"}, ("Mã hồ sơ", "not-a-code")),
        ({"dossier_code": excel(2026, 3, 1)}, ("Mã hồ sơ", "not-text")),
        ({"phone": "12"}, ("Số điện thoại", "phone-form")),
        ({"note": Unreadable("merged-cell", "Ô N7 bị gộp")}, ("Ghi chú", "merged-cell")),
    ],
    ids=repr,
)
def test_a_fault_names_its_field(changes, expected):
    assert fault(**changes) == expected


@pytest.mark.parametrize("key", [heading.key for heading in HEADINGS if heading.required])
@pytest.mark.parametrize("empty", [None, "", "   "], ids=repr)
def test_what_is_required_must_be_filled(key, empty):
    assert fault(**{key: empty})[1] == "missing"


def test_a_name_is_kept_in_one_composed_form_with_single_spaces():
    assert read(name="  Nguyễn   Văn\tMẫu ").entry.name == "Nguyễn Văn Mẫu"


def test_all_faults_of_a_row_are_told_at_once():
    faults = read(phone="12", fine="-5", deliver_by="1/1/2020", agency=None).faults
    assert [one.code for one in faults] == ["missing", "phone-form", "past-date", "negative-amount"]
    assert read(phone="12", agency=None).entry is None


def test_a_row_with_a_fault_elsewhere_still_says_which_item_it_is_about():
    reading = read(fine="x")
    assert (reading.barcode, reading.dossier) == ("BUUTA-000001", ("PC08", "H12112611110001"))


def test_json_may_use_the_headings_or_the_keys_and_hears_its_own_words_back():
    cells, called = cells_of({"barcode": "B", "SỐ điện thoại": "12"})
    assert cells == {"barcode": "B", "phone": "12"}
    faults = read_row(1, GOOD | cells, WORDS, called=called).faults
    assert [(one.field, one.code) for one in faults] == [("barcode", "barcode-form"), ("SỐ điện thoại", "phone-form")]


def test_a_json_field_nobody_knows_or_that_comes_twice_is_a_fault():
    cells, called = cells_of(GOOD | {"colour": "red", "Họ tên": "Khác"})
    faults = read_row(1, cells, WORDS, called=called).faults
    assert [(one.field, one.code) for one in faults] == [("colour", "unknown-field"), ("name", "field-twice")]


# ------------------------------------------------------------------------------------------------ headings
def test_headings_are_known_in_any_order_case_and_without_marks_or_spaces():
    row = [
        "GHI CHU",
        " mã  BƯU gửi*",
        "Ma ho so",
        "co quan",
        "Loại giấy tờ",
        "hoten",
        "dia chi",
        "STT",
        None,
        "Phí lệ phí",
    ]
    columns = columns_of(1, row)
    assert columns == {
        0: "note",
        1: "barcode",
        2: "dossier_code",
        3: "agency",
        4: "document_type",
        5: "name",
        6: "address",
        9: "state_fee",
    }


def test_wrong_headings_are_all_named_with_their_place():
    row = [heading.vi for heading in HEADINGS if heading.key != "address"] + ["Địa chi nhà", "Cước"]
    with pytest.raises(Invalid) as refusal:
        columns_of(3, row)
    told = [(one.field, one.code, one.row) for one in refusal.value.errors]
    assert told == [
        ("Địa chi nhà", "heading-unknown", 3),
        ("Cước", "heading-twice", 3),
        ("Địa chỉ", "heading-missing", 3),
    ]
    assert "cột N" in refusal.value.errors[0].message
