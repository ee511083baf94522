"""`artgan.project`: the nearest latent of one's own pictures."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import artgan
from artgan.data.sources import scan
from artgan.engine.device import explaining_memory
from artgan.engine.images import encode_png, to_uint8
from artgan.engine.storage import atomic_write, refuse_existing, spelt
from artgan.engine.vision import grid
from artgan.errors import DatasetError
from artgan.latent.latents import Latent, draw, save_latents
from artgan.latent.projector import STEPS, Projector
from artgan.models.trained import LoadedGenerator, load

__all__ = ["FAR", "STEPS", "ProjectResult", "Projected", "Projecting", "Projector", "finder", "project"]

FAR = 1.0
"""From this distance on a picture is said to be far from what the model paints; see `Projected`."""


@dataclass(frozen=True)
class Projecting:
    """`done` of `total` steps are made, over all pictures; `picture` is at work.

    With the last step of a picture that is a keyframe or a parent comes its `distance`, as in `Projected`.
    """

    picture: Path
    done: int
    total: int
    distance: float | None = None


@dataclass(frozen=True)
class Projected:
    """What was found for one picture.

    Attributes:
        picture: the file.
        latent: the .npz with its latent; None when it failed.
        sheet: the picture and what was found, side by side; the latent stands in its recipe.
        distance: of the two, in units of how far two of the model's samples are from one another (see
            `artgan.latent.likeness`): 0 is the same picture. The model's own samples come back to below 0.1.
        class_name: the class that was found or given.
        far: whether the nearest that the model can paint is farther from the picture than FAR, which is as far as its
            samples are from one another: it has learnt nothing like it, or too little yet.
        reason: why it failed.
    """

    picture: Path
    latent: Path | None = None
    sheet: Path | None = None
    distance: float | None = None
    class_name: str | None = None
    far: bool = False
    reason: str = ""


@dataclass(frozen=True)
class ProjectResult:
    """What was found for every picture, in order, by which model; `passed_over` as in `SampleResult`."""

    pictures: tuple[Projected, ...]
    run: str
    nimg: int
    passed_over: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The side-by-side pictures that were written."""
        return tuple(picture.sheet for picture in self.pictures if picture.sheet is not None)


def project(
    pictures: str | Path | Sequence[str | Path],
    run: str | Path | None = None,
    *,
    class_name: str | None = None,
    steps: int = STEPS,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[[Projecting], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ProjectResult:
    """Find the nearest latents of pictures, and write each (NAME.npz) with a side-by-side picture (NAME-projected.png).

    A picture's result is the same alone or among others.

    Args:
        pictures: files, folders (all levels) or zips.
        run: as in `artgan.sample`.
        class_name: the class of all of them; None tries every class of a conditional model.
        steps: of the search, 1 or more.
        seed: of the search.
        out: the folder to write into; None is `projections` in the run's folder.
        overwrite: replace files that exist; in the run's own folder they are.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called after every step.
        should_stop: asked before every step.

    Raises:
        UsageError: class, steps or seed make no sense, or a file exists.
        DatasetError: none of the pictures can be read.
        CheckpointError: there is no model.
        Interrupted: `should_stop` said so; what was found before is written.
    """
    inputs = _inputs([pictures] if isinstance(pictures, str | Path) else pictures)
    model = load(run, runs_dir=runs_dir, device=device)
    if class_name is not None:
        model.class_index(class_name)
    folder = Path(out) if out is not None else model.home / "projections"
    names = _names([path for path, _ in inputs])
    for name in names:
        for file in (folder / f"{name}.npz", folder / f"{name}-projected.png"):
            refuse_existing(file, overwrite or out is None)
    found: list[Projected] = []
    with explaining_memory("Use a smaller model."):
        projector = Projector(model, steps, seed)
        for number, ((path, read), name) in enumerate(zip(inputs, names, strict=True)):

            def tell(step: int, path: Path = path, before: int = number * steps) -> None:
                on_event(Projecting(path, before + step, len(inputs) * steps))

            try:
                target = projector.open(path, read())
            except (DatasetError, OSError) as error:
                found.append(Projected(path, reason=str(error)))
                tell(steps)
                continue
            latent, distance = projector.find(target, path.name, class_name, tell, should_stop)
            found.append(_write(projector, path, target, latent, distance, folder / name, class_name))
    if not any(picture.sheet for picture in found):
        raise DatasetError(found[0].reason, "Give pictures: JPEG, PNG, TIFF, WebP and many more.")
    return ProjectResult(tuple(found), model.run, model.nimg, model.passed_over)


def finder(
    model: LoadedGenerator,
    class_name: str | None = None,
    on_event: Callable[[Projecting], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Callable[[Path], Latent]:
    """A function from one's own picture to its latent, for `latents_from`; nothing is loaded before its first use."""
    projectors: list[Projector] = []

    def find(path: Path) -> Latent:
        if not projectors:
            projectors.append(Projector(model, STEPS))
        (projector,) = projectors
        target = projector.open(path)
        latent, distance = projector.find(
            target, path.name, class_name, lambda step: on_event(Projecting(path, step, STEPS)), should_stop
        )
        on_event(Projecting(path, STEPS, STEPS, distance))
        return latent

    return find


def _inputs(pictures: Sequence[str | Path]) -> list[tuple[Path, Callable[[], bytes]]]:
    """Every picture that is meant, and what reads it.

    Raises:
        DatasetError: a file or folder is not there, or there is no picture in any.
    """
    found: list[tuple[Path, Callable[[], bytes]]] = []
    for path in map(Path, pictures):
        if path.is_dir() or path.suffix.lower() == ".zip":
            source = scan(path, labels="none")
            read = source.reader()
            found += [(path / file.name, lambda file=file, read=read: read(file)) for file in source.files]  # type: ignore[misc]
        elif path.is_file():
            found.append((path, path.read_bytes))
        else:
            raise DatasetError(f"The picture {path} does not exist.", "Check the path; quote it when it holds spaces.")
    if not found:
        raise DatasetError("There is no picture to project.", "Give a picture, or a folder that holds some.")
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for every file's results: its own without its suffix, and a number where several share it."""
    names: list[str] = []
    for path in paths:
        name, number = path.stem, 2
        while name.casefold() in {other.casefold() for other in names}:
            name, number = f"{path.stem}-{number}", number + 1
        names.append(name)
    return names


def _write(
    projector: Projector,
    path: Path,
    target: torch.Tensor,
    latent: Latent,
    distance: float,
    place: Path,
    class_name: str | None,
) -> Projected:
    model = projector.model
    words = ["artgan", "project", spelt(str(path)), "--run", model.run]
    words += ["--class", class_name] if class_name else []
    recipe: dict[str, Any] = {
        "kind": "project",
        "artgan": artgan.__version__,
        "command": shlex.join([*words, "--steps", str(projector.steps), "--seed", str(projector.seed)]),
        "run": model.run,
        "nimg": model.nimg,
        "distance": distance,
        "latents": [latent.plain()],
        "settings": model.settings.model_dump(mode="json"),
    }
    file, sheet = place.with_name(f"{place.name}.npz"), place.with_name(f"{place.name}-projected.png")
    both = grid(torch.stack([target, draw(model, [latent])[0]]), 2)
    save_latents(file, [latent], model.run)
    atomic_write(sheet, encode_png(to_uint8(both.numpy()), recipe))
    return Projected(path, file, sheet, distance, latent.class_name, distance > FAR)
