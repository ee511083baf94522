"""Sampling, walking, searching and breeding with a model that draws from texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import artgan
from artgan.engine.captions import encode_caption
from artgan.engine.images import read_recipe
from artgan.engine.seeds import latents
from artgan.errors import UsageError
from artgan.latent.latents import Latent, draw, latents_from, save_latents
from artgan.models.render import render
from tests.generators import untrained_run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("texts"), texts=("red apple", "a pear, ripe"))


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("fruit"), ("apple", "pear"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("plain"))


def pixels(path: Path) -> Any:
    with Image.open(path) as opened:
        return np.asarray(opened)


def test_a_picture_is_that_of_its_seed_and_its_text(run: Path, tmp_path: Path) -> None:
    model = artgan.load(run)
    expected = render(model.network, model.engine, latents((4,), 16), encode_caption("green apples")[None])
    assert torch.equal(artgan.Generator(model).sample([4], "green apples"), expected)
    file = artgan.sample(run, text="green apples", seeds="4", out=tmp_path / "one.png").files[0]
    levels = ((expected[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().clip(0, 255)
    assert np.abs(pixels(file).astype(float) - levels).max() <= 1


def test_single_pictures_are_named_and_say_how_they_were_made(run: Path, tmp_path: Path) -> None:
    text = " Green\napples: $two; "
    file = artgan.sample(run, text=text, seeds="7", truncation=0.5, out=tmp_path / "out").files[0]
    assert file.name == "Green_apples_two_-seed00007.png"
    recipe = read_recipe(file)
    assert (recipe["text"], recipe["class"], recipe["texts"]) == ("Green apples: $two;", None, ["Green apples: $two;"])
    assert recipe["command"] == f"artgan sample {run.name} --seeds 7 --text 'Green apples: $two;' --truncation 0.5"
    again = artgan.again(file, tmp_path / "again.png", runs_dir=run.parent)
    assert np.array_equal(pixels(again), pixels(file))
    assert read_recipe(again)["text"] == recipe["text"]


def test_long_texts_that_begin_alike_have_files_of_their_own(run: Path, tmp_path: Path) -> None:
    texts = ["word " * 50 + end for end in ("one", "two")]
    files = [artgan.sample(run, text=text, seeds="0", out=tmp_path / "out").files[0] for text in texts]
    sheets = [artgan.sample(run, text=text, seeds="0").files[0] for text in texts]
    assert len({*files, *sheets}) == 4
    assert all(len(file.name) < 120 for file in files)


def test_without_a_text_those_are_drawn_that_it_learnt_one_row_each(run: Path, tmp_path: Path) -> None:
    sheet = artgan.sample(run, seeds="0-2", out=tmp_path / "sheet.png").files[0]
    assert pixels(sheet).shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    second = artgan.sample(run, text="a pear, ripe", seeds="1", out=tmp_path / "one.png").files[0]
    assert np.array_equal(pixels(sheet)[20:36, 20:36], pixels(second))
    recipe = read_recipe(sheet)
    assert (recipe["text"], recipe["texts"]) == (None, ["red apple", "a pear, ripe"])
    assert artgan.again(sheet, tmp_path / "again.png", runs_dir=run.parent).read_bytes() == sheet.read_bytes()
    singles = artgan.sample(run, seeds="0", out=tmp_path / "singles").files
    assert [file.name for file in singles] == ["00-red_apple-seed00000.png", "01-a_pear_ripe-seed00000.png"]


def test_texts_and_classes_are_not_taken_for_one_another(run: Path, fruit: Path, plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--class 'apple': this model has no classes, it draws from texts") as refusal:
        artgan.sample(run, class_name="apple")
    assert "--text" in refusal.value.hint
    for model, hint in ((fruit, "apple, pear"), (plain, "Leave it away")):
        with pytest.raises(UsageError, match="--text: this model was not trained with captions") as refusal:
            artgan.sample(model, text="apple")
        assert hint in refusal.value.hint
    with pytest.raises(UsageError, match="--class and --text both"):
        artgan.sample(fruit, text="apple", class_name="apple")
    with pytest.raises(UsageError, match="--class 'apple': this model has no classes"):
        artgan.breed(["1", "2"], run, class_name="apple")
    Image.new("RGB", (16, 16)).save(tmp_path / "own.png")
    with pytest.raises(UsageError, match="--class 'apple': this model has no classes"):
        artgan.project(tmp_path / "own.png", run, class_name="apple")


def test_words_name_a_text_and_its_seeds(run: Path, tmp_path: Path) -> None:
    model = artgan.load(run)
    found = latents_from(["green apples, two:3-4"], model)
    assert [latent.class_name for latent in found] == ["green apples, two"] * 2
    with pytest.raises(UsageError, match="draws from texts, and none is given") as refusal:
        latents_from(["3"], model)
    assert '"red apple:7"' in refusal.value.hint
    for name in ("mine.npz", "mine.json"):
        save_latents(tmp_path / name, found, run.name)
        held = latents_from([tmp_path / name], model)
        assert [latent.class_name for latent in held] == ["green apples, two"] * 2
        assert np.array_equal(held[1].z, found[1].z)


@pytest.mark.parametrize("text", ["green apples", "", None])
def test_a_sheet_holds_its_latents_with_their_texts(run: Path, tmp_path: Path, text: str | None) -> None:
    sheet = artgan.sample(run, text=text, seeds="5,6", out=tmp_path / "sheet.png").files[0]
    held = latents_from([sheet], artgan.load(run))
    expected = [text] * 2 if text is not None else ["red apple"] * 2 + ["a pear, ripe"] * 2
    assert [latent.class_name for latent in held] == expected


def test_a_walk_goes_from_text_to_text(run: Path, tmp_path: Path) -> None:
    artgan.walk(tmp_path / "frames", run=run, keys=["blue plum:1", "red apple:2"], frames=4, path="linear")
    first = pixels(min((tmp_path / "frames").iterdir()))
    assert np.array_equal(
        first, pixels(artgan.sample(run, text="blue plum", seeds="1", out=tmp_path / "a.png").files[0])
    )
    known = artgan.walk(tmp_path / "known", run=run, frames=6)
    assert known.keys == (("red apple:0", "a pear, ripe:1", *(f"{t}:{s}" for s, t in CYCLE)),)
    with pytest.raises(UsageError, match="no classes"):
        artgan.walk(tmp_path / "refused", run=run, class_name="red apple")


CYCLE = [(2, "red apple"), (3, "a pear, ripe"), (4, "red apple"), (5, "a pear, ripe")]


def test_a_search_finds_the_text_and_children_inherit_one(run: Path, tmp_path: Path) -> None:
    own = artgan.sample(run, text="a pear, ripe", seeds="2", out=tmp_path / "own.png").files[0]
    stripped = tmp_path / "stranger.png"
    Image.fromarray(pixels(own)).save(stripped)
    found = artgan.project(stripped, run, steps=30, out=tmp_path / "found").pictures[0]
    assert found.class_name == "a pear, ripe"
    assert found.distance is not None
    assert found.distance < 0.5
    children = artgan.breed(["blue plum:1", "red apple:2"], run, children=6, out=tmp_path / "children")
    recipe = read_recipe(children.sheet)
    assert {row["class"] for row in recipe["latents"]} == {"blue plum", "red apple"}
    again = artgan.again(children.files[0], tmp_path / "again.png", runs_dir=run.parent)
    assert again.read_bytes() == children.files[0].read_bytes()


def test_a_latent_of_a_text_is_drawn_as_its_seed_is(run: Path) -> None:
    model = artgan.load(run)
    z = latents((9,), 16)[0].numpy()
    assert torch.equal(draw(model, [Latent(z, "red apple", "x")]), artgan.Generator(model).sample([9], "red apple"))
