"""How long a user waits: help, import, and the way to the first training step on pictures seen before.

    python tests/bench/startup.py FOLDER [--rounds 5]

FOLDER is any folder of pictures. Prints medians, in seconds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST_STEP = """
import sys, time
started = time.perf_counter()
import artgan
from artgan.training.events import Step
def listen(event):
    if isinstance(event, Step):
        print(time.perf_counter() - started)
        raise SystemExit
artgan.train(sys.argv[1], runs_dir=sys.argv[2], new=True, on_event=listen)
"""


def wall(command: list[str]) -> float:
    """Seconds that a command takes, from outside."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    python = sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["ARTGAN_CACHE"] = f"{temporary}/cache"
        first_step = [python, "-c", FIRST_STEP, str(args.folder), f"{temporary}/runs"]
        print(f"first step, nothing decoded yet      {wall(first_step):6.2f} s")
        for name, command in {
            "first step, decoded before": first_step,
            "artgan --help": [python, "-m", "artgan", "--help"],
            "import artgan": [python, "-c", "import artgan"],
            "python itself": [python, "-c", "pass"],
        }.items():
            times = [wall(command) for _ in range(args.rounds)]
            print(f"{name:36} {statistics.median(times):6.2f} s (median of {args.rounds})")


if __name__ == "__main__":
    main()
