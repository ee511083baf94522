"""Frechet distance between two sets of features, each taken for a Gaussian. It is an FID only on Inception-2015's."""

from dataclasses import dataclass

import torch

from artgan.engine.seeds import Streams
from artgan.errors import UsageError

_ROWS = 1024
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Moments:
    """What the Frechet distance needs to know of a set of pictures.

    Attributes:
        mean: (D,) float64.
        covariance: (D, D) float64, the unbiased estimate.
        count: pictures they were computed from.
    """

    mean: torch.Tensor
    covariance: torch.Tensor
    count: int


def check_features(*sets: torch.Tensor, least: int = 2) -> None:
    """Refuse features that no score can be computed from.

    Args:
        sets: float matrices, one row for each picture; all equally wide.
        least: rows that each of them must have.

    Raises:
        UsageError: one of them is no such matrix, has too few rows or numbers that are not finite.
    """
    for features in sets:
        if features.ndim != 2 or not features.is_floating_point() or not features.shape[1]:
            raise UsageError(
                f"Features of shape {tuple(features.shape)} and {features.dtype} are not a matrix of real numbers.",
                "Give one row of floats for each picture.",
            )
        if len(features) < least:
            raise UsageError(
                f"A score needs at least {least} pictures on each side, and one side has {len(features)}.",
                "Add pictures to the folder, or ask for more samples.",
            )
        if features.shape[1] != sets[0].shape[1]:
            raise UsageError(
                f"The features of the two sides differ in width: {sets[0].shape[1]} and {features.shape[1]}.",
                "Compute both with the same encoder.",
            )
        if not features.isfinite().all():
            raise UsageError(
                "Some features are not finite numbers.",
                "Compute them in float32, and look for a damaged picture or a generator that exploded.",
            )


