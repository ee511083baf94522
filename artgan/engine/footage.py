"""Films read as frames: at one constant rate, upright, in 8-bit sRGB, one by one. Files come from anywhere.

Videos are decoded by ffmpeg, which brings varying rates, deep and wide colours, odd pixels and turned phones to that.
Animated pictures are read by Pillow, frame by frame, and so is a folder of frames.
"""

import bisect
import contextlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from artgan.engine.cut import FASTEST, Cut
from artgan.engine.feeding import Frame
from artgan.engine.ffmpeg import literal, read_frames, read_output, read_words
from artgan.engine.images import alpha_of, decode, frame_count, open_picture, to_mode
from artgan.errors import DatasetError, UsageError

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
"""Suffixes of films that can hold nothing else."""
FOLDER_FPS = 25.0
"""Frames per second of a folder of frames, unless told."""
_READ = "mov,matroska,avi"  # no playlists, which name other files and addresses
_MOST_PIXELS = 1 << 27  # of a frame that ffmpeg may decode; 8K has a quarter of them
_FRAMES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".avif", ".heic")
_SMALLEST = 32  # pixels; of less, no network sees anything
_STILL_MS, _LEAST_MS = 100.0, 10.0  # browsers show what asks for less than 1/100 s for 1/10 s
_ROUNDED_MS = 10.0  # delays that differ by no more are one rate, rounded as a GIF must
_SHORTEST_MS = 20.0  # delays that have nothing in common are brought to 50 frames a second
_HINT = "Give a film such as an .mp4, or bring it to one first."
_FINE = "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"  # ffmpeg's usual ways smear colours
_TO_SDR = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv444p,"
)
_OVER_WHITE = (
    ",format=rgba,split[under][over];[under]drawbox=c=white:t=fill:replace=1[white];[white][over]overlay=format=rgb"
)


@dataclass(frozen=True)
class Footage:
    """A film that can be read.

    Attributes:
        size: (width, height) of its frames.
        fps: frames per second, all alike.
        count: how many there are, as far as the file says so.
        has_sound: whether there is sound beside them.
        notes: what is worth telling of it, sentences.
        frames: begins at the first frame whenever it is called; each is (H, W, 3).
    """

    size: tuple[int, int]
    fps: Fraction
    count: int
    has_sound: bool
    notes: tuple[str, ...]
    frames: Callable[[], Iterator[Frame]]


def open_footage(path: Path, longest: int, cut: Cut, enlarge: bool = False) -> Footage:
    """Open a video, an animated picture or a folder of frames; the first frame is read.

    Args:
        path: the file, or the folder; see `frame_files`.
        longest: pixels that the longest side is brought down to.
        cut: what of it is wanted.
        enlarge: bring a smaller one up to that, too.

    Raises:
        UsageError: the cut leaves nothing, or the rate makes no sense.
        DatasetError: it is missing, broken, too small, or has no frames.
        StorageError: it is a video, and there is no ffmpeg.
    """
    cut.check()
    kind = _open_folder if path.is_dir() else _open_video if path.suffix.lower() in VIDEOS else _open_animation
    footage = kind(path, longest, cut, enlarge)
    width, height = footage.size
    if min(width, height) < _SMALLEST:
        reason = f"{width} × {height} pixels are too few, each side needs {_SMALLEST}"
        raise DatasetError(f"{path}: {reason}.", "Give a larger film, or a larger --size.")
    return footage


def is_still(path: Path) -> bool:
    """Whether a file is a picture of one frame; what cannot be read is left to what reads it."""
    try:
        with open_picture(path) as opened:
            return frame_count(opened) < 2
    except (DatasetError, OSError):
        return False


@dataclass(frozen=True)
class _Told:
    """What ffmpeg tells of a video."""

    fps: Fraction
    seconds: float | None
    has_sound: bool
    picture: str


