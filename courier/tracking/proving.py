"""How a visitor proves that the paper behind a link is his: the phone's last digits, and a one-time code sent to that phone.

Whether a code is demanded the installation decides (`COURIER_ONE_TIME_CODES`); when it does not say, a code is demanded wherever a
message really goes out. Then the digits alone open nothing but the way to the code.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.errors import Missing, Refused
from courier.domain.notices import Kind, masked_phone
from courier.domain.visiting import Bound, network
from courier.store import items, links, messages, people, visitors
from courier.store.tables import Item, OneTimeCode, ProvenVisitor

_CODE_DIGITS = 6


class TooManyTries(Refused):
    """Enough for now: `too-many-tries` or `too-many-codes`; `seconds` to wait."""

    def __init__(self, code: str, sentence: str, seconds: int) -> None:
        super().__init__(code, sentence)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class CodeSent:
    """A code is on its way to the phone on the dossier."""

    to: str
    expires_at: datetime


def codes_demanded(desk: Desk) -> bool:
    """Whether the digits alone are too little: as the installation says, else wherever a message really goes out."""
    if desk.settings.one_time_codes is not None:
        return desk.settings.one_time_codes
    channels = desk.facts.notices.kinds[Kind.ONE_TIME_CODE].channels
    return any(channel in desk.carriers and not desk.carriers[channel].dry_run for channel in channels)


def item_of_link(session: Session, token: str) -> Item:
    """The item of a link.

    Raises:
        Missing: no item has this token, or it was ended; nothing tells which.
    """
    row = session.scalar(select(Item).where(Item.link_digest == links.digest(token)))
    if row is None:
        raise Missing("link", "…")
    return row


def prove(
    desk: Desk, token: str, *, phone_last4: str, code: str | None = None, address: str, at: datetime
) -> tuple[str, datetime]:
    """Check the last four digits of the phone on the dossier, and the code that was sent to it when there is one.

    Gives a secret for half an hour. Where a code is demanded and none was given, the secret only lets its bearer ask for one.

    Raises:
        Missing: no such link.
        Refused: `no-phone`, `wrong-digits`; of the code: `wrong-code`, `code-over`.
        TooManyTries: `too-many-tries` for a while, for this item or from this address.
    """
    rules, mark = desk.facts.visiting, _mark(desk, address)
    right = False
    with desk.database.write() as session:
        row = item_of_link(session, token)
        # Guesses sent all at once are counted one after the other.
        items.hold(session, [row.id])
        people.queue_for(session, mark)
        if not row.recipient_phone:
            raise Refused("no-phone", "Hồ sơ không có số điện thoại. Mời Ông/Bà liên hệ bưu cục.")
        per_address = rules.wrong_digits_per_address
        tried = visitors.vain_tries(session, visitors.WRONG_DIGITS, mark, per_address, at=at)
        _require_patience(tried, per_address, "too-many-tries", _TRIED_TOO_OFTEN, at=at)
        per_item = rules.wrong_digits_per_item
        if visitors.wrong_digits(session, row.id, since=at - per_item.within) >= per_item.most:
            raise TooManyTries("too-many-tries", _TRIED_TOO_OFTEN, int(per_item.within.total_seconds()))
        right = secrets.compare_digest(row.recipient_phone[-4:].encode(), phone_last4.encode())
        if right and code is None:
            return _let_in(session, desk, row.id, by="digits", at=at)
        if not right:
            _let_in(session, desk, row.id, by=None, at=at)
            visitors.note_vain_try(session, visitors.WRONG_DIGITS, mark, per_address, at=at)
    if not right:
        raise Refused("wrong-digits", "Bốn số cuối không đúng.")
    return prove_code(desk, row.id, code or "", at=at)


_TRIED_TOO_OFTEN = "Đã thử quá nhiều lần. Mời Ông/Bà thử lại sau ít phút."


def prove_code(desk: Desk, item_id: UUID, code: str, *, at: datetime) -> tuple[str, datetime]:
    """Check the code that was sent last for an item; it is good once. Whoever calls this has seen the digits proven.

    Raises:
        Refused: `wrong-code` with how many guesses are left, `code-over` when it was used, is too old or was guessed at too often.
    """
    rules = desk.facts.visiting
    left = 0
    with desk.database.write() as session:
        items.hold(session, [item_id])
        sent = visitors.latest_code(session, item_id)
        if sent is None or sent.used_at is not None or sent.expires_at <= at or sent.wrong >= rules.guesses_per_code:
            raise Refused("code-over", "Mã không còn dùng được. Mời Ông/Bà lấy mã mới.")
        if hmac.compare_digest(sent.digest, _code_digest(desk, sent.id, code)):
            sent.used_at = at
            return _let_in(session, desk, item_id, by="code", at=at)
        sent.wrong += 1
        left = rules.guesses_per_code - sent.wrong
    raise Refused(
        "wrong-code", f"Mã không đúng, còn {left} lần thử." if left else "Mã không đúng. Mời Ông/Bà lấy mã mới."
    )


def send_code(desk: Desk, token: str, visitor: str | None, *, address: str, at: datetime) -> CodeSent:
    """Send a one-time code to the phone on the dossier, for somebody who knows its last digits. An earlier code is over.

    Raises:
        Missing: no such link.
        Refused: `not-verified`: the digits come first.
        TooManyTries: `too-many-codes`, for this item, to this phone or from this address.
    """
    rules, mark = desk.facts.visiting, _mark(desk, address)
    with desk.database.write() as session:
        row = item_of_link(session, token)
        items.hold(session, [row.id])
        if visitor is None or not knows_digits(session, row.id, visitor, at=at) or not row.recipient_phone:
            raise Refused("not-verified", "Mời Ông/Bà nhập bốn số cuối của điện thoại trước.")
        index = messages.phone_index(row.recipient_phone, secrets=desk.settings.secrets)
        people.queue_for(session, index, mark)
        for bound, where in (
            (rules.codes_per_item, OneTimeCode.item_id == row.id),
            (rules.codes_per_phone, OneTimeCode.phone_index == index),
            (rules.codes_per_address, OneTimeCode.address_digest == mark),
        ):
            sent = visitors.codes_sent(session, where, since=at - bound.within)
            _require_patience(sent, bound, "too-many-codes", "Đã gửi nhiều mã. Mời Ông/Bà thử lại sau ít phút.", at=at)
        code = f"{secrets.randbelow(10**_CODE_DIGITS):0{_CODE_DIGITS}d}"
        made = OneTimeCode(
            id=uuid7(),
            item_id=row.id,
            phone_index=index,
            address_digest=mark,
            digest="",
            asked_at=at,
            expires_at=at + rules.code_lasts,
            wrong=0,
            used_at=None,
        )
        made.digest = _code_digest(desk, made.id, code)
        session.add(made)
        visitors.forget_codes(
            session, before=at - max(b.within for b in (rules.codes_per_phone, rules.codes_per_address))
        )
        messages.post(
            session,
            desk.jobs,
            messages.Draft(
                kind=Kind.ONE_TIME_CODE,
                phone=row.recipient_phone,
                item_id=row.id,
                office_id=row.office_id,
                words={"code": code},
                dedupe_key=f"one_time_code:{made.id}",
                not_before=at,
                expires_at=made.expires_at,
            ),
            secrets=desk.settings.secrets,
            at=at,
        )
        return CodeSent(masked_phone(row.recipient_phone), made.expires_at)


def knows_digits(session: Session, item_id: UUID, visitor: str, *, at: datetime) -> bool:
    """True for a visitor who showed the digits for this very item, whether or not that is enough."""
    return _proof(session, item_id, visitor, at=at) is not None


def is_proven(session: Session, desk: Desk, item_id: UUID, visitor: str, *, at: datetime) -> bool:
    """True for a visitor whose proof for this very item still stands, and is the one that the installation asks for."""
    proof = _proof(session, item_id, visitor, at=at)
    return proof is not None and (proof == "code" or not codes_demanded(desk))


def require_proven(desk: Desk, token: str, visitor: str | None, *, at: datetime) -> UUID:
    """The item behind a link, for a visitor who proved that the phone is his.

    Raises:
        Missing: no such link.
        Refused: `not-verified`, or `code-needed` where the digits were proven and a code is demanded.
    """
    with desk.database.read() as session:
        row = item_of_link(session, token)
        if visitor is not None and is_proven(session, desk, row.id, visitor, at=at):
            return row.id
        if visitor is not None and knows_digits(session, row.id, visitor, at=at):
            raise Refused("code-needed", "Mời Ông/Bà nhập mã vừa gửi đến điện thoại trên hồ sơ.")
        raise Refused("not-verified", "Mời Ông/Bà nhập bốn số cuối của điện thoại trước.")


def require_digits(desk: Desk, token: str, visitor: str | None, *, at: datetime) -> UUID:
    """The item behind a link, for a visitor who knows the digits.

    Raises:
        Missing: no such link.
        Refused: `not-verified`.
    """
    with desk.database.read() as session:
        row = item_of_link(session, token)
        if visitor is None or not knows_digits(session, row.id, visitor, at=at):
            raise Refused("not-verified", "Mời Ông/Bà nhập bốn số cuối của điện thoại trước.")
        return row.id


def note_unknown(desk: Desk, kind: str, *, address: str, at: datetime) -> None:
    """Count a link or a tracking code that does not exist, asked for from an address.

    Raises:
        TooManyTries: `too-many-tries`: enough of them came from there; nothing more is written.
    """
    rules, mark = desk.facts.visiting, _mark(desk, address)
    bound = rules.unknown_codes_per_address if kind == visitors.UNKNOWN_CODE else rules.unknown_links_per_address
    with desk.database.read() as session:
        _require_patience(
            visitors.vain_tries(session, kind, mark, bound, at=at), bound, "too-many-tries", _TRIED_TOO_OFTEN, at=at
        )
    with desk.database.write() as session:
        people.queue_for(session, mark)
        _require_patience(
            visitors.vain_tries(session, kind, mark, bound, at=at), bound, "too-many-tries", _TRIED_TOO_OFTEN, at=at
        )
        visitors.note_vain_try(session, kind, mark, bound, at=at)


def require_few_unknown(desk: Desk, kind: str, *, address: str, at: datetime) -> None:
    """Refuse an address from which too many codes were tried that do not exist.

    Raises:
        TooManyTries: `too-many-tries`.
    """
    rules, mark = desk.facts.visiting, _mark(desk, address)
    bound = rules.unknown_codes_per_address if kind == visitors.UNKNOWN_CODE else rules.unknown_links_per_address
    with desk.database.read() as session:
        _require_patience(
            visitors.vain_tries(session, kind, mark, bound, at=at), bound, "too-many-tries", _TRIED_TOO_OFTEN, at=at
        )


def _require_patience(moments: Sequence[datetime], bound: Bound, code: str, sentence: str, *, at: datetime) -> None:
    if len(moments) >= bound.most:
        waits: timedelta = moments[-bound.most] + bound.within - at
        raise TooManyTries(code, sentence, max(1, -int(-waits.total_seconds() // 1)))


def _let_in(session: Session, desk: Desk, item_id: UUID, *, by: str | None, at: datetime) -> tuple[str, datetime]:
    """Write a proof, or with `by` None that there was none."""
    visitor, expires_at = secrets.token_urlsafe(32), at + desk.facts.visiting.visit
    session.execute(
        insert(ProvenVisitor).values(
            id=uuid7(),
            item_id=item_id,
            token_hash=_hash(visitor) if by else None,
            proven_by=by or "digits",
            at=at,
            expires_at=expires_at,
        )
    )
    return visitor, expires_at


def _proof(session: Session, item_id: UUID, visitor: str, *, at: datetime) -> str | None:
    return session.scalar(
        select(ProvenVisitor.proven_by).where(
            ProvenVisitor.item_id == item_id,
            ProvenVisitor.token_hash == _hash(visitor),
            ProvenVisitor.expires_at > at,
        )
    )


def _hash(visitor: str) -> str:
    return sha256(visitor.encode("utf-8", "surrogatepass")).hexdigest()


def _mark(desk: Desk, address: str) -> str:
    key = desk.settings.secrets.form_key
    return hmac.new(key, f"citizen-address:{network(address)}".encode(), sha256).hexdigest()


def _code_digest(desk: Desk, code_id: UUID, code: str) -> str:
    """Six digits can be counted through, so the digest is as secret as its key, and another for every code."""
    key, words = desk.settings.secrets.link_key, b"one-time-code|" + code_id.bytes + b"|"
    return hmac.new(key, words + code.encode("utf-8", "surrogatepass"), sha256).hexdigest()
