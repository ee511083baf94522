"""What a checkpoint must hold, and the averaged generator."""

import copy
import math

import pytest
import torch
from torch import nn

from artgan.config import Settings
from artgan.engine.device import Engine
from artgan.errors import CheckpointError
from artgan.presets import resolve
from artgan.training.state import TrainState, update_average

SMALL: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "model.d_norm": "spectral",
}
SETTINGS = resolve(None, SMALL)


def state(settings: Settings = SETTINGS, seed: int = 0, c_dim: int = 2) -> TrainState:
    return TrainState(settings, (3, 8, 8), c_dim, Engine.detect("cpu", "float32", seed))


def test_networks_are_a_function_of_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, two, other = state().tensors(), state().tensors(), state(seed=1).tensors()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["G.layers.0.weight"], other["G.layers.0.weight"])


def test_everything_survives_the_round_trip() -> None:
    first = state()
    z, c = torch.randn(4, 4), torch.tensor([0, 1, 0, 1])
    first.D(first.G(z, c), c).mean().backward()
    first.opt_G.step()
    first.opt_D.step()
    first.observe({"loss_D": torch.tensor(0.5), "r1": torch.tensor(2.0)})
    first.nimg = 640
    first.p, first.won = torch.tensor(0.25), torch.tensor(1.75)
    second = state(seed=9)
    second.load(first.tensors())
    ours, theirs = first.tensors(), second.tensors()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert "opt_D.layers.0.parametrizations.weight.original.exp_avg_sq" in ours
    assert second.nimg == 640
    assert second.take_means() == {"loss_D": 0.5, "r1": 2.0}
    assert second.take_means() == {}


def test_a_checkpoint_from_before_there_was_a_p_is_read() -> None:
    old = state(settings=resolve(None, {**SMALL, "train.batch": 64}), seed=9).tensors()
    del old["augment.p"], old["augment.won"]
    one = state(resolve(None, {**SMALL, "augment.policy": ["color"], "augment.p": 0.5}))
    one.load(old)
    assert (float(one.p), float(one.won)) == (0.5, 0.0)


def test_p_follows_what_the_discriminator_wins_every_fourth_batch() -> None:
    settings = resolve(
        None,
        {
            **{**SMALL, "augment.policy": ["color"], "augment.adaptive": True, "train.batch": 10},
            **{"augment.target": 0.5, "augment.ada_kimg": 1.0, "augment.p_max": 0.1},
        },
    )
    one, found = state(settings), list[float]()
    wins = [1.0] * 12 + [1.0, 1.0, 0.5, 0.5] + [0.75] * 4 + [0.0, 0.0, 0.0, 1.0] * 3
    for number, won in enumerate(wins):
        one.adapt(torch.tensor(won), 10 * number, settings)
        found.append(round(float(one.p), 6))
    # 40 pictures of 1,000 move it by 0.04; it ends at 0.1; at the target it stays.
    moves = [0.0] * 3 + [0.04] * 4 + [0.08] * 4 + [0.1] * 4 + [0.1] * 8 + [0.06] * 4 + [0.02] * 4 + [0.0]
    assert found == moves


def test_p_stays_where_nobody_asked_to_adapt_it() -> None:
    settings = resolve(None, {**SMALL, "augment.policy": ["color"], "augment.p": 0.5})
    one = state(settings)
    for number in range(8):
        one.adapt(torch.tensor(1.0), 64 * number, settings)
    assert (float(one.p), float(one.won)) == (0.5, 0.0)


def test_a_checkpoint_of_other_networks_is_refused_in_one_sentence() -> None:
    wide = resolve(None, {"data.resolution": 8, "model.base_channels": 8, "model.z_dim": 4})
    with pytest.raises(CheckpointError, match="does not fit"):
        state().load(state(wide).tensors())


def test_shares_of_a_batch_weigh_what_they_are() -> None:
    """Two thirds of a batch at 3 and one third at 6 are 4; another whole batch at 8 makes it 6."""
    one = state()
    one.observe({"loss_D": torch.tensor(3.0), "r1": torch.tensor(1.0)}, 2 / 3)
    one.observe({"loss_D": torch.tensor(6.0), "r1": torch.tensor(4.0)}, 1 / 3)
    one.observe({"loss_D": torch.tensor(8.0)})
    assert one.take_means() == pytest.approx({"loss_D": 6.0, "r1": 2.0})


def test_the_worst_is_the_largest_loss_since_it_was_asked_for() -> None:
    one = state()
    assert one.take_worst() == 0
    one.observe({"loss_D": torch.tensor(2.0), "loss_G": torch.tensor(-7.0), "real_logit": torch.tensor(99.0)})
    one.observe({"loss_D": torch.tensor(3.0), "D_grad": torch.tensor(1e30), "r1": torch.tensor(1e9)}, 0.5)
    assert one.take_worst() == 7, "a gradient or a penalty may be long"
    assert one.take_worst() == 0
    assert one.take_means()["D_grad"] == pytest.approx(1e30), "asking takes nothing from the means"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["loss_D", "loss_G", "D_grad", "G_grad"])
def test_what_is_no_number_is_worse_than_any(name: str, value: float) -> None:
    one = state()
    one.observe({name: torch.tensor(value)}, 0.25)
    one.observe({"loss_D": torch.tensor(0.5), "G_grad": torch.tensor(1.0)})
    assert not one.take_worst() < 1e30
    assert one.take_worst() == 0


def test_the_rates_reach_every_group_and_are_no_part_of_a_checkpoint() -> None:
    one = state()
    one.opt_D.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 1.0})
    one.set_rates(0.25, 0.5)
    assert one.rates == {"g_lr": 0.25, "d_lr": 0.5}
    assert [group["lr"] for group in one.opt_D.param_groups] == [0.5, 0.5]
    assert not any("lr" in name.split(".") for name in one.tensors())


class Tiny(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)
        with torch.no_grad():
            self.norm.weight.fill_(value)
        assert self.norm.running_mean is not None
        self.norm.running_mean.fill_(value)


def test_average_forgets_half_in_its_half_life_parameters_and_buffers_alike() -> None:
    average, target = Tiny(1.0), Tiny(0.0)
    assert target.norm.num_batches_tracked is not None
    target.norm.num_batches_tracked.fill_(7)
    update_average(average, target, nimg=1_000_000, batch=500, half_life=500)
    assert average.norm.weight.item() == pytest.approx(0.5)
    assert average.norm.running_mean is not None
    assert average.norm.running_mean.item() == pytest.approx(0.5)
    assert average.norm.num_batches_tracked == 7


def test_average_of_two_half_steps_is_one_step() -> None:
    target, one = Tiny(0.0), Tiny(1.0)
    two = copy.deepcopy(one)
    update_average(one, target, 10**9, 64, 1000)
    for _ in range(2):
        update_average(two, target, 10**9, 32, 1000)
    assert one.norm.weight.item() == pytest.approx(two.norm.weight.item())


def test_average_warms_up_and_is_off_at_zero() -> None:
    average, target = Tiny(1.0), Tiny(0.0)
    update_average(average, target, nimg=640, batch=64, half_life=10_000)  # a tenth of 640 is one batch
    assert average.norm.weight.item() == pytest.approx(0.5)
    update_average(average, target, nimg=1280, batch=64, half_life=0)
    assert average.norm.weight.item() == 0.0
