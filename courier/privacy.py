"""A citizen's rights over what is stored of him: to read it, to see who looked, to have it erased or its use restricted.

A request is answered within two working days by the admin; what is granted is done by a durable job, once.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import ZONE, local_day
from courier.domain.citizen_rights import Decision, Wish, in_force
from courier.domain.errors import FieldError, Invalid, Missing, Refused, Stale
from courier.domain.item import FINAL, State
from courier.domain.money import Outcome
from courier.domain.people import Caller, Role
from courier.store import audit, erasing, items, ledger, pictures, plans, sealing
from courier.store.jobs import Effect
from courier.store.media import Shelf
from courier.store.tables import (
    Agency,
    AuditEntry,
    BankNotice,
    ChangeRequest,
    Complaint,
    DataRequest,
    Dossier,
    EventOfItem,
    Incident,
    Item,
    ItemCharge,
    ItemEvent,
    Message,
    Office,
    ProvenVisitor,
    Rating,
    SignInFailure,
    SpokenWish,
)

JOB: Final = "privacy"
OVERDUE: Final = "data-request-overdue"
FAILED: Final = "data-request-failed"
LOOKED: Final = "item looked at"
_LOOKS: Final = (LOOKED, "gate photo shown", "complaint photo shown")
MOST_WORDS: Final = 1000
_MOST: Final = 500
_MOST_LOOKS: Final = 200
_A_NIGHT: Final = 200
_LONGEST_MONTH: Final = timedelta(days=31)
# Turning the same page twice is one look.
_SAME_LOOK: Final = timedelta(minutes=10)


# ------------------------------------------------------------------------------------------------------ who looked
def note_look(desk: Desk, caller: Caller, item_id: UUID, *, at: datetime) -> None:
    """Write down that somebody of the office opened an item with its person; for pages and answers about one item only."""
    thing = f"item:{item_id}"
    seen = select(AuditEntry.id).where(
        AuditEntry.thing == thing,
        AuditEntry.actor_id == caller.id,
        AuditEntry.act == LOOKED,
        AuditEntry.at > at - _SAME_LOOK,
    )
    with desk.database.read() as session:
        if session.scalar(seen.limit(1)) is not None:
            return
    office = str(caller.office_id) if caller.office_id else None
    with desk.database.write() as session:
        audit.note(session, caller, LOOKED, thing, at=at, office=office)


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looked: what he is and of which office, never who."""

    at: datetime
    role: str
    office: str | None


def looks(desk: Desk, item_id: UUID) -> list[Look]:
    """Who looked at an item, the last first; for whoever proved the phone."""
    with desk.database.read() as session:
        return _looks(session, item_id)


def _looks(session: Session, item_id: UUID) -> list[Look]:
    query = (
        select(AuditEntry)
        .where(AuditEntry.thing == f"item:{item_id}", AuditEntry.act.in_(_LOOKS))
        .order_by(AuditEntry.at.desc(), AuditEntry.id)
        .limit(_MOST_LOOKS)
    )
    entries = list(session.scalars(query))
    known = {UUID(str(entry.detail["office"])) for entry in entries if entry.detail.get("office")}
    names = dict(session.execute(select(Office.id, Office.name).where(Office.id.in_(known))).all())
    return [
        Look(
            entry.at, entry.actor_role, names.get(UUID(str(office))) if (office := entry.detail.get("office")) else None
        )
        for entry in entries
    ]


# -------------------------------------------------------------------------------------------------- what is stored
def stored(desk: Desk, item_id: UUID, *, at: datetime, whole: bool = True) -> dict[str, Any]:
    """Everything about a person that is stored with an item, ready to become JSON; of the ID number the last four digits.

    The pictures that he sent with complaints are in it when it is asked for `whole`.
    """
    with desk.database.read() as session:
        row = session.get_one(Item, item_id)
        rule = in_force(desk.facts.rights.retention, local_day(at))
        last = session.scalar(
            select(ItemEvent.received_at)
            .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
            .where(EventOfItem.item_id == item_id)
            .order_by(ItemEvent.received_at.desc())
            .limit(1)
        )
        ended = State(row.state) in FINAL
        kept_until = local_day((last or row.created_at) + timedelta(days=rule.recipient_days)) if ended else None
        return {
            "item": {
                "barcode": row.barcode,
                "dossier_code": session.get_one(Dossier, row.dossier_id).code,
                "agency": session.get_one(Agency, row.agency_id).name,
                "document_type": row.document_type,
                "state": row.state,
                "created_at": _moment(row.created_at),
                "restricted_at": _moment(row.restricted_at),
                "kept_until": kept_until.isoformat() if kept_until else None,
            },
            "person": {
                "name": row.recipient_name,
                "phone": row.recipient_phone,
                "id_number": _masked(desk, row),
                "address": row.address_raw,
                "point": [row.lat, row.lon] if row.lat is not None else None,
                "point_is": row.precision,
                "instructions": row.instructions,
                "authorised": row.authorised_name,
                "has_gate_photo": row.gate_photo is not None,
                "note": row.note,
            },
            **_told(session, desk, item_id, whole=whole),
        }


