"""The two geometric schools: the upright grid of neoplasticism and the flying planes of suprematism."""

from collections.abc import Callable

import numpy as np

from artgan.data.painters.canvas import Canvas, Colour, Plane, Planes, lay
from artgan.data.painters.grain import rub, turned
from artgan.data.painters.palettes import NEOPLASTIC, SUPREMATIST, Palette, chosen

Cell = tuple[float, float, float, float]
"""left, top, right, bottom in units."""


def _crossed(rng: np.random.Generator, canvas: Canvas) -> tuple[list[Cell], list[Cell]]:
    """Cells, the greatest first, and bars of a grid that hangs on one off-centre crossing."""
    right, bottom = canvas.across, canvas.down
    x = right * rng.uniform(0.24, 0.36)
    y = bottom * rng.uniform(0.24, 0.36)
    thick = rng.uniform(0.026, 0.036)

    # Laid out with the great cell at the lower right, mirrored at the end.
    cells: list[Cell] = [(x, y, right, bottom)]
    bars: list[Cell] = [(x - thick / 2, 0, x + thick / 2, bottom), (0, y - thick / 2, right, y + thick / 2)]
    cut = bottom * rng.uniform(0.55, 0.8)
    cells += [(0, y, x, cut), (0, cut, x, bottom)]
    bars.append((0, cut - thick * 0.6, x, cut + thick * 0.6))
    cut = right * rng.uniform(0.6, 0.82)
    cells += [(x, 0, cut, y), (cut, 0, right, y)]
    if rng.random() < 0.55:
        # The second upright runs the whole height and leaves a narrow column beside the great cell.
        cells[0] = (x, y, cut, bottom)
        low = bottom * rng.uniform(0.62, 0.84)
        cells += [(cut, y, right, low), (cut, low, right, bottom)]
        bars += [(cut - thick / 2, 0, cut + thick / 2, bottom), (cut, low - thick * 0.7, right, low + thick * 0.7)]
    else:
        bars.append((cut - thick / 2, 0, cut + thick / 2, y))
    cells.append((0, 0, x, y))

    if rng.random() < 0.5:
        cells, bars = ([(right - c, b, right - a, d) for a, b, c, d in group] for group in (cells, bars))
    if rng.random() < 0.5:
        cells, bars = ([(a, bottom - d, c, bottom - b) for a, b, c, d in group] for group in (cells, bars))
    return cells, bars


