"""From features of two sets to figures with names, floors and plain words."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from artgan.errors import DatasetError, UsageError
from artgan.metrics.clusters import ModeCoverage, mode_coverage
from artgan.metrics.features import Seen
from artgan.metrics.frechet import Moments, fid_infinity, frechet_distance, moments
from artgan.metrics.inception_score import inception_score
from artgan.metrics.kernel import kid
from artgan.metrics.neighbours import density_coverage, diversity, memorisation, nearest, precision_recall
from artgan.metrics.networks import FeatureNetwork

FEW = 2000
"""With fewer pictures than this on a side the Frechet distance says more of the count than of the model."""
FEWEST_EXTRAPOLATED = 100
"""From fewer samples nothing can be said of endless ones."""
Better = Literal["lower", "higher", "near 1"]

_MEANINGS: dict[str, tuple[Better, str]] = {
    "fd": ("lower", "Distance between the sets as a whole, look and variety in one. Compare equal counts only."),
    "fdinf": ("lower", "The same, extrapolated to endless samples, so that the number of samples matters less."),
    "kid": ("lower", "Distance between the sets that is fair to small ones: 0 when both come from one source."),
    "is": ("higher", "Inception Score: sure of every sample's class, and many classes. Made for photographs."),
    "precision": ("higher", "Share of samples that look like some real picture."),
    "recall": ("higher", "Share of real pictures that look like some sample."),
    "density": ("higher", "How closely samples lie among real pictures; 1 as closely as these among themselves."),
    "coverage": ("higher", "Share of real pictures that have a sample near them."),
    "modes": ("higher", "Share of the kinds of real pictures (clusters) that the samples reach."),
    "memorised": ("lower", "Share of samples so near to a real picture that they may be copies of it."),
    "diversity": ("near 1", "How varied the samples are against the real pictures; far below 1 is collapse."),
}


@dataclass(frozen=True)
class Figure:
    """One line of a score.

    Attributes:
        name: metric, number of samples and features, such as fd2k_artgan.
        value: the figure.
        low, high: 95 % interval from resampling the pictures; None where none is drawn.
        floor: what real against real pictures gives, at the counts the result names; None where it is not known.
        better: which way is better.
        meaning: in plain words.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    floor: float | None
    better: Better
    meaning: str


@dataclass(frozen=True)
class ClassScore:
    """The Frechet distance within one class, with its counts and the floor of this class."""

    name: str
    value: float
    floor: float | None
    real: int
    fake: int


@dataclass(frozen=True)
class Evidence:
    """Pictures that show what the figures say, as places in their sets.

    Attributes:
        closest: (sample, real) pairs, nearest first: copies would be here.
        best: (sample, nearest real) of the samples that lie deepest among the real pictures.
        worst: (sample, nearest real) of those that lie farthest from them.
        missing: real pictures in the middle of kinds that no sample reaches.
    """

    closest: tuple[tuple[int, int], ...]
    best: tuple[tuple[int, int], ...]
    worst: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]


def counted(count: int) -> str:
    """A number of samples as part of a name: 2k for 2000."""
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)


