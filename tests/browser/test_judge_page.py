"""The page of a ballot in a real browser, opened as the file it is: answered by keyboard, mouse and finger."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import artgan
from artgan.judging.page import Paper, write_page
from artgan.judging.papers import Mode
from artgan.judging.prints import encode
from tests.browser.conftest import CONTRASTS, Opened
from tests.conftest import painted
from tests.judging import key_of, write_key

SIDES = {"pairs": ["ab", "ba", "ab", "ba"], "turing": ["a", "b", "b", "a"]}
QUESTIONS: dict[Mode, str] = {"pairs": "Which do you like better?", "turing": "Painted or generated?"}
Open = Callable[..., Opened]


def paper(mode: Mode, side: int = 96) -> Paper:
    """Four questions about pictures that look like no other."""
    each = 2 if mode == "pairs" else 1
    pictures = [encode(painted(seed, side, side), (side, side)) for seed in range(4 * each)]
    asked = [(f"q{place}", [*range(place * each, place * each + each)]) for place in range(4)]
    return Paper(mode, QUESTIONS[mode], (side, side), pictures, asked)


@pytest.fixture
def open_ballot(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open the page of a ballot in a browser that remembers nothing: `open_ballot(mode, **options)`."""
    contexts = []

    def open_it(mode: Mode = "pairs", side: int = 96, **options: Any) -> Opened:
        write_page(paper(mode, side), tmp_path / "judge.html")
        contexts.append(browser.new_context(**options))
        opened = Opened(contexts[-1].new_page())
        opened.listen()
        opened.page.goto((tmp_path / "judge.html").as_uri())
        return opened

    yield open_it
    for context in contexts:
        context.close()


def begin(page: Page, name: str = "") -> None:
    page.get_by_label("Your name, if you like").fill(name)
    page.keyboard.press("Enter")
    at(page, 1)


def at(page: Page, number: int) -> None:
    """Wait until a question can be answered."""
    expect(page.get_by_role("status")).to_contain_text(f"Question {number} of 4.")
    expect(page.locator("#count")).to_have_text(f"{number} of 4")


def press(page: Page, *keys: str) -> None:
    """Answer the questions that follow; the last one of the ballot is waited for as well."""
    start = int(page.locator("#count").inner_text().split()[0])
    for number, key in enumerate(keys, start + 1):
        page.keyboard.press(key)
        if number <= 4:
            at(page, number)
        else:
            expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def saved(page: Page, button: Locator, path: Path) -> dict[str, Any]:
    """What a press of the button saves."""
    with page.expect_download() as download:
        button.click()
    download.value.save_as(path / download.value.suggested_filename)
    told: dict[str, Any] = json.loads((path / download.value.suggested_filename).read_text())
    return told


def test_the_page_is_whole_in_itself(open_ballot: Open) -> None:
    opened = open_ballot()
    page = opened.page
    begin(page)
    assert page.locator("#stage img").evaluate_all("all => all.map(i => i.naturalWidth)") == [96, 96]
    opened.check_whole()


def test_by_keyboard_from_the_first_question_to_the_tally(open_ballot: Open, tmp_path: Path) -> None:
    page = open_ballot().page
    begin(page, "  Anna   Bo/../ ")
    press(page, "ArrowLeft", "b", "ArrowDown")
    page.keyboard.press("Backspace")
    at(page, 3)
    expect(page.get_by_role("button", name="No preference")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status")).to_contain_text("You answered: No preference.")
    press(page, "1", " ")
    told = saved(page, page.get_by_role("button", name="Save answers").last, tmp_path)
    path = tmp_path / "answers-Anna-Bo.json"
    assert path.is_file()
    assert told["rater"] == "Anna Bo/../"
    assert [(each["question"], each["answer"]) for each in told["answers"]] == [
        ("q0", "left"),
        ("q1", "right"),
        ("q2", "left"),
        ("q3", "skip"),
    ]
    assert all(type(each["ms"]) is int and 0 <= each["ms"] < 60_000 for each in told["answers"])
    assert told["ballot"] == paper("pairs").digest
    key = {**key_of(SIDES["pairs"]), "ballot": told["ballot"]}
    result = artgan.tally(path, key=write_key(tmp_path / "judge.key.json", key))
    assert (result.shares[0].chosen, result.shares[0].answers) == (3, 3)  # left, right and left were all of side a
    assert result.skipped == 1


def test_by_mouse_and_a_space_afterwards_is_a_skip(open_ballot: Open, tmp_path: Path) -> None:
    page = open_ballot().page
    begin(page)
    page.get_by_role("button", name="Second picture").click()
    at(page, 2)
    page.keyboard.press(" ")
    at(page, 3)
    page.get_by_role("button", name="Back").click()
    at(page, 2)
    expect(page.get_by_role("button", name="No preference")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="First picture").click()
    at(page, 3)
    told = saved(page, page.get_by_role("button", name="Save answers").first, tmp_path)
    assert [each["answer"] for each in told["answers"]] == ["right", "left"]
    assert told["rater"].startswith("rater-")
    expect(page.get_by_role("heading", name="So far")).to_be_visible()
    expect(page.locator("#done")).to_have_text("2 of 4 are answered. Fewer answers count as well.")
    page.get_by_role("button", name="Back to the questions").click()
    at(page, 3)


def test_by_finger_on_a_telephone(open_ballot: Open, tmp_path: Path) -> None:
    page = open_ballot("turing", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).page
    page.get_by_role("button", name="Begin").tap()
    at(page, 1)
    for number, name in enumerate(("Generated", "Painted", "Cannot tell"), 2):
        page.get_by_role("button", name=name).tap()
        at(page, number)
    page.get_by_role("button", name="Painted").tap()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    page.get_by_text("If no file appears").tap()
    text = page.get_by_label("Your answers as text")
    expect(text).to_have_value(re.compile("^{"))  # filled in once the opened part is shown
    copied = json.loads(text.input_value())
    assert [each["answer"] for each in copied["answers"]] == ["generated", "painted", "skip", "painted"]


def test_a_held_key_and_a_hasty_hand_answer_once(open_ballot: Open) -> None:
    page = open_ballot().page
    begin(page)
    page.keyboard.down("ArrowLeft")
    page.keyboard.press("ArrowRight")  # before the next pair is there
    at(page, 2)
    page.keyboard.down("ArrowLeft")
    page.keyboard.down("ArrowLeft")  # repeats, as a held key does
    page.wait_for_timeout(300)
    at(page, 2)
    assert page.evaluate("[...answers.values()].map(each => each.answer)") == ["left"]


def test_closing_the_page_loses_nothing(open_ballot: Open) -> None:
    page = open_ballot().page
    begin(page, "Anna")
    press(page, "a", "b")
    page.reload()
    expect(page.locator("#keeping")).to_contain_text("2 of 4 are answered already.")
    expect(page.get_by_label("Your name, if you like")).to_have_value("Anna")
    page.get_by_role("button", name="Continue").click()
    at(page, 3)
    page.reload()
    page.get_by_role("button", name="I am somebody else").click()
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    begin(page, "Bert")
    assert page.evaluate("answers.size") == 0


@pytest.mark.parametrize("kept", ["{", "[]", '{"answers": 7}', '{"answers": [["q0", {"answer": "up", "ms": 1}]]}'])
def test_what_a_browser_kept_need_not_be_sound(open_ballot: Open, kept: str) -> None:
    opened = open_ballot()
    opened.page.evaluate("kept => localStorage.setItem(place, kept)", kept)
    opened.page.reload()
    expect(opened.page.get_by_role("button", name="Begin")).to_be_visible()
    begin(opened.page)
    assert opened.complaints == []


def test_without_storage_it_says_so_and_still_works(open_ballot: Open, tmp_path: Path) -> None:
    opened = open_ballot()
    opened.page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})")
    opened.page.reload()
    expect(opened.page.locator("#keeping")).to_contain_text("save your answers before you close it")
    begin(opened.page)
    press(opened.page, "a")
    told = saved(opened.page, opened.page.get_by_role("button", name="Save answers").first, tmp_path)
    assert len(told["answers"]) == 1
    assert opened.complaints == []


