"""The bag: a postman's whole day in one value, which his phone works from without a signal.

It holds no ID number and no code, only digests to match against; and of the rules only those that its items need.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from courier.domain.attempts import Reason, next_day
from courier.domain.calendar import ZONE, WorkingCalendar, at_local
from courier.domain.item import Direction
from courier.domain.money import Method, cash_account, claimed_account
from courier.domain.pins import metres_between
from courier.facts import Facts
from courier.settings import BankAccount
from courier.store import ledger, plans, prepayments, shifts, wishes, worklists
from courier.store.envelopes import to_text
from courier.store.tables import (
    Agency,
    BagVersion,
    Device,
    Item,
    ItemCharge,
    ItemDigest,
    Office,
    Postman,
    Route,
    Staff,
    Stop,
    StopItem,
)

# A deadline is a reason to come today when it is this close.
_PRESSING: Final = timedelta(days=2)
_DAYS_TO_CHOOSE: Final = 10
_WISHES_SHOWN: Final = timedelta(days=4)  # over a week-end
_PAYEES: Final = {"treasury": "Kho bạc Nhà nước", "post": "Bưu điện"}


def version_of(session: Session, postman_id: UUID, day: date) -> int:
    """The version of a postman's bag; 0 before there is anything in it."""
    found = session.scalar(select(BagVersion.version).where(BagVersion.postman_id == postman_id, BagVersion.day == day))
    return found or 0


def bag_of(
    session: Session,
    facts: Facts,
    postman_id: UUID,
    day: date,
    *,
    device_id: UUID | None,
    bank: BankAccount | None,
    at: datetime,
) -> dict[str, Any]:
    """Everything that a phone needs for the day, ready to become JSON."""
    staff = session.get_one(Staff, postman_id)
    office = session.get_one(Office, staff.office_id)
    work = session.get_one(Postman, postman_id)
    device = session.get(Device, device_id) if device_id is not None else None
    which = {"postman_id": postman_id, "day": day}
    routed = session.execute(_ROUTED, which).all()
    on_route = {row.Item.id for row in routed}
    carried = session.execute(
        select(Item, Agency.code)
        .join(Agency, Agency.id == Item.agency_id)
        .where(Item.custody_holder == postman_id)
        .order_by(Item.id)
    ).all()
    extra = [(item, agency) for item, agency in carried if item.id not in on_route]
    pages = _Pages(session, facts, postman_id, day, [*((r.Item, r.code) for r in routed), *extra])
    calendar = plans.calendar(session, facts.bylaws, office.id)
    stops = _stops(routed, pages, (office.lat, office.lon), day, calendar.hours(day))
    ends = [round(office.lat, 6), round(office.lon, 6)]
    return {
        "version": version_of(session, postman_id, day),
        "date": day,
        "server_time": at.astimezone(ZONE),
        "office": {"code": office.code, "name": office.name, "lat": office.lat, "lon": office.lon},
        "postman": {"id": postman_id, "name": staff.name},
        "device": {"number": device.number} if device is not None and device.number is not None else None,
        "cash": _cash(session, pages, postman_id, day, work.cash_limit_dong),
        "document_types": pages.document_types(),
        "rules": pages.rules,
        "reasons": _reasons(facts, calendar, day),
        "next_days": calendar.delivery_days(day, _DAYS_TO_CHOOSE),
        "accounts": {
            payee: {"bin": bank.bin, "account": bank.account, "name": bank.name} for payee in sorted(pages.payees)
        }
        if bank is not None
        else {},
        "line": [ends, *([stop["lat"], stop["lon"]] for stop in stops), ends] if stops else [],
        "stops": stops,
        "extra": [
            pages.item(item, agency)
            | {"address": item.address_raw, "phone": item.recipient_phone, "lat": item.lat, "lon": item.lon}
            for item, agency in extra
        ],
        "filed": [
            _wish(heard) | {"recipient": recipient, "barcode": barcode}
            for heard, recipient, barcode in wishes.filed_by(session, postman_id, since=at - _WISHES_SHOWN)
        ],
        "done": {"ack_through": device.ack_through if device is not None else 0},
    }


_ROUTED = (
    worklists.ON_ROUTE.add_columns(
        Stop.id.label("stop_id"),
        Stop.sequence,
        Stop.arrives_at,
        Stop.leaves_at,
        Stop.lat,
        Stop.lon,
        Route.summary,
        Item,
        Agency.code,
    )
    .join(Agency, Agency.id == Item.agency_id)
    .order_by(Stop.sequence, StopItem.position, Item.id)
)


