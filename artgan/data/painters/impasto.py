"""Impasto: thick strokes that follow the wind, at night over sleeping hills or by day over ripe fields."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.Image import Resampling

from artgan.data.painters.canvas import Canvas, Planes, from_image, to_pixels
from artgan.data.painters.grain import rub, turned
from artgan.data.painters.palettes import HARVESTS, NOCTURNES, Palette, chosen

Values = NDArray[np.floating[Any]]
Outlines = list[list[float]]
"""x, y, x, y, ... of polygons."""

_STROKES = 26
"""Strokes to the unit, each way."""

_SKY, _LAND, _GLOW, _TREE = range(4)
"""Layers in the order they are painted. Lamps may shine over the land, the tree stands before everything."""


@dataclass(frozen=True)
class _Scene:
    """What there is to see, as functions of positions x, y (float32 of one shape, in units)."""

    palette: Palette
    horizon: float
    hills: tuple[float, float, float]
    """Height, wavelength number and phase of the skyline."""
    lamps: Values
    """(n, 3): x, y and radius of sun, moon and stars."""
    swirl: tuple[float, float, float] | None
    """x, y and radius of a knot in the wind."""
    tree: tuple[float, float, float] | None
    """x, tip and half width of a cypress."""
    lean: float

    def ground_line(self, x: Values) -> Values:
        """Height of the skyline over x."""
        rise, number, phase = self.hills
        line: Values = self.horizon + rise * np.sin(x * number + phase)
        return line.astype(np.float32)

    def layer(self, x: Values, y: Values) -> NDArray[np.int8]:
        """Which layer is seen at every position."""
        seen = np.where(y > self.ground_line(x), _LAND, _SKY).astype(np.int8)
        for cx, cy, radius in self.lamps:
            seen[(np.hypot(x - cx, y - cy) < 2.0 * radius) & (seen == _SKY)] = _GLOW
        if self.tree:
            cx, tip, half = self.tree
            fall = np.clip((y - tip) / (1.05 - tip), 0, 1)
            flame = half * (1.25 * np.sqrt(fall) - 0.25 * fall) * (1 + 0.12 * np.sin(24 * y))
            seen[(np.abs(x - cx - 0.02 * np.sin(9 * y)) < flame) & (y > tip)] = _TREE
        return seen

    def direction(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Unit vectors of the strokes."""
        rise, number, phase = self.hills
        u = np.ones_like(x)
        v = self.lean + 0.35 * np.sin(5.0 * x + 2.0 * y + phase)
        knots = [(cx, cy, 2.0 * radius) for cx, cy, radius in self.lamps] + ([self.swirl] if self.swirl else [])
        for cx, cy, radius in knots:
            dx, dy = x - cx, y - cy
            square = dx * dx + dy * dy
            pull = 6.0 * np.exp(-square / (radius * radius)) / np.sqrt(square + 1e-4)
            u, v = u - pull * dy, v + pull * dx
        seen = self.layer(x, y)
        furrow = rise * number * np.cos(x * number + phase) + 0.3 * np.sin(9 * (y - self.horizon) + 5 * x)
        u = np.where(seen == _TREE, 0.25 * np.sin(16 * y + 20 * x), np.where(seen == _LAND, 1.0, u))
        v = np.where(seen == _TREE, -1.0, np.where(seen == _LAND, furrow, v))
        length = np.hypot(u, v) + 1e-6
        return (u / length).astype(np.float32), (v / length).astype(np.float32)

    def colour(self, x: Values, y: Values) -> Values:
        """SRGB at every position, shape (..., 3)."""
        _, _, light, lamp, halo, _, near, accent = self.palette
        seen = self.layer(x, y)[..., None]
        sky = self._sky(x, y)
        for cx, cy, radius in self.lamps:
            reach = np.hypot(x - cx, y - cy) / radius
            sky = _over(sky, light, 0.8 * np.exp(-np.square(reach / 2.6)))
            sky = _over(sky, halo, np.clip(2.0 - reach, 0, 1))
            sky = _over(sky, lamp, np.clip((1.15 - reach) * 4, 0, 1))
        tree = _over(near * np.float32(0.75), accent, 0.35 * (np.sin(60 * x + 9 * y) > 0.5))
        return np.where(seen == _TREE, tree, np.where(seen == _LAND, self._land(x, y), sky)).astype(np.float32)

    def _sky(self, x: Values, y: Values) -> Values:
        """Rivers of air, lighter towards the skyline, wound up in the swirl."""
        deep, middle, light, *_ = self.palette
        ripple = 0.5 + 0.5 * np.sin(9.0 * y + 3.0 * x * self.lean + 2.2 * np.sin(3.0 * x + self.hills[2]))
        share = np.clip(y / np.maximum(self.ground_line(x), 0.1), 0, 1)
        tone = 0.5 * ripple + 0.55 * share * share
        if self.swirl:
            cx, cy, radius = self.swirl
            dx, dy = x - cx, y - cy
            reach = np.hypot(dx, dy) / radius
            spiral = 0.5 + 0.6 * np.sin(np.arctan2(dy, dx) - 6.0 * reach)
            tone = tone + (spiral - tone) * np.clip(1.9 - 1.4 * reach, 0, 1)
        return _wash(np.clip(tone, 0, 1), deep, middle, light)

    def _land(self, x: Values, y: Values) -> Values:
        """A far band along the skyline, then rows of the nearer land."""
        *_, far, near, accent = self.palette
        below = y - self.ground_line(x)
        depth = np.clip(below / 0.3, 0, 1)
        row = np.clip(np.sin(26 * below + 4 * x), 0, 1) * np.clip(3 * depth, 0, 1)
        return _over(_wash(depth, far, near, near), accent, 0.5 * row)


