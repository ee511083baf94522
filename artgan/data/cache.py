"""Decoded pictures on disk: each file is read once, in parallel, and training maps the result into memory.

    CACHE/pictures/KEY/
        pictures.u8    (count, height, width, channels) bytes, one training picture after another
        index.json     shape, classes (or captions), label of every picture, and which files were skipped and why

KEY is a digest of the content of the source and of the settings that shape the pictures.
"""

import hashlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artgan.config import DataSettings
from artgan.data.captions import captioned, without_captions
from artgan.data.decoding import VERSION, Decoder
from artgan.data.shard_cache import SHARDS_FOLDER, Damaged
from artgan.data.sources import BESIDE, PictureFile, Source, scan
from artgan.engine.images import MODES, quiet_decoding
from artgan.engine.storage import atomic_folder, cache_folder, read_json
from artgan.errors import DatasetError, Interrupted, StorageError

_INDEX = {"source", "count", "files", "shape", "classes", "labels", "skipped", "enlarged"}
MIN_PICTURES = 4
"""Fewer training pictures than this are refused: there is nothing to learn a distribution from."""


@dataclass(frozen=True)
class DecodeProgress:
    """`done` of `total` files are decoded."""

    done: int
    total: int


@dataclass(frozen=True)
class DatasetReady:
    """The pictures of a source can be trained on.

    Attributes:
        source: the folder or zip.
        pictures: training pictures, crops counted one by one.
        files: files they come from.
        classes: pictures per class; empty when there are no labels.
        skipped: (name, reason) of every file that was not used; those that were never meant to be pictures come last.
        enlarged: files that were smaller than a training picture.
        from_cache: whether nothing had to be decoded.
        Of shards, what cannot be read, is small or had to be decoded is known of the first group of the order only.
        captions: pictures per caption, the commonest first; empty when they are not asked for.
    """

    source: Path
    pictures: int
    files: int
    classes: dict[str, int]
    skipped: tuple[tuple[str, str], ...]
    enlarged: int
    from_cache: bool
    captions: dict[str, int] = field(default_factory=dict)


DataEvent = DecodeProgress | DatasetReady | Damaged


@dataclass(frozen=True)
class CacheEntry:
    """One set of decoded pictures: its folder, where it came from, how many pictures and bytes."""

    folder: Path
    source: str
    pictures: int
    shape: str
    bytes: int


def list_cache() -> list[CacheEntry]:
    """All sets of decoded pictures."""
    entries = []
    for folder in sorted(cache_folder().glob("pictures/[!.]*/")):
        index = read_index(folder) or {"source": "(damaged)", "count": 0, "shape": []}
        size = sum(file.stat().st_size for file in folder.iterdir())
        entries.append(CacheEntry(folder, index["source"], index["count"], "x".join(map(str, index["shape"])), size))
    return [*entries, *_list_shards()]


def _list_shards() -> list[CacheEntry]:
    """Decoded shards, those of one folder and shape as one set."""
    sets: dict[tuple[str, str], tuple[int, int]] = {}
    folder = cache_folder() / SHARDS_FOLDER
    for file in sorted(folder.glob("[!.]*.u8")):
        try:
            told = read_json(file.with_suffix(".json"))
            known, count = (str(told["source"]), "x".join(map(str, told["shape"]))), int(told["count"])
        except (OSError, ValueError, KeyError, TypeError):
            known, count = ("(damaged)", ""), 0
        before = sets.get(known, (0, 0))
        sets[known] = (before[0] + count, before[1] + file.stat().st_size)
    return [CacheEntry(folder, source, count, shape, size) for (source, shape), (count, size) in sets.items()]


def clear_cache() -> int:
    """Remove all decoded pictures and shards, and remembered digests; returns the bytes freed."""
    freed = 0
    for folder in (cache_folder() / "pictures", cache_folder() / SHARDS_FOLDER, cache_folder() / "digests"):
        freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    return freed


@dataclass(frozen=True)
class Decoded:
    """A set of decoded pictures on disk, whole."""

    folder: Path
    index: dict[str, Any]
    fingerprint: str
    ready: DatasetReady