def _told(session: Session, desk: Desk, item_id: UUID, *, whole: bool) -> dict[str, list[dict[str, Any]]]:
    def of(query: Any) -> Sequence[Any]:
        return session.scalars(query).all()

    events = of(
        select(ItemEvent)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(EventOfItem.item_id == item_id)
        .order_by(ItemEvent.occurred_at, ItemEvent.id)
    )
    return {
        "charges": [
            {"kind": one.kind, "payee": one.payee, "amount_dong": one.amount_dong, "prepaid_dong": one.prepaid_dong}
            for one in of(
                select(ItemCharge).where(ItemCharge.item_id == item_id).order_by(ItemCharge.kind, ItemCharge.id)
            )
        ],
        "events": [
            {
                "type": one.type,
                "at": _moment(one.occurred_at),
                "by_role": one.actor_role,
                "receiver": (one.data.get("receiver") or {}).get("name"),
                "proofs": [proof.get("kind") for proof in one.data.get("proofs", ())],
                "has_position": one.position is not None,
            }
            for one in events
        ],
        "change_requests": [
            {"kind": one.kind, "at": _moment(one.asked_at), **{k: v for k, v in one.body.items() if v is not None}}
            for one in of(
                select(ChangeRequest).where(ChangeRequest.item_id == item_id).order_by(ChangeRequest.asked_at)
            )
        ],
        "heard_at_the_door": [
            {"kind": one.kind, "at": _moment(one.heard_at), "outcome": one.outcome, **one.body}
            for one in of(select(SpokenWish).where(SpokenWish.item_id == item_id).order_by(SpokenWish.heard_at))
        ],
        "complaints": [
            {
                "kind": one.kind,
                "at": _moment(one.filed_at),
                "text": one.words,
                "answer": one.answer,
                "photo_jpeg_base64": _picture(desk, one.photo) if whole else None,
                "has_photo": one.photo is not None,
            }
            for one in of(select(Complaint).where(Complaint.item_id == item_id).order_by(Complaint.filed_at))
        ],
        "ratings": [
            {"visited_on": one.visited_on.isoformat(), "stars": one.stars, "text": one.words}
            for one in of(select(Rating).where(Rating.item_id == item_id).order_by(Rating.rated_at))
        ],
        "transfers": [
            {
                "booked_on": one.booked_on.isoformat(),
                "amount_dong": one.amount_dong,
                "text": one.purpose,
                "outcome": one.outcome,
            }
            for one in of(select(BankNotice).where(BankNotice.item_id == item_id).order_by(BankNotice.noted_at))
        ],
        "messages": [
            {"kind": one.kind, "at": _moment(one.created_at), "to": one.to_masked, "state": one.state}
            for one in of(select(Message).where(Message.item_id == item_id).order_by(Message.created_at))
        ],
        "visits_by_link": [
            {"at": _moment(one.at), "right_digits": one.token_hash is not None}
            for one in of(select(ProvenVisitor).where(ProvenVisitor.item_id == item_id).order_by(ProvenVisitor.at))
        ],
    }


def _moment(value: datetime | None) -> str | None:
    return value.astimezone(ZONE).isoformat() if value else None


def _masked(desk: Desk, row: Item) -> str | None:
    if row.id_number_sealed is None:
        return None
    number = sealing.unseal(row.id_number_sealed, row=row.id, secrets=desk.settings.secrets)
    return f"•••• {number[-4:]}"


