"""Messages to citizens: when people may be disturbed, who is told of what, what may be spent, and how it is said."""

import json
from datetime import datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courier.domain.calendar import ZONE
from courier.domain.item import Direction, EventType
from courier.domain.item import State as ItemState
from courier.domain.notices import (
    Channel,
    ChannelRule,
    Kind,
    arrival_key,
    event_key,
    fits_budget,
    has_moved,
    is_news,
    kind_for,
    masked_phone,
    message_id,
    next_channel,
    retry_at,
    speaks_at,
    still_holds,
)
from courier.domain.wording import Unsayable, parameters, plain, say, sms_segments
from tests.builders import DATA, number, the_facts

RULES, WORDING = the_facts().notices, the_facts().wording
LINK = "https://phat.example.vn/t/" + "x" * 24


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


# -------------------------------------------------------------------------------------------------------------- when
@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("2026-11-25T00:00", "2026-11-25T07:00"),
        ("2026-11-25T06:59:59", "2026-11-25T07:00"),
        ("2026-11-25T07:00", "2026-11-25T07:00"),
        ("2026-11-25T20:59:59", "2026-11-25T20:59:59"),
        ("2026-11-25T21:00", "2026-11-26T07:00"),
        ("2026-11-25T23:59", "2026-11-26T07:00"),
        ("2026-12-31T22:00", "2027-01-01T07:00"),
    ],
)
def test_nobody_is_disturbed_between_nine_and_seven(asked, goes):
    for kind in Kind:
        expected = at(asked) if kind is Kind.ONE_TIME_CODE else at(goes)
        assert speaks_at(RULES, kind, at(asked)) == expected


@pytest.mark.parametrize(("minutes", "again"), [(0, False), (44, False), (45, False), (46, True), (-46, True)])
def test_a_window_is_told_again_when_it_moved_by_more_than_the_rule_says(minutes, again):
    told = at("2026-11-25T09:00")
    assert has_moved(RULES, told, told + timedelta(minutes=minutes)) is again


@pytest.mark.parametrize(
    ("kind", "hours", "is_told"),
    [
        ("missed", 12, True),
        ("missed", 12.1, False),
        ("delivered", 13, False),
        ("ready_to_collect", 47, True),
        ("returned", 73, False),
    ],
)
def test_a_fact_that_is_heard_of_late_is_no_news(kind, hours, is_told):
    now = at("2026-11-25T12:00")
    assert is_news(RULES, Kind(kind), occurred_at=now - timedelta(hours=hours), at=now) is is_told


# -------------------------------------------------------------------------------------------------------------- what
TOLD = {
    ("result", "handed_over", "delivered"): "delivered",
    ("result", "picked_up", "picked_up"): "delivered",
    # Whichever of two acts counts in the end: the paper is with its owner.
    ("result", "handed_over", "picked_up"): "delivered",
    ("result", "picked_up", "delivered"): "delivered",
    ("result", "attempt_failed", "attempted"): "missed",
    ("result", "attempt_failed", "held"): "missed",
    ("result", "attempt_failed", "planned"): "missed",
    ("submission", "attempt_failed", "requested"): "missed",
    ("submission", "attempt_failed", "planned"): "missed",
    ("result", "invited", "awaiting_pickup"): "ready_to_collect",
    ("result", "arrived", "awaiting_pickup"): "ready_to_collect",
    ("result", "agency_signed", "returned"): "returned",
}  # fmt: skip


def test_each_event_in_each_state_tells_what_the_table_says_and_nothing_else():
    never = {("result", "requested"), ("submission", "attempted"), ("submission", "held")}  # no item is ever there
    for direction, event, state in product(Direction, EventType, ItemState):
        if (direction.value, state.value) in never:
            continue
        found = kind_for(
            event, direction=direction, state=state, is_withdrawn=False, is_latest=True, reason_then="retry"
        )
        wanted = TOLD.get((direction.value, event.value, state.value))
        assert found == wanted, (direction, event, state)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"is_withdrawn": True}, "a correction took it back"),
        ({"is_latest": False}, "something later is known"),
        ({"reason_then": "return_now"}, "nobody comes again: a person speaks of that"),
        ({"reason_then": "incident"}, "of a death no machine speaks"),
        ({"reason_then": None}, "a reason that nobody knows"),
    ],
)
def test_nothing_is_told_where(changed, why):
    told = {"is_withdrawn": False, "is_latest": True, "reason_then": "retry"}
    ask = {"direction": Direction.RESULT, "state": ItemState.ATTEMPTED}
    assert kind_for(EventType.ATTEMPT_FAILED, **ask, **told) is Kind.MISSED
    assert kind_for(EventType.ATTEMPT_FAILED, **ask, **{**told, **changed}) is None, why


