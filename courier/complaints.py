"""Complaints (khiếu nại): taken in by link or at a desk, answered in words until the day the law sets, never lost sight of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.citizen_rights import Scope, Trouble, in_force
from courier.domain.errors import FieldError, Invalid, Missing, Refused, Stale
from courier.domain.item import FINAL, State
from courier.domain.money import MOST_DONG
from courier.domain.people import Caller, Role
from courier.outside import pictures as sent
from courier.store import audit, devices, items, pictures, plans
from courier.store.media import Shelf
from courier.store.tables import Complaint, EventOfItem, Incident, Item, ItemEvent, Office

MOST_WORDS: Final = 2000
MOST_PHOTO_BYTES: Final = sent.MOST_BYTES
OVERDUE: Final = "complaint-overdue"
PHOTO_SHOWN: Final = "complaint photo shown"
_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint as its readers see it. `number` is what a citizen reads out; `barcode` is the item's."""

    row: Complaint
    number: str
    office: str
    barcode: str
    is_overdue: bool


def file(
    desk: Desk,
    item_id: UUID,
    *,
    kind: Trouble,
    words: str,
    filed_by: Caller | None,
    at: datetime,
    photo: bytes | None = None,
) -> Case:
    """Take a complaint in; `filed_by` is who wrote it down for the citizen, None when he did. `photo` is an image file as sent.

    Raises:
        Invalid: no words, or too many.
        Missing: a desk may not file for that item.
        Refused: of the photo `not-a-picture`, `too-large`.
        Refused: `too-late` after the legal period, `too-many-complaints` where enough are open or were ever filed.
    """
    said = words.strip()
    if not said:
        raise Invalid(FieldError("text", "required", "Mời ghi điều ông/bà khiếu nại."))
    if len(said) > MOST_WORDS:
        raise Invalid(FieldError("text", "too-long", f"Tối đa {MOST_WORDS} chữ, nhận {len(said)}."))
    # Looked at before anybody waits for this transaction; put away only when the complaint is taken in.
    picture = pictures.sealed(sent.drawn_anew(photo), secrets=desk.settings.secrets) if photo else None
    with desk.database.write() as session:
        if filed_by is not None:
            devices.require_visible(session, filed_by, [item_id])
        # Two forms sent at once are counted one after the other.
        row = items.lock(session, [item_id])[0]
        today = local_day(at)
        rule = in_force(desk.facts.rights.complaints, today)
        last = rule.last_day(_ended_on(session, row))
        if last is not None and today > last:
            raise Refused(
                "complaint-too-late",
                f"Thời hạn khiếu nại là {rule.within_months} tháng, đến hết ngày {last:%d/%m/%Y}.",
            )
        known = list(session.scalars(select(Complaint).where(Complaint.item_id == item_id)))
        waiting = sum(one.answered_at is None for one in known)
        if waiting >= rule.most_open or len(known) >= rule.most_in_all:
            raise Refused(
                "too-many-complaints",
                f"Bưu gửi này đã có {waiting} khiếu nại đang giải quyết. Mời ông/bà chờ trả lời hoặc hỏi bưu cục.",
            )
        scope = _scope(desk, row)
        made = Complaint(
            id=uuid7(),
            office_id=row.office_id,
            item_id=item_id,
            year=today.year,
            number=_next_number(session, row.office_id, today.year),
            kind=kind.value,
            scope=scope.value,
            words=said,
            photo=picture.digest if picture else None,
            filed_at=at,
            filed_by=filed_by.id if filed_by else None,
            due_on=rule.due_on(today, scope, plans.calendar(session, desk.facts.bylaws)),
            version=1,
        )
        session.add(made)
        session.flush()
        if picture is not None:
            _shelf(desk).keep(picture.digest, picture.sealed)
        return _case(session, made, row, at=at)


def add_photo(desk: Desk, item_id: UUID, number: str, body: bytes, *, at: datetime) -> Case:
    """Put a picture to a complaint of an item that is still open and has none; for whoever proved that the item is his.

    Raises:
        Missing: the item has no complaint of that number.
        Refused: `already-answered`, `photo-there`; `not-a-picture`, `too-large`.
    """
    picture = pictures.sealed(sent.drawn_anew(body), secrets=desk.settings.secrets)
    with desk.database.write() as session:
        row = items.lock(session, [item_id])[0]
        about = select(Complaint).where(Complaint.item_id == item_id)
        cases = [_case(session, one, row, at=at) for one in session.scalars(about)]
        case = next((one for one in cases if one.number == number), None)
        if case is None:
            raise Missing("complaint", number)
        if case.row.answered_at is not None:
            raise Refused("already-answered", "Khiếu nại này đã được trả lời.")
        if case.row.photo not in (None, picture.digest):
            raise Refused("photo-there", "Khiếu nại này đã có ảnh.")
        case.row.photo = picture.digest
        session.flush()
        _shelf(desk).keep(picture.digest, picture.sealed)
        return case


