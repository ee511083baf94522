"""A run that begins from a trained model: what it keeps, what it says, and that it goes on exactly."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import artgan
from artgan.config import validated
from artgan.engine.checkpoint import load_state
from artgan.errors import CheckpointError, SettingError
from artgan.presets import read_preset
from artgan.training.events import Notice, RunStarted, Step
from tests.conftest import painted

TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "model.d_norm": "spectral",
    "train.batch": 4,
    "train.total_kimg": 0.024,
    "train.r1_gamma": 0.5,
    "train.penalty_interval": 2,
    "snapshot.stats_kimg": 0.008,
    "engine.device": "cpu",
}
SHORT = {name: value for name, value in TINY.items() if not name.startswith(("model.", "data."))}


@pytest.fixture
def fruit(tmp_path: Path, one_thread: None) -> Path:
    """Two class folders of eight pictures each."""
    return classes(tmp_path / "fruit", "apples", "pears")


def classes(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(8):
            painted(100 * seed + number, 20, 16).save(folder / name / f"{number}.png")
    return folder


def train(data: Path, runs_dir: Path, stop: int | None = None, **options: Any) -> tuple[artgan.TrainResult, list[Any]]:
    """A tiny run, stopped after so many pictures; its result and its events."""
    events: list[Any] = []
    overrides = {**(SHORT if "begin_from" in options else TINY), **options.pop("overrides", {})}

    def stopping() -> bool:
        return stop is not None and any(isinstance(event, Step) and event.nimg >= stop for event in events)

    result = artgan.train(
        data,
        preset=None,
        overrides=overrides,
        runs_dir=runs_dir,
        on_event=events.append,
        should_stop=stopping,
        **options,
    )
    return result, events


def notices(events: list[Any]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def first(run: Path) -> dict[str, torch.Tensor]:
    return load_state(run / "checkpoints" / "000000000")


def test_a_run_begins_with_the_weights_of_another_and_says_so(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path / "runs")
    other = classes(tmp_path / "more", "apples", "pears")
    new, events = train(other, tmp_path / "runs", begin_from=old.run)
    before, after = load_state(old.checkpoint), first(new.run)
    networks = {name for name in before if name.startswith(("G.", "D.", "G_ema."))}
    assert networks == {name for name in after if name.startswith(("G.", "D.", "G_ema."))}
    assert all(torch.equal(before[name], after[name]) for name in networks)
    assert any(not torch.equal(before[f"G.{name[6:]}"], before[name]) for name in networks if name.startswith("G_ema."))
    assert after["nimg"] == 0
    assert not any(name.startswith("opt_") for name in after), "fresh optimisers"
    told = "kept 100 % of the generator's and 100 % of the discriminator's weights."
    assert f"Started from {old.run.name} (0.024 kimg): {told}" in notices(events)
    assert [event.nimg for event in events if isinstance(event, RunStarted)] == [0]
    origin = json.loads((new.run / "run.json").read_text())["from"]
    kept = {"generator": 1.0, "discriminator": 1.0}
    assert origin == {"run": old.run.name, "nimg": 24, "path": str(old.run.resolve()), "kept": kept}
    assert new.nimg == 24


def test_other_classes_sizes_and_channels_are_told_of(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path)
    more = classes(tmp_path / "more", "apples", "quinces")
    new, events = train(more, tmp_path, begin_from=old.checkpoint, shape="24x16", channels="rgba")
    told = notices(events)
    assert "; new: class quinces; picture 24x16 instead of 8x8; channels 4 instead of 3." in told
    kept = json.loads((new.run / "run.json").read_text())["from"]["kept"]
    assert 0.1 < kept["generator"] < 1
    assert 0.1 < kept["discriminator"] < 1
    before, after = load_state(old.checkpoint), first(new.run)
    name = "D.projection.embedding.weight"
    assert torch.equal(after[name][0, :4], before[name][0])


def test_a_generator_file_has_no_discriminator(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path / "runs")
    shared = shutil.copy(old.checkpoint / "generator.safetensors", tmp_path / "apples.safetensors")
    new, events = train(fruit, tmp_path / "runs", begin_from=shared)
    assert "kept 100 % of the generator's weights; its file has no discriminator, which starts fresh." in notices(
        events
    )
    averaged, after = load_file(shared), first(new.run)
    for name, tensor in averaged.items():
        assert torch.equal(tensor, after[f"G.{name}"])
        assert torch.equal(tensor, after[f"G_ema.{name}"])
    before = load_state(old.checkpoint)
    assert not torch.equal(before["D.layers.0.bias"], after["D.layers.0.bias"])
    assert json.loads((new.run / "run.json").read_text())["from"]["kept"] == {"generator": 1.0, "discriminator": 0.0}


def test_settings_of_networks_and_pictures_are_taken_over_unless_others_are_asked_for(
    fruit: Path, tmp_path: Path
) -> None:
    made = {
        "data.shape": "24x16",
        "data.mirror": True,
        "data.channels": "grey",
        "train.g_lr": 0.1,
        "model.embed_dim": 5,
    }
    old, _ = train(fruit, tmp_path, overrides={**made, "data.crops": 2})
    taken = artgan.train(fruit, begin_from="0", runs_dir=tmp_path, overrides=SHORT, kimg=0.004)
    settings = validated(read_preset(taken.run / "config.toml").values)
    assert settings.model == validated(read_preset(old.run / "config.toml").values).model
    assert (settings.data.size, settings.data.channels, settings.data.mirror) == ((24, 16), "grey", True)
    assert (settings.data.crops, settings.train.g_lr, settings.train.loss) == (1, 0.0004, "rpgan"), "the default preset"
    flags = artgan.train(
        fruit,
        begin_from="0",
        runs_dir=tmp_path,
        overrides={**SHORT, "model.z_dim": 6},
        resolution=16,
        mirror=False,
        kimg=0.004,
    )
    settings = validated(read_preset(flags.run / "config.toml").values)
    assert (settings.data.size, settings.data.mirror, settings.model.z_dim) == ((16, 16), False, 6)
    named = artgan.train(
        fruit,
        preset="mlp28",
        begin_from="0",
        runs_dir=tmp_path,
        overrides={**SHORT, "model.name": "dcgan"},
        kimg=0.004,
        resolution=16,
    )
    assert validated(read_preset(named.run / "config.toml").values).model.embed_dim != 5


def test_the_same_command_goes_on_and_another_source_is_another_run(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path)
    other, _ = train(fruit, tmp_path, new=True)
    begun, _ = train(fruit, tmp_path, begin_from=old.run, stop=8)
    plain, _ = train(fruit, tmp_path)
    assert plain.run == other.run, "without --from, the latest run that began from nothing"
    again, events = train(fruit, tmp_path, begin_from="0")
    assert again.run == begun.run
    assert "Started from" not in notices(events)
    elsewhere, _ = train(fruit, tmp_path, begin_from=other.run)
    assert elsewhere.run not in (old.run, other.run, begun.run)
    with pytest.raises(SettingError, match="did not begin from"):
        train(fruit, tmp_path, begin_from=other.run, run=begun.run)
    named, _ = train(fruit, tmp_path, begin_from=old.run, run=begun.run)
    assert named.run == begun.run


@pytest.mark.parametrize("loss", ["rpgan", "wgan"])
def test_frozen_levels_stay_and_all_else_moves(loss: str, fruit: Path, tmp_path: Path) -> None:
    size = {"data.resolution": 16, "train.loss": loss}
    old, _ = train(fruit, tmp_path, overrides=size)
    new, _ = train(fruit, tmp_path, begin_from=old.run, freeze_d=1, overrides={"train.loss": loss}, new=True)
    before, after = first(new.run), load_state(new.checkpoint)
    frozen = ["D.layers.0.bias", "D.layers.0.parametrizations.weight.original"]
    moved = [
        "D.layers.2.bias",
        "D.layers.2.parametrizations.weight.original",
        "D.logit.0.parametrizations.weight.original",
    ]
    for name in frozen:
        assert torch.equal(before[name], after[name])
        assert f"opt_{name}.step" not in after
    for name in [*moved, "D.projection.embedding.weight", "G.layers.0.weight"]:
        assert not torch.equal(before[name], after[name])
        assert after[f"opt_{name}.step"] == 6
    # The generator learns through frozen levels as through others.
    assert torch.equal(load_state(old.checkpoint)[frozen[0]], after[frozen[0]])


@pytest.mark.parametrize("freeze_d", [0, 1])
def test_stopping_and_going_on_leaves_no_trace(freeze_d: int, fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path / "old", overrides={"data.resolution": 16})
    options: dict[str, Any] = {"begin_from": old.run, "freeze_d": freeze_d}
    whole, _ = train(fruit, tmp_path / "whole", **options)
    broken, _ = train(fruit, tmp_path / "broken", stop=12, **options)
    assert broken.nimg == 12
    again = artgan.resume(broken.run)
    assert again.run == broken.run
    states = [(result.checkpoint / "state.safetensors").read_bytes() for result in (whole, again)]
    assert states[0] == states[1]
    from_nothing, _ = train(fruit, tmp_path / "fresh", overrides={"data.resolution": 16})
    assert (from_nothing.checkpoint / "state.safetensors").read_bytes() != states[0]


KILLED = """
import os, signal, sys, json
import artgan
from artgan.training.events import Step
folder, data, source, overrides = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
def listen(event):
    if isinstance(event, Step):
        os.kill(os.getpid(), signal.SIGKILL)
