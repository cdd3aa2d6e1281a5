"""Where is the paper: items as staff search them and as citizens follow them, and what citizens may change."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.attempts import AttemptRule
from courier.domain.calendar import at_local, local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import Direction, EventType, State
from courier.domain.people import Caller, Role
from courier.domain.release import ReleaseRule
from courier.domain.text import fold
from courier.store import devices, items, ledger, links, shifts
from courier.store.shifts import Note
from courier.store.tables import (
    Agency,
    ChangeRequest,
    Dossier,
    EventOfItem,
    Item,
    ItemCharge,
    ItemEvent,
    Office,
    Plan,
    ProvenVisitor,
    Route,
    Stop,
    StopItem,
)

# Ids in one statement.
_AT_ONCE = 500
VISIT = timedelta(minutes=30)
WRONG_ANSWERS = 5
WRONG_ANSWERS_WITHIN = timedelta(minutes=15)
# A stop is promised within this much on either side of its planned time; a planned time alone would be a lie.
PROMISE = timedelta(minutes=45)

_WAITING = (State.ANNOUNCED, State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED)
_MOVABLE = (State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED, State.OUT, State.ATTEMPTED)


# ------------------------------------------------------------------------------------------------------ for staff
@dataclass(frozen=True, slots=True)
class ItemView:
    """An item with what lists and pages show of it."""

    row: Item
    dossier_code: str
    agency_code: str
    charges: tuple[ItemCharge, ...]
    due_dong: int
    tracking_url: str


def find_items(
    desk: Desk,
    caller: Caller,
    *,
    q: str = "",
    state: str | None = None,
    doubtful: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> list[ItemView]:
    """Items the caller may see, newest first; `q` finds barcode, dossier code, phone and name, with or without diacritics.

    Costs the same number of queries for one row and for a page of them. Rows with the diacritics as typed come first.
    """
    query = _visible(select(Item), caller)
    words = fold(q).split()
    for word in words:
        query = query.where(Item.search_text.contains(word, autoescape=True))
    if state is not None:
        query = query.where(Item.state == state)
    if doubtful:
        query = query.where(Item.lat.is_(None), Item.state.in_(_WAITING))
    if after is not None:
        query = query.where(Item.id < after)
    with desk.database.read() as session:
        rows = list(session.scalars(query.order_by(Item.id.desc()).limit(limit)))
        if q and any(ord(letter) > 127 for letter in q):
            rows.sort(key=lambda row: q.casefold() not in row.recipient_name.casefold())
        return _views(session, desk, rows)


def get_item(desk: Desk, caller: Caller, item_id: UUID) -> ItemView:
    """One item.

    Raises:
        Missing: it is not there, or not for this caller.
    """
    with desk.database.read() as session:
        row = session.scalar(_visible(select(Item).where(Item.id == item_id), caller))
        if row is None:
            raise Missing("item", item_id)
        return _views(session, desk, [row])[0]


def get_items(desk: Desk, caller: Caller, item_ids: Collection[UUID]) -> dict[UUID, ItemView]:
    """Several items by id; those that are none of the caller's are left out. A few queries, however many items."""
    found: dict[UUID, ItemView] = {}
    wanted = sorted(set(item_ids))
    with desk.database.read() as session:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            rows = list(session.scalars(_visible(select(Item).where(Item.id.in_(some)), caller)))
            found |= {view.row.id: view for view in _views(session, desk, rows)}
    return found


def history(desk: Desk, caller: Caller, item_id: UUID) -> list[ItemEvent]:
    """The events of an item in the order of the acts.

    Raises:
        Missing: the item is not there, or not for this caller.
    """
    with desk.database.read() as session:
        if session.scalar(_visible(select(Item.id).where(Item.id == item_id), caller)) is None:
            raise Missing("item", item_id)
        rows = session.scalars(
            select(ItemEvent)
            .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
            .where(EventOfItem.item_id == item_id)
            .order_by(ItemEvent.occurred_at, ItemEvent.id)
        )
        return list(rows)


def notes(desk: Desk, item_id: UUID) -> list[Note]:
    """What postmen noted at the item's door, the oldest first; for those who may see the item."""
    with desk.database.read() as session:
        return shifts.notes_of(session, [item_id])


