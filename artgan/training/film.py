"""`artgan.progress`: the previews of a run, the same latents all through it, as a film of how it learned."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artgan.engine.images import decode, quiet_decoding
from artgan.engine.storage import Run, find_run, refuse_existing
from artgan.engine.video import Frame, check_video, write_video
from artgan.errors import CheckpointError, DatasetError, UsageError
from artgan.training.events import Notice

SECONDS = 10.0  # as long as people look at such a film
SECONDS_EACH = 0.8  # a film of few previews is shorter
SECONDS_LAST = 1.5  # where it all led to deserves a look
LEAST_SIDE = 480  # smaller sheets are enlarged by a whole number: H.264 keeps colours at half the resolution
_INK, _PAPER = 70, 255  # the sheets have white lines between their pictures


@dataclass(frozen=True)
class FrameWritten:
    """`done` of `total` frames are in the film; a GIF is gone through a second time, for its colours."""

    done: int
    total: int


FilmEvent = FrameWritten | Notice


@dataclass(frozen=True)
class ProgressResult:
    """The film, the run it shows, how many previews are in it, its length, and files left out with the reason."""

    file: Path
    run: str
    previews: int
    frames: int
    seconds: float
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Preview:
    path: Path
    nimg: int
    size: tuple[int, int]


def progress(
    run: str | Path | None = None,
    out: str | Path | None = None,
    *,
    seconds: float | None = None,
    fps: float = 25,
    fade: float = 0.3,
    caption: bool = True,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    on_event: Callable[[FilmEvent], None] = lambda event: None,
) -> ProgressResult:
    """Make a film of a run's previews: the same seeds, from noise to pictures. It may be asked for while training runs.

    Args:
        run: number, name or folder of a run; None is the latest.
        out: a name ending in .mp4, .mov, .mkv, .gif, .webp or .apng, or a new folder for PNGs; None writes
            `progress.mp4` into the run's folder.
        seconds: length of the film; None gives each preview 0.8 s, and 10 s to all of them at most.
        fps: frames per second.
        fade: seconds of crossfade from one preview to the next; 0 cuts.
        caption: write below the pictures how many kimg the network had seen.
        overwrite: replace a file that exists.
        runs_dir: the folder that holds the runs.
        on_event: called for every frame, and with a notice for previews that are left out.

    Raises:
        UsageError: a length, rate or name makes no sense, or the file exists.
        CheckpointError: there is no such run, or it has no previews.
        StorageError: the film cannot be written.
    """
    chosen = find_run(run, Path(runs_dir))
    path = Path(out) if out is not None else chosen.folder / "progress.mp4"
    check_video(path, fps)
    _check_times(seconds, fps, fade)
    refuse_existing(path, overwrite or out is None)
    previews, skipped = _previews(chosen)
    for name, reason in skipped:
        on_event(Notice(f"Skipped {name}: {reason}"))
    if not previews:
        hint = "Train it for a while; the first previews come within seconds."
        raise CheckpointError(f"{chosen.folder} has no previews to show.", hint)
    if seconds is None:
        seconds = min(SECONDS, SECONDS_EACH * (len(previews) - 1) + SECONDS_LAST)
    total = max(1, round(seconds * fps))
    count = write_video(
        path,
        _frames(previews, total, fps, fade, caption, on_event),
        fps=fps,
        on_recolored=lambda done: on_event(FrameWritten(done, total)),
    )
    return ProgressResult(path, chosen.name, len(previews), count, count / fps, skipped)


def _check_times(seconds: float | None, fps: float, fade: float) -> None:
    if seconds is not None and not 1 / fps <= seconds <= 3600:
        hint = "Give seconds, such as --seconds 10; an hour is the most."
        raise UsageError(f"--seconds {seconds:g} is not a length of a film at {fps:g} frames per second.", hint)
    if not 0 <= fade <= 3600:
        raise UsageError(f"--fade {fade:g} is not a time.", "Give seconds, such as --fade 0.3, or 0 for cuts.")


def _previews(run: Run) -> tuple[list[_Preview], tuple[tuple[str, str], ...]]:
    """The previews that can be shown together, in order, and the others with the reason."""
    found: list[_Preview] = []
    skipped: list[tuple[str, str]] = []
    with quiet_decoding():
        for nimg, path in sorted(run.previews().items()):
            try:
                found.append(_Preview(path, nimg, decode(path).size))
            except DatasetError as error:
                skipped.append((path.name, error.message))
    if not found:
        return [], tuple(skipped)
    # Sizes differ only where somebody put a picture of another run here: the size that most of them have is this run's.
    size = Counter(preview.size for preview in found).most_common(1)[0][0]
    told = "{0} x {1} pixels, where the others have {2} x {3}"
    skipped += [(other.path.name, told.format(*other.size, *size)) for other in found if other.size != size]
    return [preview for preview in found if preview.size == size], tuple(skipped)


def timeline(previews: int, total: int, last: int, fade: float) -> Iterator[tuple[int, float]]:
    """For each of `total` frames, the preview it shows and the share (0 to 1) of the next one in it.

    Every preview gets the same time and dissolves into the next during its last `fade` frames; the very last one stands
    still for `last` frames, or for a third of a short film.
    """
    moving = total - min(last, math.ceil(total / 3)) if previews > 1 else 0
    slot = moving / max(1, previews - 1)
    fade = min(fade, slot)
    for frame in range(total):
        if frame >= moving:
            yield previews - 1, 0.0
            continue
        shown = min(int(frame / slot), previews - 2)
        left = (shown + 1) * slot - frame
        share = 1 - left / fade if left < fade else 0.0
        yield shown, share * share * (3 - 2 * share)  # slow, fast, slow: no jerk at either end


def _frames(
    previews: list[_Preview],
    total: int,
    fps: float,
    fade: float,
    caption: bool,
    on_event: Callable[[FilmEvent], None],
) -> Iterator[Frame]:
    """Frames one by one; no more than two previews are in memory."""
    width, height = previews[0].size
    times = math.ceil(LEAST_SIDE / max(width, height))

    @lru_cache(maxsize=2)
    def picture(number: int) -> Frame:
        return np.asarray(decode(previews[number].path)).repeat(times, axis=0).repeat(times, axis=1)

    @lru_cache(maxsize=2)
    def strip(number: int) -> Frame:
        return _caption(previews[number].nimg, previews[-1].nimg, width * times)

    moments = timeline(len(previews), total, round(SECONDS_LAST * fps), fade * fps)
    for done, (shown, share) in enumerate(moments, 1):
        frame = _mixed(picture(shown), picture(shown + 1), share) if share else picture(shown)
        if caption:
            frame = np.concatenate([frame, strip(shown + 1 if share > 0.5 else shown)])
        yield frame
        on_event(FrameWritten(done, total))


def _mixed(one: Frame, other: Frame, share: float) -> Frame:
    weight = round(share * 256)
    mixed = one.astype(np.uint16) * (256 - weight) + other.astype(np.uint16) * weight
    return ((mixed + 128) >> 8).astype(np.uint8)


def _caption(nimg: int, last: int, width: int) -> Frame:
    """A strip to stand below a sheet: `1.2 kimg`."""
    size = min(max(width // 26, 12), 32)
    decimals = 1 if nimg > 0 and (nimg < 10_000 or last < 100_000) else 0
    strip = Image.new("L", (width, 2 * size), _PAPER)
    place = (max(2, size // 2), size)
    ImageDraw.Draw(strip).text(place, f"{nimg / 1000:,.{decimals}f} kimg", _INK, _font(size), anchor="lm")
    return np.asarray(strip.convert("RGB"))


@lru_cache(maxsize=1)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
