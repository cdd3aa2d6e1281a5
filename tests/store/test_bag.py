"""The bag's weight, its questions to the database, and what is in it for odd days."""

import gzip
import random
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import event, select
from uuid_utils.compat import uuid7

from courier import phones
from courier.domain.item import Direction
from courier.settings import DEMO_ACCOUNT
from courier.store import digests
from courier.store.tables import Item, ItemDigest, Plan, Route, Stop, StopItem, Vehicle
from tests.api.conftest import desk_for, settings_for
from tests.builders import DAY, MORNING, a_house, an_item

TYPES = ("giay_phep_lai_xe", "can_cuoc", "ly_lich_tu_phap_1", "giay_to_tam_giu_gplx", "gcn_quyen_su_dung_dat")


@pytest.fixture
def desk(database, tmp_path):
    made = desk_for(database, settings_for(database, tmp_path, bank=DEMO_ACCOUNT))
    yield made
    made.jobs.stop()


def a_route(database, house, stops: int, *, fetch: bool = False) -> None:
    """A postman's published day with a door of its own for each stop, and everything that a door can have."""
    rng, plan_id, route_id = random.Random(stops), uuid7(), uuid7()
    known = [code for code in TYPES if code in house.desk.facts.bylaws.document_types]
    with database.write() as session:
        vehicle = session.scalars(select(Vehicle).where(Vehicle.office_id == house.office_id)).first()
        session.add(
            Plan(
                id=plan_id,
                office_id=house.office_id,
                day=DAY,
                state="published",
                seconds=1.0,
                created_by=house.dispatcher.id,
                created_at=MORNING,
                published_at=MORNING,
            )
        )
        session.flush()
        session.add(
            Route(id=route_id, plan_id=plan_id, postman_id=house.postmen[0].id, vehicle_id=vehicle.id, position=1)
        )
        for n in range(stops):
            direction = Direction.SUBMISSION if fetch and n == 0 else Direction.RESULT
            item_id = an_item(session, house, direction=direction, document_type=rng.choice(known or TYPES))
            row = session.get_one(Item, item_id)
            row.recipient_name = f"Nguyễn Thị Mẫu {rng.randrange(10**6)}"
            row.address_raw = f"Số {n}, ấp {rng.randrange(20)}, xã Khánh An, tỉnh Cà Mau ({rng.randrange(10**6)})"
            row.recipient_phone = f"0599{rng.randrange(10**6):06d}"
            row.state, row.note, row.instructions = (
                "planned",
                f"Nhà {rng.randrange(10**6)} sau chợ",
                "Gọi trước khi đến",
            )
            row.wanted_on, row.wanted_from, row.wanted_to = DAY, 9 * 3600, 11 * 3600
            row.deliver_by = DAY
            stop_id, arrives = uuid7(), MORNING + timedelta(minutes=5 * n)
            session.add(
                Stop(
                    id=stop_id,
                    route_id=route_id,
                    sequence=n + 1,
                    arrives_at=arrives,
                    leaves_at=arrives + timedelta(minutes=3),
                    lat=9.4 + rng.random() / 10,
                    lon=104.9 + rng.random() / 10,
                )
            )
            session.flush()
            session.add(StopItem(stop_id=stop_id, item_id=item_id))
            for kind in (digests.ID_NUMBER, digests.CODE):
                session.add(
                    ItemDigest(
                        item_id=item_id,
                        kind=kind,
                        day=DAY,
                        salt=rng.randbytes(16),
                        rounds=digests.ROUNDS,
                        digest=rng.randbytes(32),
                    )
                )


def bag(desk, house):
    return phones.bag(desk, house.postmen[0], day=DAY, device_id=None, known=None, at=MORNING).body


def test_eighty_stops_weigh_less_than_a_hundred_kilobytes(database, desk):
    house = a_house(database)
    a_route(database, house, 80)
    body = bag(desk, house)
    assert len(orjson.loads(body)["stops"]) == 80
    assert len(gzip.compress(body, 6)) < 100_000
    print(f"{len(body):,} bytes, {len(gzip.compress(body, 6)):,} compressed")


def questions(database, ask) -> int:
    asked = []

    def note(*_args):
        asked.append(1)

    event.listen(database.reading_engine, "before_cursor_execute", note)
    ask()
    event.remove(database.reading_engine, "before_cursor_execute", note)
    return len(asked)