def photo(desk: Desk, caller: Caller, complaint_id: UUID, *, at: datetime) -> bytes:
    """The picture of a complaint as JPEG, for who handles it. Every look is written down where its author can read it.

    Raises:
        Missing: the complaint is not there, or not for this caller.
        Refused: `no-photo`: none came with it.
    """
    with desk.database.read() as session:
        row = _one(session, caller, complaint_id, at=at).row
    body = pictures.shown(_shelf(desk), row.photo, secrets=desk.settings.secrets) if row.photo else None
    if body is None:
        raise Refused("no-photo", "Khiếu nại này không có ảnh.")
    office = {"office": str(caller.office_id)} if caller.office_id else {}
    with desk.database.write() as session:
        audit.note(session, caller, PHOTO_SHOWN, f"item:{row.item_id}", at=at, **office)
    return body


def _shelf(desk: Desk) -> Shelf:
    return Shelf(desk.settings.var_dir / "media")


def _ended_on(session: Session, row: Item) -> date | None:
    """The end of the transit: the promised day or that of the item's last act, whichever is later; None while it is under way."""
    if State(row.state) not in FINAL:
        return None
    last = session.scalar(
        select(func.max(ItemEvent.occurred_at))
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(EventOfItem.item_id == row.id)
    )
    ended = local_day(last or row.created_at)
    return max(ended, row.deliver_by) if row.deliver_by else ended


def _scope(desk: Desk, row: Item) -> Scope:
    """Inside the province unless the address is known to lie outside: where in doubt, the shorter time binds the post."""
    known = row.commune_code is None or row.commune_code in desk.facts.bylaws.commune_kinds
    return Scope.PROVINCE if known else Scope.BETWEEN


def _next_number(session: Session, office_id: UUID, year: int) -> int:
    session.execute(select(Office.id).where(Office.id == office_id).with_for_update())
    last = session.scalar(
        select(func.max(Complaint.number)).where(Complaint.office_id == office_id, Complaint.year == year)
    )
    return (last or 0) + 1


def _case(session: Session, row: Complaint, item: Item, *, at: datetime) -> Case:
    office = session.get_one(Office, row.office_id)
    return _told(row, office, item.barcode, local_day(at))


def _told(row: Complaint, office: Office, barcode: str, today: date) -> Case:
    number = f"KN-{office.code}-{row.year}-{row.number:04d}"
    return Case(row, number, office.name, barcode, is_overdue=row.answered_at is None and row.due_on < today)


def of_item(desk: Desk, item_id: UUID, *, at: datetime) -> list[Case]:
    """The complaints about an item, the newest first; for whoever may see the item."""
    with desk.database.read() as session:
        return _cases(session, at, Complaint.item_id == item_id, newest_first=True)


def queue(desk: Desk, caller: Caller, *, answered: bool = False, at: datetime) -> list[Case]:
    """The office's complaints (all for an admin): open ones by the day they are due, or the last that were answered."""
    wanted: list[ColumnElement[bool]] = [
        Complaint.answered_at.is_not(None) if answered else Complaint.answered_at.is_(None)
    ]
    if caller.role is not Role.ADMIN:
        wanted.append(Complaint.office_id == caller.office_id)
    with desk.database.read() as session:
        return _cases(session, at, *wanted, newest_first=answered)


def _cases(session: Session, at: datetime, *wanted: ColumnElement[bool], newest_first: bool) -> list[Case]:
    order = (Complaint.filed_at.desc(),) if newest_first else (Complaint.due_on, Complaint.filed_at)
    rows = session.execute(
        select(Complaint, Office, Item.barcode)
        .join(Office, Office.id == Complaint.office_id)
        .join(Item, Item.id == Complaint.item_id)
        .where(*wanted)
        .order_by(*order, Complaint.id)
        .limit(_MOST)
    ).all()
    today = local_day(at)
    return [_told(row, office, barcode, today) for row, office, barcode in rows]


def get(desk: Desk, caller: Caller, complaint_id: UUID, *, at: datetime) -> Case:
    """One complaint of the caller's office.

    Raises:
        Missing: it is not there, or not for this caller.
    """
    with desk.database.read() as session:
        return _one(session, caller, complaint_id, at=at)


