"""Palettes that are really taken over, without tearing the picture apart."""

import math

import pytest
import torch

from artgan.errors import UsageError
from artgan.style.colors import from_oklab, to_oklab
from artgan.style.palette import repainted_palette
from tests.unit.test_style_colors import gaussian, noise, picture, rows

BLUE, ORANGE = (0.15, 0.3, 0.75), (0.9, 0.55, 0.15)


def apart(x: torch.Tensor, y: torch.Tensor, axis: int) -> float:
    """1-D Wasserstein distance of an OKLab channel, of pictures of any size."""
    levels = torch.linspace(0, 1, 501).double()
    a, b = (rows(side)[:, axis].quantile(levels) for side in (x, y))
    return float((a - b).abs().mean())


def sky(height: int = 48, width: int = 256) -> torch.Tensor:
    """A smooth sky in 8 bits: from light blue to grey-white, hardly changing from pixel to pixel."""
    t = torch.linspace(0, 1, width).expand(height, width)
    channels = [0.55 + 0.35 * t, 0.7 + 0.2 * t, 0.88 + 0.02 * t]
    return (torch.stack(channels)[None] * 255).round() / 127.5 - 1


def test_a_palette_of_two_colours_gives_both_and_not_their_mixture() -> None:
    grain = (noise(9, 64, 64) * 0.08).mean(1, keepdim=True)
    palette = torch.cat([picture(BLUE).expand(1, 3, 64, 40), picture(ORANGE).expand(1, 3, 64, 24)], 3)
    palette = (palette + noise(10, 64, 64) * 0.05).clamp(-1, 1)
    content = torch.cat(
        [picture((0.45, 0.5, 0.5)).expand(1, 3, 64, 40), picture((0.65, 0.6, 0.5)).expand(1, 3, 64, 24)], 3
    )
    content = content + grain
    found = repainted_palette(content, palette)
    for axis in range(3):
        assert apart(found, palette, axis) < 0.35 * apart(content, palette, axis)
    chroma = rows(found)[:, 1:].reshape(64, 64, 2)
    blue, orange = (rows(picture(color))[0, 1:] for color in (BLUE, ORANGE))
    torch.testing.assert_close(chroma[:, 6:34].mean((0, 1)), blue, atol=0.03, rtol=0)
    torch.testing.assert_close(chroma[:, 46:58].mean((0, 1)), orange, atol=0.03, rtol=0)


def test_smooth_skies_stay_smooth_even_for_a_palette_of_many_hues() -> None:
    palette = noise(11)
    before, after = to_oklab(sky()), to_oklab(repainted_palette(sky(), palette))
    assert after[:, 1:].amax((2, 3)).sub(after[:, 1:].amin((2, 3))).max() > 0.05, "something was painted"
    assert after.diff(dim=3).abs().max() < 4 * before.diff(dim=3).abs().max() + 0.002, "no bands"
    assert after.diff(dim=2).abs().max() < 0.01, "no speckles: columns of one colour stay of one colour"


def test_neighbouring_colours_stay_neighbours_between_four_far_apart() -> None:
    t = torch.linspace(-0.06, 0.06, 160)
    plane = torch.stack([torch.full((160, 160), 0.65), t.expand(160, 160), t[:, None].expand(160, 160)])[None]
    colors = torch.tensor([BLUE, ORANGE, (0.2, 0.6, 0.3), (0.8, 0.3, 0.4)])
    palette = colors.T[None, :, torch.randint(4, (60, 60), generator=torch.Generator().manual_seed(3))] * 2 - 1
    found = to_oklab(repainted_palette(from_oklab(plane), palette))[:, 1:]
    for axis in (2, 3):
        assert found.diff(dim=axis).abs().max() < 6 * t.diff().max()


def test_the_drawing_survives_palettes_without_any() -> None:
    content = noise(12).mean(1, keepdim=True).expand(1, 3, -1, -1)
    order = to_oklab(content)[0, 0].flatten().argsort()
    for value in (-1.0, 0.1, 1.0):
        lightness = to_oklab(repainted_palette(content, torch.full((1, 3, 9, 7), value)))[0, 0].flatten()
        assert lightness[order].diff().min() > -1e-4
        assert lightness.std() > 0.15 * to_oklab(content)[0, 0].std()


def test_a_few_lights_do_not_darken_a_picture_that_takes_a_light_palette() -> None:
    content, palette = noise(20).mean(1, keepdim=True) * 0.2 - 0.4, noise(21) * 0.3 + 0.6
    content[..., :2] = 1
    content = content.expand(1, 3, -1, -1)
    found, goal = (rows(x)[:, 0] for x in (repainted_palette(content, palette), palette))
    assert float(found.mean()) == pytest.approx(float(goal.mean()), abs=0.03)


def test_pixels_that_do_not_count_do_not_steer_the_colours() -> None:
    content, palette = noise(13) * 0.4, gaussian(14, (0.6, 0.05, 0.05), 0.03, size=40)
    seen = torch.ones(1, 1, 40, 40)
    seen[..., 20:] = 0
    spoilt = torch.where(seen > 0, palette, picture((0, 0, 1)))
    found = repainted_palette(content, spoilt, palette_weights=seen)
    assert rows(found)[:, 1:].mean(0).sub(rows(palette)[:, 1:].mean(0)).abs().max() < 0.01
    assert rows(repainted_palette(content, spoilt))[:, 2].mean() < -0.05
    with pytest.raises(UsageError, match="all of its weights are 0"):
        repainted_palette(content, palette, palette_weights=seen * 0)


def test_one_seed_is_one_picture_and_another_differs_little() -> None:
    content, palette = noise(15) * 0.5, noise(16)
    first, again, other = (repainted_palette(content, palette, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert 0 < (first - other).abs().mean() < 0.05


def test_a_large_picture_in_bands_equals_itself_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    content, palette = noise(17), noise(18) * 0.5
    whole = repainted_palette(content, palette)
    monkeypatch.setattr("artgan.style.palette._BAND", 350)
    torch.testing.assert_close(repainted_palette(content, palette), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_a_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match="strength"):
        repainted_palette(noise(0), noise(1), strength)