# ------------------------------------------------------------------------------------------------------- requests
@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its readers see it."""

    row: DataRequest
    barcode: str
    office: str
    is_overdue: bool


def ask(desk: Desk, item_id: UUID, *, kind: Wish, words: str, at: datetime) -> Asked:
    """Take a request in; it is answered by the end of the second working day.

    Raises:
        Invalid: too many words.
        Refused: `already-asked` for the same that is open, `too-many-requests`.
    """
    said = words.strip()
    if len(said) > MOST_WORDS:
        raise Invalid(FieldError("text", "too-long", f"Tối đa {MOST_WORDS} chữ, nhận {len(said)}."))
    with desk.database.write() as session:
        row = items.lock(session, [item_id])[0]
        today = local_day(at)
        rule = in_force(desk.facts.rights.data_requests, today)
        known = list(session.scalars(select(DataRequest).where(DataRequest.item_id == item_id)))
        waiting = [one for one in known if one.state in (Decision.OPEN, Decision.GRANTED)]
        if any(one.kind == kind for one in waiting):
            raise Refused("already-asked", "Yêu cầu này đã gửi và đang được giải quyết.")
        if len(waiting) >= rule.most_open or len(known) >= rule.most_in_all:
            raise Refused("too-many-requests", "Đã có đủ yêu cầu về dữ liệu của bưu gửi này.")
        made = DataRequest(
            id=uuid7(),
            item_id=item_id,
            kind=kind.value,
            words=said,
            asked_at=at,
            due_on=plans.calendar(session, desk.facts.bylaws).add_working_days(today, rule.answer_working_days),
            state=Decision.OPEN.value,
            version=1,
        )
        session.add(made)
        session.flush()
        return _asked(session, made, row, at=at)


def _asked(session: Session, row: DataRequest, item: Item, *, at: datetime) -> Asked:
    return _shown(row, item.barcode, session.get_one(Office, item.office_id).name, local_day(at))


def _shown(row: DataRequest, barcode: str, office: str, today: date) -> Asked:
    return Asked(row, barcode, office, is_overdue=row.state == Decision.OPEN and row.due_on < today)


def of_item(desk: Desk, item_id: UUID, *, at: datetime) -> list[Asked]:
    """The requests about an item's data, the newest first; for whoever proved the phone."""
    with desk.database.read() as session:
        return _list(session, at, DataRequest.item_id == item_id)


def queue(desk: Desk, *, decided: bool = False, at: datetime) -> list[Asked]:
    """What waits for the admin by the day it is due, or the last that was decided."""
    is_open = DataRequest.state == Decision.OPEN
    with desk.database.read() as session:
        return _list(session, at, ~is_open if decided else is_open, by_due=not decided)


def _list(session: Session, at: datetime, *wanted: ColumnElement[bool], by_due: bool = False) -> list[Asked]:
    order = (DataRequest.due_on, DataRequest.asked_at) if by_due else (DataRequest.asked_at.desc(),)
    rows = session.execute(
        select(DataRequest, Item.barcode, Office.name)
        .join(Item, Item.id == DataRequest.item_id)
        .join(Office, Office.id == Item.office_id)
        .where(*wanted)
        .order_by(*order, DataRequest.id)
        .limit(_MOST)
    ).all()
    return [_shown(row, barcode, office, local_day(at)) for row, barcode, office in rows]


def decide(
    desk: Desk, caller: Caller, request_id: UUID, *, grant: bool, reason: str, version: int, at: datetime
) -> Asked:
    """Grant or refuse, with the reason the citizen reads; what is granted is done by a job.

    Raises:
        Missing: there is no such request.
        Invalid: no reason was given.
        Refused: `already-decided`; what the law keeps from being erased yet: `still-under-way`, `complaint-open`, `money-open`.
        Stale: somebody changed it since.
    """
    said = reason.strip()
    if not said or len(said) > MOST_WORDS:
        raise Invalid(FieldError("reason", "required" if not said else "too-long", "Mời ghi lý do, tối đa 1000 chữ."))
    with desk.database.write() as session:
        row = session.scalar(select(DataRequest).where(DataRequest.id == request_id).with_for_update())
        if row is None:
            raise Missing("request", request_id)
        if row.state != Decision.OPEN:
            raise Refused("already-decided", "Yêu cầu này đã được quyết định.")
        if row.version != version:
            raise Stale("request", expected=version, found=row.version)
        item = session.get_one(Item, row.item_id)
        if grant and row.kind == Wish.ERASE:
            _require_erasable(session, item)
        row.state = (Decision.GRANTED if grant else Decision.REFUSED).value
        row.decided_at, row.decided_by, row.decision = at, caller.id, said
        row.version += 1
        if grant:
            desk.jobs.enqueue(session, JOB, {"request": str(row.id)}, key=f"{JOB}:{row.id}")
        audit.note(session, caller, f"data request {row.state}", f"data_request:{row.id}", at=at, kind=row.kind)
        for incident in session.scalars(
            select(Incident).where(
                Incident.code == OVERDUE, Incident.item_id == row.item_id, Incident.closed_at.is_(None)
            )
        ):
            incident.closed_at, incident.closed_by, incident.resolution = at, caller.id, "Yêu cầu đã được trả lời."
        session.flush()
        return _asked(session, row, item, at=at)


