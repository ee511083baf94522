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

# Every text with its colour and what lies behind it, as the WCAG contrast ratio.
CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => color.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = rgb(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    throw new Error("nothing is behind it");
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = texts.nextNode();) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.getClientRects().length) continue;
    const pair = [light(rgb(getComputedStyle(parent).color)), light(behind(parent))].sort((a, b) => b - a);
    found.push([(pair[0] + .05) / (pair[1] + .05), node.data.trim()]);
  }
  return found;
}"""


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

    def check_whole(self) -> None:
        """It asked for nothing but itself, complained of nothing, and may not go out."""
        assert self.requests == [self.page.url]
        assert self.complaints == []
        refused = self.page.evaluate("fetch('https://example.org').then(() => 'went out', () => 'refused')")
        assert refused == "refused"
        self.complaints.clear()  # of that

    def check_contrasts(self, least: int) -> None:
        """More than `least` texts can be read in light and in dark, which differ."""
        papers = set()
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            papers.add(self.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
            contrasts = self.page.evaluate(CONTRASTS)
            assert len(contrasts) > least
            assert min(contrasts)[0] >= 4.5, (scheme, sorted(contrasts)[:5])
        assert len(papers) == 2

    def overflow(self, width: int) -> int:
        """Pixels by which it is wider than a window of a width."""
        self.page.set_viewport_size({"width": width, "height": 800})
        found: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found

    @property
    def shown(self) -> list[int]:
        """The nimg of the previews that can be seen."""
        seen: list[int] = self.page.eval_on_selector_all(
            "#generated img", "images => images.filter(i => i.offsetParent).map(i => Number(i.dataset.nimg))"
        )
        return seen


def open_file(browser: Browser, path: Path) -> Opened:
    """A page as the file it is, in a window of 1200 by 900."""
    opened = Opened(browser.new_page(viewport={"width": 1200, "height": 900}))
    opened.listen()
    opened.page.goto(path.as_uri())
    return opened


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
