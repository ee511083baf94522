"""Colours: OKLab where its values are published, colours kept, and colours matched."""

import math

import pytest
import torch

from artgan.errors import UsageError
from artgan.style.colors import (
    from_oklab,
    into_gamut,
    lightness_matched,
    matched,
    to_oklab,
    with_colors_of,
)


def picture(*colors: tuple[float, float, float]) -> torch.Tensor:
    """One row of pixels, (1, 3, 1, N), of colours in [0, 1]."""
    return torch.tensor(colors).float().T[None, :, None] * 2 - 1


def noise(seed: int, height: int = 40, width: int = 50) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def gaussian(seed: int, mean: tuple[float, float, float], spread: float, size: int = 60) -> torch.Tensor:
    """A picture whose OKLab colours are a well-conditioned Gaussian that no screen has to cut."""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q
    colors = torch.randn(size * size, 3, generator=generator).clamp(-2.5, 2.5) * torch.tensor([1, 0.8, 0.6]) * spread
    lab = (colors @ turn + torch.tensor(mean)).T.reshape(1, 3, size, size)
    return from_oklab(lab)


def rows(x: torch.Tensor) -> torch.Tensor:
    return to_oklab(x)[0].flatten(1).T.double()


@pytest.mark.parametrize(
    ("color", "expected"),
    [  # the sRGB primaries, as published with OKLab and CSS Color 4
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
        ((0.5, 0.5, 0.5), (0.59818, 0, 0)),
    ],
)
def test_oklab_of_known_colours(color: tuple[float, ...], expected: tuple[float, ...]) -> None:
    found = to_oklab(torch.tensor(color)[None, :, None, None] * 2.0 - 1).flatten()
    torch.testing.assert_close(found, torch.tensor(expected).float(), atol=2e-5, rtol=0)


def test_gradients_are_finite_everywhere_and_those_of_the_formula() -> None:
    x = torch.cat([noise(0, 4, 4).double(), torch.full((1, 3, 1, 4), -1.0).double()], 2).requires_grad_()
    to_oklab(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() < 200
    inner = noise(1, 2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: from_oklab(to_oklab(v) * 0.9), inner)


def test_a_colour_too_strong_for_the_screen_keeps_its_lightness_and_hue() -> None:
    hue = torch.linspace(0, 2 * math.pi, 73)
    lab = torch.stack([torch.full_like(hue, 0.6), hue.cos() * 0.5, hue.sin() * 0.5])[None, :, None]
    assert (from_oklab(lab).abs() > 1.05).any(1).all()
    shown = into_gamut(lab)
    assert from_oklab(shown).abs().max() <= 1.001
    torch.testing.assert_close(shown[:, 0], lab[:, 0])
    torch.testing.assert_close(shown[:, 1] * lab[:, 2], shown[:, 2] * lab[:, 1], atol=1e-6, rtol=0)
    assert (shown[:, 1:] * lab[:, 1:]).sum(1).min() > 0, "no hue was turned round"
    assert (
        from_oklab(into_gamut(torch.cat([shown[:, :1], shown[:, 1:] * 1.02], 1))) - from_oklab(shown)
    ).abs().max() < 0.01
    assert shown[:, 1:].norm(dim=1).max() > 0.2, "no more chroma was taken than had to be"


def test_black_and_white_are_what_lies_beyond_them() -> None:
    lab = torch.tensor([[-0.2, 0.1, 0.1], [1.3, 0.1, -0.1]]).T[None, :, None]
    torch.testing.assert_close(from_oklab(into_gamut(lab)), picture((0, 0, 0), (1, 1, 1)), atol=1e-3, rtol=0)


def test_kept_colours_are_the_contents_and_the_drawing_is_the_painters() -> None:
    painted = from_oklab(torch.tensor([[0.5, 0.1, 0.0], [0.7, -0.05, 0.05]]).T[None, :, None])
    content = from_oklab(torch.tensor([[0.6, 0.0, -0.08], [0.65, 0.03, 0.02]]).T[None, :, None])
    found = to_oklab(with_colors_of(painted, content))[0, :, 0].T
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.0, -0.08], [0.7, 0.03, 0.02]]), atol=1e-5, rtol=0)
    half = to_oklab(with_colors_of(painted, content, torch.tensor([0.0, 0.5]).reshape(1, 1, 1, 2)))[0, :, 0].T
    torch.testing.assert_close(half, torch.tensor([[0.5, 0.1, 0.0], [0.7, -0.01, 0.035]]), atol=1e-5, rtol=0)


