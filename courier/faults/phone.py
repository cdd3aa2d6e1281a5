"""One phone's evening: everything it recorded goes out, out of order, in overlapping batches, over a line that fails."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol
from uuid import UUID

import orjson

from courier.faults.inventing import Sent, uuid7_of
from courier.faults.line import Answer, Fault, Line, Unheard
from courier.store import envelopes

_TAKEN: Final = ("applied", "duplicate", "accepted_with_conflict")
_SIZES: Final = (1, 2, 5, 10, 20, 20, 40, 40, 80, 200)
_FAULTS: Final = (
    *(Fault.NONE,) * 16,
    *(Fault.CUT_ANSWER,) * 2,
    Fault.CUT_REQUEST,
    Fault.WALKED_AWAY,
)
# Answers that speak of the moment and not of what was sent: the phone keeps everything and tries again.
_LATER: Final = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
_MOST_TRIES: Final = 200
_STRAGGLERS: Final = 0.03


class Broken(Exception):
    """The server answered what no phone may be answered; the campaign cannot go on."""


@dataclass(slots=True)
class Flight:
    """A request on its way: the acts that were never sent before, whether it left whole and whether its answer was heard."""

    phone: str
    fresh: tuple[UUID, ...]
    heard: bool = False


class Reaper(Protocol):
    """Who kills the server."""

    def due(self) -> bool:
        """True when the next request of whoever asks should be the server's last."""

    def strike(self) -> None:
        """Kill the server a moment from now, start it again and look at what the dead one left."""

    def wait(self) -> None:
        """Until the server is there."""

    def time_is_up(self) -> bool:
        """True when nothing new is to be sent any more."""

    def done(self, acts: int, seconds: float) -> None:
        """So many more acts are acknowledged, by an answer that took so long."""


def without_gap(numbers: Iterable[int]) -> int:
    """The last of the numbers 1, 2, 3 ... before the first that is missing."""
    through = 0
    for number in sorted(numbers):
        if number != through + 1:
            break
        through = number
    return through


@dataclass(slots=True)
class Tally:
    """What happened on the way, for the report."""

    requests: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    bytes: int = 0
    sealed: int = 0


