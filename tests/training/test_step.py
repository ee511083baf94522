"""One step: the same in parts as whole, gradients shortened and not bent, rates on a cosine, targets, and dropout."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from artgan.config import SMOOTHED, Settings
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.device import Engine
from artgan.errors import SettingError
from artgan.models import build_discriminator
from artgan.presets import resolve
from artgan.training.losses import LOSSES, bce_D, game, lsgan_D
from artgan.training.repairs import Plan
from artgan.training.state import TrainState
from artgan.training.step import LAST_RATE, draw_batch, rate, train_step

ENGINE = Engine.detect("cpu", "float32")
BATCH = 7  # a prime: no number of parts divides it
SMALL: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.max_channels": 16,
    "model.z_dim": 4,
    "train.batch": BATCH,
    "train.g_lr": 0.1,
    "train.d_lr": 0.1,
}
EVERYTHING: dict[str, object] = {
    **SMALL,
    "data.mirror": True,
    "augment.policy": ["color", "translation", "cutout"],
    "augment.noise": 0.2,
    "train.r1_gamma": 2.0,
    "train.r2_gamma": 0.5,
    "train.penalty_interval": 1,
    "train.clip": 10.0,
}
Weights = dict[str, torch.Tensor]


def weights(network: nn.Module) -> Weights:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def gradients(network: nn.Module) -> Weights:
    return {
        name: parameter.grad.clone() for name, parameter in network.named_parameters() if parameter.grad is not None
    }


def norm(tensors: Weights) -> float:
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors.values()))


def begin(settings: Settings, pictures: Pictures, descent: bool = True) -> TrainState:
    """A new state. With `descent` its optimisers go straight down: Adam's first step is the sign of the gradient."""
    state = TrainState(settings, pictures.shape, len(pictures.classes), ENGINE)
    if descent:
        state.opt_G = torch.optim.SGD(state.G.parameters(), settings.train.g_lr)
        state.opt_D = torch.optim.SGD(state.D.parameters(), settings.train.d_lr)
    return state


def load(data: Path, settings: Settings) -> Pictures:
    return load_pictures(data, settings.data, settings.train.seed)


# --- in parts


def one_step(settings: Settings, pictures: Pictures, parts: int) -> tuple[Weights, dict[str, float]]:
    """How far one step moves every weight, batch norm held fixed, and what is said of it."""
    state = begin(settings, pictures)
    for module in state.G.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    networks = {"G": state.G, "D": state.D}
    before = {name: weights(network) for name, network in networks.items()}
    train_step(settings, pictures, ENGINE, state, Plan(parts=parts))
    moved = {
        f"{name}.{key}": after - before[name][key]
        for name, network in networks.items()
        for key, after in weights(network).items()
    }
    assert state.nimg == settings.train.batch * settings.train.d_steps
    return moved, state.take_means()


