"""The shape that a training set wants: which part of a picture is taken, and how it is brought to its size."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artgan.curation.looks import chroma
from artgan.engine.images import WHITE, Color

Crop = Literal["keep", "centre", "salient", "pad"]
CROPS: tuple[Crop, ...] = ("keep", "centre", "salient", "pad")
Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the sides, 0 to 1."""
Floats = NDArray[np.float64]

ALIKE = 0.7
"""Intersection by union of two boxes that are as good as one."""
_SMALLEST, _SIZES = 0.5, 4  # sides of further boxes, as shares of the largest one's: 1 down to this, in so many steps
_NESTED = (1.0, 0.8, 0.6)  # a box is worth what lies in it, in its inner part and in the middle of that
_SEEN = 0.25  # what is left of the worth of what a box shows already
_FAINT = 0.004  # in OKLab, one level of 255: what rounding and JPEG leave on plain ground
_MILD, _ABOVE = 0.3, 0.25  # what the prior takes at half a side from its middle; where that lies, from the top
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
_BLUR = np.array([0.054489, 0.244201, 0.40262, 0.244201, 0.054489])  # a Gaussian of 1 px


def frames(
    pixels: NDArray[np.uint8], shape: tuple[int, int], crop: Crop, count: int = 1, least: float = 0.0
) -> tuple[Box, ...]:
    """Boxes of one shape that are cut from a picture, at least one.

    Args:
        pixels: (H, W, 3), upright, sRGB, about 320 on the longest side.
        shape: width and height wanted; only their ratio counts.
        crop: keep and pad take the whole picture; centre the largest box in its middle, salient the largest one where
            most is to be seen.
        count: boxes at most, of centre and salient. After the first come others, as large or down to half of its sides,
            where most is to be seen that none shows yet; fewer, where they would be too small or too much alike.
        least: the shorter side that a further box has at least, as a share of the picture's shorter side. The first is
            always there, and the largest that can be.
    """
    if crop in ("keep", "pad"):
        return ((0.0, 0.0, 1.0, 1.0),)
    height, width = pixels.shape[:2]
    factor = min(width / shape[0], height / shape[1])
    across, down = min(shape[0] * factor, width), min(shape[1] * factor, height)  # rounding may exceed a side
    found = []
    if crop == "centre":
        left, top = (1 - across / width) / 2, (1 - down / height) / 2
        found.append((left, top, 1 - left, 1 - top))
    if len(found) == count:
        return tuple(found)
    worth = interest(pixels)
    smallest = max(_SMALLEST, least * min(width, height) / min(across, down))
    further = np.linspace(1, smallest, _SIZES) if smallest < 1 else np.ones(int(smallest < 1 + 1e-9))
    while len(found) < count:
        sizes = [(across * share, down * share) for share in (further.tolist() if found else [1.0])]
        best = _best(_fading(worth, found), sizes, found)
        if best is None:
            break
        found.append(best)
    return tuple(found)


def interest(pixels: NDArray[np.uint8]) -> Floats:
    """How much is to be seen at each pixel (H, W) of a picture (H, W, 3): how steep lightness and colour are there.

    Gradient energy as in Avidan & Shamir, Seam Carving for Content-Aware Image Resizing (2007), of lightness beside a
    and b of OKLab, with a mild prior for the middle across and a quarter of the way down. How far a colour is from the
    mean (Achanta et al., Frequency-tuned Salient Region Detection, 2009) finds skies and grounds in paintings, which
    are of few colours: of 70 faces that a detector finds in 180 paintings, squares hold 44 by it, 51 by gradients
    without a prior, 52 in the middle, and 67 with this prior, as heads are in the upper half of tall pictures.
    """
    floats = pixels.astype(np.float32)
    lab = np.dstack([floats @ _WEIGHTS / 255, *chroma(floats)]).astype(np.float64)
    soft = _blurred(_blurred(lab).swapaxes(0, 1)).swapaxes(0, 1)
    steep = np.zeros(soft.shape[:2])
    for axis in (0, 1):
        if soft.shape[axis] > 1:
            steep += (np.gradient(soft, axis=axis) ** 2).sum(-1)
    prior = np.outer(_prior(pixels.shape[0], _ABOVE), _prior(pixels.shape[1], 0.5))
    found: Floats = (np.sqrt(steep) - _FAINT).clip(0) * prior
    return found


def _blurred(cells: Floats) -> Floats:
    """Cells (N, ...) with each line blurred with those before and after."""
    reach = len(_BLUR) // 2
    padded = np.pad(cells, [(reach, reach), *[(0, 0)] * (cells.ndim - 1)], mode="edge")
    blurred: Floats = sum(weight * padded[at : at + len(cells)] for at, weight in enumerate(_BLUR))
    return blurred


def _prior(length: int, middle: float) -> Floats:
    places = (np.arange(length) + 0.5) / length
    prior: Floats = 1 - _MILD * ((places - middle) * 2) ** 2
    return prior


def _fading(worth: Floats, found: Sequence[Box]) -> Floats:
    """The worth of what boxes show already comes down."""
    left_over = worth.copy()
    height, width = worth.shape
    for left, top, right, bottom in found:
        left_over[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] *= _SEEN
    return left_over


