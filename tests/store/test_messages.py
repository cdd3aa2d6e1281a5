"""The outbox: a message stands with the fact it tells of, is carried once, waits when it must, and is never read by the way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from courier import notices
from courier.domain.calendar import ZONE
from courier.domain.notices import Kind, State
from courier.outside.carriers import Carried, Failed, Then
from courier.store import messages
from courier.store.messages import CARRY_JOB
from courier.store.tables import Incident, Item, Message, MessageBudget, MessageOptOut
from tests.builders import MORNING, a_house
from tests.post import PHONE, Provider, a_draft, carry, message, put, with_providers

NIGHT = datetime(2026, 11, 25, 22, 0, tzinfo=ZONE)
NEXT_MORNING = datetime(2026, 11, 26, 7, 0, tzinfo=ZONE)


@pytest.fixture
def house(database):
    return a_house(database)


def test_a_message_and_its_job_are_there_together_or_not_at_all(house):
    with_providers(house)
    (one,) = put(house, a_draft(dedupe_key="a"))
    assert [job[:2] for job in house.desk.jobs.kept] == [(CARRY_JOB, {"messages": [str(one)]})]

    def post_and_stumble():
        with house.database.write() as session:
            secrets = house.desk.settings.secrets
            messages.post(session, house.desk.jobs, a_draft(dedupe_key="b"), secrets=secrets, at=MORNING)
            raise ConnectionError("the line broke before the commit")

    with pytest.raises(ConnectionError):
        post_and_stumble()

    with house.database.read() as session:
        assert session.scalars(select(Message.dedupe_key)).all() == ["a"]


def test_the_same_news_twice_is_one_message_for_us_and_for_the_provider(house):
    sms = Provider()
    with_providers(house, sms=sms)
    draft = a_draft()
    (first,) = put(house, draft, draft)
    assert put(house, draft) == []

    carry(house)

    assert [letter.id for letter in sms.asked] == [first]
    assert message(house, first).state == State.SENT


def test_neither_number_nor_words_stand_in_the_database(house):
    with_providers(house, sms=Provider())
    ids = put(house, a_draft(Kind.ONE_TIME_CODE), a_draft())
    carry(house)
    with house.database.read() as session:
        rows = session.execute(text("SELECT * FROM message")).all()
    written = repr(rows)
    assert PHONE not in written
    assert "123456" not in written
    assert message(house, ids[1]).to_masked == "••••••••01"
    # The code is gone for good once it was carried.
    assert message(house, ids[0]).sealed is None


def test_work_that_is_done_again_after_a_crash_asks_with_the_same_key_and_counts_once(house):
    sms = Provider()
    with_providers(house, sms=sms)
    (one,) = put(house, a_draft())
    ((_, payload, _, _),) = house.desk.jobs.kept

    notices.carry_job(house.desk, payload, at=MORNING)  # killed before its effect
    with house.database.write() as session:
        notices.carry_job(house.desk, payload, at=MORNING)(session)

    assert [letter.id for letter in sms.asked] == [one, one]
    with house.database.read() as session:
        assert session.scalars(select(MessageBudget)).one().messages == 1
    assert message(house, one).cost_dong == 850


def test_nobody_is_woken_but_for_a_code(house):
    sms = Provider()
    with_providers(house, sms=sms)
    news, code = put(
        house,
        a_draft(at=NIGHT),
        a_draft(Kind.ONE_TIME_CODE, at=NIGHT, expires_at=NIGHT + timedelta(minutes=5)),
        at=NIGHT,
    )
    carry(house, at=NIGHT)
    assert [letter.id for letter in sms.asked] == [code]
    assert message(house, news).not_before == NEXT_MORNING

    assert carry(house, at=NEXT_MORNING) == 1
    assert message(house, news).state == State.SENT


def test_what_is_no_news_any_more_is_not_sent(house):
    sms = Provider()
    with_providers(house, sms=sms)
    (code,) = put(house, a_draft(Kind.ONE_TIME_CODE, expires_at=MORNING + timedelta(minutes=5)))
    carry(house, at=MORNING + timedelta(minutes=5))
    assert (message(house, code).state, sms.asked) == (State.EXPIRED, [])


def test_whoever_wants_none_gets_none_but_the_codes_he_asks_for(house):
    sms = Provider()
    with_providers(house, sms=sms)
    news, code = put(house, a_draft(), a_draft(Kind.ONE_TIME_CODE))
    with house.database.write() as session:
        index = messages.phone_index(PHONE, secrets=house.desk.settings.secrets)
        session.add(MessageOptOut(to_index=index, at=MORNING, said_by="page"))
    carry(house)
    assert [letter.id for letter in sms.asked] == [code]
    assert message(house, news).state == State.SUPPRESSED


def test_of_an_item_whose_use_was_restricted_nobody_is_told_but_the_codes_he_asks_for(house):
    sms = Provider()
    with_providers(house, sms=sms)
    restricted = house.item()
    with house.database.write() as session:
        row = session.get_one(Item, restricted)
        row.state, row.restricted_at = "attempted", MORNING
    kept_back, code, told = put(
        house, a_draft(item_id=restricted), a_draft(Kind.ONE_TIME_CODE, item_id=restricted), a_draft()
    )
    carry(house)
    assert {letter.id for letter in sms.asked} == {code, told}
    assert message(house, kept_back).state == State.SUPPRESSED


def test_a_provider_that_is_away_is_asked_again_later_and_then_the_next_channel_carries(house):
    zns, sms = Provider(lambda letter: Failed("http-503", Then.AGAIN)), Provider()
    with_providers(house, zns=zns, sms=sms)
    (one,) = put(house, a_draft())
    at, waits = MORNING, []
    while message(house, one).state == State.QUEUED:
        carry(house, at=at)
        later = message(house, one).not_before
        waits.append((later - at).total_seconds())
        at = max(later, at)

    assert len(zns.asked) == 6
    assert len(sms.asked) == 1
    # Each wait is about twice the one before, less at most a fifth.
    assert all(0.8 * 30 * 2**n <= wait <= 30 * 2**n for n, wait in enumerate(waits[:5]))
    row = message(house, one)
    assert (row.state, row.channel, row.tried) == (State.SENT, "sms", [{"channel": "zns", "code": "http-503"}])


def test_a_provider_that_says_how_long_to_wait_is_given_that_time(house):
    sms = Provider(lambda letter: Failed("http-429", Then.AGAIN, timedelta(minutes=7)))
    with_providers(house, sms=sms)
    (one,) = put(house, a_draft())
    carry(house)
    assert message(house, one).not_before == MORNING + timedelta(minutes=7)


def test_a_person_that_a_channel_does_not_reach_is_told_by_the_next_one_at_once(house):
    zns, sms = Provider(lambda letter: Failed("no-account", Then.ELSEWHERE)), Provider()
    with_providers(house, zns=zns, sms=sms)
    (one,) = put(house, a_draft())
    carry(house)
    assert (len(zns.asked), [letter.id for letter in sms.asked]) == (1, [one])


def test_what_no_channel_carries_is_dead_and_says_why(house):
    sms = Provider(lambda letter: Failed("wrong-number", Then.ELSEWHERE))
    with_providers(house, sms=sms)
    (one,) = put(house, a_draft())
    carry(house)
    row = message(house, one)
    assert (row.state, row.code) == (State.DEAD, "no-channel")
    assert row.tried == [{"channel": "sms", "code": "wrong-number"}]


def test_a_fault_that_a_person_must_look_at_ends_it(house):
    sms = Provider(lambda letter: Failed("http-401", Then.NEVER))
    with_providers(house, sms=sms)
    (one,) = put(house, a_draft())
    carry(house)
    assert (message(house, one).state, message(house, one).code, len(sms.asked)) == (State.DEAD, "http-401", 1)


def test_a_budget_that_is_used_up_keeps_messages_until_morning_says_so_once_and_lets_codes_through(house):
    """2,000 messages and 1,700,000 đ a day at 850 đ, a fifth of both kept for codes: 1,600 go."""
    sms = Provider()
    with_providers(house, sms=sms)
    with house.database.write() as session:
        session.add(MessageBudget(channel="sms", day=MORNING.date(), messages=1_598, dong=1_598 * 850))
    ids = put(
        house,
        *(a_draft(office_id=house.office_id, expires_at=MORNING + timedelta(days=3)) for _ in range(4)),
        at=MORNING,
    )
    (code,) = put(house, a_draft(Kind.ONE_TIME_CODE))
    carry(house)

    states = [message(house, one).state for one in ids]
    assert sorted(states) == ["queued", "queued", "sent", "sent"]
    assert message(house, code).state == State.SENT
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Incident)) == 1
        assert session.scalars(select(Incident.code)).one() == notices.OVER_BUDGET

    carry(house, at=NEXT_MORNING)
    assert {message(house, one).state for one in ids} == {State.SENT}


def test_two_runners_that_work_side_by_side_do_not_overspend_together(house):
    """1,600 news a day fit (a fifth is kept for codes); 1,590 were sent, and two jobs of fifteen are done at the same time."""
    together = threading.Barrier(2)
    sms = Provider()
    with_providers(house, sms=sms)
    with house.database.write() as session:
        session.add(MessageBudget(channel="sms", day=MORNING.date(), messages=1_590, dong=0))
    jobs = [[str(one) for one in put(house, *(a_draft() for _ in range(15)))] for _ in range(2)]

    def run(ids):
        together.wait(30)
        effect = notices.carry_job(house.desk, {"messages": ids}, at=MORNING)
        with house.database.write() as session:
            effect(session)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, jobs))

    assert len(sms.asked) == 10
    with house.database.read() as session:
        assert session.scalars(select(MessageBudget)).one().messages == 1_600


def test_without_a_connected_channel_everything_is_a_dry_run_and_says_so(house):
    with_providers(house)
    (one,) = put(house, a_draft())
    carry(house)
    row = message(house, one)
    assert (row.state, row.dry_run, row.channel) == (State.SENT, True, "zns")


@pytest.mark.once
def test_a_thousand_messages_are_a_few_jobs(house):
    sms = Provider(lambda letter: Carried(str(letter.id)))
    with_providers(house, sms=sms)
    ids = put(house, *(a_draft() for _ in range(1_000)))
    assert len(house.desk.jobs.kept) == 25
    carry(house)
    assert sorted(letter.id for letter in sms.asked) == sorted(ids)


def test_a_fault_of_ours_leaves_the_messages_dead_for_a_person_to_see(house):
    with_providers(house)
    (one,) = put(house, a_draft())
    with house.database.write() as session:
        notices.give_up(session, {"messages": [str(one)]})
    assert (message(house, one).state, message(house, one).code) == (State.DEAD, "fault")
