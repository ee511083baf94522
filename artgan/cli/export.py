"""`artgan export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import give, give_json, say, tell_passed_over


def export(
    run: Annotated[
        str | None, typer.Argument(help="Run, checkpoint folder, .safetensors or .artgan; default latest.")
    ] = None,
    format_name: Annotated[
        Literal["onnx", "torchscript", "safetensors", "html"] | None,
        typer.Option("-f", "--format", help="By default that of --out, else onnx. html draws in a browser."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The file; default the run's name here.")] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page of html.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Write the generator for other programs: ONNX, TorchScript, safetensors, or a page for the browser.

    Example: artgan export -f html -o flowers.html
    """
    from artgan.sharing.export import export as library_export

    result = library_export(run, out, format_name, title=title, overwrite=overwrite, runs_dir=runs_dir)
    tell_passed_over(result.passed_over)
    if as_json:
        give_json(result)
        return
    say(f"{result.run} at {result.nimg / 1000:g} kimg as {result.format}, {result.size / 1e6:.1f} MB.")
    if result.inputs:
        shapes = ", ".join(f"{name} {_told(shape)}" for name, shape in result.inputs.items())
        say(f"It takes {shapes} and gives picture {_told(result.output)} from -1 to 1.")
    if result.sliders:
        say(f"Sliders: {', '.join(result.sliders)}.")
    if result.difference is None:
        say("It was not compared with PyTorch: pip install onnxruntime.", "yellow")
    elif result.format != "safetensors":
        say(f"Largest difference from PyTorch: {result.difference:.1g}.")
    give(str(result.file))


def _told(shape: tuple[str | int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
