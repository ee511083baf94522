"""One pass for both networks gives G the gradient that its own turn would have given, and refuses what it cannot do."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artgan.config import ONE_PASS
from artgan.errors import SettingError
from artgan.presets import resolve
from artgan.training.losses import LOSSES, exchange, game
from artgan.training.repairs import Plan
from artgan.training.step import train_step
from tests.training.test_step import ENGINE, EVERYTHING, begin, gradients, load, one_step

WIDE: dict[str, object] = {**EVERYTHING, "train.d_lr": 1e-30, "augment.policy": [], "augment.noise": 0.0}
"""D does not move and sees all pictures as they are: then both ways are the same step."""


@pytest.mark.parametrize("loss", ONE_PASS)
def test_both_ways_give_the_same_gradients(loss: str, class_folders: Path) -> None:
    found = []
    for one_pass in (False, True):
        settings = resolve(None, {**WIDE, "train.loss": loss, "train.one_pass": one_pass, "train.clip": 1e30})
        pictures = load(class_folders, settings)
        state = begin(settings, pictures)
        train_step(settings, pictures, ENGINE, state, Plan())
        found.append((gradients(state.G), state.take_means()))
    (two, said), (one, told) = found
    assert two
    for name, gradient in two.items():
        torch.testing.assert_close(one[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max() + 1e-6))
    assert told == pytest.approx(said, rel=1e-4, abs=1e-5)


@given(st.sampled_from(ONE_PASS), st.floats(-15, 15), st.floats(-15, 15))
def test_what_is_exchanged_is_the_quotient_of_the_derivatives(loss: str, real: float, gen: float) -> None:
    ours = float(exchange(game(loss), torch.tensor([real]), torch.tensor([gen])))
    logit = torch.tensor([gen], requires_grad=True)
    for_D = torch.autograd.grad(LOSSES[loss].loss_D(torch.tensor([real]), logit), logit)[0]
    for_G = torch.autograd.grad(LOSSES[loss].loss_G(torch.tensor([real]), logit), logit)[0]
    assert ours * float(for_D) == pytest.approx(float(for_G), rel=1e-4)


def test_a_step_in_parts_is_the_step(class_folders: Path) -> None:
    settings = resolve(None, {**EVERYTHING, "train.one_pass": True})
    pictures = load(class_folders, settings)
    whole, means = one_step(settings, pictures, 1)
    parts, told = one_step(settings, pictures, 3)
    farthest = max(float(moved.abs().max()) for moved in whole.values())
    assert farthest > 0
    for name, moved in whole.items():
        torch.testing.assert_close(parts[name], moved, rtol=1e-4, atol=1e-6 * farthest)
    assert told == pytest.approx(means, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"train.loss": "hinge"}, "train.loss hinge"),
        ({"train.loss": "wgan-gp"}, "train.loss wgan-gp"),
        ({"model.d_norm": "batch"}, "model.d_norm batch"),
        ({"train.d_steps": 2}, "train.d_steps above 1"),
    ],
)
def test_what_needs_two_turns_is_refused(overrides: dict[str, object], named: str) -> None:
    with pytest.raises(SettingError, match=f"one_pass does not go with {named}"):
        resolve(None, {"train.one_pass": True, **overrides})
