"""The fully connected GAN of the textbooks (after Goodfellow et al. 2014), for small pictures of any shape."""

import math

import torch
from torch import nn

from artgan.models.layers import ClassLatent, Projection, drop, initialise, normalise, split


class Generator(nn.Module):
    """Latents (N, z_dim), and labels (N,) when conditional, to pictures (N, C, H, W) in [-1, 1]."""

    def __init__(
        self, shape: tuple[int, int, int], z_dim: int, c_dim: int, base_channels: int, max_channels: int, embed_dim: int
    ) -> None:
        super().__init__()
        self.shape = shape
        self.class_latent = ClassLatent(z_dim, c_dim, embed_dim)
        widths = [self.class_latent.width] + [min(base_channels * k, max_channels) for k in (2, 4, 8)]
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Tanh())
        initialise(self, "batch")

    def forward(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures for latents."""
        pictures: torch.Tensor = self.layers(self.class_latent(z, c)).unflatten(1, self.shape)
        return pictures


class Discriminator(nn.Module):
    """Pictures (N, C, H, W) in [-1, 1], and labels (N,) when conditional, to logits (N,)."""

    def __init__(
        self, shape: tuple[int, int, int], c_dim: int, base_channels: int, max_channels: int, norm: str, dropout: float
    ) -> None:
        super().__init__()
        widths = [math.prod(shape)] + [min(base_channels * k, max_channels) for k in (8, 4)]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [*normalise(nn.Linear(before, after), after, norm), nn.LeakyReLU(0.2, inplace=True)]
            layers += drop(dropout)
        self.layers = nn.Sequential(*layers)
        self.logit = nn.Linear(widths[-1], 1)
        self.projection = Projection(c_dim, widths[-1])
        initialise(self, norm)

    @property
    def levels(self) -> list[nn.Module]:
        """One part per layer before the last, from the picture on."""
        return split(self.layers, nn.Linear)

    def forward(self, pictures: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Logits, float32 whatever autocast does."""
        features = self.layers(pictures)
        logits: torch.Tensor = self.logit(features).flatten(0).float() + self.projection(features.float(), c)
        return logits
