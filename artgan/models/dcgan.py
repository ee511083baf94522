"""The deep convolutional GAN (Radford, Metz & Chintala 2015), for any picture shape that base_grid allows."""

import torch
from torch import nn

from artgan.config import base_grid
from artgan.models.layers import ClassLatent, Projection, drop, initialise, normalise, split


def level_channels(base: int, limit: int, doublings: int) -> list[int]:
    """Channels per level, from the highest resolution down: doubled each time, never above `limit`."""
    return [min(base * 2**level, limit) for level in range(doublings)]


class Generator(nn.Module):
    """Latents (N, z_dim), and labels (N,) when conditional, to pictures (N, C, H, W) in [-1, 1]."""

    def __init__(
        self, shape: tuple[int, int, int], z_dim: int, c_dim: int, base_channels: int, max_channels: int, embed_dim: int
    ) -> None:
        super().__init__()
        columns, rows, doublings = base_grid(shape[2], shape[1])
        channels = level_channels(base_channels, max_channels, doublings)[::-1]
        self.class_latent = ClassLatent(z_dim, c_dim, embed_dim)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(self.class_latent.width, channels[0], (rows, columns), bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        ]
        for before, after in zip(channels, channels[1:], strict=False):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], shape[0], 4, 2, 1), nn.Tanh())
        initialise(self, "batch")

    @property
    def levels(self) -> list[nn.Module]:
        """One part per resolution, from the picture on."""
        return split(self.layers, nn.ConvTranspose2d)[::-1]

    def forward(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures for latents."""
        pictures: torch.Tensor = self.layers(self.class_latent(z, c)[:, :, None, None])
        return pictures


class Discriminator(nn.Module):
    """Pictures (N, C, H, W) in [-1, 1], and labels (N,) when conditional, to logits (N,)."""

    def __init__(
        self, shape: tuple[int, int, int], c_dim: int, base_channels: int, max_channels: int, norm: str, dropout: float
    ) -> None:
        super().__init__()
        columns, rows, doublings = base_grid(shape[2], shape[1])
        channels = level_channels(base_channels, max_channels, doublings)
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(zip([shape[0], *channels], channels, strict=False)):
            kind = "none" if norm == "batch" and level == 0 else norm  # Radford et al.: none on D's input layer
            convolution = nn.Conv2d(before, after, 4, 2, 1, bias=kind != "batch")
            layers += [*normalise(convolution, after, kind), nn.LeakyReLU(0.2, inplace=True), *drop(dropout)]
        self.layers = nn.Sequential(*layers)
        self.logit = nn.Sequential(
            *normalise(nn.Conv2d(channels[-1], 1, (rows, columns)), 1, "spectral" if norm == "spectral" else "none")
        )
        self.projection = Projection(c_dim, channels[-1])
        initialise(self, norm)

    @property
    def levels(self) -> list[nn.Module]:
        """One part per resolution, from the picture on."""
        return split(self.layers, nn.Conv2d)

    def forward(self, pictures: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Logits, float32 whatever autocast does."""
        features = self.layers(pictures)
        logits: torch.Tensor = self.logit(features).flatten(0).float() + self.projection(
            features.float().sum((2, 3)), c
        )
        return logits
