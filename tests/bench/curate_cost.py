"""What a curation costs: seconds and memory, beside other programs and on odd files."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from artgan.curation.copies import near_pairs
from artgan.curation.hashes import distances, hashes
from artgan.curation.looks import SIDE, Look
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import see
from artgan.data.sources import scan
from artgan.engine.images import decode, quiet_decoding, stderr_shut

CURATE = """
import json, sys, time
import artgan
started = time.perf_counter()
report = artgan.curate(*json.loads(sys.argv[1]), **json.loads(sys.argv[2]))
print(time.perf_counter() - started)
"""
IMAGEDEDUP = """
import sys, time
from imagededup.methods import PHash
started = time.perf_counter()
PHash(verbose=False).find_duplicates(image_dir=sys.argv[1])
print(time.perf_counter() - started)
"""
PLAIN = """
import multiprocessing, sys, time
from functools import partial
from pathlib import Path
from PIL import Image

def shrink(out, path):
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        cut = picture.crop((left, top, left + side, top + side)).resize((256, 256), Image.Resampling.LANCZOS)
        cut.save(Path(out, path.stem + ".png"))

if __name__ == "__main__":
    Path(sys.argv[2]).mkdir()
    started = time.perf_counter()
    files = sorted(Path(sys.argv[1]).iterdir())
    if sys.argv[3] == "1":
        for file in files:
            shrink(sys.argv[2], file)
    else:
        with multiprocessing.Pool() as pool:
            pool.map(partial(shrink, sys.argv[2]), files, 8)
    print(time.perf_counter() - started)
"""


@dataclass(frozen=True)
class Watched:
    """How a command ended: its exit code, seconds, the most memory that it and its children had (MiB), and its words.

    Attributes:
        own: MiB of the first process alone.
        sum: MiB of all; pages that several share are shared out among them on Linux, and counted for each elsewhere.
    """

    code: int
    seconds: float
    own: float
    sum: float
    out: str
    err: str


def watched(command: Sequence[str]) -> Watched:
    """Run a command, looking at its memory 50 times a second."""
    started, own, most = time.perf_counter(), 0, 0
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with subprocess.Popen(command, stdout=out, stderr=err) as child:
            process = psutil.Process(child.pid)
            while child.poll() is None:
                sizes = []
                for one in [process, *_children(process)]:
                    try:
                        info = one.memory_full_info()
                        sizes.append(int(getattr(info, "pss", info.rss)))
                    except psutil.NoSuchProcess:
                        sizes.append(0)  # it ended meanwhile
                own, most = max(own, sizes[0]), max(most, sum(sizes))
                time.sleep(0.02)
        seconds = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        return Watched(child.returncode, seconds, own / 2**20, most / 2**20, out.read(), err.read())


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def curation(*where: Path, **options: object) -> list[str]:
    """The command that curates, and prints the seconds that it took without starting Python."""
    return [sys.executable, "-c", CURATE, json.dumps([str(path) for path in where]), json.dumps(options)]


def measure_torture(shared: Path, work: Path) -> None:
    """Curate the files that decoders stumble over."""
    folder, out = shared / "data/torture", work / "torture"
    files = sum(len(names) for _, _, names in os.walk(folder))
    ended = watched([sys.executable, "-m", "artgan", "curate", str(folder), str(out)])
    lines = (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines() if out.exists() else []
    states = [json.loads(line)["status"] for line in lines]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"  {files} files, {len(lines)} lines in the manifest: {counts}")
    print(f"  exit code {ended.code}, traceback: {'Traceback' in ended.err}, {ended.seconds:.1f} s")
    print(f"  peak {ended.own:.0f} MiB, with its children {ended.sum:.0f} MiB")
    source, settings, times = scan(folder), CurateSettings(), []
    reader = source.reader()
    with quiet_decoding(), stderr_shut():
        for file in source.files:
            started = time.perf_counter()
            seen = see(file, reader, settings)
            times.append((time.perf_counter() - started, file.name, seen.reason or f"read, {seen.size}"))
    print(
        "  slowest: " + "; ".join(f"{name} {seconds:.2f} s ({said})" for seconds, name, said in sorted(times)[:-4:-1])
    )


def make_quarters(paintings: Path, out: Path, count: int) -> Path:
    """JPEGs of 640 px, no two alike: quarters, then ninths, of paintings."""
    out.mkdir()
    files, made = sorted(paintings.glob("*.jpg")), 0
    for parts in (2, 3):
        for column, row in ((column, row) for column in range(parts) for row in range(parts)):
            for file in files[: max(0, count - made)]:
                picture = decode(file)
                width, height = picture.width / parts, picture.height / parts
                box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
                scale = 640 / max(width, height)
                size = (round(width * scale), round(height * scale))
                picture.resize(size, Image.Resampling.BICUBIC, box).save(out / f"{made:05d}.jpg", quality=90)
                made += 1
    return out


def measure_speed(shared: Path, work: Path, count: int, rounds: int, imagededup: str | None) -> None:
    """Pictures a second beside imagededup's perceptual hash, and beside a plain loop that writes."""
    folder = make_quarters(shared / "data/paintings", work / "quarters", count)
    contenders: dict[str, Callable[[Path], list[str]]] = {
        "report, everything": lambda out: curation(folder),
        "report, no outliers": lambda out: curation(folder, outliers="off"),
        "report, copies only": lambda out: curation(folder, outliers="off", variants="off", defects="off", scans=False),
        "set of 256 px": lambda out: curation(folder, out, size=256, crop="centre"),
        "plain Pillow loop": lambda out: [sys.executable, "-c", PLAIN, str(folder), str(out), "1"],
        "plain Pillow, a pool": lambda out: [sys.executable, str(_script(work)), str(folder), str(out), "0"],
    }
    if imagededup:
        contenders["imagededup PHash"] = lambda out: [imagededup, "-c", IMAGEDEDUP, str(folder)]
    times: dict[str, list[float]] = {name: [] for name in contenders}
    print(f"  load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; {count} JPEGs of 640 px")
    for number in range(rounds):
        for name, command in contenders.items():
            out = work / f"{number} {name}"
            done = subprocess.run(command(out), check=True, capture_output=True, text=True)
            times[name].append(float(done.stdout.split()[-1]))
    rates = {name: count / statistics.median(found) for name, found in times.items()}
    for name, rate in rates.items():
        print(f"  {name:20} {rate:7.1f} pictures/s (median of {rounds}: {_seconds(times[name])})")
    for one, other in (
        *((name, "imagededup PHash") for name in list(rates)[:3] if imagededup),
        *(("set of 256 px", name) for name in ("plain Pillow loop", "plain Pillow, a pool")),
    ):
        print(f"  {one} / {other}: {rates[one] / rates[other]:.2f}")


