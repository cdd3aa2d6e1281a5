"""Agencies are told: their endpoints, what is on its way to them, and the loop that sends it.

Whoever records a fact writes the notice in the same transaction (`courier.store.webhooks`); here nothing is decided about items. One
loop among all processes sends, so an item's notices keep their order. It may be killed at any moment: what was sent and not written
down is sent again under the same `webhook-id`, and nothing is lost.
"""

import logging
import random
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.people import Caller, Role
from courier.domain.webhooks import TYPES, secret_text, sign, webhook_id
from courier.outside import addresses, posting
from courier.outside.posting import Answer
from courier.store import audit, sealing
from courier.store import webhooks as store
from courier.store.tables import Incident, WebhookEndpoint, WebhookNotice
from courier.store.turns import Turn

Clock = Callable[[], datetime]
Send = Callable[[str, bytes, Mapping[str, str]], Answer]
"""Sends one body to one address; everything that may go wrong outside is in the answer."""

GONE: Final = "gone"
FAILING: Final = "failing"
ASKED: Final = "asked"
_SECRET_BYTES: Final = 32
_POLL_SECONDS: Final = 0.3
_TIDY_EVERY: Final = timedelta(hours=1)
_SENTENCES: Final = {
    GONE: "Hệ thống của cơ quan báo địa chỉ nhận thông báo không còn (410); đã ngừng gửi.",
    FAILING: "Địa chỉ nhận thông báo của cơ quan không trả lời nhiều ngày liền; đã ngừng gửi.",
}

_log = logging.getLogger(__name__)


