"""What is measured of a picture, and what is said of it beside its set."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from artgan.curation.quality import Quality, judge, quality

SOUND = Quality(640, 480, 0.67, 0.1, 0.4, 1.33, 2.0)


def grained(seed: int, grain: float = 5.0) -> Image.Image:
    """A soft picture on a canvas: broad patches, and a fine grain over them."""
    draw = np.random.default_rng(seed)
    patches = draw.integers(20, 220, (9, 12, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(patches).resize((640, 480), Image.Resampling.BICUBIC))
    return Image.fromarray((soft + draw.normal(0, grain, (480, 640, 1))).clip(0, 255).astype(np.uint8))


def measured(picture: Image.Image, file_bytes: int = 76_800) -> Quality:
    little = picture.copy()
    little.thumbnail((320, 320), Image.Resampling.BILINEAR)
    return quality(np.asarray(little), picture.size, file_bytes)


def varied(count: int = 12) -> list[Quality]:
    draw = np.random.default_rng(0)
    return [replace(SOUND, sharpness=0.67 + float(draw.normal(0, 0.04))) for _ in range(count)]


def test_size_shape_and_bits_are_those_of_the_file() -> None:
    made = measured(grained(1).resize((600, 200)), file_bytes=30_000)
    assert (made.width, made.height) == (600, 200)
    assert made.aspect == 3.0
    assert made.bits_per_pixel == 2.0


def test_white_noise_is_as_sharp_as_can_be() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert quality(noise, (320, 240), 1).sharpness == pytest.approx(1.0, abs=0.05)


def test_sharpness_does_not_depend_on_contrast() -> None:
    noise = np.random.default_rng(1).normal(0, 40, (240, 320, 1)).repeat(3, axis=2)
    strong, weak = (np.asarray((128 + noise * share).clip(0, 255), np.uint8) for share in (1.0, 0.4))
    assert quality(weak, (320, 240), 1).sharpness == pytest.approx(quality(strong, (320, 240), 1).sharpness, abs=0.03)


@pytest.mark.parametrize("sigma", [2, 3, 4, 12])
def test_blurred_copies_are_named_among_soft_pictures_and_nothing_else(sigma: int) -> None:
    pictures = [grained(seed, grain=2.5 + 0.5 * (seed % 5)) for seed in range(15)]
    blurred = pictures[4].filter(ImageFilter.GaussianBlur(sigma))
    verdicts = judge([measured(picture) for picture in [*pictures, blurred]])
    assert verdicts[:-1] == [()] * 15
    (reason,) = verdicts[-1]
    assert reason.startswith("blurred: sharpness 0.")
    assert "the set's median is 0." in reason


def test_rounding_to_whole_levels_is_no_detail() -> None:
    assert measured(grained(5).filter(ImageFilter.GaussianBlur(18))).sharpness < 0.15


def test_blur_in_one_direction_is_seen() -> None:
    picture = grained(3)
    smeared = Image.fromarray(np.mean([np.roll(np.asarray(picture), k, 1) for k in range(-4, 5)], 0).astype(np.uint8))
    assert measured(smeared).sharpness < 0.6 * measured(picture).sharpness


def test_a_set_of_soft_pictures_is_not_called_blurred() -> None:
    assert judge([replace(each, sharpness=each.sharpness - 0.25) for each in varied()]) == [()] * 12


def test_many_blurred_pictures_do_not_hide_one_another() -> None:
    verdicts = judge([*varied(12), *[replace(SOUND, sharpness=0.35)] * 9])
    assert [bool(verdict) for verdict in verdicts] == [False] * 12 + [True] * 9


@pytest.mark.parametrize(
    ("defect", "word", "switch"),
    [
        ({"width": 20, "height": 24}, "too small: 20 x 24 px", "small"),
        ({"flatness": 1.0}, "nearly one colour: flatness 1.00, the set's median is 0.10", "flat"),
        ({"sharpness": 0.1}, "blurred: sharpness 0.10", "blurred"),
        ({"exposure": 0.01}, "nearly black: brightness 0.01", "exposure"),
        ({"exposure": 0.99}, "nearly white: brightness 0.99", "exposure"),
        ({"aspect": 8.0}, "extreme shape: aspect 8.00, the set's median is 1.33", "shape"),
        ({"bits_per_pixel": 0.05}, "overcompressed: bits a pixel 0.05", "compressed"),
    ],
)
def test_each_defect_is_named_with_its_figure_and_has_a_switch(
    defect: dict[str, float], word: str, switch: str
) -> None:
    bad = replace(SOUND, **defect)  # type: ignore[arg-type]
    (reason,) = judge([*varied(), bad])[-1]
    assert reason.startswith(word)
    assert judge([*varied(), bad], **{switch: False})[-1] == ()


def test_the_least_side_can_be_set() -> None:
    assert judge([SOUND], least_side=480) == [()]
    assert judge([SOUND], least_side=481)[0][0].endswith("the shorter side is under 481")


def test_a_larger_distance_names_fewer() -> None:
    odd = replace(SOUND, sharpness=0.45)
    assert judge([*varied(), odd])[-1]
    assert not judge([*varied(), odd], far=12.0)[-1]


def test_one_colour_is_flat_and_without_sharpness() -> None:
    made = quality(np.full((240, 320, 3), 12, np.uint8), (640, 480), 900)
    assert made.flatness == 1.0
    assert made.sharpness == 0.0
    assert made.exposure == pytest.approx(12 / 255, abs=0.001)


def test_no_pictures_give_no_verdicts() -> None:
    assert judge([]) == []
