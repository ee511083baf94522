"""report.html in a real browser, opened as the file it is."""

from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import PACKAGES, provide
from tests.browser.conftest import Opened

Open = Callable[..., Opened]


def test_the_page_is_whole_in_itself(open_report: Open) -> None:
    opened = open_report("training")
    expect(opened.page).to_have_title("00007-garden-studio64 – artgan")
    opened.page.locator("#reals img").evaluate("image => image.decode()")
    opened.page.wait_for_timeout(100)
    opened.check_whole()


def test_slider_buttons_and_play_change_the_picture(open_report: Open) -> None:
    opened = open_report()
    page = opened.page
    assert opened.shown == [4000]
    page.get_by_role("button", name="Previous picture").click()
    assert opened.shown == [3000]
    page.get_by_role("button", name="Next picture").click()
    assert opened.shown == [4000]
    slider = page.get_by_role("slider", name="Moment of training")
    slider.fill("1")
    assert opened.shown == [1000]
    expect(page.locator("#shown")).to_have_text("1.0 kimg")
    expect(slider).to_have_attribute("aria-valuetext", "1.0 kimg")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#play")).to_have_text("Pause")
    expect(slider).to_have_value("4")
    expect(page.locator("#play")).to_have_text("Play")  # it rests at the end


def test_the_keyboard_does_all_of_it(open_report: Open) -> None:
    opened = open_report()
    page = opened.page
    for key, nimg in (("Home", 0), ("ArrowRight", 1000), ("ArrowRight", 2000), ("ArrowLeft", 1000), ("End", 4000)):
        page.keyboard.press(key)
        assert opened.shown == [nimg]
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Pause")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Play")

    page.keyboard.press("End")
    page.get_by_role("button", name="Copy").focus()
    page.keyboard.press("Space")  # is the button's own
    expect(page.locator("#copied")).to_have_text("Copied")
    assert opened.shown == [4000]
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")  # is the slider's own: one step, not two
    assert opened.shown == [3000]
    assert page.locator("#slider").evaluate("item => getComputedStyle(item).outlineStyle") == "solid"


def test_light_and_dark_can_both_be_read(open_report: Open) -> None:
    open_report("training").check_contrasts(100)


def test_a_telephone_need_not_scroll_sideways(open_report: Open) -> None:
    page = open_report("training", viewport={"width": 360, "height": 700}).page
    page.locator("details").evaluate_all("items => items.forEach(item => item.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".plot").last.hover(position={"x": 1, "y": 9})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_warnings_come_first_and_active_ones_before_old_ones(open_report: Open) -> None:
    page = open_report().page
    assert page.locator(".alarm h3").all_inner_texts() == [
        "The discriminator always wins, so the generator learns little.",
        "Training went back and mended itself.",
    ]
    active = page.locator(".alarm.active")
    expect(active).to_be_in_viewport()
    expect(active).to_contain_text("Now, since 2.0 kimg")
    expect(active.locator("code")).to_have_text(["--set train.d_lr=0.0001", "--crops 20"])
    marks = page.locator(".chart").first.locator(".mark")
    assert marks.evaluate_all("items => items.map(item => item.style.left)") == ["50%", "25%"]


def test_the_crosshair_reads_every_curve(open_report: Open) -> None:
    page = open_report().page
    losses = page.locator(".chart", has=page.get_by_role("heading", name="Losses"))
    values = losses.locator("output")
    expect(values).to_have_text(["4", "0.5"])
    box = losses.locator(".plot").bounding_box()
    assert box is not None
    losses.locator(".plot").hover(position={"x": box["width"] / 2, "y": 20})
    expect(values).to_have_text(["2", "0.5"])
    expect(losses.locator(".cursor")).to_have_text("2.00 kimg")
    assert page.locator(".cursor:visible").count() == page.locator(".chart").count()
    page.mouse.move(0, 0)
    expect(values).to_have_text(["4", "0.5"])


def test_rows_have_their_class_beside_them_in_both_sheets(open_report: Open) -> None:
    page = open_report(viewport={"width": 1200, "height": 900}).page
    made, real = (page.locator(name).bounding_box() for name in ("#generated", "#reals"))
    assert made is not None
    assert real is not None
    assert (made["width"], made["height"], made["y"]) == (real["width"], real["height"], real["y"])
    for sheet, box in (("#generated", made), ("#reals", real)):
        names = page.locator(f".framed:has({sheet}) .rows li")
        assert names.count() == 3
        for row in range(3):
            name = names.nth(row).bounding_box()
            assert name is not None
            assert name["y"] + name["height"] / 2 == pytest.approx(box["y"] + box["height"] * (row + 0.5) / 3, abs=4)
            assert name["x"] + name["width"] <= box["x"]
    assert page.locator("#generated img").last.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"


def test_a_page_in_training_looks_again_and_stays_where_it_was(open_report: Open) -> None:
    opened = open_report("training", clock=True, reduced_motion="reduce", viewport={"width": 800, "height": 600})
    page = opened.page
    page.clock.run_for(3_000)
    assert opened.shown == [4000]  # nothing plays by itself
    page.get_by_role("slider").fill("2")
    page.locator("#skipped summary").click()
    page.evaluate("scrollTo(0, 700)")
    with page.expect_event("load"):
        page.clock.run_for(60_000)
    assert opened.shown == [2000]
    assert page.evaluate("scrollY") == 700
    expect(page.locator("#skipped")).to_have_attribute("open", "")

    looked = len(opened.requests)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")  # somebody copies a text
    page.clock.run_for(130_000)
    page.evaluate("getSelection().removeAllRanges()")
    page.get_by_label("Show the newest every minute").uncheck()
    page.clock.run_for(130_000)
    assert len(opened.requests) == looked


def test_the_page_of_a_finished_run_is_left_alone(open_report: Open) -> None:
    opened = open_report("finished", clock=True)
    opened.page.clock.run_for(130_000)
    assert len(opened.requests) == 1
    assert opened.page.locator("#renew").count() == 0


def test_without_scripts_the_last_picture_and_all_curves_are_there(open_report: Open) -> None:
    opened = open_report(java_script_enabled=False)
    page = opened.page
    shown = page.locator("#generated img:visible")
    assert shown.count() == 1
    expect(shown).to_have_attribute("alt", "Generated pictures after 4.0 kimg")
    assert page.locator(".plot svg:visible").count() == page.locator(".chart").count() == 10
    assert page.locator("button:visible, input:visible").count() == 0


def test_chromium_is_installed_when_there_is_none() -> None:
    calls: list[Sequence[str]] = []

    def run(command: list[str]) -> bool:
        calls.append(command)
        return command[-1] != PACKAGES[0]  # an older Debian, which has only the large package

    assert provide(lambda: "/usr/bin/chromium", run, root=True) == "/usr/bin/chromium"
    assert calls == []
    assert provide(lambda: "there" if len(calls) == 3 else None, run, root=False) == "there"
    assert calls[0] == ["sudo", "-n", "apt-get", "update"]
    assert calls[2] == ["sudo", "-n", "apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        provide(lambda: None, lambda command: False, root=True)
