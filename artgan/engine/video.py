"""Films: frames stream through ffmpeg into an MP4, GIF, WebP or animated PNG. Memory does not grow with their number.

ffmpeg is run here rather than through imageio's writer, which does not look at the exit code: a disk that filled up at
the end would leave half a film behind, and nobody would be told.
"""

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from artgan.engine.palette import ColorCount
from artgan.engine.storage import beside, naming_the_path
from artgan.errors import StorageError, UsageError

Frame = NDArray[np.uint8]

FORMATS = (".mp4", ".gif", ".webp", ".png")
GIF_FASTEST = 50  # its delays are whole hundredths of a second, and browsers slow down one of 1/100
# x264 writes other bytes with other numbers of threads: fixed, one film is the same file on machines of 2 and 64 cores.
_THREADS = 4
_FFMPEG_HINT = "`pip install imageio[ffmpeg]` brings an ffmpeg; the variable IMAGEIO_FFMPEG_EXE names another."


def check_video(path: Path, fps: float, quality: float = 75) -> None:
    """Refuse what `write_video` would refuse, before the first frame is drawn.

    Raises:
        UsageError: the suffix of `path` names no known format, or `fps` or `quality` makes no sense.
    """
    if path.suffix.lower() not in FORMATS:
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise UsageError(f"{path} is not the name of a film.", f"Give one that ends in {known}.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Give the name of a file.")
    if not 0.1 <= fps <= 240:
        raise UsageError(f"--fps {fps:g} is not a frame rate.", "Give frames per second, from 0.1 to 240, such as 25.")
    if path.suffix.lower() == ".gif" and fps > GIF_FASTEST:
        hint = f"Give --fps {GIF_FASTEST} or less, or write an .mp4."
        raise UsageError(f"A GIF shows at most {GIF_FASTEST} frames per second, not {fps:g}.", hint)
    if not 0 <= quality <= 100:
        raise UsageError(f"--quality {quality:g} is not a quality.", "Give 0 (small file) to 100; 75 is the default.")


def write_video(
    path: Path,
    frames: Iterable[Frame],
    *,
    fps: float = 25,
    quality: float = 75,
    loop: bool = True,
    on_recolored: Callable[[int], None] = lambda done: None,
) -> int:
    """Write a film; it appears under its name when it is whole. The same frames are the same bytes.

    Args:
        path: its suffix chooses the format: .mp4 (H.264, which plays everywhere), .gif, .webp or .png (APNG).
        frames: pictures (H, W, 3), all of one size. H.264 wants even sides: an odd one repeats its last row or column.
        fps: frames per second, 0.1 to 240; a GIF rounds each delay to 1/100 s and keeps the length of the whole.
        quality: 0 to 100 for .mp4 and .webp; a GIF has 256 colours, an APNG loses nothing.
        loop: play over and over (GIF, WebP, APNG; an MP4 leaves that to the player).
        on_recolored: a GIF's frames wait until all have come, and then get their palette, which takes longer than the
            rest: called now and then with how many have it.

    Returns:
        How many frames were written.

    Raises:
        UsageError: `check_video` says no, or there is no frame.
        StorageError: the disk is full, the folder cannot be written, or ffmpeg is missing or fails.
    """
    check_video(path, fps, quality)
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise UsageError(f"There is no frame for {path}.", "Ask for at least one.")
    padded = _even if path.suffix.lower() == ".mp4" else _as_it_is
    height, width, _ = padded(first).shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    source += ["-r", str(Fraction(fps).limit_denominator(1001)), "-i", "pipe:0"]
    alike = map(padded, _of_one_size(itertools.chain([first], stream), first))
    with _in_a_folder_beside(path) as folder:
        film = folder / "film"
        if path.suffix.lower() == ".gif":
            count = _write_gif(path, film, source, alike, loop, on_recolored)
        else:
            count = _ffmpeg(path, [*source, *_codec(path, quality, loop), _name(film)], alike)
        with naming_the_path(path):
            with film.open("rb+") as file:
                os.fsync(file.fileno())
            film.replace(path)
    return count


def _codec(path: Path, quality: float, loop: bool) -> list[str]:
    """What ffmpeg needs to know of a format that is written in one go."""
    if path.suffix.lower() == ".webp":
        return ["-c:v", "libwebp_anim", "-quality", f"{quality:g}", "-loop", str(int(not loop)), "-f", "webp"]
    if path.suffix.lower() == ".png":
        return ["-c:v", "apng", "-plays", str(int(not loop)), "-f", "apng"]
    # Players take untagged films for BT.709 or BT.601 by their height: said plainly, colours stay what they are.
    scale = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_inp+bitexact"
    colors = "setparams=color_primaries=bt709:color_trc=bt709"
    return [
        *("-vf", f"{scale},format=yuv420p,{colors}", "-c:v", "libx264"),
        *("-threads", str(_THREADS), "-crf", f"{48 - 0.4 * quality:.1f}"),
        *("-movflags", "+faststart", "-f", "mp4"),  # the index first: a browser shows it while it loads
    ]


