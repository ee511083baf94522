"""Whatever the seed, size and school, a painter delivers a picture."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.data.painters import SCHOOLS, paint


@settings(max_examples=80, deadline=None)
@given(
    school=st.sampled_from(sorted(SCHOOLS)),
    seed=st.integers(),
    short=st.integers(8, 160),
    proportion=st.floats(1, 3),
    upright=st.booleans(),
)
def test_every_setting_gives_a_picture(school: str, seed: int, short: int, proportion: float, upright: bool) -> None:
    long = min(160, int(short * proportion))
    width, height = (short, max(short, long)) if upright else (max(short, long), short)
    picture = paint(school, seed, width, height)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert picture.min() < picture.max()
