"""When the postman comes, over HTTP and on the citizen's page: a window with how sure it is, and a chosen one apart from it."""

import pytest

from courier import dispatch
from tests.api.test_citizen import link_to
from tests.builders import DAY, MORNING
from tests.planning_office import place

V1 = "/api/v1"


def publish(town, desk):
    plan_id = dispatch.request_plan(
        desk, town.dispatcher.caller, office_id=None, day=DAY, at=MORNING, seconds=1.0
    )  # fmt: skip
    dispatch.solve_plan(desk, plan_id, at=MORNING)
    return dispatch.publish(desk, town.dispatcher.caller, plan_id, version=2, at=MORNING)


@pytest.fixture
def visitor(app):
    """Somebody with nothing but a link."""
    return app.test_client()


def test_a_visit_on_a_route_is_told_with_its_confidence_and_the_page_says_it_in_words(visitor, town, desk):
    token = link_to(desk, place(town.here, km_north=3))
    publish(town, desk)
    window = visitor.get(f"{V1}/public/items/{token}").json["window"]
    assert (window["date"], window["basis"], window["confidence"]) == (DAY.isoformat(), "estimated", 0.9)
    assert window["from"] < window["to"]
    assert (window["updated_at"], window["expected"]) == (MORNING.isoformat(), None)
    page = visitor.get(f"/t/{token}").get_data(as_text=True)
    opens, closes = (window[edge][11:16] for edge in ("from", "to"))
    assert f"khoảng {opens} – {closes}" in page
    assert "9 trên 10 lần đúng; cập nhật lúc 07:30" in page


def test_a_chosen_window_is_told_as_chosen_and_what_to_expect_stands_beside_it(visitor, town, desk):
    token = link_to(
        desk, place(town.here, km_north=3, wanted_on=DAY, wanted_from=13 * 3600, wanted_to=17 * 3600)
    )  # fmt: skip
    before = visitor.get(f"{V1}/public/items/{token}").json["window"]
    assert (before["basis"], before["confidence"], before["expected"]) == ("chosen", None, None)
    publish(town, desk)
    window = visitor.get(f"{V1}/public/items/{token}").json["window"]
    assert (window["from"], window["to"]) == (f"{DAY}T13:00:00+07:00", f"{DAY}T17:00:00+07:00")
    expected = window["expected"]
    assert (expected["confidence"], expected["basis"]) == (0.9, "estimated")
    assert window["from"] <= expected["from"] < expected["to"] < window["to"]
    page = visitor.get(f"/t/{token}").get_data(as_text=True)
    assert "trong khung giờ đã hẹn 13:00 – 17:00" in page
    assert f"dự kiến khoảng {expected['from'][11:16]} – {expected['to'][11:16]}" in page


def test_a_chosen_day_without_a_window_promises_no_more_than_the_day(visitor, town, desk):
    token = link_to(desk, place(town.here, wanted_on=DAY))
    window = visitor.get(f"{V1}/public/items/{token}").json["window"]
    assert (window["from"], window["to"], window["basis"], window["confidence"]) == (None, None, "day", None)
