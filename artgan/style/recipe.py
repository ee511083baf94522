"""How a painting was made, as it is written into it and read again."""

import hashlib
import os
import shlex
from pathlib import Path
from typing import Any

import artgan
from artgan.engine.images import read_recipe
from artgan.engine.storage import spelt
from artgan.errors import DatasetError, UsageError
from artgan.style.controls import Controls
from artgan.style.jobs import Job

KIND = "stylize"
_DEFAULTS: dict[str, Any] = {
    "detail": "normal",
    "size": None,
    "strength": 1.0,
    "brush_size": 1.0,
    "keep_colors": None,
    "palette_only": False,
    "init": "content",
    "smooth": 0.3,
    "seed": 0,
    "encoder": "artgan",
}


def recipe_of(job: Job, controls: Controls, masks: tuple[Path, Path | None] | None) -> dict[str, Any]:
    """What made a painting: the pictures, relative to the painting's folder, their digests, and all settings.

    Raises:
        DatasetError: a picture cannot be read.
    """
    home = job.out.parent

    def entry(path: Path) -> dict[str, Any]:
        return {"file": _relative(path, home), "sha256": digest(path)}

    return {
        "kind": KIND,
        "artgan": artgan.__version__,
        "command": _command(job, controls, masks),
        "content": entry(job.content),
        "styles": [{**entry(style.path), "weight": style.weight} for style in job.styles],
        "masks": [entry(path) for path in masks or () if path is not None],
        "settings": controls.plain(),
    }


def is_same(path: Path, recipe: dict[str, Any]) -> tuple[bool, bool]:
    """Whether a file was painted from this recipe, wherever the pictures lie now, and whether it is finished."""
    try:
        found = read_recipe(path)
        return _essence(found) == _essence(recipe), found.get("finished") is True
    except (UsageError, TypeError, AttributeError, ZeroDivisionError):  # it is no painting, or says nonsense
        return False, False


def _essence(recipe: dict[str, Any]) -> tuple[Any, ...]:
    def digests(entries: Any) -> list[Any]:
        return [entry.get("sha256") for entry in entries]

    weights = [style.get("weight") for style in recipe.get("styles", [])]
    return (
        recipe.get("kind"),
        digests([recipe.get("content")]),
        digests(recipe.get("styles", [])),
        [weight / sum(weights) for weight in weights],
        digests(recipe.get("masks", [])),
        recipe.get("settings"),
    )


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
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


def _command(job: Job, controls: Controls, masks: tuple[Path, Path | None] | None) -> str:
    """The command that paints this picture, run in the folder where it lies; its name is left to -o."""
    home = job.out.parent
    styles = [
        _relative(style.path, home) + ("" if style.weight == 1 else f":{_number(style.weight)}") for style in job.styles
    ]
    words = ["artgan", "stylize", _relative(job.content, home), *styles]
    for name, value in controls.plain().items():
        if value == _DEFAULTS[name]:
            continue
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, _number(value) if isinstance(value, float) else str(value)]
    if masks is not None:
        words += ["--mask", ":".join(_relative(path, home) for path in masks if path is not None)]
    return shlex.join(words)


def _number(value: float) -> str:
    """A number in as few digits as say it exactly."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
