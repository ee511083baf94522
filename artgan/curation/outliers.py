"""Pictures unlike the rest of their set, by what the embedded encoder sees in them: a screenshot among paintings.

A picture is far out when its neighbours are farther away than theirs are from one another (in the spirit of the local
outlier factor, Breunig et al. 2000), and farther also than is usual in the set. So neither a loose class beside a dense
one nor a small class of its own is taken for strangers.
"""

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artgan.curation.looks import Floats
from artgan.curation.survey import Seen, inside
from artgan.curation.workers import ahead

UNLIKE = "unlike the rest"
SIDE = 48
"""Pixels of a side, whatever the shape: enough to see what a picture is made of, and soon looked at."""
LEAST = 20
"""Of fewer pictures none is called unusual."""
EXACT, REFERENCES = 10_000, 5_000
"""Up to so many pictures are compared with all others; more with so many, evenly spread over the set."""
BEYOND, FARTHER = 3.0, 1.35
"""What is still usual: so many times as far beyond the median as 85 % stay, and so many times the median distance."""
_MAPS = (4, 5)  # fire4 and fire5: the deeper maps find fewer strangers in pictures this small, and take longer
BATCH = 8  # larger ones do not fit into a core's cache: they take longer
_AHEAD = 64  # batches
_ROWS = 4096
_COPIES = 0.1  # share of the median distance below which pictures are copies, and their distance says nothing

Doubles = NDArray[np.float64]
Halves = NDArray[np.float16]
Picture = NDArray[np.uint8]
T = TypeVar("T")


def embed(pixels: Iterable[Picture]) -> Halves:
    """What the encoder sees in upright sRGB pictures (H, W, 3) of any size: a row (N, 512) each, 0 or above, float16.

    They are stretched to SIDE x SIDE; 64 px on the longest side are enough. On one core, which is as fast as two for
    pictures this small, in batches that are taken from `pixels` as they are needed.
    """
    with _one_thread():
        eye = _Eye()
        return np.concatenate(
            [np.zeros((0, 512), np.float16), *(eye(batch) for batch in _batches(map(_small, pixels)))]
        )


