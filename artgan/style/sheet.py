"""Content, styles and result side by side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artgan.engine.artwork import resized
from artgan.engine.images import to_uint8

_HEIGHT, _GAP = 512, 8


def sheet_of(pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Pictures (3, H, W) in [-1, 1] in one row on white, all of one height, that of the lowest, 512 px at most."""
    height = min(_HEIGHT, *(picture.shape[1] for picture in pictures))
    row: list[NDArray[np.uint8]] = []
    for picture in pictures:
        width = max(1, round(picture.shape[2] * height / picture.shape[1]))
        row += [to_uint8(resized(picture, width, height)), np.full((3, height, _GAP), 255, np.uint8)]
    return np.concatenate(row[:-1], axis=2)