artgan.train(data, preset=None, overrides=overrides, runs_dir=folder, begin_from=source, on_event=listen)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a thing of POSIX")
def test_a_run_killed_before_its_second_checkpoint_begins_from_its_source_again(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path / "old")
    exact = {"engine.precision": "float32"}
    whole, _ = train(fruit, tmp_path / "whole", begin_from=old.run, overrides=exact)
    settings = json.dumps({**SHORT, **exact})
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(fruit), str(old.run), settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    shutil.rmtree(old.run)  # the run stands on its own
    (run,) = (tmp_path / "killed").iterdir()
    again = artgan.resume(run)
    assert (again.run, again.nimg) == (run, 24)
    states = [(result.checkpoint / "state.safetensors").read_bytes() for result in (whole, again)]
    assert states[0] == states[1]


def test_without_its_first_checkpoint_it_does_not_begin_from_nothing(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path)
    new, _ = train(fruit, tmp_path, begin_from=old.run)
    shutil.rmtree(new.run / "checkpoints")
    with pytest.raises(CheckpointError, match="its checkpoints are gone"):
        artgan.resume(new.run)


def test_an_older_checkpoint_stands_in_for_a_damaged_one(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path, overrides={"snapshot.checkpoint_kimg": 0.012})
    (old.checkpoint / "state.safetensors").write_bytes(b"nothing")
    new, events = train(fruit, tmp_path, begin_from=old.run)
    assert "does not match its manifest" in notices(events)
    assert json.loads((new.run / "run.json").read_text())["from"]["nimg"] == 12
    with pytest.raises(CheckpointError, match="does not match its manifest"):
        train(fruit, tmp_path, begin_from=old.checkpoint)


