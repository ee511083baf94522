"""How a painting was made, as it is written into it and read again."""

import hashlib
import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import artgan
from artgan.engine.cut import Cut
from artgan.engine.footage import frame_files
from artgan.engine.images import read_recipe
from artgan.engine.storage import spelt
from artgan.engine.video import read_film_recipe
from artgan.errors import DatasetError, UsageError
from artgan.style.controls import SMOOTH, Controls
from artgan.style.jobs import Job
from artgan.style.taught import usual_detail

KIND = "stylize"
FILM_KIND = "stylize-film"
_DEFAULTS: dict[str, Any] = {
    "detail": "normal",
    "size": None,
    "strength": 1.0,
    "brush_size": 1.0,
    "keep_colors": None,
    "palette_only": False,
    "init": "content",
    "smooth": SMOOTH,
    "seed": 0,
    "encoder": "artgan",
    "dpi": None,
    "bits": None,
}


def recipe_of(
    job: Job, controls: Controls, masks: tuple[Path, Path | None] | None, cut: Cut | None = None
) -> dict[str, Any]:
    """What made a painting: the pictures, relative to the painting's folder, their digests, and all settings.

    That of a film also says what `cut` of its content it is.

    Raises:
        DatasetError: a picture cannot be read.
    """
    home = job.out.parent

    def entry(path: Path) -> dict[str, Any]:
        return {"file": _relative(path, home), "sha256": digest(path)}

    return {
        "kind": KIND if cut is None else FILM_KIND,
        "artgan": artgan.__version__,
        "command": _command(job, controls, masks, cut),
        "content": entry(job.content),
        "styles": [{**entry(style.path), "weight": style.weight} for style in job.styles],
        "masks": [entry(path) for path in masks or () if path is not None],
        "settings": controls.plain(),
        **({} if cut is None else {"cut": asdict(cut)}),
    }


def is_same(path: Path, recipe: dict[str, Any]) -> tuple[bool, bool]:
    """Whether a file was painted from this recipe, wherever the pictures lie now, and whether it is finished."""
    try:
        found = read_film_recipe(path) if recipe["kind"] == FILM_KIND else read_recipe(path)
        return essence(found) == essence(recipe), found.get("finished", recipe["kind"] == FILM_KIND) is True
    except (UsageError, TypeError, AttributeError, ZeroDivisionError):  # it is no painting, or says nonsense
        return False, False


def completed(settings: Any) -> Any:
    """Settings of a recipe, with those that were not yet there when it was written."""
    return {"dpi": None, "bits": None, **settings} if isinstance(settings, dict) else settings


def essence(recipe: dict[str, Any]) -> tuple[Any, ...]:
    """What of a recipe decides how the painting looks, wherever its pictures lie."""

    def digests(entries: Any) -> list[Any]:
        return [entry.get("sha256") for entry in entries]

    weights = [style.get("weight") for style in recipe.get("styles", [])]
    return (
        recipe.get("kind"),
        digests([recipe.get("content")]),
        digests(recipe.get("styles", [])),
        [weight / sum(weights) for weight in weights],
        digests(recipe.get("masks", [])),
        completed(recipe.get("settings")),
        recipe.get("cut"),
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and frames in a folder.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        if path.is_dir():
            frames = [f"{digest(file)} {spelt(file.name)}" for file in frame_files(path)]
            return hashlib.sha256("\n".join(frames).encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.") from error


def _relative(path: Path, home: Path) -> str:
    try:
        text = spelt(Path(os.path.relpath(path, home)).as_posix())
        return f"./{text}" if text.startswith("-") else text  # or it would read as a flag
    except ValueError:  # Windows: another drive
        return spelt(path.absolute().as_posix())


def _command(job: Job, controls: Controls, masks: tuple[Path, Path | None] | None, cut: Cut | None) -> str:
    """The command that paints this picture, run in the folder where it lies; its name is left to -o, but for a film."""
    home = job.out.parent
    styles = [
        _relative(style.path, home) + ("" if style.weight == 1 else f":{_number(style.weight)}") for style in job.styles
    ]
    words = ["artgan", "stylize", _relative(job.content, home), *styles]
    usual = _DEFAULTS | {"detail": usual_detail([style.path for style in job.styles])}
    for name, value in controls.plain().items():
        if value == usual[name]:
            continue
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, _number(value) if isinstance(value, float) else str(value)]
    if masks is not None:
        words += ["--mask", ":".join(_relative(path, home) for path in masks if path is not None)]
    if cut is not None:
        told = {"--from": cut.start or None, "--to": cut.end, "--fps": cut.fps, "-o": spelt(job.out.name)}
        for flag, given in told.items():
            if given is not None:
                words += [flag, _number(given) if isinstance(given, float) else given]
    return shlex.join(words)


def _number(value: float) -> str:
    """A number in as few digits as say it exactly."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
