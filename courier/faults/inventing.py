"""Invented days of many phones: stops with their acts, mistakes and meetings, as the phones would send them.

Everything follows from the seed: ids, moments, amounts, pictures. Only the ids of people and what is made from the secrets of
the installation (codes, envelopes) differ from run to run.
"""

import io
import random
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from PIL import Image

from courier.domain.calendar import at_local
from courier.faults.reference import REASONS, Thing, Told

# Three working days after the service began; the reference need not know of feasts.
DAYS: Final = (date(2025, 9, 8), date(2025, 9, 9), date(2025, 9, 10))
ACCEPTED_ON: Final = date(2025, 9, 5)
_CHARGES: Final = (("agency:PC08", 135_000), ("post", 30_000), ("treasury", 850_000))
_RESULTS: Final = (
    "taken_out handed_over",
    "taken_out handed_over",
    "taken_out pinned handed_over",
    "taken_out wished handed_over",
    "taken_out attempt_failed handed_over",
    "taken_out attempt_failed brought_back",
    "taken_out attempt_failed noted brought_back next taken_out handed_over",
    "taken_out passed_on other taken_over handed_over",
    "taken_out passed_on other taken_over attempt_failed brought_back next taken_out attempt_failed brought_back",
    "taken_out handed_over corrected handed_over",
    "taken_out attempt_failed corrected handed_over",
    "taken_out handed_over corrected attempt_failed brought_back",
)
_SUBMISSIONS: Final = (
    "taken_out fetched brought_back",
    "taken_out pinned fetched brought_back",
    "taken_out attempt_failed next taken_out fetched brought_back",
    "taken_out fetched passed_on other taken_over brought_back",
    "taken_out fetched corrected fetched brought_back",
    "taken_out brought_back",
)
_ANYTHING: Final = (
    *("taken_out", "brought_back", "handed_over", "attempt_failed", "fetched", "passed_on", "taken_over", "corrected"),
    *("noted", "pinned", "wished"),
)
# What the office may grant without moving the paper: the worker answers while the campaign runs.
_WISHES: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "instruct", "text": "Gọi trước khi đến.", "landmark": "cạnh trạm y tế", "call_first": True},
    {"kind": "instruct", "landmark": "qua cầu sắt bên trái"},
    {"kind": "authorise", "person": "Trần Thị Mẫu"},
)
_POISON: Final = (
    "unknown-item",
    "unreadable-type",
    "unreadable-items",
    "unreadable-amount_dong",
    "unreadable-data",
    "unreadable-receiver",
    "unreadable-seal",
)


def uuid7_of(rng: random.Random, at: datetime) -> UUID:
    """An id of that moment, as a phone makes it."""
    stamp = int(at.timestamp() * 1000)
    return UUID(int=stamp << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))


@dataclass(frozen=True, slots=True)
class Device:
    """A phone and its bearer; `clock_off` is how wrong its clock is."""

    id: UUID
    bearer: UUID
    clock_off: timedelta


@dataclass(slots=True)
class Sent:
    """An act with what its phone sends of it. `aside` is the code under which it must be set aside, if it must."""

    told: Told
    device: int
    aside: str | None = None
    seq: int = 0
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> set[str]:
        """The digests of the pictures that it names."""
        return {proof["sha256"] for proof in self.told.data.get("proofs", ()) if proof.get("sha256")}


@dataclass(slots=True)
class Story:
    """What happened: items, every act, pictures by digest."""

    things: list[Thing]
    sent: list[Sent]
    pictures: dict[str, bytes]

    @property
    def told(self) -> list[Told]:
        """The acts that must be in the books."""
        return [one.told for one in self.sent if one.aside is None]

    def of(self, acts: Container[UUID]) -> "Story":
        """The same with these acts only, and the pictures that they name."""
        sent = [one for one in self.sent if one.told.id in acts]
        named = {digest for one in sent if one.aside is None for digest in one.named}
        return Story(self.things, sent, {digest: body for digest, body in self.pictures.items() if digest in named})


CodeOf = Callable[[UUID, date], str]


