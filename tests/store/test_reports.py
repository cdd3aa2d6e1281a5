"""The report of a day and of a month against the same histories folded by hand: plain loops over lists, no SQL and none of its words.

What is counted stands in docs/reports.md; the loops below follow its sentences one by one.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from courier import reports
from courier.domain.errors import Forbidden, Invalid, Missing
from courier.domain.item import Direction, Event, EventType, life_of
from courier.domain.money import Charge, ChargeKind, Collection, Dong, Method, collected, remitted
from courier.domain.people import Role
from courier.store import ledger
from courier.store.tables import EventOfItem, Item, ItemCharge, ItemEvent, Plan, Remittance, Route, Stop, Vehicle
from tests.builders import DAY, House, an_item
from tests.planning_office import open_office
from tests.rules.test_item_fold import _standing

LAST = date(2026, 11, 30)
FIRST = LAST.replace(day=1)
NOW = datetime.fromisoformat("2026-11-30T20:00:00+07:00")
DOORS = ("handed_over", "fetched", "attempt_failed")
ENDINGS = {
    "delivered": "handed_over",
    "picked_up": "picked_up",
    "returned": "agency_signed",
    "lodged": "agency_signed",
    "cancelled": "cancelled",
}
SAYS = {
    Direction.RESULT: "received received taken_out taken_out handed_over attempt_failed attempt_failed brought_back invited "
    "picked_up given_back agency_signed cancelled",
    Direction.SUBMISSION: "planned set_out set_out fetched fetched attempt_failed brought_in agency_signed cancelled",
}
REASONS = ("recipient_absent", "refused", "address_wrong", None)
COMMUNES = ("32044", "32059", None)


def viet_nam(moment: datetime) -> date:
    """The day of a moment where clocks are seven hours ahead of UTC."""
    return (moment.astimezone(UTC) + timedelta(hours=7)).date()


@dataclass
class Story:
    """One item as the test tells it."""

    id: UUID
    direction: Direction
    commune: str | None
    deliver_by: date | None
    created_at: datetime
    charges: list[Charge]
    events: list[Event] = field(default_factory=list)

    @property
    def state(self) -> str:
        return life_of(self.direction, self.events).state.value

    def standing(self, *kinds: str) -> list[Event]:
        left, _ = _standing(self.events)
        return sorted((e for e in left if e.type.value in kinds), key=lambda e: (e.occurred_at, e.event_id.bytes))

    @property
    def since(self) -> date:
        received = self.standing("received")
        return viet_nam(received[0].occurred_at if received else self.created_at)

    @property
    def ended_on(self) -> date | None:
        if self.state not in ENDINGS:
            return None
        return viet_nam(self.standing(ENDINGS[self.state])[0].occurred_at)


@dataclass
class Told:
    """Everything that was written, beside the database."""

    house: House
    stories: list[Story] = field(default_factory=list)
    money: list[tuple[UUID, date, str | None, str | None, str, int]] = field(default_factory=list)
    evenings: list[tuple[UUID, date, int, int]] = field(default_factory=list)
    stops: Counter[tuple[UUID, date]] = field(default_factory=Counter)


def tell(house: House, *, seed: int, items: int = 40) -> Told:
    """Items with any history, money in pockets, evenings and published routes, in the database and in lists."""
    rng = random.Random(seed)
    told = Told(house)
    with house.database.write() as session:
        for _ in range(items):
            told.stories.append(_an_item(session, house, rng))
        _money(session, told, rng)
        _routes(session, told, rng)
    return told


def _moment(rng: random.Random) -> datetime:
    """Some moment of two months; often close to midnight in Viet Nam, where days change."""
    day = datetime(2026, 10, 5, 17, tzinfo=UTC) + timedelta(days=rng.randrange(58))
    return day + (
        timedelta(seconds=rng.randint(-2, 2)) if rng.random() < 0.2 else timedelta(minutes=rng.randrange(1440))
    )


def _an_item(session, house: House, rng: random.Random) -> Story:
    direction = rng.choices(list(Direction), [4, 1])[0]
    created_at = _moment(rng)
    due = [("state_fee", "agency:PC08", rng.randrange(1, 9) * 10_000), ("postage", "post", 30_000)][: rng.randrange(3)]
    item_id = an_item(session, house, direction=direction, received=False, at=created_at, charges=due)
    row = session.get_one(Item, item_id)
    row.commune_code = rng.choice(COMMUNES)
    row.deliver_by = rng.choice([None, viet_nam(created_at) + timedelta(days=rng.randrange(40))])
    charges = [Charge(c.id, ChargeKind(c.kind), c.payee, Dong(c.amount_dong)) for c in house_charges(session, item_id)]
    story = Story(item_id, direction, row.commune_code, row.deliver_by, created_at, charges)
    begun = created_at
    for kind in rng.choices(SAYS[direction].split(), k=rng.randrange(3, 12)):
        # Mostly in the order of a life, so that it gets somewhere; sometimes at any time at all.
        begun = begun + timedelta(hours=rng.randrange(60)) if rng.random() < 0.8 else _moment(rng)
        _say(story, rng, house, kind, begun)
    for _ in range(rng.randrange(3) if story.events else 0):
        target = rng.choice(story.events)
        at = target.occurred_at + timedelta(hours=rng.randrange(-10, 200))
        _say(story, rng, house, "corrected", at, corrects=str(target.event_id), reason="nhầm")
    for event in story.events:
        session.add(
            ItemEvent(
                id=event.event_id, type=event.type.value, actor_id=event.actor, actor_role=event.actor_role.value,
                office_id=house.office_id, occurred_at=event.occurred_at, claimed_at=event.occurred_at,
                received_at=event.received_at, clock_trusted=True, data=dict(event.data), payload_hash="", result="applied",
            )
        )  # fmt: skip
        session.flush()
        session.add(EventOfItem(event_id=event.event_id, item_id=item_id))
    row.state = story.state
    session.flush()
    return story


def house_charges(session, item_id: UUID) -> Sequence[ItemCharge]:
    return session.scalars(select(ItemCharge).where(ItemCharge.item_id == item_id).order_by(ItemCharge.id)).all()


def _say(story: Story, rng: random.Random, house: House, kind: str, at: datetime, **data: Any) -> None:
    who = rng.choice([*house.postmen, house.dispatcher])
    if kind == "attempt_failed" and (reason := rng.choice(REASONS)):
        data["reason"] = reason
    event_id = UUID(int=rng.getrandbits(128), version=4)
    story.events.append(Event(event_id, EventType(kind), at, at, who.id, data, who.role))


def _money(session, told: Told, rng: random.Random) -> None:
    house = told.house
    payable = [(story.id, charge) for story in told.stories for charge in story.charges]
    pockets: Counter[tuple[UUID, date]] = Counter()
    for n, (item_id, charge) in enumerate(payable):
        who, day = rng.choice([*house.postmen, house.clerk]), FIRST + timedelta(days=rng.randrange(-3, 30))
        method = rng.choice(list(Method))
        taken = Collection(charge.id, Dong(charge.amount_dong), method)
        posting = collected(
            item_id, [(charge, taken, charge.amount_dong)], pocket=who.id, day=day, office=house.office_id
        )
        at = NOW - timedelta(days=1)
        tx_id = ledger.post(session, posting, key=f"c{n}", office_id=house.office_id, at=at, by=who.id, item_id=item_id)
        back = rng.random() < 0.2
        if back:
            ledger.post(
                session, posting.reversed(day + timedelta(days=1)), key=f"r{n}", office_id=house.office_id, at=at,
                by=who.id, item_id=item_id, reverses=tx_id,
            )  # fmt: skip
        else:
            told.money.append((who.id, day, charge.kind.value, charge.payee, method.value, charge.amount_dong))
            if method is Method.CASH:
                pockets[who.id, day] += charge.amount_dong
    for (who_id, day), expected in sorted(pockets.items(), key=repr):
        if rng.random() < 0.5:
            counted = expected - rng.choice([0, 0, 5_000])
            posting = remitted(who_id, day, house.office_id, expected=Dong(expected), counted=Dong(counted))
            ledger.post(session, posting, key=f"e{who_id}{day}", office_id=house.office_id, at=NOW, by=house.cashier.id)
            session.add(
                Remittance(
                    id=uuid7(), postman_id=who_id, day=day, office_id=house.office_id, expected_dong=expected,
                    counted_dong=counted, counted={}, difference_reason="Thiếu" if counted != expected else None,
                    closed_by=house.cashier.id, closed_at=NOW,
                )
            )  # fmt: skip
            session.flush()
            told.evenings.append((who_id, day, expected, counted))


def _routes(session, told: Told, rng: random.Random) -> None:
    house = told.house
    vehicle = session.query(Vehicle).filter_by(office_id=house.office_id).first()
    for ahead in (-2, 0, 10, 29):
        for state in ("published", "superseded"):
            day = FIRST + timedelta(days=ahead)
            plan = Plan(
                id=uuid7(), office_id=house.office_id, day=day, state=state, seconds=1.0, created_by=house.dispatcher.id,
                created_at=NOW,
            )  # fmt: skip
            session.add(plan)
            session.flush()
            for position, postman in enumerate(house.postmen):
                route = Route(
                    id=uuid7(), plan_id=plan.id, postman_id=postman.id, vehicle_id=vehicle.id, position=position
                )
                session.add(route)
                session.flush()
                for sequence in range(rng.randrange(4)):
                    session.add(
                        Stop(
                            id=uuid7(),
                            route_id=route.id,
                            sequence=sequence,
                            arrives_at=NOW,
                            leaves_at=NOW,
                            lat=9.4,
                            lon=105.0,
                        )
                    )
                    told.stops[postman.id, day] += state == "published"


# ----------------------------------------------------------------------------------------------------- by hand
def by_hand(told: Told, first: date, last: date, works) -> dict[str, Any]:
    """The figures of docs/reports.md, by loops."""

    def inside(day: date) -> bool:
        return first <= day <= last

    calls = []
    for story in told.stories:
        for n, event in enumerate(story.standing(*DOORS)):
            if inside(viet_nam(event.occurred_at)):
                calls.append((story, event, n == 0))

    def tally(chosen) -> tuple[int, ...]:
        done = [call for call in chosen if call[1].type.value != "attempt_failed"]
        return (
            len(chosen),
            len(done),
            len(chosen) - len(done),
            sum(first_one for _, _, first_one in chosen),
            sum(first_one for _, _, first_one in done),
            len({story.id for story, _, _ in chosen}),
        )

    def by(key, chosen=calls) -> dict[Any, tuple[int, ...]]:
        groups = defaultdict(list)
        for call in chosen:
            groups[key(call)].append(call)
        return {name: tally(group) for name, group in groups.items()}

    def working(since: date, on: date) -> int:
        return sum(works(since + timedelta(days=n)) for n in range(1, (on - since).days + 1))

    arrived = [
        story
        for story in told.stories
        if story.direction is Direction.RESULT and story.state in ("delivered", "picked_up") and inside(story.ended_on)
    ]
    took = Counter(working(story.since, story.ended_on) for story in arrived)
    still = [
        story
        for story in told.stories
        if story.since <= last and (story.state not in ENDINGS or story.ended_on > last) and story.state != "announced"
    ]
    ages = Counter(
        next(least for least in (11, 6, 3, 2, 1, 0) if working(story.since, last) >= least) for story in still
    )
    return {
        "total": tally(calls),
        "day": by(lambda call: viet_nam(call[1].occurred_at)),
        "commune": by(lambda call: call[0].commune or ""),
        "reason": by(
            lambda call: call[1].data.get("reason", "other"),
            [call for call in calls if call[1].type.value == "attempt_failed"],
        ),
        "postman": by(lambda call: call[1].actor),
        "stops": {
            who: count
            for who in {who for who, _ in told.stops}
            if (count := sum(n for (one, day), n in told.stops.items() if one == who and inside(day)))
        },
        "speed": dict(took),
        "late": sum(story.deliver_by is not None and story.ended_on > story.deliver_by for story in arrived),
        "in_time": sum(story.deliver_by is not None and story.ended_on <= story.deliver_by for story in arrived),
        "without": sum(story.deliver_by is None for story in arrived),
        "ages": dict(ages),
        "overdue": sum(story.deliver_by is not None and story.deliver_by < last for story in still),
        **money_by_hand(told, inside),
    }


def money_by_hand(told: Told, inside) -> dict[str, Any]:
    """The figures of the chapter on money."""
    reached = [
        story
        for story in told.stories
        if any(inside(viet_nam(e.occurred_at)) for e in story.standing("handed_over", "fetched", "picked_up"))
    ]
    money: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for story in reached:
        for charge in story.charges:
            money[charge.kind.value, charge.payee][0] += charge.amount_dong
    for _, day, kind, payee, method, amount in told.money:
        if inside(day):
            money[kind, payee][1 if method == "cash" else 2] += amount
    pockets: dict[UUID, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0, 0])
    for who, day, _, _, method, amount in told.money:
        if inside(day):
            pockets[who][0 if method == "cash" else 1] += amount
            pockets[who][5] += amount if method == "cash" else 0
    for who, day, expected, counted in told.evenings:
        if inside(day):
            for place, value in ((2, 1), (3, expected), (4, counted), (5, -expected)):
                pockets[who][place] += value
    return {
        "money": {key: tuple(sums) for key, sums in money.items() if any(sums)},
        "pockets": {who: tuple(sums) for who, sums in pockets.items() if any(sums)},
    }


def as_told(report: reports.Report) -> dict[str, Any]:
    """The report in the same shape."""
    return {
        "total": tuple(report.total),
        "day": {day: tuple(tally) for day, tally in report.by_day if tally.attempts},
        "commune": {row.key: tuple(row.tally) for row in report.by_commune},
        "reason": {row.key: tuple(row.tally) for row in report.by_reason},
        "postman": {row.id: tuple(row.tally) for row in report.by_postman if row.tally.attempts},
        "stops": {row.id: row.stops for row in report.by_postman if row.stops},
        "speed": {row.days: row.items for row in report.speed if row.items},
        "late": report.late,
        "in_time": report.in_time,
        "without": report.without_deadline,
        "ages": {age.least: age.items for age in report.ages if age.items},
        "overdue": report.overdue,
        "money": {
            (row.kind, row.payee): (row.due_dong, row.cash_dong, row.bank_qr_dong)
            for row in report.money
            if any(row[2:])
        },
        "pockets": {row.id: tuple(row[2:]) for row in report.pockets if any(row[2:])},
    }


def slow_is_one_line(figures: dict[str, Any]) -> dict[str, Any]:
    """More than ten working days are one line of the report."""
    speed: Counter[int | None] = Counter()
    for days, items in figures["speed"].items():
        speed[days if days is not None and days <= reports.SLOW else None] += items
    return figures | {"speed": dict(speed)}


@pytest.fixture
def house(database, tmp_path) -> Iterator[House]:
    made = open_office(database, tmp_path, postmen=3)
    yield made
    made.desk.jobs.stop()


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_is_what_a_walk_through_the_histories_finds(house, seed):
    told = tell(house, seed=seed)
    works = house.desk.facts.bylaws.calendar.is_working
    month = reports.of_month(house.desk, house.dispatcher, DAY, at=NOW)
    assert as_told(month) == slow_is_one_line(by_hand(told, FIRST, LAST, works))
    assert month.total.attempts > 20, "a history in which nobody was called at proves nothing"
    busiest = sorted(month.by_day, key=lambda row: -row[1].attempts)[:2]
    for day in {FIRST, LAST, *(day for day, _ in busiest)}:
        one = reports.of_day(house.desk, house.dispatcher, day, at=NOW)
        assert as_told(one) == slow_is_one_line(by_hand(told, day, day, works)), day


def test_the_days_of_a_month_add_up_to_the_month(house):
    tell(house, seed=11, items=25)
    month = reports.of_month(house.desk, house.dispatcher, DAY, at=NOW)
    days = [reports.of_day(house.desk, house.dispatcher, FIRST + timedelta(days=n), at=NOW) for n in range(30)]
    for place in range(5):
        assert sum(day.total[place] for day in days) == month.total[place]
    assert sum(day.in_time + day.late + day.without_deadline for day in days) == sum(row.items for row in month.speed)
    assert sum(row.cash_dong for day in days for row in day.money) == sum(row.cash_dong for row in month.money)


def test_an_admin_sees_all_offices_together_and_each_apart(database, house, tmp_path):
    other = open_office(database, tmp_path, code="CN")
    other.desk.jobs.stop()
    tell(house, seed=1, items=10)
    with database.write() as session:
        story = _an_item(session, other, random.Random(5))
        while not any(viet_nam(e.occurred_at) >= FIRST for e in story.standing(*DOORS)):
            story = _an_item(session, other, random.Random(story.id.int))
    admin = type(house.dispatcher)(house.dispatcher.id, Role.ADMIN, "Quản trị")
    every = reports.of_month(house.desk, admin, DAY, at=NOW)
    apart = [reports.of_month(house.desk, admin, DAY, office_id=one.office_id, at=NOW) for one in (house, other)]
    assert {UUID(row.key): tuple(row.tally) for row in every.by_office} == {
        one.office_id: tuple(report.total) for one, report in zip((house, other), apart, strict=True)
    }
    assert every.open_items == sum(report.open_items for report in apart)
    with pytest.raises(Missing):
        reports.of_month(house.desk, house.dispatcher, DAY, office_id=other.office_id, at=NOW)
    with pytest.raises(Forbidden):
        reports.of_month(house.desk, house.postmen[0], DAY, at=NOW)


@pytest.mark.parametrize(
    ("day", "code"), [(LAST + timedelta(days=1), "in-the-future"), (date(2025, 6, 30), "too-early")]
)
def test_a_day_that_cannot_be_told_of_is_refused(house, day, code):
    with pytest.raises(Invalid) as refused:
        reports.of_day(house.desk, house.dispatcher, day, at=NOW)
    assert [error.code for error in refused.value.errors] == [code]


def test_an_office_where_nothing_happened_has_a_report_of_nothing(house):
    report = reports.of_month(house.desk, house.dispatcher, DAY, at=NOW)
    assert tuple(report.total) == (0, 0, 0, 0, 0, 0)
    assert (report.speed, report.money, report.pockets, report.open_items) == ([], [], [], 0)
