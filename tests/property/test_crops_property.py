"""Whatever the picture and the shape asked for, a crop lies inside the picture and has that shape."""

from typing import Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.config import DataSettings
from artgan.data.decoding import crop_boxes, training_pictures
from artgan.engine.images import encode_png

modes: st.SearchStrategy[Literal["center", "random"]] = st.sampled_from(("center", "random"))
side = st.integers(8, 1024)


@settings(max_examples=200, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    width=side,
    height=side,
    crops=st.integers(1, 10),
    crop=modes,
    digest=st.text("0123456789abcdef", max_size=8),
)
def test_crops_lie_inside_and_have_the_right_aspect(
    size: tuple[int, int], width: int, height: int, crops: int, crop: Literal["center", "random"], digest: str
) -> None:
    chosen = DataSettings(shape=f"{width}x{height}", crops=crops, crop=crop)
    boxes = list(crop_boxes(size, chosen, digest))
    assert boxes == list(crop_boxes(size, chosen, digest))
    assert len(boxes) == crops
    largest = boxes[0][2] - boxes[0][0]
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert abs((right - left) * height / ((bottom - top) * width) - 1) < 1e-6
        assert right - left <= largest * (1 + 1e-9)
        assert right - left >= min(largest, max(width, largest / 3)) * (1 - 1e-6)
    fills = max((boxes[0][2] - boxes[0][0]) / size[0], (boxes[0][3] - boxes[0][1]) / size[1])
    assert abs(fills - 1) < 1e-6, "the first is as large as fits"
    if crop == "center":
        assert abs(boxes[0][0] + boxes[0][2] - size[0]) < 1e-6 * size[0]
        assert abs(boxes[0][1] + boxes[0][3] - size[1]) < 1e-6 * size[1]


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    width=st.integers(8, 24),
    height=st.integers(8, 24),
    crops=st.integers(1, 4),
    crop=modes,
)
def test_every_picture_can_be_cropped_and_a_plain_one_stays_plain(
    size: tuple[int, int], width: int, height: int, crops: int, crop: Literal["center", "random"]
) -> None:
    raw = encode_png(np.asarray(Image.new("RGB", size, (9, 99, 199))).transpose(2, 0, 1), {})
    pictures, enlarged = training_pictures(raw, "x", DataSettings(shape=f"{width}x{height}", crops=crops, crop=crop))
    assert pictures.shape == (crops, height, width, 3)
    assert (pictures == np.array([9, 99, 199])).all()
    assert enlarged == (size[0] < width or size[1] < height)
