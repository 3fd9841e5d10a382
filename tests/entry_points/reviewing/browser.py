"""A person at the review page, in Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def chromium_or_skip() -> str:
    """Return the browser's path; skip the test where it, or what drives it, is missing."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    return CHROMIUM


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser, or skip the test."""
    path = chromium_or_skip()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Reviewer:
    """A person with a page, who counts keys and clicks.

    Attributes:
        page: The browser's page.
        faults: What the page has reported as an error.
        strokes: Keys that were pressed and clicks that were made.
    """

    page: Page
    faults: list[str]
    strokes: int = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.strokes += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.strokes += len(text)

    def settle(self) -> None:
        """Wait until all is saved."""
        self.page.wait_for_function(
            "() => !['Saving'].includes(document.getElementById('saved').textContent)"
        )

    def open(self, number: int) -> None:
        self.page.evaluate(f"location.hash = '#/{number}'")
        self.on(number)

    def on(self, number: int) -> None:
        """Wait until a document is shown."""
        self.page.wait_for_function(f"() => location.hash === '#/{number}'")
        self.page.wait_for_function(
            f"() => document.getElementById('where').textContent.includes(' {number + 1} of ')"
            " && document.querySelector('#values input') !== null"
            f" && document.getElementById('desk').dataset.n === '{number}'"
        )

    @property
    def path(self) -> str:
        """The path of the value that is chosen."""
        return str(self.page.evaluate("document.activeElement.dataset.path ?? ''"))

    def left(self, path: str) -> None:
        """Wait until another value is chosen."""
        wait_for(lambda: self.path != path)

    def value(self, path: str) -> Any:
        return self.page.locator(f'[id="v-{path}"]')

    def choose(self, path: str) -> None:
        self.value(path).click()
        self.strokes += 1

    def drag(self, box: tuple[int, int, int, int], modifier: str = "") -> None:
        """Drag over a box of the page, px of the page."""
        (x0, y0), (x1, y1) = self.on_screen(*box[:2]), self.on_screen(*box[2:])
        mouse = self.page.mouse
        if modifier:
            self.page.keyboard.down(modifier)
        mouse.move(x0, y0)
        mouse.down()
        mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
        mouse.move(x1, y1)
        mouse.up()
        if modifier:
            self.page.keyboard.up(modifier)
        self.strokes += 1

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place of the page is on the screen, once the page does not glide."""
        self.page.wait_for_function(
            "() => document.getElementById('sheet').getAnimations().length === 0"
        )
        found = self.page.evaluate(
            "([x, y]) => { const svg = document.querySelector('#sheet svg');"
            " const b = svg.getBoundingClientRect(); const v = svg.viewBox.baseVal;"
            " return [b.x + x * b.width / v.width, b.y + y * b.height / v.height]; }",
            [x, y],
        )
        return found[0], found[1]


@contextmanager
def reviewing(browser: Browser, address: str, token: str, **options: Any) -> Iterator[Reviewer]:
    """Open the page; at the end it must have reported no error."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Security" in said.text else None)
    page.goto(f"{address}/#{token}")
    page.wait_for_selector("#forms tbody tr")
    yield Reviewer(page, faults)
    context.close()
    assert not faults, faults