def test_names_and_states_for_screen_readers(open_ballot: Open) -> None:
    page = open_ballot().page
    expect(page.get_by_role("heading", name=QUESTIONS["pairs"])).to_have_count(1)
    begin(page)
    expect(page.locator("#asked")).to_be_focused()
    for name in ("First picture", "Second picture", "Back", "No preference", "Save answers"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(1)
    expect(page.get_by_role("button")).to_have_count(5)
    expect(page.get_by_role("progressbar", name="Answered")).to_have_attribute("value", "0")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on the first picture
    expect(page.get_by_role("status")).to_have_text("First picture. Question 2 of 4. ")
    expect(page.get_by_role("button", name="First picture")).to_be_focused()
    expect(page.get_by_role("progressbar", name="Answered")).to_have_attribute("value", "1")
    press(page, "b", "b", "b")
    expect(page.get_by_role("heading", name="Thank you")).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text("All 4 are answered.")


@pytest.mark.parametrize("mode", ["pairs", "turing"])
def test_every_screen_holds_the_question_whole(open_ballot: Open, mode: Mode) -> None:
    page = open_ballot(mode, 500).page
    for width, height in ((320, 640), (390, 844), (844, 390), (1024, 768), (1280, 720), (2560, 1300)):
        page.set_viewport_size({"width": width, "height": height})
        if page.locator("#start").is_visible():
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            begin(page)
        page.wait_for_timeout(50)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, height)
        assert page.evaluate("document.documentElement.scrollHeight") <= height, (width, height)
        boxes = page.locator(".picture").evaluate_all("all => all.map(i => [i.offsetWidth, i.offsetHeight])")
        assert all(abs(wide - high) <= 1 for wide, high in boxes)
        assert min(min(box) for box in boxes) >= 0.25 * min(width, height), (width, height, boxes)
        buttons = page.locator("button:visible")
        assert min(buttons.evaluate_all("all => all.map(b => Math.min(b.offsetWidth, b.offsetHeight))")) >= 44


def test_light_and_dark_can_both_be_read(open_ballot: Open) -> None:
    page = open_ballot("turing").page
    papers = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.reload()
        seen = page.evaluate(CONTRASTS)
        page.locator("#go").click()
        page.wait_for_timeout(250)
        page.keyboard.press("ArrowLeft")
        seen += page.evaluate(CONTRASTS)
        page.get_by_role("button", name="Save answers").first.click()
        seen += page.evaluate(CONTRASTS)
        papers.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        assert len(seen) > 25
        assert min(seen)[0] >= 4.5, (scheme, sorted(seen)[:5])
    assert len(papers) == 2


def test_who_wants_no_motion_gets_none(open_ballot: Open) -> None:
    page = open_ballot(reduced_motion="reduce").page
    begin(page)
    found = page.locator("*").evaluate_all("all => new Set(all.map(i => getComputedStyle(i).transitionDuration)).size")
    assert found == 1
    assert page.locator("#stage img").first.evaluate("i => getComputedStyle(i).transitionDuration") == "0s"
