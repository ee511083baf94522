"""What moves, turns, scales or shuffles both sides alike changes no score, or changes it by a known factor."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.errors import UsageError
from artgan.metrics.frechet import frechet_between, frechet_distance, moments
from artgan.metrics.inception_score import inception_score
from artgan.metrics.kernel import kid
from artgan.metrics.neighbours import density_coverage, diversity, memorisation, nearest, precision_recall

seeds = st.integers(0, 2**32)
Pair = tuple[torch.Tensor, torch.Tensor]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Two sets of 2 to 40 rows and 1 to 30 columns, some directions of which are flat, and some rows twice there."""
    generator = torch.Generator().manual_seed(draw(seeds))
    width, rank = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    directions = torch.randn(rank, width, generator=generator, dtype=torch.float64)
    sides = [
        torch.randn(draw(st.integers(2, 40)), rank, generator=generator, dtype=torch.float64) @ directions
        for _ in range(2)
    ]
    if draw(st.booleans()):
        sides[0][1] = sides[0][0]
    return sides[0], sides[1] * draw(st.floats(0.1, 3)) + draw(st.floats(-2, 2))


def orthonormal(width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    turn: torch.Tensor = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q
    return turn


def size(pair: Pair) -> float:
    """What a Frechet distance of these sets is rounded relative to: their own squared size."""
    return float(sum(side.square().sum(1).mean() for side in pair))


@settings(max_examples=60, deadline=None)
@given(pair=pairs(), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), seed=seeds)
def test_the_frechet_distance_is_a_squared_distance(pair: Pair, scale: float, shift: float, seed: int) -> None:
    x, y = pair
    found, rounding = frechet_between(x, y), 1e-6 * size(pair)
    turn = orthonormal(x.shape[1], seed)
    assert found >= 0
    assert frechet_between(y, x) == pytest.approx(found, abs=rounding)
    assert frechet_between(x + shift, y + shift) == pytest.approx(found, abs=rounding)
    assert frechet_between(x @ turn, y @ turn) == pytest.approx(found, abs=rounding)
    assert frechet_between(x * scale, y * scale) == pytest.approx(found * scale**2, abs=rounding * scale**2)
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(found, abs=rounding)
    assert frechet_distance(moments(y), moments(x)) == pytest.approx(found, abs=rounding)
    between_means = float((x.mean(0) - y.mean(0)).square().sum())
    assert found >= between_means - rounding


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), seed=seeds)
def test_the_kernel_distance_knows_no_order_and_no_axes(pair: Pair, seed: int) -> None:
    x, y = pair
    generator = torch.Generator().manual_seed(seed)
    found = kid(x, y, replicates=10).value
    rounding = 1e-5 * float((max(x.square().sum(1).max(), y.square().sum(1).max()) / x.shape[1] + 1) ** 3)
    shuffled = x[torch.randperm(len(x), generator=generator)], y[torch.randperm(len(y), generator=generator)]
    turn = orthonormal(x.shape[1], seed)
    assert kid(*shuffled, replicates=10).value == pytest.approx(found, abs=rounding)
    assert kid(y, x, replicates=10).value == pytest.approx(found, abs=rounding)
    assert kid(x @ turn, y @ turn, replicates=10).value == pytest.approx(found, abs=rounding)


@settings(max_examples=60, deadline=None)
@given(
    pair=pairs(), scale=st.sampled_from((1e-6, 0.5, 1024.0)), shift=st.floats(-10, 10), k=st.integers(1, 8), seed=seeds
)
def test_scores_of_neighbours_know_no_order_no_origin_and_no_unit(
    pair: Pair, scale: float, shift: float, k: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    real, fake = pair
    turn = orthonormal(real.shape[1], seed)
    moved = [(side[torch.randperm(len(side), generator=generator)] @ turn + shift) * scale for side in (real, fake)]
    precision, recall = precision_recall(real, fake, k)
    density, coverage = density_coverage(real, fake, k)
    assert min(precision, recall, density, coverage) >= 0
    assert max(precision, recall, coverage) <= 1
    assert precision_recall(fake, real, k) == (recall, precision)
    assert precision_recall(moved[0], moved[1], k) == pytest.approx((precision, recall))
    assert density_coverage(moved[0], moved[1], k) == pytest.approx((density, coverage))
    assert (density > 0) == (precision_recall(real, fake, k)[0] > 0) == (coverage > 0)
    try:
        assert diversity(moved[0], moved[1]) == pytest.approx(diversity(real, fake))
        assert memorisation(moved[0], moved[1]).share == pytest.approx(memorisation(real, fake).share)
    except UsageError:
        assert nearest(real, real, exclude_self=True)[0].max() == 0, "only two equal pictures are refused"


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 50), classes=st.integers(1, 20), scale=st.floats(0, 30), shift=st.floats(-9, 9), seed=seeds)
def test_the_inception_score_lies_between_one_and_the_number_of_classes(
    count: int, classes: int, scale: float, shift: float, seed: int
) -> None:
    logits = torch.randn(count, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale
    found = inception_score(logits)
    assert 1 - 1e-9 <= found <= min(classes, count) + 1e-9
    assert inception_score(logits + shift) == pytest.approx(found)
    assert inception_score(logits.flip(0).flip(1)) == pytest.approx(found)
    p = logits.softmax(1)
    by_definition = math.exp(float((p * (p / p.mean(0)).log().nan_to_num(neginf=0)).sum(1).mean()))
    assert found == pytest.approx(by_definition)


@pytest.mark.parametrize("classes", [1, 2, 10, 1008])
def test_the_inception_score_of_clear_cases(classes: int) -> None:
    assert inception_score(torch.full((7, classes), 3.5)) == pytest.approx(1, rel=1e-12)
    balanced = torch.eye(classes).repeat(3, 1) * 1000
    assert inception_score(balanced) == pytest.approx(classes, rel=1e-9)
    assert inception_score(balanced[:1].repeat(5, 1)) == pytest.approx(1, rel=1e-12), "always the same class"
    with pytest.raises(UsageError, match="not finite"):
        inception_score(balanced / 0.0)
