"""When skills appeared, in previews that are planted to learn one thing after the other."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from artgan.engine.storage import Run
from artgan.errors import ArtganError, CheckpointError, Interrupted
from artgan.interpretation.skills import COLUMNS, MOST, Sheets, came, cut, find_skills, read_sheets, spread
from tests.conftest import painted

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (20, 16)
NIMG = (0, 1000, 2000, 4000)


def embed(pictures: list[Image.Image]) -> torch.Tensor:
    """A stand-in for the encoder: the picture itself, small."""
    small = [torch.from_numpy(np.asarray(one.resize((4, 4)), np.float32)).flatten() for one in pictures]
    return torch.stack(small) / 32 - 4


def paintings(rows: int = 2) -> list[Image.Image]:
    return [painted(seed, *SIZE) for seed in range(rows * COLUMNS)]


def grey() -> Image.Image:
    return Image.new("RGB", SIZE, (128, 128, 128))


def skill(sheets: Sheets, name: str) -> tuple[tuple[float, ...], int | None]:
    found = {one.name: one for one in find_skills(sheets, embed).skills}[name]
    return found.values, found.came


def sheets_of(
    *previews: Sequence[Image.Image], reals: Sequence[Image.Image] | None = None, rows: bool = False
) -> Sheets:
    return Sheets(NIMG[: len(previews)], tuple(map(list, previews)), list(reals or paintings()), rows)


def test_what_comes_from_grey_is_dated_when_it_came() -> None:
    whole, nothing = paintings(), [grey()] * 16
    blurred = [one.filter(ImageFilter.GaussianBlur(3)) for one in whole]
    sheets = sheets_of(nothing, blurred, whole, whole)
    for name in ("colours", "shapes", "variety", "texture", "contrast", "likeness"):
        values, at = skill(sheets, name)
        assert values[0] < 0.1, name
        assert values[-1] == pytest.approx(1, abs=0.02), name
        assert at == (1000 if name == "likeness" else at)
    assert skill(sheets, "shapes")[1] in (1000, 2000)
    assert skill(sheets, "texture")[1] == 2000
    assert skill(sheets, "texture")[0][1] < 0.5 < skill(sheets, "shapes")[0][1]


def test_the_skills_stand_in_the_order_in_which_they_came() -> None:
    whole = paintings()
    blurred = [one.filter(ImageFilter.GaussianBlur(2)) for one in whole]
    found = find_skills(sheets_of([grey()] * 16, blurred, whole), embed).skills
    dates = [one.came for one in found if one.came is not None]
    assert dates == sorted(dates)
    assert found[-1].name == "texture"


def test_one_picture_again_and_again_has_no_variety() -> None:
    collapsed = [painted(3, *SIZE)] * 16
    values, at = skill(sheets_of(paintings(), collapsed), "variety")
    assert values == pytest.approx((1, 0), abs=1e-6)
    assert at is None


def test_too_much_counts_like_too_little() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    values, _ = skill(sheets_of([Image.fromarray(one) for one in noise], paintings()), "texture")
    assert values[0] < 0.3
    assert values[1] == 1


def test_classes_differ_only_when_their_rows_do() -> None:
    """Three classes: red, green and blue; first every row is painted alike, then in its colour."""

    def row(color: tuple[int, int, int], seed: int) -> list[Image.Image]:
        shades = np.random.default_rng(seed).integers(-20, 20, COLUMNS)
        return [Image.new("RGB", SIZE, tuple(int(v + shade) for v in color)) for shade in shades]

    colors = ((200, 60, 60), (60, 200, 60), (60, 60, 200))
    reals = [one for number, color in enumerate(colors) for one in row(color, number)]
    alike = row((120, 120, 120), 0) * 3
    apart = [one for color in colors for one in row(color, 0)]
    values, at = skill(sheets_of(alike, apart, reals=reals, rows=True), "classes")
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[1] == pytest.approx(1, abs=0.05)
    assert at == 1000
    assert "classes" not in {one.name for one in find_skills(sheets_of(alike, apart, reals=reals), embed).skills}


def test_what_a_latent_does_in_all_classes_hides_no_difference_between_them() -> None:
    """Previews show the same latents in every row; these make far lighter and darker pictures, whatever the class."""
    lights, shades = (100, 128, 156), np.linspace(-70, 70, COLUMNS)
    flat = [Image.new("RGB", SIZE, (light, light, light)) for light in lights for _ in shades]
    swung = [Image.new("RGB", SIZE, (int(light + shade),) * 3) for light in lights for shade in shades]
    values, _ = skill(sheets_of(flat, swung, reals=flat, rows=True), "classes")
    assert values[0] == 1
    assert values[1] > 0.8


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ((0.1, 0.95, 0.5, 1.0), 4000),
        ((0.1, 0.2, 0.91, 1.0), 2000),
        ((0.9, 0.9, 0.9, 1.0), 0),
        ((0.9, 0.9, 0.9, 0.4), None),
        ((0.1, 0.6, 0.7, 0.75), 2000),
    ],
)
def test_a_skill_came_when_it_stayed(values: tuple[float, ...], at: int | None) -> None:
    assert came(NIMG, values) == at


def test_many_previews_are_thinned_out_evenly_in_the_logarithm() -> None:
    nimg = [0, 500, 1000, *range(2000, 402_000, 2000)]
    kept = spread(nimg)
    assert len(kept) == MOST
    assert (kept[0], kept[-1]) == (0, 400_000)
    assert kept == sorted(kept)
    assert len([n for n in kept if n < 10_000]) >= 4
    assert spread([1, 2]) == [1, 2]


def write_sheet(path: Path, pictures: Sequence[Image.Image]) -> None:
    rows = len(pictures) // COLUMNS
    sheet = Image.new("RGB", (COLUMNS * (SIZE[0] + 2) + 2, rows * (SIZE[1] + 2) + 2), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (2 + place % COLUMNS * (SIZE[0] + 2), 2 + place // COLUMNS * (SIZE[1] + 2)))
    sheet.save(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "00000-garden"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({}))
    for name in ("reals.png", "fakes000000000.png", "fakes000004000.png"):
        write_sheet(folder / name, paintings())
    return Run(folder)


def test_sheets_are_cut_into_the_pictures_they_were_made_of(run: Run) -> None:
    found = read_sheets(run, SIZE, rows=False)
    assert found.nimg == (0, 4000)
    for mine, theirs in zip(found.previews[1], paintings(), strict=True):
        assert np.array_equal(np.asarray(mine), np.asarray(theirs))
    assert [one.size for one in found.reals] == [SIZE] * 16


def test_previews_that_cannot_serve_are_told_in_a_sentence(run: Run) -> None:
    with pytest.raises(ArtganError, match=r"no sheet of pictures of 21 x 16 pixels\.$"):
        read_sheets(run, (21, 16), rows=False)
    write_sheet(run.folder / "fakes000004000.png", paintings(1))
    with pytest.raises(CheckpointError, match="do not show the same number"):
        read_sheets(run, SIZE, rows=False)
    (run.folder / "fakes000004000.png").unlink()
    with pytest.raises(CheckpointError, match="has 1 previews; it takes two"):
        read_sheets(run, SIZE, rows=False)
    (run.folder / "reals.png").unlink()
    with pytest.raises(CheckpointError, match=r"has no reals\.png"):
        read_sheets(run, SIZE, rows=False)


def test_a_sheet_made_by_training_is_cut_the_same_way(tmp_path: Path) -> None:
    from artgan.engine.images import encode_png, to_uint8
    from artgan.engine.vision import grid

    shown = torch.rand(16, 3, SIZE[1], SIZE[0]) * 2 - 1
    path = tmp_path / "fakes000000000.png"
    path.write_bytes(encode_png(to_uint8(grid(shown, COLUMNS).numpy()), {}))
    assert np.array_equal(np.asarray(cut(path, SIZE)[9]), to_uint8(shown[9].numpy()).transpose(1, 2, 0))


def test_it_stops_when_asked() -> None:
    with pytest.raises(Interrupted):
        find_skills(sheets_of(paintings(), paintings()), embed, should_stop=lambda: True)