def _wash(share: Values, *stops: Values) -> Values:
    """A run through colours by a share in [0, 1]."""
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(share, places, [stop[c] for stop in stops]) for c in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def _over(base: Values, colour: Values, share: Values) -> Values:
    return base + (colour - base) * np.asarray(share, np.float32)[..., None]


def _nocturne(canvas: Canvas, rng: np.random.Generator) -> _Scene:
    """A moon and two stars, the wind tied in a knot, low hills, often a cypress on the far side."""
    wide, tall = canvas.across, canvas.down
    moon = rng.choice([0.2, 0.8])
    lamps = [(wide * moon, tall * rng.uniform(0.17, 0.24), rng.uniform(0.075, 0.1))]
    lamps += [(wide * (s + rng.uniform(-0.06, 0.06)), tall * rng.uniform(0.1, 0.26), 0.042) for s in (0.5, 1 - moon)]
    tree = (wide * (0.5 + (0.5 - moon) * 1.1), rng.uniform(0.2, 0.34) * tall, rng.uniform(0.085, 0.115))
    return _Scene(
        chosen(rng, NOCTURNES, 0.015),
        tall * rng.uniform(0.72, 0.8),
        (rng.uniform(0.03, 0.06), rng.uniform(3, 5), rng.uniform(0, 6)),
        np.array(lamps, np.float32),
        (wide * rng.uniform(0.44, 0.56), tall * rng.uniform(0.44, 0.5), rng.uniform(0.15, 0.19)),
        tree if rng.random() < 0.6 else None,
        rng.uniform(-0.3, 0.3),
    )


def _harvest(canvas: Canvas, rng: np.random.Generator) -> _Scene:
    """One great sun over a field that rolls like water."""
    wide, tall = canvas.across, canvas.down
    sun = (wide * rng.choice([0.28, 0.5, 0.72]), tall * rng.uniform(0.2, 0.28), rng.uniform(0.1, 0.13))
    return _Scene(
        chosen(rng, HARVESTS, 0.015),
        tall * rng.uniform(0.5, 0.6),
        (rng.uniform(0.02, 0.05), rng.uniform(3, 5), rng.uniform(0, 6)),
        np.array([sun], np.float32),
        None,
        None,
        rng.uniform(-0.2, 0.2),
    )


