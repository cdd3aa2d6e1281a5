"""The list that comes with a bag (bảng kê): its headings, and how one row becomes an entry or a list of faults.

A cell arrives as the spreadsheet or the JSON gave it (text, number, date, time) or as `Unreadable`. Every fault of a row is
reported at once, under the name of the field as its sender wrote it, with the value found; an ID number is masked.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final, TypeAlias

from courier.domain import identifiers
from courier.domain.errors import FieldError, Invalid
from courier.domain.identifiers import Implausible
from courier.domain.money import MOST_DONG, ChargeKind, Dong
from courier.domain.text import fold


# ------------------------------------------------------------------------------------------------ headings
@dataclass(frozen=True, slots=True)
class Heading:
    """One column: its key in JSON, the Vietnamese heading, whether every row must fill it."""

    key: str
    vi: str
    required: bool = False


HEADINGS: Final = (
    Heading("barcode", "Mã bưu gửi", required=True),
    Heading("dossier_code", "Mã hồ sơ", required=True),
    Heading("agency", "Cơ quan", required=True),
    Heading("document_type", "Loại giấy tờ", required=True),
    Heading("name", "Họ tên", required=True),
    Heading("phone", "Số điện thoại"),
    Heading("id_number", "Số CCCD"),
    Heading("address", "Địa chỉ", required=True),
    Heading("state_fee", "Phí, lệ phí"),
    Heading("fine", "Tiền phạt"),
    Heading("postage", "Cước"),
    Heading("deliver_by", "Hạn phát"),
    Heading("appointment", "Giờ hẹn"),
    Heading("note", "Ghi chú"),
)
# The key under which a cell arrives that stands below no heading.
STRAY: Final = ""
_BY_KEY: Final = {heading.key: heading for heading in HEADINGS}
# The running number that every office puts in front, and the two columns of our own list of failed rows: no data of an item.
ROW_COLUMN: Final = "Dòng gốc"
REASON_COLUMN: Final = "Lý do"
_RUNNING_NUMBER: Final = frozenset({"stt", "tt", "donggoc", "lydo"})
# What other people's programs call our columns. A likeness is offered to the dispatcher; it decides nothing.
_ALSO_CALLED: Final = {
    "barcode": ("sohieu", "sohieubuugui", "mavach", "mavandon", "barcode"),
    "dossier_code": ("sohoso", "mahs", "sobiennhan", "maho"),
    "agency": ("coquangui", "coquantraketqua", "donvi", "noigui"),
    "document_type": ("loaihoso", "loaigiay", "tengiayto", "thutuc", "ketqua"),
    "name": ("hovaten", "nguoinhan", "tennguoinhan", "hotennguoinhan", "ten"),
    "phone": ("sdt", "dienthoai", "dtdd", "sodt", "sodienthoainguoinhan", "sdtnguoinhan"),
    "id_number": ("cccd", "cancuoc", "cancuoccongdan", "socancuoc", "sodinhdanh", "cmnd"),
    "address": ("diachinhan", "diachinguoinhan", "diachiphat", "noinhan", "noio"),
    "state_fee": ("philephi", "lephi", "phi", "tienphi"),
    "fine": ("phat", "sotienphat", "tienphatvphc"),
    "postage": ("cuocphi", "cuocchuyenphat", "phibuudien", "tiencuoc"),
    "deliver_by": ("handphat", "ngayhentra", "hantra", "ngaytra"),
    "appointment": ("giophat", "thoigianhen", "khunggio"),
    "note": ("luuy", "ghichukhac", "chuthich"),
}
_FEWEST_TO_BE_A_HEADING: Final = 3


def key_of(text: str) -> str:
    """What makes two spellings of a heading or a name the same: folded letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", fold(text))


_BY_SPELLING: Final = {key_of(heading.vi): heading.key for heading in HEADINGS}
_BY_LIKENESS: Final = {word: key for key, words in _ALSO_CALLED.items() for word in words}
# The columns that a list is read by: position from 0 -> key of ours, `UNUSED` for a column that says nothing.
Columns: TypeAlias = Mapping[int, str]
UNUSED: Final = ""


def _known(cell: object) -> str | None:
    return _BY_SPELLING.get(key_of(cell)) if isinstance(cell, str) else None


