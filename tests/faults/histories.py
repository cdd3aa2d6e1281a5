"""Random days told by many phones, delivered in any order, doubled and split, against a reference that never saw a database.

    python -m tests.faults.histories --n 10000 --seed 1 [--url sqlite:////dev/shm/histories.db] [--threads 2] [--minutes 20]

Each history is a few items, two phones and a desk that say anything that can be said, in any order. It is delivered through the
real sync, and what the database holds then (state, custody and bearer, counters, wishes and doorstep of every item, every account
to the dong, open incidents, what was set aside, acknowledged numbers) is compared with the naive story of
`tests/rules/test_item_fold.py` and with money added up by hand below.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from courier.domain.acts import FROM_A_PHONE, ShiftType
from courier.domain.item import Direction, Event, EventType
from courier.domain.people import Caller
from courier.store import items
from courier.store.session import Database, migrate, open_database
from courier.store.tables import (
    EventOfItem,
    Incident,
    Item,
    ItemEvent,
    LedgerEntry,
    LedgerTx,
    QuarantinedEvent,
    ShiftEvent,
    ShiftEventOfItem,
    SpokenWish,
)
from tests.builders import DAY, MORNING, House, Phone, a_house, an_event, an_item, clock, done_right, the_facts
from tests.rules.test_item_fold import Step, _standing
from tests.rules.test_item_fold import told as naive_story

PHONE_SAYS = {
    Direction.RESULT: "taken_out taken_out handed_over handed_over handed_over attempt_failed attempt_failed brought_back "
    "passed_on taken_over fetched",
    Direction.SUBMISSION: "taken_out taken_out fetched fetched fetched attempt_failed brought_back passed_on taken_over handed_over",
}
DESK_SAYS = {
    Direction.RESULT: "planned unplanned invited cancelled picked_up given_back agency_signed lost found damaged rescheduled",
    Direction.SUBMISSION: "planned unplanned cancelled brought_in agency_signed lost found rescheduled",
}
# The usual words come more often, so that histories get somewhere; but anybody may say anything of anything.
ANYTHING_BY_PHONE = sorted(FROM_A_PHONE - {EventType.CORRECTED})
ANYTHING_AT_THE_DESK = sorted(set(EventType) - {EventType.CORRECTED})
MONEY = ("handed_over", "fetched", "picked_up")
REASONS = ("recipient_absent", "access_blocked", "damaged", "refused", "nobody-knows-this")
COUNTED = ("recipient_absent", "nobody-knows-this")
KEPT_DAYS = 30
OFFICE_AT = (9.4, 104.97)


@dataclass
class Thing:
    """An item of a history: direction and charges (id, payee, amount)."""

    id: UUID
    direction: Direction
    charges: list[tuple[UUID, str, int]]


@dataclass
class Told:
    """One event of a history: by a phone (`body`) or by the desk (`actor` and `data` only)."""

    event_id: UUID
    kind: str
    items: list[UUID]
    minutes: int
    actor: Caller
    data: dict[str, Any]
    phone: Phone | None = None
    body: Any = None


@dataclass
class History:
    """What really happened, in whatever order it will be heard of."""

    things: list[Thing]
    told: list[Told] = field(default_factory=list)
    way: list[Told] = field(default_factory=list)  # notes, pins, wishes, another order, breakdowns
    poison: list[Told] = field(default_factory=list)  # `data` holds the code under which it must be set aside

    @property
    def everything(self) -> list[Told]:
        """All that is sent."""
        return [*self.told, *self.way, *self.poison]


def _id(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def invent(
    rng: random.Random, house: House, phones: list[Phone], *, things: int, events: int, minutes: int = 90
) -> History:
    """A random history; items are accepted into the house's database."""
    history = History([])
    with house.database.write() as session:
        for _ in range(things):
            direction = rng.choice([Direction.RESULT, Direction.RESULT, Direction.SUBMISSION])
            charges = [
                (_id(rng), payee, rng.choice([0, 30_000, 135_000]))
                for payee in rng.sample(["agency:PC08", "post", "treasury"], rng.randint(0, 2))
            ]
            kinds = {"agency:PC08": "state_fee", "post": "postage", "treasury": "fine"}
            thing = Thing(_id(rng), direction, charges)
            an_item(
                session,
                house,
                id=thing.id,
                direction=direction,
                charges=[(kinds[payee], payee, amount) for _, payee, amount in charges],
                charge_ids=[charge_id for charge_id, _, _ in charges],
            )
            history.things.append(thing)
    for _ in range(events):
        history.told.append(_tell(rng, house, phones, history, minutes))
        if rng.random() < 0.1:
            history.way.append(_on_the_way(rng, phones, history, minutes))
        if rng.random() < 0.06:
            history.poison.append(_poison(rng, phones, history))
    return history


