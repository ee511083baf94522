"""How much of a run is not training: previews, metrics, report, records and checkpoints, and the longest standstill.

    python -m tests.bench.overhead [--minutes 10] [--preset dcgan64] [--checkpoint-minutes 5]

Trains on the painters' pictures at the preset's own intervals. Between two steps the loop is doing something else: that
is the time outside of training. Work in the background slows the steps beside it: that is counted too, as what these
steps take longer than the median step.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import artgan
from artgan.data.painters import paint_collection
from artgan.training import loop
from artgan.training.events import Saved
from artgan.training.snapshots import save_state
from artgan.training.step import train_step


class Clock:
    """Notes when every step began and ended, and which gaps a checkpoint was begun in."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.ended: list[float] = []
        self.checkpoint_gaps: list[int] = []
        self.written: list[float] = []
        self._train_step, self._save_state = train_step, save_state
        setattr(loop, "train_step", self.train_step)  # noqa: B010 - the loop's own names for them
        setattr(loop, "save_state", self.save_state)  # noqa: B010

    def train_step(self, *args: object) -> None:
        self.begun.append(time.perf_counter())
        self._train_step(*args)  # type: ignore[arg-type]
        self.ended.append(time.perf_counter())

    def save_state(self, *args: object) -> None:
        self.checkpoint_gaps.append(len(self.ended) - 1)
        self._save_state(*args)  # type: ignore[arg-type]

    def listen(self, event: object) -> None:
        if isinstance(event, Saved) and event.kind == "checkpoint":
            self.written.append(time.perf_counter())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--preset", default="dcgan64")
    parser.add_argument("--checkpoint-minutes", type=float, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        pictures = paint_collection(Path(temporary) / "paintings", 512, 64)
        clock = Clock()
        result = artgan.train(
            pictures,
            preset=args.preset,
            overrides={"snapshot.checkpoint_minutes": args.checkpoint_minutes},
            minutes=args.minutes,
            runs_dir=temporary,
            on_event=clock.listen,
        )
        size = sum(path.stat().st_size for path in result.checkpoint.iterdir()) / 2**20
        page = (result.run / "report.html").stat().st_size / 2**20
    steps = [end - begin for begin, end in zip(clock.begun, clock.ended, strict=True)]
    gaps = [begin - end for begin, end in zip(clock.begun[1:], clock.ended, strict=False)]
    usual = statistics.median(steps)
    wall = clock.ended[-1] - clock.begun[0]
    slower = sum(max(0.0, step - 1.5 * usual) for step in steps)
    print(f"{result.nimg / 1000:.1f} kimg, {len(steps)} steps of {usual * 1000:.0f} ms (median), {wall:.0f} s")
    print(f"between steps: {sum(gaps) / wall:.2%} of the time; the longest: {max(gaps) * 1000:.0f} ms")
    print(f"steps longer than 1.5 medians: {slower / wall:.2%} of the time beyond that (penalties, noise, background)")
    stops = [gaps[index] for index in clock.checkpoint_gaps if index < len(gaps)]
    for index, stop in zip(clock.checkpoint_gaps, stops, strict=False):
        done = next((at for at in clock.written if at > clock.ended[index]), clock.ended[-1])
        after = done - clock.ended[index]
        print(f"checkpoint ({size:.0f} MiB): the loop stood {stop * 1000:.0f} ms; written {after:.1f} s later")
    print(f"report.html: {page:.1f} MiB")


if __name__ == "__main__":
    main()