def headings_in(row: Sequence[object]) -> int:
    """How many of our headings a row holds."""
    return len({_known(cell) for cell in row} - {None})


def is_running_number(cell: object) -> bool:
    """True for the heading of a column that says nothing of an item."""
    return isinstance(cell, str) and key_of(cell) in _RUNNING_NUMBER


def looks_like_headings(row: Sequence[object]) -> bool:
    """True for a row that was meant to be the headings, whether they are right or not."""
    return headings_in(row) >= _FEWEST_TO_BE_A_HEADING


def columns_of(row_number: int, row: Sequence[object]) -> dict[int, str]:
    """The key of each column, by position from 0.

    Raises:
        Invalid: `heading-missing`, `heading-unknown`, `heading-twice`, all of them at once.
    """
    columns: dict[int, str] = {}
    faults: list[FieldError] = []
    for position, cell in enumerate(row):
        if cell is None or (isinstance(cell, str) and (not cell.strip() or key_of(cell) in _RUNNING_NUMBER)):
            continue
        key = _known(cell)
        place = f"cột {column_name(position)}"
        if key is None:
            shown = found(cell)
            faults.append(FieldError(shown, "heading-unknown", f"Tiêu đề lạ «{shown}» ở {place}", row_number))
        elif key in columns.values():
            vi = _BY_KEY[key].vi
            faults.append(FieldError(vi, "heading-twice", f"Tiêu đề «{vi}» có hai lần, lần sau ở {place}", row_number))
        else:
            columns[position] = key
    faults += [
        FieldError(heading.vi, "heading-missing", f"Thiếu cột bắt buộc «{heading.vi}»", row_number)
        for heading in HEADINGS
        if heading.required and heading.key not in columns.values()
    ]
    if faults:
        raise Invalid(*faults)
    return columns


def fingerprint_words(headings: Mapping[int, str]) -> dict[int, str]:
    """What tells the columns of a list apart and is the same in that sender's next list: folded, the second of a name counted."""
    seen: dict[str, int] = {}
    words: dict[int, str] = {}
    for position, heading in sorted(headings.items()):
        word = key_of(heading) or heading.strip()
        seen[word] = seen.get(word, 0) + 1
        words[position] = word if seen[word] == 1 else f"{word}#{seen[word]}"
    return words


@dataclass(frozen=True, slots=True)
class Proposal:
    """How a list's columns may be read; `sure` when nobody needs to be asked."""

    columns: dict[int, str]
    sure: bool


def propose(headings: Mapping[int, str], remembered: Sequence[Mapping[str, str]]) -> Proposal:
    """Read headings by our names, then as the sender's earlier lists were read (the newest first), then by what is often meant.

    `remembered` are readings by `fingerprint_words`. Sure when every heading is ours, or these very headings were read before.
    """
    words = fingerprint_words(headings)
    same = next((dict(one) for one in remembered if one.keys() == set(words.values())), None)
    columns: dict[int, str] = {}
    sure = True
    for position, heading in headings.items():
        word = words[position]
        key = _known(heading)
        if same is not None:
            key = same[word]
        elif key_of(heading) in _RUNNING_NUMBER:
            key = UNUSED
        elif key is None:
            sure = False
            key = next((one[word] for one in remembered if word in one), _BY_LIKENESS.get(word))
        if key is not None:
            columns[position] = key
    taken: set[str] = set()
    for position in sorted(columns):
        key = columns[position]
        if key and key in taken:
            del columns[position]
            sure = False
        taken.add(key)
    return Proposal(columns, sure and not column_faults(columns))


def column_faults(columns: Columns) -> list[FieldError]:
    """What is wrong with a reading of columns: a required one that is missing, one that is there twice."""
    keys = [key for key in columns.values() if key != UNUSED]
    twice = [
        FieldError(heading.key, "heading-twice", f"«{heading.vi}» được chọn cho hai cột")
        for heading in HEADINGS
        if keys.count(heading.key) > 1
    ]
    return twice + [
        FieldError(heading.key, "heading-missing", f"Chưa chọn cột nào cho «{heading.vi}»")
        for heading in HEADINGS
        if heading.required and heading.key not in keys
    ]


