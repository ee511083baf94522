"""DiffAugment changes what it should, leaves alone what it should, and lets gradients through."""

import pytest
import torch

from artgan.engine.seeds import Streams
from artgan.training.augment import AUGMENTATIONS, Draws, augment, draw, noise_at


def draws(pictures: torch.Tensor, noise: float = 0.0) -> Draws:
    return draw(Streams(0), "test", 0, tuple(pictures.shape), noise)


def alone(name: str, pictures: torch.Tensor) -> torch.Tensor:
    return augment(pictures, (name,), draws(pictures))


PICTURES = torch.linspace(-0.9, 0.9, 6 * 3 * 16 * 24).reshape(6, 3, 16, 24)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_same_generator_same_result_and_each_picture_its_own(name: str) -> None:
    same = PICTURES[:1].expand(6, -1, -1, -1)
    once, twice = (alone(name, same) for _ in range(2))
    assert torch.equal(once, twice)
    assert once.shape == same.shape
    assert any(not torch.equal(once[0], once[k]) for k in range(1, 6))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradients_reach_the_picture(name: str) -> None:
    pictures = PICTURES.clone().requires_grad_()
    alone(name, pictures).sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0


def test_color_moves_the_mean_by_at_most_half_and_keeps_alpha() -> None:
    pictures = torch.rand(32, 4, 8, 8) - 0.5
    out = alone("color", pictures)
    moved = out[:, :3].mean((1, 2, 3)) - pictures[:, :3].mean((1, 2, 3))
    assert moved.abs().max() <= 0.5 + 1e-5
    assert moved.abs().max() > 0.1
    assert torch.equal(out[:, 3], pictures[:, 3])


def test_translation_shifts_by_at_most_an_eighth_and_brings_in_grey() -> None:
    picture = torch.ones(64, 1, 16, 16)
    out = alone("translation", picture)
    assert set(out.unique().tolist()) == {0.0, 1.0}
    covered = out.mean((1, 2, 3))
    assert covered.min() >= (14 / 16) ** 2
    assert covered.max() == 1.0


def test_translation_moves_the_picture_not_its_values() -> None:
    picture = torch.zeros(64, 1, 16, 16)
    picture[:, 0, 8, 8] = 1.0
    out = alone("translation", picture)
    assert torch.equal(out.sum((1, 2, 3)), torch.ones(64))
    places = out.flatten(1).argmax(1)
    rows, columns = places // 16 - 8, places % 16 - 8
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}


def test_cutout_blanks_a_quarter_at_most() -> None:
    out = alone("cutout", torch.ones(64, 1, 16, 16))
    gone = 1 - out.mean((1, 2, 3))
    assert gone.max() <= 0.25 + 1e-6
    assert gone.min() > 0


def test_policy_is_applied_in_order_and_none_is_the_picture_itself() -> None:
    assert augment(PICTURES, (), draws(PICTURES)) is PICTURES
    by_hand = alone("cutout", alone("color", PICTURES))
    assert torch.equal(augment(PICTURES, ("color", "cutout"), draws(PICTURES)), by_hand)


def test_a_batch_in_parts_is_augmented_like_the_whole() -> None:
    whole = draws(PICTURES, noise=0.3)
    policy = tuple(AUGMENTATIONS)
    parts = [augment(PICTURES[rows], policy, whole.part(rows)) for rows in (slice(0, 1), slice(1, 6))]
    assert torch.equal(torch.cat(parts), augment(PICTURES, policy, whole))


def test_instance_noise_has_its_deviation_and_fades_to_nothing() -> None:
    pictures = torch.zeros(64, 3, 16, 16)
    noisy = augment(pictures, (), draws(pictures, noise=0.25))
    assert noisy.std() == pytest.approx(0.25, rel=0.02)
    assert abs(float(noisy.mean())) < 0.01
    assert [noise_at(nimg, 0.2, 10) for nimg in (0, 5_000, 10_000, 20_000)] == [0.2, 0.1, 0.0, 0.0]