def _tell(rng: random.Random, house: House, phones: list[Phone], history: History, minutes: int) -> Told:
    minute = rng.randrange(minutes)
    by_desk = rng.random() < 0.2
    phone = None if by_desk else rng.choice(phones)
    actor = house.clerk if phone is None else phone.bearer
    if history.told and rng.random() < 0.15:
        target = rng.choice(history.told)
        near = rng.choice(target.items)
        about = list({near, *(rng.choice(history.things).id for _ in range(rng.randint(0, 1)))})
        data = {"corrects": str(target.event_id), "reason": "nhầm"}
        if phone is not None and rng.random() < 0.7 and target.phone is not None:
            phone, actor = target.phone, target.phone.bearer
        actor = house.dispatcher if phone is None else actor
        return _as_sent(rng, "corrected", about, rng.randrange(target.minutes, minutes + 5), actor, data, phone)
    first = rng.choice(history.things)
    words = (DESK_SAYS if by_desk else PHONE_SAYS)[first.direction].split()
    kind = rng.choice(words)
    if rng.random() < 0.2:
        kind = rng.choice(ANYTHING_AT_THE_DESK if by_desk else ANYTHING_BY_PHONE).value
    about = [first.id]
    if not by_desk and rng.random() < 0.3:
        about += [t.id for t in rng.sample(history.things, min(2, len(history.things))) if t.id != first.id]
    return _as_sent(rng, kind, about, minute, actor, _data(rng, kind, about, history), phone)


