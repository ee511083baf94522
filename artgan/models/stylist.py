"""The stylist: a picture repainted in any manner in one pass.

The content is seen through the embedded encoder at four scales, each in its principal directions. There it is carried
over to the Gaussian of the style (`artgan.style.transport`), which is arithmetic and not learnt; what is learnt is how
such maps become a picture: a decoder from the coarsest scale to the finest, whose every layer is scaled and shifted by
what the style is like (feature-wise modulation, Perez et al. 2018; AdaIN, Huang & Belongie 2017, has only the
deviations of each channel, and no decoder that is told). It gives strokes, to be added to the content in the style's
colours.

Its weights lie beside this file as `stylist.safetensors`; `artgan.style.teach_stylist` taught it.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

FILE = Path(__file__).with_name("stylist.safetensors")
MAPS = (0, 1, 4, 8)
"""Which of the encoder's ten maps it looks at: /1, /2, /4 and /8 of the picture."""
SEEN = (24, 96, 256, 512)
"""Channels of those maps."""
DIRECTIONS = (24, 48, 64, 128)
"""How many principal directions of each it keeps."""
_WIDTHS = (12, 32, 64, 96)
_CODE = 64
_QUIET = 0.3  # of what the second convolution of a stage begins with, so that a stage begins as one convolution


class Modulation(nn.Module):
    """Each channel scaled and shifted as the style's code says; at first not at all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(_CODE, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Maps (N, channels, H, W) and codes (N, _CODE) to maps."""
        gain, shift = self.linear(code)[:, :, None, None].chunk(2, 1)
        moved: torch.Tensor = x * (1 + gain) + shift
        return moved


class Stage(nn.Module):
    """The convolutions of one scale."""

    def __init__(self, before: int, after: int, twice: bool = True) -> None:
        super().__init__()
        sizes = [(before, after), (after, after)][: 1 + twice]
        self.convolutions = nn.ModuleList(_convolution(*size) for size in sizes)
        self.modulations = nn.ModuleList(Modulation(after) for _ in sizes)
        if twice:
            with torch.no_grad():
                next(self.convolutions[1].parameters()).mul_(_QUIET)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Maps (N, before, H, W) to maps (N, after, H, W)."""
        for number, (convolution, modulation) in enumerate(zip(self.convolutions, self.modulations, strict=True)):
            changed = F.leaky_relu(modulation(convolution(x), code), 0.2)
            x = x + changed if number else changed
        return x


def _convolution(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect")


class Stylist(nn.Module):
    """Maps of a content that were carried to a style, to the strokes of a painting.

    Attributes:
        means, bases: of each scale, (SEEN,) and (SEEN, DIRECTIONS): the principal directions of the encoder's maps over
            many pictures, scaled so that each has variance 1 there.
    """

    def __init__(self) -> None:
        super().__init__()
        for level, (channels, kept) in enumerate(zip(SEEN, DIRECTIONS, strict=True)):
            self.register_buffer(f"mean{level}", torch.zeros(channels))
            self.register_buffer(f"basis{level}", torch.zeros(channels, kept))
        self.code = nn.Sequential(nn.Linear(2 * sum(DIRECTIONS), _CODE), nn.ReLU())
        finest, fine, coarse, coarsest = _WIDTHS
        self.stages = nn.ModuleList(
            [
                Stage(DIRECTIONS[3], coarsest),
                Stage(coarse + DIRECTIONS[2], coarse),
                Stage(fine + DIRECTIONS[1], fine),
                Stage(finest + DIRECTIONS[0], finest, twice=False),
            ]
        )
        self.narrowing = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in ((coarsest, coarse), (coarse, fine), (fine, finest))
        )
        self.strokes = _convolution(finest, 3)
        nn.init.zeros_(self.strokes.weight)
        nn.init.zeros_(self.strokes.bias)  # type: ignore[arg-type]

    def view(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean (SEEN,) and principal directions (SEEN, DIRECTIONS) of a scale, in float64 on the CPU."""
        mean, basis = (self.get_buffer(f"{name}{level}").cpu().double() for name in ("mean", "basis"))
        return mean, basis

    def seen(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The encoder's ten maps (N, C, h, w) in principal directions, finest first: (N, DIRECTIONS, h, w)."""
        found = []
        for level, number in enumerate(MAPS):
            basis, mean = self.get_buffer(f"basis{level}"), self.get_buffer(f"mean{level}")
            kernel = basis.T[:, :, None, None]
            found.append(F.conv2d(maps[number], kernel, -(basis.T @ mean)))
        return found

    def forward(self, carried: Sequence[torch.Tensor], manner: torch.Tensor) -> torch.Tensor:
        """Paint.

        Args:
            carried: maps as of `seen`, carried to the style.
            manner: what the style is like, (N, 2 * sum(DIRECTIONS)): of each direction its mean and the logarithm of
                its deviation, scale by scale.

        Returns:
            Strokes (N, 3, H, W), to be added to the content in the style's colours; the sum may leave [-1, 1].
        """
        code = self.code(manner)
        x = self.stages[0](carried[3], code)
        for narrow, stage, values in zip(self.narrowing, self.stages[1:], carried[2::-1], strict=True):
            # By 2 exactly, then cut: of an odd side a map has half a cell more, and tiles must see as the whole does.
            x = F.interpolate(narrow(x), scale_factor=2, mode="bilinear", align_corners=False)
            x = stage(torch.cat([x[..., : values.shape[2], : values.shape[3]], values], 1), code)
        strokes: torch.Tensor = self.strokes(x)
        return strokes
