"""Damaged files of many kinds through the readers of curation: nothing may raise, crash, hang or fill the memory.

    python -m tests.bench.fuzz_reader [--cases 10000] [--seed 0] [--keep FOLDER]

Every case follows from the seed and its number. The cases are read in a process of its own, so that a decoder that
crashes is one finding among others; what raised, crashed, or took longer than SECONDS is written into FOLDER with its
traceback. Prints cases a second, what became of each kind, the slowest cases and those that took most memory.
Seen: 30,000 cases, 291 a second, none of them wrong, the slowest 0.4 s, 276 MiB.
"""

import argparse
import io
import multiprocessing
import resource
import sys
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image, features

from artgan.curation.settings import CurateSettings
from artgan.curation.survey import Seen, see
from artgan.data.sources import PictureFile
from artgan.engine.images import decode_frames, quiet_decoding, stderr_shut
from artgan.errors import DatasetError

SECONDS = 10.0
MIB = 2048
"""Most memory that a case may bring the process to: Pillow's guard lets 179 megapixels pass, at 4 bytes each."""
SETTINGS = CurateSettings(crop="salient", size=(32, 32), multi_crop=3, frames=4)
_FRAMES = 4
_LENGTHS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_PNG = b"\x89PNG\r\n\x1a\n"
Mutation = Callable[[bytearray, np.random.Generator], None]


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def whole_files() -> Mapping[str, bytes]:
    """Small whole files of every kind that is offered, by a name of the kind."""
    draw = np.random.default_rng(7)
    blocks = Image.fromarray(draw.integers(0, 256, (6, 8, 3), np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
    turned = [blocks.rotate(30 * number) for number in range(4)]
    clear = blocks.convert("RGBA")
    clear.putalpha(blocks.convert("L"))
    deep = Image.fromarray(np.asarray(blocks.convert("L")).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    film = {"save_all": True, "append_images": turned[1:], "duration": 40}
    found = {
        "jpeg": saved(blocks, "JPEG", quality=80, exif=exif.tobytes()),
        "jpeg progressive": saved(blocks, "JPEG", progressive=True, subsampling=2),
        "jpeg cmyk": saved(blocks.convert("CMYK"), "JPEG"),
        "png": saved(blocks, "PNG", exif=exif.tobytes()),
        "png palette": saved(blocks.quantize(16), "PNG", transparency=3),
        "png 16 bits": saved(deep, "PNG"),
        "png clear": saved(clear, "PNG"),
        "apng": saved(turned[0], "PNG", **film),
        "gif": saved(turned[0].quantize(32), "GIF", transparency=1),
        "gif film": saved(turned[0], "GIF", disposal=2, **film),
        "webp": saved(blocks, "WEBP", quality=60, exif=exif.tobytes()),
        "webp lossless": saved(clear, "WEBP", lossless=True),
        "webp film": saved(turned[0], "WEBP", **film),
        "tiff": saved(blocks, "TIFF"),
        "tiff lzw": saved(blocks, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": saved(blocks, "TIFF", compression="jpeg"),
        "tiff 16 bits": saved(deep, "TIFF", compression="tiff_adobe_deflate"),
        "tiff pages": saved(turned[0], "TIFF", save_all=True, append_images=turned[1:]),
        "bmp": saved(blocks.quantize(16), "BMP"),
        "tga": saved(clear, "TGA", compression="tga_rle"),
        "ico": saved(clear, "ICO", sizes=[(16, 16), (32, 32)]),
        "jpeg 2000": saved(blocks, "JPEG2000"),
    }
    if features.check("avif"):
        found |= {"avif": saved(blocks, "AVIF", quality=50), "avif film": saved(turned[0], "AVIF", **film)}
    try:
        import pillow_heif
    except ImportError:
        return found
    pillow_heif.register_heif_opener(thumbnails=False)
    return {**found, "heic": saved(blocks, "HEIF", quality=50)}


def _flip(data: bytearray, draw: np.random.Generator) -> None:
    """A few bits."""
    for place in draw.integers(0, len(data), draw.integers(1, 9)):
        data[place] ^= 1 << int(draw.integers(8))


def _edit_head(data: bytearray, draw: np.random.Generator) -> None:
    """A few bytes where sizes, modes and offsets stand."""
    for place in draw.integers(0, min(len(data), 96), draw.integers(1, 6)):
        data[place] = int(draw.choice((0, 1, 0x7F, 0x80, 0xFF, int(draw.integers(256)))))


def _set_length(data: bytearray, draw: np.random.Generator) -> None:
    """A number of 2 or 4 bytes as numbers are that nobody expects."""
    width = int(draw.choice((2, 4)))
    number = int(draw.choice(_LENGTHS)) & ((1 << 8 * width) - 1)
    place = int(draw.integers(0, max(1, len(data) - width)))
    data[place : place + width] = number.to_bytes(width, "big" if draw.integers(2) else "little")


def _cut(data: bytearray, draw: np.random.Generator) -> None:
    """The end is missing."""
    del data[int(draw.integers(1, len(data) + 1)) :]


def _piece(data: bytes | bytearray, draw: np.random.Generator) -> bytes:
    start = int(draw.integers(0, len(data)))
    return bytes(data[start : start + int(draw.integers(1, 129))])


def _leave_out(data: bytearray, draw: np.random.Generator) -> None:
    """A piece is missing."""
    start = int(draw.integers(0, len(data)))
    del data[start : start + int(draw.integers(1, 129))]


def _repeat(data: bytearray, draw: np.random.Generator) -> None:
    """A piece is there again, somewhere else."""
    place = int(draw.integers(0, len(data) + 1))
    data[place:place] = _piece(data, draw) * int(draw.integers(1, 4))


def _splice(data: bytearray, draw: np.random.Generator) -> None:
    """A piece of another file, put in or written over."""
    files = list(whole_files().values())
    piece = _piece(files[int(draw.integers(len(files)))], draw)
    place = int(draw.integers(0, len(data) + 1))
    data[place : place + (len(piece) if draw.integers(2) else 0)] = piece


def _join(data: bytearray, draw: np.random.Generator) -> None:
    """The head of one file and the tail of another."""
    files = list(whole_files().values())
    other = files[int(draw.integers(len(files)))]
    place = int(draw.integers(1, len(data) + 1))
    data[place:] = other[min(place, len(other) - 1) :]


MUTATIONS: tuple[Mutation, ...] = (_flip, _edit_head, _set_length, _cut, _leave_out, _repeat, _splice, _join)


def _resigned(data: bytes) -> bytes:
    """A PNG with checksums that are right, so that more than the checksums is looked at."""
    found, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : place + 8 + length]
        found += data[place : place + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        place += 12 + length
    return bytes(found + data[place:])


def case(seed: int, number: int) -> tuple[str, bytes]:
    """The kind and the bytes of a case: a whole file with one to three kinds of damage."""
    draw = np.random.default_rng((seed, number))
    kinds = list(whole_files())
    kind = kinds[number % len(kinds)]
    data = bytearray(whole_files()[kind])
    for which in draw.integers(0, len(MUTATIONS), draw.choice((1, 1, 1, 2, 3))):
        if data:
            MUTATIONS[which](data, draw)
    right = data.startswith(_PNG) and draw.integers(2)
    return kind, _resigned(bytes(data)) if right else bytes(data)


def read(data: bytes) -> tuple[Seen, list[Image.Image]]:
    """What the survey sees in a file, and its frames; both raise nothing but what a file's reason is made of."""
    seen = see(PictureFile("case", None, "", len(data)), lambda _: data, SETTINGS)
    try:
        return seen, decode_frames(data, _FRAMES)
    except DatasetError:
        return seen, []


@dataclass(frozen=True)
class Outcome:
    """What became of a case: its reason or "" (it was read), its seconds, the peak so far in MiB, and a traceback."""

    number: int
    reason: str
    seconds: float
    peak: float
    raised: str = ""


def peak_mib() -> float:
    """Peak resident memory of this process, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _work(seed: int, numbers: range, to: Connection) -> None:
    """Read cases one after the other, and tell of each."""
    with stderr_shut(), quiet_decoding():
        for number in numbers:
            _, data = case(seed, number)
            started, raised, reason = time.perf_counter(), "", ""
            try:
                reason = read(data)[0].reason
            except Exception:
                raised = traceback.format_exc()
            to.send(Outcome(number, reason, time.perf_counter() - started, peak_mib(), raised))


def outcomes(seed: int, count: int, wait: float = 60.0) -> Iterator[Outcome]:
    """What became of every case; one that ends the process, or takes longer than `wait` seconds, is told of too."""
    context, first = multiprocessing.get_context("spawn"), 0
    while first < count:
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(seed, range(first, count), there))
        child.start()
        there.close()
        started = time.perf_counter()
        try:
            while first < count and here.poll(wait):
                yield here.recv()
                first, started = first + 1, time.perf_counter()
        except EOFError:
            child.join()
        if first < count:
            ending = "no answer" if child.is_alive() else f"the process ended with {child.exitcode}"
            yield Outcome(first, "", time.perf_counter() - started, 0, ending)
            first += 1
        child.kill()
        child.join()


@dataclass
class Tally:
    """What became of the cases of one kind."""

    cases: int = 0
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Damage, read and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    kinds = list(whole_files())
    tallies = {kind: Tally() for kind in kinds}
    found, wrong, peak, started = [], [], 0.0, time.perf_counter()
    larger: list[tuple[float, Outcome]] = []
    for outcome in outcomes(args.seed, args.cases):
        tally = tallies[kinds[outcome.number % len(kinds)]]
        tally.cases += 1
        tally.read += not outcome.reason and not outcome.raised
        tally.reasons.update([outcome.reason[:50]] if outcome.reason else [])
        found.append(outcome)
        if outcome.peak > peak:
            larger.append((outcome.peak - peak, outcome))
            peak = outcome.peak
        if outcome.raised or outcome.seconds > SECONDS or outcome.peak > MIB:
            wrong.append(outcome)
    wall = time.perf_counter() - started
    print(
        f"{len(found)} cases of {len(kinds)} kinds, each read twice, in {wall:.0f} s: {len(found) / wall:.0f} a second"
    )
    for kind, tally in tallies.items():
        most = ", ".join(f"{reason!r} {count}" for reason, count in tally.reasons.most_common(2))
        print(f"  {kind:17} {tally.cases:5} cases {tally.read:5} read {tally.cases - tally.read:5} refused: {most}")
    for outcome in sorted(found, key=lambda outcome: -outcome.seconds)[:5]:
        print(f"  slow: {outcome.seconds:6.2f} s, case {outcome.number}, {outcome.reason or 'read'}")
    for more, outcome in sorted(larger, key=lambda one: -one[0])[:5]:
        print(f"  large: {more:+6.0f} to {outcome.peak:.0f} MiB, case {outcome.number}, {outcome.reason or 'read'}")
    print(f"{len(wrong)} raised, crashed, took longer than {SECONDS:.0f} s or came to more than {MIB} MiB")
    for outcome in wrong:
        kind, data = case(args.seed, outcome.number)
        print(f"  WRONG: case {outcome.number} ({kind}): {outcome.raised.strip().splitlines()[-1:]}")
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            (args.keep / f"{args.seed}-{outcome.number}").write_bytes(data)
            (args.keep / f"{args.seed}-{outcome.number}.txt").write_text(f"{kind}\n{outcome}\n{outcome.raised}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
