"""A headless Chromium, and pages in it that tell what they asked for and what went wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from artgan.training.report import Report, State
from tests.browser.chromium import MISSING, find_chromium, is_root
from tests.browser.planted import NOW, OVER, plant


@dataclass
class Opened:
    """A page, the addresses it asked for, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Take note of what happens from now on."""
        self.page.set_default_timeout(10_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(error.message))

    @property
    def shown(self) -> list[int]:
        """The nimg of the previews that can be seen."""
        seen: list[int] = self.page.eval_on_selector_all(
            "#generated img", "images => images.filter(i => i.offsetParent).map(i => Number(i.dataset.nimg))"
        )
        return seen


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file of tests."""
    program = find_chromium()
    if program is None:
        pytest.fail(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if is_root() else [])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def windows(browser: Browser) -> dict[str, Opened]:
    """Pages by their options: a new file in an old window opens in half the time."""
    return {}


@pytest.fixture
def open_report(browser: Browser, windows: dict[str, Opened], tmp_path: Path) -> Callable[..., Opened]:
    """Open the page of a planted run: `open_report(state, clock, **options)`."""

    def open_it(state: State = "stopped", clock: bool = False, **options: Any) -> Opened:
        path = Report(plant(tmp_path / "runs" / "00007-garden-studio64")).write([OVER, NOW], state)
        key = repr((clock, options))
        if key not in windows:
            windows[key] = Opened(browser.new_page(**options))
            windows[key].listen()
            if clock:
                windows[key].page.clock.install()
        opened = windows[key]
        opened.requests.clear()
        opened.complaints.clear()
        opened.page.mouse.move(0, 0)
        opened.page.goto(path.as_uri())
        return opened

    return open_it
