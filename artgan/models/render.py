"""From latents to finished pixels."""

import torch
from torch import nn

from artgan.engine.device import Engine

AT_ONCE = 16


@torch.no_grad()
def render(generator: nn.Module, engine: Engine, z: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
    """Pictures (N, C, H, W) in [-1, 1], float32 on the CPU, for latents (N, z_dim).

    `c` are labels (N,), or shares of the classes (N, c_dim) for pictures between them, or None without classes.

    The generator is used in evaluation mode and left in the mode it was in. Latents are always rendered AT_ONCE at a
    time, filled up where there are fewer: convolutions round differently for other batch sizes, and a seed must give
    the same picture in any company.
    """
    count, training = len(z), generator.training
    filling = -count % AT_ONCE
    z = torch.cat([z, z[:1].expand(filling, -1)])
    c = torch.cat([c, c[:1].expand(filling, *c.shape[1:])]) if c is not None else None
    generator.eval()
    try:
        parts = []
        for start in range(0, len(z), AT_ONCE):
            chosen = c[start : start + AT_ONCE].to(engine.device) if c is not None else None
            with engine.autocast():
                parts.append(generator(z[start : start + AT_ONCE].to(engine.device), chosen).float().cpu())
    finally:
        generator.train(training)
    return torch.cat(parts)[:count]
