"""Images per second of artgan's loop against the plain tutorial loop: same networks, same loss, same pictures.

    python -m tests.bench.dcgan64 [--rounds 5] [--steps 20]

Both loops see the same decoded pictures; artgan's also keeps its averaged generator and its statistics. Rounds
alternate, so that both meet the same noise of the machine; medians are compared.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Literal

from artgan.config import Settings, validated, with_overrides
from artgan.data.painters import paint_collection
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.device import Engine
from artgan.engine.storage import create_run
from artgan.training.events import Event, Step
from artgan.training.loop import train_loop
from artgan.training.state import TrainState
from artgan.training.watch import Watch
from tests.bench.tutorial import Tutorial, tutorial_settings

WARM_UP = 2


def tutorial_seconds(settings: Settings, pictures: Pictures, steps: int) -> list[float]:
    """Seconds per step of the tutorial's loop."""
    tutorial = Tutorial(settings, pictures)
    ticks = [time.perf_counter()]
    for _ in range(steps):
        tutorial.step()
        ticks.append(time.perf_counter())
    return [after - before for before, after in zip(ticks, ticks[1:], strict=False)][WARM_UP:]


def artgan_seconds(
    settings: Settings, pictures: Pictures, precision: Literal["auto", "float32"], folder: Path
) -> list[float]:
    """Seconds per step of artgan's loop, statistics and averaged generator included, previews and saving not."""
    engine = Engine.detect("auto", precision)
    state = TrainState(settings, pictures.shape, 0, engine)
    ticks: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step):
            ticks.append(time.perf_counter())

    run = create_run(folder, "bench")
    watch = Watch(settings, pictures, engine, run, listen)
    train_loop(settings, pictures, engine, state, run, [], watch, None, listen, lambda: False)
    return [after - before for before, after in zip(ticks, ticks[1:], strict=False)][WARM_UP:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--channels", type=int, default=64)
    args = parser.parse_args()
    quiet = {"snapshot.preview_kimg": 1e6, "snapshot.stats_kimg": 0.64, "snapshot.checkpoint_minutes": 1e6}
    settings = tutorial_settings({"model.base_channels": args.channels})
    length = {"train.total_kimg": args.steps * settings.train.batch / 1000}
    settings = validated(with_overrides(settings.model_dump(), {**quiet, **length}))
    found: dict[str, list[float]] = {"tutorial, float32": [], "artgan, float32": [], "artgan, auto": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pictures = load_pictures(paint_collection(folder / "paintings", 256, 64), settings.data)
        for _ in range(args.rounds):
            found["tutorial, float32"] += tutorial_seconds(settings, pictures, args.steps)
            found["artgan, float32"] += artgan_seconds(settings, pictures, "float32", folder)
            found["artgan, auto"] += artgan_seconds(settings, pictures, "auto", folder)
    engine = Engine.detect()
    print(f"{engine.device}, {engine.threads} threads, auto is {engine.why[1]}")
    speeds = {name: settings.train.batch / statistics.median(seconds) for name, seconds in found.items()}
    for name, speed in speeds.items():
        ratio = speed / speeds["tutorial, float32"]
        print(f"{name:20} {speed:6.1f} images/s   {ratio:.2f} times the tutorial loop")


if __name__ == "__main__":
    main()
