"""Every route x every role x another office's object, against the written table below.

The table is the matrix of the house, route by route. A route that is not in it fails the first test, so whoever adds a route
writes down who may call it. What is walked:

* nobody signed in: 401 (a page sends people to the sign-in);
* a role that is not in the row: 403;
* a role in the row, its own object: anything but 401, 403, 404 and 5xx;
* a role in the row, another office's (agency's, postman's) object: 404 and nothing changed;
* a role with the note `all`: another office's object like its own;
* and no answer to anybody but an admin holds the id of another office's object.
"""

import io
import re
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from courier import complaints, prepaying, privacy
from courier.domain.citizen_rights import Trouble, Wish
from courier.domain.people import Role
from courier.phones import media
from courier.store import envelopes, links
from courier.store.tables import (
    Agency,
    AgencyClient,
    CitedMedia,
    Device,
    DutyChange,
    EventOfItem,
    ImportBatch,
    Incident,
    Item,
    Message,
    Plan,
    PlanRelief,
    Route,
    Staff,
    StagedList,
    Stop,
    StopItem,
    Table,
    Vehicle,
    WebhookEndpoint,
)
from tests.api.conftest import Person, enlist, sign
from tests.builders import DAY, MORNING, House

P, D, C, K, A, G = "postman", "dispatcher", "cashier", "clerk", "admin", "agency"
EVERYBODY = (P, D, C, K, A, G)
PUBLIC: tuple[str, ...] = ()
V1 = "/api/v1"
VERSION = {"If-Match": '"1"'}


@dataclass(frozen=True)
class Row:
    """Who may call a route. `body` (`bodies` for a role) and `form` reach the use case; no office limits `all_offices`."""

    may: tuple[str, ...]
    body: Any = None
    bodies: dict[str, Any] = field(default_factory=dict)
    form: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    all_offices: tuple[str, ...] = (A,)
    page: bool = False


def page(*may: str, form: dict[str, str] | None = None) -> Row:
    return Row(may, form=form, page=True)


RECEIVED, BROUGHT_BACK, SIGNED = ({"type": kind, "data": {}} for kind in ("received", "brought_back", "agency_signed"))
VEHICLE = {"name": "Xe ba", "mode": "boat", "capacity_items": 20}
VEHICLE_FORM = {"name": "Xe bốn", "mode": "boat", "capacity_items": "20"}
USUAL = {"vehicle": "00000000-0000-0000-0000-000000000000", "shift_start": "07:30", "shift_end": "17:00"}
FAR = DAY + timedelta(days=40)
CLOSED = {"kind": "closed", "first_day": FAR.isoformat()}
WISH = {"kind": "instruct", "text": "Gọi trước khi đến"}

