"""What comes back: a provider's word on a message, and a person's that he wants none."""

import hmac
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused
from courier.domain.identifiers import Implausible, phone
from courier.domain.notices import Channel
from courier.domain.text import fold
from courier.outside.gateways import receipt_secrets
from courier.store import messages
from courier.store.tables import Item

PATIENCE: Final = timedelta(minutes=5)
"""As old or as far ahead a receipt may be; inside that time it is taken in once."""
MOST_BYTES: Final = 16 * 1024
_ARRIVED: Final = frozenset({"delivered", "read"})
_FAILED: Final = frozenset({"failed", "rejected", "undelivered", "expired"})
_NO_MORE: Final = frozenset({"stop", "tu choi", "tuchoi", "huy"})
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


def receive(desk: Desk, name: str, body: bytes, *, timestamp: str, signature: str, at: datetime) -> None:
    """Take in a receipt of a channel: `{tracking_id, status, code?}`, or a reply of a person, `{phone, text}`.

    `signature` is the HMAC-SHA256, in hex, over `<timestamp>.<body>` with the channel's key; `timestamp` counts seconds
    since 1970. Order does not matter, and what says nothing to us is taken in and left.

    Raises:
        Missing: no such channel sends receipts here, or it speaks of no message of ours.
        Forbidden: it is not signed, or not by the channel.
        Refused: `too-old` or `replayed`.
        Invalid: it cannot be read.
    """
    channel = next((one for one in Channel if one.value == name), None)
    secret = receipt_secrets(desk.settings.channels).get(channel) if channel is not None else None
    if channel is None or secret is None:
        raise Missing("channel", name)
    wanted = hmac.new(secret, timestamp.encode() + b"." + body, sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), signature.strip().lower().encode()):
        raise Forbidden("The receipt is not signed with the channel's key.")
    try:
        sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise Invalid(FieldError("timestamp", "invalid", "Seconds since 1970 are wanted.")) from None
    if abs(at - sent_at) > PATIENCE:
        raise Refused("too-old", "The receipt's time is more than five minutes from ours.")
    content = _read(body)
    with desk.database.write() as session:
        digest = sha256(timestamp.encode() + b"." + body).hexdigest()
        if not messages.take_receipt(session, channel, digest, at=at):
            raise Refused("replayed", "This receipt was taken in before.")
        if "tracking_id" in content:
            _of_a_message(desk, session, channel, content, at=at)
        elif "phone" in content:
            _of_a_person(desk, session, content, at=at)


def _read(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise Invalid(FieldError("body", "invalid", "A JSON object is wanted."))
    return content


def _of_a_message(desk: Desk, session: Any, channel: Channel, content: dict[str, Any], *, at: datetime) -> None:
    try:
        message_id = UUID(str(content["tracking_id"]))
    except ValueError:
        raise Missing("message", "…") from None
    status = str(content.get("status", "")).lower()
    known = True
    if status in _ARRIVED:
        known = messages.arrived(session, message_id, at=at)
    elif status in _FAILED:
        told = str(content.get("code", ""))
        code = told if _CODE.fullmatch(told) else "not-delivered"
        known = messages.did_not_arrive(session, desk.jobs, message_id, channel, code=code, turn=str(uuid7()), at=at)
    if not known:
        raise Missing("message", message_id)


def _of_a_person(desk: Desk, session: Any, content: dict[str, Any], *, at: datetime) -> None:
    if fold(str(content.get("text", "")))[:40].strip(" .!") not in _NO_MORE:
        return
    try:
        number = phone(str(content["phone"]))
    except Implausible:
        raise Invalid(FieldError("phone", "invalid", "No phone number of Viet Nam.")) from None
    index = messages.phone_index(number, secrets=desk.settings.secrets)
    messages.want_no_more(session, index, said_by="reply", at=at)


# ------------------------------------------------------------------------------------------------------ on his page
def wants_messages(desk: Desk, item_id: UUID) -> bool | None:
    """Whether the phone on an item gets messages; None where there is no phone."""
    with desk.database.read() as session:
        number = session.get_one(Item, item_id).recipient_phone
        if number is None:
            return None
        index = messages.phone_index(number, secrets=desk.settings.secrets)
        return not messages.want_none(session, [index])


def choose(desk: Desk, item_id: UUID, *, wanted: bool, at: datetime) -> None:
    """Have the phone on an item get messages, or none but the codes that are asked for. Whoever asks has proven the phone.

    Raises:
        Refused: `no-phone`.
    """
    with desk.database.write() as session:
        number = session.get_one(Item, item_id).recipient_phone
        if number is None:
            raise Refused("no-phone", "Bưu gửi này không có số điện thoại.")
        index = messages.phone_index(number, secrets=desk.settings.secrets)
        if wanted:
            messages.want_again(session, index)
        else:
            messages.want_no_more(session, index, said_by="page", at=at)