def _one(session: Session, caller: Caller, complaint_id: UUID, *, at: datetime) -> Case:
    row = session.get(Complaint, complaint_id)
    if row is None or (caller.role is not Role.ADMIN and row.office_id != caller.office_id):
        raise Missing("complaint", complaint_id)
    return _case(session, row, session.get_one(Item, row.item_id), at=at)


def answer(
    desk: Desk,
    caller: Caller,
    complaint_id: UUID,
    *,
    words: str,
    compensation_dong: int | None,
    version: int,
    at: datetime,
) -> Case:
    """Settle a complaint in words the citizen reads; a compensation is recorded as decided, no money moves here.

    Raises:
        Missing: it is not there, or not for this caller.
        Invalid: no words, too many, or an amount that makes no sense.
        Refused: `already-answered`.
        Stale: somebody changed it since.
    """
    said = words.strip()
    if not said:
        raise Invalid(FieldError("answer", "required", "Mời ghi nội dung trả lời."))
    if len(said) > MOST_WORDS:
        raise Invalid(FieldError("answer", "too-long", f"Tối đa {MOST_WORDS} chữ, nhận {len(said)}."))
    if compensation_dong is not None and not 0 <= compensation_dong <= MOST_DONG:
        raise Invalid(FieldError("compensation_dong", "out-of-range", f"Số tiền không hợp lệ: {compensation_dong}."))
    with desk.database.write() as session:
        row = session.scalar(select(Complaint).where(Complaint.id == complaint_id).with_for_update())
        if row is None or (caller.role is not Role.ADMIN and row.office_id != caller.office_id):
            raise Missing("complaint", complaint_id)
        if row.answered_at is not None:
            raise Refused("already-answered", "Khiếu nại này đã được trả lời.")
        if row.version != version:
            raise Stale("complaint", expected=version, found=row.version)
        row.answer, row.answered_at, row.answered_by = said, at, caller.id
        row.compensation_dong = compensation_dong or None
        row.version += 1
        told = Incident.code == OVERDUE, Incident.item_id == row.item_id, Incident.closed_at.is_(None)
        if not _others_overdue(session, row, at=at):
            for incident in session.scalars(select(Incident).where(*told)):
                incident.closed_at, incident.closed_by = at, caller.id
                incident.resolution = "Khiếu nại đã được trả lời."
        audit.note(session, caller, "complaint answered", f"complaint:{row.id}", at=at)
        session.flush()
        return _one(session, caller, complaint_id, at=at)


def _others_overdue(session: Session, row: Complaint, *, at: datetime) -> bool:
    other = select(Complaint.id).where(
        Complaint.item_id == row.item_id,
        Complaint.id != row.id,
        Complaint.answered_at.is_(None),
        Complaint.due_on < local_day(at),
    )
    return session.scalar(other.limit(1)) is not None


def escalate(session: Session, *, at: datetime) -> int:
    """Tell the admin of every complaint whose day has passed without an answer, once each; how many there were."""
    late = session.execute(
        select(Complaint, Item.barcode, Office)
        .join(Item, Item.id == Complaint.item_id)
        .join(Office, Office.id == Complaint.office_id)
        .where(Complaint.answered_at.is_(None), Complaint.escalated_at.is_(None), Complaint.due_on < local_day(at))
        .order_by(Complaint.due_on, Complaint.id)
        .with_for_update(of=Complaint)
    ).all()
    for row, barcode, office in late:
        number = _told(row, office, barcode, local_day(at)).number
        session.add(
            Incident(
                id=uuid7(),
                office_id=row.office_id,
                code=OVERDUE,
                sentence=f"Khiếu nại {number} về bưu gửi {barcode} quá hạn trả lời ngày {row.due_on:%d/%m/%Y}.",
                item_id=row.item_id,
                event_id=None,
                postman_id=None,
                day=local_day(at),
                about_money=False,
                owner_role=Role.ADMIN.value,
                opened_at=at,
            )
        )
        row.escalated_at = at
    return len(late)


def counts(desk: Desk, caller: Caller, *, at: datetime) -> Mapping[str, int]:
    """How many complaints are open and how many of these are overdue, in the caller's office."""
    late = func.count().filter(Complaint.due_on < local_day(at))
    query = select(func.count(), late).select_from(Complaint).where(Complaint.answered_at.is_(None))
    if caller.role is not Role.ADMIN:
        query = query.where(Complaint.office_id == caller.office_id)
    with desk.database.read() as session:
        waiting, overdue = session.execute(query).one()
    return {"open": waiting, "overdue": overdue}
