"""Laying one picture over another, to tell copies of a picture from pictures that only look alike.

Copies are the same in every detail once one is stretched over the other; two paintings of an apple are not, however
alike their colours and outlines. So the second picture is fitted to the first (Lucas and Kanade 1981, for scale and
shift along both sides, and for brightness and contrast), and what is left is compared.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from artgan.curation.hashes import SPANS
from artgan.curation.looks import Floats, averages, chroma, shrink, turned

SIDE = 64
"""Cells across and down in which pictures are laid over one another."""
FINE = 96
"""Cells across and down in which they are compared."""
_STARTS, _COARSE = 16, 32  # cells in which a start is looked for, and in which the fit begins
_STEPS = 8
_TILES = 8
_FEW = 6  # tiles with detail; of fewer nothing is concluded
_TEXTURE = 3.0  # standard deviation, in levels of 255, from which a tile has detail and not only noise
_HOPELESS = 0.6  # correlation after the coarse fit below which a finer one would be a waste
_UNLIKE = 0.35
"""Likeness in detail after the coarse fit below which pictures are no copies: of 3,000 pairs of watercolours whose
hashes are near 96 % come lower; of copies none that `fit` would find alike."""
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
        grain: the same over all 36 tiles: in copies of a painting even the bare paper agrees.
        whole: correlation of the grey pictures, -1 to 1.
        colour: root mean squared distance of a and b of OKLab, once equally saturated.
        saturation: how much more colourful the second is, as a factor.
        chroma: root mean square of a and b of OKLab of the more colourful one.
    """

    window: tuple[float, float, float, float]
    overlap: float
    detail: float
    textured: int
    grain: float
    whole: float
    colour: float
    saturation: float
    chroma: float


