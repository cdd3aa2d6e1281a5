"""Webhooks on both databases: written with the fact, in order per item, tried again, given up, sent anew."""

import itertools
import json
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event as listening

from courier import cashdesk, handover, webhooks
from courier.domain.errors import Invalid, Missing, Refused
from courier.domain.item import EventType
from courier.domain.people import Caller, Role
from courier.domain.webhooks import TYPES
from courier.outside.posting import Answer
from courier.store.tables import Incident, WebhookEndpoint, WebhookNotice
from tests.api.conftest import desk_for, settings_for
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, number, paying, the_facts
from tests.receiver import Taken, fits

RULES = the_facts().webhooks
AT = clock(600)


class World:
    """An agency with endpoints, an office, a receiver that is told what to answer, and a clock that is moved by hand."""

    def __init__(self, database, tmp_path):
        self.desk = desk_for(database, settings_for(database, tmp_path, loopback_webhooks=True))
        self.house = a_house(database)
        self.house.desk = self.desk
        self.phone = Phone(self.house, self.house.postmen[0])
        self.agency = Caller(number(77), Role.AGENCY, "Hệ thống thử", agency_id=self.house.agency_id)
        self.now = AT
        self.sent: list[Taken] = []
        self.answer = lambda call: Answer(204)
        self.messenger = webhooks.Messenger(self.desk, send=self._send, clock=lambda: self.now, luck=lambda: 0.5)

    def _send(self, url, body, headers):
        call = Taken(headers["webhook-id"], body, headers)
        self.sent.append(call)
        return self.answer(call)

    def endpoint(self, **more):
        view, secret = webhooks.register(self.desk, self.agency, **{"url": "http://127.0.0.1:9/hook", "at": AT} | more)
        return view.row.id, secret

    def rounds(self):
        """Send until nothing is due."""
        while self.messenger.round(patience=5):
            pass

    def told(self):
        return [(call.said["type"], call.said["data"].get("barcode")) for call in self.sent]

    def notices(self):
        with self.desk.database.read() as session:
            return session.query(WebhookNotice).order_by(WebhookNotice.position).all()

    def row(self, endpoint_id):
        with self.desk.database.read() as session:
            return session.get_one(WebhookEndpoint, endpoint_id)

    def out(self, *items):
        self.phone.send(self.phone.event("taken_out", items, 10))

    def fail(self, item, minutes=60, reason="recipient_absent"):
        self.phone.send(self.phone.event("attempt_failed", [item], minutes, reason=reason))


@pytest.fixture
def world(database, tmp_path):
    made = World(database, tmp_path)
    yield made
    made.messenger.close()
    made.desk.jobs.stop()


def test_an_agency_is_told_of_its_items_life_and_nothing_about_anybody(world):
    item = world.house.item()
    fee, postage = world.house.charges(item)
    _, secret = world.endpoint()
    world.out(item)
    world.fail(item)
    world.phone.send(
        world.phone.event(
            "handed_over", [item], 120, **done_right(paying((fee, 135_000), (postage, 30_000, "bank_qr")))
        )
    )
    world.rounds()
    barcode = world.house.row(item).barcode
    assert world.told() == [("item.out", barcode), ("item.attempt_failed", barcode), ("item.delivered", barcode)]
    assert all(fits(secret, call, now=AT.timestamp()) for call in world.sent)
    failed, delivered = world.sent[1].said["data"], world.sent[2].said["data"]
    assert (failed["reason"], failed["state"], failed["attempts"]) == ("recipient_absent", "attempted", 1)
    assert delivered["money"] == [
        {"payee": "agency:PC08", "cash_dong": 135_000, "bank_qr_dong": 0},
        {"payee": "post", "cash_dong": 0, "bank_qr_dong": 30_000},
    ]
    assert delivered["state"] == "delivered"
    row = world.house.row(item)
    for call in world.sent:
        text = call.body.decode()
        for private in (row.recipient_name, row.recipient_phone, row.address_raw, row.document_type, "Nguyễn", "0001"):
            assert private not in text
    assert {notice.state for notice in world.notices()} == {"delivered"}


