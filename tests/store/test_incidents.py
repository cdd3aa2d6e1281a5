"""The incidents board: whose time is up comes first, somebody has taken it, and the fact behind it is said."""

from dataclasses import replace

import pytest

from courier import incidents
from courier.domain.errors import Missing, Refused
from courier.domain.people import Role
from courier.domain.trouble import Kind
from tests.builders import Phone, a_house, clock, done_right, paying

MOMENT = clock(10)


@pytest.fixture
def house(database):
    """One handover to the wrong person at minute 10, heard of at minute 60, and a breakdown a minute later."""
    house = a_house(database)
    item = house.item()
    phone = Phone(house, house.postmen[0])
    receiver = {"name": "Trần Thị Bé", "relation": "other", "id_check": "mismatch", "id_last4": None}
    charges = house.charges(item)
    phone.send(
        phone.event("taken_out", [item], 5),
        phone.event(
            "handed_over",
            [item],
            at=MOMENT,
            **done_right(paying(*[(c, c.amount_dong) for c in charges]), receiver=receiver),
        ),
        phone.event("broke_down", [], 11, can_go_on=False, text="Thủng lốp"),
        at=clock(60),
    )
    return house


def board(house, *, at=None, who=None, kind=None):
    return incidents.board(house.desk, who or house.dispatcher, at=at or clock(61), kind=kind)


def test_whose_time_is_up_comes_first_and_a_kind_can_be_asked_for(house):
    found = board(house)
    assert found[0].row.code == "broke-down"
    assert [one.due_at for one in found] == sorted(one.due_at for one in found)
    assert not any(one.is_overdue for one in found)
    later = board(house, at=clock(60 + 31))
    assert [one.kind for one in later if one.is_overdue] == [Kind.ROAD]
    assert {one.kind for one in board(house, kind=Kind.DOOR)} == {Kind.DOOR}


def test_the_fact_behind_an_incident_is_said(house):
    fact = board(house, kind=Kind.DOOR)[0].fact
    assert (fact.type, fact.by, fact.receiver, fact.relation) == (
        "handed_over", house.postmen[0].name, "Trần Thị Bé", "other",
    )  # fmt: skip
    assert (fact.occurred_at, fact.received_at, fact.cash_dong) == (MOMENT, clock(60), 165_000)


def test_an_incident_is_taken_over_or_given_to_somebody_of_the_office(house, database):
    (first, *_) = board(house)
    assert first.assignee is None
    incidents.assign(house.desk, house.dispatcher, first.row.id, to=None)
    assert board(house)[0].assignee == house.dispatcher.name
    incidents.assign(house.desk, house.dispatcher, first.row.id, to=house.cashier.id)
    assert board(house)[0].assignee == house.cashier.name
    other = a_house(database, code="TVT", agency_code="PC09")
    for nobody in (other.dispatcher.id, house.clerk.id, house.postmen[0].id):
        with pytest.raises(Missing):
            incidents.assign(house.desk, house.dispatcher, first.row.id, to=nobody)
    with pytest.raises(Missing):
        incidents.assign(house.desk, other.dispatcher, first.row.id, to=None)
    assert {person.id for person in incidents.people_for(house.desk, house.dispatcher)} == {
        house.dispatcher.id, house.cashier.id,
    }  # fmt: skip
    incidents.close_incident(house.desk, house.dispatcher, first.row.id, resolution="Đã chia túi.", at=clock(70))
    with pytest.raises(Refused):
        incidents.assign(house.desk, house.dispatcher, first.row.id, to=None)


def test_money_is_given_to_nobody_but_the_cashier(house):
    item = house.item()
    phone = Phone(house, house.postmen[1])
    phone.send(
        phone.event("taken_out", [item], 62), phone.event("handed_over", [item], 63, **done_right()), at=clock(64)
    )
    money = board(house, kind=Kind.MONEY)
    assert money
    with pytest.raises(Refused):
        incidents.assign(house.desk, house.dispatcher, money[0].row.id, to=None)
    incidents.assign(house.desk, house.dispatcher, money[0].row.id, to=house.cashier.id)
    admin = replace(house.dispatcher, role=Role.ADMIN, office_id=None)
    assert len(board(house, who=admin)) == len(board(house))