def _best(worth: Floats, sizes: Sequence[tuple[float, float]], taken: Sequence[Box]) -> Box | None:
    """The box worth most, of some sizes (width, height) in pixels and unlike all that are taken; None if there is none.

    Of two sizes that counts which has more for its side: by the sum the largest would always win, by the mean the
    smallest. Of equals it is the one nearest to the middle of the picture.
    """
    height, width = worth.shape
    best, most = None, -np.inf
    for across, down in sizes:
        values = _sums(worth, max(1, int(across + 1e-9)), max(1, int(down + 1e-9))) / (across * down) ** 0.5
        lefts = np.minimum(np.arange(values.shape[1]), width - across) / width
        tops = np.minimum(np.arange(values.shape[0]), height - down) / height
        rights, bottoms = np.minimum(lefts + across / width, 1), np.minimum(tops + down / height, 1)
        for box in taken:
            values[_overlaps(lefts, tops, rights, bottoms, box) > ALIKE] = -np.inf
        here = float(values.max())
        if here > most:
            off = np.add.outer((tops + bottoms - 1) ** 2, (lefts + rights - 1) ** 2)
            off[values < here * (1 - 1e-9)] = np.inf
            row, column = np.unravel_index(int(off.argmin()), off.shape)
            best = float(lefts[column]), float(tops[row]), float(rights[column]), float(bottoms[row])
            most = here
    return best


def _sums(worth: Floats, across: int, down: int) -> Floats:
    """What a box of so many pixels is worth at each place, what lies near its edges counting less.

    Every sum is four look-ups in a summed-area table (Crow 1984).
    """
    table = np.pad(worth, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    rows, columns = worth.shape[0] - down + 1, worth.shape[1] - across + 1
    total = np.zeros((rows, columns))
    for share in _NESTED:
        x, y = round(across * (1 - share) / 2), round(down * (1 - share) / 2)
        tops, lefts = slice(y, y + rows), slice(x, x + columns)
        bottoms, rights = slice(down - y, down - y + rows), slice(across - x, across - x + columns)
        total += table[bottoms, rights] - table[tops, rights] - table[bottoms, lefts] + table[tops, lefts]
    return total.clip(0)  # on plain ground rounding leaves less than nothing


def _overlaps(lefts: Floats, tops: Floats, rights: Floats, bottoms: Floats, box: Box) -> Floats:
    """Intersection by union of a box with those at all places (rows, columns)."""
    across = (np.minimum(rights, box[2]) - np.maximum(lefts, box[0])).clip(0)
    down = (np.minimum(bottoms, box[3]) - np.maximum(tops, box[1])).clip(0)
    shared = np.outer(down, across)
    both = np.outer(bottoms - tops, rights - lefts) + (box[2] - box[0]) * (box[3] - box[1])
    found: Floats = shared / (both - shared)
    return found


def framed(
    picture: Image.Image, box: Box, size: tuple[int, int] | None, crop: Crop, background: Color = WHITE
) -> Image.Image:
    """A picture cut to its box in full resolution and brought to its size; nothing is enlarged.

    It is made smaller by Lanczos on the values as they are, not in linear light: there thin dark lines on paper, which
    are what drawings are made of, come out paler (ink of level 20 on 230, 2 px wide and made four times smaller: 179,
    not 139), and light lines on dark ground ring more. The price is twice the ringing around dark lines (12 levels, not
    6). The pictures that a network is scored against are made smaller in this way too.

    Args:
        picture: RGB, RGBA or L.
        box: one of `frames`, of the same picture and `crop`.
        size: (width, height). centre and salient give exactly that, or of a smaller picture the most that there is of
            that shape; pad gives that, or of a smaller picture the least of that shape that holds it; keep brings the
            shorter side down to the shorter of the two. None leaves it as large as it is, and pads nothing.
        crop: as in `frames`.
        background: sRGB, 0 to 255, of what pad adds; in RGBA it is transparent.
    """
    left, top, right, bottom = (
        share * side for share, side in zip(box, (picture.width, picture.height) * 2, strict=True)
    )
    if size is None or crop in ("keep", "pad"):
        x, y = round(left), round(top)
        cut = picture.crop((x, y, x + max(1, round(right - left)), y + max(1, round(bottom - top))))
        if size is None:
            return cut
        return _padded(cut, size, background) if crop == "pad" else _reduced(cut, min(size) / min(cut.size))
    factor = min((right - left) / size[0], (bottom - top) / size[1])
    across, down = size[0] * factor, size[1] * factor
    x0, y0 = max(0.0, (left + right - across) / 2), max(0.0, (top + bottom - down) / 2)
    if factor < 1:
        x, y = round(x0), round(y0)
        return picture.crop((x, y, x + max(1, round(across)), y + max(1, round(down))))
    part = (x0, y0, min(picture.width, x0 + across), min(picture.height, y0 + down))
    return picture.resize(size, Image.Resampling.LANCZOS, part)


def _reduced(picture: Image.Image, factor: float) -> Image.Image:
    if factor >= 1:
        return picture
    small = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(small, Image.Resampling.LANCZOS)


def _padded(picture: Image.Image, size: tuple[int, int], background: Color) -> Image.Image:
    """A picture in the middle of the least ground of the shape of `size`, that size at most, which holds it."""
    factor = max(picture.width / size[0], picture.height / size[1])
    inside = _reduced(picture, 1 / factor)
    ground = size if factor >= 1 else (round(size[0] * factor), round(size[1] * factor))
    padded = Image.new("RGB", ground, background).convert(picture.mode)
    if picture.mode == "RGBA":
        padded.putalpha(0)
    padded.paste(inside, ((ground[0] - inside.width) // 2, (ground[1] - inside.height) // 2))
    return padded
