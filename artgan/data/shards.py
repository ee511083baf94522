"""Shards of pictures: tars as WebDataset has them, looked into but never unpacked, and what is said of them.

Files of one sample lie next to each other in a tar and share their name up to the first dot of its last part; what
follows says what they are: the picture (png, jpg, ...), cls (the number of its class), txt (its caption). Of several
pictures the first counts. Numbers, classes and captions are in `shards.json`, which `artgan curate` lays beside the
shards; without it, the headers of all tars are read once, and what they say is remembered in the cache.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from artgan.data.captions import MAX_TEXT_BYTES, clean_caption, decoded
from artgan.data.sources import MAX_FILE_BYTES
from artgan.engine.storage import atomic_write, cache_folder, read_json
from artgan.errors import ArtganError, DatasetError, Interrupted

INDEX, CLASSES = "shards.json", "classes.json"
NO_CLASS = -1
_VERSION = 1
_SUFFIXES = {"png", "jpg", "jpeg", "jpe", "jfif", "webp", "avif", "heic", "tif", "tiff", "bmp", "gif", "ppm", "pgm"}
_SUFFIXES |= {"jp2", "jxl"}
_MOST_HEADER = 1 << 20
_COPY = "Copy it again from where it came, or leave it out."


@dataclass(frozen=True, slots=True)
class Member:
    """A picture in a tar: its name, where its bytes begin, and how many they are."""

    name: str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Shard:
    """A tar of pictures.

    Attributes:
        path: the tar.
        digest: of all its bytes (`exact`), or of its size and the names and sizes in it; hexadecimal.
        exact: whether `digest` is that of all its bytes.
        time: when it was last changed, in nanoseconds.
        pictures: how many there are.
        labels: number of every picture's class, NO_CLASS where it has none; None when all have none.
        captions: caption of every picture, '' where it has none; None when all have none.
    """

    path: Path
    digest: str
    exact: bool
    time: int
    pictures: int
    labels: tuple[int, ...] | None
    captions: tuple[str, ...] | None


@dataclass(frozen=True)
class Shards:
    """Shards in their order, and the names of the classes by number; None when these have no names."""

    found: tuple[Shard, ...]
    names: tuple[str, ...] | None


def look_into(paths: Sequence[Path], should_stop: Callable[[], bool] = lambda: False) -> Shards:
    """What is in shards, from the index beside them where it fits their sizes, or else from their own headers.

    Raises:
        DatasetError: a shard or an index is missing, damaged or without pictures.
        Interrupted: `should_stop` said so.
    """
    indices = {folder: _Index(folder) for folder in dict.fromkeys(path.parent for path in paths)}
    names = {index.names for index in indices.values()}
    if len(names) > 1:
        raise DatasetError(
            f"The folders {', '.join(map(str, indices))} number their classes differently.",
            "Train on the shards of one folder, or without classes: --no-labels.",
        )
    found = []
    for path in paths:
        if should_stop():
            raise Interrupted("Stopped while looking into the shards.", "Give the same command to start again.")
        found.append(indices[path.parent].of(path) or _remembered(path))
    return Shards(tuple(found), names.pop())


class _Index:
    """What lies beside the shards of a folder: their index, and the names of their classes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / INDEX
        self._shards: dict[str, Any] = {}
        self.names: tuple[str, ...] | None = None
        with _naming(self._file):
            if self._file.exists():
                index = read_json(self._file)
                if index["version"] != _VERSION:
                    raise ValueError("it is of another version")
                self._shards = dict(index["shards"])
                self.names = _texts(index["classes"]) or None
        if self.names is None and (folder / CLASSES).exists():
            with _naming(folder / CLASSES):
                self.names = _texts(read_json(folder / CLASSES))

    def of(self, path: Path) -> Shard | None:
        """What the index says of a shard; None when it does not know it, or knows one of another size."""
        entry = self._shards.get(path.name)
        status = _status(path)
        with _naming(self._file):
            if entry is None or entry["bytes"] != status.st_size:
                return None
            return _shard(path, status, entry, exact=True)


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file that tells of shards into one sentence."""
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}.", "Check its permissions.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{file} does not tell of shards as it should: {error!r:.120}.", "Remove it; then the shards are looked at."
        ) from error


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError("names and captions are lists of text")
    return tuple(value)


def _shard(path: Path, status: os.stat_result, entry: dict[str, Any], exact: bool) -> Shard:
    """A shard as an index or a memo tells of it.

    Raises:
        ValueError, KeyError, TypeError: it is not told in our form.
    """
    digest, count, labels, captions = (entry[key] for key in ("digest", "pictures", "labels", "captions"))
    int(digest, 16)
    if type(count) is not int or count < 0:
        raise TypeError("pictures is a number")
    if labels is not None and not all(type(label) is int and NO_CLASS <= label < 2**31 for label in labels):
        raise TypeError("labels are numbers of classes")
    texts = None if captions is None else tuple(map(clean_caption, _texts(captions)))
    if any(told is not None and len(told) != count for told in (labels, texts)):
        raise ValueError("it has another number of labels or captions than of pictures")
    if not count:
        raise _empty(path)
    return Shard(path, digest, exact, status.st_mtime_ns, count, None if labels is None else tuple(labels), texts)


def _empty(path: Path) -> DatasetError:
    return DatasetError(
        f"{path} holds no pictures.",
        "Shards are tars of pictures whose names end in .jpg, .png or the like; leave this one out.",
    )


def _status(path: Path) -> os.stat_result:
    try:
        if not path.is_file():
            raise DatasetError(f"{path} is not a file.", "Leave it out.")
        return path.stat()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _remembered(path: Path) -> Shard:
    """What the headers of a shard say, read now or, when it has not changed, the last time."""
    status = _status(path)
    where = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=8).hexdigest()
    memo = cache_folder() / "digests" / f"shard-{where}.json"
    stamp = [_VERSION, status.st_size, status.st_mtime_ns]
    # A memo only saves time: a damaged one is made again, a full or read-only cache is reported where it matters.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        entry = read_json(memo)
        if entry["stamp"] == stamp:
            return _shard(path, status, entry, exact=False)
    entry = _scan(path, status.st_size)
    shard = _shard(path, status, entry, exact=False)
    with contextlib.suppress(ArtganError):
        atomic_write(memo, json.dumps({"stamp": stamp, **entry}), durable=False)
    return shard


def _scan(path: Path, size: int) -> dict[str, Any]:
    """What the headers of a tar say, in the form of an index."""
    digest = hashlib.blake2b(json.dumps(size).encode(), digest_size=16)
    labels: list[int] = []
    captions: list[str] = []
    with path.open("rb") as file:
        for sample in _samples(path):
            for member in sample.values():
                digest.update(json.dumps([member.name, member.bytes]).encode())
            number, text = (read_member(file, sample[kind]) if kind in sample else b"" for kind in ("cls", "txt"))
            digest.update(number + text)
            labels.append(int(number) if number.strip().isdigit() and len(number) < 10 else NO_CLASS)
            captions.append(clean_caption(decoded(text)))
    return {
        "digest": digest.hexdigest(),
        "pictures": len(labels),
        "labels": labels if max(labels, default=NO_CLASS) > NO_CLASS else None,
        "captions": captions if any(captions) else None,
    }


def pictures_in(path: Path) -> Iterator[Member]:
    """The pictures of a shard, in order.

    Raises:
        DatasetError: it is not a whole tar.
    """
    return (sample["picture"] for sample in _samples(path))


def read_member(file: BinaryIO, member: Member) -> bytes:
    """The bytes of one file of an open tar.

    Raises:
        OSError: it cannot be read, or has become shorter.
    """
    file.seek(member.offset)
    found = file.read(member.bytes)
    if len(found) != member.bytes:
        raise OSError(errno.EIO, "it is cut short")
    return found


def _samples(path: Path) -> Iterator[dict[str, Member]]:
    """The samples of a tar that have a picture, as {"picture", "cls", "txt"} of what there is of these."""
    key, sample = None, dict[str, Member]()
    for member in _members(path):
        folder, slash, name = member.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        if folder + slash + stem != key:
            if "picture" in sample:
                yield sample
            key, sample = folder + slash + stem, {}
        kind = suffix.lower()
        if stem and kind.rpartition(".")[2] in _SUFFIXES and member.bytes <= MAX_FILE_BYTES:
            sample.setdefault("picture", member)
        elif stem and kind in ("cls", "txt") and member.bytes <= MAX_TEXT_BYTES:
            sample.setdefault(kind, member)
    if "picture" in sample:
        yield sample


class _Headers(io.BufferedReader):
    """A tar, of which no more is read at once than a header can need, whatever it says of itself."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_HEADER:
            raise ValueError("it has a header of more than 1 MiB")
        return super().read(size)


