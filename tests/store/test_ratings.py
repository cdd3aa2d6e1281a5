"""Ratings of visits: one for each, changeable for a day, and told so that nobody can be pointed at."""

from dataclasses import replace
from datetime import timedelta
from statistics import mean

import pytest
from sqlalchemy import func, select

from courier import ratings
from courier.domain.errors import Invalid, Refused
from courier.domain.people import Role
from courier.store.tables import Rating
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, paying


@pytest.fixture
def house(database):
    return a_house(database)


class Round:
    """A postman who goes from door to door, a minute each."""

    def __init__(self, house, number=0):
        self.house, self.phone, self.minute = house, Phone(house, house.postmen[number]), 10 + 100 * number

    def visited(self, *, failed=False):
        item = self.house.item()
        self.minute += 1
        if failed:
            act = self.phone.event("attempt_failed", [item], self.minute + 0.5, reason="recipient_absent")
        else:
            charges = [(c, c.amount_dong) for c in self.house.charges(item)]
            act = self.phone.event("handed_over", [item], self.minute + 0.5, **done_right(paying(*charges)))
        self.phone.send(self.phone.event("taken_out", [item], self.minute), act)
        return item


def rate(house, item, stars=5, words="", *, at=None):
    return ratings.rate(house.desk, item, stars=stars, words=words, at=at or clock(400))


def of_month(house, who=None, month=DAY):
    return ratings.of_month(house.desk, who or house.dispatcher, month, at=clock(600))


def test_before_anybody_came_there_is_nothing_to_rate(house):
    item = house.item()
    assert ratings.last_visit(house.desk, item, at=MORNING) is None
    with pytest.raises(Refused, match="no-visit"):
        rate(house, item)


def test_a_visit_is_rated_once_and_what_was_said_can_be_changed_for_a_day(house, database):
    item = Round(house).visited()
    first = rate(house, item, 2, "Chờ lâu")
    assert (first.stars, first.words, first.until) == (2, "Chờ lâu", clock(400) + timedelta(hours=24))
    changed = rate(house, item, 4, "Đã xin lỗi", at=first.until)
    assert (changed.stars, changed.words, changed.until) == (4, "Đã xin lỗi", first.until)
    with pytest.raises(Refused, match="rating-closed"):
        rate(house, item, 1, at=first.until + timedelta(microseconds=1))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Rating)) == 1


def test_the_next_visit_is_rated_anew_and_a_visit_taken_back_is_none(house, database):
    walk = Round(house)
    item = walk.visited(failed=True)
    assert rate(house, item, 1).kind == "attempt_failed"
    charges = [(c, c.amount_dong) for c in house.charges(item)]
    handed = walk.phone.event("handed_over", [item], 200, **done_right(paying(*charges)))
    walk.phone.send(handed)
    second = ratings.last_visit(house.desk, item, at=clock(401))
    assert (second.kind, second.stars) == ("handed_over", None)
    rate(house, item, 5)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Rating)) == 2
    walk.phone.send(walk.phone.event("corrected", [item], 210, corrects=handed["event_id"], reason="nhầm"))
    assert ratings.last_visit(house.desk, item, at=clock(401)).kind == "attempt_failed"


def test_after_thirty_days_a_visit_is_no_longer_rated(house):
    item = Round(house).visited()
    last = clock(11.5) + timedelta(days=30)
    with pytest.raises(Refused, match="rating-closed"):
        rate(house, item, at=last + timedelta(seconds=1))
    assert rate(house, item, at=last).stars == 5


@pytest.mark.parametrize(("stars", "words"), [(0, ""), (6, ""), (3, "x" * 301)])
def test_what_is_no_rating_is_refused(house, stars, words):
    item = Round(house).visited()
    with pytest.raises(Invalid):
        rate(house, item, stars, words)


def test_an_office_reads_sums_that_add_up_and_only_of_its_own_month(house, database):
    walk, given = Round(house), [5, 4, 4, 1, 3]
    for stars in given:
        rate(house, walk.visited(), stars)
    other = a_house(database, code="CN", agency_code="PC06")
    rate(other, Round(other).visited(), 1)
    (month,) = of_month(house)
    assert month.marks.count == len(given)
    assert month.marks.mean == round(mean(given), 1)
    assert {stars: n for stars, n in month.marks.by_stars.items() if n} == {s: given.count(s) for s in set(given)}
    admin = replace(house.dispatcher, role=Role.ADMIN, office_id=None)
    assert sorted(one.marks.count for one in of_month(house, admin)) == [1, 5]
    assert of_month(house, month=DAY.replace(month=10))[0].marks.count == 0


@pytest.mark.once
def test_a_postman_is_told_of_from_ten_ratings_on_and_nobody_is_ranked(house):
    many, few = Round(house, 0), Round(house, 1)
    for _ in range(9):
        rate(house, many.visited(), 2)
        rate(house, few.visited(), 5)
    assert (of_month(house)[0].postmen, of_month(house)[0].too_few) == ([], 2)
    rate(house, many.visited(), 2)
    (month,) = of_month(house)
    assert [(name, marks.count, marks.mean) for name, marks in month.postmen] == [(house.postmen[0].name, 10, 2.0)]
    assert month.too_few == 1
    rate(house, few.visited(), 5)
    # By name, though the second has the better mark.
    assert [name for name, _ in of_month(house)[0].postmen] == sorted(who.name for who in house.postmen)


def test_words_are_told_from_five_ratings_on_by_the_alphabet_and_with_nothing_that_says_whose(house):
    walk, words = Round(house), ["Tốt", "Ổn", "Chậm", "Bình thường"]
    for one in words:
        rate(house, walk.visited(), 3, one)
    assert of_month(house)[0].words == []
    rate(house, walk.visited(), 3)
    (month,) = of_month(house)
    assert month.words == ["Bình thường", "Chậm", "Ổn", "Tốt"]
    assert not {"item_id", "event_id", "at", "rated_at"} & set(month.__slots__)
