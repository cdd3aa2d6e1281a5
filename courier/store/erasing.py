"""Forgetting a person (xóa dữ liệu): every place where an item's recipient leaves a trace, and what is kept of him by law.

Kept are the money, the dossier's code, which acts there were and when and by whom of the office, and their sealed proofs; names and
words in them are gone. A table that speaks of items stands in `TREATED` or in `KEPT`; a test sees to that.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, cast, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from courier.domain.item import EventType
from courier.domain.notices import OPEN
from courier.domain.notices import State as Sending
from courier.domain.text import fold
from courier.store import items, pictures
from courier.store.media import Shelf
from courier.store.tables import (
    BankNotice,
    ChangeRequest,
    CitedMedia,
    Complaint,
    DataRequest,
    Dossier,
    Erasure,
    EventOfItem,
    ImportRow,
    Incident,
    Item,
    ItemDigest,
    ItemEvent,
    Media,
    Message,
    Office,
    OneTimeCode,
    PaymentOrder,
    ProvenVisitor,
    QuarantinedEvent,
    Rating,
    ShiftEvent,
    ShiftEventOfItem,
    SlotHold,
    SpokenWish,
    StagedRow,
    Stop,
    StopItem,
    UnplannedItem,
)

GONE: Final = "(đã xóa)"

TREATED: Final = frozenset(
    {
        "bank_notice", "change_request", "complaint", "data_request", "event_item", "import_row", "incident", "item_digest",
        "message", "one_time_code",
        "proven_visitor", "rating", "shift_event_item", "slot_hold", "spoken_wish", "stop_item", "unplanned_item",
    }
)  # fmt: skip
KEPT: Final[Mapping[str, str]] = {
    "charge": "amounts and payees",
    "erasure": "that it was done",
    "ledger_tx": "money, by ids",
    "paper": "which papers, of whom nobody knows",
    "payment_order": "amounts asked for",
    "plan_relief": "minutes and numbers",
    "webhook_notice": "what the agency was told: codes and states, no person",
}

# Members of an act's data that are words of ours, days or digests. Everything else that is text was somebody's.
_OURS: Final = frozenset(
    {
        "relation", "id_check", "charge", "method", "kind", "sha256", "next_on", "on", "from", "to", "commune", "corrects",
        "other_device", "receipt", "surrendered", "papers", "reason", "office", "day", "slot", "half",
    }
)  # fmt: skip
_PLACE: Final = frozenset({"lat", "lon", "metres", "accuracy", "position", "point", "photo"})
_SAID: Final = ("name", "text", "words", "landmark")
_LEAST_TRACE: Final = 4  # shorter words stand in too many sentences


def erase(session: Session, item_id: UUID, *, shelf: Shelf, why: str, at: datetime) -> bool:
    """Forget the recipient of an item, within the caller's transaction; False when that was done before.

    The pictures that he sent leave the shelf at once: where the transaction fails afterwards, the next try finds it gone.

    Raises:
        Missing: there is no such item.
    """
    row = items.lock(session, [item_id])[0]
    if session.get(Erasure, item_id) is not None:
        return False
    session.add(Erasure(item_id=item_id, at=at, why=why))
    session.flush()  # from here on the books of events take the change
    traces = _traces(session, row)
    _forget_events(session, item_id, traces)
    photos = _forget_what_was_asked(session, item_id, traces, at=at)
    _forget_what_came_in(session, item_id)
    _forget_places(session, row)
    for incident in session.scalars(select(Incident).where(Incident.item_id == item_id)):
        incident.sentence = _without(incident.sentence, traces)
        incident.resolution = _without(incident.resolution, traces) if incident.resolution else None
    for table in (ProvenVisitor, OneTimeCode, ItemDigest, SlotHold):
        session.execute(delete(table).where(table.item_id == item_id))
    if row.gate_photo is not None:
        photos.add(row.gate_photo)
    row.gate_photo = None
    pictures.forget(session, shelf, photos)
    _forget_item(session, row)
    items.bump_bags(session, [item_id])
    session.flush()
    return True


def _traces(session: Session, row: Item) -> list[str]:
    """What may stand in somebody's sentence about the item, the longest first."""
    found = {row.recipient_name, row.recipient_phone, row.address_raw, row.note, row.instructions, row.authorised_name}
    for data in session.scalars(
        select(ItemEvent.data)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(EventOfItem.item_id == row.id)
    ):
        found |= {(data.get("receiver") or {}).get("name"), *(data.get(member) for member in _SAID)}
    return sorted((trace for trace in found if trace and len(trace) >= _LEAST_TRACE), key=len, reverse=True)


