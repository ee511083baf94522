"""A painting made again from its recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artgan.errors import DatasetError
from artgan.style.controls import Controls
from artgan.style.recipe import completed, digest


def request(recipe: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """What to ask of `artgan.stylize` to have a painting again.

    Args:
        recipe: as it stands in the painting.
        home: the folder the painting lies in, from where its inputs are looked for.

    Raises:
        DatasetError: an input is gone, or is another picture now.
        UsageError: a setting is out of range.
        KeyError, TypeError, ValueError, AttributeError: the recipe is damaged.
    """
    masks = [str(_input(entry, home)) for entry in recipe["masks"]]
    told = completed(recipe["settings"])
    settings = {name: told[name] for name in Controls.names()}
    Controls(**settings).checked()
    return {
        "content": _input(recipe["content"], home),
        "style": [f"{_input(entry, home)}:{float(entry['weight'])!r}" for entry in recipe["styles"]],
        "mask": ":".join(masks) if masks else None,
        **settings,
    }


def _input(entry: Mapping[str, Any], home: Path) -> Path:
    path = home / str(entry["file"])
    if not path.is_file():
        raise DatasetError(
            f"{path}, which it was painted from, is gone.", "Put it there, or the painting back where it was."
        )
    if digest(path) != entry["sha256"]:
        raise DatasetError(f"{path}, which it was painted from, has changed.", "Put the old one there again.")
    return path
