"""Masks say what is painted where: black and white, or one colour for each region."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from artgan.engine.images import decode
from artgan.errors import DatasetError, UsageError

MOST_REGIONS = 8

_GREY = 40  # difference of the channels, of 255, that a grey pixel may show after JPEG
_PURE = 8 / 255  # so near to black or white a grey is meant to be black or white
_SMALLEST = 0.005  # share of the mask that a colour must cover
_FLAT = 24  # range of values around a pixel that belongs to an area of one colour, not to a border
_DISTINCT = 48.0  # Euclidean distance of RGB values between two colours that are meant to differ
_SAME = 64.0  # and within which colours of two masks mean each other
_NEAR = 8  # pixels from a border pixel to the regions it can lie between
_STYLE_PIXELS = 16
_SHAPE = 0.01


@dataclass(frozen=True)
class Regions:
    """What is painted where.

    Attributes:
        content: (K, 1, H, W) float32 in [0, 1], how much of a pixel is painted in region k; at most 1 in sum.
        styles: for each region the style picture it is painted after (0 is the first) and where in that to look,
            (1, 1, h, w) float32 in [0, 1]; None is everywhere.
    """

    content: torch.Tensor
    styles: tuple[tuple[int, torch.Tensor | None], ...]

    @property
    def kept(self) -> torch.Tensor:
        """How much of a pixel stays as it is, (1, 1, H, W) in [0, 1]."""
        return (1 - self.content.sum(0, keepdim=True)).clamp(0, 1)


@dataclass(frozen=True)
class _Mask:
    """A mask as it was read: its regions, lightest first, (K, 1, H, W), and their colours (K, 3) as 0 to 255."""

    path: Path
    weights: torch.Tensor
    colors: NDArray[np.float64]


def split_mask(text: str) -> tuple[Path, Path | None]:
    r"""Read `content_mask.png` or `content_mask.png:style_mask.png`.

    A file whose own name holds a colon is found if it exists, and the colon of a Windows drive (`C:\a.png`) splits
    nothing.

    Raises:
        UsageError: one side of the colon is empty.
    """
    cuts = [at for at, letter in enumerate(text) if letter == ":" and not _of_a_drive(text, at)]
    if not cuts or Path(text).is_file():
        return Path(text), None
    # max() takes the first of equals, so without any file to go by the first colon is the one.
    best = max(cuts, key=lambda at: 2 * _is_file(text[:at]) + _is_file(text[at + 1 :]))
    if not text[:best] or not text[best + 1 :]:
        raise UsageError(f"--mask {text!r} names only one file beside its colon.", "Write CONTENT.png:STYLE.png.")
    return Path(text[:best]), Path(text[best + 1 :])


def _is_file(text: str) -> bool:
    return bool(text) and Path(text).is_file()


def _of_a_drive(text: str, at: int) -> bool:
    starts = at == 1 or (at > 1 and text[at - 2] == ":")
    return starts and text[at - 1].isascii() and text[at - 1].isalpha() and text[at + 1 : at + 2] in ("\\", "/")


def read_regions(
    content_mask: Path,
    style_mask: Path | None,
    content_size: tuple[int, int],
    style_sizes: Sequence[tuple[int, int]],
) -> Regions:
    """Read one mask, or a pair of them, as regions.

    A mask without any clear colour is black and white: two regions, greys shared between them. In a coloured one, each
    clearly distinct colour that covers at least half a percent is a region, eight at most, and borders, soft or spoilt
    by JPEG, go to the nearest of the regions they lie between. A mask of a single colour with transparency is white
    where it is opaque; in a coloured one, what is transparent is black. A mask of another size is scaled.

    Without a style mask the lightest region is painted after the first style, the next after the second, and so on; a
    last region that is left over, the darkest, is kept as it is. So with one style, white is painted and black kept.

    With a style mask there is one style, and each region of the content mask, black too, is painted after the part of
    the style that has its colour.

    Args:
        content_mask: says where in the content.
        style_mask: says where in the style.
        content_size: (width, height) of the content.
        style_sizes: (width, height) of each style.

    Raises:
        UsageError: shapes or numbers of regions and styles do not fit, there are more than eight colours, a region has
            no counterpart in the style mask, or there is nothing to paint or too little to paint after.
        DatasetError: a mask is missing or broken.
    """
    mask = _read(content_mask, content_size, "content")
    if style_mask is None:
        return _in_order(mask, len(style_sizes))
    if len(style_sizes) != 1:
        raise UsageError(
            f"The mask {style_mask} is for one style, and there are {len(style_sizes)}.",
            "Give one style with a style mask, or leave the style mask out.",
        )
    return _by_color(mask, _read(style_mask, style_sizes[0], "style"))


def at_scale(weights: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Weights (K, 1, H, W) averaged down to a feature map, (K, 1, height, width) (Gatys et al. 2017, section 4).

    Every pixel counts as much as any other, so that shares of the area stay what they are.
    """
    return F.interpolate(weights, (height, width), mode="area")


def _in_order(mask: _Mask, styles: int) -> Regions:
    if not mask.colors.any():
        raise UsageError(f"The mask {mask.path} is all black: nothing would be painted.", "Make white what to paint.")
    regions = len(mask.weights)
    if styles not in (regions, regions - 1):
        found = f"{regions} region{'s' * (regions != 1)}"
        there = f"there {'is 1 style' if styles == 1 else f'are {styles} styles'}"
        raise UsageError(
            f"The mask {mask.path} has {found} and {there}.",
            "Give one style for each region, or one fewer to keep the darkest region as it is.",
        )
    return Regions(mask.weights[:styles], tuple((number, None) for number in range(styles)))