def _script(work: Path) -> Path:
    """The plain loop as a file: processes that are spawned must find it again."""
    path = work / "plain.py"
    path.write_text(PLAIN)
    return path


def _seconds(times: Sequence[float]) -> str:
    return ", ".join(f"{seconds:.1f} s" for seconds in times)


def planted(count: int, pairs: int, seed: int = 0) -> tuple[list[Look], list[tuple[int, int]]]:
    """Looks of random pictures, and which of them are copies: their hashes are 2 to 6 bits apart."""
    draw = np.random.default_rng(seed)
    waves = np.cos(np.pi * np.arange(8)[:, None] * (np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)

    def shown(weights: NDArray[np.float32]) -> NDArray[np.uint8]:
        cells = waves.T @ weights @ waves
        found: NDArray[np.uint8] = (128 + 40 * cells / cells.std((1, 2), keepdims=True)).clip(0, 255).astype(np.uint8)
        return found

    weights = draw.normal(0, 1, (count - pairs, 8, 8)).astype(np.float32)
    whole = shown(weights)
    copies, left = np.zeros((pairs, SIDE, SIDE), np.uint8), np.arange(pairs)
    bits = hashes(whole[:pairs])[:, 0]
    while len(left):
        noise = draw.normal(0, 0.12, (len(left), 8, 8)).astype(np.float32)
        tried = shown(weights[left] + noise)
        apart = distances(bits[left], hashes(tried)[:, 0])
        right = (apart >= 2) & (apart <= 6)
        copies[left[right]] = tried[right]
        left = left[~right]
    order = draw.permutation(count)
    looks = [Look(cells.tobytes(), False) for cells in np.concatenate([whole, copies])[order]]
    place = order.argsort()
    found = [(int(place[number]), int(place[count - pairs + number])) for number in range(pairs)]
    return looks, [(min(pair), max(pair)) for pair in found]


def measure_hashes(count: int = 100_000, pairs: int = 2_000) -> None:
    """Look for copies among the looks of many pictures."""
    looks, truth = planted(count, pairs)
    started = time.perf_counter()
    candidates = near_pairs(looks)
    seconds = time.perf_counter() - started
    found = {(pair.first, pair.second) for pair in candidates if pair.kind == "near"}
    right = len(found & set(truth))
    print(f"  {count} looks, {pairs} planted pairs: {seconds:.1f} s, {right} found, {len(candidates) - right} others")


def make_tiny(out: Path, count: int) -> Path:
    """Distinct JPEGs of 64 px, in folders of a thousand."""
    draw = np.random.default_rng(count)
    for start in range(0, count, 1000):
        folder = out / f"{start // 1000:03d}"
        folder.mkdir(parents=True)
        for number in range(start, min(start + 1000, count)):
            blocks = Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8))
            blocks.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{number:06d}.jpg", quality=80)
    return out


def measure_memory(work: Path, counts: Sequence[int]) -> None:
    """Peak memory of reports on more and more files."""
    before: tuple[int, float, float] | None = None
    for count in counts:
        folder = make_tiny(work / f"tiny{count}", count)
        ended = watched(curation(folder))
        said = "" if ended.code == 0 else f" FAILED: {ended.err[-300:]}"
        print(f"  {count:7,} files: {ended.own:6.0f} MiB, with children {ended.sum:6.0f}, {ended.seconds:6.1f} s{said}")
        if before is not None:
            more = count - before[0]
            own, every = (
                (now - then) * 1024 / more for now, then in zip((ended.own, ended.sum), before[1:], strict=True)
            )
            print(f"          {own:.1f} kB for each further file, with children {every:.1f}")
        before = count, ended.own, ended.sum
