"""Sliders and bends together, as `sample`, `walk` and `breed` take them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from artgan.latent.bending import Bend, Bent, parse_bends
from artgan.latent.sliders import SWING, Slider, offset, plain_sliders, sliders_of
from artgan.models.trained import LoadedGenerator

Sliders = str | Sequence[str] | Mapping[str, float] | Sequence[Slider]
"""As "warmth=2.5,contrast=-1", several such words, values by name, or what a recipe holds."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Steering:
    """What moves latents along directions, and bends the network."""

    sliders: tuple[Slider, ...] = ()
    bends: tuple[Bend, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether anything of it changes along a walk."""
        swings = any(slider.value is None or slider.value.moves for slider in self.sliders)
        return swings or any(bend.value.moves for bend in self.bends)

    @property
    def words(self) -> list[str]:
        """As they are written on a command line."""
        return [word for one in self.sliders for word in ("--slider", one.text)] + [
            word for bend in self.bends for word in ("--bend", bend.text)
        ]

    def plain(self) -> dict[str, Any]:
        """As it stands in the recipe of a picture; nothing where nothing is steered."""
        told = {"sliders": plain_sliders(self.sliders), "bends": [bend.text for bend in self.bends]}
        return {name: each for name, each in told.items() if each}

    def offset(self, z_dim: int) -> Floats:
        """What sliders that stay add to every latent, (z_dim,)."""
        return offset(self.sliders, z_dim)

    def offsets(self, turns: NDArray[np.float64], along: NDArray[np.float64], z_dim: int) -> Floats:
        """What sliders add to latents along a walk, (n, z_dim).

        Args:
            turns: (n,) places on the walk, 0 to 1.
            along: (n,) how far values are from their start to their end, 0 to 1.
            z_dim: numbers in a latent.
        """
        total = np.zeros((len(turns), z_dim), np.float64)
        for slider in self.sliders:
            value = slider.value
            at = SWING * np.sin(2 * np.pi * turns) if value is None else value.start + (value.end - value.start) * along
            total += at[:, None] * slider.vector
        return total.astype(np.float32)

    def network(self, model: LoadedGenerator, seeds: Sequence[int]) -> nn.Module:
        """The network that draws: with bends, one whose latents carry what `carried` adds."""
        return Bent(model.network, self.bends, seeds).eval() if self.bends else model.network

    def carried(self, z: torch.Tensor, along: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """Latents (N, z_dim) as the network takes them: with bends, (N, z_dim + 2); see `Bent`."""
        return torch.cat([z, along[:, None], which[:, None]], 1).float() if self.bends else z


def steer(model: LoadedGenerator, sliders: Sliders, bends: Sequence[str], moving: bool = False) -> Steering:
    """Sliders and bends of a model.

    Raises:
        UsageError: a slider, layer, operation, unit or value makes no sense.
        CheckpointError: the file of directions is damaged.
    """
    return Steering(tuple(sliders_of(model, sliders, moving)), tuple(parse_bends(bends, model, moving)))
