"""`artgan progress`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import follow, give, give_json, say

if TYPE_CHECKING:
    from artgan.training.film import FilmEvent


def progress(
    run: Annotated[str | None, typer.Argument(help="Number, name or folder of a run; the latest by default.")] = None,
    out: Annotated[
        Path | None, typer.Argument(help="A film: .mp4, .gif, .webp, .apng ... By default progress.mp4 in the run.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the film; at most 10 by default.")] = None,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 25.0,
    fade: Annotated[float, typer.Option(help="Seconds of crossfade between previews; 0 cuts.")] = 0.3,
    caption: Annotated[bool, typer.Option("--caption/--no-caption", help="Write the kimg below.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Make a film of a run's previews: the same seeds, from noise to pictures.

    Example: artgan progress 7 out.mp4
    """
    from tqdm import tqdm

    from artgan.engine.video import FORMATS
    from artgan.training.events import Notice
    from artgan.training.film import progress as library_progress

    if out is None and run is not None and Path(run).suffix.lower() in FORMATS:
        out, run = Path(run), None  # one word that names a film: of the latest run
    # Films of a few seconds are done before anybody asks for a bar.
    with tqdm(desc="Filming", unit="frame", delay=2, leave=False, disable=None) as bar:

        def screen(event: "FilmEvent") -> None:
            if isinstance(event, Notice):
                say(event.text)
                return
            follow(bar, event.done, event.total)

        result = library_progress(
            run,
            out,
            seconds=seconds,
            fps=fps,
            fade=fade,
            caption=caption,
            overwrite=overwrite,
            runs_dir=runs_dir,
            on_event=screen,
        )
    if as_json:
        give_json(result)
        return
    say(f"{result.previews} previews of {result.run} in {result.seconds:g} seconds.")
    give(str(result.file))
