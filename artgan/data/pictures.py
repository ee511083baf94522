"""Training pictures as batches: mapped into memory, in an order that is a function of seed and position."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.config import DataSettings
from artgan.data.cache import MIN_PICTURES, DataEvent, DatasetReady, Decoded, DecodeProgress, decode_source
from artgan.data.decoding import VERSION
from artgan.data.mapped import Mapped
from artgan.data.shard_cache import DecodedShards
from artgan.data.shard_names import find_shards
from artgan.data.shards import NO_CLASS, Shards, look_into
from artgan.data.stream import ShuffledShards
from artgan.engine.captions import BUCKETS, encode_captions
from artgan.engine.seeds import Streams
from artgan.errors import DatasetError, Interrupted, SettingError


class Pictures(ABC):
    """A set of training pictures.

    Attributes:
        shape: (channels, height, width).
        classes: class names; empty when there are no labels.
        captions: all that are different, sorted; empty unless `data.captions` asks for them.
        labels: index of every picture's class or caption, int64; all 0 when there are neither.
        fingerprint: digest of the source's content.
        key: digest of the content and of the settings that shape the pictures.
        ready: what is worth telling about the set.
    """

    shape: tuple[int, int, int]
    fingerprint: str
    key: str
    ready: DatasetReady

    def __init__(self, names: Sequence[str], labels: torch.Tensor, settings: DataSettings, streams: Streams) -> None:
        self.classes: tuple[str, ...] = () if settings.captions else tuple(names)
        self.captions: tuple[str, ...] = tuple(names) if settings.captions else ()
        self.labels = labels
        self._settings, self._streams = settings, streams

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def c_dim(self) -> int:
        """Numbers in what the networks are told of a picture: of classes or of a caption; 0 when they are not."""
        return BUCKETS if self.captions else len(self.classes)

    def conditions(self, labels: torch.Tensor) -> torch.Tensor | None:
        """What the networks are told for labels (N,): themselves, vectors of captions (N, c_dim), or nothing."""
        if not self.captions:
            return labels if self.classes else None
        different, places = labels.unique(return_inverse=True)
        return encode_captions([self.captions[label] for label in different.tolist()])[places]

    def commonest(self, count: int) -> list[int]:
        """The labels of at most `count` captions, the most frequent first; '' is none."""
        said = [label for label, caption in enumerate(self.captions) if caption]
        sizes = self.labels.bincount(minlength=len(self.captions)).tolist()
        return sorted(said, key=lambda label: -sizes[label])[:count]

    def batch(self, position: int, size: int, part: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures `position` to `position + size` of the endless order: uint8 (size, C, H, W), int64 labels (size,).

        Every pass through the set is a new permutation. With `data.balanced` every class (or caption) is shown once per
        round, each in its own endless order. `data.mirror` flips half of the pictures. Of these, `part` is wanted.
        """
        rows = self.order(position, size)[part]
        pixels = self.at(rows)
        if self._settings.mirror:
            flip = torch.rand(size, generator=self._streams.generator("mirror", position))[part] < 0.5
            pixels = torch.where(flip[:, None, None, None], pixels.flip(3), pixels)
        return pixels, self.labels[rows]

    def sample(self, count: int, generator: torch.Generator | None = None) -> NDArray[np.int64]:
        """At most `count` rows that stand for the set, ascending: drawn by `generator`, or else evenly spread.

        They are read quickly: of shards, they all are from the first group of the order.
        """
        rows = self._at_hand()
        if generator is None:
            places = torch.linspace(0, len(rows) - 1, min(len(rows), count)).long().unique()
        else:
            places = torch.randperm(len(rows), generator=generator)[:count].sort().values
        chosen: NDArray[np.int64] = rows[places.numpy()]
        return chosen

    def members(self, label: int, count: int) -> NDArray[np.int64]:
        """The first `count` rows of a class or caption, or as many as it has, of those that are read quickly."""
        labels = self.labels.numpy()
        for rows in (self._at_hand(), np.arange(len(self))):  # a rare class may not be among them
            found: NDArray[np.int64] = rows[labels[rows] == label][:count]
            if len(found):
                break
        return found

    def at(self, rows: NDArray[np.int64] | list[int]) -> torch.Tensor:
        """The pictures in `rows`, uint8 (len(rows), C, H, W), laid out channels last."""
        return torch.from_numpy(self._read(rows)).permute(0, 3, 1, 2)

    @abstractmethod
    def order(self, position: int, size: int) -> NDArray[np.int64]:
        """Which pictures lie at `position` to `position + size` of the endless order."""

    @abstractmethod
    def _read(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.uint8]:
        """The pictures in `rows`, (len(rows), height, width, channels)."""

    @abstractmethod
    def _at_hand(self) -> NDArray[np.int64]:
        """All rows, or where not all can be read quickly those that can; ascending."""


