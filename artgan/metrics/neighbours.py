"""Which picture lies nearest to which: fidelity, coverage, copies and diversity, from features alone.

Matrices of distances are computed in float32 and in blocks of rows, so 10,000 pictures a side need no more memory than
a thousand. Neighbours are ranked by them; the distances that are returned are computed again in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from artgan.errors import UsageError
from artgan.metrics.frechet import check_features

_ROWS, _ELEMENTS = 1024, 1 << 22
"""Rows in a block of features, and numbers in a block of a distance matrix."""
SLACK = 2e-6
"""Share of two squared lengths by which their squared distance may be rounded."""
SAME = 1e-5
"""Pictures nearer than this share of the spread are the same: an encoder's rounding can move them so far."""


@dataclass(frozen=True)
class Memorisation:
    """How many fakes are copies.

    Attributes:
        share: share of the fakes that lie nearer to a training picture than `threshold`, in [0, 1].
        threshold: the distance that 99 % of training pictures keep from one another's nearest.
        nearest: (M,) int64, row of the training picture nearest to each fake.
        distance: (M,) float64, how far it is away.
    """

    share: float
    threshold: float
    nearest: torch.Tensor
    distance: torch.Tensor


def precision_recall(real: torch.Tensor, fake: torch.Tensor, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, eq. 1 and 2).

    Around every real picture lies a ball that reaches to its k-th nearest other real picture. Precision is the share of
    the fakes that lie in at least one ball; recall is the same with the sides exchanged.

    Args:
        real: (N, D).
        fake: (M, D).
        k: which neighbour a ball reaches to; a side with no more than k rows takes its farthest neighbour.

    Returns:
        (precision, recall), both in [0, 1].

    Raises:
        UsageError: k below 1, or features that do not fit each other, are too few or not finite.
    """
    check_features(real, fake)
    in_real, _ = _count_inside(fake, real, _radii(real, k))
    in_fake, _ = _count_inside(real, fake, _radii(fake, k))
    return _share(in_real > 0), _share(in_fake > 0)


def density_coverage(real: torch.Tensor, fake: torch.Tensor, k: int = 5) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020, section 3): precision and recall that outliers do not spoil.

    With the balls of `precision_recall` around the real pictures, density is the mean number of balls a fake lies in,
    divided by k; coverage is the share of the balls that hold a fake. Two samples of one distribution, equally large,
    have a density of about 1 and a coverage of about 1 - 2^-k.

    Args:
        real: (N, D).
        fake: (M, D).
        k: which neighbour a ball reaches to; lowered to N - 1 when there are no more than k real pictures.

    Returns:
        (density, coverage); density may be above 1, coverage is in [0, 1].

    Raises:
        UsageError: k below 1, or features that do not fit each other, are too few or not finite.
    """
    check_features(real, fake)
    balls, fakes = _count_inside(fake, real, _radii(real, k))
    return float(balls.double().mean()) / min(k, len(real) - 1), _share(fakes > 0)


