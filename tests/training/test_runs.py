"""What a training session leaves on disk, and how it ends."""

import json
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import artgan
from artgan.data.cache import DatasetReady, DecodeProgress
from artgan.engine.checkpoint import verify
from artgan.engine.images import read_recipe
from artgan.engine.storage import Run, only_one
from artgan.training.events import RunStarted, Saved, Stats, Step
from artgan.training.overview import overview
from artgan.training.snapshots import preview_due

TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.total_kimg": 0.016,
    "snapshot.stats_kimg": 0.008,
}


def start(data: Path, runs_dir: Path, **options: Any) -> tuple[artgan.TrainResult, list[Any]]:
    events: list[Any] = []
    overrides = {**TINY, **options.pop("overrides", {})}
    result = artgan.train(data, preset=None, overrides=overrides, runs_dir=runs_dir, on_event=events.append, **options)
    return result, events


def test_the_run_folder_holds_what_the_readme_says(class_folders: Path, tmp_path: Path) -> None:
    result, events = start(class_folders, tmp_path / "runs", argv=["artgan", "train"])
    run = result.run
    names = {path.name for path in run.iterdir()}
    assert names == {
        *(".lock", "config.toml", "run.json", "stats.jsonl", "metrics.jsonl", "reals.png", "checkpoints"),
        *("latest", "report.html"),
        *("fakes000000000.png", "fakes000000016.png"),
    }
    assert run.name == f"00000-{class_folders.name}-defaults"
    assert (run / "latest").read_text() == "000000016\n"
    verify(run / "checkpoints" / "000000016")
    info = json.loads((run / "run.json").read_text())
    assert info["argv"] == ["artgan", "train"]
    assert info["data"]["classes"].keys() == {path.name for path in class_folders.iterdir()}
    assert info["engine"]["why"]
    assert tomllib.loads((run / "config.toml").read_text())["train"]["batch"] == 4
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [line["nimg"] for line in lines] == [8, 16]
    assert {"loss_D", "loss_G", "real_acc", "gen_acc"} <= lines[0].keys()
    kinds = [type(event) for event in events]
    assert kinds[0] is DecodeProgress
    assert kinds.index(DatasetReady) < kinds.index(RunStarted) < kinds.index(Step)
    assert [event.nimg for event in events if isinstance(event, Stats)] == [8, 16]
    assert [event.kind for event in events if isinstance(event, Saved)] == ["reals", "preview", "preview", "checkpoint"]


def test_the_saved_config_is_a_preset_that_gives_the_same_run(paintings: Path, tmp_path: Path) -> None:
    first, _ = start(paintings, tmp_path)
    again = artgan.train(paintings, preset=str(first.run / "config.toml"), runs_dir=tmp_path)
    assert again.run == first.run


def test_previews_lay_out_one_row_per_class(class_folders: Path, tmp_path: Path) -> None:
    result, _ = start(class_folders, tmp_path)
    preview = result.run / "fakes000000016.png"
    with Image.open(preview) as picture, Image.open(result.run / "reals.png") as reals:
        assert picture.size == (8 * 10 + 2, 3 * 10 + 2)
        assert reals.size == picture.size
    assert read_recipe(preview)["seeds"] == list(range(8))


@pytest.mark.parametrize("channels", ["rgb", "rgba", "grey"])
def test_channels_and_shapes(channels: str, paintings: Path, tmp_path: Path) -> None:
    result, _ = start(paintings, tmp_path, channels=channels, shape="16x8")
    model = artgan.load(result.run)
    assert [*model.network.parameters()][-1].shape[0] == {"rgb": 3, "rgba": 4, "grey": 1}[channels]
    file = artgan.sample(result.run, seeds="3", out=tmp_path / "one.png").files[0]
    with Image.open(file) as picture:
        assert picture.size == (16, 8)
        assert picture.mode == {"rgb": "RGB", "rgba": "RGBA", "grey": "L"}[channels]


def test_a_time_budget_ends_cleanly_and_the_next_goes_on(paintings: Path, tmp_path: Path) -> None:
    result, _ = start(paintings, tmp_path, minutes=1e-6, overrides={"train.total_kimg": 1})
    assert (result.ending, result.nimg) == ("minutes", 4)
    again, _ = start(paintings, tmp_path, minutes=1e-6, overrides={"train.total_kimg": 1})
    assert (again.run, again.nimg) == (result.run, 8)


