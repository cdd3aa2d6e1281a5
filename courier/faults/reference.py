"""What should be in the books after everything was told: plain, slow, and written without looking at the program it judges.

It knows the rules as a post office would tell them, for the phone's own words and for driving licences of one agency, and nothing
of `courier`: no import of the fold, the ledger or the tables. One item at a time, the whole story from the beginning.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import cos, hypot, radians
from typing import Any, Final, NamedTuple
from uuid import UUID

MONEY: Final = ("handed_over", "fetched")
SHIFT: Final = ("noted", "pinned", "reordered", "broke_down", "wished")
NOT_COUNTED: Final = {
    "refused",
    "payment_refused",
    "recipient_deceased",
    "access_blocked",
    "damaged",
    "rescheduled_at_door",
}
REASONS: Final = (*sorted(NOT_COUNTED), "recipient_absent", "no_contact", "address_wrong", "moved", "wrong_recipient")
KEPT_DAYS: Final = 30  # in the countryside, from the first attempt that counts
DOORSTEP_M: Final = 100
REACH_M: Final = 100_000

# state, word: what it makes of it. Whatever is not here has no place in the item's life.
_RESULT: Final = {
    ("received", "taken_out"): "out",
    ("held", "taken_out"): "out",
    ("out", "handed_over"): "delivered",
    ("attempted", "handed_over"): "delivered",
    ("out", "attempt_failed"): "attempted",
    ("attempted", "attempt_failed"): "attempted",
    ("out", "brought_back"): "held",
    ("attempted", "brought_back"): "held",
    ("out", "passed_on"): "out",
    ("attempted", "passed_on"): "attempted",
    ("out", "taken_over"): "out",
    ("attempted", "taken_over"): "attempted",
}
_SUBMISSION: Final = {
    ("requested", "taken_out"): "out",
    ("out", "fetched"): "fetched",
    ("out", "attempt_failed"): "requested",
    ("out", "brought_back"): "requested",
    ("fetched", "brought_back"): "at_office",
    ("out", "passed_on"): "out",
    ("fetched", "passed_on"): "fetched",
    ("out", "taken_over"): "out",
    ("fetched", "taken_over"): "fetched",
}
_SAID_OF_A_SUBMISSION: Final = {"taken_out": "set_out", "brought_back": "brought_in"}
_ONLY_THE_BEARER: Final = ("handed_over", "fetched", "attempt_failed", "brought_back")
_ANOTHER_HAND: Final = ("taken_out", "taken_over", "brought_back")


@dataclass(frozen=True, slots=True)
class Thing:
    """An item: a paper for the citizen, or a dossier to fetch; `charges` are (id, payee, dong)."""

    id: UUID
    submission: bool
    charges: tuple[tuple[UUID, str, int], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An act as it was: when it really happened, by whom, about which items, with the phone's data."""

    id: UUID
    kind: str
    about: tuple[UUID, ...]
    at: datetime
    by: UUID
    data: Mapping[str, Any]
    wrong_code: bool = False

    @property
    def place(self) -> tuple[datetime, int]:
        """Where it stands in the story."""
        return (self.at, self.id.int)

    @property
    def day(self) -> date:
        """The day in Viet Nam, seven hours ahead of UTC all the year."""
        return (self.at.astimezone(UTC) + timedelta(hours=7)).date()


class Standing(NamedTuple):
    """How an item should stand in the books."""

    state: str
    custody: str
    holder: UUID | None
    attempts: int
    held_until: date | None
    not_before: date | None
    point: tuple[float, float] | None


@dataclass(slots=True)
class Expected:
    """What the books should hold. `about` is which items each act is tied to, accounts are debits less credits in dong."""

    items: dict[UUID, Standing] = field(default_factory=dict)
    about: dict[UUID, frozenset[UUID]] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    incidents: set[tuple[UUID, UUID, str]] = field(default_factory=set)
    breakdowns: Counter[UUID] = field(default_factory=Counter)
    wishes: Counter[tuple[UUID, UUID, str]] = field(default_factory=Counter)
    """What was heard at a door, as (act, item, what was wished): each once, whatever else happened there."""


