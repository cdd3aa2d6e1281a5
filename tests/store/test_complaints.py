"""Complaints: counted, dated by the law, answered once, and told to the admin when their day has passed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from courier import complaints, handover, nightly, tracking
from courier.domain.calendar import ZONE
from courier.domain.citizen_rights import Trouble
from courier.domain.errors import Invalid, Missing, Refused, Stale
from courier.domain.people import Role
from courier.store.tables import AuditEntry, Complaint, Incident, Item
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, paying

ANSWERED = clock(60)
WORDS = "Bưu tá hẹn buổi sáng, đến tối mới giao."


@pytest.fixture
def house(database):
    return a_house(database)


def filed(house, item, *, words=WORDS, by=None, at=MORNING, kind=Trouble.LATE):
    return complaints.file(house.desk, item, kind=kind, words=words, filed_by=by, at=at)


def delivered(house, item, *, minutes=10):
    phone = Phone(house, house.postmen[0])
    charges = house.charges(item)
    phone.send(
        phone.event("taken_out", [item], minutes - 5),
        phone.event("handed_over", [item], minutes, **done_right(paying(*[(c, c.amount_dong) for c in charges]))),
        at=clock(minutes + 5),
    )


def test_a_complaint_gets_a_number_of_its_office_and_year_and_the_legal_day(house, database):
    first = filed(house, house.item())
    second = filed(house, house.item(), by=house.clerk)
    other = a_house(database, code="CN", agency_code="PC06")
    assert [first.number, second.number, filed(other, other.item()).number] == [
        "KN-UM-2026-0001", "KN-UM-2026-0002", "KN-CN-2026-0001",
    ]  # fmt: skip
    # Wednesday the 25th: 26, 27, 30, 1, 2.
    assert (first.row.due_on, first.row.scope, first.is_overdue) == (date(2026, 12, 2), "province", False)
    assert (first.row.filed_by, second.row.filed_by) == (None, house.clerk.id)
    next_year = filed(house, house.item(), at=datetime(2027, 1, 4, 9, tzinfo=ZONE))
    assert next_year.number == "KN-UM-2027-0001"


def test_an_address_outside_the_province_has_seven_working_days(house, database):
    item = house.item()
    with database.write() as session:
        session.get_one(Item, item).commune_code = "00001"
    assert filed(house, item).row.due_on == date(2026, 12, 4)


def test_numbers_are_without_gap_and_double_when_many_complain_at_once(house):
    items = [house.item() for _ in range(6)]
    start = threading.Barrier(6)

    def one(item):
        start.wait()
        return filed(house, item).row.number

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, items)) == [1, 2, 3, 4, 5, 6]


def test_six_months_after_the_transit_nobody_complains_any_more(house, database):
    item = house.item()
    delivered(house, item)  # on 2026-11-25
    filed(house, item, at=datetime(2027, 5, 25, 23, 59, tzinfo=ZONE))
    with pytest.raises(Refused, match="complaint-too-late"):
        filed(house, item, at=datetime(2027, 5, 26, 0, 0, tzinfo=ZONE))
    with database.write() as session:
        session.get_one(Item, item).deliver_by = date(2026, 12, 10)
    filed(house, item, at=datetime(2027, 6, 10, 8, tzinfo=ZONE))
    with pytest.raises(Refused, match="complaint-too-late"):
        filed(house, item, at=datetime(2027, 6, 11, 8, tzinfo=ZONE))


def test_while_the_item_is_under_way_the_period_has_not_begun(house):
    assert filed(house, house.item(), at=MORNING + timedelta(days=400)).row.number == 1


def test_one_item_has_three_open_complaints_at_most_and_twelve_in_all(house):
    item = house.item()
    for _ in range(4):
        three = [filed(house, item) for _ in range(3)]
        with pytest.raises(Refused, match="too-many-complaints"):
            filed(house, item)
        for case in three:
            answered(house, case)
    with pytest.raises(Refused, match="too-many-complaints"):
        filed(house, item)
    assert filed(house, house.item()).row.number == 13


@pytest.mark.parametrize("words", ["", "  \n ", "x" * 2001])
def test_words_are_needed_and_bounded(house, words):
    with pytest.raises(Invalid):
        filed(house, house.item(), words=words)


def test_a_desk_files_for_its_own_items_only(house, database):
    other = a_house(database, code="CN", agency_code="PC06")
    with pytest.raises(Missing):
        filed(house, other.item(), by=house.clerk)


def answered(house, case, *, who=None, words="Bưu cục xin lỗi.", dong=None, version=1, at=ANSWERED):
    return complaints.answer(
        house.desk, who or house.dispatcher, case.row.id, words=words, compensation_dong=dong, version=version, at=at
    )


def test_an_answer_is_given_once_by_the_own_office_and_is_in_the_book(house, database):
    case = filed(house, house.item())
    other = a_house(database, code="CN", agency_code="PC06")
    with pytest.raises(Missing):
        answered(house, case, who=other.dispatcher)
    with pytest.raises(Stale):
        answered(house, case, version=7)
    with pytest.raises(Invalid):
        answered(house, case, words="  ")
    with pytest.raises(Invalid):
        answered(house, case, dong=-1)
    told = answered(house, case, dong=50_000)
    assert (told.row.answer, told.row.compensation_dong, told.row.answered_by) == (
        "Bưu cục xin lỗi.", 50_000, house.dispatcher.id,
    )  # fmt: skip
    with pytest.raises(Refused, match="already-answered"):
        answered(house, case, version=2)
    assert not [account for account in house.balances() if not account.startswith(("receivable:", "due:"))]
    with database.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "complaint answered")).one()
    assert WORDS not in repr(entry.detail)


def test_the_queue_shows_the_own_office_by_the_day_it_is_due(house, database):
    late, soon = filed(house, house.item(), at=MORNING - timedelta(days=14)), filed(house, house.item())
    other = a_house(database, code="CN", agency_code="PC06")
    elsewhere = filed(other, other.item(), at=MORNING - timedelta(days=7))
    shown = complaints.queue(house.desk, house.dispatcher, at=MORNING)
    assert [(case.number, case.is_overdue) for case in shown] == [(late.number, True), (soon.number, False)]
    admin = replace(house.dispatcher, role=Role.ADMIN, office_id=None)
    assert [case.number for case in complaints.queue(house.desk, admin, at=MORNING)] == [
        late.number, elsewhere.number, soon.number,
    ]  # fmt: skip
    assert complaints.counts(house.desk, house.dispatcher, at=MORNING) == {"open": 2, "overdue": 1}
    answered(house, late)
    assert [case.number for case in complaints.queue(house.desk, house.dispatcher, answered=True, at=MORNING)] == [
        late.number
    ]


def incidents(database):
    with database.read() as session:
        return list(session.scalars(select(Incident).where(Incident.code == complaints.OVERDUE)))


def test_the_night_after_the_legal_day_the_admin_is_told_once_and_no_longer_when_it_is_answered(
    house, database, tmp_path
):
    desk = replace(house.desk, settings=SimpleNamespace(var_dir=tmp_path))
    case = filed(house, house.item())  # due on Wednesday, 2 December
    nightly.run(desk, at=datetime(2026, 12, 2, 23, 59, tzinfo=ZONE))
    assert incidents(database) == []
    for _ in range(2):
        nightly.run(desk, at=datetime(2026, 12, 3, 2, 0, tzinfo=ZONE))
    (told,) = incidents(database)
    assert (told.owner_role, told.item_id, told.closed_at) == ("admin", case.row.item_id, None)
    assert case.number in told.sentence
    assert WORDS not in told.sentence
    answered(house, case, at=datetime(2026, 12, 3, 9, 0, tzinfo=ZONE))
    assert incidents(database)[0].closed_at is not None


def test_nothing_of_a_complaint_reaches_the_postman(house, database):
    """He sees neither the words nor who complained: not in the history of the item, not in his list."""
    item, phone = house.item(), Phone(house, house.postmen[0])
    phone.send(phone.event("taken_out", [item], 5))
    filed(house, item, words="BÍ-MẬT-CỦA-DÂN")
    events = tracking.history(house.desk, house.postmen[0], item)
    assert [event.type for event in events] == ["received", "taken_out"]
    assert "BÍ-MẬT" not in repr([event.data for event in events])
    assert "BÍ-MẬT".encode() not in handover.daily_list(house.desk, house.postmen[0], day=DAY)
    with database.read() as session:
        assert session.scalars(select(Complaint)).one().words == "BÍ-MẬT-CỦA-DÂN"
