"""How long a score takes and how much memory: `python -m tests.bench.score [--pictures 10000] [--side 64]`.

Paints two sets of pictures, then runs `artgan score` on them in processes of their own: with nothing in the cache, with
the real set's features there, and with both. Prints seconds, pictures a second, and the largest resident memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from artgan.data.painters import paint_collection


def timed(words: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and MiB of a command."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "artgan", *words], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.monotonic() - started, usage.ru_maxrss * unit / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--features", default="artgan")
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    count = given.pictures
    with tempfile.TemporaryDirectory() as folder:
        real, fake, more = Path(folder, "real"), Path(folder, "fake"), Path(folder, "more")
        for number, place in enumerate((real, fake, more)):
            paint_collection(place, count, given.side, seed=number)
        environment = {**os.environ, "ARTGAN_CACHE": str(Path(folder, "cache"))}
        options = ["--features", given.features, "--precision", given.precision]
        print(f"{count:,} against {count:,} pictures of {given.side} px, {given.features}, {given.precision}")
        for name, samples in (("nothing cached", fake), ("real side cached", more), ("both cached", fake)):
            words = ["score", "--real", str(real), "--fake", str(samples), *options]
            seconds, memory = timed(words, environment)
            print(f"{name:18}{seconds:8.1f} s  {memory:6.0f} MiB")


if __name__ == "__main__":
    main()
