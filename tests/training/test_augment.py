"""DiffAugment changes what it should, leaves alone what it should, and lets gradients through."""

import pytest
import torch

from artgan.training.augment import AUGMENTATIONS, augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


PICTURES = torch.linspace(-0.9, 0.9, 6 * 3 * 16 * 24).reshape(6, 3, 16, 24)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_same_generator_same_result_and_each_picture_its_own(name: str) -> None:
    same = PICTURES[:1].expand(6, -1, -1, -1)
    once, twice = (AUGMENTATIONS[name](same, generator()) for _ in range(2))
    assert torch.equal(once, twice)
    assert once.shape == same.shape
    assert any(not torch.equal(once[0], once[k]) for k in range(1, 6))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradients_reach_the_picture(name: str) -> None:
    pictures = PICTURES.clone().requires_grad_()
    AUGMENTATIONS[name](pictures, generator()).sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0


def test_color_moves_the_mean_by_at_most_half_and_keeps_alpha() -> None:
    pictures = torch.rand(32, 4, 8, 8) - 0.5
    out = AUGMENTATIONS["color"](pictures, generator())
    moved = out[:, :3].mean((1, 2, 3)) - pictures[:, :3].mean((1, 2, 3))
    assert moved.abs().max() <= 0.5 + 1e-5
    assert moved.abs().max() > 0.1
    assert torch.equal(out[:, 3], pictures[:, 3])


def test_translation_shifts_by_at_most_an_eighth_and_brings_in_grey() -> None:
    picture = torch.ones(64, 1, 16, 16)
    out = AUGMENTATIONS["translation"](picture, generator())
    assert set(out.unique().tolist()) == {0.0, 1.0}
    covered = out.mean((1, 2, 3))
    assert covered.min() >= (14 / 16) ** 2
    assert covered.max() == 1.0


def test_translation_moves_the_picture_not_its_values() -> None:
    picture = torch.zeros(64, 1, 16, 16)
    picture[:, 0, 8, 8] = 1.0
    out = AUGMENTATIONS["translation"](picture, generator())
    assert torch.equal(out.sum((1, 2, 3)), torch.ones(64))
    places = out.flatten(1).argmax(1)
    rows, columns = places // 16 - 8, places % 16 - 8
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}


def test_cutout_blanks_a_quarter_at_most() -> None:
    out = AUGMENTATIONS["cutout"](torch.ones(64, 1, 16, 16), generator())
    gone = 1 - out.mean((1, 2, 3))
    assert gone.max() <= 0.25 + 1e-6
    assert gone.min() > 0


def test_policy_is_applied_in_order_and_none_is_the_picture_itself() -> None:
    assert augment(PICTURES, (), generator()) is PICTURES
    draws = generator()
    by_hand = AUGMENTATIONS["cutout"](AUGMENTATIONS["color"](PICTURES, draws), draws)
    assert torch.equal(augment(PICTURES, ("color", "cutout"), generator()), by_hand)