def tell(things: Sequence[Thing], told: Iterable[Told], *, office: UUID, near: tuple[float, float]) -> Expected:
    """Tell every item's story from its acts, in whatever order they are given. `near` is where the office stands."""
    acts = sorted(told, key=lambda t: t.place)
    expected = Expected(about=_about(acts))
    of_item: dict[UUID, list[Told]] = {thing.id: [] for thing in things}
    for act in acts:
        for item in expected.about[act.id]:
            of_item[item].append(act)
        if act.kind == "broke_down":
            expected.breakdowns[act.by] += 1
        if act.kind == "wished":
            expected.wishes.update((act.id, item, act.data["kind"]) for item in act.about)
    owner = {charge: thing.id for thing in things for charge, _, _ in thing.charges}
    for thing in things:
        _one(expected, thing, of_item[thing.id], owner, office=office, near=near)
    return expected


def _about(acts: Sequence[Told]) -> dict[UUID, frozenset[UUID]]:
    """A correction speaks of all that the corrected act speaks of, as soon as they share one item."""
    about = {act.id: frozenset(act.about) for act in acts}
    kind = {act.id: act.kind for act in acts}
    corrections = [(act.id, UUID(act.data["corrects"])) for act in acts if act.kind == "corrected"]
    changed = True
    while changed:
        changed = False
        for correction, target in corrections:
            shares = kind.get(target, "noted") not in SHIFT and about[correction] & about[target]
            if shares and not about[target] <= about[correction]:
                about[correction] |= about[target]
                changed = True
    return about


def _one(
    expected: Expected,
    thing: Thing,
    acts: list[Told],
    owner: Mapping[UUID, UUID],
    *,
    office: UUID,
    near: tuple[float, float],
) -> None:
    pins = [
        a
        for a in acts
        if a.kind == "pinned" and a.data["accuracy_m"] <= DOORSTEP_M and _metres(a.data, near) <= REACH_M
    ]
    point = (pins[-1].data["lat"], pins[-1].data["lon"]) if pins else None
    left, trouble = _after_corrections([a for a in acts if a.kind not in SHIFT])
    story = [a for a in left if a.kind != "corrected"]
    state, custody, holder, failed, fold_trouble = _fold(thing, story)
    trouble |= fold_trouble
    counted = [a for a in failed if a.data["reason"] not in NOT_COUNTED]
    kept = counted[0].day + timedelta(days=KEPT_DAYS) if counted else None
    later = None
    if failed and state != "delivered":
        later = max(date.fromisoformat(failed[-1].data["next_on"]), failed[-1].day + timedelta(days=1))
    expected.items[thing.id] = Standing(state, custody, holder, len(counted), kept, later, point)
    beside = {event for event, code in trouble if code != "not-in-custody"}
    for _, payee, dong in thing.charges:
        expected.accounts[f"receivable:{thing.id}"] += dong
        expected.accounts[f"due:{payee}"] -= dong
    for act in story:
        lines = _lines(expected, thing, act, owner)
        trouble |= {(act.id, code) for code in _broken(thing, act, lines)}
        if act.kind in MONEY:
            _pay(expected.accounts, thing, act, lines, office=office, in_its_place=act.id not in beside)
    expected.incidents |= {(event, thing.id, code) for event, code in trouble}


def _after_corrections(acts: list[Told]) -> tuple[list[Told], set[tuple[UUID, str]]]:
    """What is left when the latest word is heard first: a correction that stands takes an earlier act of one's own away."""
    by_id = {act.id: act for act in acts}
    gone: set[UUID] = set()
    trouble: set[tuple[UUID, str]] = set()
    for act in reversed(acts):
        if act.kind != "corrected" or act.id in gone:
            continue
        target = by_id.get(UUID(act.data["corrects"]))
        if target is None:
            trouble.add((act.id, "nothing-to-correct"))
        elif target.place >= act.place:
            trouble.add((act.id, "correction-before-act"))
        elif target.by != act.by:
            trouble.add((act.id, "not-your-act"))
        else:
            gone.add(target.id)
    return [act for act in acts if act.id not in gone], trouble


def _fold(thing: Thing, story: list[Told]) -> tuple[str, str, UUID | None, list[Told], set[tuple[UUID, str]]]:
    table = _SUBMISSION if thing.submission else _RESULT
    state, custody, holder = ("requested", "recipient", None) if thing.submission else ("received", "office", None)
    bearer: UUID | None = holder
    failed: list[Told] = []
    trouble: set[tuple[UUID, str]] = set()
    for place, act in enumerate(story):
        after = table.get((state, act.kind))
        if after is None:
            said = _SAID_OF_A_SUBMISSION.get(act.kind, act.kind) if thing.submission else act.kind
            trouble.add((act.id, f"no-{said}-when-{state}"))
            continue
        if act.kind in _ONLY_THE_BEARER and act.by != bearer:
            if _still_had_it(bearer, act, story[place + 1 :]):
                trouble.add((act.id, "another-had-custody"))
                continue
            trouble.add((act.id, "not-in-custody"))
        state = after
        if act.kind == "attempt_failed":
            failed.append(act)
        elif act.kind in ("taken_out", "taken_over", "fetched"):
            bearer = act.by
            custody = "recipient" if thing.submission and state == "out" else "postman"
        elif act.kind in ("handed_over", "brought_back"):
            bearer = None
            custody = "office" if state in ("held", "at_office") else "recipient"
    return state, custody, bearer if custody == "postman" else None, failed, trouble


