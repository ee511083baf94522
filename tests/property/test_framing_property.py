"""Whatever the picture and the shape, boxes keep their promises."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.curation.framing import ALIKE, Box, Crop, framed, frames

sides = st.integers(1, 90)
ratios = st.tuples(st.integers(1, 8), st.integers(1, 8))
cuts = st.sampled_from(["centre", "salient"])
seeds = st.integers(0, 999)


def textured(width: int, height: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """From plain to noisy: few or many levels."""
    random = np.random.default_rng(seed)
    return random.integers(0, random.integers(1, 256), (height, width, 3), np.uint8)


def union_share(one: Box, other: Box) -> float:
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


@settings(max_examples=80, deadline=None)
@given(width=sides, height=sides, shape=ratios, crop=cuts, count=st.integers(1, 6), least=st.floats(0, 1), seed=seeds)
def test_boxes_lie_inside_have_the_ratio_and_differ(
    width: int, height: int, shape: tuple[int, int], crop: Crop, count: int, least: float, seed: int
) -> None:
    pixels = textured(width, height, seed)
    boxes = frames(pixels, shape, crop, count, least)
    assert 1 <= len(boxes) <= count
    assert frames(pixels, shape, crop, count, least) == boxes
    assert frames(pixels, shape, crop) == boxes[:1]
    factor = min(width / shape[0], height / shape[1])
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        across, down = (right - left) * width, (bottom - top) * height
        assert across / shape[0] == pytest.approx(down / shape[1])
        if number == 0:
            assert across == pytest.approx(shape[0] * factor)
        else:
            assert min(across, down) >= least * min(width, height) - 1e-6
            assert 0.5 - 1e-6 <= across / (shape[0] * factor) <= 1 + 1e-6
    assert all(union_share(one, other) <= ALIKE + 1e-9 for one, other in itertools.combinations(boxes, 2))


@settings(max_examples=60, deadline=None)
@given(width=sides, height=sides, shape=ratios, seed=seeds)
def test_a_mirrored_picture_has_the_mirrored_middle(width: int, height: int, shape: tuple[int, int], seed: int) -> None:
    pixels = textured(width, height, seed)
    ((left, top, right, bottom),) = frames(pixels, shape, "centre")
    assert frames(pixels[:, ::-1], shape, "centre")[0] == pytest.approx((1 - right, top, 1 - left, bottom))
    assert frames(pixels[::-1], shape, "centre")[0] == pytest.approx((left, 1 - bottom, right, 1 - top))


@settings(max_examples=60, deadline=None)
@given(
    width=sides,
    height=sides,
    size=st.tuples(sides, sides),
    crop=st.sampled_from(["keep", "centre", "salient", "pad"]),
    seed=seeds,
)
def test_every_picture_can_be_framed_and_none_is_enlarged(
    width: int, height: int, size: tuple[int, int], crop: Crop, seed: int
) -> None:
    pixels = textured(width, height, seed)
    for box in frames(pixels, size, crop, 3):
        made = framed(Image.fromarray(pixels), box, size, crop)
        if crop == "keep":
            assert min(made.size) == min(width, height, *size)
            continue
        assert made.width <= size[0]
        assert made.height <= size[1]
        if crop == "pad":
            assert made.size == size or (made.width >= width and made.height >= height)
        else:
            assert made.size == size or (made.width <= width and made.height <= height)
        # of its shape, to half a pixel of each side
        factor = max(made.width / size[0], made.height / size[1])
        assert made.width == pytest.approx(max(1, size[0] * factor), abs=max(1, size[0] / size[1]))
        assert made.height == pytest.approx(max(1, size[1] * factor), abs=max(1, size[1] / size[0]))
