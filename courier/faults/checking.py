"""The books beside the reference: what was acknowledged is there, once, and everything that follows from it is right to the dong."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from courier.faults.inventing import Story
from courier.faults.reference import Expected, Told
from courier.store import faults as books
from courier.store import ledger
from courier.store.media import Shelf
from courier.store.session import Database

KINDS: Final = ("lost", "twice", "projection", "money", "aside", "picture", "told")
"""An acknowledged act that is not there; an effect that is there again; a wrong projection; a wrong amount; what was or was not set
aside; a picture that did not arrive; an answer that no phone should have got."""
_KEPT_WORD_FOR_WORD: Final = (
    "corrects",
    "reason",
    "next_on",
    "text",
    "lat",
    "lon",
    "accuracy_m",
    "stops",
    "can_go_on",
    "kind",
    "landmark",
    "call_first",
    "person",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it must be; the sentence names the event, the item, the account or the phone."""

    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What the phones were told: acts acknowledged and their device and number, what must lie aside, and numbers acknowledged."""

    numbers: Mapping[UUID, tuple[UUID, int]]
    aside: Counter[tuple[UUID, str, str]]
    through: Mapping[UUID, int]


def differences(database: Database, shelf: Shelf, story: Story, expected: Expected, claims: Claims) -> list[Difference]:
    """Everything in which the books differ from what they must hold."""
    with database.read() as session:
        events = list(books.kept_events(session))
        about = books.kept_about(session)
        items = {item.id: item for item in books.kept_items(session)}
        accounts = Counter(ledger.balances(session, ""))
        incidents, breakdowns = books.open_incidents(session)
        spoken, changes = books.spoken_wishes(session)
        granted = books.granted_wishes(session)
        posted_twice = books.posted_twice(session)
        aside = books.set_aside(session)
        through = books.acknowledged(session)
        arrived, cited = books.pictures(session)
    told = {one.id: one for one in story.told}
    found = list(_events(events, told, claims))
    found += _ties(about, told, expected)
    found += [Difference("twice", f"event {e}: its money for item {i} stands twice") for e, i in posted_twice]
    found += _items(items, expected)
    found += _incidents(incidents, expected, granted)
    found += _counted("projection", "breakdowns of postman", breakdowns, expected.breakdowns)
    found += _counted("projection", "wish", spoken, expected.wishes)
    found += [
        Difference("twice", f"wish {w}: answered by {times} requests") for w, times in changes.items() if times > 1
    ]
    found += _accounts(accounts, expected)
    found += _counted("aside", "set aside", aside, claims.aside)
    found += _counted("lost", "acknowledged through, phone", Counter(through), Counter(claims.through))
    found += _pictures(shelf, story, arrived, cited)
    return found


def _events(events: list[books.KeptEvent], told: Mapping[UUID, Told], claims: Claims) -> Iterator[Difference]:
    seen: Counter[UUID] = Counter(kept.id for kept in events)
    for event_id in told.keys() - seen.keys():
        yield Difference("lost", f"event {event_id} ({told[event_id].kind}): acknowledged, and not in the books")
    for kept in events:
        one = told.get(kept.id)
        if one is None:
            yield Difference("twice", f"event {kept.id} ({kept.type}): in the books, and nobody told it")
            continue
        if seen[kept.id] > 1:
            yield Difference("twice", f"event {kept.id} ({kept.type}): {seen[kept.id]} times in the books")
        facts = {
            "type": (kept.type, one.kind),
            "actor": (kept.actor_id, one.by),
            "moment": (kept.occurred_at, one.at),
            "device and number": ((kept.device_id, kept.device_seq), claims.numbers[kept.id]),
        }
        for name, (got, wanted) in facts.items():
            if got != wanted:
                yield Difference("projection", f"event {kept.id}: its {name} must be {wanted}, found {got}")
        if _lines(kept.data) != _lines(one.data):
            yield Difference("money", f"event {kept.id}: took {_lines(one.data)}, kept {_lines(kept.data)}")
        for name in _KEPT_WORD_FOR_WORD:
            if kept.data.get(name) != one.data.get(name):
                wanted_word, got_word = one.data.get(name), kept.data.get(name)
                yield Difference("projection", f"event {kept.id}: {name} must be {wanted_word!r}, found {got_word!r}")


def _lines(data: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    return [(line["charge"], line["amount_dong"], line["method"]) for line in data.get("collections", ())]


def _ties(about: Mapping[UUID, set[UUID]], told: Mapping[UUID, Told], expected: Expected) -> Iterator[Difference]:
    for event_id in told:
        wanted, got = expected.about[event_id], about.get(event_id, set())
        for item in wanted - got:
            yield Difference("projection", f"event {event_id}: is about item {item}, and not tied to it")
        for item in got - wanted:
            yield Difference("twice", f"event {event_id}: is not about item {item}, and tied to it")


def _items(items: Mapping[UUID, books.KeptItem], expected: Expected) -> Iterator[Difference]:
    for item_id, wanted in expected.items.items():
        kept = items.get(item_id)
        if kept is None:
            yield Difference("lost", f"item {item_id}: not in the books")
            continue
        for name, value in wanted._asdict().items():
            if getattr(kept, name) != value:
                yield Difference("projection", f"item {item_id}: {name} must be {value}, found {getattr(kept, name)}")
    for item_id in items.keys() - expected.items.keys():
        yield Difference("twice", f"item {item_id}: in the books, and nobody brought it")


def _incidents(
    incidents: Counter[tuple[UUID | None, UUID | None, str]],
    expected: Expected,
    granted: Mapping[UUID, tuple[UUID, str]],
) -> Iterator[Difference]:
    for missing_at, missing_of, code in expected.incidents - incidents.keys():
        yield Difference("projection", f"event {missing_at}: no open incident {code} at item {missing_of}")
    # When the office answers a wish is chance; that it was too late follows from what became of the paper.
    due = expected.incidents | {
        (event, item, f"no-{kind}-when-{expected.items[item].state}") for event, (item, kind) in granted.items()
    }
    for (event_id, item_id, code), times in incidents.items():
        if (event_id, item_id, code) not in due:
            yield Difference("projection", f"event {event_id}: an open incident {code} too many at item {item_id}")
        elif times > 1:
            yield Difference("twice", f"event {event_id}: incident {code} at item {item_id} is open {times} times")


def _accounts(accounts: Counter[str], expected: Expected) -> Iterator[Difference]:
    for account in sorted({*accounts, *expected.accounts}):
        wanted, got = expected.accounts[account], accounts[account]
        if wanted != got:
            yield Difference("money", f"account {account}: must hold {wanted} dong, found {got} ({got - wanted:+d})")
    if accounts.total():
        yield Difference("money", f"the ledger does not add up: {accounts.total():+d} dong")


def _counted(kind: str, what: str, got: Counter[Any], wanted: Counter[Any]) -> Iterator[Difference]:
    for one in {*got, *wanted}:
        if got[one] != wanted[one]:
            name = " ".join(map(str, one)) if isinstance(one, tuple) else str(one)
            yield Difference(kind, f"{what} {name}: must be {wanted[one]}, found {got[one]}")


def _pictures(shelf: Shelf, story: Story, arrived: set[str], cited: set[str]) -> Iterator[Difference]:
    for digest in story.pictures:
        if digest not in arrived or not shelf.finished(digest).exists():
            yield Difference("picture", f"picture {digest}: acknowledged, and not on the shelf")
        elif digest not in cited:
            yield Difference("picture", f"picture {digest}: no act names it")
    for digest in arrived - story.pictures.keys():
        yield Difference("picture", f"picture {digest}: on the shelf, and nobody took it")
