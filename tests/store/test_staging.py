"""A bag list on trial: verdicts before there are items, headings of others, corrections, the commit, and taking it back."""

import io

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import select

from courier import intake
from courier.domain.errors import Invalid, Missing, Refused, Stale
from courier.domain.item import EventType
from courier.domain.people import Role
from courier.intake import staging
from courier.store import items as item_books
from courier.store.tables import Item, KnownHeadings, StagedList, StagedRow
from tests.faults.sheets import TCVN3_LIST, VISCII_LIST, VNI_LIST, in_1258
from tests.intake_office import NOW, VI, a_csv, a_row, a_sheet, open_house

HOPELESS = "gần cây cầu"
THEIRS = {
    "barcode": "Số hiệu",
    "dossier_code": "Mã HS",
    "agency": "Đơn vị",
    "document_type": "Loại giấy",
    "name": "Người nhận",
    "phone": "SĐT",
    "address": "Nơi nhận",
    "note": "Linh tinh",
}


@pytest.fixture
def house(database, tmp_path):
    return open_house(database, tmp_path)


@pytest.fixture
def house_on_sqlite(sqlite_database, tmp_path):
    return open_house(sqlite_database, tmp_path)


def stage(house, rows, *, caller=None, content=None, name="bang-ke.xlsx"):
    return intake.stage_sheet(
        house.desk, caller or house.dispatcher, filename=name, content=content or a_sheet(rows), at=NOW
    )


def trial(house, list_id, caller=None):
    return intake.get_trial(house.desk, caller or house.dispatcher, list_id)


def rows(house, list_id, **which):
    return intake.trial_rows(house.desk, house.dispatcher, list_id, **which)


def commit(house, list_id):
    version = trial(house, list_id).version
    return intake.commit(house.desk, house.dispatcher, list_id, version=version, at=NOW)


def their_sheet(number=1):
    """A list as another program writes it, with one column that says nothing to us."""
    lines = [a_row(one, note="x") for one in range(1, number + 1)]
    text = ";".join(THEIRS.values()) + "\r\n"
    return (text + "\r\n".join(";".join(str(row[key]) for key in THEIRS) for row in lines)).encode()


# ------------------------------------------------------------------------------------------------ the dry run
def test_a_trial_gives_every_row_its_verdict_and_makes_nothing(house):
    before = house.counts()
    list_id = stage(house, [a_row(1), a_row(1), a_row(2, address=HOPELESS), a_row(3, phone="12")])
    found = trial(house, list_id)
    assert (found.state, found.size) == ("checked", 4)
    assert (found.accepted, found.duplicates, found.doubtful, found.rejected) == (1, 1, 1, 1)
    assert [(one.row, one.outcome) for one in rows(house, list_id)] == [
        (2, "accepted"),
        (3, "duplicate"),
        (4, "doubtful"),
        (5, "rejected"),
    ]
    assert [error.code for error in rows(house, list_id)[3].errors] == ["phone-form"]
    after = house.counts()
    changed = {table for table in after if after[table] != before[table]}
    assert changed <= {"staged_list", "staged_row", "staff"}


def test_the_cells_of_a_trial_are_sealed(house):
    list_id = stage(house, [a_row(1)])
    with house.desk.database.read() as session:
        (sealed,) = session.scalars(select(StagedRow.cells).where(StagedRow.list_id == list_id))
    assert b"096088000001" not in sealed
    assert "Nguyễn".encode() not in sealed
    assert rows(house, list_id)[0].cells["id_number"] == "096088000001"


def test_a_trial_and_the_import_at_once_come_to_the_same(house):
    content = [a_row(1), a_row(2, barcode="BUUTA-000001"), a_row(3, address=HOPELESS), a_row(4, state_fee="-1")]
    list_id = stage(house, content)
    said = [(one.row, one.outcome, [error.code for error in one.errors]) for one in rows(house, list_id)]
    at_once = intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=a_sheet(content), at=NOW)
    assert [(one.row, one.outcome, [error.code for error in one.errors]) for one in at_once.rows] == said


