"""What changes in pictures along a direction, measured: colours, the form and place of the object, detail, symmetry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from artgan.engine.oklab import opaque, to_oklab

SIDE = 64
"""Pixels of the longer side at which pictures are measured."""
STRONG, AGREED = 0.5, 0.85
"""From where a change is told: in standard deviations of the model's samples, and share of seeds that agree."""
_GROUND = 0.1  # in OKLab: so far from the border's colour, a pixel is half object and half ground
_FLAT = 1e-6


class Measure(NamedTuple):
    """A measure of a picture: its name, which a slider may bear, and what more and less of it are called."""

    name: str
    more: str
    less: str


MEASURES = (
    Measure("brightness", "brighter", "darker"),
    Measure("warmth", "warmer", "cooler"),
    Measure("redness", "redder", "greener"),
    Measure("colour", "more colourful", "greyer"),
    Measure("contrast", "more contrast", "flatter"),
    Measure("size", "larger", "smaller"),
    Measure("roundness", "rounder", "longer"),
    Measure("height", "taller", "wider"),
    Measure("right", "further right", "further left"),
    Measure("up", "further up", "further down"),
    Measure("detail", "rougher", "smoother"),
    Measure("symmetry", "more symmetric", "less symmetric"),
)


@dataclass(frozen=True)
class Effect:
    """How one measure changes along a direction.

    Attributes:
        measure: its name.
        words: what that is called, such as `warmer`.
        change: from minus to plus, in standard deviations of the measure among the model's samples.
        agreed: share of the seeds whose change has that sign.
    """

    measure: str
    words: str
    change: float
    agreed: float

    @property
    def strong(self) -> bool:
        """Whether it is large and steady enough to be told."""
        return abs(self.change) >= STRONG and self.agreed >= AGREED


def measure(pictures: torch.Tensor) -> torch.Tensor:
    """The MEASURES (N, len(MEASURES)) of pictures (N, C, H, W) in [-1, 1]; float32.

    Brightness, warmth, redness and colour are the means of L, b, a and chroma in OKLab (Ottosson 2020); contrast is the
    standard deviation of L; detail is the mean slope of L, by its contrast. The object is what differs from the
    middle colour of the border; its size is its share of the picture, its form comes from its second moments, its place
    from its first. Symmetry compares L with its mirror image.
    """
    lab = to_oklab(_small(opaque(pictures)))
    light = lab[:, 0]
    contrast = light.std((1, 2), correction=0)
    slopes = (light[:, 1:, :-1] - light[:, :-1, :-1]).square() + (light[:, :-1, 1:] - light[:, :-1, :-1]).square()
    mirrored = (light - light.flip(2)).abs().mean((1, 2))
    chroma = lab[:, 1:].square().sum(1).sqrt()
    size, roundness, height, right, up = _form(_object(lab))
    return torch.stack(
        [
            *(light.mean((1, 2)), lab[:, 2].mean((1, 2)), lab[:, 1].mean((1, 2)), chroma.mean((1, 2)), contrast),
            *(size, roundness, height, right, up),
            *((slopes + _FLAT).sqrt().mean((1, 2)) / (contrast + 0.02), -mirrored / (contrast + 0.02)),
        ],
        1,
    )


def effects_between(minus: torch.Tensor, plus: torch.Tensor, spread: torch.Tensor) -> tuple[Effect, ...]:
    """What changes from pictures to others of the same seeds, the strongest steady change first.

    Args:
        minus: measures (N, M) at the minus end of a direction.
        plus: at its plus end.
        spread: (M,) standard deviations of the measures among the model's samples.
    """
    steps = plus - minus
    found = []
    for each, change, step in zip(MEASURES, steps.mean(0) / spread.clamp_min(_FLAT), steps.T, strict=True):
        agreed = float((step.sign() == change.sign()).float().mean()) if change else 0.0
        found.append(Effect(each.name, each.more if change > 0 else each.less, float(change), agreed))
    return tuple(sorted(found, key=lambda effect: (not effect.strong, -abs(effect.change))))


def suggest(effects: Sequence[Effect], taken: Sequence[str]) -> str | None:
    """A name for a direction: its strongest measured effect that no other is called by; None when nothing is strong."""
    names = [effect.measure for effect in effects if effect.strong]
    if not names:
        return None
    free = [name for name in names if name not in taken]
    if free:
        return free[0]
    return next(f"{names[0]}-{number}" for number in range(2, len(taken) + 3) if f"{names[0]}-{number}" not in taken)


def _small(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (N, 3, H, W) of at most SIDE pixels to a side."""
    height, width = pictures.shape[2:]
    sides = [max(2, round(side * min(1, SIDE / max(height, width)))) for side in (height, width)]
    return F.interpolate(pictures, sides, mode="bilinear", antialias=True) if sides != [height, width] else pictures


def _object(lab: torch.Tensor) -> torch.Tensor:
    """How much each pixel belongs to the object, (N, H, W) from 0 to 1."""
    border = torch.cat([lab[:, :, 0], lab[:, :, -1], lab[:, :, :, 0], lab[:, :, :, -1]], 2)
    away = (lab - border.median(2).values[:, :, None, None]).square().sum(1)
    return away / (away + _GROUND**2)


def _form(weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Size, roundness (1 is a disc, 0 a line), height (log of tall by wide), and place to the right and up, each (N,).

    Places are in half sides from the middle.
    """
    height, width = weight.shape[1:]
    longest = max(height, width)
    y = torch.linspace(-1, 1, height)[:, None] * (height / longest)
    x = torch.linspace(-1, 1, width) * (width / longest)
    total = weight.sum((1, 2)) + _FLAT

    def mean(values: torch.Tensor) -> torch.Tensor:
        return (weight * values).sum((1, 2)) / total

    right, down = mean(x), mean(y)
    across, along = x - right[:, None, None], y - down[:, None, None]
    xx, yy, xy = mean(across.square()) + _FLAT, mean(along.square()) + _FLAT, mean(across * along)
    root = ((xx - yy).square() / 4 + xy.square()).sqrt()
    short, long = (xx + yy) / 2 - root, (xx + yy) / 2 + root
    roundness = (short.clamp_min(0) / long).sqrt()
    return weight.mean((1, 2)), roundness, (yy / xx).log() / 2, right, -down
