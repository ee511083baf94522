"""What paint sits on and how it lies: linen, paper and bristle marks.

A grain is made once at 512 pixels to the unit and averaged down, so a small picture shows exactly the grain that a
large one has when seen from afar. It is the same cloth for everyone: each picture only turns it over.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from artgan.data.painters.canvas import Canvas, Plane, Planes, resized

TEXELS = 512


def _stretched(rng: np.random.Generator, rows: int, columns: int) -> Plane:
    return resized(rng.standard_normal((rows, columns), dtype=np.float32), TEXELS, TEXELS)


def _linen(rng: np.random.Generator) -> Plane:
    """Threads over and under each other, none quite like its neighbour."""
    step = np.arange(TEXELS, dtype=np.float32) * np.float32(2 * np.pi / 5.12)
    weave = np.sin(step)[:, None] * np.sin(step)[None, :]
    slubs = _stretched(rng, TEXELS // 3, 12) + _stretched(rng, 12, TEXELS // 3)
    cloth: Plane = weave + 0.45 * slubs + 0.3 * _stretched(rng, 6, 6)
    return cloth


def _paper(rng: np.random.Generator) -> Plane:
    """Pulp: fine fibres, and clouds where the sheet is thicker."""
    sheet: Plane = 0.9 * _stretched(rng, 300, 300) + 0.6 * _stretched(rng, 90, 90) + 0.4 * _stretched(rng, 14, 14)
    return sheet


def _bristles(rng: np.random.Generator) -> Plane:
    """A broad brush drawn sideways."""
    marks: Plane = 0.7 * _stretched(rng, 200, 7) + 0.6 * _stretched(rng, 70, 4) + 0.3 * _stretched(rng, 256, 40)
    return marks


_GRAINS: dict[str, Callable[[np.random.Generator], Plane]] = {
    "linen": _linen,
    "paper": _paper,
    "bristles": _bristles,
}


@lru_cache(maxsize=8)
def _bolt(kind: str) -> Plane:
    """One unit square of a grain, (TEXELS, TEXELS), mean 0 and deviation 1."""
    plane = _GRAINS[kind](np.random.default_rng(20))
    even: Plane = (plane - plane.mean()) / plane.std()
    even.setflags(write=False)
    return even


@lru_cache(maxsize=24)
def grain(kind: str, canvas: Canvas) -> Plane:
    """A grain cut to the canvas, (height, width), mean 0, deviation 1 at 512 pixels to the unit and less below."""
    bolt = _bolt(kind)
    # Every second square is turned over, so that the seams of a long picture meet.
    row = np.hstack([bolt, bolt[:, ::-1], bolt])
    mirrored = np.vstack([row, row[::-1], row])
    cut = mirrored[: round(TEXELS * canvas.down), : round(TEXELS * canvas.across)]
    plane = resized(np.ascontiguousarray(cut), canvas.width, canvas.height)
    plane.setflags(write=False)
    return plane


def turned(kind: str, canvas: Canvas, rng: np.random.Generator) -> Plane:
    """A grain turned over at random, so that no two pictures wear quite the same."""
    flips = rng.integers(0, 2, 2) * 2 - 1
    return grain(kind, canvas)[:: flips[0], :: flips[1]]


def rub(picture: Planes, relief: Plane, strength: float) -> None:
    """Let a relief, (height, width) of deviation about 1, show through a picture in place as light and shade."""
    picture += (relief * np.float32(strength)) * (np.float32(0.35) + picture)
