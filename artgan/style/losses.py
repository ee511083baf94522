"""What a picture's manner is, how far another is from it, and how much of the content is kept.

A manner is the Gaussian of a feature map's values: their mean and covariance over all places, or over a region (Gatys
et al. 2017, section 4). Two manners are as far apart as their Gaussians in squared Wasserstein distance,

    W2^2 = |m1 - m2|^2 + Tr(C1 + C2 - 2 (C2^1/2 C1 C2^1/2)^1/2)

(Dowson & Landau 1982). Against the Gram matrices of Gatys et al. 2016 it counts a difference by its size and not by its
square, so that faint textures count beside loud ones, and it has the mean apart.

Everything that is needed of a painted picture are sums over places, which `Moments` holds: those of the parts of a
picture can be added up, so that it need not be in memory as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

_EXPLAINED, _MOST_DIRECTIONS = 0.99, 128
_LEAST_EIGENVALUE = 1e-6  # of the largest; below it a root is so steep that rounding would steer the picture


@dataclass(frozen=True)
class Manner:
    """The Gaussian of a feature map's values, as something to come close to.

    Attributes:
        mean: (C,).
        spread: the trace of the covariance.
        directions: (C, R); directions @ directions.T is the covariance, but for its faintest parts.
    """

    mean: torch.Tensor
    spread: float
    directions: torch.Tensor


@dataclass(frozen=True)
class Moments:
    """Sums over the places of a map, each place x with its weight w, as seen from a manner.

    Attributes:
        mass: of w.
        power: of w |x - mean|^2.
        first: of w y, (R,), where y = directions.T (x - mean).
        second: of w y y^T, (R, R).
    """

    mass: torch.Tensor
    power: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.mass + other.mass, self.power + other.power, self.first + other.first, self.second + other.second
        )


@torch.no_grad()
def manner(values: torch.Tensor, weights: torch.Tensor | None = None) -> Manner:
    """The manner of a map (1, C, H, W), each place counted by its weight (1, 1, H, W).

    Departing from the formula, the covariance is held by its strongest directions only: as many as have 99 % of the
    variance, 128 at most. What is left out is still in `spread`. A root of 128 x 128 takes some milliseconds, one of
    512 x 512 takes longer than the network itself.
    """
    x = values[0].flatten(1).cpu().double()  # MPS has no float64
    w = torch.ones_like(x[0]) if weights is None else weights.flatten().cpu().double()
    mean = (x @ w) / w.sum()
    centred = x - mean[:, None]
    covariance = (centred * w) @ centred.T / w.sum()
    power, vectors = torch.linalg.eigh(covariance)
    power, vectors = power.flip(0).clamp_min(0), vectors.flip(1)
    spread = float(power.sum())
    enough = int((power.cumsum(0) < _EXPLAINED * spread).sum()) + 1
    count = min(enough, _MOST_DIRECTIONS)
    directions = vectors[:, :count] * power[:count].sqrt()
    return Manner(mean.to(values), spread, directions.to(values))


def moments(values: torch.Tensor, of: Manner, weights: torch.Tensor | None = None) -> Moments:
    """The sums over a map (1, C, H, W), or over a part of one, that its distance to a manner is made of."""
    x = values[0].flatten(1).float()
    y = of.directions.T @ x - (of.directions.T @ of.mean)[:, None]
    if weights is None:
        mass, first, total = x.new_tensor(x.shape[1]), y.sum(1), x.sum(1)
        square, second = torch.dot(x.flatten(), x.flatten()), y @ y.T
    else:
        w = weights.flatten().to(x)
        mass, first, total = w.sum(), y @ w, x @ w
        square, second = x.square().sum(0) @ w, (y * w) @ y.T
    # |x - m|^2 multiplied out: a map less its mean would be one more map to keep for the way back.
    power = square - 2 * of.mean @ total + mass * of.mean.square().sum()
    return Moments(mass, power, first, second)


def distance(seen: Moments, wanted: Manner) -> torch.Tensor:
    """The squared Wasserstein distance, as a share of the wanted manner's own spread: 0 is equal.

    Seen from the wanted mean, |m1 - m2|^2 + Tr C1 is the mean power; and Tr (C2^1/2 C1 C2^1/2)^1/2 is the same for
    any D with D D^T = C2 in place of C2^1/2, taken as D^T C1 D.
    """
    mean = seen.first / seen.mass
    inner = seen.second / seen.mass - torch.outer(mean, mean)
    shared = trace_of_root(inner)
    return (seen.power / seen.mass + wanted.spread - 2 * shared) / max(wanted.spread, 1e-8)


class _TraceOfRoot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor) -> torch.Tensor:
        # Apple's GPUs have no eigh: it runs on the CPU there.
        home = matrix.device if matrix.device.type == "cuda" else torch.device("cpu")
        values, vectors = torch.linalg.eigh(matrix.to(home))
        roots = (values.clamp_min(0) + _LEAST_EIGENVALUE * values[-1].clamp_min(1e-12)).sqrt()
        ctx.save_for_backward(vectors.to(matrix.device), roots.to(matrix.device))
        total: torch.Tensor = roots.sum().to(matrix.device)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        vectors, roots = ctx.saved_tensors
        whole: torch.Tensor = gradient * 0.5 * (vectors / roots) @ vectors.T
        return whole


def trace_of_root(matrix: torch.Tensor) -> torch.Tensor:
    """Tr M^1/2 of a symmetric M (R, R) without negative eigenvalues; its gradient is M^-1/2 / 2."""
    root: torch.Tensor = _TraceOfRoot.apply(matrix)  # type: ignore[no-untyped-call]
    return root


def kept(values: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> torch.Tensor:
    """How far maps have moved from those of the content: mean square, as a share of each map's own variance.

    (Gatys et al. 2016, eq. 1; the shares make maps of all sizes count alike.)
    """
    losses = []
    for now, before in zip(values, wanted, strict=True):
        losses.append((now - before).square().mean() / before.var(correction=0).clamp_min(1e-8))
    return torch.stack(losses).mean()


def total_variation(x: torch.Tensor) -> torch.Tensor:
    """The mean square of the differences between neighbours, across and down, of (N, C, H, W) (Mahendran 2015, eq. 6).

    Its exponent is 2, which smooths grain and leaves outlines less alone than 1 would; it has a gradient everywhere.
    """
    across, down = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
    return across.square().mean() + down.square().mean()
