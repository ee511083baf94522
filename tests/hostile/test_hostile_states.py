"""A training state is taken over when it fits exactly, tensor by tensor, and not at all otherwise."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.config import Settings
from artgan.engine import checkpoint
from artgan.engine.checkpoint import GENERATOR, MANIFEST, STATE
from artgan.engine.device import Engine
from artgan.errors import CheckpointError
from artgan.presets import resolve
from artgan.training.state import TrainState

Tensors = dict[str, torch.Tensor]
ADAM = resolve(None, {"data.resolution": 8, "model.base_channels": 4, "model.z_dim": 4, "model.d_norm": "spectral"})
RMSPROP = resolve(
    None, {"data.resolution": 8, "model.base_channels": 4, "model.z_dim": 4, "train.optimizer": "rmsprop"}
)


def fresh(settings: Settings = ADAM, seed: int = 0) -> TrainState:
    return TrainState(settings, (3, 8, 8), 0, Engine.detect("cpu", "float32", seed))


def trained(settings: Settings = ADAM) -> TrainState:
    """A state after one step of both optimisers."""
    state = fresh(settings)
    state.D(state.G(torch.randn(4, 4))).mean().backward()
    state.opt_G.step()
    state.opt_D.step()
    state.nimg = 64
    return state


def copy(state: TrainState) -> Tensors:
    return {name: tensor.clone() for name, tensor in state.tensors().items()}


def same(one: Tensors, two: Tensors) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("settings", [ADAM, RMSPROP])
def test_what_fits_is_taken_over(settings: Settings) -> None:
    before, after_a_step = fresh(settings, seed=3), trained(settings)
    state = fresh(settings, seed=9)
    for saved in (copy(before), copy(after_a_step), copy(before)):
        state.load(saved)
        assert same(state.tensors(), saved)
    after_a_step.load(copy(before))
    assert same(after_a_step.tensors(), copy(before)), "the optimisers forget what they knew"


WEIGHT, NORM, SLOT = "G.layers.0.weight", "G_ema.layers.1.weight", "opt_D.layers.0.bias.exp_avg"
LAST = "G.layers.3.weight"
STEP = "opt_G.layers.0.weight.step"
DAMAGE: dict[str, Callable[[Tensors], object]] = {
    "a weight is missing": lambda t: t.pop(WEIGHT),
    "a buffer is missing": lambda t: t.pop("G.layers.1.running_mean"),
    "nimg is missing": lambda t: t.pop("nimg"),
    "meters are missing": lambda t: t.pop("meters.sums"),
    "a slot is missing": lambda t: t.pop(SLOT),
    "a step is missing": lambda t: t.pop(STEP),
    "an optimiser is missing": lambda t: [t.pop(name) for name in list(t) if name.startswith("opt_G.")],
    "both optimisers are missing": lambda t: [t.pop(name) for name in list(t) if name.startswith("opt_")],
    "a slot of another optimiser": lambda t: t.update({"opt_D.layers.0.bias.square_avg": t[SLOT].clone()}),
    "a slot called as a method": lambda t: t.update({"opt_D.layers.0.bias.__class__": t[SLOT].clone()}),
    "an optimiser of nothing": lambda t: t.update({"opt_X.layers.0.bias.step": torch.zeros(())}),
    "an unknown tensor": lambda t: t.update({"more": torch.zeros(1)}),
    "a path as a name": lambda t: t.update({"../../etc/passwd": torch.zeros(1)}),
    "a name with control characters": lambda t: t.update({"\x1b[31m\n": torch.zeros(1)}),
    "a weight that would broadcast": lambda t: t.update({NORM: torch.ones(1)}),
    "a weight that is one number": lambda t: t.update({NORM: torch.ones(())}),
    "a weight of as many numbers": lambda t: t.update({WEIGHT: t[WEIGHT].flatten()}),
    "a weight turned": lambda t: t.update({LAST: t[LAST].transpose(0, 1)}),
    "a half weight": lambda t: t.update({WEIGHT: t[WEIGHT].half()}),
    "a double weight": lambda t: t.update({WEIGHT: t[WEIGHT].double()}),
    "a complex weight": lambda t: t.update({WEIGHT: t[WEIGHT].to(torch.complex64)}),
    "an integer weight": lambda t: t.update({WEIGHT: t[WEIGHT].long()}),
    "a count that is a float": lambda t: t.update({"G.layers.1.num_batches_tracked": torch.zeros(())}),
    "a slot that would broadcast": lambda t: t.update({SLOT: torch.zeros(1)}),
    "a slot that is one number": lambda t: t.update({SLOT: torch.zeros(())}),
    "a double slot": lambda t: t.update({SLOT: t[SLOT].double()}),
    "a step that is a vector": lambda t: t.update({STEP: torch.zeros(4)}),
    "a whole step": lambda t: t.update({STEP: torch.tensor(3)}),
    "a negative nimg": lambda t: t.update(nimg=torch.tensor(-64)),
    "an nimg that is a float": lambda t: t.update(nimg=torch.tensor(64.5)),
    "an nimg that is not a number": lambda t: t.update(nimg=torch.tensor(float("nan"))),
    "an nimg that is a list": lambda t: t.update(nimg=torch.tensor([64])),
    "an nimg that is nothing": lambda t: t.update(nimg=torch.zeros(0, dtype=torch.int64)),
    "an nimg that is true": lambda t: t.update(nimg=torch.tensor(True)),
    "meters that would broadcast": lambda t: t.update({"meters.counts": torch.ones(1)}),
    "double meters": lambda t: t.update({"meters.sums": t["meters.sums"].double()}),
    "nothing at all": lambda t: t.clear(),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_does_not_fit_is_refused_and_changes_nothing(what: str) -> None:
    tensors = copy(trained())
    DAMAGE[what](tensors)
    state = trained()
    before = copy(state)
    with pytest.raises(CheckpointError, match="does not fit") as caught:
        state.load(tensors)
    assert caught.value.message.count("\n") == 0
    assert len(caught.value.message) < 400
    assert same(copy(state), before)


def test_the_state_of_another_optimiser_is_refused() -> None:
    with pytest.raises(CheckpointError, match="does not fit"):
        fresh(ADAM).load(copy(trained(RMSPROP)))


def test_resume_refuses_a_state_that_does_not_fit(
    paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
    done = CliRunner().invoke(app, ["train", str(paintings), *tiny, "--kimg", "0.004"])
    assert done.exit_code == 0, done.stderr
    whole = tmp_path / done.stdout.strip()

    def stretched(folder: Path) -> None:
        save_file({**load_file(folder / STATE), NORM: torch.ones(1)}, folder / STATE)

    def unpacked(folder: Path) -> None:
        # Copies: the file that is written over is where the tensors lie.
        torch.save({name: tensor.clone() for name, tensor in load_file(folder / STATE).items()}, folder / STATE)

    def code(folder: Path) -> None:
        (folder / STATE).write_bytes(b"cposix\nsystem\n(S'touch sprung'\ntR.")

    for number, damage in enumerate((stretched, unpacked, code)):
        run = shutil.copytree(whole, tmp_path / "copies" / f"{number:05d}-copy")
        folder = next((run / "checkpoints").iterdir())
        damage(folder)
        files = {name: checkpoint._describe(folder / name) for name in (GENERATOR, STATE)}
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**manifest, "files": files}))
        result = CliRunner().invoke(app, ["resume", str(run), "--kimg", "0.008"])
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 5, result.stderr
        assert "000000004" in result.stderr or "does not fit" in result.stderr
        assert not (tmp_path / "sprung").exists()
