"""train(2N) equals train(N), stopped or killed, and resumed: bit for bit, for every loss, with and without classes."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import artgan
from artgan.engine.checkpoint import load_generator
from artgan.training.losses import LOSSES
from tests.running import stop_at

STEPS, BATCH = 12, 4
TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.penalty_interval": 3,
    "train.r2_gamma": 0.5,
    "augment.policy": ["color", "translation", "cutout"],
    "data.mirror": True,
    "snapshot.stats_kimg": 0.02,
    "snapshot.preview_kimg": 0.012,
    "snapshot.health_kimg": 0.02,
    "train.accumulate": 2,
    "train.grad_clip": 1.0,
    "train.cosine_kimg": 0.1,
    "model.d_dropout": 0.2,
    "augment.noise": 0.1,
    "augment.noise_kimg": 0.1,
}


def run_in(folder: Path, data: Path, overrides: Mapping[str, object], stop: int | None = None) -> artgan.TrainResult:
    listen, should_stop = stop_at(stop or 10**9)
    total = STEPS * BATCH * int(str(overrides.get("train.d_steps", 1))) / 1000
    settings = {**TINY, "train.batch": BATCH, "train.total_kimg": total, **overrides}
    return artgan.train(
        data, preset=None, overrides=settings, runs_dir=folder, on_event=listen, should_stop=should_stop, device="cpu"
    )


def outcome(run: Path) -> tuple[bytes, dict[str, bytes], list[dict[str, Any]], dict[str, bytes]]:
    """Final state, final generator, statistics without clock times, and the last preview."""
    newest = max((run / "checkpoints").iterdir())
    written = [(run / name).read_text() for name in ("stats.jsonl", "metrics.jsonl")]
    lines = [json.loads(line) for line in "".join(written).splitlines()]
    for line in lines:
        line.pop("time", None)
    preview = max(run.glob("fakes*.png"))
    return (
        (newest / "state.safetensors").read_bytes(),
        # Tensors only: the header holds the intervals, which may differ.
        {name: tensor.numpy().tobytes() for name, tensor in load_generator(newest).tensors.items()},
        lines,
        {preview.name: preview.read_bytes()},
    )


SPECIAL: dict[str, dict[str, object]] = {
    "wgan": {"train.optimizer": "rmsprop", "train.d_steps": 2, "model.d_norm": "batch"},
    "wgan-gp": {"train.d_steps": 2},
    "bce": {"model.d_norm": "batch", "engine.precision": "float32", "train.label_smoothing": 0.1},
    "hinge": {"model.d_norm": "spectral"},
    "lsgan": {"model.name": "mlp", "model.max_channels": 32},
}


@pytest.mark.parametrize(("loss", "labels"), [*itertools.product(LOSSES, ["auto", "none"])])
def test_stopping_and_going_on_leaves_no_trace(loss: str, labels: str, class_folders: Path, tmp_path: Path) -> None:
    overrides = {"train.loss": loss, "data.labels": labels, **SPECIAL.get(loss, {})}
    whole = run_in(tmp_path / "whole", class_folders, overrides)
    broken = run_in(tmp_path / "broken", class_folders, overrides, stop=5 * BATCH)
    assert (whole.ending, broken.ending) == ("kimg", "asked")
    assert broken.nimg < whole.nimg
    # The same command again, with other intervals: they may change, and must not matter.
    again = run_in(tmp_path / "broken", class_folders, {**overrides, "snapshot.preview_kimg": 0.016})
    assert again.run == broken.run
    ours, theirs = outcome(whole.run), outcome(again.run)
    assert ours[2] == theirs[2]
    assert len(ours[2]) >= 2
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert ours[3] == theirs[3]


@pytest.mark.parametrize("loss", ["rpgan", "hinge"])
@pytest.mark.parametrize("stop", [5, 7])  # batches of twelve: between two movements of p, and just before one
def test_adaptive_augmentation_goes_on_where_it_was(loss: str, stop: int, paintings: Path, tmp_path: Path) -> None:
    overrides: dict[str, object] = {
        **{"train.loss": loss, "augment.adaptive": True, "augment.ada_kimg": 0.05, "augment.target": -0.9},
        **{"train.d_steps": 1, "snapshot.stats_kimg": 0.004},
    }
    whole = run_in(tmp_path / "whole", paintings, overrides)
    broken = run_in(tmp_path / "broken", paintings, overrides, stop=stop * BATCH)
    again = run_in(tmp_path / "broken", paintings, overrides)
    assert (broken.ending, again.run) == ("asked", broken.run)
    assert outcome(whole.run) == outcome(again.run)
    p = [line["augment_p"] for line in outcome(whole.run)[2] if "augment_p" in line]
    # It moves after every fourth batch, by 16 of 50 pictures, and ends at p_max.
    assert p == pytest.approx([0.0] * 3 + [0.32] * 4 + [0.64] * 4 + [0.8])


def test_a_painter_goes_on_where_it_was(class_folders: Path, tmp_path: Path) -> None:
    overrides: dict[str, object] = {
        **{"model.name": "painter", "data.resolution": 16, "train.one_pass": True, "train.match": 1.0},
    }
    whole = run_in(tmp_path / "whole", class_folders, overrides)
    broken = run_in(tmp_path / "broken", class_folders, overrides, stop=5 * BATCH)
    again = run_in(tmp_path / "broken", class_folders, overrides)
    assert (broken.ending, again.run) == ("asked", broken.run)
    assert outcome(whole.run) == outcome(again.run)
    assert all(line["match"] > 0 for line in outcome(whole.run)[2] if "loss_D" in line)


def test_resuming_by_name_equals_the_same_command(paintings: Path, tmp_path: Path) -> None:
    whole = run_in(tmp_path / "whole", paintings, {})
    broken = run_in(tmp_path / "broken", paintings, {}, stop=3 * BATCH)
    resumed = artgan.resume(broken.run)
    assert resumed.nimg == whole.nimg
    assert outcome(whole.run)[0] == outcome(resumed.run)[0]


def test_a_finished_run_made_longer_equals_one_planned_longer(paintings: Path, tmp_path: Path) -> None:
    whole = run_in(tmp_path / "whole", paintings, {})
    half = run_in(tmp_path / "half", paintings, {"train.total_kimg": STEPS * BATCH / 2000})
    assert (half.ending, 2 * half.nimg) == ("kimg", whole.nimg)
    longer = artgan.resume(half.run, kimg=STEPS * BATCH / 1000)
    assert outcome(whole.run)[0] == outcome(longer.run)[0]
    assert outcome(whole.run)[2] == outcome(longer.run)[2]


def test_checkpoints_at_any_interval_change_nothing(paintings: Path, tmp_path: Path) -> None:
    seldom = run_in(tmp_path / "seldom", paintings, {})
    often = run_in(tmp_path / "often", paintings, {"snapshot.checkpoint_kimg": 0.001})
    assert len(list((seldom.run / "checkpoints").iterdir())) == 1
    # The first twelve of a run: the last three and every tenth are kept.
    assert [int(path.name) for path in sorted((often.run / "checkpoints").iterdir())] == [40, 44, 48]
    assert outcome(seldom.run)[0] == outcome(often.run)[0]


KILLED = """
import os, signal, sys, json
import artgan
from artgan.training.events import Saved
folder, data, overrides, at = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
def listen(event):
    if isinstance(event, Saved) and event.kind == "checkpoint" and event.nimg == at:
        os.kill(os.getpid(), signal.SIGKILL)
