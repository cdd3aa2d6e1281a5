"""The citizen's link as programs speak to it: holds, codes, wishes, and what is refused in which words."""

import io
import json
from datetime import timedelta

import pytest
from PIL import Image
from uuid_utils.compat import uuid7

from courier.store import links
from courier.store.tables import Item
from tests.api.conftest import Person, Town, sign
from tests.builders import DATA
from tests.planning_office import adjust, place

V1 = "/api/v1"


def link_to(desk, item_id) -> str:
    made = links.token_for(desk.settings.secrets, item_id, 1)
    with desk.database.write() as session:
        session.get_one(Item, item_id).link_digest = links.digest(made)
    return made


class Visitor:
    """Somebody with a link, who has shown the last digits of the phone."""

    def __init__(self, app, desk, town: Town, **where: float) -> None:
        self.item = place(town.here, recipient_phone="0599000001", **where)
        self.path = f"{V1}/public/items/{link_to(desk, self.item)}"
        self.client = app.test_client()
        assert self.client.post(f"{self.path}/verify", json={"phone_last4": "0001"}).status_code == 200

    def post(self, what: str, **body):
        return self.client.post(f"{self.path}/{what}", json=body)

    def slots(self) -> list[str]:
        return [slot["id"] for slot in self.client.get(f"{self.path}/slots").json["slots"]]


@pytest.fixture
def tight(town) -> Town:
    """An office with time for one far door in a morning."""
    for number in range(len(town.here.postmen)):
        adjust(town.here, number, shift_end=9 * 3600 if number == 0 else 8 * 3600)
    return town


# ------------------------------------------------------------------------------------------------------------- holds
def test_a_window_is_kept_for_ten_minutes_and_the_next_person_hears_what_is_left(app, desk, tight, clock):
    first, second = Visitor(app, desk, tight, km_north=9), Visitor(app, desk, tight, km_north=-9)
    wanted = first.slots()[0]
    held = first.post("slot-holds", slot=wanted)
    assert held.status_code == 201
    assert held.json["slot"]["id"] == wanted
    assert held.json["expires_at"] == (clock.now + timedelta(minutes=10)).isoformat()
    for what, body in (("slot-holds", {}), ("change-requests", {"kind": "reschedule"})):
        refused = second.post(what, slot=wanted, **body)
        assert (refused.status_code, refused.json["code"]) == (409, "slot-gone")
        assert [slot["id"] for slot in refused.json["slots"]] == second.slots() != []
        assert wanted not in second.slots()
    clock.forward(minutes=10)
    assert second.post("change-requests", kind="reschedule", slot=wanted).status_code == 201


def test_a_hold_becomes_the_promise(app, desk, tight):
    citizen = Visitor(app, desk, tight, km_north=9)
    wanted = citizen.slots()[0]
    citizen.post("slot-holds", slot=wanted)
    granted = citizen.post("change-requests", kind="reschedule", slot=wanted)
    assert granted.status_code == 201
    assert granted.json["window"]["date"].replace("-", "") == wanted[:8]


def test_nothing_is_held_for_a_stranger(app, desk, tight):
    citizen = Visitor(app, desk, tight, km_north=9)
    stranger = app.test_client().post(f"{citizen.path}/slot-holds", json={"slot": citizen.slots()[0]})
    assert (stranger.status_code, stranger.json["code"]) == (409, "not-verified")


# ------------------------------------------------------------------------------------------------------------- wishes
def test_the_door_is_described_in_parts_and_by_a_picture(app, desk, town):
    citizen = Visitor(app, desk, town)
    granted = citizen.post(
        "change-requests", kind="instruct", text="cổng xanh", landmark="cầu Rạch Lùm", call_first=True
    )
    assert granted.status_code == 201
    picture = io.BytesIO()
    Image.new("RGB", (50, 40), "green").save(picture, "PNG")
    sent = citizen.client.put(f"{citizen.path}/gate-photo", data=picture.getvalue(), content_type="image/png")
    assert sent.status_code == 200
    details = citizen.client.get(citizen.path).json["details"]
    assert details["gate_photo"] is True
    assert details["instructions"] == "Gọi điện trước khi đến. Mốc dễ thấy: cầu Rạch Lùm. cổng xanh"
    shown = town.dispatcher.get(f"{V1}/items/{citizen.item}/gate-photo")
    assert (shown.status_code, shown.mimetype) == (200, "image/jpeg")


