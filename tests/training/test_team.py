"""Training in several processes: the same run as in one, whatever happens to them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import artgan
from artgan.config import Settings
from artgan.engine import processes
from artgan.engine.device import Engine
from artgan.engine.storage import Run, only_one
from artgan.errors import SettingError
from artgan.training.session import session
from tests.conftest import painted
from tests.processes import finish, start, together
from tests.running import artgan as command

pytestmark = pytest.mark.skipif(os.name != "posix", reason="teams are for systems with POSIX")
STEPS, BATCH = 50, 12
# Batch norm in both networks, moment matching, adaptive augmentation, penalties and classes: whatever looks at a batch.
SETTINGS: dict[str, object] = {
    "data.resolution": 16,
    "data.mirror": True,
    "model.base_channels": 4,
    "model.z_dim": 8,
    "model.d_norm": "batch",
    "train.batch": BATCH,
    "train.total_kimg": STEPS * BATCH / 1000,
    "train.match": 0.01,
    "train.g_lr": 1e-4,
    "train.d_lr": 1e-4,
    "train.penalty_interval": 4,
    "augment.policy": '["color","translation","cutout"]',
    "augment.adaptive": True,
    "augment.ada_kimg": 1.0,
    "engine.precision": "float32",
    "snapshot.stats_kimg": BATCH / 1000,
    "snapshot.health_kimg": 0.2,
    "snapshot.checkpoint_kimg": 0.12,
}


def words(data: Path, runs: Path) -> list[str]:
    """The command that trains on `data`."""
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    return ["train", str(data), "--preset", "dcgan64", "--device", "cpu", "--runs", str(runs), *sets]


def losses(run: Path) -> list[tuple[float, float, float]]:
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [line["nimg"] for line in lines] == [BATCH * (number + 1) for number in range(STEPS)]
    return [(line["loss_D"], line["loss_G"], line["augment_p"]) for line in lines]


def farthest(one: Sequence[tuple[float, ...]], other: Sequence[tuple[float, ...]]) -> float:
    return max(abs(a - b) for row, same in zip(one, other, strict=True) for a, b in zip(row, same, strict=True))


def last_state(run: Path) -> dict[str, bytes]:
    folder = run / "checkpoints" / f"{STEPS * BATCH:09d}"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def only_run(runs: Path) -> Path:
    (run,) = runs.iterdir()
    return run


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team") / "fruit"
    for number in range(24):
        (folder / ("apples", "pears")[number % 2]).mkdir(parents=True, exist_ok=True)
        painted(number, 24, 20).save(folder / ("apples", "pears")[number % 2] / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def of_two(fruit: Path) -> Path:
    """What two processes come to, without a break."""
    lead, other = together(words(fruit, fruit.parent / "two"), 2, fruit.parent)
    assert (lead.returncode, other.returncode) == (0, 0), lead.stderr + other.stderr
    assert (other.stdout, other.stderr) == ("", ""), "the lead alone speaks"
    run = only_run(fruit.parent / "two")
    assert lead.stdout.strip() == str(run)
    return run


def test_two_processes_train_what_one_does(fruit: Path, of_two: Path, one_thread: None) -> None:
    assert command(*words(fruit, fruit.parent / "one")).exit_code == 0
    alone = only_run(fruit.parent / "one")
    assert farthest(losses(alone), losses(of_two)) < 1e-4
    weights, others = (load_file(run / "checkpoints/000000600/generator.safetensors") for run in (alone, of_two))
    assert max(float((weights[name].double() - others[name].double()).abs().max()) for name in weights) < 1e-3
    assert json.loads((of_two / "run.json").read_text())["engine"]["processes"] == 2
    drawn = [sorted(path.name for path in run.glob("*.png")) for run in (alone, of_two)]
    assert drawn[0] == drawn[1]


def test_one_goes_on_where_two_were_and_the_order_of_data_is_the_same(
    fruit: Path, of_two: Path, tmp_path: Path, one_thread: None
) -> None:
    run = tmp_path / "runs" / of_two.name
    shutil.copytree(of_two, run)
    shutil.rmtree(run / "checkpoints" / "000000600")
    more = command(*words(fruit, tmp_path / "runs"))
    assert "goes on at 0.5 kimg" in more.stderr
    assert "(processes 2 -> 1)" in more.stderr
    assert farthest(losses(run), losses(of_two)) < 1e-4


DYING = """
import os, signal, sys
import artgan.training.loop as loop
from artgan.cli.main import main

attempt, rank = (int(os.environ[name]) for name in ("TORCHELASTIC_RESTART_COUNT", "RANK"))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

