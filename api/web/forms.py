"""Reading what a plain form sent. What makes no sense becomes `Invalid` with a sentence; NUL and other controls are dropped."""

import unicodedata
from collections.abc import Callable
from datetime import date, time
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, current_app, request
from uuid_utils.compat import uuid7

from api.conventions import caller_key, desk, now
from api.web.texts import t
from courier.domain.errors import FieldError, Invalid
from courier.domain.money import MOST_DONG
from courier.store import answers

View = TypeVar("View", bound=Callable[..., Any])
LONGEST = 500


def new_key() -> UUID:
    """A fresh id for a form: the act that it will report."""
    return uuid7()


def text(name: str, *, at_most: int = LONGEST) -> str:
    """A line of text, trimmed, composed, without control characters; empty when absent.

    Raises:
        Invalid: longer than `at_most`.
    """
    sent = unicodedata.normalize("NFC", request.form.get(name, ""))
    kept = "".join(letter if letter.isprintable() else " " for letter in sent).strip()
    if len(kept) > at_most:
        raise Invalid(FieldError(name, "too-long", t("form.too_long", most=at_most, found=len(kept))))
    return kept


def prose(name: str, *, at_most: int) -> str:
    """Several lines, as `text` otherwise; the ends of lines are kept, counted as one letter each.

    Raises:
        Invalid: longer than `at_most`.
    """
    sent = unicodedata.normalize("NFC", request.form.get(name, "")).replace("\r\n", "\n")
    kept = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in sent).strip()
    if len(kept) > at_most:
        raise Invalid(FieldError(name, "too-long", t("form.too_long", most=at_most, found=len(kept))))
    return kept


def required(name: str, *, at_most: int = LONGEST) -> str:
    """A line of text that may not be empty.

    Raises:
        Invalid: it is empty or too long.
    """
    found = text(name, at_most=at_most)
    if not found:
        raise Invalid(FieldError(name, "required", t("form.required")))
    return found


def identity(name: str) -> UUID:
    """A UUID from a hidden field or a choice.

    Raises:
        Invalid: it is none.
    """
    try:
        return UUID(request.form.get(name, ""))
    except ValueError:
        raise Invalid(FieldError(name, "invalid", t("form.choose"))) from None


def identities(name: str) -> list[UUID]:
    """The UUIDs of ticked boxes, in the order of the page.

    Raises:
        Invalid: nothing is ticked, or a value is no UUID.
    """
    try:
        found = [UUID(value) for value in request.form.getlist(name)]
    except ValueError:
        raise Invalid(FieldError(name, "invalid", t("form.choose"))) from None
    if not found:
        raise Invalid(FieldError(name, "required", t("form.choose")))
    return found


def whole(name: str, *, least: int = 0, most: int, default: int | None = None) -> int:
    """A whole number; dots and spaces between digits are allowed, as people write amounts.

    Raises:
        Invalid: missing without a default, no number, or out of bounds.
    """
    sent = request.form.get(name, "").strip()
    if not sent and default is not None:
        return default
    digits = sent.replace(".", "").replace(" ", "").replace("\xa0", "").removesuffix("đ")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15 and least <= int(digits) <= most):
        raise Invalid(FieldError(name, "invalid", t("form.whole", least=least, most=most, found=sent[:30])))
    return int(digits)


def dong(name: str, *, default: int | None = None) -> int:
    """An amount of money in whole dong.

    Raises:
        Invalid: as `whole`.
    """
    return whole(name, most=MOST_DONG, default=default)


def day(name: str) -> date | None:
    """A day of a date field, None when it is empty.

    Raises:
        Invalid: no day.
    """
    sent = request.form.get(name, "").strip()
    if not sent:
        return None
    try:
        return date.fromisoformat(sent)
    except ValueError:
        raise Invalid(FieldError(name, "invalid", t("form.day", found=sent[:30]))) from None


def clock(name: str) -> int | None:
    """A time of day as seconds from midnight, None when it is empty.

    Raises:
        Invalid: no time of day.
    """
    sent = request.form.get(name, "").strip()
    if not sent:
        return None
    try:
        found = time.fromisoformat(sent)
    except ValueError:
        raise Invalid(FieldError(name, "invalid", t("form.clock", found=sent[:30]))) from None
    return found.hour * 3600 + found.minute * 60


def degrees(name: str) -> float | None:
    """A latitude or longitude with a point or a comma; None when it is empty.

    Raises:
        Invalid: no such number.
    """
    sent = request.form.get(name, "").strip().replace(",", ".")
    if not sent:
        return None
    try:
        found = float(sent)
    except ValueError:
        found = float("nan")
    if not -180 <= found <= 180:
        raise Invalid(FieldError(name, "invalid", t("form.degrees", found=sent[:30])))
    return found


def local_path(sent: str | None) -> str:
    """Where to go next, only ever within this site; `/` for anything else."""
    if not sent or not sent.startswith("/") or not sent.isascii() or not sent.isprintable() or "\\" in sent:
        return "/"
    parts = urlsplit(sent)
    return sent if not parts.scheme and not parts.netloc and not sent.startswith("//") else "/"


def once(view: View) -> View:
    """The same form twice is one act: the hidden field `key` brings the first answer back. Other content gets a fresh try."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        key = request.form.get("key", "")
        try:
            key = str(UUID(key))
        except ValueError:
            raise Invalid(FieldError("key", "required", t("form.load_again"))) from None
        office, holder = desk(), caller_key()
        body = request.path + repr(sorted((n, v) for n, v in request.form.items(multi=True) if n != "csrf_token"))
        found = answers.claim(
            office.database,
            office.settings.secrets,
            caller=holder,
            key=key,
            body_hash=sha256(body.encode()).hexdigest(),
            at=now(),
        )
        if isinstance(found, answers.StoredAnswer):
            return Response(found.body, found.status, headers=dict(found.headers))
        if found is not answers.Claim.OURS:
            raise Invalid(FieldError("key", "used", t("form.load_again")))
        kept = False
        try:
            answer = current_app.make_response(view(*args, **kwargs))
            # Only what took effect is kept; a refused form may be corrected and sent again.
            if answer.status_code == 303:
                headers = {
                    name: value for name, value in answer.headers.items() if name in ("Content-Type", "Location")
                }
                stored = answers.StoredAnswer(answer.status_code, answer.get_data(as_text=True), headers)
                answers.keep(office.database, office.settings.secrets, caller=holder, key=key, answer=stored)
                kept = True
            return answer
        finally:
            if not kept:
                answers.release(office.database, caller=holder, key=key)

    return guarded  # type: ignore[return-value]  # `wraps` keeps the signature
