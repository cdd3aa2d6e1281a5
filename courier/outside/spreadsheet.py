"""Spreadsheets: .xlsx and .csv that other people's programs wrote become rows of plain cells; the empty form is ours.

A file is hostile until shown otherwise: its unpacked size is looked at before it is unpacked, and rows, columns and what a
heading row may hide are bounded.
"""

import codecs
import csv
import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias
from xml.etree.ElementTree import ParseError

from openpyxl import DEFUSEDXML, Workbook, load_workbook
from openpyxl.cell.read_only import EMPTY_CELL
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from courier.domain import bag_list, letters
from courier.domain.bag_list import Unreadable
from courier.domain.errors import FieldError, Invalid

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 20_000
_MOST_UNPACKED = 64 * 1024 * 1024
_MOST_PARTS = 1_000
_MOST_COLUMNS = 64
_MOST_SHEETS = 30  # a hollow sheet costs a second and a few hundred bytes
_MOST_MERGED_LINES = 200_000
_LAST_LINE = 100_000  # blank lines count here: a sheet may be formatted down to its last line
_TITLE_LINES = 10  # the headings stand within these
_NO_TABLE = f"Không thấy dòng tiêu đề nào (ít nhất bốn cột có chữ) trong {_TITLE_LINES} dòng đầu"
_NO_HEADINGS = f"Không thấy dòng tiêu đề («Mã bưu gửi», «Mã hồ sơ», ...) trong {_TITLE_LINES} dòng đầu"

# A line of a sheet: its number and its cells from the first column on.
Line: TypeAlias = tuple[int, Sequence[object]]

