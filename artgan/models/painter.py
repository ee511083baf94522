"""The painter: our own generator for few pictures and little time.

The strided convolutions of the DCGAN, which are cheap, with three things from later papers, which cost next to nothing:
gains and biases of batch norm that come from the latent at every level, through a mapping network (self-modulation,
Chen et al. 2019; the mapping of Karras et al. 2019); a small picture from every level, summed up from coarse to fine
(Karras et al. 2020, section 4.2), so that colours and masses are right before details are; and a blur after each
doubling (Zhang 2019), without which young generators paint lattices. What a blur takes away for good, the finest grain,
a last small convolution adds; it starts from 0.

Its discriminator is the DCGAN's. `presets/README.md` says what each ingredient gave.
"""

import torch
import torch.nn.functional as F
from torch import nn

from artgan.config import base_grid
from artgan.models.dcgan import level_channels
from artgan.models.layers import ClassLatent

W_DIM = 128
"""Numbers in w, what the mapping network makes of a latent."""


class ModulatedNorm(nn.Module):
    """Batch norm whose gain and bias come from w (Chen et al. 2019, equation 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(W_DIM, channels)
        self.bias = nn.Linear(W_DIM, channels)
        for linear, start in ((self.gain, 1.0), (self.bias, 0.0)):
            nn.init.normal_(linear.weight, 0.0, 0.02)
            nn.init.constant_(linear.bias, start)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Maps (N, channels, H, W) and w (N, W_DIM) to maps."""
        styled: torch.Tensor = self.norm(x) * self.gain(w)[:, :, None, None] + self.bias(w)[:, :, None, None]
        return styled


class Level(nn.Module):
    """One doubling: maps twice as large, in the style of w, and what they add to the picture."""

    def __init__(self, before: int, after: int, colours: int) -> None:
        super().__init__()
        self.grow = _doubling(before, after, bias=False)
        self.norm = ModulatedNorm(after)
        self.picture = nn.Conv2d(after, colours, 1)
        for convolution in (self.grow, self.picture):
            nn.init.normal_(convolution.weight, 0.0, 0.02)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps (N, before, H, W) to maps (N, after, 2 H, 2 W) and what they add to the picture."""
        x = F.relu(self.norm(_blurred(self.grow(x)), w))
        return x, self.picture(x)


def _doubling(before: int, after: int, bias: bool) -> nn.ConvTranspose2d:
    """A convolution from (N, before, H, W) to (N, after, 2 H + 1, 2 W + 1), to be blurred."""
    return nn.ConvTranspose2d(before, after, 5, 2, 1, bias=bias)


def _blurred(x: torch.Tensor) -> torch.Tensor:
    """The means of 2 x 2 cells, one row and column less: what alternates from cell to cell is gone."""
    return F.avg_pool2d(x, 2, 1)


class Generator(nn.Module):
    """Latents (N, z_dim), and labels (N,) when conditional, to pictures (N, C, H, W) in [-1, 1]."""

    def __init__(
        self, shape: tuple[int, int, int], z_dim: int, c_dim: int, base_channels: int, max_channels: int, embed_dim: int
    ) -> None:
        super().__init__()
        columns, rows, doublings = base_grid(shape[2], shape[1])
        channels = level_channels(base_channels, max_channels, doublings)[::-1]
        self.class_latent = ClassLatent(z_dim, c_dim, embed_dim)
        width = self.class_latent.width
        self.mapping = nn.Sequential(
            nn.Linear(width, W_DIM), nn.LeakyReLU(0.2), nn.Linear(W_DIM, W_DIM), nn.LeakyReLU(0.2)
        )
        self.first = nn.ConvTranspose2d(width, channels[0], (rows, columns), bias=False)
        self.first_norm = ModulatedNorm(channels[0])
        self.first_picture = nn.Conv2d(channels[0], shape[0], 1)
        self.doublings = nn.ModuleList(
            Level(before, after, shape[0]) for before, after in zip(channels, channels[1:], strict=False)
        )
        self.last = _doubling(channels[-1], shape[0], bias=True)
        self.grain = nn.ConvTranspose2d(channels[-1], shape[0], 4, 2, 1, bias=False)
        nn.init.zeros_(self.grain.weight)
        for convolution in (self.first, self.first_picture, self.last):
            nn.init.normal_(convolution.weight, 0.0, 0.02)
        for module in self.mapping:
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                nn.init.zeros_(module.bias)
        if self.class_latent.embedding is not None:
            nn.init.normal_(self.class_latent.embedding.weight, 0.0, 0.2)

    @property
    def levels(self) -> list[nn.Module]:
        """One part per resolution, from the picture on."""
        return [self.last, *list(self.doublings)[::-1]]

    def forward(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Pictures for latents."""
        z = self.class_latent(z, c)
        w = self.mapping(z)
        x = F.relu(self.first_norm(self.first(z[:, :, None, None]), w))
        picture: torch.Tensor = self.first_picture(x)
        for level in self.doublings:
            x, details = level(x, w)
            picture = _doubled(picture) + details
        return torch.tanh(_doubled(picture) + _blurred(self.last(x)) + self.grain(x))


def _doubled(picture: torch.Tensor) -> torch.Tensor:
    """A picture twice as large, smooth. Bilinear interpolation looks the same but varies between runs on a GPU."""
    return F.avg_pool2d(F.interpolate(picture, scale_factor=2, mode="nearest"), 3, 1, 1, count_include_pad=False)
