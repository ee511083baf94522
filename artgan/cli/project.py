"""`artgan project`."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import follow, give, give_json, quiet_native_code, say, stop_signals, visible

if TYPE_CHECKING:
    from artgan.latent.project import Projecting


def project(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, folders or zips.")],
    run: Annotated[
        str | None, typer.Option(help="Run, checkpoint folder, .safetensors or .artgan; default latest.")
    ] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="Their class; by default all are tried.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of the search; its time is in proportion.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder to write into; default projections in the run.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Find your own pictures in a model: the nearest that it can paint, and its latent.

    Example: artgan project picture.jpg
    """
    from artgan.latent.project import project as library_project

    with stop_signals() as should_stop, quiet_native_code(), projection_bar() as screen:
        result = library_project(
            pictures,
            run,
            class_name=class_name,
            steps=steps,
            seed=seed,
            out=out,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    for reason in result.passed_over:
        say(f"{reason} Searching in the checkpoint before it.", "yellow")
    if as_json:
        give_json(result)
        return
    say(f"{result.run} at {result.nimg / 1000:g} kimg. 0 is the same picture, 1 as far as two of its samples.")
    for one in result.pictures:
        if one.distance is None:
            say(f"Not found: {one.reason}", "yellow")
            continue
        kind = f", {one.class_name}" if one.class_name else ""
        say(f"{one.picture}: distance {one.distance:.2f}{kind}. Its latent: {one.latent}")
        if one.far:
            say(f"That is {_how_far(one.distance)}.", "yellow")
    for file in result.files:
        give(str(file))


def _how_far(distance: float) -> str:
    times = f"{distance:.1f} times as far as its own samples are from each other"
    return f"far from what this model paints: {times}"


def tell_distance(event: "Projecting") -> None:
    """Say of a picture that is a keyframe or a parent when the model cannot paint it."""
    from artgan.latent.project import FAR

    if event.distance is not None and event.distance > FAR:
        say(f"{event.picture} is {_how_far(event.distance)}.", "yellow")


@contextlib.contextmanager
def projection_bar() -> Iterator[Callable[["Projecting"], None]]:
    """What draws the progress of a search, with the time that is left."""
    from tqdm import tqdm

    with tqdm(unit="step", delay=1, leave=False, disable=None) as bar:

        def screen(event: "Projecting") -> None:
            tell_distance(event)
            bar.set_description_str(visible(event.picture.name)[-40:], refresh=False)
            follow(bar, event.done, event.total)

        yield screen