def _data(rng: random.Random, kind: str, about: list[UUID], history: History) -> dict[str, Any]:
    if kind == "attempt_failed":
        return {"reason": rng.choice(REASONS), "next_on": f"2026-11-{rng.randint(25, 29)}"}
    if kind == "rescheduled":
        return {"on": f"2026-11-{rng.randint(26, 30)}", "from": 27_000, "to": 30_600}
    if kind == "authorised":
        return {"name": f"Người được uỷ quyền {rng.randint(1, 9)}"}
    if kind == "instructed":
        return {"text": f"Nhà thứ {rng.randint(1, 9)} sau cầu"}
    if kind not in MONEY:
        return {}
    lines = []
    for thing in history.things:
        if thing.id in about:
            for charge_id, _, due in thing.charges:
                amount = rng.choice([due, due, due, 0, due + 5_000, due // 2])
                lines.append(
                    {"charge": str(charge_id), "amount_dong": amount, "method": rng.choice(["cash", "cash", "bank_qr"])}
                )
    if rng.random() < 0.1:
        lines.append({"charge": str(_id(rng)), "amount_dong": 7_000, "method": "cash"})
    others = [c for t in history.things if t.id not in about for c in t.charges]
    if others and rng.random() < 0.1:
        lines.append({"charge": str(rng.choice(others)[0]), "amount_dong": 9_000, "method": "cash"})
    receiver = {
        "name": "Nguyễn Văn Mẫu",
        "relation": rng.choice(["owner", "owner", "authorised", "neighbour"]),
        "id_check": rng.choice(["match", "match", "none", "mismatch"]),
        "id_last4": None,
    }
    proofs = [{"kind": "signature", "sha256": None}] if rng.random() < 0.8 else []
    return done_right(lines, receiver=receiver, proofs=proofs)


def _on_the_way(rng: random.Random, phones: list[Phone], history: History, minutes: int) -> Told:
    phone, kind = rng.choice(phones), rng.choice(sorted(ShiftType))
    about = [thing.id for thing in rng.sample(history.things, rng.randint(1, min(2, len(history.things))))]
    data: dict[str, Any] = {"text": "Thủng lốp ở đầu cầu.", "can_go_on": True}
    if kind is ShiftType.PINNED:
        far = rng.choice((0.0, 0.0, 0.0, 2.0))  # degrees: another province
        lat, lon = (
            round(OFFICE_AT[0] + far + rng.uniform(-0.1, 0.1), 6),
            round(OFFICE_AT[1] + rng.uniform(-0.1, 0.1), 6),
        )
        data = {"lat": lat, "lon": lon, "accuracy_m": rng.choice((5, 100, 101))}
    elif kind is ShiftType.REORDERED:
        about, data = [], {"stops": [str(_id(rng))], "extra_seconds": rng.randint(-60, 60)}
    elif kind is ShiftType.BROKE_DOWN:
        about = []
    elif kind is ShiftType.WISHED:
        data = rng.choice(
            [
                {"kind": "pick_up"},
                {"kind": "authorise", "person": "Trần Thị Mẫu"},
                {"kind": "reschedule", "day": "2026-12-02"},
            ]
        )
    else:
        data = {"text": "Hỏi quán nước."}
    return _as_sent(rng, kind.value, about, rng.randrange(minutes), phone.bearer, data, phone)


def _as_sent(
    rng: random.Random,
    kind: str,
    about: list[UUID],
    minute: int,
    actor: Caller,
    data: dict[str, Any],
    phone: Phone | None,
) -> Told:
    if phone is None:
        return Told(_id(rng), kind, about, minute, actor, data)
    body = phone.event(kind, about, minute, **data)
    return Told(UUID(body["event_id"]), kind, about, minute, actor, data, phone, body)


def _poison(rng: random.Random, phones: list[Phone], history: History) -> Told:
    phone = rng.choice(phones)
    body = phone.event("handed_over", [history.things[0].id], 5, **done_right())
    spoil = rng.choice(["item", "type", "nul", "amount", "text", "deep"])
    code = "unreadable-data"
    if spoil == "item":
        body["items"], code = [str(_id(rng))], "unknown-item"
    elif spoil == "type":
        body["type"], code = "planned", "unreadable-type"
    elif spoil == "nul":
        body["data"]["note"] = "\0"
    elif spoil == "amount":
        line = {"charge": body["items"][0], "amount_dong": -1, "method": "cash"}
        body["data"]["collections"], code = [line], "unreadable-amount_dong"
    elif spoil == "text":
        body["data"]["receiver"]["name"] = "\ud800"
    else:
        body["data"] = {"a": [[[[[[[["x"] * 2]]]]]]], "device": 2**70}
    return Told(UUID(body["event_id"]), "poison", [], 0, phone.bearer, {"code": code}, phone, body)


# -------------------------------------------------------------------------------------------------------- delivery
@dataclass
class Batch:
    """What one phone sends in one request, or one event of the desk."""

    phone: Phone | None
    told: list[Told]


def batches(rng: random.Random, history: History) -> list[Batch]:
    """Everything at least once, some of it again, shuffled, in batches of any size."""
    by_phone: dict[int, list[Told]] = {}
    found: list[Batch] = []
    for told in history.everything:
        copies = rng.choice([1, 1, 1, 2, 3])
        if told.phone is None:
            found.append(Batch(None, [told]))
        else:
            by_phone.setdefault(id(told.phone), []).extend([told] * copies)
    for sent in by_phone.values():
        rng.shuffle(sent)
        while sent:
            size = rng.choice([1, 2, 3, 7, 50])
            found.append(Batch(sent[0].phone, sent[:size]))
            del sent[:size]
    rng.shuffle(found)
    return found


def deliver(house: House, batch: Batch, *, patience: int = 50) -> None:
    """One request; a phone whose request failed for a reason of the database's sends it again."""
    for left in reversed(range(patience)):
        try:
            if batch.phone is None:
                _at_the_desk(house, batch.told[0])
            else:
                answer = batch.phone.send(*(told.body for told in batch.told))
                assert set(answer.results) <= {"applied", "duplicate", "accepted_with_conflict", "quarantined"}
        except OperationalError:
            if not left:
                raise
        else:
            return


def _at_the_desk(house: House, told: Told) -> None:
    with house.database.write() as session:
        new = items.NewEvent(
            event_id=told.event_id,
            type=EventType(told.kind),
            items=tuple(told.items),
            occurred_at=clock(told.minutes),
            received_at=clock(600),
            actor=told.actor,
            data=told.data,
        )
        items.record(session, new, the_facts().bylaws)


def deliver_all(rng: random.Random, house: House, history: History, *, threads: int = 1) -> None:
    """All batches, one after the other or by several threads at once."""
    waiting = batches(rng, history)
    if threads == 1:
        for batch in waiting:
            deliver(house, batch)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda batch: deliver(house, batch), waiting))


