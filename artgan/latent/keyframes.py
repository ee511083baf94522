"""Keyframes of a walk: the latents that it passes, and the classes that melt into one another on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artgan.latent.latents import Latent, latents_in_turn, seeded
from artgan.latent.project import Projecting, finder
from artgan.models.trained import LoadedGenerator

KEYS = 6
"""Keyframes when nobody names any."""
_MOST_CLASSES = 24  # that are passed when nobody names one
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One picture of the grid: keyframes (K, z_dim), their classes or texts (K, c_dim), and where it sets out.

    Classes are shares of each, texts their vectors.
    """

    z: NDArray[np.float32]
    classes: NDArray[np.float32]
    names: tuple[str, ...]
    start: float
    seed: int


def cells_of(
    model: LoadedGenerator,
    count: int,
    words: list[str | Path],
    class_name: str | None,
    truncation: float | None,
    seed: int,
    on_event: Callable[[Projecting], None],
    should_stop: Callable[[], bool],
    each: int = KEYS,
) -> list[Cell]:
    """The keyframes of every picture of a grid.

    Args:
        model: that paints them.
        count: pictures of the grid.
        words: as `latents_from` takes them; all pictures then go the same way, from equally spaced places on.
        class_name: a class, or several with commas between, for keyframes that name none, in turn; None is all.
        truncation: of seeds.
        seed: chooses the keyframes that nobody names, and one for each picture.
        on_event: called while pictures of one's own are projected.
        should_stop: asked then before every step.
        each: keyframes of a picture when nobody names any, and at least one of each class; 1 is one, of the classes in
            turn from picture to picture.

    Raises:
        UsageError: a word or a class is not known.
        DatasetError: a picture of one's own cannot be read.
        Interrupted: it was stopped.
    """
    classes = _class_names(model, class_name)
    if words:
        find = finder(model, classes[0] if len(classes) == 1 else None, on_event, should_stop)
        found = latents_in_turn(words, model, classes, truncation=truncation, project=find)
        return [_cell(model, found, place * len(found) / count, seed + place) for place in range(count)]
    each = max(each, min(len(classes), _MOST_CLASSES)) if each > 1 else 1
    cells = []
    for place in range(count):
        first = (seed * count + place) * each
        kinds = [classes[place % len(classes)]] if classes and each == 1 else classes
        found = _seeded(model, range(first, first + each), kinds, truncation)
        cells.append(_cell(model, found, 0.0, seed * count + place))
    return cells


def _class_names(model: LoadedGenerator, text: str | None) -> list[str]:
    """The classes that a text names; if it names none, all of the model's, or texts that it has learnt."""
    if text is None:
        return list(model.names)
    names = [text] if text in model.classes else [name.strip() for name in text.split(",")]
    for name in names:
        model.class_index(name)
    return names


def _seeded(
    model: LoadedGenerator, seeds: Sequence[int], classes: Sequence[str], truncation: float | None
) -> list[Latent]:
    """Latents of seeds, whose classes take turns."""
    kinds: Sequence[str | None] = classes or [None]
    return [
        latent
        for place, seed in enumerate(seeds)
        for latent in seeded((seed,), kinds[place % len(kinds)], truncation, model)
    ]


def _cell(model: LoadedGenerator, found: Sequence[Latent], start: float, seed: int) -> Cell:
    c = model.conditions([latent.class_name for latent in found])
    shares = np.zeros((len(found), 0), np.float32)
    if c is not None:
        shares = c.numpy() if c.is_floating_point() else np.eye(model.c_dim, dtype=np.float32)[c.numpy()]
    return Cell(np.stack([latent.z for latent in found]), shares, tuple(latent.name for latent in found), start, seed)


def blend(shares: NDArray[np.float32], at: Floats, loop: bool) -> NDArray[np.float32]:
    """Shares of the classes (n, c_dim) between those of the keyframes (K, c_dim): one class melts into the next."""
    count = len(shares)
    where = np.mod(at, count) if loop else np.clip(at, 0, count - 1)
    first = np.floor(where).astype(np.int64)
    t = (where - first)[:, None].astype(np.float32)
    first %= count
    second = (first + 1) % count if loop else np.minimum(first + 1, count - 1)
    return np.asarray((1 - t) * shares[first] + t * shares[second], np.float32)
