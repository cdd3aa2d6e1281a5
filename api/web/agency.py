"""The pages of an agency's connection: its programs (an admin's), and its webhooks with what was never taken (both)."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from courier import staffing, webhooks
from courier.domain.errors import FieldError, Invalid, Refused, Stale
from courier.domain.people import Role, Scope
from courier.domain.webhooks import TYPES

blueprint = page.pages("agency_pages", __name__)

_MOST_VERSION: Final = 2**31 - 1
_SHOWN: Final = 100
_AGAIN: Final = {"day": timedelta(days=1), "week": timedelta(days=7)}


# ----------------------------------------------------------------------------------------------------------- programs
@blueprint.get("/a/agencies/<uuid:agency_id>/clients")
@roles("admin")
def clients(agency_id: UUID) -> Response:
    """An agency's programs, and a form for one more."""
    return _clients_page(agency_id)


def _clients_page(agency_id: UUID, trouble: Trouble | None = None, **shown: Any) -> Response:
    return page.show(
        "admin/clients.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        agency=staffing.agency_card(desk(), caller(), agency_id),
        programs=staffing.list_clients(desk(), caller(), agency_id),
        scopes=[scope.value for scope in Scope],
        **{"secret": None, "client_id": None} | shown,
    )


@blueprint.post("/a/agencies/<uuid:agency_id>/clients")
@roles("admin")
def create_client(agency_id: UUID) -> Response:
    """Enter a program; its secret is shown on this answer and never again."""
    try:
        found, secret = staffing.create_client(
            desk(),
            caller(),
            agency_id,
            name=forms.required("name", at_most=200),
            scopes=request.form.getlist("scopes"),
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _clients_page(agency_id, Trouble.of(fault))
    return _clients_page(agency_id, secret=secret, client_id=found.staff.login)


@blueprint.post("/a/clients/<uuid:client_id>")
@roles("admin")
def change_client(client_id: UUID) -> Response:
    """A new secret, or the end of a program."""
    found = staffing.client_card(desk(), caller(), client_id)
    agency_id = found.staff.agency_id
    if agency_id is None:
        raise LookupError(f"program {client_id} has no agency")
    try:
        if request.form.get("do") == "revoke":
            staffing.revoke_client(desk(), caller(), client_id, at=now())
            return page.go("agency_pages.clients", agency_id=agency_id, done="saved")
        if request.form.get("do") != "rotate":
            raise Invalid(FieldError("do", "invalid", t("form.choose")))
        found, secret = staffing.rotate_secret(desk(), caller(), client_id, at=now())
    except (Invalid, Refused) as fault:
        return _clients_page(agency_id, Trouble.of(fault))
    return _clients_page(agency_id, secret=secret, client_id=found.staff.login)


# ----------------------------------------------------------------------------------------------------------- webhooks
@blueprint.get("/webhooks")
@roles("agency", "admin")
def hooks() -> Response:
    """Where agencies' systems hear of their items, and what they have not taken."""
    return _hooks_page()


def _hooks_page(trouble: Trouble | None = None, *, secret: str | None = None) -> Response:
    is_admin = caller().role is Role.ADMIN
    agencies = staffing.list_agencies(desk(), caller(), after=None, limit=200) if is_admin else []
    return page.show(
        "webhooks/all.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        hooks=webhooks.list_endpoints(desk(), caller()),
        agencies=agencies,
        names={agency.id: agency.name for agency in agencies},
        types=TYPES,
        secret=secret,
    )


@blueprint.post("/webhooks")
@roles("agency", "admin")
def create_hook() -> Response:
    """Enter an address; its signing secret is shown on this answer and never again."""
    try:
        _, secret = webhooks.register(
            desk(),
            caller(),
            url=forms.required("url", at_most=2000),
            types=request.form.getlist("types"),
            agency_id=forms.identity("agency") if caller().role is Role.ADMIN else None,
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _hooks_page(Trouble.of(fault))
    return _hooks_page(secret=secret)


@blueprint.get("/webhooks/<uuid:webhook_id>")
@roles("agency", "admin")
def hook(webhook_id: UUID) -> Response:
    """One address: what was never taken, what is on its way, what came last."""
    return _hook_page(webhook_id)


def _hook_page(webhook_id: UUID, trouble: Trouble | None = None, *, secret: str | None = None) -> Response:
    def some(state: str) -> list[dict[str, Any]]:
        found = webhooks.list_notices(desk(), caller(), webhook_id, state=state, before=None, limit=_SHOWN)
        return webhooks.stored(found)

    return page.show(
        "webhooks/one.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        hook=webhooks.get_endpoint(desk(), caller(), webhook_id),
        lists=[(state, some(state)) for state in ("dead", "pending", "delivered")],
        most=_SHOWN,
        secret=secret,
    )


@blueprint.post("/webhooks/<uuid:webhook_id>")
@roles("agency", "admin")
def change_hook(webhook_id: UUID) -> Response:
    """Try it, send again, give a new secret, switch it off or on, take it away."""
    do, who = request.form.get("do", ""), (desk(), caller(), webhook_id)
    secret = None
    try:
        if do == "ping":
            webhooks.ping(*who, at=now())
        elif do == "replay":
            webhooks.replay(*who, notice_id=forms.identity("notice"), at=now())
        elif do in _AGAIN:
            webhooks.replay(*who, since=now() - _AGAIN[do], at=now())
        elif do == "secret":
            _, secret = webhooks.rotate(*who, at=now())
        elif do in ("on", "off"):
            version = forms.whole("version", most=_MOST_VERSION)
            webhooks.change(*who, active=do == "on", version=version, at=now())
        elif do == "remove":
            webhooks.remove(*who, version=forms.whole("version", most=_MOST_VERSION), at=now())
            return page.go("agency_pages.hooks", done="saved")
        else:
            webhooks.get_endpoint(*who)
            raise Invalid(FieldError("do", "invalid", t("form.choose")))
    except (Invalid, Refused, Stale) as fault:
        return _hook_page(webhook_id, Trouble.of(fault))
    if secret is not None:
        return _hook_page(webhook_id, secret=secret)
    return page.go("agency_pages.hook", webhook_id=webhook_id, done="saved")
