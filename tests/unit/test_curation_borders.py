"""Finding the picture inside a scan, on scans made here, whose true box is known."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from artgan.curation.borders import Box, Found, find_picture, refine

CREAM = (246, 240, 226)
Pixels = NDArray[np.uint8]


def picture(seed: int, width: int, height: int) -> Image.Image:
    """Patches of colour with a grain: something that no straight line runs through from end to end."""
    draw = np.random.default_rng(seed)
    patches = draw.integers(20, 200, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    blown = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
    return noisy(blown, draw, 6.0)


def noisy(scan: Image.Image, draw: np.random.Generator, amount: float) -> Image.Image:
    values = np.asarray(scan) + draw.normal(0, amount, (scan.height, scan.width, 1))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def page(
    inside: Image.Image,
    margins: tuple[int, int, int, int],
    color: tuple[int, int, int] = CREAM,
    tilt: float = 0.0,
    bed: tuple[int, int, int] | None = None,
    lettered: bool = False,
) -> tuple[Image.Image, Box]:
    """A picture on paper, turned clockwise by `tilt`, and its true box."""
    left, top, right, bottom = margins
    size = (inside.width + left + right, inside.height + top + bottom)
    sheet = Image.new("RGB", size, color)
    sheet.paste(inside, (left, top))
    if lettered:
        ink = ImageDraw.Draw(sheet)
        ink.text((left + 20, top + inside.height + 14), "The discovery of the chest by the river", fill=(40, 30, 30))
        ink.text((left + 60, top + inside.height + 34), "Page 7", fill=(40, 30, 30))
    sheet = sheet.rotate(-tilt, Image.Resampling.BICUBIC, fillcolor=bed or color)
    box = (left / size[0], top / size[1], 1 - right / size[0], 1 - bottom / size[1])
    return noisy(sheet, np.random.default_rng(5), 1.5), box


def framed(inside: Image.Image, wide: int) -> tuple[Image.Image, Box]:
    """A picture in a gilded frame with two ridges."""
    width, height = inside.width + 2 * wide, inside.height + 2 * wide
    down, across = np.mgrid[0:height, 0:width]
    depth = np.minimum(np.minimum(across, width - 1 - across), np.minimum(down, height - 1 - down))
    ridges = 0.8 + 0.3 * np.sin(depth / wide * 9)
    frame = Image.fromarray((ridges[..., None] * (190, 150, 70)).clip(0, 255).astype(np.uint8))
    frame.paste(inside, (wide, wide))
    return frame, (wide / width, wide / height, 1 - wide / width, 1 - wide / height)


def small(scan: Image.Image) -> Pixels:
    made = scan.copy()
    made.thumbnail((320, 320), Image.Resampling.BILINEAR)
    return np.asarray(made)


def find(scan: Image.Image) -> Found:
    found = find_picture(small(scan))
    assert found is not None
    return found


def off(box: Box, true: Box) -> float:
    return max(abs(place - right) for place, right in zip(box, true, strict=True))


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"margins": (60, 50, 60, 90)}, "margin"),
        ({"margins": (20, 20, 20, 20)}, "margin"),
        ({"margins": (150, 30, 40, 200), "color": (255, 255, 255)}, "margin"),
        ({"margins": (60, 50, 60, 90), "color": (90, 75, 50)}, "border"),
        ({"margins": (24, 30, 24, 24), "color": (4, 4, 4)}, "black border"),
        ({"margins": (90, 80, 90, 100), "tilt": 4.5}, "margin"),
        ({"margins": (90, 80, 90, 100), "tilt": -2.0}, "margin"),
        ({"margins": (90, 80, 90, 100), "tilt": 1.0, "bed": (0, 0, 0)}, "margin"),
    ],
)
def test_plain_borders_are_found_within_a_hundredth(options: dict[str, Any], kind: str) -> None:
    scan, true = page(picture(1, 460, 400), **options)
    found = find(scan)
    assert off(found.box, true) < 0.01
    assert found.tilt == pytest.approx(options.get("tilt", 0.0), abs=0.2)
    assert found.kinds[0] == kind
    assert found.confidence > 0.8
    assert found.reason.startswith(kind)


def test_captions_stay_outside_and_are_named() -> None:
    scan, true = page(picture(2, 400, 460), (50, 40, 50, 90), lettered=True)
    found = find(scan)
    assert off(found.box, true) < 0.01
    assert "lettering" in found.kinds


def test_wall_frame_and_mat_are_taken_off_one_after_another() -> None:
    inside, mat_box = page(picture(3, 380, 300), (40, 40, 40, 40))
    frame, frame_box = framed(inside, 36)
    scan, wall_box = page(frame, (60, 70, 60, 80), color=(150, 70, 60), tilt=0.8)
    box = np.array(mat_box)
    for outer in (frame_box, wall_box):
        start, end = np.array(outer[:2] * 2), np.array(outer[2:] * 2)
        box = start + box * (end - start)
    found = find(scan)
    assert off(found.box, (box[0], box[1], box[2], box[3])) < 0.02
    assert found.kinds[:2] == ("border", "frame")
    assert found.tilt == pytest.approx(0.8, abs=0.2)


def test_a_frame_up_to_the_rim_is_found() -> None:
    scan, true = framed(picture(4, 400, 320), 34)
    found = find(scan)
    assert found.kinds == ("frame",)
    assert off(found.box, true) < 0.02


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255)])
def test_bars_are_cut_on_their_two_sides_only(color: tuple[int, int, int]) -> None:
    scan, true = page(picture(5, 500, 300), (0, 60, 0, 60), color)
    found = find(scan)
    assert found.kinds == ("bars",)
    assert found.box[0] == 0.0
    assert found.box[2] == 1.0
    assert off(found.box, true) < 0.01


def test_one_bar_hidden_by_a_dark_picture_is_taken_as_deep_as_the_other() -> None:
    inside = np.asarray(picture(6, 400, 300)).copy()
    for row in range(300):
        inside[row, 330 + round(40 * np.sin(row / 30)) :] = 0
    scan, true = page(Image.fromarray(inside), (50, 0, 50, 0), (0, 0, 0))
    assert off(find(scan).box, true) < 0.01


def test_one_faint_edge_is_told_by_the_ends_of_the_others() -> None:
    inside = np.asarray(picture(7, 400, 300)).copy()
    for column in range(60, 340):
        inside[: round(20 + 18 * np.sin(column / 12)), column] = CREAM
    scan, true = page(Image.fromarray(inside), (60, 60, 60, 60))
    assert off(find(scan).box, true) < 0.02


def drawn(width: int, height: int, color: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    made = Image.new("RGB", (width, height), color)
    return made, ImageDraw.Draw(made)


def portrait() -> Image.Image:
    made, ink = drawn(320, 400, (8, 6, 5))
    ink.ellipse((100, 60, 220, 220), fill=(200, 160, 130))
    ink.polygon([(60, 400), (110, 230), (210, 230), (270, 400)], fill=(90, 60, 50))
    return made


def seascape() -> Image.Image:
    made, ink = drawn(400, 300, (190, 205, 220))
    ink.rectangle((0, 170, 400, 300), fill=(60, 90, 110))
    return made


def vignette() -> Image.Image:
    down, across = np.mgrid[-1:1:300j, -1:1:400j]
    bright = np.exp(-3 * (down**2 + across**2))[..., None]
    return Image.fromarray((np.asarray(picture(9, 400, 300)) * bright).astype(np.uint8))


def sketch() -> Image.Image:
    made, ink = drawn(300, 400, CREAM)
    ink.rectangle((30, 30, 270, 370), outline=(120, 110, 100), width=2)
    ink.ellipse((90, 100, 210, 220), fill=(200, 60, 40))
    return made


def pasted() -> Image.Image:
    made, ink = drawn(300, 400, (226, 205, 170))
    ink.rectangle((60, 60, 240, 340), fill=(253, 250, 244))
    ink.ellipse((100, 130, 200, 230), fill=(200, 60, 40))
    return made


@pytest.mark.parametrize("make", [portrait, seascape, vignette, sketch, pasted, lambda: picture(8, 400, 300)])
def test_what_belongs_to_the_picture_is_not_cut(make: Any) -> None:
    assert find_picture(small(noisy(make(), np.random.default_rng(3), 2.0))) is None


def test_a_drawn_sheet_on_black_is_cut_out_but_not_its_paper() -> None:
    scan, true = page(sketch(), (20, 16, 24, 20), (3, 3, 3), tilt=0.6)
    found = find(scan)
    assert found.kinds == ("black border",)
    assert off(found.box, true) < 0.01


@pytest.mark.parametrize("color", [0, 128, 255])
def test_one_colour_and_tiny_pictures_have_nothing_to_cut(color: int) -> None:
    for height, width in ((240, 320), (1, 1), (3, 320), (41, 320), (45, 45)):
        assert find_picture(np.full((height, width, 3), color, np.uint8)) is None


@pytest.mark.parametrize("tilt", [0.0, 0.7, -4.0])
def test_refining_leaves_no_sliver_and_loses_no_paint(tilt: float) -> None:
    scan, true = page(picture(10, 1300, 1000), (200, 160, 240, 300), tilt=tilt, lettered=True)
    sharp = refine(np.asarray(scan), find(scan))
    error = (np.array(sharp.box) - np.array(true)) * (scan.width, scan.height, scan.width, scan.height)
    inward = error * (1, 1, -1, -1)
    assert inward.min() > -0.8
    assert inward.max() < 2.0
    assert sharp.tilt == pytest.approx(tilt, abs=0.04)
    assert sharp.kinds == find(scan).kinds


def test_refining_mends_a_box_that_is_some_pixels_off() -> None:
    scan, true = page(picture(11, 1300, 1000), (200, 160, 240, 300))
    rough = Found((true[0] + 0.004, true[1] - 0.004, true[2] - 0.004, true[3] + 0.004), 0.0, ("margin",), 0.9, "")
    assert off(refine(np.asarray(scan), rough).box, true) < 0.001


@pytest.mark.parametrize("more", [0.3, -0.3])
def test_refining_mends_the_turn(more: float) -> None:
    scan, true = page(picture(11, 1300, 1000), (200, 160, 240, 300), tilt=1.0)
    sharp = refine(np.asarray(scan), Found(true, 1.0 + more, ("margin",), 0.9, ""))
    assert sharp.tilt == pytest.approx(1.0, abs=0.05)
    assert off(sharp.box, true) < 0.002


def test_refining_keeps_a_box_whose_edges_are_not_to_be_seen() -> None:
    blurred = picture(12, 900, 700).filter(ImageFilter.GaussianBlur(30))
    rough = Found((0.0, 0.2, 0.9, 0.8), 0.0, ("margin",), 0.9, "")
    assert refine(np.asarray(blurred), rough).box == pytest.approx(rough.box, abs=0.012)
    assert refine(np.asarray(blurred), rough).box[0] == 0.0