def test_half_a_point_and_no_picture_are_refused(app, desk, town):
    citizen = Visitor(app, desk, town)
    assert citizen.post("change-requests", kind="instruct", lat=9.4).status_code == 422
    refused = citizen.client.put(f"{citizen.path}/gate-photo", data=b"<svg/>", content_type="image/png")
    assert (refused.status_code, refused.json["code"]) == (409, "not-a-picture")


def test_who_names_somebody_hears_which_paper_that_person_must_bring(app, desk, town):
    citizen = Visitor(app, desk, town)
    granted = citizen.post("change-requests", kind="authorise", person="Trần Văn Thử")
    assert granted.json["needs"] == citizen.client.get(citizen.path).json["details"]["authorisation"] != ""


def test_an_office_that_is_none_of_the_item_s_is_refused_and_not_left_aside(app, desk, town):
    citizen = Visitor(app, desk, town)
    refused = citizen.post("change-requests", kind="pick_up", office=str(citizen.item))
    assert (refused.status_code, refused.json["code"]) == (409, "other-office")


def test_who_collects_elsewhere_is_told_to_come_when_it_is_there_and_not_before(app, desk, town):
    citizen = Visitor(app, desk, town)
    page = citizen.path.replace(f"{V1}/public/items", "/t")
    text = citizen.client.get(page).text
    hidden = {name: text.split(f'name="{name}" value="')[1].split('"')[0] for name in ("form_token", "key")}
    fields = {**hidden, "kind": "pick_up", "office": str(town.there.office_id)}
    shown = citizen.client.post(f"{page}/wishes", data=fields, follow_redirects=True).text
    assert "bưu cục báo khi có thể đến nhận" in shown
    assert "Mời ông/bà đến bưu cục nhận" not in shown
    assert citizen.client.get(citizen.path).json["state"] == "to_forward"
    from tests.api.test_pages import Browser  # noqa: PLC0415 (its fixtures are not wanted here)

    clerk = Person(app, town.there.clerk, sign(desk.database, town.there.clerk))
    assert clerk.get(f"{V1}/items/{citizen.item}").status_code == 404
    for browser, act in (("here", "sent_on"), ("there", "arrived")):
        person = town.clerk if browser == "here" else clerk
        path = f"/items/{citizen.item}"
        desk_of = Browser(app, person)
        assert f'value="{act}"' in desk_of.get(path).text
        assert desk_of.send(path, f"{path}/acts", {"act": act, "key": str(uuid7())}).status_code == 303
    assert "Đang chuyển" not in citizen.client.get(page).text
    assert citizen.client.get(citizen.path).json["state"] == "awaiting_pickup"
    assert citizen.item.hex in Browser(app, clerk).get("/k").text.replace("-", "")


def test_the_link_tells_by_which_rule_a_visit_may_be_moved(app, desk, town):
    """The figures of data/attempt_rules.json, read here by hand."""
    [rule] = json.loads((DATA / "attempt_rules.json").read_text())["rules"]
    citizen = Visitor(app, desk, town)
    assert citizen.client.get(citizen.path).json["details"]["change_rule"] == {
        "max_moves": rule["max_moves"],
        "cut_off_days_before": rule["change_cut_off"]["days_before"],
        "cut_off_at": rule["change_cut_off"]["at"],
        "hold_minutes": rule["slot_hold"]["minutes"],
    }


def test_after_the_cut_off_the_refusal_names_it(app, desk, town, clock):
    """A hold taken before 17:00 ends with it, so nothing is granted after."""
    clock.forward(hours=9, minutes=25)  # 16:55
    citizen = Visitor(app, desk, town)
    wanted = citizen.slots()[0]
    held = citizen.post("slot-holds", slot=wanted)
    assert held.json["expires_at"] == "2026-11-25T17:00:00+07:00"
    clock.forward(minutes=6)
    assert wanted not in citizen.slots()
    refused = citizen.post("change-requests", kind="reschedule", slot=wanted)
    assert (refused.status_code, refused.json["code"]) == (409, "slot-gone")


def test_a_fourth_move_is_refused_with_the_number(app, desk, town):
    citizen = Visitor(app, desk, town)
    for number in range(3):
        granted = citizen.post("change-requests", kind="reschedule", slot=citizen.slots()[number])
        assert granted.status_code == 201
    for what in ("slot-holds", "change-requests"):
        body = {} if what == "slot-holds" else {"kind": "reschedule"}
        refused = citizen.post(what, slot=citizen.slots()[4], **body)
        assert (refused.status_code, refused.json["code"]) == (409, "too-many-moves")
        assert "3 lần" in refused.json["detail"]