# ------------------------------------------------------------------------------------------------------- reference
class Kept(NamedTuple):
    """What follows from an item's events and stands beside it."""

    state: str
    custody: str
    holder: UUID | None
    attempts: int
    moves: int
    marks: tuple[str, ...]
    held_until: date | None
    not_before: date | None
    wanted_on: date | None
    authorised: str | None
    instructions: str | None
    point: tuple[float, float] | None


@dataclass
class Outcome:
    """What should be in the database, or what is."""

    items: dict[UUID, Kept] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    incidents: set[tuple[UUID, UUID, str]] = field(default_factory=set)

    def add(self, other: "Outcome") -> None:
        """Take another history's outcome in."""
        self.items |= other.items
        self.accounts.update(other.accounts)
        self.incidents |= other.incidents

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        accounts = ({k: v for k, v in each.accounts.items() if v} for each in (self, other))
        return self.items == other.items and self.incidents == other.incidents and next(accounts) == next(accounts)

    __hash__ = None  # type: ignore[assignment]


def _links(history: History) -> dict[UUID, set[UUID]]:
    """Which items each event is about: a correction shares the items of its target once they have one in common."""
    links = {told.event_id: set(told.items) for told in history.told}
    growing = True
    while growing:
        before = sum(map(len, links.values()))
        for told in history.told:
            target = links.get(UUID(told.data["corrects"])) if told.kind == "corrected" else None
            if target and target & links[told.event_id]:
                links[told.event_id] |= target
        growing = sum(map(len, links.values())) != before
    return links


def reference(house: House, history: History) -> Outcome:
    """The outcome by the naive story and by adding up, item by item."""
    outcome = Outcome()
    links = _links(history)
    told_by_id = {told.event_id: told for told in history.told}
    for thing in history.things:
        events = [
            an_event(t.kind, t.minutes, by=t.actor.id, role=t.actor.role, id=t.event_id, **t.data)
            for t in history.told
            if thing.id in links[t.event_id]
        ]
        if thing.direction is Direction.RESULT:
            events.append(an_event("received", at=MORNING.replace(day=24), by=house.clerk.id))
        story, conflicts = naive_story(thing.direction, events)
        state = story[-1].after
        outcome.items[thing.id] = _kept(thing, story[1:], {e.event_id: e for e in events}, _point(thing, history))
        outcome.incidents |= {(event_id, thing.id, code) for event_id, code in conflicts}
        standing = [told_by_id[e.event_id] for e in _standing(events)[0] if e.event_id in told_by_id]
        _count(outcome, house, thing, state, standing, conflicts, history, links)
    return outcome


