"""Glazed tilings: eight-pointed stars and crosses, hexagrams, interlaced arcs, and scales."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from artgan.data.painters.canvas import Canvas, Colour, Plane, Planes, blended, lay
from artgan.data.painters.grain import rub, turned
from artgan.data.painters.palettes import TILINGS, Palette, chosen


@dataclass(frozen=True)
class _Wall:
    """A picture being tiled. Positions and distances are in cells; `cell` is the side of one in units."""

    canvas: Canvas
    picture: Planes
    cell: float

    def piece(self, paint: Colour | Planes, distance: Plane) -> None:
        """A glazed piece where distance is negative, darker at the rim, where glaze runs thick."""
        cover = self.canvas.inside(distance * np.float32(self.cell))
        rim = np.clip(1.0 + distance * np.float32(8.0), 0.0, 1.0)
        lay(self.picture, paint, cover)
        self.picture[:] *= 1.0 - np.float32(0.3) * rim * rim * cover

    def strap(self, paint: Colour, distance: Plane, width: float) -> None:
        """A line of even width along the rim where distance is zero."""
        lay(self.picture, paint, self.canvas.inside((np.abs(distance) - np.float32(width / 2)) * np.float32(self.cell)))


def _parity(x: Plane, y: Plane) -> Plane:
    """0 or 1, a chequerboard over whole numbers."""
    return ((np.round(x) + np.round(y)) % 2).astype(np.float32)


def _stars(wall: _Wall, rng: np.random.Generator, palette: Palette, x: Plane, y: Plane) -> None:
    """Eight-pointed stars tip to tip; what is left between them is crosses."""
    strap, _, first, second, heart = palette
    paints, others = blended(first, second, _parity(x, y)), blended(second, first, _parity(x, y))
    for shift, size in ((0.0, 0.345), (0.5, 0.12)):
        u, v = np.abs(x + shift - np.round(x + shift)), np.abs(y + shift - np.round(y + shift))
        star = np.minimum(np.maximum(u, v), (u + v) * np.float32(0.70710678))
        wall.piece(paints if shift == 0 else heart, star - np.float32(size))
        wall.strap(strap, star - np.float32(size), 0.045)
        if shift == 0:
            wall.piece(others, star - np.float32(0.2))
            wall.strap(strap, star - np.float32(0.2), 0.03)
            wall.piece(heart, np.hypot(u, v) - np.float32(0.1))


def _hexagrams(wall: _Wall, rng: np.random.Generator, palette: Palette, x: Plane, y: Plane) -> None:
    """Six-pointed stars in a honeycomb, a hexagon at the heart of each."""
    strap, _, first, second, heart = palette
    root = np.float32(np.sqrt(3))
    u, v = x - np.round(x), y - root * np.round(y / root)
    u2, v2 = x - np.floor(x) - 0.5, y - root * (np.floor(y / root) + 0.5)
    nearer = (u * u + v * v) < (u2 * u2 + v2 * v2)
    u, v = np.where(nearer, u, u2), np.where(nearer, v, v2)
    slant, rise = u * np.float32(0.5), v * np.float32(root / 2)
    one = np.maximum(np.maximum(slant + rise, slant - rise), -u)
    two = np.maximum(np.maximum(-slant - rise, rise - slant), u)
    star, hexagon = np.minimum(one, two), np.maximum(one, two)
    wall.piece(first, star - np.float32(0.245))
    wall.strap(strap, star - np.float32(0.245), 0.045)
    wall.piece(second, hexagon - np.float32(0.215))
    wall.strap(strap, hexagon - np.float32(0.215), 0.035)
    wall.piece(heart, star - np.float32(0.09))


def _arcs(wall: _Wall, rng: np.random.Generator, palette: Palette, x: Plane, y: Plane) -> None:
    """Quarter circles turned by a mirrored pattern, so that they close into rings and ribbons."""
    strap, field, first, second, heart = palette
    corner = rng.integers(0, 2, (2, 2))
    turns = np.block([[corner, 1 - corner[:, ::-1]], [1 - corner[::-1], corner[::-1, ::-1]]])
    column, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    turn = turns[row % 4, column % 4].astype(np.float32)
    u, v = x - column - 0.5, y - row - 0.5
    u = (u * (1 - 2 * turn)).astype(np.float32)
    v = v.astype(np.float32) + np.zeros_like(u)
    reach = np.minimum(np.hypot(u + 0.5, v + 0.5), np.hypot(u - 0.5, v - 0.5))
    # Ribbons part the wall in two colours: what lies inside an arc goes on between the arcs of the next cell.
    knots = ((column + row + turn) % 2).astype(np.float32)
    ribbon = np.abs(reach - np.float32(0.5)) - np.float32(0.13)
    lay(wall.picture, blended(field, first, knots), 1.0)
    lay(
        wall.picture,
        blended(first, field, knots),
        wall.canvas.inside((reach - np.float32(0.5)) * np.float32(wall.cell)),
    )
    wall.piece(heart, np.hypot(np.abs(u) - 0.5, np.abs(v) - 0.5) - np.float32(0.15))
    wall.piece(strap, ribbon)
    wall.strap(second, ribbon + np.float32(0.055), 0.05)


def _scales(wall: _Wall, rng: np.random.Generator, palette: Palette, x: Plane, y: Plane) -> None:
    """Overlapping scales of concentric rings, each row set half a scale aside."""
    strap, _, first, second, heart = palette
    # Only two rows can be seen at a point: the one centred above it, and over that the one centred below.
    for ahead in (0, 1):
        row = np.floor(2 * y) + ahead
        u = x + 0.5 * (row % 2)
        reach = np.hypot(u - np.round(u), y - row / 2).astype(np.float32)
        for paint, radius in ((strap, 0.5), (first, 0.455), (strap, 0.335), (second, 0.305), (heart, 0.14)):
            wall.piece(paint, reach - np.float32(radius))


_LAYOUTS: tuple[tuple[Callable[[_Wall, np.random.Generator, Palette, Plane, Plane], None], tuple[float, ...]], ...] = (
    (_stars, (2.0, 3.0)),
    (_hexagrams, (2.0, 3.0)),
    (_arcs, (3.0, 4.0)),
    (_scales, (2.0, 3.0)),
)


def paint_tilings(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """A wall of glazed tiles in perfect order, (3, height, width) in [0, 1]."""
    palette = chosen(rng, TILINGS, 0.012)
    layout, counts = _LAYOUTS[rng.integers(len(_LAYOUTS))]
    count = counts[rng.integers(len(counts))]
    shift = rng.choice([0.0, 0.5])
    x, y = canvas.grid()
    x = (x - np.float32(canvas.across / 2)) * np.float32(count) + np.float32(shift)
    y = (y - np.float32(canvas.down / 2)) * np.float32(count) + np.float32(shift)
    wall = _Wall(canvas, canvas.primed(palette[1]), 1 / count)
    layout(wall, rng, palette, x, y)
    rub(wall.picture, canvas.fog(rng, 4, octaves=3), 0.03)
    rub(wall.picture, turned("paper", canvas, rng), 0.016)
    return wall.picture