def plausible(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Which of many pairs of grey pictures (N, SIDE, SIDE), 0 to 255, may be copies: a coarse `fit` of all at once."""
    down, across, likeness = _begun(first, second)
    return (likeness >= _HOPELESS) & (_rough_detail(first, second, down, across) >= _UNLIKE)


class Cells(NamedTuple):
    """A picture in cells, 0 to 255: grey (SIDE, SIDE), and in colour (3, FINE, FINE)."""

    grey: Floats
    fine: Floats

    def turned(self, form: int) -> "Cells":
        """One of the eight forms of the picture, as `turned` has them."""
        return Cells(turned(self.grey, form), turned(self.fine, form))


def cells_of(picture: NDArray[np.uint8]) -> Cells:
    """An sRGB picture (H, W, 3) in cells; sides of 96 to 320 px are enough."""
    return Cells(shrink(picture, SIDE).mean(2), np.ascontiguousarray(shrink(picture, FINE).transpose(2, 0, 1)))


def fit(first: Cells, second: Cells) -> Fit:
    """Lay the second picture over the first."""
    one, two = first.grey[None], second.grey[None]
    down, across, likeness = _begun(one, two)
    if likeness[0] >= _HOPELESS:
        down, across, _ = _refined(one, two, down, across)
    return _compare(first.fine, second.fine, down[0], across[0])


def _begun(one: Floats, two: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Placements (N, 2) down and across, each a start and a length, after the coarse fit; their correlations (N,)."""
    halves = averages(SIDE, _COARSE)
    coarse = [np.matmul(np.matmul(halves, grey), halves.T) for grey in (one, two)]
    return _refined(coarse[0], coarse[1], *_starts(coarse[0], coarse[1]))


def _starts(one: Floats, two: Floats) -> tuple[Doubles, Doubles]:
    """The best of the windows of either picture that the other may be, for each of N pairs."""
    ones, twos = _windows(one), _windows(two)
    spans = len(SPANS)
    likeness = np.stack([twos @ ones[:, 0, :, None], ones @ twos[:, 0, :, None]], 1)
    outer, down, across = np.unravel_index(likeness.reshape(len(one), -1).argmax(1), (2, spans, spans))
    inside = np.array([(start, end - start) for start, end in SPANS])
    # When the second is a window of the first, the first reaches beyond the second.
    beyond = np.stack([-inside[:, 0] / inside[:, 1], 1 / inside[:, 1]], 1)
    of_second = (outer == 0)[:, None]
    return np.where(of_second, inside[down], beyond[down]), np.where(of_second, inside[across], beyond[across])


def _windows(grey: Floats) -> Floats:
    """All windows (N, spans * spans, cells) of grey pictures, centred and of length 1, so that products correlate."""
    stack = np.concatenate([averages(grey.shape[-1], _STARTS, *span) for span in SPANS])
    spans = len(SPANS)
    cut = (stack @ grey @ stack.T).reshape(-1, spans, _STARTS, spans, _STARTS).transpose(0, 1, 3, 2, 4)
    cut = cut.reshape(len(grey), spans * spans, _STARTS * _STARTS)
    cut -= cut.mean(-1, keepdims=True)
    length = np.sqrt(np.square(cut).sum(-1, keepdims=True))
    windows: Floats = cut / np.maximum(length, np.sqrt(1e-3 * cut.shape[-1]))
    return windows


def _refined(one: Floats, two: Floats, down: Doubles, across: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Placements after Gauss-Newton steps on them and on gain and offset of the second picture; their correlations."""
    side = one.shape[-1]
    middle = ((np.arange(side) + 0.5) / side).astype(np.float32)
    best, kept_down, kept_across = np.full(len(one), -2.0), down.copy(), across.copy()
    down, across = down.copy(), across.copy()
    live = np.arange(len(one))
    for _ in range(_STEPS + 1):
        grey, laid, shown = _laid(one[live], two[live], down[live], across[live])
        lengths = np.stack([down[live, 1], across[live, 1]], 1)
        fits = (np.minimum(shown.any(2).sum(1), shown.any(1).sum(1)) >= side // 2) & (lengths.min(1) >= 0.4)
        likeness = _correlations(grey, laid, shown)
        better = live[fits & (likeness > best[live])]
        best[live] = np.where(fits, np.maximum(likeness, best[live]), best[live])
        kept_down[better], kept_across[better] = down[better], across[better]
        slope_y, slope_x = (
            (slope / length[:, None, None]).astype(np.float32)
            for slope, length in zip(np.gradient(laid, 1 / side, axis=(1, 2)), lengths.T, strict=True)
        )
        parts = (slope_y, slope_y * middle[:, None], slope_x, slope_x * middle, laid, np.ones_like(laid))
        matrix = np.stack(parts, 1).reshape(len(live), len(parts), -1)
        weighted = matrix * shown.reshape(len(live), 1, -1)
        normal = (weighted @ matrix.transpose(0, 2, 1)).astype(np.float64)
        normal[:, range(6), range(6)] *= 1 + 1e-4  # a picture without detail along a side says nothing of its shift
        aim = (weighted @ grey.reshape(len(live), -1, 1)).astype(np.float64)
        solved = np.linalg.solve(normal + 1e-6 * np.eye(6), aim)[..., 0]
        # The solution is for gain * (laid + slopes * move): the moves come multiplied by the gain.
        gain = np.where(np.abs(solved[:, 4]) > 0.2, solved[:, 4], 1.0)
        move = (solved[:, :4] / gain[:, None]).clip(-0.05, 0.05)
        down[live] += move[:, :2]
        across[live] += move[:, 2:]
        live = live[fits & (np.abs(move).max(1) >= _STILL)]
        if not len(live):
            break
    return kept_down, kept_across, best


def _laid(one: Floats, two: Floats, down: Doubles, across: Doubles) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """The first pictures and the second ones laid over them, both about their means, and which cells both show."""
    lines, rows = _samples(one.shape[-1], down)
    columns, cols = _samples(one.shape[-1], across)
    laid = lines @ two @ columns.transpose(0, 2, 1)
    shown = rows[:, :, None] & cols[:, None, :]
    count = np.maximum(shown.sum((1, 2)), 1)[:, None, None].astype(np.float32)
    one, laid = (grey - (grey * shown).sum((1, 2), keepdims=True) / count for grey in (one, laid))
    return one, laid, shown


def _correlations(one: Floats, two: Floats, shown: NDArray[np.bool_]) -> Doubles:
    """Pearson's correlations (N,) of pictures about their means, where both are shown; 0 when one is flat."""
    products = [(a * b * shown).sum((1, 2), dtype=np.float64) for a, b in ((one, two), (one, one), (two, two))]
    size = np.sqrt(products[1] * products[2])
    found: Doubles = np.where(size > 1e-3 * shown.sum((1, 2)), products[0] / np.maximum(size, 1e-9), 0.0)
    return found


def _samples(side: int, placed: Doubles) -> tuple[Floats, NDArray[np.bool_]]:
    """Matrices (N, side, side) that read a line of cells at evenly spaced places, linearly; which places are inside."""
    at = (placed[:, :1] + placed[:, 1:] * (np.arange(side) + 0.5) / side) * side - 0.5
    inside = (at > -0.75) & (at < side - 0.25)
    away = at.clip(0, side - 1).astype(np.float32)[:, :, None] - np.arange(side, dtype=np.float32)
    return np.maximum(0, 1 - np.abs(away)), inside


def _rough_detail(one: Floats, two: Floats, down: Doubles, across: Doubles) -> Floats:
    """Likeness in detail (N,), as `Fit` has it but of coarser cells; 1 where there is too little to tell."""
    one, laid, shown = _laid(one, two, down, across)
    gain = (one * laid * shown).sum((1, 2)) / np.maximum(np.square(laid * shown).sum((1, 2)), 1e-3)
    near = _neighbours(SIDE, 5)
    side = SIDE // _TILES
    a, b, seen = (
        values.reshape(-1, _TILES, side, _TILES, side)[:, 1:-1, :, 1:-1]
        .transpose(0, 1, 3, 2, 4)
        .reshape(len(one), (_TILES - 2) ** 2, side * side)
        for values in (one - near @ one @ near.T, laid - near @ laid @ near.T, shown)
    )
    a, b = (tiles - tiles.mean(2, keepdims=True) for tiles in (a, b))
    spread = [np.sqrt(np.square(tiles).mean(2)) for tiles in (a, b)]
    told = seen.all(2) & (np.maximum(spread[0], np.abs(gain)[:, None] * spread[1]) > _TEXTURE)
    alike = (a * b).mean(2) / np.maximum(spread[0] * spread[1], 1e-6)
    count = told.sum(1)
    found: Floats = np.where(count >= _FEW, np.sign(gain) * (alike * told).sum(1) / np.maximum(count, 1), 1.0)
    return found


def _compare(first: Floats, second: Floats, down: Doubles, across: Doubles) -> Fit:
    (lines,), (rows,) = _samples(FINE, down[None])
    (columns,), (cols,) = _samples(FINE, across[None])
    placed: Floats = np.matmul(np.matmul(lines, second), columns.T)
    one, two = (picture[:, rows][:, :, cols].transpose(1, 2, 0) for picture in (first, placed))
    grey, laid = one.mean(2), two.mean(2)
    gain = float(((grey - grey.mean()) * (laid - laid.mean())).mean()) / max(float(laid.var()), 1e-6)
    tiles = list(zip(_inner_tiles(_detail(grey)), _inner_tiles(_detail(gain * laid)), strict=True))
    alike = [correlation(a, b) for a, b in tiles]
    found = [share for share, (a, b) in zip(alike, tiles, strict=True) if max(a.std(), b.std()) > _TEXTURE]
    a, b = (chroma(_smooth(picture)) for picture in (one, two))
    strength = [float(np.sqrt(2 * np.square(x).mean())) for x in (a, b)]
    saturation = max(0.0, float((a * b).sum() / max(float(np.square(a).sum()), 1e-9)))  # opposite colours are others
    area = float(down[1] * across[1])  # of the first, where the second is 1
    return Fit(
        (float(across[0]), float(down[0]), float(across.sum()), float(down.sum())),
        float(rows.mean() * cols.mean() * area / max(area, 1.0)),
        float(np.mean(found)) if found else 0.0,
        len(found),
        float(np.mean(alike)),
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
    return grey - _smooth(grey)


def _smooth(values: Floats) -> Floats:
    """Means of 5 x 5 neighbours of values (H, W, ...), the border repeated."""
    down, across = (_neighbours(side, 5) for side in values.shape[:2])
    means: Floats = np.tensordot(across, np.tensordot(down, values, 1), (1, 1)).swapaxes(0, 1)
    return means


@cache
def _neighbours(side: int, width: int) -> Floats:
    """A matrix (side, side) that averages `width` (odd) neighbours of every place on a line, its ends repeated."""
    steps = np.arange(-(width // 2), width // 2 + 1)
    matrix = np.zeros((side, side), np.float32)
    np.add.at(matrix, (np.arange(side)[:, None], (np.arange(side)[:, None] + steps).clip(0, side - 1)), 1 / width)
    return matrix
