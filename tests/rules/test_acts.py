"""What phones say: anything at all may come in, one exception may come out, and the moment of an act is estimated by a table."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courier.domain.acts import (
    FROM_A_PHONE,
    Act,
    ShiftType,
    Unreadable,
    estimate,
    printable,
    read_act,
    read_data,
    too_deep,
)
from courier.domain.item import EventType
from tests.builders import done_right

HEARD = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
ITEM = "01999999-0000-7000-8000-000000000001"
CHARGE = "01999999-0000-7000-8000-0000000000c1"
EVENT = "01999999-0000-7000-8000-0000000000e1"


def a_body(**changed):
    body = {
        "event_id": EVENT,
        "device_seq": 1,
        "type": "handed_over",
        "items": [ITEM],
        "occurred_at": "2026-11-25T16:30:00+07:00",
        "data": done_right([{"charge": CHARGE, "amount_dong": 165_000, "method": "cash"}]),
    }
    return {**body, **changed}


def read(body) -> Act:
    return read_act(body, received_at=HEARD)


# --------------------------------------------------------------------------------------------- anything may come in
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        [ITEM, EVENT, "", "\0", "\ud800", "2026-11-25", "2026-11-25T10:00:00Z", "cash", "match", 2**63, 1e308]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


def only_unreadable(call):
    """Runs the call; an `Unreadable` is an answer, any other exception fails the test."""
    with suppress(Unreadable):
        return call()
    return None


@given(st.dictionaries(st.sampled_from([*a_body(), "clock", "position"]), anything))
def test_an_arbitrary_body_is_read_or_unreadable(body):
    only_unreadable(lambda: read(body))


@given(st.sampled_from([*a_body(), "clock", "position"]), anything)
def test_a_good_body_with_one_field_of_anything_is_read_or_unreadable(field, value):
    act = only_unreadable(lambda: read(a_body(**{field: value})))
    if act is not None:
        kept = json.dumps([act.data, act.position], ensure_ascii=False)
        kept.encode()  # no half surrogate is left that UTF-8 cannot carry
        assert "\\u0000" not in kept
        assert act.occurred_at <= HEARD


@given(st.sampled_from(sorted(FROM_A_PHONE)), anything)
def test_arbitrary_data_of_any_type_of_act_is_read_or_unreadable(kind, value):
    only_unreadable(lambda: read(a_body(type=kind.value, data=value)))


@given(st.sampled_from(["receiver", "collections", "surrendered", "proofs"]), anything)
def test_a_handover_with_one_field_of_anything_is_read_or_unreadable(field, value):
    only_unreadable(lambda: read(a_body(data={**a_body()["data"], field: value})))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["boot_id", "monotonic_ms", "anchor"], anything)))
def test_an_arbitrary_clock_never_stands_in_the_way_of_an_act(clock):
    assert read(a_body(clock=clock)).occurred_at <= HEARD


@given(anything, anything, anything, anything)
def test_an_arbitrary_anchor_never_stands_in_the_way_of_an_act(server_time, now, then, boot):
    clock = {
        "boot_id": "b",
        "monotonic_ms": now,
        "anchor": {"server_time": server_time, "monotonic_ms": then, "boot_id": boot},
    }
    assert read(a_body(clock=clock)).occurred_at <= HEARD


def test_a_giant_nesting_is_seen_before_anything_walks_through_it():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert too_deep({"data": deep})
    assert not too_deep(a_body())


# ------------------------------------------------------------------------------------------- what is unreadable, why
UNREADABLE = [
    ({"type": "planned"}, "type"),  # an intent is not for phones to report
    ({"type": "picked_up"}, "type"),
    ({"type": None}, "type"),
    ({"items": []}, "items"),
    ({"items": ITEM}, "items"),
    ({"items": [ITEM, ITEM]}, "items"),
    ({"items": ["x"]}, "items"),
    ({"items": [ITEM] + [str(UUID(int=n)) for n in range(200)]}, "items"),
    ({"event_id": "7"}, "event_id"),
    ({"event_id": None}, "event_id"),
    ({"device_seq": 0}, "device_seq"),
    ({"device_seq": -1}, "device_seq"),
    ({"device_seq": True}, "device_seq"),
    ({"device_seq": 1.0}, "device_seq"),
    ({"device_seq": "1"}, "device_seq"),
    ({"device_seq": 2**31}, "device_seq"),  # beyond what the column holds on PostgreSQL
    ({"occurred_at": "2026-11-25"}, "occurred_at"),
    ({"occurred_at": "2026-11-25T10:00:00"}, "occurred_at"),  # no offset
    ({"occurred_at": "0001-01-01T00:00:00+00:00"}, "occurred_at"),
    ({"occurred_at": "9999-12-31T23:59:59+00:00"}, "occurred_at"),
    ({"position": [9.1, 105.1]}, "position"),
    ({"position": {"note": "\0"}}, "position"),
    ({"data": []}, "data"),
    ({"data": {**a_body()["data"], "note": "\0"}}, "data"),
    ({"data": {**a_body()["data"], "note": "\udcff"}}, "data"),
    ({"data": {**a_body()["data"], "note": 2**64}}, "data"),
    ({"data": {**a_body()["data"], "note": float("nan")}}, "data"),
]
IN_THE_DATA = [
    ({"receiver": None}, "receiver"),
    ({"receiver": {"name": " ", "relation": "owner"}}, "receiver"),
    ({"receiver": {"name": "A", "relation": "owner", "id_check": "maybe"}}, "id_check"),
    ({"receiver": {"name": "A", "relation": "owner", "id_last4": "123"}}, "id_last4"),
    ({"receiver": {"name": "A", "relation": "owner", "id_last4": "096088000001"}}, "id_last4"),
    ({"receiver": {"name": "A", "relation": "owner", "id_last4": "١٢٣٤"}}, "id_last4"),
    ({"receiver": {"name": "A" * 501, "relation": "owner"}}, "receiver"),
    ({"collections": {}}, "collections"),
    ({"collections": [5]}, "collections"),
    ({"collections": [{"charge": CHARGE, "amount_dong": -1, "method": "cash"}]}, "amount_dong"),
    ({"collections": [{"charge": CHARGE, "amount_dong": 1.5, "method": "cash"}]}, "amount_dong"),
    ({"collections": [{"charge": CHARGE, "amount_dong": True, "method": "cash"}]}, "amount_dong"),
    ({"collections": [{"charge": CHARGE, "amount_dong": "5000", "method": "cash"}]}, "amount_dong"),
    ({"collections": [{"charge": CHARGE, "amount_dong": 10**12 + 1, "method": "cash"}]}, "amount_dong"),
    ({"collections": [{"charge": CHARGE, "amount_dong": 5, "method": "gold"}]}, "method"),
    ({"collections": [{"charge": "x", "amount_dong": 5, "method": "cash"}]}, "charge"),
    ({"collections": [{"charge": CHARGE, "amount_dong": 5, "method": "cash"}] * 201}, "collections"),
    ({"proofs": [{"kind": "signature", "sha256": "abc"}]}, "sha256"),
    ({"proofs": [{"sha256": "0" * 64}]}, "proofs"),
    ({"surrendered": [None]}, "surrendered"),
]


@pytest.mark.parametrize(("changed", "field"), UNREADABLE)
def test_what_makes_no_sense_is_unreadable_and_names_its_field(changed, field):
    with pytest.raises(Unreadable) as refusal:
        read(a_body(**changed))
    assert refusal.value.code == f"unreadable-{field}"


@pytest.mark.parametrize(("changed", "field"), IN_THE_DATA)
def test_a_handover_that_makes_no_sense_is_unreadable_and_names_its_field(changed, field):
    with pytest.raises(Unreadable) as refusal:
        read(a_body(data={**a_body()["data"], **changed}))
    assert refusal.value.code == f"unreadable-{field}"


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("attempt_failed", {}, "reason"),
        ("attempt_failed", {"reason": ""}, "reason"),
        ("attempt_failed", {"reason": "refused", "next_on": "tomorrow"}, "next_on"),
        ("corrected", {"reason": "x"}, "corrects"),
        ("corrected", {"corrects": EVENT}, "reason"),
        ("fetched", {"proofs": [{"kind": ""}]}, "proofs"),
    ],
)
def test_every_type_of_act_asks_for_its_own_data(kind, data, field):
    with pytest.raises(Unreadable) as refusal:
        read_data(EventType(kind), data)
    assert refusal.value.code == f"unreadable-{field}"


def test_a_good_act_is_read_as_it_was_sent():
    act = read(a_body(device_seq=2**31 - 1))
    assert (act.event_id, act.items, act.type.value) == (UUID(EVENT), (UUID(ITEM),), "handed_over")
    assert act.device_seq == 2**31 - 1
    assert act.claimed_at == datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
    assert act.data["collections"] == [{"charge": CHARGE, "amount_dong": 165_000, "method": "cash"}]


def test_what_a_phone_sends_of_a_person_beyond_the_last_digits_is_not_kept():
    receiver = {"name": " Nguyễn Văn Mẫu ", "relation": "owner", "id_number": "096088000001", "photo": "x"}
    kept = read(a_body(data={**a_body()["data"], "receiver": receiver})).data["receiver"]
    assert kept == {"name": "Nguyễn Văn Mẫu", "relation": "owner", "id_check": "none", "id_last4": None}


def test_papers_counted_at_a_door_are_kept_as_they_were_counted():
    papers = [{"name": "Tờ khai", "original": True, "present": False}]
    assert read(a_body(type="fetched", data={"papers": papers})).data["papers"] == papers


def test_letters_that_nobody_can_store_or_print_are_shown_as_question_marks():
    assert printable("a\0b\ud800c\nđ") == "a?b?c?đ"


# ------------------------------------------------------------------------------------------------- when was it
def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def anchored(server_time: str, *, then_ms=1_000, now_ms=1_000, boot="b", anchor_boot="b"):
    anchor = {"server_time": server_time, "monotonic_ms": then_ms}
    if anchor_boot is not None:
        anchor["boot_id"] = anchor_boot
    return {"boot_id": boot, "monotonic_ms": now_ms, "anchor": anchor}


NINE = "2026-11-25T09:00:00+00:00"
ESTIMATES = [
    # what, the phone's word, its clock, the estimate, trusted
    ("wall clock alone", NINE, None, NINE, False),
    (
        "wall clock ahead: nothing happens after it was heard of",
        "2026-11-25T13:00:00+00:00",
        None,
        "2026-11-25T10:00:00+00:00",
        False,
    ),
    ("wall clock a year ahead", "2027-11-25T09:00:00+00:00", None, "2026-11-25T10:00:00+00:00", False),
    (
        "anchor at 08:00 and one hour of uptime",
        "2026-11-25T03:00:00+00:00",
        anchored("2026-11-25T08:00:00+00:00", now_ms=3_601_000),
        NINE,
        True,
    ),
    ("phone three minutes fast, anchor right", "2026-11-25T09:03:00+00:00", anchored(NINE), NINE, True),
    ("local offset in the anchor", "2026-11-25T01:00:00+00:00", anchored("2026-11-25T16:00:00+07:00"), NINE, True),
    ("clock two days slow, anchor right", "2026-11-23T09:00:00+00:00", anchored(NINE), NINE, True),
    (
        "another boot: uptime says nothing",
        NINE,
        anchored("2026-11-25T08:00:00+00:00", now_ms=3_601_000, anchor_boot="old"),
        NINE,
        False,
    ),
    (
        "anchor without a boot of its own",
        NINE,
        anchored("2026-11-25T08:00:00+00:00", now_ms=1_801_000, anchor_boot=None),
        "2026-11-25T08:30:00+00:00",
        True,
    ),
    ("no boot id at all", NINE, anchored("2026-11-25T08:00:00+00:00", boot=None, anchor_boot=None), NINE, False),
    (
        "uptime that ran backwards",
        NINE,
        anchored("2026-11-25T08:00:00+00:00", then_ms=5_000, now_ms=1_000),
        NINE,
        False,
    ),
    ("anchor that lies in the future", NINE, anchored("2026-11-25T12:00:00+00:00"), "2026-11-25T10:00:00+00:00", False),
    (
        "anchor half a minute ahead of the server is only drift",
        NINE,
        anchored("2026-11-25T10:00:30+00:00"),
        "2026-11-25T10:00:00+00:00",
        True,
    ),
    ("anchor without an offset", NINE, anchored("2026-11-25T08:00:00"), NINE, False),
    ("uptime of 280,000 years", NINE, anchored("2026-11-25T08:00:00+00:00", now_ms=2**53), NINE, False),
    ("uptime that is no number", NINE, anchored("2026-11-25T08:00:00+00:00", now_ms=float("nan")), NINE, False),
    ("a phone that woke up in 1970", "1970-01-01T07:12:00+07:00", None, "2026-11-25T10:00:00+00:00", False),
    ("a phone that woke up in 2010", "2010-01-01T07:12:00+07:00", None, "2026-11-25T10:00:00+00:00", False),
    (
        "an anchor from before the service",
        NINE,
        anchored("2010-01-01T00:00:00+00:00"),
        "2026-11-25T10:00:00+00:00",
        False,
    ),
    ("yesterday's act sent today", "2026-11-24T09:00:00+00:00", None, "2026-11-24T09:00:00+00:00", False),
]


@pytest.mark.parametrize(
    ("what", "claimed", "clock", "wanted", "trusted"), ESTIMATES, ids=[row[0] for row in ESTIMATES]
)
def test_the_moment_of_an_act_is_estimated_by_the_table(what, claimed, clock, wanted, trusted):
    assert estimate(utc(claimed), clock, received_at=HEARD) == (utc(wanted), trusted)


def test_a_phone_that_lost_its_time_still_reports_facts():
    act = read(a_body(occurred_at="1970-01-01T07:12:00+07:00"))
    assert (act.occurred_at, act.trusted) == (HEARD, False)
    assert act.claimed_at.year == 1970


@given(st.integers(0, 10**9), st.integers(0, 10**7))
def test_uptime_since_the_anchor_is_added_to_the_servers_time(then_ms, passed_ms):
    server_time = HEARD - timedelta(days=1)
    clock = anchored(server_time.isoformat(), then_ms=then_ms, now_ms=then_ms + passed_ms)
    moment, trusted = estimate(HEARD, clock, received_at=HEARD)
    assert (moment - server_time, trusted) == (timedelta(milliseconds=passed_ms), True)


# ------------------------------------------------------------------------------------------- what is told of a way
@given(
    kind=st.sampled_from(list(ShiftType)),
    data=st.dictionaries(st.text(max_size=8), anything, max_size=4),
    more=anything,
)
def test_whatever_is_told_of_a_way_is_read_or_set_aside(kind, data, more):
    for fields in (data, {**data, "text": more}, {"lat": more, "lon": more, "accuracy_m": more}, {"stops": more}):
        only_unreadable(lambda fields=fields: read(a_body(type=kind.value, data=fields)))


def test_a_receipt_is_kept_with_the_handover_and_nonsense_is_not():
    data = done_right() | {"receipt": " BT-3-000017 "}
    assert read(a_body(data=data)).data["receipt"] == "BT-3-000017"
    assert "receipt" not in read(a_body()).data
    with pytest.raises(Unreadable, match="receipt"):
        read(a_body(data=done_right() | {"receipt": {"number": 3}}))


def test_proofs_are_read_wherever_a_phone_sends_them():
    data = {"reason": "recipient_absent", "proofs": [{"kind": "photo_place", "sha256": "a" * 64}]}
    assert read(a_body(type="attempt_failed", data=data)).data["proofs"] == data["proofs"]
    with pytest.raises(Unreadable, match="sha256"):
        read(a_body(type="attempt_failed", data={**data, "proofs": [{"kind": "photo", "sha256": "../x"}]}))
