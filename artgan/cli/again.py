"""`artgan again`."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.options import RunsDir
from artgan.cli.screen import give, quiet_native_code, stop_signals
from artgan.cli.stylize import StylizeScreen


def again(
    picture: Annotated[Path, typer.Argument(help="A picture that artgan stylize, sample or breed made.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="By default NAME-again beside it.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Make a picture once more, from what it says of itself.

    Example: artgan again photo-painting.png
    """
    from artgan.remake import again as library_again

    with stop_signals() as should_stop, quiet_native_code(), StylizeScreen() as screen:
        made = library_again(
            picture,
            out,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    give(str(made))
