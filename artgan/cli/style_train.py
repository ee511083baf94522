"""`artgan style-train`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artgan.cli.options import Json
from artgan.cli.screen import clock, give, give_json, quiet_native_code, say, stop_signals

if TYPE_CHECKING:
    from artgan.style.events import StyleTrainEvent


def style_train(
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE...", help="Pictures that are one style together.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write, ending in .style.")],
    minutes: Annotated[float, typer.Option(help="Of learning in all, earlier calls included.")] = 10.0,
    contents: Annotated[
        Path | None, typer.Option(help="A folder of pictures such as you will repaint. Default: artgan's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    preview: Annotated[
        Path | None, typer.Option(help="A .png, .tif or .jpg that shows a picture repainted, again and again.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew, whatever the file holds.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Teach a network your own style, to repaint pictures and films in it at once.

    Example: artgan style-train painting.jpg --minutes 10 -o my.style
    """
    from tqdm import tqdm

    from artgan.style.events import Learning
    from artgan.style.style_train import style_train as library_style_train

    bar_format = "{desc} {percentage:3.0f}% |{bar}| {postfix}"
    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(total=100, desc="Learning", leave=False, disable=None, bar_format=bar_format) as bar,
    ):

        def screen(event: "StyleTrainEvent") -> None:
            if isinstance(event, Learning):
                bar.set_postfix_str(f"style {event.style:.2f}, {clock(event.left)} left", refresh=False)
                bar.update(round(100 * event.done, 1) - bar.n)
            else:
                bar.clear()
                say(event.text, "yellow")

        result = library_style_train(
            list(styles),
            out,
            minutes=minutes,
            contents=contents,
            seed=seed,
            preview=preview,
            overwrite=overwrite,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    if as_json:
        give_json(result)
        return
    command = shlex.join(["artgan", "stylize", "photo.jpg", str(result.style)])
    say(f"{result.lessons} lessons in {result.seconds / 60:.1f} minutes. Now: {command}")
    give(str(result.style))