def _open_video(path: Path, longest: int, cut: Cut, enlarge: bool) -> Footage:
    source = ["-protocol_whitelist", "file", "-format_whitelist", _READ]
    told = _told(path, [*source, "-i", literal(path)])
    if told.seconds is not None and cut.start >= told.seconds:
        raise _nothing_left(path, cut.start, told.seconds)
    fps = _snapped(min(cut.fps, FASTEST)) if cut.fps is not None else told.fps
    has_alpha = bool(re.search(r"yuva|rgba|bgra|argb|abgr|gbrap|ya8|ya16|alpha_mode", told.picture))
    if "alpha_mode" in told.picture:  # ffmpeg's own decoder leaves it out
        source += ["-c:v", "libvpx-vp9" if "vp9" in told.picture else "libvpx"]
    source += ["-max_pixels", str(_MOST_PIXELS)]
    if cut.start:
        source += ["-ss", f"{cut.start:.6f}"]
    if cut.end is not None:
        source += ["-t", f"{cut.end - cut.start:.6f}"]
    deep = bool(re.search("smpte2084|arib-std-b67", told.picture))
    factor = f"{longest}/max(iw*sar,ih)" if enlarge else f"min(1,{longest}/max(iw*sar,ih))"
    scale = f"scale=w='max(1,round(iw*sar*{factor}))':h='max(1,round(ih*{factor}))':{_FINE}{_matrix(told.picture)}"
    # From 0 on, also where the pictures begin later than the sound.
    filters = (
        f"fps={fps}:start_time=0,"
        + (_TO_SDR if deep else "")
        + scale
        + ",setsar=1"
        + (_OVER_WHITE if has_alpha else "")
    )
    arguments = [*source, "-i", literal(path), "-map", "0:V:0", "-vf", filters, "-fps_mode", "passthrough"]

    def frames() -> Generator[Frame, None, None]:
        """All of them; a film that is broken further on ends there."""
        count = 0
        try:
            for frame in read_frames(path, arguments):
                yield frame
                count += 1
        except ValueError as error:
            if not count:
                raise _unreadable(path, str(error)) from error

    drawn = frames()
    first = next(drawn, None)
    drawn.close()
    if first is None:
        raise DatasetError(f"{path} has no frames{' there' if cut != Cut() else ''}.", _HINT)
    seconds = told.seconds if told.seconds is not None else _counted(path, arguments) / fps + cut.start
    until = float(seconds) if cut.end is None else min(cut.end, float(seconds))
    notes = []
    if has_alpha:
        notes.append(f"{path} is transparent in part; it is laid over white.")
    if deep:
        notes.append(f"{path} has high dynamic range, which is brought to that of a screen.")
    size = first.shape[1], first.shape[0]
    return Footage(size, fps, max(1, round((until - cut.start) * fps)), told.has_sound, tuple(notes), frames)


def _told(path: Path, source: list[str]) -> _Told:
    words = read_words(path, source)
    lines = list(itertools.dropwhile(lambda line: not line.startswith("Input #0"), words))
    streams = [line for line in lines if re.match(r"Stream #0:\d+", line)]
    pictures = [line for line in streams if " Video: " in line and "(attached pic)" not in line]
    if not lines:
        raise _unreadable(path, next((line for line in words if "file:" in line or "rror" in line), ""))
    if not pictures:
        raise DatasetError(f"{path} has no pictures, only sound." if streams else f"{path} has no frames.", _HINT)
    length = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", "\n".join(lines))
    seconds = None if length is None else int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3])
    mode = " alpha_mode" if any(re.match(r"alpha_mode\s*: 1", line, re.IGNORECASE) for line in lines) else ""
    picture = pictures[0]
    average, base = (
        float(found[1]) * (1000 if found[2] else 1) if (found := re.search(rf"([\d.]+)(k?) {unit}\b", picture)) else 0.0
        for unit in ("fps", "tbr")
    )
    # The average falls short where a few frames are missing; of a rate that varies, the base may be 90000.
    rate = base if 0 < average <= base <= 1.1 * average else average or base or 25.0
    has_sound = any(" Audio: " in line for line in streams)
    return _Told(_snapped(min(max(rate, 0.1), FASTEST)), seconds, has_sound, picture + mode)


def _matrix(picture: str) -> str:
    """Untagged films of HD size are BT.709, as players take them; ffmpeg would take them for BT.601."""
    tagged = re.search("bt709|bt2020|smpte170m|bt470bg|smpte240m|fcc|gbr|rgb", picture)
    height = re.search(r", \d+x(\d+)", picture)
    return ":in_color_matrix=bt709" if not tagged and height and int(height[1]) >= 720 else ""


