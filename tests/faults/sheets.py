"""Broken spreadsheets against the real server: a clear answer each, bounded memory and time, nothing half stored.

    python -m tests.faults.sheets --files 300 --seed 1

Every kind of damage is made with other numbers each time it comes round. Every other file is sent to the dry run, the rest to
the import at once; what a kind must be answered with stands beside it, and the database is asked what was really stored.
"""

import argparse
import http.client
import io
import json
import random
import sys
import tempfile
import time
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select

from courier.faults.server import Server
from courier.store.session import open_database
from courier.store.tables import ImportBatch, Item, StagedList, StagedRow
from tests.api.conftest import sign
from tests.intake_office import VI, a_csv, a_row, a_sheet, open_house

MOST_SECONDS = 30.0
MOST_MEGABYTES = 700
TAKEN = "taken"
"""Answered with a verdict on every row."""


@dataclass(frozen=True)
class File:
    """A file to send. `codes`: one of these must be said, of the whole file or of a row; `TAKEN` is a verdict on every row."""

    kind: str
    name: str
    content: bytes
    codes: frozenset[str]


Make = Callable[[random.Random, int], tuple[str, bytes]]
KINDS: dict[str, tuple[Make, frozenset[str]]] = {}


def kind(*codes: str) -> Callable[[Make], Make]:
    """Enter a kind of damage; its name is its function's."""

    def enter(make: Make) -> Make:
        KINDS[make.__name__.replace("_", " ")] = (make, frozenset(codes))
        return make

    return enter


def good_rows(chance: random.Random, number: int, most: int = 6) -> list[dict[str, object]]:
    """Rows that nobody else in the campaign has; barcodes begin with the file's number."""
    return [
        a_row(one, barcode=f"FAULT-{number:04d}{one:03d}", dossier_code=f"F{number}.{one}")
        for one in range(1, chance.randint(2, most) + 1)
    ]