def _visible(query: Select[Any], caller: Caller) -> Select[Any]:
    """Narrow a query over items to what the caller may see."""
    if caller.role is Role.ADMIN:
        return query
    if caller.role is Role.AGENCY:
        return query.where(Item.agency_id == caller.agency_id)
    query = query.where(Item.office_id == caller.office_id)
    if caller.role is Role.POSTMAN:
        routed = (
            select(StopItem.item_id)
            .join(Stop, Stop.id == StopItem.stop_id)
            .join(Route, Route.id == Stop.route_id)
            .join(Plan, and_(Plan.id == Route.plan_id, Plan.state.in_(("published", "superseded"))))
            .where(Route.postman_id == caller.id)
        )
        query = query.where(Item.id.in_(routed) | (Item.custody_holder == caller.id))
    return query


def _views(session: Session, desk: Desk, rows: list[Item]) -> list[ItemView]:
    ids = [row.id for row in rows]
    charges: dict[UUID, list[ItemCharge]] = {row_id: [] for row_id in ids}
    for charge in session.scalars(
        select(ItemCharge).where(ItemCharge.item_id.in_(ids)).order_by(ItemCharge.kind, ItemCharge.id)
    ):
        charges[charge.item_id].append(charge)
    codes = dict(
        session.execute(select(Dossier.id, Dossier.code).where(Dossier.id.in_({row.dossier_id for row in rows}))).all()
    )
    agencies = dict(
        session.execute(select(Agency.id, Agency.code).where(Agency.id.in_({row.agency_id for row in rows}))).all()
    )
    due = _still_due(session, ids)
    return [
        ItemView(
            row,
            codes[row.dossier_id],
            agencies[row.agency_id],
            tuple(charges[row.id]),
            due.get(row.id, 0),
            link_of(desk, row),
        )
        for row in rows
    ]


def _still_due(session: Session, ids: list[UUID]) -> dict[UUID, int]:
    return {item_id: int(total) for item_id, total in ledger.receivables(session, ids).items()}


def link_of(desk: Desk, row: Item) -> str:
    """The citizen's link to an item."""
    token = links.token_for(desk.settings.secrets, row.id, row.link_generation)
    return f"{desk.settings.base_url}/t/{token}"


# ---------------------------------------------------------------------------------------------------- for citizens
@dataclass(frozen=True, slots=True)
class Promise:
    """When the postman comes: a day, and a window on it where one can be said."""

    day: date
    opens_at: datetime | None
    closes_at: datetime | None


@dataclass(frozen=True, slots=True)
class PublicView:
    """What a link shows. `details` only to a visitor who proved the phone."""

    item_id: UUID
    state: str
    direction: str
    promise: Promise | None
    office: Office
    held_until: date | None
    bring: tuple[str, ...]
    may: frozenset[str]
    details: Mapping[str, Any] | None


def item_of_link(session: Session, token: str) -> Item:
    """The item of a link.

    Raises:
        Missing: no item has this token, or it was ended; nothing tells which.
    """
    row = session.scalar(select(Item).where(Item.link_digest == links.digest(token)))
    if row is None:
        raise Missing("link", "…")
    return row


def by_link(desk: Desk, token: str, *, visitor: str | None, at: datetime) -> PublicView:
    """What the citizen sees; `visitor` is what `prove` gave, or None.

    Raises:
        Missing: no such link.
    """
    with desk.database.read() as session:
        row = item_of_link(session, token)
        proven = visitor is not None and _is_proven(session, row.id, visitor, at=at)
        return _public(session, desk, row, proven=proven, at=at)


def item_id_of(desk: Desk, token: str) -> UUID:
    """The id behind a link.

    Raises:
        Missing: no such link.
    """
    with desk.database.read() as session:
        return item_of_link(session, token).id


def coarse_state(desk: Desk, barcode: str) -> str | None:
    """All that a tracking code alone tells: `waiting`, `on_the_way`, `at_office`, `done` or None; codes can be counted through."""
    with desk.database.read() as session:
        state = session.scalar(select(Item.state).where(Item.barcode == barcode.strip().upper()))
    if state is None:
        return None
    if state in (State.OUT, State.ATTEMPTED, State.FETCHED):
        return "on_the_way"
    if state in (State.HELD, State.AWAITING_PICKUP):
        return "at_office"
    waiting = (State.ANNOUNCED, State.RECEIVED, State.PLANNED, State.REQUESTED)
    return "waiting" if state in waiting else "done"


