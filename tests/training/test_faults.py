"""What can go wrong around a training: damaged files, a full or locked disk, an odd clock, a second process, kill -9.

Every one of these ends with a sentence and an exit code, or not at all; and what is trained afterwards equals, bit for
bit, the run that nothing ever happened to.
"""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import artgan
from artgan.engine import checkpoint
from artgan.engine.checkpoint import GENERATOR, MANIFEST, STATE, load_generator, newest_checkpoint, verify
from artgan.engine.storage import Run
from artgan.errors import CheckpointError, StorageError
from artgan.training.events import Notice, Saved, Step
from artgan.training.report import Report
from tests.bench.kills import Killer
from tests.conftest import painted

TOTAL = 48
SETTINGS: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.total_kimg": TOTAL / 1000,
    "snapshot.checkpoint_kimg": 0.012,
    "snapshot.preview_kimg": 0.016,
    "snapshot.stats_kimg": 0.02,
    "snapshot.health_kimg": 0.028,
    "engine.precision": "float32",
    "engine.device": "cpu",
}
Listener = Callable[[Any], None]


def train(data: Path, runs: Path, listen: Listener = lambda event: None, stop: int = 10**9) -> artgan.TrainResult:
    seen = [0]

    def hear(event: object) -> None:
        if isinstance(event, Step):
            seen[0] = event.nimg
        listen(event)

    return artgan.train(
        data, preset=None, overrides=SETTINGS, runs_dir=runs, on_event=hear, should_stop=lambda: seen[0] >= stop
    )


def outcome(run: Path) -> dict[str, object]:
    """All of a finished run that has to be equal: state, generator, records without clock times, pictures."""
    newest = newest_checkpoint(Run(run))
    assert newest is not None
    verify(newest)
    records = [(run / f"{name}.jsonl").read_text().splitlines() for name in ("stats", "metrics")]
    timeless = [[{**json.loads(line), "time": None} for line in lines] for lines in records]
    return {
        "nimg": newest.name,
        "latest": (run / "latest").read_text().strip(),
        "state": (newest / STATE).read_bytes(),
        "generator": {name: tensor.numpy().tobytes() for name, tensor in load_generator(newest).tensors.items()},
        "records": timeless,
        "pictures": [path.read_bytes() for path in (run / "reals.png", max(run.glob("fakes*.png")))],
    }


@dataclass(frozen=True)
class Ready:
    """Pictures, how a run on them ends when nothing happens, and one that was stopped after 28 pictures."""

    data: Path
    whole: dict[str, object]
    stopped: Path

    def copy(self, runs: Path) -> Path:
        return shutil.copytree(self.stopped, runs / self.stopped.name)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    folder = tmp_path_factory.mktemp("ready")
    (folder / "data").mkdir()
    for seed in range(8):
        painted(seed, 12, 12).save(folder / "data" / f"{seed}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTGAN_CACHE", str(folder / "cache"))
        whole = outcome(train(folder / "data", folder / "whole").run)
        stopped = train(folder / "data", folder / "stopped", stop=28)
    assert [path.name for path in sorted((stopped.run / "checkpoints").iterdir())] == [
        *("000000012", "000000024", "000000028")
    ]
    return Ready(folder / "data", whole, stopped.run)


# --- damaged checkpoints


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])

    return damage


def flip(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = bytearray((folder / name).read_bytes())
        raw[len(raw) // 2] ^= 4
        (folder / name).write_bytes(raw)

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def from_the_future(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 99}))


