"""What a feature network sees in a set of pictures: read in parallel, computed once, kept in the cache by content."""

import hashlib
import io
import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from artgan.engine.images import quiet_decoding
from artgan.engine.storage import atomic_write, cache_folder
from artgan.errors import DatasetError, Interrupted, StorageError, WeightsError
from artgan.metrics.networks import FeatureNetwork
from artgan.metrics.sets import MOST_REAL, PictureSet

VERSION = 1  # raise it when the same pictures and network give other features
BATCH = 32
_BUNCH = 4
_BUNCH_DRAWN = 16
View = tuple[int, int] | None
"""(width, height) that pictures are cropped and brought to before a network sees them; None is their own size."""


@dataclass(frozen=True)
class ScoreProgress:
    """`done` of `total` pictures of the set called `name` are looked at."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Seen:
    """What a network saw.

    Attributes:
        values: features (N, D), float32.
        logits: (N, K), float32, from a network that classifies.
        places: for every row the place of its picture in the set.
        skipped: (title, reason) of every picture that could not be read.
        from_cache: whether nothing had to be computed.
    """

    values: torch.Tensor
    logits: torch.Tensor | None
    places: tuple[int, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    from_cache: bool = False

    def rows(self, chosen: torch.Tensor) -> "Seen":
        """Some rows of it."""
        places = tuple(self.places[row] for row in chosen.tolist())
        logits = self.logits[chosen] if self.logits is not None else None
        return Seen(self.values[chosen], logits, places, self.skipped, self.from_cache)

    def __len__(self) -> int:
        return len(self.values)


def view_of(side: int | None, shape: tuple[int, int] | None) -> View:
    """The view for a network that wants about `side` x `side` pixels and pictures of the aspect of `shape`.

    Sides are multiples of 16; their product is about side². Without a shape the view is square.
    """
    if side is None:
        return None
    aspect = math.sqrt(shape[0] / shape[1]) if shape else 1.0
    return max(16, round(side * aspect / 16) * 16), max(16, round(side / aspect / 16) * 16)


def look(
    pictures: PictureSet,
    network: FeatureNetwork,
    view: View,
    on_event: Callable[[ScoreProgress], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Seen:
    """Features of all pictures that can be read, from the cache when the same pictures were looked at before.

    Raises:
        DatasetError: fewer than two pictures can be read.
        WeightsError: the network gives no numbers.
        Interrupted: `should_stop` said so.
    """
    recipe = json.dumps([VERSION, pictures.key, network.key, view, MOST_REAL])
    file = cache_folder() / "features" / f"{hashlib.blake2b(recipe.encode(), digest_size=16).hexdigest()}.npz"
    seen = _read(file, network.dim) if pictures.key else None
    if seen is None:
        seen = _look(pictures, network, view, on_event, should_stop)
        if pictures.key:
            _write(file, seen)
    if len(seen) < 2:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in seen.skipped[:3]))
        told = f" ({reasons})" if reasons else ""
        raise DatasetError(
            f"{pictures.name} has {len(seen)} usable pictures{told}; a score needs at least 2.",
            "Point at a folder or zip of pictures; some hundreds make the figures worth reading.",
        )
    return seen


def _look(
    pictures: PictureSet,
    network: FeatureNetwork,
    view: View,
    on_event: Callable[[ScoreProgress], None],
    should_stop: Callable[[], bool],
) -> Seen:
    values: list[torch.Tensor] = []
    logits: list[torch.Tensor] = []
    places: list[int] = []
    skipped: list[tuple[str, str]] = []
    waiting: list[NDArray[np.uint8]] = []
    order = chosen_places(pictures.count)

    def compute() -> None:
        if waiting:
            batch = torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2)
            found, classified = network(batch)
            if not bool(found.isfinite().all()):
                raise WeightsError(
                    f"The network {network.name} gives no numbers (NaN) for {pictures.name}.",
                    "Its weights may be damaged: get them again, or use --features artgan.",
                )
            values.append(found)
            logits.extend([classified] if classified is not None else [])
            waiting.clear()

    on_event(ScoreProgress(pictures.name, 0, len(order)))
    for done, (place, found) in enumerate(_in_order(pictures, order, view), 1):
        if isinstance(found, str):
            skipped.append((pictures.title(place), found))
        else:
            if waiting and waiting[0].shape != found.shape:
                compute()
            waiting.append(found)
            places.append(place)
        if len(waiting) == BATCH or done == len(order):
            compute()
            on_event(ScoreProgress(pictures.name, done, len(order)))
            if should_stop():
                raise Interrupted("Stopped while looking at the pictures.", "Give the same command to start again.")
    seen = torch.cat(values) if values else torch.empty(0, network.dim)
    return Seen(seen, torch.cat(logits) if logits else None, tuple(places), tuple(skipped))


def chosen_places(count: int) -> list[int]:
    """All places, or MOST_REAL of them drawn once and for all."""
    if count <= MOST_REAL:
        return list(range(count))
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MOST_REAL]
    return sorted(drawn.tolist())


def _in_order(pictures: PictureSet, order: Sequence[int], view: View) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Every picture with its place, brought to the view; threads read some bunches ahead."""

    def read(places: Sequence[int]) -> list[NDArray[np.uint8] | str]:
        return [found if isinstance(found, str) else fitted(found, view) for found in pictures.read(places)]

    size = _BUNCH if pictures.workers > 1 else _BUNCH_DRAWN
    bunches = [order[start : start + size] for start in range(0, len(order), size)]
    ahead: deque[tuple[Sequence[int], Future[list[NDArray[np.uint8] | str]]]] = deque()
    with quiet_decoding(), ThreadPoolExecutor(pictures.workers) as pool:
        try:
            for bunch in bunches:
                ahead.append((bunch, pool.submit(read, bunch)))
                if len(ahead) > 3 * pictures.workers:
                    places, future = ahead.popleft()
                    yield from zip(places, future.result(), strict=True)
            while ahead:
                places, future = ahead.popleft()
                yield from zip(places, future.result(), strict=True)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def fitted(picture: Image.Image, view: View) -> NDArray[np.uint8]:
    """The largest centred crop of the view's aspect, brought to its size: (H, W, 3)."""
    if view is not None and picture.size != view:
        picture = ImageOps.fit(picture, view, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _write(file: Path, seen: Seen) -> None:
    arrays = {"values": seen.values.numpy(), "places": np.array(seen.places, np.int64)}
    if seen.logits is not None:
        arrays["logits"] = seen.logits.numpy()
    arrays["skipped"] = np.frombuffer(json.dumps(seen.skipped).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    try:
        atomic_write(file, buffer.getvalue(), durable=False)
    except StorageError:
        return  # the cache only saves time: a full disk must not lose the score


def _read(file: Path, dim: int) -> Seen | None:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            values, places = torch.from_numpy(arrays["values"]), tuple(arrays["places"].tolist())
            logits = torch.from_numpy(arrays["logits"]) if "logits" in arrays else None
            skipped = tuple((str(name), str(reason)) for name, reason in json.loads(arrays["skipped"].tobytes()))
    except Exception:  # whatever is wrong with a file of the cache: it is made again
        return None
    whole = values.dtype == torch.float32 and values.shape == (len(places), dim) and bool(values.isfinite().all())
    return Seen(values, logits, places, skipped, from_cache=True) if whole else None