# ------------------------------------------------------------------------------------------------------- endpoints
@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with how many notices wait for it, and how many it never took."""

    row: WebhookEndpoint
    pending: int
    dead: int


def list_endpoints(desk: Desk, caller: Caller, *, agency_id: UUID | None = None) -> list[EndpointView]:
    """An agency's endpoints; an admin sees those of every agency, or of the one named.

    Raises:
        Forbidden: the caller is neither an agency nor an admin.
    """
    with desk.database.read() as session:
        rows = store.list_endpoints(session, _scope(caller) or agency_id)
        counts = store.counts(session, [row.id for row in rows])
        return [
            EndpointView(row, counts.get((row.id, store.PENDING), 0), counts.get((row.id, store.DEAD), 0))
            for row in rows
        ]


def get_endpoint(desk: Desk, caller: Caller, endpoint_id: UUID) -> EndpointView:
    """One endpoint.

    Raises:
        Missing: it is none of the caller's.
    """
    with desk.database.read() as session:
        row = _endpoint(session, caller, endpoint_id)
        counts = store.counts(session, [row.id])
        return EndpointView(row, counts.get((row.id, store.PENDING), 0), counts.get((row.id, store.DEAD), 0))


def register(
    desk: Desk,
    caller: Caller,
    *,
    url: str,
    types: Sequence[str] = (),
    description: str = "",
    agency_id: UUID | None = None,
    at: datetime,
) -> tuple[EndpointView, str]:
    """Enter an endpoint; what happens from now on is told to it. Gives the signing secret, which is shown this once.

    Raises:
        Invalid: an address that our server does not call, a type that is not told, an unknown agency.
        Refused: `too-many-endpoints`.
    """
    owner = _scope(caller) or agency_id
    _check_types(types)
    _check_url(desk, url)
    secret = secrets.token_bytes(_SECRET_BYTES)
    most = desk.facts.webhooks.endpoints_most
    with desk.database.write() as session:
        if owner is None or not store.agency_exists(session, owner):
            raise Invalid(FieldError("agency", "unknown", f"Không có cơ quan {owner}."))
        if len(store.endpoints_of(session, owner)) >= most:
            raise Refused("too-many-endpoints", f"Một cơ quan có nhiều nhất {most} địa chỉ nhận thông báo.")
        row = WebhookEndpoint(
            id=(endpoint_id := uuid7()),
            agency_id=owner,
            url=url,
            description=description,
            types=sorted(set(types)),
            secret_sealed=_seal(desk, secret, endpoint_id),
            created_at=at,
        )
        session.add(row)
        session.flush()
        audit.note(session, caller, "webhook endpoint entered", f"webhook:{row.id}", at=at)
        return EndpointView(row, 0, 0), secret_text(secret)


def change(
    desk: Desk,
    caller: Caller,
    endpoint_id: UUID,
    *,
    url: str | None = None,
    types: Sequence[str] | None = None,
    description: str | None = None,
    active: bool | None = None,
    version: int | None,
    at: datetime,
) -> EndpointView:
    """Change an endpoint. While it is not active its notices wait; activated again, they are sent in their order.

    Raises:
        Missing, Stale: none of the caller's; changed by somebody else.
        Invalid: as for `register`.
    """
    if types is not None:
        _check_types(types)
    if url is not None:
        _check_url(desk, url)
    with desk.database.write() as session:
        row = _endpoint(session, caller, endpoint_id, version=version, to_change=True)
        row.url = url if url is not None else row.url
        row.types = sorted(set(types)) if types is not None else row.types
        row.description = description if description is not None else row.description
        if active is not None and active != (row.state == "active"):
            row.state = "active" if active else "disabled"
            row.disabled_reason = None if active else ASKED
        if active or url is not None:
            row.failures, row.failing_since, row.resting_until = 0, None, None
        row.version += 1
        named = {"url": url, "types": types, "description": description, "active": active}
        fields = [name for name, value in named.items() if value is not None]
        audit.note(session, caller, "webhook endpoint changed", f"webhook:{row.id}", at=at, fields=fields)
        session.flush()
    return get_endpoint(desk, caller, endpoint_id)


def rotate(desk: Desk, caller: Caller, endpoint_id: UUID, *, at: datetime) -> tuple[EndpointView, str]:
    """Give an endpoint a new secret; for some days every notice carries a signature by each of the two.

    Raises:
        Missing: none of the caller's.
    """
    secret = secrets.token_bytes(_SECRET_BYTES)
    with desk.database.write() as session:
        row = _endpoint(session, caller, endpoint_id, to_change=True)
        row.old_secret_sealed = row.secret_sealed
        row.old_secret_until = at + timedelta(days=desk.facts.webhooks.rotation_overlap_days)
        row.secret_sealed = _seal(desk, secret, row.id)
        row.version += 1
        audit.note(session, caller, "webhook secret rotated", f"webhook:{row.id}", at=at)
    return get_endpoint(desk, caller, endpoint_id), secret_text(secret)


def remove(desk: Desk, caller: Caller, endpoint_id: UUID, *, version: int, at: datetime) -> None:
    """Take an endpoint away; what was on its way to it is not sent any more.

    Raises:
        Missing, Stale: none of the caller's; changed by somebody else.
    """
    with desk.database.write() as session:
        row = _endpoint(session, caller, endpoint_id, version=version, to_change=True)
        row.state, row.disabled_reason = "removed", None
        row.version += 1
        store.give_up_all(session, row.id, at=at)
        audit.note(session, caller, "webhook endpoint removed", f"webhook:{row.id}", at=at)


def ping(desk: Desk, caller: Caller, endpoint_id: UUID, *, at: datetime) -> WebhookNotice:
    """Put a notice about nothing on its way, to see whether anybody listens.

    Raises:
        Missing: none of the caller's.
        Refused: `endpoint-disabled`.
    """
    with desk.database.write() as session:
        row = _endpoint(session, caller, endpoint_id)
        if row.state != "active":
            raise Refused("endpoint-disabled", "Địa chỉ này đang ngừng nhận: hãy bật lại trước.")
        return store.enter_ping(session, row, at=at)


def list_notices(
    desk: Desk, caller: Caller, endpoint_id: UUID, *, state: str | None, before: int | None, limit: int
) -> list[WebhookNotice]:
    """The notices of an endpoint, newest first; with `state="dead"` those that it never took.

    Raises:
        Missing: none of the caller's.
    """
    with desk.database.read() as session:
        _endpoint(session, caller, endpoint_id)
        return store.notices(session, endpoint_id, state=state, before=before, limit=limit)


def replay(
    desk: Desk,
    caller: Caller,
    endpoint_id: UUID,
    *,
    notice_id: UUID | None = None,
    since: datetime | None = None,
    at: datetime,
) -> int:
    """Send again, under the same ids and in their order: one notice, or everything since a moment. Gives how many.

    Raises:
        Missing: none of the caller's, or there is no such notice.
    """
    with desk.database.write() as session:
        row = _endpoint(session, caller, endpoint_id)
        if notice_id is not None and store.notice(session, endpoint_id, notice_id) is None:
            raise Missing("notice", notice_id)
        count = store.replay(session, row.id, notice_id=notice_id, since=since, at=at)
        audit.note(session, caller, "webhooks replayed", f"webhook:{row.id}", at=at, count=count)
        return count


def _scope(caller: Caller) -> UUID | None:
    """The agency whose endpoints the caller sees; None is every agency."""
    if caller.role is Role.AGENCY and caller.agency_id is not None:
        return caller.agency_id
    if caller.role is Role.ADMIN:
        return None
    raise Forbidden("Only an agency and an admin look after webhooks.")


def _endpoint(
    session: Session, caller: Caller, endpoint_id: UUID, *, version: int | None = None, to_change: bool = False
) -> WebhookEndpoint:
    scope = _scope(caller)
    row = store.endpoint(session, endpoint_id, to_change=to_change)
    if row is None or scope not in (None, row.agency_id):
        raise Missing("webhook", endpoint_id)
    if version is not None and row.version != version:
        raise Stale("webhook", expected=version, found=row.version)
    return row


def _check_types(types: Sequence[str]) -> None:
    unknown = sorted(set(types) - set(TYPES))
    if unknown:
        raise Invalid(FieldError("types", "unknown", f"Không có loại thông báo {', '.join(unknown)[:100]}."))


def _check_url(desk: Desk, url: str) -> None:
    """Refuse what would be refused at the first call; a name without an address today may have one tomorrow."""
    loopback = desk.settings.loopback_webhooks
    try:
        target = addresses.read(url, loopback=loopback)
        addresses.resolve(target, loopback=loopback)
    except addresses.Refused as why:
        raise Invalid(FieldError("url", why.code, f"Máy chủ không gọi tới địa chỉ này: {why}.")) from None
    except (OSError, UnicodeError):
        raise Invalid(FieldError("url", "no-address", "Không tìm thấy địa chỉ mạng của tên máy này.")) from None


def _seal(desk: Desk, secret: bytes, endpoint_id: UUID) -> bytes:
    return sealing.seal(secret.hex(), row=endpoint_id, secrets=desk.settings.secrets)


def _unseal(desk: Desk, sealed: bytes, endpoint_id: UUID) -> bytes:
    return bytes.fromhex(sealing.unseal(sealed, row=endpoint_id, secrets=desk.settings.secrets))


# --------------------------------------------------------------------------------------------------------- sending
@dataclass(frozen=True, slots=True)
class _Flight:
    notice_id: UUID
    endpoint_id: UUID
    item_id: UUID | None
    tries: int


def the_clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


def sender(desk: Desk) -> Send:
    """How this installation sends."""
    rules = desk.facts.webhooks

    def send(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return posting.post(url, body, headers, within=rules.answer_within, loopback=desk.settings.loopback_webhooks)

    return send


class Messenger:
    """Takes notices to their endpoints. `round` sends what is due and writes down what has come back; one thread calls it."""

    def __init__(
        self,
        desk: Desk,
        *,
        send: Send | None = None,
        clock: Clock = the_clock,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._desk, self._send, self._clock, self._luck = desk, send or sender(desk), clock, luck
        self._rules = desk.facts.webhooks
        self._pool = ThreadPoolExecutor(self._rules.at_once, thread_name_prefix="webhook")
        self._flights: dict[Future[Answer], _Flight] = {}
        self._tidied: datetime | None = None

    def round(self, *, patience: float = 0) -> bool:
        """One round: start what may start, wait up to `patience` seconds for an answer, write down those that are there.

        Returns False when nothing was sent, nothing came back and nothing is on its way.
        """
        started = self._start()
        if self._flights:
            wait(self._flights, timeout=patience, return_when=FIRST_COMPLETED)
        landed = self._land()
        return bool(started or landed or self._flights)

    def close(self) -> None:
        """Wait for what is on its way and write it down."""
        self._pool.shutdown(wait=True)
        self._land()

    def tidy(self) -> None:
        """Once an hour remove what was settled long ago."""
        now = self._clock()
        if self._tidied is None or now - self._tidied >= _TIDY_EVERY:
            self._tidied = now
            with self._desk.database.write() as session:
                store.forget(session, before=now - timedelta(days=self._rules.keep_days))

    def _start(self) -> int:
        free = self._rules.at_once - len(self._flights)
        if free <= 0:
            return 0
        now, started = self._clock(), 0
        on_their_way: dict[UUID, list[UUID]] = {}
        for flight in self._flights.values():
            on_their_way.setdefault(flight.endpoint_id, []).append(flight.notice_id)
        for due in store.endpoints_due(self._desk.database, at=now):
            endpoint_id, failures = due.id, due.failures
            mine = on_their_way.get(endpoint_id, [])
            # One that failed is asked with a single notice; a slow one keeps no more than its share of the threads.
            room = min(free, (1 if failures else self._rules.at_once_per_endpoint) - len(mine))
            if room <= 0:
                continue
            with self._desk.database.read() as session:
                endpoint = store.endpoint(session, endpoint_id)
                if endpoint is None or endpoint.state != "active":
                    continue
                for notice in store.next_of(session, endpoint_id, at=now, besides=mine, limit=room):
                    self._take_off(endpoint, notice, at=now)
                    started, free = started + 1, free - 1
        return started

    def _take_off(self, endpoint: WebhookEndpoint, notice: WebhookNotice, *, at: datetime) -> None:
        keys = [_unseal(self._desk, endpoint.secret_sealed, endpoint.id)]
        until = endpoint.old_secret_until
        if endpoint.old_secret_sealed is not None and until is not None and at < until:
            keys.append(_unseal(self._desk, endpoint.old_secret_sealed, endpoint.id))
        body, named, stamp = notice.body.encode(), webhook_id(notice.id), int(at.timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": named,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(keys, message_id=named, timestamp=stamp, body=body),
        }
        flight = _Flight(notice.id, endpoint.id, notice.item_id, notice.tries)
        self._flights[self._pool.submit(self._send, endpoint.url, body, headers)] = flight

    def _land(self) -> int:
        landed = [(future, flight) for future, flight in self._flights.items() if future.done()]
        if not landed:
            return 0
        now = self._clock()
        with self._desk.database.write() as session:
            # In one order, so that nobody who changes endpoints and this loop wait for each other.
            for future, flight in sorted(landed, key=lambda pair: pair[1].endpoint_id):
                self._write_down(session, flight, future.result(), at=now)
        # Only now: where writing failed, they stand as sent and are written down in the next round.
        for future, _ in landed:
            del self._flights[future]
        return len(landed)

    def _write_down(self, session: Session, flight: _Flight, answer: Answer, *, at: datetime) -> None:
        tries, state, due = flight.tries + 1, store.DELIVERED, None
        endpoint = store.endpoint(session, flight.endpoint_id, to_change=True)
        if not answer.taken:
            due = self._rules.next_try(tries, at=at, luck=self._luck(), retry_after=answer.retry_after)
            state = store.PENDING if due is not None or answer.status == 410 else store.DEAD
        outcome = store.Outcome(
            notice_id=flight.notice_id, state=state, tries=tries, due_at=due, status=answer.status, fault=answer.fault
        )
        if not store.settle(session, outcome, at=at) or endpoint is None:
            return
        if answer.taken:
            endpoint.failures, endpoint.failing_since, endpoint.resting_until = 0, None, None
            return
        _log.info("webhook %s was not taken: %s", flight.notice_id, answer.status or answer.fault)
        endpoint.failures += 1
        endpoint.failing_since = endpoint.failing_since or at
        endpoint.resting_until = at + self._rules.rest(endpoint.failures, retry_after=answer.retry_after)
        reason = None
        if answer.status == 410:
            reason = GONE
        elif at - endpoint.failing_since >= timedelta(days=self._rules.disable_after_days):
            reason = FAILING
        if reason is not None and endpoint.state == "active":
            endpoint.state, endpoint.disabled_reason = "disabled", reason
            endpoint.version += 1
            audit.note(session, None, f"webhook endpoint {reason}", f"webhook:{endpoint.id}", at=at)
            self._raise_alarm(session, flight, reason, at=at)
        session.flush()

    def _raise_alarm(self, session: Session, flight: _Flight, reason: str, *, at: datetime) -> None:
        """An incident at the office of the item that could not be told; a ping has none."""
        office_id = store.office_of(session, flight.item_id)
        if office_id is not None:
            session.add(
                Incident(
                    id=uuid7(),
                    office_id=office_id,
                    code=f"webhook-{reason}",
                    sentence=_SENTENCES[reason],
                    item_id=flight.item_id,
                    day=local_day(at),
                    owner_role=Role.DISPATCHER.value,
                    opened_at=at,
                )
            )


def run(desk: Desk, stopping: threading.Event) -> None:
    """Send until told to stop: the loop beside the jobs. Among many workers one does, the next takes over when it dies."""
    turn = Turn(desk.database, "webhooks")
    messenger: Messenger | None = None
    while not stopping.is_set():
        try:
            if not turn.mine():
                stopping.wait(_POLL_SECONDS)
                continue
            messenger = messenger or Messenger(desk)
            messenger.tidy()
            if not messenger.round(patience=_POLL_SECONDS):
                stopping.wait(_POLL_SECONDS)
        except SQLAlchemyError:
            # The outermost loop of the worker: the database is away, the next round finds it again.
            _log.exception("sending webhooks failed")
            stopping.wait(1)
    if messenger is not None:
        messenger.close()
    turn.leave()


def stored(rows: Sequence[WebhookNotice]) -> list[dict[str, Any]]:
    """Notices as an agency may see them."""
    return [
        {
            "id": row.id,
            "webhook_id": webhook_id(row.id),
            "type": row.type,
            "item": row.item_id,
            "state": row.state,
            "tries": row.tries,
            "created_at": row.created_at,
            "due_at": row.due_at if row.state == store.PENDING else None,
            "tried_at": row.tried_at,
            "status": row.status,
            "fault": row.fault,
        }
        for row in rows
    ]
