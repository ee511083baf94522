"""How well drawing and writing a film overlap, and in how much memory.

    python -m tests.bench.film [--sides 64 128 256] [--seconds 2] [--times 5] [--codec h264] [--cores 2]

Frames that are at hand are written, which gives the time of the encoder alone. Then each frame is drawn first, 16 at a
time as a generator does, for a half, for all and for double of that time: by waiting, as for a GPU, or by numpy on one
core. 100 % would be the slower of the two alone. Drawing on the CPU takes cores from the encoder: the bound printed
beside it is what these cores can do at all, the CPU time of both shared between them.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from artgan.engine.video import Frame, write_video

BATCH = 16


def moving(side: int) -> list[Frame]:
    """50 frames of soft colours with a grain, to be shown over and over."""
    y, x = np.mgrid[:side, :side] / side
    grain = np.random.default_rng(0).normal(0, 6, (side, side, 1))
    turns = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    waves = (np.stack([np.sin(9 * x + t), np.sin(7 * y - t), np.sin(5 * (x + y) + t)], -1) for t in turns)
    return [(127.5 + 110 * wave + grain).clip(0, 255).astype(np.uint8) for wave in waves]


def drawn(frames: list[Frame], count: int, draw: Callable[[], None]) -> Iterator[Frame]:
    """`count` frames, in batches, `draw` called once for each."""
    for start in range(0, count, BATCH):
        batch = range(start, min(start + BATCH, count))
        for _ in batch:
            draw()
        for number in batch:
            yield frames[number % len(frames)]


def exhaust(frames: list[Frame], count: int, draw: Callable[[], None]) -> None:
    """Draw and forget."""
    for _ in drawn(frames, count, draw):
        pass


def worker(seconds: float) -> Callable[[], None]:
    """Numpy work that takes that long on this machine when nothing else runs."""
    values = np.linspace(0, 1, 2000)
    np.sin(values)
    once, _ = timed(lambda: np.sin(values), 2000)
    rounds = max(1, round(seconds / once))

    def work() -> None:
        for _ in range(rounds):
            np.sin(values)

    return work


def cpu_seconds() -> float:
    """What this process and those that it waited for have computed."""
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in both)


def timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds on the wall and of all cores, the shortest of several times."""
    found = []
    for _ in range(times):
        cpu, wall = cpu_seconds(), time.perf_counter()
        work()
        found.append((time.perf_counter() - wall, cpu_seconds() - cpu))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


def waiter(seconds: float) -> Callable[[], None]:
    """Wait that long, as for a GPU."""
    return lambda: time.sleep(seconds)


def overlap(folder: Path, side: int, given: argparse.Namespace) -> None:
    """Print the table of one size."""
    frames, path = moving(side), folder / f"film{'.mov' if given.codec == 'prores' else '.mp4'}"

    def write(count: int, draw: Callable[[], None], times: int) -> tuple[float, float]:
        return timed(lambda: write_video(path, drawn(frames, count, draw), codec=given.codec), times)

    wall, _ = write(320, lambda: None, 2)
    count = max(1, round(320 * given.seconds / wall / BATCH)) * BATCH
    alone, alone_cpu = write(count, lambda: None, given.times)
    print(f"{side} px, {count} frames: the encoder alone takes {alone / count * 1000:.2f} ms a frame")
    for share in (0.5, 1, 2):
        each = share * alone / count
        for kind, draw in (("waiting", waiter(each)), ("numpy", worker(each))):
            drawing, drawing_cpu = timed(partial(exhaust, frames, count, draw), given.times)
            both, _ = write(count, draw, given.times)
            slower = max(drawing, alone)
            bound = slower / max(slower, (drawing_cpu + alone_cpu) / given.cores)
            print(
                f"  drawing {drawing / count * 1000:5.2f} ms a frame, {kind:8}both {both / count * 1000:5.2f} ms:"
                f" {slower / both:4.0%} of the slower one alone (these cores allow {bound:4.0%})",
                flush=True,
            )


def memory(folder: Path) -> None:
    """Print the peaks after a short film and after a long one."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    frames = moving(128)
    for count in (120, 12_000):
        write_video(folder / "film.mp4", (frames[number % 50].copy() for number in range(count)))
        ours, ffmpeg = (resource.getrusage(who).ru_maxrss / unit for who in (0, resource.RUSAGE_CHILDREN))
        print(f"{count:6,} frames of 128 px: peak {ours:.0f} MiB, and {ffmpeg:.0f} MiB for ffmpeg")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        memory(Path(folder))
        for side in given.sides:
            overlap(Path(folder), side, given)


if __name__ == "__main__":
    main()