def test_what_is_taken_in_becomes_items_and_its_cells_are_forgotten(house):
    list_id = stage(house, [a_row(1), a_row(2, address=HOPELESS), a_row(3, phone="12")])
    batch_id = commit(house, list_id)
    result = intake.get_import(house.desk, house.dispatcher, batch_id)
    assert [(row.row, row.outcome) for row in result.rows] == [(2, "accepted"), (3, "doubtful"), (4, "rejected")]
    assert set(house.items()) == {"BUUTA-000001", "BUUTA-000002"}
    assert [one.cells is None for one in rows(house, list_id)] == [True, True, False]
    assert (trial(house, list_id).state, trial(house, list_id).batch_id) == ("committed", batch_id)
    with pytest.raises(Refused) as refusal:
        commit(house, list_id)
    assert refusal.value.code == "already-taken-in"


def test_what_came_in_meanwhile_is_a_duplicate_at_the_commit(house):
    list_id = stage(house, [a_row(1), a_row(2)])
    intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=a_sheet([a_row(1)]), at=NOW)
    result = intake.get_import(house.desk, house.dispatcher, commit(house, list_id))
    assert [(row.row, row.outcome) for row in result.rows] == [(2, "duplicate"), (3, "accepted")]


def test_a_change_of_what_somebody_else_changed_is_refused(house):
    list_id = stage(house, [a_row(1), a_row(2, phone="12")])
    version = trial(house, list_id).version
    intake.correct_rows(house.desk, house.dispatcher, list_id, {3: {"phone": "0599000002"}}, version=version, at=NOW)
    for change in (
        lambda: intake.correct_rows(house.desk, house.dispatcher, list_id, {3: {"phone": ""}}, version=version, at=NOW),
        lambda: intake.commit(house.desk, house.dispatcher, list_id, version=version, at=NOW),
        lambda: intake.discard(house.desk, house.dispatcher, list_id, version=version),
    ):
        with pytest.raises(Stale):
            change()
    assert house.count(Item) == 0


def test_a_list_of_another_office_does_not_exist(house):
    list_id = stage(house, [a_row(1)])
    stranger = house.caller(Role.DISPATCHER, office="DAM-DOI")
    for look in (
        lambda: intake.get_trial(house.desk, stranger, list_id),
        lambda: intake.trial_rows(house.desk, stranger, list_id),
        lambda: intake.failed_rows(house.desk, stranger, list_id),
        lambda: intake.commit(house.desk, stranger, list_id, version=1, at=NOW),
        lambda: intake.discard(house.desk, stranger, list_id, version=1),
    ):
        with pytest.raises(Missing):
            look()
    assert intake.list_trials(house.desk, stranger) == []
    assert [one.id for one in intake.list_trials(house.desk, house.dispatcher)] == [list_id]


def test_a_list_that_nobody_takes_in_is_forgotten(house):
    list_id = stage(house, [a_row(1)])
    intake.discard(house.desk, house.dispatcher, list_id, version=1)
    old = stage(house, [a_row(1)])
    intake.stage_sheet(
        house.desk, house.dispatcher, filename="x.xlsx", content=a_sheet([a_row(2)]), at=NOW + staging.KEPT_FOR * 2
    )
    with house.desk.database.read() as session:
        kept = set(session.scalars(select(StagedList.id)))
    assert not {list_id, old} & kept
    assert (len(kept), house.count(StagedRow)) == (1, 1)


# ------------------------------------------------------------------------------------------------ headings of others
def test_headings_that_are_not_ours_are_asked_about_once_and_remembered(house):
    first = stage(house, [], content=their_sheet(), name="ho.csv")
    asked = trial(house, first)
    assert (asked.state, list(asked.headings.values())) == ("headings", list(THEIRS.values()))
    # What is often meant is offered, and what each column holds is shown.
    assert asked.columns == dict(enumerate(key for key in THEIRS if key != "note"))
    assert asked.sample[4] == ("Nguyễn Văn Mẫu",)
    with pytest.raises(Refused) as refusal:
        commit(house, first)
    assert refusal.value.code == "headings-unclear"

    meant = {**asked.columns, 7: intake.UNUSED}
    intake.name_columns(house.desk, house.dispatcher, first, meant, version=asked.version, at=NOW)
    assert (trial(house, first).state, trial(house, first).accepted) == ("checked", 1)
    second = trial(house, stage(house, [], content=their_sheet(3), name="ho.csv"))
    assert (second.state, second.accepted, second.columns) == ("checked", 3, meant)
    assert house.count(KnownHeadings) == 1


