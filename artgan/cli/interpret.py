"""`artgan interpret`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import follow, give, give_json, quiet_native_code, say, stop_signals, visible

if TYPE_CHECKING:
    from artgan.interpretation.draws import Working
    from artgan.interpretation.interpret import InterpretResult


def interpret(
    run: Annotated[
        str | None, typer.Argument(help="Run, RUN@KIMG, checkpoint folder, .safetensors or .artgan; default latest.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The page (.html); by default interpret.html in the run.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Samples shown beside training pictures, such as 0,3,5-9.")] = "0-11",
    class_name: Annotated[str | None, typer.Option("--class", help="Keep to one class.")] = None,
    num: Annotated[int, typer.Option(help="Samples to look at in all.")] = 300,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Explain a model on one page: what its parts do, what it looks at, whether it copies, what it learnt when.

    Example: artgan interpret 7 -o inside.html
    """
    from tqdm import tqdm

    from artgan.interpretation.interpret import interpret as library_interpret

    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(unit="step", delay=1, leave=False, disable=None) as bar,
    ):

        def screen(event: "Working") -> None:
            bar.set_description_str(visible(event.part), refresh=False)
            follow(bar, event.done, event.total)

        result = library_interpret(
            run,
            out,
            seeds=seeds,
            class_name=class_name,
            num=num,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    if as_json:
        give_json(result)
        return
    _tell(result)


def _tell(result: "InterpretResult") -> None:
    for note in (*result.notes, *result.missing.values()):
        say(note, "yellow")
    if result.likeness is not None:
        like = result.likeness
        told = f"It paints {like.reached} of {like.kinds} kinds of your pictures"
        say(f"{told}; {100 * like.copied:.0f} % of the samples may be copies.")
    if result.attention is not None:
        told = f"{100 * result.attention.told_apart:.0f} % of all pairs; 50 % is guessing"
        say(f"Its discriminator tells a sample from a real picture in {told}.")
    if result.skills is not None:
        came = [f"{skill.title.lower()} by {skill.came / 1000:g}" for skill in result.skills.skills if skill.came]
        if came:
            say(f"Came at kimg: {', '.join(came)}.")
    give(str(result.file))
