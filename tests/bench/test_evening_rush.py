"""A small evening through a real server, and the judge of large ones: it says so when something is missing, doubled or a dong off."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from courier import handover
from courier.domain.people import Caller, Role
from tests.bench import bench_sync, evening_rush
from tests.bench.evening import Province
from tests.builders import a_desk


@pytest.mark.parametrize("new_database", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
def test_a_dozen_phones_lose_nothing_in_the_rush_of_an_evening(new_database, tmp_path):
    report = evening_rush.run(phones=12, events=250, processes=2, url=new_database(), folder=tmp_path, seed=5)
    assert report.wrong == []
    assert "| events, uploads | 250, " in "\n".join(report.lines)


@pytest.fixture
def evening(database):
    """Two phones whose evening has come in, with what they were told."""
    at = datetime.now(UTC)
    evenings = Province(database, at=at, seed=3).office(events=[20, 15])
    heard = evening_rush.Heard()
    for phone in evenings:
        caller = Caller(phone.postman_id, Role.POSTMAN, "Người đo", phone.office_id)
        answers, _ = handover.sync(a_desk(database), caller, device_id=phone.device_id, events=phone.events, at=at)
        heard.acknowledged |= {answer.event_id for answer in answers}
    return database, evenings, heard


def judged(evening) -> list[str]:
    database, evenings, heard = evening
    with database.reading_engine.connect() as connection:
        return evening_rush.judge(connection, evenings, heard)


def test_the_judge_finds_nothing_where_nothing_is_wrong(evening):
    assert judged(evening) == []


def test_the_judge_misses_an_event_that_was_acknowledged_and_is_not_stored(evening):
    _, evenings, heard = evening
    ghost = {**evenings[0].events[3], "event_id": "00000000-0000-7000-8000-000000000001"}
    evenings[0].events.append(ghost)
    heard.acknowledged.add(ghost["event_id"])
    assert [line for line in judged(evening) if "acknowledged and not stored" in line] == [
        "1 acknowledged and not stored, among them 00000000-0000-7000-8000-000000000001"
    ]


@pytest.mark.slow
def test_the_judge_misses_an_event_that_nobody_acknowledged(evening):
    _, evenings, heard = evening
    heard.acknowledged.discard(evenings[1].events[7]["event_id"])
    assert judged(evening) == [f"1 sent and not acknowledged, among them {evenings[1].events[7]['event_id']}"]


def test_the_judge_sees_a_dong_too_much(evening):
    _, evenings, _ = evening
    evenings[0].books.accounts["payable:post"] += 1
    wanted = sum(each.books.accounts["payable:post"] for each in evenings)
    assert judged(evening) == [f"account payable:post: {wanted} by hand, {wanted - 1} in the database"]


@pytest.mark.slow
def test_the_judge_sees_an_item_in_another_state(evening):
    database, _, _ = evening
    with database.write() as session:
        session.execute(
            text("UPDATE item SET state = 'returned' WHERE CAST(id AS TEXT) = (SELECT min(CAST(id AS TEXT)) FROM item)")
        )
    assert len(judged(evening)) == 2  # one too few of its state, one too many of the other


@pytest.mark.slow
def test_an_upload_is_measured_beside_a_bare_flask_app():
    table = bench_sync.run(uploads=3, events=5, on_postgres=False)
    assert [line.split(" |")[0] for line in table[4:]] == [
        "| bare Flask, plain",
        "| bare Flask, sealed",
        "| sync, plain",
        "| sync, sealed",
    ]