TABLE: dict[str, Row] = {
    # sign-in and one's own account
    f"POST {V1}/sessions": Row(PUBLIC),
    f"DELETE {V1}/sessions/current": Row(EVERYBODY),
    f"GET {V1}/me": Row(EVERYBODY),
    f"POST {V1}/me/password": Row(EVERYBODY),
    f"POST {V1}/me/authenticator": Row(EVERYBODY),
    f"PUT {V1}/me/authenticator": Row(EVERYBODY),
    # the postman's day
    f"GET {V1}/me/route": Row((P,)),
    f"POST {V1}/sync": Row((P,)),
    f"GET {V1}/sync/bag": Row((P,)),
    f"POST {V1}/sync/rescue": Row((P, D)),
    # phones
    f"POST {V1}/devices": Row((P,)),
    f"GET {V1}/devices": Row((D, A)),
    f"DELETE {V1}/devices/<uuid:device_id>": Row((D, A)),
    f"PATCH {V1}/media/<string:digest>": Row((P,)),
    f"GET {V1}/media/<string:digest>": Row((D, C)),
    # items: own route, own office, own office, own office, all, own batches
    f"GET {V1}/items": Row((P, D, C, K, A, G)),
    f"GET {V1}/items/<uuid:item_id>": Row((P, D, C, K, A, G)),
    f"GET {V1}/items/<uuid:item_id>/events": Row((P, D, C, K, A, G)),
    f"POST {V1}/items/<uuid:item_id>/events": Row((D, C, K, A, G), body=RECEIVED, bodies={C: BROUGHT_BACK, G: SIGNED}),
    f"PUT {V1}/items/<uuid:item_id>/address": Row((D, K, A), body={"commune": "32059"}, headers=VERSION),
    f"GET {V1}/items/<uuid:item_id>/slots": Row((P, D, K, A)),
    f"GET {V1}/items/<uuid:item_id>/gate-photo": Row((P, D, K, A)),
    f"POST {V1}/items/<uuid:item_id>/change-requests": Row((P, D, K, A), body=WISH),
    # what comes in
    f"POST {V1}/imports": Row((D, K, A, G), body={"rows": []}),
    f"GET {V1}/imports": Row((D, K, A, G)),
    f"GET {V1}/imports/<uuid:import_id>": Row((D, K, A, G)),
    f"GET {V1}/imports/template.xlsx": Row((D, K, A, G)),
    f"POST {V1}/imports/<uuid:import_id>/undo": Row((D, K, A, G)),
    f"POST {V1}/imports/staged": Row((D, K, A, G), body={"rows": []}),
    f"GET {V1}/imports/staged/<uuid:list_id>": Row((D, K, A, G)),
    f"GET {V1}/imports/staged/<uuid:list_id>/rows": Row((D, K, A, G)),
    f"PATCH {V1}/imports/staged/<uuid:list_id>/rows": Row((D, K, A, G), body={"rows": {}}, headers=VERSION),
    f"GET {V1}/imports/staged/<uuid:list_id>/failed.xlsx": Row((D, K, A, G)),
    f"PUT {V1}/imports/staged/<uuid:list_id>/failed.xlsx": Row((D, K, A, G), headers=VERSION),
    f"PUT {V1}/imports/staged/<uuid:list_id>/columns": Row((D, K, A, G), body={"columns": {}}, headers=VERSION),
    f"POST {V1}/imports/staged/<uuid:list_id>/commit": Row((D, K, A, G), headers=VERSION),
    f"DELETE {V1}/imports/staged/<uuid:list_id>": Row((D, K, A, G), headers=VERSION),
    # webhooks: an agency's own, an admin's all
    f"GET {V1}/webhooks": Row((A, G)),
    f"POST {V1}/webhooks": Row((A, G), body={"url": "http://127.0.0.1/"}),
    f"GET {V1}/webhooks/<uuid:webhook_id>": Row((A, G)),
    f"PATCH {V1}/webhooks/<uuid:webhook_id>": Row((A, G), body={}, headers=VERSION),
    f"DELETE {V1}/webhooks/<uuid:webhook_id>": Row((A, G), headers=VERSION),
    f"POST {V1}/webhooks/<uuid:webhook_id>/secret": Row((A, G)),
    f"POST {V1}/webhooks/<uuid:webhook_id>/ping": Row((A, G)),
    f"GET {V1}/webhooks/<uuid:webhook_id>/notices": Row((A, G)),
    f"POST {V1}/webhooks/<uuid:webhook_id>/replay": Row((A, G), body={"since": MORNING.isoformat()}),
    # an agency's reports
    f"GET {V1}/reports/dossiers": Row((A, G)),
    f"GET {V1}/reports/days": Row((A, G)),
    f"GET {V1}/reports/dossiers.csv": Row((A, G)),
    f"GET {V1}/reports/dossiers.xlsx": Row((A, G)),
    # agencies' programs
    f"POST {V1}/token": Row(PUBLIC),
    f"GET {V1}/agencies/<uuid:agency_id>/clients": Row((A,)),
    f"POST {V1}/agencies/<uuid:agency_id>/clients": Row((A,), body={"name": "Thử", "scopes": ["items:read"]}),
    f"GET {V1}/clients/<uuid:client_id>": Row((A,)),
    f"PATCH {V1}/clients/<uuid:client_id>": Row((A,), body={}, headers=VERSION),
    f"POST {V1}/clients/<uuid:client_id>/secret": Row((A,)),
    f"DELETE {V1}/clients/<uuid:client_id>": Row((A,)),
    # plans
    f"POST {V1}/plans": Row((D, A), body={"date": DAY.isoformat()}),
    f"GET {V1}/plans": Row((D, C, A)),
    f"GET {V1}/plans/<uuid:plan_id>": Row((D, C, A)),
    f"GET {V1}/plans/<uuid:plan_id>/unplanned": Row((D, C, A)),
    f"POST {V1}/plans/<uuid:plan_id>/edits": Row((D, A), body={"kind": "undo"}, headers=VERSION),
    f"GET {V1}/plans/<uuid:plan_id>/edits": Row((D, C, A)),
    f"POST {V1}/plans/<uuid:plan_id>/stop": Row((D, A)),
    f"POST {V1}/plans/<uuid:plan_id>/copy": Row((D, A)),
    f"POST {V1}/plans/<uuid:plan_id>/publish": Row((D, A), headers=VERSION),
    # who works when
    f"GET {V1}/crew": Row((D, A)),
    f"POST {V1}/crew/changes": Row((D, A), body={"kind": "leave", "first_day": DAY.isoformat()}),
    f"GET {V1}/crew/changes/<uuid:change_id>": Row((D, A)),
    f"PUT {V1}/crew/changes/<uuid:change_id>": Row((D, A), body=CLOSED, headers=VERSION),
    f"DELETE {V1}/crew/changes/<uuid:change_id>": Row((D, A), headers=VERSION),
    f"PUT {V1}/crew/<uuid:postman_id>/usual": Row((D, A), body=USUAL, headers=VERSION),
    f"POST {V1}/crew/vehicles": Row((D, A), body=VEHICLE),
    f"PUT {V1}/crew/vehicles/<uuid:vehicle_id>": Row((D, A), body=VEHICLE, headers=VERSION),
    f"PUT {V1}/crew/<uuid:postman_id>/beat": Row((D, A), body={"communes": []}, headers=VERSION),
    # what became of it
    f"GET {V1}/reports/day": Row((D, A)),
    f"GET {V1}/reports/month": Row((D, A)),
    f"GET {V1}/plans/<uuid:plan_id>/explanation": Row((D, C, A)),
    f"POST {V1}/plans/<uuid:plan_id>/offers": Row(
        (D, A), headers=VERSION, body={"item": "0190a1b2-0000-7000-8000-000000000001", "offer": "room"}
    ),
    f"DELETE {V1}/plans/<uuid:plan_id>/reliefs/<uuid:relief_id>": Row((D, A), headers=VERSION),
    f"GET {V1}/plans/<uuid:plan_id>/difference": Row((D, C, A)),
    # the running day
    f"GET {V1}/live": Row((D, C, A)),
    f"POST {V1}/plans/<uuid:plan_id>/replan": Row((D, A), body={}, headers=VERSION),
    f"POST {V1}/plans/<uuid:plan_id>/breakdown": Row((D, A), body={"postman": "<postman_id>"}, headers=VERSION),
    f"GET {V1}/plans/<uuid:plan_id>/changes": Row((D, C, A)),
    f"POST {V1}/plans/<uuid:plan_id>/insertions": Row((D, A), body={"item": "<item_id>"}, headers=VERSION),
    f"PUT {V1}/plans/<uuid:plan_id>/insertions/<uuid:item_id>": Row(
        (D, A), body={"postman": "<postman_id>"}, headers=VERSION
    ),
    # money
    f"GET {V1}/cash": Row((C,)),
    f"GET {V1}/cash/<uuid:postman_id>/<day:day>": Row((P, C, A)),
    f"POST {V1}/remittances": Row((C,)),
    f"GET {V1}/transfers": Row((C,)),
    f"POST {V1}/transfers/confirmations": Row((C,)),
    f"GET {V1}/payables": Row((C,)),
    f"POST {V1}/payouts": Row((C,)),
    # trouble
    f"GET {V1}/incidents": Row((D, C, K, A)),
    f"POST {V1}/incidents/<uuid:incident_id>/assign": Row((D, C, A), body={}),
    f"POST {V1}/incidents/<uuid:incident_id>/close": Row((D, C, A), body={"resolution": "Đã xem"}),
    f"GET {V1}/quarantine": Row((D, A)),
    # messages to citizens
    f"GET {V1}/messages": Row((D, A)),
    f"POST {V1}/messages/<uuid:message_id>/retry": Row((D, A)),
    f"POST {V1}/receipts/<string:channel>": Row(PUBLIC),
    "GET /d/messages": page(D, A),
    "POST /d/messages/<uuid:message_id>": page(D, A, form={}),
    # the admin's desk
    f"GET {V1}/staff": Row((A,)),
    f"POST {V1}/staff": Row((A,)),
    f"GET {V1}/staff/<uuid:staff_id>": Row((A,)),
    f"PATCH {V1}/staff/<uuid:staff_id>": Row((A,), body={}, headers=VERSION),
    f"POST {V1}/staff/<uuid:staff_id>/password": Row((A,), headers=VERSION),
    f"GET {V1}/calendar": Row((A,)),
    f"PUT {V1}/calendar/<day:day>": Row((A,), body={"works": False, "reason": "Bão"}),
    f"DELETE {V1}/calendar/<day:day>": Row((A,)),
    f"GET {V1}/offices": Row((A,)),
    f"POST {V1}/offices": Row((A,)),
    f"GET {V1}/offices/<uuid:office_id>": Row((A,)),
    f"PATCH {V1}/offices/<uuid:office_id>": Row((A,), body={}, headers=VERSION),
    f"GET {V1}/agencies": Row((A,)),
    f"POST {V1}/agencies": Row((A,)),
    f"GET {V1}/agencies/<uuid:agency_id>": Row((A,)),
    f"PATCH {V1}/agencies/<uuid:agency_id>": Row((A,), body={}, headers=VERSION),
    f"GET {V1}/document-types": Row((A,)),
    # complaints
    f"GET {V1}/public/items/<string:token>/complaints": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/complaints": Row(PUBLIC),
    f"POST {V1}/items/<uuid:item_id>/complaints": Row((D, K, A), body={"kind": "late", "text": "Chậm"}),
    f"GET {V1}/complaints": Row((D, A)),
    f"PUT {V1}/public/items/<string:token>/complaints/<string:number>/photo": Row(PUBLIC),
    f"GET {V1}/complaints/<uuid:complaint_id>": Row((D, A)),
    f"GET {V1}/complaints/<uuid:complaint_id>/photo": Row((D, A)),
    f"POST {V1}/complaints/<uuid:complaint_id>/answer": Row((D, A), body={"answer": "Đã xem"}, headers=VERSION),
    # ratings
    f"GET {V1}/public/items/<string:token>/rating": Row(PUBLIC),
    f"PUT {V1}/public/items/<string:token>/rating": Row(PUBLIC),
    f"GET {V1}/reports/ratings": Row((D, A)),
    # paying before the visit
    f"GET {V1}/public/items/<string:token>/payment": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/payment/orders": Row(PUBLIC),
    f"GET {V1}/bank-notices": Row((C,)),
    f"POST {V1}/bank-notices": Row((C,)),
    f"POST {V1}/bank-notices/<uuid:notice_id>/refund": Row((C,)),
    # stored data
    f"GET {V1}/public/items/<string:token>/data": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/data/requests": Row(PUBLIC),
    f"GET {V1}/data-requests": Row((A,)),
    f"POST {V1}/data-requests/<uuid:request_id>/decision": Row(
        (A,), body={"grant": False, "reason": "Đã xem"}, headers=VERSION
    ),
    # the optimiser
    f"POST {V1}/optimize": Row((D, A, G), body={"vehicles": [], "jobs": []}),
    # the citizen's link, and what machines ask
    f"GET {V1}/public/items/<string:token>": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/verify": Row(PUBLIC),
    f"GET {V1}/public/items/<string:token>/slots": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/codes": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/slot-holds": Row(PUBLIC),
    f"PUT {V1}/public/items/<string:token>/gate-photo": Row(PUBLIC),
    f"POST {V1}/public/items/<string:token>/change-requests": Row(PUBLIC),
    f"GET {V1}/livez": Row(PUBLIC),
    f"GET {V1}/readyz": Row(PUBLIC),
    "GET /livez": Row(PUBLIC),
    "GET /readyz": Row(PUBLIC),
    "GET /metrics": Row(PUBLIC),
    "GET /api/openapi.json": Row(PUBLIC),
    "GET /api/docs": Row(PUBLIC),
    "GET /api/docs/start.js": Row(PUBLIC),
    # pages for everybody
    "GET /": Row(PUBLIC),
    "GET /sign-in": Row(PUBLIC),
    "POST /sign-in": Row(PUBLIC),
    "POST /language": Row(PUBLIC),
    "GET /tracking": Row(PUBLIC),
    "GET /t/<string:token>": Row(PUBLIC),
    "POST /t/<string:token>/verify": Row(PUBLIC),
    "POST /t/<string:token>/code": Row(PUBLIC),
    "POST /t/<string:token>/codes": Row(PUBLIC),
    "POST /t/<string:token>/holds": Row(PUBLIC),
    "POST /t/<string:token>/wishes": Row(PUBLIC),
    "GET /t/<string:token>/complaint": Row(PUBLIC),
    "GET /t/<string:token>/messages": Row(PUBLIC),
    "POST /t/<string:token>/messages": Row(PUBLIC),
    "POST /t/<string:token>/complaint": Row(PUBLIC),
    "GET /t/<string:token>/rating": Row(PUBLIC),
    "POST /t/<string:token>/rating": Row(PUBLIC),
    "GET /t/<string:token>/pay": Row(PUBLIC),
    "POST /t/<string:token>/pay": Row(PUBLIC),
    "GET /t/<string:token>/data": Row(PUBLIC),
    "GET /t/<string:token>/data.json": Row(PUBLIC),
    "POST /t/<string:token>/data": Row(PUBLIC),
    "GET /sketch.json": Row(PUBLIC),
    "GET /phone": Row(PUBLIC),
    "GET /phone/sw.js": Row(PUBLIC),
    "GET /phone/manifest.webmanifest": Row(PUBLIC),
    "GET /phone/<string:build>/<string:name>": Row(PUBLIC),
    "GET /password": page(*EVERYBODY),
    "POST /password": page(*EVERYBODY, form={}),
    "POST /sign-out": page(*EVERYBODY, form={}),
    # the postman's pages
    "GET /p": page(P),
    "GET /p/evening": page(P),
    "POST /p/take-out": page(P, form={}),
    "POST /phone/sign-out": page(P, form={}),
    "POST /p/bring-back": page(P, form={}),
    "GET /p/stops/<uuid:stop_id>": page(P),
    "GET /p/stops/<uuid:stop_id>/failed": page(P),
    "POST /p/stops/<uuid:stop_id>/failed": page(P, form={}),
    "POST /p/stops/<uuid:stop_id>/fetch": page(P, form={}),
    "POST /p/stops/<uuid:stop_id>/handover": page(P, form={}),
    "POST /p/stops/<uuid:stop_id>/undo": page(P, form={}),
    "GET /p/stops/<uuid:stop_id>/wishes/<uuid:item_id>": page(P),
    "POST /p/stops/<uuid:stop_id>/wishes/<uuid:item_id>": page(P, form={}),
    # the dispatcher's pages
    "GET /d": page(D),
    "GET /d/addresses": page(D),
    "GET /d/addresses/<uuid:item_id>": page(D),
    "POST /d/addresses/<uuid:item_id>": page(D, form={"commune": "32059", "version": "1"}),
    "GET /d/imports": page(D),
    "POST /d/imports": page(D, form={}),
    "GET /d/imports/<uuid:import_id>": page(D),
    "POST /d/imports/<uuid:import_id>/undo": page(D, form={}),
    "GET /d/imports/lists/<uuid:list_id>": page(D),
    "GET /d/imports/lists/<uuid:list_id>/rows/<int:number>": page(D),
    "GET /d/imports/lists/<uuid:list_id>/failed.xlsx": page(D),
    "POST /d/imports/lists/<uuid:list_id>/columns": page(D, form={"version": "1"}),
    "POST /d/imports/lists/<uuid:list_id>/rows": page(D, form={"version": "1"}),
    "POST /d/imports/lists/<uuid:list_id>/failed": page(D, form={"version": "1"}),
    "POST /d/imports/lists/<uuid:list_id>/commit": page(D, form={"version": "1"}),
    "POST /d/imports/lists/<uuid:list_id>/discard": page(D, form={"version": "1"}),
    "GET /d/incidents": page(D),
    "POST /d/incidents/<uuid:incident_id>/assign": page(D, form={}),
    "POST /d/incidents/<uuid:incident_id>": page(D, form={"resolution": "Đã xem"}),
    "GET /d/items": page(D),
    "GET /d/phones": page(D),
    "POST /d/phones/rescue": page(D, form={}),
    "POST /d/phones/<uuid:device_id>/revoke": page(D, form={}),
    "GET /d/complaints": page(D, A),
    "GET /d/complaints/<uuid:complaint_id>": page(D, A),
    "POST /d/complaints/<uuid:complaint_id>": page(D, A, form={"version": "1", "answer": "Đã xem"}),
    "GET /items/<uuid:item_id>/complaint": page(D, K, A),
    "POST /items/<uuid:item_id>/complaint": page(D, K, A, form={"kind": "late", "text": "Chậm"}),
    "GET /d/ratings": page(D, A),
    "GET /d/live": page(D),
    "GET /d/live/board": page(D),
    "POST /d/live/<uuid:plan_id>/replan": page(D, form={"version": "1"}),
    "POST /d/live/<uuid:plan_id>/breakdown/<uuid:postman_id>": page(D, form={"version": "1"}),
    "GET /d/live/<uuid:plan_id>/changes": page(D),
    "GET /d/live/<uuid:plan_id>/insert": page(D),
    "POST /d/live/<uuid:plan_id>/insert/<uuid:item_id>": page(D, form={"version": "1", "postman": "<postman_id>"}),
    "POST /d/plans": page(D, form={}),
    "GET /d/plans/<uuid:plan_id>": page(D),
    "POST /d/plans/<uuid:plan_id>/edits": page(D, form={"version": "1", "act": "undo"}),
    "POST /d/plans/<uuid:plan_id>/copy": page(D, form={}),
    "POST /d/plans/<uuid:plan_id>/stop": page(D, form={}),
    "POST /d/plans/<uuid:plan_id>/publish": page(D, form={"version": "1"}),
    "GET /d/crew": page(D, A),
    "GET /d/crew/changes/new": page(D, A),
    "POST /d/crew/changes": page(D, A, form={"kind": "leave"}),
    "GET /d/crew/changes/<uuid:change_id>": page(D, A),
    "POST /d/crew/changes/<uuid:change_id>": page(D, A, form={"version": "1", "first_day": FAR.isoformat()}),
    "GET /d/crew/vehicles/new": page(D, A),
    "POST /d/crew/vehicles": page(D, A, form={"name": "Xe thử"}),
    "GET /d/crew/vehicles/<uuid:vehicle_id>": page(D, A),
    "POST /d/crew/vehicles/<uuid:vehicle_id>": page(D, A, form={"version": "1", **VEHICLE_FORM}),
    "GET /d/crew/<uuid:postman_id>": page(D, A),
    "POST /d/crew/<uuid:postman_id>": page(D, A, form={"version": "1", "shift_start": "07:30", "shift_end": "17:00"}),
    "POST /d/crew/<uuid:postman_id>/beat": page(D, A, form={"version": "1"}),
    "GET /d/reports/day": page(D, A),
    "GET /d/reports/day.xlsx": page(D, A),
    "GET /d/reports/month": page(D, A),
    "GET /d/reports/month.xlsx": page(D, A),
    "GET /d/plans/<uuid:plan_id>/left-out": page(D),
    "GET /d/plans/<uuid:plan_id>/reasons": page(D),
    "POST /d/plans/<uuid:plan_id>/offers": page(
        D, form={"version": "1", "item": "0190a1b2-0000-7000-8000-000000000001", "offer": "room"}
    ),
    "POST /d/plans/<uuid:plan_id>/reliefs/<uuid:relief_id>": page(D, form={"version": "1"}),
    "GET /d/plans/<uuid:plan_id>/compare/<uuid:other_id>": page(D),
    "GET /d/plans/<uuid:plan_id>/sheet": page(D),
    "GET /d/plans/<uuid:plan_id>/labels": page(D),
    "GET /d/plans/<uuid:plan_id>/plan.xlsx": page(D),
    # the cashier's pages
    "GET /c": page(C),
    "GET /c/<uuid:postman_id>": page(C),
    "POST /c/<uuid:postman_id>": page(C, form={"n500000": "0"}),
    "GET /c/incidents": page(C),
    "POST /c/incidents/<uuid:incident_id>/assign": page(C, form={}),
    "POST /c/incidents/<uuid:incident_id>": page(C, form={"resolution": "Đã xem"}),
    "GET /c/payables": page(C),
    "POST /c/payables": page(C, form={}),
    "GET /c/prepayments": page(C),
    "POST /c/prepayments": page(C, form={}),
    "POST /c/prepayments/<uuid:notice_id>/refund": page(C, form={}),
    "GET /c/transfers": page(C),
    "POST /c/transfers": page(C, form={}),
    # items on pages, the clerk's counter
    "GET /items/<uuid:item_id>": page(D, C, K, A),
    "POST /items/<uuid:item_id>/acts": page(D, K, A, form={"act": "received"}),
    "GET /items/<uuid:item_id>/pick-up": page(D, K),
    "POST /items/<uuid:item_id>/pick-up": page(D, K, form={}),
    "POST /items/<uuid:item_id>/wishes": page(D, K, A, form={"kind": "instruct", "text": "Gọi trước"}),
    "GET /k": page(K),
    # the admin's and the agency's pages
    "GET /a": page(A),
    "GET /a/agencies": page(A),
    "POST /a/agencies": page(A, form={}),
    "POST /a/agencies/<uuid:agency_id>": page(A, form={}),
    "GET /a/agencies/<uuid:agency_id>/clients": page(A),
    "POST /a/agencies/<uuid:agency_id>/clients": page(A, form={}),
    "POST /a/clients/<uuid:client_id>": page(A, form={}),
    "GET /webhooks": page(A, G),
    "POST /webhooks": page(A, G, form={}),
    "GET /webhooks/<uuid:webhook_id>": page(A, G),
    "POST /webhooks/<uuid:webhook_id>": page(A, G, form={"do": "week"}),
    "GET /a/facts": page(A),
    "GET /a/calendar": page(A),
    "POST /a/calendar": page(A, form={}),
    "POST /a/calendar/<day:day>/withdraw": page(A, form={}),
    "GET /a/requests": page(A),
    "POST /a/requests/<uuid:request_id>": page(A, form={"grant": "0", "reason": "Đã xem", "version": "1"}),
    "GET /a/offices": page(A),
    "POST /a/offices": page(A, form={}),
    "POST /a/offices/<uuid:office_id>": page(A, form={}),
    "GET /a/people/new": page(A),
    "POST /a/people/new": page(A, form={}),
    "GET /a/people/<uuid:staff_id>": page(A),
    "POST /a/people/<uuid:staff_id>": page(A, form={}),
    "POST /a/people/<uuid:staff_id>/password": page(A, form={}),
    "GET /agency": page(G),
}

