"""The phone's frame: who may see the route, what is saved and sent, what is left behind on it."""

from collections.abc import Iterator

import pytest

from tests.browser.phone import Phone, enrolled, network, recorded
from tests.browser.proxy import Proxy


@pytest.fixture
def proxy(own_server) -> Iterator[Proxy]:
    """The network between the phone and the server."""
    with network(own_server) as made:
        yield made


@pytest.fixture
def phone(contexts, own_server, proxy) -> Phone:
    """A phone that is ready to work."""
    return enrolled(contexts, own_server, proxy)


def test_an_act_recorded_without_a_network_is_on_the_server_once_after_a_reload(phone, own_server):
    """Behaviour 1."""
    item = phone.items()[0]["id"]
    phone.offline()
    event = phone.record("taken_out", [item])
    phone.wait(pending=1)
    phone.reopen()
    phone.wait(pending=1)
    phone.online()
    phone.wait_pending(0)
    assert len(recorded(own_server, event)) == 1