def test_another_office_is_asked_itself(house):
    first = stage(house, [], content=their_sheet(), name="ho.csv")
    meant = {**trial(house, first).columns, 7: intake.UNUSED}
    intake.name_columns(house.desk, house.dispatcher, first, meant, version=1, at=NOW)
    stranger = house.caller(Role.DISPATCHER, office="DAM-DOI")
    theirs = stage(house, [], content=their_sheet(), name="ho.csv", caller=stranger)
    assert trial(house, theirs, stranger).state == "headings"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({1: "barcode"}, ("barcode", "heading-twice")),
        ({0: ""}, ("barcode", "heading-missing")),
        ({7: "colour"}, ("column-7", "unknown-column")),
        ({99: "note"}, ("column-99", "unknown-column")),
    ],
)
def test_a_meaning_that_cannot_be_is_refused(house_on_sqlite, change, fault):
    house = house_on_sqlite
    list_id = stage(house, [], content=their_sheet(), name="ho.csv")
    meant = {**trial(house, list_id).columns, **change}
    with pytest.raises(Invalid) as refusal:
        intake.name_columns(house.desk, house.dispatcher, list_id, meant, version=1, at=NOW)
    assert fault in {(error.field, error.code) for error in refusal.value.errors}
    assert trial(house, list_id).state == "headings"


# ------------------------------------------------------------------------------------------------ mistakes
def test_a_row_is_corrected_in_place_and_the_others_are_looked_at_again(house):
    """The second row repeated the first; when the first gets its own barcode, the second is good as well."""
    list_id = stage(house, [a_row(1), a_row(2, barcode="BUUTA-000001"), a_row(3, deliver_by="32/13/2026")])
    changed = {2: {"barcode": "BUUTA-000009"}, 4: {"deliver_by": "30/11/2026"}}
    intake.correct_rows(house.desk, house.dispatcher, list_id, changed, version=1, at=NOW)
    assert [one.outcome for one in rows(house, list_id)] == ["accepted"] * 3
    commit(house, list_id)
    assert set(house.items()) == {"BUUTA-000001", "BUUTA-000003", "BUUTA-000009"}


def test_only_what_is_there_can_be_corrected(house_on_sqlite):
    house = house_on_sqlite
    list_id = stage(house, [a_row(1)])
    with pytest.raises(Invalid) as refusal:
        intake.correct_rows(
            house.desk, house.dispatcher, list_id, {2: {"colour": "x"}, 7: {"name": "y"}}, version=1, at=NOW
        )
    assert {(error.row, error.code) for error in refusal.value.errors} == {(2, "unknown-field"), (7, "unknown-row")}


def test_the_failed_rows_go_out_with_their_reasons_and_come_back_corrected(house):
    content = a_csv([a_row(1), a_row(2, phone="12", note="=HYPERLINK(1)"), a_row(3, state_fee="nhiều")])
    list_id = stage(house, [], content=content, name="bang-ke.csv")
    book = load_workbook(io.BytesIO(intake.failed_rows(house.desk, house.dispatcher, list_id)))
    sheet = book.active
    headings = [cell.value for cell in sheet[1]]
    assert headings == ["Dòng gốc", "Lý do", *VI.values()]
    assert [sheet.cell(line, 1).value for line in (2, 3)] == [3, 4]
    assert "Số điện thoại" in sheet.cell(2, 2).value
    assert all(cell.data_type != "f" for line in sheet.iter_rows() for cell in line)
    assert sheet.cell(2, headings.index("Ghi chú") + 1).value == "=HYPERLINK(1)"

    sheet.cell(2, headings.index("Số điện thoại") + 1, "0599000002")
    sheet.cell(3, headings.index("Phí, lệ phí") + 1, 135_000)
    out = io.BytesIO()
    book.save(out)
    came = intake.send_again(
        house.desk, house.dispatcher, list_id, filename="loi.xlsx", content=out.getvalue(), version=1, at=NOW
    )
    assert came == 2
    found = rows(house, list_id)
    assert [(one.outcome, one.errors) for one in found] == [("accepted", ())] * 3
    assert (found[1].cells["phone"], found[1].cells["note"]) == ("0599000002", "=HYPERLINK(1)")


