"""DiffAugment changes what it should, leaves alone what it should, and lets gradients through."""

import pytest
import torch

from artgan.config import AugmentSettings
from artgan.engine.seeds import Streams
from artgan.training.augment import AUGMENTATIONS, Draws, adapted, augment, draw, noise_at


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


# --- how often


POLICY = tuple(AUGMENTATIONS)
MANY = torch.linspace(-0.9, 0.9, 400 * 3 * 8 * 8).reshape(400, 3, 8, 8)


def test_what_an_augmentation_does_is_drawn_as_it_was_before_there_was_a_p() -> None:
    before = torch.rand(6, 7, generator=Streams(0).generator("test", 0))
    assert torch.equal(draws(PICTURES).uniform[:, :7], before)


def test_with_p_1_every_picture_is_changed_and_with_p_0_none() -> None:
    chance = draws(PICTURES)
    always, never = torch.tensor(1.0), torch.tensor(0.0)
    assert torch.equal(augment(PICTURES, POLICY, chance, always), augment(PICTURES, POLICY, chance))
    assert torch.equal(augment(PICTURES, POLICY, chance, 1.0), augment(PICTURES, POLICY, chance))
    for p in (0.0, never):
        assert torch.equal(augment(PICTURES, POLICY, chance, p), PICTURES)


@pytest.mark.parametrize("name", POLICY)
def test_between_a_picture_is_changed_wholly_or_not_at_all(name: str) -> None:
    chance = draws(MANY)
    changed, out = augment(MANY, (name,), chance), augment(MANY, (name,), chance, torch.tensor(0.25))
    whole = (out == changed).all((1, 2, 3)) & (out != MANY).any((1, 2, 3))
    left = (out == MANY).all((1, 2, 3))
    assert (whole | left).all()
    assert 0.15 < float(whole.float().mean()) < 0.35


def test_one_augmentation_says_nothing_of_the_next() -> None:
    chosen = draws(MANY).uniform[:, [AUGMENTATIONS[name][2] for name in POLICY]] < 0.5
    assert set(map(tuple, chosen.tolist())) == {(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)}


def test_more_augmentation_changes_more_pictures_and_those_that_were_changed_before() -> None:
    chance = draws(MANY)
    few, more = (augment(MANY, ("translation",), chance, p) != MANY for p in (0.2, 0.6))
    assert not (few & ~more).any()
    assert few.any((1, 2, 3)).sum() < more.any((1, 2, 3)).sum()


def test_a_part_of_a_batch_is_changed_as_often_as_in_the_whole() -> None:
    chance = draws(MANY)
    parts = [augment(MANY[rows], POLICY, chance.part(rows), 0.5) for rows in (slice(0, 7), slice(7, 400))]
    assert torch.equal(torch.cat(parts), augment(MANY, POLICY, chance, 0.5))


@pytest.mark.parametrize(
    ("p", "real_acc", "expected"),
    [
        (0.25, 1.0, 0.26),  # r = 1 is above the target of 0.5
        (0.25, 0.5, 0.24),
        (0.25, 0.75, 0.25),  # r = 0.5 is the target itself
        (0.795, 1.0, 0.8),
        (0.005, 0.0, 0.0),
    ],
)
def test_p_moves_at_its_speed_and_keeps_to_its_ends(p: float, real_acc: float, expected: float) -> None:
    settings = AugmentSettings(target=0.5, ada_kimg=10, p_max=0.8)
    found = adapted(torch.tensor(p), torch.tensor(real_acc), 100, settings)
    assert float(found) == pytest.approx(expected)
