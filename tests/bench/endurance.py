"""Whether memory grows over a long run: thousands of steps, each with a checkpoint, many with a preview and a report.

python -m tests.bench.endurance [--checkpoints 2000]
"""

import argparse
import tempfile
from pathlib import Path

import psutil

import artgan
from artgan.data.painters import paint_collection
from artgan.training.events import Saved


def main() -> None:
    """Train and print the memory in use."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=int, default=2000)
    args = parser.parse_args()
    batch, process, saved = 8, psutil.Process(), 0
    settings = {
        "data.resolution": 32,
        "model.base_channels": 16,
        "train.batch": batch,
        "train.total_kimg": args.checkpoints * batch / 1000,
        "snapshot.checkpoint_kimg": batch / 1000,
        "snapshot.preview_kimg": 10 * batch / 1000,
        "snapshot.health_kimg": 2 * batch / 1000,
        "snapshot.stats_kimg": batch / 1000,
    }

    def listen(event: object) -> None:
        nonlocal saved
        if isinstance(event, Saved) and event.kind == "checkpoint":
            saved += 1
            if saved in (1, 100) or saved % (args.checkpoints // 8) == 0:
                print(f"{saved:6} checkpoints  {process.memory_info().rss / 2**20:7.1f} MiB", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        pictures = paint_collection(Path(temporary) / "paintings", 256, 32)
        artgan.train(pictures, preset=None, overrides=settings, runs_dir=temporary, on_event=listen)


if __name__ == "__main__":
    main()
