"""What a picture's manner is, how far another is from it, and how much of the content is kept.

A manner is the Gaussian of a feature map's values: their mean and covariance over all places, or over a region (Gatys
et al. 2017, section 4). Two manners are as far apart as their Gaussians in squared Wasserstein distance,

    W2^2 = |m1 - m2|^2 + Tr(C1 + C2 - 2 (C2^1/2 C1 C2^1/2)^1/2)

(Dowson & Landau 1982). Against the Gram matrices of Gatys et al. 2016 it counts a difference by its size and not by its
square, so that faint textures count beside loud ones, and it has the mean apart.

Everything that is needed of a painted picture are sums over places: `Moments` for its manner, `Likeness` for what is
kept of the content, and sums of neighbours for smoothness. Those of the parts of a picture can be added up, so that it
need not be in memory as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

_EXPLAINED, _MOST_DIRECTIONS = 0.99, 128
_FAINT = 1e-4  # variance of a channel below which it counts less and less
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


class Moments(NamedTuple):
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


class Scatter(NamedTuple):
    """Sums over the places of a map, each place x with its weight w, that its own manner is made of, in float64.

    Attributes:
        mass: of w.
        total: of w x, (C,).
        product: of w x x^T, (C, C).
    """

    mass: torch.Tensor
    total: torch.Tensor
    product: torch.Tensor


@torch.no_grad()
def scatter(values: torch.Tensor, weights: torch.Tensor | None = None) -> Scatter:
    """The sums over a map (1, C, H, W), or a part of one, each place counted by its weight (1, 1, H, W)."""
    x = values[0].flatten(1).cpu().double()  # MPS has no float64
    w = torch.ones_like(x[0]) if weights is None else weights.flatten().cpu().double()
    return Scatter(w.sum(), x @ w, x @ x.T if weights is None else (x * w) @ x.T)


def manner_of(sums: Scatter, device: torch.device) -> Manner:
    """The manner of a map, from the sums over all its parts.

    Departing from the formula, the covariance is held by its strongest directions only: as many as have 99 % of the
    variance, 128 at most. What is left out is still in `spread`. A root of 128 x 128 takes some milliseconds, one of
    512 x 512 takes longer than the network itself.
    """
    mean = sums.total / sums.mass
    power, vectors = torch.linalg.eigh(sums.product / sums.mass - torch.outer(mean, mean))
    power, vectors = power.flip(0).clamp_min(0), vectors.flip(1)
    spread = float(power.sum())
    enough = int((power.cumsum(0) < _EXPLAINED * spread).sum()) + 1
    count = min(enough, _MOST_DIRECTIONS)
    directions = vectors[:, :count] * power[:count].sqrt()
    return Manner(mean.float().to(device), spread, directions.float().to(device))


def manner(values: torch.Tensor, weights: torch.Tensor | None = None) -> Manner:
    """The manner of a whole map (1, C, H, W), each place counted by its weight (1, 1, H, W)."""
    return manner_of(scatter(values, weights), values.device)


def moments(values: torch.Tensor, of: Manner, weights: torch.Tensor | None = None) -> Moments:
    """The sums over a map (1, C, H, W), or over a part of one, that its distance to a manner is made of."""
    x = values[0].flatten(1).float()
    y = of.directions.T @ x - (of.directions.T @ of.mean)[:, None]
    # The root in `distance` is so steep at faint directions that the rounding of these sums would steer the picture,
    # another way for each way of cutting it. MPS has no float64.
    y = y if y.device.type == "mps" else y.double()
    if weights is None:
        mass, first, total = x.new_tensor(x.shape[1]), y.sum(1), x.sum(1)
        square, second = torch.dot(x.flatten(), x.flatten()), y @ y.T
    else:
        w = weights.flatten().to(x)
        mass, first, total = w.sum(), y @ w.to(y), x @ w
        square, second = x.square().sum(0) @ w, (y * w) @ y.T
    # |x - m|^2 multiplied out: a map less its mean would be one more map to keep for the way back.
    power = square - 2 * of.mean @ total + mass * of.mean.square().sum()
    return Moments(mass, power, first, second)


def moments_pull(values: torch.Tensor, of: Manner, weights: torch.Tensor | None, pull: Moments) -> torch.Tensor:
    """The gradient by a map (1, C, H, W) of a loss whose gradient by the `moments` of the map is `pull`.

    It is written down here because the rules for single operations would keep several copies of the map to come by it.
    """
    x = values[0].flatten(1).float()
    y = of.directions.T @ x - (of.directions.T @ of.mean)[:, None]
    along = (pull.second + pull.second.T) @ y + pull.first[:, None]
    power = 2 * float(pull.power)
    gradient = (of.directions @ along).add_(x, alpha=power).sub_(power * of.mean[:, None])
    if weights is not None:
        gradient *= weights.flatten()
    return gradient.reshape(values.shape)


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


class Likeness(NamedTuple):
    """Sums over the places of a map x beside the content's map c, channel by channel.

    Attributes:
        mass: places.
        total: of x, (C,).
        square: of x^2, (C,).
        product: of x c, (C,).
    """

    mass: torch.Tensor
    total: torch.Tensor
    square: torch.Tensor
    product: torch.Tensor


def likeness(values: torch.Tensor, content: torch.Tensor) -> Likeness:
    """The sums over a map (1, C, H, W) and the content's, or over a part of both."""
    x, c = values[0].flatten(1), content[0].flatten(1)
    if x.device.type != "mps":  # of an even channel the variance is a small difference of large sums
        x, c = x.double(), c.double()
    return Likeness(x.new_tensor(x.shape[1]), x.sum(1), x.square().sum(1), (x * c).sum(1))