def test_a_file_that_is_not_of_this_list_changes_nothing(house_on_sqlite):
    house = house_on_sqlite
    list_id = stage(house, [a_row(1), a_row(2, phone="12")])
    out = intake.failed_rows(house.desk, house.dispatcher, list_id)
    book = load_workbook(io.BytesIO(out))
    book.active.append([cell.value for cell in book.active[2]])
    book.active.append([2, *[cell.value for cell in book.active[2]][1:]])
    content = io.BytesIO()
    book.save(content)
    for sent, codes in ((content.getvalue(), ["row-twice", "unknown-row"]), (a_sheet([a_row(2)]), ["no-row-column"])):
        with pytest.raises(Invalid) as refusal:
            intake.send_again(house.desk, house.dispatcher, list_id, filename="x.xlsx", content=sent, version=1, at=NOW)
        assert [error.code for error in refusal.value.errors] == codes
    assert trial(house, list_id).version == 1


# ------------------------------------------------------------------------------------------------ large lists
def test_a_large_list_is_looked_at_by_a_job_that_says_how_far_it_is(house, monkeypatch):
    monkeypatch.setattr(staging, "MOST_AT_ONCE", 2)
    monkeypatch.setattr("courier.intake.places.TELL_EVERY", 2)
    told = []
    noted = staging.staging.note_progress
    monkeypatch.setattr(
        staging.staging, "note_progress", lambda session, one, done: (told.append(done), noted(session, one, done))
    )
    house.desk.jobs.migrate()
    list_id = stage(house, [a_row(number) for number in range(1, 6)])
    assert (trial(house, list_id).state, trial(house, list_id).done) == ("checking", 0)
    with pytest.raises(Refused) as refusal:
        commit(house, list_id)
    assert refusal.value.code == "list-busy"

    payload = {"list": str(list_id), "by": str(house.dispatcher.id)}
    run(house, staging.check_job, payload)
    assert told == [0, 2, 4]
    assert (trial(house, list_id).state, trial(house, list_id).done, trial(house, list_id).accepted) == (
        "checked",
        5,
        5,
    )
    assert commit(house, list_id) is None
    assert (trial(house, list_id).state, house.count(Item)) == ("committing", 0)
    run(house, staging.commit_job, payload)
    assert (trial(house, list_id).state, house.count(Item)) == ("committed", 5)
    run(house, staging.commit_job, payload)
    assert house.count(Item) == 5
    house.desk.jobs.stop()


def run(house, work, payload):
    effect = work(house.desk, payload, at=NOW)
    with house.desk.database.write() as session:
        effect(session)


def test_a_job_that_gave_up_says_so_and_the_list_can_be_looked_at_again(house_on_sqlite, monkeypatch):
    house = house_on_sqlite
    monkeypatch.setattr(staging, "MOST_AT_ONCE", 0)
    house.desk.jobs.migrate()
    list_id = stage(house, [a_row(1)])
    with house.desk.database.write() as session:
        staging.give_up(session, {"list": str(list_id)})
    failed = trial(house, list_id)
    assert (failed.state, bool(failed.error)) == ("failed", True)
    intake.correct_rows(house.desk, house.dispatcher, list_id, {}, version=failed.version, at=NOW)
    assert trial(house, list_id).state == "checking"
    house.desk.jobs.stop()


