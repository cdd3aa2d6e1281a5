"""An office to bring bags into: the three offices and all agencies of `data/`, one person per role, and sheets to send."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from openpyxl import Workbook
from sqlalchemy import func, select

from courier.desk import Desk
from courier.domain.people import Caller, Role
from courier.facts import Facts
from courier.gazetteer import Gazetteer
from courier.settings import ROOT, Secrets, Settings
from courier.store.jobs import Jobs
from courier.store.session import Database
from courier.store.tables import Agency, Item, LedgerEntry, Office, Staff, Table

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # Monday 08:00 in Viet Nam
FACTS = Facts.load(ROOT / "data")
GAZETTEER = Gazetteer.load(ROOT / "data" / "gazetteer")

VI = {
    "barcode": "Mã bưu gửi",
    "dossier_code": "Mã hồ sơ",
    "agency": "Cơ quan",
    "document_type": "Loại giấy tờ",
    "name": "Họ tên",
    "phone": "Số điện thoại",
    "id_number": "Số CCCD",
    "address": "Địa chỉ",
    "state_fee": "Phí, lệ phí",
    "fine": "Tiền phạt",
    "postage": "Cước",
    "deliver_by": "Hạn phát",
    "appointment": "Giờ hẹn",
    "note": "Ghi chú",
}


def a_row(number: int = 1, **changes: object) -> dict[str, object]:
    """A good row, different for every number; `changes` by key."""
    row: dict[str, object] = {
        "barcode": f"BUUTA-{number:06d}",
        "dossier_code": f"H12.11-261111-{number:04d}",
        "agency": "PC08",
        "document_type": "Giấy phép lái xe",
        "name": "Nguyễn Văn Mẫu",
        "phone": "0599000001",
        "id_number": "096088000001",
        "address": "Ấp 11, xã Khánh An, huyện U Minh, tỉnh Cà Mau",
        "state_fee": 135_000,
        "fine": None,
        "postage": 30_000,
        "deliver_by": "30/11/2026",
        "appointment": None,
        "note": None,
    }
    return row | changes


def a_sheet(
    rows: Iterable[dict[str, object]], *, above: Iterable[list[object]] = (), change=lambda sheet: None
) -> bytes:
    """An .xlsx with the Vietnamese headings; `above` are lines before them, `change` touches the sheet before it is saved."""
    book = Workbook()
    sheet = book.active
    for line in above:
        sheet.append(line)
    sheet.append(list(VI.values()))
    for row in rows:
        sheet.append([row.get(key) for key in VI])
    change(sheet)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def a_csv(rows: Iterable[dict[str, object]], *, divider: str = ",", encoding: str = "utf-8") -> bytes:
    """The same as .csv."""
    lines = [list(VI.values()), *([row.get(key) for key in VI] for row in rows)]
    quoted = [
        divider.join('"{}"'.format(str("" if cell is None else cell).replace('"', '""')) for cell in line)
        for line in lines
    ]
    return "\r\n".join(quoted).encode(encoding)


@dataclass
class House:
    """A desk on a database with offices, agencies and callers; `office` and `agency` give ids by code."""

    desk: Desk
    office: dict[str, UUID] = field(default_factory=dict)
    agency: dict[str, UUID] = field(default_factory=dict)
    callers: dict[str, Caller] = field(default_factory=dict)

    def caller(self, role: Role, *, office: str | None = None, agency: str | None = None) -> Caller:
        """Somebody of a role, made at the first call."""
        login = "-".join(word for word in (role.value, office, agency) if word).lower()
        if login not in self.callers:
            staff_id = uuid4()
            office_id = self.office[office] if office else None
            agency_id = self.agency[agency] if agency else None
            with self.desk.database.write() as session:
                session.add(
                    Staff(
                        id=staff_id,
                        login=login,
                        name=login,
                        role=role.value,
                        office_id=office_id,
                        agency_id=agency_id,
                        password_hash="-",
                        created_at=NOW,
                    )
                )
            self.callers[login] = Caller(staff_id, role, login, office_id, agency_id)
        return self.callers[login]

    @property
    def dispatcher(self) -> Caller:
        return self.caller(Role.DISPATCHER, office="U-MINH")

    def count(self, table: type[Table]) -> int:
        with self.desk.database.read() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def counts(self) -> dict[str, int]:
        """How many rows every table holds."""
        with self.desk.database.read() as session:
            return {
                table.name: session.scalar(select(func.count()).select_from(table)) or 0
                for table in Table.metadata.sorted_tables
            }

    def items(self) -> dict[str, Item]:
        """All items by barcode."""
        with self.desk.database.read() as session:
            return {item.barcode: item for item in session.scalars(select(Item))}

    def ledger(self) -> dict[str, int]:
        """Balances summed by the kind of account: the word before the first colon, the payee for what is due."""
        totals: dict[str, int] = {}
        with self.desk.database.read() as session:
            for account, amount in session.execute(select(LedgerEntry.account, LedgerEntry.amount_dong)):
                name = account if account.startswith("due:") else account.split(":")[0]
                totals[name] = totals.get(name, 0) + amount
        return totals


def settings_for(database: Database, folder: Path) -> Settings:
    """Settings around a database of a test."""
    key = bytes(range(32))
    return Settings(
        database_url=database.url.render_as_string(hide_password=False),
        var_dir=folder,
        data_dir=ROOT / "data",
        base_url="http://127.0.0.1:8000",
        demo=True,
        secure_cookies=False,
        trusted_proxies=0,
        solve_seconds=1.0,
        secrets=Secrets(id_number_key=key, blind_index_key=key, link_key=key, form_key=key),
    )


def open_house(database: Database, folder: Path) -> House:
    """Offices and agencies of `data/` in an empty database."""
    desk = Desk(
        database=database,
        settings=settings_for(database, folder),
        facts=FACTS,
        gazetteer=GAZETTEER,
        jobs=Jobs(database),
    )
    house = House(desk)
    with database.write() as session:
        for fact in FACTS.offices.values():
            house.office[fact.code] = uuid4()
            session.add(
                Office(
                    id=house.office[fact.code],
                    code=fact.code,
                    name=fact.name,
                    kind=fact.kind,
                    lat=fact.lat,
                    lon=fact.lon,
                    commune_code=fact.commune_code,
                    communes=list(fact.serves),
                    parent_id=house.office[fact.parent] if fact.parent else None,
                )
            )
            session.flush()
        for agency in FACTS.agencies.values():
            house.agency[agency.code] = uuid4()
            session.add(Agency(id=house.agency[agency.code], code=agency.code, name=agency.name))
    return house
