"""The demo's bag lists: spreadsheets like those that agencies send, with all that people write into them.

Old and new forms of addresses, abbreviations, missing marks, misspellings, rows twice, rows that cannot be right and places
nobody can find. The same day, seed and office give the same bytes.
"""

import io
import random
import re
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font

from courier.demo.town import Household, households
from courier.domain.bag_list import HEADINGS
from courier.domain.identifiers import s10_check_digit
from courier.domain.money import ChargeKind
from courier.facts import Facts
from courier.gazetteer import Gazetteer

DOORS = 88  # a day, of one office
_EPOCH = date(2020, 1, 1)
_HOPELESS = ("nhà gần cầu, hỏi anh Út", "đối diện trường học", "Ấp 7", "không rõ", "cuối con kênh, bên kia sông")
_FINES = (750_000, 1_250_000, 2_500_000, 5_000_000)
_KINDS = (
    ("giay_phep_lai_xe", "default", 26),
    ("the_can_cuoc", "change", 24),
    ("giay_dang_ky_xe", "default", 10),
    ("giay_chung_nhan_qsdd", "default", 9),
    ("phieu_ly_lich_tu_phap_so_1", "default", 7),
    ("so_bao_hiem_xa_hoi", "default", 7),
    ("the_bao_hiem_y_te", "default", 6),
    ("xac_nhan_cu_tru", "default", 5),
    ("giay_to_tam_giu_gplx", "default", 4),
    ("giay_to_tam_giu_dkx", "default", 2),
)
_APPOINTMENTS = ("sáng", "chiều", "7:30-11:30", "13h30 - 16h30", "sau 15h", "trước 10h")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a bag list, and the household it is for; None where nobody can say."""

    cells: dict[str, object]
    household: Household | None


def make_lines(
    day: date, seed: int, facts: Facts, gazetteer: Gazetteer, *, office: str, deliver_by: Callable[[int], date]
) -> list[Line]:
    """The rows of one office's list; `deliver_by(n)` is the n-th delivery day from `day` on, which is the 0th."""
    number = sorted(code for code, fact in facts.offices.items() if fact.parent is None).index(office)
    town = households(gazetteer, facts.offices[office].serves, office=number, seed=seed)
    chance = random.Random(f"day:{day.isoformat()}:{seed}:{office}")  # noqa: S311 (a play, not a secret)
    maker = _Rows(chance, day, facts, number, deliver_by)
    lines: list[Line] = []
    for household in chance.sample(town, DOORS):
        lines += [maker.line(household) for _ in range(chance.choice((1, 1, 1, 1, 1, 1, 2, 2, 2, 3)))]
    split = [
        old for old in gazetteer.old_communes() if old.split and set(old.successors) & set(facts.offices[office].serves)
    ]
    asked = [f"Ấp {chance.randint(1, 15)}, xã {old.name}, huyện {old.district}" for old in chance.sample(split, 1)]
    lines += [maker.line(chance.choice(town), address=text) for text in (*asked, *chance.sample(_HOPELESS, 2))]
    chance.shuffle(lines)
    lines += [Line(dict(line.cells), line.household) for line in chance.sample(lines, 3)]
    lines += [maker.wrong(chance.choice(town), fault) for fault in ("closed", "negative", "phone")]
    return lines


def make_sheet(
    day: date, seed: int, facts: Facts, gazetteer: Gazetteer, *, office: str, deliver_by: Callable[[int], date]
) -> bytes:
    """The list of `make_lines` as .xlsx; equal arguments give equal bytes."""
    lines = make_lines(day, seed, facts, gazetteer, office=office, deliver_by=deliver_by)
    return _written(day, facts.offices[office].name, lines)


class _Rows:
    """Makes rows, numbered through."""

    def __init__(
        self, chance: random.Random, day: date, facts: Facts, office: int, deliver_by: Callable[[int], date]
    ) -> None:
        self.chance = chance
        self.day = day
        self.facts = facts
        self.office = office
        self.deliver_by = deliver_by
        self.count = 0

    def line(self, household: Household, *, address: str | None = None) -> Line:
        """A row that somebody filled in with ordinary care."""
        chance = self.chance
        self.count += 1
        kinds = [kind for kind in _KINDS if self.facts.bylaws.document_types[kind[0]].open_on(self.day)]
        code, case, _ = chance.choices(kinds, weights=[weight for _, _, weight in kinds])[0]
        kind = self.facts.bylaws.document_types[code]
        person = chance.choice(household.people)
        agency = self.facts.agencies[kind.agencies[0]]
        due = self._due(code, case)
        cells: dict[str, object] = {
            "barcode": self._barcode(),
            "dossier_code": f"H12.{11 + self.office}-{self.day:%y%m%d}-{self.count:04d}",
            "agency": chance.choice((agency.code, agency.code, agency.name)),
            "document_type": chance.choice((kind.name_vi, kind.name_vi, *kind.aliases[:2])),
            "name": chance.choice((person.name, person.name, person.name.upper())),
            "phone": chance.choice((household.phone, household.phone, _spaced(household.phone), None)),
            "id_number": person.id_number if chance.random() < 0.7 else None,
            "address": address or _address(chance, household),
            **{key: self._amount(dong) for key, dong in due.items()},
            "deliver_by": self._deadline(),
            "appointment": chance.choice(_APPOINTMENTS) if chance.random() < 0.1 else None,
            "note": chance.choice((None,) * 12 + ("gọi trước khi đến", "nhà có chó", "gửi người nhà nếu vắng")),
        }
        return Line(cells, None if address else household)

    def wrong(self, household: Household, fault: str) -> Line:
        """A row that cannot be right."""
        cells = self.line(household).cells
        if fault == "closed":
            cells["document_type"] = "CMND"
        elif fault == "negative":
            cells["state_fee"] = "-135.000"
        else:
            cells["phone"] = "0120 123 4567"
        return Line(cells, None)

    def _barcode(self) -> str:
        serial = f"{(self.day - _EPOCH).days % 10_000:04d}{self.office}{self.count:03d}"
        return f"RB{serial}{s10_check_digit(serial)}VN"

    def _due(self, code: str, case: str) -> dict[str, int]:
        due: dict[str, int] = {}
        for kind in ChargeKind:
            row = self.facts.tariff(code, kind, self.day, case=case) or self.facts.tariff(code, kind, self.day)
            if row is None or row.payer != "recipient":
                continue
            dong = self.chance.choice(_FINES) if kind is ChargeKind.FINE else row.amount_dong
            prepaid = kind is ChargeKind.STATE_FEE and self.chance.random() < 0.35
            if dong and not prepaid:
                due[kind.value] = dong
        return due

    def _amount(self, dong: int) -> object:
        dotted = f"{dong:,}".replace(",", ".")
        return self.chance.choice((dong, dong, dong, dotted, f"{dotted} đ"))

    def _deadline(self) -> object:
        if self.chance.random() < 0.15:
            return None
        day = self.deliver_by(self.chance.choice((0, 0, 1, 1, 1, 2, 2, 3, 4)))
        return self.chance.choice((day, day, f"{day:%d/%m/%Y}"))


