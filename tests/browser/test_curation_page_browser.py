"""The page of a curation in a real browser, opened as the file it is."""

import dataclasses
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from artgan.curation.page import write_page
from tests.browser.conftest import Opened, open_file
from tests.unit.test_curation_page import CUT, WHOLE, item, report_of

LONG = "a-very-long-name-" * 20
FILES = [dataclasses.replace(one) for one in WHOLE.items]
FILES += [item(f"{LONG}{k}.jpg", "reported", "blurred: " + "x" * 300, label=LONG) for k in range(3)]
FILES += [item(f"{LONG}copy.jpg", "dropped", "a copy", f"{LONG}0.jpg"), item(f"{LONG}.bin", "failed", "y" * 300)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it, long names among it."""
    path = tmp_path_factory.mktemp("curation") / "report.html"
    groups = (*WHOLE.groups, (f"{LONG}0.jpg", f"{LONG}copy.jpg"))
    write_page(path, report_of(*FILES, groups=groups, folder=LONG[:200]))
    return path


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Opened:
    return open_file(browser, file)


def test_the_page_is_whole_in_itself(opened: Opened) -> None:
    page = opened.page
    images = page.locator("img")
    decoded = images.evaluate_all("images => Promise.all(images.map(i => i.decode().then(() => i.width)))")
    assert len(decoded) == images.count() >= 12
    opened.check_whole()


@pytest.mark.parametrize("width", [320, 360, 600, 800, 1200])
def test_no_screen_need_scroll_sideways(opened: Opened, width: int) -> None:
    opened.page.locator("details").evaluate_all("items => items.forEach(item => item.open = true)")
    assert opened.overflow(width) <= 0
    beyond = opened.page.locator(".tile, .family, .bars li, .rows li, .scale, input").evaluate_all(
        "items => items.filter(i => i.getBoundingClientRect().right > innerWidth).length"
    )
    assert beyond == 0


def test_copies_stand_side_by_side_and_the_kept_one_is_marked(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 1200, "height": 900})
    family = opened.page.locator(".family", has_text="a-half.jpg")
    expect(family.locator("b")).to_have_text(["kept", "left out", "left out"])
    tops = family.locator("img").evaluate_all("items => items.map(i => i.getBoundingClientRect().top)")
    assert len(tops) == 3
    assert max(tops) - min(tops) < 1


def test_a_cut_is_drawn_on_the_thumbnail(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 1200, "height": 900})
    frame = opened.page.locator("#cuts ~ .cuts .frame")
    frame.scroll_into_view_if_needed()
    boxes = "e => [e.querySelector('img'), e.querySelector('.edge')].map(i => i.getBoundingClientRect().toJSON())"
    picture, line = frame.evaluate(boxes)
    assert picture["width"] / picture["height"] == pytest.approx(640 / 480, rel=0.01)
    scale = picture["width"] / 640
    found = [(line[side] - picture[side]) / scale for side in ("left", "top")]
    found += [(line["right"] - picture["left"]) / scale, (line["bottom"] - picture["top"]) / scale]
    assert CUT.crop is not None
    assert found == pytest.approx(CUT.crop, abs=14)  # it is turned, and its line has a width
    assert found[2] - found[0] > 512


def test_the_filter_is_at_hand_on_the_keyboard(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("/")
    expect(page.get_by_label("File name")).to_be_focused()
    page.keyboard.type("PEAR/so")
    expect(page.locator("#found")).to_contain_text("1 of ")
    expect(page.locator(".entry:visible")).to_have_count(1)
    expect(page.locator(".entry:visible")).to_contain_text("pear/soft.jpg")
    expect(page.get_by_role("heading", name="Copies")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Copies")).to_be_visible()
    expect(page.locator("#found")).to_have_text("")

    page.get_by_label("File name").fill("notes")  # stands in a list that is folded away
    expect(page.locator(".entry:visible")).to_have_text(["notes.txtnot a picture, by its name"])
    page.get_by_label("File name").fill("a/b")  # a slash is a letter there
    expect(page.locator("#found")).to_have_text("none on this page")
    page.get_by_label("File name").fill("")


def test_light_and_dark_can_both_be_read(opened: Opened) -> None:
    page: Page = opened.page
    page.add_style_tag(content=".tiles, .rows { content-visibility: visible }")
    page.locator("details").evaluate_all("items => items.forEach(item => item.open = true)")
    opened.check_contrasts(100)


def test_without_scripts_all_is_there_but_the_filter(browser: Browser, file: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    assert page.locator("input:visible").count() == 0
    assert page.locator("section h2:visible").count() == page.locator("h2").count() >= 10
    page.get_by_text("Show the 1").click()
    expect(page.get_by_text("notes.txt")).to_be_visible()
    page.close()