def _members(path: Path) -> Iterator[Member]:
    """The plain files in a tar that are not empty: no folders, links, devices or files with holes.

    Raises:
        DatasetError: it is not a whole tar.
    """
    with _refusing_damage(path), _Headers(io.FileIO(path)) as file:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            end = 0
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep them all
                if archive.offset <= end:  # a file of negative size would lead back to it for ever
                    raise ValueError("its files overlap")
                end = archive.offset
                if member.isreg() and not member.issparse() and member.size:
                    yield Member(member.name, member.offset_data, member.size)
        # tarfile takes a header that it cannot read for the end of the tar; the true one is a block of zeros.
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError("it is cut short, or damaged in the middle")


@contextlib.contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except DatasetError:
        raise
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror}.", "Is it still there, and the disk well?"
        ) from error
    except Exception as error:  # tarfile meets hostile bytes with whatever it stumbles over
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DatasetError(f"{path} is not a whole tar: {reason}.", _COPY) from error


def check_unchanged(shard: Shard) -> None:
    """See whether a shard is what it was: by all its bytes where they are known, or else by when it was changed.

    Raises:
        DatasetError: they are not, or cannot be read.
    """
    with _refusing_damage(shard.path), shard.path.open("rb") as file:
        if not shard.exact:
            if os.fstat(file.fileno()).st_mtime_ns != shard.time:
                raise DatasetError(f"{shard.path} has changed since it was looked into.", "Give the command again.")
            return
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    if found != shard.digest:
        raise DatasetError(f"{shard.path} is not the shard that {INDEX} tells of: it has changed.", _COPY)
