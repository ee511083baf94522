"""A generator as other programs meet it: one network of named inputs and one output."""

from collections.abc import Mapping

import torch
from torch import nn

from artgan.models.trained import LoadedGenerator

REACH = 3.0
"""How far a slider goes to either side, in directions."""


class Shipped(nn.Module):
    """A generator that takes its named directions beside its latent, on the CPU, in evaluation mode.

    Inputs, in this order: `z` (N, z_dim) float32; `label` (N,) int64 of a model with classes, or `text` (N, 512)
    float32 of one that draws from texts; `sliders` (N, K) float32 when there are K directions. Output: `picture`
    (N, C, H, W) in [-1, 1].
    """

    directions: torch.Tensor | None

    def __init__(self, model: LoadedGenerator, directions: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.generator = model.network
        self.conditional = bool(model.c_dim)
        self.register_buffer("directions", torch.stack([*directions.values()]) if directions else None)
        self.cpu().eval()

    def forward(self, z: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Pictures."""
        if self.directions is not None:
            z = z + others[-1] @ self.directions
        pictures: torch.Tensor = self.generator(z, others[0] if self.conditional else None)
        return pictures


def input_names(model: LoadedGenerator, directions: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """The names of the inputs, in their order."""
    condition = ("text",) if model.takes_text else ("label",) if model.classes else ()
    return ("z", *condition, *(("sliders",) if directions else ()))


def example(model: LoadedGenerator, directions: Mapping[str, torch.Tensor], count: int) -> tuple[torch.Tensor, ...]:
    """Inputs for `count` pictures, drawn from a seed: latents, classes or texts in turn, sliders all over their way."""
    draw = torch.Generator().manual_seed(0)
    found = [torch.randn(count, model.settings.model.z_dim, generator=draw)]
    if model.c_dim:
        names = model.names or ("red apple",)
        condition = model.conditions([names[number % len(names)] for number in range(count)])
        assert condition is not None
        found.append(condition)
    if directions:
        found.append((torch.rand(count, len(directions), generator=draw) * 2 - 1) * REACH)
    return tuple(found)
