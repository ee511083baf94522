"""`artgan demo`: the main jobs on pictures that artgan paints itself."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.screen import give, say, stop_signals

COUNT, SIZE = 1500, 64
# The schools whose pictures still read at 32 px, which is what two minutes on two cores are enough for.
SCHOOLS = ("color-fields", "impasto", "mountains", "neoplastic", "suprematist", "waves")
FRAMES, FILMED = 150, 96
REPAINTED = 256
"""Pixels of a side of the picture that is repainted at the end, which then takes some ten seconds."""


def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything goes.")] = Path("artgan-demo"),
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the paintings and of the training.")] = 0,
) -> None:
    """Paint a small collection, train a GAN on it for two minutes, draw new pictures, repaint one, and film a walk.

    Example: artgan demo
    """
    from tqdm import tqdm

    from artgan.cli.training_screen import TrainingScreen
    from artgan.data.painters import paint_collection
    from artgan.errors import Interrupted
    from artgan.latent.sample import sample
    from artgan.latent.walk import walk
    from artgan.training.train import train

    paintings, runs_dir = folder / "paintings", folder / "runs"
    say(f"1. Painting {COUNT} pictures of {len(SCHOOLS)} schools into {paintings}: {', '.join(SCHOOLS)}.")
    with tqdm(total=COUNT, desc="Painting", unit="picture", disable=None) as bar:
        paint_collection(
            paintings, COUNT, SIZE, seed, schools=SCHOOLS, on_picture=lambda done, total: bar.update(done - bar.n)
        )
    say(f"2. Training a conditional GAN on them for {minutes:g} minutes.")
    with stop_signals() as should_stop, TrainingScreen(minutes) as screen:
        result = train(
            paintings,
            preset="demo",
            minutes=minutes,
            seed=seed,
            runs_dir=runs_dir,
            on_event=screen,
            should_stop=should_stop,
        )
    if result.ending == "asked":
        raise Interrupted(f"Stopped at {result.nimg / 1000:.1f} kimg; saved.", f"Go on with: artgan demo {folder}")
    say("3. Drawing new pictures: one row per school, one column per seed.")
    sheet = sample(result.run, seeds="0-9", out=folder / "samples.png", overwrite=True).files[0]
    say("4. Repainting a wave in the manner of a night.")
    repainted = _repaint(folder, seed)
    say("5. Walking from school to school.")
    film = walk(
        folder / "walk.mp4", run=result.run, frames=FRAMES, grid=(3, 2), size=FILMED, even=True, overwrite=True
    ).file
    say(f"   Training pictures: {result.run / 'reals.png'}")
    say(f"   New pictures:      {sheet}", "green")
    say(f"   Repainted:         {repainted}", "green")
    say(f"   Walk:              {film}", "green")
    say("With your own pictures:")
    say("   artgan train ./paintings --minutes 10    trains on a folder; the same command again goes on")
    say("   artgan sample --seeds 0-15 -o sheet.png  draws from the latest run")
    say("   artgan walk --frames 120 out.mp4         films a walk through what it has learnt")
    say("   artgan stylize photo.jpg painting.jpg    repaints a picture in the manner of another")
    say("   artgan presets list                      shows other ways to train")
    give(str(sheet))
    give(str(repainted))
    give(str(film))


def _repaint(folder: Path, seed: int) -> Path:
    """Write a content, a style and the content repainted; returns the sheet of all three."""
    from artgan.cli.stylize import StylizeScreen
    from artgan.data.painters import paint
    from artgan.engine.images import encode_png
    from artgan.engine.storage import atomic_write
    from artgan.style.stylize import stylize

    content, style, sheet = folder / "wave.png", folder / "night.png", folder / "repainted.png"
    for path, school in ((content, "waves"), (style, "impasto")):
        atomic_write(path, encode_png(paint(school, seed, REPAINTED).transpose(2, 0, 1), {"kind": school}))
    with stop_signals() as should_stop, StylizeScreen() as screen:
        stylize(
            content,
            style,
            detail="fast",
            sheet=sheet,
            overwrite=True,
            on_event=screen,
            should_stop=should_stop,
        )
    return sheet