def paint_impasto(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """Short thick strokes around lamps and over hills, (3, height, width) in [0, 1]."""
    scene = (_nocturne if rng.random() < 0.6 else _harvest)(canvas, rng)
    columns, rows = round(_STROKES * canvas.across), round(_STROKES * canvas.down)
    under = scene.colour(*_lattice(2 * columns, 2 * rows, 2 * _STROKES))
    x, y = (
        p.ravel() + rng.uniform(-0.6, 0.6, p.size).astype(np.float32) / _STROKES
        for p in _lattice(columns, rows, _STROKES)
    )
    # In random order, but layer upon layer: a stroke of sky never covers a hill.
    order = rng.permutation(x.size)
    order = order[np.argsort(scene.layer(x[order], y[order]), kind="stable")]
    x, y = x[order], y[order]
    paint = scene.colour(x, y)
    paint = paint + rng.normal(0, 0.04, (x.size, 1)) + rng.normal(0, 0.015, paint.shape)

    factor = 4 if canvas.unit < 128 else 2
    fine = canvas.enlarged(factor)
    image = Image.fromarray(to_pixels(under.transpose(2, 0, 1))).resize((fine.width, fine.height), Resampling.BICUBIC)
    _draw(ImageDraw.Draw(image), paint, *_outlines(scene, x, y, rng, fine.unit))
    picture = from_image(image.reduce(factor))
    rub(picture, turned("linen", canvas, rng), 0.012)
    return picture


def _lattice(columns: int, rows: int, number: int) -> tuple[Values, Values]:
    """Middles of square cells in units, `number` to the unit: x and y, both (rows, columns)."""
    x, y = (np.arange(count, dtype=np.float32) + np.float32(0.5) for count in (columns, rows))
    middles = np.meshgrid(x / number, y / number)
    return middles[0].astype(np.float32), middles[1].astype(np.float32)


def _draw(draw: ImageDraw.ImageDraw, paint: Values, bodies: Outlines, ridges: Outlines) -> None:
    """Lay the strokes one over another; every second one is thick enough to catch the light."""
    shades, lights = _inks(paint), _inks(paint + 0.09)
    for i, (body, ridge) in enumerate(zip(bodies, ridges, strict=True)):
        draw.polygon(body, fill=shades[i])
        if i % 2:
            draw.polygon(ridge, fill=lights[i])


def _inks(paint: Values) -> list[int]:
    """Colours packed in one integer each, the form that Pillow takes without looking twice."""
    red, green, blue = (np.clip(paint, 0, 1) * 255 + 0.5).astype(np.int64).T
    inks: list[int] = (red | green << 8 | blue << 16).tolist()
    return inks


def _outlines(scene: _Scene, x: Values, y: Values, rng: np.random.Generator, unit: int) -> tuple[Outlines, Outlines]:
    """Outlines in pixels of every stroke and of the ridge of paint that its upper side leaves in the light.

    A stroke bends along the wind, full at the start and lifted at the end.
    """
    step = rng.uniform(0.015, 0.024, x.size).astype(np.float32)
    width = rng.uniform(0.009, 0.014, x.size).astype(np.float32)
    first: list[Values] = []
    middle: list[Values] = []
    last: list[Values] = []
    u, v = scene.direction(x, y)
    width = np.where(u > v, width, -width)  # the first side looks to the upper right, where the light is
    for breadth in (0.5, 1.0, 1.0, 0.85, 0.3):
        side = width * np.float32(breadth)
        first = [x + v * side, y - u * side, *first]
        middle += [x + v * side * np.float32(0.35), y - u * side * np.float32(0.35)]
        last += [x - v * side, y + u * side]
        x, y = x + u * step, y + v * step
        u, v = scene.direction(x, y)
    bodies: Outlines = (np.stack(last + first, -1) * unit).tolist()
    ridges: Outlines = (np.stack(middle + first, -1) * unit).tolist()
    return bodies, ridges
