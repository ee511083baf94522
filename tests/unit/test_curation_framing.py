"""Where pictures are cut, and what comes out at which size."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from artgan.curation.framing import ALIKE, CROPS, Box, Crop, framed, frames, interest

WHOLE = (0.0, 0.0, 1.0, 1.0)
GROUND, BRIGHT = (60, 70, 80), (250, 220, 90)


def with_disc(width: int, height: int, x: float, y: float, radius: float) -> NDArray[np.uint8]:
    down, across = np.mgrid[:height, :width]
    pixels = np.full((height, width, 3), GROUND, np.uint8)
    pixels[(across - x) ** 2 + (down - y) ** 2 <= radius**2] = BRIGHT
    return pixels


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def shown(boxes: tuple[Box, ...], width: int, height: int) -> int:
    """Pixels that lie in one box at least."""
    marks = np.zeros((height, width), bool)
    for left, top, right, bottom in boxes:
        marks[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True
    return int(marks.sum())


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@pytest.mark.parametrize("crop", ["keep", "pad"])
def test_what_is_not_cut_is_whole(crop: Crop) -> None:
    assert frames(noise(40, 20), (1, 1), crop, count=5) == (WHOLE,)


def test_the_middle_is_the_middle() -> None:
    assert frames(noise(320, 160), (1, 1), "centre") == ((0.25, 0.0, 0.75, 1.0),)
    assert frames(noise(160, 320), (2, 1), "centre") == ((0.0, 0.375, 1.0, 0.625),)
    assert frames(noise(300, 200), (3, 2), "centre") == (WHOLE,)


@pytest.mark.parametrize("crop", ["centre", "salient"])
@pytest.mark.parametrize("size", [(320, 160), (160, 320), (1, 320), (1, 1)])
def test_a_plain_picture_is_cut_in_the_middle(crop: Crop, size: tuple[int, int]) -> None:
    plain = np.full((size[1], size[0], 3), 200, np.uint8)
    assert frames(plain, (1, 1), crop)[0] == pytest.approx(frames(plain, (1, 1), "centre")[0], abs=0.51 / max(size))


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("tall", [False, True])
def test_a_bright_disc_is_never_cut(place: float, tall: bool) -> None:
    x, y, radius = 320 * place, 60.0, 24
    pixels = with_disc(320, 120, x, y, radius)
    (box,) = frames(pixels.swapaxes(0, 1) if tall else pixels, (1, 1), "salient")
    near, far = (box[1], box[3]) if tall else (box[0], box[2])
    assert near * 320 <= x - radius
    assert x + radius <= far * 320 + 1
    if place in (0.1, 0.9):
        (middle,) = frames(pixels, (1, 1), "centre")
        assert not middle[0] * 320 <= x <= middle[2] * 320, "the middle shows nothing of it"


def test_a_disc_of_another_colour_is_seen_though_it_is_as_light() -> None:
    pixels = with_disc(320, 120, 280, 60, 24)
    disc = (pixels == BRIGHT).all(-1)
    pixels[:] = (128, 128, 128)
    pixels[disc] = (214, 92, 92)  # of the same Rec. 601 grey, to a level
    (box,) = frames(pixels, (1, 1), "salient")
    assert box[2] * 320 >= 304


@pytest.mark.parametrize("x", [96, 224])
def test_a_subject_is_not_at_the_very_edge_and_of_equals_the_nearest_to_the_middle_is_taken(x: int) -> None:
    pixels = with_disc(320, 120, x, 60, 4)
    (box,) = frames(pixels, (1, 1), "salient")
    # All boxes that have it in their middle, 72 px wide, are worth the same; the blur makes the disc 14 px wide.
    assert box[0] * 320 == pytest.approx(x + 7 - 96 if x > 160 else x - 7 - 24, abs=2)


def test_heads_are_sought_in_the_upper_half() -> None:
    pixels = with_disc(120, 320, 60, 60, 24)
    pixels[160:] = pixels[:160]  # a second disc, as bright, further down
    (box,) = frames(pixels, (1, 1), "salient")
    assert box[1] * 320 <= 36
    assert box[3] * 320 >= 84


def test_edges_weigh_and_plain_ground_does_not() -> None:
    worth = interest(with_disc(100, 100, 50, 50, 20))
    assert worth[50, 30] > 10 * worth[50, 50]
    assert worth[5, 5] == 0
    assert (interest(np.full((7, 9, 3), 33, np.uint8)) == 0).all()
    assert (interest(noise(64, 64) // 255 + np.uint8(200)) == 0).all(), "one level now and then is no detail"


def test_more_boxes_show_more_of_a_picture() -> None:
    wide = noise(320, 160)
    one, many = frames(wide, (1, 1), "salient"), frames(wide, (1, 1), "salient", 4)
    assert many[0] == one[0]
    assert len(many) == 4
    assert shown(many, 320, 160) > 1.5 * shown(one, 320, 160)
    assert area(many[1]) > 0.6 * area(one[0]), "where there is as much everywhere, larger ones show more"


def test_the_second_box_is_where_the_second_subject_is() -> None:
    pixels = with_disc(320, 100, 40, 50, 20)
    pixels[:, 160:] = with_disc(160, 100, 130, 50, 16)
    first, second = frames(pixels, (1, 1), "salient", 2)
    assert (first[0] * 320, first[2] * 320) != (second[0] * 320, second[2] * 320)
    for x, radius in ((40, 20), (290, 16)):
        assert any(box[0] * 320 <= x - radius and x + radius <= box[2] * 320 + 1 for box in (first, second))


def test_boxes_after_the_middle_one_are_sought_too() -> None:
    boxes = frames(noise(320, 160), (1, 1), "centre", 3)
    assert boxes[0] == (0.25, 0.0, 0.75, 1.0)
    assert len(boxes) == 3
    assert shown(boxes, 320, 160) > shown(boxes[:1], 320, 160)


def test_no_further_box_is_smaller_than_asked() -> None:
    free = frames(noise(200, 200), (1, 1), "salient", 6)
    assert min(map(area, free)) < 0.8**2
    for least in (0.6, 0.8):
        assert min(map(area, frames(noise(200, 200), (1, 1), "salient", 6, least))) >= least**2 - 1e-9


def test_fewer_boxes_come_where_there_is_no_room() -> None:
    assert frames(noise(200, 200), (1, 1), "salient", 5, 1.0) == (WHOLE,)
    assert len(frames(noise(200, 100), (1, 1), "salient", 50, 1.0)) in range(2, 8)
    # a square of 100 px is what there is; 1.2 of the shorter side is more
    assert len(frames(noise(200, 100), (1, 1), "salient", 5, 1.2)) == 1
    # the largest box of 4:1 has a shorter side of a quarter
    assert len(frames(noise(100, 100), (4, 1), "salient", 5, 0.3)) == 1
    assert len(frames(noise(1, 1), (1, 1), "salient", 5)) <= 5


def test_near_equal_boxes_are_one() -> None:
    boxes = frames(with_disc(200, 200, 100, 100, 30), (1, 1), "salient", 8)
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            sides = [min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1)]
            shared = max(0.0, sides[0]) * max(0.0, sides[1])
            assert shared / (area(one) + area(other) - shared) <= ALIKE + 1e-9


def gradient(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Red says how far right, green how far down."""
    down, across = np.mgrid[:height, :width]
    red, green = across * 255 // (width - 1), down * 255 // (height - 1)
    return Image.fromarray(np.dstack([red, green, red * 0]).astype(np.uint8)).convert(mode)


