"""The pages of an agency's connection: plain forms for programs and webhooks, with the list of what was never taken."""

import re
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from courier.store.tables import WebhookNotice
from tests.builders import MORNING, Phone

URL = {"url": "https://8.8.8.8/hook"}


@pytest.fixture
def browser(app, town):
    """Posts a form as a page of ours does."""

    def of(person):
        client = app.test_client(use_cookies=False)

        def ask(method, path, form=None):
            cookie = f"courier_session={person.token}"
            headers = {"Cookie": cookie, "Origin": "http://localhost"}
            if form is not None:
                page = client.get("/webhooks", headers={"Cookie": cookie})
                token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
                form = {"csrf_token": token, **form}
            return client.open(path, method=method, headers=headers, data=form)

        return ask

    return of


def secret_on(page):
    return re.search(r'class="secret code">([^<]+)<', page.text)[1]


def test_an_admin_enters_a_program_and_reads_its_secret_once(client, town, browser):
    admin = browser(town.admin)
    path = f"/a/agencies/{town.agency.caller.agency_id}/clients"
    made = admin("POST", path, {"name": "Cổng một cửa", "scopes": ["items:read", "reports:read"]})
    assert made.status_code == 200
    secret = secret_on(made)
    again = admin("GET", path)
    assert secret not in again.text
    assert re.findall(r'class="code soft small">([a-z]+:[a-z]+)</span></li>', again.text) == [
        "items:read",
        "reports:read",
    ]
    client_id = re.search(r"agency-[0-9a-f]{16}", again.text)[0]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert client.post("/api/v1/token", data=form).status_code == 200
    act = re.search(r'action="(/a/clients/[^"]+)"', again.text)[1]
    new = secret_on(admin("POST", act, {"do": "rotate"}))
    assert client.post("/api/v1/token", data=form | {"client_secret": new}).status_code == 200
    assert admin("POST", act, {"do": "revoke"}).status_code == 303
    assert client.post("/api/v1/token", data=form | {"client_secret": new}).status_code == 401
    assert admin("POST", path, {"name": "Không quyền"}).status_code == 422


def test_an_agency_sees_what_was_never_taken_and_sends_it_again(town, browser, database):
    agency = browser(town.agency)
    assert agency("POST", "/webhooks", {"url": "https://10.0.0.1/"}).status_code == 422
    made = agency("POST", "/webhooks", URL)
    assert secret_on(made).startswith("whsec_")
    path = re.search(r'href="(/webhooks/[0-9a-f-]{36})"', made.text)[1]
    item, phone = town.here.item(), Phone(town.here, town.here.postmen[0])
    phone.send(phone.event("taken_out", [item], 10))
    with database.write() as session:
        session.execute(update(WebhookNotice).values(state="dead", tries=11, status=500, settled_at=MORNING))
    page = agency("GET", path)
    assert "item.out" in page.text
    assert "500" in page.text
    notice = re.search(r'name="notice" value="([^"]+)"', page.text)[1]
    assert agency("POST", path, {"do": "replay", "notice": notice}).status_code == 303
    with database.read() as session:
        row = session.query(WebhookNotice).filter_by(id=UUID(notice)).one()
    assert (row.state, row.tries) == ("pending", 0)
    assert agency("POST", path, {"do": "replay", "notice": str(uuid4())}).status_code == 404
    assert agency("POST", path, {"do": "ping"}).status_code == 303
    assert agency("POST", path, {"do": "off", "version": "1"}).status_code == 303
    assert agency("POST", path, {"do": "off", "version": "1"}).status_code == 412
    assert agency("POST", path, {"do": "ping"}).status_code == 409
    assert agency("POST", path, {"do": "on", "version": "2"}).status_code == 303
    assert secret_on(agency("POST", path, {"do": "secret"})).startswith("whsec_")
    assert agency("POST", path, {"do": "remove", "version": "4"}).status_code == 303
    assert agency("GET", path).status_code == 404
