"""The page of messages to citizens (tin báo), and the citizen's own word whether he wants any."""

from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import page
from api.web.page import Trouble
from courier import notices
from courier.domain.errors import Refused
from courier.domain.notices import AGAIN, State

blueprint = page.pages("message_pages", __name__)


@blueprint.get("/d/messages")
@roles("dispatcher", "admin")
def messages() -> Response:
    """How messages stand, of the office or of all."""
    return _messages_page()


def _messages_page(trouble: Trouble | None = None) -> Response:
    wanted = request.args.get("state", "")
    state = next((one for one in State if one.value == wanted), None)
    found = notices.overview(desk(), caller(), states=[state] if state else [], at=now())
    return page.show(
        "dispatcher/messages.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        found=found,
        totals=notices.by_state(found.counts),
        state=state,
        again=AGAIN,
    )


@blueprint.post("/d/messages/<uuid:message_id>")
@roles("dispatcher", "admin")
def once_more(message_id: UUID) -> Response:
    """Try one again; a second press finds it on its way."""
    try:
        notices.once_more(desk(), caller(), message_id, at=now())
    except Refused as fault:
        return _messages_page(Trouble.of(fault))
    return page.go("message_pages.messages", done="message_again")
