"""The page of a score in a real browser, opened as the file it is."""

import dataclasses
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from artgan.metrics.page import write_page
from tests.browser.conftest import Opened, open_file
from tests.unit.test_score_page import ONE, plain_set, result_of, trained, write

LONG = "a-very-long-name-" * 20


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A page with everything on it, long names among it."""
    path = tmp_path_factory.mktemp("score") / "score.html"
    last = trained(5)[-1]
    last = dataclasses.replace(last, name=LONG, classes=ONE.classes, evidence=ONE.evidence)
    write(path, result_of(*trained(5)[:-1], last))
    return open_file(browser, path)


def test_the_page_is_whole_in_itself(opened: Opened) -> None:
    page = opened.page
    decoded = page.locator("img").evaluate_all("images => Promise.all(images.map(i => i.decode().then(() => i.width)))")
    assert len(decoded) == 9
    assert min(decoded) > 60
    opened.check_whole()


@pytest.mark.parametrize("width", [320, 380, 600, 800, 1200])
def test_no_screen_need_scroll_sideways(opened: Opened, width: int) -> None:
    assert opened.overflow(width) <= 0
    inside = opened.page.locator(".mark, .thumb, .plot, .reading").evaluate_all(
        "items => items.filter(i => i.getBoundingClientRect().right > innerWidth).length"
    )
    assert inside == 0


def test_marks_lie_where_their_words_say(opened: Opened) -> None:
    """The Frechet distance of 4 beside its floor of 1.5."""
    opened.page.set_viewport_size({"width": 1200, "height": 900})
    row = opened.page.locator(".figures > li").nth(1)
    assert "4.00" in row.inner_text()
    track, dot, tick = (row.locator(name).bounding_box() for name in (".track", ".dot", ".tick"))
    assert track is not None
    assert dot is not None
    assert tick is not None
    value, floor = dot["x"] + dot["width"] / 2 - track["x"], tick["x"] + tick["width"] / 2 - track["x"]
    assert floor / value == pytest.approx(1.5 / 4, abs=0.01)


def test_points_of_a_curve_can_be_seen_and_read(opened: Opened) -> None:
    points = opened.page.locator(".chart").nth(1).locator(".point")
    assert points.locator("title").all_text_contents()[3] == "2.00 at 3 kimg"
    widths = points.evaluate_all("items => items.map(i => parseFloat(getComputedStyle(i).strokeWidth))")
    assert widths == [7, 7, 7, 12, 7]


def test_light_and_dark_can_both_be_read(opened: Opened) -> None:
    opened.check_contrasts(60)


def test_all_columns_of_the_table_can_be_reached_by_keyboard(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 320, "height": 800})
    table = opened.page.get_by_role("region", name="All checkpoints")
    table.focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_timeout(500)  # it scrolls smoothly
    assert table.evaluate("item => item.scrollLeft") > 0


def test_a_picture_that_cannot_be_read_has_room_for_its_reason(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 380, "height": 800})
    broken = dataclasses.replace(plain_set("paintings", "painting"), read=lambda places: ["truncated " * 20])
    write_page(result_of(ONE), broken, [broken], tmp_path / "score.html")
    page.goto((tmp_path / "score.html").as_uri())
    boxes = page.locator(".unread")
    assert boxes.count() == 9
    assert boxes.evaluate_all("items => items.filter(i => i.scrollHeight > i.clientHeight).length") == 0
    page.close()
