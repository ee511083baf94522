"""The README's cost model of a team beside what one and two processes of one thread each really need for a step.

    python -m tests.bench.cluster [--preset dcgan64] [--minutes 1] [--pictures 512]

Trains four times on the painters' pictures under torchrun: one and two processes, with looks (previews, health) out of
the way and at the preset's own intervals. Speeds are those of `stats.jsonl`. The model has the speed of one process,
latency and bandwidth from `artgan doctor --distributed`, and from the training of two how often it adds up what.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artgan.data.painters import paint_collection

NO_LOOKS = {"snapshot.health_kimg": 1e6, "snapshot.preview_kimg": 1e6, "snapshot.checkpoint_minutes": 1e4}
LINES = {"snapshot.stats_kimg": 0.25, "snapshot.checkpoint_kimg": 1e6}


@dataclass(frozen=True)
class Training:
    """What a training took: seconds of a median and of a mean step, and sums and bytes added up in each step."""

    median: float
    mean: float
    batch: int
    sums: float
    bytes: float


def torchrun(count: int, *args: str) -> str:
    """What `python -m args` says as a team of `count` processes with one thread each."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, *args], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def work(data: Path, told: Path, preset: str, minutes: float, looks: bool) -> None:
    """What each process of a team does: train, count what is added up, and tell of it in a file."""
    import torch.distributed as dist

    import artgan
    from artgan.engine import processes
    from artgan.training.events import Stats

    counted, notes = [0, 0], list[tuple[int, int, int]]()
    all_reduce = dist.all_reduce

    def counting(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        counted[0] += 1
        counted[1] += tensor.numel() * tensor.element_size()
        return all_reduce(tensor, *args, **kwargs)

    def listen(event: object) -> None:
        if isinstance(event, Stats):
            notes.append((event.nimg, counted[0], counted[1]))

    setattr(dist, "all_reduce", counting)  # noqa: B010 - its own name
    overrides: dict[str, object] = {**LINES, **({} if looks else NO_LOOKS), "engine.precision": "float32"}
    result = artgan.train(
        data, preset=preset, overrides=overrides, minutes=minutes, runs_dir=told.parent / told.stem, on_event=listen
    )
    if processes.leads():
        told.write_text(json.dumps({"run": str(result.run), "notes": notes}))


def train(count: int, data: Path, folder: Path, args: argparse.Namespace, looks: bool) -> Training:
    """Train as a team of `count`."""
    from artgan.config import validated
    from artgan.presets import read_preset

    told = folder / f"{count}-{'looking' if looks else 'quiet'}.json"
    words = ["--work", str(data), str(told), "--preset", args.preset, "--minutes", str(args.minutes)]
    torchrun(count, "tests.bench.cluster", *words, *(["--looks"] if looks else []))
    found = json.loads(told.read_text())
    run = Path(found["run"])
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()][1:]  # the first one warms up
    if len(lines) < 2:
        raise SystemExit("Too few steps were taken to say anything: give more --minutes.")
    batch = validated(read_preset(run / "config.toml").values).train.batch
    speed = statistics.median(line["time"]["images_per_second"] for line in lines)
    steps = (lines[-1]["nimg"] - lines[0]["nimg"]) / batch
    (first, *sums), (last, *all_sums) = found["notes"][0], found["notes"][-1]
    each = [(after - before) / ((last - first) / batch) for before, after in zip(sums, all_sums, strict=True)]
    return Training(batch / speed, (lines[-1]["time"]["unix"] - lines[0]["time"]["unix"]) / steps, batch, *each)


def network() -> tuple[float, float]:
    """Seconds of a sum of one number, and bus bandwidth in bytes per second, between two processes of this machine."""
    checks = json.loads(torchrun(2, "artgan", "doctor", "--distributed", "--json"))
    found = {check["name"]: check["found"] for check in checks}
    bandwidth = re.search(r"([\d.]+) GB/s at 64 MiB", found["bandwidth"])
    assert bandwidth is not None
    return float(found["latency"].split()[0]) / 1000, float(bandwidth[1]) * 1e9


def main() -> None:
    """Compare, or do the part of one process in that."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="dcgan64")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--work", type=Path, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--looks", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        data, told = args.work
        work(data, told, args.preset, args.minutes, args.looks)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Measure, compute and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["ARTGAN_CACHE"] = str(folder / "cache")
        data = paint_collection(folder / "paintings", args.pictures, 64)
        latency, bandwidth = network()
        one, two = (train(count, data, folder, args, looks=False) for count in (1, 2))
        looking, both_looking = (train(count, data, folder, args, looks=True) for count in (1, 2))
    gradients, sums = 2 * (2 - 1) / 2 * two.bytes / bandwidth, two.sums * latency
    waiting = max(0.0, looking.mean - one.median)
    share = one.median / 2  # B / (N v), as v is B / median
    print(f"{args.preset}, {one.batch} pictures a step; latency {latency * 1000:.2f} ms, {bandwidth / 1e9:.2f} GB/s")
    print(f"two processes add up {two.sums:.0f} times a step, {two.bytes / 1e6:.1f} MB in all")
    print(
        f"model of two: {share * 1000:.0f} ms for half of the pictures, {gradients * 1000:.1f} ms for the bytes, ",
        end="",
    )
    print(f"{sums * 1000:.1f} ms of latency, {waiting * 1000:.1f} ms of waiting for the lead's looks")
    print("| processes | looks | model, ms a step | measured, ms a step | pictures/s |")
    print("|---|---|---|---|---|")
    print(f"| 1 | no | - | {one.median * 1000:.0f} | {one.batch / one.median:.0f} |")
    for looks, model, measured in (
        ("no", share + gradients + sums, two.median),
        ("yes", share + gradients + sums + waiting, both_looking.mean),
    ):
        told = f"{model * 1000:.0f} | {measured * 1000:.0f} ({measured / model - 1:+.0%})"
        print(f"| 2 | {looks} | {told} | {two.batch / measured:.0f} |")


if __name__ == "__main__":
    main()
