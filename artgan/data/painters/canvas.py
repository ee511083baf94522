"""The canvas every painter works on: unit coordinates, antialiased edges, fog, and paint laid over paint.

Painters think in units: the short side of a picture is 1.0, whatever its size in pixels. Random numbers are drawn in
units only, so one seed is one composition at every resolution.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane: TypeAlias = NDArray[np.floating[Any]]
"""One channel: (height, width), or anything that broadcasts to it."""

Planes: TypeAlias = NDArray[np.floating[Any]]
"""A picture in the making: (3, height, width) sRGB in [0, 1]. Channels come first: numpy's inner loops stay long."""

LONGEST = 3
"""No side may be longer than this many units."""

Colour: TypeAlias = NDArray[np.floating[Any]]
"""(3,) sRGB in [0, 1]."""


@dataclass(frozen=True)
class Canvas:
    """A bare rectangle of `width` x `height` pixels whose short side measures one unit."""

    width: int
    height: int

    @property
    def unit(self) -> int:
        """Pixels in one unit."""
        return min(self.width, self.height)

    @property
    def across(self) -> float:
        """Width in units, >= 1."""
        return self.width / self.unit

    @property
    def down(self) -> float:
        """Height in units, >= 1."""
        return self.height / self.unit

    def grid(self) -> tuple[Plane, Plane]:
        """Pixel centres in units: x of shape (1, width) and y of shape (height, 1)."""
        x = (np.arange(self.width, dtype=np.float32) + 0.5) / self.unit
        y = (np.arange(self.height, dtype=np.float32) + 0.5) / self.unit
        return x[None, :], y[:, None]

    def enlarged(self, factor: int) -> "Canvas":
        """The same rectangle with `factor` times the pixels a side, for painters that supersample."""
        return Canvas(self.width * factor, self.height * factor)

    def primed(self, colour: Colour) -> Planes:
        """A picture of one colour, (3, height, width)."""
        return np.broadcast_to(colour[:, None, None], (3, self.height, self.width)).copy()

    def inside(self, distance: Plane, softness: float = 0.0) -> Plane:
        """Coverage in [0, 1] of the region where a signed distance (in units) is negative.

        The edge is one pixel wide, plus `softness` units.
        """
        coverage: Plane = np.clip(0.5 - distance * np.float32(1.0 / (1.0 / self.unit + softness)), 0.0, 1.0)
        return coverage

    def between(self, position: Plane, low: float, high: float, softness: float = 0.0) -> Plane:
        """Coverage in [0, 1] of the interval low..high (in units) along one axis, right even below a pixel."""
        return np.maximum(self.inside(low - position, softness) + self.inside(position - high, softness) - 1.0, 0.0)

    def fog(
        self, rng: np.random.Generator, cells: float, octaves: int = 1, stretch: tuple[float, float] = (1, 1)
    ) -> Plane:
        """Smooth noise of shape (height, width), mean about 0, deviation about 1, `cells` blots to the unit.

        Each octave halves blots and strength. `stretch` lengthens the blots (across, down): (6, 1) is a brush drawn
        sideways.
        """
        total = np.zeros((self.height, self.width), np.float32)
        weight = 1.0
        for octave in range(octaves):
            fineness = cells * 2**octave
            shape = (
                max(2, round(fineness * self.down / stretch[1])),
                max(2, round(fineness * self.across / stretch[0])),
            )
            blots = rng.standard_normal(shape, dtype=np.float32)
            total += weight * resized(blots, self.width, self.height)
            weight *= 0.5
        return total * np.float32(1.3)  # interpolation between blots takes about a quarter of their deviation


def resized(plane: Plane, width: int, height: int) -> Plane:
    """A plane brought to (height, width): bicubic going up, averaged going down."""
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC), np.float32)


def lay(picture: Planes, paint: Colour | Planes, coverage: Plane | float) -> None:
    """Lay a colour, (3,) or (3, height, width), over a picture in place where coverage in [0, 1] says."""
    coat = paint[:, None, None] if paint.ndim == 1 else paint
    picture += (coat - picture) * np.asarray(coverage, np.float32)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """The colour that holds `share` in [0, 1] of the second and the rest of the first."""
    return first + (second - first) * np.float32(share)


def blended(first: Colour, second: Colour, share: Plane) -> Planes:
    """A wash from one colour to another, (3, height, width), by a share in [0, 1] for every pixel."""
    return first[:, None, None] + (second - first)[:, None, None] * share[None]


def smooth(low: float, high: float, value: Plane) -> Plane:
    """The S-shaped step from 0 at `low` to 1 at `high`."""
    share: Plane = np.clip((value - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def to_pixels(picture: Planes) -> NDArray[np.uint8]:
    """The finished picture as sRGB bytes of shape (height, width, 3)."""
    return np.ascontiguousarray((np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def from_image(image: Image.Image) -> Planes:
    """An RGB Pillow image as planes, (3, height, width) in [0, 1]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), np.float32) * np.float32(1 / 255)
