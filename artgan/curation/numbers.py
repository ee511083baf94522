"""A set in numbers, as its page shows them: sizes, shapes, colours, and whether it is enough for a GAN."""

import bisect
import dataclasses
import io
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from artgan.curation.verdicts import Item

COLORS = 12
_LOOKED_AT = 300  # pictures that the palette is made of
_SIDES = (1, 64, 96, *(side << k for k in range(10) for side in (128, 192)))
_SHAPES = {
    0.5: ("over twice as tall as wide", 0.4),
    2 / 3: ("2:1 to 3:2, upright", 0.57),
    0.8: ("3:2 to 5:4, upright", 0.73),
    0.95: ("a little upright", 0.87),
    1.05: ("square", 1.0),
    1.25: ("a little broad", 1.15),
    1.5: ("5:4 to 3:2, broad", 1.37),
    2.0: ("3:2 to 2:1, broad", 1.75),
    math.inf: ("over twice as wide as tall", 2.5),
}  # width by height up to which a shape is called so, and one of the kind


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bar of a histogram: its name, how many, percent of the longest one; `shape` is width by height, or 0."""

    name: str
    count: int
    share: float
    shape: float = 0.0


class Color(NamedTuple):
    """A colour of the palette: #rrggbb, and its share in percent."""

    code: str
    share: float


def size_of(item: Item) -> tuple[int, int]:
    """Width and height of what goes into the set, before it is brought down to a size."""
    assert item.seen is not None
    if item.crop is None:
        return item.seen.size
    left, top, right, bottom = item.crop
    return max(1, right - left), max(1, bottom - top)


def side_bars(sides: Sequence[int]) -> list[Bar]:
    """A histogram of shorter sides: steps that grow, or equal ones where all lie close together."""
    if not sides:
        return []
    low, high = min(sides), max(sides)
    edges: Sequence[int] = _SIDES
    if high < 3 * low:
        rough = max(1, (high - low) / 10)
        power = 10 ** int(math.log10(rough))
        step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
        edges = range(low // step * step, high + step + 1, step)
    names = [f"{a:,}" if b == a + 1 else f"{a:,} to {b - 1:,}" for a, b in zip(edges, edges[1:], strict=False)]
    names[0] = f"below {edges[1]}" if edges[0] == 1 else names[0]
    return _bars([*names, f"{edges[-1]:,} or more"], [(bisect.bisect(edges, side) - 1) for side in sides])


def shape_bars(shapes: Sequence[float]) -> list[Bar]:
    """A histogram of width by height."""
    limits, kinds = list(_SHAPES), list(_SHAPES.values())
    bars = _bars([name for name, _ in kinds], [bisect.bisect_left(limits, shape) for shape in shapes])
    drawn = dict(kinds)
    return [dataclasses.replace(bar, shape=drawn[bar.name]) for bar in bars]


def _bars(names: Sequence[str], places: Sequence[int]) -> list[Bar]:
    """Bars by the places of values in `names`, without the empty ones at both ends."""
    if not places:
        return []
    counts = Counter(places)
    most = max(counts.values())
    return [Bar(names[k], counts[k], 100 * counts[k] / most) for k in range(min(places), max(places) + 1)]


def palette(items: Iterable[Item]) -> list[Color]:
    """The colours that the pictures are made of, light ones first: k-means on their thumbnails, each counting alike."""
    shown = [item for item in items if item.seen is not None and len(item.seen.thumbnail)]
    if not shown:
        return []
    pixels = np.concatenate([_cells(shown[place]) for place in spread(len(shown), min(len(shown), _LOOKED_AT))])
    bins, owner, counts = np.unique(pixels // 16 @ np.array([256, 16, 1]), return_inverse=True, return_counts=True)
    sums = [np.bincount(owner, pixels[:, channel], len(bins)) for channel in range(3)]
    colors = np.stack(sums, axis=1) / counts[:, None]
    centres = colors[[counts.argmax()]]
    while len(centres) < min(
        COLORS, len(colors)
    ):  # as k-means++ draws them, but the likeliest, and with room for accents
        apart = np.square(colors[:, None] - centres).sum(axis=2).min(axis=1)
        centres = np.concatenate([centres, colors[[(np.sqrt(counts) * apart).argmax()]]])
    for _ in range(12):
        nearest = np.square(colors[:, None] - centres).sum(axis=2).argmin(axis=1)
        shares = np.bincount(nearest, counts, len(centres))
        sums = [np.bincount(nearest, counts * colors[:, channel], len(centres)) for channel in range(3)]
        centres = np.where(shares[:, None] > 0, np.stack(sums, axis=1) / np.maximum(shares, 1)[:, None], centres)
    order = np.argsort(-(centres @ np.array([0.299, 0.587, 0.114])), kind="stable")
    codes = ["#{:02x}{:02x}{:02x}".format(*centres[place].round().astype(int)) for place in order]
    found = zip(codes, shares[order] / shares.sum(), strict=True)
    return [Color(code, round(100 * float(share), 2)) for code, share in found if share > 0]


def _cells(item: Item) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """A few hundred colours (N, 3) of a picture, without the paper around it."""
    assert item.seen is not None
    with Image.open(io.BytesIO(bytes(item.seen.thumbnail))) as opened:
        width, height = opened.size
        box = (0.0, 0.0, float(width), float(height))
        if item.crop is not None:
            across, down = width / item.seen.size[0], height / item.seen.size[1]
            left, top, right, bottom = item.crop
            box = (max(0.0, left * across), max(0.0, top * down), right * across, bottom * down)
            box = (*box[:2], min(width, max(box[2], box[0] + 1)), min(height, max(box[3], box[1] + 1)))
        small = opened.convert("RGB").resize((16, 16), Image.Resampling.BOX, box)
    return np.asarray(small).reshape(-1, 3).astype(np.int64)


def crops_for(count: int, sides: Sequence[int]) -> int:
    """Crops of each picture that make a training set of few; 0 where there are enough or they are small."""
    if not 0 < count < 100 or not sides or statistics.median(sides) < 192:
        return 0
    return 20 if count >= 50 else 50 if count >= 20 else 100


def place_of(count: int) -> float:
    """Where a number of pictures lies on a line of 1 to 10,000, every tenth part as long as the next, in percent."""
    return round(100 * min(1.0, math.log10(max(1, count)) / 4), 2)


def spread(total: int, count: int) -> list[int]:
    """So many of `total` places, ascending, evenly spread."""
    return [(2 * number + 1) * total // (2 * count) for number in range(count)]