def prove(desk: Desk, token: str, *, phone_last4: str, at: datetime) -> tuple[str, datetime]:
    """Check the last four digits of the phone on the dossier; gives a secret for half an hour.

    Raises:
        Missing: no such link.
        Refused: `no-phone`, `wrong-digits`, or `too-many-tries` for a while.
    """
    with desk.database.write() as session:
        row = item_of_link(session, token)
        # Guesses sent all at once are counted one after the other.
        items.hold(session, [row.id])
        if not row.recipient_phone:
            raise Refused("no-phone", "Hồ sơ không có số điện thoại. Mời ông/bà liên hệ bưu cục.")
        wrong = session.scalar(
            select(func.count())
            .select_from(ProvenVisitor)
            .where(
                ProvenVisitor.item_id == row.id,
                ProvenVisitor.token_hash.is_(None),
                ProvenVisitor.at > at - WRONG_ANSWERS_WITHIN,
            )
        )
        if (wrong or 0) >= WRONG_ANSWERS:
            raise Refused("too-many-tries", "Đã thử quá nhiều lần. Mời ông/bà thử lại sau 15 phút.")
        right = secrets.compare_digest(row.recipient_phone[-4:].encode(), phone_last4.encode())
        visitor = secrets.token_urlsafe(32)
        session.execute(
            insert(ProvenVisitor).values(
                id=uuid7(),
                item_id=row.id,
                token_hash=_hash(visitor) if right else None,
                at=at,
                expires_at=at + VISIT,
            )
        )
    if not right:
        raise Refused("wrong-digits", "Bốn số cuối không đúng.")
    return visitor, at + VISIT


def _hash(visitor: str) -> str:
    return sha256(visitor.encode("utf-8", "surrogatepass")).hexdigest()


def _is_proven(session: Session, item_id: UUID, visitor: str, *, at: datetime) -> bool:
    found = session.scalar(
        select(ProvenVisitor.id).where(
            ProvenVisitor.item_id == item_id,
            ProvenVisitor.token_hash == _hash(visitor),
            ProvenVisitor.expires_at > at,
        )
    )
    return found is not None


def _public(session: Session, desk: Desk, row: Item, *, proven: bool, at: datetime) -> PublicView:
    office = session.get_one(Office, row.office_id)
    rule = _release_rule(session, desk, row, at)
    state = State(row.state)
    promise = _promise(session, row, at=at)
    details = None
    # What to bring can betray the kind of paper, so before the proof only what every kind asks for is said.
    bring: tuple[str, ...] = (desk.facts.vocabulary["papers"]["id_card"],)
    if proven:
        kind = desk.facts.bylaws.document_types.get(row.document_type)
        papers = desk.facts.vocabulary["papers"]
        if rule is not None:
            shown = next(iter(rule.must_show.values()), ())
            bring = (*(papers[paper] for paper in shown), *(paper.name for paper in rule.surrender))
        charges = session.scalars(
            select(ItemCharge).where(ItemCharge.item_id == row.id).order_by(ItemCharge.kind, ItemCharge.id)
        )
        details = {
            "recipient": row.recipient_name,
            "address": row.address_raw,
            "document_type": kind.name_vi if kind else row.document_type,
            "who": rule.recipient_words if rule else None,
            "charges": [
                {"kind": c.kind, "payee": c.payee, "amount_dong": c.amount_dong} for c in charges if c.amount_dong
            ],
            "due_dong": _still_due(session, [row.id]).get(row.id, 0),
            "authorised": row.authorised_name,
            "instructions": row.instructions,
            "moves_left": max(0, _attempt_rule(session, desk, row, at).max_moves - row.moves),
            "recipient_code": _code(desk, row, promise, at=at),
        }
    return PublicView(
        item_id=row.id,
        state=state.value,
        direction=row.direction,
        promise=promise,
        office=office,
        held_until=row.held_until,
        bring=bring,
        # Nor that a paper goes to nobody but its owner: few kinds do.
        may=_may(row, rule) - (frozenset() if proven else {"authorise"}),
        details=details,
    )


def _code(desk: Desk, row: Item, promise: Promise | None, *, at: datetime) -> str | None:
    """What to read out to the postman, on the day on which he comes."""
    today = local_day(at)
    on_the_way = row.state in (State.OUT, State.ATTEMPTED) or (promise is not None and promise.day == today)
    if row.direction != Direction.RESULT or not on_the_way:
        return None
    return links.recipient_code(desk.settings.secrets, row.id, today)


def _may(row: Item, rule: ReleaseRule | None) -> frozenset[str]:
    state = State(row.state)
    may: set[str] = set()
    if state in _MOVABLE:
        may |= {"reschedule", "instruct"}
        if rule is not None and "authorised" in rule.must_show:
            may.add("authorise")
    if state in (State.RECEIVED, State.PLANNED, State.HELD) and row.direction == Direction.RESULT:
        may |= {"pick_up", "redirect"}
    return frozenset(may)