# ------------------------------------------------------------------------------------------------ how people write
def _spaced(phone: str) -> str:
    return f"{phone[:4]} {phone[4:7]} {phone[7:]}"


def _address(chance: random.Random, household: Household) -> str:
    place, old = household.commune, household.old
    new_form = f"{household.hamlet}, {place.full_name.lower().replace(place.name.lower(), place.name)}, tỉnh Cà Mau"
    if old is None:
        return new_form
    word = "thị trấn" if old.kind == "thi_tran" else "xã"
    old_form = f"{household.hamlet}, {word} {old.name}, huyện {old.district}, tỉnh Cà Mau"
    short = "TT." if old.kind == "thi_tran" else "X."
    forms = (
        (new_form, 30),
        (old_form, 30),
        (f"{household.hamlet}, {short}{old.name}, H.{old.district}, CM", 12),
        (_bare(old_form), 14),
        (_bare(new_form).upper(), 3),
        (_misspelt(chance, old_form, old.name), 8),
        (f"{household.hamlet}, {place.name}, Cà Mau", 3),
    )
    return chance.choices([form for form, _ in forms], weights=[weight for _, weight in forms])[0]


def _bare(text: str) -> str:
    stripped = "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))
    return stripped.replace("đ", "d").replace("Đ", "D")


def _misspelt(chance: random.Random, text: str, name: str) -> str:
    """One letter of the name left out, doubled or changed for its neighbour's."""
    at = chance.randrange(1, len(name))
    wrong = chance.choice((name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:]))
    return text.replace(name, wrong, 1)


# ------------------------------------------------------------------------------------------------ the file
def _written(day: date, office: str, lines: Sequence[Line]) -> bytes:
    book = Workbook()
    sheet = book.active
    sheet.title = "Bàn giao"
    width = len(HEADINGS) + 1
    sheet.append([f"DANH SÁCH KẾT QUẢ GIẢI QUYẾT THỦ TỤC HÀNH CHÍNH BÀN GIAO BƯU ĐIỆN NGÀY {day:%d/%m/%Y}"])
    sheet.append([f"Nơi nhận: {office}. Dữ liệu trình diễn, mọi tên người và số đều là bịa."])
    for above in (1, 2):
        sheet.merge_cells(start_row=above, start_column=1, end_row=above, end_column=width)
        sheet.cell(above, 1).font = Font(bold=above == 1)
    sheet.append(["STT", *(heading.vi for heading in HEADINGS)])
    for column in range(1, width + 1):
        top = sheet.cell(3, column)
        top.font, top.alignment = Font(bold=True), Alignment(wrap_text=True)
        sheet.column_dimensions[top.column_letter].width = (
            48 if column > 1 and HEADINGS[column - 2].key == "address" else 18
        )
    sheet.column_dimensions["A"].width = 6
    for number, line in enumerate(lines, start=1):
        sheet.append([number, *(line.cells.get(heading.key) for heading in HEADINGS)])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, date):
                cell.number_format = "dd/mm/yyyy"
    sheet.freeze_panes = "A4"
    content = io.BytesIO()
    book.save(content)
    return _without_clock(content.getvalue(), day)


_STAMP = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")


def _without_clock(content: bytes, day: date) -> bytes:
    """The same workbook with the list's day in the place of the moment it was written."""
    stamp = f"{day.isoformat()}T00:00:00Z".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            data = old.read(part)
            if part.filename == "docProps/core.xml":
                data = _STAMP.sub(rb"\g<1>" + stamp + rb"\g<3>", data)
            fixed = zipfile.ZipInfo(part.filename, (day.year, day.month, day.day, 0, 0, 0))
            fixed.compress_type, fixed.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            new.writestr(fixed, data)
    return out.getvalue()
