"""Kernel distance (KID): unbiased for any number of pictures, and so the one to trust when there are few."""

from dataclasses import dataclass

import torch

from artgan.engine.seeds import Streams
from artgan.errors import UsageError
from artgan.metrics.frechet import check_features

_ELEMENTS = 1 << 22
"""Numbers in a block of the kernel matrix."""


@dataclass(frozen=True)
class Kid:
    """A kernel distance and the interval it lies in.

    Attributes:
        value: the unbiased estimate; for equal distributions it is 0 on average, and often below.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float


def kid(x: torch.Tensor, y: torch.Tensor, *, replicates: int = 200, seed: int = 0, level: float = 0.95) -> Kid:
    """Squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 (KID; Binkowski et al. 2018).

    The value is the U-statistic over all pairs of different pictures (Gretton et al. 2012, eq. 3), no mean over small
    subsets. Being unbiased, it is not 0 for a set against itself: the pairs of a picture with itself are left out
    within a side but not between the sides, so that comes out below 0.

    The interval is a percentile bootstrap. Each replicate draws pictures anew on both sides; a picture drawn twice is
    never paired with itself, and the sum is divided by the number of pairs that are left, so that replicates spread
    around the value without bias. Far from 0 the interval covers at its level. Near 0 it is cautious, up to 1.8 times
    as wide as need be (95 % intervals cover in 99 %), because the bootstrap adds the chance difference of the two sets
    to that of their redrawing. The reflected ("basic") interval is as wide and covered a little less.

    Matrix products are taken in float32 and their rows summed up in float64; that costs less than a millionth.

    Args:
        x: (N, D).
        y: (M, D).
        replicates: how many times the pictures are drawn anew.
        seed: decides the draws.
        level: share of such intervals that should contain the true distance, in (0, 1).

    Raises:
        UsageError: the features do not fit each other, are too few, not finite or too large; or a bad argument.
    """
    check_features(x, y)
    if replicates < 2 or not 0 < level < 1:
        raise UsageError(
            f"An interval of level {level} from {replicates} replicates makes no sense.",
            "Ask for a level between 0 and 1 and at least 2 replicates.",
        )
    n, m = len(x), len(y)
    w = _weights(n, replicates, Streams(seed).generator("first side"))
    v = _weights(m, replicates, Streams(seed).generator("second side"))
    # A constant drops out of the statistic. Without the kernel's usual size its products round less.
    usual = float((x.mean(0, dtype=torch.float64) @ y.mean(0, dtype=torch.float64) / x.shape[1] + 1) ** 3)
    x, y = x.float(), y.float()
    statistics = (
        _sum_within(x, w, usual) / (n * n - w.double().square().sum(0))
        + _sum_within(y, v, usual) / (m * m - v.double().square().sum(0))
        - 2 * _sum_between(x, y, w, v, usual) / (n * m)
    )
    if not statistics.isfinite().all():
        raise UsageError("The features are too large for the kernel.", "Divide those of both sides by one number.")
    tail = (1 - level) / 2
    low, high = statistics[1:].quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return Kid(float(statistics[0]), low, high)


def _weights(count: int, replicates: int, generator: torch.Generator) -> torch.Tensor:
    """How often each picture is drawn, (count, 1 + replicates) float32; the first column is the set as it is."""
    columns = [torch.ones(count)]
    while len(columns) <= replicates:
        drawn = torch.randint(count, (count,), generator=generator).bincount(minlength=count)
        if drawn.count_nonzero() > 1:  # of two pictures one may be drawn twice: that leaves no pair
            columns.append(drawn.float())
    return torch.stack(columns, 1)


def _kernel(x: torch.Tensor, y: torch.Tensor, usual: float) -> torch.Tensor:
    return torch.addmm(x.new_ones(()), x, y.T, alpha=1 / x.shape[1]).pow_(3).sub_(usual)


def _sum_between(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, v: torch.Tensor, usual: float) -> torch.Tensor:
    """For every column, the sum of w_i k(x_i, y_j) v_j over all pairs."""
    total = torch.zeros(w.shape[1], dtype=torch.float64)
    rows = max(1, _ELEMENTS // len(y))
    for some, weights in zip(x.split(rows), w.split(rows), strict=True):
        total += (weights * (_kernel(some, y, usual) @ v)).sum(0, dtype=torch.float64)
    return total


def _sum_within(x: torch.Tensor, w: torch.Tensor, usual: float) -> torch.Tensor:
    """For every column, the sum of w_i k(x_i, x_j) w_j over all pairs of different rows."""
    total = torch.zeros(w.shape[1], dtype=torch.float64)
    rows = max(1, _ELEMENTS // len(x))
    for start in range(0, len(x), rows):
        block = _kernel(x[start : start + rows], x[start:], usual)  # what lies left of it is the same once more
        block.diagonal().zero_()
        block[:, :rows] /= 2
        total += (w[start : start + rows] * (block @ w[start:])).sum(0, dtype=torch.float64)
    return 2 * total