def _kept(thing: Thing, story: list[Step], events: dict[UUID, Event], point: tuple[float, float] | None) -> Kept:
    """What a person who is told the story would write on the item's card."""
    result = thing.direction is Direction.RESULT
    custody, holder = ("agency" if result else "recipient"), None
    failed: list[Event] = []
    first_notice: date | None = None
    wishes: dict[str, Event] = {}
    marks: set[str] = set()
    moves = 0
    for step in story:
        event, word = events[step.event], step.word
        if word in ("taken_out", "set_out", "taken_over", "fetched"):
            holder = event.actor
            custody = "postman" if result or step.after == "fetched" else custody
        elif word == "received" or (
            word in ("brought_back", "brought_in", "found") and step.after in ("held", "at_office")
        ):
            custody, holder = "office", None
        elif word in ("brought_back", "brought_in", "handed_over", "picked_up"):
            custody, holder = "recipient", None
        elif word == "agency_signed":
            custody, holder = "agency", None
        if word in ("lost", "damaged", "recalled"):
            marks.add(word)
        elif word in ("found", "handed_over", "picked_up"):
            marks -= {"lost"}
        if word == "attempt_failed":
            failed.append(event)
            wishes.pop("rescheduled", None)
        if word == "invited" or (word == "attempt_failed" and event.data["reason"] in COUNTED):
            first_notice = first_notice or DAY
        if word in ("rescheduled", "authorised", "instructed"):
            wishes[word] = event
        moves += word == "rescheduled"
    wish = {word: event.data for word, event in wishes.items()}
    later = None
    if failed and (not story or story[-1].after not in ("delivered", "picked_up")):
        later = max(date.fromisoformat(failed[-1].data["next_on"]), DAY + timedelta(days=1))
    return Kept(
        state=story[-1].after if story else ("announced" if result else "requested"),
        custody=custody,
        holder=holder if custody == "postman" else None,
        attempts=sum(event.data["reason"] in COUNTED for event in failed),
        moves=moves,
        marks=tuple(sorted(marks)),
        held_until=first_notice + timedelta(days=KEPT_DAYS) if first_notice else None,
        not_before=later,
        wanted_on=date.fromisoformat(wish["rescheduled"]["on"]) if "rescheduled" in wish else None,
        authorised=wish["authorised"]["name"] if "authorised" in wish else None,
        instructions=wish["instructed"]["text"] if "instructed" in wish else None,
        point=point,
    )


def _point(thing: Thing, history: History) -> tuple[float, float] | None:
    """The last pin at its door that is exact enough and not in another province."""
    pins = [told for told in history.way if told.kind == "pinned" and thing.id in told.items]
    good = [t for t in pins if t.data["accuracy_m"] <= 100 and abs(t.data["lat"] - OFFICE_AT[0]) < 1]
    if not good:
        return None
    last = max(good, key=lambda t: (t.minutes, t.event_id.bytes))
    return last.data["lat"], last.data["lon"]


def _count(
    outcome: Outcome,
    house: House,
    thing: Thing,
    state: str,
    standing: list[Told],
    conflicts: set[tuple[UUID, str]],
    history: History,
    links: dict[UUID, set[UUID]],
) -> None:
    accounts = outcome.accounts
    due = {charge_id: amount for charge_id, _, amount in thing.charges}
    payees = {charge_id: payee for charge_id, payee, _ in thing.charges}
    if state not in ("returned", "cancelled"):
        for charge_id, amount in due.items():
            accounts[f"receivable:{thing.id}"] += amount
            accounts[f"due:{payees[charge_id]}"] -= amount
    stuck = {event_id for event_id, code in conflicts if code != "not-in-custody"}
    known = {told.event_id for told in standing}
    for told in sorted(standing, key=lambda t: (t.minutes, t.event_id.bytes)):
        found = set(_broken(thing, told))
        if told.kind in MONEY:
            placed = {c[0] for t in history.things if t.id in links[told.event_id] for c in t.charges}
            answers = min(links[told.event_id]) == thing.id
            stray = [
                c for c in told.data["collections"] if UUID(c["charge"]) not in placed and answers and c["amount_dong"]
            ]
            mine = [c for c in told.data["collections"] if UUID(c["charge"]) in due]
            found |= {"unknown-charge"} if stray else set()
            found |= (
                {"transfer-unconfirmed"} if any(c["method"] == "bank_qr" and c["amount_dong"] for c in mine) else set()
            )
            for charge_id, amount in due.items():
                paid = sum(c["amount_dong"] for c in mine if UUID(c["charge"]) == charge_id)
                found |= {"underpaid"} if paid < amount else {"overpaid"} if paid > amount else set()
            left = dict(due)
            for line in (*mine, *stray):
                purse = "cash" if line["method"] == "cash" else "claimed"
                accounts[f"{purse}:{told.actor.id}:{DAY}"] += line["amount_dong"]
                charge_id = UUID(line["charge"])
                fits = 0 if told.event_id in stuck else min(line["amount_dong"], left.get(charge_id, 0))
                if fits:
                    left[charge_id] -= fits
                    accounts[f"receivable:{thing.id}"] -= fits
                    if purse == "cash":
                        accounts[f"due:{payees[charge_id]}"] += fits
                        accounts[f"payable:{payees[charge_id]}"] -= fits
                accounts[f"suspense:{house.office_id}"] -= line["amount_dong"] - fits
        outcome.incidents |= {(told.event_id, thing.id, code) for code in found if told.event_id in known}