def test_a_box_is_cut_where_it_lies() -> None:
    cut = framed(gradient(256, 256), (0.25, 0.5, 0.5, 0.75), None, "salient")
    assert cut.size == (64, 64)
    assert cut.getpixel((0, 0)) == (64, 128, 0)
    assert cut.getpixel((63, 63)) == (127, 191, 0)
    small = framed(gradient(256, 256), (0.25, 0.5, 0.5, 0.75), (32, 32), "salient")
    assert small.size == (32, 32)
    assert small.getpixel((16, 16)) == pytest.approx((64 + 33, 128 + 33, 0), abs=1)


@pytest.mark.parametrize("side", [(1000, 667), (667, 1000), (333, 500), (512, 512), (513, 512)])
@pytest.mark.parametrize("size", [(256, 256), (300, 200), (128, 333)])
@pytest.mark.parametrize("crop", ["centre", "salient", "pad"])
def test_larger_pictures_come_at_exactly_the_size(side: tuple[int, int], size: tuple[int, int], crop: Crop) -> None:
    picture = gradient(*side)
    view = picture.copy()
    view.thumbnail((320, 320))
    for box in frames(np.asarray(view), size, crop):
        assert framed(picture, box, size, crop).size == size


def test_a_circle_stays_round_though_the_view_was_rounded() -> None:
    pixels = with_disc(1001, 667, 500, 333, 300)
    view = Image.fromarray(pixels)
    view.thumbnail((320, 320))
    (box,) = frames(np.asarray(view), (1, 1), "centre")
    disc = np.asarray(framed(Image.fromarray(pixels), box, (512, 512), "centre"))[..., 0] > 155
    assert disc.any(0).sum() == pytest.approx(disc.any(1).sum(), abs=1)


