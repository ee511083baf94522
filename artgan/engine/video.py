"""Films: frames stream into an MP4, a GIF, ... or a folder of PNGs. Memory does not grow with their number."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from artgan.engine.codecs import (
    FORMATS,
    GIF_FASTEST,
    PICTURES,
    Codec,
    codec_of,
    container_arguments,
    format_of,
    holds_sound,
    picture_arguments,
    sound_arguments,
    whole_blocks,
)
from artgan.engine.feeding import Frame, Handed, hand_over
from artgan.engine.ffmpeg import literal, run
from artgan.engine.film_recipe import FRAME_KEY, as_ffmetadata, as_text, insert_recipe, read_film_recipe
from artgan.engine.images import encode_png
from artgan.engine.palette import ColorCount
from artgan.engine.sound import check_sound, sound_source
from artgan.engine.storage import beside, naming_the_path, sweep
from artgan.errors import Interrupted, UsageError

__all__ = ["FORMATS", "Codec", "Frame", "check_video", "read_film_recipe", "write_video"]

_PNG_WRITERS = 4  # threads; packing a PNG takes longer than drawing many a frame


def check_video(
    path: Path, fps: float, quality: float = 75, codec: Codec | None = None, sound: Path | None = None
) -> None:
    """Refuse what `write_video` would refuse, before the first frame is drawn.

    Raises:
        UsageError: the suffix of `path` names no known format, or one that does not go together with `codec` or
            `sound`; `sound` cannot be read, or `fps` or `quality` makes no sense.
        StorageError: there is a sound, and no ffmpeg to read it.
    """
    suffix = format_of(path)
    if suffix == PICTURES and path.exists():
        raise UsageError(f"{path} exists.", "Give a folder that does not exist yet: it is made for the pictures.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Give the name of a file.")
    codec_of(path, codec)
    if not 0.1 <= fps <= 240:
        raise UsageError(f"--fps {fps:g} is not a frame rate.", "Give frames per second, from 0.1 to 240, such as 25.")
    if suffix == ".gif" and fps > GIF_FASTEST:
        hint = f"Give --fps {GIF_FASTEST} or less, or write an .mp4."
        raise UsageError(f"A GIF shows at most {GIF_FASTEST} frames per second, not {fps:g}.", hint)
    if not 0 <= quality <= 100:
        raise UsageError(f"--quality {quality:g} is not a quality.", "Give 0 (small file) to 100; 75 is the default.")
    if sound is not None:
        if not holds_sound(suffix):
            place = f"A {suffix} file" if suffix else "A folder of PNGs"
            raise UsageError(f"{place} has no place for the sound of {sound}.", "Write an .mp4, .mov or .mkv.")
        check_sound(sound)


def write_video(
    path: Path,
    frames: Iterable[Frame],
    *,
    fps: float = 25,
    quality: float = 75,
    codec: Codec | None = None,
    loop: bool = True,
    sound: Path | None = None,
    sound_from: float | None = None,
    recipe: Mapping[str, Any] | None = None,
    keep_partial: bool = False,
    on_recolored: Callable[[int], None] = lambda done: None,
) -> int:
    """Write a film; it appears under its name when it is whole. The same frames are the same bytes.

    Args:
        path: its suffix chooses the format: .mp4, .mov, .mkv, .gif, .webp, .apng or .png (both APNG); without one it
            is a new folder of PNGs, 00000.png and on.
        frames: pictures (H, W, 3), all of one size, that are drawn in this thread while others are being written.
        fps: frames per second, 0.1 to 240; a GIF rounds each delay to 1/100 s and keeps the length of the whole.
        quality: 0 to 100 for h264, hevc and .webp; at 75, the eye sees no loss. A GIF has 256 colours, and APNG, PNG
            and lossless lose nothing.
        codec: of an .mp4, .mov or .mkv: h264 (None; plays everywhere) or hevc (fewer bytes), which repeat the last row
            or column of an odd side; prores (422 HQ, for editing, in a .mov), which repeats that of an odd width;
            lossless (H.264 in RGB: every bit, for players that decode in software).
        loop: play over and over (GIF, WebP, APNG; the others leave that to the player).
        sound: a file whose sound goes into an .mp4, .mov or .mkv, cut to the length of the film.
        sound_from: the sound is that of a film, from this second on: it keeps the times that it has there.
        recipe: how the film was made, as JSON takes it; `read_film_recipe` reads it back.
        keep_partial: when drawing is broken off by the user, finish the film with the frames so far. Being broken off
            once more while that is done leaves nothing.
        on_recolored: a GIF's frames wait until all have come, and then get their palette, which takes longer than the
            rest: called now and then with how many have it.

    Returns:
        How many frames were written.

    Raises:
        UsageError: `check_video` says no, or there is no frame.
        StorageError: the disk is full, the folder cannot be written, or ffmpeg is missing or fails.
        Interrupted: the user broke it off, and the film was kept; it says how many frames are in it.
    """
    check_video(path, fps, quality, codec, sound)
    suffix, codec = format_of(path), codec_of(path, codec)
    text = as_text(recipe) if recipe is not None else None
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise UsageError(f"There is no frame for {path}.", "Ask for at least one.")
    alike = _of_one_size(itertools.chain([first], stream), first)
    prepare = partial(_padded, blocks=whole_blocks(codec))
    height, width, _ = prepare(first).shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    source += ["-r", str(_exact(fps)), "-i", "pipe:0"]
    with _in_a_folder_beside(path) as folder:
        film = folder / "film"
        if suffix == PICTURES:
            handed = _write_pictures(path, film, alike, recipe or {}, keep_partial)
        elif suffix == ".gif":
            handed = _write_gif(path, film, source, alike, loop, keep_partial, on_recolored)
        else:
            form = picture_arguments(suffix, codec, quality, loop)
            if codec is not None:
                source += _tags(path, folder, text)
                form += container_arguments(suffix, codec)
            handed = run(path, [*source, *form, literal(film)], alike, prepare=prepare, keep_partial=keep_partial)
        if sound is not None:
            form = sound_arguments(codec, handed.count / _exact(fps), in_time=sound_from is not None)
            source = [*_tags(path, folder, text), *sound_source(sound, sound_from or 0.0)]
            _add_sound(path, film, source, [*form, *container_arguments(suffix, codec)])
        with naming_the_path(path):
            if text is not None and codec is None and suffix != PICTURES:
                insert_recipe(film, suffix, text, (width, height))
            _settle(film, path)
    if handed.stopped:
        told = f"Stopped: {path} has the {handed.count} frames that were drawn."
        again = "--overwrite" if suffix != PICTURES else "another name"
        raise Interrupted(told, f"Give the same command with {again} to draw all of them.") from handed.stopped
    return handed.count


def _tags(path: Path, folder: Path, text: str | None) -> list[str]:
    """An input of ffmpeg with all that a film shall say of itself: the recipe, or nothing."""
    told = folder / "tags"
    with naming_the_path(path):
        told.write_text(as_ffmetadata(text), encoding="ascii")
    return ["-f", "ffmetadata", "-i", literal(told)]


def _add_sound(path: Path, film: Path, inputs: list[str], form: list[str]) -> None:
    """Put a sound beside the frames, once it is known how many there are; they are not coded again."""
    silent = film.with_name("silent")
    with naming_the_path(path):
        film.rename(silent)
    run(path, ["-i", literal(silent), *inputs, *form, literal(film)])


def _write_gif(
    path: Path,
    film: Path,
    source: list[str],
    frames: Iterable[Frame],
    loop: bool,
    keep_partial: bool,
    on_recolored: Callable[[int], None],
) -> Handed:
    """One palette for the whole film, so that nothing flickers: the frames wait on disk until all have been looked at.

    Of ffmpeg's ditherings, sierra3 came next to the best in colour on our films, and shimmered and weighed less.
    """
    stored, palette, colors = film.with_name("frames"), film.with_name("palette"), ColorCount()
    # x264's lossless mode: exact at every size, and for films that stand still now and then a sixth of FFV1's bytes.
    lossless = ["-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast", "-f", "nut"]
    handed = run(path, [*source, *lossless, literal(stored)], frames, prepare=colors.look, keep_partial=keep_partial)
    with naming_the_path(path):
        palette.write_bytes(colors.palette().tobytes())
    again = ["-i", literal(stored), "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "16x16", "-i", literal(palette)]
    again += ["-lavfi", "paletteuse=dither=sierra3:diff_mode=rectangle", "-loop", "0" if loop else "-1"]
    run(path, [*again, "-f", "gif", literal(film)], on_frame=on_recolored)
    return handed


def _write_pictures(
    path: Path, folder: Path, frames: Iterable[Frame], recipe: Mapping[str, Any], keep_partial: bool
) -> Handed:
    """A PNG for each frame, with the recipe and the frame's number."""

    def write(number: int, frame: Frame) -> None:
        data = encode_png(frame.transpose(2, 0, 1), {**recipe, FRAME_KEY: number})
        with naming_the_path(path), (folder / f"{number:05d}.png").open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    with naming_the_path(path):
        folder.mkdir()
    return hand_over(frames, write, writers=_PNG_WRITERS, keep_partial=keep_partial)


def _exact(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)


def _of_one_size(frames: Iterable[Frame], first: Frame) -> Iterator[Frame]:
    for frame in frames:
        if frame.dtype != np.uint8 or frame.shape != (*first.shape[:2], 3):
            raise ValueError(f"a frame is {frame.dtype} {frame.shape}, the first one {first.dtype} {first.shape}")
        yield frame


def _padded(frame: Frame, blocks: tuple[int, int]) -> Frame:
    """Repeat the last row and column until the sides are multiples of `blocks`."""
    short = -frame.shape[0] % blocks[0], -frame.shape[1] % blocks[1]
    return np.pad(frame, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge") if any(short) else frame


def _settle(film: Path, path: Path) -> None:
    """Give a whole film its name, once the disk has it."""
    if film.is_file():
        with film.open("rb+") as file:
            os.fsync(file.fileno())
        film.replace(path)
    else:
        film.rename(path)


@contextlib.contextmanager
def _in_a_folder_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary folder on the same disk as `path`; it is removed however the block ends."""
    folder = beside(path)
    try:
        with naming_the_path(path):
            folder.mkdir(parents=True)
            sweep(path.parent, path.name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