def _require_erasable(session: Session, item: Item) -> None:
    """What must be known until it is over: whom to find, what is being looked into, whose money it is."""
    if State(item.state) not in FINAL:
        raise Refused("still-under-way", "Bưu gửi chưa phát xong: còn cần để giao đúng người.")
    if session.scalar(select(exists().where(Complaint.item_id == item.id, Complaint.answered_at.is_(None)))):
        raise Refused("complaint-open", "Còn khiếu nại chưa trả lời về bưu gửi này.")
    waiting = exists().where(
        BankNotice.item_id == item.id, BankNotice.outcome != Outcome.PAID, BankNotice.refunded_at.is_(None)
    )
    if session.scalar(select(waiting)) or ledger.receivables(session, [item.id]).get(item.id):
        raise Refused("money-open", "Còn tiền chưa giải quyết xong về bưu gửi này.")


def job(desk: Desk, payload: Mapping[str, Any], *, at: datetime) -> Effect:
    """Do what was granted; its effect is recorded once."""
    request_id = UUID(str(payload["request"]))

    def effect(session: Session) -> None:
        _do(desk, session, request_id, at=at)

    return effect


def _do(desk: Desk, session: Session, request_id: UUID, *, at: datetime) -> None:
    row = session.scalar(select(DataRequest).where(DataRequest.id == request_id).with_for_update())
    if row is None or row.state != Decision.GRANTED:
        return
    if row.kind == Wish.ERASE:
        erasing.erase(session, row.item_id, shelf=_shelf(desk), why="request", at=at)
    else:
        item = items.lock(session, [row.item_id])[0]
        item.restricted_at = item.restricted_at or at
        item.version += 1
    row.state, row.done_at = Decision.DONE.value, at
    row.version += 1


def _picture(desk: Desk, digest: str | None) -> str | None:
    body = pictures.shown(_shelf(desk), digest, secrets=desk.settings.secrets) if digest else None
    return b64encode(body).decode() if body is not None else None


def _shelf(desk: Desk) -> Shelf:
    return Shelf(desk.settings.var_dir / "media")


def give_up(session: Session, payload: Mapping[str, Any], *, at: datetime) -> None:
    """What was granted could not be done: the admin is told."""
    row = session.get(DataRequest, UUID(str(payload["request"])))
    if row is not None:
        session.add(
            _incident(session, row, FAILED, "Yêu cầu về dữ liệu đã chấp thuận nhưng chưa thực hiện được.", at=at)
        )


def _incident(session: Session, row: DataRequest, code: str, sentence: str, *, at: datetime) -> Incident:
    item = session.get_one(Item, row.item_id)
    return Incident(
        id=uuid7(),
        office_id=item.office_id,
        code=code,
        sentence=sentence,
        item_id=row.item_id,
        event_id=None,
        postman_id=None,
        day=local_day(at),
        about_money=False,
        owner_role=Role.ADMIN.value,
        opened_at=at,
    )


# ------------------------------------------------------------------------------------------------------- the night
def escalate(session: Session, *, at: datetime) -> int:
    """Tell the admin of every request whose day has passed without an answer, once each; how many there were."""
    late = session.scalars(
        select(DataRequest)
        .where(
            DataRequest.state == Decision.OPEN,
            DataRequest.escalated_at.is_(None),
            DataRequest.due_on < local_day(at),
        )
        .order_by(DataRequest.due_on, DataRequest.id)
        .with_for_update()
    ).all()
    for row in late:
        sentence = f"Yêu cầu về dữ liệu cá nhân quá hạn trả lời ngày {row.due_on:%d/%m/%Y}."
        session.add(_incident(session, row, OVERDUE, sentence, at=at))
        row.escalated_at = at
    return len(late)


def purge(desk: Desk, session: Session, *, at: datetime) -> Mapping[str, int]:
    """Forget what has been kept long enough, a bounded number of items a night; how much of what."""
    rule = in_force(desk.facts.rights.retention, local_day(at))
    done = 0
    for item_id in erasing.over(session, before=at - timedelta(days=rule.recipient_days), most=_A_NIGHT):
        done += erasing.erase(session, item_id, shelf=_shelf(desk), why="retention", at=at)
    # Proofs are what a complaint is settled with: they go when nobody can complain any more.
    months = in_force(desk.facts.rights.complaints, local_day(at)).within_months
    settled = at - months * _LONGEST_MONTH
    proofs = erasing.forget_proofs(session, shelf=_shelf(desk), before=settled, most=_A_NIGHT)
    visitors = session.execute(delete(ProvenVisitor).where(ProvenVisitor.at < at - timedelta(days=rule.visitor_days)))
    failures = session.execute(
        delete(SignInFailure).where(SignInFailure.at < at - timedelta(days=rule.sign_in_failure_days))
    )
    return {
        "recipients_forgotten": done,
        "proofs_forgotten": proofs,
        "visitors_forgotten": int(getattr(visitors, "rowcount", 0)),
        "sign_in_failures_forgotten": int(getattr(failures, "rowcount", 0)),
    }