# An office, a postman or an event of another office inside the query or the body.
INSIDE: list[tuple[str, str, str, dict[str, Any]]] = [
    (G, "GET", f"{V1}/reports/dossiers", {"query_string": {"agency": "<agency_id>"}}),
    (G, "GET", f"{V1}/reports/dossiers.csv", {"query_string": {"agency": "<agency_id>"}}),
    (G, "GET", f"{V1}/reports/dossiers.xlsx", {"query_string": {"agency": "<agency_id>"}}),
    (G, "GET", f"{V1}/reports/days", {"query_string": {"agency": "<agency_id>"}}),
    (D, "POST", f"{V1}/plans", {"json": {"date": DAY.isoformat(), "office": "<office_id>"}}),
    (D, "GET", f"{V1}/plans", {"query_string": {"office": "<office_id>"}}),
    (D, "GET", f"{V1}/reports/day", {"query_string": {"office": "<office_id>"}}),
    (D, "GET", f"{V1}/reports/month", {"query_string": {"office": "<office_id>"}}),
    (D, "GET", "/d/reports/month.xlsx", {"query_string": {"office": "<office_id>"}}),
    (D, "GET", f"{V1}/crew", {"query_string": {"office": "<office_id>"}}),
    (D, "POST", f"{V1}/crew/changes", {"json": CLOSED | {"office": "<office_id>"}}),
    (C, "POST", f"{V1}/remittances", {"json": {"postman": "<postman_id>", "date": DAY.isoformat(), "counted": {}}}),
    (C, "POST", f"{V1}/transfers/confirmations", {"json": {"event": "<event_id>", "charge": "<charge_id>"}}),
    (D, "POST", f"{V1}/imports", {"json": {"rows": [{}]}, "query_string": {"office": "<office_id>"}}),
    (K, "POST", f"{V1}/imports", {"json": {"rows": [{}]}, "query_string": {"office": "<office_id>"}}),
]