def column_name(position: int) -> str:
    """The letters a spreadsheet shows above a column: 0 is A, 26 is AA."""
    name = ""
    position += 1
    while position:
        position, letter = divmod(position - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


# ------------------------------------------------------------------------------------------------ a row
@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell whose value cannot be known: a broken or unsaved formula, a merged cell."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Due:
    """An amount that a column of the list asks for."""

    kind: ChargeKind
    amount_dong: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a bag list that can be believed. `window` is (from, to) in seconds from local midnight."""

    row: int
    barcode: str
    dossier_code: str
    agency: str
    document_type: str
    name: str
    phone: str | None
    id_number: str | None = field(repr=False)
    address: str
    dues: tuple[Due, ...]
    deliver_by: date | None
    window: tuple[int, int] | None
    note: str

    @property
    def dossier(self) -> tuple[str, str]:
        """Agency and normalised dossier code: one result each."""
        return (self.agency, identifiers.dossier_key(self.dossier_code))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a row said: an entry, or every fault found. `barcode` and `dossier` are there when they alone could be read."""

    row: int
    entry: Entry | None
    faults: tuple[FieldError, ...]
    barcode: str | None
    dossier: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What the words of a list mean on one day; names and aliases are keyed by `key_of`.

    `closed_types` gives the sentence why a kind of paper is not taken; `visits` is the span of any visit and
    `parts_of_day` what a word like "sáng" means, in seconds from local midnight.
    """

    day: date
    barcode_patterns: tuple[re.Pattern[str], ...]
    document_types: Mapping[str, str]
    closed_types: Mapping[str, str]
    agencies: Mapping[str, str]
    visits: tuple[int, int]
    parts_of_day: Mapping[str, tuple[int, int]]


class _Fault(Exception):
    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


def read_row(
    row: int, cells: Mapping[str, object], words: Vocabulary, *, called: Mapping[str, str] | None = None
) -> Reading:
    """Read one row; `cells` by key, `called` maps a key to the name its sender used (else the Vietnamese heading)."""
    faults: list[FieldError] = []

    def read(key: str, reader: Callable[[Any], Any]) -> Any:
        heading = _BY_KEY[key]
        cell = cells.get(key)
        try:
            if isinstance(cell, Unreadable):
                raise _Fault(cell.code, cell.sentence)
            if cell is None or (isinstance(cell, str) and not cell.strip()):
                if heading.required:
                    raise _Fault("missing", f"Thiếu «{heading.vi}»")
                return None
            return reader(cell)
        except (_Fault, Implausible) as fault:
            name = (called or {}).get(key, heading.vi)
            faults.append(FieldError(name, fault.code, fault.sentence, row))
            return None

    stray = cells.get(STRAY)
    if isinstance(stray, Unreadable):
        faults.append(FieldError((called or {}).get(STRAY, "cột"), stray.code, stray.sentence, row))
    barcode = read("barcode", lambda cell: identifiers.barcode(_text(cell, 40), words.barcode_patterns))
    dossier_code = read("dossier_code", _dossier_code)
    agency = read("agency", lambda cell: _agency(cell, words))
    values = {
        "document_type": read("document_type", lambda cell: _document_type(cell, words)),
        "name": read("name", _name),
        "phone": read("phone", lambda cell: identifiers.phone(_digits(cell, zeros_to=10))),
        "id_number": read("id_number", lambda cell: _id_number(cell, words.day)),
        "address": read("address", lambda cell: _text(cell, 300)),
        "deliver_by": read("deliver_by", lambda cell: _deadline(cell, words.day)),
        "window": read("appointment", lambda cell: _window(cell, words)),
        "note": read("note", lambda cell: _text(cell, 500)) or "",
    }
    amounts = [(kind, read(kind.value, _amount)) for kind in ChargeKind]
    entry = None
    if not faults:
        dues = tuple(Due(kind, amount) for kind, amount in amounts if amount)
        entry = Entry(row=row, barcode=barcode, dossier_code=dossier_code, agency=agency, dues=dues, **values)
    dossier = (agency, identifiers.dossier_key(dossier_code)) if agency and dossier_code else None
    return Reading(row, entry, tuple(faults), barcode, dossier)


def cells_of(row: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """The cells of a JSON row by key, and what its sender called each key; a name of ours in any spelling counts."""
    cells: dict[str, object] = {}
    called: dict[str, str] = {}
    for name, value in row.items():
        key = name if name in _BY_KEY else _known(name)
        if key is None:
            cells[STRAY] = Unreadable("unknown-field", f"Không có trường «{found(name)}»")
            called[STRAY] = found(name)
        elif key in called:
            cells[key] = Unreadable("field-twice", f"«{called[key]}» và «{found(name)}» là một trường")
        else:
            nested = isinstance(value, list | dict)
            cells[key] = (
                Unreadable("not-a-value", "Phải là một giá trị, tìm thấy danh sách hay đối tượng") if nested else value
            )
            called[key] = name
    return cells, called


# ------------------------------------------------------------------------------------------------ cells
def found(cell: object) -> str:
    """A cell as a message may quote it, cut where it is long."""
    if isinstance(cell, datetime | date):
        return cell.strftime("%d/%m/%Y")
    text = "".join(sign if sign.isprintable() else "?" for sign in str(cell))
    return text if len(text) <= 60 else text[:57] + "..."


def written(cell: object) -> str:
    """A cell as somebody would type it, whole; empty for one that is empty or cannot be known."""
    if cell is None or isinstance(cell, Unreadable):
        return ""
    if isinstance(cell, datetime | date):
        return cell.strftime("%d/%m/%Y")
    return f"{cell:.15g}" if isinstance(cell, float) and math.isfinite(cell) else str(cell)


def _text(cell: object, most: int) -> str:
    """Text in NFC with single spaces; a whole number is what somebody typed without thinking of its type."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise _Fault("not-text", f"Phải là chữ, tìm thấy «{found(cell)}»")
    text = " ".join(unicodedata.normalize("NFC", str(cell)).split())
    # Control signs, halves of surrogate pairs and unassigned code points are damage, not text.
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Cn") for sign in text):
        raise _Fault("not-text", f"Có ký tự không đọc được: «{found(text)}»")
    if len(text) > most:
        raise _Fault("too-long", f"Dài {len(text)} ký tự, nhiều nhất {most}")
    return text


def _digits(cell: object, *, zeros_to: int) -> str:
    """A number column of a spreadsheet loses its leading zeros; only there are they put back."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        text = _text(cell, 40)
        return text.zfill(zeros_to) if zeros_to - 2 < len(text) < zeros_to else text
    return _text(cell, 40)


def _dossier_code(cell: object) -> str:
    code = _text(cell, identifiers.MOST_DOSSIER_CODE)
    if not identifiers.dossier_key(code):
        raise _Fault("not-a-code", f"Mã hồ sơ phải có chữ hoặc số, tìm thấy «{found(code)}»")
    return code


def _agency(cell: object, words: Vocabulary) -> str:
    code = words.agencies.get(key_of(_text(cell, 120)))
    if code is None:
        raise _Fault("unknown-agency", f"Không có cơ quan «{found(cell)}» trong danh mục")
    return code


def _document_type(cell: object, words: Vocabulary) -> str:
    key = key_of(_text(cell, 120))
    if key in words.closed_types:
        raise _Fault("closed-document-type", f"Không nhận «{found(cell)}»: {words.closed_types[key]}")
    code = words.document_types.get(key)
    if code is None:
        raise _Fault("unknown-document-type", f"Không có loại giấy tờ «{found(cell)}» trong danh mục")
    return code


def _name(cell: object) -> str:
    name = _text(cell, 120)
    if not any(sign.isalpha() for sign in name):
        raise _Fault("not-a-name", f"Họ tên phải có chữ, tìm thấy «{found(name)}»")
    return name


def _id_number(cell: object, day: date) -> str:
    try:
        text = _digits(cell, zeros_to=12)
    except _Fault as fault:
        raise _Fault(fault.code, "Số CCCD phải là 12 chữ số") from fault
    return identifiers.id_number(text, on=day)


_GROUPED: Final = re.compile(r"\d{1,3}(?:([., ])\d{3})(?:\1\d{3})*|\d+")
_DONG: Final = re.compile(r"\s*(?:đồng|đ|vnđ|vnd|dong|d|₫)\.?$")


def _amount(cell: object) -> Dong:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        raise _Fault("not-an-amount", f"Phải là số tiền, tìm thấy «{found(cell)}»")
    if isinstance(cell, str):
        cell = _amount_in(cell)
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise _Fault("not-an-amount", f"Phải là số tiền, tìm thấy «{found(cell)}»")
        if not cell.is_integer():
            raise _Fault("fraction-of-a-dong", f"Số tiền phải là đồng chẵn, tìm thấy {found(cell)}")
        cell = int(cell)
    if cell < 0:
        raise _Fault("negative-amount", f"Số tiền không được âm, tìm thấy {found(cell)}")
    if cell > MOST_DONG:
        raise _Fault("amount-too-large", f"Số tiền quá lớn: {cell:.3g} đồng" if cell < 10**300 else "Số tiền quá lớn")
    return Dong(cell)


def _amount_in(written: str) -> int | float:
    text = _DONG.sub("", " ".join(unicodedata.normalize("NFC", written).casefold().split()))
    sign = 1
    if text.startswith(("-", "−")) or (text.startswith("(") and text.endswith(")")):
        sign, text = -1, text.strip("-−() ")
    if text.isascii() and _GROUPED.fullmatch(text):
        digits = re.sub(r"[., ]", "", text)
        return sign * int(digits) if len(digits) < 400 else math.inf
    if text.isascii() and re.fullmatch(r"[\d.,]*\d[.,]\d+", text):
        raise _Fault("fraction-of-a-dong", f"Số tiền phải là đồng chẵn, tìm thấy «{found(written)}»")
    raise _Fault("not-an-amount", f"Phải là số tiền, tìm thấy «{found(written)}»")


_DAY_FORMS: Final = (
    re.compile(r"(?P<d>\d{1,2})[/.\-](?P<m>\d{1,2})[/.\-](?P<y>\d{4})"),
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:[T ]00:00(?::00)?)?"),
)


def _deadline(cell: object, today: date) -> date:
    day = _day(cell)
    if day < today:
        raise _Fault("past-date", f"Hạn phát {found(day)} đã qua (hôm nay {found(today)})")
    return day


def _day(cell: object) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, str):
        for form in _DAY_FORMS:
            match = form.fullmatch(cell.strip())
            if match and match[0].isascii():
                try:
                    return date(int(match["y"]), int(match["m"]), int(match["d"]))
                except ValueError:
                    break
    raise _Fault("not-a-date", f"Phải là ngày dạng dd/mm/yyyy, tìm thấy «{found(cell)}»")


_CLOCK: Final = r"(\d{1,2})\s*(?:(?:[:h]|gio)\s*(\d{2})?)?"
_SPAN: Final = re.compile(rf"(?:tu )?{_CLOCK}\s*(?:-|–|—|den|toi)\s*{_CLOCK}")
_AFTER: Final = re.compile(rf"(?:sau|tu) {_CLOCK}")
_BEFORE: Final = re.compile(rf"truoc {_CLOCK}")


def _window(cell: object, words: Vocabulary) -> tuple[int, int]:
    if isinstance(cell, time) or not isinstance(cell, str):
        raise _Fault("not-a-window", f"Giờ hẹn phải là khoảng như 7:30-11:30, tìm thấy «{found(cell)}»")
    text = fold(cell)
    if span := words.parts_of_day.get(key_of(text)):
        return span
    earliest, latest = words.visits
    if not text.isascii() and not _SPAN.fullmatch(text):
        raise _Fault("not-a-window", f"Không hiểu giờ hẹn «{found(cell)}»")
    if match := _SPAN.fullmatch(text):
        start, end = _clock(match[1], match[2], cell), _clock(match[3], match[4], cell)
    elif match := _AFTER.fullmatch(text):
        start, end = _clock(match[1], match[2], cell), latest
    elif match := _BEFORE.fullmatch(text):
        start, end = earliest, _clock(match[1], match[2], cell)
    else:
        raise _Fault("not-a-window", f"Không hiểu giờ hẹn «{found(cell)}»; viết như 7:30-11:30, sáng, chiều, sau 17h")
    if not earliest <= start < end <= latest:
        span_words = f"{earliest // 3600}:00-{latest // 3600}:00"
        raise _Fault("window-out-of-hours", f"Giờ hẹn «{found(cell)}» phải nằm trong {span_words} và đi tới")
    return start, end


def _clock(hours: str, minutes: str | None, cell: object) -> int:
    seconds = int(hours) * 3600 + int(minutes or 0) * 60
    if int(minutes or 0) >= 60 or seconds > 86_400:
        raise _Fault("not-a-window", f"Không có giờ như trong «{found(cell)}»")
    return seconds
