"""The kernel distance against plain loops, against its value for Gaussians, and its interval against chance."""

import math

import pytest
import torch

from artgan.errors import UsageError
from artgan.metrics import kernel
from artgan.metrics.kernel import kid


def gaussian(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def by_loops(x: torch.Tensor, y: torch.Tensor) -> float:
    def k(a: list[float], b: list[float]) -> float:
        return (math.fsum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    xs, ys = x.tolist(), y.tolist()
    within = [
        math.fsum(k(a, b) for i, a in enumerate(side) for j, b in enumerate(side) if i != j)
        / (len(side) * (len(side) - 1))
        for side in (xs, ys)
    ]
    return sum(within) - 2 * math.fsum(k(a, b) for a in xs for b in ys) / (len(xs) * len(ys))


def in_float64(x: torch.Tensor, y: torch.Tensor) -> float:
    x, y = x.double(), y.double()
    xx, yy, xy = ((a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = sum((k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1)) for k in (xx, yy))
    return float(within - 2 * xy.mean())


def of_gaussians(shift: float, width: int) -> float:
    """The true distance of N(0, I) and N(shift, I): with a = E x and b = E y, independent,

    E (x.y)^2 = D + |a|^2 + |b|^2 + (a.b)^2 and E (x.y)^3 = (a.b)^3 + 3 (a.b) (|a|^2 + |b|^2 + D + 2).
    """

    def mean_kernel(a2: float, b2: float, ab: float) -> float:
        second = width + a2 + b2 + ab**2
        third = ab**3 + 3 * ab * (a2 + b2 + width + 2)
        return 1 + 3 * ab / width + 3 * second / width**2 + third / width**3

    length = shift**2 * width
    return mean_kernel(0, 0, 0) + mean_kernel(length, length, length) - 2 * mean_kernel(0, length, 0)


@pytest.mark.parametrize(("n", "m", "width"), [(2, 2, 1), (9, 14, 3), (14, 9, 30)])
@pytest.mark.parametrize("elements", [1, 40, 1 << 22])
def test_it_is_the_sum_over_all_pairs(
    n: int, m: int, width: int, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_ELEMENTS", elements)
    x, y = gaussian(n, width, 0) + 1, gaussian(m, width, 1) * 1.5
    assert kid(x, y, replicates=5).value == pytest.approx(by_loops(x, y), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("shift", "offset", "scale"), [(0.0, 0.0, 1.0), (0.05, 0.0, 1.0), (0.05, 3.0, 1.0), (0.1, 0.5, 0.3)]
)
def test_float32_products_cost_no_more_than_a_millionth(shift: float, offset: float, scale: float) -> None:
    """Of the value, or of its interval where the value itself is no more than chance."""
    x, y = gaussian(2000, 512, 0) + offset, gaussian(2000, 512, 1) * scale + offset + shift
    found = kid(x, y, replicates=20)
    assert abs(found.value - in_float64(x, y)) < 1e-6 * max(abs(found.value), found.high - found.low)


def test_the_interval_of_equal_distributions_contains_zero() -> None:
    """In 95 % of the cases and, as the docstring admits, more. What would fail: pairs of a picture with itself."""
    found = [kid(gaussian(100, 16, 2 * seed), gaussian(80, 16, 2 * seed + 1), seed=seed) for seed in range(40)]
    assert sum(one.low <= 0 <= one.high for one in found) >= 37
    values = torch.tensor([one.value for one in found])
    assert abs(values.mean()) < 3 * values.std() / 40**0.5
    widths = torch.tensor([one.high - one.low for one in found])
    assert 3 < widths.mean() / values.std() < 8  # 3.9 standard deviations, and up to 1.8 times as much


def test_the_interval_of_different_distributions_contains_their_distance() -> None:
    truth = of_gaussians(0.4, 16)
    found = [kid(gaussian(100, 16, 2 * seed), gaussian(120, 16, 2 * seed + 1) + 0.4, seed=seed) for seed in range(40)]
    assert sum(one.low <= truth <= one.high for one in found) >= 35
    assert sum(one.low > 0 for one in found) == 40
    values = torch.tensor([one.value for one in found])
    assert abs(values.mean() - truth) < 3 * values.std() / 40**0.5
    widths = torch.tensor([one.high - one.low for one in found])
    assert 3 < widths.mean() / values.std() < 5


def test_a_lower_level_is_a_narrower_interval() -> None:
    x, y = gaussian(50, 8, 0), gaussian(50, 8, 1) + 1
    wide, narrow = kid(x, y), kid(x, y, level=0.5)
    assert wide.value == narrow.value
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_set_is_below_zero_from_itself() -> None:
    x = gaussian(50, 8, 0)
    assert kid(x, x).value == pytest.approx(in_float64(x, x))
    assert kid(x, x).value < 0


def test_two_pictures_a_side_are_enough() -> None:
    found = kid(gaussian(2, 4, 0), gaussian(2, 4, 1))
    assert all(map(math.isfinite, (found.value, found.low, found.high)))
    assert found.low <= found.high


def test_pictures_that_are_all_the_same() -> None:
    same, zeros = torch.ones(10, 4), torch.zeros(10, 4)
    assert kid(same, same) == kernel.Kid(0, 0, 0)
    assert kid(same, zeros).value == pytest.approx((1 + 1) ** 3 + 1 - 2)
    assert kid(same, zeros).low == pytest.approx(7)


def test_only_the_seed_decides() -> None:
    x, y = gaussian(30, 8, 0), gaussian(30, 8, 1)
    state = torch.random.get_rng_state()
    first = kid(x, y, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(1)
    assert kid(x, y, seed=1) == first
    assert kid(x, y, seed=2).low != first.low


def test_what_makes_no_sense_is_refused() -> None:
    x = gaussian(10, 4, 0)
    for wrong in (x[:1], x[:, :3], x * torch.nan):
        with pytest.raises(UsageError):
            kid(x, wrong)
    for level in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(UsageError, match="level"):
            kid(x, x, level=level)
    with pytest.raises(UsageError, match="1 replicates"):
        kid(x, x, replicates=1)
    with pytest.raises(UsageError, match="too large"):
        kid(x * 1e10, x)
