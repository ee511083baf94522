"""A finished set as one zip, or as the shards that WebDataset streams. The same set gives the same bytes."""

import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from artgan.curation.begun import MANIFEST, PAGE, watched
from artgan.curation.report import Progress
from artgan.engine.storage import atomic_folder, naming_the_path, whole_file
from artgan.errors import DatasetError, UsageError

CLASSES, INDEX = "classes.json", "shards.json"
"""Beside shards: names of the classes, in the order of their numbers; what is in every shard."""
_INDEX_VERSION = 1
_NO_CLASS = -1
_COMPRESSED = {".png", ".jpg", ".jpeg"}
_KEY = 16
"""Digits of the digest in a key: 64 bits. Among a million pictures two are alike once in 37 million sets."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
_STEP = "Packing"


@dataclass(frozen=True)
class Sample:
    """One picture of a set, and what is known of it.

    Attributes:
        output: its path inside the set.
        label: its class, or None.
        caption: what it shows, in words, or None.
        split: the part of the set that it belongs to, such as train, or None when there are no parts.
        digest: of the content, in hexadecimal.
        entry: its line of the manifest.
    """

    output: str
    label: str | None
    caption: str | None
    split: str | None
    digest: str
    entry: Mapping[str, Any]


def pack_zip(
    folder: Path,
    target: Path,
    names: Sequence[str],
    *,
    on_event: Callable[[Progress], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Pack files of a folder into one zip, which appears when it is whole.

    Entries are sorted and carry no dates, owners or modes of this machine. PNG and JPEG are stored as they are, since
    they are compressed already; other files are deflated.

    Args:
        folder: that holds the set.
        target: the zip; its folder is made where it is missing.
        names: paths inside `folder`, with /.
        on_event: called as files are done.
        should_stop: asked between files; True ends the work and leaves nothing.

    Raises:
        UsageError: `target` exists.
        DatasetError: a file cannot be read.
        StorageError: the disk is full or the place cannot be written.
        Interrupted: it was stopped.
    """
    if target.exists():
        raise UsageError(f"{target} exists.", "Choose another name.")
    watch = functools.partial(watched, on_event, should_stop, _STEP)
    with whole_file(target) as file, zipfile.ZipFile(file, "w") as archive:
        for number, name in enumerate(sorted(names), 1):
            with _reading(folder / name) as content:
                info = zipfile.ZipInfo(name, _EARLIEST)
                info.create_system, info.external_attr = 3, 0o100644 << 16  # a Unix file, on every system
                if PurePosixPath(name).suffix.lower() not in _COMPRESSED:
                    info.compress_type = zipfile.ZIP_DEFLATED
                info.file_size = os.fstat(content.fileno()).st_size  # from which zipfile tells whether zip64 is needed
                with archive.open(info, "w") as entry:
                    shutil.copyfileobj(content, entry)
            watch(number, len(names))


