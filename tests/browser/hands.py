"""A person at a desk who works with the mouse, or with the keyboard alone: every control is then reached by Tab, as it must be."""

from typing import Any

from playwright.sync_api import Page

# More than the controls of the longest page; a control that Tab does not reach in a whole round is out of reach.
_MOST_TABS = 900
_HAS_FOCUS = """(wanted) => {
    const now = document.activeElement;
    if (now === wanted) return "here";
    return now && now.type === "radio" && wanted.type === "radio" && now.name === wanted.name && now.form === wanted.form
        ? "group" : "";
}"""


class Mouse:
    """Clicks, and types where the form wants words."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, selector: str) -> None:
        """A link, a button, a box or a summary."""
        self.page.locator(selector).first.click()

    def write(self, selector: str, words: str) -> None:
        """Words in place of what the field holds."""
        self.page.locator(selector).first.click()
        self.page.locator(selector).first.fill(words)

    def choose(self, selector: str, value: str) -> None:
        """One of a list."""
        self.page.locator(selector).first.select_option(value)

    def bring(self, selector: str, file: Any) -> None:
        """A file of the desk."""
        with self.page.expect_file_chooser() as asked:
            self.press(selector)
        asked.value.set_files(file)


class Keys(Mouse):
    """The same by keys: Tab to get there, then Enter, Space, arrows and letters."""

    def reach(self, selector: str) -> str:
        """Press Tab until the control has the focus; says `group` at a neighbour in its group of radio buttons."""
        wanted = self.page.locator(selector).first.element_handle()
        for _ in range(_MOST_TABS):
            found = str(self.page.evaluate(_HAS_FOCUS, wanted))
            if found:
                return found
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")

    def press(self, selector: str) -> None:
        if self.reach(selector) == "group":
            wanted = self.page.locator(selector).first.element_handle()
            while self.page.evaluate(_HAS_FOCUS, wanted) != "here":
                self.page.keyboard.press("ArrowDown")
            return
        is_box = self.page.evaluate("() => ['checkbox', 'radio', 'file'].includes(document.activeElement.type)")
        self.page.keyboard.press("Space" if is_box else "Enter")

    def write(self, selector: str, words: str) -> None:
        self.reach(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(words)

    def choose(self, selector: str, value: str) -> None:
        self.reach(selector)
        places = self.page.evaluate(
            "(value) => [document.activeElement.selectedIndex, [...document.activeElement.options].findIndex((one) => one.value === value)]",
            value,
        )
        now, wanted = places
        assert wanted >= 0, f"{selector} has no choice {value}"
        for _ in range(abs(wanted - now)):
            self.page.keyboard.press("ArrowDown" if wanted > now else "ArrowUp")
        assert self.page.locator(selector).first.input_value() == value