def _promise(session: Session, row: Item, *, at: datetime) -> Promise | None:
    if State(row.state) in (State.PLANNED, State.OUT):
        stop = session.execute(
            select(Stop.arrives_at, Plan.day)
            .join(Route, Route.id == Stop.route_id)
            .join(Plan, and_(Plan.id == Route.plan_id, Plan.state == "published"))
            .join(StopItem, StopItem.stop_id == Stop.id)
            .where(StopItem.item_id == row.id, Plan.day >= local_day(at))
            .order_by(Plan.day.desc())
        ).first()
        if stop is not None and row.wanted_on in (None, stop.day):
            return Promise(stop.day, stop.arrives_at - PROMISE, stop.arrives_at + PROMISE)
    if row.wanted_on is not None and row.wanted_on >= local_day(at) and State(row.state) in _MOVABLE:
        if row.wanted_from is None or row.wanted_to is None:
            return Promise(row.wanted_on, None, None)
        return Promise(row.wanted_on, at_local(row.wanted_on, row.wanted_from), at_local(row.wanted_on, row.wanted_to))
    return None


def _release_rule(session: Session, desk: Desk, row: Item, at: datetime) -> ReleaseRule | None:
    kind = desk.facts.bylaws.document_types.get(row.document_type)
    agency = session.get_one(Agency, row.agency_id).code
    return kind.rule(local_day(at), agency=agency, subject=row.subject) if kind else None


def _attempt_rule(session: Session, desk: Desk, row: Item, at: datetime) -> AttemptRule:
    agency = session.get_one(Agency, row.agency_id).code
    return desk.facts.bylaws.attempts.rule(local_day(at), agency=agency, document_type=row.document_type)