def test_a_finished_run_is_not_touched(paintings: Path, tmp_path: Path) -> None:
    first, _ = start(paintings, tmp_path)
    before = {path: path.read_bytes() for path in first.run.rglob("*") if path.is_file()}
    again, events = start(paintings, tmp_path)
    assert again.ending == "kimg"
    assert not any(isinstance(event, Step) for event in events)
    assert before == {path: path.read_bytes() for path in first.run.rglob("*") if path.is_file()}


def test_early_previews_come_soon_and_later_ones_regularly() -> None:
    due = [nimg for nimg in range(64, 80_001, 64) if preview_due(nimg - 64, nimg, 20_000)]
    assert due == [512, 1024, 2048, 4032, 8000, 16000, 20032, 40000, 60032, 80000]
    assert preview_due(0, 100_000, 20_000)


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_minutes_must_be_positive(minutes: float, paintings: Path, tmp_path: Path) -> None:
    with pytest.raises(artgan.ArtganError, match="--minutes"):
        start(paintings, tmp_path, minutes=minutes)
    assert not tmp_path.joinpath("runs").exists()


def test_overview_survives_a_damaged_run(paintings: Path, tmp_path: Path) -> None:
    done, _ = start(paintings, tmp_path)
    part, _ = start(paintings, tmp_path, minutes=1e-6, overrides={"train.g_lr": 0.1})
    broken, _ = start(paintings, tmp_path, new=True)
    (broken.run / "run.json").write_text("{")
    states = {run.name: run.state for run in overview(tmp_path)}
    assert states[done.run.name] == "finished"
    assert states[part.run.name] == "can go on"
    assert "run.json" in states[broken.run.name]
    assert [run.kimg for run in overview(tmp_path)][:2] == [0.016, 0.004]


def test_a_run_is_trained_by_one_process_at_a_time(paintings: Path, tmp_path: Path) -> None:
    first, _ = start(paintings, tmp_path, minutes=1e-6, overrides={"train.total_kimg": 1})
    with only_one(Run(first.run)), pytest.raises(artgan.ArtganError, match="another process") as refusal:
        artgan.resume(first.run)
    assert refusal.value.exit_code == 5
    assert artgan.resume(first.run, minutes=1e-6).nimg == 8


def test_a_damaged_cache_is_made_again(paintings: Path, tmp_path: Path, artgan_cache: Path) -> None:
    first, _ = start(paintings, tmp_path, minutes=1e-6, overrides={"train.total_kimg": 1})
    (pixels,) = artgan_cache.glob("pictures/*/pictures.u8")
    pixels.write_bytes(pixels.read_bytes()[:100])
    assert artgan.resume(first.run, minutes=1e-6).nimg == 8
    assert pixels.stat().st_size > 100


@pytest.mark.parametrize("damage", ["{", "{}", '{"data": []}', "[1]"])
def test_a_damaged_run_is_refused_in_one_sentence(damage: str, paintings: Path, tmp_path: Path) -> None:
    first, _ = start(paintings, tmp_path, minutes=1e-6, overrides={"train.total_kimg": 1})
    (first.run / "run.json").write_text(damage)
    with pytest.raises(artgan.ArtganError) as refusal:
        artgan.resume(first.run)
    assert refusal.value.exit_code == 5


def test_a_name_for_a_run_means_that_run_only(paintings: Path, tmp_path: Path) -> None:
    longer, _ = start(paintings, tmp_path, run="study2")
    shorter, _ = start(paintings, tmp_path, run="study")
    assert longer.run.name.endswith("-study2")
    assert shorter.run.name.endswith("-study")
    assert start(paintings, tmp_path, run="study")[0].run == shorter.run


def test_a_label_table_may_move(paintings: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.json"
    table.write_text(json.dumps({path.name: path.suffix for path in paintings.iterdir()}))
    first, _ = start(paintings, tmp_path / "runs", labels=str(table))
    moved = table.rename(tmp_path / "moved.json")
    resumed = artgan.resume(first.run, kimg=0.02, overrides={"data.labels": str(moved)})
    assert resumed.nimg == 20


def test_two_runs_started_together_get_two_folders(paintings: Path, tmp_path: Path) -> None:
    results: list[Path] = []
    threads = [
        threading.Thread(target=lambda: results.append(start(paintings, tmp_path, new=True)[0].run)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 2
