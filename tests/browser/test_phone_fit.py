"""The phone's screens for wet hands, sun and old eyes, in both languages; and how little they fetch."""

from collections.abc import Callable, Iterator

import pytest

from tests.browser.phone import Phone, deliver, papers, postman_of, pretty, with_route
from tests.browser.test_axe import complaints

MOST_BYTES = 60_000
MOST_REQUESTS = 20

# Whatever can be touched must be this large, whole, wherever it stands.
SMALL = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary, label:has(input)')]
    .filter((one) => one.checkVisibility() && !one.matches('label input'))
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < 47.5 || height < 47.5)
    .map(([one, { width, height }]) => `${one.outerHTML.slice(0, 90)}: ${width} x ${height}`)"""

# Every letter against what lies behind it, by the formula of WCAG 2; independent of axe.
PALE = """() => {
    const channels = (text) => {
        const [r, g, b, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
        return [r, g, b, alpha];
    };
    const over = ([r, g, b, alpha], [r2, g2, b2]) => [r, g, b].map((one, at) => one * alpha + [r2, g2, b2][at] * (1 - alpha)).concat(1);
    const light = (colour) => {
        const [r, g, b] = colour.map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const layers = [];
        for (let one = element; one; one = one.parentElement) layers.push(channels(getComputedStyle(one).backgroundColor));
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) || element.matches('input, textarea, select, svg.icon');
        if (!says || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(':disabled, noscript, .sprite')) continue;
        const ground = behind(element);
        const letters = over(channels(getComputedStyle(element).color), ground);
        const [dark, bright] = [light(ground), light(letters)].sort((one, other) => one - other);
        const contrast = (bright + 0.05) / (dark + 0.05);
        globalThis.measured = (globalThis.measured ?? 0) + 1;
        if (contrast < 7) found.push(`${element.outerHTML.slice(0, 90)}: ${contrast.toFixed(2)}`);
    }
    return found;
}"""
OVER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def screens(phone: Phone) -> Iterator[str]:
    """Every screen that there is to see, by name, with something on it."""
    phone.open()
    phone.wait(screen="sign-in")
    yield "sign-in"
    phone.page.click("main form .button.main")
    phone.page.locator(".say.bad").wait_for()
    yield "sign-in-refused"
    phone.sign_in()
    phone.wait(screen="enrol")
    yield "enrol"
    phone.choose_pin()
    phone.wait_worker()
    with_route(phone)
    yield "list"
    phone.go(phone.page.locator("a.stop").nth(1).get_attribute("href").removeprefix("#"))
    phone.wait(screen="stop")
    yield "stop"
    deliver(phone)
    phone.wait_pending(0)
    phone.offline()
    deliver(phone, papers(phone)[0], pictures=1)
    phone.go("/outbox")
    phone.wait(screen="acts", pending=3, offline=1)
    phone.page.locator("[data-state='sent']").first.wait_for()
    for more in phone.page.locator("details:not([open]) summary").all():
        more.click()
    yield "outbox"
    phone.go("/settings")
    for more in phone.page.locator("details:not([open]) summary").all():
        more.click()
    phone.page.click("#sign-out")
    phone.page.locator("#told .say").wait_for()
    yield "settings-refused"
    phone.go("/")
    phone.wait(screen="list")
    yield "list-offline"
    phone.call("vault", "lock")
    phone.wait(screen="pin")
    phone.page.fill("#pin", "135791")
    phone.page.locator(".say.bad").wait_for()
    yield "pin-wrong"
    phone.page.get_by_role("button").nth(1).click()
    phone.wait(screen="sign-in")
    yield "pin-forgotten"
    phone.reopen()
    phone.call("db", "remember", "revoked", True)
    phone.call("outbox", "changed")
    phone.wait(screen="revoked")
    yield "revoked"


def sideways(phone: Phone) -> list[str]:
    """What runs off at 320 px and, at 360, with letters twice as large."""
    over = []
    for width, size in ((320, "100%"), (360, "200%")):
        phone.page.set_viewport_size({"width": width, "height": 740})
        phone.page.evaluate("(size) => { document.documentElement.style.fontSize = size; }", size)
        if (found := phone.page.evaluate(OVER)) > 0:
            over.append(f"{width} px, {size}: {found} px too wide")
    phone.page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
    phone.page.set_viewport_size({"width": 360, "height": 740})
    return over


FOUND: dict[str, Callable[[Phone], list[str]]] = {
    "axe": complaints,
    "small": lambda phone: phone.page.evaluate(SMALL),
    "pale": lambda phone: phone.page.evaluate(PALE),
    "sideways": sideways,
}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_screen_is_fit_for_everybody(contexts, own_server, proxy, language):
    """Behaviours 25 to 28: axe, 48 pixels, no sideways scroll, contrast of 7:1."""
    context = contexts.new(phone=True)
    context.add_init_script(f"if (location.host) localStorage.setItem('buuta-language', '{language}')")
    phone = Phone(context, own_server, proxy, postman_of(own_server))
    faults = {}
    for name in screens(phone):
        for kind, look in FOUND.items():
            if found := look(phone):
                faults[f"{name}: {kind}"] = found
        assert phone.page.locator("html").get_attribute("lang") == language
    assert not faults, pretty(faults)
    assert phone.page.evaluate("globalThis.measured") > 5, "there were letters to look at"


@pytest.mark.slow
def test_the_main_action_lies_under_the_thumb(phone):
    """Behaviour 25: at least 56 pixels high, in the lower half of a small phone."""
    phone.page.set_viewport_size({"width": 360, "height": 640})
    stop = phone.page.locator("a.stop").first.get_attribute("href").removeprefix("#")
    for path in (stop, "/outbox", "/settings"):
        phone.go(path)
        box = phone.page.locator(".bar .main").bounding_box()
        assert box is not None
        assert box["height"] >= 56, path
        assert 320 <= box["y"] <= 640 - box["height"], path


LOADED = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map(({ name, encodedBodySize, transferSize }) => [new URL(name).pathname, encodedBodySize, transferSize])"""


@pytest.mark.slow
def test_the_first_load_is_small(contexts, own_server, proxy, record_property):
    """Behaviour 23: until the day can be read, in a browser that knows nothing yet, compressed as it is sent."""
    phone = Phone(contexts.new(phone=True), own_server, proxy, postman_of(own_server))
    phone.open()
    phone.wait(screen="sign-in")
    loaded = phone.page.evaluate(LOADED)
    # Nothing is closed on a worker that is about to start.
    phone.wait_worker()
    bytes_, requests = sum(size for _, size, _ in loaded), len(loaded)
    record_property("first load", f"{requests} requests, {bytes_} bytes")
    print(f"first load: {requests} requests, {bytes_} bytes")
    for line in loaded:
        print(line)
    assert bytes_ > 10_000, "the sizes are told"
    assert bytes_ <= MOST_BYTES
    assert requests <= MOST_REQUESTS