@pytest.mark.parametrize("labels", ["auto", "none"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_in_parts_is_the_step(loss: str, labels: str, class_folders: Path) -> None:
    overrides: dict[str, object] = {**EVERYTHING, "train.loss": loss, "data.labels": labels}
    overrides |= {"model.name": "mlp"} if loss in ("lsgan", "wgan-gp") else {}
    overrides |= {"train.d_steps": 2} if loss.startswith("wgan") else {}
    settings = resolve(None, overrides)
    pictures = load(class_folders, settings)
    whole, means = one_step(settings, pictures, 1)
    # Where only differences of logits count, the logit's bias stays where it is.
    assert all(moved.abs().max() > 0 for name, moved in whole.items() if name.endswith("weight"))
    farthest = max(float(moved.abs().max()) for moved in whole.values())
    for parts in (2, 3):
        found, told = one_step(settings, pictures, parts)
        for name, moved in whole.items():
            torch.testing.assert_close(found[name], moved, rtol=1e-4, atol=1e-6 * farthest)
        assert told == pytest.approx(means, rel=1e-4, abs=1e-6)
    expected = {"r1", "r2"} | ({"gp"} if loss == "wgan-gp" else set())
    assert expected <= means.keys()


@given(batch=st.integers(2, 40), data=st.data())
def test_parts_are_all_of_the_batch_and_none_is_a_single_picture(batch: int, data: st.DataObject) -> None:
    """A single picture has no batch statistics: batch norm refuses it."""
    parts = data.draw(st.integers(1, batch // 2))
    settings = resolve(None, {"train.batch": batch, "model.z_dim": 1})
    pieces = draw_batch(settings, Zeros(), ENGINE, 0).parts(parts)  # type: ignore[arg-type]
    sizes = [len(piece.z) for piece, _ in pieces]
    assert sum(sizes) == batch
    assert min(sizes) >= 2
    assert max(sizes) <= math.ceil(batch / parts)
    assert [share * batch for _, share in pieces] == pytest.approx(sizes)


class Zeros:
    """Stands in for a set of training pictures."""

    shape = (1, 2, 2)

    def batch(self, position: int, size: int, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(size, *self.shape, dtype=torch.uint8)[part], torch.zeros(size, dtype=torch.int64)[part]

    def conditions(self, labels: torch.Tensor) -> torch.Tensor:
        return labels


def test_less_than_two_pictures_per_part_are_refused() -> None:
    assert resolve(None, {"train.batch": 7, "train.accumulate": 3}).train.accumulate == 3
    with pytest.raises(SettingError, match="accumulate 4") as refusal:
        resolve(None, {"train.batch": 7, "train.accumulate": 4})
    assert "at most 3" in refusal.value.hint


# --- clipping


@pytest.mark.parametrize("parts", [1, 2])
def test_a_long_gradient_is_shortened_and_not_bent(parts: int, paintings: Path) -> None:
    longest = 1e-3
    found: dict[float, tuple[dict[str, Weights], dict[str, float]]] = {}
    for clip in (0.0, longest, 1e6):
        still = {"train.g_lr": 1e-20, "train.d_lr": 1e-20}  # so that G's turn meets the same D
        settings = resolve(None, {**EVERYTHING, **still, "train.grad_clip": clip})
        pictures = load(paintings, settings)
        state = begin(settings, pictures)
        train_step(settings, pictures, ENGINE, state, Plan(parts=parts))
        found[clip] = {"G": gradients(state.G), "D": gradients(state.D)}, state.take_means()
    for network in ("G", "D"):
        free = found[0.0][0][network]
        assert norm(free) > 10 * longest
        # Clipped or not, what is recorded is how long it was.
        assert [means[f"{network}_grad"] for _, means in found.values()] == pytest.approx([norm(free)] * 3, rel=1e-5)
        short = found[longest][0][network]
        assert longest * 0.99 < norm(short) <= longest * (1 + 1e-6)
        for name, gradient in free.items():
            torch.testing.assert_close(short[name], gradient * (norm(short) / norm(free)), rtol=1e-5, atol=0)
            assert torch.equal(found[1e6][0][network][name], gradient)


# --- rates


@given(lr=st.floats(1e-6, 1), kimg=st.floats(0.1, 1e5))
def test_the_rate_falls_along_a_cosine(lr: float, kimg: float) -> None:
    end = 1000 * kimg
    assert rate(lr, 0, kimg) == pytest.approx(lr)
    assert rate(lr, round(end / 2), kimg) == pytest.approx(lr * (1 + LAST_RATE) / 2, rel=0.02)
    assert rate(lr, math.ceil(end), kimg) == pytest.approx(lr * LAST_RATE)
    assert rate(lr, 3 * math.ceil(end), kimg) == pytest.approx(lr * LAST_RATE)
    along = [rate(lr, round(end * step / 20), kimg) for step in range(21)]
    assert all(later <= earlier for earlier, later in zip(along, along[1:], strict=False))


def test_without_a_cosine_the_rate_stays() -> None:
    assert {rate(0.1, nimg, 0.0) for nimg in (0, 1, 10**9)} == {0.1}


def test_the_optimisers_get_the_rates_of_the_position_and_the_plan(paintings: Path) -> None:
    settings = resolve(None, {**SMALL, "train.g_lr": 0.02, "train.d_lr": 0.04, "train.cosine_kimg": 1.0})
    pictures = load(paintings, settings)
    state = begin(settings, pictures, descent=False)
    state.nimg = 500
    train_step(settings, pictures, ENGINE, state, Plan(rate_scale=0.5))
    assert state.rates == pytest.approx({"g_lr": 0.01 * 0.505, "d_lr": 0.02 * 0.505})


# --- label smoothing

logits = st.lists(st.floats(-30, 30), min_size=1, max_size=8).map(lambda values: torch.tensor(values).double())


@given(real=logits, gen=logits, s=st.floats(0, 0.49))
def test_smoothing_lowers_the_target_of_reals_alone(real: torch.Tensor, gen: torch.Tensor, s: float) -> None:
    def log_sigmoid(x: torch.Tensor) -> torch.Tensor:
        return -torch.log1p(torch.exp(-x))

    by_hand = (-(1 - s) * log_sigmoid(real) - s * log_sigmoid(-real)).mean() - log_sigmoid(-gen).mean()
    torch.testing.assert_close(bce_D(real, gen, s), by_hand)
    by_hand = ((real - (1 - s)) ** 2).mean() / 2 + (gen**2).mean() / 2
    torch.testing.assert_close(lsgan_D(real, gen, s), by_hand)


@pytest.mark.parametrize("loss", SMOOTHED)
def test_a_smoothed_game_is_won_at_its_target(loss: str) -> None:
    """D's loss on reals is least where D says 1 - s, not where it is surer."""
    target = 0.9 if loss == "lsgan" else math.log(0.9 / 0.1)
    real = torch.tensor([target], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(game(loss, 0.1).loss_D(real, torch.zeros(1)), real)
    assert abs(slope.item()) < 1e-9
    assert game(loss) is LOSSES[loss]
    assert game(loss, 0.1).loss_G is LOSSES[loss].loss_G
    assert game(loss, 0.1).boundary == LOSSES[loss].boundary


@pytest.mark.parametrize("loss", LOSSES)
def test_smoothing_is_refused_where_reals_have_no_target(loss: str) -> None:
    overrides: dict[str, object] = {"train.loss": loss, "train.label_smoothing": 0.1}
    if loss in SMOOTHED:
        assert resolve(None, overrides).train.label_smoothing == 0.1
    else:
        with pytest.raises(SettingError, match=rf"label_smoothing .* {loss}") as refusal:
            resolve(None, overrides)
        assert "bce" in refusal.value.hint


# --- dropout


def dropping(model: str, share: float = 0.5) -> Settings:
    return resolve(None, {**SMALL, "model.name": model, "model.d_dropout": share})


def masks_of(state: TrainState, step: Callable[[], None]) -> list[torch.Tensor]:
    """What every layer of dropout blanked in a step, where there was something to blank."""
    seen: list[torch.Tensor] = []

    def look(_: nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        seen.append((out == 0) & (given[0] != 0))

    hooks = [module.register_forward_hook(look) for module in state.D.modules() if isinstance(module, nn.Dropout)]
    step()
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("model", ["dcgan", "mlp"])
def test_dropout_is_a_function_of_seed_and_position(model: str, paintings: Path) -> None:
    settings = dropping(model)
    pictures = load(paintings, settings)
    found = []
    for anywhere, nimg in ((1, 0), (2, 0), (1, BATCH)):
        state = begin(settings, pictures, descent=False)
        state.nimg = nimg
        torch.manual_seed(anywhere)
        before = torch.random.get_rng_state()
        masks = masks_of(state, lambda state=state: train_step(settings, pictures, ENGINE, state, Plan()))  # type: ignore[misc]
        assert torch.equal(torch.random.get_rng_state(), before), "torch's own generator is left as it was"
        found.append((masks, {**weights(state.D), **weights(state.G)}))
    (masks, once), (same, again), (others, _) = found
    assert len(masks) >= 3  # reals, generated ones, and the generator's turn
    assert all(0.2 < mask.float().mean() < 0.8 for mask in masks)
    assert all(torch.equal(a, b) for a, b in zip(masks, same, strict=True))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not any(torch.equal(a, b) for a, b in zip(masks, others, strict=True))


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
@pytest.mark.parametrize("model", ["dcgan", "mlp"])
def test_dropout_is_only_there_while_training_and_only_when_asked_for(model: str, norm: str) -> None:
    chosen = resolve(None, {**SMALL, "model.name": model, "model.d_norm": norm, "model.d_dropout": 0.5}).model
    D = build_discriminator(chosen, (3, 8, 8), 0)
    pictures = torch.randn(4, 3, 8, 8)
    assert not torch.equal(D(pictures), D(pictures))
    D.eval()
    assert torch.equal(D(pictures), D(pictures))
    without = build_discriminator(chosen.model_copy(update={"d_dropout": 0.0}), (3, 8, 8), 0)
    assert not any(isinstance(module, nn.Dropout) for module in without.modules())


def test_a_step_without_dropout_draws_nothing_from_the_global_generator(paintings: Path) -> None:
    settings = resolve(None, EVERYTHING)
    pictures = load(paintings, settings)
    before = torch.random.get_rng_state()
    train_step(settings, pictures, ENGINE, begin(settings, pictures), Plan())
    assert torch.equal(torch.random.get_rng_state(), before)


# --- what is told of a step


def test_meters_are_means_of_the_batch(paintings: Path) -> None:
    """With d_steps 1 and a D that does not move, everything told can be worked out again from the networks."""
    settings = resolve(None, {**SMALL, "train.loss": "bce", "train.d_lr": 1e-20, "train.g_lr": 1e-20})
    pictures = load(paintings, settings)
    state = begin(settings, pictures)
    batch = draw_batch(settings, pictures, ENGINE, 0)
    with torch.no_grad():
        real, gen = state.D(batch.real_img), state.D(state.G(batch.z))
    train_step(settings, pictures, ENGINE, state, Plan())
    means = state.take_means()
    for name, seen in (("real", real), ("gen", gen)):
        assert means[f"{name}_logit"] == pytest.approx(seen.mean().item(), rel=1e-4, abs=1e-6)
        assert means[f"{name}_std"] == pytest.approx(seen.std(correction=0).item(), rel=1e-4)
    assert means["real_acc"] == pytest.approx((real > 0).float().mean().item())
    assert means["gen_acc"] == pytest.approx((gen < 0).float().mean().item())
    assert means["loss_D"] == pytest.approx(bce_D(real, gen).item(), rel=1e-4)
    assert means["loss_G"] == pytest.approx(LOSSES["bce"].loss_G(real, gen).item(), rel=1e-4)
    assert means["D_grad"] == pytest.approx(norm(gradients(state.D)), rel=1e-4)
    assert means["G_grad"] == pytest.approx(norm(gradients(state.G)), rel=1e-4)
    assert {"r1", "r2", "gp"}.isdisjoint(means), "the penalty was not due"


def test_an_offset_of_all_logits_changes_neither_game_nor_spread(paintings: Path) -> None:
    """Where only differences count, nothing holds the logits near 0."""
    settings = resolve(None, {**SMALL, "train.loss": "rpgan", "train.d_lr": 1e-20, "train.g_lr": 1e-20})
    pictures = load(paintings, settings)
    found = []
    for offset in (0.0, 1000.0):
        state = begin(settings, pictures)
        with torch.no_grad():
            dict(state.D.named_parameters())["logit.0.bias"].add_(offset)
        train_step(settings, pictures, ENGINE, state, Plan())
        found.append(state.take_means())
    near, far = found
    assert far["real_logit"] == pytest.approx(near["real_logit"] + 1000, rel=1e-4)
    for name in ("loss_D", "real_acc", "real_std", "gen_std"):
        assert far[name] == pytest.approx(near[name], rel=1e-2), name


def test_penalties_come_at_their_interval(paintings: Path) -> None:
    settings = resolve(None, {**SMALL, "train.penalty_interval": 3})
    pictures = load(paintings, settings)
    state = begin(settings, pictures, descent=False)
    due = []
    for _ in range(7):
        train_step(settings, pictures, ENGINE, state, Plan())
        due.append("r1" in state.take_means())
    assert due == [step % 3 == 0 for step in range(1, 8)]
