"""Training pictures as batches: mapped into memory, in an order that is a function of seed and position."""

import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.config import DataSettings
from artgan.data.cache import DataEvent, DatasetReady, Decoded, decode_source
from artgan.engine.captions import BUCKETS, encode_captions
from artgan.engine.seeds import Streams


class Pictures:
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

    def __init__(self, decoded: Decoded, settings: DataSettings, streams: Streams) -> None:
        height, width, channels = decoded.index["shape"]
        self.shape: tuple[int, int, int] = (channels, height, width)
        names: tuple[str, ...] = tuple(decoded.index["classes"])
        self.classes: tuple[str, ...] = () if settings.captions else names
        self.captions: tuple[str, ...] = names if settings.captions else ()
        self.fingerprint = decoded.fingerprint
        self.key = decoded.folder.name
        self.ready: DatasetReady = decoded.ready
        self._count: int = decoded.index["count"]
        self.labels = torch.tensor(decoded.index["labels"] or [0] * self._count)
        self._settings, self._streams = settings, streams
        with (decoded.folder / "pictures.u8").open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_RANDOM"):
            self._map.madvise(mmap.MADV_RANDOM)  # no reading ahead: the next picture of a batch lies elsewhere
        self._pixels = np.frombuffer(self._map, np.uint8).reshape(self._count, height, width, channels)
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}
        by_label = np.argsort(self.labels.numpy(), kind="stable")
        sizes = np.bincount(self.labels.numpy(), minlength=len(names))
        self._members = np.split(by_label, sizes.cumsum()[:-1]) if names else []

    def __len__(self) -> int:
        return self._count

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
        return sorted(said, key=lambda label: -len(self._members[label]))[:count]

    def batch(self, position: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures `position` to `position + size` of the endless order: uint8 (size, C, H, W), int64 labels (size,).

        Every pass through the set is a new permutation. With `data.balanced` every class (or caption) is shown once per
        round, each in its own endless order. `data.mirror` flips half of the pictures.
        """
        rows = self.order(position, size)
        pixels = self.at(rows)
        if self._settings.mirror:
            flip = torch.rand(size, generator=self._streams.generator("mirror", position)) < 0.5
            pixels = torch.where(flip[:, None, None, None], pixels.flip(3), pixels)
        return pixels, self.labels[rows]

    def at(self, rows: NDArray[np.int64] | list[int]) -> torch.Tensor:
        """The pictures in `rows`, uint8 (len(rows), C, H, W), laid out channels last."""
        pixels = torch.from_numpy(self._pixels[rows]).permute(0, 3, 1, 2)
        self._release()
        return pixels

    def order(self, position: int, size: int) -> NDArray[np.int64]:
        """Which pictures lie at `position` to `position + size` of the endless order."""
        places = range(position, position + size)
        if not self._settings.balanced or not self._members:
            return np.array(
                [self._permutation("order", place // self._count, self._count)[place % self._count] for place in places]
            )
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

    def _release(self) -> None:
        """Hand the pages that were just read back to the system, which keeps them cached as long as it has room.

        One picture can map 2 MiB around it, so that a batch of a large set would map hundreds.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def load_pictures(
    path: Path,
    settings: DataSettings,
    seed: int = 0,
    on_event: Callable[[DataEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Pictures:
    """Decode (or find in the cache) the pictures of a folder or zip, ready to be drawn in batches.

    Raises:
        DatasetError: too few pictures are usable, or the labels cannot be read.
        Interrupted: `should_stop` said so.
    """
    return Pictures(decode_source(path, settings, on_event, should_stop), settings, Streams(seed))
