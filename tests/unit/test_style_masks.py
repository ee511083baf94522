"""Masks: what a picture of a few colours says about where to paint, and in words why it cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageFilter

from artgan.errors import DatasetError, UsageError
from artgan.style.masks import Regions, at_scale, read_regions, split_mask

SIZE = (60, 40)
WHITE, BLACK, RED, GREEN, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 160, 0), (0, 0, 255)
Color = tuple[int, int, int]


def strips(*colors: Color, size: tuple[int, int] = SIZE) -> Image.Image:
    """Upright strips of equal width."""
    row = np.repeat(np.array(colors, np.uint8), size[0] // len(colors), axis=0)
    return Image.fromarray(np.broadcast_to(row, (size[1], *row.shape)).copy())


def saved(folder: Path, picture: Image.Image, name: str = "mask.png", **options: Any) -> Path:
    picture.save(folder / name, **options)
    return folder / name


def read(path: Path, styles: int = 1, size: tuple[int, int] = SIZE) -> Regions:
    return read_regions(path, None, size, [(30, 30)] * styles)


def middles(weights: torch.Tensor, count: int) -> list[list[int]]:
    """For each region in which of so many strips it lies, by the middle of each strip."""
    width = weights.shape[3]
    columns = [round((number + 0.5) * width / count) for number in range(count)]
    return [[number for number, at in enumerate(columns) if region[0, 5, at] > 0.5] for region in weights]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sky.png", ("sky.png", None)),
        ("sky.png:style.png", ("sky.png", "style.png")),
        (r"C:\sky.png", (r"C:\sky.png", None)),
        (r"C:\sky.png:D:\style.png", (r"C:\sky.png", r"D:\style.png")),
        ("C:/sky.png:style.png", ("C:/sky.png", "style.png")),
        ("a/sky.png:/b/style.png", ("a/sky.png", "/b/style.png")),
    ],
)
def test_a_pair_of_masks_is_split_at_its_colon(text: str, expected: tuple[str, str | None]) -> None:
    content, style = expected
    assert split_mask(text) == (Path(content), style and Path(style))


def test_files_with_colons_in_their_names_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:b.png", "c.png", "12:30.png"):
        Path(name).touch()
    assert split_mask("a:b.png") == (Path("a:b.png"), None)
    assert split_mask("a:b.png:c.png") == (Path("a:b.png"), Path("c.png"))
    assert split_mask("c.png:12:30.png") == (Path("c.png"), Path("12:30.png"))
    assert split_mask("x.png:12:30.png") == (Path("x.png"), Path("12:30.png"))


@pytest.mark.parametrize("text", ["mask.png:", ":mask.png", ":"])
def test_half_a_pair_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="only one file"):
        split_mask(text)


def test_white_is_painted_and_black_is_kept(tmp_path: Path) -> None:
    found = read(saved(tmp_path, strips(BLACK, WHITE, BLACK)))
    assert found.content.shape == (1, 1, 40, 60)
    assert found.content.dtype == torch.float32
    assert found.styles == ((0, None),)
    assert found.content[0, 0, 0].tolist() == [0.0] * 20 + [1.0] * 20 + [0.0] * 20
    assert torch.equal(found.kept, 1 - found.content)


def test_greys_are_soft_borders_shared_by_two_styles(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.broadcast_to(np.linspace(0, 255, 60).round().astype(np.uint8), (40, 60)).copy())
    found = read(saved(tmp_path, ramp), styles=2)
    white, black = found.content[:, 0, 0]
    assert white.diff().min() >= 0
    assert white[[0, -1]].tolist() == [0, 1]
    torch.testing.assert_close(white[30], torch.tensor(0.5), atol=0.02, rtol=0)
    torch.testing.assert_close(white + black, torch.ones(60))
    assert found.kept.max() < 1e-6


def test_every_region_has_its_style_lightest_first_and_the_darkest_may_be_kept(tmp_path: Path) -> None:
    path = saved(tmp_path, strips(BLUE, WHITE, RED, BLACK))
    four, three = read(path, styles=4), read(path, styles=3)
    assert middles(four.content, 4) == [[1], [2], [0], [3]]
    assert four.styles == tuple((number, None) for number in range(4))
    assert four.kept.max() == 0
    assert torch.equal(three.content, four.content[:3])
    assert middles(three.kept, 4) == [[3]]


@pytest.mark.parametrize("styles", [1, 4])
def test_other_counts_are_named(tmp_path: Path, styles: int) -> None:
    path = saved(tmp_path, strips(WHITE, RED, BLUE), "sky.png")
    words = "there is 1 style" if styles == 1 else "there are 4 styles"
    with pytest.raises(UsageError, match=rf"sky\.png has 3 regions and {words}\."):
        read(path, styles)


def test_soft_and_jpeg_borders_go_to_the_regions_beside_them(tmp_path: Path) -> None:
    size = (480, 320)
    purple = (128, 0, 128)
    mask = strips(RED, BLUE, WHITE, purple, size=size).filter(ImageFilter.GaussianBlur(2))
    for name in ("soft.png", "soft.jpg"):
        options = {"quality": 70} if name.endswith("jpg") else {}
        found = read(saved(tmp_path, mask, name, **options), styles=4, size=size).content
        assert middles(found, 4) == [[2], [0], [3], [1]], name
        assert set(found.unique().tolist()) == {0.0, 1.0}
        assert found[2, 0, :, :225].sum() == 0, "no strip of purple between red and blue"
        shares = found.mean((1, 2, 3))
        torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.015, rtol=0)


def test_specks_are_no_regions_and_nine_colours_are_too_many(tmp_path: Path) -> None:
    mask = strips(RED, GREEN)
    mask.paste(BLUE, (5, 5, 8, 8))
    found = read(saved(tmp_path, mask), styles=2)
    assert middles(found.content, 2) == [[1], [0]]
    torch.testing.assert_close(found.content.sum(0), torch.ones(1, 40, 60))
    many: list[Color] = [RED, GREEN, BLUE, WHITE, BLACK, (255, 255, 0), (0, 255, 255), (255, 0, 255), (128, 128, 128)]
    with pytest.raises(UsageError, match="has 9 clear colours"):
        read(saved(tmp_path, strips(*many, size=(90, 60))), styles=9, size=(90, 60))


def test_transparency_is_the_white_amount_of_a_mask_of_one_colour(tmp_path: Path) -> None:
    alpha = Image.fromarray(np.broadcast_to(np.repeat([0, 255, 128], 20).astype(np.uint8), (40, 60)).copy())
    mask = Image.new("RGB", SIZE, (0, 0, 0))
    mask.putalpha(alpha)
    found = read(saved(tmp_path, mask)).content[0, 0, 0]
    assert found[[5, 25]].tolist() == [0, 1]
    assert float(found[45]) == pytest.approx(0.5, abs=0.01)
    mask = strips(RED, GREEN, RED)
    mask.putalpha(Image.fromarray(np.broadcast_to(np.repeat([255, 255, 0], 20).astype(np.uint8), (40, 60)).copy()))
    assert middles(read(saved(tmp_path, mask), styles=2).content, 3) == [[1], [0]], "transparent is black, and kept"


def test_regions_are_matched_by_colour_with_those_of_a_style_mask(tmp_path: Path) -> None:
    content = saved(tmp_path, strips(RED, WHITE, BLACK))
    style = saved(tmp_path, strips(BLACK, (235, 20, 10), WHITE, size=(30, 30)), "style.png")
    found = read_regions(content, style, SIZE, [(30, 30)])
    assert middles(found.content, 3) == [[1], [0], [2]]
    assert found.kept.max() == 0
    parts = [part for _, part in found.styles]
    assert [number for number, _ in found.styles] == [0, 0, 0]
    assert all(part is not None and part.shape == (1, 1, 30, 30) for part in parts)
    assert [middles(part, 3)[0] for part in parts if part is not None] == [[2], [1], [0]]


def test_black_and_white_pairs_paint_both_parts(tmp_path: Path) -> None:
    content = saved(tmp_path, strips(WHITE, BLACK))
    style = saved(tmp_path, strips(BLACK, WHITE, size=(30, 30)), "style.png")
    found = read_regions(content, style, SIZE, [(30, 30)])
    assert middles(found.content, 2) == [[0], [1]]
    assert [middles(part, 2)[0] for _, part in found.styles if part is not None] == [[1], [0]]


def test_what_does_not_fit_a_style_mask_is_named(tmp_path: Path) -> None:
    content = saved(tmp_path, strips(RED, GREEN))
    style = saved(tmp_path, strips(RED, BLUE, size=(30, 30)), "style.png")
    with pytest.raises(UsageError, match=r"#00a000 of the mask .*mask\.png is not in the mask .*style\.png"):
        read_regions(content, style, SIZE, [(30, 30)])
    with pytest.raises(UsageError, match=r"style\.png is for one style, and there are 2"):
        read_regions(content, style, SIZE, [(30, 30), (30, 30)])
    dot = strips(BLACK, size=(30, 30))
    dot.paste(WHITE, (4, 4, 7, 7))
    black_and_white = saved(tmp_path, strips(WHITE, BLACK), "two.png")
    with pytest.raises(UsageError, match=r"#ffffff covers less than 16 pixels of the mask .*dot\.png"):
        read_regions(black_and_white, saved(tmp_path, dot, "dot.png"), SIZE, [(30, 30)])


def test_another_size_is_scaled_and_another_shape_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, strips(RED, WHITE, BLUE))
    for size in ((30, 20), (181, 120)):
        found = read(path, styles=3, size=size).content
        assert found.shape == (3, 1, size[1], size[0])
        assert middles(found, 3) == [[1], [0], [2]]
        assert found.sum(0).max() <= 1 + 1e-6
        torch.testing.assert_close(found.sum(0), torch.ones(1, size[1], size[0]))
    with pytest.raises(UsageError, match=r"mask\.png is 60x40 and the content 60x50"):
        read(path, styles=3, size=(60, 50))
    with pytest.raises(UsageError, match=r"mask\.png is 60x40 and the style 30x30"):
        read_regions(path, path, SIZE, [(30, 30)])


def test_a_mask_turned_by_exif_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be shown turned by a quarter, clockwise
    lying = strips(WHITE, BLACK).rotate(90, expand=True)
    found = read(saved(tmp_path, lying, exif=exif))
    assert middles(found.content, 2) == [[0]]


def test_a_mask_that_says_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mask\.png is all black"):
        read(saved(tmp_path, strips(BLACK)))
    everything = read(saved(tmp_path, strips(WHITE)))
    assert everything.content.min() == 1
    noisy = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    with pytest.raises(UsageError, match="0 clear colours"):
        read(saved(tmp_path, Image.fromarray(noisy)))


def test_a_missing_or_broken_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"The mask .*gone\.png is not there"):
        read(tmp_path / "gone.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DatasetError, match=r"The mask .*text\.png cannot be read: not a picture\."):
        read(tmp_path / "text.png")
    whole = saved(tmp_path, strips(WHITE, BLACK)).read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"torn\.png cannot be read: broken"):
        read(tmp_path / "torn.png")


@pytest.mark.parametrize("size", [(10, 15), (7, 11), (40, 60)])
def test_at_the_scale_of_a_feature_map_shares_of_the_area_are_kept(size: tuple[int, int]) -> None:
    weights = torch.zeros(2, 1, 40, 60)
    weights[0, :, :, 10:31], weights[1, :, 5:, 31:] = 1, 0.5
    found = at_scale(weights, *size)
    assert found.shape == (2, 1, *size)
    assert (found >= 0).all()
    assert found.sum(0).max() <= 1 + 1e-6
    if 40 % size[0] == 0 and 60 % size[1] == 0:
        torch.testing.assert_close(found.mean((1, 2, 3)), weights.mean((1, 2, 3)))
    assert found[0, 0, 3, size[1] * 20 // 60] == 1
