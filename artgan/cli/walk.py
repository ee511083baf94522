"""`artgan walk`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artgan.cli.options import Bends, Json, RunsDir, Sliders
from artgan.cli.project import tell_distance
from artgan.cli.screen import follow, give, give_json, quiet_native_code, say, stop_signals, tell_passed_over

if TYPE_CHECKING:
    from artgan.latent.walk import WalkEvent

_SHOWN = 12
"""Keyframes that are named."""


def walk(
    out: Annotated[Path, typer.Argument(help=".mp4, .mov, .mkv, .gif, .webp, .apng, or a new folder for PNGs.")],
    run: Annotated[
        str | None, typer.Option(help="Run, checkpoint folder, .safetensors or .artgan; default latest.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="How many frames; default 120.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the film, in place of --frames.")] = None,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 25.0,
    size: Annotated[int | None, typer.Option(help="Pixels of the longer side of each picture.")] = None,
    grid: Annotated[str, typer.Option(metavar="COLSxROWS", help="Pictures side by side, such as 3x2.")] = "1x1",
    codec: Annotated[
        Literal["h264", "hevc", "prores", "lossless"] | None,
        typer.Option(help="Of .mp4, .mov and .mkv; default h264."),
    ] = None,
    quality: Annotated[float, typer.Option(help="0 to 100; at 75 the eye sees no loss.")] = 75.0,
    seeds: Annotated[str | None, typer.Option(help="Seeds, such as 0,7,12-15.")] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="FILE", help="A picture, sheet.png#3, pear:7, latents; may be repeated."),
    ] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="A class, or a morph: apple,pear.")] = None,
    truncation: Annotated[float | None, typer.Option(help="Below 1: safer and less varied, such as 0.8.")] = None,
    seed: Annotated[int, typer.Option(help="Other keyframes than those of 0, when none are named.")] = 0,
    path: Annotated[
        Literal["spline", "slerp", "linear", "circle", "noise"],
        typer.Option(help="How it goes from one to the next."),
    ] = "spline",
    ease: Annotated[Literal["none", "sine", "smooth"], typer.Option(help="Slow down at keyframes.")] = "none",
    is_open: Annotated[bool, typer.Option("--open", help="End on the last keyframe, not where it began.")] = False,
    even: Annotated[bool, typer.Option("--even", help="Change at constant speed to the eye.")] = False,
    slider: Sliders = None,
    bend: Bends = None,
    audio: Annotated[Path | None, typer.Option(help="Move with this music, which goes into the film.")] = None,
    amount: Annotated[float, typer.Option(help="How strongly, 0 to 4.")] = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a film that exists.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Walk through what a model knows, and film it.

    Example: artgan walk --frames 120 out.mp4
    """
    from tqdm import tqdm

    from artgan.engine.codecs import holds_sound
    from artgan.latent.frames import FrameDrawn
    from artgan.latent.project import Projecting
    from artgan.latent.walk import Coloring, parse_grid
    from artgan.latent.walk import walk as library_walk

    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(desc="Filming", unit="frame", delay=1, leave=False, disable=None) as bar,
    ):

        def screen(event: "WalkEvent") -> None:
            if isinstance(event, Projecting):
                tell_distance(event)
            words = {FrameDrawn: "Filming", Coloring: "Choosing colours"}
            bar.set_description_str(words.get(type(event), "Projecting"), refresh=False)
            follow(bar, event.done, event.total)

        result = library_walk(
            out,
            run=run,
            frames=frames,
            seconds=seconds,
            fps=fps,
            size=size,
            grid=parse_grid(grid),
            keys=[*([seeds] if seeds is not None else []), *(pictures or [])],
            class_name=class_name,
            truncation=truncation,
            seed=seed,
            path=path,
            ease=ease,
            loop=not is_open,
            even=even,
            sliders=slider or (),
            bends=bend or (),
            audio=audio,
            amount=amount,
            codec=codec,
            quality=quality,
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
    asked = frames if frames is not None else round(seconds * fps) if seconds is not None else None
    if audio is not None and asked is not None and asked > result.frames:
        say(f"{audio} is over after {result.frames / result.fps:.3g} s, and the film ends with it.", "yellow")
    if audio is not None and not holds_sound(out.suffix.lower()):
        say(f"{out} moves with {audio}, but has no place for the sound itself.", "yellow")
    shown = "; ".join(_in_words(names) for names in result.keys[:3]) + (" ..." if len(result.keys) > 3 else "")
    count = f"{result.frames} frame{'s' if result.frames != 1 else ''}, {result.frames / result.fps:.3g} s"
    say(f"{count}, of {result.run} through {shown}.")
    give(str(result.file))


def _in_words(names: tuple[str, ...]) -> str:
    """Keyframes in a row, the first ones of many."""
    return " - ".join(names[:_SHOWN]) + (f" ... ({len(names)} in all)" if len(names) > _SHOWN else "")
