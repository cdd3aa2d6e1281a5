"""The form in which a wish is filed, by a citizen, a desk or a postman: what it says, as the API takes it."""

from typing import Any, Final

from flask import request

from api.conventions import desk
from api.web import forms, texts
from courier import tracking
from courier.domain.errors import FieldError, Invalid, Refused

WISHES: Final = ("reschedule", "instruct", "authorise", "redirect", "pick_up")


def wish_kind() -> str:
    """What kind of change a form asks for.

    Raises:
        Invalid: it is none of ours.
    """
    kind = request.form.get("kind", "")
    if kind not in WISHES:
        raise Invalid(FieldError("kind", "invalid", kind[:30]))
    return kind


def wish_body() -> dict[str, Any]:
    """A change request as the API takes it, read from a form.

    Raises:
        Invalid: the kind is none of ours, or a text is too long.
    """
    kind = wish_kind()
    return {
        "kind": kind,
        "slot": forms.text("slot", at_most=100) or None,
        "office": forms.identity("office") if request.form.get("office") else None,
        "address": forms.text("address") or None,
        "person": forms.text("person", at_most=200) or None,
        "text": forms.text("text") or None,
        "landmark": forms.text("landmark", at_most=200) or None,
        "lat": forms.degrees("lat"),
        "lon": forms.degrees("lon"),
        "call_first": request.form.get("call_first") == "1",
        "photo": _photo_sent(kind),
    }


def _photo_sent(kind: str) -> str | None:
    """The digest of the picture of the gate that came with the form, put away; None when there is none."""
    sent = request.files.get("photo") if kind == "instruct" else None
    body = sent.read() if sent is not None else b""
    try:
        return tracking.put_away_photo(desk(), body) if body else None
    except Refused as fault:
        raise Invalid(FieldError("photo", fault.code, texts.refusal(fault.code, fault.sentence))) from fault
