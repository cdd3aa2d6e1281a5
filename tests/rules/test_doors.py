"""What may go out on a day, how urgent it is, and which items are one call: cases worked out by hand."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from courier.domain.doors import Waiting, doors, left_out, urgency
from courier.domain.item import Direction

DAY = date(2026, 11, 25)
POSTMAN = UUID(int=0xB0)


def an_item(number: int = 1, **changed) -> Waiting:
    given = {
        "id": UUID(int=number),
        "direction": Direction.RESULT,
        "commune_code": "32059",
        "lat": 9.4,
        "lon": 104.9,
        "address": "Ấp 11, xã Khánh An",
        "phone": "0599000001",
        "precision": "pin",
    }
    return Waiting(**(given | changed))


def in_days(count: int) -> date:
    return DAY + timedelta(days=count)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"lat": None, "lon": None}, "address_doubtful"),
        ({"commune_code": None}, "address_doubtful"),
        ({"wanted_on": in_days(1)}, "held"),
        ({"wanted_on": in_days(-1)}, None),
        ({"wanted_on": DAY, "not_before": in_days(2)}, None),
        ({"not_before": in_days(1)}, "held"),
        ({"not_before": DAY}, None),
        ({"held_until": in_days(-1)}, "held"),
        ({"held_until": DAY}, None),
        ({"marks": ("lost",)}, "held"),
        ({"advice": "review_address"}, "address_doubtful"),
        ({"advice": "invite"}, "held"),
        ({"advice": "invite", "wanted_on": DAY}, None),
        ({"advice": "return_now", "wanted_on": DAY}, "held"),
        ({"advice": "incident"}, "held"),
        ({"holder": POSTMAN, "marks": ("damaged",), "not_before": in_days(2)}, None),
    ],
)
def test_what_stays_in_the_office(changed, code):
    why = left_out(an_item(**changed), DAY)
    assert (why and why.code) == code
    assert why is None or why.sentence.endswith(".")


@pytest.mark.parametrize(
    ("changed", "weight"),
    [
        ({}, 5),
        ({"priority": 90}, 9),
        ({"deliver_by": in_days(9)}, 5),
        ({"deliver_by": in_days(3)}, 20),
        ({"deliver_by": in_days(1)}, 50),
        ({"deliver_by": DAY}, 95),
        ({"deliver_by": in_days(-4)}, 95),
        ({"wanted_on": DAY}, 100),
        ({"wanted_on": in_days(-1)}, 5),
    ],
)
def test_promises_and_deadlines_outweigh_ordinary_calls(changed, weight):
    assert urgency(an_item(**changed), DAY) == weight


@pytest.mark.parametrize(
    ("other", "calls"),
    [
        ({}, 1),
        ({"address": "ẤP 11,  XÃ KHÁNH AN"}, 1),
        ({"direction": Direction.SUBMISSION}, 1),
        ({"lat": 9.400_001}, 1),
        ({"lat": 9.401}, 2),
        ({"phone": "0599000002"}, 2),
        ({"phone": None}, 2),
        ({"address": "Ấp 12, xã Khánh An"}, 2),
        ({"wanted_on": DAY, "wanted_from": 27_000, "wanted_to": 41_400}, 2),
        ({"holder": POSTMAN}, 2),
    ],
)
def test_one_household_is_one_call(other, calls):
    assert len(doors([an_item(1), an_item(2, **other)], DAY)) == calls


def test_a_call_adds_up_what_its_items_need():
    [door] = doors(
        [
            an_item(1, due_dong=100_000),
            an_item(2, due_dong=50_000, precision="commune"),
            an_item(3, direction=Direction.SUBMISSION, deliver_by=DAY),
        ],
        DAY,
    )
    assert (door.loads, door.fetches, door.due_dong, door.priority) == (2, 1, 150_000, 95)
    assert door.setup_seconds == 120  # the best known point counts
    assert door.service_seconds == 2 * 120 + 600 + 2 * 60
