"""What holds for any colours: the way back, the gamut, the order of lightness, and a strength that acts gradually."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.engine.oklab import from_oklab, to_oklab
from artgan.style.colors import into_gamut, matched, with_colors_of
from artgan.style.palette import repainted_palette

seeds = st.integers(0, 2**32)


@st.composite
def pictures(draw: st.DrawFn) -> torch.Tensor:
    """A small picture in 8 bits: noise, grey, flat, dark or of few colours."""
    generator = torch.Generator().manual_seed(draw(seeds))
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    base = torch.rand(1, 3, 1, 1, generator=generator)
    grain = torch.rand(1, draw(st.sampled_from((1, 3))), height, width, generator=generator)
    share = draw(st.sampled_from((0.0, 0.02, 0.3, 1.0)))
    mixed = (base * (1 - share) + grain * share) * draw(st.sampled_from((0.05, 1.0)))
    levels = draw(st.sampled_from((1, 255)))
    return (mixed.expand(1, 3, height, width) * levels).round() / levels * 2 - 1


@settings(max_examples=100, deadline=None)
@given(x=pictures(), stretch=st.floats(0.5, 2))
def test_oklab_and_back_is_the_same_colour(x: torch.Tensor, stretch: float) -> None:
    beyond = x * stretch
    torch.testing.assert_close(from_oklab(to_oklab(beyond)), beyond, atol=2e-4, rtol=0)
    torch.testing.assert_close(from_oklab(into_gamut(to_oklab(x))), x, atol=2e-4, rtol=0)


@settings(max_examples=100, deadline=None)
@given(seed=seeds, reach=st.floats(0.01, 1))
def test_any_colour_is_brought_into_the_gamut_along_its_own_hue(seed: int, reach: float) -> None:
    draws = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    lab = torch.cat([draws[:, :1], (draws[:, 1:] - 0.5) * 2 * reach], 1)
    shown = into_gamut(lab)
    assert from_oklab(shown).abs().max() <= 1.001
    torch.testing.assert_close(shown[:, 0], lab[:, 0])
    scale = shown[:, 1:].norm(dim=1) / lab[:, 1:].norm(dim=1).clamp_min(1e-9)
    assert scale.max() <= 1 + 1e-5
    torch.testing.assert_close(shown[:, 1:], lab[:, 1:] * scale[:, None], atol=1e-6, rtol=0)
    torch.testing.assert_close(into_gamut(shown), shown, atol=1e-3, rtol=0)


@settings(max_examples=60, deadline=None)
@given(style=pictures(), content=pictures())
def test_matching_any_two_pictures_gives_a_picture(style: torch.Tensor, content: torch.Tensor) -> None:
    found = matched(style, content)
    assert found.shape == style.shape
    assert found.abs().max() <= 1
    spread = to_oklab(style).flatten(2).std(2, correction=0).norm()
    # sqrt 3 times the bound along each direction, for any sum of directions
    assert to_oklab(found).flatten(2).std(2, correction=0).norm() <= 3**0.5 * 4 * spread + 2e-3


@settings(max_examples=60, deadline=None)
@given(x=pictures())
def test_a_picture_in_its_own_colours_is_itself(x: torch.Tensor) -> None:
    torch.testing.assert_close(with_colors_of(x, x), x, atol=1e-3, rtol=0)


@settings(max_examples=25, deadline=None)
@given(content=pictures(), palette=pictures(), seed=seeds, strength=st.floats(0, 1))
def test_repainting_keeps_the_order_of_lightness_and_acts_gradually(
    content: torch.Tensor, palette: torch.Tensor, seed: int, strength: float
) -> None:
    assert repainted_palette(content, palette, 0.0, seed=seed) is content
    found = repainted_palette(content, palette, strength, seed=seed)
    assert found.shape == content.shape
    assert found.abs().max() <= 1
    before, after = (to_oklab(x)[0, 0].flatten() for x in (content, found))
    ordered = after[before.argsort(stable=True)]
    assert (ordered.diff() > -5e-3).all()  # beside black a 255th of sRGB is ten times that
    near = repainted_palette(content, palette, min(1.0, strength + 1e-3), seed=seed)
    assert (to_oklab(near) - to_oklab(found)).abs().max() < 5e-3
    torch.testing.assert_close(repainted_palette(content, palette, 1e-6, seed=seed), content, atol=2e-3, rtol=0)
