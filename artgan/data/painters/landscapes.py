"""Two schools of layered distance: misty mountains under a sun, and the sea as a woodblock print."""

import numpy as np

from artgan.data.painters.canvas import LONGEST, Canvas, Plane, Planes, blended, lay, mixed, smooth
from artgan.data.painters.grain import rub, turned
from artgan.data.painters.palettes import MOUNTAINS, WAVES, chosen


def _profile(rng: np.random.Generator, x: Plane, peaks: float, octaves: int) -> Plane:
    """A ridge line over x, (1, width), about -1..1: straight slopes between random heights, finer and finer."""
    line = np.zeros(x.shape, np.float32)
    for octave in range(octaves):
        count = int((LONGEST + 1) * peaks * 2**octave)
        knots = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / (peaks * 2**octave) - 0.2
        line += np.interp(x, knots, rng.uniform(-1, 1, count)).astype(np.float32) * np.float32(0.5**octave)
    return np.asarray(line, np.float32)


def _pines(rng: np.random.Generator, x: Plane) -> Plane:
    """A wood's height over a ridge, (1, width): spikes in clumps, clearings between."""
    count = int(LONGEST / 0.011) + 4
    heights = rng.uniform(0.012, 0.05, count) * (np.sin(np.arange(count) * 0.07 + rng.uniform(0, 6)) > -0.3)
    heights[::2] *= 0.35
    wood: Plane = np.interp(x, np.arange(count) * 0.011 - 0.01, heights).astype(np.float32)
    return wood


def paint_mountains(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """Ridge behind ridge, paler with distance, mist in the valleys and one sun, (3, height, width) in [0, 1]."""
    high, low, sun, mist, far, near = chosen(rng, MOUNTAINS, 0.012)
    x, y = canvas.grid()
    horizon = canvas.down * rng.uniform(0.36, 0.5)
    picture = blended(high, low, smooth(0.0, horizon * 1.15, y + np.zeros_like(x)))
    rub(picture, canvas.fog(rng, 3, octaves=2, stretch=(4, 1)), 0.02)

    sun_x, sun_y = canvas.across * rng.choice([0.3, 0.5, 0.7]), horizon * rng.uniform(0.42, 0.72)
    radius = rng.uniform(0.085, 0.13)
    reach = np.hypot(x - np.float32(sun_x), y - np.float32(sun_y))
    lay(picture, mixed(sun, low, 0.35), 0.45 * np.exp(-np.square(reach / np.float32(radius * 2.2))))
    lay(picture, sun, canvas.inside(reach - np.float32(radius)))

    count = int(rng.integers(4, 6))
    summits = rng.choice([0.25, 0.4, 0.6, 0.75], size=2, replace=False) * canvas.across
    heights = (rng.uniform(0.16, 0.24), rng.choice([0.0, 0.11]))
    for i in range(count):
        depth = i / (count - 1)
        base = horizon + (canvas.down * 0.86 - horizon) * depth**1.1
        rise = 0.05 + 0.05 * depth
        crest = base - rise * _profile(rng, x, 2.2 + depth, 5)
        if i == 0:
            # One summit stands over the rest, steep at the top and spreading below; a lesser one may keep it company.
            for summit, height in zip(summits, heights, strict=True):
                crest = crest - np.float32(height) * np.exp(-np.abs(x - np.float32(summit)) / np.float32(0.17))
        if i == count - 1:
            crest = crest - _pines(rng, x)
        below = y - crest
        slope = mixed(far, near, depth**1.3)
        haze = np.exp(-np.maximum(below, 0.0) / np.float32(0.09 + 0.05 * depth))
        body = blended(mixed(slope, mist, 0.85 * (1 - depth * 0.75)), slope, haze)
        lay(picture, body, canvas.inside(-below))
    rub(picture, canvas.fog(rng, 6, octaves=3), 0.012)
    rub(picture, turned("paper", canvas, rng), 0.018)
    return picture


def _stripes(phase: Plane, footprint: float) -> Plane:
    """A square wave of period 1 over phase, averaged exactly over a pixel's footprint in phase: 0..1."""

    def integral(t: Plane) -> Plane:
        whole = np.floor(t)
        return 0.5 * whole + np.minimum(t - whole, 0.5)

    half = np.float32(footprint / 2)
    return (integral(phase + half) - integral(phase - half)) / np.float32(footprint)


def paint_waves(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """Rolling seas cut in wood: crests of foam and lines that follow them, (3, height, width) in [0, 1]."""
    high, low, sun, foam, *waters = chosen(rng, WAVES, 0.012)
    x, y = canvas.grid()
    horizon = canvas.down * rng.uniform(0.3, 0.42)
    picture = blended(high, low, smooth(-0.05, horizon * 0.9, y + np.zeros_like(x)))
    if rng.random() < 0.8:
        sun_x, radius = canvas.across * rng.choice([0.25, 0.5, 0.75]), rng.uniform(0.1, 0.15)
        sun_y = horizon * rng.uniform(0.5, 0.8)
        lay(picture, sun, canvas.inside(np.hypot(x - np.float32(sun_x), y - np.float32(sun_y)) - np.float32(radius)))

    great, great_x = int(rng.integers(1, 4)), canvas.across * rng.choice([0.28, 0.72])
    steep, wind = rng.uniform(0.8, 1.2), 1.0 if great_x < canvas.across / 2 else -1.0
    for i, water in enumerate(waters):
        depth = i / (len(waters) - 1)
        base = horizon + (canvas.down * 0.9 - horizon) * depth
        length = (0.32 + 0.26 * depth) * rng.uniform(0.9, 1.1)
        # The higher the water, the further the wind pushes it: crests lean over and great ones curl.
        lift = np.clip(base + 0.04 - y, 0.0, 0.3)
        pushed = x - np.float32(wind) * lift * (0.25 + 2.4 * lift)
        middle = great_x if i == great else rng.uniform(0, canvas.across)
        swing = np.float32(np.pi / length) * (pushed - np.float32(middle))
        # Sharp at the crest and round in the trough, as deep water is.
        crest = base + (0.035 + 0.045 * depth) * steep * (2 * np.sqrt(np.abs(np.sin(swing)) + 0.02) - 1.2)
        if i == great:
            crest = crest - 0.2 * np.exp(-np.square((pushed - np.float32(great_x)) / np.float32(0.2)))
        below = (y - crest).astype(np.float32)
        spacing = 0.04 + 0.035 * depth
        lines = _stripes(below / np.float32(spacing), 1.0 / (canvas.unit * spacing))
        fading = np.exp(-np.maximum(below, 0.0) / np.float32(0.16))
        body = blended(water, mixed(water, foam, 0.55), lines * fading)
        lay(picture, body, canvas.inside(-below))
        edge = 0.018 + 0.014 * depth
        lay(picture, foam, canvas.between(below, 0.0, edge))
    rub(picture, canvas.fog(rng, 40, stretch=(8, 1)), 0.012)
    rub(picture, turned("paper", canvas, rng), 0.018)
    return picture