def _broken(thing: Thing, told: Told) -> Iterator[str]:
    """What the act broke of the rules for a driving licence, read off the rule by a person."""
    if told.kind in ("lost", "damaged", "recalled"):
        yield told.kind
    if told.kind == "attempt_failed":
        yield from {"damaged": ["damaged"], "nobody-knows-this": ["unknown-reason"]}.get(told.data["reason"], [])
    if told.kind in MONEY and thing.direction is Direction.RESULT:
        # A `fetched` of a result carries no receiver that was read: nobody was named, nobody was checked.
        receiver = told.data["receiver"]
        if receiver["relation"] not in ("owner", "authorised"):
            yield "receiver-not-allowed"
        if receiver["id_check"] == "mismatch":
            yield "id-mismatch"
        if receiver["id_check"] == "none":
            yield "id-not-checked"
        if not told.data["proofs"]:
            yield "proof-missing"


# ----------------------------------------------------------------------------------------------------- comparison
def found(house: House, only: Iterable[UUID] | None = None) -> Outcome:
    """What the database holds of a house, or of some of its items with the accounts as far as they speak of these."""
    outcome = Outcome()
    wanted = None if only is None else list(only)
    items = select(Item).where(Item.office_id == house.office_id)
    incidents = select(Incident.event_id, Incident.item_id, Incident.code).where(
        Incident.closed_at.is_(None), Incident.office_id == house.office_id, Incident.item_id.is_not(None)
    )
    with house.database.read() as session:
        if wanted is not None:
            items, incidents = items.where(Item.id.in_(wanted)), incidents.where(Incident.item_id.in_(wanted))
            rows = session.execute(
                select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
                .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
                .where(LedgerTx.item_id.in_(wanted))
                .group_by(LedgerEntry.account)
            )
            outcome.accounts = Counter({account: int(total) for account, total in rows})
        outcome.items = {row.id: _written(row) for row in session.scalars(items)}
        outcome.incidents = {(event_id, item_id, code) for event_id, item_id, code in session.execute(incidents)}
    if wanted is None:
        outcome.accounts = Counter(house.balances())
    return outcome


def _written(row: Item) -> Kept:
    return Kept(
        state=row.state,
        custody=row.custody,
        holder=row.custody_holder,
        attempts=row.attempts,
        moves=row.moves,
        marks=tuple(row.marks),
        held_until=row.held_until,
        not_before=row.not_before,
        wanted_on=row.wanted_on,
        authorised=row.authorised_name,
        instructions=row.instructions,
        point=None if row.lat is None or row.lon is None else (row.lat, row.lon),
    )


def explain(wanted: Outcome, got: Outcome) -> str:
    """Where two outcomes differ, for the person who must find out why."""
    lines = [
        f"item {i}: {kept}, found {got.items.get(i)}" for i, kept in wanted.items.items() if got.items.get(i) != kept
    ]
    lines += [f"missing {incident}" for incident in wanted.incidents - got.incidents]
    lines += [f"too many {incident}" for incident in got.incidents - wanted.incidents]
    lines += [
        f"{account}: {wanted.accounts[account]}, found {got.accounts[account]}"
        for account in sorted({*wanted.accounts, *got.accounts})
        if wanted.accounts[account] != got.accounts[account]
    ]
    return "\n".join(lines)


def nothing_is_lost(house: House, history: History) -> None:
    """Every event is in the book once with its items, every poison is set aside once, every phone may forget everything."""
    with house.database.read() as session:
        acts = _ties(session, ItemEvent, EventOfItem, history.told)
        way = _ties(session, ShiftEvent, ShiftEventOfItem, history.way)
        heard = session.execute(
            select(SpokenWish.event_id, SpokenWish.item_id, SpokenWish.kind, SpokenWish.heard_by).where(
                SpokenWish.event_id.in_([told.event_id for told in history.way])
            )
        ).all()
        aside = session.execute(
            select(QuarantinedEvent.event_id, QuarantinedEvent.code).where(
                QuarantinedEvent.event_id.in_([str(told.event_id) for told in history.poison])
            )
        ).all()
    assert acts == _links(history)
    assert way == {told.event_id: set(told.items) for told in history.way}
    assert sorted(map(tuple, heard)) == sorted(
        (told.event_id, item, told.data["kind"], told.actor.id)
        for told in history.way
        if told.kind == "wished"
        for item in told.items
    )
    assert sorted(map(tuple, aside)) == sorted((str(told.event_id), told.data["code"]) for told in history.poison)
    for phone in {id(told.phone): told.phone for told in history.everything if told.phone}.values():
        assert phone.send().ack_through == phone.seq