if (attempt, rank) in ((0, 1), (2, 0)):  # in the middle of training
    step = loop.train_step
    def until(settings, pictures, engine, state, plan):
        if state.nimg == 180 + 120 * attempt:
            die()
        step(settings, pictures, engine, state, plan)
    loop.train_step = until
if (attempt, rank) == (1, 0):  # in the middle of the checkpoint of 360
    sync = os.fsync
    def half(handle):
        if "000000360" in os.readlink(f"/proc/self/fd/{handle}"):
            die()
        sync(handle)
    os.fsync = half
main()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the script looks there")
def test_torchrun_brings_back_whoever_is_killed_and_nothing_is_lost(fruit: Path, of_two: Path, tmp_path: Path) -> None:
    script = tmp_path / "dying.py"
    script.write_text(DYING)
    agent = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*agent, "--max-restarts", "3", str(script), *words(fruit, tmp_path / "runs"), "--new"],
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=400,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("lost the others: one of them has ended.") == 3, "one sentence for each that was killed"
    assert "Traceback" not in done.stderr
    run = only_run(tmp_path / "runs")
    assert last_state(run) == {
        **last_state(of_two),
        "generator.safetensors": last_state(run)["generator.safetensors"],  # it knows the name of its run
        "manifest.json": last_state(run)["manifest.json"],
    }
    states = [load_file(one / "checkpoints/000000600/generator.safetensors") for one in (run, of_two)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert losses(run) == losses(of_two)
    assert not [*(run / "checkpoints").glob(".*.tmp")]


EXPLODING = """
import os
from artgan.cli.main import main
from artgan.training.state import TrainState

take, asked = TrainState.take_worst, []

def worst(state):
    asked.append(take(state))
    return float("nan") if os.environ["RANK"] == "1" and len(asked) == 15 else asked[-1]

TrainState.take_worst = worst
main()
"""


def test_what_explodes_in_one_process_takes_all_of_them_back(fruit: Path, tmp_path: Path) -> None:
    short = [word.replace("total_kimg=0.6", "total_kimg=0.24") for word in words(fruit, tmp_path / "runs")]
    lead, other = finish(start(short, 2, tmp_path, program=("-c", EXPLODING)))
    assert (lead.returncode, other.returncode) == (0, 0), lead.stderr + other.stderr
    assert "The losses exploded at 0.2 kimg; back to 0.1 kimg" in lead.stderr
    (repair,) = (only_run(tmp_path / "runs") / "repairs.jsonl").read_text().splitlines()
    assert (json.loads(repair)["nimg"], json.loads(repair)["found"]) == (120, 180)


def test_a_team_is_refused_where_another_process_trains(fruit: Path, of_two: Path) -> None:
    with only_one(Run(of_two)):
        refused = together(words(fruit, of_two.parent), 2, fruit.parent)
    assert [one.returncode for one in refused] == [5, 5]
    assert "".join(one.stderr for one in refused).count("is being trained by another process") == 1


ELSEWHERE = "import os; os.chdir(os.environ['RANK']); from artgan.cli.main import main; main()"


def test_processes_that_see_other_pictures_are_told_so(fruit: Path, tmp_path: Path) -> None:
    for rank in ("0", "1"):
        (tmp_path / rank / "pictures").mkdir(parents=True)
        for number in range(4):
            painted(number + 10 * int(rank), 16, 16).save(tmp_path / rank / "pictures" / f"{number}.png")
    team = start(words(Path("pictures"), Path("runs")), 2, tmp_path, program=("-c", ELSEWHERE))
    found = finish(team)
    assert [one.returncode for one in found] == [3, 3]
    told = "".join(one.stderr for one in found)
    assert "pictures holds other pictures for process 1 of 2" in told
    assert not (tmp_path / "0" / "runs").exists()


def test_two_pictures_for_each_process_are_the_least(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "size", lambda: 40)
    with pytest.raises(SettingError, match="64 leaves less than two pictures for each of 40") as refusal:
        session(Run(tmp_path), Settings(), Engine.detect("cpu"), None, None, print, lambda: False)  # type: ignore[arg-type]
    assert "32" in refusal.value.hint


def test_commands_of_one_process_say_so_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    refused = command("sample", "7")
    assert refused.exit_code == 2
    assert "artgan sample is the work of one process, and torchrun started 2." in refused.stderr
    monkeypatch.setenv("RANK", "")
    assert "RANK is '', not a number" in command("runs").stderr
    assert artgan.__version__ in command("--version").stdout
