"""The model to be looked into, with what lies around it: its checkpoint, its run, and the pictures it learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from artgan.data.cache import DataEvent
from artgan.data.pictures import Pictures
from artgan.engine.images import to_mode
from artgan.engine.seeds import Streams
from artgan.engine.storage import Run
from artgan.errors import ArtganError, DatasetError, Interrupted
from artgan.interpretation.draws import Draws, Should, Tell, Working
from artgan.metrics.features import ScoreProgress, look, view_of
from artgan.metrics.networks import FeatureNetwork
from artgan.metrics.sets import PictureSet, find_checkpoints, newest_of, pictures_set, training_pictures
from artgan.models.trained import LoadedGenerator, load

MOST_REAL = 4000
"""Of more training pictures, so many are drawn to stand for all."""


@dataclass(frozen=True)
class Subject:
    """What is there to look into.

    Attributes:
        model: the generator.
        checkpoint: the folder that its file lies in.
        run: None for a file that was shared without its run.
        reals: the training pictures, and the places of those that are looked at; None when they are not to be had.
        notes: what the user should know of these.
        reason: why the training pictures are not to be had; else empty.
    """

    model: LoadedGenerator
    checkpoint: Path
    run: Run | None
    reals: tuple[Pictures, tuple[int, ...]] | None
    notes: tuple[str, ...]
    reason: str


def open_subject(
    spec: str | Path | None, class_name: str | None, runs_dir: Path, device: str, tell: Tell, should_stop: Should
) -> Subject:
    """Find and load a model and the pictures it learnt from.

    Args:
        spec: run, RUN@KIMG, checkpoint folder or file; None is the latest run.
        class_name: keep to the training pictures of this class.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        tell: told of every step.
        should_stop: asked between steps.

    Raises:
        CheckpointError: there is no model, or it is damaged.
        UsageError: the model has no such class.
        Interrupted: `should_stop` said so.
    """
    found, files = find_checkpoints(spec, runs_dir)
    model = load(newest_of(found, files), device=device)
    if class_name is not None:
        model.class_index(class_name)
    run = Run(model.home) if (model.home / "run.json").is_file() else None
    kept = files[-1].parent if found is None else model.home / "checkpoints" / f"{model.nimg:09d}"
    notes = tuple(f"{reason} Looking into the checkpoint before it." for reason in model.passed_over)
    if run is None:
        return Subject(model, kept, None, None, notes, "A file that was shared alone comes without its pictures.")

    def told(event: DataEvent) -> None:
        done, total = getattr(event, "done", None), getattr(event, "total", None)
        if done is not None and total is not None:
            tell(Working("Reading the training pictures", done, total))

    try:
        pictures, changed = training_pictures(run, told, should_stop)
        places = _chosen(pictures, model, class_name)
    except Interrupted:
        raise
    except ArtganError as error:
        return Subject(model, kept, run, None, notes, error.message)
    if len(places) < len(pictures) and class_name is None:
        changed = (*changed, f"{len(places)} of {len(pictures)} training pictures were drawn to stand for all.")
    return Subject(model, kept, run, (pictures, places), (*notes, *changed), "")


def _chosen(pictures: Pictures, model: LoadedGenerator, class_name: str | None) -> tuple[int, ...]:
    """The places of the training pictures that are looked at.

    Raises:
        DatasetError: they are not of the classes that the model learnt, or too few.
    """
    if pictures.classes != model.classes:
        raise DatasetError(
            f"The classes of the pictures are no longer those that {model.run} was trained with.", "Train it again."
        )
    drawing = Streams(0).generator("pictures to interpret")
    if class_name is None:
        return tuple(pictures.sample(MOST_REAL, drawing).tolist())
    places = torch.nonzero(pictures.labels == model.class_index(class_name)).flatten()
    if len(places) > MOST_REAL:
        places = places[torch.randperm(len(places), generator=drawing)[:MOST_REAL].sort().values]
    return tuple(places.tolist())


def reals_set(subject: Subject) -> PictureSet:
    """The training pictures that are looked at, as a set; there have to be some."""
    assert subject.reals is not None
    pictures, places = subject.reals
    whole = pictures_set(pictures, "training pictures")
    if len(places) == len(pictures):
        return whole
    return replace(
        whole,
        count=len(places),
        read=lambda chosen: whole.read([places[at] for at in chosen]),
        title=lambda at: whole.title(places[at]),
        key=None,
        labels=tuple(whole.labels[place] for place in places) if whole.labels else (),
    )


def fakes_set(pixels: torch.Tensor, drawn: Draws) -> PictureSet:
    """Samples, uint8 (N, C, H, W), as a set."""

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        return [picture_of(pixels[place]) for place in places]

    width, height = pixels.shape[3], pixels.shape[2]
    return PictureSet("samples", len(pixels), read, drawn.title, None, (width, height))


def picture_of(pixels: torch.Tensor) -> Image.Image:
    """A picture, uint8 (C, H, W), as RGB; alpha is laid over white."""
    array = pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous().numpy()
    return to_mode(Image.fromarray(array), "rgb")


def see(pictures: PictureSet, network: FeatureNetwork, tell: Tell, should_stop: Should) -> torch.Tensor:
    """Features (N, D) of a set, from the cache when `score` or this has looked at it before.

    Raises:
        DatasetError: there are fewer than two pictures.
        Interrupted: `should_stop` said so.
    """

    def told(event: ScoreProgress) -> None:
        tell(Working(f"Looking at {event.name}", event.done, event.total))

    return look(pictures, network, view_of(network.side, pictures.shape), told, should_stop).values