def _write_gif(
    path: Path, film: Path, source: list[str], frames: Iterable[Frame], loop: bool, on_recolored: Callable[[int], None]
) -> int:
    """One palette for the whole film, so that nothing flickers: the frames wait on disk until all have been looked at.

    Of ffmpeg's ditherings, sierra3 came next to the best in colour on our films, and shimmered and weighed less.
    """
    stored, palette, colors = film.with_name("frames"), film.with_name("palette"), ColorCount()
    # x264's lossless mode: exact at every size, and for films that stand still now and then a sixth of FFV1's bytes.
    lossless = ["-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast", "-f", "nut"]
    count = _ffmpeg(path, [*source, *lossless, _name(stored)], map(colors.look, frames))
    with naming_the_path(path):
        palette.write_bytes(colors.palette().tobytes())
    again = ["-i", _name(stored), "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "16x16", "-i", _name(palette)]
    again += ["-lavfi", "paletteuse=dither=sierra3:diff_mode=rectangle", "-loop", "0" if loop else "-1"]
    _ffmpeg(path, [*again, "-f", "gif", _name(film)], on_frame=on_recolored)
    return count


def _ffmpeg(
    path: Path, arguments: list[str], frames: Iterable[Frame] = (), on_frame: Callable[[int], None] | None = None
) -> int:
    """Run ffmpeg, feeding it `frames`, and return how many it took; `on_frame` hears how many it has written.

    Raises:
        StorageError: it is missing or fails; the sentence names `path` and ends with ffmpeg's own last words.
    """
    telling = ["-progress", "pipe:1"] if on_frame else []
    command = [_program(path), "-v", "error", "-nostdin", *telling, *arguments]
    with tempfile.TemporaryFile() as words:
        try:
            # In a session of its own, so that Ctrl-C reaches only us: who asked for the film decides how it ends.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, start_new_session=True
            )
        except OSError as error:
            raise StorageError(f"{command[0]} does not start: {error.strerror}.", _FFMPEG_HINT) from error
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            count = _feed(process.stdin, frames)
            for line in process.stdout:  # empty, unless it was told to tell
                if on_frame and line.startswith(b"frame="):
                    on_frame(int(line[6:]))
            failed = process.wait() != 0
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.stdout.close()
            process.wait()
        words.seek(0)
        said = words.read().decode(errors="replace")
    if failed:
        raise _failure(path, said)
    return count


def _feed(pipe: IO[bytes], frames: Iterable[Frame]) -> int:
    """Write frames until they end, or until ffmpeg gives up: its exit code and its words then say why."""
    count = 0
    for frame in frames:
        try:
            pipe.write(frame.tobytes())
        except OSError:
            break
        count += 1
    with contextlib.suppress(OSError):
        pipe.close()
    return count


def _failure(path: Path, said: str) -> StorageError:
    lines = [re.sub(r"^\[[^]]*\]\s*", "", line).strip() for line in said.splitlines() if line.strip()]
    full = next((line for line in lines if re.search("No space left|quota exceeded|File too large", line)), None)
    if full is not None:
        reason = full.rpartition(": ")[2]
        return StorageError(f"{path} cannot be written: {reason}.", "Free some disk space.")
    reason = lines[-1].rstrip(".") if lines else "it ended without a word"
    return StorageError(f"ffmpeg could not write {path}: {reason}.", "Try another format, such as .mp4 or .gif.")


def _program(path: Path) -> str:
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise StorageError(f"{path} cannot be written: there is no ffmpeg.", _FFMPEG_HINT) from error


def _name(path: Path) -> str:
    """A file as ffmpeg takes it literally: without the prefix, `a:b.mp4` would be an address."""
    return f"file:{path}"


def _of_one_size(frames: Iterable[Frame], first: Frame) -> Iterator[Frame]:
    for frame in frames:
        if frame.dtype != np.uint8 or frame.shape != (*first.shape[:2], 3):
            raise ValueError(f"a frame is {frame.dtype} {frame.shape}, the first one {first.dtype} {first.shape}")
        yield frame


def _as_it_is(frame: Frame) -> Frame:
    return frame


def _even(frame: Frame) -> Frame:
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if height % 2 or width % 2 else frame


@contextlib.contextmanager
def _in_a_folder_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary folder on the same disk as `path`; it is removed however the block ends."""
    folder = beside(path)
    try:
        with naming_the_path(path):
            folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