def moments(features: torch.Tensor) -> Moments:
    """Mean and unbiased covariance of features (N, D), in float64.

    Raises:
        UsageError: fewer than 2 rows, or numbers that are not finite.
    """
    check_features(features)
    mean = features.mean(0, dtype=torch.float64)
    covariance = mean.new_zeros(len(mean), len(mean))
    for block in features.split(_ROWS):
        centred = block.double() - mean
        covariance.addmm_(centred.T, centred)
    return Moments(mean, covariance / (len(features) - 1), len(features))


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m1 - m2|^2 + Tr(C1 + C2 - 2 sqrt(C1 C2)): 0 for equal moments, never below (Heusel et al. 2017, eq. 6).

    With C1 = A A^T the trace of the root is the sum of the roots of the eigenvalues of A^T C2 A, which is symmetric; so
    nothing becomes complex. Directions that carry no more than rounding count as flat.

    Raises:
        UsageError: the moments do not fit each other, or are not finite.
    """
    for side in (a, b):
        _check_moments(side, len(a.mean))
    if torch.equal(a.mean, b.mean) and torch.equal(a.covariance, b.covariance):
        return 0.0
    root = _root(a.covariance)
    traces = a.covariance.trace() + b.covariance.trace()
    overlap = _sum_of_roots(root.T @ b.covariance @ root)
    return float(((a.mean - b.mean).square().sum() + traces - 2 * overlap).clamp_min(0))


def frechet_between(x: torch.Tensor, y: torch.Tensor) -> float:
    """Frechet distance of two sets of features (N, D) and (M, D), by whichever way is shorter.

    For few pictures the trace of the root is the sum of the singular values of X Y^T, where X and Y are the centred
    features divided by the roots of N - 1 and M - 1: an (N, M) problem instead of a (D, D) one, with the same result.

    Raises:
        UsageError: the widths differ, a side has fewer than 2 rows, or numbers are not finite.
    """
    check_features(x, y)
    if torch.equal(x, y):
        return 0.0
    few, many = sorted((len(x), len(y)))
    if few**2 * many >= x.shape[1] ** 3:
        return frechet_distance(moments(x), moments(y))
    means = [side.mean(0, dtype=torch.float64) for side in (x, y)]
    a, b = ((side - mean) / (len(side) - 1) ** 0.5 for side, mean in zip((x, y), means, strict=True))
    overlap = torch.linalg.svdvals(a @ b.T).sum()
    traces = a.square().sum() + b.square().sum()
    return float(((means[0] - means[1]).square().sum() + traces - 2 * overlap).clamp_min(0))


def fid_infinity(real: Moments, fake_features: torch.Tensor, *, points: int = 15, seed: int = 0) -> float:
    """The Frechet distance that infinitely many fakes would have (Chong & Forsyth 2020).

    From N pictures the distance comes out too large by about a constant / N. So it is measured on random subsets of
    the fakes, of sizes from half of them to all, evenly spaced; a straight line is fitted to it over 1 / N, and its
    value at 0 is the result. (Smaller subsets bend the line: with D = 256 and 1,000 fakes, sizes from a tenth gave a
    result 0.08 too small where it should have been 0.07, those from half 0.015.)

    Only the side of the fakes is extrapolated; what too few real pictures add is still in it. The result may come out a
    little below 0 for a good generator, and is left so.

    Args:
        real: moments of the real pictures.
        fake_features: (N, D).
        points: how many subsets are measured.
        seed: chooses the subsets.

    Raises:
        UsageError: fewer than 4 fakes or 2 points, or features that do not fit the moments.
    """
    check_features(fake_features, least=4)
    _check_moments(real, fake_features.shape[1])
    if points < 2:
        raise UsageError(f"A line through {points} points has no direction.", "Ask for at least 2 points.")
    count = len(fake_features)
    root = _root(real.covariance)
    centred = fake_features - real.mean
    inside = centred @ root
    if count < inside.shape[1]:  # fewer rows than directions: the same inner products in fewer columns
        inside = torch.linalg.qr(inside.T, mode="r").R.T
    products, column_sums, square_sums = inside.T @ inside, inside.sum(0), centred.square().sum(1)
    generator = Streams(seed).generator("subsets")
    sizes = torch.linspace(count // 2, count, points).round().long().unique()
    distances = []
    for size in sizes.tolist():
        # Subtracting what is left out is less work than adding up what is kept.
        left_out = torch.randperm(count, generator=generator)[size:]
        keep = torch.ones(count, dtype=torch.float64).index_fill_(0, left_out, 0)
        lost = inside[left_out]
        sums = column_sums - lost.sum(0)
        covariance = (products - lost.T @ lost - sums.outer(sums) / size) / (size - 1)
        shift = (keep @ centred / size).square().sum()
        trace = (keep @ square_sums - size * shift) / (size - 1)
        distances.append(shift + real.covariance.trace() + trace - 2 * _sum_of_roots(covariance))
    line = torch.stack([torch.ones(len(sizes), dtype=torch.float64), 1 / sizes.double()], 1)
    return float(torch.linalg.lstsq(line, torch.stack(distances)[:, None]).solution[0])


def _check_moments(side: Moments, width: int) -> None:
    if side.mean.shape != (width,) or side.covariance.shape != (width, width):
        raise UsageError(
            f"Moments of {tuple(side.mean.shape)} and {tuple(side.covariance.shape)} do not fit {width} features.",
            "Compute both sides with the same encoder.",
        )
    if not (side.mean.isfinite().all() and side.covariance.isfinite().all()):
        raise UsageError("Some moments are not finite numbers.", "Compute them again from finite features.")


def _root(covariance: torch.Tensor) -> torch.Tensor:
    """A matrix A (D, rank) with A A^T the covariance."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    kept = values > values[-1] * len(values) * _EPS
    root: torch.Tensor = vectors[:, kept] * values[kept].sqrt()
    return root


def _sum_of_roots(matrix: torch.Tensor) -> torch.Tensor:
    """Sum of the roots of the eigenvalues, those that are no more than rounding left out."""
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    # The root of a rounding error of 1e-16 is 1e-8, and there may be thousands of them.
    total: torch.Tensor = values[values > values[-1:].sum() * len(values) * _EPS].sqrt().sum()
    return total