def paint_neoplastic(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """A white field, black bars and a few planes of primary colour, (3, height, width) in [0, 1]."""
    ground, black, tint, *primaries = chosen(rng, NEOPLASTIC, 0.012)
    cells, bars = _crossed(rng, canvas)
    order = rng.permutation(3)
    great = rng.random() < 0.6
    small = rng.permutation(np.arange(1, len(cells)))
    coloured = ([0, *small[:2]] if great else list(small[:3])) + [small[3]]
    paints = [primaries[i] for i in order] + [tint]

    x, y = canvas.grid()
    sideways = turned("bristles", canvas, rng)
    picture = canvas.primed(ground)
    rub(picture, sideways, 0.01)
    for index, paint in zip(coloured, paints, strict=True):
        left, top, right, bottom = cells[index]
        lay(picture, paint, canvas.between(y, top, bottom) * canvas.between(x, left, right))
    rub(picture, canvas.fog(rng, 5, octaves=2), 0.012)
    for left, top, right, bottom in bars:
        lay(picture, black, canvas.between(y, top, bottom) * canvas.between(x, left, right))
    rub(picture, sideways, 0.006)
    rub(picture, turned("linen", canvas, rng), 0.01)
    return picture


class _Flight:
    """Shapes placed in a frame turned by one angle about a centre: the whole picture leans the same way.

    The frame runs from about -0.5 to 0.5, `scale` units to one.
    """

    def __init__(
        self, canvas: Canvas, picture: Planes, *, centre: tuple[float, float], angle: float, scale: float
    ) -> None:
        x, y = canvas.grid()
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        x, y = (x - np.float32(centre[0])) / scale, (y - np.float32(centre[1])) / scale
        self.along, self.aside = x * cosine + y * sine, y * cosine - x * sine
        self.canvas, self.picture, self.scale = canvas, picture, scale

    def _lay(self, paint: Colour, distance: Plane) -> None:
        lay(self.picture, paint, self.canvas.inside(distance * np.float32(self.scale)))

    def bar(
        self, paint: Colour, along: float, aside: float, length: float, width: float, *, taper: float = 0.0
    ) -> None:
        """A straight plane, narrower by `taper` at its far end."""
        u, v = self.along - np.float32(along), self.aside - np.float32(aside)
        breadth = width / 2 * (1 - np.float32(taper / length) * (u + np.float32(length / 2)))
        self._lay(paint, np.maximum(np.abs(u) - np.float32(length / 2), np.abs(v) - breadth))

    def disc(self, paint: Colour, along: float, aside: float, radius: float) -> None:
        """A round plane."""
        self._lay(paint, np.hypot(self.along - np.float32(along), self.aside - np.float32(aside)) - np.float32(radius))

    def ring(self, paint: Colour, along: float, aside: float, radius: float, width: float) -> None:
        """A circle drawn with a broad pen."""
        reach = np.hypot(self.along - np.float32(along), self.aside - np.float32(aside)) - np.float32(radius)
        self._lay(paint, np.abs(reach) - np.float32(width / 2))


def _squares(flight: _Flight, rng: np.random.Generator, palette: Palette) -> None:
    """A great still square and a small one that falls away from it."""
    _, dark, signal, *others = palette
    flight.bar(dark, -0.1, -0.12, 0.46, 0.46)
    for i, paint in enumerate((signal, others[0])):
        flight.bar(paint, 0.2 + 0.06 * i, 0.2 - 0.3 * i, 0.2 - 0.09 * i, 0.2 - 0.09 * i)
    flight.bar(others[1], -0.12, 0.28, 0.42, 0.045)
    flight.bar(dark, -0.12, 0.36, 0.26, 0.02)


def _bars(flight: _Flight, rng: np.random.Generator, palette: Palette) -> None:
    """A tapering plane with a procession of bars beside it, crossed once."""
    _, dark, signal, *others = palette
    flight.bar(dark, 0.0, -0.1, 0.62, 0.24, taper=0.35)
    aside, length = 0.08, 0.56
    for paint in (signal, others[0], others[1], dark, others[2]):
        width = rng.uniform(0.025, 0.06)
        flight.bar(paint, rng.uniform(-0.1, 0.1), aside, length, width)
        aside += width + 0.03
        length *= 0.76
    flight.bar(others[1], 0.3, 0.0, 0.035, 0.62)
    flight.disc(signal, -0.3, -0.32, 0.07)


def _disc(flight: _Flight, rng: np.random.Generator, palette: Palette) -> None:
    """A great disc run through by a long beam."""
    _, dark, signal, *others = palette
    flight.disc(dark if rng.random() < 0.5 else signal, -0.12, -0.06, 0.25)
    accent = signal if rng.random() < 0.5 else others[0]
    flight.ring(others[3], 0.24, 0.2, 0.12, 0.022)
    flight.bar(accent, 0.02, -0.02, 1.0, 0.05, taper=0.4)
    flight.bar(dark, 0.1, 0.06, 0.7, 0.016)
    flight.bar(others[1], 0.26, 0.17, 0.22, 0.1)
    flight.bar(others[0], -0.2, 0.28, 0.3, 0.04)


def _wedge(flight: _Flight, rng: np.random.Generator, palette: Palette) -> None:
    """A wedge driven into a disc, where light ground meets dark."""
    ground, dark, signal, *others = palette
    lay(flight.picture, dark, flight.canvas.inside((np.float32(-0.06) - flight.along) * np.float32(flight.scale)))
    flight.disc(ground, 0.21, 0.0, 0.24)
    flight.bar(signal, -0.2, 0.0, 0.72, 0.36, taper=1.0)
    flight.bar(others[0], 0.0, 0.36, 0.34, 0.05)
    flight.bar(others[3], -0.1, -0.34, 0.3, 0.035)
    flight.bar(signal, 0.36, -0.3, 0.14, 0.05)


_FLIGHTS: tuple[Callable[[_Flight, np.random.Generator, Palette], None], ...] = (_squares, _bars, _disc, _wedge)


def paint_suprematist(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """Tilted planes, discs and wedges in free fall on a pale ground, (3, height, width) in [0, 1]."""
    palette = chosen(rng, SUPREMATIST, 0.015)
    picture = canvas.primed(palette[0])
    rub(picture, canvas.fog(rng, 3, octaves=3), 0.012)
    rub(picture, turned("bristles", canvas, rng), 0.009)
    centre = (canvas.across * rng.uniform(0.46, 0.54), canvas.down * rng.uniform(0.46, 0.54))
    # In a long picture everything flies along it, and a little larger.
    length = max(canvas.across, canvas.down)
    angle = rng.choice([-1, 1]) * rng.uniform(0.3, 0.85) / length + rng.choice([0, np.pi])
    if canvas.down > canvas.across:
        angle += np.pi / 2
    flight = _Flight(canvas, picture, centre=centre, angle=angle, scale=min(length, 1.9) ** 0.5)
    _FLIGHTS[rng.integers(len(_FLIGHTS))](flight, rng, palette)
    rub(picture, turned("linen", canvas, rng), 0.013)
    return picture