class Inventor:
    """One campaign's imagination. `code_of` gives the recipient's code of an item and day."""

    def __init__(
        self, seed: int, devices: Sequence[Device], *, near: tuple[float, float], code_of: CodeOf, now: datetime
    ) -> None:
        self.rng = random.Random(f"story {seed}")
        self.devices = devices
        self.near = near
        self.code_of = code_of
        self.now = now
        self.story = Story([], [], {})
        self._earlier: list[Sent] = []
        self._count = 0

    def invent(self, events: int) -> Story:
        """A story of so many acts, beside one poisoned event for a hundred of them."""
        while self._count < events:
            self._stop(events)
            if self.rng.random() < 0.02 and self._count < events:
                self._of_the_way()
        for _ in range(max(len(_POISON), events // 100)):
            self._poison()
        self._number()
        return self.story.of({one.told.id for one in self.story.sent})

    # ------------------------------------------------------------------------------------------------------ a stop
    def _stop(self, events: int) -> None:
        rng = self.rng
        submission = rng.random() < 0.25
        things = [self._thing(submission=submission) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        if rng.random() < 0.04:
            things.append(self._thing(submission=not submission))
        self.story.things += things
        self._earlier = []
        bearer = rng.randrange(len(self.devices))
        day = rng.randrange(len(DAYS))
        minute = rng.randrange(420, 960)
        for word in rng.choice(_SUBMISSIONS if submission else _RESULTS).split():
            if self._count >= events:
                return
            if word == "next":
                day, minute, bearer = min(day + 1, len(DAYS) - 1), minute + 30, rng.randrange(len(self.devices))
                continue
            if word == "other":
                bearer = rng.randrange(len(self.devices))
                continue
            minute += rng.choice((0, 1, 1, 2, 5, 20))
            some = things if rng.random() < 0.85 else rng.sample(things, rng.randint(1, len(things)))
            self._act(word, some, things, bearer, at_local(DAYS[day], minute * 60))
            if rng.random() < 0.16 and self._count < events:
                self._noise(things, bearer, day, minute)

    def _thing(self, *, submission: bool) -> Thing:
        rng = self.rng
        asked = rng.sample(_CHARGES, rng.choice((0, 1, 1, 2, 3)))
        at = at_local(ACCEPTED_ON, 30_000)
        charges = tuple((uuid7_of(rng, at), payee, dong) for payee, dong in asked)
        return Thing(uuid7_of(rng, at), submission, charges)

    def _noise(self, things: list[Thing], bearer: int, day: int, minute: int) -> None:
        """Somebody else at the same door, an act told twice in other words, a correction of whatever."""
        rng = self.rng
        who = bearer if rng.random() < 0.4 else rng.randrange(len(self.devices))
        at = at_local(DAYS[day], max(0, minute + rng.randint(-30, 30)) * 60)
        some = rng.sample(things, rng.randint(1, len(things)))
        self._act(rng.choice(_ANYTHING), some, things, who, at)

    def _act(self, kind: str, some: Sequence[Thing], things: Sequence[Thing], who: int, at: datetime) -> None:
        rng = self.rng
        data: dict[str, Any] = {}
        wrong = False
        if kind == "corrected":
            data, who, at = self._correction(who, at)
        elif kind == "attempt_failed":
            data = self._failure(at)
        elif kind in ("handed_over", "fetched"):
            data, wrong = self._door(kind, some, things, at)
        elif kind in ("passed_on", "taken_over"):
            data = {"other_device": str(rng.choice(self.devices).id)}
        elif kind == "noted":
            data = {"text": "Nhà sau cây cầu, hỏi quán nước."}
        elif kind == "pinned":
            data = self._pin()
        elif kind == "wished":
            data = dict(rng.choice(_WISHES))
        self._tell(kind, [thing.id for thing in some], who, at, data, wrong=wrong)

    def _correction(self, who: int, at: datetime) -> tuple[dict[str, Any], int, datetime]:
        rng = self.rng
        data = {"corrects": str(uuid7_of(rng, at)), "reason": "nhầm nhà"}
        if not self._earlier or rng.random() < 0.04:
            return data, who, at  # of an act that never comes
        target = self._earlier[-1] if rng.random() < 0.7 else rng.choice(self._earlier)
        data["corrects"] = str(target.told.id)
        if rng.random() < 0.8:
            who = target.device
        if rng.random() < 0.9:
            at = max(at, target.told.at + timedelta(minutes=rng.randint(0, 9)))
        return data, who, at

    def _failure(self, at: datetime) -> dict[str, Any]:
        reason = self.rng.choice((*REASONS, "nobody-knows-this"))
        data: dict[str, Any] = {
            "reason": reason,
            "next_on": (at.date() + timedelta(days=self.rng.randint(0, 5))).isoformat(),
        }
        if self.rng.random() < 0.06:
            data["proofs"] = [{"kind": "photo_place", "sha256": self._picture()}]
        return data

    def _door(
        self, kind: str, some: Sequence[Thing], things: Sequence[Thing], at: datetime
    ) -> tuple[dict[str, Any], bool]:
        rng = self.rng
        data: dict[str, Any] = {"collections": list(self._money(some, things)), "proofs": []}
        wrong = False
        if kind == "fetched":
            data["papers"] = [{"name": "Đơn đề nghị", "original": True, "present": rng.random() < 0.9}]
        else:
            data["receiver"] = {
                "name": "Nguyễn Văn Mẫu",
                "relation": rng.choice(("owner", "owner", "owner", "authorised", "neighbour")),
                "id_check": rng.choice(("match", "match", "match", "none", "mismatch")),
                "id_last4": rng.choice((None, "0001")),
            }
            data["surrendered"] = ["gplx_cu", "giay_hen"]
            data["receipt"] = f"T{rng.randint(1, 99):02d}-{rng.randint(1, 999):04d}"
        if rng.random() < 0.85:
            data["proofs"].append({"kind": "signature", "sha256": None})
        if rng.random() < 0.05:
            data["proofs"].append({"kind": "photo_place", "sha256": self._picture()})
        if rng.random() < 0.05:
            wrong = rng.random() < 0.4
            code = self.code_of(some[0].id, at.date())
            if wrong:
                right = {self.code_of(thing.id, day) for thing in some for day in (at.date(), self.now.date())}
                code = next(f"{n:06d}" for n in range(1_000_000) if f"{n:06d}" not in right)
            data["proofs"].append({"kind": "recipient_code", "value": code})
        return data, wrong

    def _money(self, some: Sequence[Thing], things: Sequence[Thing]) -> Iterator[dict[str, Any]]:
        rng = self.rng
        for thing in some:
            for charge, _, due in thing.charges:
                amount = rng.choice((due, due, due, due, 0, due + 5_000, due // 2))
                method = rng.choice(("cash", "cash", "bank_qr"))
                if rng.random() < 0.08:  # in two parts
                    yield {"charge": str(charge), "amount_dong": amount // 3, "method": "cash"}
                    amount -= amount // 3
                yield {"charge": str(charge), "amount_dong": amount, "method": method}
        if rng.random() < 0.04:  # for a charge that nobody knows
            yield {"charge": str(uuid7_of(rng, self.now)), "amount_dong": 7_000, "method": "cash"}
        beside = [charge for thing in things if thing not in some for charge, _, _ in thing.charges]
        if beside and rng.random() < 0.3:  # for the neighbour's
            yield {"charge": str(rng.choice(beside)), "amount_dong": 9_000, "method": "cash"}

    def _pin(self) -> dict[str, Any]:
        rng = self.rng
        far = 2.0 if rng.random() < 0.1 else 0.0  # degrees: another province
        return {
            "lat": round(self.near[0] + far + rng.uniform(-0.1, 0.1), 6),
            "lon": round(self.near[1] + rng.uniform(-0.1, 0.1), 6),
            "accuracy_m": rng.choice((5, 12, 40, 100, 101, 900)),
        }

    def _picture(self) -> str:
        rng = self.rng
        picture = Image.new("RGB", (rng.randint(8, 60), rng.randint(8, 60)))
        picture.putdata([(rng.randrange(256),) * 3 for _ in range(picture.width * picture.height)])
        file = io.BytesIO()
        picture.save(file, "PNG")
        digest = sha256(file.getvalue()).hexdigest()
        self.story.pictures[digest] = file.getvalue()
        return digest

    # --------------------------------------------------------------------------------------------------- the way
    def _of_the_way(self) -> None:
        rng = self.rng
        at = at_local(rng.choice(DAYS), rng.randrange(25_000, 60_000))
        who = rng.randrange(len(self.devices))
        if rng.random() < 0.5:
            stops = [str(uuid7_of(rng, at)) for _ in range(rng.randint(1, 8))]
            self._tell("reordered", [], who, at, {"stops": stops, "extra_seconds": rng.randint(-600, 900)})
        else:
            self._tell("broke_down", [], who, at, {"text": "Thủng lốp ở đầu cầu.", "can_go_on": rng.random() < 0.5})

    def _poison(self) -> None:
        rng = self.rng
        code = rng.choice(_POISON) if len(self.story.sent) % 2 else self._rarest_poison()
        thing = rng.choice(self.story.things)
        who, at = rng.randrange(len(self.devices)), at_local(rng.choice(DAYS), rng.randrange(25_000, 60_000))
        data, _ = self._door("handed_over", [thing], [thing], at)
        data["proofs"] = []
        self._tell("handed_over", [thing.id], who, at, data, aside=code)

    def _rarest_poison(self) -> str:
        seen = [one.aside for one in self.story.sent]
        return min(_POISON, key=seen.count)

    def _tell(
        self,
        kind: str,
        about: Sequence[UUID],
        who: int,
        at: datetime,
        data: dict[str, Any],
        *,
        wrong: bool = False,
        aside: str | None = None,
    ) -> None:
        device = self.devices[who]
        told = Told(uuid7_of(self.rng, at), kind, tuple(about), at, device.bearer, data, wrong_code=wrong)
        one = Sent(told, who, aside)
        self.story.sent.append(one)
        if aside is None:
            self._count += 1
            self._earlier.append(one)

    # ----------------------------------------------------------------------------------------------- as it is sent
    def _number(self) -> None:
        """Each phone numbers what it tells in the order in which it was done, and writes it down by its own clock."""
        numbers = [0] * len(self.devices)
        for one in sorted(self.story.sent, key=lambda one: one.told.place):
            numbers[one.device] += 1
            one.seq = numbers[one.device]
            one.body = self._body(one)
            if one.aside is not None:
                self._spoil(one.body, one.aside)

    def _spoil(self, body: dict[str, Any], code: str) -> None:
        """Make of a sound event one that must be set aside under that code; a seal is spoilt by whoever seals it."""
        if code == "unknown-item":
            body["items"] = [str(uuid7_of(self.rng, self.now))]
        elif code == "unreadable-type":
            body["type"] = "planned"
        elif code == "unreadable-items":
            body["items"] = []
        elif code == "unreadable-amount_dong":
            line = {"charge": body["items"][0], "amount_dong": -1, "method": "cash"}
            body["data"]["collections"] = [*body["data"]["collections"], line]
        elif code == "unreadable-data":
            body["data"]["note"] = "a\0b"
        elif code == "unreadable-receiver":
            body["data"]["receiver"] = "?"

    def _body(self, one: Sent) -> dict[str, Any]:
        rng, told, device = self.rng, one.told, self.devices[one.device]
        body: dict[str, Any] = {
            "event_id": str(told.id),
            "device_seq": one.seq,
            "type": told.kind,
            "items": [str(item) for item in told.about],
            "occurred_at": (told.at + device.clock_off).isoformat(),
            "data": dict(told.data),
        }
        if device.clock_off or rng.random() < 0.8:
            since_ms, booted_ms = rng.randrange(3_600_000), rng.randrange(50_000_000)
            seen = told.at - timedelta(milliseconds=since_ms)
            body["clock"] = {
                "boot_id": f"boot-{one.device}",
                "monotonic_ms": booted_ms + since_ms,
                "anchor": {"server_time": seen.isoformat(), "monotonic_ms": booted_ms, "boot_id": f"boot-{one.device}"},
            }
        if rng.random() < 0.5:
            body["position"] = {"lat": 9.4, "lon": 105.0, "accuracy_m": 20}
        return body