# ------------------------------------------------------------------------------------------------ taking it back
def test_a_whole_import_is_taken_back_and_the_same_list_may_come_again(house):
    content = [a_row(1), a_row(2, address=HOPELESS), a_row(3, phone="12")]
    batch_id = commit(house, stage(house, content))
    assert house.ledger()["receivable"] == 2 * 165_000
    undone = intake.undo_import(house.desk, house.dispatcher, batch_id, at=NOW)
    assert undone.undone_at == NOW
    assert {item.state for item in house.items().values()} == {"cancelled"}
    assert house.ledger()["receivable"] == 0
    with pytest.raises(Refused) as refusal:
        intake.undo_import(house.desk, house.dispatcher, batch_id, at=NOW)
    assert refusal.value.code == "already-undone"

    again = stage(house, content)
    assert (trial(house, again).accepted, trial(house, again).doubtful, trial(house, again).duplicates) == (1, 1, 0)
    commit(house, again)
    assert {"BUUTA-000001", "BUUTA-000002"} < set(house.items())
    assert house.ledger()["receivable"] == 2 * 165_000


def test_an_import_stays_once_something_has_happened_to_one_of_its_items(house):
    batch_id = commit(house, stage(house, [a_row(1), a_row(2)]))
    item = house.items()["BUUTA-000002"]
    with house.desk.database.write() as session:
        item_books.record_intent(
            session,
            EventType.PLANNED,
            [item.id],
            caller=house.dispatcher,
            at=NOW,
            bylaws=house.desk.facts.bylaws,
            data={},
        )
    with pytest.raises(Refused) as refusal:
        intake.undo_import(house.desk, house.dispatcher, batch_id, at=NOW)
    assert refusal.value.code == "items-touched"
    assert "BUUTA-000002" in refusal.value.sentence
    assert "BUUTA-000001" not in refusal.value.sentence
    assert {one.state for one in house.items().values()} == {"received", "planned"}


# ------------------------------------------------------------------------------------------------ letters
LETTERS = {
    "utf-16": (lambda: a_csv([a_row(1)], encoding="utf-16"), "utf-16"),
    "UTF-16 without its mark": (lambda: a_csv([a_row(1)], encoding="utf-16-le"), "utf-16"),
    "code page 1258": (lambda: in_1258(a_csv([a_row(1)]).decode()), "cp1258"),
    "TCVN3": (lambda: TCVN3_LIST % (b"BUUTA-000001", b"H12.1"), "tcvn3"),
    "VNI": (lambda: VNI_LIST % (b"BUUTA-000001", b"H12.1"), "vni"),
    "VISCII": (lambda: VISCII_LIST % (b"BUUTA-000001", b"H12.1"), "viscii"),
}


@pytest.mark.parametrize("letters", LETTERS)
def test_old_letters_are_read_and_it_is_said_what_was_assumed(house_on_sqlite, letters):
    house = house_on_sqlite
    make, assumed = LETTERS[letters]
    list_id = stage(house, [], content=make(), name="cu.csv")
    found = trial(house, list_id)
    assert (found.assumed, found.accepted) == ((assumed,), 1)
    cells = rows(house, list_id)[0].cells
    assert cells["name"].startswith("Nguyễn Văn M")
    # TCVN3 has no capitals with two marks: a font shows them.
    assert cells["address"].capitalize() == "Ấp 11, xã khánh an, huyện u minh, tỉnh cà mau"
    assert intake.get_import(house.desk, house.dispatcher, commit(house, list_id)).assumed == (assumed,)


@pytest.mark.parametrize(
    ("written", "latin", "font"),
    [(TCVN3_LIST, "latin-1", "tcvn3"), (VNI_LIST, "cp1252", "vni"), (VISCII_LIST, "latin-1", "viscii")],
)
def test_a_workbook_in_an_old_font_is_read(house_on_sqlite, written, latin, font):
    """Word processors keep the bytes of a .VnTime or VNI font as if they were Latin letters."""
    house = house_on_sqlite
    book = Workbook()
    for line in (written % (b"BUUTA-000001", b"H12.1")).decode(latin).split("\r\n"):
        book.active.append(line.split(";"))
    out = io.BytesIO()
    book.save(out)
    found = trial(house, stage(house, [], content=out.getvalue()))
    assert (found.assumed, found.accepted) == ((font,), 1)