def test_one_act_and_one_phone_is_one_message():
    event, phone, other = number(7), "a" * 64, "b" * 64
    assert event_key(Kind.MISSED, event, phone) == event_key(Kind.MISSED, event, phone)
    assert event_key(Kind.MISSED, event, phone) != event_key(Kind.MISSED, event, other)
    assert event_key(Kind.MISSED, event, phone) != event_key(Kind.DELIVERED, event, phone)
    plan, item = number(1), number(2)
    assert arrival_key(plan, item, phone) == arrival_key(plan, item, phone)
    assert (
        len({arrival_key(plan, item, phone), arrival_key(number(3), item, phone), arrival_key(plan, item, other)}) == 3
    )


def test_the_key_is_the_id_and_ids_are_never_the_same_by_accident():
    ids = {message_id(f"missed:{n}") for n in range(10_000)}
    assert len(ids) == 10_000
    assert message_id("missed:1") == message_id("missed:1")


@pytest.mark.parametrize(
    ("kind", "state", "is_on_a_route", "holds"),
    [
        ("arriving_today", "planned", True, True),
        ("arriving_today", "out", True, True),
        ("arriving_today", "planned", False, False),
        ("arriving_today", "delivered", True, False),
        ("arriving_today", "held", True, False),
        ("missed", "attempted", True, True),
        ("missed", "delivered", False, False),
        ("ready_to_collect", "awaiting_pickup", False, True),
        ("ready_to_collect", "picked_up", False, False),
        ("one_time_code", "cancelled", False, True),
    ],
)
def test_what_waited_is_said_only_while_it_is_true(kind, state, is_on_a_route, holds):
    assert still_holds(Kind(kind), state=ItemState(state), is_on_a_route=is_on_a_route) is holds


# -------------------------------------------------------------------------------------------------------- by what
@pytest.mark.parametrize(
    ("kind", "able", "tried", "found"),
    [
        ("missed", "zns sms webhook email", "", "zns"),
        ("missed", "zns sms webhook email", "zns", "sms"),
        ("missed", "sms", "", "sms"),
        ("missed", "sms", "sms", None),
        ("missed", "webhook email", "zns sms", "webhook"),
        ("one_time_code", "zns sms webhook email", "", "sms"),
        ("one_time_code", "zns sms webhook email", "sms zns", None),
        ("delivered", "", "", None),
    ],
)
def test_channels_are_tried_in_the_order_of_the_kind(kind, able, tried, found):
    channel = next_channel(
        RULES, Kind(kind), tried=[Channel(c) for c in tried.split()], can_carry=[Channel(c) for c in able.split()]
    )
    assert channel == found


def test_waits_double_up_to_an_hour_and_the_same_message_waits_the_same():
    now = at("2026-11-25T09:00")
    for n, top in enumerate([30, 60, 120, 240, 480], start=1):
        waits = {(retry_at(RULES, attempts=n, at=now, seed=UUID(int=s)) - now).total_seconds() for s in range(50)}
        assert max(waits) <= top
        assert min(waits) >= 0.8 * top
        assert len(waits) > 20, "what failed together would come back together"
        assert retry_at(RULES, attempts=n, at=now, seed=number(1)) == retry_at(
            RULES, attempts=n, at=now, seed=number(1)
        )
    assert retry_at(RULES, attempts=6, at=now, seed=number(1)) is None


@pytest.mark.parametrize(
    ("messages", "dong", "news", "code"),
    [(0, 0, True, True), (79, 0, True, True), (80, 0, False, True), (99, 0, False, True), (100, 0, False, False),
     (0, 7_900, True, True), (0, 7_901, False, True), (0, 9_900, False, True), (0, 9_901, False, False)],
)  # fmt: skip
def test_a_fifth_of_the_day_is_kept_for_codes(messages, dong, news, code):
    rule = ChannelRule(segment_dong=100, day_messages=100, day_dong=10_000, kept_for_codes_percent=20, most_segments=1)
    ask = {"messages": messages, "dong": dong, "cost_dong": 100}
    assert (fits_budget(rule, Kind.MISSED, **ask), fits_budget(rule, Kind.ONE_TIME_CODE, **ask)) == (news, code)