def embedded(seen: Iterator[Seen], at_once: int, scans: bool) -> Generator[Seen]:
    """Files with the rows of what the encoder sees in them, where there is a picture; copies are found without paper.

    The encoder looks in threads of its own, while other files are being read. What it sees depends a little on what
    lies in the same batch, and a batch is always BATCH files that follow one another, readable or not.

    Args:
        seen: what reading files told.
        at_once: how many files are read at once; there is one thread to look for every three.
        scans: whether paper around a picture is left out.
    """
    import torch

    def look(some: list[Seen]) -> list[Seen]:
        pictures = [_small(inside(one.picture, one.found if scans else None)) for one in some if len(one.thumbnail)]
        rows = iter(eye.result()(pictures) if pictures else ())
        return [replace(one, embedding=next(rows)) if len(one.thumbnail) else one for one in some]

    with _one_thread():
        threads = ThreadPoolExecutor(max(1, at_once // 3), initializer=torch.set_num_threads, initargs=(1,))
        try:
            eye = threads.submit(_Eye)
            for some in ahead(threads, look, _batches(seen), _AHEAD):
                yield from some
        finally:
            threads.shutdown(cancel_futures=True)


class _Eye:
    """The encoder, for small pictures on the CPU."""

    def __init__(self) -> None:
        import torch

        from artgan.engine.device import Engine
        from artgan.models.encoder import load_encoder

        encoder = load_encoder(Engine.detect("cpu", "float32"))
        # For these small maps channels last is a third faster, also in float32.
        self._encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, batch: Sequence[Picture]) -> Halves:
        """Rows (N, 512) for pictures (SIDE, SIDE, 3)."""
        import torch

        stacked = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        with torch.inference_mode():
            maps = self._encoder.all_maps(stacked, most=max(_MAPS) + 1)
            means = torch.cat([maps[number].mean((2, 3)) for number in _MAPS], 1)
        rows: Halves = means.half().numpy()
        return rows


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch do its sums in one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _small(picture: Picture) -> Picture:
    """By Pillow, not by numpy: threads of its algebra that wait for one another would slow down what else is read."""
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def outliers(embeddings: Halves | Floats) -> list[tuple[int, float]]:
    """Pictures unlike the rest, by number, and how far out they are: from 1, the limit of what is usual, upwards.

    What counts is the distance to the k-th nearest other picture; k is a twentieth of the pictures, from 3 to 8, so up
    to that many strangers are found even if they are alike, and more are a class. This distance is compared with the
    same one of the picture's 4 k neighbours, and with the median of the set. The limit of the first follows from how
    it is spread within the set, that of the second is FARTHER; the lesser excess is returned.

    With up to EXACT pictures all are compared with all. Of more, every picture is compared with REFERENCES of them,
    evenly spread and always the same, and its distances are those to the nearest references: the time grows in
    proportion to the number of pictures, but a class of which only few are among the references is not known as one.

    Args:
        embeddings: what `embed` made of each picture (N, D). Copies are better left out: one that is there more than
            k times has near neighbours.

    Returns:
        The most unlike first; none of fewer than LEAST pictures.

    Raises:
        UsageError: they are not finite.
    """
    count = len(embeddings)
    if count < LEAST:
        return []
    among = np.linspace(0, count - 1, count if count <= EXACT else REFERENCES).round().astype(np.int64)
    k = int(np.clip(len(among) // 20, 3, 8))
    far, near = _neighbours(embeddings, among, k)
    median = float(np.median(far))
    if median <= 0:
        return []  # more than half of them are copies of others
    far = np.maximum(far, _COPIES * median)
    beside = far / np.median(far[near], 1)
    middle, wide = np.quantile(np.log(beside), (0.5, 0.85))
    score = np.minimum(beside / np.exp(middle + BEYOND * (wide - middle)), far / (FARTHER * median))
    order = np.argsort(-score, kind="stable")
    return [(int(number), float(score[number])) for number in order[: np.count_nonzero(score > 1)]]


def reason(score: float) -> str:
    """How far out a picture is, in words."""
    return f"{UNLIKE} ({score:.2f} times as far from others as usual ones are at most)"


def _neighbours(embeddings: Halves | Floats, among: NDArray[np.int64], k: int) -> tuple[Doubles, NDArray[np.int64]]:
    """Distances (N,) to the k-th nearest other of the pictures `among` all, and which of these are the 4 k nearest."""
    import torch

    from artgan.metrics.neighbours import nearest

    # Means of maps that are mostly 0 have long tails: their roots are spread more evenly.
    known = np.sqrt(embeddings[among].astype(np.float32))
    mean, spread = known.mean(0), known.std(0)
    scale = spread + max(0.05 * float(known.std()), 1e-6)  # what hardly varies must not count as much as the rest
    references = torch.from_numpy((known - mean) / scale)
    far = np.zeros(len(embeddings))
    near = np.zeros((len(embeddings), min(4 * k, len(among) - 1)), np.int64)

    def note(numbers: NDArray[np.int64], distance: torch.Tensor, rows: torch.Tensor) -> None:
        far[numbers], near[numbers] = distance[:, k - 1].numpy(), among[rows.numpy()]

    note(among, *nearest(references, references, exclude_self=True, k=near.shape[1]))
    rest = np.setdiff1d(np.arange(len(embeddings)), among, assume_unique=True)
    for some in np.split(rest, range(_ROWS, len(rest), _ROWS)) if len(rest) else ():
        points = torch.from_numpy((np.sqrt(embeddings[some].astype(np.float32)) - mean) / scale)
        note(some, *nearest(points, references, k=near.shape[1]))
    return far, near
