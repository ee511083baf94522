"""`artgan mix`."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import give, give_json, say, tell_passed_over


def mix(
    run_a: Annotated[
        str, typer.Argument(help="Gives form and classes: run, checkpoint folder, .safetensors or .artgan.")
    ],
    run_b: Annotated[str, typer.Argument(help="A relative of it, which gives the finer layers.")],
    at: Annotated[str | None, typer.Option(help="Layer up to which the first one's weights stay, such as 16.")] = None,
    amount: Annotated[
        float | None, typer.Option(help="How far the rest becomes the second's; default 1 with --at, else 0.5.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A .safetensors; default A+B.safetensors.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Mix two models, one of which was trained with --from the other, into one file.

    Example: artgan mix 3 7 --at 16 -o mixed.safetensors
    """
    from artgan.latent.mix import mix as library_mix

    result = library_mix(run_a, run_b, at=at, amount=amount, out=out, overwrite=overwrite, runs_dir=runs_dir)
    tell_passed_over(result.passed_over)
    if as_json:
        give_json(result)
        return
    first, second = result.runs
    say(f"{first} with {result.share:.0%} of {second}; cosine of their weights: {result.kinship:.2f}.")
    say(f"`artgan sample {result.file}` draws from it.")
    give(str(result.file))
