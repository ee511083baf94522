"""`artgan breed`."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.options import Json, RunsDir, Sliders
from artgan.cli.project import projection_bar
from artgan.cli.screen import give, give_json, quiet_native_code, say, stop_signals, tell_passed_over


def breed(
    parents: Annotated[
        list[str],
        typer.Argument(help="Seeds (3, pear:7), artgan's pictures (sheet.png#3), your own, or .npz of latents."),
    ],
    run: Annotated[
        str | None, typer.Option(help="Run, .safetensors or .artgan; default: what drew the parents.")
    ] = None,
    children: Annotated[int, typer.Option(help="How many.")] = 16,
    mutate: Annotated[float, typer.Option(help="0 to 1: how much of a child is new; 0.2 is a little.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, other children.")] = 0,
    class_name: Annotated[str | None, typer.Option("--class", help="Class of parents that name none.")] = None,
    truncation: Annotated[float | None, typer.Option(help="Of seeds, as in artgan sample.")] = None,
    slider: Sliders = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder to write into; default one in the run.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Cross pictures: children on a sheet below their parents, and one by one.

    Example: artgan breed 3 14 --children 16 --mutate 0.2
    """
    from artgan.latent.breed import breed as library_breed

    with stop_signals() as should_stop, quiet_native_code(), projection_bar() as screen:
        result = library_breed(
            parents,
            run,
            children=children,
            mutate=mutate,
            seed=seed,
            class_name=class_name,
            truncation=truncation,
            sliders=slider or (),
            out=out,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    tell_passed_over(result.passed_over)
    if as_json:
        give_json(result)
        return
    say(f"{len(result.files)} children of {', '.join(result.parents)} from {result.run}.")
    say(f"One by one: {result.files[0]} to {result.files[-1].name}")
    give(str(result.sheet))
