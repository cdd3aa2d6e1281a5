"""The phone's frame: who may see the route, what is saved and sent, what is left behind on it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.phone import Phone, enrolled, network, recorded
from tests.browser.proxy import Proxy
from tests.browser.test_axe import complaints


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


def test_the_whole_route_can_be_read_after_a_cold_start_without_a_server(phone, own_server):
    """Behaviours 22 and 37."""
    phone.wait(screen="list")
    expect(phone.page.locator("a.stop.next")).to_be_visible()
    assert "false" not in phone.page.locator("#head").inner_text()
    doors = phone.page.locator("a.stop").count()
    phone.offline()
    own_server.stop()
    phone.reopen()
    expect(phone.page.locator("a.stop")).to_have_count(doors)
    phone.page.locator("a.stop.next").click()
    phone.wait(screen="stop")
    expect(phone.page.locator("a[href^='geo:']")).to_be_visible()
    expect(phone.page.locator("h2").first).to_be_visible()
    assert "Nguyễn" not in str(phone.store("bags")), "the day lies open in the phone's memory"


def test_a_day_that_our_server_did_not_sign_is_not_believed(contexts, own_server, proxy):
    proxy.rewrite = lambda path, body: body.replace(b'"sequence":1,', b'"sequence":9,') if "/sync/bag" in path else body
    phone = enrolled(contexts, own_server, proxy)
    phone.call("bag", "load")
    assert phone.call("bag", "today") is None
    proxy.rewrite = None
    phone.call("bag", "load")
    assert phone.call("bag", "today")["stops"]


@pytest.mark.slow
def test_list_and_door_are_fit_for_everybody_and_never_run_sideways(phone):
    """Behaviours 26 and 27."""
    for width in (320, 360, 1280):
        phone.page.set_viewport_size({"width": width, "height": 740})
        for path in ("#/", phone.page.locator("a.stop").first.get_attribute("href")):
            phone.go(path[1:])
            phone.wait(screen="list" if path == "#/" else "stop")
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= width
            assert complaints(phone) == []
        phone.go("/")
        phone.wait(screen="list")