# ------------------------------------------------------------------------------------------------ what there is
def belongings(database, house: House, *, agency: Person | None) -> dict[str, str]:
    """One of everything that belongs to an office; the item is on the first postman's published route."""
    item, postman = house.item(), house.postmen[0]
    made = {name: uuid7() for name in ("plan_id", "route_id", "stop_id", "import_id", "incident_id", "agency_import")}
    made |= {name: uuid7() for name in ("list_id", "agency_list", "change_id", "relief_id")}
    complaint = complaints.file(
        house.desk, item, kind=Trouble.LATE, words="Giao chậm", filed_by=house.clerk, at=MORNING
    )
    made["complaint_id"] = complaint.row.id
    notice = prepaying.note(
        house.desk, house.cashier, reference=f"FT-{item}", amount_dong=1_000, purpose="?", booked_on=DAY, at=MORNING
    )
    made["notice_id"] = notice.row.id
    made["request_id"] = privacy.ask(house.desk, item, kind=Wish.RESTRICT, words="", at=MORNING).row.id
    with database.write() as session:
        row = session.get_one(Item, item)
        row.lat, row.lon, row.precision = 9.41, 104.98, "pin"
        row.state = "planned"
        row.link_digest = links.digest(f"token-of-{house.office_id}")
        vehicle = session.scalars(select(Vehicle).where(Vehicle.office_id == house.office_id)).first()
        session.add(
            Plan(
                id=made["plan_id"],
                office_id=house.office_id,
                day=DAY,
                state="published",
                seconds=1.0,
                travel={"source": "estimated", "method": "geodesic", "warnings": []},
                cost=1,
                solved_at=MORNING,
                created_by=house.dispatcher.id,
                created_at=MORNING,
                published_at=MORNING,
            )
        )
        session.flush()
        session.add(
            Route(
                id=made["route_id"],
                plan_id=made["plan_id"],
                postman_id=postman.id,
                vehicle_id=vehicle.id,
                position=0,
            )
        )
        session.flush()
        session.add(
            Stop(
                id=made["stop_id"],
                route_id=made["route_id"],
                sequence=1,
                arrives_at=MORNING + timedelta(hours=1),
                leaves_at=MORNING + timedelta(hours=1, minutes=5),
                lat=9.41,
                lon=104.98,
            )
        )
        session.flush()
        session.add(StopItem(stop_id=made["stop_id"], item_id=item))
        for name, sender in (("list_id", house.dispatcher.id), ("agency_list", agency and agency.caller.id)):
            if sender is not None:
                # At another version than the table's requests name: nobody takes it away from whoever comes next.
                session.add(
                    StagedList(
                        id=made[name],
                        office_id=house.office_id if name == "list_id" else None,
                        staged_by=sender,
                        filename="ban-giao.xlsx",
                        sha256="0" * 64,
                        at=MORNING,
                        state="checked",
                        size=0,
                        version=2,
                    )
                )
        counts = {"accepted": 0, "duplicates": 0, "doubtful": 0, "rejected": 0}
        for name, sender in (("import_id", house.dispatcher.id), ("agency_import", agency and agency.caller.id)):
            if sender is not None:
                session.add(
                    ImportBatch(
                        id=made[name],
                        office_id=house.office_id if name == "import_id" else None,
                        imported_by=sender,
                        filename="ban-giao.xlsx",
                        sha256="0" * 64,
                        at=MORNING,
                        **counts,
                    )
                )
        session.add(
            PlanRelief(
                id=made["relief_id"], plan_id=made["plan_id"], kind="shift", postman_id=house.postmen[0].id, amount=600,
                staff_id=house.dispatcher.id, at=MORNING,
            )
        )  # fmt: skip
        session.add(
            DutyChange(
                id=made["change_id"], office_id=house.office_id, kind="closed", first_day=FAR, last_day=FAR, note="Thử"
            )
        )
        session.add(
            Incident(
                id=made["incident_id"],
                office_id=house.office_id,
                code="thu",
                sentence="Sự cố thử",
                item_id=item,
                postman_id=postman.id,
                day=DAY,
                owner_role="dispatcher",
                opened_at=MORNING,
            )
        )
    device_id = uuid4()
    made["message_id"] = uuid7()
    with database.write() as session:
        session.add(
            Message(
                id=made["message_id"],
                dedupe_key=f"missed:{made['message_id']}",
                kind="missed",
                item_id=item,
                office_id=house.office_id,
                to_index="0" * 64,
                to_masked="••••••••01",
                sealed=b"sealed",
                state="dead",
                created_at=MORNING,
                not_before=MORNING,
                expires_at=MORNING,
            )
        )
        session.add(
            Device(
                id=device_id,
                staff_id=postman.id,
                first_seen_at=MORNING,
                last_seen_at=MORNING,
                number=(session.scalar(select(func.count()).select_from(Device)) or 0) + 100,
                name="Máy thử",
                enrolled_at=MORNING,
            )
        )
    with database.write() as session:
        # At another version than the table's requests name, like the lists.
        session.add(
            WebhookEndpoint(
                id=(webhook_id := uuid7()),
                agency_id=house.agency_id if agency is None else agency.caller.agency_id,
                url="https://hook.example.vn/",
                secret_sealed=b"-",
                created_at=MORNING,
                version=2,
            )
        )
        program = Staff(
            id=(client_id := uuid7()),
            login=f"agency-{client_id.hex}",
            name="Chương trình thử",
            role="agency",
            agency_id=house.agency_id,
            password_hash="!",
            created_at=MORNING,
        )
        session.add(program)
        session.flush()
        session.add(AgencyClient(staff_id=client_id, scopes=["items:read"], created_at=MORNING, version=2))
    ids: dict[str, UUID] = {
        **made,
        "client_id": client_id,
        "webhook_id": webhook_id,
        "vehicle_id": vehicle.id,
        "item_id": item,
        "postman_id": postman.id,
        "staff_id": house.clerk.id,
        "office_id": house.office_id,
        "agency_id": house.agency_id,
        "event_id": uuid4(),
        "charge_id": house.charges(item)[0].id,
        "device_id": device_id,
    }
    return {name: str(value) for name, value in ids.items()} | {
        "token": f"token-of-{house.office_id}",
        "day": DAY.isoformat(),
    }


