"""`artgan pack`."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import give, give_json, say, tell_passed_over


def pack(
    run: Annotated[str | None, typer.Argument(help="Run, checkpoint folder or .safetensors; default latest.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A .artgan; default the run's name here.")] = None,
    title: Annotated[str | None, typer.Option(help="What to call the model.")] = None,
    description: Annotated[str | None, typer.Option(help="What it draws.")] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", "--license", help="Of the model and its pictures, such as CC BY 4.0.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="What the training pictures are and where they come from.")] = None,
    data_licence: Annotated[
        str | None, typer.Option("--data-licence", "--data-license", help="Licence of the training pictures.")
    ] = None,
    use: Annotated[str | None, typer.Option(help="What the model is for.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Make one file to publish: the generator, its settings, samples, and a card that says what it is.

    Example: artgan pack --title Flowers --licence "CC BY 4.0" -o flowers.artgan
    """
    from artgan.sharing.pack import pack as library_pack

    result = library_pack(
        run,
        out,
        title=title,
        description=description,
        licence=licence,
        data=data,
        data_licence=data_licence,
        use=use,
        overwrite=overwrite,
        runs_dir=runs_dir,
    )
    tell_passed_over(result.passed_over)
    if as_json:
        give_json(result)
        return
    say(f"{result.title}: {result.run} at {result.nimg / 1000:g} kimg, {result.size / 1e6:.1f} MB.")
    if result.missing:
        say(f"Its card does not state {', '.join(result.missing)}.", "yellow")
    say(f"Draw from it with: artgan sample {result.file}")
    give(str(result.file))