def halves(real: Seen, fakes: int) -> tuple[Seen, Seen] | None:
    """The real pictures in two disjoint parts, the second as large as `fakes` or half of them; None if too few."""
    second = min(fakes, len(real) // 2)
    if second < 2:
        return None
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    return real.rows(order[second:]), real.rows(order[:second])


def find_modes(real: Seen, fake: Seen) -> ModeCoverage:
    """Which kinds of real pictures the samples reach.

    Raises:
        DatasetError: all real pictures are the same.
    """
    if not bool((real.values != real.values[0]).any()):
        raise DatasetError("All real pictures are the same.", "A score needs different ones to compare with.")
    return mode_coverage(real.values, fake.values)


def measure(
    real: Seen, fake: Seen, modes: ModeCoverage, network: FeatureNetwork, floors: dict[str, float]
) -> tuple[Figure, ...]:
    """All figures that two sets allow, the most telling first: below FEW pictures that is KID."""
    found = dict(_values(real, fake, modes))
    kernel = kid(real.values, fake.values)
    found["kid"] = kernel.value
    order = [*_MEANINGS]
    if min(len(real), len(fake)) < FEW:
        order.remove("kid")
        order.insert(0, "kid")
    figures = []
    for base in order:
        if base in found:
            better, meaning = _MEANINGS[base]
            low, high = (kernel.low, kernel.high) if base == "kid" else (None, None)
            name = name_of(base, len(fake), network.name)
            figures.append(Figure(name, found[base], low, high, floors.get(base), better, meaning))
    return tuple(figures)


def measure_floors(real: Seen, fakes: int) -> dict[str, float]:
    """What real against real pictures gives, at counts as near as the set allows."""
    parts = halves(real, fakes)
    if parts is None:
        return {}
    return {
        **dict(_values(*parts, find_modes(*parts))),
        "kid": kid(parts[0].values, parts[1].values, replicates=2).value,
    }


def measure_moments(real: Moments, fake: Moments, network: FeatureNetwork) -> tuple[Figure, ...]:
    """The one figure that saved means and covariances allow."""
    better, meaning = _MEANINGS["fd"]
    name = name_of("fd", fake.count, network.name)
    return (Figure(name, frechet_distance(real, fake), None, None, None, better, meaning),)


def name_of(base: str, count: int, network: str) -> str:
    """fd2k_artgan; on the 2015 Inception, and there alone, fid2k."""
    number = counted(count) if count else ""
    if network == "inception":
        return base.replace("fd", "fid") + number
    return f"{base}{number}_{network}"


def _values(real: Seen, fake: Seen, modes: ModeCoverage) -> Iterator[tuple[str, float]]:
    of_real = moments(real.values)
    yield "fd", frechet_distance(of_real, moments(fake.values))
    if len(fake) >= FEWEST_EXTRAPOLATED:
        yield "fdinf", fid_infinity(of_real, fake.values)
    if fake.logits is not None:
        yield "is", inception_score(fake.logits)
    yield from zip(("precision", "recall"), precision_recall(real.values, fake.values), strict=True)
    yield from zip(("density", "coverage"), density_coverage(real.values, fake.values), strict=True)
    yield "modes", modes.share
    with contextlib.suppress(UsageError):  # where every real picture has a copy, nearness says nothing
        yield "memorised", memorisation(real.values, fake.values).share
    yield "diversity", diversity(real.values, fake.values)


def measure_classes(
    real: Seen, real_labels: tuple[str, ...], fake: Seen, fake_labels: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    """The Frechet distance class by class, for the classes that both sides have; labels are by row."""
    scores = []
    for name in sorted(set(real_labels) & set(fake_labels)):
        ours = real.rows(torch.tensor([row for row, label in enumerate(real_labels) if label == name]))
        theirs = fake.rows(torch.tensor([row for row, label in enumerate(fake_labels) if label == name]))
        if min(len(ours), len(theirs)) < 2:
            continue
        parts = halves(ours, len(theirs))
        floor = frechet_distance(moments(parts[0].values), moments(parts[1].values)) if parts else None
        value = frechet_distance(moments(ours.values), moments(theirs.values))
        scores.append(ClassScore(name, value, floor, len(ours), len(theirs)))
    return tuple(scores)


def find_evidence(real: Seen, fake: Seen, modes: ModeCoverage, most: int = 12) -> Evidence:
    """The pictures that a person should look at beside the figures."""
    distances, places = nearest(fake.values, real.values, k=min(5, len(real)))
    depth, first = distances.mean(1), places[:, 0]

    def pairs(rows: torch.Tensor) -> tuple[tuple[int, int], ...]:
        return tuple((fake.places[row], real.places[int(first[row])]) for row in rows.tolist())

    missing = [centre for centre, reached in zip(modes.centre_index, modes.reached, strict=True) if not reached]
    return Evidence(
        closest=pairs(distances[:, 0].argsort(stable=True)[:most]),
        best=pairs(depth.argsort(stable=True)[:most]),
        worst=pairs(depth.argsort(descending=True, stable=True)[:most]),
        missing=tuple(real.places[centre] for centre in missing[:most]),
    )