def nearest(
    queries: torch.Tensor, keys: torch.Tensor, exclude_self: bool = False, k: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """The k nearest keys of every query.

    Args:
        queries: (N, D).
        keys: (M, D).
        exclude_self: queries and keys are the same rows, and none is its own neighbour.
        k: how many; lowered to the number of keys there are.

    Returns:
        Distances (N, k) float64, ascending and exactly 0 between equal rows; and rows of keys (N, k) int64. Which of
        two keys is nearer is told apart down to about a thousandth of the spread of the keys.

    Raises:
        UsageError: k below 1, or features that do not fit each other, are too few or not finite.
    """
    check_features(queries, keys, least=1 + exclude_self)
    if k < 1:
        raise UsageError(f"k = {k} asks for no neighbour.", "Give k as 1 or more.")
    k = min(k, len(keys) - exclude_self)
    distances, indices = [], []
    start = 0
    for block in squared_distances(*standardise(queries, keys)[:2]):
        if exclude_self:
            block.diagonal(start).fill_(torch.inf)
        found = block.topk(k, largest=False).indices
        near = torch.stack([_distance(queries[start : start + len(block)], keys[column]) for column in found.T], 1)
        ascending = near.sort(stable=True, dim=1)
        distances.append(ascending.values)
        indices.append(found.gather(1, ascending.indices))
        start += len(block)
    return torch.cat(distances), torch.cat(indices)


def memorisation(train: torch.Tensor, fake: torch.Tensor) -> Memorisation:
    """Which fakes are nearer to a training picture than 99 % of training pictures are to their nearest other one.

    New pictures of the same distribution give a share of about 0.01 (with fewer than a hundred training pictures, of
    up to one in as many); copies give 1. When so many training pictures have a copy that the threshold would be 0, it
    is taken from those that have none.

    Args:
        train: (N, D), the very pictures trained on.
        fake: (M, D).

    Raises:
        UsageError: all training pictures are the same, or features do not fit each other, are too few or not finite.
    """
    check_features(train, fake)
    rounding = SAME * spread(train)
    among, _ = nearest(train, train, exclude_self=True)
    threshold = among.quantile(0.01)
    if threshold <= rounding:
        apart = among[among > rounding]
        if not len(apart):
            raise UsageError(
                "Every training picture has an exact copy among the others.",
                "Remove the copies: without them one can tell what is as near as a copy.",
            )
        threshold = apart.quantile(0.01)
    distance, index = nearest(fake, train)
    return Memorisation(_share(distance[:, 0] < threshold), float(threshold), index[:, 0], distance[:, 0])


def diversity(real: torch.Tensor, fake: torch.Tensor) -> float:
    """Root mean squared distance of two different fakes, by that of two real pictures: 1 is as varied, 0 all the same.

    Args:
        real: (N, D).
        fake: (M, D).

    Raises:
        UsageError: all real pictures are the same, or features do not fit each other, are too few or not finite.
    """
    check_features(real, fake)
    return _deviation(fake) / spread(real)


def spread(features: torch.Tensor) -> float:
    """Root mean squared distance of pictures (N, D) from their mean, unbiased.

    Raises:
        UsageError: they are all the same.
    """
    deviation = _deviation(features)
    if not deviation:
        raise UsageError("All real pictures are the same.", "Give a folder of different pictures.")
    return deviation


def standardise(points: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Both moved to the mean of the centres and divided by one number, float32, and that number.

    About 0 and of size 1 they lose least to rounding in |x|^2 + |y|^2 - 2 x.y.
    """
    mean = centres.mean(0, dtype=torch.float64)
    scale = _deviation(centres) if len(centres) > 1 else 0.0
    scale = scale or 1.0
    return (points - mean).div_(scale).float(), (centres - mean).div_(scale).float(), scale


def squared_distances(points: torch.Tensor, centres: torch.Tensor, slack: float = 0.0) -> Iterator[torch.Tensor]:
    """Squared distances (rows, M) of a block of points after the other to all centres (M, D).

    Args:
        points: (N, D).
        centres: (M, D).
        slack: share of both squared lengths to take off, for rounding never to make a distance too long.
    """
    lengths = centres.square().sum(1) * (1 - slack)
    for some in points.split(max(1, _ELEMENTS // len(centres))):
        own = some.square().sum(1, keepdim=True) * (1 - slack)
        yield torch.addmm(lengths, some, centres.T, alpha=-2).add_(own)


def _count_inside(
    points: torch.Tensor, centres: torch.Tensor, radii: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """How many balls each point (N,) lies in, and how many points lie in each ball (M,); the rim is inside."""
    points, centres, scale = standardise(points, centres)
    limits = (radii / scale).square().float()
    of_points, of_balls = [], torch.zeros(len(centres), dtype=torch.int64)
    for block in squared_distances(points, centres, SLACK):
        inside = block <= limits
        of_points.append(inside.sum(1))
        of_balls += inside.sum(0)
    return torch.cat(of_points), of_balls


def _radii(features: torch.Tensor, k: int) -> torch.Tensor:
    return nearest(features, features, exclude_self=True, k=k)[0][:, -1]


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    lengths: torch.Tensor = (a.double() - b.double()).norm(dim=1)
    return lengths


def _deviation(features: torch.Tensor) -> float:
    """Root of the total variance; exactly 0 when all rows are the same."""
    first = features[0].double()
    mean = torch.stack([(block - first).sum(0) for block in features.split(_ROWS)]).sum(0) / len(features)
    squares = [(block - first - mean).square().sum() for block in features.split(_ROWS)]
    return float((torch.stack(squares).sum() / (len(features) - 1)).sqrt())


def _share(hits: torch.Tensor) -> float:
    return float(hits.double().mean())
