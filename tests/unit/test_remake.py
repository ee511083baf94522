"""`artgan.again`: a picture made once more from what it says of itself, or a sentence that says why not."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import artgan
from artgan.engine.images import encode_png, read_recipe
from artgan.errors import ArtganError, CheckpointError, DatasetError, Interrupted, UsageError
from tests.generators import untrained_run
from tests.painting import picture, pixels, quicken

pytestmark = pytest.mark.usefixtures("one_thread")

TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.total_kimg": 0.008,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photo.png, two styles and a mask; painting takes two steps."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    picture(Path("photo.png"), 0)
    picture(Path("styles/one.jpg"), 1, 40, 40)
    picture(Path("styles/two.jpg"), 2, 40, 40)
    Image.fromarray(np.repeat(np.arange(36)[:, None] < 18, 48, axis=1)).save("mask.png")
    return tmp_path


def painting(out: str = "works/first.png", **words: Any) -> Path:
    settings: dict[str, Any] = {"init": "noise", "seed": 3, "strength": 0.8, "size": 64, "detail": "fast"}
    styles = ["styles/one.jpg:0.1", "styles/two.jpg:0.7"]
    return artgan.stylize("photo.png", styles, out=out, **{**settings, **words}).files[0]


def rewritten(recipe: dict[str, Any]) -> Path:
    """A picture with another recipe."""
    Path("works").mkdir(exist_ok=True)
    path = Path("works/changed.png")
    path.write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), recipe))
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_a_painting_is_painted_again_to_the_same_bytes(suffix: str) -> None:
    first = painting(f"works/first{suffix}")
    made = artgan.again(first)
    assert made == Path(f"works/first-again{suffix}")
    assert made.read_bytes() == first.read_bytes()


def test_masks_and_all_settings_are_used_again() -> None:
    first = painting(mask="mask.png", strength=1.0, keep_colors="luminance", smooth=2.5, brush_size=0.5)
    assert read_recipe(first)["masks"][0]["file"] == "../mask.png"
    # Two styles and two regions: white after the first, black after the second.
    assert artgan.again(first).read_bytes() == first.read_bytes()


def test_it_works_from_anywhere_and_into_any_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = painting()
    far = tmp_path / "far" / "elsewhere"
    far.mkdir(parents=True)
    monkeypatch.chdir(far)
    made = artgan.again(tmp_path / first, "mine.png")
    assert made == Path("mine.png")
    assert np.array_equal(pixels(made), pixels(tmp_path / first))
    assert artgan.again(tmp_path / first, far) == far / "first.png"
    shutil.copy(tmp_path / first, "moved.png")
    with pytest.raises(DatasetError, match=r"\.\./photo\.png, which it was painted from, is gone"):
        artgan.again("moved.png")


def test_the_command_inside_paints_it_too() -> None:
    import shlex

    from typer.testing import CliRunner

    from artgan.cli.main import app

    first = painting("first.png", mask="mask.png")
    words = shlex.split(read_recipe(first)["command"])
    result = CliRunner().invoke(app, [*words[1:], "-o", "second.png"])
    assert result.exit_code == 0, result.stderr
    assert Path("second.png").read_bytes() == first.read_bytes()


def test_what_exists_is_kept_and_the_inputs_always() -> None:
    first = painting()
    Path("works/first-again.png").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"first-again\.png exists"):
        artgan.again(first)
    assert Path("works/first-again.png").read_bytes() == b"precious"
    artgan.again(first, overwrite=True)
    before = Path("photo.png").read_bytes()
    with pytest.raises(UsageError, match="one of the pictures to read"):
        artgan.again(first, "photo.png", overwrite=True)
    assert Path("photo.png").read_bytes() == before


def test_an_input_that_is_gone_or_changed_is_named() -> None:
    first = painting()
    picture(Path("styles/two.jpg"), 9)
    with pytest.raises(DatasetError, match=r"styles/two\.jpg, which it was painted from, has changed"):
        artgan.again(first)
    Path("photo.png").unlink()
    with pytest.raises(DatasetError, match=r"photo\.png, which it was painted from, is gone"):
        artgan.again(first)
    assert [path.name for path in Path("works").iterdir()] == ["first.png"]


def test_an_unfinished_painting_is_finished_by_it() -> None:
    stops = iter((False, False, True))
    with pytest.raises(Interrupted):
        painting(should_stop=lambda: next(stops, True))
    assert read_recipe("works/first.png")["finished"] is False
    made = artgan.again("works/first.png")
    assert read_recipe(made)["finished"] is True
    assert made.read_bytes() == painting("works/straight.png").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {}},
        {"settings": None},
        {"styles": []},
        {"styles": [{"file": "../styles/one.jpg"}]},
        {"styles": "one.jpg"},
        {"content": 3},
        {"content": {"file": "../photo.png"}},
        {"masks": 1},
        {"kind": "stylize", "settings": {"strength": 2}},
    ],
)
def test_a_damaged_recipe_is_a_sentence(change: dict[str, Any]) -> None:
    recipe = read_recipe(painting())
    path = rewritten({**recipe, **change})
    with pytest.raises(ArtganError) as caught:
        artgan.again(path)
    assert caught.value.exit_code in (2, 3)
    assert caught.value.hint
    assert not list(Path("works").glob("*-again*"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("strength", 7), ("strength", "half"), ("size", 64.5), ("size", True), ("detail", "coarse"), ("seed", -1)],
)
def test_a_recipe_with_impossible_settings_is_refused_by_name(key: str, value: object) -> None:
    recipe = read_recipe(painting())
    path = rewritten({**recipe, "settings": {**recipe["settings"], key: value}})
    with pytest.raises(UsageError, match=f"--{key}"):
        artgan.again(path)


def test_a_mistake_while_painting_is_not_blamed_on_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    first = painting()
    monkeypatch.setattr("artgan.style.studio.repaint", fail)
    with pytest.raises(KeyError):
        artgan.again(first)


def test_pictures_that_say_nothing_are_told_so() -> None:
    for path, words in (
        (Path("photo.png"), "does not say how it was made"),
        (Path("styles/one.jpg"), "does not say how it was made"),
        (Path("gone.png"), r"no file gone\.png"),
        (Path("styles"), "no file styles"),
        (rewritten({"kind": "preview"}), r"changed\.png is a picture of a kind that cannot be made again"),
        (rewritten({}), "cannot be made again"),
    ):
        with pytest.raises(UsageError, match=words):
            artgan.again(path)


@pytest.fixture
def run(class_folders: Path) -> Path:
    return artgan.train(class_folders, preset=None, overrides=TINY, runs_dir="runs").run


def test_samples_are_drawn_again_to_the_same_bytes(run: Path) -> None:
    sheet = artgan.sample(run, seeds="0-4", truncation=0.7).files[0]
    wide = artgan.sample(run, seeds="0-5", out="wide.png", columns=2).files[0]
    owls = artgan.load(run).classes[2]
    single = artgan.sample(run, seeds="4,7", class_name=owls, out="singles").files[1]
    alone = artgan.sample(run, seeds="7", class_name=owls, out="alone.png").files[0]
    for first in (sheet, wide, single, alone):
        made = artgan.again(first)
        assert made == first.with_stem(f"{first.stem}-again")
        assert np.array_equal(pixels(made), pixels(first)), first
        there, here = read_recipe(first), read_recipe(made)
        assert {**here, "columns": None} == {**there, "columns": None}
    for first in (sheet, wide, alone):
        assert first.with_stem(f"{first.stem}-again").read_bytes() == first.read_bytes()


def test_a_sample_is_found_by_its_run_wherever_it_lies(run: Path, tmp_path: Path) -> None:
    first = artgan.sample(run, seeds="3").files[0]
    moved = tmp_path / "far" / "away.png"
    moved.parent.mkdir()
    shutil.copy(first, moved)
    before = pixels(first)
    assert np.array_equal(pixels(artgan.again(moved)), before)
    (tmp_path / "runs").rename(tmp_path / "archive")
    with pytest.raises(CheckpointError, match="no run"):
        artgan.again(moved, "x.png")
    assert np.array_equal(pixels(artgan.again(moved, "x.png", runs_dir="archive")), before)


def test_a_sample_whose_checkpoint_is_gone_or_whose_recipe_is_damaged(run: Path) -> None:
    first = artgan.sample(run, seeds="3", out="one.png").files[0]
    recipe = read_recipe(first)
    for change in ({"nimg": "many"}, {"seeds": None}, {"seeds": ["x"]}, {"truncation": "no"}, {"columns": "two"}):
        with pytest.raises(UsageError, match=r"changed\.png is damaged"):
            artgan.again(rewritten({**recipe, **change}))
    with pytest.raises(ArtganError, match="no class 'aple'"):
        artgan.again(rewritten({**recipe, "class": "aple"}))
    shutil.rmtree(run / "checkpoints" / "000000008")
    with pytest.raises(CheckpointError, match=r"000000008, which one\.png was drawn from, is gone"):
        artgan.again(first)


def test_a_film_tells_its_command(tmp_path: Path) -> None:
    run = untrained_run(tmp_path / "runs")
    artgan.walk(tmp_path / "out.gif", run=run, frames=2)
    with pytest.raises(UsageError, match="is a film") as caught:
        artgan.again(tmp_path / "out.gif")
    assert caught.value.hint == "Its command: artgan walk out.gif --run 00000-tiny --frames 2"
