"""Scores during training: what is written and told, which checkpoint is kept, and that training does not notice."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

import artgan
from artgan.cli.main import app
from artgan.config import ScoreSettings
from artgan.data.cache import DatasetReady
from artgan.engine import checkpoint
from artgan.engine.background import Background
from artgan.engine.checkpoint import STATE, best_checkpoint, load_generator, newest_checkpoint, whole_names
from artgan.engine.device import Engine
from artgan.engine.storage import Run, create_run
from artgan.errors import Interrupted, StorageError
from artgan.metrics.features import ScoreProgress, look, view_of
from artgan.metrics.frechet import frechet_distance, moments
from artgan.metrics.kernel import Kid, kid
from artgan.metrics.networks import FeatureNetwork, open_network
from artgan.metrics.sets import sample_set, training_set
from artgan.models import encoder
from artgan.training import scoring, snapshots
from artgan.training.events import Notice, RunStarted, Saved, Scored, Step
from artgan.training.health import find_facts
from artgan.training.scoring import Best, Scorer, find_best, put_best_right
from artgan.training.watch import alarms_of
from tests.conftest import painted

TOTAL, NUM = 48, 8
TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.g_lr": 0.01,
    "train.total_kimg": TOTAL / 1000,
    "train.ema_kimg": 0.004,
    "snapshot.stats_kimg": 0.02,
    "snapshot.health_kimg": 0.02,
    "snapshot.preview_kimg": 0.012,
    "engine.precision": "float32",
    "score.num": NUM,
}
KID, FD = "kid8_artgan64", "fd8_artgan64"


def crude(batch: torch.Tensor) -> torch.Tensor:
    """Twelve features: the picture in four cells."""
    return F.adaptive_avg_pool2d(batch.float() / 255, 2).flatten(1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that take no time."""
    monkeypatch.setattr(scoring, "open_network", lambda features, engine: network(engine, crude))


def network(engine: Engine, features: Callable[[torch.Tensor], torch.Tensor]) -> FeatureNetwork:
    return FeatureNetwork("artgan", "crude", "crude", 12, 128, engine, lambda batch: (features(batch), None))


def train(
    data: Path, runs: Path, every: float | None = 0.008, stop: int = 10**9, **overrides: Any
) -> tuple[artgan.TrainResult, list[Any]]:
    events: list[Any] = []

    def stopping() -> bool:
        return any(isinstance(event, Step) and event.nimg >= stop for event in events)

    settings = {**TINY, **{key.replace("__", "."): value for key, value in overrides.items()}}
    result = artgan.train(
        data,
        preset=None,
        overrides=settings,
        score_every=every,
        runs_dir=runs,
        device="cpu",
        on_event=events.append,
        should_stop=stopping,
    )
    return result, events


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def scores(run: Path) -> list[dict[str, Any]]:
    return [record for record in records(run) if "floor" in record]


def trained(run: Path) -> tuple[bytes, dict[str, bytes], list[dict[str, Any]], bytes]:
    """What training itself has made: state, generator, records without scores and clocks, and the last preview."""
    newest = newest_checkpoint(Run(run))
    assert newest is not None
    lines = [json.loads(line) | {"time": None} for line in (run / "stats.jsonl").read_text().splitlines()]
    return (
        (newest / STATE).read_bytes(),
        {name: tensor.numpy().tobytes() for name, tensor in load_generator(newest).tensors.items()},
        [*lines, *(record for record in records(run) if "floor" not in record)],
        max(run.glob("fakes*.png")).read_bytes(),
    )


