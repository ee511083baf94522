"""Which kinds of real pictures a generator paints, and which it leaves out."""

from dataclasses import dataclass

import torch

from artgan.engine.seeds import Streams
from artgan.errors import UsageError
from artgan.metrics.frechet import check_features
from artgan.metrics.neighbours import SAME, SLACK, nearest, spread, squared_distances, standardise

_RESTARTS, _STEPS, _TRIES = 3, 100, 5
_INSIDE = 0.95
"""Share of a kind's own pictures that its radius takes in."""


@dataclass(frozen=True)
class ModeCoverage:
    """The kinds of real pictures, largest first, and whether fakes reach them.

    Attributes:
        share: share of the kinds that are reached, in [0, 1].
        clusters: how many kinds there are.
        reached: whether a fake is of that kind.
        sizes: real pictures of each kind.
        fakes: fakes whose nearest centre is that kind's, near enough to be of it or not.
        assignment: (N,) int64, the kind of each real picture.
        centre_index: row of the real picture nearest to each centre.
    """

    share: float
    clusters: int
    reached: tuple[bool, ...]
    sizes: tuple[int, ...]
    fakes: tuple[int, ...]
    assignment: torch.Tensor
    centre_index: tuple[int, ...]


def mode_coverage(
    real: torch.Tensor, fake: torch.Tensor, *, clusters: int | None = None, seed: int = 0
) -> ModeCoverage:
    """Share of the kinds of real pictures that at least one fake belongs to.

    The kinds are the clusters that k-means finds among the real features. A fake belongs to the kind whose centre is
    nearest to it, when it is no farther from that centre than 95 % of the kind's own pictures are. These are measured
    from the mean of the others of their kind, as a fake is that had no part in the centre. A kind of a single picture,
    or of one picture repeated, has no radius of its own and borrows the median of the others'; when no kind has one,
    half the way between the two nearest centres.

    The more fakes, the more kinds are reached: compare only equal numbers, and with other real pictures in their place.

    Args:
        real: (N, D).
        fake: (M, D).
        clusters: how many kinds to look for, by default one for every 20 real pictures, from 2 to 50; fewer are found
            when there are fewer different pictures.
        seed: where k-means begins.

    Raises:
        UsageError: clusters below 1, all real pictures the same, or features that do not fit each other, are too few
            or not finite.
    """
    check_features(real, fake)
    if clusters is None:
        clusters = min(50, max(2, len(real) // 20))
    if clusters < 1:
        raise UsageError(f"Pictures cannot be of {clusters} kinds.", "Ask for 1 or more.")
    rounding = SAME * spread(real)
    assignment, sizes = _by_size(_k_means(real, min(clusters, len(real)), seed))
    kinds = len(sizes)
    centres = torch.zeros(kinds, real.shape[1], dtype=torch.float64)
    centres = centres.index_add_(0, assignment, real.double()) / sizes[:, None]
    radii, middle = [], []
    for kind in range(kinds):
        members = (assignment == kind).nonzero().flatten()
        own = (real[members] - centres[kind]).norm(dim=1)
        middle.append(int(members[own.argmin()]))
        # The mean of the others is n / (n - 1) times as far away as the mean of all.
        radii.append(own.quantile(_INSIDE) * len(members) / max(len(members) - 1, 1))
    limits = _lend(torch.stack(radii), centres, rounding)
    distance, nearest_kind = (column[:, 0] for column in nearest(fake, centres))
    reached = nearest_kind[distance <= limits[nearest_kind]].bincount(minlength=kinds) > 0
    return ModeCoverage(
        share=float(reached.double().mean()),
        clusters=kinds,
        reached=tuple(reached.tolist()),
        sizes=tuple(sizes.tolist()),
        fakes=tuple(nearest_kind.bincount(minlength=kinds).tolist()),
        assignment=assignment,
        centre_index=tuple(middle),
    )


def _lend(radii: torch.Tensor, centres: torch.Tensor, rounding: float) -> torch.Tensor:
    """The radii, with those that are no more than rounding replaced."""
    flat = radii <= rounding
    if not flat.any():
        return radii
    lent = nearest(centres, centres, exclude_self=True)[0].min() / 2 if flat.all() else radii[~flat].median()
    return torch.where(flat, lent, radii)


def _by_size(assignment: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The assignment (N,) with its kinds numbered anew, largest first and none empty, and their sizes."""
    _, renumbered, sizes = assignment.unique(return_inverse=True, return_counts=True)
    order = sizes.argsort(descending=True, stable=True)
    return order.argsort()[renumbered], sizes[order]


def _k_means(features: torch.Tensor, clusters: int, seed: int) -> torch.Tensor:
    """The cluster (N,) of each row, from the best of a few starts."""
    points, _, _ = standardise(features, features)
    found = []
    for restart in range(_RESTARTS):
        centres = _start(points, clusters, Streams(seed).generator("k-means", restart))
        found.append(_settle(points, centres))
    return min(found, key=lambda result: result[1])[0]


def _start(points: torch.Tensor, clusters: int, generator: torch.Generator) -> torch.Tensor:
    """Centres (at most `clusters`, D): greedy k-means++ (Arthur & Vassilvitskii 2007, section 2.2).

    Rows are drawn with the squared distance to the centres so far for a weight; of a few, the one is kept that brings
    the others nearest. It ends early when every row is as good as a centre.
    """

    def gaps_to(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat(list(squared_distances(points, points[rows], SLACK))).clamp_min_(0)

    chosen = torch.randint(len(points), (1,), generator=generator)
    gaps = gaps_to(chosen)[:, 0]
    while len(chosen) < clusters and gaps.max() > 0:
        tries = gaps.multinomial(_TRIES, replacement=True, generator=generator)
        nearer = torch.minimum(gaps[:, None], gaps_to(tries))
        best = nearer.sum(0).argmin()
        chosen = torch.cat([chosen, tries[best, None]])
        gaps = nearer[:, best]
    return points[chosen]


def _settle(points: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Lloyd's iteration: the cluster (N,) of each row, and the sum of squared distances to the centres."""
    assignment, cost = torch.full((len(points),), -1), 0.0
    for _ in range(_STEPS):
        nearer = [block.min(1) for block in squared_distances(points, centres)]
        moved, before = torch.cat([block.indices for block in nearer]), assignment
        assignment, cost = moved, sum(float(block.values.sum()) for block in nearer)
        if moved.equal(before):
            break
        counts = moved.bincount(minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add_(0, moved, points)
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
    return assignment, cost
