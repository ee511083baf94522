"""How fast painting is on this machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from artgan.style.features import Features
from artgan.style.plan import Stage
from artgan.style.repaint import Area, Source, Step, repaint

_SMALL, _LARGE, _STEPS = 128, 256, 3


@dataclass(frozen=True)
class Pace:
    """Seconds of a step: `fixed`, and `per_pixel` for every pixel; and `begin`, of the beginning of each size."""

    fixed: float
    per_pixel: float
    begin: float

    def step(self, pixels: float) -> float:
        """Seconds of one step on a picture of so many pixels."""
        return self.fixed + self.per_pixel * pixels

    def seconds(self, plan: Sequence[Stage], width: int, height: int) -> float:
        """How long a plan takes for a picture of this size."""
        shape = width * height / max(width, height) ** 2
        return sum(self.begin + stage.steps * self.step(shape * stage.longest**2) for stage in plan)


def measure_pace(features: Features, manners: int) -> Pace:
    """Paint a few steps at two small sizes, after so many manners, and see; it takes about a second on a CPU."""
    picture = torch.linspace(-1, 1, 3 * _LARGE**2).reshape(1, 3, _LARGE, _LARGE).sin()
    ends: list[float] = [time.perf_counter()]

    def look(step: Step) -> None:
        _ = step.loss  # already a number: the device has done the step
        ends.append(time.perf_counter())

    repaint(
        picture,
        [Area(None, tuple(Source(picture, 1 / manners) for _ in range(manners)))],
        features,
        [Stage(_SMALL, _STEPS), Stage(_LARGE, _STEPS)],
        strength=1.0,
        brush_size=1.0,
        smooth=0.0,
        init="content",
        seed=0,
        on_step=look,
        should_stop=lambda: False,
    )
    took = [after - before for before, after in zip(ends, ends[1:], strict=False)]
    small, large = min(took[1:_STEPS]), min(took[_STEPS + 1 :])
    per_pixel = max(large - small, 0.0) / (_LARGE**2 - _SMALL**2)
    return Pace(max(small - per_pixel * _SMALL**2, 0.0), per_pixel, max(took[_STEPS] - large, 0.0))
