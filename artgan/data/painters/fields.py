"""Colour fields: soft rectangles that hover, one above another, on a glowing ground."""

import numpy as np

from artgan.data.painters.canvas import Canvas, Planes, lay, mixed, smooth
from artgan.data.painters.grain import rub, turned
from artgan.data.painters.palettes import COLOR_FIELDS, chosen

# Heights of the fields, top to bottom. Never equal: one field carries the picture, the others answer.
_STACKS = ((0.62, 0.38), (0.36, 0.64), (0.50, 0.18, 0.32), (0.26, 0.48, 0.26), (0.30, 0.16, 0.54))

_CORNER = 0.045


def paint_color_fields(canvas: Canvas, rng: np.random.Generator) -> Planes:
    """Two or three feathered fields on a ground, (3, height, width) in [0, 1]."""
    palette = chosen(rng, COLOR_FIELDS)
    ground, colours = palette[0], [palette[1 + i] for i in rng.permutation(3)]
    stack = _STACKS[rng.integers(len(_STACKS))]
    margin, gap = rng.uniform(0.07, 0.11), rng.uniform(0.03, 0.055)
    x, y = canvas.grid()

    clouds = canvas.fog(rng, 2.5, octaves=3)
    sweep = canvas.fog(rng, 30, stretch=(9, 1))
    frayed = 0.006 * canvas.fog(rng, 7, octaves=3) + 0.002 * sweep

    picture = canvas.primed(ground)
    rub(picture, clouds, 0.025)
    height = canvas.down - 2 * margin - gap * (len(stack) - 1)
    top = margin
    for share, colour in zip(stack, colours, strict=False):
        bottom = top + height * share
        feather = rng.uniform(0.014, 0.03)
        beside = np.abs(x - canvas.across / 2) - (canvas.across / 2 - margin * rng.uniform(0.8, 1.2) - _CORNER)
        beyond = np.abs(y - (top + bottom) / 2) - ((bottom - top) / 2 - _CORNER)
        outward = np.hypot(np.maximum(beside, 0), np.maximum(beyond, 0)) + np.minimum(np.maximum(beside, beyond), 0)
        outward = (outward - _CORNER + frayed).astype(np.float32)
        # A halo of thinned paint first: this is what makes the field seem to glow from behind.
        lay(picture, mixed(ground, colour, 0.55), 0.6 * smooth(0.055, -0.01, outward))
        # Thin in the middle of some strokes, so that the ground breathes through.
        body = 0.92 + 0.06 * np.clip(clouds, -2, 1.3) + 0.03 * sweep
        lay(picture, colour, canvas.inside(outward, feather * 2) * np.clip(body, 0.0, 1.0))
        lay(picture, mixed(colour, ground, 0.5), 0.22 * smooth(-0.09, 0.0, outward) * (outward < 0))
        top = bottom + gap
    rub(picture, sweep, 0.012)
    rub(picture, turned("linen", canvas, rng), 0.014)
    return picture