def of(kind: type, events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- what is written and told


@pytest.mark.usefixtures("quick")
def test_a_score_is_a_record_of_its_own_and_is_told(paintings: Path, tmp_path: Path) -> None:
    result, events = train(paintings, tmp_path)
    found = scores(result.run)
    assert [record["nimg"] for record in found] == [8, 16, 24, 32, 40, 48]
    assert all(record.keys() == {"nimg", KID, FD, "floor"} for record in found)
    assert all(record["floor"] == found[0]["floor"] for record in found)
    told = of(Scored, events)
    assert [(event.nimg, dict(event.values), dict(event.floor)) for event in told] == [
        (record["nimg"], {KID: record[KID], FD: record[FD]}, record["floor"]) for record in found
    ]
    falling = [min(record[KID] for record in found[: number + 1]) for number in range(len(found))]
    assert [event.best for event in told] == [
        record[KID] == low and low not in falling[:number]
        for number, (record, low) in enumerate(zip(found, falling, strict=True))
    ]
    assert find_facts(records(result.run)) is not None


def test_by_default_there_are_no_scores(paintings: Path, tmp_path: Path, artgan_cache: Path) -> None:
    result, events = train(paintings, tmp_path, every=None)
    assert result.best is None
    assert scores(result.run) == []
    assert not (result.run / "best").exists()
    assert not (artgan_cache / "features").exists()
    assert not [event for event in events if isinstance(event, Scored | ScoreProgress)]


@pytest.mark.parametrize(("folder", "counts"), [("paintings", []), ("class_folders", [12, 6, 3])])
def test_a_score_is_what_the_saved_generator_gives(
    folder: str, counts: list[int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The samples of `artgan score`: classes that are 8, 4 and 2 strong are 12, 6 and 3 of 21."""
    data: Path = request.getfixturevalue(folder)
    result, _ = train(data, tmp_path / "runs", every=TOTAL / 1000, score__num=21)
    (record,) = scores(result.run)
    sees, view = open_network("artgan", Engine.detect("cpu", "float32")), view_of(64, (8, 8))
    samples = sample_set(artgan.load(result.run), 21, [count / 21 for count in counts] or None)
    assert [samples.labels.count(label) for label in range(len(counts))] == counts
    fake = look(samples, sees, view).values
    real = look(training_set(Run(result.run), lambda event: None, lambda: False), sees, view).values
    assert record["kid21_artgan64"] == pytest.approx(kid(real, fake).value, rel=1e-3)
    assert record["fd21_artgan64"] == pytest.approx(frechet_distance(moments(real), moments(fake)), rel=1e-3)
    assert record["kid21_artgan64"] > abs(record["floor"]["kid21_artgan64"]), "so small a network draws badly"


@pytest.mark.parametrize(
    "kind",
    [
        {"data__resolution": 28, "data__channels": "grey", "model__name": "mlp", "model__max_channels": 8},
        {"data__shape": "16x8", "data__channels": "rgba", "engine__precision": "bf16"},
        {"data__channels": "grey", "model__d_norm": "batch", "train__loss": "bce"},
    ],
)
def test_every_kind_of_picture_is_scored(kind: dict[str, Any], class_folders: Path, tmp_path: Path) -> None:
    (record,) = scores(train(class_folders, tmp_path, every=TOTAL / 1000, **kind)[0].run)
    assert 0 < record[KID] < 1e3
    assert 0 < record[FD] < 1e6


@pytest.mark.usefixtures("quick")
def test_the_floor_of_a_small_set_is_only_that_which_does_not_depend_on_counts(paintings: Path, tmp_path: Path) -> None:
    few, many = (scores(train(paintings, tmp_path / f"{num}", score__num=num)[0].run)[0]["floor"] for num in (6, 7))
    assert few.keys() == {"kid6_artgan64", "fd6_artgan64"}  # twelve pictures are two halves of six
    assert many.keys() == {"kid7_artgan64"}
    assert many["kid7_artgan64"] == few["kid6_artgan64"]
    assert few["fd6_artgan64"] > 0


@pytest.mark.usefixtures("quick")
def test_the_training_pictures_are_looked_at_once_and_before_the_first_step(paintings: Path, tmp_path: Path) -> None:
    first, again = (train(paintings, tmp_path / name)[1] for name in ("first", "again"))
    kinds = [type(event) for event in first]
    assert [event.done for event in of(ScoreProgress, first)] == [0, 12]
    assert kinds.index(DatasetReady) < kinds.index(ScoreProgress) < kinds.index(RunStarted) < kinds.index(Step)
    assert not of(ScoreProgress, again)


@pytest.mark.usefixtures("quick")
def test_of_a_large_set_only_some_are_looked_at(
    paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = scores(train(paintings, tmp_path / "all")[0].run)
    monkeypatch.setattr(scoring, "MOST", 5)
    (first, events), (again, _) = (train(paintings, tmp_path / name) for name in ("some", "again"))
    assert {event.total for event in of(ScoreProgress, events)} == {5}
    assert scores(first.run) == scores(again.run) != everything


@pytest.mark.usefixtures("quick")
def test_who_stops_while_they_are_looked_at_goes_on_later(paintings: Path, tmp_path: Path) -> None:
    settings = {**TINY, "score.every_kimg": 0.008}
    looking: list[object] = []

    def listen(event: object) -> None:
        looking.extend([event] if isinstance(event, ScoreProgress) else [])

    with pytest.raises(Interrupted):
        artgan.train(
            *(paintings,), preset=None, overrides=settings, runs_dir=tmp_path, on_event=listen,
            should_stop=lambda: bool(looking),
        )  # fmt: skip
    result, _ = train(paintings, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path != paintings] == [result.run.name]
    assert len(scores(result.run)) == 6


# --- training does not notice


@pytest.mark.parametrize("folder", ["paintings", "class_folders"])
@pytest.mark.usefixtures("quick")
def test_training_is_the_same_bit_for_bit(folder: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data: Path = request.getfixturevalue(folder)
    options: dict[str, Any] = {"model__d_norm": "batch", "model__d_dropout": 0.2, "train__loss": "bce"}
    plain, _ = train(data, tmp_path / "plain", every=None, **options)
    scored, _ = train(data, tmp_path / "scored", **options)
    assert len(scores(scored.run)) == 6
    assert trained(scored.run) == trained(plain.run)
    assert alarms_of(Run(scored.run)) == alarms_of(Run(plain.run))


@pytest.mark.usefixtures("quick")
def test_scores_may_be_switched_on_and_off_and_changed_within_a_run(paintings: Path, tmp_path: Path) -> None:
    plain, _ = train(paintings, tmp_path / "plain", every=None)
    first, _ = train(paintings, tmp_path / "runs", every=None, stop=12)
    again, _ = train(paintings, tmp_path / "runs", stop=24, score__metric="fd", score__num=5)
    last = artgan.resume(first.run, score_every=0)
    assert first.run == again.run == last.run
    assert [record["nimg"] for record in scores(first.run)] == [16, 24]
    assert trained(last.run) == trained(plain.run)
    assert last.best == again.best
    assert last.best is not None
    assert last.best.figure == "fd5_artgan64"


# --- the best


PLAN = {8: 0.5, 16: 0.3, 24: 0.4, 32: 0.2, 40: 0.2, 48: 0.3}


def plan(patch: pytest.MonkeyPatch) -> None:
    """Let KID fall at 8, 16 and 32 pictures shown, whatever is drawn, and the Frechet distance grow and grow."""

    def planned_kid(real: torch.Tensor, fake: torch.Tensor, replicates: int) -> Kid:
        value = PLAN.get(round(float(fake[0, 0])), 0.1)
        return Kid(value, value, value)

    patch.setattr(scoring, "open_network", lambda features, engine: network(engine, crude))
    patch.setattr(scoring, "kid", planned_kid)
    patch.setattr(Scorer, "_look_at", lambda self, G_ema, nimg: torch.full((NUM, 12), float(nimg)))


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures as `plan` says."""
    plan(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pictures, and the run with such figures that nothing ever happened to."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "data").mkdir()
    for seed in range(8):
        painted(seed, 12, 12).save(folder / "data" / f"{seed}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTGAN_CACHE", str(folder / "cache"))
        plan(patch)
        return folder / "data", train(folder / "data", folder / "runs")[0].run


def named(run: Path) -> str:
    return (run / "best").read_text().strip()


def kept(run: Path) -> list[int]:
    return [int(folder.name) for folder in whole_names(Run(run))]


@pytest.mark.usefixtures("planned")
def test_the_best_checkpoint_is_saved_and_kept_until_a_better_one_comes(paintings: Path, tmp_path: Path) -> None:
    result, events = train(paintings, tmp_path)
    assert [event.nimg for event in of(Scored, events) if event.best] == [8, 16, 32]
    assert [event.nimg for event in of(Saved, events) if event.kind == "checkpoint"] == [8, 16, 32, 48]
    assert result.best == Best(result.run / "checkpoints" / "000000032", KID, 0.2)
    assert named(result.run) == "000000032"
    often, _ = train(paintings, tmp_path / "often", snapshot__checkpoint_kimg=0.004)
    assert kept(often.run) == [32, 40, 44, 48]
    assert load_generator(often.run / "checkpoints" / "000000032").nimg == 32
    assert artgan.load(often.run).nimg == 48
    assert artgan.load(result.best.checkpoint).nimg == 32


@pytest.mark.usefixtures("planned")
def test_another_metric_chooses_another_best(paintings: Path, tmp_path: Path) -> None:
    result, events = train(paintings, tmp_path, score__metric="fd", snapshot__checkpoint_kimg=0.004)
    assert [event.nimg for event in of(Scored, events) if event.best] == [8]
    assert list(scores(result.run)[0]) == ["nimg", FD, KID, "floor"]
    assert named(result.run) == "000000008"
    assert kept(result.run) == [8, 40, 44, 48]
    # Both are in the records: they say which one is best by the other, of those that are left.
    assert artgan.resume(result.run, overrides={"score.metric": "kid"}).best == Best(
        result.run / "checkpoints" / "000000040", KID, 0.2
    )
    assert named(result.run) == "000000040"


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("stop", [4, 16, 36])
def test_stopping_and_going_on_gives_the_same_scores_and_the_same_best(
    stop: int, whole: tuple[Path, Path], tmp_path: Path
) -> None:
    data, run = whole
    broken, _ = train(data, tmp_path, stop=stop)
    again, _ = train(data, tmp_path)
    assert (again.run, broken.nimg) == (broken.run, stop)
    assert records(again.run) == records(run)
    assert trained(again.run) == trained(run)
    assert again.best == Best(again.run / "checkpoints" / "000000032", KID, 0.2)
    assert named(again.run) == named(run) == "000000032"


def failing(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> None:
    """Let `place.name` fail for the checkpoint after 32 pictures, once."""
    real, failed = getattr(place, name), list[str]()

    def fail(run: Run, what: Any, *rest: Any) -> Any:
        if "000000032" in str(what) or getattr(what, "nimg", 0) == 32:
            failed.append(name)
            if len(failed) == 1:
                raise StorageError("The plug was pulled.", "Put it back.")
        return real(run, what, *rest)

    monkeypatch.setattr(place, name, fail)


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training wait for its background, so that it does not get further while something fails there."""
    submit = Background.submit

    def waiting(self: Background, work: Callable[[], object]) -> None:
        submit(self, work)
        self.wait()

    monkeypatch.setattr(Background, "submit", waiting)


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize(
    ("place", "name", "left", "then"),
    [
        (snapshots, "save_checkpoint", [8, 16], "000000016"),  # the score is written, its checkpoint is not
        (checkpoint, "write_best", [8, 16, 32], "000000032"),  # the checkpoint is written, `best` is not
    ],
)
def test_what_a_death_between_two_writes_leaves_is_put_right(
    place: object, name: str, left: list[int], then: str,
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    failing(monkeypatch, place, name)
    at_once(monkeypatch)
    with pytest.raises(StorageError, match="plug"):
        train(whole[0], tmp_path)
    (run,) = tmp_path.iterdir()
    assert scores(run)[-1]["nimg"] >= 32  # what fails in the background is raised a little later
    assert (kept(run), named(run)) == (left, "000000016")
    begun: list[str] = []
    again = artgan.resume(run, on_event=lambda e: begun.append(named(run)) if isinstance(e, RunStarted) else None)
    assert begun == [then]
    assert again.best == Best(run / "checkpoints" / "000000032", KID, 0.2)
    assert records(run) == records(whole[1])
    assert trained(run) == trained(whole[1])


@pytest.mark.usefixtures("planned")
def test_a_best_that_is_damaged_is_forgotten_and_found_again(whole: tuple[Path, Path], tmp_path: Path) -> None:
    stopped, _ = train(whole[0], tmp_path / "runs", stop=32)
    assert named(stopped.run) == "000000032"
    (stopped.run / "checkpoints" / "000000032" / STATE).write_bytes(b"")
    begun: list[tuple[str, int]] = []

    def listen(event: object) -> None:
        if isinstance(event, RunStarted):
            begun.append((named(stopped.run), scores(stopped.run)[-1]["nimg"]))

    artgan.resume(stopped.run, on_event=listen)
    assert begun == [("000000016", 16)]
    assert named(stopped.run) == "000000032"
    assert records(stopped.run) == records(whole[1])


@pytest.mark.usefixtures("planned")
def test_a_run_that_begins_again_has_no_best(paintings: Path, tmp_path: Path) -> None:
    stopped, _ = train(paintings, tmp_path, stop=20)
    for folder in whole_names(Run(stopped.run)):
        shutil.rmtree(folder)
    seen: list[bool] = []
    artgan.resume(
        stopped.run, on_event=lambda e: seen.append((stopped.run / "best").exists()) if isinstance(e, Step) else None
    )
    assert seen[:2] == [False, False]  # the first score comes after the second step
    assert named(stopped.run) == "000000032"


@pytest.mark.usefixtures("planned")
def test_a_best_by_another_count_stays_until_there_is_one_by_this(paintings: Path, tmp_path: Path) -> None:
    stopped, _ = train(paintings, tmp_path, stop=16)
    begun: list[str] = []

    def listen(event: object) -> None:
        if isinstance(event, RunStarted):
            begun.append(named(stopped.run))

    other = artgan.resume(stopped.run, overrides={"score.num": 9, "snapshot.checkpoint_kimg": 0.004}, on_event=listen)
    assert begun == ["000000016"]
    assert other.best == Best(stopped.run / "checkpoints" / "000000032", "kid9_artgan64", 0.2)
    assert 16 not in kept(stopped.run)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with checkpoints after 10, 20 and 30 pictures."""
    run = create_run(tmp_path / "runs", "test")
    for nimg in (10, 20, 30):
        (run.checkpoints / f"{nimg:09d}").mkdir()
    return run


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({10: 0.3, 20: 0.2, 30: 0.4}, 20),
        ({10: 0.2, 20: 0.2}, 10),
        ({10: 0.3, 15: 0.1, 30: 0.2}, 30),  # no checkpoint of the lowest is there
        ({10: -0.01, 20: 0.0}, 10),
        ({10: math.nan, 20: "0", 30: 0.9}, 30),
        ({10: None, 20: [0.1], 30: True}, None),
        ({}, None),
    ],
)
def test_the_best_follows_from_records_and_checkpoints(run: Run, values: dict[int, object], best: int | None) -> None:
    lines = [{"nimg": 0, "facts": {}}, *({"nimg": nimg, KID: value} for nimg, value in values.items())]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = find_best(run, ScoreSettings(num=NUM))
    assert (found and int(found.checkpoint.name)) == best
    assert find_best(run, ScoreSettings(num=NUM, metric="fd")) is None
    assert find_best(run, ScoreSettings(num=NUM + 1)) is None
    put_best_right(run, ScoreSettings(num=NUM))
    assert best_checkpoint(run) == (found and found.checkpoint)


# --- what stands in the way of scores ends no training


def test_a_damaged_encoder_is_told_of_and_training_goes_on(
    paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "FILE", tmp_path / "encoder.safetensors")
    encoder.FILE.write_bytes(b"\0" * 100)
    result, events = train(paintings, tmp_path / "runs")
    assert result.ending == "kimg"
    (notice,) = of(Notice, events)
    assert "There will be no scores" in notice.text
    assert "encoder.safetensors is damaged" in notice.text
    assert scores(result.run) == []
    assert result.best is None


@pytest.mark.parametrize(("good", "expected", "told"), [(0, [], "will be no scores"), (2, [32, 40, 48], "no score at")])
def test_features_that_are_no_numbers_are_told_of_once(
    good: int, expected: list[int], told: str, paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training pictures are the first two batches, then comes one for each score: three of those are no numbers."""
    calls: list[int] = []

    def sometimes(batch: torch.Tensor) -> torch.Tensor:
        calls.append(len(batch))
        return crude(batch) * (math.nan if good < len(calls) <= good + 3 else 1)

    monkeypatch.setattr(scoring, "open_network", lambda features, engine: network(engine, sometimes))
    result, events = train(paintings, tmp_path)
    (notice,) = of(Notice, events)
    assert told in notice.text
    assert "NaN" in notice.text
    assert [record["nimg"] for record in scores(result.run)] == expected
    assert result.ending == "kimg"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("not\n enough"), ValueError()])
def test_a_score_that_fails_in_any_way_is_told_of(
    error: Exception, paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> float:
        raise error

    monkeypatch.setattr(Scorer, "_look_at", fail)
    result, events = train(paintings, tmp_path)
    (notice,) = of(Notice, events)
    assert type(error).__name__ in notice.text
    assert "\n" not in notice.text
    assert result.ending == "kimg"
    assert scores(result.run) == []


# --- the commands


@pytest.mark.usefixtures("planned")
def test_the_flag_the_lines_and_the_end(paintings: Path, tmp_path: Path) -> None:
    sets = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    runs = ["--runs", str(tmp_path / "runs")]
    every = ["--score-every", "0.008"]
    done = CliRunner().invoke(app, ["train", str(paintings), "--preset", "demo", *sets, *every, *runs])
    assert done.exit_code == 0, done.stderr
    told = done.stderr.replace("\n", " ")
    assert "Score at 0.0 kimg: kid8_artgan64 0.3 (floor 0.1), fd8_artgan64" in told
    assert told.count("; the best so far.") == 3
    best = Path(done.stdout.strip()) / "checkpoints" / "000000032"
    assert f"Best by kid8_artgan64 (0.2): artgan sample {best}" in told

    more = CliRunner().invoke(app, ["resume", "0", "--kimg", "0.056", "--score-every", "0", *runs])
    assert more.exit_code == 0, more.stderr
    assert "Score at" not in more.stderr
    assert f"artgan sample {best}" in more.stderr.replace("\n", " ")
    refused = CliRunner().invoke(app, ["resume", "0", "--score-every", "-1", *runs])
    assert refused.exit_code == 4
    assert "score.every_kimg" in refused.stderr