def _other_shape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["layers.0.weight"] = torch.zeros(3)


def _no_number(tensors: dict[str, torch.Tensor]) -> None:
    tensors["layers.0.weight"][0] = float("nan")


@pytest.mark.parametrize(
    ("damage", "told"), [(_other_shape, "do not fit its settings"), (_no_number, "holds what is no number")]
)
def test_a_file_with_other_tensors_is_refused(
    damage: Callable[[dict[str, torch.Tensor]], None], told: str, fruit: Path, tmp_path: Path
) -> None:
    old, _ = train(fruit, tmp_path / "runs")
    path = old.checkpoint / "generator.safetensors"
    with safe_open(str(path), framework="pt") as file:
        header = file.metadata()
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    damage(tensors)
    save_file(tensors, tmp_path / "shared.safetensors", header)
    with pytest.raises(CheckpointError, match=told):
        train(fruit, tmp_path / "runs", begin_from=tmp_path / "shared.safetensors")
    assert len([*(tmp_path / "runs").iterdir()]) == 1, "nothing was begun"


def test_what_cannot_be_begun_is_refused_before_a_run_is_made(fruit: Path, tmp_path: Path) -> None:
    old, _ = train(fruit, tmp_path / "runs")
    shared = shutil.copy(old.checkpoint / "generator.safetensors", tmp_path / "apples.safetensors")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"freeze_d": 1}, "nothing is yet"),
        ({"freeze_d": 1, "run": "new"}, "nothing is yet"),
        ({"freeze_d": 2, "begin_from": old.run}, "1 of the discriminator's levels"),
        ({"freeze_d": 1, "begin_from": shared}, "a generator file has no discriminator"),
        ({"freeze_d": 1, "begin_from": old.run, "channels": "rgba"}, "0 of the discriminator's levels"),
        ({"begin_from": old.run, "overrides": {"model.name": "mlp"}}, "is a dcgan"),
    ]
    for options, told in refused:
        with pytest.raises(SettingError, match=told):
            train(fruit, tmp_path / "runs", **options)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [old.run.name]
