"""What a citizen may change before the postman comes, and a clerk or the postman on his behalf."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.attempts import AttemptRule
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import Direction, EventType, State
from courier.domain.people import Caller, Role
from courier.store import devices, items, messages, slot_holds
from courier.store.tables import ChangeRequest, EventOfItem, Item, ItemEvent, Office
from courier.tracking.link import (
    MOVABLE,
    REDIRECTABLE,
    PublicView,
    attempt_rule,
    collecting_offices,
    may_ask,
    public_view,
    release_rule,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `day`, `from_`, `to` come from a slot that can be served; seconds from local midnight.

    `point` is (lat, lon) of the door, `photo` the digest of a picture of the gate that was put away.
    """

    kind: str
    day: date | None = None
    from_: int | None = None
    to: int | None = None
    address: str | None = None
    person: str | None = None
    text: str | None = None
    office: UUID | None = None
    landmark: str | None = None
    point: tuple[float, float] | None = None
    call_first: bool = False
    photo: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """An accepted request and what the item promises now."""

    request: ChangeRequest
    view: PublicView
    needs: str | None = None
    """The paper that the person named must bring."""


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
        return grant(session, desk, item_id, wish, asked_by=asked_by, at=at)


def grant(session: Session, desk: Desk, item_id: UUID, wish: Wish, *, asked_by: Caller | None, at: datetime) -> Granted:
    """The same within the caller's transaction: a window is taken and promised in one.

    Raises:
        Refused, Invalid: as `request_change`.
    """
    row = items.lock(session, [item_id])[0]
    _refuse_what_is_not_allowed(session, desk, row, wish.kind, at=at)
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
            "office": str(wish.office) if wish.office else None,
            "landmark": wish.landmark,
            "point": wish.point,
            "call_first": wish.call_first,
            "photo": wish.photo,
        },
        event_id=recorded.event_id,
    )
    session.add(request)
    session.flush()
    rule = release_rule(session, desk, row, at)
    needs = rule.authorisation_words if wish.kind == "authorise" and rule is not None else None
    return Granted(request, public_view(session, desk, row, proven=True, at=at), needs)


def _why_not(kind: str, row: Item) -> Refused:
    if kind == "authorise" and State(row.state) in MOVABLE:
        return Refused("owner-only", "Loại giấy tờ này chỉ giao cho chính chủ, không ủy quyền được.")
    if kind == "redirect" and State(row.state) in REDIRECTABLE and row.direction == Direction.RESULT:
        return Refused(
            "in-person-only",
            "Loại giấy tờ này chỉ giao tận tay chính chủ tại địa chỉ trên hồ sơ. "
            "Mời Ông/Bà hẹn ngày giờ khác, hoặc đến bưu cục nhận.",
        )
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


def require_allowed(desk: Desk, item_id: UUID, kind: str, *, at: datetime) -> None:
    """Ask whether a wish of that kind may be granted at all, before a place is kept or a picture is put away for it.

    Raises:
        Refused: with the code of the rule that says no.
    """
    with desk.database.read() as session:
        row = session.get(Item, item_id)
        if row is None:
            raise Missing("item", item_id)
        _refuse_what_is_not_allowed(session, desk, row, kind, at=at)
        if kind == "reschedule":
            _refuse_more_moves(row, attempt_rule(session, desk, row, at))


def _refuse_what_is_not_allowed(session: Session, desk: Desk, row: Item, kind: str, *, at: datetime) -> None:
    items.refuse_when_final(row)
    if kind not in may_ask(row, release_rule(session, desk, row, at)):
        raise _why_not(kind, row)
    bound = desk.facts.visiting.requests_per_item
    asked = session.scalar(
        select(func.count())
        .select_from(ChangeRequest)
        .where(ChangeRequest.item_id == row.id, ChangeRequest.asked_at > at - bound.within)
    )
    if (asked or 0) >= bound.most:
        raise Refused("too-many-requests", "Hôm nay đã có nhiều yêu cầu cho bưu gửi này. Mời Ông/Bà gọi bưu cục.")


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
        raise Refused("other-office", f"{best.commune_name} do bưu cục khác phục vụ. Mời Ông/Bà đến nhận tại bưu cục.")
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
    offices = {office.id: office for office in collecting_offices(session, row)}
    if wish.office is not None and wish.office not in offices:
        raise Refused("other-office", "Bưu gửi không thể chuyển đến nơi đó. Mời Ông/Bà chọn một nơi trong danh sách.")
    bylaws = desk.facts.bylaws
    if wish.office not in (None, row.office_id):
        # It is ready only when it has been received there; until then nobody is told to come, and no time runs.
        data = {"text": wish.text, "office": str(wish.office)}
        return items.record_intent(
            session, EventType.DIRECTED, [row.id], caller=asked_by, at=at, bylaws=bylaws, data=data
        )
    recorded = items.record_intent(
        session,
        EventType.INVITED,
        [row.id],
        caller=asked_by,
        at=at,
        bylaws=desk.facts.bylaws,
        data={"asked": True, "text": wish.text},
    )
    messages.tell(session, desk.jobs, [(recorded.event_id, EventType.INVITED)])
    return recorded


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
    words, landmark = (wish.text or "").strip(), (wish.landmark or "").strip()
    said = words or landmark or wish.call_first or wish.point
    if not (said or wish.photo):
        raise Invalid(FieldError("text", "required", "Mời ghi lời dặn, hoặc chọn một mục bên dưới."))
    if wish.point is not None:
        if row.commune_code is None or not desk.gazetteer.contains(row.commune_code, *wish.point):
            raise Refused(
                "pin-elsewhere",
                "Vị trí này nằm ngoài xã, phường ghi trong địa chỉ. Mời Ông/Bà xem lại, hoặc đổi địa chỉ phát.",
            )
        row.lat, row.lon = wish.point
        row.precision = "pin"
    if not said:
        # A picture alone takes back nothing of what was said before.
        before = _last_instruction(session, row)
        return items.record_intent(
            session,
            EventType.INSTRUCTED,
            [row.id],
            caller=asked_by,
            at=at,
            bylaws=desk.facts.bylaws,
            data={"text": row.instructions, **before, "photo": wish.photo},
        )
    spoken = (
        "Gọi điện trước khi đến." if wish.call_first else "",
        f"Mốc dễ thấy: {landmark}." if landmark else "",
        words,
        f"Vị trí nhà: {wish.point[0]:.5f}, {wish.point[1]:.5f}." if wish.point else "",
    )
    data = {
        # What the postman reads at the stop, also on a phone that knows nothing of the parts.
        "text": " ".join(part for part in spoken if part) or None,
        "words": words or None,
        "landmark": landmark or None,
        "call_first": wish.call_first,
        "point": wish.point,
        "photo": wish.photo or row.gate_photo,
    }
    return items.record_intent(
        session, EventType.INSTRUCTED, [row.id], caller=asked_by, at=at, bylaws=desk.facts.bylaws, data=data
    )


def _last_instruction(session: Session, row: Item) -> dict[str, Any]:
    """What was last said of the door, in its parts."""
    last = session.scalar(
        select(ItemEvent)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(EventOfItem.item_id == row.id, ItemEvent.type == EventType.INSTRUCTED.value)
        .order_by(ItemEvent.occurred_at.desc(), ItemEvent.id.desc())
        .limit(1)
    )
    return dict(last.data) if last is not None else {}


_GRANT = {
    "reschedule": _reschedule,
    "redirect": _redirect,
    "pick_up": _pick_up,
    "authorise": _authorise,
    "instruct": _instruct,
}
