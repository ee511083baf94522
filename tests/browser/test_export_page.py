"""The page of `artgan export -f html` in a real browser, opened as the file it is: its pictures are Python's."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser

from artgan.engine.captions import BUCKETS, encode_caption
from artgan.engine.images import read_recipe, to_uint8
from artgan.engine.seeds import latents
from artgan.latent.latents import latents_from
from artgan.latent.paths import along
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator, load
from artgan.sharing.export import export
from tests.browser.conftest import Opened, open_file
from tests.sharing import CASES, shareable

Bytes = NDArray[np.int16]
SEEDS = (0, 1, 7, 12345, 2**31 + 5, 2**40 + 7)


class Shown:
    """A page and the model in it."""

    def __init__(self, opened: Opened, model: LoadedGenerator) -> None:
        self.opened, self.page, self.model = opened, opened.page, model
        self.page.wait_for_selector("#canvas[data-drawn]")

    def wait(self, beginning: str) -> None:
        """Until a picture of that is seen."""
        self.page.wait_for_selector(f'#canvas[data-drawn^="{beginning}"]')

    def seed(self, seed: int) -> None:
        self.page.fill("#seed", str(seed))
        self.page.press("#seed", "Enter")
        self.page.wait_for_selector(f'#canvas[data-drawn="seed {seed}"], #canvas[data-drawn^="seed {seed},"]')

    def saved(self, folder: Path) -> Path:
        with self.page.expect_download() as waiting:
            self.page.click("#save")
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def seen(self) -> Bytes:
        """The bytes on the canvas, (H, W, 4)."""
        width, height = self.model.settings.data.size
        rows = self.page.evaluate(
            "[...document.getElementById('canvas').getContext('2d').getImageData(0, 0, %d, %d).data]" % (width, height)  # noqa: UP031
        )
        return np.array(rows, np.int16).reshape(height, width, 4)


def painted(model: LoadedGenerator, z: torch.Tensor, name: str | None) -> Bytes:
    """What Python draws, (H, W, C)."""
    picture = render(model.network, model.engine, z, model.conditions([name]))[0]
    return to_uint8(picture.numpy()).transpose(1, 2, 0).astype(np.int16)


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Shown]]:
    """Pages of the cases, each opened once."""
    found: dict[str, Shown] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def of(case: str) -> Shown:
        if case not in found:
            run = shareable(tmp_path_factory.mktemp("runs"), **CASES[case])
            path = export(run, tmp_path_factory.mktemp("page") / "x.html", title="Fruit & <b>bread</b>").file
            found[case] = Shown(open_file(browser, path), load(run, device="cpu"))
        return found[case]

    yield of
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", CASES)
def test_seeds_are_the_pictures_that_python_draws(pages: Callable[[str], Shown], case: str, tmp_path: Path) -> None:
    shown = pages(case)
    name = next(iter(shown.model.names), None)
    for seed in SEEDS:
        shown.seed(seed)
        wanted = painted(shown.model, latents((seed,), shown.model.settings.model.z_dim), name)
        with Image.open(shown.saved(tmp_path)) as file:
            found = np.asarray(file).astype(np.int16).reshape(wanted.shape)
        assert wanted.std() > 20
        assert np.abs(found - wanted).max() <= 2, seed
        if shown.model.settings.data.channels != "rgba":
            assert np.abs(shown.seen()[..., :3] - wanted).max() <= 2, seed


def test_a_model_of_its_usual_size_draws_what_python_draws(browser: Browser, tmp_path: Path) -> None:
    run = shareable(tmp_path, "painter", ("pear", "apple"), size=(64, 64), z_dim=64, base_channels=32)
    result = export(run, tmp_path / "x.html")
    assert '"bytes": 2' in result.file.read_text()
    assert result.size < 5_000_000
    shown = Shown(open_file(browser, result.file), load(run, device="cpu"))
    for seed in (0, 3):
        shown.seed(seed)
        wanted = painted(shown.model, latents((seed,), 64), "pear")
        assert np.abs(shown.seen()[..., :3] - wanted).max() <= 2
    shown.page.close()


def test_other_classes_are_drawn_as_in_python(pages: Callable[[str], Shown]) -> None:
    shown = pages("painter, classes, tall")
    shown.seed(4)
    shown.page.select_option("#class", label="apple")
    shown.wait("seed 4, apple")
    wanted = painted(shown.model, latents((4,), 8), "apple")
    assert np.abs(shown.seen()[..., :3] - wanted).max() <= 2
    assert np.abs(wanted - painted(shown.model, latents((4,), 8), "pear")).max() > 20
    shown.page.select_option("#class", label="pear")


TEXTS = ["green pear", "", "Ein GROßER Äpfel-Baum, ﬁne!", "Ὀδυσσεύς ὈΔΥΣΣΕΎΣ", "一枚の絵 №5 ²", "z" * 300]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_drawn_as_in_python(pages: Callable[[str], Shown], text: str) -> None:
    shown = pages("dcgan, texts, wide")
    shown.seed(2)
    shown.page.fill("#text", text)
    shown.wait(f"seed 2, “{text}”")
    wanted = painted(shown.model, latents((2,), 8), text)
    assert np.abs(shown.seen()[..., :1] - wanted).max() <= 2
    vector = shown.page.evaluate(IN_WORKER, f"Array.from(caption({json.dumps(text)}, {BUCKETS}))")
    assert vector == pytest.approx(encode_caption(text).tolist(), abs=1e-6)
    shown.page.fill("#text", "red apple")


IN_WORKER = """code => new Promise(done => {
  const source = document.getElementById("drawing").textContent + `\\nif (true) postMessage(${code});`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.onmessage = ({data}) => { worker.terminate(); done(data); };
})"""
"""Runs a line beside the scripts of the page's Worker, where the page's policy allows scripts."""


@pytest.mark.parametrize("truncation", [None, 0.3, 0.8, 1.5])
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 31, 32, 64, 128])
def test_numbers_of_seeds_are_pytorchs(pages: Callable[[str], Shown], count: int, truncation: float | None) -> None:
    seeds = (*range(20), 999_999, 2**32 - 1, 2**32, 2**53 - 1)
    drawn = f"{list(seeds)}.map(seed => Array.from(latent(seed, {count}, {json.dumps(truncation)})))"
    found = np.array(pages("mlp").page.evaluate(IN_WORKER, drawn))
    assert found == pytest.approx(latents(seeds, count, truncation).numpy(), abs=3e-6)


def test_truncation_is_that_of_sample(pages: Callable[[str], Shown]) -> None:
    shown = pages("dcgan")
    shown.seed(3)
    before = shown.seen()
    shown.page.fill("#truncation", "0.5")
    shown.wait("seed 3, truncation 0.5")
    wanted = painted(shown.model, latents((3,), 20, 0.5), None)
    assert np.abs(shown.seen()[..., :3] - wanted).max() <= 2
    assert np.abs(shown.seen() - before).max() > 20
    assert shown.page.get_attribute("#truncation", "aria-valuetext") == "0.5"
    shown.page.fill("#truncation", "2.1")


def test_sliders_go_along_the_directions(pages: Callable[[str], Shown], tmp_path: Path) -> None:
    shown = pages("painter")
    shown.seed(5)
    shown.page.get_by_label("warm").fill("1.5")
    shown.page.get_by_label("round").fill("-2")
    shown.wait("seed 5, warm 1.5, round -2")
    rows = shown.model.directions
    z = latents((5,), 16) + 1.5 * rows["warm"] - 2 * rows["round"]
    wanted = painted(shown.model, z, None)
    assert np.abs(shown.seen()[..., :3] - wanted).max() <= 2
    picture = shown.saved(tmp_path)
    assert latents_from([picture], shown.model)[0].z == pytest.approx(z[0].numpy(), abs=1e-5)
    shown.page.click("#reset")
    shown.page.wait_for_selector('#canvas[data-drawn="seed 5"]')
    assert np.abs(shown.seen()[..., :3] - painted(shown.model, latents((5,), 16), None)).max() <= 2


def test_a_walk_goes_by_the_slerp_of_walk(pages: Callable[[str], Shown]) -> None:
    places = [0, 0.25, 0.5, 0.999]
    drawn = f"{places}.map(t => Array.from(slerp(latent(3, 20), latent(4, 20), t)))"
    found = np.array(pages("mlp").page.evaluate(IN_WORKER, drawn))
    assert found == pytest.approx(along("slerp", latents((3, 4), 20).numpy(), np.array(places), loop=False), abs=1e-5)


def test_a_walk_moves_stops_and_can_be_saved(pages: Callable[[str], Shown], tmp_path: Path) -> None:
    shown = pages("painter, classes, tall")
    shown.seed(8)
    shown.page.fill("#pace", "0.5")
    shown.page.click("#walk")
    assert shown.page.get_attribute("#walk", "aria-pressed") == "true"
    shown.wait("seeds 10 to 11, pear")
    shown.page.click("#walk")
    shown.page.wait_for_timeout(400)
    drawn = shown.page.get_attribute("#canvas", "data-drawn")
    seen = shown.seen()
    shown.page.wait_for_timeout(400)
    assert (shown.seen() == seen).all()
    picture = shown.saved(tmp_path)
    held = latents_from([picture], shown.model)
    assert read_recipe(picture)["latents"][0]["name"] == drawn
    wanted = painted(shown.model, torch.from_numpy(held[0].z)[None], held[0].class_name)
    assert np.abs(seen[..., :3] - wanted).max() <= 2


def test_a_saved_picture_may_be_larger(pages: Callable[[str], Shown], tmp_path: Path) -> None:
    shown = pages("painter, classes, tall")
    shown.seed(1)
    shown.page.select_option("#scaling", "crisp")
    shown.page.select_option("#factor", "8")
    path = shown.saved(tmp_path)
    with Image.open(path) as file:
        assert file.size == (128, 256)
        large = np.asarray(file.convert("RGB")).astype(np.int16)
    assert (large[::8, ::8] == shown.seen()[..., :3]).all()
    assert (large[7::8, 7::8] == shown.seen()[..., :3]).all()
    assert read_recipe(path)["run"] == shown.model.run
    shown.page.select_option("#factor", "1")


def test_keys_do_what_they_say(pages: Callable[[str], Shown]) -> None:
    shown = pages("painter, classes, tall")
    shown.seed(6)
    shown.page.evaluate("document.activeElement.blur()")
    shown.page.keyboard.press("ArrowRight")
    shown.wait("seed 7,")
    shown.page.keyboard.press("ArrowLeft")
    shown.wait("seed 6,")
    shown.page.select_option("#scaling", "smooth")
    shown.page.evaluate("document.activeElement.blur()")
    shown.page.keyboard.press("p")
    assert shown.page.input_value("#scaling") == "crisp"
    assert shown.page.evaluate("getComputedStyle(document.getElementById('canvas')).imageRendering") == "pixelated"
    shown.page.keyboard.press("w")
    assert shown.page.get_attribute("#walk", "aria-pressed") == "true"
    shown.page.keyboard.press("w")
    assert shown.page.get_attribute("#walk", "aria-pressed") == "false"
    with shown.page.expect_download():
        shown.page.keyboard.press("s")
    shown.page.fill("#seed", "15")
    shown.page.keyboard.press("ArrowRight")  # in a box it moves the cursor
    assert shown.page.input_value("#seed") == "15"


@pytest.mark.parametrize("typed", ["-1", "pear", "1.5", "9" * 17, ""])
def test_what_is_no_seed_is_told(pages: Callable[[str], Shown], typed: str) -> None:
    shown = pages("mlp")
    shown.seed(3)
    shown.page.fill("#seed", typed)
    shown.page.press("#seed", "Enter")
    assert "Seeds are whole numbers" in shown.page.inner_text("#status")
    assert shown.page.get_attribute("#seed", "aria-invalid") == "true"
    shown.seed(2)
    assert shown.page.get_attribute("#seed", "aria-invalid") is None


def test_every_control_has_a_name_and_can_be_reached(pages: Callable[[str], Shown]) -> None:
    shown = pages("painter, classes, tall")
    page = shown.page
    assert page.get_by_role("img", name="Picture of seed").count() == 1
    assert page.get_by_role("status").count() == 1
    controls: tuple[tuple[Literal["textbox", "button", "combobox", "slider"], str], ...] = (
        ("textbox", "Seed"),
        ("button", "Previous seed"),
        ("button", "Next seed"),
        ("button", "Random seed"),
        ("combobox", "Class"),
        ("slider", "Truncation"),
        ("slider", "warm"),
        ("button", "All to 0"),
        ("button", "Walk from seed to seed"),
        ("slider", "Seconds per seed"),
        ("combobox", "Enlarged as"),
        ("combobox", "Saved at"),
        ("button", "Save picture"),
    )
    for role, name in controls:
        control = page.get_by_role(role, name=name)
        assert control.count() == 1, name
        control.focus()
        assert control.evaluate("item => item === document.activeElement"), name


def test_titles_are_text_and_nothing_else(pages: Callable[[str], Shown]) -> None:
    page = pages("mlp").page
    assert page.inner_text("h1") == "Fruit & <b>bread</b>"
    assert page.title() == "Fruit & <b>bread</b> – artgan"


@pytest.mark.parametrize("case", ["painter", "dcgan, texts, wide", "painter, classes, tall"])
def test_no_screen_need_scroll_sideways(pages: Callable[[str], Shown], case: str) -> None:
    opened = pages(case).opened
    assert [opened.overflow(width) for width in (320, 390, 600, 900, 1200)] == [0, 0, 0, 0, 0]
    ratio = opened.page.evaluate("(b => b.width / b.height)(document.getElementById('canvas').getBoundingClientRect())")
    width, height = pages(case).model.settings.data.size
    assert ratio == pytest.approx(width / height, rel=0.01)


def test_light_and_dark_can_both_be_read(pages: Callable[[str], Shown]) -> None:
    pages("painter").opened.check_contrasts(10)


def test_nothing_is_asked_for_and_nothing_goes_wrong(browser: Browser, tmp_path: Path) -> None:
    opened = open_file(browser, export(shareable(tmp_path, **CASES["mlp"]), tmp_path / "x.html").file)
    Shown(opened, load(tmp_path / "00000-shared", device="cpu"))
    opened.requests = [url for url in opened.requests if not url.startswith("blob:null/")]  # the page's own Worker
    opened.check_whole()
    opened.page.close()


def test_a_page_whose_weights_are_damaged_says_so(browser: Browser, tmp_path: Path) -> None:
    path = export(shareable(tmp_path, **CASES["mlp"]), tmp_path / "x.html").file
    start, _, end = path.read_text().partition('id="weights">')
    path.write_text(f'{start}id="weights">{end[4000:]}')
    opened = open_file(browser, path)
    opened.page.wait_for_selector("#status.wrong")
    assert "cannot be drawn" in opened.page.inner_text("#status")
    opened.page.close()
