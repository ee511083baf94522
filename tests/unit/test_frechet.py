"""The Frechet distance, where its value is known without a computer."""

import itertools
import math

import pytest
import torch

from artgan.errors import UsageError
from artgan.metrics.frechet import Moments, fid_infinity, frechet_between, frechet_distance, moments


def given_by(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(torch.tensor(mean).double(), torch.tensor(covariance).double(), 100)


def gaussian(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_moments_are_those_of_the_textbook() -> None:
    features = gaussian(2500, 7, seed=0) * torch.arange(1, 8) + 100
    found = moments(features)
    torch.testing.assert_close(found.mean, features.mean(0))
    torch.testing.assert_close(found.covariance, torch.cov(features.T))
    assert found.count == 2500


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_any_float_is_summed_up_in_float64(dtype: torch.dtype) -> None:
    features = (gaussian(300, 5, seed=1) + 3).to(dtype)
    found = moments(features)
    assert found.mean.dtype == found.covariance.dtype == torch.float64
    torch.testing.assert_close(found.covariance, torch.cov(features.double().T))
    assert frechet_between(features, features + 1) == pytest.approx(frechet_between(features.double(), features + 1))


def test_shifted_by_one_in_2048_directions() -> None:
    a = Moments(torch.zeros(2048).double(), torch.eye(2048).double(), 10_000)
    b = Moments(torch.ones(2048).double(), torch.eye(2048).double(), 10_000)
    assert frechet_distance(a, b) == pytest.approx(2048, rel=1e-6)


def test_covariances_that_do_not_commute() -> None:
    a = given_by([0, 0], [[2, 1], [1, 2]])
    b = given_by([0, 0], [[3, 0], [0, 1]])
    assert frechet_distance(a, b) == pytest.approx(8 - 2 * math.sqrt(14), rel=1e-12)


def test_covariances_that_commute() -> None:
    ones = torch.tensor([4.0, 9.0, 0.25, 1e-6]).double()
    others = torch.tensor([1.0, 16.0, 0.25, 1e-2]).double()
    zero = torch.zeros(4).double()
    found = frechet_distance(Moments(zero, ones.diag(), 9), Moments(zero, others.diag(), 9))
    assert found == pytest.approx(float((ones.sqrt() - others.sqrt()).square().sum()), rel=1e-9)


def test_covariances_without_full_rank() -> None:
    """Of rank one they are a a^T and b b^T, and the trace of the root is |a.b|."""
    a, b = gaussian(2, 300, seed=2)
    zero = torch.zeros(300).double()
    found = frechet_distance(Moments(zero, a.outer(a), 9), Moments(zero, b.outer(b), 9))
    assert found == pytest.approx(float(a @ a + b @ b - 2 * (a @ b).abs()), rel=1e-9)
    flat = Moments(zero, torch.zeros(300, 300).double(), 9)
    assert frechet_distance(flat, Moments(zero, torch.eye(300).double(), 9)) == pytest.approx(300)
    assert frechet_distance(Moments(zero, torch.eye(300).double(), 9), flat) == pytest.approx(300)


def test_equal_sides_are_exactly_zero_apart_and_a_changed_order_is_no_less() -> None:
    for count, width in ((300, 20), (15, 60)):
        features = gaussian(count, width, seed=3) + 5
        assert frechet_distance(moments(features), moments(features.clone())) == 0
        assert frechet_between(features, features.clone()) == 0
        assert 0 <= frechet_between(features, features.flip(0)) < 1e-6


@pytest.mark.parametrize(
    ("n", "m", "width"), [(5, 7, 40), (39, 40, 40), (30, 25, 40), (2, 3, 64), (200, 6, 40), (2, 500, 40)]
)
def test_both_ways_agree(n: int, m: int, width: int) -> None:
    scales = torch.linspace(0.1, 2, width)
    x, y = gaussian(n, width, seed=4) * scales, gaussian(m, width, seed=5) * scales.flip(0) + 0.3
    assert frechet_between(x, y) == pytest.approx(frechet_distance(moments(x), moments(y)), rel=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.zeros(5, 3), torch.zeros(5, 4), "3 and 4"),
        (torch.zeros(5, 3), torch.zeros(1, 3), "at least 2"),
        (torch.zeros(0, 3), torch.zeros(5, 3), "has 0"),
        (torch.full((5, 3), torch.nan), torch.zeros(5, 3), "not finite"),
        (torch.zeros(5, 3), torch.full((5, 3), -torch.inf), "not finite"),
        (torch.zeros(5, 3, dtype=torch.int64), torch.zeros(5, 3), "int64"),
        (torch.zeros(5, 3, 2), torch.zeros(5, 3), "not a matrix"),
        (torch.zeros(5, 0), torch.zeros(5, 0), "not a matrix"),
    ],
)
def test_features_that_make_no_sense_are_refused(x: torch.Tensor, y: torch.Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        frechet_between(x, y)
    assert caught.value.hint


def test_moments_that_make_no_sense_are_refused() -> None:
    fine = given_by([0, 0], [[1, 0], [0, 1]])
    with pytest.raises(UsageError, match="do not fit"):
        frechet_distance(fine, given_by([0], [[1]]))
    with pytest.raises(UsageError, match="do not fit"):
        frechet_distance(fine, given_by([0, 0], [[1]]))
    with pytest.raises(UsageError, match="not finite"):
        frechet_distance(fine, given_by([0, math.inf], [[1, 0], [0, 1]]))
    with pytest.raises(UsageError, match="not finite"):
        frechet_distance(given_by([0, 0], [[1, math.nan], [0, 1]]), fine)
    with pytest.raises(UsageError, match="do not fit"):
        fid_infinity(fine, gaussian(10, 3, seed=0))
    with pytest.raises(UsageError, match="at least 4"):
        fid_infinity(fine, gaussian(3, 2, seed=0))
    with pytest.raises(UsageError, match="1 points"):
        fid_infinity(fine, gaussian(10, 2, seed=0), points=1)


@pytest.mark.parametrize("width", [3, 12])
def test_the_line_goes_through_the_distances_of_subsets(width: int) -> None:
    """Through two sizes, n / 2 and n, it meets the axis at 2 F(n) - F(n / 2), where F(n / 2) is that of some half."""
    real = moments(gaussian(50, width, seed=6))
    fakes = gaussian(6, width, seed=7) * 2 + 1
    half = 2 * frechet_distance(real, moments(fakes)) - fid_infinity(real, fakes, points=2)
    halves = [frechet_distance(real, moments(fakes[list(rows)])) for rows in itertools.combinations(range(6), 3)]
    assert min(abs(half - one) for one in halves) < 1e-9 * half


def test_extrapolation_removes_most_of_what_few_fakes_add() -> None:
    width, count = 48, 500
    real = Moments(torch.zeros(width).double(), torch.eye(width).double(), 1_000_000)
    truth = width * 0.1**2 + width * (1.1 - 1) ** 2
    plain, extrapolated = [], []
    for seed in range(8):
        fakes = gaussian(count, width, seed) * 1.1 + 0.1
        plain.append(frechet_distance(real, moments(fakes)) - truth)
        extrapolated.append(fid_infinity(real, fakes, seed=seed) - truth)
    assert min(plain) > 0.5
    assert abs(sum(extrapolated)) < sum(plain) / 5


def test_extrapolation_is_decided_by_its_seed_alone() -> None:
    real, fakes = moments(gaussian(60, 6, seed=8)), gaussian(60, 6, seed=9)
    state = torch.random.get_rng_state()
    first = fid_infinity(real, fakes, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(1)
    # Not to the last bit: the linear algebra below rounds by where its buffers happen to lie.
    assert fid_infinity(real, fakes, seed=1) == pytest.approx(first, rel=1e-12)
    assert fid_infinity(real, fakes, seed=2) != pytest.approx(first, rel=1e-6)