def test_a_kept_colour_keeps_its_hue_where_the_drawing_has_no_room_for_it() -> None:
    yellow = picture((1, 0.9, 0))
    found = to_oklab(with_colors_of(picture((0.1, 0.1, 0.1)), yellow)).flatten()
    a, b = to_oklab(yellow).flatten()[1:]
    assert 0.01 < found[2] < b / 2
    torch.testing.assert_close(found[1] / found[2], a / b, atol=0.01, rtol=0)


def test_matching_gives_the_style_the_contents_mean_and_covariance() -> None:
    style, content = gaussian(1, (0.6, 0.02, 0.0), 0.02), gaussian(2, (0.55, -0.01, 0.01), 0.025, size=50)
    found, goal = rows(matched(style, content)), rows(content)
    torch.testing.assert_close(found.mean(0), goal.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.T.cov(correction=0), goal.T.cov(correction=0), atol=2e-6, rtol=0)
    torch.testing.assert_close(matched(style, style), style, atol=1e-4, rtol=0)


def test_only_what_counts_is_matched() -> None:
    style, content = gaussian(3, (0.6, 0.0, 0.0), 0.03), gaussian(4, (0.5, 0.03, -0.02), 0.03)
    visible = torch.ones(1, 1, 60, 60)
    visible[..., 30:] = 0
    spoilt = torch.where(visible > 0, content, torch.ones(()))
    torch.testing.assert_close(
        matched(style, spoilt, content_weights=visible), matched(style, content[..., :30]), atol=1e-4, rtol=0
    )
    assert (matched(style, spoilt) - matched(style, content)).abs().max() > 0.1
    with pytest.raises(UsageError, match="all of its weights are 0"):
        matched(style, content, style_weights=visible * 0)


def test_grey_and_flat_styles_do_not_turn_into_confetti() -> None:
    content = gaussian(5, (0.55, 0.02, 0.02), 0.05)
    grain = noise(6, 60, 60) * 0.02
    grey = (torch.linspace(-0.8, 0.8, 60).expand(1, 3, 60, 60) + grain).clamp(-1, 1)
    for style in (grey, grain, torch.zeros(1, 3, 8, 8)):
        before, after = rows(style), rows(matched(style, content))
        assert after.isfinite().all()
        torch.testing.assert_close(after.mean(0), rows(content).mean(0), atol=5e-3, rtol=0)
        stretched = torch.linalg.eigvalsh(after.T.cov(correction=0)).max() / 16
        assert stretched <= torch.linalg.eigvalsh(before.T.cov(correction=0)).max() * 3 + 1e-6
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert rows(matched(grey, flat)).std(0).max() < 0.01


def test_lightness_matching_moves_lightness_alone() -> None:
    style, content = gaussian(7, (0.6, 0.01, 0.01), 0.02), gaussian(8, (0.55, 0.0, 0.0), 0.03)
    before, after, goal = rows(style), rows(lightness_matched(style, content)), rows(content)
    assert float(after[:, 0].mean()) == pytest.approx(float(goal[:, 0].mean()), abs=1e-4)
    assert float(after[:, 0].std()) == pytest.approx(float(goal[:, 0].std()), rel=1e-3)
    torch.testing.assert_close(after[:, 1:], before[:, 1:], atol=1e-4, rtol=0)
    flat = lightness_matched(torch.zeros(1, 3, 4, 4), content)
    assert rows(flat)[:, 0].std() < 1e-6
