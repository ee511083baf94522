"""The page of `artgan explore` in a real browser, opened as the file it is."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, expect

from artgan.latent.directions import Variance
from artgan.latent.effects import Effect
from artgan.latent.explore import Direction, ExploreResult
from artgan.latent.explore_page import STEPS, write_page
from tests.browser.conftest import Opened, open_file

NAME = "00007-<b>garden</b>" + "-long" * 30


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Two directions, one measured and one not, and two seeds, one with a hostile name."""
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    effects = (Effect("warmth", "warmer", 2.0, 1.0), Effect("size", "larger", 0.7, 0.875))
    directions = (
        Direction(1, torch.ones(4) / 2, "SeFa, first layer", 2.1, effects, "warmth"),
        Direction(2, torch.ones(4) / 2, "PCA, layer 16", 1.1, (Effect("up", "further up", 0.1, 0.5),), None),
    )
    result = ExploreResult(path, path, directions, Variance("16", 12, 0.4, 0.1), NAME, 4000)
    pictures = torch.rand(2, 2, len(STEPS), 3, 16, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
    write_page(path, result, pictures, ["3", "<img src=x>:4"], "artgan explore")
    return open_file(browser, path)


def test_the_page_is_whole_in_itself(opened: Opened) -> None:
    page = opened.page
    widths = page.locator("img").evaluate_all("images => Promise.all(images.map(i => i.decode().then(() => i.width)))")
    assert len(widths) == 2 * 2 + 2
    opened.check_whole()


def test_every_row_says_what_it_shows(opened: Opened) -> None:
    page = opened.page
    expect(page.locator("h1")).to_contain_text("<b>garden</b>")
    expect(page.get_by_role("heading", name="1. warmth")).to_be_visible()
    expect(page.get_by_role("heading", name="2. without a name")).to_be_visible()
    expect(page.get_by_alt_text("Direction 1, seed 3, -3 to 3: warmer, larger")).to_be_visible()
    assert page.locator(".strip img:not([alt])").count() == 0
    expect(page.locator(".command code").first).to_contain_text("artgan explore name 1 warmth --run")
    expect(page.locator("main")).to_contain_text("12 axes explain 40 %")


def test_the_keyboard_chooses_a_seed_and_moves_a_slider(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("3", exact=True).focus()
    shown = page.locator(".strip:visible img")
    first = shown.first.get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert shown.count() == 2
    assert shown.first.get_attribute("src") != first
    assert page.locator(".window img").first.get_attribute("src") == shown.first.get_attribute("src")
    slider = page.get_by_role("slider", name="Slider of direction 1")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "\u22123")
    left = page.locator(".window img").first.bounding_box()
    page.keyboard.press("End")
    right = page.locator(".window img").first.bounding_box()
    window = page.locator(".window").first.bounding_box()
    assert left is not None
    assert right is not None
    assert window is not None
    assert left["x"] == pytest.approx(window["x"], abs=1)
    assert right["x"] + right["width"] == pytest.approx(window["x"] + window["width"], abs=1)
    page.get_by_label("3", exact=True).check()


def test_a_command_is_copied(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="Copy the command that names direction 2").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".command [role=status]").nth(1)).to_have_text("Copied")


@pytest.mark.parametrize("width", [320, 600, 1200])
def test_no_screen_need_scroll_sideways(opened: Opened, width: int) -> None:
    assert opened.overflow(width) <= 0


def test_light_and_dark_can_both_be_read(opened: Opened) -> None:
    opened.check_contrasts(30)


def test_without_scripts_all_seeds_are_shown(browser: Browser, opened: Opened) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(Path(opened.page.url.removeprefix("file://")).as_uri())
    assert page.locator(".strip:visible").count() == 4
    assert page.locator("button:visible, input:visible").count() == 0
    page.close()
