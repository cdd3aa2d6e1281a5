"""New or known: sorts the rows of a list into new items and verdicts, against the books and against the rows before."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain import bag_list
from courier.domain.bag_list import Entry, Reading
from courier.domain.errors import FieldError
from courier.domain.money import ChargeKind
from courier.domain.people import Caller, Role
from courier.intake.places import ADDRESS, Placed
from courier.intake.words import rules_of
from courier.store import intake as books
from courier.store import sealing
from courier.store.intake import AgencyRow, Known, NewCharge, NewItem, Verdict


class Sorter:
    """Sorts the rows of a list into new items and verdicts, against the books and against the rows before."""

    def __init__(
        self, desk: Desk, caller: Caller, agencies: Mapping[str, AgencyRow], placed: Mapping[int, Placed], day: date
    ) -> None:
        self.desk = desk
        self.caller = caller
        self.agencies = agencies
        self.placed = placed
        self.day = day
        self.rules = rules_of(desk.settings.data_dir)
        self.earlier: dict[str, int] = {}
        self.earlier_dossiers: dict[tuple[str, str], int] = {}
        self.entries: dict[int, Entry] = {}
        self.priorities: dict[date, int] = {}

    def sort(self, session: Session, readings: Sequence[Reading]) -> tuple[list[NewItem], list[Verdict]]:
        """What is new, and a verdict for every row."""
        known = books.known_items(
            session,
            barcodes={reading.barcode for reading in readings if reading.barcode},
            dossiers={reading.dossier for reading in readings if reading.dossier},
        )
        by_barcode = {item.barcode: item for item in known}
        by_dossier = {item.dossier: item for item in known}
        new: list[NewItem] = []
        verdicts: list[Verdict] = []
        for reading in readings:
            item = by_barcode.get(reading.barcode or "") or (
                by_dossier.get(reading.dossier) if reading.dossier else None
            )
            verdict = self._in_books(reading, item) if item else self._in_list(reading)
            if verdict is None:
                verdict, fresh = self._fresh(reading)
                if fresh is not None:
                    new.append(fresh)
                    self._remember(reading)
            verdicts.append(verdict)
        return new, verdicts

    def _remember(self, reading: Reading) -> None:
        if reading.entry is not None:
            self.earlier[reading.entry.barcode] = reading.row
            self.earlier_dossiers[reading.entry.dossier] = reading.row
            self.entries[reading.row] = reading.entry

    def _in_books(self, reading: Reading, item: Known) -> Verdict:
        entry = reading.entry
        differ = _differences(entry, item, self._digest) if entry else ()
        sentence = "đã có trong sổ"
        return self._duplicate(
            reading, same_barcode=item.barcode == reading.barcode, where=sentence, differ=differ, item=item
        )

    def _in_list(self, reading: Reading) -> Verdict | None:
        by_barcode = self.earlier.get(reading.barcode or "")
        row = by_barcode or (self.earlier_dossiers.get(reading.dossier) if reading.dossier else None)
        if row is None:
            return None
        before, entry = self.entries[row], reading.entry
        differ = _differences_between(entry, before) if entry else ()
        return self._duplicate(
            reading, same_barcode=by_barcode is not None, where=f"đã có ở dòng {row}", differ=differ, item=None
        )

    def _duplicate(
        self, reading: Reading, *, same_barcode: bool, where: str, differ: Sequence[str], item: Known | None
    ) -> Verdict:
        field = "Mã bưu gửi" if same_barcode else "Mã hồ sơ"
        value = reading.barcode if same_barcode else (reading.dossier or ("", ""))[1]
        if differ:
            error = FieldError(
                field,
                "duplicate-different",
                f"{field} «{value}» {where} với nội dung khác ở {', '.join(differ)}; dòng này không được ghi",
            )
        else:
            error = FieldError(field, "duplicate", f"{field} «{value}» {where}")
        # What belongs to somebody else is not pointed at, not even by its id.
        seen = item is not None and (
            self.caller.role is Role.ADMIN
            or item.office_id == self.caller.office_id
            or (self.caller.agency_id is not None and item.agency_id == self.caller.agency_id)
        )
        return Verdict(
            row=reading.row,
            outcome="duplicate",
            errors=_stored((error, *reading.faults)),
            item_id=item.item_id if item and seen else None,
        )

    def _fresh(self, reading: Reading) -> tuple[Verdict, NewItem | None]:
        entry = reading.entry
        if entry is None:
            return Verdict(row=reading.row, outcome="rejected", errors=_stored(reading.faults)), None
        placed = self.placed[entry.row]
        if placed.office is None:
            sentence = (
                f"Không biết bưu cục nào phát; hãy ghi rõ xã, phường. Địa chỉ ghi: «{bag_list.found(entry.address)}»"
            )
            error = FieldError(ADDRESS, "no-office", sentence)
            return Verdict(row=reading.row, outcome="rejected", errors=_stored((error,))), None
        item = NewItem(
            row=entry.row,
            barcode=entry.barcode,
            dossier_code=entry.dossier_code,
            dossier_key=entry.dossier[1],
            agency_id=self.agencies[entry.agency].id,
            office_id=placed.office.id,
            document_type=entry.document_type,
            name=entry.name,
            phone=entry.phone,
            id_number=entry.id_number,
            subject=self.desk.facts.bylaws.subject(entry.id_number, on=self.day),
            address=entry.address,
            place=placed.place,
            charges=self._charges(entry),
            deliver_by=entry.deliver_by,
            window=entry.window,
            priority=self._priority(entry.deliver_by),
            note=entry.note,
        )
        if placed.doubt is not None:
            return Verdict(row=entry.row, outcome="doubtful", errors=_stored((placed.doubt,))), item
        return Verdict(row=entry.row, outcome="accepted"), item

    def _charges(self, entry: Entry) -> list[NewCharge]:
        payees = {
            ChargeKind.STATE_FEE: f"agency:{entry.agency}",
            ChargeKind.FINE: "treasury",
            ChargeKind.POSTAGE: "post",
        }
        return [
            NewCharge(
                due.kind,
                payees[due.kind],
                due.amount_dong,
                # The amount comes from the agency; a tariff row that says the same, and is sure of it, confirms it.
                verified=any(
                    row.verified
                    and (row.document_type, row.kind, row.amount_dong)
                    == (entry.document_type, due.kind, due.amount_dong)
                    and row.valid_from <= self.day
                    and (row.valid_to is None or self.day <= row.valid_to)
                    for row in self.desk.facts.tariffs
                ),
            )
            for due in entry.dues
        ]

    def _priority(self, deliver_by: date | None) -> int:
        if deliver_by is None:
            return self.rules.priority_without_deadline
        if deliver_by not in self.priorities:
            self.priorities[deliver_by] = self._priority_by(deliver_by)
        return self.priorities[deliver_by]

    def _priority_by(self, deliver_by: date) -> int:
        calendar = self.desk.facts.bylaws.calendar
        for days, priority in self.rules.priorities:
            if deliver_by <= calendar.add_working_days(self.day, days):
                return priority
        return self.rules.priority_later

    def _digest(self, id_number: str) -> str:
        return sealing.blind_index(id_number, secrets=self.desk.settings.secrets)


def _stored(errors: Iterable[FieldError]) -> list[Mapping[str, str]]:
    return [{"field": error.field, "code": error.code, "message": error.message} for error in errors]


def _differences(entry: Entry, item: Known, digest: Callable[[str], str]) -> list[str]:
    pairs: tuple[tuple[str, object, object], ...] = (
        ("Mã bưu gửi", entry.barcode, item.barcode),
        ("Mã hồ sơ", entry.dossier, item.dossier),
        ("Loại giấy tờ", entry.document_type, item.document_type),
        ("Họ tên", entry.name, item.name),
        ("Số điện thoại", entry.phone, item.phone),
        ("Số CCCD", entry.id_number and digest(entry.id_number), item.id_number),
        (ADDRESS, entry.address, item.address),
        ("Số tiền", {due.kind.value: due.amount_dong for due in entry.dues}, dict(item.dues)),
        ("Hạn phát", entry.deliver_by, item.deliver_by),
        ("Ghi chú", entry.note, item.note),
    )
    return [name for name, here, there in pairs if here != there]


def _differences_between(entry: Entry, before: Entry) -> list[str]:
    names = {heading.key: heading.vi for heading in bag_list.HEADINGS} | {"dues": "Số tiền", "window": "Giờ hẹn"}
    return [name for key, name in names.items() if hasattr(entry, key) and getattr(entry, key) != getattr(before, key)]