def _without(text: str, traces: Iterable[str]) -> str:
    for trace in traces:
        text = re.sub(re.escape(trace), GONE, text, flags=re.IGNORECASE)
    return text


def _redacted(value: Any, traces: Iterable[str], *, name: str = "", ours: bool = False) -> Any:
    if name in _PLACE:
        return None
    if isinstance(value, Mapping):
        return {key: _redacted(inner, traces, name=key, ours=ours or key in _OURS) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner, traces, name=name, ours=ours) for inner in value]
    if isinstance(value, str):
        return _without(value, traces) if ours else GONE
    return value


def _forget_events(session: Session, item_id: UUID, traces: Iterable[str]) -> None:
    acts = session.execute(
        select(ItemEvent.id, ItemEvent.type, ItemEvent.data)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(EventOfItem.item_id == item_id)
    ).all()
    for event_id, kind, data in acts:
        left = _redacted(data, traces)
        if kind == EventType.CORRECTED and "reason" in left:
            left["reason"] = GONE
        receiver = left.get("receiver")
        if isinstance(receiver, dict):
            left["receiver"] = {**receiver, "id_last4": None}
        session.execute(update(ItemEvent).where(ItemEvent.id == event_id).values(data=left, position=None))
    told = session.execute(
        select(ShiftEvent.id, ShiftEvent.data)
        .join(ShiftEventOfItem, ShiftEventOfItem.event_id == ShiftEvent.id)
        .where(ShiftEventOfItem.item_id == item_id)
    ).all()
    for event_id, data in told:
        left = _redacted(data, traces)
        session.execute(update(ShiftEvent).where(ShiftEvent.id == event_id).values(data=left, position=None))
    set_aside = select(QuarantinedEvent).where(cast(QuarantinedEvent.body, Text).contains(str(item_id)))
    for row in session.scalars(set_aside):
        row.body = {"forgotten": True}


def _forget_what_was_asked(session: Session, item_id: UUID, traces: Iterable[str], *, at: datetime) -> set[str]:
    """The digests of pictures that were named there and are named no more."""
    photos: set[str] = set()
    for request in session.scalars(select(ChangeRequest).where(ChangeRequest.item_id == item_id)):
        request.body = _redacted(request.body, traces)
    for wish in session.scalars(select(SpokenWish).where(SpokenWish.item_id == item_id)):
        wish.body = _redacted(wish.body, traces)
    for complaint in session.scalars(select(Complaint).where(Complaint.item_id == item_id)):
        complaint.words = GONE
        if complaint.photo is not None:
            photos.add(complaint.photo)
        complaint.photo = None
        complaint.answer = GONE if complaint.answer else None
    about = Message.item_id == item_id
    still_open = update(Message).where(about, Message.state.in_([state.value for state in OPEN]))
    session.execute(still_open.values(state=Sending.SUPPRESSED.value, code="erased", settled_at=at))
    session.execute(update(Message).where(about).values(sealed=None, to_index="", to_masked=""))
    session.execute(update(Rating).where(Rating.item_id == item_id).values(words=""))
    session.execute(
        update(DataRequest).where(DataRequest.item_id == item_id, DataRequest.words != "").values(words=GONE)
    )
    codes = dict(
        session.execute(select(PaymentOrder.id, PaymentOrder.code).where(PaymentOrder.item_id == item_id)).all()
    )
    for notice in session.scalars(select(BankNotice).where(BankNotice.item_id == item_id)):
        # The payer's own words stand beside the code, his name among them.
        notice.purpose = f"TT{codes.get(notice.order_id)}" if notice.order_id else GONE
    return photos