def _stops(
    routed: Sequence[Any],
    pages: "_Pages",
    office: tuple[float, float],
    day: date,
    hours: Sequence[tuple[int, int]],
) -> list[dict[str, Any]]:
    stops: dict[UUID, dict[str, Any]] = {}
    place, left = office, None
    for row in routed:
        stop = stops.get(row.stop_id)
        if stop is None:
            here = (row.lat, row.lon)
            starts = row.summary.get("starts_at")
            left = left or (datetime.fromisoformat(starts) if starts else row.arrives_at)
            stop = stops[row.stop_id] = {
                "id": row.stop_id,
                "sequence": row.sequence,
                "arrives_at": row.arrives_at.astimezone(ZONE),
                "leaves_at": row.leaves_at.astimezone(ZONE),
                "lat": round(row.lat, 6),
                "lon": round(row.lon, 6),
                "address": row.Item.address_raw,
                "precision": row.Item.precision,
                "phone": row.Item.recipient_phone,
                "why": [],
                # The way as the plan reckons it, waiting included; the metres are those of a crow.
                "leg": {
                    "seconds": max(0, int((row.arrives_at - left).total_seconds())),
                    "metres": round(metres_between(place, here)),
                },
                "items": [],
            }
            place, left = here, row.leaves_at
        stop["items"].append(pages.item(row.Item, row.code))
        stop["why"] += [why for why in _why(row.Item, day, hours) if why not in stop["why"]]
    for stop in stops.values():
        stop["why"] = stop["why"] or [{"code": "near"}]
    return list(stops.values())