def of_other_networks(folder: Path) -> None:
    """Whole by its manifest, but a weight has another shape."""
    tensors = load_file(folder / STATE)
    tensors["G.layers.0.weight"] = torch.zeros(1)
    save_file(tensors, folder / STATE)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][STATE] = checkpoint._describe(folder / STATE)
    (folder / MANIFEST).write_text(json.dumps(manifest))


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "state cut": (cut(STATE), f"{STATE} is damaged"),
    "state flipped": (flip(STATE), f"{STATE} is damaged"),
    "state gone": (remove(STATE), f"{STATE} is missing"),
    "generator cut": (cut(GENERATOR), f"{GENERATOR} is damaged"),
    "generator flipped": (flip(GENERATOR), f"{GENERATOR} is damaged"),
    "generator gone": (remove(GENERATOR), f"{GENERATOR} is missing"),
    "manifest cut": (cut(MANIFEST), "is not whole"),
    "manifest gone": (remove(MANIFEST), "is not whole"),
    "another version": (from_the_future, "format 99"),
    "other networks": (of_other_networks, "does not fit"),
}


@pytest.mark.parametrize("again", ["train", "resume"])
@pytest.mark.parametrize("kind", DAMAGES)
def test_from_a_damaged_checkpoint_training_goes_back_to_the_one_before(
    kind: str, again: str, ready: Ready, tmp_path: Path
) -> None:
    damage, reason = DAMAGES[kind]
    run = ready.copy(tmp_path)
    newest = run / "checkpoints" / "000000028"
    damage(newest)
    damaged = {path.name: path.read_bytes() for path in newest.iterdir()}
    told: list[str] = []

    def listen(event: object) -> None:
        if isinstance(event, Notice):
            told.append(event.text)

    result = train(ready.data, tmp_path, listen) if again == "train" else artgan.resume(run, on_event=listen)
    assert (result.run, result.ending) == (run, "kimg")
    (notice,) = told
    assert reason in notice
    assert f"Going on from {newest.with_name('000000024')}" in notice
    assert "000000028.set-aside" in notice
    aside = newest.with_name("000000028.set-aside")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == damaged
    assert outcome(run) == ready.whole


def test_several_damaged_checkpoints_are_all_named(ready: Ready, tmp_path: Path) -> None:
    run = ready.copy(tmp_path)
    flip(STATE)(run / "checkpoints" / "000000028")
    remove(MANIFEST)(run / "checkpoints" / "000000024")
    told: list[str] = []
    artgan.resume(run, on_event=lambda event: told.append(event.text) if isinstance(event, Notice) else None)
    (notice,) = told
    for word in ("000000028/state.safetensors is damaged", "000000024 is not whole", "Going on from"):
        assert word in notice
    assert "000000024.set-aside, 000000028.set-aside" in notice
    assert outcome(run) == ready.whole


def test_a_checkpoint_that_is_damaged_again_takes_the_place_of_what_was_set_aside(ready: Ready, tmp_path: Path) -> None:
    run = ready.copy(tmp_path)
    aside = run / "checkpoints" / "000000028.set-aside"
    aside.mkdir()
    (aside / "old").touch()
    flip(STATE)(run / "checkpoints" / "000000028")
    assert artgan.resume(run).ending == "kimg"
    assert sorted(path.name for path in aside.iterdir()) == sorted([GENERATOR, STATE, MANIFEST])
    assert outcome(run) == ready.whole


def test_without_any_whole_checkpoint_nothing_is_touched(ready: Ready, tmp_path: Path) -> None:
    run = ready.copy(tmp_path)
    for folder in (run / "checkpoints").iterdir():
        flip(STATE)(folder)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "report.html"}
    for again in (train, lambda data, runs: artgan.resume(run)):
        with pytest.raises(CheckpointError, match="None of the 3 checkpoints") as refusal:
            again(ready.data, tmp_path)
        assert refusal.value.exit_code == 5
        assert "000000028" in refusal.value.message
        assert "--new" in refusal.value.hint
        now = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "report.html"}
        assert now == before


# --- disks


def last_is_whole(runs: Path, name: str) -> Path:
    """The only run in a folder, after making sure of what a failure left there."""
    (run,) = runs.iterdir()
    newest = newest_checkpoint(Run(run))
    assert newest is not None
    assert newest.name == name
    verify(newest)
    assert (run / "latest").read_text().strip() == name
    return run