def test_a_bag_costs_the_same_number_of_questions_for_one_stop_and_for_eighty(database, desk):
    counts = []
    for code, stops in (("A1", 1), ("B2", 80)):
        house = a_house(database, code=code)
        a_route(database, house, stops)
        counts.append(questions(database, lambda house=house: bag(desk, house)))
    assert counts[0] == counts[1] < 25


def test_the_bag_says_what_a_dossier_must_contain_and_where_transfers_go(database, desk):
    house = a_house(database)
    a_route(database, house, 1, fetch=True)
    read = orjson.loads(bag(desk, house))
    (kind,) = read["document_types"].values()
    assert kind["papers"][0].keys() == {"name", "original", "mandatory"}
    assert read["stops"][0]["items"][0]["direction"] == "submission"
    assert read["accounts"] == {
        payee: {"bin": "970449", "account": "000DEMO0000", "name": "BUU TA DEMO"} for payee in ("agency:PC08", "post")
    }


def test_a_day_without_a_route_is_an_empty_bag_that_is_never_unchanged(database, desk):
    house = a_house(database)
    read = orjson.loads(bag(desk, house))
    assert (read["version"], read["stops"], read["line"], read["extra"]) == (0, [], [], [])
    assert phones.bag(desk, house.postmen[0], day=DAY, device_id=uuid4(), known=0, at=MORNING).body is not None


def test_each_rule_stands_once(database, desk):
    house = a_house(database)
    a_route(database, house, 40)
    read = orjson.loads(bag(desk, house))
    refs = {item["rule"] for stop in read["stops"] for item in stop["items"]}
    assert refs == set(read["rules"])
    assert len(refs) <= len(TYPES)


@pytest.mark.parametrize(
    ("opens", "closes", "why"),
    [
        (9, 11, {"code": "window", "at": f"{DAY}T09:00:00+07:00", "to": f"{DAY}T11:00:00+07:00"}),
        (7, 11, {"code": "before", "to": f"{DAY}T11:00:00+07:00"}),
        (14, 18, {"code": "after", "at": f"{DAY}T14:00:00+07:00"}),
        (7, 18, {"code": "window", "at": f"{DAY}T07:00:00+07:00", "to": f"{DAY}T18:00:00+07:00"}),
        (None, None, {"code": "near"}),
    ],
)
def test_a_stop_says_why_it_is_where_it_is(database, desk, opens, closes, why):
    house = a_house(database)
    a_route(database, house, 1)
    with database.write() as session:
        row = session.scalars(select(Item)).one()
        row.deliver_by = DAY + timedelta(days=3)
        row.wanted_from, row.wanted_to = (None if hour is None else hour * 3600 for hour in (opens, closes))
    (stop,) = orjson.loads(bag(desk, house))["stops"]
    assert stop["why"] == [why]


def test_an_item_says_whether_the_next_try_is_its_last_and_until_when_it_is_kept(database, desk):
    house = a_house(database)
    a_route(database, house, 1)

    def told() -> tuple[bool, str | None]:
        (stop,) = orjson.loads(bag(desk, house))["stops"]
        return stop["items"][0]["last_try"], stop["items"][0]["kept_until"]

    def put(**values) -> None:
        with database.write() as session:
            for name, value in values.items():
                setattr(session.scalars(select(Item)).one(), name, value)

    put(commune_code=None)
    assert told() == (False, (DAY + timedelta(days=30)).isoformat())
    ward = next(code for code, kind in desk.facts.bylaws.commune_kinds.items() if kind == "phuong")
    put(commune_code=ward)
    assert told() == (False, (DAY + timedelta(days=15)).isoformat())
    put(attempts=1, held_until=DAY + timedelta(days=4))
    assert told() == (True, (DAY + timedelta(days=4)).isoformat())
    put(direction=Direction.SUBMISSION)
    assert told() == (False, None), "what is fetched is not kept for anybody"


def test_a_deadline_that_presses_is_told_beside_the_promise(database, desk):
    house = a_house(database)
    a_route(database, house, 1)
    with database.write() as session:
        session.scalars(select(Item)).one().deliver_by = DAY + timedelta(days=2)
    (stop,) = orjson.loads(bag(desk, house))["stops"]
    assert [why["code"] for why in stop["why"]] == ["window", "deadline"]
    assert stop["why"][1]["to"] == (DAY + timedelta(days=2)).isoformat()