def a_picture_of(desk, house: House, ids: dict[str, str], colour: tuple[int, int, int]) -> dict[str, str]:
    """The ids, with that of a picture which an act about the item names."""
    picture = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(picture, "PNG")
    digest = sha256(picture.getvalue()).hexdigest()
    key = envelopes.sealing_key(desk.settings.secrets).public
    envelope = envelopes.seal(picture.getvalue(), key, bound_to=envelopes.medium_label(digest))
    media.take_whole(desk, house.postmen[0], digest, envelope.to_bytes(), at=MORNING)
    with desk.database.write() as session:
        about = select(EventOfItem.event_id).where(EventOfItem.item_id == UUID(ids["item_id"]))
        event_id = session.scalars(about).first()
        session.add(CitedMedia(sha256=digest, event_id=event_id, office_id=house.office_id, cited_at=MORNING))
    return ids | {"digest": digest}


@pytest.fixture
def own(town, database, desk):
    return a_picture_of(desk, town.here, belongings(database, town.here, agency=town.agency), (1, 1, 1))


@pytest.fixture
def foreign(app, town, database, desk):
    with database.read() as session:
        agency_id = session.scalars(select(Agency.id).where(Agency.code == "PC06")).one()
    client = enlist(database, "agency2", Role.AGENCY, agency_id=agency_id)
    return a_picture_of(
        desk, town.there, belongings(database, town.there, agency=Person(app, client, "none")), (2, 2, 2)
    )


