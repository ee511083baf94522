"""The maps of a content carried over to the Gaussians of a style, scale by scale.

Of all maps that give one Gaussian the mean and covariance of another, the one taken moves every place least: optimal
transport between Gaussians (Dowson & Landau 1982), as is done with colours in `artgan.style.colors`. AdaIN (Huang &
Belongie 2017) has only the deviation of each channel; whitening and colouring (Li et al. 2017) turns features in ways
that nothing asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from artgan.style.colors import least_transport
from artgan.style.losses import Scatter

_FLAT = 0.03  # deviation in a principal direction, whose own over many pictures is 1, that is grain
_LEAST_VARIANCE = 1e-4  # whose logarithm a code may hold


@dataclass(frozen=True)
class Look:
    """How the stylist sees a picture: of each scale, finest first, mean (D,) and covariance (D, D) in float64."""

    scales: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def code(self) -> torch.Tensor:
        """The means and logarithms of the deviations, scale by scale, (1, 2 * sum(D)) float32."""
        parts = []
        for mean, covariance in self.scales:
            parts += [mean, covariance.diagonal().clamp_min(_LEAST_VARIANCE).log() / 2]
        return torch.cat(parts).float()[None]


def look_of(sums: Sequence[Scatter]) -> Look:
    """The look, from the sums over all places of each scale."""
    scales = []
    for each in sums:
        mean = each.total / each.mass
        scales.append((mean, each.product / each.mass - torch.outer(mean, mean)))
    return Look(tuple(scales))


def between(looks: Sequence[tuple[float, Look]]) -> Look:
    """The look that several have in the mean, by their shares, which sum up to 1; for `Look.code`."""
    scales = zip(*(look.scales for _, look in looks), strict=True)
    shares = [share for share, _ in looks]
    return Look(
        tuple(
            (
                torch.stack([share * mean for share, (mean, _) in zip(shares, scale, strict=True)]).sum(0),
                torch.stack([share * spread for share, (_, spread) in zip(shares, scale, strict=True)]).sum(0),
            )
            for scale in scales
        )
    )


@dataclass(frozen=True)
class Carriage:
    """The way from a content to a style at one scale: y = matrix x + shift for every place x; float32."""

    matrix: torch.Tensor
    shift: torch.Tensor

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Maps (1, D, h, w), or a part of them, to maps."""
        moved = self.matrix @ values[0].flatten(1) + self.shift[:, None]
        return moved.view_as(values)


def carriages(content: Look, styles: Sequence[tuple[float, Look]], device: torch.device) -> tuple[Carriage, ...]:
    """The ways from a content to styles mixed by their shares, which sum up to 1: one for each scale.

    What is carried arrives at the mean, by the shares, of where it would arrive in each style alone.
    """
    found = []
    for number, (mean, covariance) in enumerate(content.scales):
        matrix, goal = torch.zeros_like(covariance), torch.zeros_like(mean)
        for share, look in styles:
            wanted, target = look.scales[number]
            matrix += share * least_transport(covariance, target, _FLAT)
            goal += share * wanted
        shift = goal - matrix @ mean
        found.append(Carriage(matrix.float().to(device), shift.float().to(device)))
    return tuple(found)