def likeness_pull(values: torch.Tensor, content: torch.Tensor, pull: Likeness) -> torch.Tensor:
    """The gradient by a map (1, C, H, W) of a loss whose gradient by its `likeness` to the content's is `pull`."""
    total, square, product = (each[None, :, None, None] for each in pull[1:])
    return (2 * square * values).addcmul_(product.expand_as(content), content).add_(total)


def kept(seen: Sequence[Likeness], own: Sequence[Likeness]) -> torch.Tensor:
    """How far maps have moved from those of the content, whose likenesses to themselves are `own`.

    Both are compared without each channel's mean and spread (instance normalisation, Ulyanov et al. 2016): the mean
    square of their difference, as a share of the map's own variance (Gatys et al. 2016, eq. 1; the shares make maps of
    all sizes count alike). Multiplied out, it is a matter of variances and of their covariance.
    """
    losses = []
    for now, before in zip(seen, own, strict=True):
        mean, goal = now.total / now.mass, before.total / before.mass
        variance = (now.square / now.mass - mean.square()).clamp_min(0)
        aim = (before.square / before.mass - goal.square()).clamp_min(0)
        shared = now.product / now.mass - mean * goal
        plain, wanted = variance / (variance + _FAINT), aim / (aim + _FAINT)
        moved = plain + wanted - 2 * shared / ((variance + _FAINT) * (aim + _FAINT)).sqrt()
        losses.append(moved.mean() / wanted.mean().clamp_min(1e-8))
    return torch.stack(losses).mean()


def steps_between(x: torch.Tensor, wide: int, high: int) -> torch.Tensor:
    """The sums of the squared differences between neighbours across and down, (2,), that begin in a part of a picture.

    The part is the first so many columns and rows of x, (1, C, H, W), which has one more where the picture goes on.
    Over all of a picture they are its total variation with the exponent 2 (Mahendran 2015, eq. 6), which smooths grain
    and leaves outlines less alone than 1 would; it has a gradient everywhere.
    """
    across = x[..., :high, 1 : wide + 1] - x[..., :high, : min(wide, x.shape[-1] - 1)]
    down = x[..., 1 : high + 1, :wide] - x[..., : min(high, x.shape[-2] - 1), :wide]
    return torch.stack([across.square().sum(), down.square().sum()])


def total_variation(steps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The mean square of the differences between neighbours, across and down, of a picture with such sums of them."""
    pairs = steps.new_tensor([height * max(width - 1, 1), max(height - 1, 1) * width]) * 3
    return (steps / pairs).sum()
