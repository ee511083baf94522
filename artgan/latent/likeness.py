"""How far pictures are from one: their colours at every scale, and what the embedded encoder sees in them."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from artgan.engine.device import Engine
from artgan.models.encoder import SMALLEST, load_encoder

Distance = Callable[[torch.Tensor], torch.Tensor]

SIDE = 64
"""Pixels of the longer side at which the encoder looks."""
_FLAT = 1e-4


class Likeness:
    """Distances between pictures, in units of how far a model's own samples are from one another.

    Half of it is the L1 distance of Laplacian pyramids, every level counting alike (Bojanowski et al. 2018, section 2,
    Lap1). The other half compares the encoder's five maps, each pixel's channels brought to length 1, by squares
    (Zhang et al. 2018, equation 1, without learned weights). Each half is divided by its average between samples: 0 is
    the same picture, 1 is as far as one sample from another. Gradients pass.
    """

    def __init__(self, engine: Engine, samples: torch.Tensor) -> None:
        """Learn the unit from samples (N, C, H, W) in [-1, 1], N of 2 or more, all of them different draws.

        Raises:
            StorageError: the file of the embedded encoder is missing or damaged.
        """
        self._engine = engine
        self._encoder = load_encoder(engine)
        with torch.no_grad():
            one, other = samples.to(engine.device), samples.roll(1, 0).to(engine.device)
            pairs = zip(one.split(1), other.split(1), strict=True)
            parts = torch.stack([torch.stack([_bands(a - b), _apart(self._see(a), self._see(b))]) for a, b in pairs])
        self._units = parts.mean((0, 2)).clamp_min(_FLAT)

    def to(self, picture: torch.Tensor) -> Distance:
        """A function from pictures (N, C, H, W) on the device to their distances (N,) from one picture (C, H, W)."""
        target = picture[None].to(self._engine.device)
        with torch.no_grad():
            seen = self._see(target)

        def distance(pictures: torch.Tensor) -> torch.Tensor:
            colours, looks = _bands(pictures - target), _apart(self._see(pictures), seen)
            return (colours / self._units[0] + looks / self._units[1]) / 2

        return distance

    def _see(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Five maps (N, F, h, w), channels of length 1; where hardly any answers, direction is noise and it is less."""
        height, width = pictures.shape[2:]
        sides = [max(SMALLEST, round(side * min(1, SIDE / max(height, width)))) for side in (height, width)]
        if sides != [height, width]:
            pictures = F.interpolate(pictures, sides, mode="bilinear", antialias=True)
        maps = self._encoder(pictures)
        return [found / (found.square().sum(1, keepdim=True) + 0.01 * found.shape[1]).sqrt() for found in maps]


def _bands(difference: torch.Tensor) -> torch.Tensor:
    """The L1 distance (N,) of two Laplacian pyramids, which is the pyramid of the difference (N, C, H, W)."""
    total = torch.zeros(len(difference), device=difference.device)
    for _ in range(int(math.log2(max(2, min(difference.shape[2:]) // 2)))):
        coarse = F.avg_pool2d(difference, 2, ceil_mode=True)
        total = total + (difference - F.interpolate(coarse, difference.shape[2:], mode="bilinear")).abs().mean(
            (1, 2, 3)
        )
        difference = coarse
    return total + difference.abs().mean((1, 2, 3))


def _apart(maps: list[torch.Tensor], others: list[torch.Tensor]) -> torch.Tensor:
    """Mean squared distance (N,) of maps, all maps and all pixels of a map counting alike."""
    return torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in zip(maps, others, strict=True)]).mean(0)
