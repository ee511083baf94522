"""What is measured in pictures, against pictures of which it is known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.latent.effects import MEASURES, Effect, effects_between, measure, suggest

NAMES = [each.name for each in MEASURES]


def measured(picture: torch.Tensor) -> dict[str, float]:
    return dict(zip(NAMES, measure(picture[None])[0].tolist(), strict=True))


def blot(x: float, y: float, wide: float, tall: float, channels: int = 3) -> torch.Tensor:
    """A black ellipse on white, centre and half axes in half sides; (channels, 48, 48)."""
    down, across = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")
    inside = ((across - x) / wide) ** 2 + ((down + y) / tall) ** 2 < 1
    return torch.where(inside, -1.0, 1.0).expand(channels, -1, -1)


def test_form_and_place_of_an_object() -> None:
    disc, line = measured(blot(0, 0, 0.4, 0.4)), measured(blot(0, 0, 0.6, 0.1))
    assert disc["roundness"] > 0.98
    assert line["roundness"] < 0.4
    assert line["height"] < -0.8 < abs(disc["height"]) + 0.1
    assert measured(blot(0, 0, 0.1, 0.6))["height"] == pytest.approx(-line["height"], abs=1e-3)
    assert measured(blot(0.3, -0.2, 0.3, 0.3))["right"] == pytest.approx(0.3, abs=0.03)
    assert measured(blot(0.3, -0.2, 0.3, 0.3))["up"] == pytest.approx(-0.2, abs=0.03)
    assert disc["size"] == pytest.approx(3.14159 * 0.16 / 4, abs=0.02)
    assert disc["symmetry"] > measured(blot(0.5, 0, 0.3, 0.3))["symmetry"]


def test_colours_move_the_measures_that_bear_their_names() -> None:
    def plain(red: float, green: float, blue: float) -> dict[str, float]:
        return measured(torch.tensor([red, green, blue])[:, None, None].expand(3, 32, 32))

    grey = plain(0, 0, 0)
    assert plain(1, 1, 1)["brightness"] == pytest.approx(1, abs=1e-3)
    assert plain(0.5, 0.3, -0.6)["warmth"] > grey["warmth"] + 0.05 > plain(-0.6, -0.2, 0.6)["warmth"]
    assert plain(0.5, -0.5, -0.5)["redness"] > 0.05 > plain(-0.5, 0.5, -0.5)["redness"]
    assert grey["colour"] == pytest.approx(0, abs=1e-3)
    assert plain(0.5, -0.5, -0.5)["colour"] > 0.1
    assert grey["contrast"] == 0


def test_detail_and_contrast() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.randn(1, 48, 48, generator=generator).clamp(-1, 1).expand(3, -1, -1)
    smooth = torch.linspace(-1, 1, 48).expand(3, 48, 48)
    assert measured(rough)["detail"] > 5 * measured(smooth)["detail"]
    assert measured(rough)["contrast"] > measured(rough / 4)["contrast"]


@settings(max_examples=20, deadline=None)
@given(
    channels=st.sampled_from([1, 3, 4]), height=st.integers(4, 90), width=st.integers(4, 90), seed=st.integers(0, 99)
)
def test_pictures_of_any_form_have_finite_measures(channels: int, height: int, width: int, seed: int) -> None:
    pictures = torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    found = measure(torch.cat([pictures, torch.ones(1, channels, height, width)]))
    assert found.shape == (3, len(MEASURES))
    assert found.isfinite().all()


def test_effects_are_told_when_they_are_large_and_steady() -> None:
    minus = torch.zeros(8, len(MEASURES))
    plus = minus.clone()
    plus[:, NAMES.index("warmth")] = 2.0
    plus[:, NAMES.index("size")] = torch.tensor([9.0, -9.0] * 4) - 2
    plus[:, NAMES.index("brightness")] = 0.1
    effects = effects_between(minus, plus, torch.ones(len(MEASURES)))
    assert effects[0] == Effect("warmth", "warmer", 2.0, 1.0)
    assert [effect.measure for effect in effects if effect.strong] == ["warmth"]
    turned = effects_between(plus, minus, torch.ones(len(MEASURES)))[0]
    assert (turned.words, turned.change) == ("cooler", -2.0)


def test_every_name_is_suggested_once() -> None:
    effects = [Effect("warmth", "warmer", 2.0, 1.0), Effect("size", "larger", 1.0, 1.0), Effect("up", "up", 0.1, 1.0)]
    assert suggest(effects, []) == "warmth"
    assert suggest(effects, ["warmth"]) == "size"
    assert suggest(effects, ["warmth", "size"]) == "warmth-2"
    assert suggest(effects, ["warmth", "size", "warmth-2"]) == "warmth-3"
    assert suggest(effects[2:], []) is None