# What openpyxl and the modules below it raise for a damaged workbook. It has no exception of its own for that.
_DAMAGED = (
    AttributeError,
    EOFError,
    IndexError,
    InvalidFileException,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    ParseError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

if not DEFUSEDXML:  # the set-up is wrong: without it a few bytes of XML can grow to gigabytes
    raise ImportError("openpyxl runs without defusedxml: remove OPENPYXL_DEFUSEDXML from the environment")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row with something in it: the sheet's own number, and its cells by key of the heading above."""

    number: int
    cells: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Marks:
    """What plain cell values do not show: formulas that were saved without a value, and merged cells.

    `merged` has a bit for each column of a line that is part of a merged range.
    """

    formulas: frozenset[tuple[int, int]]
    merged: Mapping[int, int]

    def of(self, line: int, column: int, value: object) -> Unreadable | None:
        """Why the cell (both counted from 1) cannot be believed, or None."""
        place = f"{bag_list.column_name(column - 1)}{line}"
        if self.merged.get(line, 0) >> column & 1:
            return Unreadable("merged-cell", f"Ô {place} bị gộp với ô khác; hãy bỏ gộp và ghi từng ô")
        if value is None and (line, column) in self.formulas:
            return Unreadable(
                "formula-without-value", f"Ô {place} là công thức chưa có kết quả; hãy mở tệp, tính lại rồi lưu"
            )
        return None


_NO_MARKS = _Marks(frozenset(), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A list as it was written, whatever its headings are called.

    `headings` and the cells of a row by position from 0; a cell under no heading is the row's `STRAY_AT`. `assumed` says how the
    letters were read where the file does not say it: `utf-16`, `cp1258`, `tcvn3`, `vni`, `viscii`.
    """

    line: int
    headings: dict[int, str]
    rows: tuple[tuple[int, dict[int, object]], ...]
    assumed: tuple[str, ...]


STRAY_AT: Final = -1


def look(filename: str, content: bytes) -> Sheet:
    """The list in a file whose headings may be somebody else's.

    Raises:
        Invalid: as `read`, but for what is said of single headings.
    """
    sheets, assumed = _written(filename, content)
    tables = [table for lines, marks in sheets if (table := _table(lines, marks)) is not None]
    if not tables:
        tables = [table for lines, marks in sheets if (table := _table(lines, marks, strange=True)) is not None]
    if not tables:
        raise _refused("no-headings", _NO_TABLE)
    table = _only(tables)
    if not table.rows:
        raise _refused("no-rows", "Dưới dòng tiêu đề không có dòng nào")
    headings = {at: bag_list.found(cell) for at, cell in enumerate(table.headings) if not _is_blank(cell)}
    rows = []
    for line, cells in table.rows:
        kept = {at: cell for at, cell in cells.items() if at in headings and not _is_blank(cell)}
        if not any(not bag_list.is_running_number(headings[at]) for at in kept):
            continue
        stray = table.stray(line, cells)
        rows.append((line, kept | ({STRAY_AT: stray} if stray else {})))
    return Sheet(line=table.line, headings=headings, rows=tuple(rows), assumed=assumed)


def read(filename: str, content: bytes) -> list[SheetRow]:
    """The rows below the headings, blank ones left out.

    Raises:
        Invalid: the file as a whole cannot be used; `field` is `file` or a heading. Codes: `too-large`,
            `too-large-unpacked`, `too-many-rows`, `unknown-file-type`, `old-excel`, `broken-spreadsheet`, `invalid-utf-8`,
            `broken-csv`, `no-headings`, `several-sheets`, `too-many-sheets`, `too-many-merged`, `no-rows` and those of
            `bag_list.columns_of`.
    """
    return read_with_assumptions(filename, content)[0]


def read_with_assumptions(filename: str, content: bytes) -> tuple[list[SheetRow], tuple[str, ...]]:
    """As `read`, with what had to be assumed about the letters (`Sheet.assumed`)."""
    sheets, assumed = _written(filename, content)
    tables = [table for lines, marks in sheets if (table := _table(lines, marks)) is not None]
    if not tables:
        raise _refused("no-headings", _NO_HEADINGS)
    # Every sheet that looks like a list must be one: a fault in its headings is told even where it is empty.
    named = [(table, bag_list.columns_of(table.line, table.headings)) for table in tables]
    table = _only(tables)
    columns = next(columns for one, columns in named if one is table)
    rows = []
    for line, cells in table.rows:
        if all(_is_blank(cells.get(position)) for position in columns):
            continue
        by_key = {key: cells.get(position) for position, key in columns.items()}
        stray = table.stray(line, cells)
        rows.append(SheetRow(line, by_key | ({bag_list.STRAY: stray} if stray else {})))
    if not rows:
        raise _refused("no-rows", "Dưới dòng tiêu đề không có dòng nào")
    return rows, assumed


def _written(filename: str, content: bytes) -> tuple[list[tuple[Iterable[Line], _Marks]], tuple[str, ...]]:
    """The sheets of a file and what was assumed about its letters."""
    if len(content) > MOST_BYTES:
        raise _refused("too-large", f"Tệp dài {len(content):,} byte, nhiều nhất {MOST_BYTES:,}".replace(",", "."))
    lowered = filename.lower()
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refused("old-excel", "Tệp .xls kiểu cũ hoặc có mật khẩu; hãy lưu lại thành .xlsx không mật khẩu")
    if content.startswith(b"PK") or lowered.endswith(".xlsx"):
        return _read_xlsx(content)
    if lowered.endswith((".csv", ".txt", ".tsv")):
        return _read_csv(content)
    raise _refused("unknown-file-type", f"Chỉ nhận tệp .xlsx hoặc .csv, tệp này tên «{bag_list.found(filename)}»")


def _refused(code: str, sentence: str, row: int | None = None) -> Invalid:
    return Invalid(FieldError("file", code, sentence, row))


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _heading_line(lines: Sequence[Line]) -> int | None:
    """The position in `lines` of the row with the most headings of ours, if it looks like one at all."""
    best = max(range(len(lines)), key=lambda at: bag_list.headings_in(lines[at][1]), default=None)
    return best if best is not None and bag_list.looks_like_headings(lines[best][1]) else None


@dataclass(frozen=True, slots=True)
class _Table:
    """A heading line and the lines below it that hold anything."""

    line: int
    headings: Sequence[object]
    rows: list[tuple[int, dict[int, object]]]

    def stray(self, line: int, cells: Mapping[int, object]) -> Unreadable | None:
        """What is said about a cell that stands under no heading."""
        at = min((at for at in cells if at >= len(self.headings) or _is_blank(self.headings[at])), default=None)
        if at is None:
            return None
        name = bag_list.column_name(at)
        return Unreadable("no-heading", f"Ô {name}{line} có chữ nhưng cột {name} không có tiêu đề")


def _table(lines: Iterable[Line], marks: _Marks, *, strange: bool = False) -> _Table | None:
    """The list in one sheet; None where nothing looks like headings: ours, or with `strange` anybody's."""
    going = iter(lines)
    first = [line for _, line in zip(range(_TITLE_LINES), going, strict=False)]
    at = _strange_heading_line(first) if strange else _heading_line(first)
    if at is None:
        return None
    number, headings = first[at]
    rows: list[tuple[int, dict[int, object]]] = []
    for line, values in (*first[at + 1 :], *going):
        if line > _LAST_LINE or len(rows) > MOST_ROWS:
            raise _refused("too-many-rows", f"Bảng có hơn {MOST_ROWS} dòng hoặc kéo dài quá dòng {_LAST_LINE}", line)
        if all(_is_blank(value) for value in values):
            continue
        cells = {position: value for position, value in enumerate(values) if not _is_blank(value)}
        for position, heading in enumerate(headings):
            if not _is_blank(heading) and (mark := marks.of(line, position + 1, cells.get(position))):
                cells[position] = mark
        rows.append((line, cells))
    return _Table(number, headings, rows)


_FEWEST_STRANGE_HEADINGS = 4


def _strange_heading_line(lines: Sequence[Line]) -> int | None:
    """The first line that fills the most columns with words, as a line of headings does."""
    widths = [
        len({cell for cell in cells if isinstance(cell, str) and any(sign.isalpha() for sign in cell)})
        for _, cells in lines
    ]
    most = max(widths, default=0)
    return widths.index(most) if most >= _FEWEST_STRANGE_HEADINGS else None


def _only(tables: Sequence[_Table]) -> _Table:
    filled = [table for table in tables if table.rows]
    if len(filled) > 1:
        raise _refused("several-sheets", "Có hơn một trang tính mang danh sách; mỗi tệp chỉ một danh sách")
    return filled[0] if filled else tables[0]


# ------------------------------------------------------------------------------------------------ .csv
def _read_csv(content: bytes) -> tuple[list[tuple[Iterable[Line], _Marks]], tuple[str, ...]]:
    text, assumed = _decoded(content)
    # Excel in Vietnamese writes semicolons; what divides the headings best is right.
    beginning = text[:20_000]

    def divides(sign: str) -> tuple[int, int]:
        lines = list(_records(beginning, sign, whole=False))
        return max(map(bag_list.headings_in, lines), default=0), max(map(len, lines), default=0)

    divider = max(",;\t", key=divides)
    try:
        lines = list(enumerate(_bounded(_records(text, divider, whole=True)), start=1))
    except csv.Error as fault:
        raise _refused("broken-csv", f"Tệp CSV hỏng: {fault}") from fault
    return [(lines, _NO_MARKS)], assumed


def _bounded(records: Iterator[list[str]]) -> Iterator[list[str]]:
    """As many lines as are looked at, and one more to see that there are too many."""
    return islice(records, _LAST_LINE + 1)


def _decoded(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a .csv: UTF-8, or what its bytes give evidence of; and what was assumed.

    Old programs of offices write TCVN3 (the .VnTime fonts), VNI, VISCII or code page 1258, and Excel's "Unicode text" is UTF-16.
    None says so.
    """
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16"), ("utf-16",)
        if order := _utf16_without_mark(content[:2000]):
            return content.decode(order), ("utf-16",)
    except UnicodeDecodeError as fault:
        raise _refused("invalid-utf-16", f"Tệp UTF-16 bị hỏng ở byte thứ {fault.start + 1}") from fault
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as fault:
        likeliest = max(
            letters.CODES, key=lambda code: letters.share_of_syllables(letters.decode(content[:60_000], code))
        )
        if letters.share_of_syllables(letters.decode(content[:60_000], likeliest)) >= _MOSTLY_VIETNAMESE:
            return letters.decode(content, likeliest), (likeliest,)
        line = content.count(b"\n", 0, fault.start) + 1
        byte = f"byte thứ {fault.start + 1} (0x{content[fault.start]:02X})"
        sentence = f"Dòng {line}, {byte} không phải UTF-8; hãy lưu lại kiểu CSV UTF-8"
        raise _refused("invalid-utf-8", sentence, line) from fault


_MOSTLY_VIETNAMESE = 0.9


def _utf16_without_mark(beginning: bytes) -> str | None:
    """Every other byte of latin text in UTF-16 is zero."""
    odd, even = beginning[1::2].count(0), beginning[::2].count(0)
    few = len(beginning) // 10
    return "utf-16-le" if odd > few and even == 0 else "utf-16-be" if even > few and odd == 0 else None


def _records(text: str, divider: str, *, whole: bool) -> Iterator[list[str]]:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=whole)
    try:
        for number, record in enumerate(records):
            if not whole and number >= _TITLE_LINES:
                return
            yield record[:_MOST_COLUMNS]
    except csv.Error:
        if whole:
            raise


# ------------------------------------------------------------------------------------------------ .xlsx
def _read_xlsx(content: bytes) -> tuple[list[tuple[Iterable[Line], _Marks]], tuple[str, ...]]:
    try:
        _look_before_unpacking(content)
        sheets = _sheets(content)
    except _DAMAGED as fault:
        sentence = f"Tệp không phải bảng tính .xlsx đọc được ({type(fault).__name__})"
        raise _refused("broken-spreadsheet", sentence) from fault
    if all(_heading_line(lines[:_TITLE_LINES]) is None for lines, _ in sheets):
        # A workbook in a font of old programs holds its bytes as if they were Latin letters.
        for font in letters.FONTS:
            meant = [([(number, _from_font(cells, font)) for number, cells in lines], marks) for lines, marks in sheets]
            if any(_heading_line(lines[:_TITLE_LINES]) is not None for lines, _ in meant):
                return list(meant), (font,)
    return list(sheets), ()


def _from_font(cells: Sequence[object], font: str) -> list[object]:
    return [letters.from_latin(cell, font) if isinstance(cell, str) else cell for cell in cells]


def _look_before_unpacking(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
    # Python's zipfile reads no more than a part claims, so the claim can be believed.
    unpacked = sum(part.file_size for part in parts)
    if unpacked > _MOST_UNPACKED or len(parts) > _MOST_PARTS:
        raise _refused(
            "too-large-unpacked",
            f"Tệp bung ra {unpacked // 2**20} MB trong {len(parts)} phần, nhiều nhất {_MOST_UNPACKED // 2**20} MB",
        )


def _sheets(content: bytes) -> list[tuple[list[Line], _Marks]]:
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    try:
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if len(visible) > _MOST_SHEETS:
            raise _refused("too-many-sheets", f"Tệp có {len(visible)} trang tính, nhiều nhất {_MOST_SHEETS}")
        return [(list(_lines(sheet)), _marks(content, sheet)) for sheet in visible]
    finally:
        book.close()


def _lines(sheet: ReadOnlyWorksheet) -> Iterator[Line]:
    # The sheet's own word about its size is not believed: some programs write a wrong one.
    sheet.reset_dimensions()
    filled = 0
    for line, cells in enumerate(sheet.iter_rows(max_row=_LAST_LINE + 1, max_col=_MOST_COLUMNS), start=1):
        values: list[object] = []
        # A hundred thousand blank lines cost next to nothing when they are not looked at cell by cell.
        if any(cell is not EMPTY_CELL for cell in cells):
            values = [
                Unreadable("formula-error", f"Ô {cell.coordinate} báo lỗi {cell.value}")
                if cell.data_type == "e"
                else cell.value
                for cell in cells
            ]
        while values and values[-1] is None:
            values.pop()
        # Thousands of blank lines are worth no memory; those on top count where the headings are looked for.
        if values or line <= _TITLE_LINES or line > _LAST_LINE:
            yield line, values
        filled += bool(values)
        # By now the rows are too many whatever follows, and it may be a million.
        if filled > MOST_ROWS + _TITLE_LINES + 1:
            return


# No tag holds another: `[^<>]` keeps the search as long as the file, where `[^>]` would make it as long as its square.
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^<>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


def _marks(content: bytes, sheet: ReadOnlyWorksheet) -> _Marks:
    """Reading for values shows neither merged cells nor whether an empty cell is a formula, so the XML is asked."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        xml = archive.read(sheet._worksheet_path.lstrip("/"))  # noqa: SLF001 (openpyxl keeps the path to itself)
    merged = _by_line(
        (_column(left), int(top), _column(right), int(bottom)) for left, top, right, bottom in _MERGED.findall(xml)
    )
    formulas: set[tuple[int, int]] = set()
    if _FORMULA.search(xml):
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
        same = next(one for one in book.worksheets if one.title == sheet.title)
        same.reset_dimensions()
        for line in same.iter_rows(max_row=_LAST_LINE, max_col=_MOST_COLUMNS):
            formulas |= {(cell.row, cell.column) for cell in line if cell.data_type == "f"}
        book.close()
    return _Marks(frozenset(formulas), merged)


def _by_line(ranges: Iterable[tuple[int, int, int, int]]) -> dict[int, int]:
    """Merged ranges (left, top, right, bottom) as `_Marks` has them, as far as lines and columns are read at all."""
    marks: dict[int, int] = {}
    work = 0
    for left, top, right, bottom in ranges:
        last, right = min(bottom, _LAST_LINE), min(right, _MOST_COLUMNS)  # noqa: PLW2901
        if left > right or top > last:
            continue
        columns = ((1 << (right - left + 1)) - 1) << left
        work += last - top + 1
        if work > _MOST_MERGED_LINES:
            raise _refused("too-many-merged", f"Trang tính gộp quá nhiều ô (hơn {_MOST_MERGED_LINES} dòng)")
        for line in range(top, last + 1):
            marks[line] = marks.get(line, 0) | columns
    return marks


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


# ------------------------------------------------------------------------------------------------ the empty form
_EXAMPLE: Final = {
    "barcode": "RE611220012VN",
    "dossier_code": "H12.11-261111-0001",
    "agency": "PC08",
    "document_type": "Giấy phép lái xe",
    "name": "Nguyễn Văn Mẫu",
    "phone": "0599000001",
    "id_number": "096088000001",
    "address": "Ấp 11, xã Khánh An, huyện U Minh, tỉnh Cà Mau",
    "state_fee": 135_000,
    "postage": 30_000,
    "appointment": "7:30-11:30",
    "note": "Dòng ví dụ, hãy xóa trước khi gửi",
}
_NOTES: Final = (
    ("Mã bưu gửi", "Mã trên phong bì. Mã dạng S10 (2 chữ, 9 số, 2 chữ) được kiểm tra chữ số kiểm tra."),
    ("Mã hồ sơ", "Mã của cơ quan; mỗi hồ sơ một kết quả."),
    ("Cơ quan", "Mã hoặc tên cơ quan trả kết quả, ví dụ PC08."),
    ("Loại giấy tờ", "Tên hoặc tên gọi tắt, ví dụ Giấy phép lái xe, GPLX."),
    ("Số CCCD", "12 chữ số, định dạng ô là chữ (Text) để không mất số 0 ở đầu."),
    ("Địa chỉ", "Ghi ấp hoặc khóm, xã hoặc phường; tên cũ (có huyện) hay tên mới đều được."),
    ("Phí, lệ phí · Tiền phạt · Cước", "Đồng chẵn: 135000 hoặc 135.000. Để trống khi không thu."),
    ("Hạn phát", "Ngày phải phát xong, dd/mm/yyyy, không phải ngày đã qua."),
    ("Giờ hẹn", "Ví dụ 7:30-11:30, sáng, chiều, sau 17h."),
)


def template() -> bytes:
    """The empty bag list as .xlsx: headings (* = required), an example row, and a sheet of notes."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Danh sách"
    sheet.append([heading.vi + ("*" if heading.required else "") for heading in bag_list.HEADINGS])
    sheet.append([_EXAMPLE.get(heading.key) for heading in bag_list.HEADINGS])
    for column, heading in enumerate(bag_list.HEADINGS, start=1):
        top = sheet.cell(1, column)
        top.font, top.fill = Font(bold=True), PatternFill("solid", fgColor="DCE6F1" if heading.required else "F2F2F2")
        top.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[top.column_letter].width = 44 if heading.key == "address" else 20
        if heading.key in ("phone", "id_number", "barcode", "dossier_code"):
            sheet.cell(2, column).number_format = "@"
    sheet.freeze_panes = "A2"
    notes = book.create_sheet("Ghi chú")
    for line in _NOTES:
        notes.append(line)
    notes.column_dimensions["A"].width, notes.column_dimensions["B"].width = 32, 90
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def failed(rows: Iterable[tuple[int, str, Mapping[str, object]]]) -> bytes:
    """Rows that were not taken in as .xlsx: (number, reason, cells by key), under our headings.

    Nothing in it is a formula, whatever a cell begins with: somebody else wrote these cells, and one of us opens them.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = "Dòng lỗi"
    headings = [bag_list.ROW_COLUMN, bag_list.REASON_COLUMN, *(heading.vi for heading in bag_list.HEADINGS)]
    sheet.append(headings)
    for column in range(1, len(headings) + 1):
        sheet.cell(1, column).font = Font(bold=True)
        sheet.column_dimensions[sheet.cell(1, column).column_letter].width = 60 if column == 2 else 20
    for line, (number, reason, cells) in enumerate(rows, start=2):
        sheet.cell(line, 1, number)
        _write_text(sheet.cell(line, 2), reason)
        for column, heading in enumerate(bag_list.HEADINGS, start=3):
            value = cells.get(heading.key)
            if value is None or isinstance(value, Unreadable):
                continue
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                sheet.cell(line, column, value)
            else:
                _write_text(sheet.cell(line, column), bag_list.written(value))
    sheet.freeze_panes = "C2"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


_MOST_IN_A_CELL: Final = 32_000


def _write_text(cell: Any, text: str) -> None:
    kept = "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")
    cell.value = kept.encode("utf-8", "replace").decode()[:_MOST_IN_A_CELL]
    cell.data_type = "s"
    cell.number_format = "@"
    cell.quotePrefix = True
