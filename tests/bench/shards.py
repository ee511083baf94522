"""Training on shards: time to start, memory, pictures per second, and speed against the same pictures in memory.

    OMP_NUM_THREADS=1 python tests/bench/shards.py [--pictures 200000] [--folder FOLDER] [--preset studio64]

FOLDER gets 100 shards of smooth noise, JPEG, 64 px, with their index, and is kept; the cache of decoded pictures is
made anew in it each time. Networks are narrow, so that they take little time beside the reading of pictures.
"""

import argparse
import hashlib
import io
import json
import os
import resource
import shutil
import statistics
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from artgan.data.cache import DatasetReady, Decoded
from artgan.data.pictures import DecodedPictures, Pictures, load_pictures
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.presets import resolve
from artgan.training.repairs import plan_at
from artgan.training.state import TrainState
from artgan.training.step import train_step

SIDE, SHARDS, CLASSES = 64, 100, 10
BATCH = 64
ROUNDS, STEPS = 5, 8


def peak_mib() -> float:
    """Peak resident memory of this process, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def make_shards(folder: Path, pictures: int) -> None:
    """Write the shards and their index, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for number in range(SHARDS):
        random = np.random.default_rng(number)
        count = pictures * (number + 1) // SHARDS - pictures * number // SHARDS
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            labels = random.integers(0, CLASSES, count).tolist()
            for place, label in enumerate(labels):
                coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
                picture = io.BytesIO()
                coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(picture, "JPEG", quality=90)
                for kind, content in (("jpg", picture.getvalue()), ("cls", str(label).encode())):
                    info = tarfile.TarInfo(f"{number:03d}{place:06d}.{kind}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        content = file.getvalue()
        (folder / f"{number:06d}.tar").write_bytes(content)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        known = {"bytes": len(content), "digest": digest, "pictures": count}
        told[f"{number:06d}.tar"] = {**known, "labels": labels, "captions": None}
    classes = [f"kind {number}" for number in range(CLASSES)]
    (folder / "shards.json").write_text(json.dumps({"version": 1, "classes": classes, "shards": told}))


class Clock:
    """Seconds that went by, and seconds that this process computed, all its threads together."""

    def __init__(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds since the start: of the wall, of computing."""
        return time.perf_counter() - self.began[0], time.process_time() - self.began[1]

    def rates(self, count: int) -> tuple[float, float]:
        """So many by second, of the wall and of computing; on a busy machine only the second means anything."""
        wall, computing = self.seconds
        return count / wall, count / computing

    def told(self, count: int) -> str:
        """Both rates in words."""
        wall, computing = self.rates(count)
        return f"{wall:8.0f} pictures/s, {computing:8.0f} per second of computing"


def read_batches(pictures: Pictures, start: int, count: int) -> str:
    """How fast batches come, without any training."""
    clock = Clock()
    for position in range(start, start + count, BATCH):
        pictures.batch(position, BATCH)
    return clock.told(count)


def in_memory(pictures: Pictures, count: int, folder: Path) -> DecodedPictures:
    """The first so many pictures of a set as one that is decoded as a whole."""
    rows = np.sort(pictures.order(0, count))
    folder.mkdir()
    with (folder / "pictures.u8").open("wb") as file:
        for some in np.array_split(rows, -(-count // 1000)):
            file.write(pictures.at(some).permute(0, 2, 3, 1).numpy().tobytes())
    index = {
        "shape": [SIDE, SIDE, 3],
        "classes": list(pictures.classes),
        "labels": pictures.labels[rows].tolist(),
        "count": count,
    }
    ready = DatasetReady(folder, count, count, {}, (), 0, True)
    return DecodedPictures(Decoded(folder, index, "", ready), resolve(None, {"data.resolution": SIDE}).data, Streams(0))


class Trainer:
    """A training that is stepped by hand."""

    def __init__(self, pictures: Pictures, preset: str, nimg: int) -> None:
        self.settings = resolve(preset, {"train.batch": BATCH, "data.resolution": SIDE, "model.base_channels": 16})
        self.engine = Engine.from_settings(self.settings.engine, 0)
        self.pictures = pictures
        self.state = TrainState(self.settings, pictures.shape, pictures.c_dim, self.engine)
        if self.state.matching is not None:
            self.state.matching.measure(pictures, self.settings.data.mirror, False)
        self.state.nimg = nimg

    def speed(self, steps: int) -> tuple[float, float]:
        """Pictures per second of so many steps, of the wall and of computing."""
        plan, clock = plan_at([], self.state.nimg, self.settings.train), Clock()
        for _ in range(steps):
            train_step(self.settings, self.pictures, self.engine, self.state, plan)
        self.state.take_worst()
        return clock.rates(steps * BATCH)


def main() -> None:
    """Measure and print."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "shards-bench")
    parser.add_argument("--preset", default="studio64")
    args = parser.parse_args()
    folder = args.folder / str(args.pictures)
    if not (folder / "shards.json").exists():
        make_shards(folder, args.pictures)
    cache = args.folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    os.environ["ARTGAN_CACHE"] = str(cache)
    packed = sum(file.stat().st_size for file in folder.glob("*.tar"))
    print(f"{args.pictures:,} pictures, {SIDE} px, in {SHARDS} shards of {packed / 1e6 / SHARDS:.1f} MB")
    print(f"memory before             {peak_mib():8.0f} MiB")
    settings = resolve(None, {"data.resolution": SIDE}).data
    clock = Clock()
    pictures = load_pictures(folder, settings)
    pictures.batch(0, BATCH)
    wall, computing = clock.seconds
    print(f"first batch after         {wall:8.1f} s, {computing:.1f} s of computing")
    whole = args.pictures // BATCH * BATCH
    print(f"batches, first pass       {read_batches(pictures, 0, whole)}")
    print(f"batches, decoded          {read_batches(pictures, args.pictures, whole)}")
    print(f"memory after two passes   {peak_mib():8.0f} MiB")
    clock = Clock()
    load_pictures(folder, settings).batch(0, BATCH)
    print(f"opened again, first batch {clock.seconds[0]:8.1f} s")
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        subset = in_memory(pictures, min(args.pictures, 20_000), Path(temporary) / "subset")
        print(f"batches, in memory        {read_batches(subset, 0, 16_384)}")
        shutil.rmtree(cache)  # the shards are trained on as they are decoded for the first time
        fresh = load_pictures(folder, settings)
        trainers = [Trainer(subset, args.preset, 0), Trainer(fresh, args.preset, 0)]
        for trainer in trainers:
            trainer.speed(3)
        speeds = [(trainers[0].speed(STEPS), trainers[1].speed(STEPS)) for _ in range(ROUNDS)]
    for kind, name in enumerate(("per second", "per second of computing")):
        memory, shards = (statistics.median(side[kind] for side in sides) for sides in zip(*speeds, strict=True))
        ratios = [shards[kind] / memory[kind] for memory, shards in speeds]
        print(f"images {name}: {memory:.1f} in memory, {shards:.1f} on shards;", end=" ")
        print(f"ratio {statistics.median(ratios):.3f} (rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    print(f"memory at the end         {peak_mib():8.0f} MiB")


if __name__ == "__main__":
    main()
