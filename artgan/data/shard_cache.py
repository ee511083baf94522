"""Decoded shards on disk: each is decoded as a whole when it is first needed, and the oldest make room for others.

    CACHE/shards/
        KEY.u8       (count, height, width, channels) bytes, one training picture after another
        KEY.json     where they came from, and which pictures of the shard could not be read and why
        KEY.lock     held by the process that decodes it

KEY is a digest of the shard and of the settings that shape the pictures. A shard can be decoded again at any time, so
nothing here is needed to continue a run.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from artgan.config import DataSettings
from artgan.data.decoding import VERSION, Decoder
from artgan.data.mapped import Mapped
from artgan.data.shards import Member, Shard, check_unchanged, pictures_in, read_member
from artgan.engine.images import MODES
from artgan.engine.storage import atomic_write, cache_folder, holding, read_json, whole_file
from artgan.errors import DatasetError, StorageError

SHARDS_FOLDER = "shards"
"""Where decoded shards lie in the cache."""
_BUNCH = 32
_MOST_OPEN = 256  # each holds a file open, of which a process may have a thousand


@dataclass(frozen=True)
class Damaged:
    """Pictures of a shard that cannot be read; the nearest of the same shard that can is shown in place of each.

    Attributes:
        shard: the tar.
        pictures: how many pictures it has.
        broken: (name, reason) of those that cannot be read.
        enlarged: how many are smaller than a training picture.
    """

    shard: Path
    pictures: int
    broken: tuple[tuple[str, str], ...]
    enlarged: int


class DecodedShards:
    """The pictures of shards by row, decoded when they are asked for.

    Attributes:
        shape: (height, width, channels) of a picture.
        starts: row of the first picture of every shard.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        settings: DataSettings,
        limit: int,
        on_damage: Callable[[Damaged], None],
    ) -> None:
        """Decode nothing yet.

        Args:
            shards: in the order of their rows.
            settings: that shape the pictures; of `crops` above 1, those of one picture lie side by side.
            limit: bytes that decoded shards may take on disk, but for those that are needed at the time.
            on_damage: told of a shard that has broken pictures, once, when it is first read from.
        """
        width, height = settings.size
        self.shape = (height, width, len(MODES[settings.channels]))
        counts = [shard.pictures * settings.crops for shard in shards]
        self.starts = np.cumsum([0, *counts[:-1]])
        self._shards, self._settings, self._limit, self._on_damage = shards, settings, limit, on_damage
        self._folder = cache_folder() / SHARDS_FOLDER
        self._needed: frozenset[int] = frozenset()
        self._open: dict[int, Mapped] = {}
        self._told: set[int] = set()
        _quieten_decoders()

    def read(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.uint8]:
        """The pictures in `rows`, (len(rows), height, width, channels).

        Raises:
            DatasetError: a shard is damaged, or has changed.
            StorageError: the cache cannot be written.
        """
        rows = np.asarray(rows, np.int64)
        pixels = np.empty((len(rows), *self.shape), np.uint8)
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(numbers).tolist():
            here = numbers == number
            pixels[here] = self._mapped(number).read(rows[here] - self.starts[number])
        return pixels

    def expect(self, numbers: Sequence[int]) -> None:
        """Make ready for reading from some shards, the first first: those that are missing are decoded meanwhile."""
        needed = frozenset(numbers)
        if needed == self._needed:
            return
        self._needed = needed
        self._open = {number: mapped for number, mapped in self._open.items() if number in needed}
        missing = [number for number in numbers if not self._file(number).exists()]
        if missing:
            # A daemon, so that a process that has nothing else to do need not wait for it.
            threading.Thread(target=self._prepare, args=(missing,), daemon=True, name="artgan-shards").start()

    def decode(self, numbers: Sequence[int], on_done: Callable[[int], None]) -> bool:
        """Decode those of some shards that are not decoded yet.

        Args:
            numbers: of shards, which count as needed.
            on_done: told, as it grows, how many of the pictures of all these shards are done; may raise to end it.

        Returns:
            Whether all were decoded already.
        """
        self._needed = frozenset(numbers)
        before, known = 0, True
        for number in numbers:
            known &= self._ensure(number, on_done, before)
            before += self._shards[number].pictures
        return known

    def damage(self, number: int) -> Damaged | None:
        """What was wrong with the pictures of a shard that is decoded, if anything; it is not told of again."""
        self._told.add(number)
        # Without what was said of it, a shard can still be read.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told, shard = read_json(self._file(number, "json")), self._shards[number]
            broken = tuple((str(name), str(reason)) for name, reason in told["broken"])
            if broken or told["enlarged"]:
                return Damaged(shard.path, shard.pictures, broken, int(told["enlarged"]))
        return None

    def _prepare(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            # What goes wrong here is met again, and told, where the shard is needed. One that another process has in
            # hand is left to it.
            with contextlib.suppress(Exception), holding(self._file(number, "lock"), wait=False) as mine:
                if mine and number in self._needed and not self._is_whole(number):
                    self._decode(number)

    def _mapped(self, number: int) -> Mapped:
        mapped = self._open.get(number)
        if mapped is None:
            mapped = self._fetch(number)
            if number not in self._told and (damage := self.damage(number)) is not None and damage.broken:
                self._on_damage(damage)
            if number in self._needed and len(self._open) < _MOST_OPEN:
                self._open[number] = mapped
        return mapped

    def _fetch(self, number: int) -> Mapped:
        file = self._file(number)
        for _ in range(3):  # it can be removed at any moment: by another process that needs room, or by hand
            self._ensure(number)
            with contextlib.suppress(OSError, ValueError):
                mapped = Mapped(file, (self._shards[number].pictures * self._settings.crops, *self.shape))
                with contextlib.suppress(OSError):  # of somebody else
                    os.utime(file)  # it was used just now
                return mapped
        raise StorageError(f"{file} is gone as soon as it is written.", "Look at the disk, or set ARTGAN_CACHE.")

    def _ensure(self, number: int, on_done: Callable[[int], None] = lambda done: None, before: int = 0) -> bool:
        """Decode a shard unless it is decoded already, which is returned."""
        if self._is_whole(number):
            return True
        with holding(self._file(number, "lock"), wait=True):  # without locks both decode it, with the same result
            if not self._is_whole(number):  # else another process has done it meanwhile
                self._decode(number, on_done, before)
        return False

    def _file(self, number: int, kind: str = "u8") -> Path:
        width, height = self._settings.size
        shard, how = self._shards[number], self._settings
        told = [VERSION, shard.digest, shard.exact or shard.time, width, height, how.channels, how.crop, how.crops]
        return self._folder / f"{hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()}.{kind}"

    def _bytes(self, number: int) -> int:
        return self._shards[number].pictures * self._settings.crops * math.prod(self.shape)

    def _is_whole(self, number: int) -> bool:
        try:
            return self._file(number).stat().st_size == self._bytes(number)
        except OSError:
            return False

    def _decode(self, number: int, on_done: Callable[[int], None] = lambda done: None, before: int = 0) -> None:
        """Decode a shard into its file, which appears when it is whole.

        Raises:
            DatasetError: the shard is damaged or has changed, or none of its pictures can be read.
            StorageError: the cache cannot be written.
        """
        shard, file = self._shards[number], self._file(number)
        check_unchanged(shard)
        members = list(pictures_in(shard.path))
        if len(members) != shard.pictures:
            raise DatasetError(
                f"{shard.path} has {len(members)} pictures, and had {shard.pictures} before.",
                "Give the command again: it looks at the shards afresh.",
            )
        self._make_room(self._bytes(number))
        with whole_file(file) as pixels:
            told = self._write(shard, members, pixels, lambda done: on_done(before + done))
            atomic_write(self._file(number, "json"), json.dumps(told), durable=False)

    def _write(
        self, shard: Shard, members: Sequence[Member], pixels: BinaryIO, on_done: Callable[[int], None]
    ) -> dict[str, Any]:
        """Write the pictures of a shard, and tell what is to be known of them."""
        decoder, lock = Decoder(self._settings), threading.Lock()
        crops, size = self._settings.crops, math.prod(self.shape) * self._settings.crops
        broken: dict[int, str] = {}
        trouble: list[OSError] = []
        enlarged = 0
        with shard.path.open("rb") as tar, ThreadPoolExecutor(os.cpu_count()) as pool:

            def read(member: Member) -> bytes:
                try:
                    with lock:
                        return read_member(tar, member)
                except OSError as error:
                    trouble.append(error)
                    raise

            def work(member: Member) -> tuple[NDArray[np.uint8], bool] | str:
                return decoder.decode(member.bytes, lambda: read(member), _digest)

            # In bunches, so that an interruption is heard soon and finished pictures do not pile up in memory.
            for start in range(0, len(members), _BUNCH):
                for place, result in enumerate(pool.map(work, members[start : start + _BUNCH]), start):
                    if isinstance(result, str):
                        broken[place] = result
                        pixels.write(bytes(size))
                    else:
                        pixels.write(result[0].tobytes())
                        enlarged += result[1]
                if trouble:  # not the picture is broken but the way to it, perhaps for a moment
                    raise DatasetError(f"{shard.path} cannot be read: {trouble[0].strerror}.", "Look at the disk.")
                on_done(min(start + _BUNCH, len(members)))
        if len(broken) == len(members):
            name, reason = members[0].name, broken[0]
            raise DatasetError(f"No picture in {shard.path} can be read: {name!r} is {reason}.", "Leave it out.")
        readable = np.setdiff1d(np.arange(len(members)), [*broken])
        for place in broken:
            pixels.seek(int(readable[np.abs(readable - place).argmin()]) * size)
            stand_in = pixels.read(size)
            pixels.seek(place * size)
            pixels.write(stand_in)
        return {
            "source": str(shard.path.resolve().parent),
            "count": len(members) * crops,
            "shape": self.shape,
            "broken": [[members[place].name, reason] for place, reason in broken.items()],
            "enlarged": enlarged,
        }

    def _make_room(self, wanted: int) -> None:
        """Remove decoded shards, those first that were not used for longest, until `wanted` bytes fit the limit."""
        needed = {self._file(number).name for number in self._needed}
        there = []
        for file in self._folder.glob("[!.]*.u8"):
            with contextlib.suppress(OSError):  # another process removed it
                status = file.stat()
                there.append((status.st_mtime_ns, status.st_size, file))
        used = sum(size for _, size, _ in there)
        for _, size, file in sorted(there):
            if used + wanted <= self._limit:
                return
            if file.name not in needed:
                with contextlib.suppress(OSError):  # of somebody else, or open, where a system keeps such files
                    file.unlink(missing_ok=True)
                    file.with_suffix(".json").unlink(missing_ok=True)
                    used -= size


def _digest(raw: bytes) -> str:
    """The digest by which a file in a folder is known: the same picture gets the same crops from there."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def _quieten_decoders() -> None:
    """Keep what the decoders say about odd files off the screen for good.

    Shards are decoded beside the training, where a block around it would change what is shown of that.
    """
    warnings.filterwarnings("ignore", module=r"PIL\b")
    for name in ("PIL", "tifffile", "imagecodecs"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
