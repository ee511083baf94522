"""Training on shards: bit for bit the same whether stopped or not, and with room on disk for some of them or all."""

import json
from pathlib import Path
from typing import Any

import pytest

import artgan
from artgan.data.shard_cache import Damaged
from artgan.engine.checkpoint import load_generator
from artgan.errors import DatasetError
from artgan.training.events import Step
from tests.running import stop_at
from tests.sharding import flat, write_index, write_shard, write_shards

BATCH = 4
TINY: dict[str, object] = {
    "data.resolution": 8,
    "data.shuffle": 6,
    "data.mirror": True,
    "model.name": "mlp",
    "model.z_dim": 4,
    "model.base_channels": 4,
    "model.max_channels": 32,
    "train.batch": BATCH,
    "snapshot.stats_kimg": 0.02,
    "snapshot.preview_kimg": 0.02,
    "snapshot.health_kimg": 0.02,
}
pytestmark = pytest.mark.usefixtures("one_thread")


def train(data: Path, runs: Path, steps: int, stop: int = 10**9, **overrides: object) -> artgan.TrainResult:
    listen, should_stop = stop_at(stop * BATCH)
    chosen = {**TINY, "train.total_kimg": steps * BATCH / 1000, **overrides}
    return artgan.train(
        data, preset=None, overrides=chosen, runs_dir=runs, device="cpu", on_event=listen, should_stop=should_stop
    )


def outcome(result: artgan.TrainResult) -> tuple[bytes, dict[str, bytes], list[dict[str, Any]]]:
    """Final state, final generator, and statistics without clock times."""
    newest = max((result.run / "checkpoints").iterdir())
    lines = [json.loads(line) for line in (result.run / "stats.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("time")
    tensors = {name: tensor.numpy().tobytes() for name, tensor in load_generator(newest).tensors.items()}
    return (newest / "state.safetensors").read_bytes(), tensors, lines


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """27 pictures of three classes in six shards, which a batch of four does not divide."""
    write_shards(tmp_path / "shards", [5, 3, 7, 2, 6, 4], classes=3)
    write_index(tmp_path / "shards", ["cat", "dog", "owl"])
    return tmp_path / "shards"


def test_stopping_and_going_on_leaves_no_trace(shards: Path, tmp_path: Path) -> None:
    whole = train(shards, tmp_path / "whole", 16)
    broken = train(shards, tmp_path / "broken", 16, stop=7, **{"engine.cache_gb": 1e-9})
    assert (whole.ending, broken.ending, broken.nimg) == ("kimg", "asked", 7 * BATCH)
    again = train(shards, tmp_path / "broken", 16, stop=13, **{"engine.cache_gb": 1e-9})
    assert (again.run, again.nimg) == (broken.run, 13 * BATCH)
    shards.rename(tmp_path / "moved")
    last = artgan.resume(broken.run, data=tmp_path / "moved", overrides={"engine.cache_gb": 5.0}, device="cpu")
    assert (last.ending, last.nimg) == ("kimg", whole.nimg)
    assert outcome(last)[1:] == outcome(whole)[1:]
    assert outcome(last)[0] == outcome(whole)[0]
    assert load_generator(last.checkpoint).classes == ("cat", "dog", "owl")


def test_more_is_mixed_in_another_order(shards: Path, tmp_path: Path) -> None:
    few, many = (train(shards, tmp_path / str(n), 5, **{"data.shuffle": n}) for n in (6, 100))
    assert outcome(few)[1] != outcome(many)[1]


def test_all_eyes_on_the_set_see_no_more_than_the_first_shards(tmp_path: Path, artgan_cache: Path) -> None:
    """Scores, health, matching and previews look at the set before the first step."""
    write_shards(tmp_path / "shards", [16] * 16, side=16)
    seen: list[set[Path]] = []

    def listen(event: object) -> None:
        if isinstance(event, Step) and not seen:
            seen.append(set(artgan_cache.glob("shards/*.u8")))

    overrides = {**TINY, "data.resolution": 16, "data.shuffle": 64, "train.match": 1.0, "score.every_kimg": 0.004}
    overrides |= {"score.num": 4, "train.total_kimg": 0.004}
    artgan.train(
        tmp_path / "shards", preset=None, overrides=overrides, runs_dir=tmp_path, on_event=listen, device="cpu"
    )
    assert 4 <= len(seen[0]) <= 8, "the first group, and the one that is next"


def test_a_broken_picture_is_told_of_and_a_broken_shard_ends_the_session(tmp_path: Path) -> None:
    for number in range(6):
        pictures = [{"png": flat(value)} for value in range(4 * number, 4 * number + 4)]
        write_shard(tmp_path / "shards" / f"{number}.tar", [*pictures, {"png": b"no picture"}])
    told: list[Any] = []
    result = artgan.train(
        tmp_path / "shards",
        preset=None,
        overrides={**TINY, "train.total_kimg": 0.03},
        runs_dir=tmp_path / "runs",
        on_event=told.append,
        device="cpu",
    )
    assert result.nimg >= 30
    damaged = [event.shard.name for event in told if isinstance(event, Damaged)]
    info = json.loads((result.run / "run.json").read_text())
    at_first = [name.partition("/")[0] for name, _ in info["data"]["skipped"]]
    assert sorted(damaged + at_first) == [f"{number}.tar" for number in range(6)]
    last = damaged[-1]
    whole = (tmp_path / "shards" / last).read_bytes()
    write_index(tmp_path / "shards")
    # What the index tells fits the size of this shard alone.
    (tmp_path / "shards" / last).write_bytes(whole.replace(b"no picture", b"changed it"))
    with pytest.raises(DatasetError, match=f"{last} is not the shard"):
        artgan.train(
            tmp_path / "shards",
            preset=None,
            overrides={**TINY, "train.total_kimg": 0.03},
            runs_dir=tmp_path / "others",
            device="cpu",
        )