# ------------------------------------------------------------------------------------------------ change requests
@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `day`, `from_`, `to` come from a slot that can be served; seconds from local midnight."""

    kind: str
    day: date | None = None
    from_: int | None = None
    to: int | None = None
    address: str | None = None
    person: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """An accepted request and what the item promises now."""

    request: ChangeRequest
    view: PublicView


def require_proven(desk: Desk, token: str, visitor: str | None, *, at: datetime) -> UUID:
    """The item behind a link, for a visitor who proved the phone.

    Raises:
        Missing: no such link.
        Refused: `not-verified`.
    """
    with desk.database.read() as session:
        row = item_of_link(session, token)
        if visitor is None or not _is_proven(session, row.id, visitor, at=at):
            raise Refused("not-verified", "Mời ông/bà nhập bốn số cuối của điện thoại trước.")
        return row.id


def require_visible(desk: Desk, caller: Caller, item_id: UUID) -> UUID:
    """The same id, when the caller may file for that item.

    Raises:
        Missing: the item is not there, or not for this caller.
    """
    with desk.database.read() as session:
        devices.require_visible(session, caller, [item_id])
        if caller.role is Role.POSTMAN and not devices.on_route_of(session, caller.id, item_id):
            raise Missing("item", item_id)
    return item_id


def request_change(desk: Desk, item_id: UUID, wish: Wish, *, asked_by: Caller | None, at: datetime) -> Granted:
    """Grant or refuse a wish of the citizen; `asked_by` is who filed it for him, None when he did.

    Raises:
        Refused: with the code of the rule that says no.
        Invalid: a field is missing.
    """
    with desk.database.write() as session:
        row = items.lock(session, [item_id])[0]
        items.refuse_when_final(row)
        rule = _release_rule(session, desk, row, at)
        if wish.kind not in _may(row, rule):
            raise _why_not(wish.kind, row)
        recorded = _GRANT[wish.kind](session, desk, row, wish, asked_by, at)
        request = ChangeRequest(
            id=uuid7(),
            item_id=item_id,
            kind=wish.kind,
            asked_by=(asked_by.role if asked_by else Role.CITIZEN).value,
            asked_at=at,
            body={
                "day": wish.day.isoformat() if wish.day else None,
                "from": wish.from_,
                "to": wish.to,
                "person": wish.person,
                "text": wish.text,
                "address": wish.address,
            },
            event_id=recorded.event_id,
        )
        session.add(request)
        session.flush()
        return Granted(request, _public(session, desk, row, proven=True, at=at))


def _why_not(kind: str, row: Item) -> Refused:
    if kind == "authorise" and State(row.state) in _MOVABLE:
        return Refused("owner-only", "Loại giấy tờ này chỉ giao cho chính chủ, không ủy quyền được.")
    if State(row.state) in (State.OUT, State.ATTEMPTED):
        return Refused("already-out", "Bưu tá đang mang bưu gửi đi phát, chưa đổi được.")
    return Refused("wrong-state", "Bưu gửi đang ở bước không đổi được yêu cầu này.")


def _reschedule(
    session: Session, desk: Desk, row: Item, wish: Wish, asked_by: Caller | None, at: datetime
) -> items.Recorded:
    if wish.day is None or wish.from_ is None or wish.to is None:
        raise Invalid(FieldError("slot", "required", "Mời chọn một khung giờ."))
    rule = _attempt_rule(session, desk, row, at)
    if row.moves >= rule.max_moves:
        raise Refused("too-many-moves", f"Đã đổi lịch {row.moves} lần, tối đa {rule.max_moves} lần.")
    if at > rule.cut_off(wish.day):
        raise Refused("too-late", f"Hạn chọn ngày {wish.day:%d/%m/%Y} là {rule.cut_off(wish.day):%H:%M %d/%m/%Y}.")
    if row.held_until is not None and wish.day > row.held_until:
        raise Refused("after-hold", f"Bưu gửi chỉ được giữ đến {row.held_until:%d/%m/%Y}.")
    bylaws = desk.facts.bylaws
    if State(row.state) is State.PLANNED:
        items.record_intent(session, EventType.UNPLANNED, [row.id], caller=asked_by, at=at, bylaws=bylaws)
    data = {"on": wish.day.isoformat(), "from": wish.from_, "to": wish.to}
    return items.record_intent(
        session, EventType.RESCHEDULED, [row.id], caller=asked_by, at=at, bylaws=bylaws, data=data
    )


def _redirect(
    session: Session, desk: Desk, row: Item, wish: Wish, asked_by: Caller | None, at: datetime
) -> items.Recorded:
    address = (wish.address or "").strip()
    if not address:
        raise Invalid(FieldError("address", "required", "Mời ghi địa chỉ mới."))
    found = desk.gazetteer.resolve(address, on=local_day(at))
    if found.outcome != "resolved":
        raise Refused("address-doubtful", "Chưa rõ địa chỉ thuộc xã nào. Mời ghi đủ ấp, xã.")
    best = found.candidates[0]
    office = session.get_one(Office, row.office_id)
    if best.commune_code not in office.communes:
        raise Refused("other-office", f"{best.commune_name} do bưu cục khác phục vụ. Mời đến nhận tại bưu cục.")
    row.address_raw, row.commune_code, row.hamlet = address, best.commune_code, best.hamlet
    row.lat, row.lon, row.precision = best.lat, best.lon, best.precision
    bylaws = desk.facts.bylaws
    if State(row.state) is State.PLANNED:
        items.record_intent(session, EventType.UNPLANNED, [row.id], caller=asked_by, at=at, bylaws=bylaws)
    return items.record_intent(
        session,
        EventType.REDIRECTED,
        [row.id],
        caller=asked_by,
        at=at,
        bylaws=bylaws,
        data={"commune": best.commune_code},
    )


def _pick_up(
    session: Session, desk: Desk, row: Item, wish: Wish, asked_by: Caller | None, at: datetime
) -> items.Recorded:
    return items.record_intent(
        session,
        EventType.INVITED,
        [row.id],
        caller=asked_by,
        at=at,
        bylaws=desk.facts.bylaws,
        data={"asked": True, "text": wish.text},
    )


def _authorise(
    session: Session, desk: Desk, row: Item, wish: Wish, asked_by: Caller | None, at: datetime
) -> items.Recorded:
    if not (wish.person or "").strip():
        raise Invalid(FieldError("person", "required", "Mời ghi họ tên người nhận thay."))
    return items.record_intent(
        session,
        EventType.AUTHORISED,
        [row.id],
        caller=asked_by,
        at=at,
        bylaws=desk.facts.bylaws,
        data={"name": str(wish.person).strip()},
    )


def _instruct(
    session: Session, desk: Desk, row: Item, wish: Wish, asked_by: Caller | None, at: datetime
) -> items.Recorded:
    if not (wish.text or "").strip():
        raise Invalid(FieldError("text", "required", "Mời ghi lời dặn."))
    return items.record_intent(
        session,
        EventType.INSTRUCTED,
        [row.id],
        caller=asked_by,
        at=at,
        bylaws=desk.facts.bylaws,
        data={"text": str(wish.text).strip()},
    )


_GRANT = {
    "reschedule": _reschedule,
    "redirect": _redirect,
    "pick_up": _pick_up,
    "authorise": _authorise,
    "instruct": _instruct,
}
