"""`artgan sample`."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.options import Bends, Json, RunsDir, Sliders
from artgan.cli.screen import give, give_json, say, tell_passed_over


def sample(
    run: Annotated[
        str | None, typer.Argument(help="Run, checkpoint folder, .safetensors or .artgan; default latest.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, such as 0,3,5-9.")] = "0-15",
    class_name: Annotated[str | None, typer.Option("--class", help="Draw one class only.")] = None,
    text: Annotated[str | None, typer.Option(help="What to draw, for runs of train --captions.")] = None,
    truncation: Annotated[float | None, typer.Option(help="Below 1: safer and less varied, such as 0.8.")] = None,
    slider: Sliders = None,
    bend: Bends = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A .png for a sheet, or a folder.")] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Pictures per row of a sheet.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Draw pictures from seeds: the same seed is the same picture.

    Example: artgan sample --seeds 0-15 --truncation 0.8 -o sheet.png
    """
    from artgan.latent.sample import sample as library_sample

    result = library_sample(
        run,
        seeds=seeds,
        class_name=class_name,
        text=text,
        truncation=truncation,
        sliders=slider or (),
        bends=bend or (),
        out=out,
        columns=columns,
        overwrite=overwrite,
        runs_dir=runs_dir,
        device=device,
    )
    tell_passed_over(result.passed_over)
    if as_json:
        give_json(result)
        return
    say(f"{len(result.seeds)} seeds from {result.run} at {result.nimg / 1000:g} kimg.")
    for file in result.files:
        give(str(file))
