"""Peak memory of training on 100,000 pictures at 64 px, one whole pass through them.

    python tests/bench/memory.py [--pictures 100000] [--folder FOLDER]

The decoded set (1.2 GB) is written with random pixels into FOLDER and removed afterwards.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

from artgan.data.cache import DatasetReady, Decoded
from artgan.data.pictures import DecodedPictures
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.engine.storage import create_run
from artgan.presets import resolve
from artgan.training.loop import train_loop
from artgan.training.state import TrainState
from artgan.training.watch import Watch


def peak_mib() -> float:
    """Peak resident memory of this process, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    settings = resolve(
        None,
        {"train.batch": 64, "train.total_kimg": args.pictures / 1000, "model.base_channels": 8, "data.mirror": True},
    )
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder, random = Path(temporary), np.random.default_rng(0)
        with (folder / "pictures.u8").open("wb") as file:
            for start in range(0, args.pictures, 1000):
                count = min(1000, args.pictures - start)
                file.write(random.integers(0, 256, (count, 64, 64, 3), np.uint8).tobytes())
        print(f"before the set is opened  {peak_mib():7.0f} MiB")
        index = {"shape": [64, 64, 3], "classes": [], "labels": [], "count": args.pictures}
        ready = DatasetReady(folder, args.pictures, args.pictures, {}, (), 0, True)
        pictures = DecodedPictures(Decoded(folder, index, "", ready), settings.data, Streams(0))
        engine = Engine.detect()
        state = TrainState(settings, pictures.shape, 0, engine)
        run = create_run(folder, "bench")
        watch = Watch(settings, pictures, engine, run, lambda event: None)
        train_loop(settings, pictures, engine, state, run, [], watch, None, lambda event: None, lambda: False)
        size = (folder / "pictures.u8").stat().st_size / 2**20
        print(f"after {args.pictures:,} pictures     {peak_mib():7.0f} MiB (the set itself has {size:.0f} MiB)")


if __name__ == "__main__":
    main()
