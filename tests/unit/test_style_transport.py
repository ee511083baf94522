"""Maps carried from one Gaussian to another: the statistics afterwards are the style's."""

import pytest
import torch

from artgan.style.losses import scatter
from artgan.style.transport import Look, between, carriages, look_of

CPU = torch.device("cpu")


def look(seed: int, dims: int = 5) -> tuple[torch.Tensor, Look]:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(dims) + 0.2 * torch.randn(dims, dims, generator=generator)
    rows = mixing @ torch.randn(dims, 400, generator=generator) + torch.randn(dims, 1, generator=generator)
    values = rows.view(1, dims, 20, 20)
    return values, look_of([scatter(values)])


def test_a_look_holds_mean_and_covariance() -> None:
    values, seen = look(0)
    ((mean, covariance),) = seen.scales
    rows = values[0].flatten(1).double()
    torch.testing.assert_close(mean, rows.mean(1))
    torch.testing.assert_close(covariance, torch.cov(rows, correction=0))


def test_carried_maps_have_the_look_of_the_style() -> None:
    values, content = look(0)
    _, style = look(1)
    (way,) = carriages(content, [(1.0, style)], CPU)
    ((mean, covariance),) = look_of([scatter(way(values))]).scales
    torch.testing.assert_close(mean, style.scales[0][0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(covariance, style.scales[0][1], atol=1e-3, rtol=1e-3)


def test_carrying_to_ones_own_look_moves_nothing() -> None:
    values, content = look(0)
    (way,) = carriages(content, [(1.0, content)], CPU)
    torch.testing.assert_close(way(values), values, atol=1e-4, rtol=1e-4)


def test_several_styles_are_gone_towards_by_their_shares() -> None:
    values, content = look(0)
    (_, one), (_, other) = look(1), look(2)
    (first,), (second,) = (carriages(content, [(1.0, style)], CPU) for style in (one, other))
    (mixed,) = carriages(content, [(0.25, one), (0.75, other)], CPU)
    torch.testing.assert_close(mixed(values), first(values) / 4 + second(values) * 3 / 4, atol=1e-5, rtol=1e-5)


def test_a_part_of_a_map_is_carried_like_the_whole() -> None:
    values, content = look(0)
    (way,) = carriages(content, [(1.0, look(1)[1])], CPU)
    torch.testing.assert_close(way(values[..., 3:9, 2:7]), way(values)[..., 3:9, 2:7])


def test_the_code_is_means_and_logarithms_of_deviations() -> None:
    covariance = torch.diag(torch.tensor([4.0, 0.25], dtype=torch.float64))
    seen = Look(((torch.tensor([1.0, -2.0], dtype=torch.float64), covariance),))
    torch.testing.assert_close(seen.code(), torch.tensor([[1.0, -2.0, 0.6931472, -0.6931472]]))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_look_between_two_is_their_mean_by_shares(share: float) -> None:
    (_, one), (_, other) = look(0), look(1)
    mixed = between([(share, one), (1 - share, other)])
    for now, a, b in zip(mixed.scales[0], one.scales[0], other.scales[0], strict=True):
        torch.testing.assert_close(now, share * a + (1 - share) * b)
