"""`artgan explore`: directions of a model, and their names."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import (
    follow,
    give,
    give_json,
    give_table,
    quiet_native_code,
    say,
    stop_signals,
    tell_passed_over,
)


class ExploreGroup(TyperGroup):
    """`artgan explore RUN` is `artgan explore find RUN`: what is no subcommand belongs to the search."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `find` before words that begin with no subcommand and do not ask for help."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["find", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ExploreGroup,
    help="Find directions that change a model's pictures, and name them: artgan explore [RUN].",
    epilog="Example: artgan explore --num 12. Its options: artgan explore find --help",
    rich_markup_mode=None,
)
Run = Annotated[str | None, typer.Option("--run", help="Run, checkpoint folder or .safetensors; default latest.")]


@app.command()
def find(
    run: Annotated[
        str | None, typer.Argument(help="Run, checkpoint folder, .safetensors or .artgan; default latest.")
    ] = None,
    num: Annotated[int, typer.Option(help="Directions to show at most.")] = 12,
    seeds: Annotated[str, typer.Option(help="Seeds whose pictures are moved, such as 0-3.")] = "0-3",
    class_name: Annotated[str | None, typer.Option("--class", help="Look at one class only.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder to write into; default explore in the run.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Find directions: a sheet and a page with a row of pictures for each, the most visible first.

    Example: artgan explore --num 12
    """
    from tqdm import tqdm

    from artgan.latent.explore import explore as library_explore

    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(desc="Exploring", unit="direction", delay=1, leave=False, disable=None) as bar,
    ):
        result = library_explore(
            run,
            num=num,
            seeds=seeds,
            class_name=class_name,
            out=out,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            on_event=lambda event: follow(bar, event.done, event.total),
            should_stop=should_stop,
        )
    tell_passed_over(result.passed_over)
    if as_json:
        told = {"page": result.page, "sheet": result.sheet, "run": result.run, "nimg": result.nimg}
        give_json({**told, "variance": result.variance, "directions": [one.plain() for one in result.directions]})
        return
    for one in result.directions:
        say(f"{one.number:3}  {one.effect:.1f} times a random direction: {one.words or 'nothing measured'}")
    variance = result.variance
    say(
        f"{variance.count} axes explain {variance.share:.0%} of what varies in layer {variance.layer}, "
        f"{variance.count} random directions {variance.random:.0%}."
    )
    suggestion = next((f"{one.number} {one.suggestion}" for one in result.directions if one.suggestion), "1 my-slider")
    say(f"Keep one under a name: artgan explore name {suggestion}")
    give(str(result.sheet))
    give(str(result.page))


@app.command()
def name(
    number: Annotated[int, typer.Argument(help="Its number on the page.")],
    slider: Annotated[str, typer.Argument(metavar="NAME", help="What its slider shall be called.")],
    run: Run = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Keep a direction in the run under a name, for --slider.

    Example: artgan explore name 3 "warmth"
    """
    from artgan.latent.sliders import name_direction

    home = name_direction(number, slider, run, runs_dir=runs_dir)
    say(f"Direction {number} of {home.name} is the slider {slider.strip()!r}.")


@app.command()
def names(
    run: Annotated[str | None, typer.Argument(help="Run, checkpoint folder or .safetensors; default latest.")] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the sliders of a run.

    Example: artgan explore names
    """
    from artgan.latent.sliders import list_directions

    found = list_directions(run, runs_dir=runs_dir)
    if as_json:
        give_json(found)
    elif found:
        give_table(["slider", "on the page"], [[each, str(number or "")] for each, number in found.items()])
    else:
        say("No direction has a name yet.")


@app.command()
def forget(
    slider: Annotated[str, typer.Argument(metavar="NAME", help="A slider of the run.")],
    run: Run = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Take a slider's name away again.

    Example: artgan explore forget warmth
    """
    from artgan.latent.sliders import forget_direction

    home = forget_direction(slider, run, runs_dir=runs_dir)
    say(f"{home.name} has no slider {slider!r} any more.")