def _why(item: Item, day: date, hours: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """What decides that the visit is today, and when. A promise that lasts as long as the day does says one end only."""
    found: list[dict[str, Any]] = []
    if item.wanted_on == day and item.wanted_from is not None and item.wanted_to is not None:
        opens, closes = at_local(day, item.wanted_from), at_local(day, item.wanted_to)
        from_the_start = bool(hours) and item.wanted_from <= hours[0][0]
        to_the_end = bool(hours) and item.wanted_to >= hours[-1][1]
        if from_the_start and not to_the_end:
            found.append({"code": "before", "to": closes})
        elif to_the_end and not from_the_start:
            found.append({"code": "after", "at": opens})
        else:
            found.append({"code": "window", "at": opens, "to": closes})
    if item.deliver_by is not None and item.deliver_by - day <= _PRESSING:
        found.append({"code": "deadline", "to": item.deliver_by})
    return found


def _cash(session: Session, pages: "_Pages", postman_id: UUID, day: date, limit_dong: int) -> dict[str, Any]:
    pockets = {
        Method.CASH.value: ledger.taken_by_payee(session, cash_account(postman_id, day)),
        Method.BANK_QR.value: ledger.taken_by_payee(session, claimed_account(postman_id, day)),
    }
    lines: list[dict[str, Any]] = []
    by_kind: dict[str, int] = {}
    for method, pocket in pockets.items():
        for (kind, payee), dong in pocket.items():
            line = {"kind": kind, "payee": payee, "payee_name": pages.name_of(payee), "method": method}
            lines.append(line | {"amount_dong": dong})
            by_kind[kind] = by_kind.get(kind, 0) + dong
    return {
        "limit_dong": limit_dong,
        # Of every day that is not handed in yet: that is what he has on him.
        "carried_dong": sum(ledger.balances(session, f"cash:{postman_id}:").values()),
        "by_kind": dict(sorted(by_kind.items())),
        "by_method": {method: sum(pocket.values()) for method, pocket in pockets.items()},
        "lines": sorted(lines, key=lambda line: (line["kind"], line["payee"] or "", line["method"])),
    }


def _reasons(facts: Facts, calendar: WorkingCalendar, day: date) -> list[dict[str, Any]]:
    attempts = facts.bylaws.attempts
    rule = attempts.rule(day, agency="", document_type="")

    def next_on(reason: Reason) -> date | None:
        return next_day(reason, rule, calendar, day) if reason.then == "retry" else None

    return [
        {
            "code": reason.code,
            "vi": reason.name_vi,
            "en": reason.name_en,
            "counts": reason.counts,
            "then": reason.then,
            "evidence": list(reason.evidence),
            "measure": reason.measure_vi,
            "next_on": next_on(reason),
        }
        for reason in attempts.reasons.values()
    ]


def _wish(heard: wishes.Heard) -> dict[str, Any]:
    """What was wished at the door, and what the office answered."""
    return {
        "id": heard.id,
        "kind": heard.kind,
        "heard_at": heard.heard_at,
        "day": heard.day,
        "half": heard.half,
        "words": heard.words,
        "outcome": heard.outcome,
        "code": heard.code,
        "window": _hours(heard.window) if heard.window else None,
        "offered": [_hours(window) for window in heard.offered],
    }


def _hours(window: tuple[datetime, datetime]) -> dict[str, datetime]:
    return {"from": window[0], "to": window[1]}


class _Pages:
    """The items of a bag with all that belongs to them, read in a few questions however many there are."""

    def __init__(
        self, session: Session, facts: Facts, postman_id: UUID, day: date, carried: Iterable[tuple[Item, str]]
    ) -> None:
        self._facts, self._postman_id, self._day = facts, postman_id, day
        items = {item.id: item for item, _ in carried}
        self._items = items.values()
        self._charges: dict[UUID, list[ItemCharge]] = {}
        for charge in session.scalars(
            select(ItemCharge).where(ItemCharge.item_id.in_(items)).order_by(ItemCharge.kind, ItemCharge.id)
        ):
            self._charges.setdefault(charge.item_id, []).append(charge)
        self._notes: dict[UUID, list[str]] = prepayments.notes(session, self._charges)
        for note in shifts.notes_of(session, items):
            self._notes.setdefault(note.item_id, []).append(note.text)
        self._wishes: dict[UUID, list[wishes.Heard]] = {}
        for heard in wishes.heard_of(session, items):
            self._wishes.setdefault(heard.item_id, []).append(heard)
        self._digests: dict[UUID, dict[str, ItemDigest]] = {}
        for digest in session.scalars(
            select(ItemDigest)
            .where(ItemDigest.item_id.in_(items), or_(ItemDigest.day == day, ItemDigest.kind == "id_number"))
            .order_by(ItemDigest.day)
        ):
            self._digests.setdefault(digest.item_id, {})[digest.kind] = digest
        self.payees = {charge.payee for lines in self._charges.values() for charge in lines}
        self._names = _PAYEES | {
            f"agency:{code}": name for code, name in session.execute(select(Agency.code, Agency.name))
        }
        self.rules: dict[str, dict[str, Any]] = {}
        self._refs: dict[tuple[str, str, str], str] = {}

    def item(self, item: Item, agency: str) -> dict[str, Any]:
        """One item as it stands in the bag."""
        bylaws = self._facts.bylaws
        tries = bylaws.attempts.rule(self._day, agency=agency, document_type=item.document_type)
        hold = timedelta(days=tries.hold_days[bylaws.commune_kind(item.commune_code)])
        comes = item.direction == Direction.RESULT
        promised = item.wanted_on == self._day and item.wanted_from is not None and item.wanted_to is not None
        return {
            "id": item.id,
            "barcode": item.barcode,
            "document_type": item.document_type,
            "direction": item.direction,
            "state": item.state,
            "in_my_bag": item.custody_holder == self._postman_id,
            "recipient": item.recipient_name,
            "note": "\n".join(text for text in (item.note, *self._notes.get(item.id, ())) if text),
            "instructions": item.instructions,
            "authorised": item.authorised_name,
            "gate_photo": item.gate_photo is not None,
            # What GET /items/{id}/gate-photo gives is believed when it has this digest.
            **({"gate_photo_sha256": item.gate_photo} if item.gate_photo else {}),
            "wishes": [_wish(heard) for heard in self._wishes.get(item.id, ())],
            "window": {
                "from": at_local(self._day, item.wanted_from or 0),
                "to": at_local(self._day, item.wanted_to or 0),
            }
            if promised
            else None,
            "deliver_by": item.deliver_by,
            # What an attempt that fails today brings about: the last one, and until when the office keeps the item then.
            "last_try": comes and item.attempts + 1 >= tries.max_attempts,
            "kept_until": (item.held_until or self._day + hold) if comes else None,
            "charges": [
                {
                    "id": charge.id,
                    "kind": charge.kind,
                    "payee": charge.payee,
                    "payee_name": self.name_of(charge.payee),
                    "amount_dong": charge.amount_dong - charge.prepaid_dong,
                }
                for charge in self._charges.get(item.id, ())
            ],
            "rule": self._rule(item, agency),
            "digests": self._digests_of(item.id),
            "last4": item.id_number_index is not None,
        }

    def name_of(self, payee: str | None) -> str | None:
        """Whose money it is, in words."""
        return self._names.get(payee, payee) if payee else None

    def _rule(self, item: Item, agency: str) -> str:
        which = (item.document_type, agency, item.subject)
        if which not in self._refs:
            rule = worklists.release_of(self._facts, item.document_type, agency, self._day, subject=item.subject)
            shared = next((ref for ref, known in self.rules.items() if known == rule), None)
            self._refs[which] = ref = shared or f"r{len(self.rules) + 1}"
            self.rules[ref] = rule
        return self._refs[which]

    def _digests_of(self, item_id: UUID) -> dict[str, Any]:
        known = self._digests.get(item_id, {})
        return {
            name: {
                "salt": to_text(digest.salt),
                "rounds": digest.rounds,
                "digest": to_text(digest.digest),
            }
            for name, kind in (("id", "id_number"), ("code", "recipient_code"))
            if (digest := known.get(kind)) is not None and digest.digest
        }

    def document_types(self) -> dict[str, Any]:
        """The kinds of paper in the bag; the list of papers only where a dossier is fetched."""
        fetched = {item.document_type for item in self._items if item.direction == Direction.SUBMISSION}
        found = {}
        for code in sorted({item.document_type for item in self._items}):
            known = self._facts.bylaws.document_types.get(code)
            if known is not None:
                papers = known.submission_papers if code in fetched else ()
                found[code] = {
                    "vi": known.name_vi,
                    "en": known.name_en,
                    "sensitive": known.sensitive,
                    "papers": [
                        {"name": paper.name, "original": paper.original, "mandatory": paper.mandatory}
                        for paper in papers
                    ],
                }
        return found
