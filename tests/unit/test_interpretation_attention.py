"""What a discriminator looks at, where that is known: linear judges, and one that sees a single patch."""

import pytest
import torch

from artgan.errors import Interrupted
from artgan.interpretation.attention import judged_pairs, logits, look_at, occlusion, quartiles, saliency, steps

pytestmark = pytest.mark.usefixtures("one_thread")


def weights(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def square(height: int = 24, width: int = 32) -> torch.Tensor:
    """A white square on black."""
    picture = -torch.ones(1, 3, height, width)
    picture[:, :, 8:14, 20:26] = 1
    return picture


def brightness(pictures: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
    """A judge to whom a picture is the more real, the brighter it is where the square lies."""
    return pictures[:, :, 8:14, 20:26].mean((1, 2, 3))


def test_the_saliency_of_a_linear_judge_is_its_weights() -> None:
    linear = weights(3, 6, 5)
    found = saliency(lambda x, c: (x * linear).sum((1, 2, 3)), weights(2, 3, 6, 5), None)
    assert found.shape == (2, 3, 6, 5)
    torch.testing.assert_close(found, linear.expand(2, -1, -1, -1))


def test_noise_smooths_a_judge_that_flickers() -> None:
    """x^2 has the gradient 2x; at x = 0.5 its mean over symmetric noise is 1."""
    found = saliency(lambda x, c: x.square().sum((1, 2, 3)), torch.full((1, 1, 64, 64), 0.5), None)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.01)
    assert found.std() > 0.01


def test_each_picture_is_judged_by_its_own_condition() -> None:
    c = torch.tensor([0, 1])
    found = saliency(lambda x, c: x.sum((1, 2, 3)) * (0 if c is None else c), torch.zeros(2, 1, 4, 4), c)
    assert found[0].eq(0).all()
    torch.testing.assert_close(found[1], torch.ones(1, 4, 4))


def test_covering_finds_the_planted_patch() -> None:
    picture = square()
    found = occlusion(brightness, picture, None)
    assert found.shape == (24, 32)
    row, column = divmod(int(found.argmax()), 32)
    assert 8 <= row < 14
    assert 20 <= column < 26
    assert float(found.max()) > 0.2
    assert float(found[:, :12].abs().max()) < 0.01
    torch.testing.assert_close(occlusion(lambda x, c: -brightness(x, c), picture, None), -found)


def test_where_nothing_is_covering_changes_nothing() -> None:
    assert float(occlusion(brightness, torch.full((1, 3, 24, 32), 0.3), None).abs().max()) < 1e-5


def test_patches_reach_from_end_to_end() -> None:
    assert steps(10, 4) == [0, 2, 4, 6]
    assert steps(11, 4) == [0, 2, 4, 6, 7]
    assert steps(4, 4) == [0]


def test_pairs_told_apart() -> None:
    assert judged_pairs(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1
    assert judged_pairs(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])) == 0.5
    assert judged_pairs(torch.tensor([1.0]), torch.tensor([0.0, 2.0, 2.0, 2.0])) == 0.25


def test_a_look_holds_all_of_it_and_stops_when_asked() -> None:
    pictures = torch.cat([square(), torch.zeros(1, 3, 24, 32)])
    (one, other) = look_at(brightness, pictures, None)
    assert one.picture.equal(square()[0])
    inside = one.saliency[8:14, 20:26]
    assert float(inside.min()) > 0
    assert float(one.saliency.sum() - inside.sum()) == pytest.approx(0)
    assert float(other.occlusion.abs().max()) < 1e-5
    with pytest.raises(Interrupted):
        look_at(brightness, pictures, None, should_stop=lambda: True)


def test_logits_and_their_quartiles() -> None:
    pictures = torch.linspace(-1, 1, 41)[:, None, None, None].expand(-1, 3, 24, 32)
    found = logits(brightness, pictures, None)
    torch.testing.assert_close(found, torch.linspace(-1, 1, 41))
    assert quartiles(found) == pytest.approx((-0.5, 0.0, 0.5), abs=1e-6)
