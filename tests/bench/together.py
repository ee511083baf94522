"""What a second process is worth: a score or a curation by one process and by two, each with one thread on one core.

    python -m tests.bench.together score [REAL RUN] [--num 2000] [--rounds 3] [--free]
    python -m tests.bench.together curate SRC [--rounds 3] [--free]

REAL is a folder of pictures, RUN a run; without them 2,000 painted pictures and a generator that was never trained.
Nothing is remembered from one round to the next: each has a cache of its own. One process and two take turns. Printed
are seconds by the clock with all imports, and by the processor of the busiest process with its children, which is what
the clock would show on cores of their own; then medians, ratios, and whether all found the same. The
processes are started as torchrun starts them, without its agent, whose own start takes a few seconds of a core. With
--free they run on any core, and one process reads files on all of them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from artgan.data.painters import paint_collection
from tests.generators import untrained_run
from tests.processes import start


class Cost(NamedTuple):
    """Seconds by the clock, and by the processor of each process."""

    wall: float
    cpu: list[float]


def measure(words: Sequence[str], count: int, home: Path, free: bool) -> tuple[Cost, str]:
    """What a team took, and what its lead printed."""
    cores = sorted(os.sched_getaffinity(0))
    began = time.perf_counter()
    team = start(words, count, home, {"ARTGAN_CACHE": str(home / "cache")})
    if not free:
        for rank, process in enumerate(team):  # at once, as threads run where the one that began them did
            os.sched_setaffinity(process.pid, {cores[rank % len(cores)]})
    with ThreadPoolExecutor(count) as threads:
        cpu, told = zip(*threads.map(_await, team), strict=True)
    return Cost(time.perf_counter() - began, list(cpu)), told[0]


def _await(process: subprocess.Popen[str]) -> tuple[float, str]:
    assert process.stdout is not None
    assert process.stderr is not None
    told, complaint = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(complaint)
    return usage.ru_utime + usage.ru_stime, told


def score(given: argparse.Namespace, home: Path, count: int) -> tuple[Cost, bytes]:
    """A score with nothing remembered; what is found is the figures, to 12 digits, and features of the reals."""
    words = ["score", str(given.run), "--real", str(given.real), "--num", str(given.num), "--json"]
    cost, told = measure(words, count, home, given.free)
    (features,) = (home / "cache" / "features").iterdir()
    # The last digits of figures hang on where in memory their numbers lie, also in one process.
    figures = json.loads(told, parse_float=lambda text: f"{float(text):.11e}")
    return cost, json.dumps(figures).encode() + features.read_bytes()


def curate(given: argparse.Namespace, home: Path, count: int) -> tuple[Cost, bytes]:
    """A curation into a folder; what is found is the manifest."""
    cost, _ = measure(["curate", str(given.src), "set", "--processes", "1"], count, home, given.free)
    return cost, (home / "set" / "manifest.jsonl").read_bytes()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(required=True)
    of_score, of_curate = tasks.add_parser("score"), tasks.add_parser("curate")
    of_score.set_defaults(job=score)
    of_score.add_argument("real", type=Path, nargs="?")
    of_score.add_argument("run", type=Path, nargs="?")
    of_score.add_argument("--num", type=int, default=2000)
    of_curate.set_defaults(job=curate)
    of_curate.add_argument("src", type=Path)
    for task in (of_score, of_curate):
        task.add_argument("--rounds", type=int, default=3)
        task.add_argument("--free", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if given.job is score:
            given.real = (given.real or paint_collection(Path(temporary) / "real", 2000, 64)).absolute()
            given.run = (given.run or untrained_run(Path(temporary) / "runs", resolution=64)).absolute()
        else:
            given.src = given.src.absolute()
        costs: dict[int, list[Cost]] = {1: [], 2: []}
        found: set[bytes] = set()
        for turn in range(2 * given.rounds):
            count = 1 + turn % 2
            home = Path(temporary) / "home"
            home.mkdir()
            cost, outcome = given.job(given, home, count)
            costs[count].append(cost)
            found.add(outcome)
            shutil.rmtree(home)
            told = ", ".join(f"{seconds:.1f}" for seconds in cost.cpu)
            print(f"{count} process{'es' * (count > 1)}: {cost.wall:6.1f} s by the clock; by the processor {told} s")
    wall = {count: statistics.median(one.wall for one in costs[count]) for count in costs}
    busiest = {count: statistics.median(max(one.cpu) for one in costs[count]) for count in costs}
    print(f"by the clock      {wall[1]:6.1f} s and {wall[2]:6.1f} s: {wall[1] / wall[2]:.2f} times as fast")
    print(f"by the processor  {busiest[1]:6.1f} s and {busiest[2]:6.1f} s: {busiest[1] / busiest[2]:.2f} times as fast")
    print("found the same" if len(found) == 1 else "DIFFERENT RESULTS")


if __name__ == "__main__":
    main()
