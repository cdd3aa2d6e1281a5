"""A post office whose providers are written down: what they were asked, and what they shall answer."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from courier import notices
from courier.domain.notices import Channel, Kind
from courier.outside.carriers import Carried, Failed, Letter
from courier.store import messages
from courier.store.messages import Draft
from courier.store.tables import Item, Message
from tests.builders import MORNING, Asked, House
from tests.intake_office import settings_for

PHONE = "0599000001"


@dataclass
class Provider:
    """A provider that keeps what it was given under its key, as one that honours the key does."""

    answers: Callable[[Letter], Carried | Failed] = lambda letter: Carried(f"p-{letter.id}")
    asked: list[Letter] = field(default_factory=list)
    dry_run = False

    def carry(self, letter: Letter) -> Carried | Failed:
        self.asked.append(letter)
        return self.answers(letter)


def with_providers(house: House, **providers: Provider) -> House:
    """The same house whose desk has these providers and keeps its jobs for the test."""
    carriers = {Channel(name): provider for name, provider in providers.items()}
    settings = settings_for(house.database, Path("var"))
    house.desk = replace(
        house.desk, settings=settings, jobs=Asked(house.database), carriers=carriers or house.desk.carriers
    )
    return house


def a_draft(kind: Kind = Kind.MISSED, *, at: datetime = MORNING, **changed: Any) -> Draft:
    wanted: dict[str, Any] = {
        "kind": kind,
        "phone": PHONE,
        "dedupe_key": f"{kind}:{uuid4()}",
        "not_before": at,
        "expires_at": at + timedelta(hours=24),
        "words": {"code": "123456"} if kind is Kind.ONE_TIME_CODE else {"day": "2026-11-25", "office": "Bưu cục thử"},
    }
    return Draft(**{**wanted, **changed})


def put(house: House, *drafts: Draft, at: datetime = MORNING) -> list[UUID]:
    """Post messages in a transaction of their own; news are about an item that nobody was at home for."""
    about = None
    if any(one.kind is not Kind.ONE_TIME_CODE and one.item_id is None for one in drafts):
        about = house.item()
        with house.database.write() as session:
            session.execute(update(Item).where(Item.id == about).values(state="attempted"))
    drafts = tuple(
        one if one.item_id or one.kind is Kind.ONE_TIME_CODE else replace(one, item_id=about) for one in drafts
    )
    with house.database.write() as session:
        return messages.post(session, house.desk.jobs, drafts, secrets=house.desk.settings.secrets, at=at)


_WORK = {
    notices.TELL_JOB: notices.tell_job,
    notices.ANNOUNCE_JOB: notices.announce_job,
    notices.CARRY_JOB: notices.carry_job,
}


def carry(house: House, *, at: datetime = MORNING) -> int:
    """Do every job about messages that is due by now, and what follows from it at once; returns how many there were."""
    done, waiting = 0, house.desk.jobs.kept
    while ready := [job for job in waiting if job[0] in _WORK and (job[3] is None or job[3] <= at)]:
        for job in ready:
            waiting.remove(job)
            effect = _WORK[job[0]](house.desk, job[1], at=at)
            with house.database.write() as session:
                effect(session)
            done += 1
    return done


def posted(house: House) -> list[Message]:
    """Every message that there is, oldest first."""
    with house.database.read() as session:
        return list(session.scalars(select(Message).order_by(Message.created_at, Message.id)))


def words(house: House, row: Message) -> dict[str, Any]:
    """What is sealed of a message."""
    return dict(messages.opened(row, secrets=house.desk.settings.secrets).words)


def message(house: House, message_id: UUID) -> Message:
    with house.database.read() as session:
        return session.scalars(select(Message).where(Message.id == message_id)).one()
