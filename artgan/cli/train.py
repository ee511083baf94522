"""`artgan train` and `artgan resume`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artgan.cli.options import Device, Json, Minutes, Precision, RunsDir, Sets, TotalKimg
from artgan.cli.screen import give, give_json, quiet_native_code, say, stop_signals

if TYPE_CHECKING:
    from artgan.training.session import TrainResult

ScoreEvery = Annotated[
    float | None,
    typer.Option(metavar="KIMG", help="Score after every so many thousand pictures, and keep the best; 0 is off."),
]
Tensorboard = Annotated[bool, typer.Option("--tensorboard", help="Write for TensorBoard as well, into the run.")]


def train(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA",
            help="Folder or zip of pictures; class folders make it conditional. "
            "Or shards: .tar files, a folder of them, 'shards/{000..099}.tar', or a list of their paths (.txt).",
        ),
    ],
    preset: Annotated[
        str,
        typer.Option(help="Name of a preset (artgan presets list), or a .toml file; auto chooses, and says why."),
    ] = "auto",
    sets: Sets = None,
    kimg: TotalKimg = None,
    minutes: Minutes = None,
    batch: Annotated[int | None, typer.Option(help="Pictures per step.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Side of the square pictures, pixels.")] = None,
    shape: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT, for pictures that are not square.")] = None,
    channels: Annotated[str | None, typer.Option(help="rgb, rgba (keeps alpha) or grey.")] = None,
    crop: Annotated[str | None, typer.Option(help="center or random.")] = None,
    crops: Annotated[int | None, typer.Option(help="Crops per picture at several scales, for few pictures.")] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV or JSON file of file,label.")] = None,
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="Train without classes, whatever the folders.")
    ] = False,
    captions: Annotated[
        bool | None, typer.Option("--captions", help="Learn what texts beside the pictures say: sample --text.")
    ] = None,
    balanced: Annotated[bool | None, typer.Option("--balanced", help="Show every class equally often.")] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Flip half of the pictures.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    device: Device = None,
    precision: Precision = None,
    run: Annotated[str | None, typer.Option(help="Run to continue, or the name of a new one.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Start afresh, even when there is a run to continue.")] = False,
    begin_from: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RUN", help="Begin with the weights of a run, checkpoint, .safetensors or .artgan."
        ),
    ] = None,
    freeze_d: Annotated[
        int | None, typer.Option(metavar="N", help="With --from: discriminator levels that keep their weights.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    score_every: ScoreEvery = None,
    tensorboard: Tensorboard = False,
    as_json: Json = False,
) -> None:
    """Train a GAN on a folder of pictures, or on shards of many, or go on with it.

    The same command again continues the latest run on the same pictures and settings.
    Ctrl-C saves and stops.

    Example: artgan train ./paintings --minutes 10
    """
    if labels is not None and no_labels:
        raise typer.BadParameter("--labels and --no-labels exclude each other.")
    if captions and (labels is not None or no_labels):
        raise typer.BadParameter("--captions takes the place of --labels and --no-labels: give one of them.")
    from artgan.cli.training_screen import TrainingScreen
    from artgan.config import parse_sets
    from artgan.data.shard_names import joined
    from artgan.training.train import train as library_train

    with stop_signals() as should_stop, quiet_native_code(), TrainingScreen(minutes) as screen:
        result = library_train(
            joined(data),
            preset=preset,
            overrides=parse_sets(sets or []),
            kimg=kimg,
            minutes=minutes,
            batch=batch,
            resolution=resolution,
            shape=shape,
            channels=channels,
            crop=crop,
            crops=crops,
            labels="none" if no_labels else str(labels) if labels is not None else None,
            captions=captions,
            balanced=balanced,
            mirror=mirror,
            seed=seed,
            device=device,
            precision=precision,
            run=run,
            new=new,
            begin_from=begin_from,
            freeze_d=freeze_d,
            runs_dir=runs_dir,
            argv=sys.argv,
            score_every=score_every,
            tensorboard=tensorboard,
            on_event=screen,
            should_stop=should_stop,
        )
    _finish(result, runs_dir, as_json)


def resume(
    run: Annotated[str | None, typer.Argument(help="Number, name or folder of a run; the latest by default.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the pictures or shards are now, if moved.")] = None,
    sets: Sets = None,
    kimg: TotalKimg = None,
    minutes: Minutes = None,
    device: Device = None,
    precision: Precision = None,
    runs_dir: RunsDir = Path("runs"),
    score_every: ScoreEvery = None,
    tensorboard: Tensorboard = False,
    as_json: Json = False,
) -> None:
    """Go on with a run, bit for bit as if it had never stopped.

    Example: artgan resume 7 --kimg 2000
    """
    from artgan.cli.training_screen import TrainingScreen
    from artgan.config import parse_sets
    from artgan.training.train import resume as library_resume

    with stop_signals() as should_stop, quiet_native_code(), TrainingScreen(minutes) as screen:
        result = library_resume(
            run,
            data=data,
            overrides=parse_sets(sets or []),
            kimg=kimg,
            minutes=minutes,
            device=device,
            precision=precision,
            runs_dir=runs_dir,
            score_every=score_every,
            tensorboard=tensorboard,
            on_event=screen,
            should_stop=should_stop,
        )
    _finish(result, runs_dir, as_json)


def _finish(result: "TrainResult", runs_dir: Path, as_json: bool) -> None:
    from artgan.errors import Interrupted

    number, _, label = result.run.name.partition("-")
    if number.isdecimal() and label and result.run.resolve().parent == runs_dir.resolve():
        which = str(int(number)) + ("" if runs_dir == Path("runs") else f" --runs {shlex.quote(str(runs_dir))}")
    else:
        which = shlex.quote(str(result.run))
    if as_json:
        give_json(result)
    if result.best is not None:
        drawn = shlex.quote(str(result.best.checkpoint))
        say(f"Best by {result.best.figure} ({result.best.value:.3g}): artgan sample {drawn}")
    if result.ending == "asked":
        told = f"Stopped at {result.nimg / 1000:.1f} kimg; everything is saved in {result.checkpoint}."
        raise Interrupted(told, f"Go on with: artgan resume {which}")
    if result.ending == "kimg":
        say(f"Done: {result.nimg / 1000:g} kimg. To go on: artgan resume {which} --kimg MORE", "green")
    else:
        say(f"Time is up at {result.nimg / 1000:.1f} kimg. To go on: artgan resume {which}", "green")
    say(f"Draw pictures with: artgan sample {which}")
    if not as_json:
        give(str(result.run))