class Phone:
    """A phone with everything that it has to send. `differences` names what its server told it and should not have."""

    def __init__(
        self,
        name: str,
        device_id: UUID,
        line: Line,
        *,
        sent: Sequence[Sent],
        pictures: Mapping[str, bytes],
        sealing_key: bytes,
        reaper: Reaper,
        seed: str,
    ) -> None:
        self.name, self.id, self.line, self.reaper = name, device_id, line, reaper
        self.rng = random.Random(f"{seed} {name}")
        self.key = sealing_key
        self.tally = Tally()
        self.differences: list[str] = []
        self.forged: list[tuple[str, str]] = []
        self.flight: Flight | None = None
        self.acknowledged: dict[UUID, str] = {}
        self._by_id = {one.told.id: one for one in sent}
        self._letters = {one.told.id: self._letter(one) for one in sent}
        self._ever_sent: set[UUID] = set()
        self._pictures = {
            digest: envelopes.seal(body, self.key, bound_to=envelopes.medium_label(digest)).to_bytes()
            for digest, body in pictures.items()
        }
        self._last_seq = max((one.seq for one in sent), default=0)

    def _letter(self, one: Sent) -> bytes:
        """The event as it lies in the outbox, for ever the same: in the open or sealed."""
        if one.aside != "unreadable-seal" and self.rng.random() < 0.5:
            return json.dumps(one.body).encode()
        self.tally.sealed += 1
        label = envelopes.event_label(self.id, one.seq + (one.aside == "unreadable-seal"), one.told.id)
        envelope = envelopes.seal(json.dumps(one.body).encode(), self.key, bound_to=label)
        outside = {"event_id": one.body["event_id"], "device_seq": one.seq, "sealed": envelope.to_json()}
        return json.dumps(outside).encode()

    # ------------------------------------------------------------------------------------------------ the evening
    def send_everything(self) -> None:
        """Until the server has acknowledged every act and has every picture.

        Raises:
            Broken: an answer that no phone may get.
        """
        waiting = self._shuffled()
        pictures = list(self._pictures)
        tries = 0
        while waiting:
            if self.reaper.time_is_up():
                # What has left once is sent until it is acknowledged: nobody could say else whether it must be in the books.
                waiting = [event_id for event_id in waiting if event_id in self._ever_sent]
                if not waiting:
                    break
            batch = self._batch(waiting)
            heard = self._send(batch)
            tries = 0 if heard else tries + 1
            if tries > _MOST_TRIES:
                raise Broken(f"{self.name}: {tries} uploads in a row came to nothing")
            waiting = [event_id for event_id in waiting if event_id not in self.acknowledged]
            if pictures and self.rng.random() < 0.3:
                self._show(pictures.pop())
        named = {digest for event_id in self.acknowledged for digest in self._by_id[event_id].named}
        for digest in pictures:
            if digest in named:
                self._show(digest)
        self._forge()
        self._hear_the_number()

    def _shuffled(self) -> list[UUID]:
        """The order of sending: as far from the order of the acts as a day of bad network makes it, and a few far worse."""
        rng = self.rng
        reach = rng.choice((3, 20, 100, 400))
        keyed = []
        for one in self._by_id.values():
            late = rng.random() < _STRAGGLERS
            keyed.append((one.seq + rng.uniform(0, self._last_seq if late else reach), one.told.id))
        return [event_id for _, event_id in sorted(keyed, key=lambda pair: pair[0])]

    def _batch(self, waiting: list[UUID]) -> list[UUID]:
        rng = self.rng
        size = rng.choice(_SIZES)
        # Not always from the front: a batch that was lost comes back in other company.
        start = 0 if rng.random() < 0.7 else rng.randrange(len(waiting))
        batch = waiting[start : start + size]
        if rng.random() < 0.25 and self.acknowledged:
            batch += rng.sample(list(self.acknowledged)[-400:], min(len(self.acknowledged), 400, 1 + size // 3))
        if rng.random() < 0.1:
            batch += rng.sample(batch, 1)
        rng.shuffle(batch)
        return batch

    def _send(self, batch: list[UUID]) -> bool:
        """One upload; False when no answer was heard."""
        letters = b",".join(self._letters[event_id] for event_id in batch)
        body = b'{"device_id":"%s","events":[%s]}' % (str(self.id).encode(), letters)
        fresh = tuple(
            event_id
            for event_id in dict.fromkeys(batch)
            if event_id not in self._ever_sent and self._by_id[event_id].aside is None
        )
        self._ever_sent |= set(batch)
        self.tally.events += len(batch)
        began = time.monotonic()
        try:
            answer = self._ask("POST", "/api/v1/sync", body, flight=Flight(self.name, fresh))
        except Unheard:
            return False
        if answer.status in _LATER:
            self.tally.refused[answer.status] += 1
            return False
        if answer.status != HTTPStatus.OK:
            raise Broken(f"{self.name}: POST /sync was answered with {answer.status}: {answer.body[:500]!r}")
        before = len(self.acknowledged)
        self._believe(batch, answer.json()["results"])
        self.reaper.done(len(self.acknowledged) - before, time.monotonic() - began)
        return True

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        flight: Flight | None = None,
    ) -> Answer:
        self.reaper.wait()
        fault = Fault.KILL if self.reaper.due() else self.rng.choice(_FAULTS)
        self.tally.requests += 1
        self.tally.bytes += len(body)

        def left() -> None:
            self.flight = flight
            if fault is Fault.KILL:
                self.reaper.strike()

        try:
            answer = self.line.ask(method, path, body, fault=fault, headers=headers, after_sending=left)
        except Unheard:
            if fault not in (Fault.NONE, Fault.KILL):
                self.tally.faults[fault.value] += 1
            raise
        finally:
            self.flight = None
        if flight is not None:
            flight.heard = True
        return answer

    def _believe(self, batch: list[UUID], results: list[dict[str, Any]]) -> None:
        if [result["event_id"] for result in results] != [str(event_id) for event_id in batch]:
            raise Broken(f"{self.name}: the answers are not those of the acts sent")
        for event_id, result in zip(batch, results, strict=True):
            word, code, one = result["result"], result.get("code"), self._by_id[event_id]
            self.tally.results[word] += 1
            if one.aside is not None:
                if (word, code) != ("quarantined", one.aside):
                    self.differences.append(
                        f"event {event_id}: must be set aside as {one.aside}, answered {word} {code}"
                    )
            elif word not in _TAKEN:
                self.differences.append(f"event {event_id}: nothing is wrong with it, answered {word} {code}")
            elif event_id in self.acknowledged and word != "duplicate":
                self.differences.append(f"event {event_id}: acknowledged before, answered {word} again")
            self.acknowledged.setdefault(event_id, word)

    # --------------------------------------------------------------------------------------------------- pictures
    def _show(self, digest: str) -> None:
        """Upload a picture in parts, going on where the server says that it has come to."""
        path, whole = f"/api/v1/media/{digest}", self._pictures[digest]
        for _ in range(_MOST_TRIES):
            try:
                if self._come_to_its_end(path, whole):
                    return
            except Unheard:
                continue
        raise Broken(f"{self.name}: picture {digest} does not get through")

    def _come_to_its_end(self, path: str, whole: bytes) -> bool:
        """As the phone's own program does it."""
        state = self._ask("HEAD", path)
        if state.status in _LATER:
            self.tally.refused[state.status] += 1
            return False
        if state.headers.get("upload-complete") == "?1":
            return True
        offset = 0 if state.status == HTTPStatus.NOT_FOUND else int(state.headers["upload-offset"])
        while offset < len(whole):
            piece = whole[offset : offset + self.rng.choice((len(whole), len(whole) // 2 + 1, len(whole) // 5 + 1))]
            answer = self._ask(
                "PATCH",
                path,
                piece,
                headers={
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(offset),
                    "Upload-Length": str(len(whole)),
                },
            )
            if answer.status in _LATER:
                self.tally.refused[answer.status] += 1
                return False
            if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.CONFLICT):
                raise Broken(f"{self.name}: {path} was answered with {answer.status}: {answer.body[:500]!r}")
            offset = int(answer.headers["upload-offset"])
        return True

    # ------------------------------------------------------------------------------------------------- at the end
    def _forge(self) -> None:
        """An act that was acknowledged comes back changed, and an old number comes back with another act: both are set aside."""
        genuine = [one for one in self._by_id.values() if one.aside is None and one.told.id in self.acknowledged]
        for one in self.rng.sample(genuine, min(len(genuine), 1 + len(genuine) // 500)):
            changed = {**one.body, "position": {"forged": True}}
            self._send_forged(changed, "same-id-other-content")
            renamed = {**one.body, "event_id": str(uuid7_of(self.rng, one.told.at))}
            self._send_forged(renamed, "sequence-reused")

    def _send_forged(self, body: dict[str, Any], code: str) -> None:
        answer = self._insist({"device_id": str(self.id), "events": [body]})
        result = answer["results"][0]
        if (result["result"], result.get("code")) != ("quarantined", code):
            self.differences.append(f"event {body['event_id']}: forged, must be set aside as {code}, answered {result}")
        self.forged.append((body["event_id"], code))

    def _hear_the_number(self) -> None:
        through = self._insist({"device_id": str(self.id), "events": []})["ack_through"]
        wanted = without_gap(self._by_id[event_id].seq for event_id in self.acknowledged)
        if through != wanted:
            self.differences.append(
                f"phone {self.id}: everything through {wanted} was sent, acknowledged through {through}"
            )

    def _insist(self, body: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_MOST_TRIES):
            try:
                answer = self._ask("POST", "/api/v1/sync", orjson.dumps(body), flight=Flight(self.name, ()))
            except Unheard:
                continue
            if answer.status == HTTPStatus.OK:
                read: dict[str, Any] = answer.json()
                return read
            if answer.status not in _LATER:
                raise Broken(f"{self.name}: POST /sync was answered with {answer.status}: {answer.body[:500]!r}")
            self.tally.refused[answer.status] += 1
        raise Broken(f"{self.name}: the server does not answer")
