"""Samples beside the training pictures nearest to them, and which kinds of training pictures no sample shows."""

from dataclasses import dataclass

import torch

from artgan.metrics.clusters import mode_coverage
from artgan.metrics.neighbours import memorisation, nearest

NEAREST = 3
KINDS = 8
"""Pictures without classes are sorted into so many kinds by what is in them."""


@dataclass(frozen=True)
class Neighbour:
    """A training picture near a sample: its title, its place in the set, and how far it is.

    `distance` is in units of how far training pictures are from their nearest other one (median).
    """

    title: str
    place: int
    distance: float


@dataclass(frozen=True)
class Sample:
    """A sample, the training pictures nearest to it, and whether it is nearer to one than 99 % are to one another."""

    title: str
    place: int
    neighbours: tuple[Neighbour, ...]
    copy: bool


@dataclass(frozen=True)
class Likeness:
    """How new the samples are, and what they leave out.

    Attributes:
        samples: those asked for.
        closest: the nearest to any training picture of all, nearest first.
        copied: share of all samples that may be copies; about 0.01 is chance.
        fakes, reals: how many were compared.
        kinds: kinds of training pictures, found by their likeness.
        reached: how many of them at least one sample is of.
        missing: training pictures, (title, place), in the middle of the largest kinds that are not.
    """

    samples: tuple[Sample, ...]
    closest: tuple[Sample, ...]
    copied: float
    fakes: int
    reals: int
    kinds: int
    reached: int
    missing: tuple[tuple[str, int], ...]


def compare(
    fake: torch.Tensor, fake_titles: list[str], real: torch.Tensor, real_titles: list[str], asked: int, most: int = 6
) -> Likeness:
    """Find the training pictures nearest to samples.

    Args:
        fake: features (N, D) of samples.
        fake_titles: what to call them.
        real: features (M, D) of training pictures.
        real_titles: what to call those.
        asked: so many samples, the first, are told of in any case.
        most: how many of the closest, and of the missing kinds, are told of.

    Raises:
        UsageError: all training pictures are the same.
    """
    found = memorisation(real, fake)
    unit = float(nearest(real, real, exclude_self=True)[0].median()) or 1.0
    distances, rows = nearest(fake, real, k=NEAREST)

    def sample(place: int) -> Sample:
        near = zip(rows[place].tolist(), distances[place].tolist(), strict=True)
        neighbours = tuple(Neighbour(real_titles[row], row, round(apart / unit, 3)) for row, apart in near)
        return Sample(fake_titles[place], place, neighbours, bool(found.distance[place] < found.threshold))

    modes = mode_coverage(real, fake)
    missing = [place for place, reached in zip(modes.centre_index, modes.reached, strict=True) if not reached]
    return Likeness(
        samples=tuple(sample(place) for place in range(min(asked, len(fake)))),
        closest=tuple(sample(place) for place in distances[:, 0].argsort(stable=True)[:most].tolist()),
        copied=found.share,
        fakes=len(fake),
        reals=len(real),
        kinds=modes.clusters,
        reached=sum(modes.reached),
        missing=tuple((real_titles[place], place) for place in missing[:most]),
    )


def kinds_of(real: torch.Tensor, fake: torch.Tensor) -> tuple[list[int], list[int]]:
    """Kinds, from 0, of training pictures (N, D) and of samples (M, D), which take that of the nearest one."""
    kinds = mode_coverage(real, fake, clusters=min(KINDS, len(real))).assignment
    return kinds.tolist(), kinds[nearest(fake, real)[1][:, 0]].tolist()