def decode_source(
    path: Path,
    settings: DataSettings,
    on_event: Callable[[DataEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Decoded:
    """Decode a folder or zip into the cache, or find it there.

    Safe when two processes do the same at once: the first to finish wins, the other uses its result.

    Raises:
        DatasetError: fewer than MIN_PICTURES training pictures are usable, or `data.captions` finds none.
        Interrupted: `should_stop` said so.
        StorageError: the cache cannot be written.
    """
    source = scan_again(path, settings.labels)
    source = captioned(source) if settings.captions else source
    width, height = settings.size
    recipe = [VERSION, source.fingerprint, width, height, settings.channels, settings.crop, settings.crops]
    key = hashlib.blake2b(json.dumps(recipe).encode(), digest_size=16).hexdigest()
    folder = cache_folder() / "pictures" / key
    index = read_index(folder)
    from_cache = index is not None
    if index is None:
        shutil.rmtree(folder, ignore_errors=True)  # half of a set, if anything: a cleaner of temporary files was here
        with atomic_folder(folder) as temporary:
            _decode_all(source, settings, temporary, on_event, should_stop)
        index = read_index(folder)
        if index is None:
            raise StorageError(
                f"{folder} is damaged as soon as it is written.", "Look at the disk, or set ARTGAN_CACHE."
            )
    if settings.captions and not any(index["classes"]):
        raise without_captions(source, index["skipped"])
    names = [index["classes"][label] for label in index["labels"]] if index["classes"] else []
    counts = dict(sorted(Counter(names).items()))
    ready = DatasetReady(
        source=path,
        pictures=index["count"],
        files=index["files"],
        classes={} if settings.captions else counts,
        skipped=(
            *source.passed_over,
            *((name, reason) for name, reason in index["skipped"]),
            *((name, BESIDE) for name in source.beside),
        ),
        enlarged=index["enlarged"],
        from_cache=from_cache,
        captions=dict(sorted(counts.items(), key=lambda pair: -pair[1])) if settings.captions else {},
    )
    on_event(ready)
    # Which files could be read belongs to it: with one more or less, the order of all others is another.
    unread = json.dumps([source.fingerprint, [name for name, _ in index["skipped"]]])
    return Decoded(folder, index, hashlib.blake2b(unread.encode(), digest_size=16).hexdigest(), ready)


def scan_again(path: Path, labels: str) -> Source:
    """Scan a folder or zip; files that have not changed since the last time are not read again.

    Raises:
        DatasetError: as `scan` does; or it is a set that `artgan curate` split, whose test pictures would be learnt.
    """
    if (path / "manifest.jsonl").is_file() and (path / "train").is_dir() and (path / "test").is_dir():
        raise DatasetError(f"{path} is split into parts.", f"Take one of them: {path / 'train'}.")
    where = os.fsencode(path.resolve() if path.exists() else path)  # a link to itself has no end to resolve
    memo = cache_folder() / "digests" / f"{hashlib.blake2b(where, digest_size=8).hexdigest()}.json"
    return scan(path, labels, memo)


def read_index(folder: Path) -> dict[str, Any] | None:
    """What a set of decoded pictures says of itself, or None when it is not whole."""
    try:
        index = dict(read_json(folder / "index.json"))
        size = (folder / "pictures.u8").stat().st_size
        whole = size == index["count"] * math.prod(index["shape"]) and index.keys() >= _INDEX
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return index if whole else None


def _decode_all(
    source: Source,
    settings: DataSettings,
    folder: Path,
    on_event: Callable[[DataEvent], None],
    should_stop: Callable[[], bool],
) -> None:
    width, height = settings.size
    read = source.reader()
    skipped: list[tuple[str, str]] = []
    labels: list[int] = []
    number_of = {label: number for number, label in enumerate(source.classes)}
    used = enlarged = done = 0
    decoder = Decoder(settings)

    def work(file: PictureFile) -> tuple[NDArray[np.uint8], bool] | str:
        return decoder.decode(file.bytes, lambda: read(file), lambda raw: file.digest)

    with (
        quiet_decoding(),
        (folder / "pictures.u8").open("wb") as pixels,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        # In bunches, so that an interruption is heard soon and finished pictures do not pile up in memory.
        for bunch in (source.files[start : start + 32] for start in range(0, len(source.files), 32)):
            for file, result in zip(bunch, pool.map(work, bunch), strict=True):
                done += 1
                if isinstance(result, str):
                    skipped.append((file.name, result))
                    continue
                pictures, small = result
                pixels.write(pictures.tobytes())
                used += 1
                enlarged += small
                labels += [number_of[file.label]] * len(pictures) if file.label is not None else []
            on_event(DecodeProgress(done, len(source.files)))
            if should_stop():
                raise Interrupted("Stopped while reading the pictures.", "Give the same command to start again.")
    count = used * settings.crops
    if count < MIN_PICTURES:
        raise too_few(source, count, skipped, settings)
    # A class of which nothing could be read would be a row of noise in every preview.
    seen = {label: number for number, label in enumerate(sorted(set(labels)))}
    index = {
        "source": str(source.path.resolve()),
        "count": count,
        "files": used,
        "shape": [height, width, len(MODES[settings.channels])],
        "classes": [source.classes[label] for label in seen],
        "labels": [seen[label] for label in labels],
        "skipped": skipped,
        "enlarged": enlarged,
    }
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def too_few(source: Source, usable: int, skipped: list[tuple[str, str]], settings: DataSettings) -> DatasetError:
    """The error for a source with fewer than MIN_PICTURES usable pictures."""
    reasons = Counter(reason for _, reason in [*source.passed_over, *skipped]).most_common(3)
    told = "; ".join(f"{reason} ({count})" for reason, count in reasons)
    message = f"{source.path} has {usable} usable pictures; at least {MIN_PICTURES} are needed."
    message += f" Commonest reasons: {told}." if told else ""
    if usable:
        return DatasetError(message, f"Add pictures, or take several crops of each with --crops {MIN_PICTURES * 5}.")
    if any(name.endswith(".tar") for name, _ in skipped):
        return DatasetError(
            message, "Shards (.tar) that have a folder to themselves are trained on; or name them: FOLDER/*.tar."
        )
    return DatasetError(message, "Point at the folder that holds the pictures: JPEG, PNG, TIFF, WebP and many more.")
