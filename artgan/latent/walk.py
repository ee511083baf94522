"""`artgan.walk`: films of a way through a latent space."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import artgan
from artgan.engine.codecs import holds_sound
from artgan.engine.device import explaining_memory
from artgan.engine.sound import read_sound, sound_length
from artgan.engine.storage import refuse_existing
from artgan.engine.video import Codec, check_video, write_video
from artgan.errors import UsageError
from artgan.latent.frames import FrameDrawn, Way, evenly, frames_of
from artgan.latent.keyframes import KEYS, Cell, cells_of
from artgan.latent.latents import run_of
from artgan.latent.music import closed, features, paced, pushes, speeds
from artgan.latent.paths import Ease, PathKind, positions
from artgan.latent.project import Projecting
from artgan.latent.steering import steer
from artgan.models.trained import LoadedGenerator, load

MOST_FRAMES, MOST_CELLS, MOST_SIDE = 1_000_000, 64, 8192
RATE = 22_050
"""Samples per second at which music is listened to."""
_USUAL = {"grid": "1x1", "fps": 25, "seed": 0, "path": "spline", "ease": "none", "amount": 1.0, "quality": 75}


@dataclass(frozen=True)
class Coloring:
    """`done` of `total` frames of a GIF have their palette; all of them had to be drawn before."""

    done: int
    total: int


WalkEvent = FrameDrawn | Coloring | Projecting


@dataclass(frozen=True)
class WalkResult:
    """A film that was written.

    Attributes:
        file: the film, or the folder of pictures.
        frames: how many there are.
        fps: of them per second.
        run: name of the run.
        nimg: real pictures that its model was trained on.
        keys: the keyframes, in words: of each cell of the grid.
        passed_over: newer checkpoints of the run that could not be used, each with its reason.
    """

    file: Path
    frames: int
    fps: float
    run: str
    nimg: int
    keys: tuple[tuple[str, ...], ...]
    passed_over: tuple[str, ...] = ()


def walk(
    out: str | Path,
    *,
    run: str | Path | None = None,
    frames: int | None = None,
    seconds: float | None = None,
    fps: float = 25,
    size: int | None = None,
    grid: tuple[int, int] = (1, 1),
    keys: Sequence[str | Path] = (),
    class_name: str | None = None,
    truncation: float | None = None,
    seed: int = 0,
    path: PathKind = "spline",
    ease: Ease = "none",
    loop: bool = True,
    even: bool = False,
    sliders: str | Sequence[str] = (),
    bends: Sequence[str] = (),
    audio: str | Path | None = None,
    amount: float = 1.0,
    codec: Codec | None = None,
    quality: float = 75,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[[WalkEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> WalkResult:
    """Walk through the latent space of a model and write a film of it.

    Args:
        out: a name ending in .mp4, .mov, .mkv, .gif, .webp or .apng, or without a suffix a new folder for PNGs.
        run: number, name or folder of a run, a checkpoint folder, or a generator.safetensors; None is the run that drew
            the pictures among `keys`, or the latest.
        frames: of the film; by default 120.
        seconds: its length, in place of `frames`.
        fps: frames per second.
        size: pixels of the longer side of each picture; None leaves it as the model paints it.
        grid: (columns, rows) of pictures that walk side by side. Each has keyframes of its own, or with `keys` all of
            them the same way, from equally spaced places on.
        keys: keyframes, each word as `latents_from` takes it: seeds such as "0,3,5-9", pictures that artgan made, saved
            latents, or pictures of one's own, which are projected first. None are KEYS seeds, which follow from `seed`.
        class_name: a class, or several with commas between, which the keyframes go through in turn, one melting into
            the next. None goes through all classes, or through texts that the model has learnt.
        truncation: of keyframes that are seeds: draw again outside +-truncation.
        seed: chooses the keyframes that nobody names, and what circle and noise draw.
        path: spline, slerp, linear, circle or noise; see `artgan.latent.paths.along`.
        ease: none, sine or smooth: slow down at every keyframe.
        loop: end where it began, so that the frame after the last is the first.
        even: travel at constant speed to the eye, as the embedded encoder sees the first picture of the grid, before
            sliders and bends.
        sliders: move along named directions: "warmth=2" all the time, "warmth=-1..2" from one value to the other (and
            back in a loop), "warmth" there and back, from 0 to SWING, to -SWING, to 0. When something moves and `keys`
            are not given, each picture of the grid stands on one seed.
        bends: what is done to layers, such as ["32:rotate=0..15"]; see `artgan.latent.bending`. Values move likewise.
        audio: a file whose sound moves the walk, and goes into an .mp4, .mov or .mkv. The film is as long, unless
            `frames` or `seconds` say less. How: `artgan.latent.music`.
        amount: how strongly the sound moves it, 0 to 4.
        codec: h264 (None), hevc, prores or lossless.
        quality: 0 to 100.
        overwrite: replace a film that exists; a folder is never written over.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called as frames are drawn.
        should_stop: asked between batches of frames; True ends the film there, playable.

    Raises:
        UsageError: an argument makes no sense, or `out` exists.
        CheckpointError: there is no model to draw from.
        DatasetError: a picture of one's own cannot be read.
        StorageError: the film cannot be written.
        Interrupted: it was stopped; the film has the frames so far.
    """
    target, sound = Path(out), Path(audio) if audio is not None else None
    heard_by_all = sound if sound is not None and holds_sound(target.suffix.lower()) else None
    check_video(target, fps, quality, codec, heard_by_all)
    _check(grid, size, amount, seed)
    if target.suffix:
        refuse_existing(target, overwrite)
    total = _count(frames, seconds, fps, sound)
    heard = features(read_sound(sound, RATE), RATE, fps, total) if sound is not None else None
    drawn_by = run if run is not None else run_of(keys, Path(runs_dir))
    model = load(drawn_by, runs_dir=runs_dir, device=device)
    steering = steer(model, sliders, bends, moving=True)
    each = 1 if steering.moves else KEYS
    cells = cells_of(model, grid[0] * grid[1], list(keys), class_name, truncation, seed, on_event, should_stop, each)
    if not steering.moves and len(cells[0].z) < 2 and (path not in ("circle", "noise") or not loop):
        raise UsageError("One keyframe is nowhere to walk to.", "Give more, or --path circle without --open.")
    if even and ease != "none":
        raise UsageError(f"--ease {ease} slows down, and --even does not.", "Give one of them.")
    way, count = Way(path, ease, loop, steering), len(cells[0].z)
    asked = {
        **{"seconds": seconds, "frames": total if seconds is None else None, "fps": fps, "size": size},
        **{"grid": f"{grid[0]}x{grid[1]}", "from": list(map(str, keys)), "class": class_name, "truncation": truncation},
        **{"seed": seed, "path": path, "ease": ease, "open": not loop, "even": even, "audio": audio, "amount": amount},
        **{"slider": [one.text for one in steering.sliders], "bend": [one.text for one in steering.bends]},
        **{"codec": codec, "quality": quality},
    }
    with explaining_memory("Ask for a smaller grid."):
        at = positions(total, count, loop) if heard is None else paced(speeds(heard, amount), count, loop)
        at = evenly(model, way, cells[0], at) if even else at
        push = [
            None if heard is None else closed(pushes(heard, cell.z.shape[1], cell.seed, amount), fps, loop)
            for cell in cells
        ]
        drawn = write_video(
            target,
            frames_of(model, way, cells, at, push, grid[0], size, on_event, should_stop),
            fps=fps,
            quality=quality,
            codec=codec,
            sound=heard_by_all,
            recipe=_told(model, cells, target, asked),
            keep_partial=True,
            on_recolored=lambda done: on_event(Coloring(done, total)),
        )
    names = tuple(cell.names for cell in cells)
    return WalkResult(target, drawn, fps, model.run, model.nimg, names, model.passed_over)


def parse_grid(text: str) -> tuple[int, int]:
    """Columns and rows from `3x2`.

    Raises:
        UsageError: it has no such form.
    """
    columns, _, rows = text.lower().partition("x")
    if not (columns.isascii() and columns.isdigit() and rows.isascii() and rows.isdigit()):
        raise UsageError(f"--grid {text[:100]!r} is no grid.", "Give columns and rows, such as 3x2.")
    return int(columns), int(rows)


def _check(grid: tuple[int, int], size: int | None, amount: float, seed: int) -> None:
    if min(grid) < 1 or grid[0] * grid[1] > MOST_CELLS:
        raise UsageError(f"--grid {grid[0]}x{grid[1]} is not a grid.", f"Give columns and rows, {MOST_CELLS} at most.")
    if size is not None and not 8 <= size <= MOST_SIDE:
        raise UsageError(f"--size {size} is not between 8 and {MOST_SIDE}.", "It is the longer side in pixels.")
    if not 0 <= amount <= 4:
        raise UsageError(f"--amount {amount:g} is not between 0 and 4.", "1 is the default.")
    if not 0 <= seed < 2**40:
        raise UsageError(f"--seed {seed} is out of range.", "Give a whole number from 0 up.")


def _count(frames: int | None, seconds: float | None, fps: float, sound: Path | None) -> int:
    """How many frames the film has."""
    if frames is not None and seconds is not None:
        raise UsageError("--frames and --seconds both say how long it is.", "Give one of them.")
    if seconds is not None and not 0 < seconds * fps <= MOST_FRAMES:
        raise UsageError(f"--seconds {seconds:g} is no length of a film.", f"Give {MOST_FRAMES} frames at most.")
    asked = frames if frames is not None else round(seconds * fps) if seconds is not None else None
    if sound is not None:
        whole = max(1, round(sound_length(sound) * fps))
        asked = whole if asked is None else min(asked, whole)
    asked = 120 if asked is None else asked
    if not 1 <= asked <= MOST_FRAMES and seconds is None:
        raise UsageError(f"--frames {asked} is no length of a film.", f"Give 1 to {MOST_FRAMES} frames.")
    return max(asked, 1)


def _told(model: LoadedGenerator, cells: Sequence[Cell], film: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the film says of itself."""
    words = ["artgan", "walk", film.name, "--run", model.run]
    for name, value in asked.items():
        if value is True:
            words.append(f"--{name}")
        elif isinstance(value, list):
            words += [word for each in value for word in (f"--{name}", each)]
        elif value not in (None, False, _USUAL.get(name)):
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return {
        "kind": "walk",
        "artgan": artgan.__version__,
        "run": model.run,
        "nimg": model.nimg,
        "keys": [list(cell.names) for cell in cells],
        "classes": list(model.classes),
        "asked": {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()},
        "command": shlex.join(words),
        "settings": model.settings.model_dump(mode="json"),
    }
