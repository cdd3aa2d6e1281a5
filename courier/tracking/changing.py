"""What a citizen may change before the postman comes, and a clerk or the postman on his behalf."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.attempts import AttemptRule
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import EventType, State
from courier.domain.people import Caller, Role
from courier.store import devices, items, slot_holds
from courier.store.tables import ChangeRequest, Item, Office
from courier.tracking.link import (
    MOVABLE,
    PublicView,
    attempt_rule,
    is_proven,
    item_of_link,
    may_ask,
    public_view,
    release_rule,
)


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
        if visitor is None or not is_proven(session, row.id, visitor, at=at):
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
        rule = release_rule(session, desk, row, at)
        if wish.kind not in may_ask(row, rule):
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
        return Granted(request, public_view(session, desk, row, proven=True, at=at))


def _why_not(kind: str, row: Item) -> Refused:
    if kind == "authorise" and State(row.state) in MOVABLE:
        return Refused("owner-only", "Loại giấy tờ này chỉ giao cho chính chủ, không ủy quyền được.")
    if State(row.state) in (State.OUT, State.ATTEMPTED):
        return Refused("already-out", "Bưu tá đang mang bưu gửi đi phát, chưa đổi được.")
    return Refused("wrong-state", "Bưu gửi đang ở bước không đổi được yêu cầu này.")


def _reschedule(
    session: Session, desk: Desk, row: Item, wish: Wish, asked_by: Caller | None, at: datetime
) -> items.Recorded:
    if wish.day is None or wish.from_ is None or wish.to is None:
        raise Invalid(FieldError("slot", "required", "Mời chọn một khung giờ."))
    rule = attempt_rule(session, desk, row, at)
    _refuse_more_moves(row, rule)
    if at > rule.cut_off(wish.day):
        raise Refused("too-late", f"Hạn chọn ngày {wish.day:%d/%m/%Y} là {rule.cut_off(wish.day):%H:%M %d/%m/%Y}.")
    if row.held_until is not None and wish.day > row.held_until:
        raise Refused("after-hold", f"Bưu gửi chỉ được giữ đến {row.held_until:%d/%m/%Y}.")
    # The place was kept when the routes were looked at; promising it and freeing the hold are one.
    held = slot_holds.of_item(session, row.id, at=at)
    if held is None or (held.day, held.from_seconds, held.to_seconds) != (wish.day, wish.from_, wish.to):
        raise Refused("slot-gone", "Chỗ giữ cho khung giờ này đã hết hạn; mời Ông/Bà chọn lại.")
    slot_holds.drop(session, row.id)
    bylaws = desk.facts.bylaws
    if State(row.state) is State.PLANNED:
        items.record_intent(session, EventType.UNPLANNED, [row.id], caller=asked_by, at=at, bylaws=bylaws)
    data = {"on": wish.day.isoformat(), "from": wish.from_, "to": wish.to}
    return items.record_intent(
        session, EventType.RESCHEDULED, [row.id], caller=asked_by, at=at, bylaws=bylaws, data=data
    )


def require_movable(desk: Desk, item_id: UUID, *, at: datetime) -> None:
    """Ask whether the visit may be moved at all, before a place is kept for it.

    Raises:
        Refused: with the code of the rule that says no.
    """
    with desk.database.read() as session:
        row = session.get(Item, item_id)
        if row is None:
            raise Missing("item", item_id)
        items.refuse_when_final(row)
        if "reschedule" not in may_ask(row, release_rule(session, desk, row, at)):
            raise _why_not("reschedule", row)
        _refuse_more_moves(row, attempt_rule(session, desk, row, at))


def _refuse_more_moves(row: Item, rule: AttemptRule) -> None:
    if row.moves >= rule.max_moves:
        raise Refused("too-many-moves", f"Ông/Bà đã đổi lịch {row.moves} lần, tối đa {rule.max_moves} lần.")


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
