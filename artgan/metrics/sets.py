"""Sets of pictures to be scored: folders and zips, what a run was trained on, and what its generator draws."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from artgan.config import validated
from artgan.data.cache import DataEvent, scan_again
from artgan.data.decoding import why_unreadable
from artgan.data.pictures import Pictures, load_pictures
from artgan.data.shard_names import find_shards
from artgan.engine import processes
from artgan.engine.checkpoint import GENERATOR, whole_names
from artgan.engine.images import decode, to_mode, to_uint8
from artgan.engine.seeds import Streams, latents
from artgan.engine.storage import Run, find_run
from artgan.errors import CheckpointError, DatasetError
from artgan.models.packed import SUFFIX
from artgan.models.render import render
from artgan.models.trained import LoadedGenerator
from artgan.presets import read_preset as read_config

MOST_REAL = 50_000
"""A larger set of real pictures is represented by a random choice of so many, as in the literature (Heusel 2017)."""


@dataclass(frozen=True)
class PictureSet:
    """Pictures that can be read one by one or in bunches.

    Attributes:
        name: what to call it before people.
        count: how many there are, readable or not.
        read: the pictures at some places, RGB, or the reason why one cannot be read.
        title: what to call the picture at a place.
        key: a digest that changes with the content; None when there is none.
        shape: (width, height) when all pictures are known to be alike.
        classes: class names; empty without labels.
        labels: class index of every picture; empty without labels.
        texts: caption of every picture that a model was trained on with captions; else empty.
        workers: how many threads may read at once.
        nimg: for samples, how far the generator was trained.
        notes: what the user should know of this set.
    """

    name: str
    count: int
    read: Callable[[Sequence[int]], list[Image.Image | str]]
    title: Callable[[int], str]
    key: str | None
    shape: tuple[int, int] | None
    classes: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    workers: int = 1
    nimg: int | None = None
    notes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def folder_set(path: Path) -> PictureSet:
    """All pictures of a folder or zip; class folders give labels.

    Raises:
        DatasetError: there is nothing, or nothing that could be a picture.
    """
    source = scan_again(path, "auto")
    if not source.files:
        raise DatasetError(f"{path} holds no pictures.", "Point at the folder or zip that holds them.")
    fetch = source.reader()

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        found: list[Image.Image | str] = []
        for place in places:
            try:
                found.append(decode(fetch(source.files[place])))
            except Exception as error:  # a broken picture never stops the others
                found.append(why_unreadable(error))
        return found

    return PictureSet(
        name=str(path),
        count=len(source.files),
        read=read,
        title=lambda place: source.files[place].name,
        key=source.fingerprint,
        shape=None,
        classes=source.classes,
        labels=tuple(source.classes.index(file.label) for file in source.files if file.label is not None),
        workers=max(1, (os.cpu_count() or 1) // processes.local_size()),
    )


def training_set(run: Run, on_event: Callable[[DataEvent], None], should_stop: Callable[[], bool]) -> PictureSet:
    """The pictures that a run was trained on, in the shape it saw them.

    Raises:
        DatasetError: they are gone; the hint says how to name others.
    """
    pictures, notes = training_pictures(run, on_event, should_stop)
    return pictures_set(pictures, f"the training pictures of {run.name}", notes)


def training_pictures(
    run: Run, on_event: Callable[[DataEvent], None], should_stop: Callable[[], bool]
) -> tuple[Pictures, tuple[str, ...]]:
    """The pictures that a run was trained on, decoded, and what the user should know of them.

    Raises:
        DatasetError: they are gone.
    """
    info = run.read_info()
    settings = validated(read_config(run.config).values, where=str(run.config))
    path = Path(info["data"]["path"])
    if find_shards(path) is None and not path.exists():
        raise DatasetError(f"The pictures of {run.name} are no longer at {path}.", "Name real pictures with --real.")
    pictures = load_pictures(path, settings.data, 0, on_event, should_stop, settings.engine.cache_gb)
    changed = pictures.fingerprint != info["data"]["fingerprint"]
    note = f"The pictures in {path} have changed since {run.name} was trained on them."
    return pictures, (note,) if changed else ()


def pictures_set(pictures: Pictures, name: str, notes: tuple[str, ...] = ()) -> PictureSet:
    """Training pictures that are decoded already."""

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        return [_picture(pixels) for pixels in pictures.at([*places]).numpy()]

    _, height, width = pictures.shape
    return PictureSet(
        name=name,
        count=len(pictures),
        read=read,
        title=lambda place: f"training picture {place}",
        key=pictures.key,
        shape=(width, height),
        classes=pictures.classes,
        labels=tuple(pictures.labels.tolist()) if pictures.classes else (),
        notes=notes,
        texts=tuple(pictures.captions[label] for label in pictures.labels.tolist()) if pictures.captions else (),
    )


def sample_set(
    model: LoadedGenerator, num: int, balance: Sequence[float] | None = None, texts: Sequence[str] = ()
) -> PictureSet:
    """What a generator draws from the seeds 0 to num - 1: the pictures of `artgan sample --seeds 0-...`.

    Args:
        model: the generator.
        num: how many.
        balance: share of each class of a conditional model; None is the same for all.
        texts: captions of real pictures, each as often as it is to be drawn by a model that draws from texts; none are
            those few that the model knows of, all as often.
    """
    classes = model.classes
    labels = _spread(num, balance or [1 / len(classes)] * len(classes)) if classes else ()
    wanted = _drawn_from(num, texts or model.texts or [""]) if model.takes_text else [classes[c] for c in labels]
    names: Sequence[str | None] = wanted or [None] * num
    told = f"{model.run} drew for {len(model.texts)} texts that it knows, as the real pictures have no captions."
    note = (told,) if model.takes_text and not texts else ()
    width, height = model.settings.data.size

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        c = model.conditions([names[place] for place in places])
        drawn = render(model.network, model.engine, latents(tuple(places), model.settings.model.z_dim), c)
        return [_picture(to_uint8(pixels)) for pixels in drawn.numpy()]

    return PictureSet(
        name=f"{model.run}@{model.nimg:09d}",
        count=num,
        read=read,
        title=lambda place: f"seed {place}" + (f", {names[place]}" if names[place] else ""),
        key=None,
        shape=(width, height),
        classes=classes,
        labels=labels,
        nimg=model.nimg,
        notes=(*(f"{reason} Scoring the checkpoint before it." for reason in model.passed_over), *note),
    )


def _spread(num: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Labels in the given shares, mixed evenly: each is the class that is most behind its share."""
    given, labels = [0] * len(shares), []
    for place in range(num):
        behind = [share * (place + 1) - count for share, count in zip(shares, given, strict=True)]
        labels.append(behind.index(max(behind)))
        given[labels[-1]] += 1
    return tuple(labels)