def test_nothing_is_enlarged() -> None:
    picture = gradient(90, 60)
    (box,) = frames(np.asarray(picture), (1, 1), "centre")
    assert framed(picture, box, (512, 512), "centre").tobytes() == picture.crop((15, 0, 75, 60)).tobytes()
    assert framed(picture, WHOLE, (512, 512), "keep").tobytes() == picture.tobytes()
    padded = framed(picture, WHOLE, (512, 512), "pad")
    assert padded.size == (90, 90)
    assert padded.crop((0, 15, 90, 75)).tobytes() == picture.tobytes()


def test_keep_brings_the_shorter_side_down() -> None:
    assert framed(gradient(300, 200), WHOLE, (100, 100), "keep").size == (150, 100)
    assert framed(gradient(200, 300), WHOLE, (140, 100), "keep").size == (100, 150)
    assert framed(gradient(300, 200), WHOLE, None, "keep").size == (300, 200)


@pytest.mark.parametrize(
    ("mode", "color"),
    [("RGB", (10, 200, 30)), ("RGBA", (10, 200, 30, 0)), ("L", round(0.299 * 10 + 0.587 * 200 + 3.42))],
)
def test_padding_is_of_the_background(mode: str, color: Any) -> None:
    padded = framed(gradient(300, 150, mode), WHOLE, (100, 100), "pad", (10, 200, 30))
    assert (padded.mode, padded.size) == (mode, (100, 100))
    for place in ((0, 0), (99, 24), (0, 75), (99, 99)):
        assert padded.getpixel(place) == color
    assert padded.crop((0, 25, 100, 75)).tobytes() == gradient(300, 150, mode).resize((100, 50), 1).tobytes()
    assert framed(gradient(300, 150), WHOLE, None, "pad").size == (300, 150)


@pytest.mark.parametrize("crop", CROPS)
def test_alpha_stays_and_does_not_bleed(crop: Crop) -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 32:] = (255, 0, 0, 255)  # the colour under what is transparent is black
    out = np.asarray(framed(Image.fromarray(pixels), WHOLE, (15, 15), crop))
    assert out.shape == (15, 15, 4)
    assert (out[out[..., 3] > 8][:, 0] > 240).all()


def test_thin_lines_on_paper_keep_more_of_their_ink_than_in_linear_light() -> None:
    """What `framed` says of Lanczos, by numbers; both ways on floats, so that nothing is cut off."""

    def smaller(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(Image.fromarray(values).resize((60, 60), Image.Resampling.LANCZOS), np.float64)

    paper = np.full((240, 240), 230, np.float32)
    paper[:, 120:122] = 20
    coded = smaller(paper)
    linear = smaller((((paper / 255 + 0.055) / 1.055) ** 2.4).astype(np.float32))
    through_linear = (1.055 * linear ** (1 / 2.4) - 0.055) * 255
    picture = Image.fromarray(paper.astype(np.uint8))
    made = np.asarray(framed(picture, WHOLE, (60, 60), "centre"), np.float64)
    assert np.abs(made - coded).max() <= 1
    assert coded.min() == pytest.approx(139, abs=1)
    assert through_linear.min() == pytest.approx(179, abs=1)
    assert coded.max() - 230 == pytest.approx(12, abs=1)
    assert through_linear.max() - 230 == pytest.approx(6, abs=1)
