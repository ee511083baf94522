"""How fast painting is on this machine."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from artgan.style.features import Features
from artgan.style.plan import Stage
from artgan.style.repaint import Area, Source, Step, repaint
from artgan.style.tiles import seen_pixels, uncut_pixels

_SIDES, _LARGE_SIDES = (128, 256), (256, 608)
_STEPS = 3
# To go on through several tiles, all is seen once more, and the content twice: so much longer a pixel takes.
_TILED = 1.6


@dataclass(frozen=True)
class Pace:
    """Seconds of a step: `fixed`, and `per_pixel` for every pixel seen; and `begin` a pixel, to begin a size."""

    fixed: float
    per_pixel: float
    begin: float

    def steps(self, plan: Sequence[Stage], width: int, height: int) -> list[float]:
        """Seconds of every step of a plan, for a picture of this size."""
        return [seconds for stage, seconds in self._stages(plan, width, height) for _ in range(stage.steps)]

    def seconds(self, plan: Sequence[Stage], width: int, height: int) -> float:
        """How long a plan takes for a picture of this size."""
        shape = width * height / max(width, height) ** 2
        begins = sum(self.fixed + self.begin * shape * stage.longest**2 for stage in plan)
        return begins + sum(self.steps(plan, width, height))

    def _stages(self, plan: Sequence[Stage], width: int, height: int) -> Iterator[tuple[Stage, float]]:
        uncut = uncut_pixels(height, width)
        for stage in plan:
            factor = stage.longest / max(width, height)
            pixels, tiled = seen_pixels(round(height * factor), round(width * factor), uncut)
            yield stage, self.fixed + self.per_pixel * pixels * (_TILED if tiled else 1)


def measure_pace(features: Features, manners: int, large: bool = False) -> Pace:
    """Paint a few steps at two small sizes, after so many manners, and see; it takes about a second on a CPU.

    Where much memory is passed through, every pixel takes longer; before a `large` picture is begun, which takes
    minutes, larger ones are tried.
    """
    small, wide = _LARGE_SIDES if large else _SIDES
    picture = torch.linspace(-1, 1, 3 * wide**2).reshape(1, 3, wide, wide).sin()
    ends: list[float] = [time.perf_counter()]

    def look(step: Step) -> None:
        _ = step.loss  # already a number: the device has done the step
        ends.append(time.perf_counter())

    repaint(
        picture,
        [Area(None, tuple(Source(picture, 1 / manners) for _ in range(manners)))],
        features,
        [Stage(small, _STEPS), Stage(wide, _STEPS)],
        strength=1.0,
        brush_size=1.0,
        smooth=0.0,
        init="content",
        seed=0,
        on_step=look,
        should_stop=lambda: False,
    )
    took = [after - before for before, after in zip(ends, ends[1:], strict=False)]
    short, long = min(took[1:_STEPS]), min(took[_STEPS + 1 :])
    per_pixel = max(long - short, 0.0) / (wide**2 - small**2)
    return Pace(max(short - per_pixel * small**2, 0.0), per_pixel, max(took[_STEPS] - long, 0.0) / wide**2)
