"""What is remembered of one picture to find its copies: a tiny grey thumbnail.

The hashes by which copies are looked for follow from these, see `artgan.curation.hashes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SIDE = 32
"""Cells across and down the grey thumbnail, whatever the shape of the picture."""
FLAT = 3.0
"""Standard deviation of the grey thumbnail, in levels of 255, below which a picture is of nearly one colour."""
FORMS = (
    *("", "mirrored", "upside down", "turned 180"),
    *("turned 90 and mirrored", "turned 90", "turned 270", "turned 270 and mirrored"),
)
"""What the eight forms of `turned` are, seen from the picture that they were made of; turned clockwise."""
_BAR_RANGE, _BAR_DRIFT = 10, 6  # levels of 255 that the noise of a JPEG may add to a bar, within a line and between
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """What is remembered of one picture: about 1 kB, whatever its size. Bars of one colour are not part of it.

    Attributes:
        grey: SIDE x SIDE levels 0 to 255, one byte a cell.
        flat: whether it is of nearly one colour, so that its hash would be that of noise: no copies of it are looked
            for. Those that are equal pixel for pixel are found without a hash.
    """

    grey: bytes
    flat: bool


def look_at(pixels: NDArray[np.uint8]) -> Look:
    """What is remembered of an upright sRGB picture (H, W, 3); about 256 px on the longest side are enough."""
    inside = without_bars(pixels)
    grey = (shrink(inside, SIDE) @ _WEIGHTS).round().clip(0, 255).astype(np.uint8)
    return Look(grey.tobytes(), bool(grey.std() < FLAT))


def without_bars(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part (h, w, 3) of a picture (H, W, 3) inside bars of one colour, as films have them above and below.

    A picture that would lose more than half of a side is returned whole: it is a drawing on an empty page.
    """
    rows = _inside(pixels[:, ::2, 1])
    columns = _inside(pixels[rows, :, 1][::2].T)
    return pixels[rows, columns]


def shrink(pixels: NDArray[np.uint8], side: int) -> Floats:
    """A picture (H, W, 3) as (side, side, 3) averages of equal parts of it, 0 to 255; smaller ones are enlarged."""
    height, width = pixels.shape[:2]
    down, across = averages(height, side), averages(width, side)
    lines = down @ pixels.reshape(height, -1).astype(np.float32)
    cells: Floats = across @ lines.reshape(side, width, 3)
    return cells


def chroma(rgb: Floats) -> Floats:
    """A and b of OKLab (2, H, W) of gamma-coded sRGB (H, W, 3), 0 to 255 (Ottosson 2020)."""
    coded = rgb / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    found: Floats = (np.cbrt(linear @ _TO_CONES.T) @ _TO_AB.T).transpose(2, 0, 1)
    return found


@cache
def averages(length: int, parts: int, start: float = 0.0, end: float = 1.0) -> Floats:
    """A matrix (parts, length) that averages a line of cells over equal parts of its stretch from start to end."""
    edges = np.linspace(start, end, parts + 1) * length
    cells = np.arange(length)
    shared = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights: Floats = (shared.clip(0) / (edges[1] - edges[0])).astype(np.float32)
    return weights


def grey_cells(looks: Sequence[Look]) -> NDArray[np.uint8]:
    """The grey thumbnails (N, SIDE, SIDE)."""
    return np.frombuffer(b"".join(look.grey for look in looks), np.uint8).reshape(-1, SIDE, SIDE)


def turned(cells: NDArray[Any], form: int) -> NDArray[Any]:
    """One of the eight forms of pictures (..., H, W): transposed (4), then mirrored (1) and upside down (2)."""
    if form & 4:
        cells = cells.swapaxes(-1, -2)
    return cells[..., :: -1 if form & 2 else 1, :: -1 if form & 1 else 1]


def _inside(lines: NDArray[np.uint8]) -> slice:
    """Which lines (N, length) lie between those at both ends that are of one colour and like the outermost."""
    low, high = lines.min(1).astype(int), lines.max(1).astype(int)
    middle = (low + high) / 2
    plain = high - low <= _BAR_RANGE
    before = _leading(plain & (np.abs(middle - middle[0]) <= _BAR_DRIFT))
    after = _leading((plain & (np.abs(middle - middle[-1]) <= _BAR_DRIFT))[::-1])
    return slice(before, len(lines) - after) if before + after <= len(lines) // 2 else slice(None)


def _leading(marks: NDArray[np.bool_]) -> int:
    return len(marks) if marks.all() else int(marks.argmin())


_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_AB = np.array(
    [[1.9779984951, -2.4285922050, 0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]], np.float32
)