def temporary(run: Path) -> list[str]:
    return [path.name for path in run.rglob(".*.tmp")]


def once(nimg: int, last: str, happen: Callable[[], None], runs: Path) -> Listener:
    """Hear when so many pictures were shown, wait until the last checkpoint before them is written, and do it then."""

    def listen(event: object) -> None:
        if isinstance(event, Step) and event.nimg == nimg:
            until = time.monotonic() + 20
            while not [path for path in runs.glob("*/latest") if path.read_text() == f"{last}\n"]:
                assert time.monotonic() < until
                time.sleep(0.001)
            happen()

    return listen


@contextlib.contextmanager
def small_files(most: int) -> Iterator[Callable[[], None]]:
    """Yield what lets no file grow beyond `most` bytes any more: to a writer the same as a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("nimg", "last", "file"),
    [
        (16, "000000012", r"fakes000000016\.png"),
        (20, "000000012", r"stats\.jsonl"),
        (24, "000000012", r"000000024|metrics\.jsonl"),  # written in the background, or what is due next
        (28, "000000024", r"metrics\.jsonl"),
        (48, "000000036", r"fakes000000048\.png"),
    ],
)
@pytest.mark.parametrize("most", [0, 100])
def test_a_full_disk_ends_it_and_nothing_is_lost(
    nimg: int, last: str, file: str, most: int, ready: Ready, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    with small_files(most) as fill, pytest.raises(StorageError, match=file) as refusal:
        train(ready.data, runs, once(nimg, last, fill, runs))
    assert refusal.value.exit_code == 5
    assert "disk space" in refusal.value.hint
    run = last_is_whole(runs, last)
    assert temporary(run) == []
    assert train(ready.data, runs).run == run
    assert outcome(run) == ready.whole


@pytest.mark.parametrize("name", [GENERATOR, STATE])
def test_a_checkpoint_that_cannot_be_written_in_the_background_ends_it(
    name: str, ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Path] = []

    def save(tensors: Any, path: Path, header: Any) -> None:
        save_file(tensors, path, header)
        if path.name == name and "000000024" in path.parent.name and not failed:
            failed.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save_file", save)
    with pytest.raises(StorageError, match="000000024") as refusal:
        train(ready.data, tmp_path / "runs")
    assert "disk space" in refusal.value.hint
    assert len(failed) == 1
    run = last_is_whole(tmp_path / "runs", "000000012")
    assert temporary(run) == []
    assert train(ready.data, tmp_path / "runs").run == run
    assert outcome(run) == ready.whole


class Place:
    """A folder that can be locked against writing, or even against looking."""

    def __init__(self, folder: Path, reachable: bool) -> None:
        self.folder, self.reachable = folder, reachable
        self.root = os.geteuid() == 0  # no permission binds root: then we become nobody

    def lock(self) -> None:
        self.folder.chmod(0o755 if self.reachable else 0o000)
        if self.root:
            os.seteuid(65534)
        elif self.reachable:
            for path in self.folder.rglob("*"):
                path.chmod(0o555 if path.is_dir() else 0o444)

    def unlock(self) -> None:
        if self.root:
            os.seteuid(0)
        self.folder.chmod(0o755)
        for path in self.folder.rglob("*"):
            path.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("nimg", "last"), [(16, "000000012"), (20, "000000012"), (24, "000000012"), (28, "000000024")])
@pytest.mark.parametrize("reachable", [True, False])
def test_a_folder_that_is_locked_meanwhile_ends_it_and_nothing_is_lost(
    reachable: bool, nimg: int, last: str, ready: Ready
) -> None:
    """Whatever is due next: a preview, statistics, a checkpoint, metrics."""
    with tempfile.TemporaryDirectory() as folder:  # unlike tmp_path, anybody may look there
        place, runs = Place(Path(folder), reachable), Path(folder) / "runs"
        try:
            with pytest.raises(StorageError, match="cannot be written") as refusal:
                train(ready.data, runs, once(nimg, last, place.lock, runs))
        finally:
            place.unlock()
        assert refusal.value.exit_code == 5
        assert "permissions" in refusal.value.hint
        run = last_is_whole(runs, last)
        assert train(ready.data, runs).run == run
        assert outcome(run) == ready.whole


def test_a_report_that_cannot_be_written_is_told_of_once_and_ends_nothing(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, told = [0], list[str]()

    def write(*_: object) -> Path:
        tried[0] += 1
        raise ValueError("no ink")

    def listen(event: object) -> None:
        if isinstance(event, Notice):
            told.append(event.text)

    monkeypatch.setattr(Report, "write", write)
    result = train(ready.data, tmp_path / "runs", listen)
    assert result.ending == "kimg"
    assert tried[0] >= 2
    (notice,) = told
    assert "report" in notice
    assert "no ink" in notice
    assert outcome(result.run) == ready.whole


# --- clocks


def test_a_clock_that_runs_backwards_changes_nothing(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]

    def earlier() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", earlier)
    stopped = train(ready.data, tmp_path / "runs", stop=28)
    result = train(ready.data, tmp_path / "runs")
    assert result.run == stopped.run
    assert result.seconds >= 0
    assert outcome(result.run) == ready.whole
    stats = [json.loads(line) for line in (result.run / "stats.jsonl").read_text().splitlines()]
    assert [record["nimg"] for record in stats] == [20, 40]
    assert all(record["time"]["images_per_second"] > 0 for record in stats)
    assert "</html>" in (result.run / "report.html").read_text()


# --- other processes, and death


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Killer:
    if os.name != "posix":
        pytest.skip("SIGKILL is a thing of POSIX")
    return Killer(tmp_path_factory.mktemp("kills"), seed=int(time.time()))


def test_ten_kills_at_random_instants_leave_no_trace(killer: Killer) -> None:
    kills = trials = 0
    while kills < 10:
        kills += killer.trial(f"trial{trials}")
        trials += 1


def test_a_second_process_is_refused_until_the_first_is_dead(killer: Killer) -> None:
    home = killer.folder / "two"
    with killer.running("two") as child:
        while not list(home.glob("runs/*/reals.png")):
            assert child.is_alive()
            time.sleep(0.005)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)  # it keeps the run, and cannot finish it meanwhile
        (run,) = (home / "runs").iterdir()
        with pytest.raises(StorageError, match=f"{run.name} is being trained by another process") as refusal:
            artgan.resume(run)
        assert "--new" in refusal.value.hint
    assert child.exitcode == -signal.SIGKILL
    assert artgan.resume(run).ending == "kimg"


def test_a_death_before_a_checkpoint_is_told_leaves_it_whole(ready: Ready, tmp_path: Path) -> None:
    """The checkpoint is on disk before anybody hears of it."""

    class Death(BaseException):
        pass

    def listen(event: object) -> None:
        if isinstance(event, Saved) and event.kind == "checkpoint":
            verify(event.path)
            raise Death

    for _ in range(4):
        with contextlib.suppress(Death):
            train(ready.data, tmp_path / "runs", listen)
    (run,) = (tmp_path / "runs").iterdir()
    train(ready.data, tmp_path / "runs")
    assert outcome(run) == ready.whole


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process lives")
def test_what_a_death_between_two_writes_left_is_put_right(ready: Ready, tmp_path: Path) -> None:
    """Dead after the last checkpoint got its name and before `latest` did, the next half written."""
    run = train(ready.data, tmp_path / "runs").run
    (run / "latest").write_text("000000036\n")
    with subprocess.Popen(["true"]) as dead:
        pass
    for name in ("latest", "report.html"):
        (run / f".{name}.1.{dead.pid}.tmp").write_text("hal")
    assert artgan.resume(run).ending == "kimg"
    assert outcome(run) == ready.whole
    assert temporary(run) == []