class DecodedPictures(Pictures):
    """The pictures of a folder or zip, decoded as a whole."""

    def __init__(self, decoded: Decoded, settings: DataSettings, streams: Streams) -> None:
        height, width, channels = decoded.index["shape"]
        count: int = decoded.index["count"]
        names: list[str] = decoded.index["classes"]
        super().__init__(names, torch.tensor(decoded.index["labels"] or [0] * count), settings, streams)
        self.shape = (channels, height, width)
        self.fingerprint, self.key, self.ready = decoded.fingerprint, decoded.folder.name, decoded.ready
        self._pixels = Mapped(decoded.folder / "pictures.u8", (count, height, width, channels))
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}
        by_label = np.argsort(self.labels.numpy(), kind="stable")
        sizes = np.bincount(self.labels.numpy(), minlength=len(names))
        self._members = np.split(by_label, sizes.cumsum()[:-1]) if names else []

    def order(self, position: int, size: int) -> NDArray[np.int64]:
        """Which pictures lie at `position` to `position + size` of the endless order."""
        places, count = range(position, position + size), len(self)
        if not self._settings.balanced or not self._members:
            return np.array([self._permutation("order", place // count, count)[place % count] for place in places])
        rows = []
        for place in places:
            turn, slot = divmod(place, len(self._members))
            chosen = self._permutation("classes", turn, len(self._members))[slot]
            members = self._members[chosen]
            again, index = divmod(turn, len(members))
            rows.append(members[self._permutation(f"class {chosen}", again, len(members))[index]])
        return np.array(rows)

    def _permutation(self, stream: str, turn: int, count: int) -> NDArray[np.int64]:
        if (stream, turn) not in self._orders:
            # Only the neighbouring turns of a stream are ever asked for.
            self._orders = {key: order for key, order in self._orders.items() if key[0] != stream or key[1] >= turn - 1}
            self._orders[stream, turn] = torch.randperm(count, generator=self._streams.generator(stream, turn)).numpy()
        return self._orders[stream, turn]

    def _read(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.uint8]:
        return self._pixels.read(rows)

    def _at_hand(self) -> NDArray[np.int64]:
        return np.arange(len(self))


class ShardedPictures(Pictures):
    """The pictures of shards, decoded as they are needed and mixed among `data.shuffle` at least.

    `key` and what stands for the set hang on the seed as well. A shard that is damaged, or that changes meanwhile, is
    refused when it is reached.
    """

    def __init__(
        self,
        path: Path,
        shards: Shards,
        settings: DataSettings,
        streams: Streams,
        cache_bytes: int,
        on_event: Callable[[DataEvent], None],
        should_stop: Callable[[], bool],
    ) -> None:
        names, labels = _labelled(path, shards, settings)
        counts = np.array([shard.pictures * settings.crops for shard in shards.found])
        super().__init__(names, torch.from_numpy(labels.repeat(settings.crops)), settings, streams)
        self._pixels = DecodedShards(shards.found, settings, cache_bytes, on_event)
        height, width, channels = self._pixels.shape
        self.shape = (channels, height, width)
        content = [[shard.digest for shard in shards.found], list(names), labels.tobytes().hex() if names else ""]
        self.fingerprint = _digest(content)
        recipe = [VERSION, self.fingerprint, width, height, settings.channels, settings.crop, settings.crops]
        self.key = _digest([*recipe, settings.shuffle, streams.seed])
        self._order = ShuffledShards(counts, settings.shuffle, streams)
        self._first = self._order.first()
        self.ready = self._begin(path, shards, on_event, should_stop)

    def _begin(
        self, path: Path, shards: Shards, on_event: Callable[[DataEvent], None], should_stop: Callable[[], bool]
    ) -> DatasetReady:
        """Decode the first group, which stands for the set."""
        total = sum(shards.found[number].pictures for number in self._first)

        def tell(done: int) -> None:
            on_event(DecodeProgress(done, total))
            if should_stop():
                raise Interrupted("Stopped while reading the pictures.", "Give the same command to start again.")

        from_cache = self._pixels.decode(self._first, tell)
        damages = [damage for number in self._first if (damage := self._pixels.damage(number)) is not None]
        sizes = self.labels.bincount(minlength=len(self.classes + self.captions)).tolist()
        counted = dict(zip(self.classes or self.captions, sizes, strict=False))
        return DatasetReady(
            source=path,
            pictures=len(self),
            files=sum(shard.pictures for shard in shards.found),
            classes=counted if self.classes else {},
            skipped=tuple((f"{damage.shard.name}/{name}", why) for damage in damages for name, why in damage.broken),
            enlarged=sum(damage.enlarged for damage in damages),
            from_cache=from_cache,
            captions=dict(sorted(counted.items(), key=lambda pair: -pair[1])) if self.captions else {},
        )

    def batch(self, position: int, size: int, part: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
        """As of any set; the shards of the next group are decoded meanwhile."""
        self._pixels.expect(self._order.shards(position, size))
        return super().batch(position, size, part)

    def order(self, position: int, size: int) -> NDArray[np.int64]:
        """Which pictures lie at `position` to `position + size` of the endless order."""
        return self._order.rows(position, size)

    def _read(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.uint8]:
        return self._pixels.read(rows)

    def _at_hand(self) -> NDArray[np.int64]:
        return np.sort(self._order.rows_of(self._first))


def _labelled(path: Path, shards: Shards, settings: DataSettings) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names of classes, or all captions, and which of them every picture of the shards has."""
    if settings.captions:
        return _captioned(path, shards)
    told = [[NO_CLASS] * shard.pictures if shard.labels is None else shard.labels for shard in shards.found]
    numbers = np.concatenate([np.array(labels, np.int64) for labels in told])
    if settings.labels == "none" or numbers.max() == NO_CLASS:
        return (), np.zeros(len(numbers), np.int64)
    if without := int((numbers == NO_CLASS).sum()):
        raise DatasetError(
            f"{without} of {len(numbers)} pictures in {path} have no class.", "Train without classes: --no-labels."
        )
    # A class of which there is no picture would be a row of noise in every preview.
    seen, labels = np.unique(numbers, return_inverse=True)
    if shards.names is not None and seen[-1] >= len(shards.names):
        raise DatasetError(
            f"A picture in {path} is of class {seen[-1]}, and only {len(shards.names)} classes have names.",
            "Mend classes.json beside the shards, or train without classes: --no-labels.",
        )
    names = tuple(str(number) if shards.names is None else shards.names[number] for number in seen.tolist())
    return (names, labels) if len(names) > 1 else ((), np.zeros(len(numbers), np.int64))


def _captioned(path: Path, shards: Shards) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    told = [text for shard in shards.found for text in shard.captions or [""] * shard.pictures]
    names = tuple(sorted(set(told)))
    if not any(names):
        raise DatasetError(
            f"No picture in {path} has a caption.", "Shards have them as .txt files beside the pictures."
        )
    number_of = {name: number for number, name in enumerate(names)}
    return names, np.array([number_of[text] for text in told])


def _digest(content: object) -> str:
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def load_pictures(
    path: Path,
    settings: DataSettings,
    seed: int = 0,
    on_event: Callable[[DataEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    cache_gb: float = 20.0,
) -> Pictures:
    """Open the pictures of a folder or zip, decoded or found in the cache, or of shards, ready to be drawn in batches.

    Args:
        path: a folder, a zip, or shards in any of the forms that `find_shards` knows.
        settings: that shape, order and label the pictures.
        seed: of the order.
        on_event: told of progress, and of the set when it is ready; of shards, later also of pictures that are broken.
        should_stop: asked now and then; True ends the work.
        cache_gb: what decoded shards may take on disk, in 10^9 bytes.

    Raises:
        DatasetError: too few pictures are usable, or the labels cannot be read.
        SettingError: the settings do not go with shards.
        Interrupted: `should_stop` said so.
        StorageError: the cache cannot be written.
    """
    paths = find_shards(path)
    if paths is None:
        return DecodedPictures(decode_source(path, settings, on_event, should_stop), settings, Streams(seed))
    if settings.balanced:
        raise SettingError("data.balanced does not go with shards.", "Leave --balanced away, or train on a folder.")
    if settings.labels not in ("auto", "none"):
        raise SettingError("A table of labels does not go with shards.", "Leave --labels away: shards have their own.")
    shards = look_into(paths, should_stop)
    count = sum(shard.pictures for shard in shards.found) * settings.crops
    if count < MIN_PICTURES:
        raise DatasetError(
            f"{path} has {count} pictures; at least {MIN_PICTURES} are needed.", "Add pictures, or take more --crops."
        )
    cache_bytes = int(cache_gb * 1e9)
    pictures = ShardedPictures(path, shards, settings, Streams(seed), cache_bytes, on_event, should_stop)
    on_event(pictures.ready)
    return pictures
