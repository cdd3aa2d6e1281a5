"""The browser that the other tests rest on: it sees only this machine, and it hears what a page complains about."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Error

from tests.browser.conftest import Contexts

SILENT = "<!doctype html><meta name=viewport content=width=device-width><title>yên</title><p>Bưu tá</p>"
FAULTY = "<!doctype html><script>throw new Error('hỏng')</script>"
INLINE = "<!doctype html><script>1</script>"


@pytest.fixture
def site() -> Iterator[str]:
    """A server of three pages; `inline` breaks its own content security policy."""
    pages = {"/silent": SILENT, "/faulty": FAULTY, "/inline": INLINE}

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if self.path == "/inline":
                self.send_header("Content-Security-Policy", "default-src 'self'")
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_of_this_machine_is_shown(open_page, site):
    assert open_page(f"{site}/silent", phone=True).inner_text("p") == "Bưu tá"


def test_a_phone_is_360_pixels_wide_and_a_desk_1280(open_page, site):
    assert open_page(f"{site}/silent", phone=True).evaluate("innerWidth") == 360
    assert open_page(f"{site}/silent").evaluate("innerWidth") == 1280


def test_nothing_leaves_this_machine(open_page, site):
    page = open_page(f"{site}/silent")
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")


@pytest.mark.parametrize(("page", "complaint"), [("faulty", "hỏng"), ("inline", "Content Security Policy")])
def test_a_faulty_script_and_a_breach_of_the_policy_are_heard(browser, site, page, complaint):
    contexts = Contexts(browser)
    contexts.new().new_page().goto(f"{site}/{page}")
    contexts.close(keep=None)
    assert any(complaint in heard for heard in contexts.complaints)