def _forget_what_came_in(session: Session, item_id: UUID) -> None:
    for verdict in session.scalars(select(ImportRow).where(ImportRow.item_id == item_id)):
        verdict.errors = _coded(verdict.errors)
    for repeated in session.scalars(select(StagedRow).where(StagedRow.item_id == item_id)):
        repeated.errors, repeated.cells = _coded(repeated.errors), None
    session.execute(update(UnplannedItem).where(UnplannedItem.item_id == item_id).values(sentence=GONE))


def _coded(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The faults of a row without what was found in it."""
    return [{**error, "message": GONE} for error in errors]


def _forget_places(session: Session, row: Item) -> None:
    """Where the door is: a past route leads to the office instead."""
    office = session.get_one(Office, row.office_id)
    stops = select(StopItem.stop_id).where(StopItem.item_id == row.id)
    session.execute(update(Stop).where(Stop.id.in_(stops)).values(lat=office.lat, lon=office.lon))


def _forget_item(session: Session, row: Item) -> None:
    dossier_code = session.get_one(Dossier, row.dossier_id).code
    # Not the person's: made of the item's own id, so that two of one household are not one.
    row.recipient_name = f"{GONE} {row.id.hex[-8:]}"
    row.recipient_phone = row.id_number_sealed = row.id_number_index = None
    row.address_raw, row.hamlet, row.lat, row.lon, row.precision, row.candidates = GONE, None, None, None, "unknown", []
    row.note, row.authorised_name, row.instructions = "", None, None
    row.search_text = fold(f"{row.barcode} {dossier_code}")
    row.version += 1


def forget_proofs(session: Session, *, shelf: Shelf, before: datetime, most: int) -> int:
    """Throw away photos and signatures of acts before a moment whose items are all forgotten; how many, no more than `most`.

    What several acts name goes with the last of them.
    """
    others = aliased(EventOfItem)
    known = (
        select(others.item_id)
        .outerjoin(Erasure, Erasure.item_id == others.item_id)
        .where(others.event_id == ItemEvent.id, Erasure.item_id.is_(None))
    )
    rows = session.execute(
        select(CitedMedia.sha256, CitedMedia.event_id)
        .join(ItemEvent, ItemEvent.id == CitedMedia.event_id)
        .where(ItemEvent.received_at < before, ~exists(known))
        .order_by(ItemEvent.received_at, CitedMedia.sha256)
        .limit(most)
    ).all()
    for digest, event_id in rows:
        session.execute(delete(CitedMedia).where(CitedMedia.sha256 == digest, CitedMedia.event_id == event_id))
        if session.scalar(select(CitedMedia.sha256).where(CitedMedia.sha256 == digest).limit(1)) is None:
            session.execute(delete(Media).where(Media.sha256 == digest))
            shelf.finished(digest).unlink(missing_ok=True)
    return len(rows)


def over(session: Session, *, before: datetime, most: int) -> list[UUID]:
    """Items whose last act was before a moment, that are final and not forgotten, the oldest first; no more than `most`."""
    last = (
        select(EventOfItem.item_id, func.max(ItemEvent.received_at).label("at"))
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .join(Item, Item.id == EventOfItem.item_id)
        .where(Item.created_at < before)
        .group_by(EventOfItem.item_id)
        .subquery()
    )
    unsettled = select(Complaint.item_id).where(Complaint.answered_at.is_(None))
    query = (
        select(Item.id)
        .join(last, last.c.item_id == Item.id)
        .outerjoin(Erasure, Erasure.item_id == Item.id)
        .where(
            Item.state.in_(["delivered", "picked_up", "returned", "lodged", "cancelled"]),
            last.c.at < before,
            Erasure.item_id.is_(None),
            Item.id.not_in(unsettled),
        )
        .order_by(last.c.at, Item.id)
        .limit(most)
    )
    return list(session.scalars(query))
