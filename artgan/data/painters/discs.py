"""Orphism: rhythms of coloured discs, their rings broken into quarters that answer one another."""

import numpy as np
from PIL import Image

from artgan.data.painters.canvas import Canvas, Planes, from_image
from artgan.data.painters.grain import rub, turned
from artgan.data.painters.palettes import ORPHIST, chosen

# The discs of each layout: x and y as a share of the picture, radius in units, rings. The first disc's rings go on
# over the whole ground.
_LAYOUTS: tuple[tuple[tuple[float, float, float, int], ...], ...] = (
    ((0.5, 0.5, 0.44, 5),),
    ((0.37, 0.38, 0.33, 4), (0.75, 0.75, 0.2, 3)),
    ((0.3, 0.68, 0.27, 3), (0.68, 0.31, 0.27, 3)),
    ((0.38, 0.6, 0.35, 4), (0.8, 0.22, 0.19, 3), (0.85, 0.78, 0.13, 2)),
)
_OVERSAMPLE = 2


def paint_orphist(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """Discs of broken rings in the full spectrum, (3, height, width) in [0, 1]."""
    palette = np.stack(chosen(rng, ORPHIST, 0.012))
    layout = _LAYOUTS[rng.integers(len(_LAYOUTS))]
    mirrored, tilt = rng.random() < 0.5, rng.choice([0.0, np.pi / 4]) + rng.uniform(-0.2, 0.2)
    cosine, sine = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))

    fine = canvas.enlarged(_OVERSAMPLE)
    x, y = fine.grid()
    paint = np.zeros((fine.height, fine.width), np.intp)
    swell = np.zeros((fine.height, fine.width), np.float32)
    for index, (across, down, radius, rings) in enumerate(layout):
        u = x - np.float32(canvas.across * ((1 - across) if mirrored else across))
        v = y - np.float32(canvas.down * down)
        reach = np.hypot(u, v) * np.float32(rings / radius)
        # Rings widen outside the disc: the ground is the disc's own echo.
        reach = np.where(reach > rings, rings + (reach - rings) * np.float32(0.55), reach)
        ring = reach.astype(np.intp)
        start, leap = rng.integers(10), rng.choice([3, 4, 5])
        quarter = (u * cosine + v * sine > 0) * 1 + ((v * cosine - u * sine > 0) ^ (u * cosine + v * sine > 0)) * 2
        colour = (start + ring * rng.choice([1, 3, 7]) + quarter * leap) % 10
        here = np.ones_like(colour, bool) if index == 0 else reach < rings
        paint = np.where(here, colour, paint)
        swell = np.where(here, reach - ring, swell)
    tables = (palette * 255 + 0.5).astype(np.uint8)
    picture = from_image(Image.fromarray(tables[paint]).reduce(_OVERSAMPLE))
    rub(picture, np.asarray(Image.fromarray(swell).reduce(_OVERSAMPLE)) - np.float32(0.5), -0.14)
    rub(picture, canvas.fog(rng, 5, octaves=3), 0.022)
    rub(picture, turned("bristles", canvas, rng), 0.01)
    rub(picture, turned("linen", canvas, rng), 0.013)
    return picture