# ------------------------------------------------------------------------------------------------------------- words
@pytest.mark.parametrize(
    ("text", "segments"),
    [("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("{" * 80, 1), ("{" * 81, 2),
     ("ạ" * 70, 1), ("ạ" * 71, 2), ("ạ" * 134, 2), ("ạ" * 135, 3), ("a" * 159 + "ạ", 3), ("", 1), ("🙂" * 35, 1), ("🙂" * 36, 2)],
)  # fmt: skip
def test_segments_are_counted_as_operators_count_them(text, segments):
    assert sms_segments(text) == segments


def test_vietnamese_without_marks_is_what_a_person_would_type():
    assert plain("Bưu điện Cà Mau: Ông/Bà, ĐẦM DƠI, Nguyễn Phích – 165.000 đ") == (
        "Buu dien Ca Mau: Ong/Ba, DAM DOI, Nguyen Phich - 165.000 d"
    )


EVERYTHING = {
    "day": "2026-11-25",
    "opens": "2026-11-25T08:30:00+07:00",
    "closes": "2026-11-25T09:30:00+07:00",
    "at": "2026-11-25T02:12:00+00:00",
    "amount_dong": 1_165_000,
    "next_on": "2026-11-27",
    "until": "2026-12-25",
    "office": "Bưu cục Nguyễn Phích",
    "code": "048213",
}


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_message_fits_one_sms_with_its_link_and_a_zns_whole(kind, lang):
    sms = say(WORDING[kind], EVERYTHING, channel=Channel.SMS, lang=lang, link=LINK, segments=1)
    assert sms.isascii()
    assert sms_segments(sms) == 1
    if kind is Kind.ONE_TIME_CODE:
        assert "048213" in sms
        assert LINK not in sms
    else:
        assert LINK in sms
    zns = say(WORDING[kind], EVERYTHING, channel=Channel.ZNS, lang=lang, link=LINK, segments=1)
    assert len(zns) <= 400
    assert len(zns) >= len(sms)
    for name, value in parameters(WORDING[kind], EVERYTHING, lang=lang, link=LINK).items():
        assert 0 < len(value) <= WORDING[kind].zns[name].most


def test_what_is_said_is_what_a_citizen_reads():
    assert say(WORDING[Kind.ARRIVING_TODAY], EVERYTHING, channel=Channel.ZNS, lang="vi", link=LINK, segments=1) == (
        "Bưu điện Cà Mau: hôm nay 25/11/2026 bưu tá đến phát bưu gửi khoảng 08:30-09:30. Thu 1.165.000 đ. "
        f"Mời Ông/Bà chuẩn bị giấy tờ tùy thân. Đổi giờ: {LINK}"
    )
    assert say(WORDING[Kind.DELIVERED], EVERYTHING, channel=Channel.SMS, lang="vi", link=LINK, segments=1) == (
        f"Buu dien Ca Mau: da phat buu gui cua Ong/Ba luc 09:12 ngay 25/11/2026. Khong phai Ong/Ba nhan? {LINK}"
    )
    kept = {"day": "2026-11-25", "office": "Bưu cục U Minh", "until": "2026-12-25"}
    assert "Giữ tại Bưu cục U Minh đến 25/12/2026." in say(
        WORDING[Kind.MISSED], kept, channel=Channel.ZNS, lang="vi", link=LINK, segments=1
    )


@given(st.text(min_size=1, max_size=400))
def test_an_office_of_any_name_is_shortened_by_rule_or_refused_never_sent_as_two(office):
    refused = None
    try:
        text = say(
            WORDING[Kind.READY_TO_COLLECT], {"office": office}, channel=Channel.SMS, lang="vi", link=LINK, segments=1
        )
    except Unsayable as why:
        text, refused = None, why.code
    if text is None:
        assert refused == "too-long"
    else:
        assert sms_segments(text) == 1
        assert plain(office) in text


def test_what_is_not_known_is_not_made_up():
    with pytest.raises(Unsayable, match="missing-word"):
        say(WORDING[Kind.ONE_TIME_CODE], {}, channel=Channel.SMS, lang="vi", link=None, segments=1)


def test_no_message_has_a_place_for_the_kind_of_paper():
    words = json.dumps(json.loads((DATA / "messages.json").read_text())["kinds"], ensure_ascii=False).casefold()
    names = {
        name.casefold() for kind in the_facts().bylaws.document_types.values() for name in (kind.name_vi, kind.name_en)
    }
    assert not [name for name in names if name in words]
    for told in ("căn cước", "lái xe", "giấy phép", "tư pháp", "quyền sử dụng", "licence", "document_type"):
        assert told not in words


def test_a_phone_is_listed_by_its_last_two_digits():
    assert masked_phone("0599000017") == "••••••••17"


def test_every_figure_names_its_source():
    content = json.loads((DATA / "messages.json").read_text())
    for row in (content["quiet_hours"], content["retries"], *content["channels"].values()):
        assert row["source"].strip()
