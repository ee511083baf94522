"""Pictures that explain pictures: what is strong glows, and what is not is pale; as data URIs for a page."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from artgan.engine.images import to_uint8
from artgan.engine.oklab import opaque

Pixels = NDArray[np.uint8]

LARGEST = 128
"""Panels have no more pixels to a side."""
SMALL = 300
"""Pictures narrower than this are kept at a higher quality, as they are enlarged."""
GAP = 2
BORDER = 2
INKS = ("#0b66a8", "#c2500c", "#1d7a55", "#8a3f94", "#b8860b", "#c0307a", "#3a8fa3", "#6b6b1f")
"""Colours of classes, which can be told apart on light and dark paper; there are no more than these at once."""
_GLOW = ((60, 20, 90), (200, 40, 70), (250, 150, 30), (255, 250, 170))
_FOR, _AGAINST = (232, 119, 34), (38, 110, 200)


def as_rgb(picture: torch.Tensor) -> Pixels:
    """A picture (C, H, W) in [-1, 1] as (H, W, 3), of LARGEST pixels to a side at most; alpha is laid over white."""
    shown = opaque(picture[None].float())
    height, width = shown.shape[2:]
    if max(height, width) > LARGEST:
        sides = [max(1, round(side * LARGEST / max(height, width))) for side in (height, width)]
        shown = F.interpolate(shown, sides, mode="bilinear", antialias=True)
    return to_uint8(shown[0].permute(1, 2, 0).contiguous().numpy())


def glowing(picture: torch.Tensor, values: torch.Tensor, most: float | None = None) -> Pixels:
    """The picture in pale grey, and over it values (h, w), 0 or above: nothing up to `most`, their own largest."""
    back = _pale(as_rgb(picture))
    strength = _strength(values, back.shape, most)
    place = strength * (len(_GLOW) - 1)
    low = place.astype(int).clip(0, len(_GLOW) - 2)
    ramp = np.array(_GLOW, np.float64)
    ink = ramp[low] + (ramp[low + 1] - ramp[low]) * (place - low)[..., None]
    share = strength[..., None]
    return _pixels(back * (1 - share) + ink * share)


def spotlit(picture: torch.Tensor, values: torch.Tensor) -> Pixels:
    """The picture as it is where values (h, w), 0 or above, are large, and pale where they are small."""
    front = as_rgb(picture)
    share = np.sqrt(_strength(values, front.shape, None))[..., None]
    return _pixels(_pale(front) * (1 - share) + front * share)


def two_sided(picture: torch.Tensor, values: torch.Tensor, most: float) -> Pixels:
    """The picture in pale grey, orange where values (h, w) are above 0, blue where below; full at `most` either way."""
    back = _pale(as_rgb(picture))
    up, down = (_strength((values * sign).clamp_min(0), back.shape, most)[..., None] for sign in (1, -1))
    share = 0.85 * np.maximum(up, down)
    ink = np.where(up >= down, np.array(_FOR, np.float64), np.array(_AGAINST, np.float64))
    return _pixels(back * (1 - share) + ink * share)


def strip(panels: Sequence[Pixels]) -> Pixels:
    """Panels of one height side by side, with nothing between them: (H, W, 4)."""
    height = panels[0].shape[0]
    pieces: list[Pixels] = []
    for number, panel in enumerate(panels):
        if number:
            pieces.append(np.zeros((height, GAP, 4), np.uint8))
        pieces.append(np.dstack([panel, np.full(panel.shape[:2], 255, np.uint8)]))
    return np.concatenate(pieces, 1)


def sheet(
    pictures: Mapping[int, Image.Image],
    cells: Sequence[tuple[int, int] | None],
    grid: tuple[int, int],
    inks: Sequence[str | None],
    longest: int,
) -> Image.Image:
    """A map of pictures: each in its (column, row), shrunk to `longest` pixels, framed in its colour; RGBA."""
    first = next(iter(pictures.values()))
    shrink = longest / max(first.size)
    width, height = (max(1, round(side * shrink)) for side in first.size)
    across, down = width + 2 * BORDER + 1, height + 2 * BORDER + 1
    shown = Image.new("RGBA", (grid[0] * across, grid[1] * down))
    draw = ImageDraw.Draw(shown)
    for number, cell in enumerate(cells):
        if cell is None:
            continue
        left, top = cell[0] * across, cell[1] * down
        if ink := inks[number]:
            draw.rectangle((left, top, left + width + 2 * BORDER - 1, top + height + 2 * BORDER - 1), fill=ink)
        small = pictures[number].resize((width, height), Image.Resampling.LANCZOS)
        shown.paste(small, (left + BORDER, top + BORDER))
    return shown


def uri(picture: Pixels | Image.Image) -> str:
    """A picture as a small WebP data URI."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=92 if image.width < SMALL else 80, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _pixels(values: NDArray[np.float64]) -> Pixels:
    return values.round().astype(np.uint8)


def _pale(picture: Pixels) -> NDArray[np.float64]:
    """A picture in grey, near to white."""
    grey = picture.astype(np.float64) @ (0.2126, 0.7152, 0.0722)
    return np.repeat((0.35 * grey + 0.65 * 235)[..., None], 3, 2)


def _strength(values: torch.Tensor, shape: tuple[int, ...], most: float | None) -> NDArray[np.float64]:
    """Values (h, w) brought to the picture's size, smoothly, from 0 to 1."""
    sides = [shape[0], shape[1]]
    fine = F.interpolate(values[None, None].double(), sides, mode="bilinear", antialias=True)[0, 0]
    top = float(fine.max()) if most is None else most
    strength: NDArray[np.float64] = (fine / top if top > 0 else fine * 0).clamp(0, 1).numpy()
    return strength