def pack_shards(
    folder: Path,
    target: Path,
    samples: Sequence[Sample],
    shard_bytes: int = 100_000_000,
    *,
    on_event: Callable[[Progress], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Pack the pictures of a set into WebDataset shards, in a folder that appears when all of them are whole.

    The convention (webdataset.github.io/webdataset; `base_plus_ext` of its tariterators): files of one sample lie next
    to each other in a tar and share their name up to the first dot of its last part; what follows says what they are.
    Hence no key has a dot. Here these are png or jpg, cls (the number of the class), txt (the caption) and json (the
    line of the manifest). A loader reads whole shards, one after the other, and mixes only among the few samples that
    it holds, so shards sorted by class would give batches of one class. The order is therefore that of the digests of
    content: as good as a shuffle, and the same each time. Shards are `000000.tar` and so on, or `train-000000.tar`,
    which loaders take as `train-{000000..000012}.tar`; classes.json, the manifest and the report lie beside them, and
    the index, so that nobody need read all shards to know what is in them:

        {"version": 1, "classes": [name, ...], "shards": {"000000.tar": {
            "bytes": of the file, "digest": BLAKE2b of it, 16 bytes in hexadecimal, "pictures": how many,
            "labels": [number of the class of each, in order, -1 without], "captions": [of each, "" without]}}}

    Labels and captions are null in a shard where no picture has any.

    Args:
        folder: that holds the set.
        target: a folder that does not exist or is empty.
        samples: of the set.
        shard_bytes: that no shard exceeds, unless a single sample does.
        on_event: called as samples are done.
        should_stop: asked between samples; True ends the work and leaves nothing.

    Returns:
        The shards, in order.

    Raises:
        UsageError: `target` is something else.
        DatasetError: a picture cannot be read.
        StorageError: the disk is full or the place cannot be written.
        Interrupted: it was stopped.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not an empty folder.", "Choose a folder that is new or empty.")
    classes = sorted({sample.label for sample in samples if sample.label is not None})
    watch = functools.partial(watched, on_event, should_stop, _STEP)
    index: dict[str, dict[str, Any]] = {}
    done = 0
    with naming_the_path(target), contextlib.suppress(FileNotFoundError):
        target.rmdir()  # Windows renames nothing onto a folder
    with atomic_folder(target) as temporary:
        for name, members in _planned(folder, samples, classes, shard_bytes):
            with _Digested(temporary / name) as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as shard:
                    for _, parts in members:
                        for part in parts:
                            _add(shard, part)
                        done += 1
                        watch(done, len(samples))
                index[name] = {
                    "bytes": file.tell(),
                    "digest": file.digest.hexdigest(),
                    **_told([sample for sample, _ in members], classes),
                }
        _lay_beside(temporary, folder, classes, index)
    return [target / name for name in index]


class _Digested(io.BufferedWriter):
    """A file to write from its start to its end, and the digest of what was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "w"))
        self.digest = hashlib.blake2b(digest_size=16)

    def write(self, data: Any, /) -> int:
        self.digest.update(data)
        return super().write(data)


def _told(samples: Sequence[Sample], classes: Sequence[str]) -> dict[str, Any]:
    """What the index says of the samples of a shard."""
    numbers = {label: number for number, label in enumerate(classes)}
    labels = [numbers[sample.label] if sample.label is not None else _NO_CLASS for sample in samples]
    captions = [sample.caption or "" for sample in samples]
    return {
        "pictures": len(samples),
        "labels": labels if max(labels) > _NO_CLASS else None,
        "captions": captions if any(captions) else None,
    }


def _lay_beside(shards: Path, folder: Path, classes: Sequence[str], index: Mapping[str, Any]) -> None:
    whole = {"version": _INDEX_VERSION, "classes": classes, "shards": index}
    (shards / INDEX).write_text(json.dumps(whole, ensure_ascii=False) + "\n", encoding="utf-8")
    if classes:
        (shards / CLASSES).write_text(json.dumps(classes, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in (MANIFEST, PAGE):
        if (folder / name).exists():
            shutil.copyfile(folder / name, shards / name)


@dataclass(frozen=True)
class _Part:
    """A file of a sample: its name in the shard, its size, and its content or where that lies."""

    name: str
    size: int
    content: bytes | Path


def _planned(
    folder: Path, samples: Sequence[Sample], classes: Sequence[str], shard_bytes: int
) -> Iterator[tuple[str, list[tuple[Sample, list[_Part]]]]]:
    """Name of every shard, and its samples with their files."""
    numbers = {label: number for number, label in enumerate(classes)}
    keys: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    shard: list[tuple[Sample, list[_Part]]] = []
    taken = 0
    before: str | None = None

    def named(split: str | None) -> str:
        start = f"{split}-" if split else ""
        counts[start] += 1
        return f"{start}{counts[start] - 1:06d}.tar"

    for sample in sorted(samples, key=lambda sample: (sample.split or "", sample.digest, sample.output)):
        key = sample.digest[:_KEY]
        keys[key] += 1
        parts = _parts(folder, sample, key if keys[key] == 1 else f"{key}-{keys[key]}", numbers)
        needed = sum(_BLOCK + _rounded(part.size, _BLOCK) for part in parts)
        if shard and (sample.split != before or _rounded(taken + needed + 2 * _BLOCK, _RECORD) > shard_bytes):
            yield named(before), shard
            shard, taken = [], 0
        shard.append((sample, parts))
        taken += needed
        before = sample.split
    if shard:
        yield named(before), shard


def _rounded(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _parts(folder: Path, sample: Sample, key: str, numbers: Mapping[str, int]) -> list[_Part]:
    suffix = PurePosixPath(sample.output).suffix.lower().lstrip(".")
    path = folder / sample.output
    texts = {
        "cls": str(numbers[sample.label]) if sample.label is not None else None,
        "txt": sample.caption,
        "json": json.dumps(sample.entry, ensure_ascii=False),
    }
    with _reading(path) as picture:
        parts = [_Part(f"{key}.{'jpg' if suffix == 'jpeg' else suffix}", os.fstat(picture.fileno()).st_size, path)]
    for kind, text in texts.items():
        if text is not None:
            content = text.encode()
            parts.append(_Part(f"{key}.{kind}", len(content), content))
    return parts


def _add(shard: tarfile.TarFile, part: _Part) -> None:
    info = tarfile.TarInfo(part.name)  # whose date, owner and mode are 0, root and 0644
    info.size = part.size
    with _reading(part.content) if isinstance(part.content, Path) else io.BytesIO(part.content) as content:
        shard.addfile(info, content)


def _reading(path: Path) -> IO[bytes]:
    """A file of the set, open.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        hint = "Leave the folder alone meanwhile; the same command goes on from here."
        raise DatasetError(f"{path} cannot be read any more: {error.strerror or error}.", hint) from error
