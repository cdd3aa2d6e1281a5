"""The page of messages and the citizen's choice, by eye and by keyboard: with scripts and without, axe finds nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from courier.settings import load_secrets
from courier.store import sealing
from courier.store.session import open_database
from courier.store.tables import Message, Staff
from tests.browser.test_citizen_rights import SCRIPTS, SMALL, open_, said, sound
from tests.browser.walk import visit


@pytest.fixture(scope="module", params=SCRIPTS)
def with_scripts(request) -> bool:
    return request.param


INSIDE = '{"phone": "0599000001", "email": null, "lang": "vi", "words": {"day": "2026-11-25", "at": "2026-11-25T09:12:00+07:00"}}'
STANDING = (("sent", "arriving_today", None), ("dead", "missed", "http-401"), ("queued", "delivered", "budget"))


@pytest.fixture
def some_messages(server):
    """One that went, one that came to nothing, one that waits."""
    now = datetime.now(UTC)
    database = open_database(server.environment["COURIER_DATABASE_URL"])
    with database.write() as session:
        office_id = session.scalar(select(Staff.office_id).where(Staff.role == "dispatcher"))
        for state, kind, code in STANDING:
            message_id = uuid7()
            session.add(
                Message(
                    id=message_id,
                    dedupe_key=f"{kind}:{uuid7()}",
                    kind=kind,
                    office_id=office_id,
                    to_index="0" * 64,
                    to_masked="••••••••01",
                    sealed=sealing.seal(INSIDE, row=message_id, secrets=load_secrets(server.var_dir)),
                    state=state,
                    channel="sms",
                    code=code,
                    created_at=now,
                    not_before=now,
                    expires_at=now + timedelta(hours=1),
                )
            )
    database.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_desk_of_messages_says_that_it_is_a_dry_run_and_where_each_one_stands(
    contexts, server, some_messages, width
):
    desk = visit(contexts.new(viewport={"width": width, "height": 900}), server)
    desk.sign_in("dispatcher")
    desk.go("/d/messages")
    said(desk, "Đang chạy thử")
    said(desk, "http-401")
    sound(desk, for_thumbs=width < 1280)
    desk.go("/d/messages?state=dead")
    desk.page.get_by_role("button", name="Gửi lại").first.wait_for()
    assert desk.page.get_by_text("Hôm nay đến phát").count() == 0


def test_a_citizen_ends_the_messages_and_has_them_again(contexts, server, with_scripts):
    citizen = visit(contexts.new(viewport=SMALL, has_touch=True, java_script_enabled=with_scripts), server)
    account = citizen.account("citizen")
    citizen.go(account["link"])
    citizen.page.fill("#f-phone_last4", account["phone_last4"])
    citizen.page.click("form[action$='/verify'] button")
    open_(citizen, "messages")
    sound(citizen, with_scripts)
    citizen.page.click("main form .button")
    said(citizen, "Số máy này không nhận tin")
    sound(citizen, with_scripts)
    citizen.page.click("main form .button")
    said(citizen, "Số máy này nhận tin khi")