def rules_of(app) -> set[str]:
    """Every `METHOD rule` that the application answers."""
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def filled(rule: str, ids: dict[str, str], role: str) -> str:
    """The path with the ids put in; an agency's own import is one that it sent itself."""
    if role == G:
        ids = ids | {"import_id": ids["agency_import"], "list_id": ids["agency_list"]}
    ids = {"build": "000000000000", "name": "app.js", "channel": "sms", "number": "2", "other_id": ids["plan_id"]} | ids
    return re.sub(r"<[^>]*?:?([a-z_]+)>", lambda name: ids[name[1]], rule)


def named(content: Any, ids: dict[str, str]) -> Any:
    """A body with `<item_id>` and the like put in."""
    if not isinstance(content, dict):
        return content
    return {
        name: ids[value[1:-1]] if isinstance(value, str) and value.startswith("<") else value
        for name, value in content.items()
    }


def call(database, person: Person, route: str, row: Row, ids: dict[str, str]):
    """Ask, in a session of its own: some routes end the session they are asked in."""
    method, _, rule = route.partition(" ")
    fresh = sign(database, person.caller)
    sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {fresh}", **row.headers}}
    body = row.bodies.get(person.caller.role, row.body)
    if body is not None:
        sent["json"] = named(body, ids)
    if row.form is not None:
        sent["data"] = {"key": str(uuid4()), **named(row.form, ids)}
    return person.ask(method, filled(rule, ids, person.caller.role), **sent)