def repacked(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """A workbook whose parts went through `change(name, data)`; None leaves a part out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            data = change(part.filename, old.read(part))
            if data is not None:
                new.writestr(part.filename, data)
    return out.getvalue()


def sheet_xml(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return repacked(content, lambda name, data: change(data) if name.endswith("sheet1.xml") else data)


def a_book(*sheets: tuple[str, list[list[object]], str]) -> bytes:
    """A workbook of (title, lines, state)."""
    book = Workbook()
    book.remove(book.active)
    for title, lines, state in sheets:
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for line in lines:
            sheet.append(line)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def lines_of(rows: list[dict[str, object]]) -> list[list[object]]:
    return [list(VI.values()), *([row.get(key) for key in VI] for row in rows)]


# ------------------------------------------------------------------------------------------------ sheets
@kind("merged-cell")
def merged_cells(chance: random.Random, number: int) -> tuple[str, bytes]:
    def merge(sheet: Any) -> None:
        column = sheet.cell(1, chance.randint(1, 13)).column_letter
        sheet.merge_cells(f"{column}2:{column}3")

    return "gop.xlsx", a_sheet(good_rows(chance, number), change=merge)


@kind("too-many-merged", "merged-cell")
def a_sheet_merged_all_over(chance: random.Random, number: int) -> tuple[str, bytes]:
    refs = b"".join(b'<mergeCell ref="A%d:BL100000"/>' % line for line in range(2, chance.randint(5, 9)))
    merged = b"<mergeCells>" + refs + b"</mergeCells><pageMargins"
    return "gop.xlsx", sheet_xml(
        a_sheet(good_rows(chance, number)), lambda xml: xml.replace(b"<pageMargins", merged, 1)
    )


@kind("formula-without-value")
def formulas_without_results(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[0][chance.choice(["state_fee", "address", "note"])] = chance.choice(["=1+1", "=HYPERLINK(A1)", "=SUM(A:A)"])
    return "ct.xlsx", a_sheet(rows)


@kind("formula-error")
def formulas_that_failed(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[-1]["note"] = chance.choice(["#REF!", "#N/A", "#DIV/0!", "#NAME?"])
    return "loi.xlsx", a_sheet(rows)


@kind("not-a-date", "past-date")
def dates_as_text(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[0]["deliver_by"] = chance.choice(
        ["31/02/2030", "2030.13.01", "ngày mai", "45291", 45291, "1/1/1999", "０１/０２/２０３０"]
    )
    return "ngay.xlsx", a_sheet(rows)


@kind("not-an-amount", "negative-amount", "fraction-of-a-dong", "amount-too-large")
def amounts_that_are_none(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[0]["state_fee"] = chance.choice([-5, 1.5, "1e400", "ba trăm", True, 10**15, "9" * 500, "1,5"])
    return "tien.xlsx", a_sheet(rows)


@kind(TAKEN)
def the_list_on_another_sheet(chance: random.Random, number: int) -> tuple[str, bytes]:
    notes = [["Ghi chú của văn phòng"], ["xin gọi trước"]]
    return "trang2.xlsx", a_book(
        ("Ghi chú", notes, "visible"), ("Danh sách", lines_of(good_rows(chance, number)), "visible")
    )


@kind("several-sheets")
def two_lists_in_a_file(chance: random.Random, number: int) -> tuple[str, bytes]:
    lines = lines_of(good_rows(chance, number))
    return "hai.xlsx", a_book(("Đợt 1", lines, "visible"), ("Đợt 2", lines, "visible"))


@kind("no-headings")
def the_list_on_a_hidden_sheet(chance: random.Random, number: int) -> tuple[str, bytes]:
    state = chance.choice(["hidden", "veryHidden"])
    return "an.xlsx", a_book(("Trống", [["x"]], "visible"), ("Danh sách", lines_of(good_rows(chance, number)), state))


@kind("too-many-sheets")
def sheets_without_end(chance: random.Random, _number: int) -> tuple[str, bytes]:
    return "nhieu.xlsx", a_book(*((f"T{one}", [["x"]], "visible") for one in range(chance.randint(31, 60))))


@kind("heading-twice", "headings")
def headings_twice(chance: random.Random, number: int) -> tuple[str, bytes]:
    twice = chance.choice(list(VI.values()))
    return "trung.xlsx", a_sheet(good_rows(chance, number), change=lambda sheet: sheet.cell(1, 15, twice))


@kind("heading-unknown", "headings")
def headings_of_others(chance: random.Random, number: int) -> tuple[str, bytes]:
    column = chance.randint(1, 14)
    return "la.xlsx", a_sheet(good_rows(chance, number), change=lambda sheet: sheet.cell(1, column, f"Màu {number}"))


@kind("no-rows")
def headings_alone(chance: random.Random, _number: int) -> tuple[str, bytes]:
    return chance.choice([("trong.xlsx", a_sheet([])), ("trong.csv", a_csv([]))])


@kind("no-heading")
def words_beside_the_table(chance: random.Random, number: int) -> tuple[str, bytes]:
    column = chance.randint(16, 60)
    return "le.xlsx", a_sheet(good_rows(chance, number), change=lambda sheet: sheet.cell(2, column, "2 bản"))


@kind("duplicate", "duplicate-different")
def the_same_barcode_again(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows.append(dict(rows[0], **({} if chance.random() < 0.5 else {"name": "Người Khác"})))
    return "trung.xlsx", a_sheet(rows)


# ------------------------------------------------------------------------------------------------ sizes
@kind("too-large-unpacked")
def zip_bombs(chance: random.Random, _number: int) -> tuple[str, bytes]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml"):
            archive.writestr(name, b" " * 1000)
        with archive.open("xl/worksheets/sheet1.xml", "w") as part:
            for _ in range(chance.randint(65, 300)):
                part.write(bytes(2**20))
    return "bom.xlsx", out.getvalue()


@kind("broken-spreadsheet", "too-large-unpacked")
def zip_bombs_that_lie_about_their_size(chance: random.Random, number: int) -> tuple[str, bytes]:
    _, content = zip_bombs(chance, number)
    at = content.rfind(b"PK\x01\x02")
    return "bom.xlsx", content[: at + 24] + (1000).to_bytes(4, "little") + content[at + 28 :]


@kind("broken-spreadsheet")
def entity_bombs(chance: random.Random, number: int) -> tuple[str, bytes]:
    doctype = b'<!DOCTYPE x [<!ENTITY a "%s"><!ENTITY b "%s">]>' % (b"a" * chance.randint(10, 99), b"&a;" * 1000)
    return "thuc-the.xlsx", sheet_xml(
        a_sheet(good_rows(chance, number)), lambda xml: xml.replace(b"<worksheet", doctype + b"<worksheet", 1)
    )


@kind("too-many-rows", "too-large-unpacked", "too-large", "no-rows")
def a_million_rows(chance: random.Random, number: int) -> tuple[str, bytes]:
    row = chance.choice([b"<row/>", b"<row><c><v>1</v></c></row>", b'<row><c t="str"><v>a</v></c></row>'])
    return "trieu.xlsx", sheet_xml(
        a_sheet(good_rows(chance, number)),
        lambda xml: xml.replace(b"</sheetData>", row * 1_000_000 + b"</sheetData>", 1),
    )


@kind("too-many-rows")
def a_million_lines(chance: random.Random, number: int) -> tuple[str, bytes]:
    return "trieu.csv", a_csv(good_rows(chance, number)) + b"\r\n" + chance.choice(
        [b"1,2\n", b"\n", b",,,,\n", b"a\n"]
    ) * 1_000_000


@kind("too-large")
def more_than_ten_megabytes(chance: random.Random, _number: int) -> tuple[str, bytes]:
    return chance.choice(["to.xlsx", "to.csv"]), bytes(chance.randint(10 * 2**20 + 1, 12 * 2**20))


@kind("too-long", "broken-spreadsheet")
def huge_cells(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[0][chance.choice(["name", "address", "note"])] = "á" * chance.randint(5_000, 32_000)
    return "o-to.xlsx", a_sheet(rows)


@kind("broken-csv", "too-long")
def huge_fields(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[0]["note"] = "x" * chance.randint(100_000, 1_000_000)
    return "o-to.csv", a_csv(rows)


@kind("too-many-rows")
def a_row_far_down(chance: random.Random, number: int) -> tuple[str, bytes]:
    line = b'r="%d"' % chance.randint(200_000, 99_999_999)
    return "xa.xlsx", sheet_xml(
        a_sheet(good_rows(chance, number)), lambda xml: xml.replace(b'<row r="2"', b"<row " + line, 1)
    )


# ------------------------------------------------------------------------------------------------ letters
# In the code of the .VnTime fonts, as an old program of an office wrote it; the names are invented.
TCVN3_LIST = (
    b"M\xb7 b\xadu g\xf6i;M\xb7 h\xe5 s\xac;C\xac quan;Lo\xb9i gi\xcay t\xea;H\xe4 t\xaan;\xa7\xdea ch\xd8\r\n"
    b"%s;%s;PC08;Gi\xcay ph\xd0p l\xb8i xe;Nguy\xd4n V\xa8n M\xc9u;\xcap 11, x\xb7 Kh\xb8nh An, huy\xd6n U Minh, t\xd8nh C\xb5 Mau\r\n"
)


# The same in the code of the VNI-Times fonts ("Maõ böu göûi;Maõ hoà sô" on a screen without them), and in VISCII, as iconv writes it.
VNI_LIST = (
    b"Ma\xf5 b\xf6u g\xf6\xfbi;Ma\xf5 ho\xe0 s\xf4;C\xf4 quan;Loa\xefi gia\xe1y t\xf4\xf8;Ho\xef te\xe2n;\xd1\xf2a ch\xe6\r\n"
    b"%s;%s;PC08;Gia\xe1y phe\xf9p la\xf9i xe;Nguye\xe3n Va\xean Ma\xe3u;A\xc1p 11, xa\xf5 Kha\xf9nh An, huye\xe4n U Minh, t\xe6nh Ca\xf8 Mau\r\n"
)
VISCII_LIST = (
    b"M\xe3 b\xdfu g\xd8i;M\xe3 h\xb0 s\xbd;C\xbd quan;Lo\xd5i gi\xa4y t\xb6;H\xf7 t\xean;\xd0\xb8a ch\xef\r\n"
    b"%s;%s;PC08;Gi\xa4y ph\xe9p l\xe1i xe;Nguy\xadn V\xe5n M\xe7u;\x84p 11, x\xe3 Kh\xe1nh An, huy\xaen U Minh, t\xefnh C\xe0 Mau\r\n"
)


@kind(TAKEN)
def vni(_chance: random.Random, number: int) -> tuple[str, bytes]:
    return "cu.csv", VNI_LIST % (b"FAULT-%04d001" % number, b"F%d.1" % number)


@kind(TAKEN)
def viscii(_chance: random.Random, number: int) -> tuple[str, bytes]:
    return "cu.csv", VISCII_LIST % (b"FAULT-%04d001" % number, b"F%d.1" % number)


@kind(TAKEN)
def tcvn3(_chance: random.Random, number: int) -> tuple[str, bytes]:
    return "cu.csv", TCVN3_LIST % (b"FAULT-%04d001" % number, b"F%d.1" % number)


@kind(TAKEN)
def code_page_1258(chance: random.Random, number: int) -> tuple[str, bytes]:
    return "cu.csv", in_1258(a_csv(good_rows(chance, number)).decode())


# The five tone marks stand behind their letter in code page 1258, and Python writes only that.
_TONES = {0x300: 0xCC, 0x309: 0xD2, 0x303: 0xDE, 0x301: 0xEC, 0x323: 0xF2}


def in_1258(text: str) -> bytes:
    """A text in code page 1258, which Python writes only where it is taken apart already."""
    out = bytearray()
    for letter in text:
        try:
            out += letter.encode("cp1258")
        except UnicodeEncodeError:
            letters = unicodedata.normalize("NFD", letter)
            tone = next(mark for mark in letters if ord(mark) in _TONES)
            out += unicodedata.normalize("NFC", letters.replace(tone, "")).encode("cp1258") + bytes([_TONES[ord(tone)]])
    return bytes(out)


@kind(TAKEN)
def utf_16(chance: random.Random, number: int) -> tuple[str, bytes]:
    return "u16.csv", a_csv(
        good_rows(chance, number), divider="\t", encoding=chance.choice(["utf-16", "utf-16-le", "utf-16-be"])
    )


@kind("invalid-utf-16")
def half_of_utf_16(chance: random.Random, number: int) -> tuple[str, bytes]:
    return "u16.csv", a_csv(good_rows(chance, number), encoding="utf-16")[:-1]


@kind(TAKEN)
def a_mark_and_other_dividers(chance: random.Random, number: int) -> tuple[str, bytes]:
    return chance.choice(["a.csv", "a.txt", "a.tsv"]), a_csv(
        good_rows(chance, number), divider=chance.choice(",;\t"), encoding="utf-8-sig"
    )


@kind("invalid-utf-8")
def a_byte_of_no_letter(chance: random.Random, number: int) -> tuple[str, bytes]:
    content = a_csv(good_rows(chance, number))
    bad = bytes([chance.choice([0xFF, 0xFE, 0xC0, 0x80])])
    return "hong.csv", content.replace("Mẫu".encode(), b"M" + bad + b"u", 1)


@kind("not-text", "missing", "broken-spreadsheet", TAKEN)
def signs_that_are_no_letters(chance: random.Random, number: int) -> tuple[str, bytes]:
    rows = good_rows(chance, number)
    rows[0]["name"] = "Nguyễn" + chance.choice(["\0", "\x1b", "\ufffe", "\U000e0041", "\u202e", "\ud7ff\U0010ffff"])
    return "ky-tu.csv", a_csv(rows)


@kind("not-text", TAKEN)
def nul_by_escape(chance: random.Random, number: int) -> tuple[str, bytes]:
    escape = chance.choice([b"_x0000_", b"_x001B_", b"_xD800_", b"_xFFFE_"])
    content = a_sheet(good_rows(chance, number))
    return "nul.xlsx", repacked(
        content,
        lambda name, data: (
            data.replace("Mẫu".encode(), b"M" + escape) if name.endswith(("sharedStrings.xml", "sheet1.xml")) else data
        ),
    )


# ------------------------------------------------------------------------------------------------ not what they are called
@kind("broken-spreadsheet")
def half_a_workbook(chance: random.Random, number: int) -> tuple[str, bytes]:
    content = a_sheet(good_rows(chance, number))
    return "nua.xlsx", content[: chance.randint(0, len(content) - 30)]


@kind(
    "broken-spreadsheet",
    "no-headings",
    "no-rows",
    "too-many-rows",
    "heading-unknown",
    "heading-missing",
    "headings",
    TAKEN,
)
def bytes_changed_at_random(chance: random.Random, number: int) -> tuple[str, bytes]:
    content = bytearray(a_sheet(good_rows(chance, number)))
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    return "hong.xlsx", bytes(content)


@kind("broken-spreadsheet", "no-headings")
def a_part_missing(chance: random.Random, number: int) -> tuple[str, bytes]:
    gone = chance.choice(
        ["[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"]
    )
    return "thieu.xlsx", repacked(a_sheet(good_rows(chance, number)), lambda name, data: None if name == gone else data)


@kind("old-excel")
def xls_renamed(chance: random.Random, _number: int) -> tuple[str, bytes]:
    return chance.choice(["cu.xls", "cu.xlsx", "cu.csv"]), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + chance.randbytes(2000)


_HTML = "<html><table><tr><th>Mã bưu gửi</th><th>Họ tên</th></tr><tr><td>{0}</td></tr></table></html>"


@kind("broken-spreadsheet", "no-headings", "unknown-file-type")
def html_renamed(chance: random.Random, number: int) -> tuple[str, bytes]:
    return chance.choice(["bang.xlsx", "bang.csv", "bang.xls"]), _HTML.format(number).encode()


@kind("broken-spreadsheet", "unknown-file-type", "invalid-utf-8", "invalid-utf-16", "no-headings", "broken-csv")
def noise(chance: random.Random, _number: int) -> tuple[str, bytes]:
    return chance.choice(["anh.png", "anh.xlsx", "anh.csv", "", "x" * 300 + ".csv"]), chance.randbytes(
        chance.randint(0, 5000)
    )


@kind("broken-spreadsheet")
def a_locked_zip(chance: random.Random, number: int) -> tuple[str, bytes]:
    content = bytearray(a_sheet(good_rows(chance, number)))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    return "khoa.xlsx", bytes(content)


@kind("broken-csv")
def an_open_quotation_mark(chance: random.Random, number: int) -> tuple[str, bytes]:
    return "ngoac.csv", a_csv(good_rows(chance, number)) + b'\r\n"mo' + b"x" * chance.randint(0, 99)


@kind("no-headings", "broken-csv")
def another_divider(chance: random.Random, number: int) -> tuple[str, bytes]:
    return "gach.csv", a_csv(good_rows(chance, number), divider=chance.choice("|^~"))


@kind(TAKEN)
def external_links(chance: random.Random, number: int) -> tuple[str, bytes]:
    content = a_sheet(good_rows(chance, number))
    link = b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLink" Target="http://127.0.0.1:9/x.xml" TargetMode="External"/></Relationships>'
    return "lien-ket.xlsx", repacked(
        content,
        lambda name, data: data.replace(b"</Relationships>", link) if name == "xl/_rels/workbook.xml.rels" else data,
    )


@kind(TAKEN)
def hostile_names(chance: random.Random, number: int) -> tuple[str, bytes]:
    name = chance.choice(
        ["../../etc/passwd.xlsx", "a\\b\\c.xlsx", "<script>.xlsx", "con.xlsx", "tên có dấu.xlsx", "x" * 250 + ".xlsx"]
    )
    return name, a_sheet(good_rows(chance, number))


@kind("injection")
def formulas_for_whoever_opens_it(chance: random.Random, number: int) -> tuple[str, bytes]:
    """Comes back to us in the file of failed rows: there it must be text."""
    rows = good_rows(chance, number)
    rows[0]["note"] = chance.choice(["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "=HYPERLINK(1)"])
    rows[0]["phone"] = "12"
    return "tiem.csv", a_csv(rows)


# ------------------------------------------------------------------------------------------------ the campaign
def files(chance: random.Random, count: int) -> Iterator[File]:
    """The kinds in turn until there are enough."""
    names = list(KINDS)
    for number in range(count):
        name = names[number % len(names)]
        make, codes = KINDS[name]
        file_name, content = make(chance, number)
        yield File(name, file_name, content, codes)


@dataclass
class Told:
    """What became of a file."""

    file: File
    dry_run: bool
    status: int
    codes: frozenset[str]
    seconds: float
    wrong: list[str] = field(default_factory=list)


Ask = Callable[[str, str, bytes, str], tuple[int, bytes]]
"""(method, path, body, media type) -> (status, body); the caller is signed in."""


def try_file(ask: Ask, database: Any, file: File, *, dry_run: bool) -> Told:
    """Send a file, read the answer, ask the database, and say what is wrong with any of it."""
    before = stored(database)
    path = "/api/v1/imports" + ("/staged" if dry_run else "")
    body, media_type = multipart(file.name, file.content)
    began = time.monotonic()
    status, answer = ask("POST", path, body, media_type)
    told = Told(file, dry_run, status, frozenset(), time.monotonic() - began)
    try:
        shown = json.loads(answer)
    except ValueError:
        told.wrong.append(f"the answer is no JSON: {answer[:80]!r}")
        return told
    now = stored(database)
    grown = {name: now[name] - before[name] for name in now}
    if status == 201:
        told.codes = accepted(told, ask, shown, grown)
    elif status in (413, 422):
        told.codes = frozenset([shown["code"], *(error["code"] for error in shown["errors"])])
        if any(not error["message"] or not error["field"] for error in shown["errors"]) or not (
            shown["errors"] or status == 413
        ):
            told.wrong.append(f"the refusal gives no reason: {shown}")
        if any(grown.values()):
            told.wrong.append(f"refused, and yet stored: {grown}")
    else:
        told.wrong.append(f"status {status}: {answer[:200]!r}")
    if told.seconds > MOST_SECONDS:
        told.wrong.append(f"took {told.seconds:.1f} s")
    if not told.codes & file.codes:
        told.wrong.append(f"said {sorted(told.codes)}, not one of {sorted(file.codes)}")
    return told


def accepted(told: Told, ask: Ask, shown: dict[str, Any], grown: dict[str, int]) -> frozenset[str]:
    """The codes of a list that was taken in or put on trial; what does not add up goes to `told.wrong`."""
    counts = [shown[name] for name in ("accepted", "duplicates", "doubtful", "rejected")]
    rows, path = shown.get("rows"), f"/api/v1/imports/staged/{shown['id']}"
    if told.dry_run:
        if shown["state"] == "headings":
            return frozenset(["headings"])
        size, rows = rows, json.loads(ask("GET", f"{path}/rows?limit=200", b"", "")[1])["data"]
        expected = {"items": 0, "batches": 0, "lists": 1, "staged": size}
    else:
        expected = {"items": shown["accepted"] + shown["doubtful"], "batches": 1, "lists": 0, "staged": 0}
    if grown != expected:
        told.wrong.append(f"stored {grown}, said {expected}")
    if sum(counts) != len(rows):
        told.wrong.append(f"{len(rows)} rows, but the counts are {counts}")
    for row in rows:
        if row["outcome"] != "accepted" and not all(
            e["code"] and e["field"] and e["message"] for e in row["errors"] or [{}]
        ):
            told.wrong.append(f"row {row['row']} is {row['outcome']} without a reason")
    codes = {error["code"] for row in rows for error in row["errors"]} | {TAKEN}
    if "injection" in told.file.codes:
        codes |= {"injection"}
        if told.dry_run:
            _, content = ask("GET", f"{path}/failed.xlsx", b"", "")
            cells = [cell for line in load_workbook(io.BytesIO(content)).active.iter_rows() for cell in line]
            if any(cell.data_type == "f" for cell in cells):
                told.wrong.append("a formula goes out to whoever opens the failed rows")
    return frozenset(codes)


def stored(database: Any) -> dict[str, int]:
    tables = {"items": Item, "batches": ImportBatch, "lists": StagedList, "staged": StagedRow}
    with database.read() as session:
        return {name: session.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()}


def multipart(name: str, content: bytes) -> tuple[bytes, str]:
    boundary = uuid4().hex
    quoted = name.replace("\\", "\\\\").replace('"', "%22")
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def peak_megabytes(group: int) -> float:
    """The largest resident size that any process of the server has had."""
    peaks = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if int((status.parent / "stat").read_text().rsplit(")", 1)[1].split()[2]) != group:
                continue
            line = next((one for one in status.read_text().splitlines() if one.startswith("VmHWM")), "VmHWM: 0 kB")
        except (FileNotFoundError, ProcessLookupError):
            continue
        peaks.append(int(line.split()[1]) / 1024)
    return max(peaks)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=60, help="stop sending after this long; what was sent is reported"
    )
    parser.add_argument("--report", type=Path, help="write the table here, too")
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = f"sqlite:///{home / 'office.db'}"
        database = open_database(url)
        server = Server(home, url)
        server.start()
        try:
            house = open_house(database, home)
            token = sign(database, house.dispatcher, at=datetime.now(UTC))
            resting = peak_megabytes(server.group)

            def ask(method: str, path: str, body: bytes, media_type: str) -> tuple[int, bytes]:
                line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
                headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": media_type} if media_type else {})
                try:
                    line.request(method, path, body=body, headers=headers)
                    answer = line.getresponse()
                    return answer.status, answer.read()
                finally:
                    line.close()

            began, told = time.monotonic(), []
            for number, file in enumerate(files(random.Random(wanted.seed), wanted.files)):
                if time.monotonic() - began > wanted.minutes * 60:
                    break
                told.append(try_file(ask, database, file, dry_run=(number // len(KINDS) + number) % 2 == 1))
            peak = peak_megabytes(server.group)
        finally:
            server.stop()
            database.close()
    lines = report(told, wanted, resting=resting, peak=peak, seconds=time.monotonic() - began)
    print("\n".join(lines))
    if wanted.report:
        wanted.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(any(one.wrong for one in told) or peak > MOST_MEGABYTES or len(told) < wanted.files)


def report(told: list[Told], wanted: argparse.Namespace, *, resting: float, peak: float, seconds: float) -> list[str]:
    wrong = [one for one in told if one.wrong]
    lines = [
        f"# {wanted.files} broken spreadsheets, seed {wanted.seed}",
        "",
        f"`python -m tests.faults.sheets --files {wanted.files} --seed {wanted.seed}`",
        "",
        (
            f"{len(told)} of {wanted.files} files sent over HTTP in {seconds:.0f} s; {len(wrong)} not answered as they must be; the longest took "
            f"{max(one.seconds for one in told):.1f} s (most allowed: {MOST_SECONDS:.0f}); largest process of the server "
            f"{peak:.0f} MB, {resting:.0f} MB before the first file (most allowed: {MOST_MEGABYTES})."
        ),
        "",
        "| kind | files | answers | codes | longest s |",
        "|---|---|---|---|---|",
    ]
    for name in KINDS:
        of_kind = [one for one in told if one.file.kind == name]
        if of_kind:
            statuses = ", ".join(
                f"{count} x {status}" for status, count in sorted(Counter(one.status for one in of_kind).items())
            )
            codes = ", ".join(sorted(frozenset().union(*(one.codes & one.file.codes for one in of_kind))))
            lines.append(
                f"| {name} | {len(of_kind)} | {statuses} | {codes} | {max(one.seconds for one in of_kind):.1f} |"
            )
    lines += [
        "",
        *(f"* {one.file.kind} ({'dry run' if one.dry_run else 'at once'}): {'; '.join(one.wrong)}" for one in wrong),
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
