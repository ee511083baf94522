"""The schools by name, and the one function that paints in any of them."""

from collections.abc import Callable
from difflib import get_close_matches
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from artgan.data.painters.canvas import LONGEST, Canvas, Planes, to_pixels
from artgan.data.painters.discs import paint_orphist
from artgan.data.painters.fields import paint_color_fields
from artgan.data.painters.geometry import paint_neoplastic, paint_suprematist
from artgan.data.painters.impasto import paint_impasto
from artgan.data.painters.landscapes import paint_mountains, paint_waves
from artgan.data.painters.tilings import paint_tilings
from artgan.errors import SettingError

Painter = Callable[[Canvas, np.random.Generator], Planes]

SCHOOLS: dict[str, Painter] = {
    "color-fields": paint_color_fields,
    "impasto": paint_impasto,
    "mountains": paint_mountains,
    "neoplastic": paint_neoplastic,
    "orphist": paint_orphist,
    "suprematist": paint_suprematist,
    "tilings": paint_tilings,
    "waves": paint_waves,
}

SMALLEST = 8


def paint(school: str, seed: int, width: int, height: int | None = None) -> NDArray[np.uint8]:
    """Paint one picture: (height, width, 3) sRGB bytes, the same for the same school, seed and size.

    One seed is one composition at every size of the same proportions; a larger picture is only sharper.

    Args:
        school: A key of `SCHOOLS`.
        seed: Any integer.
        width: Pixels, at least 8.
        height: Pixels, at least 8; the width when left out. Neither side may exceed three times the other.

    Raises:
        SettingError: The school is unknown, or the size cannot be painted.
    """
    painter = known(school)
    height = width if height is None else height
    if min(width, height) < SMALLEST or max(width, height) > LONGEST * min(width, height):
        raise SettingError(
            f"A picture of {width}x{height} pixels cannot be painted.",
            f"Use sides of at least {SMALLEST} pixels, neither more than {LONGEST} times the other.",
        )
    rng = np.random.default_rng([crc32(school.encode()), seed % 2**64])
    return to_pixels(painter(Canvas(width, height), rng))


def known(school: str) -> Painter:
    """The painter of a school; SettingError with the nearest name when there is none."""
    if school in SCHOOLS:
        return SCHOOLS[school]
    near = get_close_matches(school, SCHOOLS, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else "There are: " + ", ".join(SCHOOLS) + "."
    raise SettingError(f"There is no school '{school}'.", hint)
