"""What a feature network sees in a set of pictures: read in parallel, computed once, kept in the cache by content."""

import hashlib
import io
import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from artgan.engine import processes
from artgan.engine.images import quiet_decoding
from artgan.engine.storage import atomic_write, cache_folder
from artgan.errors import DatasetError, Interrupted, StorageError, WeightsError
from artgan.metrics.networks import FeatureNetwork
from artgan.metrics.sets import MOST_REAL, PictureSet

VERSION = 2  # raise it when the same pictures and network give other features
BATCH = 32
_BUNCH = 4
_BUNCH_DRAWN = 16
_TURNS_UNASKED = 8
View = tuple[int, int] | None
"""(width, height) that pictures are cropped and brought to before a network sees them; None is their own size."""
_Batch = list[tuple[int, NDArray[np.uint8] | str]]  # places with pictures (H, W, 3), or why one cannot be read
T = TypeVar("T")


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
    together: bool = False,
) -> Seen:
    """Features of all pictures that can be read, from the cache when the same pictures were looked at before.

    With `together` all processes of a team call this for the same set: each looks at its share of the batches, and all
    are given everything, the same to the last bit as one process alone sees it.

    Raises:
        DatasetError: fewer than two pictures can be read, or processes of a team find other pictures than the lead.
        WeightsError: the network gives no numbers.
        Interrupted: `should_stop` said so, in any process.
    """
    recipe = json.dumps([VERSION, pictures.key, network.key, view, MOST_REAL])
    file = cache_folder() / "features" / f"{hashlib.blake2b(recipe.encode(), digest_size=16).hexdigest()}.npz"

    def remembered() -> Seen | None:
        return _read(file, network.dim) if pictures.key else None

    if together:
        _refuse_others(pictures)
    seen = processes.from_lead(remembered) if together else remembered()
    if seen is None:
        seen = _look(pictures, network, view, on_event, should_stop, together)
        if pictures.key and (processes.leads() or not together):
            _write(file, seen)
    if len(seen) < 2:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in seen.skipped[:3]))
        told = f" ({reasons})" if reasons else ""
        raise DatasetError(
            f"{pictures.name} has {len(seen)} usable pictures{told}; a score needs at least 2.",
            "Point at a folder or zip of pictures; some hundreds make the figures worth reading.",
        )
    return seen


def _refuse_others(pictures: PictureSet) -> None:
    """Machines may hold different folders of one name, and a run may get a checkpoint just now."""
    if len(set(processes.gather((pictures.name, pictures.key, pictures.count)))) > 1:
        raise DatasetError(
            f"Not all processes find the same pictures in {pictures.name}.",
            "Let all machines see the same files, and change nothing while a score is made.",
        )


def _look(
    pictures: PictureSet,
    network: FeatureNetwork,
    view: View,
    on_event: Callable[[ScoreProgress], None],
    should_stop: Callable[[], bool],
    together: bool,
) -> Seen:
    order = chosen_places(pictures.count)
    # A row may depend on its company by rounding: whatever can be read, and however many share them, batches are these.
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    first, step = (processes.rank(), processes.size()) if together else (0, 1)
    turns = -(-len(batches) // step)
    parts: list[Seen] = []
    on_event(ScoreProgress(pictures.name, 0, len(order)))
    reading = _in_order(pictures, batches[first::step], view)
    for turn, batch in zip_longest(range(1, turns + 1), reading):  # in the last turn there may be none left for us
        if batch is not None:
            parts.append(_look_at(batch, pictures, network))
        on_event(ScoreProgress(pictures.name, min(turn * step * BATCH, len(order)), len(order)))
        # To ask the others is to wait for the slowest.
        asked = step == 1 or turn == turns or turn % _TURNS_UNASKED == 0
        if asked and (processes.any_of(should_stop()) if together else should_stop()):
            raise Interrupted("Stopped while looking at the pictures.", "Give the same command to start again.")
    parts = in_turns(processes.gather(parts)) if together else parts
    logits = [part.logits for part in parts if part.logits is not None]
    return Seen(
        torch.cat([torch.empty(0, network.dim), *(part.values for part in parts)]),
        torch.cat(logits) if logits else None,
        tuple(place for part in parts for place in part.places),
        tuple(left_out for part in parts for left_out in part.skipped),
    )


def _look_at(batch: _Batch, pictures: PictureSet, network: FeatureNetwork) -> Seen:
    """What can be read of a batch, pictures of one shape at once."""
    values, logits = [torch.empty(0, network.dim)], list[torch.Tensor]()
    places: list[int] = []
    usable = [(place, found) for place, found in batch if not isinstance(found, str)]
    for _, alike in groupby(usable, lambda pair: pair[1].shape):
        numbers, arrays = zip(*alike, strict=True)
        found, classified = network(torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2))
        if not bool(found.isfinite().all()):
            raise WeightsError(
                f"The network {network.name} gives no numbers (NaN) for {pictures.name}.",
                "Its weights may be damaged: get them again, or use --features artgan.",
            )
        values.append(found)
        logits.extend([classified] if classified is not None else [])
        places.extend(numbers)
    skipped = tuple((pictures.title(place), found) for place, found in batch if isinstance(found, str))
    return Seen(torch.cat(values), torch.cat(logits) if logits else None, tuple(places), skipped)


def in_turns(dealt: Sequence[Sequence[T]]) -> list[T]:
    """One of each after another: what was dealt as `whole[rank::size]`, whole again."""
    return [dealt[place % len(dealt)][place // len(dealt)] for place in range(sum(map(len, dealt)))]


def chosen_places(count: int) -> list[int]:
    """All places, or MOST_REAL of them drawn once and for all."""
    if count <= MOST_REAL:
        return list(range(count))
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MOST_REAL]
    return sorted(drawn.tolist())


def _in_order(pictures: PictureSet, batches: Sequence[Sequence[int]], view: View) -> Iterator[_Batch]:
    """Every batch, its pictures brought to the view; threads read ahead."""

    def read(places: Sequence[int]) -> _Batch:
        found = [one if isinstance(one, str) else fitted(one, view) for one in pictures.read(places)]
        return list(zip(places, found, strict=True))

    size = _BUNCH if pictures.workers > 1 else _BUNCH_DRAWN
    most = max(1, 3 * pictures.workers * size // BATCH)
    ahead: deque[list[Future[_Batch]]] = deque()

    def taken() -> _Batch:
        return [pair for bunch in ahead.popleft() for pair in bunch.result()]

    with quiet_decoding(), ThreadPoolExecutor(pictures.workers) as pool:
        try:
            for batch in batches:
                bunches = [batch[start : start + size] for start in range(0, len(batch), size)]
                ahead.append([pool.submit(read, bunch) for bunch in bunches])
                if len(ahead) > most:
                    yield taken()
            while ahead:
                yield taken()
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