def _by_color(mask: _Mask, style: _Mask) -> Regions:
    parts: list[tuple[int, torch.Tensor | None]] = []
    for color in mask.colors:
        distances = np.linalg.norm(style.colors - color, axis=1)
        nearest = int(distances.argmin())
        name = "#" + "".join(f"{round(value):02x}" for value in color)
        if distances[nearest] > _SAME:
            raise UsageError(
                f"The colour {name} of the mask {mask.path} is not in the mask {style.path}.",
                "Paint the part of the style that it should look like in the same colour.",
            )
        part = style.weights[nearest : nearest + 1]
        if part.sum() < _STYLE_PIXELS:
            raise UsageError(
                f"The colour {name} covers less than {_STYLE_PIXELS} pixels of the mask {style.path}.",
                "Mark a larger part of the style.",
            )
        parts.append((0, part))
    return Regions(mask.weights, tuple(parts))


def _read(path: Path, size: tuple[int, int], of: str) -> _Mask:
    """A mask at the size (width, height) of its picture."""
    if not path.is_file():
        raise DatasetError(f"The mask {path} is not there.", "Check the path; quote it when it holds spaces.")
    try:
        picture = decode(path, "rgba")
    except DatasetError as error:
        raise DatasetError(f"The mask {path} cannot be read: {error.message}.", error.hint) from error
    # Of a small picture the sides are rounded by more than the shape may differ.
    if abs(math.log(picture.width / picture.height) - math.log(size[0] / size[1])) > _SHAPE + 0.5 / min(size):
        raise UsageError(
            f"The mask {path} is {picture.width}x{picture.height} and the {of} {size[0]}x{size[1]}: another shape.",
            f"Make the mask as large as the {of}.",
        )
    rgb = _without_alpha(picture)
    spread = np.ptp(rgb, axis=2)
    colored = (spread > _GREY).mean() >= _SMALLEST
    weights, colors = _colored(path, rgb) if colored else _black_and_white(rgb)
    if (picture.width, picture.height) != size:
        weights = F.interpolate(weights, size[::-1], mode="bilinear", antialias=True).clamp(0, 1)
    return _Mask(path, weights, colors)


def _without_alpha(picture: Image.Image) -> NDArray[np.uint8]:
    """The mask (H, W, 3); see `read_regions` on transparency."""
    values = np.asarray(picture)
    rgb, alpha = values[..., :3], values[..., 3]
    visible = rgb[alpha > 127]
    if alpha.min() == 255:
        return rgb
    if not len(visible) or np.ptp(visible, axis=0).max() <= _FLAT:
        return np.repeat(alpha[..., None], 3, axis=2)
    return (rgb * (alpha[..., None] / 255)).round().astype(np.uint8)


def _black_and_white(rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, NDArray[np.float64]]:
    grey = torch.from_numpy(rgb.astype(np.float32).mean(2) / 255)
    white = ((grey - _PURE) / (1 - 2 * _PURE)).clamp(0, 1)
    weights = torch.stack([white, 1 - white])[:, None]
    there = weights.sum((1, 2, 3)) >= 1  # a pixel
    return weights[there], np.array([[255.0] * 3, [0.0] * 3])[there.numpy()]


def _colored(path: Path, rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, NDArray[np.float64]]:
    values = torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None]
    around = F.max_pool2d(values, 3, 1, 1) + F.max_pool2d(-values, 3, 1, 1)
    flat = (around <= _FLAT).all(1)[0].numpy()
    colors = _distinct(rgb[flat], _SMALLEST * flat.size)
    if not 1 <= len(colors) <= MOST_REGIONS:
        raise UsageError(
            f"The mask {path} has {len(colors)} clear colours, and 1 to {MOST_REGIONS} can be used.",
            "Fill each region with one plain colour.",
        )
    luminance = colors @ (0.2126, 0.7152, 0.0722)
    colors = colors[np.argsort(-luminance, kind="stable")]
    distances = torch.stack([(values[0] - torch.tensor(color)[:, None, None]).square().sum(0) for color in colors])
    inside = (distances < _DISTINCT**2) & torch.from_numpy(flat)
    # The colours on a soft border from red to blue pass by purple; they are not a strip of the purple region.
    close = F.max_pool2d(inside.float()[:, None], 2 * _NEAR + 1, 1, _NEAR)[:, 0] > 0
    close |= ~close.any(0)
    owner = distances.masked_fill(~close, math.inf).argmin(0)
    return F.one_hot(owner, len(colors)).permute(2, 0, 1)[:, None].float(), colors


def _distinct(pixels: NDArray[np.uint8], least: float) -> NDArray[np.float64]:
    """The colours (K, 3) that at least so many of the pixels (N, 3) have, none within _DISTINCT of another."""
    cells = (pixels >> 3).astype(np.int64) @ (1024, 32, 1)
    counts = np.bincount(cells, minlength=32**3)
    sums = np.stack([np.bincount(cells, pixels[:, channel], 32**3) for channel in range(3)], axis=1)
    seen = np.flatnonzero(counts)
    means, counts = sums[seen] / counts[seen, None], counts[seen]
    free = np.ones(len(seen), bool)
    found: list[NDArray[np.float64]] = []
    while free.any():
        center = means[np.where(free, counts, -1).argmax()]
        near = free & (np.linalg.norm(means - center, axis=1) < _DISTINCT)
        if counts[near].sum() >= least:
            found.append(np.average(means[near], axis=0, weights=counts[near]))
        free &= ~near
    return np.array(found).reshape(-1, 3)