def _ties(session: Session, table: Any, ties: Any, told: list[Told]) -> dict[UUID, set[UUID]]:
    """The items of those of the events that are stored."""
    ids = [one.event_id for one in told]
    found: dict[UUID, set[UUID]] = {
        event_id: set() for event_id in session.scalars(select(table.id).where(table.id.in_(ids)))
    }
    for event_id, item_id in session.execute(select(ties.event_id, ties.item_id).where(ties.event_id.in_(ids))):
        found[event_id].add(item_id)
    return found


def forge(rng: random.Random, history: History) -> None:
    """What is stored comes back with other content, or its number with another act: set aside, every time."""
    sent = [told for told in (*history.told, *history.way) if told.phone is not None]
    for told in rng.sample(sent, min(len(sent), 2)):
        assert told.phone is not None
        changed = {**told.body, "position": {"forged": True}}
        renamed = {**told.body, "event_id": str(_id(rng))}
        answers = told.phone.send(changed, renamed).answers
        assert [answer.code for answer in answers] == ["same-id-other-content", "sequence-reused"]


# --------------------------------------------------------------------------------------------------------- command
@dataclass
class Ran:
    """How much was compared without a difference."""

    histories: int = 0
    events: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def run(
    database: Database, *, n: int, seed: int, threads: int = 1, at_once: int = 20, seconds: float = float("inf")
) -> Ran:
    """Invent, deliver and compare `n` small histories, or as many as so many seconds allow.

    Raises:
        AssertionError: a difference, with the seed that shows it again.
    """
    house = a_house(database, postmen=3)
    ran, accounts, began = Ran(), Counter[str](), time.monotonic()
    for start in range(0, n, at_once):
        if time.monotonic() - began > seconds:
            break
        rng = random.Random(f"{seed}:{start}")
        phones = [Phone(house, postman, rng=rng, id=_id(rng)) for postman in house.postmen for _ in range(2)]
        chunk = []
        for _ in range(min(at_once, n - start)):
            some = rng.sample(phones, 2)
            chunk.append(invent(rng, house, some, things=rng.randint(1, 3), events=rng.randint(1, 9), minutes=12))
        together = History(
            [t for h in chunk for t in h.things],
            [t for h in chunk for t in h.told],
            [t for h in chunk for t in h.way],
            [t for h in chunk for t in h.poison],
        )
        deliver_all(rng, house, together, threads=threads)
        wanted = Outcome()
        for history in chunk:
            wanted.add(reference(house, history))
        forge(rng, together)
        got = found(house, wanted.items)
        assert wanted == got, (
            f"--n {start + at_once} --seed {seed}, histories {start} to {start + at_once}:\n{explain(wanted, got)}"
        )
        nothing_is_lost(house, together)
        accounts.update(wanted.accounts)
        ran.histories += len(chunk)
        ran.events += len(together.everything)
        ran.kinds += Counter(told.kind for told in together.everything)
    # Each history's money was right; nothing else may have moved any.
    assert Counter({account: dong for account, dong in accounts.items() if dong}) == Counter(house.balances())
    return ran


def main(arguments: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--url", default="")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long, wherever it is")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(options.url or f"sqlite:///{Path(folder) / 'histories.db'}")
        migrate(database)
        began = time.monotonic()
        ran = run(database, n=options.n, seed=options.seed, threads=options.threads, seconds=options.minutes * 60)
        seconds = time.monotonic() - began
        database.close()
    print(f"{ran.histories} histories, {ran.events} events, 0 differences, {seconds:.0f} s")
    print(", ".join(f"{kind} {count}" for kind, count in sorted(ran.kinds.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