def _still_had_it(bearer: UUID | None, act: Told, later: list[Told]) -> bool:
    """Whether the bearer speaks of the paper again before it changes hands; a handover yields to another handover only."""
    speaks = (act.kind,) if act.kind in MONEY else (*_ONLY_THE_BEARER, "passed_on")
    for other in later:
        if bearer is not None and other.by == bearer and other.kind in speaks:
            return True
        if other.kind in _ANOTHER_HAND:
            return False
    return False


class _Line(NamedTuple):
    charge: UUID
    dong: int
    cash: bool


def _lines(expected: Expected, thing: Thing, act: Told, owner: Mapping[UUID, UUID]) -> tuple[list[_Line], list[_Line]]:
    """The money lines that this item answers for: its own, and as the act's first item those of no item of the act."""
    about = expected.about[act.id]
    own: list[_Line] = []
    stray: list[_Line] = []
    for line in act.data.get("collections", ()):
        read = _Line(UUID(line["charge"]), line["amount_dong"], line["method"] == "cash")
        if owner.get(read.charge) == thing.id:
            own.append(read)
        elif owner.get(read.charge) not in about and thing.id == min(about) and read.dong:
            stray.append(read)
    return own, stray


def _pay(
    accounts: Counter[str],
    thing: Thing,
    act: Told,
    lines: tuple[list[_Line], list[_Line]],
    *,
    office: UUID,
    in_its_place: bool,
) -> None:
    owed = {charge: dong for charge, _, dong in thing.charges} if in_its_place else {}
    payees = {charge: payee for charge, payee, _ in thing.charges}
    own, stray = lines
    for line in (*own, *stray):
        accounts[f"{'cash' if line.cash else 'claimed'}:{act.by}:{act.day}"] += line.dong
        fits = min(line.dong, owed.get(line.charge, 0))
        accounts[f"suspense:{office}"] -= line.dong - fits
        if fits:
            owed[line.charge] -= fits
            accounts[f"receivable:{thing.id}"] -= fits
            if line.cash:
                accounts[f"due:{payees[line.charge]}"] += fits
                accounts[f"payable:{payees[line.charge]}"] -= fits


def _broken(thing: Thing, act: Told, lines: tuple[list[_Line], list[_Line]]) -> set[str]:
    """Which rules the act broke: a licence is for its owner or whom he authorised, against a signature and a look at the card."""
    found: set[str] = set()
    if act.kind == "attempt_failed":
        if act.data["reason"] not in REASONS:
            found.add("unknown-reason")
        if act.data["reason"] == "damaged":
            found.add("damaged")
    if act.kind not in MONEY:
        return found
    if act.wrong_code:
        found.add("recipient-code-wrong")
    if not thing.submission:
        receiver = act.data.get("receiver", {"relation": "", "id_check": "none"})
        found |= set() if receiver["relation"] in ("owner", "authorised") else {"receiver-not-allowed"}
        found |= {"mismatch": {"id-mismatch"}, "none": {"id-not-checked"}}.get(receiver["id_check"], set())
        signed = any(proof["kind"] in ("signature", "paper_signature") for proof in act.data.get("proofs", ()))
        found |= set() if signed else {"proof-missing"}
    own, stray = lines
    for charge, _, dong in thing.charges:
        paid = sum(line.dong for line in own if line.charge == charge)
        found |= {"underpaid"} if paid < dong else {"overpaid"} if paid > dong else set()
    found |= {"unknown-charge"} if stray else set()
    found |= {"transfer-unconfirmed"} if any(not line.cash and line.dong for line in (*own, *stray)) else set()
    return found


def _metres(pin: Mapping[str, Any], near: tuple[float, float]) -> float:
    """On a flat map, which is right to a metre in a thousand within the province; no pin of a campaign lies near the edge."""
    north = (pin["lat"] - near[0]) * 111_195
    east = (pin["lon"] - near[1]) * 111_195 * cos(radians(near[0]))
    return hypot(north, east)
