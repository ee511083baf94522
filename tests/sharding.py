"""Shards of small pictures, made as WebDataset has them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

Sample = Mapping[str, bytes]
"""Files of one sample by what follows its key, such as {"png": ..., "cls": b"3"}."""


def flat(value: int, side: int = 8) -> bytes:
    """A PNG of one colour, by which it is known again: value % 256 in red, value // 256 in green."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (value % 256, value // 256, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def value_of(picture: Sequence[Sequence[Sequence[int]]]) -> int:
    """The number of a `flat` picture, (C, H, W)."""
    return int(picture[0][0][0]) + 256 * int(picture[1][0][0])


def write_shard(path: Path, samples: Iterable[Sample], start: int = 0) -> Path:
    """A tar of samples whose keys are numbers from `start` up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, sample in enumerate(samples, start):
            for kind, content in sample.items():
                info = tarfile.TarInfo(f"{number:06d}.{kind}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def write_shards(folder: Path, sizes: Sequence[int], classes: int = 0, side: int = 8) -> list[Path]:
    """Shards of so many flat pictures each, numbered all through; picture n is of class n % classes."""
    paths, start = [], 0
    for number, size in enumerate(sizes):
        samples = [
            {"png": flat(value, side), **({"cls": str(value % classes).encode()} if classes else {})}
            for value in range(start, start + size)
        ]
        paths.append(write_shard(folder / f"{number:06d}.tar", samples, start))
        start += size
    return paths


def write_index(folder: Path, classes: Sequence[str] = ()) -> Path:
    """The index of the shards that `write_shards` made in a folder; picture n is of class n % len(classes)."""
    shards, start = {}, 0
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            count = sum(name.endswith(".png") for name in tar.getnames())
        content = path.read_bytes()
        shards[path.name] = {
            "bytes": len(content),
            "digest": hashlib.blake2b(content, digest_size=16).hexdigest(),
            "pictures": count,
            "labels": [value % len(classes) for value in range(start, start + count)] if classes else None,
            "captions": None,
        }
        start += count
    index = folder / "shards.json"
    index.write_text(json.dumps({"version": 1, "classes": list(classes), "shards": shards}))
    return index
