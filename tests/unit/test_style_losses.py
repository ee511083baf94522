"""Losses of painting: distances between Gaussians that are known on paper, gradients, and sums that add up."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.style.losses import (
    Likeness,
    Moments,
    distance,
    kept,
    likeness,
    likeness_pull,
    manner,
    moments,
    moments_pull,
    steps_between,
    total_variation,
    trace_of_root,
)

Matrix = list[list[float]]


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gaussian(mean: list[float], covariance: Matrix, seed: int = 0, side: int = 24) -> torch.Tensor:
    """A map (1, C, side, side) whose values have exactly this mean and covariance."""
    x = noise(seed, side * side, len(mean)).double()
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / len(x))).T  # identity
    values, vectors = torch.linalg.eigh(torch.tensor(covariance).double())
    x = x @ (vectors * values.clamp_min(0).sqrt() @ vectors.T) + torch.tensor(mean).double()
    found: torch.Tensor = x.T.reshape(1, len(mean), side, side).float()
    return found


def squared(seen: torch.Tensor, wanted: torch.Tensor) -> float:
    """W2^2 of two maps, not divided by anything."""
    aim = manner(wanted)
    return float(distance(moments(seen, aim), aim)) * aim.spread


def diagonal(*values: float) -> Matrix:
    return torch.diag(torch.tensor(values)).tolist()


@pytest.mark.parametrize(
    ("seen", "wanted", "expected"),
    [
        # commuting covariances: the sum of (sqrt a - sqrt b)^2
        (([0.0, 0.0], diagonal(4, 1)), ([0.0, 0.0], diagonal(1, 1)), 1.0),
        (([0.0, 0.0, 0.0], diagonal(9, 4, 1)), ([0.0, 0.0, 0.0], diagonal(1, 1, 4)), 4.0 + 1.0 + 1.0),
        # not commuting: the inner matrix has trace 8 and determinant 9, so its root has trace sqrt(8 + 2 * 3)
        (([0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]]), ([0.0, 0.0], diagonal(3, 1)), 8 - 2 * math.sqrt(14)),
        # means apart: |d|^2, alone and on top of the rest
        (([3.0, -4.0], diagonal(2, 1)), ([0.0, 0.0], diagonal(2, 1)), 25.0),
        (([1.0, 1.0], diagonal(4, 1)), ([0.0, 0.0], diagonal(1, 1)), 1.0 + 2.0),
    ],
)
def test_gaussians_are_as_far_apart_as_on_paper(
    seen: tuple[list[float], Matrix], wanted: tuple[list[float], Matrix], expected: float
) -> None:
    one, other = gaussian(*seen, seed=1), gaussian(*wanted, seed=2, side=20)
    assert squared(one, other) == pytest.approx(expected, abs=0.01)
    assert squared(other, one) == pytest.approx(expected, abs=0.01), "it is symmetric"
    aim = manner(other)
    spread = float(torch.tensor(wanted[1]).trace())
    assert float(distance(moments(one, aim), aim)) == pytest.approx(expected / spread, abs=0.01), "a share of the aim"


def test_equal_manners_are_not_apart_wherever_their_places_lie() -> None:
    values = noise(0, 1, 7, 12, 15)
    aim = manner(values)
    # What the faintest directions hold is left out of the root, so 0 is not reached to the last digit.
    assert abs(float(distance(moments(values, aim), aim))) < 0.021
    shuffled = values.flatten(2)[:, :, torch.randperm(180, generator=torch.Generator().manual_seed(1))]
    again = manner(shuffled.reshape(1, 7, 15, 12))
    torch.testing.assert_close(again.mean, aim.mean, atol=1e-5, rtol=0)
    assert again.spread == pytest.approx(aim.spread, rel=1e-5)
    far = float(distance(moments(values * 1.5, aim), aim))
    assert far > 0.1


def test_what_a_manner_leaves_out_still_counts_as_spread() -> None:
    values = noise(2, 1, 200, 20, 20)
    aim = manner(values)
    assert aim.directions.shape[0] == 200
    assert aim.directions.shape[1] <= 128
    rows = values[0].flatten(1).double()
    assert aim.spread == pytest.approx(float(rows.var(1, correction=0).sum()), rel=1e-5)
    held = float(aim.directions.square().sum())
    assert 0.6 * aim.spread < held < aim.spread


def test_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    values, aim = noise(3, 1, 5, 9, 14), manner(noise(4, 1, 5, 8, 8))
    weights = torch.rand(1, 1, 9, 14, generator=torch.Generator().manual_seed(5))
    whole = moments(values, aim, weights)
    parts = [moments(values[..., part], aim, weights[..., part]) for part in (slice(0, 6), slice(6, 7), slice(7, 14))]
    summed = Moments(*(sum(each[1:], each[0]) for each in zip(*parts, strict=True)))
    for found, expected in zip(summed, whole, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(distance(summed, aim), distance(whole, aim))


def test_a_place_of_no_weight_is_as_good_as_not_there() -> None:
    values = noise(6, 1, 4, 10, 16)
    weights = torch.zeros(1, 1, 10, 16)
    weights[..., :9] = 0.5
    part, seen = manner(values[..., :9]), manner(values, weights)
    torch.testing.assert_close(seen.mean, part.mean)
    torch.testing.assert_close(
        seen.directions @ seen.directions.T, part.directions @ part.directions.T, atol=1e-5, rtol=1e-5
    )
    aim = manner(noise(7, 1, 4, 6, 6))
    torch.testing.assert_close(
        distance(moments(values, aim, weights), aim), distance(moments(values[..., :9], aim), aim)
    )
    assert abs(float(distance(moments(values, aim), aim) - distance(moments(values, aim, weights), aim))) > 1e-3
    twice = moments(values[..., :9], aim, torch.full((1, 1, 10, 9), 2.0))
    torch.testing.assert_close(distance(twice, aim), distance(moments(values[..., :9], aim), aim))


def test_the_trace_of_a_root_and_its_gradient_are_those_of_the_formula() -> None:
    matrix = torch.tensor([[5.0, 4.0], [4.0, 5.0]]).double()  # eigenvalues 9 and 1
    assert float(trace_of_root(matrix)) == pytest.approx(4, rel=1e-4)
    root = noise(8, 4, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: trace_of_root(a @ a.T), root, atol=1e-4)
    (gradient,) = torch.autograd.grad(trace_of_root(matrix.requires_grad_()), matrix)
    inverse = torch.linalg.inv(torch.tensor([[2.0, 1.0], [1.0, 2.0]]).double())  # of the root
    torch.testing.assert_close(gradient, inverse / 2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_the_distance_is_its_slope(seed: int) -> None:
    values, way = noise(seed, 1, 3, 7, 8).requires_grad_(), noise(seed + 10, 1, 3, 7, 8)
    aim = manner(noise(seed + 20, 1, 3, 9, 9) * 2 + 1)
    weights = torch.rand(1, 1, 7, 8, generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad(distance(moments(values, aim, weights), aim), values)
    slope = float((gradient * way).sum())
    step = 0.01
    with torch.no_grad():
        ahead, behind = (distance(moments(values + sign * step * way, aim, weights), aim) for sign in (1, -1))
    assert abs(slope) > 1e-4
    assert float(ahead - behind) / (2 * step) == pytest.approx(slope, rel=0.02, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flat", torch.full((1, 6, 5, 5), 0.3)),
        ("zero", torch.zeros(1, 6, 5, 5)),
        ("one place", noise(0, 1, 6, 1, 1)),
        ("fewer places than channels", noise(1, 1, 40, 3, 4)),
        ("twice the same channel", noise(2, 1, 1, 6, 6).repeat(1, 6, 1, 1)),
        ("one channel", noise(3, 1, 1, 8, 8)),
    ],
)
def test_maps_without_full_rank_have_finite_distances_and_gradients(name: str, values: torch.Tensor) -> None:
    normal = noise(9, 1, values.shape[1], 7, 7)
    for seen, wanted in ((values, normal), (normal, values), (values, values)):
        x = seen.clone().requires_grad_()
        aim = manner(wanted)
        far = distance(moments(x, aim), aim)
        (gradient,) = torch.autograd.grad(far, x)
        assert far.isfinite(), name
        assert gradient.isfinite().all(), name


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), channels=st.integers(1, 6), scale=st.floats(0.1, 10), shift=st.floats(-3, 3))
def test_no_distance_is_below_zero_and_means_alone_are_their_square(
    seed: int, channels: int, scale: float, shift: float
) -> None:
    one, other = noise(seed, 1, channels, 8, 9), noise(seed + 1, 1, channels, 7, 7) * scale
    assert squared(one, other) > -1e-3 * (1 + scale**2) * channels
    assert squared(other + shift, other) - squared(other, other) == pytest.approx(
        channels * shift**2, rel=1e-3, abs=1e-3 * (1 + scale**2)
    )


def apart(values: list[torch.Tensor], before: list[torch.Tensor]) -> float:
    """How far maps have moved."""
    seen = [likeness(now, then) for now, then in zip(values, before, strict=True)]
    return float(kept(seen, [likeness(then, then) for then in before]))


def test_the_content_is_kept_but_for_each_channels_mean_and_spread() -> None:
    before = [noise(11, 1, 3, 8, 8), noise(12, 1, 5, 4, 4) * 100]
    assert apart(before, before) == pytest.approx(0, abs=1e-9)
    assert apart([values * 3 - 7 for values in before], before) == pytest.approx(0, abs=1e-3)
    assert apart([-values for values in before], before) == pytest.approx(4, rel=1e-3)
    moved = [before[0] + noise(13, 1, 3, 8, 8), before[1]]
    plain = [F.instance_norm(values, eps=1e-4) for values in (moved[0], before[0])]
    expected = (plain[0] - plain[1]).square().mean() / plain[1].var(correction=0) / 2
    assert apart(moved, before) == pytest.approx(float(expected), rel=1e-4)
    assert math.isfinite(apart([torch.ones(1, 1, 4, 4)], [torch.zeros(1, 1, 4, 4)]))


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_sent_back_to_a_map_is_the_gradient_by_its_sums(weighted: bool) -> None:
    values, content, aim = noise(14, 1, 6, 5, 7), noise(15, 1, 6, 5, 7), manner(noise(16, 1, 6, 8, 8) + 1)
    weights = torch.rand(1, 1, 5, 7, generator=torch.Generator().manual_seed(17)) if weighted else None
    x = values.clone().requires_grad_()
    seen, alike = moments(x, aim, weights), likeness(x, content)
    pulls = [[noise(18 + number, *each.shape) for number, each in enumerate(sums)] for sums in (seen, alike)]
    found = (
        moments_pull(values, aim, weights, Moments(*pulls[0])),
        likeness_pull(values, content, Likeness(*pulls[1])),
    )
    for sums, pull, sent_back in zip((seen, alike), pulls, found, strict=True):
        outs = [(each, p.to(each)) for each, p in zip(sums, pull, strict=True) if each.requires_grad]
        (expected,) = torch.autograd.grad([each for each, _ in outs], x, [p for _, p in outs])
        torch.testing.assert_close(sent_back, expected, atol=1e-4, rtol=1e-4)


def variation(x: torch.Tensor) -> float:
    """Of a whole picture."""
    height, width = x.shape[2:]
    return float(total_variation(steps_between(x.expand(1, 3, -1, -1), width, height), height, width))


def test_total_variation_counts_steps_between_neighbours() -> None:
    assert variation(torch.full((1, 3, 6, 6), 0.4)) == 0
    ramp = torch.arange(6.0).expand(1, 1, 5, 6) * 0.5
    assert variation(ramp) == pytest.approx(0.25)
    checks = (torch.arange(6)[:, None] + torch.arange(6)) % 2 * 2.0 - 1
    assert variation(checks[None, None]) == pytest.approx(8)


def test_steps_of_parts_add_up() -> None:
    x = noise(20, 1, 3, 7, 9)
    parts = [
        steps_between(x[..., top:, left:], min(4, 9 - left), min(3, 7 - top)) for top in (0, 3, 6) for left in (0, 4, 8)
    ]
    torch.testing.assert_close(torch.stack(parts).sum(0), steps_between(x, 9, 7))
