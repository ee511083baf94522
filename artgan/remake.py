"""`artgan.again`: make a picture once more from what it says of itself."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artgan.engine.artwork import SUFFIXES
from artgan.engine.images import quiet_decoding, read_recipe
from artgan.engine.storage import find_run
from artgan.engine.video import FORMATS, read_film_recipe
from artgan.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from artgan.style.events import StylizeEvent


def again(
    picture: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[["StylizeEvent"], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Make a picture of `artgan stylize`, `artgan sample` or `artgan breed` once more, from the recipe inside it.

    Args:
        picture: a PNG, TIFF or JPEG that artgan wrote. The pictures a painting was made from are looked for where they
            lay, as seen from its folder.
        out: the file to write, or a folder for one of the same name; None is NAME-again beside it.
        overwrite: replace a file that exists.
        runs_dir: the folder that holds the runs, for samples and children.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called with the events of a painting.
        should_stop: asked by a painting before every step.

    Returns:
        The file that was written; on the same kind of machine with the same versions, the same picture, and in the
        folder of the first one the same bytes.

    Raises:
        UsageError: it is not a picture that artgan made, or `out` exists.
        DatasetError: a picture it was made from is gone or has changed.
        CheckpointError: the run or checkpoint it was drawn from is gone.
    """
    path = Path(picture)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Give a picture that artgan wrote.")
    with quiet_decoding():
        recipe = _recipe(path)
    target = _target(path, Path(out) if out is not None else None)
    try:
        if recipe.get("kind") == "stylize":
            from artgan.style.redo import request

            asked = request(recipe, path.parent)
        elif recipe.get("kind") == "breed":
            asked = {"checkpoint": _checkpoint(recipe, path, Path(runs_dir))}
        elif recipe.get("kind") == "sample":
            asked = _sample_request(recipe, path, Path(runs_dir))
        else:
            raise UsageError(
                f"{path} is a picture of a kind that cannot be made again.", "Give a painting, a sample or a child."
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"The recipe in {path} is damaged: {error!r}.", "Give a picture that artgan wrote.") from error
    if recipe["kind"] == "stylize":
        from artgan.style.stylize import stylize

        return stylize(
            **asked, out=target, overwrite=overwrite, device=device, on_event=on_event, should_stop=should_stop
        ).files[0]
    if recipe["kind"] == "breed":
        from artgan.latent.breed import redraw

        return redraw(path, recipe, asked["checkpoint"], target, overwrite, device)
    from artgan.latent.sample import sample

    return sample(**asked, out=target, overwrite=overwrite, device=device).files[0]


def _recipe(picture: Path) -> dict[str, Any]:
    """How a picture was made.

    Raises:
        UsageError: it does not say so, or is a film.
    """
    film = read_film_recipe(picture) if picture.suffix.lower() in FORMATS and picture.suffix.lower() != ".png" else {}
    if film.get("kind") in ("walk", "stylize-film"):
        raise UsageError(f"{picture} is a film, which is not made again by itself.", f"Its command: {film['command']}")
    return read_recipe(picture)


def _target(picture: Path, out: Path | None) -> Path:
    if out is not None:
        return out / picture.name if out.is_dir() else out
    suffix = picture.suffix if picture.suffix.lower() in SUFFIXES else ".png"
    return picture.with_name(f"{picture.stem}-again{suffix}")


def _sample_request(recipe: Mapping[str, Any], picture: Path, runs_dir: Path) -> dict[str, Any]:
    """What to ask of `artgan.sample` to have a sample again.

    Raises:
        CheckpointError: the run or checkpoint is gone.
        KeyError, TypeError, ValueError, AttributeError: the recipe is damaged.
    """
    from artgan.latent.sliders import told_sliders

    truncation, columns, text = recipe["truncation"], recipe.get("columns"), recipe.get("text")
    return {
        "run": _checkpoint(recipe, picture, runs_dir),
        "seeds": [int(seed) for seed in recipe["seeds"]],
        "class_name": recipe["class"],
        "text": None if text is None else str(text),
        "truncation": None if truncation is None else float(truncation),
        "columns": None if columns is None else int(columns),
        "sliders": told_sliders(recipe.get("sliders", [])),
        "bends": [str(bend) for bend in recipe.get("bends", [])],
    }


def _checkpoint(recipe: Mapping[str, Any], picture: Path, runs_dir: Path) -> Path:
    """The checkpoint that a picture was drawn from.

    Raises:
        CheckpointError: the run or checkpoint is gone.
        KeyError, TypeError, ValueError: the recipe is damaged.
    """
    # A sheet lies in its run, unless it was moved; then the run is looked for by its name.
    name = str(recipe["run"])
    inside = next((folder for folder in picture.absolute().parents if folder.name == name), None)
    run = find_run(inside or name, runs_dir)
    checkpoint = run.checkpoints / f"{int(recipe['nimg']):09d}"
    if not checkpoint.is_dir():
        raise CheckpointError(
            f"The checkpoint {checkpoint}, which {picture} was drawn from, is gone.",
            "Old checkpoints are thinned out; `artgan sample` draws from a newer one.",
        )
    return checkpoint
