"""Kill short runs at random instants, let each be continued to its end, and compare it with the one nobody killed.

    python -m tests.bench.kills [--kills 200] [--seed 0]

A run decodes its pictures into a cache of its own and saves a checkpoint every few steps, so that the instants fall
into the first second, the cache build, steps, and checkpoints alike. Every run must end bit-equal to the uninterrupted
one: state, averaged generator, statistics, metrics and last preview.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artgan.engine.checkpoint import STATE, load_generator

SETTINGS: dict[str, object] = {
    "data.resolution": 16,
    "model.base_channels": 8,
    "model.z_dim": 8,
    "train.batch": 4,
    "train.total_kimg": 0.16,
    "train.penalty_interval": 3,
    "augment.policy": ["color", "translation", "cutout"],
    "snapshot.checkpoint_kimg": 0.02,
    "snapshot.preview_kimg": 0.05,
    "snapshot.stats_kimg": 0.01,
    "snapshot.health_kimg": 0.03,
    "engine.device": "cpu",
}


def paint_some(folder: Path, count: int = 60) -> Path:
    """A folder of small pictures of noise in several colours."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(count):
        pixels = draw.integers(0, 256, (64, 64, 3), np.uint8) // 4 + draw.integers(0, 192, (1, 1, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return folder


def train(data: Path, home: Path) -> None:
    """What a child process does: the same `train` again and again until the run is finished."""
    import torch

    import artgan

    torch.set_num_threads(1)
    os.environ["ARTGAN_CACHE"] = str(home / "cache")
    artgan.train(data, preset=None, overrides=SETTINGS, runs_dir=home / "runs")


def outcome(home: Path) -> dict[str, Any]:
    """All of a finished run that has to be equal: every file but the clock's readings in it."""
    (run,) = (home / "runs").glob("[!.]*")
    newest = max(path for path in (run / "checkpoints").iterdir() if path.name.isdecimal())
    # The header of a generator.safetensors has its entries in another order in every process: its tensors count.
    tensors = load_generator(newest).tensors
    found: dict[str, Any] = {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
    found[STATE] = (newest / STATE).read_bytes()
    for name in ("stats.jsonl", "metrics.jsonl"):
        lines = [json.loads(line) for line in (run / name).read_text().splitlines()]
        found[name] = [{key: value for key, value in line.items() if key != "time"} for line in lines]
    found |= {path.name: path.read_bytes() for path in run.glob("*.png")}
    found["leftovers"] = [path.name for path in run.rglob(".*.tmp") if path.is_dir()]
    return found


def instant(home: Path) -> str:
    """In one word, what a killed run had reached."""
    runs = list((home / "runs").glob("[!.]*"))
    if not runs:
        return "cache build" if (home / "cache" / "pictures").exists() else "first moments"
    if list(runs[0].glob("checkpoints/.*.tmp")):
        return "while a checkpoint was written"
    return "after a checkpoint" if (runs[0] / "latest").exists() else "before the first checkpoint"


class Killer:
    """Starts runs in children of a process that has torch loaded already, and kills them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.context = multiprocessing.get_context("forkserver")
        # The first optimiser asks for torch._dynamo, and importing it takes longer than a whole run.
        self.context.set_forkserver_preload(["artgan.training.train", "torch._dynamo"])
        self.data = paint_some(folder / "data")
        self.run("warm-up", None)  # starts the server
        began = time.monotonic()
        self.run("whole", None)
        self.length = time.monotonic() - began
        self.whole = outcome(folder / "whole")
        self.instants: Counter[str] = Counter()

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[BaseProcess]:
        """A child that trains in `name`, and is killed at the end of the block if it is still there."""
        child = self.context.Process(target=train, args=(self.data, self.folder / name))
        child.start()
        try:
            yield child
        finally:
            child.kill()
            child.join()

    def run(self, name: str, after: float | None) -> bool:
        """Train in `name` for at most `after` seconds; whether it was killed."""
        with self.running(name) as child:
            child.join(after)
            if child.exitcode not in (None, 0):
                raise SystemExit(f"the run in {name} failed with exit code {child.exitcode}")
            return child.exitcode is None

    def trial(self, name: str) -> int:
        """One run, killed at random instants until it comes through; returns the number of kills.

        Raises:
            AssertionError: it did not end like the uninterrupted one.
        """
        kills, longest = 0, 1.1 * self.length
        while self.run(name, self.draw.uniform(0, longest)):
            kills += 1
            longest *= 1.1  # so that it comes through even where the machine has become slower
            self.instants[instant(self.folder / name)] += 1
        found = outcome(self.folder / name)
        different = [key for key in self.whole if found.get(key) != self.whole[key]]
        assert not different, f"{name}, killed {kills} times, differs in {different}"
        return kills


def main() -> None:
    """Kill, compare, and print what the kills met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        killer = Killer(Path(temporary), args.seed)
        print(f"an uninterrupted run takes {killer.length:.1f} s")
        kills = runs = 0
        while kills < args.kills:
            kills += killer.trial(f"run{runs}")
            runs += 1
        print(f"{kills} kills in {runs} runs; every run ended bit-equal to the uninterrupted one")
        for name, count in killer.instants.most_common():
            print(f"{count:4} {name}")


if __name__ == "__main__":
    main()