def test_a_fact_and_its_notice_are_written_together_or_not_at_all(world, monkeypatch):
    item = world.house.item()
    world.endpoint()
    monkeypatch.setattr(
        "courier.store.webhooks.body_of", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no paper"))
    )
    sent = world.phone.send(world.phone.event("taken_out", [item], 10))
    assert sent.results == ["quarantined"]
    assert world.notices() == []
    assert world.house.row(item).state == "received"


def test_an_upload_costs_the_same_few_statements_however_many_events_it_has(world):
    world.endpoint()

    def statements(count):
        items = [world.house.item() for _ in range(count)]
        seen = []
        listening.listen(world.desk.database.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
        world.phone.send(
            world.phone.event("taken_out", items, 10),
            *(world.phone.event("attempt_failed", [i], 20, reason="recipient_absent") for i in items),
        )
        return sum("webhook" in text for text in seen)

    assert statements(2) == statements(12) == 2
    assert len(world.notices()) == 2 * (2 + 12)


def test_an_endpoint_hears_only_what_it_asked_for_and_only_of_its_own_agency(world, database):
    world.endpoint(types=["item.attempt_failed"])
    other = a_house(database, code="TB", agency_code="STP")
    other.desk = world.desk
    mine, foreign = world.house.item(), other.item()
    world.out(mine)
    world.fail(mine)
    Phone(other, other.postmen[0]).send(Phone(other, other.postmen[0]).event("taken_out", [foreign], 10))
    world.rounds()
    assert world.told() == [("item.attempt_failed", world.house.row(mine).barcode)]


def test_a_word_of_a_phone_that_is_no_reason_of_ours_is_not_passed_on(world):
    item = world.house.item()
    world.endpoint(types=["item.attempt_failed"])
    world.out(item)
    world.fail(item, reason="Bà Mẫu, 0599000001, không mở cửa")
    world.rounds()
    assert world.sent[0].said["data"]["reason"] == "other"


def test_a_handover_that_the_books_have_no_place_for_is_not_announced(world):
    item = world.house.item()
    world.endpoint()
    world.out(item)
    second = Phone(world.house, world.house.postmen[1])
    world.phone.send(world.phone.event("handed_over", [item], 60, **done_right()))
    second.send(second.event("handed_over", [item], 90, **done_right()))
    world.rounds()
    assert [kind for kind, _ in world.told()] == ["item.out", "item.delivered"]


def test_a_correction_that_changes_the_state_is_told(world):
    item = world.house.item()
    world.endpoint()
    world.out(item)
    wrong = world.phone.event("handed_over", [item], 60, **done_right())
    world.phone.send(wrong)
    world.phone.send(world.phone.event("corrected", [item], 90, corrects=wrong["event_id"], reason="nhầm nhà"))
    world.rounds()
    assert [(call.said["type"], call.said["data"]["state"]) for call in world.sent] == [
        ("item.out", "out"),
        ("item.delivered", "delivered"),
        ("item.corrected", "out"),
    ]


def test_an_evening_that_is_handed_in_is_told_item_by_item(world):
    items = [world.house.item() for _ in range(2)]
    world.endpoint(types=["money.remitted"])
    world.out(*items)
    for item in items:
        fee, postage = world.house.charges(item)
        world.phone.send(
            world.phone.event("handed_over", [item], 60, **done_right(paying((fee, 135_000), (postage, 30_000))))
        )
    cashdesk.remit(
        world.desk, world.house.cashier, world.house.postmen[0].id, DAY,
        counted={"200000": 1, "100000": 1, "20000": 1, "10000": 1}, difference_reason=None, at=AT,
    )  # fmt: skip
    world.rounds()
    assert sorted(call.said["data"]["item"] for call in world.sent) == sorted(map(str, items))
    for call in world.sent:
        assert call.said["data"]["money"] == [
            {"payee": "agency:PC08", "cash_dong": 135_000, "bank_qr_dong": 0},
            {"payee": "post", "cash_dong": 30_000, "bank_qr_dong": 0},
        ]


# ----------------------------------------------------------------------------------------------------------- order
def test_what_came_later_waits_until_the_earlier_is_taken_or_given_up_and_other_items_do_not_wait(world):
    slow, quick = world.house.item(), world.house.item()
    world.endpoint()
    world.out(slow)
    world.fail(slow)
    world.out(quick)
    refused = world.house.row(slow).barcode
    world.answer = lambda call: Answer(500 if call.said["data"]["barcode"] == refused else 204)
    world.rounds()
    world.now += timedelta(seconds=RULES.rest_first)
    world.rounds()
    assert ("item.attempt_failed", refused) not in world.told()
    assert ("item.out", world.house.row(quick).barcode) in world.told()
    world.answer = lambda call: Answer(204)
    world.now += timedelta(seconds=RULES.retry_waits[0])
    world.rounds()
    assert [kind for kind, barcode in world.told() if barcode == refused] == [
        "item.out", "item.out", "item.attempt_failed",
    ]  # fmt: skip
    tries = [call.id for call in world.sent if call.said["data"]["barcode"] == refused]
    assert tries[0] == tries[1] != tries[2]


def test_a_notice_is_tried_over_three_days_and_then_dead_and_the_next_one_goes_on(world):
    item = world.house.item()
    endpoint_id, _ = world.endpoint()
    world.out(item)
    world.fail(item)
    world.answer = lambda call: Answer(503 if call.said["type"] == "item.out" else 204)
    moments = []
    while world.notices()[0].state == "pending":
        world.now = max(world.notices()[0].due_at, world.row(endpoint_id).resting_until or AT)
        moments.append(world.now)
        world.rounds()
        assert len(world.sent) == len(moments)
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(moments)]
    assert len(moments) == len(RULES.retry_waits) + 1
    assert gaps == [5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert timedelta(days=3) < moments[-1] - moments[0] < timedelta(days=3, hours=8)
    world.now += timedelta(seconds=RULES.rest_most)
    world.rounds()
    assert [notice.state for notice in world.notices()] == ["dead", "delivered"]
    assert [
        n.status
        for n in webhooks.list_notices(world.desk, world.agency, endpoint_id, state="dead", before=None, limit=9)
    ] == [503]


@pytest.mark.parametrize("luck", [0.0, 0.5, 1.0])
def test_waits_are_spread_by_a_fifth_and_never_shorter_than_what_the_receiver_asks(luck):
    waits = [(RULES.next_try(n, at=AT, luck=luck) - AT).total_seconds() for n in range(1, len(RULES.retry_waits) + 1)]
    assert waits == pytest.approx([wait * (0.8 + 0.4 * luck) for wait in RULES.retry_waits])
    assert RULES.next_try(len(RULES.retry_waits) + 1, at=AT, luck=luck) is None
    assert RULES.next_try(1, at=AT, luck=luck, retry_after=900) - AT == timedelta(seconds=900)
    assert RULES.next_try(1, at=AT, luck=luck, retry_after=10**8) - AT == timedelta(days=1)


def test_retry_after_is_honoured_for_the_whole_endpoint(world):
    first, second = world.house.item(), world.house.item()
    world.endpoint()
    world.out(first)
    world.answer = lambda call: Answer(429, None, 1200)
    world.rounds()
    world.out(second)
    world.now += timedelta(seconds=1199)
    world.rounds()
    assert len(world.sent) == 1
    world.answer = lambda call: Answer(204)
    world.now += timedelta(seconds=1)
    world.rounds()
    assert [notice.state for notice in world.notices()] == ["delivered", "delivered"]


def test_a_receiver_that_is_gone_is_left_alone_and_an_office_is_told(world):
    item = world.house.item()
    endpoint_id, _ = world.endpoint()
    world.out(item)
    world.answer = lambda call: Answer(410)
    world.rounds()
    world.fail(item)
    world.now += timedelta(days=1)
    world.rounds()
    row = world.row(endpoint_id)
    assert (row.state, row.disabled_reason, len(world.sent)) == ("disabled", "gone", 1)
    with world.desk.database.read() as session:
        (incident,) = session.query(Incident).filter_by(code="webhook-gone").all()
    assert (incident.office_id, incident.owner_role) == (world.house.office_id, "dispatcher")
    # Nothing was lost: switched on again it hears everything, in order.
    world.answer = lambda call: Answer(204)
    webhooks.change(world.desk, world.agency, endpoint_id, active=True, version=row.version, at=world.now)
    world.now += timedelta(hours=1)
    world.rounds()
    assert [call.said["type"] for call in world.sent] == ["item.out", "item.out", "item.attempt_failed"]


def test_an_endpoint_that_fails_for_days_is_switched_off_with_an_incident(world):
    items = [world.house.item() for _ in range(2)]
    endpoint_id, _ = world.endpoint()
    world.answer = lambda call: Answer(None, "timeout")
    world.out(items[0])
    world.rounds()
    world.now += timedelta(days=RULES.disable_after_days, seconds=-1)
    world.rounds()
    assert world.row(endpoint_id).state == "active"
    world.now += timedelta(hours=20)
    world.rounds()
    assert (world.row(endpoint_id).state, world.row(endpoint_id).disabled_reason) == ("disabled", "failing")
    with world.desk.database.read() as session:
        assert session.query(Incident).filter_by(code="webhook-failing").count() == 1


def test_a_receiver_that_is_down_is_asked_with_one_notice_at_a_time(world):
    items = [world.house.item() for _ in range(20)]
    world.endpoint()
    world.out(*items)
    world.answer = lambda call: Answer(None, "unreachable")
    world.rounds()
    first = len(world.sent)
    assert first <= RULES.at_once_per_endpoint
    for _ in range(60):
        world.now += timedelta(seconds=60)
        world.rounds()
    # An hour of trying: the pauses grow to five minutes, so some twenty calls and not twenty notices times six.
    assert len(world.sent) - first < 30


# ---------------------------------------------------------------------------------------------- replay and secrets
def test_a_replay_sends_the_same_notice_under_the_same_id(world):
    item = world.house.item()
    endpoint_id, _ = world.endpoint()
    world.out(item)
    world.fail(item)
    world.rounds()
    first = world.notices()[0]
    assert webhooks.replay(world.desk, world.agency, endpoint_id, notice_id=first.id, at=world.now) == 1
    world.rounds()
    assert [call.id for call in world.sent] == [world.sent[0].id, world.sent[1].id, world.sent[0].id]
    assert world.sent[2].body == world.sent[0].body
    assert webhooks.replay(world.desk, world.agency, endpoint_id, since=AT - timedelta(days=1), at=world.now) == 2
    world.rounds()
    assert [call.said["type"] for call in world.sent[3:]] == ["item.out", "item.attempt_failed"]
    assert webhooks.replay(world.desk, world.agency, endpoint_id, since=AT + timedelta(days=1), at=world.now) == 0
    with pytest.raises(Missing):
        webhooks.replay(world.desk, world.agency, endpoint_id, notice_id=number(5), at=world.now)


def test_while_a_secret_is_rotated_both_fit_and_later_only_the_new_one(world):
    item = world.house.item()
    endpoint_id, old = world.endpoint()
    _, new = webhooks.rotate(world.desk, world.agency, endpoint_id, at=world.now)
    world.out(item)
    world.rounds()
    (call,) = world.sent
    assert fits(old, call, now=world.now.timestamp())
    assert fits(new, call, now=world.now.timestamp())
    assert not fits(new, Taken(call.id, call.body + b" ", call.headers), now=world.now.timestamp())
    world.now += timedelta(days=RULES.rotation_overlap_days)
    world.fail(item)
    world.rounds()
    assert not fits(old, world.sent[-1], now=world.now.timestamp())
    assert fits(new, world.sent[-1], now=world.now.timestamp())
    with world.desk.database.read() as session:
        stored = session.get_one(WebhookEndpoint, endpoint_id).secret_sealed
    assert new.encode() not in stored


def test_a_ping_says_nothing_and_a_removed_endpoint_hears_nothing(world):
    item = world.house.item()
    endpoint_id, _ = world.endpoint()
    webhooks.ping(world.desk, world.agency, endpoint_id, at=world.now)
    world.rounds()
    assert world.sent[0].said == {"type": "ping", "timestamp": json.loads(world.sent[0].body)["timestamp"], "data": {}}
    world.out(item)
    webhooks.remove(world.desk, world.agency, endpoint_id, version=1, at=world.now)
    world.fail(item)
    world.rounds()
    assert len(world.sent) == 1
    with pytest.raises(Missing):
        webhooks.ping(world.desk, world.agency, endpoint_id, at=world.now)


def test_another_agency_finds_none_of_it(world, database):
    endpoint_id, _ = world.endpoint()
    foreign = Caller(
        number(78), Role.AGENCY, "Hệ thống khác", agency_id=a_house(database, code="TB", agency_code="STP").agency_id
    )
    assert webhooks.list_endpoints(world.desk, foreign) == []
    for ask in (
        lambda: webhooks.get_endpoint(world.desk, foreign, endpoint_id),
        lambda: webhooks.change(world.desk, foreign, endpoint_id, active=False, version=1, at=AT),
        lambda: webhooks.rotate(world.desk, foreign, endpoint_id, at=AT),
        lambda: webhooks.remove(world.desk, foreign, endpoint_id, version=1, at=AT),
        lambda: webhooks.ping(world.desk, foreign, endpoint_id, at=AT),
        lambda: webhooks.replay(world.desk, foreign, endpoint_id, since=AT, at=AT),
        lambda: webhooks.list_notices(world.desk, foreign, endpoint_id, state=None, before=None, limit=9),
    ):
        with pytest.raises(Missing):
            ask()


def test_what_our_server_does_not_call_is_refused_when_it_is_entered(world):
    for url in (
        "https://10.0.0.7/",
        "https://169.254.169.254/latest",
        "http://hook.example.vn/",
        "https://nowhere.invalid/",
    ):
        with pytest.raises(Invalid):
            world.endpoint(url=url)
    with pytest.raises(Invalid):
        world.endpoint(types=["item.stolen"])
    for _ in range(RULES.endpoints_most):
        world.endpoint()
    with pytest.raises(Refused, match="nhiều nhất"):
        world.endpoint()


def test_a_desk_that_signs_for_the_agency_is_told_as_returned(world):
    item = world.house.item()
    world.endpoint()
    for kind in (EventType.GIVEN_BACK, EventType.AGENCY_SIGNED):
        if kind is EventType.GIVEN_BACK:
            world.out(item)
            handover.report(
                world.desk,
                world.house.clerk,
                EventType.BROUGHT_BACK,
                event_id=UUID(int=int(item) ^ 1),
                item_ids=[item],
                data={},
                at=clock(300),
            )
        handover.report(
            world.desk,
            world.house.clerk,
            kind,
            event_id=UUID(int=int(item) ^ (2 + len(kind))),
            item_ids=[item],
            data={},
            at=clock(310 + len(kind)),
        )
    world.rounds()
    assert [kind for kind, _ in world.told()] == ["item.out", "item.held", "item.returning", "item.returned"]
    assert {kind for kind, _ in world.told()} <= set(TYPES)


def test_what_was_settled_long_ago_is_forgotten(world):
    item = world.house.item()
    world.endpoint()
    world.out(item)
    world.rounds()
    world.now += timedelta(days=RULES.keep_days)
    world.messenger.tidy()
    assert len(world.notices()) == 1
    world.now += timedelta(hours=2)
    world.messenger.tidy()
    assert world.notices() == []
    assert world.now > MORNING
