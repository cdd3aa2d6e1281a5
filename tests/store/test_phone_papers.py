"""What phones match against: made for a published plan, once, a few at a time, and asked after when pictures are missing."""

from datetime import timedelta
from hashlib import pbkdf2_hmac
from uuid import UUID

import pytest
from sqlalchemy import select, update

from courier import dispatch, phones
from courier.phones import papers
from courier.store import digests, links, sealing
from courier.store.jobs import JobState
from courier.store.tables import BagVersion, Item, ItemDigest, JobDone, Plan
from tests.api.conftest import desk_for, settings_for
from tests.api.test_role_matrix import belongings
from tests.builders import DAY, MORNING, a_house

ID_NUMBER = "096080000001"


@pytest.fixture
def desk(database, tmp_path):
    made = desk_for(database, settings_for(database, tmp_path))
    made.jobs.migrate()
    yield made
    made.jobs.stop()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(digests, "ROUNDS", 10)


@pytest.fixture
def planned(database, desk):
    house = a_house(database)
    ids = belongings(database, house, agency=None)
    item_id = UUID(ids["item_id"])
    with database.write() as session:
        row = session.get_one(Item, item_id)
        row.id_number_sealed = sealing.seal(ID_NUMBER, row=item_id, secrets=desk.settings.secrets)
        row.id_number_index = "x"
    return house, UUID(ids["plan_id"]), item_id


def run(desk, plan_id, part=0, at=MORNING):
    """One job as the worker does it."""
    effect = phones.prepare(desk, {"plan": str(plan_id), "part": part}, at=at)
    with desk.database.write() as session:
        effect(session)


def made(database):
    with database.read() as session:
        return {(row.item_id, row.kind): row for row in session.scalars(select(ItemDigest))}


def test_a_digest_is_pbkdf2_of_the_number_and_of_the_days_code(database, desk, planned):
    _, plan_id, item_id = planned
    run(desk, plan_id)
    found = made(database)
    number, code = found[item_id, "id_number"], found[item_id, "recipient_code"]
    assert number.rounds == 600_000
    assert len(number.salt) == 16
    assert number.digest == pbkdf2_hmac("sha256", ID_NUMBER.encode(), number.salt, 600_000)
    told = links.recipient_code(desk.settings.secrets, item_id, DAY)
    assert len(told) == 6
    assert told.isdecimal()
    assert code.digest == pbkdf2_hmac("sha256", told.encode(), code.salt, 600_000)


def test_the_bag_goes_up_when_they_are_there_and_work_done_twice_is_once(database, desk, planned, quick):
    house, plan_id, _ = planned
    run(desk, plan_id)
    with database.read() as session:
        version = session.get_one(BagVersion, (house.postmen[0].id, DAY)).version
    assert version == 1
    before = made(database)
    assert desk.jobs.status(digests.key_of(plan_id, 1)) is not None
    run(desk, plan_id, part=1)
    assert {key: row.digest for key, row in made(database).items()} == {k: row.digest for k, row in before.items()}
    assert desk.jobs.status(digests.key_of(plan_id, 2)) is None, "nothing left to make"


def test_two_runners_at_once_leave_one_digest(database, desk, planned, quick):
    _, plan_id, item_id = planned
    slow = phones.prepare(desk, {"plan": str(plan_id), "part": 0}, at=MORNING)
    run(desk, plan_id)
    first = made(database)[item_id, "id_number"].digest
    with database.write() as session:
        session.execute(update(Plan).values(version=Plan.version))
        digests.store(session, [digests.Made(item_id, "id_number", DAY, b"x" * 16, b"other")])
    assert made(database)[item_id, "id_number"].digest == first
    assert slow is not None


def test_work_is_done_a_few_at_a_time(database, desk, planned, quick, monkeypatch):
    _, plan_id, _ = planned
    monkeypatch.setattr(papers, "_AT_A_TIME", 1)
    for part in (0, 1):
        run(desk, plan_id, part=part)
        assert len(made(database)) == part + 1


def test_an_id_number_is_worked_out_once_and_codes_of_past_days_are_forgotten(database, desk, planned, quick):
    _, plan_id, item_id = planned
    run(desk, plan_id)
    first = made(database)[item_id, "id_number"].digest
    with database.write() as session:
        session.get_one(Plan, plan_id).day = DAY + timedelta(days=1)
    run(desk, plan_id)
    with database.read() as session:
        rows = session.scalars(select(ItemDigest)).all()
    assert {(row.kind, row.day) for row in rows} == {("id_number", DAY), ("recipient_code", DAY + timedelta(days=1))}
    assert made(database)[item_id, "id_number"].digest == first


def test_a_plan_that_is_no_longer_published_needs_none(database, desk, planned, quick):
    _, plan_id, _ = planned
    with database.write() as session:
        session.get_one(Plan, plan_id).state = "superseded"
    run(desk, plan_id)
    assert made(database) == {}


def test_a_number_of_the_old_form_has_no_digest_in_the_bag(database, desk, planned, quick):
    house, plan_id, item_id = planned
    with database.write() as session:
        row = session.get_one(Item, item_id)
        row.id_number_sealed = sealing.seal("380000001", row=item_id, secrets=desk.settings.secrets)
    run(desk, plan_id)
    run(desk, plan_id, part=1)
    bag = phones.bag(desk, house.postmen[0], day=DAY, device_id=None, known=None, at=MORNING)
    assert b'"digests":{"code":' in bag.body
    assert b"380000001" not in bag.body


def test_no_bag_holds_an_id_number_or_a_code(database, desk, planned, quick):
    house, plan_id, item_id = planned
    run(desk, plan_id)
    body = phones.bag(desk, house.postmen[0], day=DAY, device_id=None, known=None, at=MORNING).body
    assert b'"id":{"salt"' in body
    assert ID_NUMBER.encode() not in body
    assert links.recipient_code(desk.settings.secrets, item_id, DAY).encode() not in body


def test_the_worker_makes_them_after_a_plan_is_published(database, desk, planned, quick):
    from courier import worker  # noqa: PLC0415 - starts the optimiser's processes

    _, plan_id, item_id = planned
    with database.write() as session:
        desk.jobs.enqueue(session, digests.JOB, {"plan": str(plan_id), "part": 0}, key=digests.key_of(plan_id, 0))
    worker.start(desk)
    try:
        with database.read() as session:
            for _ in range(10_000):
                if session.get(JobDone, digests.key_of(plan_id, 1)) is not None:
                    break
                session.rollback()
                desk.jobs._stopping.wait(0.05)
    finally:
        desk.jobs.stop(patience=5)
    assert (item_id, "recipient_code") in made(database)


def test_publishing_a_plan_asks_for_them_in_the_same_transaction(database, desk, planned):
    house, plan_id, _ = planned
    with database.write() as session:
        session.get_one(Plan, plan_id).state = "solved"
    assert desk.jobs.status(digests.key_of(plan_id, 0)) is None
    dispatch.publish(desk, house.dispatcher, plan_id, version=1, at=MORNING)
    assert desk.jobs.status(digests.key_of(plan_id, 0)) is JobState.QUEUED
