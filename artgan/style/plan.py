"""How much work a painting is: sizes and steps for `--detail`, and how long they take."""

import math
from dataclasses import dataclass
from typing import Literal

Detail = Literal["instant", "fast", "normal", "fine"]
DETAILS: tuple[Detail, ...] = ("fast", "normal", "fine")
"""Those that take steps; instant is one look, see `artgan.style.instant`."""
COARSEST = 128
"""Pixels of the longest side at the first size: there the network sees a tenth of the picture at a glance."""


@dataclass(frozen=True)
class Stage:
    """`steps` at `longest` pixels of the longest side."""

    longest: int
    steps: int


SHORTEST = 24
"""Pixels of the shortest side at least, also of a narrow strip; the network cannot see less than 16."""
_LEAST_STEPS = 12
_WORK: dict[Detail, tuple[float, int]] = {"fast": (2.0, 60), "normal": (math.sqrt(2), 75), "fine": (math.sqrt(2), 300)}
"""How much each size is larger than the one before, and the steps at `COARSEST`."""
_FEWER = 0.8  # steps fall with this power of the size: what is large is mostly painted when the picture grows


def stages(size: tuple[int, int], detail: Detail) -> tuple[Stage, ...]:
    """Sizes and steps, coarse to fine, that end at this (width, height)."""
    growth, most = _WORK[detail]
    longest, shortest = max(size), min(size)
    coarsest = max(COARSEST, SHORTEST * longest / shortest)
    sizes = [float(longest)]
    while sizes[-1] / growth >= coarsest * 0.99:
        sizes.append(sizes[-1] / growth)
    return tuple(
        Stage(round(side), max(_LEAST_STEPS, round(most * min(1.0, (COARSEST / side) ** _FEWER))))
        for side in reversed(sizes)
    )