def _drawn_from(num: int, texts: Sequence[str]) -> list[str]:
    """Texts in a random order that is always the same, again and again: each as often as it is there."""
    order = torch.randperm(len(texts), generator=Streams(0).generator("texts of samples")).tolist()
    return [texts[order[place % len(texts)]] for place in range(num)]


def _picture(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    """(C, H, W) values as an RGB picture, transparent ones laid over white."""
    array = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    return to_mode(Image.fromarray(array), "rgb")


def is_pictures(path: Path) -> bool:
    """Whether a path is a folder or file of pictures, or means shards of them, and no run, checkpoint or generator."""
    if path.is_dir():
        return not (path / "run.json").is_file() and not (path / GENERATOR).is_file()
    return (path.is_file() and path.suffix not in (".safetensors", SUFFIX)) or find_shards(path) is not None


def find_checkpoints(spec: str | Path | None, runs_dir: Path) -> tuple[Run | None, list[Path]]:
    """The run and the generator files meant by RUN, RUN@KIMG (or its nine digits of nimg), a checkpoint or a file.

    For a bare RUN all its checkpoints are returned, oldest first; None is the latest run.

    Raises:
        CheckpointError: there is no such run or checkpoint.
    """
    name, position = spec, None
    if spec is not None:
        path = Path(spec)
        if path.suffix in (".safetensors", SUFFIX):
            return None, [path]
        if (path / GENERATOR).is_file():
            return None, [path / GENERATOR]
        if "@" in str(spec) and not path.exists():
            name, _, position = str(spec).rpartition("@")
    run = find_run(name, runs_dir)
    there = whole_names(run)
    if not there:
        raise CheckpointError(f"{run.name} has no checkpoint yet.", f"`artgan resume {run.name}` goes on training.")
    if position is not None:
        nimg = int(position) * (1 if len(position) == 9 else 1000) if position[:20].isdecimal() else -1
        chosen = [folder for folder in there if int(folder.name) == nimg]
        if not chosen:
            kept = ", ".join(f"{run.name}@{folder.name}" for folder in there[-8:])
            raise CheckpointError(f"{run.name} has no checkpoint {position[:40]!r}.", f"There are: {kept}.")
        there = chosen
    return run, [folder / GENERATOR for folder in there]


def newest_of(run: Run | None, files: list[Path]) -> Path:
    """What `find_checkpoints` found, to load: a bare run means its newest checkpoint that is whole, as everywhere."""
    return run.folder if run is not None and len(files) != 1 else files[-1]


def refuse_missing(path: Path) -> None:
    """Say that a path leads nowhere, before it is taken for the name of a run.

    Raises:
        DatasetError: it does not exist, and is no name of a run.
    """
    if "@" in path.name or path.exists() or (len(path.parts) < 2 and path.suffix.lower() != ".zip"):
        return
    raise DatasetError(f"{path} does not exist.", "Check the path; `artgan runs` lists runs.")