def photograph(database) -> dict[str, Any]:
    """Every row of every table of the office's own work, to see whether anything changed."""
    skipped = {"access_token", "idempotency_key", "job_done", "sign_in_failure"}
    with database.read() as session:
        return {
            name: sorted(map(repr, session.execute(select(table)).all()))
            for name, table in Table.metadata.tables.items()
            if name not in skipped
        }


# ------------------------------------------------------------------------------------------------------ the walk
def test_every_route_has_a_row_and_every_row_a_route(app):
    assert rules_of(app) - set(TABLE) == set(), "write into the table who may call these"
    assert set(TABLE) - rules_of(app) == set(), "these are gone: take them out of the table"


def test_the_table_says_what_the_marks_of_the_views_say(app):
    wrong = []
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            row = TABLE.get(f"{method} {rule.rule}")
            if row is None:
                continue
            access = app.view_functions[rule.endpoint].access
            marked = set() if access.public else {role.value for role in access.roles}
            if marked != set(row.may):
                wrong.append(f"{method} {rule.rule}: table {sorted(row.may)}, mark {sorted(marked)}")
    assert not wrong, "\n".join(wrong)


def test_nobody_gets_anything_without_signing_in(app, own):
    client, wrong = app.test_client(use_cookies=False), []
    for route, row in TABLE.items():
        method, _, rule = route.partition(" ")
        answer = client.open(filled(rule, own, ""), method=method, json=row.body, data=row.form)
        if row.page:
            sent_away = answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in")
            if not (sent_away or answer.status_code == 401):
                wrong.append(f"{route}: {answer.status_code}")
        elif (row.may and answer.status_code != 401) or (not row.may and answer.status_code >= 500):
            wrong.append(f"{route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_a_role_without_the_right_is_told_so_and_changes_nothing(town, own, database):
    before, wrong = photograph(database), []
    for route, row in TABLE.items():
        for role in set(EVERYBODY) - set(row.may) if row.may else ():
            answer = call(database, town.of(role), route, row, own)
            if answer.status_code != 403:
                wrong.append(f"{role} {route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert photograph(database) == before


def test_another_offices_object_is_not_there(town, own, foreign, database):
    before, wrong = photograph(database), []
    for route, row in TABLE.items():
        if not re.search(r"<uuid:|<string:digest", route) or route.startswith("PATCH /api/v1/media"):
            continue
        for role in set(row.may) - set(row.all_offices):
            answer = call(database, town.of(role), route, row, foreign)
            if answer.status_code != 404:
                wrong.append(f"{role} {route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert photograph(database) == before


def test_another_office_named_inside_a_request_is_not_there_either(town, own, foreign, database):
    before, wrong = photograph(database), []
    for role, method, path, sent in INSIDE:
        filled_in = {part: named(content, foreign) for part, content in sent.items()}
        answer = town.of(role).ask(method, path, **filled_in)
        if answer.status_code != 404:
            wrong.append(f"{role} {method} {path}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert photograph(database) == before


def test_a_colleagues_route_is_not_a_postmans_own(app, town, own, database):
    colleague = Person(app, town.here.postmen[1], "none")
    wrong = []
    for route, row in TABLE.items():
        if P in row.may and re.search(r"<uuid:", route):
            answer = call(database, colleague, route, row, own)
            if answer.status_code != 404:
                wrong.append(f"{route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_whoever_may_gets_to_the_own_object(town, own, foreign, database):
    wrong = []
    # Who looks comes first, then the postman, then those who may take the item off his route.
    turn = ("GET /", "POST /p/", "")
    for route, row in sorted(
        TABLE.items(), key=lambda entry: [entry[0].startswith(start) for start in turn].index(True)
    ):
        for role in row.may:
            answer = call(database, town.of(role), route, row, own)
            if answer.status_code in (401, 403, 404) or answer.status_code >= 500:
                wrong.append(f"{role} {route}: {answer.status_code}")
            if role in row.all_offices and re.search(r"<uuid:", route):
                answer = call(database, town.of(role), route, row, foreign)
                if answer.status_code in (401, 403, 404) or answer.status_code >= 500:
                    wrong.append(f"{role} {route} of another office: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_no_answer_names_another_offices_objects(town, own, foreign, database):
    """Lists above all: whatever a role may read, it never meets an id of the other office."""
    secret = {
        foreign[name]
        for name in ("item_id", "plan_id", "stop_id", "import_id", "agency_import", "incident_id", "webhook_id")
    }
    with database.read() as session:
        there = session.scalars(select(Staff.id).where(Staff.office_id == town.there.office_id))
        secret |= {str(staff_id) for staff_id in there}
    wrong, seen = [], 0
    for route, row in TABLE.items():
        if not route.startswith("GET"):
            continue
        for role in set(row.may) - {A}:
            answer = call(database, town.of(role), route, row, own)
            text = answer.get_data().decode(errors="replace")
            seen += answer.status_code == 200 and own["item_id"] in text
            wrong += [f"{role} {route}" for found in secret if found in text]
    assert not wrong, "\n".join(wrong)
    assert seen >= 8, "the walk met no answer that holds anything"


def test_the_town_has_two_of_everything(own, foreign, database):
    """The other tests prove nothing where an object is missing."""
    assert not set(own.values()) & {value for name, value in foreign.items() if name != "day"}
    with database.read() as session:
        # The transfer that nobody knows is trouble of its own.
        for table, each in ((Item, 1), (Plan, 1), (Stop, 1), (Incident, 2)):
            assert session.scalar(select(func.count()).select_from(table)) == 2 * each