def _snapped(fps: float) -> Fraction:
    """A rate that was told with two digits as what is meant: 29.97 is 30000/1001."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return (
        ntsc
        if abs(float(ntsc) - fps) < 0.005 and abs(round(fps) - fps) > 1e-4
        else Fraction(fps).limit_denominator(1001)
    )


def _counted(path: Path, arguments: list[str]) -> int:
    """How many frames there are, where the file does not say how long it lasts."""
    try:
        told = read_output(path, [*arguments, "-progress", "pipe:1", "-f", "null", "-"], 1 << 26)
    except ValueError as error:
        raise _unreadable(path, str(error)) from error
    found = re.findall(rb"^frame=\s*(\d+)", told, re.MULTILINE)
    return int(found[-1]) if found else 1


def _unreadable(path: Path, words: str) -> DatasetError:
    reason = words.partition("\n")[0].rstrip(".").removeprefix(f"{literal(path)}: ")
    for name in (f"{literal(path)}: ", f"Error opening input file {literal(path)}"):
        reason = reason.replace(name, "")
    return DatasetError(f"{path} cannot be read as a film: {reason or 'it is broken'}.", _HINT)


def _nothing_left(path: Path, start: float, seconds: float) -> UsageError:
    return UsageError(f"--from {start:g}: {path} lasts {seconds:g} seconds.", "Give an earlier --from.")


def _open_animation(path: Path, longest: int, cut: Cut, enlarge: bool) -> Footage:
    try:
        with open_picture(path, _HINT) as opened:
            delays, has_alpha = _delays(opened)
            size = _fitted(opened.size, longest, enlarge)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error.message.rstrip('.')}.", error.hint) from error
    if len(delays) < 2:
        raise UsageError(f"{path} is one picture and not a film.", "Give a film, or -o NAME.png for a painting.")

    def pictures(numbers: Sequence[int]) -> Iterator[Image.Image]:
        with open_picture(path, _HINT) as opened:
            for number in numbers:
                opened.seek(number)
                yield to_mode(opened, "rgb")

    return _flipbook(path, pictures, delays, size, has_alpha, cut)


def _delays(opened: ImageFile.ImageFile) -> tuple[list[float], bool]:
    """How long each frame is shown, in milliseconds, and whether any is transparent; up to where it is broken."""
    delays: list[float] = []
    has_alpha = False
    for number in range(frame_count(opened)):
        with contextlib.suppress(Exception):  # Pillow's decoders raise anything; what comes before can be shown
            opened.seek(number)
            opened.load()
            delay = float(opened.info.get("duration") or 0)
            if not has_alpha and (alpha := alpha_of(opened)) is not None:
                has_alpha = alpha.getextrema() != (255, 255)
            delays.append(delay if delay > _LEAST_MS else _STILL_MS)
            continue
        break
    return delays, has_alpha


def frame_files(folder: Path) -> list[Path]:
    """The pictures in a folder, in natural order: 2.png before 10.png.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in _FRAMES and not file.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read: {error.strerror or error}.", "Check its permissions.") from error
    # Text and digits take turns in what `split` gives, so that like is compared with like.
    return sorted(files, key=lambda file: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", file.name)])


def _open_folder(path: Path, longest: int, cut: Cut, enlarge: bool) -> Footage:
    files = frame_files(path)
    if not files:
        raise DatasetError(f"{path} has no frames.", "Give a folder of pictures, such as 0001.png and on.")
    first = _read_frame(files[0])
    with open_picture(files[0]) as opened:
        has_alpha = alpha_of(opened) is not None

    def pictures(numbers: Sequence[int]) -> Iterator[Image.Image]:
        for number in numbers:
            picture = _read_frame(files[number])
            if picture.size != first.size:
                sizes = "{}x{}, and the first frame {}x{}".format(*picture.size, *first.size)
                raise DatasetError(f"{files[number]} is {sizes}.", "Bring all of them to one size.")
            yield picture

    delays = [1000 / (cut.fps or FOLDER_FPS)] * len(files)
    return _flipbook(path, pictures, delays, _fitted(first.size, longest, enlarge), has_alpha, cut)


def _read_frame(file: Path) -> Image.Image:
    try:
        return decode(file)
    except (DatasetError, OSError) as error:
        reason = error.message if isinstance(error, DatasetError) else str(error.strerror or error)
        raise DatasetError(f"{file}: {reason.rstrip('.')}.", "Save it again as PNG, or take it out.") from error


def _fitted(size: tuple[int, int], longest: int, enlarge: bool) -> tuple[int, int]:
    factor = longest / max(size) if enlarge else min(1.0, longest / max(size))
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height


def _flipbook(
    path: Path,
    pictures: Callable[[Sequence[int]], Iterator[Image.Image]],
    delays: Sequence[float],
    size: tuple[int, int],
    has_alpha: bool,
    cut: Cut,
) -> Footage:
    """Pictures that are shown for so many milliseconds each, as frames of one rate: those that stay are repeated."""
    fps = _snapped(cut.fps) if cut.fps is not None else _common_rate(delays)
    ends = list(itertools.accumulate(delays))
    if cut.start * 1000 >= ends[-1]:
        raise _nothing_left(path, cut.start, ends[-1] / 1000)
    until = min(ends[-1] / 1000, math.inf if cut.end is None else cut.end)
    count = max(1, round((until - cut.start) * fps))
    # What is shown in the middle of the time that a frame has.
    times = [(cut.start + float((number + Fraction(1, 2)) / fps)) * 1000 for number in range(count)]
    shown = [min(bisect.bisect_right(ends, time), len(ends) - 1) for time in times]

    def frames() -> Iterator[Frame]:
        times_shown = Counter(shown)  # in the order of the film
        for number, picture in zip(times_shown, pictures(list(times_shown)), strict=True):
            fitting = picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
            frame = np.asarray(fitting)
            for _ in range(times_shown[number]):
                yield frame

    notes = (f"{path} is transparent in part; it is laid over white.",) if has_alpha else ()
    return Footage(size, fps, count, False, notes, frames)


def _common_rate(delays: Sequence[float]) -> Fraction:
    """The rate that shows pictures of these delays, in milliseconds, without cutting any short."""
    if max(delays) - min(delays) <= _ROUNDED_MS:
        return Fraction(1000 * len(delays) / sum(delays)).limit_denominator(1001)
    step = math.gcd(*(round(delay) for delay in delays))
    return Fraction(1000) / round(max(step, _SHORTEST_MS))
