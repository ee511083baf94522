"""Laying one picture over another, to tell copies of a picture from pictures that only look alike.

Copies are the same in every detail once one is stretched over the other; two paintings of an apple are not, however
alike their colours and outlines. So the second picture is fitted to the first (Lucas and Kanade 1981, for scale and
shift along both sides, and for brightness and contrast), and what is left is compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artgan.curation.hashes import SPANS
from artgan.curation.looks import Floats, averages, chroma, shrink

SIDE = 64
"""Cells across and down in which pictures are laid over one another."""
FINE = 96
"""Cells across and down in which they are compared."""
_STARTS, _COARSE = 16, 32  # cells in which a start is looked for, and in which the fit begins
_TILES = 8
_TEXTURE = 3.0  # standard deviation, in levels of 255, from which a tile has detail and not only noise
_HOPELESS = 0.6  # correlation after the coarse fit below which a finer one would be a waste
_STILL = 5e-4  # a move so small, as a share of a side, ends the fit

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """How the second picture lies on the first, and how alike they are there.

    Attributes:
        window: (left, top, right, bottom): the part of the second picture that the first one shows, as shares of its
            sides; below 0 or above 1 where the first shows more.
        overlap: share of the larger of the two that both show.
        detail: mean correlation of the finest detail over tiles that have any, -1 to 1. Every tile counts alike, so
            that neither the black edges of two scans nor one watermark decides; the outermost tiles do not count.
        textured: how many tiles of 36 have detail.
        whole: correlation of the grey pictures, -1 to 1.
        colour: root mean squared distance of a and b of OKLab, once equally saturated.
        saturation: how much more colourful the second is, as a factor.
        chroma: root mean square of a and b of OKLab of the more colourful one.
    """

    window: tuple[float, float, float, float]
    overlap: float
    detail: float
    textured: int
    whole: float
    colour: float
    saturation: float
    chroma: float


def fit(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Fit:
    """Lay the second sRGB picture (H, W, 3) over the first; sides of 96 to 256 px are enough."""
    one, two = (shrink(picture, SIDE).mean(2) for picture in (first, second))
    down, across = _start(one, two)
    for side, steps in ((_COARSE, 8), (SIDE, 8)):
        fold = SIDE // side
        small = [picture.reshape(side, fold, side, fold).mean((1, 3)) for picture in (one, two)]
        down, across, likeness = _refine(small[0], small[1], down, across, steps)
        if likeness < _HOPELESS:
            break
    return _compare(first, second, down, across)


def _start(one: Floats, two: Floats) -> tuple[Doubles, Doubles]:
    """The best of the windows of either picture that the other may be, as (start, length) down and across."""
    stack = np.concatenate([averages(SIDE, _STARTS, *span) for span in SPANS])
    windows = [stack @ picture @ stack.T for picture in (one, two)]
    likeness = np.stack([_alike(windows[1 - outer][:_STARTS, :_STARTS], windows[outer]) for outer in (0, 1)])
    outer, down, across = np.unravel_index(int(likeness.argmax()), likeness.shape)
    spans = [np.array([start, end - start]) for start, end in (SPANS[down], SPANS[across])]
    # When the second is a window of the first, the first reaches beyond the second.
    placed = spans if outer else [np.array([-span[0] / span[1], 1 / span[1]]) for span in spans]
    return placed[0], placed[1]


def _alike(whole: Floats, windows: Floats) -> Floats:
    """Correlations (spans, spans) of a picture with windows, all of _STARTS x _STARTS cells."""
    cut = windows.reshape(len(SPANS), _STARTS, len(SPANS), _STARTS)
    cut = cut - cut.mean((1, 3), keepdims=True)
    centred = whole - whole.mean()
    size = np.sqrt(np.square(cut).sum((1, 3)) * np.square(centred).sum())
    likeness: Floats = np.einsum("aibj,ij->ab", cut, centred) / np.maximum(size, 1e-3 * whole.size)
    return likeness


def _refine(one: Floats, two: Floats, down: Doubles, across: Doubles, steps: int) -> tuple[Doubles, Doubles, float]:
    """The placement after Gauss-Newton steps on it and on gain and offset of the second picture; its correlation."""
    side = len(one)
    middle = (np.arange(side) + 0.5) / side
    best, kept = -2.0, (down, across)
    for _ in range(steps + 1):
        lines, rows = _samples(side, down)
        columns, cols = _samples(side, across)
        laid: Floats = np.matmul(np.matmul(lines, two), columns.T)
        if min(rows.sum(), cols.sum()) < side // 2 or min(down[1], across[1]) < 0.4:
            break
        likeness = correlation(one[rows][:, cols], laid[rows][:, cols])
        if likeness > best:
            best, kept = likeness, (down, across)
        slope_y, slope_x = np.gradient(laid, 1 / side)
        slope_y, slope_x = slope_y / down[1], slope_x / across[1]
        parts = [slope_y, slope_y * middle[:, None], slope_x, slope_x * middle, laid, np.ones_like(laid)]
        matrix = np.stack([part[rows][:, cols].ravel() for part in parts], 1).astype(np.float64)
        normal = matrix.T @ matrix
        normal[np.diag_indices(6)] *= 1 + 1e-4  # a picture without detail along a side says nothing of its shift
        solved = np.linalg.solve(normal + 1e-6 * np.eye(6), matrix.T @ one[rows][:, cols].ravel())
        # The solution is for gain * (laid + slopes * move): the moves come multiplied by the gain.
        gain = solved[4] if abs(solved[4]) > 0.2 else 1.0
        move = (solved[:4] / gain).clip(-0.05, 0.05)
        down, across = down + move[:2], across + move[2:]
        if np.abs(move).max() < _STILL:
            break
    return *kept, best


def _samples(side: int, placed: Doubles) -> tuple[Floats, NDArray[np.bool_]]:
    """A matrix that reads a line of cells at evenly spaced places, between cells linearly; and which are inside."""
    at = (placed[0] + placed[1] * (np.arange(side) + 0.5) / side) * side - 0.5
    inside = (at > -0.75) & (at < side - 0.25)
    low = np.floor(at.clip(0, side - 1)).astype(int).clip(0, side - 2)
    share = at.clip(0, side - 1) - low
    matrix = np.zeros((side, side), np.float32)
    matrix[np.arange(side), low] = 1 - share
    matrix[np.arange(side), low + 1] += share.astype(np.float32)
    return matrix, inside


def _compare(first: NDArray[np.uint8], second: NDArray[np.uint8], down: Doubles, across: Doubles) -> Fit:
    lines, rows = _samples(FINE, down)
    columns, cols = _samples(FINE, across)
    placed: Floats = np.matmul(np.matmul(lines, shrink(second, FINE).transpose(2, 0, 1)), columns.T)
    one, two = (picture[rows][:, cols] for picture in (shrink(first, FINE), placed.transpose(1, 2, 0)))
    grey, laid = one.mean(2), two.mean(2)
    gain = float(((grey - grey.mean()) * (laid - laid.mean())).mean()) / max(float(laid.var()), 1e-6)
    found = [
        correlation(a, b)
        for a, b in zip(_inner_tiles(_detail(grey)), _inner_tiles(_detail(gain * laid)), strict=True)
        if max(a.std(), b.std()) > _TEXTURE
    ]
    a, b = (chroma(_smooth(_smooth(picture, 5, 0), 5, 1)) for picture in (one, two))
    strength = [float(np.sqrt(2 * np.square(x).mean())) for x in (a, b)]
    saturation = max(0.0, float((a * b).sum() / max(float(np.square(a).sum()), 1e-9)))  # opposite colours are others
    area = float(down[1] * across[1])  # of the first, where the second is 1
    return Fit(
        (float(across[0]), float(down[0]), float(across.sum()), float(down.sum())),
        float(rows.mean() * cols.mean() * area / max(area, 1.0)),
        float(np.mean(found)) if found else 0.0,
        len(found),
        correlation(grey, laid),
        float(np.sqrt(2 * np.square(b - saturation * a).mean())),
        strength[1] / max(strength[0], 1e-6),
        max(strength),
    )


def _inner_tiles(picture: Floats) -> list[Floats]:
    """The _TILES x _TILES tiles of a picture without the outermost ones."""
    bands = np.array_split(picture, _TILES)[1:-1]
    return [tile for band in bands for tile in np.array_split(band, _TILES, 1)[1:-1]]


def correlation(some: Floats, others: Floats) -> float:
    """Pearson's correlation of two arrays of the same shape; 0 when one of them is flat."""
    a, b = some - some.mean(), others - others.mean()
    size = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / size if size > 1e-3 * a.size else 0.0


def _detail(grey: Floats) -> Floats:
    """What is finer than five cells."""
    return grey - _smooth(_smooth(grey, 5, 0), 5, 1)


def _smooth(values: Floats, width: int, axis: int) -> Floats:
    """Means of `width` (odd) neighbours along an axis, the border repeated."""
    padding = [(0, 0)] * values.ndim
    padding[axis] = (width // 2, width // 2)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, padding, mode="edge"), width, axis)
    means: Floats = windows.mean(-1)
    return means