artgan.train(data, preset=None, overrides=overrides, runs_dir=folder, device="cpu", on_event=listen)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a thing of POSIX")
def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(paintings: Path, tmp_path: Path) -> None:
    saving: dict[str, object] = {"snapshot.checkpoint_kimg": 0.012, "engine.precision": "float32"}
    whole = run_in(tmp_path / "whole", paintings, saving)
    settings = {**TINY, "train.batch": BATCH, "train.total_kimg": STEPS * BATCH / 1000, **saving}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(paintings), json.dumps(settings), "24"]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    run = next((tmp_path / "killed").iterdir())
    assert (run / "latest").read_text().strip() == "000000024"
    # A kill in the middle of a save leaves a temporary folder, which nobody may take for a checkpoint.
    (run / "checkpoints" / ".000000036.1.tmp").mkdir()
    again = run_in(tmp_path / "killed", paintings, saving)
    assert again.run == run
    assert outcome(whole.run)[0] == outcome(again.run)[0]
    assert outcome(whole.run)[2] == outcome(again.run)[2]


def test_what_may_not_change_is_refused_by_name(paintings: Path, tmp_path: Path) -> None:
    first = run_in(tmp_path, paintings, {}, stop=BATCH)
    with pytest.raises(artgan.ArtganError, match=r"train\.g_lr \(0\.0002 in the run, now 0\.5\)") as refusal:
        artgan.resume(first.run, overrides={"train.g_lr": 0.5})
    assert refusal.value.exit_code == 4
    longer = artgan.resume(first.run, kimg=0.06, overrides={"snapshot.preview_kimg": 0.03})
    assert longer.nimg == 60


def test_changed_pictures_are_refused_and_moved_ones_are_found(paintings: Path, tmp_path: Path) -> None:
    first = run_in(tmp_path / "runs", paintings, {}, stop=BATCH)
    moved = paintings.rename(tmp_path / "moved")
    with pytest.raises(artgan.ArtganError, match="no longer at"):
        artgan.resume(first.run)
    assert artgan.resume(first.run, data=moved).ending == "kimg"
    next(moved.glob("*.png")).unlink()
    with pytest.raises(artgan.ArtganError, match="not those"):
        artgan.resume(first.run, data=moved)


def test_the_same_command_finds_the_right_run(paintings: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def start(overrides: Mapping[str, object], **options: Any) -> Path:
        settings = {**TINY, "train.batch": BATCH, "train.total_kimg": BATCH / 1000, **overrides}
        return artgan.train(
            paintings,
            preset=None,
            overrides=settings,
            runs_dir=tmp_path,
            on_event=lambda event: told.append(str(event)),
            **options,
        ).run

    first = start({})
    assert start({}) == first
    assert start({"train.total_kimg": 2 * BATCH / 1000}) == first
    other = start({"train.g_lr": 0.001})
    assert other != first
    assert any("train.g_lr" in line and first.name in line for line in told)
    assert start({}) == first
    assert start({}, new=True) not in (first, other)
    named = start({}, run="mine")
    assert named.name.endswith("-mine")
    assert start({}, run="mine") == named
